/* SPDX-License-Identifier: Apache-2.0 */
#include "node/routes.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { DEPTH_MAX = 130 }; /* prefixes inside one another: one of each length, and what is outside */

/* ---- a route in one word ---- */

static uint32_t pack(tw_route route) { return route.peer << 2 | (uint32_t)route.kind; }
static tw_route unpack(uint32_t packed) { return (tw_route){(tw_route_kind)(packed & 3), packed >> 2}; }

/* ---- keys ---- */

static uint64_t load64(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return be64toh(value);
}

static uint32_t load32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return be32toh(value);
}

static tw_route_key load_key(const uint8_t *address) { return (tw_route_key){load64(address), load64(address + 8)}; }

static bool is_less(tw_route_key a, tw_route_key b) { return a.high < b.high || (a.high == b.high && a.low < b.low); }
static bool is_equal(tw_route_key a, tw_route_key b) { return a.high == b.high && a.low == b.low; }

/* ---- building ---- */

/* IPv4 addresses are in the first 32 bits of a key, so that both families are built alike. */
typedef struct range {
  tw_route_key first;
  tw_route_key last;
  uint8_t length;
  size_t rank; /* its place among the entries */
  uint32_t route;
} range;

static range range_of(const tw_route_entry *entry, size_t rank) {
  const unsigned length = entry->prefix.length;
  const uint64_t high_mask = length == 0 ? UINT64_MAX : length >= 64 ? 0 : UINT64_MAX >> length;
  const uint64_t low_mask = length <= 64 ? UINT64_MAX : length == 128 ? 0 : UINT64_MAX >> (length - 64);
  const tw_route_key first = load_key(entry->prefix.address);
  return (range){first, {first.high | high_mask, first.low | low_mask}, entry->prefix.length, rank, pack(entry->route)};
}

/* A range comes before those inside it. */
static int by_place(const void *left, const void *right) {
  const range *a = left;
  const range *b = right;
  if (!is_equal(a->first, b->first)) return is_less(a->first, b->first) ? -1 : 1;
  if (a->length != b->length) return a->length < b->length ? -1 : 1;
  return a->rank < b->rank ? -1 : a->rank > b->rank;
}

typedef struct table {
  tw_route_key *starts;
  uint32_t *routes;
  size_t count;
} table;

/* From `start` on it is `route`. What began at the same place has nothing left. */
static void put(table *t, tw_route_key start, uint32_t route) {
  if (t->count > 0 && is_equal(t->starts[t->count - 1], start)) t->count--;
  if (t->count > 0 && t->routes[t->count - 1] == route) return;
  t->starts[t->count] = start;
  t->routes[t->count] = route;
  t->count++;
}

/* After the end of `ended` the range around it goes on. */
static void put_after(table *t, const range *ended, const range *around) {
  tw_route_key next = {ended->last.high, ended->last.low + 1};
  if (next.low == 0) next.high++;
  if (next.low != 0 || next.high != 0) put(t, next, around->route);
}

static void flatten(const range *ranges, size_t count, table *t) {
  const range *open[DEPTH_MAX];
  const range all = {.last = {UINT64_MAX, UINT64_MAX}, .route = pack((tw_route){TW_ROUTE_NONE, 0})};
  size_t depth = 1;
  open[0] = &all;
  put(t, all.first, all.route);
  for (size_t i = 0; i < count; i++) {
    for (; is_less(open[depth - 1]->last, ranges[i].first); depth--) put_after(t, open[depth - 1], open[depth - 2]);
    put(t, ranges[i].first, ranges[i].route);
    /* The same prefix again takes the place of the former. */
    const bool again = depth > 1 && is_equal(open[depth - 1]->first, ranges[i].first) &&
                       open[depth - 1]->length == ranges[i].length;
    if (!again) depth++;
    open[depth - 1] = &ranges[i];
  }
  for (; depth > 1; depth--) put_after(t, open[depth - 1], open[depth - 2]);
}

static size_t take_family(const tw_route_entry *entries, size_t count, uint8_t family, range *ranges) {
  size_t taken = 0;
  for (size_t i = 0; i < count; i++)
    if (entries[i].prefix.family == family) ranges[taken++] = range_of(&entries[i], i);
  if (taken > 1) qsort(ranges, taken, sizeof *ranges, by_place);
  return taken;
}

static void clear_table(const tw_alloc *alloc, table *t) {
  tw_alloc_free(alloc, t->starts);
  tw_alloc_free(alloc, t->routes);
  *t = (table){0};
}

/* The table is twice as large as there are ranges at most, and one more. */
static tw_err make_table(const tw_alloc *alloc, const tw_route_entry *entries, size_t count, uint8_t family, table *t) {
  if (count > SIZE_MAX / 4) return TW_ERR_NO_MEMORY;
  range *ranges = tw_alloc_array(alloc, count + 1, sizeof *ranges);
  if (ranges == NULL) return TW_ERR_NO_MEMORY;
  const size_t taken = take_family(entries, count, family, ranges);
  t->starts = tw_alloc_array(alloc, 2 * taken + 1, sizeof *t->starts);
  t->routes = tw_alloc_array(alloc, 2 * taken + 1, sizeof *t->routes);
  const bool good = t->starts != NULL && t->routes != NULL;
  if (good) flatten(ranges, taken, t);
  tw_alloc_free(alloc, ranges);
  if (good) return TW_OK;
  clear_table(alloc, t);
  return TW_ERR_NO_MEMORY;
}

/* Half the memory of the keys for IPv4, and more of them in a cache line. */
static tw_err narrow(const tw_alloc *alloc, const table *t, uint32_t **starts) {
  uint32_t *made = tw_alloc_array(alloc, t->count, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < t->count; i++) made[i] = (uint32_t)(t->starts[i].high >> 32);
  *starts = made;
  return TW_OK;
}

tw_err tw_routes_make(const tw_alloc *alloc, const tw_route_entry *entries, size_t count, tw_routes *routes) {
  table t4 = {0};
  table t6 = {0};
  uint32_t *starts4 = NULL;
  for (size_t i = 0; i < count; i++)
    if (entries[i].route.peer >= UINT32_C(1) << 30) return TW_ERR_ARGUMENT;
  tw_err err = make_table(alloc, entries, count, 4, &t4);
  if (err == TW_OK) err = make_table(alloc, entries, count, 6, &t6);
  if (err == TW_OK) err = narrow(alloc, &t4, &starts4);
  if (err != TW_OK) {
    clear_table(alloc, &t4);
    clear_table(alloc, &t6);
    return err;
  }
  tw_alloc_free(alloc, t4.starts);
  tw_routes_clear(routes);
  *routes = (tw_routes){alloc, starts4, t4.routes, t4.count, t6.starts, t6.routes, t6.count};
  return TW_OK;
}

void tw_routes_clear(tw_routes *routes) {
  tw_alloc_free(routes->alloc, routes->starts4);
  tw_alloc_free(routes->alloc, routes->routes4);
  tw_alloc_free(routes->alloc, routes->starts6);
  tw_alloc_free(routes->alloc, routes->routes6);
  *routes = (tw_routes){0};
}

/* ---- out of a configuration ---- */

typedef struct entries {
  tw_route_entry *list;
  size_t count;
} entries;

static void add(entries *to, const tw_prefix *prefix, tw_route_kind kind, size_t peer) {
  to->list[to->count++] = (tw_route_entry){tw_prefix_network(prefix), {kind, (uint32_t)peer}};
}

static void add_peers(entries *to, const tw_node_config *config) {
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_prefixes *allowed = &config->peers[i].allowed;
    for (size_t k = 0; i != config->self && k < allowed->count; k++)
      add(to, &allowed->list[k].prefix, TW_ROUTE_PEER, i);
  }
}

/* Behind the peers: these count where prefixes are the same. */
static void add_groups(entries *to, const tw_node_config *config) {
  static const tw_prefix all4 = {.family = 4, .length = 4, .address = {224}};
  static const tw_prefix all6 = {.family = 6, .length = 8, .address = {0xff}};
  static const tw_prefix limited = {.family = 4, .length = 32, .address = {255, 255, 255, 255}};
  const tw_node_prefixes *own = &config->interface.addresses;
  const tw_node_prefixes *groups = &config->multicast.groups;
  add(to, &all4, TW_ROUTE_NONE, 0);
  add(to, &all6, TW_ROUTE_NONE, 0);
  add(to, &limited, config->multicast.broadcast ? TW_ROUTE_GROUP : TW_ROUTE_NONE, 0);
  for (size_t i = 0; i < groups->count; i++) add(to, &groups->list[i].prefix, TW_ROUTE_GROUP, 0);
  for (size_t i = 0; config->multicast.broadcast && i < own->count; i++) {
    const tw_prefix last = tw_prefix_last(&own->list[i].prefix);
    if (last.family == 4 && own->list[i].prefix.length <= 30) add(to, &last, TW_ROUTE_GROUP, 0); /* RFC 3021 */
  }
  for (size_t i = 0; i < own->count; i++) {
    const tw_prefix host = tw_prefix_host(&own->list[i].prefix);
    add(to, &host, TW_ROUTE_SELF, 0);
  }
}

tw_err tw_routes_of(const tw_alloc *alloc, const tw_node_config *config, tw_routes *routes) {
  size_t count = 3 + config->multicast.groups.count + 2 * config->interface.addresses.count;
  for (size_t i = 0; i < config->peer_count; i++) count += config->peers[i].allowed.count;
  entries all = {tw_alloc_array(alloc, count, sizeof *all.list), 0};
  if (all.list == NULL) return TW_ERR_NO_MEMORY;
  add_peers(&all, config);
  add_groups(&all, config);
  const tw_err err = tw_routes_make(alloc, all.list, all.count, routes);
  tw_alloc_free(alloc, all.list);
  return err;
}

/* ---- looking up ---- */

/* Without a branch on the outcome, which no processor could foresee: compilers make a conditional move of it. */
tw_route tw_routes_find4(const tw_routes *routes, const uint8_t *address) {
  const uint32_t key = load32(address);
  const uint32_t *at = routes->starts4;
  if (routes->count4 == 0) return (tw_route){TW_ROUTE_NONE, 0};
  for (size_t left = routes->count4; left > 1;) {
    const size_t half = left / 2;
    at += at[half] <= key ? half : 0;
    left -= half;
  }
  return unpack(routes->routes4[at - routes->starts4]);
}

tw_route tw_routes_find6(const tw_routes *routes, const uint8_t *address) {
  const tw_route_key key = load_key(address);
  const tw_route_key *at = routes->starts6;
  if (routes->count6 == 0) return (tw_route){TW_ROUTE_NONE, 0};
  for (size_t left = routes->count6; left > 1;) {
    const size_t half = left / 2;
    at += is_less(key, at[half]) ? 0 : half;
    left -= half;
  }
  return unpack(routes->routes6[at - routes->starts6]);
}

tw_route tw_routes_find(const tw_routes *routes, unsigned version, const uint8_t *address) {
  if (version == 4) return tw_routes_find4(routes, address);
  if (version == 6) return tw_routes_find6(routes, address);
  return (tw_route){TW_ROUTE_NONE, 0};
}

bool tw_routes_admits(const tw_routes *routes, uint32_t peer, unsigned family, const uint8_t *source) {
  const tw_route route = tw_routes_find(routes, family, source);
  return route.kind == TW_ROUTE_PEER && route.peer == peer;
}
