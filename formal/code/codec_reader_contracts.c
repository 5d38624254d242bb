/*
 * Each function of src/codec/reader.c keeps its contract (contracts/reader.h) for an input of any size up to SIZE_MAX,
 * any position in it and any arguments, and has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * So by induction, after any sequence of calls: a reader is never past the end of its input, what it has read and what
 * is left are the whole input, after a failure nothing is left and the first error stays, views lie in the input.
 *
 * Assumed: reader and input do not overlap (nor the reader and a constant of tw_read_varint's). Two assertions about
 * the upper two bits of one byte are proved by Eva in the same run, from a byte of any value, since the provers do not
 * know about shifts.
 *
 * Sources: src/codec/reader.c
 * Include: contracts/reader.h
 * Options: -eva -eva-slevel 100 -then -wp -wp-rte -wp-prover z3,cvc4 -wp-timeout 15 -wp-par 1
 * Options: -wp-skip-fct main,tw_buf_bytes,any_bool -wp-status-all -wp-prop=-by_eva
 * Annotate: src/codec/reader.c | for (size_t i | loop invariant raw.len == 0 ==> value == 0; loop assigns i, value;
 * Annotate: src/codec/reader.c | if (prefix | assert by_eva: prefix == 0 || prefix == 1 || prefix == 2 || prefix == 3;
 * Annotate: src/codec/reader.c | const uint64_t rest = | assert by_eva: extra == 0 || extra == 1 || extra == 3;
 * Mutant: src/codec/reader.c | if (len > r->left) { | if (false) {
 */
#include "codec/reader.h"
#include "stubs/any.h"

/* For Eva: a varint of any bytes. */
int main(void) {
  uint8_t input[4];
  any_bytes(input, sizeof input);
  tw_reader r = {input, sizeof input, TW_OK};
  return (int)tw_read_varint(&r);
}
