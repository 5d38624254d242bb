/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/psk.h"

#include "codec/writer.h"

static const uint8_t zeros[TW_HASH_MAX];

/* struct { PreSharedKeyID id; uint16 index; uint16 count; } PSKLabel */
static tw_err write_psk_label(tw_buf *out, const tw_psk_id *id, uint16_t index, uint16_t count) {
  tw_writer w = tw_writer_to(out);
  tw_write_psk_id(&w, id);
  tw_write_u16(&w, index);
  tw_write_u16(&w, count);
  return tw_writer_end(&w);
}

/* psk_input_[i] */
static tw_err psk_input(const tw_env *env, const tw_suite *suite, const tw_psk *psk, tw_bytes label, tw_secret *out) {
  const uint8_t size = suite->hash->size;
  tw_secret extracted = {0};
  tw_err err = tw_hkdf_extract(env, suite, TW_BYTES(zeros, size), psk->secret, &extracted);
  if (err == TW_OK) {
    out->len = size;
    err = tw_expand_with_label(env, suite, tw_secret_bytes(&extracted), TW_LITERAL("derived psk"), label, out->data,
                               size);
  }
  tw_secret_clear(&extracted);
  return err;
}

tw_err tw_psk_secret(const tw_env *env, const tw_suite *suite, const tw_psk *psks, size_t count, tw_secret *out) {
  if (count > UINT16_MAX) return TW_ERR_LIMIT;
  tw_secret secret = {.len = suite->hash->size};
  tw_secret input = {0};
  tw_secret next = {0};
  tw_buf label = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = TW_OK;
  for (size_t i = 0; i < count && err == TW_OK; i++) {
    label.len = 0;
    err = write_psk_label(&label, &psks[i].id, (uint16_t)i, (uint16_t)count);
    if (err == TW_OK) err = psk_input(env, suite, &psks[i], tw_buf_bytes(&label), &input);
    if (err == TW_OK) err = tw_hkdf_extract(env, suite, tw_secret_bytes(&input), tw_secret_bytes(&secret), &next);
    if (err == TW_OK) secret = next;
  }
  if (err == TW_OK) *out = secret;
  tw_secret_clear(&secret);
  tw_secret_clear(&input);
  tw_secret_clear(&next);
  tw_buf_clear(&label);
  return err;
}
