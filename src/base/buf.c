/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"

bool tw_bytes_equal(tw_bytes a, tw_bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static size_t grown_capacity(size_t cap, size_t need) {
  if (need > SIZE_MAX / 2) return need;
  size_t next = cap < 64 ? 64 : cap + cap / 2;
  return next < need ? need : next;
}

/* Not the allocator's own growing: that would leave the old content behind in freed memory. */
static tw_err reallocate(tw_buf *buf, size_t cap) {
  if (buf->alloc == NULL) buf->alloc = &tw_alloc_default;
  uint8_t *next = buf->alloc->resize(buf->alloc->ctx, NULL, cap);
  if (next == NULL) return TW_ERR_NO_MEMORY;
  if (buf->len > 0) memcpy(next, buf->ptr, buf->len);
  tw_wipe(buf->ptr, buf->cap);
  tw_alloc_free(buf->alloc, buf->ptr);
  buf->ptr = next;
  buf->cap = cap;
  return TW_OK;
}

tw_err tw_buf_reserve(tw_buf *buf, size_t extra) {
  if (extra <= buf->cap - buf->len) return TW_OK;
  if (extra > SIZE_MAX - buf->len) return TW_ERR_NO_MEMORY;
  return reallocate(buf, grown_capacity(buf->cap, buf->len + extra));
}

tw_err tw_buf_append(tw_buf *buf, tw_bytes bytes) {
  if (bytes.len == 0) return TW_OK;
  TW_TRY(tw_buf_reserve(buf, bytes.len));
  memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
  buf->len += bytes.len;
  return TW_OK;
}

tw_err tw_buf_assign(tw_buf *buf, tw_bytes bytes) {
  if (bytes.len > buf->len) TW_TRY(tw_buf_reserve(buf, bytes.len - buf->len));
  tw_wipe(buf->ptr, buf->len);
  if (bytes.len > 0) memcpy(buf->ptr, bytes.ptr, bytes.len);
  buf->len = bytes.len;
  return TW_OK;
}

void tw_buf_clear(tw_buf *buf) {
  if (buf == NULL || buf->ptr == NULL) return;
  tw_wipe(buf->ptr, buf->cap);
  tw_alloc_free(buf->alloc, buf->ptr);
  buf->ptr = NULL;
  buf->len = 0;
  buf->cap = 0;
}

void tw_buf_consume(tw_buf *buf, size_t n) {
  if (n == 0) return;
  const size_t left = buf->len - n;
  if (left > 0) memmove(buf->ptr, buf->ptr + n, left);
  tw_wipe(buf->ptr + left, n);
  buf->len = left;
}
