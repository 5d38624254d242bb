/* Key pairs for certificates. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "x509/make_internal.h"

static const struct {
  const char *name;
  const char *type;
  const char *curve;
} algorithms[] = {
    {"ed25519", "ED25519", NULL},     {"ed448", "ED448", NULL},         {"p256", "EC", "P-256"},
    {"p384", "EC", "P-384"},          {"p521", "EC", "P-521"},          {"ml-dsa-44", "ML-DSA-44", NULL},
    {"ml-dsa-65", "ML-DSA-65", NULL}, {"ml-dsa-87", "ML-DSA-87", NULL},
};

/* Takes `pkey` over, on error too. */
static tw_err wrap(EVP_PKEY *pkey, tw_x509_key **key) {
  tw_x509_key *made = pkey == NULL ? NULL : tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) {
    EVP_PKEY_free(pkey);
    return TW_ERR_NO_MEMORY;
  }
  made->pkey = pkey;
  *key = made;
  return TW_OK;
}

void tw_x509_key_free(tw_x509_key *key) {
  if (key == NULL) return;
  EVP_PKEY_free(key->pkey);
  tw_alloc_free(NULL, key);
}

static EVP_PKEY *generate(OSSL_LIB_CTX *lib, const char *type, const char *curve) {
  return curve == NULL ? EVP_PKEY_Q_keygen(lib, NULL, type) : EVP_PKEY_Q_keygen(lib, NULL, type, curve);
}

tw_err tw_x509_key_generate(tw_x509 *x509, const char *algorithm, tw_x509_key **key, tw_report *report) {
  for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
    if (strcasecmp(algorithm, algorithms[i].name) != 0) continue;
    tw_x509_begin();
    const tw_err err = wrap(generate(x509->lib, algorithms[i].type, algorithms[i].curve), key);
    tw_x509_end();
    return err == TW_OK ? TW_OK : tw_report_fail(report, err, "cannot make a key of type %s", algorithms[i].name);
  }
  return tw_report_fail(
      report, TW_ERR_ARGUMENT,
      "--algorithm %.40s: not known (ed25519, ed448, p256, p384, p521, ml-dsa-44, ml-dsa-65, ml-dsa-87)", algorithm);
}

/* Nobody is asked for a passphrase here. */
static int no_passphrase(char *out, int size, int writing, void *ctx) {
  if (size > 0) out[0] = '\0';
  (void)writing;
  (void)ctx;
  return -1;
}

tw_err tw_x509_key_load(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_key **key, tw_report *report) {
  tw_x509_begin();
  BIO *bio = tw_x509_bio(pem);
  EVP_PKEY *read = bio == NULL ? NULL : PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, NULL, x509->lib, NULL);
  BIO_free(bio);
  tw_x509_end();
  if (read == NULL) return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: no private key in it (PEM)", source);
  return wrap(read, key);
}

static tw_err read_request(tw_x509 *x509, const char *source, BIO *bio, EVP_PKEY **key, tw_report *report) {
  X509_REQ *request = X509_REQ_new_ex(x509->lib, NULL);
  if (request == NULL) return TW_ERR_NO_MEMORY;
  if (PEM_read_bio_X509_REQ(bio, &request, NULL, NULL) == NULL) {
    X509_REQ_free(request);
    return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: neither a certificate request nor a public key (PEM)",
                          source);
  }
  EVP_PKEY *found = X509_REQ_get_pubkey(request);
  const bool good = found != NULL && X509_REQ_verify_ex(request, found, x509->lib, NULL) == 1;
  X509_REQ_free(request);
  if (!good) {
    EVP_PKEY_free(found);
    return tw_report_fail(report, TW_ERR_SIGNATURE, "%.200s: the request is not signed by the key that is in it",
                          source);
  }
  *key = found;
  return TW_OK;
}

tw_err tw_x509_key_request(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_key **key, tw_report *report) {
  EVP_PKEY *found = NULL;
  tw_err err = TW_OK;
  tw_x509_begin();
  BIO *bio = tw_x509_bio(pem);
  if (bio != NULL) found = PEM_read_bio_PUBKEY_ex(bio, NULL, NULL, NULL, x509->lib, NULL);
  BIO_free(bio);
  if (found == NULL) {
    bio = tw_x509_bio(pem);
    err = bio == NULL ? TW_ERR_NO_MEMORY : read_request(x509, source, bio, &found, report);
    BIO_free(bio);
  }
  if (err == TW_OK && tw_x509_scheme_of(found) == NULL) {
    EVP_PKEY_free(found);
    err = tw_report_fail(report, TW_ERR_UNSUPPORTED, "%.200s: a key that no cipher suite can use", source);
  }
  tw_x509_end();
  return err == TW_OK ? wrap(found, key) : err;
}

tw_err tw_x509_key_save(const tw_x509_key *key, tw_buf *pem) {
  tw_x509_begin();
  BIO *bio = BIO_new(BIO_s_secmem());
  const bool good = bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1;
  const tw_err err = good ? tw_x509_take_bio(bio, pem) : TW_ERR_NO_MEMORY;
  BIO_free(bio);
  tw_x509_end();
  return err;
}
