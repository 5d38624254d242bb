/*
 * A peer that never comes to an end: records, messages and updates that bring nothing. Each kind has its limit, and
 * below
 * it work and memory do not grow with what comes. SPDX-License-Identifier: Apache-2.0
 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_hostile.h"

static tw_test_hostile h;
static size_t most_bytes; /* of memory, since watch() */
static size_t began_with, calls_before;

static int setup(void **state) {
  (void)state;
  tw_test_hostile_init(&h);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_hostile_clear(&h);
  return 0;
}

/* ---- what it costs ---- */

static void watch(void) {
  most_bytes = 0;
  began_with = h.wire.test.alloc_bytes;
  calls_before = h.wire.test.alloc_calls;
}

static void look(void) {
  const size_t now = h.wire.test.alloc_bytes;
  if (now > began_with && now - began_with > most_bytes) most_bytes = now - began_with;
}

static size_t calls(void) { return h.wire.test.alloc_calls - calls_before; }

/* ---- endless records ---- */

typedef struct endless {
  uint8_t type;
  tw_bytes content;
  bool is_protected;
} endless;

/* How many of them are taken in one moment before the channel ends; `most` if it does not. */
static size_t taken_of(const endless *what, size_t most) {
  for (size_t n = 0; n < most; n++) {
    const tw_err err = tw_test_throw(&h, what->is_protected, what->type, what->content);
    look();
    if (err == TW_OK) continue;
    assert_int_equal(err, TW_ERR_LIMIT);
    tw_test_assert_ended(&h, TW_ERR_LIMIT, TW_ALERT_ILLEGAL_PARAMETER);
    return n;
  }
  return most;
}

static void go_to(tw_channel_protocol protocol, bool by_alice, tw_test_phase phase) {
  const tw_test_stand stand = {protocol, by_alice, phase};
  static tw_test_stand at;
  at = stand;
  tw_test_hostile_go(&h, &at, 9);
}

static void check_limit(tw_channel_protocol protocol, bool by_alice, tw_test_phase phase, const endless *what) {
  /* As many as are allowed, and no more. */
  go_to(protocol, by_alice, phase);
  watch();
  const size_t few = h.victim->channel->idle_records.count;
  const size_t limit = h.victim->channel->options.idle_records_max;
  assert_int_equal(limit, 256);
  assert_int_equal(taken_of(what, 100000), limit - few);
  assert_true(most_bytes < 20000);
  tw_test_hostile_done(&h);

  /* Spread over time they are fine. */
  go_to(protocol, by_alice, phase);
  const size_t each = 200;
  const size_t seconds = tw_test_rounds(20, 2);
  for (size_t second = 0; second < seconds; second++) {
    h.wire.now_ms += 1000;
    assert_int_equal(taken_of(what, each), each);
  }
  tw_test_hostile_done(&h);

  /* Without a limit they go on, at no cost but the time to open them. */
  go_to(protocol, by_alice, phase);
  h.victim->channel->options.idle_records_max = 0;
  assert_int_equal(taken_of(what, 2), 2);
  watch();
  const size_t many = tw_test_rounds(3000, 300);
  assert_int_equal(taken_of(what, many), many);
  assert_true(most_bytes < 1000);
  assert_true(calls() <= 2);
  tw_test_hostile_done(&h);
}

static const endless nothing = {TW_RECORD_APPLICATION_DATA, TW_LITERAL(""), true};
static const endless warnings = {TW_RECORD_ALERT, TW_LITERAL("\1\x5a"), true};
static const endless plain_warnings = {TW_RECORD_ALERT, TW_LITERAL("\1\x5a"), false};
static const endless closes = {TW_RECORD_ALERT, TW_LITERAL("\1\0"), true};
static const endless late = {TW_RECORD_APPLICATION_DATA, TW_LITERAL("after the end"), true};
static const endless ccs = {TW_RECORD_CHANGE_CIPHER_SPEC, TW_LITERAL("\1"), false};

static void endless_empty_records_have_a_limit(void **state) {
  (void)state;
  for (unsigned i = 0; i < 4; i++)
    check_limit(i < 2 ? TW_CHANNEL_MLS_TLS : TW_CHANNEL_TLS, i % 2 == 0, TW_TEST_UP, &nothing);
}

static void endless_warnings_have_a_limit(void **state) {
  (void)state;
  for (unsigned i = 0; i < 4; i++) {
    const tw_channel_protocol protocol = i < 2 ? TW_CHANNEL_MLS_TLS : TW_CHANNEL_TLS;
    check_limit(protocol, i % 2 == 0, TW_TEST_UP, &warnings);
    check_limit(protocol, i % 2 == 0, TW_TEST_HELLO, &plain_warnings);
  }
}

static void what_comes_after_close_notify_has_a_limit(void **state) {
  (void)state;
  for (unsigned i = 0; i < 4; i++) {
    const tw_channel_protocol protocol = i < 2 ? TW_CHANNEL_MLS_TLS : TW_CHANNEL_TLS;
    check_limit(protocol, i % 2 == 0, TW_TEST_HALF_CLOSED, &closes);
    check_limit(protocol, i % 2 == 0, TW_TEST_HALF_CLOSED, &late);
  }
}

static void endless_change_cipher_spec_has_a_limit(void **state) {
  (void)state;
  check_limit(TW_CHANNEL_TLS, true, TW_TEST_HELLO, &ccs);
  check_limit(TW_CHANNEL_TLS, true, TW_TEST_RETRIED, &ccs);
  check_limit(TW_CHANNEL_TLS, false, TW_TEST_RETRIED, &ccs);
  check_limit(TW_CHANNEL_TLS, true, TW_TEST_ENCRYPTED, &ccs);
  check_limit(TW_CHANNEL_TLS, false, TW_TEST_FINISHED, &ccs);
}

/* Where all bytes are kept, since they may be for another library, there is an end to it, too. */
static void bytes_kept_for_another_library_are_bounded(void **state) {
  (void)state;
  go_to(TW_CHANNEL_TLS, false, TW_TEST_RETRIED);
  h.tls[1].standard = true;
  watch();
  for (unsigned second = 0; second < 29; second++) {
    h.wire.now_ms += 1000;
    assert_int_equal(taken_of(&ccs, 250), 250);
  }
  assert_true(h.victim->channel->raw.len < 64 * 1024);
  assert_int_equal(tw_channel_tick(h.victim->channel, h.wire.now_ms + 2000), TW_ERR_TIMEOUT);
  tw_test_hostile_done(&h);
}

/* ---- endless messages ---- */

/* One byte in each record, of a message that would be as long as we take them. */
static void endless_fragments_have_a_limit(void **state) {
  (void)state;
  const endless byte = {TW_RECORD_HANDSHAKE, TW_LITERAL("\0"), true};
  const endless plain = {TW_RECORD_HANDSHAKE, TW_LITERAL("\0"), false};
  for (unsigned i = 0; i < 8; i++) {
    const bool up = i < 4;
    go_to(i % 2 == 0 ? TW_CHANNEL_MLS_TLS : TW_CHANNEL_TLS, (i & 2) != 0, up ? TW_TEST_UP : TW_TEST_HELLO);
    assert_int_equal(tw_test_throw(&h, up, TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\1")), TW_OK);
    watch();
    const size_t limit = h.victim->channel->options.message_records_max;
    assert_int_equal(limit, 1100);
    assert_int_equal(taken_of(up ? &byte : &plain, 100000), limit - 2);
    assert_true(most_bytes < 16384);
    assert_true(calls() < 40); /* the buffer doubles */
    tw_test_hostile_done(&h);
  }
}

/* The longest message in the smallest records that RFC 8449 has is within the limits. */
static void the_longest_message_may_come_in_the_smallest_records(void **state) {
  (void)state;
  const uint32_t most = tw_channel_options_default.handshake_message_max + 4;
  assert_true((most + 62) / 63 < tw_channel_options_default.message_records_max);
}

/* ---- endless updates ---- */

/* The peer updates, and the victim answers; false when that was one too many. */
static bool update(void) {
  assert_int_equal(tw_channel_rekey(h.peer->channel, h.wire.now_ms), TW_OK);
  tw_test_side_save(h.peer);
  tw_test_wire_run(&h.wire, SIZE_MAX);
  look();
  if (!tw_channel_ended(h.victim->channel)) {
    h.victim->event_count = h.peer->event_count = 0;
    return true;
  }
  tw_test_assert_ended(&h, TW_ERR_LIMIT, TW_ALERT_ILLEGAL_PARAMETER);
  assert_int_equal(tw_test_side_event(h.peer, TW_CHANNEL_CLOSED)->alert, TW_ALERT_ILLEGAL_PARAMETER);
  return false;
}

static void go_to_updates(unsigned which, uint32_t limit) {
  go_to(which < 2 ? TW_CHANNEL_MLS_TLS : TW_CHANNEL_TLS, which % 2 == 0, TW_TEST_UP);
  tw_test_wire_run(&h.wire, SIZE_MAX); /* the one that is due there */
  assert_int_equal(h.victim->channel->options.peer_updates_max, 600);
  h.victim->channel->options.peer_updates_max = limit;
  h.victim->event_count = h.peer->event_count = 0;
  watch();
}

static void endless_updates_have_a_limit(void **state) {
  (void)state;
  enum { LIMIT = 20 };
  for (unsigned i = 0; i < 4; i++) {
    go_to_updates(i, LIMIT);
    for (unsigned n = 1; n < LIMIT; n++) assert_true(update());
    assert_true(most_bytes < 40000);
    assert_false(update());
    tw_test_hostile_done(&h);
    /* By the minute. */
    go_to_updates(i, LIMIT);
    for (unsigned n = 0; n < 3 * LIMIT; n++) {
      h.wire.now_ms += 60000 / LIMIT + 1;
      assert_true(update());
    }
    tw_test_hostile_done(&h);
  }
}

/* Renewing keys often is everybody's own affair as long as there is data to renew them for. */
static void updates_with_data_have_none(void **state) {
  (void)state;
  static uint8_t data[TW_UPDATE_DATA];
  go_to_updates(0, 1);
  for (unsigned n = 0; n < 20; n++) {
    h.peer->channel->options.output_high_water = 2 * sizeof data;
    tw_test_side_write(h.peer, TW_ARRAY(data));
    tw_test_wire_run(&h.wire, SIZE_MAX);
    h.victim->received.len = 0;
    assert_true(update());
  }
  assert_false(update());
  tw_test_hostile_done(&h);
}

/* ---- answers that nobody takes ---- */

/* Each update is answered. Who does not take the answers is not read from any more. */
static void answers_do_not_pile_up(void **state) {
  (void)state;
  go_to_updates(0, 0);
  h.victim->options.output_high_water = 4096;
  h.victim->channel->options.output_high_water = 4096;
  const size_t most = 4096 + TW_ANSWERS_MAX;
  /* As if they had been answers: what matters is how much there is. */
  uint8_t *ptr;
  size_t room;
  tw_buf *out = &h.victim->channel->output;
  static uint8_t answer[16384];
  while (out->len - h.victim->channel->output_at < most) {
    assert_int_equal(tw_channel_input_buffer(h.victim->channel, &ptr, &room), TW_OK);
    assert_true(room > 0);
    assert_int_equal(tw_channel_put(h.victim->channel, TW_RECORD_APPLICATION_DATA, TW_ARRAY(answer)), TW_OK);
  }
  assert_int_equal(tw_channel_input_buffer(h.victim->channel, &ptr, &room), TW_OK);
  assert_int_equal(room, 0);
  size_t taken;
  assert_int_equal(tw_channel_input(h.victim->channel, TW_LITERAL("\x17"), h.wire.now_ms, &taken), TW_OK);
  assert_int_equal(taken, 0);
  /* Once they are taken, it goes on. */
  tw_test_wire_run(&h.wire, SIZE_MAX);
  assert_true(update());
  tw_test_hostile_done(&h);
}

/* ---- early data that cannot be taken ---- */

/* A connection of whoever has seen a request: it repeats it, and 64 KiB of anything, and no byte more. */
static void what_is_passed_over_has_an_end(void **state) {
  (void)state;
  go_to(TW_CHANNEL_MLS_TLS, false, TW_TEST_REQUESTED);
  tw_buf request = {0};
  assert_int_equal(tw_buf_append(&request, tw_channel_output(h.peer->channel)), TW_OK);
  tw_test_wire_run(&h.wire, SIZE_MAX);
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 1);
  tw_test_wire_reopen(&h.wire, h.peer); /* a connection on which the honest one says nothing yet */
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&request)), TW_ERR_APART);
  tw_test_hostile_done(&h);

  go_to(TW_CHANNEL_MLS_TLS, false, TW_TEST_REQUESTED);
  assert_true(tw_test_wire_move(&h.wire, h.peer, h.victim, SIZE_MAX));
  tw_test_wire_reopen(&h.wire,
                      h.peer); /* the answer was lost, the same commit comes again: early data may be a replay */
  assert_true(tw_test_wire_move(&h.wire, h.peer, h.victim, SIZE_MAX));
  static const uint8_t garbage[5 + 64] = {TW_RECORD_APPLICATION_DATA, 3, 3, 0, 64};
  const size_t passes = TW_EARLY_DATA_MAX / sizeof garbage;
  watch();
  for (size_t n = 0; n < passes; n++) {
    assert_int_equal(tw_test_side_give(&h.wire, h.victim, TW_ARRAY(garbage)), TW_OK);
    look();
  }
  assert_true(most_bytes < 20000);
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, TW_ARRAY(garbage)), TW_ERR_DECRYPT);
  tw_test_assert_ended(&h, TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC);
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 0);
  tw_test_hostile_done(&h);
  tw_buf_clear(&request);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(endless_empty_records_have_a_limit),
      TEST(endless_warnings_have_a_limit),
      TEST(what_comes_after_close_notify_has_a_limit),
      TEST(endless_change_cipher_spec_has_a_limit),
      TEST(bytes_kept_for_another_library_are_bounded),
      TEST(endless_fragments_have_a_limit),
      TEST(the_longest_message_may_come_in_the_smallest_records),
      TEST(endless_updates_have_a_limit),
      TEST(updates_with_data_have_none),
      TEST(answers_do_not_pile_up),
      TEST(what_is_passed_over_has_an_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
