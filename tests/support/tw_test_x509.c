/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_x509.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "codec/writer.h"
#include "support/tw_cmocka.h"

static EVP_PKEY *make_key(const tw_test_cert_spec *spec) {
  if (spec->key != NULL) {
    assert_int_equal(EVP_PKEY_up_ref(spec->key), 1);
    return spec->key;
  }
  const char *type = spec->type == NULL ? "ED25519" : spec->type;
  EVP_PKEY *key;
  if (strcmp(type, "RSA") == 0)
    key = EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)(spec->bits == 0 ? 2048 : spec->bits));
  else if (strcmp(type, "EC") == 0)
    key = EVP_PKEY_Q_keygen(NULL, NULL, type, spec->curve == NULL ? "P-256" : spec->curve);
  else
    key = EVP_PKEY_Q_keygen(NULL, NULL, type);
  assert_non_null(key);
  return key;
}

static void add_extension(X509 *certificate, const X509 *issuer, int nid, const char *value) {
  if (value == NULL) return;
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, (X509 *)issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  assert_non_null(extension);
  assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

static X509_EXTENSION *strange_extension(const char *oid) {
  ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
  ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
  assert_int_equal(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2), 1);
  X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
  assert_non_null(extension);
  ASN1_OCTET_STRING_free(value);
  ASN1_OBJECT_free(object);
  return extension;
}

static void add_strange(X509 *certificate, const char *oid) {
  if (oid == NULL) return;
  X509_EXTENSION *extension = strange_extension(oid);
  assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

static void set_time(ASN1_TIME *time, long seconds, long otherwise) {
  const time_t at = (time_t)TW_TEST_X509_NOW + (seconds == 0 ? otherwise : seconds);
  assert_non_null(ASN1_TIME_set(time, at));
}

/* EdDSA and ML-DSA have their digest within. */
static const EVP_MD *digest_of(const EVP_PKEY *key, const char *name) {
  if (name != NULL) return EVP_get_digestbyname(name);
  return EVP_PKEY_is_a(key, "EC") == 1 || EVP_PKEY_is_a(key, "RSA") == 1 ? EVP_sha256() : NULL;
}

void tw_test_cert_make(tw_test_cert *out, const tw_test_cert *issuer, const tw_test_cert_spec *spec) {
  static long next_serial = 1000;
  tw_test_cert made = {X509_new(), make_key(spec)};
  const tw_test_cert *signer = issuer == NULL ? &made : issuer;
  X509 *x = made.certificate;
  X509_NAME *name = X509_NAME_new();
  if (spec->subject != NULL)
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->subject, -1, -1, 0), 1);
  assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
  assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), spec->serial == 0 ? next_serial++ : spec->serial), 1);
  assert_int_equal(X509_set_subject_name(x, name), 1);
  assert_int_equal(X509_set_issuer_name(x, issuer == NULL ? name : X509_get_subject_name(issuer->certificate)), 1);
  set_time(X509_getm_notBefore(x), spec->from, -5 * TW_TEST_DAY);
  set_time(X509_getm_notAfter(x), spec->until, 5 * TW_TEST_DAY);
  assert_int_equal(X509_set_pubkey(x, made.key), 1);
  add_extension(x, signer->certificate, NID_basic_constraints, spec->basic);
  add_extension(x, signer->certificate, NID_key_usage, spec->usage);
  add_extension(x, signer->certificate, NID_ext_key_usage, spec->extended);
  add_extension(x, signer->certificate, NID_name_constraints, spec->constraints);
  add_extension(x, signer->certificate, NID_subject_key_identifier, "hash");
  add_extension(x, signer->certificate, NID_subject_alt_name, spec->names);
  add_strange(x, spec->strange_oid);
  assert_true(X509_sign(x, signer->key, digest_of(signer->key, spec->digest)) > 0);
  X509_NAME_free(name);
  *out = made;
}

void tw_test_ca_make(tw_test_cert *out, const tw_test_cert *issuer, const char *subject, const char *type,
                     const char *curve) {
  const tw_test_cert_spec spec = {.subject = subject,
                                  .basic = "critical,CA:TRUE",
                                  .usage = "critical,keyCertSign,cRLSign",
                                  .type = type,
                                  .curve = curve};
  tw_test_cert_make(out, issuer, &spec);
}

void tw_test_cert_clear(tw_test_cert *cert) {
  X509_free(cert->certificate);
  EVP_PKEY_free(cert->key);
  *cert = (tw_test_cert){0};
}

static void take(BIO *bio, tw_buf *out) {
  char *text = NULL;
  const long len = BIO_get_mem_data(bio, &text);
  assert_true(len > 0);
  assert_int_equal(tw_buf_append(out, TW_BYTES((const uint8_t *)text, (size_t)len)), TW_OK);
  BIO_free(bio);
}

void tw_test_cert_pem(const tw_test_cert *cert, tw_buf *out) {
  BIO *bio = BIO_new(BIO_s_mem());
  assert_int_equal(PEM_write_bio_X509(bio, cert->certificate), 1);
  take(bio, out);
}

void tw_test_chain(tw_buf *out, const tw_test_cert *const *certs) {
  tw_buf_clear(out);
  tw_writer w = tw_writer_to(out);
  for (; *certs != NULL; certs++) {
    unsigned char *der = NULL;
    const int len = i2d_X509((*certs)->certificate, &der);
    assert_true(len > 0);
    tw_write_vector(&w, TW_BYTES(der, (size_t)len));
    OPENSSL_free(der);
  }
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void revoke(X509_CRL *crl, long serial) {
  if (serial == 0) return;
  X509_REVOKED *entry = X509_REVOKED_new();
  ASN1_INTEGER *number = ASN1_INTEGER_new();
  ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)TW_TEST_X509_NOW - TW_TEST_DAY);
  assert_int_equal(ASN1_INTEGER_set(number, serial), 1);
  assert_int_equal(X509_REVOKED_set_serialNumber(entry, number), 1);
  assert_int_equal(X509_REVOKED_set_revocationDate(entry, at), 1);
  assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
  ASN1_INTEGER_free(number);
  ASN1_TIME_free(at);
}

static void add_number(X509_CRL *crl, int nid, int critical) {
  ASN1_INTEGER *number = ASN1_INTEGER_new();
  assert_int_equal(ASN1_INTEGER_set(number, 1), 1);
  assert_int_equal(X509_CRL_add1_ext_i2d(crl, nid, number, critical, 0), 1);
  ASN1_INTEGER_free(number);
}

void tw_test_crl(const tw_test_cert *issuer, const tw_test_cert *signer, const tw_test_crl_spec *spec, bool pem,
                 tw_buf *out) {
  X509_CRL *crl = X509_CRL_new();
  ASN1_TIME *time = ASN1_TIME_new();
  assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
  assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate)), 1);
  set_time(time, spec->from, -5 * TW_TEST_DAY);
  assert_int_equal(X509_CRL_set1_lastUpdate(crl, time), 1);
  if (spec->until != LONG_MIN) {
    set_time(time, spec->until, 5 * TW_TEST_DAY);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, time), 1);
  }
  revoke(crl, spec->serial);
  add_number(crl, NID_crl_number, 0);
  if (spec->delta) add_number(crl, NID_delta_crl, 1);
  if (spec->strange) {
    X509_EXTENSION *extension = strange_extension("1.3.6.1.4.1.32473.2");
    assert_int_equal(X509_CRL_add_ext(crl, extension, -1), 1);
    X509_EXTENSION_free(extension);
  }
  assert_true(X509_CRL_sign(crl, signer->key, digest_of(signer->key, NULL)) > 0);
  BIO *bio = BIO_new(BIO_s_mem());
  assert_int_equal(pem ? PEM_write_bio_X509_CRL(bio, crl) : i2d_X509_CRL_bio(bio, crl), 1);
  take(bio, out);
  ASN1_TIME_free(time);
  X509_CRL_free(crl);
}
