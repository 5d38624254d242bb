/* Enrolment at a node: invitations of an admin, and the lists by which all others learn of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_ENROL_H
#define TW_NODE_ENROL_H

#include "node/enrolment.h"
#include "node/learned.h"
#include "node/network.h"

/*
 * An admin invites: the relay lets in who shows the invitation's key, as a guest that can write to the admin alone. Who
 * comes sends its own key; the admin has the relay let that one in for good, answers with all that a configuration
 * needs, and puts the key on its list, which it signs. Each member keeps the newest list of each of its Admins, and
 * whom these name are peers, as far as its own configuration has no other opinion.
 *
 * Lists go by mail to each member, sealed to its leaf of the network's group, so that also one that does not follow
 * that group for the very key that is on the list can read it. Who may have missed one says which version it has.
 *
 * All that is to be done is in the store before it is done, and is done again until the relay has confirmed it.
 */
typedef struct tw_enrol tw_enrol;

enum { TW_ENROL_INVITATIONS_MAX = 64, TW_ENROL_ADDRESSES_MAX = 8, TW_ENROL_UNTIL_MAX = 366 * 24 * 3600 };

/** Borrowed as long as it is; copied itself. */
typedef struct tw_enrol_config {
  const tw_env *env;
  tw_signer *signer;
  tw_client_id self;
  const tw_node_config *config; /* with learned peers */
  const tw_learned *learned;    /* NULL: nothing is learned */
  const tw_x509_trust *trust;   /* the CA, for joiners of a network whose Members are certified; NULL: there is none */
  const tw_node_port *port;
  const tw_network *network;
  /** A peer that a list names, copied; or one that none names any more. Errors are told by the callee. */
  tw_err (*learn)(void *ctx, const tw_learned_peer *peer);
  tw_err (*unlearn)(void *ctx, const tw_fingerprint *key);
  /** Whether a peer of the configuration has been cut off. NULL: none was. */
  bool (*is_removed)(void *ctx, uint32_t peer);
  /** For people. NULL: nothing. */
  void (*tell)(void *ctx, const char *line);
  void *ctx;
} tw_enrol_config;

/** TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_enrol_new(const tw_enrol_config *config, tw_enrol **enrol);
/** NULL is fine. Secrets are wiped; nothing is sent or saved. */
void tw_enrol_free(tw_enrol *enrol);

/** Values of the store at the start, of kind TW_STORE_NODE: `*ours` says whether it was one of these. Damaged: an
 * error, and the value can be deleted. */
TW_MUST_USE tw_err tw_enrol_load(tw_enrol *enrol, tw_bytes id, tw_bytes value, bool *ours);
/** All of them were loaded: peers are learned and forgotten to match. */
void tw_enrol_loaded(tw_enrol *enrol);

/** The relay is there, again. */
void tw_enrol_connected(tw_enrol *enrol, uint64_t now_ms);
/** The relay has lost what it had of us: those whom we have let in as well. It is told again, one after the other;
 * that this is to be done is saved when this returns. */
void tw_enrol_relay_lost(tw_enrol *enrol, uint64_t now_ms);
/** Whether a message of a mailbox entry is for tw_enrol_mail. */
bool tw_enrol_is_mail(tw_bytes message);
/** What it brings is saved when this returns. */
void tw_enrol_mail(tw_enrol *enrol, const tw_client_id *from, tw_bytes message, uint64_t now_ms);
/** Whether a tag is of these requests: its top byte. */
bool tw_enrol_is_tag(uint64_t tag);
/** The answer to the request with this tag, NULL: it was lost with the connection. */
void tw_enrol_answer(tw_enrol *enrol, uint64_t tag, const tw_control_answer *answer, uint64_t now_ms);
/** Members of the network, its epoch or state may be others. */
void tw_enrol_network_changed(tw_enrol *enrol, uint64_t now_ms);
/** A peer was cut off, by whoever may: it goes from our list, if it is there, and the relay does not let it in for us.
 */
void tw_enrol_removed(tw_enrol *enrol, const tw_client_id *id, uint64_t now_ms);

/** When tw_enrol_tick wants to be called; UINT64_MAX: not at all. */
uint64_t tw_enrol_deadline(const tw_enrol *enrol);
void tw_enrol_tick(tw_enrol *enrol, uint64_t now_ms);

/* ---- what an admin asks ---- */

typedef struct tw_enrol_wish {
  tw_bytes name;              /* of the new node */
  const tw_prefix *addresses; /* its own, with the lengths of their subnets */
  size_t address_count;
  uint64_t until; /* seconds since 1970 */
} tw_enrol_wish;

/**
 * A new invitation, saved; its token is appended, for the caller to clear. Errors with a report: TW_ERR_FORBIDDEN, the
 * network has no Admins, or this node is none; TW_ERR_ARGUMENT, the name or an address cannot be had;
 * TW_ERR_UNSUPPORTED, the relay is not known by its key; TW_ERR_LIMIT, there are too many, or the CAs are more than
 * TW_ENROLMENT_CA_MAX; the store's, TW_ERR_RANDOM.
 */
TW_MUST_USE tw_err tw_enrol_invite(tw_enrol *enrol, const tw_enrol_wish *wish, uint64_t now_ms,
                                   uint8_t id[TW_INVITATION_ID], tw_buf *token, tw_report *report);

typedef enum tw_enrol_state {
  TW_ENROL_UNKNOWN = 0, /* no such invitation: used and done with, over, or withdrawn */
  TW_ENROL_NEW = 1,     /* the relay has not been told yet */
  TW_ENROL_OPEN = 2,
  TW_ENROL_ENROLLED = 3, /* used, but the joiner has not confirmed that it knows */
  TW_ENROL_REFUSED = 4   /* by the relay, for what the report says; it is gone */
} tw_enrol_state;
/** `report` may be NULL. */
tw_enrol_state tw_enrol_look(const tw_enrol *enrol, const uint8_t id[TW_INVITATION_ID], tw_report *report);
/** One of those that there are, as tw_enrol_look tells it. `name` is borrowed until the next change. */
typedef struct tw_enrol_open {
  const char *name;
  uint64_t until; /* seconds since 1970 */
  tw_enrol_state state;
} tw_enrol_open;
/** By an index from 0; false at the end. */
bool tw_enrol_next(const tw_enrol *enrol, size_t index, tw_enrol_open *open);
/** Withdraw the invitation for a node of that name that was not used yet; false: there is none. */
bool tw_enrol_withdraw(tw_enrol *enrol, tw_bytes name, uint64_t now_ms);
/** The version of an admin's list that is here, or else the last that is not taken any more; 0: any is. */
uint64_t tw_enrol_version(const tw_enrol *enrol, const tw_client_id *admin);

#endif
