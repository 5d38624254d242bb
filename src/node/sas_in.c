/* SAs that packets are taken under. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "esp/keys.h"
#include "node/sas_internal.h"

/* However silent the other side is, old keys do not stay for ever. */
#define STAY_MAX_MS (UINT64_C(24) * 3600 * 1000)

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
  growth g = {sas, tw_alloc_array(tw_sas_alloc(sas), sas->bucket_count * 2, sizeof(tw_sa_in *))};
  if (g.buckets == NULL) return TW_ERR_NO_MEMORY;
  tw_sas_between(sas, move_all, &g);
  tw_alloc_free(tw_sas_alloc(sas), g.buckets);
  return TW_OK;
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
} removal;

static void free_sa(const tw_sas *sas, tw_sa_in *sa) {
  tw_esp_in_clear(&sa->esp);
  tw_wipe(sa, sizeof *sa);
  tw_alloc_free(tw_sas_alloc(sas), sa);
}

static void remove_doomed(void *arg) {
  const removal *r = arg;
  for (size_t i = 0; i < r->sas->bucket_count; i++) {
    tw_sa_in **at = &r->sas->buckets[i];
    while (*at != NULL) {
      tw_sa_in *sa = *at;
      if (!is_doomed(r->sas, sa, r->what, r->owner, r->stamp)) {
        at = &sa->next;
        continue;
      }
      *at = sa->next;
      free_sa(r->sas, sa);
      r->sas->count--;
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
  if (is_any_doomed(sas, what, owner, stamp)) tw_sas_between(sas, remove_doomed, &(removal){sas, what, owner, stamp});
}

void tw_sas_forget_in(tw_sas *sas, uint32_t owner) { remove_those(sas, OF_OWNER, owner, 0); }

void tw_sas_clear_in(tw_sas *sas) {
  if (sas->buckets != NULL) remove_those(sas, ALL, 0, 0);
}

/* ---- which numbers have come ---- */

enum { WINDOW_ID_SIZE = 5 };

/* 'r', SPI: the highest number that came, uint64 */
static void put_window_id(uint32_t spi, uint8_t id[WINDOW_ID_SIZE]) {
  id[0] = 'r';
  tw_put_u32(id + 1, spi);
}

static tw_err load_window(const tw_sas *sas, uint32_t spi, uint64_t *highest, bool *known) {
  const tw_node_port *port = sas->config.port;
  uint8_t id[WINDOW_ID_SIZE];
  tw_buf value = {0};
  put_window_id(spi, id);
  tw_err err = port->load(port->ctx, TW_STORE_NODE, TW_ARRAY(id), &value, known);
  if (err == TW_OK && *known) {
    tw_reader r = tw_reader_of(tw_buf_bytes(&value));
    *highest = tw_read_u64(&r);
    err = tw_reader_end(&r);
  }
  tw_buf_clear(&value);
  return err;
}

bool tw_sas_is_window(tw_bytes id) { return id.len == WINDOW_ID_SIZE && id.ptr[0] == 'r'; }

enum { WINDOWS_AT_ONCE = 64 };

/* A member may bring it about that another one's SPI is its own, with 2^28 tries: neither window is taken for the other
 * then, and both ask for new keys after the start. */
static bool is_shared(tw_sas *sas, uint32_t spi) { return tw_sas_in_next(tw_sas_in(sas, spi)) != NULL; }

/* All receiving SAs, some at a time: written down, or removed from the store. */
static tw_err store_windows(tw_sas *sas, bool remove) {
  uint8_t ids[WINDOWS_AT_ONCE][WINDOW_ID_SIZE];
  uint8_t values[WINDOWS_AT_ONCE][8];
  tw_store_change changes[WINDOWS_AT_ONCE];
  size_t count = 0;
  const tw_node_port *port = sas->config.port;
  for (size_t i = 0; i < sas->bucket_count; i++) {
    for (const tw_sa_in *sa = sas->buckets[i]; sa != NULL; sa = sa->next) {
      if (sa->refused || (!remove && is_shared(sas, sa->esp.spi))) continue;
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

tw_err tw_sas_save_windows(tw_sas *sas) { return store_windows(sas, false); }

/* ---- new ones ---- */

/* An SA that packets do not know yet. */
typedef struct newcomer {
  struct newcomer *next;
  tw_sa_in *sa;
  tw_esp_keys keys;
  uint64_t highest;
} newcomer;

typedef struct newcomers {
  tw_sas *sas;
  newcomer *list;
  size_t count;
  tw_err err;
} newcomers;

/* Keys that cannot be taken up are remembered as such, so that they are not taken for new ones later. */
static tw_err look_at_window(tw_sas *sas, uint32_t owner, newcomer *n) {
  bool known = true;
  if (sas->loading) TW_TRY(load_window(sas, n->keys.spi, &n->highest, &known));
  if (known) return TW_OK;
  n->sa->refused = true;
  tw_sas_out_of(sas, owner)->stale = true;
  return TW_OK;
}

static tw_err describe(tw_sas *sas, uint32_t owner, const tw_group *group, const tw_member *member, newcomer *n) {
  const tw_env *env = sas->config.env;
  tw_sa_in *sa = n->sa;
  sa->esp.spi = n->keys.spi;
  memcpy(sa->esp.salt, n->keys.salt, sizeof sa->esp.salt);
  sa->owner = owner;
  sa->leaf = member->leaf_index;
  sa->epoch = tw_group_epoch(group);
  sa->until_ms = UINT64_MAX;
  TW_TRY(look_at_window(sas, owner, n));
  if (owner == TW_SAS_NETWORK) TW_TRY(tw_fingerprint_of(env, n->keys.suite, member->signature_key, &sa->member));
  return tw_sas_has_to_be_signed(sas, owner) ? tw_packet_verifier_init(env, group, member, n->keys.spi, &sa->verifier)
                                             : TW_OK;
}

/* In the list of `all` it is in any case, or nowhere. */
static tw_err add_newcomer(newcomers *all, uint32_t owner, const tw_group *group, const tw_member *member,
                           const tw_esp_keys *keys) {
  const tw_alloc *alloc = tw_sas_alloc(all->sas);
  newcomer *n = tw_alloc_zero(alloc, sizeof *n);
  if (n == NULL) return TW_ERR_NO_MEMORY;
  n->sa = tw_alloc_zero(alloc, sizeof *n->sa);
  if (n->sa == NULL) {
    tw_alloc_free(alloc, n);
    return TW_ERR_NO_MEMORY;
  }
  n->keys = *keys;
  n->next = all->list;
  all->list = n;
  all->count++;
  return describe(all->sas, owner, group, member, n);
}

/* All of them, or none. */
static void let_in(void *arg) {
  newcomers *all = arg;
  for (newcomer *n = all->list; n != NULL && all->err == TW_OK; n = n->next) {
    tw_esp_in made = {0};
    if (n->sa->refused) continue;
    all->err = tw_esp_in_init(tw_sas_packet_env(all->sas), &n->keys, n->highest, &made);
    if (all->err == TW_OK) n->sa->esp = made;
  }
  for (newcomer *n = all->list; n != NULL; n = n->next) {
    if (all->err == TW_OK)
      push(all->sas, n->sa);
    else
      tw_esp_in_clear(&n->sa->esp);
  }
}

static tw_err admit(newcomers *all, uint64_t stamp) {
  tw_sas *sas = all->sas;
  if (all->count == 0) return TW_OK;
  while (sas->count + all->count > sas->bucket_count) TW_TRY(grow(sas));
  for (newcomer *n = all->list; n != NULL; n = n->next) n->sa->stamp = stamp;
  tw_sas_between(sas, let_in, all);
  if (all->err != TW_OK) return all->err;
  sas->count += all->count;
  sas->added += all->count;
  return TW_OK;
}

static void forget_newcomers(const newcomers *all, bool admitted) {
  const tw_alloc *alloc = tw_sas_alloc(all->sas);
  newcomer *n = all->list;
  while (n != NULL) {
    newcomer *next = n->next;
    if (!admitted) tw_alloc_free(alloc, n->sa);
    tw_esp_keys_clear(&n->keys);
    tw_alloc_free(alloc, n);
    n = next;
  }
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

static tw_err take_from(newcomers *all, uint32_t owner, const tw_group *group, const tw_member *member,
                        tw_bytes context, uint64_t *stamp) {
  tw_sas *sas = all->sas;
  tw_esp_keys keys;
  TW_TRY(tw_esp_keys_derive(group, member->leaf_index, 0, context, &keys));
  tw_sa_in *there = find_same(sas, owner, member->leaf_index, tw_group_epoch(group), &keys);
  tw_err err = TW_OK;
  if (there != NULL) {
    *stamp = there->stamp;
    there->until_ms = UINT64_MAX;
  } else {
    if (*stamp == 0) *stamp = ++sas->last_stamp;
    err = add_newcomer(all, owner, group, member, &keys);
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

tw_err tw_sas_receive(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, uint64_t *stamp) {
  tw_sas *sas = ctx;
  newcomers all = {.sas = sas};
  uint64_t made = 0;
  tw_err err = TW_OK;
  tw_member member;
  for (uint32_t leaf = 0; err == TW_OK && tw_group_next_member(group, &leaf, &member); leaf++) {
    if (leaf != tw_group_own_leaf(group)) err = take_from(&all, owner, group, &member, context, &made);
  }
  if (err == TW_OK) err = admit(&all, made);
  forget_newcomers(&all, err == TW_OK);
  if (err != TW_OK) return err;
  *stamp = made != 0 ? made : ++sas->last_stamp; /* nobody else is in the group */
  give_up_older(sas, owner, *stamp, STAY_MAX_MS);
  return TW_OK;
}

void tw_sas_settle(void *ctx, uint32_t owner, uint64_t stamp) {
  tw_sas *sas = ctx;
  give_up_older(sas, owner, stamp, sas->config.grace_ms);
}

/* What they were to take the place of is the newest again, and stays. */
void tw_sas_withdraw(void *ctx, uint32_t owner, uint64_t stamp) {
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
