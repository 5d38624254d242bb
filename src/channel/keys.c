/* The record keys that an epoch gives. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

/* MLS-Exporter(label, context, Nh), then RFC 8446 section 7.3; the secret is gone after that. */
static tw_err derive_key(const tw_channel *channel, const tw_group *group, tw_bytes context, bool of_connecting_side,
                         tw_record_key *key) {
  const tw_suite *suite = tw_group_suite(group);
  uint8_t secret[TW_HASH_MAX];
  const tw_bytes label = of_connecting_side ? TW_LITERAL("MLS-TLS c ap traffic") : TW_LITERAL("MLS-TLS s ap traffic");
  tw_err err = tw_group_export(group, label, context, secret, suite->hash->size);
  if (err == TW_OK) err = tw_record_key_init(channel->env, suite, TW_BYTES(secret, suite->hash->size), key);
  tw_wipe(secret, sizeof secret);
  return err;
}

tw_err tw_channel_derive_keys(const tw_channel *channel, tw_record_key *send, tw_record_key *receive) {
  const tw_group *group = tw_pair_traffic_group(channel->pair);
  const tw_bytes context = tw_pair_context(channel->pair);
  TW_TRY(derive_key(channel, group, context, channel->connecting, send));
  const tw_err err = derive_key(channel, group, context, !channel->connecting, receive);
  if (err != TW_OK) tw_record_key_clear(send);
  return err;
}

tw_err tw_channel_derive_early_key(const tw_channel *channel, tw_record_key *key) {
  return derive_key(channel, tw_pair_early_group(channel->pair), tw_pair_early_context(channel->pair), true, key);
}
