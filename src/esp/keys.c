/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/keys.h"

#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"

/* struct { uint32 leaf_index; uint16 lane; opaque connection[]; uint8 again[again > 0]; } context */
enum { CONTEXT_MIN = 6, CONTEXT_MAX = CONTEXT_MIN + TW_ESP_CONNECTION_MAX + 1 };

/* Different for different senders as far as there are values: by the end of the group's id, which is random, and the
 * sender's place in the group. */
static uint32_t place_of(const tw_group *group, uint32_t leaf_index, uint16_t lane) {
  const tw_bytes id = tw_group_id(group);
  const uint32_t last = id.len > 0 ? id.ptr[id.len - 1] : 0;
  return (last + leaf_index + lane) % TW_ESP_PLACES;
}

/* struct { uint32 spi; opaque key[Nk]; opaque salt[4]; } */
static tw_err export_once(const tw_group *group, tw_bytes context, uint32_t place, tw_esp_keys *keys) {
  uint8_t raw[4 + TW_AEAD_KEY_MAX + TW_ESP_SALT];
  const size_t key_size = keys->suite->aead->key_size;
  const size_t len = 4 + key_size + TW_ESP_SALT;
  const tw_err err = tw_group_export(group, TW_LITERAL("treewire esp"), context, raw, len);
  if (err == TW_OK) {
    tw_reader r = tw_reader_of(TW_BYTES(raw, 4));
    keys->spi = tw_read_u32(&r) / TW_ESP_PLACES * TW_ESP_PLACES + place;
    memcpy(keys->key, raw + 4, key_size);
    memcpy(keys->salt, raw + 4 + key_size, TW_ESP_SALT);
  }
  tw_wipe(raw, sizeof raw);
  return err;
}

tw_err tw_esp_keys_derive(const tw_group *group, uint32_t leaf_index, uint16_t lane, tw_bytes connection,
                          tw_esp_keys *keys) {
  uint8_t context[CONTEXT_MAX];
  if (connection.len > TW_ESP_CONNECTION_MAX) return TW_ERR_ARGUMENT;
  const size_t len = CONTEXT_MIN + connection.len;
  const uint32_t place = place_of(group, leaf_index, lane);
  tw_put_u32(context, leaf_index);
  tw_put_u16(context + 4, lane);
  if (connection.len > 0) memcpy(context + CONTEXT_MIN, connection.ptr, connection.len);
  memset(keys, 0, sizeof *keys);
  keys->suite = tw_group_suite(group);
  tw_err err = TW_OK;
  /* An SPI is a reserved one once in 2^24 times. */
  for (unsigned again = 0; err == TW_OK && keys->spi < TW_ESP_SPI_MIN; again++) {
    context[len] = (uint8_t)again;
    if (again > UINT8_MAX)
      err = TW_ERR_INTERNAL;
    else
      err = export_once(group, TW_BYTES(context, again == 0 ? len : len + 1), place, keys);
  }
  if (err != TW_OK) tw_esp_keys_clear(keys);
  return err;
}

void tw_esp_keys_clear(tw_esp_keys *keys) { tw_wipe(keys, sizeof *keys); }
