/* External commits that are refused by members or by the joiner itself: RFC 9420 sections 12.2 and 12.4.3.2. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/commit_make.h"
#include "tw_test_bent.h"

/* emil's genuine external commit into the group of alice, bob and charlie, taken apart. */
typedef struct joiner {
  tw_test_people p;
  tw_test_member *alice;
  tw_test_member *bob;
  tw_test_member *charlie;
  tw_test_member *emil;
  tw_buf info;
  tw_commit_result genuine;
  tw_public_message public_message;
  tw_buf init; /* the encoded ExternalInit */
  tw_buf path;
  tw_buf list;
  tw_buf body;
  tw_buf message;
} joiner;

static void begin(joiner *j) {
  memset(j, 0, sizeof *j);
  tw_test_people_init(&j->p, 1);
  tw_test_gather(&j->p, 3, TW_NO_BYTES);
  j->alice = j->p.all[0];
  j->bob = j->p.all[1];
  j->charlie = j->p.all[2];
  j->emil = j->p.all[4];
  for (size_t i = 0; i < TW_TEST_MANY; i++) j->p.all[i]->psk = "psk";
  assert_int_equal(tw_group_info_message(j->alice->group, true, TW_NO_BYTES, &j->info), TW_OK);
  assert_int_equal(
      tw_group_join_external(&j->emil->client, tw_buf_bytes(&j->info), NULL, NULL, TW_TEST_NOW, &j->genuine), TW_OK);
  j->public_message = tw_test_public(&j->p.test, tw_buf_bytes(&j->genuine.commit));
  const tw_commit *commit = &j->public_message.content.commit;
  tw_reader walk = tw_reader_of(commit->proposals);
  tw_proposal_or_ref item;
  assert_true(tw_proposal_or_ref_next(&walk, &item));
  assert_int_equal(tw_buf_append(&j->init, item.proposal.encoded), TW_OK);
  tw_test_path_of(commit->path.leaf_node.encoded, commit->path.nodes, &j->path);
}

static void end(joiner *j) {
  tw_test_deliver(tw_buf_bytes(&j->genuine.commit), TW_RECEIVED_COMMIT, j->p.all, 3);
  tw_test_adopt(j->emil, j->genuine.next);
  j->genuine.next = NULL;
  tw_test_member *now[] = {j->alice, j->bob, j->charlie, j->emil};
  tw_test_agree(now, 4);
  tw_test_talk(now, 4);
  tw_commit_result_clear(&j->genuine);
  tw_buf_clear(&j->info);
  tw_buf_clear(&j->init);
  tw_buf_clear(&j->path);
  tw_buf_clear(&j->list);
  tw_buf_clear(&j->body);
  tw_buf_clear(&j->message);
  tw_test_people_clear(&j->p);
}

static void bend(joiner *j, tw_bytes body, tw_sender sender, tw_signer *signer) {
  const tw_test_bent bent = {.sender = sender, .content_type = TW_CONTENT_COMMIT, .body = body, .signer = signer};
  tw_test_bend(j->bob, &bent, &j->message);
}

static void refused_with(joiner *j, const tw_bytes *references, size_t count, tw_bytes path, tw_err expected) {
  tw_test_commit_body(tw_buf_bytes(&j->list), references, count, path, &j->body);
  bend(j, tw_buf_bytes(&j->body), (tw_sender){TW_SENDER_NEW_MEMBER_COMMIT, 0}, j->emil->client.signer);
  tw_test_refused(j->alice, tw_buf_bytes(&j->message), expected);
  j->list.len = 0;
}

static void refused(joiner *j, tw_err expected) { refused_with(j, NULL, 0, tw_buf_bytes(&j->path), expected); }

static void init(joiner *j) { assert_int_equal(tw_buf_append(&j->list, tw_buf_bytes(&j->init)), TW_OK); }

static void add(joiner *j, const tw_test_member *who) {
  tw_key_package *key_package = tw_test_key_package(who);
  assert_int_equal(tw_propose_add(&j->list, tw_key_package_message(key_package)), TW_OK);
  tw_key_package_free(key_package);
}

static void lists_of_external_commits(void **state) {
  joiner j;
  (void)state;
  begin(&j);
  refused(&j, TW_ERR_PROPOSAL); /* no ExternalInit */
  init(&j);
  init(&j);
  refused(&j, TW_ERR_PROPOSAL);
  init(&j);
  add(&j, j.p.all[5]);
  refused(&j, TW_ERR_PROPOSAL);
  init(&j);
  for (uint32_t i = 0; i < 2; i++) assert_int_equal(tw_propose_remove(&j.list, i + 1), TW_OK);
  refused(&j, TW_ERR_PROPOSAL);
  init(&j);
  assert_int_equal(tw_propose_remove(&j.list, 3), TW_OK); /* blank */
  refused(&j, TW_ERR_PROPOSAL);
  init(&j);
  assert_int_equal(tw_propose_extensions(&j.list, TW_NO_BYTES), TW_OK);
  refused(&j, TW_ERR_PROPOSAL);
  init(&j);
  assert_int_equal(tw_propose_reinit(j.alice->group, &j.list, TW_LITERAL("next"), j.alice->client.suite, TW_NO_BYTES),
                   TW_OK);
  refused(&j, TW_ERR_PROPOSAL);
  init(&j);
  assert_int_equal(tw_propose_self_remove(&j.list), TW_OK);
  refused(&j, TW_ERR_PROPOSAL);
  /* without a path nobody has signed it; a kem_output of another length */
  init(&j);
  refused_with(&j, NULL, 0, TW_NO_BYTES, TW_ERR_SENDER);
  tw_writer w = tw_writer_to(&j.list);
  tw_write_proposal_external_init(&w, TW_LITERAL("short"));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  refused(&j, TW_ERR_PROPOSAL);
  end(&j);
}

static void references_in_external_commits(void **state) {
  joiner j;
  (void)state;
  begin(&j);
  /* a Remove and a PSK that bob has proposed */
  const tw_psk_query query = {.type = TW_PSK_EXTERNAL, .psk_id = TW_LITERAL("one")};
  for (int psk = 0; psk < 2; psk++) {
    if (psk == 0) assert_int_equal(tw_propose_remove(&j.list, 2), TW_OK);
    if (psk == 1) assert_int_equal(tw_propose_psk(j.bob->group, &j.list, &query), TW_OK);
    j.message.len = 0;
    assert_int_equal(tw_group_propose(j.bob->group, tw_buf_bytes(&j.list), NULL, TW_TEST_NOW, &j.message), TW_OK);
    tw_test_deliver(tw_buf_bytes(&j.message), TW_RECEIVED_PROPOSAL, &j.alice, 1);
    j.list.len = 0;
    const tw_proposal_cache *cache = &j.alice->group->proposals;
    const tw_bytes reference = TW_BYTES(cache->items[cache->count - 1].reference, 32);
    init(&j);
    refused_with(&j, &reference, 1, tw_buf_bytes(&j.path), TW_ERR_PROPOSAL);
  }
  static const uint8_t zeros[32];
  const tw_bytes unknown = TW_ARRAY(zeros);
  init(&j);
  refused_with(&j, &unknown, 1, tw_buf_bytes(&j.path), TW_ERR_MISSING_PROPOSAL);
  tw_group_forget_proposals(j.alice->group);
  tw_group_forget_proposals(j.bob->group);
  end(&j);
}

static void senders_of_external_commits(void **state) {
  joiner j;
  (void)state;
  begin(&j);
  init(&j);
  tw_test_commit_body(tw_buf_bytes(&j.list), NULL, 0, tw_buf_bytes(&j.path), &j.body);
  /* signed by another key than the leaf's; from a member; from other kinds of sender */
  bend(&j, tw_buf_bytes(&j.body), (tw_sender){TW_SENDER_NEW_MEMBER_COMMIT, 0}, j.bob->client.signer);
  tw_test_refused(j.alice, tw_buf_bytes(&j.message), TW_ERR_SIGNATURE);
  bend(&j, tw_buf_bytes(&j.body), (tw_sender){TW_SENDER_MEMBER, 1}, NULL);
  tw_test_refused(j.alice, tw_buf_bytes(&j.message), TW_ERR_PROPOSAL);
  bend(&j, tw_buf_bytes(&j.body), (tw_sender){TW_SENDER_MEMBER, 3}, NULL);
  tw_test_refused(j.alice, tw_buf_bytes(&j.message), TW_ERR_SENDER);
  bend(&j, tw_buf_bytes(&j.body), (tw_sender){TW_SENDER_EXTERNAL, 0}, NULL);
  tw_test_refused(j.alice, tw_buf_bytes(&j.message), TW_ERR_SENDER);
  bend(&j, tw_buf_bytes(&j.body), (tw_sender){TW_SENDER_NEW_MEMBER_PROPOSAL, 0}, NULL);
  tw_test_refused(j.alice, tw_buf_bytes(&j.message), TW_ERR_SENDER);
  /* whoever the policy does not want; also in place of somebody */
  j.alice->refuse = "emil";
  tw_test_refused(j.alice, tw_buf_bytes(&j.genuine.commit), TW_ERR_CREDENTIAL);
  assert_int_equal(tw_propose_remove(&j.list, 2), TW_OK);
  const tw_bytes former = TW_BYTES(j.list.ptr + j.init.len, j.list.len - j.init.len);
  const tw_commit_options options = {.proposals = former};
  tw_commit_result resync = {0};
  assert_int_equal(tw_group_join_external(&j.emil->client, tw_buf_bytes(&j.info), NULL, &options, TW_TEST_NOW, &resync),
                   TW_OK);
  tw_test_refused(j.alice, tw_buf_bytes(&resync.commit), TW_ERR_CREDENTIAL);
  j.alice->refuse = NULL;
  tw_commit_result_clear(&resync);
  end(&j);
}

/* An external joiner's key must be new to the group, and its Remove its own. */
static void a_member_cannot_join_twice(void **state) {
  joiner j;
  tw_commit_result result = {0};
  (void)state;
  begin(&j);
  assert_int_equal(tw_group_join_external(&j.charlie->client, tw_buf_bytes(&j.info), NULL, NULL, TW_TEST_NOW, &result),
                   TW_ERR_KEY_REUSED);
  assert_int_equal(tw_propose_remove(&j.list, 1), TW_OK);
  const tw_commit_options other = {.proposals = tw_buf_bytes(&j.list)};
  assert_int_equal(
      tw_group_join_external(&j.charlie->client, tw_buf_bytes(&j.info), NULL, &other, TW_TEST_NOW, &result),
      TW_ERR_KEY_REUSED);
  end(&j);
}

/* emil's own library does not join. */
static void joining_fails(const joiner *j, tw_bytes info, const tw_join_options *join, const tw_commit_options *options,
                          tw_err expected) {
  tw_commit_result result = {0};
  assert_int_equal(tw_group_join_external(&j->emil->client, info, join, options, TW_TEST_NOW, &result), expected);
}

static void what_an_external_joiner_refuses(void **state) {
  joiner j;
  tw_commit_result result = {0};
  tw_buf bare = {0};
  (void)state;
  begin(&j);
  const tw_client *client = &j.emil->client;
  j.emil->refuse = "bob";
  joining_fails(&j, tw_buf_bytes(&j.info), NULL, NULL, TW_ERR_CREDENTIAL);
  j.emil->refuse = NULL;
  assert_int_equal(tw_group_info_message(j.alice->group, false, TW_NO_BYTES, &bare), TW_OK);
  joining_fails(&j, tw_buf_bytes(&bare), NULL, NULL, TW_ERR_MISSING_TREE);
  /* a tree of another epoch, and none at all */
  tw_buf tree = {0};
  assert_int_equal(tw_group_ratchet_tree(j.alice->group, &tree), TW_OK);
  const tw_join_options right = {.ratchet_tree = tw_buf_bytes(&tree)};
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&bare), &right, NULL, TW_TEST_NOW, &result), TW_OK);
  tw_commit_result_clear(&result);
  tw_commit_result other = {0};
  assert_int_equal(tw_group_commit(j.bob->group, NULL, TW_TEST_NOW, &other), TW_OK);
  tree.len = 0;
  assert_int_equal(tw_group_ratchet_tree(other.next, &tree), TW_OK);
  const tw_join_options wrong = {.ratchet_tree = tw_buf_bytes(&tree)};
  joining_fails(&j, tw_buf_bytes(&bare), &wrong, NULL, TW_ERR_TREE);
  tw_commit_result_clear(&other);
  /* a GroupInfo without external_pub: as in a Welcome */
  bare.len = 0;
  tw_writer w = tw_writer_to(&bare);
  tw_write_mls_message_header(&w, TW_WIRE_GROUP_INFO);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_group_info_build(j.alice->group, true, false, TW_NO_BYTES, &bare), TW_OK);
  joining_fails(&j, tw_buf_bytes(&bare), NULL, NULL, TW_ERR_FORBIDDEN);
  /* external_pub of another length */
  tw_buf extensions = {0};
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_PUB, TW_LITERAL("\x05short")), TW_OK);
  bare.len = 4;
  assert_int_equal(tw_group_info_build(j.alice->group, true, false, tw_buf_bytes(&extensions), &bare), TW_OK);
  joining_fails(&j, tw_buf_bytes(&bare), NULL, NULL, TW_ERR_KEY);
  /* what is no GroupInfo, and another suite */
  joining_fails(&j, tw_buf_bytes(&j.genuine.commit), NULL, NULL, TW_ERR_UNEXPECTED);
  tw_test_member stranger;
  tw_test_member_init(&stranger, &j.p.test, tw_suite_by_id(&j.p.test.env, 3), "stranger");
  assert_int_equal(tw_group_join_external(&stranger.client, tw_buf_bytes(&j.info), NULL, NULL, TW_TEST_NOW, &result),
                   TW_ERR_UNSUPPORTED);
  tw_test_member_clear(&stranger);
  tw_buf_clear(&bare);
  tw_buf_clear(&tree);
  tw_buf_clear(&extensions);
  end(&j);
}

/* SelfRemoves that a joiner is to take along, and that it or the members do not take. */
static void self_removes_that_do_not_fit(void **state) {
  joiner j;
  tw_commit_result result = {0};
  tw_buf first = {0};
  tw_buf again = {0};
  tw_buf other = {0};
  tw_buf remove = {0};
  (void)state;
  begin(&j);
  const tw_message_options plain = {.plaintext = true};
  assert_int_equal(tw_propose_self_remove(&j.list), TW_OK);
  assert_int_equal(tw_group_propose(j.charlie->group, tw_buf_bytes(&j.list), &plain, TW_TEST_NOW, &first), TW_OK);
  /* another one of charlie's; one of a leaf that is blank; one that is a Remove; one of the epoch before */
  tw_test_bent bent = {
      .content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&j.list), .authenticated_data = TW_LITERAL("again")};
  tw_test_bend(j.charlie, &bent, &again);
  const struct {
    tw_sender sender;
    const char *body;
    size_t len;
    uint64_t epoch_more;
    bool by_bob;
    tw_err expected;
  } cases[] = {
      {{TW_SENDER_MEMBER, 3}, "\x00\x0a", 2, 0, false, TW_ERR_SENDER},
      {{TW_SENDER_MEMBER, 2}, "\x00\x03\x00\x00\x00\x00", 6, 0, false, TW_ERR_PROPOSAL},
      {{TW_SENDER_EXTERNAL, 0}, "\x00\x0a", 2, 0, false, TW_ERR_PROPOSAL},
      {{TW_SENDER_MEMBER, 2}, "\x00\x0a", 2, UINT64_MAX, false, TW_ERR_OLD_EPOCH},
      {{TW_SENDER_MEMBER, 2}, "\x00\x0a", 2, 1, false, TW_ERR_FUTURE_EPOCH},
      {{TW_SENDER_MEMBER, 2}, "\x00\x0a", 2, 0, true, TW_ERR_SIGNATURE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bent = (tw_test_bent){.sender = cases[i].sender,
                          .content_type = TW_CONTENT_PROPOSAL,
                          .body = TW_BYTES((const uint8_t *)cases[i].body, cases[i].len),
                          .epoch_more = cases[i].epoch_more};
    tw_test_bend(cases[i].by_bob ? j.bob : j.charlie, &bent, &other);
    const tw_bytes one = tw_buf_bytes(&other);
    const tw_join_options join = {.self_removes = &one, .self_remove_count = 1};
    joining_fails(&j, tw_buf_bytes(&j.info), &join, NULL, cases[i].expected);
  }
  const tw_bytes both[] = {tw_buf_bytes(&first), tw_buf_bytes(&again)};
  tw_join_options join = {.self_removes = both, .self_remove_count = 2};
  joining_fails(&j, tw_buf_bytes(&j.info), &join, NULL, TW_ERR_PROPOSAL);
  const tw_bytes same[] = {tw_buf_bytes(&first), tw_buf_bytes(&first)};
  join.self_removes = same;
  joining_fails(&j, tw_buf_bytes(&j.info), &join, NULL, TW_ERR_DUPLICATE);
  const tw_bytes info = tw_buf_bytes(&j.info);
  join = (tw_join_options){.self_removes = &info, .self_remove_count = 1};
  joining_fails(&j, info, &join, NULL, TW_ERR_UNEXPECTED);
  /* with a Remove of the same leaf */
  join = (tw_join_options){.self_removes = both, .self_remove_count = 1};
  assert_int_equal(tw_propose_remove(&remove, 2), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&remove)};
  joining_fails(&j, tw_buf_bytes(&j.info), &join, &options, TW_ERR_PROPOSAL);
  /* A member that has not seen the SelfRemove lacks something; once it has, it takes the commit. */
  assert_int_equal(tw_group_join_external(&j.emil->client, tw_buf_bytes(&j.info), &join, NULL, TW_TEST_NOW, &result),
                   TW_OK);
  tw_test_refused(j.alice, tw_buf_bytes(&result.commit), TW_ERR_MISSING_PROPOSAL);
  tw_test_deliver(tw_buf_bytes(&first), TW_RECEIVED_PROPOSAL, &j.alice, 1);
  tw_received received = {0};
  assert_int_equal(tw_group_receive(j.alice->group, tw_buf_bytes(&result.commit), TW_TEST_NOW, &received), TW_OK);
  tw_test_same(tw_group_epoch_authenticator(received.next), tw_group_epoch_authenticator(result.next));
  tw_received_clear(&received);
  tw_commit_result_clear(&result);
  for (size_t i = 0; i < 3; i++) tw_group_forget_proposals(j.p.all[i]->group);
  tw_buf_clear(&first);
  tw_buf_clear(&again);
  tw_buf_clear(&other);
  tw_buf_clear(&remove);
  end(&j);
}

/* The group's only member is replaced: for it, that is the end. */
static void the_last_member_is_replaced(void **state) {
  tw_test_people p;
  tw_buf info = {0};
  tw_buf remove = {0};
  tw_commit_result result = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_found(p.all[0], TW_NO_BYTES);
  assert_int_equal(tw_group_info_message(p.all[0]->group, true, TW_NO_BYTES, &info), TW_OK);
  assert_int_equal(tw_propose_remove(&remove, 0), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&remove)};
  assert_int_equal(tw_group_join_external(&p.all[1]->client, tw_buf_bytes(&info), NULL, &options, TW_TEST_NOW, &result),
                   TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, p.all, 1);
  assert_int_equal(tw_group_member_count(result.next), 1);
  assert_int_equal(tw_group_own_leaf(result.next), 0);
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&remove);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_of_external_commits),       cmocka_unit_test(references_in_external_commits),
      cmocka_unit_test(senders_of_external_commits),     cmocka_unit_test(a_member_cannot_join_twice),
      cmocka_unit_test(what_an_external_joiner_refuses), cmocka_unit_test(self_removes_that_do_not_fit),
      cmocka_unit_test(the_last_member_is_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
