/* A State that is put back from a copy. SPDX-License-Identifier: Apache-2.0 */
#include "../store/store_kit.h"

#include <stdint.h>

#include "node/copied.h"

static tw_store *store;
static kit k;

static void open_it(void) {
  const tw_store_config config = {.dir = k.dir};
  assert_int_equal(tw_store_open(&config, &k.test.env, &store, &k.report), TW_OK);
}

static bool is_copied(void) {
  bool copied = true;
  assert_int_equal(tw_node_claim_state(store, &copied, &k.report), TW_OK);
  return copied;
}

static void put(tw_store_kind kind, const char *id) {
  const tw_store_change change = {
      .kind = kind, .id = TW_BYTES((const uint8_t *)id, strlen(id)), .value = TW_LITERAL("a value")};
  assert_int_equal(tw_store_apply(store, &change, 1, &k.report), TW_OK);
}

static uint64_t count(tw_store_kind kind) {
  uint64_t n = 0;
  assert_int_equal(tw_store_count(store, kind, &n, &k.report), TW_OK);
  return n;
}

static void fill(void) {
  static const char *const ids[] = {"one", "two", "three"};
  for (size_t i = 0; i < 3; i++) {
    put(TW_STORE_SESSION, ids[i]);
    put(TW_STORE_GROUP, ids[i]);
    put(TW_STORE_KEY_PACKAGE, ids[i]);
    put(TW_STORE_PIN, ids[i]);
    put(TW_STORE_NODE, ids[i]);
  }
}

static void check(uint64_t keys, uint64_t others) {
  assert_int_equal(count(TW_STORE_SESSION), keys);
  assert_int_equal(count(TW_STORE_GROUP), keys);
  assert_int_equal(count(TW_STORE_KEY_PACKAGE), keys);
  assert_int_equal(count(TW_STORE_PIN), others);
  assert_int_equal(count(TW_STORE_NODE), others + 1); /* and the origin */
}

/* The files' bytes, in files of the same names in another folder, which takes the place of the first. */
static void copy_files(void) {
  char other[KIT_PATH], from[KIT_PATH], to[KIT_PATH + 32];
  static const char *const names[] = {"state.db", "lock"};
  static uint8_t bytes[1 << 20];
  (void)snprintf(other, sizeof other, "%.100s/other", k.parent);
  assert_int_equal(mkdir(other, S_IRWXU), 0);
  for (size_t i = 0; i < 2; i++) {
    FILE *in = fopen(kit_file(&k, names[i], from), "rb");
    assert_non_null(in);
    const size_t len = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fclose(in), 0);
    (void)snprintf(to, sizeof to, "%s/%s", other, names[i]);
    const int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
  }
  kit_remove(k.dir);
  assert_int_equal(rename(other, k.dir), 0);
}

static int begin(void **state) {
  (void)state;
  kit_init(&k, 7);
  open_it();
  return 0;
}

static int end(void **state) {
  (void)state;
  tw_store_close(store);
  kit_clear(&k);
  return 0;
}

static void test_files_that_stay_are_no_copy(void **state) {
  (void)state;
  assert_false(is_copied());
  fill();
  for (int i = 0; i < 3; i++) {
    assert_false(is_copied());
    check(3, 3);
    tw_store_close(store);
    open_it();
  }
}

/* Moved with its folder: the file is the same. */
static void test_a_folder_that_moves_is_no_copy(void **state) {
  (void)state;
  char moved[KIT_PATH + 8];
  assert_false(is_copied());
  fill();
  tw_store_close(store);
  (void)snprintf(moved, sizeof moved, "%.400s-2", k.dir);
  assert_int_equal(rename(k.dir, moved), 0);
  assert_int_equal(rename(moved, k.dir), 0);
  open_it();
  assert_false(is_copied());
  check(3, 3);
}

static void test_a_copy_has_no_keys_any_more(void **state) {
  (void)state;
  assert_false(is_copied());
  fill();
  for (int i = 0; i < 2; i++) {
    tw_store_close(store);
    copy_files();
    open_it();
    assert_true(is_copied());
    check(0, 3);
    assert_false(is_copied()); /* it is ours from now on */
    fill();
    assert_false(is_copied());
    check(3, 3);
  }
}

/* Written by a version that kept no origin: nobody knows, and it stays. */
static void test_a_state_without_an_origin_is_taken_as_it_is(void **state) {
  (void)state;
  fill();
  tw_store_close(store);
  copy_files();
  open_it();
  assert_false(is_copied());
  check(3, 3);
}

static void test_a_damaged_origin_is_anothers(void **state) {
  (void)state;
  static const char *const values[] = {"", "short", "sixteen bytes...", "far more than sixteen bytes"};
  for (size_t i = 0; i < 4; i++) {
    fill();
    const tw_store_change change = {.kind = TW_STORE_NODE,
                                    .id = TW_LITERAL("origin"),
                                    .value = TW_BYTES((const uint8_t *)values[i], strlen(values[i]))};
    assert_int_equal(tw_store_apply(store, &change, 1, &k.report), TW_OK);
    assert_true(is_copied());
    check(0, 3);
    assert_false(is_copied());
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_files_that_stay_are_no_copy, begin, end),
      cmocka_unit_test_setup_teardown(test_a_folder_that_moves_is_no_copy, begin, end),
      cmocka_unit_test_setup_teardown(test_a_copy_has_no_keys_any_more, begin, end),
      cmocka_unit_test_setup_teardown(test_a_state_without_an_origin_is_taken_as_it_is, begin, end),
      cmocka_unit_test_setup_teardown(test_a_damaged_origin_is_anothers, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
