/* A relay that was put back to an older copy of its store: the members bring it to where they are. SPDX-License-Identifier: Apache-2.0 */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/network_hostile.h"

static tw_buf kept; /* a GroupInfo and a tree of before */
static tw_buf kept_tree;

static void end(void) {
  tw_buf_clear(&kept);
  tw_buf_clear(&kept_tree);
  end_world();
}

static void a_relay_that_was_put_back_goes_on_from_where_the_members_are(void **state) {
  (void)state;
  begin_three(23);
  const uint64_t old = find_both_as(0, &kept, &kept_tree).epoch;
  for (uint32_t i = 0; i < 3; i++) {
    tw_network_rekey(world.nodes[i].network, world.now_ms);
    live(3000);
  }
  const uint64_t epoch = status_of(0).epoch;
  assert_true(epoch >= old + 3);
  tw_buf id = {0};
  assert_int_equal(tw_buf_assign(&id, tw_group_id(group_of(0))), TW_OK);
  restart_relay();
  record_epoch(1, 0x07, tw_buf_bytes(&id), old, &kept, &kept_tree);
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  live(30000);
  assert_true(agree(0x07));
  assert_int_equal(status_of(0).epoch, epoch);
  assert_int_equal(find_as(0, &kept).epoch, epoch);
  tw_network_rekey(world.nodes[2].network, world.now_ms);
  live(5000);
  assert_true(agree(0x07));
  assert_int_equal(status_of(0).epoch, epoch + 1);
  tw_buf_clear(&id);
  end();
}

/* One of them is in an epoch that the others have not heard of, and never will by mail. */
static void who_lost_mail_with_the_relays_state_comes_back(void **state) {
  (void)state;
  begin_three(24);
  const uint64_t old = find_both_as(0, &kept, &kept_tree).epoch;
  tw_buf id = {0};
  assert_int_equal(tw_buf_assign(&id, tw_group_id(group_of(0))), TW_OK);
  world.nodes[1].online = world.nodes[2].online = false;
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  live(3000);
  assert_true(status_of(0).epoch > status_of(1).epoch);
  restart_relay();
  record_epoch(1, 0x07, tw_buf_bytes(&id), old, &kept, &kept_tree);
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "with the one that is ahead");
  assert_true(status_of(0).epoch > old);
  tw_buf_clear(&id);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_relay_that_was_put_back_goes_on_from_where_the_members_are),
      cmocka_unit_test(who_lost_mail_with_the_relays_state_comes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
