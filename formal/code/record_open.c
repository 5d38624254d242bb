/*
 * tw_record_open has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * For records of any bytes and of 0 to 24 bytes, of the sizes where a limit of the protocol is (16404 to 16409, 16642
 * to 16645) and of any size from 16646 to SIZE_MAX, in place or into other memory of exactly the size that the header
 * asks for, with any key, any sequence number and whatever the AEAD makes of it (stubs/aead.h): no access outside of
 * record and `out`, nothing that is not initialized is read, and a content that comes back lies in `out`, has at most
 * 2^14 bytes and can be read. A key whose last number is reached opens nothing. Sizes between those are not analysed.
 *
 * Sources: src/record/record.c src/crypto/aead.c src/codec/writer.c
 * Options: -eva -eva-slevel 200 -eva-slevel-function main:1 -eva-split-return full -metrics -metrics-eva-cover
 * Reaches: 100 tw_record_open tw_aead_key_open make_nonce check_content is_inner_type may_be_empty
 * Annotate: src/record/record.c | while (len > 0 && out | slevel 0;
 * Annotate: src/record/record.c | if (len == 0) return TW_ERR_UNEXPECTED; | slevel default;
 * Mutant: src/record/record.c | tw_record_open( ... if (size < TW_RECORD_HEADER) | if (false)
 * Mutant: src/record/record.c | if (size > TW_RECORD_SIZE_MAX) return TW_ERR_ENCODING; | ;
 * Mutant: src/record/record.c | if (len > TW_RECORD_INNER_MAX) return TW_ERR_ENCODING; | ;
 * Mutant: src/record/record.c | while (len > 0 && out[len - 1] == 0) len--; | while (out[len - 1] == 0) len--;
 * Mutant: src/record/record.c | if (len == 0) return TW_ERR_UNEXPECTED; | ;
 * Mutant: src/record/record.c | if (key->sequence == UINT64_MAX) return TW_ERR_KEY_LIMIT; | ;
 * Mutant: src/crypto/aead.c | tw_aead_key_open( ... if (ciphertext.len < TW_AEAD_TAG) | if (false)
 */
#include "crypto/provider.h"
#include "record/record.h"
#include "stubs/aead.h"
#include "stubs/any.h"

enum { BEYOND = TW_RECORD_SIZE_MAX + 1 };

extern uint8_t wire[BEYOND], aside[BEYOND];

static void use(const uint8_t *out, size_t room, const tw_record_content *content) {
  /*@ check content->len <= room; */
  /*@ check \valid_read(out + (0 .. content->len - 1)); */
  /*@ check content->len <= TW_RECORD_PLAINTEXT_MAX; */
  (void)out;
  (void)room;
  (void)content;
}

static void open_into(const uint8_t *record, size_t size, uint8_t *out, size_t room) {
  tw_aead_key aead = {&any_aead};
  const bool is_last = any_bool();
  tw_record_key key = {.aead = &aead, .allowed = any_u64(), .limit = any_u64()};
  key.sequence = is_last ? UINT64_MAX : any_size(0, UINT64_MAX - 1);
  any_bytes(key.iv, sizeof key.iv);
  tw_record_content content;
  const tw_err err = tw_record_open(&key, record, size, out, &content);
  if (err == TW_OK) use(out, room, &content);
  /*@ check is_last ==> err != TW_OK; */
}

static void open_one(size_t size) {
  uint8_t *record = AT_EITHER_END(wire, size);
  const size_t room = size < TW_RECORD_HEADER ? 0 : size - TW_RECORD_HEADER;
  if (any_bool())
    open_into(record, size, record + (size - room), room);
  else
    open_into(record, size, AT_EITHER_END(aside, room), room);
}

int main(void) {
  static const struct { size_t from, to; } ranges[] = {{0, 24}, {16404, 16409}, {16642, TW_RECORD_SIZE_MAX}};
  /*@ loop unroll 3; */
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) /*@ loop unroll 25; */
    for (size_t size = ranges[i].from; size <= ranges[i].to; size++) open_one(size);
  open_into(wire, any_size(BEYOND, SIZE_MAX), wire + TW_RECORD_HEADER, BEYOND - TW_RECORD_HEADER);
  return 0;
}
