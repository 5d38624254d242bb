/* label: slow. The published vectors of whole groups: welcome and passive-client-*. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"
#include "tw_test_env.h"
#include "vectors.h"

static void run(const char *name) {
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const int result = tw_vectors_run_named(&test.env, name);
  tw_test_env_clear(&test);
  if (result < 0) skip();
  assert_int_equal(result, 1);
}

static void welcomes(void **state) {
  (void)state;
  run("welcome");
}

static void passive_clients_join(void **state) {
  (void)state;
  run("passive-client-welcome");
}

static void passive_clients_follow_commits(void **state) {
  (void)state;
  run("passive-client-handling-commit");
}

static void passive_clients_follow_random_histories(void **state) {
  (void)state;
  run("passive-client-random");
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
