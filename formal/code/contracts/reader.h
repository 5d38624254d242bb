/*
 * Contracts of src/codec/reader.h, for readers of any size. SPDX-License-Identifier: Apache-2.0
 *
 * A sound reader has `left` bytes that can be read at `ptr`, and none after a failure.
 */
#ifndef TW_FORMAL_CONTRACTS_READER_H
#define TW_FORMAL_CONTRACTS_READER_H

#include "codec/reader.h"

/*@ predicate sound{L}(tw_reader *r) = \valid(r) && (r->err != TW_OK ==> r->left == 0) &&
      (r->left > 0 ==> \valid_read(r->ptr + (0 .. r->left - 1)) && \separated(r, r->ptr + (0 .. r->left - 1)));
    predicate stays{A, B}(tw_reader *r) = \at(r->ptr, B) == \at(r->ptr, A) && \at(r->left, B) == 0;
    predicate reads{A, B}(tw_reader *r, integer n) =
      \at(r->ptr, B) == \at(r->ptr, A) + n && \at(r->left, B) == \at(r->left, A) - n && \at(r->err, B) == TW_OK;
    predicate fixed{A, B}(tw_reader *r, integer n) =
      \at(r->err, A) != TW_OK ? stays{A, B}(r) && \at(r->err, B) == \at(r->err, A)
      : n <= \at(r->left, A) ? reads{A, B}(r, n)
      : stays{A, B}(r) && \at(r->err, B) == TW_ERR_TRUNCATED;
    predicate moved{A, B}(tw_reader *r) =
      (\at(r->err, A) != TW_OK ==> stays{A, B}(r) && \at(r->err, B) == \at(r->err, A)) &&
      (\at(r->err, B) != TW_OK ==> \at(r->left, B) == 0) &&
      \at(r->ptr, B) == \at(r->ptr, A) + (\at(r->ptr, B) - \at(r->ptr, A)) &&
      0 <= \at(r->ptr, B) - \at(r->ptr, A) <= \at(r->left, A) &&
      (\at(r->err, B) == TW_OK ==> \at(r->left, B) == \at(r->left, A) - (\at(r->ptr, B) - \at(r->ptr, A)));
    predicate view{A, B}(tw_reader *r, tw_bytes v) =
      \at(r->err, B) == TW_OK ? v.ptr + v.len == \at(r->ptr, B) && \at(r->ptr, A) <= v.ptr &&
         (v.len > 0 ==> \valid_read{B}(v.ptr + (0 .. v.len - 1)))
         : v.ptr == \null && v.len == 0;
*/

/*@ assigns \nothing; ensures \result.ptr == input.ptr && \result.left == input.len && \result.err == TW_OK; */
tw_reader tw_reader_of(tw_bytes input);

/*@ requires \valid(r);
    assigns r->err, r->left;
    ensures r->left == 0 && r->err == (\old(r->err) == TW_OK ? err : \old(r->err)); */
void tw_reader_fail(tw_reader *r, tw_err err);

/*@ requires sound(r);
    assigns *r;
    ensures sound(r) && fixed{Pre, Post}(r, len);
    ensures r->err == TW_OK ? \result.ptr == \old(r->ptr) && \result.len == len : \result.ptr == \null && \result.len ==
   0; */
tw_bytes tw_read_fixed(tw_reader *r, size_t len);

/*@ requires sound(r) && len <= 8;
    assigns *r;
    ensures sound(r) && fixed{Pre, Post}(r, len);
    ensures r->err != TW_OK ==> \result == 0; */
static uint64_t read_uint(tw_reader *r, size_t len);

/*@ requires sound(r); assigns *r; ensures sound(r) && fixed{Pre, Post}(r, 1);
  ensures r->err != TW_OK ==> \result == 0; */
uint8_t tw_read_u8(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && fixed{Pre, Post}(r, 2);
  ensures r->err != TW_OK ==> \result == 0; */
uint16_t tw_read_u16(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && fixed{Pre, Post}(r, 3);
  ensures r->err != TW_OK ==> \result == 0; */
uint32_t tw_read_u24(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && fixed{Pre, Post}(r, 4);
  ensures r->err != TW_OK ==> \result == 0; */
uint32_t tw_read_u32(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && fixed{Pre, Post}(r, 8);
  ensures r->err != TW_OK ==> \result == 0; */
uint64_t tw_read_u64(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r);
    ensures r->err != TW_OK ==> \result == 0;
    */
uint32_t tw_read_varint(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r);
    ensures view{Pre, Post}(r, \result); */
tw_bytes tw_read_vector(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r);
    ensures view{Pre, Post}(r, \result); */
tw_bytes tw_read_vector8(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r);
    ensures view{Pre, Post}(r, \result); */
tw_bytes tw_read_vector16(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r);
    ensures view{Pre, Post}(r, \result); */
tw_bytes tw_read_vector24(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r);
    ensures \result ==> r->err == TW_OK; */
bool tw_read_present(tw_reader *r);
/*@ requires sound(r); assigns *r; ensures sound(r) && moved{Pre, Post}(r) && r->left == 0;
    ensures view{Pre, Post}(r, \result); */
tw_bytes tw_read_rest(tw_reader *r);
/*@ requires sound(r); assigns \nothing; ensures \result <==> (r->err == TW_OK && r->left > 0); */
bool tw_reader_more(const tw_reader *r);
/*@ requires sound(r); assigns \nothing; ensures \result == r->err; */
tw_err tw_reader_err(const tw_reader *r);
/*@ requires sound(r); assigns \nothing; ensures \result == TW_OK <==> (r->err == TW_OK && r->left == 0); */
tw_err tw_reader_end(const tw_reader *r);
/*@ requires sound(r) && \object_pointer(r->ptr) && \object_pointer(start);
    requires start != \null ==> \base_addr(start) == \base_addr(r->ptr) && start <= r->ptr;
    requires start != \null ==> r->ptr - start <= 0x7fffffffffffffff;
    assigns \nothing;
    ensures r->err == TW_OK && start != \null ? \result.ptr == start && start + \result.len == r->ptr
                                              : \result.len == 0; */
tw_bytes tw_reader_since(const tw_reader *r, const uint8_t *start);

/*@ requires \valid_read(in + (0 .. 1)); assigns \nothing; */
static inline uint16_t tw_get_u16(const uint8_t *in);
/*@ requires \valid_read(in + (0 .. 3)); assigns \nothing; */
static inline uint32_t tw_get_u32(const uint8_t *in);

#endif
