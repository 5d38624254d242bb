/* Peers without MLS, and hellos that another TLS library made: D12. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_kit.h"

/* ---- hellos made elsewhere ---- */

static void make_external(void) {
  tw_buf hello = {0};
  tw_tls *maker = NULL;
  tw_tls_config config = alice->config;
  tw_tls_step step;
  assert_int_equal(tw_tls_client_new(&config, both.now_ms, &maker), TW_OK);
  assert_int_equal(tw_tls_client_start(maker, TW_NO_BYTES), TW_OK);
  assert_true(tw_tls_next_step(maker, &step));
  assert_int_equal(tw_buf_assign(&hello, step.message), TW_OK);
  tw_test_tls_set_extension(&hello, 0xff4d, tw_tls_client_extension(alice->tls));
  assert_int_equal(tw_buf_assign(&alice->external, tw_buf_bytes(&hello)), TW_OK);
  tw_buf_clear(&hello);
  tw_tls_free(maker);
}

static void a_hello_made_elsewhere_is_as_good(void **state) {
  (void)state;
  start(1);
  tw_test_tls_open(&both);
  make_external();
  tw_test_tls_run(&both);
  assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_DONE);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
  tw_test_tls_talk(&both);
}

static tw_buf retry_cookie;

static void note_cookie(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from != bob || index != 0) return;
  const tw_bytes data = tw_test_tls_extension(tw_buf_bytes(message), TW_TLS_EXT_COOKIE);
  assert_int_equal(tw_buf_assign(&retry_cookie, data), TW_OK);
}

static void a_second_hello_made_elsewhere_is_taken(void **state) {
  (void)state;
  start(1);
  with_retry();
  both.tamper = note_cookie;
  tw_test_tls_open(&both);
  make_external();
  tw_test_tls_run(&both);
  assert_true(alice->hello_wanted);
  assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_WAIT_SECOND_HELLO);
  /* Without the cookie, with another one: nothing has happened. */
  assert_int_equal(tw_tls_client_start(alice->tls, tw_buf_bytes(&alice->external)), TW_ERR_FORBIDDEN);
  tw_buf second = {0};
  assert_int_equal(tw_buf_append(&second, tw_buf_bytes(&alice->external)), TW_OK);
  tw_test_tls_add_extension(&second, TW_TLS_EXT_COOKIE, TW_LITERAL("\0\1x"));
  assert_int_equal(tw_tls_client_start(alice->tls, tw_buf_bytes(&second)), TW_ERR_FORBIDDEN);
  tw_test_tls_set_extension(&second, TW_TLS_EXT_COOKIE, tw_buf_bytes(&retry_cookie));
  tw_test_tls_set_extension(&second, TW_TLS_EXT_PADDING, TW_LITERAL("\0\0\0"));
  assert_int_equal(tw_tls_client_start(alice->tls, tw_buf_bytes(&second)), TW_OK);
  tw_buf record = {0};
  assert_int_equal(tw_buf_reserve(&record, 5), TW_OK);
  record.len = 5;
  tw_record_put_plain_header(record.ptr, TW_RECORD_HANDSHAKE, second.len);
  assert_int_equal(tw_buf_append(&record, tw_buf_bytes(&second)), TW_OK);
  tw_test_tls_give(bob, tw_buf_bytes(&record));
  tw_test_tls_run(&both);
  assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_DONE);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
  tw_buf_clear(&second);
  tw_buf_clear(&record);
  tw_buf_clear(&retry_cookie);
}

static void unusable_hellos_from_elsewhere_are_the_callers_mistake(void **state) {
  (void)state;
  start(1);
  tw_test_tls_open(&both);
  make_external();
  tw_buf hello = {0};
  for (unsigned i = 0; i < 7; i++) {
    assert_int_equal(tw_buf_assign(&hello, tw_buf_bytes(&alice->external)), TW_OK);
    switch (i) {
    case 0: tw_test_tls_remove_extension(&hello, 0xff4d); break;
    case 1: tw_test_tls_set_extension(&hello, 0xff4d, TW_LITERAL("x")); break;
    case 2: tw_test_tls_add_extension(&hello, TW_TLS_EXT_EARLY_DATA, TW_NO_BYTES); break;
    case 3: tw_test_tls_set_extension(&hello, TW_TLS_EXT_SUPPORTED_VERSIONS, TW_LITERAL("\2\3\3")); break;
    case 4: hello.ptr[0] = TW_TLS_SERVER_HELLO; break;
    case 5: tw_test_tls_add_extension(&hello, TW_TLS_EXT_COOKIE, TW_LITERAL("\0\1x")); break;
    default: hello.len--; break;
    }
    assert_int_equal(tw_tls_client_start(alice->tls, tw_buf_bytes(&hello)), TW_ERR_ARGUMENT);
    assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_START);
  }
  tw_buf_clear(&hello);
  tw_test_tls_run(&both);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
}

/* ---- peers without MLS ---- */

static void forget_extension(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from == bob && index == 0) tw_test_tls_remove_extension(message, 0xff4d);
}

static void a_server_without_mls_ends_it(void **state) {
  (void)state;
  start(1);
  both.tamper = forget_extension;
  tw_test_tls_open(&both);
  tw_test_tls_run(&both);
  assert_int_equal(alice->err, TW_ERR_UNSUPPORTED);
  assert_int_equal(alice->alert_sent, TW_ALERT_HANDSHAKE_FAILURE);
  assert_int_equal(bob->alert_received, TW_ALERT_HANDSHAKE_FAILURE); /* unprotected, and yet it is taken */
  tw_test_tls_close(&both);
  /* To accept it, somebody else has to be able to go on. */
  alice->config.accept_standard = true;
  tw_test_tls_open(&both);
  tw_test_tls_run(&both);
  assert_int_equal(alice->alert_sent, TW_ALERT_HANDSHAKE_FAILURE);
  tw_test_tls_close(&both);
  tw_test_tls_open(&both);
  make_external();
  tw_test_tls_run(&both);
  assert_int_equal(alice->err, TW_OK);
  assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_STANDARD);
  tw_buf_clear(&alice->external);
}

static void forget_offer(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from == alice && index == 0) tw_test_tls_remove_extension(message, 0xff4d);
}

static void a_client_without_mls_is_for_somebody_else(void **state) {
  (void)state;
  start(1);
  both.tamper = forget_offer;
  tw_test_tls_open(&both);
  tw_test_tls_run(&both);
  assert_int_equal(bob->err, TW_OK);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_STANDARD);
  assert_int_equal(bob->messages, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_hello_made_elsewhere_is_as_good, teardown),
      cmocka_unit_test_teardown(a_second_hello_made_elsewhere_is_taken, teardown),
      cmocka_unit_test_teardown(a_server_without_mls_ends_it, teardown),
      cmocka_unit_test_teardown(a_client_without_mls_is_for_somebody_else, teardown),
      cmocka_unit_test_teardown(unusable_hellos_from_elsewhere_are_the_callers_mistake, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
