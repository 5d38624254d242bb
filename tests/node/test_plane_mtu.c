/* Packets that do not fit into the way's packets. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

#include "net/netdev.h"
#include "packet/checksum.h"
#include "support/tw_test_netns.h"

/*
 * Loopback's MTU stands for the way's. Of 1,300 bytes IPv4 and UDP take 28, ESP 24 and the rest in fours with 2 of its
 * own, and the relay's header 12.
 */
enum { WAY_MTU = 1300, ROOM_STRAIGHT = 1246, ROOM_BY_RELAY = 1234, LOOPBACK_MTU = 65536 };

static void set_mtu(uint32_t mtu) {
  tw_netdev netdev = {0};
  tw_netdev_link link;
  tw_report report = {""};
  assert_int_equal(tw_netdev_open(&netdev, NULL, &report), TW_OK);
  assert_int_equal(tw_netdev_find(&netdev, "lo", &link, &report), TW_OK);
  assert_int_equal(tw_netdev_set_mtu(&netdev, link.index, mtu, &report), TW_OK);
  tw_netdev_close(&netdev);
}

static int begin(void **state) {
  (void)state;
  set_mtu(WAY_MTU);
  kit_signing = kit_keyed = 0;
  kit_begin(0);
  kit_make_pair(0, 1);
  kit_use_pair(0, 1);
  return 0;
}

static int begin_signed(void **state) {
  (void)state;
  set_mtu(WAY_MTU);
  kit_signing = kit_keyed = (1u << NODES) - 1;
  kit_begin(0);
  kit_make_network();
  kit_use_network();
  kit_by_relay();
  return 0;
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

/* A packet of `len` bytes in all. */
static packet_spec of_len(unsigned version, size_t len) {
  packet_spec spec = kit_packet_of(0, 1, version, PACKET_UDP, 0);
  spec.payload = len - packet_headers(&spec);
  return spec;
}

/* Our own machine is told that this packet is too large, by the rules that its kernel has. */
static void told_that(const packet_spec *spec, uint32_t mtu) {
  static kit_packet packet;
  tw_ip ip;
  assert_true(kit_got(0, &packet));
  assert_int_equal(tw_ip_parse(TW_BYTES(packet.bytes, packet.len), &ip), TW_OK);
  assert_int_equal(ip.version, spec->version);
  const uint8_t *icmp = packet.bytes + ip.transport;
  const size_t len = packet_write(spec, world.scratch);
  const size_t quoted = ip.len - ip.transport - 8;
  assert_true(quoted <= len && quoted >= 500);
  assert_memory_equal(icmp + 8, world.scratch, quoted);
  assert_memory_equal(ip.destination.ptr, world.scratch + (spec->version == 4 ? 12 : 8), ip.destination.len);
  if (spec->version == 4) {
    assert_int_equal(ip.protocol, TW_IP_ICMP);
    assert_int_equal(icmp[0], 3);
    assert_int_equal(icmp[1], 4);
    assert_int_equal(icmp[6] << 8 | icmp[7], mtu);
    assert_int_equal(tw_checksum(tw_sum(icmp, ip.len - ip.transport)), 0);
  } else {
    assert_int_equal(ip.protocol, TW_IP_ICMP6);
    assert_int_equal(icmp[0], 2);
    assert_int_equal(icmp[6] << 8 | icmp[7], mtu);
  }
}

static void put_one(const packet_spec *spec) {
  kit_put(0, spec);
  kit_run();
  world.now += 100;
}

static void arrives(const packet_spec *spec) {
  put_one(spec);
  kit_got_this(1, spec);
}

/* ---- */

static void test_who_sends_what_does_not_fit_is_told_what_would_and_it_arrives(void **state) {
  (void)state;
  kit_know(0, 1);
  const packet_spec spec = of_len(4, 1400);
  arrives(&spec);
  told_that(&spec, ROOM_STRAIGHT);
  kit_got_none(0);
  kit_no_drops(0);
  kit_no_drops(1);
}

static void test_what_fits_exactly_is_fine_and_one_byte_more_is_not(void **state) {
  (void)state;
  kit_know(0, 1);
  packet_spec spec = of_len(4, ROOM_STRAIGHT);
  arrives(&spec);
  kit_got_none(0);
  spec = of_len(4, ROOM_STRAIGHT + 1);
  arrives(&spec);
  told_that(&spec, ROOM_STRAIGHT);
}

static void test_the_relays_header_counts(void **state) {
  (void)state;
  kit_by_relay();
  packet_spec spec = of_len(4, ROOM_BY_RELAY);
  arrives(&spec);
  kit_got_none(0);
  spec = of_len(4, ROOM_BY_RELAY + 1);
  arrives(&spec);
  told_that(&spec, ROOM_BY_RELAY);
}

static void test_signatures_of_what_goes_to_all_count(void **state) {
  (void)state;
  packet_spec spec = of_len(4, ROOM_BY_RELAY - TW_PACKET_SIGNATURE);
  spec.to = 255;
  arrives(&spec);
  kit_got_none(0);
  spec.payload++;
  arrives(&spec);
  told_that(&spec, ROOM_BY_RELAY - TW_PACKET_SIGNATURE);
}

static void test_the_room_that_is_told_is_all_that_the_way_has(void **state) {
  (void)state;
  /* The same without arithmetic: the largest that fits makes one datagram that is not cut, the next one two. */
  kit_know(0, 1);
  assert_int_equal(tw_udp_set_df(&world.nodes[0].udp, TW_UDP_DF_ALWAYS), TW_OK);
  packet_spec spec = of_len(4, ROOM_STRAIGHT);
  arrives(&spec);
  assert_int_equal(kit_drops(0)->unsent, 0);
  spec = of_len(4, ROOM_STRAIGHT + 1);
  put_one(&spec);
  kit_got_none(1);
  told_that(&spec, ROOM_STRAIGHT);
  assert_int_equal(kit_drops(0)->unsent, 1);
}

static void test_ipv6_is_never_told_less_than_it_has_to_take(void **state) {
  (void)state;
  kit_know(0, 1);
  packet_spec spec = of_len(6, 1280);
  arrives(&spec); /* in fragments of the outer packet */
  kit_got_none(0);
  spec = of_len(6, 1281);
  arrives(&spec);
  told_that(&spec, 1280);
}

static void test_what_may_be_fragmented_goes_without_a_word(void **state) {
  (void)state;
  kit_know(0, 1);
  packet_spec spec = of_len(4, 1400);
  spec.may_fragment = true;
  arrives(&spec);
  kit_got_none(0);
}

static void test_errors_are_told_now_and_then_alone(void **state) {
  (void)state;
  kit_know(0, 1);
  const packet_spec spec = of_len(4, 1400);
  for (int i = 0; i < 40; i++) kit_put(0, &spec);
  kit_run();
  for (int i = 0; i < 40; i++) kit_got_this(1, &spec);
  told_that(&spec, ROOM_STRAIGHT);
  kit_got_none(0);
}

static void test_large_packets_of_segments_that_do_not_fit_are_told_about_once(void **state) {
  (void)state;
  kit_know(0, 1);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_TCP, 40 * 1348);
  kit_put_large(0, &spec, 1348);
  kit_run();
  for (size_t i = 0; i < 40; i++) {
    const packet_spec segment = packet_segment(&spec, 1348, i);
    kit_got_this(1, &segment);
  }
  static kit_packet packet;
  assert_true(kit_got(0, &packet));
  kit_got_none(0);
  kit_no_drops(0);
}

static void test_a_way_that_gets_narrower_is_noticed(void **state) {
  (void)state;
  set_mtu(LOOPBACK_MTU);
  kit_know(0, 1);
  const packet_spec spec = of_len(4, 1400);
  arrives(&spec);
  kit_got_none(0);
  set_mtu(WAY_MTU);
  arrives(&spec);
  kit_got_none(0); /* what was known is a second old */
  for (int i = 0; i < 4; i++) kit_tick(3000);
  arrives(&spec);
  told_that(&spec, ROOM_STRAIGHT);
}

static void test_a_way_that_refuses_a_packet_is_asked_at_once(void **state) {
  (void)state;
  set_mtu(LOOPBACK_MTU);
  kit_know(0, 1);
  kit_by_relay();
  packet_spec spec = of_len(4, 1400);
  arrives(&spec);
  arrives(&spec);
  assert_true(kit_path(0, 1)->is_direct);
  assert_int_equal(tw_udp_set_df(&world.nodes[0].udp, TW_UDP_DF_ALWAYS), TW_OK);
  set_mtu(WAY_MTU);
  put_one(&spec);
  kit_got_none(1); /* EMSGSIZE */
  assert_int_equal(kit_drops(0)->unsent, 1);
  assert_true(kit_path(0, 1)->is_direct); /* smaller ones go */
  put_one(&spec);
  told_that(&spec, ROOM_STRAIGHT);
  spec = of_len(4, ROOM_STRAIGHT);
  arrives(&spec);
}

static void test_what_is_larger_than_the_device_is_dropped_and_told(void **state) {
  (void)state;
  set_mtu(LOOPBACK_MTU);
  kit_know(0, 1);
  for (unsigned version = 4; version <= 6; version += 2) {
    const packet_spec spec = of_len(version, KIT_MTU + 1);
    put_one(&spec);
    told_that(&spec, KIT_MTU);
    kit_got_none(1);
  }
  assert_int_equal(kit_drops(0)->too_big, 2);
  const packet_spec spec = of_len(4, KIT_MTU);
  arrives(&spec);
  kit_got_none(0);
}

static void test_where_nobody_knows_the_mtu_packets_go(void **state) {
  (void)state;
  tw_udp_address nowhere = {.in4 = {.sin_family = AF_INET, .sin_port = htons(9420)}};
  nowhere.in4.sin_addr.s_addr = htonl(0xcb007101); /* no route */
  uint32_t mtu = 0;
  assert_int_equal(tw_udp_path_mtu(&nowhere, &mtu), TW_ERR_STATE);
  assert_int_equal(tw_udp_path_mtu(&world.nodes[1].address, &mtu), TW_OK);
  assert_int_equal(mtu, WAY_MTU);
  (void)tw_path_offer(&tw_plane_peer_of(world.nodes[0].plane, 1)->path, TW_PATH_FROM_FILE, &nowhere);
  const packet_spec spec = of_len(4, 1400);
  put_one(&spec);
  kit_got_none(0);
  assert_true(kit_drops(0)->unsent >= 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_who_sends_what_does_not_fit_is_told_what_would_and_it_arrives, begin, end),
      cmocka_unit_test_setup_teardown(test_what_fits_exactly_is_fine_and_one_byte_more_is_not, begin, end),
      cmocka_unit_test_setup_teardown(test_the_relays_header_counts, begin, end),
      cmocka_unit_test_setup_teardown(test_signatures_of_what_goes_to_all_count, begin_signed, end),
      cmocka_unit_test_setup_teardown(test_the_room_that_is_told_is_all_that_the_way_has, begin, end),
      cmocka_unit_test_setup_teardown(test_ipv6_is_never_told_less_than_it_has_to_take, begin, end),
      cmocka_unit_test_setup_teardown(test_what_may_be_fragmented_goes_without_a_word, begin, end),
      cmocka_unit_test_setup_teardown(test_errors_are_told_now_and_then_alone, begin, end),
      cmocka_unit_test_setup_teardown(test_large_packets_of_segments_that_do_not_fit_are_told_about_once, begin, end),
      cmocka_unit_test_setup_teardown(test_a_way_that_gets_narrower_is_noticed, begin, end),
      cmocka_unit_test_setup_teardown(test_a_way_that_refuses_a_packet_is_asked_at_once, begin, end),
      cmocka_unit_test_setup_teardown(test_what_is_larger_than_the_device_is_dropped_and_told, begin, end),
      cmocka_unit_test_setup_teardown(test_where_nobody_knows_the_mtu_packets_go, begin, end),
  };
  if (!tw_test_netns_enter()) return 77;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
