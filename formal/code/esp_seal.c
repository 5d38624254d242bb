/*
 * tw_esp_seal has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * For payloads of 0 to 5 bytes and the three largest, filled up to 0 to 5 bytes and to the largest size, in a
 * packet that has exactly tw_esp_size bytes and stands at either end of its array, and for all sizes that are too large
 * (NULL then): no access outside of the packet, nothing that is not initialized goes into the AEAD. With any SA, and
 * whatever the AEAD makes of it (stubs/aead.h). Without a number that is reserved nothing is sealed; none wraps.
 * tw_esp_out_reserve, _extend and _wants_rekey for any SA: no mark is below what is reserved. Sizes between those
 * are not analysed.
 *
 * Sources: src/esp/esp.c src/esp/sa.c src/esp/window.c src/crypto/aead.c src/codec/writer.c src/base/secret.c
 * Options: -eva -eva-slevel 300 -eva-slevel-function main:1,seal_one:1 -eva-split-return full
 * Options: -metrics -metrics-eva-cover
 * Reaches: 100 tw_esp_seal tw_esp_size inner_size is_reserved put_trailer make_nonce make_aad whole_blocks
 * Reaches: 100 tw_aead_key_seal
 * Reaches: 100 tw_esp_out_is_used_up tw_esp_out_reserve tw_esp_out_extend tw_esp_out_wants_rekey end_of
 * Mutant: src/esp/esp.c | if (len > TW_ESP_PAYLOAD_MAX | if (len > SIZE_MAX
 * Mutant: src/esp/esp.c | least > TW_ESP_PAYLOAD_MAX) return | least > SIZE_MAX) return
 * Mutant: src/esp/esp.c | inner[inner_len - 1] = next_header; | ;
 * Mutant: src/esp/esp.c | static void put_trailer ... i < pad_len; | i + 1 < pad_len;
 * Mutant: src/esp/esp.c | if (filled > len) | if (filled > len + 1)
 * Mutant: src/esp/esp.c | tw_esp_size(len, least) - TW_ESP_HEADER - TW_ESP_ICV; | tw_esp_size(len, least) - TW_ESP_ICV;
 * Mutant: src/esp/esp.c | return number < out->reserved; | return true;
 * Mutant: src/esp/sa.c | out->reserved < end ? end - out->reserved : 0 | end - out->reserved
 */
#include "crypto/provider.h"
#include "esp/esp.h"
#include "stubs/aead.h"
#include "stubs/any.h"

static tw_esp_out any_out(tw_aead_key *aead) {
  tw_esp_out out = {.aead = aead, .next = any_u64(), .reserved = any_u64(), .bytes = any_u64(), .spi = any_u32()};
  out.limits.packets = any_u64();
  out.limits.bytes = any_u64();
  out.limits.rekey_packets = any_u64();
  out.limits.rekey_bytes = any_u64();
  any_bytes(out.salt, sizeof out.salt);
  return out;
}

static void seal_in(uint8_t *packet, size_t len, size_t least) {
  tw_aead_key aead = {&any_aead};
  tw_esp_out out = any_out(&aead);
  const bool is_used_up = any_bool();
  out.next = is_used_up ? any_size(5, UINT64_MAX) : any_size(1, UINT64_MAX - 1);
  if (is_used_up) out.reserved = any_size(0, 5);
  const tw_err err = tw_esp_seal(&out, any_byte(), packet, len, least);
  /*@ check is_used_up ==> err != TW_OK; */
  /*@ check err == TW_OK ==> out.next > 1; */
  (void)err;
}

static void seal_exact(size_t len, size_t least) {
  uint8_t memory[TW_ESP_PACKET_MAX];
  uint8_t *packet = AT_EITHER_END(memory, tw_esp_size(len, least));
  any_bytes(packet + TW_ESP_HEADER, len);
  seal_in(packet, len, least);
}

static void seal_one(size_t len) {
  /*@ loop unroll 6; */
  for (size_t least = 0; least <= 5; least++) seal_exact(len, least);
  seal_exact(len, TW_ESP_PAYLOAD_MAX);
}

static void reserve(void) {
  tw_aead_key aead = {&any_aead};
  tw_esp_out out = any_out(&aead);
  const tw_esp_mark mark = tw_esp_out_reserve(&out, any_u64());
  /*@ check \initialized(&mark.next) && \initialized(&mark.bytes); */
  if (tw_esp_out_extend(&out, mark) == TW_OK) (void)tw_esp_out_wants_rekey(&out);
  out.limits.packets = any_size(0, 1000);
  out.reserved = any_size(2000, 3000);
  const tw_esp_mark past = tw_esp_out_reserve(&out, any_u64());
  /*@ check 2000 <= past.next <= 3000; */
  (void)past;
}

int main(void) {
  /*@ loop unroll 6; */
  for (size_t len = 0; len <= 5; len++) seal_one(len);
  /*@ loop unroll 3; */
  for (size_t len = TW_ESP_PAYLOAD_MAX - 2; len <= TW_ESP_PAYLOAD_MAX; len++) seal_one(len);
  seal_in(NULL, any_size(TW_ESP_PAYLOAD_MAX + 1, SIZE_MAX), any_size(0, SIZE_MAX));
  seal_in(NULL, any_size(0, SIZE_MAX), any_size(TW_ESP_PAYLOAD_MAX + 1, SIZE_MAX));
  reserve();
  return 0;
}
