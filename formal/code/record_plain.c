/*
 * tw_record_peek, tw_record_check_plain and tw_record_put_plain_header have no undefined behaviour.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For any bytes: inputs of 0 to 8 bytes (0: NULL, too) of exactly that size, and of any size from 5 to SIZE_MAX, of
 * which no more than the 5 of the header are looked at; protected or not. What tw_record_peek and tw_record_check_plain
 * say of sizes is within the protocol's limits.
 *
 * Sources: src/record/record.c src/codec/writer.c
 * Options: -eva -eva-slevel 200 -eva-slevel-function main:1 -eva-split-return full -metrics -metrics-eva-cover
 * Reaches: 100 tw_record_peek tw_record_check_plain tw_record_put_plain_header put_header check_content tw_put_u16
 * Mutant: src/record/record.c | if (input.len < TW_RECORD_HEADER) return TW_ERR_TRUNCATED; | ;
 * Mutant: src/record/record.c | if (length > (is_protected | if (false && length > (is_protected
 * Mutant: src/record/record.c | tw_record_check_plain( ... if (size < TW_RECORD_HEADER) | if (false)
 * Mutant: src/record/record.c | tw_put_u16(record + 3, | tw_put_u16(record + 4,
 */
#include "record/record.h"
#include "stubs/any.h"

enum { SHORT = 8 };

extern uint8_t wire[SHORT];
extern uint8_t header_only[TW_RECORD_HEADER];

static void peek(const uint8_t *input, size_t size) {
  const bool is_protected = any_bool();
  const size_t most = is_protected ? TW_RECORD_CIPHERTEXT_MAX : TW_RECORD_PLAINTEXT_MAX;
  tw_record_header header;
  if (tw_record_peek(TW_BYTES(input, size), is_protected, &header) == TW_OK) {
    /*@ check TW_RECORD_HEADER <= header.size <= TW_RECORD_HEADER + most; */
  }
  (void)most;
}

static void check_plain(const uint8_t *record, size_t size) {
  tw_record_content content;
  if (tw_record_check_plain(record, size, &content) == TW_OK) {
    /*@ check content.len <= TW_RECORD_PLAINTEXT_MAX; */
  }
}

int main(void) {
  peek(NULL, 0);
  check_plain(NULL, 0);
  /*@ loop unroll SHORT + 1; */
  for (size_t size = 0; size <= SHORT; size++) {
    const uint8_t *input = AT_EITHER_END(wire, size);
    peek(input, size);
    check_plain(input, size);
  }
  peek(header_only, any_size(TW_RECORD_HEADER, SIZE_MAX));
  check_plain(header_only, any_size(TW_RECORD_HEADER, SIZE_MAX));
  uint8_t header[TW_RECORD_HEADER];
  tw_record_put_plain_header(header, any_byte(), any_size(0, SIZE_MAX));
  /*@ check \initialized(header + (0 .. TW_RECORD_HEADER - 1)); */
  return 0;
}
