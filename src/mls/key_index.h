/* Which node holds which public key: a persistent hash trie for the uniqueness rules. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_KEY_INDEX_H
#define TW_MLS_KEY_INDEX_H

#include <treewire/bytes.h>

/*
 * RFC 9420 sections 7.3, 12.4.2 and 12.4.3.1 ask whether a key is anywhere in the tree. The index maps a key's hash to
 * the nodes that may hold it; who asks compares the key itself. Versions share what they have in common: a copy is
 * O(1), a change copies the few trie nodes above it that others still use. Several entries may have the same hash.
 */
enum tw_key_kind { TW_KEY_ENCRYPTION = 0, TW_KEY_SIGNATURE = 1 };

typedef struct tw_key_entry {
  uint64_t hash;
  uint32_t node; /* node index */
  uint32_t kind; /* enum tw_key_kind */
} tw_key_entry;

typedef struct tw_key_trie tw_key_trie;

/* Zero-initialised is empty. */
typedef struct tw_key_index {
  tw_key_trie *root;
} tw_key_index;

/*
 * SipHash-2-4 of kind and key under a seed of the tree's own: members choose keys, and could else choose colliding
 * ones.
 */
uint64_t tw_key_hash(const uint64_t seed[2], uint32_t kind, tw_bytes key);

/* Shares everything with `index`. */
tw_key_index tw_key_index_copy(const tw_key_index *index);
void tw_key_index_clear(const tw_alloc *alloc, tw_key_index *index);
/* On TW_ERR_NO_MEMORY the index holds what it held. */
TW_MUST_USE tw_err tw_key_index_insert(const tw_alloc *alloc, tw_key_index *index, tw_key_entry entry);
/* The entry need not be there. */
TW_MUST_USE tw_err tw_key_index_remove(const tw_alloc *alloc, tw_key_index *index, tw_key_entry entry);
/* The `skip`-th entry with this hash and kind, NULL past the last. Valid until the index changes. */
const tw_key_entry *tw_key_index_find(const tw_key_index *index, uint64_t hash, uint32_t kind, size_t skip);

#endif
