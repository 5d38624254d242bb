/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_nonces.h"

#include <string.h>

#include "crypto/provider.h"
#include "support/tw_cmocka.h"

enum { PLACES = 1 << 17, USES_MAX = PLACES / 4 * 3, KEYS_MAX = 256 };

/* A key and nonce that sealed something; an AEAD key of zeros does not occur. */
typedef struct nonce_use {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
} nonce_use;

static const tw_provider_ops *real;
static tw_provider_ops noting;
static nonce_use uses[PLACES]; /* a hash table: a use stands at its place or, where that is taken, behind it */
static bool is_taken[PLACES];
static size_t use_count;
static struct {
  const tw_aead_key *handle;
  uint8_t raw[TW_AEAD_KEY_MAX];
} keys[KEYS_MAX];
static size_t keys_made;
static const char *told_by;

static tw_err note_new(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                       tw_aead_key **out) {
  TW_TRY(real->aead_key_new(provider, alloc, aead, key, out));
  (*out)->ops = &noting;
  for (size_t i = 0; i < KEYS_MAX; i++) {
    if (keys[i].handle != NULL) continue;
    keys[i].handle = *out;
    memset(keys[i].raw, 0, sizeof keys[i].raw);
    memcpy(keys[i].raw, key.ptr, key.len);
    keys_made++;
    return TW_OK;
  }
  fail_msg("more keys at once than a test has");
  return TW_ERR_INTERNAL;
}

static size_t find_key(const tw_aead_key *key) {
  for (size_t i = 0; i < KEYS_MAX; i++) {
    if (keys[i].handle == key) return i;
  }
  fail_msg("a key that was not made here");
  return 0;
}

static void note_free(tw_aead_key *key) {
  keys[find_key(key)].handle = NULL;
  real->aead_key_free(key);
}

/* FNV-1a */
static size_t place_of(const nonce_use *use) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < sizeof *use; i++) hash = (hash ^ ((const uint8_t *)use)[i]) * UINT64_C(0x100000001b3);
  return (size_t)(hash ^ hash >> 32) % PLACES;
}

static void note_use(const nonce_use *use) {
  assert_true(use_count++ < USES_MAX);
  size_t at = place_of(use);
  for (; is_taken[at]; at = (at + 1) % PLACES) {
    if (memcmp(&uses[at], use, sizeof *use) != 0) continue;
    fail_msg("%s: a record key has sealed twice under one nonce", told_by);
  }
  uses[at] = *use;
  is_taken[at] = true;
}

static tw_err note_seal(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  nonce_use use;
  memcpy(use.key, keys[find_key(key)].raw, sizeof use.key);
  memcpy(use.nonce, nonce, sizeof use.nonce);
  note_use(&use);
  return real->aead_key_seal(key, nonce, aad, plaintext, out);
}

void tw_test_nonces_begin(tw_test_env *test, const char *told) {
  told_by = told != NULL ? told : "at some time";
  tw_provider *provider = test->env.provider;
  real = provider->ops;
  noting = *real;
  noting.aead_key_new = note_new;
  noting.aead_key_free = note_free;
  noting.aead_key_seal = note_seal;
  provider->ops = &noting;
}

void tw_test_nonces_end(void) {
  assert_int_equal(tw_test_nonces_keys_held(), 0);
  memset(is_taken, 0, sizeof is_taken);
  use_count = keys_made = 0;
}

size_t tw_test_nonces_keys_made(void) { return keys_made; }

size_t tw_test_nonces_keys_held(void) {
  size_t held = 0;
  for (size_t k = 0; k < KEYS_MAX; k++) held += keys[k].handle != NULL;
  return held;
}

size_t tw_test_nonces_sealed(void) { return use_count; }
