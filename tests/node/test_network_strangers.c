/* Who wants in and is not known: the relay says so, and is not to be believed. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/network_hostile.h"

/* Nodes 0 and 1 are members; both would take those of whom `credible` has the bit. 0 knows nobody else. */
static void begin_strange(uint64_t seed, uint32_t admins, uint32_t credible) {
  kit_credible = credible;
  kit_judged = 0;
  begin_with(seed, admins, 0x03);
  for (uint32_t i = 2; i < NODES; i++) world.nodes[i].wanted = 0x1f;
}

static void end_strange(void) {
  end_world();
  kit_credible = 0;
}

/* ---- who is good ---- */

static void a_stranger_with_a_good_credential_comes_in(void **state) {
  (void)state;
  begin_strange(1, 0, 0x04);
  world.nodes[1].wanted = 0x07; /* as if it had judged the commit's Add */
  connect(&world.nodes[2]);
  expect_agreement(0x07, 60000, "with the stranger");
  assert_int_equal(kit_judged, 1);
  end_strange();
}

static void a_stranger_without_one_stays_out_however_often_it_asks(void **state) {
  (void)state;
  begin_strange(2, 0, 0x10);
  const uint64_t epoch = status_of(0).epoch;
  connect(&world.nodes[2]);
  for (int i = 0; i < 200; i++) {
    tw_network_wants_in(world.nodes[0].network, KIT_NAME, &world.nodes[2].id, world.now_ms);
    live(1000);
  }
  assert_true(agree(0x03));
  assert_int_equal(status_of(0).epoch, epoch);
  assert_int_equal(status_of(2).state, TW_NETWORK_WAITING);
  assert_true(kit_judged > 1); /* each time: it may have got a better one */
  end_strange();
}

static void who_has_got_a_good_one_meanwhile_comes_in(void **state) {
  (void)state;
  begin_strange(3, 0, 0x10);
  connect(&world.nodes[2]);
  live(60000);
  assert_true(agree(0x03));
  kit_credible = 0x04;
  world.nodes[1].wanted = 0x07;
  expect_agreement(0x07, 120000, "later");
  end_strange();
}

/* Wanted by 0 and 1, with a credential by which others would refuse it. */
static void who_is_wanted_comes_in_with_an_accepted_credential_alone(void **state) {
  (void)state;
  kit_refused = 0x04;
  begin_strange(9, 0, 0x10);
  world.nodes[0].wanted = world.nodes[1].wanted = 0x07;
  const uint64_t epoch = status_of(0).epoch;
  connect(&world.nodes[2]);
  live(120000);
  assert_true(agree(0x03));
  assert_int_equal(status_of(0).epoch, epoch);
  kit_refused = 0x10;
  expect_agreement(0x07, 300000, "with another credential");
  end_strange();
  kit_refused = 0;
}

static void only_who_may_add_looks_at_strangers(void **state) {
  (void)state;
  begin_strange(4, 0x02, 0x04);
  world.nodes[0].wanted = 0x07;
  world.nodes[1].wanted = 0x03;
  kit_judged = 0;
  tw_network_wants_in(world.nodes[0].network, KIT_NAME, &world.nodes[3].id, world.now_ms);
  live(10000);
  assert_int_equal(kit_judged, 0);
  connect(&world.nodes[2]);
  expect_agreement(0x07, 60000, "by the admin");
  assert_int_equal(kit_judged, 1);
  end_strange();
}

/* ---- a relay that lies ---- */

/* Whoever's key package is asked for: it is another one's. */
static bool give_another(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  static tw_buf package;
  (void)n;
  if (asked->type != TW_CONTROL_TAKE) return true;
  tw_buf_clear(&package);
  package = package_of(2);
  answer->status = TW_CONTROL_DONE;
  answer->body.take = (tw_control_taken){.key_package = tw_buf_bytes(&package)};
  return true;
}

static void a_key_package_of_somebody_else_lets_nobody_in(void **state) {
  (void)state;
  begin_strange(5, 0, 0x1c);
  world.bend_answer = give_another;
  tw_network_wants_in(world.nodes[0].network, KIT_NAME, &world.nodes[3].id, world.now_ms);
  live(10000);
  assert_true(agree(0x03));
  assert_int_equal(kit_judged, 0);
  end_strange();
}

static uint32_t takes_asked;
static bool count_takes(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  (void)n;
  (void)answer;
  takes_asked += asked->type == TW_CONTROL_TAKE;
  return true;
}

/* As many as the relay likes are made up: memory stays the same, and it is asked for a few of them at a time. */
static void strangers_who_are_made_up_cost_little(void **state) {
  (void)state;
  begin_strange(6, 0, 0x10);
  world.bend_answer = count_takes;
  takes_asked = 0;
  live(2000);
  const size_t bytes = world.test.alloc_bytes;
  for (uint32_t i = 0; i < 10000; i++) {
    tw_client_id id = {{0x5a, (uint8_t)(i >> 8), (uint8_t)i}};
    tw_network_wants_in(world.nodes[0].network, KIT_NAME, &id, world.now_ms);
    if (i % 1000 == 0) live(1000);
  }
  live(5000);
  assert_true(agree(0x03));
  assert_in_range(takes_asked, 1, 16 * 20);
  assert_int_equal(kit_judged, 0);
  assert_true(world.test.alloc_bytes < bytes + 16384);
  assert_int_equal(world.nodes[0].network->stranger_count, 0);
  end_strange();
}

static void another_networks_name_is_not_ours(void **state) {
  (void)state;
  begin_strange(7, 0, 0x1c);
  tw_network_wants_in(world.nodes[0].network, TW_LITERAL("other.example"), &world.nodes[2].id, world.now_ms);
  assert_int_equal(world.nodes[0].network->stranger_count, 0);
  kit_credible = 0; /* nor is anybody looked at where no credentials count */
  crash(&world.nodes[0]);
  tw_network_wants_in(world.nodes[0].network, KIT_NAME, &world.nodes[2].id, world.now_ms);
  assert_int_equal(world.nodes[0].network->stranger_count, 0);
  end_strange();
}

/* ---- our own credential ---- */

static bool has_in_leaf(uint32_t at, uint32_t whose, tw_bytes identity) {
  tw_member member;
  for (uint32_t leaf = 0; tw_network_member_at_leaf(world.nodes[at].network, &leaf, &member); leaf++) {
    if (tw_bytes_equal(member.signature_key, tw_signer_public_key(world.nodes[whose].member.client.signer)))
      return tw_bytes_equal(member.credential.identity, identity);
  }
  return false;
}

static void a_renewed_credential_goes_into_our_leaf(void **state) {
  (void)state;
  begin_strange(8, 0, 0);
  assert_true(has_in_leaf(1, 0, TW_LITERAL("anna")));
  world.nodes[0].member.client.credential.identity = TW_LITERAL("anna, renewed");
  crash(&world.nodes[0]);
  live(20000);
  assert_true(agree(0x03));
  assert_true(has_in_leaf(0, 0, TW_LITERAL("anna, renewed")));
  assert_true(has_in_leaf(1, 0, TW_LITERAL("anna, renewed")));
  const uint64_t epoch = status_of(0).epoch;
  live(60000); /* once */
  assert_int_equal(status_of(0).epoch, epoch);
  end_strange();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stranger_with_a_good_credential_comes_in),
      cmocka_unit_test(a_stranger_without_one_stays_out_however_often_it_asks),
      cmocka_unit_test(who_has_got_a_good_one_meanwhile_comes_in),
      cmocka_unit_test(who_is_wanted_comes_in_with_an_accepted_credential_alone),
      cmocka_unit_test(only_who_may_add_looks_at_strangers),
      cmocka_unit_test(a_key_package_of_somebody_else_lets_nobody_in),
      cmocka_unit_test(strangers_who_are_made_up_cost_little),
      cmocka_unit_test(another_networks_name_is_not_ours),
      cmocka_unit_test(a_renewed_credential_goes_into_our_leaf),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
