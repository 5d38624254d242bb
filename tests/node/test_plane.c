/* Packets through nodes: unicast, multicast, large ones, ways. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

enum { ALL_OFFLOADS = TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4 | TW_TUN_OFFLOAD_TCP6 | TW_TUN_OFFLOAD_UDP };

static int begin(void **state) {
  (void)state;
  kit_begin(0);
  kit_make_pair(0, 1);
  return 0;
}

static int begin_with_offloads(void **state) {
  (void)state;
  kit_begin(ALL_OFFLOADS);
  kit_make_pair(0, 1);
  return 0;
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

/* ---- one by one ---- */

static void test_packets_come_out_as_they_went_in_by_the_relay(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 2, 3, 4, 100, 1000, KIT_MTU - 60};
  kit_use_pair(0, 1);
  kit_by_relay();
  uint64_t packets = 0;
  uint64_t bytes = 0;
  for (unsigned i = 0; i < 4 * sizeof sizes / sizeof sizes[0]; i++) {
    const packet_spec spec = kit_packet_of(0, 1, i % 2 == 0 ? 4 : 6, (i / 2) % 2 == 0 ? PACKET_TCP : PACKET_UDP,
                                           sizes[i / 4]);
    kit_put(0, &spec);
    kit_run();
    kit_got_this(1, &spec);
    packets++;
    bytes += packet_len(&spec);
  }
  assert_int_equal(world.relayed, packets);
  const tw_plane_peer *sender = tw_plane_peer_of(world.nodes[0].plane, 1);
  const tw_plane_peer *receiver = tw_plane_peer_of(world.nodes[1].plane, 0);
  assert_int_equal(sender->sent.packets, packets);
  assert_int_equal(sender->sent.bytes, bytes);
  assert_int_equal(receiver->received.packets, packets);
  assert_int_equal(receiver->received.bytes, bytes);
  assert_int_equal(receiver->heard_ms, world.now);
  kit_got_none(0);
  kit_got_none(1);
  kit_got_none(2);
  kit_no_drops(0);
  kit_no_drops(1);
}

static void test_order_is_kept(void **state) {
  (void)state;
  enum { PACKETS = 700 };
  kit_use_pair(0, 1);
  kit_by_relay();
  for (unsigned i = 0; i < PACKETS; i++) {
    packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 20 + i % 7 * 150);
    spec.id = (uint16_t)i;
    kit_put(0, &spec);
  }
  kit_run();
  for (unsigned i = 0; i < PACKETS; i++) {
    packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 20 + i % 7 * 150);
    spec.id = (uint16_t)i;
    kit_got_this(1, &spec);
  }
  kit_got_none(1);
}

static void test_what_has_no_peer_or_is_no_packet_goes_nowhere(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  packet_spec spec = kit_packet_of(0, 9, 4, PACKET_UDP, 10);
  kit_put(0, &spec);
  spec = kit_packet_of(0, 0, 4, PACKET_UDP, 10); /* ourselves */
  kit_put(0, &spec);
  kit_run();
  assert_int_equal(kit_drops(0)->no_route, 2);
  const tw_offload header = {0};
  const uint8_t other[20] = {0x50};
  kit_put_raw(0, &header, other, sizeof other);
  spec = kit_packet_of(0, 1, 4, PACKET_UDP, 10);
  const size_t len = packet_write(&spec, world.scratch);
  kit_put_raw(0, &header, world.scratch, len - 1); /* cut */
  const tw_offload wrong = {.flags = TW_OFFLOAD_NEEDS_CSUM, .csum_start = 9000};
  kit_put_raw(0, &wrong, world.scratch, len);
  kit_run();
  assert_int_equal(kit_drops(0)->malformed, 3);
  assert_int_equal(world.relayed, 0);
}

/* ---- to all ---- */

static void test_multicast_and_broadcast_go_once_under_the_groups_keys(void **state) {
  (void)state;
  kit_make_network();
  kit_use_network();
  kit_by_relay();
  packet_spec spec = kit_packet_of(0, 254, 4, PACKET_UDP, 500); /* 10.66.0.255 */
  kit_put(0, &spec);
  kit_run();
  assert_int_equal(world.relayed, 2);
  kit_got_this(1, &spec);
  kit_got_this(2, &spec);
  kit_got_none(0);
  assert_int_equal(tw_plane_peer_of(world.nodes[2].plane, 0)->received.packets, 1);
  kit_no_drops(1);
  /* Nobody says anything about the sender's address by it. */
  assert_false(kit_path(1, 0)->candidates[TW_PATH_FROM_PEER].given);
}

static void test_the_groups_keys_are_of_no_use_for_what_is_for_one(void **state) {
  (void)state;
  kit_make_network();
  kit_use_network();
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  const size_t len = packet_write(&spec, world.scratch);
  kit_inject_sealed(0, 1, TW_SAS_NETWORK, TW_ESP_NEXT_IPV4, world.scratch, len);
  assert_int_equal(kit_drops(1)->not_theirs, 1);
  kit_got_none(1);
}

static void test_a_member_sends_to_all_in_its_own_name_alone(void **state) {
  (void)state;
  kit_make_network();
  kit_use_network();
  kit_by_relay();
  packet_spec spec = kit_packet_of(2, 254, 4, PACKET_UDP, 100);
  kit_put(0, &spec); /* 0 has 2's address */
  kit_run();
  assert_int_equal(kit_drops(1)->not_theirs, 1);
  assert_int_equal(kit_drops(2)->not_theirs, 1);
  kit_got_none(1);
}

static void test_a_member_that_is_cut_off_is_not_heard_any_more(void **state) {
  (void)state;
  kit_make_network();
  kit_use_network();
  kit_by_relay();
  packet_spec spec = kit_packet_of(0, 254, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  memset(&world.nodes[0].id, 0xff, sizeof world.nodes[0].id);
  tw_plane_roster_changed(world.nodes[1].plane);
  kit_put(0, &spec);
  kit_run();
  kit_got_none(1);
  assert_int_equal(kit_drops(1)->not_theirs, 1);
}

/* From node 0 to all, with that source. */
static void put_to_all(unsigned version, const uint8_t source[16]) {
  static const tw_offload header;
  const packet_spec spec = kit_packet_of(0, 254, version, PACKET_UDP, 100);
  const size_t len = packet_write(&spec, world.scratch);
  memcpy(world.scratch + (version == 4 ? 12 : 8), source, version == 4 ? 4 : 16);
  packet_make_checksums(&spec, world.scratch);
  kit_put_raw(0, &header, world.scratch, len);
  kit_run();
}

static void test_what_the_system_says_to_a_link_is_not_sent(void **state) {
  (void)state;
  static const uint8_t unspecified[16] = {0};
  static const uint8_t link_local[16] = {0xfe, 0x80, [15] = 1};
  static const uint8_t last[16] = {0xfe, 0xbf, 0xff, [15] = 1};
  static const uint8_t near[16] = {0xfe, 0xc0, [15] = 1};
  kit_make_network();
  kit_use_network();
  kit_by_relay();
  put_to_all(4, unspecified);
  put_to_all(6, unspecified);
  put_to_all(6, link_local);
  put_to_all(6, last);
  assert_int_equal(world.relayed, 0);
  for (uint32_t i = 0; i < NODES; i++) kit_no_drops(i);
  /* Any other source is the receiver's to judge. */
  put_to_all(6, near);
  assert_int_equal(world.relayed, 2);
  assert_int_equal(kit_drops(1)->not_theirs, 1);
}

static void test_a_link_local_address_of_ours_is_as_good_as_any(void **state) {
  (void)state;
  static const uint8_t ours[16] = {0xfe, 0x80, [15] = 1};
  const tw_route_entry entries[] = {
      {.prefix = {.family = 6, .length = 128, .address = {0xfe, 0x80, [15] = 1}}, .route = {TW_ROUTE_SELF, 0}},
      {.prefix = {.family = 6, .length = 128, .address = {0xfd, 0x42, 0x33, 0x01, [15] = 255}},
       .route = {TW_ROUTE_GROUP, 0}}};
  kit_make_network();
  kit_use_network();
  kit_by_relay();
  assert_int_equal(tw_routes_make(&world.test.alloc, entries, 2, &world.nodes[0].routes), TW_OK);
  put_to_all(6, ours);
  assert_int_equal(world.relayed, 2);
}

static void test_without_the_relay_there_is_no_multicast(void **state) {
  (void)state;
  kit_make_network();
  kit_use_network();
  packet_spec spec = kit_packet_of(0, 254, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_tick(2999);
  assert_int_equal(kit_drops(0)->no_path, 0);
  kit_tick(1);
  assert_int_equal(kit_drops(0)->no_path, 1);
}

/* ---- large ones ---- */

/* The segments one by one, as they come without offloads. */
static void got_segments(uint32_t node, const packet_spec *super, size_t size) {
  const size_t count = (super->payload + size - 1) / size;
  for (size_t i = 0; i < count; i++) {
    const packet_spec segment = packet_segment(super, size, i);
    kit_got_this(node, &segment);
  }
  kit_got_none(node);
}

static void test_large_packets_are_split(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  for (unsigned i = 0; i < 4; i++) {
    const unsigned protocol = i % 2 == 0 ? PACKET_TCP : PACKET_UDP;
    const packet_spec spec = kit_packet_of(0, 1, i / 2 == 0 ? 4 : 6, protocol, 60000);
    kit_put_large(0, &spec, 1300);
    kit_run();
    got_segments(1, &spec, 1300);
  }
  kit_no_drops(0);
  kit_no_drops(1);
}

/* What comes out together has this flow's payload in all, in order, under headers that say so. */
static void got_joined(uint32_t node, const packet_spec *super, uint16_t segment) {
  static kit_packet packet;
  size_t payload = 0;
  unsigned count = 0;
  while (payload < super->payload) {
    assert_true(kit_got(node, &packet));
    const size_t headers = packet_headers(super);
    assert_true(packet.len > headers);
    if (packet.len - headers > segment) {
      assert_int_equal(packet.header.gso_size, segment);
      assert_int_equal(packet.header.flags, TW_OFFLOAD_NEEDS_CSUM);
    }
    packet_spec whole = *super;
    whole.at += payload;
    whole.payload = packet.len - headers;
    const size_t len = packet_write(&whole, world.scratch);
    assert_memory_equal(packet.bytes + headers, world.scratch + headers, len - headers);
    payload += whole.payload;
    count++;
  }
  assert_int_equal(payload, super->payload);
  assert_true(count * (size_t)segment < super->payload / 3); /* most of it was joined */
  kit_got_none(node);
}

static void test_split_packets_are_joined_on_the_other_side(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  for (unsigned i = 0; i < 4; i++) {
    const packet_spec spec = kit_packet_of(0, 1, i / 2 == 0 ? 4 : 6, i % 2 == 0 ? PACKET_TCP : PACKET_UDP, 60000);
    kit_put_large(0, &spec, 1300);
    kit_run();
    got_joined(1, &spec, 1300);
    kit_no_drops(1);
  }
}

static void test_many_small_segments_are_joined_too(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  kit_know(0, 1);
  kit_tick(300);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_TCP, 48000);
  kit_put_large(0, &spec, 400); /* 120 of them */
  kit_run();
  got_joined(1, &spec, 400);
  kit_no_drops(0);
  kit_no_drops(1);
}

/* ---- ways ---- */

static void test_packets_go_straight_as_soon_as_probes_are_answered(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  kit_know(0, 1);
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  assert_true(kit_path(0, 1)->is_direct);
  assert_int_equal(world.nodes[0].events.moved[1], 1);
  assert_int_equal(world.nodes[1].events.told[0], 1);
  assert_int_equal(world.nodes[1].events.tail_len, 40);
  assert_int_equal(world.nodes[1].events.tail[0], 0xe0);
  const uint32_t relayed = world.relayed;
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  assert_int_equal(world.relayed, relayed);
  spec = kit_packet_of(1, 0, 4, PACKET_UDP, 100);
  kit_put(1, &spec);
  kit_run();
  kit_got_this(0, &spec);
  assert_true(kit_path(1, 0)->is_direct);
  assert_int_equal(world.relayed, relayed);
  kit_no_drops(0);
  kit_no_drops(1);
}

static void test_idle_nodes_stop_probing(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  kit_know(0, 1);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  for (int i = 0; i < 150; i++) kit_tick(1000);
  const uint64_t sent = world.nodes[0].udp.counts.sent + world.nodes[1].udp.counts.sent;
  for (int i = 0; i < 150; i++) kit_tick(1000);
  assert_int_equal(world.nodes[0].udp.counts.sent + world.nodes[1].udp.counts.sent, sent);
}

/* Times at which something is to be done, from the first packet on until nothing is any more. */
static void test_planes_have_nothing_to_wait_for_once_packets_have_ended(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  kit_know(0, 1);
  assert_int_equal(tw_plane_deadline(world.nodes[2].plane, world.now), UINT64_MAX);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  assert_true(tw_plane_deadline(world.nodes[0].plane, world.now) <= world.now + TW_PATH_REFRESH_MS);
  unsigned ticks = 0;
  uint64_t at = 0;
  while ((at = tw_plane_deadline(world.nodes[0].plane, world.now)) != UINT64_MAX ||
         (at = tw_plane_deadline(world.nodes[1].plane, world.now)) != UINT64_MAX) {
    kit_tick(at > world.now + 250 ? at - world.now : 250);
    assert_true(++ticks < 500);
  }
  assert_true(ticks > TW_PATH_QUIET_MS / TW_PATH_REFRESH_MS / 2);
  const uint64_t sent = world.nodes[0].udp.counts.sent + world.nodes[1].udp.counts.sent;
  kit_tick(1000000);
  assert_int_equal(world.nodes[0].udp.counts.sent + world.nodes[1].udp.counts.sent, sent);
  assert_false(kit_path(0, 1)->is_direct || kit_path(1, 0)->is_direct);
}

static void test_packets_after_a_pause_are_told_once(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  for (unsigned round = 1; round <= 3; round++) {
    for (unsigned i = 0; i < 5; i++) {
      kit_put(0, &spec);
      kit_run();
      kit_got_this(1, &spec);
      kit_tick(TW_PLANE_PAUSE_MS);
    }
    assert_int_equal(world.nodes[0].events.stirred[1], round);
    assert_int_equal(world.nodes[1].events.stirred[0], round);
    kit_tick(1);
  }
}

static void test_a_way_that_the_system_refuses_is_left_for_the_relay(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  kit_know(0, 1);
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  assert_true(kit_path(0, 1)->is_direct);
  world.sends_fail = ENETUNREACH;
  world.fails_to = world.nodes[1].address;
  kit_put(0, &spec);
  kit_run();
  assert_int_equal(kit_drops(0)->unsent, 1);
  assert_false(kit_path(0, 1)->is_direct);
  assert_int_equal(world.nodes[0].events.moved[1], 2);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
}

static void test_without_a_relay_packets_go_to_where_the_peer_is_by_its_file(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_know(0, 1);
  const packet_spec spec = kit_packet_of(0, 1, 6, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  assert_int_equal(world.relayed, 0);
}

static void test_with_the_relay_gone_packets_wait_for_it(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  tw_plane_clear_relay(world.nodes[0].plane);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  kit_put(0, &spec);
  kit_run();
  kit_got_none(1);
  assert_int_equal(world.nodes[0].events.want[1], 0); /* keys are there */
  kit_by_relay();
  kit_tick(250);
  kit_got_this(1, &spec);
  /* What comes from where it was is still not taken for the peer's own address. */
  tw_plane_clear_relay(world.nodes[1].plane);
  kit_put(0, &spec);
  kit_run();
  kit_got_this(1, &spec);
  assert_false(kit_path(1, 0)->candidates[TW_PATH_FROM_PEER].given);
  kit_no_drops(0);
}

static void test_greetings_say_who_we_are(void **state) {
  (void)state;
  uint8_t got[64];
  const uint8_t token[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  tw_plane_greet_relay(world.nodes[0].plane, TW_ARRAY(token)); /* there is none */
  kit_by_relay();
  tw_plane_greet_relay(world.nodes[0].plane, TW_ARRAY(token));
  assert_int_equal(recv(world.relay.fd, got, sizeof got, 0), 28);
  const uint8_t head[12] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x00, 0, 0, 0, 0};
  assert_memory_equal(got, head, 12);
  assert_memory_equal(got + 12, token, 16);
  tw_plane_greet_relay(world.nodes[0].plane, TW_NO_BYTES);
  assert_int_equal(recv(world.relay.fd, got, sizeof got, 0), 12);
  assert_int_equal(recv(world.relay.fd, got, sizeof got, MSG_DONTWAIT), -1);
}

/* ---- ECN ---- */

static void test_ecn_goes_out_with_the_packet_and_dscp_does_not(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  kit_by_relay();
  for (uint8_t ecn = 0; ecn < 4; ecn++) {
    packet_spec spec = kit_packet_of(0, 1, ecn % 2 == 0 ? 4 : 6, PACKET_UDP, 100);
    spec.traffic_class = (uint8_t)(0xb8 | ecn);
    kit_put(0, &spec);
    assert_int_equal(tw_plane_from_tun(world.nodes[0].plane, world.now), TW_OK);
    struct pollfd fd = {.fd = world.relay.fd, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 1000), 1);
    assert_int_equal(tw_udp_receive(&world.relay, &world.relay_intake), TW_OK);
    assert_int_equal(world.relay_intake.count, 1);
    assert_int_equal(world.relay_intake.slots[0].tos, ecn);
  }
}

static void test_congestion_on_the_way_reaches_the_packet(void **state) {
  (void)state;
  kit_use_pair(0, 1);
  for (uint8_t outer = 0; outer < 4; outer++) {
    for (uint8_t inner = 0; inner < 4; inner++) {
      packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
      spec.traffic_class = (uint8_t)(0x20 | inner);
      const size_t len = packet_write(&spec, world.scratch);
      const int tos = outer;
      assert_int_equal(setsockopt(world.nodes[0].udp.fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
      const uint64_t malformed = kit_drops(1)->malformed;
      kit_inject_sealed(0, 1, 1, TW_ESP_NEXT_IPV4, world.scratch, len);
      if (outer == 3 && inner == 0) { /* RFC 6040 section 4.2 */
        assert_int_equal(kit_drops(1)->malformed, malformed + 1);
        kit_got_none(1);
        continue;
      }
      if (outer == 3 || (outer == 1 && inner == 2)) spec.traffic_class = (uint8_t)(0x20 | outer);
      kit_got_this(1, &spec);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_packets_come_out_as_they_went_in_by_the_relay, begin, end),
      cmocka_unit_test_setup_teardown(test_order_is_kept, begin, end),
      cmocka_unit_test_setup_teardown(test_what_has_no_peer_or_is_no_packet_goes_nowhere, begin, end),
      cmocka_unit_test_setup_teardown(test_multicast_and_broadcast_go_once_under_the_groups_keys, begin, end),
      cmocka_unit_test_setup_teardown(test_the_groups_keys_are_of_no_use_for_what_is_for_one, begin, end),
      cmocka_unit_test_setup_teardown(test_a_member_sends_to_all_in_its_own_name_alone, begin, end),
      cmocka_unit_test_setup_teardown(test_a_member_that_is_cut_off_is_not_heard_any_more, begin, end),
      cmocka_unit_test_setup_teardown(test_what_the_system_says_to_a_link_is_not_sent, begin, end),
      cmocka_unit_test_setup_teardown(test_a_link_local_address_of_ours_is_as_good_as_any, begin, end),
      cmocka_unit_test_setup_teardown(test_without_the_relay_there_is_no_multicast, begin, end),
      cmocka_unit_test_setup_teardown(test_large_packets_are_split, begin, end),
      cmocka_unit_test_setup_teardown(test_split_packets_are_joined_on_the_other_side, begin_with_offloads, end),
      cmocka_unit_test_setup_teardown(test_many_small_segments_are_joined_too, begin_with_offloads, end),
      cmocka_unit_test_setup_teardown(test_packets_go_straight_as_soon_as_probes_are_answered, begin, end),
      cmocka_unit_test_setup_teardown(test_planes_have_nothing_to_wait_for_once_packets_have_ended, begin, end),
      cmocka_unit_test_setup_teardown(test_packets_after_a_pause_are_told_once, begin, end),
      cmocka_unit_test_setup_teardown(test_idle_nodes_stop_probing, begin, end),
      cmocka_unit_test_setup_teardown(test_a_way_that_the_system_refuses_is_left_for_the_relay, begin, end),
      cmocka_unit_test_setup_teardown(test_without_a_relay_packets_go_to_where_the_peer_is_by_its_file, begin, end),
      cmocka_unit_test_setup_teardown(test_with_the_relay_gone_packets_wait_for_it, begin, end),
      cmocka_unit_test_setup_teardown(test_greetings_say_who_we_are, begin, end),
      cmocka_unit_test_setup_teardown(test_ecn_goes_out_with_the_packet_and_dscp_does_not, begin, end),
      cmocka_unit_test_setup_teardown(test_congestion_on_the_way_reaches_the_packet, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
