/* How many leaves list or use a code point: RFC 9420 section 7.3 asked without walking all leaves. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_TREE_COUNTS_H
#define TW_MLS_TREE_COUNTS_H

#include "mls/leaf_node.h"

/* What is counted: capabilities listed, and the types of the leaves' own credentials. */
enum tw_count_kind {
  TW_COUNT_EXTENSION = 0,
  TW_COUNT_PROPOSAL = 1,
  TW_COUNT_CREDENTIAL = 2,
  TW_COUNT_CREDENTIAL_USED = 3
};

/*
 * A sorted table of (kind, value, count), reference counted and never changed once made. It has at most 2^18 entries
 * however hostile the leaves; ordinary groups have a dozen. NULL is the empty table.
 */
typedef struct tw_tree_counts tw_tree_counts;

uint32_t tw_tree_counts_get(const tw_tree_counts *counts, uint32_t kind, uint16_t value);
/* Sum of the used credential types that the list of uint16 lacks. */
uint32_t tw_tree_counts_credentials_outside(const tw_tree_counts *counts, tw_bytes credentials);
/* The used credential type after `*type` (start at -1); false past the last. */
bool tw_tree_counts_next_credential(const tw_tree_counts *counts, int32_t *type);
/* A new table for `removed` (may be NULL) having left and `added` (may be NULL) having come. */
TW_MUST_USE tw_err tw_tree_counts_change(const tw_alloc *alloc, tw_tree_counts *counts, const tw_leaf_node *removed,
                                         const tw_leaf_node *added, tw_tree_counts **out);
tw_tree_counts *tw_tree_counts_ref(tw_tree_counts *counts);
void tw_tree_counts_release(const tw_alloc *alloc, tw_tree_counts *counts);

#endif
