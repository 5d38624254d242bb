/* The inside of a stream. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_STREAM_PARTS_H
#define TW_NET_STREAM_PARTS_H

#include "net/link.h"
#include "net/stream.h"
#include "net/watch.h"

typedef enum tw_stream_phase {
  TW_STREAM_RUNNING = 1,
  TW_STREAM_FLUSHING = 2, /* the channel is closed; its last output is on its way */
  TW_STREAM_DRAINING = 3, /* that was sent; a close with something unread would reset the connection and lose it */
  TW_STREAM_ENDED = 4     /* everything is being closed */
} tw_stream_phase;

struct tw_stream {
  const tw_stream_setup *setup;
  void *owner;
  tw_link link; /* the channel */
  tw_watch watch;
  uv_timer_t timer;
  int fd;
  unsigned handles; /* open or closing; freed when there is none left */

  tw_stream_phase phase;
  bool calling; /* inside a callback of ours: its end settles everything */
  bool again;   /* there is something to do after a callback */
  bool resuming;
  bool established;
  bool paused;
  bool refused; /* a frame did not fit into the queue */
  bool blocked; /* something waits for the wire */
  bool closing; /* tw_stream_close was called: nothing more is wanted of the peer */
  bool close_sent;
  bool peer_closed;
  bool close_answered; /* it has, after close_sent */
  bool wire_ended;     /* nothing more comes */
  bool wire_dead;      /* nothing can be sent */
  bool asked;          /* the owner is to save the session */
  bool answered;       /* it has: */
  tw_err save_err;
  tw_err abort_reason; /* TW_OK: none is wanted */
  tw_err reason;       /* of the end */
  uint8_t alert;
  int wire_error; /* errno that ended the wire */

  uint64_t wall_offset_ms; /* milliseconds since 1970 when uv_now was 0, as it looked at the start */
  uint64_t stop_ms;        /* when to wait no longer, 0: no end in sight */
  uint64_t moved_ms;       /* when the wire last took something of what waits, 0: nothing waits */
  uint64_t armed_ms;       /* what the timer is set to, UINT64_MAX: off */

  tw_control_split split;
  tw_buf queue; /* to be sealed, from queue_at on */
  size_t queue_at;
};

uint64_t tw_stream_now(const tw_stream *stream);
tw_channel *tw_stream_its_channel(const tw_stream *stream);
static inline bool tw_stream_runs(const tw_stream *stream) { return stream->phase == TW_STREAM_RUNNING; }
static inline size_t tw_stream_queued(const tw_stream *stream) { return stream->queue.len - stream->queue_at; }

/* stream.c */
/* The end: closed is told, and handles are closed. `text` NULL: the reason's own. */
void tw_stream_finish(tw_stream *stream, tw_err reason, const char *text);
void tw_stream_stop_within(tw_stream *stream, uint64_t ms);

/* stream_turn.c */
/* Everything that can go on, unless a callback is running, whose end does it; then what is waited for. */
void tw_stream_turn(tw_stream *stream);
void tw_stream_on_wire(void *ctx, bool readable, bool writable);
void tw_stream_on_timer(uv_timer_t *timer);

#endif
