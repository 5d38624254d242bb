/* Security associations: their keys, numbers and limits. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "esp/esp.h"

enum { AEAD_CHACHA20_POLY1305 = 0x0003 }; /* RFC 9180 section 7.3 */

/* How the values come about stands in docs/protocols.md. */
const tw_esp_limits *tw_esp_limits_of(const tw_suite *suite) {
  static const tw_esp_limits aes_gcm = {.packets = UINT64_C(1) << 32,
                                        .bytes = UINT64_C(1) << 40,
                                        .rekey_packets = UINT64_C(1) << 31,
                                        .rekey_bytes = UINT64_C(1) << 39,
                                        .forged = UINT64_C(1) << 36};
  static const tw_esp_limits chacha20_poly1305 = {.packets = UINT64_C(1) << 46,
                                                  .bytes = UINT64_C(1) << 62,
                                                  .rekey_packets = UINT64_C(1) << 45,
                                                  .rekey_bytes = UINT64_C(1) << 61,
                                                  .forged = UINT64_C(1) << 34};
  return suite->aead->id == AEAD_CHACHA20_POLY1305 ? &chacha20_poly1305 : &aes_gcm;
}

static tw_err new_key(const tw_env *env, const tw_esp_keys *keys, tw_aead_key **aead) {
  return tw_aead_key_new(env, keys->suite, TW_BYTES(keys->key, keys->suite->aead->key_size), aead);
}

tw_err tw_esp_out_init(const tw_env *env, const tw_esp_keys *keys, tw_esp_mark from, tw_esp_out *out) {
  if (from.next == 0) return TW_ERR_ARGUMENT;
  tw_aead_key *aead;
  TW_TRY(new_key(env, keys, &aead));
  *out = (tw_esp_out){.aead = aead,
                      .next = from.next,
                      .reserved = from.next,
                      .bytes = from.bytes,
                      .limits = *tw_esp_limits_of(keys->suite),
                      .spi = keys->spi};
  memcpy(out->salt, keys->salt, TW_ESP_SALT);
  return TW_OK;
}

static void clear_others(tw_esp_out *out) {
  while (out->others_count > 0) tw_aead_key_free(out->others[--out->others_count]);
}

tw_err tw_esp_out_share(const tw_env *env, const tw_esp_keys *keys, unsigned threads, tw_esp_out *out) {
  if (threads == 0 || threads > TW_ESP_THREADS_MAX) return TW_ERR_ARGUMENT;
  while (out->others_count + 1U < threads) {
    const tw_err err = new_key(env, keys, &out->others[out->others_count]);
    if (err != TW_OK) {
      clear_others(out);
      return err;
    }
    out->others_count++;
  }
  return TW_OK;
}

void tw_esp_out_clear(tw_esp_out *out) {
  tw_aead_key_free(out->aead);
  clear_others(out);
  tw_wipe(out, sizeof *out);
}

/* The number after the last one that the limit allows. The last number of all is never used, so that none wraps. */
static uint64_t end_of(const tw_esp_limits *limits) {
  return limits->packets < UINT64_MAX ? limits->packets + 1 : UINT64_MAX;
}

tw_esp_mark tw_esp_out_reserve(const tw_esp_out *out, uint64_t count) {
  const uint64_t end = end_of(&out->limits);
  const uint64_t room = out->reserved < end ? end - out->reserved : 0;
  tw_esp_mark mark = {.next = out->reserved + (count < room ? count : room), .bytes = UINT64_MAX};
  const uint64_t packets = mark.next > out->next ? mark.next - out->next : 0;
  if (packets <= (UINT64_MAX - out->bytes) / TW_ESP_PACKET_MAX) mark.bytes = out->bytes + packets * TW_ESP_PACKET_MAX;
  return mark;
}

tw_err tw_esp_out_extend(tw_esp_out *out, tw_esp_mark saved) {
  if (saved.next < out->reserved) return TW_ERR_ARGUMENT;
  out->reserved = saved.next;
  return TW_OK;
}

bool tw_esp_out_wants_rekey(const tw_esp_out *out) {
  return TW_SHARED_LOAD(&out->next) > out->limits.rekey_packets ||
         TW_SHARED_LOAD(&out->bytes) >= out->limits.rekey_bytes;
}

bool tw_esp_out_is_used_up(const tw_esp_out *out) {
  return TW_SHARED_LOAD(&out->next) >= end_of(&out->limits) || TW_SHARED_LOAD(&out->bytes) >= out->limits.bytes;
}

tw_err tw_esp_in_init(const tw_env *env, const tw_esp_keys *keys, uint64_t highest, tw_esp_in *in) {
  tw_aead_key *aead;
  TW_TRY(new_key(env, keys, &aead));
  *in = (tw_esp_in){.aead = aead, .limits = *tw_esp_limits_of(keys->suite), .spi = keys->spi};
  memcpy(in->salt, keys->salt, TW_ESP_SALT);
  tw_esp_window_start(&in->window, highest);
  return TW_OK;
}

void tw_esp_in_clear(tw_esp_in *in) {
  tw_aead_key_free(in->aead);
  tw_wipe(in, sizeof *in);
}

bool tw_esp_in_wants_rekey(const tw_esp_in *in) { return in->forged >= in->limits.forged / 2; }
