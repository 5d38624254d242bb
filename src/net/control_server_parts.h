/* What a control server consists of. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_CONTROL_SERVER_PARTS_H
#define TW_NET_CONTROL_SERVER_PARTS_H

#include "net/control_server.h"
#include "net/session_cache.h"
#include "net/twins.h"

enum { TW_CONTROL_REMOTE_TEXT = 72 }; /* "[", an IPv6 address with its scope, "]:", a port */

struct tw_control_caller {
  tw_control_server *server;
  tw_stream *stream;
  tw_control_caller *next; /* of all connections */
  tw_control_caller *previous;
  tw_control_caller *same_bucket; /* of those that came */
  tw_control_caller *next_due;    /* of those with something to do at the end of the turn */
  tw_control_caller *previous_due;
  tw_pass *pass; /* while it is half open */
  tw_kept_session *kept;
  tw_client_id id;
  tw_twins twins;
  void *user;
  tw_buf out;    /* for the end of the turn */
  unsigned took; /* requests in this turn */
  unsigned open; /* of them, not answered yet */
  tw_err err;    /* what its connection is to end for */
  bool here;     /* came was called, and gone was not */
  bool known;    /* id is */
  bool due;
  bool mail; /* `out` has that push */
  char remote[TW_CONTROL_REMOTE_TEXT];
};

struct tw_control_server {
  tw_control_server_config config;
  tw_channel_config channel;
  tw_stream_setup setup;
  tw_gate gate;
  tw_acceptor acceptor;
  uv_prepare_t turn; /* before the loop waits */
  uv_idle_t again;   /* runs when it must not wait */
  tw_session_cache *sessions;
  tw_control_caller *callers;
  tw_control_caller *due_first;
  tw_control_caller *due_last;
  tw_control_caller **buckets;
  size_t bucket_count; /* a power of two */
  size_t count;        /* of those that came */
  tw_twins_all twins;
  tw_control_caller *in_turn; /* NULL once it is gone */
  bool closing;
  bool handles_closed;
};

/* ---- control_server_turn.c: what is done once a turn of the loop, for all that came in it ---- */

/* It has something to do at the end of the turn. */
void tw_control_caller_become_due(tw_control_caller *caller);
void tw_control_caller_leave_due(tw_control_caller *caller);
/* Bytes that wait to be sent. */
size_t tw_control_caller_backlog(const tw_control_caller *caller);
/* Reads no further than it may for now. */
void tw_control_caller_hold_back(tw_control_caller *caller);
/* Or reads on. */
void tw_control_caller_read_on(tw_control_caller *caller);
/* What comes to be due meanwhile waits for the next turn, which follows at once. */
void tw_control_server_end_turn(tw_control_server *server);

#endif
