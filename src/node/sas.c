/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sas.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "esp/keys.h"

enum { BUCKETS_MIN = 64, GROUP_RANDOM = 16, MARK_ID_MAX = 1 + GROUP_RANDOM + 8 + 4 + 4 + TW_ESP_CONNECTION_MAX };
/* When so few reserved numbers are left, more are: packets go on while the disk writes that. */
#define LOW_WATER (TW_SAS_BLOCK / 2)
enum { RESERVE_AGAIN_MS = 1000 };
/* However silent the other side is, old keys do not stay for ever. */
#define STAY_MAX_MS (UINT64_C(24) * 3600 * 1000)

typedef struct sa_out {
  tw_esp_out esp;
  uint64_t reserve_at_ms;  /* not before: the disk did not take the last one */
  bool stale;              /* receiving keys of the owner could not be taken up */
  tw_packet_signer signer; /* of the network's alone */
  uint8_t id[MARK_ID_MAX]; /* of its mark in the store; the length 0: there is none */
  size_t id_len;
} sa_out;

struct tw_sas {
  tw_sas_config config;
  tw_node_keys keys;
  tw_sa_in **buckets;
  size_t bucket_count; /* a power of two */
  size_t count;
  sa_out *outs; /* config.owners + 1, the network's is the last */
  uint64_t last_stamp;
  uint64_t added;
  uint64_t now_ms;
  bool loading;
};

/* What packets would notice. */
static void between(const tw_sas *sas, void (*act)(void *arg), void *arg) {
  if (sas->config.between != NULL)
    sas->config.between(sas->config.ctx, act, arg);
  else
    act(arg);
}

static const tw_alloc *alloc_of(const tw_sas *sas) { return tw_env_alloc(sas->config.env); }

static sa_out *out_of(const tw_sas *sas, uint32_t owner) {
  if (owner == TW_SAS_NETWORK) return &sas->outs[sas->config.owners];
  return owner < sas->config.owners ? &sas->outs[owner] : NULL;
}

/* ---- receiving ---- */

static size_t bucket_of(const tw_sas *sas, uint32_t spi) { return spi & (sas->bucket_count - 1); }

tw_sa_in *tw_sas_in(tw_sas *sas, uint32_t spi) {
  tw_sa_in *sa = sas->buckets[bucket_of(sas, spi)];
  while (sa != NULL && sa->esp.spi != spi) sa = sa->next;
  return sa;
}

tw_sa_in *tw_sas_in_next(const tw_sa_in *sa) {
  tw_sa_in *next = sa->next;
  while (next != NULL && next->esp.spi != sa->esp.spi) next = next->next;
  return next;
}

size_t tw_sas_count(const tw_sas *sas, uint32_t owner) {
  size_t count = 0;
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (const tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) count += sa->owner == owner && !sa->refused;
  }
  return count;
}

uint64_t tw_sas_added(const tw_sas *sas) { return sas->added; }

static void push(tw_sas *sas, tw_sa_in *sa) {
  tw_sa_in **bucket = &sas->buckets[bucket_of(sas, sa->esp.spi)];
  sa->next = *bucket;
  *bucket = sa;
}

typedef struct growth {
  tw_sas *sas;
  tw_sa_in **buckets; /* the new ones; then the old ones */
} growth;

static void move_all(void *arg) {
  growth *g = arg;
  tw_sas *sas = g->sas;
  tw_sa_in **old = sas->buckets;
  const size_t old_count = sas->bucket_count;
  sas->buckets = g->buckets;
  sas->bucket_count = old_count * 2;
  for (size_t i = 0; i < old_count; i++) {
    while (old[i] != NULL) {
      tw_sa_in *sa = old[i];
      old[i] = sa->next;
      push(sas, sa);
    }
  }
  g->buckets = old;
}

static tw_err grow(tw_sas *sas) {
  growth g = {sas, tw_alloc_array(alloc_of(sas), sas->bucket_count * 2, sizeof(tw_sa_in *))};
  if (g.buckets == NULL) return TW_ERR_NO_MEMORY;
  between(sas, move_all, &g);
  tw_alloc_free(alloc_of(sas), g.buckets);
  return TW_OK;
}

typedef struct addition {
  tw_sas *sas;
  tw_sa_in *sa;
} addition;

static void push_it(void *arg) {
  const addition *a = arg;
  push(a->sas, a->sa);
}

typedef enum doom { OF_STAMP, OF_OWNER, OVER, ALL } doom;

static bool is_doomed(const tw_sas *sas, const tw_sa_in *sa, doom what, uint32_t owner, uint64_t stamp) {
  switch (what) {
  case OF_STAMP: return sa->owner == owner && sa->stamp == stamp;
  case OF_OWNER: return sa->owner == owner;
  case OVER: return sa->until_ms <= sas->now_ms;
  case ALL: break;
  }
  return true;
}

typedef struct removal {
  tw_sas *sas;
  doom what;
  uint32_t owner;
  uint64_t stamp;
  tw_sa_in *removed;
} removal;

static void unlink_those(void *arg) {
  removal *r = arg;
  for (size_t i = 0; i < r->sas->bucket_count; i++) {
    tw_sa_in **at = &r->sas->buckets[i];
    while (*at != NULL) {
      tw_sa_in *sa = *at;
      if (!is_doomed(r->sas, sa, r->what, r->owner, r->stamp)) {
        at = &sa->next;
        continue;
      }
      *at = sa->next;
      sa->next = r->removed;
      r->removed = sa;
    }
  }
}

static bool is_any_doomed(const tw_sas *sas, doom what, uint32_t owner, uint64_t stamp) {
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (const tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      if (is_doomed(sas, sa, what, owner, stamp)) return true;
    }
  }
  return false;
}

static void remove_those(tw_sas *sas, doom what, uint32_t owner, uint64_t stamp) {
  if (!is_any_doomed(sas, what, owner, stamp)) return;
  removal r = {.sas = sas, .what = what, .owner = owner, .stamp = stamp};
  between(sas, unlink_those, &r);
  while (r.removed != NULL) {
    tw_sa_in *sa = r.removed;
    r.removed = sa->next;
    tw_esp_in_clear(&sa->esp);
    tw_wipe(sa, sizeof *sa);
    tw_alloc_free(alloc_of(sas), sa);
    sas->count--;
  }
}

enum { WINDOW_ID_SIZE = 5 };

/* 'r', SPI: the highest number that came, uint64 */
static void put_window_id(uint32_t spi, uint8_t id[WINDOW_ID_SIZE]) {
  id[0] = 'r';
  tw_put_u32(id + 1, spi);
}

/* TW_ERR_STATE: it is not known. */
static tw_err load_window(const tw_sas *sas, uint32_t spi, uint64_t *highest) {
  uint8_t id[WINDOW_ID_SIZE];
  tw_buf value = {0};
  put_window_id(spi, id);
  tw_err err = sas->config.port->load(sas->config.port->ctx, TW_STORE_NODE, TW_ARRAY(id), &value);
  if (err == TW_OK) {
    tw_reader r = tw_reader_of(tw_buf_bytes(&value));
    *highest = tw_read_u64(&r);
    err = tw_reader_end(&r);
  }
  tw_buf_clear(&value);
  return err;
}

/* Keys that cannot be taken up are remembered as such, so that they are not taken for new ones later. */
static tw_err set_keys(tw_sas *sas, uint32_t owner, const tw_esp_keys *keys, tw_sa_in *sa) {
  uint64_t highest = 0;
  const tw_err known = sas->loading ? load_window(sas, keys->spi, &highest) : TW_OK;
  if (known == TW_OK) return tw_esp_in_init(sas->config.env, keys, highest, &sa->esp);
  if (known != TW_ERR_STATE) return known;
  sa->refused = true;
  sa->esp.spi = keys->spi;
  memcpy(sa->esp.salt, keys->salt, sizeof sa->esp.salt);
  out_of(sas, owner)->stale = true;
  return TW_OK;
}

static bool has_to_be_signed(const tw_sas *sas, uint32_t owner) { return sas->config.sign && owner == TW_SAS_NETWORK; }

static tw_err add(tw_sas *sas, uint32_t owner, uint64_t stamp, const tw_group *group, const tw_member *member,
                  const tw_esp_keys *keys) {
  if (sas->count >= sas->bucket_count) TW_TRY(grow(sas));
  tw_sa_in *sa = tw_alloc_zero(alloc_of(sas), sizeof *sa);
  if (sa == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = set_keys(sas, owner, keys, sa);
  if (err == TW_OK && owner == TW_SAS_NETWORK)
    err = tw_fingerprint_of(sas->config.env, keys->suite, member->signature_key, &sa->member);
  if (err == TW_OK && has_to_be_signed(sas, owner))
    err = tw_packet_verifier_init(sas->config.env, group, member, keys->spi, &sa->verifier);
  if (err != TW_OK) {
    tw_esp_in_clear(&sa->esp);
    tw_alloc_free(alloc_of(sas), sa);
    return err;
  }
  sa->owner = owner;
  sa->leaf = member->leaf_index;
  sa->epoch = tw_group_epoch(group);
  sa->stamp = stamp;
  sa->until_ms = UINT64_MAX;
  between(sas, push_it, &(addition){sas, sa});
  sas->count++;
  sas->added++;
  return TW_OK;
}

/* The SA of these very keys, if there is one: another group may have one with the same SPI. */
static tw_sa_in *find_same(tw_sas *sas, uint32_t owner, uint32_t leaf, uint64_t epoch, const tw_esp_keys *keys) {
  for (tw_sa_in *sa = tw_sas_in(sas, keys->spi); sa != NULL; sa = tw_sas_in_next(sa)) {
    if (sa->owner == owner && sa->leaf == leaf && sa->epoch == epoch &&
        memcmp(sa->esp.salt, keys->salt, sizeof keys->salt) == 0)
      return sa;
  }
  return NULL;
}

static tw_err take_from(tw_sas *sas, uint32_t owner, const tw_group *group, const tw_member *member, tw_bytes context,
                        uint64_t *stamp) {
  tw_esp_keys keys;
  const uint32_t leaf = member->leaf_index;
  TW_TRY(tw_esp_keys_derive(group, leaf, 0, context, &keys));
  tw_sa_in *there = find_same(sas, owner, leaf, tw_group_epoch(group), &keys);
  tw_err err = TW_OK;
  if (there != NULL) {
    *stamp = there->stamp;
    there->until_ms = UINT64_MAX;
  } else {
    if (*stamp == 0) *stamp = ++sas->last_stamp;
    err = add(sas, owner, *stamp, group, member, &keys);
  }
  tw_esp_keys_clear(&keys);
  return err;
}

static void give_up_older(tw_sas *sas, uint32_t owner, uint64_t stamp, uint64_t after_ms) {
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      const uint64_t until = sas->now_ms + after_ms;
      if (sa->owner == owner && sa->stamp < stamp && sa->until_ms > until) sa->until_ms = until;
    }
  }
}

static tw_err receive(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, uint64_t *stamp) {
  tw_sas *sas = ctx;
  const uint64_t before = sas->last_stamp;
  uint64_t made = 0;
  tw_member member;
  for (uint32_t leaf = 0; tw_group_next_member(group, &leaf, &member); leaf++) {
    if (leaf == tw_group_own_leaf(group)) continue;
    const tw_err err = take_from(sas, owner, group, &member, context, &made);
    if (err == TW_OK) continue;
    if (made > before) remove_those(sas, OF_STAMP, owner, made);
    return err;
  }
  *stamp = made != 0 ? made : ++sas->last_stamp; /* nobody else is in the group */
  give_up_older(sas, owner, *stamp, STAY_MAX_MS);
  return TW_OK;
}

static void settle(void *ctx, uint32_t owner, uint64_t stamp) {
  tw_sas *sas = ctx;
  give_up_older(sas, owner, stamp, sas->config.grace_ms);
}

/* What they were to take the place of is the newest again, and stays. */
static void withdraw(void *ctx, uint32_t owner, uint64_t stamp) {
  tw_sas *sas = ctx;
  uint64_t newest = 0;
  remove_those(sas, OF_STAMP, owner, stamp);
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (const tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      if (sa->owner == owner && sa->stamp > newest) newest = sa->stamp;
    }
  }
  if (newest > stamp) return;
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      if (sa->owner == owner && sa->stamp == newest) sa->until_ms = UINT64_MAX;
    }
  }
}

/* ---- sending ---- */

/* 's', the random part of the group's id, epoch, leaf, SPI (another branch of a group has the same before it),
 * connection */
static void put_mark_id(sa_out *out, const tw_group *group, uint32_t spi, tw_bytes context) {
  const tw_bytes id = tw_group_id(group);
  const size_t random = id.len < GROUP_RANDOM ? id.len : GROUP_RANDOM;
  memset(out->id, 0, sizeof out->id);
  out->id[0] = 's';
  memcpy(out->id + 1, id.ptr + id.len - random, random);
  tw_put_u64(out->id + 1 + GROUP_RANDOM, tw_group_epoch(group));
  tw_put_u32(out->id + 1 + GROUP_RANDOM + 8, tw_group_own_leaf(group));
  tw_put_u32(out->id + 1 + GROUP_RANDOM + 12, spi);
  if (context.len > 0) memcpy(out->id + 1 + GROUP_RANDOM + 16, context.ptr, context.len);
  out->id_len = 1 + GROUP_RANDOM + 16 + context.len;
}

static tw_err load_mark(const tw_sas *sas, const sa_out *out, tw_esp_mark *mark) {
  tw_buf value = {0};
  *mark = TW_ESP_MARK_FRESH;
  tw_err err = sas->config.port->load(sas->config.port->ctx, TW_STORE_NODE, TW_BYTES(out->id, out->id_len), &value);
  if (err == TW_ERR_STATE) return TW_OK;
  if (err == TW_OK) {
    tw_reader r = tw_reader_of(tw_buf_bytes(&value));
    mark->next = tw_read_u64(&r);
    mark->bytes = tw_read_u64(&r);
    err = tw_reader_end(&r);
  }
  tw_buf_clear(&value);
  return err;
}

static bool same_mark(const sa_out *a, const sa_out *b) {
  return a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0;
}

/* On the disk; what `old` had is not needed there any more. */
static tw_err save_mark(const tw_sas *sas, const sa_out *out, const sa_out *old, tw_esp_mark mark) {
  uint8_t value[16];
  tw_put_u64(value, mark.next);
  tw_put_u64(value + 8, mark.bytes);
  tw_store_change changes[2] = {
      {.kind = TW_STORE_NODE, .id = TW_BYTES(out->id, out->id_len), .value = TW_ARRAY(value)}};
  size_t count = 1;
  if (old != NULL && old->id_len > 0 && !same_mark(old, out))
    changes[count++] = (tw_store_change){.kind = TW_STORE_NODE, .id = TW_BYTES(old->id, old->id_len), .remove = true};
  return sas->config.port->save(sas->config.port->ctx, changes, count);
}

/* The first block of an SA that nobody has used yet. */
static tw_err reserve_first(const tw_sas *sas, sa_out *out, const sa_out *old) {
  const tw_esp_mark mark = tw_esp_out_reserve(&out->esp, TW_SAS_BLOCK);
  TW_TRY(save_mark(sas, out, old, mark));
  return tw_esp_out_extend(&out->esp, mark);
}

/* More numbers for an SA in use. */
typedef struct reservation {
  sa_out *out;
  bool is_low;
  tw_esp_mark mark;
  tw_err err;
} reservation;

static bool is_low(const sa_out *out) {
  return tw_esp_out_left(&out->esp) < LOW_WATER && !tw_esp_out_is_used_up(&out->esp);
}

static void look_at_numbers(void *arg) {
  reservation *r = arg;
  r->is_low = is_low(r->out);
  r->mark = tw_esp_out_reserve(&r->out->esp, TW_SAS_BLOCK);
}

static void extend(void *arg) {
  reservation *r = arg;
  r->err = tw_esp_out_extend(&r->out->esp, r->mark);
}

static void lower_limits(const tw_sas *sas, tw_esp_limits *limits) {
  const tw_sas_config *config = &sas->config;
  if (config->rekey_packets != 0 && config->rekey_packets < limits->rekey_packets)
    limits->rekey_packets = config->rekey_packets;
  if (config->rekey_bytes != 0 && config->rekey_bytes < limits->rekey_bytes) limits->rekey_bytes = config->rekey_bytes;
}

static void clear_out(sa_out *out) {
  tw_esp_out_clear(&out->esp);
  tw_packet_signer_clear(&out->signer);
}

static tw_err make_out(const tw_sas *sas, const tw_esp_keys *keys, const sa_out *old, sa_out *out) {
  tw_esp_mark mark;
  TW_TRY(load_mark(sas, out, &mark));
  TW_TRY(tw_esp_out_init(sas->config.env, keys, mark, &out->esp));
  lower_limits(sas, &out->esp.limits);
  return reserve_first(sas, out, old);
}

typedef struct exchange {
  sa_out *at;
  sa_out other; /* the new one; then the old one */
} exchange;

static void swap_out(void *arg) {
  exchange *e = arg;
  const sa_out old = *e->at;
  *e->at = e->other;
  e->other = old;
}

/* What was there is wiped. */
static void put_out(const tw_sas *sas, sa_out *at, const sa_out *next) {
  exchange e = {at, *next};
  between(sas, swap_out, &e);
  clear_out(&e.other);
}

static tw_err send_under(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, tw_bytes packet_key,
                         bool nudge) {
  tw_sas *sas = ctx;
  sa_out *at = out_of(sas, owner);
  tw_esp_keys keys;
  if (at == NULL || context.len > TW_ESP_CONNECTION_MAX) return TW_ERR_ARGUMENT;
  TW_TRY(tw_esp_keys_derive(group, tw_group_own_leaf(group), 0, context, &keys));
  sa_out next = {.stale = at->stale};
  put_mark_id(&next, group, keys.spi, context);
  tw_err err = TW_OK;
  if (at->esp.aead == NULL || !same_mark(at, &next)) {
    if (has_to_be_signed(sas, owner))
      err = tw_packet_signer_init(sas->config.env, group, keys.spi, packet_key, &next.signer);
    if (err == TW_OK) err = make_out(sas, &keys, at, &next);
    if (err != TW_OK) clear_out(&next);
    /* Where there was none, the mark counts as in use, so that it is there when this is tried again. */
    if (err == TW_OK || at->esp.aead == NULL) put_out(sas, at, &next);
  }
  tw_esp_keys_clear(&keys);
  if (err == TW_OK && sas->config.ready != NULL) sas->config.ready(sas->config.ctx, owner, nudge);
  return err;
}

/* The mark is swept at the next start. */
static void forget(void *ctx, uint32_t owner) {
  tw_sas *sas = ctx;
  sa_out *out = out_of(sas, owner);
  remove_those(sas, OF_OWNER, owner, 0);
  if (out == NULL) return;
  const sa_out none = {.reserve_at_ms = out->reserve_at_ms, .stale = out->stale};
  put_out(sas, out, &none);
}

tw_esp_out *tw_sas_out(tw_sas *sas, uint32_t owner) {
  sa_out *out = out_of(sas, owner);
  if (out == NULL || out->esp.aead == NULL) return NULL;
  return has_to_be_signed(sas, owner) && out->signer.key == NULL ? NULL : &out->esp;
}

const tw_packet_signer *tw_sas_signer(tw_sas *sas, uint32_t owner) {
  const sa_out *out = out_of(sas, owner);
  return out != NULL && out->signer.key != NULL ? &out->signer : NULL;
}

bool tw_sas_signs(const tw_sas *sas) { return sas->config.sign; }

bool tw_sas_is_low(const tw_sas *sas, uint32_t owner) {
  const sa_out *out = out_of(sas, owner);
  return out != NULL && out->esp.aead != NULL && is_low(out);
}

tw_err tw_sas_used(tw_sas *sas, uint32_t owner) {
  reservation r = {.out = out_of(sas, owner)};
  if (r.out == NULL || r.out->esp.aead == NULL) return TW_ERR_STATE;
  if (sas->now_ms < r.out->reserve_at_ms) return TW_OK;
  between(sas, look_at_numbers, &r);
  if (!r.is_low) return TW_OK;
  const tw_err err = save_mark(sas, r.out, NULL, r.mark);
  if (err != TW_OK) {
    r.out->reserve_at_ms = sas->now_ms + RESERVE_AGAIN_MS; /* and not with each packet */
    return err;
  }
  between(sas, extend, &r);
  return r.err;
}

bool tw_sas_wants_rekey(const tw_sas *sas, uint32_t owner) {
  const sa_out *out = out_of(sas, owner);
  return out != NULL && out->esp.aead != NULL && tw_esp_out_wants_rekey(&out->esp);
}

bool tw_sas_is_stale_mark(const tw_sas *sas, tw_bytes id) {
  if (id.len == WINDOW_ID_SIZE && id.ptr[0] == 'r') return true; /* of keys that nobody has any more */
  if (id.len == 0 || id.ptr[0] != 's') return false;
  for (uint32_t i = 0; i <= sas->config.owners; i++) {
    if (tw_bytes_equal(id, TW_BYTES(sas->outs[i].id, sas->outs[i].id_len))) return false;
  }
  return true;
}

/* ---- the start and the end ---- */

void tw_sas_begin_load(tw_sas *sas) { sas->loading = true; }

enum { WINDOWS_AT_ONCE = 64 };

/* All receiving SAs, some at a time: written down, or removed from the store. */
static tw_err store_windows(tw_sas *sas, bool remove) {
  uint8_t ids[WINDOWS_AT_ONCE][WINDOW_ID_SIZE];
  uint8_t values[WINDOWS_AT_ONCE][8];
  tw_store_change changes[WINDOWS_AT_ONCE];
  size_t count = 0;
  const tw_node_port *port = sas->config.port;
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (const tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      if (sa->refused) continue;
      put_window_id(sa->esp.spi, ids[count]);
      tw_put_u64(values[count], sa->esp.window.highest);
      changes[count] = (tw_store_change){
          .kind = TW_STORE_NODE, .id = TW_ARRAY(ids[count]), .value = TW_ARRAY(values[count]), .remove = remove};
      if (++count < WINDOWS_AT_ONCE) continue;
      TW_TRY(port->save(port->ctx, changes, count));
      count = 0;
    }
  }
  return count > 0 ? port->save(port->ctx, changes, count) : TW_OK;
}

tw_err tw_sas_loaded(tw_sas *sas) {
  sas->loading = false;
  return store_windows(sas, true);
}

bool tw_sas_is_stale(const tw_sas *sas, uint32_t owner) {
  const sa_out *out = out_of(sas, owner);
  return out != NULL && out->stale;
}

tw_err tw_sas_save_windows(tw_sas *sas) { return store_windows(sas, false); }

/* ---- all of it ---- */

tw_err tw_sas_new(const tw_sas_config *config, tw_sas **out) {
  const tw_alloc *alloc = tw_env_alloc(config->env);
  tw_sas *sas = tw_alloc_zero(alloc, sizeof *sas);
  if (sas == NULL) return TW_ERR_NO_MEMORY;
  sas->config = *config;
  sas->bucket_count = BUCKETS_MIN;
  sas->buckets = tw_alloc_array(alloc, BUCKETS_MIN, sizeof(tw_sa_in *));
  sas->outs = tw_alloc_array(alloc, (size_t)config->owners + 1, sizeof *sas->outs);
  sas->keys = (tw_node_keys){
      .ctx = sas, .receive = receive, .send = send_under, .settle = settle, .withdraw = withdraw, .forget = forget};
  if (sas->buckets == NULL || sas->outs == NULL) {
    tw_sas_free(sas);
    return TW_ERR_NO_MEMORY;
  }
  *out = sas;
  return TW_OK;
}

void tw_sas_free(tw_sas *sas) {
  if (sas == NULL) return;
  const tw_alloc *alloc = alloc_of(sas);
  if (sas->buckets != NULL) remove_those(sas, ALL, 0, 0);
  for (uint32_t i = 0; sas->outs != NULL && i <= sas->config.owners; i++) clear_out(&sas->outs[i]);
  tw_alloc_free(alloc, sas->buckets);
  tw_alloc_free(alloc, sas->outs);
  tw_alloc_free(alloc, sas);
}

const tw_node_keys *tw_sas_keys(tw_sas *sas) { return &sas->keys; }

void tw_sas_set_time(tw_sas *sas, uint64_t now_ms) { sas->now_ms = now_ms; }

uint64_t tw_sas_deadline(const tw_sas *sas) {
  uint64_t at = UINT64_MAX;
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (const tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      if (sa->until_ms < at) at = sa->until_ms;
    }
  }
  return at;
}

void tw_sas_tick(tw_sas *sas, uint64_t now_ms) {
  sas->now_ms = now_ms;
  remove_those(sas, OVER, 0, 0);
}
