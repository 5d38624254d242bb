/* Two machines that use one identity, as the relay sees them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_TWINS_H
#define TW_NET_TWINS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/stream.h"

/*
 * A client has one connection, so that two machines with its key take turns: each ends the other's, and comes back for
 * its own. One that is displaced and there answers the close_notify that it gets; one whose link was cut, which has
 * moved, or which was killed does not, whatever its kernel and the ways between still send. Twins are those of whom
 * this has happened TW_TWINS_TURNS times in a row, and who come once more.
 */
enum {
  TW_TWINS_TURNS = 2,
  TW_TWINS_GAP_MS = 60000,       /* from one turn to the next, at most */
  TW_TWINS_SAY_MS = 600000,      /* between words about the same client, while its turns go on */
  TW_TWINS_SAY_OTHERS_MS = 10000 /* between words about any */
};

/** Of all connections; all zero at first. */
typedef struct tw_twins_all {
  uint64_t last_number;
  uint64_t said_ms; /* when people were told of any; 0: never */
} tw_twins_all;

/** Of a connection. */
typedef struct tw_twins {
  uint64_t number;
  uint64_t displaced_by; /* the number of who has taken its place; 0: nobody */
  uint64_t came_ms;
  uint64_t said_ms; /* when people were told of this client, while its turns go on; 0: never */
  uint32_t turns;   /* in a row, before this connection came */
  bool answered;    /* the one that it has displaced was there */
} tw_twins;

/** A connection has come, at `now_ms` of a clock that does not go back, and displaces that of `former`; NULL: none. */
void tw_twins_came(tw_twins_all *all, tw_twins *twins, tw_twins *former, uint64_t now_ms);
/** One of this client's that was displaced has answered its close_notify; `twins` is of the one that is there now. */
void tw_twins_answered(tw_twins *twins, const tw_twins *displaced);
static inline bool tw_twins_are(const tw_twins *twins) { return twins->turns >= TW_TWINS_TURNS; }
/** Whether people are to be told now of twins: it counts as done then. */
bool tw_twins_may_say(tw_twins_all *all, tw_twins *twins, uint64_t now_ms);
/** Push `displaced` to who is displaced, with the address of the other. Where that fails it is not told. */
void tw_twins_tell(tw_stream *displaced, const tw_stream *by);

#endif
