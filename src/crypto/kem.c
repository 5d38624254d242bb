/* KEMs: what each is made of, and the calls by suite. SPDX-License-Identifier: Apache-2.0 */
#include "crypto/kem.h"

#include <string.h>

#include "codec/writer.h"
#include "crypto/kdf.h"

typedef struct kem_row {
  uint16_t id;
  const tw_hash *hash;
  bool has_group;
  tw_dh_group group;
  bool has_mlkem;
  tw_mlkem_id mlkem;
  uint8_t group_seed;
  const char *label;
} kem_row;

/* RFC 9180 section 7.1; draft-ietf-hpke-pq; Nseed and labels of draft-irtf-cfrg-concrete-hybrid-kems. */
static const kem_row rows[] = {
    {TW_KEM_P256, &tw_hash_sha256, true, TW_GROUP_P256, false, TW_MLKEM_768, 0, NULL},
    {TW_KEM_P384, &tw_hash_sha384, true, TW_GROUP_P384, false, TW_MLKEM_768, 0, NULL},
    {TW_KEM_P521, &tw_hash_sha512, true, TW_GROUP_P521, false, TW_MLKEM_768, 0, NULL},
    {TW_KEM_X25519, &tw_hash_sha256, true, TW_GROUP_X25519, false, TW_MLKEM_768, 0, NULL},
    {TW_KEM_X448, &tw_hash_sha512, true, TW_GROUP_X448, false, TW_MLKEM_768, 0, NULL},
    {TW_KEM_MLKEM768, NULL, false, TW_GROUP_X25519, true, TW_MLKEM_768, 0, NULL},
    {TW_KEM_MLKEM1024, NULL, false, TW_GROUP_X25519, true, TW_MLKEM_1024, 0, NULL},
    {TW_KEM_MLKEM768_P256, NULL, true, TW_GROUP_P256, true, TW_MLKEM_768, 128, "MLKEM768-P256"},
    {TW_KEM_MLKEM1024_P384, NULL, true, TW_GROUP_P384, true, TW_MLKEM_1024, 48, "MLKEM1024-P384"},
    {TW_KEM_MLKEM768_X25519, NULL, true, TW_GROUP_X25519, true, TW_MLKEM_768, 32, "\\.//^\\"},
};

tw_err tw_kem_parts_of(const tw_kem *kem, tw_kem_parts *out) {
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const kem_row *row = &rows[i];
    if (row->id != kem->id) continue;
    const bool large = row->mlkem == TW_MLKEM_1024;
    *out = (tw_kem_parts){
        .id = row->id,
        .hash = row->hash,
        .group = row->has_group ? tw_group_of(row->group) : NULL,
        .has_mlkem = row->has_mlkem,
        .mlkem = row->mlkem,
        .mlkem_public = large ? 1568 : 1184,
        .mlkem_output = large ? 1568 : 1088,
        .group_seed = row->group_seed,
        .label = row->label,
    };
    return TW_OK;
  }
  return TW_ERR_UNSUPPORTED;
}

void tw_kem_suite_id(uint16_t id, uint8_t out[5]) {
  memcpy(out, "KEM", 3);
  tw_put_u16(out + 3, id);
}

static tw_err public_of(tw_provider *provider, const tw_kem_parts *parts, tw_bytes private_key, uint8_t *public_key) {
  if (parts->has_mlkem || parts->group == NULL) return tw_pqkem_public(provider, parts, private_key, public_key);
  if (!tw_group_scalar_valid(parts->group, private_key.ptr)) return TW_ERR_KEY;
  return provider->ops->dh_public(provider, parts->group->id, private_key, public_key);
}

tw_err tw_kem_public(tw_provider *provider, const tw_kem *kem, tw_bytes private_key, uint8_t *public_key) {
  tw_kem_parts parts;
  tw_err err = tw_kem_parts_of(kem, &parts);
  if (err == TW_OK && private_key.len != kem->private_size) err = TW_ERR_KEY;
  if (err == TW_OK) err = public_of(provider, &parts, private_key, public_key);
  if (err != TW_OK) memset(public_key, 0, kem->public_size);
  return err;
}

tw_err tw_kem_derive(tw_provider *provider, const tw_kem *kem, tw_bytes ikm, tw_secret *private_key,
                     uint8_t *public_key) {
  tw_secret derived = {{0}, 0};
  derived.len = kem->private_size;
  tw_kem_parts parts;
  tw_err err = tw_kem_parts_of(kem, &parts);
  if (err == TW_OK) {
    if (parts.has_mlkem) {
      uint8_t suite_id[5];
      tw_kem_suite_id(kem->id, suite_id);
      err = tw_labeled_shake256(provider, TW_ARRAY(suite_id), ikm, "DeriveKeyPair", derived.data, derived.len);
    } else {
      err = tw_dhkem_derive_scalar(provider, &parts, ikm, derived.data);
    }
  }
  if (err == TW_OK) err = public_of(provider, &parts, tw_secret_bytes(&derived), public_key);
  if (err == TW_OK) {
    *private_key = derived;
  } else {
    memset(public_key, 0, kem->public_size);
    tw_secret_clear(private_key);
  }
  tw_secret_clear(&derived);
  return err;
}

tw_err tw_kem_check(tw_provider *provider, const tw_kem *kem, tw_bytes public_key) {
  tw_kem_parts parts;
  TW_TRY(tw_kem_parts_of(kem, &parts));
  if (public_key.len != kem->public_size) return TW_ERR_KEY;
  tw_bytes point = public_key;
  if (parts.has_mlkem) {
    if (!tw_mlkem_public_plausible(TW_BYTES(public_key.ptr, parts.mlkem_public))) return TW_ERR_KEY;
    point = TW_BYTES(public_key.ptr + parts.mlkem_public, public_key.len - parts.mlkem_public);
  }
  if (parts.group == NULL) return TW_OK;
  if (!tw_group_public_plausible(parts.group, point)) return TW_ERR_KEY;
  return provider->ops->dh_check(provider, parts.group->id, point);
}

tw_err tw_kem_encap_seeded(tw_provider *provider, const tw_kem *kem, tw_bytes public_key, tw_bytes seed,
                           uint8_t *output, uint8_t *shared) {
  tw_kem_parts parts;
  tw_err err = tw_kem_parts_of(kem, &parts);
  if (err == TW_OK && public_key.len != kem->public_size) err = TW_ERR_KEY;
  if (err == TW_OK && seed.len != kem->encap_seed_size) err = TW_ERR_ARGUMENT;
  if (err == TW_OK)
    err = parts.has_mlkem ? tw_pqkem_encap(provider, &parts, public_key, seed, output, shared)
                          : tw_dhkem_encap(provider, kem, &parts, public_key, seed, output, shared);
  if (err != TW_OK) {
    memset(output, 0, kem->output_size);
    tw_wipe(shared, kem->secret_size);
  }
  return err;
}

tw_err tw_kem_decap(tw_provider *provider, const tw_kem *kem, tw_bytes private_key, tw_bytes public_key,
                    tw_bytes output, uint8_t *shared) {
  tw_kem_parts parts;
  tw_err err = tw_kem_parts_of(kem, &parts);
  if (err == TW_OK && private_key.len != kem->private_size) err = TW_ERR_KEY;
  if (err == TW_OK && public_key.len != 0 && public_key.len != kem->public_size) err = TW_ERR_KEY;
  if (err == TW_OK && output.len != kem->output_size) err = TW_ERR_DECRYPT;
  if (err == TW_OK)
    err = parts.has_mlkem ? tw_pqkem_decap(provider, &parts, private_key, public_key, output, shared)
                          : tw_dhkem_decap(provider, kem, &parts, private_key, public_key, output, shared);
  if (err != TW_OK) tw_wipe(shared, kem->secret_size);
  return err;
}

/* ---- by suite ---- */

tw_err tw_kem_derive_key_pair(const tw_env *env, const tw_suite *suite, tw_bytes ikm, tw_secret *private_key,
                              uint8_t *public_key) {
  return tw_kem_derive(env->provider, suite->kem, ikm, private_key, public_key);
}

tw_err tw_kem_generate(const tw_env *env, const tw_suite *suite, tw_secret *private_key, uint8_t *public_key) {
  uint8_t ikm[TW_SECRET_MAX];
  tw_err err = tw_random(env, ikm, suite->kem->private_size);
  if (err == TW_OK) {
    err = tw_kem_derive(env->provider, suite->kem, TW_BYTES(ikm, suite->kem->private_size), private_key, public_key);
    if (err == TW_ERR_KEY) err = TW_ERR_RANDOM;
  } else {
    memset(public_key, 0, suite->kem->public_size);
    tw_secret_clear(private_key);
  }
  tw_wipe(ikm, sizeof(ikm));
  return err;
}

tw_err tw_kem_check_public(const tw_env *env, const tw_suite *suite, tw_bytes public_key) {
  return tw_kem_check(env->provider, suite->kem, public_key);
}

tw_err tw_kem_public_key(const tw_env *env, const tw_suite *suite, tw_bytes private_key, uint8_t *public_key) {
  return tw_kem_public(env->provider, suite->kem, private_key, public_key);
}
