/* A table from numbers to pointers. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_FORWARD_TABLE_H
#define TW_RELAY_FORWARD_TABLE_H

#include <treewire/bytes.h>

typedef struct tw_forward_entry {
  uint64_t key;
  void *value; /* NULL: free */
} tw_forward_entry;

/**
 * Open addressing with linear probing, at most two thirds full. Places are keyed at random: keys are not chosen by
 * others, but others choose what is looked up, and should not learn from the time it takes. Zero-initialise, set
 * `alloc` and `seed`.
 */
typedef struct tw_forward_table {
  const tw_alloc *alloc;
  uint64_t seed[2];
  tw_forward_entry *entries;
  uint32_t mask; /* places - 1; 0: none */
  uint32_t count;
} tw_forward_table;

/** Room for one more. TW_ERR_NO_MEMORY: the table is as it was. */
TW_MUST_USE tw_err tw_forward_table_reserve(tw_forward_table *table);
/** The key is not in the table, the value not NULL, and there is room for it. */
void tw_forward_table_put(tw_forward_table *table, uint64_t key, void *value);
/** NULL: it is not there. */
void *tw_forward_table_get(const tw_forward_table *table, uint64_t key);
/** It need not be there. */
void tw_forward_table_drop(tw_forward_table *table, uint64_t key);
void tw_forward_table_clear(tw_forward_table *table);
/** Bytes allocated. */
size_t tw_forward_table_memory(const tw_forward_table *table);

#endif
