/* TLS 1.3 records: RFC 8446 section 5. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "record/record.h"
#include "support/tw_test_env.h"

enum { BUFFER = TW_RECORD_SIZE_MAX + 64 };

static tw_test_env test;
static uint8_t buffer[BUFFER];
static uint8_t other[BUFFER];

static int setup(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static const tw_suite *suite_of(uint16_t id) {
  const tw_suite *suite = tw_suite_by_id(&test.env, id);
  assert_non_null(suite);
  return suite;
}

/* A key whose secret is `fill`, repeated. */
static tw_record_key make_key(uint16_t id, uint8_t fill) {
  const tw_suite *suite = suite_of(id);
  uint8_t secret[TW_HASH_MAX];
  memset(secret, fill, sizeof secret);
  tw_record_key key = {0};
  assert_int_equal(tw_record_key_init(&test.env, suite, TW_BYTES(secret, suite->hash->size), &key), TW_OK);
  return key;
}

/* Seals `content` bytes of a pattern into `buffer`; the record's size. */
static size_t seal(tw_record_key *key, uint8_t type, size_t content, size_t padding) {
  for (size_t i = 0; i < content; i++) buffer[TW_RECORD_HEADER + i] = (uint8_t)(i * 7 + 1);
  assert_int_equal(tw_record_seal(key, type, buffer, content, padding), TW_OK);
  return tw_record_size(content, padding);
}

/* The trace of RFC 8448 section 3: the client's application key and its first record. */
static void the_published_trace_comes_out(void **state) {
  (void)state;
  tw_buf secret = {0};
  tw_buf record = {0};
  tw_test_unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", &secret);
  tw_test_unhex(
      "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a62"
      "92a2977014bd1e3deae63aeebb21694915e4",
      &record);
  tw_record_key key = {0};
  assert_int_equal(tw_record_key_init(&test.env, suite_of(1), tw_buf_bytes(&secret), &key), TW_OK);
  tw_buf iv = {0};
  tw_test_unhex("5b78923dee08579033e523d9", &iv);
  assert_memory_equal(key.iv, iv.ptr, iv.len);
  for (uint8_t i = 0; i < 50; i++) buffer[TW_RECORD_HEADER + i] = i;
  assert_int_equal(tw_record_seal(&key, TW_RECORD_APPLICATION_DATA, buffer, 50, 0), TW_OK);
  tw_test_same(TW_BYTES(buffer, tw_record_size(50, 0)), tw_buf_bytes(&record));
  assert_int_equal(key.sequence, 1);
  key.sequence = 0;
  tw_record_content content;
  assert_int_equal(tw_record_open(&key, record.ptr, record.len, record.ptr + TW_RECORD_HEADER, &content), TW_OK);
  assert_int_equal(content.type, TW_RECORD_APPLICATION_DATA);
  assert_int_equal(content.len, 50);
  for (uint8_t i = 0; i < 50; i++) assert_int_equal(record.ptr[TW_RECORD_HEADER + i], i);
  tw_record_key_clear(&key);
  tw_buf_clear(&iv);
  tw_buf_clear(&secret);
  tw_buf_clear(&record);
}

/* Section 7.1, on the same secret. */
static void labels_expand_as_published(void **state) {
  (void)state;
  tw_buf secret = {0};
  tw_buf expected = {0};
  tw_test_unhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", &secret);
  tw_test_unhex("17422dda596ed5d9acd890e3c63f5051", &expected);
  uint8_t key[16];
  assert_int_equal(
      tw_hkdf_expand_label(&test.env, suite_of(1), tw_buf_bytes(&secret), "key", TW_NO_BYTES, key, sizeof key), TW_OK);
  assert_memory_equal(key, expected.ptr, sizeof key);
  static const uint8_t long_context[256];
  assert_int_equal(tw_hkdf_expand_label(&test.env, suite_of(1), tw_buf_bytes(&secret), "key", TW_ARRAY(long_context),
                                        key, sizeof key),
                   TW_ERR_ARGUMENT);
  tw_buf_clear(&secret);
  tw_buf_clear(&expected);
}

static void records_round_trip_in_every_suite_and_size(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 1000, 16383, 16384};
  for (size_t n = 0; tw_suite_at(n) != NULL; n++) {
    const uint16_t id = tw_suite_id(&test.env, tw_suite_at(n));
    tw_record_key sender = make_key(id, 3);
    tw_record_key receiver = make_key(id, 3);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      const size_t size = seal(&sender, TW_RECORD_APPLICATION_DATA, sizes[i], 0);
      tw_record_header header;
      assert_int_equal(tw_record_peek(TW_BYTES(buffer, size), true, &header), TW_OK);
      assert_int_equal(header.size, size);
      assert_int_equal(header.type, TW_RECORD_APPLICATION_DATA);
      tw_record_content content;
      assert_int_equal(tw_record_open(&receiver, buffer, size, buffer + TW_RECORD_HEADER, &content), TW_OK);
      assert_int_equal(content.len, sizes[i]);
      for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(buffer[TW_RECORD_HEADER + k], (uint8_t)(k * 7 + 1));
    }
    tw_record_key_clear(&sender);
    tw_record_key_clear(&receiver);
  }
}

static void padding_is_taken_off(void **state) {
  (void)state;
  static const size_t paddings[] = {0, 1, 100, TW_RECORD_PLAINTEXT_MAX - 10};
  tw_record_key sender = make_key(1, 4);
  tw_record_key receiver = make_key(1, 4);
  for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
    const size_t size = seal(&sender, TW_RECORD_HANDSHAKE, 10, paddings[i]);
    assert_int_equal(size, TW_RECORD_OVERHEAD + 10 + paddings[i]);
    tw_record_content content;
    assert_int_equal(tw_record_open(&receiver, buffer, size, other, &content), TW_OK);
    assert_int_equal(content.type, TW_RECORD_HANDSHAKE);
    assert_int_equal(content.len, 10);
  }
  assert_int_equal(tw_record_seal(&sender, TW_RECORD_HANDSHAKE, buffer, 10, TW_RECORD_PLAINTEXT_MAX - 9),
                   TW_ERR_ARGUMENT);
  assert_int_equal(tw_record_seal(&sender, TW_RECORD_HANDSHAKE, buffer, TW_RECORD_PLAINTEXT_MAX + 1, 0),
                   TW_ERR_ARGUMENT);
  tw_record_key_clear(&sender);
  tw_record_key_clear(&receiver);
}

static void every_flipped_bit_and_every_cut_is_refused(void **state) {
  (void)state;
  tw_record_key sender = make_key(1, 5);
  tw_record_key receiver = make_key(1, 5);
  const size_t size = seal(&sender, TW_RECORD_APPLICATION_DATA, 20, 3);
  tw_record_content content;
  for (size_t i = 0; i < size; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      buffer[i] ^= (uint8_t)(1u << bit);
      const tw_err err = tw_record_open(&receiver, buffer, size, other, &content);
      assert_int_equal(err, i == 0 ? TW_ERR_UNEXPECTED : TW_ERR_DECRYPT);
      buffer[i] ^= (uint8_t)(1u << bit);
    }
  }
  for (size_t cut = TW_RECORD_HEADER; cut < size; cut++) {
    assert_int_equal(tw_record_open(&receiver, buffer, cut, other, &content), TW_ERR_DECRYPT);
  }
  assert_int_equal(receiver.sequence, 0);
  assert_int_equal(tw_record_open(&receiver, buffer, size, other, &content), TW_OK);
  assert_int_equal(tw_record_open(&receiver, buffer, size, other, &content), TW_ERR_DECRYPT);
  tw_record_key_clear(&sender);
  tw_record_key_clear(&receiver);
}

static void sequence_numbers_count(void **state) {
  (void)state;
  tw_record_key sender = make_key(1, 6);
  tw_record_key receiver = make_key(1, 6);
  tw_record_content content;
  /* A number with every byte in use. */
  sender.sequence = receiver.sequence = UINT64_C(0x01020304050607);
  sender.limit = UINT64_MAX;
  for (unsigned i = 0; i < 300; i++) {
    const size_t size = seal(&sender, TW_RECORD_APPLICATION_DATA, 1, 0);
    assert_int_equal(tw_record_open(&receiver, buffer, size, other, &content), TW_OK);
  }
  const size_t size = seal(&sender, TW_RECORD_APPLICATION_DATA, 1, 0);
  receiver.sequence++;
  assert_int_equal(tw_record_open(&receiver, buffer, size, other, &content), TW_ERR_DECRYPT);
  tw_record_key_clear(&sender);
  tw_record_key_clear(&receiver);
}

static void used_up_keys_refuse(void **state) {
  (void)state;
  static const struct {
    uint16_t suite;
    uint64_t limit;
  } cases[] = {{1, 23726566}, {2, 23726566}, {3, UINT64_MAX}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_record_key key = make_key(cases[i].suite, 7);
    assert_true(key.limit == cases[i].limit);
    key.sequence = key.limit - 1;
    assert_int_equal(tw_record_key_left(&key), 1);
    assert_int_equal(tw_record_seal(&key, TW_RECORD_APPLICATION_DATA, buffer, 0, 0), TW_OK);
    assert_int_equal(tw_record_key_left(&key), 0);
    memset(buffer, 9, 64);
    memcpy(other, buffer, 64);
    assert_int_equal(tw_record_seal(&key, TW_RECORD_APPLICATION_DATA, buffer, 0, 0), TW_ERR_KEY_LIMIT);
    assert_memory_equal(buffer, other, 64);
    key.sequence = UINT64_MAX;
    tw_record_content content;
    assert_int_equal(tw_record_open(&key, buffer, 64, other, &content),
                     buffer[0] == TW_RECORD_APPLICATION_DATA ? TW_ERR_KEY_LIMIT : TW_ERR_UNEXPECTED);
    buffer[0] = TW_RECORD_APPLICATION_DATA;
    assert_int_equal(tw_record_open(&key, buffer, 64, other, &content), TW_ERR_KEY_LIMIT);
    tw_record_key_clear(&key);
  }
}

/* Seals an inner plaintext that tw_record_seal would not make. */
static size_t seal_raw(tw_record_key *key, const uint8_t *inner, size_t len) {
  uint8_t nonce[TW_AEAD_NONCE];
  memcpy(nonce, key->iv, sizeof nonce);
  assert_int_equal(key->sequence, 0);
  tw_record_put_plain_header(buffer, TW_RECORD_APPLICATION_DATA, len + TW_AEAD_TAG);
  assert_int_equal(tw_aead_key_seal(key->aead, nonce, TW_BYTES(buffer, TW_RECORD_HEADER), TW_BYTES(inner, len),
                                    buffer + TW_RECORD_HEADER),
                   TW_OK);
  return TW_RECORD_HEADER + len + TW_AEAD_TAG;
}

static void forbidden_contents_are_refused(void **state) {
  (void)state;
  static uint8_t big[TW_RECORD_INNER_MAX + 1];
  memset(big, 1, sizeof big);
  big[sizeof big - 1] = TW_RECORD_APPLICATION_DATA;
  static const uint8_t zeros[20];
  static const uint8_t empty_handshake[] = {TW_RECORD_HANDSHAKE, 0, 0};
  static const uint8_t empty_alert[] = {TW_RECORD_ALERT};
  static const uint8_t change_cipher_spec[] = {1, TW_RECORD_CHANGE_CIPHER_SPEC};
  static const uint8_t unknown[] = {1, 2, 24};
  const struct {
    tw_bytes inner;
    tw_err err;
  } cases[] = {
      {TW_ARRAY(big), TW_ERR_ENCODING},           {TW_ARRAY(zeros), TW_ERR_UNEXPECTED},
      {TW_NO_BYTES, TW_ERR_UNEXPECTED},           {TW_ARRAY(empty_handshake), TW_ERR_UNEXPECTED},
      {TW_ARRAY(empty_alert), TW_ERR_UNEXPECTED}, {TW_ARRAY(change_cipher_spec), TW_ERR_UNEXPECTED},
      {TW_ARRAY(unknown), TW_ERR_UNEXPECTED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_record_key sender = make_key(1, 8);
    tw_record_key receiver = make_key(1, 8);
    const size_t size = seal_raw(&sender, cases[i].inner.ptr, cases[i].inner.len);
    tw_record_content content = {99, 99};
    assert_int_equal(tw_record_open(&receiver, buffer, size, buffer + TW_RECORD_HEADER, &content), cases[i].err);
    assert_int_equal(content.len, 99);
    tw_record_key_clear(&sender);
    tw_record_key_clear(&receiver);
  }
  tw_record_key key = make_key(1, 8);
  assert_int_equal(tw_record_seal(&key, TW_RECORD_HANDSHAKE, buffer, 0, 5), TW_ERR_ARGUMENT);
  assert_int_equal(tw_record_seal(&key, TW_RECORD_ALERT, buffer, 0, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_record_seal(&key, TW_RECORD_CHANGE_CIPHER_SPEC, buffer, 1, 0), TW_ERR_ARGUMENT);
  tw_record_key_clear(&key);
}

static void headers_are_bounded(void **state) {
  (void)state;
  uint8_t record[TW_RECORD_HEADER] = {TW_RECORD_HANDSHAKE, 3, 3, 0x40, 0};
  tw_record_header header;
  for (size_t len = 0; len < sizeof record; len++) {
    assert_int_equal(tw_record_peek(TW_BYTES(record, len), false, &header), TW_ERR_TRUNCATED);
  }
  assert_int_equal(tw_record_peek(TW_ARRAY(record), false, &header), TW_OK);
  assert_int_equal(header.size, 5 + 16384);
  record[4] = 1;
  assert_int_equal(tw_record_peek(TW_ARRAY(record), false, &header), TW_ERR_ENCODING);
  assert_int_equal(tw_record_peek(TW_ARRAY(record), true, &header), TW_OK);
  record[3] = 0x41;
  record[4] = 0;
  assert_int_equal(tw_record_peek(TW_ARRAY(record), true, &header), TW_OK);
  assert_int_equal(header.size, TW_RECORD_SIZE_MAX);
  record[4] = 1;
  assert_int_equal(tw_record_peek(TW_ARRAY(record), true, &header), TW_ERR_ENCODING);
}

static void plain_records_hold_handshake_and_alerts_only(void **state) {
  (void)state;
  uint8_t record[] = {TW_RECORD_HANDSHAKE, 3, 1, 0, 2, 7, 7};
  tw_record_content content;
  assert_int_equal(tw_record_check_plain(record, sizeof record, &content), TW_OK);
  assert_int_equal(content.type, TW_RECORD_HANDSHAKE);
  assert_int_equal(content.len, 2);
  record[0] = TW_RECORD_ALERT;
  assert_int_equal(tw_record_check_plain(record, sizeof record, &content), TW_OK);
  assert_int_equal(tw_record_check_plain(record, TW_RECORD_HEADER, &content), TW_ERR_UNEXPECTED);
  record[0] = TW_RECORD_APPLICATION_DATA;
  assert_int_equal(tw_record_check_plain(record, sizeof record, &content), TW_ERR_UNEXPECTED);
  record[0] = TW_RECORD_CHANGE_CIPHER_SPEC;
  assert_int_equal(tw_record_check_plain(record, sizeof record, &content), TW_ERR_UNEXPECTED);
}

static void no_memory_leaves_no_key(void **state) {
  (void)state;
  static const uint8_t secret[32] = {1};
  for (size_t n = 1;; n++) {
    tw_record_key key = {0};
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_record_key_init(&test.env, suite_of(1), TW_ARRAY(secret), &key);
    if (!test.alloc_failed) {
      assert_int_equal(err, TW_OK);
      tw_record_key_clear(&key);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_false(tw_record_key_is_set(&key));
  }
  tw_test_fail_alloc(&test, 0);
}

static void records_allocate_nothing(void **state) {
  (void)state;
  tw_record_key sender = make_key(2, 9);
  tw_record_key receiver = make_key(2, 9);
  const size_t before = test.alloc_calls;
  tw_record_content content;
  for (unsigned i = 0; i < 10; i++) {
    const size_t size = seal(&sender, TW_RECORD_APPLICATION_DATA, 16384, 0);
    assert_int_equal(tw_record_open(&receiver, buffer, size, buffer + TW_RECORD_HEADER, &content), TW_OK);
  }
  assert_int_equal(test.alloc_calls, before);
  tw_record_key_move(&sender, &receiver);
  assert_false(tw_record_key_is_set(&receiver));
  assert_true(tw_record_key_is_set(&sender));
  tw_record_key_clear(&sender);
  tw_record_key_clear(&sender);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_published_trace_comes_out),
      cmocka_unit_test(labels_expand_as_published),
      cmocka_unit_test(records_round_trip_in_every_suite_and_size),
      cmocka_unit_test(padding_is_taken_off),
      cmocka_unit_test(every_flipped_bit_and_every_cut_is_refused),
      cmocka_unit_test(sequence_numbers_count),
      cmocka_unit_test(used_up_keys_refuse),
      cmocka_unit_test(forbidden_contents_are_refused),
      cmocka_unit_test(headers_are_bounded),
      cmocka_unit_test(plain_records_hold_handshake_and_alerts_only),
      cmocka_unit_test(no_memory_leaves_no_key),
      cmocka_unit_test(records_allocate_nothing),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
