/*
 * Whose hello and whose answer it is: what was said before, to somebody else, by somebody else or for another protocol
 * is refused, by both sides of both protocols. (Certificates: tests/x509, tests/e2e/x509.sh.) SPDX-License-Identifier: Apache-2.0
 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_hostile.h"
#include "support/tw_test_tls.h"
#include "tls/envelope.h"
#include "tls/protocol.h"

enum { MLS = 0xff4d };

static tw_test_hostile h;
static tw_test_party carol;
static tw_buf said;

static int setup(void **state) {
  (void)state;
  tw_test_hostile_init(&h);
  tw_test_party_init(&carol, &h.wire.test, tw_suite_by_id(NULL, 1), "carol");
  h.blocks = h.wire.test.alloc_blocks;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_buf_clear(&said);
  tw_test_party_clear(&carol);
  tw_test_hostile_clear(&h);
  return 0;
}

static const tw_channel_protocol both[] = {TW_CHANNEL_MLS_TLS, TW_CHANNEL_TLS};

static void go(tw_channel_protocol protocol, bool by_alice, tw_test_phase phase) {
  static tw_test_stand stand;
  stand = (tw_test_stand){protocol, by_alice, phase};
  tw_test_hostile_go(&h, &stand, 21);
}

static void keep(tw_bytes bytes) { assert_int_equal(tw_buf_assign(&said, bytes), TW_OK); }

/* All records of the peer's in the clear, as they are. */
static void keep_output(const tw_channel *channel) { keep(tw_channel_output(channel)); }

/* ---- answers: the Welcome ---- */

/* The answer to a hello that `party` makes now. */
static void keep_answer_to(const tw_test_party *party) {
  tw_channel_config config = h.wire.alice.config;
  tw_channel *asking, *answering;
  size_t taken;
  config.clients = party->clients;
  assert_int_equal(tw_channel_connect(&config, h.wire.now_ms, &asking), TW_OK);
  assert_int_equal(tw_channel_accept(&h.wire.bob.config, h.wire.now_ms, &answering), TW_OK);
  assert_int_equal(tw_channel_input(answering, tw_channel_output(asking), h.wire.now_ms, &taken), TW_OK);
  keep_output(answering);
  tw_channel_free(asking);
  tw_channel_free(answering);
}

/* In TLS+MLS the session id comes back, which anybody can see: with the right one, it is for the Welcome to tell. */
static void put_session_id(void) {
  if (h.stand->protocol == TW_CHANNEL_TLS) memcpy(said.ptr + 5 + 39, h.next.ptr + 39, 32);
}

static void assert_answer_refused(void) {
  put_session_id();
  assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&said)), TW_ERR_WRONG_GROUP);
  tw_test_assert_ended(&h, TW_ERR_WRONG_GROUP, TW_ALERT_ILLEGAL_PARAMETER);
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 0);
  tw_test_hostile_done(&h);
}

static void a_welcome_of_an_older_connection_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    go(both[i], true, TW_TEST_HELLO);
    keep_answer_to(&h.wire.alice.party);
    assert_answer_refused();
  }
}

static void a_welcome_for_somebody_else_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    go(both[i], true, TW_TEST_HELLO);
    keep_answer_to(&carol);
    assert_answer_refused();
  }
}

/* ---- hellos: the KeyPackage ---- */

/* The same hello at a second connection. */
static void accept_again(void) {
  tw_channel_free(h.victim->channel);
  h.victim->event_count = 0;
  assert_int_equal(tw_channel_accept(&h.victim->config, h.wire.now_ms, &h.victim->channel), TW_OK);
}

/* The responder keeps nothing of hellos. A second use gives another session, of whose keys nobody has the secret:
 * whoever repeats the hello has not, and its maker has used it up. */
static void a_key_package_used_twice_lets_nobody_in(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    go(both[i], false, TW_TEST_HELLO);
    keep_output(h.peer->channel);
    tw_test_wire_run(&h.wire, SIZE_MAX);
    assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 1);
    tw_channel *first = h.victim->channel;
    h.victim->channel = NULL;
    tw_test_side_write(h.peer, TW_LITERAL("for the first one"));
    accept_again();
    assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&said)), TW_OK);
    assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 0);
    assert_false(tw_channel_writable(h.victim->channel));
    tw_tls *tls = h.victim->channel->tls;
    const tw_pair *pair = tls != NULL ? tw_tls_pair(tls) : h.victim->channel->pair;
    assert_false(tw_bytes_equal(tw_group_id(tw_pair_group(pair)), tw_group_id(tw_channel_group(first))));
    /* What its maker says is for the first session. */
    assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_channel_output(h.peer->channel)), TW_ERR_DECRYPT);
    tw_test_assert_ended(&h, TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC);
    assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 0);
    tw_channel_free(first);
    tw_test_hostile_done(&h);
  }
}

/* Nor does its maker take a second Welcome for it. */
static void a_second_welcome_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    go(both[i], true, TW_TEST_HELLO);
    tw_channel *other;
    size_t taken;
    tw_channel_free(h.peer->channel);
    assert_int_equal(tw_channel_accept(&h.peer->config, h.wire.now_ms, &h.peer->channel), TW_OK);
    assert_int_equal(tw_channel_accept(&h.peer->config, h.wire.now_ms, &other), TW_OK);
    tw_channel_free(h.victim->channel);
    assert_int_equal(tw_channel_connect(&h.victim->config, h.wire.now_ms, &h.victim->channel), TW_OK);
    const tw_bytes hello = tw_channel_output(h.victim->channel);
    assert_int_equal(tw_channel_input(other, hello, h.wire.now_ms, &taken), TW_OK);
    keep_output(other);
    tw_test_wire_run(&h.wire, SIZE_MAX);
    assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 1);
    assert_int_equal(tw_test_side_give(&h.wire, h.victim, tw_buf_bytes(&said)), TW_ERR_UNEXPECTED);
    tw_test_assert_ended(&h, TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
    tw_channel_free(other);
    tw_test_hostile_done(&h);
  }
}

/* ---- the wrong key ---- */

static void whom_the_policy_does_not_know_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    const bool by_alice = i % 2 == 0;
    go(both[i / 2], by_alice, TW_TEST_HELLO);
    h.victim->config.policy = &h.victim->party.policy;
    h.victim->party.refuses = true;
    const tw_err err = tw_test_side_give(&h.wire, h.victim, tw_channel_output(h.peer->channel));
    h.victim->party.refuses = false;
    h.victim->config.policy = NULL;
    assert_int_equal(err, TW_ERR_CREDENTIAL);
    tw_test_assert_ended(&h, TW_ERR_CREDENTIAL, TW_ALERT_ACCESS_DENIED);
    assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), 0);
    tw_test_hostile_done(&h);
  }
}

/* ---- another protocol ---- */

/* A hello of `protocol` by alice. */
static void keep_key_package(tw_channel_protocol protocol) {
  go(protocol, false, TW_TEST_HELLO);
  if (protocol == TW_CHANNEL_TLS) {
    keep(tw_test_tls_extension(tw_buf_bytes(&h.next), MLS));
  } else {
    tw_bytes bare;
    assert_int_equal(tw_tls_unwrap(TW_BYTES(h.next.ptr + 4, h.next.len - 4), TW_PAIR_CLIENT_HELLO, &bare), TW_OK);
    keep(bare);
  }
  tw_test_hostile_done(&h);
}

static void a_key_package_of_the_other_protocol_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    keep_key_package(both[1 - i]);
    go(both[i], false, TW_TEST_HELLO);
    if (both[i] == TW_CHANNEL_TLS) {
      tw_test_tls_set_extension(&h.next, MLS, tw_buf_bytes(&said));
    } else {
      tw_buf wrapped = {0};
      assert_int_equal(tw_tls_wrap(tw_buf_bytes(&said), TW_PAIR_CLIENT_HELLO, &wrapped), TW_OK);
      const uint8_t header[] = {0xf4, 0, (uint8_t)(wrapped.len >> 8), (uint8_t)wrapped.len};
      assert_int_equal(tw_buf_assign(&h.next, TW_ARRAY(header)), TW_OK);
      assert_int_equal(tw_buf_append(&h.next, tw_buf_bytes(&wrapped)), TW_OK);
      tw_buf_clear(&wrapped);
    }
    assert_int_equal(tw_test_throw(&h, false, TW_RECORD_HANDSHAKE, tw_buf_bytes(&h.next)), TW_ERR_BINDING);
    tw_test_assert_ended(&h, TW_ERR_BINDING, TW_ALERT_HANDSHAKE_FAILURE);
    tw_test_hostile_done(&h);
  }
}

/* ---- down to standard TLS ---- */

/* What a TLS 1.3 server without MLS answers. */
static void a_server_that_answers_without_mls_is_refused(void **state) {
  (void)state;
  static const uint8_t share[36] = {0, 0x1d, 0, 32, 9};
  go(TW_CHANNEL_TLS, true, TW_TEST_HELLO);
  tw_test_tls_remove_extension(&h.next, MLS);
  tw_test_tls_set_extension(&h.next, TW_TLS_EXT_KEY_SHARE, TW_ARRAY(share));
  assert_int_equal(tw_test_throw(&h, false, TW_RECORD_HANDSHAKE, tw_buf_bytes(&h.next)), TW_ERR_UNSUPPORTED);
  tw_test_assert_ended(&h, TW_ERR_UNSUPPORTED, TW_ALERT_HANDSHAKE_FAILURE);
  tw_test_hostile_done(&h);
  /* And one of TLS 1.2. */
  go(TW_CHANNEL_TLS, true, TW_TEST_HELLO);
  tw_test_tls_remove_extension(&h.next, MLS);
  tw_test_tls_remove_extension(&h.next, TW_TLS_EXT_SUPPORTED_VERSIONS);
  assert_int_equal(tw_test_throw(&h, false, TW_RECORD_HANDSHAKE, tw_buf_bytes(&h.next)), TW_ERR_UNSUPPORTED);
  tw_test_assert_ended(&h, TW_ERR_UNSUPPORTED, TW_ALERT_PROTOCOL_VERSION);
  tw_test_hostile_done(&h);
}

/* Somebody on the wire takes the KeyPackage out: a server that has no TLS library behind it refuses. */
static void a_hello_from_which_mls_was_taken_is_refused(void **state) {
  (void)state;
  go(TW_CHANNEL_TLS, false, TW_TEST_HELLO);
  tw_test_tls_remove_extension(&h.next, MLS);
  assert_int_equal(tw_test_throw(&h, false, TW_RECORD_HANDSHAKE, tw_buf_bytes(&h.next)), TW_ERR_UNSUPPORTED);
  tw_test_assert_ended(&h, TW_ERR_UNSUPPORTED, TW_ALERT_HANDSHAKE_FAILURE);
  tw_test_hostile_done(&h);
}

/* ---- updates of before ---- */

static void an_update_of_an_older_epoch_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    go(both[i / 2], i % 2 == 0, TW_TEST_UP);
    keep(tw_buf_bytes(&h.next));
    tw_test_wire_run(&h.wire, SIZE_MAX);
    assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_REKEYED), 1);
    assert_int_equal(tw_test_throw(&h, true, TW_RECORD_HANDSHAKE, tw_buf_bytes(&said)), TW_ERR_OLD_EPOCH);
    tw_test_assert_ended(&h, TW_ERR_OLD_EPOCH, TW_ALERT_UNEXPECTED_MESSAGE);
    tw_test_hostile_done(&h);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_welcome_of_an_older_connection_is_refused),  TEST(a_welcome_for_somebody_else_is_refused),
      TEST(a_key_package_used_twice_lets_nobody_in),      TEST(a_second_welcome_is_refused),
      TEST(whom_the_policy_does_not_know_is_refused),     TEST(a_key_package_of_the_other_protocol_is_refused),
      TEST(a_server_that_answers_without_mls_is_refused), TEST(a_hello_from_which_mls_was_taken_is_refused),
      TEST(an_update_of_an_older_epoch_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
