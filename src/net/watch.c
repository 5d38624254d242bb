/* SPDX-License-Identifier: Apache-2.0 */
#include "net/watch.h"

int tw_watch_open(tw_watch *watch, uv_loop_t *loop, int fd, tw_watch_ready ready, void *ctx) {
  *watch = (tw_watch){.ready = ready, .ctx = ctx};
  int status = uv_poll_init(loop, &watch->uv.poll, fd);
  if (status == UV_EPERM) {
    watch->always_ready = true;
    status = uv_idle_init(loop, &watch->uv.idle);
  }
  if (status != 0) return status;
  watch->uv.handle.data = watch;
  watch->is_open = true;
  return 0;
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  tw_watch *watch = handle->data;
  if (status == 0) {
    watch->ready(watch->ctx, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
    return;
  }
  /* An error stands on the descriptor, and libuv has stopped watching it: whoever reads or writes next meets that
   * error. */
  const bool to_read = watch->wants_read;
  const bool to_write = watch->wants_write;
  watch->wants_read = watch->wants_write = false;
  watch->ready(watch->ctx, to_read, to_write);
}

static void on_idle(uv_idle_t *handle) {
  tw_watch *watch = handle->data;
  watch->ready(watch->ctx, watch->wants_read, watch->wants_write);
}

void tw_watch_want(tw_watch *watch, bool to_read, bool to_write) {
  if (!watch->is_open || (watch->wants_read == to_read && watch->wants_write == to_write)) return;
  watch->wants_read = to_read;
  watch->wants_write = to_write;
  /* These calls fail only for handles that are closing. */
  if (watch->always_ready) {
    if (to_read || to_write)
      (void)uv_idle_start(&watch->uv.idle, on_idle);
    else
      (void)uv_idle_stop(&watch->uv.idle);
    return;
  }
  const int events = (to_read ? UV_READABLE : 0) | (to_write ? UV_WRITABLE : 0);
  if (events != 0)
    (void)uv_poll_start(&watch->uv.poll, events, on_poll);
  else
    (void)uv_poll_stop(&watch->uv.poll);
}

static void on_close(uv_handle_t *handle) {
  tw_watch *watch = handle->data;
  if (watch->closed != NULL) watch->closed(watch->ctx);
}

void tw_watch_close(tw_watch *watch, tw_watch_closed closed) {
  if (!watch->is_open) return;
  watch->is_open = false;
  watch->closed = closed;
  uv_close(&watch->uv.handle, on_close);
}
