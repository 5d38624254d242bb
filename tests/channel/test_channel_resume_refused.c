/* Sessions that are not gone on with: missing, damaged, old, overtaken, or asked for by a replay. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "channel/resume_kit.h"

#include "channel/channel_internal.h"

static void assert_refused(tw_err reason, uint8_t alert) {
  tw_test_wire_run(&wire, SIZE_MAX);
  const tw_channel_event *of_bob = tw_test_side_event(bob, TW_CHANNEL_CLOSED);
  const tw_channel_event *of_alice = tw_test_side_event(alice, TW_CHANNEL_CLOSED);
  assert_non_null(of_bob);
  assert_non_null(of_alice);
  assert_int_equal(of_bob->reason, reason);
  assert_int_equal(of_alice->reason, TW_ERR_ALERT);
  assert_int_equal(of_alice->alert, alert);
}

static void sessions_that_are_not_there_are_told_as_such(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_buf_clear(&bob->disk);
  tw_test_wire_reopen(&wire, alice);
  assert_refused(TW_ERR_NO_SESSION, TW_ALERT_UNKNOWN_PSK_IDENTITY);
  bob->config.session = NULL;
  tw_test_wire_reopen(&wire, alice);
  assert_refused(TW_ERR_NO_SESSION, TW_ALERT_UNKNOWN_PSK_IDENTITY);
}

static void damaged_sessions_are_as_none(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  bob->disk.ptr[bob->disk.len / 2] ^= 1;
  tw_test_wire_reopen(&wire, alice);
  assert_refused(TW_ERR_NO_SESSION, TW_ALERT_UNKNOWN_PSK_IDENTITY);
  alice->disk.len--;
  tw_channel_config config = alice->config;
  config.resume = tw_buf_bytes(&alice->disk);
  tw_channel *channel = NULL;
  assert_int_equal(tw_err_class_of(tw_channel_connect(&config, wire.now_ms, &channel)), TW_CLASS_MALFORMED);
  assert_null(channel);
}

static void an_old_copy_on_either_side_is_told(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 2; i++) {
    tw_test_side *restored = i == 0 ? alice : bob;
    tw_buf backup = TW_BUF_INIT(&wire.test.alloc);
    assert_int_equal(tw_buf_append(&backup, tw_buf_bytes(&restored->disk)), TW_OK);
    assert_alive();
    tw_buf good = restored->disk;
    restored->disk = backup;
    tw_test_wire_reopen(&wire, alice);
    assert_refused(TW_ERR_APART, TW_ALERT_HANDSHAKE_FAILURE);
    tw_buf_clear(&restored->disk);
    restored->disk = good;
    tw_test_wire_reopen(&wire, alice);
    run_resumption();
  }
}

static void resumption_messages_are_refused_in_a_channel(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_buf request = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_pair_resume(alice->channel->pair, wire.now_ms, &request), TW_OK);
  assert_int_equal(tw_channel_put_handshake(alice->channel, tw_buf_bytes(&request)), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_ERR_UNEXPECTED);
  tw_buf_clear(&request);
}

/* The response that Bob gave came in sight: who sends it back as a request must not cost Alice her channel. */
static void a_live_session_is_not_given_up_for_what_may_be_a_replay(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  tw_buf forged = TW_BUF_INIT(&wire.test.alloc);
  tw_test_forge_request(tw_channel_output(bob->channel), &forged);
  run_resumption();
  tw_channel *live = alice->channel;
  const size_t saves = alice->saves;
  alice->in_use = true;
  assert_int_equal(tw_channel_accept(&alice->config, wire.now_ms, &alice->channel), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, alice, tw_buf_bytes(&forged)), TW_ERR_DUPLICATE);
  assert_int_equal(alice->saves, saves);
  tw_channel_free(alice->channel);
  alice->channel = live;
  assert_alive();
  tw_buf_clear(&forged);
}

/*
 * Alice's first record on one connection is held up; she comes back on another one, and the session goes on there. When
 * the record arrives, the first connection is confirmed, in a past that both sides have left.
 */
static void a_connection_that_was_overtaken_is_known_by_its_version(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  (void)tw_test_wire_move(&wire, bob, alice, SIZE_MAX);
  tw_buf held = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&held, tw_channel_output(alice->channel)), TW_OK);
  assert_true(held.len > 0);
  tw_channel *overtaken = bob->channel;
  bob->channel = NULL;
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
  assert_alive();
  const uint64_t now = bob->saves;
  tw_channel *newer = bob->channel;
  assert_int_equal(tw_channel_version(newer), now);
  bob->channel = overtaken;
  bob->disk_full = true;
  (void)tw_test_side_give(&wire, bob, tw_buf_bytes(&held));
  assert_true(tw_channel_unsaved(overtaken));
  assert_true(tw_channel_version(overtaken) < now);
  tw_channel_free(overtaken); /* what its owner does then */
  bob->disk_full = false;
  bob->channel = newer;
  assert_alive();
  tw_buf_clear(&held);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      DURABLE(sessions_that_are_not_there_are_told_as_such),
      DURABLE(damaged_sessions_are_as_none),
      DURABLE(an_old_copy_on_either_side_is_told),
      DURABLE(resumption_messages_are_refused_in_a_channel),
      DURABLE(a_live_session_is_not_given_up_for_what_may_be_a_replay),
      DURABLE(a_connection_that_was_overtaken_is_known_by_its_version),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
