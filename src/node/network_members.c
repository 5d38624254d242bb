/* Who is a member, and who may do what. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "mls/protocol.h"
#include "node/network_internal.h"
#include "pair/binding.h"

void tw_network_epoch_clear(tw_network_epoch *epoch, const tw_env *env) {
  tw_group_free(epoch->group);
  tw_secret_clear(&epoch->packet_key);
  tw_alloc_free(tw_env_alloc(env), epoch->members);
  *epoch = (tw_network_epoch){0};
}

tw_err tw_network_fresh_packet_key(tw_network *network, tw_secret *private_key) {
  if (!network->config.sign) return TW_OK;
  const tw_err err = tw_packet_key_make(network->env, &network->leaf_extensions, private_key);
  network->client.leaf_extensions = tw_buf_bytes(&network->leaf_extensions); /* it may have moved */
  return err;
}

static int compare_members(const void *a, const void *b) {
  const tw_network_member *one = a;
  const tw_network_member *other = b;
  return memcmp(&one->id, &other->id, sizeof one->id);
}

tw_err tw_network_epoch_of(const tw_network *network, tw_group *group, tw_network_epoch *epoch) {
  const tw_env *env = network->env;
  tw_member member;
  *epoch = (tw_network_epoch){.group = group};
  epoch->members = tw_alloc_array(tw_env_alloc(env), tw_group_member_count(group), sizeof *epoch->members);
  tw_err err = epoch->members == NULL ? TW_ERR_NO_MEMORY : TW_OK;
  for (uint32_t leaf = 0; err == TW_OK && tw_group_next_member(group, &leaf, &member); leaf++) {
    tw_network_member *at = &epoch->members[epoch->count++];
    at->leaf = leaf;
    err = tw_fingerprint_of(env, tw_group_suite(group), member.signature_key, &at->id);
  }
  if (err != TW_OK) {
    tw_network_epoch_clear(epoch, env);
    return err;
  }
  qsort(epoch->members, epoch->count, sizeof *epoch->members, compare_members);
  return TW_OK;
}

const tw_network_member *tw_network_find_member(const tw_network_epoch *epoch, const tw_client_id *id) {
  const tw_network_member key = {.id = *id};
  if (epoch->count == 0) return NULL;
  return bsearch(&key, epoch->members, epoch->count, sizeof key, compare_members);
}

const tw_network_member *tw_network_member_at(const tw_network_epoch *epoch, uint32_t leaf) {
  for (size_t i = 0; i < epoch->count; i++) {
    if (epoch->members[i].leaf == leaf) return &epoch->members[i];
  }
  return NULL;
}

bool tw_network_wants(const tw_network *network, const tw_client_id *id) {
  const tw_network_roster *roster = &network->config.roster;
  return memcmp(id, &network->config.self, sizeof *id) == 0 || roster->wants(roster->ctx, id);
}

bool tw_network_may(const tw_network *network, const tw_client_id *id) {
  const tw_network_roster *roster = &network->config.roster;
  return roster->is_admin == NULL || roster->is_admin(roster->ctx, id);
}

void tw_network_look_for_unwanted(tw_network *network) {
  network->unwanted = false;
  for (size_t i = 0; !network->unwanted && i < network->epoch.count; i++)
    network->unwanted = !tw_network_wants(network, &network->epoch.members[i].id);
}

/* The exclusive or of those who are wanted, and, the other way round, of those among them who may change things. */
void tw_network_sum_roster(const tw_network *network, uint8_t sum[TW_FINGERPRINT_SIZE]) {
  const tw_network_roster *roster = &network->config.roster;
  tw_client_id id;
  memset(sum, 0, TW_FINGERPRINT_SIZE);
  for (size_t place = 0; roster->next_wanted(roster->ctx, &place, &id);) {
    const bool may = tw_network_may(network, &id);
    for (size_t k = 0; k < TW_FINGERPRINT_SIZE; k++) {
      sum[k] ^= id.digest[k];
      if (may) sum[TW_FINGERPRINT_SIZE - 1 - k] ^= id.digest[k];
    }
  }
  if (tw_network_may(network, &network->config.self)) sum[0] ^= 1;
}

/* ---- what holds of every epoch ---- */

tw_bytes tw_network_home(const tw_network *network, uint64_t *epoch) {
  const tw_group *group = network->epoch.group;
  *epoch = group == NULL ? network->left_epoch : tw_group_epoch(group);
  return group == NULL ? tw_buf_bytes(&network->left_id) : tw_group_id(group);
}

static tw_err check_leaves(const tw_network *network, const tw_group *group) {
  tw_member member;
  for (uint32_t leaf = 0; tw_group_next_member(group, &leaf, &member); leaf++) {
    tw_bytes data;
    TW_TRY(tw_channel_binding_check(network->env, member.leaf_extensions, TW_LITERAL(TW_NETWORK_LABEL), &data, NULL));
    if (!tw_bytes_equal(data, tw_buf_bytes(&network->binding))) return TW_ERR_BINDING;
  }
  return TW_OK;
}

tw_err tw_network_check_epoch(const tw_network *network, const tw_network_epoch *epoch) {
  const tw_group *group = epoch->group;
  if (tw_group_is_closed(group) || tw_group_suite(group) != network->client.suite) return TW_ERR_WRONG_GROUP;
  TW_TRY(tw_channel_binding_check_group_id(tw_group_id(group), TW_LITERAL(TW_NETWORK_LABEL)));
  if (!tw_bytes_equal(tw_group_extensions(group), tw_buf_bytes(&network->context))) return TW_ERR_BINDING;
  const tw_network_member *self = tw_network_find_member(epoch, &network->config.self);
  if (self == NULL || self->leaf != tw_group_own_leaf(group)) return TW_ERR_WRONG_GROUP;
  return check_leaves(network, group);
}

tw_err tw_network_check_members(const tw_network *network, const tw_network_epoch *epoch) {
  const tw_network_epoch *ours = &network->epoch;
  const bool same = ours->group != NULL && tw_bytes_equal(tw_group_id(ours->group), tw_group_id(epoch->group));
  for (size_t i = 0; i < epoch->count; i++) {
    const tw_client_id *id = &epoch->members[i].id;
    if (tw_network_wants(network, id)) continue;
    if (!same || tw_network_find_member(ours, id) == NULL) return TW_ERR_CREDENTIAL;
  }
  return TW_OK;
}

/* ---- what a commit may do ---- */

typedef struct changes {
  size_t added, removed;
  bool adds_unwanted;
} changes;

static changes compare(const tw_network *network, const tw_network_epoch *next) {
  const tw_network_epoch *now = &network->epoch;
  changes found = {0};
  for (size_t i = 0; i < next->count; i++) {
    if (tw_network_find_member(now, &next->members[i].id) != NULL) continue;
    found.added++;
    if (!tw_network_wants(network, &next->members[i].id)) found.adds_unwanted = true;
  }
  for (size_t i = 0; i < now->count; i++) found.removed += tw_network_find_member(next, &now->members[i].id) == NULL;
  return found;
}

tw_network_refusal tw_network_judge(const tw_network *network, const tw_received *received,
                                    const tw_network_epoch *next) {
  const bool by_member = received->sender_type == TW_SENDER_MEMBER;
  if (received->kind == TW_RECEIVED_REMOVED) {
    const tw_network_member *sender = tw_network_member_at(&network->epoch, received->sender);
    const bool may = by_member && sender != NULL && tw_network_may(network, &sender->id);
    return may ? TW_NETWORK_REFUSED_NOTHING : TW_NETWORK_REFUSED_ACT;
  }
  if (tw_network_check_epoch(network, next) != TW_OK) return TW_NETWORK_REFUSED_ACT;
  const changes found = compare(network, next);
  if (found.added + found.removed == 0) return TW_NETWORK_REFUSED_NOTHING;
  if (found.adds_unwanted) return TW_NETWORK_REFUSED_MEMBER;
  const tw_network_member *sender = tw_network_member_at(&network->epoch, received->sender);
  if (!by_member || sender == NULL || !tw_network_may(network, &sender->id)) return TW_NETWORK_REFUSED_ACT;
  return TW_NETWORK_REFUSED_NOTHING;
}
