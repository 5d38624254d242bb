/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_kit.h"

#include <string.h>

#include "codec/writer.h"
#include "tw_cmocka.h"

void esp_kit_init(esp_kit *kit, const tw_test_env *test, uint16_t suite, uint64_t next) {
  memset(kit, 0, sizeof *kit);
  kit->keys = (tw_esp_keys){.suite = tw_suite_by_id(&test->env, suite), .spi = TW_KIT_SPI};
  assert_non_null(kit->keys.suite);
  for (size_t i = 0; i < TW_AEAD_KEY_MAX; i++) kit->keys.key[i] = (uint8_t)i;
  for (size_t i = 0; i < TW_ESP_SALT; i++) kit->keys.salt[i] = (uint8_t)(0xa0 + i);
  const tw_esp_mark from = {.next = next, .bytes = 0};
  assert_int_equal(tw_esp_out_init(&test->env, &kit->keys, from, &kit->out), TW_OK);
  assert_int_equal(tw_esp_in_init(&test->env, &kit->keys, next - 1, &kit->in), TW_OK);
  kit->out.limits.packets = kit->in.limits.packets = UINT64_MAX - 1;
  kit->out.limits.bytes = UINT64_C(1) << 62;
  assert_int_equal(tw_esp_out_extend(&kit->out, tw_esp_out_reserve(&kit->out, UINT64_MAX)), TW_OK);
}

void esp_kit_clear(esp_kit *kit) {
  tw_esp_out_clear(&kit->out);
  tw_esp_in_clear(&kit->in);
  tw_esp_keys_clear(&kit->keys);
}

size_t esp_kit_seal_raw(const esp_kit *kit, const tw_test_env *test, uint64_t number, tw_bytes inner, uint8_t *packet) {
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t aad[12];
  memcpy(nonce, kit->keys.salt, TW_ESP_SALT);
  tw_put_u64(nonce + 4, number);
  tw_put_u32(aad, kit->keys.spi);
  tw_put_u64(aad + 4, number);
  tw_put_u32(packet, kit->keys.spi);
  tw_put_u32(packet + 4, (uint32_t)number);
  assert_int_equal(tw_aead_seal(&test->env, kit->keys.suite, TW_BYTES(kit->keys.key, kit->keys.suite->aead->key_size),
                                nonce, TW_ARRAY(aad), inner, packet + TW_ESP_HEADER),
                   TW_OK);
  return TW_ESP_HEADER + inner.len + TW_ESP_ICV;
}

static uint8_t pattern(size_t i) { return (uint8_t)(i * 7 + 1); }

size_t esp_kit_seal(esp_kit *kit, uint8_t *packet, size_t len, size_t least) {
  for (size_t i = 0; i < len; i++) packet[TW_ESP_HEADER + i] = pattern(i);
  assert_int_equal(tw_esp_seal(&kit->out, TW_ESP_NEXT_IPV6, packet, len, least), TW_OK);
  return tw_esp_size(len, least);
}

void esp_kit_is_pattern(const uint8_t *payload, size_t len) {
  for (size_t i = 0; i < len; i++) assert_int_equal(payload[i], pattern(i));
}
