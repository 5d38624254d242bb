/* A provider that takes notes of what keys seal, for tests. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_NONCES_H
#define TW_TESTS_TEST_NONCES_H

#include "support/tw_test_env.h"

/**
 * From now on the provider of `test` notes each nonce that a record key seals under, of all keys made from here on and
 * of whatever number of channels. The running cmocka test fails at the second use of one, with the words of `told`
 * (NULL: none). One at a time.
 */
void tw_test_nonces_begin(tw_test_env *test, const char *told);
/** Forgets it all; fails the test where a key is still there. */
void tw_test_nonces_end(void);

/** Record keys made since tw_test_nonces_begin, how many of them are still there, and what was sealed with them. */
size_t tw_test_nonces_keys_made(void);
size_t tw_test_nonces_keys_held(void);
size_t tw_test_nonces_sealed(void);

#endif
