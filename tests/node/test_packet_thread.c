/* Packets on a thread of their own, while keys come and go. SPDX-License-Identifier: Apache-2.0 */
#include "packet_threads_kit.h"

static void note_thread(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  assert_non_null(plane);
  *(uv_thread_t *)arg = uv_thread_self();
}

static bool runs_here(const side *s) {
  uv_thread_t where;
  memset(&where, 0, sizeof where);
  tw_packet_threads_run(s->threads, note_thread, &where);
  return uv_thread_equal(&where, &main_thread) != 0;
}

static void test_what_is_asked_is_done_where_packets_are(void **state) {
  (void)state;
  assert_true(runs_here(&sides[0])); /* there is no thread yet */
  start(&sides[0]);
  for (int i = 0; i < 100; i++) assert_false(runs_here(&sides[0]));
  stop(&sides[0]);
  assert_true(runs_here(&sides[0]));
  assert_false(tw_packet_threads_stop(sides[0].threads, stopped, &sides[0]));
  assert_false(tw_packet_threads_stop(sides[1].threads, stopped, &sides[1])); /* never begun */
}

static void test_packets_wait_for_keys_that_are_asked_for_in_the_loop(void **state) {
  (void)state;
  kit_make_pair(0, 1);
  know_each_other();
  start_both();
  send_some(3);
  WAIT_FOR((void)0, sides[0].node->events.want[1] > 0);
  assert_int_equal(received(1), 0);
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
    got = received(1);
    (void)usleep(1000);
  }
  assert_int_equal(got, 1);
  assert_int_equal(sides[1].node->events.opened, 0);
  assert_true(tw_packet_threads_stop(sides[1].threads, stopped, &sides[1]));
  assert_int_equal(sides[1].node->events.opened, 1);
}

static void test_no_packet_is_lost_while_keys_change(void **state) {
  (void)state;
  enum { EPOCHS = 40 };
  change_keys_under_way(EPOCHS);
  WAIT_FOR((void)0, sides[1].node->events.opened == EPOCHS || sides[1].node->events.opened == EPOCHS + 1);
}

/* Packets are signed and verified on their threads while commits are on this one, each with its own provider. */
static void test_signatures_of_packets_and_of_commits_do_not_meet(void **state) {
  (void)state;
  enum { PACKETS = 60 };
  make_network_by_relay();
  kit_make_pair(0, 1);
  start_both();
  const packet_spec spec = packet_to_all();
  for (uint32_t i = 0; i < PACKETS; i++) {
    kit_put(0, &spec);
    kit_next_epoch(0, 1);
    WAIT_FOR((void)kit_run_relay(), received(1) == i + 1);
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
  tw_packet_threads_run(sides[0].threads, read_out, &numbers);
  return numbers;
}

static void read_drops(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  *(uint64_t *)arg = tw_plane_get_drops(plane)->used_up;
}

static uint64_t used_up(void) {
  uint64_t packets = 0;
  tw_packet_threads_run(sides[0].threads, read_drops, &packets);
  return packets;
}

static void test_numbers_are_reserved_beside_packets(void **state) {
  (void)state;
  uint64_t left = 1000;
  kit_make_pair(0, 1);
  know_each_other();
  kit_use_pair(0, 1);
  start_both();
  const uint64_t before = reserved();
  tw_packet_threads_run(sides[0].threads, use_numbers, &left);
  send_some(10);
  expect(10);
  WAIT_FOR((void)0, reserved() == before + TW_SAS_BLOCK);
  sides[0].node->disk_fails = true;
  left = 20;
  tw_packet_threads_run(sides[0].threads, use_numbers, &left);
  send_some(40);
  WAIT_FOR((void)0, used_up() >= 20);
  WAIT_FOR((void)0, received(1) >= 10 + 15); /* some numbers may go to probes */
  assert_in_range(received(1), 10 + 15, 10 + 20);
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
  const tw_packet_threads_config config = config_of(s);
  tw_packet_threads_free(s->threads);
  s->node->tun.queues[0] = -1;
  assert_int_equal(tw_packet_threads_new(&config, &s->threads), TW_OK);
  assert_int_equal(tw_packet_threads_start(s->threads, &report), TW_ERR_STATE);
  assert_int_not_equal(strlen(report.text), 0);
  assert_true(runs_here(s));
  stop(s);
  s->node->tun.queues[0] = fd;
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
