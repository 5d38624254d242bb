/* Welcomes. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/framing.h"
#include "mls/protocol.h"
#include "node/network_internal.h"

/* The key package of ours that a Welcome is for. TW_ERR_STATE: none. */
static tw_err find_package(const tw_network *network, tw_bytes welcome, tw_stock_use *use, tw_key_package **key_package,
                           tw_secret *packet_key) {
  tw_mls_message decoded;
  tw_encrypted_group_secrets secrets;
  tw_bytes saved;
  TW_TRY(tw_mls_message_decode(network->env, welcome, &decoded));
  if (decoded.wire_format != TW_WIRE_WELCOME) return TW_ERR_UNEXPECTED;
  tw_reader walk = tw_reader_of(decoded.u.welcome.secrets);
  while (tw_encrypted_group_secrets_next(&walk, &secrets)) {
    if (secrets.new_member.len < TW_STOCK_REF) continue;
    const tw_err err = tw_stock_find(&network->packages, secrets.new_member.ptr, use);
    if (err == TW_ERR_STATE) continue;
    TW_TRY(err);
    TW_TRY(tw_network_read_package(use->kept, &saved, packet_key));
    return tw_key_package_load(&network->client, saved, key_package);
  }
  return TW_ERR_STATE;
}

static bool is_same(const tw_group *ours, const tw_group *next) {
  return ours != NULL && tw_bytes_equal(tw_group_id(ours), tw_group_id(next));
}

static bool is_as_far(const tw_group *ours, const tw_group *next) {
  return is_same(ours, next) && tw_group_epoch(ours) >= tw_group_epoch(next);
}

static tw_err check(const tw_network *network, const tw_network_epoch *next) {
  const tw_group *ours = network->epoch.group;
  TW_TRY(tw_network_check_epoch(network, next));
  if (is_as_far(ours, next->group) || is_as_far(network->pending.next.group, next->group)) return TW_ERR_OLD_EPOCH;
  uint64_t epoch;
  const tw_bytes home = tw_network_home(network, &epoch);
  const bool at_home = tw_bytes_equal(home, tw_group_id(next->group));
  if (home.len > 0 && !at_home && !network->awaits_another) return TW_ERR_WRONG_GROUP;
  if (at_home && tw_group_epoch(next->group) < epoch) return TW_ERR_OLD_EPOCH; /* from before we were removed */
  for (size_t i = 0; i < next->count; i++) {
    if (!tw_network_wants(network, &next->members[i].id)) return TW_ERR_CREDENTIAL;
  }
  return TW_OK;
}

static tw_err join(tw_network *network, tw_bytes message, tw_stock_use *use, uint64_t now_ms) {
  tw_control_welcomed welcomed;
  TW_TRY(tw_control_welcomed_decode(message, &welcomed));
  const tw_join_options options = {.wants_to_be_named = true, .ratchet_tree = welcomed.tree};
  tw_key_package *key_package = NULL;
  tw_group *group = NULL;
  tw_network_epoch next = {0};
  tw_secret packet_key = {0};
  tw_err err = find_package(network, welcomed.welcome, use, &key_package, &packet_key);
  if (err == TW_OK)
    err = tw_group_join(&network->client, key_package, welcomed.welcome, &options, now_ms / 1000, &group);
  if (err == TW_OK) err = tw_network_epoch_of(network, group, &next);
  if (err == TW_OK) err = check(network, &next);
  /* A last resort joins more than one epoch of the group, but each of them once. */
  if (err == TW_OK) err = tw_stock_take(use, tw_group_epoch_authenticator(next.group).ptr);
  next.leaf_made_ms = use->made_ms;
  next.packet_key = packet_key;
  if (err == TW_OK) err = tw_network_adopt(network, &next, &use->change, now_ms);
  tw_network_epoch_clear(&next, network->env);
  tw_key_package_free(key_package);
  tw_secret_clear(&packet_key);
  return err;
}

/* ---- one that is refused for its members ---- */

static bool may_change(const tw_network *network) { return network->epoch.group == NULL || network->awaits_another; }

/* What cannot be kept is not missed for long: we put ourselves back. */
static void keep_welcome(tw_network *network, tw_bytes message) {
  const tw_node_port *port = network->config.port;
  const tw_store_change kept = {.kind = TW_STORE_GROUP, .id = TW_NETWORK_WELCOME_ID, .value = message};
  if (tw_buf_assign(&network->welcome, message) == TW_OK) (void)!port->save(port->ctx, &kept, 1);
}

static void forget_welcome(tw_network *network) {
  const tw_node_port *port = network->config.port;
  const tw_store_change gone = {.kind = TW_STORE_GROUP, .id = TW_NETWORK_WELCOME_ID, .remove = true};
  tw_buf_clear(&network->welcome);
  (void)!port->save(port->ctx, &gone, 1); /* else it is tried in vain once more */
}

void tw_network_try_welcome(tw_network *network, uint64_t now_ms) {
  tw_buf welcome = network->welcome;
  if (welcome.len == 0) return;
  network->welcome = TW_BUF_INIT(welcome.alloc);
  if (may_change(network)) tw_network_welcomed(network, tw_buf_bytes(&welcome), now_ms);
  if (network->welcome.len == 0) forget_welcome(network);
  tw_buf_clear(&welcome);
}

/* ---- what comes ---- */

void tw_network_welcomed(tw_network *network, tw_bytes message, uint64_t now_ms) {
  tw_stock_use use = {0};
  const tw_err err = join(network, message, &use, now_ms);
  if (err == TW_OK) {
    tw_stock_taken(&network->packages, &use);
    if (network->welcome.len > 0) forget_welcome(network);
    network->state = TW_NETWORK_MEMBER;
    network->wait_ms = network->config.repeat_ms;
    tw_network_tell(network, "we were added to the network's group", TW_OK);
    tw_network_sooner(&network->find_at_ms, now_ms); /* its number, and whether it is the one */
    tw_network_take_held(network, now_ms);
    tw_network_look_around(network, now_ms);
  } else if (err != TW_ERR_STATE && err != TW_ERR_OLD_EPOCH) {
    if (err == TW_ERR_CREDENTIAL || tw_err_class_of(err) == TW_CLASS_FORBIDDEN) network->refused++;
    if (err == TW_ERR_CREDENTIAL && may_change(network)) keep_welcome(network, message);
    tw_network_tell(network,
                    err == TW_ERR_CREDENTIAL ? "a Welcome is refused: there are members that are not wanted here"
                                             : "a Welcome is of no use",
                    err);
  }
  tw_stock_use_clear(&use);
}
