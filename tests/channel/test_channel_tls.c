/* Channels that begin with a TLS 1.3 handshake: TLS+MLS, D10 to D12. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"
#include "tls/client_hello.h"
#include "tls/message.h"
#include "tls/protocol.h"
#include "tls/server_hello.h"
#include "tls/suite.h"

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice;
static tw_test_side *const bob = &wire.bob;
static tw_channel_tls of_alice, of_bob;

static int setup(void **state) {
  (void)state;
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  of_alice = of_bob = (tw_channel_tls){0};
  alice->config.protocol = bob->config.protocol = TW_CHANNEL_TLS;
  alice->config.tls = &of_alice;
  bob->config.tls = &of_bob;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_wire_clear(&wire);
  return 0;
}

static void assert_received(tw_test_side *side, tw_bytes expected) {
  tw_test_same(tw_buf_bytes(&side->received), expected);
  side->received.len = 0;
}

static void assert_alive(void) {
  for (unsigned round = 0; round < 2; round++) {
    tw_test_side_write(alice, TW_LITERAL("to bob"));
    tw_test_side_write(bob, TW_LITERAL("to alice"));
    tw_test_wire_run(&wire, SIZE_MAX);
    assert_received(bob, TW_LITERAL("to bob"));
    assert_received(alice, TW_LITERAL("to alice"));
    tw_test_side *side = round == 0 ? alice : bob;
    assert_int_equal(tw_channel_rekey(side->channel, wire.now_ms), TW_OK);
    tw_test_side_save(side);
    tw_test_wire_run(&wire, SIZE_MAX);
    tw_test_wire_same_epoch(&wire);
  }
}

/* ---- the handshake ---- */

static void every_suite_shakes_hands_talks_and_renews_keys(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_test_wire_clear(&wire);
    tw_test_wire_init(&wire, tw_suite_at(i));
    alice->config.protocol = bob->config.protocol = TW_CHANNEL_TLS;
    tw_test_wire_establish(&wire);
    assert_alive();
  }
}

static void it_comes_in_pieces_of_any_size(void **state) {
  (void)state;
  for (size_t piece = 1; piece < 40; piece += 6) {
    (void)teardown(NULL);
    (void)setup(NULL);
    tw_test_wire_open(&wire);
    tw_test_wire_run(&wire, piece);
    assert_alive();
  }
}

static void names_and_protocols_are_agreed_on(void **state) {
  (void)state;
  const tw_bytes asked[] = {TW_LITERAL("pump.example")};
  const tw_bytes had[] = {TW_LITERAL("other.example"), TW_LITERAL("PUMP.example")};
  const tw_bytes spoken[] = {TW_LITERAL("modbus"), TW_LITERAL("http/1.1")};
  const tw_bytes offered[] = {TW_LITERAL("http/1.1"), TW_LITERAL("modbus")};
  of_alice = (tw_channel_tls){.server_names = asked, .server_name_count = 1, .protocols = offered, .protocol_count = 2};
  of_bob = (tw_channel_tls){.server_names = had, .server_name_count = 2, .protocols = spoken, .protocol_count = 2};
  tw_test_wire_durable(&wire);
  tw_test_wire_establish(&wire);
  tw_test_same(tw_channel_protocol_name(alice->channel), TW_LITERAL("modbus"));
  tw_test_same(tw_channel_protocol_name(bob->channel), TW_LITERAL("modbus"));
  tw_test_same(tw_channel_server_name(bob->channel), asked[0]);
  tw_test_wire_reopen(&wire, alice);
  tw_test_wire_run(&wire, SIZE_MAX);
  tw_test_same(tw_channel_protocol_name(bob->channel), TW_LITERAL("modbus"));
  tw_test_same(tw_channel_server_name(bob->channel), asked[0]);
}

static void a_server_may_ask_for_a_second_hello(void **state) {
  (void)state;
  static const uint8_t key[48] = {1};
  of_bob.retry = true;
  of_bob.cookie_key = TW_ARRAY(key);
  tw_test_wire_open(&wire);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_null(bob->channel->pair);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 1);
  assert_alive();
}

static void records_keep_to_the_sizes_agreed_on(void **state) {
  (void)state;
  of_alice.record_size_limit = 512;
  of_bob.record_size_limit = 1000;
  tw_test_wire_establish(&wire);
  static uint8_t data[5000];
  for (unsigned side = 0; side < 2; side++) {
    tw_test_side *from = side == 0 ? alice : bob;
    const size_t most = side == 0 ? 1000 : 512;
    tw_test_side_write(from, TW_ARRAY(data));
    tw_bytes out = tw_channel_output(from->channel);
    size_t records = 0;
    while (out.len > 0) {
      const size_t size = TW_RECORD_HEADER + (((size_t)out.ptr[3] << 8) | out.ptr[4]);
      assert_true(size - TW_RECORD_HEADER - TW_AEAD_TAG <= most);
      out = TW_BYTES(out.ptr + size, out.len - size);
      records++;
    }
    assert_int_equal(records, (sizeof data + most - 2) / (most - 1));
    tw_test_wire_run(&wire, SIZE_MAX);
  }
  assert_int_equal(alice->received.len, sizeof data);
  assert_int_equal(bob->received.len, sizeof data);
  alice->received.len = bob->received.len = 0;
  /* Updates are longer than that. */
  assert_alive();
  /* Who does not keep to it is told. */
  bob->channel->content_max = 1024;
  tw_test_side_write(bob, TW_BYTES(data, 600));
  tw_test_wire_run(&wire, SIZE_MAX);
  const tw_channel_event *closed = tw_test_side_event(alice, TW_CHANNEL_CLOSED);
  assert_non_null(closed);
  assert_int_equal(closed->alert, TW_ALERT_RECORD_OVERFLOW);
}

static void the_server_is_established_by_finished_only(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 0);
  assert_false(tw_channel_writable(bob->channel));
  (void)tw_test_wire_move(&wire, bob, alice, SIZE_MAX);
  assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED), 1);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 0);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 1);
}

static void middlebox_records_are_dropped_only_where_they_belong(void **state) {
  (void)state;
  static const uint8_t good[] = {20, 3, 3, 0, 1, 1}, bad[] = {20, 3, 3, 0, 1, 2}, longer[] = {20, 3, 3, 0, 2, 1, 1};
  tw_test_wire_open(&wire);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  assert_int_equal(tw_test_side_give(&wire, bob, TW_ARRAY(good)), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, bob, TW_ARRAY(good)), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, alice, TW_ARRAY(good)), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_alive();
  assert_int_equal(tw_test_side_give(&wire, bob, TW_ARRAY(good)), TW_ERR_UNEXPECTED);
  const tw_bytes wrong[] = {TW_ARRAY(bad), TW_ARRAY(longer), TW_ARRAY(good)};
  for (size_t i = 0; i < 3; i++) { /* the last one: before the first ClientHello */
    (void)teardown(NULL);
    (void)setup(NULL);
    tw_test_wire_open(&wire);
    if (i < 2) (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
    assert_int_equal(tw_test_side_give(&wire, bob, wrong[i]), TW_ERR_UNEXPECTED);
  }
}

static void a_damaged_handshake_never_establishes_both(void **state) {
  (void)state;
  for (unsigned flight = 0; flight < 3; flight++) {
    for (size_t at = 0;; at += 5) {
      (void)teardown(NULL);
      (void)setup(NULL);
      tw_test_wire_open(&wire);
      tw_test_side *from = flight == 1 ? bob : alice;
      tw_test_side *to = flight == 1 ? alice : bob;
      for (unsigned i = 0; i < flight; i++)
        (void)tw_test_wire_move(&wire, i == 1 ? bob : alice, i == 1 ? alice : bob, SIZE_MAX);
      const tw_bytes out = tw_channel_output(from->channel);
      if (at >= out.len) break;
      /* Not looked at by RFC 8446 section 5.1: the versions in the headers of plaintext records. */
      tw_buf bad = TW_BUF_INIT(&wire.test.alloc);
      assert_int_equal(tw_buf_append(&bad, out), TW_OK);
      tw_channel_output_sent(from->channel, out.len);
      bad.ptr[at] ^= 1u << (at % 8);
      (void)tw_test_side_give(&wire, to, tw_buf_bytes(&bad));
      tw_test_wire_run(&wire, SIZE_MAX);
      const bool versions = at < 3 || memcmp(bad.ptr + at - 2, "\x14", 1) == 0 ||
                            memcmp(bad.ptr + at - 1, "\x14", 1) == 0;
      if (!versions)
        assert_false(tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED) > 0 &&
                     tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED) > 0);
      tw_buf_clear(&bad);
    }
  }
}

/* ---- other protocols at the port ---- */

static void assert_both_refuse(tw_err reason, uint8_t alert) {
  tw_test_wire_run(&wire, SIZE_MAX);
  const tw_channel_event *of_bob_closed = tw_test_side_event(bob, TW_CHANNEL_CLOSED);
  assert_non_null(of_bob_closed);
  assert_int_equal(of_bob_closed->reason, reason);
  assert_int_equal(of_bob_closed->alert, alert);
  assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED), 0);
}

static void mls_tls_and_tls_do_not_mix(void **state) {
  (void)state;
  alice->config.protocol = TW_CHANNEL_MLS_TLS;
  tw_test_wire_open(&wire);
  assert_both_refuse(TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
  (void)teardown(NULL);
  (void)setup(NULL);
  bob->config.protocol = TW_CHANNEL_MLS_TLS;
  tw_test_wire_open(&wire);
  assert_both_refuse(TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
}

/* A record with a ClientHello that has all of ours but the one extension, whose type becomes that of nothing. */
static void hide_extension(tw_buf *record) {
  const uint16_t type = tw_code_points_default.tls_using_mls_handshake;
  for (size_t i = 0; i + 1 < record->len; i++) {
    if (record->ptr[i] != type >> 8 || record->ptr[i + 1] != (type & 0xff)) continue;
    record->ptr[i] = 0xfa;
    record->ptr[i + 1] = 0xfa;
    return;
  }
  fail_msg("no extension");
}

static void a_client_without_mls_is_for_another_library_if_there_is_one(void **state) {
  (void)state;
  for (unsigned allowed = 0; allowed < 2; allowed++) {
    (void)teardown(NULL);
    (void)setup(NULL);
    of_bob.standard = allowed == 1;
    tw_test_wire_open(&wire);
    tw_buf flight = TW_BUF_INIT(&wire.test.alloc);
    assert_int_equal(tw_buf_append(&flight, tw_channel_output(alice->channel)), TW_OK);
    hide_extension(&flight);
    assert_int_equal(tw_buf_append(&flight, TW_LITERAL("more")), TW_OK);
    tw_err err = TW_OK;
    for (size_t i = 0; i < flight.len && err == TW_OK; i += 7) {
      const size_t n = flight.len - i < 7 ? flight.len - i : 7;
      err = tw_test_side_give(&wire, bob, TW_BYTES(flight.ptr + i, n));
    }
    if (allowed == 1) {
      assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_STANDARD), 1);
      const tw_bytes all = tw_channel_received(bob->channel);
      assert_true(all.len >= flight.len - 4 && all.len <= flight.len);
      assert_memory_equal(all.ptr, flight.ptr, all.len);
      assert_int_equal(tw_channel_output(bob->channel).len, 0);
      assert_int_equal(err, err == TW_OK ? TW_OK : TW_ERR_CLOSED);
    } else {
      assert_int_equal(err, TW_ERR_UNSUPPORTED);
      assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->alert, TW_ALERT_HANDSHAKE_FAILURE);
    }
    tw_buf_clear(&flight);
  }
}

/* A library that makes ClientHellos; `again` is the first one. */
typedef struct hello_maker {
  tw_buf first;
  unsigned made;
} hello_maker;

static tw_err make_second(const hello_maker *maker, tw_bytes retry, tw_buf *hello) {
  tw_tls_message message;
  tw_tls_server_hello asked;
  tw_tls_client_hello first;
  tw_bytes data;
  tw_bytes cookie;
  TW_TRY(tw_tls_message_decode(retry, &message));
  TW_TRY(tw_tls_server_hello_decode(message.body, &asked));
  assert_true(tw_tls_find_extension(asked.extensions, TW_TLS_EXT_COOKIE, &data));
  TW_TRY(tw_tls_read_cookie(data, &cookie));
  TW_TRY(tw_tls_message_decode(tw_buf_bytes(&maker->first), &message));
  TW_TRY(tw_tls_client_hello_decode(message.body, &first));
  return tw_tls_client_hello_again(&first, NULL, cookie, hello);
}

static tw_err make_hello(void *ctx, tw_bytes extension, tw_bytes retry, tw_buf *hello) {
  hello_maker *maker = ctx;
  maker->made++;
  if (retry.len > 0) return make_second(maker, retry, hello);
  static const uint8_t drawn[TW_TLS_RANDOM + TW_TLS_SESSION_ID_MAX + TW_TLS_GREASE_SEED] = {1, 2, 3};
  tw_buf share = TW_BUF_INIT(&wire.test.alloc);
  tw_err err = tw_tls_make_share(&wire.test.env, TW_TLS_X25519, &share);
  const tw_tls_hello_parts parts = {.random = drawn,
                                    .session_id = drawn,
                                    .grease = drawn,
                                    .suite = tw_tls_suite_by_id(0x1301),
                                    .share = {TW_TLS_X25519, tw_buf_bytes(&share)},
                                    .key_package = extension};
  if (err == TW_OK) err = tw_tls_client_hello_make(&wire.test.env, &parts, hello);
  if (err == TW_OK) err = tw_buf_assign(&maker->first, tw_buf_bytes(hello));
  tw_buf_clear(&share);
  return err;
}

static void a_hello_made_elsewhere_is_sent_and_a_second_one_too(void **state) {
  (void)state;
  static const uint8_t key[48] = {7};
  for (unsigned retry = 0; retry < 2; retry++) {
    (void)teardown(NULL);
    (void)setup(NULL);
    hello_maker maker = {.first = TW_BUF_INIT(&wire.test.alloc)};
    of_alice.client_hello = make_hello;
    of_alice.client_hello_ctx = &maker;
    of_alice.standard = true;
    of_bob.retry = retry == 1;
    of_bob.cookie_key = TW_ARRAY(key);
    tw_test_wire_establish(&wire);
    assert_int_equal(maker.made, retry + 1);
    assert_alive();
    tw_buf_clear(&maker.first);
  }
}

/* ---- sessions ---- */

static void sessions_go_on_without_another_handshake(void **state) {
  (void)state;
  tw_test_wire_durable(&wire);
  tw_test_wire_establish(&wire);
  assert_true(alice->disk.len > 0 && bob->disk.len > 0);
  for (unsigned i = 0; i < 4; i++) {
    tw_test_side *opener = i == 2 ? bob : alice;
    tw_test_side *other = i == 2 ? alice : bob;
    tw_test_wire_reopen(&wire, opener);
    tw_test_side_write(opener, TW_LITERAL("early"));
    (void)tw_test_wire_move(&wire, opener, other, SIZE_MAX);
    assert_received(other, TW_LITERAL("early"));
    tw_test_wire_run(&wire, SIZE_MAX);
    assert_true(tw_test_side_event(alice, TW_CHANNEL_ESTABLISHED)->resumed);
    assert_true(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED)->resumed);
    assert_alive();
  }
}

static void nothing_leaves_before_it_is_saved(void **state) {
  (void)state;
  tw_test_wire_durable(&wire);
  tw_test_wire_open(&wire);
  (void)tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
  alice->disk_full = true;
  (void)tw_test_wire_move(&wire, bob, alice, SIZE_MAX);
  assert_true(tw_channel_unsaved(alice->channel));
  assert_int_equal(tw_channel_output(alice->channel).len, TW_RECORD_HEADER + 1); /* change_cipher_spec */
  alice->disk_full = false;
  tw_test_side_take(alice);
  assert_true(tw_channel_output(alice->channel).len > TW_RECORD_HEADER + 1);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_alive();
}

static void sessions_of_one_protocol_are_no_good_in_the_other(void **state) {
  (void)state;
  tw_test_wire_durable(&wire);
  tw_test_wire_establish(&wire);
  tw_channel_config config = alice->config;
  config.protocol = TW_CHANNEL_MLS_TLS;
  config.resume = tw_buf_bytes(&alice->disk);
  tw_channel *channel = NULL;
  assert_int_not_equal(tw_channel_connect(&config, wire.now_ms, &channel), TW_OK);
  /* And a request for it at an MLS-TLS port. */
  bob->config.protocol = TW_CHANNEL_MLS_TLS;
  tw_test_wire_reopen(&wire, alice);
  assert_both_refuse(TW_ERR_NO_SESSION, TW_ALERT_UNKNOWN_PSK_IDENTITY);
}

static void damaged_sessions_do_no_harm(void **state) {
  (void)state;
  tw_test_wire_durable(&wire);
  tw_test_wire_establish(&wire);
  tw_channel_config config = alice->config;
  tw_buf bad = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&bad, tw_buf_bytes(&alice->disk)), TW_OK);
  for (size_t cut = 1; cut < bad.len; cut++) {
    tw_channel *channel = NULL;
    config.resume = TW_BYTES(bad.ptr, cut);
    assert_int_not_equal(tw_channel_connect(&config, wire.now_ms, &channel), TW_OK);
    assert_null(channel);
  }
  for (size_t at = 0; at < bad.len; at++) {
    tw_channel *channel = NULL;
    bad.ptr[at] ^= 1u << (at % 8);
    config.resume = tw_buf_bytes(&bad);
    (void)!tw_channel_connect(&config, wire.now_ms, &channel);
    tw_channel_free(channel);
    bad.ptr[at] ^= 1u << (at % 8);
  }
  tw_buf_clear(&bad);
}

/* ---- failures ---- */

static void try_all(void (*fail_in)(tw_test_env *, size_t), const bool *failed, tw_err expected) {
  for (size_t n = 1;; n++) {
    (void)teardown(NULL);
    (void)setup(NULL);
    fail_in(&wire.test, n);
    tw_err err = tw_channel_connect(&alice->config, wire.now_ms, &alice->channel);
    if (err == TW_OK) err = tw_channel_accept(&bob->config, wire.now_ms, &bob->channel);
    if (err == TW_OK) tw_test_wire_run(&wire, SIZE_MAX);
    fail_in(&wire.test, 0);
    if (err != TW_OK) {
      assert_int_equal(err, expected);
      continue;
    }
    if (!*failed) break;
    const tw_channel_event *a = tw_test_side_event(alice, TW_CHANNEL_CLOSED);
    const tw_channel_event *b = tw_test_side_event(bob, TW_CHANNEL_CLOSED);
    const bool told = (a != NULL && a->reason == expected) || (b != NULL && b->reason == expected);
    const bool lived = tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED) > 0 && a == NULL && b == NULL;
    assert_true(told || lived);
  }
}

static void failing_memory_and_randomness_are_survived(void **state) {
  (void)state;
  try_all(tw_test_fail_alloc, &wire.test.alloc_failed, TW_ERR_NO_MEMORY);
  try_all(tw_test_fail_random, &wire.test.random_failed, TW_ERR_RANDOM);
  tw_test_wire_run(&wire, SIZE_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_suite_shakes_hands_talks_and_renews_keys),
      TEST(it_comes_in_pieces_of_any_size),
      TEST(names_and_protocols_are_agreed_on),
      TEST(a_server_may_ask_for_a_second_hello),
      TEST(records_keep_to_the_sizes_agreed_on),
      TEST(the_server_is_established_by_finished_only),
      TEST(middlebox_records_are_dropped_only_where_they_belong),
      TEST(a_damaged_handshake_never_establishes_both),
      TEST(mls_tls_and_tls_do_not_mix),
      TEST(a_client_without_mls_is_for_another_library_if_there_is_one),
      TEST(a_hello_made_elsewhere_is_sent_and_a_second_one_too),
      TEST(sessions_go_on_without_another_handshake),
      TEST(nothing_leaves_before_it_is_saved),
      TEST(sessions_of_one_protocol_are_no_good_in_the_other),
      TEST(damaged_sessions_do_no_harm),
      TEST(failing_memory_and_randomness_are_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
