/* Nodes whose socket takes no more, and the ends of batches. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

static int begin(void **state) {
  (void)state;
  kit_begin(0);
  kit_make_pair(0, 1);
  kit_use_pair(0, 1);
  kit_by_relay();
  return 0;
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

static packet_spec numbered(uint16_t number, size_t payload) {
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, payload);
  spec.id = number;
  return spec;
}

/* How the socket's writability shows to the caller: it is called then, and has room for `messages`. */
static void writable(uint32_t messages) {
  world.sends_left = messages;
  assert_int_equal(tw_plane_from_tun(world.nodes[0].plane, world.now), TW_OK);
}

static void put_some(uint16_t from, uint16_t to, size_t payload) {
  for (uint16_t i = from; i < to; i++) {
    const packet_spec spec = numbered(i, payload);
    kit_put(0, &spec);
  }
}

static void got_all(uint16_t from, uint16_t to, size_t payload) {
  kit_run();
  for (uint16_t i = from; i < to; i++) {
    const packet_spec spec = numbered(i, payload);
    kit_got_this(1, &spec);
  }
  kit_got_none(1);
  kit_no_drops(0);
  kit_no_drops(1);
}

static size_t waiting_in_device(uint32_t node) {
  kit_packet *packet = test_malloc(sizeof *packet);
  size_t count = 0;
  struct iovec parts[2] = {{&packet->header, sizeof packet->header}, {packet->bytes, sizeof packet->bytes}};
  while (readv(world.nodes[node].tun.queues[0], parts, 2) > 0) count++;
  test_free(packet);
  return count;
}

/* ---- */

static void test_a_socket_that_takes_nothing_stops_the_reading(void **state) {
  (void)state;
  put_some(0, 100, 100);
  writable(0);
  assert_true(tw_plane_is_blocked(world.nodes[0].plane));
  put_some(100, 200, 100);
  writable(0);
  writable(0);
  assert_true(tw_plane_is_blocked(world.nodes[0].plane));
  /* 64 were read in one go, before the socket was asked; the others are still where the kernel would keep them. */
  assert_int_equal(waiting_in_device(0), 136);
  kit_no_drops(0);
}

static void test_all_goes_out_in_order_when_the_socket_takes_it_again(void **state) {
  (void)state;
  put_some(0, 300, 100);
  writable(0);
  writable(0);
  writable(1);
  writable(0);
  writable(UINT32_MAX);
  assert_false(tw_plane_is_blocked(world.nodes[0].plane));
  got_all(0, 300, 100);
}

static void test_a_socket_that_takes_one_at_a_time_loses_and_doubles_nothing(void **state) {
  (void)state;
  world.nodes[0].udp.send_offload = false; /* each message is one packet */
  put_some(0, 300, 100);
  for (int i = 0; i < 400; i++) writable(1);
  writable(UINT32_MAX);
  got_all(0, 300, 100);
}

/* Packets of 45 segments each into node 0's device: six of them are more than the slots of a batch. */
enum { LARGE = 58000, LARGE_MOST = 9 };

static void put_large(packet_spec *specs, uint16_t count) {
  for (uint16_t i = 0; i < count; i++) {
    specs[i] = kit_packet_of(0, 1, 4, PACKET_TCP, LARGE);
    specs[i].id = (uint16_t)(i * 1000);
    specs[i].sequence += i * (uint32_t)LARGE;
    kit_put_large(0, &specs[i], 1300);
  }
}

/* All segments of the first `count`, in order, and nothing else. */
static void got_large(const packet_spec *specs, uint16_t count) {
  kit_run();
  for (uint16_t i = 0; i < count; i++) {
    for (size_t k = 0; k < 45; k++) {
      const packet_spec segment = packet_segment(&specs[i], 1300, k);
      kit_got_this(1, &segment);
    }
  }
  kit_got_none(1);
  kit_no_drops(0);
  kit_no_drops(1);
}

static void test_a_large_packet_that_finds_no_room_goes_on_where_it_stopped(void **state) {
  (void)state;
  packet_spec specs[LARGE_MOST];
  put_large(specs, LARGE_MOST);
  writable(0);
  assert_true(tw_plane_is_blocked(world.nodes[0].plane));
  assert_int_equal(waiting_in_device(0), 3); /* 6 were begun, of the sixth 31 segments sealed */
  for (int i = 0; i < 20; i++) writable(1);
  writable(UINT32_MAX);
  got_large(specs, 6);
  const tw_plane_peer *peer = tw_plane_peer_of(world.nodes[0].plane, 1);
  assert_int_equal(peer->sent.packets, 6 * 45);
}

/* A full socket has room again before the turn ends: the rest of the packet in hand does not wait for the next one. */
static void test_the_rest_of_a_large_packet_goes_out_though_the_batch_has_gone(void **state) {
  (void)state;
  packet_spec specs[6];
  put_large(specs, 6);
  world.full_calls = 1;
  assert_int_equal(tw_plane_from_tun(world.nodes[0].plane, world.now), TW_OK);
  assert_int_equal(world.full_calls, 0);
  assert_true(tw_plane_is_blocked(world.nodes[0].plane));
  got_large(specs, 6);
  assert_false(tw_plane_is_blocked(world.nodes[0].plane));
}

/* A packet of exactly as many segments as there are slots, or of one more or less. */
static void one_of(size_t segments, uint32_t first, bool alone) {
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_TCP, segments * 100);
  if (!alone) put_some(0, 1, 50);
  kit_put_large(0, &spec, 100);
  writable(first);
  writable(UINT32_MAX);
  kit_run();
  if (!alone) {
    const packet_spec before = numbered(0, 50);
    kit_got_this(1, &before);
  }
  for (size_t i = 0; i < segments; i++) {
    const packet_spec segment = packet_segment(&spec, 100, i);
    kit_got_this(1, &segment);
  }
  kit_got_none(1);
  kit_no_drops(0);
  kit_no_drops(1);
}

static void test_batches_end_where_the_slots_do(void **state) {
  (void)state;
  for (size_t segments = TW_PLANE_SLOTS - 1; segments <= TW_PLANE_SLOTS + 1; segments++) {
    for (int alone = 0; alone < 2; alone++) {
      one_of(segments, UINT32_MAX, alone != 0);
      one_of(segments, 0, alone != 0);
      one_of(segments, 1, alone != 0);
      one_of(segments, 3, alone != 0);
    }
  }
  one_of(2 * TW_PLANE_SLOTS, 0, true);
  one_of(2 * TW_PLANE_SLOTS + 1, 2, false);
}

static void test_other_senders_find_the_full_batch_as_it_is(void **state) {
  (void)state;
  const uint8_t token[16] = {1};
  put_some(0, 40, 100);
  writable(0);
  /* Meanwhile: a greeting, a tick with probes, answers to what comes in, packets of waiters. */
  kit_know(0, 1);
  tw_plane_greet_relay(world.nodes[0].plane, TW_ARRAY(token));
  tw_plane_tick(world.nodes[0].plane, world.now);
  tw_plane_ready(world.nodes[0].plane, 1, true, world.now);
  assert_true(tw_plane_is_blocked(world.nodes[0].plane));
  writable(UINT32_MAX);
  got_all(0, 40, 100);
}

static void test_a_greeting_that_waits_for_the_socket_goes_out_whole(void **state) {
  (void)state;
  uint8_t got[64];
  uint8_t token[16];
  memset(token, 0x5a, sizeof token);
  world.sends_left = 0;
  tw_plane_greet_relay(world.nodes[0].plane, TW_ARRAY(token));
  memset(token, 0, sizeof token);
  writable(UINT32_MAX);
  assert_int_equal(recv(world.relay.fd, got, sizeof got, 0), 28);
  memset(token, 0x5a, sizeof token);
  assert_memory_equal(got + 12, token, 16);
}

static void test_waiters_wait_on_while_the_socket_is_full(void **state) {
  (void)state;
  tw_plane_clear_relay(world.nodes[0].plane);
  put_some(0, 100, 100);
  writable(UINT32_MAX);
  writable(UINT32_MAX);
  kit_by_relay();
  world.sends_left = 0;
  tw_plane_tick(world.nodes[0].plane, world.now);
  tw_plane_tick(world.nodes[0].plane, world.now);
  put_some(100, 110, 100);
  writable(2);
  writable(UINT32_MAX);
  got_all(0, 110, 100);
}

static void test_what_the_system_refuses_is_counted_by_the_packet(void **state) {
  (void)state;
  world.sends_fail = EPERM;
  world.fails_to = world.relay_address;
  put_some(0, 10, 100);
  kit_run();
  assert_int_equal(kit_drops(0)->unsent, 10);
  world.sends_fail = 0;
  put_some(0, 1, 100);
  kit_run();
  const packet_spec spec = numbered(0, 100);
  kit_got_this(1, &spec);
}

static void test_a_socket_that_is_gone_loses_the_batch_and_nothing_else(void **state) {
  (void)state;
  world.sends_fail = EBADF;
  world.fails_to = world.relay_address;
  put_some(0, 10, 100);
  writable(UINT32_MAX);
  assert_int_equal(kit_drops(0)->unsent, 10);
  assert_false(tw_plane_is_blocked(world.nodes[0].plane));
}

/* The device at the other end has no room. */
static void test_a_device_that_takes_no_more_drops_packets(void **state) {
  (void)state;
  const int small = 4096;
  assert_int_equal(setsockopt(world.nodes[1].tun.queues[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  put_some(0, 60, 1000);
  kit_run();
  assert_true(kit_drops(1)->device > 0);
  uint16_t got = 0;
  kit_packet *packet = test_malloc(sizeof *packet);
  while (kit_got(1, packet)) got++;
  test_free(packet);
  assert_int_equal(got + kit_drops(1)->device, 60);
}

static void test_a_device_that_is_gone_is_told_and_what_was_read_goes_out(void **state) {
  (void)state;
  put_some(0, 3, 100);
  (void)close(world.nodes[0].device);
  world.nodes[0].device = -1;
  assert_int_equal(tw_plane_from_tun(world.nodes[0].plane, world.now), TW_ERR_STATE);
  for (int i = 0; i < 20; i++) {
    (void)kit_run_relay();
    assert_int_equal(tw_plane_from_udp(world.nodes[1].plane, world.now), TW_OK);
  }
  for (uint16_t i = 0; i < 3; i++) {
    const packet_spec spec = numbered(i, 100);
    kit_got_this(1, &spec);
  }
}

/* Sockets that take some, all or nothing by chance, packets of all sizes: in order, and all of them. */
static void test_nothing_is_lost_or_turned_round_by_any_fullness(void **state) {
  (void)state;
  uint64_t dice = 7;
  uint16_t put = 0;
  uint16_t got = 0;
  enum { MOST = 3000 };
  static size_t sizes[MOST];
  while (got < MOST) {
    const uint32_t burst = packet_dice(&dice) % 40;
    for (uint32_t i = 0; i < burst && put < MOST; i++, put++) {
      sizes[put] = packet_dice(&dice) % (KIT_MTU - 28);
      if (put - got > 400) break;
      const packet_spec spec = numbered(put, sizes[put]);
      kit_put(0, &spec);
    }
    writable(packet_dice(&dice) % 3 == 0 ? 0 : packet_dice(&dice) % 70);
    if (put == MOST || packet_dice(&dice) % 4 == 0) {
      writable(UINT32_MAX);
      kit_run();
      while (got < put) {
        const packet_spec spec = numbered(got, sizes[got]);
        kit_got_this(1, &spec);
        got++;
      }
      kit_got_none(1);
    }
  }
  kit_no_drops(0);
  kit_no_drops(1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_socket_that_takes_nothing_stops_the_reading, begin, end),
      cmocka_unit_test_setup_teardown(test_all_goes_out_in_order_when_the_socket_takes_it_again, begin, end),
      cmocka_unit_test_setup_teardown(test_a_socket_that_takes_one_at_a_time_loses_and_doubles_nothing, begin, end),
      cmocka_unit_test_setup_teardown(test_a_large_packet_that_finds_no_room_goes_on_where_it_stopped, begin, end),
      cmocka_unit_test_setup_teardown(test_the_rest_of_a_large_packet_goes_out_though_the_batch_has_gone, begin, end),
      cmocka_unit_test_setup_teardown(test_batches_end_where_the_slots_do, begin, end),
      cmocka_unit_test_setup_teardown(test_other_senders_find_the_full_batch_as_it_is, begin, end),
      cmocka_unit_test_setup_teardown(test_a_greeting_that_waits_for_the_socket_goes_out_whole, begin, end),
      cmocka_unit_test_setup_teardown(test_waiters_wait_on_while_the_socket_is_full, begin, end),
      cmocka_unit_test_setup_teardown(test_what_the_system_refuses_is_counted_by_the_packet, begin, end),
      cmocka_unit_test_setup_teardown(test_a_socket_that_is_gone_loses_the_batch_and_nothing_else, begin, end),
      cmocka_unit_test_setup_teardown(test_a_device_that_takes_no_more_drops_packets, begin, end),
      cmocka_unit_test_setup_teardown(test_a_device_that_is_gone_is_told_and_what_was_read_goes_out, begin, end),
      cmocka_unit_test_setup_teardown(test_nothing_is_lost_or_turned_round_by_any_fullness, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
