/* The network group's tree apart from its GroupInfo: lies about it, patches that do not fit, states of before. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/network_hostile.h"

static tw_buf kept; /* what a bent answer points to */
static uint32_t victim;
static unsigned bent;

/* What the victim has sent up with its commits: the last one, and how often another one. */
static tw_buf last_commit;
static tw_bytes last_tree;
static unsigned sendings, wholes, commits, finds, finds_of_trees;

static void begin(uint64_t seed) {
  begin_three(seed);
  victim = 2;
  bent = sendings = wholes = commits = finds = finds_of_trees = 0;
}

static void end(void) {
  tw_buf_clear(&kept);
  tw_buf_clear(&last_commit);
  end_world();
}

static void renew(uint32_t i) {
  tw_network_rekey(world.nodes[i].network, world.now_ms);
  live(5000);
}

/* Whether it needs nothing of before, and what comes of it then. */
static bool is_whole(tw_bytes patch, tw_buf *out) {
  out->len = 0;
  return tw_control_patch_apply(&world.test.env, TW_NO_BYTES, patch, TW_CONTROL_MESSAGE_MAX, out) == TW_OK;
}

/* What the relay has fits the epoch in which node `i` is. */
static void expect_right_tree(uint32_t i) {
  tw_buf there = {0};
  tw_buf ours = {0};
  const tw_control_group group = find_both_as(i, NULL, &there);
  assert_int_equal(group.epoch, status_of(i).epoch);
  tree_of(group_of(i), &ours);
  tw_test_same(tw_buf_bytes(&there), tw_buf_bytes(&ours));
  tw_buf_clear(&there);
  tw_buf_clear(&ours);
}

static void count_sending(const kit_node *n, const tw_control_request *asked) {
  tw_buf made = {0};
  if (n->index != victim || asked->type != TW_CONTROL_GROUP_COMMIT) return;
  const tw_bytes commit = asked->body.group_commit.commit;
  sendings++;
  last_tree = asked->body.group_commit.tree;
  if (is_whole(last_tree, &made)) {
    wholes++;
    assert_true(is_whole(asked->body.group_commit.members, &made));
    tw_test_same(commit, tw_buf_bytes(&last_commit)); /* no other one was made */
  } else {
    commits++;
    assert_int_equal(tw_buf_assign(&last_commit, commit), TW_OK);
  }
  tw_buf_clear(&made);
}

/* ---- what a relay gives out ---- */

static bool give_kept_tree(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND && answer->status == TW_CONTROL_DONE) {
    answer->body.group_find.tree = tw_buf_bytes(&kept);
    bent++;
  }
  assert_false(n->index == victim && asked->type == TW_CONTROL_GROUP_COMMIT);
  return true;
}

static void a_wrong_tree_leads_nowhere(void **state) {
  (void)state;
  for (int i = 0; i < 5; i++) {
    begin(1 + (uint64_t)i);
    (void)find_both_as(0, NULL, &kept);
    if (i == 0) renew(0);     /* one of another epoch */
    if (i == 1) kept.len = 0; /* an empty one */
    if (i == 2) kept.ptr[kept.len / 2] ^= 1;
    if (i == 3) kept.len--;
    if (i == 4) assert_int_equal(tw_buf_append(&kept, TW_LITERAL("\0")), TW_OK);
    world.bend_answer = give_kept_tree;
    lose_disk(&world.nodes[victim]);
    much_later(10);
    assert_true(bent > 0);
    assert_false(status_of(victim).there);
    world.bend_answer = NULL;
    expect_agreement(0x07, UINT64_C(3) * 3600 * 1000, "when it says the truth");
    expect_right_tree(0);
    end();
  }
}

static void damaged_trees_are_of_no_use(void **state) {
  (void)state;
  tw_buf info = {0};
  tw_buf tree = {0};
  begin(10);
  const tw_control_group there = find_both_as(victim, &info, &tree);
  kit_node *n = &world.nodes[victim];
  lose_disk(n);
  break_link(n);
  const size_t step = tw_test_rounds(7, 301);
  for (size_t at = 0; at < 2 * tree.len; at += step) {
    assert_int_equal(tw_buf_assign(&kept, tw_buf_bytes(&tree)), TW_OK);
    if (at >= tree.len) kept.ptr[at - tree.len] ^= 0x40;
    expect_useless(n, there, tw_buf_bytes(&info), TW_BYTES(kept.ptr, at < tree.len ? at : tree.len));
  }
  connect(n);
  expect_agreement(0x07, UINT64_C(3) * 3600 * 1000, "with the right one");
  tw_buf_clear(&info);
  tw_buf_clear(&tree);
  end();
}

/* ---- what a commit brings ---- */

static bool only_count(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  count_sending(n, asked);
  assert_true(answer->status != TW_CONTROL_UNFIT);
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND) {
    finds++;
    finds_of_trees += asked->body.group_find.tree;
    assert_int_equal(answer->body.group_find.tree.len > 0, asked->body.group_find.tree);
  }
  return true;
}

static void a_commit_brings_what_it_changes_and_who_comes_back_too(void **state) {
  (void)state;
  begin(11);
  world.bend_answer = only_count;
  for (unsigned i = 0; i < 3; i++) {
    renew(victim);
    assert_true(agree(0x07));
    expect_right_tree(0);
  }
  crash(&world.nodes[victim]);
  live(5000);
  assert_true(finds > 0);
  assert_int_equal(finds_of_trees, 0); /* which are for who has to come back */
  lose_disk(&world.nodes[victim]);
  expect_agreement(0x07, 600000, "after a lost disk");
  expect_right_tree(0);
  assert_int_equal(finds_of_trees, 1);
  assert_int_equal(wholes, 0);
  assert_true(commits >= 4);
  end();
}

/* ---- what does not fit ---- */

/* Node 1 gives the relay a good commit and junk for its tree. */
static void spoil(void) {
  tw_commit_result made = {0};
  assert_int_equal(tw_group_commit(group_of(1), NULL, world.now_ms / 1000, &made), TW_OK);
  assert_int_equal(give_with_tree(1, &made, TW_LITERAL("junk"), TW_NO_BYTES), TW_CONTROL_DONE);
  tw_commit_result_clear(&made);
  world.nodes[1].online = false; /* its engine knows nothing of it */
  live(5000);
  assert_int_equal(find_both_as(0, NULL, &kept).epoch, status_of(0).epoch);
  tw_test_same(tw_buf_bytes(&kept), TW_LITERAL("junk"));
}

static bool count(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  (void)answer;
  count_sending(n, asked);
  return true;
}

static void who_lies_spoils_the_tree_until_the_next_commit(void **state) {
  (void)state;
  begin(12);
  spoil();
  world.bend_answer = count;
  renew(victim);
  assert_int_equal(sendings, 2);
  assert_int_equal(wholes, 1);
  assert_int_equal(commits, 1);
  expect_right_tree(victim);
  world.bend_answer = NULL;
  connect(&world.nodes[1]);
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "after the lie");
  lose_disk(&world.nodes[0]);
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "with who needs the tree");
  expect_right_tree(0);
  end();
}

/* A crash at each place: before the relay has it, before its answer is here, before all has gone up, and behind that.
 */
static void a_restart_before_all_has_come_is_got_over(void **state) {
  (void)state;
  for (unsigned served = 0; served < 4; served++) {
    begin(20 + served);
    kit_node *n = &world.nodes[victim];
    spoil();
    const uint64_t epoch = status_of(victim).epoch;
    tw_network_rekey(n->network, world.now_ms);
    while (n->request_count > 1) serve(n, true); /* what was asked before */
    assert_int_equal(n->request_count, 1);
    assert_int_equal(n->network->pending.kind, TW_NETWORK_PENDING_COMMIT);
    if (served > 0) serve(n, served == 1);
    if (served > 1) assert_true(n->network->pending.whole);
    if (served > 2) serve(n, true);
    crash(n);
    live(5000);
    assert_int_equal(status_of(victim).epoch, epoch + 1);
    expect_right_tree(victim);
    connect(&world.nodes[1]);
    expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "after the lie");
    end();
  }
}

static void without_memory_for_all_of_it_it_is_tried_again(void **state) {
  (void)state;
  begin(25);
  kit_node *n = &world.nodes[victim];
  spoil();
  tw_network_rekey(n->network, world.now_ms);
  while (n->request_count > 1) serve(n, true);
  const tw_control_answer unfit = {
      .to = TW_CONTROL_GROUP_COMMIT, .request = 1, .status = TW_CONTROL_UNFIT, .body.words = TW_LITERAL("no")};
  const uint64_t tag = n->requests[0].tag;
  tw_buf_clear(&n->requests[--n->request_count].frame);
  for (size_t fail = 1;; fail++) {
    tw_buf before = {0};
    assert_int_equal(tw_buf_assign(&before, tw_buf_bytes(&n->network->pending.tree)), TW_OK);
    n->network->pending.in_flight = true; /* it went there again */
    tw_test_fail_alloc(&world.test, fail);
    tw_network_answer(n->network, tag, &unfit, world.now_ms);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    assert_int_equal(n->network->pending.kind, TW_NETWORK_PENDING_COMMIT);
    assert_int_equal(n->network->pending.whole, !failed);
    if (failed) tw_test_same(tw_buf_bytes(&n->network->pending.tree), tw_buf_bytes(&before));
    tw_buf_clear(&before);
    if (!failed) break;
    assert_true(n->network->pending.send_at_ms <= world.now_ms + 10000);
  }
  live(20000);
  expect_right_tree(victim);
  connect(&world.nodes[1]);
  expect_agreement(0x07, UINT64_C(2) * 3600 * 1000, "after all");
  end();
}

static bool say_unfit(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  count_sending(n, asked);
  if (n->index != victim || asked->type != TW_CONTROL_GROUP_COMMIT) return true;
  answer->status = TW_CONTROL_UNFIT;
  answer->body.words = TW_LITERAL("no");
  bent++;
  return true;
}

static void a_relay_to_which_nothing_fits_makes_no_loop(void **state) {
  (void)state;
  kit_rekey_after_ms = 0;
  begin(30);
  for (uint32_t i = 0; i < 3; i++) world.nodes[i].sign = false;
  world.bend_answer = say_unfit;
  for (unsigned i = 1; i <= 3; i++) {
    tw_network_rekey(world.nodes[victim].network, world.now_ms);
    calm(); /* no time passes */
    assert_int_equal(sendings, 2 * i);
    assert_int_equal(wholes, i);
    assert_int_equal(commits, i);
    assert_int_equal(world.nodes[victim].network->pending.kind, TW_NETWORK_PENDING_NONE);
    much_later(1); /* the relay has in truth taken it: what it has is taken up */
  }
  const unsigned before = sendings;
  much_later(60);
  assert_in_range(sendings, before, before + 60);
  assert_int_equal(bent, sendings);
  world.bend_answer = NULL;
  kit_rekey_after_ms = 600000;
  expect_agreement(0x07, UINT64_C(4) * 3600 * 1000, "when it says the truth");
  end();
}

/* ---- states of before ---- */

static bool give_tree_inside(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  if (n->index == victim && asked->type == TW_CONTROL_GROUP_FIND && answer->status == TW_CONTROL_DONE && bent == 0) {
    bent++;
    kept.len = 0;
    assert_int_equal(tw_group_info_message(group_of(0), true, TW_NO_BYTES, &kept), TW_OK);
    assert_int_equal(answer->body.group_find.epoch, status_of(0).epoch);
    answer->body.group_find.group_info = tw_buf_bytes(&kept);
    answer->body.group_find.tree = TW_NO_BYTES;
  }
  return true;
}

static void a_group_info_of_before_with_its_tree_inside_is_taken(void **state) {
  (void)state;
  begin(40);
  world.bend_answer = give_tree_inside;
  lose_disk(&world.nodes[victim]);
  calm();
  assert_int_equal(bent, 1);
  expect_agreement(0x07, 60000, "by the tree inside");
  expect_right_tree(0);
  end();
}

static void copy_vector(tw_reader *r, tw_writer *w) { tw_write_vector(w, tw_read_vector(r)); }

/* What is saved, as it was before: all members, and the tree in the GroupInfo. */
static void save_as_before(kit_node *n) {
  kit_value *v = kit_find_value(n, TW_STORE_GROUP, TW_NETWORK_RECORD_ID);
  tw_reader r = tw_reader_of(tw_buf_bytes(&v->bytes));
  tw_buf old = {0};
  tw_buf info = {0};
  tw_buf members = {0};
  tw_writer w = tw_writer_to(&old);
  members_of(n->network->pending.next.group, &members);
  assert_int_equal(tw_group_info_message(n->network->pending.next.group, true, TW_NO_BYTES, &info), TW_OK);
  assert_int_equal(tw_read_u8(&r), 3);
  tw_write_u8(&w, 2);
  assert_int_equal(tw_read_u8(&r), TW_NETWORK_REFUSED_NOTHING);
  tw_write_u8(&w, TW_NETWORK_REFUSED_NOTHING);
  tw_write_fixed(&w, tw_read_fixed(&r, 8));
  for (unsigned i = 0; i < 2; i++) copy_vector(&r, &w);
  tw_write_fixed(&w, tw_read_fixed(&r, 1 + 8 + 8));
  for (unsigned i = 0; i < 3; i++) copy_vector(&r, &w);
  for (unsigned i = 0; i < 3; i++) (void)tw_read_vector(&r);
  tw_write_vector(&w, tw_buf_bytes(&info));
  tw_write_vector(&w, tw_buf_bytes(&members));
  copy_vector(&r, &w);
  assert_int_equal(tw_reader_end(&r), TW_OK);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_buf_clear(&v->bytes);
  v->bytes = old;
  tw_buf_clear(&info);
  tw_buf_clear(&members);
}

static void a_commit_that_was_saved_before_goes_up_with_all(void **state) {
  (void)state;
  begin(41);
  kit_node *n = &world.nodes[victim];
  tw_network_rekey(n->network, world.now_ms);
  assert_int_equal(n->network->pending.kind, TW_NETWORK_PENDING_COMMIT);
  const uint64_t epoch = status_of(victim).epoch;
  assert_int_equal(tw_buf_assign(&last_commit, tw_buf_bytes(&n->network->pending.commit)), TW_OK);
  save_as_before(n);
  world.bend_answer = count;
  n->online = false;
  drop_requests(n);
  crash(n);
  assert_true(n->network->pending.whole);
  live(5000);
  assert_int_equal(wholes, 1);
  assert_int_equal(status_of(victim).epoch, epoch + 1);
  assert_true(agree(0x07));
  expect_right_tree(victim);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wrong_tree_leads_nowhere),
      cmocka_unit_test(damaged_trees_are_of_no_use),
      cmocka_unit_test(a_commit_brings_what_it_changes_and_who_comes_back_too),
      cmocka_unit_test(who_lies_spoils_the_tree_until_the_next_commit),
      cmocka_unit_test(a_restart_before_all_has_come_is_got_over),
      cmocka_unit_test(without_memory_for_all_of_it_it_is_tried_again),
      cmocka_unit_test(a_relay_to_which_nothing_fits_makes_no_loop),
      cmocka_unit_test(a_group_info_of_before_with_its_tree_inside_is_taken),
      cmocka_unit_test(a_commit_that_was_saved_before_goes_up_with_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
