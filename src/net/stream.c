/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/dial.h"
#include "net/stream_parts.h"
#include "net/wire.h"

enum { TEXT_MAX = 160 };

uint64_t tw_stream_now(const tw_stream *stream) { return stream->wall_offset_ms + uv_now(stream->setup->loop); }
tw_channel *tw_stream_its_channel(const tw_stream *stream) { return tw_link_channel(&stream->link); }
const tw_channel *tw_stream_channel(const tw_stream *stream) { return tw_link_channel(&stream->link); }
void *tw_stream_owner(const tw_stream *stream) { return stream->owner; }
bool tw_stream_is_established(const tw_stream *stream) { return stream->established; }
void tw_stream_remote(const tw_stream *stream, char *out) { tw_socket_peer_text(stream->fd, out); }

tw_err tw_stream_remote_address(const tw_stream *stream, struct sockaddr *address, socklen_t *len) {
  return getpeername(stream->fd, address, len) == 0 ? TW_OK : TW_ERR_STATE;
}

/* ---- the end ---- */

static void release_handle(void *ctx) {
  tw_stream *stream = ctx;
  if (--stream->handles > 0) return;
  tw_link_free(&stream->link);
  tw_control_split_clear(&stream->split);
  tw_buf_clear(&stream->queue);
  tw_alloc_free(NULL, stream);
}

static void on_timer_closed(uv_handle_t *handle) { release_handle(handle->data); }

static void close_handles(tw_stream *stream) {
  stream->phase = TW_STREAM_ENDED;
  tw_watch_close(&stream->watch, release_handle);
  (void)close(stream->fd);
  stream->fd = -1;
  uv_close((uv_handle_t *)&stream->timer, on_timer_closed);
}

static void explain(const tw_stream *stream, const tw_stream_end *end, char out[TEXT_MAX]) {
  if (end->reason == TW_ERR_ALERT)
    (void)snprintf(out, TEXT_MAX, "the peer ended it with alert %s", tw_channel_alert_name(end->alert));
  else if (end->reason == TW_ERR_TRUNCATION && stream->wire_error != 0)
    (void)snprintf(out, TEXT_MAX, "%s without close_notify", strerror(stream->wire_error));
  else
    (void)snprintf(out, TEXT_MAX, "%s", end->reason == TW_OK ? "close_notify" : tw_err_text(end->reason));
}

void tw_stream_finish(tw_stream *stream, tw_err reason, const char *text) {
  if (stream->phase == TW_STREAM_ENDED) return;
  char words[TEXT_MAX];
  tw_stream_end end = {.reason = reason,
                       .alert = stream->alert,
                       .established = stream->established,
                       .resuming = stream->resuming,
                       .close_answered = stream->close_answered,
                       .text = text};
  explain(stream, &end, words);
  if (text == NULL) end.text = words;
  stream->phase = TW_STREAM_ENDED;
  stream->setup->closed(stream->owner, stream, &end);
  close_handles(stream);
}

void tw_stream_drop(tw_stream *stream) {
  if (stream != NULL && stream->phase != TW_STREAM_ENDED) close_handles(stream);
}

void tw_stream_stop_within(tw_stream *stream, uint64_t ms) {
  const uint64_t at = tw_stream_now(stream) + ms;
  if (stream->stop_ms == 0 || at < stream->stop_ms) stream->stop_ms = at;
}

/* ---- what the owner asks for; it happens in a turn ---- */

static void ask(tw_stream *stream) {
  stream->again = true;
  tw_stream_turn(stream);
}

void tw_stream_close(tw_stream *stream) {
  if (!tw_stream_runs(stream) || stream->closing) return;
  stream->closing = true;
  tw_stream_stop_within(stream, stream->setup->linger_ms);
  ask(stream);
}

void tw_stream_abort(tw_stream *stream, tw_err reason) {
  if (!tw_stream_runs(stream) || stream->abort_reason != TW_OK) return;
  stream->abort_reason = reason;
  ask(stream);
}

void tw_stream_saved(tw_stream *stream, tw_err err) {
  if (!stream->asked || stream->answered) return;
  stream->answered = true;
  stream->save_err = err;
  ask(stream);
}

void tw_stream_pause(tw_stream *stream, bool pause) {
  if (stream->paused == pause) return;
  stream->paused = pause;
  ask(stream);
}

void tw_stream_push(tw_stream *stream) { ask(stream); }

/* What was sealed goes away before the queue grows. */
static void close_gap(tw_stream *stream) {
  tw_buf_consume(&stream->queue, stream->queue_at);
  stream->queue_at = 0;
}

tw_err tw_stream_send(tw_stream *stream, tw_bytes frames) {
  const bool ends = stream->closing || stream->peer_closed || stream->abort_reason != TW_OK;
  if (!tw_stream_runs(stream) || ends) return TW_ERR_CLOSED;
  if (!stream->established) return TW_ERR_STATE;
  if (frames.len > stream->setup->queue_max - tw_stream_queued(stream)) {
    stream->refused = true;
    return TW_ERR_LIMIT;
  }
  if (stream->queue_at > stream->queue.len / 2) close_gap(stream);
  TW_TRY(tw_buf_append(&stream->queue, frames));
  stream->again = true;
  return TW_OK;
}

size_t tw_stream_waiting(const tw_stream *stream) {
  return tw_stream_queued(stream) + (tw_link_is_there(&stream->link) ? tw_link_output(&stream->link).len : 0);
}

/* ---- the start ---- */

static tw_err open_stream(tw_stream *stream, const tw_channel_config *config, bool connecting) {
  tw_channel *channel = NULL;
  const uint64_t now = tw_stream_now(stream);
  if (config->protocol != TW_CHANNEL_MLS_TLS) return TW_ERR_ARGUMENT;
  TW_TRY(connecting ? tw_channel_connect(config, now, &channel) : tw_channel_accept(config, now, &channel));
  stream->link = tw_link_of_channel(channel);
  stream->resuming = connecting && config->resume.len > 0;
  if (tw_watch_open(&stream->watch, stream->setup->loop, stream->fd, tw_stream_on_wire, stream) == 0) return TW_OK;
  tw_link_free(&stream->link);
  return TW_ERR_NO_MEMORY;
}

tw_err tw_stream_start(const tw_stream_setup *setup, const tw_channel_config *config, bool connecting, int fd,
                       void *owner, tw_stream **stream) {
  tw_stream *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) {
    (void)close(fd);
    return TW_ERR_NO_MEMORY;
  }
  made->setup = setup;
  made->owner = owner;
  made->fd = fd;
  made->phase = TW_STREAM_RUNNING;
  made->wall_offset_ms = tw_wall_ms() - uv_now(setup->loop);
  const tw_err err = open_stream(made, config, connecting);
  if (err != TW_OK) {
    (void)close(fd);
    tw_alloc_free(NULL, made);
    return err;
  }
  made->handles = 2; /* watch and timer */
  (void)uv_timer_init(setup->loop, &made->timer);
  made->timer.data = made;
  (void)uv_timer_start(&made->timer, tw_stream_on_timer, 0, 0); /* the first turn */
  *stream = made;
  return TW_OK;
}
