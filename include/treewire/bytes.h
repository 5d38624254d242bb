/* Bytes: borrowed and owned. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_BYTES_H
#define TREEWIRE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <treewire/api.h>
#include <treewire/err.h>

/** Borrowed bytes, read only. Never owns; valid as long as what it points into. `ptr` may be NULL when `len` is 0. */
typedef struct tw_bytes {
  const uint8_t *ptr;
  size_t len;
} tw_bytes;

/** `len_` bytes at `ptr_`. */
#define TW_BYTES(ptr_, len_) ((tw_bytes){(ptr_), (len_)})
/** The bytes of a string literal without its terminator. */
#define TW_LITERAL(text_) ((tw_bytes){(const uint8_t *)(text_), sizeof(text_) - 1})
/** The bytes of a fixed array. */
#define TW_ARRAY(array_) ((tw_bytes){(array_), sizeof(array_)})
/** None. */
#define TW_NO_BYTES ((tw_bytes){NULL, 0})

/**
 * The caller's allocator. `resize(ctx, NULL, n)` allocates n > 0 bytes, `resize(ctx, p, n)` grows or shrinks
 * keeping the content, `resize(ctx, p, 0)` frees and returns NULL. Returns NULL when there is no memory; the
 * old block is then still valid. Alignment as malloc's. Called from any function that takes a tw_env, a tw_buf or an
 * object made with either, on that call's thread; what was allocated is wiped before it is freed where it held
 * secrets. libcrypto's own memory does not come from here. Borrowed by what uses it: outlives that and does not move.
 */
typedef struct tw_alloc {
  void *ctx;
  void *(*resize)(void *ctx, void *ptr, size_t size);
} tw_alloc;

/** realloc and free of the C library. Thread-safe as they are. */
TW_API extern const tw_alloc tw_alloc_default;

/**
 * Owned bytes. Zero-initialised is empty and needs no clearing. Grows through `alloc` (NULL: tw_alloc_default,
 * set on first use). A buffer may hold secrets: what it releases is wiped first. Whoever declares one clears it. Moving
 * it (struct assignment, then zeroing the old one) hands the bytes over.
 */
typedef struct tw_buf {
  uint8_t *ptr; /* may move whenever the buffer grows */
  size_t len;
  size_t cap;
  const tw_alloc *alloc;
} tw_buf;

/** An empty buffer that grows through `alloc_`. */
#define TW_BUF_INIT(alloc_) ((tw_buf){NULL, 0, 0, (alloc_)})

/** The content, borrowed until the buffer changes. */
static inline tw_bytes tw_buf_bytes(const tw_buf *buf) { return TW_BYTES(buf->ptr, buf->len); }

/** Room for `extra` more bytes. TW_ERR_NO_MEMORY leaves the buffer as it was. */
TW_API TW_MUST_USE tw_err tw_buf_reserve(tw_buf *buf, size_t extra);
/** Append a copy of `bytes` (may not point into `buf`). TW_ERR_NO_MEMORY leaves the buffer as it was. */
TW_API TW_MUST_USE tw_err tw_buf_append(tw_buf *buf, tw_bytes bytes);
/** Replace the content by a copy of `bytes` (may not point into `buf`). TW_ERR_NO_MEMORY leaves it as it was. */
TW_API TW_MUST_USE tw_err tw_buf_assign(tw_buf *buf, tw_bytes bytes);
/** Wipe and release the content; the buffer is empty and usable again. NULL is fine. */
TW_API void tw_buf_clear(tw_buf *buf);
/** Drop the first `n` <= len bytes, moving the rest to the front; what it leaves behind is wiped. */
TW_API void tw_buf_consume(tw_buf *buf, size_t n);

/** Whether both are the same. Not constant time: for public data only. */
TW_API bool tw_bytes_equal(tw_bytes a, tw_bytes b);

#endif
