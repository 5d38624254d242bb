/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "net/tunnel_parts.h"
#include "net/wire.h"

/* An alert that the peer does not take is not waited for any longer than this. */
enum { LAST_WORDS_MS = 1000 };

/* Runs evenly while a tunnel lives. Each one looks at the clock anew: it may have been set, or the machine have slept.
 */
uint64_t tw_tunnel_now(const tw_tunnel *tunnel) { return tunnel->wall_offset_ms + uv_now(tunnel->setup->loop); }

uint64_t tw_tunnel_id(const tw_tunnel *tunnel) { return tunnel->id; }
const char *tw_tunnel_remote(const tw_tunnel *tunnel) { return tunnel->remote; }
bool tw_tunnel_established(const tw_tunnel *tunnel) { return tunnel->established; }
bool tw_tunnel_unsaved(const tw_tunnel *tunnel) { return tunnel->unsaved; }
const tw_link *tw_tunnel_link(const tw_tunnel *tunnel) { return &tunnel->link; }
tw_channel *tw_tunnel_channel(const tw_tunnel *tunnel) { return tw_link_channel(&tunnel->link); }
void **tw_tunnel_user(tw_tunnel *tunnel) { return &tunnel->user; }
void **tw_tunnel_session(tw_tunnel *tunnel) { return &tunnel->session; }
struct tw_pass **tw_tunnel_pass(tw_tunnel *tunnel) {
  return &tunnel->pass;
}
tw_tunnel **tw_tunnel_next(tw_tunnel *tunnel) { return &tunnel->next; }
tw_tunnel **tw_tunnel_previous(tw_tunnel *tunnel) { return &tunnel->previous; }

void tw_tunnel_error(tw_tunnel *tunnel, tw_tunnel_stage stage, tw_err err, uint8_t alert, const char *text) {
  const tw_tunnel_event told = {.kind = TW_TUNNEL_ERROR, .stage = stage, .err = err, .alert = alert, .text = text};
  tunnel->setup->event(tunnel->setup->ctx, tunnel, &told);
}

/* ---- descriptors ---- */

static void release_handle(void *ctx) {
  tw_tunnel *tunnel = ctx;
  if (--tunnel->handles > 0) return;
  tw_tunnel_free_link(tunnel);
  tunnel->setup->freed(tunnel->setup->ctx, tunnel);
  tw_alloc_free(NULL, tunnel);
}

static void on_timer_closed(uv_handle_t *handle) { release_handle(handle->data); }

/* A standard stream's number is never left free for the next socket. */
static void close_descriptor(int fd) {
  const int empty = fd <= STDERR_FILENO ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  if (empty < 0) {
    (void)close(fd);
    return;
  }
  (void)dup2(empty, fd);
  (void)close(empty);
}

static void on_wire_closed(void *ctx) {
  tw_tunnel *tunnel = ctx;
  tunnel->wire_closing = false;
  release_handle(tunnel);
}

void tw_tunnel_drop_end(tw_tunnel *tunnel, tw_end *end) {
  if (end->fd < 0) return;
  const bool is_wire = end == &tunnel->wire;
  if (is_wire) tunnel->wire_closing = true;
  tw_watch_close(&end->watch, is_wire ? on_wire_closed : release_handle);
  /* Others may share a standard stream with us and not expect it to be non-blocking. */
  if (end->flags >= 0) (void)fcntl(end->fd, F_SETFL, end->flags);
  close_descriptor(end->fd);
  end->fd = -1;
}

static int open_end(tw_tunnel *tunnel, tw_end *end, int fd, tw_watch_ready ready) {
  const int flags = fcntl(fd, F_GETFL);
  const int status = tw_watch_open(&end->watch, tunnel->setup->loop, fd, ready, tunnel);
  if (status != 0) return status;
  end->fd = fd;
  end->flags = flags;
  tunnel->handles++;
  return 0;
}

/* ---- the end ---- */

/* A reset in place of an end of file, so that the application does not take what it has for all there is. */
static void reset_app(const tw_tunnel *tunnel) {
  if (tunnel->app_is_socket && tunnel->app_in.fd >= 0) tw_wire_reset_at_close(tunnel->app_in.fd);
}

static void close_app(tw_tunnel *tunnel) {
  if (!tunnel->clean) reset_app(tunnel);
  /* Against the order in which they were opened: both may be one terminal, and the first has its flags from before. */
  tw_tunnel_drop_end(tunnel, &tunnel->app_out);
  tw_tunnel_drop_end(tunnel, &tunnel->app_in);
}

void tw_tunnel_end(tw_tunnel *tunnel) {
  if (tunnel->phase == TW_PHASE_ENDED) return;
  tunnel->phase = TW_PHASE_ENDED;
  tunnel->unsaved = false;
  const tw_tunnel_event told = {.kind = TW_TUNNEL_CLOSED, .text = tunnel->why != NULL ? tunnel->why : "closed"};
  tunnel->setup->event(tunnel->setup->ctx, tunnel, &told);
  tw_dial_cancel(tunnel->dial);
  tunnel->dial = NULL;
  close_app(tunnel);
  tw_tunnel_drop_end(tunnel, &tunnel->wire);
  uv_close((uv_handle_t *)&tunnel->timer, on_timer_closed);
}

static void stop_within(tw_tunnel *tunnel, uint64_t ms) {
  const uint64_t at = tw_tunnel_now(tunnel) + ms;
  if (tunnel->stop_ms == 0 || at < tunnel->stop_ms) tunnel->stop_ms = at;
}

void tw_tunnel_channel_closed(tw_tunnel *tunnel, const tw_channel_event *event) {
  if (tunnel->phase != TW_PHASE_RUNNING) return;
  const tw_tunnel_stage stage = tunnel->established ? TW_STAGE_CHANNEL : TW_STAGE_HANDSHAKE;
  tunnel->phase = TW_PHASE_FLUSHING;
  tunnel->close_sent = true;
  stop_within(tunnel, event->reason == TW_OK ? tunnel->setup->linger_ms : LAST_WORDS_MS);
  if (event->reason == TW_OK) {
    if (tunnel->why == NULL) tunnel->why = "close_notify";
    tunnel->clean = tunnel->peer_closed;
    return;
  }
  if (tunnel->why != NULL) return; /* our own doing, told before */
  char text[TW_TUNNEL_TEXT];
  tw_tunnel_explain(tunnel, event, text);
  if (tw_tunnel_try_again(tunnel, stage, event->reason, event->alert, text)) return;
  tunnel->why = "error";
  tw_tunnel_error(tunnel, stage, event->reason, event->alert, text);
}

void tw_tunnel_app_broke(tw_tunnel *tunnel, int error) {
  tunnel->why = "application closed";
  tw_tunnel_error(tunnel, TW_STAGE_APPLICATION, TW_ERR_STATE, 0, strerror(error));
  tw_link_abort(&tunnel->link, TW_ERR_CLOSED);
  tw_tunnel_take_events(tunnel);
}

void tw_tunnel_wire_broke(tw_tunnel *tunnel) {
  const tw_tunnel_stage stage = tunnel->established ? TW_STAGE_CHANNEL : TW_STAGE_HANDSHAKE;
  const char *text = tunnel->wire_error != 0 ? strerror(tunnel->wire_error)
                                             : "the other side is gone and takes nothing more";
  if (tw_tunnel_try_again(tunnel, stage, TW_ERR_TRUNCATION, 0, text)) return;
  tunnel->why = "error";
  tw_tunnel_error(tunnel, stage, TW_ERR_TRUNCATION, 0, text);
  tw_tunnel_end(tunnel);
}

void tw_tunnel_supersede(tw_tunnel *tunnel) {
  tunnel->why = "went on in another connection";
  tunnel->clean = false;
  tw_tunnel_end(tunnel);
}

void tw_tunnel_push_out(tw_tunnel *tunnel, const char *why) {
  tunnel->why = why;
  tw_tunnel_end(tunnel);
}

void tw_tunnel_kill(tw_tunnel *tunnel) { tw_tunnel_end(tunnel); }

static bool has_no_channel(const tw_tunnel *tunnel) {
  return tunnel->phase == TW_PHASE_DIALING || tunnel->phase == TW_PHASE_WAITING;
}

void tw_tunnel_abort(tw_tunnel *tunnel, tw_err reason) {
  if (has_no_channel(tunnel)) tw_tunnel_end(tunnel);
  if (tunnel->phase != TW_PHASE_RUNNING) return;
  tw_link_abort(&tunnel->link, reason);
  tw_tunnel_take_events(tunnel);
  tw_tunnel_settle(tunnel);
}

void tw_tunnel_stop(tw_tunnel *tunnel, const char *why) {
  if (tunnel->why == NULL) tunnel->why = why;
  if (has_no_channel(tunnel)) tw_tunnel_end(tunnel);
  if (tunnel->phase != TW_PHASE_RUNNING) return;
  tunnel->app_ended = true;
  stop_within(tunnel, tunnel->setup->linger_ms);
  tw_tunnel_close_channel(tunnel);
  tw_tunnel_settle(tunnel);
}

void tw_tunnel_saved(tw_tunnel *tunnel, tw_err err, const char *text) {
  if (!tunnel->unsaved) return;
  tunnel->unsaved = false;
  if (tunnel->phase != TW_PHASE_RUNNING) return;
  if (err != TW_OK) {
    tunnel->why = "error";
    tw_tunnel_error(tunnel, tunnel->established ? TW_STAGE_CHANNEL : TW_STAGE_HANDSHAKE, err, 0, text);
    tw_tunnel_abort(tunnel, err);
    return;
  }
  tunnel->calling = true;
  tw_tunnel_go_on(tunnel);
  tw_tunnel_push(tunnel);
  tunnel->calling = false;
  tw_tunnel_settle(tunnel);
}

/* ---- what the loop tells ---- */

/* The deadline to come: the channel's, idleness, the end of patience. */
static uint64_t next_deadline(const tw_tunnel *tunnel) {
  if (tunnel->phase == TW_PHASE_WAITING) return tunnel->try_ms;
  uint64_t at = tunnel->phase == TW_PHASE_RUNNING ? tw_link_deadline(&tunnel->link) : UINT64_MAX;
  if (tunnel->stop_ms != 0 && tunnel->stop_ms < at) at = tunnel->stop_ms;
  if (tunnel->setup->idle_timeout_ms != 0 && tunnel->established && tunnel->stop_ms == 0) {
    const uint64_t idle = tunnel->active_ms + tunnel->setup->idle_timeout_ms;
    if (idle < at) at = idle;
  }
  return at;
}

static void on_timer(uv_timer_t *timer);

/* Deadlines move with every byte; a timer that rings too early is cheaper than one that is set anew each time. */
void tw_tunnel_arm(tw_tunnel *tunnel) {
  const uint64_t at = next_deadline(tunnel);
  if (at >= tunnel->armed_ms) return;
  const uint64_t now = tw_tunnel_now(tunnel);
  tunnel->armed_ms = at;
  (void)uv_timer_start(&tunnel->timer, on_timer, at > now ? at - now : 0, 0);
}

/* The last output is on its way: hear the peer out, then close. */
static void begin_drain(tw_tunnel *tunnel) {
  close_app(tunnel);
  tunnel->phase = TW_PHASE_DRAINING;
  if (tw_link_is_silent(&tunnel->link)) {
    if (tunnel->wire.fd >= 0) tw_wire_reset_at_close(tunnel->wire.fd);
    tw_tunnel_end(tunnel);
    return;
  }
  if (tunnel->wire_ended || tunnel->wire_dead || shutdown(tunnel->wire.fd, SHUT_WR) != 0 ||
      !tw_wire_drain(tunnel->wire.fd))
    tw_tunnel_end(tunnel);
}

/* At the end of each callback: is this the end, and what are we waiting for? */
void tw_tunnel_settle(tw_tunnel *tunnel) {
  if (tunnel->calling || tunnel->phase == TW_PHASE_ENDED) return;
  /* A peer that has closed hears us out, unless it is gone. */
  const bool gone = tunnel->wire_dead || (tunnel->peer_closed && !tunnel->link.acts->half_open);
  if (tunnel->phase == TW_PHASE_RUNNING && tunnel->wire_ended && gone) tw_tunnel_wire_broke(tunnel);
  if (tunnel->phase == TW_PHASE_FLUSHING) {
    tw_tunnel_push(tunnel);
    if (tw_link_output(&tunnel->link).len == 0) begin_drain(tunnel);
  }
  if (tunnel->phase == TW_PHASE_ENDED || has_no_channel(tunnel)) return;
  tw_tunnel_want(tunnel);
  tw_tunnel_arm(tunnel);
}

static void try_now(tw_tunnel *tunnel, uint64_t now) {
  /* The last wire's watch is still being closed: a moment later. */
  const bool busy = tunnel->wire_closing;
  if (busy || now < tunnel->try_ms) {
    if (busy && tunnel->try_ms <= now) tunnel->try_ms = now + 1;
    tw_tunnel_arm(tunnel);
    return;
  }
  const tw_err err = tw_tunnel_dial(tunnel);
  if (err == TW_OK) return;
  tunnel->why = "error";
  tw_tunnel_error(tunnel, TW_STAGE_CONNECT, err, 0, tw_err_text(err));
  tw_tunnel_end(tunnel);
}

static void on_timer(uv_timer_t *timer) {
  tw_tunnel *tunnel = timer->data;
  const uint64_t now = tw_tunnel_now(tunnel);
  tunnel->armed_ms = UINT64_MAX;
  if (tunnel->phase == TW_PHASE_WAITING) {
    try_now(tunnel, now);
    return;
  }
  if (tunnel->stop_ms != 0 && now >= tunnel->stop_ms) {
    tunnel->clean = tunnel->clean || tunnel->peer_closed;
    tw_tunnel_end(tunnel);
    return;
  }
  tunnel->calling = true;
  if (tunnel->phase == TW_PHASE_RUNNING && now >= tw_link_deadline(&tunnel->link)) tw_tunnel_tick(tunnel);
  tw_tunnel_push(tunnel);
  tunnel->calling = false;
  if (tunnel->setup->idle_timeout_ms != 0 && tunnel->established && tunnel->stop_ms == 0 &&
      now >= tunnel->active_ms + tunnel->setup->idle_timeout_ms)
    tw_tunnel_stop(tunnel, "idle");
  tw_tunnel_settle(tunnel);
}

static void on_wire(void *ctx, bool readable, bool writable) {
  tw_tunnel *tunnel = ctx;
  if (tunnel->phase == TW_PHASE_DRAINING) {
    if (!tw_wire_drain(tunnel->wire.fd)) tw_tunnel_end(tunnel);
    return;
  }
  tunnel->calling = true;
  if (writable) tw_tunnel_push(tunnel);
  if (readable) tw_tunnel_read_wire(tunnel);
  tunnel->calling = false;
  tw_tunnel_settle(tunnel);
}

static void on_app_in(void *ctx, bool readable, bool writable) {
  tw_tunnel *tunnel = ctx;
  tunnel->calling = true;
  if (writable) tw_tunnel_push(tunnel);
  if (readable) tw_tunnel_read_app(tunnel);
  tunnel->calling = false;
  tw_tunnel_settle(tunnel);
}

static void on_app_out(void *ctx, bool readable, bool writable) {
  (void)readable;
  on_app_in(ctx, false, writable);
}

/* ---- the application ---- */

void tw_tunnel_use_app(tw_tunnel *tunnel) {
  tunnel->app_ready = true;
  if (tunnel->calling) return;
  tunnel->calling = true;
  tw_tunnel_push(tunnel);
  tunnel->calling = false;
  tw_tunnel_settle(tunnel);
}

/* The peer is told by an alert: what its application has sent already went nowhere, and must not seem to have arrived.
 */
static void no_app(tw_tunnel *tunnel, const char *text) {
  tunnel->why = "target unreachable";
  tw_tunnel_error(tunnel, TW_STAGE_TARGET, TW_ERR_STATE, 0, text);
  tw_tunnel_abort(tunnel, TW_ERR_CLOSED);
}

static void on_target(void *ctx, int fd, const tw_report *report) {
  tw_tunnel *tunnel = ctx;
  tunnel->dial = NULL;
  if (fd < 0) {
    no_app(tunnel, report->text);
    return;
  }
  const int status = open_end(tunnel, &tunnel->app_in, fd, on_app_in);
  if (status != 0) {
    (void)close(fd);
    no_app(tunnel, uv_strerror(status));
    return;
  }
  tunnel->app_is_socket = true;
  tw_tunnel_use_app(tunnel);
}

static int open_stdio(tw_tunnel *tunnel) {
  const int status = open_end(tunnel, &tunnel->app_in, STDIN_FILENO, on_app_in);
  return status != 0 ? status : open_end(tunnel, &tunnel->app_out, STDOUT_FILENO, on_app_out);
}

void tw_tunnel_open_app(tw_tunnel *tunnel) {
  const tw_tunnel_setup *setup = tunnel->setup;
  int status = 0;
  if (tunnel->app_ready) return; /* since its bytes may go with the first flight */
  switch (setup->app) {
  case TW_APP_SOCKET: break;
  case TW_APP_STDIO: status = open_stdio(tunnel); break;
  case TW_APP_TARGET:
    if (tw_dial_start(setup->loop, &setup->target, setup->dial_timeout_ms, on_target, tunnel, &tunnel->dial) == TW_OK)
      return;
    status = UV_ENOMEM;
    break;
  }
  if (status == 0)
    tw_tunnel_use_app(tunnel);
  else
    no_app(tunnel, uv_strerror(status));
}

/* ---- the start ---- */

tw_err tw_tunnel_run(tw_tunnel *tunnel, int fd) {
  tw_socket_peer_text(fd, tunnel->remote);
  tunnel->began_ms = tw_tunnel_now(tunnel);
  tw_err err = tw_tunnel_make_link(tunnel);
  if (err == TW_OK && open_end(tunnel, &tunnel->wire, fd, on_wire) != 0) err = TW_ERR_NO_MEMORY;
  if (err != TW_OK) {
    (void)close(fd);
    return err;
  }
  tunnel->phase = TW_PHASE_RUNNING;
  tunnel->active_ms = tw_tunnel_now(tunnel);
  tw_tunnel_ask_to_save(tunnel);
  if (tunnel->resuming && tunnel->setup->early_data)
    tw_tunnel_open_app(tunnel);
  else
    tw_tunnel_push(tunnel);
  tw_tunnel_settle(tunnel);
  return TW_OK;
}

static tw_err begin(tw_tunnel *tunnel, int wire_fd, int app_fd) {
  const tw_tunnel_setup *setup = tunnel->setup;
  if (app_fd >= 0) {
    tunnel->app_is_socket = true;
    if (open_end(tunnel, &tunnel->app_in, app_fd, on_app_in) != 0) {
      (void)close(app_fd);
      if (wire_fd >= 0) (void)close(wire_fd);
      return TW_ERR_NO_MEMORY;
    }
  }
  if (!setup->connecting) return tw_tunnel_run(tunnel, wire_fd);
  tunnel->give_up_ms = tw_tunnel_now(tunnel) + setup->retry_ms;
  return tw_tunnel_dial(tunnel);
}

tw_err tw_tunnel_start(const tw_tunnel_setup *setup, uint64_t id, int wire_fd, int app_fd, tw_tunnel **tunnel) {
  tw_tunnel *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) {
    if (wire_fd >= 0) (void)close(wire_fd);
    if (app_fd >= 0) (void)close(app_fd);
    return TW_ERR_NO_MEMORY;
  }
  made->setup = setup;
  made->pass = setup->pass;
  made->id = id;
  made->wire.fd = made->app_in.fd = made->app_out.fd = -1;
  made->armed_ms = UINT64_MAX;
  made->wall_offset_ms = tw_wall_ms() - uv_now(setup->loop);
  made->phase = TW_PHASE_DIALING;
  made->handles = 1; /* the timer */
  (void)snprintf(made->remote, sizeof made->remote, "?");
  (void)uv_timer_init(setup->loop, &made->timer);
  made->timer.data = made;
  *tunnel = made;
  const tw_err err = begin(made, wire_fd, app_fd);
  if (err != TW_OK) {
    made->why = "error";
    tw_tunnel_error(made, TW_STAGE_CONNECT, err, 0, tw_err_text(err));
    tw_tunnel_end(made);
  }
  return TW_OK;
}
