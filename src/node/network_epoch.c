/* From one epoch to the next: saved first, then its keys are put to use. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/secret.h"
#include "node/network_internal.h"

static void clear_switch(tw_network_switch *at) {
  tw_group_free(at->group);
  tw_secret_clear(&at->packet_key);
}

void tw_network_stop_switches(tw_network *network) {
  while (network->switch_count > 0) clear_switch(&network->switches[--network->switch_count]);
}

/* Nobody is to send under an epoch before all others have had time to take its commit out of their mailboxes. */
static uint64_t switch_time(const tw_network *network, uint64_t now_ms) {
  const tw_network_epoch *epoch = &network->epoch;
  /* What was loaded may have been sent under: at once then, before its mark at the SAs passes for a stale one. Whoever
   * is removed is to read nothing more, even if somebody else hears of the removal later than of the next packet. */
  if (epoch->known_ms == 0 || epoch->shuts_out) return now_ms;
  const uint64_t wait_ms = network->config.switch_ms / (epoch->hurries ? TW_NETWORK_HASTE : 1);
  const uint64_t at_ms = epoch->known_ms + wait_ms;
  return at_ms > now_ms + wait_ms ? now_ms + wait_ms : at_ms; /* a clock put back */
}

static void push_switch(tw_network *network, uint64_t now_ms) {
  const uint64_t at_ms = switch_time(network, now_ms);
  network->epoch.queued = true;
  /* Those that would come later than this one, and what there is no room for, are passed over. */
  while (network->switch_count > 0 &&
         (network->switch_count == TW_NETWORK_SWITCHES || network->switches[network->switch_count - 1].at_ms > at_ms))
    clear_switch(&network->switches[--network->switch_count]);
  network->switches[network->switch_count++] = (tw_network_switch){.group = tw_group_ref(network->epoch.group),
                                                                   .packet_key = network->epoch.packet_key,
                                                                   .stamp = network->epoch.stamp,
                                                                   .at_ms = at_ms};
}

static tw_err receive(const tw_network *network, tw_network_epoch *epoch) {
  const tw_node_keys *keys = network->config.keys;
  if (epoch->group == NULL || epoch->stamp != 0) return TW_OK;
  return keys->receive(keys->ctx, network->config.owner, epoch->group, TW_NO_BYTES, &epoch->stamp);
}

tw_err tw_network_receive_keys(tw_network *network, uint64_t now_ms) {
  TW_TRY(receive(network, &network->epoch));
  if (network->epoch.group != NULL && !network->epoch.queued) push_switch(network, now_ms);
  /* Others may send under them before the relay's answer is here. */
  return network->pending.kind == TW_NETWORK_PENDING_OPEN ? TW_OK : receive(network, &network->pending.next);
}

void tw_network_use_keys(tw_network *network, uint64_t now_ms) {
  const tw_err err = tw_network_receive_keys(network, now_ms);
  network->keys_at_ms = err == TW_OK ? UINT64_MAX : now_ms + TW_NETWORK_SECOND;
  if (err != TW_OK) tw_network_tell(network, "keys of the network's group could not be put to use", err);
  tw_network_switch_keys(network, now_ms);
}

/* The newest of those whose time has come. */
void tw_network_switch_keys(tw_network *network, uint64_t now_ms) {
  const tw_node_keys *keys = network->config.keys;
  size_t due = 0;
  while (due < network->switch_count && network->switches[due].at_ms <= now_ms) due++;
  if (due == 0) return;
  tw_network_switch *newest = &network->switches[due - 1];
  const tw_err err = keys->send(keys->ctx, network->config.owner, newest->group, TW_NO_BYTES,
                                tw_secret_bytes(&newest->packet_key), false);
  if (err != TW_OK) {
    tw_network_tell(network, "nothing can be sent under the new epoch's keys yet", err);
    newest->at_ms = now_ms + TW_NETWORK_SECOND;
    return;
  }
  network->sends = true;
  network->sending_epoch = tw_group_epoch(newest->group);
  keys->settle(keys->ctx, network->config.owner, newest->stamp);
  for (size_t i = 0; i < due; i++) clear_switch(&network->switches[i]);
  network->switch_count -= due;
  memmove(network->switches, network->switches + due, network->switch_count * sizeof network->switches[0]);
  tw_wipe(network->switches + network->switch_count, due * sizeof network->switches[0]);
}

static void withdraw(const tw_network *network, uint64_t stamp) {
  const tw_node_keys *keys = network->config.keys;
  if (stamp != 0) keys->withdraw(keys->ctx, network->config.owner, stamp);
}

static void has_changed(const tw_network *network) {
  if (network->config.changed != NULL) network->config.changed(network->config.ctx);
}

/* Who was a member, and is none in `next`. Another group says nothing about those of before. */
static const tw_network_member *next_removed(const tw_network_epoch *before, const tw_network_epoch *next,
                                             size_t *index) {
  if (before->group == NULL || !tw_bytes_equal(tw_group_id(before->group), tw_group_id(next->group))) return NULL;
  for (; *index < before->count; ++*index) {
    if (tw_network_find_member(next, &before->members[*index].id) == NULL) return &before->members[*index];
  }
  return NULL;
}

static void tell_removed(const tw_network *network, const tw_network_epoch *before) {
  const tw_network_member *gone;
  if (network->config.removed == NULL) return;
  for (size_t i = 0; (gone = next_removed(before, &network->epoch, &i)) != NULL; i++)
    network->config.removed(network->config.ctx, &gone->id);
}

/* There is nothing else to send under; or we were away, and others are about to give up what was before. */
static bool hurries(const tw_network *network, uint64_t now_ms) {
  return network->epoch.group == NULL || now_ms < network->connected_ms + network->config.switch_ms;
}

tw_err tw_network_adopt(tw_network *network, tw_network_epoch *next, const tw_store_change *more, uint64_t now_ms) {
  tw_network_pending *pending = &network->pending;
  next->known_ms = now_ms;
  next->hurries = hurries(network, now_ms);
  next->shuts_out = next_removed(&network->epoch, next, &(size_t){0}) != NULL;
  TW_TRY(tw_network_save(network, next, NULL, TW_NETWORK_REFUSED_NOTHING, more));
  if (pending->next.group == next->group)
    pending->next = (tw_network_epoch){0};
  else
    withdraw(network, pending->next.stamp);
  tw_network_pending_clear(pending, network->env);
  tw_network_epoch before = network->epoch;
  if (before.group != NULL && !tw_bytes_equal(tw_group_id(before.group), tw_group_id(next->group)))
    tw_network_drop_held(network);
  network->epoch = *next;
  *next = (tw_network_epoch){0};
  tw_network_look_for_unwanted(network);
  network->refusal = TW_NETWORK_REFUSED_NOTHING;
  network->behind_at_ms = UINT64_MAX;
  network->overdue = network->told_ahead = false;
  network->awaits_another = false;
  for (size_t i = 0; i < network->returner_count; i++)
    network->returners[i].due = false; /* if it was not this, again */
  network->duty_at_ms = UINT64_MAX;
  tw_network_plan_rekey(network, now_ms);
  tw_network_use_keys(network, now_ms);
  has_changed(network);
  tell_removed(network, &before);
  tw_network_epoch_clear(&before, network->env);
  return TW_OK;
}

void tw_network_drop_pending(tw_network *network) {
  if (network->pending.kind == TW_NETWORK_PENDING_NONE) return;
  withdraw(network, network->pending.next.stamp);
  tw_network_pending_clear(&network->pending, network->env);
  /* If that fails, it is asked for once more after a restart, and dropped again. */
  const tw_err err = tw_network_save(network, &network->epoch, NULL, network->refusal, NULL);
  if (err != TW_OK) tw_network_tell(network, "the network's group could not be saved", err);
}

void tw_network_forget(tw_network *network) {
  const tw_node_keys *keys = network->config.keys;
  keys->forget(keys->ctx, network->config.owner);
  network->sends = false;
  tw_network_stop_switches(network);
  tw_network_drop_held(network);
  tw_network_stop_gathering(network);
  tw_network_pending_clear(&network->pending, network->env);
  tw_network_epoch_clear(&network->epoch, network->env);
  network->unwanted = false;
}

/* Which group it was stays known: the relay is not to lead us into one of before. */
static tw_err save_leaving(tw_network *network) {
  const tw_node_port *port = network->config.port;
  tw_store_change changes[2] = {{.kind = TW_STORE_GROUP, .id = TW_NETWORK_RECORD_ID, .remove = true},
                                {.kind = TW_STORE_GROUP, .id = TW_NETWORK_LEFT_ID}};
  tw_buf left = TW_BUF_INIT(tw_env_alloc(network->env));
  tw_err err = tw_buf_assign(&network->left_id, tw_group_id(network->epoch.group));
  network->left_epoch = tw_group_epoch(network->epoch.group) + 1;
  if (err == TW_OK) err = tw_network_write_left(network, &left);
  changes[1].value = tw_buf_bytes(&left);
  if (err == TW_OK) err = port->save(port->ctx, changes, 2);
  tw_buf_clear(&left);
  return err;
}

void tw_network_leave(tw_network *network, const char *why, uint64_t now_ms) {
  const tw_err err = save_leaving(network);
  tw_network_forget(network);
  network->refusal = TW_NETWORK_REFUSED_NOTHING;
  network->state = TW_NETWORK_FINDING;
  network->number = 0;
  network->overdue = network->told_ahead = false;
  network->behind_at_ms = UINT64_MAX;
  network->duty_at_ms = UINT64_MAX;
  network->rekey_at_ms = UINT64_MAX;
  network->keys_at_ms = UINT64_MAX;
  tw_network_tell(network, why, err);
  tw_network_sooner(&network->find_at_ms, now_ms + TW_NETWORK_SECOND);
  has_changed(network);
}
