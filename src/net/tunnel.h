/* A channel between a TCP connection and an application's bytes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_TUNNEL_H
#define TW_NET_TUNNEL_H

#include <treewire/channel.h>

#include "net/dial.h"
#include "net/standard.h"

/*
 *   wire (TCP, TLS records) <──> tw_link <──> application (TCP connection, or a pair of descriptors such as stdio)
 *
 * The link is a channel, or standard TLS in its place. Bytes wait in its own bounded buffers; who cannot go on makes
 * the other side wait. An end of the application's bytes becomes close_notify and the other way round; anything but a
 * clean end on one side becomes an error on the other: an alert to the peer, a reset to the application.
 */
typedef struct tw_tunnel tw_tunnel;

typedef enum tw_tunnel_stage {
  TW_STAGE_CONNECT = 1, /* on the way to the peer */
  TW_STAGE_HANDSHAKE = 2,
  TW_STAGE_CHANNEL = 3,     /* after it is established */
  TW_STAGE_TARGET = 4,      /* on the way to the application */
  TW_STAGE_APPLICATION = 5, /* the application's side broke */
} tw_tunnel_stage;

typedef enum tw_tunnel_event_kind {
  TW_TUNNEL_ESTABLISHED = 1,
  TW_TUNNEL_REKEYED = 2,
  TW_TUNNEL_ERROR = 3,  /* something other than a clean end; at most one per stage */
  TW_TUNNEL_CLOSED = 4, /* the last event */
  TW_TUNNEL_RETRY = 5   /* the peer could not be reached, or the session was refused: another try follows */
} tw_tunnel_event_kind;

typedef struct tw_tunnel_event {
  tw_tunnel_event_kind kind;
  tw_channel_event channel; /* established, rekeyed */
  uint64_t key_ns;          /* established, rekeyed: nanoseconds that this side was at work for the new keys */
  tw_tunnel_stage stage;    /* error */
  tw_err err;               /* error; TW_ERR_STATE when it is the system's */
  uint8_t alert;            /* error: received or sent, 0 for none */
  const char *text;         /* error, retry: for people; closed: the reason in a word or two */
  bool hushed;              /* there are too many like it: it is counted, and nothing is said */
  uint64_t wait_ms;         /* retry: until then */
} tw_tunnel_event;

/** Where a tunnel's application is. */
typedef enum tw_tunnel_app {
  TW_APP_SOCKET = 1, /* a connection that is there from the start */
  TW_APP_TARGET = 2, /* a connection that is made once the channel is established */
  TW_APP_STDIO = 3   /* standard input and output, from then on */
} tw_tunnel_app;

/** What many tunnels share; outlives them. */
typedef struct tw_tunnel_setup {
  uv_loop_t *loop;
  const tw_channel_config *channel;
  bool connecting; /* this side opens channels */
  tw_address peer; /* where to, if so */
  tw_tunnel_app app;
  tw_address target;        /* TW_APP_TARGET */
  uint64_t dial_timeout_ms; /* for one address */
  uint64_t idle_timeout_ms; /* without application bytes, 0: none */
  uint64_t linger_ms;       /* for the peer to close its side after we have ended */
  uint64_t retry_ms;        /* connecting: how long to go on trying before any of the application's bytes were taken */
  bool retry_hello; /* waiting, TLS+MLS: a first ClientHello is answered with a HelloRetryRequest; as it is at the time
                     */
  tw_standard_context *standard; /* TLS+MLS: peers without MLS go on with this (D12); NULL: they are refused */
  bool early_data;      /* the application's bytes go with the first flight of a resumption (D6); not sent again
                           when that fails */
  struct tw_pass *pass; /* tw_tunnel_pass at first; as it is at the time */
  void (*event)(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event);
  void (*freed)(void *ctx, tw_tunnel *tunnel); /* the tunnel is gone after this call */
  /** Connecting: append the saved session to go on with, and how often it was saved; false: begin a new one. NULL:
   * always that. */
  bool (*resume)(void *ctx, tw_tunnel *tunnel, tw_buf *saved, uint64_t *version);
  /** The session that `resume` gave is of no use: forget it. `event` is an error. True: begin a new one. */
  bool (*refused)(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event);
  /** The channel's session has to be saved, in this turn of the loop: then tw_tunnel_saved. */
  void (*unsaved)(void *ctx, tw_tunnel *tunnel);
  void *ctx;
} tw_tunnel_setup;

/**
 * Start. `wire_fd` is an accepted connection, -1 on the connecting side; `app_fd` is the application's connection with
 * TW_APP_SOCKET, else -1. Takes both over, on error too. What goes wrong is told by events, some of them during this
 * call, and then `freed` is called, later. TW_ERR_NO_MEMORY: there is no tunnel.
 */
TW_MUST_USE tw_err tw_tunnel_start(const tw_tunnel_setup *setup, uint64_t id, int wire_fd, int app_fd,
                                   tw_tunnel **tunnel);
/** End it in good order: close_notify at once, then up to `linger_ms` for the peer's. `why` is static text for the
 * closed event. */
void tw_tunnel_stop(tw_tunnel *tunnel, const char *why);
/** End it with an alert for `reason`. */
void tw_tunnel_abort(tw_tunnel *tunnel, tw_err reason);
/** What tw_tunnel_setup.unsaved asked for is done; or failed, which ends the tunnel. `text` says why, for people. */
void tw_tunnel_saved(tw_tunnel *tunnel, tw_err err, const char *text);
/** Its session has gone on in another tunnel: end it now. */
void tw_tunnel_supersede(tw_tunnel *tunnel);
/** End it now; `why` is static text for the closed event. */
void tw_tunnel_push_out(tw_tunnel *tunnel, const char *why);
/** End it now, without a word to anybody. */
void tw_tunnel_kill(tw_tunnel *tunnel);

uint64_t tw_tunnel_id(const tw_tunnel *tunnel);
/** The wire's other end, "?" while there is none. */
const char *tw_tunnel_remote(const tw_tunnel *tunnel);
bool tw_tunnel_established(const tw_tunnel *tunnel);
/** The session has to be saved and was not yet. */
bool tw_tunnel_unsaved(const tw_tunnel *tunnel);
/** What protects its bytes; there may be none yet. */
const tw_link *tw_tunnel_link(const tw_tunnel *tunnel);
/** The channel in it; NULL before there is one, and with standard TLS. */
tw_channel *tw_tunnel_channel(const tw_tunnel *tunnel);
/** The owner's: NULL at first; what it points to has to be freed with the closed event. */
void **tw_tunnel_user(tw_tunnel *tunnel);
/** Likewise, for who keeps its session. */
void **tw_tunnel_session(tw_tunnel *tunnel);
/** Likewise, for who let it in. */
struct tw_pass **tw_tunnel_pass(tw_tunnel *tunnel);
/** For the owner's list. */
tw_tunnel **tw_tunnel_next(tw_tunnel *tunnel);
tw_tunnel **tw_tunnel_previous(tw_tunnel *tunnel);

#endif
