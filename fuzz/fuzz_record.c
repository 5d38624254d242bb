/* Records: what an attacker sends, what he changes, and what he seals himself. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz_env.h"
#include "record/record.h"

static uint8_t memory[TW_RECORD_SIZE_MAX];
static uint8_t aside[TW_RECORD_SIZE_MAX];

static tw_record_key make_key(void) {
  static const uint8_t secret[32] = {1, 2, 3};
  tw_record_key key = {0};
  TW_FUZZ_ASSERT(tw_record_key_init(tw_fuzz_env(), tw_suite_by_id(tw_fuzz_env(), 1), TW_ARRAY(secret), &key) == TW_OK);
  return key;
}

/* As it came: never opens, since the fuzzer has no key. */
static void open_raw(tw_record_key *key, tw_bytes input) {
  tw_record_header header;
  tw_record_content content;
  if (tw_record_peek(input, true, &header) != TW_OK || header.size > input.len) return;
  TW_FUZZ_ASSERT(tw_record_open(key, input.ptr, header.size, aside, &content) != TW_OK);
  TW_FUZZ_ASSERT(key->sequence == 0);
  if (tw_record_check_plain(input.ptr, header.size, &content) == TW_OK) {
    TW_FUZZ_ASSERT(content.len > 0 && content.len + TW_RECORD_HEADER == header.size);
  }
}

/* As an inner plaintext of a peer that has the key. */
static void open_sealed(tw_record_key *key, tw_bytes inner) {
  uint8_t nonce[TW_AEAD_NONCE];
  memcpy(nonce, key->iv, sizeof nonce);
  if (inner.len > TW_RECORD_CIPHERTEXT_MAX - TW_AEAD_TAG) inner.len = TW_RECORD_CIPHERTEXT_MAX - TW_AEAD_TAG;
  tw_record_put_plain_header(memory, TW_RECORD_APPLICATION_DATA, inner.len + TW_AEAD_TAG);
  TW_FUZZ_ASSERT(tw_aead_key_seal(key->aead, nonce, TW_BYTES(memory, TW_RECORD_HEADER), inner,
                                  memory + TW_RECORD_HEADER) == TW_OK);
  tw_record_content content;
  const size_t size = TW_RECORD_HEADER + inner.len + TW_AEAD_TAG;
  const tw_err err = tw_record_open(key, memory, size, memory + TW_RECORD_HEADER, &content);
  TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_UNEXPECTED || err == TW_ERR_ENCODING);
  if (err == TW_OK) TW_FUZZ_ASSERT(content.len < inner.len && content.len <= TW_RECORD_PLAINTEXT_MAX);
}

/* Sealed by us, then one bit changed: data[0 … 3] say what and where. */
static void open_changed(tw_record_key *key, tw_bytes input) {
  if (input.len < 5) return;
  const size_t padding = input.ptr[0];
  tw_bytes content = TW_BYTES(input.ptr + 4, input.len - 4);
  if (content.len > 16000) content.len = 16000;
  memcpy(memory + TW_RECORD_HEADER, content.ptr, content.len);
  key->sequence = 0;
  TW_FUZZ_ASSERT(tw_record_seal(key, TW_RECORD_APPLICATION_DATA, memory, content.len, padding) == TW_OK);
  const size_t size = tw_record_size(content.len, padding);
  const size_t at = (((size_t)input.ptr[1] << 8) | input.ptr[2]) % size;
  const uint8_t change = input.ptr[3];
  memory[at] ^= change;
  key->sequence = 0;
  tw_record_content opened;
  const tw_err err = tw_record_open(key, memory, size, aside, &opened);
  TW_FUZZ_ASSERT((err == TW_OK) == (change == 0));
  if (err == TW_OK) TW_FUZZ_ASSERT(opened.len == content.len && memcmp(aside, content.ptr, content.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_fuzz_restart();
  tw_record_key key = make_key();
  open_raw(&key, TW_BYTES(data, size));
  open_sealed(&key, TW_BYTES(data, size));
  open_changed(&key, TW_BYTES(data, size));
  tw_record_key_clear(&key);
  return 0;
}
