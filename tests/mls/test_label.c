/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/label.h"
#include "tw_test_env.h"

static const tw_suite *suite_of_test(void) { return tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"); }

static void expanding_is_bounded(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = suite_of_test();
  static uint8_t out[256 * 32];
  const uint8_t secret[32] = {1};
  const size_t most = 255 * 32;
  assert_int_equal(tw_expand_with_label(&test.env, suite, TW_ARRAY(secret), TW_LITERAL("l"), TW_NO_BYTES, out, most),
                   TW_OK);
  assert_int_equal(
      tw_expand_with_label(&test.env, suite, TW_ARRAY(secret), TW_LITERAL("l"), TW_NO_BYTES, out, most + 1),
      TW_ERR_ARGUMENT);
  assert_int_equal(
      tw_expand_with_label(&test.env, suite, TW_ARRAY(secret), TW_BYTES(out, SIZE_MAX), TW_NO_BYTES, out, 1),
      TW_ERR_ARGUMENT);
  assert_int_equal(
      tw_expand_with_label(&test.env, suite, TW_ARRAY(secret), TW_NO_BYTES, TW_BYTES(out, UINT64_C(1) << 30), out, 1),
      TW_ERR_ARGUMENT);
  tw_test_env_clear(&test);
}

/* Each of label, context and length separates outputs, also where their concatenation is the same. */
static void inputs_are_separated(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = suite_of_test();
  const uint8_t secret[32] = {1};
  uint8_t out[5][32] = {{0}};
  const tw_bytes prk = TW_ARRAY(secret);
  assert_int_equal(tw_expand_with_label(&test.env, suite, prk, TW_LITERAL("ab"), TW_LITERAL("c"), out[0], 32), TW_OK);
  assert_int_equal(tw_expand_with_label(&test.env, suite, prk, TW_LITERAL("a"), TW_LITERAL("bc"), out[1], 32), TW_OK);
  assert_int_equal(tw_expand_with_label(&test.env, suite, prk, TW_LITERAL("abc"), TW_NO_BYTES, out[2], 32), TW_OK);
  assert_int_equal(tw_expand_with_label(&test.env, suite, prk, TW_LITERAL("ab"), TW_LITERAL("c"), out[3], 31), TW_OK);
  assert_int_equal(tw_derive_tree_secret(&test.env, suite, prk, TW_LITERAL("ab"), 1, out[4], 32), TW_OK);
  for (size_t i = 0; i < 5; i++) {
    for (size_t k = i + 1; k < 5; k++) assert_memory_not_equal(out[i], out[k], 16);
  }
  tw_test_env_clear(&test);
}

static void signatures_bind_label_and_content(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = suite_of_test();
  tw_signer *signer = NULL;
  assert_int_equal(tw_signer_generate(&test.env, suite, &signer), TW_OK);
  const tw_bytes pub = tw_signer_public_key(signer);
  tw_buf signature = TW_BUF_INIT(&test.alloc);
  const tw_bytes parts[] = {TW_LITERAL("one"), TW_NO_BYTES, TW_LITERAL("two")};
  const tw_bytes whole = TW_LITERAL("onetwo");
  const tw_bytes other = TW_LITERAL("onetwO");
  assert_int_equal(tw_sign_with_label(&test.env, signer, TW_LITERAL("label"), parts, 3, &signature), TW_OK);
  const tw_bytes made = tw_buf_bytes(&signature);
  assert_int_equal(tw_verify_with_label(&test.env, suite, pub, TW_LITERAL("label"), &whole, 1, made), TW_OK);
  assert_int_equal(tw_verify_with_label(&test.env, suite, pub, TW_LITERAL("label"), &other, 1, made), TW_ERR_SIGNATURE);
  assert_int_equal(tw_verify_with_label(&test.env, suite, pub, TW_LITERAL("labeL"), &whole, 1, made), TW_ERR_SIGNATURE);
  for (size_t i = 0; i < signature.len; i++) {
    signature.ptr[i] ^= 1;
    assert_int_equal(tw_verify_with_label(&test.env, suite, pub, TW_LITERAL("label"), &whole, 1, made),
                     TW_ERR_SIGNATURE);
    signature.ptr[i] ^= 1;
    assert_int_equal(tw_verify_with_label(&test.env, suite, pub, TW_LITERAL("label"), &whole, 1, TW_BYTES(made.ptr, i)),
                     TW_ERR_SIGNATURE);
  }
  tw_buf_clear(&signature);
  tw_signer_free(signer);
  tw_test_env_clear(&test);
}

static void encryption_binds_label_and_context(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = suite_of_test();
  tw_secret priv = {0};
  uint8_t pub[TW_KEM_PUBLIC_MAX];
  assert_int_equal(tw_kem_generate(&test.env, suite, &priv, pub), TW_OK);
  const tw_bytes public_key = {pub, suite->kem->public_size};
  tw_buf kem_output = TW_BUF_INIT(&test.alloc);
  tw_buf ciphertext = TW_BUF_INIT(&test.alloc);
  tw_buf plaintext = TW_BUF_INIT(&test.alloc);
  assert_int_equal(tw_encrypt_with_label(&test.env, suite, public_key, TW_LITERAL("l"), TW_LITERAL("c"),
                                         TW_LITERAL("text"), &kem_output, &ciphertext),
                   TW_OK);
  const struct {
    tw_bytes label, context;
    tw_err expected;
  } cases[] = {{TW_LITERAL("l"), TW_LITERAL("C"), TW_ERR_DECRYPT},
               {TW_LITERAL("L"), TW_LITERAL("c"), TW_ERR_DECRYPT},
               {TW_LITERAL("lc"), TW_NO_BYTES, TW_ERR_DECRYPT},
               {TW_LITERAL("l"), TW_LITERAL("c"), TW_OK}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(tw_decrypt_with_label(&test.env, suite, tw_secret_bytes(&priv), public_key, cases[i].label,
                                           cases[i].context, tw_buf_bytes(&kem_output), tw_buf_bytes(&ciphertext),
                                           &plaintext),
                     cases[i].expected);
    assert_int_equal(plaintext.len, cases[i].expected == TW_OK ? 4 : 0);
  }
  tw_test_same(tw_buf_bytes(&plaintext), TW_LITERAL("text"));
  tw_buf_clear(&kem_output);
  tw_buf_clear(&ciphertext);
  tw_buf_clear(&plaintext);
  tw_test_env_clear(&test);
}

static void no_memory_is_an_error_that_leaves_nothing(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = suite_of_test();
  tw_signer *signer = NULL;
  assert_int_equal(tw_signer_generate(&test.env, suite, &signer), TW_OK);
  const tw_bytes content = TW_LITERAL("content");
  tw_buf signature = TW_BUF_INIT(&test.alloc);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_sign_with_label(&test.env, signer, TW_LITERAL("l"), &content, 1, &signature);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(signature.len, 0);
  }
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_verify_with_label(&test.env, suite, tw_signer_public_key(signer), TW_LITERAL("l"), &content,
                                            1, tw_buf_bytes(&signature));
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf_clear(&signature);
  tw_signer_free(signer);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(expanding_is_bounded),
      cmocka_unit_test(inputs_are_separated),
      cmocka_unit_test(signatures_bind_label_and_content),
      cmocka_unit_test(encryption_binds_label_and_context),
      cmocka_unit_test(no_memory_is_an_error_that_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
