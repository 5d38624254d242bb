/* Packets of a node on several threads. SPDX-License-Identifier: Apache-2.0 */
#include "packet_threads_kit.h"
#include "support/tw_test_no_threads.h"

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

/* Which plane of node 1 has what comes from another node. */
static unsigned place_of(uint32_t from) {
  return tw_sas_out(world.nodes[from].sas, 1)->spi % TW_ESP_PLACES % THREADS_MAX;
}

static void forget_pair(uint32_t of, uint32_t with) {
  const tw_node_keys *keys = tw_sas_keys(world.nodes[of].sas);
  keys->forget(keys->ctx, with);
  tw_test_member_clear(&world.nodes[of].pairs[with]);
}

/* A pair with node 1 whose packets come to another plane there than this one: by the sender's leaf, since here all
 * groups have one id. */
static void make_pair_elsewhere(uint32_t from, unsigned not_there) {
  kit_make_pair(from, 1);
  kit_use_pair(from, 1);
  if (place_of(from) != not_there) return;
  forget_pair(from, 1);
  forget_pair(1, from);
  kit_make_pair(1, from);
  kit_use_pair(1, from);
  assert_int_not_equal(place_of(from), not_there);
}

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
  const unsigned place = place_of(0);
  for (unsigned i = 0; i < THREADS_MAX; i++) assert_int_equal(sides[1].got[i], i == place ? PACKETS : 0);
  assert_int_equal(sum_of(0).sent, PACKETS);
  assert_int_equal(sum_of(1).received, PACKETS);
  nothing_was_dropped();
}

static void test_packets_of_each_queue_wait_for_keys(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  know_each_other();
  start_both();
  send_some(2 * THREADS_MAX);
  WAIT_FOR((void)0, sides[0].node->events.want[1] >= THREADS_MAX); /* each plane wants them */
  assert_int_equal(received(1), 0);
  kit_use_pair(0, 1);
  expect(2 * THREADS_MAX);
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

static void test_no_packet_is_lost_while_keys_change(void **state) {
  (void)state;
  change_keys_under_way(40);
  /* One thread has them all, whatever the epoch: so none passes another. */
  for (unsigned i = 0; i < THREADS_MAX; i++) assert_int_equal(sides[1].got[i] > 0, i == place_of(0));
  nothing_was_dropped();
}

/* The kernel gives datagrams that it has joined to the socket of the first. */
static void test_joined_datagrams_of_several_sas_come_to_each(void **state) {
  (void)state;
  enum { ROUNDS = 20, EACH = 8 };
  static uint8_t packets[2 * EACH][256];
  static uint8_t inner[2][256];
  tw_udp_batch batch;
  size_t len = 0;
  uint32_t joined = 0;
  assert_int_equal(tw_udp_batch_open(&batch, NULL, 2 * EACH), TW_OK);
  kit_make_pair(0, 1);
  kit_use_pair(0, 1);
  make_pair_elsewhere(2, place_of(0));
  start_both();
  for (uint32_t from = 0; from <= 2; from += 2) {
    const packet_spec spec = kit_packet_of(from, 1, 4, PACKET_UDP, 100);
    len = packet_write(&spec, inner[from / 2]);
  }
  for (uint32_t i = 0; i < ROUNDS; i++) {
    size_t size = 0;
    tw_udp_batch_reset(&batch);
    for (uint32_t k = 0; k < 2 * EACH; k++) {
      const uint32_t from = (i + k) % 2 * 2;
      size = kit_seal(from, 1, TW_ESP_NEXT_IPV4, inner[from / 2], len, packets[k]);
      assert_int_equal(tw_udp_batch_add(&batch, &sides[1].node->address, 0, TW_BYTES(packets[k], size)), TW_OK);
    }
    joined += batch.count == 1;
    assert_int_equal(tw_udp_send(&world.nodes[2].udp, &batch), TW_OK);
    expect(2 * EACH);
  }
  assert_true(joined > 0); /* it came to that */
  assert_int_equal(sides[1].got[place_of(0)], ROUNDS * EACH);
  assert_int_equal(sides[1].got[place_of(2)], ROUNDS * EACH);
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
  send_some(THREADS_MAX);
  WAIT_FOR((void)kit_run_relay(), received(1) >= THREADS_MAX);
  WAIT_FOR((void)kit_run_relay(), sum_of(0).direct == THREADS_MAX && sides[0].node->events.moved[1] > 0);
  const uint32_t relayed = world.relayed;
  send_some(30);
  WAIT_FOR((void)kit_run_relay(), received(1) >= THREADS_MAX + 30);
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
  assert_int_equal(sum_of(0).to_ipv6, THREADS_MAX);
  const packet_spec spec = kit_packet_of(0, 1, 4, PACKET_UDP, 100);
  send_by(THREADS_MAX - 1, &spec);
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
  make_pair_elsewhere(0, 0);
  know_each_other();
  start_both();
  send_some(1);
  expect(1);
  WAIT_FOR(tw_packet_threads_run(sides[1].threads, read_heard, &heard), heard > 0);
}

static void test_each_thread_signs_and_checks(void **state) {
  (void)state;
  enum { PACKETS = 60 };
  make_network_by_relay();
  start_both();
  const packet_spec spec = packet_to_all();
  for (uint32_t i = 0; i < PACKETS; i++) send_by(i % THREADS_MAX, &spec);
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
  for (unsigned i = 0; i < THREADS_MAX; i++) assert_int_equal(shutdown(sides[0].devices[i], SHUT_RDWR), 0);
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
  const int fd = s->node->tun.queues[THREADS_MAX - 1];
  s->node->tun.queues[THREADS_MAX - 1] = -1;
  assert_int_equal(tw_packet_threads_start(s->threads, &report), TW_ERR_STATE);
  assert_int_not_equal(strlen(report.text), 0);
  assert_true(tw_packet_threads_stop(s->threads, stopped, s));
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(s->stopped);
  assert_false(tw_packet_threads_stop(s->threads, stopped, s));
  s->node->tun.queues[THREADS_MAX - 1] = fd;
}

/* The third of three. */
static void test_those_that_have_begun_end_with_one_that_cannot(void **state) {
  (void)state;
  tw_report report = {""};
  side *s = &sides[0];
  tw_test_threads_left = THREADS_MAX - 1;
  assert_int_equal(tw_packet_threads_start(s->threads, &report), TW_ERR_STATE);
  assert_int_equal(tw_test_threads_left, 0);
  tw_test_threads_left = UINT_MAX;
  assert_non_null(strstr(report.text, uv_strerror(UV_EAGAIN)));
  assert_true(tw_packet_threads_stop(s->threads, stopped, s));
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(s->stopped);
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
    tw_packet_threads *all = NULL;
    tw_test_fail_alloc(&world.test, n);
    const tw_err err = tw_packet_threads_new(&config, &all);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    if (!failed) {
      assert_int_equal(err, TW_OK);
      tw_packet_threads_free(all);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(all);
  }
  tw_packet_threads_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_sides, end_sides)

int main(void) {
  threads = THREADS_MAX;
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
      TEST(test_those_that_have_begun_end_with_one_that_cannot),
      TEST(test_they_end_in_the_middle_of_it),
      TEST(test_without_memory_there_are_none),
  };
  return cmocka_run_group_tests_name("packet threads", tests, NULL, NULL);
}
