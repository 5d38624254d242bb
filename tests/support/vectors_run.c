/* Which check a file is for, and running whole files. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool tw_vectors_run_file(const tw_env *env, const tw_vector_type *type, const char *path, FILE *report, tw_vector_counts *counts) {
  json_error_t where;
  json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
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
    (void)fprintf(report, "%s: vector %zu %s: %s\n", path, index, result.status == TW_VECTOR_FAIL ? "failed" : "skipped",
                  result.message);
  }
  json_decref(file);
  return true;
}

int tw_vectors_run_named(const tw_env *env, const char *name) {
  const tw_vector_type *type = tw_vector_type_by_name(name);
  if (type == NULL) return 0;
  const char *folder = getenv("TREEWIRE_VECTORS");
  if (folder == NULL || folder[0] == '\0') folder = TW_SOURCE_DIR "/../shared/vectors";
  char path[4096];
  const int len = snprintf(path, sizeof path, "%s/mls/%s.json", folder, type->name);
  if (len < 0 || (size_t)len >= sizeof path) return 0;
  if (access(path, R_OK) != 0) {
    (void)fprintf(stderr, "skipped: there is no %s; set TREEWIRE_VECTORS to a folder with the MLS working group's vectors in mls/\n",
                  path);
    return -1;
  }
  tw_vector_counts counts = {0};
  const bool usable = tw_vectors_run_file(env, type, path, stderr, &counts);
  (void)fprintf(stderr, "%s: %zu passed, %zu failed, %zu skipped\n", type->name, counts.passed, counts.failed, counts.skipped);
  return usable && counts.failed == 0 && counts.passed > 0 ? 1 : 0;
}
