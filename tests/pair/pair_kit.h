/* Two parties that are new for each test, and what the responder says of a hello. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PAIR_KIT_H
#define TW_TESTS_PAIR_KIT_H

#include "tw_cmocka.h"

#include "support/tw_test_pair.h"

static tw_test_pair t;

static inline int setup(void **state) {
  (void)state;
  tw_test_pair_begin(&t, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static inline int teardown(void **state) {
  (void)state;
  tw_test_pair_end(&t);
  return 0;
}

static inline tw_err respond_to(tw_bytes hello) {
  tw_buf answer = tw_test_pair_buf(&t);
  tw_pair *pair = NULL;
  const tw_err err = tw_pair_respond(&t.bob_config, hello, TW_TEST_NOW_MS, &pair, &answer);
  if (err != TW_OK) {
    assert_null(pair);
    assert_int_equal(answer.len, 0);
  }
  tw_pair_free(pair);
  tw_buf_clear(&answer);
  return err;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
