/* The public key of a certificate. SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto/openssl/ossl.h"

/* The object identifier of the key's algorithm; for ECDSA also the curve and its group. */
typedef struct key_kind {
  uint16_t scheme;
  int algorithm;
  int curve;
  tw_dh_group group;
} key_kind;

static const key_kind kinds[] = {
    {TW_SIGN_ED25519, NID_ED25519, NID_undef, TW_GROUP_X25519},
    {TW_SIGN_ED448, NID_ED448, NID_undef, TW_GROUP_X25519},
    {TW_SIGN_P256, NID_X9_62_id_ecPublicKey, NID_X9_62_prime256v1, TW_GROUP_P256},
    {TW_SIGN_P384, NID_X9_62_id_ecPublicKey, NID_secp384r1, TW_GROUP_P384},
    {TW_SIGN_P521, NID_X9_62_id_ecPublicKey, NID_secp521r1, TW_GROUP_P521},
    {TW_SIGN_MLDSA44, NID_ML_DSA_44, NID_undef, TW_GROUP_X25519},
    {TW_SIGN_MLDSA65, NID_ML_DSA_65, NID_undef, TW_GROUP_X25519},
    {TW_SIGN_MLDSA87, NID_ML_DSA_87, NID_undef, TW_GROUP_X25519},
};

static const key_kind *kind_of(const tw_signature *scheme) {
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
    if (kinds[i].scheme == scheme->id) return &kinds[i];
  return NULL;
}

static X509 *parse(tw_ossl *ossl, tw_bytes certificate) {
  if (certificate.len > LONG_MAX) return NULL;
  X509 *x509 = X509_new_ex(ossl->lib, NULL);
  if (x509 == NULL) return NULL;
  X509 *parsed = x509; /* freed and set to NULL by d2i_X509 when it fails */
  const unsigned char *at = certificate.ptr;
  if (d2i_X509(&parsed, &at, (long)certificate.len) != NULL && at == certificate.ptr + certificate.len) return parsed;
  X509_free(parsed);
  return NULL;
}

/* The parameters must name the curve. */
static bool names_curve(const X509_ALGOR *algorithm, int curve) {
  const ASN1_OBJECT *object = NULL;
  int type = V_ASN1_UNDEF;
  const void *value = NULL;
  X509_ALGOR_get0(&object, &type, &value, algorithm);
  return type == V_ASN1_OBJECT && OBJ_obj2nid((const ASN1_OBJECT *)value) == curve;
}

static tw_err extract(tw_ossl *ossl, const tw_signature *scheme, const X509 *x509, uint8_t *public_key) {
  const key_kind *kind = kind_of(scheme);
  ASN1_OBJECT *algorithm = NULL;
  const unsigned char *bits = NULL;
  int len = 0;
  X509_ALGOR *identifier = NULL;
  const X509_PUBKEY *key = X509_get_X509_PUBKEY(x509);
  if (kind == NULL || key == NULL || X509_PUBKEY_get0_param(&algorithm, &bits, &len, &identifier, key) != 1 || len <= 0)
    return TW_ERR_KEY;
  if (OBJ_obj2nid(algorithm) != kind->algorithm) return TW_ERR_KEY;
  if (kind->curve != NID_undef) {
    if (!names_curve(identifier, kind->curve)) return TW_ERR_KEY;
    return tw_ossl_ec_uncompress(ossl, tw_group_of(kind->group), TW_BYTES(bits, (size_t)len), public_key);
  }
  if ((size_t)len != scheme->public_size) return TW_ERR_KEY;
  memcpy(public_key, bits, (size_t)len);
  return TW_OK;
}

tw_err tw_ossl_x509_public_key(tw_provider *provider, const tw_signature *scheme, tw_bytes certificate,
                               uint8_t *public_key) {
  tw_ossl *ossl = tw_ossl_of(provider);
  if (certificate.len == 0) return TW_ERR_ENCODING;
  tw_ossl_begin();
  X509 *x509 = parse(ossl, certificate);
  tw_err err = tw_ossl_end(x509 != NULL, TW_ERR_ENCODING);
  if (err != TW_OK) return err;
  tw_ossl_begin();
  err = extract(ossl, scheme, x509, public_key);
  X509_free(x509);
  return tw_ossl_end(err == TW_OK, err);
}
