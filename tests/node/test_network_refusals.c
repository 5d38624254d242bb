/* What members of the network's group may not do, and what others who know them may not. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/network_kit.h"

#include "mls/group.h"
#include "node/network_internal.h"
#include "pair/binding.h"

#define CONNECTED 0x1f

static tw_group *group_of(uint32_t i) { return world.nodes[i].network->epoch.group; }

static uint32_t leaf_of(uint32_t by, uint32_t i) {
  return tw_network_find_member(&world.nodes[by].network->epoch, &world.nodes[i].id)->leaf;
}

/* Nodes in `wanted` want each other; the others think that they are wanted, too. */
static void set_rosters(uint32_t wanted) {
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].wanted = wanted | 1u << i;
}

static void rosters_changed(void) {
  for (uint32_t i = 0; i < NODES; i++) tw_network_roster_changed(world.nodes[i].network, world.now_ms);
}

/* Only those are there, and come together. */
static void begin_with(uint64_t seed, uint32_t admins, uint32_t members) {
  begin_world(seed, admins, 0);
  set_rosters(members);
  for (uint32_t i = 0; i < NODES; i++) {
    if ((members >> i & 1) != 0) connect(&world.nodes[i]);
  }
  expect_agreement(members, 60000, "at first");
}

static tw_buf package_of(uint32_t i) {
  tw_buf published = {0};
  tw_buf kept = {0};
  uint8_t ref[TW_STOCK_REF];
  assert_int_equal(tw_network_make_package(world.nodes[i].network, false, world.now_ms, &published, &kept, ref), TW_OK);
  tw_buf_clear(&kept);
  return published;
}

static void members_of(const tw_group *group, tw_buf *out) {
  tw_member member;
  tw_writer w = tw_writer_to(out);
  for (uint32_t leaf = 0; tw_group_next_member(group, &leaf, &member); leaf++) {
    tw_client_id id;
    assert_int_equal(tw_fingerprint_of(&world.test.env, tw_group_suite(group), member.signature_key, &id), TW_OK);
    tw_control_write_client(&w, &id);
  }
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* What node `by` makes of its group goes to the relay in its name, whatever its engine would think of it. */
static tw_control_status give_to_relay(uint32_t by, const tw_commit_result *made, tw_bytes welcomes) {
  tw_buf members = {0};
  members_of(made->next, &members);
  const tw_control_request request = {.type = TW_CONTROL_GROUP_COMMIT,
                                      .number = 1,
                                      .body.group_commit = {.group_id = tw_group_id(made->next),
                                                            .epoch = tw_group_epoch(made->next) - 1,
                                                            .commit = tw_buf_bytes(&made->commit),
                                                            .group_info = tw_buf_bytes(&made->group_info),
                                                            .members = tw_buf_bytes(&members),
                                                            .welcomes = welcomes}};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[by], &request, &answer);
  tw_buf_clear(&members);
  return answer.status;
}

static void commit_as(uint32_t by, tw_bytes proposals, uint32_t welcomed, bool names) {
  const tw_commit_options options = {.proposals = proposals, .want_group_info = true, .names_key_packages = names};
  tw_commit_result made = {0};
  tw_buf welcomes = {0};
  assert_int_equal(tw_group_commit(group_of(by), &options, world.now_ms / 1000, &made), TW_OK);
  if (welcomed < NODES) {
    tw_writer w = tw_writer_to(&welcomes);
    const tw_control_welcome welcome = {world.nodes[welcomed].id, tw_buf_bytes(&made.welcome)};
    tw_control_write_welcome(&w, &welcome);
    assert_int_equal(tw_writer_end(&w), TW_OK);
  }
  assert_int_equal(give_to_relay(by, &made, tw_buf_bytes(&welcomes)), TW_CONTROL_DONE);
  tw_buf_clear(&welcomes);
  tw_commit_result_clear(&made);
  world.nodes[by].online = false; /* its engine knows nothing of it */
}

static void add_as(uint32_t by, uint32_t joiner) {
  tw_buf proposals = {0};
  tw_buf package = package_of(joiner);
  assert_int_equal(tw_propose_add(&proposals, tw_buf_bytes(&package)), TW_OK);
  commit_as(by, tw_buf_bytes(&proposals), NODES, true);
  tw_buf_clear(&package);
  tw_buf_clear(&proposals);
}

static void remove_as(uint32_t by, uint32_t whom) {
  tw_buf proposals = {0};
  assert_int_equal(tw_propose_remove(&proposals, leaf_of(by, whom)), TW_OK);
  commit_as(by, tw_buf_bytes(&proposals), NODES, false);
  tw_buf_clear(&proposals);
}

static void expect_stuck(uint32_t who, uint64_t epoch) {
  for (uint32_t i = 0; i < NODES; i++) {
    if ((who >> i & 1) == 0) continue;
    const tw_network_status s = status_of(i);
    assert_int_equal(s.state, TW_NETWORK_STUCK);
    assert_int_equal(s.epoch, epoch);
    assert_true(s.refused > 0);
    for (uint32_t k = 0; k < NODES; k++) { /* they go on talking as before */
      if (k != i && (who >> k & 1) != 0) assert_true(is_understood(i, k));
    }
  }
}

/* Past the relay's own rules. */
static void mail_commit(uint32_t to, uint32_t from, tw_bytes commit) {
  const tw_control_entry entry = {.number = 1,
                                  .kind = TW_CONTROL_KIND_COMMIT,
                                  .from = world.nodes[from].id,
                                  .group_id = tw_group_id(group_of(to)),
                                  .epoch = tw_group_epoch(group_of(to)),
                                  .message = commit};
  tw_network_mail(world.nodes[to].network, &entry, world.now_ms);
}

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
  begin_with(4, 0, 0x0f);
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

/* ---- Welcomes ---- */

/* One for node 4, made by a group of node 0's alone, as `change` has it. */
typedef struct forged {
  const char *label;
  const char *name;
  bool names;
  uint32_t also; /* another member; NODES: none */
} forged;

static void forge_welcome(const forged *f, tw_bytes package, tw_buf *welcome) {
  const uint16_t component = tw_code_points_default.channel_binding_component;
  const tw_channel_binding binding = {TW_BYTES((const uint8_t *)f->label, strlen(f->label)),
                                      TW_BYTES((const uint8_t *)f->name, strlen(f->name))};
  tw_buf data = {0};
  tw_buf extensions = {0};
  tw_buf id = {0};
  tw_buf proposals = {0};
  tw_group *group = NULL;
  tw_commit_result made = {0};
  assert_int_equal(tw_channel_binding_encode(&binding, &data), TW_OK);
  assert_int_equal(tw_component_set(&extensions, component, tw_buf_bytes(&data)), TW_OK);
  tw_client client = world.nodes[0].network->client;
  client.leaf_extensions = tw_buf_bytes(&extensions);
  assert_int_equal(tw_channel_binding_group_id(&world.test.env, binding.label, &id), TW_OK);
  assert_int_equal(tw_group_create(&client, tw_buf_bytes(&id), tw_buf_bytes(&extensions), world.now_ms / 1000, &group),
                   TW_OK);
  assert_int_equal(tw_propose_add(&proposals, package), TW_OK);
  if (f->also < NODES) {
    tw_buf other = package_of(f->also);
    assert_int_equal(tw_propose_add(&proposals, tw_buf_bytes(&other)), TW_OK);
    tw_buf_clear(&other);
  }
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .names_key_packages = f->names};
  assert_int_equal(tw_group_commit(group, &options, world.now_ms / 1000, &made), TW_OK);
  assert_int_equal(tw_buf_assign(welcome, tw_buf_bytes(&made.welcome)), TW_OK);
  tw_commit_result_clear(&made);
  tw_group_free(group);
  tw_buf_clear(&proposals);
  tw_buf_clear(&id);
  tw_buf_clear(&extensions);
  tw_buf_clear(&data);
}

static void give_welcome(uint32_t to, tw_bytes welcome) {
  const tw_control_entry entry = {
      .number = 1, .kind = TW_CONTROL_KIND_WELCOME, .from = world.nodes[0].id, .message = welcome};
  tw_network_mail(world.nodes[to].network, &entry, world.now_ms);
}

/* Node 4 has left key packages at a relay where there is a group that does not want it. */
static tw_buf begin_waiting(uint64_t seed) {
  begin_with(seed, 0, 0x03);
  set_rosters(0x03);
  world.nodes[4].wanted = 0x13;
  connect(&world.nodes[4]);
  calm();
  assert_int_equal(status_of(4).state, TW_NETWORK_WAITING);
  const tw_control_request take = {
      .type = TW_CONTROL_TAKE, .number = 1, .body.take = {world.nodes[4].id, TW_CONTROL_POOL_NETWORK}};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[0], &take, &answer);
  assert_int_equal(answer.status, TW_CONTROL_DONE);
  tw_buf package = {0};
  assert_int_equal(tw_buf_append(&package, answer.body.take.key_package), TW_OK);
  return package;
}

static const forged good = {TW_NETWORK_LABEL, "test.example", true, NODES};

static void a_welcome_is_taken_once(void **state) {
  (void)state;
  tw_buf welcome = {0};
  tw_buf package = begin_waiting(20);
  forge_welcome(&good, tw_buf_bytes(&package), &welcome);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_int_equal(status_of(4).state, TW_NETWORK_MEMBER);
  assert_int_equal(status_of(4).members, 2);
  const uint64_t epoch = status_of(4).epoch;
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_int_equal(status_of(4).epoch, epoch);
  crash(&world.nodes[4]);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_int_equal(status_of(4).epoch, epoch);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  end_world();
}

static void welcomes_that_are_refused(void **state) {
  (void)state;
  static const forged bad[] = {
      {TW_NETWORK_LABEL, "test.example", false, NODES},   /* does not name our key package */
      {TW_NETWORK_LABEL, "another.example", true, NODES}, /* of another network */
      {"treewire pair", "test.example", true, NODES},     /* of another protocol */
      {TW_NETWORK_LABEL, "test.example", true, 3},        /* with somebody who is not wanted */
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tw_buf welcome = {0};
    tw_buf package = begin_waiting(21 + i);
    forge_welcome(&bad[i], tw_buf_bytes(&package), &welcome);
    give_welcome(4, tw_buf_bytes(&welcome));
    assert_false(status_of(4).there);
    assert_int_equal(status_of(4).refused, 1);
    assert_int_equal(world.nodes[4].key_count, 0);
    /* The key package is still good for a right one. */
    forge_welcome(&good, tw_buf_bytes(&package), &welcome);
    give_welcome(4, tw_buf_bytes(&welcome));
    assert_true(status_of(4).there);
    tw_buf_clear(&package);
    tw_buf_clear(&welcome);
    end_world();
  }
}

static void a_welcome_that_is_damaged_or_somebody_elses_is_ignored(void **state) {
  (void)state;
  tw_buf welcome = {0};
  tw_buf package = begin_waiting(30);
  tw_buf other = package_of(3);
  forge_welcome(&good, tw_buf_bytes(&other), &welcome);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_false(status_of(4).there);
  forge_welcome(&good, tw_buf_bytes(&package), &welcome);
  for (size_t len = 0; len < welcome.len; len++) give_welcome(4, TW_BYTES(welcome.ptr, len));
  const size_t step = tw_test_rounds(3, 101);
  for (size_t at = 0; at < welcome.len; at += step) {
    welcome.ptr[at] ^= 0x10;
    give_welcome(4, tw_buf_bytes(&welcome));
    welcome.ptr[at] ^= 0x10;
  }
  assert_false(status_of(4).there);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_true(status_of(4).there);
  tw_buf_clear(&other);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
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
      cmocka_unit_test(a_welcome_is_taken_once),
      cmocka_unit_test(welcomes_that_are_refused),
      cmocka_unit_test(a_welcome_that_is_damaged_or_somebody_elses_is_ignored),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
