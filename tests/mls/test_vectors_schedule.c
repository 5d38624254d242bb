/* The MLS working group's vectors of labels, key schedule, secret tree and framing. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "vectors.h"

#define PASSES(test_, name_)                                                                                           \
  static void test_(void **state) {                                                                                    \
    (void)state;                                                                                                       \
    tw_test_vectors_pass(name_);                                                                                       \
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
