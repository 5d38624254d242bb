/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

struct tw_dial {
  uv_loop_t *loop;
  uv_getaddrinfo_t resolver;
  uv_timer_t timer;
  tw_watch watch;
  tw_address address;
  struct addrinfo *list; /* from the resolver, or the address was in figures */
  const struct addrinfo *next;
  uint64_t timeout_ms;
  int fd;
  int last_error;    /* errno of the attempt before */
  tw_dial_done done; /* NULL once it was called or is not wanted */
  void *ctx;
  unsigned in_use; /* by libuv: it may not be freed before that is 0 */
  bool is_resolving;
  bool ended;
};

static void release(tw_dial *dial) {
  if (--dial->in_use > 0) return;
  if (dial->list != NULL) uv_freeaddrinfo(dial->list);
  tw_alloc_free(NULL, dial);
}

static void on_timer_closed(uv_handle_t *handle) { release(handle->data); }
static void on_watch_closed(void *ctx) { release(ctx); }

/* Stop everything; the memory goes once libuv is done with it. */
static void end(tw_dial *dial) {
  if (dial->ended) return;
  dial->ended = true;
  dial->done = NULL;
  if (dial->is_resolving) (void)uv_cancel((uv_req_t *)&dial->resolver); /* on_resolved comes in any case */
  tw_watch_close(&dial->watch, on_watch_closed);
  if (dial->fd >= 0) (void)close(dial->fd);
  uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
}

static void succeed(tw_dial *dial) {
  const tw_dial_done done = dial->done;
  void *ctx = dial->ctx;
  const int fd = dial->fd;
  const tw_report report = {""};
  dial->fd = -1;
  end(dial);
  done(ctx, fd, &report);
}

static void fail(tw_dial *dial, const char *why) {
  const tw_dial_done done = dial->done;
  void *ctx = dial->ctx;
  char text[TW_ADDRESS_TEXT];
  tw_address_format(&dial->address, text);
  tw_report report = {""};
  if (tw_report_fail(&report, TW_ERR_STATE, "cannot connect to %s: %s", text, why) == TW_OK) return;
  end(dial);
  done(ctx, -1, &report);
}

static void try_next(tw_dial *dial);

static void on_attempt_closed(void *ctx) {
  tw_dial *dial = ctx;
  if (!dial->ended) try_next(dial);
  release(dial);
}

static void attempt_failed(tw_dial *dial, int error) {
  dial->last_error = error;
  (void)uv_timer_stop(&dial->timer);
  tw_watch_close(&dial->watch, on_attempt_closed);
  (void)close(dial->fd);
  dial->fd = -1;
}

static void on_timeout(uv_timer_t *timer) { attempt_failed(timer->data, ETIMEDOUT); }

static void on_ready(void *ctx, bool readable, bool writable) {
  (void)readable;
  (void)writable;
  tw_dial *dial = ctx;
  int error = 0;
  socklen_t len = sizeof error;
  if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
  if (error == 0)
    succeed(dial);
  else
    attempt_failed(dial, error);
}

/* Begin with one address; false with errno when it fails at once. */
static bool attempt(tw_dial *dial, const struct addrinfo *address) {
  const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  tw_socket_prepare(fd);
  int status = -1;
  if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS) {
    status = tw_watch_open(&dial->watch, dial->loop, fd, on_ready, dial);
    errno = -status;
  }
  if (status != 0) {
    const int error = errno;
    (void)close(fd);
    errno = error;
    return false;
  }
  dial->in_use++;
  dial->fd = fd;
  tw_watch_want(&dial->watch, false, true);
  (void)uv_timer_start(&dial->timer, on_timeout, dial->timeout_ms, 0);
  return true;
}

static void try_next(tw_dial *dial) {
  while (dial->next != NULL) {
    const struct addrinfo *address = dial->next;
    dial->next = address->ai_next;
    if (attempt(dial, address)) return;
    dial->last_error = errno;
  }
  fail(dial, strerror(dial->last_error));
}

static void on_resolved(uv_getaddrinfo_t *resolver, int status, struct addrinfo *list) {
  tw_dial *dial = resolver->data;
  dial->is_resolving = false;
  if (status == 0) dial->list = list;
  if (!dial->ended && status != 0)
    fail(dial, uv_strerror(status));
  else if (!dial->ended) {
    dial->next = list;
    try_next(dial);
  }
  release(dial);
}

static void on_begin(uv_timer_t *timer) { try_next(timer->data); }

/* A name is looked up in a thread of libuv's, and the first one brings four of them: not for an address in figures. */
static bool begin(tw_dial *dial) {
  const tw_address *at = &dial->address;
  dial->next = dial->list = tw_address_in_figures(at->host, at->port, SOCK_STREAM);
  if (dial->list == NULL) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)at->port);
    if (uv_getaddrinfo(dial->loop, &dial->resolver, on_resolved, at->host, port, &hints) != 0) return false;
    dial->is_resolving = true;
    dial->in_use++;
  }
  (void)uv_timer_init(dial->loop, &dial->timer);
  dial->in_use++;
  if (dial->list != NULL) (void)uv_timer_start(&dial->timer, on_begin, 0, 0); /* `done` comes from the loop */
  return true;
}

tw_err tw_dial_start(uv_loop_t *loop, const tw_address *address, uint64_t timeout_ms, tw_dial_done done, void *ctx,
                     tw_dial **dial) {
  tw_dial *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->loop = loop;
  made->address = *address;
  made->timeout_ms = timeout_ms;
  made->done = done;
  made->ctx = ctx;
  made->fd = -1;
  made->resolver.data = made;
  made->timer.data = made;
  if (!begin(made)) {
    tw_alloc_free(NULL, made);
    return TW_ERR_NO_MEMORY;
  }
  *dial = made;
  return TW_OK;
}

void tw_dial_cancel(tw_dial *dial) {
  if (dial != NULL) end(dial);
}
