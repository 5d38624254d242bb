/* External commits, external proposals, branches and successors that are refused: RFC 9420
 * sections 11.2, 11.3, 12.1.8, 12.2 and 12.4.3.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/commit_make.h"
#include "mls/key_package_make.h"
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

/* ---- external commits ---- */

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

static void what_an_external_joiner_refuses(void **state) {
  joiner j;
  tw_commit_result result = {0};
  tw_buf bare = {0};
  (void)state;
  begin(&j);
  const tw_client *client = &j.emil->client;
  j.emil->refuse = "bob";
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&j.info), NULL, NULL, TW_TEST_NOW, &result),
                   TW_ERR_CREDENTIAL);
  j.emil->refuse = NULL;
  assert_int_equal(tw_group_info_message(j.alice->group, false, TW_NO_BYTES, &bare), TW_OK);
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&bare), NULL, NULL, TW_TEST_NOW, &result),
                   TW_ERR_MISSING_TREE);
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
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&bare), &wrong, NULL, TW_TEST_NOW, &result),
                   TW_ERR_TREE);
  tw_commit_result_clear(&other);
  /* a GroupInfo without external_pub: as in a Welcome */
  bare.len = 0;
  tw_writer w = tw_writer_to(&bare);
  tw_write_mls_message_header(&w, TW_WIRE_GROUP_INFO);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_group_info_build(j.alice->group, true, false, TW_NO_BYTES, &bare), TW_OK);
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&bare), NULL, NULL, TW_TEST_NOW, &result),
                   TW_ERR_FORBIDDEN);
  /* external_pub of another length */
  tw_buf extensions = {0};
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_PUB, TW_LITERAL("\x05short")), TW_OK);
  bare.len = 4;
  assert_int_equal(tw_group_info_build(j.alice->group, true, false, tw_buf_bytes(&extensions), &bare), TW_OK);
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&bare), NULL, NULL, TW_TEST_NOW, &result), TW_ERR_KEY);
  /* what is no GroupInfo, and another suite */
  assert_int_equal(tw_group_join_external(client, tw_buf_bytes(&j.genuine.commit), NULL, NULL, TW_TEST_NOW, &result),
                   TW_ERR_UNEXPECTED);
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
    assert_int_equal(tw_group_join_external(&j.emil->client, tw_buf_bytes(&j.info), &join, NULL, TW_TEST_NOW, &result),
                     cases[i].expected);
  }
  const tw_bytes both[] = {tw_buf_bytes(&first), tw_buf_bytes(&again)};
  tw_join_options join = {.self_removes = both, .self_remove_count = 2};
  assert_int_equal(tw_group_join_external(&j.emil->client, tw_buf_bytes(&j.info), &join, NULL, TW_TEST_NOW, &result),
                   TW_ERR_PROPOSAL);
  const tw_bytes same[] = {tw_buf_bytes(&first), tw_buf_bytes(&first)};
  join.self_removes = same;
  assert_int_equal(tw_group_join_external(&j.emil->client, tw_buf_bytes(&j.info), &join, NULL, TW_TEST_NOW, &result),
                   TW_ERR_DUPLICATE);
  const tw_bytes info = tw_buf_bytes(&j.info);
  join = (tw_join_options){.self_removes = &info, .self_remove_count = 1};
  assert_int_equal(tw_group_join_external(&j.emil->client, info, &join, NULL, TW_TEST_NOW, &result), TW_ERR_UNEXPECTED);
  /* with a Remove of the same leaf */
  join = (tw_join_options){.self_removes = both, .self_remove_count = 1};
  assert_int_equal(tw_propose_remove(&remove, 2), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&remove)};
  assert_int_equal(
      tw_group_join_external(&j.emil->client, tw_buf_bytes(&j.info), &join, &options, TW_TEST_NOW, &result),
      TW_ERR_PROPOSAL);
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

/* ---- branches and successors ---- */

/* What the founder of a subgroup does wrong. */
typedef struct founding {
  const char *group_id;
  uint8_t usage;
  bool late; /* not in the first commit */
  bool no_link;
  bool two_links;
  uint64_t link_epoch_more;
  const char *link_group;
  size_t count;                 /* bob, charlie, dora, … are in it */
  uint16_t extension_component; /* in its GroupContext's dictionary, where not 0 */
} founding;

static void append_link(tw_buf *list, const tw_group *origin, const founding *f) {
  static uint8_t nonce[32];
  nonce[0]++;
  const tw_psk_id id = {.type = TW_PSK_RESUMPTION,
                        .usage = f->usage,
                        .group_id = f->link_group != NULL
                                        ? TW_BYTES((const uint8_t *)f->link_group, strlen(f->link_group))
                                        : origin->context.group_id,
                        .epoch = origin->context.epoch + f->link_epoch_more,
                        .nonce = TW_ARRAY(nonce)};
  tw_writer w = tw_writer_to(list);
  tw_write_proposal_psk(&w, &id);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* alice founds the subgroup out of `p`; bob is asked to join it. */
static tw_err found(tw_test_people *p, const founding *f) {
  static const tw_commit_options options = {0};
  tw_test_member *alice = p->all[0];
  tw_test_member *bob = p->all[1];
  tw_group *origin = alice->group;
  tw_group *fresh = NULL;
  tw_buf list = {0};
  tw_buf extensions = {0};
  tw_commit_result result = {0};
  if (f->extension_component != 0)
    assert_int_equal(tw_component_set(&extensions, f->extension_component, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_group_create(&alice->client, TW_BYTES((const uint8_t *)f->group_id, strlen(f->group_id)),
                                   tw_buf_bytes(&extensions), TW_TEST_NOW, &fresh),
                   TW_OK);
  if (f->late) {
    assert_int_equal(tw_group_commit(fresh, NULL, TW_TEST_NOW, &result), TW_OK);
    tw_group_free(fresh);
    fresh = result.next;
    result.next = NULL;
    tw_commit_result_clear(&result);
  }
  tw_key_package *key_packages[TW_TEST_MANY] = {NULL};
  for (size_t i = 0; i < f->count; i++) {
    key_packages[i] = tw_test_key_package(p->all[i + 1]);
    assert_int_equal(tw_propose_add(&list, tw_key_package_message(key_packages[i])), TW_OK);
  }
  if (!f->no_link) append_link(&list, origin, f);
  if (f->two_links) {
    founding other = *f;
    other.usage = f->usage == TW_RESUMPTION_BRANCH ? TW_RESUMPTION_REINIT : TW_RESUMPTION_BRANCH;
    append_link(&list, origin, &other);
  }
  alice->psk = "psk";
  alice->origin = NULL;
  tw_commit_work work = {
      .from = fresh, .options = &options, .committer = {TW_SENDER_MEMBER, 0}, .now = TW_TEST_NOW, .origin = origin};
  assert_int_equal(tw_commit_work_append(&work, tw_buf_bytes(&list)), TW_OK);
  tw_err err = tw_commit_work_run(&work, &result);
  tw_commit_work_clear(&work);
  if (err == TW_OK) {
    tw_group *joined = NULL;
    const tw_join_options join = {.origin = bob->group};
    err = tw_group_join(&bob->client, key_packages[0], tw_buf_bytes(&result.welcome), &join, TW_TEST_NOW, &joined);
    tw_group_free(joined);
  }
  tw_commit_result_clear(&result);
  for (size_t i = 0; i < f->count; i++) tw_key_package_free(key_packages[i]);
  tw_group_free(fresh);
  tw_buf_clear(&list);
  tw_buf_clear(&extensions);
  return err;
}

static void branches_that_do_not_fit(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  const founding good = {.group_id = "branch", .usage = TW_RESUMPTION_BRANCH, .count = 2};
  assert_int_equal(found(&p, &good), TW_OK);
  founding bad = good;
  bad.late = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.no_link = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.two_links = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.count = 3; /* dora is not in the origin */
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.usage = TW_RESUMPTION_REINIT; /* the origin was not closed */
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.link_group = "another group";
  assert_int_equal(found(&p, &bad), TW_ERR_MISSING_PSK);
  bad = good;
  bad.link_epoch_more = 1;
  assert_int_equal(found(&p, &bad), TW_ERR_MISSING_PSK);
  /* and the library's own founder does not make them */
  tw_key_package *dora = tw_test_key_package(p.all[3]);
  const tw_bytes stranger = tw_key_package_message(dora);
  tw_commit_result result = {0};
  assert_int_equal(
      tw_group_branch(p.all[0]->group, &p.all[0]->client, TW_LITERAL("b"), &stranger, 1, TW_TEST_NOW, &result),
      TW_ERR_ARGUMENT);
  assert_int_equal(tw_group_reinit(p.all[0]->group, &p.all[0]->client, &stranger, 1, TW_TEST_NOW, &result),
                   TW_ERR_STATE);
  tw_key_package_free(dora);
  tw_test_goes_on(&p, 3);
  tw_test_people_clear(&p);
}

static void successors_that_do_not_fit(void **state) {
  tw_test_people p;
  tw_buf list = {0};
  tw_buf extensions = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_NO_BYTES), TW_OK);
  assert_int_equal(
      tw_propose_reinit(p.all[0]->group, &list, TW_LITERAL("next"), p.all[0]->client.suite, tw_buf_bytes(&extensions)),
      TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  tw_test_commit(p.all[0], &options, &p.all[1], 2, NULL);
  const founding good = {.group_id = "next", .usage = TW_RESUMPTION_REINIT, .count = 2, .extension_component = 0x9001};
  assert_int_equal(found(&p, &good), TW_OK);
  founding bad = good;
  bad.group_id = "other";
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.extension_component = 0;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.count = 1; /* charlie is left behind */
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.late = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.no_link = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.count = 3; /* more than before is fine */
  assert_int_equal(found(&p, &bad), TW_OK);
  /* nothing else happens in a closed group */
  tw_commit_result result = {0};
  tw_buf message = {0};
  assert_int_equal(tw_group_propose_update(p.all[1]->group, NULL, NULL, &message), TW_ERR_CLOSED);
  assert_int_equal(tw_group_commit(p.all[1]->group, NULL, TW_TEST_NOW, &result), TW_ERR_CLOSED);
  assert_int_equal(tw_group_info_message(p.all[1]->group, true, TW_NO_BYTES, &message), TW_ERR_CLOSED);
  const tw_test_bent late = {.content_type = TW_CONTENT_COMMIT, .body = TW_LITERAL("\x00\x00")};
  tw_test_bend(p.all[0], &late, &message);
  tw_test_refused(p.all[1], tw_buf_bytes(&message), TW_ERR_CLOSED);
  tw_buf_clear(&list);
  tw_buf_clear(&extensions);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* A successor of a version that we do not know cannot be made. */
static void a_successor_of_another_version(void **state) {
  tw_test_people p;
  tw_commit_result result = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_found(p.all[0], TW_NO_BYTES);
  const tw_commit_options options = {.proposals = TW_LITERAL("\x00\x05\x04next\x00\x02\x00\x01\x00")};
  tw_test_commit(p.all[0], &options, NULL, 0, NULL);
  assert_true(tw_group_is_closed(p.all[0]->group));
  assert_int_equal(tw_group_reinit(p.all[0]->group, &p.all[0]->client, NULL, 0, TW_TEST_NOW, &result),
                   TW_ERR_UNSUPPORTED);
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
      cmocka_unit_test(lists_of_external_commits),         cmocka_unit_test(references_in_external_commits),
      cmocka_unit_test(senders_of_external_commits),       cmocka_unit_test(a_member_cannot_join_twice),
      cmocka_unit_test(what_an_external_joiner_refuses),   cmocka_unit_test(self_removes_that_do_not_fit),
      cmocka_unit_test(the_last_member_is_replaced),       cmocka_unit_test(external_senders_propose_what_they_may),
      cmocka_unit_test(new_members_propose_their_own_add), cmocka_unit_test(branches_that_do_not_fit),
      cmocka_unit_test(successors_that_do_not_fit),        cmocka_unit_test(a_successor_of_another_version),
      cmocka_unit_test(welcomes_that_a_joiner_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
