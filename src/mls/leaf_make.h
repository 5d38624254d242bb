/* Our own leaves, from what a client is: RFC 9420 section 7.2 and 13.5. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_LEAF_MAKE_H
#define TW_MLS_LEAF_MAKE_H

#include <treewire/mls.h>

#include "mls/leaf_node.h"

/* The fields of a leaf that a client decides on, with the memory under them. Zero-initialised is empty. */
typedef struct tw_own_leaf {
  tw_leaf_node_fields fields; /* credential, capabilities, extensions set; views into `memory` */
  tw_buf memory;
} tw_own_leaf;

TW_MUST_USE tw_err tw_own_leaf_make(const tw_client *client, tw_own_leaf *leaf);
void tw_own_leaf_clear(tw_own_leaf *leaf);
/* Credential, capabilities and extensions of a leaf that exists; views into it. */
void tw_leaf_fields_from(const tw_leaf_node *leaf, tw_leaf_node_fields *fields);
/* TW_ERR_ARGUMENT unless the client is complete and its signer fits its suite. */
TW_MUST_USE tw_err tw_client_check(const tw_client *client);

#endif
