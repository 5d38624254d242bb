/* The states of a pair and what moves it: one table. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_MACHINE_H
#define TW_PAIR_MACHINE_H

#include <treewire/pair.h>

/*
 * What can happen to a pair: the six messages, by their numbers, and things of its own side. A resumption_request is
 * four inputs, by what its commit is built on (tw_pair_request_input); its own number is that of one that fits nothing.
 */
typedef enum tw_pair_input {
  TW_PAIR_IN_CLIENT_HELLO = TW_PAIR_CLIENT_HELLO,
  TW_PAIR_IN_SERVER_HELLO = TW_PAIR_SERVER_HELLO,
  TW_PAIR_IN_CONNECTION_UPDATE = TW_PAIR_CONNECTION_UPDATE,
  TW_PAIR_IN_EPOCH_KEY_UPDATE = TW_PAIR_EPOCH_KEY_UPDATE,
  TW_PAIR_IN_RESUMPTION_REQUEST = TW_PAIR_RESUMPTION_REQUEST, /* built on an epoch that we have left or not reached */
  TW_PAIR_IN_RESUMPTION_RESPONSE = TW_PAIR_RESUMPTION_RESPONSE,
  TW_PAIR_IN_CONFIRM = 7,             /* the peer was seen to hold the epoch's keys (D13) */
  TW_PAIR_IN_UPDATE_AS_INITIATOR = 8, /* an update of ours is wanted */
  TW_PAIR_IN_UPDATE_AS_RESPONDER = 9,
  TW_PAIR_IN_TAKE_BACK = 10,                  /* our update never left */
  TW_PAIR_IN_RESUME = 11,                     /* a resumption is wanted */
  TW_PAIR_IN_REQUEST_REPEATED = 12,           /* resumption_request: the commit that our epoch began with */
  TW_PAIR_IN_REQUEST_AHEAD = 13,              /* built on the epoch of our outstanding commit */
  TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR = 14, /* built on our epoch, we being the initiator */
  TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER = 15
} tw_pair_input;
#define TW_PAIR_INPUTS 16

typedef enum tw_pair_action {
  TW_PAIR_DO_REFUSE = 0,         /* TW_ERR_UNEXPECTED */
  TW_PAIR_DO_REFUSE_APART = 1,   /* a request that fits none of our epochs: TW_ERR_APART */
  TW_PAIR_DO_REFUSE_STATE = 2,   /* our own call comes too early: TW_ERR_STATE */
  TW_PAIR_DO_REFUSE_PENDING = 3, /* our own call comes too early: TW_ERR_PENDING */
  TW_PAIR_DO_NOTHING = 4,
  TW_PAIR_DO_JOIN = 5,       /* the Welcome */
  TW_PAIR_DO_APPLY = 6,      /* the peer's commit; answer with epoch_key_update */
  TW_PAIR_DO_YIELD = 7,      /* drop our own pending commit, then as APPLY */
  TW_PAIR_DO_IGNORE_TIE = 8, /* the peer's commit loses against ours */
  TW_PAIR_DO_ADOPT = 9,      /* our own pending commit */
  TW_PAIR_DO_CONFIRM = 10,
  TW_PAIR_DO_UPDATE = 11,       /* make a commit and keep it pending */
  TW_PAIR_DO_DROP = 12,         /* our pending commit */
  TW_PAIR_DO_ASK = 13,          /* make a commit, keep it pending and send it as a request */
  TW_PAIR_DO_ASK_AGAIN = 14,    /* send the pending commit as a request */
  TW_PAIR_DO_ANSWER = 15,       /* the peer's commit is applied already: respond with ours, made before or now */
  TW_PAIR_DO_APPLY_ANSWER = 16, /* apply the peer's commit, respond with one of ours */
  TW_PAIR_DO_YIELD_ANSWER = 17, /* drop our own pending commit, then as APPLY_ANSWER */
  TW_PAIR_DO_MERGE_ANSWER = 18, /* adopt our own pending commit, then as APPLY_ANSWER */
  TW_PAIR_DO_CROSS = 19,        /* the peer's request loses against ours: repeat ours */
  TW_PAIR_DO_RESUME = 20        /* adopt our own pending commit, apply the response's */
} tw_pair_action;

typedef struct tw_pair_step {
  tw_pair_action action;
  tw_pair_state next; /* once the action has succeeded */
} tw_pair_step;

/* `state` and `input` are any of their enumerations' values. */
tw_pair_step tw_pair_machine_step(tw_pair_state state, tw_pair_input input);
/* Once the step's action has succeeded. */
void tw_pair_machine_move(tw_pair_state *state, tw_pair_input input);

#endif
