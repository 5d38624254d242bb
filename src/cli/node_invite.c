/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_invite.h"

#include <stdio.h>
#include <string.h>

#include "net/address.h"

enum { ID_TEXT = 2 * TW_INVITATION_ID + 1 };

static void say(tw_buf *answer, const char *text) {
  if (tw_buf_append(answer, TW_BYTES((const uint8_t *)text, strlen(text))) != TW_OK) tw_buf_clear(answer);
}

static void fail(tw_buf *answer, const char *text) {
  tw_buf_clear(answer);
  say(answer, "!");
  say(answer, text);
}

/* The next word, cut off; empty at the end. */
static tw_bytes next_word(const char **words) {
  const char *start = *words;
  const char *end = strchr(start, ' ');
  const size_t len = end == NULL ? strlen(start) : (size_t)(end - start);
  *words = end == NULL ? start + len : end + 1;
  return TW_BYTES((const uint8_t *)start, len);
}

static bool read_number(tw_bytes word, uint64_t *number) {
  char text[24];
  if (word.len == 0 || word.len >= sizeof text) return false;
  memcpy(text, word.ptr, word.len);
  text[word.len] = '\0';
  return tw_number_parse(text, INT64_MAX, number);
}

static void format_id(const uint8_t id[TW_INVITATION_ID], char out[ID_TEXT]) {
  for (size_t i = 0; i < TW_INVITATION_ID; i++) (void)snprintf(out + 2 * i, 3, "%02x", id[i]);
}

void tw_node_invite(tw_node *node, const char *words, uint64_t now_ms, tw_buf *answer) {
  tw_prefix addresses[TW_ENROL_ADDRESSES_MAX];
  tw_enrol_wish wish = {.name = next_word(&words), .addresses = addresses};
  tw_report report = {"out of memory"};
  uint8_t id[TW_INVITATION_ID];
  char shown[ID_TEXT];
  tw_buf token = {0};
  if (!read_number(next_word(&words), &wish.until)) {
    fail(answer, "not an end of an invitation");
    return;
  }
  while (*words != '\0') {
    if (wish.address_count == TW_ENROL_ADDRESSES_MAX ||
        !tw_prefix_parse(next_word(&words), &addresses[wish.address_count++])) {
      fail(answer, "not addresses, or too many");
      return;
    }
  }
  if (tw_enrol_invite(tw_node_enrol(node), &wish, now_ms, id, &token, &report) != TW_OK) {
    fail(answer, report.text);
    return;
  }
  format_id(id, shown);
  say(answer, shown);
  say(answer, " ");
  if (tw_buf_append(answer, tw_buf_bytes(&token)) != TW_OK) tw_buf_clear(answer);
  tw_buf_clear(&token);
}

static bool read_id(const char *text, uint8_t id[TW_INVITATION_ID]) {
  static const char digits[] = "0123456789abcdef";
  if (strlen(text) != ID_TEXT - 1) return false;
  for (size_t i = 0; i < ID_TEXT - 1; i++) {
    const char *at = strchr(digits, text[i]);
    if (at == NULL) return false;
    id[i / 2] = (uint8_t)(id[i / 2] << 4 | (at - digits));
  }
  return true;
}

void tw_node_invitation(tw_node *node, const char *id, tw_buf *answer) {
  static const char *const states[] = {"unknown", "new", "open", "enrolled"};
  uint8_t raw[TW_INVITATION_ID] = {0};
  tw_report report = {""};
  if (!read_id(id, raw)) {
    fail(answer, "not an invitation");
    return;
  }
  const tw_enrol_state state = tw_enrol_look(tw_node_enrol(node), raw, &report);
  if (state == TW_ENROL_REFUSED)
    fail(answer, report.text);
  else
    say(answer, states[state]);
}
