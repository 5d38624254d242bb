/* UDP by the batch: what goes as one, and what is refused. SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_kit.h"

#include "net/netdev.h"

enum { LARGE = 2000 };

static bool in_netns;

/* `count` datagrams come, the i-th with the bytes from i on and of `len(i)` bytes. */
static void expect(world *w, size_t count, size_t (*len)(size_t i)) {
  size_t seen = 0;
  while (seen < count) {
    assert_true(receive(&w->to, &w->intake));
    for (size_t s = 0; s < w->intake.count; s++) {
      const tw_udp_slot *slot = &w->intake.slots[s];
      assert_true(tw_udp_address_equal(&slot->peer, &w->from_at));
      for (size_t k = 0; k < slot->datagrams; k++, seen++) {
        size_t got;
        const uint8_t *data = tw_udp_datagram(slot, k, &got);
        assert_int_equal(got, len(seen));
        assert_memory_equal(data, w->bytes + seen, got);
      }
    }
  }
  assert_int_equal(seen, count);
}

static size_t all_alike(size_t i) {
  (void)i;
  return SIZE;
}

static size_t large(size_t i) {
  (void)i;
  return LARGE;
}

static size_t mixed(size_t i) { return i % 7 == 6 ? 1 + i % 50 : 100 + 300 * (i % 3 == 0); }

/* ---- offloads on, off, half ---- */

static const tw_udp_config kinds[] = {
    {.tos = false},
    {.no_receive_offload = true},
    {.no_send_offload = true},
    {.no_receive_offload = true, .no_send_offload = true},
};

static void exchange(tw_udp_config config, size_t (*len)(size_t i)) {
  world w;
  open_world(&w, config);
  assert_true(!config.no_receive_offload || !w.to.receive_offload);
  assert_true(!config.no_send_offload || !w.from.send_offload);
  enum { COUNT = 150 }; /* fits into a socket buffer of an ordinary user */
  for (size_t i = 0; i < COUNT; i++) add(&w, i, len(i));
  send_all(&w);
  expect(&w, COUNT, len);
  assert_int_equal(w.from.counts.sent, COUNT);
  assert_int_equal(w.to.counts.received, COUNT);
  assert_int_equal(w.from.counts.failed + w.from.counts.apart + w.to.counts.truncated, 0);
  close_world(&w);
}

static void datagrams_arrive_whole_and_in_order_with_and_without_offloads(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    tw_udp_config config = kinds[i];
    exchange(config, all_alike);
    exchange(config, mixed);
    config.local = loopback(AF_INET6);
    exchange(config, mixed);
  }
}

static void datagrams_of_one_size_to_one_peer_go_as_one(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  if (!w.from.send_offload || !w.to.receive_offload) skip();
  for (size_t i = 0; i < 20; i++) add(&w, i, SIZE);
  assert_int_equal(w.batch.count, 1);
  send_all(&w);
  assert_int_equal(fake.calls, 1);
  assert_int_equal(fake.segmented, 1);
  assert_true(receive(&w.to, &w.intake));
  assert_int_equal(w.intake.count, 1);
  assert_int_equal(w.intake.slots[0].datagrams, 20);
  assert_int_equal(w.intake.slots[0].segment, SIZE);
  close_world(&w);
}

/* Twenty in a row, then ten behind a gap and a shorter one: whichever way they go, they are what they were. */
static void datagrams_that_lie_side_by_side_are_one_piece(void **state) {
  (void)state;
  enum { ROW = 20, ALL = 31, LEN = 100, LAST = 40, GAP = 3 };
  for (int refused = 0; refused < 3; refused++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes, .no_send_offload = refused == 1, .no_receive_offload = true});
    if (refused == 2) fake.segment_error = EINVAL;
    for (size_t i = 0; i < ALL; i++) add(&w, i * LEN + (i < ROW ? 0 : GAP), i + 1 < ALL ? LEN : LAST);
    assert_int_equal(w.batch.count, 1);
    assert_int_equal(w.batch.slots[0].parts, 2);
    assert_int_equal(w.batch.slots[0].datagrams, ALL);
    send_all(&w);
    assert_int_equal(w.from.counts.sent, ALL);
    size_t seen = 0;
    while (seen < ALL) {
      assert_true(receive(&w.to, &w.intake));
      for (size_t s = 0; s < w.intake.count; s++, seen++) {
        assert_int_equal(w.intake.slots[s].len, seen + 1 < ALL ? LEN : LAST);
        assert_memory_equal(w.intake.slots[s].data, w.bytes + seen * LEN + (seen < ROW ? 0 : GAP),
                            w.intake.slots[s].len);
      }
    }
    close_world(&w);
  }
}

static void a_kernel_without_the_offloads_is_used_without(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  tw_udp_close(&w.from);
  fake.no_offload_options = true;
  const tw_udp_config config = {.local = loopback(AF_INET), .calls = &fakes};
  open_socket(&w.from, &w.from_at, &config);
  assert_false(w.from.send_offload);
  assert_false(w.from.receive_offload);
  for (size_t i = 0; i < 20; i++) add(&w, i, SIZE);
  send_all(&w);
  assert_int_equal(fake.segmented, 0);
  expect(&w, 20, all_alike);
  close_world(&w);
}

/* ---- what a batch holds ---- */

static void a_slot_takes_what_a_segmented_message_can_be(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  for (size_t i = 0; i < TW_UDP_SEGMENTS + 1; i++) add(&w, i, 100);
  assert_int_equal(w.batch.count, 2); /* 64, 1 */
  add(&w, 0, 50);
  assert_int_equal(w.batch.count, 2); /* a shorter one ends it */
  add(&w, 0, 50);
  assert_int_equal(w.batch.count, 3);
  add(&w, 0, 51);
  assert_int_equal(w.batch.count, 4); /* a longer one does not fit */
  add(&w, 0, 0);
  add(&w, 0, 0);
  assert_int_equal(w.batch.count, 6); /* empty ones are alone */
  assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 3, TW_BYTES(w.bytes, 51)), TW_OK);
  assert_int_equal(w.batch.count, 7); /* another TOS */
  tw_udp_batch_reset(&w.batch);
  static uint8_t long_one[TW_UDP_DATAGRAM_MAX + 1];
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 0, TW_BYTES(long_one, 30000)), TW_OK);
  assert_int_equal(w.batch.count, 2); /* 65,507 bytes at most */
  assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 0, TW_BYTES(long_one, sizeof long_one)), TW_ERR_ARGUMENT);
  tw_udp_batch_reset(&w.batch);
  for (size_t i = 0; i < SLOTS; i++) add(&w, 0, 0);
  assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 0, TW_BYTES(long_one, 0)), TW_ERR_LIMIT);
  assert_int_equal(w.batch.count, SLOTS);
  send_all(&w);
  close_world(&w);
}

static void replicas_to_several_peers_are_joined_by_peer(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  for (size_t i = 0; i < 10; i++)
    for (uint16_t peer = 1; peer <= 8; peer++) {
      tw_udp_address to = w.to_at;
      to.in4.sin_port = htons(peer);
      assert_int_equal(tw_udp_batch_add(&w.batch, &to, 0, TW_BYTES(w.bytes + i, SIZE)), TW_OK);
    }
  assert_int_equal(w.batch.count, 8);
  for (size_t i = 0; i < 8; i++) assert_int_equal(w.batch.slots[i].datagrams, 10);
  close_world(&w);
}

/* ---- refusals of the offload ---- */

static void an_offload_that_fails_is_done_without(void **state) {
  (void)state;
  static const int errors[] = {EIO, EINVAL, EMSGSIZE};
  for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes});
    if (!w.from.send_offload) skip();
    fake.segment_error = errors[e];
    for (size_t i = 0; i < 30; i++) add(&w, i, SIZE);
    send_all(&w);
    assert_int_equal(w.batch.slots[0].error, 0);
    expect(&w, 30, all_alike);
    assert_int_equal(w.from.counts.apart, 1);
    assert_int_equal(w.from.send_offload, errors[e] != EIO);

    /* Remembered: the next batch is not tried as one. */
    tw_udp_batch_reset(&w.batch);
    for (size_t i = 0; i < 30; i++) add(&w, i, SIZE);
    fake.calls = 0;
    send_all(&w);
    assert_int_equal(fake.calls, 1);
    expect(&w, 30, all_alike);
    assert_int_equal(w.from.counts.apart, 1);

    /* Smaller segments are another matter, unless the device cannot at all. */
    fake.segment_error = 0;
    tw_udp_batch_reset(&w.batch);
    for (size_t i = 0; i < 30; i++) add(&w, i, SIZE - 1);
    send_all(&w);
    assert_int_equal(fake.segmented, errors[e] == EIO ? 0 : 1);
    close_world(&w);
  }
}

static void a_refused_segment_size_is_tried_again_later(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  if (!w.from.send_offload) skip();
  fake.segment_error = EINVAL;
  for (size_t i = 0; i < 4; i++) add(&w, i, SIZE);
  send_all(&w);
  expect(&w, 4, all_alike);
  assert_int_equal(w.from.segment_limit, SIZE - 1);
  w.from.counts.sent += TW_UDP_LIMIT_DATAGRAMS;
  fake.segment_error = 0;
  tw_udp_batch_reset(&w.batch);
  for (size_t i = 0; i < 4; i++) add(&w, i, SIZE);
  send_all(&w);
  assert_int_equal(fake.segmented, 1);
  expect(&w, 4, all_alike);
  close_world(&w);
}

/* Otherwise a packet to a bad address would cost all others the offload. */
static void an_address_that_is_refused_either_way_says_nothing_about_the_offload(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  if (!w.from.send_offload) skip();
  tw_udp_address nowhere = w.to_at;
  nowhere.in4.sin_port = 0; /* EINVAL */
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(tw_udp_batch_add(&w.batch, &nowhere, 0, TW_BYTES(w.bytes + i, SIZE)), TW_OK);
  for (size_t i = 0; i < 4; i++) add(&w, i, SIZE);
  send_all(&w);
  assert_int_equal(w.batch.slots[0].error, EINVAL);
  assert_int_equal(w.batch.slots[1].error, 0);
  assert_int_equal(w.from.counts.failed, 4);
  assert_int_equal(w.from.counts.apart, 0);
  assert_true(w.from.send_offload);
  assert_int_equal(w.from.segment_limit, TW_UDP_DATAGRAM_MAX);
  expect(&w, 4, all_alike);
  close_world(&w);
}

/* By the kernel itself: segments have to fit the device, datagrams that are sent alone are fragmented. */
static void segments_that_do_not_fit_the_device_are_sent_as_fragments(void **state) {
  (void)state;
  if (!in_netns) skip();
  tw_netdev netdev;
  world w;
  assert_int_equal(tw_netdev_open(&netdev, NULL, NULL), TW_OK);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 1, 1280, NULL), TW_OK); /* the loopback device is always the first */
  for (int six = 0; six < 2; six++) {
    open_world(&w, (tw_udp_config){.local = loopback(six ? AF_INET6 : AF_INET)});
    if (!w.from.send_offload) skip();
    for (size_t i = 0; i < 10; i++) add(&w, i, LARGE);
    assert_int_equal(w.batch.count, 1);
    send_all(&w);
    assert_int_equal(w.batch.slots[0].error, 0);
    expect(&w, 10, large);
    assert_int_equal(w.from.counts.apart, 1);
    assert_true(w.from.send_offload);
    assert_int_equal(w.from.segment_limit, LARGE - 1);
    close_world(&w);
  }
  /* Where they must not be fragmented, the peer's slot has the error, and smaller ones pass. */
  open_world(&w, (tw_udp_config){.df = TW_UDP_DF_PROBE});
  add(&w, 0, LARGE);
  add(&w, 1, LARGE);
  add(&w, 0, SIZE);
  assert_int_equal(w.batch.count, 1);
  send_all(&w);
  assert_int_equal(w.batch.slots[0].error, EMSGSIZE);
  assert_int_equal(w.from.counts.failed, 2);
  expect(&w, 1, all_alike);
  close_world(&w);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 1, 65536, NULL), TW_OK);
  tw_netdev_close(&netdev);
}

/* ---- refusals of single peers, sockets that are full ---- */

static void a_peer_that_cannot_be_reached_does_not_stop_the_others(void **state) {
  (void)state;
  static const int errors[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM, ENOBUFS};
  for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes});
    tw_udp_address bad = w.to_at;
    bad.in4.sin_port = htons(9);
    fake.bad_port = bad.in4.sin_port;
    fake.peer_error = errors[e];
    for (size_t i = 0; i < 40; i++) {
      assert_int_equal(tw_udp_batch_add(&w.batch, &bad, 0, TW_BYTES(w.bytes, 1 + i)), TW_OK); /* a slot each */
      add(&w, i, SIZE);
    }
    size_t own = 0;
    send_all(&w);
    for (size_t i = 0; i < w.batch.count; i++) {
      const bool is_bad = tw_udp_address_equal(&w.batch.slots[i].peer, &bad);
      assert_int_equal(w.batch.slots[i].error, is_bad ? errors[e] : 0);
      if (!is_bad) own += w.batch.slots[i].datagrams;
    }
    assert_int_equal(own, 40);
    assert_int_equal(w.from.counts.failed, 40);
    expect(&w, 40, all_alike);
    close_world(&w);
  }
}

static void what_a_full_socket_does_not_take_stays_in_the_batch(void **state) {
  (void)state;
  for (int whole = 0; whole < 2; whole++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes, .no_send_offload = whole == 0});
    for (size_t i = 0; i < 150; i++) add(&w, i, SIZE);
    fake.most = 1;
    /* One message, nothing, interrupted, one, nothing; then all. */
    static const int errors[] = {0, EAGAIN, EINTR, 0, EAGAIN};
    memcpy(fake.errors, errors, sizeof errors);
    fake.count = 5;
    assert_int_equal(tw_udp_send(&w.from, &w.batch), TW_OK);
    assert_true(w.batch.at < w.batch.count);
    const uint64_t first = w.from.counts.sent;
    assert_true(first > 0);
    assert_int_equal(tw_udp_send(&w.from, &w.batch), TW_OK);
    assert_int_equal(w.from.counts.sent, first * 2);
    fake.most = 0;
    send_all(&w);
    assert_int_equal(w.from.counts.sent, 150);
    expect(&w, 150, all_alike);
    close_world(&w);
  }
}

static void a_closed_socket_is_told(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  add(&w, 0, SIZE);
  fake.errors[0] = EBADF;
  fake.count = 1;
  assert_int_equal(tw_udp_send(&w.from, &w.batch), TW_ERR_STATE);
  fake.next = 0;
  assert_int_equal(tw_udp_receive(&w.from, &w.intake), TW_ERR_STATE);
  assert_int_equal(w.intake.count, 0);
  tw_udp_close(&w.from);
  tw_udp_close(&w.from);
  tw_udp_close(NULL);
  close_world(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(datagrams_arrive_whole_and_in_order_with_and_without_offloads),
      cmocka_unit_test(datagrams_of_one_size_to_one_peer_go_as_one),
      cmocka_unit_test(datagrams_that_lie_side_by_side_are_one_piece),
      cmocka_unit_test(a_kernel_without_the_offloads_is_used_without),
      cmocka_unit_test(a_slot_takes_what_a_segmented_message_can_be),
      cmocka_unit_test(replicas_to_several_peers_are_joined_by_peer),
      cmocka_unit_test(an_offload_that_fails_is_done_without),
      cmocka_unit_test(a_refused_segment_size_is_tried_again_later),
      cmocka_unit_test(an_address_that_is_refused_either_way_says_nothing_about_the_offload),
      cmocka_unit_test(segments_that_do_not_fit_the_device_are_sent_as_fragments),
      cmocka_unit_test(a_peer_that_cannot_be_reached_does_not_stop_the_others),
      cmocka_unit_test(what_a_full_socket_does_not_take_stays_in_the_batch),
      cmocka_unit_test(a_closed_socket_is_told),
  };
  in_netns = tw_test_netns_enter(); /* the loopback device of others does as well, but for one test */
  return cmocka_run_group_tests_name("udp_send", tests, NULL, NULL);
}
