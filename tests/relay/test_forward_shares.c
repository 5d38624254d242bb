/* Shares of the packet relay under overload, and rates; simulated. SPDX-License-Identifier: Apache-2.0 */
#include "forward_kit.h"

enum { ROUND_US = 1000, LINK = 125000 /* bytes a round: 1 Gbit/s */ };

/* One round: the link sends what it can, what it passed is taken off the next one's. */
static void send_round(kit *k, int64_t *budget) {
  *budget += LINK;
  if (*budget > LINK) *budget = LINK;
  while (*budget > 0 && tw_forward_waiting(k->forward)) {
    tw_forward_message *messages;
    tw_forward_sent(k->forward, tw_forward_batch(k->forward, budget, k->now_us, &messages));
  }
  k->now_us += ROUND_US;
}

static bool has_slot(const kit *k) {
  uint32_t slot;
  return tw_forward_free_slots(k->forward, &slot, 1) == 1;
}

/* One client floods with ten times what the link takes; 100 others send a little, 60% of it in all. */
static void who_is_below_the_share_loses_nothing_to_who_floods(void **state) {
  (void)state;
  enum { SLOW = 100, FLOODER = 1, SINK = 2, FIRST = 10 };
  const unsigned rounds = tw_test_rounds(2000, 60);
  kit *k = kit_open(&(tw_forward_options){.slots = 128});
  kit_bind_all(k, FIRST + SLOW);
  int64_t budget = 0;
  uint64_t sent = 0;
  for (unsigned round = 0; round < rounds; round++) {
    for (unsigned i = 0; i < 20; i++) kit_send_many(k, FLOODER, SINK, 0, 1400, 45);
    for (uint32_t n = 0; n < SLOW; n++) {
      if ((n + round) % 2 == 0) continue; /* 50 of them in each round */
      assert_true(has_slot(k));
      kit_send(k, FIRST + n, SINK, 0, 1400);
      sent++;
      if (n % 16 == 15) kit_send_many(k, FLOODER, SINK, 0, 1400, 45); /* in between */
    }
    send_round(k, &budget);
  }
  kit_flush_all(k);
  uint64_t out = 0;
  for (uint32_t n = 0; n < SLOW; n++) {
    const tw_forward_client_stats stats = kit_stats(k, FIRST + n);
    assert_true(stats.in_dropped.packets == 0);
    out += stats.charged / (1400 + TW_FORWARD_OVERHEAD);
  }
  assert_true(out == sent);
  /* The flooder gets the rest, so nothing of the link is wasted. */
  const tw_forward_client_stats flooder = kit_stats(k, FLOODER);
  const uint64_t rest = (uint64_t)rounds * LINK - out * (1400 + TW_FORWARD_OVERHEAD);
  assert_in_range(flooder.charged, rest - rest / 20, rest + 128 * 65536);
  assert_true(flooder.over.packets > 0 && flooder.over.packets == flooder.in_dropped.packets);
  kit_close(k);
}

/* Large packets, small ones, a group: each gets the same number of bytes. */
static void who_floods_gets_an_equal_share(void **state) {
  (void)state;
  enum { GROUP_SENDER = 4, SINK = 5 };
  const unsigned rounds = tw_test_rounds(2000, 200);
  kit *k = kit_open(NULL);
  kit_bind_all(k, 12);
  kit_set_group(k, 12);
  int64_t budget = 0;
  for (unsigned round = 0; round < rounds; round++) {
    for (unsigned i = 0; i < 8 && has_slot(k); i++) {
      kit_send_many(k, 1, SINK, 0, 1400, 45); /* nine times as much as the next one */
      kit_send_many(k, 2, SINK, 0, 100, 64);
      kit_send(k, 3, SINK, 0, 9000);
      kit_send_many(k, GROUP_SENDER, KIT_GROUP, 0, 1000, 10);
    }
    send_round(k, &budget);
  }
  const uint64_t fair = (uint64_t)rounds * LINK / 4;
  for (uint32_t n = 1; n <= GROUP_SENDER; n++) {
    const uint64_t charged = kit_stats(k, n).charged;
    assert_in_range(charged, fair - fair / 20 - 70000, fair + fair / 20 + 70000);
  }
  kit_close(k);
}

/* Turns that were not used up are not saved for later. */
static void who_was_quiet_has_no_more_than_the_others_then(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  int64_t budget = 0;
  for (unsigned i = 0; i < 200; i++) {
    kit_send_many(k, 1, 3, 0, 1400, 45);
    kit_send(k, 2, 3, 0, 100);
    send_round(k, &budget);
  }
  const uint64_t before[2] = {kit_stats(k, 1).charged, kit_stats(k, 2).charged};
  for (unsigned i = 0; i < 20; i++) {
    for (uint32_t n = 1; n <= 2; n++)
      for (unsigned j = 0; j < 3; j++) kit_send_many(k, n, 3, 0, 1400, 45);
    send_round(k, &budget);
  }
  const uint64_t after[2] = {kit_stats(k, 1).charged - before[0], kit_stats(k, 2).charged - before[1]};
  assert_in_range(after[1], 10 * LINK - 140000, 10 * LINK + 140000);
  assert_in_range(after[0], 10 * LINK - 140000, 10 * LINK + 140000);
  kit_close(k);
}

/* Who floods has all of the room, until others come: then as much as each of them. */
static void who_holds_most_makes_room(void **state) {
  (void)state;
  enum { SPARE = 4, ROOM = KIT_SLOTS - SPARE };
  kit *k = kit_open(&(tw_forward_options){.spare_slots = SPARE});
  uint32_t slots[KIT_SLOTS];
  kit_bind_all(k, 80);
  for (uint32_t n = 0; n < 200; n++) kit_send(k, 1, 80, n, 1400);
  assert_int_equal(kit_totals(k).queued, ROOM);
  assert_int_equal(kit_dropped(k, TW_FORWARD_OVER_SHARE), 200 - ROOM);
  assert_int_equal(kit_dropped(k, TW_FORWARD_PUSHED_OUT), 0);
  for (unsigned i = 0; i < 200; i++) kit_send(k, 2, 80, 1000 + i, 1400);
  assert_int_equal(kit_stats(k, 1).over.packets, 200 - ROOM / 2);
  assert_int_equal(kit_stats(k, 2).over.packets, 200 - ROOM / 2);
  for (uint32_t n = 3; n <= ROOM; n++) kit_send(k, n, 80, 5000 + n, 1400);
  for (uint32_t n = 3; n <= ROOM; n++) assert_int_equal(kit_stats(k, n).over.packets, 0);
  assert_int_equal(tw_forward_free_slots(k->forward, slots, KIT_SLOTS), SPARE);
  /* All have one: who comes now is one too many. */
  kit_send(k, 70, 80, 1, 1400);
  assert_int_equal(kit_stats(k, 70).over.packets, 1);
  kit_flush_all(k);
  assert_int_equal(k->delivered, ROOM);
  assert_true(kit_got(k, 80, ROOM - 1)); /* the oldest went, not the newest */
  kit_close(k);
}

/* Many small runs in one slot: the runs are shared like the slots. */
static void runs_are_shared_too(void **state) {
  (void)state;
  enum { RUNS = 128 };
  kit *k = kit_open(&(tw_forward_options){.runs = RUNS});
  static uint8_t datagram[KIT_SLOT_SIZE];
  kit_bind_all(k, 5);
  size_t size = 0;
  for (uint32_t i = 0; i < 500; i++) size += kit_put(datagram + size, k->clients[1].session, 2 + i % 2, i, 50);
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER + 50);
  assert_int_equal(kit_totals(k).queued, RUNS / 2);
  kit_send(k, 4, 5, 1, 50);
  kit_send(k, 5, 4, 1, 50);
  assert_int_equal(kit_totals(k).queued, RUNS / 2 + 2);
  assert_int_equal(kit_dropped(k, TW_FORWARD_OVER_SHARE), 500 - RUNS / 2);
  kit_flush_all(k);
  kit_close(k);
}

static void a_client_removed_in_the_middle_of_the_round_leaves_it(void **state) {
  (void)state;
  for (uint32_t removed = 1; removed <= 3; removed++) {
    kit *k = kit_open(NULL);
    kit_bind_all(k, 4);
    for (uint32_t n = 1; n <= 3; n++) kit_send(k, n, 4, n, 100);
    tw_forward_remove(k->forward, removed);
    kit_send(k, removed == 3 ? 1 : 3, 4, 9, 100);
    kit_flush_all(k);
    assert_int_equal(k->delivered, 3);
    assert_false(kit_got(k, 4, removed));
    kit_close(k);
  }
}

/* ---- rates ---- */

static void a_rate_is_kept_in_the_long_run_and_a_burst_at_once(void **state) {
  (void)state;
  enum { RATE = 1000000, BURST = 100000, COST = 952 + TW_FORWARD_OVERHEAD };
  kit *k = kit_open(&(tw_forward_options){.rate = RATE, .burst = BURST});
  kit_bind_all(k, 3);
  for (unsigned i = 0; i < 300; i++) {
    kit_send(k, 1, 3, 0, 952);
    kit_flush_all(k);
  }
  assert_true(kit_stats(k, 1).charged == BURST);
  assert_int_equal(kit_dropped(k, TW_FORWARD_OVER_RATE), 300 - BURST / COST);
  assert_true(kit_stats(k, 1).over.packets == 200);
  /* Another has its own. */
  kit_send(k, 2, 3, 0, 952);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  for (unsigned ms = 0; ms < 5000; ms++) {
    k->now_us += 1000;
    kit_send_many(k, 1, 3, 0, 952, 2);
    kit_flush_all(k);
  }
  assert_in_range(kit_stats(k, 1).charged, BURST + 5 * RATE - COST, BURST + 5 * RATE + COST);
  kit_close(k);
}

/* The part of a run that the rate allows goes on. */
static void a_run_is_cut_where_the_rate_ends(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.rate = 1000000, .burst = 10 * (100 + TW_FORWARD_OVERHEAD)});
  kit_bind_all(k, 2);
  kit_send_many(k, 1, 2, 0, 100, 40);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 10);
  assert_int_equal(kit_dropped(k, TW_FORWARD_OVER_RATE), 30);
  assert_int_equal(kit_totals(k).in.bytes + kit_totals(k).dropped[TW_FORWARD_OVER_RATE].bytes, 4000);
  kit_close(k);
  /* The shorter one at the end is cut off, and not the end of another one. */
  k = kit_open(&(tw_forward_options){.rate = 1000000, .burst = 2 * (100 + TW_FORWARD_OVERHEAD)});
  uint8_t datagram[400];
  size_t size = 0;
  kit_bind_all(k, 2);
  for (uint64_t i = 0; i < 3; i++) size += kit_put(datagram + size, k->clients[1].session, 2, i, i < 2 ? 100 : 30);
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER + 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 2);
  assert_true(k->deliveries[0].len == 100 && k->deliveries[1].len == 100);
  assert_int_equal(kit_totals(k).dropped[TW_FORWARD_OVER_RATE].bytes, 30);
  kit_close(k);
}

static void replicas_count_towards_the_rate(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.rate = 1000000, .burst = 100000});
  kit_bind_all(k, 11);
  kit_set_group(k, 11);
  for (unsigned i = 0; i < 100; i++) kit_send(k, 1, KIT_GROUP, i, 952);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 100); /* ten packets to ten members */
  /* What is dearer than the whole burst gets through when the bucket has something in it, and is paid for then. */
  uint32_t members[1000];
  for (uint32_t i = 0; i < 1000; i++) members[i] = i + 1;
  assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, members, 1000), TW_OK);
  unsigned through = 0;
  for (unsigned ms = 0; ms < 10000; ms++) {
    k->now_us += 1000;
    kit_send(k, 1, KIT_GROUP, ms, 952);
    kit_flush_all(k);
    through += k->delivered > 0;
  }
  assert_in_range(through, 10, 11); /* 999,000 bytes each */
  kit_close(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_is_below_the_share_loses_nothing_to_who_floods),
      cmocka_unit_test(who_floods_gets_an_equal_share),
      cmocka_unit_test(who_was_quiet_has_no_more_than_the_others_then),
      cmocka_unit_test(who_holds_most_makes_room),
      cmocka_unit_test(runs_are_shared_too),
      cmocka_unit_test(a_client_removed_in_the_middle_of_the_round_leaves_it),
      cmocka_unit_test(a_rate_is_kept_in_the_long_run_and_a_burst_at_once),
      cmocka_unit_test(a_run_is_cut_where_the_rate_ends),
      cmocka_unit_test(replicas_count_towards_the_rate),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
