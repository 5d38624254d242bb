/* Control connections over loopback: answers, pushes, losses, and peers that misbehave. SPDX-License-Identifier: Apache-2.0 */
#include "control_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(kit *k, node *n) {
  kit_init(k);
  kit_start_server(k);
  node_init(n, k);
}

static void teardown(kit *k, node *n) {
  node_clear(n);
  kit_clear(k);
}

/* ---- as it should be ---- */

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
  for (int i = 0; i < 200; i++) assert_int_equal(node_ask(&n, TW_CONTROL_TAKE), TW_OK);
  kit_until(&k, n.answered == 450);
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
  n.config.open_max = 300;
  node_start_and_wait(&n);
  k.answer_size = 100000;
  for (int i = 0; i < 300; i++) assert_int_equal(node_ask(&n, TW_CONTROL_TAKE), TW_OK);
  kit_until(&k, n.answered == 300);
  assert_int_equal(n.received, 300 * k.answer_size);
  teardown(&k, &n);
}

/* A peer of the server's that does what a node does not: a stream without the client around it. */
typedef struct rude {
  kit *owner;
  tw_stream_setup setup;
  tw_stream *stream;
  size_t frames, established, closed;
  tw_err reason;
  uint8_t alert;
} rude;

static void rude_established(void *owner, tw_stream *stream, const tw_member *peer, const tw_channel_event *event) {
  rude *r = owner;
  (void)stream;
  (void)peer;
  (void)event;
  r->established++;
}

static void rude_frame(void *owner, tw_stream *stream, tw_bytes frame) {
  rude *r = owner;
  (void)stream;
  (void)frame;
  r->frames++;
}

static void rude_closed(void *owner, tw_stream *stream, const tw_stream_end *end) {
  rude *r = owner;
  (void)stream;
  r->closed++;
  r->reason = end->reason;
  r->alert = end->alert;
  r->stream = NULL;
}

static int connect_raw(const kit *k) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(k->port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
  return fd;
}

static void rude_start(rude *r, kit *k, const tw_channel_config *channel) {
  *r = (rude){.owner = k};
  r->setup = (tw_stream_setup){.loop = &k->loop,
                               .frame_max = TW_CONTROL_FRAME_MAX,
                               .queue_max = (size_t)64 << 20,
                               .linger_ms = 1000,
                               .established = rude_established,
                               .frame = rude_frame,
                               .closed = rude_closed};
  assert_int_equal(tw_stream_start(&r->setup, channel, true, connect_raw(k), r, &r->stream), TW_OK);
  kit_until(k, r->established > 0 || r->closed > 0);
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

/* ---- who should not be there ---- */

/* Until the other side has closed; then this one does, too. */
static void hear_out(kit *k, int fd) {
  uint8_t dropped[4096];
  ssize_t got = -1;
  while (got != 0) {
    (void)uv_run(&k->loop, UV_RUN_ONCE);
    do got = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
    while (got > 0);
  }
  (void)close(fd);
}

static void expect_refusal(kit *k, node *n, tw_bytes bytes, tw_err reason) {
  rude r;
  rude_start(&r, k, &n->channel);
  const size_t gone = k->gone;
  assert_int_equal(tw_stream_send(r.stream, bytes), TW_OK);
  tw_stream_push(r.stream);
  kit_until(k, r.closed == 1 && k->gone > gone);
  assert_int_equal(r.reason, TW_ERR_ALERT);
  assert_int_equal(k->last_ended, reason);
  assert_true(k->ended_known);
}

static void what_is_no_request_ends_the_connection_and_no_other(void **state) {
  (void)state;
  kit k;
  node n;
  node other;
  setup(&k, &n);
  node_init(&other, &k);
  node_start_and_wait(&other);
  static const uint8_t no_length[] = {0, 0, 0, 0, 1, 2, 3};
  static const uint8_t too_long[] = {0x7f, 0xff, 0xff, 0xff};
  static const uint8_t no_type[] = {0, 0, 0, 5, 99, 0, 0, 0, 1};
  static const uint8_t an_answer[] = {0, 0, 0, 6, TW_CONTROL_ANSWER, 0, 0, 0, 1, 0};
  static const uint8_t no_number[] = {0, 0, 0, 5, TW_CONTROL_BIND, 0, 0, 0, 0};
  static const uint8_t cut[] = {0, 0, 0, 5, TW_CONTROL_STOCK, 0, 0, 0, 1};
  static const uint8_t trailing[] = {0, 0, 0, 7, TW_CONTROL_STOCK, 0, 0, 0, 1, 1, 1};
  expect_refusal(&k, &n, TW_ARRAY(no_length), TW_ERR_ENCODING);
  expect_refusal(&k, &n, TW_ARRAY(too_long), TW_ERR_ENCODING);
  expect_refusal(&k, &n, TW_ARRAY(no_type), TW_ERR_ENCODING);
  expect_refusal(&k, &n, TW_ARRAY(an_answer), TW_ERR_ENCODING);
  expect_refusal(&k, &n, TW_ARRAY(no_number), TW_ERR_ENCODING);
  expect_refusal(&k, &n, TW_ARRAY(cut), TW_ERR_TRUNCATED);
  expect_refusal(&k, &n, TW_ARRAY(trailing), TW_ERR_TRAILING);
  assert_int_equal(k.requests, 0);
  assert_int_equal(node_ask(&other, TW_CONTROL_STOCK), TW_OK);
  kit_until(&k, other.answered == 1);
  node_clear(&other);
  teardown(&k, &n);
}

static void garbage_in_place_of_a_handshake_comes_to_nothing(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  const int fd = connect_raw(&k);
  static const char garbage[] = "GET / HTTP/1.1\r\n\r\n";
  assert_int_equal(write(fd, garbage, sizeof garbage), (ssize_t)sizeof garbage);
  hear_out(&k, fd);
  kit_until(&k, k.ended == 1);
  assert_int_not_equal(k.last_ended, TW_OK);
  assert_false(k.ended_known);
  assert_int_equal(k.came, 0);
  teardown(&k, &n);
}

static void who_says_nothing_is_closed_after_the_handshakes_time(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  tw_channel_options options = tw_channel_options_default;
  options.handshake_timeout_ms = 20;
  k.relay_channel.options = &options;
  kit_start_server(&k);
  node_init(&n, &k);
  const int fd = connect_raw(&k);
  hear_out(&k, fd);
  kit_until(&k, k.ended == 1);
  assert_int_equal(k.last_ended, TW_ERR_TIMEOUT);
  teardown(&k, &n);
}

static void a_client_that_the_policy_refuses_does_not_come(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  k.relay_party.refuses = true;
  node_start(&n);
  kit_until(&k, n.downs >= 2);
  assert_int_equal(n.ups, 0);
  assert_int_equal(k.came, 0);
  assert_int_equal(n.last_down.err, TW_ERR_ALERT);
  assert_int_equal(n.last_down.alert, tw_channel_alert_of(TW_ERR_CREDENTIAL));
  assert_int_equal(node_ask(&n, TW_CONTROL_STOCK), TW_ERR_CLOSED);
  k.relay_party.refuses = false;
  kit_until(&k, n.ups == 1);
  teardown(&k, &n);
}

static void a_client_that_the_server_turns_away_learns_why_and_does_not_go(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  k.came_err = TW_ERR_CREDENTIAL;
  node_start(&n);
  kit_until(&k, n.downs >= 1);
  assert_int_equal(n.last_down.alert, tw_channel_alert_of(TW_ERR_CREDENTIAL));
  assert_int_equal(k.gone, 0);
  assert_int_equal(tw_control_server_count(k.server), 0);
  k.came_err = TW_OK;
  kit_until(&k, tw_control_server_count(k.server) == 1);
  teardown(&k, &n);
}

static void a_relay_that_the_node_does_not_know_is_refused(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  n.party.refuses = true;
  node_start(&n);
  kit_until(&k, n.downs >= 2);
  assert_int_equal(n.ups, 0);
  assert_int_equal(n.last_down.err, TW_ERR_CREDENTIAL);
  assert_int_equal(k.came, 0);
  teardown(&k, &n);
}

static void too_many_from_one_address_are_closed_at_once(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  tw_admission_limits limits = tw_admission_limits_default;
  limits.half_open_per_address = 2;
  k.config.limits = &limits;
  kit_start_server(&k);
  node_init(&n, &k);
  int fds[4];
  for (size_t i = 0; i < 4; i++) fds[i] = connect_raw(&k);
  kit_turns(&k, 50);
  uint8_t byte;
  assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1); /* there, and waiting */
  assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
  assert_int_equal(read(fds[2], &byte, 1), 0);
  assert_int_equal(read(fds[3], &byte, 1), 0);
  for (size_t i = 0; i < 4; i++) (void)close(fds[i]);
  node_start_and_wait(&n);
  teardown(&k, &n);
}

static void of_too_many_half_open_ones_the_oldest_goes(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  tw_admission_limits limits = tw_admission_limits_default;
  limits.half_open = 2;
  k.config.limits = &limits;
  kit_start_server(&k);
  node_init(&n, &k);
  int fds[3];
  uint8_t byte;
  for (size_t i = 0; i < 3; i++) {
    fds[i] = connect_raw(&k);
    kit_turns(&k, 20);
  }
  assert_int_equal(read(fds[0], &byte, 1), 0);
  assert_int_equal(recv(fds[2], &byte, 1, MSG_DONTWAIT), -1);
  node_start_and_wait(&n);
  for (size_t i = 0; i < 3; i++) (void)close(fds[i]);
  teardown(&k, &n);
}

/* ---- losses ---- */

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

/* A relay that answers each frame with the same bytes, or nothing. */
typedef struct fake {
  rude side;
  tw_acceptor acceptor;
  const tw_channel_config *channel;
  tw_bytes reply;
} fake;

static void fake_frame(void *owner, tw_stream *stream, tw_bytes frame) {
  fake *f = owner;
  (void)frame;
  f->side.frames++;
  if (f->reply.len > 0) assert_int_equal(tw_stream_send(stream, f->reply), TW_OK);
}

static void fake_accepted(void *ctx, int fd) {
  fake *f = ctx;
  assert_int_equal(tw_stream_start(&f->side.setup, f->channel, false, fd, f, &f->side.stream), TW_OK);
}

static void expect_to_be_left(kit *k, node *n, tw_bytes reply, tw_err reason) {
  fake f = {.channel = &k->relay_channel, .reply = reply};
  tw_report report = {""};
  char address[TW_ADDRESS_TEXT];
  f.side.setup = (tw_stream_setup){.loop = &k->loop,
                                   .frame_max = TW_CONTROL_FRAME_MAX,
                                   .queue_max = 65536,
                                   .established = rude_established,
                                   .frame = fake_frame,
                                   .closed = rude_closed};
  const tw_address any = {.host = "127.0.0.1"};
  assert_int_equal(tw_acceptor_open(&f.acceptor, &k->loop, &any, fake_accepted, NULL, &f, &report), TW_OK);
  assert_true(tw_acceptor_address(&f.acceptor, 0, address));
  k->port = (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
  node_init(n, k);
  n->config.answer_timeout_ms = 30;
  n->config.first_wait_ms = n->config.most_wait_ms = KIT_PATIENCE_MS;
  node_start_and_wait(n);
  assert_int_equal(node_ask(n, TW_CONTROL_STOCK), TW_OK);
  kit_until(k, n->downs == 1);
  assert_int_equal(n->answered, 0);
  assert_int_equal(n->lost, 1);
  assert_int_equal(n->last_down.err, reason);
  node_clear(n);
  tw_acceptor_close(&f.acceptor);
  kit_until(k, f.side.closed == 1);
  kit_turns(k, 2);
}

static void a_relay_that_does_not_answer_or_answers_something_else_is_left(void **state) {
  (void)state;
  kit k;
  node n;
  static const uint8_t other_number[] = {0, 0, 0, 10, TW_CONTROL_ANSWER, 0, 0, 0, 7, 0, 0, 0, 0, 1};
  static const uint8_t other_body[] = {0, 0, 0, 7, TW_CONTROL_ANSWER, 0, 0, 0, 1, 0, 0};
  static const uint8_t no_such_status[] = {0, 0, 0, 7, TW_CONTROL_ANSWER, 0, 0, 0, 1, 9, 0};
  static const uint8_t a_request[] = {0, 0, 0, 5, TW_CONTROL_BIND, 0, 0, 0, 1};
  static const uint8_t bad_push[] = {0, 0, 0, 6, TW_CONTROL_MAIL, 0, 0, 0, 0, 0};
  static const uint8_t no_frame[] = {0xff, 0xff, 0xff, 0xff};
  kit_init(&k);
  expect_to_be_left(&k, &n, TW_NO_BYTES, TW_ERR_TIMEOUT);
  expect_to_be_left(&k, &n, TW_ARRAY(other_number), TW_ERR_UNEXPECTED);
  expect_to_be_left(&k, &n, TW_ARRAY(other_body), TW_ERR_TRUNCATED);
  expect_to_be_left(&k, &n, TW_ARRAY(no_such_status), TW_ERR_ENCODING);
  expect_to_be_left(&k, &n, TW_ARRAY(a_request), TW_ERR_ENCODING);
  expect_to_be_left(&k, &n, TW_ARRAY(bad_push), TW_ERR_TRAILING);
  expect_to_be_left(&k, &n, TW_ARRAY(no_frame), TW_ERR_ENCODING);
  kit_clear(&k);
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
      cmocka_unit_test(what_is_no_request_ends_the_connection_and_no_other),
      cmocka_unit_test(garbage_in_place_of_a_handshake_comes_to_nothing),
      cmocka_unit_test(who_says_nothing_is_closed_after_the_handshakes_time),
      cmocka_unit_test(a_client_that_the_policy_refuses_does_not_come),
      cmocka_unit_test(a_client_that_the_server_turns_away_learns_why_and_does_not_go),
      cmocka_unit_test(a_relay_that_the_node_does_not_know_is_refused),
      cmocka_unit_test(too_many_from_one_address_are_closed_at_once),
      cmocka_unit_test(of_too_many_half_open_ones_the_oldest_goes),
      cmocka_unit_test(a_newer_connection_takes_the_place_of_the_older),
      cmocka_unit_test(after_a_broken_link_the_session_goes_on),
      cmocka_unit_test(a_relay_without_the_session_is_spoken_to_anew_at_once),
      cmocka_unit_test(a_relay_that_keeps_no_sessions_is_spoken_to_anew_each_time),
      cmocka_unit_test(a_failing_allocation_costs_a_connection_at_most),
      cmocka_unit_test(a_good_end_of_the_server_lets_answers_arrive),
      cmocka_unit_test(a_relay_that_does_not_answer_or_answers_something_else_is_left),
      cmocka_unit_test(whenever_the_server_dies_all_is_answered_in_the_end),
      cmocka_unit_test(ending_is_fine_at_any_moment),
      cmocka_unit_test(nobody_there_is_tried_again_after_longer_and_longer_waits),
      cmocka_unit_test(keys_are_renewed_under_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
