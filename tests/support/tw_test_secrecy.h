/*
 * Marks for tests of secret flow: under valgrind, hidden bytes count as unset, and each jump and each index that
 * depends on them is reported. Without valgrind they do nothing. SPDX-License-Identifier: Apache-2.0
 */
#ifndef TW_TESTS_TEST_SECRECY_H
#define TW_TESTS_TEST_SECRECY_H

#include <stddef.h>

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

static inline void tw_test_hide(const void *ptr, size_t len) {
#ifdef VALGRIND_MAKE_MEM_UNDEFINED
  VALGRIND_MAKE_MEM_UNDEFINED(ptr, len);
#else
  (void)ptr;
  (void)len;
#endif
}

/** What is public from here on: ciphertext, a public key, the outcome of a comparison. */
static inline void tw_test_reveal(const void *ptr, size_t len) {
#ifdef VALGRIND_MAKE_MEM_DEFINED
  VALGRIND_MAKE_MEM_DEFINED(ptr, len);
#else
  (void)ptr;
  (void)len;
#endif
}

#endif
