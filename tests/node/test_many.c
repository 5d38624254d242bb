/* A hundred nodes (TREEWIRE_NODES: as many as you like) live in one network, and two hundred (TREEWIRE_HUNDREDS) come together: with the program as their relay. SPDX-License-Identifier: Apache-2.0 */
/* label: slow */
#include "node/many/many.h"

#include <stdio.h>
#include <time.h>

enum { NODES = 100, NODES_SANITIZED = 25, HUNDREDS = 200, PAIRS_EACH = 2, ROUNDS = 20, PATIENCE_MS = 600000 };

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static many_world world;
static struct { uint32_t a, b; } * pairs;
static uint32_t pair_count;
static bool *is_out; /* removed */

/* ---- what is to hold ---- */

static bool is_in(uint32_t i) { return !is_out[i] && world.nodes[i].network != NULL; }

/* Those who are wanted, and nobody else, are members of one epoch. */
static bool all_agree(many_world *w) {
  uint64_t epoch = 0;
  tw_bytes authenticator = TW_NO_BYTES;
  uint32_t count = 0;
  for (uint32_t i = 0; i < w->count; i++) count += !is_out[i];
  for (uint32_t i = 0; i < w->count; i++) {
    tw_network_status status;
    uint64_t its_epoch;
    if (!is_in(i)) continue;
    tw_network_get_status(w->nodes[i].network, &status);
    const tw_bytes its = tw_network_authenticator(w->nodes[i].network, &its_epoch);
    if (status.state != TW_NETWORK_MEMBER || status.members != count || its.len == 0) return false;
    if (authenticator.len == 0) {
      authenticator = its;
      epoch = its_epoch;
    }
    if (epoch != its_epoch || !tw_bytes_equal(its, authenticator)) return false;
  }
  for (uint32_t i = 0; i < w->count; i++) {
    if (is_out[i]) continue;
    for (uint32_t k = 0; k < w->count; k++) {
      if (is_in(k) && !tw_network_has_member(w->nodes[k].network, &w->nodes[i].id)) return false;
    }
  }
  return true;
}

/* A packet, and an answer to it; now and then both sides speak first. */
static bool pair_talks(uint32_t i) {
  many_node *a = &world.nodes[pairs[i].a];
  many_node *b = &world.nodes[pairs[i].b];
  const bool there = many_packet(a, b);
  return (there || many_roll(&world, 16) == 0) && many_packet(b, a) && there;
}

static bool all_talk(many_world *w) {
  bool all = true;
  (void)w;
  for (uint32_t i = 0; i < pair_count; i++) {
    if (is_in(pairs[i].a) && is_in(pairs[i].b) && !pair_talks(i)) all = false;
  }
  return all;
}

static bool all_is_well(many_world *w) { return all_talk(w) && all_agree(w); }

static void show(void) {
  for (uint32_t i = 0; i < world.count; i++) {
    tw_network_status s;
    if (world.nodes[i].network == NULL) continue;
    tw_network_get_status(world.nodes[i].network, &s);
    print_message("%u: %s state %d, epoch %u, %u members%s, refused %u\n", i, world.nodes[i].up ? "on" : "off", s.state,
                  (unsigned)s.epoch, s.members, s.pending_since_ms != 0 ? ", pending" : "", (unsigned)s.refused);
  }
  for (uint32_t i = 0; i < pair_count; i++) {
    if (is_in(pairs[i].a) && is_in(pairs[i].b) && !pair_talks(i))
      print_message("%u and %u do not talk\n", pairs[i].a, pairs[i].b);
  }
}

static void expect(const char *what, bool (*done)(many_world *w)) {
  if (many_run(&world, PATIENCE_MS / 20, done)) return;
  if (world.tells) show();
  if (many_run(&world, PATIENCE_MS, done)) return;
  show();
  fail_msg("%s: never", what);
}

/* ---- what it costs ---- */

static struct {
  uint64_t at_ms, epoch, traffic, busy;
  double seconds; /* of this process */
  many_use use;
} last;

static void note(const char *what) {
  const many_use use = many_relay_use(&world.relay);
  uint64_t traffic = 0;
  uint64_t busy = 0;
  uint64_t epoch = 0;
  for (uint32_t i = 0; i < world.count; i++) {
    uint64_t sent;
    uint64_t received;
    uint64_t its = 0;
    many_node_traffic(&world.nodes[i], &sent, &received);
    traffic += sent + received;
    busy += world.nodes[i].busy;
    if (world.nodes[i].network != NULL) (void)tw_network_authenticator(world.nodes[i].network, &its);
    if (its > epoch) epoch = its;
  }
  const uint64_t at_ms = many_now(&world);
  const double seconds = (double)clock() / CLOCKS_PER_SEC;
  print_message("%-22s %6.1f s, %5.1f s CPU, %3u epochs, %7.1f KiB a node; relay: %5.2f s CPU, %6zu KiB resident, "
                "%7zu KiB written, %u busy\n",
                what, (double)(at_ms - last.at_ms) / 1000, seconds - last.seconds, (unsigned)(epoch - last.epoch),
                (double)(traffic - last.traffic) / 1024 / world.count, use.seconds - last.use.seconds,
                use.resident / 1024, (use.written - last.use.written) / 1024, (unsigned)(busy - last.busy));
  last.at_ms = at_ms;
  last.epoch = epoch;
  last.traffic = traffic;
  last.busy = busy;
  last.seconds = seconds;
  last.use = use;
}

/* ---- what happens ---- */

static uint32_t somebody(void) {
  uint32_t i = many_roll(&world, world.count);
  while (!is_in(i)) i = many_roll(&world, world.count);
  return i;
}

static bool all_are_up(many_world *w) {
  for (uint32_t i = 0; i < w->count; i++) {
    if (!w->nodes[i].up) return false;
  }
  return true;
}

static void begin_pairs(void) {
  pair_count = PAIRS_EACH * world.count;
  pairs = calloc(pair_count, sizeof *pairs);
  assert_non_null(pairs);
  for (uint32_t i = 0; i < pair_count; i++) {
    pairs[i].a = i % world.count;
    do pairs[i].b = many_roll(&world, world.count);
    while (pairs[i].b == pairs[i].a);
  }
}

/* Renewals at a low rate, for all and two by two. */
static void renew_some(void) {
  tw_network_rekey(world.nodes[somebody()].network, many_now(&world));
  for (uint32_t i = 0; i < 1 + world.count / 20; i++) {
    const uint32_t k = many_roll(&world, pair_count);
    if (is_in(pairs[k].a)) tw_pairs_rekey(world.nodes[pairs[k].a].pairs, pairs[k].b, many_now(&world));
  }
  (void)many_run(&world, 300, NULL);
  (void)all_talk(&world);
}

static void live_through_changes(void) {
  const uint32_t tenth = world.count / 10 + 1;
  const uint32_t few = world.count / 50 + 1;
  uint32_t *away = calloc(tenth, sizeof *away);
  uint32_t *gone = calloc(few, sizeof *gone);
  assert_non_null(away);
  assert_non_null(gone);
  for (uint32_t i = 0; i < tenth; i++) many_node_stop(&world.nodes[away[i] = somebody()]);
  for (uint32_t round = 0; round < ROUNDS; round++) {
    if (round == ROUNDS / 4) {
      for (uint32_t i = 0; i < few; i++) { /* one of them in their absence */
        gone[i] = i == 0 ? away[0] : somebody();
        is_out[gone[i]] = true;
      }
      /* By others: what somebody wants who is removed before it has come to that, nobody knows. */
      for (uint32_t i = 0; i < few; i++) many_node_remove(&world.nodes[somebody()], &world.nodes[gone[i]]);
    }
    if (round == ROUNDS / 2) {
      for (uint32_t i = 0; i < tenth; i++) many_node_start(&world.nodes[away[i]]);
    }
    if (round == 3 * ROUNDS / 4) {
      for (uint32_t i = 0; i < few; i++) {
        many_node *n = &world.nodes[somebody()];
        many_node_stop(n);
        many_node_lose_values(n);
        /* Else it would add those again whose removal it has forgotten, or not read yet. */
        for (uint32_t k = 0; k < world.count; k++) {
          if (is_out[k]) many_unwant(n, k);
        }
        many_node_start(n);
      }
    }
    renew_some();
  }
  free(gone);
  free(away);
}

static uint32_t nodes_wanted(const char *variable, uint32_t usual) {
  const char *given = getenv(variable);
  if (given != NULL) return (uint32_t)strtoul(given, NULL, 10);
  return SANITIZED ? NODES_SANITIZED : usual;
}

static void begin_together(uint32_t count) {
  const char *seed = getenv("TREEWIRE_SEED");
  many_begin(&world, count, seed == NULL ? 1 : strtoull(seed, NULL, 10));
  is_out = calloc(world.count, sizeof *is_out);
  assert_non_null(is_out);
  memset(&last, 0, sizeof last);
  last.at_ms = many_now(&world);
  note("begin");
  for (uint32_t i = 0; i < world.count; i++) many_node_start(&world.nodes[i]);
  expect("all connected", all_are_up);
  note("all are connected");
  expect("all members", all_agree);
  note("all are members");
  begin_pairs();
  expect("pairs", all_talk);
  note("pairs talk");
}

static void end_all(void) {
  many_end(&world);
  free(pairs);
  free(is_out);
  pairs = NULL;
  is_out = NULL;
  pair_count = 0;
}

static void many_nodes_become_one_network_and_stay_one(void **state) {
  (void)state;
  begin_together(nodes_wanted("TREEWIRE_NODES", NODES));
  live_through_changes();
  note("changes");
  expect("all well", all_is_well);
  note("all is well again");
  end_all();
}

/* Whoever wants in is added with all the others who do: it takes a handful of commits, whoever comes first. */
static void hundreds_come_together_in_a_few_commits(void **state) {
  (void)state;
  uint64_t epoch;
  begin_together(nodes_wanted("TREEWIRE_HUNDREDS", HUNDREDS));
  (void)tw_network_authenticator(world.nodes[0].network, &epoch);
  assert_true(epoch < 20);
  end_all();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(many_nodes_become_one_network_and_stay_one),
      cmocka_unit_test(hundreds_come_together_in_a_few_commits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
