/* The MLS working group's vectors of labels, key schedule, secret tree and framing. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "tw_test_env.h"
#include "vectors.h"

static void pass(const char *name) {
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const int passed = tw_vectors_run_named(&test.env, name);
  tw_test_env_clear(&test);
  if (passed < 0) skip();
  assert_int_equal(passed, 1);
}

#define PASSES(test_, name_)                                                                                           \
  static void test_(void **state) {                                                                                    \
    (void)state;                                                                                                       \
    pass(name_);                                                                                                       \
  }

PASSES(crypto_basics, "crypto-basics")
PASSES(key_schedule, "key-schedule")
PASSES(psk_secret, "psk_secret")
PASSES(secret_tree, "secret-tree")
PASSES(transcript_hashes, "transcript-hashes")
PASSES(message_protection, "message-protection")

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(crypto_basics), cmocka_unit_test(key_schedule),      cmocka_unit_test(psk_secret),
      cmocka_unit_test(secret_tree),   cmocka_unit_test(transcript_hashes), cmocka_unit_test(message_protection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
