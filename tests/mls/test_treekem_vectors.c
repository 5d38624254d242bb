/* label: slow. The published treekem vectors. SPDX-License-Identifier: Apache-2.0 */
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

static void treekem(void **state) {
  (void)state;
  run("treekem");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(treekem),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
