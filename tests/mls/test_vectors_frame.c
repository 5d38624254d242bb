/* The frame that vectors are checked in: whatever a file holds is answered, never by a crash. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tw_test_env.h"
#include "vectors.h"

typedef struct outcome {
  bool usable;
  tw_vector_counts counts;
  char report[4096];
} outcome;

static outcome run(const tw_env *env, const char *type, const char *text) {
  outcome out = {0};
  char path[] = "/tmp/treewire-vectors-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  assert_int_equal(close(fd), 0);
  FILE *report = fmemopen(out.report, sizeof out.report - 1, "w");
  assert_non_null(report);
  out.usable = tw_vectors_run_file(env, tw_vector_type_by_name(type), path, report, &out.counts);
  assert_int_equal(fclose(report), 0);
  assert_int_equal(unlink(path), 0);
  return out;
}

static void types_are_known_by_name_and_file(void **state) {
  (void)state;
  for (size_t i = 0; tw_vector_type_at(i) != NULL; i++) {
    const tw_vector_type *type = tw_vector_type_at(i);
    char path[256];
    assert_ptr_equal(tw_vector_type_by_name(type->name), type);
    (void)snprintf(path, sizeof path, "some-where/%s.json", type->name);
    assert_ptr_equal(tw_vector_type_of_file(path), type);
    (void)snprintf(path, sizeof path, "%s-2.json", type->name);
    assert_ptr_equal(tw_vector_type_of_file(path), type);
  }
  assert_string_equal(tw_vector_type_by_name("psk-secret")->name, "psk_secret");
  assert_string_equal(tw_vector_type_of_file("key_schedule.json")->name, "key-schedule");
  assert_null(tw_vector_type_by_name("psk"));
  assert_null(tw_vector_type_by_name(""));
  assert_null(tw_vector_type_of_file("key-schedule/other.json"));
}

static void unusable_files_are_told(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  static const char *const texts[] = {"",
                                      "{",
                                      "[",
                                      "{}",
                                      "1",
                                      "null",
                                      "\"x\"",
                                      "[1",
                                      "[{\"a\":]",
                                      "\xff\xfe",
                                      "[18446744073709551616",
                                      "[{\"a\": 1, \"a\": 2}]"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const outcome out = run(&test.env, "key-schedule", texts[i]);
    assert_false(out.usable);
    assert_int_equal(out.counts.passed + out.counts.failed + out.counts.skipped, 0);
    assert_true(strlen(out.report) > 0);
  }
  tw_vector_counts counts = {0};
  assert_false(tw_vectors_run_file(&test.env, tw_vector_type_at(0), "/nowhere/at/all", stderr, &counts));
  assert_false(tw_vectors_run_file(&test.env, tw_vector_type_at(0), "/", stderr, &counts));
  tw_test_env_clear(&test);
}

/* Vectors of no sense fail for every type, with a message, and the others are still checked. */
static void senseless_vectors_fail_one_by_one(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; tw_vector_type_at(i) != NULL; i++) {
    const outcome out = run(
        &test.env, tw_vector_type_at(i)->name,
        "[null, 1, \"x\", [], {}, {\"cipher_suite\": null}, {\"cipher_suite\": -1}, {\"cipher_suite\": 65536},"
        " {\"cipher_suite\": 1}, {\"cipher_suite\": \"x\"}, {\"cipher_suite\": 99999999999999999999}]");
    assert_true(out.usable);
    assert_int_equal(out.counts.failed, 11);
    assert_non_null(strstr(out.report, "vector 10 failed: "));
  }
  tw_test_env_clear(&test);
}

static void unknown_suites_are_skipped(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const outcome out = run(&test.env, "psk_secret", "[{\"cipher_suite\": 60000}, {\"cipher_suite\": 0}]");
  assert_true(out.usable);
  assert_int_equal(out.counts.skipped, 2);
  tw_test_env_clear(&test);
}

static void wrong_values_fail(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
  char text[1024];
  (void)snprintf(text, sizeof text,
                 "[{\"cipher_suite\": 1, \"psks\": [], \"psk_secret\": \"%s\"}, {\"cipher_suite\": 1, \"psks\": [], "
                 "\"psk_secret\": \"%s00\"},"
                 "{\"cipher_suite\": 1, \"psks\": [], \"psk_secret\": \"1%s\"}, {\"cipher_suite\": 1, \"psks\": [3], "
                 "\"psk_secret\": \"%s\"},"
                 "{\"cipher_suite\": 1, \"psks\": {}, \"psk_secret\": \"%s\"}, {\"cipher_suite\": 1, \"psks\": [], "
                 "\"psk_secret\": \"zz\"}]",
                 zeros, zeros, zeros + 1, zeros, zeros);
  const outcome out = run(&test.env, "psk_secret", text);
  assert_true(out.usable);
  assert_int_equal(out.counts.passed, 1);
  assert_int_equal(out.counts.failed, 5);
  tw_test_env_clear(&test);
}

static void large_numbers_are_taken_exactly(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I}", "max", "18446744073709551615", "over", "18446744073709551616",
                             "empty", "", "sign", "-1", "plain", (json_int_t)7);
  assert_non_null(object);
  tw_vector v = tw_vector_begin(&test.env, object);
  assert_true(tw_vector_uint(&v, object, "max", UINT64_MAX) == UINT64_MAX);
  assert_int_equal(tw_vector_uint(&v, object, "plain", 7), 7);
  assert_int_equal(tw_vector_end(&v).status, TW_VECTOR_PASS);
  static const char *const wrong[] = {"over", "empty", "sign", "absent"};
  for (size_t i = 0; i < 4; i++) {
    v = tw_vector_begin(&test.env, object);
    assert_int_equal(tw_vector_uint(&v, object, wrong[i], UINT64_MAX), 0);
    assert_int_equal(tw_vector_end(&v).status, TW_VECTOR_FAIL);
  }
  json_decref(object);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(types_are_known_by_name_and_file),
      cmocka_unit_test(unusable_files_are_told),
      cmocka_unit_test(senseless_vectors_fail_one_by_one),
      cmocka_unit_test(unknown_suites_are_skipped),
      cmocka_unit_test(wrong_values_fail),
      cmocka_unit_test(large_numbers_are_taken_exactly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
