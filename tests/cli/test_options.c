/* Command line options. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <string.h>

#include "cli/options.h"

static const tw_option options[] = {{"key", 'k', "FILE"}, {"verbose", 'v', NULL}, {"rekey-after", 0, "SECONDS"}};

static tw_option_scan scan_of(const char *const *words) { return (tw_option_scan){words, options, 3, false}; }

static void expect(tw_option_scan *scan, int wanted, const char *wanted_value) {
  int which = -7;
  const char *value = NULL;
  tw_report report;
  assert_int_equal(tw_option_next(scan, &which, &value, &report), TW_OK);
  assert_int_equal(which, wanted);
  if (wanted_value == NULL)
    assert_null(value);
  else
    assert_string_equal(value, wanted_value);
}

static void all_forms_are_understood(void **state) {
  (void)state;
  const char *words[] = {"--key",          "a", "--key=b", "-k",    "c",  "-v", "host",
                         "--rekey-after=", "-", "--",      "--key", "-v", NULL};
  tw_option_scan scan = scan_of(words);
  expect(&scan, 0, "a");
  expect(&scan, 0, "b");
  expect(&scan, 0, "c");
  expect(&scan, 1, NULL);
  expect(&scan, TW_OPTION_OPERAND, "host");
  expect(&scan, 2, "");
  expect(&scan, TW_OPTION_OPERAND, "-");
  expect(&scan, TW_OPTION_OPERAND, "--key");
  expect(&scan, TW_OPTION_OPERAND, "-v");
  expect(&scan, TW_OPTION_END, NULL);
  expect(&scan, TW_OPTION_END, NULL);
}

static void refused(const char *first, const char *second, const char *words_in_report) {
  const char *words[] = {first, second, NULL};
  tw_option_scan scan = scan_of(words);
  int which;
  const char *value;
  tw_report report = {""};
  assert_int_equal(tw_option_next(&scan, &which, &value, &report), TW_ERR_ARGUMENT);
  assert_non_null(strstr(report.text, words_in_report));
}

static void mistakes_are_named(void **state) {
  (void)state;
  refused("--nonsense", NULL, "--nonsense");
  refused("--ke", "x", "--ke");
  refused("--keys", "x", "--keys");
  refused("-x", NULL, "-x");
  refused("-vv", NULL, "-vv");
  refused("--key", NULL, "FILE");
  refused("-k", NULL, "--key");
  refused("--verbose=yes", NULL, "no value");
  refused("--=x", NULL, "unknown");
}

static void numbers(void **state) {
  (void)state;
  uint64_t number = 0;
  tw_report report = {""};
  assert_int_equal(tw_option_number("n", "12", 0, 12, false, &number, &report), TW_OK);
  assert_int_equal(number, 12);
  assert_int_equal(tw_option_number("n", "3K", 0, UINT64_MAX, true, &number, &report), TW_OK);
  assert_int_equal(number, 3072);
  assert_int_equal(tw_option_number("n", "2M", 0, UINT64_MAX, true, &number, &report), TW_OK);
  assert_int_equal(number, 2 << 20);
  assert_int_equal(tw_option_number("n", "1G", 0, UINT64_MAX, true, &number, &report), TW_OK);
  assert_int_equal(number, 1 << 30);
  static const char *const bad[] = {"", "K", "-1", "1k", "1KK", "1.5", "13", " 1", "1 ", "99999999999999999999", "x"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    number = 77;
    assert_int_equal(tw_option_number("n", bad[i], 1, 12, true, &number, &report), TW_ERR_ARGUMENT);
    assert_int_equal(number, 77);
  }
  assert_int_equal(tw_option_number("n", "17179869184G", 0, UINT64_MAX, true, &number, &report), TW_ERR_ARGUMENT);
  assert_int_equal(tw_option_number("n", "0", 1, 12, false, &number, &report), TW_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_forms_are_understood),
      cmocka_unit_test(mistakes_are_named),
      cmocka_unit_test(numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
