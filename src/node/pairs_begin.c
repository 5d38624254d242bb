/* How a pair begins: one side answers a client_hello that the other has left at the relay. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/crypto.h"
#include "node/pairs_internal.h"

/* The first bytes of SHA-256 of a client_hello. */
static tw_err hello_ref(const tw_env *env, tw_bytes client_hello, uint8_t ref[TW_MAIL_REF]) {
  const tw_suite *sha256 = tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519");
  uint8_t digest[TW_HASH_MAX];
  TW_TRY(tw_hash_parts(env, sha256, &client_hello, 1, digest));
  memcpy(ref, digest, TW_MAIL_REF);
  return TW_OK;
}

tw_err tw_pairs_make_hello(void *ctx, bool last_resort, uint64_t now_ms, tw_buf *published, tw_buf *kept,
                           uint8_t ref[TW_STOCK_REF]) {
  const tw_pairs *pairs = ctx;
  tw_pair *pair = NULL;
  (void)last_resort;
  TW_TRY(tw_pair_initiate(&pairs->pair, now_ms, &pair, published));
  tw_err err = hello_ref(pairs->env, tw_buf_bytes(published), ref);
  if (err == TW_OK) err = tw_pair_save(pair, kept);
  tw_pair_free(pair);
  return err;
}

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

static bool is_unconfirmed(const tw_pairs_peer *peer) {
  return peer->pair != NULL && tw_pairs_status_of(peer).state == TW_PAIR_UNCONFIRMED;
}

uint64_t tw_pairs_stays_until(const tw_pairs_peer *peer) {
  uint64_t stays_ms = peer->stays_ms == 0 ? TW_PAIRS_CROSSING_MS : peer->stays_ms;
  if (!is_unconfirmed(peer) && stays_ms > TW_PAIRS_STAYS_MS) stays_ms = TW_PAIRS_STAYS_MS;
  return peer->made_ms + stays_ms;
}

/* Of the next pair, in place of this one: twice as long, up to a day, unless this one has worked for an hour. */
static uint64_t next_stays_ms(const tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->pair == NULL || (!is_unconfirmed(peer) && now_ms >= peer->made_ms + TW_PAIRS_STAYS_MS)) return 0;
  const uint64_t stays_ms = peer->stays_ms == 0 ? TW_PAIRS_CROSSING_MS : peer->stays_ms;
  return stays_ms < TW_PAIRS_REPEAT_MAX_MS / 2 ? 2 * stays_ms : TW_PAIRS_REPEAT_MAX_MS;
}

/* The members of the pair that was before stay with the caller. */
static void put_pair(tw_pairs_peer *peer, tw_pair *pair, uint64_t now_ms) {
  if (!is_unconfirmed(peer)) peer->repeat_ms = 0; /* else it goes on doubling */
  peer->pair = pair;
  peer->context = (tw_buf){0};
  peer->unsent = (tw_buf){0};
  peer->unsent_count = 0;
  peer->early = (tw_buf){0};
  peer->stamp = 0;
  peer->next_stamp = 0;
  peer->given_up = 0;
  peer->send_later = false;
  peer->reverting = false;
  peer->made_ms = now_ms;
  peer->confirmed_ms = 0;
  peer->repeats = 0;
}

/*
 * Whether what we send goes on under the keys of the pair before. The peer gets our answer by mail, and as long as that
 * does not come, for whatever reason, those are the keys that it has; with the answer it nudges us to the new ones. A
 * peer that never had keys of ours is sent to at once (D18).
 */
static bool goes_on_under(const tw_pairs_peer *old, bool responds) {
  return responds && old->pair != NULL && (old->send_later || !is_unconfirmed(old));
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
  const bool responds = message.len > 0;
  put_pair(peer, pair, now_ms);
  peer->send_later = goes_on_under(&old, responds);
  if (responds) peer->stays_ms = next_stays_ms(&old, now_ms);
  if (!responds && is_unconfirmed(&old)) peer->given_up = old.stamp;
  if (more != NULL) changes[count++] = *more;
  if (old.pair != NULL) {
    changes[count++] = (tw_store_change){
        .kind = TW_STORE_SESSION, .id = tw_group_id(tw_pair_group(old.pair)), .remove = true};
  }
  tw_err err = tw_buf_append(&peer->context, tw_pair_context(pair));
  if (err == TW_OK && responds) err = tw_pairs_keep(peer, ref, TW_NO_BYTES, message);
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
  tw_buf_clear(&old.early);
  peer->in_flight = false;
  err = tw_pairs_take_keys(pairs, peer);
  /* The responder has a packet to send. */
  if (err == TW_OK && !peer->send_later) err = tw_pairs_send_under(pairs, peer, !responds);
  tw_pairs_schedule(pairs, peer, now_ms);
  tw_pairs_flush(pairs, peer, now_ms);
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
    err = hello_ref(pairs->env, client_hello, ref);
    if (err == TW_OK)
      err = begin(pairs, peer, pair, ref, tw_buf_bytes(&message), NULL, now_ms);
    else
      tw_pair_free(pair);
  }
  tw_buf_clear(&message);
  tw_pairs_tell(pairs, peer->number, err == TW_OK ? "a pair is begun" : "its client_hello is of no use", err);
  tw_pairs_took(peer, err == TW_OK, now_ms);
}

/*
 * Which of two pairs stands: the one that we have, or the new one, in which the peer has answered a client_hello of
 * ours. If ours is just as young, and began with a client_hello of the peer's, the two have crossed. A peer that has
 * confirmed ours and begins anew all the same has lost it.
 */
static bool new_one_stands(const tw_pairs *pairs, const tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->pair == NULL) return true;
  const tw_pair_status status = tw_pairs_status_of(peer);
  const uint64_t until_ms = status.state == TW_PAIR_UNCONFIRMED ? peer->made_ms + TW_PAIRS_CROSSING_MS
                                                                : peer->confirmed_ms + TW_PAIRS_CONFIRMED_MS;
  const bool crossed = status.role == TW_PAIR_RESPONDER && now_ms < until_ms;
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

/* The pair that comes of a server_hello, and what has to be saved of the hello that it answers. */
static tw_err answer(const tw_pairs *pairs, const tw_mail *mail, uint64_t now_ms, tw_stock_use *use, tw_pair **pair) {
  tw_pair *loaded = NULL;
  tw_pair_event event;
  tw_buf reply = {0};
  TW_TRY(tw_stock_find(&pairs->hellos, mail->ref, use));
  TW_TRY(tw_pair_load(&pairs->pair, use->kept, &loaded));
  tw_err err = tw_pair_receive(loaded, mail->body, now_ms, &reply, &event);
  tw_buf_clear(&reply);
  if (err == TW_OK) {
    const tw_bytes group_id = tw_group_id(tw_pair_group(loaded));
    err = tw_stock_take(use, group_id.ptr + group_id.len - TW_STOCK_RANDOM);
  }
  if (err != TW_OK) {
    tw_pair_free(loaded);
    return err;
  }
  *pair = loaded;
  return TW_OK;
}

void tw_pairs_join(tw_pairs *pairs, tw_pairs_peer *peer, const tw_mail *mail, uint64_t now_ms) {
  tw_pair *pair = NULL;
  tw_stock_use use = {0};
  tw_err err = answer(pairs, mail, now_ms, &use, &pair);
  if (err == TW_OK && !is_theirs(pairs, pair, peer)) {
    tw_pair_free(pair);
    err = TW_ERR_CREDENTIAL;
  } else if (err == TW_OK) {
    const bool stands = new_one_stands(pairs, peer, now_ms);
    err = stands ? begin(pairs, peer, pair, NULL, TW_NO_BYTES, &use.change, now_ms)
                 : hear_out(pairs, peer, pair, &use.change);
  }
  if (err == TW_OK) {
    tw_stock_taken(&pairs->hellos, &use);
    pairs->stock_at_ms = now_ms + 1000;
  }
  tw_stock_use_clear(&use);
  if (err == TW_ERR_STATE) return; /* a repeated one */
  tw_pairs_tell(pairs, peer->number, err == TW_OK ? "a pair is begun by the peer" : "its server_hello is of no use",
                err);
}
