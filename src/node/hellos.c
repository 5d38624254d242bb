/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hellos.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/crypto.h"

enum { ID_SIZE = 1 + TW_MAIL_REF, GROUP_RANDOM = 16 };

static void put_id(const uint8_t ref[TW_MAIL_REF], uint8_t id[ID_SIZE]) {
  id[0] = 'p';
  memcpy(id + 1, ref, TW_MAIL_REF);
}

/* Stands in the store as long as the relay has not confirmed the newest ones. */
static const uint8_t unsure_id[] = {'p', '?'};

static bool is_unsure_id(tw_bytes id) { return tw_bytes_equal(id, TW_ARRAY(unsure_id)); }

bool tw_hellos_is_id(tw_bytes id) { return (id.len == ID_SIZE && id.ptr[0] == 'p') || is_unsure_id(id); }

tw_err tw_hello_ref(const tw_env *env, tw_bytes client_hello, uint8_t ref[TW_MAIL_REF]) {
  const tw_suite *sha256 = tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519");
  uint8_t digest[TW_HASH_MAX];
  TW_TRY(tw_hash_parts(env, sha256, &client_hello, 1, digest));
  memcpy(ref, digest, TW_MAIL_REF);
  return TW_OK;
}

/*
 * struct { uint8 last_resort; uint64 made_ms; opaque joined<V>; opaque pair<V>; } SavedHello. `joined` has the random
 * part of each group that was joined with it: a last resort can be answered more than once, and the relay may repeat
 * answers.
 */
typedef struct saved_hello {
  bool last_resort;
  uint64_t made_ms;
  tw_bytes joined;
  tw_bytes pair;
} saved_hello;

static tw_err decode(tw_bytes value, saved_hello *out) {
  tw_reader r = tw_reader_of(value);
  out->last_resort = tw_read_u8(&r) != 0;
  out->made_ms = tw_read_u64(&r);
  out->joined = tw_read_vector(&r);
  out->pair = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  return out->joined.len % GROUP_RANDOM == 0 ? TW_OK : TW_ERR_ENCODING;
}

static tw_err encode(const saved_hello *hello, tw_bytes joined_now, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, hello->last_resort);
  tw_write_u64(&w, hello->made_ms);
  const tw_vector_mark joined = tw_write_open(&w);
  tw_write_fixed(&w, hello->joined);
  tw_write_fixed(&w, joined_now);
  tw_write_close(&w, joined);
  tw_write_vector(&w, hello->pair);
  return tw_writer_end(&w);
}

tw_err tw_hellos_load(tw_hellos *hellos, tw_bytes id, tw_bytes value) {
  saved_hello saved;
  if (!tw_hellos_is_id(id)) return TW_ERR_ENCODING;
  if (is_unsure_id(id)) {
    hellos->unsure = true;
    return TW_OK;
  }
  TW_TRY(decode(value, &saved));
  if (hellos->count == TW_HELLOS_KEPT) return TW_ERR_LIMIT;
  tw_hello *hello = &hellos->list[hellos->count++];
  *hello = (tw_hello){.last_resort = saved.last_resort, .made_ms = saved.made_ms};
  memcpy(hello->ref, id.ptr + 1, TW_MAIL_REF);
  return TW_OK;
}

/* ---- making them ---- */

typedef struct batch {
  tw_hello made[TW_HELLOS_WANTED + 1];
  uint8_t ids[TW_HELLOS_WANTED + 1 + TW_HELLOS_KEPT][ID_SIZE];
  tw_buf values[TW_HELLOS_WANTED + 1];
  tw_store_change changes[TW_HELLOS_WANTED + 2 + TW_HELLOS_KEPT];
  size_t count; /* made */
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

static tw_err encode_new(const tw_hello *hello, const tw_pair *pair, tw_buf *value) {
  tw_buf blob = {0};
  tw_err err = tw_pair_save(pair, &blob);
  const saved_hello saved = {hello->last_resort, hello->made_ms, TW_NO_BYTES, tw_buf_bytes(&blob)};
  if (err == TW_OK) err = encode(&saved, TW_NO_BYTES, value);
  tw_buf_clear(&blob);
  return err;
}

static tw_err make(const tw_hellos *hellos, batch *b, bool last_resort, uint64_t now_ms) {
  tw_hello *hello = &b->made[b->count];
  tw_buf *value = &b->values[b->count++];
  *hello = (tw_hello){.last_resort = last_resort, .made_ms = now_ms};
  tw_pair *pair = NULL;
  tw_buf message = {0};
  tw_err err = tw_pair_initiate(hellos->pair, now_ms, &pair, &message);
  if (err == TW_OK) err = tw_hello_ref(hellos->env, tw_buf_bytes(&message), hello->ref);
  if (err == TW_OK) err = encode_new(hello, pair, value);
  if (err == TW_OK && last_resort) err = tw_buf_assign(&b->last_resort, tw_buf_bytes(&message));
  if (err == TW_OK && !last_resort) {
    tw_writer w = tw_writer_to(&b->key_packages);
    tw_write_vector(&w, tw_buf_bytes(&message));
    err = tw_writer_end(&w);
  }
  if (err == TW_OK) {
    uint8_t *id = b->ids[b->change_count];
    put_id(hello->ref, id);
    b->changes[b->change_count++] = (tw_store_change){
        .kind = TW_STORE_KEY_PACKAGE, .id = TW_BYTES(id, ID_SIZE), .value = tw_buf_bytes(value)};
  }
  tw_buf_clear(&message);
  tw_pair_free(pair);
  return err;
}

static bool is_too_old(const tw_hello *hello, uint64_t now_ms) {
  return now_ms > hello->made_ms + 2 * TW_HELLOS_AGE_MS;
}

/* Those of old that nobody will answer any more; the oldest ones too where there is no room for `wanted` others. */
static void drop_old(tw_hellos *hellos, batch *b, size_t wanted, uint64_t now_ms) {
  size_t i = 0;
  while (i < hellos->count) {
    if (!is_too_old(&hellos->list[i], now_ms) && hellos->count + wanted <= TW_HELLOS_KEPT) {
      i++;
      continue;
    }
    size_t oldest = i;
    for (size_t k = i; k < hellos->count; k++) {
      if (hellos->list[k].made_ms < hellos->list[oldest].made_ms) oldest = k;
    }
    uint8_t *id = b->ids[b->change_count];
    put_id(hellos->list[oldest].ref, id);
    b->changes[b->change_count++] = (tw_store_change){
        .kind = TW_STORE_KEY_PACKAGE, .id = TW_BYTES(id, ID_SIZE), .remove = true};
    memmove(&hellos->list[oldest], &hellos->list[oldest + 1], (hellos->count - oldest - 1) * sizeof(tw_hello));
    hellos->count--;
  }
}

static bool has_last_resort(const tw_hellos *hellos, uint64_t now_ms) {
  for (size_t i = 0; i < hellos->count; i++) {
    if (hellos->list[i].last_resort && now_ms < hellos->list[i].made_ms + TW_HELLOS_AGE_MS) return true;
  }
  return false;
}

static tw_err save_and_ask(tw_hellos *hellos, batch *b, uint64_t tag) {
  const tw_control_request request = {.type = TW_CONTROL_PUBLISH,
                                      .body.publish = {TW_CONTROL_POOL_PAIR, b->replaces,
                                                       tw_buf_bytes(&b->key_packages), tw_buf_bytes(&b->last_resort)}};
  b->changes[b->change_count++] = (tw_store_change){
      .kind = TW_STORE_KEY_PACKAGE, .id = TW_ARRAY(unsure_id), .value = TW_LITERAL("?")};
  TW_TRY(hellos->port->save(hellos->port->ctx, b->changes, b->change_count));
  hellos->unsure = true;
  for (size_t i = 0; i < b->count; i++) hellos->list[hellos->count++] = b->made[i];
  return hellos->port->request(hellos->port->ctx, &request, tag);
}

/* Those that are used once. */
static size_t count_single(const tw_hellos *hellos) {
  size_t count = 0;
  for (size_t i = 0; i < hellos->count; i++) count += !hellos->list[i].last_resort;
  return count;
}

tw_err tw_hellos_publish(tw_hellos *hellos, uint32_t stock, uint64_t now_ms, uint64_t tag, bool *asked) {
  /* More than we know of, or none of ours: our state was lost, and nobody should be given one of those. */
  const bool replaces = hellos->unsure || hellos->count == 0 || stock > count_single(hellos);
  if (replaces) stock = 0;
  const size_t wanted = stock < TW_HELLOS_WANTED ? TW_HELLOS_WANTED - stock : 0;
  const bool last_resort = replaces || !has_last_resort(hellos, now_ms);
  *asked = false;
  if (wanted == 0 && !last_resort) return TW_OK;
  batch b = {.replaces = replaces};
  tw_err err = TW_OK;
  for (size_t i = 0; err == TW_OK && i < wanted; i++) err = make(hellos, &b, false, now_ms);
  if (err == TW_OK && last_resort) err = make(hellos, &b, true, now_ms);
  if (err == TW_OK) {
    drop_old(hellos, &b, b.count, now_ms);
    err = save_and_ask(hellos, &b, tag);
  }
  *asked = err == TW_OK;
  batch_clear(&b);
  return err;
}

void tw_hellos_published(tw_hellos *hellos) {
  const tw_store_change sure = {.kind = TW_STORE_KEY_PACKAGE, .id = TW_ARRAY(unsure_id), .remove = true};
  if (hellos->port->save(hellos->port->ctx, &sure, 1) == TW_OK) hellos->unsure = false;
}

/* ---- an answer ---- */

static bool was_joined(tw_bytes joined, const uint8_t *random) {
  for (size_t at = 0; at < joined.len; at += GROUP_RANDOM) {
    if (memcmp(joined.ptr + at, random, GROUP_RANDOM) == 0) return true;
  }
  return false;
}

/* What becomes of the saved hello once `pair` has come of it. */
static tw_err used(const saved_hello *saved, const tw_pair *pair, tw_store_change *change, tw_buf *value) {
  const tw_bytes group_id = tw_group_id(tw_pair_group(pair));
  const uint8_t *random = group_id.ptr + group_id.len - GROUP_RANDOM;
  if (was_joined(saved->joined, random)) return TW_ERR_STATE;
  change->remove = !saved->last_resort || saved->joined.len >= GROUP_RANDOM * TW_HELLOS_JOINED_MAX;
  if (change->remove) return TW_OK;
  TW_TRY(encode(saved, TW_BYTES(random, GROUP_RANDOM), value));
  change->value = tw_buf_bytes(value);
  return TW_OK;
}

static tw_err answer(const tw_hellos *hellos, const saved_hello *saved, tw_bytes server_hello, uint64_t now_ms,
                     tw_pair **pair, tw_store_change *change, tw_buf *value) {
  tw_pair *loaded = NULL;
  tw_pair_event event;
  tw_buf reply = {0};
  TW_TRY(tw_pair_load(hellos->pair, saved->pair, &loaded));
  tw_err err = tw_pair_receive(loaded, server_hello, now_ms, &reply, &event);
  if (err == TW_OK) err = used(saved, loaded, change, value);
  if (err == TW_OK) {
    *pair = loaded;
    loaded = NULL;
  }
  tw_buf_clear(&reply);
  tw_pair_free(loaded);
  return err;
}

static tw_hello *find(tw_hellos *hellos, const uint8_t ref[TW_MAIL_REF]) {
  for (size_t i = 0; i < hellos->count; i++) {
    if (memcmp(hellos->list[i].ref, ref, TW_MAIL_REF) == 0) return &hellos->list[i];
  }
  return NULL;
}

tw_err tw_hellos_join(tw_hellos *hellos, const uint8_t ref[TW_MAIL_REF], tw_bytes server_hello, uint64_t now_ms,
                      tw_pair **pair, tw_store_change *change, tw_buf *id, tw_buf *value) {
  if (find(hellos, ref) == NULL) return TW_ERR_STATE;
  uint8_t raw[ID_SIZE];
  put_id(ref, raw);
  TW_TRY(tw_buf_assign(id, TW_ARRAY(raw)));
  tw_buf stored = {0};
  saved_hello saved;
  *change = (tw_store_change){.kind = TW_STORE_KEY_PACKAGE, .id = tw_buf_bytes(id)};
  tw_err err = hellos->port->load(hellos->port->ctx, TW_STORE_KEY_PACKAGE, tw_buf_bytes(id), &stored);
  if (err == TW_OK) err = decode(tw_buf_bytes(&stored), &saved);
  if (err == TW_OK) err = answer(hellos, &saved, server_hello, now_ms, pair, change, value);
  tw_buf_clear(&stored);
  return err;
}

void tw_hellos_joined(tw_hellos *hellos, const uint8_t ref[TW_MAIL_REF], const tw_store_change *change) {
  tw_hello *hello = find(hellos, ref);
  if (hello == NULL || !change->remove) return;
  const size_t at = (size_t)(hello - hellos->list);
  memmove(hello, hello + 1, (hellos->count - at - 1) * sizeof *hello);
  hellos->count--;
}
