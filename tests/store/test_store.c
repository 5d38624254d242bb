/* Values in, values out; who may hold a state; what is refused. SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/wait.h>

#include "store/store_internal.h"
#include "store/store_kit.h"

static void values_come_back_by_kind_and_id(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 1);
  tw_store *store = kit_open(&k, NULL);
  kit_expect(&k, store, TW_STORE_SESSION, "a", NULL);
  kit_put(&k, store, TW_STORE_SESSION, "a", "one");
  kit_put(&k, store, TW_STORE_GROUP, "a", "two");
  kit_put(&k, store, TW_STORE_SESSION, "ab", "");
  kit_expect(&k, store, TW_STORE_SESSION, "a", "one");
  kit_expect(&k, store, TW_STORE_GROUP, "a", "two");
  kit_expect(&k, store, TW_STORE_SESSION, "ab", "");
  kit_expect(&k, store, TW_STORE_PIN, "a", NULL);
  kit_put(&k, store, TW_STORE_SESSION, "a", "three, which is longer");
  kit_delete(&k, store, TW_STORE_GROUP, "a");
  kit_delete(&k, store, TW_STORE_GROUP, "never there");
  kit_expect(&k, store, TW_STORE_SESSION, "a", "three, which is longer");
  kit_expect(&k, store, TW_STORE_GROUP, "a", NULL);
  assert_int_equal(kit_count(&k, store, TW_STORE_SESSION), 2);
  assert_int_equal(kit_count(&k, store, TW_STORE_GROUP), 0);
  tw_store_close(store);
  kit_clear(&k);
}

static void values_outlive_the_holder(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 2);
  for (unsigned round = 0; round < 3; round++) {
    char id[16];
    tw_store *store = kit_open(&k, NULL);
    assert_int_equal(kit_count(&k, store, TW_STORE_PIN), round);
    (void)snprintf(id, sizeof id, "pin %u", round);
    kit_put(&k, store, TW_STORE_PIN, id, "key");
    tw_store_close(store);
  }
  kit_clear(&k);
}

static void changes_are_applied_all_or_none(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 3);
  tw_store *store = kit_open(&k, NULL);
  tw_store_change changes[] = {kit_set(TW_STORE_SESSION, "s", "first"),
                               kit_set(TW_STORE_KEY_PACKAGE, "kp", "to go"),
                               kit_set(TW_STORE_SESSION, "s", "second"), /* in order: the later one stands */
                               {.kind = TW_STORE_KEY_PACKAGE, .id = kit_text("kp"), .remove = true}};
  assert_int_equal(tw_store_apply(store, changes, 4, &k.report), TW_OK);
  kit_expect(&k, store, TW_STORE_SESSION, "s", "second");
  kit_expect(&k, store, TW_STORE_KEY_PACKAGE, "kp", NULL);
  assert_int_equal(tw_store_apply(store, NULL, 0, &k.report), TW_OK);

  static const uint8_t long_id[TW_STORE_ID_MAX + 1];
  const tw_store_change bad[] = {
      {.kind = (tw_store_kind)0, .id = kit_text("x")},
      {.kind = (tw_store_kind)(TW_STORE_KIND_LAST + 1), .id = kit_text("x")},
      {.kind = TW_STORE_SESSION, .id = TW_NO_BYTES},
      {.kind = TW_STORE_SESSION, .id = TW_ARRAY(long_id)},
      {.kind = TW_STORE_SESSION, .id = kit_text("x"), .value = TW_BYTES(long_id, (size_t)TW_STORE_VALUE_MAX + 1)}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const tw_store_change both[] = {kit_set(TW_STORE_SESSION, "s", "third"), bad[i]};
    assert_int_equal(tw_store_apply(store, both, 2, &k.report), TW_ERR_ARGUMENT);
    kit_expect(&k, store, TW_STORE_SESSION, "s", "second");
    assert_int_equal(kit_count(&k, store, TW_STORE_SESSION), 1);
  }
  const tw_store_change longest = {.kind = TW_STORE_SESSION, .id = TW_BYTES(long_id, TW_STORE_ID_MAX)};
  assert_int_equal(tw_store_apply(store, &longest, 1, &k.report), TW_OK);
  tw_store_close(store);
  kit_clear(&k);
}

typedef struct visited {
  kit *k;
  tw_store *store;
  unsigned count;
  unsigned stop_at;
  char ids[64];
} visited;

static tw_err visit(void *ctx, tw_bytes id, tw_bytes value) {
  visited *v = ctx;
  const tw_store_change change = kit_set(TW_STORE_SESSION, "new", "value");
  assert_int_equal(id.len, 1);
  assert_int_equal(value.len, 2);
  assert_int_equal(id.ptr[0], value.ptr[1]);
  v->ids[v->count++] = (char)id.ptr[0];
  /* Reading is fine meanwhile, changing is not. */
  kit_expect(v->k, v->store, TW_STORE_GROUP, "a", "other");
  assert_int_equal(tw_store_apply(v->store, &change, 1, &v->k->report), TW_ERR_STATE);
  assert_int_equal(tw_store_tidy(v->store, &v->k->report), TW_ERR_STATE);
  assert_int_equal(tw_store_each(v->store, TW_STORE_GROUP, visit, v, &v->k->report), TW_ERR_STATE);
  assert_int_equal(tw_store_rekey(v->store, &(tw_store_key){0}, &v->k->report), TW_ERR_STATE);
  return v->count == v->stop_at ? TW_ERR_LIFETIME : TW_OK;
}

static void each_goes_through_one_kind_and_stops_at_an_error(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 4);
  tw_store *store = kit_open(&k, NULL);
  kit_put(&k, store, TW_STORE_SESSION, "b", "=b");
  kit_put(&k, store, TW_STORE_SESSION, "a", "=a");
  kit_put(&k, store, TW_STORE_SESSION, "c", "=c");
  kit_put(&k, store, TW_STORE_GROUP, "a", "other");
  visited v = {.k = &k, .store = store};
  assert_int_equal(tw_store_each(store, TW_STORE_SESSION, visit, &v, &k.report), TW_OK);
  assert_string_equal(v.ids, "abc");
  v = (visited){.k = &k, .store = store, .stop_at = 2};
  assert_int_equal(tw_store_each(store, TW_STORE_SESSION, visit, &v, &k.report), TW_ERR_LIFETIME);
  assert_string_equal(v.ids, "ab");
  kit_put(&k, store, TW_STORE_SESSION, "d", "=d"); /* and goes on */
  tw_store_close(store);
  kit_clear(&k);
}

static void a_state_has_one_holder(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 5);
  tw_store *store = kit_open(&k, NULL);
  kit_refuses(&k, NULL, TW_ERR_STATE, "in use");
  kit_put(&k, store, TW_STORE_PIN, "still", "works");
  tw_store_close(store);
  tw_store_close(kit_open(&k, NULL));
  kit_clear(&k);
}

static void a_killed_holder_lets_go(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 6);
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    tw_store *store = kit_open(&k, NULL);
    kit_put(&k, store, TW_STORE_PIN, "id", "value");
    if (write(ready[1], "r", 1) == 1) (void)pause();
    _exit(1);
  }
  char byte;
  assert_int_equal(read(ready[0], &byte, 1), 1);
  kit_refuses(&k, NULL, TW_ERR_STATE, "in use");
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  tw_store *store = kit_open(&k, NULL);
  kit_expect(&k, store, TW_STORE_PIN, "id", "value");
  tw_store_close(store);
  assert_int_equal(close(ready[0]), 0);
  assert_int_equal(close(ready[1]), 0);
  kit_clear(&k);
}

static unsigned mode_of(const char *path) {
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  return status.st_mode & 07777;
}

static void files_are_ours_alone_whatever_the_umask(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 7);
  const mode_t before = umask(0);
  tw_store *store = kit_open(&k, NULL);
  kit_put(&k, store, TW_STORE_PIN, "id", "value");
  assert_int_equal(mode_of(k.dir), 0700);
  assert_int_equal(mode_of(kit_file(&k, TW_STORE_DB, path)), 0600);
  assert_int_equal(mode_of(kit_file(&k, TW_STORE_LOG, path)), 0600);
  assert_int_equal(mode_of(kit_file(&k, "lock", path)), 0600);
  assert_int_not_equal(access(kit_file(&k, TW_STORE_DB "-shm", path), F_OK), 0);
  tw_store_close(store);
  (void)umask(before);
  kit_clear(&k);
}

static void rights_of_others_are_refused(void **state) {
  (void)state;
  static const char *const names[] = {TW_STORE_DB, TW_STORE_LOG, "lock"};
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 8);
  tw_store_close(kit_open(&k, NULL));
  for (mode_t right = 01; right <= 040; right <<= 1) {
    assert_int_equal(chmod(k.dir, 0700 | right), 0);
    kit_refuses(&k, NULL, TW_ERR_FORBIDDEN, "chmod 700");
  }
  assert_int_equal(chmod(k.dir, 0700), 0);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (access(kit_file(&k, names[i], path), F_OK) != 0) kit_spill(path, TW_NO_BYTES);
    for (mode_t right = 01; right <= 040; right <<= 1) {
      assert_int_equal(chmod(path, 0600 | right), 0);
      kit_refuses(&k, NULL, TW_ERR_FORBIDDEN, names[i]);
    }
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) { /* only root can give files away */
      assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
      kit_refuses(&k, NULL, TW_ERR_FORBIDDEN, "another user");
      assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    }
  }
  if (geteuid() == 0) {
    assert_int_equal(chown(k.dir, 65534, (gid_t)-1), 0);
    kit_refuses(&k, NULL, TW_ERR_FORBIDDEN, "another user");
    assert_int_equal(chown(k.dir, 0, (gid_t)-1), 0);
  }
  tw_store_close(kit_open(&k, NULL));
  kit_clear(&k);
}

static void links_and_other_things_in_place_of_files_are_refused(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  char elsewhere[KIT_PATH];
  kit_init(&k, 9);
  tw_store_close(kit_open(&k, NULL));
  assert_true(snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", k.parent) > 0);
  kit_file(&k, TW_STORE_DB, path);
  assert_int_equal(rename(path, elsewhere), 0);
  assert_int_equal(symlink(elsewhere, path), 0);
  kit_refuses(&k, NULL, TW_ERR_FORBIDDEN, "not a regular file");
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkdir(path, 0700), 0);
  kit_refuses(&k, NULL, TW_ERR_FORBIDDEN, "not a regular file");
  assert_int_equal(rmdir(path), 0);
  kit_clear(&k);
}

static void places_that_cannot_be_are_told(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 10);
  char good[KIT_PATH];
  memcpy(good, k.dir, sizeof good);
  (void)snprintf(k.dir, sizeof k.dir, "%s/no/such", k.parent);
  kit_refuses(&k, NULL, TW_ERR_STATE, "No such file");
  (void)snprintf(k.dir, sizeof k.dir, "%s/file", k.parent);
  kit_spill(k.dir, TW_NO_BYTES);
  kit_refuses(&k, NULL, TW_ERR_STATE, "Not a directory");
  memcpy(k.dir, "", 1);
  kit_refuses(&k, NULL, TW_ERR_STATE, "No such file");
  memcpy(k.dir, good, sizeof good);
  kit_clear(&k);
}

static void failing_memory_and_randomness_change_nothing(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 11);
  const tw_store_key key = kit_key_file(&k, path, 1);
  tw_store *store;
  tw_err err;
  for (size_t n = 1;; n++) { /* a state that could not be made can be made afterwards */
    tw_test_fail_random(&k.test, n);
    err = kit_try(&k, &key, &store);
    if (!k.test.random_failed) break;
    assert_int_equal(err, TW_ERR_RANDOM);
  }
  tw_test_fail_random(&k.test, 0);
  assert_int_equal(err, TW_OK);
  kit_put(&k, store, TW_STORE_SESSION, "id", "before");
  const tw_store_change changes[] = {kit_set(TW_STORE_SESSION, "id", "after"), kit_set(TW_STORE_PIN, "p", "q")};
  for (size_t n = 1;; n++) {
    tw_test_fail_random(&k.test, n);
    err = tw_store_apply(store, changes, 2, &k.report);
    if (!k.test.random_failed) break;
    assert_int_equal(err, TW_ERR_RANDOM);
    kit_expect(&k, store, TW_STORE_SESSION, "id", "before");
  }
  tw_test_fail_random(&k.test, 0);
  assert_int_equal(err, TW_OK);
  kit_put(&k, store, TW_STORE_SESSION, "id", "before");
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&k.test, n);
    err = tw_store_apply(store, changes, 2, &k.report);
    const bool failed = k.test.alloc_failed;
    tw_test_fail_alloc(&k.test, 0);
    if (!failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    kit_expect(&k, store, TW_STORE_SESSION, "id", "before");
  }
  assert_int_equal(err, TW_OK);
  tw_store_close(store);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&k.test, n);
    err = kit_try(&k, &key, &store);
    if (!k.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&k.test, 0);
  kit_expect(&k, store, TW_STORE_SESSION, "id", "after");
  tw_store_close(store);
  assert_int_equal(unlink(path), 0);
  kit_clear(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_come_back_by_kind_and_id),
      cmocka_unit_test(values_outlive_the_holder),
      cmocka_unit_test(changes_are_applied_all_or_none),
      cmocka_unit_test(each_goes_through_one_kind_and_stops_at_an_error),
      cmocka_unit_test(a_state_has_one_holder),
      cmocka_unit_test(a_killed_holder_lets_go),
      cmocka_unit_test(files_are_ours_alone_whatever_the_umask),
      cmocka_unit_test(rights_of_others_are_refused),
      cmocka_unit_test(links_and_other_things_in_place_of_files_are_refused),
      cmocka_unit_test(places_that_cannot_be_are_told),
      cmocka_unit_test(failing_memory_and_randomness_change_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
