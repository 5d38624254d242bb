/* The inside of the plane. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PLANE_INTERNAL_H
#define TW_NODE_PLANE_INTERNAL_H

#include "node/plane.h"
#include "packet/coalesce.h"
#include "packet/split.h"

/* uint64 session; uint32 destination; then an ESP packet */
enum { TW_RELAY_HEADER = 12, TW_RELAY_TOKEN = 16, TW_PLANE_WAIT_MS = 3000 };
/* uint32 not_esp = 0; opaque nonce[16]: the relay's answer to a token, which wants the nonce back */
enum { TW_RELAY_CHALLENGE = 20 };
#define TW_RELAY_GROUP UINT32_C(0x80000000) /* the top bit of a destination: a group */

/* A packet that waits. */
typedef struct tw_plane_waiter {
  uint8_t data[TW_PLANE_WAIT_SIZE];
  size_t len;          /* 0: free */
  uint32_t owner;      /* ours: whose keys it waits for */
  tw_offload offload;  /* ours */
  tw_udp_address from; /* theirs */
  uint8_t tos;         /* theirs */
  uint64_t since_ms;
} tw_plane_waiter;

typedef struct tw_plane_room {
  tw_plane_waiter *list; /* TW_PLANE_WAITING */
  size_t next;           /* to be overwritten where all are in use */
  size_t count;
} tw_plane_room;

struct tw_plane {
  tw_plane_config config;
  tw_plane_peer *peers;
  tw_plane_drops drops;
  tw_udp_intake intake;
  tw_udp_batch batch;
  uint8_t *slots; /* TW_PLANE_SLOTS of slot_size bytes */
  size_t slot_size;
  size_t slot_count; /* in use by the batch */
  uint8_t *large;    /* what the device gives */
  tw_coalesce joined;
  unsigned joins; /* what the device takes joined */
  tw_plane_room outgoing;
  tw_plane_room incoming;
  bool has_relay;
  tw_udp_address relay;
  uint64_t session;
  bool expects_challenge; /* a token has gone to the relay */
  uint32_t group_number;
  uint64_t now_ms;
};

/* A packet into a room; the oldest one goes where there is none free. */
void tw_plane_wait(tw_plane_room *room, tw_bytes packet, const tw_plane_waiter *what, uint64_t now_ms);
/* Those of a room that have waited too long are counted in `drops` and go. */
void tw_plane_give_up(tw_plane_room *room, uint64_t now_ms, uint64_t *drops);

/* To the relay itself: a token, a nonce or nothing. */
void tw_plane_tell_relay(tw_plane *plane, tw_bytes what);

/* ---- plane_out.c ---- */

/* One packet with what is left to do to it, under the owner's SA. */
void tw_plane_send(tw_plane *plane, uint32_t owner, const uint8_t *packet, const tw_ip *ip, const tw_offload *offload);
/* Something of our own: a probe or nothing. `to` NULL: by the way that the peer has. */
void tw_plane_send_own(tw_plane *plane, uint32_t owner, uint8_t next_header, tw_bytes content,
                       const tw_udp_address *to);
/* Room for one more packet, until the batch has gone; NULL: the socket takes no more. */
uint8_t *tw_plane_take_slot(tw_plane *plane);
/* What lies in the slot that was taken last, into the batch. */
void tw_plane_queue(tw_plane *plane, const tw_udp_address *to, uint8_t tos, tw_bytes datagram);
/* What is in the batch. */
void tw_plane_push(tw_plane *plane);
/* Probes to where a peer may be. */
void tw_plane_probe(tw_plane *plane, uint32_t peer);

#endif
