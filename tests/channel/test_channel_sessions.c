/* Sessions over crashes, losses and attacks: two hosts against a model of what may come of it. SPDX-License-Identifier: Apache-2.0 */
/* label: slow label: moves */
#include "channel/attacker_kit.h"

#include <stdio.h>
#include <stdlib.h>

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
