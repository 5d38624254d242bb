/*
 * ECDH on P-256, P-384, P-521 with groups set up once; an EVP_PKEY would set up its own for each key, and multiply once
 * more to check it. SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/bn.h>

#include "crypto/openssl/ossl.h"

static const EC_GROUP *curve_of(const tw_ossl *ossl, const tw_group *group) {
  return ossl->curves[group->id - TW_GROUP_P256];
}

/* EC_POINT_oct2point checks that the point is on the curve; with a cofactor of 1 that makes it a valid public key. */
static bool read_point(tw_ossl *ossl, const EC_GROUP *curve, EC_POINT *point, tw_bytes bytes) {
  return EC_POINT_oct2point(curve, point, bytes.ptr, bytes.len, ossl->bn) == 1 &&
         EC_POINT_is_at_infinity(curve, point) == 0;
}

static bool write_point(tw_ossl *ossl, const EC_GROUP *curve, const EC_POINT *point, uint8_t *out, size_t size) {
  return EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, out, size, ossl->bn) == size;
}

static BIGNUM *secret_scalar(tw_bytes scalar) {
  BIGNUM *bn = BN_bin2bn(scalar.ptr, (int)scalar.len, NULL);
  if (bn != NULL) BN_set_flags(bn, BN_FLG_CONSTTIME);
  return bn;
}

tw_err tw_ossl_ec_check(tw_ossl *ossl, const tw_group *group, tw_bytes public_key) {
  const EC_GROUP *curve = curve_of(ossl, group);
  tw_ossl_begin();
  EC_POINT *point = EC_POINT_new(curve);
  tw_err err = tw_ossl_end(point != NULL && read_point(ossl, curve, point, public_key), TW_ERR_KEY);
  EC_POINT_free(point);
  return err;
}

tw_err tw_ossl_ec_public(tw_ossl *ossl, const tw_group *group, tw_bytes scalar, uint8_t *public_key) {
  const EC_GROUP *curve = curve_of(ossl, group);
  tw_ossl_begin();
  EC_POINT *point = EC_POINT_new(curve);
  BIGNUM *bn = secret_scalar(scalar);
  const bool ok = point != NULL && bn != NULL && EC_POINT_mul(curve, point, bn, NULL, NULL, ossl->bn) == 1 &&
                  write_point(ossl, curve, point, public_key, group->public_size);
  BN_clear_free(bn);
  EC_POINT_free(point);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

tw_err tw_ossl_ec_dh(tw_ossl *ossl, const tw_group *group, tw_bytes scalar, tw_bytes peer, uint8_t *shared) {
  const EC_GROUP *curve = curve_of(ossl, group);
  tw_ossl_begin();
  EC_POINT *theirs = EC_POINT_new(curve);
  EC_POINT *product = EC_POINT_new(curve);
  BIGNUM *bn = secret_scalar(scalar);
  BIGNUM *x = BN_new();
  const bool ok = theirs != NULL && product != NULL && bn != NULL && x != NULL &&
                  read_point(ossl, curve, theirs, peer) &&
                  EC_POINT_mul(curve, product, NULL, theirs, bn, ossl->bn) == 1 &&
                  EC_POINT_is_at_infinity(curve, product) == 0 &&
                  EC_POINT_get_affine_coordinates(curve, product, x, NULL, ossl->bn) == 1 &&
                  BN_bn2binpad(x, shared, group->shared_size) == group->shared_size;
  BN_clear_free(x);
  BN_clear_free(bn);
  EC_POINT_clear_free(product);
  EC_POINT_free(theirs);
  if (!ok) tw_wipe(shared, group->shared_size);
  return tw_ossl_end(ok, TW_ERR_KEY);
}

tw_err tw_ossl_ec_uncompress(tw_ossl *ossl, const tw_group *group, tw_bytes bytes, uint8_t *public_key) {
  const EC_GROUP *curve = curve_of(ossl, group);
  tw_ossl_begin();
  EC_POINT *point = EC_POINT_new(curve);
  const bool ok = point != NULL && read_point(ossl, curve, point, bytes) &&
                  write_point(ossl, curve, point, public_key, group->public_size);
  EC_POINT_free(point);
  return tw_ossl_end(ok, TW_ERR_KEY);
}
