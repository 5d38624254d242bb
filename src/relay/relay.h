/* The relay: delivery service and packet relay behind one port. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_RELAY_H
#define TW_RELAY_RELAY_H

#include "net/control_server.h"
#include "relay/delivery.h"
#include "relay/forward.h"

/*
 *   TCP ── net/control_server ── requests ──► delivery ── one flush for a turn of the loop ──► answers, pushes
 *                                               │ members of groups, bind
 *                                               ▼
 *   UDP ── relay/packets, a thread: udp ◄──► forward ── bound addresses ──► `bound`, `moved`
 *
 * A client whose connection has ended keeps its UDP address for `away_ms`, so that packets go on over a short loss.
 */
typedef struct tw_relay tw_relay;

/** Zero stands for the default everywhere but in what has none. */
typedef struct tw_relay_config {
  uv_loop_t *loop;
  const tw_env *env;                 /* borrowed, outlives it */
  tw_relay_store *store;             /* taken over, on error too */
  tw_address listen_at;              /* TCP and UDP; port 0: a free one, the same for both */
  const tw_channel_config *channel;  /* as tw_control_server_config.channel */
  const tw_admission_limits *limits; /* likewise */
  const tw_delivery_limits *quotas;  /* NULL: the defaults; copied */
  tw_forward_options forward;
  uint32_t clients_max; /* connected at a time; beyond it newer ones are refused; default 65536 */
  uint64_t away_ms;     /* default 180000 */
  bool no_offload;      /* as tw_relay_udp_config */
  /** A client is there. Another error than TW_OK refuses it. NULL: nothing. */
  tw_err (*came)(void *ctx, tw_control_caller *caller);
  void (*gone)(void *ctx, tw_control_caller *caller);
  /** It was let in by another client, and is not any more: end it, unless it is for something else. NULL: nothing. */
  void (*dismissed)(void *ctx, tw_control_caller *caller);
  /** As in tw_control_server_config; NULL: nothing. */
  void (*twins)(void *ctx, const tw_control_caller *caller, const tw_control_caller *former);
  void (*ended)(void *ctx, const tw_client_id *client, const tw_stream_end *end);
  void (*strangers)(void *ctx, const tw_gate_tally *tally);
  void (*fell_short)(void *ctx, int why);
  /** A request, or all of a batch, failed for the store or memory. NULL: nothing. */
  void (*failed)(void *ctx, tw_err err, const char *words);
  /** It cannot go on, and is to be closed: in this call, or later. Called once at most. */
  void (*broke)(void *ctx, const char *words);
  /** After tw_relay_close: it is gone. NULL: nothing. */
  void (*freed)(void *ctx);
  void *ctx;
} tw_relay_config;

/**
 * Listens; the configuration is copied. Errors with a report: TW_ERR_STATE, it cannot listen; TW_ERR_ARGUMENT, an
 * option of `forward` out of range; TW_ERR_NO_MEMORY, TW_ERR_RANDOM. After one the loop has to run once more to free
 * all.
 */
TW_MUST_USE tw_err tw_relay_start(const tw_relay_config *config, tw_relay **relay, tw_report *report);
/** The port that it listens at. */
uint16_t tw_relay_port(const tw_relay *relay);
/** As tw_control_server_address. */
bool tw_relay_address(const tw_relay *relay, int index, char *out);
/** Clients, for looking at who is still served: tw_relay_put_out. */
void tw_relay_each(tw_relay *relay, void (*each)(void *ctx, tw_control_caller *caller), void *ctx);
/** It is not served any more: its connection ends as by tw_control_caller_end, and with it its packets stop. */
void tw_relay_put_out(tw_control_caller *caller, tw_err why);
/** Those whose connection has ended and whose packets go on for now; `user` as tw_relay_user has it. Where `is_served`
 * says no, they stop. It calls nothing of the relay's but tw_relay_admitted. */
void tw_relay_each_away(tw_relay *relay, bool (*is_served)(void *ctx, const tw_client_id *id, const void *user),
                        void *ctx);
/** The caller's own of a client that is connected, NULL at first; tw_control_caller_user is the relay's. */
void **tw_relay_user(tw_control_caller *caller);
/** How a client that is connected stands; TW_DELIVERY_LISTED at first. `inviter` is of a guest, else it may be NULL. */
void tw_relay_set_standing(tw_control_caller *caller, tw_delivery_standing standing, const tw_fingerprint *inviter);
/** As tw_delivery_admitted. */
TW_MUST_USE tw_err tw_relay_admitted(tw_relay *relay, const tw_fingerprint *client, uint32_t index,
                                     tw_relay_admission *admission, bool *found);
size_t tw_relay_count(const tw_relay *relay);
void tw_relay_totals(const tw_relay *relay, tw_forward_totals *totals);
/** As tw_control_server_close, and the store is closed. NULL is fine. It frees itself. */
void tw_relay_close(tw_relay *relay, bool at_once);

#endif
