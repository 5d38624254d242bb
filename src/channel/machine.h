/* The states of a channel and what moves it: one table. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CHANNEL_MACHINE_H
#define TW_CHANNEL_MACHINE_H

#include <treewire/pair.h>

#include <stdbool.h>
#include <stdint.h>

/*
 * What a channel has of its peer, and so what it reads. Beside it stand the states of the TLS handshake
 * (src/tls/machine.h), of the pair (src/pair/machine.h), and the two close_notify, one for each direction.
 */
typedef enum tw_channel_state {
  TW_CHANNEL_WAITING = 0,      /* nothing */
  TW_CHANNEL_IN_TLS = 1,       /* a TLS handshake has begun or may begin */
  TW_CHANNEL_HELLO_SENT = 2,   /* nothing; client_hello is out */
  TW_CHANNEL_ASKING = 3,       /* nothing; a resumption_request is out */
  TW_CHANNEL_ANSWERED = 4,     /* common keys, and nothing has opened under them: it may be anyone (D13) */
  TW_CHANNEL_EARLY = 5,        /* the key of early data (D6) and the one that follows it, nothing has opened */
  TW_CHANNEL_EARLY_OPENED = 6, /* early data has opened: it is the peer, which need not have our response yet */
  TW_CHANNEL_OPEN = 7,
  TW_CHANNEL_SWITCHING = 8, /* open; the peer's update was answered, its switch is still to come (D4) */
  TW_CHANNEL_ENDED = 9
} tw_channel_state;
#define TW_CHANNEL_STATES 10

typedef enum tw_channel_move {
  TW_CHANNEL_GO_TLS = 0,            /* the TLS handshake begins */
  TW_CHANNEL_GO_LEAVE_TLS = 1,      /* a resumption_request came in place of a ClientHello */
  TW_CHANNEL_GO_HELLO = 2,          /* client_hello was sent */
  TW_CHANNEL_GO_ASK = 3,            /* resumption_request was sent */
  TW_CHANNEL_GO_HELLO_ANSWERED = 4, /* client_hello came, server_hello was sent */
  TW_CHANNEL_GO_JOINED = 5,         /* server_hello came */
  TW_CHANNEL_GO_TLS_DONE = 6,       /* the peer's Finished came */
  TW_CHANNEL_GO_ASKED = 7,          /* resumption_request came, resumption_response was sent */
  TW_CHANNEL_GO_ASKED_EARLY = 8,    /* likewise, and early data is taken */
  TW_CHANNEL_GO_RESUMED = 9,        /* resumption_response came */
  TW_CHANNEL_GO_RECORD = 10,        /* a record has opened */
  TW_CHANNEL_GO_NEXT_RECORD = 11,   /* a record has opened under the key that follows */
  TW_CHANNEL_GO_PEER_UPDATED = 12,  /* connection_update came, epoch_key_update was sent */
  TW_CHANNEL_GO_OWN_UPDATED = 13,   /* epoch_key_update came */
  TW_CHANNEL_GO_END = 14            /* both have closed, or an error */
} tw_channel_move;
#define TW_CHANNEL_MOVES 15

/* Whether `move` is possible, and then the state that it leads to. Both are any of their enumerations' values. */
bool tw_channel_machine_move(tw_channel_state *state, tw_channel_move move);

/* Whether a 2PMLS message of that type is given to the pair, which has a word to say too. */
bool tw_channel_machine_takes(tw_channel_state state, tw_pair_message_type type);

/* The peer is known: application data goes out and is taken. */
static inline bool tw_channel_state_established(tw_channel_state state) {
  return state >= TW_CHANNEL_EARLY_OPENED && state <= TW_CHANNEL_SWITCHING;
}

/* The pair waits for something of the peer's under its newest keys. */
static inline bool tw_channel_state_unconfirmed(tw_channel_state state) {
  return state >= TW_CHANNEL_ANSWERED && state <= TW_CHANNEL_EARLY_OPENED;
}

/* There are keys of the pair's for what comes in; in a TLS handshake there may be its own. */
static inline bool tw_channel_state_keyed(tw_channel_state state) {
  return state >= TW_CHANNEL_ANSWERED && state <= TW_CHANNEL_SWITCHING;
}

/* And the key that follows, on trial. */
static inline bool tw_channel_state_on_trial(tw_channel_state state) {
  return state == TW_CHANNEL_EARLY || state == TW_CHANNEL_EARLY_OPENED || state == TW_CHANNEL_SWITCHING;
}

#endif
