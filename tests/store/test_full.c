/* Disks that are full or read-only. label: no-valgrind SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/store_kit.h"

static void a_limit_of_the_files_size_is_survived(void **state) {
  (void)state;
  kit k;
  struct rlimit before;
  static uint8_t large[600 * 1024];
  kit_init(&k, 3);
  tw_store *store = kit_open(&k, NULL);
  kit_put(&k, store, TW_STORE_SESSION, "id", "before");
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 300 * 1024;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  const tw_store_change changes[] = {kit_set(TW_STORE_SESSION, "id", "after"),
                                     {.kind = TW_STORE_GROUP, .id = kit_text("g"), .value = TW_ARRAY(large)}};
  const tw_err err = tw_store_apply(store, changes, 2, &k.report);
  assert_true(err == TW_ERR_STATE || err == TW_ERR_LIMIT);
  kit_expect(&k, store, TW_STORE_SESSION, "id", "before");
  kit_put(&k, store, TW_STORE_SESSION, "small", "still fits");
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)signal(SIGXFSZ, handler);
  if (tw_store_apply(store, changes, 2, &k.report) != TW_OK) fail_msg("%s", k.report.text);
  kit_expect(&k, store, TW_STORE_SESSION, "id", "after");
  tw_store_close(store);
  store = kit_open(&k, NULL);
  kit_expect(&k, store, TW_STORE_SESSION, "small", "still fits");
  tw_store_close(store);
  kit_clear(&k);
}

/* In a child with a file system of its own, which is full and later read-only. Its exit status: 77 cannot mount. */
static void use_small_disk(kit *k) {
  char filler[KIT_PATH];
  static uint8_t piece[4096];
  static uint8_t large[300 * 1024];
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("treewire", k->parent, "tmpfs", 0, "size=1m") != 0)
    _exit(77);
  tw_store *store = kit_open(k, NULL);
  kit_put(k, store, TW_STORE_SESSION, "id", "before");
  (void)snprintf(filler, sizeof filler, "%s/filler", k->parent);
  const int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  while (write(fd, piece, sizeof piece) == sizeof piece) continue;
  const tw_store_change changes[] = {kit_set(TW_STORE_SESSION, "id", "after"),
                                     {.kind = TW_STORE_GROUP, .id = kit_text("g"), .value = TW_ARRAY(large)}};
  assert_int_equal(tw_store_apply(store, changes, 2, &k->report), TW_ERR_LIMIT);
  assert_non_null(strstr(k->report.text, ": no space left: the disk is full"));
  assert_non_null(strstr(k->report.text, k->parent));
  kit_expect(k, store, TW_STORE_SESSION, "id", "before");
  /* What fits into the log's room goes on, even now. */
  kit_put(k, store, TW_STORE_SESSION, "id", "replaced");
  assert_int_equal(close(fd), 0);
  assert_int_equal(unlink(filler), 0);
  if (tw_store_apply(store, changes, 2, &k->report) != TW_OK) fail_msg("%s", k->report.text);
  kit_expect(k, store, TW_STORE_SESSION, "id", "after");
  tw_store_close(store);
  assert_int_equal(mount(NULL, k->parent, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  kit_refuses(k, NULL, TW_ERR_STATE, "Read-only file system");
  _exit(0);
}

static void full_and_read_only_disks_are_told(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 4);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) use_small_disk(&k);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  kit_clear(&k);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) skip(); /* only root can mount */
  assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_limit_of_the_files_size_is_survived),
      cmocka_unit_test(full_and_read_only_disks_are_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
