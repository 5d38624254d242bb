/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/schedule.h"
#include "tw_test_env.h"

static const uint8_t some_secret[64] = {7, 7, 7};

static tw_bytes secret_of(const tw_suite *suite) { return TW_BYTES(some_secret, suite->hash->size); }

static void no_commit_secret_and_no_psk_are_zeros(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = tw_suite_default();
  static const uint8_t zeros[TW_HASH_MAX];
  const tw_bytes zero = {zeros, suite->hash->size};
  tw_secret a = {0};
  tw_secret b = {0};
  assert_int_equal(tw_joiner_secret(&test.env, suite, secret_of(suite), TW_NO_BYTES, TW_LITERAL("gc"), &a), TW_OK);
  assert_int_equal(tw_joiner_secret(&test.env, suite, secret_of(suite), zero, TW_LITERAL("gc"), &b), TW_OK);
  tw_test_same(tw_secret_bytes(&a), tw_secret_bytes(&b));
  assert_int_equal(a.len, suite->hash->size);
  tw_epoch_secrets one = {0};
  tw_epoch_secrets two = {0};
  assert_int_equal(tw_epoch_secrets_derive(&test.env, suite, tw_secret_bytes(&a), TW_NO_BYTES, TW_LITERAL("gc"), &one),
                   TW_OK);
  assert_int_equal(tw_epoch_secrets_derive(&test.env, suite, tw_secret_bytes(&a), zero, TW_LITERAL("gc"), &two), TW_OK);
  assert_memory_equal(&one, &two, sizeof one);
  uint8_t keys[2][TW_AEAD_KEY_MAX];
  uint8_t nonces[2][TW_AEAD_NONCE];
  assert_int_equal(tw_welcome_key(&test.env, suite, tw_secret_bytes(&a), TW_NO_BYTES, keys[0], nonces[0]), TW_OK);
  assert_int_equal(tw_welcome_key(&test.env, suite, tw_secret_bytes(&a), zero, keys[1], nonces[1]), TW_OK);
  assert_memory_equal(keys[0], keys[1], suite->aead->key_size);
  assert_memory_equal(nonces[0], nonces[1], TW_AEAD_NONCE);
  tw_epoch_secrets_clear(&one);
  static const tw_epoch_secrets nothing;
  assert_memory_equal(&one, &nothing, sizeof one);
  tw_epoch_secrets_clear(&two);
  tw_epoch_secrets_clear(NULL);
  tw_test_env_clear(&test);
}

static void every_epoch_secret_is_another(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t s = 0; tw_suite_at(s) != NULL; s++) {
    const tw_suite *suite = tw_suite_at(s);
    tw_epoch_secrets e = {0};
    assert_int_equal(tw_epoch_secrets_expand(&test.env, suite, secret_of(suite), &e), TW_OK);
    const tw_secret *all[] = {&e.sender_data_secret, &e.encryption_secret,   &e.exporter_secret,
                              &e.external_secret,    &e.confirmation_key,    &e.membership_key,
                              &e.resumption_psk,     &e.epoch_authenticator, &e.application_export_secret,
                              &e.init_secret};
    for (size_t i = 0; i < 10; i++) {
      assert_int_equal(all[i]->len, suite->hash->size);
      for (size_t k = i + 1; k < 10; k++) assert_memory_not_equal(all[i]->data, all[k]->data, all[i]->len);
    }
    tw_epoch_secrets_clear(&e);
  }
  tw_test_env_clear(&test);
}

static void confirmation_tag_must_be_whole(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = tw_suite_default();
  uint8_t tag[TW_HASH_MAX + 1] = {0};
  const size_t size = suite->hash->size;
  const tw_bytes key = secret_of(suite);
  assert_int_equal(tw_confirmation_tag(&test.env, suite, key, TW_LITERAL("hash"), tag), TW_OK);
  assert_int_equal(tw_confirmation_tag_check(&test.env, suite, key, TW_LITERAL("hash"), TW_BYTES(tag, size)), TW_OK);
  assert_int_equal(tw_confirmation_tag_check(&test.env, suite, key, TW_LITERAL("hasH"), TW_BYTES(tag, size)),
                   TW_ERR_MAC);
  assert_int_equal(tw_confirmation_tag_check(&test.env, suite, key, TW_LITERAL("hash"), TW_BYTES(tag, size - 1)),
                   TW_ERR_MAC);
  assert_int_equal(tw_confirmation_tag_check(&test.env, suite, key, TW_LITERAL("hash"), TW_BYTES(tag, size + 1)),
                   TW_ERR_MAC);
  assert_int_equal(tw_confirmation_tag_check(&test.env, suite, key, TW_LITERAL("hash"), TW_NO_BYTES), TW_ERR_MAC);
  for (size_t bit = 0; bit < 8 * size; bit++) {
    tag[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    assert_int_equal(tw_confirmation_tag_check(&test.env, suite, key, TW_LITERAL("hash"), TW_BYTES(tag, size)),
                     TW_ERR_MAC);
    tag[bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
  tw_test_env_clear(&test);
}

/* Both sides of an external commit come to the same init_secret, with every suite; a changed kem_output to none or
 * another. */
static void external_init_agrees(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t s = 0; tw_suite_at(s) != NULL; s++) {
    const tw_suite *suite = tw_suite_at(s);
    tw_secret priv = {0};
    uint8_t pub[TW_KEM_PUBLIC_MAX];
    assert_int_equal(tw_external_key_pair(&test.env, suite, secret_of(suite), &priv, pub), TW_OK);
    tw_buf kem_output = TW_BUF_INIT(&test.alloc);
    tw_secret sent = {0};
    tw_secret received = {0};
    const tw_bytes external_pub = {pub, suite->kem->public_size};
    assert_int_equal(tw_external_init_send(&test.env, suite, external_pub, &kem_output, &sent), TW_OK);
    assert_int_equal(tw_external_init_receive(&test.env, suite, secret_of(suite), tw_buf_bytes(&kem_output), &received),
                     TW_OK);
    tw_test_same(tw_secret_bytes(&sent), tw_secret_bytes(&received));
    assert_int_equal(sent.len, suite->hash->size);
    kem_output.ptr[kem_output.len / 2] ^= 1;
    tw_secret wrong = {0};
    if (tw_external_init_receive(&test.env, suite, secret_of(suite), tw_buf_bytes(&kem_output), &wrong) == TW_OK) {
      assert_false(tw_secret_equal(tw_secret_bytes(&sent), tw_secret_bytes(&wrong)));
    }
    assert_int_not_equal(tw_external_init_receive(&test.env, suite, secret_of(suite),
                                                  TW_BYTES(kem_output.ptr, kem_output.len - 1), &wrong),
                         TW_OK);
    tw_test_fail_random(&test, 1);
    const size_t before = kem_output.len;
    assert_int_equal(tw_external_init_send(&test.env, suite, external_pub, &kem_output, &sent), TW_ERR_RANDOM);
    assert_int_equal(kem_output.len, before);
    tw_test_fail_random(&test, 0);
    tw_buf_clear(&kem_output);
  }
  tw_test_env_clear(&test);
}

static tw_psk some_psk(const char *id, const char *secret) {
  return (tw_psk){
      .id = {.type = TW_PSK_EXTERNAL, .id = {(const uint8_t *)id, strlen(id)}, .nonce = TW_LITERAL("nonce")},
      .secret = {(const uint8_t *)secret, strlen(secret)}};
}

static void psk_secret_depends_on_all_and_on_their_order(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = tw_suite_default();
  tw_psk psks[2] = {some_psk("one", "1"), some_psk("two", "2")};
  const tw_psk turned[2] = {psks[1], psks[0]};
  tw_secret none = {0};
  tw_secret both = {0};
  tw_secret other = {0};
  static const uint8_t zeros[TW_HASH_MAX];
  assert_int_equal(tw_psk_secret(&test.env, suite, NULL, 0, &none), TW_OK);
  tw_test_same(tw_secret_bytes(&none), TW_BYTES(zeros, suite->hash->size));
  assert_int_equal(tw_psk_secret(&test.env, suite, psks, 2, &both), TW_OK);
  assert_int_equal(tw_psk_secret(&test.env, suite, turned, 2, &other), TW_OK);
  assert_memory_not_equal(both.data, other.data, both.len);
  assert_int_equal(tw_psk_secret(&test.env, suite, psks, 1, &other), TW_OK);
  assert_memory_not_equal(both.data, other.data, both.len);
  psks[1].id.nonce = TW_LITERAL("Nonce");
  assert_int_equal(tw_psk_secret(&test.env, suite, psks, 2, &other), TW_OK);
  assert_memory_not_equal(both.data, other.data, both.len);
  assert_int_equal(tw_psk_secret(&test.env, suite, psks, 65536, &other), TW_ERR_LIMIT);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    other = both;
    const tw_err err = tw_psk_secret(&test.env, suite, psks, 2, &other);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    tw_test_same(tw_secret_bytes(&other), tw_secret_bytes(&both));
  }
  tw_test_fail_alloc(&test, 0);
  tw_test_env_clear(&test);
}

static void exporting_allocates_nothing_and_is_bounded(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = tw_suite_default();
  static uint8_t out[256 * TW_HASH_MAX];
  uint8_t again[32];
  const tw_bytes secret = secret_of(suite);
  const size_t calls = test.alloc_calls;
  assert_int_equal(tw_exporter(&test.env, suite, secret, TW_LITERAL("label"), TW_LITERAL("context"), out, 32), TW_OK);
  assert_int_equal(test.alloc_calls, calls);
  assert_int_equal(tw_exporter(&test.env, suite, secret, TW_LITERAL("label"), TW_LITERAL("Context"), again, 32), TW_OK);
  assert_memory_not_equal(out, again, 32);
  assert_int_equal(tw_exporter(&test.env, suite, secret, TW_LITERAL("Label"), TW_LITERAL("context"), again, 32), TW_OK);
  assert_memory_not_equal(out, again, 32);
  const size_t most = (size_t)255 * suite->hash->size;
  assert_int_equal(tw_exporter(&test.env, suite, secret, TW_LITERAL("label"), TW_NO_BYTES, out, most), TW_OK);
  assert_int_equal(tw_exporter(&test.env, suite, secret, TW_LITERAL("label"), TW_NO_BYTES, out, most + 1),
                   TW_ERR_ARGUMENT);
  assert_int_equal(tw_exporter(&test.env, suite, secret, TW_LITERAL("label"), TW_NO_BYTES, out, SIZE_MAX),
                   TW_ERR_ARGUMENT);
  tw_test_env_clear(&test);
}

/* Whatever was asked before: the cache changes the time alone. */
static void the_exporter_cache_changes_no_value(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  static const char *const labels[] = {"a", "a", "b", "",  "a",
                                       "b", "a", "b", "A", "a label that is too long for the cache, by a word or two",
                                       "b", "a", ""};
  for (size_t s = 0; tw_suite_at(s) != NULL; s++) {
    const tw_suite *suite = tw_suite_at(s);
    tw_exporter_cache cache = {0};
    tw_hmac_key key;
    tw_hmac_key_init(&test.env, suite, secret_of(suite), &key);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
      const tw_bytes label = {(const uint8_t *)labels[i], strlen(labels[i])};
      const tw_bytes context = {(const uint8_t *)"context", i % 2};
      for (size_t len = 0; len < 300; len += 1 + len / 3) {
        uint8_t a[300] = {0};
        uint8_t b[300] = {0};
        assert_int_equal(tw_exporter(&test.env, suite, secret_of(suite), label, context, a, len), TW_OK);
        assert_int_equal(tw_exporter_cached(&test.env, suite, &key, &cache, label, context, b, len), TW_OK);
        assert_memory_equal(a, b, sizeof a);
      }
    }
    uint8_t out[1];
    assert_int_equal(tw_exporter_cached(&test.env, suite, &key, &cache, TW_LITERAL("b"), TW_NO_BYTES, out, SIZE_MAX),
                     TW_ERR_ARGUMENT);
  }
  tw_test_env_clear(&test);
}

/* Two directions asked in turns are both kept: the second round asks for no derivation any more. */
static void the_exporter_cache_keeps_two_labels(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = tw_suite_default();
  tw_exporter_cache cache = {0};
  tw_hmac_key key;
  uint8_t out[3][32];
  tw_hmac_key_init(&test.env, suite, secret_of(suite), &key);
  const tw_bytes labels[] = {TW_LITERAL("one"), TW_LITERAL("two"), TW_LITERAL("three")};
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(tw_exporter_cached(&test.env, suite, &key, &cache, labels[i], TW_NO_BYTES, out[i], 32), TW_OK);
  /* by another key, so that what is derived anew comes out differently */
  tw_hmac_key other;
  tw_hmac_key_init(&test.env, suite, TW_LITERAL("another secret"), &other);
  for (size_t i = 0; i < 6; i++) {
    assert_int_equal(tw_exporter_cached(&test.env, suite, &other, &cache, labels[i % 2], TW_NO_BYTES, out[2], 32),
                     TW_OK);
    assert_memory_equal(out[2], out[i % 2], 32);
  }
  /* the third takes the place of the one that was asked longer ago */
  assert_int_equal(tw_exporter_cached(&test.env, suite, &other, &cache, labels[2], TW_NO_BYTES, out[2], 32), TW_OK);
  assert_int_equal(tw_exporter_cached(&test.env, suite, &other, &cache, labels[1], TW_NO_BYTES, out[2], 32), TW_OK);
  assert_memory_equal(out[2], out[1], 32);
  assert_int_equal(tw_exporter_cached(&test.env, suite, &other, &cache, labels[0], TW_NO_BYTES, out[2], 32), TW_OK);
  assert_memory_not_equal(out[2], out[0], 32);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_commit_secret_and_no_psk_are_zeros),
      cmocka_unit_test(every_epoch_secret_is_another),
      cmocka_unit_test(confirmation_tag_must_be_whole),
      cmocka_unit_test(external_init_agrees),
      cmocka_unit_test(psk_secret_depends_on_all_and_on_their_order),
      cmocka_unit_test(exporting_allocates_nothing_and_is_bounded),
      cmocka_unit_test(the_exporter_cache_changes_no_value),
      cmocka_unit_test(the_exporter_cache_keeps_two_labels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
