/*
 * Giving up rights, each time in a child. SPDX-License-Identifier: Apache-2.0
 * label: no-valgrind (the children end without clearing up)
 */
#include "support/tw_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/netdev.h"
#include "net/rights.h"
#include "net/tun.h"
#include "support/tw_test_netns.h"

enum { SOMEBODY = 61234 };

static const tw_rights_user nobody_else = {0};
static const tw_rights_user somebody = {true, SOMEBODY, SOMEBODY + 1};

/* ---- children: they end with 0, or say which line was not as it should be ---- */

#define CHECK(expr)                                                                                                    \
  do {                                                                                                                 \
    if (!(expr)) {                                                                                                     \
      (void)fprintf(stderr, "line %d: %s\n", __LINE__, #expr);                                                         \
      _exit(1);                                                                                                        \
    }                                                                                                                  \
  } while (0)

static void in_child(void (*work)(void)) {
  (void)fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

/* A number of /proc/self/status, in base 16 or 10. */
static uint64_t status_number(const char *name, int base) {
  FILE *file = fopen("/proc/self/status", "re");
  CHECK(file != NULL);
  char line[256];
  uint64_t found = UINT64_MAX;
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
      found = strtoull(line + strlen(name) + 1, NULL, base);
  (void)fclose(file);
  return found;
}

static bool can_make_device(void) {
  tw_tun tun;
  const bool can = tw_tun_open(&tun, &(tw_tun_config){.name = "rights0"}, NULL) == TW_OK;
  tw_tun_close(&tun);
  return can;
}

static void check_sets(uint64_t keep) {
  CHECK(tw_rights_now() == keep);
  CHECK(status_number("CapEff", 16) == keep);
  CHECK(status_number("CapPrm", 16) == keep);
  CHECK(status_number("CapInh", 16) == 0);
  CHECK(status_number("CapAmb", 16) == 0);
  CHECK(status_number("CapBnd", 16) == keep);
  CHECK(status_number("NoNewPrivs", 10) == 1);
}

static void become_somebody_with_network_rights(void) {
  tw_netdev netdev;
  CHECK(tw_netdev_open(&netdev, NULL, NULL) == TW_OK);
  CHECK(tw_rights_drop(&somebody, TW_RIGHTS_NET_ADMIN, NULL) == TW_OK);
  CHECK(tw_netdev_set_mtu(&netdev, 1, 60000, NULL) == TW_OK); /* the loopback device of our namespace */
  CHECK(getuid() == SOMEBODY && geteuid() == SOMEBODY && getgid() == SOMEBODY + 1 && getgroups(0, NULL) == 0);
  CHECK(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
  CHECK(setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0);
  check_sets(TW_RIGHTS_NET_ADMIN);
}

static void stay_root_with_network_rights(void) {
  CHECK(tw_rights_drop(&nobody_else, TW_RIGHTS_NET_ADMIN, NULL) == TW_OK);
  CHECK(getuid() == 0);
  check_sets(TW_RIGHTS_NET_ADMIN);
  CHECK(can_make_device());
  CHECK(setuid(SOMEBODY) != 0);
}

static void become_somebody_with_nothing(void) {
  CHECK(tw_rights_drop(&somebody, TW_RIGHTS_NONE, NULL) == TW_OK);
  check_sets(0);
  CHECK(!can_make_device());
  /* Once more what is so already. */
  CHECK(tw_rights_drop(&nobody_else, TW_RIGHTS_NONE, NULL) == TW_OK);
  tw_report report = {""};
  CHECK(tw_rights_drop(&nobody_else, TW_RIGHTS_NET_ADMIN, &report) == TW_ERR_STATE);
  CHECK(strstr(report.text, "CAP_NET_ADMIN") != NULL);
  CHECK(tw_rights_drop(&(tw_rights_user){true, SOMEBODY + 5, SOMEBODY + 5}, TW_RIGHTS_NONE, &report) == TW_ERR_STATE);
  CHECK(strstr(report.text, "root") != NULL);
}

/* Starting a program as root would give it all there is, were it not for the bounding set and no_new_privs. */
static void start_a_program(void) {
  CHECK(tw_rights_drop(&nobody_else, TW_RIGHTS_NET_ADMIN, NULL) == TW_OK);
  (void)execl("/bin/sh", "sh", "-c", "grep -q '^CapEff:.0*1000$' /proc/self/status", (char *)NULL);
  _exit(2);
}

static void *wait_for_ever(void *ctx) {
  (void)ctx;
  (void)pause();
  return NULL;
}

static void with_two_threads(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
  tw_report report = {""};
  const uint64_t before = tw_rights_now();
  CHECK(tw_rights_drop(&somebody, TW_RIGHTS_NONE, &report) == TW_ERR_STATE);
  CHECK(strstr(report.text, "threads") != NULL);
  CHECK(tw_rights_now() == before && getuid() == 0);
}

/* ---- tests ---- */

static void skip_unless_root(void) {
  if (geteuid() != 0 || (tw_rights_now() & TW_RIGHTS_NET_ADMIN) == 0) skip();
}

static void another_user_keeps_network_rights_alone(void **state) {
  (void)state;
  skip_unless_root();
  in_child(become_somebody_with_network_rights);
}

static void root_keeps_network_rights_alone(void **state) {
  (void)state;
  skip_unless_root();
  in_child(stay_root_with_network_rights);
}

static void nothing_can_be_kept_and_nothing_comes_back(void **state) {
  (void)state;
  skip_unless_root();
  in_child(become_somebody_with_nothing);
}

static void a_program_that_is_started_gets_no_more(void **state) {
  (void)state;
  skip_unless_root();
  in_child(start_a_program);
}

static void with_further_threads_nothing_is_given_up(void **state) {
  (void)state;
  skip_unless_root();
  in_child(with_two_threads);
}

static void users_are_found_by_name_and_number(void **state) {
  (void)state;
  tw_rights_user user = {0};
  tw_report report = {""};
  assert_int_equal(tw_rights_find_user("1234", &user, &report), TW_OK);
  assert_true(user.changes && user.uid == 1234 && user.gid == 1234);
  assert_int_equal(tw_rights_find_user("1234:77", &user, &report), TW_OK);
  assert_true(user.uid == 1234 && user.gid == 77);
  if (tw_rights_find_user("daemon", &user, &report) == TW_OK) assert_true(user.uid != 0 && user.changes);
  static const char *const bad[] = {"",
                                    "0",
                                    "root",
                                    "5:0",
                                    "0:5",
                                    "4294967295",
                                    "5:4294967295",
                                    "5:",
                                    ":5",
                                    "5:5:5",
                                    "-1",
                                    "no such user",
                                    "99999999999999999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    user.uid = 4;
    report.text[0] = '\0';
    assert_int_equal(tw_rights_find_user(bad[i], &user, &report), TW_ERR_ARGUMENT);
    assert_int_equal(user.uid, 4);
    assert_true(report.text[0] != '\0');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(another_user_keeps_network_rights_alone),
      cmocka_unit_test(root_keeps_network_rights_alone),
      cmocka_unit_test(nothing_can_be_kept_and_nothing_comes_back),
      cmocka_unit_test(a_program_that_is_started_gets_no_more),
      cmocka_unit_test(with_further_threads_nothing_is_given_up),
      cmocka_unit_test(users_are_found_by_name_and_number),
  };
  if (geteuid() == 0) (void)tw_test_netns_enter();
  return cmocka_run_group_tests_name("rights", tests, NULL, NULL);
}
