/* Segments, messages, groups and slots of the packet relay. SPDX-License-Identifier: Apache-2.0 */
#include "forward_kit.h"

/* ---- segments ---- */

static void segments_alike_become_one_message(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  kit_send_many(k, 1, 2, 100, 1400, 40);
  kit_flush_all(k);
  assert_int_equal(k->messages, 1);
  assert_int_equal(k->delivered, 40);
  for (uint32_t i = 0; i < 40; i++) assert_true(k->deliveries[i].tag == 100 + i && k->deliveries[i].len == 1400);
  kit_close(k);
}

static void large_packets_are_not_moved(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  kit_set_group(k, 3);
  for (unsigned to_group = 0; to_group < 2; to_group++) {
    uint32_t slot;
    int64_t budget = INT64_MAX;
    tw_forward_message *messages;
    assert_int_equal(tw_forward_free_slots(k->forward, &slot, 1), 1);
    kit_send_many(k, 1, to_group ? KIT_GROUP : 2, 0, 1400, 10);
    const uint32_t count = tw_forward_batch(k->forward, &budget, k->now_us, &messages);
    assert_int_equal(count, to_group ? 2 : 1);
    for (uint32_t m = 0; m < count; m++) {
      assert_int_equal(messages[m].part_count, 10);
      for (uint32_t i = 0; i < 10; i++)
        assert_ptr_equal(messages[m].parts[i].iov_base,
                         k->memory[slot] + i * (TW_FORWARD_HEADER + 1400) + TW_FORWARD_HEADER);
    }
    tw_forward_sent(k->forward, count);
  }
  kit_close(k);
}

/* Of each size, with a shorter one at the end, and over several batches: what comes out is what went in. */
static void small_packets_are_moved_together_for_all_replicas(void **state) {
  (void)state;
  static uint8_t datagram[KIT_SLOT_SIZE];
  kit *k = kit_open(&(tw_forward_options){.messages = 1});
  kit_bind_all(k, 4);
  kit_set_group(k, 4);
  for (size_t len = TW_FORWARD_PACKET_MIN; len <= 1100; len += len < 40 ? 1 : 53) {
    for (unsigned to_group = 0; to_group < 2; to_group++) {
      const uint32_t destination = to_group ? KIT_GROUP : 2;
      const uint32_t segment = (uint32_t)(TW_FORWARD_HEADER + len);
      size_t size = 0;
      for (uint64_t i = 0; i < 20; i++)
        size += kit_put(datagram + size, k->clients[1].session, destination, i,
                        i < 19 ? len : (len + TW_FORWARD_PACKET_MIN) / 2);
      kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), segment);
      int64_t budget = INT64_MAX;
      for (unsigned m = 0; m < (to_group ? 3 : 1); m++) {
        tw_forward_message *messages;
        assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 1);
        assert_int_equal(messages->part_count, len <= 1024 ? 1 : 20);
        k->delivered = 0;
        kit_note(k, messages);
        assert_int_equal(k->delivered, 20);
        for (uint64_t i = 0; i < 20; i++) assert_true(kit_got(k, to_group ? 2 + m : 2, i));
        tw_forward_sent(k->forward, 1);
      }
      kit_flush_all(k);
    }
  }
  kit_close(k);
}

static void datagrams_in_a_row_are_joined(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  for (uint64_t i = 0; i < 20; i++) kit_send(k, 1, 2, i, 1000);
  kit_send(k, 1, 2, 20, 600); /* shorter: the last of its message */
  kit_send(k, 1, 2, 21, 600);
  kit_send(k, 1, 2, 22, 1000); /* longer: another one */
  kit_send(k, 1, 3, 23, 1000); /* to another */
  kit_send(k, 1, 2, 24, 1000);
  kit_flush_all(k);
  assert_int_equal(k->messages, 5);
  for (uint32_t i = 0; i < 25; i++) assert_int_equal(k->deliveries[i].tag, i); /* in order */
  kit_close(k);
}

/* DSCP and ECN are the packet's: what is sent together has to have the same. */
static void marks_go_on_and_keep_datagrams_apart(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  kit_set_group(k, 3);
  for (uint32_t i = 0; i < 8; i++) {
    k->tos = i < 4 ? 2 : (uint8_t)(0xb8 | 3);
    kit_send(k, 1, i % 4 == 3 ? KIT_GROUP : 2, i, 1000);
  }
  kit_flush_all(k);
  assert_int_equal(k->messages, 6); /* three together, one to two members, and again */
  assert_int_equal(k->delivered, 10);
  for (uint32_t i = 0; i < k->delivered; i++)
    assert_int_equal(k->deliveries[i].tos, k->deliveries[i].tag < 4 ? 2 : 0xbb);
  kit_close(k);
}

static void a_message_has_as_many_segments_and_bytes_as_may_be(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  kit_send_many(k, 1, 2, 0, 20, 2000); /* 64 each: 31 messages and a rest of 16 */
  kit_flush_all(k);
  assert_int_equal(k->delivered, 2000);
  assert_int_equal(k->messages, 32);
  for (unsigned i = 0; i < 5; i++) kit_send_many(k, 1, 2, 100 * i, 9000, 7); /* 7 each are 63,000 bytes */
  kit_flush_all(k);
  assert_int_equal(k->delivered, 35);
  assert_int_equal(k->messages, 5);
  kit_send(k, 1, 2, 1, TW_FORWARD_MESSAGE_MAX - TW_FORWARD_HEADER); /* the longest that IPv4 brings */
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  kit_close(k);
}

static void each_segment_is_judged_for_itself(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  static uint8_t datagram[KIT_SLOT_SIZE];
  kit_bind_all(k, 3);
  kit_set_group(k, 2);
  const uint32_t destinations[] = {2, 3, 2, 2, 1, 99, 0, KIT_GROUP, KIT_GROUP | 8, 2};
  size_t size = 0;
  for (uint32_t i = 0; i < 10; i++) size += kit_put(datagram + size, k->clients[1].session, destinations[i], i, 100);
  size += kit_put(datagram + size, k->clients[2].session, 3, 10, 100); /* another's session */
  size += kit_put(datagram + size, k->clients[1].session, 3, 11, 7);   /* a rest that is too short */
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER + 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 6);
  assert_true(kit_got(k, 2, 0) && kit_got(k, 3, 1) && kit_got(k, 2, 2) && kit_got(k, 2, 3) && kit_got(k, 2, 7) &&
              kit_got(k, 2, 9));
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 3);
  assert_int_equal(kit_dropped(k, TW_FORWARD_MALFORMED), 2); /* destination 0 with a packet, and the rest */
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 1);
  kit_close(k);
}

static void a_token_and_packets_in_one_datagram_are_taken_in_order(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  uint8_t datagram[3 * (TW_FORWARD_HEADER + TW_FORWARD_TOKEN)];
  kit_bind(k, 2);
  kit_grant(k, 1);
  size_t size = kit_put(datagram, k->clients[1].session, 2, 1, TW_FORWARD_TOKEN);
  const size_t token_at = size;
  size += kit_put(datagram + size, k->clients[1].session, 0, 0, TW_FORWARD_TOKEN);
  memcpy(datagram + token_at + TW_FORWARD_HEADER, k->clients[1].token, TW_FORWARD_TOKEN);
  size += kit_put(datagram + size, k->clients[1].session, 2, 2, TW_FORWARD_TOKEN);
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER + TW_FORWARD_TOKEN);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  assert_true(kit_got(k, 2, 2));
  kit_close(k);
}

/* ---- groups ---- */

static void a_group_is_its_members_but_the_sender(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.messages = 7});
  kit_bind_all(k, 100);
  kit_set_group(k, 50);
  tw_forward_unbind(k->forward, 10);
  tw_forward_remove(k->forward, 11);
  kit_send_many(k, 20, KIT_GROUP, 1, 100, 3);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 47 * 3);
  for (uint32_t n = 1; n <= 100; n++)
    for (uint64_t tag = 1; tag <= 3; tag++)
      assert_int_equal(kit_got(k, n, tag), n <= 50 && n != 20 && n != 10 && n != 11);
  /* Replicas, and who could not be reached, count against the sender. */
  assert_true(kit_stats(k, 20).charged == 47 * 3 * (100 + TW_FORWARD_OVERHEAD));
  assert_true(kit_totals(k).in.packets == 3 && kit_totals(k).out.packets == 47 * 3);
  kit_close(k);
}

static void only_members_send_to_a_group(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 5);
  kit_set_group(k, 3);
  kit_send(k, 4, KIT_GROUP, 1, 100);
  kit_send(k, 1, KIT_GROUP | 8, 2, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NOT_MEMBER), 1);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 1);
  kit_set_group(k, 0); /* nobody is left */
  kit_send(k, 1, KIT_GROUP, 3, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NOT_MEMBER), 2);
  const uint32_t twice[] = {5, 1, 5, 1, 1};
  assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, twice, 5), TW_OK);
  kit_send(k, 1, KIT_GROUP, 4, 100);
  kit_flush_all(k);
  assert_true(k->delivered == 1 && kit_got(k, 5, 4));
  kit_close(k);
}

/* The list changes when some have got the packet and others not yet. */
static void a_group_may_change_while_packets_flow(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.messages = 4});
  kit_bind_all(k, 20);
  kit_set_group(k, 10);
  kit_send(k, 1, KIT_GROUP, 1, 100);
  kit_flush(k, 4 * (100 + TW_FORWARD_OVERHEAD)); /* 2, 3, 4, 5 */
  assert_true(k->delivered == 4 && kit_got(k, 5, 1));
  const uint32_t members[] = {12, 9, 1, 8, 2};
  assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, members, 5), TW_OK);
  kit_flush_all(k);
  assert_true(k->delivered == 3 && kit_got(k, 8, 1) && kit_got(k, 9, 1) && kit_got(k, 12, 1));
  /* The sender itself leaves, or the group ends, on the way. */
  for (unsigned i = 0; i < 2; i++) {
    kit_set_group(k, 10);
    kit_send(k, 1, KIT_GROUP, 2, 100);
    kit_send(k, 1, KIT_GROUP, 3, 100);
    kit_flush(k, 2 * (100 + TW_FORWARD_OVERHEAD));
    assert_int_equal(k->delivered, 2);
    if (i == 0)
      assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, members, 2), TW_OK);
    else
      tw_forward_group_remove(k->forward, KIT_GROUP);
    kit_flush_all(k);
    assert_int_equal(k->delivered, 0);
    assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), 2 * (i + 1));
  }
  kit_close(k);
}

/* A member that floods a group of members who are not there does not hold the others up. */
static void members_that_are_away_cost_their_sender(void **state) {
  (void)state;
  enum { MEMBERS = 100000 };
  kit *k = kit_open(NULL);
  uint32_t *members = malloc(MEMBERS * sizeof *members);
  assert_non_null(members);
  kit_bind_all(k, 3);
  for (uint32_t i = 0; i < MEMBERS; i++) members[i] = i == 0 ? 1 : 1000 + i;
  assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, members, MEMBERS), TW_OK);
  for (unsigned i = 0; i < 5; i++) kit_send(k, 1, KIT_GROUP, 1, 100);
  kit_send(k, 2, 3, 9, 100);
  int64_t budget = INT64_MAX;
  tw_forward_message *messages;
  uint32_t rounds = 0, count = 0;
  /* Each call ends after a bounded piece of work, and the other one's packet is out after a turn of the flooder's. */
  while (count == 0 && rounds++ < 3) count = tw_forward_batch(k->forward, &budget, k->now_us, &messages);
  assert_int_equal(count, 1);
  kit_note(k, &messages[0]);
  assert_true(kit_got(k, 3, 9));
  tw_forward_sent(k->forward, 1);
  for (rounds = 0; tw_forward_waiting(k->forward) && rounds < 1000; rounds++)
    assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 0);
  assert_in_range(rounds, 2, 999);
  free(members);
  kit_close(k);
}

/* ---- batches ---- */

static void what_the_socket_did_not_take_comes_again(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.messages = 8});
  kit_bind_all(k, 10);
  for (uint32_t n = 2; n <= 10; n++) kit_send(k, 1, n, n, 100);
  int64_t budget = INT64_MAX;
  tw_forward_message *messages;
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 8);
  const int64_t left = budget;
  tw_forward_sent(k->forward, 3);
  k->now_us++;
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 5);
  assert_true(budget == left); /* paid for before */
  kit_note(k, &messages[0]);
  assert_true(kit_got(k, 5, 5));
  tw_forward_unsent(k->forward);
  assert_int_equal(kit_dropped(k, TW_FORWARD_UNSENT), 1);
  assert_true(kit_stats(k, 1).in_dropped.packets == 1 && kit_stats(k, 5).out.packets == 0);
  /* Meanwhile one goes, one is unbound, one moves. */
  tw_forward_remove(k->forward, 6);
  tw_forward_unbind(k->forward, 7);
  k->clients[8].address = kit_address(200);
  kit_bind(k, 8);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 3);
  assert_true(kit_got(k, 8, 8) && kit_got(k, 9, 9) && kit_got(k, 10, 10));
  assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), 2);
  /* More than there are is none. */
  tw_forward_sent(k->forward, 5);
  tw_forward_unsent(k->forward);
  assert_int_equal(kit_totals(k).out.packets, 6);
  kit_close(k);
}

static void a_message_to_a_group_that_waits_is_looked_at_again(void **state) {
  (void)state;
  for (unsigned what = 0; what < 4; what++) {
    kit *k = kit_open(NULL);
    kit_bind_all(k, 4);
    kit_set_group(k, 4);
    kit_send(k, 1, KIT_GROUP, 1, 100);
    int64_t budget = INT64_MAX;
    tw_forward_message *messages;
    assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 3);
    tw_forward_sent(k->forward, 1);
    const uint32_t others[] = {1, 2, 3};
    if (what == 0) assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, others, 3), TW_OK); /* without 4 */
    if (what == 1) assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, others + 1, 2), TW_OK);
    if (what == 2) tw_forward_group_remove(k->forward, KIT_GROUP);
    if (what == 3) tw_forward_remove(k->forward, 1);
    kit_flush_all(k);
    assert_int_equal(k->delivered, what == 0 ? 1 : 0);
    assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), what == 0 ? 1 : 2);
    kit_close(k);
  }
}

static void a_budget_is_kept(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  for (unsigned i = 0; i < 20; i++) kit_send(k, 1, 1 + (i % 2 == 0), i, 1000); /* half of them to itself: dropped */
  kit_send_many(k, 1, 2, 100, 1000, 5);
  int64_t budget = 0;
  tw_forward_message *messages;
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 0);
  budget = 1; /* the last message may pass it: all ten joined, and the five */
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 1);
  assert_true(budget == 1 - 15 * (1000 + TW_FORWARD_OVERHEAD));
  assert_int_equal(messages[0].packets, 15);
  tw_forward_sent(k->forward, 1);
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 0);
  assert_false(tw_forward_waiting(k->forward));
  kit_close(k);
}

static void slots_are_free_when_all_in_them_is_gone(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.messages = 1});
  uint32_t slots[KIT_SLOTS];
  kit_bind_all(k, 4);
  kit_set_group(k, 4);
  static uint8_t datagram[KIT_SLOT_SIZE];
  size_t size = 0;
  const uint32_t destinations[] = {2, 3, KIT_GROUP, 4};
  for (uint32_t i = 0; i < 4; i++) size += kit_put(datagram + size, k->clients[1].session, destinations[i], i, 100);
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER + 100);
  for (unsigned sent = 0; sent < 6; sent++) {
    int64_t budget = INT64_MAX;
    tw_forward_message *messages;
    assert_int_equal(tw_forward_free_slots(k->forward, slots, KIT_SLOTS), KIT_SLOTS - 1);
    assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 1);
    tw_forward_sent(k->forward, 1);
  }
  kit_flush_all(k);
  kit_close(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(segments_alike_become_one_message),
      cmocka_unit_test(large_packets_are_not_moved),
      cmocka_unit_test(small_packets_are_moved_together_for_all_replicas),
      cmocka_unit_test(datagrams_in_a_row_are_joined),
      cmocka_unit_test(marks_go_on_and_keep_datagrams_apart),
      cmocka_unit_test(a_message_has_as_many_segments_and_bytes_as_may_be),
      cmocka_unit_test(each_segment_is_judged_for_itself),
      cmocka_unit_test(a_token_and_packets_in_one_datagram_are_taken_in_order),
      cmocka_unit_test(a_group_is_its_members_but_the_sender),
      cmocka_unit_test(only_members_send_to_a_group),
      cmocka_unit_test(a_group_may_change_while_packets_flow),
      cmocka_unit_test(members_that_are_away_cost_their_sender),
      cmocka_unit_test(what_the_socket_did_not_take_comes_again),
      cmocka_unit_test(a_message_to_a_group_that_waits_is_looked_at_again),
      cmocka_unit_test(a_budget_is_kept),
      cmocka_unit_test(slots_are_free_when_all_in_them_is_gone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
