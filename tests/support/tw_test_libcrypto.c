/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_libcrypto.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static size_t fail_in;
static bool failed;

static bool fails(void) {
  if (fail_in == 0 || --fail_in > 0) return false;
  failed = true;
  return true;
}

static void *counting_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return fails() ? NULL : malloc(size);
}

static void *counting_realloc(void *ptr, size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  return fails() ? NULL : realloc(ptr, size);
}

static void counting_free(void *ptr, const char *file, int line) {
  (void)file;
  (void)line;
  free(ptr);
}

bool tw_test_libcrypto_take(void) {
  return CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) == 1;
}

void tw_test_libcrypto_fail(size_t n) {
  failed = false;
  fail_in = n;
}

bool tw_test_libcrypto_has_failed(void) {
  fail_in = 0;
  return failed;
}
