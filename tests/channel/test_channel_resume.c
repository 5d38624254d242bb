/* Channels that go on with a session, and the disk that it is on: D5, adopt, save, send. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "channel/resume_kit.h"

/* ---- going on ---- */

static void either_side_opens_the_next_connection(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_false(tw_test_side_event(alice, TW_CHANNEL_ESTABLISHED)->resumed);
  assert_alive();
  for (unsigned i = 0; i < 4; i++) {
    tw_test_wire_reopen(&wire, i % 2 == 0 ? alice : bob);
    run_resumption();
    assert_alive();
  }
}

static void every_suite_resumes(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_test_wire_clear(&wire);
    tw_test_wire_init(&wire, tw_suite_at(i));
    tw_test_wire_durable(&wire);
    tw_test_wire_establish(&wire);
    tw_test_wire_reopen(&wire, alice);
    tw_test_side_write(alice, TW_LITERAL("early"));
    run_resumption();
    assert_received(bob, TW_LITERAL("early"));
  }
}

/* ---- what is on the disk ---- */

static void nothing_leaves_before_it_is_saved(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  alice->disk_full = true;
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("early"));
  assert_true(tw_channel_unsaved(alice->channel));
  assert_int_equal(tw_channel_output(alice->channel).len, 0);
  alice->disk_full = false;
  tw_test_side_save(alice);
  bob->disk_full = true;
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_true(tw_channel_unsaved(bob->channel));
  assert_int_equal(tw_channel_output(bob->channel).len, 0);
  assert_int_equal(bob->received.len, 0); /* early data neither: a crash now would have it delivered twice */
  bob->disk_full = false;
  tw_test_side_take(bob);
  assert_received(bob, TW_LITERAL("early"));
  alice->disk_full = true;
  (void)tw_test_wire_move(&wire, bob, alice, SIZE_MAX);
  assert_int_equal(tw_channel_output(alice->channel).len, 0);
  alice->disk_full = false;
  tw_test_side_take(alice);
  run_resumption();
  /* Updates: the commit, its confirmation, the switch. */
  alice->disk_full = bob->disk_full = true;
  assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
  for (unsigned i = 0; i < 3; i++) {
    tw_test_side *side = i == 1 ? bob : alice;
    tw_test_side *other = i == 1 ? alice : bob;
    assert_true(tw_channel_unsaved(side->channel));
    assert_int_equal(tw_channel_output(side->channel).len, 0);
    side->disk_full = false;
    tw_test_side_take(side);
    side->disk_full = true;
    (void)tw_test_wire_move(&wire, side, other, SIZE_MAX);
  }
  alice->disk_full = bob->disk_full = false;
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_alive();
}

static void a_close_waits_for_the_disk(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
  alice->disk_full = true;
  assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  assert_false(tw_channel_writable(alice->channel));
  alice->disk_full = false;
  tw_test_side_take(alice);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_PEER_CLOSED), 1);
  assert_int_equal(tw_channel_close(bob->channel), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->reason, TW_OK);
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
}

static void what_was_not_saved_has_not_happened(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  bob->disk_full = true;
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  tw_channel_abort(bob->channel, TW_ERR_NO_MEMORY);
  assert_int_equal(tw_channel_output(bob->channel).len, 0);
  assert_false(tw_channel_unsaved(bob->channel));
  tw_buf saved = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_channel_save(bob->channel, &saved), TW_ERR_STATE);
  bob->disk_full = false;
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
  assert_alive();
}

static void channels_that_are_not_durable_never_wait(void **state) {
  (void)state;
  alice->config.durable = bob->config.durable = false;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(alice->saves + bob->saves, 0);
  assert_alive();
}

/* ---- failures ---- */

static void failing_memory_ends_a_connection_but_no_session(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  unsigned failures = 0;
  for (size_t n = 1;; n++) {
    tw_channel_free(alice->channel);
    tw_channel_free(bob->channel);
    alice->channel = bob->channel = NULL;
    alice->event_count = bob->event_count = 0;
    alice->disk_full = bob->disk_full = true; /* saving is the caller's: it does not fail here */
    tw_channel_config config = alice->config;
    config.resume = tw_buf_bytes(&alice->disk);
    config.resume_version = alice->saves;
    assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
    tw_test_fail_alloc(&wire.test, n);
    const tw_err err = tw_channel_connect(&config, wire.now_ms, &alice->channel);
    if (err != TW_OK) {
      assert_int_equal(err, TW_ERR_NO_MEMORY);
      assert_null(alice->channel);
      failures++;
      continue;
    }
    bool moved = true;
    while (moved) {
      const size_t left = wire.test.alloc_fail_in;
      tw_test_fail_alloc(&wire.test, 0);
      alice->disk_full = bob->disk_full = false;
      tw_test_side_save(alice);
      tw_test_side_save(bob);
      alice->disk_full = bob->disk_full = true;
      wire.test.alloc_fail_in = left;
      moved = tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
      moved = tw_test_wire_move(&wire, bob, alice, SIZE_MAX) || moved;
      moved = moved || tw_channel_unsaved(alice->channel) || tw_channel_unsaved(bob->channel);
    }
    if (wire.test.alloc_fail_in > 0) break;
    failures++;
  }
  tw_test_fail_alloc(&wire.test, 0);
  alice->disk_full = bob->disk_full = false;
  assert_true(failures > 20);
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
  assert_alive();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      DURABLE(either_side_opens_the_next_connection),
      DURABLE(every_suite_resumes),
      DURABLE(nothing_leaves_before_it_is_saved),
      DURABLE(a_close_waits_for_the_disk),
      DURABLE(what_was_not_saved_has_not_happened),
      DURABLE(channels_that_are_not_durable_never_wait),
      DURABLE(failing_memory_ends_a_connection_but_no_session),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
