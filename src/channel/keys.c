/* The record keys that an epoch gives. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

/* MLS-TLS: MLS-Exporter(label, context, Nh). TLS+MLS: the TLS key schedule from the epoch on (D11). */
static tw_err traffic_secret(const tw_channel *channel, const tw_group *group, tw_bytes context,
                             bool of_connecting_side, tw_secret *out) {
  if (channel->tls_suite != NULL) {
    tw_tls_epoch epoch = {0};
    TW_TRY(tw_tls_epoch_of_group(channel->env, channel->tls_suite, group, context, channel->transcript_hash, &epoch));
    const tw_secret *secret = of_connecting_side ? &epoch.traffic.client : &epoch.traffic.server;
    const tw_err err = tw_secret_set(out, tw_secret_bytes(secret));
    tw_tls_epoch_clear(&epoch);
    return err;
  }
  uint8_t exported[TW_HASH_MAX];
  const size_t size = tw_group_suite(group)->hash->size;
  const tw_bytes label = of_connecting_side ? TW_LITERAL("MLS-TLS c ap traffic") : TW_LITERAL("MLS-TLS s ap traffic");
  tw_err err = tw_group_export(group, label, context, exported, size);
  if (err == TW_OK) err = tw_secret_set(out, TW_BYTES(exported, size));
  tw_wipe(exported, sizeof exported);
  return err;
}

/* RFC 8446 section 7.3; the secret is gone after that. */
static tw_err derive_key(const tw_channel *channel, const tw_group *group, tw_bytes context, tw_channel_key_kind kind,
                         tw_record_key *key) {
  const tw_suite *suite = channel->tls_suite != NULL ? channel->tls_suite : tw_group_suite(group);
  tw_secret secret = {0};
  tw_err err = traffic_secret(channel, group, context, kind != TW_CHANNEL_KEY_SERVER, &secret);
  if (err == TW_OK) err = tw_record_key_init(channel->env, suite, tw_secret_bytes(&secret), key);
  if (err == TW_OK) tw_channel_log_epoch(channel, tw_group_epoch(group), kind, &secret);
  tw_secret_clear(&secret);
  return err;
}

tw_err tw_channel_derive_keys(const tw_channel *channel, tw_record_key *send, tw_record_key *receive) {
  const tw_group *group = tw_pair_traffic_group(channel->pair);
  const tw_bytes context = tw_pair_context(channel->pair);
  const tw_channel_key_kind ours = channel->connecting ? TW_CHANNEL_KEY_CLIENT : TW_CHANNEL_KEY_SERVER;
  const tw_channel_key_kind theirs = channel->connecting ? TW_CHANNEL_KEY_SERVER : TW_CHANNEL_KEY_CLIENT;
  TW_TRY(derive_key(channel, group, context, ours, send));
  const tw_err err = derive_key(channel, group, context, theirs, receive);
  if (err != TW_OK) tw_record_key_clear(send);
  return err;
}

tw_err tw_channel_derive_early_key(const tw_channel *channel, tw_record_key *key) {
  return derive_key(channel, tw_pair_early_group(channel->pair), tw_pair_early_context(channel->pair),
                    TW_CHANNEL_KEY_EARLY, key);
}
