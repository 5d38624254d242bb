/* Frames out of a stream: the same frames whatever the pieces. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdlib.h>

#include "control/split.h"
#include "message_samples.h"
#include "support/tw_test_env.h"

/* All samples one after the other. */
static void make_stream(control_samples *samples, tw_buf *stream) {
  assert_int_equal(control_samples_make(samples), TW_OK);
  for (size_t i = 0; i < samples->count; i++)
    assert_int_equal(tw_buf_append(stream, tw_buf_bytes(&samples->list[i].whole)), TW_OK);
}

/* Takes all of `piece`; counts the frames, each of which has to be the next sample. */
static void feed(tw_control_split *split, tw_bytes piece, const control_samples *samples, size_t *count) {
  tw_bytes frame;
  do {
    assert_int_equal(tw_control_split_next(split, TW_CONTROL_FRAME_MAX, &piece, &frame), TW_OK);
    if (frame.len == 0) continue;
    assert_true(*count < samples->count);
    assert_true(tw_bytes_equal(frame, sample_frame(&samples->list[*count])));
    (*count)++;
  } while (frame.len > 0);
  assert_int_equal(piece.len, 0);
}

static void pieces_of_every_size_make_the_same_frames(void **state) {
  (void)state;
  control_samples samples;
  tw_buf stream = {0};
  make_stream(&samples, &stream);
  for (size_t size = 1; size <= stream.len; size += size < 64 ? 1 : 61) {
    tw_control_split split = {0};
    size_t count = 0;
    for (size_t at = 0; at < stream.len; at += size) {
      const size_t left = stream.len - at;
      uint8_t *piece = malloc(size); /* gone after each call, as the channel's bytes are */
      assert_non_null(piece);
      memcpy(piece, stream.ptr + at, left < size ? left : size);
      feed(&split, TW_BYTES(piece, left < size ? left : size), &samples, &count);
      free(piece);
    }
    assert_int_equal(count, samples.count);
    assert_true(tw_control_split_is_empty(&split));
    assert_null(split.part.ptr); /* nothing is kept between frames */
    tw_control_split_clear(&split);
  }
  tw_buf_clear(&stream);
  control_samples_clear(&samples);
}

static void a_length_out_of_bounds_is_refused_before_memory_is_taken(void **state) {
  (void)state;
  static const uint32_t bad[] = {0, 1, 4, TW_CONTROL_FRAME_MAX + 1, UINT32_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    for (size_t first = 0; first <= 4; first++) {
      uint8_t header[5] = {0};
      tw_put_u32(header, bad[i]);
      tw_control_split split = {0};
      tw_bytes frame;
      tw_bytes piece = TW_BYTES(header, first);
      assert_int_equal(tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame),
                       first == 4 ? TW_ERR_ENCODING : TW_OK);
      piece = TW_BYTES(header + first, sizeof header - first);
      if (first < 4)
        assert_int_equal(tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame), TW_ERR_ENCODING);
      assert_int_equal(frame.len, 0);
      assert_true(split.part.cap <= 64);
      tw_control_split_clear(&split);
    }
  }
}

static void memory_follows_what_has_come_and_not_what_was_announced(void **state) {
  (void)state;
  tw_control_split split = {0};
  uint8_t header[TW_CONTROL_HEADER];
  static const uint8_t zeros[65536];
  tw_put_u32(header, TW_CONTROL_FRAME_MAX);
  tw_bytes piece = TW_ARRAY(header);
  tw_bytes frame;
  assert_int_equal(tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame), TW_OK);
  size_t fed = 0;
  while (frame.len == 0) {
    assert_true(split.part.cap <= 64 + (fed + TW_CONTROL_HEADER) * 3 / 2);
    piece = TW_ARRAY(zeros);
    assert_int_equal(tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame), TW_OK);
    assert_int_equal(piece.len, 0);
    fed += sizeof zeros;
  }
  assert_int_equal(fed, TW_CONTROL_FRAME_MAX);
  assert_int_equal(frame.len, TW_CONTROL_FRAME_MAX);
  assert_true(tw_control_split_is_empty(&split));
  assert_int_equal(tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame), TW_OK);
  assert_null(split.part.ptr);
}

static void a_smaller_bound_of_the_callers_counts(void **state) {
  (void)state;
  static const uint8_t bytes[4 + 6] = {0, 0, 0, 6};
  tw_control_split split = {0};
  tw_bytes frame;
  tw_bytes piece = TW_ARRAY(bytes);
  assert_int_equal(tw_control_split_next(&split, 6, &piece, &frame), TW_OK);
  assert_int_equal(frame.len, 6);
  piece = TW_ARRAY(bytes);
  assert_int_equal(tw_control_split_next(&split, 5, &piece, &frame), TW_ERR_ENCODING);
  tw_control_split_clear(&split);
  tw_control_split_clear(&split);
}

static void a_failing_allocation_can_be_tried_again(void **state) {
  (void)state;
  control_samples samples;
  tw_buf stream = {0};
  make_stream(&samples, &stream);
  tw_test_env test;
  tw_test_env_init(&test, 1);
  tw_control_split split = {.part = TW_BUF_INIT(test.env.alloc)};
  size_t count = 0;
  for (size_t at = 0; at < stream.len; at += 7) {
    tw_bytes piece = TW_BYTES(stream.ptr + at, stream.len - at < 7 ? stream.len - at : 7);
    tw_bytes frame;
    do {
      tw_test_fail_alloc(&test, 1);
      tw_err err = tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame);
      if (err == TW_ERR_NO_MEMORY) err = tw_control_split_next(&split, TW_CONTROL_FRAME_MAX, &piece, &frame);
      tw_test_fail_alloc(&test, 0);
      assert_int_equal(err, TW_OK);
      if (frame.len > 0) assert_true(tw_bytes_equal(frame, sample_frame(&samples.list[count++])));
    } while (frame.len > 0);
  }
  assert_int_equal(count, samples.count);
  tw_control_split_clear(&split);
  tw_test_env_clear(&test);
  tw_buf_clear(&stream);
  control_samples_clear(&samples);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pieces_of_every_size_make_the_same_frames),
      cmocka_unit_test(a_length_out_of_bounds_is_refused_before_memory_is_taken),
      cmocka_unit_test(memory_follows_what_has_come_and_not_what_was_announced),
      cmocka_unit_test(a_smaller_bound_of_the_callers_counts),
      cmocka_unit_test(a_failing_allocation_can_be_tried_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
