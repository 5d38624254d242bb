/* The inside of a pair. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_INTERNAL_H
#define TW_PAIR_INTERNAL_H

#include <treewire/pair.h>

#include "crypto/crypto.h"

struct tw_pair {
  tw_client client;       /* a copy: with our binding in the leaf, and the connection's policy */
  tw_buf leaf_extensions; /* of client */
  tw_buf binding;         /* our ChannelBinding, encoded */
  tw_bytes label;         /* in binding */
  tw_pair_role role;
  tw_pair_state state;
  bool tie_met;                /* while an update of ours is outstanding: the peer's one was ignored */
  tw_key_package *key_package; /* TW_PAIR_HELLO_SENT only */
  tw_group *group;             /* the epoch in force */
  tw_group *pending;           /* the epoch of our outstanding update */
  tw_buf pending_commit;       /* its MLSMessage: a resumption repeats it */
  uint64_t pending_since_ms;
  uint64_t own_leaf_since_ms;
  uint64_t peer_leaf_since_ms;
  uint64_t own_updates;
  uint64_t peer_updates;
  uint64_t ties;
};

static inline const tw_env *tw_pair_env(const tw_pair *pair) { return pair->client.env; }
static inline uint32_t tw_pair_own_leaf(tw_pair_role role) { return role == TW_PAIR_INITIATOR ? 1 : 0; }
static inline uint32_t tw_pair_peer_leaf(tw_pair_role role) { return role == TW_PAIR_INITIATOR ? 0 : 1; }

/* A pair without a group, for `client` of the config's, with these parameters of ours. */
TW_MUST_USE tw_err tw_pair_new(const tw_pair_config *config, const tw_client *client, tw_bytes parameters,
                               tw_pair_role role, tw_pair **out);
/* The config's client with this suite; TW_ERR_UNSUPPORTED. */
TW_MUST_USE tw_err tw_pair_find_client(const tw_pair_config *config, uint16_t suite_id, const tw_client **out);
/* TW_ERR_ARGUMENT. */
TW_MUST_USE tw_err tw_pair_check_config(const tw_pair_config *config);
/*
 * What must be true of each epoch of a pair: two members at their leaves, suite, group id, bindings (D7), nobody else
 * may speak. TW_ERR_BINDING, TW_ERR_WRONG_GROUP, TW_ERR_FORBIDDEN.
 */
TW_MUST_USE tw_err tw_pair_check_group(const tw_pair *pair, const tw_group *group);

#endif
