/* Acknowledgments that come together: ours, and others' that we forward. SPDX-License-Identifier: Apache-2.0 */
#include "ack_kit.h"
#include "plane_kit.h"

enum { ACKS = 6, BEHIND = 200 /* a host that we forward for */ };

static int begin_with(unsigned offloads) {
  kit_begin(offloads);
  kit_make_pair(0, 1);
  kit_use_pair(0, 1);
  return 0;
}

static int begin(void **state) {
  (void)state;
  return begin_with(TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4 | TW_TUN_OFFLOAD_TCP6);
}

static int begin_plain(void **state) {
  (void)state;
  return begin_with(0);
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

/* From node 0 for `to`: all are there before node 1 reads. */
static void send_acks(unsigned version, uint8_t to) {
  static uint8_t inner[128], packet[256];
  ack_spec first = ack_plain(version, true);
  first.packet.from = 1;
  first.packet.to = to;
  for (uint32_t n = 0; n < ACKS; n++) {
    const ack_spec ack = ack_number(&first, n);
    const size_t len = ack_write(&ack, inner);
    const uint8_t next_header = version == 4 ? TW_ESP_NEXT_IPV4 : TW_ESP_NEXT_IPV6;
    kit_send_raw(&world.nodes[0].udp, &world.nodes[1].address, packet, kit_seal(0, 1, next_header, inner, len, packet));
  }
  kit_run();
}

/* What node 1's device is given next is the n-th of them. */
static void got_ack(unsigned version, uint8_t to, uint32_t n) {
  static kit_packet got;
  static uint8_t wanted[128];
  ack_spec first = ack_plain(version, true);
  first.packet.from = 1;
  first.packet.to = to;
  const ack_spec ack = ack_number(&first, n);
  assert_true(kit_got(1, &got));
  assert_int_equal(got.len, ack_write(&ack, wanted));
  assert_memory_equal(got.bytes, wanted, got.len);
}

static void test_of_our_own_the_last_one_is_handed_on(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    send_acks(version, 2);
    got_ack(version, 2, ACKS - 1);
    kit_got_none(1);
  }
  const tw_plane_peer *peer = tw_plane_peer_of(world.nodes[1].plane, 0);
  assert_int_equal(peer->received.packets, 2 * ACKS); /* all have come */
  kit_no_drops(1);
}

static void test_others_that_are_forwarded_are_all_handed_on(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    send_acks(version, BEHIND);
    for (uint32_t n = 0; n < ACKS; n++) got_ack(version, BEHIND, n);
    kit_got_none(1);
  }
  kit_no_drops(1);
}

static void test_without_offloads_all_are_handed_on(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    send_acks(version, 2);
    for (uint32_t n = 0; n < ACKS; n++) got_ack(version, 2, n);
    kit_got_none(1);
  }
  kit_no_drops(1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_of_our_own_the_last_one_is_handed_on, begin, end),
      cmocka_unit_test_setup_teardown(test_others_that_are_forwarded_are_all_handed_on, begin, end),
      cmocka_unit_test_setup_teardown(test_without_offloads_all_are_handed_on, begin_plain, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
