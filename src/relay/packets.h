/* The packet relay on a thread of its own. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_PACKETS_H
#define TW_RELAY_PACKETS_H

#include "control/message.h"
#include "net/report.h"
#include "relay/forward.h"
#include "relay/udp.h"

/*
 *     the relay's thread                        │     the packets' thread
 *     control connections, delivery service,    │     UDP ◄──► forward
 *     and the disk is waited for                │
 *          tw_relay_packets_grant … ────────────┼───► between two rounds of packets
 *          bound, broke ◄───────────────────────┼─── who has bound an address
 *
 * No disk, handshake or large commit holds packets up. All calls are the relay's thread's, and wait for the round that
 * goes on: about a millisecond at most.
 */
typedef struct tw_relay_packets tw_relay_packets;

typedef struct tw_relay_packets_config {
  uv_loop_t *loop;            /* the relay's, where `bound` and `broke` are called */
  const tw_env *env;          /* borrowed, outlives it; used by one of the two threads while the other waits */
  tw_forward_options forward; /* `slots` is given */
  tw_address at;              /* as tw_relay_udp_config */
  bool no_offload;
  void (*bound)(void *ctx, const tw_forward_bound *bound);
  /** A socket is of no use any more, for errno `why`. */
  void (*broke)(void *ctx, int why);
  void *ctx;
} tw_relay_packets_config;

/**
 * The configuration is copied. Errors with a report: TW_ERR_STATE, no socket or no thread can be had; TW_ERR_ARGUMENT,
 * an option out of range; TW_ERR_NO_MEMORY, TW_ERR_RANDOM. After one the loop has to run once more to free all.
 */
TW_MUST_USE tw_err tw_relay_packets_start(const tw_relay_packets_config *config, tw_relay_packets **packets,
                                          tw_report *report);
/**
 * Nothing moves when this returns; what waits is not sent any more, and neither `bound` nor `broke` is called.
 * `stopped` is called later, then it may be freed; until then all calls work as ever. `stopped` NULL: it frees itself.
 */
void tw_relay_packets_stop(tw_relay_packets *packets, void (*stopped)(void *ctx));
/** NULL is fine. Not between stop and `stopped`. */
void tw_relay_packets_free(tw_relay_packets *packets);
/** The port that its sockets are bound to. */
uint16_t tw_relay_packets_port(const tw_relay_packets *packets);

/** tw_forward_grant, now and from anywhere. */
TW_MUST_USE tw_err tw_relay_packets_grant(tw_relay_packets *packets, uint32_t client, uint64_t *session,
                                          uint8_t token[TW_FORWARD_TOKEN]);
/** tw_forward_remove. */
void tw_relay_packets_remove(tw_relay_packets *packets, uint32_t client);
/** tw_forward_group_set; none, or no room for them: the group is forgotten. */
void tw_relay_packets_set_members(tw_relay_packets *packets, uint32_t group, const uint32_t *members, size_t count);
/** tw_forward_group_lists. */
bool tw_relay_packets_lists(tw_relay_packets *packets, uint32_t group, uint32_t client);
/** Where packets go to clients, by their numbers, all at once: `address` is set of those that have one. */
void tw_relay_packets_locate(tw_relay_packets *packets, tw_control_location *locations, size_t count);
/** An address as clients are told of it. */
tw_control_address tw_relay_packets_address(const tw_forward_address *address);
/** tw_forward_total. */
void tw_relay_packets_total(tw_relay_packets *packets, tw_forward_totals *totals);

#endif
