/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/export_tree.h"
#include "tw_test_env.h"

static const uint8_t root_secret[64] = {9, 8, 7};

static tw_bytes root_of(const tw_suite *suite) { return TW_BYTES(root_secret, suite->hash->size); }

static tw_export_tree *new_tree(tw_test_env *test) {
  tw_export_tree *tree = NULL;
  assert_int_equal(tw_export_tree_new(&test->env, tw_suite_default(), root_of(tw_suite_default()), &tree), TW_OK);
  return tree;
}

static tw_buf state_of(tw_test_env *test, const tw_export_tree *tree) {
  tw_buf out = TW_BUF_INIT(&test->alloc);
  tw_writer w = tw_writer_to(&out);
  tw_write_export_tree(&w, tree);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  return out;
}

/* The definition, step by step: 16 levels below the root, the component's bits from the highest on choose the side. */
static void secrets_are_those_of_the_tree(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_suite *suite = tw_suite_default();
  static const uint16_t components[] = {0, 1, 6, 0x8000, 0x8001, 0xffff};
  tw_export_tree *tree = new_tree(&test);
  for (size_t i = 0; i < sizeof components / sizeof components[0]; i++) {
    tw_secret expected = {0};
    assert_int_equal(tw_secret_set(&expected, root_of(suite)), TW_OK);
    for (int bit = 15; bit >= 0; bit--) {
      const tw_bytes side = (components[i] >> bit & 1) != 0 ? TW_LITERAL("right") : TW_LITERAL("left");
      tw_secret next = {.len = expected.len};
      assert_int_equal(tw_expand_with_label(&test.env, suite, tw_secret_bytes(&expected), TW_LITERAL("tree"), side,
                                            next.data, next.len),
                       TW_OK);
      expected = next;
    }
    tw_secret secret = {0};
    assert_int_equal(tw_safe_export_secret(tree, components[i], &secret), TW_OK);
    tw_test_same(tw_secret_bytes(&secret), tw_secret_bytes(&expected));
    assert_int_equal(tw_safe_export_secret(tree, components[i], &secret), TW_ERR_DUPLICATE);
  }
  tw_export_tree_free(tree);
  tw_export_tree_free(NULL);
  tw_test_env_clear(&test);
}

static void state_survives_storage(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  tw_export_tree *tree = new_tree(&test);
  tw_secret secret = {0};
  assert_int_equal(tw_safe_export_secret(tree, 0x1234, &secret), TW_OK);
  assert_int_equal(tw_safe_export_secret(tree, 0x1235, &secret), TW_OK);
  tw_buf blob = state_of(&test, tree);
  tw_export_tree *copy = NULL;
  tw_reader r = tw_reader_of(tw_buf_bytes(&blob));
  assert_int_equal(tw_read_export_tree(&test.env, tw_suite_default(), &r, &copy), TW_OK);
  assert_int_equal(tw_reader_end(&r), TW_OK);
  tw_secret other = {0};
  assert_int_equal(tw_safe_export_secret(copy, 0x1234, &other), TW_ERR_DUPLICATE);
  assert_int_equal(tw_safe_export_secret(copy, 0x1236, &other), TW_OK);
  assert_int_equal(tw_safe_export_secret(tree, 0x1236, &secret), TW_OK);
  tw_test_same(tw_secret_bytes(&secret), tw_secret_bytes(&other));
  tw_export_tree_free(copy);
  for (size_t len = 0; len < blob.len; len++) {
    copy = NULL;
    r = tw_reader_of(TW_BYTES(blob.ptr, len));
    assert_int_equal(tw_read_export_tree(&test.env, tw_suite_default(), &r, &copy), TW_ERR_TRUNCATED);
    assert_null(copy);
  }
  static const uintmax_t fine[] = {TW_OK, TW_ERR_DUPLICATE};
  for (size_t i = 0; i < blob.len; i++) {
    blob.ptr[i] ^= 3;
    copy = NULL;
    r = tw_reader_of(tw_buf_bytes(&blob));
    if (tw_read_export_tree(&test.env, tw_suite_default(), &r, &copy) == TW_OK) {
      assert_in_set(tw_safe_export_secret(copy, 0x1237, &other), fine, 2);
      tw_export_tree_free(copy);
    }
    blob.ptr[i] ^= 3;
  }
  tw_buf_clear(&blob);
  tw_export_tree_free(tree);
  tw_test_env_clear(&test);
}

/* 16 levels of nothing but parents are more than the tree has: a leaf is taken or holds a secret. */
static void state_deeper_than_the_tree_is_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  uint8_t blob[64];
  memset(blob, 1, sizeof blob);
  tw_export_tree *tree = NULL;
  tw_reader r = tw_reader_of(TW_ARRAY(blob));
  assert_int_equal(tw_read_export_tree(&test.env, tw_suite_default(), &r, &tree), TW_ERR_ENCODING);
  blob[0] = 2; /* the root is no leaf */
  r = tw_reader_of(TW_ARRAY(blob));
  assert_int_equal(tw_read_export_tree(&test.env, tw_suite_default(), &r, &tree), TW_ERR_ENCODING);
  blob[0] = 3;
  r = tw_reader_of(TW_ARRAY(blob));
  assert_int_equal(tw_read_export_tree(&test.env, tw_suite_default(), &r, &tree), TW_ERR_ENCODING);
  assert_int_equal(tw_reader_err(&r), TW_ERR_ENCODING);
  assert_null(tree);
  tw_test_env_clear(&test);
}

static void no_memory_leaves_the_tree_as_it_was(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  tw_export_tree *tree = NULL;
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_export_tree_new(&test.env, tw_suite_default(), root_of(tw_suite_default()), &tree);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(tree);
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf before = state_of(&test, tree);
  tw_secret secret = {0};
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_safe_export_secret(tree, 77, &secret);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(secret.len, 0);
    tw_test_fail_alloc(&test, 0);
    tw_buf now = state_of(&test, tree);
    tw_test_same(tw_buf_bytes(&now), tw_buf_bytes(&before));
    tw_buf_clear(&now);
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf_clear(&before);
  before = state_of(&test, tree);
  for (size_t n = 1;; n++) {
    tw_export_tree *copy = NULL;
    tw_test_fail_alloc(&test, n);
    tw_reader r = tw_reader_of(tw_buf_bytes(&before));
    const tw_err err = tw_read_export_tree(&test.env, tw_suite_default(), &r, &copy);
    tw_export_tree_free(copy);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(tw_reader_err(&r), TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf_clear(&before);
  tw_export_tree_free(tree);
  tw_test_env_clear(&test);
}

static void the_root_must_have_the_right_length(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  tw_export_tree *tree = NULL;
  const tw_bytes root = root_of(tw_suite_default());
  assert_int_equal(tw_export_tree_new(&test.env, tw_suite_default(), TW_BYTES(root.ptr, root.len - 1), &tree),
                   TW_ERR_ARGUMENT);
  assert_int_equal(tw_export_tree_new(&test.env, tw_suite_default(), TW_NO_BYTES, &tree), TW_ERR_ARGUMENT);
  assert_null(tree);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(secrets_are_those_of_the_tree),         cmocka_unit_test(state_survives_storage),
      cmocka_unit_test(state_deeper_than_the_tree_is_refused), cmocka_unit_test(no_memory_leaves_the_tree_as_it_was),
      cmocka_unit_test(the_root_must_have_the_right_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
