/* What goes on in a stream. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>

#include "net/stream_parts.h"
#include "net/wire.h"

/* An alert that the peer does not take is not waited for any longer than this. */
enum { LAST_WORDS_MS = 1000 };

/* The errors of these calls are in the closed event; there is nothing more to say about them. */
static void ignore(tw_err err) { (void)err; }

/* ---- events of the channel ---- */

static void on_established(tw_stream *stream, const tw_channel_event *event) {
  tw_member peer = {0};
  stream->established = true;
  (void)tw_channel_peer(tw_stream_its_channel(stream), &peer); /* there is one from then on */
  stream->setup->established(stream->owner, stream, &peer, event);
}

static void on_closed(tw_stream *stream, const tw_channel_event *event) {
  stream->phase = TW_STREAM_FLUSHING;
  stream->reason = event->reason;
  stream->alert = event->alert;
  tw_stream_stop_within(stream, event->reason == TW_OK ? stream->setup->linger_ms : LAST_WORDS_MS);
}

static void take_event(tw_stream *stream, const tw_channel_event *event) {
  switch (event->kind) {
  case TW_CHANNEL_ESTABLISHED: on_established(stream, event); break;
  case TW_CHANNEL_REKEYED:
    if (stream->setup->rekeyed != NULL) stream->setup->rekeyed(stream->owner, stream, event);
    break;
  case TW_CHANNEL_PEER_CLOSED: /* whoever has closed is not interested in what waits */
    stream->peer_closed = true;
    stream->close_answered = stream->close_sent;
    tw_buf_clear(&stream->queue);
    stream->queue_at = 0;
    break;
  case TW_CHANNEL_CLOSED: on_closed(stream, event); break;
  case TW_CHANNEL_STANDARD: break; /* of TLS+MLS alone */
  }
}

static void take_events(tw_stream *stream) {
  tw_channel_event event;
  while (tw_stream_runs(stream) && tw_channel_next_event(tw_stream_its_channel(stream), &event))
    take_event(stream, &event);
}

/* ---- one step of each kind ---- */

static void obey(tw_stream *stream) {
  if (stream->answered && tw_stream_runs(stream)) {
    stream->asked = stream->answered = false;
    if (stream->save_err == TW_OK)
      ignore(tw_channel_saved(tw_stream_its_channel(stream)));
    else
      tw_channel_abort(tw_stream_its_channel(stream), stream->save_err);
    take_events(stream);
  }
  if (stream->abort_reason != TW_OK && tw_stream_runs(stream)) {
    tw_channel_abort(tw_stream_its_channel(stream), stream->abort_reason);
    take_events(stream);
  }
}

static bool wants_frames(const tw_stream *stream) {
  return tw_stream_runs(stream) && stream->established && !stream->paused && !stream->closing &&
         stream->abort_reason == TW_OK;
}

/* The frames in one piece of the channel's data; what the owner does meanwhile leaves the channel alone. */
static size_t deliver_piece(tw_stream *stream, tw_bytes data) {
  tw_bytes rest = data;
  while (wants_frames(stream)) {
    tw_bytes frame;
    const tw_err err = tw_control_split_next(&stream->split, stream->setup->frame_max, &rest, &frame);
    if (err != TW_OK) {
      stream->abort_reason = err;
      stream->again = true;
    }
    if (err != TW_OK || frame.len == 0) break;
    stream->setup->frame(stream->owner, stream, frame);
  }
  return data.len - rest.len;
}

static void deliver(tw_stream *stream) {
  while (wants_frames(stream) || stream->closing) {
    if (!tw_stream_runs(stream)) return;
    const tw_bytes data = tw_channel_data(tw_stream_its_channel(stream));
    if (data.len == 0) return;
    const size_t done = stream->closing ? data.len : deliver_piece(stream, data);
    if (!tw_stream_runs(stream) || done == 0) return;
    ignore(tw_channel_data_done(tw_stream_its_channel(stream), done));
    take_events(stream);
  }
}

/* From the queue to where records are sealed; false when nothing more is taken. */
static bool seal_some(tw_stream *stream) {
  size_t taken = 0;
  if (!tw_stream_runs(stream) || tw_stream_queued(stream) == 0) return false;
  const tw_bytes rest = TW_BYTES(stream->queue.ptr + stream->queue_at, tw_stream_queued(stream));
  const tw_err err = tw_channel_write(tw_stream_its_channel(stream), rest, &taken);
  stream->queue_at += taken;
  if (stream->queue_at == stream->queue.len) {
    tw_buf_clear(&stream->queue);
    stream->queue_at = 0;
  }
  take_events(stream);
  if (err == TW_ERR_NO_MEMORY && stream->abort_reason == TW_OK) {
    stream->abort_reason = err;
    stream->again = true;
  }
  return err == TW_OK && taken > 0;
}

static void close_if_wanted(tw_stream *stream) {
  if (!tw_stream_runs(stream) || stream->close_sent || tw_stream_queued(stream) > 0) return;
  const bool heard = stream->peer_closed && tw_channel_data(tw_stream_its_channel(stream)).len == 0;
  if (!stream->closing && !heard) return;
  stream->close_sent = true;
  ignore(tw_channel_close(tw_stream_its_channel(stream)));
  take_events(stream);
}

/* Whether the wire took something. What it cannot take any more is dropped: the peer's last words are still of
 * interest. */
static bool flush(tw_stream *stream) {
  const size_t before = tw_link_output(&stream->link).len;
  if (stream->phase == TW_STREAM_ENDED) return false;
  if (!stream->wire_dead) {
    const int error = tw_wire_flush(&stream->link, stream->fd);
    stream->wire_dead = error != 0;
    if (stream->wire_error == 0) stream->wire_error = error;
  }
  if (stream->wire_dead) tw_link_output_sent(&stream->link, tw_link_output(&stream->link).len);
  const bool moved = tw_link_output(&stream->link).len < before;
  if (moved) stream->moved_ms = tw_stream_now(stream);
  return moved;
}

static void send_all(tw_stream *stream) {
  bool moved = flush(stream);
  bool sealed;
  do { /* what is sealed has room once the wire has taken some */
    sealed = seal_some(stream);
    close_if_wanted(stream);
    moved = flush(stream) || moved;
  } while (sealed && tw_link_output(&stream->link).len == 0);
  const bool has_room = stream->refused && tw_stream_queued(stream) == 0;
  if (!tw_stream_runs(stream) || !((moved && stream->blocked) || has_room)) return;
  stream->refused = false;
  if (stream->setup->sent != NULL) stream->setup->sent(stream->owner, stream);
}

static bool has_to_save(const tw_stream *stream) {
  return tw_stream_runs(stream) && !stream->asked && tw_channel_unsaved(tw_stream_its_channel(stream));
}

static void ask_to_save(tw_stream *stream) {
  if (!has_to_save(stream)) return;
  stream->asked = true;
  if (stream->setup->unsaved != NULL)
    stream->setup->unsaved(stream->owner, stream);
  else
    tw_stream_saved(stream, TW_ERR_ARGUMENT);
}

/* Until nobody has asked for more meanwhile. Sealing may change the session, too. */
static void go_on(tw_stream *stream) {
  do {
    stream->again = false;
    ask_to_save(stream); /* first: until then an alert would be held back, too */
    obey(stream);
    deliver(stream);
    ask_to_save(stream);
    send_all(stream);
  } while ((stream->again || has_to_save(stream)) && tw_stream_runs(stream));
}

/* ---- what is waited for ---- */

static uint64_t stall_deadline(const tw_stream *stream) {
  const uint64_t stall = stream->setup->stall_ms;
  const bool counts = stall != 0 && stream->blocked && stream->established && tw_stream_runs(stream);
  return counts ? stream->moved_ms + stall : UINT64_MAX;
}

/* Deadlines move with every byte; a timer that rings too early is cheaper than one that is set anew each time. */
static void arm(tw_stream *stream) {
  uint64_t at = tw_stream_runs(stream) ? tw_channel_deadline(tw_stream_its_channel(stream)) : UINT64_MAX;
  if (stream->stop_ms != 0 && stream->stop_ms < at) at = stream->stop_ms;
  if (stall_deadline(stream) < at) at = stall_deadline(stream);
  if (at >= stream->armed_ms) return;
  const uint64_t now = tw_stream_now(stream);
  stream->armed_ms = at;
  (void)uv_timer_start(&stream->timer, tw_stream_on_timer, at > now ? at - now : 0, 0);
}

static void want(tw_stream *stream) {
  const size_t output = tw_link_output(&stream->link).len;
  const bool held = stream->established && stream->paused && !stream->closing && !stream->wire_dead;
  const bool data = tw_stream_runs(stream) && tw_channel_data(tw_stream_its_channel(stream)).len > 0;
  const bool to_read = tw_stream_runs(stream) && !stream->wire_ended && !held && !data && output < TW_ANSWERS_MAX;
  const bool drains = stream->phase == TW_STREAM_DRAINING;
  tw_watch_want(&stream->watch, to_read || drains, output > 0 && !stream->wire_dead);
}

/* The last output is on its way: hear the peer out, then close. */
static void begin_drain(tw_stream *stream) {
  stream->phase = TW_STREAM_DRAINING;
  if (stream->wire_ended || stream->wire_dead || shutdown(stream->fd, SHUT_WR) != 0 || !tw_wire_drain(stream->fd))
    tw_stream_finish(stream, stream->reason, NULL);
}

static void settle(tw_stream *stream) {
  /* A peer that has closed hears us out, unless it is gone. */
  const bool gone = stream->wire_ended && (stream->wire_dead || stream->peer_closed);
  const bool useless = stream->wire_dead && stream->paused && stream->established;
  if (tw_stream_runs(stream) && (gone || useless)) tw_stream_finish(stream, TW_ERR_TRUNCATION, NULL);
  if (stream->phase == TW_STREAM_FLUSHING && tw_link_output(&stream->link).len == 0) begin_drain(stream);
  if (stream->phase == TW_STREAM_ENDED) return;
  const bool was_blocked = stream->blocked;
  stream->blocked = tw_stream_waiting(stream) > 0;
  if (stream->blocked && !was_blocked) stream->moved_ms = tw_stream_now(stream);
  want(stream);
  arm(stream);
}

void tw_stream_turn(tw_stream *stream) {
  if (stream->calling || stream->phase == TW_STREAM_ENDED) return;
  stream->calling = true;
  go_on(stream);
  stream->calling = false;
  settle(stream);
}

/* ---- what the loop tells ---- */

static void read_wire(tw_stream *stream) {
  for (int round = 0; round < TW_WIRE_ROUNDS && tw_stream_runs(stream) && !stream->wire_ended; round++) {
    uint8_t *ptr;
    size_t room = 0;
    tw_channel *channel = tw_stream_its_channel(stream);
    if (tw_channel_data(channel).len > 0) return;
    if (tw_channel_input_buffer(channel, &ptr, &room) != TW_OK) {
      stream->abort_reason = TW_ERR_NO_MEMORY;
      go_on(stream);
      return;
    }
    if (room == 0) return;
    const ssize_t got = tw_wire_read(stream->fd, ptr, room);
    if (got < 0 && tw_wire_would_block(errno)) return;
    if (got > 0) {
      ignore(tw_channel_input_done(channel, (size_t)got, tw_stream_now(stream)));
    } else {
      if (got < 0 && stream->wire_error == 0) stream->wire_error = errno;
      stream->wire_ended = true;
      ignore(tw_channel_input_end(channel, tw_stream_now(stream)));
    }
    take_events(stream);
    go_on(stream);
    if (got <= 0 || (size_t)got < room) return;
  }
}

void tw_stream_on_wire(void *ctx, bool readable, bool writable) {
  tw_stream *stream = ctx;
  (void)writable;
  if (stream->phase == TW_STREAM_DRAINING) {
    if (!tw_wire_drain(stream->fd)) tw_stream_finish(stream, stream->reason, NULL);
    return;
  }
  stream->calling = true;
  go_on(stream);
  if (readable) read_wire(stream);
  stream->calling = false;
  settle(stream);
}

void tw_stream_on_timer(uv_timer_t *timer) {
  tw_stream *stream = timer->data;
  const uint64_t now = tw_stream_now(stream);
  stream->armed_ms = UINT64_MAX;
  if (stream->stop_ms != 0 && now >= stream->stop_ms) {
    tw_stream_finish(stream, stream->reason, NULL);
    return;
  }
  if (now >= stall_deadline(stream)) {
    tw_wire_reset_at_close(stream->fd);
    tw_stream_finish(stream, TW_ERR_TIMEOUT, "the peer takes nothing");
    return;
  }
  stream->calling = true;
  if (tw_stream_runs(stream) && now >= tw_channel_deadline(tw_stream_its_channel(stream))) {
    ignore(tw_channel_tick(tw_stream_its_channel(stream), now));
    take_events(stream);
  }
  go_on(stream);
  stream->calling = false;
  settle(stream);
}
