/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"

static void varints_round_trip_minimally(void **state) {
  (void)state;
  static const struct {
    uint32_t value;
    size_t size;
  } cases[] = {{0, 1}, {63, 1}, {64, 2}, {16383, 2}, {16384, 4}, {0x3fffffff, 4}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_buf buf = {0};
    tw_writer w = tw_writer_to(&buf);
    tw_write_varint(&w, cases[i].value);
    assert_int_equal(tw_writer_end(&w), TW_OK);
    assert_int_equal(buf.len, cases[i].size);
    tw_reader r = tw_reader_of(tw_buf_bytes(&buf));
    assert_int_equal(tw_read_varint(&r), cases[i].value);
    assert_int_equal(tw_reader_end(&r), TW_OK);
    tw_buf_clear(&buf);
  }
}

static void varints_refuse_longer_forms(void **state) {
  (void)state;
  static const uint8_t bad[][4] = {{0x40, 0x3f}, {0x80, 0, 0x3f, 0xff}, {0xc0, 0, 0, 0}, {0x80, 0, 0, 1}};
  for (size_t i = 0; i < 4; i++) {
    tw_reader r = tw_reader_of(TW_BYTES(bad[i], 4));
    assert_int_equal(tw_read_varint(&r), 0);
    assert_int_equal(tw_reader_err(&r), TW_ERR_ENCODING);
  }
}

static void errors_stick(void **state) {
  (void)state;
  static const uint8_t input[] = {5, 1, 2};
  tw_reader r = tw_reader_of(TW_ARRAY(input));
  assert_int_equal(tw_read_vector(&r).len, 0);
  assert_int_equal(tw_read_u8(&r), 0);
  assert_false(tw_reader_more(&r));
  assert_int_equal(tw_reader_end(&r), TW_ERR_TRUNCATED);
  r = tw_reader_of(TW_ARRAY(input));
  (void)tw_read_u8(&r);
  assert_int_equal(tw_reader_end(&r), TW_ERR_TRAILING);
}

static void nested_vectors_move_for_their_length(void **state) {
  (void)state;
  static uint8_t big[20000];
  memset(big, 7, sizeof big);
  tw_buf buf = {0};
  tw_writer w = tw_writer_to(&buf);
  const tw_vector_mark outer = tw_write_open(&w);
  const tw_vector_mark inner = tw_write_open(&w);
  tw_write_fixed(&w, TW_BYTES(big, 100));
  tw_write_close(&w, inner);
  tw_write_vector(&w, TW_ARRAY(big));
  tw_write_close(&w, outer);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_reader r = tw_reader_of(tw_buf_bytes(&buf));
  tw_reader content = tw_reader_of(tw_read_vector(&r));
  assert_int_equal(tw_reader_end(&r), TW_OK);
  assert_int_equal(tw_read_vector(&content).len, 100);
  assert_true(tw_bytes_equal(tw_read_vector(&content), TW_ARRAY(big)));
  assert_int_equal(tw_reader_end(&content), TW_OK);
  tw_buf_clear(&buf);
}

static void a_failed_writer_takes_back_what_it_wrote(void **state) {
  (void)state;
  tw_buf buf = {0};
  assert_int_equal(tw_buf_append(&buf, TW_LITERAL("before")), TW_OK);
  tw_writer w = tw_writer_to(&buf);
  tw_write_u32(&w, 1);
  tw_write_varint(&w, 0x40000000);
  assert_int_equal(tw_writer_end(&w), TW_ERR_LIMIT);
  assert_true(tw_bytes_equal(tw_buf_bytes(&buf), TW_LITERAL("before")));
  tw_buf_clear(&buf);
}

static void presence_is_zero_or_one(void **state) {
  (void)state;
  static const uint8_t input[] = {0, 1, 2};
  tw_reader r = tw_reader_of(TW_ARRAY(input));
  assert_false(tw_read_present(&r));
  assert_true(tw_read_present(&r));
  (void)tw_read_present(&r);
  assert_int_equal(tw_reader_err(&r), TW_ERR_ENCODING);
}

static void tls_vectors_have_fixed_length_fields(void **state) {
  (void)state;
  static uint8_t big[256];
  tw_buf buf = {0};
  tw_writer w = tw_writer_to(&buf);
  tw_write_vector8(&w, TW_BYTES(big, 255));
  tw_write_vector16(&w, TW_ARRAY(big));
  tw_write_vector24(&w, TW_ARRAY(big));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_reader r = tw_reader_of(tw_buf_bytes(&buf));
  assert_int_equal(tw_read_vector8(&r).len, 255);
  assert_int_equal(tw_read_vector16(&r).len, 256);
  assert_int_equal(tw_read_vector24(&r).len, 256);
  assert_int_equal(tw_reader_end(&r), TW_OK);
  w = tw_writer_to(&buf);
  tw_write_vector8(&w, TW_ARRAY(big));
  assert_int_equal(tw_writer_end(&w), TW_ERR_LIMIT);
  tw_buf_clear(&buf);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(varints_round_trip_minimally),
      cmocka_unit_test(varints_refuse_longer_forms),
      cmocka_unit_test(errors_stick),
      cmocka_unit_test(nested_vectors_move_for_their_length),
      cmocka_unit_test(a_failed_writer_takes_back_what_it_wrote),
      cmocka_unit_test(presence_is_zero_or_one),
      cmocka_unit_test(tls_vectors_have_fixed_length_fields),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
