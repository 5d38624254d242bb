/* What comes from outside and is refused, and Welcomes that are no good: RFC 9420 sections 12.1.8 and 12.4.3.1. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "tw_test_bent.h"

/* ---- external proposals ---- */

/* Three members, whose group lets frida propose. */
static void gather_with_external_sender(tw_test_people *p) {
  tw_buf data = {0};
  tw_buf extensions = {0};
  tw_test_people_init(p, 1);
  const tw_credential_view credential = {.type = TW_CREDENTIAL_BASIC, .identity = TW_LITERAL("frida")};
  const tw_external_sender frida = {tw_signer_public_key(p->all[5]->client.signer), credential};
  tw_writer w = tw_writer_to(&data);
  const tw_vector_mark mark = tw_write_open(&w);
  tw_write_external_sender(&w, &frida);
  tw_write_close(&w, mark);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_SENDERS, tw_buf_bytes(&data)), TW_OK);
  tw_test_gather(p, 3, tw_buf_bytes(&extensions));
  tw_buf_clear(&data);
  tw_buf_clear(&extensions);
}

static void external_senders_propose_what_they_may(void **state) {
  tw_test_people p;
  tw_buf list = {0};
  tw_buf message = {0};
  (void)state;
  gather_with_external_sender(&p);
  tw_group *group = p.all[0]->group;
  const tw_client *client = &p.all[5]->client;
  const tw_bytes id = TW_LITERAL("a group");
  const uint64_t epoch = tw_group_epoch(group);

  /* types that no external sender may send, by itself or for another */
  for (size_t i = 0; i < 3; i++) {
    list.len = 0;
    tw_writer w = tw_writer_to(&list);
    if (i == 0) tw_write_proposal_self_remove(&w);
    if (i == 1) tw_write_proposal_external_init(&w, TW_LITERAL("kem output"));
    if (i == 2) tw_write_proposal_update(&w, tw_group_own_leaf_node(group)->encoded);
    assert_int_equal(tw_writer_end(&w), TW_OK);
    message.len = 0;
    assert_int_equal(tw_external_propose(client, id, epoch, 0, tw_buf_bytes(&list), &message), TW_OK);
    tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_SENDER);
  }
  /* for another epoch, or a sender that is not in the list */
  list.len = 0;
  message.len = 0;
  assert_int_equal(tw_propose_remove(&list, 1), TW_OK);
  assert_int_equal(tw_external_propose(client, id, epoch - 1, 0, tw_buf_bytes(&list), &message), TW_OK);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_OLD_EPOCH);
  message.len = 0;
  assert_int_equal(tw_external_propose(client, id, epoch, UINT32_MAX, tw_buf_bytes(&list), &message), TW_OK);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_SENDER);
  /* and a group that names none */
  tw_test_goes_on(&p, 3);
  const tw_commit_options without = {.proposals = TW_LITERAL("\x00\x07\x00")};
  tw_test_commit(p.all[0], &without, &p.all[1], 2, NULL);
  message.len = 0;
  assert_int_equal(tw_external_propose(client, id, tw_group_epoch(p.all[0]->group), 0, tw_buf_bytes(&list), &message),
                   TW_OK);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_SENDER);
  tw_test_goes_on(&p, 3);
  tw_buf_clear(&list);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

static void new_members_propose_their_own_add(void **state) {
  tw_test_people p;
  tw_buf list = {0};
  tw_buf message = {0};
  (void)state;
  gather_with_external_sender(&p);
  /* a new member proposes nothing but its Add */
  const tw_test_bent remove_by_new = {.sender = {TW_SENDER_NEW_MEMBER_PROPOSAL, 0},
                                      .content_type = TW_CONTENT_PROPOSAL,
                                      .body = tw_buf_bytes(&list),
                                      .signer = p.all[4]->client.signer};
  list.len = 0;
  assert_int_equal(tw_propose_remove(&list, 1), TW_OK);
  tw_test_bent bent = remove_by_new;
  bent.body = tw_buf_bytes(&list);
  tw_test_bend(p.all[1], &bent, &message);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_SENDER);
  /* somebody else's Add */
  tw_key_package *key_package = tw_test_key_package(p.all[3]);
  list.len = 0;
  assert_int_equal(tw_propose_add(&list, tw_key_package_message(key_package)), TW_OK);
  bent.body = tw_buf_bytes(&list);
  tw_test_bend(p.all[1], &bent, &message);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_SIGNATURE);
  tw_key_package_free(key_package);
  /* application data and commits from outside */
  for (unsigned type = TW_SENDER_EXTERNAL; type <= TW_SENDER_NEW_MEMBER_COMMIT; type++) {
    const tw_test_bent data_message = {
        .sender = {(uint8_t)type, 0}, .content_type = TW_CONTENT_APPLICATION, .body = TW_LITERAL("\x01x")};
    tw_test_bend(p.all[1], &data_message, &message);
    message.len -= 33; /* no membership tag */
    tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_FORBIDDEN);
  }
  tw_buf_clear(&list);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* ---- Welcomes ---- */

static void welcomes_that_a_joiner_refuses(void **state) {
  tw_test_people p;
  tw_buf list = {0};
  tw_group *joined = NULL;
  tw_commit_result result = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 2, TW_NO_BYTES);
  tw_key_package *ours = tw_test_key_package(p.all[2]);
  tw_key_package *another = tw_test_key_package(p.all[2]);
  assert_int_equal(tw_propose_add(&list, tw_key_package_message(ours)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  const tw_bytes welcome = tw_buf_bytes(&result.welcome);
  tw_client *client = &p.all[2]->client;
  assert_int_equal(tw_group_join(client, another, welcome, NULL, TW_TEST_NOW, &joined), TW_ERR_WRONG_GROUP);
  p.all[2]->refuse = "alice";
  assert_int_equal(tw_group_join(client, ours, welcome, NULL, TW_TEST_NOW, &joined), TW_ERR_CREDENTIAL);
  p.all[2]->refuse = NULL;
  const tw_join_options origin = {.origin = p.all[0]->group};
  assert_int_equal(tw_group_join(client, ours, welcome, &origin, TW_TEST_NOW, &joined), TW_ERR_FORBIDDEN);
  assert_int_equal(tw_group_join(client, ours, tw_buf_bytes(&result.commit), NULL, TW_TEST_NOW, &joined),
                   TW_ERR_UNEXPECTED);
  assert_null(joined);
  assert_int_equal(tw_group_join(client, ours, welcome, NULL, TW_TEST_NOW, &joined), TW_OK);
  tw_test_adopt(p.all[2], joined);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 1);
  tw_test_adopt(p.all[0], result.next);
  result.next = NULL;
  tw_test_goes_on(&p, 3);
  tw_commit_result_clear(&result);
  tw_key_package_free(ours);
  tw_key_package_free(another);
  tw_buf_clear(&list);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(external_senders_propose_what_they_may),
      cmocka_unit_test(new_members_propose_their_own_add),
      cmocka_unit_test(welcomes_that_a_joiner_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
