/* PrivateMessage, RFC 9420 section 6.3. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/framing_parts.h"
#include "mls/protect.h"

enum { REUSE_GUARD = 4, SENDER_DATA = 4 + 4 + REUSE_GUARD, SEALED_SENDER_DATA = SENDER_DATA + TW_AEAD_TAG };

/* struct { uint32 leaf_index; uint32 generation; opaque reuse_guard[4]; } SenderData */
typedef struct sender_data {
  uint32_t leaf_index;
  uint32_t generation;
  uint8_t reuse_guard[REUSE_GUARD];
} sender_data;

/* ---- sender data, section 6.3.2 ---- */

tw_err tw_sender_data_key(const tw_env *env, const tw_suite *suite, tw_bytes sender_data_secret, tw_bytes ciphertext,
                          uint8_t key[TW_AEAD_KEY_MAX], uint8_t nonce[TW_AEAD_NONCE]) {
  const size_t size = suite->hash->size;
  const tw_bytes sample = {ciphertext.ptr, ciphertext.len < size ? ciphertext.len : size};
  tw_hmac_key secret;
  tw_hmac_key_init(env, suite, sender_data_secret, &secret);
  tw_err err = tw_expand_with_label_key(env, &secret, TW_LITERAL("key"), sample, key, suite->aead->key_size);
  if (err == TW_OK) err = tw_expand_with_label_key(env, &secret, TW_LITERAL("nonce"), sample, nonce, TW_AEAD_NONCE);
  tw_wipe(&secret, sizeof secret);
  return err;
}

static tw_err seal_sender_data(const tw_env *env, const tw_suite *suite, tw_bytes sender_data_secret,
                               tw_bytes ciphertext, tw_bytes aad, const sender_data *sender,
                               uint8_t out[SEALED_SENDER_DATA]) {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t encoded[SENDER_DATA];
  tw_put_u32(encoded, sender->leaf_index);
  tw_put_u32(encoded + 4, sender->generation);
  memcpy(encoded + 8, sender->reuse_guard, REUSE_GUARD);
  tw_err err = tw_sender_data_key(env, suite, sender_data_secret, ciphertext, key, nonce);
  if (err == TW_OK)
    err = tw_aead_seal(env, suite, TW_BYTES(key, suite->aead->key_size), nonce, aad, TW_ARRAY(encoded), out);
  tw_wipe(key, sizeof key);
  tw_wipe(nonce, sizeof nonce);
  tw_wipe(encoded, sizeof encoded);
  return err;
}

static tw_err open_sender_data(const tw_env *env, const tw_suite *suite, tw_bytes sender_data_secret,
                               tw_bytes ciphertext, tw_bytes aad, tw_bytes sealed, sender_data *out) {
  if (sealed.len != SEALED_SENDER_DATA) return TW_ERR_ENCODING;
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t encoded[SENDER_DATA];
  tw_err err = tw_sender_data_key(env, suite, sender_data_secret, ciphertext, key, nonce);
  if (err == TW_OK) err = tw_aead_open(env, suite, TW_BYTES(key, suite->aead->key_size), nonce, aad, sealed, encoded);
  if (err == TW_OK) {
    tw_reader r = tw_reader_of(TW_ARRAY(encoded));
    out->leaf_index = tw_read_u32(&r);
    out->generation = tw_read_u32(&r);
    memcpy(out->reuse_guard, encoded + 8, REUSE_GUARD);
  }
  tw_wipe(key, sizeof key);
  tw_wipe(nonce, sizeof nonce);
  tw_wipe(encoded, sizeof encoded);
  return err;
}

static void apply_reuse_guard(tw_message_key *key, const uint8_t guard[REUSE_GUARD]) {
  for (size_t i = 0; i < REUSE_GUARD; i++) key->nonce[i] ^= guard[i];
}

/* ---- sealing ---- */

static bool padded_size(size_t len, uint32_t block, size_t *out) {
  const size_t over = len % block;
  const size_t padding = over == 0 ? 0 : block - over;
  if (len > SIZE_MAX - padding - TW_AEAD_TAG) return false;
  *out = len + padding;
  return true;
}

/* Where the fields of a PrivateMessage that is being written stand, counted from the buffer's start. */
typedef struct layout {
  size_t group_id;           /* begins SenderDataAAD and PrivateContentAAD */
  size_t authenticated_data; /* ends SenderDataAAD */
  size_t sender_data;        /* its sealed bytes; PrivateContentAAD ends before their length, at content_aad_end */
  size_t content_aad_end;
  size_t ciphertext;
  size_t plaintext_len; /* with padding */
} layout;

/* The whole message with room for what is sealed; the plaintext stands where the ciphertext will be. */
static tw_err write_unsealed(const tw_content_fields *fields, const tw_content_auth *auth, uint32_t padding_block,
                             tw_buf *out, layout *at) {
  static const uint8_t room[SEALED_SENDER_DATA];
  tw_writer w = tw_writer_to(out);
  tw_write_mls_message_header(&w, TW_WIRE_PRIVATE_MESSAGE);
  at->group_id = out->len;
  tw_write_vector(&w, fields->group_id);
  tw_write_u64(&w, fields->epoch);
  tw_write_u8(&w, fields->content_type);
  at->authenticated_data = out->len;
  tw_write_vector(&w, fields->authenticated_data);
  at->content_aad_end = out->len;
  tw_write_vector(&w, TW_ARRAY(room));
  at->sender_data = out->len - SEALED_SENDER_DATA;
  const tw_vector_mark mark = tw_write_open(&w);
  const size_t start = out->len;
  tw_write_fixed(&w, fields->body);
  tw_write_content_auth(&w, auth, fields->content_type);
  const size_t content_len = out->len - start;
  if (w.err == TW_OK && !padded_size(content_len, padding_block, &at->plaintext_len)) tw_writer_fail(&w, TW_ERR_LIMIT);
  if (w.err == TW_OK) {
    const size_t extra = at->plaintext_len - content_len + TW_AEAD_TAG;
    const tw_err err = tw_buf_reserve(out, extra);
    if (err == TW_OK) {
      memset(out->ptr + out->len, 0, extra);
      out->len += extra;
    } else {
      tw_writer_fail(&w, err);
    }
  }
  tw_write_close(&w, mark);
  at->ciphertext = out->len - at->plaintext_len - TW_AEAD_TAG;
  return tw_writer_end(&w);
}

static tw_err seal_in_place(const tw_env *env, const tw_suite *suite, uint32_t leaf_index, uint8_t content_type,
                            const tw_private_keys *keys, const uint8_t guard[REUSE_GUARD], const layout *at,
                            tw_buf *out) {
  tw_message_key key = {0};
  TW_TRY(tw_secret_tree_next(keys->secret_tree, leaf_index, content_type, &key));
  sender_data sender = {.leaf_index = leaf_index, .generation = key.generation};
  memcpy(sender.reuse_guard, guard, REUSE_GUARD);
  apply_reuse_guard(&key, guard);
  uint8_t *ptr = out->ptr;
  const tw_bytes content_aad = {ptr + at->group_id, at->content_aad_end - at->group_id};
  const tw_bytes sender_aad = {ptr + at->group_id, at->authenticated_data - at->group_id};
  const tw_bytes ciphertext = {ptr + at->ciphertext, at->plaintext_len + TW_AEAD_TAG};
  tw_err err = tw_aead_seal(env, suite, TW_BYTES(key.key, suite->aead->key_size), key.nonce, content_aad,
                            TW_BYTES(ptr + at->ciphertext, at->plaintext_len), ptr + at->ciphertext);
  if (err == TW_OK) {
    err = seal_sender_data(env, suite, keys->sender_data_secret, ciphertext, sender_aad, &sender,
                           ptr + at->sender_data);
  }
  tw_wipe(&key, sizeof key);
  tw_wipe(&sender, sizeof sender);
  return err;
}

tw_err tw_private_message_seal(const tw_env *env, const tw_suite *suite, const tw_content_fields *fields,
                               const tw_content_auth *auth, const tw_private_keys *keys, uint32_t padding_block,
                               tw_buf *out) {
  if (fields->sender.type != TW_SENDER_MEMBER || padding_block == 0) return TW_ERR_ARGUMENT;
  /* What can fail comes before the key, so that a failure uses none up. */
  uint8_t guard[REUSE_GUARD];
  TW_TRY(tw_random(env, guard, sizeof guard));
  const size_t before = out->len;
  layout at = {0};
  TW_TRY(write_unsealed(fields, auth, padding_block, out, &at));
  const tw_err err = seal_in_place(env, suite, fields->sender.index, fields->content_type, keys, guard, &at, out);
  if (err != TW_OK) {
    tw_wipe(out->ptr + before, out->len - before);
    out->len = before;
  }
  return err;
}

/* ---- opening ---- */

/*
 * struct { opaque group_id<V>; uint64 epoch; ContentType content_type; opaque authenticated_data<V>; }
 * PrivateContentAAD
 */
static tw_err write_aad(const tw_private_message *message, tw_buf *out, size_t *sender_aad_len) {
  tw_writer w = tw_writer_to(out);
  tw_write_vector(&w, message->group_id);
  tw_write_u64(&w, message->epoch);
  tw_write_u8(&w, message->content_type);
  *sender_aad_len = out->len; /* SenderDataAAD is all but the last field */
  tw_write_vector(&w, message->authenticated_data);
  return tw_writer_end(&w);
}

static bool all_zero(tw_bytes bytes) {
  unsigned seen = 0;
  for (size_t i = 0; i < bytes.len; i++) seen |= bytes.ptr[i];
  return seen == 0;
}

/* PrivateMessageContent after the head of the FramedContent that it becomes: body, FramedContentAuthData, zeros. */
static tw_err parse_content(tw_bytes encoded, uint8_t content_type, tw_unverified_content *out) {
  tw_reader r = tw_reader_of(encoded);
  tw_unverified_content next = {.wire_format = TW_WIRE_PRIVATE_MESSAGE};
  next.content = tw_read_framed_content(&r);
  next.auth = tw_read_content_auth(&r, content_type);
  const tw_bytes padding = tw_read_rest(&r);
  TW_TRY(tw_reader_end(&r));
  if (!all_zero(padding)) return TW_ERR_ENCODING;
  *out = next;
  return TW_OK;
}

/* Appends the FramedContent's head and the decrypted content. */
static tw_err open_content(const tw_env *env, const tw_suite *suite, const tw_private_message *message,
                           const tw_private_keys *keys, tw_bytes aad, const sender_data *sender, tw_buf *plaintext) {
  const tw_content_fields fields = {.group_id = message->group_id,
                                    .epoch = message->epoch,
                                    .sender = {TW_SENDER_MEMBER, sender->leaf_index},
                                    .authenticated_data = message->authenticated_data,
                                    .content_type = message->content_type};
  if (message->ciphertext.len < TW_AEAD_TAG) return TW_ERR_DECRYPT;
  const size_t content_len = message->ciphertext.len - TW_AEAD_TAG;
  tw_writer w = tw_writer_to(plaintext);
  tw_write_framed_content_head(&w, &fields);
  TW_TRY(tw_writer_end(&w));
  TW_TRY(tw_buf_reserve(plaintext, content_len));
  tw_message_key key = {0};
  tw_err err = tw_secret_tree_find(keys->secret_tree, sender->leaf_index, message->content_type, sender->generation,
                                   &key);
  if (err == TW_OK) {
    apply_reuse_guard(&key, sender->reuse_guard);
    err = tw_aead_open(env, suite, TW_BYTES(key.key, suite->aead->key_size), key.nonce, aad, message->ciphertext,
                       plaintext->ptr + plaintext->len);
  }
  if (err == TW_OK) plaintext->len += content_len;
  tw_wipe(&key, sizeof key);
  return err;
}

static bool content_type_known(uint8_t content_type) {
  return content_type >= TW_CONTENT_APPLICATION && content_type <= TW_CONTENT_COMMIT;
}

tw_err tw_private_message_open(const tw_env *env, const tw_suite *suite, const tw_private_message *message,
                               const tw_private_keys *keys, tw_buf *plaintext, tw_unverified_content *out,
                               uint32_t *generation) {
  if (!content_type_known(message->content_type)) return TW_ERR_ENCODING;
  const size_t before = plaintext->len;
  tw_buf aad = TW_BUF_INIT(tw_env_alloc(env));
  size_t sender_aad_len = 0;
  sender_data sender = {0};
  tw_err err = write_aad(message, &aad, &sender_aad_len);
  if (err == TW_OK) {
    err = open_sender_data(env, suite, keys->sender_data_secret, message->ciphertext, TW_BYTES(aad.ptr, sender_aad_len),
                           message->encrypted_sender_data, &sender);
  }
  if (err == TW_OK) err = open_content(env, suite, message, keys, tw_buf_bytes(&aad), &sender, plaintext);
  if (err == TW_OK) {
    err = parse_content(TW_BYTES(plaintext->ptr + before, plaintext->len - before), message->content_type, out);
  }
  if (err == TW_OK) {
    *generation = sender.generation;
  } else if (plaintext->ptr != NULL) {
    tw_wipe(plaintext->ptr + before, plaintext->len - before);
    plaintext->len = before;
  }
  tw_buf_clear(&aad);
  return err;
}
