/* Signatures of every scheme. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/suites.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

static void every_scheme_signs_and_verifies(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 3);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    tw_signer *signer = NULL;
    assert_int_equal(tw_signer_generate(&test.env, suite, &signer), TW_OK);
    for (int round = 0; round < 3; round++) {
      tw_buf signature = TW_BUF_INIT(&test.alloc);
      assert_int_equal(tw_sign(&test.env, signer, TW_LITERAL("content"), &signature), TW_OK);
      assert_int_equal(tw_verify(&test.env, suite, tw_signer_public_key(signer), TW_LITERAL("content"), tw_buf_bytes(&signature)),
                       TW_OK);
      assert_int_equal(tw_verify(&test.env, suite, tw_signer_public_key(signer), TW_LITERAL("Content"), tw_buf_bytes(&signature)),
                       TW_ERR_SIGNATURE);
      tw_buf_clear(&signature);
    }
    tw_signer_free(signer);
  }
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_scheme_signs_and_verifies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
