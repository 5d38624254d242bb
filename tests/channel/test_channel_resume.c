/* Channels that go on with a session: D5, D6, adopt, save, send. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice;
static tw_test_side *const bob = &wire.bob;

static int setup(void **state) {
  (void)state;
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  tw_test_wire_durable(&wire);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_wire_clear(&wire);
  return 0;
}

static void assert_received(tw_test_side *side, tw_bytes expected) {
  tw_test_same(tw_buf_bytes(&side->received), expected);
  side->received.len = 0;
}

static void assert_resumed(const tw_test_side *side) {
  const tw_channel_event *event = tw_test_side_event(side, TW_CHANNEL_ESTABLISHED);
  assert_non_null(event);
  assert_true(event->resumed);
}

/* Data goes both ways and keys can be renewed. */
static void assert_alive(void) {
  tw_test_side_write(alice, TW_LITERAL("to bob"));
  tw_test_side_write(bob, TW_LITERAL("to alice"));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_received(bob, TW_LITERAL("to bob"));
  assert_received(alice, TW_LITERAL("to alice"));
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  tw_test_side_save(bob);
  tw_test_wire_run(&wire, SIZE_MAX);
  tw_test_wire_same_epoch(&wire);
  tw_test_side_write(alice, TW_LITERAL("again"));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_received(bob, TW_LITERAL("again"));
}

static void run_resumption(void) {
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_resumed(alice);
  assert_resumed(bob);
  tw_test_wire_same_epoch(&wire);
}

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

static void data_of_the_first_flight_arrives_with_it(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  assert_true(tw_channel_writable(alice->channel));
  tw_test_side_write(alice, TW_LITERAL("with the first flight"));
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_resumed(bob);
  assert_received(bob, TW_LITERAL("with the first flight"));
  /* And the answer to it with the second. */
  tw_test_side_write(bob, TW_LITERAL("with the second"));
  (void)tw_test_wire_move(&wire, bob, alice, SIZE_MAX);
  assert_received(alice, TW_LITERAL("with the second"));
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_ESTABLISHED)->early_bytes, 21);
  run_resumption();
  assert_alive();
}

static void early_data_is_bounded_and_the_rest_waits(void **state) {
  (void)state;
  static uint8_t data[100000];
  memset(data, 'x', sizeof data);
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  alice->channel->options.output_high_water = 1 << 20;
  size_t taken, sent = 0;
  assert_int_equal(tw_channel_write(alice->channel, TW_ARRAY(data), &taken), TW_OK);
  sent = taken;
  assert_true(sent > TW_EARLY_DATA_MAX / 2);
  assert_true(sent <= TW_EARLY_DATA_MAX);
  while (taken > 0) {
    assert_int_equal(tw_channel_write(alice->channel, TW_BYTES(data, 1000), &taken), TW_OK);
    sent += taken;
  }
  run_resumption();
  tw_test_side_write(alice, TW_LITERAL("rest"));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(bob->received.len, sent + 4);
}

/* The response is lost: the commit is known, so data that follows it may be a replay. It comes again, once. */
static void early_data_that_may_be_a_replay_is_sent_again_after_the_response(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("first try"));
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_received(bob, TW_LITERAL("first try"));
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("second"));
  tw_test_side_write(alice, TW_LITERAL(" try"));
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_int_equal(bob->received.len, 0);
  assert_null(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED));
  run_resumption();
  assert_received(bob, TW_LITERAL("second try"));
  assert_alive();
}

static void a_replayed_first_flight_delivers_nothing(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("once"));
  tw_buf flight = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&flight, tw_channel_output(alice->channel)), TW_OK);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_received(bob, TW_LITERAL("once"));
  for (unsigned i = 0; i < 3; i++) { /* before the response was confirmed, and after */
    tw_channel *live = bob->channel;
    tw_buf before = bob->disk;
    bob->disk = (tw_buf){.alloc = before.alloc};
    assert_int_equal(tw_buf_append(&bob->disk, tw_buf_bytes(&before)), TW_OK);
    const size_t saves = bob->saves;
    bob->in_use = true;
    bob->event_count = 0;
    assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
    const tw_err err = tw_test_side_give(&wire, bob, tw_buf_bytes(&flight));
    assert_int_equal(err, i == 0 ? TW_ERR_DUPLICATE : TW_ERR_APART);
    assert_null(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED));
    assert_int_equal(bob->received.len, 0);
    assert_int_equal(bob->saves, saves);
    tw_test_same(tw_buf_bytes(&bob->disk), tw_buf_bytes(&before));
    tw_channel_free(bob->channel);
    tw_buf_clear(&before);
    bob->channel = live;
    tw_test_wire_run(&wire, SIZE_MAX);
  }
  assert_alive();
  tw_buf_clear(&flight);
}

/*
 * Somebody has the first flight taken on a connection of his own, and Alice answered on another one, where her data
 * would not be taken: she would send them again, and Bob would have them twice.
 */
static void early_data_is_not_sent_again_after_it_was_taken_elsewhere(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("once"));
  tw_buf flight = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&flight, tw_channel_output(alice->channel)), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&flight)), TW_OK);
  assert_received(bob, TW_LITERAL("once"));
  tw_channel_free(bob->channel);
  bob->event_count = 0;
  assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(bob->received.len, 0);
  assert_null(tw_test_side_event(alice, TW_CHANNEL_ESTABLISHED));
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_ERR_DUPLICATE);
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
  assert_alive();
  tw_buf_clear(&flight);
}

/* Both have asked, neither was heard. Who hears the other's request and asks on passes over its early data, all of it.
 */
static void long_early_data_behind_a_request_that_crosses_arrives_once(void **state) {
  (void)state;
  static uint8_t data[TW_RECORD_PLAINTEXT_MAX + 1000];
  memset(data, 'x', sizeof data);
  bool crossed = false;
  for (unsigned i = 0; i < 2; i++) {
    tw_test_side *const first = i == 0 ? alice : bob, *const second = i == 0 ? bob : alice;
    tw_test_wire_clear(&wire);
    tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
    tw_test_wire_durable(&wire);
    tw_test_wire_establish(&wire);
    tw_test_wire_reopen(&wire, first);
    tw_test_wire_reopen(&wire, second);
    tw_test_side_write(second, TW_ARRAY(data));
    (void)tw_test_wire_move(&wire, second, first, SIZE_MAX);
    crossed |= first->received.len == 0;
    run_resumption();
    assert_received(first, TW_ARRAY(data));
    assert_alive();
  }
  assert_true(crossed);
}

/* Bob's answer to a request that came to nothing, in place of one to the next request with the same commit. */
static void an_answer_to_an_earlier_request_establishes_nobody(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("early"));
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_received(bob, TW_LITERAL("early"));
  tw_buf answer = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&answer, tw_channel_output(bob->channel)), TW_OK);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("early"));
  (void)tw_test_side_give(&wire, alice, tw_buf_bytes(&answer));
  assert_int_equal(alice->last, TW_ERR_DECRYPT);
  assert_null(tw_test_side_event(alice, TW_CHANNEL_ESTABLISHED));
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("early"));
  run_resumption();
  assert_received(bob, TW_LITERAL("early"));
  assert_alive();
  tw_buf_clear(&answer);
}

/* As on any path: bytes of the first flight cut, repeated or left out are noticed. */
static void early_records_kept_back_are_missed(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_wire_reopen(&wire, alice);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX); /* the request */
  tw_test_side_write(alice, TW_LITERAL("one"));
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  tw_test_side_write(alice, TW_LITERAL("two"));
  tw_channel_output_sent(alice->channel, tw_channel_output(alice->channel).len); /* and nobody gets it */
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_received(bob, TW_LITERAL("one"));
  const tw_channel_event *closed = tw_test_side_event(bob, TW_CHANNEL_CLOSED);
  assert_non_null(closed);
  assert_int_equal(closed->reason, TW_ERR_DECRYPT);
  assert_int_equal(closed->alert, TW_ALERT_BAD_RECORD_MAC);
  /* Nothing is lost for good. */
  tw_test_wire_reopen(&wire, alice);
  run_resumption();
  assert_alive();
}

static void a_damaged_first_flight_never_establishes_and_loses_nothing(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  for (size_t at = 0;; at += at < 60 ? 1 : 13) {
    if (at == 1) at = 3; /* legacy_record_version is not looked at, RFC 8446 section 5.1 */
    tw_test_wire_reopen(&wire, alice);
    const tw_bytes flight = tw_channel_output(alice->channel);
    if (at >= flight.len) break;
    tw_buf bad = TW_BUF_INIT(&wire.test.alloc);
    assert_int_equal(tw_buf_append(&bad, flight), TW_OK);
    bad.ptr[at] ^= 0x10;
    (void)tw_test_side_give(&wire, bob, tw_buf_bytes(&bad));
    tw_channel_output_sent(alice->channel, flight.len);
    tw_test_wire_run(&wire, SIZE_MAX);
    const bool both = tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED) > 0 &&
                      tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED) > 0;
    assert_false(both);
    tw_buf_clear(&bad);
  }
  run_resumption();
  assert_alive();
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

/* ---- refusals ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(either_side_opens_the_next_connection),
      TEST(every_suite_resumes),
      TEST(data_of_the_first_flight_arrives_with_it),
      TEST(early_data_is_bounded_and_the_rest_waits),
      TEST(early_data_that_may_be_a_replay_is_sent_again_after_the_response),
      TEST(a_replayed_first_flight_delivers_nothing),
      TEST(early_data_is_not_sent_again_after_it_was_taken_elsewhere),
      TEST(long_early_data_behind_a_request_that_crosses_arrives_once),
      TEST(an_answer_to_an_earlier_request_establishes_nobody),
      TEST(early_records_kept_back_are_missed),
      TEST(a_damaged_first_flight_never_establishes_and_loses_nothing),
      TEST(nothing_leaves_before_it_is_saved),
      TEST(a_close_waits_for_the_disk),
      TEST(what_was_not_saved_has_not_happened),
      TEST(channels_that_are_not_durable_never_wait),
      TEST(sessions_that_are_not_there_are_told_as_such),
      TEST(damaged_sessions_are_as_none),
      TEST(an_old_copy_on_either_side_is_told),
      TEST(resumption_messages_are_refused_in_a_channel),
      TEST(a_live_session_is_not_given_up_for_what_may_be_a_replay),
      TEST(a_connection_that_was_overtaken_is_known_by_its_version),
      TEST(failing_memory_ends_a_connection_but_no_session),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
