/* HPKE base mode, RFC 9180 sections 5 and 6. SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hpke.h"

#include <string.h>

#include "codec/writer.h"
#include "crypto/kdf.h"

enum { SUITE_ID = 10, MODE_BASE = 0 };

static void hpke_suite_id(const tw_suite *suite, uint8_t out[SUITE_ID]) {
  memcpy(out, "HPKE", 4);
  tw_put_u16(out + 4, suite->kem->id);
  tw_put_u16(out + 6, suite->hash->kdf_id);
  tw_put_u16(out + 8, suite->aead->id);
}

/* LabeledExtract("", "psk_id_hash", ""): constant for a suite in base mode. */
static tw_err psk_id_hash(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id, uint8_t *out) {
  if (memcmp(provider->hpke_suite_id, suite_id.ptr, SUITE_ID) != 0) {
    provider->hpke_suite_id[0] = 0;
    TW_TRY(
        tw_labeled_extract(provider, hash, suite_id, TW_NO_BYTES, "psk_id_hash", TW_NO_BYTES, provider->psk_id_hash));
    memcpy(provider->hpke_suite_id, suite_id.ptr, SUITE_ID);
  }
  memcpy(out, provider->psk_id_hash, hash->size);
  return TW_OK;
}

tw_err tw_hpke_info_of(const tw_env *env, const tw_suite *suite, const tw_bytes *parts, size_t count,
                       tw_hpke_info *out) {
  uint8_t id[SUITE_ID];
  hpke_suite_id(suite, id);
  return tw_labeled_extract_parts(env->provider, suite->hash, TW_ARRAY(id), TW_NO_BYTES, "info_hash", parts, count,
                                  out->hash);
}

tw_err tw_hpke_key_schedule(const tw_env *env, const tw_suite *suite, tw_bytes shared_secret, const tw_hpke_info *info,
                            tw_hpke_context *out) {
  tw_provider *provider = env->provider;
  const tw_hash *hash = suite->hash;
  uint8_t id[SUITE_ID];
  hpke_suite_id(suite, id);
  const tw_bytes suite_id = TW_ARRAY(id);
  uint8_t context[1 + 2 * TW_HASH_MAX] = {MODE_BASE};
  const tw_bytes schedule = TW_BYTES(context, 1 + 2 * (size_t)hash->size);
  uint8_t secret[TW_HASH_MAX];
  tw_hmac_key key;
  tw_err err = psk_id_hash(provider, hash, suite_id, context + 1);
  memcpy(context + 1 + hash->size, info->hash, hash->size);
  if (err == TW_OK) err = tw_labeled_extract(provider, hash, suite_id, shared_secret, "secret", TW_NO_BYTES, secret);
  if (err == TW_OK) {
    provider->ops->hmac_key(provider, hash, TW_BYTES(secret, hash->size), &key);
    err = tw_labeled_expand_with(provider, &key, suite_id, "key", schedule, out->key, suite->aead->key_size);
  }
  if (err == TW_OK)
    err = tw_labeled_expand_with(provider, &key, suite_id, "base_nonce", schedule, out->base_nonce, TW_AEAD_NONCE);
  if (err == TW_OK)
    err = tw_labeled_expand_with(provider, &key, suite_id, "exp", schedule, out->exporter_secret, hash->size);
  tw_wipe(secret, sizeof(secret));
  tw_wipe(&key, sizeof(key));
  if (err != TW_OK) tw_wipe(out, sizeof(*out));
  return err;
}

tw_err tw_hpke_export(const tw_env *env, const tw_suite *suite, const tw_hpke_context *context,
                      tw_bytes exporter_context, uint8_t *out, size_t len) {
  uint8_t id[SUITE_ID];
  hpke_suite_id(suite, id);
  return tw_labeled_expand(env->provider, suite->hash, TW_ARRAY(id),
                           TW_BYTES(context->exporter_secret, suite->hash->size), "sec", exporter_context, out, len);
}

/* SetupBaseS: the encapsulation is appended to `kem_output`, which is as before on error. */
static tw_err setup_sender(const tw_env *env, const tw_suite *suite, tw_bytes public_key, const tw_hpke_info *info,
                           tw_buf *kem_output, tw_hpke_context *context) {
  const tw_kem *kem = suite->kem;
  if (public_key.len != kem->public_size) return TW_ERR_KEY;
  TW_TRY(tw_buf_reserve(kem_output, kem->output_size));
  uint8_t seed[TW_KEM_RANDOM_MAX];
  uint8_t shared[TW_KEM_SECRET_MAX];
  tw_err err = tw_random(env, seed, kem->encap_seed_size);
  if (err == TW_OK)
    err = tw_kem_encap_seeded(env->provider, kem, public_key, TW_BYTES(seed, kem->encap_seed_size),
                              kem_output->ptr + kem_output->len, shared);
  if (err == TW_OK) err = tw_hpke_key_schedule(env, suite, TW_BYTES(shared, kem->secret_size), info, context);
  if (err == TW_OK) kem_output->len += kem->output_size;
  tw_wipe(seed, sizeof(seed));
  tw_wipe(shared, sizeof(shared));
  return err;
}

static tw_err setup_receiver(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_bytes public_key,
                             tw_bytes kem_output, const tw_hpke_info *info, tw_hpke_context *context) {
  const tw_kem *kem = suite->kem;
  uint8_t shared[TW_KEM_SECRET_MAX];
  tw_err err = tw_kem_decap(env->provider, kem, private_key, public_key, kem_output, shared);
  if (err == TW_OK) err = tw_hpke_key_schedule(env, suite, TW_BYTES(shared, kem->secret_size), info, context);
  tw_wipe(shared, sizeof(shared));
  return err;
}

tw_err tw_hpke_seal(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes info, tw_bytes aad,
                    tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext) {
  tw_hpke_info hashed;
  TW_TRY(tw_hpke_info_of(env, suite, &info, 1, &hashed));
  return tw_hpke_seal_with(env, suite, public_key, &hashed, aad, plaintext, kem_output, ciphertext);
}

tw_err tw_hpke_seal_with(const tw_env *env, const tw_suite *suite, tw_bytes public_key, const tw_hpke_info *info,
                         tw_bytes aad, tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext) {
  if (plaintext.len > SIZE_MAX - TW_AEAD_TAG) return TW_ERR_ARGUMENT;
  TW_TRY(tw_buf_reserve(ciphertext, plaintext.len + TW_AEAD_TAG));
  tw_hpke_context context;
  const size_t before = kem_output->len;
  tw_err err = setup_sender(env, suite, public_key, info, kem_output, &context);
  if (err != TW_OK) return err;
  /* The first and only message of this context: its nonce is base_nonce. */
  err = tw_aead_seal(env, suite, TW_BYTES(context.key, suite->aead->key_size), context.base_nonce, aad, plaintext,
                     ciphertext->ptr + ciphertext->len);
  if (err == TW_OK) {
    ciphertext->len += plaintext.len + TW_AEAD_TAG;
  } else {
    kem_output->len = before;
  }
  tw_wipe(&context, sizeof(context));
  return err;
}

tw_err tw_hpke_open(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_bytes public_key,
                    tw_bytes kem_output, tw_bytes info, tw_bytes aad, tw_bytes ciphertext, tw_buf *plaintext) {
  tw_hpke_info hashed;
  TW_TRY(tw_hpke_info_of(env, suite, &info, 1, &hashed));
  return tw_hpke_open_with(env, suite, private_key, public_key, kem_output, &hashed, aad, ciphertext, plaintext);
}

tw_err tw_hpke_open_with(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_bytes public_key,
                         tw_bytes kem_output, const tw_hpke_info *info, tw_bytes aad, tw_bytes ciphertext,
                         tw_buf *plaintext) {
  if (ciphertext.len < TW_AEAD_TAG) return TW_ERR_DECRYPT;
  const size_t len = ciphertext.len - TW_AEAD_TAG;
  TW_TRY(tw_buf_reserve(plaintext, len));
  tw_hpke_context context;
  tw_err err = setup_receiver(env, suite, private_key, public_key, kem_output, info, &context);
  if (err != TW_OK) return err;
  err = tw_aead_open(env, suite, TW_BYTES(context.key, suite->aead->key_size), context.base_nonce, aad, ciphertext,
                     plaintext->ptr + plaintext->len);
  if (err == TW_OK) plaintext->len += len;
  tw_wipe(&context, sizeof(context));
  return err;
}

static tw_err export_secret(const tw_env *env, const tw_suite *suite, tw_hpke_context *context,
                            tw_bytes exporter_context, size_t len, tw_secret *out) {
  tw_err err = tw_hpke_export(env, suite, context, exporter_context, out->data, len);
  out->len = err == TW_OK ? (uint8_t)len : 0;
  tw_wipe(context, sizeof(*context));
  return err;
}

tw_err tw_hpke_send_export(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes info,
                           tw_bytes exporter_context, size_t len, tw_buf *kem_output, tw_secret *out) {
  tw_secret_clear(out);
  if (len > TW_SECRET_MAX) return TW_ERR_ARGUMENT;
  tw_hpke_context context;
  tw_hpke_info hashed;
  const size_t before = kem_output->len;
  TW_TRY(tw_hpke_info_of(env, suite, &info, 1, &hashed));
  TW_TRY(setup_sender(env, suite, public_key, &hashed, kem_output, &context));
  const tw_err err = export_secret(env, suite, &context, exporter_context, len, out);
  if (err != TW_OK) kem_output->len = before;
  return err;
}

tw_err tw_hpke_receive_export(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_bytes public_key,
                              tw_bytes kem_output, tw_bytes info, tw_bytes exporter_context, size_t len,
                              tw_secret *out) {
  tw_secret_clear(out);
  if (len > TW_SECRET_MAX) return TW_ERR_ARGUMENT;
  tw_hpke_context context;
  tw_hpke_info hashed;
  TW_TRY(tw_hpke_info_of(env, suite, &info, 1, &hashed));
  TW_TRY(setup_receiver(env, suite, private_key, public_key, kem_output, &hashed, &context));
  return export_secret(env, suite, &context, exporter_context, len, out);
}
