/* Threads that cannot be made: uv_thread_create of the program that includes this. By one of its files. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TEST_NO_THREADS_H
#define TW_TEST_NO_THREADS_H

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <uv.h>

#include "support/tw_cmocka.h"

/* So many more can be made. */
static unsigned tw_test_threads_left = UINT_MAX;

int uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *arg) {
  int (*real)(uv_thread_t *, uv_thread_cb, void *) = NULL;
  if (tw_test_threads_left == 0) return UV_EAGAIN;
  tw_test_threads_left--;
  void *found = dlsym(RTLD_NEXT, "uv_thread_create");
  assert_non_null(found);
  memcpy(&real, &found, sizeof real); /* a cast is not C11's */
  return real(thread, entry, arg);
}

#endif
