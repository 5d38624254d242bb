/* AEAD: one message, and keys for many. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <stddef.h>
#include <string.h>

#include "crypto/suites.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

static const tw_aead *const aeads[] = {&tw_aead_aes128gcm, &tw_aead_aes256gcm, &tw_aead_chacha20poly1305};

static const tw_suite *suite_with(const tw_aead *aead) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->aead == aead) return tw_suite_at(i);
  return NULL;
}

enum { LONGEST = 70, ROOM = LONGEST + TW_AEAD_TAG };
static const uint8_t key_bytes[TW_AEAD_KEY_MAX] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
static const uint8_t nonce[TW_AEAD_NONCE] = {9, 8, 7};
static const uint8_t zeros[ROOM];

static tw_bytes key_of(const tw_suite *suite) { return TW_BYTES(key_bytes, suite->aead->key_size); }

static void expect(tw_bytes got, const char *hex) {
  tw_buf wanted = {0};
  tw_test_unhex(hex, &wanted);
  tw_test_same(got, tw_buf_bytes(&wanted));
  tw_buf_clear(&wanted);
}

static void agrees_with_known_answers(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const uint8_t zero_key[32] = {0};
  const uint8_t zero_nonce[12] = {0};
  uint8_t out[ROOM];
  /* McGrew and Viega's cases 1, 2 and 14 */
  const tw_suite *suite = suite_with(&tw_aead_aes128gcm);
  assert_int_equal(tw_aead_seal(&test.env, suite, TW_BYTES(zero_key, 16), zero_nonce, TW_NO_BYTES, TW_NO_BYTES, out),
                   TW_OK);
  expect(TW_BYTES(out, 16), "58e2fccefa7e3061367f1d57a4e7455a");
  assert_int_equal(
      tw_aead_seal(&test.env, suite, TW_BYTES(zero_key, 16), zero_nonce, TW_NO_BYTES, TW_BYTES(zeros, 16), out), TW_OK);
  expect(TW_BYTES(out, 32), "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf");
  suite = suite_with(&tw_aead_aes256gcm);
  assert_int_equal(
      tw_aead_seal(&test.env, suite, TW_BYTES(zero_key, 32), zero_nonce, TW_NO_BYTES, TW_BYTES(zeros, 16), out), TW_OK);
  expect(TW_BYTES(out, 32), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  /* RFC 8439 section 2.8.2 */
  uint8_t key[32];
  for (size_t i = 0; i < 32; i++) key[i] = (uint8_t)(0x80 + i);
  const uint8_t rfc_nonce[12] = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
  const uint8_t aad[12] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
  const tw_bytes text = TW_LITERAL(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.");
  uint8_t sealed[114 + 16];
  suite = suite_with(&tw_aead_chacha20poly1305);
  assert_int_equal(text.len, 114);
  assert_int_equal(tw_aead_seal(&test.env, suite, TW_ARRAY(key), rfc_nonce, TW_ARRAY(aad), text, sealed), TW_OK);
  expect(TW_BYTES(sealed + 114, 16), "1ae10b594f09e26a7e902ecbd0600691");
  tw_test_env_clear(&test);
}

static void fill(uint8_t *out, size_t len) {
  for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(i * 7 + 1);
}

static void every_length_opens_again(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  uint8_t plain[LONGEST];
  fill(plain, sizeof(plain));
  for (size_t a = 0; a < 3; a++) {
    const tw_suite *suite = suite_with(aeads[a]);
    tw_aead_key *key = NULL;
    assert_int_equal(tw_aead_key_new(&test.env, suite, key_of(suite), &key), TW_OK);
    for (size_t len = 0; len <= LONGEST; len++) {
      const tw_bytes aad = TW_BYTES(plain, len % 20);
      uint8_t once[ROOM];
      uint8_t many[ROOM];
      uint8_t opened[ROOM];
      assert_int_equal(tw_aead_seal(&test.env, suite, key_of(suite), nonce, aad, TW_BYTES(plain, len), once), TW_OK);
      assert_int_equal(tw_aead_key_seal(key, nonce, aad, TW_BYTES(plain, len), many), TW_OK);
      assert_memory_equal(once, many, len + TW_AEAD_TAG);
      assert_int_equal(
          tw_aead_open(&test.env, suite, key_of(suite), nonce, aad, TW_BYTES(many, len + TW_AEAD_TAG), opened), TW_OK);
      assert_memory_equal(opened, plain, len);
      memset(opened, 0, sizeof(opened));
      assert_int_equal(tw_aead_key_open(key, nonce, aad, TW_BYTES(many, len + TW_AEAD_TAG), opened), TW_OK);
      assert_memory_equal(opened, plain, len);
      /* in place */
      memcpy(opened, plain, len);
      assert_int_equal(tw_aead_key_seal(key, nonce, aad, TW_BYTES(opened, len), opened), TW_OK);
      assert_memory_equal(opened, once, len + TW_AEAD_TAG);
      assert_int_equal(
          tw_aead_open(&test.env, suite, key_of(suite), nonce, aad, TW_BYTES(opened, len + TW_AEAD_TAG), opened),
          TW_OK);
      assert_memory_equal(opened, plain, len);
      assert_int_equal(tw_aead_seal(&test.env, suite, key_of(suite), nonce, aad, TW_BYTES(opened, len), opened), TW_OK);
      assert_int_equal(tw_aead_key_open(key, nonce, aad, TW_BYTES(opened, len + TW_AEAD_TAG), opened), TW_OK);
      assert_memory_equal(opened, plain, len);
    }
    tw_aead_key_free(key);
  }
  tw_aead_key_free(NULL);
  tw_test_env_clear(&test);
}

/*
 * A kept key may be another library's than the one that seals a single message (crypto/ipsec_mb): the same comes out
 * for all lengths, wherever the bytes lie, and nothing is written beside them.
 */
static void kept_keys_compute_what_single_messages_do(void **state) {
  (void)state;
  enum { EVERY = 400, MOST = 17000, STEP = 83, BESIDE = 64, PLACE = BESIDE + MOST + TW_AEAD_TAG + BESIDE };
  static uint8_t plain[MOST];
  static uint8_t once[MOST + TW_AEAD_TAG];
  static uint8_t place[PLACE];
  tw_test_env test;
  tw_test_env_init(&test, 1);
  fill(plain, sizeof plain);
  for (size_t a = 0; a < 3; a++) {
    const tw_suite *suite = suite_with(aeads[a]);
    tw_aead_key *key = NULL;
    assert_int_equal(tw_aead_key_new(&test.env, suite, key_of(suite), &key), TW_OK);
    for (size_t len = 0; len <= MOST; len += len < EVERY ? 1 : STEP) {
      const tw_bytes aad = TW_BYTES(plain, len % 41);
      uint8_t n[TW_AEAD_NONCE];
      for (size_t i = 0; i < sizeof n; i++) n[i] = (uint8_t)(len * (i + 1));
      uint8_t *at = place + BESIDE + len % 64; /* of a cache line */
      if (at + len + TW_AEAD_TAG + BESIDE > place + PLACE) at = place + BESIDE;
      assert_int_equal(tw_aead_seal(&test.env, suite, key_of(suite), n, aad, TW_BYTES(plain, len), once), TW_OK);
      memset(at - BESIDE, 0x5a, len + TW_AEAD_TAG + 2 * BESIDE);
      memcpy(at, plain, len);
      assert_int_equal(tw_aead_key_seal(key, n, aad, TW_BYTES(at, len), at), TW_OK);
      assert_memory_equal(at, once, len + TW_AEAD_TAG);
      assert_int_equal(tw_aead_key_open(key, n, aad, TW_BYTES(at, len + TW_AEAD_TAG), at), TW_OK);
      assert_memory_equal(at, plain, len);
      for (size_t i = 0; i < BESIDE; i++) {
        assert_int_equal(at[-1 - (ptrdiff_t)i], 0x5a);
        assert_int_equal(at[len + TW_AEAD_TAG + i], 0x5a);
      }
      memcpy(at, once, len + TW_AEAD_TAG);
      at[len % (len + TW_AEAD_TAG)] ^= (uint8_t)(1U << len % 8);
      assert_int_equal(tw_aead_key_open(key, n, aad, TW_BYTES(at, len + TW_AEAD_TAG), at), TW_ERR_DECRYPT);
      for (size_t i = 0; i < len; i++) assert_int_equal(at[i], 0);
    }
    tw_aead_key_free(key);
  }
  tw_test_env_clear(&test);
}

/* Opens both ways, with another buffer and in place: refused, and nothing of the plaintext is given out. */
static void refused(tw_test_env *test, const tw_suite *suite, tw_aead_key *key, const uint8_t *n, tw_bytes aad,
                    tw_bytes sealed) {
  const size_t len = sealed.len < TW_AEAD_TAG ? 0 : sealed.len - TW_AEAD_TAG;
  uint8_t out[ROOM];
  memset(out, 0xaa, sizeof(out));
  assert_int_equal(tw_aead_open(&test->env, suite, key_of(suite), n, aad, sealed, out), TW_ERR_DECRYPT);
  assert_memory_equal(out, zeros, len);
  memset(out, 0xaa, sizeof(out));
  assert_int_equal(tw_aead_key_open(key, n, aad, sealed, out), TW_ERR_DECRYPT);
  assert_memory_equal(out, zeros, len);
  memcpy(out, sealed.ptr, sealed.len);
  assert_int_equal(tw_aead_key_open(key, n, aad, TW_BYTES(out, sealed.len), out), TW_ERR_DECRYPT);
  assert_memory_equal(out, zeros, len);
  assert_int_equal(ERR_peek_error(), 0);
}

static void every_flipped_bit_is_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  uint8_t plain[LONGEST];
  fill(plain, sizeof(plain));
  for (size_t a = 0; a < 3; a++) {
    const tw_suite *suite = suite_with(aeads[a]);
    tw_aead_key *key = NULL;
    assert_int_equal(tw_aead_key_new(&test.env, suite, key_of(suite), &key), TW_OK);
    static const size_t lengths[] = {0, 1, 16, 33, LONGEST};
    for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
      const size_t len = lengths[l];
      uint8_t aad[5] = {1, 2, 3, 4, 5};
      uint8_t n[TW_AEAD_NONCE];
      memcpy(n, nonce, sizeof(n));
      uint8_t sealed[ROOM];
      assert_int_equal(tw_aead_key_seal(key, n, TW_ARRAY(aad), TW_BYTES(plain, len), sealed), TW_OK);
      const tw_bytes all = TW_BYTES(sealed, len + TW_AEAD_TAG);
      for (size_t bit = 0; bit < 8 * all.len; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused(&test, suite, key, n, TW_ARRAY(aad), all);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
      }
      for (size_t bit = 0; bit < 8 * sizeof(aad); bit++) {
        aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused(&test, suite, key, n, TW_ARRAY(aad), all);
        aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
      }
      for (size_t bit = 0; bit < 8 * sizeof(n); bit++) {
        n[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused(&test, suite, key, n, TW_ARRAY(aad), all);
        n[bit / 8] ^= (uint8_t)(1u << bit % 8);
      }
      for (size_t cut = 0; cut < all.len; cut++) refused(&test, suite, key, n, TW_ARRAY(aad), TW_BYTES(sealed, cut));
      uint8_t opened[ROOM];
      assert_int_equal(tw_aead_key_open(key, n, TW_ARRAY(aad), all, opened), TW_OK);
    }
    tw_aead_key_free(key);
  }
  tw_test_env_clear(&test);
}

static void keys_of_wrong_length_are_the_callers_mistake(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  uint8_t out[ROOM];
  for (size_t a = 0; a < 3; a++) {
    const tw_suite *suite = suite_with(aeads[a]);
    for (size_t len = 0; len <= TW_AEAD_KEY_MAX; len++) {
      if (len == suite->aead->key_size) continue;
      const tw_bytes wrong = TW_BYTES(key_bytes, len);
      tw_aead_key *key = NULL;
      assert_int_equal(tw_aead_key_new(&test.env, suite, wrong, &key), TW_ERR_ARGUMENT);
      assert_null(key);
      assert_int_equal(tw_aead_seal(&test.env, suite, wrong, nonce, TW_NO_BYTES, TW_NO_BYTES, out), TW_ERR_ARGUMENT);
      assert_int_equal(tw_aead_open(&test.env, suite, wrong, nonce, TW_NO_BYTES, TW_BYTES(zeros, 16), out),
                       TW_ERR_ARGUMENT);
    }
    tw_aead_key *key = NULL;
    tw_test_fail_alloc(&test, 1);
    assert_int_equal(tw_aead_key_new(&test.env, suite, key_of(suite), &key), TW_ERR_NO_MEMORY);
    assert_null(key);
  }
  tw_test_env_clear(&test);
}

/* Before sealing, before opening, twice, and with or without being woken. */
static void a_key_that_has_rested_is_the_same(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  uint8_t plain[40];
  fill(plain, sizeof plain);
  for (size_t a = 0; a < 3; a++) {
    const tw_suite *suite = suite_with(aeads[a]);
    uint8_t once[sizeof plain + TW_AEAD_TAG];
    uint8_t sealed[sizeof once];
    uint8_t opened[sizeof plain];
    tw_aead_key *key = NULL;
    assert_int_equal(tw_aead_seal(&test.env, suite, key_of(suite), nonce, TW_NO_BYTES, TW_ARRAY(plain), once), TW_OK);
    assert_int_equal(tw_aead_key_new(&test.env, suite, key_of(suite), &key), TW_OK);
    for (unsigned how = 0; how < 8; how++) {
      if (how & 1) tw_aead_key_rest(key);
      if (how & 1) tw_aead_key_rest(key);
      if (how & 4) assert_int_equal(tw_aead_key_wake(key), TW_OK);
      assert_int_equal(tw_aead_key_seal(key, nonce, TW_NO_BYTES, TW_ARRAY(plain), sealed), TW_OK);
      assert_memory_equal(sealed, once, sizeof once);
      if (how & 2) tw_aead_key_rest(key);
      if (how & 4) assert_int_equal(tw_aead_key_wake(key), TW_OK);
      assert_int_equal(tw_aead_key_open(key, nonce, TW_NO_BYTES, TW_ARRAY(sealed), opened), TW_OK);
      assert_memory_equal(opened, plain, sizeof plain);
      if (how & 2) tw_aead_key_rest(key);
      sealed[how] ^= 1;
      refused(&test, suite, key, nonce, TW_NO_BYTES, TW_ARRAY(sealed));
    }
    tw_aead_key_rest(key);
    tw_aead_key_free(key);
  }
  tw_aead_key_rest(NULL);
  assert_int_equal(tw_aead_key_wake(NULL), TW_OK);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_known_answers),
      cmocka_unit_test(every_length_opens_again),
      cmocka_unit_test(kept_keys_compute_what_single_messages_do),
      cmocka_unit_test(every_flipped_bit_is_refused),
      cmocka_unit_test(keys_of_wrong_length_are_the_callers_mistake),
      cmocka_unit_test(a_key_that_has_rested_is_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
