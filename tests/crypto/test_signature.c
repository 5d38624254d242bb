/* Signatures of every scheme. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "crypto/suites.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

/* One suite for each scheme. */
static const tw_suite *next_scheme_suite(size_t *at) {
  for (; tw_suite_at(*at) != NULL; (*at)++) {
    const tw_suite *suite = tw_suite_at(*at);
    bool seen = false;
    for (size_t i = 0; i < *at; i++) seen = seen || tw_suite_at(i)->signature == suite->signature;
    if (!seen) {
      (*at)++;
      return suite;
    }
  }
  return NULL;
}

static const tw_suite *suite_with(const tw_signature *scheme) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->signature == scheme) return tw_suite_at(i);
  return NULL;
}

static const tw_bytes content = {(const uint8_t *)"content to be signed", 20};

static tw_signer *generate(tw_test_env *test, const tw_suite *suite) {
  tw_signer *signer = NULL;
  assert_int_equal(tw_signer_generate(&test->env, suite, &signer), TW_OK);
  return signer;
}

static void every_scheme_signs_and_verifies(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 3);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_scheme_suite(&at)) != NULL;) {
    tw_signer *signer = generate(&test, suite);
    assert_ptr_equal(tw_signer_scheme(signer), suite->signature);
    for (int round = 0; round < 4; round++) { /* one key signs many times, whatever was signed before */
      tw_buf signature = TW_BUF_INIT(&test.alloc);
      const tw_bytes text = round == 1 ? TW_NO_BYTES : content;
      assert_int_equal(tw_sign(&test.env, signer, text, &signature), TW_OK);
      assert_int_equal(tw_verify(&test.env, suite, tw_signer_public_key(signer), text, tw_buf_bytes(&signature)),
                       TW_OK);
      assert_int_equal(tw_verify(&test.env, suite, tw_signer_public_key(signer), TW_LITERAL("Content to be signed"),
                                 tw_buf_bytes(&signature)),
                       TW_ERR_SIGNATURE);
      tw_buf_clear(&signature);
    }
    tw_signer_free(signer);
  }
  tw_test_env_clear(&test);
}

static void every_changed_byte_is_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 4);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_scheme_suite(&at)) != NULL;) {
    tw_signer *signer = generate(&test, suite);
    tw_buf signature = TW_BUF_INIT(&test.alloc);
    assert_int_equal(tw_sign(&test.env, signer, content, &signature), TW_OK);
    const tw_bytes pk = tw_signer_public_key(signer);
    const tw_bytes all = tw_buf_bytes(&signature);
    const size_t step = all.len > 1000 ? 61 : 1; /* ML-DSA by samples */
    for (size_t i = 0; i < all.len; i += step) {
      const uint8_t mask = (uint8_t)(1u << i % 8);
      signature.ptr[i] ^= mask;
      assert_int_equal(tw_verify(&test.env, suite, pk, content, all), TW_ERR_SIGNATURE);
      signature.ptr[i] ^= mask;
      assert_int_equal(ERR_peek_error(), 0);
    }
    for (size_t cut = 0; cut < all.len; cut += step)
      assert_int_equal(tw_verify(&test.env, suite, pk, content, TW_BYTES(all.ptr, cut)), TW_ERR_SIGNATURE);
    uint8_t longer[TW_SIGNATURE_MAX + 1] = {0};
    memcpy(longer, all.ptr, all.len);
    assert_int_equal(tw_verify(&test.env, suite, pk, content, TW_BYTES(longer, all.len + 1)), TW_ERR_SIGNATURE);
    uint8_t other[TW_SIGN_PUBLIC_MAX + 1] = {0};
    memcpy(other, pk.ptr, pk.len);
    for (size_t i = 0; i < pk.len; i += step) {
      other[i] ^= 1;
      const tw_err err = tw_verify(&test.env, suite, TW_BYTES(other, pk.len), content, all);
      assert_true(err == TW_ERR_SIGNATURE || err == TW_ERR_KEY);
      other[i] ^= 1;
      assert_int_equal(ERR_peek_error(), 0);
    }
    for (size_t len = 0; len <= pk.len + 1; len++)
      if (len != pk.len) assert_int_equal(tw_verify(&test.env, suite, TW_BYTES(other, len), content, all), TW_ERR_KEY);
    assert_int_equal(tw_verify(&test.env, suite, pk, content, tw_buf_bytes(&signature)), TW_OK);
    tw_buf_clear(&signature);
    tw_signer_free(signer);
  }
  tw_test_env_clear(&test);
}

static void same_randomness_gives_same_signatures(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 5);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_scheme_suite(&at)) != NULL;) {
    tw_buf signatures[3] = {TW_BUF_INIT(&test.alloc), TW_BUF_INIT(&test.alloc), TW_BUF_INIT(&test.alloc)};
    for (int i = 0; i < 2; i++) {
      tw_test_env_reseed(&test, 99);
      tw_signer *signer = generate(&test, suite);
      assert_int_equal(tw_sign(&test.env, signer, content, &signatures[i]), TW_OK);
      if (i == 1) assert_int_equal(tw_sign(&test.env, signer, content, &signatures[2]), TW_OK);
      tw_signer_free(signer);
    }
    tw_test_same(tw_buf_bytes(&signatures[0]), tw_buf_bytes(&signatures[1]));
    /* ML-DSA is hedged: other randomness, other signature. The others are deterministic. */
    assert_int_equal(tw_bytes_equal(tw_buf_bytes(&signatures[1]), tw_buf_bytes(&signatures[2])),
                     suite->signature->sign_random == 0);
    for (int i = 0; i < 3; i++) tw_buf_clear(&signatures[i]);
  }
  tw_test_env_clear(&test);
}

static void known_answer(tw_test_env *test, const tw_signature *scheme, const char *private_hex, const char *public_hex,
                         tw_bytes text, const char *signature_hex) {
  const tw_suite *suite = suite_with(scheme);
  tw_buf private_key = {0};
  tw_buf wanted = {0};
  tw_buf signature = {0};
  tw_signer *signer = NULL;
  tw_test_unhex(private_hex, &private_key);
  assert_int_equal(tw_signer_import(&test->env, suite, tw_buf_bytes(&private_key), &signer), TW_OK);
  tw_test_unhex(public_hex, &wanted);
  tw_test_same(tw_signer_public_key(signer), tw_buf_bytes(&wanted));
  assert_int_equal(tw_sign(&test->env, signer, text, &signature), TW_OK);
  tw_test_unhex(signature_hex, &wanted);
  tw_test_same(tw_buf_bytes(&signature), tw_buf_bytes(&wanted));
  assert_int_equal(tw_verify(&test->env, suite, tw_signer_public_key(signer), text, tw_buf_bytes(&signature)), TW_OK);
  tw_signer_free(signer);
  tw_buf_clear(&private_key);
  tw_buf_clear(&wanted);
  tw_buf_clear(&signature);
}

static void agrees_with_known_answers(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 6);
  /* RFC 8032 section 7.1, test 1 */
  known_answer(&test, &tw_signature_ed25519, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
               "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", TW_NO_BYTES,
               "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
               "0595bbe24655141"
               "438e7a100b");
  /* RFC 6979 appendix A.2.5, SHA-256, "sample" */
  known_answer(&test, &tw_signature_p256, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
               "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b"
               "20c2d7e9f5177a3c2"
               "94d4462299",
               TW_LITERAL("sample"),
               "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716022100f7cb1c942d657c41d436c7a"
               "1b6e29f65f3e900"
               "dbb9aff4064dc4ab2f843acda8");
  tw_test_env_clear(&test);
}

/* ECDSA-Sig-Value is DER: other encodings of the same numbers are not signatures. */
static void other_encodings_of_ecdsa_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 6);
  const tw_suite *suite = suite_with(&tw_signature_p256);
  tw_signer *signer = generate(&test, suite);
  tw_buf signature = TW_BUF_INIT(&test.alloc);
  do { /* one whose r has no leading zero */
    signature.len = 0;
    tw_signer_free(signer);
    signer = generate(&test, suite);
    assert_int_equal(tw_sign(&test.env, signer, content, &signature), TW_OK);
  } while (signature.ptr[3] != 32 || signature.len != 70);
  const tw_bytes pk = tw_signer_public_key(signer);
  uint8_t changed[80];
  /* a longer form of the length */
  changed[0] = 0x30;
  changed[1] = 0x81;
  memcpy(changed + 2, signature.ptr + 1, signature.len - 1);
  assert_int_equal(tw_verify(&test.env, suite, pk, content, TW_BYTES(changed, signature.len + 1)), TW_ERR_SIGNATURE);
  /* a zero before r */
  changed[1] = (uint8_t)(signature.ptr[1] + 1);
  changed[2] = 0x02;
  changed[3] = 33;
  changed[4] = 0;
  memcpy(changed + 5, signature.ptr + 4, signature.len - 4);
  assert_int_equal(tw_verify(&test.env, suite, pk, content, TW_BYTES(changed, signature.len + 1)), TW_ERR_SIGNATURE);
  /* r = s = 0 */
  const uint8_t zeros[] = {0x30, 6, 2, 1, 0, 2, 1, 0};
  assert_int_equal(tw_verify(&test.env, suite, pk, content, TW_ARRAY(zeros)), TW_ERR_SIGNATURE);
  tw_buf_clear(&signature);
  tw_signer_free(signer);
  tw_test_env_clear(&test);
}

static void bad_private_keys_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 7);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_scheme_suite(&at)) != NULL;) {
    uint8_t key[TW_SECRET_MAX + 1];
    memset(key, 0x11, sizeof(key));
    key[0] = 0;
    tw_signer *signer = NULL;
    for (size_t len = 0; len <= (size_t)suite->signature->private_size + 1 && len <= sizeof(key); len++) {
      const tw_err err = tw_signer_import(&test.env, suite, TW_BYTES(key, len), &signer);
      assert_int_equal(err, len == suite->signature->private_size ? TW_OK : TW_ERR_KEY);
      assert_true((signer != NULL) == (err == TW_OK));
      tw_signer_free(signer);
    }
  }
  static const tw_signature *const ecdsa[] = {&tw_signature_p256, &tw_signature_p384, &tw_signature_p521};
  static const char *const orders[] = {
      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
      "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
      "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c"
      "47aebb6fb7"
      "1e91386409"};
  tw_buf key = {0};
  for (size_t i = 0; i < 3; i++) {
    tw_signer *signer = NULL;
    tw_test_unhex(orders[i], &key);
    assert_int_equal(tw_signer_import(&test.env, suite_with(ecdsa[i]), tw_buf_bytes(&key), &signer), TW_ERR_KEY);
    key.ptr[key.len - 1]--;
    assert_int_equal(tw_signer_import(&test.env, suite_with(ecdsa[i]), tw_buf_bytes(&key), &signer), TW_OK);
    tw_signer_free(signer);
    memset(key.ptr, 0, key.len);
    assert_int_equal(tw_signer_import(&test.env, suite_with(ecdsa[i]), tw_buf_bytes(&key), &signer), TW_ERR_KEY);
    assert_null(signer);
  }
  tw_buf_clear(&key);
  tw_test_env_clear(&test);
}

static tw_err stuck_random(void *ctx, uint8_t *out, size_t len) {
  (void)ctx;
  memset(out, 0xff, len);
  return TW_OK;
}

static void failing_randomness_and_memory_are_reported(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 8);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_scheme_suite(&at)) != NULL;) {
    tw_signer *signer = NULL;
    tw_test_fail_random(&test, 1);
    assert_int_equal(tw_signer_generate(&test.env, suite, &signer), TW_ERR_RANDOM);
    assert_null(signer);
    for (size_t n = 1;; n++) {
      tw_test_fail_alloc(&test, n);
      const tw_err err = tw_signer_generate(&test.env, suite, &signer);
      assert_int_equal(err, test.alloc_failed ? TW_ERR_NO_MEMORY : TW_OK);
      if (!test.alloc_failed) break;
      assert_null(signer);
    }
    tw_test_fail_alloc(&test, 0);
    tw_buf signature = TW_BUF_INIT(&test.alloc);
    tw_test_fail_random(&test, 1);
    assert_int_equal(tw_sign(&test.env, signer, content, &signature),
                     suite->signature->sign_random > 0 ? TW_ERR_RANDOM : TW_OK);
    assert_true((signature.len == 0) == (suite->signature->sign_random > 0));
    tw_test_fail_random(&test, 0);
    tw_buf_clear(&signature);
    tw_test_fail_alloc(&test, 1);
    assert_int_equal(tw_sign(&test.env, signer, content, &signature), TW_ERR_NO_MEMORY);
    assert_int_equal(signature.len, 0);
    tw_test_fail_alloc(&test, 0);
    tw_signer_free(signer);
  }
  /* A generator that never yields a scalar is not asked for ever. */
  tw_env env = test.env;
  env.random = stuck_random;
  tw_signer *signer = NULL;
  assert_int_equal(tw_signer_generate(&env, suite_with(&tw_signature_p256), &signer), TW_ERR_RANDOM);
  assert_null(signer);
  tw_test_env_clear(&test);
}

static void signers_are_counted_and_exported(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 9);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_scheme_suite(&at)) != NULL;) {
    tw_signer *signer = generate(&test, suite);
    tw_signer *second = tw_signer_ref(signer);
    assert_ptr_equal(signer, second);
    tw_buf key = TW_BUF_INIT(&test.alloc);
    assert_int_equal(tw_signer_export(signer, &key), TW_OK);
    assert_int_equal(key.len, suite->signature->private_size);
    tw_signer *again = NULL;
    assert_int_equal(tw_signer_import(&test.env, suite, tw_buf_bytes(&key), &again), TW_OK);
    tw_test_same(tw_signer_public_key(signer), tw_signer_public_key(again));
    tw_signer_free(signer);
    tw_buf signature = TW_BUF_INIT(&test.alloc);
    assert_int_equal(tw_sign(&test.env, second, content, &signature), TW_OK);
    assert_int_equal(tw_verify(&test.env, suite, tw_signer_public_key(again), content, tw_buf_bytes(&signature)),
                     TW_OK);
    tw_signer_free(second);
    tw_signer_free(again);
    tw_buf_clear(&key);
    tw_buf_clear(&signature);
  }
  tw_signer_free(NULL);
  assert_null(tw_signer_ref(NULL));
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_scheme_signs_and_verifies),
      cmocka_unit_test(every_changed_byte_is_refused),
      cmocka_unit_test(same_randomness_gives_same_signatures),
      cmocka_unit_test(agrees_with_known_answers),
      cmocka_unit_test(other_encodings_of_ecdsa_are_refused),
      cmocka_unit_test(bad_private_keys_are_refused),
      cmocka_unit_test(failing_randomness_and_memory_are_reported),
      cmocka_unit_test(signers_are_counted_and_exported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
