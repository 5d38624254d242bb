/* The network's group over the delivery service: what is lost, crosses, or comes after a crash. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
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

static void expect_all_understand(uint32_t members) {
  for (uint32_t k = 0; k < NODES; k++) {
    for (uint32_t other = 0; other < NODES; other++) {
      if (other == k || (members >> k & 1) == 0 || (members >> other & 1) == 0 || is_understood(k, other)) continue;
      show();
      fail_msg("%u is not understood by %u", k, other);
    }
  }
}

/* Messages take up to half a second: whatever is sent meanwhile, by whomever, is understood by everybody. */
static void a_rekey_loses_nothing(void **state) {
  (void)state;
  begin_world(4, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  live(2000);
  const uint64_t epoch = status_of(0).epoch;
  const unsigned steps = tw_test_rounds(4000, 200);
  for (unsigned i = 0; i < steps; i++) {
    pass_time(50);
    tick_all();
    for (uint32_t k = 0; k < NODES; k++) {
      kit_node *n = &world.nodes[k];
      while (n->request_count > 0 && roll(8) != 0) serve(n, false);
      while (roll(8) != 0 && deliver(n, false)) {}
      if (roll(100) == 0) tw_network_rekey(n->network, world.now_ms);
    }
    expect_all_understand(0x1f);
  }
  assert_true(status_of(0).epoch > epoch + steps / 80);
  expect_agreement(0x1f, 60000, "in the end");
  end_world();
}

/* All renew every second, and each reads its mail after up to two, by a slow disk for instance. */
static void who_is_slow_to_read_its_mail_loses_nothing(void **state) {
  (void)state;
  uint64_t reads_at_ms[NODES] = {0};
  const uint64_t usual_ms = kit_rekey_after_ms;
  kit_rekey_after_ms = 1000;
  begin_world(6, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  live(5000);
  const uint64_t epoch = status_of(0).epoch;
  const unsigned steps = tw_test_rounds(2000, 200);
  for (unsigned i = 0; i < steps; i++) {
    pass_time(50);
    tick_all();
    for (uint32_t k = 0; k < NODES; k++) {
      if (world.now_ms < reads_at_ms[k]) continue;
      reads_at_ms[k] = world.now_ms + roll(2000);
      while (world.nodes[k].request_count > 0) serve(&world.nodes[k], false);
      while (deliver(&world.nodes[k], false)) {}
    }
    expect_all_understand(0x1f);
  }
  assert_true(status_of(0).epoch > epoch + steps / 40);
  end_world();
  kit_rekey_after_ms = usual_ms;
}

static void who_was_removed_is_not_sent_to_for_longer_than_a_second(void **state) {
  (void)state;
  begin_world(7, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  live(5000);
  tw_network_rekey(world.nodes[0].network, world.now_ms); /* what waits for its time is passed over */
  calm();
  for (uint32_t i = 0; i < 4; i++) world.nodes[i].wanted &= ~(1u << 4);
  tw_network_remove(world.nodes[1].network, &world.nodes[4].id, world.now_ms);
  calm();
  live(1000);
  for (uint32_t i = 0; i < 4; i++) assert_int_equal(world.nodes[i].sending.members, 0x0f);
  expect_all_understand(0x0f);
  live(5000);
  for (uint32_t i = 0; i < 4; i++) assert_int_equal(world.nodes[i].sending.members, 0x0f);
  end_world();
}

static void two_commits_at_once_come_to_one_after_the_other(void **state) {
  (void)state;
  begin_world(5, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  const uint64_t epoch = status_of(0).epoch;
  const uint64_t now_ms = world.now_ms;
  for (uint32_t i = 0; i < NODES; i++) tw_network_rekey(world.nodes[i].network, now_ms);
  live(60000);
  assert_true(agree(0x1f));
  assert_int_equal(status_of(0).epoch, epoch + NODES);
  for (uint32_t i = 0; i < NODES; i++) assert_true(status_of(i).leaf_made_ms >= now_ms);
  end_world();
}

/* Its commit was accepted, and it does not know: it asks once more. */
static void an_answer_that_is_lost_costs_no_second_commit(void **state) {
  (void)state;
  begin_world(6, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  const uint64_t epoch = status_of(0).epoch;
  kit_node *n = &world.nodes[2];
  tw_network_rekey(n->network, world.now_ms);
  assert_int_equal(n->request_count, 1);
  serve(n, true);
  crash(n);
  live(5000);
  assert_true(agree(0x1f));
  assert_int_equal(status_of(2).epoch, epoch + 1);
  end_world();
}

static void who_has_lost_its_disk_puts_itself_back(void **state) {
  (void)state;
  begin_world(7, 0x01, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  const uint64_t epoch = status_of(0).epoch;
  lose_disk(&world.nodes[3]);
  live(5000);
  assert_true(agree(0x1f));
  assert_int_equal(status_of(3).epoch, epoch + 1);
  end_world();
}

static void who_was_away_for_long_comes_back(void **state) {
  (void)state;
  begin_world(8, 0, 0x1f);
  expect_agreement(0x1f, 60000, "at first");
  const unsigned commits = tw_test_rounds(100, 10);
  world.nodes[1].online = false;
  for (unsigned i = 0; i < commits; i++) {
    tw_network_rekey(world.nodes[0].network, world.now_ms);
    live(2000);
  }
  connect(&world.nodes[1]);
  live(2000);
  assert_true(agree(0x1f)); /* all of it was in its mailbox */
  world.nodes[1].online = false;
  for (unsigned i = 0; i < commits; i++) {
    tw_network_rekey(world.nodes[0].network, world.now_ms);
    live(2000);
  }
  connect(&world.nodes[1]);
  while (deliver(&world.nodes[1], true)) {} /* and now it was thrown away */
  expect_agreement(0x1f, 60000, "without its mail");
  end_world();
}

/* ---- whatever happens ---- */

static uint32_t truth; /* who is wanted; each node learns of it sooner or later */

static void learn(kit_node *n) {
  const uint32_t wanted = truth | 1u << n->index;
  if (n->wanted == wanted) return;
  n->wanted = wanted;
  tw_network_roster_changed(n->network, world.now_ms);
}

static void random_step(void) {
  kit_node *n = &world.nodes[roll(NODES)];
  switch (roll(16)) {
  case 0:
  case 1:
  case 2:
  case 3:
  case 4:
  case 5:
    if (n->online) serve(n, false);
    break;
  case 6:
  case 7:
  case 8:
  case 9: (void)deliver(n, false); break;
  case 10:
  case 11:
  case 12: pass_time(roll(800)); break;
  case 13: learn(n); break;
  case 14:
    if (roll(4) == 0) tw_network_rekey(n->network, world.now_ms);
    break;
  default:
    if (roll(4) == 0) pass_time(roll(30000));
    break;
  }
  tick_all();
}

static void rarely(void) {
  kit_node *n = &world.nodes[roll(NODES)];
  switch (roll(9)) {
  case 0:
    n->online = false;
    break_link(n);
    break;
  case 1:
    if (!n->online) connect(n);
    break;
  case 2: /* answers are lost with the connection */
    if (n->online) {
      break_link(n);
      connect(n);
    }
    break;
  case 3: crash(n); break;
  case 4: n->disk_fails = !n->disk_fails; break;
  case 5: (void)deliver(n, true); break;
  case 6: repeat_letter(n); break;
  case 7:
    for (uint32_t i = 0; i < NODES; i++) tw_network_rekey(world.nodes[i].network, world.now_ms);
    break;
  default:
    if (roll(3) == 0)
      lose_disk(n);
    else if (n->index != 0 && n->index != 1)
      truth ^= 1u << n->index;
    break;
  }
}

static void run_history(uint64_t seed, uint32_t admins, int steps) {
  char what[40];
  (void)snprintf(what, sizeof what, "TREEWIRE_SEED=%u", (unsigned)seed);
  begin_world(seed, admins, 0x1f);
  truth = (1u << NODES) - 1;
  expect_agreement(0x1f, 60000, what);
  for (int i = 0; i < steps; i++) {
    random_step();
    if (roll(20) == 0) rarely();
    expect_no_leak_and_no_loss(what);
  }
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    n->disk_fails = false;
    break_link(n);
    connect(n);
    learn(n);
  }
  expect_agreement(truth, UINT64_C(6) * 3600 * 1000, what);
  end_world();
}

static void whatever_happened_all_who_are_wanted_are_together_in_the_end(void **state) {
  (void)state;
  const unsigned rounds = tw_test_rounds(8, 1);
  const char *wanted = getenv("TREEWIRE_SEED");
  const char *many = getenv("TREEWIRE_STEPS");
  const int steps = many != NULL ? (int)strtol(many, NULL, 10) : (int)tw_test_rounds(1000, 300);
  const uint64_t first = wanted != NULL ? strtoull(wanted, NULL, 10) : 10; /* others than those of every day */
  for (uint64_t seed = first; seed < first + rounds; seed++) run_history(seed, seed % 2 == 0 ? 0 : 0x03, steps);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_come_together),
      cmocka_unit_test(keys_are_renewed),
      cmocka_unit_test(who_is_not_wanted_any_more_is_removed),
      cmocka_unit_test(a_rekey_loses_nothing),
      cmocka_unit_test(who_is_slow_to_read_its_mail_loses_nothing),
      cmocka_unit_test(who_was_removed_is_not_sent_to_for_longer_than_a_second),
      cmocka_unit_test(two_commits_at_once_come_to_one_after_the_other),
      cmocka_unit_test(an_answer_that_is_lost_costs_no_second_commit),
      cmocka_unit_test(who_has_lost_its_disk_puts_itself_back),
      cmocka_unit_test(who_was_away_for_long_comes_back),
      cmocka_unit_test(whatever_happened_all_who_are_wanted_are_together_in_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
