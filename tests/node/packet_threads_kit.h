/* Two nodes of the kit whose packets are on threads of their own, one or several. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PACKET_THREADS_KIT_H
#define TW_TESTS_PACKET_THREADS_KIT_H

#include "plane_kit.h"

#include <uv.h>

#include "node/packet_threads.h"

enum { BOTH = 2, THREADS_MAX = 3, PATIENCE_MS = 20000 };

/* A node of the kit with several planes. */
typedef struct side {
  kit_node *node;
  tw_env env; /* of packets */
  tw_udp sockets[THREADS_MAX];
  int devices[THREADS_MAX]; /* the test's ends of the device's queues */
  tw_packet_threads *threads;
  uint32_t told_elsewhere;   /* not in the loop */
  uint32_t lost[3];          /* by tw_packet_loss */
  uint32_t got[THREADS_MAX]; /* packets that each queue was given */
  bool stopped;
} side;

static side sides[BOTH];
static uv_loop_t loop;
static uv_thread_t main_thread;
static unsigned threads = 1; /* of each, as of begin_sides */

static inline side *side_of(const kit_node *n) { return &sides[n->index]; }

/* ---- what a node has for it ---- */

static inline void between(void *ctx, void (*act)(void *arg), void *arg) {
  const side *s = side_of(ctx);
  if (s->threads == NULL)
    act(arg);
  else
    tw_packet_threads_between(s->threads, act, arg);
}

static inline void ready(void *ctx, uint32_t owner, bool nudge) {
  const side *s = side_of(ctx);
  if (s->threads != NULL) tw_packet_threads_ready(s->threads, owner, nudge);
}

static inline void tell(void *ctx, const tw_plane_event *event) {
  const uv_thread_t here = uv_thread_self();
  side_of(ctx)->told_elsewhere += uv_thread_equal(&here, &main_thread) == 0;
  kit_tell(ctx, event);
}

static inline void lost(void *ctx, tw_packet_loss what) { side_of(ctx)->lost[what]++; }

static inline void stopped(void *ctx) { ((side *)ctx)->stopped = true; }

static inline tw_packet_threads_config config_of(side *s) {
  kit_node *n = s->node;
  return (tw_packet_threads_config){.count = threads,
                                    .thread = {.loop = &loop,
                                               .plane = {.env = &s->env,
                                                         .sas = n->sas,
                                                         .routes = &n->routes,
                                                         .udp = s->sockets,
                                                         .tun = &n->tun,
                                                         .peers = NODES,
                                                         .mtu = KIT_MTU,
                                                         .tell = tell,
                                                         .peer_of = kit_peer_of,
                                                         .ctx = n},
                                               .lost = lost}};
}

static inline void open_sockets(side *s) {
  tw_report report = {""};
  unsigned opened;
  tw_udp_config config = {.tos = true, .buffer = 8 << 20, .calls = &kit_calls};
  config.local.in4.sin_family = AF_INET;
  config.local.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tw_udp_close(&s->node->udp);
  assert_int_equal(tw_udp_open_shared(s->sockets, threads, &config, &opened, &report), TW_OK);
  assert_int_equal(opened, threads);
  assert_int_equal(tw_udp_local(&s->sockets[0], &s->node->address), TW_OK);
}

static inline void open_queues(side *s) {
  kit_node *n = s->node;
  tw_tun all = n->tun;
  s->devices[0] = n->device;
  for (unsigned i = 1; i < threads; i++) {
    kit_open_device(n, 0);
    all.queues[all.queue_count++] = n->tun.queues[0];
    s->devices[i] = n->device;
  }
  n->tun = all;
  n->device = s->devices[0];
}

static inline void make_side(uint32_t i) {
  side *s = &sides[i];
  kit_node *n = &world.nodes[i];
  kit_stop_node(n);
  *s = (side){.node = n, .env = world.test.env};
  s->env.alloc = NULL;
  s->env.random = NULL;
  assert_int_equal(tw_provider_openssl_new(NULL, &s->env.provider), TW_OK);
  open_sockets(s);
  open_queues(s);
  const tw_sas_config sas = {.env = &world.test.env,
                             .packet_env = &s->env,
                             .port = &n->port,
                             .grace_ms = 30000,
                             .owners = NODES,
                             .threads = threads,
                             .sign = n->sign,
                             .ready = ready,
                             .between = between,
                             .ctx = n};
  assert_int_equal(tw_sas_new(&sas, &n->sas), TW_OK);
  tw_sas_set_time(n->sas, world.now);
  const tw_packet_threads_config config = config_of(s);
  assert_int_equal(tw_packet_threads_new(&config, &s->threads), TW_OK);
}

static inline int begin_sides(void **state) {
  (void)state;
  kit_begin(0);
  main_thread = uv_thread_self();
  assert_int_equal(uv_loop_init(&loop), 0);
  for (uint32_t i = 0; i < BOTH; i++) make_side(i);
  return 0;
}

static inline int begin_signing_sides(void **state) {
  kit_signing = kit_keyed = 7;
  return begin_sides(state);
}

static inline void end_side(side *s) {
  assert_int_equal(s->told_elsewhere, 0);
  tw_packet_threads_free(s->threads);
  s->threads = NULL;
  tw_sas_free(s->node->sas);
  s->node->sas = NULL;
  tw_provider_free(s->env.provider);
  for (unsigned i = 0; i < threads; i++) tw_udp_close(&s->sockets[i]);
  for (unsigned i = 1; i < threads; i++) (void)close(s->devices[i]);
}

static inline int end_sides(void **state) {
  (void)state;
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_threads_stop(sides[i].threads, stopped, &sides[i]);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  for (uint32_t i = 0; i < BOTH; i++) end_side(&sides[i]);
  assert_int_equal(uv_loop_close(&loop), 0);
  kit_signing = kit_keyed = 0;
  kit_end();
  return 0;
}

static inline void start(side *s) {
  tw_report report = {""};
  if (tw_packet_threads_start(s->threads, &report) != TW_OK) fail_msg("%s", report.text);
}

static inline void start_both(void) {
  for (uint32_t i = 0; i < BOTH; i++) start(&sides[i]);
}

static inline void stop(side *s) {
  if (!tw_packet_threads_stop(s->threads, stopped, s)) return;
  assert_false(s->stopped);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(s->stopped);
}

static inline void know(tw_plane *plane, uint64_t now_ms, void *arg) {
  const side *other = arg;
  (void)now_ms;
  (void)tw_path_offer(&tw_plane_peer_of(plane, other->node->index)->path, TW_PATH_FROM_FILE, &other->node->address);
}

static inline void know_each_other(void) {
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_threads_run_all(sides[i].threads, know, &sides[1 - i]);
}

static inline void know_relay(tw_plane *plane, uint64_t now_ms, void *arg) {
  const side *s = arg;
  (void)now_ms;
  tw_plane_set_relay(plane, &world.relay_address, KIT_SESSION(s->node->index));
  tw_plane_set_group_number(plane, KIT_GROUP);
  for (uint32_t k = 0; k < NODES; k++) tw_plane_peer_of(plane, k)->path.relay_number = k + 1;
}

/* Both have the network's keys, and know the relay. */
static inline void make_network_by_relay(void) {
  kit_make_network();
  for (uint32_t i = 0; i < BOTH; i++) {
    kit_node *n = sides[i].node;
    (void)kit_take_keys(n, TW_SAS_NETWORK, n->network.group);
    kit_send_under(n, TW_SAS_NETWORK, n->network.group, false);
    tw_packet_threads_run_all(sides[i].threads, know_relay, &sides[i]);
  }
}

static inline packet_spec packet_to_all(void) {
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  spec.to = 255;
  return spec;
}

/* What comes is told, and `meanwhile` done again and again, until it is so. */
#define WAIT_FOR(meanwhile, what)                                                                                      \
  do {                                                                                                                 \
    int waited_ms = 0;                                                                                                 \
    while (!(what) && waited_ms++ < PATIENCE_MS) {                                                                     \
      meanwhile;                                                                                                       \
      (void)uv_run(&loop, UV_RUN_NOWAIT);                                                                              \
      (void)usleep(1000);                                                                                              \
    }                                                                                                                  \
    assert_true(what);                                                                                                 \
  } while (0)

/* How many packets the queues of a node's device have been given by now. */
static inline uint32_t received(uint32_t node) {
  static kit_packet packet;
  side *s = &sides[node];
  uint32_t all = 0;
  for (unsigned i = 0; i < threads; i++) {
    s->node->device = s->devices[i];
    while (kit_got(node, &packet)) s->got[i]++;
    all += s->got[i];
  }
  s->node->device = s->devices[0];
  return all;
}

/* By one of the queues of node 0's device. */
static inline void send_by(unsigned queue, const packet_spec *spec) {
  kit_node *n = sides[0].node;
  n->device = sides[0].devices[queue];
  kit_put(0, spec);
  n->device = sides[0].devices[0];
}

static inline void send_some(uint32_t count) {
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  for (uint32_t i = 0; i < count; i++) send_by(i % threads, &spec);
}

/* So many more, and no more than these. */
static inline void expect(uint32_t count) {
  static uint32_t before;
  const side *s = &sides[1];
  if (s->got[0] + s->got[1] + s->got[2] == 0) before = 0;
  WAIT_FOR((void)0, received(1) >= before + count);
  assert_int_equal(received(1), before + count);
  before += count;
}

/* Each epoch's keys are added, used and removed while packets are under way by all queues, and each of these arrives.
 */
static inline void change_keys_under_way(uint32_t epochs) {
  enum { EACH = 24 };
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  for (uint32_t i = 0; i < epochs; i++) {
    uint64_t stamps[BOTH];
    send_some(EACH / 2);
    kit_next_epoch(0, 1);
    for (uint32_t k = 0; k < BOTH; k++) {
      kit_node *n = sides[k].node;
      stamps[k] = kit_take_keys(n, 1 - k, n->pairs[1 - k].group);
    }
    for (uint32_t k = 0; k < BOTH; k++) kit_send_under(sides[k].node, 1 - k, sides[k].node->pairs[1 - k].group, true);
    send_some(EACH / 2);
    expect(EACH);
    world.now += 31000;
    for (uint32_t k = 0; k < BOTH; k++) {
      tw_sas *sas = sides[k].node->sas;
      tw_sas_keys(sas)->settle(tw_sas_keys(sas)->ctx, 1 - k, stamps[k]);
      tw_sas_tick(sas, world.now + 31000);
      assert_int_equal(tw_sas_count(sas, 1 - k), 1);
    }
    world.now += 31000;
  }
}

#endif
