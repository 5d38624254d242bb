/* libcrypto's own allocations, made to fail. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_LIBCRYPTO_H
#define TW_TESTS_TEST_LIBCRYPTO_H

#include <stdbool.h>
#include <stddef.h>

/** Takes over libcrypto's allocations; before anything else that calls libcrypto. False if it is too late for that. */
bool tw_test_libcrypto_take(void);
/** The `n`th allocation from now on fails, once; 0: none. */
void tw_test_libcrypto_fail(size_t n);
/** No more failures; true if there was one since tw_test_libcrypto_fail. */
bool tw_test_libcrypto_has_failed(void);

#endif
