/* Keys that come late, run out, or are of before a crash. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

static uint8_t packet[PACKET_ROOM + 64];
static uint8_t inner[PACKET_ROOM];

static int begin(void **state) {
  (void)state;
  kit_begin(0);
  kit_make_pair(0, 1);
  kit_by_relay();
  return 0;
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

static packet_spec numbered(uint16_t number) {
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  spec.id = number;
  return spec;
}

static void put_some(uint16_t from, uint16_t to) {
  for (uint16_t i = from; i < to; i++) {
    const packet_spec spec = numbered(i);
    kit_put(0, &spec);
  }
  kit_run();
}

static void got_some(uint16_t from, uint16_t to) {
  for (uint16_t i = from; i < to; i++) {
    const packet_spec spec = numbered(i);
    kit_got_this(1, &spec);
  }
}

/* ---- late ---- */

static void test_packets_wait_for_keys_and_go_in_order(void **state) {
  (void)state;
  put_some(0, 10);
  kit_got_none(1);
  assert_true(world.nodes[0].events.want[1] >= 1);
  kit_use_pair(0, 1);
  kit_run();
  put_some(10, 12);
  got_some(0, 12);
  kit_got_none(1);
  kit_no_drops(0);
  kit_no_drops(1);
}

static void make_keys(kit_node *n) {
  if (tw_sas_out(n->sas, 1) == NULL) kit_use_pair(0, 1);
}

static void test_keys_that_are_made_at_once_are_used_at_once(void **state) {
  (void)state;
  world.nodes[0].on_want = make_keys;
  put_some(0, 5);
  got_some(0, 5);
  kit_got_none(1);
  assert_int_equal(world.nodes[0].events.want[1], 1);
}

static void test_the_nudge_is_a_packet_without_content_where_none_waits(void **state) {
  (void)state;
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, true);
  kit_run();
  assert_int_equal(world.relayed, 1);
  assert_int_equal(world.nodes[1].events.opened, 1);
  kit_got_none(1);
  kit_next_epoch(0, 1);
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, false);
  kit_run();
  assert_int_equal(world.relayed, 1);
}

/* A peer that has answered a resumption_request goes on under its old keys until it has that. */
static void test_the_nudge_waits_for_a_way(void **state) {
  (void)state;
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  tw_plane_clear_relay(world.nodes[0].plane);
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, true);
  kit_run();
  kit_tick(250);
  assert_int_equal(world.nodes[1].events.opened, 0);
  kit_by_relay();
  kit_tick(250);
  assert_int_equal(world.nodes[1].events.opened, 1);
  kit_no_drops(0);
}

static void test_the_nudge_is_sent_again_as_it_may_be_lost_but_not_for_ever(void **state) {
  (void)state;
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, true);
  for (int i = 0; i < 100; i++) kit_tick(250);
  assert_int_equal(world.relayed, 4);
}

static void test_the_room_for_packets_that_wait_is_bounded_and_the_oldest_go(void **state) {
  (void)state;
  put_some(0, TW_PLANE_WAITING + 5);
  assert_int_equal(kit_drops(0)->no_keys, 5);
  packet_spec large = kit_packet_of(0, 1, 4, PACKET_TCP, 30000);
  kit_put_large(0, &large, 1300);
  kit_run();
  assert_int_equal(kit_drops(0)->no_keys, 6);
  kit_use_pair(0, 1);
  kit_run();
  got_some(5, TW_PLANE_WAITING + 5);
  kit_got_none(1);
}

static void test_packets_do_not_wait_for_ever(void **state) {
  (void)state;
  put_some(0, 3);
  kit_tick(2999);
  assert_int_equal(kit_drops(0)->no_keys, 0);
  kit_tick(1);
  assert_int_equal(kit_drops(0)->no_keys, 3);
  kit_use_pair(0, 1);
  kit_run();
  kit_got_none(1);
}

static void test_packets_to_one_peer_wait_for_its_keys_alone(void **state) {
  (void)state;
  kit_make_pair(0, 2);
  put_some(0, 2);
  packet_spec other = kit_packet_of(0, 2, 6, PACKET_UDP, 50);
  kit_put(0, &other);
  kit_run();
  assert_int_equal(world.nodes[0].events.want[2], 1);
  kit_use_pair(0, 2);
  kit_run();
  kit_got_this(2, &other);
  kit_got_none(1);
  kit_use_pair(0, 1);
  kit_run();
  got_some(0, 2);
}

static void test_packets_that_come_before_their_keys_are_kept(void **state) {
  (void)state;
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, false);
  put_some(0, 20);
  kit_got_none(1);
  tw_plane_retry(world.nodes[1].plane, world.now);
  kit_got_none(1);
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  tw_plane_retry(world.nodes[1].plane, world.now);
  got_some(0, 20);
  kit_got_none(1);
  tw_plane_retry(world.nodes[1].plane, world.now);
  kit_got_none(1);
  assert_int_equal(world.nodes[1].events.opened, 1);
  kit_no_drops(1);
}

static void test_the_room_for_what_comes_early_is_bounded(void **state) {
  (void)state;
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, false);
  put_some(0, TW_PLANE_WAITING + 7);
  assert_int_equal(kit_drops(1)->unknown, 7);
  for (uint16_t i = 0; i < 2; i++) { /* one of the largest that fit, one that does not */
    const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 1900 + i * 200u);
    const size_t len = packet_write(&spec, inner);
    kit_relay_to(1, packet, kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, len, packet));
  }
  kit_run();
  assert_int_equal(kit_drops(1)->unknown, 9);
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  tw_plane_retry(world.nodes[1].plane, world.now);
  got_some(8, TW_PLANE_WAITING + 7);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 1900);
  kit_got_this(1, &spec);
  kit_got_none(1);
}

static void test_what_comes_early_and_stays_unknown_is_given_up(void **state) {
  (void)state;
  kit_send_under(&world.nodes[0], 1, world.nodes[0].pairs[1].group, false);
  put_some(0, 4);
  kit_tick(3000);
  assert_int_equal(kit_drops(1)->unknown, 4);
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  tw_plane_retry(world.nodes[1].plane, world.now);
  kit_got_none(1);
}

static void test_a_change_of_keys_loses_nothing(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  put_some(0, 10);
  for (uint16_t epoch = 1; epoch < 20; epoch++) {
    kit_next_epoch(0, 1);
    kit_node *one = &world.nodes[0];
    kit_node *two = &world.nodes[1];
    const uint64_t stamp = kit_take_keys(two, 0, two->pairs[0].group);
    (void)kit_take_keys(one, 1, one->pairs[1].group);
    put_some((uint16_t)(epoch * 10), (uint16_t)(epoch * 10 + 5)); /* under the old ones */
    kit_send_under(one, 1, one->pairs[1].group, false);
    put_some((uint16_t)(epoch * 10 + 5), (uint16_t)(epoch * 10 + 10));
    const tw_node_keys *keys = tw_sas_keys(two->sas);
    keys->settle(keys->ctx, 0, stamp);
    assert_true(tw_sas_count(two->sas, 0) >= 2);
    kit_tick(epoch % 2 == 0 ? 30000 : 100);
  }
  got_some(0, 200);
  kit_got_none(1);
  kit_tick(60000);
  assert_int_equal(tw_sas_count(world.nodes[1].sas, 0), 1);
  kit_no_drops(0);
  kit_no_drops(1);
}

/* ---- used up ---- */

static void test_an_sa_that_is_used_up_sends_no_more_and_new_keys_are_asked_for_before(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  tw_esp_out *sa = tw_sas_out(world.nodes[0].sas, 1);
  sa->limits.packets = 20;
  sa->limits.rekey_packets = 10;
  put_some(0, 9);
  assert_int_equal(world.nodes[0].events.rekey[1], 0);
  put_some(9, 20);
  assert_true(world.nodes[0].events.rekey[1] > 0);
  put_some(20, 25);
  assert_int_equal(kit_drops(0)->used_up, 5);
  got_some(0, 20);
  kit_got_none(1);
  assert_int_equal(tw_plane_peer_of(world.nodes[0].plane, 1)->sent.packets, 20);
}

static void test_numbers_are_on_the_disk_before_they_are_used(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  tw_esp_out *sa = tw_sas_out(world.nodes[0].sas, 1);
  uint32_t saves = world.nodes[0].saves;
  assert_int_equal(sa->reserved, 1 + TW_SAS_BLOCK);
  sa->next = sa->reserved - TW_SAS_BLOCK / 4; /* as if so many had been sent */
  put_some(0, 1);
  assert_int_equal(world.nodes[0].saves, ++saves);
  assert_true(sa->reserved > sa->next + TW_SAS_BLOCK / 4);
  put_some(1, 10);
  assert_int_equal(world.nodes[0].saves, saves);
}

static void test_a_disk_that_fails_is_asked_once_a_second_and_sending_ends_where_the_numbers_do(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  tw_esp_out *sa = tw_sas_out(world.nodes[0].sas, 1);
  world.nodes[0].disk_fails = true;
  const uint32_t saves = world.nodes[0].saves;
  sa->next = sa->reserved - 3;
  for (uint16_t i = 0; i < 5; i++) put_some(i, (uint16_t)(i + 1));
  assert_int_equal(world.nodes[0].saves, saves + 1);
  assert_int_equal(kit_drops(0)->used_up, 2);
  got_some(0, 3);
  kit_got_none(1);
  kit_tick(1000);
  world.nodes[0].disk_fails = false;
  put_some(5, 6); /* which is too late, but asks the disk */
  put_some(6, 7);
  got_some(6, 7);
}

/* ---- the end and the start ---- */

/* Ends node 1 in good order or not, and takes up what it has: the next group first, as pairs do. */
static void restart(bool in_order) {
  kit_node *n = &world.nodes[1];
  if (in_order) assert_int_equal(tw_sas_save_windows(n->sas), TW_OK);
  kit_stop_node(n);
  kit_start_node(n);
  tw_sas_begin_load(n->sas);
  (void)kit_take_keys(n, 0, n->pairs[0].group);
  kit_send_under(n, 0, n->pairs[0].group, false);
  assert_int_equal(tw_sas_loaded(n->sas), TW_OK);
  kit_by_relay();
}

static void test_after_a_good_end_packets_go_on_and_none_comes_twice(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  put_some(0, 5);
  const packet_spec spec = numbered(5);
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, packet_write(&spec, inner), packet);
  uint8_t copy[256];
  memcpy(copy, packet, len);
  kit_relay_to(1, copy, len);
  kit_run();
  got_some(0, 6);
  const uint64_t used = tw_sas_out(world.nodes[1].sas, 0)->reserved;
  restart(true);
  assert_false(tw_sas_is_stale(world.nodes[1].sas, 0));
  assert_int_equal(kit_value_count(&world.nodes[1], 'r'), 0); /* a crash after this finds none */
  assert_true(tw_sas_out(world.nodes[1].sas, 0)->next >= used);
  memcpy(copy, packet, len);
  kit_relay_to(1, copy, len);
  put_some(6, 8);
  got_some(6, 8);
  kit_got_none(1);
  assert_int_equal(kit_drops(1)->replayed, 1);
}

static void test_after_a_crash_nothing_is_taken_under_old_keys_and_new_ones_are_asked_for(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  put_some(0, 5);
  got_some(0, 5);
  restart(false);
  assert_true(tw_sas_is_stale(world.nodes[1].sas, 0));
  assert_int_equal(tw_sas_count(world.nodes[1].sas, 0), 0);
  /* The same epoch is put to use again, as when its update is confirmed: still none of it. */
  (void)kit_take_keys(&world.nodes[1], 0, world.nodes[1].pairs[0].group);
  assert_int_equal(tw_sas_count(world.nodes[1].sas, 0), 0);
  put_some(5, 10);
  kit_got_none(1);
  assert_int_equal(kit_drops(1)->unknown, 5);
  assert_true(world.nodes[1].events.rekey[0] > 0);
  /* A second end, in good order now, does not make them good. */
  restart(true);
  assert_true(tw_sas_is_stale(world.nodes[1].sas, 0));
  put_some(10, 11);
  kit_got_none(1);
  kit_next_epoch(0, 1);
  kit_use_pair(0, 1);
  put_some(11, 12);
  got_some(11, 12);
}

static void test_numbers_go_on_behind_what_was_reserved_however_it_ended(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  uint64_t last = 1;
  for (int i = 0; i < 5; i++) {
    restart(i % 2 == 0);
    const tw_esp_out *sa = tw_sas_out(world.nodes[1].sas, 0);
    assert_true(sa->next >= last + TW_SAS_BLOCK);
    assert_false(tw_esp_out_is_used_up(sa));
    last = sa->next;
  }
}

/* ---- all of it ---- */

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  kit_node *n = &world.nodes[2];
  kit_stop_node(n);
  for (size_t i = 1;; i++) {
    tw_test_fail_alloc(&world.test, i);
    tw_err err = kit_try_sas(n);
    if (err == TW_OK) err = kit_try_plane(n);
    if (!world.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    kit_stop_node(n);
  }
  tw_test_fail_alloc(&world.test, 0);
}

static void test_keys_that_find_no_memory_leave_those_of_before(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_node *n = &world.nodes[1];
  const tw_node_keys *keys = tw_sas_keys(n->sas);
  uint64_t stamp = 0;
  kit_next_epoch(0, 1);
  for (size_t i = 1;; i++) {
    tw_test_fail_alloc(&world.test, i);
    tw_err err = keys->receive(keys->ctx, 0, n->pairs[0].group, TW_NO_BYTES, &stamp);
    if (err == TW_OK) err = keys->send(keys->ctx, 0, n->pairs[0].group, TW_NO_BYTES, TW_NO_BYTES, false);
    if (!world.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_non_null(tw_sas_out(n->sas, 0));
    assert_true(tw_sas_count(n->sas, 0) >= 1);
    /* The old ones are still good. */
    tw_test_fail_alloc(&world.test, 0);
    put_some((uint16_t)i, (uint16_t)(i + 1));
    got_some((uint16_t)i, (uint16_t)(i + 1));
  }
  tw_test_fail_alloc(&world.test, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_packets_wait_for_keys_and_go_in_order, begin, end),
      cmocka_unit_test_setup_teardown(test_keys_that_are_made_at_once_are_used_at_once, begin, end),
      cmocka_unit_test_setup_teardown(test_the_nudge_is_a_packet_without_content_where_none_waits, begin, end),
      cmocka_unit_test_setup_teardown(test_the_nudge_waits_for_a_way, begin, end),
      cmocka_unit_test_setup_teardown(test_the_nudge_is_sent_again_as_it_may_be_lost_but_not_for_ever, begin, end),
      cmocka_unit_test_setup_teardown(test_the_room_for_packets_that_wait_is_bounded_and_the_oldest_go, begin, end),
      cmocka_unit_test_setup_teardown(test_packets_do_not_wait_for_ever, begin, end),
      cmocka_unit_test_setup_teardown(test_packets_to_one_peer_wait_for_its_keys_alone, begin, end),
      cmocka_unit_test_setup_teardown(test_packets_that_come_before_their_keys_are_kept, begin, end),
      cmocka_unit_test_setup_teardown(test_the_room_for_what_comes_early_is_bounded, begin, end),
      cmocka_unit_test_setup_teardown(test_what_comes_early_and_stays_unknown_is_given_up, begin, end),
      cmocka_unit_test_setup_teardown(test_a_change_of_keys_loses_nothing, begin, end),
      cmocka_unit_test_setup_teardown(test_an_sa_that_is_used_up_sends_no_more_and_new_keys_are_asked_for_before, begin,
                                      end),
      cmocka_unit_test_setup_teardown(test_numbers_are_on_the_disk_before_they_are_used, begin, end),
      cmocka_unit_test_setup_teardown(
          test_a_disk_that_fails_is_asked_once_a_second_and_sending_ends_where_the_numbers_do, begin, end),
      cmocka_unit_test_setup_teardown(test_after_a_good_end_packets_go_on_and_none_comes_twice, begin, end),
      cmocka_unit_test_setup_teardown(test_after_a_crash_nothing_is_taken_under_old_keys_and_new_ones_are_asked_for,
                                      begin, end),
      cmocka_unit_test_setup_teardown(test_numbers_go_on_behind_what_was_reserved_however_it_ended, begin, end),
      cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, begin, end),
      cmocka_unit_test_setup_teardown(test_keys_that_find_no_memory_leave_those_of_before, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
