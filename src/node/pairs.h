/* The pair with each peer: two-member groups for direct traffic. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PAIRS_H
#define TW_NODE_PAIRS_H

#include <treewire/pair.h>

#include "node/port.h"

/*
 * A pair (2PMLS) with each peer that there is traffic with, over the relay's mailboxes, so that the two need never be
 * there at the same time. Whoever has the first packet takes a client_hello of the other from the relay, answers it,
 * and sends; the other joins when it reads its mail.
 *
 * Both may do so at once: then the pair stands whose client_hello came from the smaller ClientId. The keys of the other
 * one are good for receiving as long as packets may be on their way.
 *
 * Nothing that comes by mail can end a pair: what does not fit, or has not the tag that only the peer can make, is
 * ignored, and whoever waits in vain for an answer asks again with a resumption_request (D5), more and more rarely, and
 * begins anew when that is of no use either. Messages that the relay has not confirmed are kept with the pair and sent
 * again.
 */
typedef struct tw_pairs tw_pairs;

#define TW_PAIRS_LABEL "treewire pair"

/** Borrowed as long as the pairs are; copied itself. */
typedef struct tw_pairs_config {
  const tw_client *const *clients; /* as in tw_pair_config; their policies decide whose keys are good */
  size_t client_count;
  tw_client_id self;
  const tw_node_port *port;
  const tw_node_keys *keys;
  uint64_t rekey_after_ms; /* age of our leaf key at which it is renewed (D14), an eighth less at random; 0: never */
  uint64_t repeat_ms;      /* no answer for so long: ask again; doubles up to a day. 0: 10 s */
  /** For people: `what` has happened with a peer. May be NULL. */
  void (*tell)(void *ctx, uint32_t peer, const char *what, tw_err err);
  void *ctx;
} tw_pairs_config;

/** TW_ERR_ARGUMENT, TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_pairs_new(const tw_pairs_config *config, tw_pairs **pairs);
/** NULL is fine. Secrets are wiped; nothing is sent or saved. */
void tw_pairs_free(tw_pairs *pairs);

/** Numbers are below this, and there is a table up to the greatest. */
enum { TW_PAIRS_NUMBER_MAX = 1 << 17 };
/** A peer that there may be a pair with; `number` is the caller's for it. TW_ERR_ARGUMENT: it, or the number, is
 * there already, or it is ourselves. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_pairs_add(tw_pairs *pairs, uint32_t number, const tw_client_id *id);
/** Cut off: its pair is deleted, its keys are forgotten, its messages ignored. Errors of the store: it is all the same.
 */
TW_MUST_USE tw_err tw_pairs_remove(tw_pairs *pairs, uint32_t number);

/** Values of the store at the start, of kinds TW_STORE_SESSION and TW_STORE_KEY_PACKAGE: `*ours` says whether it was
 * one of these. Of a peer that is not there, or damaged: an error, and the value can be deleted. */
TW_MUST_USE tw_err tw_pairs_load(tw_pairs *pairs, tw_store_kind kind, tw_bytes id, tw_bytes value, uint64_t now_ms,
                                 bool *ours);

/** The relay is there, again: what it has not confirmed is sent once more, and our hellos are looked after. */
void tw_pairs_connected(tw_pairs *pairs, uint64_t now_ms);
/** There is a packet for a peer, and no keys. Nothing happens while they are on their way. */
void tw_pairs_want(tw_pairs *pairs, uint32_t number, uint64_t now_ms);
/** Renew our keys with a peer now: by the caller's wish, or since a limit of its keys is near. */
void tw_pairs_rekey(tw_pairs *pairs, uint32_t number, uint64_t now_ms);
/** Keys with a peer that have nothing to do with those in use: they cannot be taken up any more (tw_sas_is_stale). */
void tw_pairs_resume(tw_pairs *pairs, uint32_t number, uint64_t now_ms);
/** A message of somebody's mailbox entry. What it brings is saved when this returns. */
void tw_pairs_mail(tw_pairs *pairs, const tw_client_id *from, tw_bytes message, uint64_t now_ms);
/** The answer to the request with this tag, NULL: it was lost with the connection. */
void tw_pairs_answer(tw_pairs *pairs, uint64_t tag, const tw_control_answer *answer, uint64_t now_ms);
/** Whether a tag is of these requests: its top byte. */
bool tw_pairs_is_tag(uint64_t tag);
/** A packet of the peer's has opened under the keys of `stamp` for the first time. */
void tw_pairs_opened(tw_pairs *pairs, uint32_t number, uint64_t stamp, uint64_t now_ms);

/** When tw_pairs_tick wants to be called; UINT64_MAX: not at all. */
uint64_t tw_pairs_deadline(const tw_pairs *pairs);
void tw_pairs_tick(tw_pairs *pairs, uint64_t now_ms);

typedef struct tw_pairs_status {
  bool there;     /* there is a pair */
  bool confirmed; /* and the peer was seen to have its keys (D13) */
  tw_pair_status pair;
  size_t unsent; /* messages that the relay has not confirmed */
} tw_pairs_status;
/** False: there is no such peer. */
bool tw_pairs_get_status(const tw_pairs *pairs, uint32_t number, tw_pairs_status *status);

#endif
