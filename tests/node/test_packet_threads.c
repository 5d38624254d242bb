/* Packets of a node on several threads. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

#include <uv.h>

#include "node/packet_threads.h"

enum { BOTH = 2, THREADS = 3, PATIENCE_MS = 20000 };

/* A node of the kit with several planes. */
typedef struct side {
  kit_node *node;
  tw_env env; /* of packets */
  tw_udp sockets[THREADS];
  int devices[THREADS]; /* the test's ends of the device's queues */
  tw_packet_threads *threads;
  uint32_t told_elsewhere; /* not in the loop */
  uint32_t lost[3];        /* by tw_packet_loss */
  uint32_t got[THREADS];   /* packets that each queue was given */
  bool stopped;
} side;

static side sides[BOTH];
static uv_loop_t loop;
static uv_thread_t main_thread;

static side *side_of(const kit_node *n) { return &sides[n->index]; }

/* ---- what a node has for it ---- */

static void between(void *ctx, void (*act)(void *arg), void *arg) {
  const side *s = side_of(ctx);
  if (s->threads == NULL)
    act(arg);
  else
    tw_packet_threads_between(s->threads, act, arg);
}

typedef struct readiness {
  uint32_t owner;
  bool nudge;
} readiness;

static void send_on(tw_plane *plane, uint64_t now_ms, void *arg) {
  const readiness *r = arg;
  tw_plane_ready(plane, r->owner, r->nudge, now_ms);
}

static void ready(void *ctx, uint32_t owner, bool nudge) {
  const side *s = side_of(ctx);
  if (s->threads != NULL) tw_packet_threads_run_all(s->threads, send_on, &(readiness){owner, nudge});
}

static void tell(void *ctx, const tw_plane_event *event) {
  const uv_thread_t here = uv_thread_self();
  side_of(ctx)->told_elsewhere += uv_thread_equal(&here, &main_thread) == 0;
  kit_tell(ctx, event);
}

static void lost(void *ctx, tw_packet_loss what) { side_of(ctx)->lost[what]++; }

static void stopped(void *ctx) { ((side *)ctx)->stopped = true; }

static tw_packet_threads_config config_of(side *s) {
  kit_node *n = s->node;
  return (tw_packet_threads_config){.count = THREADS,
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

static void open_sockets(side *s) {
  tw_report report = {""};
  unsigned opened;
  tw_udp_config config = {.tos = true, .buffer = 8 << 20, .calls = &kit_calls};
  config.local.in4.sin_family = AF_INET;
  config.local.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tw_udp_close(&s->node->udp);
  assert_int_equal(tw_udp_open_shared(s->sockets, THREADS, &config, &opened, &report), TW_OK);
  assert_int_equal(opened, THREADS);
  assert_int_equal(tw_udp_local(&s->sockets[0], &s->node->address), TW_OK);
}

static void open_queues(side *s) {
  kit_node *n = s->node;
  tw_tun all = n->tun;
  s->devices[0] = n->device;
  for (unsigned i = 1; i < THREADS; i++) {
    kit_open_device(n, 0);
    all.queues[all.queue_count++] = n->tun.queues[0];
    s->devices[i] = n->device;
  }
  n->tun = all;
  n->device = s->devices[0];
}

static void make_side(uint32_t i) {
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
                             .threads = THREADS,
                             .sign = n->sign,
                             .ready = ready,
                             .between = between,
                             .ctx = n};
  assert_int_equal(tw_sas_new(&sas, &n->sas), TW_OK);
  tw_sas_set_time(n->sas, world.now);
  const tw_packet_threads_config config = config_of(s);
  assert_int_equal(tw_packet_threads_new(&config, &s->threads), TW_OK);
}

static int begin_sides(void **state) {
  (void)state;
  kit_begin(0);
  main_thread = uv_thread_self();
  assert_int_equal(uv_loop_init(&loop), 0);
  for (uint32_t i = 0; i < BOTH; i++) make_side(i);
  return 0;
}

static int begin_signing_sides(void **state) {
  kit_signing = kit_keyed = 7;
  return begin_sides(state);
}

static void end_side(side *s) {
  assert_int_equal(s->told_elsewhere, 0);
  tw_packet_threads_free(s->threads);
  s->threads = NULL;
  tw_sas_free(s->node->sas);
  s->node->sas = NULL;
  tw_provider_free(s->env.provider);
  for (unsigned i = 0; i < THREADS; i++) tw_udp_close(&s->sockets[i]);
  for (unsigned i = 1; i < THREADS; i++) (void)close(s->devices[i]);
}

static int end_sides(void **state) {
  (void)state;
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_threads_stop(sides[i].threads, stopped, &sides[i]);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  for (uint32_t i = 0; i < BOTH; i++) end_side(&sides[i]);
  assert_int_equal(uv_loop_close(&loop), 0);
  kit_signing = kit_keyed = 0;
  kit_end();
  return 0;
}

static void start_both(void) {
  tw_report report = {""};
  for (uint32_t i = 0; i < BOTH; i++)
    if (tw_packet_threads_start(sides[i].threads, &report) != TW_OK) fail_msg("%s", report.text);
}

static void know(tw_plane *plane, uint64_t now_ms, void *arg) {
  const side *other = arg;
  (void)now_ms;
  (void)tw_path_offer(&tw_plane_peer_of(plane, other->node->index)->path, TW_PATH_FROM_FILE, &other->node->address);
}

static void know_each_other(void) {
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_threads_run_all(sides[i].threads, know, &sides[1 - i]);
}

static void know_relay(tw_plane *plane, uint64_t now_ms, void *arg) {
  const side *s = arg;
  (void)now_ms;
  tw_plane_set_relay(plane, &world.relay_address, KIT_SESSION(s->node->index));
  tw_plane_set_group_number(plane, KIT_GROUP);
  for (uint32_t k = 0; k < NODES; k++) tw_plane_peer_of(plane, k)->path.relay_number = k + 1;
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
static uint32_t received(uint32_t node) {
  static kit_packet packet;
  side *s = &sides[node];
  uint32_t all = 0;
  for (unsigned i = 0; i < THREADS; i++) {
    s->node->device = s->devices[i];
    while (kit_got(node, &packet)) s->got[i]++;
    all += s->got[i];
  }
  s->node->device = s->devices[0];
  return all;
}

/* By one of the queues of node 0's device. */
static void send_by(unsigned queue, const packet_spec *spec) {
  kit_node *n = sides[0].node;
  n->device = sides[0].devices[queue];
  kit_put(0, spec);
  n->device = sides[0].devices[0];
}

static void send_some(uint32_t count) {
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  for (uint32_t i = 0; i < count; i++) send_by(i % THREADS, &spec);
}

/* So many more, and no more than these. */
static void expect(uint32_t count) {
  static uint32_t before;
  const side *s = &sides[1];
  if (s->got[0] + s->got[1] + s->got[2] == 0) before = 0;
  WAIT_FOR((void)0, received(1) >= before + count);
  assert_int_equal(received(1), before + count);
  before += count;
}

/* ---- what planes say of themselves ---- */

typedef struct sum {
  uint64_t stray, unknown, replayed, sent, received;
  uint32_t direct; /* planes that send straight to the other node */
  uint32_t to_ipv6;
} sum;

static void add(tw_plane *plane, uint64_t now_ms, void *arg) {
  sum *s = arg;
  const tw_plane_drops *drops = tw_plane_get_drops(plane);
  (void)now_ms;
  s->stray += drops->stray;
  s->unknown += drops->unknown;
  s->replayed += drops->replayed;
  for (uint32_t i = 0; i < BOTH; i++) {
    const tw_plane_peer *peer = tw_plane_peer_of(plane, i);
    s->sent += peer->sent.packets;
    s->received += peer->received.packets;
    s->direct += peer->path.is_direct;
    s->to_ipv6 += peer->path.is_direct && peer->path.direct.any.sa_family == AF_INET6;
  }
}

static sum sum_of(uint32_t node) {
  sum s = {0};
  tw_packet_threads_run_all(sides[node].threads, add, &s);
  return s;
}

static void nothing_was_dropped(void) {
  for (uint32_t i = 0; i < BOTH; i++) {
    const sum s = sum_of(i);
    assert_int_equal(s.stray + s.unknown + s.replayed, 0);
  }
}

/* Which plane of node 1 has what comes under node 0's SA for `owner`. */
static unsigned place_of(uint32_t owner) { return tw_sas_out(sides[0].node->sas, owner)->spi % THREADS; }

/* ---- tests ---- */

static void test_packets_of_all_queues_arrive_where_their_sa_is(void **state) {
  (void)state;
  enum { PACKETS = 300 };
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  for (uint32_t i = 0; i < PACKETS / 30; i++) {
    send_some(30);
    expect(30);
  }
  const unsigned place = place_of(1);
  for (unsigned i = 0; i < THREADS; i++) assert_int_equal(sides[1].got[i], i == place ? PACKETS : 0);
  assert_int_equal(sum_of(0).sent, PACKETS);
  assert_int_equal(sum_of(1).received, PACKETS);
  nothing_was_dropped();
}

static void test_packets_of_each_queue_wait_for_keys(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  know_each_other();
  start_both();
  send_some(2 * THREADS);
  WAIT_FOR((void)0, sides[0].node->events.want[1] >= THREADS); /* each plane wants them */
  assert_int_equal(received(1), 0);
  kit_use_pair(0, 1);
  expect(2 * THREADS);
  WAIT_FOR((void)0, sides[1].node->events.opened == 1);
}

static void try_again(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)arg;
  tw_plane_retry(plane, now_ms);
}

/* By those who have them first: they come to wait where the keys come to be. */
static void test_what_is_faster_than_its_keys_waits_where_they_will_be(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  know_each_other();
  kit_node *one = sides[0].node;
  kit_node *two = sides[1].node;
  kit_send_under(one, 1, one->pairs[1].group, false);
  start_both();
  send_some(6);
  WAIT_FOR((void)0, sum_of(0).sent == 6);
  (void)usleep(20000);
  (void)kit_take_keys(two, 0, two->pairs[0].group);
  assert_int_equal(received(1), 0);
  tw_packet_threads_run_all(sides[1].threads, try_again, NULL);
  expect(6);
}

/* Each epoch's keys are added, used and removed while packets are under way by all queues. */
static void test_no_packet_is_lost_while_keys_change(void **state) {
  (void)state;
  enum { EPOCHS = 40, EACH = 24 };
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  for (uint32_t i = 0; i < EPOCHS; i++) {
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
  for (unsigned i = 0; i < THREADS; i++) assert_true(sides[1].got[i] > 0); /* SPIs led everywhere */
  nothing_was_dropped();
}

/* The kernel gives datagrams that it has joined to the socket of the first. */
static void test_joined_datagrams_of_several_sas_come_to_each(void **state) {
  (void)state;
  enum { ROUNDS = 20, EACH = 8 };
  static uint8_t packets[2 * EACH][256];
  static uint8_t inner[256];
  tw_udp_batch batch;
  size_t len = 0;
  uint32_t joined = 0;
  assert_int_equal(tw_udp_batch_open(&batch, NULL, 2 * EACH), TW_OK);
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  const size_t inner_len = packet_write(&spec, inner);
  for (uint32_t i = 0; i < ROUNDS; i++) {
    const unsigned before = place_of(1);
    for (uint32_t k = 0; k < EACH; k++) len = kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, inner_len, packets[2 * k]);
    kit_next_epoch(0, 1);
    (void)kit_take_keys(sides[1].node, 0, sides[1].node->pairs[0].group);
    kit_send_under(sides[0].node, 1, sides[0].node->pairs[1].group, false);
    for (uint32_t k = 0; k < EACH; k++) (void)kit_seal(0, 1, TW_ESP_NEXT_IPV4, inner, inner_len, packets[2 * k + 1]);
    tw_udp_batch_reset(&batch);
    for (uint32_t k = 0; k < 2 * EACH; k++)
      assert_int_equal(tw_udp_batch_add(&batch, &sides[1].node->address, 0, TW_BYTES(packets[k], len)), TW_OK);
    joined += batch.count == 1 && place_of(1) != before;
    assert_int_equal(tw_udp_send(&world.nodes[2].udp, &batch), TW_OK);
    expect(2 * EACH);
  }
  assert_true(joined > 0); /* it came to that */
  nothing_was_dropped();
  tw_udp_batch_close(&batch);
}

static void test_all_learn_where_packets_go(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_threads_run_all(sides[i].threads, know_relay, &sides[i]);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  send_some(THREADS);
  WAIT_FOR((void)kit_run_relay(), received(1) >= THREADS);
  WAIT_FOR((void)kit_run_relay(), sum_of(0).direct == THREADS && sides[0].node->events.moved[1] > 0);
  const uint32_t relayed = world.relayed;
  send_some(30);
  WAIT_FOR((void)kit_run_relay(), received(1) >= THREADS + 30);
  (void)kit_run_relay();
  assert_int_equal(world.relayed, relayed);
}

static void lead_astray(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  (void)arg;
  tw_path *path = &tw_plane_peer_of(plane, 1)->path;
  path->is_direct = true;
  path->direct = (tw_udp_address){.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)}};
  path->answered_ms = now_ms;
}

/* What one plane finds out by sending, the first one says to all. */
static void test_an_address_that_cannot_be_reached_is_left_by_all(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_threads_run_all(sides[i].threads, know_relay, &sides[i]);
  kit_use_pair(0, 1);
  tw_packet_threads_run_all(sides[0].threads, lead_astray, NULL);
  start_both();
  assert_int_equal(sum_of(0).to_ipv6, THREADS);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  send_by(THREADS - 1, &spec);
  WAIT_FOR((void)kit_run_relay(), sum_of(0).to_ipv6 == 0 && sides[0].node->events.moved[1] > 0);
  send_some(6);
  WAIT_FOR((void)kit_run_relay(), received(1) >= 6);
}

static void read_heard(tw_plane *plane, uint64_t now_ms, void *arg) {
  uint64_t *heard = arg;
  (void)now_ms;
  *heard = tw_plane_peer_of(plane, 0)->heard_ms;
}

/* By whichever it comes. */
static void test_the_first_one_hears_of_what_others_hear(void **state) {
  (void)state;
  uint64_t heard = 0;
  kit_make_pair(0, 1);
  while (true) {
    kit_use_pair(0, 1);
    if (place_of(1) != 0) break;
    kit_next_epoch(0, 1);
  }
  know_each_other();
  start_both();
  send_some(1);
  expect(1);
  WAIT_FOR(tw_packet_threads_run(sides[1].threads, read_heard, &heard), heard > 0);
}

static void test_each_thread_signs_and_checks(void **state) {
  (void)state;
  enum { PACKETS = 60 };
  kit_make_network();
  for (uint32_t i = 0; i < BOTH; i++) {
    kit_node *n = sides[i].node;
    (void)kit_take_keys(n, TW_SAS_NETWORK, n->network.group);
    kit_send_under(n, TW_SAS_NETWORK, n->network.group, false);
    tw_packet_threads_run_all(sides[i].threads, know_relay, &sides[i]);
  }
  start_both();
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  spec.to = 255; /* to all */
  for (uint32_t i = 0; i < PACKETS; i++) send_by(i % THREADS, &spec);
  WAIT_FOR((void)kit_run_relay(), received(1) >= PACKETS);
  assert_int_equal(received(1), PACKETS);
  nothing_was_dropped();
}

typedef struct meeting {
  uv_thread_t where;
  uint32_t count;
} meeting;

static void meet(void *arg) {
  meeting *m = arg;
  m->where = uv_thread_self();
  m->count++;
}

/* None of them seals or opens meanwhile, or it would show under ThreadSanitizer. */
static void test_between_packets_all_rest(void **state) {
  (void)state;
  enum { TIMES = 200 };
  meeting m = {.count = 0};
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  for (uint32_t i = 0; i < TIMES; i++) {
    if (i % 20 == 0) send_some(20);
    tw_packet_threads_between(sides[0].threads, meet, &m);
    tw_packet_threads_between(sides[1].threads, meet, &m);
  }
  assert_int_equal(m.count, 2 * TIMES);
  assert_int_equal(uv_thread_equal(&m.where, &main_thread), 0);
  expect(TIMES);
  nothing_was_dropped();
}

static void test_devices_that_are_gone_are_told_once(void **state) {
  (void)state;
  start_both();
  for (unsigned i = 0; i < THREADS; i++) assert_int_equal(shutdown(sides[0].devices[i], SHUT_RDWR), 0);
  WAIT_FOR((void)0, sides[0].lost[TW_PACKET_DEVICE_GONE] > 0);
  for (int i = 0; i < 20; i++) {
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)usleep(1000);
  }
  assert_int_equal(sides[0].lost[TW_PACKET_DEVICE_GONE], 1);
  assert_int_equal(sides[0].lost[TW_PACKET_SOCKET_GONE], 0);
}

static void test_what_cannot_begin_ends(void **state) {
  (void)state;
  tw_report report = {""};
  side *s = &sides[0];
  const int fd = s->node->tun.queues[THREADS - 1];
  s->node->tun.queues[THREADS - 1] = -1;
  assert_int_equal(tw_packet_threads_start(s->threads, &report), TW_ERR_STATE);
  assert_int_not_equal(strlen(report.text), 0);
  assert_true(tw_packet_threads_stop(s->threads, stopped, s));
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(s->stopped);
  assert_false(tw_packet_threads_stop(s->threads, stopped, s));
  s->node->tun.queues[THREADS - 1] = fd;
}

/* While they pass on to each other. */
static void test_they_end_in_the_middle_of_it(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  send_some(90);
  assert_true(tw_packet_threads_stop(sides[1].threads, stopped, &sides[1]));
  assert_true(tw_packet_threads_stop(sides[0].threads, stopped, &sides[0]));
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(sides[0].stopped && sides[1].stopped);
}

static void test_without_memory_there_are_none(void **state) {
  (void)state;
  tw_packet_threads_config config = config_of(&sides[0]);
  tw_env env = world.test.env;
  config.thread.plane.env = &env;
  for (size_t n = 1;; n++) {
    tw_packet_threads *threads = NULL;
    tw_test_fail_alloc(&world.test, n);
    const tw_err err = tw_packet_threads_new(&config, &threads);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    if (!failed) {
      assert_int_equal(err, TW_OK);
      tw_packet_threads_free(threads);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(threads);
  }
  tw_packet_threads_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_sides, end_sides)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_packets_of_all_queues_arrive_where_their_sa_is),
      TEST(test_packets_of_each_queue_wait_for_keys),
      TEST(test_what_is_faster_than_its_keys_waits_where_they_will_be),
      TEST(test_no_packet_is_lost_while_keys_change),
      TEST(test_joined_datagrams_of_several_sas_come_to_each),
      TEST(test_all_learn_where_packets_go),
      TEST(test_an_address_that_cannot_be_reached_is_left_by_all),
      TEST(test_the_first_one_hears_of_what_others_hear),
      cmocka_unit_test_setup_teardown(test_each_thread_signs_and_checks, begin_signing_sides, end_sides),
      TEST(test_between_packets_all_rest),
      TEST(test_devices_that_are_gone_are_told_once),
      TEST(test_what_cannot_begin_ends),
      TEST(test_they_end_in_the_middle_of_it),
      TEST(test_without_memory_there_are_none),
  };
  return cmocka_run_group_tests_name("packet threads", tests, NULL, NULL);
}
