/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/reader.h"

tw_reader tw_reader_of(tw_bytes input) { return (tw_reader){input.ptr, input.len, TW_OK}; }

void tw_reader_fail(tw_reader *r, tw_err err) {
  if (r->err == TW_OK) r->err = err;
  r->left = 0;
}

tw_bytes tw_read_fixed(tw_reader *r, size_t len) {
  if (r->err != TW_OK) return TW_NO_BYTES;
  if (len > r->left) {
    tw_reader_fail(r, TW_ERR_TRUNCATED);
    return TW_NO_BYTES;
  }
  const tw_bytes out = TW_BYTES(r->ptr, len);
  if (len > 0) r->ptr += len;
  r->left -= len;
  return out;
}

static uint64_t read_uint(tw_reader *r, size_t len) {
  const tw_bytes raw = tw_read_fixed(r, len);
  uint64_t value = 0;
  for (size_t i = 0; i < raw.len; i++) value = (value << 8) | raw.ptr[i];
  return value;
}

uint8_t tw_read_u8(tw_reader *r) { return (uint8_t)read_uint(r, 1); }
uint16_t tw_read_u16(tw_reader *r) { return (uint16_t)read_uint(r, 2); }
uint32_t tw_read_u24(tw_reader *r) { return (uint32_t)read_uint(r, 3); }
uint32_t tw_read_u32(tw_reader *r) { return (uint32_t)read_uint(r, 4); }
uint64_t tw_read_u64(tw_reader *r) { return read_uint(r, 8); }

uint32_t tw_read_varint(tw_reader *r) {
  static const uint32_t least[3] = {0, 1u << 6, 1u << 14};
  const uint8_t first = tw_read_u8(r);
  const unsigned prefix = first >> 6;
  if (prefix == 3) {
    tw_reader_fail(r, TW_ERR_ENCODING);
    return 0;
  }
  const size_t extra = ((size_t)1 << prefix) - 1;
  const uint64_t rest = read_uint(r, extra);
  if (r->err != TW_OK) return 0;
  const uint32_t value = ((uint32_t)(first & 0x3f) << (8 * extra)) | (uint32_t)rest;
  if (value < least[prefix]) {
    tw_reader_fail(r, TW_ERR_ENCODING);
    return 0;
  }
  return value;
}

tw_bytes tw_read_vector(tw_reader *r) {
  const uint32_t len = tw_read_varint(r);
  return tw_read_fixed(r, len);
}

tw_bytes tw_read_vector8(tw_reader *r) {
  const uint8_t len = tw_read_u8(r);
  return tw_read_fixed(r, len);
}

tw_bytes tw_read_vector16(tw_reader *r) {
  const uint16_t len = tw_read_u16(r);
  return tw_read_fixed(r, len);
}

tw_bytes tw_read_vector24(tw_reader *r) {
  const uint32_t len = tw_read_u24(r);
  return tw_read_fixed(r, len);
}

bool tw_read_present(tw_reader *r) {
  const uint8_t present = tw_read_u8(r);
  if (present > 1) tw_reader_fail(r, TW_ERR_ENCODING);
  return present == 1;
}

tw_bytes tw_read_rest(tw_reader *r) { return tw_read_fixed(r, r->left); }

bool tw_reader_more(const tw_reader *r) { return r->err == TW_OK && r->left > 0; }

tw_err tw_reader_err(const tw_reader *r) { return r->err; }

tw_err tw_reader_end(const tw_reader *r) {
  if (r->err != TW_OK) return r->err;
  return r->left == 0 ? TW_OK : TW_ERR_TRAILING;
}

tw_bytes tw_reader_since(const tw_reader *r, const uint8_t *start) {
  if (r->err != TW_OK || start == NULL) return TW_NO_BYTES;
  return TW_BYTES(start, (size_t)(r->ptr - start));
}
