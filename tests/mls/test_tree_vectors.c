/* The published vectors of the ratchet tree. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"
#include "vectors.h"

static void tree_math(void **state) {
  (void)state;
  tw_test_vectors_pass("tree-math");
}

static void tree_operations(void **state) {
  (void)state;
  tw_test_vectors_pass("tree-operations");
}

static void tree_validation(void **state) {
  (void)state;
  tw_test_vectors_pass("tree-validation");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tree_math),
      cmocka_unit_test(tree_operations),
      cmocka_unit_test(tree_validation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
