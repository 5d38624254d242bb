/* A relay that lies about the network's group: it can delay, and nothing else. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/network_hostile.h"

static tw_buf kept; /* bytes that a bent answer points to */
static tw_buf kept_tree;
static uint32_t victim;
static unsigned bent;
static unsigned opens;

static void begin(uint64_t seed) {
  begin_three(seed);
  bent = opens = 0;
}

static void end(void) {
  tw_buf_clear(&kept);
  tw_buf_clear(&kept_tree);
  end_world();
}

/* ---- what it finds ---- */

static bool say_member(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND && answer->status == TW_CONTROL_DONE) {
    answer->body.group_find.member = true;
    bent++;
  }
  assert_false(n->index == victim && asked->type == TW_CONTROL_GROUP_COMMIT);
  return true;
}

static void who_is_no_member_does_not_let_itself_in_whatever_the_relay_says(void **state) {
  (void)state;
  begin(1);
  victim = 3;
  world.bend_answer = say_member;
  connect(&world.nodes[3]);
  much_later(120);
  assert_true(bent > 2);
  assert_false(status_of(3).there);
  assert_true(agree(0x07));
  end();
}

static bool say_not_member(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND && answer->status == TW_CONTROL_DONE)
    answer->body.group_find.member = false;
  return true;
}

static void who_is_called_no_member_keeps_its_keys(void **state) {
  (void)state;
  begin(2);
  victim = 1;
  world.bend_answer = say_not_member;
  crash(&world.nodes[1]);
  calm();
  assert_int_equal(status_of(1).state, TW_NETWORK_WAITING);
  assert_true(status_of(1).there);
  live(60000);
  assert_true(is_understood(1, 0));
  world.bend_answer = NULL;
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "when it says the truth");
  end();
}

static bool give_kept_info(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND && answer->status == TW_CONTROL_DONE) {
    answer->body.group_find.group_info = tw_buf_bytes(&kept);
    bent++;
  }
  return true;
}

static void an_old_group_info_leads_nowhere(void **state) {
  (void)state;
  begin(3);
  const tw_control_group old = find_as(0, &kept);
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  live(3000);
  assert_int_equal(status_of(0).epoch, old.epoch + 1);
  victim = 2;
  world.bend_answer = give_kept_info;
  lose_disk(&world.nodes[2]);
  much_later(10);
  assert_false(status_of(2).there);
  world.bend_answer = NULL;
  expect_agreement(0x07, UINT64_C(3) * 3600 * 1000, "when it says the truth");
  end();
}

static bool give_old_record(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  const bool given = give_kept_info(n, asked, answer);
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND && answer->status == TW_CONTROL_DONE)
    answer->body.group_find.epoch--;
  assert_false(n->index == victim && asked->type == TW_CONTROL_GROUP_COMMIT);
  opens += n->index == victim && asked->type == TW_CONTROL_GROUP_OPEN;
  return given;
}

static void no_epoch_comes_back(void **state) {
  (void)state;
  kit_rekey_after_ms = 0;
  begin(4);
  kit_rekey_after_ms = 600000;
  (void)find_as(0, &kept);
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  live(3000);
  const uint64_t epoch = status_of(2).epoch;
  victim = 2;
  world.bend_answer = give_old_record;
  kit_rekey_after_ms = 0;
  crash(&world.nodes[2]);
  kit_rekey_after_ms = 600000;
  much_later(240);
  assert_true(bent > 2);
  assert_in_range(opens, 1, 20); /* what it has is offered, and not as often as the relay likes */
  assert_int_equal(status_of(2).epoch, epoch);
  assert_true(is_understood(2, 0));
  end();
}

static void damaged_group_infos_are_of_no_use(void **state) {
  (void)state;
  tw_buf info = {0};
  begin(5);
  const tw_control_group there = find_both_as(2, &info, &kept_tree);
  kit_node *n = &world.nodes[2];
  lose_disk(n);
  break_link(n);
  const size_t step = tw_test_rounds(7, 301);
  for (size_t at = 0; at < 2 * info.len; at += step) {
    assert_int_equal(tw_buf_assign(&kept, tw_buf_bytes(&info)), TW_OK);
    if (at >= info.len) kept.ptr[at - info.len] ^= 0x40;
    expect_useless(n, there, TW_BYTES(kept.ptr, at < info.len ? at : info.len), tw_buf_bytes(&kept_tree));
  }
  connect(n);
  expect_agreement(0x07, UINT64_C(3) * 3600 * 1000, "with the right one");
  tw_buf_clear(&info);
  end();
}

/* ---- two branches ---- */

static void a_fork_is_told_and_mended_by_the_relays_record(void **state) {
  (void)state;
  begin(6);
  /* What the relay has made node 2 believe: a commit of node 1's that nobody else has got. */
  tw_commit_result made = {0};
  assert_int_equal(tw_group_commit(group_of(1), NULL, world.now_ms / 1000, &made), TW_OK);
  const tw_control_entry entry = {.number = 1,
                                  .kind = TW_CONTROL_KIND_COMMIT,
                                  .from = world.nodes[1].id,
                                  .group_id = tw_group_id(group_of(2)),
                                  .epoch = tw_group_epoch(group_of(2)),
                                  .message = tw_buf_bytes(&made.commit)};
  world.nodes[1].online = false;
  tw_network_mail(world.nodes[2].network, &entry, world.now_ms);
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  live(3000);
  uint64_t epoch;
  uint64_t other;
  const tw_bytes ours = tw_network_authenticator(world.nodes[0].network, &epoch);
  assert_false(tw_bytes_equal(ours, tw_network_authenticator(world.nodes[2].network, &other)));
  assert_int_equal(epoch, other);
  tw_network_compare(world.nodes[2].network, epoch, ours, world.now_ms);
  assert_true(status_of(2).forks > 0);
  connect(&world.nodes[1]);
  expect_agreement(0x07, 600000, "on one branch");
  /* The same as ours, of another epoch: nothing. */
  const uint64_t forks = status_of(2).forks;
  tw_network_compare(world.nodes[2].network, status_of(2).epoch,
                     tw_network_authenticator(world.nodes[0].network, &epoch), world.now_ms);
  tw_network_compare(world.nodes[2].network, status_of(2).epoch - 1, TW_LITERAL("older"), world.now_ms);
  assert_int_equal(status_of(2).forks, forks);
  tw_commit_result_clear(&made);
  end();
}

/* Commits are kept from node 2, and the relay shows it what there was: others are in later epochs, and say so. */
static void who_is_kept_behind_is_told_by_others(void **state) {
  (void)state;
  begin(8);
  kit_node *n = &world.nodes[2];
  const uint64_t epoch = status_of(2).epoch;
  assert_int_equal(status_of(2).forks, 0);
  for (unsigned minute = 0; minute < 20; minute++) {
    uint64_t later;
    const tw_bytes theirs = tw_network_authenticator(world.nodes[0].network, &later);
    tw_network_compare(n->network, epoch + 1 + minute % 2, theirs, world.now_ms);
    much_later(1);
    assert_int_equal(status_of(2).state, TW_NETWORK_MEMBER);
  }
  assert_in_range(status_of(2).forks, 5, 20);
  /* Who is told of a later epoch and gets its commit was not kept behind. */
  const uint64_t forks = status_of(2).forks;
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  tw_network_compare(n->network, status_of(2).epoch + 1, TW_LITERAL("of the next epoch"), world.now_ms);
  much_later(10);
  assert_true(status_of(2).epoch > epoch);
  assert_int_equal(status_of(2).forks, forks);
  end();
}

static unsigned joins;

static bool count_joins(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  (void)answer;
  joins += n->index == victim && asked->type == TW_CONTROL_GROUP_COMMIT;
  return true;
}

static void forks_that_go_on_cost_few_external_commits(void **state) {
  (void)state;
  begin(7);
  victim = 2;
  joins = 0;
  world.bend_answer = count_joins;
  const unsigned minutes = tw_test_rounds(600, 60);
  for (unsigned i = 0; i < minutes; i++) { /* a member that says other things each minute */
    tw_network_compare(world.nodes[2].network, status_of(2).epoch, TW_LITERAL("something else"), world.now_ms);
    much_later(1);
  }
  assert_true(status_of(2).forks > minutes * 5 / 6);
  assert_true(joins <= minutes / 6 + 1); /* those that renew its keys, every ten minutes, are among them */
  assert_true(agree(0x07));
  end();
}

/* ---- commits ---- */

static bool say_taken(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index != victim || asked->type != TW_CONTROL_GROUP_COMMIT || bent > 0) return true;
  bent++;
  answer->status = TW_CONTROL_TAKEN;
  answer->body.taken = tw_buf_bytes(&kept);
  return true;
}

static void a_commit_that_was_accepted_and_is_called_lost_is_got_over(void **state) {
  (void)state;
  begin(8);
  assert_int_equal(tw_buf_append(&kept, TW_LITERAL("garbage")), TW_OK);
  victim = 1;
  world.bend_answer = say_taken;
  tw_network_rekey(world.nodes[1].network, world.now_ms);
  live(1000);
  assert_int_equal(bent, 1);
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "after all");
  end();
}

static bool say_done(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_COMMIT && answer->status == TW_CONTROL_TAKEN) {
    answer->status = TW_CONTROL_DONE;
    bent++;
  }
  return true;
}

static void a_commit_that_was_lost_and_is_called_accepted_is_got_over(void **state) {
  (void)state;
  begin(9);
  victim = 1;
  world.bend_answer = say_done;
  tw_network_rekey(world.nodes[0].network, world.now_ms);
  tw_network_rekey(world.nodes[1].network, world.now_ms);
  live(1000);
  assert_int_equal(bent, 1);
  world.bend_answer = NULL;
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "after all");
  end();
}

static bool say_full(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  static const tw_control_status statuses[] = {TW_CONTROL_UNKNOWN, TW_CONTROL_FORBIDDEN, TW_CONTROL_FULL,
                                               TW_CONTROL_TOO_FAR, TW_CONTROL_MALFORMED, TW_CONTROL_BUSY};
  if (n->index != victim || bent == 0) return true;
  (void)asked;
  answer->status = statuses[bent++ % 6];
  answer->body.words = TW_LITERAL("no");
  return true;
}

static void refusals_of_every_kind_are_got_over(void **state) {
  (void)state;
  for (unsigned i = 0; i < 6; i++) {
    begin(10 + i);
    victim = 1;
    bent = 1 + i;
    world.bend_answer = say_full;
    tw_network_rekey(world.nodes[1].network, world.now_ms);
    world.nodes[1].wanted = 0x03;
    tw_network_remove(world.nodes[1].network, &world.nodes[2].id, world.now_ms);
    much_later(60);
    world.bend_answer = NULL;
    for (uint32_t k = 0; k < 2; k++) {
      world.nodes[k].wanted = 0x03;
      tw_network_roster_changed(world.nodes[k].network, world.now_ms);
    }
    expect_agreement(0x03, UINT64_C(4) * 3600 * 1000, "after all");
    end();
  }
}

/* Every message of a node's mailbox comes damaged first, cut and bent, and twice then. */
static bool mangle(kit_node *n, tw_control_entry *entry) {
  tw_control_entry copy = *entry;
  const size_t step = 1 + entry->message.len / 40;
  for (size_t at = 0; at < entry->message.len; at += step) {
    assert_int_equal(tw_buf_assign(&kept, entry->message), TW_OK);
    kept.ptr[at] ^= 1;
    copy.message = tw_buf_bytes(&kept);
    tw_network_mail(n->network, &copy, world.now_ms);
    copy.message = TW_BYTES(kept.ptr, at);
    tw_network_mail(n->network, &copy, world.now_ms);
  }
  tw_network_mail(n->network, entry, world.now_ms);
  return true;
}

static void damaged_and_repeated_mail_does_no_harm(void **state) {
  (void)state;
  begin(20);
  world.bend_entry = mangle;
  for (uint32_t i = 0; i < 3; i++) {
    tw_network_rekey(world.nodes[i].network, world.now_ms);
    live(2000);
    assert_true(agree(0x07));
  }
  set_rosters(0x0f);
  rosters_changed();
  connect(&world.nodes[3]);
  expect_agreement(0x0f, 60000, "with one more");
  for (uint32_t i = 0; i < 3; i++) assert_int_equal(status_of(i).refused, 0);
  end();
}

/* ---- no group any more ---- */

static bool say_unknown(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  (void)n;
  if (asked->type == TW_CONTROL_GROUP_FIND || asked->type == TW_CONTROL_GROUP_COMMIT) {
    answer->status = TW_CONTROL_UNKNOWN;
    answer->body.words = TW_LITERAL("no group has this name");
  }
  return true;
}

static void a_relay_that_denies_the_group_ends_nothing(void **state) {
  (void)state;
  begin(21);
  world.bend_answer = say_unknown;
  for (uint32_t i = 0; i < 3; i++) crash(&world.nodes[i]);
  much_later(30);
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t k = 0; k < 3; k++) assert_true(i == k || is_understood(i, k));
  }
  world.bend_answer = NULL;
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "when it says the truth");
  end();
}

static void a_relay_that_has_lost_the_group_gets_it_again(void **state) {
  (void)state;
  begin(22);
  const uint64_t epoch = status_of(0).epoch;
  tw_delivery_free(world.delivery);
  tw_relay_store_close(world.store);
  tw_report report;
  assert_int_equal(tw_relay_store_memory(&world.relay.env, &world.store, &report), TW_OK);
  open_relay();
  for (uint32_t i = 0; i < 3; i++) {
    kit_node *n = &world.nodes[i];
    break_link(n);
    n->read = n->read_durably = 0; /* as the relay tells a node that has read further than there is */
    n->peer = (tw_delivery_peer){.id = n->id};
    connect(n);
  }
  live(5000);
  assert_true(agree(0x07));
  assert_int_equal(status_of(0).epoch, epoch);
  tw_network_rekey(world.nodes[2].network, world.now_ms);
  live(5000);
  assert_true(agree(0x07));
  assert_int_equal(status_of(0).epoch, epoch + 1);
  end();
}

/* ---- key packages and Welcomes ---- */

static bool swap_packages(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  (void)n;
  if (asked->type != TW_CONTROL_TAKE || answer->status != TW_CONTROL_DONE) return true;
  if (memcmp(&asked->body.take.owner, &world.nodes[victim].id, sizeof(tw_client_id)) != 0) return true;
  answer->body.take.key_package = tw_buf_bytes(&kept);
  bent++;
  return true;
}

static void a_wrong_key_package_keeps_nobody_else_out(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    begin(30 + (uint64_t)i);
    victim = 3;
    tw_key_package *foreign = NULL;
    if (i == 0) kept = package_of(4);                                                        /* somebody else's */
    if (i == 1) kept = package_made_at(3, world.now_ms - UINT64_C(1000) * 24 * 3600 * 1000); /* it has expired */
    if (i == 2) assert_int_equal(tw_buf_append(&kept, TW_LITERAL("garbage")), TW_OK);
    if (i == 3) { /* its own, but not for this network */
      foreign = tw_test_key_package(&world.nodes[3].member);
      assert_int_equal(tw_buf_append(&kept, tw_key_package_message(foreign)), TW_OK);
      tw_key_package_free(foreign);
    }
    world.bend_answer = swap_packages;
    set_rosters(0x1f);
    rosters_changed();
    connect(&world.nodes[3]);
    connect(&world.nodes[4]);
    expect_agreement(0x17, 60000, "without the victim");
    assert_true(bent > 0);
    world.bend_answer = NULL;
    expect_agreement(0x1f, UINT64_C(2) * 3600 * 1000, "with the right one");
    end();
  }
}

/* Two join at once, and each gets the other one's Welcome, if they are two. */
static tw_buf swapped[NODES];

static bool swap_welcomes(kit_node *n, tw_control_entry *entry) {
  if (entry->kind != TW_CONTROL_KIND_WELCOME) return true;
  assert_int_equal(tw_buf_assign(&swapped[n->index], entry->message), TW_OK);
  const uint32_t other = n->index == 3 ? 4 : 3;
  if (swapped[other].len > 0) {
    tw_control_entry theirs = *entry;
    theirs.message = tw_buf_bytes(&swapped[other]);
    tw_network_mail(n->network, &theirs, world.now_ms);
  }
  return false; /* its own is lost */
}

static void swapped_and_lost_welcomes_are_got_over(void **state) {
  (void)state;
  begin(40);
  world.bend_entry = swap_welcomes;
  set_rosters(0x1f);
  rosters_changed();
  connect(&world.nodes[3]);
  live(3000);
  connect(&world.nodes[4]);
  live(3000);
  world.bend_entry = NULL;
  expect_agreement(0x1f, UINT64_C(3) * 3600 * 1000, "all");
  for (uint32_t k = 0; k < NODES; k++) tw_buf_clear(&swapped[k]);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_is_no_member_does_not_let_itself_in_whatever_the_relay_says),
      cmocka_unit_test(who_is_called_no_member_keeps_its_keys),
      cmocka_unit_test(an_old_group_info_leads_nowhere),
      cmocka_unit_test(no_epoch_comes_back),
      cmocka_unit_test(damaged_group_infos_are_of_no_use),
      cmocka_unit_test(a_fork_is_told_and_mended_by_the_relays_record),
      cmocka_unit_test(who_is_kept_behind_is_told_by_others),
      cmocka_unit_test(forks_that_go_on_cost_few_external_commits),
      cmocka_unit_test(a_commit_that_was_accepted_and_is_called_lost_is_got_over),
      cmocka_unit_test(a_commit_that_was_lost_and_is_called_accepted_is_got_over),
      cmocka_unit_test(refusals_of_every_kind_are_got_over),
      cmocka_unit_test(damaged_and_repeated_mail_does_no_harm),
      cmocka_unit_test(a_relay_that_denies_the_group_ends_nothing),
      cmocka_unit_test(a_relay_that_has_lost_the_group_gets_it_again),
      cmocka_unit_test(a_wrong_key_package_keeps_nobody_else_out),
      cmocka_unit_test(swapped_and_lost_welcomes_are_got_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
