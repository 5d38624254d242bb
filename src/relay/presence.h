/* Whom a relay knows at the moment. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_PRESENCE_H
#define TW_RELAY_PRESENCE_H

#include "relay/delivery.h"
#include "relay/forward_table.h"

typedef struct tw_presences tw_presences;
typedef struct tw_control_caller tw_control_caller;

/* A client: from when it comes until it has been away for long enough, or another connection of its is there. */
typedef struct tw_presence {
  struct tw_presence *next; /* of those that are away, the longest first */
  struct tw_presence *previous;
  struct tw_presence *next_fresh;
  tw_presences *all;
  tw_control_caller *caller; /* NULL: away */
  tw_delivery_peer peer;
  void *user;
  uint32_t number; /* in the table by it; 0: not */
  uint32_t open;   /* requests that were not answered */
  uint64_t away_since_ms;
  bool fresh;     /* its number is not durable yet */
  bool away;      /* in that list */
  bool dismissed; /* its packets stop when its connection ends */
} tw_presence;

struct tw_presences {
  tw_forward_table by_number;
  tw_presence *first_away;
  tw_presence *last_away;
  tw_presence *fresh;
};

/* One that is there, and has no number yet. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_presences_add(tw_presences *all, tw_control_caller *caller, const tw_client_id *id,
                                    tw_presence **out);
/* All that are away go; the others have to be gone. */
void tw_presences_clear(tw_presences *all);

/* NULL: there is none. */
tw_presence *tw_presences_find(const tw_presences *all, uint32_t number);
tw_presence *tw_presences_find_here(const tw_presences *all, uint32_t number);
/* One that is away. */
tw_presence *tw_presences_find_away(const tw_presences *all, const tw_client_id *id);

/*
 * Its number is known now (peer.number), and may be another one than after a batch that failed. Another client that had
 * it is forgotten. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_presence_enter(tw_presence *c);
/* Its connection is gone: with a number it is away from now on, else it is freed once all its requests are answered. */
void tw_presence_leave(tw_presence *c, uint64_t now_ms);
/* It may be freed. */
void tw_presence_forget(tw_presence *c);
/* One of its requests has its answer. False: it is not there any more, and may be freed. */
bool tw_presence_answered(tw_presence *c);
/* The next one whose number has become durable, or that has none after all where the flush failed. NULL: no more. */
tw_presence *tw_presences_settle(tw_presences *all, bool durable);

#endif
