/* cmocka with the headers that it wants first. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_CMOCKA_H
#define TW_TESTS_CMOCKA_H

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef __clang_analyzer__
/* The analyzer does not see that a failed assertion does not come back. */
#include <stdlib.h>
#undef fail
#undef fail_msg
#undef assert_true
#undef assert_false
#undef assert_non_null
#undef assert_null
#undef assert_int_equal
#define fail() abort()
#define fail_msg(...) abort()
#define assert_true(c) ((c) ? (void)0 : abort())
#define assert_false(c) assert_true(!(c))
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_null(p) assert_true((p) == NULL)
#define assert_int_equal(a, b) assert_true((uintmax_t)(a) == (uintmax_t)(b))
#endif

#endif
