/* A pair as an object. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "mls/protocol.h"
#include "pair/binding.h"
#include "pair/pair_internal.h"

tw_err tw_pair_check_config(const tw_pair_config *config) {
  if (config == NULL || config->clients == NULL || config->client_count == 0) return TW_ERR_ARGUMENT;
  for (size_t i = 0; i < config->client_count; i++) {
    if (config->clients[i] == NULL) return TW_ERR_ARGUMENT;
  }
  if (config->label.len == 0 || config->label.len > TW_PAIR_LABEL_MAX) return TW_ERR_ARGUMENT;
  return config->parameters.len <= TW_PAIR_PARAMETERS_MAX ? TW_OK : TW_ERR_ARGUMENT;
}

tw_err tw_pair_find_client(const tw_pair_config *config, uint16_t suite_id, const tw_client **out) {
  for (size_t i = 0; i < config->client_count; i++) {
    const tw_client *client = config->clients[i];
    if (tw_suite_id(client->env, client->suite) != suite_id) continue;
    *out = client;
    return TW_OK;
  }
  return TW_ERR_UNSUPPORTED;
}

/* Our ChannelBinding, and the client's leaf extensions with it. */
static tw_err bind_leaf(tw_pair *pair, const tw_pair_config *config, const tw_client *client, tw_bytes parameters) {
  const tw_channel_binding wanted = {config->label, parameters};
  TW_TRY(tw_channel_binding_encode(&wanted, &pair->binding));
  tw_channel_binding kept;
  TW_TRY(tw_channel_binding_decode(tw_buf_bytes(&pair->binding), &kept));
  pair->label = kept.label;
  TW_TRY(tw_buf_append(&pair->leaf_extensions, client->leaf_extensions));
  const uint16_t component = tw_env_code_points(client->env)->channel_binding_component;
  return tw_component_set(&pair->leaf_extensions, component, tw_buf_bytes(&pair->binding));
}

tw_err tw_pair_new(const tw_pair_config *config, const tw_client *client, tw_bytes parameters, tw_pair_role role,
                   tw_pair **out) {
  const tw_alloc *alloc = tw_env_alloc(client->env);
  tw_pair *pair = tw_alloc_zero(alloc, sizeof *pair);
  if (pair == NULL) return TW_ERR_NO_MEMORY;
  pair->client = *client;
  pair->leaf_extensions.alloc = alloc;
  pair->binding.alloc = alloc;
  pair->pending_commit.alloc = alloc;
  pair->role = role;
  pair->by_mail = config->by_mail;
  const tw_err err = bind_leaf(pair, config, client, parameters);
  if (err != TW_OK) {
    tw_pair_free(pair);
    return err;
  }
  pair->client.leaf_extensions = tw_buf_bytes(&pair->leaf_extensions);
  if (config->policy != NULL) pair->client.policy = *config->policy;
  *out = pair;
  return TW_OK;
}

void tw_pair_free(tw_pair *pair) {
  if (pair == NULL) return;
  tw_key_package_free(pair->key_package);
  tw_group_free(pair->pending);
  tw_group_free(pair->group);
  tw_buf_clear(&pair->pending_commit);
  tw_buf_clear(&pair->binding);
  tw_buf_clear(&pair->leaf_extensions);
  const tw_alloc *alloc = tw_env_alloc(tw_pair_env(pair));
  tw_wipe(pair, sizeof *pair);
  tw_alloc_free(alloc, pair);
}

/* ---- what holds in every epoch ---- */

static bool member_at(const tw_group *group, uint32_t leaf_index, tw_member *member) {
  uint32_t at = leaf_index;
  return tw_group_next_member(group, &at, member) && member->leaf_index == leaf_index;
}

static tw_err check_bindings(const tw_pair *pair, const tw_group *group) {
  tw_member responder;
  tw_member initiator;
  if (!member_at(group, 0, &responder) || !member_at(group, 1, &initiator)) return TW_ERR_WRONG_GROUP;
  const tw_env *env = tw_pair_env(pair);
  tw_bytes of_responder;
  tw_bytes reference;
  TW_TRY(tw_channel_binding_check(env, responder.leaf_extensions, pair->label, &of_responder, NULL));
  TW_TRY(tw_channel_binding_check(env, initiator.leaf_extensions, pair->label, NULL, NULL));
  TW_TRY(tw_group_binding_check(env, tw_group_extensions(group), of_responder, &reference));
  /* While it is ours to compare. No commit of a pair changes the GroupContext's extensions. */
  const bool joining = pair->key_package != NULL;
  return !joining || tw_bytes_equal(reference, tw_key_package_reference(pair->key_package)) ? TW_OK : TW_ERR_BINDING;
}

tw_err tw_pair_check_group(const tw_pair *pair, const tw_group *group) {
  if (tw_group_member_count(group) != 2 || tw_group_is_closed(group)) return TW_ERR_WRONG_GROUP;
  if (tw_group_own_leaf(group) != tw_pair_own_leaf(pair->role)) return TW_ERR_WRONG_GROUP;
  if (tw_group_suite(group) != pair->client.suite) return TW_ERR_WRONG_GROUP;
  tw_bytes senders;
  if (tw_extension_lookup(tw_group_extensions(group), TW_EXTENSION_EXTERNAL_SENDERS, &senders)) return TW_ERR_FORBIDDEN;
  TW_TRY(tw_channel_binding_check_group_id(tw_group_id(group), pair->label));
  return check_bindings(pair, group);
}

/* ---- queries ---- */

tw_group *tw_pair_group(const tw_pair *pair) { return pair->group; }

tw_group *tw_pair_next_group(const tw_pair *pair) {
  return pair->state == TW_PAIR_LEADING || pair->state == TW_PAIR_YIELDING ? pair->pending : NULL;
}

bool tw_pair_peer(const tw_pair *pair, tw_member *peer) {
  return pair->group != NULL && member_at(pair->group, tw_pair_peer_leaf(pair->role), peer);
}

tw_bytes tw_pair_peer_parameters(const tw_pair *pair) {
  tw_member peer;
  tw_channel_binding binding;
  if (!tw_pair_peer(pair, &peer)) return TW_NO_BYTES;
  if (tw_channel_binding_check(tw_pair_env(pair), peer.leaf_extensions, pair->label, NULL, &binding) != TW_OK) {
    return TW_NO_BYTES;
  }
  return binding.parameters;
}

void tw_pair_get_status(const tw_pair *pair, tw_pair_status *status) {
  *status = (tw_pair_status){
      .role = pair->role,
      .state = pair->state,
      .suite = pair->client.suite,
      .epoch = pair->group == NULL ? 0 : tw_group_epoch(pair->group),
      .own_leaf_since_ms = pair->own_leaf_since_ms,
      .peer_leaf_since_ms = pair->peer_leaf_since_ms,
      .own_updates = pair->own_updates,
      .peer_updates = pair->peer_updates,
      .ties = pair->ties,
      .resumptions = pair->resumptions,
  };
}
