/* A State that is a copy of one that was used since. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_COPIED_H
#define TW_NODE_COPIED_H

#include "store/store.h"

/**
 * Before anything of a node's store is used: whether the files are those that were written last, by tw_store_origin.
 * A copy, such as a backup that was put back, or a machine's that was cloned file by file, is of an earlier time, and
 * keys and numbers in it have been used since: so pairs, the network's group, key packages and marks are deleted from
 * it, as if they had been lost, and `*copied` is true. What was learned and enrolled stays. Not noticed is an image of
 * a whole file system, or a snapshot of one. Errors: the store's.
 */
TW_MUST_USE tw_err tw_node_claim_state(tw_store *store, bool *copied, tw_report *report);

#endif
