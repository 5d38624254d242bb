/*
 * Resumption: draft-kohbrok-mls-two-party-profile-00, with D5 and D6. SPDX-License-Identifier: Apache-2.0
 *
 * Each side has at most one commit that the other is not known to have, the pending one, and a request carries it. Its
 * receiver either stands where that commit begins and applies it; or has applied it before and recognises it by its
 * hash; or has one pending itself, which the request is built on or ties with. The response carries one commit more, by
 * the receiver, pending until the asking side shows that it has it. Nothing that may have been adopted by the other
 * side is ever made anew: that is why a repeated request gets the same response.
 */
#include "pair/resumption.h"

#include <string.h>

#include "pair/mail_tag.h"
#include "pair/pair_internal.h"

/* ---- the connection's context ---- */

static void begin_context(tw_pair *pair, const uint8_t nonce[TW_PAIR_NONCE], bool crossed) {
  memcpy(pair->context, nonce, TW_PAIR_NONCE);
  pair->context_len = TW_PAIR_NONCE;
  pair->crossed = crossed && !pair->by_mail;
}

enum { EARLY_DATA = 1, CROSSED = 2 };

/*
 * A pair that was loaded meanwhile has no connection, and gets no context before it asks anew. Whether the request
 * crossed another one each side knows by itself: without it somebody could join two connections that the two sides have
 * opened, and both would take the client's key.
 */
static void complete_context(tw_pair *pair, bool early_data, const uint8_t nonce[TW_PAIR_NONCE]) {
  if (pair->context_len == 0) return;
  pair->context[TW_PAIR_NONCE] = (uint8_t)((early_data ? EARLY_DATA : 0) | (pair->crossed ? CROSSED : 0));
  memcpy(pair->context + TW_PAIR_NONCE + 1, nonce, TW_PAIR_NONCE);
  pair->context_len = TW_PAIR_CONTEXT_MAX;
}

tw_bytes tw_pair_context(const tw_pair *pair) { return TW_BYTES(pair->context, pair->context_len); }

tw_bytes tw_pair_early_context(const tw_pair *pair) {
  return TW_BYTES(pair->context, pair->context_len < TW_PAIR_NONCE ? pair->context_len : TW_PAIR_NONCE);
}

/* Whether we have asked on this connection and are not answered yet. */
static bool is_asking_here(const tw_pair *pair) {
  return pair->state == TW_PAIR_ASKING && pair->context_len == TW_PAIR_NONCE;
}

void tw_pair_disconnect(tw_pair *pair) {
  pair->context_len = 0;
  pair->crossed = false;
}

tw_group *tw_pair_traffic_group(const tw_pair *pair) {
  return pair->state == TW_PAIR_ANSWERED ? pair->pending : pair->group;
}

tw_group *tw_pair_early_group(const tw_pair *pair) {
  if (pair->state == TW_PAIR_ASKING) return pair->pending;
  return pair->state == TW_PAIR_ANSWERED ? pair->group : NULL;
}

/* ---- asking ---- */

/* `next`: where the commit leads to. */
static tw_err encode_request(const tw_pair *pair, const tw_group *next, tw_bytes commit,
                             const uint8_t nonce[TW_PAIR_NONCE], tw_buf *message) {
  const size_t start = message->len;
  const tw_pair_message request = {
      .type = TW_PAIR_RESUMPTION_REQUEST, .nonce = TW_BYTES(nonce, TW_PAIR_NONCE), .mls = commit};
  TW_TRY(tw_pair_message_encode(&request, message));
  return tw_pair_tag_add(pair, next, TW_NO_BYTES, start, message);
}

tw_err tw_pair_resume(tw_pair *pair, uint64_t now_ms, tw_buf *message) {
  const tw_pair_step step = tw_pair_machine_step(pair->state, TW_PAIR_IN_RESUME);
  if (step.action == TW_PAIR_DO_REFUSE_STATE) return TW_ERR_STATE;
  uint8_t nonce[TW_PAIR_NONCE];
  TW_TRY(tw_random(tw_pair_env(pair), nonce, sizeof nonce)); /* before the commit, which uses up a message key */
  if (step.action == TW_PAIR_DO_ASK) {
    tw_pair_commit made = {0};
    TW_TRY(tw_pair_commit_make(pair->group, now_ms, &made));
    const tw_err err = encode_request(pair, made.next, tw_buf_bytes(&made.message), nonce, message);
    if (err == TW_OK) tw_pair_commit_keep(pair, &made, now_ms);
    tw_pair_commit_clear(&made);
    TW_TRY(err);
  } else {
    TW_TRY(encode_request(pair, pair->pending, tw_buf_bytes(&pair->pending_commit), nonce, message));
    pair->tie_met = false; /* that was on a connection which is gone */
  }
  begin_context(pair, nonce, false);
  tw_pair_machine_move(&pair->state, TW_PAIR_IN_RESUME);
  return TW_OK;
}

tw_err tw_pair_do_response(tw_pair *pair, const tw_pair_message *response, uint64_t now_ms, tw_pair_event *event) {
  uint8_t hash[TW_HASH_MAX];
  tw_group *next = NULL;
  TW_TRY(tw_pair_tag_check(pair, pair->pending, tw_pair_early_context(pair), response));
  TW_TRY(tw_pair_commit_hash(pair, response->mls, hash));
  TW_TRY(tw_pair_commit_open(pair, pair->pending, response->mls, now_ms, &next));
  tw_pair_adopt_pending(pair);
  tw_pair_adopt_applied(pair, next, hash, true, now_ms);
  complete_context(pair, response->early_data, response->nonce.ptr);
  pair->resumptions++;
  *event = (tw_pair_event){.outcome = TW_PAIR_RESUMED, .early_data = response->early_data, .changed = true};
  return TW_OK;
}

/* ---- answering ---- */

tw_err tw_pair_request_group(const tw_env *env, tw_bytes message, tw_bytes *group_id) {
  tw_pair_message request;
  uint64_t epoch;
  TW_TRY(tw_pair_message_decode(message, &request));
  if (request.type != TW_PAIR_RESUMPTION_REQUEST) return TW_ERR_UNEXPECTED;
  return tw_pair_commit_peek(env, request.mls, group_id, &epoch);
}

static bool is_applied(const tw_pair *pair, const uint8_t hash[TW_HASH_MAX]) {
  return pair->applied_len > 0 && memcmp(pair->applied, hash, pair->applied_len) == 0;
}

tw_err tw_pair_request_input(const tw_pair *pair, const tw_pair_message *request, tw_pair_input *input) {
  tw_bytes group_id;
  uint64_t epoch;
  uint8_t hash[TW_HASH_MAX];
  *input = TW_PAIR_IN_RESUMPTION_REQUEST;
  TW_TRY(tw_pair_commit_peek(tw_pair_env(pair), request->mls, &group_id, &epoch));
  if (pair->group == NULL) return TW_OK;
  if (!tw_bytes_equal(group_id, tw_group_id(pair->group))) return TW_ERR_WRONG_GROUP;
  TW_TRY(tw_pair_commit_hash(pair, request->mls, hash));
  const uint64_t ours = tw_group_epoch(pair->group);
  if (is_applied(pair, hash)) {
    *input = TW_PAIR_IN_REQUEST_REPEATED;
  } else if (epoch == ours) {
    *input = pair->role == TW_PAIR_INITIATOR ? TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR
                                             : TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER;
  } else if (epoch == ours + 1 && pair->pending != NULL) {
    *input = TW_PAIR_IN_REQUEST_AHEAD;
  }
  return TW_OK;
}

/* What an answer is made of before anything is changed. */
typedef struct answer {
  tw_group *applied;   /* the epoch that the request's commit leads to; NULL: the pair's, it was applied before */
  tw_pair_commit made; /* our commit; empty: the pending one */
  uint8_t hash[TW_HASH_MAX];
  uint8_t nonce[TW_PAIR_NONCE];
  bool early_data;
} prepared;

/*
 * Each request has a nonce of its own. Were one answered twice, somebody could have its early data taken here, and hand
 * the other answer, which says that they were not, to the asking side: it would send them once more. By mail a request
 * that is repeated by whoever has seen it would bring new keys each time, and never those that the asking side has.
 */
static bool was_answered(const tw_pair *pair, tw_bytes nonce) {
  for (uint32_t i = 0; i < pair->answered_count && i < TW_PAIR_NONCES; i++) {
    if (memcmp(pair->answered[i], nonce.ptr, TW_PAIR_NONCE) == 0) return true;
  }
  return pair->by_request && memcmp(pair->request_nonce, nonce.ptr, TW_PAIR_NONCE) == 0;
}

static void remember_answered(tw_pair *pair, const uint8_t nonce[TW_PAIR_NONCE]) {
  if (pair->by_mail) memcpy(pair->answered[pair->answered_count++ % TW_PAIR_NONCES], nonce, TW_PAIR_NONCE);
}

static tw_err prepare(tw_pair *pair, tw_pair_action action, const tw_pair_message *request, uint64_t now_ms,
                      prepared *out) {
  if (action == TW_PAIR_DO_ANSWER) {
    if (was_answered(pair, request->nonce)) return TW_ERR_DUPLICATE;
    TW_TRY(tw_pair_tag_check(pair, pair->group, TW_NO_BYTES, request));
  }
  TW_TRY(tw_pair_commit_hash(pair, request->mls, out->hash));
  TW_TRY(tw_random(tw_pair_env(pair), out->nonce, sizeof out->nonce));
  if (action == TW_PAIR_DO_ANSWER) {
    return pair->pending != NULL ? TW_OK : tw_pair_commit_make(pair->group, now_ms, &out->made);
  }
  tw_group *from = action == TW_PAIR_DO_MERGE_ANSWER ? pair->pending : pair->group;
  TW_TRY(tw_pair_commit_take(pair, from, request, now_ms, &out->applied));
  out->early_data = true;
  return tw_pair_commit_make(out->applied, now_ms, &out->made);
}

static tw_err encode_response(const tw_pair *pair, const prepared *answer, tw_bytes request, tw_buf *reply) {
  const size_t start = reply->len;
  const tw_group *asked = answer->applied != NULL ? answer->applied : pair->group; /* where the request leads to */
  const tw_buf *commit = answer->made.next != NULL ? &answer->made.message : &pair->pending_commit;
  const tw_pair_message response = {.type = TW_PAIR_RESUMPTION_RESPONSE,
                                    .nonce = TW_ARRAY(answer->nonce),
                                    .early_data = answer->early_data,
                                    .mls = tw_buf_bytes(commit)};
  TW_TRY(tw_pair_message_encode(&response, reply));
  return tw_pair_tag_add(pair, asked, request, start, reply);
}

static void settle(tw_pair *pair, tw_pair_action action, prepared *answer, const uint8_t nonce[TW_PAIR_NONCE],
                   uint64_t now_ms, tw_pair_event *event) {
  event->outcome = TW_PAIR_ASKED;
  event->early_data = answer->early_data;
  event->fresh = answer->applied != NULL || !pair->applied_in_sight;
  event->changed = answer->made.next != NULL || pair->state != TW_PAIR_ANSWERED;
  event->own_dropped = action == TW_PAIR_DO_YIELD_ANSWER;
  if (action == TW_PAIR_DO_YIELD_ANSWER) pair->ties++;
  if (action == TW_PAIR_DO_MERGE_ANSWER) tw_pair_adopt_pending(pair);
  if (answer->applied != NULL) {
    tw_pair_drop_pending(pair);
    tw_pair_adopt_applied(pair, answer->applied, answer->hash, true, now_ms);
    answer->applied = NULL;
    pair->by_request = true;
    memcpy(pair->request_nonce, nonce, TW_PAIR_NONCE);
  }
  pair->applied_in_sight = true;
  pair->tie_met = false; /* on another connection */
  if (answer->made.next != NULL) tw_pair_commit_keep(pair, &answer->made, now_ms);
  if (event->changed) pair->resumptions++;
}

static tw_err do_answer(tw_pair *pair, tw_pair_action action, const tw_pair_message *request, uint64_t now_ms,
                        tw_buf *reply, tw_pair_event *event) {
  prepared answer = {0};
  const bool crossed = is_asking_here(pair);
  tw_err err = prepare(pair, action, request, now_ms, &answer);
  if (err == TW_OK) err = encode_response(pair, &answer, request->nonce, reply);
  if (err == TW_OK) {
    settle(pair, action, &answer, request->nonce.ptr, now_ms, event);
    remember_answered(pair, request->nonce.ptr);
    begin_context(pair, request->nonce.ptr, crossed);
    complete_context(pair, answer.early_data, answer.nonce);
  }
  tw_group_free(answer.applied);
  tw_pair_commit_clear(&answer.made);
  return err;
}

static tw_err do_cross(tw_pair *pair, const tw_pair_message *request, uint64_t now_ms, tw_buf *reply,
                       tw_pair_event *event) {
  uint8_t nonce[TW_PAIR_NONCE];
  if (pair->by_mail && was_answered(pair, request->nonce)) return TW_ERR_DUPLICATE;
  TW_TRY(tw_pair_commit_check(pair, request, now_ms));
  TW_TRY(tw_random(tw_pair_env(pair), nonce, sizeof nonce));
  TW_TRY(encode_request(pair, pair->pending, tw_buf_bytes(&pair->pending_commit), nonce, reply));
  remember_answered(pair, request->nonce.ptr);
  begin_context(pair, nonce, true);
  pair->tie_met = false;
  pair->ties++;
  event->outcome = TW_PAIR_CROSSED;
  return TW_OK;
}

tw_err tw_pair_do_request(tw_pair *pair, tw_pair_action action, const tw_pair_message *request, uint64_t now_ms,
                          tw_buf *reply, tw_pair_event *event) {
  if (action == TW_PAIR_DO_CROSS) return do_cross(pair, request, now_ms, reply, event);
  return do_answer(pair, action, request, now_ms, reply, event);
}
