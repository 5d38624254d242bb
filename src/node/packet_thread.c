/* SPDX-License-Identifier: Apache-2.0 */
#include "node/packet_thread.h"

#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "net/watch.h"

enum { TICK_MS = 250 };

typedef void (*plane_act)(tw_plane *plane, uint64_t now_ms, void *arg);

struct tw_packet_thread {
  tw_packet_thread_config config;
  tw_plane *plane;

  /* Where packets are handled. */
  uv_loop_t *loop; /* the own one while there is a thread, else the node's */
  uv_loop_t own_loop;
  uv_timer_t timer;
  tw_watch udp_watch;
  tw_watch tun_watch;
  unsigned lost; /* tw_packet_loss */

  /* The node's side. */
  bool has_thread;
  bool has_news;      /* the handle is open */
  unsigned told_lost; /* of `lost` */
  void (*stopped)(void *ctx);
  void *stopped_ctx;

  /* Between the two. */
  uv_thread_t thread;
  uv_async_t news; /* to the node */
  uv_async_t wake; /* to the thread */
  uv_mutex_t lock;
  uv_cond_t changed;
  plane_act act; /* NULL: none */
  void *arg;
  bool rests; /* is asked to */
  bool is_at_rest;
  bool ends;
};

static uint64_t now_of(const tw_packet_thread *t) { return t->config.wall_offset_ms + uv_now(t->loop); }

/* ---- turns of packets ---- */

/* What was sent, or could not be: by anything that the plane was asked to do. */
static void watch_plane(tw_packet_thread *t) {
  const bool blocked = tw_plane_is_blocked(t->plane);
  tw_watch_want(&t->tun_watch, !blocked && (t->lost & TW_PACKET_DEVICE_GONE) == 0, false);
  tw_watch_want(&t->udp_watch, (t->lost & TW_PACKET_SOCKET_GONE) == 0, blocked);
}

static void from_tun(tw_packet_thread *t) {
  if (tw_plane_from_tun(t->plane, now_of(t)) == TW_OK) return;
  t->lost |= TW_PACKET_DEVICE_GONE;
  (void)uv_async_send(&t->news);
}

static void from_udp(tw_packet_thread *t) {
  if (tw_plane_from_udp(t->plane, now_of(t)) == TW_OK) return;
  t->lost |= TW_PACKET_SOCKET_GONE;
  (void)uv_async_send(&t->news);
}

static void on_tun(void *ctx, bool readable, bool writable) {
  (void)readable;
  (void)writable;
  from_tun(ctx);
  watch_plane(ctx);
}

static void on_udp(void *ctx, bool readable, bool writable) {
  if (readable) from_udp(ctx);
  if (writable) from_tun(ctx);
  watch_plane(ctx);
}

static void on_timer(uv_timer_t *timer) {
  tw_packet_thread *t = timer->data;
  tw_plane_tick(t->plane, now_of(t));
  watch_plane(t);
}

/* On error some are open. */
static int watch(tw_packet_thread *t) {
  const tw_plane_config *plane = &t->config.plane;
  (void)uv_timer_init(t->loop, &t->timer); /* does not fail */
  t->timer.data = t;
  int failed = uv_timer_start(&t->timer, on_timer, TICK_MS, TICK_MS);
  if (failed == 0) failed = tw_watch_open(&t->udp_watch, t->loop, plane->udp->fd, on_udp, t);
  if (failed == 0) failed = tw_watch_open(&t->tun_watch, t->loop, plane->tun->queues[plane->index], on_tun, t);
  if (failed == 0) watch_plane(t);
  return failed;
}

/* ---- the thread ---- */

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  uv_close(handle, NULL);
}

/* With the lock, which others have meanwhile. */
static void rest(tw_packet_thread *t) {
  while (t->rests) {
    t->is_at_rest = true;
    uv_cond_broadcast(&t->changed);
    uv_cond_wait(&t->changed, &t->lock);
  }
  t->is_at_rest = false;
}

static void on_wake(uv_async_t *wake) {
  tw_packet_thread *t = wake->data;
  uv_mutex_lock(&t->lock);
  const bool ends = t->ends;
  if (t->act != NULL) {
    t->act(t->plane, now_of(t), t->arg);
    t->act = NULL;
    uv_cond_broadcast(&t->changed);
  }
  rest(t);
  uv_mutex_unlock(&t->lock);
  if (t->config.plane.strays != NULL) tw_plane_from_strays(t->plane, now_of(t));
  if (ends)
    uv_walk(t->loop, close_handle, NULL); /* the loop ends with its last handle */
  else
    watch_plane(t);
}

static void work(void *arg) {
  tw_packet_thread *t = arg;
  (void)pthread_setname_np(pthread_self(), "packets"); /* for who looks at the process */
  (void)uv_run(t->loop, UV_RUN_DEFAULT);
}

/* Signals are the node's thread's. */
static int begin_thread(tw_packet_thread *t) {
  sigset_t all;
  sigset_t before;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = uv_thread_create(&t->thread, work, t);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}

static void end_thread(tw_packet_thread *t) {
  uv_mutex_lock(&t->lock);
  t->ends = true;
  (void)uv_async_send(&t->wake);
  uv_mutex_unlock(&t->lock);
  (void)uv_thread_join(&t->thread);
  t->has_thread = false;
}

/* Nothing is open in it any more, or nobody works in it. */
static void close_own_loop(tw_packet_thread *t) {
  if (uv_loop_alive(&t->own_loop)) {
    uv_walk(&t->own_loop, close_handle, NULL);
    (void)uv_run(&t->own_loop, UV_RUN_DEFAULT);
  }
  (void)uv_loop_close(&t->own_loop);
  t->udp_watch = t->tun_watch = (tw_watch){.is_open = false};
  t->loop = t->config.loop;
}

void tw_packet_thread_run(tw_packet_thread *t, plane_act act, void *arg) {
  if (!t->has_thread) {
    act(t->plane, now_of(t), arg);
    watch_plane(t);
    return;
  }
  uv_mutex_lock(&t->lock);
  t->act = act;
  t->arg = arg;
  (void)uv_async_send(&t->wake);
  while (t->act != NULL) uv_cond_wait(&t->changed, &t->lock);
  uv_mutex_unlock(&t->lock);
}

void tw_packet_thread_rest(tw_packet_thread *t) {
  if (!t->has_thread) return;
  uv_mutex_lock(&t->lock);
  t->rests = true;
  (void)uv_async_send(&t->wake);
  while (!t->is_at_rest) uv_cond_wait(&t->changed, &t->lock);
  uv_mutex_unlock(&t->lock);
}

void tw_packet_thread_go_on(tw_packet_thread *t) {
  if (!t->has_thread) return;
  uv_mutex_lock(&t->lock);
  t->rests = false;
  uv_cond_broadcast(&t->changed);
  uv_mutex_unlock(&t->lock);
}

void tw_packet_thread_rouse(tw_packet_thread *t) { (void)uv_async_send(&t->wake); }

typedef struct between {
  void (*act)(void *arg);
  void *arg;
} between;

static void act_between(tw_plane *plane, uint64_t now_ms, void *arg) {
  const between *b = arg;
  (void)plane;
  (void)now_ms;
  b->act(b->arg);
}

void tw_packet_thread_between(tw_packet_thread *t, void (*act)(void *arg), void *arg) {
  tw_packet_thread_run(t, act_between, &(between){act, arg});
}

/* ---- what the plane has to tell ---- */

static void tell(void *ctx, const tw_plane_event *event) {
  const tw_packet_thread *t = ctx;
  t->config.plane.tell(t->config.plane.ctx, event);
}

static uint32_t peer_of(void *ctx, const tw_client_id *id) {
  const tw_packet_thread *t = ctx;
  return t->config.plane.peer_of(t->config.plane.ctx, id);
}

static void rouse(void *ctx, unsigned index) {
  const tw_packet_thread *t = ctx;
  t->config.plane.rouse(t->config.plane.ctx, index);
}

/* What comes of `run` before there is a thread waits for its start. */
static void has_news(void *ctx) {
  tw_packet_thread *t = ctx;
  if (t->loop == &t->own_loop) (void)uv_async_send(&t->news);
}

typedef struct harvest {
  const tw_packet_thread *thread;
  tw_plane_news news;
  unsigned lost;
} harvest;

static void gather(tw_plane *plane, uint64_t now_ms, void *arg) {
  harvest *h = arg;
  (void)now_ms;
  tw_plane_take_news(plane, &h->news);
  h->lost = h->thread->lost;
}

static void tell_lost(tw_packet_thread *t, unsigned lost, tw_packet_loss what) {
  if ((lost & what & ~t->told_lost) == 0) return;
  t->told_lost |= what;
  t->config.lost(t->config.plane.ctx, what);
}

static void tell_all(tw_packet_thread *t) {
  harvest h = {.thread = t};
  tw_packet_thread_run(t, gather, &h);
  tell_lost(t, h.lost, TW_PACKET_DEVICE_GONE);
  tell_lost(t, h.lost, TW_PACKET_SOCKET_GONE);
  for (size_t i = 0; i < h.news.count; i++) tell(t, &h.news.events[i]);
}

static void on_news(uv_async_t *news) {
  tw_packet_thread *t = news->data;
  if (t->has_thread) tell_all(t);
}

/* ---- start and end ---- */

tw_err tw_packet_thread_new(const tw_packet_thread_config *config, tw_packet_thread **out) {
  const tw_alloc *alloc = tw_env_alloc(config->plane.env);
  tw_packet_thread *t = tw_alloc_zero(alloc, sizeof *t);
  if (t == NULL) return TW_ERR_NO_MEMORY;
  t->config = *config;
  t->loop = config->loop;
  tw_plane_config plane = config->plane;
  plane.tell = tell;
  plane.peer_of = peer_of;
  plane.has_news = has_news;
  plane.rouse = rouse;
  plane.ctx = t;
  const tw_err err = tw_plane_new(&plane, &t->plane);
  if (err != TW_OK) {
    tw_alloc_free(alloc, t);
    return err;
  }
  *out = t;
  return TW_OK;
}

void tw_packet_thread_free(tw_packet_thread *t) {
  if (t == NULL) return;
  tw_plane_free(t->plane);
  tw_alloc_free(tw_env_alloc(t->config.plane.env), t);
}

static int open_between(tw_packet_thread *t) {
  int failed = uv_async_init(t->loop, &t->wake, on_wake);
  if (failed != 0) return failed;
  t->wake.data = t;
  failed = watch(t);
  if (failed == 0) failed = uv_mutex_init(&t->lock);
  if (failed != 0) return failed;
  failed = uv_cond_init(&t->changed);
  if (failed != 0) uv_mutex_destroy(&t->lock);
  return failed;
}

static void close_between(tw_packet_thread *t) {
  uv_cond_destroy(&t->changed);
  uv_mutex_destroy(&t->lock);
}

static int start(tw_packet_thread *t) {
  int failed = uv_async_init(t->config.loop, &t->news, on_news);
  if (failed != 0) return failed;
  t->news.data = t;
  t->has_news = true;
  failed = uv_loop_init(&t->own_loop);
  if (failed != 0) return failed;
  t->loop = &t->own_loop;
  failed = open_between(t);
  if (failed == 0) {
    failed = begin_thread(t);
    if (failed != 0) close_between(t);
  }
  if (failed != 0) {
    close_own_loop(t);
    return failed;
  }
  t->has_thread = true;
  (void)uv_async_send(&t->news);
  return 0;
}

tw_err tw_packet_thread_start(tw_packet_thread *t, tw_report *report) {
  const int failed = start(t);
  return failed == 0 ? TW_OK : tw_report_fail(report, TW_ERR_STATE, "packets: %s", uv_strerror(failed));
}

static void news_closed(uv_handle_t *handle) {
  const tw_packet_thread *t = handle->data;
  t->stopped(t->stopped_ctx);
}

bool tw_packet_thread_stop(tw_packet_thread *t, void (*stopped)(void *ctx), void *ctx) {
  if (t->has_thread) {
    end_thread(t);
    close_between(t);
    close_own_loop(t);
    tell_all(t); /* what has opened counts: its numbers are written down as seen */
  }
  if (!t->has_news) return false;
  t->has_news = false;
  t->stopped = stopped;
  t->stopped_ctx = ctx;
  uv_close((uv_handle_t *)&t->news, news_closed);
  return true;
}
