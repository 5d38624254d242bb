/* The vector runner: checks any file of the MLS working group's test vectors. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "vectors.h"

static void usage(FILE *out) {
  (void)fprintf(
      out, "usage: vectors [--type TYPE] FILE...\n\n"
           "Checks each vector of each FILE, a JSON array in the format of the MLS working group's test-vectors.md.\n"
           "TYPE is by default what the file's name begins with:\n");
  for (size_t i = 0; tw_vector_type_at(i) != NULL; i++) (void)fprintf(out, "  %s\n", tw_vector_type_at(i)->name);
  (void)fprintf(out, "\nExit status: 0 when all passed or were skipped, 1 when one failed or a file was unusable, 2 "
                     "for wrong usage.\n");
}

typedef struct options {
  const char *type;
  int first_file;
} options;

/* 0: run; else the exit status plus one. */
static int parse(int argc, char **argv, options *out) {
  int i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      usage(stdout);
      return 1;
    }
    if (strcmp(argv[i], "--type") == 0 && i + 1 < argc) {
      out->type = argv[++i];
    } else if (strncmp(argv[i], "--type=", 7) == 0) {
      out->type = argv[i] + 7;
    } else {
      (void)fprintf(stderr, "vectors: unknown or incomplete option %s\n", argv[i]);
      usage(stderr);
      return 3;
    }
  }
  out->first_file = i;
  if (out->type != NULL && tw_vector_type_by_name(out->type) == NULL) {
    (void)fprintf(stderr, "vectors: unknown type %s\n", out->type);
    usage(stderr);
    return 3;
  }
  if (i < argc) return 0;
  usage(stderr);
  return 3;
}

int main(int argc, char **argv) {
  options opts = {NULL, 1};
  const int done = parse(argc, argv, &opts);
  if (done != 0) return done - 1;

  tw_env env = {0};
  const tw_err err = tw_provider_openssl_new(NULL, &env.provider);
  if (err != TW_OK) {
    (void)fprintf(stderr, "vectors: %s\n", tw_err_text(err));
    return 1;
  }
  tw_vector_counts counts = {0};
  bool usable = true;
  for (int i = opts.first_file; i < argc; i++) {
    const tw_vector_type *type = opts.type != NULL ? tw_vector_type_by_name(opts.type)
                                                   : tw_vector_type_of_file(argv[i]);
    if (type == NULL) {
      (void)fprintf(stdout, "%s: the type is not known from its name, give --type\n", argv[i]);
      usable = false;
      continue;
    }
    usable = tw_vectors_run_file(&env, type, argv[i], stdout, &counts) && usable;
  }
  tw_provider_free(env.provider);
  (void)printf("%zu passed, %zu failed, %zu skipped\n", counts.passed, counts.failed, counts.skipped);
  return usable && counts.failed == 0 ? 0 : 1;
}
