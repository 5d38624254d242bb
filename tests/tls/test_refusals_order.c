/* Messages where they do not belong, and the alerts of errors. SPDX-License-Identifier: Apache-2.0 */
#include "tls/refusals_kit.h"

static const uint8_t types[] = {0,
                                TW_TLS_CLIENT_HELLO,
                                TW_TLS_SERVER_HELLO,
                                TW_TLS_NEW_SESSION_TICKET,
                                TW_TLS_END_OF_EARLY_DATA,
                                TW_TLS_ENCRYPTED_EXTENSIONS,
                                TW_TLS_CERTIFICATE,
                                TW_TLS_CERTIFICATE_REQUEST,
                                TW_TLS_CERTIFICATE_VERIFY,
                                TW_TLS_FINISHED,
                                TW_TLS_KEY_UPDATE,
                                0xf4,
                                TW_TLS_MESSAGE_HASH,
                                255};

/* One record of what waits. */
static void give_record(tw_test_tls_side *from, tw_test_tls_side *to) {
  tw_record_header header;
  assert_int_equal(tw_record_peek(tw_buf_bytes(&from->wire), true, &header), TW_OK);
  tw_test_tls_give(to, TW_BYTES(from->wire.ptr, header.size));
  tw_buf_consume(&from->wire, header.size);
}

/* A side in this state. */
static tw_test_tls_side *reach(tw_tls_state state) {
  tw_test_tls_side *side = state >= TW_TLS_WAIT_CLIENT_HELLO && state <= TW_TLS_WAIT_CLIENT_FINISHED ? bob : alice;
  reset_configs();
  if (state == TW_TLS_WAIT_SERVER_HELLO_2 || state == TW_TLS_WAIT_CLIENT_HELLO_2) with_retry();
  alice->separate = bob->separate = true;
  tw_test_tls_open(&both);
  for (unsigned i = 0; tw_tls_state_of(side->tls) != state; i++) {
    assert_true(i < 20);
    if (i == 0) {
      assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
      tw_test_tls_steps(alice);
    } else if (bob->wire.len > 0) {
      give_record(bob, alice);
    } else {
      give_record(alice, bob);
    }
  }
  return side;
}

static tw_tls_level level_of(uint8_t type) {
  return type == TW_TLS_FINISHED || type == TW_TLS_ENCRYPTED_EXTENSIONS ? TW_TLS_HANDSHAKE : TW_TLS_PLAIN;
}

static bool is_expected(tw_tls_state state, uint8_t type) {
  switch (state) {
  case TW_TLS_WAIT_SERVER_HELLO:
  case TW_TLS_WAIT_SERVER_HELLO_2: return type == TW_TLS_SERVER_HELLO;
  case TW_TLS_WAIT_ENCRYPTED: return type == TW_TLS_ENCRYPTED_EXTENSIONS;
  case TW_TLS_WAIT_CLIENT_HELLO:
  case TW_TLS_WAIT_CLIENT_HELLO_2: return type == TW_TLS_CLIENT_HELLO;
  case TW_TLS_WAIT_SERVER_FINISHED:
  case TW_TLS_WAIT_CLIENT_FINISHED: return type == TW_TLS_FINISHED;
  default: return false;
  }
}

static const tw_tls_state states[] = {TW_TLS_START,
                                      TW_TLS_WAIT_SERVER_HELLO,
                                      TW_TLS_WAIT_SERVER_HELLO_2,
                                      TW_TLS_WAIT_ENCRYPTED,
                                      TW_TLS_WAIT_SERVER_FINISHED,
                                      TW_TLS_WAIT_CLIENT_HELLO,
                                      TW_TLS_WAIT_CLIENT_HELLO_2,
                                      TW_TLS_WAIT_CLIENT_FINISHED,
                                      TW_TLS_DONE};
enum { STATES = sizeof states / sizeof states[0] };

static tw_err receive(tw_test_tls_side *side, tw_tls_level level, uint8_t type, bool ends_record) {
  const uint8_t message[] = {type, 0, 0, 0};
  return tw_tls_receive(side->tls, level, TW_ARRAY(message), ends_record, both.now_ms);
}

static void each_message_is_refused_in_each_state_but_its_own(void **state) {
  (void)state;
  for (size_t i = 0; i < STATES; i++) {
    for (size_t t = 0; t < sizeof types; t++) {
      for (int level = TW_TLS_PLAIN; level <= TW_TLS_APPLICATION; level++) {
        if (is_expected(states[i], types[t]) && level == (int)level_of(types[t])) continue;
        tw_test_tls_side *side = reach(states[i]);
        assert_int_equal(receive(side, (tw_tls_level)level, types[t], true), TW_ERR_UNEXPECTED);
        assert_int_equal(tw_tls_alert_told(side->tls), TW_ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(tw_tls_state_of(side->tls), TW_TLS_FAILED);
        tw_test_tls_close(&both);
      }
    }
  }
  alice->separate = bob->separate = false;
}

/* Section 5.1: keys change behind it. */
static void a_message_before_a_change_of_keys_ends_its_record(void **state) {
  (void)state;
  for (size_t i = 1; i + 1 < STATES; i++) {
    for (size_t t = 0; t < sizeof types; t++) {
      if (!is_expected(states[i], types[t])) continue;
      tw_test_tls_side *side = reach(states[i]);
      const tw_err err = receive(side, level_of(types[t]), types[t], false);
      assert_int_equal(err, types[t] == TW_TLS_ENCRYPTED_EXTENSIONS ? TW_ERR_TRUNCATED : TW_ERR_UNEXPECTED);
      tw_test_tls_close(&both);
    }
  }
  alice->separate = bob->separate = false;
}

static void errors_have_their_alerts(void **state) {
  (void)state;
  static const struct {
    tw_err err;
    uint8_t alert;
  } cases[] = {{TW_ERR_TRUNCATED, DECODE},
               {TW_ERR_TRAILING, DECODE},
               {TW_ERR_ENCODING, DECODE},
               {TW_ERR_FORBIDDEN, ILLEGAL},
               {TW_ERR_UNSUPPORTED, FAILURE},
               {TW_ERR_CREDENTIAL, TW_ALERT_ACCESS_DENIED},
               {TW_ERR_LIFETIME, TW_ALERT_CERTIFICATE_EXPIRED},
               {TW_ERR_CERTIFICATE, TW_ALERT_BAD_CERTIFICATE},
               {TW_ERR_CERTIFICATE_USE, TW_ALERT_UNSUPPORTED_CERTIFICATE},
               {TW_ERR_CERTIFICATE_REVOKED, TW_ALERT_CERTIFICATE_REVOKED},
               {TW_ERR_CERTIFICATE_EXPIRED, TW_ALERT_CERTIFICATE_EXPIRED},
               {TW_ERR_UNKNOWN_CA, TW_ALERT_UNKNOWN_CA},
               {TW_ERR_CAPABILITY, FAILURE},
               {TW_ERR_BINDING, FAILURE},
               {TW_ERR_KEY_REUSED, ILLEGAL},
               {TW_ERR_WRONG_GROUP, ILLEGAL},
               {TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
               {TW_ERR_SIGNATURE, TW_ALERT_DECRYPT_ERROR},
               {TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR},
               {TW_ERR_DECRYPT, TW_ALERT_DECRYPT_ERROR},
               {TW_ERR_KEY, ILLEGAL},
               {TW_ERR_MISSING_TREE, ILLEGAL},
               {TW_ERR_LIMIT, ILLEGAL},
               {TW_ERR_NO_MEMORY, TW_ALERT_INTERNAL_ERROR},
               {TW_ERR_RANDOM, TW_ALERT_INTERNAL_ERROR},
               {TW_ERR_INTERNAL, TW_ALERT_INTERNAL_ERROR}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(tw_tls_alert_of(cases[i].err), cases[i].alert);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(each_message_is_refused_in_each_state_but_its_own, setup, teardown),
      cmocka_unit_test_setup_teardown(a_message_before_a_change_of_keys_ends_its_record, setup, teardown),
      cmocka_unit_test_setup_teardown(errors_have_their_alerts, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
