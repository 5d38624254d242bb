/* SPDX-License-Identifier: Apache-2.0 */
#include "node/stock.h"

#include <string.h>

#include "base/secret.h"

enum { ID_SIZE = 1 + TW_STOCK_REF, UNSURE_SIZE = 2, CHANGES_MAX = TW_STOCK_WANTED_MAX + 2 + TW_STOCK_KEPT };

static void put_id(const tw_stock *stock, const uint8_t ref[TW_STOCK_REF], uint8_t id[ID_SIZE]) {
  id[0] = stock->prefix;
  memcpy(id + 1, ref, TW_STOCK_REF);
}

/* Stands in the store as long as the relay has not confirmed the newest ones. */
static void put_unsure_id(const tw_stock *stock, uint8_t id[UNSURE_SIZE]) {
  id[0] = stock->prefix;
  id[1] = '?';
}

bool tw_stock_is_id(const tw_stock *stock, tw_bytes id) {
  return (id.len == ID_SIZE || id.len == UNSURE_SIZE) && id.ptr[0] == stock->prefix;
}

/*
 * struct { uint8 last_resort; uint64 made_ms; opaque joined<V>; opaque kept<V>; } SavedStock. `joined` has the random
 * part of each group that was joined with it: a last resort can be used more than once, and the relay may repeat
 * messages.
 */
static tw_err decode(tw_bytes value, tw_stock_use *out) {
  tw_reader r = tw_reader_of(value);
  out->last_resort = tw_read_present(&r);
  out->made_ms = tw_read_u64(&r);
  out->joined = tw_read_vector(&r);
  out->kept = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  return out->joined.len % TW_STOCK_RANDOM == 0 ? TW_OK : TW_ERR_ENCODING;
}

static tw_err encode(const tw_stock_use *use, tw_bytes joined_now, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, use->last_resort);
  tw_write_u64(&w, use->made_ms);
  const tw_vector_mark joined = tw_write_open(&w);
  tw_write_fixed(&w, use->joined);
  tw_write_fixed(&w, joined_now);
  tw_write_close(&w, joined);
  tw_write_vector(&w, use->kept);
  return tw_writer_end(&w);
}

tw_err tw_stock_load(tw_stock *stock, tw_bytes id, tw_bytes value) {
  tw_stock_use saved;
  if (!tw_stock_is_id(stock, id)) return TW_ERR_ENCODING;
  if (id.len == UNSURE_SIZE) {
    stock->unsure = true;
    return TW_OK;
  }
  TW_TRY(decode(value, &saved));
  if (stock->count == TW_STOCK_KEPT) return TW_ERR_LIMIT;
  tw_stock_item *item = &stock->list[stock->count++];
  *item = (tw_stock_item){.last_resort = saved.last_resort, .made_ms = saved.made_ms};
  memcpy(item->ref, id.ptr + 1, TW_STOCK_REF);
  return TW_OK;
}

/* ---- making them ---- */

typedef struct batch {
  tw_stock_item made[TW_STOCK_WANTED_MAX + 1];
  tw_buf values[TW_STOCK_WANTED_MAX + 1];
  size_t count; /* made */
  uint8_t ids[CHANGES_MAX][ID_SIZE];
  tw_store_change changes[CHANGES_MAX];
  size_t change_count;
  tw_buf key_packages;
  tw_buf last_resort;
  bool replaces; /* what the relay has is of no use */
} batch;

static void batch_clear(batch *b) {
  for (size_t i = 0; i < b->count; i++) tw_buf_clear(&b->values[i]);
  tw_buf_clear(&b->key_packages);
  tw_buf_clear(&b->last_resort);
}

static tw_store_change *add_change(const tw_stock *stock, batch *b, const uint8_t ref[TW_STOCK_REF]) {
  uint8_t *id = b->ids[b->change_count];
  tw_store_change *change = &b->changes[b->change_count++];
  put_id(stock, ref, id);
  *change = (tw_store_change){.kind = TW_STORE_KEY_PACKAGE, .id = TW_BYTES(id, ID_SIZE)};
  return change;
}

static tw_err put_published(batch *b, bool last_resort, tw_bytes published) {
  if (last_resort) return tw_buf_assign(&b->last_resort, published);
  tw_writer w = tw_writer_to(&b->key_packages);
  tw_write_vector(&w, published);
  return tw_writer_end(&w);
}

static tw_err make(const tw_stock *stock, batch *b, bool last_resort, uint64_t now_ms) {
  tw_stock_item *item = &b->made[b->count];
  tw_buf *value = &b->values[b->count++];
  *item = (tw_stock_item){.last_resort = last_resort, .made_ms = now_ms};
  tw_buf published = {0};
  tw_buf kept = {0};
  tw_err err = stock->make(stock->ctx, last_resort, now_ms, &published, &kept, item->ref);
  const tw_stock_use saved = {.last_resort = last_resort, .made_ms = now_ms, .kept = tw_buf_bytes(&kept)};
  if (err == TW_OK) err = encode(&saved, TW_NO_BYTES, value);
  if (err == TW_OK) err = put_published(b, last_resort, tw_buf_bytes(&published));
  if (err == TW_OK) add_change(stock, b, item->ref)->value = tw_buf_bytes(value);
  tw_buf_clear(&published);
  tw_buf_clear(&kept);
  return err;
}

static void remove_item(tw_stock *stock, size_t at) {
  memmove(&stock->list[at], &stock->list[at + 1], (stock->count - at - 1) * sizeof stock->list[0]);
  stock->count--;
}

/* Those that nobody will use any more; and the oldest ones where there is no room for the new ones. */
static void drop_old(tw_stock *stock, batch *b, uint64_t now_ms) {
  for (;;) {
    size_t oldest = 0;
    for (size_t i = 1; i < stock->count; i++) {
      if (stock->list[i].made_ms < stock->list[oldest].made_ms) oldest = i;
    }
    if (stock->count == 0) return;
    const bool expired = now_ms > stock->list[oldest].made_ms + 2 * TW_STOCK_AGE_MS;
    if (!expired && stock->count + b->count <= TW_STOCK_KEPT) return;
    add_change(stock, b, stock->list[oldest].ref)->remove = true;
    remove_item(stock, oldest);
  }
}

static bool has_last_resort(const tw_stock *stock, uint64_t now_ms) {
  for (size_t i = 0; i < stock->count; i++) {
    if (stock->list[i].last_resort && now_ms < stock->list[i].made_ms + TW_STOCK_AGE_MS) return true;
  }
  return false;
}

/* Those that are used once. */
static size_t count_single(const tw_stock *stock) {
  size_t count = 0;
  for (size_t i = 0; i < stock->count; i++) count += !stock->list[i].last_resort;
  return count;
}

static tw_err save_and_ask(tw_stock *stock, batch *b, uint64_t tag) {
  uint8_t unsure_id[UNSURE_SIZE];
  put_unsure_id(stock, unsure_id);
  const tw_control_request request = {
      .type = TW_CONTROL_PUBLISH,
      .body.publish = {stock->pool, b->replaces, tw_buf_bytes(&b->key_packages), tw_buf_bytes(&b->last_resort)}};
  b->changes[b->change_count++] = (tw_store_change){
      .kind = TW_STORE_KEY_PACKAGE, .id = TW_ARRAY(unsure_id), .value = TW_LITERAL("?")};
  TW_TRY(stock->port->save(stock->port->ctx, b->changes, b->change_count));
  stock->unsure = true;
  for (size_t i = 0; i < b->count; i++) stock->list[stock->count++] = b->made[i];
  return stock->port->request(stock->port->ctx, &request, tag);
}

tw_err tw_stock_publish(tw_stock *stock, uint32_t at_relay, uint64_t now_ms, uint64_t tag) {
  /* More than we know of, or none of ours: our state was lost, and nobody should be given one of those. */
  const bool replaces = stock->unsure || stock->count == 0 || at_relay > count_single(stock);
  if (replaces) at_relay = 0;
  const uint32_t missing = at_relay < stock->wanted ? stock->wanted - at_relay : 0;
  const bool last_resort = replaces || !has_last_resort(stock, now_ms);
  if (missing == 0 && !last_resort) return TW_OK;
  batch b = {.replaces = replaces};
  tw_err err = TW_OK;
  for (uint32_t i = 0; err == TW_OK && i < missing; i++) err = make(stock, &b, false, now_ms);
  if (err == TW_OK && last_resort) err = make(stock, &b, true, now_ms);
  if (err == TW_OK) {
    drop_old(stock, &b, now_ms);
    err = save_and_ask(stock, &b, tag);
  }
  batch_clear(&b);
  return err;
}

void tw_stock_published(tw_stock *stock) {
  uint8_t unsure_id[UNSURE_SIZE];
  put_unsure_id(stock, unsure_id);
  const tw_store_change sure = {.kind = TW_STORE_KEY_PACKAGE, .id = TW_ARRAY(unsure_id), .remove = true};
  if (stock->port->save(stock->port->ctx, &sure, 1) == TW_OK) stock->unsure = false;
}

tw_err tw_stock_drop(tw_stock *stock) {
  uint8_t ids[TW_STOCK_KEPT][ID_SIZE];
  tw_store_change changes[TW_STOCK_KEPT];
  if (stock->count == 0) return TW_OK;
  for (size_t i = 0; i < stock->count; i++) {
    put_id(stock, stock->list[i].ref, ids[i]);
    changes[i] = (tw_store_change){.kind = TW_STORE_KEY_PACKAGE, .id = TW_ARRAY(ids[i]), .remove = true};
  }
  TW_TRY(stock->port->save(stock->port->ctx, changes, stock->count));
  stock->count = 0; /* which makes the next publication replace what the relay has */
  return TW_OK;
}

/* ---- using one ---- */

void tw_stock_use_clear(tw_stock_use *use) {
  tw_buf_clear(&use->id);
  tw_buf_clear(&use->stored);
  tw_buf_clear(&use->value);
}

static size_t index_of(const tw_stock *stock, const uint8_t *ref) {
  for (size_t i = 0; i < stock->count; i++) {
    if (memcmp(stock->list[i].ref, ref, TW_STOCK_REF) == 0) return i;
  }
  return stock->count;
}

tw_err tw_stock_find(const tw_stock *stock, const uint8_t ref[TW_STOCK_REF], tw_stock_use *use) {
  uint8_t id[ID_SIZE];
  if (index_of(stock, ref) == stock->count) return TW_ERR_STATE;
  put_id(stock, ref, id);
  TW_TRY(tw_buf_assign(&use->id, TW_ARRAY(id)));
  const tw_node_port *port = stock->port;
  bool found;
  TW_TRY(port->load(port->ctx, TW_STORE_KEY_PACKAGE, tw_buf_bytes(&use->id), &use->stored, &found));
  return !found ? TW_ERR_STATE : decode(tw_buf_bytes(&use->stored), use);
}

static bool was_joined(tw_bytes joined, const uint8_t *random) {
  for (size_t at = 0; at < joined.len; at += TW_STOCK_RANDOM) {
    if (memcmp(joined.ptr + at, random, TW_STOCK_RANDOM) == 0) return true;
  }
  return false;
}

tw_err tw_stock_take(tw_stock_use *use, const uint8_t random[TW_STOCK_RANDOM]) {
  if (was_joined(use->joined, random)) return TW_ERR_STATE;
  use->change = (tw_store_change){.kind = TW_STORE_KEY_PACKAGE, .id = tw_buf_bytes(&use->id)};
  use->change.remove = !use->last_resort || use->joined.len >= (size_t)TW_STOCK_RANDOM * TW_STOCK_JOINED_MAX;
  if (use->change.remove) return TW_OK;
  TW_TRY(encode(use, TW_BYTES(random, TW_STOCK_RANDOM), &use->value));
  use->change.value = tw_buf_bytes(&use->value);
  return TW_OK;
}

void tw_stock_taken(tw_stock *stock, const tw_stock_use *use) {
  const size_t at = index_of(stock, use->id.ptr + 1);
  if (use->change.remove && at < stock->count) remove_item(stock, at);
}
