/* Two hosts, and an attacker on the wire between them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_ATTACKER_KIT_H
#define TW_TESTS_ATTACKER_KIT_H

#include "tw_cmocka.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_hosts.h"

static tw_test_hosts w;

static inline uint32_t pick(uint32_t below) { return tw_test_hosts_pick(&w, below); }

static inline tw_buf copy_of(tw_bytes bytes) {
  tw_buf copy = TW_BUF_INIT(&w.test.alloc);
  assert_int_equal(tw_buf_append(&copy, bytes), TW_OK);
  return copy;
}

/* ---- what it can do ---- */

/* A connection that has been or is, with something on tape in this direction. */
static inline tw_test_link *any_taped(unsigned direction) {
  const uint32_t start = pick(TW_TEST_LINKS);
  tw_test_link *newest = NULL;
  for (uint32_t i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *link = &w.link[i];
    if (link->tape[direction].len > 0 && (newest == NULL || link->origin > newest->origin)) newest = link;
  }
  if (pick(2) == 0) return newest;
  for (uint32_t i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *link = &w.link[(start + i) % TW_TEST_LINKS];
    if (link->used && link->tape[direction].len > 0) return link;
  }
  return NULL;
}

/* Something under way, most often of a connection that is not given up, or not even established. */
static inline tw_test_link *any_under_way(unsigned direction) {
  const uint32_t how = pick(5);
  const uint32_t start = pick(TW_TEST_LINKS);
  for (uint32_t i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *link = &w.link[(start + i) % TW_TEST_LINKS];
    const tw_test_end *opener = &w.end[link->end[0]];
    if (!link->used || link->queue[direction].len == 0) continue;
    if (how == 0 || (opener->channel != NULL && (how < 3 || !opener->heard_established))) return link;
  }
  return NULL;
}

/* A connection to `host` of the attacker's, on which `bytes` come. Takes the bytes. */
static inline bool attack(unsigned host, unsigned origin, tw_buf *bytes) {
  tw_test_link *link = tw_test_hosts_place(&w);
  if (link == NULL) {
    tw_buf_clear(bytes);
    return false;
  }
  link->used = link->touched = true;
  link->asked_host = host;
  link->origin = origin;
  link->ended[TW_TEST_FORTH] = pick(3) == 0;
  link->queue[TW_TEST_FORTH] = *bytes;
  link->tape[TW_TEST_FORTH] = copy_of(tw_buf_bytes(bytes));
  return true;
}

/* What came by earlier, or its beginning, comes once more, on a connection of its own. */
static inline bool replay(void) {
  const tw_test_link *taped = any_taped(TW_TEST_FORTH);
  if (taped == NULL) return false;
  const tw_buf *tape = &taped->tape[TW_TEST_FORTH];
  const size_t n = pick(3) == 0 ? pick((uint32_t)tape->len) : tape->len;
  tw_buf copy = copy_of(TW_BYTES(tape->ptr, n));
  return attack(taped->asked_host, taped->origin, &copy);
}

/* A response sent back as a request: to whom it was for, or to whom it came from. */
static inline bool forge(void) {
  enum { HEAD = TW_RECORD_HEADER + TW_CHANNEL_HANDSHAKE_HEADER + 4 + TW_PAIR_NONCE };
  const tw_test_link *taped = any_taped(TW_TEST_BACK);
  if (taped == NULL) return false;
  const tw_buf *tape = &taped->tape[TW_TEST_BACK];
  const size_t length = ((size_t)tape->ptr[3] << 8 | tape->ptr[4]);
  if (tape->ptr[0] != TW_RECORD_HANDSHAKE || length <= HEAD || length + TW_RECORD_HEADER > tape->len) return false;
  if (tape->ptr[TW_RECORD_HEADER + TW_CHANNEL_HANDSHAKE_HEADER + 3] != TW_PAIR_RESUMPTION_RESPONSE) return false;
  tw_buf forged = copy_of(TW_BYTES(tape->ptr, HEAD));
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(tape->ptr + HEAD + 1, length + TW_RECORD_HEADER - HEAD - 1)), TW_OK);
  forged.ptr[TW_RECORD_HEADER + TW_CHANNEL_HANDSHAKE_HEADER + 3] = TW_PAIR_RESUMPTION_REQUEST;
  forged.ptr[3] = (uint8_t)((length - 1) >> 8);
  forged.ptr[4] = (uint8_t)(length - 1);
  forged.ptr[TW_RECORD_HEADER + 2] = (uint8_t)((length - 1 - TW_CHANNEL_HANDSHAKE_HEADER) >> 8);
  forged.ptr[TW_RECORD_HEADER + 3] = (uint8_t)(length - 1 - TW_CHANNEL_HANDSHAKE_HEADER);
  return attack(pick(4) == 0 ? taped->asked_host : 1 - taped->asked_host, TW_TEST_NOBODY, &forged);
}

/* Whoever has opened a connection and heard nothing yet is led to another answer to the same opening. */
static inline bool lead_astray(void) {
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *to = &w.link[i];
    if (!to->used || to->end[0] != TW_TEST_NOBODY || to->origin == TW_TEST_NOBODY || to->ended[0]) continue;
    tw_test_end *opener = &w.end[to->origin];
    if (opener->channel == NULL || opener->link < 0) continue;
    tw_test_link *from = &w.link[opener->link];
    tw_buf *tape = &from->tape[TW_TEST_FORTH];
    if (from->arrived[TW_TEST_BACK] > 0 || tape->len == TW_TEST_TAPE || to->arrived[0] > tape->len) continue;
    tw_buf_clear(&to->queue[TW_TEST_FORTH]);
    tw_buf_clear(&to->tape[TW_TEST_FORTH]);
    to->queue[TW_TEST_FORTH] = copy_of(TW_BYTES(tape->ptr + to->arrived[0], tape->len - to->arrived[0]));
    to->tape[TW_TEST_FORTH] = copy_of(tw_buf_bytes(tape));
    to->end[0] = to->origin;
    opener->link = (int)i;
    from->end[0] = TW_TEST_NOBODY;
    from->touched = true;
    return true;
  }
  return false;
}

static inline bool is_unheard_opener(const tw_test_link *link) {
  const tw_test_end *opener = &w.end[link->end[0]];
  return link->used && opener->channel != NULL && !opener->heard_end && link->end[1] == TW_TEST_NOBODY &&
         link->arrived[0] == 0 && link->tape[0].len < TW_TEST_TAPE && !link->cut[0];
}

/* Two connections, one opened by either host, become one. */
static inline bool join_openers(void) {
  for (unsigned i = 0; i < TW_TEST_LINKS * TW_TEST_LINKS; i++) {
    tw_test_link *to = &w.link[i % TW_TEST_LINKS], *from = &w.link[i / TW_TEST_LINKS];
    if (!is_unheard_opener(to) || !is_unheard_opener(from)) continue;
    const unsigned moved = from->end[0];
    if (w.end[moved].host == w.end[to->end[0]].host) continue;
    to->end[1] = moved;
    w.end[moved].link = (int)(to - w.link);
    tw_buf_clear(&to->queue[1]);
    tw_buf_clear(&to->tape[1]);
    to->queue[1] = copy_of(tw_buf_bytes(&from->tape[0]));
    to->tape[1] = copy_of(tw_buf_bytes(&from->tape[0]));
    from->end[0] = TW_TEST_NOBODY;
    from->touched = to->touched = true;
    return true;
  }
  return false;
}

/* What the same opener has sent since then follows there, too. */
static inline bool follow(void) {
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *to = &w.link[i];
    if (!to->used || to->end[0] != TW_TEST_NOBODY || to->origin == TW_TEST_NOBODY || to->ended[0]) continue;
    const int link = w.end[to->origin].link;
    const tw_buf *tape = link < 0 ? NULL : &w.link[link].tape[TW_TEST_FORTH];
    tw_buf *given = &to->tape[TW_TEST_FORTH];
    if (tape == NULL || tape->len <= given->len || memcmp(tape->ptr, given->ptr, given->len) != 0) continue;
    const tw_bytes rest = TW_BYTES(tape->ptr + given->len, tape->len - given->len);
    to->queue[TW_TEST_FORTH].alloc = &w.test.alloc;
    assert_int_equal(tw_buf_append(&to->queue[TW_TEST_FORTH], rest), TW_OK);
    assert_int_equal(tw_buf_append(given, rest), TW_OK);
    return true;
  }
  return false;
}

/* Whoever has heard nothing yet hears what was said to an earlier opening. */
static inline bool answer_with_old(void) {
  const tw_test_link *taped = any_taped(TW_TEST_BACK);
  for (unsigned i = 0; i < TW_TEST_LINKS && taped != NULL; i++) {
    tw_test_link *link = &w.link[i];
    if (link == taped || w.end[link->end[0]].channel == NULL || link->arrived[TW_TEST_BACK] > 0) continue;
    if (link->arrived[TW_TEST_FORTH] == 0 && link->queue[TW_TEST_FORTH].len == 0) continue;
    tw_buf_clear(&link->queue[TW_TEST_BACK]);
    link->queue[TW_TEST_BACK] = copy_of(tw_buf_bytes(&taped->tape[TW_TEST_BACK]));
    link->touched = true;
    return true;
  }
  return false;
}

static inline bool flip(void) {
  const unsigned direction = pick(2);
  tw_test_link *link = any_under_way(direction);
  if (link == NULL) return false;
  link->queue[direction].ptr[pick((uint32_t)link->queue[direction].len)] ^= (uint8_t)(1u << pick(8));
  link->touched = true;
  return true;
}

/* One record is kept back, the others go on. Where records begin shows on the tape, as far as that is recorded. */
static inline bool drop_record(void) {
  const unsigned direction = pick(2);
  tw_test_link *link = any_under_way(direction);
  if (link == NULL || link->touched) return false;
  tw_buf *queue = &link->queue[direction];
  const tw_buf *tape = &link->tape[direction];
  size_t start = 0, size = 0;
  uint32_t seen = 0;
  tw_record_header header;
  for (size_t at = 0; at < tape->len;) {
    if (tw_record_peek(TW_BYTES(tape->ptr + at, tape->len - at), true, &header) != TW_OK) break;
    if (at + header.size > link->arrived[direction] + queue->len) break;
    if (at >= link->arrived[direction] && pick(++seen) == 0) {
      start = at - link->arrived[direction];
      size = header.size;
    }
    at += header.size;
  }
  if (size == 0) return false;
  memmove(queue->ptr + start, queue->ptr + start + size, queue->len - start - size);
  queue->len -= size;
  link->touched = true;
  return true;
}

/* What came by earlier comes in between. */
static inline bool inject(void) {
  const unsigned direction = pick(2);
  tw_test_link *link = any_under_way(direction);
  const tw_test_link *taped = any_taped(pick(2));
  if (link == NULL || taped == NULL) return false;
  const tw_buf *tape = &taped->tape[taped->tape[0].len == 0];
  tw_buf *queue = &link->queue[direction];
  const size_t n = 1 + pick((uint32_t)tape->len);
  tw_buf changed = copy_of(TW_BYTES(tape->ptr, n));
  assert_int_equal(tw_buf_append(&changed, tw_buf_bytes(queue)), TW_OK);
  tw_buf_clear(queue);
  *queue = changed;
  link->touched = true;
  return true;
}

/* The connection is lost in one direction, wherever what is under way is just now. */
static inline bool lose(void) {
  tw_test_link *link = &w.link[pick(TW_TEST_LINKS)];
  const unsigned direction = pick(2);
  if (!link->used || link->cut[direction]) return false;
  link->queue[direction].len = pick((uint32_t)link->queue[direction].len + 1);
  link->cut[direction] = link->ended[direction] = link->touched = true;
  return true;
}

static inline bool attack_somehow(void) {
  switch (pick(17)) {
  case 0:
  case 1:
  case 2: return replay();
  case 3: return forge();
  case 4:
  case 5: return lead_astray();
  case 6:
  case 7: return follow();
  case 8: return flip();
  case 9:
  case 10: return drop_record();
  case 11: return inject();
  case 12:
  case 13: return answer_with_old();
  case 14:
  case 15: return join_openers();
  default: return lose();
  }
}

#endif
