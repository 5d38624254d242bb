/* Every structure on the wire: read, written again, damaged in every way. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "mls/app_data.h"
#include "mls/framing.h"
#include "samples.h"
#include "tw_test_env.h"
#include "vectors.h"

static const tw_env no_env;

/* In a block of exactly its size, so that sanitizers and valgrind see any reading past the end. */
static tw_bytes exact_copy(tw_bytes bytes) {
  uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
  assert_non_null(copy);
  if (bytes.len > 0) memcpy(copy, bytes.ptr, bytes.len);
  return TW_BYTES(copy, bytes.len);
}

static void free_copy(tw_bytes copy) { free((void *)(uintptr_t)copy.ptr); }

static tw_err recode(const tw_sample *sample, tw_bytes input, tw_buf *out) {
  const tw_bytes copy = exact_copy(input);
  const tw_err err = sample->recode(&no_env, copy, out);
  free_copy(copy);
  return err;
}

/* Damaged input is refused as malformed or not supported, or it is another valid structure that is written back as it
 * came. */
static void refused_or_the_same(const tw_sample *sample, tw_bytes input) {
  tw_buf out = {0};
  const tw_err err = recode(sample, input, &out);
  if (err == TW_OK) {
    assert_true(tw_bytes_equal(tw_buf_bytes(&out), input));
  } else {
    assert_true(tw_err_class_of(err) == TW_CLASS_MALFORMED || err == TW_ERR_UNSUPPORTED);
    assert_int_equal(out.len, 0);
  }
  tw_buf_clear(&out);
}

static void samples_round_trip(void **state) {
  (void)state;
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    tw_buf input = {0};
    tw_buf out = {0};
    assert_int_equal(sample->make(&input), TW_OK);
    assert_int_equal(recode(sample, tw_buf_bytes(&input), &out), TW_OK);
    assert_true(tw_bytes_equal(tw_buf_bytes(&input), tw_buf_bytes(&out)));
    tw_buf_clear(&input);
    tw_buf_clear(&out);
  }
}

static void truncation_at_every_byte_is_refused(void **state) {
  (void)state;
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    tw_buf input = {0};
    tw_buf out = {0};
    assert_int_equal(sample->make(&input), TW_OK);
    for (size_t len = 0; len < input.len; len++) {
      assert_int_equal(recode(sample, TW_BYTES(input.ptr, len), &out), TW_ERR_TRUNCATED);
    }
    assert_int_equal(out.len, 0);
    const uint8_t more = 0;
    assert_int_equal(tw_buf_append(&input, TW_BYTES(&more, 1)), TW_OK);
    assert_int_equal(recode(sample, tw_buf_bytes(&input), &out), TW_ERR_TRAILING);
    tw_buf_clear(&input);
    tw_buf_clear(&out);
  }
}

static void every_flipped_bit_is_refused_or_another_value(void **state) {
  (void)state;
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    tw_buf input = {0};
    assert_int_equal(sample->make(&input), TW_OK);
    for (size_t bit = 0; bit < 8 * input.len; bit++) {
      input.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      refused_or_the_same(sample, tw_buf_bytes(&input));
      input.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    tw_buf_clear(&input);
  }
}

/* Lengths off by one among them: each byte in turn one higher, one lower, and with its two top bits in each state. */
static void every_changed_byte_is_refused_or_another_value(void **state) {
  (void)state;
  static const uint8_t changes[] = {1, 0xff, 0x40, 0x80, 0xc0};
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    tw_buf input = {0};
    assert_int_equal(sample->make(&input), TW_OK);
    for (size_t at = 0; at < input.len; at++) {
      const uint8_t was = input.ptr[at];
      for (size_t k = 0; k < sizeof changes; k++) {
        input.ptr[at] = (uint8_t)(was + changes[k]);
        refused_or_the_same(sample, tw_buf_bytes(&input));
      }
      input.ptr[at] = was;
    }
    tw_buf_clear(&input);
  }
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void random_damage_is_refused_or_another_value(void **state) {
  (void)state;
  const unsigned rounds = tw_test_rounds(2000, 20);
  uint32_t random = 9420;
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    for (unsigned round = 0; round < rounds; round++) {
      tw_buf input = {0};
      assert_int_equal(sample->make(&input), TW_OK);
      const unsigned count = 1 + next_random(&random) % 8;
      for (unsigned k = 0; k < count; k++) input.ptr[next_random(&random) % input.len] = (uint8_t)next_random(&random);
      const size_t cut = next_random(&random) % 4 == 0 ? next_random(&random) % input.len : input.len;
      refused_or_the_same(sample, TW_BYTES(input.ptr, cut));
      tw_buf_clear(&input);
    }
  }
}

/* ---- single rules ---- */

static tw_err decode_message(tw_bytes input, const tw_limits *limits) {
  const tw_env env = {.limits = limits};
  tw_mls_message message;
  return tw_mls_message_decode(&env, input, &message);
}

static void other_versions_and_wire_formats_are_not_supported(void **state) {
  (void)state;
  assert_int_equal(decode_message(TW_LITERAL("\0\2\0\5"), NULL), TW_ERR_UNSUPPORTED);
  assert_int_equal(decode_message(TW_LITERAL("\0\0\0\5"), NULL), TW_ERR_UNSUPPORTED);
  assert_int_equal(decode_message(TW_LITERAL("\0\1\0\0"), NULL), TW_ERR_UNSUPPORTED);
  assert_int_equal(decode_message(TW_LITERAL("\0\1\0\6"), NULL), TW_ERR_UNSUPPORTED);
  assert_int_equal(decode_message(TW_LITERAL("\0\1\x0a\x0a"), NULL), TW_ERR_UNSUPPORTED);
  assert_int_equal(decode_message(TW_LITERAL("\0\1\0"), NULL), TW_ERR_TRUNCATED);
  assert_int_equal(decode_message(TW_NO_BYTES, NULL), TW_ERR_TRUNCATED);
}

static void a_message_may_not_pass_the_limit(void **state) {
  (void)state;
  tw_buf message = {0};
  assert_int_equal(tw_sample_at(0)->make(&message), TW_OK);
  tw_limits limits = tw_limits_default;
  limits.message_size = (uint32_t)message.len;
  assert_int_equal(decode_message(tw_buf_bytes(&message), &limits), TW_OK);
  limits.message_size--;
  assert_int_equal(decode_message(tw_buf_bytes(&message), &limits), TW_ERR_LIMIT);
  tw_buf_clear(&message);
}

/* The key package's version in byte 4 and 5 of its message. */
static void a_key_package_has_its_messages_version(void **state) {
  (void)state;
  const tw_sample *sample = tw_sample_at(10);
  assert_string_equal(sample->name, "message-key_package");
  tw_buf message = {0};
  assert_int_equal(sample->make(&message), TW_OK);
  assert_int_equal(decode_message(tw_buf_bytes(&message), NULL), TW_OK);
  message.ptr[5] = 2;
  assert_int_equal(decode_message(tw_buf_bytes(&message), NULL), TW_ERR_UNSUPPORTED);
  tw_buf_clear(&message);
}

static tw_err read_extensions(tw_bytes list) {
  tw_buf buf = {0};
  tw_writer w = tw_writer_to(&buf);
  tw_write_vector(&w, list);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_reader r = tw_reader_of(tw_buf_bytes(&buf));
  (void)tw_read_extensions(&r);
  const tw_err err = tw_reader_end(&r);
  tw_buf_clear(&buf);
  return err;
}

/* All but one of `count` different types, in an order that is not theirs, then one again (count: none again). */
static tw_err read_many_extensions(uint32_t count, uint32_t again) {
  tw_buf list = {0};
  tw_writer w = tw_writer_to(&list);
  for (uint32_t i = 0; i < count; i++) tw_write_extension(&w, (uint16_t)(i * 40503u), TW_NO_BYTES);
  if (again < count) tw_write_extension(&w, (uint16_t)(again * 40503u), TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_err err = read_extensions(tw_buf_bytes(&list));
  tw_buf_clear(&list);
  return err;
}

static void extension_types_do_not_repeat(void **state) {
  (void)state;
  assert_int_equal(read_extensions(TW_LITERAL("\0\1\0\0\2\0")), TW_OK);
  assert_int_equal(read_extensions(TW_LITERAL("\0\1\0\0\1\0")), TW_ERR_ENCODING);
  assert_int_equal(read_extensions(TW_LITERAL("\x1a\x1a\0\0\2\0\x1a\x1a\1x")), TW_ERR_ENCODING);
  static const uint32_t counts[] = {2, 15, 16, 17, 18, 1000, 65536};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    const uint32_t count = counts[i];
    assert_int_equal(read_many_extensions(count, count), TW_OK);
    assert_int_equal(read_many_extensions(count, 0), TW_ERR_ENCODING);
    assert_int_equal(read_many_extensions(count, count / 2), TW_ERR_ENCODING);
    assert_int_equal(read_many_extensions(count, count - 1), TW_ERR_ENCODING);
  }
}

static void lists_of_code_points_have_whole_entries(void **state) {
  (void)state;
  tw_bytes list;
  assert_int_equal(tw_u16_list_decode(TW_LITERAL("\4\0\1\0\2"), &list), TW_OK);
  assert_true(tw_u16_list_has(list, 2));
  assert_false(tw_u16_list_has(list, 0x100));
  assert_int_equal(tw_u16_list_decode(TW_LITERAL("\3\0\1\0"), &list), TW_ERR_ENCODING);
  assert_int_equal(tw_u16_list_decode(TW_LITERAL("\0"), &list), TW_OK);
  assert_int_equal(list.len, 0);
}

static void proposals_of_unknown_types_are_not_supported(void **state) {
  (void)state;
  tw_proposal proposal;
  assert_int_equal(tw_proposal_decode(TW_LITERAL("\0\0"), &proposal), TW_ERR_UNSUPPORTED);
  assert_int_equal(tw_proposal_decode(TW_LITERAL("\0\xb"), &proposal), TW_ERR_UNSUPPORTED);
  assert_int_equal(tw_proposal_decode(TW_LITERAL("\x0a\x0a"), &proposal), TW_ERR_UNSUPPORTED);
  assert_int_equal(tw_proposal_decode(TW_LITERAL("\0\xa"), &proposal), TW_OK);
  assert_int_equal(tw_proposal_decode(TW_LITERAL("\0\x8\0\1\3\0"), &proposal), TW_ERR_ENCODING);
  assert_int_equal(tw_proposal_decode(TW_LITERAL("\0\x8\0\1\0"), &proposal), TW_ERR_ENCODING);
}

static void paths_are_needed_where_the_registry_says(void **state) {
  (void)state;
  static const bool needed[] = {true, false, true, true, false, false, true, true, false, false, true, true};
  for (size_t type = 0; type < sizeof needed; type++)
    assert_int_equal(tw_proposal_needs_path((uint16_t)type), needed[type]);
}

static void psk_ids_are_the_same_whatever_the_nonce(void **state) {
  (void)state;
  const tw_psk_id a = {.type = TW_PSK_APPLICATION, .component_id = 1, .id = TW_LITERAL("x"), .nonce = TW_LITERAL("1")};
  tw_psk_id b = a;
  b.nonce = TW_LITERAL("2");
  assert_true(tw_psk_id_same(&a, &b));
  b.component_id = 2;
  assert_false(tw_psk_id_same(&a, &b));
  b = a;
  b.id = TW_LITERAL("y");
  assert_false(tw_psk_id_same(&a, &b));
  b = a;
  b.type = TW_PSK_EXTERNAL;
  assert_false(tw_psk_id_same(&a, &b));
}

static tw_err read_psk_id(tw_bytes input) {
  tw_reader r = tw_reader_of(input);
  (void)tw_read_psk_id(&r);
  return tw_reader_end(&r);
}

static void psk_ids_have_known_types_and_usages(void **state) {
  (void)state;
  assert_int_equal(read_psk_id(TW_LITERAL("\1\0\0")), TW_OK);
  assert_int_equal(read_psk_id(TW_LITERAL("\2\3\0\0\0\0\0\0\0\0\0\0")), TW_OK);
  assert_int_equal(read_psk_id(TW_LITERAL("\2\4\0\0\0\0\0\0\0\0\0\0")), TW_ERR_ENCODING);
  assert_int_equal(read_psk_id(TW_LITERAL("\2\0\0\0\0\0\0\0\0\0\0\0")), TW_ERR_ENCODING);
  assert_int_equal(read_psk_id(TW_LITERAL("\0\0\0")), TW_ERR_ENCODING);
  assert_int_equal(read_psk_id(TW_LITERAL("\4\0\0")), TW_ERR_UNSUPPORTED);
}

static tw_err read_credential(tw_bytes input) {
  tw_reader r = tw_reader_of(input);
  (void)tw_read_credential(&r);
  return tw_reader_end(&r);
}

static void x509_credentials_have_certificates(void **state) {
  (void)state;
  assert_int_equal(read_credential(TW_LITERAL("\0\2\2\1x")), TW_OK);
  assert_int_equal(read_credential(TW_LITERAL("\0\2\0")), TW_ERR_ENCODING);
  assert_int_equal(read_credential(TW_LITERAL("\0\2\1\0")), TW_ERR_ENCODING);
  assert_int_equal(read_credential(TW_LITERAL("\0\2\2\2x")), TW_ERR_TRUNCATED);
  assert_int_equal(read_credential(TW_LITERAL("\0\1\0")), TW_OK);
  assert_int_equal(read_credential(TW_LITERAL("\0\3\0")), TW_ERR_UNSUPPORTED);
  assert_int_equal(read_credential(TW_LITERAL("\0\0\0")), TW_ERR_UNSUPPORTED);
}

static void vectors_messages(void **state) {
  (void)state;
  tw_test_vectors_pass("messages");
}

static void vectors_deserialization(void **state) {
  (void)state;
  tw_test_vectors_pass("deserialization");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(samples_round_trip),
      cmocka_unit_test(truncation_at_every_byte_is_refused),
      cmocka_unit_test(every_flipped_bit_is_refused_or_another_value),
      cmocka_unit_test(every_changed_byte_is_refused_or_another_value),
      cmocka_unit_test(random_damage_is_refused_or_another_value),
      cmocka_unit_test(other_versions_and_wire_formats_are_not_supported),
      cmocka_unit_test(a_message_may_not_pass_the_limit),
      cmocka_unit_test(a_key_package_has_its_messages_version),
      cmocka_unit_test(extension_types_do_not_repeat),
      cmocka_unit_test(lists_of_code_points_have_whole_entries),
      cmocka_unit_test(proposals_of_unknown_types_are_not_supported),
      cmocka_unit_test(paths_are_needed_where_the_registry_says),
      cmocka_unit_test(psk_ids_are_the_same_whatever_the_nonce),
      cmocka_unit_test(psk_ids_have_known_types_and_usages),
      cmocka_unit_test(x509_credentials_have_certificates),
      cmocka_unit_test(vectors_messages),
      cmocka_unit_test(vectors_deserialization),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
