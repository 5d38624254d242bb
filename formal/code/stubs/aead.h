/* A provider's AEAD as the contract in crypto/provider.h has it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FORMAL_AEAD_H
#define TW_FORMAL_AEAD_H

#include "crypto/provider.h"
#include "stubs/any.h"

/* Writes all that it may write, whatever the outcome; asks for all that it may read. */
static tw_err any_aead_open(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  (void)key;
  /*@ check \initialized(nonce + (0 .. TW_AEAD_NONCE - 1)); */
  /*@ check aad.len == 0 || \initialized(aad.ptr + (0 .. aad.len - 1)); */
  /*@ check ciphertext.len >= TW_AEAD_TAG && \initialized(ciphertext.ptr + (0 .. ciphertext.len - 1)); */
  (void)nonce;
  (void)aad;
  any_bytes(out, ciphertext.len - TW_AEAD_TAG);
  return any_bool() ? TW_OK : any_error();
}

static tw_err any_aead_seal(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  (void)key;
  /*@ check \initialized(nonce + (0 .. TW_AEAD_NONCE - 1)); */
  /*@ check aad.len == 0 || \initialized(aad.ptr + (0 .. aad.len - 1)); */
  /*@ check plaintext.len == 0 || \initialized(plaintext.ptr + (0 .. plaintext.len - 1)); */
  (void)nonce;
  (void)aad;
  any_bytes(out, plaintext.len + TW_AEAD_TAG);
  return any_bool() ? TW_OK : any_error();
}

static const tw_provider_ops any_aead = {.aead_key_open = any_aead_open, .aead_key_seal = any_aead_seal};

#endif
