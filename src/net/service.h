/* A process full of tunnels: its loop, listening sockets and signals. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_SERVICE_H
#define TW_NET_SERVICE_H

#include "net/accept.h"
#include "net/gate.h"

typedef struct tw_service tw_service;

typedef struct tw_service_config {
  const tw_channel_config *channel;
  bool connecting; /* `peer` is where to; accepted connections are applications', else they are peers' */
  tw_address peer;
  bool accepts; /* listens at `accept_at`; else there is one tunnel, begun at once */
  tw_address accept_at;
  tw_tunnel_app app;
  tw_address target;
  uint64_t dial_timeout_ms;
  uint64_t idle_timeout_ms;
  uint64_t linger_ms;
  uint64_t retry_ms; /* these two as in tw_tunnel_setup */
  bool early_data;
  tw_standard_context *standard; /* as in tw_tunnel_setup */
  uint64_t
      retry_above; /* TLS+MLS, waiting: with more handshakes open than this, clients are asked for a second hello */
  /** As tw_tunnel_setup's; NULL where no sessions are kept. */
  bool (*resume)(void *ctx, tw_tunnel *tunnel, tw_buf *saved, uint64_t *version);
  bool (*refused)(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event);
  /**
   * Save the sessions of these tunnels at once, those that are not NULL and tw_tunnel_unsaved. Ends the tunnel that had
   * a session before, and one that has been overtaken (tw_channel_version). NULL where the channels are not durable.
   */
  tw_err (*save)(void *ctx, tw_tunnel *const *tunnels, size_t count, tw_report *report);
  /** A while after something was saved. NULL: nothing. */
  void (*tidy)(void *ctx);
  /** For peers that come to us; NULL: none. */
  const tw_admission_limits *limits;
  /** What of them was left out, for many at a time. */
  void (*strangers)(void *ctx, const tw_gate_tally *tally);
  /** As tw_tunnel_setup.event. */
  void (*event)(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event);
  /** An address that is listened at. */
  void (*listening)(void *ctx, const char *address);
  /** Accepting pauses for want of something: errno. */
  void (*fell_short)(void *ctx, int why);
  /** SIGHUP. */
  void (*reload)(void *ctx, tw_service *service);
  /** Every so often, while there is service; 0: never. */
  uint64_t look_every_ms;
  void (*look)(void *ctx, tw_service *service);
  void *ctx;
} tw_service_config;

/**
 * Serve until SIGTERM or SIGINT, or with TW_APP_STDIO until the one tunnel has ended. TW_ERR_STATE with a report when
 * it cannot start, TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_service_run(const tw_service_config *config, tw_report *report);
/**
 * Ask `judge` about every tunnel that has a channel, those in the middle of their handshake, too: who is not TW_OK is
 * aborted with that reason.
 */
void tw_service_weed(tw_service *service, tw_err (*judge)(void *ctx, tw_tunnel *tunnel), void *ctx);

#endif
