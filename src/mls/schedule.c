/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/schedule.h"

#include <string.h>

#define EXTERNAL_INIT_LABEL TW_LITERAL("MLS 1.0 external init secret")

static const uint8_t zeros[TW_HASH_MAX];

static tw_bytes or_zero(tw_bytes secret, const tw_suite *suite) {
  return secret.len > 0 ? secret : TW_BYTES(zeros, suite->hash->size);
}

/* ExpandWithLabel(Extract(salt, ikm), label, group_context, Nh): both steps of the schedule have this shape. */
static tw_err extract_and_expand(const tw_env *env, const tw_suite *suite, tw_bytes salt, tw_bytes ikm, tw_bytes label,
                                 tw_bytes group_context, tw_secret *out) {
  tw_secret extracted = {0};
  tw_secret next = {.len = suite->hash->size};
  tw_err err = tw_hkdf_extract(env, suite, salt, ikm, &extracted);
  if (err == TW_OK) {
    err = tw_expand_with_label(env, suite, tw_secret_bytes(&extracted), label, group_context, next.data, next.len);
  }
  if (err == TW_OK) *out = next;
  tw_secret_clear(&extracted);
  tw_secret_clear(&next);
  return err;
}

tw_err tw_joiner_secret(const tw_env *env, const tw_suite *suite, tw_bytes init_secret, tw_bytes commit_secret,
                        tw_bytes group_context, tw_secret *joiner_secret) {
  return extract_and_expand(env, suite, init_secret, or_zero(commit_secret, suite), TW_LITERAL("joiner"), group_context,
                            joiner_secret);
}

tw_err tw_epoch_secrets_expand(const tw_env *env, const tw_suite *suite, tw_bytes epoch_secret, tw_epoch_secrets *out) {
  tw_epoch_secrets next = {0};
  const struct {
    tw_bytes label;
    tw_secret *secret;
  } table[] = {
      {TW_LITERAL("sender data"), &next.sender_data_secret},
      {TW_LITERAL("encryption"), &next.encryption_secret},
      {TW_LITERAL("exporter"), &next.exporter_secret},
      {TW_LITERAL("external"), &next.external_secret},
      {TW_LITERAL("confirm"), &next.confirmation_key},
      {TW_LITERAL("membership"), &next.membership_key},
      {TW_LITERAL("resumption"), &next.resumption_psk},
      {TW_LITERAL("authentication"), &next.epoch_authenticator},
      {TW_LITERAL("application_export"), &next.application_export_secret},
      {TW_LITERAL("init"), &next.init_secret},
  };
  tw_hmac_key key;
  tw_hmac_key_init(env, suite, epoch_secret, &key);
  tw_err err = TW_OK;
  for (size_t i = 0; i < sizeof table / sizeof table[0] && err == TW_OK; i++) {
    err = tw_derive_key_secret(env, &key, table[i].label, table[i].secret);
  }
  if (err == TW_OK) *out = next;
  tw_wipe(&key, sizeof key);
  tw_epoch_secrets_clear(&next);
  return err;
}

tw_err tw_epoch_secrets_derive(const tw_env *env, const tw_suite *suite, tw_bytes joiner_secret, tw_bytes psk_secret,
                               tw_bytes group_context, tw_epoch_secrets *out) {
  tw_secret epoch_secret = {0};
  tw_err err = extract_and_expand(env, suite, joiner_secret, or_zero(psk_secret, suite), TW_LITERAL("epoch"),
                                  group_context, &epoch_secret);
  if (err == TW_OK) err = tw_epoch_secrets_expand(env, suite, tw_secret_bytes(&epoch_secret), out);
  tw_secret_clear(&epoch_secret);
  return err;
}

void tw_epoch_secrets_clear(tw_epoch_secrets *secrets) {
  if (secrets != NULL) tw_wipe(secrets, sizeof *secrets);
}

tw_err tw_welcome_key(const tw_env *env, const tw_suite *suite, tw_bytes joiner_secret, tw_bytes psk_secret,
                      uint8_t key[TW_AEAD_KEY_MAX], uint8_t nonce[TW_AEAD_NONCE]) {
  tw_secret intermediate = {0};
  tw_secret welcome_secret = {0};
  tw_err err = tw_hkdf_extract(env, suite, joiner_secret, or_zero(psk_secret, suite), &intermediate);
  if (err == TW_OK)
    err = tw_derive_secret(env, suite, tw_secret_bytes(&intermediate), TW_LITERAL("welcome"), &welcome_secret);
  const tw_bytes secret = tw_secret_bytes(&welcome_secret);
  if (err == TW_OK)
    err = tw_expand_with_label(env, suite, secret, TW_LITERAL("key"), TW_NO_BYTES, key, suite->aead->key_size);
  if (err == TW_OK)
    err = tw_expand_with_label(env, suite, secret, TW_LITERAL("nonce"), TW_NO_BYTES, nonce, TW_AEAD_NONCE);
  if (err != TW_OK) {
    tw_wipe(key, suite->aead->key_size);
    tw_wipe(nonce, TW_AEAD_NONCE);
  }
  tw_secret_clear(&intermediate);
  tw_secret_clear(&welcome_secret);
  return err;
}

tw_err tw_external_key_pair(const tw_env *env, const tw_suite *suite, tw_bytes external_secret, tw_secret *private_key,
                            uint8_t *public_key) {
  return tw_kem_derive_key_pair(env, suite, external_secret, private_key, public_key);
}

tw_err tw_external_init_send(const tw_env *env, const tw_suite *suite, tw_bytes external_pub, tw_buf *kem_output,
                             tw_secret *init_secret) {
  return tw_hpke_send_export(env, suite, external_pub, TW_NO_BYTES, EXTERNAL_INIT_LABEL, suite->hash->size, kem_output,
                             init_secret);
}

tw_err tw_external_init_receive(const tw_env *env, const tw_suite *suite, tw_bytes external_secret, tw_bytes kem_output,
                                tw_secret *init_secret) {
  tw_secret private_key = {0};
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_err err = tw_external_key_pair(env, suite, external_secret, &private_key, public_key);
  if (err == TW_OK) {
    err = tw_hpke_receive_export(env, suite, tw_secret_bytes(&private_key),
                                 TW_BYTES(public_key, suite->kem->public_size), kem_output, TW_NO_BYTES,
                                 EXTERNAL_INIT_LABEL, suite->hash->size, init_secret);
  }
  tw_secret_clear(&private_key);
  return err;
}
