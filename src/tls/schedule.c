/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/schedule.h"

#include <string.h>

#include "record/record.h"

/* HKDF-Expand-Label(Secret, Label, Transcript-Hash(Messages), Hash.length), section 7.1 */
tw_err tw_tls_derive_secret(const tw_env *env, const tw_suite *suite, const tw_secret *secret, const char *label,
                            const uint8_t *transcript_hash, tw_secret *out) {
  const size_t size = suite->hash->size;
  uint8_t derived[TW_HASH_MAX];
  tw_err err = tw_hkdf_expand_label(env, suite, tw_secret_bytes(secret), label, TW_BYTES(transcript_hash, size),
                                    derived, size);
  if (err == TW_OK) err = tw_secret_set(out, TW_BYTES(derived, size));
  tw_wipe(derived, sizeof derived);
  return err;
}

/* draft-housley-tls-using-mls-handshake, section 6.1, and D11: in place of the Handshake Secret, not its input. */
tw_err tw_tls_handshake_secret(const tw_suite *suite, const tw_group *group, tw_bytes context, tw_secret *out) {
  const size_t size = suite->hash->size;
  uint8_t exported[TW_HASH_MAX];
  tw_err err = tw_group_export(group, TW_LITERAL("TLS shared secret"), context, exported, size);
  if (err == TW_OK) err = tw_secret_set(out, TW_BYTES(exported, size));
  tw_wipe(exported, sizeof exported);
  return err;
}

tw_err tw_tls_main_secret(const tw_env *env, const tw_suite *suite, const tw_secret *handshake_secret, tw_secret *out) {
  static const uint8_t zeros[TW_HASH_MAX];
  const tw_bytes nothing = TW_NO_BYTES;
  uint8_t hash_of_nothing[TW_HASH_MAX];
  tw_secret salt = {0};
  tw_err err = tw_hash_parts(env, suite, &nothing, 1, hash_of_nothing);
  if (err == TW_OK) err = tw_tls_derive_secret(env, suite, handshake_secret, "derived", hash_of_nothing, &salt);
  if (err == TW_OK) {
    err = tw_hkdf_extract(env, suite, tw_secret_bytes(&salt), TW_BYTES(zeros, suite->hash->size), out);
  }
  tw_secret_clear(&salt);
  return err;
}

void tw_tls_traffic_clear(tw_tls_traffic *traffic) {
  tw_secret_clear(&traffic->client);
  tw_secret_clear(&traffic->server);
}

/* Both or none. */
static tw_err derive_traffic(const tw_env *env, const tw_suite *suite, const tw_secret *secret, const char *of_client,
                             const char *of_server, const uint8_t *transcript_hash, tw_tls_traffic *out) {
  tw_err err = tw_tls_derive_secret(env, suite, secret, of_client, transcript_hash, &out->client);
  if (err == TW_OK) err = tw_tls_derive_secret(env, suite, secret, of_server, transcript_hash, &out->server);
  if (err != TW_OK) tw_tls_traffic_clear(out);
  return err;
}

tw_err tw_tls_handshake_traffic(const tw_env *env, const tw_suite *suite, const tw_secret *handshake_secret,
                                const uint8_t *transcript_hash, tw_tls_traffic *out) {
  return derive_traffic(env, suite, handshake_secret, "c hs traffic", "s hs traffic", transcript_hash, out);
}

void tw_tls_epoch_clear(tw_tls_epoch *epoch) {
  tw_tls_traffic_clear(&epoch->traffic);
  tw_secret_clear(&epoch->exporter);
}

tw_err tw_tls_epoch_of_secret(const tw_env *env, const tw_suite *suite, const tw_secret *handshake_secret,
                              const uint8_t *transcript_hash, tw_tls_epoch *out) {
  tw_secret main_secret = {0};
  tw_err err = tw_tls_main_secret(env, suite, handshake_secret, &main_secret);
  if (err == TW_OK) {
    err = derive_traffic(env, suite, &main_secret, "c ap traffic", "s ap traffic", transcript_hash, &out->traffic);
  }
  if (err == TW_OK) {
    err = tw_tls_derive_secret(env, suite, &main_secret, "exp master", transcript_hash, &out->exporter);
  }
  tw_secret_clear(&main_secret);
  if (err != TW_OK) tw_tls_epoch_clear(out);
  return err;
}

tw_err tw_tls_epoch_of_group(const tw_env *env, const tw_suite *suite, const tw_group *group, tw_bytes context,
                             const uint8_t *transcript_hash, tw_tls_epoch *out) {
  tw_secret handshake_secret = {0};
  tw_err err = tw_tls_handshake_secret(suite, group, context, &handshake_secret);
  if (err == TW_OK) err = tw_tls_epoch_of_secret(env, suite, &handshake_secret, transcript_hash, out);
  tw_secret_clear(&handshake_secret);
  return err;
}

/* HKDF-Expand-Label(Derive-Secret(Secret, label, ""), "exporter", Hash(context_value), key_length), section 7.5 */
tw_err tw_tls_export(const tw_env *env, const tw_suite *suite, const tw_secret *exporter_secret, const char *label,
                     tw_bytes context, uint8_t *out, size_t len) {
  const tw_bytes nothing = TW_NO_BYTES;
  uint8_t hash[TW_HASH_MAX];
  tw_secret secret = {0};
  tw_err err = tw_hash_parts(env, suite, &nothing, 1, hash);
  if (err == TW_OK) err = tw_tls_derive_secret(env, suite, exporter_secret, label, hash, &secret);
  if (err == TW_OK) err = tw_hash_parts(env, suite, &context, 1, hash);
  if (err == TW_OK) {
    err = tw_hkdf_expand_label(env, suite, tw_secret_bytes(&secret), "exporter", TW_BYTES(hash, suite->hash->size), out,
                               len);
  }
  tw_secret_clear(&secret);
  return err;
}

/*
 * finished_key = HKDF-Expand-Label(BaseKey, "finished", "", Hash.length)
 * struct { opaque verify_data[Hash.length]; } Finished, section 4.4.4
 */
tw_err tw_tls_verify_data(const tw_env *env, const tw_suite *suite, const tw_secret *traffic_secret,
                          const uint8_t *transcript_hash, uint8_t *out) {
  const size_t size = suite->hash->size;
  uint8_t finished_key[TW_HASH_MAX];
  const tw_bytes hash = TW_BYTES(transcript_hash, size);
  tw_err err = tw_hkdf_expand_label(env, suite, tw_secret_bytes(traffic_secret), "finished", TW_NO_BYTES, finished_key,
                                    size);
  if (err == TW_OK) err = tw_hmac_parts(env, suite, TW_BYTES(finished_key, size), &hash, 1, out);
  tw_wipe(finished_key, sizeof finished_key);
  return err;
}
