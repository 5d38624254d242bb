/* ESP: what an attacker sends, what he changes, and what a member seals himself. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "esp/esp.h"
#include "fuzz_env.h"

enum { SPI = 0x10203040, SENT_MAX = 64 };
#define START ((UINT64_C(1) << 32) - 32) /* so that numbers go over 2^32 */

static uint8_t packet[TW_ESP_PACKET_MAX + 64];
static uint8_t aside[TW_ESP_PACKET_MAX + 64];

typedef struct ends {
  tw_esp_keys keys;
  tw_esp_out out;
  tw_esp_in in;
} ends;

static void make_ends(ends *made) {
  memset(made, 0, sizeof *made);
  made->keys = (tw_esp_keys){.suite = tw_suite_by_id(tw_fuzz_env(), 1), .spi = SPI, .key = {1, 2, 3}, .salt = {4}};
  const tw_esp_mark from = {.next = START, .bytes = 0};
  TW_FUZZ_ASSERT(tw_esp_out_init(tw_fuzz_env(), &made->keys, from, &made->out) == TW_OK);
  TW_FUZZ_ASSERT(tw_esp_in_init(tw_fuzz_env(), &made->keys, START - 1, &made->in) == TW_OK);
  made->out.limits.packets = made->in.limits.packets = UINT64_MAX - 1;
  TW_FUZZ_ASSERT(tw_esp_out_extend(&made->out, tw_esp_out_reserve(&made->out, UINT64_MAX)) == TW_OK);
}

static void clear_ends(ends *made) {
  tw_esp_out_clear(&made->out);
  tw_esp_in_clear(&made->in);
  tw_esp_keys_clear(&made->keys);
}

/* As it came: never opens, since the fuzzer has no key. */
static void open_raw(ends *both, tw_bytes input) {
  tw_esp_opened opened;
  uint32_t spi;
  const size_t size = input.len < sizeof packet ? input.len : sizeof packet;
  if (size > 0) memcpy(packet, input.ptr, size);
  const tw_err peeked = tw_esp_peek(TW_BYTES(packet, size), &spi);
  const tw_err err = tw_esp_open(&both->in, packet, size, &opened);
  TW_FUZZ_ASSERT(err != TW_OK && (peeked == TW_OK || err == peeked));
  TW_FUZZ_ASSERT(both->in.window.highest == START - 1);
}

/* As what a member encrypts, under a number that the input names. */
static void open_sealed(ends *both, tw_bytes input) {
  tw_reader r = tw_reader_of(input);
  const uint64_t number = START - 4200 + tw_read_u16(&r);
  tw_bytes inner = tw_read_rest(&r);
  if (tw_reader_err(&r) != TW_OK) return;
  if (inner.len > TW_ESP_PACKET_MAX - TW_ESP_HEADER) inner.len = TW_ESP_PACKET_MAX - TW_ESP_HEADER;
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t aad[12];
  memcpy(nonce, both->keys.salt, TW_ESP_SALT);
  tw_put_u64(nonce + TW_ESP_SALT, number);
  tw_put_u32(aad, SPI);
  tw_put_u64(aad + 4, number);
  tw_put_u32(packet, SPI);
  tw_put_u32(packet + 4, (uint32_t)number);
  TW_FUZZ_ASSERT(tw_aead_key_seal(both->out.aead, nonce, TW_ARRAY(aad), inner, packet + TW_ESP_HEADER) == TW_OK);
  const size_t size = TW_ESP_HEADER + inner.len + TW_ESP_ICV;
  tw_esp_opened opened;
  const tw_err err = tw_esp_open(&both->in, packet, size, &opened);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(opened.number == number && number >= START);
    TW_FUZZ_ASSERT(opened.len + TW_ESP_TRAILER <= inner.len);
    TW_FUZZ_ASSERT(inner.len == 0 || opened.next_header == inner.ptr[inner.len - 1]);
    TW_FUZZ_ASSERT(both->in.window.highest == number);
  }
}

/* Steps of two bytes: a packet is sealed and opened now, or kept, changed, and opened later. */
static void exchange(ends *both, tw_bytes input) {
  static uint8_t sent[SENT_MAX][64];
  static size_t sizes[SENT_MAX];
  static bool is_opened[SENT_MAX];
  size_t count = 0;
  tw_reader r = tw_reader_of(input);
  while (tw_reader_more(&r) && count < SENT_MAX) {
    const uint8_t what = tw_read_u8(&r);
    const uint8_t with = tw_read_u8(&r);
    const size_t len = with % 20;
    memset(sent[count] + TW_ESP_HEADER, with, len);
    TW_FUZZ_ASSERT(tw_esp_seal(&both->out, TW_ESP_NEXT_IPV4, sent[count], len, what % 3 * 10u) == TW_OK);
    sizes[count] = tw_esp_size(len, what % 3 * 10u);
    is_opened[count] = false;
    count++;
    if (what % 5 == 0) continue;
    const size_t at = what % count;
    const uint8_t change = what >= 224 ? with : 0;
    tw_esp_opened opened;
    memcpy(aside, sent[at], sizes[at]);
    aside[TW_ESP_HEADER + with % (sizes[at] - TW_ESP_HEADER)] ^= change;
    const tw_err err = tw_esp_open(&both->in, aside, sizes[at], &opened);
    TW_FUZZ_ASSERT(err == (is_opened[at] ? TW_ERR_DUPLICATE : change != 0 ? TW_ERR_DECRYPT : TW_OK));
    if (err != TW_OK) continue;
    TW_FUZZ_ASSERT(opened.number == START + at);
    is_opened[at] = true;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_fuzz_restart();
  ends both;
  make_ends(&both);
  open_raw(&both, TW_BYTES(data, size));
  exchange(&both, TW_BYTES(data, size));
  clear_ends(&both);
  make_ends(&both);
  open_sealed(&both, TW_BYTES(data, size));
  clear_ends(&both);
  return 0;
}
