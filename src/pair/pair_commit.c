/* Commits between two parties, ours and the peer's. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/framing.h"
#include "mls/group.h"
#include "mls/protocol.h"
#include "pair/mail_tag.h"
#include "pair/pair_internal.h"

/* ---- ours ---- */

tw_err tw_pair_commit_make(tw_group *from, uint64_t now_ms, tw_pair_commit *out) {
  const tw_commit_options options = {.without_collected = true};
  tw_commit_result result = {0};
  TW_TRY(tw_group_commit(from, &options, now_ms / 1000, &result));
  *out = (tw_pair_commit){result.next, result.commit};
  result.next = NULL;
  result.commit = (tw_buf){0};
  tw_commit_result_clear(&result);
  return TW_OK;
}

void tw_pair_commit_clear(tw_pair_commit *commit) {
  tw_group_free(commit->next);
  commit->next = NULL;
  tw_buf_clear(&commit->message);
}

void tw_pair_commit_keep(tw_pair *pair, tw_pair_commit *commit, uint64_t now_ms) {
  tw_pair_drop_pending(pair);
  pair->pending = commit->next;
  pair->pending_commit = commit->message;
  pair->pending_since_ms = now_ms;
  *commit = (tw_pair_commit){0};
}

void tw_pair_drop_pending(tw_pair *pair) {
  tw_group_free(pair->pending);
  pair->pending = NULL;
  tw_buf_clear(&pair->pending_commit);
  pair->tie_met = false;
}

static void set_group(tw_pair *pair, tw_group *next) {
  tw_group_free(pair->group);
  pair->group = next;
  pair->applied_len = 0;
  pair->applied_in_sight = false;
  pair->by_request = false;
  pair->answered_count = 0;
}

void tw_pair_adopt_pending(tw_pair *pair) {
  set_group(pair, pair->pending);
  pair->pending = NULL;
  tw_pair_drop_pending(pair);
  pair->own_leaf_since_ms = pair->pending_since_ms;
  pair->own_updates++;
}

/* ---- the peer's ---- */

tw_err tw_pair_commit_peek(const tw_env *env, tw_bytes message, tw_bytes *group_id, uint64_t *epoch) {
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(env, message, &decoded));
  if (decoded.wire_format != TW_WIRE_PRIVATE_MESSAGE) return TW_ERR_UNEXPECTED;
  if (decoded.u.private_message.content_type != TW_CONTENT_COMMIT) return TW_ERR_UNEXPECTED;
  *group_id = decoded.u.private_message.group_id;
  *epoch = decoded.u.private_message.epoch;
  return TW_OK;
}

tw_err tw_pair_commit_hash(const tw_pair *pair, tw_bytes message, uint8_t out[TW_HASH_MAX]) {
  return tw_hash_parts(tw_pair_env(pair), pair->client.suite, &message, 1, out);
}

static tw_bytes binding_of(const tw_pair *pair, const tw_group *group, uint32_t leaf_index) {
  const uint16_t component = tw_env_code_points(tw_pair_env(pair))->channel_binding_component;
  tw_member member;
  tw_bytes data = TW_NO_BYTES;
  uint32_t at = leaf_index;
  if (tw_group_next_member(group, &at, &member)) (void)tw_component_lookup(member.leaf_extensions, component, &data);
  return data;
}

/* The next epoch is as the last one but for the peer's keys. */
static tw_err check_taken(const tw_pair *pair, const tw_group *from, const tw_received *received) {
  if (!received->update_only) return TW_ERR_PROPOSAL;
  const uint32_t peer = tw_pair_peer_leaf(pair->role);
  if (received->sender_type != TW_SENDER_MEMBER || received->sender != peer) return TW_ERR_SENDER;
  TW_TRY(tw_pair_check_group(pair, received->next));
  return tw_bytes_equal(binding_of(pair, from, peer), binding_of(pair, received->next, peer)) ? TW_OK : TW_ERR_BINDING;
}

tw_err tw_pair_commit_open(const tw_pair *pair, tw_group *from, tw_bytes message, uint64_t now_ms, tw_group **next) {
  tw_bytes group_id;
  uint64_t epoch;
  TW_TRY(tw_pair_commit_peek(tw_pair_env(pair), message, &group_id, &epoch));
  tw_received received = {0};
  tw_err err = tw_group_receive_to_adopt(from, message, now_ms / 1000, &received);
  if (err == TW_OK) err = check_taken(pair, from, &received);
  if (err == TW_OK) {
    *next = received.next;
    received.next = NULL;
  }
  tw_received_clear(&received);
  return err;
}

tw_err tw_pair_commit_take(const tw_pair *pair, tw_group *from, const tw_pair_message *message, uint64_t now_ms,
                           tw_group **next) {
  tw_group *made = NULL;
  TW_TRY(tw_pair_commit_open(pair, from, message->mls, now_ms, &made));
  const tw_err err = tw_pair_tag_check(pair, made, TW_NO_BYTES, message);
  if (err != TW_OK) {
    tw_group_free(made);
    return err;
  }
  *next = made;
  return TW_OK;
}

tw_err tw_pair_commit_check(const tw_pair *pair, const tw_pair_message *message, uint64_t now_ms) {
  tw_group *next = NULL;
  if (!pair->by_mail) return TW_OK;
  TW_TRY(tw_pair_commit_take(pair, pair->group, message, now_ms, &next));
  tw_group_free(next);
  return TW_OK;
}

void tw_pair_adopt_applied(tw_pair *pair, tw_group *next, const uint8_t hash[TW_HASH_MAX], bool in_sight,
                           uint64_t now_ms) {
  set_group(pair, next);
  memcpy(pair->applied, hash, TW_HASH_MAX);
  pair->applied_len = pair->client.suite->hash->size;
  pair->applied_in_sight = in_sight;
  pair->peer_leaf_since_ms = now_ms;
  pair->peer_updates++;
}
