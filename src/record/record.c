/* TLSPlaintext and TLSCiphertext: RFC 8446 sections 5.1 to 5.4. SPDX-License-Identifier: Apache-2.0 */
#include "record/record.h"

#include <string.h>

#include "codec/writer.h"

/*
 * struct { ContentType type; ProtocolVersion legacy_record_version = 0x0303; uint16 length; opaque fragment[length]; }
 * TLSPlaintext and TLSCiphertext, sections 5.1 and 5.2. The version is ignored where it is not authenticated.
 */
static void put_header(uint8_t *record, uint8_t type, size_t length) {
  record[0] = type;
  tw_put_u16(record + 1, 0x0303);
  tw_put_u16(record + 3, (uint16_t)length);
}

void tw_record_put_plain_header(uint8_t record[TW_RECORD_HEADER], uint8_t type, size_t length) {
  put_header(record, type, length);
}

tw_err tw_record_peek(tw_bytes input, bool is_protected, tw_record_header *header) {
  if (input.len < TW_RECORD_HEADER) return TW_ERR_TRUNCATED;
  const size_t length = ((size_t)input.ptr[3] << 8) | input.ptr[4];
  if (length > (is_protected ? TW_RECORD_CIPHERTEXT_MAX : TW_RECORD_PLAINTEXT_MAX)) return TW_ERR_ENCODING;
  header->type = input.ptr[0];
  header->size = TW_RECORD_HEADER + length;
  return TW_OK;
}

/* Section 5.3: the sequence number, big-endian, into the end of the iv. */
static void make_nonce(const tw_record_key *key, uint8_t nonce[TW_AEAD_NONCE]) {
  memcpy(nonce, key->iv, TW_AEAD_NONCE);
  for (unsigned i = 0; i < 8; i++) nonce[TW_AEAD_NONCE - 1 - i] ^= (uint8_t)(key->sequence >> (8 * i));
}

static bool may_be_empty(uint8_t type) { return type == TW_RECORD_APPLICATION_DATA; }

static bool is_inner_type(uint8_t type) {
  return type == TW_RECORD_ALERT || type == TW_RECORD_HANDSHAKE || type == TW_RECORD_APPLICATION_DATA;
}

/* struct { opaque content[]; ContentType type; uint8 zeros[padding]; } TLSInnerPlaintext, section 5.2 */
tw_err tw_record_seal(tw_record_key *key, uint8_t type, uint8_t *record, size_t content, size_t padding) {
  if (content > TW_RECORD_PLAINTEXT_MAX || padding > TW_RECORD_PLAINTEXT_MAX - content) return TW_ERR_ARGUMENT;
  if (!is_inner_type(type) || (content == 0 && !may_be_empty(type))) return TW_ERR_ARGUMENT;
  if (key->sequence >= key->limit) return TW_ERR_KEY_LIMIT;
  uint8_t *inner = record + TW_RECORD_HEADER;
  const size_t inner_len = content + 1 + padding;
  inner[content] = type;
  if (padding > 0) memset(inner + content + 1, 0, padding);
  put_header(record, TW_RECORD_APPLICATION_DATA, inner_len + TW_AEAD_TAG);
  uint8_t nonce[TW_AEAD_NONCE];
  make_nonce(key, nonce);
  TW_TRY(tw_aead_key_seal(key->aead, nonce, TW_BYTES(record, TW_RECORD_HEADER), TW_BYTES(inner, inner_len), inner));
  key->sequence++;
  return TW_OK;
}

static tw_err check_content(uint8_t type, size_t len, tw_record_content *content) {
  if (!is_inner_type(type) || (len == 0 && !may_be_empty(type))) return TW_ERR_UNEXPECTED;
  content->type = type;
  content->len = len;
  return TW_OK;
}

tw_err tw_record_open(tw_record_key *key, const uint8_t *record, size_t size, uint8_t *out,
                      tw_record_content *content) {
  if (size < TW_RECORD_HEADER) return TW_ERR_ARGUMENT;
  if (record[0] != TW_RECORD_APPLICATION_DATA) return TW_ERR_UNEXPECTED;
  if (size > TW_RECORD_SIZE_MAX) return TW_ERR_ENCODING;
  /* The last number is never used, so that none is used twice. */
  if (key->sequence == UINT64_MAX) return TW_ERR_KEY_LIMIT;
  const tw_bytes sealed = TW_BYTES(record + TW_RECORD_HEADER, size - TW_RECORD_HEADER);
  uint8_t nonce[TW_AEAD_NONCE];
  make_nonce(key, nonce);
  TW_TRY(tw_aead_key_open(key->aead, nonce, TW_BYTES(record, TW_RECORD_HEADER), sealed, out));
  key->sequence++;
  size_t len = sealed.len - TW_AEAD_TAG;
  if (len > TW_RECORD_INNER_MAX) return TW_ERR_ENCODING;
  while (len > 0 && out[len - 1] == 0) len--;
  if (len == 0) return TW_ERR_UNEXPECTED;
  return check_content(out[len - 1], len - 1, content);
}

tw_err tw_record_check_plain(const uint8_t *record, size_t size, tw_record_content *content) {
  if (size < TW_RECORD_HEADER) return TW_ERR_ARGUMENT;
  if (record[0] == TW_RECORD_APPLICATION_DATA) return TW_ERR_UNEXPECTED;
  if (size > TW_RECORD_HEADER + TW_RECORD_PLAINTEXT_MAX) return TW_ERR_ENCODING;
  return check_content(record[0], size - TW_RECORD_HEADER, content);
}
