/* Diffie-Hellman; X25519 and X448 by EVP. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/openssl/ossl.h"

static tw_ossl_type type_of(const tw_group *group) {
  return group->id == TW_GROUP_X25519 ? TW_OSSL_X25519 : TW_OSSL_X448;
}

static bool derive(tw_ossl *ossl, EVP_PKEY *own, EVP_PKEY *peer, uint8_t *shared, size_t len) {
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(ossl->lib, own, NULL);
  size_t made = len;
  const bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 &&
                  EVP_PKEY_derive(ctx, shared, &made) == 1 && made == len;
  EVP_PKEY_CTX_free(ctx);
  return ok;
}

/* RFC 7748 section 6: a result of zero tells a point of low order. In constant time. */
static bool is_zero(const uint8_t *bytes, size_t len) {
  uint8_t any = 0;
  for (size_t i = 0; i < len; i++) any |= bytes[i];
  return any == 0;
}

static tw_err montgomery(tw_ossl *ossl, const tw_group *group, tw_bytes scalar, uint8_t *public_key, bool know_public,
                         tw_bytes peer, uint8_t *shared) {
  const tw_ossl_type type = type_of(group);
  tw_ossl_begin();
  EVP_PKEY *theirs = NULL;
  EVP_PKEY *own = tw_ossl_key(ossl, type, know_public ? TW_BYTES(public_key, group->public_size) : TW_NO_BYTES, scalar);
  bool ok = own != NULL && (know_public || tw_ossl_public(own, public_key, group->public_size));
  tw_err otherwise = TW_ERR_INTERNAL;
  if (ok) {
    theirs = tw_ossl_key(ossl, type, peer, TW_NO_BYTES);
    ok = theirs != NULL && derive(ossl, own, theirs, shared, group->shared_size) &&
         !is_zero(shared, group->shared_size);
    otherwise = TW_ERR_KEY;
  }
  EVP_PKEY_free(theirs);
  EVP_PKEY_free(own);
  if (!ok) tw_wipe(shared, group->shared_size);
  return tw_ossl_end(ok, otherwise);
}

tw_err tw_ossl_dh_check(tw_provider *provider, tw_dh_group id, tw_bytes public_key) {
  const tw_group *group = tw_group_of(id);
  return group->order == NULL ? TW_OK : tw_ossl_ec_check(tw_ossl_of(provider), group, public_key);
}

tw_err tw_ossl_dh_public(tw_provider *provider, tw_dh_group id, tw_bytes scalar, uint8_t *public_key) {
  tw_ossl *ossl = tw_ossl_of(provider);
  const tw_group *group = tw_group_of(id);
  if (group->order != NULL) return tw_ossl_ec_public(ossl, group, scalar, public_key);
  tw_ossl_begin();
  EVP_PKEY *own = tw_ossl_key(ossl, type_of(group), TW_NO_BYTES, scalar);
  const bool ok = own != NULL && tw_ossl_public(own, public_key, group->public_size);
  EVP_PKEY_free(own);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

tw_err tw_ossl_dh(tw_provider *provider, tw_dh_group id, tw_bytes scalar, uint8_t *public_key, bool know_public,
                  tw_bytes peer, uint8_t *shared) {
  tw_ossl *ossl = tw_ossl_of(provider);
  const tw_group *group = tw_group_of(id);
  if (group->order == NULL) return montgomery(ossl, group, scalar, public_key, know_public, peer, shared);
  if (!know_public) TW_TRY(tw_ossl_ec_public(ossl, group, scalar, public_key));
  return tw_ossl_ec_dh(ossl, group, scalar, peer, shared);
}
