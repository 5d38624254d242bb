/* Control connections with those who should not be there, or say what they should not. SPDX-License-Identifier: Apache-2.0 */
#include "control_rude.h"

#include "net/dial.h"

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
  char from[TW_ADDRESS_TEXT];
  tw_socket_local_text(fd, from);
  static const char garbage[] = "GET / HTTP/1.1\r\n\r\n";
  assert_int_equal(write(fd, garbage, sizeof garbage), (ssize_t)sizeof garbage);
  hear_out(&k, fd);
  kit_until(&k, k.ended == 1);
  assert_int_not_equal(k.last_ended, TW_OK);
  assert_false(k.ended_known);
  assert_string_equal(k.ended_at, from); /* for the log, though it is gone */
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

/* `reason` TW_ERR_BINDING: before it was asked anything. */
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
  node_start(n);
  if (reason != TW_ERR_BINDING) {
    kit_until(k, n->ups == 1);
    assert_int_equal(node_ask(n, TW_CONTROL_STOCK), TW_OK);
  }
  kit_until(k, n->downs == 1);
  assert_int_equal(n->answered, 0);
  assert_int_equal(n->lost, reason != TW_ERR_BINDING);
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
  k.relay_channel.parameters = TW_LITERAL(TW_CONTROL_RELAY);
  expect_to_be_left(&k, &n, TW_NO_BYTES, TW_ERR_TIMEOUT);
  expect_to_be_left(&k, &n, TW_ARRAY(other_number), TW_ERR_UNEXPECTED);
  expect_to_be_left(&k, &n, TW_ARRAY(other_body), TW_ERR_TRUNCATED);
  expect_to_be_left(&k, &n, TW_ARRAY(no_such_status), TW_ERR_ENCODING);
  expect_to_be_left(&k, &n, TW_ARRAY(a_request), TW_ERR_ENCODING);
  expect_to_be_left(&k, &n, TW_ARRAY(bad_push), TW_ERR_TRAILING);
  expect_to_be_left(&k, &n, TW_ARRAY(no_frame), TW_ERR_ENCODING);
  kit_clear(&k);
}

static void another_service_of_the_relays_key_is_not_taken_for_the_relay(void **state) {
  (void)state;
  kit k;
  node n;
  kit_init(&k);
  expect_to_be_left(&k, &n, TW_NO_BYTES, TW_ERR_BINDING); /* as `treewire listen` has it */
  k.relay_channel.parameters = TW_LITERAL("relay2");
  expect_to_be_left(&k, &n, TW_NO_BYTES, TW_ERR_BINDING);
  kit_clear(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_no_request_ends_the_connection_and_no_other),
      cmocka_unit_test(garbage_in_place_of_a_handshake_comes_to_nothing),
      cmocka_unit_test(who_says_nothing_is_closed_after_the_handshakes_time),
      cmocka_unit_test(a_client_that_the_policy_refuses_does_not_come),
      cmocka_unit_test(a_client_that_the_server_turns_away_learns_why_and_does_not_go),
      cmocka_unit_test(a_relay_that_the_node_does_not_know_is_refused),
      cmocka_unit_test(too_many_from_one_address_are_closed_at_once),
      cmocka_unit_test(of_too_many_half_open_ones_the_oldest_goes),
      cmocka_unit_test(a_relay_that_does_not_answer_or_answers_something_else_is_left),
      cmocka_unit_test(another_service_of_the_relays_key_is_not_taken_for_the_relay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
