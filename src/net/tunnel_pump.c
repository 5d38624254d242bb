/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>

#include "net/tunnel_parts.h"
#include "net/wire.h"

/* Of answers to the peer that it does not take: then nothing more is read from it. */
enum { OUTPUT_HARD_MAX = 1024 * 1024 };

static bool is_live(const tw_tunnel *tunnel) { return tunnel->phase == TW_PHASE_RUNNING; }

/* The channel's output to the wire. What cannot be sent any more is dropped: the peer's last words are still of
 * interest. */
static void flush_output(tw_tunnel *tunnel) {
  if (!tunnel->wire_dead) {
    const int error = tw_wire_flush(&tunnel->link, tunnel->wire.fd);
    tunnel->wire_dead = error != 0;
    if (tunnel->wire_error == 0) tunnel->wire_error = error;
  }
  if (tunnel->wire_dead) tw_link_output_sent(&tunnel->link, tw_link_output(&tunnel->link).len);
}

static int app_out_fd(const tw_tunnel *tunnel) {
  return tunnel->app_is_socket ? tunnel->app_in.fd : tunnel->app_out.fd;
}

/* What came in, to the application. */
static void deliver(tw_tunnel *tunnel) {
  while (is_live(tunnel)) {
    const tw_bytes data = tw_link_data(&tunnel->link);
    if (data.len == 0 || !tunnel->app_ready) return;
    const ssize_t written = tw_wire_write(app_out_fd(tunnel), data);
    if (written < 0 && tw_wire_would_block(errno)) {
      tunnel->app_blocked = true;
      return;
    }
    if (written < 0) {
      tw_tunnel_app_broke(tunnel, errno);
      return;
    }
    tunnel->app_blocked = false;
    tunnel->active_ms = tw_tunnel_now(tunnel);
    tw_tunnel_data_done(tunnel, (size_t)written);
  }
}

/* The end of the application's bytes, to the peer. */
static void push_end(tw_tunnel *tunnel) {
  if (is_live(tunnel) && tunnel->established && tunnel->app_ended && !tunnel->close_sent)
    tw_tunnel_close_channel(tunnel);
}

/* After the peer's close_notify and the last byte: the application gets its end of file. */
static void shut_app(tw_tunnel *tunnel) {
  if (!tunnel->peer_closed || tunnel->app_shut || !tunnel->app_ready) return;
  if (tw_link_data(&tunnel->link).len > 0) return;
  tunnel->app_shut = true;
  (void)shutdown(app_out_fd(tunnel), SHUT_WR); /* a standard stream may be a socket, too */
  if (!tunnel->app_is_socket) tw_tunnel_drop_end(tunnel, &tunnel->app_out);
}

void tw_tunnel_push(tw_tunnel *tunnel) {
  if (!tw_link_is_there(&tunnel->link) || tunnel->phase == TW_PHASE_ENDED) return;
  deliver(tunnel);
  push_end(tunnel);
  shut_app(tunnel);
  if (tunnel->wire.fd >= 0) flush_output(tunnel);
}

void tw_tunnel_read_wire(tw_tunnel *tunnel) {
  for (int round = 0; round < TW_WIRE_ROUNDS && is_live(tunnel) && !tunnel->wire_ended; round++) {
    uint8_t *ptr;
    size_t room = 0;
    if (tw_link_data(&tunnel->link).len > 0) return;
    if (tw_link_input_buffer(&tunnel->link, &ptr, &room) != TW_OK) {
      tw_tunnel_abort(tunnel, TW_ERR_NO_MEMORY);
      return;
    }
    if (room == 0) return;
    const ssize_t got = tw_wire_read(tunnel->wire.fd, ptr, room);
    if (got < 0 && tw_wire_would_block(errno)) return;
    if (got <= 0) {
      if (got < 0 && tunnel->wire_error == 0) tunnel->wire_error = errno;
      tunnel->wire_ended = true;
      tw_tunnel_input_end(tunnel);
      return;
    }
    tw_tunnel_input_done(tunnel, (size_t)got);
    tw_tunnel_push(tunnel);
    if ((size_t)got < room) return;
  }
}

static bool may_read_app(const tw_tunnel *tunnel) {
  return is_live(tunnel) && tunnel->app_ready && !tunnel->app_ended && tw_link_output(&tunnel->link).len == 0 &&
         tw_link_writable(&tunnel->link);
}

/* One read, straight to where a record is sealed. False when there is no more for now. */
static bool read_record(tw_tunnel *tunnel) {
  uint8_t *ptr;
  size_t room = 0;
  if (tw_link_write_buffer(&tunnel->link, &ptr, &room) != TW_OK) {
    tw_tunnel_abort(tunnel, TW_ERR_NO_MEMORY);
    return false;
  }
  if (room == 0) return false;
  const ssize_t got = tw_wire_read(tunnel->app_in.fd, ptr, room);
  const int error = errno;
  tw_tunnel_write_done(tunnel, got > 0 ? (size_t)got : 0);
  if (got < 0 && !tw_wire_would_block(error)) tw_tunnel_app_broke(tunnel, error);
  if (got == 0) tunnel->app_ended = true;
  if (got > 0) {
    tunnel->active_ms = tw_tunnel_now(tunnel);
    tunnel->app_taken = true;
  }
  return got > 0 && (size_t)got == room;
}

/* Records are collected up to the channel's high-water mark, then sent in one piece. */
void tw_tunnel_read_app(tw_tunnel *tunnel) {
  for (int round = 0; round < TW_WIRE_ROUNDS && may_read_app(tunnel); round++) {
    bool more = true;
    while (more && is_live(tunnel) && tw_link_writable(&tunnel->link)) more = read_record(tunnel);
    tw_tunnel_push(tunnel);
    if (!more) return;
  }
}

void tw_tunnel_want(tw_tunnel *tunnel) {
  if (!tw_link_is_there(&tunnel->link)) return;
  const size_t output = tw_link_output(&tunnel->link).len;
  const bool data = tw_link_data(&tunnel->link).len > 0;
  const bool read_wire = is_live(tunnel) && !tunnel->wire_ended && !data && output < OUTPUT_HARD_MAX;
  const bool drain = tunnel->phase == TW_PHASE_DRAINING;
  tw_watch_want(&tunnel->wire.watch, read_wire || drain, output > 0 && !tunnel->wire_dead);

  const bool read_app = may_read_app(tunnel);
  const bool write_app = is_live(tunnel) && data && tunnel->app_ready;
  if (tunnel->app_is_socket)
    tw_watch_want(&tunnel->app_in.watch, read_app, write_app);
  else {
    tw_watch_want(&tunnel->app_in.watch, read_app, false);
    tw_watch_want(&tunnel->app_out.watch, false, write_app);
  }
}
