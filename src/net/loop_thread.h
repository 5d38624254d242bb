/* A thread with a loop of its own, and calls into it between two turns. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_LOOP_THREAD_H
#define TW_NET_LOOP_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include <uv.h>

/*
 *        the owner's thread and loop       │       the thread and its loop
 *                                          │       what `open` has put there, turn by turn
 *     tw_loop_thread_run ─── act ──────────┼─────► done between two turns
 *     news ◄───────────────────────────────┼────── tw_loop_thread_tell
 *
 * What belongs to the thread its owner changes only by `run`, which waits until that is done: each of the two sees all
 * that the other has done before, and what happens turn by turn takes no lock.
 *
 * Before its start and after its end `run` calls at once.
 */
typedef struct tw_loop_thread_config {
  uv_loop_t *loop;  /* the owner's */
  const char *name; /* 15 bytes at most, for who looks at the process */
  /** Opens in the thread's loop what it is to look after; it has not begun yet. 0, or libuv's error. */
  int (*open)(void *ctx, uv_loop_t *loop);
  /** Begins to close what is open of that, also after an error of `open`; in the thread, if there is one. The loop runs
   * until all is closed, and handles that are left are closed without a callback. NULL: all are. */
  void (*close)(void *ctx);
  /** In the thread, after it was called: by `run`, `rest` or `rouse`. NULL: nothing. */
  void (*called)(void *ctx);
  /** In the owner's loop, once after any number of tw_loop_thread_tell; and by its start, and by its end. */
  void (*news)(void *ctx);
  void *ctx;
} tw_loop_thread_config;

/** In its owner, who does not touch what is in it. */
typedef struct tw_loop_thread {
  tw_loop_thread_config config;
  uv_loop_t own_loop;
  bool has_loop;
  bool has_thread;
  bool has_news; /* the handle is open */
  void (*stopped)(void *ctx);
  void *stopped_ctx;

  /* Between the two. */
  uv_thread_t thread;
  uv_async_t news; /* to the owner */
  uv_async_t wake; /* to the thread */
  uv_mutex_t lock;
  uv_cond_t changed;
  void (*act)(void *arg); /* NULL: none */
  void *arg;
  atomic_bool wanted;
  bool rests; /* is asked to */
  bool is_at_rest;
  bool ends;
} tw_loop_thread;

/** There is no thread yet. The configuration is copied. */
void tw_loop_thread_init(tw_loop_thread *t, const tw_loop_thread_config *config);
/** It begins. Not 0, libuv's error: it does not, and has to be stopped all the same. */
int tw_loop_thread_start(tw_loop_thread *t);
/**
 * It ends, with all that is open in its loop; then `news` is called a last time. `stopped` is called later, and its
 * memory is not used any more. False: it is not now, and `stopped` is not called.
 */
bool tw_loop_thread_stop(tw_loop_thread *t, void (*stopped)(void *ctx), void *ctx);

/** `act` has been called in the thread when this returns. By the owner's thread alone; not by `act` itself. */
void tw_loop_thread_run(tw_loop_thread *t, void (*act)(void *arg), void *arg);
/** It rests when this returns, until tw_loop_thread_go_on: neither `run` nor `stop` meanwhile. By the owner's thread.
 */
void tw_loop_thread_rest(tw_loop_thread *t);
void tw_loop_thread_go_on(tw_loop_thread *t);
/** `called` is called in the thread, later. By any thread, between start and stop. */
void tw_loop_thread_rouse(tw_loop_thread *t);
/** `news` is called in the owner's loop, later: after the start where there is no thread yet. */
void tw_loop_thread_tell(tw_loop_thread *t);
/** In the thread: whether its owner waits for it, so that a long turn may end. */
static inline bool tw_loop_thread_is_wanted(const tw_loop_thread *t) {
  return atomic_load_explicit(&t->wanted, memory_order_relaxed);
}
/** The thread's while it has one, else the owner's. */
const uv_loop_t *tw_loop_thread_loop(const tw_loop_thread *t);

#endif
