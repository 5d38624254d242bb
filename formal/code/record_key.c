/*
 * The keys of records have no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * tw_hkdf_expand_label for labels of 0 to 2 and 248 to 252 characters, contexts of 0, 1 and 254 to 256 bytes, outputs
 * of 64 bytes and of too many: what HKDF gets is initialized and exactly the HkdfLabel, what cannot be written in its
 * lengths is refused. tw_record_key_init for traffic secrets and AEADs of any size that a suite may have, whatever HKDF
 * and the AEAD make of it; move, continue and clear.
 *
 * HKDF, the making of an AEAD key and its end are stubs here: they read and write all that they may, with any outcome.
 *
 * Sources: src/record/record_key.c src/codec/writer.c src/base/secret.c
 * Options: -eva -eva-slevel 1000 -eva-slevel-function main:1,expand:1 -eva-split-return full
 * Options: -metrics -metrics-eva-cover
 * Reaches: 100 tw_hkdf_expand_label tw_record_key_init records_allowed
 * Reaches: 100 tw_record_key_continue tw_record_key_clear tw_record_key_move
 * Mutant: src/record/record_key.c | prefix_len + label_len > 255 | prefix_len + label_len > 256
 * Mutant: src/record/record_key.c | context.len > 255 | context.len > 256
 * Mutant: src/record/record_key.c | len > UINT16_MAX | len > 65536
 * Mutant: src/record/record_key.c | head[2] = (uint8_t)(prefix_len + label_len); | ;
 * Mutant: src/record/record_key.c | uint8_t raw[TW_AEAD_KEY_MAX]; | uint8_t raw[TW_AEAD_KEY_MAX - 1];
 */
#include <string.h>

#include "record/record.h"
#include "stubs/any.h"

struct tw_aead_key {
  int alive;
};

static struct tw_aead_key the_aead;

tw_err tw_hkdf_expand(const tw_env *env, const tw_suite *suite, tw_bytes prk, const tw_bytes *info, size_t count,
                      uint8_t *out, size_t len) {
  (void)env;
  (void)suite;
  /*@ check count == 5; */
  /*@ check prk.len == 0 || \valid_read(prk.ptr + (0 .. prk.len - 1)); */
  /*@ check info[0].len == 3 && \initialized(info[0].ptr + (0 .. 2)); */
  /*@ check info[1].len == 6 && \initialized(info[1].ptr + (0 .. 5)); */
  /*@ check info[2].len == 0 || \initialized(info[2].ptr + (0 .. info[2].len - 1)); */
  /*@ check info[3].len == 1 && \initialized(info[3].ptr + 0); */
  /*@ check info[4].len <= 255 && (info[4].len == 0 || \valid_read(info[4].ptr + (0 .. info[4].len - 1))); */
  /*@ check info[0].ptr[2] == info[1].len + info[2].len; */
  /*@ check info[3].ptr[0] == info[4].len; */
  /*@ check info[0].ptr[0] * 256 + info[0].ptr[1] == len; */
  (void)prk;
  (void)info;
  (void)count;
  any_bytes(out, len);
  return any_bool() ? TW_OK : any_error();
}

tw_err tw_aead_key_new(const tw_env *env, const tw_suite *suite, tw_bytes key, tw_aead_key **out) {
  (void)env;
  (void)suite;
  /*@ check \initialized(key.ptr + (0 .. key.len - 1)); */
  (void)key;
  if (any_bool()) return any_error();
  the_aead.alive = 1;
  *out = &the_aead;
  return TW_OK;
}

void tw_aead_key_free(tw_aead_key *key) {
  if (key != NULL) key->alive = 0;
}

static void expand_to(size_t label_len, size_t context_len, size_t len) {
  static char label[300];
  uint8_t context[256];
  uint8_t out[64];
  memset(label, 'x', label_len);
  label[label_len] = '\0';
  any_bytes(context, sizeof context);
  const tw_err err = tw_hkdf_expand_label(NULL, NULL, TW_BYTES(context, 32), label, TW_BYTES(context, context_len), out,
                                          len);
  /*@ check err == TW_OK ==> label_len <= 249 && context_len <= 255 && len == 64; */
  (void)err;
}

static void expand(size_t label_len) {
  static const size_t context_lens[] = {0, 1, 254, 255, 256};
  /*@ loop unroll 5; */
  for (size_t i = 0; i < 5; i++) expand_to(label_len, context_lens[i], 64);
  expand_to(label_len, 0, any_size((size_t)UINT16_MAX + 1, SIZE_MAX));
}

static tw_err make(tw_record_key *key, uint16_t aead_id, size_t key_size) {
  tw_aead aead = {.id = aead_id, .key_size = key_size};
  tw_suite suite = {.aead = &aead};
  uint8_t secret[64];
  any_bytes(secret, sizeof secret);
  memset(key, 0, sizeof *key);
  const tw_err err = tw_record_key_init(NULL, &suite, TW_BYTES(secret, any_size(0, 64)), key);
  /*@ check err == TW_OK ==> key->aead != \null && key->sequence == 0 && key->limit == key->allowed; */
  /*@ check err != TW_OK ==> key->aead == \null; */
  return err;
}

static void use(uint16_t aead_id, size_t key_size) {
  static const uint64_t sequences[] = {0, 1, UINT64_MAX - 23726567, UINT64_MAX - 23726566, UINT64_MAX - 1, UINT64_MAX};
  tw_record_key a;
  tw_record_key b;
  if (make(&a, aead_id, key_size) != TW_OK || make(&b, aead_id, key_size) != TW_OK) return;
  tw_record_key_move(&a, &b);
  /*@ loop unroll 6; */
  for (size_t i = 0; i < 6; i++) {
    tw_record_key_continue(&a, sequences[i]);
  }
  tw_record_key_clear(&a);
}

int main(void) {
  /*@ loop unroll 3; */
  for (size_t n = 0; n <= 2; n++) expand(n);
  /*@ loop unroll 5; */
  for (size_t n = 248; n <= 252; n++) expand(n);
  use(1, 16);
  use(2, 32);
  use(3, 32);
  return 0;
}
