/* Our own chain and key. SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <string.h>

#include "codec/writer.h"
#include "crypto/suites.h"
#include "mls/extension.h"
#include "x509/tls.h"
#include "x509/x509_internal.h"

/* ---- the chain ---- */

tw_err tw_x509_append(const X509 *certificate, tw_buf *certificates) {
  unsigned char *der = NULL;
  const int len = i2d_X509(certificate, &der);
  if (len <= 0) return TW_ERR_NO_MEMORY;
  tw_writer w = tw_writer_to(certificates);
  tw_write_vector(&w, TW_BYTES(der, (size_t)len));
  OPENSSL_free(der);
  return len > TW_X509_CERTIFICATE_MAX ? TW_ERR_LIMIT : tw_writer_end(&w);
}

static tw_err read_chain(tw_x509 *x509, const char *source, BIO *bio, tw_buf *certificates, tw_report *report) {
  for (int number = 1;; number++) {
    X509 *certificate = X509_new_ex(x509->lib, NULL);
    if (certificate == NULL) return TW_ERR_NO_MEMORY;
    if (PEM_read_bio_X509(bio, &certificate, NULL, NULL) == NULL) {
      X509_free(certificate);
      const bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      if (end && number > 1) return TW_OK;
      if (end) return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: no certificate in it (PEM)", source);
      return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: certificate %d in it cannot be read", source, number);
    }
    tw_err err = number > TW_X509_CHAIN_MAX ? TW_ERR_LIMIT : tw_x509_append(certificate, certificates);
    X509_free(certificate);
    if (err == TW_ERR_LIMIT)
      err = tw_report_fail(report, err, "%.200s: a chain of more than %d certificates, or one of more than %d bytes",
                           source, TW_X509_CHAIN_MAX, TW_X509_CERTIFICATE_MAX);
    TW_TRY(err);
  }
}

tw_err tw_x509_chain_read(tw_x509 *x509, const char *source, tw_bytes pem, tw_buf *certificates, tw_report *report) {
  const size_t before = certificates->len;
  tw_x509_begin();
  BIO *bio = tw_x509_bio(pem);
  const tw_err err = bio == NULL ? TW_ERR_NO_MEMORY : read_chain(x509, source, bio, certificates, report);
  BIO_free(bio);
  tw_x509_end();
  if (err != TW_OK) certificates->len = before;
  return err == TW_ERR_NO_MEMORY ? tw_report_fail(report, err, "out of memory") : err;
}

/* ---- the key ---- */

static const struct {
  const char *type; /* libcrypto's name */
  const char *curve;
  const tw_signature *scheme;
} kinds[] = {
    {"ED25519", NULL, &tw_signature_ed25519},   {"ED448", NULL, &tw_signature_ed448},
    {"EC", "prime256v1", &tw_signature_p256},   {"EC", "secp384r1", &tw_signature_p384},
    {"EC", "secp521r1", &tw_signature_p521},    {"ML-DSA-44", NULL, &tw_signature_mldsa44},
    {"ML-DSA-65", NULL, &tw_signature_mldsa65}, {"ML-DSA-87", NULL, &tw_signature_mldsa87},
};

const tw_signature *tw_x509_scheme_of(const EVP_PKEY *key) {
  char curve[64] = "";
  size_t len = 0;
  if (EVP_PKEY_is_a(key, "EC") == 1) (void)EVP_PKEY_get_group_name(key, curve, sizeof curve, &len);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (EVP_PKEY_is_a(key, kinds[i].type) != 1) continue;
    if (kinds[i].curve == NULL || strcmp(kinds[i].curve, curve) == 0) return kinds[i].scheme;
  }
  return NULL;
}

tw_err tw_x509_scheme(tw_x509 *x509, tw_bytes certificates, uint16_t *scheme) {
  tw_reader walk = tw_reader_of(certificates);
  tw_bytes der;
  if (!tw_certificate_next(&walk, &der)) return TW_ERR_CERTIFICATE;
  tw_x509_begin();
  X509 *certificate = tw_x509_parse(x509, der);
  const EVP_PKEY *key = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
  const tw_signature *found = key == NULL ? NULL : tw_x509_scheme_of(key);
  const tw_err err = certificate == NULL ? TW_ERR_CERTIFICATE : found == NULL ? TW_ERR_UNSUPPORTED : TW_OK;
  if (err == TW_OK) *scheme = found->id;
  X509_free(certificate);
  tw_x509_end();
  return err;
}

/* The big-endian scalar of an ECDSA key. */
static bool export_scalar(const EVP_PKEY *key, uint8_t *out, size_t size) {
  BIGNUM *scalar = NULL;
  const bool good = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
                    BN_bn2binpad(scalar, out, (int)size) == (int)size;
  BN_clear_free(scalar);
  return good;
}

static tw_err export_key(const EVP_PKEY *key, const tw_signature *scheme, const char *source, tw_buf *out,
                         tw_report *report) {
  const size_t size = scheme->private_size;
  TW_TRY(tw_buf_reserve(out, size));
  uint8_t *at = out->ptr + out->len;
  size_t got = size;
  bool good;
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    good = export_scalar(key, at, size);
  } else if (scheme->sign_random > 0) { /* ML-DSA: a key without its seed cannot be had in our form */
    good = EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ML_DSA_SEED, at, size, &got) == 1 && got == size;
    if (!good) return tw_report_fail(report, TW_ERR_UNSUPPORTED, "%.200s: an ML-DSA key without its seed", source);
  } else {
    good = EVP_PKEY_get_raw_private_key(key, at, &got) == 1 && got == size;
  }
  if (!good) return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: damaged private key", source);
  out->len += size;
  return TW_OK;
}

/* How libcrypto asks for a passphrase. */
typedef struct asking {
  tw_x509_passphrase passphrase;
  void *ctx;
  tw_report report;
  bool asked;
  tw_err err;
} asking;

static int on_passphrase(char *out, int size, int writing, void *user) {
  asking *ask = user;
  tw_buf text = {0};
  int len = -1;
  (void)writing;
  ask->asked = true;
  ask->err = ask->passphrase == NULL ? TW_ERR_STATE : ask->passphrase(ask->ctx, &text, &ask->report);
  if (ask->err == TW_OK && text.len <= (size_t)size) {
    len = (int)text.len;
    if (len > 0) memcpy(out, text.ptr, text.len);
  }
  tw_buf_clear(&text);
  return len;
}

static tw_err cannot_read(const char *source, const asking *ask, tw_report *report) {
  if (!ask->asked) return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: no private key in it (PEM)", source);
  if (ask->err != TW_OK && ask->report.text[0] != '\0')
    return tw_report_fail(report, ask->err, "%.200s: %.200s", source, ask->report.text);
  if (ask->err != TW_OK) return tw_report_fail(report, ask->err, "%.200s: the key is encrypted", source);
  return tw_report_fail(report, TW_ERR_STATE, "%.200s: the passphrase does not open it", source);
}

tw_err tw_x509_key_export(const EVP_PKEY *key, const char *source, uint16_t *scheme, tw_buf *private_key,
                          tw_report *report) {
  const tw_signature *found = tw_x509_scheme_of(key);
  const char *type = EVP_PKEY_get0_type_name(key);
  if (found == NULL)
    return tw_report_fail(report, TW_ERR_UNSUPPORTED,
                          "%.200s: a key for %.40s; no cipher suite has that (Ed25519, Ed448, ECDSA with P-256, P-384 "
                          "or P-521, ML-DSA)",
                          source, type == NULL ? "something else" : type);
  tw_x509_begin();
  const tw_err err = export_key(key, found, source, private_key, report);
  tw_x509_end();
  if (err == TW_OK) *scheme = found->id;
  return err;
}

tw_err tw_x509_key_open(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_passphrase passphrase,
                        void *passphrase_ctx, EVP_PKEY **key, tw_report *report) {
  asking ask = {.passphrase = passphrase, .ctx = passphrase_ctx};
  tw_x509_begin();
  BIO *bio = tw_x509_bio(pem);
  *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey_ex(bio, NULL, on_passphrase, &ask, x509->lib, NULL);
  const tw_err err = *key == NULL ? cannot_read(source, &ask, report) : TW_OK;
  BIO_free(bio);
  tw_x509_end();
  return err;
}

tw_err tw_x509_key_read(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_passphrase passphrase,
                        void *passphrase_ctx, uint16_t *scheme, tw_buf *private_key, tw_report *report) {
  EVP_PKEY *key;
  TW_TRY(tw_x509_key_open(x509, source, pem, passphrase, passphrase_ctx, &key, report));
  const tw_err err = tw_x509_key_export(key, source, scheme, private_key, report);
  EVP_PKEY_free(key);
  return err;
}
