/* What a commit's Welcomes may put into mailboxes. SPDX-License-Identifier: Apache-2.0 */
#include "groups_kit.h"

/* One commit would put as many entries into a mailbox as it has ClientIds, each with its tree. */
static void a_member_gets_one_welcome_of_a_commit(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "a", relay_ids(k, 0, 1, 2, 3, 4, -1));
  const tw_bytes welcome = relay_welcome(k, "w");
  const tw_bytes lists[] = {relay_ids(k, 3, 3, -1), relay_ids(k, 3, 4, 3, -1), relay_ids(k, 3, -1),
                            relay_ids(k, 4, 3, -1), relay_ids(k, 3, 4, -1)};
  enum { TWICE_IN_ONE = 2, TWICE_IN_TWO = 4 };
  for (size_t i = 0; i < TWICE_IN_TWO; i++) {
    tw_buf welcomes = {0};
    tw_writer w = tw_writer_to(&welcomes);
    tw_control_write_welcome(&w, &(tw_control_welcome){lists[i], welcome});
    if (i >= TWICE_IN_ONE) tw_control_write_welcome(&w, &(tw_control_welcome){lists[TWICE_IN_ONE], welcome});
    assert_int_equal(tw_writer_end(&w), TW_OK);
    request.body.group_commit.welcomes = tw_buf_bytes(&welcomes);
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
    tw_buf_clear(&welcomes);
  }
  assert_string_equal(mail_of(k, 3, text), "");
  assert_string_equal(mail_of(k, 1, text), "");
  tw_buf welcomes = {0};
  tw_writer w = tw_writer_to(&welcomes);
  tw_control_write_welcome(&w, &(tw_control_welcome){lists[TWICE_IN_TWO], welcome});
  assert_int_equal(tw_writer_end(&w), TW_OK);
  request.body.group_commit.welcomes = tw_buf_bytes(&welcomes);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 3, text), "4:8:w");
  assert_string_equal(mail_of(k, 4, text), "4:8:w");
  tw_buf_clear(&welcomes);
}

/* A member of before may get a Welcome too, behind the commit: both have to fit. */
static void a_welcome_has_room_beside_its_commit(void **state) {
  relay_kit *k = *state;
  char text[512];
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "a commit", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.welcomes = relay_welcome_to(k, 1, "w");
  const size_t welcomed = relay_welcome(k, "w").len + relay_tree(k, 8).len + 1 + 2; /* the lengths of both */
  const size_t both = request.body.group_commit.commit.len + welcomed + (size_t)2 * TW_RELAY_ENTRY_COST;
  k->limits.mailbox_bytes = 2 * (both - 1);
  relay_reopen(k);
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  assert_string_equal(mail_of(k, 1, text), "");
  k->limits.mailbox_bytes = 2 * both;
  relay_reopen(k);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 1, text), "2:7:a commit 4:8:w");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(a_member_gets_one_welcome_of_a_commit),
      RELAY_BOTH(a_welcome_has_room_beside_its_commit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
