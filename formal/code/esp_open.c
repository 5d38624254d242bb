/*
 * tw_esp_open, tw_esp_open_unmarked and tw_esp_peek have no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * For packets of any bytes and of 0 to 40 bytes, of 280 to 288 (where the padding may be longer than the packet, and
 * not), of the two largest sizes and of any above, with any SA, any window and whatever the AEAD makes of it
 * (stubs/aead.h): no access outside of the packet, nothing that is not initialized is read, and a payload that comes
 * back lies in the packet and can be read. The window's highest number never falls. Sizes between those are not
 * analysed.
 *
 * Sources: src/esp/esp.c src/esp/sa.c src/esp/window.c src/crypto/aead.c src/codec/writer.c src/base/secret.c
 * Options: -eva -eva-slevel 300 -eva-slevel-function main:1,is_padding:1 -eva-split-return full
 * Options: -metrics -metrics-eva-cover
 * Reaches: 100 tw_esp_open tw_esp_open_unmarked open_sealed tw_esp_peek number_of take_trailer is_padding
 * Reaches: 100 make_nonce make_aad tw_get_u32
 * Reaches: 50 tw_aead_key_open
 * Reaches: 100 tw_esp_window_infer tw_esp_window_check tw_esp_window_mark advance is_too_old
 * Mutant: src/esp/esp.c | if (packet.len < TW_ESP_PACKET_MIN) return TW_ERR_TRUNCATED; | ;
 * Mutant: src/esp/esp.c | if (packet.len > TW_ESP_PACKET_MAX | if (packet.len > SIZE_MAX
 * Mutant: src/esp/esp.c | if (pad_len > end) return TW_ERR_UNEXPECTED; | ;
 * Mutant: src/esp/esp.c | inner[inner_len - 2]; | inner[inner_len + 16];
 * Mutant: src/esp/esp.c | if (inner[i] != | if (inner[i + 3 + TW_ESP_ICV] !=
 * Mutant: src/esp/esp.c | if (err == TW_OK) *opened = number; | ;
 */
#include "crypto/provider.h"
#include "esp/esp.h"
#include "stubs/aead.h"
#include "stubs/any.h"

enum { BEYOND = TW_ESP_PACKET_MAX + 4 };

static void use(const uint8_t *packet, size_t size, const tw_esp_opened *opened) {
  /*@ check opened->len <= size - TW_ESP_PACKET_MIN + 2; */
  /*@ check \valid_read(packet + (TW_ESP_HEADER .. TW_ESP_HEADER + opened->len - 1)); */
  /*@ check \initialized(&opened->number) && \initialized(&opened->next_header); */
  (void)packet;
  (void)size;
  (void)opened;
}

static void open_any(uint8_t *packet, size_t size) {
  tw_aead_key aead = {&any_aead};
  tw_esp_in in = {.aead = &aead, .forged = any_u64(), .spi = any_u32()};
  in.limits.packets = any_u64();
  in.limits.forged = any_u64();
  in.window.highest = any_u64();
  /*@ loop unroll TW_ESP_WINDOW_BLOCKS; */
  for (size_t i = 0; i < TW_ESP_WINDOW_BLOCKS; i++) in.window.blocks[i] = any_u64();
  any_bytes(in.salt, sizeof in.salt);
  tw_esp_opened opened;
  const tw_err err = any_u32() % 2 == 0 ? tw_esp_open(&in, packet, size, &opened)
                                        : tw_esp_open_unmarked(&in, packet, size, &opened);
  if (err == TW_OK) use(packet, size, &opened);
}

static void open_one(size_t size) {
  uint8_t memory[TW_ESP_PACKET_MAX];
  uint8_t *packet = AT_EITHER_END(memory, size);
  any_bytes(packet, size);
  open_any(packet, size);
}

int main(void) {
  static const struct { size_t from, to; } ranges[] = {{0, 40}, {280, 288}, {TW_ESP_PACKET_MAX - 4, TW_ESP_PACKET_MAX}};
  static uint8_t large[BEYOND];
  /*@ loop unroll 3; */
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) /*@ loop unroll 41; */
    for (size_t size = ranges[i].from; size <= ranges[i].to; size++) open_one(size);
  any_bytes(large, sizeof large);
  open_any(large, any_size(BEYOND - 3, SIZE_MAX));
  return 0;
}
