/* Two nodes with a pair by mail, the relay between them, and what must hold whatever that does. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FUZZ_PAIR_MAIL_WORLD_H
#define TW_FUZZ_PAIR_MAIL_WORLD_H

#include "fuzz_party.h"
#include "node/pairs_internal.h"

/*
 *   end 0 -- requests, in order --> relay <-- requests, in order -- end 1
 *         <---- mailbox, in order --       -- mailbox, in order ---->
 *   and packets, which are not the relay's: they arrive or they do not
 */
enum {
  WORLD_VALUES = 128,
  WORLD_REQUESTS = 16,
  WORLD_LETTERS = 32,
  WORLD_POOL = 32,
  WORLD_KEYS = 128,
  WORLD_HISTORY = 128,
  WORLD_HELLOS = 128
};

typedef struct world_value {
  tw_store_kind kind;
  tw_buf id; /* empty: the place is free */
  tw_buf bytes;
} world_value;

/* What is left of an end when it stops, and what the relay holds of its. */
typedef struct world_disk {
  world_value values[WORLD_VALUES];
  tw_buf pool[WORLD_POOL]; /* client_hellos, the oldest first */
  size_t pool_count;
  tw_buf last_resort;
} world_disk;

/* By a secret of the exporter: what one end sends under, and the other takes. */
typedef struct world_key {
  uint8_t secret[16];
  uint64_t stamp;
  uint64_t until_ms; /* given up then; 0: not yet */
  bool opened;
} world_key;

typedef struct world_request {
  tw_buf frame;
  uint64_t tag;
} world_request;

typedef struct world_end {
  uint32_t index; /* its number to the other one */
  tw_fuzz_party party;
  tw_client_id id;
  tw_node_port port;
  tw_node_keys sink;
  tw_pairs *pairs;
  world_disk disk;
  bool disk_fails, disk_is_unreadable;
  world_request requests[WORLD_REQUESTS];
  size_t request_count;
  tw_buf letters[WORLD_LETTERS]; /* NodeMails for it */
  size_t letter_count;
  world_key keys[WORLD_KEYS]; /* that it takes packets under */
  size_t key_count;
  uint64_t last_stamp;
  world_key sending;
  bool sends;
  tw_buf hellos[WORLD_HELLOS]; /* of its own, that it has ever published: in a ring */
  size_t hello_count;
} world_end;

typedef struct world_said {
  tw_buf message; /* NodeMail */
  uint32_t from;
} world_said;

typedef struct world {
  world_end ends[2];
  uint64_t now_ms;
  world_said history[WORLD_HISTORY]; /* what was ever sent: in a ring */
  size_t said;
  tw_buf next_hello;             /* given to who takes one next, in place of the true one; empty: that */
  tw_control_status next_status; /* of the next request, which is not done then; TW_CONTROL_DONE: it is */
} world;

extern world the_world;

world_end *world_other(const world_end *e);
/* NULL: there is no pair. */
tw_pairs_peer *world_peer(const world_end *e);

/* ---- an end's surroundings (surroundings.c) ---- */

void world_surround(world_end *e);
void world_value_clear(world_value *v);
/* NULL: packets under it are not taken. */
world_key *world_find_key(world_end *e, const uint8_t secret[16]);
void world_drop_key(world_end *e, size_t i);

/* ---- beginning and end ---- */

/* Once, before all inputs. */
void world_found(void);
/* For each input: with a pair that both have confirmed, or without any. */
void world_start(bool with_pair);
void world_clear(void);

/* ---- what happens; each call checks what must hold ---- */

/* The oldest request is answered. `lost`: the end does not learn of that. */
void world_serve(world_end *e, bool lost);
/* Requests that wait are gone, and the link to the relay is a new one. */
void world_relink(world_end *e);
/* Any mail, said to be the other end's. */
void world_mail(world_end *to, tw_bytes message);
/* The oldest letter for `to`. */
void world_deliver(world_end *to);
void world_lose_letter(world_end *to);
/* A packet to the other end: whether that understands it. */
bool world_packet(world_end *from);
void world_want(world_end *e);
void world_rekey(world_end *e);
void world_resume(world_end *e);
void world_pass(uint64_t ms);
void world_tick(world_end *e);
/* It stops, and begins with what was saved. */
void world_restart(world_end *e, bool without_disk);
/* The relay does its duty until nothing moves any more. */
void world_calm(void);
/* Messages that were given to the relay so far. */
size_t world_count(void);
/* Both have one pair, are in one epoch of it, and understand each other. */
bool world_agrees(void);

#endif
