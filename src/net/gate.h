/* The door of a service: who is let in to begin a handshake, and what is said of who is not. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_GATE_H
#define TW_NET_GATE_H

#include "net/accept.h"
#include "net/admission.h"
#include "net/tunnel.h"

/** Connections that nothing was said about one by one, since the last time. */
typedef struct tw_gate_tally {
  uint64_t untold;     /* came to nothing by themselves */
  uint64_t over_share; /* closed at once: their address had its share half open */
  uint64_t over_rate;  /* closed at once: their address came too fast */
  uint64_t pushed_out; /* half open for longest when there were too many */
} tw_gate_tally;

/** In its owner; zero-initialised is none, which lets everybody in and tells everything. */
typedef struct tw_gate {
  tw_admission *admission;
  uv_loop_t *loop;
  uv_timer_t timer;
  uv_timer_t rest;
  tw_acceptor *acceptor; /* that rests */
  tw_gate_tally tally;
  void (*tell)(void *ctx, const tw_gate_tally *tally);
  void *ctx;
} tw_gate;

/** `tell` is called every ten seconds at most, and at the end, if there is something. TW_ERR_STATE, TW_ERR_NO_MEMORY
 * with a report. */
TW_MUST_USE tw_err tw_gate_open(tw_gate *gate, uv_loop_t *loop, const tw_admission_limits *limits,
                                void (*tell)(void *ctx, const tw_gate_tally *tally), void *ctx, tw_report *report);
/** Tells what is left, and stops. The memory is used until the loop has run once more. */
void tw_gate_close(tw_gate *gate);

/** A new connection: false when it is not let in, and closed then. `*pass` is NULL without a gate. */
bool tw_gate_enter(tw_gate *gate, int fd, tw_pass **pass);
/** Connections that are let in and not established yet, one that has just entered included; 0 without a gate. */
size_t tw_gate_half_open(const tw_gate *gate);
/** `owner` has the pass, both NULL: it was given back already. If there are too many now, the oldest one's owner, who
 * has to go; else NULL. */
void *tw_gate_hold(tw_gate *gate, tw_pass *pass, void *owner);
/** Established, or gone: half open no more. `*pass` is NULL then; nothing happens where it was. */
void tw_gate_leave(tw_gate *gate, tw_pass **pass);
/** Whether nothing is to be said of one that comes to nothing, since there are too many like it; then it is counted. */
bool tw_gate_hushes_pass(tw_gate *gate, tw_pass *pass);

/** After a connection: `acceptor` rests for a moment if there are more than their rate in all. */
void tw_gate_throttle(tw_gate *gate, tw_acceptor *acceptor);

/* ---- the same for tunnels, whose setup has the pass ---- */

/** It has become this tunnel (NULL: none). If there are too many now, the oldest is ended. */
void tw_gate_entered(tw_gate *gate, tw_pass *pass, tw_tunnel *tunnel);
/** Before an event is told: true when nothing is to be said of it, since there are too many like it. */
bool tw_gate_hushes(tw_gate *gate, tw_tunnel *tunnel, const tw_tunnel_event *event);
/** After it: who is established, or gone, is half open no more. */
void tw_gate_note(tw_gate *gate, tw_tunnel *tunnel, const tw_tunnel_event *event);

#endif
