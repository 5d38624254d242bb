/* MLS-TLS channels: updates with data in flight, ties, what makes them due. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "channel/channel_kit.h"

static void updates_keep_the_data_in_flight(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  for (unsigned round = 0; round < 20; round++) {
    tw_test_side_write(alice, TW_BYTES(pattern, 30000));
    assert_int_equal(tw_channel_rekey(round % 2 == 0 ? alice->channel : bob->channel, wire.now_ms), TW_OK);
    tw_test_side_write(alice, TW_BYTES(pattern + 30000, 10000));
    tw_test_side_write(bob, TW_BYTES(pattern, 20000));
    tw_test_wire_run(&wire, 1000);
    assert_int_equal(bob->received.len, 40000);
    assert_memory_equal(bob->received.ptr, pattern, 40000);
    assert_int_equal(alice->received.len, 20000);
    assert_memory_equal(alice->received.ptr, pattern, 20000);
    tw_buf_clear(&alice->received);
    tw_buf_clear(&bob->received);
    tw_test_wire_same_epoch(&wire);
  }
  const tw_channel_event *event = tw_test_side_event(alice, TW_CHANNEL_REKEYED);
  assert_int_equal(event->epoch, 21);
  assert_int_equal(event->cause, TW_REKEY_PEER);
  assert_true(event->handshake_bytes > 300);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_REKEYED)->cause, TW_REKEY_CALLER);
}

static void ties_resolve_with_data_both_ways(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  for (unsigned round = 0; round < 20; round++) {
    tw_test_side_write(alice, TW_BYTES(pattern, 20000));
    tw_test_side_write(bob, TW_BYTES(pattern, 20000));
    assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
    assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
    assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_ERR_PENDING);
    tw_test_side_write(alice, TW_BYTES(pattern + 20000, 10000));
    tw_test_side_write(bob, TW_BYTES(pattern + 20000, 10000));
    tw_test_wire_run(&wire, 1 + round * 997);
    assert_int_equal(bob->received.len, 30000);
    assert_int_equal(alice->received.len, 30000);
    assert_memory_equal(bob->received.ptr, pattern, 30000);
    assert_memory_equal(alice->received.ptr, pattern, 30000);
    tw_buf_clear(&alice->received);
    tw_buf_clear(&bob->received);
    tw_test_wire_same_epoch(&wire);
    alice->event_count = 0;
    bob->event_count = 0;
  }
  /* Whoever asked for an update has had it. */
  assert_int_equal(status_of(alice).pair.own_updates, 20);
  assert_int_equal(status_of(bob).pair.own_updates, 20);
  assert_int_equal(status_of(bob).pair.ties, 20);
}

static uint64_t random_state;
static size_t pick(size_t below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(random_state >> 33) % below;
}

static void write_some(tw_test_side *side, size_t *sent) {
  size_t taken;
  assert_int_equal(tw_channel_write(side->channel, TW_BYTES(pattern + *sent, 1 + pick(20000)), &taken), TW_OK);
  *sent += taken;
}

static void any_order_of_events_keeps_the_stream(void **state) {
  (void)state;
  const unsigned schedules = tw_test_rounds(60, 10);
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    tw_test_wire_clear(&wire);
    begin(tw_suite_by_id(&wire.test.env, 1));
    tw_test_wire_establish(&wire);
    random_state = schedule;
    size_t from_alice = 0, from_bob = 0;
    for (unsigned step = 0; step < 60; step++) {
      switch (pick(8)) {
      case 0:
        if (from_alice + 20000 < sizeof pattern) write_some(alice, &from_alice);
        break;
      case 1:
        if (from_bob + 20000 < sizeof pattern) write_some(bob, &from_bob);
        break;
      case 2: (void)!tw_channel_rekey(alice->channel, wire.now_ms); break;
      case 3: (void)!tw_channel_rekey(bob->channel, wire.now_ms); break;
      case 4: bob->stalled = pick(2) == 0; break;
      case 5: wire.now_ms += pick(2000); break;
      default:
        (void)tw_test_wire_move(&wire, alice, bob, 1 + pick(30000));
        (void)tw_test_wire_move(&wire, bob, alice, 1 + pick(30000));
        break;
      }
      alice->event_count = 0;
      bob->event_count = 0;
    }
    bob->stalled = false;
    tw_test_side_take(bob);
    run();
    assert_int_equal(alice->last, TW_OK);
    assert_int_equal(bob->last, TW_OK);
    assert_int_equal(bob->received.len, from_alice);
    assert_int_equal(alice->received.len, from_bob);
    if (from_alice > 0) assert_memory_equal(bob->received.ptr, pattern, from_alice);
    if (from_bob > 0) assert_memory_equal(alice->received.ptr, pattern, from_bob);
    tw_test_wire_same_epoch(&wire);
  }
}

static void time_updates_both_leaves(void **state) {
  (void)state;
  alice->options.rekey_after_ms = 1000;
  bob->options.rekey_after_ms = 1000;
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 30; i++) {
    wire.now_ms += 100;
    if (tw_channel_deadline(alice->channel) <= wire.now_ms) {
      assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms), TW_OK);
    }
    if (tw_channel_deadline(bob->channel) <= wire.now_ms)
      assert_int_equal(tw_channel_tick(bob->channel, wire.now_ms), TW_OK);
    run();
    tw_test_side_take(alice);
    tw_test_side_take(bob);
    alice->event_count = 0;
  }
  const tw_channel_status a = status_of(alice), b = status_of(bob);
  assert_int_equal(a.pair.own_updates, 3);
  assert_int_equal(b.pair.own_updates, 3);
  assert_int_equal(a.pair.epoch, 7);
  assert_true(wire.now_ms - a.pair.own_leaf_since_ms < 1100);
  assert_true(wire.now_ms - b.pair.own_leaf_since_ms < 1100);
}

static void timers_of_the_two_sides_do_not_keep_step(void **state) {
  (void)state;
  alice->options.rekey_after_ms = 10000;
  bob->options.rekey_after_ms = 10000;
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 4000; i++) {
    wire.now_ms += 50;
    /* Both look at their clocks before either hears of the other: what is due in the same moment is a tie. */
    if (tw_channel_deadline(alice->channel) <= wire.now_ms) {
      assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms), TW_OK);
    }
    if (tw_channel_deadline(bob->channel) <= wire.now_ms)
      assert_int_equal(tw_channel_tick(bob->channel, wire.now_ms), TW_OK);
    run();
    tw_test_side_take(alice);
    tw_test_side_take(bob);
    alice->event_count = 0;
    bob->event_count = 0;
  }
  const tw_channel_status a = status_of(alice), b = status_of(bob);
  assert_true(a.pair.own_updates >= 19 && a.pair.own_updates <= 24);
  assert_true(b.pair.own_updates >= 19 && b.pair.own_updates <= 24);
  assert_true(a.pair.ties <= 5);
}

static void bytes_update_the_sender(void **state) {
  (void)state;
  alice->options.rekey_after_bytes = 1000000;
  bob->options.rekey_after_bytes = 1000000;
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 10; i++) send_pattern(alice, bob, 300000, SIZE_MAX);
  const tw_channel_status a = status_of(alice), b = status_of(bob);
  assert_true(a.pair.own_updates >= 2);
  assert_int_equal(b.pair.own_updates, 0);
  assert_int_equal(a.pair.ties, 0);
  const tw_channel_event *event = tw_test_side_event(alice, TW_CHANNEL_REKEYED);
  assert_int_equal(event->cause, TW_REKEY_BYTES);
  assert_true(event->data_bytes >= 1000000);
  assert_int_equal(a.data_sent, 3000000);
  assert_int_equal(b.data_received, 3000000);
  assert_int_equal(a.wire_sent, b.wire_received);
  assert_int_equal(b.wire_sent, a.wire_received);
}

static void events_that_nobody_takes_are_added_up(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 9; i++) {
    assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
    for (unsigned k = 0; k < 3; k++) {
      const tw_bytes a = tw_channel_output(alice->channel);
      size_t taken;
      assert_int_equal(tw_channel_input(bob->channel, a, wire.now_ms, &taken), TW_OK);
      tw_channel_output_sent(alice->channel, taken);
      assert_int_equal(tw_channel_input(alice->channel, tw_channel_output(bob->channel), wire.now_ms, &taken), TW_OK);
      tw_channel_output_sent(bob->channel, taken);
    }
  }
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  run();
  assert_int_equal(tw_channel_close(bob->channel), TW_OK);
  run();
  size_t rekeys = 0;
  for (size_t i = 0; i < bob->event_count; i++) {
    if (bob->events[i].kind == TW_CHANNEL_REKEYED) rekeys += 1 + bob->events[i].merged;
  }
  assert_int_equal(rekeys, 9);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_REKEYED)->epoch, 10);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_PEER_CLOSED), 1);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_CLOSED), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(updates_keep_the_data_in_flight),          TEST(ties_resolve_with_data_both_ways),
      TEST(any_order_of_events_keeps_the_stream),     TEST(time_updates_both_leaves),
      TEST(timers_of_the_two_sides_do_not_keep_step), TEST(bytes_update_the_sender),
      TEST(events_that_nobody_takes_are_added_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
