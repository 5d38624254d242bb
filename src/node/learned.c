/* SPDX-License-Identifier: Apache-2.0 */
#include "node/learned.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "node/config_index.h"
#include "node/config_value.h"
#include "node/ini.h"
#include "x509/x509.h"

enum { VERSION = 1, ID_SIZE = 1 + TW_FINGERPRINT_SIZE };
#define ID_MARK 'l'

void tw_learned_peer_clear(const tw_alloc *alloc, tw_learned_peer *peer) {
  tw_node_peer_clear(alloc, &peer->peer);
  tw_buf_clear(&peer->certificates);
  *peer = (tw_learned_peer){0};
}

void tw_learned_clear(tw_learned *learned) {
  for (size_t i = 0; i < learned->count; i++) tw_learned_peer_clear(learned->alloc, &learned->list[i]);
  tw_alloc_free(learned->alloc, learned->list);
  *learned = (tw_learned){0};
}

/* ---- what may be one ---- */

static tw_bytes text_of(const char *text) {
  return text == NULL ? TW_NO_BYTES : TW_BYTES((const uint8_t *)text, strlen(text));
}

static bool is_certificate_name(const char *name) {
  char parsed[TW_X509_NAME];
  return tw_x509_name_parse(name, TW_X509_NAME_ASKED, parsed, NULL) == TW_OK && strcmp(parsed, name) == 0;
}

static bool is_prefix(const tw_prefix *prefix) {
  static const tw_prefix multicast4 = {.family = 4, .length = 4, .address = {224}};
  static const tw_prefix multicast6 = {.family = 6, .length = 8, .address = {0xff}};
  if ((prefix->family != 4 && prefix->family != 6) || prefix->length > tw_prefix_bits(prefix)) return false;
  if (tw_prefix_contains(&multicast4, prefix) || tw_prefix_contains(&multicast6, prefix)) return false;
  const tw_prefix network = tw_prefix_network(prefix);
  return tw_prefix_compare(&network, prefix) == 0;
}

static bool is_valid(const tw_learned_peer *learned) {
  const tw_node_peer *peer = &learned->peer;
  if (!peer->key.given || peer->origin == TW_NODE_FROM_FILE || peer->origin > TW_NODE_FROM_LAST) return false;
  if (peer->endpoint.host != NULL || peer->line != 0) return false;
  const tw_bytes name = text_of(peer->name);
  if (peer->name != NULL && (!tw_ini_is_printable(name) || !tw_value_is_peer_name(name))) return false;
  if (peer->certificate != NULL && !is_certificate_name(peer->certificate)) return false;
  if (peer->allowed.count > TW_LEARNED_PREFIXES_MAX) return false;
  if (learned->certificates.len > TW_LEARNED_CERTIFICATES_MAX) return false;
  for (size_t i = 0; i < peer->allowed.count; i++)
    if (!is_prefix(&peer->allowed.list[i].prefix)) return false;
  return true;
}

/* ---- as a value ---- */

static void put_id(const tw_fingerprint *key, uint8_t id[ID_SIZE]) {
  id[0] = ID_MARK;
  memcpy(id + 1, key->digest, TW_FINGERPRINT_SIZE);
}

static bool is_id(tw_bytes id) { return id.len == ID_SIZE && id.ptr[0] == ID_MARK; }

/*
 * struct { uint8 family; uint8 length; opaque address[4 or 16]; } LearnedPrefix;
 * struct {
 *   uint8 version; uint8 origin; uint64 learned_at; uint64 not_before; uint64 not_after;
 *   opaque name<V>; opaque certificate_name<V>;  (empty: none)
 *   LearnedPrefix allowed<V>; opaque certificates<V>;
 * } LearnedPeer, under 'l' and the key's fingerprint.
 */
static tw_err encode(const tw_learned_peer *learned, tw_buf *value) {
  const tw_node_peer *peer = &learned->peer;
  tw_writer w = tw_writer_to(value);
  tw_write_u8(&w, VERSION);
  tw_write_u8(&w, (uint8_t)peer->origin);
  tw_write_u64(&w, learned->learned_at);
  tw_write_u64(&w, learned->not_before);
  tw_write_u64(&w, learned->not_after);
  tw_write_vector(&w, text_of(peer->name));
  tw_write_vector(&w, text_of(peer->certificate));
  const tw_vector_mark allowed = tw_write_open(&w);
  for (size_t i = 0; i < peer->allowed.count; i++) {
    const tw_prefix *prefix = &peer->allowed.list[i].prefix;
    tw_write_u8(&w, prefix->family);
    tw_write_u8(&w, prefix->length);
    tw_write_fixed(&w, TW_BYTES(prefix->address, tw_prefix_bits(prefix) / 8));
  }
  tw_write_close(&w, allowed);
  tw_write_vector(&w, tw_buf_bytes(&learned->certificates));
  return tw_writer_end(&w);
}

static tw_err decode_text(const tw_alloc *alloc, tw_bytes text, char **out) {
  if (text.len == 0) return TW_OK;
  if (memchr(text.ptr, '\0', text.len) != NULL) return TW_ERR_ENCODING;
  return tw_value_copy(alloc, text, out);
}

static tw_err decode_allowed(const tw_alloc *alloc, tw_bytes encoded, tw_node_prefixes *out) {
  tw_reader r = tw_reader_of(encoded);
  if (encoded.len == 0) return TW_OK;
  out->list = tw_alloc_array(alloc, TW_LEARNED_PREFIXES_MAX, sizeof *out->list);
  if (out->list == NULL) return TW_ERR_NO_MEMORY;
  out->room = TW_LEARNED_PREFIXES_MAX;
  while (tw_reader_more(&r)) {
    tw_prefix prefix = {.family = tw_read_u8(&r)};
    prefix.length = tw_read_u8(&r);
    const tw_bytes address = tw_read_fixed(&r, prefix.family == 4 ? 4 : 16);
    if (out->count == out->room || tw_reader_err(&r) != TW_OK) return TW_ERR_ENCODING;
    memcpy(prefix.address, address.ptr, address.len);
    out->list[out->count++] = (tw_node_prefix){prefix, 0};
  }
  return tw_reader_end(&r);
}

static tw_err decode(const tw_alloc *alloc, tw_bytes id, tw_bytes value, tw_learned_peer *out) {
  tw_reader r = tw_reader_of(value);
  if (tw_read_u8(&r) != VERSION) return TW_ERR_UNSUPPORTED;
  out->peer.origin = (tw_node_origin)tw_read_u8(&r);
  out->learned_at = tw_read_u64(&r);
  out->not_before = tw_read_u64(&r);
  out->not_after = tw_read_u64(&r);
  const tw_bytes name = tw_read_vector(&r);
  const tw_bytes certificate = tw_read_vector(&r);
  const tw_bytes allowed = tw_read_vector(&r);
  const tw_bytes certificates = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  out->certificates.alloc = alloc;
  out->peer.key.given = true;
  memcpy(out->peer.key.fingerprint.digest, id.ptr + 1, TW_FINGERPRINT_SIZE);
  TW_TRY(decode_text(alloc, name, &out->peer.name));
  TW_TRY(decode_text(alloc, certificate, &out->peer.certificate));
  TW_TRY(decode_allowed(alloc, allowed, &out->peer.allowed));
  TW_TRY(tw_buf_assign(&out->certificates, certificates));
  return is_valid(out) ? TW_OK : TW_ERR_ENCODING;
}

/* ---- the list ---- */

/* Where a key is, or belongs. */
static size_t place_of(const tw_learned *learned, const tw_fingerprint *key, bool *found) {
  size_t low = 0;
  *found = false;
  for (size_t high = learned->count; low < high && !*found;) {
    const size_t middle = low + (high - low) / 2;
    const int order = memcmp(&learned->list[middle].peer.key.fingerprint, key, sizeof *key);
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *found = low < learned->count && memcmp(&learned->list[low].peer.key.fingerprint, key, sizeof *key) == 0;
  return low;
}

const tw_learned_peer *tw_learned_find(const tw_learned *learned, const tw_fingerprint *key) {
  bool found;
  const size_t at = place_of(learned, key, &found);
  return found ? &learned->list[at] : NULL;
}

const tw_learned_peer *tw_learned_find_certificate(const tw_learned *learned, const char *name) {
  for (size_t i = 0; i < learned->count; i++) {
    const char *certificate = learned->list[i].peer.certificate;
    if (certificate != NULL && strcmp(certificate, name) == 0) return &learned->list[i];
  }
  return NULL;
}

static tw_err make_room(tw_learned *learned) {
  if (learned->count < learned->room) return TW_OK;
  const size_t room = learned->room == 0 ? 8 : learned->room * 2;
  tw_learned_peer *list = tw_alloc_resize_array(learned->alloc, learned->list, room, sizeof *list);
  if (list == NULL) return TW_ERR_NO_MEMORY;
  learned->list = list;
  learned->room = room;
  return TW_OK;
}

static void drop(tw_learned *learned, const tw_fingerprint *key) {
  bool found;
  const size_t at = place_of(learned, key, &found);
  if (!found) return;
  tw_learned_peer_clear(learned->alloc, &learned->list[at]);
  learned->count--;
  memmove(&learned->list[at], &learned->list[at + 1], (learned->count - at) * sizeof learned->list[0]);
}

/* There is room, and it is not there. */
static void insert(tw_learned *learned, const tw_learned_peer *peer) {
  bool found;
  const size_t at = place_of(learned, &peer->peer.key.fingerprint, &found);
  memmove(&learned->list[at + 1], &learned->list[at], (learned->count - at) * sizeof learned->list[0]);
  learned->list[at] = *peer;
  learned->count++;
}

/* ---- the store ---- */

typedef struct loading {
  tw_learned *learned;
  tw_problems *told;
  tw_buf bad; /* ids to be deleted */
} loading;

static tw_err note_bad(loading *l, tw_bytes id, tw_err why) {
  tw_problems_add(l->told, "a learned peer", 0, "its saved value is of no use any more: %s", tw_err_text(why));
  tw_writer w = tw_writer_to(&l->bad);
  tw_write_vector(&w, id);
  return tw_writer_end(&w);
}

static tw_err load_one(void *ctx, tw_bytes id, tw_bytes value) {
  loading *l = ctx;
  tw_learned_peer peer = {0};
  if (!is_id(id)) return TW_OK;
  tw_err err = l->learned->count == TW_LEARNED_MAX ? TW_ERR_LIMIT : decode(l->learned->alloc, id, value, &peer);
  if (err == TW_OK) err = make_room(l->learned);
  if (err == TW_OK) {
    insert(l->learned, &peer);
    return TW_OK;
  }
  tw_learned_peer_clear(l->learned->alloc, &peer);
  return err == TW_ERR_NO_MEMORY ? err : note_bad(l, id, err);
}

tw_err tw_learned_load(const tw_alloc *alloc, tw_store *store, tw_learned *learned, tw_problems *told,
                       tw_report *report) {
  *learned = (tw_learned){.alloc = alloc, .store = store};
  loading l = {.learned = learned, .told = told, .bad = TW_BUF_INIT(alloc)};
  tw_err err = tw_store_each(store, TW_STORE_NODE, load_one, &l, report);
  if (err == TW_OK) err = tw_store_delete(store, TW_STORE_NODE, tw_buf_bytes(&l.bad), report);
  tw_buf_clear(&l.bad);
  if (err != TW_OK) tw_learned_clear(learned);
  return err;
}

static tw_err copy(const tw_alloc *alloc, const tw_learned_peer *from, tw_learned_peer *to) {
  *to = (tw_learned_peer){.certificates = TW_BUF_INIT(alloc),
                          .learned_at = from->learned_at,
                          .not_before = from->not_before,
                          .not_after = from->not_after};
  tw_err err = tw_node_peer_copy(alloc, &from->peer, &to->peer);
  if (err == TW_OK) err = tw_buf_assign(&to->certificates, tw_buf_bytes(&from->certificates));
  if (err != TW_OK) tw_learned_peer_clear(alloc, to);
  return err;
}

static tw_err save(const tw_learned *learned, const tw_learned_peer *peer, const tw_fingerprint *instead_of,
                   tw_report *report) {
  uint8_t ids[2][ID_SIZE];
  tw_store_change changes[2];
  size_t count = 0;
  tw_buf value = TW_BUF_INIT(learned->alloc);
  tw_err err = encode(peer, &value);
  if (err == TW_OK && instead_of != NULL) {
    put_id(instead_of, ids[0]);
    changes[count++] = (tw_store_change){.kind = TW_STORE_NODE, .id = TW_ARRAY(ids[0]), .remove = true};
  }
  put_id(&peer->peer.key.fingerprint, ids[1]);
  changes[count++] = (tw_store_change){.kind = TW_STORE_NODE, .id = TW_ARRAY(ids[1]), .value = tw_buf_bytes(&value)};
  if (err == TW_OK) err = tw_store_apply(learned->store, changes, count, report);
  tw_buf_clear(&value);
  return err;
}

tw_err tw_learned_put(tw_learned *learned, const tw_learned_peer *peer, const tw_fingerprint *instead_of,
                      tw_report *report) {
  tw_learned_peer made;
  const tw_fingerprint key = peer->peer.key.fingerprint; /* it may be in the list, as may the other one */
  const tw_fingerprint gone = instead_of != NULL ? *instead_of : key;
  if (!is_valid(peer)) return tw_report_fail(report, TW_ERR_ARGUMENT, "that is no peer to be kept");
  if (learned->count == TW_LEARNED_MAX && tw_learned_find(learned, &gone) == NULL &&
      tw_learned_find(learned, &key) == NULL)
    return tw_report_fail(report, TW_ERR_LIMIT, "more than %d peers were learned", TW_LEARNED_MAX);
  tw_err err = copy(learned->alloc, peer, &made);
  if (err == TW_OK && (err = make_room(learned)) != TW_OK) tw_learned_peer_clear(learned->alloc, &made);
  if (err != TW_OK) return tw_report_fail(report, err, "%s", tw_err_text(err));
  err = save(learned, &made, instead_of != NULL ? &gone : NULL, report);
  if (err != TW_OK) {
    tw_learned_peer_clear(learned->alloc, &made);
    return err;
  }
  drop(learned, &gone);
  drop(learned, &key);
  insert(learned, &made);
  return TW_OK;
}

tw_err tw_learned_remove(tw_learned *learned, const tw_fingerprint *key, tw_report *report) {
  uint8_t id[ID_SIZE];
  const tw_fingerprint gone = *key; /* it may be in the list */
  put_id(&gone, id);
  const tw_store_change change = {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .remove = true};
  TW_TRY(tw_store_apply(learned->store, &change, 1, report));
  drop(learned, &gone);
  return TW_OK;
}

/* ---- in a configuration ---- */

typedef struct learned_ref {
  const tw_learned_peer *peer;
} learned_ref;

static int by_time(const void *left, const void *right) {
  const tw_learned_peer *a = ((const learned_ref *)left)->peer;
  const tw_learned_peer *b = ((const learned_ref *)right)->peer;
  if (a->learned_at != b->learned_at) return a->learned_at < b->learned_at ? -1 : 1;
  return memcmp(&a->peer.key.fingerprint, &b->peer.key.fingerprint, sizeof a->peer.key.fingerprint);
}

tw_err tw_learned_append(const tw_learned *learned, const tw_fingerprint *own, tw_node_config *config,
                         tw_problems *told) {
  if (learned->count == 0) return TW_OK;
  learned_ref *order = tw_alloc_array(learned->alloc, learned->count, sizeof *order);
  if (order == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < learned->count; i++) order[i].peer = &learned->list[i];
  qsort(order, learned->count, sizeof *order, by_time);
  tw_config_index index;
  tw_err err = tw_config_index_open(config, &index);
  for (size_t i = 0; err == TW_OK && i < learned->count; i++)
    err = tw_config_index_append(&index, own, &order[i].peer->peer, told);
  tw_config_index_close(&index);
  tw_alloc_free(learned->alloc, order);
  return err;
}
