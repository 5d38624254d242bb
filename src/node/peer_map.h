/* Numbers by ClientId. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PEER_MAP_H
#define TW_NODE_PEER_MAP_H

#include "control/message.h"

typedef struct tw_peer_place {
  bool used;
  tw_client_id id;
  uint32_t number;
} tw_peer_place;

/**
 * A hash table with open addressing, at most half full. ClientIds are SHA-256 hashes already; who would choose his to
 * meet others in the table has to be somebody whom the configuration admits, and makes looking slower, not wrong.
 * Zero-initialise and set `alloc`.
 */
typedef struct tw_peer_map {
  const tw_alloc *alloc;
  tw_peer_place *places; /* `room` of them: a power of 2, or 0 */
  size_t room;
  size_t used;
} tw_peer_map;

/** Of an id that is there it becomes the number. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_peer_map_put(tw_peer_map *map, const tw_client_id *id, uint32_t number);
/** UINT32_MAX: it is not there, or that was put. */
uint32_t tw_peer_map_find(const tw_peer_map *map, const tw_client_id *id);
/** May be called twice. */
void tw_peer_map_clear(tw_peer_map *map);

#endif
