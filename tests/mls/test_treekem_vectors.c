/* label: slow. The published treekem vectors. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"
#include "vectors.h"

static void treekem(void **state) {
  (void)state;
  tw_test_vectors_pass("treekem");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(treekem),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
