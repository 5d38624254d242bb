/*
 * src/base/buf.c, alloc.c and secret.c have no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * Buffers: empty, or of 64 bytes of capacity with all but one of them in use, from the C library's allocator or any
 * other, which may fail at any call; each function with 0, 1, 2 or 65 bytes; tw_buf_reserve also with any size that no
 * block can have. No access outside of a block, nor to one that was freed; the buffer stays sound (len <= cap, cap
 * bytes at ptr) and has what was asked for. Arrays of 0 to 3 elements and of one too many for size_t. Secrets of 0 to
 * 67 bytes.
 *
 * Sources: src/base/buf.c src/base/alloc.c src/base/secret.c
 * Options: -eva -eva-slevel 500 -eva-slevel-function main:1,use_capacity:1
 * Options: -eva-split-return full -eva-alloc-builtin fresh -eva-no-alloc-returns-null -metrics -metrics-eva-cover
 * Reaches: 100 tw_buf_reserve tw_buf_append tw_buf_assign tw_buf_clear tw_buf_consume tw_bytes_equal grown_capacity
 * Reaches: 100 reallocate default_resize tw_alloc_zero tw_alloc_array tw_alloc_resize_array tw_alloc_free
 * Reaches: 100 tw_wipe tw_secret_set tw_secret_clear tw_secret_equal
 * Mutant: src/base/buf.c | if (extra <= buf->cap - buf->len) return TW_OK; | return TW_OK;
 * Mutant: src/base/buf.c | if (extra > SIZE_MAX - buf->len) return TW_ERR_NO_MEMORY; | ;
 * Mutant: src/base/buf.c | buf->ptr = next; | ;
 * Mutant: src/base/buf.c | if (next == NULL) return TW_ERR_NO_MEMORY; | ;
 * Mutant: src/base/secret.c | if (bytes.len > TW_SECRET_MAX) return TW_ERR_ARGUMENT; | ;
 * Mutant: src/base/alloc.c | tw_alloc_array( ... if (size != 0 && count > SIZE_MAX / size) | if (false)
 */
#include "base/alloc.h"
#include "base/secret.h"
#include "stubs/any.h"
#include "stubs/memory.h"

extern uint8_t given[128];

static void check_sound(const tw_buf *buf) {
  /*@ check buf->len <= buf->cap; */
  /*@ check buf->cap == 0 || \valid(buf->ptr + (0 .. buf->cap - 1)); */
  /*@ check buf->len == 0 || \initialized(buf->ptr + (0 .. buf->len - 1)); */
  (void)buf;
}

static void use_buf(size_t cap, size_t len, size_t n) {
  static const tw_alloc other = {NULL, any_resize};
  tw_buf buf = any_buf(any_bool() ? &other : NULL, cap == 0 ? NULL : malloc(cap), cap, len);
  const tw_bytes bytes = TW_BYTES(n == 0 ? NULL : AT_EITHER_END(given, n), n);
  tw_err err = TW_OK;
  switch (any_byte()) {
  case 0:
    err = tw_buf_reserve(&buf, n);
    /*@ check err == TW_OK ==> buf.cap - buf.len >= n; */
    break;
  case 1:
    err = tw_buf_append(&buf, bytes);
    /*@ check buf.len == (err == TW_OK ? len + n : len); */
    break;
  case 2:
    err = tw_buf_assign(&buf, bytes);
    /*@ check buf.len == (err == TW_OK ? n : len); */
    break;
  case 3:
    if (n > len) break;
    tw_buf_consume(&buf, n);
    /*@ check buf.len == len - n; */
    break;
  default: (void)tw_bytes_equal(tw_buf_bytes(&buf), bytes);
  }
  (void)err;
  check_sound(&buf);
  tw_buf_clear(&buf);
  tw_buf_clear(&buf);
  check_sound(&buf);
}

static void reserve_too_much(size_t cap, size_t len) {
  static const tw_alloc other = {NULL, any_resize};
  tw_buf buf = any_buf(&other, cap == 0 ? NULL : malloc(cap), cap, len);
  const tw_err err = tw_buf_reserve(&buf, any_size(NO_BLOCK, SIZE_MAX));
  /*@ check err == TW_ERR_NO_MEMORY; */
  (void)err;
  check_sound(&buf);
  tw_buf_clear(&buf);
}

static void use_capacity(size_t cap, size_t len) {
  use_buf(cap, len, 0);
  use_buf(cap, len, 1);
  use_buf(cap, len, 2);
  use_buf(cap, len, 65);
  reserve_too_much(cap, len);
}

static void use_array(size_t count, size_t next) {
  const tw_alloc *alloc = NULL;
  uint64_t *array = tw_alloc_array(alloc, count, sizeof(uint64_t));
  /*@ check array == \null || \valid(array + (0 .. count - 1)); */
  if (array == NULL) return;
  uint64_t *more = tw_alloc_resize_array(alloc, array, next, sizeof(uint64_t));
  /*@ check more == \null || \valid(more + (0 .. next - 1)); */
  tw_alloc_free(alloc, more != NULL ? more : array);
}

static void use_secret(size_t n) {
  const tw_bytes bytes = TW_BYTES(n == 0 ? NULL : AT_EITHER_END(given, n), n);
  tw_secret secret;
  if (tw_secret_set(&secret, bytes) == TW_OK) {
    /*@ check secret.len == n; */
    (void)tw_secret_equal(tw_secret_bytes(&secret), bytes);
    (void)tw_secret_equal(tw_secret_bytes(&secret), TW_BYTES(given, sizeof given));
  }
  tw_secret_clear(&secret);
}

int main(void) {
  use_capacity(0, 0);
  use_capacity(64, 63);
  use_array(0, 3);
  use_array(2, 0);
  use_array(1, SIZE_MAX / sizeof(uint64_t) + 2);
  use_array(SIZE_MAX / sizeof(uint64_t) + 2, 1);
  /*@ loop unroll 69; */
  for (size_t n = 0; n <= 68; n++) use_secret(n);
  (void)tw_bytes_equal(TW_ARRAY(given), TW_ARRAY(given));
  tw_buf_clear(NULL);
  tw_secret_clear(NULL);
  return 0;
}
