/* What an end has around it: a disk, a link to the relay, and keys for packets. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pair_mail/world.h"

static world_value *find_value(world_disk *disk, tw_store_kind kind, tw_bytes id) {
  for (size_t i = 0; i < WORLD_VALUES; i++) {
    if (disk->values[i].kind == kind && tw_bytes_equal(tw_buf_bytes(&disk->values[i].id), id)) return &disk->values[i];
  }
  return NULL;
}

static world_value *free_value(world_disk *disk) {
  for (size_t i = 0; i < WORLD_VALUES; i++) {
    if (disk->values[i].id.len == 0) return &disk->values[i];
  }
  TW_FUZZ_ASSERT(false); /* an end keeps more and more */
  return NULL;
}

void world_value_clear(world_value *v) {
  tw_buf_clear(&v->id);
  tw_buf_clear(&v->bytes);
}

static tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  world_end *e = ctx;
  if (e->disk_fails) return TW_ERR_LIMIT;
  for (size_t i = 0; i < count; i++) {
    world_value *v = find_value(&e->disk, changes[i].kind, changes[i].id);
    if (changes[i].remove) {
      if (v != NULL) world_value_clear(v);
      continue;
    }
    if (v == NULL) v = free_value(&e->disk);
    v->kind = changes[i].kind;
    tw_fuzz_must(tw_buf_assign(&v->id, changes[i].id));
    tw_fuzz_must(tw_buf_assign(&v->bytes, changes[i].value));
  }
  return TW_OK;
}

static tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *out, bool *found) {
  world_end *e = ctx;
  if (e->disk_is_unreadable) return TW_ERR_NO_MEMORY;
  const world_value *v = find_value(&e->disk, kind, id);
  *found = v != NULL;
  return v == NULL ? TW_OK : tw_buf_append(out, tw_buf_bytes(&v->bytes));
}

static void remember(const world_end *e, const tw_control_request *asked) {
  if (asked->type == TW_CONTROL_SEND) {
    world_said *said = &the_world.history[the_world.said++ % WORLD_HISTORY];
    said->from = e->index;
    tw_fuzz_must(tw_buf_assign(&said->message, asked->body.send.message));
  }
}

static tw_err ask(void *ctx, const tw_control_request *asked, uint64_t tag) {
  world_end *e = ctx;
  if (e->request_count == WORLD_REQUESTS) return TW_ERR_LIMIT;
  world_request *r = &e->requests[e->request_count++];
  tw_control_request copy = *asked;
  copy.number = 1;
  *r = (world_request){.tag = tag};
  tw_fuzz_must(tw_control_request_encode(&copy, &r->frame));
  remember(e, asked);
  return TW_OK;
}

static tw_err derive(tw_group *group, tw_bytes context, uint32_t leaf, world_key *key) {
  uint8_t full[TW_PAIR_CONTEXT_MAX + 1];
  *key = (world_key){0};
  TW_FUZZ_ASSERT(context.len < sizeof full);
  if (context.len > 0) memcpy(full, context.ptr, context.len);
  full[context.len] = (uint8_t)leaf;
  return tw_group_export(group, TW_LITERAL("traffic"), TW_BYTES(full, context.len + 1), key->secret, 16);
}

world_key *world_find_key(world_end *e, const uint8_t secret[16]) {
  for (size_t i = 0; i < e->key_count; i++) {
    if (memcmp(e->keys[i].secret, secret, 16) == 0) return &e->keys[i];
  }
  return NULL;
}

void world_drop_key(world_end *e, size_t i) { e->keys[i] = e->keys[--e->key_count]; }

static tw_err receive_under(void *ctx, uint32_t number, tw_group *group, tw_bytes context, uint64_t *stamp) {
  world_end *e = ctx;
  world_key key;
  TW_FUZZ_ASSERT(number == 1 - e->index);
  TW_TRY(derive(group, context, 1 - tw_group_own_leaf(group), &key));
  const world_key *there = world_find_key(e, key.secret);
  if (there == NULL) {
    TW_FUZZ_ASSERT(e->key_count < WORLD_KEYS);
    key.stamp = ++e->last_stamp;
    e->keys[e->key_count++] = key;
    there = &e->keys[e->key_count - 1];
  }
  *stamp = there->stamp;
  return TW_OK;
}

static tw_err send_under(void *ctx, uint32_t number, tw_group *group, tw_bytes context, tw_bytes packet_key,
                         bool nudge) {
  world_end *e = ctx;
  world_key key;
  (void)nudge;
  TW_FUZZ_ASSERT(number == 1 - e->index && packet_key.len == 0);
  TW_TRY(derive(group, context, tw_group_own_leaf(group), &key));
  e->sending = key;
  e->sends = true;
  return TW_OK;
}

static void settle(void *ctx, uint32_t number, uint64_t stamp) {
  world_end *e = ctx;
  (void)number;
  for (size_t i = 0; i < e->key_count; i++) {
    world_key *k = &e->keys[i];
    if (k->stamp < stamp && k->until_ms == 0) k->until_ms = the_world.now_ms + 30000;
  }
}

/* They were never used. */
static void withdraw(void *ctx, uint32_t number, uint64_t stamp) {
  world_end *e = ctx;
  (void)number;
  for (size_t i = e->key_count; i-- > 0;) {
    if (e->keys[i].stamp != stamp) continue;
    TW_FUZZ_ASSERT(!e->keys[i].opened);
    world_drop_key(e, i);
  }
}

static void forget(void *ctx, uint32_t number) {
  world_end *e = ctx;
  (void)number;
  e->key_count = 0;
  e->sends = false;
}

void world_surround(world_end *e) {
  e->port = (tw_node_port){.ctx = e, .save = save, .load = load, .request = ask};
  e->sink = (tw_node_keys){
      .ctx = e, .receive = receive_under, .send = send_under, .settle = settle, .withdraw = withdraw, .forget = forget};
}
