/* Folders that are made for a state. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file_write.h"

typedef struct place {
  char root[64];
  char path[128];
  mode_t mask;
} place;

static const char *in(place *p, const char *rest) {
  (void)snprintf(p->path, sizeof p->path, "%s/%s", p->root, rest);
  return p->path;
}

static place make_place(void) {
  place p = {.root = "/tmp/treewire-folder.XXXXXX", .mask = umask(022)};
  assert_non_null(mkdtemp(p.root));
  return p;
}

static void clear_place(place *p) {
  (void)rmdir(in(p, "a/b"));
  (void)rmdir(in(p, "a"));
  (void)unlink(in(p, "file"));
  assert_int_equal(rmdir(p->root), 0);
  (void)umask(p->mask);
}

static void makes(const char *path) {
  tw_report report = {""};
  if (tw_folder_make_parents(path, &report) != TW_OK) fail_msg("%s", report.text);
}

static void expect_folder(const char *path, mode_t mode) {
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_true(S_ISDIR(status.st_mode));
  assert_int_equal(status.st_mode & 07777, mode);
}

static void all_that_are_missing_are_made_and_the_last_one_is_not(void **state) {
  (void)state;
  place p = make_place();
  makes(in(&p, "a/b/state"));
  expect_folder(in(&p, "a"), 0755);
  expect_folder(in(&p, "a/b"), 0755);
  assert_int_not_equal(access(in(&p, "a/b/state"), F_OK), 0);
  makes(in(&p, "a/b/state"));
  makes(in(&p, "state"));
  makes("/");
  makes("state");
  clear_place(&p);
}

static void slashes_at_the_end_and_in_between_are_nothing(void **state) {
  (void)state;
  place p = make_place();
  makes(in(&p, "a//b//"));
  expect_folder(in(&p, "a"), 0755);
  assert_int_not_equal(access(in(&p, "a/b"), F_OK), 0);
  clear_place(&p);
}

static void what_is_there_stays_as_it_is(void **state) {
  (void)state;
  place p = make_place();
  assert_int_equal(mkdir(in(&p, "a"), 0700), 0);
  makes(in(&p, "a/b/state"));
  expect_folder(in(&p, "a"), 0700);
  clear_place(&p);
}

static void one_that_cannot_be_made_is_named(void **state) {
  (void)state;
  place p = make_place();
  tw_report report = {""};
  FILE *file = fopen(in(&p, "file"), "w");
  assert_non_null(file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(tw_folder_make_parents(in(&p, "file/b/state"), &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "/file: Not a directory"));
  assert_int_equal(tw_folder_make_parents("/proc/no/such/state", &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "/proc/no: "));
  clear_place(&p);
}

static void what_a_folder_takes_is_tried_and_gone(void **state) {
  (void)state;
  place p = make_place();
  tw_report report = {""};
  assert_int_equal(tw_folder_try(p.root, 300 * 1024, &report), TW_OK);
  assert_int_equal(tw_folder_try(p.root, 0, &report), TW_OK);
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small = {64 * 1024, before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  const tw_err fits = tw_folder_try(p.root, 64 * 1024, &report);
  const tw_err err = tw_folder_try(p.root, 300 * 1024, &report);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)signal(SIGXFSZ, handler);
  assert_int_equal(fits, TW_OK);
  assert_int_equal(err, TW_ERR_STATE);
  assert_non_null(strstr(report.text, p.root));
  assert_non_null(strstr(report.text, ": cannot be written to: File too large"));
  clear_place(&p); /* it is empty */
}

static void a_folder_that_is_none_or_not_ours_to_write_in_takes_nothing(void **state) {
  (void)state;
  place p = make_place();
  tw_report report = {""};
  assert_int_equal(tw_folder_try(in(&p, "a"), 1, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "/a: cannot be written to: No such file"));
  if (geteuid() == 0) {
    assert_int_equal(seteuid(65534), 0);
    const tw_err err = tw_folder_try(p.root, 1, &report);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(err, TW_ERR_FORBIDDEN);
  }
  clear_place(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_that_are_missing_are_made_and_the_last_one_is_not),
      cmocka_unit_test(slashes_at_the_end_and_in_between_are_nothing),
      cmocka_unit_test(what_is_there_stays_as_it_is),
      cmocka_unit_test(one_that_cannot_be_made_is_named),
      cmocka_unit_test(what_a_folder_takes_is_tried_and_gone),
      cmocka_unit_test(a_folder_that_is_none_or_not_ours_to_write_in_takes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
