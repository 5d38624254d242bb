/*
 * src/codec/reader.c has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * (1) Any sequence of calls, of any length and with any arguments, on an input of 0 to 6 bytes of any values (NULL for
 * none too): the position stays within the input, position and what is left always end where the input ends, every
 * view that comes back can be read, after a failure nothing is left. (2) Any single call on what is left of a longer
 * input, of the sizes at which a decision changes up to 2^30 + 3: no read and no view outside of it. That the same
 * holds for all sizes is codec_reader_contracts.c's. The input stands at either end of its array, see stubs/any.h.
 *
 * Sources: src/codec/reader.c
 * Options: -eva -eva-slevel 100000 -eva-split-return full -eva-split-limit 16 -metrics -metrics-eva-cover
 * Reaches: 100 tw_reader_of tw_reader_fail tw_read_fixed read_uint tw_read_u8 tw_read_u16 tw_read_u24 tw_read_u32
 * Reaches: 100 tw_read_u64 tw_read_varint tw_read_vector tw_read_vector8 tw_read_vector16 tw_read_vector24
 * Reaches: 100 tw_read_present tw_read_rest tw_reader_more tw_reader_err tw_reader_end tw_reader_since
 * Annotate: src/codec/reader.c | if (len > 0) r->ptr += len; | split len;
 * Mutant: src/codec/reader.c | if (len > r->left) { | if (false) {
 * Mutant: src/codec/reader.c | if (prefix == 3) { | if (false) {
 * Mutant: src/codec/reader.c | r->left -= len; | ;
 * Mutant: src/codec/reader.c | r->left = 0; | ;
 */
#include "codec/reader.h"
#include "stubs/any.h"

#ifdef MUTANT
enum { SEQUENCE_MAX = 2 };
#else
enum { SEQUENCE_MAX = 6 };
#endif

static uint8_t short_wire[SEQUENCE_MAX];
extern uint8_t wire[(1 << 30) + 8];

static void look_at(tw_bytes view) { /*@ check \valid_read(view.ptr + (0 .. view.len - 1)); */
  (void)view;
}

/* One call of any of the functions; `start` is a position that the reader had. */
static void step(tw_reader *r, const uint8_t *start) {
  switch (any_byte()) {
  case 0: (void)tw_read_u8(r); break;
  case 1: (void)tw_read_u16(r); break;
  case 2: (void)tw_read_u24(r); break;
  case 3: (void)tw_read_u32(r); break;
  case 4: (void)tw_read_u64(r); break;
  case 5: look_at(tw_read_fixed(r, any_size(0, SIZE_MAX))); break;
  case 6: {
    const uint32_t value = tw_read_varint(r);
    /*@ check value <= 0x3fffffff; */
    (void)value;
    break;
  }
  case 7: look_at(tw_read_vector(r)); break;
  case 8: look_at(tw_read_vector8(r)); break;
  case 9: look_at(tw_read_vector16(r)); break;
  case 10: look_at(tw_read_vector24(r)); break;
  case 11: (void)tw_read_present(r); break;
  case 12: look_at(tw_read_rest(r)); break;
  case 13: tw_reader_fail(r, any_error()); break;
  case 14: look_at(tw_reader_since(r, start)); break;
  case 15: look_at(tw_reader_since(r, NULL)); break;
  default:
    (void)tw_reader_more(r);
    (void)tw_reader_err(r);
    (void)tw_reader_end(r);
  }
}

/* Any sequence of calls on a whole input. */
static void sequences(size_t size) {
  uint8_t *input = AT_EITHER_END(short_wire, size);
  any_bytes(input, size);
  tw_reader r = tw_reader_of(TW_BYTES(input, size));
  const uint8_t *start = r.ptr;
  while (any_bool()) {
    if (any_bool()) start = r.ptr;
    step(&r, start);
    /*@ check r.ptr - input <= size; */
    /*@ check r.err == TW_OK ? r.ptr + r.left == input + size : r.left == 0; */
  }
}

static void one_call(size_t left) {
  const uint8_t *input = AT_EITHER_END(wire, left);
  tw_reader r = {input, left, TW_OK};
  step(&r, input);
  /*@ check r.err == TW_OK || r.left == 0; */
}

static void failed(void) {
  tw_reader r = {any_bool() ? NULL : wire + sizeof wire, 0, any_error()};
  step(&r, any_bool() ? NULL : wire);
  /*@ check r.err != TW_OK && r.left == 0; */
}

int main(void) {
  /*@ loop unroll SEQUENCE_MAX + 1; */
  for (size_t size = 0; size <= SEQUENCE_MAX; size++) sequences(size);
#ifndef MUTANT
  static const struct {
    size_t from, to;
  } ranges[] = {{0, 16},
                {63, 66},
                {255, 256},
                {16385, 16388},
                {65537, 65538},
                {16777218, 16777219},
                {(1 << 30) + 2, (1 << 30) + 3}};
  /*@ loop unroll 8; */
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) /*@ loop unroll 17; */
    for (size_t left = ranges[i].from; left <= ranges[i].to; left++) one_call(left);
#else
  one_call(3);
#endif
  failed();
  sequences(0);
  tw_reader none = tw_reader_of(TW_NO_BYTES);
  step(&none, NULL);
  return 0;
}
