/* SPDX-License-Identifier: Apache-2.0 */
#include "node/packet_thread.h"

#include "base/alloc.h"
#include "net/loop_thread.h"
#include "net/watch.h"

enum { TICK_MS = 250 }; /* at least, between two ticks */

typedef void (*plane_act)(tw_plane *plane, uint64_t now_ms, void *arg);

struct tw_packet_thread {
  tw_packet_thread_config config;
  tw_loop_thread thread;
  tw_plane *plane;

  /* Where packets are handled. */
  uv_timer_t timer;
  tw_watch udp_watch;
  tw_watch tun_watch;
  unsigned lost; /* tw_packet_loss */

  unsigned told_lost; /* of `lost`; the node's side */
};

static uint64_t now_of(const tw_packet_thread *t) {
  return t->config.wall_offset_ms + uv_now(tw_loop_thread_loop(&t->thread));
}

/* ---- turns of packets ---- */

/* What was sent, or could not be: by anything that the plane was asked to do. */
static void watch_plane(tw_packet_thread *t) {
  const bool blocked = tw_plane_is_blocked(t->plane);
  tw_watch_want(&t->tun_watch, !blocked && (t->lost & TW_PACKET_DEVICE_GONE) == 0, false);
  tw_watch_want(&t->udp_watch, (t->lost & TW_PACKET_SOCKET_GONE) == 0, blocked);
}

static void on_timer(uv_timer_t *timer);

/* In so many ms, unless it is sooner. */
static void tick_within(tw_packet_thread *t, uint64_t ms) {
  const uv_handle_t *handle = (const uv_handle_t *)&t->timer;
  if (uv_is_active(handle) && uv_timer_get_due_in(&t->timer) <= ms) return;
  (void)uv_timer_start(&t->timer, on_timer, ms, 0);
}

/* Something has happened, and there may be something to wait for now. */
static void after(tw_packet_thread *t) {
  watch_plane(t);
  tick_within(t, TICK_MS);
}

static bool take(tw_packet_thread *t, tw_err (*from)(tw_plane *plane, uint64_t now_ms), tw_packet_loss loss) {
  if ((t->lost & loss) != 0) return false;
  if (from(t->plane, now_of(t)) == TW_OK) return tw_plane_has_more(t->plane);
  t->lost |= loss;
  tw_loop_thread_tell(&t->thread);
  return false;
}

enum { TURNS = 4 };

/*
 * What comes by one often answers what has gone by the other, and a stream stands still without its acknowledgments: so
 * neither is emptied first. Blocked, only the socket's becoming writable goes on with the device.
 */
static void take_turns(tw_packet_thread *t) {
  bool more = true;
  for (int turn = 0; more && turn < TURNS; turn++) {
    more = take(t, tw_plane_from_udp, TW_PACKET_SOCKET_GONE);
    if (!tw_plane_is_blocked(t->plane) && take(t, tw_plane_from_tun, TW_PACKET_DEVICE_GONE)) more = true;
  }
}

static void on_tun(void *ctx, bool readable, bool writable) {
  (void)readable;
  (void)writable;
  take_turns(ctx);
  after(ctx);
}

static void on_udp(void *ctx, bool readable, bool writable) {
  if (writable) (void)take(ctx, tw_plane_from_tun, TW_PACKET_DEVICE_GONE);
  if (readable) take_turns(ctx);
  after(ctx);
}

/* Where nothing is to be waited for, the thread rests until something happens. */
static void on_timer(uv_timer_t *timer) {
  tw_packet_thread *t = timer->data;
  const uint64_t now = now_of(t);
  tw_plane_tick(t->plane, now);
  watch_plane(t);
  const uint64_t at = tw_plane_deadline(t->plane, now);
  if (at != UINT64_MAX) tick_within(t, at > now + TICK_MS ? at - now : TICK_MS);
}

static int open_all(void *ctx, uv_loop_t *loop) {
  tw_packet_thread *t = ctx;
  const tw_plane_config *plane = &t->config.plane;
  (void)uv_timer_init(loop, &t->timer); /* does not fail */
  t->timer.data = t;
  int failed = tw_watch_open(&t->udp_watch, loop, plane->udp->fd, on_udp, t);
  if (failed == 0) failed = tw_watch_open(&t->tun_watch, loop, plane->tun->queues[plane->index], on_tun, t);
  if (failed == 0) after(t);
  return failed;
}

/* The timer is closed with the loop. */
static void close_watches(void *ctx) {
  tw_packet_thread *t = ctx;
  tw_watch_close(&t->udp_watch, NULL);
  tw_watch_close(&t->tun_watch, NULL);
}

/* ---- what it is asked ---- */

static void on_called(void *ctx) {
  tw_packet_thread *t = ctx;
  if (t->config.plane.strays != NULL) tw_plane_from_strays(t->plane, now_of(t));
  after(t);
}

typedef struct request {
  tw_packet_thread *thread;
  plane_act act;
  void *arg;
} request;

static void act_on_plane(void *arg) {
  const request *r = arg;
  r->act(r->thread->plane, now_of(r->thread), r->arg);
}

void tw_packet_thread_run(tw_packet_thread *t, plane_act act, void *arg) {
  tw_loop_thread_run(&t->thread, act_on_plane, &(request){t, act, arg});
}

void tw_packet_thread_between(tw_packet_thread *t, void (*act)(void *arg), void *arg) {
  tw_loop_thread_run(&t->thread, act, arg);
}

void tw_packet_thread_rest(tw_packet_thread *t) { tw_loop_thread_rest(&t->thread); }
void tw_packet_thread_go_on(tw_packet_thread *t) { tw_loop_thread_go_on(&t->thread); }
void tw_packet_thread_rouse(tw_packet_thread *t) { tw_loop_thread_rouse(&t->thread); }

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
  tw_loop_thread_tell(&t->thread);
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

static void on_news(void *ctx) {
  tw_packet_thread *t = ctx;
  harvest h = {.thread = t};
  tw_packet_thread_run(t, gather, &h);
  tell_lost(t, h.lost, TW_PACKET_DEVICE_GONE);
  tell_lost(t, h.lost, TW_PACKET_SOCKET_GONE);
  for (size_t i = 0; i < h.news.count; i++) tell(t, &h.news.events[i]);
}

/* ---- start and end ---- */

tw_err tw_packet_thread_new(const tw_packet_thread_config *config, tw_packet_thread **out) {
  const tw_alloc *alloc = tw_env_alloc(config->plane.env);
  tw_packet_thread *t = tw_alloc_zero(alloc, sizeof *t);
  if (t == NULL) return TW_ERR_NO_MEMORY;
  t->config = *config;
  tw_loop_thread_init(&t->thread, &(tw_loop_thread_config){.loop = config->loop,
                                                           .name = "packets",
                                                           .open = open_all,
                                                           .close = close_watches,
                                                           .called = on_called,
                                                           .news = on_news,
                                                           .ctx = t});
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

tw_err tw_packet_thread_start(tw_packet_thread *t, tw_report *report) {
  const int failed = tw_loop_thread_start(&t->thread);
  return failed == 0 ? TW_OK : tw_report_fail(report, TW_ERR_STATE, "packets: %s", uv_strerror(failed));
}

bool tw_packet_thread_stop(tw_packet_thread *t, void (*stopped)(void *ctx), void *ctx) {
  return tw_loop_thread_stop(&t->thread, stopped, ctx);
}
