/* Continuous key agreement: draft-kohbrok-mls-two-party-profile-00. SPDX-License-Identifier: Apache-2.0 */
#include "pair/machine.h"
#include "pair/mail_tag.h"
#include "pair/message.h"
#include "pair/pair_hello.h"
#include "pair/pair_internal.h"
#include "pair/resumption.h"

static tw_err do_apply(tw_pair *pair, const tw_pair_message *update, uint64_t now_ms, tw_buf *reply,
                       tw_pair_event *event) {
  uint8_t hash[TW_HASH_MAX];
  tw_group *next = NULL;
  const size_t start = reply->len;
  TW_TRY(tw_pair_commit_hash(pair, update->mls, hash));
  TW_TRY(tw_pair_commit_take(pair, pair->group, update, now_ms, &next));
  const tw_pair_message answer = {.type = TW_PAIR_EPOCH_KEY_UPDATE, .epoch = tw_group_epoch(next)};
  tw_err err = tw_pair_message_encode(&answer, reply);
  if (err == TW_OK) err = tw_pair_tag_add(pair, next, TW_NO_BYTES, start, reply);
  if (err != TW_OK) {
    tw_group_free(next);
    return err;
  }
  event->outcome = TW_PAIR_PEER_UPDATED;
  event->changed = true;
  event->own_dropped = pair->pending != NULL;
  if (event->own_dropped) pair->ties++;
  tw_pair_drop_pending(pair);
  tw_pair_adopt_applied(pair, next, hash, false, now_ms);
  return TW_OK;
}

/* The profile says to ignore it; what could not have lost a tie is refused still. */
static tw_err do_ignore_tie(tw_pair *pair, const tw_pair_message *update, uint64_t now_ms, tw_pair_event *event) {
  tw_bytes group_id;
  uint64_t epoch;
  TW_TRY(tw_pair_commit_peek(tw_pair_env(pair), update->mls, &group_id, &epoch));
  if (!tw_bytes_equal(group_id, tw_group_id(pair->group))) return TW_ERR_WRONG_GROUP;
  if (pair->tie_met || epoch != tw_group_epoch(pair->group)) return TW_ERR_UNEXPECTED;
  TW_TRY(tw_pair_commit_check(pair, update, now_ms));
  pair->tie_met = true;
  pair->ties++;
  event->outcome = TW_PAIR_TIE_IGNORED;
  return TW_OK;
}

static tw_err do_adopt(tw_pair *pair, const tw_pair_message *answer, tw_pair_event *event) {
  if (answer->epoch != tw_group_epoch(pair->pending)) return TW_ERR_UNEXPECTED;
  TW_TRY(tw_pair_tag_check(pair, pair->pending, TW_NO_BYTES, answer));
  tw_pair_adopt_pending(pair);
  event->outcome = TW_PAIR_OWN_UPDATED;
  event->changed = true;
  return TW_OK;
}

static tw_err act(tw_pair *pair, tw_pair_action action, const tw_pair_message *message, uint64_t now_ms, tw_buf *reply,
                  tw_pair_event *event) {
  switch (action) {
  case TW_PAIR_DO_JOIN:
    *event = (tw_pair_event){.outcome = TW_PAIR_JOINED, .changed = true};
    return tw_pair_do_join(pair, message->mls, now_ms);
  case TW_PAIR_DO_APPLY:
  case TW_PAIR_DO_YIELD: return do_apply(pair, message, now_ms, reply, event);
  case TW_PAIR_DO_IGNORE_TIE: return do_ignore_tie(pair, message, now_ms, event);
  case TW_PAIR_DO_ADOPT: return do_adopt(pair, message, event);
  case TW_PAIR_DO_ANSWER:
  case TW_PAIR_DO_APPLY_ANSWER:
  case TW_PAIR_DO_YIELD_ANSWER:
  case TW_PAIR_DO_MERGE_ANSWER:
  case TW_PAIR_DO_CROSS: return tw_pair_do_request(pair, action, message, now_ms, reply, event);
  case TW_PAIR_DO_RESUME: return tw_pair_do_response(pair, message, now_ms, event);
  case TW_PAIR_DO_REFUSE_APART: return TW_ERR_APART;
  default: return TW_ERR_UNEXPECTED;
  }
}

tw_err tw_pair_receive(tw_pair *pair, tw_bytes encoded, uint64_t now_ms, tw_buf *reply, tw_pair_event *event) {
  tw_pair_message message;
  tw_bytes tag;
  TW_TRY(tw_pair_tag_split(pair, &encoded, &tag));
  TW_TRY(tw_pair_message_decode(encoded, &message));
  message.tag = tag;
  tw_pair_input input = (tw_pair_input)message.type;
  if (message.type == TW_PAIR_RESUMPTION_REQUEST) TW_TRY(tw_pair_request_input(pair, &message, &input));
  const tw_pair_step step = tw_pair_machine_step(pair->state, input);
  tw_pair_event happened = {0};
  TW_TRY(act(pair, step.action, &message, now_ms, reply, &happened));
  tw_pair_machine_move(&pair->state, input);
  happened.epoch = tw_group_epoch(tw_pair_traffic_group(pair));
  *event = happened;
  return TW_OK;
}

bool tw_pair_confirm(tw_pair *pair) {
  const tw_pair_step step = tw_pair_machine_step(pair->state, TW_PAIR_IN_CONFIRM);
  if (step.action == TW_PAIR_DO_NOTHING) return false;
  if (step.action == TW_PAIR_DO_ADOPT) tw_pair_adopt_pending(pair);
  tw_pair_machine_move(&pair->state, TW_PAIR_IN_CONFIRM);
  return true;
}

static tw_err make_update(tw_pair *pair, uint64_t now_ms, tw_buf *message) {
  tw_pair_commit made = {0};
  TW_TRY(tw_pair_commit_make(pair->group, now_ms, &made));
  const tw_pair_message update = {.type = TW_PAIR_CONNECTION_UPDATE, .mls = tw_buf_bytes(&made.message)};
  const size_t start = message->len;
  tw_err err = tw_pair_message_encode(&update, message);
  if (err == TW_OK) err = tw_pair_tag_add(pair, made.next, TW_NO_BYTES, start, message);
  if (err == TW_OK) tw_pair_commit_keep(pair, &made, now_ms);
  tw_pair_commit_clear(&made);
  return err;
}

tw_err tw_pair_update(tw_pair *pair, uint64_t now_ms, tw_buf *message) {
  const tw_pair_input input = pair->role == TW_PAIR_INITIATOR ? TW_PAIR_IN_UPDATE_AS_INITIATOR
                                                              : TW_PAIR_IN_UPDATE_AS_RESPONDER;
  const tw_pair_step step = tw_pair_machine_step(pair->state, input);
  if (step.action == TW_PAIR_DO_REFUSE_PENDING) return TW_ERR_PENDING;
  if (step.action != TW_PAIR_DO_UPDATE) return TW_ERR_STATE;
  TW_TRY(make_update(pair, now_ms, message));
  tw_pair_machine_move(&pair->state, input);
  return TW_OK;
}

void tw_pair_take_back(tw_pair *pair) {
  const tw_pair_step step = tw_pair_machine_step(pair->state, TW_PAIR_IN_TAKE_BACK);
  if (step.action != TW_PAIR_DO_DROP) return;
  tw_pair_drop_pending(pair);
  tw_pair_machine_move(&pair->state, TW_PAIR_IN_TAKE_BACK);
}
