/* The one writer of wire formats (RFC 9420 section 2.1, RFC 8446 section 3). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CODEC_WRITER_H
#define TW_CODEC_WRITER_H

#include <treewire/bytes.h>

/**
 * Appends to a buffer of the caller's. Errors stick; tw_writer_end reports them and, on error, sets the buffer back to
 * the length that it had at tw_writer_to. Vectors whose length is not known yet are opened and closed.
 */
typedef struct tw_writer {
  tw_buf *buf;
  size_t start;
  tw_err err;
} tw_writer;

/** An open vector: where its length goes. */
typedef struct tw_vector_mark {
  size_t at;
} tw_vector_mark;

tw_writer tw_writer_to(tw_buf *buf);

void tw_write_u8(tw_writer *w, uint8_t value);
void tw_write_u16(tw_writer *w, uint16_t value);
void tw_write_u24(tw_writer *w, uint32_t value);
void tw_write_u32(tw_writer *w, uint32_t value);
void tw_write_u64(tw_writer *w, uint64_t value);
void tw_write_fixed(tw_writer *w, tw_bytes bytes);
void tw_write_varint(tw_writer *w, size_t value);
/** opaque value<V>; TW_ERR_LIMIT above 2^30 - 1 bytes. */
void tw_write_vector(tw_writer *w, tw_bytes bytes);
void tw_write_vector8(tw_writer *w, tw_bytes bytes);
void tw_write_vector16(tw_writer *w, tw_bytes bytes);
void tw_write_vector24(tw_writer *w, tw_bytes bytes);
/** Opens T value<V>; what is written until tw_write_close is its content. Marks nest, last opened first closed. */
tw_vector_mark tw_write_open(tw_writer *w);
void tw_write_close(tw_writer *w, tw_vector_mark mark);
/** Note an error of a nested encoder's (the first one stays). */
void tw_writer_fail(tw_writer *w, tw_err err);
TW_MUST_USE tw_err tw_writer_end(tw_writer *w);
/** Bytes that the varint encoding of `value` takes: 1, 2 or 4. */
size_t tw_varint_size(size_t value);

/** One field for encoding without a buffer: writes big-endian into `out`. Inline: they stand in loops over packets. */
static inline void tw_put_u16(uint8_t *out, uint16_t value) {
  out[0] = (uint8_t)(value >> 8);
  out[1] = (uint8_t)value;
}
static inline void tw_put_u32(uint8_t *out, uint32_t value) {
  out[0] = (uint8_t)(value >> 24);
  out[1] = (uint8_t)(value >> 16);
  out[2] = (uint8_t)(value >> 8);
  out[3] = (uint8_t)value;
}
static inline void tw_put_u64(uint8_t *out, uint64_t value) {
  tw_put_u32(out, (uint32_t)(value >> 32));
  tw_put_u32(out + 4, (uint32_t)value);
}
/** The varint of `value` <= 2^30 - 1 into `out` (4 bytes of room); returns its size. */
size_t tw_put_varint(uint8_t *out, size_t value);

#endif
