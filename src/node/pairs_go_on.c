/* How a pair goes on: updates, resumptions, and what is due when. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/pairs_internal.h"

/* ---- what the parts of pairs share ---- */

tw_err tw_pairs_keep(tw_pairs_peer *peer, const uint8_t ref[TW_MAIL_REF], tw_bytes request, tw_bytes body) {
  if (peer->unsent_count == TW_PAIRS_UNSENT_MAX) return TW_ERR_LIMIT;
  tw_mail mail = {.kind = request.len == TW_PAIR_NONCE ? TW_MAIL_PAIR_ANSWER : TW_MAIL_PAIR, .body = body};
  memcpy(mail.ref, ref, TW_MAIL_REF);
  if (mail.kind == TW_MAIL_PAIR_ANSWER) memcpy(mail.request, request.ptr, TW_PAIR_NONCE);
  tw_buf encoded = {0};
  tw_err err = tw_mail_encode(&mail, &encoded);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(&peer->unsent);
    tw_write_vector(&w, tw_buf_bytes(&encoded));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&encoded);
  if (err == TW_OK) peer->unsent_count++;
  return err;
}

tw_err tw_pairs_save(const tw_pairs *pairs, const tw_pairs_peer *peer, const tw_store_change *more, size_t count) {
  tw_store_change changes[4];
  tw_buf value = {0};
  if (count + 1 > sizeof changes / sizeof changes[0]) return TW_ERR_ARGUMENT;
  for (size_t i = 0; i < count; i++) changes[i] = more[i];
  tw_err err = tw_pair_record_encode(peer, &value);
  if (err == TW_OK) {
    changes[count] = (tw_store_change){
        .kind = TW_STORE_SESSION, .id = tw_group_id(tw_pair_group(peer->pair)), .value = tw_buf_bytes(&value)};
    err = pairs->config.port->save(pairs->config.port->ctx, changes, count + 1);
  }
  tw_buf_clear(&value);
  return err;
}

tw_err tw_pairs_take_keys(const tw_pairs *pairs, tw_pairs_peer *peer) {
  const tw_node_keys *keys = pairs->config.keys;
  return keys->receive(keys->ctx, peer->number, tw_pair_traffic_group(peer->pair), tw_buf_bytes(&peer->context),
                       &peer->stamp);
}

tw_err tw_pairs_send_under(const tw_pairs *pairs, const tw_pairs_peer *peer, bool nudge) {
  const tw_node_keys *keys = pairs->config.keys;
  return keys->send(keys->ctx, peer->number, tw_pair_traffic_group(peer->pair), tw_buf_bytes(&peer->context),
                    TW_NO_BYTES, nudge);
}

tw_pair_status tw_pairs_status_of(const tw_pairs_peer *peer) {
  tw_pair_status status;
  tw_pair_get_status(peer->pair, &status);
  return status;
}

/* Up to an eighth earlier, by a byte that the two sides do not share. */
static uint64_t rekey_time(const tw_pairs *pairs, const tw_pairs_peer *peer, const tw_pair_status *status) {
  const uint64_t after = pairs->config.rekey_after_ms;
  if (after == 0 || status->state != TW_PAIR_STEADY) return UINT64_MAX;
  const tw_bytes hash = tw_group_confirmed_transcript_hash(tw_pair_group(peer->pair));
  const uint8_t dice = hash.len < 2 ? 0 : hash.ptr[status->role == TW_PAIR_INITIATOR ? 0 : 1];
  const uint64_t at_ms = status->own_leaf_since_ms + after - after / 8 * dice / 256;
  return at_ms > peer->yields_until_ms ? at_ms : peer->yields_until_ms;
}

/*
 * Whoever wins ties (D3) and is due again when its update has been answered would win them all, where that takes as
 * long as keys are to last: so the other side has half of that time for its own.
 */
static void take_turns(const tw_pairs *pairs, tw_pairs_peer *peer, const tw_pair_event *event, uint64_t now_ms) {
  const tw_pair_status status = tw_pairs_status_of(peer);
  if (event->outcome == TW_PAIR_PEER_UPDATED) peer->yields_until_ms = 0;
  if (event->outcome != TW_PAIR_OWN_UPDATED || status.role != TW_PAIR_INITIATOR) return;
  const uint64_t took_ms = now_ms > status.own_leaf_since_ms ? now_ms - status.own_leaf_since_ms : 0;
  const uint64_t most_ms = pairs->config.repeat_ms;
  peer->yields_until_ms = now_ms + (took_ms / 2 < most_ms ? took_ms / 2 : most_ms);
}

/*
 * Two that have both answered wait for each other. Did they ask at the same time, each would answer again, and take the
 * other's answer no more than before: so one of them lets the other go first.
 */
static uint64_t patience(const tw_pair_status *status, uint64_t repeat_ms) {
  const bool lets_go_first = status->state == TW_PAIR_ANSWERED && status->role == TW_PAIR_RESPONDER;
  return lets_go_first ? repeat_ms + repeat_ms / 2 : repeat_ms;
}

void tw_pairs_schedule(const tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  const tw_pair_status status = tw_pairs_status_of(peer);
  peer->rekey_at_ms = rekey_time(pairs, peer, &status);
  const bool waits = status.state != TW_PAIR_STEADY;
  if (!waits) {
    peer->repeat_at_ms = UINT64_MAX;
    peer->repeat_ms = 0;
    peer->repeats = 0;
    return;
  }
  if (peer->repeat_ms == 0) {
    /* A peer that is away cannot confirm anything, and each new beginning costs it a client_hello. */
    peer->repeat_ms = pairs->config.repeat_ms * (status.state == TW_PAIR_UNCONFIRMED ? 6 : 1);
  }
  peer->repeat_at_ms = now_ms + patience(&status, peer->repeat_ms);
}

void tw_pairs_hurry(const tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->reverting) return; /* it waits for the disk, whatever its state says */
  if (peer->repeat_at_ms == UINT64_MAX || tw_pairs_status_of(peer).state == TW_PAIR_UNCONFIRMED) return;
  peer->repeat_ms = 0;
  tw_pairs_schedule(pairs, peer, now_ms);
}

/* What is waiting for the relay is of no use any more. */
static void drop_unsent(tw_pairs_peer *peer) {
  tw_buf_consume(&peer->unsent, peer->unsent.len);
  peer->unsent_count = 0;
  peer->in_flight = false;
}

static const uint8_t *ref_of(const tw_pairs_peer *peer) {
  const tw_bytes id = tw_group_id(tw_pair_group(peer->pair));
  return id.ptr + id.len - TW_MAIL_REF;
}

static void withdraw_next(const tw_pairs *pairs, tw_pairs_peer *peer) {
  const tw_node_keys *keys = pairs->config.keys;
  if (peer->next_stamp != 0) keys->withdraw(keys->ctx, peer->number, peer->next_stamp);
  peer->next_stamp = 0;
}

/* ---- messages ---- */

static tw_err note_context(tw_pairs_peer *peer) { return tw_buf_assign(&peer->context, tw_pair_context(peer->pair)); }

/* After the peer's message has been saved: the keys that it brings. */
static tw_err put_to_use(tw_pairs *pairs, tw_pairs_peer *peer, const tw_pair_event *event) {
  const tw_node_keys *keys = pairs->config.keys;
  if (event->own_dropped) withdraw_next(pairs, peer);
  switch (event->outcome) {
  case TW_PAIR_PEER_UPDATED: TW_TRY(tw_pairs_take_keys(pairs, peer)); return tw_pairs_send_under(pairs, peer, false);
  case TW_PAIR_OWN_UPDATED:
    peer->next_stamp = 0;
    TW_TRY(tw_pairs_take_keys(pairs, peer));
    keys->settle(keys->ctx, peer->number, peer->stamp);
    return tw_pairs_send_under(pairs, peer, true);
  case TW_PAIR_RESUMED:
    peer->next_stamp = 0;
    peer->send_later = false;
    TW_TRY(tw_pairs_take_keys(pairs, peer));
    return tw_pairs_send_under(pairs, peer, true);
  case TW_PAIR_ASKED: peer->send_later = true; return tw_pairs_take_keys(pairs, peer);
  default: return TW_OK;
  }
}

static tw_err keep_reply(tw_pairs_peer *peer, const tw_pair_event *event, tw_bytes reply) {
  const bool anew = event->own_dropped || event->outcome == TW_PAIR_ASKED || event->outcome == TW_PAIR_RESUMED ||
                    event->outcome == TW_PAIR_CROSSED;
  if (anew) drop_unsent(peer); /* a resumption says all that there is to say */
  if (reply.len == 0) return TW_OK;
  const bool answers = event->outcome == TW_PAIR_ASKED;
  return tw_pairs_keep(peer, ref_of(peer), answers ? tw_pair_early_context(peer->pair) : TW_NO_BYTES, reply);
}

/*
 * The pair could not be saved, and nothing of its new state was released: back to what the disk has. Whoever waits for
 * what was not sent asks again.
 */
static void revert(tw_pairs *pairs, tw_pairs_peer *peer, tw_err why, uint64_t now_ms) {
  tw_pairs_tell(pairs, peer->number, "its pair could not be saved", why);
  peer->reverting = true;
  const tw_node_port *port = pairs->config.port;
  tw_client_id id;
  tw_pair *pair = NULL;
  tw_buf value = {0};
  tw_buf context = {0};
  tw_buf unsent = {0};
  bool found;
  tw_err err = port->load(port->ctx, TW_STORE_SESSION, tw_group_id(tw_pair_group(peer->pair)), &value, &found);
  if (err == TW_OK && !found) err = TW_ERR_STATE;
  if (err == TW_OK) err = tw_pair_record_decode(&pairs->pair, tw_buf_bytes(&value), &id, &pair, &context, &unsent);
  tw_buf_clear(&value);
  if (err != TW_OK) { /* once more, before anything else happens to it */
    tw_buf_clear(&context);
    tw_buf_clear(&unsent);
    peer->repeat_at_ms = now_ms + TW_PAIRS_TAKE_AGAIN_MS;
    peer->rekey_at_ms = UINT64_MAX;
    return;
  }
  tw_pair_free(peer->pair);
  tw_buf_clear(&peer->context);
  tw_buf_clear(&peer->unsent);
  tw_pairs_put_saved(peer, pair, context, unsent);
  peer->in_flight = false;
  peer->reverting = false;
  tw_pairs_schedule(pairs, peer, now_ms);
  if (peer->repeat_at_ms == UINT64_MAX) peer->rekey_at_ms = now_ms + TW_PAIRS_TAKE_AGAIN_MS;
  tw_pairs_flush(pairs, peer, now_ms); /* what was on its way may not be the first of them */
}

static void has_changed(tw_pairs *pairs, tw_pairs_peer *peer, const tw_pair_event *event, tw_bytes reply,
                        uint64_t now_ms) {
  const bool resumes = event->outcome == TW_PAIR_ASKED || event->outcome == TW_PAIR_RESUMED;
  tw_err err = resumes ? note_context(peer) : TW_OK;
  if (err == TW_OK) err = keep_reply(peer, event, reply);
  if (err == TW_OK) err = tw_pairs_save(pairs, peer, NULL, 0);
  if (err != TW_OK) {
    revert(pairs, peer, err, now_ms);
    return;
  }
  err = put_to_use(pairs, peer, event);
  if (err != TW_OK) tw_pairs_tell(pairs, peer->number, "its new keys could not be put to use", err);
  take_turns(pairs, peer, event, now_ms);
  tw_pairs_schedule(pairs, peer, now_ms);
  tw_pairs_flush(pairs, peer, now_ms);
}

/* The peer speaks of a pair that we have not: it goes on with one that was given up here, or ours was lost. */
static void stranger(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->pair != NULL && now_ms < tw_pairs_stays_until(peer)) return;
  if (peer->pair != NULL && peer->repeats == 0) peer->repeats = 1; /* let it be replaced */
  tw_pairs_take(pairs, peer, now_ms);
}

/*
 * Mail is not in order with packets: the peer may have our answer, and have renewed its leaf, before we have heard it
 * under the keys that it has since then, as we have to (D13). Without the update both would wait for each other.
 */
static bool is_early(const tw_pairs_peer *peer, tw_bytes body, tw_err err) {
  tw_pair_message_type type;
  const tw_pair_state state = tw_pairs_status_of(peer).state;
  return err == TW_ERR_UNEXPECTED && (state == TW_PAIR_ANSWERED || state == TW_PAIR_UNCONFIRMED) &&
         tw_pair_message_peek(body, &type) == TW_OK && type == TW_PAIR_CONNECTION_UPDATE;
}

/* The last one, in memory: whoever has sent it asks again if it is lost. */
static void keep_early(tw_pairs_peer *peer, tw_bytes body) {
  if (tw_buf_assign(&peer->early, body) != TW_OK) tw_buf_clear(&peer->early);
}

static void take_early(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  tw_buf body = peer->early;
  peer->early = (tw_buf){0};
  if (body.len > 0) {
    tw_mail mail = {.kind = TW_MAIL_PAIR, .body = tw_buf_bytes(&body)};
    memcpy(mail.ref, ref_of(peer), TW_MAIL_REF);
    tw_pairs_receive(pairs, peer, &mail, now_ms);
  }
  tw_buf_clear(&body);
}

/*
 * Mail may take longer than we wait, so that several requests of ours are on their way. Both sides have the same keys
 * only by the answer to the last one: the nonces of both are in these. Whoever was started again knows of none, and
 * asks anew.
 */
static bool answers_another(const tw_pairs_peer *peer, const tw_mail *mail) {
  tw_pair_message_type type;
  if (tw_pair_message_peek(mail->body, &type) != TW_OK) return false;
  if (mail->kind != TW_MAIL_PAIR_ANSWER) return type == TW_PAIR_RESUMPTION_RESPONSE;
  return !tw_bytes_equal(tw_pair_early_context(peer->pair), TW_ARRAY(mail->request));
}

void tw_pairs_receive(tw_pairs *pairs, tw_pairs_peer *peer, const tw_mail *mail, uint64_t now_ms) {
  if (peer->pair == NULL || memcmp(ref_of(peer), mail->ref, TW_MAIL_REF) != 0) {
    stranger(pairs, peer, now_ms);
    return;
  }
  if (peer->reverting) return; /* its sender asks again */
  if (answers_another(peer, mail)) return;
  tw_buf reply = {0};
  tw_pair_event event;
  const tw_err err = tw_pair_receive(peer->pair, mail->body, now_ms, &reply, &event);
  if (err == TW_OK) {
    has_changed(pairs, peer, &event, tw_buf_bytes(&reply), now_ms);
  } else if (err == TW_ERR_APART) {
    tw_pairs_tell(pairs, peer->number, "its epoch is not ours: a new pair is begun", err);
    stranger(pairs, peer, now_ms);
  } else if (is_early(peer, mail->body, err)) {
    keep_early(peer, mail->body);
  } else {
    const tw_err_class what = tw_err_class_of(err);
    if (what != TW_CLASS_STALE && what != TW_CLASS_DUPLICATE && err != TW_ERR_UNEXPECTED)
      tw_pairs_tell(pairs, peer->number, "a message of its is ignored", err);
  }
  tw_buf_clear(&reply);
}

void tw_pairs_mail(tw_pairs *pairs, const tw_client_id *from, tw_bytes message, uint64_t now_ms) {
  tw_pairs_peer *peer = tw_pairs_find_id(pairs, from);
  tw_mail mail;
  tw_pair_message_type type;
  if (peer == NULL) return;
  tw_err err = tw_mail_decode(message, &mail);
  if (err == TW_OK && !tw_mail_is_of_pair(&mail)) err = TW_ERR_UNEXPECTED;
  if (err == TW_OK) err = tw_pair_message_peek(mail.body, &type);
  if (err != TW_OK) {
    tw_pairs_tell(pairs, peer->number, "a message of its is ignored", err);
  } else if (type == TW_PAIR_SERVER_HELLO) {
    tw_pairs_join(pairs, peer, &mail, now_ms);
  } else {
    tw_pairs_receive(pairs, peer, &mail, now_ms);
  }
}

/*
 * We have taken the peer's pair in place of one that it had not confirmed, and now it has: it got our answer after its
 * own was on its way, and has given up the pair that we are in. A third one is both sides'.
 */
static void crossed_late(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  peer->given_up = 0;
  if (peer->repeats == 0) peer->repeats = 1; /* let ours be replaced */
  tw_pairs_take(pairs, peer, now_ms);
}

void tw_pairs_opened(tw_pairs *pairs, uint32_t number, uint64_t stamp, uint64_t now_ms) {
  const tw_node_keys *keys = pairs->config.keys;
  tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer == NULL || peer->pair == NULL || peer->reverting) return;
  if (peer->given_up != 0 && stamp == peer->given_up) crossed_late(pairs, peer, now_ms);
  if (stamp != peer->stamp) return;
  const bool confirmed = tw_pair_confirm(peer->pair);
  if (confirmed) {
    peer->confirmed_ms = now_ms;
    const tw_err err = tw_pairs_save(pairs, peer, NULL, 0);
    if (err != TW_OK) {
      revert(pairs, peer, err, now_ms);
      return;
    }
    tw_pairs_schedule(pairs, peer, now_ms);
  }
  /* Who has answered and has asked itself since then has no keys that the peer knows before it is answered. */
  if (peer->send_later && tw_pairs_status_of(peer).state == TW_PAIR_ASKING) return;
  keys->settle(keys->ctx, number, stamp);
  if (peer->send_later) peer->send_later = tw_pairs_send_under(pairs, peer, true) != TW_OK;
  if (confirmed) take_early(pairs, peer, now_ms);
}

/* ---- what we begin ---- */

static tw_err take_next_keys(const tw_pairs *pairs, tw_pairs_peer *peer) {
  const tw_node_keys *keys = pairs->config.keys;
  return keys->receive(keys->ctx, peer->number, tw_pair_next_group(peer->pair), tw_buf_bytes(&peer->context),
                       &peer->next_stamp);
}

static tw_err update(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  tw_buf message = {0};
  tw_err err = tw_pair_update(peer->pair, now_ms, &message);
  if (err == TW_OK) {
    err = tw_pairs_keep(peer, ref_of(peer), TW_NO_BYTES, tw_buf_bytes(&message));
    if (err == TW_OK) err = tw_pairs_save(pairs, peer, NULL, 0);
    /* The peer may send under the new keys before its epoch_key_update is here. */
    if (err == TW_OK) err = take_next_keys(pairs, peer);
  }
  tw_buf_clear(&message);
  return err;
}

void tw_pairs_update(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->reverting || tw_pairs_status_of(peer).state != TW_PAIR_STEADY) {
    peer->rekey_at_ms = UINT64_MAX;
    return;
  }
  const tw_err err = update(pairs, peer, now_ms);
  if (err != TW_OK) {
    revert(pairs, peer, err, now_ms);
    return;
  }
  tw_pairs_schedule(pairs, peer, now_ms);
  tw_pairs_flush(pairs, peer, now_ms);
}

static tw_err ask_again(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  tw_buf message = {0};
  tw_err err = tw_pair_resume(peer->pair, now_ms, &message);
  if (err == TW_OK) {
    drop_unsent(peer);
    err = tw_pairs_keep(peer, ref_of(peer), TW_NO_BYTES, tw_buf_bytes(&message));
  }
  if (err == TW_OK) err = tw_pairs_save(pairs, peer, NULL, 0);
  tw_buf_clear(&message);
  return err;
}

void tw_pairs_repeat(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->reverting) {
    revert(pairs, peer, TW_ERR_STATE, now_ms);
    return;
  }
  peer->repeats++;
  if (peer->repeat_ms < TW_PAIRS_REPEAT_MAX_MS / 2) peer->repeat_ms *= 2;
  peer->repeat_at_ms = now_ms + peer->repeat_ms;
  if (peer->unsent_count > 0 && peer->in_flight) return; /* the relay has not even got the last one */
  if (tw_pairs_status_of(peer).state == TW_PAIR_UNCONFIRMED || peer->repeats > TW_PAIRS_REPEATS) {
    tw_pairs_take(pairs, peer, now_ms);
    return;
  }
  const tw_err err = ask_again(pairs, peer, now_ms);
  if (err != TW_OK) {
    revert(pairs, peer, err, now_ms);
    return;
  }
  tw_pairs_schedule(pairs, peer, now_ms);
  tw_pairs_flush(pairs, peer, now_ms);
}

/* ---- the start ---- */

static tw_err load_pair(tw_pairs *pairs, tw_bytes value, uint64_t now_ms) {
  tw_client_id id;
  tw_pair *pair = NULL;
  tw_buf context = {0};
  tw_buf unsent = {0};
  tw_err err = tw_pair_record_decode(&pairs->pair, value, &id, &pair, &context, &unsent);
  tw_pairs_peer *peer = err == TW_OK ? tw_pairs_find_id(pairs, &id) : NULL;
  if (err == TW_OK && (peer == NULL || peer->pair != NULL)) err = TW_ERR_STATE;
  if (err != TW_OK) {
    tw_pair_free(pair);
    tw_buf_clear(&context);
    tw_buf_clear(&unsent);
    return err;
  }
  tw_pairs_put_saved(peer, pair, context, unsent);
  const tw_pair_status status = tw_pairs_status_of(peer);
  TW_TRY(tw_pairs_take_keys(pairs, peer));
  /* Behind them: a stamp says which keys are the newer ones. */
  if (tw_pair_next_group(pair) != NULL) TW_TRY(take_next_keys(pairs, peer));
  peer->send_later = status.state == TW_PAIR_ANSWERED;
  tw_pairs_schedule(pairs, peer, now_ms);
  return peer->send_later ? TW_OK : tw_pairs_send_under(pairs, peer, false);
}

tw_err tw_pairs_load(tw_pairs *pairs, tw_store_kind kind, tw_bytes id, tw_bytes value, uint64_t now_ms, bool *ours) {
  *ours = kind == TW_STORE_SESSION || (kind == TW_STORE_KEY_PACKAGE && tw_stock_is_id(&pairs->hellos, id));
  if (!*ours) return TW_OK;
  return kind == TW_STORE_SESSION ? load_pair(pairs, value, now_ms) : tw_stock_load(&pairs->hellos, id, value);
}
