/*
 * SHA-2 and HMAC on libcrypto's direct SHA-2 functions. SPDX-License-Identifier: Apache-2.0
 *
 * Those are marked as deprecated since 3.0 in favour of EVP. They are used here, and nowhere else, for three reasons:
 * their state lies on our stack and is wiped, whereas an EVP_MD_CTX keeps the state of the last message; the state
 * after HMAC's padded key can be kept and taken up again; and each hash is 30 ns faster, of about 200 that one block
 * takes. They use the same assembler as EVP and cannot fail.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>

#include "crypto/openssl/ossl.h"

enum { BLOCK_MAX = 128, INNER_PAD = 0x36, OUTER_PAD = 0x5c };

typedef struct sha2 {
  union {
    SHA256_CTX small;
    SHA512_CTX large;
  } u;
  bool is_small;
} sha2;

static void sha2_start(sha2 *state, const tw_hash *hash) {
  state->is_small = hash->id == TW_HASH_SHA256;
  if (state->is_small) {
    (void)SHA256_Init(&state->u.small);
  } else if (hash->id == TW_HASH_SHA384) {
    (void)SHA384_Init(&state->u.large);
  } else {
    (void)SHA512_Init(&state->u.large);
  }
}

static void sha2_add(sha2 *state, tw_bytes bytes) {
  if (bytes.len == 0) return;
  if (state->is_small) {
    (void)SHA256_Update(&state->u.small, bytes.ptr, bytes.len);
  } else {
    (void)SHA512_Update(&state->u.large, bytes.ptr, bytes.len);
  }
}

static void sha2_finish(sha2 *state, uint8_t *out) {
  if (state->is_small) {
    (void)SHA256_Final(out, &state->u.small);
  } else {
    (void)SHA512_Final(out, &state->u.large); /* of SHA-384 as well: the length stands in the state */
  }
}

/* The chaining value after whole blocks, and back. */
static void sha2_save(const sha2 *state, uint64_t words[8]) {
  for (size_t i = 0; i < 8; i++) words[i] = state->is_small ? state->u.small.h[i] : state->u.large.h[i];
}

static void sha2_restore(sha2 *state, const tw_hash *hash, const uint64_t words[8]) {
  sha2_start(state, hash);
  if (state->is_small) {
    for (size_t i = 0; i < 8; i++) state->u.small.h[i] = (SHA_LONG)words[i];
    state->u.small.Nl = 8u * hash->block;
  } else {
    for (size_t i = 0; i < 8; i++) state->u.large.h[i] = words[i];
    state->u.large.Nl = 8u * hash->block;
  }
}

tw_err tw_ossl_hash(tw_provider *provider, const tw_hash *hash, const tw_bytes *parts, size_t count, uint8_t *out) {
  (void)provider;
  sha2 state;
  sha2_start(&state, hash);
  for (size_t i = 0; i < count; i++) sha2_add(&state, parts[i]);
  sha2_finish(&state, out);
  tw_wipe(&state, sizeof(state));
  return TW_OK;
}

static void padded(const tw_hash *hash, const uint8_t *block, uint8_t pad, uint64_t words[8]) {
  uint8_t xored[BLOCK_MAX];
  for (size_t i = 0; i < BLOCK_MAX; i++) xored[i] = block[i] ^ pad; /* all of it: a fixed count is done in vectors */
  sha2 state;
  sha2_start(&state, hash);
  sha2_add(&state, TW_BYTES(xored, hash->block));
  sha2_save(&state, words);
  tw_wipe(xored, sizeof(xored));
  tw_wipe(&state, sizeof(state));
}

/* RFC 2104 */
void tw_ossl_hmac_key(tw_provider *provider, const tw_hash *hash, tw_bytes key, tw_hmac_key *out) {
  uint8_t block[BLOCK_MAX] = {0};
  if (key.len > hash->block) {
    (void)tw_ossl_hash(provider, hash, &key, 1, block);
  } else if (key.len > 0) {
    memcpy(block, key.ptr, key.len);
  }
  out->hash = hash;
  padded(hash, block, INNER_PAD, out->inner);
  padded(hash, block, OUTER_PAD, out->outer);
  tw_wipe(block, sizeof(block));
}

tw_err tw_ossl_hmac(tw_provider *provider, const tw_hmac_key *key, const tw_bytes *parts, size_t count, uint8_t *out) {
  (void)provider;
  uint8_t digest[TW_HASH_MAX];
  sha2 state;
  sha2_restore(&state, key->hash, key->inner);
  for (size_t i = 0; i < count; i++) sha2_add(&state, parts[i]);
  sha2_finish(&state, digest);
  sha2_restore(&state, key->hash, key->outer);
  sha2_add(&state, TW_BYTES(digest, key->hash->size));
  sha2_finish(&state, out);
  tw_wipe(digest, sizeof(digest));
  tw_wipe(&state, sizeof(state));
  return TW_OK;
}
