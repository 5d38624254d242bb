/* What a channel refuses, and how it ends when its surroundings fail. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice;
static tw_test_side *const bob = &wire.bob;
static uint8_t pattern[70000];

static void begin(void) { tw_test_wire_init(&wire, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519")); }

static int setup(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)(i * 31 + (i >> 8));
  begin();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_wire_clear(&wire);
  return 0;
}

static void again(void) {
  tw_test_wire_clear(&wire);
  begin();
}

/* `side` has ended with this error and has told the alert; it holds no keys any more. */
static void assert_ended(const tw_test_side *side, tw_err reason, uint8_t alert) {
  const tw_channel_event *event = tw_test_side_event(side, TW_CHANNEL_CLOSED);
  assert_non_null(event);
  assert_int_equal(event->reason, reason);
  assert_int_equal(event->alert, alert);
  assert_false(tw_record_key_is_set(&side->channel->send));
  assert_false(tw_record_key_is_set(&side->channel->receive));
  assert_false(tw_record_key_is_set(&side->channel->receive_next));
  assert_null(side->channel->pair);
  assert_int_equal(side->channel->input.cap, 0);
}

/* A record by `from` that its own functions would not make, given to `to`. */
static tw_err give_record(tw_test_side *from, tw_test_side *to, uint8_t type, tw_bytes content) {
  assert_int_equal(tw_channel_output(from->channel).len, 0);
  assert_int_equal(tw_channel_put(from->channel, type, content), TW_OK);
  const tw_err err = tw_test_side_give(&wire, to, tw_channel_output(from->channel));
  tw_channel_output_sent(from->channel, tw_channel_output(from->channel).len);
  return err;
}

/* ---- before there are keys ---- */

static void strangers_are_refused(void **state) {
  (void)state;
  static const struct {
    tw_bytes input;
    tw_err err;
    uint8_t alert;
  } cases[] = {
      {TW_LITERAL("GET / HTTP/1.1\r\n"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_LITERAL("\x16\x03\x01\x40\x01"), TW_ERR_ENCODING, TW_ALERT_RECORD_OVERFLOW},
      {TW_LITERAL("\x17\x03\x03\x00\x01x"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_LITERAL("\x14\x03\x03\x00\x01\x01"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_LITERAL("\x16\x03\x03\x00\x00"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      /* A TLS ClientHello and KeyUpdate. */
      {TW_LITERAL("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_LITERAL("\x16\x03\x03\x00\x05\x18\x00\x00\x01\x00"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_LITERAL("\x16\x03\x03\x00\x04\xf4\x01\x00\x01"), TW_ERR_LIMIT, TW_ALERT_ILLEGAL_PARAMETER},
      {TW_LITERAL("\x16\x03\x03\x00\x04\xf4\x00\x00\x00"), TW_ERR_TRUNCATED, TW_ALERT_DECODE_ERROR},
      {TW_LITERAL("\x16\x03\x03\x00\x09\xf4\x00\x00\x05\x00\x02\x00\x01x"), TW_ERR_UNSUPPORTED,
       TW_ALERT_HANDSHAKE_FAILURE},
      {TW_LITERAL("\x16\x03\x03\x00\x09\xf4\x00\x00\x05\x00\x01\x00\x07x"), TW_ERR_ENCODING, TW_ALERT_DECODE_ERROR},
      {TW_LITERAL("\x16\x03\x03\x00\x09\xf4\x00\x00\x05\x00\x01\x00\x05x"), TW_ERR_TRUNCATED, TW_ALERT_DECODE_ERROR},
      {TW_LITERAL("\x16\x03\x03\x00\x09\xf4\x00\x00\x05\x00\x01\x00\x02x"), TW_ERR_UNEXPECTED,
       TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_LITERAL("\x15\x03\x03\x00\x03\x02\x28\x00"), TW_ERR_ENCODING, TW_ALERT_DECODE_ERROR},
      {TW_LITERAL("\x15\x03\x03\x00\x02\x02\x28"), TW_ERR_ALERT, 40},
      {TW_LITERAL("\x15\x03\x03\x00\x02\x01\x00"), TW_ERR_ALERT, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    again();
    tw_test_wire_open(&wire);
    assert_int_equal(tw_test_side_give(&wire, bob, cases[i].input), cases[i].err);
    assert_ended(bob, cases[i].err, cases[i].alert);
    const tw_bytes out = tw_channel_output(bob->channel);
    if (cases[i].err == TW_ERR_ALERT) {
      assert_int_equal(out.len, 0);
    } else {
      const uint8_t alert[] = {TW_RECORD_ALERT, 3, 3, 0, 2, TW_ALERT_LEVEL_FATAL, cases[i].alert};
      tw_test_same(out, TW_ARRAY(alert));
    }
    assert_int_equal(tw_test_side_give(&wire, bob, cases[i].input), TW_ERR_CLOSED);
  }
}

static void fillers_between_handshake_records_are_refused(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  const tw_bytes hello = tw_channel_output(alice->channel);
  /* The first three bytes in a record of their own, then an alert. */
  uint8_t piece[] = {
      TW_RECORD_HANDSHAKE, 3, 3, 0, 3, hello.ptr[5], hello.ptr[6], hello.ptr[7], TW_RECORD_ALERT, 3, 3, 0, 2, 1, 0};
  assert_int_equal(tw_test_side_give(&wire, bob, TW_ARRAY(piece)), TW_ERR_UNEXPECTED);
  assert_ended(bob, TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
}

static void hellos_must_end_their_record(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  tw_buf hello = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&hello, tw_channel_output(alice->channel)), TW_OK);
  static const uint8_t more = 0xf4;
  assert_int_equal(tw_buf_append(&hello, TW_BYTES(&more, 1)), TW_OK);
  hello.ptr[3] = (uint8_t)((hello.len - 5) >> 8);
  hello.ptr[4] = (uint8_t)(hello.len - 5);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&hello)), TW_ERR_UNEXPECTED);
  tw_buf_clear(&hello);
}

static void a_damaged_handshake_never_establishes(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  tw_buf hello = TW_BUF_INIT(NULL), answer = TW_BUF_INIT(NULL);
  assert_int_equal(tw_buf_append(&hello, tw_channel_output(alice->channel)), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&hello)), TW_OK);
  assert_int_equal(tw_buf_append(&answer, tw_channel_output(bob->channel)), TW_OK);
  for (size_t i = 0; i < hello.len; i++) {
    if (i == 1 || i == 2) continue; /* legacy_record_version is ignored */
    tw_channel_free(bob->channel);
    bob->event_count = 0;
    assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
    hello.ptr[i] ^= (uint8_t)(1u << (i % 8));
    (void)tw_test_side_give(&wire, bob, tw_buf_bytes(&hello));
    hello.ptr[i] ^= (uint8_t)(1u << (i % 8));
    assert_null(bob->channel->pair);
    assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 0);
  }
  for (size_t i = 0; i < answer.len; i += 3) {
    if (i == 1 || i == 2) continue;
    tw_channel_free(alice->channel);
    alice->event_count = 0;
    wire.test.random_state = 77;
    assert_int_equal(tw_channel_connect(&alice->config, wire.now_ms, &alice->channel), TW_OK);
    answer.ptr[i] ^= (uint8_t)(1u << (i % 8));
    (void)tw_test_side_give(&wire, alice, tw_buf_bytes(&answer));
    answer.ptr[i] ^= (uint8_t)(1u << (i % 8));
    assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED), 0);
  }
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
}

/* ---- under keys ---- */

static void every_damaged_record_ends_the_channel(void **state) {
  (void)state;
  for (size_t at = 0; at < 32; at++) {
    again();
    tw_test_wire_establish(&wire);
    tw_test_side_write(alice, TW_BYTES(pattern, 10));
    tw_buf record = TW_BUF_INIT(&wire.test.alloc);
    assert_int_equal(tw_buf_append(&record, tw_channel_output(alice->channel)), TW_OK);
    assert_int_equal(record.len, 32);
    record.ptr[at] ^= 1;
    if (at == 4) { /* one byte more: the record is not whole yet */
      assert_int_equal(tw_buf_append(&record, TW_BYTES(pattern, 1)), TW_OK);
    }
    const tw_err err = tw_test_side_give(&wire, bob, tw_buf_bytes(&record));
    if (at == 3) { /* 256 bytes more: nothing to look at, and the end of the stream is a truncation */
      assert_int_equal(err, TW_OK);
      assert_int_equal(tw_channel_input_end(bob->channel, wire.now_ms), TW_ERR_TRUNCATION);
    } else {
      assert_int_equal(err, at == 0 ? TW_ERR_UNEXPECTED : TW_ERR_DECRYPT);
      assert_ended(bob, err, at == 0 ? TW_ALERT_UNEXPECTED_MESSAGE : TW_ALERT_BAD_RECORD_MAC);
      tw_test_wire_run(&wire, SIZE_MAX);
      if (at != 0) assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->alert, TW_ALERT_BAD_RECORD_MAC);
    }
    assert_int_equal(bob->received.len, 0);
    tw_buf_clear(&record);
  }
}

static void replayed_and_dropped_records_are_refused(void **state) {
  (void)state;
  for (unsigned dropped = 0; dropped < 2; dropped++) {
    again();
    tw_test_wire_establish(&wire);
    tw_test_side_write(alice, TW_BYTES(pattern, 10));
    tw_buf record = TW_BUF_INIT(&wire.test.alloc);
    assert_int_equal(tw_buf_append(&record, tw_channel_output(alice->channel)), TW_OK);
    tw_channel_output_sent(alice->channel, record.len);
    if (dropped == 0) {
      assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&record)), TW_OK);
      assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&record)), TW_ERR_DECRYPT);
    } else {
      tw_test_side_write(alice, TW_BYTES(pattern, 10));
      assert_int_equal(tw_test_side_give(&wire, bob, tw_channel_output(alice->channel)), TW_ERR_DECRYPT);
    }
    tw_buf_clear(&record);
  }
}

static void forbidden_records_end_the_channel(void **state) {
  (void)state;
  static const struct {
    uint8_t type;
    tw_bytes content;
    tw_err err;
    uint8_t alert;
  } cases[] = {
      {TW_RECORD_ALERT, TW_LITERAL("\x02"), TW_ERR_ENCODING, TW_ALERT_DECODE_ERROR},
      {TW_RECORD_ALERT, TW_LITERAL("\x01\x00\x00"), TW_ERR_ENCODING, TW_ALERT_DECODE_ERROR},
      {TW_RECORD_ALERT, TW_LITERAL("\x01\x14"), TW_ERR_ALERT, 20},
      {TW_RECORD_ALERT, TW_LITERAL("\x02\xfe"), TW_ERR_ALERT, 254},
      /* KeyUpdate of TLS 1.3 */
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\x18\x00\x00\x01\x00"), TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\xff\xff\xff"), TW_ERR_LIMIT, TW_ALERT_ILLEGAL_PARAMETER},
      /* client_hello, server_hello, epoch_key_update, resumption_request */
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00\x00\x05\x00\x01\x00\x01x"), TW_ERR_UNEXPECTED,
       TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00\x00\x05\x00\x01\x00\x02x"), TW_ERR_UNEXPECTED,
       TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00\x00\x0c\x00\x01\x00\x04\0\0\0\0\0\0\0\x02"), TW_ERR_UNEXPECTED,
       TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00\x00\x05\x00\x01\x00\x05x"), TW_ERR_UNEXPECTED,
       TW_ALERT_UNEXPECTED_MESSAGE},
      {TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00\x00\x05\x00\x01\x00\x03x"), TW_ERR_TRUNCATED, TW_ALERT_DECODE_ERROR},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    again();
    tw_test_wire_establish(&wire);
    assert_int_equal(give_record(alice, bob, cases[i].type, cases[i].content), cases[i].err);
    assert_ended(bob, cases[i].err, cases[i].alert);
  }
}

static void warnings_and_late_data_are_ignored(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(give_record(alice, bob, TW_RECORD_ALERT, TW_LITERAL("\x01\x5a")), TW_OK);
  assert_int_equal(give_record(alice, bob, TW_RECORD_ALERT, TW_LITERAL("\x01\x00")), TW_OK);
  assert_int_equal(give_record(alice, bob, TW_RECORD_ALERT, TW_LITERAL("\x01\x00")), TW_OK);
  assert_int_equal(give_record(alice, bob, TW_RECORD_APPLICATION_DATA, TW_LITERAL("late")), TW_OK);
  assert_int_equal(bob->received.len, 0);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_PEER_CLOSED), 1);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_CLOSED), 0);
}

static void a_handshake_message_may_span_records_but_nothing_else(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(give_record(alice, bob, TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00")), TW_OK);
  assert_int_equal(give_record(alice, bob, TW_RECORD_HANDSHAKE, TW_LITERAL("\x00\x05\x00")), TW_OK);
  assert_int_equal(give_record(alice, bob, TW_RECORD_APPLICATION_DATA, TW_LITERAL("x")), TW_ERR_UNEXPECTED);
}

/* The tie of D4's trial: after an update the old key's place may only be taken by the new one from its record 0 on. */
static void no_record_of_the_new_key_can_be_dropped(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  assert_true(tw_test_wire_move(&wire, bob, alice, SIZE_MAX));
  assert_true(tw_record_key_is_set(&alice->channel->receive_next));
  assert_true(tw_test_wire_move(&wire, alice, bob, SIZE_MAX));
  /* Bob's switch: an empty record. Without it the next one does not open under either key. */
  const size_t first = tw_channel_output(bob->channel).len;
  assert_int_equal(first, 22);
  tw_channel_output_sent(bob->channel, first);
  tw_test_side_write(bob, TW_BYTES(pattern, 5));
  assert_int_equal(tw_test_side_give(&wire, alice, tw_channel_output(bob->channel)), TW_ERR_DECRYPT);
  assert_ended(alice, TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC);
}

/* What was sent under the old key cannot be cut off behind the back of both: the new key's first record counts it. */
static void records_cannot_be_cut_off_before_the_switch(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  assert_true(tw_test_wire_move(&wire, bob, alice, SIZE_MAX));
  tw_test_side_write(bob, TW_LITERAL("do not "));
  const size_t cut = tw_channel_output(bob->channel).len;
  assert_true(tw_test_wire_move(&wire, alice, bob, SIZE_MAX));
  tw_test_side_write(bob, TW_LITERAL("pay"));
  tw_channel_output_sent(bob->channel, cut);
  assert_int_equal(tw_test_side_give(&wire, alice, tw_channel_output(bob->channel)), TW_ERR_DECRYPT);
  assert_int_equal(alice->received.len, 0);
  assert_ended(alice, TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC);
}

static void the_old_key_goes_with_the_first_new_record(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  tw_test_side_write(bob, TW_BYTES(pattern, 5));
  assert_true(tw_test_wire_move(&wire, bob, alice, SIZE_MAX));
  assert_true(tw_record_key_is_set(&alice->channel->receive_next));
  assert_int_equal(alice->received.len, 5);
  assert_true(tw_test_wire_move(&wire, alice, bob, SIZE_MAX));
  assert_true(tw_test_wire_move(&wire, bob, alice, SIZE_MAX));
  assert_false(tw_record_key_is_set(&alice->channel->receive_next));
  assert_int_equal(alice->channel->receive.sequence, bob->channel->send.sequence);
  assert_int_equal(alice->channel->trial.cap, 0);
}

static void handshake_messages_do_not_span_the_switch(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  assert_true(tw_test_wire_move(&wire, bob, alice, SIZE_MAX));
  /* The beginning of a message under the old key, its end under the new one. */
  assert_int_equal(give_record(bob, alice, TW_RECORD_HANDSHAKE, TW_LITERAL("\xf4\x00")), TW_OK);
  assert_true(tw_test_wire_move(&wire, alice, bob, SIZE_MAX));
  tw_channel_output_sent(bob->channel, 0);
  assert_int_equal(tw_test_side_give(&wire, alice, tw_channel_output(bob->channel)), TW_ERR_UNEXPECTED);
}

static void confirmations_must_end_their_record(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  tw_channel_output_sent(bob->channel, tw_channel_output(bob->channel).len);
  static const uint8_t two[] = {0xf4, 0, 0, 12, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0xf4};
  assert_int_equal(give_record(alice, bob, TW_RECORD_HANDSHAKE, TW_ARRAY(two)), TW_ERR_UNEXPECTED);
}

static void a_forged_confirmation_leads_nowhere(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  tw_channel_output_sent(bob->channel, tw_channel_output(bob->channel).len);
  static const uint8_t wrong[] = {0xf4, 0, 0, 12, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3};
  assert_int_equal(give_record(alice, bob, TW_RECORD_HANDSHAKE, TW_ARRAY(wrong)), TW_ERR_UNEXPECTED);
  assert_ended(bob, TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
}

static void key_limits_force_an_update(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  alice->channel->send.sequence = bob->channel->receive.sequence = alice->channel->send.limit - 1026;
  tw_test_side_write(alice, TW_BYTES(pattern, 1));
  tw_channel_status status;
  tw_channel_get_status(alice->channel, &status);
  assert_int_equal(status.pair.state, TW_PAIR_LEADING);
  size_t taken;
  assert_int_equal(tw_channel_write(alice->channel, TW_BYTES(pattern, 1), &taken), TW_OK);
  assert_int_equal(taken, 0);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_REKEYED)->cause, TW_REKEY_BYTES);
  tw_test_side_write(alice, TW_BYTES(pattern, 1));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(bob->received.len, 2);
}

/* ---- failures of the surroundings ---- */

/* A handshake, data, an update by each side and the end, as far as it gets. */
static void converse(void) {
  if (tw_channel_connect(&alice->config, wire.now_ms, &alice->channel) != TW_OK) return;
  if (tw_channel_accept(&bob->config, wire.now_ms, &bob->channel) != TW_OK) return;
  tw_test_wire_run(&wire, SIZE_MAX);
  for (unsigned i = 0; i < 2; i++) {
    size_t taken;
    (void)!tw_channel_write(alice->channel, TW_BYTES(pattern, 16384), &taken);
    (void)!tw_channel_rekey(i == 0 ? alice->channel : bob->channel, wire.now_ms);
    (void)!tw_channel_write(bob->channel, TW_BYTES(pattern, 16384), &taken);
    tw_test_wire_run(&wire, SIZE_MAX);
  }
  (void)!tw_channel_close(alice->channel);
  (void)!tw_channel_close(bob->channel);
  tw_test_wire_run(&wire, SIZE_MAX);
}

/* What has come through is right, and nothing but the wanted error has ended anything. */
static void assert_clean(tw_err allowed) {
  tw_test_side *const sides[] = {alice, bob};
  for (size_t i = 0; i < 2; i++) {
    tw_test_side *side = sides[i];
    for (size_t at = 0; at < side->received.len; at += 16384) {
      const size_t len = side->received.len - at < 16384 ? side->received.len - at : 16384;
      assert_memory_equal(side->received.ptr + at, pattern, len);
    }
    const tw_channel_event *event = tw_test_side_event(side, TW_CHANNEL_CLOSED);
    if (event != NULL) assert_true(event->reason == TW_OK || event->reason == TW_ERR_ALERT || event->reason == allowed);
    tw_channel_free(side->channel);
    side->channel = NULL;
    tw_buf_clear(&side->received);
    side->event_count = 0;
  }
}

static void a_failing_allocator_is_survived(void **state) {
  (void)state;
  alice->received.alloc = NULL;
  bob->received.alloc = NULL;
  const size_t blocks = wire.test.alloc_blocks;
  for (size_t n = 1;; n += tw_test_rounds(1, 7)) {
    tw_test_fail_alloc(&wire.test, n);
    converse();
    const bool failed = wire.test.alloc_failed;
    tw_test_fail_alloc(&wire.test, 0);
    if (!failed) assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_CLOSED), 1);
    assert_clean(TW_ERR_NO_MEMORY);
    assert_int_equal(wire.test.alloc_blocks, blocks);
    if (!failed) break;
  }
}

static void failing_randomness_is_survived(void **state) {
  (void)state;
  alice->received.alloc = NULL;
  bob->received.alloc = NULL;
  for (size_t n = 1;; n++) {
    tw_test_fail_random(&wire.test, n);
    converse();
    const bool failed = wire.test.random_failed;
    if (!failed) assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_CLOSED), 1);
    assert_clean(TW_ERR_RANDOM);
    if (!failed) break;
  }
}

static void a_failed_update_is_tried_again(void **state) {
  (void)state;
  alice->options.rekey_after_ms = 1000;
  tw_test_wire_establish(&wire);
  wire.now_ms += 1000;
  tw_test_fail_random(&wire.test, 1);
  assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms), TW_OK);
  assert_true(wire.test.random_failed);
  assert_int_equal(tw_channel_output(alice->channel).len, 0);
  assert_int_equal(tw_channel_deadline(alice->channel), wire.now_ms + 1000);
  wire.now_ms += 1000;
  assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_REKEYED), 1);
}

static void every_error_has_an_alert_and_every_alert_a_name(void **state) {
  (void)state;
  static const struct {
    tw_err err;
    uint8_t alert;
  } cases[] = {{TW_OK, 0},
               {TW_ERR_TRUNCATED, 50},
               {TW_ERR_UNEXPECTED, 10},
               {TW_ERR_UNSUPPORTED, 40},
               {TW_ERR_BINDING, 40},
               {TW_ERR_CREDENTIAL, 49},
               {TW_ERR_LIFETIME, 45},
               {TW_ERR_SIGNATURE, 51},
               {TW_ERR_MAC, 51},
               {TW_ERR_KEY, 47},
               {TW_ERR_TREE, 47},
               {TW_ERR_NO_MEMORY, 80},
               {TW_ERR_RANDOM, 80},
               {TW_ERR_CERTIFICATE, 42},
               {TW_ERR_CERTIFICATE_USE, 43},
               {TW_ERR_CERTIFICATE_REVOKED, 44},
               {TW_ERR_CERTIFICATE_EXPIRED, 45},
               {TW_ERR_UNKNOWN_CA, 48}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(tw_channel_alert_of(cases[i].err), cases[i].alert);
    assert_string_not_equal(tw_channel_alert_name(cases[i].alert), "unknown");
  }
  assert_string_equal(tw_channel_alert_name(200), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(strangers_are_refused),
      TEST(fillers_between_handshake_records_are_refused),
      TEST(hellos_must_end_their_record),
      TEST(a_damaged_handshake_never_establishes),
      TEST(every_damaged_record_ends_the_channel),
      TEST(replayed_and_dropped_records_are_refused),
      TEST(forbidden_records_end_the_channel),
      TEST(warnings_and_late_data_are_ignored),
      TEST(a_handshake_message_may_span_records_but_nothing_else),
      TEST(no_record_of_the_new_key_can_be_dropped),
      TEST(records_cannot_be_cut_off_before_the_switch),
      TEST(the_old_key_goes_with_the_first_new_record),
      TEST(handshake_messages_do_not_span_the_switch),
      TEST(confirmations_must_end_their_record),
      TEST(a_forged_confirmation_leads_nowhere),
      TEST(key_limits_force_an_update),
      TEST(a_failing_allocator_is_survived),
      TEST(failing_randomness_is_survived),
      TEST(a_failed_update_is_tried_again),
      TEST(every_error_has_an_alert_and_every_alert_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
