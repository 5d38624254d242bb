/* Text into a buffer. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/text.h"
#include "tw_cmocka.h"

static void text_of_any_length_is_appended(void **state) {
  (void)state;
  tw_buf out = {0};
  char *word = malloc(5001);
  assert_non_null(word);
  memset(word, 'x', 5000);
  word[5000] = '\0';
  assert_int_equal(tw_text_append(&out, "%s", ""), TW_OK);
  assert_int_equal(out.len, 0);
  assert_int_equal(tw_text_append(&out, "%d, ", -7), TW_OK);
  assert_int_equal(tw_text_append(&out, "%s%c", word, '!'), TW_OK);
  assert_int_equal(tw_text_append(&out, "%.3s", word), TW_OK);
  assert_int_equal(out.len, 4 + 5001 + 3);
  assert_memory_equal(out.ptr, "-7, xxx", 7);
  assert_memory_equal(out.ptr + 5003, "x!xxx", 5);
  tw_buf_clear(&out);
  free(word);
}

static void *refuse(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  (void)ptr;
  (void)size;
  return NULL;
}

static void without_memory_nothing_is_appended(void **state) {
  (void)state;
  const tw_alloc none = {.resize = refuse};
  tw_buf out = TW_BUF_INIT(&none);
  assert_int_equal(tw_text_append(&out, "%d", 1), TW_ERR_NO_MEMORY);
  assert_int_equal(out.len, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_of_any_length_is_appended),
      cmocka_unit_test(without_memory_nothing_is_appended),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
