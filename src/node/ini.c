/* SPDX-License-Identifier: Apache-2.0 */
#include "node/ini.h"

#include <string.h>
#include <strings.h>

enum { SHOWN = 60 }; /* bytes of the file's own words in a report */

static int shown(tw_bytes text) { return text.len < SHOWN ? (int)text.len : SHOWN; }
static const char *words(tw_bytes text) { return text.len == 0 ? "" : (const char *)text.ptr; }

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }
static bool is_mark(uint8_t c) { return c == '#' || c == ';'; }

static tw_bytes trim(tw_bytes text) {
  while (text.len > 0 && is_blank(text.ptr[text.len - 1])) text.len--;
  while (text.len > 0 && is_blank(text.ptr[0])) text = TW_BYTES(text.ptr + 1, text.len - 1);
  return text;
}

static tw_bytes without_comment(tw_bytes line) {
  for (size_t i = 0; i < line.len; i++)
    if (is_mark(line.ptr[i]) && (i == 0 || is_blank(line.ptr[i - 1]))) return TW_BYTES(line.ptr, i);
  return line;
}

/* The bytes of the character at the front, with its value; 0 where there is none (RFC 3629 section 4). */
static size_t take_character(tw_bytes text, uint32_t *value) {
  const uint8_t first = text.ptr[0];
  if (first < 0x80) {
    *value = first;
    return 1;
  }
  const size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.len < len) return 0;
  uint32_t code = first & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((text.ptr[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (text.ptr[i] & 0x3fu);
  }
  const uint32_t least = len == 4 ? 0x10000 : len == 3 ? 0x800 : 0x80;
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
  *value = code;
  return len;
}

static bool is_control(uint32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

static bool is_text(tw_bytes text, bool tabs) {
  while (text.len > 0) {
    uint32_t c = 0;
    const size_t len = take_character(text, &c);
    if (len == 0 || (is_control(c) && !(tabs && c == '\t'))) return false;
    text = TW_BYTES(text.ptr + len, text.len - len);
  }
  return true;
}

bool tw_ini_is_printable(tw_bytes text) { return is_text(text, false); }

static bool is_name(tw_bytes text, const char *name) {
  return text.len == strlen(name) && strncasecmp(words(text), name, text.len) == 0;
}

tw_ini tw_ini_of(const char *source, tw_bytes text, const tw_ini_section *schema, size_t schema_count) {
  static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};
  if (text.len >= 3 && memcmp(text.ptr, byte_order_mark, 3) == 0) text = TW_BYTES(text.ptr + 3, text.len - 3);
  return (tw_ini){.source = source, .schema = schema, .schema_count = schema_count, .text = text};
}

bool tw_ini_is_utf16(tw_bytes text) {
  if (text.len < 2) return false;
  return (text.ptr[0] == 0xff && text.ptr[1] == 0xfe) || (text.ptr[0] == 0xfe && text.ptr[1] == 0xff);
}

/* Cut the next line off the front; without its end. */
static tw_bytes next_line(tw_ini *ini) {
  const uint8_t *end = memchr(ini->text.ptr, '\n', ini->text.len);
  size_t len = end == NULL ? ini->text.len : (size_t)(end - ini->text.ptr);
  const size_t used = end == NULL ? len : len + 1;
  const uint8_t *start = ini->text.ptr;
  ini->text = TW_BYTES(start + used, ini->text.len - used);
  ini->line++;
  if (len > 0 && start[len - 1] == '\r') len--;
  return TW_BYTES(start, len);
}

static tw_err begin_section(tw_ini *ini, tw_bytes line, tw_ini_item *item, tw_report *report) {
  ini->inside = true;
  ini->skipped = true;
  if (line.ptr[line.len - 1] != ']')
    return tw_report_fail(report, TW_ERR_ENCODING, "'%.*s': a section is [Name], alone in its line", shown(line),
                          words(line));
  const tw_bytes name = trim(TW_BYTES(line.ptr + 1, line.len - 2));
  for (size_t i = 0; i < ini->schema_count; i++) {
    if (!is_name(name, ini->schema[i].name)) continue;
    if (ini->section_lines[i] != 0 && !ini->schema[i].many)
      return tw_report_fail(report, TW_ERR_ENCODING, "a second [%s]; the first is in line %zu", ini->schema[i].name,
                            ini->section_lines[i]);
    if (ini->section_lines[i] == 0) ini->section_lines[i] = ini->line;
    ini->skipped = false;
    ini->section = i;
    (void)memset(ini->key_lines, 0, sizeof ini->key_lines);
    *item = (tw_ini_item){.kind = TW_INI_SECTION, .line = ini->line, .section = i};
    return TW_OK;
  }
  return tw_report_fail(report, TW_ERR_ENCODING, "unknown section [%.*s]", shown(name), words(name));
}

static tw_err take_value(tw_ini *ini, size_t which, tw_bytes value, tw_ini_item *item, tw_report *report) {
  const tw_ini_section *section = &ini->schema[ini->section];
  const tw_ini_key *key = &section->keys[which];
  if (key->instead != NULL)
    return tw_report_fail(report, TW_ERR_ENCODING, "%s is not a key of [%s]: %s", key->name, section->name,
                          key->instead);
  if (ini->key_lines[which] != 0 && (key->rules & TW_INI_MANY) == 0)
    return tw_report_fail(report, TW_ERR_ENCODING, "%s a second time in one [%s]; the first is in line %zu", key->name,
                          section->name, ini->key_lines[which]);
  if (ini->key_lines[which] == 0) ini->key_lines[which] = ini->line;
  if (value.len == 0 && (key->rules & TW_INI_EMPTY) == 0)
    return tw_report_fail(report, TW_ERR_ENCODING, "%s has no value", key->name);
  *item = (tw_ini_item){.kind = TW_INI_VALUE, .line = ini->line, .section = ini->section, .key = which, .value = value};
  return TW_OK;
}

static tw_err take_key(tw_ini *ini, tw_bytes line, tw_ini_item *item, tw_report *report) {
  const uint8_t *equals = memchr(line.ptr, '=', line.len);
  if (equals == NULL)
    return tw_report_fail(report, TW_ERR_ENCODING, "'%.*s' is neither [Section] nor Key = value", shown(line),
                          words(line));
  const size_t at = (size_t)(equals - line.ptr);
  const tw_bytes name = trim(TW_BYTES(line.ptr, at));
  const tw_bytes value = trim(TW_BYTES(equals + 1, line.len - at - 1));
  if (name.len == 0) return tw_report_fail(report, TW_ERR_ENCODING, "a value without a key");
  if (!ini->inside)
    return tw_report_fail(report, TW_ERR_ENCODING, "%.*s stands before the first [Section]", shown(name), words(name));
  const tw_ini_section *section = &ini->schema[ini->section];
  for (size_t i = 0; i < section->key_count; i++)
    if (is_name(name, section->keys[i].name)) return take_value(ini, i, value, item, report);
  return tw_report_fail(report, TW_ERR_ENCODING, "unknown key %.*s in [%s]", shown(name), words(name), section->name);
}

static tw_err take_line(tw_ini *ini, tw_bytes line, tw_ini_item *item, tw_report *report) {
  if (line.len > TW_INI_LINE_MAX)
    return tw_report_fail(report, TW_ERR_ENCODING, "a line of %zu bytes; %d are the most", line.len, TW_INI_LINE_MAX);
  if (!is_text(line, true))
    return tw_report_fail(report, TW_ERR_ENCODING, "a control character, or bytes that are not UTF-8");
  line = trim(without_comment(line));
  if (line.len == 0) return TW_OK;
  if (line.ptr[0] == '[') return begin_section(ini, line, item, report);
  return ini->inside && ini->skipped ? TW_OK : take_key(ini, line, item, report);
}

tw_err tw_ini_next(tw_ini *ini, tw_ini_item *item, tw_report *report) {
  *item = (tw_ini_item){.kind = TW_INI_END, .line = ini->line};
  while (ini->text.len > 0 && item->kind == TW_INI_END) {
    tw_report why = {""};
    const tw_err err = take_line(ini, next_line(ini), item, &why);
    if (err != TW_OK) return tw_report_fail(report, err, "%.200s:%zu: %s", ini->source, ini->line, why.text);
  }
  return TW_OK;
}
