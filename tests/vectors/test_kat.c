/*
 * Known answers of 2PMLS, MLS-TLS and TLS+MLS: 2pmls.json, mls-tls.json and tls-mls.json in tests/vectors. The test
 * makes them anew from fixed randomness and compares; called with "--write" the program is their generator.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vectors/kat/kat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool writing;

static void check_file(const char *name, json_t *(*make)(const tw_suite *suite)) {
  char path[4096];
  const char *source = getenv("TREEWIRE_SOURCE");
  const int len = snprintf(path, sizeof path, "%s/tests/vectors/%s", source != NULL ? source : TW_SOURCE_DIR, name);
  assert_true(len > 0 && (size_t)len < sizeof path);
  json_t *made = json_array();
  for (size_t i = 0; i < SUITES; i++) {
    const tw_suite *suite = tw_suite_by_name(suites[i]);
    assert_non_null(suite);
    assert_int_equal(json_array_append_new(made, make(suite)), 0);
  }
  if (writing) {
    assert_int_equal(json_dump_file(made, path, JSON_INDENT(1)), 0);
  } else {
    json_error_t error;
    json_t *known = json_load_file(path, 0, &error);
    if (known == NULL) fail_msg("%s:%d: %s", path, error.line, error.text);
    assert_true(json_equal(known, made));
    json_decref(known);
  }
  json_decref(made);
}

static void pairs_give_the_known_answers(void **state) {
  (void)state;
  check_file("2pmls.json", make_2pmls);
}

static void channels_give_the_known_answers(void **state) {
  (void)state;
  check_file("mls-tls.json", make_mls_tls);
}

static void tls_handshakes_give_the_known_answers(void **state) {
  (void)state;
  check_file("tls-mls.json", make_tls_mls);
}

int main(int argc, char **argv) {
  writing = argc > 1 && strcmp(argv[1], "--write") == 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pairs_give_the_known_answers),
      cmocka_unit_test(channels_give_the_known_answers),
      cmocka_unit_test(tls_handshakes_give_the_known_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
