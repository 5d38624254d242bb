/* What the files of the packet relay share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_FORWARD_PARTS_H
#define TW_RELAY_FORWARD_PARTS_H

#include "relay/forward.h"
#include "relay/forward_table.h"

#define TW_FORWARD_NONE UINT32_MAX

typedef struct tw_forward_pending_token {
  uint8_t token[TW_FORWARD_TOKEN];
  uint8_t nonce[TW_FORWARD_TOKEN]; /* that is to come back once the token was used */
  uint64_t until_us;               /* 0: there is none */
  tw_forward_address from;         /* where the token came from; before: the host that it may, family 0: any */
  bool used;
  bool challenging; /* the nonce is to be sent */
} tw_forward_pending_token;

/*
 * A client. Its memory stays a peer's until the end: who kept a pointer compares the number. What each packet needs
 * comes first, so that it is in few cache lines.
 */
typedef struct tw_forward_peer {
  uint64_t session;
  uint32_t number; /* 0: none, and in the free list by `next` */
  bool bound;
  bool telling;     /* in the list of tw_forward_next_bound */
  bool moved;       /* what was told last is another address */
  bool challenging; /* in the list of tw_forward_next_challenge */
  bool active;      /* something is queued: in the round */
  bool in_turn;     /* has had the quantum of this turn */
  uint64_t heard_us;
  tw_forward_address address;
  tw_forward_count out;
  tw_forward_count in;
  uint64_t charged;
  uint32_t head; /* runs, the oldest first */
  uint32_t tail;
  uint32_t runs;
  uint32_t slots;                       /* that they are in */
  struct tw_forward_peer *before_alike; /* among those with as many slots */
  struct tw_forward_peer *after_alike;
  struct tw_forward_peer *next; /* in the round */
  int64_t deficit;
  uint64_t full_ns; /* when the bucket of its rate is full again */
  tw_forward_count in_dropped, over;
  struct tw_forward_peer *next_telling;
  struct tw_forward_peer *next_challenging;
  tw_forward_pending_token tokens[TW_FORWARD_TOKENS];
} tw_forward_peer;

typedef struct tw_forward_group {
  uint32_t count;
  uint32_t members[]; /* rising */
} tw_forward_group;

/* Segments of one datagram, next to each other, with the same header, and the same size but the last; or the answer to
 * a keepalive, in its place. */
typedef struct tw_forward_run {
  uint8_t *at;         /* the first one's header */
  tw_forward_peer *to; /* where the destination is one client */
  uint32_t destination;
  uint32_t cursor; /* where it is a group: the last member that is done */
  uint32_t next;
  uint32_t slot;
  uint32_t refs;    /* the queue's, and one of each message */
  uint16_t segment; /* bytes, header included, like the next */
  uint16_t last;
  uint16_t count; /* TW_FORWARD_SEGMENTS_MAX at most */
  uint8_t header; /* bytes in front of each, which do not go on: TW_FORWARD_HEADER, or 0 */
  uint8_t tos;
  bool packed; /* payloads lie side by side, behind the first one's header */
} tw_forward_run;

typedef struct tw_forward_slot {
  uint32_t refs;  /* runs in it */
  uint32_t place; /* in free_slots, while it is free */
} tw_forward_slot;

enum { TW_FORWARD_BLOCK = 64 }; /* peers that are allocated together */
typedef struct tw_forward_block {
  struct tw_forward_block *next;
  tw_forward_peer peers[TW_FORWARD_BLOCK];
} tw_forward_block;

struct tw_forward {
  const tw_env *env;
  tw_forward_options options;
  tw_forward_table sessions; /* to peers */
  tw_forward_table numbers;  /* to peers */
  tw_forward_table groups;   /* to groups */
  tw_forward_block *blocks;
  tw_forward_peer *unused;

  tw_forward_slot *slots;
  uint32_t *free_slots;
  uint32_t free_slot_count;
  tw_forward_peer **by_slots; /* peers with so many slots in their queues, 0 left out */
  uint32_t most_slots;        /* of a peer */
  tw_forward_run *runs;
  uint32_t free_run; /* by `next` */
  uint32_t free_run_count;

  tw_forward_peer *active_first;
  tw_forward_peer *active_last;
  tw_forward_peer *telling_first;
  tw_forward_peer *telling_last;
  tw_forward_peer *challenging;

  tw_forward_message *messages;
  uint32_t message_at; /* the first one that is left */
  uint32_t message_end;
  uint64_t last_serial;
  struct iovec *parts;
  uint32_t parts_used;

  tw_forward_totals totals;
  size_t memory; /* but for the tables */
};

/* ---- forward.c ---- */
tw_forward_peer *tw_forward_peer_of(const tw_forward *forward, uint32_t number);
/* Whether packets may be sent there. */
bool tw_forward_reachable(const tw_forward *forward, const tw_forward_peer *peer, uint64_t now_us);
/* `from` NULL: of nobody that is known. */
void tw_forward_drop(tw_forward *forward, tw_forward_peer *from, tw_forward_reason reason, uint64_t packets,
                     uint64_t bytes);
void tw_forward_add(tw_forward_count *count, uint64_t packets, uint64_t bytes);

/* ---- forward_group.c ---- */
tw_forward_group *tw_forward_group_of(const tw_forward *forward, uint32_t number);
/* The place of the first member above `number`. */
uint32_t tw_forward_group_above(const tw_forward_group *group, uint32_t number);
bool tw_forward_group_has(const tw_forward_group *group, uint32_t member);
void tw_forward_groups_clear(tw_forward *forward);

/* ---- forward_queue.c ---- */
TW_MUST_USE tw_err tw_forward_queue_new(tw_forward *forward);
void tw_forward_queue_clear(tw_forward *forward);
/* False: it is over the share. */
bool tw_forward_queue_add(tw_forward *forward, tw_forward_peer *from, const tw_forward_run *run);
/* The oldest run of `from` is queued no more. */
void tw_forward_queue_pop(tw_forward *forward, tw_forward_peer *from);
/* The same, and it is dropped for this reason. */
void tw_forward_queue_drop(tw_forward *forward, tw_forward_peer *from, tw_forward_reason reason);
/* All of them are dropped as gone, and it leaves the round. */
void tw_forward_queue_empty(tw_forward *forward, tw_forward_peer *from);
/* One holder less of a run and of those that follow it, `count` in all. */
void tw_forward_runs_release(tw_forward *forward, uint32_t first, uint32_t count);
/* The first of the round has its turn behind it. */
void tw_forward_turn_over(tw_forward *forward);
/* Payload bytes of a run. */
static inline uint32_t tw_forward_run_bytes(const tw_forward_run *run) {
  return (uint32_t)(run->count - 1) * (uint32_t)(run->segment - run->header) + run->last - run->header;
}
/* What it costs to send it once. */
static inline uint32_t tw_forward_run_cost(const tw_forward_run *run) {
  return tw_forward_run_bytes(run) + run->count * (uint32_t)TW_FORWARD_OVERHEAD;
}

#endif
