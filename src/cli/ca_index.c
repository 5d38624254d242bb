/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ca_index.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"

enum { LINE_MAX_LEN = 16 * 1024, FIELDS = 6 };
static const char head[] = "# treewire-ca-index-1: serial, state, not before, not after, revoked at, names\n";

void tw_ca_time_text(uint64_t time, char out[24]) {
  const time_t seconds = (time_t)time;
  struct tm parts;
  if (gmtime_r(&seconds, &parts) == NULL || strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    (void)snprintf(out, 24, "-");
}

static bool parse_time(const char *text, uint64_t *time) {
  struct tm parts = {0};
  const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == NULL || *end != '\0') return false;
  const time_t seconds = timegm(&parts);
  if (seconds <= 0) return false;
  *time = (uint64_t)seconds;
  return true;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t tw_ca_serial_bytes(const char *serial, uint8_t *out) {
  const size_t len = strlen(serial);
  if (len == 0 || len % 2 != 0 || len >= TW_X509_SERIAL) return 0;
  for (size_t i = 0; i < len; i += 2) {
    const int high = hex_value(serial[i]);
    const int low = hex_value(serial[i + 1]);
    if (high < 0 || low < 0) return 0;
    out[i / 2] = (uint8_t)(high << 4 | low);
  }
  return len / 2;
}

tw_err tw_ca_index_add(tw_ca_index *index, const tw_ca_entry *entry, const char *names) {
  if (index->count == index->room) {
    const size_t room = index->room == 0 ? 16 : index->room * 2;
    tw_ca_entry *list = tw_alloc_resize_array(NULL, index->list, room, sizeof *list);
    if (list == NULL) return TW_ERR_NO_MEMORY;
    index->list = list;
    index->room = room;
  }
  const size_t at = index->names.len;
  TW_TRY(tw_buf_append(&index->names, TW_BYTES((const uint8_t *)names, strlen(names) + 1)));
  index->list[index->count] = *entry;
  index->list[index->count].names = at;
  index->count++;
  return TW_OK;
}

static size_t split(char *line, char *fields[FIELDS]) {
  size_t count = 0;
  char *rest = NULL;
  for (char *word = strtok_r(line, " \t\r", &rest); word != NULL; word = strtok_r(NULL, " \t\r", &rest)) {
    if (count == FIELDS) return FIELDS + 1;
    fields[count++] = word;
  }
  return count;
}

static tw_err parse_line(tw_ca_index *index, char *line, tw_report *report) {
  char *fields[FIELDS];
  uint8_t bytes[TW_X509_SERIAL];
  tw_ca_entry entry = {.serial = ""};
  if (line[0] == '#') return TW_OK;
  const size_t count = split(line, fields);
  if (count == 0) return TW_OK;
  if (count != FIELDS) return tw_report_fail(report, TW_ERR_ENCODING, "a line has six fields");
  if (tw_ca_serial_bytes(fields[0], bytes) == 0)
    return tw_report_fail(report, TW_ERR_ENCODING, "'%.60s' is no serial number", fields[0]);
  (void)snprintf(entry.serial, sizeof entry.serial, "%s", fields[0]);
  const bool revoked = strcmp(fields[1], "revoked") == 0;
  if (!revoked && strcmp(fields[1], "valid") != 0)
    return tw_report_fail(report, TW_ERR_ENCODING, "'%.60s' is neither valid nor revoked", fields[1]);
  if (!parse_time(fields[2], &entry.not_before) || !parse_time(fields[3], &entry.not_after) ||
      (revoked ? !parse_time(fields[4], &entry.revoked) : strcmp(fields[4], "-") != 0))
    return tw_report_fail(report, TW_ERR_ENCODING, "a time that is not as in 2026-11-28T03:20:22Z");
  if (tw_ca_index_find(index, entry.serial) != NULL)
    return tw_report_fail(report, TW_ERR_ENCODING, "the serial number %s comes twice", entry.serial);
  return tw_ca_index_add(index, &entry, fields[5]);
}

tw_err tw_ca_index_parse(const char *source, tw_bytes text, tw_ca_index *index, tw_report *report) {
  size_t number = 0;
  while (text.len > 0) {
    char line[LINE_MAX_LEN];
    tw_report why = {"out of memory"};
    const uint8_t *end = memchr(text.ptr, '\n', text.len);
    const size_t len = end == NULL ? text.len : (size_t)(end - text.ptr);
    number++;
    tw_err err;
    if (len >= sizeof line || memchr(text.ptr, '\0', len) != NULL) {
      err = tw_report_fail(&why, TW_ERR_ENCODING, "not a line of text");
    } else {
      memcpy(line, text.ptr, len);
      line[len] = '\0';
      err = parse_line(index, line, &why);
    }
    if (err != TW_OK) return tw_report_fail(report, err, "%.200s:%zu: %s", source, number, why.text);
    const size_t used = end == NULL ? len : len + 1;
    text = TW_BYTES(text.ptr + used, text.len - used);
  }
  return TW_OK;
}

tw_err tw_ca_index_format(const tw_ca_index *index, tw_buf *text) {
  TW_TRY(tw_buf_append(text, TW_LITERAL(head)));
  for (size_t i = 0; i < index->count; i++) {
    const tw_ca_entry *entry = &index->list[i];
    char line[LINE_MAX_LEN];
    char from[24];
    char until[24];
    char revoked[24] = "-";
    tw_ca_time_text(entry->not_before, from);
    tw_ca_time_text(entry->not_after, until);
    if (entry->revoked != 0) tw_ca_time_text(entry->revoked, revoked);
    const int len = snprintf(line, sizeof line, "%s %s %s %s %s %s\n", entry->serial,
                             entry->revoked != 0 ? "revoked" : "valid", from, until, revoked,
                             tw_ca_entry_names(index, entry));
    if (len < 0 || (size_t)len >= sizeof line) return TW_ERR_LIMIT;
    TW_TRY(tw_buf_append(text, TW_BYTES((const uint8_t *)line, (size_t)len)));
  }
  return TW_OK;
}

tw_ca_entry *tw_ca_index_find(const tw_ca_index *index, const char *serial) {
  for (size_t i = 0; i < index->count; i++)
    if (strcasecmp(index->list[i].serial, serial) == 0) return &index->list[i];
  return NULL;
}

const char *tw_ca_entry_names(const tw_ca_index *index, const tw_ca_entry *entry) {
  return (const char *)index->names.ptr + entry->names;
}

void tw_ca_index_clear(tw_ca_index *index) {
  tw_alloc_free(NULL, index->list);
  tw_buf_clear(&index->names);
  *index = (tw_ca_index){0};
}
