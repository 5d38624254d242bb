/* HMAC, HKDF (RFC 5869) and the labelled forms of HPKE (RFC 9180 section 4). SPDX-License-Identifier: Apache-2.0 */
#include "crypto/kdf.h"

#include <string.h>

#include "codec/writer.h"

static tw_bytes text(const char *string) { return TW_BYTES((const uint8_t *)string, strlen(string)); }

tw_err tw_provider_ready(tw_provider *provider, const tw_provider_ops *ops) {
  static const tw_hash *const hashes[TW_HASHES] = {&tw_hash_sha256, &tw_hash_sha384, &tw_hash_sha512};
  provider->ops = ops;
  for (size_t i = 0; i < TW_HASHES; i++) {
    ops->hmac_key(provider, hashes[i], TW_NO_BYTES, &provider->empty_key[i]);
    TW_TRY(ops->hash(provider, hashes[i], NULL, 0, provider->empty_hash[i]));
  }
  return TW_OK;
}

tw_err tw_kdf_hmac(tw_provider *provider, const tw_hash *hash, tw_bytes key, const tw_bytes *parts, size_t count,
                   uint8_t *out) {
  if (key.len == 0) return provider->ops->hmac(provider, &provider->empty_key[hash->id], parts, count, out);
  tw_hmac_key state;
  provider->ops->hmac_key(provider, hash, key, &state);
  const tw_err err = provider->ops->hmac(provider, &state, parts, count, out);
  tw_wipe(&state, sizeof(state));
  return err;
}

/* HKDF-Expand, RFC 5869 section 2.3. */
static tw_err expand_with(tw_provider *provider, const tw_hmac_key *key, const tw_bytes *info, size_t count,
                          uint8_t *out, size_t len) {
  const tw_hash *hash = key->hash;
  if (count > TW_HKDF_INFO_PARTS || len > (size_t)255 * hash->size) {
    if (len > 0) memset(out, 0, len);
    return TW_ERR_ARGUMENT;
  }
  uint8_t block[TW_HASH_MAX];
  uint8_t counter = 0;
  tw_bytes parts[TW_HKDF_INFO_PARTS + 2];
  parts[0] = TW_NO_BYTES; /* T(0) */
  for (size_t i = 0; i < count; i++) parts[1 + i] = info[i];
  parts[1 + count] = TW_BYTES(&counter, 1);
  tw_err err = TW_OK;
  for (size_t done = 0; done < len && err == TW_OK;) {
    counter++;
    err = provider->ops->hmac(provider, key, parts, count + 2, block);
    parts[0] = TW_BYTES(block, hash->size);
    const size_t take = len - done < hash->size ? len - done : hash->size;
    memcpy(out + done, block, take);
    done += take;
  }
  if (err != TW_OK) tw_wipe(out, len);
  tw_wipe(block, sizeof(block));
  return err;
}

tw_err tw_kdf_expand(tw_provider *provider, const tw_hash *hash, tw_bytes prk, const tw_bytes *info, size_t count,
                     uint8_t *out, size_t len) {
  tw_hmac_key key;
  provider->ops->hmac_key(provider, hash, prk, &key);
  const tw_err err = expand_with(provider, &key, info, count, out, len);
  tw_wipe(&key, sizeof(key));
  return err;
}

tw_err tw_labeled_extract_parts(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id, tw_bytes salt,
                                const char *label, const tw_bytes *ikm, size_t count, uint8_t *out) {
  if (count > TW_HKDF_INFO_PARTS) return TW_ERR_ARGUMENT;
  tw_bytes parts[3 + TW_HKDF_INFO_PARTS] = {TW_LITERAL("HPKE-v1"), suite_id, text(label)};
  for (size_t i = 0; i < count; i++) parts[3 + i] = ikm[i];
  return tw_kdf_hmac(provider, hash, salt, parts, 3 + count, out);
}

tw_err tw_labeled_extract(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id, tw_bytes salt,
                          const char *label, tw_bytes ikm, uint8_t *out) {
  return tw_labeled_extract_parts(provider, hash, suite_id, salt, label, &ikm, 1, out);
}

tw_err tw_labeled_expand_with(tw_provider *provider, const tw_hmac_key *key, tw_bytes suite_id, const char *label,
                              tw_bytes info, uint8_t *out, size_t len) {
  uint8_t length[2];
  tw_put_u16(length, (uint16_t)len);
  const tw_bytes parts[] = {TW_ARRAY(length), TW_LITERAL("HPKE-v1"), suite_id, text(label), info};
  return expand_with(provider, key, parts, 5, out, len);
}

tw_err tw_labeled_expand(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id, tw_bytes prk, const char *label,
                         tw_bytes info, uint8_t *out, size_t len) {
  tw_hmac_key key;
  provider->ops->hmac_key(provider, hash, prk, &key);
  const tw_err err = tw_labeled_expand_with(provider, &key, suite_id, label, info, out, len);
  tw_wipe(&key, sizeof(key));
  return err;
}

tw_err tw_labeled_shake256(tw_provider *provider, tw_bytes suite_id, tw_bytes ikm, const char *label, uint8_t *out,
                           size_t len) {
  uint8_t label_length[2];
  uint8_t length[2];
  tw_put_u16(label_length, (uint16_t)strlen(label));
  tw_put_u16(length, (uint16_t)len);
  const tw_bytes parts[] = {ikm,         TW_LITERAL("HPKE-v1"), suite_id, TW_ARRAY(label_length),
                            text(label), TW_ARRAY(length)};
  return provider->ops->shake256(provider, parts, 6, out, len);
}

tw_err tw_hash_parts(const tw_env *env, const tw_suite *suite, const tw_bytes *parts, size_t count, uint8_t *out) {
  if (count == 1 && parts->len == 0) {
    memcpy(out, env->provider->empty_hash[suite->hash->id], suite->hash->size);
    return TW_OK;
  }
  return env->provider->ops->hash(env->provider, suite->hash, parts, count, out);
}

tw_err tw_hmac_parts(const tw_env *env, const tw_suite *suite, tw_bytes key, const tw_bytes *parts, size_t count,
                     uint8_t *out) {
  return tw_kdf_hmac(env->provider, suite->hash, key, parts, count, out);
}

void tw_hmac_key_init(const tw_env *env, const tw_suite *suite, tw_bytes key, tw_hmac_key *out) {
  env->provider->ops->hmac_key(env->provider, suite->hash, key, out);
}

tw_err tw_hmac_key_parts(const tw_env *env, const tw_hmac_key *key, const tw_bytes *parts, size_t count, uint8_t *out) {
  return env->provider->ops->hmac(env->provider, key, parts, count, out);
}

tw_err tw_hkdf_extract(const tw_env *env, const tw_suite *suite, tw_bytes salt, tw_bytes ikm, tw_secret *out) {
  uint8_t prk[TW_HASH_MAX];
  tw_err err = tw_kdf_hmac(env->provider, suite->hash, salt, &ikm, 1, prk);
  if (err == TW_OK) err = tw_secret_set(out, TW_BYTES(prk, suite->hash->size));
  tw_wipe(prk, sizeof(prk));
  return err;
}

tw_err tw_hkdf_expand(const tw_env *env, const tw_suite *suite, tw_bytes prk, const tw_bytes *info, size_t count,
                      uint8_t *out, size_t len) {
  return tw_kdf_expand(env->provider, suite->hash, prk, info, count, out, len);
}

tw_err tw_hkdf_expand_with_key(const tw_env *env, const tw_hmac_key *prk, const tw_bytes *info, size_t count,
                               uint8_t *out, size_t len) {
  return expand_with(env->provider, prk, info, count, out, len);
}
