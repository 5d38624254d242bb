/* The ESP transform: RFC 4303 sections 2, 3.3 and 3.4. SPDX-License-Identifier: Apache-2.0 */
#include "esp/esp.h"

#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"

enum { AES_BLOCK = 16, AAD = 12 };

/* RFC 4106 section 4, RFC 7634 section 2; the IV is the number itself, RFC 8750 section 3. */
static void make_nonce(const uint8_t salt[TW_ESP_SALT], uint64_t number, uint8_t nonce[TW_AEAD_NONCE]) {
  memcpy(nonce, salt, TW_ESP_SALT);
  tw_put_u64(nonce + TW_ESP_SALT, number);
}

/* struct { uint32 spi; uint64 sequence_number; }, RFC 4106 section 5, RFC 7634 section 2.1 */
static void make_aad(uint32_t spi, uint64_t number, uint8_t aad[AAD]) {
  tw_put_u32(aad, spi);
  tw_put_u64(aad + 4, number);
}

/* ---- sealing ---- */

/* struct { opaque payload[]; opaque tfc_padding[]; uint8 padding[] = {1, 2, 3, …}; uint8 pad_length; uint8 next_header;
 * }, sections 2.4 to 2.7; the end of `inner`, whose payload stands there. */
static void put_trailer(uint8_t *inner, size_t inner_len, size_t len, size_t filled, uint8_t next_header) {
  const size_t pad_len = inner_len - TW_ESP_TRAILER - filled;
  if (filled > len) memset(inner + len, 0, filled - len);
  for (size_t i = 0; i < pad_len; i++) inner[filled + i] = (uint8_t)(i + 1);
  inner[inner_len - 2] = (uint8_t)pad_len;
  inner[inner_len - 1] = next_header;
}

/* What a packet counts by the limit of bytes. */
static uint64_t whole_blocks(size_t len) { return (len + AES_BLOCK - 1) & ~(uint64_t)(AES_BLOCK - 1); }

static size_t inner_size(size_t len, size_t least) { return tw_esp_size(len, least) - TW_ESP_HEADER - TW_ESP_ICV; }

static bool is_reserved(const tw_esp_out *out, uint64_t number) { return number < out->reserved; }

/* Where others take numbers at the same time, the limit of bytes may be passed by a packet of each. */
tw_err tw_esp_take(tw_esp_out *out, size_t len, size_t least, uint64_t *number) {
  if (len > TW_ESP_PAYLOAD_MAX || least > TW_ESP_PAYLOAD_MAX) return TW_ERR_ARGUMENT;
  const bool shared = out->others_count > 0;
  if (!is_reserved(out, TW_SHARED_LOAD(&out->next)) || tw_esp_out_is_used_up(out)) return TW_ERR_KEY_LIMIT;
  const uint64_t taken = tw_shared_add(shared, &out->next, 1);
  if (!is_reserved(out, taken)) return TW_ERR_KEY_LIMIT; /* the last one went to another thread just now */
  (void)tw_shared_add(shared, &out->bytes, whole_blocks(inner_size(len, least)));
  *number = taken;
  return TW_OK;
}

tw_err tw_esp_seal_numbered(const tw_esp_out *out, unsigned thread, uint64_t number, uint8_t next_header,
                            uint8_t *packet, size_t len, size_t least) {
  const size_t inner_len = inner_size(len, least);
  uint8_t *inner = packet + TW_ESP_HEADER;
  put_trailer(inner, inner_len, len, len > least ? len : least, next_header);
  tw_put_u32(packet, out->spi);
  tw_put_u32(packet + 4, (uint32_t)number);
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t aad[AAD];
  make_nonce(out->salt, number, nonce);
  make_aad(out->spi, number, aad);
  tw_aead_key *aead = thread == 0 ? out->aead : out->others[thread - 1];
  return tw_aead_key_seal(aead, nonce, TW_ARRAY(aad), TW_BYTES(inner, inner_len), inner);
}

tw_err tw_esp_seal(tw_esp_out *out, uint8_t next_header, uint8_t *packet, size_t len, size_t least) {
  uint64_t number;
  TW_TRY(tw_esp_take(out, len, least, &number));
  return tw_esp_seal_numbered(out, 0, number, next_header, packet, len, least);
}

/* ---- opening ---- */

tw_err tw_esp_peek(tw_bytes packet, uint32_t *spi) {
  if (packet.len < TW_ESP_PACKET_MIN) return TW_ERR_TRUNCATED;
  if (packet.len > TW_ESP_PACKET_MAX || packet.len % TW_ESP_ALIGN != 0) return TW_ERR_ENCODING;
  const uint32_t found = tw_get_u32(packet.ptr);
  if (found < TW_ESP_SPI_MIN) return TW_ERR_ENCODING;
  *spi = found;
  return TW_OK;
}

/* Which number the packet claims to have: one that may be opened. */
static tw_err number_of(const tw_esp_in *in, const uint8_t *packet, uint64_t *number) {
  TW_TRY(tw_esp_window_infer(&in->window, tw_get_u32(packet + 4), number));
  /* No sender goes as far: it is one of the past, too old for the window. */
  if (*number > in->limits.packets) return TW_ERR_OLD_GENERATION;
  return tw_esp_window_check(&in->window, *number);
}

/* Section 2.4: it is looked at, though nothing depends on it. */
static bool is_padding(const uint8_t *inner, size_t from, size_t end) {
  for (size_t i = from; i < end; i++)
    if (inner[i] != i - from + 1) return false;
  return true;
}

/* A dummy need not be well-formed, section 2.6. */
static tw_err take_trailer(const uint8_t *inner, size_t inner_len, uint64_t number, tw_esp_opened *opened) {
  const uint8_t next_header = inner[inner_len - 1];
  const size_t pad_len = inner[inner_len - 2];
  const size_t end = inner_len - TW_ESP_TRAILER;
  size_t len = 0;
  if (next_header != TW_ESP_NEXT_DUMMY) {
    if (pad_len > end) return TW_ERR_UNEXPECTED;
    len = end - pad_len;
    if (!is_padding(inner, len, end)) return TW_ERR_UNEXPECTED;
  }
  *opened = (tw_esp_opened){.number = number, .len = len, .next_header = next_header};
  return TW_OK;
}

static tw_err open_sealed(tw_esp_in *in, uint8_t *packet, size_t size, uint64_t *opened) {
  uint32_t spi;
  uint64_t number;
  TW_TRY(tw_esp_peek(TW_BYTES(packet, size), &spi));
  if (spi != in->spi) return TW_ERR_WRONG_GROUP;
  TW_TRY(number_of(in, packet, &number));
  if (in->forged >= in->limits.forged) return TW_ERR_KEY_LIMIT;
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t aad[AAD];
  make_nonce(in->salt, number, nonce);
  make_aad(in->spi, number, aad);
  uint8_t *inner = packet + TW_ESP_HEADER;
  const tw_bytes sealed = TW_BYTES(inner, size - TW_ESP_HEADER);
  const tw_err err = tw_aead_key_open(in->aead, nonce, TW_ARRAY(aad), sealed, inner);
  if (err == TW_ERR_DECRYPT) in->forged++;
  if (err == TW_OK) *opened = number;
  return err;
}

tw_err tw_esp_open(tw_esp_in *in, uint8_t *packet, size_t size, tw_esp_opened *opened) {
  uint64_t number;
  TW_TRY(open_sealed(in, packet, size, &number));
  tw_esp_window_mark(&in->window, number);
  return take_trailer(packet + TW_ESP_HEADER, size - TW_ESP_HEADER - TW_ESP_ICV, number, opened);
}

tw_err tw_esp_open_unmarked(tw_esp_in *in, uint8_t *packet, size_t size, tw_esp_opened *opened) {
  uint64_t number;
  TW_TRY(open_sealed(in, packet, size, &number));
  return take_trailer(packet + TW_ESP_HEADER, size - TW_ESP_HEADER - TW_ESP_ICV, number, opened);
}
