/* Keys and fingerprints as text, in every suite. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <string.h>

#include "keys/key_text.h"

static tw_env env;

static int set_up(void **state) {
  (void)state;
  return tw_provider_openssl_new(NULL, &env.provider) == TW_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  tw_provider_free(env.provider);
  return 0;
}

static void keys_survive_being_text(void **state) {
  (void)state;
  const tw_suite *suite;
  for (size_t i = 0; (suite = tw_suite_at(i)) != NULL; i++) {
    tw_signer *made = NULL;
    tw_signer *read = NULL;
    const tw_suite *read_suite = NULL;
    tw_report report = {""};
    tw_buf text = {0};
    tw_buf key = {0};
    assert_int_equal(tw_signer_generate(&env, suite, &made), TW_OK);
    assert_int_equal(tw_private_key_format(suite, made, &text), TW_OK);
    assert_int_equal(text.ptr[text.len - 1], '\n');
    assert_int_equal(tw_private_key_parse(&env, tw_buf_bytes(&text), &read_suite, &read, &report), TW_OK);
    assert_ptr_equal(read_suite, suite);
    assert_true(tw_bytes_equal(tw_signer_public_key(made), tw_signer_public_key(read)));

    tw_buf_clear(&text);
    assert_int_equal(tw_public_key_format(suite, tw_signer_public_key(made), &text), TW_OK);
    assert_null(memchr(text.ptr, ' ', text.len));
    assert_int_equal(tw_public_key_parse(tw_buf_bytes(&text), &read_suite, &key, &report), TW_OK);
    assert_ptr_equal(read_suite, suite);
    assert_true(tw_bytes_equal(tw_buf_bytes(&key), tw_signer_public_key(made)));

    tw_fingerprint direct;
    tw_fingerprint parsed;
    assert_int_equal(tw_fingerprint_of(&env, suite, tw_signer_public_key(made), &direct), TW_OK);
    assert_int_equal(tw_peer_key_parse(&env, tw_buf_bytes(&text), &read_suite, &parsed, &report), TW_OK);
    assert_memory_equal(direct.digest, parsed.digest, TW_FINGERPRINT_SIZE);

    tw_signer_free(made);
    tw_signer_free(read);
    tw_buf_clear(&text);
    tw_buf_clear(&key);
  }
}

static void a_fingerprint_is_the_sha256_of_the_public_key_as_text(void **state) {
  (void)state;
  /* printf %s MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519:AAAA…A= | sha256sum */
  const uint8_t zeros[32] = {0};
  const tw_suite *suite = tw_suite_by_id(&env, 1);
  tw_fingerprint fingerprint;
  tw_fingerprint back;
  char text[TW_FINGERPRINT_TEXT];
  assert_int_equal(tw_fingerprint_of(&env, suite, TW_ARRAY(zeros), &fingerprint), TW_OK);
  tw_fingerprint_format(&fingerprint, text);
  assert_string_equal(text, "sha256:d7741a1a61bb64e9cf6c8343609aab9315f7a3e00394992d0d8f5e8480ccaeae");
  assert_int_equal(tw_fingerprint_parse(TW_BYTES((const uint8_t *)text, strlen(text)), &back, NULL), TW_OK);
  assert_memory_equal(back.digest, fingerprint.digest, TW_FINGERPRINT_SIZE);
}

static tw_bytes text_of(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

static void what_is_no_fingerprint_is_refused(void **state) {
  (void)state;
  char text[TW_FINGERPRINT_TEXT + 1];
  tw_fingerprint fingerprint;
  (void)memset(text, 'a', sizeof text);
  memcpy(text, "sha256:", 7);
  for (size_t len = 0; len <= sizeof text; len++)
    assert_int_equal(tw_fingerprint_parse(TW_BYTES((const uint8_t *)text, len), &fingerprint, NULL),
                     len == TW_FINGERPRINT_TEXT - 1 ? TW_OK : TW_ERR_ENCODING);
  text[20] = 'g';
  assert_int_equal(tw_fingerprint_parse(TW_BYTES((const uint8_t *)text, TW_FINGERPRINT_TEXT - 1), &fingerprint, NULL),
                   TW_ERR_ENCODING);
}

#define ED25519_SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"
#define ZEROS_31 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define ZEROS_32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ZEROS_33 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void what_is_no_public_key_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    ":",
                                    "x",
                                    ED25519_SUITE,
                                    ED25519_SUITE ":",
                                    ":" ZEROS_32,
                                    "NO_SUCH_SUITE:" ZEROS_32,
                                    ED25519_SUITE ":" ZEROS_31,
                                    ED25519_SUITE ":" ZEROS_33,
                                    ED25519_SUITE ":" ZEROS_32 "=",
                                    ED25519_SUITE ":*" ZEROS_32,
                                    "sha256:" ZEROS_32,
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE " " ZEROS_32};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const tw_suite *suite = NULL;
    tw_buf key = {0};
    tw_report report = {""};
    assert_int_equal(tw_public_key_parse(text_of(bad[i]), &suite, &key, &report), TW_ERR_ENCODING);
    assert_true(strlen(report.text) > 0);
    assert_null(suite);
    assert_int_equal(key.len, 0);
  }
  const tw_suite *suite = NULL;
  tw_buf key = {0};
  assert_int_equal(tw_public_key_parse(text_of(ED25519_SUITE ":" ZEROS_32), &suite, &key, NULL), TW_OK);
  tw_buf_clear(&key);
}

static void what_is_no_private_key_is_refused_without_being_shown(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "\n",
                                    TW_PRIVATE_KEY_MARK,
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE,
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE " ",
                                    TW_PRIVATE_KEY_MARK " NO_SUCH_SUITE " ZEROS_32,
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE " " ZEROS_31,
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE " " ZEROS_33,
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE " " ZEROS_32 " more",
                                    TW_PRIVATE_KEY_MARK " " ED25519_SUITE " " ZEROS_32 "\n" ZEROS_32,
                                    "treewire-key-2 " ED25519_SUITE " " ZEROS_32,
                                    ED25519_SUITE ":" ZEROS_32};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const tw_suite *suite = NULL;
    tw_signer *signer = NULL;
    tw_report report = {""};
    assert_int_not_equal(tw_private_key_parse(&env, text_of(bad[i]), &suite, &signer, &report), TW_OK);
    assert_null(signer);
    assert_true(strlen(report.text) > 0);
    assert_null(strstr(report.text, "AAAA"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_survive_being_text),
      cmocka_unit_test(a_fingerprint_is_the_sha256_of_the_public_key_as_text),
      cmocka_unit_test(what_is_no_fingerprint_is_refused),
      cmocka_unit_test(what_is_no_public_key_is_refused),
      cmocka_unit_test(what_is_no_private_key_is_refused_without_being_shown),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
