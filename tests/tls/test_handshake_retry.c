/* Handshakes with a HelloRetryRequest. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_kit.h"

static void a_retry_is_answered_with_the_cookie(void **state) {
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    start(i == 0 ? 1 : 0xf102);
    with_retry();
    tw_test_tls_establish(&both);
    tw_test_tls_talk(&both);
    assert_int_equal(alice->messages, 3);
    assert_int_equal(bob->messages, 4);
    tw_tls_info info;
    tw_tls_get_info(alice->tls, &info);
    assert_true(info.retried);
    tw_tls_get_info(bob->tls, &info);
    assert_true(info.retried);
    assert_int_equal(alice->ccs_sent, 1);
    assert_int_equal(bob->ccs_sent, 1);
    if (i == 0) tw_test_tls_clear(&both);
  }
}

/* The cookie has all that the server needs: another tw_tls goes on with it. */
static void another_server_goes_on_from_a_cookie(void **state) {
  (void)state;
  start(1);
  with_retry();
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  tw_test_tls_steps(alice);
  tw_test_tls_give(bob, tw_buf_bytes(&alice->wire));
  alice->wire.len = 0;
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_WAIT_CLIENT_HELLO_2);
  tw_tls_free(bob->tls);
  bob->config.retry = false;
  assert_int_equal(tw_tls_server_new(&bob->config, &bob->tls), TW_OK);
  tw_test_tls_give(alice, tw_buf_bytes(&bob->wire));
  bob->wire.len = 0;
  /* Without state it sees the change_cipher_spec first, and has to drop it (section 4.2.2). */
  tw_test_tls_give(bob, TW_BYTES(alice->wire.ptr + 6, alice->wire.len - 6));
  alice->wire.len = 0;
  tw_test_tls_run(&both);
  assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_DONE);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_retry_is_answered_with_the_cookie, teardown),
      cmocka_unit_test_teardown(another_server_goes_on_from_a_cookie, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
