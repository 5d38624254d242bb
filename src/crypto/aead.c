/* AEAD by suite. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/provider.h"

tw_err tw_aead_seal(const tw_env *env, const tw_suite *suite, tw_bytes key, const uint8_t nonce[TW_AEAD_NONCE],
                    tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  if (key.len != suite->aead->key_size) return TW_ERR_ARGUMENT;
  return env->provider->ops->aead_seal(env->provider, suite->aead, key, nonce, aad, plaintext, out);
}

tw_err tw_aead_open(const tw_env *env, const tw_suite *suite, tw_bytes key, const uint8_t nonce[TW_AEAD_NONCE],
                    tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  if (key.len != suite->aead->key_size) return TW_ERR_ARGUMENT;
  if (ciphertext.len < TW_AEAD_TAG) return TW_ERR_DECRYPT;
  return env->provider->ops->aead_open(env->provider, suite->aead, key, nonce, aad, ciphertext, out);
}

tw_err tw_aead_key_new(const tw_env *env, const tw_suite *suite, tw_bytes key, tw_aead_key **out) {
  *out = NULL;
  if (key.len != suite->aead->key_size) return TW_ERR_ARGUMENT;
  return env->provider->ops->aead_key_new(env->provider, tw_env_alloc(env), suite->aead, key, out);
}

void tw_aead_key_free(tw_aead_key *key) {
  if (key != NULL) key->ops->aead_key_free(key);
}

void tw_aead_key_rest(tw_aead_key *key) {
  if (key != NULL) key->ops->aead_key_rest(key);
}

tw_err tw_aead_key_wake(tw_aead_key *key) { return key == NULL ? TW_OK : key->ops->aead_key_wake(key); }

tw_err tw_aead_key_seal(tw_aead_key *key, const uint8_t nonce[TW_AEAD_NONCE], tw_bytes aad, tw_bytes plaintext,
                        uint8_t *out) {
  return key->ops->aead_key_seal(key, nonce, aad, plaintext, out);
}

tw_err tw_aead_key_open(tw_aead_key *key, const uint8_t nonce[TW_AEAD_NONCE], tw_bytes aad, tw_bytes ciphertext,
                        uint8_t *out) {
  if (ciphertext.len < TW_AEAD_TAG) return TW_ERR_DECRYPT;
  return key->ops->aead_key_open(key, nonce, aad, ciphertext, out);
}
