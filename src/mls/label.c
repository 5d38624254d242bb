/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/label.h"

#include <string.h>

#include "codec/writer.h"

#define PREFIX "MLS 1.0 "
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define VECTOR_MAX 0x3fffffffu
/* RFC 5869: HKDF-Expand gives 255 blocks at most. */
#define EXPAND_BLOCKS 255u

/* The length of `label` with the prefix, and the prefix: what every labelled structure begins with. */
static size_t put_label_head(uint8_t *out, tw_bytes label) {
  const size_t size = tw_put_varint(out, PREFIX_LEN + label.len);
  memcpy(out + size, PREFIX, PREFIX_LEN);
  return size + PREFIX_LEN;
}

static bool label_fits(tw_bytes label) { return label.len <= VECTOR_MAX - PREFIX_LEN; }

enum { KDF_LABEL_PARTS = 4 };

/*
 * struct { uint16 length; opaque label<V>; opaque context<V>; } KDFLabel, section 8: as parts, so that nothing is
 * copied
 */
typedef struct kdf_label {
  uint8_t head[2 + 4 + PREFIX_LEN];
  uint8_t context_len[4];
  tw_bytes parts[KDF_LABEL_PARTS];
} kdf_label;

static tw_err make_kdf_label(const tw_hash *hash, tw_bytes label, tw_bytes context, size_t len, kdf_label *out) {
  if (len > (size_t)EXPAND_BLOCKS * hash->size || !label_fits(label) || context.len > VECTOR_MAX)
    return TW_ERR_ARGUMENT;
  tw_put_u16(out->head, (uint16_t)len);
  out->parts[0] = TW_BYTES(out->head, 2 + put_label_head(out->head + 2, label));
  out->parts[1] = label;
  out->parts[2] = TW_BYTES(out->context_len, tw_put_varint(out->context_len, context.len));
  out->parts[3] = context;
  return TW_OK;
}

tw_err tw_expand_with_label(const tw_env *env, const tw_suite *suite, tw_bytes secret, tw_bytes label, tw_bytes context,
                            uint8_t *out, size_t len) {
  kdf_label info;
  TW_TRY(make_kdf_label(suite->hash, label, context, len, &info));
  return tw_hkdf_expand(env, suite, secret, info.parts, KDF_LABEL_PARTS, out, len);
}

tw_err tw_expand_with_label_key(const tw_env *env, const tw_hmac_key *key, tw_bytes label, tw_bytes context,
                                uint8_t *out, size_t len) {
  kdf_label info;
  TW_TRY(make_kdf_label(key->hash, label, context, len, &info));
  return tw_hkdf_expand_with_key(env, key, info.parts, KDF_LABEL_PARTS, out, len);
}

tw_err tw_derive_key_secret(const tw_env *env, const tw_hmac_key *key, tw_bytes label, tw_secret *out) {
  tw_secret next = {.len = key->hash->size};
  const tw_err err = tw_expand_with_label_key(env, key, label, TW_NO_BYTES, next.data, next.len);
  if (err == TW_OK) *out = next;
  tw_secret_clear(&next);
  return err;
}

tw_err tw_derive_secret(const tw_env *env, const tw_suite *suite, tw_bytes secret, tw_bytes label, tw_secret *out) {
  tw_hmac_key key;
  tw_hmac_key_init(env, suite, secret, &key);
  const tw_err err = tw_derive_key_secret(env, &key, label, out);
  tw_wipe(&key, sizeof key);
  return err;
}

tw_err tw_derive_tree_secret(const tw_env *env, const tw_suite *suite, tw_bytes secret, tw_bytes label,
                             uint32_t generation, uint8_t *out, size_t len) {
  uint8_t context[4];
  tw_put_u32(context, generation);
  return tw_expand_with_label(env, suite, secret, label, TW_ARRAY(context), out, len);
}

static bool add_part(size_t *total, tw_bytes part) {
  if (part.len > VECTOR_MAX - *total) return false;
  *total += part.len;
  return true;
}

/* struct { opaque label<V>; opaque content<V>; }: SignContent and EncryptContext, sections 5.1.2 and 5.1.3 */
static tw_err write_labelled(const tw_env *env, tw_bytes label, const tw_bytes *parts, size_t count, tw_buf *out) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    if (!add_part(&total, parts[i])) return TW_ERR_LIMIT;
  }
  if (!label_fits(label)) return TW_ERR_ARGUMENT;
  uint8_t head[4 + PREFIX_LEN];
  const size_t head_len = put_label_head(head, label);
  out->alloc = tw_env_alloc(env);
  TW_TRY(tw_buf_reserve(out, head_len + label.len + tw_varint_size(total) + total));
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, TW_BYTES(head, head_len));
  tw_write_fixed(&w, label);
  tw_write_varint(&w, total);
  for (size_t i = 0; i < count; i++) tw_write_fixed(&w, parts[i]);
  return tw_writer_end(&w);
}

tw_err tw_sign_with_label(const tw_env *env, const tw_signer *signer, tw_bytes label, const tw_bytes *parts,
                          size_t count, tw_buf *signature) {
  tw_buf content = {0};
  tw_err err = write_labelled(env, label, parts, count, &content);
  if (err == TW_OK) err = tw_sign(env, signer, tw_buf_bytes(&content), signature);
  tw_buf_clear(&content);
  return err;
}

tw_err tw_verify_with_label(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes label,
                            const tw_bytes *parts, size_t count, tw_bytes signature) {
  tw_buf content = {0};
  tw_err err = write_labelled(env, label, parts, count, &content);
  if (err == TW_OK) err = tw_verify(env, suite, public_key, tw_buf_bytes(&content), signature);
  tw_buf_clear(&content);
  return err;
}

/* EncryptContext, section 5.1.3, as HPKE's info */
tw_err tw_encrypt_info(const tw_env *env, const tw_suite *suite, tw_bytes label, tw_bytes context, tw_hpke_info *out) {
  if (!label_fits(label) || context.len > VECTOR_MAX) return TW_ERR_ARGUMENT;
  uint8_t head[4 + PREFIX_LEN];
  uint8_t context_len[4];
  const tw_bytes parts[] = {
      {head, put_label_head(head, label)}, label, {context_len, tw_put_varint(context_len, context.len)}, context};
  return tw_hpke_info_of(env, suite, parts, sizeof parts / sizeof parts[0], out);
}

tw_err tw_encrypt_with_label(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes label,
                             tw_bytes context, tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext) {
  tw_hpke_info info;
  TW_TRY(tw_encrypt_info(env, suite, label, context, &info));
  return tw_hpke_seal_with(env, suite, public_key, &info, TW_NO_BYTES, plaintext, kem_output, ciphertext);
}

tw_err tw_decrypt_with_label(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_bytes public_key,
                             tw_bytes label, tw_bytes context, tw_bytes kem_output, tw_bytes ciphertext,
                             tw_buf *plaintext) {
  tw_hpke_info info;
  TW_TRY(tw_encrypt_info(env, suite, label, context, &info));
  return tw_hpke_open_with(env, suite, private_key, public_key, kem_output, &info, TW_NO_BYTES, ciphertext, plaintext);
}

/* struct { opaque label<V>; opaque value<V>; } RefHashInput, section 5.2 */
tw_err tw_ref_hash(const tw_env *env, const tw_suite *suite, tw_bytes label, tw_bytes value, uint8_t *out) {
  if (label.len > VECTOR_MAX || value.len > VECTOR_MAX) return TW_ERR_ARGUMENT;
  uint8_t label_len[4];
  uint8_t value_len[4];
  const tw_bytes parts[] = {
      {label_len, tw_put_varint(label_len, label.len)}, label, {value_len, tw_put_varint(value_len, value.len)}, value};
  return tw_hash_parts(env, suite, parts, sizeof parts / sizeof parts[0], out);
}
