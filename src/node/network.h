/* The network's group: all nodes in one, for what goes to many. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_NETWORK_H
#define TW_NODE_NETWORK_H

#include "node/port.h"

/*
 * One group of a name at the relay. Whoever finds none there founds it; members add those whom they want and who have
 * left a key package at the relay, remove those whom they do not want any more, and renew their keys. Who was a member
 * and cannot follow any more (its disk is lost, its mail has gone, it is on a fork) puts itself back by an external
 * commit, into the group that it knows of; nobody comes in by one, and nobody into another group than its own: for that
 * somebody who is in there adds it.
 *
 * The relay orders commits: the first one of an epoch stands. A commit is saved with the epoch that it leads to before
 * the relay gets it, and goes there again, byte for byte, until there is an answer.
 *
 * The relay is trusted for nothing else: what it sends, repeats, holds back or makes up can delay this node, and may
 * split the network so that it is noticed (tw_network_compare). Members are not trusted to decide who is in: a commit
 * that brings in whom we do not want, that adds or removes by who may not, or that changes the GroupContext is refused,
 * and so are all that come after it. Then the node is stuck, says so, and stays in the last good epoch until its own
 * roster changes, or, if it was about a member that we do not want, until that one is gone. Who may remove others puts
 * itself back then, and removes that one.
 */
typedef struct tw_network tw_network;

#define TW_NETWORK_LABEL "treewire network"
enum { TW_NETWORK_NAME_MAX = TW_CONTROL_NAME_MAX };

/** Whom this node wants, by its configuration. What changes there is told by tw_network_roster_changed. */
typedef struct tw_network_roster {
  void *ctx;
  /** A configured peer, or ourselves. */
  bool (*wants)(void *ctx, const tw_client_id *id);
  /** All of those but ourselves, each once: the first at or behind a place, 0 in the beginning, which is moved behind
   * it; false at the end. */
  bool (*next_wanted)(void *ctx, size_t *place, tw_client_id *id);
  /** May add and remove others. NULL: everybody may. */
  bool (*is_admin)(void *ctx, const tw_client_id *id);
  /** Somebody else, who wants in and has this credential, the key of which is its own: from then on the roster has it.
   * NULL: never. */
  bool (*admits)(void *ctx, const tw_client_id *id, const tw_credential *credential);
  /** Whether somebody whom it wants may be added with this credential, the key of which is its own. NULL: with any. */
  bool (*accepts)(void *ctx, const tw_client_id *id, const tw_credential *credential);
} tw_network_roster;

/** Borrowed as long as the network is; copied itself. */
typedef struct tw_network_config {
  const tw_client *client; /* its policy decides whose keys are good; a copy gets the binding to label and name (D7) */
  tw_bytes name;           /* 1 … TW_NETWORK_NAME_MAX bytes, the same at all nodes */
  tw_client_id self;
  const tw_node_port *port;
  const tw_node_keys *keys;
  uint32_t owner; /* what `keys` is told whose they are: TW_SAS_NETWORK */
  tw_network_roster roster;
  bool sign;               /* our leaves have packet keys (D23) */
  uint64_t rekey_after_ms; /* age of our leaf key at which it is renewed, an eighth less at random; 0: never */
  uint64_t switch_ms;      /* sending goes on under an epoch's keys so long after it is known: others lose nothing whose
                              mail is that slow. A third of it where we were away, and at once where somebody is removed. 0:
                              3 s */
  uint64_t repeat_ms;      /* no success for so long: ask again; doubles up to an hour. 0: 10 s */
  /** For people. May be NULL. */
  void (*tell)(void *ctx, const char *what, tw_err err);
  /** Members or epoch have changed. May be NULL; may not call back, but for what is const here. */
  void (*changed)(void *ctx);
  /** Somebody has been removed, by whoever may. Rosters that want him still should not, or he is added again. May be
   * NULL; may not call back likewise. */
  void (*removed)(void *ctx, const tw_client_id *id);
  void *ctx; /* of the three above */
} tw_network_config;

/** TW_ERR_ARGUMENT, TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_network_new(const tw_network_config *config, tw_network **network);
/** NULL is fine. Secrets are wiped; nothing is sent or saved. */
void tw_network_free(tw_network *network);

/**
 * Values of the store at the start, of kinds TW_STORE_GROUP and TW_STORE_KEY_PACKAGE: `*ours` says whether it was one
 * of these. An error of the class resource: try again. Any other: damaged, or of another configuration; the value can
 * be deleted, and we put ourselves back as after the loss of a disk.
 */
TW_MUST_USE tw_err tw_network_load(tw_network *network, tw_store_kind kind, tw_bytes id, tw_bytes value,
                                   uint64_t now_ms, bool *ours);

/** The relay is there, again. */
void tw_network_connected(tw_network *network, uint64_t now_ms);
/** An entry of the mailbox, of kind commit, group_send or welcome. What it brings is saved when this returns. */
void tw_network_mail(tw_network *network, const tw_control_entry *entry, uint64_t now_ms);
/** The answer to the request with this tag, NULL: it was lost with the connection. */
void tw_network_answer(tw_network *network, uint64_t tag, const tw_control_answer *answer, uint64_t now_ms);
/** Whether a tag is of these requests: its top byte. */
bool tw_network_is_tag(uint64_t tag);
/** The relay says that a client wants to be a member of a group of this name. */
void tw_network_wants_in(tw_network *network, tw_bytes name, const tw_client_id *client, uint64_t now_ms);

/** Somebody else is wanted, or is not any more. */
void tw_network_roster_changed(tw_network *network, uint64_t now_ms);
/** Who is not wanted any more is removed now, by us: others wait for each other's doing so. */
void tw_network_remove(tw_network *network, const tw_client_id *id, uint64_t now_ms);
/** Renew our keys now: by the caller's wish, or since a limit of its keys is near. */
void tw_network_rekey(tw_network *network, uint64_t now_ms);

/** What another member says of itself, authentically: the epoch that it is in, and its authenticator. Of our epoch and
 * another authenticator: we are on different branches, and each sees to come back to what the relay has. Of a later
 * epoch: its commit comes by mail, or is asked for; where the relay says then that there is none, that counts as a
 * fork, too. */
void tw_network_compare(tw_network *network, uint64_t epoch, tw_bytes authenticator, uint64_t now_ms);

/** When tw_network_tick wants to be called; UINT64_MAX: not at all. */
uint64_t tw_network_deadline(const tw_network *network);
void tw_network_tick(tw_network *network, uint64_t now_ms);

typedef enum tw_network_state {
  TW_NETWORK_IDLE = 0,    /* the relay was not there yet */
  TW_NETWORK_FINDING = 1, /* asking whether there is such a group */
  TW_NETWORK_OPENING = 2, /* there was none: founding it */
  TW_NETWORK_WAITING = 3, /* not a member: waiting for a Welcome */
  TW_NETWORK_REJOINING = 4,
  TW_NETWORK_MEMBER = 5,
  TW_NETWORK_STUCK = 6 /* something was refused; see above */
} tw_network_state;

typedef struct tw_network_status {
  tw_network_state state;
  bool there;        /* there is a group, perhaps an older epoch of it; the next five are of it, else zero */
  tw_bytes group_id; /* borrowed until the next call */
  uint64_t epoch;
  uint32_t members;
  uint32_t own_leaf;
  uint64_t leaf_made_ms;     /* Unix time */
  bool sends;                /* there are keys to send under */
  uint64_t sending_epoch;    /* that they are of; 0 without */
  uint32_t number;           /* of the group at the relay, for packets to all of it; 0: not known */
  bool unwanted;             /* there are members that are not to be: nothing may be sent to all until they are gone */
  uint64_t pending_since_ms; /* a commit of ours is under way; 0: none */
  uint64_t forks;            /* that were noticed */
  uint64_t refused;          /* commits and Welcomes */
} tw_network_status;
void tw_network_get_status(const tw_network *network, tw_network_status *status);

/** Of the epoch that there is, to be told to other members (tw_network_compare). Empty: none. Borrowed until the next
 * call. */
tw_bytes tw_network_authenticator(const tw_network *network, uint64_t *epoch);

/**
 * A message that one member alone can read, by the key in its leaf: also one that does not follow the group, as long as
 * it has not renewed that key. Both outputs are appended. TW_ERR_STATE: there is no group, or no such member.
 */
TW_MUST_USE tw_err tw_network_seal(const tw_network *network, const tw_client_id *id, tw_bytes label,
                                   tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext);
/**
 * One to us, whether we have come in or were only added: then by the key that our leaf has there. TW_ERR_STATE:
 * neither; TW_ERR_DECRYPT: it is not for the key that is in our leaf now.
 */
TW_MUST_USE tw_err tw_network_open(const tw_network *network, tw_bytes label, tw_bytes kem_output, tw_bytes ciphertext,
                                   tw_buf *plaintext);

/** The first member of the epoch that there is at or after `*leaf`, as tw_group_next_member. */
bool tw_network_member_at_leaf(const tw_network *network, uint32_t *leaf, tw_member *member);
/** Of the epoch that there is. */
bool tw_network_has_member(const tw_network *network, const tw_client_id *id);
/** Of the epoch that there is: whether it is a member with a packet key in its leaf. */
bool tw_network_can_sign(const tw_network *network, const tw_client_id *id);
/** All members, ourselves included, by an index from 0; false at the end. `leaf` may be NULL. */
bool tw_network_next_member(const tw_network *network, size_t index, tw_client_id *id, uint32_t *leaf);

#endif
