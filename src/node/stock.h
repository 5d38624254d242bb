/* Key packages at the relay, for others to begin something with us while we are away. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_STOCK_H
#define TW_NODE_STOCK_H

#include "node/port.h"

enum {
  TW_STOCK_REF = 16,
  TW_STOCK_WANTED_MAX = 8,
  TW_STOCK_KEPT = 64,      /* of ours that may still be used, in all */
  TW_STOCK_RANDOM = 16,    /* bytes that tell the groups apart that a last resort was joined with */
  TW_STOCK_JOINED_MAX = 64 /* such groups: then it is replaced */
};
/** After this a last resort is replaced, and what nobody has used is thrown away after twice as long. */
#define TW_STOCK_AGE_MS (UINT64_C(28) * 24 * 3600 * 1000)

typedef struct tw_stock_item {
  uint8_t ref[TW_STOCK_REF];
  bool last_resort;
  uint64_t made_ms;
} tw_stock_item;

/**
 * One pool. Zero-initialise and set the first part, which is borrowed. What is secret of the items is in the store
 * alone (kind TW_STORE_KEY_PACKAGE).
 */
typedef struct tw_stock {
  const tw_node_port *port;
  tw_control_pool pool;
  uint8_t prefix;  /* of ids in the store: another one for each pool */
  uint32_t wanted; /* at the relay, beside the last resort */
  /** A fresh one: what is published, what is kept secretly, and a reference of it. */
  tw_err (*make)(void *ctx, bool last_resort, uint64_t now_ms, tw_buf *published, tw_buf *kept,
                 uint8_t ref[TW_STOCK_REF]);
  void *ctx;

  tw_stock_item list[TW_STOCK_KEPT];
  size_t count;
  bool unsure; /* the relay may not have got the last ones: it is told to replace all that it has */
} tw_stock;

/** Whether an id of the store is of this pool. */
bool tw_stock_is_id(const tw_stock *stock, tw_bytes id);
/** One of the store's values. Errors: not such a value. */
TW_MUST_USE tw_err tw_stock_load(tw_stock *stock, tw_bytes id, tw_bytes value);

/** The relay has so many of ours: make what is missing, save it and ask the relay to publish it, with `tag`. */
TW_MUST_USE tw_err tw_stock_publish(tw_stock *stock, uint32_t at_relay, uint64_t now_ms, uint64_t tag);
/** The relay has confirmed what it was asked to publish. */
void tw_stock_published(tw_stock *stock);

/** All that we have left so far are of no use any more: their secrets go, and the relay is told to replace them with
 * the next ones. On error all is as it was. */
TW_MUST_USE tw_err tw_stock_drop(tw_stock *stock);

/** One that somebody uses. Zero-initialise; tw_stock_use_clear. */
typedef struct tw_stock_use {
  tw_buf id;
  tw_buf stored;
  tw_buf value;
  tw_bytes kept; /* as `make` gave it */
  tw_bytes joined;
  bool last_resort;
  uint64_t made_ms;
  tw_store_change change; /* what has to be saved together with what came of it, after tw_stock_take */
} tw_stock_use;
void tw_stock_use_clear(tw_stock_use *use);
/** TW_ERR_STATE: there is none (any more). */
TW_MUST_USE tw_err tw_stock_find(const tw_stock *stock, const uint8_t ref[TW_STOCK_REF], tw_stock_use *use);
/** A group has come of it, that has `random` in its id. TW_ERR_STATE: it was joined with this one before. */
TW_MUST_USE tw_err tw_stock_take(tw_stock_use *use, const uint8_t random[TW_STOCK_RANDOM]);
/** `use->change` has been saved. */
void tw_stock_taken(tw_stock *stock, const tw_stock_use *use);

#endif
