/* The one reader of wire formats (RFC 9420 section 2.1, RFC 8446 section 3). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CODEC_READER_H
#define TW_CODEC_READER_H

#include <treewire/bytes.h>

/**
 * Bounds-checked, borrows from its input. Errors stick: after the first one every read yields zero or empty bytes,
 * and tw_reader_end or tw_reader_err reports it. So a decoder reads all its fields and checks once.
 */
typedef struct tw_reader {
  const uint8_t *ptr;
  size_t left;
  tw_err err;
} tw_reader;

tw_reader tw_reader_of(tw_bytes input);

uint8_t tw_read_u8(tw_reader *r);
uint16_t tw_read_u16(tw_reader *r);
uint32_t tw_read_u24(tw_reader *r);
uint32_t tw_read_u32(tw_reader *r);
uint64_t tw_read_u64(tw_reader *r);
/** Exactly `len` bytes. */
tw_bytes tw_read_fixed(tw_reader *r, size_t len);
/** A variable-size integer of RFC 9420 section 2.1.2 in its minimal encoding, at most 2^30 - 1. */
uint32_t tw_read_varint(tw_reader *r);
/** opaque value<V>. */
tw_bytes tw_read_vector(tw_reader *r);
/** opaque value<0..2^8-1>, <0..2^16-1>, <0..2^24-1> of RFC 8446. */
tw_bytes tw_read_vector8(tw_reader *r);
tw_bytes tw_read_vector16(tw_reader *r);
tw_bytes tw_read_vector24(tw_reader *r);
/** The presence byte of optional<T>: 0 or 1, else TW_ERR_ENCODING. */
bool tw_read_present(tw_reader *r);
/** All that is left. */
tw_bytes tw_read_rest(tw_reader *r);

/** Whether something is left to read and no error stands: the condition of loops over vectors. */
bool tw_reader_more(const tw_reader *r);
/** Note an error of the structure's own (the first one stays). */
void tw_reader_fail(tw_reader *r, tw_err err);
/** The sticky error, or TW_OK. */
TW_MUST_USE tw_err tw_reader_err(const tw_reader *r);
/** The sticky error, or TW_ERR_TRAILING if something is left. Every message ends with this. */
TW_MUST_USE tw_err tw_reader_end(const tw_reader *r);
/** The bytes consumed since `start`, a former value of r->ptr. */
tw_bytes tw_reader_since(const tw_reader *r, const uint8_t *start);

/** One field, big-endian, where the caller knows that it is there. Inline: they stand in loops over packets. */
static inline uint16_t tw_get_u16(const uint8_t *in) { return (uint16_t)((unsigned)in[0] << 8 | in[1]); }
static inline uint32_t tw_get_u32(const uint8_t *in) {
  return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

#endif
