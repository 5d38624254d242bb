/* The first flight of channels that go on, with data in it: taken once or not at all, D6. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "channel/resume_kit.h"

#include <string.h>

#include "channel/channel_internal.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      DURABLE(data_of_the_first_flight_arrives_with_it),
      DURABLE(early_data_is_bounded_and_the_rest_waits),
      DURABLE(early_data_that_may_be_a_replay_is_sent_again_after_the_response),
      DURABLE(a_replayed_first_flight_delivers_nothing),
      DURABLE(early_data_is_not_sent_again_after_it_was_taken_elsewhere),
      DURABLE(long_early_data_behind_a_request_that_crosses_arrives_once),
      DURABLE(an_answer_to_an_earlier_request_establishes_nobody),
      DURABLE(early_records_kept_back_are_missed),
      DURABLE(a_damaged_first_flight_never_establishes_and_loses_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
