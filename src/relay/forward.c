/* Clients, their sessions, tokens and addresses. SPDX-License-Identifier: Apache-2.0 */
#include "relay/forward.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "relay/forward_parts.h"

enum { SECOND_US = 1000000, MESSAGE_COST = 65536 + TW_FORWARD_SEGMENTS_MAX * TW_FORWARD_OVERHEAD };

static const uint64_t rate_min = 1000;
static const uint64_t rate_max = UINT64_C(10000000000);

const char *tw_forward_reason_text(tw_forward_reason reason) {
  static const char *const texts[TW_FORWARD_REASONS] = {
      [TW_FORWARD_MALFORMED] = "malformed",
      [TW_FORWARD_NO_SESSION] = "no session",
      [TW_FORWARD_WRONG_SOURCE] = "wrong source",
      [TW_FORWARD_BAD_TOKEN] = "bad token",
      [TW_FORWARD_NO_DESTINATION] = "no destination",
      [TW_FORWARD_NOT_MEMBER] = "not a member",
      [TW_FORWARD_OVER_RATE] = "over rate",
      [TW_FORWARD_OVER_SHARE] = "over share",
      [TW_FORWARD_PUSHED_OUT] = "pushed out",
      [TW_FORWARD_GONE] = "gone",
      [TW_FORWARD_UNSENT] = "unsent",
  };
  return (unsigned)reason < TW_FORWARD_REASONS ? texts[reason] : "?";
}

/* ---- options ---- */

static void or_default(uint32_t *option, uint32_t value) { *option = *option != 0 ? *option : value; }
static void or_default64(uint64_t *option, uint64_t value) { *option = *option != 0 ? *option : value; }

static tw_err settle(tw_forward_options *o) {
  enum { SLOTS_MAX = 1 << 20, RUNS_MAX = 1 << 24, MESSAGES_MAX = 4096, QUANTUM_MIN = 1500, QUANTUM_MAX = 1 << 30 };
  or_default(&o->slots, 512);
  or_default(&o->spare_slots, o->slots / 8 > 0 ? o->slots / 8 : 1);
  if (o->slots > SLOTS_MAX || o->spare_slots >= o->slots) return TW_ERR_ARGUMENT;
  or_default(&o->runs, 8 * o->slots);
  or_default(&o->messages, 64);
  or_default(&o->quantum, 16384);
  or_default64(&o->token_us, 30 * (uint64_t)SECOND_US);
  or_default64(&o->binding_us, 180 * (uint64_t)SECOND_US);
  if (o->runs > RUNS_MAX || o->messages > MESSAGES_MAX) return TW_ERR_ARGUMENT;
  if (o->quantum < QUANTUM_MIN || o->quantum > QUANTUM_MAX) return TW_ERR_ARGUMENT;
  if (o->rate == 0) return o->burst == 0 ? TW_OK : TW_ERR_ARGUMENT;
  or_default64(&o->burst, o->rate / 10 > MESSAGE_COST ? o->rate / 10 : MESSAGE_COST);
  return o->rate < rate_min || o->rate > rate_max || o->burst > rate_max ? TW_ERR_ARGUMENT : TW_OK;
}

/* ---- made and freed ---- */

static void seed_table(const tw_forward *forward, tw_forward_table *table, const uint8_t *seed) {
  table->alloc = forward->env->alloc;
  memcpy(table->seed, seed, sizeof table->seed);
}

tw_err tw_forward_new(const tw_env *env, const tw_forward_options *options, tw_forward **out) {
  uint8_t seeds[3][sizeof(((tw_forward_table *)NULL)->seed)];
  tw_forward_options settled = options != NULL ? *options : (tw_forward_options){0};
  *out = NULL;
  TW_TRY(settle(&settled));
  TW_TRY(tw_random(env, seeds[0], sizeof seeds));
  tw_forward *forward = tw_alloc_zero(env->alloc, sizeof *forward);
  if (forward == NULL) return TW_ERR_NO_MEMORY;
  forward->env = env;
  forward->options = settled;
  forward->memory = sizeof *forward;
  seed_table(forward, &forward->sessions, seeds[0]);
  seed_table(forward, &forward->numbers, seeds[1]);
  seed_table(forward, &forward->groups, seeds[2]);
  tw_wipe(seeds, sizeof seeds);
  const tw_err err = tw_forward_queue_new(forward);
  if (err != TW_OK)
    tw_forward_free(forward);
  else
    *out = forward;
  return err;
}

void tw_forward_free(tw_forward *forward) {
  if (forward == NULL) return;
  const tw_alloc *alloc = forward->env->alloc;
  tw_forward_groups_clear(forward);
  tw_forward_queue_clear(forward);
  tw_forward_table_clear(&forward->sessions);
  tw_forward_table_clear(&forward->numbers);
  for (tw_forward_block *block = forward->blocks; block != NULL;) {
    tw_forward_block *next = block->next;
    tw_wipe(block, sizeof *block);
    tw_alloc_free(alloc, block);
    block = next;
  }
  tw_wipe(forward, sizeof *forward);
  tw_alloc_free(alloc, forward);
}

/* ---- clients ---- */

tw_forward_peer *tw_forward_peer_of(const tw_forward *forward, uint32_t number) {
  return tw_forward_table_get(&forward->numbers, number);
}

bool tw_forward_reachable(const tw_forward *forward, const tw_forward_peer *peer, uint64_t now_us) {
  return peer->bound && now_us - peer->heard_us <= forward->options.binding_us;
}

void tw_forward_add(tw_forward_count *count, uint64_t packets, uint64_t bytes) {
  count->packets += packets;
  count->bytes += bytes;
}

void tw_forward_drop(tw_forward *forward, tw_forward_peer *from, tw_forward_reason reason, uint64_t packets,
                     uint64_t bytes) {
  tw_forward_add(&forward->totals.dropped[reason], packets, bytes);
  /* Whoever is not at the client's address is not the client. */
  if (from == NULL || reason == TW_FORWARD_WRONG_SOURCE || reason == TW_FORWARD_BAD_TOKEN) return;
  tw_forward_add(&from->in_dropped, packets, bytes);
  if (reason == TW_FORWARD_OVER_RATE || reason == TW_FORWARD_OVER_SHARE || reason == TW_FORWARD_PUSHED_OUT)
    tw_forward_add(&from->over, packets, bytes);
}

static tw_err make_room(tw_forward *forward) {
  TW_TRY(tw_forward_table_reserve(&forward->sessions));
  TW_TRY(tw_forward_table_reserve(&forward->numbers));
  if (forward->unused != NULL) return TW_OK;
  tw_forward_block *block = tw_alloc_zero(forward->env->alloc, sizeof *block);
  if (block == NULL) return TW_ERR_NO_MEMORY;
  block->next = forward->blocks;
  forward->blocks = block;
  forward->memory += sizeof *block;
  for (unsigned i = TW_FORWARD_BLOCK; i-- > 0;) {
    block->peers[i].next = forward->unused;
    forward->unused = &block->peers[i];
  }
  return TW_OK;
}

static tw_forward_peer *add_peer(tw_forward *forward, uint32_t number, uint64_t session) {
  tw_forward_peer *peer = forward->unused;
  forward->unused = peer->next;
  *peer = (tw_forward_peer){.session = session, .number = number, .head = TW_FORWARD_NONE, .tail = TW_FORWARD_NONE};
  tw_forward_table_put(&forward->sessions, session, peer);
  tw_forward_table_put(&forward->numbers, number, peer);
  return peer;
}

tw_err tw_forward_grant(tw_forward *forward, uint32_t client, const tw_forward_address *only, uint64_t now_us,
                        uint64_t *session, uint8_t token[TW_FORWARD_TOKEN]) {
  struct {
    uint64_t session;
    uint8_t token[TW_FORWARD_TOKEN];
    uint8_t nonce[TW_FORWARD_TOKEN];
  } fresh;
  if (client == 0 || (client & TW_FORWARD_GROUP_BIT) != 0) return TW_ERR_ARGUMENT;
  TW_TRY(tw_random(forward->env, (uint8_t *)&fresh, sizeof fresh));
  tw_forward_peer *peer = tw_forward_peer_of(forward, client);
  if (peer == NULL) {
    /* Two alike among 64 bits do not happen by chance. */
    if (tw_forward_table_get(&forward->sessions, fresh.session) != NULL) return TW_ERR_RANDOM;
    TW_TRY(make_room(forward));
    peer = add_peer(forward, client, fresh.session);
  }
  tw_forward_pending_token *place = &peer->tokens[0];
  for (unsigned i = 1; i < TW_FORWARD_TOKENS; i++)
    if (peer->tokens[i].until_us < place->until_us) place = &peer->tokens[i];
  *place = (tw_forward_pending_token){.until_us = now_us + forward->options.token_us};
  if (only != NULL) place->from = *only;
  memcpy(place->token, fresh.token, sizeof fresh.token);
  memcpy(place->nonce, fresh.nonce, sizeof fresh.nonce);
  memcpy(token, fresh.token, sizeof fresh.token);
  tw_wipe(&fresh, sizeof fresh);
  *session = peer->session;
  return TW_OK;
}

void tw_forward_unbind(tw_forward *forward, uint32_t client) {
  tw_forward_peer *peer = tw_forward_peer_of(forward, client);
  if (peer == NULL) return;
  peer->bound = false;
  tw_wipe(peer->tokens, sizeof peer->tokens);
}

static void stop_telling(tw_forward *forward, const tw_forward_peer *peer) {
  if (!peer->telling) return;
  tw_forward_peer *before = NULL;
  for (tw_forward_peer *at = forward->telling_first; at != peer; at = at->next_telling) before = at;
  if (before != NULL)
    before->next_telling = peer->next_telling;
  else
    forward->telling_first = peer->next_telling;
  if (forward->telling_last == peer) forward->telling_last = before;
}

static void stop_challenging(tw_forward *forward, const tw_forward_peer *peer) {
  tw_forward_peer **at = &forward->challenging;
  if (!peer->challenging) return;
  while (*at != peer) at = &(*at)->next_challenging;
  *at = peer->next_challenging;
}

void tw_forward_remove(tw_forward *forward, uint32_t client) {
  tw_forward_peer *peer = tw_forward_peer_of(forward, client);
  if (peer == NULL) return;
  tw_forward_queue_empty(forward, peer);
  stop_telling(forward, peer);
  stop_challenging(forward, peer);
  tw_forward_table_drop(&forward->sessions, peer->session);
  tw_forward_table_drop(&forward->numbers, client);
  tw_wipe(peer, sizeof *peer);
  peer->next = forward->unused;
  forward->unused = peer;
}

bool tw_forward_next_challenge(tw_forward *forward, tw_forward_challenge *challenge) {
  while (forward->challenging != NULL) {
    tw_forward_peer *peer = forward->challenging;
    for (unsigned i = 0; i < TW_FORWARD_TOKENS; i++) {
      tw_forward_pending_token *pending = &peer->tokens[i];
      if (!pending->challenging) continue;
      pending->challenging = false;
      memset(challenge, 0, sizeof *challenge);
      challenge->to = pending->from;
      memcpy(challenge->datagram + sizeof challenge->datagram - sizeof pending->nonce, pending->nonce,
             sizeof pending->nonce);
      return true;
    }
    forward->challenging = peer->next_challenging;
    peer->challenging = false;
  }
  return false;
}

bool tw_forward_next_bound(tw_forward *forward, tw_forward_bound *bound) {
  while (forward->telling_first != NULL) {
    tw_forward_peer *peer = forward->telling_first;
    forward->telling_first = peer->next_telling;
    if (forward->telling_first == NULL) forward->telling_last = NULL;
    peer->telling = false;
    if (!peer->bound) continue;
    *bound = (tw_forward_bound){
        .client = peer->number, .session = peer->session, .address = peer->address, .moved = peer->moved};
    peer->moved = false;
    return true;
  }
  return false;
}

bool tw_forward_has_bound(const tw_forward *forward) { return forward->telling_first != NULL; }

/* ---- statistics ---- */

bool tw_forward_client(const tw_forward *forward, uint32_t client, uint64_t now_us, tw_forward_client_stats *stats) {
  const tw_forward_peer *peer = tw_forward_peer_of(forward, client);
  if (peer == NULL) return false;
  *stats = (tw_forward_client_stats){.in = peer->in,
                                     .in_dropped = peer->in_dropped,
                                     .over = peer->over,
                                     .out = peer->out,
                                     .charged = peer->charged,
                                     .bound = tw_forward_reachable(forward, peer, now_us),
                                     .address = peer->address};
  return true;
}

void tw_forward_total(const tw_forward *forward, tw_forward_totals *totals) {
  *totals = forward->totals;
  totals->clients = forward->numbers.count;
  totals->groups = forward->groups.count;
  totals->queued = forward->options.runs - forward->free_run_count;
  totals->memory = forward->memory + tw_forward_table_memory(&forward->sessions) +
                   tw_forward_table_memory(&forward->numbers) + tw_forward_table_memory(&forward->groups);
}
