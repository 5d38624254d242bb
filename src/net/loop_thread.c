/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop_thread.h"

#include <pthread.h>
#include <signal.h>

/* ---- the thread ---- */

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* The loop ends with its last handle. */
static void close_all(tw_loop_thread *t) {
  if (t->config.close != NULL) t->config.close(t->config.ctx);
  uv_walk(&t->own_loop, close_handle, NULL);
}

/* With the lock, which others have meanwhile. */
static void rest(tw_loop_thread *t) {
  while (t->rests) {
    t->is_at_rest = true;
    uv_cond_broadcast(&t->changed);
    uv_cond_wait(&t->changed, &t->lock);
  }
  t->is_at_rest = false;
}

static void on_wake(uv_async_t *wake) {
  tw_loop_thread *t = wake->data;
  uv_mutex_lock(&t->lock);
  const bool ends = t->ends;
  if (t->act != NULL) {
    t->act(t->arg);
    t->act = NULL;
    uv_cond_broadcast(&t->changed);
  }
  rest(t);
  atomic_store_explicit(&t->wanted, false, memory_order_relaxed);
  uv_mutex_unlock(&t->lock);
  if (t->config.called != NULL) t->config.called(t->config.ctx);
  if (ends) close_all(t);
}

static void work(void *arg) {
  tw_loop_thread *t = arg;
  (void)pthread_setname_np(pthread_self(), t->config.name);
  (void)uv_run(&t->own_loop, UV_RUN_DEFAULT);
}

/* Signals are the owner's thread's. */
static int begin_thread(tw_loop_thread *t) {
  sigset_t all;
  sigset_t before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = uv_thread_create(&t->thread, work, t);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

/* ---- what it is asked ---- */

/* With the lock. */
static void call(tw_loop_thread *t) {
  atomic_store_explicit(&t->wanted, true, memory_order_relaxed);
  (void)uv_async_send(&t->wake);
}

void tw_loop_thread_run(tw_loop_thread *t, void (*act)(void *arg), void *arg) {
  if (!t->has_thread) {
    act(arg);
    return;
  }
  uv_mutex_lock(&t->lock);
  t->act = act;
  t->arg = arg;
  call(t);
  while (t->act != NULL) uv_cond_wait(&t->changed, &t->lock);
  uv_mutex_unlock(&t->lock);
}

void tw_loop_thread_rest(tw_loop_thread *t) {
  if (!t->has_thread) return;
  uv_mutex_lock(&t->lock);
  t->rests = true;
  call(t);
  while (!t->is_at_rest) uv_cond_wait(&t->changed, &t->lock);
  uv_mutex_unlock(&t->lock);
}

void tw_loop_thread_go_on(tw_loop_thread *t) {
  if (!t->has_thread) return;
  uv_mutex_lock(&t->lock);
  t->rests = false;
  uv_cond_broadcast(&t->changed);
  uv_mutex_unlock(&t->lock);
}

void tw_loop_thread_rouse(tw_loop_thread *t) { (void)uv_async_send(&t->wake); }

void tw_loop_thread_tell(tw_loop_thread *t) {
  if (t->has_loop) (void)uv_async_send(&t->news);
}

const uv_loop_t *tw_loop_thread_loop(const tw_loop_thread *t) { return t->has_loop ? &t->own_loop : t->config.loop; }

/* ---- start and end ---- */

void tw_loop_thread_init(tw_loop_thread *t, const tw_loop_thread_config *config) {
  *t = (tw_loop_thread){.config = *config};
}

static void on_news(uv_async_t *news) {
  const tw_loop_thread *t = news->data;
  if (t->has_thread) t->config.news(t->config.ctx);
}

static int open_between(tw_loop_thread *t) {
  int failed = uv_async_init(&t->own_loop, &t->wake, on_wake);
  if (failed != 0) return failed;
  t->wake.data = t;
  failed = t->config.open(t->config.ctx, &t->own_loop);
  if (failed == 0) failed = uv_mutex_init(&t->lock);
  if (failed != 0) return failed;
  failed = uv_cond_init(&t->changed);
  if (failed != 0) uv_mutex_destroy(&t->lock);
  return failed;
}

static void close_between(tw_loop_thread *t) {
  uv_cond_destroy(&t->changed);
  uv_mutex_destroy(&t->lock);
}

/* Nothing is open in it any more. */
static void close_own_loop(tw_loop_thread *t) {
  (void)uv_loop_close(&t->own_loop);
  t->has_loop = false;
}

int tw_loop_thread_start(tw_loop_thread *t) {
  int failed = uv_async_init(t->config.loop, &t->news, on_news);
  if (failed != 0) return failed;
  t->news.data = t;
  t->has_news = true;
  failed = uv_loop_init(&t->own_loop);
  if (failed != 0) return failed;
  t->has_loop = true;
  failed = open_between(t);
  if (failed == 0) {
    failed = begin_thread(t);
    if (failed != 0) close_between(t);
  }
  if (failed != 0) {
    close_all(t);
    (void)uv_run(&t->own_loop, UV_RUN_DEFAULT);
    close_own_loop(t);
    return failed;
  }
  t->has_thread = true;
  tw_loop_thread_tell(t);
  return 0;
}

static void end_thread(tw_loop_thread *t) {
  uv_mutex_lock(&t->lock);
  t->ends = true;
  call(t);
  uv_mutex_unlock(&t->lock);
  (void)uv_thread_join(&t->thread);
  t->has_thread = false;
}

static void news_closed(uv_handle_t *handle) {
  const tw_loop_thread *t = handle->data;
  t->stopped(t->stopped_ctx);
}

bool tw_loop_thread_stop(tw_loop_thread *t, void (*stopped)(void *ctx), void *ctx) {
  if (t->has_thread) {
    end_thread(t);
    close_between(t);
    close_own_loop(t);
    t->config.news(t->config.ctx);
  }
  if (!t->has_news) return false;
  t->has_news = false;
  t->stopped = stopped;
  t->stopped_ctx = ctx;
  uv_close((uv_handle_t *)&t->news, news_closed);
  return true;
}
