/* What groups do when everybody behaves: proposals, commits, and going on after each. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "tw_test_bent.h"

static void a_group_grows_updates_and_shrinks(tw_test_people *p) {
  tw_test_gather(p, 4, TW_NO_BYTES);
  tw_test_talk(p->all, 4);
  tw_test_commit(p->all[2], NULL, (tw_test_member *[]){p->all[0], p->all[1], p->all[3]}, 3, NULL);
  tw_test_agree(p->all, 4);
  tw_buf remove = {0};
  assert_int_equal(tw_propose_remove(&remove, tw_group_own_leaf(p->all[1]->group)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&remove), .plaintext = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p->all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, &p->all[1], 1);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p->all[2], 2);
  tw_test_adopt(p->all[0], result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_buf_clear(&remove);
  tw_test_member *left[] = {p->all[0], p->all[2], p->all[3]};
  assert_int_equal(tw_group_member_count(p->all[0]->group), 3);
  tw_test_agree(left, 3);
  tw_test_talk(left, 3);
}

static void every_suite_runs_a_group(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_test_people p;
    tw_test_env probe;
    tw_test_env_init(&probe, 1);
    const uint16_t id = tw_suite_id(&probe.env, tw_suite_at(i));
    tw_test_env_clear(&probe);
    tw_test_people_init(&p, id);
    a_group_grows_updates_and_shrinks(&p);
    tw_test_people_clear(&p);
  }
}

static void proposals_by_reference_are_committed_by_anybody(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 4, TW_NO_BYTES);
  tw_key_package *key_package = tw_test_key_package(p.all[4]);
  tw_buf add = {0};
  tw_buf remove = {0};
  tw_buf message = {0};
  assert_int_equal(tw_propose_add(&add, tw_key_package_message(key_package)), TW_OK);
  assert_int_equal(tw_propose_remove(&remove, tw_group_own_leaf(p.all[3]->group)), TW_OK);
  /* bob updates, charlie wants emil in and dora out, alice commits it all */
  assert_int_equal(tw_group_propose_update(p.all[1]->group, NULL, NULL, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, (tw_test_member *[]){p.all[0], p.all[2], p.all[3]}, 3);
  tw_buf_clear(&message);
  const tw_message_options plain = {.plaintext = true};
  assert_int_equal(tw_group_propose(p.all[2]->group, tw_buf_bytes(&add), &plain, TW_TEST_NOW, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, (tw_test_member *[]){p.all[0], p.all[1], p.all[3]}, 3);
  tw_buf_clear(&message);
  assert_int_equal(tw_group_propose(p.all[2]->group, tw_buf_bytes(&remove), NULL, TW_TEST_NOW, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, (tw_test_member *[]){p.all[0], p.all[1], p.all[3]}, 3);
  assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_ERR_PENDING);

  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, NULL, TW_TEST_NOW, &result), TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, &p.all[3], 1);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 2);
  tw_test_adopt(p.all[0], result.next);
  result.next = NULL;
  tw_group *joined = NULL;
  assert_int_equal(
      tw_group_join(&p.all[4]->client, key_package, tw_buf_bytes(&result.welcome), NULL, TW_TEST_NOW, &joined), TW_OK);
  tw_test_adopt(p.all[4], joined);
  tw_test_member *now[] = {p.all[0], p.all[1], p.all[2], p.all[4]};
  tw_test_agree(now, 4);
  tw_test_talk(now, 4);
  /* bob's Update has given him a new leaf key that works */
  tw_test_commit(p.all[0], NULL, (tw_test_member *[]){p.all[1], p.all[2], p.all[4]}, 3, NULL);
  tw_test_agree(now, 4);
  tw_commit_result_clear(&result);
  tw_key_package_free(key_package);
  tw_buf_clear(&add);
  tw_buf_clear(&remove);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

static void commits_without_path_where_allowed(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 2, TW_NO_BYTES);
  tw_key_package *key_package = tw_test_key_package(p.all[2]);
  tw_buf proposals = {0};
  tw_buf welcome = {0};
  assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(key_package)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true, .tree_outside = true};
  tw_test_commit(p.all[0], &options, &p.all[1], 1, &welcome);
  tw_buf tree = {0};
  tw_group *joined = NULL;
  assert_int_equal(tw_group_join(&p.all[2]->client, key_package, tw_buf_bytes(&welcome), NULL, TW_TEST_NOW, &joined),
                   TW_ERR_MISSING_TREE);
  assert_int_equal(tw_group_ratchet_tree(p.all[1]->group, &tree), TW_OK);
  const tw_join_options join = {.ratchet_tree = tw_buf_bytes(&tree)};
  assert_int_equal(tw_group_join(&p.all[2]->client, key_package, tw_buf_bytes(&welcome), &join, TW_TEST_NOW, &joined),
                   TW_OK);
  tw_test_adopt(p.all[2], joined);
  tw_test_agree(p.all, 3);
  tw_test_talk(p.all, 3);
  tw_test_commit(p.all[2], NULL, p.all, 2, NULL);
  tw_test_agree(p.all, 3);
  tw_buf_clear(&tree);
  tw_buf_clear(&welcome);
  tw_buf_clear(&proposals);
  tw_key_package_free(key_package);
  tw_test_people_clear(&p);
}

static void psks_enter_the_schedule(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  const uint64_t past = tw_group_epoch(p.all[0]->group);
  tw_test_commit(p.all[0], NULL, &p.all[1], 2, NULL);
  tw_buf proposals = {0};
  const tw_psk_query external = {.type = 1, .psk_id = TW_LITERAL("shared")};
  const tw_psk_query component = {.type = 3, .component_id = 0x8002, .psk_id = TW_LITERAL("shared")};
  const tw_psk_query resumption = {
      .type = 2, .usage = 1, .psk_group_id = tw_group_id(p.all[0]->group), .psk_epoch = past};
  assert_int_equal(tw_propose_psk(p.all[0]->group, &proposals, &external), TW_OK);
  assert_int_equal(tw_propose_psk(p.all[0]->group, &proposals, &component), TW_OK);
  assert_int_equal(tw_propose_psk(p.all[0]->group, &proposals, &resumption), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_ERR_MISSING_PSK);
  for (size_t i = 0; i < 3; i++) p.all[i]->psk = "the same for all";
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_received received = {0};
  p.all[1]->psk = NULL;
  assert_int_equal(tw_group_receive(p.all[1]->group, tw_buf_bytes(&result.commit), TW_TEST_NOW, &received),
                   TW_ERR_MISSING_PSK);
  p.all[1]->psk = "another one";
  assert_int_equal(tw_group_receive(p.all[1]->group, tw_buf_bytes(&result.commit), TW_TEST_NOW, &received), TW_ERR_MAC);
  p.all[1]->psk = "the same for all";
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 2);
  tw_test_adopt(p.all[0], result.next);
  result.next = NULL;
  tw_test_agree(p.all, 3);
  tw_commit_result_clear(&result);
  tw_buf_clear(&proposals);
  tw_test_people_clear(&p);
}

static void an_identity_changes_with_a_commit(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  tw_test_member fresh;
  tw_test_member_init(&fresh, &p.test, p.all[0]->client.suite, "alice2");
  const tw_commit_options options = {.client = &fresh.client};
  p.all[2]->refuse = "alice2";
  tw_commit_result result = {0};
  tw_received received = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  assert_int_equal(tw_group_receive(p.all[2]->group, tw_buf_bytes(&result.commit), TW_TEST_NOW, &received),
                   TW_ERR_CREDENTIAL);
  p.all[2]->refuse = NULL;
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 2);
  tw_test_adopt(p.all[0], result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_test_agree(p.all, 3);
  tw_test_talk(p.all, 3);
  tw_test_commit(p.all[1], NULL, (tw_test_member *[]){p.all[0], p.all[2]}, 2, NULL);
  tw_test_agree(p.all, 3);
  tw_group_free(p.all[0]->group);
  p.all[0]->group = NULL;
  tw_test_member_clear(&fresh);
  tw_test_people_clear(&p);
}

/* Saves and loads a member's group in place. */
static void reload(tw_test_member *member) {
  tw_buf saved = {0};
  tw_group *loaded = NULL;
  assert_int_equal(tw_group_save(member->group, &saved), TW_OK);
  assert_int_equal(tw_group_load(&member->client, tw_buf_bytes(&saved), &loaded), TW_OK);
  tw_test_adopt(member, loaded);
  tw_buf again = {0};
  assert_int_equal(tw_group_save(member->group, &again), TW_OK);
  tw_test_same(tw_buf_bytes(&again), tw_buf_bytes(&saved));
  tw_buf_clear(&saved);
  tw_buf_clear(&again);
}

static void a_saved_group_goes_on(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 0);
  tw_test_gather(&p, 4, TW_NO_BYTES);
  assert_int_equal(tw_group_propose_update(p.all[1]->group, NULL, NULL, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, (tw_test_member *[]){p.all[0], p.all[2], p.all[3]}, 3);
  for (size_t i = 0; i < 4; i++) reload(p.all[i]);
  tw_test_commit(p.all[0], NULL, &p.all[1], 3, NULL);
  for (size_t i = 0; i < 4; i++) reload(p.all[i]);
  tw_test_agree(p.all, 4);
  tw_test_talk(p.all, 4);
  for (size_t i = 0; i < 4; i++) reload(p.all[i]);
  tw_test_talk(p.all, 4);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

static void a_lost_race_leaves_the_epoch_as_it_was(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  tw_commit_result loser = {0};
  assert_int_equal(tw_group_commit(p.all[2]->group, NULL, TW_TEST_NOW, &loser), TW_OK);
  tw_test_commit(p.all[0], NULL, &p.all[1], 2, NULL);
  tw_test_agree(p.all, 3);
  tw_received received = {0};
  assert_int_equal(tw_group_receive(p.all[0]->group, tw_buf_bytes(&loser.commit), TW_TEST_NOW, &received),
                   TW_ERR_OLD_EPOCH);
  tw_commit_result_clear(&loser);
  tw_test_commit(p.all[2], NULL, p.all, 2, NULL);
  tw_test_agree(p.all, 3);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_suite_runs_a_group),
      cmocka_unit_test(proposals_by_reference_are_committed_by_anybody),
      cmocka_unit_test(commits_without_path_where_allowed),
      cmocka_unit_test(psks_enter_the_schedule),
      cmocka_unit_test(an_identity_changes_with_a_commit),
      cmocka_unit_test(a_saved_group_goes_on),
      cmocka_unit_test(a_lost_race_leaves_the_epoch_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
