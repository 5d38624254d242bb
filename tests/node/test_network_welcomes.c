/* Welcomes to the network's group: which are taken, and which are not. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/network_hostile.h"

/* ---- Welcomes ---- */

/* One for node 4, made by a group of node 0's alone, as `change` has it. */
typedef struct forged {
  const char *label;
  const char *name;
  bool names;
  uint32_t also;    /* another member; NODES: none */
  bool tree_inside; /* the Welcome's GroupInfo */
} forged;

/* As the relay hands it out: with the tree. */
static void write_welcomed(tw_bytes welcome, tw_bytes tree, tw_buf *out) {
  out->len = 0;
  tw_writer w = tw_writer_to(out);
  tw_control_write_welcomed(&w, &(tw_control_welcomed){welcome, tree});
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void forge_welcome(const forged *f, tw_bytes package, tw_buf *welcome) {
  const uint16_t component = tw_code_points_default.channel_binding_component;
  const tw_channel_binding binding = {TW_BYTES((const uint8_t *)f->label, strlen(f->label)),
                                      TW_BYTES((const uint8_t *)f->name, strlen(f->name))};
  tw_buf data = {0};
  tw_buf extensions = {0};
  tw_buf id = {0};
  tw_buf proposals = {0};
  tw_buf tree = {0};
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
  const tw_commit_options options = {
      .proposals = tw_buf_bytes(&proposals), .names_key_packages = f->names, .tree_outside = !f->tree_inside};
  assert_int_equal(tw_group_commit(group, &options, world.now_ms / 1000, &made), TW_OK);
  if (!f->tree_inside) assert_int_equal(tw_group_ratchet_tree(made.next, &tree), TW_OK);
  write_welcomed(tw_buf_bytes(&made.welcome), tw_buf_bytes(&tree), welcome);
  tw_commit_result_clear(&made);
  tw_group_free(group);
  tw_buf_clear(&proposals);
  tw_buf_clear(&tree);
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

static const forged good = {TW_NETWORK_LABEL, "test.example", true, NODES, false};

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

static void fail_removed(void *ctx, const tw_client_id *id) {
  (void)ctx;
  (void)id;
  fail();
}

/* The relay has lost the group, and one member has founded another one. */
static void another_group_says_nothing_about_members_of_the_last(void **state) {
  (void)state;
  tw_buf welcome = {0};
  begin_with(31, 0, 0x0f);
  kit_node *n = &world.nodes[3];
  n->network->config.removed = fail_removed;
  n->network->state = TW_NETWORK_WAITING; /* as the relay's other group makes it */
  n->network->awaits_another = true;
  tw_network_ask_stock(n->network);
  calm();
  const tw_control_request take = {.type = TW_CONTROL_TAKE, .number = 1, .body.take = {n->id, TW_CONTROL_POOL_NETWORK}};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[0], &take, &answer);
  assert_int_equal(answer.status, TW_CONTROL_DONE);
  tw_buf package = {0};
  assert_int_equal(tw_buf_append(&package, answer.body.take.key_package), TW_OK);
  forge_welcome(&good, tw_buf_bytes(&package), &welcome);
  give_welcome(3, tw_buf_bytes(&welcome));
  assert_int_equal(status_of(3).members, 2);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  end_world();
}

/* It finds its own group, or another one. */
static void find_one(kit_node *n, bool another) {
  tw_control_answer answer = {.to = TW_CONTROL_GROUP_FIND, .request = 1, .status = TW_CONTROL_DONE};
  static const uint8_t other[20] = {1};
  answer.body.group_find = find_as(n->index, NULL);
  if (another) answer.body.group_find.group_id = TW_ARRAY(other);
  tw_buf kept = world.answer; /* it is asked for more meanwhile */
  world.answer = (tw_buf){0};
  tw_network_found(n->network, &answer, world.now_ms);
  tw_buf_clear(&kept);
}

/* The relay keeps a Welcome back, shows the node its own group again, and later another one. */
static void a_welcome_that_was_kept_back_does_not_come_later(void **state) {
  (void)state;
  tw_buf welcome = {0};
  tw_buf package = {0};
  tw_buf home = {0};
  begin_with(32, 0, 0x0f);
  kit_node *n = &world.nodes[3];
  assert_int_equal(tw_buf_assign(&home, tw_group_id(group_of(3))), TW_OK);
  find_one(n, true);
  calm();
  const tw_control_request take = {.type = TW_CONTROL_TAKE, .number = 1, .body.take = {n->id, TW_CONTROL_POOL_NETWORK}};
  for (int last = 0; last < 2; last++) { /* also the last resort */
    tw_control_answer answer;
    do {
      kit_serve_request(&world.nodes[0], &take, &answer);
      assert_int_equal(answer.status, TW_CONTROL_DONE);
    } while (last == 1 && !answer.body.take.last_resort);
    assert_int_equal(tw_buf_assign(&package, answer.body.take.key_package), TW_OK);
    find_one(n, false);
    forge_welcome(&good, tw_buf_bytes(&package), &welcome);
    give_welcome(3, tw_buf_bytes(&welcome)); /* it is at home */
    assert_true(tw_bytes_equal(tw_group_id(group_of(3)), tw_buf_bytes(&home)));
    find_one(n, true);
    give_welcome(3, tw_buf_bytes(&welcome)); /* that was before */
    assert_true(tw_bytes_equal(tw_group_id(group_of(3)), tw_buf_bytes(&home)));
    calm();
    crash(n);
    give_welcome(3, tw_buf_bytes(&welcome));
    assert_true(tw_bytes_equal(tw_group_id(group_of(3)), tw_buf_bytes(&home)));
    calm();
    find_one(n, true);
    calm();
  }
  expect_agreement(0x0f, UINT64_C(7200000), "at home");
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  tw_buf_clear(&home);
  end_world();
}

static void welcomes_that_are_refused(void **state) {
  (void)state;
  static const forged bad[] = {
      {TW_NETWORK_LABEL, "test.example", false, NODES, false},   /* does not name our key package */
      {TW_NETWORK_LABEL, "another.example", true, NODES, false}, /* of another network */
      {"treewire pair", "test.example", true, NODES, false},     /* of another protocol */
      {TW_NETWORK_LABEL, "test.example", true, 3, false},        /* with somebody who is not wanted */
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

static void a_tree_that_is_not_the_welcomes_is_refused(void **state) {
  (void)state;
  tw_buf welcome = {0};
  tw_buf another = {0};
  tw_buf bad = {0};
  tw_control_welcomed right;
  tw_control_welcomed wrong;
  tw_buf package = begin_waiting(31);
  forge_welcome(&good, tw_buf_bytes(&package), &welcome);
  forge_welcome(&good, tw_buf_bytes(&package), &another); /* of a group with the same members */
  assert_int_equal(tw_control_welcomed_decode(tw_buf_bytes(&welcome), &right), TW_OK);
  assert_int_equal(tw_control_welcomed_decode(tw_buf_bytes(&another), &wrong), TW_OK);
  const tw_bytes trees[] = {TW_NO_BYTES, wrong.tree, TW_BYTES(right.tree.ptr, right.tree.len - 1), right.welcome};
  for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
    write_welcomed(right.welcome, trees[i], &bad);
    give_welcome(4, tw_buf_bytes(&bad));
    assert_false(status_of(4).there);
    assert_int_equal(world.nodes[4].key_count, 0);
  }
  give_welcome(4, tw_buf_bytes(&welcome)); /* the key package has not gone with these */
  assert_true(status_of(4).there);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  tw_buf_clear(&another);
  tw_buf_clear(&bad);
  end_world();
}

static void a_welcome_may_have_the_tree_in_it(void **state) {
  (void)state;
  static const forged inside = {TW_NETWORK_LABEL, "test.example", true, NODES, .tree_inside = true};
  tw_buf welcome = {0};
  tw_buf package = begin_waiting(32);
  forge_welcome(&inside, tw_buf_bytes(&package), &welcome);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_true(status_of(4).there);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  end_world();
}

/* ---- one that was refused for its members ---- */

static const forged with_another = {TW_NETWORK_LABEL, "test.example", true, 3, false};

static bool is_kept(void) { return kit_find_value(&world.nodes[4], TW_STORE_GROUP, TW_LITERAL("welcome")) != NULL; }

/* Node 4 has a Welcome into a group with node 3, which it does not want. */
static void begin_refusing(uint64_t seed) {
  tw_buf welcome = {0};
  tw_buf package = begin_waiting(seed);
  forge_welcome(&with_another, tw_buf_bytes(&package), &welcome);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_false(status_of(4).there);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
}

static void it_is_taken_once_they_are_wanted(void **state) {
  (void)state;
  begin_refusing(24);
  assert_true(is_kept());
  tw_network_roster_changed(world.nodes[4].network, world.now_ms); /* by somebody else */
  assert_false(status_of(4).there);
  assert_true(is_kept());
  world.nodes[4].wanted |= 0x08;
  tw_network_roster_changed(world.nodes[4].network, world.now_ms);
  assert_int_equal(status_of(4).state, TW_NETWORK_MEMBER);
  assert_int_equal(status_of(4).members, 3);
  assert_false(is_kept());
  end_world();
}

static void so_it_is_over_restarts(void **state) {
  (void)state;
  begin_refusing(25);
  for (int i = 0; i < 3; i++) {
    crash(&world.nodes[4]);
    assert_false(status_of(4).there);
    assert_true(is_kept());
  }
  world.nodes[4].wanted |= 0x08;
  crash(&world.nodes[4]);
  assert_int_equal(status_of(4).members, 3);
  assert_false(is_kept());
  end_world();
}

static void without_a_disk_it_is_in_memory_alone(void **state) {
  (void)state;
  tw_buf welcome = {0};
  tw_buf package = begin_waiting(26);
  forge_welcome(&with_another, tw_buf_bytes(&package), &welcome);
  world.nodes[4].disk_fails = true;
  give_welcome(4, tw_buf_bytes(&welcome));
  world.nodes[4].disk_fails = false;
  assert_false(is_kept());
  world.nodes[4].wanted |= 0x08;
  tw_network_roster_changed(world.nodes[4].network, world.now_ms);
  assert_int_equal(status_of(4).members, 3);
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  end_world();
}

static void one_that_another_has_overtaken_or_that_was_damaged_is_forgotten(void **state) {
  (void)state;
  tw_buf welcome = {0};
  begin_refusing(27);
  kit_value *kept = kit_find_value(&world.nodes[4], TW_STORE_GROUP, TW_LITERAL("welcome"));
  kept->bytes.ptr[kept->bytes.len - 1] ^= 1;
  world.nodes[4].wanted |= 0x08;
  crash(&world.nodes[4]);
  assert_false(status_of(4).there);
  assert_false(is_kept());
  end_world();
  tw_buf package = begin_waiting(28);
  forge_welcome(&with_another, tw_buf_bytes(&package), &welcome);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_true(is_kept());
  forge_welcome(&good, tw_buf_bytes(&package), &welcome);
  give_welcome(4, tw_buf_bytes(&welcome));
  assert_int_equal(status_of(4).members, 2);
  assert_false(is_kept());
  tw_buf_clear(&package);
  tw_buf_clear(&welcome);
  end_world();
}

static void memory_that_fails_loses_it_or_takes_it(void **state) {
  (void)state;
  begin_refusing(29);
  world.nodes[4].wanted |= 0x08;
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&world.test, n);
    tw_network_roster_changed(world.nodes[4].network, world.now_ms);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    if (!failed || status_of(4).there) break;
    if (is_kept()) continue;
    end_world(); /* lost: as if it had not come */
    begin_refusing(29);
    world.nodes[4].wanted |= 0x08;
  }
  assert_int_equal(status_of(4).members, 3);
  assert_false(is_kept());
  end_world();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_welcome_is_taken_once),
      cmocka_unit_test(another_group_says_nothing_about_members_of_the_last),
      cmocka_unit_test(a_welcome_that_was_kept_back_does_not_come_later),
      cmocka_unit_test(welcomes_that_are_refused),
      cmocka_unit_test(a_welcome_that_is_damaged_or_somebody_elses_is_ignored),
      cmocka_unit_test(a_tree_that_is_not_the_welcomes_is_refused),
      cmocka_unit_test(a_welcome_may_have_the_tree_in_it),
      cmocka_unit_test(it_is_taken_once_they_are_wanted),
      cmocka_unit_test(so_it_is_over_restarts),
      cmocka_unit_test(without_a_disk_it_is_in_memory_alone),
      cmocka_unit_test(one_that_another_has_overtaken_or_that_was_damaged_is_forgotten),
      cmocka_unit_test(memory_that_fails_loses_it_or_takes_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
