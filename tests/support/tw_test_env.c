/* An environment for tests. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/tw_cmocka.h"

/* ---- randomness ---- */

/* splitmix64: repeatable, not random. */
static uint64_t next_word(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static tw_err test_random(void *ctx, uint8_t *out, size_t len) {
  tw_test_env *test = ctx;
  test->random_draws++;
  if (test->random_fail_in > 0 && --test->random_fail_in == 0) {
    test->random_failed = true;
    return TW_ERR_RANDOM;
  }
  while (len > 0) {
    const uint64_t word = next_word(&test->random_state);
    const size_t take = len < sizeof(word) ? len : sizeof(word);
    for (size_t i = 0; i < take; i++) out[i] = (uint8_t)(word >> (8 * i));
    out += take;
    len -= take;
  }
  return TW_OK;
}

/* ---- the allocator ---- */

typedef union block_head {
  size_t size;
  max_align_t align;
} block_head;

static void *test_resize(void *ctx, void *ptr, size_t size) {
  tw_test_env *test = ctx;
  block_head *head = ptr == NULL ? NULL : (block_head *)ptr - 1;
  const size_t before = head == NULL ? 0 : head->size;
  if (size == 0) {
    if (head != NULL) test->alloc_blocks--;
    test->alloc_bytes -= before;
    free(head);
    return NULL;
  }
  test->alloc_calls++;
  if (test->alloc_fail_in > 0 && --test->alloc_fail_in == 0) {
    test->alloc_failed = true;
    return NULL;
  }
  /* Always to another place, so that pointers into the old one show. */
  block_head *made = malloc(sizeof(*made) + size);
  if (made == NULL) return NULL;
  made->size = size;
  if (head != NULL) {
    memcpy(made + 1, ptr, before < size ? before : size);
    free(head);
  } else {
    test->alloc_blocks++;
  }
  test->alloc_bytes += size - before;
  return made + 1;
}

void tw_test_env_init(tw_test_env *test, uint64_t seed) {
  memset(test, 0, sizeof(*test));
  test->limits = tw_limits_default;
  test->code_points = tw_code_points_default;
  test->alloc = (tw_alloc){test, test_resize};
  test->random_state = seed;
  test->env = (tw_env){
      .alloc = &test->alloc,
      .random = test_random,
      .random_ctx = test,
      .limits = &test->limits,
      .code_points = &test->code_points,
  };
  assert_int_equal(tw_provider_openssl_new(NULL, &test->env.provider), TW_OK);
}

void tw_test_env_clear(tw_test_env *test) {
  tw_provider_free(test->env.provider);
  test->env.provider = NULL;
  assert_int_equal(test->alloc_blocks, 0);
  assert_int_equal(test->alloc_bytes, 0);
}

void tw_test_env_reseed(tw_test_env *test, uint64_t seed) { test->random_state = seed; }

void tw_test_fail_alloc(tw_test_env *test, size_t n) {
  test->alloc_fail_in = n;
  test->alloc_failed = false;
}

void tw_test_fail_random(tw_test_env *test, size_t n) {
  test->random_fail_in = n;
  test->random_failed = false;
}

/* ---- vectors ---- */

static void vectors_path(char *out, size_t size, const char *name) {
  const char *folder = getenv("TREEWIRE_VECTORS");
  const char *source = getenv("TREEWIRE_SOURCE");
  const int len = folder != NULL && folder[0] != '\0'
                      ? snprintf(out, size, "%s/%s", folder, name)
                      : snprintf(out, size, "%s/../shared/vectors/%s", source != NULL ? source : TW_SOURCE_DIR, name);
  assert_true(len > 0 && (size_t)len < size);
}

json_t *tw_test_vectors(const char *name) {
  char path[4096];
  vectors_path(path, sizeof(path), name);
  if (access(path, R_OK) != 0) {
    print_message("skipped: no %s; TREEWIRE_VECTORS tells the folder of the vectors\n", path);
    skip();
  }
  json_error_t error;
  json_t *root = json_load_file(path, 0, &error);
  if (root == NULL) fail_msg("%s:%d: %s", path, error.line, error.text);
  return root;
}

static int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void tw_test_unhex(const char *hex, tw_buf *out) {
  const size_t len = strlen(hex);
  assert_int_equal(len % 2, 0);
  out->len = 0;
  assert_int_equal(tw_buf_reserve(out, len / 2 + 1), TW_OK);
  for (size_t i = 0; i < len; i += 2) {
    const int high = nibble(hex[i]);
    const int low = nibble(hex[i + 1]);
    assert_true(high >= 0 && low >= 0);
    out->ptr[out->len++] = (uint8_t)(high << 4 | low);
  }
}

void tw_test_hex(const json_t *object, const char *key, tw_buf *out) {
  const char *hex = json_string_value(json_object_get(object, key));
  if (hex == NULL) fail_msg("the vector has no string \"%s\"", key);
  tw_test_unhex(hex, out);
}

uint64_t tw_test_number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  if (!json_is_integer(value)) fail_msg("the vector has no number \"%s\"", key);
  return (uint64_t)json_integer_value(value);
}

void tw_test_same(tw_bytes a, tw_bytes b) {
  assert_int_equal(a.len, b.len);
  if (a.len > 0) assert_memory_equal(a.ptr, b.ptr, a.len);
}

unsigned tw_test_rounds(unsigned many, unsigned few) { return getenv("TREEWIRE_VALGRIND") != NULL ? few : many; }
