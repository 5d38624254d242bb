/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/exporter.h"

tw_err tw_exporter(const tw_env *env, const tw_suite *suite, tw_bytes exporter_secret, tw_bytes label, tw_bytes context,
                   uint8_t *out, size_t len) {
  const size_t size = suite->hash->size;
  uint8_t secret[TW_HASH_MAX];
  uint8_t context_hash[TW_HASH_MAX];
  tw_err err = tw_expand_with_label(env, suite, exporter_secret, label, TW_NO_BYTES, secret, size);
  if (err == TW_OK) err = tw_hash_parts(env, suite, &context, 1, context_hash);
  if (err == TW_OK) {
    err = tw_expand_with_label(env, suite, TW_BYTES(secret, size), TW_LITERAL("exported"), TW_BYTES(context_hash, size), out, len);
  }
  tw_wipe(secret, sizeof secret);
  return err;
}
