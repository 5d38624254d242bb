/* The public key of a certificate; the first byte chooses the suite. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/crypto.h"
#include "fuzz_env.h"

static void write_seed(const char *name, uint8_t choice, const char *type, const char *curve) {
  EVP_PKEY *key = curve != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, type, curve) : EVP_PKEY_Q_keygen(NULL, NULL, type);
  X509 *certificate = X509_new();
  TW_FUZZ_ASSERT(key != NULL && certificate != NULL);
  TW_FUZZ_ASSERT(X509_set_version(certificate, X509_VERSION_3) == 1 && X509_set_pubkey(certificate, key) == 1);
  TW_FUZZ_ASSERT(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL);
  TW_FUZZ_ASSERT(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
  TW_FUZZ_ASSERT(X509_sign(certificate, key, curve != NULL ? EVP_sha256() : NULL) > 0);
  unsigned char *der = NULL;
  const int size = i2d_X509(certificate, &der);
  TW_FUZZ_ASSERT(size > 0);
  tw_buf seed = {0};
  TW_FUZZ_ASSERT(tw_buf_append(&seed, TW_BYTES(&choice, 1)) == TW_OK);
  TW_FUZZ_ASSERT(tw_buf_append(&seed, TW_BYTES(der, (size_t)size)) == TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
  OPENSSL_free(der);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  write_seed("ed25519", 0, "ED25519", NULL);
  write_seed("p256", 1, "EC", "P-256");
  write_seed("ed448", 3, "ED448", NULL);
  write_seed("p521", 4, "EC", "P-521");
  tw_fuzz_seeds_done();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const tw_suite *suite = tw_suite_at(data[0]);
  if (suite == NULL) return -1;
  tw_buf key = {0};
  const tw_err err = tw_x509_public_key(tw_fuzz_env(), suite, TW_BYTES(data + 1, size - 1), &key);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(key.len == suite->signature->public_size);
  } else {
    TW_FUZZ_ASSERT(err == TW_ERR_ENCODING || err == TW_ERR_KEY);
    TW_FUZZ_ASSERT(key.len == 0);
  }
  tw_buf_clear(&key);
  return 0;
}
