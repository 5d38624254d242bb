/* A store that was put back to an older copy: the group goes on, and mail is not taken for what was there before. SPDX-License-Identifier: Apache-2.0 */
#include "relay/groups_kit.h"

static tw_control_status open_at(relay_kit *k, unsigned by, uint64_t epoch, tw_bytes members) {
  const tw_control_request open = relay_open_of(k, "net", GROUP, epoch, members);
  return relay_do(k, by, &open)->status;
}

static uint64_t epoch_of(relay_kit *k) {
  const tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  return relay_do(k, 0, &find)->body.group_find.epoch;
}

/* A relay that was put back to an older copy. */
static void a_member_brings_the_group_to_where_it_is(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  commits(k, 1, 7, "seven", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  for (unsigned again = 0; again < 2; again++) { /* the second time there is nothing to do */
    assert_int_equal(open_at(k, 2, 50, relay_ids(k, 1, 2, 3, -1)), again ? TW_CONTROL_TAKEN : TW_CONTROL_DONE);
    assert_int_equal(epoch_of(k), 50);
    relay_reopen(k);
  }
  const tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  const tw_control_answer *answer = relay_do(k, 3, &find);
  assert_true(answer->body.group_find.member);
  assert_int_equal(answer->body.group_find.number, 1);
  tw_test_same(answer->body.group_find.group_info, relay_info(k, GROUP, 50));
  tw_test_same(answer->body.group_find.tree, relay_tree(k, 50));
  commits(k, 1, 8, "of before", relay_ids(k, 1, 2, 3, -1), TW_CONTROL_TOO_FAR);
  commits(k, 1, 7, "seven", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE); /* which was accepted then */
  commits(k, 0, 50, "by who is none any more", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_FORBIDDEN);
  commits(k, 3, 50, "fifty", relay_ids(k, 1, 2, 3, -1), TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 2, text), "2:7:seven 2:50:fifty");
}

static void an_epoch_comes_neither_back_nor_by_strangers(void **state) {
  relay_kit *k = *state;
  open_three(k);
  commits(k, 0, 7, "removes 2", relay_ids(k, 0, 1, -1), TW_CONTROL_DONE);
  assert_int_equal(open_at(k, 2, 60, relay_ids(k, 0, 1, 2, -1)), TW_CONTROL_TAKEN); /* its removal is known */
  assert_int_equal(open_at(k, 4, 60, relay_ids(k, 0, 1, 4, -1)), TW_CONTROL_TAKEN);
  assert_int_equal(open_at(k, 1, 8, relay_ids(k, 1, -1)), TW_CONTROL_TAKEN);
  assert_int_equal(open_at(k, 1, 7, relay_ids(k, 1, -1)), TW_CONTROL_TAKEN);
  assert_int_equal(open_at(k, 1, UINT64_C(1) << 62, relay_ids(k, 1, -1)), TW_CONTROL_TOO_FAR);
  assert_int_equal(open_at(k, 1, 60, relay_ids(k, 0, 2, -1)), TW_CONTROL_MALFORMED); /* without itself */
  /* Another group's id by this name. */
  const tw_control_request other = relay_open_of(k, "net", TW_LITERAL("another"), 60, relay_ids(k, 0, 1, -1));
  relay_expects(k, 1, &other, TW_CONTROL_TAKEN);
  /* Another name for this id. */
  const tw_control_request name = relay_open_of(k, "work", GROUP, 60, relay_ids(k, 0, 1, -1));
  relay_expects(k, 1, &name, TW_CONTROL_FORBIDDEN);
  assert_int_equal(epoch_of(k), 8);
  commits(k, 1, 8, "goes on", relay_ids(k, 0, 1, -1), TW_CONTROL_DONE);
}

/* The relay has forgotten the second half of a mailbox, whose owner has read it. */
static void numbers_are_not_given_again_after_a_start(void **state) {
  relay_kit *k = *state;
  for (unsigned i = 0; i < 2; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 1, "first"), TW_CONTROL_DONE);
  const uint64_t read = 1 + (k->now_ms / 1000 << 20) + 40; /* with 40 others that the copy does not have */
  k->now_ms += 5000;
  if (k->on_disk) relay_reopen(k);
  assert_int_equal(relay_fetch(k, 1, read, 10)->status, TW_CONTROL_TOO_FAR);
  for (unsigned i = 0; i < 60; i++) assert_int_equal(relay_send(k, 0, 1, "new"), TW_CONTROL_DONE);
  if (!k->on_disk) return; /* a store in memory is not put back */
  const uint64_t start = 1 + (k->now_ms / 1000 << 20);
  assert_int_equal(relay_fetch(k, 1, read, 100)->status, TW_CONTROL_TOO_FAR); /* also where others were first */
  assert_int_equal(relay_fetch(k, 1, start - 1, 100)->status, TW_CONTROL_TOO_FAR);
  const tw_control_answer *answer = relay_fetch(k, 1, start - (UINT64_C(5) << 20), 100); /* the one of before */
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  uint64_t number = start;
  unsigned count = 0;
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry); count++) assert_int_equal(entry.number, number++);
  assert_int_equal(count, 60);
}

static unsigned count_of(const tw_control_answer *answer) {
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  unsigned count = 0;
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry);) count++;
  return count;
}

static void sweep_all(relay_kit *k) {
  for (bool more = true; more;) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  assert_int_equal(relay_flush(k), TW_OK);
}

/* Whoever has read mail of the state that is gone is told, and nobody else. */
static void who_has_read_mail_that_an_empty_relay_does_not_know_is_told(void **state) {
  relay_kit *k = *state;
  static const uint64_t of_before[] = {1, (RELAY_NOW / 1000 - 86400) << 20, RELAY_BASE - 1, RELAY_BASE};
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  for (unsigned round = 0; round < 3; round++) {
    for (size_t i = 0; i < sizeof of_before / sizeof of_before[0]; i++)
      assert_int_equal(relay_fetch(k, 1, of_before[i], 10)->status, TW_CONTROL_TOO_FAR);
    assert_int_equal(count_of(relay_fetch(k, 1, 0, 10)), round); /* nothing went for that */
    assert_int_equal(relay_send(k, 0, 1, "new"), TW_CONTROL_DONE);
    if (round == 0) relay_reopen(k);
  }
  assert_int_equal(count_of(relay_fetch(k, 1, RELAY_BASE + 1, 10)), 2);
}

/* After 180 days: for itself the relay has lost its mailbox, and it begins anew. */
static void who_was_forgotten_is_told_when_it_is_back(void **state) {
  relay_kit *k = *state;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 1, "old"), TW_CONTROL_DONE);
  assert_int_equal(count_of(relay_fetch(k, 1, RELAY_BASE + 1, 10)), 0);
  k->now_ms += k->limits.unseen_ms + UINT64_C(24) * 3600 * 1000;
  sweep_all(k);
  assert_int_equal(relay_fetch(k, 1, RELAY_BASE + 1, 10)->status, TW_CONTROL_TOO_FAR);
  assert_int_equal(relay_send(k, 0, 1, "new"), TW_CONTROL_DONE);
  assert_int_equal(count_of(relay_fetch(k, 1, 0, 10)), 1);
}

/* Entries go when they are old; the mailbox, and what was read of it, stay. */
static void who_is_away_while_its_mail_goes_is_not_told_that_the_mailbox_is_lost(void **state) {
  relay_kit *k = *state;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_send(k, 0, 1, "old"), TW_CONTROL_DONE);
  assert_int_equal(count_of(relay_fetch(k, 1, RELAY_BASE + 1, 10)), 2);
  k->now_ms += k->limits.mail_ms + UINT64_C(24) * 3600 * 1000;
  sweep_all(k);
  assert_int_equal(count_of(relay_fetch(k, 1, RELAY_BASE + 1, 10)), 0);
  assert_int_equal(relay_send(k, 0, 1, "new"), TW_CONTROL_DONE);
  assert_int_equal(count_of(relay_fetch(k, 1, RELAY_BASE + 1, 10)), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(a_member_brings_the_group_to_where_it_is),
      RELAY_BOTH(numbers_are_not_given_again_after_a_start),
      RELAY_BOTH(who_has_read_mail_that_an_empty_relay_does_not_know_is_told),
      RELAY_BOTH(who_was_forgotten_is_told_when_it_is_back),
      RELAY_BOTH(who_is_away_while_its_mail_goes_is_not_told_that_the_mailbox_is_lost),
      RELAY_BOTH(an_epoch_comes_neither_back_nor_by_strangers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
