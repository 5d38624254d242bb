/* The key schedule does not look at secrets, as tests/crypto/test_secret_flow.c has it. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "tls/schedule.h"
#include "tw_test_env.h"
#include "tw_test_secrecy.h"

static void the_key_schedule_does_not_look_at_secrets(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; tw_tls_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_tls_suite_at(i);
    uint8_t hash[TW_HASH_MAX];
    uint8_t out[TW_HASH_MAX];
    tw_secret handshake_secret = {.len = suite->hash->size};
    memset(hash, 0x42, sizeof hash);
    memset(handshake_secret.data, 0x17, sizeof handshake_secret.data);
    tw_test_hide(handshake_secret.data, sizeof handshake_secret.data);
    tw_tls_traffic traffic = {0};
    tw_tls_epoch epoch = {0};
    assert_int_equal(tw_tls_handshake_traffic(&test.env, suite, &handshake_secret, hash, &traffic), TW_OK);
    assert_int_equal(tw_tls_verify_data(&test.env, suite, &traffic.client, hash, out), TW_OK);
    assert_int_equal(tw_tls_epoch_of_secret(&test.env, suite, &handshake_secret, hash, &epoch), TW_OK);
    assert_int_equal(tw_tls_export(&test.env, suite, &epoch.exporter, "label", TW_NO_BYTES, out, sizeof out), TW_OK);
    tw_tls_traffic_clear(&traffic);
    tw_tls_epoch_clear(&epoch);
  }
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_key_schedule_does_not_look_at_secrets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
