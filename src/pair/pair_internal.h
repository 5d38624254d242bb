/* The inside of a pair. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_INTERNAL_H
#define TW_PAIR_INTERNAL_H

#include <treewire/pair.h>

#include "crypto/crypto.h"
#include "pair/message.h"

/* By mail, of requests with one commit: more than somebody makes before it begins anew. */
enum { TW_PAIR_NONCES = 8 };

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
  tw_group *pending;     /* the epoch of our commit that the peer is not known to have: update, request, response */
  tw_buf pending_commit; /* its MLSMessage: a resumption repeats it */
  uint8_t applied[TW_HASH_MAX];         /* hash of the peer's commit that `group` began with */
  uint8_t applied_len;                  /* 0: it began otherwise */
  bool applied_in_sight;                /* that commit was seen on the wire, so that anybody can repeat it */
  bool by_request;                      /* it came in a request, whose early data may have been taken */
  uint8_t request_nonce[TW_PAIR_NONCE]; /* of that request */
  uint8_t context[TW_PAIR_CONTEXT_MAX]; /* of the connection: the request's nonce, early_data, the response's nonce */
  uint8_t context_len;
  bool by_mail;                                    /* there are no connections */
  uint8_t answered[TW_PAIR_NONCES][TW_PAIR_NONCE]; /* by mail: the last requests in this epoch, in a ring; not saved */
  uint32_t answered_count;
  bool crossed; /* on this connection the side that was asked has asked, too, and is the one that is answered */
  uint64_t pending_since_ms;
  uint64_t own_leaf_since_ms;
  uint64_t peer_leaf_since_ms;
  uint64_t own_updates;
  uint64_t peer_updates;
  uint64_t ties;
  uint64_t resumptions;
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

/* ---- pair_commit.c: commits that renew their maker's leaf and do nothing else ---- */

/* One of ours that is built on `from`: `next` and the MLSMessage. */
typedef struct tw_pair_commit {
  tw_group *next;
  tw_buf message;
} tw_pair_commit;
TW_MUST_USE tw_err tw_pair_commit_make(tw_group *from, uint64_t now_ms, tw_pair_commit *out);
void tw_pair_commit_clear(tw_pair_commit *commit);
/* Keep it as the pending one. */
void tw_pair_commit_keep(tw_pair *pair, tw_pair_commit *commit, uint64_t now_ms);

/* The epoch that the peer's commit leads to from `from`, one of the pair's. TW_ERR_PROPOSAL, TW_ERR_BINDING, … */
TW_MUST_USE tw_err tw_pair_commit_open(const tw_pair *pair, tw_group *from, tw_bytes commit, uint64_t now_ms,
                                       tw_group **next);
/* Likewise of a connection_update or resumption_request, whose tag has to be by that epoch. TW_ERR_MAC. */
TW_MUST_USE tw_err tw_pair_commit_take(const tw_pair *pair, tw_group *from, const tw_pair_message *message,
                                       uint64_t now_ms, tw_group **next);
/* Of one that is built on the pair's epoch and loses against ours: by mail, whether the peer has made it. */
TW_MUST_USE tw_err tw_pair_commit_check(const tw_pair *pair, const tw_pair_message *message, uint64_t now_ms);
/* The group and epoch that it is built on. TW_ERR_UNEXPECTED unless it is a PrivateMessage with a commit (D1). */
TW_MUST_USE tw_err tw_pair_commit_peek(const tw_env *env, tw_bytes message, tw_bytes *group_id, uint64_t *epoch);
TW_MUST_USE tw_err tw_pair_commit_hash(const tw_pair *pair, tw_bytes message, uint8_t out[TW_HASH_MAX]);

/* Our outstanding commit is no longer wanted. */
void tw_pair_drop_pending(tw_pair *pair);
/* It is accepted: its epoch is the pair's. */
void tw_pair_adopt_pending(tw_pair *pair);
/* `next` is the pair's epoch, by the peer's commit with this hash. Takes `next`. */
void tw_pair_adopt_applied(tw_pair *pair, tw_group *next, const uint8_t hash[TW_HASH_MAX], bool in_sight,
                           uint64_t now_ms);

#endif
