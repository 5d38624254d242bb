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
/* uint32 not_esp = 0; uint64 session: its answer to a keepalive */
enum { TW_RELAY_ECHO = 12 };
#define TW_RELAY_GROUP UINT32_C(0x80000000) /* the top bit of a destination: a group */

/* What is known of a packet that waits. */
typedef struct tw_plane_label {
  uint32_t owner;      /* ours: whose keys it waits for */
  tw_offload offload;  /* ours */
  tw_udp_address from; /* theirs */
  uint8_t tos;         /* theirs */
} tw_plane_label;

typedef struct tw_plane_waiter {
  tw_plane_label label;
  size_t len; /* 0: free */
  uint64_t since_ms;
  uint8_t *data; /* TW_PLANE_WAIT_SIZE of the room's bytes */
} tw_plane_waiter;

typedef struct tw_plane_room {
  tw_plane_waiter *list; /* TW_PLANE_WAITING */
  uint8_t *bytes;        /* their data */
  size_t next;           /* to be overwritten where all are in use */
  size_t count;
} tw_plane_room;

/* One packet that has opened, with where it came from. */
typedef struct tw_plane_arrival {
  uint32_t owner; /* of the SA */
  uint32_t peer;  /* who sent it; UINT32_MAX: a member that is none of our peers */
  const tw_udp_address *from;
  bool by_relay;
  uint8_t tos;
} tw_plane_arrival;

/* Where a sealed packet goes, and whether it has the relay's header. */
typedef struct tw_plane_way {
  tw_udp_address to;
  bool by_relay;
  uint32_t destination;
} tw_plane_way;

/* What the system said of a way when it was asked last. */
typedef struct tw_plane_mtu {
  tw_udp_address to;
  uint32_t mtu;      /* 0: it does not know */
  uint64_t again_ms; /* ask then; 0: now */
} tw_plane_mtu;

/* A packet under one SA, or the segments that it is split into; borrows the packet. */
typedef struct tw_plane_job {
  uint32_t owner;
  tw_split split;
  uint8_t next_header;
  uint8_t tos;
} tw_plane_job;

typedef struct tw_plane_told {
  uint64_t used_ms;
  uint64_t heard_ms;
} tw_plane_told;

struct tw_plane {
  tw_plane_config config;
  tw_plane_peer *peers;
  tw_plane_told *told; /* what the first of several planes was told of each */
  tw_plane_mtu *mtus;  /* one for each peer, and one for the group */
  tw_plane_drops drops;
  tw_udp_intake intake;
  tw_udp_batch batch;
  uint8_t
      *slots; /* room for TW_PLANE_SLOTS of slot_size bytes; what is in use lies side by side, as the kernel likes it */
  size_t slot_size;
  size_t slot_count; /* taken; none is taken twice before the batch has gone */
  size_t used;       /* bytes */
  bool blocked;      /* the socket took not all of the batch */
  uint8_t *large;    /* what the device gives */
  tw_plane_job rest; /* what the socket has not taken of it */
  bool has_rest;
  bool has_more; /* of the device or the socket, whichever was asked last */
  tw_coalesce joined;
  tw_bytes pieces[TW_COALESCE_PIECES]; /* of one of these */
  unsigned joins;                      /* what the device takes joined */
  tw_packet_room signed_room;          /* none where nothing is signed */
  unsigned checks;                     /* of signatures that are left at `checks_ms` */
  uint64_t checks_ms;
  tw_plane_room outgoing;
  tw_plane_room incoming;
  bool has_relay;
  tw_udp_address relay; /* also of one that is gone */
  uint64_t session;
  bool expects_challenge; /* a token has gone to the relay */
  bool expects_echo;      /* a keepalive has */
  uint64_t echoes;        /* were answered */
  uint32_t group_number;
  uint32_t roster; /* what is remembered of peer_of holds for this one; never 0 */
  uint64_t now_ms;
  uint64_t told_ms;            /* when somebody was told last that a packet was too big */
  uint8_t tail[TW_PROBE_TAIL]; /* of our probes */
  size_t tail_len;
  tw_plane_event events[TW_PLANE_EVENTS];
  size_t event_first, event_count;
  bool delivering;
  bool joined_others; /* and datagrams are passed on */
  uint32_t roused;    /* for which planes there are strays: a bit for each */
};

/* Ways are looked after by the first one; others tell it what they notice. */
static inline bool tw_plane_is_first(const tw_plane *plane) { return plane->config.index == 0; }

/* ---- plane.c ---- */

/* A packet into a room; the oldest one goes where there is none free, and is counted. */
void tw_plane_wait(tw_plane_room *room, tw_bytes packet, const tw_plane_label *label, uint64_t now_ms, uint64_t *drops);
void tw_plane_free_waiter(tw_plane_room *room, tw_plane_waiter *waiter);
/* False: no room; it is not said. What has been said already and not been heard yet is not said twice, but OPENED and
 * TOLD. */
bool tw_plane_say(tw_plane *plane, const tw_plane_event *event);
void tw_plane_say_of(tw_plane *plane, tw_plane_event_kind kind, uint32_t owner);
/* The end of what the plane was asked to do: no pointer into SAs or into the intake is held any more. */
void tw_plane_leave(tw_plane *plane);

/* To the relay itself, when the plane is left: a token, a nonce or nothing. */
void tw_plane_tell_relay(tw_plane *plane, tw_bytes what);

/* ---- plane_others.c: several planes of one node ---- */

/* There was a packet for a peer, or one from it. */
void tw_plane_use_path(tw_plane *plane, uint32_t peer);
/* Something of a peer's that was not sent before, under the owner's keys. */
void tw_plane_heard(tw_plane *plane, const tw_plane_arrival *a);
/* A probe, or its answer, that has opened. */
void tw_plane_probed(tw_plane *plane, const tw_plane_arrival *a, tw_bytes probe);
/* Nothing can be sent there. */
void tw_plane_cannot_reach(tw_plane *plane, const tw_udp_address *to);
/* Whether a datagram is another plane's, which has it then, or it is dropped. */
bool tw_plane_is_stray(tw_plane *plane, const uint8_t *packet, size_t len, const tw_udp_address *from, uint8_t tos);

/* ---- plane_in.c ---- */

void tw_plane_take_probe(tw_plane *plane, const tw_plane_arrival *a, tw_bytes probe);

/* ---- plane_out.c ---- */

bool tw_plane_find_way(const tw_plane *plane, uint32_t owner, tw_plane_way *way);
/* Something of our own: a probe or nothing. `to` NULL: by the way that the peer has. False: it cannot go yet. */
bool tw_plane_send_own(tw_plane *plane, uint32_t owner, uint8_t next_header, tw_bytes content,
                       const tw_udp_address *to);
/* Nothing at all, under our newest keys: as soon as there is a way to the peer, and again until it is heard. */
void tw_plane_nudge(tw_plane *plane, uint32_t owner);
void tw_plane_nudge_on(tw_plane *plane, uint32_t owner);
/* Room for one more packet, until the batch has gone; NULL: the socket takes no more. */
uint8_t *tw_plane_take_slot(tw_plane *plane);
/* What lies in the slot that was taken last, into the batch. */
void tw_plane_queue(tw_plane *plane, const tw_udp_address *to, uint8_t tos, tw_bytes datagram);
/* What is in the batch. */
void tw_plane_push(tw_plane *plane);
/* Probes to where a peer may be. */
void tw_plane_probe(tw_plane *plane, uint32_t number);
/* What waits for keys or a way, or for the socket, as far as these are there; `owner` NULL: anybody's. How many went.
 */
size_t tw_plane_flush(tw_plane *plane, const uint32_t *owner);

/* ---- plane_sign.c: what goes to all, where it is signed ---- */

/* The signature goes behind a packet of `len` bytes, before it is sealed. Errors: of the provider. */
TW_MUST_USE tw_err tw_plane_sign(tw_plane *plane, const tw_packet_signer *signer, uint64_t number, uint8_t next_header,
                                 uint8_t *packet, size_t len);
/* Of a packet that has opened: its signature is cut off. Its number is not marked yet. TW_ERR_SENDER: it
 * is not signed; TW_ERR_LIMIT: there is no time for it now; TW_ERR_SIGNATURE, and what tw_verify may have. */
TW_MUST_USE tw_err tw_plane_check(tw_plane *plane, const tw_sa_in *sa, const uint8_t *packet, tw_esp_opened *opened);

/* ---- plane_mtu.c ---- */

/* Whether a packet may go, whose largest segment has `largest` bytes: else it is larger than the device's MTU. Its
 * sender is told of what is larger than the way has room for. */
bool tw_plane_fits(tw_plane *plane, uint32_t owner, const tw_plane_way *way, const uint8_t *packet, const tw_ip *ip,
                   uint32_t largest);
/* Something was too large for the way to this address. */
void tw_plane_forget_mtu(tw_plane *plane, const tw_udp_address *to);

#endif
