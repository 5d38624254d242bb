/* Sessions over crashes, losses and attacks: two hosts against a model of what may come of it. SPDX-License-Identifier: Apache-2.0 */
/* label: slow label: moves */
#include "tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_hosts.h"
#include "support/tw_test_nonces.h"

/*
 * One seed is one history, and is printed when it fails. A step is something that one of the hosts, the network or an
 * attacker on it does; tw_test_hosts checks each, and here is checked that from whatever stands on the two disks one
 * honest connection brings the hosts together. TREEWIRE_STEPS makes histories longer.
 */
#if defined __SANITIZE_ADDRESS__
#define SEEDS 40
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SEEDS 40
#endif
#endif
#ifndef SEEDS
#define SEEDS 500
#endif
enum { STEPS = 2000, TRIES = 3, PIECE = 3000, MOST_BYTES = 8 << 20 };

static tw_test_hosts w;

static uint32_t pick(uint32_t below) { return tw_test_hosts_pick(&w, below); }

/* ---- from what is on the disks ---- */

static tw_err find_copy(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  const tw_test_session *session = tw_test_host_find(ctx, group_id);
  *found = (tw_channel_found){0};
  return session == NULL ? TW_ERR_NO_SESSION : tw_buf_append(saved, tw_buf_bytes(&session->saved));
}

/* All that goes over a connection that nobody disturbs. Returns what the asked side says. */
static tw_err run_undisturbed(tw_channel *channels[2]) {
  tw_err said = TW_OK;
  for (unsigned quiet = 0, i = 0; quiet < 4; i++) {
    tw_channel *from = channels[i % 2], *to = channels[1 - i % 2];
    quiet++;
    while (tw_channel_unsaved(from)) tw_test_end_note(&w, TW_TEST_NOBODY, tw_channel_saved(from));
    const tw_bytes out = tw_channel_output(from);
    if (out.len == 0) continue;
    size_t taken;
    const tw_err err = tw_channel_input(to, out, w.now_ms, &taken);
    if (err != TW_OK && i % 2 == 0) said = err;
    tw_channel_output_sent(from, out.len);
    quiet = 0;
  }
  return said;
}

static void write_and_see(tw_channel *from, tw_channel *to, tw_channel *channels[2]) {
  size_t taken;
  TW_TEST_HOLDS(&w, tw_channel_write(from, TW_LITERAL("there"), &taken) == TW_OK && taken == 5);
  (void)run_undisturbed(channels);
  TW_TEST_HOLDS(&w, tw_bytes_equal(tw_channel_data(to), TW_LITERAL("there")));
  TW_TEST_HOLDS(&w, tw_channel_data_done(to, 5) == TW_OK);
}

/* Were everything to end now, and `host` to ask: the first try succeeds, or says why not. */
static void look_ahead(unsigned host) {
  const tw_test_host *asking = &w.host[host];
  tw_channel_config config[2] = {asking->config, w.host[1 - host].config};
  tw_channel *channels[2];
  if (asking->latest < 0) return;
  const tw_test_session *session = &asking->disk[asking->latest];
  const bool known = tw_test_host_find(&w.host[1 - host], tw_buf_bytes(&session->group_id)) != NULL;
  config[0].resume = tw_buf_bytes(&session->saved);
  config[1].session = find_copy;
  assert_int_equal(tw_channel_connect(&config[0], w.now_ms, &channels[0]), TW_OK);
  assert_int_equal(tw_channel_accept(&config[1], w.now_ms, &channels[1]), TW_OK);
  tw_channel_status status;
  tw_channel_get_status(channels[0], &status);
  const tw_err said = run_undisturbed(channels);
  if (!known) {
    /* That its peer was never confirmed can befall the side that said hello first, and no other. */
    TW_TEST_HOLDS(&w, said == TW_ERR_NO_SESSION && status.pair.role == TW_PAIR_INITIATOR);
  } else if (said != TW_OK) {
    TW_TEST_HOLDS(&w, w.rolled_back && (said == TW_ERR_APART || said == TW_ERR_DECRYPT));
  } else {
    write_and_see(channels[0], channels[1], channels);
    write_and_see(channels[1], channels[0], channels);
    TW_TEST_HOLDS(&w, tw_group_epoch(tw_channel_group(channels[0])) == tw_group_epoch(tw_channel_group(channels[1])));
  }
  tw_channel_free(channels[0]);
  tw_channel_free(channels[1]);
}

/* ---- an attacker on the wire ---- */

/* A connection that has been or is, with something on tape in this direction. */
static tw_test_link *any_taped(unsigned direction) {
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
static tw_test_link *any_under_way(unsigned direction) {
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

static tw_buf copy_of(tw_bytes bytes) {
  tw_buf copy = TW_BUF_INIT(&w.test.alloc);
  assert_int_equal(tw_buf_append(&copy, bytes), TW_OK);
  return copy;
}

/* A connection to `host` of the attacker's, on which `bytes` come. Takes the bytes. */
static bool attack(unsigned host, unsigned origin, tw_buf *bytes) {
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
static bool replay(void) {
  const tw_test_link *taped = any_taped(TW_TEST_FORTH);
  if (taped == NULL) return false;
  const tw_buf *tape = &taped->tape[TW_TEST_FORTH];
  const size_t n = pick(3) == 0 ? pick((uint32_t)tape->len) : tape->len;
  tw_buf copy = copy_of(TW_BYTES(tape->ptr, n));
  return attack(taped->asked_host, taped->origin, &copy);
}

/* A response sent back as a request: to whom it was for, or to whom it came from. */
static bool forge(void) {
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
static bool lead_astray(void) {
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

static bool is_unheard_opener(const tw_test_link *link) {
  const tw_test_end *opener = &w.end[link->end[0]];
  return link->used && opener->channel != NULL && !opener->heard_end && link->end[1] == TW_TEST_NOBODY &&
         link->arrived[0] == 0 && link->tape[0].len < TW_TEST_TAPE && !link->cut[0];
}

/* Two connections, one opened by either host, become one. */
static bool join_openers(void) {
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
static bool follow(void) {
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
static bool answer_with_old(void) {
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

static bool flip(void) {
  const unsigned direction = pick(2);
  tw_test_link *link = any_under_way(direction);
  if (link == NULL) return false;
  link->queue[direction].ptr[pick((uint32_t)link->queue[direction].len)] ^= (uint8_t)(1u << pick(8));
  link->touched = true;
  return true;
}

/* One record is kept back, the others go on. Where records begin shows on the tape, as far as that is recorded. */
static bool drop_record(void) {
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
static bool inject(void) {
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
static bool lose(void) {
  tw_test_link *link = &w.link[pick(TW_TEST_LINKS)];
  const unsigned direction = pick(2);
  if (!link->used || link->cut[direction]) return false;
  link->queue[direction].len = pick((uint32_t)link->queue[direction].len + 1);
  link->cut[direction] = link->ended[direction] = link->touched = true;
  return true;
}

/* ---- the hosts ---- */

static bool move(void) {
  const unsigned end = tw_test_hosts_any(&w);
  if (end == TW_TEST_NOBODY || w.end[end].link < 0) return false;
  tw_test_link *link = &w.link[pick(8) == 0 ? pick(TW_TEST_LINKS) : (uint32_t)w.end[end].link];
  const unsigned direction = pick(2);
  const size_t most = pick(4) == 0 ? 1 + pick(40) : 1 + pick(PIECE);
  const bool sent = link->end[direction] != TW_TEST_NOBODY && tw_test_end_send(&w, link->end[direction], most);
  return tw_test_link_arrive(&w, link, direction, pick(4) == 0 ? 1 + pick(40) : 1 + pick(PIECE)) || sent;
}

static bool save(void) {
  unsigned unsaved[TW_TEST_LINKS * 2];
  uint32_t count = 0;
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
    for (unsigned d = 0; d < 2; d++) {
      const tw_channel *channel = w.end[w.link[i].end[d]].channel;
      if (channel != NULL && tw_channel_unsaved(channel)) unsaved[count++] = w.link[i].end[d];
    }
  }
  if (count == 0) return false;
  const bool did = tw_test_end_save(&w, unsaved[pick(count)], pick(40) == 0);
  if (pick(12) == 0) look_ahead(pick(2));
  return did;
}

static bool rekey(void) {
  const unsigned end = tw_test_hosts_any(&w);
  if (end == TW_TEST_NOBODY) return false;
  const tw_err err = tw_channel_rekey(w.end[end].channel, w.now_ms);
  tw_test_end_note(&w, end, err);
  tw_test_end_look(&w, end);
  return err == TW_OK;
}

static bool pass_time(void) {
  w.now_ms += pick(4000);
  for (unsigned i = 1; i < w.ends; i++) {
    if (w.end[i].channel == NULL) continue;
    tw_test_end_note(&w, i, tw_channel_tick(w.end[i].channel, w.now_ms));
    TW_TEST_HOLDS(&w, tw_channel_deadline(w.end[i].channel) > w.now_ms);
    tw_test_end_look(&w, i);
  }
  return true;
}

static bool stall_or_close(void) {
  const unsigned end = tw_test_hosts_any(&w);
  if (end == TW_TEST_NOBODY) return false;
  tw_test_end *e = &w.end[end];
  if (e->link >= 0 && pick(tw_channel_unsaved(e->channel) ? 4 : 24) == 0) {
    w.link[e->link].touched = true;
    tw_channel_abort(e->channel, TW_ERR_CREDENTIAL);
  } else if (pick(12) > 0) {
    e->stalled = !e->stalled;
  } else {
    tw_test_end_note(&w, end, tw_channel_close(e->channel));
  }
  tw_test_end_look(&w, end);
  return true;
}

/* A disk that was copied comes back. */
static bool roll_back(unsigned seed, tw_buf backup[2]) {
  const unsigned host = pick(2);
  tw_test_host *h = &w.host[host];
  if (seed % 8 != 0 || h->latest < 0 || pick(3) > 0) return false;
  tw_buf *saved = &h->disk[h->latest].saved;
  if (backup[host].len == 0) {
    backup[host] = copy_of(tw_buf_bytes(saved));
  } else if (h->latest == 0) {
    tw_test_hosts_crash(&w, host);
    tw_buf_clear(saved);
    *saved = backup[host];
    backup[host] = (tw_buf){0};
    w.rolled_back = true;
  }
  return true;
}

static bool attack_somehow(void) {
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

/* Often just before something is saved. */
static bool crash(void) {
  unsigned host = pick(2);
  for (unsigned i = 1; i < w.ends; i++) {
    const tw_channel *channel = w.end[i].channel;
    if (channel != NULL && tw_channel_unsaved(channel) && pick(2) == 0) host = w.end[i].host;
  }
  tw_test_hosts_crash(&w, host);
  return true;
}

static bool step(unsigned seed, tw_buf backup[2]) {
  const uint32_t what = pick(1000);
  if (what < 600) return move();
  if (what < 740) return tw_test_end_write(&w, tw_test_hosts_any(&w), pick(500));
  if (what < 900) return save();
  if (what < 930) return pass_time();
  if (what < 945) return stall_or_close();
  if (what < 957) return rekey();
  if (what < 963) return tw_test_hosts_open(&w, pick(2));
  if (what < 994) return attack_somehow();
  if (what < 999) return crash();
  return roll_back(seed, backup);
}

/* ---- what comes of it ---- */

static bool is_open(const tw_test_link *link) {
  const tw_test_end *a = &w.end[link->end[0]], *b = &w.end[link->end[1]];
  return a->channel != NULL && b->channel != NULL && a->heard_established && b->heard_established;
}

/* What was not touched has all come, and both know the same. */
static void check_open(const tw_test_link *link) {
  const tw_test_end *a = &w.end[link->end[0]], *b = &w.end[link->end[1]];
  const tw_group *of_a = tw_channel_group(a->channel), *of_b = tw_channel_group(b->channel);
  TW_TEST_HOLDS(&w, a->received == b->written && b->received == a->written);
  TW_TEST_HOLDS(&w, tw_group_epoch(of_a) == tw_group_epoch(of_b) && a->epoch == b->epoch);
  TW_TEST_HOLDS(&w, tw_bytes_equal(tw_group_epoch_authenticator(of_a), tw_group_epoch_authenticator(of_b)));
}

static void stop_attacks(void) {
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *link = &w.link[i];
    if (!link->used) continue;
    for (unsigned d = 0; d < 2; d++) {
      const bool to_come = d == TW_TEST_BACK && link->end[d] == TW_TEST_NOBODY;
      if (w.end[link->end[d]].channel == NULL && !to_come) link->ended[d] = true;
    }
  }
  tw_test_hosts_settle(&w);
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
    if (!w.link[i].touched && is_open(&w.link[i])) check_open(&w.link[i]);
  }
}

/* A new connection as long as it takes, with whatever else is still open. */
static void reconnect(unsigned host) {
  tw_test_host *h = &w.host[host];
  for (unsigned try = 0;; try++) {
    const bool resumes = h->latest >= 0 && !h->want_fresh;
    const bool known = resumes &&
                       tw_test_host_find(&w.host[1 - host], tw_buf_bytes(&h->disk[h->latest].group_id)) != NULL;
    TW_TEST_HOLDS(&w, tw_test_hosts_open(&w, host));
    const unsigned end = w.ends - 1;
    tw_test_hosts_settle(&w);
    const tw_test_link *link = &w.link[w.end[end].link];
    if (is_open(link)) {
      (void)tw_test_end_write(&w, link->end[0], 100);
      (void)tw_test_end_write(&w, link->end[1], 100);
      tw_test_hosts_settle(&w);
      TW_TEST_HOLDS(&w, is_open(link) && w.end[link->end[0]].written >= 100 && w.end[link->end[1]].written >= 100);
      check_open(link);
      return;
    }
    /* Only what was never confirmed, or an old copy, may be begun anew. */
    if (known && !w.rolled_back) TW_TEST_HOLDS(&w, !h->want_fresh);
    if (resumes && !known) TW_TEST_HOLDS(&w, w.end[link->end[1]].reason == TW_ERR_NO_SESSION && h->want_fresh);
    TW_TEST_HOLDS(&w, try < TRIES);
  }
}

static void history(unsigned seed, unsigned steps) {
  tw_buf backup[2] = {{0}, {0}};
  tw_test_hosts_begin(&w, seed);
  tw_test_nonces_begin(&w.test, w.told);
  unsigned idle = 0;
  for (unsigned i = 0; i < steps; idle++) {
    (void)snprintf(w.told, sizeof w.told, "seed %u, step %u of %u", seed, i, steps);
    if (step(seed, backup)) {
      i++;
      idle = 0;
    } else if (idle > 30 && tw_test_hosts_any(&w) == TW_TEST_NOBODY) {
      (void)tw_test_hosts_open(&w, pick(2));
    }
    TW_TEST_HOLDS(&w, idle < 10000);
    TW_TEST_HOLDS(&w, w.test.alloc_bytes < MOST_BYTES);
  }
  (void)snprintf(w.told, sizeof w.told, "seed %u, after %u steps", seed, steps);
  stop_attacks();
  const unsigned first = pick(2);
  reconnect(first);
  reconnect(1 - first);
  for (unsigned i = 0; i < 2; i++) tw_buf_clear(&backup[i]);
}

static size_t established, resumed, early, refused, rekeyed;

static void every_history_ends_with_both_hosts_together(void **state) {
  (void)state;
  const char *more = getenv("TREEWIRE_STEPS");
  const char *one = getenv("TREEWIRE_SEED");
  const unsigned steps = more != NULL ? (unsigned)strtoul(more, NULL, 10) : STEPS;
  const unsigned from = one != NULL ? (unsigned)strtoul(one, NULL, 10) : 1;
  const unsigned to = one != NULL ? from : tw_test_rounds(SEEDS, 2);
  for (unsigned seed = from; seed <= to; seed++) {
    history(seed, steps);
    established += w.established;
    resumed += w.resumed;
    early += w.early;
    refused += w.refused;
    rekeyed += w.rekeyed;
    tw_test_hosts_end(&w);
    tw_test_nonces_end();
  }
  print_message("%zu established, %zu of them resumed, %zu early writes, %zu refusals, %zu new epochs\n", established,
                resumed, early, refused, rekeyed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_history_ends_with_both_hosts_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
