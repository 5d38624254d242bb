/* What comes to a node by UDP, and is not what it should be. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

static uint8_t packet[PACKET_ROOM + 64];
static uint8_t copy[PACKET_ROOM + 64];
static uint8_t inner[PACKET_ROOM];

static int begin(void **state) {
  (void)state;
  kit_begin(0);
  kit_make_pair(0, 1);
  kit_use_pair(0, 1);
  return 0;
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

static size_t good_inner(uint32_t from, unsigned version, size_t payload) {
  const packet_spec spec = kit_packet_of(from, 1, version, PACKET_UDP, payload);
  return packet_write(&spec, inner);
}

static uint64_t drops_of_1(void) {
  const tw_plane_drops *d = kit_drops(1);
  return d->malformed + d->forged + d->replayed + d->unknown + d->not_theirs + d->device;
}

/* ---- outside ---- */

static void test_a_packet_that_comes_again_is_dropped(void **state) {
  (void)state;
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100), packet);
  for (int i = 0; i < 5; i++) {
    memcpy(copy, packet, len);
    kit_inject(i < 3 ? 0 : 2, 1, copy, len); /* also from elsewhere */
  }
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_got_this(1, &spec);
  kit_got_none(1);
  assert_int_equal(kit_drops(1)->replayed, 4);
  assert_true(tw_udp_address_equal(&kit_path(1, 0)->candidates[TW_PATH_FROM_PEER].address, &world.nodes[0].address));
}

static void test_packets_out_of_order_come_through_within_the_window_and_not_behind_it(void **state) {
  (void)state;
  static uint8_t kept[3][256];
  size_t len = 0;
  for (int i = 0; i < 3; i++) len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100), kept[i]);
  kit_inject(0, 1, kept[2], len);
  kit_inject(0, 1, kept[0], len);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_got_this(1, &spec);
  kit_got_this(1, &spec);
  tw_sas_out(world.nodes[0].sas, 1)->next += TW_ESP_WINDOW;
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100));
  kit_got_this(1, &spec);
  kit_inject(0, 1, kept[1], len);
  kit_got_none(1);
  assert_int_equal(kit_drops(1)->replayed, 1);
}

static void test_a_packet_with_any_byte_changed_does_not_open(void **state) {
  (void)state;
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 40), packet);
  for (size_t i = 0; i < len; i++) {
    memcpy(copy, packet, len);
    copy[i] ^= (uint8_t)(1u << i % 8);
    kit_inject(0, 1, copy, len);
    kit_got_none(1);
  }
  assert_false(kit_path(1, 0)->candidates[TW_PATH_FROM_PEER].given); /* nobody was heard */
  assert_int_equal(tw_plane_peer_of(world.nodes[1].plane, 0)->heard_ms, 0);
  kit_inject(0, 1, packet, len);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 40);
  kit_got_this(1, &spec);
}

static void test_a_packet_that_was_cut_anywhere_does_not_open(void **state) {
  (void)state;
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 40), packet);
  for (size_t i = 0; i < len; i++) {
    memcpy(copy, packet, len);
    kit_inject(0, 1, copy, i);
    kit_got_none(1);
  }
  kit_inject(0, 1, packet, len);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 40);
  kit_got_this(1, &spec);
}

static void test_noise_goes_nowhere(void **state) {
  (void)state;
  uint64_t dice = 3;
  for (int i = 0; i < 2000; i++) {
    const size_t len = packet_dice(&dice) % 200;
    for (size_t k = 0; k < len; k++) copy[k] = (uint8_t)packet_dice(&dice);
    kit_send_raw(&world.nodes[2].udp, &world.nodes[1].address, copy, len);
    if (i % 50 == 0) kit_run();
  }
  kit_run();
  kit_got_none(1);
}

static void test_ones_own_packets_sent_back_are_unknown(void **state) {
  (void)state;
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 40), packet);
  kit_inject(1, 0, packet, len);
  kit_tick(3000);
  assert_int_equal(kit_drops(0)->unknown, 1);
}

/* ---- inside ---- */

static void test_a_source_that_is_not_the_peers_is_refused(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    static const uint32_t sources[] = {1, 2, 8, 254};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
      const size_t len = good_inner(sources[i], version, 40);
      kit_inject_sealed(0, 1, 1, version == 4 ? TW_ESP_NEXT_IPV4 : TW_ESP_NEXT_IPV6, inner, len);
    }
  }
  assert_int_equal(kit_drops(1)->not_theirs, 8);
  kit_got_none(1);
  assert_int_equal(tw_plane_peer_of(world.nodes[1].plane, 0)->received.packets, 0);
}

static void test_a_next_header_that_is_not_the_packets_is_refused(void **state) {
  (void)state;
  size_t len = good_inner(0, 4, 40);
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV6, inner, len);
  len = good_inner(0, 6, 40);
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, len);
  assert_int_equal(kit_drops(1)->malformed, 2);
  for (unsigned next = 0; next < 256; next++) {
    if (next == TW_ESP_NEXT_IPV4 || next == TW_ESP_NEXT_IPV6) continue;
    kit_inject_sealed(0, 1, 1, (uint8_t)next, inner, len);
  }
  kit_got_none(1);
}

static void test_inner_packets_that_are_none_are_refused(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    const size_t len = good_inner(0, version, 40);
    const uint8_t next = version == 4 ? TW_ESP_NEXT_IPV4 : TW_ESP_NEXT_IPV6;
    const uint64_t before = kit_drops(1)->malformed;
    for (size_t i = 0; i < len; i++) kit_inject_sealed(0, 1, 1, next, inner, i);
    assert_int_equal(kit_drops(1)->malformed, before + len);
  }
  kit_got_none(1);
  uint64_t dice = 5;
  for (int i = 0; i < 2000; i++) {
    const size_t len = good_inner(0, i % 2 == 0 ? 4 : 6, packet_dice(&dice) % 60);
    for (int k = 0; k < 3; k++) inner[packet_dice(&dice) % len] = (uint8_t)packet_dice(&dice);
    kit_seal(0, 1, i % 2 == 0 ? TW_ESP_NEXT_IPV4 : TW_ESP_NEXT_IPV6, inner, len, packet);
    kit_send_raw(&world.nodes[0].udp, &world.nodes[1].address, packet, tw_esp_size(len, 0));
    if (i % 20 == 0) kit_run();
  }
  kit_run();
}

static void test_what_fills_a_packet_up_does_not_come_out(void **state) {
  (void)state;
  const size_t len = good_inner(0, 4, 40);
  memset(inner + len, 0xaa, 300);
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, len + 300);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 40);
  kit_got_this(1, &spec);
}

static void test_packets_larger_than_our_device_are_the_kernels_to_judge(void **state) {
  (void)state;
  const size_t len = good_inner(0, 4, 9000);
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, len);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 9000);
  kit_got_this(1, &spec);
}

static void test_dummies_say_that_somebody_is_there_and_nothing_else(void **state) {
  (void)state;
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_DUMMY, inner, 33);
  kit_got_none(1);
  assert_int_equal(tw_plane_peer_of(world.nodes[1].plane, 0)->heard_ms, world.now);
  assert_int_equal(world.nodes[1].events.opened, 1);
  assert_int_equal(kit_path(1, 0)->used_ms, 0); /* nobody has packets: no need to look for ways */
  kit_no_drops(1);
}

/* ---- probes ---- */

static void test_probes_of_any_length_are_answered_or_passed_over(void **state) {
  (void)state;
  for (size_t len = 0; len < TW_PROBE_SIZE + TW_PROBE_TAIL + 4; len++) {
    memset(inner, 0x11, len);
    if (len > 0) inner[0] = TW_PROBE;
    const uint64_t sent = world.nodes[1].udp.counts.sent;
    kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_PROBE, inner, len);
    const bool good = len >= TW_PROBE_SIZE && len <= TW_PROBE_SIZE + TW_PROBE_TAIL;
    assert_int_equal(world.nodes[1].udp.counts.sent - sent, good ? 1 : 0);
  }
  assert_int_equal(world.nodes[1].events.told[0], TW_PROBE_TAIL);
  kit_got_none(1);
}

static void test_answers_that_nobody_asked_for_change_nothing(void **state) {
  (void)state;
  kit_know(0, 1);
  memset(inner, 0, TW_PROBE_SIZE);
  for (unsigned type = 0; type < 256; type++) {
    if (type == TW_PROBE) continue;
    inner[0] = (uint8_t)type;
    kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_PROBE, inner, TW_PROBE_SIZE);
  }
  assert_false(kit_path(1, 0)->is_direct);
  assert_int_equal(world.nodes[1].events.moved[0], 0);
}

static void test_probes_under_the_groups_keys_are_passed_over(void **state) {
  (void)state;
  kit_make_network();
  kit_use_network();
  memset(inner, 0, TW_PROBE_SIZE + 8);
  inner[0] = TW_PROBE;
  const uint64_t sent = world.nodes[1].udp.counts.sent;
  kit_inject_sealed(0, 1, TW_SAS_NETWORK, TW_ESP_NEXT_PROBE, inner, TW_PROBE_SIZE + 8);
  assert_int_equal(world.nodes[1].udp.counts.sent, sent);
  assert_int_equal(world.nodes[1].events.told[0], 0);
}

static void test_what_comes_by_the_relay_makes_no_way(void **state) {
  (void)state;
  kit_by_relay();
  memset(inner, 0, TW_PROBE_SIZE);
  inner[0] = TW_PROBE;
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_PROBE, inner, TW_PROBE_SIZE, packet);
  const uint64_t sent = world.nodes[1].udp.counts.sent;
  kit_relay_to(1, packet, len);
  kit_run();
  assert_int_equal(world.nodes[1].udp.counts.sent - sent, 1); /* answered by the relay */
  assert_false(kit_path(1, 0)->candidates[TW_PATH_FROM_PEER].given);
  assert_false(kit_path(0, 1)->is_direct);
}

static void test_an_answer_that_takes_a_way_round_makes_none(void **state) {
  (void)state;
  kit_by_relay();
  kit_know(0, 1);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 10);
  kit_put(0, &spec);
  /* Who is in between takes the probe away, and sends the answer from its own address. */
  assert_int_equal(tw_plane_from_tun(world.nodes[0].plane, world.now), TW_OK);
  uint8_t answer[TW_PROBE_SIZE] = {TW_PROBE_ANSWER};
  memcpy(answer + 8, kit_path(0, 1)->candidates[TW_PATH_FROM_FILE].nonce, 8);
  kit_send_raw(&world.nodes[2].udp, &world.nodes[0].address, packet,
               kit_seal(1, 0, TW_ESP_NEXT_PROBE, answer, sizeof answer, packet));
  assert_int_equal(tw_plane_from_udp(world.nodes[0].plane, world.now), TW_OK);
  assert_false(kit_path(0, 1)->is_direct);
}

/* ---- SAs that change while packets come ---- */

static void forget_all(kit_node *n) {
  const tw_node_keys *keys = tw_sas_keys(n->sas);
  keys->forget(keys->ctx, 0);
}

static void test_keys_may_go_with_the_first_packet_under_them(void **state) {
  (void)state;
  world.nodes[1].on_opened = forget_all;
  for (int i = 0; i < 5; i++) {
    const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100), packet);
    kit_send_raw(&world.nodes[0].udp, &world.nodes[1].address, packet, len);
  }
  kit_run();
  assert_int_equal(world.nodes[1].events.opened, 1);
  assert_null(tw_sas_out(world.nodes[1].sas, 0));
  assert_int_equal(tw_sas_count(world.nodes[1].sas, 0), 0);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  for (int i = 0; i < 5; i++) kit_got_this(1, &spec); /* they had come before */
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100));
  kit_tick(3000);
  assert_int_equal(kit_drops(1)->unknown, 2); /* and the answer to a probe */
  kit_got_none(1);
}

static void send_something(kit_node *n) {
  tw_plane_ready(n->plane, 0, true, world.now);
  tw_plane_retry(n->plane, world.now);
  tw_plane_tick(n->plane, world.now);
}

static void test_the_plane_may_be_called_by_who_is_told(void **state) {
  (void)state;
  world.nodes[1].on_opened = send_something;
  world.nodes[1].on_rekey = send_something;
  kit_know(0, 1);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  assert_int_equal(world.nodes[1].events.opened, 1);
  assert_int_equal(world.nodes[0].events.opened, 1);
}

static void test_each_epoch_is_told_once(void **state) {
  (void)state;
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100));
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100));
  assert_int_equal(world.nodes[1].events.opened, 1);
  const uint64_t first = world.nodes[1].events.opened_stamp;
  kit_next_epoch(0, 1);
  kit_use_pair(0, 1);
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100));
  assert_int_equal(world.nodes[1].events.opened, 2);
  assert_int_equal(world.nodes[1].events.opened_owner, 0);
  assert_true(world.nodes[1].events.opened_stamp > first);
}

static void test_more_to_tell_than_there_is_room_for_is_told_later(void **state) {
  (void)state;
  /* So many probes in one go that OPENED of a new epoch finds no room. */
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_DUMMY, inner, 0);
  memset(inner, 0, TW_PROBE_SIZE + 8);
  inner[0] = TW_PROBE_ANSWER;
  for (int i = 0; i < 200; i++) {
    const size_t len = kit_seal(0, 1, TW_ESP_NEXT_PROBE, inner, TW_PROBE_SIZE + 8, packet);
    kit_send_raw(&world.nodes[0].udp, &world.nodes[1].address, packet, len);
  }
  kit_next_epoch(0, 1);
  kit_use_pair(0, 1);
  const size_t len = kit_seal(0, 1, TW_ESP_NEXT_DUMMY, inner, 0, packet);
  kit_send_raw(&world.nodes[0].udp, &world.nodes[1].address, packet, len);
  assert_int_equal(tw_plane_from_udp(world.nodes[1].plane, world.now), TW_OK);
  kit_run();
  assert_in_range(world.nodes[1].events.told[0], 1, 200);
  const uint32_t opened = world.nodes[1].events.opened;
  kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_DUMMY, inner, 0);
  assert_int_equal(world.nodes[1].events.opened, 2);
  assert_in_range(opened, 1, 2);
}

static void test_two_sas_with_the_same_spi_are_both_good(void **state) {
  (void)state;
  kit_make_pair(1, 2);
  kit_use_pair(1, 2);
  /* As if it had come out so of the exporter. */
  tw_esp_out *other = tw_sas_out(world.nodes[2].sas, 1);
  tw_sa_in *theirs = tw_sas_in(world.nodes[1].sas, other->spi);
  assert_non_null(theirs);
  assert_int_equal(theirs->owner, 2);
  const uint32_t spi = tw_sas_out(world.nodes[0].sas, 1)->spi;
  tw_sa_in *first = tw_sas_in(world.nodes[1].sas, spi);
  assert_null(tw_sas_in_next(first));
  tw_sa_in *const rest = first->next;
  tw_sa_in borrowed = *theirs;
  borrowed.esp.spi = spi;
  borrowed.next = rest;
  first->next = &borrowed;
  other->spi = spi;
  for (uint32_t i = 0; i < 20; i++) {
    const uint32_t from = i % 2 == 0 ? 0 : 2;
    const packet_spec spec = kit_packet_of(from, 1, 4, PACKET_UDP, 100 + i * 60);
    kit_inject_sealed(from, 1, 1, TW_ESP_NEXT_IPV4, inner, packet_write(&spec, inner));
    kit_got_this(1, &spec);
  }
  kit_no_drops(1);
  memset(packet, 0, 200);
  tw_put_u32(packet, spi);
  tw_put_u32(packet + 4, 100);
  kit_inject(0, 1, packet, 200);
  assert_int_equal(kit_drops(1)->forged, 1);
  first->next = rest;
}

static void test_too_many_forged_packets_ask_for_new_keys(void **state) {
  (void)state;
  tw_sa_in *sa = tw_sas_in(world.nodes[1].sas, tw_sas_out(world.nodes[0].sas, 1)->spi);
  sa->esp.limits.forged = 10;
  for (int i = 0; i < 20; i++) {
    const size_t len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, good_inner(0, 4, 100), packet);
    packet[len - 1] ^= 1;
    kit_inject(0, 1, packet, len);
    assert_int_equal(world.nodes[1].events.rekey[0] > 0, i >= 4);
  }
  assert_int_equal(kit_drops(1)->forged, 20);
  assert_int_equal(drops_of_1(), 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_packet_that_comes_again_is_dropped, begin, end),
      cmocka_unit_test_setup_teardown(test_packets_out_of_order_come_through_within_the_window_and_not_behind_it, begin,
                                      end),
      cmocka_unit_test_setup_teardown(test_a_packet_with_any_byte_changed_does_not_open, begin, end),
      cmocka_unit_test_setup_teardown(test_a_packet_that_was_cut_anywhere_does_not_open, begin, end),
      cmocka_unit_test_setup_teardown(test_noise_goes_nowhere, begin, end),
      cmocka_unit_test_setup_teardown(test_ones_own_packets_sent_back_are_unknown, begin, end),
      cmocka_unit_test_setup_teardown(test_a_source_that_is_not_the_peers_is_refused, begin, end),
      cmocka_unit_test_setup_teardown(test_a_next_header_that_is_not_the_packets_is_refused, begin, end),
      cmocka_unit_test_setup_teardown(test_inner_packets_that_are_none_are_refused, begin, end),
      cmocka_unit_test_setup_teardown(test_what_fills_a_packet_up_does_not_come_out, begin, end),
      cmocka_unit_test_setup_teardown(test_packets_larger_than_our_device_are_the_kernels_to_judge, begin, end),
      cmocka_unit_test_setup_teardown(test_dummies_say_that_somebody_is_there_and_nothing_else, begin, end),
      cmocka_unit_test_setup_teardown(test_probes_of_any_length_are_answered_or_passed_over, begin, end),
      cmocka_unit_test_setup_teardown(test_answers_that_nobody_asked_for_change_nothing, begin, end),
      cmocka_unit_test_setup_teardown(test_probes_under_the_groups_keys_are_passed_over, begin, end),
      cmocka_unit_test_setup_teardown(test_what_comes_by_the_relay_makes_no_way, begin, end),
      cmocka_unit_test_setup_teardown(test_an_answer_that_takes_a_way_round_makes_none, begin, end),
      cmocka_unit_test_setup_teardown(test_keys_may_go_with_the_first_packet_under_them, begin, end),
      cmocka_unit_test_setup_teardown(test_the_plane_may_be_called_by_who_is_told, begin, end),
      cmocka_unit_test_setup_teardown(test_each_epoch_is_told_once, begin, end),
      cmocka_unit_test_setup_teardown(test_more_to_tell_than_there_is_room_for_is_told_later, begin, end),
      cmocka_unit_test_setup_teardown(test_two_sas_with_the_same_spi_are_both_good, begin, end),
      cmocka_unit_test_setup_teardown(test_too_many_forged_packets_ask_for_new_keys, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
