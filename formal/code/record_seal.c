/*
 * tw_record_seal has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * For contents of 0 to 3, 16382, 16383 and 16384 bytes with any padding of 0 to 3 bytes and with the most that fits, a
 * byte less and a byte more, in a record that has exactly tw_record_size bytes and stands at either end of its array,
 * and for every pair of sizes of which no record is made (NULL then): no access outside of the record,
 * nothing that is not initialized goes into the AEAD. With any type, any key and whatever the AEAD makes of it
 * (stubs/aead.h). A key that has no record left seals nothing, and the sequence number never wraps. Sizes between those
 * are not analysed.
 *
 * Sources: src/record/record.c src/crypto/aead.c src/codec/writer.c
 * Options: -eva -eva-slevel 200 -eva-slevel-function main:1,seal_one:1 -eva-split-return full
 * Options: -metrics -metrics-eva-cover
 * Reaches: 100 tw_record_seal tw_record_size tw_aead_key_seal put_header make_nonce is_inner_type may_be_empty
 * Mutant: src/record/record.c | padding > TW_RECORD_PLAINTEXT_MAX - content | padding > 16384
 * Mutant: src/record/record.c | if (content > TW_RECORD_PLAINTEXT_MAX | if (content > SIZE_MAX
 * Mutant: src/record/record.c | inner[content] = type; | ;
 * Mutant: src/record/record.c | inner_len = content + 1 + padding; | inner_len = content + 2 + padding;
 * Mutant: src/record/record.c | if (key->sequence >= key->limit) return TW_ERR_KEY_LIMIT; | ;
 */
#include "record/record.h"
#include "stubs/aead.h"
#include "stubs/any.h"

static void seal_in(uint8_t *record, size_t content, size_t padding) {
  tw_aead_key aead = {&any_aead};
  tw_record_key key = {.aead = &aead, .sequence = 0, .allowed = any_u64()};
  const bool is_used_up = any_bool();
  key.limit = is_used_up ? any_size(0, UINT64_MAX - 1) : UINT64_MAX;
  key.sequence = is_used_up ? UINT64_MAX : any_size(0, UINT64_MAX - 1);
  any_bytes(key.iv, sizeof key.iv);
  const tw_err err = tw_record_seal(&key, any_byte(), record, content, padding);
  /*@ check is_used_up ==> err != TW_OK; */
  /*@ check err == TW_OK ==> 0 < key.sequence <= key.limit; */
  (void)err;
}

static void seal_exact(size_t content, size_t padding) {
  uint8_t memory[TW_RECORD_OVERHEAD + TW_RECORD_PLAINTEXT_MAX];
  uint8_t *record = AT_EITHER_END(memory, tw_record_size(content, padding));
  any_bytes(record + TW_RECORD_HEADER, content);
  seal_in(record, content, padding);
}

static void seal_one(size_t content) {
  const size_t most = TW_RECORD_PLAINTEXT_MAX - content;
  /*@ loop unroll 4; */
  for (size_t padding = 0; padding <= 3; padding++)
    if (padding <= most) seal_exact(content, padding);
  seal_exact(content, most);
  if (most > 0) seal_exact(content, most - 1);
  seal_in(NULL, content, any_size(most + 1, SIZE_MAX));
}

int main(void) {
  /*@ loop unroll 4; */
  for (size_t content = 0; content <= 3; content++) seal_one(content);
  /*@ loop unroll 3; */
  for (size_t content = TW_RECORD_PLAINTEXT_MAX - 2; content <= TW_RECORD_PLAINTEXT_MAX; content++) seal_one(content);
  seal_in(NULL, any_size(TW_RECORD_PLAINTEXT_MAX + 1, SIZE_MAX), any_size(0, SIZE_MAX));
  seal_in(NULL, any_size(0, SIZE_MAX), any_size(TW_RECORD_PLAINTEXT_MAX + 1, SIZE_MAX));
  return 0;
}
