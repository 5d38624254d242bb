/* Packets on a thread of their own, while keys come and go. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

#include <uv.h>

#include "node/packet_thread.h"

enum { BOTH = 2, PATIENCE_MS = 20000 };

/* A node of the kit whose plane is on a thread, and what that has told. */
typedef struct side {
  kit_node *node;
  tw_env env; /* of packets */
  tw_packet_thread *thread;
  uint32_t told_elsewhere; /* not in the loop */
  uint32_t lost[3];        /* by tw_packet_loss */
  bool stopped;
} side;

static side sides[BOTH];
static uv_loop_t loop;
static uv_thread_t main_thread;

static side *side_of(const kit_node *n) { return &sides[n->index]; }

/* ---- what a node has for it ---- */

static void between(void *ctx, void (*act)(void *arg), void *arg) {
  const side *s = side_of(ctx);
  if (s->thread == NULL)
    act(arg);
  else
    tw_packet_thread_between(s->thread, act, arg);
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
  if (s->thread != NULL) tw_packet_thread_run(s->thread, send_on, &(readiness){owner, nudge});
}

static void tell(void *ctx, const tw_plane_event *event) {
  const uv_thread_t here = uv_thread_self();
  side_of(ctx)->told_elsewhere += uv_thread_equal(&here, &main_thread) == 0;
  kit_tell(ctx, event);
}

static void lost(void *ctx, tw_packet_loss what) { side_of(ctx)->lost[what]++; }

static void stopped(void *ctx) { ((side *)ctx)->stopped = true; }

static tw_packet_thread_config config_of(side *s) {
  kit_node *n = s->node;
  return (tw_packet_thread_config){.loop = &loop,
                                   .wall_offset_ms = 0,
                                   .plane = {.env = &s->env,
                                             .sas = n->sas,
                                             .routes = &n->routes,
                                             .udp = &n->udp,
                                             .tun = &n->tun,
                                             .peers = NODES,
                                             .mtu = KIT_MTU,
                                             .tell = tell,
                                             .peer_of = kit_peer_of,
                                             .ctx = n},
                                   .lost = lost};
}

/* The plane of the kit's node is on a thread that has not begun. */
static void make_side(uint32_t i) {
  side *s = &sides[i];
  kit_node *n = &world.nodes[i];
  kit_stop_node(n);
  *s = (side){.node = n, .env = world.test.env};
  s->env.alloc = NULL;
  s->env.random = NULL;
  assert_int_equal(tw_provider_openssl_new(NULL, &s->env.provider), TW_OK);
  const tw_sas_config sas = {.env = &world.test.env,
                             .packet_env = &s->env,
                             .port = &n->port,
                             .grace_ms = 30000,
                             .owners = NODES,
                             .sign = n->sign,
                             .ready = ready,
                             .between = between,
                             .ctx = n};
  assert_int_equal(tw_sas_new(&sas, &n->sas), TW_OK);
  tw_sas_set_time(n->sas, world.now);
  const tw_packet_thread_config config = config_of(s);
  assert_int_equal(tw_packet_thread_new(&config, &s->thread), TW_OK);
}

static void stop(side *s) {
  if (!tw_packet_thread_stop(s->thread, stopped, s)) return;
  assert_false(s->stopped);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(s->stopped);
}

static int begin_sides(void **state) {
  (void)state;
  kit_begin(0);
  main_thread = uv_thread_self();
  assert_int_equal(uv_loop_init(&loop), 0);
  for (uint32_t i = 0; i < BOTH; i++) make_side(i);
  return 0;
}

static int end_sides(void **state) {
  (void)state;
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_thread_stop(sides[i].thread, stopped, &sides[i]);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  for (uint32_t i = 0; i < BOTH; i++) {
    side *s = &sides[i];
    assert_int_equal(s->told_elsewhere, 0);
    tw_packet_thread_free(s->thread);
    s->thread = NULL;
    tw_sas_free(s->node->sas);
    s->node->sas = NULL;
    tw_provider_free(s->env.provider);
  }
  assert_int_equal(uv_loop_close(&loop), 0);
  kit_signing = kit_keyed = 0;
  kit_end();
  return 0;
}

static void start(side *s) {
  tw_report report = {""};
  assert_int_equal(tw_packet_thread_start(s->thread, &report), TW_OK);
}

static void start_both(void) {
  for (uint32_t i = 0; i < BOTH; i++) start(&sides[i]);
}

static void know(tw_plane *plane, uint64_t now_ms, void *arg) {
  const side *other = arg;
  (void)now_ms;
  (void)tw_path_offer(&tw_plane_peer_of(plane, other->node->index)->path, TW_PATH_FROM_FILE, &other->node->address);
}

static void know_each_other(void) {
  for (uint32_t i = 0; i < BOTH; i++) tw_packet_thread_run(sides[i].thread, know, &sides[1 - i]);
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

/* How many packets node 1's device has been given since the last call. */
static uint32_t received(void) {
  static kit_packet packet;
  uint32_t count = 0;
  while (kit_got(1, &packet)) count++;
  return count;
}

static void send_some(uint32_t count) {
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  for (uint32_t i = 0; i < count; i++) kit_put(0, &spec);
}

static void expect(uint32_t count) {
  uint32_t got = 0;
  WAIT_FOR((void)0, (got += received()) >= count);
  assert_int_equal(got, count);
}

/* ---- tests ---- */

static void note_thread(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  assert_non_null(plane);
  *(uv_thread_t *)arg = uv_thread_self();
}

static bool runs_here(const side *s) {
  uv_thread_t where;
  memset(&where, 0, sizeof where);
  tw_packet_thread_run(s->thread, note_thread, &where);
  return uv_thread_equal(&where, &main_thread) != 0;
}

static void test_what_is_asked_is_done_where_packets_are(void **state) {
  (void)state;
  assert_true(runs_here(&sides[0])); /* there is no thread yet */
  start(&sides[0]);
  for (int i = 0; i < 100; i++) assert_false(runs_here(&sides[0]));
  stop(&sides[0]);
  assert_true(runs_here(&sides[0]));
  assert_false(tw_packet_thread_stop(sides[0].thread, stopped, &sides[0]));
  assert_false(tw_packet_thread_stop(sides[1].thread, stopped, &sides[1])); /* never begun */
}

static void test_packets_wait_for_keys_that_are_asked_for_in_the_loop(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  know_each_other();
  start_both();
  send_some(3);
  WAIT_FOR((void)0, sides[0].node->events.want[1] > 0);
  assert_int_equal(received(), 0);
  kit_use_pair(0, 1);
  expect(3);
  WAIT_FOR((void)0, sides[1].node->events.opened == 1);
  assert_int_equal(sides[1].node->events.opened_owner, 0);
}

/* Nobody would say it again: the number is written down as seen. */
static void test_what_was_not_told_yet_is_told_at_the_end(void **state) {
  (void)state;
  uint32_t got = 0;
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  send_some(1);
  for (int waited_ms = 0; got == 0 && waited_ms < PATIENCE_MS; waited_ms++) { /* and the loop does not run */
    got += received();
    (void)usleep(1000);
  }
  assert_int_equal(got, 1);
  assert_int_equal(sides[1].node->events.opened, 0);
  assert_true(tw_packet_thread_stop(sides[1].thread, stopped, &sides[1]));
  assert_int_equal(sides[1].node->events.opened, 1);
}

/* Each epoch's keys are added, used and removed while packets are under way. */
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
  WAIT_FOR((void)0, sides[1].node->events.opened == EPOCHS || sides[1].node->events.opened == EPOCHS + 1);
}

static void know_relay(tw_plane *plane, uint64_t now_ms, void *arg) {
  const side *s = arg;
  (void)now_ms;
  tw_plane_set_relay(plane, &world.relay_address, KIT_SESSION(s->node->index));
  tw_plane_set_group_number(plane, KIT_GROUP);
}

static int begin_signing_sides(void **state) {
  kit_signing = kit_keyed = 7;
  return begin_sides(state);
}

/* Packets are signed and verified on their threads while commits are on this one, each with its own provider. */
static void test_signatures_of_packets_and_of_commits_do_not_meet(void **state) {
  (void)state;
  enum { PACKETS = 60 };
  kit_make_network();
  kit_make_pair(0, 1);
  for (uint32_t i = 0; i < BOTH; i++) {
    kit_node *n = sides[i].node;
    (void)kit_take_keys(n, TW_SAS_NETWORK, n->network.group);
    kit_send_under(n, TW_SAS_NETWORK, n->network.group, false);
    tw_packet_thread_run(sides[i].thread, know_relay, &sides[i]);
  }
  start_both();
  packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  spec.to = 255; /* to all */
  for (uint32_t i = 0; i < PACKETS; i++) {
    uint32_t got = 0;
    kit_put(0, &spec);
    kit_next_epoch(0, 1);
    WAIT_FOR((void)kit_run_relay(), (got += received()) == 1);
  }
}

static void read_out(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)plane;
  (void)now_ms;
  tw_esp_out *out = tw_sas_out(sides[0].node->sas, 1);
  *(uint64_t *)arg = out->reserved;
}

static void use_numbers(tw_plane *plane, uint64_t now_ms, void *arg) {
  const uint64_t *left = arg;
  (void)plane;
  (void)now_ms;
  tw_esp_out *out = tw_sas_out(sides[0].node->sas, 1);
  out->next = out->reserved - *left; /* as if so many had been sent */
}

static uint64_t reserved(void) {
  uint64_t numbers = 0;
  tw_packet_thread_run(sides[0].thread, read_out, &numbers);
  return numbers;
}

static void read_drops(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  *(uint64_t *)arg = tw_plane_get_drops(plane)->used_up;
}

static uint64_t used_up(void) {
  uint64_t packets = 0;
  tw_packet_thread_run(sides[0].thread, read_drops, &packets);
  return packets;
}

static void test_numbers_are_reserved_beside_packets(void **state) {
  (void)state;
  uint64_t left = 1000;
  uint32_t got = 0;
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  const uint64_t before = reserved();
  tw_packet_thread_run(sides[0].thread, use_numbers, &left);
  send_some(10);
  expect(10);
  WAIT_FOR((void)0, reserved() == before + TW_SAS_BLOCK);
  sides[0].node->disk_fails = true;
  left = 20;
  tw_packet_thread_run(sides[0].thread, use_numbers, &left);
  send_some(40);
  WAIT_FOR(got += received(), used_up() >= 20);
  WAIT_FOR((void)0, (got += received()) >= 15); /* some numbers may go to probes */
  assert_in_range(got, 15, 20);
  WAIT_FOR((void)0, sides[0].node->events.numbers >= 2);
  assert_int_equal(reserved(), before + TW_SAS_BLOCK);
}

static void test_a_device_that_is_gone_is_told_once(void **state) {
  (void)state;
  start_both();
  assert_int_equal(shutdown(sides[0].node->device, SHUT_RDWR), 0);
  WAIT_FOR((void)0, sides[0].lost[TW_PACKET_DEVICE_GONE] > 0);
  for (int i = 0; i < 20; i++) {
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)usleep(1000);
  }
  assert_int_equal(sides[0].lost[TW_PACKET_DEVICE_GONE], 1);
  assert_int_equal(sides[0].lost[TW_PACKET_SOCKET_GONE], 0);
  assert_false(runs_here(&sides[0])); /* it goes on with what there is */
}

static void test_what_cannot_begin_ends(void **state) {
  (void)state;
  tw_report report = {""};
  side *s = &sides[0];
  const int fd = s->node->tun.queues[0];
  const tw_packet_thread_config config = config_of(s);
  tw_packet_thread_free(s->thread);
  s->node->tun.queues[0] = -1;
  assert_int_equal(tw_packet_thread_new(&config, &s->thread), TW_OK);
  assert_int_equal(tw_packet_thread_start(s->thread, &report), TW_ERR_STATE);
  assert_int_not_equal(strlen(report.text), 0);
  assert_true(runs_here(s));
  stop(s);
  s->node->tun.queues[0] = fd;
}

static void test_without_memory_there_is_none(void **state) {
  (void)state;
  side *s = &sides[0];
  tw_packet_thread_config config = config_of(s);
  config.plane.env = &world.test.env;
  for (size_t n = 1;; n++) {
    tw_packet_thread *thread = NULL;
    tw_test_fail_alloc(&world.test, n);
    const tw_err err = tw_packet_thread_new(&config, &thread);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    if (!failed) {
      assert_int_equal(err, TW_OK);
      tw_packet_thread_free(thread);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(thread);
  }
  tw_packet_thread_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_what_is_asked_is_done_where_packets_are, begin_sides, end_sides),
      cmocka_unit_test_setup_teardown(test_packets_wait_for_keys_that_are_asked_for_in_the_loop, begin_sides,
                                      end_sides),
      cmocka_unit_test_setup_teardown(test_what_was_not_told_yet_is_told_at_the_end, begin_sides, end_sides),
      cmocka_unit_test_setup_teardown(test_no_packet_is_lost_while_keys_change, begin_sides, end_sides),
      cmocka_unit_test_setup_teardown(test_signatures_of_packets_and_of_commits_do_not_meet, begin_signing_sides,
                                      end_sides),
      cmocka_unit_test_setup_teardown(test_numbers_are_reserved_beside_packets, begin_sides, end_sides),
      cmocka_unit_test_setup_teardown(test_a_device_that_is_gone_is_told_once, begin_sides, end_sides),
      cmocka_unit_test_setup_teardown(test_what_cannot_begin_ends, begin_sides, end_sides),
      cmocka_unit_test_setup_teardown(test_without_memory_there_is_none, begin_sides, end_sides),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
