/* Records are made without looking at keys or content, as tests/crypto/test_secret_flow.c has it. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "record/record.h"
#include "tw_test_env.h"
#include "tw_test_secrecy.h"

static void sealing_does_not_look_at_traffic_secret_or_content(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    uint8_t traffic_secret[TW_HASH_MAX];
    uint8_t record[TW_RECORD_OVERHEAD + 100 + 3];
    memset(traffic_secret, 0x42, sizeof traffic_secret);
    memset(record, 0x17, sizeof record);
    tw_test_hide(traffic_secret, sizeof traffic_secret);
    tw_test_hide(record + TW_RECORD_HEADER, 100);
    tw_record_key key = {0};
    assert_int_equal(tw_record_key_init(&test.env, suite, TW_BYTES(traffic_secret, suite->hash->size), &key), TW_OK);
    for (int round = 0; round < 3; round++)
      assert_int_equal(tw_record_seal(&key, TW_RECORD_APPLICATION_DATA, record, 100, 3), TW_OK);
    uint8_t next[TW_HASH_MAX];
    assert_int_equal(tw_hkdf_expand_label(&test.env, suite, TW_BYTES(traffic_secret, suite->hash->size), "traffic upd",
                                          TW_NO_BYTES, next, suite->hash->size),
                     TW_OK);
    tw_record_key_clear(&key);
  }
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sealing_does_not_look_at_traffic_secret_or_content)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
