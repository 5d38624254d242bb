/* Readiness of a file descriptor. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_WATCH_H
#define TW_NET_WATCH_H

#include <stdbool.h>

#include <uv.h>

/*
 * Why not libuv's streams: a stream that waits for its socket needs a copy of what it is to write, and that is the
 * normal state of a sender with much to send. Here the loop tells when a descriptor is ready, and bytes go straight
 * from and to the channel's own buffers.
 */
typedef struct tw_watch tw_watch;
typedef void (*tw_watch_ready)(void *ctx, bool readable, bool writable);
typedef void (*tw_watch_closed)(void *ctx);

/** In its owner; zero-initialised is closed. Does not own the descriptor. */
struct tw_watch {
  union {
    uv_handle_t handle;
    uv_poll_t poll;
    uv_idle_t idle; /* for what the kernel cannot poll because it is always ready: files, /dev/null */
  } uv;
  tw_watch_ready ready;
  tw_watch_closed closed;
  void *ctx;
  bool is_open;
  bool always_ready;
  bool wants_read;
  bool wants_write;
};

/** 0 or libuv's error. The descriptor becomes non-blocking. */
int tw_watch_open(tw_watch *watch, uv_loop_t *loop, int fd, tw_watch_ready ready, void *ctx);
/** What `ready` is called for from now on. Costs nothing when it is as before. */
void tw_watch_want(tw_watch *watch, bool to_read, bool to_write);
/** Before the descriptor is closed. `closed` is called later, once the memory is not used any more; not when it was not
 * open. */
void tw_watch_close(tw_watch *watch, tw_watch_closed closed);

#endif
