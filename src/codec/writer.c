/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/writer.h"

#include <string.h>

#define VARINT_MAX 0x3fffffffu

tw_writer tw_writer_to(tw_buf *buf) { return (tw_writer){buf, buf->len, TW_OK}; }

void tw_writer_fail(tw_writer *w, tw_err err) {
  if (w->err == TW_OK) w->err = err;
}

void tw_write_fixed(tw_writer *w, tw_bytes bytes) {
  if (w->err == TW_OK) w->err = tw_buf_append(w->buf, bytes);
}

static void put_uint(uint8_t *out, uint64_t value, size_t len) {
  for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

size_t tw_varint_size(size_t value) {
  if (value < (1u << 6)) return 1;
  return value < (1u << 14) ? 2 : 4;
}

size_t tw_put_varint(uint8_t *out, size_t value) {
  const size_t size = tw_varint_size(value);
  put_uint(out, value, size);
  if (size == 2) out[0] |= 0x40;
  if (size == 4) out[0] |= 0x80;
  return size;
}

static void write_uint(tw_writer *w, uint64_t value, size_t len) {
  uint8_t raw[8];
  put_uint(raw, value, len);
  tw_write_fixed(w, TW_BYTES(raw, len));
}

void tw_write_u8(tw_writer *w, uint8_t value) { write_uint(w, value, 1); }
void tw_write_u16(tw_writer *w, uint16_t value) { write_uint(w, value, 2); }
void tw_write_u24(tw_writer *w, uint32_t value) { write_uint(w, value, 3); }
void tw_write_u32(tw_writer *w, uint32_t value) { write_uint(w, value, 4); }
void tw_write_u64(tw_writer *w, uint64_t value) { write_uint(w, value, 8); }

void tw_write_varint(tw_writer *w, size_t value) {
  uint8_t raw[4];
  if (value > VARINT_MAX) {
    tw_writer_fail(w, TW_ERR_LIMIT);
    return;
  }
  const size_t size = tw_put_varint(raw, value);
  tw_write_fixed(w, TW_BYTES(raw, size));
}

void tw_write_vector(tw_writer *w, tw_bytes bytes) {
  tw_write_varint(w, bytes.len);
  tw_write_fixed(w, bytes);
}

static void write_vector_max(tw_writer *w, tw_bytes bytes, size_t length_size) {
  if (bytes.len >> (8 * length_size) != 0) {
    tw_writer_fail(w, TW_ERR_LIMIT);
    return;
  }
  write_uint(w, bytes.len, length_size);
  tw_write_fixed(w, bytes);
}

void tw_write_vector8(tw_writer *w, tw_bytes bytes) { write_vector_max(w, bytes, 1); }
void tw_write_vector16(tw_writer *w, tw_bytes bytes) { write_vector_max(w, bytes, 2); }
void tw_write_vector24(tw_writer *w, tw_bytes bytes) { write_vector_max(w, bytes, 3); }

tw_vector_mark tw_write_open(tw_writer *w) {
  const tw_vector_mark mark = {w->buf->len};
  tw_write_u8(w, 0);
  return mark;
}

void tw_write_close(tw_writer *w, tw_vector_mark mark) {
  if (w->err != TW_OK) return;
  const size_t len = w->buf->len - mark.at - 1;
  if (len > VARINT_MAX) {
    tw_writer_fail(w, TW_ERR_LIMIT);
    return;
  }
  /* One byte was kept for the length; a longer content moves up to make room for two or four. */
  const size_t size = tw_varint_size(len);
  w->err = tw_buf_reserve(w->buf, size - 1);
  if (w->err != TW_OK) return;
  uint8_t *at = w->buf->ptr + mark.at;
  if (size > 1 && len > 0) memmove(at + size, at + 1, len);
  (void)tw_put_varint(at, len);
  w->buf->len += size - 1;
}

tw_err tw_writer_end(tw_writer *w) {
  if (w->err != TW_OK && w->buf->len > w->start) {
    memset(w->buf->ptr + w->start, 0, w->buf->len - w->start);
    w->buf->len = w->start;
  }
  return w->err;
}
