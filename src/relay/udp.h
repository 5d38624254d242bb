/* The packet relay's sockets. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_UDP_H
#define TW_RELAY_UDP_H

#include <uv.h>

#include "net/address.h"
#include "relay/forward.h"

/*
 * Datagrams between the sockets and tw_forward, many by one system call: received into its free slots, sent from there
 * by its messages, with UDP_GRO and UDP_SEGMENT where they work. Not by the batches of net/udp.h, of which only the
 * opening of sockets is used: their slots are all free again with each call, and they would copy.
 */
typedef struct tw_relay_udp tw_relay_udp;

typedef struct tw_relay_udp_config {
  uv_loop_t *loop;
  tw_forward *forward; /* borrowed, outlives it */
  uint32_t slots;      /* as forward has them */
  tw_address at;       /* all addresses of a name; port 0: a free one, the same for all */
  bool no_offload;     /* neither UDP_GRO nor UDP_SEGMENT */
  /** After each round in which something was received: what has bound an address waits in forward. */
  void (*received)(void *ctx);
  /** Whether somebody waits for the loop, so that rounds end for now. NULL: nobody ever. */
  bool (*is_wanted)(void *ctx);
  /** A socket is of no use any more, for errno `why`. */
  void (*broke)(void *ctx, int why);
  void *ctx;
} tw_relay_udp_config;

/** The configuration is copied. TW_ERR_STATE with a report: no socket can be had. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_relay_udp_open(const tw_relay_udp_config *config, tw_relay_udp **udp, tw_report *report);
/** The port that its sockets are bound to. */
uint16_t tw_relay_udp_port(const tw_relay_udp *udp);
/** What waits is not sent any more. Frees itself; `freed`, unless NULL, is called then. NULL is fine. */
void tw_relay_udp_close(tw_relay_udp *udp, void (*freed)(void *ctx));

/** The clock of tw_forward: microseconds that do not run backwards. */
uint64_t tw_relay_udp_now(void);

#endif
