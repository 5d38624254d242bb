/* Which check a file is for, and running whole files. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tw_test_env.h"
#include "vectors.h"

static const tw_vector_type types[] = {
    {"crypto-basics", tw_vector_crypto_basics},
    {"deserialization", tw_vector_deserialization},
    {"key-schedule", tw_vector_key_schedule},
    {"message-protection", tw_vector_message_protection},
    {"messages", tw_vector_messages},
    {"passive-client-handling-commit", tw_vector_passive_client},
    {"passive-client-random", tw_vector_passive_client},
    {"passive-client-welcome", tw_vector_passive_client},
    {"psk_secret", tw_vector_psk_secret},
    {"secret-tree", tw_vector_secret_tree},
    {"transcript-hashes", tw_vector_transcript_hashes},
    {"tree-math", tw_vector_tree_math},
    {"tree-operations", tw_vector_tree_operations},
    {"tree-validation", tw_vector_tree_validation},
    {"treekem", tw_vector_treekem},
    {"welcome", tw_vector_welcome},
};

const tw_vector_type *tw_vector_type_at(size_t index) {
  return index < sizeof types / sizeof types[0] ? &types[index] : NULL;
}

/* Upstream writes "psk_secret" and "key-schedule": either way is taken. */
static bool same_letter(char a, char b) { return (a == '_' ? '-' : a) == (b == '_' ? '-' : b); }

static size_t matching(const char *text, const char *name) {
  size_t i = 0;
  while (name[i] != '\0' && text[i] != '\0' && same_letter(text[i], name[i])) i++;
  return name[i] == '\0' ? i : 0;
}

const tw_vector_type *tw_vector_type_by_name(const char *name) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const size_t len = matching(name, types[i].name);
    if (len > 0 && name[len] == '\0') return &types[i];
  }
  return NULL;
}

const tw_vector_type *tw_vector_type_of_file(const char *path) {
  const char *slash = strrchr(path, '/');
  const char *base = slash != NULL ? slash + 1 : path;
  const tw_vector_type *best = NULL;
  size_t best_len = 0;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const size_t len = matching(base, types[i].name);
    if (len > best_len) {
      best = &types[i];
      best_len = len;
    }
  }
  return best;
}

static void count(tw_vector_counts *counts, tw_vector_status status) {
  switch (status) {
  case TW_VECTOR_PASS: counts->passed++; break;
  case TW_VECTOR_FAIL: counts->failed++; break;
  case TW_VECTOR_SKIP: counts->skipped++; break;
  }
}

/*
 * The JSON library has no integers above 2^63 - 1, an epoch has. Where a file has such, long numbers are put between
 * quotes; tw_vector_uint takes them so.
 */
static char *quote_long_numbers(const char *text, size_t len, size_t *out_len) {
  char *out = malloc(len + len / 4 +
                     3); /* two quotes for each number of 19 digits or more and the mark that follows it */
  if (out == NULL) return NULL;
  size_t at = 0;
  bool in_string = false;
  for (size_t i = 0; i < len;) {
    size_t digits = 0;
    while (!in_string && i + digits < len && text[i + digits] >= '0' && text[i + digits] <= '9') digits++;
    const bool quoted = digits >= 19;
    if (quoted) out[at++] = '"';
    const size_t copied = digits > 0 ? digits : (in_string && text[i] == '\\' && i + 1 < len ? 2 : 1);
    if (copied == 1 && text[i] == '"') in_string = !in_string;
    memcpy(out + at, text + i, copied);
    at += copied;
    i += copied;
    if (quoted) out[at++] = '"';
  }
  *out_len = at;
  return out;
}

static char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  char *text = NULL;
  size_t used = 0;
  size_t room = 0;
  for (;;) {
    if (used == room) {
      room = room == 0 ? 65536 : 2 * room;
      char *grown = realloc(text, room);
      if (grown == NULL) break;
      text = grown;
    }
    const size_t got = fread(text + used, 1, room - used, file);
    if (got == 0) break;
    used += got;
  }
  const bool whole = feof(file) != 0;
  (void)fclose(file);
  if (whole) {
    *len = used;
    return text;
  }
  free(text);
  return NULL;
}

static json_t *load(const char *path, json_error_t *where) {
  json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, where);
  if (file != NULL || json_error_code(where) != json_error_numeric_overflow) return file;
  size_t len = 0;
  size_t quoted_len = 0;
  char *text = read_file(path, &len);
  char *quoted = text != NULL ? quote_long_numbers(text, len, &quoted_len) : NULL;
  if (quoted != NULL) file = json_loadb(quoted, quoted_len, JSON_REJECT_DUPLICATES, where);
  free(quoted);
  free(text);
  return file;
}

bool tw_vectors_run_file(const tw_env *env, const tw_vector_type *type, const char *path, FILE *report,
                         tw_vector_counts *counts) {
  json_error_t where;
  json_t *file = load(path, &where);
  if (file == NULL) {
    (void)fprintf(report, "%s: line %d: %s\n", path, where.line, where.text);
    return false;
  }
  if (!json_is_array(file)) {
    (void)fprintf(report, "%s: not a JSON array of vectors\n", path);
    json_decref(file);
    return false;
  }
  size_t index = 0;
  json_t *vector = NULL;
  json_array_foreach(file, index, vector) {
    const tw_vector_result result = type->check(env, vector);
    count(counts, result.status);
    if (result.status == TW_VECTOR_PASS) continue;
    (void)fprintf(report, "%s: vector %zu %s: %s\n", path, index,
                  result.status == TW_VECTOR_FAIL ? "failed" : "skipped", result.message);
  }
  json_decref(file);
  return true;
}

/* 1: it passed, 0: something failed, -1: there is no such file. */
static int run_named(const tw_env *env, const char *name) {
  const tw_vector_type *type = tw_vector_type_by_name(name);
  if (type == NULL) return 0;
  const char *folder = getenv("TREEWIRE_VECTORS");
  if (folder == NULL || folder[0] == '\0') folder = TW_SOURCE_DIR "/../shared/vectors";
  char path[4096];
  const int len = snprintf(path, sizeof path, "%s/mls/%s.json", folder, type->name);
  if (len < 0 || (size_t)len >= sizeof path) return 0;
  if (access(path, R_OK) != 0) {
    (void)fprintf(
        stderr,
        "skipped: there is no %s; set TREEWIRE_VECTORS to a folder with the MLS working group's vectors in mls/\n",
        path);
    return -1;
  }
  tw_vector_counts counts = {0};
  const bool usable = tw_vectors_run_file(env, type, path, stderr, &counts);
  (void)fprintf(stderr, "%s: %zu passed, %zu failed, %zu skipped\n", type->name, counts.passed, counts.failed,
                counts.skipped);
  return usable && counts.failed == 0 && counts.passed > 0 ? 1 : 0;
}

void tw_test_vectors_pass(const char *name) {
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const int passed = run_named(&test.env, name);
  tw_test_env_clear(&test);
  if (passed < 0) skip();
  assert_int_equal(passed, 1);
}
