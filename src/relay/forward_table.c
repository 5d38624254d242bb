/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/forward_table.h"

#include "base/alloc.h"

enum { PLACES_MIN = 16 };

/* The finishing steps of MurmurHash3, keyed before and in between. */
static uint32_t place_of(const tw_forward_table *table, uint64_t key) {
  uint64_t x = key ^ table->seed[0];
  x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd) + table->seed[1];
  x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
  return (uint32_t)(x >> 32) & table->mask;
}

static size_t places(const tw_forward_table *table) { return table->entries == NULL ? 0 : (size_t)table->mask + 1; }

tw_err tw_forward_table_reserve(tw_forward_table *table) {
  const size_t old = places(table);
  if (((size_t)table->count + 1) * 3 <= old * 2) return TW_OK;
  if (old > UINT32_MAX / 2) return TW_ERR_NO_MEMORY;
  const size_t wanted = old == 0 ? PLACES_MIN : 2 * old;
  tw_forward_entry *entries = tw_alloc_array(table->alloc, wanted, sizeof *entries);
  if (entries == NULL) return TW_ERR_NO_MEMORY;
  tw_forward_entry *before = table->entries;
  table->entries = entries;
  table->mask = (uint32_t)(wanted - 1);
  table->count = 0;
  for (size_t i = 0; i < old; i++)
    if (before[i].value != NULL) tw_forward_table_put(table, before[i].key, before[i].value);
  tw_alloc_free(table->alloc, before);
  return TW_OK;
}

void tw_forward_table_put(tw_forward_table *table, uint64_t key, void *value) {
  uint32_t at = place_of(table, key);
  while (table->entries[at].value != NULL) at = (at + 1) & table->mask;
  table->entries[at] = (tw_forward_entry){key, value};
  table->count++;
}

/* NULL: none. */
static tw_forward_entry *find(const tw_forward_table *table, uint64_t key) {
  if (table->entries == NULL) return NULL;
  for (uint32_t at = place_of(table, key); table->entries[at].value != NULL; at = (at + 1) & table->mask)
    if (table->entries[at].key == key) return &table->entries[at];
  return NULL;
}

void *tw_forward_table_get(const tw_forward_table *table, uint64_t key) {
  const tw_forward_entry *entry = find(table, key);
  return entry != NULL ? entry->value : NULL;
}

/* What follows moves up, so that no place has to be marked as used before (Knuth, volume 3, 6.4, algorithm R). */
void tw_forward_table_drop(tw_forward_table *table, uint64_t key) {
  const tw_forward_entry *entry = find(table, key);
  if (entry == NULL) return;
  uint32_t hole = (uint32_t)(entry - table->entries);
  for (uint32_t at = (hole + 1) & table->mask; table->entries[at].value != NULL; at = (at + 1) & table->mask) {
    const uint32_t home = place_of(table, table->entries[at].key);
    if (((at - home) & table->mask) < ((at - hole) & table->mask)) continue; /* its home is behind the hole */
    table->entries[hole] = table->entries[at];
    hole = at;
  }
  table->entries[hole] = (tw_forward_entry){0};
  table->count--;
}

void tw_forward_table_clear(tw_forward_table *table) {
  tw_alloc_free(table->alloc, table->entries);
  table->entries = NULL;
  table->mask = table->count = 0;
}

size_t tw_forward_table_memory(const tw_forward_table *table) { return places(table) * sizeof *table->entries; }
