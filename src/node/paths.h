/* By which way packets go to a peer: straight, or by the relay. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PATHS_H
#define TW_NODE_PATHS_H

#include "net/udp.h"

/*
 * Packets begin by the relay, which always works where it can be reached. Meanwhile both sides probe the addresses that
 * the other may have: where the relay sees it, where its file says it is, where it was heard from. Probes travel in ESP
 * under the pair's keys, so that nobody else can answer; those of both sides open the NATs between them. An address
 * that has answered is used until it has not for TW_PATH_LAPSE_MS, or the system says that it cannot be reached; then
 * the relay is again. While it is used, it is probed all the time, and addresses that are new beside it a few times:
 * one that the peer's packets come from by now takes its place as soon as it answers, and any other when the one in use
 * does not answer any more.
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
  TW_PATH_LAPSE_MS = 8000,   /* unanswered for so long: not used any more */
  TW_PATH_REFRESH_MS = 3000, /* how often a path in use is probed */
  TW_PATH_ANSWER_MS = 1500,  /* the next probe of a path in use, when the last one is not answered */
  TW_PATH_ROUND_MS = 250,    /* between two rounds of probes at least */
  TW_PATH_ROUNDS_MS = 60000, /* and at most, as long as there are packets */
  TW_PATH_TRIES = 6,         /* of an address beside the one in use */
  TW_PATH_QUIET_MS = 120000  /* without packets for so long, paths are not looked after */
};

typedef struct tw_path_candidate {
  tw_udp_address address;
  bool given;
  bool probed; /* and not answered yet */
  uint8_t tries;
  uint8_t nonce[8];
} tw_path_candidate;

/** Why an address is a candidate: its place in the list. */
typedef enum tw_path_source {
  TW_PATH_FROM_RELAY = 0, /* the relay sees the peer there */
  TW_PATH_FROM_FILE = 1,
  TW_PATH_FROM_PEER = 2, /* the peer's packets come from there */
  TW_PATH_IN_USE = 3     /* it has answered; not to be offered */
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
  uint64_t probed_ms;   /* when that was done last; 0: never */
  uint32_t rounds;      /* of probes without an answer */
  uint64_t used_ms;     /* when there was a packet last, either way */
  uint64_t changes;     /* how often the way has changed */
} tw_path;

/** An address to try; the same one at the same place again changes nothing. True: it is new. */
bool tw_path_offer(tw_path *path, tw_path_source source, const tw_udp_address *address);
/** There was a packet for the peer or from it, and not a probe: true when probes should go out now (tw_path_probe). */
bool tw_path_used(tw_path *path, uint64_t now_ms);
/**
 * The candidate `index` is probed; false: there is none to probe at that place. `nonce` comes random, and is what to
 * send: that of the last probe as long as it has no answer, which may take longer than to the next probe.
 */
bool tw_path_probe(tw_path *path, size_t index, uint8_t nonce[8], tw_udp_address *to);
/** All candidates were: when to do it again. */
void tw_path_probed(tw_path *path, uint64_t now_ms);
/** An answer with this nonce came from `from`: true when the way has changed. */
bool tw_path_answered(tw_path *path, const uint8_t nonce[8], const tw_udp_address *from, uint64_t now_ms);
/** A way that was used before us, and has answered at that time, is used on: it is probed with the next packet. */
void tw_path_resume(tw_path *path, const tw_udp_address *direct, uint64_t answered_ms, uint64_t now_ms);
/** The system cannot send to this address: true when the way has changed, as it was the direct one. */
bool tw_path_failed(tw_path *path, const tw_udp_address *to);
/** True when the direct way was given up. */
bool tw_path_tick(tw_path *path, uint64_t now_ms);
/** Whether tw_path_used would ask for probes now. */
bool tw_path_is_due(const tw_path *path, uint64_t now_ms);
/**
 * When tw_path_tick or tw_path_is_due may be true next, as far as nothing happens until then; UINT64_MAX: never. It may
 * have passed.
 */
uint64_t tw_path_deadline(const tw_path *path, uint64_t now_ms);
/** Our own address has changed, or the link is new: what is known is tried anew. True when the way has changed. */
bool tw_path_reset(tw_path *path);

#endif
