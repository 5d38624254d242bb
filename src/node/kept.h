/* What a node leaves to the one that takes its place in the same process. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_KEPT_H
#define TW_NODE_KEPT_H

#include "node/plane.h"

/** Of one peer. */
typedef struct tw_node_kept_peer {
  tw_client_id id;
  tw_udp_address direct;    /* the way that its packets went; family 0: by the relay */
  uint64_t answered_ago_ms; /* how long before, that way has answered */
  uint64_t heard_ago_ms;    /* UINT64_MAX: never */
  tw_plane_count sent;
  tw_plane_count received;
} tw_node_kept_peer;

/** The ways to peers, and what was counted. Zero-initialised is nothing. */
typedef struct tw_node_kept {
  const tw_alloc *alloc;
  tw_node_kept_peer *list;
  uint32_t count;
} tw_node_kept;

/** NULL is no peer of these. Borrowed. */
const tw_node_kept_peer *tw_node_kept_find(const tw_node_kept *kept, const tw_client_id *id);
/** And is nothing. */
void tw_node_kept_clear(tw_node_kept *kept);

#endif
