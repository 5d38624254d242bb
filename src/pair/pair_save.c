/* A pair in one blob. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "pair/binding.h"
#include "pair/pair_internal.h"

enum { MAGIC = 0x54575052, VERSION = 4 };

/*
 * struct {
 *   uint32 magic = "TWPR"; uint16 version = 4; uint16 cipher_suite; uint8 role; uint8 state; uint8 tie_met;
 *   opaque binding<V>;      -- our ChannelBinding
 *   uint64 own_leaf_since_ms, peer_leaf_since_ms, pending_since_ms, own_updates, peer_updates, ties, resumptions;
 *   opaque applied<V>; uint8 applied_in_sight;
 *   opaque request_nonce<V>; -- of the request that brought it; empty where it came otherwise
 *   opaque key_package<V>;  -- tw_key_package_save; the following three empty where there is none
 *   opaque group<V>;        -- tw_group_save
 *   opaque pending<V>;      -- tw_group_save
 *   opaque pending_commit<V>;
 * } SavedPair
 */
static void write_group(tw_writer *w, const tw_group *group) {
  const tw_vector_mark mark = tw_write_open(w);
  if (group != NULL && w->err == TW_OK) {
    const tw_err err = tw_group_save(group, w->buf);
    if (err != TW_OK) tw_writer_fail(w, err);
  }
  tw_write_close(w, mark);
}

static void write_key_package(tw_writer *w, const tw_key_package *key_package) {
  const tw_vector_mark mark = tw_write_open(w);
  if (key_package != NULL && w->err == TW_OK) {
    const tw_err err = tw_key_package_save(key_package, w->buf);
    if (err != TW_OK) tw_writer_fail(w, err);
  }
  tw_write_close(w, mark);
}

tw_err tw_pair_save(const tw_pair *pair, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u32(&w, MAGIC);
  tw_write_u16(&w, VERSION);
  tw_write_u16(&w, tw_suite_id(tw_pair_env(pair), pair->client.suite));
  tw_write_u8(&w, (uint8_t)pair->role);
  tw_write_u8(&w, (uint8_t)pair->state);
  tw_write_u8(&w, pair->tie_met ? 1 : 0);
  tw_write_vector(&w, tw_buf_bytes(&pair->binding));
  const uint64_t numbers[] = {pair->own_leaf_since_ms, pair->peer_leaf_since_ms, pair->pending_since_ms,
                              pair->own_updates,       pair->peer_updates,       pair->ties,
                              pair->resumptions};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) tw_write_u64(&w, numbers[i]);
  tw_write_vector(&w, TW_BYTES(pair->applied, pair->applied_len));
  tw_write_u8(&w, pair->applied_in_sight ? 1 : 0);
  tw_write_vector(&w, TW_BYTES(pair->request_nonce, pair->by_request ? TW_PAIR_NONCE : 0));
  write_key_package(&w, pair->key_package);
  write_group(&w, pair->group);
  write_group(&w, pair->pending);
  tw_write_vector(&w, tw_buf_bytes(&pair->pending_commit));
  return tw_writer_end(&w);
}

typedef struct saved_pair {
  uint16_t suite;
  uint8_t role;
  uint8_t state;
  bool tie_met;
  tw_bytes binding;
  uint64_t own_leaf_since_ms, peer_leaf_since_ms, pending_since_ms, own_updates, peer_updates, ties, resumptions;
  tw_bytes applied;
  bool applied_in_sight;
  tw_bytes request_nonce;
  tw_bytes key_package, group, pending, pending_commit;
} saved_pair;

/* What each state has to come with. */
static bool fits_state(const saved_pair *saved) {
  const bool waiting = saved->state >= TW_PAIR_LEADING && saved->state <= TW_PAIR_ANSWERED;
  const bool hello = saved->state == TW_PAIR_HELLO_SENT;
  if (hello != (saved->key_package.len > 0) || hello == (saved->group.len > 0)) return false;
  if (waiting != (saved->pending.len > 0) || waiting != (saved->pending_commit.len > 0)) return false;
  if (saved->tie_met && saved->state != TW_PAIR_LEADING) return false;
  if (saved->applied_in_sight && saved->applied.len == 0) return false;
  const size_t nonce = saved->request_nonce.len;
  if (nonce > 0 && (nonce != TW_PAIR_NONCE || !saved->applied_in_sight)) return false;
  const bool is_answer = saved->state == TW_PAIR_ANSWERED; /* to a request that has been applied */
  if (is_answer && !saved->applied_in_sight) return false;
  switch (saved->state) {
  case TW_PAIR_HELLO_SENT:
  case TW_PAIR_LEADING: return saved->role == TW_PAIR_INITIATOR;
  case TW_PAIR_UNCONFIRMED:
  case TW_PAIR_YIELDING: return saved->role == TW_PAIR_RESPONDER;
  case TW_PAIR_STEADY:
  case TW_PAIR_ASKING:
  case TW_PAIR_ANSWERED: return saved->role == TW_PAIR_INITIATOR || saved->role == TW_PAIR_RESPONDER;
  default: return false;
  }
}

static tw_err read_saved(tw_bytes encoded, saved_pair *out) {
  tw_reader r = tw_reader_of(encoded);
  if (tw_read_u32(&r) != MAGIC) tw_reader_fail(&r, TW_ERR_ENCODING);
  if (tw_read_u16(&r) != VERSION) tw_reader_fail(&r, TW_ERR_UNSUPPORTED);
  out->suite = tw_read_u16(&r);
  out->role = tw_read_u8(&r);
  out->state = tw_read_u8(&r);
  out->tie_met = tw_read_present(&r);
  out->binding = tw_read_vector(&r);
  out->own_leaf_since_ms = tw_read_u64(&r);
  out->peer_leaf_since_ms = tw_read_u64(&r);
  out->pending_since_ms = tw_read_u64(&r);
  out->own_updates = tw_read_u64(&r);
  out->peer_updates = tw_read_u64(&r);
  out->ties = tw_read_u64(&r);
  out->resumptions = tw_read_u64(&r);
  out->applied = tw_read_vector(&r);
  out->applied_in_sight = tw_read_present(&r);
  out->request_nonce = tw_read_vector(&r);
  out->key_package = tw_read_vector(&r);
  out->group = tw_read_vector(&r);
  out->pending = tw_read_vector(&r);
  out->pending_commit = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  return fits_state(out) ? TW_OK : TW_ERR_ENCODING;
}

static tw_err load_group(const tw_pair *pair, tw_bytes saved, tw_group **group) {
  if (saved.len == 0) return TW_OK;
  TW_TRY(tw_group_load(&pair->client, saved, group));
  return tw_pair_check_group(pair, *group);
}

/* What it has loaded when it fails is the pair's to free. */
static tw_err fill(tw_pair *pair, const saved_pair *saved) {
  if (saved->key_package.len > 0) TW_TRY(tw_key_package_load(&pair->client, saved->key_package, &pair->key_package));
  TW_TRY(load_group(pair, saved->group, &pair->group));
  TW_TRY(load_group(pair, saved->pending, &pair->pending));
  if (pair->pending != NULL && tw_group_epoch(pair->pending) != tw_group_epoch(pair->group) + 1) return TW_ERR_ENCODING;
  TW_TRY(tw_buf_append(&pair->pending_commit, saved->pending_commit));
  if (saved->applied.len > 0) {
    if (saved->applied.len != pair->client.suite->hash->size) return TW_ERR_ENCODING;
    memcpy(pair->applied, saved->applied.ptr, saved->applied.len);
    pair->applied_len = (uint8_t)saved->applied.len;
    pair->applied_in_sight = saved->applied_in_sight;
    pair->by_request = saved->request_nonce.len > 0;
    if (pair->by_request) memcpy(pair->request_nonce, saved->request_nonce.ptr, TW_PAIR_NONCE);
  }
  pair->state = (tw_pair_state)saved->state;
  pair->tie_met = saved->tie_met;
  pair->own_leaf_since_ms = saved->own_leaf_since_ms;
  pair->peer_leaf_since_ms = saved->peer_leaf_since_ms;
  pair->pending_since_ms = saved->pending_since_ms;
  pair->own_updates = saved->own_updates;
  pair->peer_updates = saved->peer_updates;
  pair->ties = saved->ties;
  pair->resumptions = saved->resumptions;
  return TW_OK;
}

tw_err tw_pair_load(const tw_pair_config *config, tw_bytes encoded, tw_pair **out) {
  TW_TRY(tw_pair_check_config(config));
  saved_pair saved;
  TW_TRY(read_saved(encoded, &saved));
  tw_channel_binding binding;
  TW_TRY(tw_channel_binding_decode(saved.binding, &binding));
  if (!tw_bytes_equal(binding.label, config->label)) return TW_ERR_BINDING;
  const tw_client *client;
  TW_TRY(tw_pair_find_client(config, saved.suite, &client));
  tw_pair *pair;
  TW_TRY(tw_pair_new(config, client, binding.parameters, (tw_pair_role)saved.role, &pair));
  const tw_err err = fill(pair, &saved);
  if (err != TW_OK) {
    tw_pair_free(pair);
    return err;
  }
  *out = pair;
  return TW_OK;
}
