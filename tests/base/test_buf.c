/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"

static void buf_grows_and_keeps_content(void **state) {
  (void)state;
  tw_buf buf = {0};
  for (unsigned i = 0; i < 1000; i++) {
    const uint8_t byte = (uint8_t)i;
    assert_int_equal(tw_buf_append(&buf, TW_BYTES(&byte, 1)), TW_OK);
  }
  assert_int_equal(buf.len, 1000);
  for (unsigned i = 0; i < 1000; i++) assert_int_equal(buf.ptr[i], (uint8_t)i);
  tw_buf_consume(&buf, 10);
  assert_int_equal(buf.len, 990);
  assert_int_equal(buf.ptr[0], 10);
  tw_buf_clear(&buf);
  tw_buf_clear(&buf);
  assert_null(buf.ptr);
}

static void *no_memory(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  (void)ptr;
  (void)size;
  return NULL;
}

static void buf_without_memory_is_unchanged(void **state) {
  (void)state;
  const tw_alloc none = {NULL, no_memory};
  tw_buf buf = TW_BUF_INIT(&none);
  assert_int_equal(tw_buf_append(&buf, TW_LITERAL("x")), TW_ERR_NO_MEMORY);
  assert_int_equal(buf.len, 0);
  assert_null(buf.ptr);
  assert_int_equal(tw_buf_reserve(&buf, SIZE_MAX), TW_ERR_NO_MEMORY);
}

static void assign_replaces(void **state) {
  (void)state;
  tw_buf buf = {0};
  assert_int_equal(tw_buf_assign(&buf, TW_LITERAL("longer text")), TW_OK);
  assert_int_equal(tw_buf_assign(&buf, TW_LITERAL("short")), TW_OK);
  assert_true(tw_bytes_equal(tw_buf_bytes(&buf), TW_LITERAL("short")));
  tw_buf_clear(&buf);
}

static void secrets_compare_and_clear(void **state) {
  (void)state;
  tw_secret a = {0};
  tw_secret b = {0};
  assert_int_equal(tw_secret_set(&a, TW_LITERAL("secret")), TW_OK);
  assert_int_equal(tw_secret_set(&b, TW_LITERAL("secreT")), TW_OK);
  assert_false(tw_secret_equal(tw_secret_bytes(&a), tw_secret_bytes(&b)));
  assert_false(tw_secret_equal(tw_secret_bytes(&a), TW_LITERAL("secre")));
  assert_int_equal(tw_secret_set(&b, tw_secret_bytes(&a)), TW_OK);
  assert_true(tw_secret_equal(tw_secret_bytes(&a), tw_secret_bytes(&b)));
  uint8_t big[TW_SECRET_MAX + 1] = {0};
  assert_int_equal(tw_secret_set(&a, TW_ARRAY(big)), TW_ERR_ARGUMENT);
  assert_int_equal(a.len, 6);
  tw_secret_clear(&a);
  tw_secret_clear(&b);
  static const tw_secret zero = {0};
  assert_memory_equal(&a, &zero, sizeof a);
}

static void every_error_has_text_and_class(void **state) {
  (void)state;
  static const tw_err errs[] = {TW_ERR_TRUNCATED, TW_ERR_FORBIDDEN, TW_ERR_SIGNATURE,    TW_ERR_STATE,
                                TW_ERR_OLD_EPOCH, TW_ERR_DUPLICATE, TW_ERR_FUTURE_EPOCH, TW_ERR_NO_MEMORY,
                                TW_ERR_ARGUMENT,  TW_ERR_INTERNAL};
  for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
    assert_int_equal(tw_err_class_of(errs[i]), i + 1);
    assert_string_not_equal(tw_err_text(errs[i]), "unknown error");
    assert_string_not_equal(tw_err_class_name(tw_err_class_of(errs[i])), "unknown");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buf_grows_and_keeps_content),
      cmocka_unit_test(buf_without_memory_is_unchanged),
      cmocka_unit_test(assign_replaces),
      cmocka_unit_test(secrets_compare_and_clear),
      cmocka_unit_test(every_error_has_text_and_class),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
