/* Keys that are only noted. SPDX-License-Identifier: Apache-2.0 */
#include "node/many/parts.h"

enum { GRACE_MS = 30000 };

/* Of the network one secret stands for those of all members: deriving each of them is a test of its own. */
static many_key derive(tw_group *group, tw_bytes context, uint32_t peer, uint32_t leaf) {
  many_key k = {.peer = peer};
  uint8_t full[64] = {0};
  assert_true(context.len + 1 <= sizeof full);
  if (context.len > 0) memcpy(full, context.ptr, context.len);
  full[context.len] = peer == MANY_NETWORK ? 0 : (uint8_t)leaf;
  assert_int_equal(tw_group_export(group, TW_LITERAL("test"), TW_BYTES(full, context.len + 1), k.secret, 16), TW_OK);
  return k;
}

static many_key *find_key(many_node *n, uint32_t peer, const uint8_t secret[16]) {
  for (size_t i = 0; i < n->key_count; i++) {
    if (n->keys[i].peer == peer && memcmp(n->keys[i].secret, secret, 16) == 0) return &n->keys[i];
  }
  return NULL;
}

static many_key *find_sending(many_node *n, uint32_t peer) {
  for (size_t i = 0; i < n->sending_count; i++) {
    if (n->sending[i].peer == peer) return &n->sending[i];
  }
  return NULL;
}

static void drop_key(many_node *n, size_t i) { n->keys[i] = n->keys[--n->key_count]; }

static tw_err receive_under(void *ctx, uint32_t peer, tw_group *group, tw_bytes context, uint64_t *stamp) {
  many_node *n = ctx;
  many_key k = derive(group, context, peer, 1 - tw_group_own_leaf(group));
  const many_key *there = find_key(n, peer, k.secret);
  if (there == NULL) {
    n->keys = many_grow(n->keys, n->key_count, sizeof *n->keys);
    k.stamp = ++n->last_stamp;
    n->keys[n->key_count] = k;
    there = &n->keys[n->key_count++];
  }
  *stamp = there->stamp;
  return TW_OK;
}

static tw_err send_under(void *ctx, uint32_t peer, tw_group *group, tw_bytes context, tw_bytes packet_key, bool nudge) {
  many_node *n = ctx;
  (void)nudge;
  (void)packet_key;
  many_key *there = find_sending(n, peer);
  if (there == NULL) {
    n->sending = many_grow(n->sending, n->sending_count, sizeof *n->sending);
    there = &n->sending[n->sending_count++];
  }
  *there = derive(group, context, peer, tw_group_own_leaf(group));
  return TW_OK;
}

static void settle(void *ctx, uint32_t peer, uint64_t stamp) {
  many_node *n = ctx;
  for (size_t i = 0; i < n->key_count; i++) {
    many_key *k = &n->keys[i];
    if (k->peer == peer && k->stamp < stamp && k->until_ms == 0) k->until_ms = many_now(n->world) + GRACE_MS;
  }
}

static void withdraw(void *ctx, uint32_t peer, uint64_t stamp) {
  many_node *n = ctx;
  for (size_t i = n->key_count; i-- > 0;) {
    if (n->keys[i].peer == peer && n->keys[i].stamp == stamp) drop_key(n, i);
  }
}

static void forget(void *ctx, uint32_t peer) {
  many_node *n = ctx;
  for (size_t i = n->key_count; i-- > 0;) {
    if (n->keys[i].peer == peer) drop_key(n, i);
  }
  many_key *sending = find_sending(n, peer);
  if (sending != NULL) *sending = n->sending[--n->sending_count];
}

void many_keys_wire(many_node *n) {
  n->sink = (tw_node_keys){
      .ctx = n, .receive = receive_under, .send = send_under, .settle = settle, .withdraw = withdraw, .forget = forget};
}

void many_keys_tick(many_node *n) {
  for (size_t i = n->key_count; i-- > 0;) {
    if (n->keys[i].until_ms != 0 && n->keys[i].until_ms < many_now(n->world)) drop_key(n, i);
  }
}

bool many_packet(many_node *from, many_node *to) {
  const many_key *under = find_sending(from, to->index);
  if (under == NULL) tw_pairs_want(from->pairs, to->index, many_now(from->world));
  if (under == NULL || to->network == NULL) return false;
  many_key *k = find_key(to, from->index, under->secret);
  if (k == NULL) return false;
  const bool first = !k->opened;
  k->opened = true;
  if (first) tw_pairs_opened(to->pairs, from->index, k->stamp, many_now(to->world));
  return true;
}
