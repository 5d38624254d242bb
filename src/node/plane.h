/* The way of packets through a node: between the TUN device and UDP. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PLANE_H
#define TW_NODE_PLANE_H

#include "net/tun.h"
#include "net/udp.h"
#include "node/paths.h"
#include "node/routes.h"
#include "node/sas.h"
#include "node/strays.h"

/*
 *   TUN ──► which peer? (routes) ──► split what is large ──► ESP under our SA ──► UDP, straight or by the relay
 *   UDP ──► SA by SPI ──► ESP open ──► may it come from there? (routes) ──► join what belongs together ──► TUN
 *
 * Where the SAs say so, what goes to all is signed before it is sealed, and checked once it has opened.
 *
 * Nothing is allocated on the way (libcrypto does, for signatures), and no key is derived. Packets wait for a moment
 * where keys are on their way: ours for a pair that is being made, or for a way to it, the other side's for a message
 * that is slower than they are. Both rooms are bounded.
 *
 * When the socket takes no more, nothing is read from the device until it does, and what was read goes out then, in
 * order: nothing is lost here that the kernel would keep.
 *
 * A node may have several planes, one for each thread: each has its own queue of the device and its own socket at the
 * common address. A datagram belongs to the plane whose index is the rest of its SPI's last four bits divided by their
 * number, which is the same for all that a sender sends; where it arrives elsewhere, it is passed on (strays.h). The
 * first one looks after ways: what others notice of peers they tell
 * (`tell`), for tw_plane_take_over; and they know the ways that they are given (tw_plane_set_way).
 *
 * What does not fit into a packet of the way's MTU, as the system knows it, goes out in fragments of the outer packet,
 * and its sender is told by ICMP what would fit. What is larger than the device's MTU is dropped.
 */
enum {
  TW_PLANE_SLOTS = 256,      /* sealed packets of one batch */
  TW_PLANE_INTAKE = 16,      /* slots of one receive, each up to 64 KiB */
  TW_PLANE_WAITING = 128,    /* packets that wait for keys */
  TW_PLANE_WAIT_SIZE = 2048, /* bytes of one of these, at most */
  TW_PLANE_CHECKS = 128,     /* of signatures at one time `now_ms`, some 20 ms: so that other packets have their turn */
  TW_PLANE_EVENTS = 64,      /* that wait to be told */
  TW_PLANE_PAUSE_MS = 5000   /* without packets of a peer: what comes then is told */
};

/** Packets and their bytes, inside of the tunnel. */
typedef struct tw_plane_count {
  uint64_t packets;
  uint64_t bytes;
} tw_plane_count;

typedef struct tw_plane_peer {
  tw_path path;
  tw_plane_count sent;
  tw_plane_count received;
  uint64_t heard_ms; /* when something of the peer's opened last */
  unsigned nudges;   /* left to send: it waits for a sign that we have its keys, and one may get lost */
  uint64_t nudge_at_ms;
  uint64_t nudged_ms; /* when the first one was due */
} tw_plane_peer;

/** Why packets were dropped. */
typedef struct tw_plane_drops {
  uint64_t no_route;   /* ours, to nobody */
  uint64_t no_keys;    /* ours, that waited in vain */
  uint64_t no_path;    /* ours, neither straight nor by the relay */
  uint64_t malformed;  /* from the device, or inside of ESP */
  uint64_t used_up;    /* a limit of the SA, or the disk did not take a reservation; or it could not be signed */
  uint64_t unsent;     /* refused by the system */
  uint64_t unknown;    /* theirs: no such SA, after waiting */
  uint64_t forged;     /* did not open, or another member's signature */
  uint64_t not_signed; /* to all, and has to be */
  uint64_t unchecked;  /* signed, more of them at once than are looked at */
  uint64_t replayed;   /* came before, or too late */
  uint64_t not_theirs; /* a source that is not the sender's, or a destination that is not for the group */
  uint64_t device;     /* the device took no more */
  uint64_t too_big;    /* ours, larger than the device's MTU */
  uint64_t stray;      /* theirs: no room on the way to the plane that has their SA */
} tw_plane_drops;

/** What the plane tells. */
typedef enum tw_plane_event_kind {
  TW_PLANE_WANT,    /* a packet for a peer waits for keys */
  TW_PLANE_OPENED,  /* something has opened under a receiving SA for the first time */
  TW_PLANE_REKEY,   /* new keys should be made; may be told often */
  TW_PLANE_NUMBERS, /* few reserved numbers are left: tw_sas_used; told often, until there are more */
  TW_PLANE_MOVED,   /* the way to a peer has changed */
  TW_PLANE_TOLD,    /* another node tells something in a probe */
  TW_PLANE_STIRRED, /* there are packets for a peer, or from it, again: after TW_PLANE_PAUSE_MS, or ever */
  /* For the first plane, by another one. */
  TW_PLANE_USED,   /* there are packets for a peer, or from it */
  TW_PLANE_HEARD,  /* something of a peer's has come */
  TW_PLANE_PROBED, /* a probe or its answer has */
  TW_PLANE_FAILED  /* an address cannot be reached */
} tw_plane_event_kind;

typedef struct tw_plane_event {
  tw_plane_event_kind kind;
  uint32_t owner;
  uint64_t stamp; /* OPENED: of the SA */
  uint32_t peer;  /* HEARD, PROBED: who sent it */
  tw_udp_address
      from;      /* HEARD, PROBED, FAILED; MOVED, by packet_threads.h: where packets go now, family 0: the relay */
  bool by_relay; /* HEARD, PROBED */
  size_t len;    /* TOLD, PROBED */
  uint8_t tail[TW_PROBE_SIZE + TW_PROBE_TAIL];
} tw_plane_event;

/** All that waited to be told. */
typedef struct tw_plane_news {
  tw_plane_event events[TW_PLANE_EVENTS];
  size_t count;
} tw_plane_news;

/** Borrowed as long as the plane is; copied itself. */
typedef struct tw_plane_config {
  const tw_env *env;
  tw_sas *sas;
  const tw_routes *routes; /* may be replaced in place between calls */
  tw_udp *udp;
  tw_tun *tun;
  uint32_t peers; /* numbers below this */
  uint32_t mtu;   /* of the device */
  unsigned index; /* which of several planes this is, and of the device's queues; 0: the first */
  unsigned count; /* of these; 0: it is the only one */
  /** Between these; NULL: there is only one. Used after tw_plane_join. */
  tw_strays *strays;
  /** Called by a plane's own thread: there are strays for that one, which should call tw_plane_from_strays. */
  void (*rouse)(void *ctx, unsigned index);
  /**
   * Called in the end of what the plane was asked to do: keys may come and go, and the plane may be called again. What
   * finds no room to wait for its turn is said again with the next packet.
   */
  void (*tell)(void *ctx, const tw_plane_event *event);
  /** Not NULL: called in place of `tell`, once there is something, for tw_plane_take_news. */
  void (*has_news)(void *ctx);
  /** Called in the middle of it, and only looks: which peer has this key; UINT32_MAX: none. It stays so until
   * tw_plane_roster_changed. */
  uint32_t (*peer_of)(void *ctx, const tw_client_id *id);
  void *ctx;
} tw_plane_config;

typedef struct tw_plane tw_plane;

/** TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_plane_new(const tw_plane_config *config, tw_plane **plane);
void tw_plane_free(tw_plane *plane);

/** From now on datagrams are passed on to other planes, or no more. */
void tw_plane_join(tw_plane *plane, bool joined);
/** By the first plane: what another one has told. */
void tw_plane_take_over(tw_plane *plane, const tw_plane_event *event, uint64_t now_ms);
/** By the others: the way to a peer; `direct` NULL: by the relay. */
void tw_plane_set_way(tw_plane *plane, uint32_t peer, const tw_udp_address *direct);
/** What other planes have passed on. */
void tw_plane_from_strays(tw_plane *plane, uint64_t now_ms);

/** What was not told yet, the oldest first. */
void tw_plane_take_news(tw_plane *plane, tw_plane_news *news);

/** What the relay has given us: its UDP address, our session, the number of the network's group (0: not known). */
void tw_plane_set_relay(tw_plane *plane, const tw_udp_address *address, uint64_t session);
void tw_plane_set_group_number(tw_plane *plane, uint32_t number);
/** No packets go by the relay until it is set again. */
void tw_plane_clear_relay(tw_plane *plane);
/** To the relay, destination 0, with a token or nothing (keepalive). Errors do not matter: it is done again. */
void tw_plane_greet_relay(tw_plane *plane, tw_bytes token);
/** How many keepalives the relay has answered: one at most of those since the last answer. */
uint64_t tw_plane_echoes(const tw_plane *plane);
/** What we tell other nodes in probes: up to TW_PROBE_TAIL bytes, of which there are none at first. */
void tw_plane_set_tail(tw_plane *plane, tw_bytes tail);
/** What peer_of says may have changed. */
void tw_plane_roster_changed(tw_plane *plane);
/** config.index. */
unsigned tw_plane_index(const tw_plane *plane);
/** Of a peer below config.peers; borrowed. */
tw_plane_peer *tw_plane_peer_of(tw_plane *plane, uint32_t peer);
/** Our own address has changed: all ways that were found are tried anew. */
void tw_plane_reset_paths(tw_plane *plane);

/** A peer is none any more: its way is forgotten, and so are packets that wait for its keys. */
void tw_plane_forget_peer(tw_plane *plane, uint32_t number);

/** Whether something waits for the socket: call tw_plane_from_tun once that is writable, and not before. */
bool tw_plane_is_blocked(const tw_plane *plane);
/** The device may be readable, or the socket is writable again: some of what is there. TW_ERR_STATE: the device is
 * gone. */
TW_MUST_USE tw_err tw_plane_from_tun(tw_plane *plane, uint64_t now_ms);
/** The socket may be readable: some of what is there. TW_ERR_STATE: it is of no use any more. */
TW_MUST_USE tw_err tw_plane_from_udp(tw_plane *plane, uint64_t now_ms);
/** Whether the last one of these two calls has found something, so that there may be more at once. */
bool tw_plane_has_more(const tw_plane *plane);
/** Keys to send under are there: what waited for them goes, and with `nudge` a packet without content. */
void tw_plane_ready(tw_plane *plane, uint32_t owner, bool nudge, uint64_t now_ms);
/** Keys to receive under may be there: what came too early is tried again. */
void tw_plane_retry(tw_plane *plane, uint64_t now_ms);
/** Probes, ways that lapse, packets that have waited too long. Call it up to four times a second, when there may be
 * something to do. */
void tw_plane_tick(tw_plane *plane, uint64_t now_ms);
/** When that is next, as far as nothing happens until then; UINT64_MAX: not at all. It may have passed. */
uint64_t tw_plane_deadline(const tw_plane *plane, uint64_t now_ms);

const tw_plane_drops *tw_plane_get_drops(const tw_plane *plane);

#endif
