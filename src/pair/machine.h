/* The states of a pair and what moves it: one table. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_MACHINE_H
#define TW_PAIR_MACHINE_H

#include <treewire/pair.h>

/* What can happen to a pair: the six messages, by their numbers, and four things of its own side. */
typedef enum tw_pair_input {
  TW_PAIR_IN_CLIENT_HELLO = TW_PAIR_CLIENT_HELLO,
  TW_PAIR_IN_SERVER_HELLO = TW_PAIR_SERVER_HELLO,
  TW_PAIR_IN_CONNECTION_UPDATE = TW_PAIR_CONNECTION_UPDATE,
  TW_PAIR_IN_EPOCH_KEY_UPDATE = TW_PAIR_EPOCH_KEY_UPDATE,
  TW_PAIR_IN_RESUMPTION_REQUEST = TW_PAIR_RESUMPTION_REQUEST,
  TW_PAIR_IN_RESUMPTION_RESPONSE = TW_PAIR_RESUMPTION_RESPONSE,
  TW_PAIR_IN_CONFIRM = 7,             /* the initiator was seen to hold the epoch's keys (D13) */
  TW_PAIR_IN_UPDATE_AS_INITIATOR = 8, /* an update of ours is wanted */
  TW_PAIR_IN_UPDATE_AS_RESPONDER = 9,
  TW_PAIR_IN_TAKE_BACK = 10 /* our update never left */
} tw_pair_input;
#define TW_PAIR_INPUTS 11

typedef enum tw_pair_action {
  TW_PAIR_DO_REFUSE = 0,         /* TW_ERR_UNEXPECTED */
  TW_PAIR_DO_REFUSE_LATER = 1,   /* resumption: TW_ERR_UNSUPPORTED */
  TW_PAIR_DO_REFUSE_STATE = 2,   /* our own call comes too early: TW_ERR_STATE */
  TW_PAIR_DO_REFUSE_PENDING = 3, /* our own call comes too early: TW_ERR_PENDING */
  TW_PAIR_DO_NOTHING = 4,
  TW_PAIR_DO_JOIN = 5,       /* the Welcome */
  TW_PAIR_DO_APPLY = 6,      /* the peer's commit; answer with epoch_key_update */
  TW_PAIR_DO_YIELD = 7,      /* drop our own pending commit, then as APPLY */
  TW_PAIR_DO_IGNORE_TIE = 8, /* the peer's commit loses against ours */
  TW_PAIR_DO_ADOPT = 9,      /* our own pending commit */
  TW_PAIR_DO_CONFIRM = 10,
  TW_PAIR_DO_UPDATE = 11, /* make a commit and keep it pending */
  TW_PAIR_DO_DROP = 12    /* our pending commit */
} tw_pair_action;

typedef struct tw_pair_step {
  tw_pair_action action;
  tw_pair_state next; /* once the action has succeeded */
} tw_pair_step;

/* `state` and `input` are any of their enumerations' values. */
tw_pair_step tw_pair_machine_step(tw_pair_state state, tw_pair_input input);

#endif
