/* Coming and going without a Welcome: external commits, proposals from outside, SelfRemove. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "tw_test_bent.h"

enum { FORMER_SELF = -2 };

/* Joins with GroupInfo; `remove` >= 0: replaces that leaf, our former self; FORMER_SELF: the library finds it. */
static void join_externally(tw_test_member *joiner, const tw_test_member *from, int remove,
                            tw_test_member *const *others, size_t count) {
  tw_buf info = {0};
  tw_buf proposals = {0};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_info_message(from->group, true, TW_NO_BYTES, &info), TW_OK);
  if (remove >= 0) assert_int_equal(tw_propose_remove(&proposals, (uint32_t)remove), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  const tw_join_options join = {.replaces_self = remove == FORMER_SELF};
  const tw_err err = tw_group_join_external(&joiner->client, tw_buf_bytes(&info), &join, &options, TW_TEST_NOW,
                                            &result);
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
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 3);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  join_externally(p.all[3], p.all[1], -1, p.all, 3);
  tw_test_agree(p.all, 4);
  tw_test_talk(p.all, 4);
  join_externally(p.all[1], p.all[0], (int)tw_group_own_leaf(p.all[1]->group),
                  (tw_test_member *[]){p.all[0], p.all[2], p.all[3]}, 3);
  tw_test_agree(p.all, 4);
  tw_test_talk(p.all, 4);
  for (uint32_t i = 0; i < 2; i++) {
    join_externally(p.all[1], p.all[0], FORMER_SELF, (tw_test_member *[]){p.all[0], p.all[2], p.all[3]}, 3);
    assert_int_equal(tw_group_member_count(p.all[0]->group), 4);
    tw_test_agree(p.all, 4);
  }
  join_externally(p.all[4], p.all[0], FORMER_SELF, p.all, 4); /* there is none */
  assert_int_equal(tw_group_member_count(p.all[0]->group), 5);
  tw_test_agree(p.all, 5);
  tw_test_commit(p.all[1], NULL, (tw_test_member *[]){p.all[0], p.all[2], p.all[3], p.all[4]}, 4, NULL);
  tw_test_agree(p.all, 5);
  tw_test_people_clear(&p);
}

static void outsiders_propose(void **state) {
  tw_test_people p;
  tw_buf senders = {0};
  tw_buf list = {0};
  tw_buf extensions = {0};
  (void)state;
  tw_test_people_init(&p, 1);
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
  tw_test_gather(&p, 2, tw_buf_bytes(&extensions));

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
  tw_test_people_clear(&p);
}

static void a_self_remove_is_committed_by_others_and_by_joiners(void **state) {
  tw_test_people p;
  tw_buf proposals = {0};
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
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
  tw_test_people_clear(&p);
}

static void an_external_joiner_takes_self_removes_along(void **state) {
  tw_test_people p;
  tw_buf proposals = {0};
  tw_buf message = {0};
  tw_buf info = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
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
  tw_test_people_clear(&p);
}

/* Adds the last two people; `options` says what the GroupInfo has. Both of them try to join and want to be named. */
typedef struct welcome_case {
  bool names;
  tw_bytes component; /* by hand; empty: none */
  tw_err expected;
} welcome_case;

static void try_welcome(const welcome_case *c) {
  tw_test_people p;
  tw_buf proposals = {0};
  tw_buf extensions = {0};
  tw_commit_result result = {0};
  tw_test_people_init(&p, 1);
  tw_test_found(p.all[0], TW_NO_BYTES);
  tw_key_package *const packages[] = {tw_test_key_package(p.all[1]), tw_test_key_package(p.all[2])};
  for (int i = 0; i < 2; i++) assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(packages[i])), TW_OK);
  if (c->component.len > 0) {
    const uint16_t id = tw_code_points_default.welcome_key_packages_component;
    assert_int_equal(tw_component_set(&extensions, id, c->component), TW_OK);
  }
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals),
                                     .names_key_packages = c->names,
                                     .group_info_extensions = tw_buf_bytes(&extensions)};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  const tw_join_options join = {.wants_to_be_named = true};
  for (int i = 0; i < 2; i++) {
    tw_group *group = NULL;
    assert_int_equal(
        tw_group_join(&p.all[1 + i]->client, packages[i], tw_buf_bytes(&result.welcome), &join, TW_TEST_NOW, &group),
        c->expected);
    if (c->expected != TW_OK) {
      assert_null(group); /* it is the naming alone that is wrong */
      assert_int_equal(
          tw_group_join(&p.all[1 + i]->client, packages[i], tw_buf_bytes(&result.welcome), NULL, TW_TEST_NOW, &group),
          TW_OK);
    }
    tw_group_free(group);
    tw_key_package_free(packages[i]);
  }
  tw_commit_result_clear(&result);
  tw_buf_clear(&extensions);
  tw_buf_clear(&proposals);
  tw_test_people_clear(&p);
}

static void who_wants_to_be_named_takes_no_other_welcome(void **state) {
  static const uint8_t other[] = {5, 4, 1, 2, 3, 4};
  static const uint8_t cut[] = {40, 33, 1};
  static const uint8_t trailing[] = {0, 0};
  const welcome_case cases[] = {
      {true, TW_NO_BYTES, TW_OK},
      {false, TW_NO_BYTES, TW_ERR_BINDING},
      {false, TW_ARRAY(other), TW_ERR_BINDING},
      {false, TW_ARRAY(cut), TW_ERR_TRUNCATED},
      {false, TW_ARRAY(trailing), TW_ERR_TRAILING},
      {true, TW_ARRAY(other), TW_OK}, /* ours takes its place */
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) try_welcome(&cases[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(external_commits_join_and_resync),
      cmocka_unit_test(outsiders_propose),
      cmocka_unit_test(a_self_remove_is_committed_by_others_and_by_joiners),
      cmocka_unit_test(an_external_joiner_takes_self_removes_along),
      cmocka_unit_test(who_wants_to_be_named_takes_no_other_welcome),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
