/* By which way packets go to a peer: straight, or by the relay. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PATHS_H
#define TW_NODE_PATHS_H

#include "net/udp.h"

/*
 * Packets begin by the relay, which always works where it can be reached. Meanwhile both sides probe the addresses that
 * the other may have: where the relay sees it, where its file says it is, where it was heard from. Probes travel in ESP
 * under the pair's keys, so that nobody else can answer; those of both sides open the NATs between them. An address
 * that has answered is used until it has not for TW_PATH_LAPSE_MS; then the relay is again.
 *
 *   struct { uint8 type; uint8 zero[7]; opaque nonce[8]; } PathProbe;     1: probe, 2: its answer
 *
 * followed by what a node tells of itself (opaque, up to TW_PROBE_TAIL bytes).
 */
enum {
  TW_PATH_CANDIDATES = 4,
  TW_PROBE_SIZE = 16,
  TW_PROBE_TAIL = 64,
  TW_PROBE = 1,
  TW_PROBE_ANSWER = 2,
  TW_PATH_LAPSE_MS = 25000,   /* unanswered for so long: not used any more */
  TW_PATH_REFRESH_MS = 10000, /* how often a path in use is probed, and an idle one that is kept open */
  TW_PATH_QUIET_MS = 120000   /* without packets for so long, paths are not looked after */
};

typedef struct tw_path_candidate {
  tw_udp_address address;
  bool given;
  bool probed;
  uint8_t nonce[8];
} tw_path_candidate;

/** Why an address is a candidate: its place in the list. */
typedef enum tw_path_source {
  TW_PATH_FROM_RELAY = 0, /* the relay sees the peer there */
  TW_PATH_FROM_FILE = 1,
  TW_PATH_FROM_PEER = 2 /* a packet of the peer's came from there */
} tw_path_source;

/** Of one peer; zero-initialised knows none. */
typedef struct tw_path {
  uint32_t relay_number; /* 0: the relay does not know the peer */
  bool online;           /* the relay has a connection of its */
  tw_path_candidate candidates[TW_PATH_CANDIDATES];
  bool is_direct;
  tw_udp_address direct;
  uint64_t answered_ms; /* when `direct` answered last */
  uint64_t probe_at_ms; /* when to probe next; 0: with the next packet */
  uint32_t rounds;      /* of probes without an answer */
  uint64_t used_ms;     /* when there was a packet last, either way */
  uint64_t changes;     /* how often the way has changed */
} tw_path;

/** An address to try; the same one again changes nothing. True: probe it at once. */
bool tw_path_offer(tw_path *path, tw_path_source source, const tw_udp_address *address);
/** There was a packet for the peer or from it: true when probes should go out now (tw_path_probe). */
bool tw_path_used(tw_path *path, uint64_t now_ms);
/** The candidate `index` is probed with this random nonce; false: there is none to probe at that place. */
bool tw_path_probe(tw_path *path, size_t index, const uint8_t nonce[8], tw_udp_address *to);
/** All candidates were: when to do it again. */
void tw_path_probed(tw_path *path, uint64_t now_ms);
/** An answer with this nonce came from `from`: true when the way has changed. */
bool tw_path_answered(tw_path *path, const uint8_t nonce[8], const tw_udp_address *from, uint64_t now_ms);
/** True when the direct way was given up. */
bool tw_path_tick(tw_path *path, uint64_t now_ms);
/** Whether tw_path_used would ask for probes now. */
bool tw_path_is_due(const tw_path *path, uint64_t now_ms);
/** Our own address has changed, or the link is new: what is known is tried anew. */
void tw_path_reset(tw_path *path);

#endif
