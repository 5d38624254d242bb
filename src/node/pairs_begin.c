/* How a pair begins: one side answers a client_hello that the other has left at the relay. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/pairs_internal.h"

/* Whose leaf it is, by its signature key: what the relay says about senders is not to be relied on. */
static tw_err identify(const tw_pairs *pairs, const tw_pair *pair, tw_client_id *id) {
  tw_member member;
  if (!tw_pair_peer(pair, &member)) return TW_ERR_STATE;
  return tw_fingerprint_of(pairs->env, tw_group_suite(tw_pair_group(pair)), member.signature_key, id);
}

static bool is_theirs(const tw_pairs *pairs, const tw_pair *pair, const tw_pairs_peer *peer) {
  tw_client_id id;
  return identify(pairs, pair, &id) == TW_OK && memcmp(&id, &peer->id, sizeof id) == 0;
}

/* The members of the pair that was before stay with the caller. */
static void put_pair(tw_pairs_peer *peer, tw_pair *pair, uint64_t now_ms) {
  tw_pair_status status = {0};
  if (peer->pair != NULL) tw_pair_get_status(peer->pair, &status);
  if (status.state != TW_PAIR_UNCONFIRMED) peer->repeat_ms = 0; /* else it goes on doubling */
  peer->pair = pair;
  peer->context = (tw_buf){0};
  peer->unsent = (tw_buf){0};
  peer->unsent_count = 0;
  peer->stamp = 0;
  peer->next_stamp = 0;
  peer->send_later = false;
  peer->made_ms = now_ms;
  peer->repeats = 0;
}

/*
 * `pair` in the place of what the peer had: saved together with `more`, and without the old one. Then its keys are put
 * to use and its message goes out. On error the peer has what it had, and `pair` is freed.
 */
static tw_err begin(tw_pairs *pairs, tw_pairs_peer *peer, tw_pair *pair, const uint8_t *ref, tw_bytes message,
                    const tw_store_change *more, uint64_t now_ms) {
  tw_pairs_peer old = *peer;
  tw_store_change changes[2];
  size_t count = 0;
  put_pair(peer, pair, now_ms);
  if (more != NULL) changes[count++] = *more;
  if (old.pair != NULL) {
    changes[count++] = (tw_store_change){
        .kind = TW_STORE_SESSION, .id = tw_group_id(tw_pair_group(old.pair)), .remove = true};
  }
  tw_err err = tw_buf_append(&peer->context, tw_pair_context(pair));
  if (err == TW_OK && message.len > 0) err = tw_pairs_keep(peer, ref, message);
  if (err == TW_OK) err = tw_pairs_save(pairs, peer, changes, count);
  if (err != TW_OK) {
    tw_buf_clear(&peer->context);
    tw_buf_clear(&peer->unsent);
    tw_pair_free(pair);
    *peer = old;
    return err;
  }
  tw_pair_free(old.pair);
  tw_buf_clear(&old.context);
  tw_buf_clear(&old.unsent);
  peer->in_flight = false;
  err = tw_pairs_take_keys(pairs, peer);
  const bool nudge = message.len == 0; /* the responder has a packet to send */
  if (err == TW_OK) err = tw_pairs_send_under(pairs, peer, nudge);
  tw_pairs_schedule(pairs, peer, now_ms);
  tw_pairs_flush(pairs, peer);
  return err;
}

void tw_pairs_respond(tw_pairs *pairs, tw_pairs_peer *peer, tw_bytes client_hello, uint64_t now_ms) {
  const bool anew = peer->pair != NULL && peer->repeats > 0;
  if (peer->pair != NULL && !anew) return; /* the peer was faster */
  tw_pair *pair = NULL;
  tw_buf message = {0};
  uint8_t ref[TW_MAIL_REF];
  tw_err err = tw_pair_respond(&pairs->pair, client_hello, now_ms, &pair, &message);
  if (err == TW_OK && !is_theirs(pairs, pair, peer)) {
    tw_pair_free(pair);
    err = TW_ERR_CREDENTIAL;
  } else if (err == TW_OK) {
    err = tw_hello_ref(pairs->env, client_hello, ref);
    if (err == TW_OK)
      err = begin(pairs, peer, pair, ref, tw_buf_bytes(&message), NULL, now_ms);
    else
      tw_pair_free(pair);
  }
  tw_buf_clear(&message);
  tw_pairs_tell(pairs, peer->number, err == TW_OK ? "a pair is begun" : "its client_hello is of no use", err);
}

/*
 * Which of two pairs stands: the one that we have, or the new one, in which the peer has answered a client_hello of
 * ours. If ours is just as young, and began with a client_hello of the peer's, the two have crossed.
 */
static bool new_one_stands(const tw_pairs *pairs, const tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->pair == NULL) return true;
  tw_pair_status status;
  tw_pair_get_status(peer->pair, &status);
  const bool crossed = status.role == TW_PAIR_RESPONDER && now_ms < peer->made_ms + TW_PAIRS_CROSSING_MS;
  return !crossed || memcmp(&pairs->config.self, &peer->id, sizeof peer->id) < 0;
}

/* The pair that the peer will give up as well; until it knows that it may send under its keys. */
static tw_err hear_out(tw_pairs *pairs, const tw_pairs_peer *peer, tw_pair *pair, const tw_store_change *change) {
  const tw_node_keys *keys = pairs->config.keys;
  uint64_t stamp;
  tw_err err = pairs->config.port->save(pairs->config.port->ctx, change, 1);
  if (err == TW_OK) err = keys->receive(keys->ctx, peer->number, tw_pair_group(pair), tw_pair_context(pair), &stamp);
  tw_pair_free(pair);
  return err;
}

void tw_pairs_join(tw_pairs *pairs, tw_pairs_peer *peer, const tw_mail *mail, uint64_t now_ms) {
  tw_pair *pair = NULL;
  tw_store_change change;
  tw_buf id = {0};
  tw_buf value = {0};
  tw_err err = tw_hellos_join(&pairs->hellos, mail->ref, mail->body, now_ms, &pair, &change, &id, &value);
  if (err == TW_OK && !is_theirs(pairs, pair, peer)) {
    tw_pair_free(pair);
    err = TW_ERR_CREDENTIAL;
  } else if (err == TW_OK) {
    const bool stands = new_one_stands(pairs, peer, now_ms);
    err = stands ? begin(pairs, peer, pair, NULL, TW_NO_BYTES, &change, now_ms) : hear_out(pairs, peer, pair, &change);
    if (err == TW_OK) {
      tw_hellos_joined(&pairs->hellos, mail->ref, &change);
      pairs->stock_at_ms = now_ms + 1000;
    }
  }
  tw_buf_clear(&id);
  tw_buf_clear(&value);
  if (err == TW_ERR_STATE) return; /* a repeated one */
  tw_pairs_tell(pairs, peer->number, err == TW_OK ? "a pair is begun by the peer" : "its server_hello is of no use",
                err);
}
