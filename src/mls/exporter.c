/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/exporter.h"

#include <string.h>

/* DeriveSecret(exporter_secret, label), as a key to expand by. */
static tw_err derive_label_key(const tw_env *env, const tw_suite *suite, const tw_hmac_key *exporter_key,
                               tw_bytes label, tw_hmac_key *out) {
  tw_secret secret = {0};
  const tw_err err = tw_derive_key_secret(env, exporter_key, label, &secret);
  if (err == TW_OK) tw_hmac_key_init(env, suite, tw_secret_bytes(&secret), out);
  tw_secret_clear(&secret);
  return err;
}

static tw_err export_by_key(const tw_env *env, const tw_suite *suite, const tw_hmac_key *key, tw_bytes context,
                            uint8_t *out, size_t len) {
  uint8_t context_hash[TW_HASH_MAX];
  TW_TRY(tw_hash_parts(env, suite, &context, 1, context_hash));
  return tw_expand_with_label_key(env, key, TW_LITERAL("exported"), TW_BYTES(context_hash, suite->hash->size), out,
                                  len);
}

tw_err tw_exporter_with(const tw_env *env, const tw_suite *suite, const tw_hmac_key *exporter_key, tw_bytes label,
                        tw_bytes context, uint8_t *out, size_t len) {
  tw_hmac_key key;
  TW_TRY(derive_label_key(env, suite, exporter_key, label, &key));
  const tw_err err = export_by_key(env, suite, &key, context, out, len);
  tw_wipe(&key, sizeof key);
  return err;
}

tw_err tw_exporter(const tw_env *env, const tw_suite *suite, tw_bytes exporter_secret, tw_bytes label, tw_bytes context,
                   uint8_t *out, size_t len) {
  tw_hmac_key key;
  tw_hmac_key_init(env, suite, exporter_secret, &key);
  const tw_err err = tw_exporter_with(env, suite, &key, label, context, out, len);
  tw_wipe(&key, sizeof key);
  return err;
}

static bool is_for(const tw_exporter_label *kept, const tw_suite *suite, tw_bytes label) {
  return kept->key.hash == suite->hash && tw_bytes_equal(TW_BYTES(kept->label, kept->label_len), label);
}

static tw_err keep(const tw_env *env, const tw_suite *suite, const tw_hmac_key *exporter_key, tw_bytes label,
                   tw_exporter_label *kept) {
  tw_hmac_key key;
  TW_TRY(derive_label_key(env, suite, exporter_key, label, &key));
  kept->key = key;
  if (label.len > 0) memcpy(kept->label, label.ptr, label.len);
  kept->label_len = (uint8_t)label.len;
  tw_wipe(&key, sizeof key);
  return TW_OK;
}

tw_err tw_exporter_cached(const tw_env *env, const tw_suite *suite, const tw_hmac_key *exporter_key,
                          tw_exporter_cache *cache, tw_bytes label, tw_bytes context, uint8_t *out, size_t len) {
  if (label.len > TW_EXPORTER_LABEL_MAX) return tw_exporter_with(env, suite, exporter_key, label, context, out, len);
  uint32_t at = cache->latest;
  if (!is_for(&cache->labels[at], suite, label)) {
    at = 1 - at;
    if (!is_for(&cache->labels[at], suite, label)) TW_TRY(keep(env, suite, exporter_key, label, &cache->labels[at]));
    cache->latest = at;
  }
  return export_by_key(env, suite, &cache->labels[at].key, context, out, len);
}
