/* Which peer has what: for who appends many to a configuration. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_CONFIG_INDEX_H
#define TW_NODE_CONFIG_INDEX_H

#include "node/config.h"

/** What no two peers may both have. */
typedef enum tw_config_trait {
  TW_CONFIG_TRAIT_KEY = 1,
  TW_CONFIG_TRAIT_LABEL,       /* tw_node_peer_label */
  TW_CONFIG_TRAIT_CERTIFICATE, /* of a [Peer] */
  TW_CONFIG_TRAIT_PREFIX       /* of its AllowedIPs: one tw_prefix */
} tw_config_trait;

typedef struct tw_config_place {
  tw_config_trait trait; /* 0: free */
  uint64_t hash;
  size_t peer;
  size_t prefix; /* which of its AllowedIPs */
} tw_config_place;

/**
 * A hash table with open addressing, at most half full. It finds who had something first. Who chooses his name to meet
 * others in the table makes looking slower, not wrong.
 */
typedef struct tw_config_index {
  tw_node_config *config;  /* borrowed */
  tw_config_place *places; /* `room` of them: a power of 2, or 0 */
  size_t room;
  size_t used;
} tw_config_index;

/** Of all peers that there are. TW_ERR_NO_MEMORY; nothing is to be closed then. */
TW_MUST_USE tw_err tw_config_index_open(tw_node_config *config, tw_config_index *index);
/** May be called twice. */
void tw_config_index_close(tw_config_index *index);
/** TW_NODE_NONE: nobody has it. */
size_t tw_config_index_find(const tw_config_index *index, tw_config_trait trait, tw_bytes value);
/** Room for all that this peer has. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_config_index_reserve(tw_config_index *index, const tw_node_peer *peer);
/** A peer of the configuration, for which there is room: also one that is there, for what it has got since. */
void tw_config_index_add(tw_config_index *index, size_t peer);

/** As tw_node_config_append_peer, in time that does not depend on how many peers there are. */
TW_MUST_USE tw_err tw_config_index_append(tw_config_index *index, const tw_fingerprint *own, const tw_node_peer *peer,
                                          tw_problems *told);

#endif
