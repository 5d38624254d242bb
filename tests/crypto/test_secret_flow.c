/*
 * No branch and no address of ours depends on a secret: under valgrind secrets are marked as unset, and it reports each
 * jump and each index that depends on them. Without valgrind this only runs the code. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "crypto/group.h"
#include "crypto/hpke.h"
#include "crypto/kdf.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"
#include "support/tw_test_secrecy.h"

static void derivations_do_not_look_at_secrets(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    uint8_t key[TW_HASH_MAX];
    uint8_t out[3 * TW_HASH_MAX];
    tw_secret prk = {{0}, 0};
    memset(key, 0x42, sizeof(key));
    tw_test_hide(key, sizeof(key));
    const tw_bytes info[] = {TW_LITERAL("label"), TW_BYTES(key, 7)};
    assert_int_equal(tw_hash_parts(&test.env, suite, info, 2, out), TW_OK);
    assert_int_equal(tw_hmac_parts(&test.env, suite, TW_ARRAY(key), info, 2, out), TW_OK);
    assert_int_equal(tw_hkdf_extract(&test.env, suite, TW_ARRAY(key), TW_ARRAY(key), &prk), TW_OK);
    assert_int_equal(tw_hkdf_expand(&test.env, suite, tw_secret_bytes(&prk), info, 2, out, sizeof(out)), TW_OK);
    tw_hpke_info hashed;
    tw_hpke_context context;
    assert_int_equal(tw_hpke_info_of(&test.env, suite, info, 1, &hashed), TW_OK);
    assert_int_equal(tw_hpke_key_schedule(&test.env, suite, TW_BYTES(key, suite->kem->secret_size), &hashed, &context),
                     TW_OK);
    assert_int_equal(tw_hpke_export(&test.env, suite, &context, TW_LITERAL("context"), out, 32), TW_OK);
    tw_test_reveal(out, sizeof(out));
  }
  tw_test_env_clear(&test);
}

static void sealing_does_not_look_at_key_or_plaintext(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 2);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    uint8_t key[TW_AEAD_KEY_MAX];
    uint8_t text[100];
    uint8_t sealed[100 + TW_AEAD_TAG];
    memset(key, 0x42, sizeof(key));
    memset(text, 0x17, sizeof(text));
    tw_test_hide(key, sizeof(key));
    tw_test_hide(text, sizeof(text));
    const uint8_t nonce[TW_AEAD_NONCE] = {1};
    assert_int_equal(tw_aead_seal(&test.env, suite, TW_BYTES(key, suite->aead->key_size), nonce, TW_NO_BYTES,
                                  TW_ARRAY(text), sealed),
                     TW_OK);
    tw_test_reveal(sealed, sizeof(sealed));
    tw_aead_key *kept = NULL;
    assert_int_equal(tw_aead_key_new(&test.env, suite, TW_BYTES(key, suite->aead->key_size), &kept), TW_OK);
    assert_int_equal(tw_aead_key_seal(kept, nonce, TW_NO_BYTES, TW_ARRAY(text), sealed), TW_OK);
    tw_test_reveal(sealed, sizeof(sealed));
    tw_aead_key_free(kept);
  }
  tw_test_env_clear(&test);
}

static void scalars_are_checked_without_looking(void **state) {
  (void)state;
  static const tw_dh_group ids[] = {TW_GROUP_P256, TW_GROUP_P384, TW_GROUP_P521};
  for (size_t i = 0; i < 3; i++) {
    const tw_group *group = tw_group_of(ids[i]);
    uint8_t scalar[TW_DH_SCALAR_MAX] = {0};
    scalar[5] = 1;
    tw_test_hide(scalar, sizeof(scalar));
    bool valid = tw_group_scalar_valid(group, scalar);
    tw_test_reveal(&valid, sizeof(valid)); /* that one was refused is no secret: it is not used */
    assert_true(valid);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(derivations_do_not_look_at_secrets),
      cmocka_unit_test(sealing_does_not_look_at_key_or_plaintext),
      cmocka_unit_test(scalars_are_checked_without_looking),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
