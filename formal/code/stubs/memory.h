/* Buffers and allocators of any kind. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FORMAL_MEMORY_H
#define TW_FORMAL_MEMORY_H

#include <stdlib.h>

#include "stubs/any.h"

/* No block is as large as that: what pointers differ by would not fit ptrdiff_t. */
#define NO_BLOCK ((size_t)PTRDIFF_MAX + 1)

/* An allocator by the contract in treewire/bytes.h: it may fail at any call, and does for what cannot be. */
static inline void *any_resize(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  if (size >= NO_BLOCK || any_bool()) return NULL;
  return ptr == NULL ? malloc(size) : realloc(ptr, size);
}

/* A sound buffer with these sizes and any content; nothing of what is not in use is initialized. */
static inline tw_buf any_buf(const tw_alloc *alloc, uint8_t *block, size_t cap, size_t len) {
  tw_buf buf = TW_BUF_INIT(alloc);
  if (cap == 0) return buf;
  buf.ptr = block;
  buf.cap = cap;
  buf.len = len;
  any_bytes(buf.ptr, len);
  return buf;
}

#endif
