/* A provider's hash as the contract in crypto/provider.h has it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FORMAL_HASH_H
#define TW_FORMAL_HASH_H

#include "crypto/provider.h"
#include "crypto/suites.h"
#include "stubs/any.h"

/* Asks for all that it may read. With an error nothing is written. */
static tw_err any_hash_of(tw_provider *provider, const tw_hash *hash, const tw_bytes *parts, size_t count,
                          uint8_t *out) {
  (void)provider;
  for (size_t i = 0; i < count; i++) {
    /*@ check parts[i].len == 0 || \initialized(parts[i].ptr + (0 .. parts[i].len - 1)); */
  }
  (void)parts;
  if (any_bool()) return any_error();
  any_bytes(out, hash->size);
  return TW_OK;
}

static const tw_provider_ops any_hash = {.hash = any_hash_of};

/* A provider that has nothing but its hash, and any SHA-256 of no bytes. */
static inline tw_provider any_hashing(void) {
  tw_provider provider = {.ops = &any_hash};
  any_bytes(provider.empty_hash[TW_HASH_SHA256], TW_HASH_MAX);
  return provider;
}

#endif
