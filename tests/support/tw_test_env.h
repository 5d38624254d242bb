/* An environment for tests: repeatable randomness, failing allocator and generator, vectors. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_ENV_H
#define TW_TESTS_TEST_ENV_H

#include <jansson.h>
#include <treewire/env.h>

/** Pass &test.env to the library. Must not move between init and clear. */
typedef struct tw_test_env {
  tw_env env;
  tw_alloc alloc;
  tw_limits limits;           /* a copy of the defaults, in use by env: change at will */
  tw_code_points code_points; /* likewise */

  uint64_t random_state;
  size_t random_draws;   /* calls of the generator so far */
  size_t random_fail_in; /* counts down; the draw that brings it to 0 fails */
  bool random_failed;

  size_t alloc_calls;   /* allocations and growths so far */
  size_t alloc_fail_in; /* likewise */
  bool alloc_failed;
  size_t alloc_bytes;  /* outstanding */
  size_t alloc_blocks; /* outstanding */
} tw_test_env;

/** With a provider of its own, which does not use the counting allocator. The same seed gives the same random bytes. */
void tw_test_env_init(tw_test_env *test, uint64_t seed);
/** Fails the test if anything allocated through env is still there. */
void tw_test_env_clear(tw_test_env *test);
/** Start the random bytes again from `seed`. */
void tw_test_env_reseed(tw_test_env *test, uint64_t seed);
/**
 * The n-th allocation (random draw) from now on fails, once; 1 is the next, 0 none. Clears alloc_failed
 * (random_failed), which then tells whether it came to that. The usual loop: for (size_t n = 1;; n++) {
 *     tw_test_fail_alloc(&test, n);
 *     tw_err err = operation();
 *     if (!test.alloc_failed) break;
 *     assert_int_equal(err, TW_ERR_NO_MEMORY);
 *   }
 *   tw_test_fail_alloc(&test, 0); // the last one is still waiting
 */
void tw_test_fail_alloc(tw_test_env *test, size_t n);
void tw_test_fail_random(tw_test_env *test, size_t n);

/**
 * The JSON file `name`, e.g. "mls/tree-math.json", of $TREEWIRE_VECTORS (default ../shared/vectors beside the source).
 * Skips the running cmocka test where that folder is absent; fails it where the file is not JSON. The caller's to
 * json_decref.
 */
json_t *tw_test_vectors(const char *name);
/** Replace the content of `out` by the bytes that the string `key` of `object` gives in hex; fails the test if it is
 * none. */
void tw_test_hex(const json_t *object, const char *key, tw_buf *out);
/** The same for a string. */
void tw_test_unhex(const char *hex, tw_buf *out);
/** The number `key` of `object`. */
uint64_t tw_test_number(const json_t *object, const char *key);

/** `few` under valgrind, where all takes fifty times as long, else `many`: how often, or with another order how
 * densely. */
unsigned tw_test_rounds(unsigned many, unsigned few);

/** Fails the test unless the bytes are equal. */
void tw_test_same(tw_bytes a, tw_bytes b);

#endif
