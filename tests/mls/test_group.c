/* What groups do when everybody behaves: every kind of proposal, commit and join. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "tw_test_member.h"

enum { MANY = 6 };

typedef struct people {
  tw_test_env test;
  tw_test_member member[MANY];
  tw_test_member *all[MANY];
} people;

static void people_init(people *p, uint16_t suite_id) {
  static const char *const names[MANY] = {"alice", "bob", "charlie", "dora", "emil", "frida"};
  tw_test_env_init(&p->test, suite_id);
  const tw_suite *suite = suite_id == 0 ? tw_suite_default() : tw_suite_by_id(&p->test.env, suite_id);
  assert_non_null(suite);
  for (size_t i = 0; i < MANY; i++) {
    tw_test_member_init(&p->member[i], &p->test, suite, names[i]);
    p->all[i] = &p->member[i];
  }
}

static void people_clear(people *p) {
  for (size_t i = 0; i < MANY; i++) tw_test_member_clear(&p->member[i]);
  tw_test_env_clear(&p->test);
}

/* A group of the first `count`, each added by the one before. */
static void gather(people *p, size_t count, tw_bytes extensions) {
  tw_test_found(p->all[0], extensions);
  for (size_t i = 1; i < count; i++) {
    tw_test_member *others[MANY];
    size_t n = 0;
    for (size_t k = 0; k < i - 1; k++) others[n++] = p->all[k];
    tw_test_add(p->all[i - 1], p->all[i], others, n);
  }
  tw_test_agree(p->all, count);
}

static void a_group_grows_updates_and_shrinks(people *p) {
  gather(p, 4, TW_NO_BYTES);
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
    people p;
    tw_test_env probe;
    tw_test_env_init(&probe, 1);
    const uint16_t id = tw_suite_id(&probe.env, tw_suite_at(i));
    tw_test_env_clear(&probe);
    people_init(&p, id);
    a_group_grows_updates_and_shrinks(&p);
    people_clear(&p);
  }
}

static void proposals_by_reference_are_committed_by_anybody(void **state) {
  people p;
  (void)state;
  people_init(&p, 1);
  gather(&p, 4, TW_NO_BYTES);
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
  people_clear(&p);
}

static void commits_without_path_where_allowed(void **state) {
  people p;
  (void)state;
  people_init(&p, 1);
  gather(&p, 2, TW_NO_BYTES);
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
  people_clear(&p);
}

/* Joins with GroupInfo; `remove` >= 0: replaces that leaf, our former self. */
static void join_externally(tw_test_member *joiner, const tw_test_member *from, int remove,
                            tw_test_member *const *others, size_t count) {
  tw_buf info = {0};
  tw_buf proposals = {0};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_info_message(from->group, true, TW_NO_BYTES, &info), TW_OK);
  if (remove >= 0) assert_int_equal(tw_propose_remove(&proposals, (uint32_t)remove), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  const tw_err err = tw_group_join_external(&joiner->client, tw_buf_bytes(&info), NULL, &options, TW_TEST_NOW, &result);
  if (err != TW_OK) fail_msg("external join: %s", tw_err_text(err));
  tw_received received = {0};
  assert_int_equal(tw_group_receive(others[0]->group, tw_buf_bytes(&result.commit), TW_TEST_NOW, &received), TW_OK);
  assert_int_equal(received.sender_type, 4);
  assert_int_equal(received.sender, tw_group_own_leaf(result.next));
  tw_received_clear(&received);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, others, count);
  tw_test_adopt(joiner, result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&proposals);
}

static void external_commits_join_and_resync(void **state) {
  people p;
  (void)state;
  people_init(&p, 3);
  gather(&p, 3, TW_NO_BYTES);
  join_externally(p.all[3], p.all[1], -1, p.all, 3);
  tw_test_agree(p.all, 4);
  tw_test_talk(p.all, 4);
  join_externally(p.all[1], p.all[0], (int)tw_group_own_leaf(p.all[1]->group),
                  (tw_test_member *[]){p.all[0], p.all[2], p.all[3]}, 3);
  tw_test_agree(p.all, 4);
  tw_test_talk(p.all, 4);
  tw_test_commit(p.all[1], NULL, (tw_test_member *[]){p.all[0], p.all[2], p.all[3]}, 3, NULL);
  tw_test_agree(p.all, 4);
  people_clear(&p);
}

static void outsiders_propose(void **state) {
  people p;
  tw_buf senders = {0};
  tw_buf list = {0};
  tw_buf extensions = {0};
  (void)state;
  people_init(&p, 1);
  /* struct { signature_key<V>; Credential } in external_senders<V> */
  const tw_bytes key = tw_signer_public_key(p.all[5]->client.signer);
  const uint8_t head[] = {(uint8_t)key.len};
  const uint8_t credential[] = {0, 1, 5, 'f', 'r', 'i', 'd', 'a'};
  assert_int_equal(tw_buf_append(&senders, TW_ARRAY(head)), TW_OK);
  assert_int_equal(tw_buf_append(&senders, key), TW_OK);
  assert_int_equal(tw_buf_append(&senders, TW_ARRAY(credential)), TW_OK);
  const uint8_t length[] = {(uint8_t)senders.len};
  assert_int_equal(tw_buf_append(&list, TW_ARRAY(length)), TW_OK);
  assert_int_equal(tw_buf_append(&list, tw_buf_bytes(&senders)), TW_OK);
  assert_int_equal(tw_extension_append(&extensions, 5, tw_buf_bytes(&list)), TW_OK);
  gather(&p, 2, tw_buf_bytes(&extensions));

  tw_key_package *key_package = tw_test_key_package(p.all[2]);
  tw_key_package *own = tw_test_key_package(p.all[3]);
  tw_buf add = {0};
  tw_buf message = {0};
  assert_int_equal(tw_propose_add(&add, tw_key_package_message(key_package)), TW_OK);
  const tw_bytes group_id = tw_group_id(p.all[0]->group);
  const uint64_t epoch = tw_group_epoch(p.all[0]->group);
  assert_int_equal(tw_external_propose(&p.all[5]->client, group_id, epoch, 0, tw_buf_bytes(&add), &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, p.all, 2);
  tw_buf_clear(&message);
  /* one that is not in the list */
  assert_int_equal(tw_external_propose(&p.all[4]->client, group_id, epoch, 0, tw_buf_bytes(&add), &message), TW_OK);
  tw_received received = {0};
  assert_int_equal(tw_group_receive(p.all[0]->group, tw_buf_bytes(&message), TW_TEST_NOW, &received), TW_ERR_SIGNATURE);
  tw_buf_clear(&message);
  assert_int_equal(tw_external_propose(&p.all[4]->client, group_id, epoch, 1, tw_buf_bytes(&add), &message), TW_OK);
  assert_int_equal(tw_group_receive(p.all[0]->group, tw_buf_bytes(&message), TW_TEST_NOW, &received), TW_ERR_SENDER);
  tw_buf_clear(&message);
  assert_int_equal(tw_external_propose_self(own, &p.all[3]->client, group_id, epoch, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, p.all, 2);

  tw_buf welcome = {0};
  tw_group *joined = NULL;
  tw_test_commit(p.all[1], NULL, p.all, 1, &welcome);
  assert_int_equal(tw_group_join(&p.all[2]->client, key_package, tw_buf_bytes(&welcome), NULL, TW_TEST_NOW, &joined),
                   TW_OK);
  tw_test_adopt(p.all[2], joined);
  assert_int_equal(tw_group_join(&p.all[3]->client, own, tw_buf_bytes(&welcome), NULL, TW_TEST_NOW, &joined), TW_OK);
  tw_test_adopt(p.all[3], joined);
  tw_test_agree(p.all, 4);
  tw_test_talk(p.all, 4);
  tw_key_package_free(key_package);
  tw_key_package_free(own);
  tw_buf_clear(&senders);
  tw_buf_clear(&list);
  tw_buf_clear(&extensions);
  tw_buf_clear(&add);
  tw_buf_clear(&message);
  tw_buf_clear(&welcome);
  people_clear(&p);
}

static void psks_enter_the_schedule(void **state) {
  people p;
  (void)state;
  people_init(&p, 1);
  gather(&p, 3, TW_NO_BYTES);
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
  people_clear(&p);
}

static void subgroup(people *p, bool reinit) {
  tw_commit_result result = {0};
  tw_key_package *key_packages[2] = {tw_test_key_package(p->all[1]), tw_test_key_package(p->all[2])};
  const tw_bytes messages[2] = {tw_key_package_message(key_packages[0]), tw_key_package_message(key_packages[1])};
  tw_group *origin = p->all[0]->group;
  const tw_err err = reinit ? tw_group_reinit(origin, &p->all[0]->client, messages, 2, TW_TEST_NOW, &result)
                            : tw_group_branch(origin, &p->all[0]->client, TW_LITERAL("a branch"), messages, 2,
                                              TW_TEST_NOW, &result);
  if (err != TW_OK) fail_msg("subgroup: %s", tw_err_text(err));
  for (size_t i = 1; i < 3; i++) {
    tw_group *joined = NULL;
    tw_join_options join = {.origin = NULL};
    assert_int_not_equal(tw_group_join(&p->all[i]->client, key_packages[i - 1], tw_buf_bytes(&result.welcome), &join,
                                       TW_TEST_NOW, &joined),
                         TW_OK);
    join.origin = p->all[i]->group;
    assert_int_equal(tw_group_join(&p->all[i]->client, key_packages[i - 1], tw_buf_bytes(&result.welcome), &join,
                                   TW_TEST_NOW, &joined),
                     TW_OK);
    tw_test_adopt(p->all[i], joined);
    tw_key_package_free(key_packages[i - 1]);
  }
  tw_test_adopt(p->all[0], result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  assert_int_equal(tw_group_epoch(p->all[0]->group), 1);
  tw_test_agree(p->all, 3);
  tw_test_talk(p->all, 3);
}

static void a_branch_has_some_of_the_members(void **state) {
  people p;
  (void)state;
  people_init(&p, 1);
  gather(&p, 4, TW_NO_BYTES);
  subgroup(&p, false);
  people_clear(&p);
}

static void a_reinitialised_group_goes_on_in_its_successor(void **state) {
  people p;
  tw_buf proposals = {0};
  tw_buf message = {0};
  (void)state;
  people_init(&p, 2);
  gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(
      tw_propose_reinit(p.all[1]->group, &proposals, TW_LITERAL("successor"), p.all[0]->client.suite, TW_NO_BYTES),
      TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true};
  tw_test_commit(p.all[1], &options, (tw_test_member *[]){p.all[0], p.all[2]}, 2, NULL);
  tw_test_agree(p.all, 3);
  assert_true(tw_group_is_closed(p.all[0]->group));
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, NULL, TW_TEST_NOW, &result), TW_ERR_CLOSED);
  assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_ERR_CLOSED);
  subgroup(&p, true);
  tw_test_same(tw_group_id(p.all[2]->group), TW_LITERAL("successor"));
  tw_buf_clear(&proposals);
  tw_buf_clear(&message);
  people_clear(&p);
}

static void application_components(void **state) {
  people p;
  tw_buf proposals = {0};
  tw_bytes data;
  (void)state;
  people_init(&p, 1);
  gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_propose_app_data_update(&proposals, 0x8100, TW_LITERAL("one")), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&proposals, 0x8100, TW_LITERAL("two")), TW_OK);
  assert_int_equal(tw_propose_app_ephemeral(&proposals, 0x8101, TW_LITERAL("gone")), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_ERR_PROPOSAL);
  for (size_t i = 0; i < 3; i++) p.all[i]->components = true;
  tw_test_commit(p.all[0], &options, &p.all[1], 2, NULL);
  tw_test_agree(p.all, 3);
  assert_true(tw_component_lookup(tw_group_extensions(p.all[2]->group), 0x8100, &data));
  tw_test_same(data, TW_LITERAL("onetwo"));
  assert_int_equal(p.all[2]->ephemerals, 1);
  tw_buf_clear(&proposals);
  assert_int_equal(tw_propose_app_data_remove(&proposals, 0x8100), TW_OK);
  const tw_commit_options removal = {.proposals = tw_buf_bytes(&proposals)};
  tw_test_commit(p.all[1], &removal, (tw_test_member *[]){p.all[0], p.all[2]}, 2, NULL);
  assert_false(tw_component_lookup(tw_group_extensions(p.all[2]->group), 0x8100, &data));
  assert_int_equal(tw_group_commit(p.all[0]->group, &removal, TW_TEST_NOW, &result), TW_ERR_PROPOSAL);
  tw_buf_clear(&proposals);

  uint8_t secret[3][64];
  size_t len[3];
  for (size_t i = 0; i < 3; i++) assert_int_equal(tw_group_safe_export(p.all[i]->group, 6, secret[i], &len[i]), TW_OK);
  assert_int_equal(len[0], 32);
  assert_memory_equal(secret[0], secret[1], 32);
  assert_memory_equal(secret[0], secret[2], 32);
  assert_int_equal(tw_group_safe_export(p.all[0]->group, 6, secret[0], &len[0]), TW_ERR_DUPLICATE);
  people_clear(&p);
}

static void a_self_remove_is_committed_by_others_and_by_joiners(void **state) {
  people p;
  tw_buf proposals = {0};
  tw_buf message = {0};
  (void)state;
  people_init(&p, 1);
  gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_propose_self_remove(&proposals), TW_OK);
  assert_int_equal(tw_group_propose(p.all[2]->group, tw_buf_bytes(&proposals), NULL, TW_TEST_NOW, &message),
                   TW_ERR_ARGUMENT);
  const tw_message_options plain = {.plaintext = true};
  assert_int_equal(tw_group_propose(p.all[2]->group, tw_buf_bytes(&proposals), &plain, TW_TEST_NOW, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, p.all, 2);
  const tw_commit_options by_value = {.proposals = tw_buf_bytes(&proposals), .without_collected = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &by_value, TW_TEST_NOW, &result), TW_ERR_PROPOSAL);
  assert_int_equal(tw_group_commit(p.all[0]->group, NULL, TW_TEST_NOW, &result), TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, &p.all[2], 1);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 1);
  tw_test_adopt(p.all[0], result.next);
  result.next = NULL;
  tw_test_agree(p.all, 2);
  assert_int_equal(tw_group_member_count(p.all[1]->group), 2);
  tw_commit_result_clear(&result);
  tw_buf_clear(&proposals);
  tw_buf_clear(&message);
  people_clear(&p);
}

static void an_external_joiner_takes_self_removes_along(void **state) {
  people p;
  tw_buf proposals = {0};
  tw_buf message = {0};
  tw_buf info = {0};
  (void)state;
  people_init(&p, 1);
  gather(&p, 3, TW_NO_BYTES);
  /* alice, at leaf 0, leaves; dora joins from outside and commits that */
  const tw_message_options plain = {.plaintext = true};
  assert_int_equal(tw_propose_self_remove(&proposals), TW_OK);
  assert_int_equal(tw_group_propose(p.all[0]->group, tw_buf_bytes(&proposals), &plain, TW_TEST_NOW, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, &p.all[1], 2);
  assert_int_equal(tw_group_info_message(p.all[1]->group, true, TW_NO_BYTES, &info), TW_OK);
  tw_commit_result result = {0};
  const tw_bytes self_remove = tw_buf_bytes(&message);
  const tw_join_options join = {.self_removes = &self_remove, .self_remove_count = 1};
  message.ptr[message.len - 40]++; /* in the signature */
  assert_int_equal(tw_group_join_external(&p.all[3]->client, tw_buf_bytes(&info), &join, NULL, TW_TEST_NOW, &result),
                   TW_ERR_SIGNATURE);
  message.ptr[message.len - 40]--;
  assert_int_equal(tw_group_join_external(&p.all[3]->client, tw_buf_bytes(&info), &join, NULL, TW_TEST_NOW, &result),
                   TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, &p.all[0], 1);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 2);
  tw_test_adopt(p.all[3], result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  assert_int_equal(tw_group_own_leaf(p.all[3]->group), 0);
  tw_test_agree(&p.all[1], 3);
  tw_test_talk(&p.all[1], 3);
  tw_buf_clear(&proposals);
  tw_buf_clear(&message);
  tw_buf_clear(&info);
  people_clear(&p);
}

static void an_identity_changes_with_a_commit(void **state) {
  people p;
  (void)state;
  people_init(&p, 1);
  gather(&p, 3, TW_NO_BYTES);
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
  people_clear(&p);
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
  people p;
  tw_buf message = {0};
  (void)state;
  people_init(&p, 0);
  gather(&p, 4, TW_NO_BYTES);
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
  people_clear(&p);
}

static void a_lost_race_leaves_the_epoch_as_it_was(void **state) {
  people p;
  (void)state;
  people_init(&p, 1);
  gather(&p, 3, TW_NO_BYTES);
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
  people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_suite_runs_a_group),
      cmocka_unit_test(proposals_by_reference_are_committed_by_anybody),
      cmocka_unit_test(commits_without_path_where_allowed),
      cmocka_unit_test(external_commits_join_and_resync),
      cmocka_unit_test(outsiders_propose),
      cmocka_unit_test(psks_enter_the_schedule),
      cmocka_unit_test(a_branch_has_some_of_the_members),
      cmocka_unit_test(a_reinitialised_group_goes_on_in_its_successor),
      cmocka_unit_test(application_components),
      cmocka_unit_test(a_self_remove_is_committed_by_others_and_by_joiners),
      cmocka_unit_test(an_external_joiner_takes_self_removes_along),
      cmocka_unit_test(an_identity_changes_with_a_commit),
      cmocka_unit_test(a_saved_group_goes_on),
      cmocka_unit_test(a_lost_race_leaves_the_epoch_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
