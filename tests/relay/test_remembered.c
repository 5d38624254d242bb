/* What a group's commits of before may take. SPDX-License-Identifier: Apache-2.0 */
#include "groups_kit.h"

#include <sys/stat.h>

/* As all others of one letter. */
static size_t cost_of_one(relay_kit *k) { return relay_commit_message(k, GROUP, 7, "a").len + TW_RELAY_ENTRY_COST; }

static void the_messages_of_old_commits_go_when_they_are_too_much(void **state) {
  relay_kit *k = *state;
  char text[512];
  k->limits.remembered_commits = 4;
  k->limits.remembered_bytes = 2 * cost_of_one(k); /* and the newest */
  relay_reopen(k);
  open_three(k);
  const char *const texts[] = {"a", "b", "c", "d", "e"};
  for (unsigned i = 0; i < 3; i++) commits(k, 0, 7 + i, texts[i], relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 2, 7, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN);
  commits(k, 0, 10, texts[3], relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 2, 7, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TOO_FAR);
  commits(k, 2, 8, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN);
  commits(k, 4, 7, "z", relay_ids(k, 0, 1, 2, 4, -1), TW_CONTROL_FORBIDDEN);
  /* Its maker still learns that it was accepted, and what is in mailboxes is there. */
  commits(k, 0, 7, texts[0], relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  assert_string_equal(mail_of(k, 1, text), "2:7:a 2:8:b 2:9:c 2:10:d");
  commits(k, 0, 11, texts[4], relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 0, 7, texts[0], relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TOO_FAR); /* the fifth */
  commits(k, 0, 8, texts[1], relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 2, 8, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TOO_FAR);
  commits(k, 2, 9, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN);
  assert_string_equal(mail_of(k, 2, text), "2:7:a 2:8:b 2:9:c 2:10:d 2:11:e");
}

static void the_newest_commit_is_always_told(void **state) {
  relay_kit *k = *state;
  k->limits.remembered_bytes = 0;
  relay_reopen(k);
  open_three(k);
  commits(k, 0, 7, "a", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 2, 7, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN);
  commits(k, 0, 8, "b", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  commits(k, 2, 7, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TOO_FAR);
  commits(k, 2, 8, "z", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_TAKEN);
}

/* In no mailbox at all: a group of one. */
static void a_group_of_one_does_not_fill_the_disk(void **state) {
  (void)state;
  enum { COMMITS = 12, LENGTH = 1000000 };
  relay_kit *k = relay_new(true, 1);
  char path[600];
  struct stat file;
  char *text = malloc(LENGTH + 1);
  assert_non_null(text);
  memset(text, 'y', LENGTH);
  text[LENGTH] = '\0';
  k->limits.remembered_bytes = 2 * LENGTH;
  relay_reopen(k);
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_DONE);
  const tw_control_request open = relay_open_of(k, "mine", GROUP, 7, relay_ids(k, 0, -1));
  relay_expects(k, 0, &open, TW_CONTROL_DONE);
  for (unsigned i = 0; i < COMMITS; i++) commits(k, 0, 7 + i, text, relay_ids(k, 0, -1), TW_CONTROL_DONE);
  relay_close(k); /* the log goes into the database */
  (void)snprintf(path, sizeof path, "%s/state.db", k->at.dir);
  assert_int_equal(stat(path, &file), 0);
  assert_in_range(file.st_size, LENGTH, 5 * LENGTH);
  relay_open(k);
  free(text);
  relay_free(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(the_messages_of_old_commits_go_when_they_are_too_much),
      RELAY_BOTH(the_newest_commit_is_always_told),
      cmocka_unit_test(a_group_of_one_does_not_fill_the_disk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
