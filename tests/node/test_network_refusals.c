/* What members of the network's group may not do. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/network_hostile.h"

/* ---- commits ---- */

static void who_is_not_wanted_does_not_come_in(void **state) {
  (void)state;
  begin_with(1, 0, 0x0f);
  const uint64_t epoch = status_of(0).epoch;
  connect(&world.nodes[4]);
  calm();
  add_as(3, 4);
  live(5000);
  expect_stuck(0x07, epoch);
  assert_false(tw_network_has_member(world.nodes[0].network, &world.nodes[4].id));
  end_world();
}

static void who_was_refused_comes_in_when_it_is_wanted_after_all(void **state) {
  (void)state;
  begin_with(2, 0, 0x0f);
  connect(&world.nodes[4]);
  calm();
  world.nodes[3].wanted = 0x1f; /* it has heard of it first */
  tw_network_roster_changed(world.nodes[3].network, world.now_ms);
  tw_network_wants_in(world.nodes[3].network, KIT_NAME, &world.nodes[4].id, world.now_ms);
  live(15000);
  assert_int_equal(status_of(0).state, TW_NETWORK_STUCK);
  assert_int_equal(status_of(3).state, TW_NETWORK_MEMBER);
  const uint32_t leaf = status_of(0).own_leaf;
  set_rosters(0x1f);
  rosters_changed();
  expect_agreement(0x1f, 20000, "all of them");
  assert_int_equal(status_of(0).own_leaf, leaf);
  end_world();
}

static void it_is_as_well_when_the_refused_one_goes_again(void **state) {
  (void)state;
  begin_with(3, 0, 0x0f);
  connect(&world.nodes[4]);
  calm();
  world.nodes[3].wanted = 0x1f;
  tw_network_roster_changed(world.nodes[3].network, world.now_ms);
  tw_network_wants_in(world.nodes[3].network, KIT_NAME, &world.nodes[4].id, world.now_ms);
  live(15000);
  assert_int_equal(status_of(0).state, TW_NETWORK_STUCK);
  world.nodes[3].wanted = 0x0f;
  tw_network_remove(world.nodes[3].network, &world.nodes[4].id, world.now_ms);
  expect_agreement(0x0f, UINT64_C(7200000), "without it");
  end_world();
}

static void being_stuck_outlives_a_restart(void **state) {
  (void)state;
  begin_with(4, 0x08, 0x0f);
  const uint64_t epoch = status_of(0).epoch;
  add_as(3, 4);
  live(5000);
  for (uint32_t i = 0; i < 3; i++) crash(&world.nodes[i]);
  live(120000);
  expect_stuck(0x07, epoch);
  end_world();
}

static void only_admins_add(void **state) {
  (void)state;
  begin_with(5, 0x01, 0x0f);
  const uint64_t epoch = status_of(0).epoch;
  set_rosters(0x1f);
  add_as(1, 4);
  live(5000);
  expect_stuck(0x0d, epoch);
  end_world();
}

static void only_admins_remove(void **state) {
  (void)state;
  begin_with(6, 0x01, 0x0f);
  const uint64_t epoch = status_of(0).epoch;
  remove_as(1, 2);
  live(5000);
  expect_stuck(0x0d, epoch); /* the one who was to go does not go either */
  end_world();
}

static void what_a_member_did_that_it_may_not_is_not_forgiven_by_time(void **state) {
  (void)state;
  begin_with(7, 0x01, 0x0f);
  const uint64_t epoch = status_of(0).epoch;
  remove_as(1, 2);
  live(5000);
  for (int i = 0; i < 1000; i++) {
    pass_time(60000);
    tick_all();
    calm();
    rosters_changed(); /* nothing has */
  }
  expect_stuck(0x09, epoch);
  assert_int_equal(status_of(2).epoch, epoch);
  end_world();
}

static void an_admin_that_throws_out_the_culprit_heals_it(void **state) {
  (void)state;
  begin_with(8, 0x01, 0x0f);
  remove_as(1, 2);
  live(5000);
  set_rosters(0x0d);
  rosters_changed();
  expect_agreement(0x0d, UINT64_C(7200000), "without the culprit");
  end_world();
}

static void the_group_context_stays_as_it_is(void **state) {
  (void)state;
  begin_with(9, 0, 0x07);
  const uint64_t epoch = status_of(0).epoch;
  tw_buf extensions = {0};
  tw_buf proposals = {0};
  assert_int_equal(tw_buf_append(&extensions, tw_group_extensions(group_of(1))), TW_OK);
  assert_int_equal(tw_component_set(&extensions, 0x8077, TW_LITERAL("more")), TW_OK);
  assert_int_equal(tw_propose_extensions(&proposals, tw_buf_bytes(&extensions)), TW_OK);
  commit_as(1, tw_buf_bytes(&proposals), NODES, false);
  live(5000);
  expect_stuck(0x05, epoch);
  tw_buf_clear(&extensions);
  tw_buf_clear(&proposals);
  end_world();
}

static void the_group_is_not_closed(void **state) {
  (void)state;
  begin_with(10, 0, 0x07);
  const uint64_t epoch = status_of(0).epoch;
  tw_buf proposals = {0};
  tw_commit_result made = {0};
  assert_int_equal(tw_propose_reinit(group_of(1), &proposals, TW_LITERAL("other"), tw_group_suite(group_of(1)),
                                     tw_group_extensions(group_of(1))),
                   TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  assert_int_equal(tw_group_commit(group_of(1), &options, world.now_ms / 1000, &made), TW_OK);
  mail_commit(0, 1, tw_buf_bytes(&made.commit)); /* without a GroupInfo the relay has no use for it */
  mail_commit(2, 1, tw_buf_bytes(&made.commit));
  expect_stuck(0x05, epoch);
  tw_commit_result_clear(&made);
  tw_buf_clear(&proposals);
  end_world();
}

/* A member's leaf that is bound to another protocol, or network. */
static void a_leaf_is_bound_to_the_network(void **state) {
  (void)state;
  begin_with(11, 0, 0x07);
  const uint64_t epoch = status_of(0).epoch;
  const tw_channel_binding binding = {TW_LITERAL(TW_NETWORK_LABEL), TW_LITERAL("another.example")};
  tw_buf data = {0};
  tw_buf extensions = {0};
  assert_int_equal(tw_channel_binding_encode(&binding, &data), TW_OK);
  assert_int_equal(tw_component_set(&extensions, tw_code_points_default.channel_binding_component, tw_buf_bytes(&data)),
                   TW_OK);
  tw_client client = world.nodes[1].network->client;
  client.leaf_extensions = tw_buf_bytes(&extensions);
  const tw_commit_options options = {.client = &client, .want_group_info = true};
  tw_commit_result made = {0};
  assert_int_equal(tw_group_commit(group_of(1), &options, world.now_ms / 1000, &made), TW_OK);
  assert_int_equal(give_to_relay(1, &made, TW_NO_BYTES), TW_CONTROL_DONE);
  tw_commit_result_clear(&made);
  world.nodes[1].online = false;
  live(5000);
  expect_stuck(0x05, epoch);
  tw_buf_clear(&extensions);
  tw_buf_clear(&data);
  end_world();
}

/* Who is wanted, but no member, does not let itself in. It is mailed past the relay's own rule. */
static void nobody_comes_in_by_an_external_commit(void **state) {
  (void)state;
  begin_with(12, 0, 0x07);
  set_rosters(0x0f);
  const uint64_t epoch = status_of(0).epoch;
  static const tw_commit_options options = {.want_group_info = true};
  tw_buf group_info = {0};
  tw_commit_result made = {0};
  assert_int_equal(tw_group_info_message(group_of(0), true, TW_NO_BYTES, &group_info), TW_OK);
  assert_int_equal(tw_group_join_external(&world.nodes[3].network->client, tw_buf_bytes(&group_info), NULL, &options,
                                          world.now_ms / 1000, &made),
                   TW_OK);
  mail_commit(0, 3, tw_buf_bytes(&made.commit));
  assert_int_equal(status_of(0).state, TW_NETWORK_STUCK);
  assert_int_equal(status_of(0).epoch, epoch);
  /* It turns out that the relay has not accepted it. */
  connect(&world.nodes[0]);
  calm();
  assert_int_equal(status_of(0).state, TW_NETWORK_MEMBER);
  tw_commit_result_clear(&made);
  tw_buf_clear(&group_info);
  end_world();
}

/* ---- who was removed ---- */

static unsigned told_removed;

static void note_removed(void *ctx, const tw_client_id *id) {
  (void)ctx;
  assert_memory_equal(id, &world.nodes[2].id, sizeof *id);
  told_removed++;
}

static void a_removal_is_told_to_each_member_once(void **state) {
  (void)state;
  told_removed = 0;
  begin_with(13, 0, 0x0f);
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].network->config.removed = note_removed;
  set_rosters(0x0b);
  rosters_changed();
  expect_agreement(0x0b, 20000, "without one");
  assert_int_equal(told_removed, 3);
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  live(3000);
  assert_int_equal(told_removed, 3);
  end_world();
}

/* Neither before the removal is agreed upon, nor under older keys when it is: not even as long as others may need them.
 */
static void nothing_is_sent_to_who_is_removed(void **state) {
  (void)state;
  begin_with(14, 0, 0x0f);
  const uint64_t epoch = status_of(0).epoch;
  assert_false(status_of(0).unwanted);
  assert_true(world.nodes[0].sending.members >> 2 & 1);
  world.nodes[0].wanted = 0x0b;
  tw_network_remove(world.nodes[0].network, &world.nodes[2].id, world.now_ms);
  assert_true(status_of(0).unwanted);
  calm();
  for (uint32_t i = 0; i < 4; i++) {
    if (i == 2) continue;
    assert_true(status_of(i).epoch > epoch);
    assert_false(status_of(i).unwanted);
    assert_false(world.nodes[i].sending.members >> 2 & 1);
  }
  end_world();
}

/* It was a member when it made that commit, and is none when the remover has followed it. */
static void who_is_to_go_may_renew_its_keys_first(void **state) {
  (void)state;
  begin_with(15, 0, 0x0f);
  tw_network_rekey(world.nodes[2].network, world.now_ms);
  set_rosters(0x0b);
  tw_network_remove(world.nodes[0].network, &world.nodes[2].id, world.now_ms);
  serve(&world.nodes[2], false);
  expect_agreement(0x0b, 20000, "without it");
  assert_int_equal(status_of(0).refused, 0);
  end_world();
}

static void forget_the_removed(void *ctx, const tw_client_id *id) {
  kit_node *n = ctx;
  for (uint32_t i = 0; i < NODES; i++) {
    if (memcmp(id, &world.nodes[i].id, sizeof *id) == 0) n->wanted &= ~(1u << i);
  }
}

/* It was cut off here while it was no member, so that nobody else heard of that, and somebody adds it. */
static void who_was_cut_off_and_comes_in_again_is_removed_by_whoever_may(void **state) {
  (void)state;
  begin_with(16, 0x1f, 0x0f);
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].network->config.removed = forget_the_removed;
  connect(&world.nodes[4]);
  calm();
  for (uint32_t i = 1; i < 4; i++) {
    world.nodes[i].wanted = 0x1f;
    tw_network_roster_changed(world.nodes[i].network, world.now_ms);
    tw_network_wants_in(world.nodes[i].network, KIT_NAME, &world.nodes[4].id, world.now_ms);
  }
  for (int i = 0; i < 60 && status_of(0).refused == 0; i++) live(1000);
  assert_int_not_equal(status_of(0).refused, 0);
  expect_agreement(0x0f, UINT64_C(600000), "without the one that was cut off");
  end_world();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_is_not_wanted_does_not_come_in),
      cmocka_unit_test(who_was_refused_comes_in_when_it_is_wanted_after_all),
      cmocka_unit_test(it_is_as_well_when_the_refused_one_goes_again),
      cmocka_unit_test(being_stuck_outlives_a_restart),
      cmocka_unit_test(only_admins_add),
      cmocka_unit_test(only_admins_remove),
      cmocka_unit_test(what_a_member_did_that_it_may_not_is_not_forgiven_by_time),
      cmocka_unit_test(an_admin_that_throws_out_the_culprit_heals_it),
      cmocka_unit_test(the_group_context_stays_as_it_is),
      cmocka_unit_test(the_group_is_not_closed),
      cmocka_unit_test(a_leaf_is_bound_to_the_network),
      cmocka_unit_test(nobody_comes_in_by_an_external_commit),
      cmocka_unit_test(a_removal_is_told_to_each_member_once),
      cmocka_unit_test(nothing_is_sent_to_who_is_removed),
      cmocka_unit_test(who_is_to_go_may_renew_its_keys_first),
      cmocka_unit_test(who_was_cut_off_and_comes_in_again_is_removed_by_whoever_may),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
