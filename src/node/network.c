/* The network's group at a node: what comes in, and when what is due. SPDX-License-Identifier: Apache-2.0 */
#include "node/network.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "node/network_internal.h"
#include "pair/binding.h"

static tw_err bind(tw_network *network) {
  const tw_env *env = network->env;
  const uint16_t component = tw_env_code_points(env)->channel_binding_component;
  const tw_channel_binding binding = {TW_LITERAL(TW_NETWORK_LABEL), tw_buf_bytes(&network->name)};
  TW_TRY(tw_channel_binding_encode(&binding, &network->binding));
  TW_TRY(tw_buf_append(&network->leaf_extensions, network->client.leaf_extensions));
  TW_TRY(tw_component_set(&network->leaf_extensions, component, tw_buf_bytes(&network->binding)));
  network->client.leaf_extensions = tw_buf_bytes(&network->leaf_extensions);
  return tw_component_set(&network->context, component, tw_buf_bytes(&network->binding));
}

static bool is_complete(const tw_network_config *config) {
  return config->client != NULL && config->port != NULL && config->keys != NULL && config->roster.wants != NULL &&
         config->roster.next_wanted != NULL && config->name.len > 0 && config->name.len <= TW_NETWORK_NAME_MAX;
}

static void init(tw_network *network, const tw_network_config *config) {
  const tw_alloc *alloc = tw_env_alloc(config->client->env);
  network->config = *config;
  if (config->switch_ms == 0) network->config.switch_ms = 3 * TW_NETWORK_SECOND;
  if (config->repeat_ms == 0) network->config.repeat_ms = 10 * TW_NETWORK_SECOND;
  network->env = config->client->env;
  network->client = *config->client;
  network->name.alloc = alloc;
  network->binding.alloc = alloc;
  network->leaf_extensions.alloc = alloc;
  network->context.alloc = alloc;
  network->welcome.alloc = alloc;
  network->left_id.alloc = alloc;
  network->packages = (tw_stock){.port = config->port,
                                 .pool = TW_CONTROL_POOL_NETWORK,
                                 .prefix = 'n',
                                 .wanted = TW_NETWORK_PACKAGES,
                                 .make = tw_network_make_package,
                                 .ctx = network};
  network->pending.send_at_ms = UINT64_MAX;
  network->wait_ms = network->config.repeat_ms;
  network->ask_again_ms = TW_NETWORK_ASK_FIRST_MS;
  network->rejoin_wait_ms = TW_NETWORK_SECOND;
  network->find_at_ms = UINT64_MAX;
  network->behind_at_ms = UINT64_MAX;
  network->keys_at_ms = UINT64_MAX;
  network->held_at_ms = UINT64_MAX;
  network->rekey_at_ms = UINT64_MAX;
  network->duty_at_ms = UINT64_MAX;
  network->adds_max = TW_NETWORK_ADDS_MAX;
}

tw_err tw_network_new(const tw_network_config *config, tw_network **out) {
  if (!is_complete(config)) return TW_ERR_ARGUMENT;
  tw_network *network = tw_alloc_zero(tw_env_alloc(config->client->env), sizeof *network);
  if (network == NULL) return TW_ERR_NO_MEMORY;
  init(network, config);
  tw_err err = tw_buf_append(&network->name, config->name);
  if (err == TW_OK) err = bind(network);
  if (err != TW_OK) {
    tw_network_free(network);
    return err;
  }
  network->config.name = tw_buf_bytes(&network->name);
  *out = network;
  return TW_OK;
}

void tw_network_free(tw_network *network) {
  if (network == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(network->env);
  tw_network_stop_gathering(network);
  tw_network_drop_held(network);
  tw_network_stop_switches(network);
  tw_network_pending_clear(&network->pending, network->env);
  tw_network_epoch_clear(&network->epoch, network->env);
  tw_alloc_free(alloc, network->candidates);
  tw_alloc_free(alloc, network->tried);
  tw_buf_clear(&network->welcome);
  tw_buf_clear(&network->left_id);
  tw_buf_clear(&network->context);
  tw_buf_clear(&network->leaf_extensions);
  tw_buf_clear(&network->binding);
  tw_buf_clear(&network->name);
  tw_alloc_free(alloc, network);
}

void tw_network_tell(const tw_network *network, const char *what, tw_err err) {
  if (network->config.tell != NULL) network->config.tell(network->config.ctx, what, err);
}

uint64_t tw_network_roll(const tw_network *network, uint64_t n) {
  uint8_t drawn[4];
  if (tw_random(network->env, drawn, sizeof drawn) != TW_OK) return 0;
  tw_reader r = tw_reader_of(TW_ARRAY(drawn));
  return tw_read_u32(&r) % n;
}

/* ---- requests ---- */

uint64_t tw_network_tag(const tw_network *network, tw_network_ask what, uint32_t detail) {
  return TW_NETWORK_TAG | (uint64_t)what << 48 | (uint64_t)(network->generation & 0xffff) << 32 | detail;
}

bool tw_network_is_tag(uint64_t tag) { return tag >> 56 == TW_NETWORK_TAG >> 56; }

bool tw_network_ask_relay(tw_network *network, const tw_control_request *request, tw_network_ask what,
                          uint32_t detail) {
  const tw_node_port *port = network->config.port;
  return port->request(port->ctx, request, tw_network_tag(network, what, detail)) == TW_OK;
}

void tw_network_answer(tw_network *network, uint64_t tag, const tw_control_answer *answer, uint64_t now_ms) {
  if ((tag >> 32 & 0xffff) != (network->generation & 0xffff)) return;
  const uint32_t detail = (uint32_t)tag;
  switch ((tw_network_ask)(tag >> 48 & 0xff)) {
  case TW_NETWORK_ASK_FIND: tw_network_found(network, answer, now_ms); return;
  case TW_NETWORK_ASK_PENDING:
    if (network->pending.in_flight && detail == (network->sequence & 0xffff))
      tw_network_pending_answered(network, answer, now_ms);
    return;
  case TW_NETWORK_ASK_STOCK: tw_network_stocked(network, answer, now_ms); return;
  case TW_NETWORK_ASK_PUBLISH: tw_network_published(network, answer, now_ms); return;
  case TW_NETWORK_ASK_TAKE:
    if (tw_network_awaits(network, detail)) tw_network_took(network, answer, now_ms);
    return;
  case TW_NETWORK_ASK_WANT_IN: return;
  }
}

/* ---- what happens ---- */

tw_err tw_network_load(tw_network *network, tw_store_kind kind, tw_bytes id, tw_bytes value, uint64_t now_ms,
                       bool *ours) {
  *ours = kind == TW_STORE_GROUP || (kind == TW_STORE_KEY_PACKAGE && tw_stock_is_id(&network->packages, id));
  if (!*ours) return TW_OK;
  if (kind == TW_STORE_KEY_PACKAGE) return tw_stock_load(&network->packages, id, value);
  if (tw_bytes_equal(id, TW_NETWORK_WELCOME_ID)) return tw_buf_assign(&network->welcome, value);
  if (tw_bytes_equal(id, TW_NETWORK_LEFT_ID)) return tw_network_load_left(network, value);
  if (!tw_bytes_equal(id, TW_NETWORK_RECORD_ID)) return TW_ERR_STATE;
  TW_TRY(tw_network_load_record(network, value));
  const tw_err err = tw_network_receive_keys(network, now_ms);
  if (err != TW_OK) {
    tw_network_forget(network);
    return err;
  }
  tw_network_switch_keys(network, now_ms);
  tw_network_look_for_unwanted(network);
  if (network->refusal != TW_NETWORK_REFUSED_NOTHING) network->state = TW_NETWORK_STUCK;
  tw_network_reconsider(network, now_ms); /* a restart is how most rosters change */
  if (!tw_network_has_own_credential(network, network->epoch.group)) network->rekey_wanted_ms = now_ms;
  tw_network_plan_rekey(network, now_ms);
  return TW_OK;
}

void tw_network_connected(tw_network *network, uint64_t now_ms) {
  network->generation++;
  network->connected_ms = now_ms;
  network->finding = false;
  network->stocking = false;
  network->wait_ms = network->config.repeat_ms;
  network->ask_again_ms = TW_NETWORK_ASK_FIRST_MS;
  tw_network_stop_gathering(network);
  network->pending.in_flight = false;
  if (network->state == TW_NETWORK_IDLE) network->state = TW_NETWORK_FINDING;
  tw_network_try_welcome(network, now_ms); /* the roster may be another one since the last start */
  tw_network_send_pending(network, now_ms);
  tw_network_find(network, now_ms);
}

void tw_network_mail(tw_network *network, const tw_control_entry *entry, uint64_t now_ms) {
  switch (entry->kind) {
  case TW_CONTROL_KIND_COMMIT: tw_network_take_commit(network, entry->message, now_ms); return;
  case TW_CONTROL_KIND_WELCOME: tw_network_welcomed(network, entry->message, now_ms); return;
  default: return; /* members have nothing else to say to each other here */
  }
}

/* Its key package is to tell who it is. The relay may make up as many as it likes: there is room for a few. */
static void note_stranger(tw_network *network, const tw_client_id *id) {
  for (size_t i = 0; i < network->stranger_count; i++) {
    if (memcmp(&network->strangers[i], id, sizeof *id) == 0) return;
  }
  const size_t at = network->stranger_count < TW_NETWORK_STRANGERS
                        ? network->stranger_count++
                        : (size_t)tw_network_roll(network, TW_NETWORK_STRANGERS);
  network->strangers[at] = *id;
}

void tw_network_wants_in(tw_network *network, tw_bytes name, const tw_client_id *client, uint64_t now_ms) {
  if (!tw_bytes_equal(name, tw_buf_bytes(&network->name))) return;
  const bool is_member = tw_network_find_member(&network->epoch, client) != NULL;
  if (!tw_network_wants(network, client)) {
    if (is_member || network->config.roster.admits == NULL) return;
    note_stranger(network, client);
  }
  if (is_member) {
    tw_network_returns(network, client, now_ms);
    /* If the relay does not take it for one: the next commit tells it who is. */
    if (now_ms < network->call_not_before_ms) return;
    network->call_not_before_ms = now_ms + TW_NETWORK_WAIT_MAX_MS;
    tw_network_sooner(&network->rekey_at_ms, now_ms + tw_network_roll(network, network->config.repeat_ms));
    return;
  }
  tw_network_note_tried(network, client, 0);
  tw_network_look_around(network, now_ms);
}

void tw_network_roster_changed(tw_network *network, uint64_t now_ms) {
  network->wait_ms = network->config.repeat_ms;
  for (size_t i = 0; i < network->tried_count; i++) network->tried[i].again_ms = 0;
  tw_network_try_welcome(network, now_ms);
  tw_network_reconsider(network, now_ms);
  if (network->state == TW_NETWORK_STUCK && network->refusal == TW_NETWORK_REFUSED_NOTHING)
    network->state = TW_NETWORK_FINDING; /* a group that we have not come into */
  if (network->state != TW_NETWORK_MEMBER && network->state != TW_NETWORK_STUCK && network->state != TW_NETWORK_IDLE)
    tw_network_sooner(&network->find_at_ms, now_ms);
  tw_network_look_around(network, now_ms);
}

void tw_network_remove(tw_network *network, const tw_client_id *id, uint64_t now_ms) {
  if (tw_network_wants(network, id) || tw_network_find_member(&network->epoch, id) == NULL) return;
  tw_network_stop_gathering(network);
  network->at_once = true;
  tw_network_look_around(network, now_ms);
  if (network->duty_at_ms <= now_ms) tw_network_do_duties(network, now_ms);
}

void tw_network_rekey(tw_network *network, uint64_t now_ms) {
  network->rekey_wanted_ms = now_ms;
  if (network->pending.kind == TW_NETWORK_PENDING_NONE) tw_network_renew(network, now_ms);
}

void tw_network_compare(tw_network *network, uint64_t epoch, tw_bytes authenticator, uint64_t now_ms) {
  if (network->epoch.group == NULL) return;
  const uint64_t ours = tw_group_epoch(network->epoch.group);
  if (epoch > ours) {
    network->told_ahead = true;
    tw_network_is_behind(network, now_ms);
  }
  if (epoch != ours || tw_bytes_equal(authenticator, tw_group_epoch_authenticator(network->epoch.group))) return;
  if (now_ms < network->compare_not_before_ms) return;
  network->compare_not_before_ms = now_ms + network->config.repeat_ms;
  network->forks++;
  tw_network_tell(network, "a member is in another branch of the network's group", TW_ERR_APART);
  tw_network_sooner(&network->find_at_ms, now_ms + tw_network_roll(network, TW_NETWORK_SECOND));
}

/* ---- time ---- */

uint64_t tw_network_deadline(const tw_network *network) {
  uint64_t at_ms = network->pending.send_at_ms;
  tw_network_sooner(&at_ms, network->find_at_ms);
  tw_network_sooner(&at_ms, network->behind_at_ms);
  tw_network_sooner(&at_ms, network->keys_at_ms);
  tw_network_sooner(&at_ms, network->held_at_ms);
  tw_network_sooner(&at_ms, network->rekey_at_ms);
  tw_network_sooner(&at_ms, network->duty_at_ms);
  if (network->switch_count > 0) tw_network_sooner(&at_ms, network->switches[0].at_ms);
  return at_ms;
}

void tw_network_tick(tw_network *network, uint64_t now_ms) {
  if (network->keys_at_ms <= now_ms) tw_network_use_keys(network, now_ms);
  tw_network_switch_keys(network, now_ms);
  if (network->held_at_ms <= now_ms) {
    tw_network_take_held(network, now_ms);
    tw_network_look_around(network, now_ms);
  }
  if (network->pending.send_at_ms <= now_ms) tw_network_send_pending(network, now_ms);
  if (network->behind_at_ms <= now_ms) {
    network->behind_at_ms = UINT64_MAX;
    network->overdue = true;
    tw_network_sooner(&network->find_at_ms, now_ms);
  }
  if (network->find_at_ms <= now_ms) tw_network_find(network, now_ms);
  if (network->duty_at_ms <= now_ms) tw_network_do_duties(network, now_ms);
  if (network->rekey_at_ms <= now_ms) tw_network_renew(network, now_ms);
}

/* ---- how it stands ---- */

void tw_network_get_status(const tw_network *network, tw_network_status *status) {
  const tw_network_epoch *epoch = &network->epoch;
  *status = (tw_network_status){.state = network->state,
                                .number = network->number,
                                .unwanted = network->unwanted,
                                .forks = network->forks,
                                .refused = network->refused};
  if (network->pending.kind != TW_NETWORK_PENDING_NONE) status->pending_since_ms = network->pending.since_ms;
  if (epoch->group == NULL) return;
  status->there = true;
  status->group_id = tw_group_id(epoch->group);
  status->epoch = tw_group_epoch(epoch->group);
  status->members = tw_group_member_count(epoch->group);
  status->own_leaf = tw_group_own_leaf(epoch->group);
  status->leaf_made_ms = epoch->leaf_made_ms;
  status->sends = network->sends;
  status->sending_epoch = network->sends ? network->sending_epoch : 0;
}

tw_bytes tw_network_authenticator(const tw_network *network, uint64_t *epoch) {
  *epoch = network->epoch.group == NULL ? 0 : tw_group_epoch(network->epoch.group);
  return network->epoch.group == NULL ? TW_NO_BYTES : tw_group_epoch_authenticator(network->epoch.group);
}

bool tw_network_member_at_leaf(const tw_network *network, uint32_t *leaf, tw_member *member) {
  return network->epoch.group != NULL && tw_group_next_member(network->epoch.group, leaf, member);
}

bool tw_network_has_member(const tw_network *network, const tw_client_id *id) {
  return tw_network_find_member(&network->epoch, id) != NULL;
}

bool tw_network_can_sign(const tw_network *network, const tw_client_id *id) {
  const tw_network_member *member = tw_network_find_member(&network->epoch, id);
  tw_member found;
  tw_bytes key;
  if (member == NULL) return false;
  uint32_t leaf = member->leaf;
  return tw_group_next_member(network->epoch.group, &leaf, &found) &&
         tw_packet_key_find(network->env, found.leaf_extensions, &key);
}

bool tw_network_next_member(const tw_network *network, size_t index, tw_client_id *id, uint32_t *leaf) {
  if (index >= network->epoch.count) return false;
  *id = network->epoch.members[index].id;
  if (leaf != NULL) *leaf = network->epoch.members[index].leaf;
  return true;
}
