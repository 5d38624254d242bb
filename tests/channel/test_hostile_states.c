/*
 * label: no-valgrind
 * Every message and record, valid ones of another session, in every state of both sides of a protocol, in the clear and
 * protected by the right key. What becomes of it follows from a few rules, which are written down here.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tw_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "support/tw_test_hostile.h"
#include "support/tw_test_tls.h"
#include "tls/envelope.h"
#include "tls/protocol.h"

/* test_hostile_states_tls.c has the other one. */
#ifndef PROTOCOL
#define PROTOCOL TW_CHANNEL_MLS_TLS
#endif

/* ---- what is thrown ---- */

typedef enum kind {
  /* of another session: 2PMLS messages of this protocol, and of the other one */
  CLIENT_HELLO,
  SERVER_HELLO,
  UPDATE,
  KEY_UPDATED,
  REQUEST,
  RESPONSE,
  FOREIGN_CLIENT_HELLO,
  FOREIGN_SERVER_HELLO,
  FOREIGN_UPDATE,
  FOREIGN_KEY_UPDATED,
  FOREIGN_REQUEST,
  FOREIGN_RESPONSE,
  /* TLS 1.3 of another handshake */
  TLS_CLIENT_HELLO,
  TLS_SECOND_HELLO,
  TLS_RETRY,
  TLS_SERVER_HELLO,
  TLS_EXTENSIONS,
  TLS_FINISHED_OF_SERVER,
  TLS_FINISHED_OF_CLIENT,
  /* TLS 1.3 messages that have no place in either protocol */
  TLS_NO_PLACE,
  TLS_NO_PLACE_END = TLS_NO_PLACE + 9,
  /* records */
  DATA = TLS_NO_PLACE_END,
  NO_DATA,
  CCS,
  FATAL_ALERT,
  CLOSE_NOTIFY,
  USER_CANCELED,
  SHORT_ALERT,
  HEARTBEAT,
  TYPE_ZERO,
  NO_HANDSHAKE,
  NO_ALERT,
  KINDS
} kind;

static const uint8_t no_place[] = {0 /* HelloRequest */, TW_TLS_NEW_SESSION_TICKET,  TW_TLS_END_OF_EARLY_DATA,
                                   TW_TLS_CERTIFICATE,   TW_TLS_CERTIFICATE_REQUEST, TW_TLS_CERTIFICATE_VERIFY,
                                   TW_TLS_KEY_UPDATE,    TW_TLS_MESSAGE_HASH,        255};

static const struct {
  uint8_t type;
  tw_bytes content;
} records[] = {
    {TW_RECORD_APPLICATION_DATA, TW_LITERAL("x")},
    {TW_RECORD_APPLICATION_DATA, TW_LITERAL("")},
    {TW_RECORD_CHANGE_CIPHER_SPEC, TW_LITERAL("\1")},
    {TW_RECORD_ALERT, TW_LITERAL("\2\x28")},
    {TW_RECORD_ALERT, TW_LITERAL("\1\0")},
    {TW_RECORD_ALERT, TW_LITERAL("\1\x5a")},
    {TW_RECORD_ALERT, TW_LITERAL("\2")},
    {24, TW_LITERAL("\1\0\1x")},
    {0, TW_LITERAL("x")},
    {TW_RECORD_HANDSHAKE, TW_LITERAL("")},
    {TW_RECORD_ALERT, TW_LITERAL("")},
};

static tw_test_hostile h;

/* Messages as the peer would have said them in another session; by the protocol of that. */
static tw_buf recorded[2][TLS_NO_PLACE];

static void record(kind what, tw_channel_protocol protocol, bool by_alice, tw_test_phase phase) {
  const tw_test_stand stand = {protocol, by_alice, phase};
  tw_test_hostile_go(&h, &stand, 4711);
  assert_int_equal(h.next_type, TW_RECORD_HANDSHAKE);
  assert_int_equal(tw_buf_append(&recorded[protocol][what], tw_buf_bytes(&h.next)), TW_OK);
  tw_test_hostile_done(&h);
}

/* The KeyPackage or Welcome of TLS+MLS, in the form that MLS-TLS has for it. */
static void record_as_mls_tls(kind from, kind what, tw_pair_message_type type) {
  const tw_bytes bare = tw_test_tls_extension(tw_buf_bytes(&recorded[TW_CHANNEL_TLS][from]),
                                              tw_code_points_default.tls_using_mls_handshake);
  tw_buf wrapped = {0};
  assert_int_equal(tw_tls_wrap(bare, type, &wrapped), TW_OK);
  const uint8_t header[] = {0xf4, 0, (uint8_t)(wrapped.len >> 8), (uint8_t)wrapped.len};
  assert_int_equal(tw_buf_append(&recorded[TW_CHANNEL_TLS][what], TW_ARRAY(header)), TW_OK);
  assert_int_equal(tw_buf_append(&recorded[TW_CHANNEL_TLS][what], tw_buf_bytes(&wrapped)), TW_OK);
  tw_buf_clear(&wrapped);
}

/* What comes before TW_TEST_RETRIED. */
static void record_retry(void) {
  const tw_test_stand stand = {TW_CHANNEL_TLS, true, TW_TEST_HELLO};
  tw_test_hostile_go(&h, &stand, 4711);
  h.tls[1].retry = true;
  tw_channel_free(h.peer->channel);
  tw_channel_free(h.victim->channel);
  tw_test_wire_open(&h.wire);
  (void)tw_test_wire_move(&h.wire, h.victim, h.peer, SIZE_MAX);
  const tw_bytes out = tw_channel_output(h.peer->channel);
  const size_t size = 4 + (((size_t)out.ptr[7] << 8) | out.ptr[8]);
  assert_int_equal(tw_buf_append(&recorded[TW_CHANNEL_TLS][TLS_RETRY], TW_BYTES(out.ptr + 5, size)), TW_OK);
  tw_test_hostile_done(&h);
}

static int record_all(void **state) {
  (void)state;
  tw_test_hostile_init(&h);
  static const uint8_t epoch_nine[] = {0xf4, 0, 0, 12, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9};
  for (unsigned i = 0; i < 2; i++) {
    const tw_channel_protocol protocol = i == 0 ? TW_CHANNEL_MLS_TLS : TW_CHANNEL_TLS;
    record(UPDATE, protocol, true, TW_TEST_UP);
    record(REQUEST, protocol, false, TW_TEST_REQUESTED);
    record(RESPONSE, protocol, true, TW_TEST_ASKING);
    assert_int_equal(tw_buf_append(&recorded[i][KEY_UPDATED], TW_ARRAY(epoch_nine)), TW_OK);
  }
  record(CLIENT_HELLO, TW_CHANNEL_MLS_TLS, false, TW_TEST_HELLO);
  record(SERVER_HELLO, TW_CHANNEL_MLS_TLS, true, TW_TEST_HELLO);
  record(TLS_CLIENT_HELLO, TW_CHANNEL_TLS, false, TW_TEST_HELLO);
  record(TLS_SECOND_HELLO, TW_CHANNEL_TLS, false, TW_TEST_RETRIED);
  record(TLS_SERVER_HELLO, TW_CHANNEL_TLS, true, TW_TEST_HELLO);
  record(TLS_EXTENSIONS, TW_CHANNEL_TLS, true, TW_TEST_ENCRYPTED);
  record(TLS_FINISHED_OF_SERVER, TW_CHANNEL_TLS, true, TW_TEST_FINISHED);
  record(TLS_FINISHED_OF_CLIENT, TW_CHANNEL_TLS, false, TW_TEST_FINISHED);
  record_retry();
  record_as_mls_tls(TLS_CLIENT_HELLO, CLIENT_HELLO, TW_PAIR_CLIENT_HELLO);
  record_as_mls_tls(TLS_SERVER_HELLO, SERVER_HELLO, TW_PAIR_SERVER_HELLO);
  return 0;
}

static int forget_all(void **state) {
  (void)state;
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; k < TLS_NO_PLACE; k++) tw_buf_clear(&recorded[i][k]);
  tw_test_hostile_clear(&h);
  return 0;
}

static tw_bytes message_of(tw_channel_protocol protocol, kind what) {
  static const uint8_t only_type[9][4];
  static uint8_t empty[4];
  if (what >= TLS_NO_PLACE) {
    memcpy(empty, only_type[0], sizeof empty);
    empty[0] = no_place[what - TLS_NO_PLACE];
    return TW_ARRAY(empty);
  }
  if (what >= TLS_CLIENT_HELLO) return tw_buf_bytes(&recorded[TW_CHANNEL_TLS][what]);
  const bool foreign = what >= FOREIGN_CLIENT_HELLO;
  const kind plain = foreign ? (kind)(what - FOREIGN_CLIENT_HELLO) : what;
  const tw_channel_protocol of = (protocol == TW_CHANNEL_TLS) != foreign ? TW_CHANNEL_TLS : TW_CHANNEL_MLS_TLS;
  return tw_buf_bytes(&recorded[of][plain]);
}

/* ---- what has to become of it ---- */

typedef struct outcome {
  tw_err err;
  int alert; /* < 0: none */
} outcome;

static const outcome taken = {TW_OK, -1};
static const outcome unexpected = {TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE};
static const outcome of_another_group = {TW_ERR_WRONG_GROUP, TW_ALERT_ILLEGAL_PARAMETER};
static const outcome forbidden = {TW_ERR_FORBIDDEN, TW_ALERT_ILLEGAL_PARAMETER};
static const outcome of_another_protocol = {TW_ERR_BINDING, TW_ALERT_HANDSHAKE_FAILURE};
static const outcome unknown_session = {TW_ERR_NO_SESSION, TW_ALERT_UNKNOWN_PSK_IDENTITY};
static const outcome does_not_verify = {TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR};
static const outcome does_not_open = {TW_ERR_DECRYPT, TW_ALERT_BAD_RECORD_MAC};

/* ChangeCipherSpec: in the clear, between the first ClientHello and the peer's Finished. */
static outcome expect_ccs(bool is_protected) {
  if (is_protected || !tw_test_shakes_hands(&h)) return unexpected;
  if (h.stand->phase == TW_TEST_HELLO) return h.stand->by_alice ? taken : unexpected;
  return h.stand->phase == TW_TEST_REQUESTED ? unexpected : taken;
}

/* Alerts: in the clear as long as there is no key, and from who may have none. */
static outcome expect_alert(kind what, bool is_protected) {
  const tw_test_phase phase = h.stand->phase;
  const bool may_lack_key = phase == TW_TEST_CONFIRM || phase == TW_TEST_ASKED ||
                            (phase == TW_TEST_FINISHED && !h.stand->by_alice);
  if (!is_protected && tw_test_has_key(&h) && !may_lack_key) return unexpected;
  if (what == NO_ALERT) return unexpected;
  if (what == SHORT_ALERT) return (outcome){TW_ERR_ENCODING, TW_ALERT_DECODE_ERROR};
  if (what == USER_CANCELED) return taken;
  if (what == FATAL_ALERT) return (outcome){TW_ERR_ALERT, 40};
  /* Who can protect it is known; before that it is the end. */
  return is_protected && !tw_test_shakes_hands(&h) ? taken : (outcome){TW_ERR_ALERT, 0};
}

static outcome expect_data(bool is_protected) {
  if (is_protected) return tw_test_shakes_hands(&h) ? unexpected : taken;
  return tw_test_has_key(&h) ? does_not_open : unexpected;
}

/* A replayed hello, by which nobody is established; or our own: two members cannot have one key. */
static outcome thrown_back(void) {
  return h.stand->by_alice ? (outcome){TW_ERR_PROPOSAL, TW_ALERT_ILLEGAL_PARAMETER} : taken;
}

/* The 2PMLS messages that begin a connection. */
static outcome expect_opening(kind what) {
  const tw_test_phase phase = h.stand->phase;
  const bool mls_tls = h.stand->protocol == TW_CHANNEL_MLS_TLS;
  const bool waits = phase == TW_TEST_REQUESTED || (phase == TW_TEST_HELLO && !h.stand->by_alice);
  if (waits && (what == REQUEST || what == FOREIGN_REQUEST))
    return phase == TW_TEST_HELLO ? unknown_session : of_another_group;
  if (waits && mls_tls && what == CLIENT_HELLO) return thrown_back();
  if (waits && mls_tls && what == FOREIGN_CLIENT_HELLO) return of_another_protocol;
  if (phase == TW_TEST_HELLO && mls_tls && (what == SERVER_HELLO || what == FOREIGN_SERVER_HELLO))
    return h.stand->by_alice ? of_another_group : unexpected;
  if (phase == TW_TEST_ASKING &&
      (what == RESPONSE || what == FOREIGN_RESPONSE || what == REQUEST || what == FOREIGN_REQUEST))
    return of_another_group;
  return unexpected;
}

static outcome expect_pair_message(kind what, bool is_protected) {
  if (!tw_test_has_key(&h)) return expect_opening(what);
  if (!is_protected) return unexpected;
  switch (h.stand->phase) {
  case TW_TEST_CONFIRM:
  case TW_TEST_UP:
  case TW_TEST_HALF_CLOSED:
  case TW_TEST_UPDATING: return what == UPDATE || what == FOREIGN_UPDATE ? of_another_group : unexpected;
  default: return unexpected;
  }
}

static outcome expect_tls_message(kind what, bool is_protected) {
  const bool is_client = h.stand->by_alice;
  if (!tw_test_shakes_hands(&h) || is_protected != tw_test_has_key(&h)) return unexpected;
  switch (h.stand->phase) {
  case TW_TEST_HELLO:
  case TW_TEST_REQUESTED:
    if (h.stand->phase == TW_TEST_HELLO && is_client)
      return what == TLS_SERVER_HELLO || what == TLS_RETRY ? forbidden : unexpected; /* another session id */
    return what == TLS_CLIENT_HELLO || what == TLS_SECOND_HELLO ? thrown_back() : unexpected;
  case TW_TEST_RETRIED:
    if (is_client) return what == TLS_SERVER_HELLO ? forbidden : unexpected;
    if (what == TLS_CLIENT_HELLO) return (outcome){TW_ERR_FORBIDDEN, TW_ALERT_MISSING_EXTENSION};
    return what == TLS_SECOND_HELLO ? taken : unexpected;
  case TW_TEST_ENCRYPTED: return what == TLS_EXTENSIONS ? taken : unexpected;
  default: return what == TLS_FINISHED_OF_CLIENT || what == TLS_FINISHED_OF_SERVER ? does_not_verify : unexpected;
  }
}

static outcome expect(kind what, bool is_protected) {
  switch (what) {
  case DATA:
  case NO_DATA: return expect_data(is_protected);
  case CCS: return expect_ccs(is_protected);
  case FATAL_ALERT:
  case CLOSE_NOTIFY:
  case USER_CANCELED:
  case SHORT_ALERT:
  case NO_ALERT: return expect_alert(what, is_protected);
  case HEARTBEAT:
  case TYPE_ZERO:
  case NO_HANDSHAKE: return unexpected;
  default: break;
  }
  return what < TLS_CLIENT_HELLO ? expect_pair_message(what, is_protected) : expect_tls_message(what, is_protected);
}

/* Whoever has protected a record has the keys: that is what these two wait for. */
static bool shows_keys(bool is_protected) {
  return is_protected && (h.stand->phase == TW_TEST_CONFIRM || h.stand->phase == TW_TEST_ASKED);
}

/* ---- the table ---- */

static size_t rows, failures;

static void check(const tw_test_stand *stand, kind what, bool is_protected) {
  tw_test_hostile_go(&h, stand, 1);
  if (is_protected && !tw_test_has_key(&h)) {
    tw_test_hostile_done(&h);
    return;
  }
  outcome expected = expect(what, is_protected);
  /* What has changed with this very record and was not saved has not happened, and nobody is told. */
  const bool opens = what < DATA || what == SHORT_ALERT;
  if (stand->phase == TW_TEST_CONFIRM && is_protected && opens) expected.alert = 0;
  const bool confirms = shows_keys(is_protected);
  const size_t established = tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED);
  const bool is_record = what >= DATA;
  const tw_bytes content = is_record ? records[what - DATA].content : message_of(stand->protocol, what);
  const tw_err err = tw_test_throw(&h, is_protected, is_record ? records[what - DATA].type : TW_RECORD_HANDSHAKE,
                                   content);
  const tw_channel_event *closed = tw_test_side_event(h.victim, TW_CHANNEL_CLOSED);
  const int alert = closed == NULL ? -1 : closed->alert;
  const bool wrong = err != expected.err || (expected.err != TW_OK && alert != expected.alert);
  failures += wrong;
  if (wrong)
    print_error("%s, kind %d, %s: error %x alert %d, not %x alert %d\n", tw_test_stand_name(stand), (int)what,
                is_protected ? "protected" : "plain", (unsigned)err, alert, (unsigned)expected.err, expected.alert);
  else if (expected.err == TW_OK)
    tw_test_assert_open(&h);
  else
    tw_test_assert_ended(&h, expected.err, expected.alert);
  if (!confirms) assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), established);
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_REKEYED), stand->phase == TW_TEST_SWITCHING);
  rows++;
  tw_test_hostile_done(&h);
}

static void check_all(bool is_protected) {
  rows = 0;
  for (size_t i = 0; i < tw_test_stand_count; i++) {
    if (tw_test_stands[i].protocol != PROTOCOL) continue;
    for (int what = 0; what < KINDS; what++) check(&tw_test_stands[i], (kind)what, is_protected);
  }
  assert_int_equal(failures, 0);
  assert_true(rows > 350);
}

static void nothing_is_taken_in_the_clear_but_what_belongs_there(void **state) {
  (void)state;
  check_all(false);
}

static void nothing_protected_is_taken_but_what_belongs_there(void **state) {
  (void)state;
  check_all(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_taken_in_the_clear_but_what_belongs_there),
      cmocka_unit_test(nothing_protected_is_taken_but_what_belongs_there),
  };
  return cmocka_run_group_tests(tests, record_all, forget_all);
}
