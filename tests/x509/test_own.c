/* Our own chain and key out of PEM files. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <treewire/env.h>

#include "crypto/crypto.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"
#include "x509/x509.h"

static tw_x509 *x509;
static tw_env env;

static int set_up(void **state) {
  (void)state;
  assert_int_equal(tw_x509_new(&x509), TW_OK);
  return tw_provider_openssl_new(NULL, &env.provider) == TW_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  tw_provider_free(env.provider);
  tw_x509_free(x509);
  assert_int_equal(ERR_peek_error(), 0);
  return 0;
}

static void take(BIO *bio, tw_buf *out) {
  char *text = NULL;
  const long len = BIO_get_mem_data(bio, &text);
  assert_int_equal(tw_buf_assign(out, TW_BYTES((const uint8_t *)text, (size_t)len)), TW_OK);
  BIO_free(bio);
}

static void write_key(EVP_PKEY *key, const char *passphrase, tw_buf *out) {
  BIO *bio = BIO_new(BIO_s_mem());
  const EVP_CIPHER *cipher = passphrase == NULL ? NULL : EVP_aes_256_cbc();
  const int len = passphrase == NULL ? 0 : (int)strlen(passphrase);
  assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, passphrase, len, NULL, NULL), 1);
  take(bio, out);
}

static const tw_suite *suite_of(uint16_t scheme) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->signature->id == scheme) return tw_suite_at(i);
  return NULL;
}

/* The key that is read makes the public key that the certificate has. */
static void keys_of_every_scheme_fit_their_certificates(void **state) {
  (void)state;
  static const char *const kinds[][2] = {{"ED25519", NULL},   {"ED448", NULL},    {"EC", "P-256"},
                                         {"EC", "P-384"},     {"EC", "P-521"},    {"ML-DSA-44", NULL},
                                         {"ML-DSA-65", NULL}, {"ML-DSA-87", NULL}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    tw_test_cert cert;
    tw_buf pem = {0};
    tw_buf raw = {0};
    tw_buf public_key = {0};
    tw_buf chain = {0};
    uint16_t scheme = 0;
    const tw_test_cert_spec spec = {.subject = "me", .type = kinds[i][0], .curve = kinds[i][1]};
    tw_test_cert_make(&cert, NULL, &spec);
    write_key(cert.key, NULL, &pem);
    assert_int_equal(tw_x509_key_read(x509, "key", tw_buf_bytes(&pem), NULL, NULL, &scheme, &raw, NULL), TW_OK);
    const tw_suite *suite = suite_of(scheme);
    assert_non_null(suite);
    tw_signer *signer = NULL;
    assert_int_equal(tw_signer_import(&env, suite, tw_buf_bytes(&raw), &signer), TW_OK);
    unsigned char *der = NULL;
    const int len = i2d_X509(cert.certificate, &der);
    assert_int_equal(tw_x509_public_key(&env, suite, TW_BYTES(der, (size_t)len), &public_key), TW_OK);
    assert_true(tw_bytes_equal(tw_buf_bytes(&public_key), tw_signer_public_key(signer)));
    OPENSSL_free(der);
    tw_signer_free(signer);
    tw_buf_clear(&pem);
    tw_buf_clear(&raw);
    tw_buf_clear(&public_key);
    tw_buf_clear(&chain);
    tw_test_cert_clear(&cert);
  }
}

static void keys_that_no_suite_has_are_refused(void **state) {
  (void)state;
  static const char *const kinds[][2] = {{"RSA", NULL}, {"EC", "secp256k1"}};
  for (size_t i = 0; i < 2; i++) {
    tw_test_cert cert;
    tw_buf pem = {0};
    tw_buf raw = {0};
    uint16_t scheme;
    tw_report report = {""};
    const tw_test_cert_spec spec = {.type = kinds[i][0], .curve = kinds[i][1]};
    tw_test_cert_make(&cert, NULL, &spec);
    write_key(cert.key, NULL, &pem);
    assert_int_equal(tw_x509_key_read(x509, "key", tw_buf_bytes(&pem), NULL, NULL, &scheme, &raw, &report),
                     TW_ERR_UNSUPPORTED);
    assert_non_null(strstr(report.text, "no cipher suite has that"));
    assert_int_equal(raw.len, 0);
    tw_buf_clear(&pem);
    tw_buf_clear(&raw);
    tw_test_cert_clear(&cert);
  }
}

static tw_err say(void *ctx, tw_buf *passphrase, tw_report *report) {
  (void)report;
  const char *words = ctx;
  return tw_buf_append(passphrase, TW_BYTES((const uint8_t *)words, strlen(words)));
}

static void encrypted_keys_need_their_passphrase(void **state) {
  (void)state;
  tw_test_cert cert;
  tw_buf pem = {0};
  tw_buf raw = {0};
  uint16_t scheme;
  tw_report report = {""};
  char right[] = "open sesame";
  char wrong[] = "open barley";
  static char longest[4096];
  (void)memset(longest, 'x', sizeof longest - 1);
  const tw_test_cert_spec spec = {0};
  tw_test_cert_make(&cert, NULL, &spec);
  write_key(cert.key, right, &pem);
  const tw_bytes text = tw_buf_bytes(&pem);
  assert_int_equal(tw_x509_key_read(x509, "key", text, say, right, &scheme, &raw, &report), TW_OK);
  assert_int_equal(raw.len, 32);
  raw.len = 0;
  assert_int_equal(tw_x509_key_read(x509, "key", text, say, wrong, &scheme, &raw, &report), TW_ERR_STATE);
  assert_string_equal(report.text, "key: the passphrase does not open it");
  assert_int_equal(tw_x509_key_read(x509, "key", text, say, longest, &scheme, &raw, &report), TW_ERR_STATE);
  assert_int_equal(tw_x509_key_read(x509, "key", text, NULL, NULL, &scheme, &raw, &report), TW_ERR_STATE);
  assert_string_equal(report.text, "key: the key is encrypted");
  assert_int_equal(raw.len, 0);
  tw_buf_clear(&pem);
  tw_buf_clear(&raw);
  tw_test_cert_clear(&cert);
}

static void key_files_cut_anywhere_are_refused(void **state) {
  (void)state;
  tw_test_cert cert;
  tw_buf pem = {0};
  tw_buf raw = {0};
  uint16_t scheme = 0;
  const tw_test_cert_spec spec = {0};
  tw_test_cert_make(&cert, NULL, &spec);
  write_key(cert.key, NULL, &pem);
  for (size_t cut = 0; cut + 1 < pem.len; cut++) {
    tw_report report = {""};
    assert_int_equal(tw_x509_key_read(x509, "key", TW_BYTES(pem.ptr, cut), NULL, NULL, &scheme, &raw, &report),
                     TW_ERR_ENCODING);
    assert_string_equal(report.text, "key: no private key in it (PEM)");
  }
  assert_int_equal(raw.len, 0);
  tw_buf_clear(&pem);
  tw_buf_clear(&raw);
  tw_test_cert_clear(&cert);
}

static void chains_are_read_in_their_order(void **state) {
  (void)state;
  tw_test_cert root, leaf;
  tw_buf pem = {0};
  tw_buf chain = {0};
  tw_buf wanted = {0};
  tw_report report = {""};
  tw_test_ca_make(&root, NULL, "root", NULL, NULL);
  const tw_test_cert_spec spec = {.subject = "leaf"};
  tw_test_cert_make(&leaf, &root, &spec);
  tw_test_cert_pem(&leaf, &pem);
  const size_t first = pem.len;
  tw_test_cert_pem(&root, &pem);
  assert_int_equal(tw_x509_chain_read(x509, "cert", tw_buf_bytes(&pem), &chain, &report), TW_OK);
  tw_test_chain(&wanted, (const tw_test_cert *const[]){&leaf, &root, NULL});
  assert_true(tw_bytes_equal(tw_buf_bytes(&chain), tw_buf_bytes(&wanted)));
  for (size_t cut = 0; cut + 1 < pem.len; cut++) {
    chain.len = 0;
    const tw_err err = tw_x509_chain_read(x509, "cert", TW_BYTES(pem.ptr, cut), &chain, &report);
    /* Between the two lies a whole file; a line that only begins is no beginning. */
    const bool whole = cut >= first - 1 && cut < first + strlen("-----BEGIN CERTIFICATE-----");
    assert_int_equal(err, whole ? TW_OK : TW_ERR_ENCODING);
    assert_int_equal(chain.len == 0, err != TW_OK);
  }
  pem.len = 0;
  for (int i = 0; i <= TW_X509_CHAIN_MAX; i++) tw_test_cert_pem(&leaf, &pem);
  chain.len = 0;
  assert_int_equal(tw_x509_chain_read(x509, "cert", tw_buf_bytes(&pem), &chain, &report), TW_ERR_LIMIT);
  assert_int_equal(chain.len, 0);
  tw_buf_clear(&pem);
  tw_buf_clear(&chain);
  tw_buf_clear(&wanted);
  tw_test_cert_clear(&root);
  tw_test_cert_clear(&leaf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(keys_of_every_scheme_fit_their_certificates),
      TEST(keys_that_no_suite_has_are_refused),
      TEST(encrypted_keys_need_their_passphrase),
      TEST(key_files_cut_anywhere_are_refused),
      TEST(chains_are_read_in_their_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
