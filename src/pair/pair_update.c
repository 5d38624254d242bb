/* Continuous key agreement: draft-kohbrok-mls-two-party-profile-00. SPDX-License-Identifier: Apache-2.0 */
#include "mls/framing.h"
#include "mls/protocol.h"
#include "pair/machine.h"
#include "pair/message.h"
#include "pair/pair_hello.h"
#include "pair/pair_internal.h"

static void drop_pending(tw_pair *pair) {
  tw_group_free(pair->pending);
  pair->pending = NULL;
  tw_buf_clear(&pair->pending_commit);
  pair->tie_met = false;
}

/* A PublicMessage with a commit that has a path and nothing else (D1). */
static tw_err check_update_form(const tw_env *env, tw_bytes message) {
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(env, message, &decoded));
  if (decoded.wire_format != TW_WIRE_PUBLIC_MESSAGE) return TW_ERR_UNEXPECTED;
  const tw_framed_content *content = &decoded.u.public_message.content;
  if (content->content_type != TW_CONTENT_COMMIT || content->sender.type != TW_SENDER_MEMBER) return TW_ERR_UNEXPECTED;
  return content->commit.has_path && content->commit.proposal_count == 0 ? TW_OK : TW_ERR_PROPOSAL;
}

static tw_bytes binding_of(const tw_pair *pair, const tw_group *group, uint32_t leaf_index) {
  const uint16_t component = tw_env_code_points(tw_pair_env(pair))->channel_binding_component;
  tw_member member;
  tw_bytes data = TW_NO_BYTES;
  uint32_t at = leaf_index;
  if (tw_group_next_member(group, &at, &member)) (void)tw_component_lookup(member.leaf_extensions, component, &data);
  return data;
}

/* The next epoch after the peer's update: as the last one but for the peer's keys. */
static tw_err check_updated(const tw_pair *pair, const tw_received *received) {
  if (received->kind != TW_RECEIVED_COMMIT) return TW_ERR_UNEXPECTED;
  const uint32_t peer = tw_pair_peer_leaf(pair->role);
  if (received->sender_type != TW_SENDER_MEMBER || received->sender != peer) return TW_ERR_SENDER;
  TW_TRY(tw_pair_check_group(pair, received->next));
  if (!tw_bytes_equal(binding_of(pair, pair->group, peer), binding_of(pair, received->next, peer)))
    return TW_ERR_BINDING;
  return TW_OK;
}

static tw_err do_apply(tw_pair *pair, tw_bytes commit, uint64_t now_ms, tw_buf *reply, tw_pair_event *event) {
  TW_TRY(check_update_form(tw_pair_env(pair), commit));
  tw_received received = {0};
  tw_err err = tw_group_receive(pair->group, commit, now_ms / 1000, &received);
  if (err == TW_OK) err = check_updated(pair, &received);
  if (err == TW_OK) {
    const tw_pair_message answer = {.type = TW_PAIR_EPOCH_KEY_UPDATE, .epoch = tw_group_epoch(received.next)};
    err = tw_pair_message_encode(&answer, reply);
  }
  if (err == TW_OK) {
    event->own_dropped = pair->pending != NULL;
    if (event->own_dropped) pair->ties++;
    drop_pending(pair);
    tw_group_free(pair->group);
    pair->group = received.next;
    received.next = NULL;
    pair->peer_leaf_since_ms = now_ms;
    pair->peer_updates++;
    event->outcome = TW_PAIR_PEER_UPDATED;
  }
  tw_received_clear(&received);
  return err;
}

/* The profile says to ignore it; what could not have lost a tie is refused still. */
static tw_err do_ignore_tie(tw_pair *pair, tw_bytes commit, tw_pair_event *event) {
  tw_bytes group_id;
  uint64_t epoch;
  TW_TRY(tw_message_peek(tw_pair_env(pair), commit, &group_id, &epoch));
  if (!tw_bytes_equal(group_id, tw_group_id(pair->group))) return TW_ERR_WRONG_GROUP;
  if (pair->tie_met || epoch != tw_group_epoch(pair->group)) return TW_ERR_UNEXPECTED;
  pair->tie_met = true;
  pair->ties++;
  event->outcome = TW_PAIR_TIE_IGNORED;
  return TW_OK;
}

static tw_err do_adopt(tw_pair *pair, uint64_t epoch, tw_pair_event *event) {
  if (epoch != tw_group_epoch(pair->pending)) return TW_ERR_UNEXPECTED;
  tw_group_free(pair->group);
  pair->group = pair->pending;
  pair->pending = NULL;
  drop_pending(pair);
  pair->own_leaf_since_ms = pair->pending_since_ms;
  pair->own_updates++;
  event->outcome = TW_PAIR_OWN_UPDATED;
  return TW_OK;
}

static tw_err act(tw_pair *pair, tw_pair_action action, const tw_pair_message *message, uint64_t now_ms, tw_buf *reply,
                  tw_pair_event *event) {
  switch (action) {
  case TW_PAIR_DO_JOIN: event->outcome = TW_PAIR_JOINED; return tw_pair_do_join(pair, message->mls, now_ms);
  case TW_PAIR_DO_APPLY:
  case TW_PAIR_DO_YIELD: return do_apply(pair, message->mls, now_ms, reply, event);
  case TW_PAIR_DO_IGNORE_TIE: return do_ignore_tie(pair, message->mls, event);
  case TW_PAIR_DO_ADOPT: return do_adopt(pair, message->epoch, event);
  case TW_PAIR_DO_REFUSE_LATER: return TW_ERR_UNSUPPORTED;
  default: return TW_ERR_UNEXPECTED;
  }
}

tw_err tw_pair_receive(tw_pair *pair, tw_bytes encoded, uint64_t now_ms, tw_buf *reply, tw_pair_event *event) {
  tw_pair_message message;
  TW_TRY(tw_pair_message_decode(encoded, &message));
  const tw_pair_step step = tw_pair_machine_step(pair->state, (tw_pair_input)message.type);
  tw_pair_event happened = {0};
  TW_TRY(act(pair, step.action, &message, now_ms, reply, &happened));
  pair->state = step.next;
  happened.epoch = tw_group_epoch(pair->group);
  *event = happened;
  return TW_OK;
}

void tw_pair_confirm(tw_pair *pair) { pair->state = tw_pair_machine_step(pair->state, TW_PAIR_IN_CONFIRM).next; }

static tw_err make_update(tw_pair *pair, uint64_t now_ms, tw_buf *message) {
  const tw_commit_options options = {.without_collected = true, .plaintext = true};
  tw_commit_result result = {0};
  tw_err err = tw_group_commit(pair->group, &options, now_ms / 1000, &result);
  if (err == TW_OK) {
    const tw_pair_message update = {.type = TW_PAIR_CONNECTION_UPDATE, .mls = tw_buf_bytes(&result.commit)};
    err = tw_pair_message_encode(&update, message);
  }
  if (err == TW_OK) {
    pair->pending = result.next;
    result.next = NULL;
    pair->pending_commit = result.commit;
    result.commit = (tw_buf){0};
    pair->pending_since_ms = now_ms;
  }
  tw_commit_result_clear(&result);
  return err;
}

tw_err tw_pair_update(tw_pair *pair, uint64_t now_ms, tw_buf *message) {
  const tw_pair_input input = pair->role == TW_PAIR_INITIATOR ? TW_PAIR_IN_UPDATE_AS_INITIATOR
                                                              : TW_PAIR_IN_UPDATE_AS_RESPONDER;
  const tw_pair_step step = tw_pair_machine_step(pair->state, input);
  if (step.action == TW_PAIR_DO_REFUSE_PENDING) return TW_ERR_PENDING;
  if (step.action != TW_PAIR_DO_UPDATE) return TW_ERR_STATE;
  TW_TRY(make_update(pair, now_ms, message));
  pair->state = step.next;
  return TW_OK;
}

void tw_pair_take_back(tw_pair *pair) {
  const tw_pair_step step = tw_pair_machine_step(pair->state, TW_PAIR_IN_TAKE_BACK);
  if (step.action == TW_PAIR_DO_DROP) drop_pending(pair);
  pair->state = step.next;
}
