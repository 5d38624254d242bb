/* SPDX-License-Identifier: Apache-2.0 */
#include "node/packet_threads.h"

#include "base/alloc.h"
#include "crypto/crypto.h"

/* One of them, and what its calls are told by. */
typedef struct place {
  tw_packet_threads *threads;
  tw_packet_thread *thread;
  tw_env env; /* not of the first one */
  unsigned index;
} place;

struct tw_packet_threads {
  tw_packet_threads_config config;
  tw_strays *strays; /* NULL: one thread */
  place places[TW_PACKET_THREADS_MAX];
  unsigned lost; /* tw_packet_loss, told */
  unsigned to_stop;
  void (*stopped)(void *ctx);
  void *stopped_ctx;
};

/* ---- what they are asked to do ---- */

void tw_packet_threads_run(tw_packet_threads *all, void (*act)(tw_plane *plane, uint64_t now_ms, void *arg),
                           void *arg) {
  tw_packet_thread_run(all->places[0].thread, act, arg);
}

void tw_packet_threads_run_all(tw_packet_threads *all, void (*act)(tw_plane *plane, uint64_t now_ms, void *arg),
                               void *arg) {
  for (unsigned i = 0; i < all->config.count; i++) tw_packet_thread_run(all->places[i].thread, act, arg);
}

typedef struct readiness {
  uint32_t owner;
  bool nudge;
} readiness;

static void send_on(tw_plane *plane, uint64_t now_ms, void *arg) {
  const readiness *r = arg;
  tw_plane_ready(plane, r->owner, r->nudge, now_ms);
}

void tw_packet_threads_ready(tw_packet_threads *all, uint32_t owner, bool nudge) {
  tw_packet_threads_run_all(all, send_on, &(readiness){owner, nudge});
}

void tw_packet_threads_between(tw_packet_threads *all, void (*act)(void *arg), void *arg) {
  for (unsigned i = 1; i < all->config.count; i++) tw_packet_thread_rest(all->places[i].thread);
  tw_packet_thread_between(all->places[0].thread, act, arg);
  for (unsigned i = 1; i < all->config.count; i++) tw_packet_thread_go_on(all->places[i].thread);
}

/* ---- what they tell ---- */

_Static_assert((int)TW_PACKET_THREADS_MAX <= (int)TW_ESP_THREADS_MAX &&
                   (int)TW_PACKET_THREADS_MAX <= (int)TW_UDP_SHARE_MAX &&
                   (int)TW_PACKET_THREADS_MAX <= (int)TW_TUN_QUEUES_MAX,
               "each has a key, a socket and a queue");
_Static_assert((int)TW_UDP_SHARE_MAX == (int)TW_ESP_PLACES, "sockets and planes share packets out alike");

static void take_over(tw_plane *plane, uint64_t now_ms, void *arg) { tw_plane_take_over(plane, arg, now_ms); }

typedef struct way {
  uint32_t peer;
  tw_udp_address to; /* family 0: by the relay */
} way;

static void read_way(tw_plane *plane, uint64_t now_ms, void *arg) {
  way *w = arg;
  (void)now_ms;
  const tw_path *path = &tw_plane_peer_of(plane, w->peer)->path;
  if (path->is_direct) w->to = path->direct;
}

static void set_way(tw_plane *plane, uint64_t now_ms, void *arg) {
  const way *w = arg;
  (void)now_ms;
  tw_plane_set_way(plane, w->peer, w->to.any.sa_family != 0 ? &w->to : NULL);
}

/* The first one has it, and the event has it then, too. */
static void share_way(tw_packet_threads *all, tw_plane_event *moved) {
  way w = {.peer = moved->owner};
  tw_packet_threads_run(all, read_way, &w);
  for (unsigned i = 1; i < all->config.count; i++) tw_packet_thread_run(all->places[i].thread, set_way, &w);
  moved->from = w.to;
}

static void tell(void *ctx, const tw_plane_event *event) {
  const place *at = ctx;
  const tw_plane_config *plane = &at->threads->config.thread.plane;
  tw_plane_event told = *event;
  switch (event->kind) {
  case TW_PLANE_USED:
  case TW_PLANE_HEARD:
  case TW_PLANE_PROBED:
  case TW_PLANE_FAILED: tw_packet_threads_run(at->threads, take_over, &told); return;
  case TW_PLANE_MOVED: share_way(at->threads, &told); break;
  case TW_PLANE_WANT:
  case TW_PLANE_OPENED:
  case TW_PLANE_REKEY:
  case TW_PLANE_NUMBERS:
  case TW_PLANE_TOLD:
  case TW_PLANE_STIRRED: break;
  }
  plane->tell(plane->ctx, &told);
}

static uint32_t peer_of(void *ctx, const tw_client_id *id) {
  const place *at = ctx;
  const tw_plane_config *plane = &at->threads->config.thread.plane;
  return plane->peer_of(plane->ctx, id);
}

static void lost(void *ctx, tw_packet_loss what) {
  const place *at = ctx;
  tw_packet_threads *all = at->threads;
  if ((all->lost & what) != 0) return;
  all->lost |= what;
  all->config.thread.lost(all->config.thread.plane.ctx, what);
}

static void rouse(void *ctx, unsigned index) {
  const place *at = ctx;
  tw_packet_thread_rouse(at->threads->places[index].thread);
}

/* ---- start and end ---- */

/* What can arrive: as large as what is sent, and not less than what waits for keys. */
static size_t stray_size(const tw_plane_config *plane) {
  const size_t most = tw_esp_size((size_t)plane->mtu + TW_PACKET_SIGNATURE, 0);
  return ((most > TW_PLANE_WAIT_SIZE ? most : TW_PLANE_WAIT_SIZE) + 63) & ~(size_t)63;
}

static tw_err make_place(tw_packet_threads *all, unsigned index) {
  place *at = &all->places[index];
  *at = (place){.threads = all, .index = index};
  tw_packet_thread_config config = all->config.thread;
  if (index > 0) {
    at->env = *config.plane.env;
    at->env.provider = NULL;
    TW_TRY(tw_provider_openssl_new(config.plane.env->alloc, &at->env.provider));
    config.plane.env = &at->env;
  }
  config.plane.udp += index;
  config.plane.index = index;
  config.plane.count = all->config.count;
  config.plane.strays = all->strays;
  config.plane.rouse = rouse;
  config.plane.tell = tell;
  config.plane.peer_of = peer_of;
  config.plane.ctx = at;
  config.lost = lost;
  return tw_packet_thread_new(&config, &at->thread);
}

static tw_err make(tw_packet_threads *all) {
  const tw_plane_config *plane = &all->config.thread.plane;
  if (all->config.count > 1)
    TW_TRY(tw_strays_new(tw_env_alloc(plane->env), all->config.count, stray_size(plane), &all->strays));
  for (unsigned i = 0; i < all->config.count; i++) TW_TRY(make_place(all, i));
  return TW_OK;
}

tw_err tw_packet_threads_new(const tw_packet_threads_config *config, tw_packet_threads **out) {
  tw_packet_threads *all = tw_alloc_zero(tw_env_alloc(config->thread.plane.env), sizeof *all);
  if (all == NULL) return TW_ERR_NO_MEMORY;
  all->config = *config;
  const tw_err err = make(all);
  if (err != TW_OK) {
    tw_packet_threads_free(all);
    return err;
  }
  *out = all;
  return TW_OK;
}

void tw_packet_threads_free(tw_packet_threads *all) {
  if (all == NULL) return;
  for (unsigned i = 0; i < all->config.count; i++) {
    tw_packet_thread_free(all->places[i].thread);
    tw_provider_free(all->places[i].env.provider);
  }
  tw_strays_free(all->strays);
  tw_alloc_free(tw_env_alloc(all->config.thread.plane.env), all);
}

static void join(tw_plane *plane, uint64_t now_ms, void *arg) {
  const bool *joined = arg;
  (void)now_ms;
  tw_plane_join(plane, *joined);
}

static void join_all(tw_packet_threads *all, bool joined) {
  if (all->config.count > 1) tw_packet_threads_run_all(all, join, &joined);
}

tw_err tw_packet_threads_start(tw_packet_threads *all, tw_report *report) {
  for (unsigned i = 0; i < all->config.count; i++) TW_TRY(tw_packet_thread_start(all->places[i].thread, report));
  join_all(all, true); /* each of them can be roused */
  return TW_OK;
}

static void one_stopped(void *ctx) {
  tw_packet_threads *all = ctx;
  if (--all->to_stop == 0) all->stopped(all->stopped_ctx);
}

bool tw_packet_threads_stop(tw_packet_threads *all, void (*stopped)(void *ctx), void *ctx) {
  all->stopped = stopped;
  all->stopped_ctx = ctx;
  join_all(all, false); /* none of them is roused any more */
  for (unsigned i = 0; i < all->config.count; i++)
    all->to_stop += tw_packet_thread_stop(all->places[i].thread, one_stopped, all);
  return all->to_stop > 0;
}
