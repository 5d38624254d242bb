/* Control connections over loopback: answers, pushes, and more than somebody takes. SPDX-License-Identifier: Apache-2.0 */
#include "control_rude.h"

static void count_callers(void *ctx, tw_control_caller *caller) {
  size_t *count = ctx;
  char remote[TW_ADDRESS_TEXT];
  tw_control_caller_remote(caller, remote);
  assert_memory_equal(remote, "127.0.0.1:", 10);
  (*count)++;
}

static void requests_are_answered_in_their_order_and_clients_known_by_their_key(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  const tw_client_id id = node_id(&n);
  assert_int_equal(k.came, 1);
  assert_memory_equal(&k.last_client, &id, sizeof id);
  assert_ptr_equal(tw_control_server_find(k.server, &id), k.last_caller);
  size_t count = 0;
  tw_control_server_each(k.server, count_callers, &count);
  assert_int_equal(count, 1);
  n.expected = 1;
  for (int i = 0; i < 200; i++) assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
  kit_until(&k, n.answered == 200);
  assert_int_equal(n.expected, 201);
  assert_int_equal(tw_control_client_open(n.client), 0);
  assert_int_equal(node_ask(&n, TW_CONTROL_GROUP_FIND), TW_OK);
  kit_until(&k, n.answered == 201);
  assert_int_equal(n.last_status, TW_CONTROL_FORBIDDEN);
  teardown(&k, &n);
  assert_int_equal(k.gone, 1);
  assert_int_equal(k.ended, 0); /* closed in good order */
  assert_int_equal(n.lost, 0);
}

static void requests_of_one_turn_are_flushed_together_before_any_answer(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  kit_turns(&k, 20);
  k.flushes = 0;
  for (int i = 0; i < 100; i++) assert_int_equal(node_ask(&n, TW_CONTROL_WANT_IN), TW_OK);
  kit_until(&k, n.answered == 100);
  assert_true(k.flushes < 50);
  teardown(&k, &n);
}

static void answers_may_wait_for_the_flush_and_keep_their_order(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  k.answers_late = true;
  node_start_and_wait(&n);
  n.expected = 1;
  for (int i = 0; i < 250; i++) assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
  kit_until(&k, n.answered == 250);
  assert_int_equal(n.expected, 251);
  k.answer_size = 300000; /* what is too much for one turn is not read in it */
  const unsigned takes = tw_test_rounds(200, 40);
  for (unsigned i = 0; i < takes; i++) assert_int_equal(node_ask(&n, TW_CONTROL_TAKE), TW_OK);
  kit_until(&k, n.answered == 250 + takes);
  assert_int_equal(n.downs, 0);
  teardown(&k, &n);
}

static void a_request_that_nobody_answers_ends_its_connection(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  k.forgets = true;
  assert_int_equal(node_ask(&n, TW_CONTROL_WANT_IN), TW_OK);
  kit_until(&k, n.lost == 1);
  k.forgets = false;
  kit_until(&k, n.ups == 2);
  assert_int_equal(node_ask(&n, TW_CONTROL_WANT_IN), TW_OK);
  kit_until(&k, n.answered == 1);
  teardown(&k, &n);
}

static void where_the_flush_fails_nothing_is_answered(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  k.flush_err = TW_ERR_NO_MEMORY;
  assert_int_equal(node_ask(&n, TW_CONTROL_WANT_IN), TW_OK);
  kit_until(&k, n.lost == 1);
  assert_int_equal(n.answered, 0);
  assert_int_equal(n.last_down.err, TW_ERR_ALERT);
  k.flush_err = TW_OK;
  kit_until(&k, n.ups == 2);
  assert_int_equal(node_ask(&n, TW_CONTROL_WANT_IN), TW_OK);
  kit_until(&k, n.answered == 1);
  teardown(&k, &n);
}

static void pushes_arrive_and_mail_once_for_many(void **state) {
  (void)state;
  kit k;
  node a;
  node b;
  setup(&k, &a);
  node_init(&b, &k);
  node_start_and_wait(&a);
  node_start_and_wait(&b);
  tw_control_request send = {.type = TW_CONTROL_SEND, .body.send = {node_id(&b), TW_LITERAL("hello")}};
  for (int i = 0; i < 50; i++) assert_int_equal(tw_control_client_ask(a.client, &send, node_done, &a), TW_OK);
  kit_until(&k, a.answered == 50 && b.pushes > 0);
  assert_int_equal(b.last_push.type, TW_CONTROL_MAIL);
  assert_true(b.pushes < 25);
  send.body.send.to.digest[0]++;
  assert_int_equal(tw_control_client_ask(a.client, &send, node_done, &a), TW_OK);
  kit_until(&k, a.answered == 51);
  assert_int_equal(a.last_status, TW_CONTROL_UNKNOWN);
  const tw_client_id id = node_id(&a);
  tw_control_push moved = {.type = TW_CONTROL_MOVED, .body.moved.client = id};
  tw_control_caller_push(tw_control_server_find(k.server, &id), &moved); /* outside any callback */
  kit_until(&k, a.pushes == 1);
  assert_memory_equal(&a.last_push.body.moved.client, &id, sizeof id);
  node_clear(&b);
  teardown(&k, &a);
}

static void the_longest_frames_pass(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  node_start_and_wait(&n);
  k.answer_size = TW_CONTROL_MESSAGE_MAX;
  uint8_t *zeros = calloc(1, TW_CONTROL_MESSAGE_MAX);
  assert_non_null(zeros);
  const tw_control_request send = {.type = TW_CONTROL_SEND,
                                   .body.send = {.message = TW_BYTES(zeros, TW_CONTROL_MESSAGE_MAX)}};
  assert_int_equal(tw_control_client_ask(n.client, &send, node_done, &n), TW_OK);
  assert_int_equal(node_ask(&n, TW_CONTROL_TAKE), TW_OK);
  kit_until(&k, n.answered == 2);
  assert_int_equal(n.received, TW_CONTROL_MESSAGE_MAX);
  free(zeros);
  teardown(&k, &n);
}

/* ---- too much ---- */

static void a_client_that_asks_for_too_much_is_told_so_and_goes_on_later(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  n.config.open_max = 10;
  node_start_and_wait(&n);
  for (int i = 0; i < 10; i++) assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
  assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_ERR_LIMIT);
  kit_until(&k, n.answered > 0);
  assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_OK);
  tw_control_request bad = {.type = TW_CONTROL_GROUP_FIND};
  assert_int_equal(tw_control_client_ask(n.client, &bad, node_done, &n), TW_ERR_ARGUMENT);
  kit_until(&k, n.answered == 11);
  teardown(&k, &n);
}

static void answers_wait_within_bounds_for_a_client_and_come_in_the_end(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  const unsigned count = tw_test_rounds(300, 40);
  n.config.open_max = count;
  node_start_and_wait(&n);
  k.answer_size = 100000;
  for (unsigned i = 0; i < count; i++) assert_int_equal(node_ask(&n, TW_CONTROL_TAKE), TW_OK);
  kit_until(&k, n.answered + n.lost == count);
  assert_int_equal(n.lost, 0);
  assert_int_equal(n.received, count * k.answer_size);
  teardown(&k, &n);
}

static void who_does_not_read_answers_is_not_read_either(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  rude r;
  rude_start(&r, &k, &n.channel);
  k.answer_size = 100000;
  tw_stream_pause(r.stream, true);
  tw_buf frames = {0};
  for (uint32_t i = 1; i <= 500; i++) {
    const tw_control_request take = {.type = TW_CONTROL_TAKE, .number = i, .body.take.pool = TW_CONTROL_POOL_PAIR};
    assert_int_equal(tw_control_request_encode(&take, &frames), TW_OK);
  }
  assert_int_equal(tw_stream_send(r.stream, tw_buf_bytes(&frames)), TW_OK);
  tw_stream_push(r.stream);
  kit_until(&k, k.requests > 0);
  size_t handled;
  do { /* until nothing more happens */
    handled = k.requests;
    kit_turns(&k, 100);
  } while (k.requests > handled);
  /* The kernel's buffers and the backlog: a few megabytes of fifty. */
  assert_in_range(k.requests, 1, 250);
  tw_stream_pause(r.stream, false);
  kit_until(&k, r.frames == 500);
  assert_int_equal(k.requests, 500);
  tw_buf_clear(&frames);
  tw_stream_close(r.stream);
  kit_until(&k, r.closed == 1);
  assert_int_equal(r.reason, TW_OK);
  teardown(&k, &n);
}

static void who_takes_nothing_at_all_is_let_go(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  k.config.stall_ms = 50;
  kit_start_server(&k);
  node_init(&n, &k);
  rude r;
  rude_start(&r, &k, &n.channel);
  k.answer_size = TW_CONTROL_MESSAGE_MAX;
  tw_stream_pause(r.stream, true);
  tw_buf frames = {0};
  for (uint32_t i = 1; i <= 10; i++) {
    const tw_control_request take = {.type = TW_CONTROL_TAKE, .number = i, .body.take.pool = TW_CONTROL_POOL_PAIR};
    assert_int_equal(tw_control_request_encode(&take, &frames), TW_OK);
  }
  assert_int_equal(tw_stream_send(r.stream, tw_buf_bytes(&frames)), TW_OK);
  tw_stream_push(r.stream);
  kit_until(&k, k.gone == 1);
  assert_int_equal(k.last_ended, TW_ERR_TIMEOUT);
  tw_buf_clear(&frames);
  tw_stream_drop(r.stream);
  teardown(&k, &n);
}

static void keys_are_renewed_under_way(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  tw_channel_options options = tw_channel_options_default;
  options.rekey_after_bytes = 200000;
  k.relay_channel.options = &options;
  kit_start_server(&k);
  node_init(&n, &k);
  n.channel.options = &options;
  node_start_and_wait(&n);
  k.answer_size = 10000;
  for (size_t round = 1; round <= 10; round++) {
    for (int i = 0; i < 50; i++) assert_int_equal(node_ask(&n, TW_CONTROL_TAKE), TW_OK);
    kit_until(&k, n.answered == 50 * round);
  }
  tw_channel_status status;
  tw_channel_get_status(tw_control_client_channel(n.client), &status);
  assert_true(status.pair.epoch > 3);
  assert_int_equal(n.ups, 1);
  teardown(&k, &n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_answered_in_their_order_and_clients_known_by_their_key),
      cmocka_unit_test(requests_of_one_turn_are_flushed_together_before_any_answer),
      cmocka_unit_test(answers_may_wait_for_the_flush_and_keep_their_order),
      cmocka_unit_test(a_request_that_nobody_answers_ends_its_connection),
      cmocka_unit_test(where_the_flush_fails_nothing_is_answered),
      cmocka_unit_test(pushes_arrive_and_mail_once_for_many),
      cmocka_unit_test(the_longest_frames_pass),
      cmocka_unit_test(a_client_that_asks_for_too_much_is_told_so_and_goes_on_later),
      cmocka_unit_test(answers_wait_within_bounds_for_a_client_and_come_in_the_end),
      cmocka_unit_test(who_does_not_read_answers_is_not_read_either),
      cmocka_unit_test(who_takes_nothing_at_all_is_let_go),
      cmocka_unit_test(keys_are_renewed_under_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
