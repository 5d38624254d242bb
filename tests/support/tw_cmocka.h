/* cmocka with the headers that it wants first. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_CMOCKA_H
#define TW_TESTS_CMOCKA_H

/* cmocka.h needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
