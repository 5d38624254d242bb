/*
 * src/codec/writer.c has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * On a buffer of 64 bytes that has room for one more, with an allocator that may fail at any call (stubs/memory.h): any
 * of the write functions with any value, or with 0 or 256 bytes, or an open vector with 1, 63 or 16384 bytes of content
 * in an open vector. No access outside of the buffer's block or to one that was freed; the buffer stays sound, and
 * after a failure it has its old length. Lengths that do not fit their vector, up to SIZE_MAX, write nothing. The
 * functions tw_put_*: any value, into exactly as many bytes as they promise to write. Not reached: the refusal of an
 * open vector with 2^30 bytes or more.
 *
 * Sources: src/codec/writer.c src/base/buf.c src/base/alloc.c src/base/secret.c
 * Options: -eva -eva-slevel 500 -eva-slevel-function main:1,use_capacity:1
 * Options: -eva-split-return full -eva-alloc-builtin fresh -eva-no-alloc-returns-null -metrics -metrics-eva-cover
 * Reaches: 100 tw_writer_to tw_writer_fail tw_write_fixed put_uint tw_put_u16 tw_put_u32 tw_put_u64 tw_varint_size
 * Reaches: 100 tw_put_varint write_uint tw_write_u8 tw_write_u16 tw_write_u24 tw_write_u32 tw_write_u64 tw_write_varint
 * Reaches: 100 tw_write_vector write_vector_max tw_write_vector8 tw_write_vector16 tw_write_vector24 tw_write_open
 * Reaches: 100 tw_writer_end
 * Reaches: 86 tw_write_close
 * Mutant: src/codec/writer.c | w->err = tw_buf_reserve(w->buf, size - 1); | ;
 * Mutant: src/codec/writer.c | void tw_write_varint( ... if (value > VARINT_MAX) { | if (false) {
 * Mutant: src/codec/writer.c | if (bytes.len >> (8 * length_size) != 0) { | if (false) {
 * Mutant: src/codec/writer.c | return value < (1u << 14) ? 2 : 4; | return value < (1u << 14) ? 2 : 5;
 * Mutant: src/codec/writer.c | w->buf->len = w->start; | ;
 */
#include "codec/writer.h"
#include "stubs/any.h"
#include "stubs/memory.h"

enum { CONTENT = 1 << 14 };
extern uint8_t content[CONTENT];

static void check_sound(const tw_buf *buf) {
  /*@ check buf->len <= buf->cap; */
  /*@ check buf->cap == 0 || \valid(buf->ptr + (0 .. buf->cap - 1)); */
  /*@ check buf->len == 0 || \initialized(buf->ptr + (0 .. buf->len - 1)); */
  (void)buf;
}

static void write_number(tw_writer *w) {
  switch (any_byte()) {
  case 0: tw_write_u8(w, any_byte()); break;
  case 1: tw_write_u16(w, (uint16_t)any_u32()); break;
  case 2: tw_write_u24(w, any_u32()); break;
  case 3: tw_write_u32(w, any_u32()); break;
  case 4: tw_write_u64(w, any_u64()); break;
  case 5: tw_write_varint(w, any_size(0, 63)); break;
  case 6: tw_write_varint(w, any_size(64, 16383)); break;
  case 7: tw_write_varint(w, any_size(16384, 0x3fffffff)); break;
  case 8: {
    tw_write_varint(w, any_size(0x40000000, SIZE_MAX));
    /*@ check w->err != TW_OK; */
    break;
  }
  default: tw_writer_fail(w, any_error());
  }
}

static void write_bytes(tw_writer *w, size_t size) {
  const tw_bytes bytes = TW_BYTES(size == 0 ? NULL : AT_EITHER_END(content, size), size);
  switch (any_byte()) {
  case 0: tw_write_fixed(w, bytes); break;
  case 1: tw_write_vector(w, bytes); break;
  case 2: tw_write_vector8(w, bytes); break;
  case 3: tw_write_vector16(w, bytes); break;
  default: tw_write_vector24(w, bytes);
  }
}

/* Of bytes that are not there: too many for their length are refused before anything is read. */
static void write_too_many(tw_writer *w) {
  switch (any_byte()) {
  case 0: tw_write_vector(w, TW_BYTES(NULL, any_size(0x40000000, SIZE_MAX))); break;
  case 1: tw_write_vector8(w, TW_BYTES(NULL, any_size(1u << 8, SIZE_MAX))); break;
  case 2: tw_write_vector16(w, TW_BYTES(NULL, any_size(1u << 16, SIZE_MAX))); break;
  default: tw_write_vector24(w, TW_BYTES(NULL, any_size(1u << 24, SIZE_MAX)));
  }
  /*@ check w->err != TW_OK; */
}

static void write_nested(tw_writer *w, size_t size) {
  const tw_vector_mark outer = tw_write_open(w);
  const tw_vector_mark inner = tw_write_open(w);
  tw_write_fixed(w, TW_BYTES(content, size));
  tw_write_close(w, inner);
  tw_write_close(w, outer);
}

enum what { NUMBER, BYTES, TOO_MANY, NESTED };

static void use_writer(size_t cap, size_t len, enum what what, size_t size) {
  static const tw_alloc alloc = {NULL, any_resize};
  tw_buf buf = any_buf(&alloc, cap == 0 ? NULL : malloc(cap), cap, len);
  tw_writer w = tw_writer_to(&buf);
  switch (what) {
  case NUMBER: write_number(&w); break;
  case BYTES: write_bytes(&w, size); break;
  case TOO_MANY: write_too_many(&w); break;
  case NESTED: write_nested(&w, size); break;
  }
  check_sound(&buf);
  const tw_err err = tw_writer_end(&w);
  /*@ check err != TW_OK ==> buf.len == len; */
  (void)err;
  check_sound(&buf);
  tw_buf_clear(&buf);
}

static void use_capacity(size_t cap, size_t len) {
  static const size_t sizes[] = {0, 256}, contents[] = {1, 63, CONTENT};
  use_writer(cap, len, NUMBER, 0);
  use_writer(cap, len, TOO_MANY, 0);
  /*@ loop unroll 2; */
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) use_writer(cap, len, BYTES, sizes[i]);
  /*@ loop unroll 3; */
  for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) use_writer(cap, len, NESTED, contents[i]);
}

static void put_varint(size_t least, size_t most, size_t size) {
  uint8_t room[4];
  const size_t value = any_size(least, most);
  const size_t made = tw_put_varint(room + (sizeof room - size), value);
  /*@ check made == size && \initialized(room + (4 - size .. 3)); */
  (void)made;
}

int main(void) {
  use_capacity(64, 63);
  put_varint(0, 63, 1);
  put_varint(64, 16383, 2);
  put_varint(16384, 0x3fffffff, 4);
  uint8_t two[2], four[4], eight[8];
  tw_put_u16(two, (uint16_t)any_u32());
  tw_put_u32(four, any_u32());
  tw_put_u64(eight, any_u64());
  return 0;
}
