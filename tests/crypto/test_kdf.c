/* Hashes, HMAC and HKDF. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>

#include "crypto/kdf.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

static const tw_suite *suite_with(const tw_hash *hash) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->hash == hash) return tw_suite_at(i);
  return NULL;
}

static const tw_hash *const hashes[] = {&tw_hash_sha256, &tw_hash_sha384, &tw_hash_sha512};
static const char *const evp_names[] = {"SHA256", "SHA384", "SHA512"};

static void expect(const uint8_t *got, size_t len, const char *hex) {
  tw_buf wanted = {0};
  tw_test_unhex(hex, &wanted);
  tw_test_same(TW_BYTES(got, len), tw_buf_bytes(&wanted));
  tw_buf_clear(&wanted);
}

static void hkdf_agrees_with_rfc_5869(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = suite_with(&tw_hash_sha256);
  uint8_t ikm[22];
  uint8_t salt[13];
  uint8_t info[10];
  memset(ikm, 0x0b, sizeof(ikm));
  for (size_t i = 0; i < sizeof(salt); i++) salt[i] = (uint8_t)i;
  for (size_t i = 0; i < sizeof(info); i++) info[i] = (uint8_t)(0xf0 + i);
  tw_secret prk = {{0}, 0};
  assert_int_equal(tw_hkdf_extract(&test.env, suite, TW_ARRAY(salt), TW_ARRAY(ikm), &prk), TW_OK);
  expect(prk.data, prk.len, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  uint8_t okm[42];
  const tw_bytes split[] = {TW_BYTES(info, 3), TW_NO_BYTES, TW_BYTES(info + 3, 7)};
  assert_int_equal(tw_hkdf_expand(&test.env, suite, tw_secret_bytes(&prk), split, 3, okm, sizeof(okm)), TW_OK);
  expect(okm, sizeof(okm), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  /* A.3: no salt, no info; in place. */
  assert_int_equal(tw_secret_set(&prk, TW_ARRAY(ikm)), TW_OK);
  assert_int_equal(tw_hkdf_extract(&test.env, suite, TW_NO_BYTES, tw_secret_bytes(&prk), &prk), TW_OK);
  expect(prk.data, prk.len, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
  assert_int_equal(tw_hkdf_expand(&test.env, suite, tw_secret_bytes(&prk), NULL, 0, okm, sizeof(okm)), TW_OK);
  expect(okm, sizeof(okm), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  tw_test_env_clear(&test);
}

static void hkdf_refuses_what_it_cannot_do(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  static uint8_t out[255 * TW_HASH_MAX + 1];
  for (size_t h = 0; h < 3; h++) {
    const tw_suite *suite = suite_with(hashes[h]);
    const size_t most = (size_t)255 * suite->hash->size;
    assert_int_equal(tw_hkdf_expand(&test.env, suite, TW_LITERAL("key"), NULL, 0, out, most), TW_OK);
    assert_int_equal(tw_hkdf_expand(&test.env, suite, TW_LITERAL("key"), NULL, 0, out, most + 1), TW_ERR_ARGUMENT);
    for (size_t i = 0; i < most; i++) assert_int_equal(out[i], 0);
    tw_bytes parts[TW_HKDF_INFO_PARTS + 1];
    for (size_t i = 0; i <= TW_HKDF_INFO_PARTS; i++) parts[i] = TW_LITERAL("x");
    assert_int_equal(tw_hkdf_expand(&test.env, suite, TW_LITERAL("key"), parts, TW_HKDF_INFO_PARTS, out, 8), TW_OK);
    assert_int_equal(tw_hkdf_expand(&test.env, suite, TW_LITERAL("key"), parts, TW_HKDF_INFO_PARTS + 1, out, 8),
                     TW_ERR_ARGUMENT);
  }
  tw_test_env_clear(&test);
}

/* The direct SHA-2 functions and the kept HMAC states, against EVP, around every block boundary. */
static void hash_and_hmac_agree_with_evp(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 2);
  uint8_t data[300];
  uint8_t key[300];
  assert_int_equal(tw_random(&test.env, data, sizeof(data)), TW_OK);
  assert_int_equal(tw_random(&test.env, key, sizeof(key)), TW_OK);
  for (size_t h = 0; h < 3; h++) {
    const tw_suite *suite = suite_with(hashes[h]);
    for (size_t len = 0; len <= sizeof(data); len += 1 + len / 64) {
      uint8_t got[TW_HASH_MAX];
      uint8_t wanted[EVP_MAX_MD_SIZE];
      size_t size = 0;
      const size_t cut = len / 3;
      const tw_bytes parts[] = {TW_BYTES(data, cut), TW_NO_BYTES, TW_BYTES(data + cut, len - cut)};
      assert_int_equal(EVP_Q_digest(NULL, evp_names[h], NULL, data, len, wanted, &size), 1);
      assert_int_equal(tw_hash_parts(&test.env, suite, parts, 3, got), TW_OK);
      tw_test_same(TW_BYTES(got, suite->hash->size), TW_BYTES(wanted, size));
      for (size_t key_len = 0; key_len <= sizeof(key); key_len += 1 + key_len / 16) {
        assert_non_null(
            EVP_Q_mac(NULL, "HMAC", NULL, evp_names[h], NULL, key, key_len, data, len, wanted, sizeof(wanted), &size));
        assert_int_equal(tw_hmac_parts(&test.env, suite, TW_BYTES(key, key_len), parts, 3, got), TW_OK);
        tw_test_same(TW_BYTES(got, suite->hash->size), TW_BYTES(wanted, size));
        tw_hmac_key prepared;
        tw_hmac_key_init(&test.env, suite, TW_BYTES(key, key_len), &prepared);
        for (int again = 0; again < 2; again++) {
          assert_int_equal(tw_hmac_key_parts(&test.env, &prepared, parts, 3, got), TW_OK);
          tw_test_same(TW_BYTES(got, suite->hash->size), TW_BYTES(wanted, size));
        }
      }
    }
  }
  tw_test_env_clear(&test);
}

static void sha3_and_shake_agree_with_fips_202(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 2);
  tw_provider *provider = test.env.provider;
  uint8_t out[64];
  assert_int_equal(provider->ops->sha3_256(provider, NULL, 0, out), TW_OK);
  expect(out, 32, "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
  const tw_bytes abc[] = {TW_LITERAL("a"), TW_LITERAL("bc")};
  assert_int_equal(provider->ops->sha3_256(provider, abc, 2, out), TW_OK);
  expect(out, 32, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
  assert_int_equal(provider->ops->shake256(provider, NULL, 0, out, 64), TW_OK);
  expect(out, 64,
         "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762fd75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab"
         "48640292eacb3b7"
         "c4be");
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hkdf_agrees_with_rfc_5869),
      cmocka_unit_test(hkdf_refuses_what_it_cannot_do),
      cmocka_unit_test(hash_and_hmac_agree_with_evp),
      cmocka_unit_test(sha3_and_shake_agree_with_fips_202),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
