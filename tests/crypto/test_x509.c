/* The public key of certificates that are made here. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto/suites.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

static const tw_suite *suite_with(const tw_signature *scheme) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->signature == scheme) return tw_suite_at(i);
  return NULL;
}

static const struct {
  const tw_signature *scheme;
  const char *type, *curve;
} kinds[] = {
    {&tw_signature_ed25519, "ED25519", NULL},   {&tw_signature_ed448, "ED448", NULL},
    {&tw_signature_p256, "EC", "P-256"},        {&tw_signature_p384, "EC", "P-384"},
    {&tw_signature_p521, "EC", "P-521"},        {&tw_signature_mldsa44, "ML-DSA-44", NULL},
    {&tw_signature_mldsa65, "ML-DSA-65", NULL}, {&tw_signature_mldsa87, "ML-DSA-87", NULL},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static EVP_PKEY *make_key(size_t kind) {
  EVP_PKEY *key = kinds[kind].curve != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, kinds[kind].type, kinds[kind].curve)
                                            : EVP_PKEY_Q_keygen(NULL, NULL, kinds[kind].type);
  assert_non_null(key);
  return key;
}

/* A certificate of `key`, signed by an Ed25519 key: who signed it is not looked at. */
static void make_certificate(EVP_PKEY *key, tw_buf *out) {
  EVP_PKEY *issuer = make_key(0);
  X509 *x509 = X509_new();
  assert_non_null(x509);
  X509_NAME *name = X509_NAME_new();
  assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0), 1);
  assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
  assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1), 1);
  assert_int_equal(X509_set_issuer_name(x509, name), 1);
  assert_int_equal(X509_set_subject_name(x509, name), 1);
  assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
  assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), 1000));
  assert_int_equal(X509_set_pubkey(x509, key), 1);
  assert_true(X509_sign(x509, issuer, NULL) > 0);
  unsigned char *der = NULL;
  const int len = i2d_X509(x509, &der);
  assert_true(len > 0);
  assert_int_equal(tw_buf_assign(out, TW_BYTES(der, (size_t)len)), TW_OK);
  OPENSSL_free(der);
  X509_NAME_free(name);
  X509_free(x509);
  EVP_PKEY_free(issuer);
}

static void expected_key(EVP_PKEY *key, tw_buf *out) {
  unsigned char *raw = NULL;
  const size_t len = EVP_PKEY_get1_encoded_public_key(key, &raw);
  if (len > 0) {
    assert_int_equal(tw_buf_assign(out, TW_BYTES(raw, len)), TW_OK);
    OPENSSL_free(raw);
    return;
  }
  ERR_clear_error();
  size_t size = 0;
  assert_int_equal(EVP_PKEY_get_raw_public_key(key, NULL, &size), 1);
  out->len = 0;
  assert_int_equal(tw_buf_reserve(out, size), TW_OK);
  assert_int_equal(EVP_PKEY_get_raw_public_key(key, out->ptr, &size), 1);
  out->len = size;
}

static void the_key_of_each_scheme_is_found(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  tw_buf certificate = {0};
  tw_buf wanted = {0};
  for (size_t k = 0; k < KINDS; k++) {
    EVP_PKEY *key = make_key(k);
    make_certificate(key, &certificate);
    expected_key(key, &wanted);
    for (size_t other = 0; other < KINDS; other++) {
      tw_buf found = TW_BUF_INIT(&test.alloc);
      const tw_err err = tw_x509_public_key(&test.env, suite_with(kinds[other].scheme), tw_buf_bytes(&certificate),
                                            &found);
      assert_int_equal(err, other == k ? TW_OK : TW_ERR_KEY);
      if (other == k) tw_test_same(tw_buf_bytes(&found), tw_buf_bytes(&wanted));
      if (other != k) assert_int_equal(found.len, 0);
      tw_buf_clear(&found);
    }
    tw_buf found = TW_BUF_INIT(&test.alloc);
    tw_test_fail_alloc(&test, 1);
    assert_int_equal(tw_x509_public_key(&test.env, suite_with(kinds[k].scheme), tw_buf_bytes(&certificate), &found),
                     TW_ERR_NO_MEMORY);
    EVP_PKEY_free(key);
  }
  assert_int_equal(ERR_peek_error(), 0);
  tw_buf_clear(&certificate);
  tw_buf_clear(&wanted);
  tw_test_env_clear(&test);
}

static void compressed_points_come_out_uncompressed(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 2);
  tw_buf certificate = {0};
  tw_buf wanted = {0};
  EVP_PKEY *key = make_key(2);
  expected_key(key, &wanted);
  assert_int_equal(EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed"), 1);
  make_certificate(key, &certificate);
  tw_buf found = TW_BUF_INIT(&test.alloc);
  assert_int_equal(tw_x509_public_key(&test.env, suite_with(&tw_signature_p256), tw_buf_bytes(&certificate), &found),
                   TW_OK);
  tw_test_same(tw_buf_bytes(&found), tw_buf_bytes(&wanted));
  EVP_PKEY_free(key);
  tw_buf_clear(&found);
  tw_buf_clear(&certificate);
  tw_buf_clear(&wanted);
  tw_test_env_clear(&test);
}

static void damaged_certificates_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 3);
  tw_buf certificate = {0};
  for (size_t k = 0; k < 3; k++) {
    const tw_suite *suite = suite_with(kinds[k].scheme);
    EVP_PKEY *key = make_key(k);
    make_certificate(key, &certificate);
    tw_buf found = TW_BUF_INIT(&test.alloc);
    for (size_t cut = 0; cut < certificate.len; cut++)
      assert_int_equal(tw_x509_public_key(&test.env, suite, TW_BYTES(certificate.ptr, cut), &found), TW_ERR_ENCODING);
    /* Signatures of certificates are not checked here; a change is refused or yields some key, and nothing else
     * happens. */
    for (size_t i = 0; i < certificate.len; i++) {
      certificate.ptr[i] ^= 0x21;
      const tw_err err = tw_x509_public_key(&test.env, suite, tw_buf_bytes(&certificate), &found);
      assert_true(err == TW_OK || err == TW_ERR_ENCODING || err == TW_ERR_KEY);
      assert_int_equal(found.len, err == TW_OK ? suite->signature->public_size : 0);
      found.len = 0;
      certificate.ptr[i] ^= 0x21;
    }
    assert_int_equal(tw_buf_append(&certificate, TW_LITERAL("x")), TW_OK);
    assert_int_equal(tw_x509_public_key(&test.env, suite, tw_buf_bytes(&certificate), &found), TW_ERR_ENCODING);
    assert_int_equal(ERR_peek_error(), 0);
    tw_buf_clear(&found);
    EVP_PKEY_free(key);
  }
  tw_buf_clear(&certificate);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_key_of_each_scheme_is_found),
      cmocka_unit_test(compressed_points_come_out_uncompressed),
      cmocka_unit_test(damaged_certificates_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
