/* SAs of ESP for tests, and packets that tw_esp_seal would not make. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_ESP_KIT_H
#define TW_TESTS_ESP_KIT_H

#include "esp/esp.h"
#include "tw_test_env.h"

enum { TW_KIT_SPI = 0x4a4b4c4d };

/* Both ends of an SA with fixed keys. */
typedef struct esp_kit {
  tw_esp_keys keys;
  tw_esp_out out;
  tw_esp_in in;
} esp_kit;

/* Every function fails the running test when something goes wrong. */
/* The next number is `next`, all numbers are reserved, and neither end has a limit but UINT64_MAX - 1. */
void esp_kit_init(esp_kit *kit, const tw_test_env *test, uint16_t suite, uint64_t next);
void esp_kit_clear(esp_kit *kit);
/* A packet by the one-shot AEAD alone: `inner` as it is, under any number; its size. */
size_t esp_kit_seal_raw(const esp_kit *kit, const tw_test_env *test, uint64_t number, tw_bytes inner, uint8_t *packet);
/* A packet of `len` bytes of a pattern by the sending end, and whether the receiving end gives these. */
size_t esp_kit_seal(esp_kit *kit, uint8_t *packet, size_t len, size_t least);
void esp_kit_is_pattern(const uint8_t *payload, size_t len);

#endif
