/* 2PMLS: continuous key agreement of two parties. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_PAIR_H
#define TREEWIRE_PAIR_H

#include <treewire/mls.h>

/*
 * draft-kohbrok-mls-two-party-profile-00, with the decisions D1 … D14 of docs/protocols.md: an MLS group of exactly
 * two, the responder at leaf 0 and the initiator at leaf 1. A tw_pair makes and takes the messages of the profile and
 * holds the epoch; it knows nothing of how they travel. A channel protocol (MLS-TLS: channel.h) carries them over a
 * reliable, ordered link and takes its keys from the epochs.
 *
 *   initiator                                              responder
 *   tw_pair_initiate       -- client_hello ----------->    tw_pair_respond
 *   tw_pair_receive        <------------ server_hello --
 *                          -- first protected bytes -->    tw_pair_confirm
 *   tw_pair_update         -- connection_update ------>    tw_pair_receive    (either side may update)
 *   tw_pair_receive        <-------- epoch_key_update --
 *
 * Once a connection has ended, either side opens the next one with what it has kept of the pair (D5):
 *
 *   tw_pair_resume         -- resumption_request ----->    tw_pair_receive
 *   tw_pair_receive        <----- resumption_response --
 *                          -- first protected bytes -->    tw_pair_confirm
 *
 * Whatever was lost, a request brings both to one epoch; keys of a connection come from tw_pair_traffic_group with
 * tw_pair_context, so that no two connections have any in common.
 *
 * Times are `now_ms`: milliseconds since 1970, as the caller reads them. Messages are appended to the caller's buffers.
 * On error a pair is as it was before the call, unless the function says otherwise.
 */

typedef struct tw_pair tw_pair;

/** The role that stays for ever (D2): who sent client_hello decides ties. */
typedef enum tw_pair_role { TW_PAIR_INITIATOR = 1, TW_PAIR_RESPONDER = 2 } tw_pair_role;

/** The states of a pair; src/pair/machine.c holds the table of transitions. */
typedef enum tw_pair_state {
  TW_PAIR_HELLO_SENT = 1,  /* initiator: no group yet */
  TW_PAIR_UNCONFIRMED = 2, /* responder: the initiator has not shown yet that it holds the epoch (D13) */
  TW_PAIR_STEADY = 3,      /* no update of ours outstanding */
  TW_PAIR_LEADING = 4,     /* initiator, with an update of its own outstanding: it wins a tie (D3) */
  TW_PAIR_YIELDING = 5,    /* responder, with an update of its own outstanding: it gives way in a tie */
  TW_PAIR_ASKING = 6,      /* a resumption_request of ours is out (D5) */
  TW_PAIR_ANSWERED = 7     /* a resumption_response of ours is out, and the peer has not shown yet that it has it */
} tw_pair_state;

/** TwoPartyMLSMessage types (D1). */
typedef enum tw_pair_message_type {
  TW_PAIR_CLIENT_HELLO = 1,
  TW_PAIR_SERVER_HELLO = 2,
  TW_PAIR_CONNECTION_UPDATE = 3,
  TW_PAIR_EPOCH_KEY_UPDATE = 4,
  TW_PAIR_RESUMPTION_REQUEST = 5,
  TW_PAIR_RESUMPTION_RESPONSE = 6
} tw_pair_message_type;

#define TW_PAIR_LABEL_MAX 32u
#define TW_PAIR_PARAMETERS_MAX 4096u
/** Random bytes in a resumption_request and in a resumption_response, and what is made of them (D5). */
#define TW_PAIR_NONCE 16u
#define TW_PAIR_CONTEXT_MAX (2 * TW_PAIR_NONCE + 1)
/** Bytes behind a message by mail that is no hello (D19). */
#define TW_PAIR_TAG 16u

/** Borrowed for the call; what it points to has the lives given here. */
typedef struct tw_pair_config {
  /**
   * Who we are, one client for each suite that we accept. The initiator offers the suite of the first; the responder
   * takes the client that has the suite of the client_hello and refuses others. The structures are copied; env, signer,
   * credential and policy.ctx are borrowed as long as the pair lives.
   */
  const tw_client *const *clients;
  size_t client_count;
  /** In place of the client's policy, for decisions by connection; NULL: the client's. Copied. */
  const tw_policy *policy;
  /** The protocol that is keyed (D7): 1 … TW_PAIR_LABEL_MAX bytes, e.g. "mls-tls". The peer's must be equal. Copied. */
  tw_bytes label;
  /** That protocol's own parameters of this side, signed with the leaf; up to TW_PAIR_PARAMETERS_MAX bytes. Copied. */
  tw_bytes parameters;
  /**
   * Messages come one by one, such as from a mailbox, and not on connections: two requests never cross on one, and a
   * context does not say so. All but hellos have a tag of TW_PAIR_TAG bytes behind them, since nothing else protects
   * what they say; a resumption_response is taken only if it answers the last request. Both sides have to have the
   * same.
   */
  bool by_mail;
} tw_pair_config;

/** What a received message has done. */
typedef enum tw_pair_outcome {
  TW_PAIR_JOINED = 1,       /* server_hello: epoch 1 stands. Send something protected at once (D13) */
  TW_PAIR_PEER_UPDATED = 2, /* connection_update applied: send the reply under the old keys, then switch sending */
  TW_PAIR_OWN_UPDATED = 3,  /* epoch_key_update: our update is adopted: switch both directions */
  TW_PAIR_TIE_IGNORED = 4,  /* a connection_update that lost against ours: nothing has changed */
  TW_PAIR_ASKED = 5,        /* resumption_request taken: send the reply, then take keys for both directions */
  TW_PAIR_RESUMED = 6,      /* resumption_response taken: take keys, send something protected at once (D13) */
  TW_PAIR_CROSSED = 7 /* a resumption_request that lost against ours: the reply repeats ours, nothing has changed */
} tw_pair_outcome;

typedef struct tw_pair_event {
  tw_pair_outcome outcome;
  uint64_t epoch;   /* of tw_pair_traffic_group after the message; TW_PAIR_CROSSED: of tw_pair_group */
  bool own_dropped; /* TW_PAIR_PEER_UPDATED, TW_PAIR_ASKED: our own outstanding commit lost the tie; make another update
                       if it is still wanted */
  bool early_data;  /* TW_PAIR_ASKED: what follows the request under tw_pair_early_group may be taken, it has not been
                       before (D6); TW_PAIR_RESUMED: the peer has taken what followed ours */
  bool fresh;   /* TW_PAIR_ASKED: the request cannot be a replay. One that can must not end a connection that lives */
  bool changed; /* the pair is not as before: save it before the reply leaves */
} tw_pair_event;

/**
 * Start as initiator: appends the client_hello to `message`.
 * Errors: TW_ERR_ARGUMENT, TW_ERR_NO_MEMORY, TW_ERR_RANDOM.
 */
TW_API TW_MUST_USE tw_err tw_pair_initiate(const tw_pair_config *config, uint64_t now_ms, tw_pair **pair,
                                           tw_buf *message);

/**
 * Start as responder with a client_hello that came in: checks it, asks the policy about its credential, makes the group
 * and appends the server_hello to `message`. The pair is TW_PAIR_UNCONFIRMED: a KeyPackage may be replayed by anyone
 * (D13). Errors: TW_ERR_UNSUPPORTED (version or suite), TW_ERR_UNEXPECTED (another message), TW_ERR_BINDING (another
 * label, or none), TW_ERR_CREDENTIAL, and what tw_key_package_inspect returns.
 */
TW_API TW_MUST_USE tw_err tw_pair_respond(const tw_pair_config *config, tw_bytes client_hello, uint64_t now_ms,
                                          tw_pair **pair, tw_buf *message);

/** NULL is fine. Secrets are wiped. */
TW_API void tw_pair_free(tw_pair *pair);

/**
 * Take one message from the peer, whole. `reply` gets what is to be sent back, if anything (TW_PAIR_PEER_UPDATED: the
 * epoch_key_update). Adopt, save, send: tw_pair_save comes before the reply is released.
 * Errors: TW_ERR_UNEXPECTED for a message that the state does not allow, TW_ERR_UNSUPPORTED for one of a later version,
 * TW_ERR_APART for a resumption_request that is built on an epoch which we have left or not reached, TW_ERR_DUPLICATE
 * for one that was answered before, TW_ERR_BINDING, TW_ERR_PROPOSAL for a commit that does more than update its sender,
 * and what tw_group_join and tw_group_receive return. All of them end a connection over a reliable link.
 */
TW_API TW_MUST_USE tw_err tw_pair_receive(tw_pair *pair, tw_bytes message, uint64_t now_ms, tw_buf *reply,
                                          tw_pair_event *event);

/**
 * Something of the peer's has opened under tw_pair_traffic_group: the initiator has joined (D13), or the side that
 * asked for a resumption has the response. Nothing happens where that was known already. True when the pair has
 * changed: save it.
 */
TW_API bool tw_pair_confirm(tw_pair *pair);

/**
 * Renew our own leaf key and with it the epoch: appends the connection_update to `message`. The epoch stays until the
 * peer's epoch_key_update. Errors: TW_ERR_PENDING while one is outstanding, TW_ERR_STATE before the pair is confirmed.
 */
TW_API TW_MUST_USE tw_err tw_pair_update(tw_pair *pair, uint64_t now_ms, tw_buf *message);

/**
 * The message of the last tw_pair_update will never be sent: forget it. Nothing happens where none is outstanding. To
 * be called before anything else is received: a peer's update that has lost the tie against ours (TW_PAIR_TIE_IGNORED)
 * is not applied any more, and the peer would wait for ours.
 */
TW_API void tw_pair_take_back(tw_pair *pair);

/**
 * Open the next connection with a pair of an earlier one (D5): appends the resumption_request, to which
 * resumption_response is the answer. It repeats our outstanding commit where there is one, else it makes one. Save the
 * pair before the request leaves. Errors: TW_ERR_STATE before the pair is confirmed; TW_ERR_NO_MEMORY and
 * TW_ERR_RANDOM, after which the pair is as it was but for a message key of the epoch that may be used up.
 */
TW_API TW_MUST_USE tw_err tw_pair_resume(tw_pair *pair, uint64_t now_ms, tw_buf *message);
/**
 * The connection has ended. To be called before anything is received on one that the peer opens, if the pair was not
 * loaded in the meantime: what we asked on the last one does not cross what it asks on this one.
 */
TW_API void tw_pair_disconnect(tw_pair *pair);
/**
 * The group that a resumption_request asks for, to find the saved pair by; borrowed from the message. Nothing but the
 * encoding is checked. TW_ERR_UNEXPECTED: another message; malformed.
 */
TW_API TW_MUST_USE tw_err tw_pair_request_group(const tw_env *env, tw_bytes message, tw_bytes *group_id);

/** The epoch in force; NULL in TW_PAIR_HELLO_SENT. Borrowed until the next call that changes the pair. */
TW_API tw_group *tw_pair_group(const tw_pair *pair);
/** The epoch whose keys protect the connection: that of our response in TW_PAIR_ANSWERED, else as tw_pair_group. */
TW_API tw_group *tw_pair_traffic_group(const tw_pair *pair);
/**
 * The epoch of our outstanding update, else NULL: the peer's keys in it may be in use before its epoch_key_update is
 * here, where the two do not travel in one stream. Borrowed likewise.
 */
TW_API tw_group *tw_pair_next_group(const tw_pair *pair);
/** The exporter context of these keys: empty on a connection that began with hellos. Valid until the next message. */
TW_API tw_bytes tw_pair_context(const tw_pair *pair);
/** The epoch of data that follows a request at once (D6): TW_PAIR_ASKING and TW_PAIR_ANSWERED, else NULL. */
TW_API tw_group *tw_pair_early_group(const tw_pair *pair);
/** Its exporter context. */
TW_API tw_bytes tw_pair_early_context(const tw_pair *pair);
/** The other side's leaf; false while there is no group. Borrowed from the epoch in force. */
TW_API bool tw_pair_peer(const tw_pair *pair, tw_member *peer);
/** The other side's channel_binding parameters; empty while there is no group. Borrowed from the epoch in force. */
TW_API tw_bytes tw_pair_peer_parameters(const tw_pair *pair);

typedef struct tw_pair_status {
  tw_pair_role role;
  tw_pair_state state;
  const tw_suite *suite;
  uint64_t epoch;              /* 0 while there is no group */
  uint64_t own_leaf_since_ms;  /* when our leaf key in force was made (D14) */
  uint64_t peer_leaf_since_ms; /* when the peer's leaf key in force came to us */
  uint64_t own_updates;        /* of ours, adopted */
  uint64_t peer_updates;       /* of the peer's, applied */
  uint64_t ties;               /* met, whoever won */
  uint64_t resumptions;        /* by this side's or the peer's request */
} tw_pair_status;
/** How it stands. Fails never. */
TW_API void tw_pair_get_status(const tw_pair *pair, tw_pair_status *status);

/**
 * All of the pair in one blob, an outstanding update included; versioned. Secret: `out` is the caller's to clear.
 */
TW_API TW_MUST_USE tw_err tw_pair_save(const tw_pair *pair, tw_buf *out);
/**
 * The pair of such a blob. It takes the clients, policy and label of `config` (TW_ERR_BINDING when the label differs;
 * parameters are those saved). TW_ERR_UNSUPPORTED: a version or suite that is not known here; malformed: a damaged
 * blob.
 */
TW_API TW_MUST_USE tw_err tw_pair_load(const tw_pair_config *config, tw_bytes saved, tw_pair **pair);

/** The type of a TwoPartyMLSMessage, for routing: nothing else is checked. TW_ERR_UNSUPPORTED for another version. */
TW_API TW_MUST_USE tw_err tw_pair_message_peek(tw_bytes message, tw_pair_message_type *type);

#endif
