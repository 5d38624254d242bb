/* Certificates: RFC 5280 section 4. SPDX-License-Identifier: Apache-2.0 */
#include "x509/make.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <string.h>

#include "x509/make_internal.h"

enum { COMMON_NAME_MAX = 64 }; /* ub-common-name, RFC 5280 appendix A.1 */

tw_err tw_x509_take_bio(BIO *bio, tw_buf *out) {
  char *text = NULL;
  const long len = BIO_get_mem_data(bio, &text);
  if (len <= 0) return TW_ERR_NO_MEMORY;
  return tw_buf_append(out, TW_BYTES((const uint8_t *)text, (size_t)len));
}

const EVP_MD *tw_x509_digest_for(const EVP_PKEY *key) {
  if (EVP_PKEY_is_a(key, "EC") != 1) return EVP_PKEY_is_a(key, "RSA") == 1 ? EVP_sha256() : NULL;
  const int bits = EVP_PKEY_get_bits(key);
  return bits <= 256 ? EVP_sha256() : bits <= 384 ? EVP_sha384() : EVP_sha512();
}

X509 *tw_x509_read_pem(tw_x509 *x509, tw_bytes pem) {
  X509 *certificate = X509_new_ex(x509->lib, NULL);
  BIO *bio = tw_x509_bio(pem);
  if (certificate != NULL && (bio == NULL || PEM_read_bio_X509(bio, &certificate, NULL, NULL) == NULL)) {
    X509_free(certificate);
    certificate = NULL;
  }
  BIO_free(bio);
  return certificate;
}

ASN1_INTEGER *tw_x509_integer(tw_bytes number) {
  BIGNUM *value = BN_bin2bn(number.ptr, (int)number.len, NULL);
  ASN1_INTEGER *made = value == NULL ? NULL : BN_to_ASN1_INTEGER(value, NULL);
  BN_free(value);
  return made;
}

/* Positive, and always of the same length. */
tw_err tw_x509_make_serial(tw_x509 *x509, uint8_t serial[TW_X509_SERIAL_SIZE]) {
  tw_x509_begin();
  const bool good = RAND_bytes_ex(x509->lib, serial, TW_X509_SERIAL_SIZE, 0) == 1;
  tw_x509_end();
  serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
  return good ? TW_OK : TW_ERR_RANDOM;
}

static bool add_extension(X509 *certificate, X509V3_CTX *ctx, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
  const bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return good;
}

/* The name as it is, whatever it may mean in a configuration file. */
static bool add_name(GENERAL_NAMES *names, const char *text) {
  if (tw_x509_name_is_address(text)) {
    GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_IPADD, text, 0);
    if (name != NULL && sk_GENERAL_NAME_push(names, name) > 0) return true;
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_IA5STRING *string = ASN1_IA5STRING_new();
  if (name == NULL || string == NULL || ASN1_STRING_set(string, text, -1) != 1) {
    ASN1_IA5STRING_free(string);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_DNS, string);
  if (sk_GENERAL_NAME_push(names, name) > 0) return true;
  GENERAL_NAME_free(name);
  return false;
}

static bool add_names(X509 *certificate, const tw_x509_wish *wish, bool critical) {
  GENERAL_NAMES *names = GENERAL_NAMES_new();
  bool good = names != NULL;
  for (size_t i = 0; good && i < wish->name_count; i++) good = add_name(names, wish->names[i]);
  good = good && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1;
  GENERAL_NAMES_free(names);
  return good;
}

/* A name that is too long for a subject leaves that empty: the alternative names are what counts. */
static bool set_subject(X509 *certificate, const tw_x509_wish *wish, bool *empty) {
  const char *common = wish->name_count > 0 ? wish->names[0] : wish->subject;
  X509_NAME *name = X509_NAME_new();
  *empty = wish->name_count > 0 && strlen(common) > COMMON_NAME_MAX;
  bool good = name != NULL;
  if (good && !*empty)
    good = X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) ==
           1;
  good = good && X509_set_subject_name(certificate, name) == 1;
  X509_NAME_free(name);
  return good;
}

static bool set_extensions(X509 *certificate, X509 *issuer, const tw_x509_wish *wish, bool no_subject) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
  const bool is_ca = wish->name_count == 0;
  bool good = add_extension(certificate, &ctx, NID_basic_constraints,
                            is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
              add_extension(certificate, &ctx, NID_key_usage,
                            is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
              add_extension(certificate, &ctx, NID_subject_key_identifier, "hash");
  if (!is_ca)
    good = good && add_extension(certificate, &ctx, NID_authority_key_identifier, "keyid:always") &&
           add_extension(certificate, &ctx, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_names(certificate, wish, no_subject);
  return good;
}

static bool fill(X509 *certificate, X509 *issuer, const EVP_PKEY *key, const tw_x509_wish *wish) {
  bool no_subject;
  ASN1_INTEGER *serial = tw_x509_integer(wish->serial);
  const bool good = serial != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
                    X509_set_serialNumber(certificate, serial) == 1 && set_subject(certificate, wish, &no_subject) &&
                    X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                    ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)wish->not_before) != NULL &&
                    ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)wish->not_after) != NULL &&
                    X509_set_pubkey(certificate, (EVP_PKEY *)key) == 1 &&
                    set_extensions(certificate, issuer, wish, no_subject);
  ASN1_INTEGER_free(serial);
  return good;
}

static tw_err certify(tw_x509 *x509, X509 *issuer, const tw_x509_key *signer, const tw_x509_key *key,
                      const tw_x509_wish *wish, tw_buf *pem) {
  X509 *certificate = X509_new_ex(x509->lib, NULL);
  BIO *bio = BIO_new(BIO_s_mem());
  tw_err err = TW_ERR_NO_MEMORY;
  if (certificate != NULL && bio != NULL && fill(certificate, issuer == NULL ? certificate : issuer, key->pkey, wish) &&
      X509_sign(certificate, signer->pkey, tw_x509_digest_for(signer->pkey)) > 0 &&
      PEM_write_bio_X509(bio, certificate) == 1)
    err = tw_x509_take_bio(bio, pem);
  BIO_free(bio);
  X509_free(certificate);
  return err;
}

tw_err tw_x509_certify(tw_x509 *x509, const tw_x509_issuer *issuer, const tw_x509_key *key, const tw_x509_wish *wish,
                       tw_buf *pem) {
  tw_x509_begin();
  X509 *by = issuer->certificate.len == 0 ? NULL : tw_x509_read_pem(x509, issuer->certificate);
  const tw_err err = by == NULL && issuer->certificate.len > 0 ? TW_ERR_ENCODING
                                                               : certify(x509, by, issuer->key, key, wish, pem);
  X509_free(by);
  tw_x509_end();
  return err;
}

bool tw_x509_is_issued_by(tw_x509 *x509, tw_bytes pem, const tw_x509_issuer *issuer) {
  tw_x509_begin();
  X509 *certificate = tw_x509_read_pem(x509, pem);
  const bool good = certificate != NULL && X509_verify(certificate, issuer->key->pkey) == 1;
  X509_free(certificate);
  tw_x509_end();
  return good;
}
