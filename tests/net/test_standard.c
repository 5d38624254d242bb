/* Standard TLS as a link, both ends in one process. SPDX-License-Identifier: Apache-2.0 */
#include "net/standard.h"

#include <string.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"

/* A ClientHello of the connecting end goes on by itself here: there is no channel before it. */
enum { EXTENSION = 0xFF4D, NOW = 1000, TIMEOUT = 5000, BLOCK = 16384 };

typedef struct end {
  tw_standard_config config;
  tw_standard_context *context;
  tw_standard *standard; /* until it is the link */
  tw_link link;
  tw_err verdict;
  unsigned asked;
  tw_buf received;
  tw_channel_event events[4];
  size_t event_count;
} end;

static tw_test_cert ca, server_cert, client_cert;
static tw_buf server_chain, client_chain;
static end client, server;
static const tw_bytes names[] = {TW_LITERAL("Server.example")};
static const tw_bytes client_protocols[] = {TW_LITERAL("one"), TW_LITERAL("two")};
static const tw_bytes server_protocols[] = {TW_LITERAL("three"), TW_LITERAL("two")};

static tw_err judge(void *ctx, tw_bytes certificates) {
  end *one = ctx;
  one->asked++;
  assert_true(certificates.len > 0);
  return one->verdict;
}

static int set_up(void **state) {
  (void)state;
  tw_test_ca_make(&ca, NULL, "CA", NULL, NULL);
  tw_test_cert_make(&server_cert, &ca, &(tw_test_cert_spec){.subject = "server", .names = "DNS:server.example"});
  tw_test_cert_make(&client_cert, &ca, &(tw_test_cert_spec){.subject = "client", .names = "DNS:client.example"});
  const tw_test_cert *const of_server[] = {&server_cert, NULL};
  const tw_test_cert *const of_client[] = {&client_cert, NULL};
  tw_test_chain(&server_chain, of_server);
  tw_test_chain(&client_chain, of_client);
  client = server = (end){0};
  client.config = (tw_standard_config){.connecting = true,
                                       .certificates = tw_buf_bytes(&client_chain),
                                       .key = client_cert.key,
                                       .server_names = names,
                                       .server_name_count = 1,
                                       .protocols = client_protocols,
                                       .protocol_count = 2,
                                       .judge = judge,
                                       .ctx = &client,
                                       .extension = EXTENSION,
                                       .handshake_timeout_ms = TIMEOUT,
                                       .output_high_water = 65536};
  server.config = client.config;
  server.config.connecting = false;
  server.config.certificates = tw_buf_bytes(&server_chain);
  server.config.key = server_cert.key;
  server.config.protocols = server_protocols;
  server.config.ctx = &server;
  return 0;
}

static void clear_end(end *one) {
  tw_link_free(&one->link);
  tw_standard_free(one->standard);
  tw_standard_context_free(one->context);
  tw_buf_clear(&one->received);
}

static int tear_down(void **state) {
  (void)state;
  clear_end(&client);
  clear_end(&server);
  tw_buf_clear(&server_chain);
  tw_buf_clear(&client_chain);
  tw_test_cert_clear(&server_cert);
  tw_test_cert_clear(&client_cert);
  tw_test_cert_clear(&ca);
  return 0;
}

static void take(end *one) {
  tw_channel_event event;
  while (tw_link_next_event(&one->link, &event)) {
    assert_true(one->event_count < 4);
    one->events[one->event_count++] = event;
  }
  tw_bytes data;
  while ((data = tw_link_data(&one->link)).len > 0) {
    assert_int_equal(tw_buf_append(&one->received, data), TW_OK);
    (void)!tw_link_data_done(&one->link, data.len);
  }
  while (tw_link_next_event(&one->link, &event)) one->events[one->event_count++] = event;
}

/* All that one has to say, in pieces. */
static bool move(end *from, end *to) {
  bool moved = false;
  tw_bytes output;
  while ((output = tw_link_output(&from->link)).len > 0) {
    uint8_t *ptr;
    size_t room;
    assert_int_equal(tw_link_input_buffer(&to->link, &ptr, &room), TW_OK);
    if (room == 0) return moved;
    size_t n = output.len < room ? output.len : room;
    if (n > 1000) n = 1000;
    memcpy(ptr, output.ptr, n);
    tw_link_output_sent(&from->link, n);
    (void)!tw_link_input_done(&to->link, n, NOW);
    take(to);
    moved = true;
  }
  return moved;
}

static void run(void) {
  take(&client);
  take(&server);
  for (bool moved = true; moved;) {
    moved = move(&client, &server);
    moved = move(&server, &client) || moved;
  }
}

static void start(void) {
  tw_report report = {""};
  tw_buf hello = {0};
  tw_buf record = {0};
  assert_int_equal(tw_standard_context_new(&client.config, &client.context, &report), TW_OK);
  assert_int_equal(tw_standard_context_new(&server.config, &server.context, &report), TW_OK);
  assert_int_equal(tw_standard_new(client.context, NOW, &client.standard), TW_OK);
  assert_int_equal(tw_standard_new(server.context, NOW, &server.standard), TW_OK);
  assert_int_equal(tw_standard_client_hello(client.standard, TW_LITERAL("a KeyPackage"), TW_NO_BYTES, &hello), TW_OK);
  /* The channel sent it, and the server has no MLS. */
  assert_int_equal(hello.ptr[0], 1);
  assert_non_null(memmem(hello.ptr, hello.len,
                         "\xff\x4d\x00\x0c"
                         "a KeyPackage",
                         16));
  const uint8_t header[] = {22, 3, 1, (uint8_t)(hello.len >> 8), (uint8_t)hello.len};
  assert_int_equal(tw_buf_append(&record, TW_ARRAY(header)), TW_OK);
  assert_int_equal(tw_buf_append(&record, tw_buf_bytes(&hello)), TW_OK);
  server.link = tw_link_of_standard(server.standard);
  client.link = tw_link_of_standard(client.standard);
  tw_standard_begin(server.standard, tw_buf_bytes(&record), 0);
  tw_standard_begin(client.standard, TW_NO_BYTES, record.len);
  client.standard = server.standard = NULL;
  tw_buf_clear(&hello);
  tw_buf_clear(&record);
  run();
}

static void write_all(end *from, tw_bytes data) {
  uint8_t *ptr;
  size_t room;
  assert_int_equal(tw_link_write_buffer(&from->link, &ptr, &room), TW_OK);
  assert_true(room >= data.len);
  memcpy(ptr, data.ptr, data.len);
  assert_int_equal(tw_link_write_done(&from->link, data.len), TW_OK);
}

static const tw_channel_event *last(const end *one) {
  assert_true(one->event_count > 0);
  return &one->events[one->event_count - 1];
}

static void assert_ended(const end *one, tw_err reason) {
  assert_int_equal(last(one)->kind, TW_CHANNEL_CLOSED);
  assert_int_equal(last(one)->reason, reason);
}

static void both_are_established_and_know_what_was_agreed_on(void **state) {
  (void)state;
  start();
  const end *const ends[] = {&client, &server};
  for (size_t i = 0; i < 2; i++) {
    tw_link_info info;
    assert_int_equal(ends[i]->event_count, 1);
    assert_int_equal(last(ends[i])->kind, TW_CHANNEL_ESTABLISHED);
    assert_true(last(ends[i])->handshake_bytes > 1000);
    assert_int_equal(ends[i]->asked, 1);
    tw_link_get_info(&ends[i]->link, &info);
    assert_string_equal(info.version, "TLSv1.3");
    assert_true(tw_bytes_equal(info.alpn, TW_LITERAL("two")));
    assert_true(tw_bytes_equal(info.certificates, tw_buf_bytes(i == 0 ? &server_chain : &client_chain)));
    assert_int_equal(tw_link_deadline(&ends[i]->link), UINT64_MAX);
    assert_null(tw_link_channel(&ends[i]->link));
  }
  write_all(&client, TW_LITERAL("to the server"));
  write_all(&server, TW_LITERAL("to the client"));
  run();
  assert_true(tw_bytes_equal(tw_buf_bytes(&server.received), TW_LITERAL("to the server")));
  assert_true(tw_bytes_equal(tw_buf_bytes(&client.received), TW_LITERAL("to the client")));
}

static void each_direction_ends_by_itself(void **state) {
  (void)state;
  start();
  assert_int_equal(tw_link_close(&client.link), TW_OK);
  run();
  assert_int_equal(last(&server)->kind, TW_CHANNEL_PEER_CLOSED);
  assert_false(tw_link_writable(&client.link));
  /* The client's stream may end now, and the server goes on. */
  assert_int_equal(tw_link_input_end(&server.link, NOW), TW_OK);
  write_all(&server, TW_LITERAL("still"));
  run();
  assert_true(tw_bytes_equal(tw_buf_bytes(&client.received), TW_LITERAL("still")));
  assert_int_equal(tw_link_close(&server.link), TW_OK);
  run();
  assert_ended(&server, TW_OK);
  assert_ended(&client, TW_OK);
}

static void what_comes_after_close_notify_is_dropped_and_takes_no_memory(void **state) {
  (void)state;
  start();
  assert_int_equal(tw_link_close(&client.link), TW_OK);
  run();
  size_t first = 0;
  for (unsigned i = 0; i < 1000; i++) {
    uint8_t *ptr;
    size_t room;
    assert_int_equal(tw_link_input_buffer(&server.link, &ptr, &room), TW_OK);
    if (i == 0) first = room;
    assert_int_equal(room, first);
    memset(ptr, 23, room);
    assert_int_equal(tw_link_input_done(&server.link, room, NOW), TW_OK);
  }
  write_all(&server, TW_LITERAL("still"));
  run();
  assert_true(tw_bytes_equal(tw_buf_bytes(&client.received), TW_LITERAL("still")));
}

static void a_stream_that_just_ends_is_a_truncation(void **state) {
  (void)state;
  start();
  write_all(&client, TW_LITERAL("half"));
  run();
  assert_int_equal(tw_link_input_end(&server.link, NOW), TW_ERR_TRUNCATION);
  take(&server);
  assert_ended(&server, TW_ERR_TRUNCATION);
  assert_int_equal(tw_link_input_done(&server.link, 0, NOW), TW_ERR_CLOSED);
}

static void whom_the_judge_refuses_is_told_by_the_alert(void **state) {
  (void)state;
  static const struct {
    tw_err verdict;
    uint8_t alert;
  } cases[] = {{TW_ERR_CERTIFICATE, 42},         {TW_ERR_CERTIFICATE_USE, 43}, {TW_ERR_CERTIFICATE_REVOKED, 44},
               {TW_ERR_CERTIFICATE_EXPIRED, 45}, {TW_ERR_UNKNOWN_CA, 48},      {TW_ERR_CREDENTIAL, 42}};
  for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
    end *judging = i % 2 == 0 ? &client : &server;
    const end *judged = i % 2 == 0 ? &server : &client;
    judging->verdict = cases[i / 2].verdict;
    start();
    assert_ended(judging, cases[i / 2].verdict);
    assert_int_equal(last(judging)->alert, cases[i / 2].alert);
    assert_false(tw_link_is_silent(&judging->link));
    assert_ended(judged, TW_ERR_ALERT);
    assert_int_equal(last(judged)->alert, cases[i / 2].alert);
    (void)tear_down(NULL);
    (void)set_up(NULL);
  }
}

static void a_server_that_asks_wants_an_answer(void **state) {
  (void)state;
  client.config.certificates = TW_NO_BYTES;
  client.config.key = NULL;
  start();
  assert_ended(&server, TW_ERR_CREDENTIAL);
  assert_int_equal(last(&server)->alert, 116);
  assert_int_equal(server.asked, 0);
  (void)tear_down(NULL);
  (void)set_up(NULL);
  server.config.judge = NULL; /* anyone */
  client.config.certificates = TW_NO_BYTES;
  client.config.key = NULL;
  start();
  assert_int_equal(last(&server)->kind, TW_CHANNEL_ESTABLISHED);
}

static void names_and_protocols_have_to_fit(void **state) {
  (void)state;
  static const tw_bytes other[] = {TW_LITERAL("else.example")};
  client.config.server_names = other;
  start();
  assert_ended(&server, TW_ERR_UNSUPPORTED);
  assert_int_equal(last(&server)->alert, 112);
  (void)tear_down(NULL);
  (void)set_up(NULL);
  client.config.protocol_count = 1;
  start();
  assert_ended(&server, TW_ERR_UNSUPPORTED);
  assert_int_equal(last(&server)->alert, 120);
  assert_ended(&client, TW_ERR_ALERT);
}

static void every_damaged_record_ends_it(void **state) {
  (void)state;
  for (size_t at = 5; at < 40; at += 3) {
    start();
    write_all(&client, TW_LITERAL("something to protect"));
    const tw_bytes output = tw_link_output(&client.link);
    uint8_t *ptr;
    size_t room;
    assert_int_equal(tw_link_input_buffer(&server.link, &ptr, &room), TW_OK);
    memcpy(ptr, output.ptr, output.len);
    ptr[at] ^= 1;
    assert_int_equal(tw_link_input_done(&server.link, output.len, NOW), TW_ERR_DECRYPT);
    take(&server);
    assert_ended(&server, TW_ERR_DECRYPT);
    assert_int_equal(last(&server)->alert, 20);
    assert_int_equal(server.received.len, 0);
    (void)tear_down(NULL);
    (void)set_up(NULL);
  }
}

static void an_abort_is_silent_and_a_handshake_ends_in_time(void **state) {
  (void)state;
  start();
  tw_link_abort(&server.link, TW_ERR_CERTIFICATE_REVOKED);
  take(&server);
  assert_ended(&server, TW_ERR_CERTIFICATE_REVOKED);
  assert_true(tw_link_is_silent(&server.link));
  assert_int_equal(tw_link_output(&server.link).len, 0);
  tw_standard *late;
  assert_int_equal(tw_standard_new(server.context, NOW, &late), TW_OK);
  tw_link link = tw_link_of_standard(late);
  assert_int_equal(tw_link_deadline(&link), NOW + TIMEOUT);
  assert_int_equal(tw_link_tick(&link, NOW + TIMEOUT - 1), TW_OK);
  assert_int_equal(tw_link_tick(&link, NOW + TIMEOUT), TW_ERR_TIMEOUT);
  tw_link_free(&link);
}

static void keys_that_do_not_fit_are_told(void **state) {
  (void)state;
  tw_report report = {""};
  server.config.key = client_cert.key;
  assert_int_equal(tw_standard_context_new(&server.config, &server.context, &report), TW_ERR_KEY);
  assert_non_null(strstr(report.text, "standard TLS does not take our certificate: "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(both_are_established_and_know_what_was_agreed_on),
      TEST(each_direction_ends_by_itself),
      TEST(what_comes_after_close_notify_is_dropped_and_takes_no_memory),
      TEST(a_stream_that_just_ends_is_a_truncation),
      TEST(whom_the_judge_refuses_is_told_by_the_alert),
      TEST(a_server_that_asks_wants_an_answer),
      TEST(names_and_protocols_have_to_fit),
      TEST(every_damaged_record_ends_it),
      TEST(an_abort_is_silent_and_a_handshake_ends_in_time),
      TEST(keys_that_do_not_fit_are_told),
  };
  return cmocka_run_group_tests_name("net_standard", tests, NULL, NULL);
}
