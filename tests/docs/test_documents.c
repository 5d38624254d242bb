/* What the documents say is so: sizes, errors, snippets, links and names of tests. SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <treewire/mls.h>
#include <unistd.h>

#include "crypto/suites.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

enum { PATH_MAX_LEN = 4096 };

/* A file of the source tree as a string; the caller frees it. */
static char *slurp(const char *path) {
  char full[PATH_MAX_LEN];
  const bool absolute = path[0] == '/';
  assert_true(snprintf(full, sizeof full, "%s%s", absolute ? "" : TW_SOURCE_DIR "/", path) < (int)sizeof full);
  FILE *file = fopen(full, "rb");
  if (file == NULL) fail_msg("%s is missing", path);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  const long size = ftell(file);
  assert_true(size >= 0);
  rewind(file);
  char *text = malloc((size_t)size + 1);
  assert_non_null(text);
  assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
  text[size] = '\0';
  assert_int_equal(fclose(file), 0);
  return text;
}

/* Runs of white space become one blank; `text` changes in place. */
static void squeeze(char *text) {
  char *out = text;
  bool blank = true;
  for (const char *in = text; *in != '\0'; in++) {
    const bool space = isspace((unsigned char)*in) != 0;
    if (!space) *out++ = *in;
    if (space && !blank) *out++ = ' ';
    blank = space;
  }
  if (out > text && out[-1] == ' ') out--;
  *out = '\0';
}

static void snippets_are_out_of_examples_that_run(void **state) {
  (void)state;
  glob_t found;
  assert_int_equal(glob(TW_SOURCE_DIR "/examples/*.c", 0, NULL, &found), 0);
  char *guide = slurp("docs/library.md");
  size_t snippets = 0;
  for (char *at = strstr(guide, "```c\n"); at != NULL; at = strstr(at, "```c\n")) {
    at += strlen("```c\n");
    char *end = strstr(at, "\n```");
    assert_non_null(end);
    *end = '\0';
    squeeze(at);
    bool known = false;
    for (size_t i = 0; i < found.gl_pathc && !known; i++) {
      char *example = slurp(found.gl_pathv[i]);
      squeeze(example);
      known = strstr(example, at) != NULL;
      free(example);
    }
    if (!known) fail_msg("docs/library.md has code that no example has: %.60s", at);
    snippets++;
    at = end + 1;
  }
  assert_true(snippets > 0);
  free(guide);
  globfree(&found);
}

static void every_error_is_explained(void **state) {
  (void)state;
  char *guide = slurp("docs/library.md");
  char *header = slurp("include/treewire/err.h");
  size_t errors = 0;
  for (const char *at = strstr(header, "  TW_ERR_"); at != NULL; at = strstr(at + 1, "  TW_ERR_")) {
    char row[64];
    char name[48];
    assert_int_equal(sscanf(at, " %47[A-Z_]", name), 1);
    assert_true(snprintf(row, sizeof row, "| `%s` |", name) < (int)sizeof row);
    if (strstr(guide, row) == NULL) fail_msg("docs/library.md does not explain %s", name);
    errors++;
  }
  assert_true(errors > 30);
  free(header);
  free(guide);
}

/* A number of the table, which may have commas; moves behind the `|` after it. */
static unsigned cell(const char **at) {
  unsigned value = 0;
  for (; **at != '|' && **at != '\0'; (*at)++)
    if (isdigit((unsigned char)**at)) value = 10 * value + (unsigned)(**at - '0');
  if (**at == '|') (*at)++;
  return value;
}

static size_t key_package_size(const tw_test_env *test, const tw_suite *suite) {
  tw_client client = {.env = &test->env, .suite = suite, .credential = {.type = 1}};
  tw_key_package *key_package = NULL;
  assert_int_equal(tw_signer_generate(&test->env, suite, &client.signer), TW_OK);
  assert_int_equal(tw_key_package_new(&client, NULL, 1700000000, &key_package), TW_OK);
  const size_t size = tw_key_package_message(key_package).len;
  tw_key_package_free(key_package);
  tw_signer_free(client.signer);
  return size;
}

static void sizes_are_those_of_the_code(void **state) {
  (void)state;
  char *page = slurp("docs/protocols.md");
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    char begin[128];
    const int len = snprintf(begin, sizeof begin, "| 0x%04X | `%s` | 0x%04x |", tw_suite_id(&test.env, suite),
                             tw_suite_name(suite), (unsigned)suite->kem->id);
    assert_true(len > 0 && len < (int)sizeof begin);
    const char *at = strstr(page, begin);
    if (at == NULL) fail_msg("docs/protocols.md has no row %s", begin);
    at += len;
    assert_int_equal(cell(&at), suite->kem->public_size);
    assert_int_equal(cell(&at), suite->kem->output_size);
    assert_int_equal(cell(&at), suite->hash->size);
    assert_int_equal(cell(&at), suite->signature->public_size);
    assert_int_equal(cell(&at), suite->signature->signature_max);
    assert_in_range(cell(&at) + 12 - key_package_size(&test, suite), 0, 24);
  }
  tw_test_env_clear(&test);
  free(page);
}

/* Calls `check` for every document of the repository. */
static void each_document(void (*check)(const char *document, char *text)) {
  static const char *const patterns[] = {"*.md", "docs/*.md", "tests/*.md"};
  size_t count = 0;
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    char full[PATH_MAX_LEN];
    glob_t found;
    assert_true(snprintf(full, sizeof full, TW_SOURCE_DIR "/%s", patterns[i]) < (int)sizeof full);
    assert_int_equal(glob(full, 0, NULL, &found), 0);
    for (size_t k = 0; k < found.gl_pathc; k++, count++) {
      const char *document = found.gl_pathv[k] + strlen(TW_SOURCE_DIR "/");
      char *text = slurp(document);
      check(document, text);
      free(text);
    }
    globfree(&found);
  }
  assert_true(count >= 7);
}

static bool exists(const char *path) {
  char full[PATH_MAX_LEN];
  assert_true(snprintf(full, sizeof full, TW_SOURCE_DIR "/%s", path) < (int)sizeof full);
  return access(full, F_OK) == 0;
}

static void check_link(const char *document, const char *target, size_t len) {
  char path[PATH_MAX_LEN];
  const char *slash = strrchr(document, '/');
  const int folder = slash == NULL ? 0 : (int)(slash + 1 - document);
  assert_true(snprintf(path, sizeof path, "%.*s%.*s", folder, document, (int)len, target) < (int)sizeof path);
  if (!exists(path)) fail_msg("%s: the link to %.*s leads nowhere", document, (int)len, target);
}

static void check_links(const char *document, char *text) {
  for (const char *at = strstr(text, "]("); at != NULL; at = strstr(at, "](")) {
    at += 2;
    const size_t len = strcspn(at, "#)");
    if (len > 0 && strncmp(at, "http", 4) != 0) check_link(document, at, len);
  }
}

static void links_lead_somewhere(void **state) {
  (void)state;
  each_document(check_links);
}

/* `tests/…`, `src/…` and the like are paths; a name in backquotes after a test's file is a test in it. */
static void check_quoted(const char *document, const char *quoted, char **test_source) {
  static const char *const folders[] = {"tests/", "src/",      "include/", "fuzz/",
                                        "tools/", "examples/", "docs/",    "bench/"};
  bool is_path = false;
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
    is_path |= strncmp(quoted, folders[i], strlen(folders[i])) == 0;
  if (is_path && strpbrk(quoted, " *…<") == NULL) {
    if (!exists(quoted)) fail_msg("%s: there is no %s", document, quoted);
    const size_t len = strlen(quoted);
    if (strncmp(quoted, "tests/", 6) != 0 || len < 3 || strcmp(quoted + len - 2, ".c") != 0) return;
    free(*test_source);
    *test_source = slurp(quoted);
  } else if (*test_source != NULL && quoted[strspn(quoted, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0' &&
             strchr(quoted, '_') != NULL && strncmp(quoted, "tw_", 3) != 0) {
    if (strstr(*test_source, quoted) == NULL) fail_msg("%s: no test %s in the file named before", document, quoted);
  }
}

static void check_line(const char *document, char *line) {
  char *test_source = NULL;
  for (char *at = strchr(line, '`'); at != NULL && at[1] != '`'; at = strchr(at, '`')) {
    char *end = strchr(at + 1, '`');
    if (end == NULL) break;
    *end = '\0';
    check_quoted(document, at + 1, &test_source);
    at = end + 1;
  }
  free(test_source);
}

static void check_names(const char *document, char *text) {
  for (char *line = text; line != NULL;) {
    char *end = strchr(line, '\n');
    if (end != NULL) *end = '\0';
    check_line(document, line);
    line = end == NULL ? NULL : end + 1;
  }
}

static void named_files_and_tests_exist(void **state) {
  (void)state;
  each_document(check_names);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(snippets_are_out_of_examples_that_run), cmocka_unit_test(every_error_is_explained),
      cmocka_unit_test(sizes_are_those_of_the_code),           cmocka_unit_test(links_lead_somewhere),
      cmocka_unit_test(named_files_and_tests_exist),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
