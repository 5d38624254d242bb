/* When a node makes sure that the relay has its address. No sockets, no clock. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_KEEPALIVE_H
#define TW_NODE_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The relay takes packets from the address alone that is bound, and does not say when they come from another one. So it
 * is asked by UDP whether it hears us, which keeps NATs open as well; and where it does not answer, where peers do not,
 * and every fourth time whatever it has answered, the binding is made anew over the control connection. That shows that
 * this is alive, too, and it bounds what an answer is worth that somebody on the way has made up or kept.
 *
 * All times are milliseconds of one clock that does not run backwards and is not 0.
 */
enum {
  TW_KEEPALIVE_ECHOES = 3,       /* at most, from one binding to the next */
  TW_KEEPALIVE_ECHO_MS = 2000,   /* that an answer may take */
  TW_KEEPALIVE_BIND_TRIES = 6,   /* then packets do not come through */
  TW_KEEPALIVE_SILENCE_MS = 3000 /* of a peer that we send to */
};

/** While there is a control connection; tw_keepalive_up begins. */
typedef struct tw_keepalive {
  bool bound;
  uint64_t bound_ms;   /* when */
  uint64_t bind_at_ms; /* ask for a binding then; UINT64_MAX: not yet known when */
  uint32_t bind_tries; /* without effect so far */
  uint32_t doubts;     /* how often it was asked for since peers do not answer */
  uint32_t echoes;     /* answered since it was bound */
  uint64_t sure_ms;    /* bound, or asked for the echo that came last */
  uint64_t asked_ms;   /* for one that has not come yet; 0: there is none */
  uint64_t heard;      /* that have come ever, when it was asked for */
} tw_keepalive;

typedef enum tw_keepalive_act {
  TW_KEEPALIVE_REST,
  TW_KEEPALIVE_ASK, /* ask for an echo, by UDP */
  TW_KEEPALIVE_BIND /* ask for a binding, by the control connection */
} tw_keepalive_act;

/** There is a control connection: nothing is bound by it yet. */
void tw_keepalive_up(tw_keepalive *keepalive);
/** Our address is bound. */
void tw_keepalive_bound(tw_keepalive *keepalive, uint64_t now_ms);
/** Whether peers answer what goes to them by the relay: where they do not, it, or we, may not be where it thinks. */
void tw_keepalive_peers(tw_keepalive *keepalive, bool answer, uint64_t now_ms);
/**
 * What is to be done now, and counts as done. `every_ms`: of silence, UINT64_MAX / 2 at most; `heard`: how many echoes
 * have come ever.
 */
tw_keepalive_act tw_keepalive_tick(tw_keepalive *keepalive, uint64_t every_ms, uint64_t heard, uint64_t now_ms);
/** Whether an echo or a binding is waited for: tw_keepalive_tick is wanted often. Not of bindings that do not come at
 * all. */
bool tw_keepalive_waits(const tw_keepalive *keepalive);
/** Whether the silence has lasted: tw_keepalive_tick would ask for an echo or a binding. */
bool tw_keepalive_is_due(const tw_keepalive *keepalive, uint64_t every_ms, uint64_t now_ms);

#endif
