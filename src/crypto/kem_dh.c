/* DHKEM, RFC 9180 sections 4.1 and 7.1.3. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/kdf.h"
#include "crypto/kem.h"

tw_err tw_dhkem_derive_scalar(tw_provider *provider, const tw_kem_parts *parts, tw_bytes ikm, uint8_t *scalar) {
  const tw_group *group = parts->group;
  uint8_t suite_id[5];
  tw_kem_suite_id(parts->id, suite_id);
  uint8_t prk[TW_HASH_MAX];
  tw_err err = tw_labeled_extract(provider, parts->hash, TW_ARRAY(suite_id), TW_NO_BYTES, "dkp_prk", ikm, prk);
  const tw_bytes secret = TW_BYTES(prk, parts->hash->size);
  if (err == TW_OK && group->order == NULL)
    err = tw_labeled_expand(provider, parts->hash, TW_ARRAY(suite_id), secret, "sk", TW_NO_BYTES, scalar,
                            group->scalar_size);
  bool valid = group->order == NULL;
  for (unsigned counter = 0; err == TW_OK && !valid && counter <= 255; counter++) {
    const uint8_t octet = (uint8_t)counter;
    err = tw_labeled_expand(provider, parts->hash, TW_ARRAY(suite_id), secret, "candidate", TW_BYTES(&octet, 1), scalar,
                            group->scalar_size);
    scalar[0] &= group->top_mask;
    valid = tw_group_scalar_valid(group, scalar);
  }
  if (err == TW_OK && !valid) err = TW_ERR_KEY; /* DeriveKeyPairError */
  tw_wipe(prk, sizeof(prk));
  return err;
}

/* ExtractAndExpand over the DH result and kem_context = enc || pkRm. */
static tw_err shared_secret(tw_provider *provider, const tw_kem *kem, const tw_kem_parts *parts, const uint8_t *dh,
                            const uint8_t *output, const uint8_t *public_key, uint8_t *shared) {
  const size_t size = parts->group->public_size;
  uint8_t suite_id[5];
  tw_kem_suite_id(parts->id, suite_id);
  uint8_t context[2 * TW_DH_PUBLIC_MAX];
  memcpy(context, output, size);
  memcpy(context + size, public_key, size);
  uint8_t prk[TW_HASH_MAX];
  tw_err err = tw_labeled_extract(provider, parts->hash, TW_ARRAY(suite_id), TW_NO_BYTES, "eae_prk",
                                  TW_BYTES(dh, parts->group->shared_size), prk);
  if (err == TW_OK)
    err = tw_labeled_expand(provider, parts->hash, TW_ARRAY(suite_id), TW_BYTES(prk, parts->hash->size),
                            "shared_secret", TW_BYTES(context, 2 * size), shared, kem->secret_size);
  tw_wipe(prk, sizeof(prk));
  return err;
}

tw_err tw_dhkem_encap(tw_provider *provider, const tw_kem *kem, const tw_kem_parts *parts, tw_bytes public_key,
                      tw_bytes seed, uint8_t *output, uint8_t *shared) {
  if (!tw_group_public_plausible(parts->group, public_key)) return TW_ERR_KEY;
  uint8_t scalar[TW_DH_SCALAR_MAX];
  uint8_t dh[TW_DH_SHARED_MAX];
  tw_err err = tw_dhkem_derive_scalar(provider, parts, seed, scalar);
  if (err == TW_ERR_KEY) err = TW_ERR_RANDOM;
  if (err == TW_OK)
    err = provider->ops->dh(provider, parts->group->id, TW_BYTES(scalar, parts->group->scalar_size), output, false,
                            public_key, dh);
  if (err == TW_OK) err = shared_secret(provider, kem, parts, dh, output, public_key.ptr, shared);
  tw_wipe(scalar, sizeof(scalar));
  tw_wipe(dh, sizeof(dh));
  return err;
}

tw_err tw_dhkem_decap(tw_provider *provider, const tw_kem *kem, const tw_kem_parts *parts, tw_bytes private_key,
                      tw_bytes public_key, tw_bytes output, uint8_t *shared) {
  if (!tw_group_scalar_valid(parts->group, private_key.ptr)) return TW_ERR_KEY;
  if (!tw_group_public_plausible(parts->group, output)) return TW_ERR_DECRYPT;
  uint8_t own[TW_DH_PUBLIC_MAX];
  const bool known = public_key.len != 0;
  if (known) memcpy(own, public_key.ptr, public_key.len);
  uint8_t dh[TW_DH_SHARED_MAX];
  tw_err err = provider->ops->dh(provider, parts->group->id, private_key, own, known, output, dh);
  if (err == TW_ERR_KEY) err = TW_ERR_DECRYPT;
  if (err == TW_OK) err = shared_secret(provider, kem, parts, dh, output.ptr, own, shared);
  tw_wipe(dh, sizeof(dh));
  return err;
}
