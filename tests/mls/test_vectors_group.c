/* label: slow. The published vectors of whole groups: welcome and passive-client-*. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"
#include "vectors.h"

static void welcomes(void **state) {
  (void)state;
  tw_test_vectors_pass("welcome");
}

static void passive_clients_join(void **state) {
  (void)state;
  tw_test_vectors_pass("passive-client-welcome");
}

static void passive_clients_follow_commits(void **state) {
  (void)state;
  tw_test_vectors_pass("passive-client-handling-commit");
}

static void passive_clients_follow_random_histories(void **state) {
  (void)state;
  tw_test_vectors_pass("passive-client-random");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(welcomes),
      cmocka_unit_test(passive_clients_join),
      cmocka_unit_test(passive_clients_follow_commits),
      cmocka_unit_test(passive_clients_follow_random_histories),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
