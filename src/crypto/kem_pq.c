/*
 * ML-KEM and its hybrids with a group: draft-ietf-hpke-pq, draft-irtf-cfrg-concrete-hybrid-kems; MLKEM768-X25519 is
 * X-Wing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "crypto/kdf.h"
#include "crypto/kem.h"

enum { GROUP_SEED_MAX = 128, EXPANDED_MAX = TW_MLKEM_SEED + GROUP_SEED_MAX, MLKEM_Q = 3329 };

/* RandomScalar: the first valid one of the scalars in the seed. */
static bool random_scalar(const tw_group *group, const uint8_t *seed, size_t len, uint8_t *scalar) {
  for (size_t at = 0; at + group->scalar_size <= len; at += group->scalar_size) {
    memcpy(scalar, seed + at, group->scalar_size);
    if (tw_group_scalar_valid(group, scalar)) return true;
  }
  return false;
}

/* expandKey: the ML-KEM seed and the scalar of a private key; without a group the private key is that seed. */
static tw_err expand_key(tw_provider *provider, const tw_kem_parts *parts, tw_bytes private_key, uint8_t *mlkem_seed,
                         uint8_t *scalar) {
  if (parts->group == NULL) {
    memcpy(mlkem_seed, private_key.ptr, TW_MLKEM_SEED);
    return TW_OK;
  }
  uint8_t expanded[EXPANDED_MAX];
  tw_err err = provider->ops->shake256(provider, &private_key, 1, expanded, (size_t)TW_MLKEM_SEED + parts->group_seed);
  if (err == TW_OK) {
    memcpy(mlkem_seed, expanded, TW_MLKEM_SEED);
    if (!random_scalar(parts->group, expanded + TW_MLKEM_SEED, parts->group_seed, scalar)) err = TW_ERR_KEY;
  }
  tw_wipe(expanded, sizeof(expanded));
  return err;
}

tw_err tw_pqkem_public(tw_provider *provider, const tw_kem_parts *parts, tw_bytes private_key, uint8_t *public_key) {
  uint8_t seed[TW_MLKEM_SEED];
  uint8_t scalar[TW_DH_SCALAR_MAX];
  tw_err err = expand_key(provider, parts, private_key, seed, scalar);
  if (err == TW_OK) err = provider->ops->mlkem_public(provider, parts->mlkem, TW_ARRAY(seed), public_key);
  if (err == TW_OK && parts->group != NULL)
    err = provider->ops->dh_public(provider, parts->group->id, TW_BYTES(scalar, parts->group->scalar_size),
                                   public_key + parts->mlkem_public);
  tw_wipe(seed, sizeof(seed));
  tw_wipe(scalar, sizeof(scalar));
  return err;
}

bool tw_mlkem_public_plausible(tw_bytes public_key) {
  /* k * 384 bytes of coefficients, two in each three bytes, then the 32 bytes of rho */
  for (size_t i = 0; i + 32 < public_key.len; i += 3) {
    const uint8_t *b = public_key.ptr + i;
    const unsigned low = b[0] | (unsigned)(b[1] & 0x0f) << 8;
    const unsigned high = b[1] >> 4 | (unsigned)b[2] << 4;
    if (low >= MLKEM_Q || high >= MLKEM_Q) return false;
  }
  return true;
}

/* The C2PRI combiner: SHA3-256 of both shared secrets, the group's ciphertext and public key, and the label. */
static tw_err combine(tw_provider *provider, const tw_kem_parts *parts, const uint8_t *mlkem_shared, const uint8_t *dh,
                      const uint8_t *group_output, const uint8_t *group_public, uint8_t *shared) {
  const tw_bytes input[] = {TW_BYTES(mlkem_shared, TW_MLKEM_SHARED), TW_BYTES(dh, parts->group->shared_size),
                            TW_BYTES(group_output, parts->group->public_size),
                            TW_BYTES(group_public, parts->group->public_size),
                            TW_BYTES((const uint8_t *)parts->label, strlen(parts->label))};
  return provider->ops->sha3_256(provider, input, 5, shared);
}

tw_err tw_pqkem_encap(tw_provider *provider, const tw_kem_parts *parts, tw_bytes public_key, tw_bytes seed,
                      uint8_t *output, uint8_t *shared) {
  const tw_bytes mlkem_public = TW_BYTES(public_key.ptr, parts->mlkem_public);
  if (!tw_mlkem_public_plausible(mlkem_public)) return TW_ERR_KEY;
  if (parts->group == NULL)
    return provider->ops->mlkem_encap(provider, parts->mlkem, mlkem_public, seed.ptr, output, shared);

  const tw_group *group = parts->group;
  const tw_bytes group_public = TW_BYTES(public_key.ptr + parts->mlkem_public, group->public_size);
  if (!tw_group_public_plausible(group, group_public)) return TW_ERR_KEY;
  uint8_t *group_output = output + parts->mlkem_output;
  uint8_t scalar[TW_DH_SCALAR_MAX];
  uint8_t dh[TW_DH_SHARED_MAX];
  uint8_t mlkem_shared[TW_MLKEM_SHARED];
  tw_err err = TW_OK;
  if (!random_scalar(group, seed.ptr + TW_MLKEM_RANDOM, seed.len - TW_MLKEM_RANDOM, scalar)) err = TW_ERR_RANDOM;
  if (err == TW_OK)
    err = provider->ops->dh(provider, group->id, TW_BYTES(scalar, group->scalar_size), group_output, false,
                            group_public, dh);
  if (err == TW_OK)
    err = provider->ops->mlkem_encap(provider, parts->mlkem, mlkem_public, seed.ptr, output, mlkem_shared);
  if (err == TW_OK) err = combine(provider, parts, mlkem_shared, dh, group_output, group_public.ptr, shared);
  tw_wipe(scalar, sizeof(scalar));
  tw_wipe(dh, sizeof(dh));
  tw_wipe(mlkem_shared, sizeof(mlkem_shared));
  return err;
}

/* Both decapsulations and the combiner, given the expanded private key. */
static tw_err hybrid_decap(tw_provider *provider, const tw_kem_parts *parts, tw_bytes seed, const uint8_t *scalar,
                           tw_bytes public_key, tw_bytes output, uint8_t *shared) {
  const tw_group *group = parts->group;
  const tw_bytes group_output = TW_BYTES(output.ptr + parts->mlkem_output, group->public_size);
  if (!tw_group_public_plausible(group, group_output)) return TW_ERR_DECRYPT;
  uint8_t own[TW_DH_PUBLIC_MAX];
  const bool known = public_key.len != 0;
  if (known) memcpy(own, public_key.ptr + parts->mlkem_public, group->public_size);
  uint8_t dh[TW_DH_SHARED_MAX];
  uint8_t mlkem_shared[TW_MLKEM_SHARED];
  tw_err err = provider->ops->dh(provider, group->id, TW_BYTES(scalar, group->scalar_size), own, known, group_output,
                                 dh);
  if (err == TW_ERR_KEY) err = TW_ERR_DECRYPT;
  if (err == TW_OK)
    err = provider->ops->mlkem_decap(provider, parts->mlkem, seed, TW_BYTES(output.ptr, parts->mlkem_output),
                                     mlkem_shared);
  if (err == TW_OK) err = combine(provider, parts, mlkem_shared, dh, group_output.ptr, own, shared);
  tw_wipe(dh, sizeof(dh));
  tw_wipe(mlkem_shared, sizeof(mlkem_shared));
  return err;
}

tw_err tw_pqkem_decap(tw_provider *provider, const tw_kem_parts *parts, tw_bytes private_key, tw_bytes public_key,
                      tw_bytes output, uint8_t *shared) {
  if (parts->group == NULL) return provider->ops->mlkem_decap(provider, parts->mlkem, private_key, output, shared);
  uint8_t seed[TW_MLKEM_SEED];
  uint8_t scalar[TW_DH_SCALAR_MAX];
  tw_err err = expand_key(provider, parts, private_key, seed, scalar);
  if (err == TW_OK) err = hybrid_decap(provider, parts, TW_ARRAY(seed), scalar, public_key, output, shared);
  tw_wipe(seed, sizeof(seed));
  tw_wipe(scalar, sizeof(scalar));
  return err;
}
