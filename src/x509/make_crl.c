/* CRLs: RFC 5280 section 5. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>

#include "x509/make_internal.h"

static bool add_entry(X509_CRL *crl, const tw_x509_revocation *revocation) {
  X509_REVOKED *entry = X509_REVOKED_new();
  ASN1_INTEGER *serial = tw_x509_integer(revocation->serial);
  ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)revocation->at);
  const bool good = entry != NULL && serial != NULL && at != NULL &&
                    X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
                    X509_REVOKED_set_revocationDate(entry, at) == 1 && X509_CRL_add0_revoked(crl, entry) == 1;
  if (!good) X509_REVOKED_free(entry);
  ASN1_INTEGER_free(serial);
  ASN1_TIME_free(at);
  return good;
}

static bool set_times(X509_CRL *crl, const tw_x509_crl_wish *wish) {
  ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)wish->from);
  ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)wish->until);
  const bool good = from != NULL && until != NULL && X509_CRL_set1_lastUpdate(crl, from) == 1 &&
                    X509_CRL_set1_nextUpdate(crl, until) == 1;
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  return good;
}

static bool set_extensions(X509_CRL *crl, X509 *issuer, uint64_t number) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
  ASN1_INTEGER *value = ASN1_INTEGER_new();
  const bool good = extension != NULL && X509_CRL_add_ext(crl, extension, -1) == 1 && value != NULL &&
                    ASN1_INTEGER_set_uint64(value, number) == 1 &&
                    X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, X509V3_ADD_DEFAULT) == 1;
  ASN1_INTEGER_free(value);
  X509_EXTENSION_free(extension);
  return good;
}

static tw_err make(tw_x509 *x509, X509 *issuer, const tw_x509_key *key, const tw_x509_crl_wish *wish, tw_buf *pem) {
  X509_CRL *crl = X509_CRL_new_ex(x509->lib, NULL);
  BIO *bio = BIO_new(BIO_s_mem());
  bool good = crl != NULL && bio != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 && set_times(crl, wish);
  for (size_t i = 0; good && i < wish->count; i++) good = add_entry(crl, &wish->list[i]);
  good = good && X509_CRL_sort(crl) == 1 && set_extensions(crl, issuer, wish->number) &&
         X509_CRL_sign(crl, key->pkey, tw_x509_digest_for(key->pkey)) > 0 && PEM_write_bio_X509_CRL(bio, crl) == 1;
  const tw_err err = good ? tw_x509_take_bio(bio, pem) : TW_ERR_NO_MEMORY;
  BIO_free(bio);
  X509_CRL_free(crl);
  return err;
}

tw_err tw_x509_make_crl(tw_x509 *x509, const tw_x509_issuer *issuer, const tw_x509_crl_wish *wish, tw_buf *pem) {
  tw_x509_begin();
  X509 *by = tw_x509_read_pem(x509, issuer->certificate);
  const tw_err err = by == NULL ? TW_ERR_ENCODING : make(x509, by, issuer->key, wish, pem);
  X509_free(by);
  tw_x509_end();
  return err;
}

uint64_t tw_x509_crl_number(tw_x509 *x509, tw_bytes pem) {
  uint64_t number = 0;
  tw_x509_begin();
  BIO *bio = tw_x509_bio(pem);
  X509_CRL *crl = X509_CRL_new_ex(x509->lib, NULL);
  if (bio != NULL && crl != NULL && PEM_read_bio_X509_CRL(bio, &crl, NULL, NULL) != NULL) {
    ASN1_INTEGER *value = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    if (value == NULL || ASN1_INTEGER_get_uint64(&number, value) != 1) number = 0;
    ASN1_INTEGER_free(value);
  }
  X509_CRL_free(crl);
  BIO_free(bio);
  tw_x509_end();
  return number;
}
