/* Traffic keys: RFC 8446 sections 5.5, 7.1 and 7.3. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/writer.h"
#include "record/record.h"

/* struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel, section 7.1 */
tw_err tw_hkdf_expand_label(const tw_env *env, const tw_suite *suite, tw_bytes secret, const char *label,
                            tw_bytes context, uint8_t *out, size_t len) {
  static const char prefix[] = "tls13 ";
  const size_t prefix_len = sizeof prefix - 1;
  const size_t label_len = strlen(label);
  if (prefix_len + label_len > 255 || context.len > 255 || len > UINT16_MAX) return TW_ERR_ARGUMENT;
  uint8_t head[3];
  tw_put_u16(head, (uint16_t)len);
  head[2] = (uint8_t)(prefix_len + label_len);
  const uint8_t context_len = (uint8_t)context.len;
  const tw_bytes info[] = {TW_ARRAY(head), TW_BYTES((const uint8_t *)prefix, prefix_len),
                           TW_BYTES((const uint8_t *)label, label_len), TW_BYTES(&context_len, 1), context};
  return tw_hkdf_expand(env, suite, secret, info, sizeof info / sizeof info[0], out, len);
}

enum { AEAD_CHACHA20_POLY1305 = 0x0003 }; /* RFC 9180 section 7.3 */

/* Section 5.5: 2^24.5 full-size records with AES-GCM; with ChaCha20-Poly1305 the sequence number ends first. */
static uint64_t records_allowed(const tw_suite *suite) {
  return suite->aead->id == AEAD_CHACHA20_POLY1305 ? UINT64_MAX : UINT64_C(23726566);
}

tw_err tw_record_key_init(const tw_env *env, const tw_suite *suite, tw_bytes traffic_secret, tw_record_key *key) {
  uint8_t raw[TW_AEAD_KEY_MAX];
  uint8_t iv[TW_AEAD_NONCE];
  tw_aead_key *aead = NULL;
  tw_err err = tw_hkdf_expand_label(env, suite, traffic_secret, "key", TW_NO_BYTES, raw, suite->aead->key_size);
  if (err == TW_OK) err = tw_hkdf_expand_label(env, suite, traffic_secret, "iv", TW_NO_BYTES, iv, sizeof iv);
  if (err == TW_OK) err = tw_aead_key_new(env, suite, TW_BYTES(raw, suite->aead->key_size), &aead);
  if (err == TW_OK) {
    key->aead = aead;
    key->allowed = records_allowed(suite);
    tw_record_key_continue(key, 0);
    memcpy(key->iv, iv, sizeof iv);
  }
  tw_wipe(raw, sizeof raw);
  tw_wipe(iv, sizeof iv);
  return err;
}

void tw_record_key_continue(tw_record_key *key, uint64_t sequence) {
  key->sequence = sequence;
  key->limit = key->allowed < UINT64_MAX - sequence ? sequence + key->allowed : UINT64_MAX;
}

void tw_record_key_clear(tw_record_key *key) {
  tw_aead_key_free(key->aead);
  tw_wipe(key, sizeof *key);
}

void tw_record_key_move(tw_record_key *to, tw_record_key *from) {
  tw_record_key_clear(to);
  *to = *from;
  tw_wipe(from, sizeof *from);
}
