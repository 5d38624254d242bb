/* The network's group over the delivery service: what is lost, crosses, or comes after a crash. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/network_kit.h"

static void all_come_together(void **state) {
  (void)state;
  begin_world(1, 0, 0x1f);
  expect_agreement(0x1f, 60000, "five");
  for (uint32_t i = 0; i < NODES; i++) assert_int_not_equal(status_of(i).number, 0);
  end_world();
}

static void keys_are_renewed(void **state) {
  (void)state;
  begin_world(2, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  const uint64_t epoch = status_of(0).epoch;
  const uint64_t made_ms = status_of(3).leaf_made_ms;
  tw_network_rekey(world.nodes[3].network, world.now_ms);
  live(2000);
  assert_true(agree(0x1f));
  assert_int_equal(status_of(0).epoch, epoch + 1);
  assert_true(status_of(3).leaf_made_ms > made_ms);
  end_world();
}

static void who_is_not_wanted_any_more_is_removed(void **state) {
  (void)state;
  begin_world(3, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  for (uint32_t i = 0; i < NODES; i++) {
    if (i == 4) continue;
    world.nodes[i].wanted &= ~(1u << 4);
    tw_network_roster_changed(world.nodes[i].network, world.now_ms);
  }
  expect_agreement(0x0f, 20000, "without the last");
  assert_int_equal(world.nodes[4].sending.stamp, 0);
  assert_false(status_of(4).there);
  end_world();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_come_together),
      cmocka_unit_test(keys_are_renewed),
      cmocka_unit_test(who_is_not_wanted_any_more_is_removed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
