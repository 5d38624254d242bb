/* Control messages: what is accepted means one thing, and everything else is refused. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdlib.h>

#include "message_samples.h"
#include "support/tw_test_env.h"

static control_samples samples;

static int make_samples(void **state) {
  (void)state;
  return control_samples_make(&samples) == TW_OK ? 0 : -1;
}

static int clear_samples(void **state) {
  (void)state;
  control_samples_clear(&samples);
  return 0;
}

/* What is read is written the same; the bytes are freshly allocated, so that reading past them is seen. */
static tw_err check(uint8_t as, tw_bytes frame) {
  uint8_t *copy = malloc(frame.len > 0 ? frame.len : 1);
  assert_non_null(copy);
  if (frame.len > 0) memcpy(copy, frame.ptr, frame.len);
  const tw_bytes input = TW_BYTES(copy, frame.len);
  tw_buf whole = {0};
  const tw_err err = control_recode(as, input, &whole);
  if (err == TW_OK) {
    assert_true(whole.len == TW_CONTROL_HEADER + frame.len);
    assert_true(tw_bytes_equal(TW_BYTES(whole.ptr + TW_CONTROL_HEADER, frame.len), input));
  } else {
    assert_int_equal(tw_err_class_of(err), TW_CLASS_MALFORMED);
    assert_int_equal(whole.len, 0);
  }
  tw_buf_clear(&whole);
  free(copy);
  return err;
}

static void every_message_is_read_as_it_was_written(void **state) {
  (void)state;
  for (size_t i = 0; i < samples.count; i++)
    assert_int_equal(check(samples.list[i].as, sample_frame(&samples.list[i])), TW_OK);
}

static void cut_at_every_byte_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < samples.count; i++) {
    const tw_bytes frame = sample_frame(&samples.list[i]);
    for (size_t len = 0; len < frame.len; len++)
      assert_int_not_equal(check(samples.list[i].as, TW_BYTES(frame.ptr, len)), TW_OK);
  }
}

static void a_byte_more_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < samples.count; i++) {
    tw_buf longer = {0};
    assert_int_equal(tw_buf_append(&longer, sample_frame(&samples.list[i])), TW_OK);
    assert_int_equal(tw_buf_append(&longer, TW_LITERAL("\0")), TW_OK);
    assert_int_equal(check(samples.list[i].as, tw_buf_bytes(&longer)), TW_ERR_TRAILING);
    tw_buf_clear(&longer);
  }
}

static void a_flipped_bit_is_refused_or_means_something_else(void **state) {
  (void)state;
  for (size_t i = 0; i < samples.count; i++) {
    tw_buf bent = {0};
    assert_int_equal(tw_buf_append(&bent, sample_frame(&samples.list[i])), TW_OK);
    for (size_t bit = 0; bit < 8 * bent.len; bit++) {
      bent.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
      (void)check(samples.list[i].as, tw_buf_bytes(&bent));
      bent.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    tw_buf_clear(&bent);
  }
}

/* Each byte in turn becomes each length that could lead somewhere. */
static void overlong_vectors_are_refused_or_mean_something_else(void **state) {
  (void)state;
  static const uint8_t lengths[] = {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
  for (size_t i = 0; i < samples.count; i++) {
    tw_buf bent = {0};
    assert_int_equal(tw_buf_append(&bent, sample_frame(&samples.list[i])), TW_OK);
    for (size_t at = 0; at < bent.len; at++) {
      const uint8_t kept = bent.ptr[at];
      for (size_t n = 0; n < sizeof lengths; n++) {
        bent.ptr[at] = lengths[n];
        (void)check(samples.list[i].as, tw_buf_bytes(&bent));
      }
      bent.ptr[at] = kept;
    }
    tw_buf_clear(&bent);
  }
}

static void only_known_types_are_read_and_only_in_their_direction(void **state) {
  (void)state;
  for (unsigned type = 0; type < 256; type++) {
    const uint8_t asked[] = {(uint8_t)type, 0, 0, 0, 1};
    const uint8_t pushed[] = {(uint8_t)type, 0, 0, 0, 0};
    const bool empty_request = type == TW_CONTROL_BIND;
    assert_int_equal(check(READ_REQUEST, TW_ARRAY(asked)) == TW_OK, empty_request);
    assert_int_equal(check(READ_PUSH, TW_ARRAY(pushed)) == TW_OK, type == TW_CONTROL_MAIL);
    assert_int_not_equal(check(READ_REQUEST, TW_ARRAY(pushed)), TW_OK);
    assert_int_not_equal(check(READ_PUSH, TW_ARRAY(asked)), TW_OK);
  }
}

static void only_known_statuses_are_read_and_taken_only_where_it_means_something(void **state) {
  (void)state;
  for (unsigned to = 0; to < 256; to++) {
    for (unsigned status = 1; status < 256; status++) {
      const uint8_t frame[] = {TW_CONTROL_ANSWER, 0, 0, 0, 9, (uint8_t)status, 1, 'x'};
      const bool known = to >= TW_CONTROL_PUBLISH && to <= TW_CONTROL_REQUEST_LAST && status <= TW_CONTROL_UNFIT;
      const bool fits = to == TW_CONTROL_GROUP_COMMIT || (to == TW_CONTROL_GROUP_OPEN && status == TW_CONTROL_TAKEN) ||
                        (status != TW_CONTROL_TAKEN && status != TW_CONTROL_UNFIT);
      tw_control_answer answer;
      const tw_err err = tw_control_answer_decode(TW_ARRAY(frame), (tw_control_type)to, &answer);
      assert_int_equal(err, known && fits ? TW_OK : TW_ERR_ENCODING);
    }
  }
}

static void an_answer_has_a_number_and_a_push_has_none(void **state) {
  (void)state;
  static const uint8_t answer[] = {TW_CONTROL_ANSWER, 0, 0, 0, 0, 0};
  static const uint8_t push[] = {TW_CONTROL_MAIL, 0, 0, 0, 1};
  tw_control_type type;
  uint32_t request;
  assert_int_equal(tw_control_peek(TW_ARRAY(answer), &type, &request), TW_ERR_ENCODING);
  assert_int_equal(tw_control_peek(TW_ARRAY(push), &type, &request), TW_ERR_ENCODING);
  assert_int_equal(tw_control_peek(TW_BYTES(push, 4), &type, &request), TW_ERR_TRUNCATED);
}

static tw_err encode(tw_control_request request) {
  tw_buf out = {0};
  if (request.number == 0) request.number = 1;
  const tw_err err = tw_control_request_encode(&request, &out);
  assert_int_equal(out.len == 0, err != TW_OK);
  tw_buf_clear(&out);
  return err;
}

static void what_nobody_would_read_is_not_written(void **state) {
  (void)state;
  static const uint8_t bytes[257];
  const tw_bytes too_long = TW_ARRAY(bytes);
  tw_buf out = {0};
  assert_int_equal(encode((tw_control_request){.type = TW_CONTROL_GROUP_FIND}), TW_ERR_ARGUMENT);
  assert_int_equal(encode((tw_control_request){.type = TW_CONTROL_GROUP_FIND, .body.group_find.name = too_long}),
                   TW_ERR_ARGUMENT);
  assert_int_equal(encode((tw_control_request){.type = TW_CONTROL_LOCATE, .body.locate = too_long}), TW_ERR_ARGUMENT);
  assert_int_equal(encode((tw_control_request){.type = TW_CONTROL_STOCK}), TW_ERR_ARGUMENT);
  assert_int_equal(encode((tw_control_request){.type = TW_CONTROL_ANSWER}), TW_ERR_ARGUMENT);
  assert_int_equal(encode((tw_control_request){.type = TW_CONTROL_SEND}), TW_ERR_ARGUMENT);
  assert_int_equal(tw_control_request_encode(&(tw_control_request){.type = TW_CONTROL_BIND}, &out), TW_ERR_ARGUMENT);
  assert_int_equal(
      tw_control_answer_encode(
          &(tw_control_answer){.to = TW_CONTROL_SEND, .request = 1, .status = TW_CONTROL_TAKEN, .body.taken = too_long},
          &out),
      TW_ERR_ARGUMENT);
  assert_int_equal(tw_control_push_encode(&(tw_control_push){.type = TW_CONTROL_ANSWER}, &out), TW_ERR_ARGUMENT);
  tw_control_push moved = {.type = TW_CONTROL_MOVED};
  moved.body.moved.location.address.family = 4; /* and port 0 */
  assert_int_equal(tw_control_push_encode(&moved, &out), TW_ERR_ARGUMENT);
  assert_int_equal(out.len, 0);
  tw_buf_clear(&out);
}

static void the_longest_message_fits_request_and_answer_and_no_longer_one(void **state) {
  (void)state;
  uint8_t *zeros = calloc(1, TW_CONTROL_MESSAGE_MAX + 1);
  static const uint8_t id[TW_CONTROL_NAME_MAX] = {1};
  assert_non_null(zeros);
  const tw_bytes longest = TW_BYTES(zeros, TW_CONTROL_MESSAGE_MAX);
  tw_control_request request = {.type = TW_CONTROL_SEND, .body.send.message = longest};
  assert_int_equal(encode(request), TW_OK);
  request.body.send.message.len++;
  assert_int_equal(encode(request), TW_ERR_ARGUMENT);

  tw_control_entry entry = {.kind = TW_CONTROL_KIND_COMMIT, .group_id = TW_ARRAY(id), .message = longest};
  tw_buf list = {0};
  tw_writer w = tw_writer_to(&list);
  tw_control_write_entry(&w, &entry);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(list.len, tw_control_entry_size(&entry));
  assert_true(list.len <= TW_CONTROL_ENTRIES_MAX);
  tw_buf out = {0};
  tw_control_answer answer = {.to = TW_CONTROL_FETCH, .request = 1, .body.fetch = {tw_buf_bytes(&list), true}};
  assert_int_equal(tw_control_answer_encode(&answer, &out), TW_OK);
  assert_int_equal(out.len, TW_CONTROL_HEADER + 6 + 4 + list.len + 1);
  tw_buf_clear(&out);
  answer = (tw_control_answer){
      .to = TW_CONTROL_GROUP_FIND, .request = 1, .body.group_find = {TW_ARRAY(id), 1, 1, true, longest, TW_NO_BYTES}};
  assert_int_equal(tw_control_answer_encode(&answer, &out), TW_OK);
  tw_buf_clear(&out);
  answer.body.group_find.group_info.len -= 100;
  answer.body.group_find.tree = TW_BYTES(zeros, 100);
  assert_int_equal(tw_control_answer_encode(&answer, &out), TW_OK);
  tw_buf_clear(&out);
  request = (tw_control_request){.type = TW_CONTROL_PUBLISH,
                                 .body.publish = {TW_CONTROL_POOL_PAIR, false, tw_buf_bytes(&list), longest}};
  assert_int_equal(encode(request), TW_ERR_LIMIT);
  tw_buf_clear(&list);
  free(zeros);
}

static void what_is_no_patch_is_not_read_as_one(void **state) {
  (void)state;
  const tw_bytes patch = TW_LITERAL(SAMPLE_PATCH);
  const tw_control_group_commit good = {TW_LITERAL("id"), 1, TW_LITERAL("c"), TW_LITERAL("i"), patch, patch,
                                        TW_NO_BYTES};
  tw_control_request request = {.type = TW_CONTROL_GROUP_COMMIT, .body.group_commit = good};
  assert_int_equal(encode(request), TW_OK);
  for (size_t len = 0; len < patch.len; len++) {
    request.body.group_commit = good;
    request.body.group_commit.tree.len = len;
    assert_int_equal(encode(request), TW_ERR_ARGUMENT);
    request.body.group_commit = good;
    request.body.group_commit.members.len = len;
    assert_int_equal(encode(request), TW_ERR_ARGUMENT);
  }
}

static void lists_come_out_as_they_went_in(void **state) {
  (void)state;
  tw_buf list = {0};
  assert_int_equal(sample_locations(&list), TW_OK);
  tw_reader walk = tw_reader_of(tw_buf_bytes(&list));
  tw_control_location location;
  size_t count = 0;
  while (tw_control_location_next(&walk, &location)) count++;
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  assert_int_equal(count, 3);
  list.len = 0;
  assert_int_equal(sample_entries(&list), TW_OK);
  walk = tw_reader_of(tw_buf_bytes(&list));
  tw_control_entry entry;
  for (int kind = TW_CONTROL_KIND_SEND; kind <= TW_CONTROL_KIND_WELCOME; kind++) {
    const tw_client_id from = sample_client((uint8_t)kind);
    assert_true(tw_control_entry_next(&walk, &entry));
    assert_int_equal(entry.kind, kind);
    assert_int_equal(entry.number, UINT64_C(1) << (kind * 10));
    assert_memory_equal(entry.from.digest, from.digest, sizeof from.digest);
    assert_true(tw_bytes_equal(entry.message, TW_LITERAL("message")));
  }
  assert_false(tw_control_entry_next(&walk, &entry));
  list.len = 0;
  assert_int_equal(sample_clients(5, &list), TW_OK);
  assert_int_equal(tw_control_client_count(tw_buf_bytes(&list)), 5);
  tw_buf_clear(&list);
}

static void a_welcome_has_its_tree_or_none(void **state) {
  (void)state;
  tw_buf message = {0};
  const tw_bytes trees[] = {TW_NO_BYTES, TW_LITERAL("tree")};
  for (size_t i = 0; i < 2; i++) {
    tw_control_welcomed read = {.welcome = TW_LITERAL("untouched")};
    message.len = 0;
    tw_writer w = tw_writer_to(&message);
    tw_control_write_welcomed(&w, &(tw_control_welcomed){TW_LITERAL("welcome"), trees[i]});
    assert_int_equal(tw_writer_end(&w), TW_OK);
    for (size_t len = 0; len < message.len; len++)
      assert_int_equal(tw_control_welcomed_decode(TW_BYTES(message.ptr, len), &read), TW_ERR_TRUNCATED);
    assert_true(tw_bytes_equal(read.welcome, TW_LITERAL("untouched")));
    assert_int_equal(tw_control_welcomed_decode(tw_buf_bytes(&message), &read), TW_OK);
    assert_true(tw_bytes_equal(read.welcome, TW_LITERAL("welcome")));
    assert_true(tw_bytes_equal(read.tree, trees[i]));
    assert_int_equal(tw_buf_append(&message, TW_LITERAL("x")), TW_OK);
    assert_int_equal(tw_control_welcomed_decode(tw_buf_bytes(&message), &read), TW_ERR_TRAILING);
  }
  message.len = 0;
  tw_writer w = tw_writer_to(&message);
  tw_control_write_welcomed(&w, &(tw_control_welcomed){TW_NO_BYTES, TW_LITERAL("tree")});
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_control_welcomed read;
  assert_int_equal(tw_control_welcomed_decode(tw_buf_bytes(&message), &read), TW_ERR_ENCODING);
  tw_buf_clear(&message);
}

static void addresses_are_the_same_by_what_is_in_use(void **state) {
  (void)state;
  tw_control_address a = {.family = 4, .ip = {1, 2, 3, 4, 5}, .port = 9};
  tw_control_address b = {.family = 4, .ip = {1, 2, 3, 4, 6}, .port = 9};
  assert_true(tw_control_address_equal(&a, &b));
  b.ip[3]++;
  assert_false(tw_control_address_equal(&a, &b));
  a = b;
  a.port++;
  assert_false(tw_control_address_equal(&a, &b));
  a.family = b.family = 0;
  assert_true(tw_control_address_equal(&a, &b));
  b.family = 6;
  assert_false(tw_control_address_equal(&a, &b));
}

static void a_failing_allocation_leaves_the_buffer_as_it_was(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; i < samples.count; i++) {
    for (size_t n = 1;; n++) {
      tw_buf out = TW_BUF_INIT(test.env.alloc);
      tw_test_fail_alloc(&test, n);
      const tw_err err = control_recode(samples.list[i].as, sample_frame(&samples.list[i]), &out);
      assert_int_equal(err, test.alloc_failed ? TW_ERR_NO_MEMORY : TW_OK);
      assert_int_equal(out.len == 0, err != TW_OK);
      tw_buf_clear(&out);
      if (err == TW_OK) break;
    }
  }
  tw_test_fail_alloc(&test, 0);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_message_is_read_as_it_was_written),
      cmocka_unit_test(cut_at_every_byte_is_refused),
      cmocka_unit_test(a_byte_more_is_refused),
      cmocka_unit_test(a_flipped_bit_is_refused_or_means_something_else),
      cmocka_unit_test(overlong_vectors_are_refused_or_mean_something_else),
      cmocka_unit_test(only_known_types_are_read_and_only_in_their_direction),
      cmocka_unit_test(only_known_statuses_are_read_and_taken_only_where_it_means_something),
      cmocka_unit_test(an_answer_has_a_number_and_a_push_has_none),
      cmocka_unit_test(what_nobody_would_read_is_not_written),
      cmocka_unit_test(the_longest_message_fits_request_and_answer_and_no_longer_one),
      cmocka_unit_test(what_is_no_patch_is_not_read_as_one),
      cmocka_unit_test(lists_come_out_as_they_went_in),
      cmocka_unit_test(a_welcome_has_its_tree_or_none),
      cmocka_unit_test(addresses_are_the_same_by_what_is_in_use),
      cmocka_unit_test(a_failing_allocation_leaves_the_buffer_as_it_was),
  };
  return cmocka_run_group_tests(tests, make_samples, clear_samples);
}
