/* A relay that has, or shows, another group of the network than a node's own: no way back into one that there was before. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/network_hostile.h"

#define HOURS(n) (UINT64_C(3600) * 1000 * (n))

/* The group of before, as the relay had it, and the one that took its place. */
static tw_buf old_id;
static tw_buf old_info;
static tw_buf old_tree;
static uint64_t old_epoch;
static tw_buf new_id;

static uint32_t victim;
static unsigned bent;

static void end(void) {
  tw_buf_clear(&old_id);
  tw_buf_clear(&old_info);
  tw_buf_clear(&old_tree);
  tw_buf_clear(&new_id);
  kit_rekey_after_ms = 600000;
  end_world();
}

static bool is_in(uint32_t i, const tw_buf *id) {
  return group_of(i) != NULL && tw_bytes_equal(tw_group_id(group_of(i)), tw_buf_bytes(id));
}

static void note_new_group(void) {
  assert_int_equal(tw_buf_assign(&new_id, tw_group_id(group_of(0))), TW_OK);
  assert_false(is_in(0, &old_id));
}

/* Three of them, who have founded their network anew after all had lost everything. */
static void begin_anew(uint64_t seed) {
  kit_rekey_after_ms = 0;
  bent = 0;
  begin_three(seed);
  old_epoch = find_both_as(0, &old_info, &old_tree).epoch;
  assert_int_equal(tw_buf_assign(&old_id, tw_group_id(group_of(0))), TW_OK);
  restart_relay();
  for (uint32_t i = 0; i < 3; i++) lose_disk(&world.nodes[i]);
  expect_agreement(0x07, 60000, "anew");
  note_new_group();
}

static void put_relay_back(void) {
  restart_relay();
  record_epoch(1, 0x07, tw_buf_bytes(&old_id), old_epoch, &old_info, &old_tree);
}

static void expect_at_home(uint32_t members) {
  for (uint32_t i = 0; i < NODES; i++) {
    if ((members >> i & 1) == 0) continue;
    assert_true(is_in(i, &new_id));
    for (uint32_t k = 0; k < NODES; k++) assert_true(i == k || (members >> k & 1) == 0 || is_understood(i, k));
  }
}

/* ---- into one of before ---- */

static bool no_commits(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  (void)n;
  (void)answer;
  assert_int_not_equal(asked->type, TW_CONTROL_GROUP_COMMIT);
  return true;
}

static void nobody_goes_into_the_group_of_before_that_a_relay_was_put_back_to(void **state) {
  (void)state;
  begin_anew(1);
  const uint64_t epoch = status_of(0).epoch;
  world.bend_answer = no_commits;
  put_relay_back();
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  much_later(180);
  expect_at_home(0x07);
  for (uint32_t i = 0; i < 3; i++) assert_int_equal(status_of(i).state, TW_NETWORK_WAITING);
  for (uint32_t i = 0; i < 3; i++) crash(&world.nodes[i]);
  much_later(180);
  expect_at_home(0x07);
  /* The operator empties the relay: they go on from where they are. */
  world.bend_answer = NULL;
  restart_relay();
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  expect_agreement(0x07, HOURS(2), "at an empty relay");
  expect_at_home(0x07);
  assert_int_equal(status_of(0).epoch, epoch);
  tw_network_rekey(world.nodes[1].network, world.now_ms);
  live(5000);
  assert_true(agree(0x07));
  end();
}

static bool names_it; /* as it is; else as the group that the victim has, and further on */

static bool show_old_group(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index != victim) return true;
  if (asked->type == TW_CONTROL_GROUP_COMMIT)
    assert_false(tw_bytes_equal(asked->body.group_commit.group_id, tw_buf_bytes(&old_id)));
  if (asked->type != TW_CONTROL_GROUP_FIND || answer->status != TW_CONTROL_DONE) return true;
  answer->body.group_find.group_id = tw_buf_bytes(names_it ? &old_id : &new_id);
  answer->body.group_find.epoch = names_it ? old_epoch : status_of(0).epoch + 1;
  answer->body.group_find.member = true;
  answer->body.group_find.group_info = tw_buf_bytes(&old_info);
  if (asked->body.group_find.tree) answer->body.group_find.tree = tw_buf_bytes(&old_tree);
  bent++;
  return true;
}

static void a_relay_that_shows_a_group_of_before_leads_nobody_there(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    begin_anew(2 + (uint64_t)i);
    victim = 2;
    names_it = i == 0;
    world.bend_answer = show_old_group;
    crash(&world.nodes[2]);
    much_later(240);
    assert_true(bent > 2);
    assert_true(is_in(2, &new_id));
    crash(&world.nodes[2]);
    much_later(240);
    assert_true(is_in(2, &new_id));
    world.bend_answer = NULL;
    expect_agreement(0x07, HOURS(2), "when it says the truth");
    expect_at_home(0x07);
    end();
  }
}

static void nor_somebody_who_was_removed(void **state) {
  (void)state;
  begin_anew(4);
  set_rosters(0x03);
  rosters_changed();
  expect_agreement(0x03, 60000, "without it");
  assert_false(status_of(2).there);
  victim = 2;
  names_it = true;
  world.bend_answer = show_old_group;
  world.nodes[2].wanted = 0x07;
  for (int i = 0; i < 3; i++) {
    crash(&world.nodes[2]);
    much_later(240);
    assert_false(status_of(2).there);
  }
  assert_true(bent > 2);
  world.bend_answer = NULL;
  set_rosters(0x07);
  rosters_changed();
  expect_agreement(0x07, HOURS(2), "let in again");
  expect_at_home(0x07);
  end();
}

/* ---- whoever has a good reason to come into another group comes in ---- */

/* The relay has lost everything, and somebody who was never in is there first. */
static void begin_with_newcomer(uint64_t seed) {
  begin_three(seed);
  assert_int_equal(tw_buf_assign(&old_id, tw_group_id(group_of(0))), TW_OK);
  restart_relay();
  for (uint32_t i = 0; i < 3; i++) world.nodes[i].online = false;
  set_rosters(0x0f);
  rosters_changed();
  connect(&world.nodes[3]);
  live(3000);
  assert_int_equal(status_of(3).members, 1);
}

static void all_come_into_a_group_that_was_founded_anew_without_them(void **state) {
  (void)state;
  begin_with_newcomer(5);
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  expect_agreement(0x0f, 120000, "with the founder");
  note_new_group();
  expect_at_home(0x0f);
  end();
}

static unsigned dropped;

static bool drop_first_welcome(kit_node *n, tw_control_entry *entry) {
  if (n->index != victim || entry->kind != TW_CONTROL_KIND_WELCOME || dropped > 0) return true;
  dropped++;
  return false;
}

static void a_welcome_that_was_lost_is_made_anew(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    dropped = 0;
    begin_with_newcomer(6 + (uint64_t)i);
    victim = 1;
    world.bend_entry = drop_first_welcome;
    for (uint32_t k = 0; k < 3; k++) connect(&world.nodes[k]);
    for (int k = 0; k < 120 && dropped == 0; k++) live(1000);
    assert_int_equal(dropped, 1);
    if (i == 1) crash(&world.nodes[1]);
    expect_agreement(0x0f, HOURS(2), "with the one whose Welcome was lost");
    note_new_group();
    expect_at_home(0x0f);
    end();
  }
}

static void who_has_lost_its_state_brings_the_others_into_what_the_relay_has(void **state) {
  (void)state;
  begin_anew(8);
  put_relay_back();
  for (uint32_t i = 0; i < 2; i++) connect(&world.nodes[i]);
  much_later(60);
  expect_at_home(0x03);
  lose_disk(&world.nodes[2]);
  expect_agreement(0x07, HOURS(4), "by Welcomes of its");
  assert_true(is_in(0, &old_id));
  assert_true(status_of(0).epoch > old_epoch + 1);
  end();
}

static void what_the_relay_says_of_a_member_that_is_there_costs_little(void **state) {
  (void)state;
  kit_rekey_after_ms = 0;
  begin_three(9);
  const uint64_t epoch = status_of(0).epoch;
  const unsigned minutes = tw_test_rounds(180, 60);
  for (unsigned i = 0; i < minutes; i++) {
    tw_network_wants_in(world.nodes[0].network, KIT_NAME, &world.nodes[2].id, world.now_ms);
    live(20000);
    assert_true(agree(0x07));
    pass_time(40000);
  }
  assert_true(status_of(0).epoch <= epoch + 2 * (minutes / 60 + 2));
  assert_int_equal(status_of(1).refused, 0);
  end();
}

/* The relay and nodes lose what they have, at any time: groups are founded anew, and all come together in one. */
static void run_history(uint64_t seed) {
  begin_three(seed);
  set_rosters(0x1f);
  rosters_changed();
  connect(&world.nodes[3]);
  connect(&world.nodes[4]);
  for (unsigned i = 0; i < 30; i++) {
    kit_node *n = &world.nodes[roll(NODES)];
    switch (roll(8)) {
    case 0:
      restart_relay();
      for (uint32_t k = 0; k < NODES; k++) world.nodes[k].online = false;
      break;
    case 1: lose_disk(n); break;
    case 2:
      n->online = false;
      break_link(n);
      break;
    case 3: crash(n); break;
    case 4: (void)deliver(n, true); break;
    default:
      if (!n->online) connect(n);
      break;
    }
    live(roll(4) * 1000);
  }
  for (uint32_t i = 0; i < NODES; i++) {
    break_link(&world.nodes[i]);
    connect(&world.nodes[i]);
  }
  for (int i = 0; i < 720 && !agree(0x1f); i++) much_later(1);
  if (!agree(0x1f)) {
    show();
    fail_msg("TREEWIRE_SEED=%u: never", (unsigned)seed);
  }
  end();
}

static void whoever_loses_what_all_are_in_one_group_in_the_end(void **state) {
  (void)state;
  const char *wanted = getenv("TREEWIRE_SEED");
  const uint64_t first = wanted != NULL ? strtoull(wanted, NULL, 10) : 100;
  const unsigned rounds = tw_test_rounds(8, 1);
  for (uint64_t seed = first; seed < first + rounds; seed++) run_history(seed);
}

/* ---- memory, disk, and what was saved ---- */

static void memory_or_a_disk_that_fails_changes_nothing(void **state) {
  (void)state;
  begin_anew(10);
  kit_node *n = &world.nodes[2];
  tw_control_answer answer = {.to = TW_CONTROL_GROUP_FIND, .request = 1, .status = TW_CONTROL_DONE};
  answer.body.group_find = (tw_control_group){.group_id = tw_buf_bytes(&old_id),
                                              .epoch = old_epoch,
                                              .member = true,
                                              .group_info = tw_buf_bytes(&old_info),
                                              .tree = tw_buf_bytes(&old_tree)};
  bool failed = true;
  for (size_t at = 1; failed; at++) {
    n->network->awaits_another = false;
    tw_test_fail_alloc(&world.test, at);
    tw_network_found(n->network, &answer, world.now_ms);
    failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    assert_int_equal(n->network->pending.kind, TW_NETWORK_PENDING_NONE);
    assert_true(is_in(2, &new_id));
  }
  calm();
  assert_true(n->network->packages.count > 0);
  n->network->awaits_another = false;
  n->disk_fails = true;
  tw_network_found(n->network, &answer, world.now_ms);
  assert_false(n->network->awaits_another); /* what there was before could still be used */
  n->disk_fails = false;
  connect(n);
  expect_agreement(0x07, HOURS(2), "in the end");
  end();
}

static void what_is_saved_of_the_group_that_was_left_is_as_it_was(void **state) {
  (void)state;
  begin_three(11);
  set_rosters(0x03);
  rosters_changed();
  expect_agreement(0x03, 60000, "without it");
  kit_node *n = &world.nodes[2];
  tw_buf saved = {0};
  bool ours;
  const tw_bytes id = TW_LITERAL("left");
  assert_int_equal(tw_buf_assign(&saved, tw_buf_bytes(&kit_find_value(n, TW_STORE_GROUP, id)->bytes)), TW_OK);
  for (size_t len = 0; len < saved.len; len++)
    assert_int_not_equal(tw_network_load(n->network, TW_STORE_GROUP, id, TW_BYTES(saved.ptr, len), world.now_ms, &ours),
                         TW_OK);
  tw_buf_clear(&n->network->left_id);
  assert_int_equal(tw_network_load(n->network, TW_STORE_GROUP, id, tw_buf_bytes(&saved), world.now_ms, &ours), TW_OK);
  assert_true(ours);
  assert_true(tw_bytes_equal(tw_buf_bytes(&n->network->left_id), tw_group_id(group_of(0))));
  assert_int_equal(n->network->left_epoch, status_of(0).epoch);
  saved.ptr[1] ^= 1; /* of another network */
  assert_int_not_equal(tw_network_load(n->network, TW_STORE_GROUP, id, tw_buf_bytes(&saved), world.now_ms, &ours),
                       TW_OK);
  tw_buf_clear(&saved);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_goes_into_the_group_of_before_that_a_relay_was_put_back_to),
      cmocka_unit_test(a_relay_that_shows_a_group_of_before_leads_nobody_there),
      cmocka_unit_test(nor_somebody_who_was_removed),
      cmocka_unit_test(all_come_into_a_group_that_was_founded_anew_without_them),
      cmocka_unit_test(a_welcome_that_was_lost_is_made_anew),
      cmocka_unit_test(who_has_lost_its_state_brings_the_others_into_what_the_relay_has),
      cmocka_unit_test(what_the_relay_says_of_a_member_that_is_there_costs_little),
      cmocka_unit_test(whoever_loses_what_all_are_in_one_group_in_the_end),
      cmocka_unit_test(memory_or_a_disk_that_fails_changes_nothing),
      cmocka_unit_test(what_is_saved_of_the_group_that_was_left_is_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
