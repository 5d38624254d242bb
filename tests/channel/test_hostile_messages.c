/*
 * label: no-valgrind
 * The message that is due, in every state, and what a peer can do to it: keep it back, cut it, double it, take it
 * apart,
 * put something between its pieces, lie about its length, take all the time in the world. SPDX-License-Identifier: Apache-2.0
 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_hostile.h"

static tw_test_hostile h;

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

/* ---- what is due, and what follows from that ---- */

/* A handshake message; else a record that shows the keys, at which nothing more can be taken apart. */
static bool due_is_message(void) { return h.next_type == TW_RECORD_HANDSHAKE; }

/* No keys change behind these two. */
static bool may_be_followed(void) {
  const tw_test_phase phase = h.stand->phase;
  return phase == TW_TEST_UP || phase == TW_TEST_HALF_CLOSED || phase == TW_TEST_ENCRYPTED;
}

static bool is_established(void) { return tw_channel_established(h.victim->channel); }

static tw_err give_due(tw_bytes content) { return tw_test_throw(&h, h.next_is_protected, h.next_type, content); }

/* Records of at most `size` bytes, in one piece or byte by byte. */
static tw_err give_in_records(tw_bytes content, size_t size, bool by_byte) {
  tw_buf all = {0};
  uint64_t ahead = 0;
  for (size_t at = 0; at < content.len; at += size) {
    const size_t n = content.len - at < size ? content.len - at : size;
    tw_test_make_record(&h, h.next_is_protected, ahead++, h.next_type, TW_BYTES(content.ptr + at, n), &all);
  }
  tw_err err = TW_OK;
  const size_t step = by_byte ? 1 : all.len;
  for (size_t at = 0; at < all.len && err == TW_OK; at += step)
    err = tw_test_side_give(&h.wire, h.victim, TW_BYTES(all.ptr + at, step));
  tw_buf_clear(&all);
  return err;
}

static void ended(tw_err err, int alert) {
  assert_int_equal(h.victim->last, err);
  tw_test_assert_ended(&h, err, alert);
}

static void refused_as_unexpected(tw_err err) {
  assert_int_equal(err, TW_ERR_UNEXPECTED);
  ended(TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
}

/* Time goes by second after second, with nothing or a byte of `content` in each. */
static void wait_a_minute(tw_bytes record) {
  for (size_t second = 0; second < 60 && !tw_channel_ended(h.victim->channel); second++) {
    h.wire.now_ms += 1000;
    if (second < record.len) (void)tw_test_side_give(&h.wire, h.victim, TW_BYTES(record.ptr + second, 1));
    const tw_err err = tw_channel_ended(h.victim->channel) ? TW_OK : tw_channel_tick(h.victim->channel, h.wire.now_ms);
    if (err != TW_OK) h.victim->last = err;
    tw_test_side_take(h.victim);
  }
}

/* A handshake has its time; an established channel waits, in peace, with little memory. */
static void timed_out_or_waits(bool was_established) {
  if (was_established) {
    tw_test_assert_open(&h);
    assert_true(h.victim->channel->handshake.cap <= 4096 && h.victim->channel->input.cap <= 4096);
  } else {
    ended(TW_ERR_TIMEOUT, TW_ALERT_INTERNAL_ERROR);
  }
}

static void end_of_stream_is_truncation(void) {
  const tw_err err = tw_channel_input_end(h.victim->channel, h.wire.now_ms);
  tw_test_side_take(h.victim);
  if (h.victim->channel->got_close) {
    assert_int_equal(err, TW_OK);
    return;
  }
  assert_int_equal(err, TW_ERR_TRUNCATION);
  tw_test_assert_ended(&h, TW_ERR_TRUNCATION, -1);
}

/* ---- what is done to it ---- */

static void in_one_piece(void) {
  assert_int_equal(give_due(tw_buf_bytes(&h.next)), TW_OK);
  tw_test_assert_open(&h);
}

static void byte_by_byte(void) {
  assert_int_equal(give_in_records(tw_buf_bytes(&h.next), 16384, true), TW_OK);
  tw_test_assert_open(&h);
}

static void in_records_of_a_byte(void) {
  if (!due_is_message()) return;
  h.victim->channel->options.message_records_max = (uint32_t)h.next.len;
  assert_int_equal(give_in_records(tw_buf_bytes(&h.next), 1, true), TW_OK);
  tw_test_assert_open(&h);
}

static void in_more_records_than_allowed(void) {
  if (!due_is_message()) return;
  h.victim->channel->options.message_records_max = (uint32_t)h.next.len - 1;
  assert_int_equal(give_in_records(tw_buf_bytes(&h.next), 1, false), TW_ERR_LIMIT);
  ended(TW_ERR_LIMIT, TW_ALERT_ILLEGAL_PARAMETER);
}

static void kept_back_for_ever(void) {
  const bool established = is_established();
  wait_a_minute(TW_NO_BYTES);
  timed_out_or_waits(established);
}

static void kept_back_and_the_end(void) { end_of_stream_is_truncation(); }

static void half_of_it_and_the_end(void) {
  if (!due_is_message()) return;
  assert_int_equal(give_in_records(TW_BYTES(h.next.ptr, h.next.len / 2), 16384, false), TW_OK);
  end_of_stream_is_truncation();
}

static void half_of_it_for_ever(void) {
  if (!due_is_message()) return;
  const bool established = is_established();
  assert_int_equal(give_in_records(TW_BYTES(h.next.ptr, h.next.len / 2), 16384, false), TW_OK);
  const bool established_now = is_established();
  wait_a_minute(TW_NO_BYTES);
  timed_out_or_waits(established || established_now);
}

static void a_byte_a_second(void) {
  const bool established = is_established();
  tw_buf record = {0};
  tw_test_make_record(&h, h.next_is_protected, 0, h.next_type, tw_buf_bytes(&h.next), &record);
  wait_a_minute(tw_buf_bytes(&record));
  /* The shortest come in time. */
  const bool in_time = tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED) > 0;
  assert_true(established || !in_time || record.len < 30);
  timed_out_or_waits(established || in_time);
  tw_buf_clear(&record);
}

static void a_header_that_never_fills(void) {
  const bool established = is_established();
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, TW_LITERAL("\x17\x03\x03\x40")), TW_OK);
  wait_a_minute(TW_NO_BYTES);
  timed_out_or_waits(established);
}

static void twice(void) {
  assert_int_equal(give_due(tw_buf_bytes(&h.next)), TW_OK);
  if (!due_is_message()) return;
  refused_as_unexpected(give_due(tw_buf_bytes(&h.next)));
}

/* The same record once more, as it was. */
static void replayed(void) {
  if (!h.next_is_protected) return;
  tw_buf record = {0};
  tw_test_make_record(&h, true, 0, h.next_type, tw_buf_bytes(&h.next), &record);
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&record)), TW_OK);
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&record)), TW_ERR_DECRYPT);
  ended(TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC);
  tw_buf_clear(&record);
}

/* The record behind it comes first. */
static void out_of_order(void) {
  if (!h.next_is_protected) return;
  tw_buf record = {0};
  tw_test_make_record(&h, true, 1, TW_RECORD_APPLICATION_DATA, TW_LITERAL("later"), &record);
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&record)), TW_ERR_DECRYPT);
  ended(TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC);
  tw_buf_clear(&record);
}

/* Its first bytes in a record, and then one of something else. */
static void with_between(uint8_t type, tw_bytes content) {
  assert_int_equal(give_in_records(TW_BYTES(h.next.ptr, 3), 16384, false), TW_OK);
  refused_as_unexpected(tw_test_throw(&h, h.next_is_protected, type, content));
}

static void with_data_between(void) {
  if (due_is_message()) with_between(TW_RECORD_APPLICATION_DATA, TW_LITERAL("x"));
}

static void with_nothing_between(void) {
  if (due_is_message()) with_between(TW_RECORD_APPLICATION_DATA, TW_NO_BYTES);
}

static void with_a_warning_between(void) {
  if (due_is_message()) with_between(TW_RECORD_ALERT, TW_LITERAL("\1\x5a"));
}

static void with_change_cipher_spec_between(void) {
  if (due_is_message()) with_between(TW_RECORD_CHANGE_CIPHER_SPEC, TW_LITERAL("\1"));
}

static void with_an_empty_record_between(void) {
  if (due_is_message()) with_between(TW_RECORD_HANDSHAKE, TW_NO_BYTES);
}

static void as_another_type_of_record(void) {
  if (!due_is_message()) return;
  const bool to_the_application = h.next_is_protected && !tw_test_shakes_hands(&h);
  const tw_err err = tw_test_throw(&h, h.next_is_protected, TW_RECORD_APPLICATION_DATA, tw_buf_bytes(&h.next));
  if (!to_the_application) {
    refused_as_unexpected(err);
    return;
  }
  assert_int_equal(err, TW_OK); /* and it is only data */
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_REKEYED), 0);
}

/* Protected where it has to be in the clear, and the other way round. */
static void on_the_wrong_level(void) {
  if (!due_is_message()) return;
  if (h.next_is_protected) {
    refused_as_unexpected(tw_test_throw(&h, false, TW_RECORD_HANDSHAKE, tw_buf_bytes(&h.next)));
    return;
  }
  uint8_t sealed[40] = {TW_RECORD_APPLICATION_DATA, 3, 3, 0, 35};
  refused_as_unexpected(tw_test_side_give(&h.wire, h.victim, TW_ARRAY(sealed)));
}

static void with_the_next_ones_first_byte(void) {
  if (!due_is_message() || may_be_followed()) return;
  tw_buf more = {0};
  assert_int_equal(tw_buf_append(&more, tw_buf_bytes(&h.next)), TW_OK);
  assert_int_equal(tw_buf_append(&more, TW_LITERAL("\xf4")), TW_OK);
  refused_as_unexpected(give_due(tw_buf_bytes(&more)));
  tw_buf_clear(&more);
}

static void with_a_byte_more_than_it_says(void) {
  if (!due_is_message()) return;
  h.next.ptr[3]--;
  const tw_err err = give_due(tw_buf_bytes(&h.next));
  assert_int_not_equal(err, TW_OK);
  assert_true(tw_err_class_of(err) == TW_CLASS_MALFORMED || tw_err_class_of(err) == TW_CLASS_FORBIDDEN);
  tw_test_assert_ended(&h, err, tw_test_side_event(h.victim, TW_CHANNEL_CLOSED)->alert);
}

static void with_a_byte_less_than_it_says(void) {
  if (!due_is_message()) return;
  h.next.ptr[3]++;
  assert_int_equal(give_due(tw_buf_bytes(&h.next)), TW_OK);
  end_of_stream_is_truncation();
}

static void with_an_absurd_length(void) {
  if (!due_is_message()) return;
  memset(h.next.ptr + 1, 0xff, 3);
  assert_int_equal(give_due(tw_buf_bytes(&h.next)), TW_ERR_LIMIT);
  ended(TW_ERR_LIMIT, TW_ALERT_ILLEGAL_PARAMETER);
}

/* As long as we would take one, and that much of it: then there is no more that could be sent. */
static void of_the_greatest_length(void) {
  if (!due_is_message()) return;
  const bool established = is_established();
  static uint8_t zeros[16384];
  static const uint8_t header[] = {0xf4, 0x01, 0x00, 0x00};
  h.victim->channel->options.message_records_max = 0;
  tw_err err = give_due(TW_ARRAY(header));
  for (unsigned i = 0; i < 4 && err == TW_OK; i++) {
    err = give_due(TW_BYTES(zeros, i < 3 ? sizeof zeros : sizeof zeros - 1));
    if (err == TW_OK) assert_true(h.wire.test.alloc_bytes < 1000000);
  }
  assert_int_equal(err, TW_OK);
  assert_true(h.victim->channel->handshake.len == 65536 + 4 - 1);
  if (established) return;
  wait_a_minute(TW_NO_BYTES);
  timed_out_or_waits(is_established());
}

static void of_an_unknown_type(void) {
  if (!due_is_message()) return;
  h.next.ptr[0] = 0x55;
  refused_as_unexpected(give_due(tw_buf_bytes(&h.next)));
}

typedef void (*mutation)(void);

static void check(mutation change) {
  for (size_t i = 0; i < tw_test_stand_count; i++) {
    tw_test_hostile_go(&h, &tw_test_stands[i], 3);
    change();
    const tw_channel_event *closed = tw_test_side_event(h.victim, TW_CHANNEL_CLOSED);
    if (closed != NULL) assert_int_not_equal(tw_err_class_of(closed->reason), TW_CLASS_INTERNAL);
    tw_test_hostile_done(&h);
  }
}

#define CHECK(name)                                                                                                    \
  static void check_##name(void **state) {                                                                             \
    (void)state;                                                                                                       \
    check(name);                                                                                                       \
  }

CHECK(in_one_piece)
CHECK(byte_by_byte)
CHECK(in_records_of_a_byte)
CHECK(in_more_records_than_allowed)
CHECK(kept_back_for_ever)
CHECK(kept_back_and_the_end)
CHECK(half_of_it_and_the_end)
CHECK(half_of_it_for_ever)
CHECK(a_byte_a_second)
CHECK(a_header_that_never_fills)
CHECK(twice)
CHECK(replayed)
CHECK(out_of_order)
CHECK(with_data_between)
CHECK(with_nothing_between)
CHECK(with_a_warning_between)
CHECK(with_change_cipher_spec_between)
CHECK(with_an_empty_record_between)
CHECK(as_another_type_of_record)
CHECK(on_the_wrong_level)
CHECK(with_the_next_ones_first_byte)
CHECK(with_a_byte_more_than_it_says)
CHECK(with_a_byte_less_than_it_says)
CHECK(with_an_absurd_length)
CHECK(of_the_greatest_length)
CHECK(of_an_unknown_type)

#define TEST(name)                                                                                                     \
  { #name, check_##name, setup, teardown, NULL }

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(in_one_piece),
      TEST(byte_by_byte),
      TEST(in_records_of_a_byte),
      TEST(in_more_records_than_allowed),
      TEST(kept_back_for_ever),
      TEST(kept_back_and_the_end),
      TEST(half_of_it_and_the_end),
      TEST(half_of_it_for_ever),
      TEST(a_byte_a_second),
      TEST(a_header_that_never_fills),
      TEST(twice),
      TEST(replayed),
      TEST(out_of_order),
      TEST(with_data_between),
      TEST(with_nothing_between),
      TEST(with_a_warning_between),
      TEST(with_change_cipher_spec_between),
      TEST(with_an_empty_record_between),
      TEST(as_another_type_of_record),
      TEST(on_the_wrong_level),
      TEST(with_the_next_ones_first_byte),
      TEST(with_a_byte_more_than_it_says),
      TEST(with_a_byte_less_than_it_says),
      TEST(with_an_absurd_length),
      TEST(of_the_greatest_length),
      TEST(of_an_unknown_type),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
