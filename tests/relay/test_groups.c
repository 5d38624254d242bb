/* Groups: each rule, and each refusal. SPDX-License-Identifier: Apache-2.0 */
#include "relay/groups_kit.h"

static void a_group_is_opened_once_and_found_by_its_name(void **state) {
  relay_kit *k = *state;
  tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  relay_expects(k, 0, &find, TW_CONTROL_UNKNOWN);
  open_three(k);
  const tw_control_answer *answer = relay_do(k, 1, &find);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  tw_test_same(answer->body.group_find.group_id, GROUP);
  tw_test_same(answer->body.group_find.group_info, relay_info(k, GROUP, 7));
  assert_int_equal(answer->body.group_find.epoch, 7);
  assert_int_equal(answer->body.group_find.number, 1);
  assert_true(answer->body.group_find.member);
  relay_reopen(k);
  answer = relay_do(k, 4, &find); /* GroupInfo is for everybody */
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  assert_false(answer->body.group_find.member);
  tw_test_same(answer->body.group_find.group_info, relay_info(k, GROUP, 7));

  tw_control_request open = relay_open_of(k, "net", TW_LITERAL("another"), 0, relay_ids(k, 4, -1));
  answer = relay_do(k, 4, &open);
  assert_int_equal(answer->status, TW_CONTROL_TAKEN);
  tw_test_same(answer->body.taken, GROUP);
  open = relay_open_of(k, "other", GROUP, 0, relay_ids(k, 4, -1));
  relay_expects(k, 4, &open, TW_CONTROL_FORBIDDEN); /* the id is in use under another name */
  open = relay_open_of(k, "other", TW_LITERAL("another"), 0, relay_ids(k, 4, -1));
  answer = relay_do(k, 4, &open);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  assert_int_equal(answer->body.group_open, 2);
}

static void whoever_lost_the_answer_may_open_again(void **state) {
  relay_kit *k = *state;
  open_three(k);
  tw_control_request open = relay_open_of(k, "net", GROUP, 7, relay_ids(k, 0, 1, 2, -1));
  const tw_control_answer *answer = relay_do(k, 0, &open);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  assert_int_equal(answer->body.group_open, 1);
  commits(k, 0, 7, "c", relay_ids(k, 0, 1, -1), TW_CONTROL_DONE);
  assert_int_equal(relay_do(k, 0, &open)->status, TW_CONTROL_DONE); /* nor is it put back by that */
  tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  assert_int_equal(relay_do(k, 0, &find)->body.group_find.epoch, 8);
  assert_int_equal(relay_do(k, 1, &open)->status, TW_CONTROL_TAKEN); /* another one's */
  open = relay_open_of(k, "net", GROUP, 7, relay_ids(k, 0, 1, -1));  /* other members */
  assert_int_equal(relay_do(k, 0, &open)->status, TW_CONTROL_TAKEN);
  open = relay_open_of(k, "net", GROUP, 8, relay_ids(k, 0, 1, 2, -1)); /* another epoch */
  assert_int_equal(relay_do(k, 0, &open)->status, TW_CONTROL_TAKEN);
}

static void what_is_no_group_is_not_opened(void **state) {
  relay_kit *k = *state;
  static uint8_t large[256];
  k->limits.members = 3;
  k->limits.groups = 1;
  relay_reopen(k);
  const tw_control_request good = relay_open_of(k, "net", GROUP, 7, relay_ids(k, 0, 1, -1));
  const tw_bytes bad_members[] = {TW_NO_BYTES, relay_ids(k, 1, 2, -1), relay_ids(k, 0, 1, 1, -1), {large, 33}};
  tw_control_request open = good;
  for (size_t i = 0; i < 4; i++) {
    open.body.group_open.members = bad_members[i];
    relay_expects(k, 0, &open, TW_CONTROL_MALFORMED);
  }
  open.body.group_open.members = relay_ids(k, 0, 1, 2, 3, -1);
  relay_expects(k, 0, &open, TW_CONTROL_FULL);
  const tw_bytes bad_infos[] = {relay_info(k, GROUP, 8), relay_info(k, TW_LITERAL("other"), 7), relay_welcome(k, "w"),
                                TW_LITERAL("noise"), TW_BYTES(good.body.group_open.group_info.ptr, 30)};
  for (size_t i = 0; i < 5; i++) {
    open = good;
    open.body.group_open.group_info = bad_infos[i];
    relay_expects(k, 0, &open, TW_CONTROL_MALFORMED);
  }
  const tw_bytes bad_names[] = {TW_NO_BYTES, TW_ARRAY(large)};
  for (size_t i = 0; i < 2; i++) {
    open = good;
    open.body.group_open.name = bad_names[i];
    relay_expects(k, 0, &open, TW_CONTROL_MALFORMED);
    open = good;
    open.body.group_open.group_id = bad_names[i];
    relay_expects(k, 0, &open, TW_CONTROL_MALFORMED);
    const tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {bad_names[i], true});
    relay_expects(k, 0, &find, TW_CONTROL_MALFORMED);
    const tw_control_request want = RELAY_REQUEST(TW_CONTROL_WANT_IN, .want_in = bad_names[i]);
    relay_expects(k, 0, &want, TW_CONTROL_MALFORMED);
  }
  open = relay_open_of(k, "net", GROUP, UINT64_C(1) << 62, relay_ids(k, 0, -1));
  relay_expects(k, 0, &open, TW_CONTROL_TOO_FAR);
  open = good;
  open.body.group_open.group_info = TW_NO_BYTES; /* nobody may join by himself */
  relay_expects(k, 0, &open, TW_CONTROL_DONE);
  open = relay_open_of(k, "second", TW_LITERAL("id"), 7, relay_ids(k, 0, -1));
  relay_expects(k, 0, &open, TW_CONTROL_FULL);
  open = relay_open_of(k, "second", TW_LITERAL("id"), 7, relay_ids(k, 1, -1));
  relay_expects(k, 1, &open, TW_CONTROL_DONE);
}

static void a_commit_goes_to_the_members_of_before_but_its_sender(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "add3", relay_ids(k, 3, 1, 0, -1)); /* and removes 2 */
  request.body.group_commit.welcomes = relay_welcome_to(k, 3, "hello");
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_int_equal(k->mailed_count, 3);
  assert_int_equal(k->mailed[0], 1);
  assert_int_equal(k->mailed[1], 3);
  assert_int_equal(k->mailed[2], 4);
  relay_reopen(k);
  assert_string_equal(mail_of(k, 0, text), "2:7:add3");
  assert_string_equal(mail_of(k, 1, text), "");
  assert_string_equal(mail_of(k, 2, text), "2:7:add3");
  assert_string_equal(mail_of(k, 3, text), "4:8:hello");
  assert_string_equal(mail_of(k, 4, text), "");
  tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  const tw_control_answer *answer = relay_do(k, 3, &find);
  assert_int_equal(answer->body.group_find.epoch, 8);
  assert_true(answer->body.group_find.member);
  tw_test_same(answer->body.group_find.group_info, relay_info(k, GROUP, 8));
  assert_false(relay_do(k, 2, &find)->body.group_find.member);
  /* Who was removed is given nothing that came after, and may do nothing. */
  commits(k, 3, 8, "next", relay_ids(k, 0, 1, 3, -1), TW_CONTROL_DONE);
  commits(k, 2, 9, "mine", relay_ids(k, 0, 1, 2, 3, -1), TW_CONTROL_FORBIDDEN);
  commits(k, 2, 8, "mine", relay_ids(k, 0, 1, 2, 3, -1), TW_CONTROL_FORBIDDEN);
  assert_string_equal(mail_of(k, 2, text), "2:7:add3");
  assert_string_equal(mail_of(k, 0, text), "2:7:add3 2:8:next");
}

static void one_commit_an_epoch_and_losers_learn_which(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  k->answer_count = 0;
  const tw_control_request winner = relay_commit_of(k, GROUP, 7, "a", relay_ids(k, 0, 1, 2, -1));
  const tw_control_request loser = relay_commit_of(k, GROUP, 7, "b", relay_ids(k, 0, 1, 2, -1));
  relay_ask(k, 0, 1, &winner);
  relay_ask(k, 1, 2, &loser); /* in one batch: answered when the winner is durable */
  assert_int_equal(k->answer_count, 0);
  assert_int_equal(relay_flush(k), TW_OK);
  assert_int_equal(k->answers[0].answer.status, TW_CONTROL_DONE);
  assert_int_equal(k->answers[1].answer.status, TW_CONTROL_TAKEN);
  tw_test_same(k->answers[1].answer.body.taken, winner.body.group_commit.commit);
  assert_string_equal(mail_of(k, 0, text), "");
  assert_string_equal(mail_of(k, 1, text), "2:7:a");
  relay_reopen(k);
  const tw_control_answer *answer = relay_do(k, 2, &loser);
  assert_int_equal(answer->status, TW_CONTROL_TAKEN);
  tw_test_same(answer->body.taken, relay_commit_message(k, GROUP, 7, "a"));
  commits(k, 1, 9, "ahead", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TOO_FAR);
}

static void the_same_commit_again_is_accepted_again_without_effect(void **state) {
  relay_kit *k = *state;
  char text[512];
  k->limits.remembered_commits = 3;
  relay_reopen(k);
  open_three(k);
  commits(k, 0, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 0, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 1, text), "2:7:a");
  commits(k, 1, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN); /* by whoever else: it is not theirs */
  commits(k, 1, 8, "b", relay_ids(k, 1, 2, -1), TW_CONTROL_DONE);     /* removes 0 */
  relay_reopen(k);
  commits(k, 0, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 0, 7, "x", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_FORBIDDEN);
  commits(k, 1, 9, "c", relay_ids(k, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 0, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 1, 10, "d", relay_ids(k, 1, 2, -1), TW_CONTROL_DONE); /* the fourth: 7 is not remembered any more */
  commits(k, 0, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_FORBIDDEN);
  commits(k, 2, 7, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TOO_FAR);
  commits(k, 2, 8, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN);
  assert_string_equal(mail_of(k, 1, text), "2:7:a");
  assert_string_equal(mail_of(k, 2, text), "2:7:a 2:8:b 2:9:c 2:10:d");
}

static void an_external_commit_is_a_members_resync_and_nobody_elses(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "x", relay_ids(k, 0, 1, 2, 4, -1));
  relay_expects(k, 4, &request, TW_CONTROL_FORBIDDEN);
  request.body.group_commit.commit = relay_public(k, GROUP, 7, TW_SENDER_MEMBER, "x");
  relay_expects(k, 4, &request, TW_CONTROL_FORBIDDEN);
  request.body.group_commit.commit = relay_public(k, GROUP, 7, TW_SENDER_NEW_MEMBER_COMMIT, "join");
  relay_expects(k, 4, &request, TW_CONTROL_FORBIDDEN); /* the members might refuse it, and the epoch would be over */
  request.body.group_commit.members = relay_whole(k, relay_ids(k, 0, 1, -1));
  relay_expects(k, 2, &request, TW_CONTROL_MALFORMED); /* the sender is no member then */
  request.body.group_commit.members = relay_whole(k, relay_ids(k, 0, 1, 2, -1));
  relay_expects(k, 2, &request, TW_CONTROL_DONE); /* a member that lost its disk */
  relay_expects(k, 2, &request, TW_CONTROL_DONE); /* and the answer */
  assert_string_equal(mail_of(k, 0, text), "2:7:join");
  assert_string_equal(mail_of(k, 2, text), "");
  /* Another one whose place was taken sees by whom; a stranger does not. */
  request.body.group_commit.commit = relay_public(k, GROUP, 7, TW_SENDER_NEW_MEMBER_COMMIT, "other");
  const tw_control_answer *answer = relay_do(k, 1, &request);
  assert_int_equal(answer->status, TW_CONTROL_TAKEN);
  tw_test_same(answer->body.taken, relay_public(k, GROUP, 7, TW_SENDER_NEW_MEMBER_COMMIT, "join"));
  relay_expects(k, 3, &request, TW_CONTROL_FORBIDDEN);
  /* Nor does one who was a member come back by it. */
  commits(k, 0, 8, "out", relay_ids(k, 0, 1, -1), TW_CONTROL_DONE);
  request = relay_commit_of(k, GROUP, 9, "x", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.commit = relay_public(k, GROUP, 9, TW_SENDER_NEW_MEMBER_COMMIT, "again");
  relay_expects(k, 2, &request, TW_CONTROL_FORBIDDEN);
}

static void what_is_no_commit_is_refused(void **state) {
  relay_kit *k = *state;
  char text[512];
  k->limits.members = 4;
  relay_reopen(k);
  open_three(k);
  const tw_control_request good = relay_commit_of(k, GROUP, 7, "a", relay_ids(k, 0, 1, 2, -1));
  tw_control_request request = good;
  const tw_bytes bad_commits[] = {relay_commit_message(k, GROUP, 8, "a"),
                                  relay_commit_message(k, TW_LITERAL("other"), 7, "a"),
                                  relay_private(k, GROUP, 7, TW_CONTENT_APPLICATION, "a"),
                                  relay_private(k, GROUP, 7, TW_CONTENT_PROPOSAL, "a"),
                                  relay_welcome(k, "w"),
                                  relay_info(k, GROUP, 7),
                                  TW_NO_BYTES,
                                  TW_LITERAL("noise")};
  for (size_t i = 0; i < sizeof bad_commits / sizeof bad_commits[0]; i++) {
    request.body.group_commit.commit = bad_commits[i];
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  }
  for (size_t cut = 0; cut < good.body.group_commit.commit.len; cut++) {
    request.body.group_commit.commit = TW_BYTES(good.body.group_commit.commit.ptr, cut);
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  }
  request = good;
  for (size_t cut = 1; cut < good.body.group_commit.group_info.len; cut++) {
    request.body.group_commit.group_info.len = cut;
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  }
  request = good;
  request.body.group_commit.group_info = relay_info(k, GROUP, 7);
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request = good;
  request.body.group_commit.members = relay_whole(k, relay_ids(k, 1, 2, -1));
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request.body.group_commit.members = relay_whole(k, relay_ids(k, 0, 0, -1));
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request.body.group_commit.members = relay_whole(k, relay_ids(k, 0, 1, 2, 3, 4, -1));
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  request = good;
  request.body.group_commit.group_id = TW_NO_BYTES;
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request = relay_commit_of(k, TW_LITERAL("nobody's"), 7, "a", relay_ids(k, 0, -1));
  relay_expects(k, 0, &request, TW_CONTROL_UNKNOWN);
  request = good;
  relay_expects(k, 0, &request, TW_CONTROL_DONE); /* none of all that has done anything */
  assert_string_equal(mail_of(k, 1, text), "2:7:a");
}

static void welcomes_are_for_members_with_a_mailbox(void **state) {
  relay_kit *k = *state;
  char text[512];
  k->limits.mailbox_entries = 8;
  relay_reopen(k);
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "a", relay_ids(k, 0, 1, 2, 3, 9, -1));
  const tw_bytes good = relay_welcome_to(k, 3, "w");
  for (size_t cut = 1; cut < good.len; cut++) {
    request.body.group_commit.welcomes = TW_BYTES(good.ptr, cut);
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  }
  request.body.group_commit.welcomes = relay_welcome_to(k, 4, "w"); /* not a member */
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request.body.group_commit.welcomes = relay_welcome_to(k, 9, "w"); /* not a client */
  relay_expects(k, 0, &request, TW_CONTROL_UNKNOWN);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_send(k, 4, 3, "x"), TW_CONTROL_DONE);
  request.body.group_commit.welcomes = good;
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  assert_int_equal(relay_fetch(k, 3, RELAY_BASE + 3, 0)->status, TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 1, text), "");
  relay_expects(k, 0, &request, TW_CONTROL_DONE); /* 9 is a member without a mailbox: it gets what comes later */
  assert_string_equal(mail_of(k, 3, text), "4:8:w");
  assert_int_equal(relay_enter(k, 9), TW_CONTROL_DONE);
  commits(k, 0, 8, "b", relay_ids(k, 0, 1, -1), TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 9, text), "2:8:b");
}

/* Each Welcome is kept with the tree, so that many small ones would be many trees. */
static void welcomes_with_their_trees_are_one_message_long(void **state) {
  relay_kit *k = *state;
  char text[512];
  tw_buf welcomes = {0};
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "a", relay_ids(k, 0, 1, 2, 3, 4, -1));
  const size_t each = relay_welcome(k, "w").len + relay_tree(k, 8).len + 1 + 2; /* the lengths of both */
  k->limits.message_bytes = (uint32_t)(2 * each);
  assert_true(request.body.group_commit.group_info.len + relay_tree(k, 8).len <= k->limits.message_bytes);
  relay_reopen(k);
  for (unsigned to = 3; to <= 4; to++) assert_int_equal(tw_buf_append(&welcomes, relay_welcome_to(k, to, "w")), TW_OK);
  request.body.group_commit.welcomes = tw_buf_bytes(&welcomes);
  k->limits.message_bytes--;
  relay_reopen(k);
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  assert_string_equal(mail_of(k, 3, text), "");
  assert_string_equal(mail_of(k, 1, text), "");
  k->limits.message_bytes++;
  relay_reopen(k);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 3, text), "4:8:w");
  assert_string_equal(mail_of(k, 4, text), "4:8:w");
  tw_buf_clear(&welcomes);
}

static void messages_go_to_the_members_of_now(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  commits(k, 0, 7, "c", relay_ids(k, 0, 1, 3, -1), TW_CONTROL_DONE);
  tw_control_request request = RELAY_REQUEST(
      TW_CONTROL_GROUP_SEND,
      .group_send = {.group_id = GROUP, .message = relay_private(k, GROUP, 8, TW_CONTENT_PROPOSAL, "p")});
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_int_equal(k->mailed_count, 2);
  request.body.group_send.message = relay_private(k, GROUP, 7, TW_CONTENT_APPLICATION, "late");
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 0, text), "3:8:p 3:7:late");
  assert_string_equal(mail_of(k, 1, text), "2:7:c");
  assert_string_equal(mail_of(k, 2, text), "2:7:c");
  assert_string_equal(mail_of(k, 3, text), "3:8:p 3:7:late");
  relay_expects(k, 2, &request, TW_CONTROL_FORBIDDEN);
  relay_expects(k, 4, &request, TW_CONTROL_FORBIDDEN);
  request.body.group_send.message = relay_private(k, GROUP, 6, TW_CONTENT_APPLICATION, "m");
  relay_expects(k, 1, &request, TW_CONTROL_TOO_FAR);
  request.body.group_send.message = relay_private(k, GROUP, 9, TW_CONTENT_APPLICATION, "m");
  relay_expects(k, 1, &request, TW_CONTROL_TOO_FAR);
  const tw_bytes bad[] = {relay_commit_message(k, GROUP, 8, "c"), relay_private(k, TW_LITERAL("no"), 8, 1, "m"),
                          relay_welcome(k, "w"), TW_LITERAL("noise"), TW_NO_BYTES};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    request.body.group_send.message = bad[i];
    relay_expects(k, 1, &request, TW_CONTROL_MALFORMED);
  }
  request.body.group_send = (tw_control_group_send){TW_LITERAL("no"), relay_private(k, TW_LITERAL("no"), 8, 1, "m")};
  relay_expects(k, 1, &request, TW_CONTROL_UNKNOWN);
}

static void a_full_mailbox_does_not_hold_up_a_group(void **state) {
  relay_kit *k = *state;
  k->limits.mailbox_entries = 3;
  relay_reopen(k);
  open_three(k);
  for (uint64_t epoch = 7; epoch < 13; epoch++) commits(k, 0, epoch, "c", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  const tw_control_answer *answer = relay_fetch(k, 1, 0, 100);
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  tw_control_entry entry;
  for (uint64_t i = 0; i < 3; i++) {
    assert_true(tw_control_entry_next(&walk, &entry));
    assert_int_equal(entry.number, RELAY_BASE + 1 + i);
  }
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  /* What is missing shows by the numbers when there is room again. */
  assert_int_equal(relay_fetch(k, 1, RELAY_BASE + 3, 0)->status, TW_CONTROL_DONE);
  commits(k, 0, 13, "c", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  answer = relay_fetch(k, 1, RELAY_BASE + 3, 100);
  walk = tw_reader_of(answer->body.fetch.entries);
  assert_true(tw_control_entry_next(&walk, &entry));
  assert_int_equal(entry.number, RELAY_BASE + 7);
}

static void wanting_in_is_told_to_the_members(void **state) {
  relay_kit *k = *state;
  open_three(k);
  tw_control_request want = RELAY_REQUEST(TW_CONTROL_WANT_IN, .want_in = TW_LITERAL("net"));
  relay_expects(k, 4, &want, TW_CONTROL_DONE);
  assert_int_equal(k->wanted_count, 3);
  for (size_t i = 0; i < 3; i++) {
    assert_true(k->wanted[i].to >= 1 && k->wanted[i].to <= 3);
    assert_memory_equal(k->wanted[i].client.digest, k->peers[4].id.digest, 32);
  }
  relay_expects(k, 0, &want, TW_CONTROL_DONE); /* a member itself: to the others */
  assert_int_equal(k->wanted_count, 2);
  want.body.want_in = TW_LITERAL("none");
  relay_expects(k, 4, &want, TW_CONTROL_UNKNOWN);
  assert_int_equal(k->wanted_count, 0);
}

static void a_group_of_nobody_goes(void **state) {
  relay_kit *k = *state;
  open_three(k);
  commits(k, 0, 7, "c", relay_ids(k, 0, 1, -1), TW_CONTROL_DONE);
  bool more = true;
  k->now_ms += k->limits.unseen_ms + 1;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  while (more) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  const tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  relay_expects(k, 1, &find, TW_CONTROL_DONE);
  k->now_ms += k->limits.unseen_ms + 1;
  for (more = true; more;) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  relay_expects(k, 4, &find, TW_CONTROL_UNKNOWN);
  tw_control_request open = relay_open_of(k, "net", GROUP, 0, relay_ids(k, 4, -1));
  const tw_control_answer *answer = relay_do(k, 4, &open);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  assert_int_equal(answer->body.group_open, 2); /* its number is not given again */
}

static void expect_members(const relay_kit *k, uint32_t one, uint32_t two, uint32_t three) {
  const uint32_t expected[] = {1, three == 0 ? 2 : 3, one, two, three};
  const size_t count = three == 0 ? 4 : 5;
  assert_int_equal(k->grouped_count, count);
  assert_memory_equal(k->grouped, expected, count * sizeof *expected);
}

static void the_packet_relay_is_told_the_members_with_a_record(void **state) {
  relay_kit *k = *state;
  open_three(k);
  expect_members(k, 1, 2, 3);
  commits(k, 0, 7, "adds 4, and one whom the relay does not know", relay_ids(k, 0, 4, 9, -1), TW_CONTROL_DONE);
  expect_members(k, 1, 5, 0);
  commits(k, 0, 7, "other", relay_ids(k, 0, 1, -1), TW_CONTROL_TAKEN);
  assert_int_equal(k->grouped_count, 0);
  k->knows_members = true;
  assert_int_equal(relay_enter(k, 4), TW_CONTROL_DONE); /* binds */
  assert_int_equal(k->grouped_count, 0);
  k->knows_members = false;
  relay_reopen(k);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(k->grouped_count, 0); /* is in no group any more */
  assert_int_equal(relay_enter(k, 4), TW_CONTROL_DONE);
  expect_members(k, 1, 5, 0);
  assert_int_equal(relay_enter(k, 9), TW_CONTROL_DONE);
  expect_members(k, 1, 5, 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(a_group_is_opened_once_and_found_by_its_name),
      RELAY_BOTH(whoever_lost_the_answer_may_open_again),
      RELAY_BOTH(what_is_no_group_is_not_opened),
      RELAY_BOTH(a_commit_goes_to_the_members_of_before_but_its_sender),
      RELAY_BOTH(one_commit_an_epoch_and_losers_learn_which),
      RELAY_BOTH(the_same_commit_again_is_accepted_again_without_effect),
      RELAY_BOTH(an_external_commit_is_a_members_resync_and_nobody_elses),
      RELAY_BOTH(what_is_no_commit_is_refused),
      RELAY_BOTH(welcomes_are_for_members_with_a_mailbox),
      RELAY_BOTH(welcomes_with_their_trees_are_one_message_long),
      RELAY_BOTH(messages_go_to_the_members_of_now),
      RELAY_BOTH(a_full_mailbox_does_not_hold_up_a_group),
      RELAY_BOTH(wanting_in_is_told_to_the_members),
      RELAY_BOTH(a_group_of_nobody_goes),
      RELAY_BOTH(the_packet_relay_is_told_the_members_with_a_record),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
