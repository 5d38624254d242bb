/* Values in the files: sealed, or in clear with a checksum. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/suites.h"
#include "store/store_internal.h"

enum { CHECK = 16, VALUE_SALT = 32, KEY = 32, PADDING = 512 };

/* The files outlive a change of the default suite: of this one only its AEAD and hash are used. */
static const tw_suite algorithms = {.name = "state", .hash = &tw_hash_sha384, .aead = &tw_aead_aes256gcm};

/*
 * struct {
 *   opaque label[14] = "treewire state"; opaque name[16]; uint8 kind; opaque id<0..255>;
 * } Place                          -- authenticated with each value
 */
static tw_err write_place(const tw_store_seal *seal, unsigned kind, tw_bytes id, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, TW_LITERAL("treewire state"));
  tw_write_fixed(&w, TW_ARRAY(seal->name));
  tw_write_u8(&w, (uint8_t)kind);
  tw_write_vector8(&w, id);
  return tw_writer_end(&w);
}

/* Key and nonce of one value: as many values as there ever are do not use up a key. */
static tw_err value_key(const tw_env *env, const tw_store_seal *seal, tw_bytes salt, uint8_t out[KEY + TW_AEAD_NONCE]) {
  const tw_bytes info[] = {TW_LITERAL("treewire state value"), salt};
  return tw_hkdf_expand_with_key(env, &seal->prk, info, 2, out, KEY + TW_AEAD_NONCE);
}

static tw_err checksum(const tw_env *env, tw_bytes place, tw_bytes value, uint8_t out[CHECK]) {
  const tw_bytes parts[] = {place, value};
  uint8_t hash[TW_HASH_MAX];
  TW_TRY(tw_hash_parts(env, &algorithms, parts, 2, hash));
  memcpy(out, hash, CHECK);
  tw_wipe(hash, sizeof hash);
  return TW_OK;
}

/*
 * Values are filled up, so that one that takes another's place mostly has its length: SQLite then writes over it where
 * it lies, which is half of the pages, and what is sealed tells less about lengths.
 */
static tw_err append_padded(tw_buf *out, tw_bytes value) {
  const size_t padding = PADDING - value.len % PADDING; /* at least 1 */
  TW_TRY(tw_buf_reserve(out, value.len + padding + TW_AEAD_TAG));
  TW_TRY(tw_buf_append(out, value));
  memset(out->ptr + out->len, 0, padding);
  out->ptr[out->len] = 1;
  out->len += padding;
  return TW_OK;
}

static tw_err strip_padding(tw_buf *value) {
  size_t len = value->len;
  while (len > 0 && value->ptr[len - 1] == 0) len--;
  if (len == 0 || value->ptr[len - 1] != 1) return TW_ERR_ENCODING;
  value->len = len - 1;
  return TW_OK;
}

static tw_err append_sealed(const tw_env *env, const tw_store_seal *seal, tw_bytes place, tw_bytes value, tw_buf *out) {
  uint8_t salt[VALUE_SALT];
  uint8_t key[KEY + TW_AEAD_NONCE];
  TW_TRY(tw_random(env, salt, sizeof salt));
  TW_TRY(tw_buf_append(out, TW_ARRAY(salt)));
  const size_t start = out->len;
  TW_TRY(append_padded(out, value));
  TW_TRY(value_key(env, seal, TW_ARRAY(salt), key));
  const tw_bytes plaintext = TW_BYTES(out->ptr + start, out->len - start);
  const tw_err err = tw_aead_seal(env, &algorithms, TW_BYTES(key, KEY), key + KEY, place, plaintext, out->ptr + start);
  if (err == TW_OK) out->len += TW_AEAD_TAG;
  tw_wipe(key, sizeof key);
  return err;
}

static tw_err append_clear(const tw_env *env, tw_bytes place, tw_bytes value, tw_buf *out) {
  uint8_t check[CHECK] = {0};
  const size_t start = out->len;
  TW_TRY(tw_buf_append(out, TW_ARRAY(check)));
  TW_TRY(append_padded(out, value));
  return checksum(env, place, TW_BYTES(out->ptr + start + CHECK, out->len - start - CHECK), out->ptr + start);
}

/*
 * struct {
 *   uint8 sealed;                    -- 0 or 1
 *   select (sealed) {
 *     case 0: opaque check[16]; PaddedValue;             -- the hash of Place and PaddedValue
 *     case 1: opaque salt[32]; opaque ciphertext[rest];  -- of PaddedValue: AES-256-GCM, key and nonce of the salt,
 *   };                                                      Place as AAD
 * } StoredValue;
 * struct { opaque value[…]; uint8 end = 1; uint8 zeros[…]; } PaddedValue;  -- a multiple of 512 bytes
 */
tw_err tw_store_value_close(const tw_env *env, const tw_store_seal *seal, unsigned kind, tw_bytes id, tw_bytes value,
                            tw_buf *out) {
  const uint8_t sealed = seal->protection != TW_STORE_CLEAR;
  tw_buf place = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = write_place(seal, kind, id, &place);
  if (err == TW_OK) err = tw_buf_assign(out, TW_BYTES(&sealed, 1));
  if (err == TW_OK)
    err = sealed != 0 ? append_sealed(env, seal, tw_buf_bytes(&place), value, out)
                      : append_clear(env, tw_buf_bytes(&place), value, out);
  tw_buf_clear(&place);
  return err;
}

static tw_err open_sealed(const tw_env *env, const tw_store_seal *seal, tw_bytes place, tw_reader *r, tw_buf *out) {
  const tw_bytes salt = tw_read_fixed(r, VALUE_SALT);
  const tw_bytes ciphertext = tw_read_rest(r);
  TW_TRY(tw_reader_end(r));
  if (ciphertext.len < TW_AEAD_TAG) return TW_ERR_TRUNCATED;
  uint8_t key[KEY + TW_AEAD_NONCE];
  tw_err err = tw_buf_reserve(out, ciphertext.len);
  if (err == TW_OK) err = value_key(env, seal, salt, key);
  if (err == TW_OK) err = tw_aead_open(env, &algorithms, TW_BYTES(key, KEY), key + KEY, place, ciphertext, out->ptr);
  if (err == TW_OK) out->len = ciphertext.len - TW_AEAD_TAG;
  tw_wipe(key, sizeof key);
  return err;
}

static tw_err open_clear(const tw_env *env, tw_bytes place, tw_reader *r, tw_buf *out) {
  uint8_t check[CHECK];
  const tw_bytes stored = tw_read_fixed(r, CHECK);
  const tw_bytes value = tw_read_rest(r);
  TW_TRY(tw_reader_end(r));
  TW_TRY(checksum(env, place, value, check));
  if (!tw_secret_equal(stored, TW_ARRAY(check))) return TW_ERR_ENCODING;
  return tw_buf_append(out, value);
}

tw_err tw_store_value_open(const tw_env *env, const tw_store_seal *seal, unsigned kind, tw_bytes id, tw_bytes stored,
                           tw_buf *out) {
  const bool sealed = seal->protection != TW_STORE_CLEAR;
  tw_buf place = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf value = TW_BUF_INIT(tw_env_alloc(env));
  tw_reader r = tw_reader_of(stored);
  tw_err err = write_place(seal, kind, id, &place);
  if (err == TW_OK && tw_read_u8(&r) != (sealed ? 1 : 0)) err = TW_ERR_ENCODING;
  if (err == TW_OK)
    err = sealed ? open_sealed(env, seal, tw_buf_bytes(&place), &r, &value)
                 : open_clear(env, tw_buf_bytes(&place), &r, &value);
  if (err == TW_OK) err = strip_padding(&value);
  tw_buf_clear(&place);
  if (err != TW_OK) {
    tw_buf_clear(&value);
    return err;
  }
  tw_buf_clear(out);
  *out = value;
  return TW_OK;
}

/*
 * struct {
 *   opaque name[16]; uint8 protection;          -- 0 clear, 1 key file, 2 passphrase
 *   opaque salt[16]; uint32 memory_kib, passes, lanes;   -- of Argon2id; zero unless passphrase
 *   opaque check<V>;                            -- StoredValue: nothing, as kind 0
 * } Seal
 */
static void write_head(tw_writer *w, const tw_store_seal *seal) {
  tw_write_fixed(w, TW_ARRAY(seal->name));
  tw_write_u8(w, (uint8_t)seal->protection);
  tw_write_fixed(w, TW_ARRAY(seal->salt));
  tw_write_u32(w, seal->cost.memory_kib);
  tw_write_u32(w, seal->cost.passes);
  tw_write_u32(w, seal->cost.lanes);
}

tw_err tw_store_seal_encode(const tw_env *env, const tw_store_seal *seal, tw_buf *out) {
  tw_buf check = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_store_value_close(env, seal, 0, TW_LITERAL("seal"), TW_NO_BYTES, &check);
  if (err == TW_OK) {
    tw_buf_clear(out);
    tw_writer w = tw_writer_to(out);
    write_head(&w, seal);
    tw_write_vector(&w, tw_buf_bytes(&check));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&check);
  return err;
}

static tw_err parse(tw_bytes encoded, tw_store_seal *seal, tw_bytes *check) {
  tw_reader r = tw_reader_of(encoded);
  const tw_bytes name = tw_read_fixed(&r, TW_STORE_NAME);
  const uint8_t protection = tw_read_u8(&r);
  const tw_bytes salt = tw_read_fixed(&r, TW_STORE_SALT);
  *seal = (tw_store_seal){.protection = (tw_store_protection)protection};
  seal->cost.memory_kib = tw_read_u32(&r);
  seal->cost.passes = tw_read_u32(&r);
  seal->cost.lanes = tw_read_u32(&r);
  *check = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  if (protection > TW_STORE_PASSPHRASE) return TW_ERR_ENCODING;
  memcpy(seal->name, name.ptr, TW_STORE_NAME);
  memcpy(seal->salt, salt.ptr, TW_STORE_SALT);
  return TW_OK;
}

tw_err tw_store_seal_decode(const tw_env *env, tw_bytes encoded, const tw_store_key *key, tw_store_seal *seal,
                            tw_report *report) {
  tw_store_seal found;
  tw_bytes check;
  if (parse(encoded, &found, &check) != TW_OK)
    return tw_report_fail(report, TW_ERR_ENCODING, "the state is damaged: its seal is not valid");
  TW_TRY(tw_store_seal_derive(env, key, &found, report));
  tw_buf nothing = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_store_value_open(env, &found, 0, TW_LITERAL("seal"), check, &nothing);
  if (err == TW_OK && nothing.len != 0) err = TW_ERR_ENCODING;
  tw_buf_clear(&nothing);
  if (err == TW_OK)
    *seal = found;
  else if (err == TW_ERR_DECRYPT)
    err = tw_report_fail(report, TW_ERR_KEY, "this is not the key that the state is sealed with");
  else if (tw_err_class_of(err) == TW_CLASS_MALFORMED)
    err = tw_report_fail(report, TW_ERR_ENCODING, "the state is damaged: its seal is not valid");
  else
    err = tw_report_fail(report, err, "%s", tw_err_text(err));
  tw_wipe(&found, sizeof found);
  return err;
}
