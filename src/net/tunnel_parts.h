/* The inside of a tunnel. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_TUNNEL_PARTS_H
#define TW_NET_TUNNEL_PARTS_H

#include "net/link.h"
#include "net/tunnel.h"

/* One descriptor and its readiness. `flags` are its status flags as we found them. */
typedef struct tw_end {
  tw_watch watch;
  int fd; /* -1: none */
  int flags;
} tw_end;

typedef enum tw_tunnel_phase {
  TW_PHASE_DIALING = 1, /* the peer */
  TW_PHASE_RUNNING = 2,
  TW_PHASE_FLUSHING = 3, /* the link is closed; its last output is on its way */
  TW_PHASE_DRAINING = 4, /* that was sent; a close with something unread would reset the connection and lose it */
  TW_PHASE_ENDED = 5,    /* everything is being closed */
  TW_PHASE_WAITING = 6   /* for the next try to reach the peer */
} tw_tunnel_phase;

struct tw_tunnel {
  const tw_tunnel_setup *setup;
  uint64_t id;
  tw_link link; /* a channel, or standard TLS in its place */
  tw_standard
      *standard;      /* connecting: what made the channel's ClientHello; NULL once it is the link, or is not needed */
  tw_channel_tls tls; /* of the channel */
  tw_dial *dial;
  tw_end wire;
  tw_end app_in;
  tw_end app_out; /* unused for a socket: then app_in serves both ways */
  uv_timer_t timer;
  unsigned handles; /* open or closing; freed when there is none left */

  tw_tunnel_phase phase;
  bool calling; /* inside one of our callbacks: its end settles everything */
  bool established;
  bool app_is_socket;
  bool app_ready;   /* there is an application to talk to */
  bool app_ended;   /* nothing more comes from it, or is wanted */
  bool app_shut;    /* it was told that nothing more comes */
  bool app_blocked; /* it takes no more for now */
  bool close_sent;  /* tw_channel_close was called */
  bool peer_closed;
  bool wire_ended;   /* nothing more comes from the peer */
  bool wire_dead;    /* nothing can be sent */
  bool clean;        /* the end was as it should be */
  bool resuming;     /* the channel goes on with a session */
  bool app_taken;    /* bytes of the application went into a channel */
  bool unsaved;      /* the setup was asked to save the session */
  bool wire_closing; /* the loop still uses the last wire's watch */
  int wire_error;    /* errno that ended the wire */

  uint64_t wall_offset_ms; /* milliseconds since 1970 when uv_now was 0, as it looked when the tunnel began */
  uint64_t active_ms;      /* when application bytes last moved */
  uint64_t stop_ms;        /* when to wait no longer, 0: no end in sight */
  uint64_t began_ms;       /* when the connection to the peer did */
  uint64_t give_up_ms;     /* when not to try again */
  uint64_t try_ms;         /* TW_PHASE_WAITING: when to */
  unsigned tries;          /* that failed */
  uint64_t armed_ms;       /* what the timer is set to, UINT64_MAX: off */
  uint64_t key_ns;         /* spent on keys since the last event that told so */
  const char *why;         /* of the closed event */
  void *user;
  void *session;
  struct tw_pass *pass;
  char remote[TW_ADDRESS_TEXT];
  tw_tunnel *next;
  tw_tunnel *previous;
};

/* tunnel.c */
uint64_t tw_tunnel_now(const tw_tunnel *tunnel);
void tw_tunnel_error(tw_tunnel *tunnel, tw_tunnel_stage stage, tw_err err, uint8_t alert, const char *text);
/* The application's side broke: `error` is errno. */
void tw_tunnel_app_broke(tw_tunnel *tunnel, int error);
/* tunnel_explain.c: a closed event in words. */
enum { TW_TUNNEL_TEXT = 240 };
void tw_tunnel_explain(const tw_tunnel *tunnel, const tw_channel_event *event, char out[TW_TUNNEL_TEXT]);
/* No way on with the wire; the channel has not ended by itself. */
void tw_tunnel_wire_broke(tw_tunnel *tunnel);

/* Stop watching and close one descriptor; its flags become what they were. */
void tw_tunnel_drop_end(tw_tunnel *tunnel, tw_end *end);
/* The channel is closed with this event. */
void tw_tunnel_channel_closed(tw_tunnel *tunnel, const tw_channel_event *event);
/* The channel is established: the application's turn. */
void tw_tunnel_open_app(tw_tunnel *tunnel);

/* tunnel_link.c: what protects the bytes. */
/* A new channel, or with a session that is kept the next one. */
TW_MUST_USE tw_err tw_tunnel_make_link(tw_tunnel *tunnel);
/* The peer speaks TLS without MLS, and may. */
void tw_tunnel_go_standard(tw_tunnel *tunnel);
/* It does not. */
void tw_tunnel_drop_standard(tw_tunnel *tunnel);
void tw_tunnel_free_link(tw_tunnel *tunnel);

/* tunnel_retry.c: reaching the peer, again if need be. */
tw_err tw_tunnel_dial(tw_tunnel *tunnel);
/* What came to nothing with this is tried again; false: it is not, and is an error. */
bool tw_tunnel_try_again(tw_tunnel *tunnel, tw_tunnel_stage stage, tw_err err, uint8_t alert, const char *text);
/* A connection to the peer; takes `fd`. */
tw_err tw_tunnel_run(tw_tunnel *tunnel, int fd);
/* The end, whatever it comes from. */
void tw_tunnel_end(tw_tunnel *tunnel);
void tw_tunnel_settle(tw_tunnel *tunnel);
void tw_tunnel_arm(tw_tunnel *tunnel);
void tw_tunnel_use_app(tw_tunnel *tunnel);

/* tunnel_calls.c: calls of the channel, each with its events taken and the time that keys took counted. */
void tw_tunnel_input_done(tw_tunnel *tunnel, size_t n);
void tw_tunnel_input_end(tw_tunnel *tunnel);
void tw_tunnel_data_done(tw_tunnel *tunnel, size_t n);
void tw_tunnel_tick(tw_tunnel *tunnel);
void tw_tunnel_close_channel(tw_tunnel *tunnel);
void tw_tunnel_write_done(tw_tunnel *tunnel, size_t n);
void tw_tunnel_take_events(tw_tunnel *tunnel);
/* Has the session saved, if that is due. */
void tw_tunnel_ask_to_save(tw_tunnel *tunnel);
/* It is. */
void tw_tunnel_go_on(tw_tunnel *tunnel);

/* tunnel_pump.c: moving bytes. */
void tw_tunnel_read_wire(tw_tunnel *tunnel);
void tw_tunnel_read_app(tw_tunnel *tunnel);
/* Everything that can go out now, in both directions. */
void tw_tunnel_push(tw_tunnel *tunnel);
/* Tell the loop what we wait for. */
void tw_tunnel_want(tw_tunnel *tunnel);

#endif
