/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/peers.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"

static int by_fingerprint(const void *left, const void *right) {
  const tw_peer *a = left;
  const tw_peer *b = right;
  return memcmp(a->fingerprint.digest, b->fingerprint.digest, TW_FINGERPRINT_SIZE);
}

/* Printable UTF-8, since it is shown to people and goes into JSON. */
static bool name_is_valid(tw_bytes name) {
  if (name.len > TW_PEER_NAME_MAX) return false;
  for (size_t i = 0; i < name.len; i++)
    if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f) return false;
  json_t *string = json_stringn(name.len == 0 ? "" : (const char *)name.ptr, name.len);
  json_decref(string);
  return string != NULL;
}

static tw_err grow(tw_peers *peers) {
  if (peers->count < peers->room) return TW_OK;
  if (peers->count >= TW_PEERS_MAX) return TW_ERR_LIMIT;
  const size_t room = peers->room == 0 ? 16 : peers->room * 2;
  tw_peer *list = tw_alloc_resize_array(NULL, peers->list, room, sizeof *list);
  if (list == NULL) return TW_ERR_NO_MEMORY;
  peers->list = list;
  peers->room = room;
  return TW_OK;
}

static tw_err add(tw_peers *peers, const tw_peer *peer, tw_bytes name) {
  TW_TRY(grow(peers));
  TW_TRY(tw_buf_reserve(&peers->names, name.len + 1));
  tw_peer *slot = &peers->list[peers->count];
  *slot = *peer;
  slot->name = peers->names.len;
  TW_TRY(tw_buf_append(&peers->names, name));
  TW_TRY(tw_buf_append(&peers->names, TW_BYTES((const uint8_t *)"", 1)));
  peers->count++;
  return TW_OK;
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r'; }

static tw_bytes trim(tw_bytes text) {
  while (text.len > 0 && is_space(text.ptr[text.len - 1])) text.len--;
  while (text.len > 0 && is_space(text.ptr[0])) text = TW_BYTES(text.ptr + 1, text.len - 1);
  return text;
}

/* Cut the next line off the front of `text`. */
static tw_bytes next_line(tw_bytes *text) {
  const uint8_t *end = memchr(text->ptr, '\n', text->len);
  const size_t len = end == NULL ? text->len : (size_t)(end - text->ptr);
  const size_t used = end == NULL ? len : len + 1;
  const tw_bytes line = TW_BYTES(text->ptr, len);
  *text = TW_BYTES(text->ptr + used, text->len - used);
  return line;
}

static tw_err parse_line(const tw_env *env, tw_bytes line, size_t number, tw_peers *peers, tw_report *report) {
  line = trim(line);
  if (line.len == 0 || line.ptr[0] == '#') return TW_OK;
  size_t key_len = 0;
  while (key_len < line.len && !is_space(line.ptr[key_len])) key_len++;
  tw_peer peer = {.line = number};
  TW_TRY(tw_peer_key_parse(env, TW_BYTES(line.ptr, key_len), &peer.suite, &peer.fingerprint, report));
  const tw_bytes name = trim(TW_BYTES(line.ptr + key_len, line.len - key_len));
  if (!name_is_valid(name))
    return tw_report_fail(report, TW_ERR_ENCODING, "a name is at most %d bytes of printable UTF-8", TW_PEER_NAME_MAX);
  return add(peers, &peer, name);
}

static tw_err put_in_order(tw_peers *peers, const char *source, tw_report *report) {
  if (peers->count > 1) qsort(peers->list, peers->count, sizeof *peers->list, by_fingerprint);
  for (size_t i = 1; i < peers->count; i++) {
    const tw_peer *a = &peers->list[i - 1];
    const tw_peer *b = &peers->list[i];
    if (by_fingerprint(a, b) != 0) continue;
    const size_t first = a->line < b->line ? a->line : b->line;
    const size_t second = a->line < b->line ? b->line : a->line;
    return tw_report_fail(report, TW_ERR_ENCODING, "%.200s:%zu: the same key as in line %zu", source, second, first);
  }
  return TW_OK;
}

tw_err tw_peers_parse(const tw_env *env, const char *source, tw_bytes text, tw_peers *peers, tw_report *report) {
  tw_peers parsed = {0};
  tw_err err = TW_OK;
  for (size_t number = 1; err == TW_OK && text.len > 0; number++) {
    tw_report why = {"out of memory"};
    err = parse_line(env, next_line(&text), number, &parsed, &why);
    if (err == TW_ERR_LIMIT) err = tw_report_fail(&why, err, "more than %d peers", TW_PEERS_MAX);
    if (err != TW_OK) err = tw_report_fail(report, err, "%.200s:%zu: %s", source, number, why.text);
  }
  if (err == TW_OK) err = put_in_order(&parsed, source, report);
  if (err != TW_OK) {
    tw_peers_clear(&parsed);
    return err;
  }
  tw_peers_clear(peers);
  *peers = parsed;
  return TW_OK;
}

tw_err tw_peers_set(tw_peers *peers, const tw_fingerprint *fingerprint, const tw_suite *suite, const char *name) {
  tw_peers one = {0};
  const tw_peer peer = {.fingerprint = *fingerprint, .suite = suite};
  const tw_err err = add(&one, &peer, TW_BYTES((const uint8_t *)name, strlen(name)));
  if (err != TW_OK) {
    tw_peers_clear(&one);
    return err;
  }
  tw_peers_clear(peers);
  *peers = one;
  return TW_OK;
}

const tw_peer *tw_peers_find(const tw_peers *peers, const tw_fingerprint *fingerprint) {
  if (peers->count == 0) return NULL;
  const tw_peer key = {.fingerprint = *fingerprint};
  return bsearch(&key, peers->list, peers->count, sizeof *peers->list, by_fingerprint);
}

const char *tw_peer_name(const tw_peers *peers, const tw_peer *peer) {
  return (const char *)peers->names.ptr + peer->name;
}

void tw_peers_clear(tw_peers *peers) {
  tw_alloc_free(NULL, peers->list);
  tw_buf_clear(&peers->names);
  *peers = (tw_peers){0};
}
