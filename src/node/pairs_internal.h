/* The inside of pairs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PAIRS_INTERNAL_H
#define TW_NODE_PAIRS_INTERNAL_H

#include "node/mail.h"
#include "node/pairs.h"
#include "node/peer_map.h"
#include "node/stock.h"

enum { TW_PAIRS_HELLOS = 8, TW_PAIRS_UNSENT_MAX = 8, TW_PAIRS_REPEATS = 6 };
#define TW_PAIRS_TAG (UINT64_C(1) << 56)
#define TW_PAIRS_REPEAT_MAX_MS (UINT64_C(24) * 3600 * 1000)
#define TW_PAIRS_TAKE_AGAIN_MS UINT64_C(5000)
/* What the relay hands out is thousands of bytes: if it is of no use, it is asked for ever less often, but so often. */
#define TW_PAIRS_TAKE_LATEST_MS (UINT64_C(10) * 60 * 1000)
#define TW_PAIRS_STOCK_MS (UINT64_C(3600) * 1000)
/* Two that begin at once know of it after so long. */
#define TW_PAIRS_CROSSING_MS UINT64_C(60000)
/* However often it was begun anew for strange mail, a pair that works stays no longer than this for more of it. */
#define TW_PAIRS_STAYS_MS (UINT64_C(3600) * 1000)
/* Mail that went before the packet by which it confirmed a pair is here so long after that at the latest. */
#define TW_PAIRS_CONFIRMED_MS UINT64_C(5000)
#define TW_PAIRS_NOBODY UINT32_MAX

/* What a request was for: in its tag, with a peer's number. */
typedef enum tw_pairs_ask {
  TW_PAIRS_ASK_STOCK = 1,
  TW_PAIRS_ASK_PUBLISH = 2,
  TW_PAIRS_ASK_TAKE = 3,
  TW_PAIRS_ASK_SEND = 4
} tw_pairs_ask;

typedef struct tw_pairs_peer {
  tw_client_id id;
  uint32_t number; /* the caller's */
  tw_pair *pair;   /* NULL: none */
  tw_buf context;  /* of its traffic keys (tw_pair_context), which a loaded pair has not */
  tw_buf unsent;   /* NodeMails, each opaque<V>, that the relay has not confirmed; saved with the pair */
  uint32_t unsent_count;
  bool in_flight;   /* the first of them was given to the relay on this connection */
  uint32_t sending; /* and by which request, while it is (tw_pairs.sends) */
  tw_buf early;   /* an update that came before a packet has shown that the peer has the epoch it is of; empty: none */
  uint64_t stamp; /* of the keys that the peer should be using, or begin to use */
  uint64_t next_stamp; /* of our outstanding update's */
  uint64_t given_up;   /* of an unconfirmed pair in whose place the peer's came; 0: none */
  bool send_later;     /* ours go under the new keys once the peer's do: a resumption was answered (D5), or a pair begun
                          anew */
  bool reverting;      /* it could not be saved: what it was before has to be loaded */
  bool taking;         /* a client_hello of the peer's was asked for */
  bool wanted;         /* there is traffic */
  uint64_t take_at_ms; /* not before */
  uint64_t take_wait_ms; /* what came last was of no use; 0: it was */
  uint64_t send_at_ms;   /* the relay, or what goes to it, was full */
  uint64_t made_ms;      /* when the pair began */
  uint64_t stays_ms;     /* so long it is not begun anew, whatever mail says; 0: TW_PAIRS_CROSSING_MS */
  uint64_t confirmed_ms; /* when a packet has confirmed it; 0: none has since the start */
  uint64_t rekey_at_ms;
  uint64_t yields_until_ms; /* it is the peer's turn to renew */
  uint64_t repeat_at_ms;    /* UINT64_MAX: nothing is waited for */
  uint64_t repeat_ms;
  uint32_t repeats;
} tw_pairs_peer;

struct tw_pairs {
  tw_pairs_config config;
  tw_pair_config pair;
  const tw_env *env;
  tw_stock hellos;       /* client_hellos at the relay */
  tw_pairs_peer **peers; /* by number; NULL: there is none */
  size_t count;
  tw_peer_map numbers;
  bool stocking; /* the relay was asked about our hellos */
  uint64_t stock_at_ms;
  uint32_t sends;      /* requests to send a message: a number of these is in their tags */
  uint32_t generation; /* of the connection: answers to an earlier one's requests do not count */
};

/* ---- pairs.c: peers and the relay ---- */

/* By the caller's number, and by ClientId; NULL: there is none. */
tw_pairs_peer *tw_pairs_find(const tw_pairs *pairs, uint32_t number);
tw_pairs_peer *tw_pairs_find_id(const tw_pairs *pairs, const tw_client_id *id);
/* Without a pair, as in the beginning. */
void tw_pairs_peer_reset(tw_pairs_peer *peer);
/* Give the relay the next message, if there is one. */
void tw_pairs_flush(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms);
/* Ask for a client_hello of the peer's, unless that was a moment ago. */
void tw_pairs_take(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms);
/* What came of that: if it was of no use, the next is not asked for before long. */
void tw_pairs_took(tw_pairs_peer *peer, bool useful, uint64_t now_ms);
void tw_pairs_tell(const tw_pairs *pairs, uint32_t number, const char *what, tw_err err);

/* ---- pairs_begin.c: how a pair begins ---- */

/* For the stock of hellos: a client_hello and the pair that waits for its answer. */
tw_err tw_pairs_make_hello(void *ctx, bool last_resort, uint64_t now_ms, tw_buf *published, tw_buf *kept,
                           uint8_t ref[TW_STOCK_REF]);
/* Mail of another pair may be made up, or old: how long the one that there is stays for all of it. */
uint64_t tw_pairs_stays_until(const tw_pairs_peer *peer);
/* With a client_hello of the peer's. */
void tw_pairs_respond(tw_pairs *pairs, tw_pairs_peer *peer, tw_bytes client_hello, uint64_t now_ms);
/* With a server_hello to one of ours. */
void tw_pairs_join(tw_pairs *pairs, tw_pairs_peer *peer, const tw_mail *mail, uint64_t now_ms);

/* ---- pairs_go_on.c: how it goes on ---- */

/* Of the pair, which there is. */
tw_pair_status tw_pairs_status_of(const tw_pairs_peer *peer);
/* Every other message of it. */
void tw_pairs_receive(tw_pairs *pairs, tw_pairs_peer *peer, const tw_mail *mail, uint64_t now_ms);
/* Renew our leaf, if the pair's state allows it. */
void tw_pairs_update(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms);
/* An answer is overdue. */
void tw_pairs_repeat(tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms);
/* When what has to happen next, after a change. */
void tw_pairs_schedule(const tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms);
/* The link is new: who waits for an answer asks again before long. */
void tw_pairs_hurry(const tw_pairs *pairs, tw_pairs_peer *peer, uint64_t now_ms);
/* A message to be kept until the relay has it; TW_ERR_LIMIT: there are too many. `request`: the nonce of what a
 * resumption_response answers; else empty. */
TW_MUST_USE tw_err tw_pairs_keep(tw_pairs_peer *peer, const uint8_t ref[TW_MAIL_REF], tw_bytes request, tw_bytes body);
/* The pair as it is now, and `more` with it. */
TW_MUST_USE tw_err tw_pairs_save(const tw_pairs *pairs, const tw_pairs_peer *peer, const tw_store_change *more,
                                 size_t count);
/* Take packets under its traffic keys; remembers their stamp. */
TW_MUST_USE tw_err tw_pairs_take_keys(const tw_pairs *pairs, tw_pairs_peer *peer);
TW_MUST_USE tw_err tw_pairs_send_under(const tw_pairs *pairs, const tw_pairs_peer *peer, bool nudge);

/* ---- pair_record.c: what is saved of a peer ---- */

/* A copy as it is saved; the caller clears it. */
TW_MUST_USE tw_err tw_pair_record_encode(const tw_pairs_peer *peer, tw_buf *value);
/* Into a peer without a pair. */
TW_MUST_USE tw_err tw_pair_record_decode(const tw_pair_config *config, tw_bytes value, tw_client_id *id, tw_pair **pair,
                                         tw_buf *context, tw_buf *unsent);

/* What was decoded becomes the peer's. */
void tw_pairs_put_saved(tw_pairs_peer *peer, tw_pair *pair, tw_buf context, tw_buf unsent);

#endif
