/* Peers and requests: what goes to the relay and comes from it. SPDX-License-Identifier: Apache-2.0 */
#include "node/pairs.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "node/pairs_internal.h"

tw_err tw_pairs_new(const tw_pairs_config *config, tw_pairs **out) {
  if (config->client_count == 0 || config->port == NULL || config->keys == NULL) return TW_ERR_ARGUMENT;
  const tw_env *env = config->clients[0]->env;
  tw_pairs *pairs = tw_alloc_zero(tw_env_alloc(env), sizeof *pairs);
  if (pairs == NULL) return TW_ERR_NO_MEMORY;
  pairs->config = *config;
  if (pairs->config.repeat_ms == 0) pairs->config.repeat_ms = 10000;
  pairs->env = env;
  pairs->numbers.alloc = tw_env_alloc(env);
  pairs->pair = (tw_pair_config){.by_mail = true,
                                 .clients = config->clients,
                                 .client_count = config->client_count,
                                 .label = TW_LITERAL(TW_PAIRS_LABEL)};
  pairs->hellos = (tw_stock){.port = config->port,
                             .pool = TW_CONTROL_POOL_PAIR,
                             .prefix = 'p',
                             .wanted = TW_PAIRS_HELLOS,
                             .make = tw_pairs_make_hello,
                             .ctx = pairs};
  pairs->stock_at_ms = UINT64_MAX;
  *out = pairs;
  return TW_OK;
}

void tw_pairs_peer_reset(tw_pairs_peer *peer) {
  tw_pair_free(peer->pair);
  tw_buf_clear(&peer->context);
  tw_buf_clear(&peer->unsent);
  tw_buf_clear(&peer->early);
  *peer = (tw_pairs_peer){
      .id = peer->id,
      .number = peer->number,
      .taking = peer->taking,
      .wanted = peer->wanted,
      .take_at_ms = peer->take_at_ms,
      .rekey_at_ms = UINT64_MAX,
      .repeat_at_ms = UINT64_MAX,
      .send_at_ms = UINT64_MAX,
  };
}

void tw_pairs_free(tw_pairs *pairs) {
  if (pairs == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(pairs->env);
  for (size_t i = 0; i < pairs->count; i++) {
    if (pairs->peers[i] == NULL) continue;
    tw_pairs_peer_reset(pairs->peers[i]);
    tw_alloc_free(alloc, pairs->peers[i]);
  }
  tw_peer_map_clear(&pairs->numbers);
  tw_alloc_free(alloc, pairs->peers);
  tw_alloc_free(alloc, pairs);
}

/* ---- peers ---- */

tw_pairs_peer *tw_pairs_find(const tw_pairs *pairs, uint32_t number) {
  return number < pairs->count ? pairs->peers[number] : NULL;
}

tw_pairs_peer *tw_pairs_find_id(const tw_pairs *pairs, const tw_client_id *id) {
  tw_pairs_peer *peer = tw_pairs_find(pairs, tw_peer_map_find(&pairs->numbers, id));
  return peer != NULL && memcmp(&peer->id, id, sizeof *id) == 0 ? peer : NULL; /* the number may be another's by now */
}

static tw_err make_room(tw_pairs *pairs, uint32_t number) {
  if (number < pairs->count) return TW_OK;
  size_t count = pairs->count < 8 ? 8 : 2 * pairs->count;
  if (count <= number) count = (size_t)number + 1;
  tw_pairs_peer **peers = tw_alloc_resize_array(tw_env_alloc(pairs->env), pairs->peers, count, sizeof(tw_pairs_peer *));
  if (peers == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = pairs->count; i < count; i++) peers[i] = NULL;
  pairs->peers = peers;
  pairs->count = count;
  return TW_OK;
}

tw_err tw_pairs_add(tw_pairs *pairs, uint32_t number, const tw_client_id *id) {
  if (number >= TW_PAIRS_NUMBER_MAX || tw_pairs_find(pairs, number) != NULL) return TW_ERR_ARGUMENT;
  if (tw_pairs_find_id(pairs, id) != NULL || memcmp(id, &pairs->config.self, sizeof *id) == 0) return TW_ERR_ARGUMENT;
  TW_TRY(make_room(pairs, number));
  tw_pairs_peer *peer = tw_alloc_zero(tw_env_alloc(pairs->env), sizeof *peer);
  if (peer == NULL) return TW_ERR_NO_MEMORY;
  const tw_err err = tw_peer_map_put(&pairs->numbers, id, number);
  if (err != TW_OK) {
    tw_alloc_free(tw_env_alloc(pairs->env), peer);
    return err;
  }
  peer->id = *id;
  peer->number = number;
  tw_pairs_peer_reset(peer);
  pairs->peers[number] = peer;
  return TW_OK;
}

tw_err tw_pairs_remove(tw_pairs *pairs, uint32_t number) {
  tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer == NULL) return TW_OK;
  const tw_pairs_config *config = &pairs->config;
  tw_err err = TW_OK;
  if (peer->pair != NULL) {
    const tw_store_change gone = {
        .kind = TW_STORE_SESSION, .id = tw_group_id(tw_pair_group(peer->pair)), .remove = true};
    err = config->port->save(config->port->ctx, &gone, 1);
  }
  config->keys->forget(config->keys->ctx, number);
  tw_pairs_peer_reset(peer);
  pairs->peers[number] = NULL;
  tw_alloc_free(tw_env_alloc(pairs->env), peer);
  return err;
}

bool tw_pairs_get_status(const tw_pairs *pairs, uint32_t number, tw_pairs_status *status) {
  const tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer == NULL) return false;
  *status = (tw_pairs_status){.there = peer->pair != NULL, .unsent = peer->unsent_count};
  if (peer->pair == NULL) return true;
  tw_pair_get_status(peer->pair, &status->pair);
  status->confirmed = status->pair.state != TW_PAIR_UNCONFIRMED;
  return true;
}

/* ---- requests ---- */

/* The lowest bits are the peer's number, those above, up to 32, say which of its messages is sent. */
enum { NUMBER_BITS = 17, SENDS = 1 << (32 - NUMBER_BITS) };
_Static_assert(TW_PAIRS_NUMBER_MAX == 1 << NUMBER_BITS, "a number fits into a tag");

static uint64_t tag_of(const tw_pairs *pairs, tw_pairs_ask ask, uint32_t slot) {
  return TW_PAIRS_TAG | (uint64_t)ask << 48 | (uint64_t)(pairs->generation & 0xffff) << 32 | slot;
}

bool tw_pairs_is_tag(uint64_t tag) { return tag >> 56 == TW_PAIRS_TAG >> 56; }

static tw_err try_to_ask(tw_pairs *pairs, const tw_control_request *request, tw_pairs_ask what, uint32_t slot) {
  const tw_node_port *port = pairs->config.port;
  return port->request(port->ctx, request, tag_of(pairs, what, slot));
}

static bool ask(tw_pairs *pairs, const tw_control_request *request, tw_pairs_ask what, uint32_t slot) {
  return try_to_ask(pairs, request, what, slot) == TW_OK;
}

/* The oldest message that the relay has not confirmed, one at a time: their order matters. While a pair could not be
 * saved nor taken back, the last of them is of a state that may never have been. */
void tw_pairs_flush(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->reverting || peer->in_flight || peer->unsent.len == 0) return;
  tw_reader r = tw_reader_of(tw_buf_bytes(&peer->unsent));
  const tw_control_request request = {.type = TW_CONTROL_SEND, .body.send = {peer->id, tw_read_vector(&r)}};
  peer->sending = pairs->sends++ % SENDS;
  const tw_err err = try_to_ask(pairs, &request, TW_PAIRS_ASK_SEND, peer->sending << NUMBER_BITS | peer->number);
  peer->in_flight = err == TW_OK;
  const bool waits = err == TW_OK || err == TW_ERR_STATE; /* for the answer, or for tw_pairs_connected */
  peer->send_at_ms = waits ? UINT64_MAX : now_ms + TW_PAIRS_TAKE_AGAIN_MS;
}

static void drop_first_unsent(tw_pairs_peer *peer) {
  tw_reader r = tw_reader_of(tw_buf_bytes(&peer->unsent));
  const size_t before = peer->unsent.len;
  (void)tw_read_vector(&r);
  tw_buf_consume(&peer->unsent, before - tw_read_rest(&r).len);
  if (peer->unsent_count > 0) peer->unsent_count--;
}

void tw_pairs_take(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->taking) return;
  if (now_ms < peer->take_at_ms) return;
  const tw_control_request request = {.type = TW_CONTROL_TAKE, .body.take = {peer->id, TW_CONTROL_POOL_PAIR}};
  peer->taking = ask(pairs, &request, TW_PAIRS_ASK_TAKE, peer->number);
  peer->take_at_ms = now_ms + TW_PAIRS_TAKE_AGAIN_MS;
}

void tw_pairs_took(tw_pairs_peer *peer, bool useful, uint64_t now_ms) {
  if (useful) {
    peer->take_wait_ms = 0;
    return;
  }
  if (peer->take_wait_ms == 0) peer->take_wait_ms = TW_PAIRS_TAKE_AGAIN_MS;
  if (peer->take_wait_ms < TW_PAIRS_TAKE_LATEST_MS) peer->take_wait_ms *= 2;
  peer->take_at_ms = now_ms + peer->take_wait_ms;
}

static void ask_stock(tw_pairs *pairs) {
  if (pairs->stocking) return;
  const tw_control_request request = {.type = TW_CONTROL_STOCK, .body.stock = TW_CONTROL_POOL_PAIR};
  pairs->stocking = ask(pairs, &request, TW_PAIRS_ASK_STOCK, 0);
}

void tw_pairs_connected(tw_pairs *pairs, uint64_t now_ms) {
  pairs->generation++;
  pairs->stocking = false;
  ask_stock(pairs);
  for (size_t i = 0; i < pairs->count; i++) {
    tw_pairs_peer *peer = pairs->peers[i];
    if (peer == NULL) continue;
    peer->in_flight = false;
    peer->taking = false;
    tw_pairs_hurry(pairs, peer, now_ms);
    tw_pairs_flush(pairs, peer, now_ms);
    peer->take_at_ms = 0;
    if (peer->wanted && peer->pair == NULL) tw_pairs_take(pairs, peer, now_ms);
  }
}

void tw_pairs_want(tw_pairs *pairs, uint32_t number, uint64_t now_ms) {
  tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer == NULL || peer->pair != NULL) return;
  peer->wanted = true;
  tw_pairs_take(pairs, peer, now_ms);
}

/* ---- answers ---- */

static void stocked(tw_pairs *pairs, const tw_control_answer *answer, uint64_t now_ms) {
  pairs->stocking = false;
  pairs->stock_at_ms = now_ms + TW_PAIRS_STOCK_MS;
  if (answer == NULL || answer->status != TW_CONTROL_DONE) return;
  const tw_err err = tw_stock_publish(&pairs->hellos, answer->body.stock, now_ms,
                                      tag_of(pairs, TW_PAIRS_ASK_PUBLISH, 0));
  if (err == TW_OK) return;
  tw_pairs_tell(pairs, TW_PAIRS_NOBODY, "our client_hellos could not be published", err);
  pairs->stock_at_ms = now_ms + TW_PAIRS_TAKE_AGAIN_MS;
}

static void published(tw_pairs *pairs, const tw_control_answer *answer, uint64_t now_ms) {
  if (answer != NULL && answer->status == TW_CONTROL_DONE)
    tw_stock_published(&pairs->hellos);
  else
    pairs->stock_at_ms = now_ms + TW_PAIRS_TAKE_AGAIN_MS;
}

/* `sending`: by which request. One that was dropped since then has made room for another, which is on its way itself.
 */
static void sent(tw_pairs *pairs, tw_pairs_peer *peer, uint32_t sending, const tw_control_answer *answer,
                 uint64_t now_ms) {
  if (!peer->in_flight || peer->sending != sending) return;
  peer->in_flight = false;
  if (answer == NULL) return; /* tw_pairs_connected sends it again */
  if (answer->status == TW_CONTROL_FULL || answer->status == TW_CONTROL_BUSY) {
    peer->send_at_ms = now_ms + TW_PAIRS_TAKE_AGAIN_MS;
    return;
  }
  if (answer->status != TW_CONTROL_DONE)
    tw_pairs_tell(pairs, peer->number, "the relay refuses a message", TW_ERR_STATE);
  drop_first_unsent(peer);
  tw_pairs_flush(pairs, peer, now_ms);
}

static void taken(tw_pairs *pairs, tw_pairs_peer *peer, const tw_control_answer *answer, uint64_t now_ms) {
  peer->taking = false;
  if (answer == NULL) return;
  if (answer->status != TW_CONTROL_DONE) {
    tw_pairs_tell(pairs, peer->number, "has no client_hello at the relay", TW_ERR_STATE);
    return;
  }
  tw_pairs_respond(pairs, peer, answer->body.take.key_package, now_ms);
}

void tw_pairs_answer(tw_pairs *pairs, uint64_t tag, const tw_control_answer *answer, uint64_t now_ms) {
  if ((tag >> 32 & 0xffff) != (pairs->generation & 0xffff)) return;
  const uint32_t number = (uint32_t)tag % TW_PAIRS_NUMBER_MAX;
  switch ((tw_pairs_ask)(tag >> 48 & 0xff)) {
  case TW_PAIRS_ASK_STOCK: stocked(pairs, answer, now_ms); return;
  case TW_PAIRS_ASK_PUBLISH: published(pairs, answer, now_ms); return;
  case TW_PAIRS_ASK_TAKE:
  case TW_PAIRS_ASK_SEND: break;
  default: return;
  }
  tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer == NULL) return;
  if ((tw_pairs_ask)(tag >> 48 & 0xff) == TW_PAIRS_ASK_TAKE)
    taken(pairs, peer, answer, now_ms);
  else
    sent(pairs, peer, (uint32_t)tag >> NUMBER_BITS, answer, now_ms);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t tw_pairs_deadline(const tw_pairs *pairs) {
  uint64_t at = pairs->stock_at_ms;
  for (size_t i = 0; i < pairs->count; i++) {
    const tw_pairs_peer *peer = pairs->peers[i];
    if (peer == NULL) continue;
    at = earlier(at, earlier(peer->repeat_at_ms, earlier(peer->rekey_at_ms, peer->send_at_ms)));
    if (peer->pair == NULL && peer->wanted && !peer->taking) at = earlier(at, peer->take_at_ms);
  }
  return at;
}

static void tick_peer(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms) {
  if (peer->send_at_ms <= now_ms) {
    peer->send_at_ms = UINT64_MAX;
    tw_pairs_flush(pairs, peer, now_ms);
  }
  if (peer->pair == NULL) {
    if (peer->wanted) tw_pairs_take(pairs, peer, now_ms);
    return;
  }
  if (peer->repeat_at_ms <= now_ms) tw_pairs_repeat(pairs, peer, now_ms);
  if (peer->rekey_at_ms <= now_ms) tw_pairs_update(pairs, peer, now_ms);
}

void tw_pairs_tick(tw_pairs *pairs, uint64_t now_ms) {
  if (pairs->stock_at_ms <= now_ms) {
    pairs->stock_at_ms = now_ms + TW_PAIRS_STOCK_MS;
    ask_stock(pairs);
  }
  for (size_t i = 0; i < pairs->count; i++) {
    if (pairs->peers[i] != NULL) tick_peer(pairs, pairs->peers[i], now_ms);
  }
}

void tw_pairs_rekey(tw_pairs *pairs, uint32_t number, uint64_t now_ms) {
  tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer != NULL && peer->pair != NULL) tw_pairs_update(pairs, peer, now_ms);
}

void tw_pairs_resume(tw_pairs *pairs, uint32_t number, uint64_t now_ms) {
  tw_pairs_peer *peer = tw_pairs_find(pairs, number);
  if (peer != NULL && peer->pair != NULL) tw_pairs_repeat(pairs, peer, now_ms);
}

void tw_pairs_tell(const tw_pairs *pairs, uint32_t number, const char *what, tw_err err) {
  if (pairs->config.tell != NULL) pairs->config.tell(pairs->config.ctx, number, what, err);
}
