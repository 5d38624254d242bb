/* Control connections that break, at any moment, and begin again. SPDX-License-Identifier: Apache-2.0 */
#include "control_rude.h"

static void a_newer_connection_takes_the_place_of_the_older(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  n.config.first_wait_ms = n.config.most_wait_ms = KIT_PATIENCE_MS;
  node_start_and_wait(&n);
  rude r;
  rude_start(&r, &k, &n.channel); /* the same key */
  kit_until(&k, k.gone == 1 && n.downs == 1);
  assert_int_equal(k.came, 2);
  assert_int_equal(tw_control_server_count(k.server), 1);
  assert_int_equal(n.last_down.err, TW_OK);
  assert_true(n.last_down.was_up);
  assert_in_range(n.last_down.wait_ms, KIT_PATIENCE_MS / 2, KIT_PATIENCE_MS);
  tw_control_client_retry(n.client);
  kit_until(&k, n.ups == 2 && r.closed == 1);
  assert_true(n.resumed);
  teardown(&k, &n);
}

static void after_a_broken_link_the_session_goes_on(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  assert_false(n.resumed);
  for (size_t i = 1; i <= 5; i++) {
    assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
    tw_control_caller_end(k.last_caller, TW_ERR_CLOSED);
    kit_until(&k, n.ups == i + 1 && k.came == i + 1);
    assert_true(n.resumed);
    assert_int_equal(n.answered + n.lost, i);
  }
  teardown(&k, &n);
}

static void what_is_renewed_begins_again_at_once_with_its_session(void **state) {
  (void)state;
  kit k;
  node n;
  tw_udp_address relay;
  setup(&k, &n);
  n.config.first_wait_ms = n.config.most_wait_ms = KIT_PATIENCE_MS;
  node_start(&n);
  assert_int_equal(tw_control_client_remote(n.client, &relay), TW_ERR_STATE);
  tw_control_client_renew(n.client); /* while it dials */
  assert_int_equal(n.downs, 0);
  kit_until(&k, n.ups == 1);
  assert_int_equal(tw_control_client_remote(n.client, &relay), TW_OK);
  assert_int_equal(relay.any.sa_family, AF_INET);
  assert_int_equal(ntohs(relay.in4.sin_port), k.port);
  for (size_t i = 1; i <= 3; i++) {
    assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
    tw_control_client_renew(n.client);
    assert_int_equal(n.downs, i);
    assert_int_equal(n.lost, i);
    assert_true(n.last_down.was_up && n.last_down.wait_ms == 0);
    assert_int_equal(tw_control_client_remote(n.client, &relay), TW_ERR_STATE);
    assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_ERR_CLOSED);
    tw_control_client_renew(n.client); /* before it has begun */
    assert_int_equal(n.downs, i);
    kit_until(&k, n.ups == i + 1);
    assert_true(n.resumed);
  }
  /* In the middle of a handshake, and in the end. */
  tw_control_client_renew(n.client);
  kit_turns(&k, 4);
  tw_control_client_renew(n.client);
  kit_until(&k, n.ups == 5);
  tw_control_client_close(n.client);
  tw_control_client_renew(n.client);
  kit_until(&k, n.freed == 1);
  n.client = NULL;
  teardown(&k, &n);
}

static void a_relay_without_the_session_is_spoken_to_anew_at_once(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  kit_stop_server(&k, false);
  kit_start_server(&k);
  kit_until(&k, n.ups == 2);
  assert_false(n.resumed);
  teardown(&k, &n);
}

static void a_relay_that_keeps_no_sessions_is_spoken_to_anew_each_time(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  k.config.without_sessions = true;
  kit_start_server(&k);
  node_init(&n, &k);
  node_start_and_wait(&n);
  tw_control_caller_end(k.last_caller, TW_ERR_CLOSED);
  kit_until(&k, n.ups == 2);
  assert_false(n.resumed);
  assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
  kit_until(&k, n.answered == 1);
  teardown(&k, &n);
}

/* The channels' memory: whatever cannot be had, on whichever side, costs one connection at most. */
static void a_failing_allocation_costs_a_connection_at_most(void **state) {
  (void)state;
  const unsigned stride = tw_test_rounds(1, 12);
  for (size_t at = 1;; at += stride * (1 + at / 32)) {
    kit k;
    node n;
    setup(&k, &n);
    tw_test_fail_alloc(&k.test, at);
    node_start(&n);
    while (n.answered == 0) {
      kit_until(&k, tw_control_client_is_up(n.client));
      const size_t told = n.answered + n.lost;
      if (node_ask(&n, TW_CONTROL_STOCK) == TW_OK) kit_until(&k, n.answered + n.lost > told);
    }
    const bool failed = k.test.alloc_failed;
    tw_test_fail_alloc(&k.test, 0);
    teardown(&k, &n);
    if (!failed) break;
  }
}

static void a_good_end_of_the_server_lets_answers_arrive(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  n.config.first_wait_ms = KIT_PATIENCE_MS;
  for (int i = 0; i < 20; i++) assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
  kit_until(&k, k.requests == 20);
  kit_stop_server(&k, false);
  kit_until(&k, n.downs > 0);
  assert_int_equal(n.answered, 20);
  assert_int_equal(n.lost, 0);
  teardown(&k, &n);
}

/* The server goes after so many turns of the loop, whatever is under way, and comes back; in the end everything that
 * was asked has been answered. */
static void whenever_the_server_dies_all_is_answered_in_the_end(void **state) {
  (void)state;
  enum { REQUESTS = 30 };
  const unsigned most = tw_test_rounds(60, 6);
  for (unsigned turns = 0; turns < most; turns++) {
    kit k;
    node n;
    setup(&k, &n);
    k.answer_size = 30000;
    node_start(&n);
    size_t to_ask = REQUESTS;
    unsigned kills = 0;
    unsigned left = turns;
    (void)uv_timer_start(&k.watchdog, kit_watchdog, KIT_PATIENCE_MS, 0);
    while (n.answered < REQUESTS) {
      to_ask += n.to_repeat;
      n.to_repeat = 0;
      while (to_ask > 0 && node_ask(&n, to_ask % 2 == 0 ? TW_CONTROL_STOCK : TW_CONTROL_TAKE) == TW_OK) to_ask--;
      if (left-- == 0 && kills++ < 3) {
        kit_stop_server(&k, kills % 2 == 1);
        kit_start_server(&k);
        (void)uv_timer_start(&k.watchdog, kit_watchdog, KIT_PATIENCE_MS, 0);
        left = turns;
      }
      (void)uv_run(&k.loop, UV_RUN_ONCE);
    }
    assert_int_equal(n.answered, REQUESTS);
    teardown(&k, &n);
  }
}

static void ending_is_fine_at_any_moment(void **state) {
  (void)state;
  const unsigned most = tw_test_rounds(40, 6);
  for (unsigned turns = 0; turns < most; turns++) {
    kit k;
    node n;
    setup(&k, &n);
    node_start(&n);
    for (unsigned i = 0; i < turns; i++) {
      if (tw_control_client_is_up(n.client)) assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
      (void)uv_run(&k.loop, UV_RUN_ONCE);
    }
    const size_t open = tw_control_client_open(n.client);
    const size_t lost = n.lost;
    tw_control_client_close(n.client);
    assert_int_equal(n.lost, lost + open);
    if (turns % 2 == 0) kit_stop_server(&k, turns % 4 == 0);
    kit_until(&k, n.freed == 1);
    n.client = NULL;
    teardown(&k, &n);
  }
}

static void nobody_there_is_tried_again_after_longer_and_longer_waits(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  kit_stop_server(&k, true);
  n.config.first_wait_ms = 4;
  n.config.most_wait_ms = 16;
  node_start(&n);
  static const uint64_t most[] = {4, 8, 16, 16, 16};
  for (size_t i = 0; i < 5; i++) {
    kit_until(&k, n.downs == i + 1);
    assert_in_range(n.last_down.wait_ms, most[i] / 2, most[i]);
    assert_false(n.last_down.was_up);
    assert_int_equal(n.last_down.err, TW_ERR_STATE);
  }
  kit_start_server(&k);
  kit_until(&k, n.ups == 1);
  teardown(&k, &n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_newer_connection_takes_the_place_of_the_older),
      cmocka_unit_test(after_a_broken_link_the_session_goes_on),
      cmocka_unit_test(what_is_renewed_begins_again_at_once_with_its_session),
      cmocka_unit_test(a_relay_without_the_session_is_spoken_to_anew_at_once),
      cmocka_unit_test(a_relay_that_keeps_no_sessions_is_spoken_to_anew_each_time),
      cmocka_unit_test(a_failing_allocation_costs_a_connection_at_most),
      cmocka_unit_test(a_good_end_of_the_server_lets_answers_arrive),
      cmocka_unit_test(whenever_the_server_dies_all_is_answered_in_the_end),
      cmocka_unit_test(ending_is_fine_at_any_moment),
      cmocka_unit_test(nobody_there_is_tried_again_after_longer_and_longer_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
