/* HPKE's context, base mode. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_HPKE_H
#define TW_CRYPTO_HPKE_H

#include "crypto/kem.h"

/* What KeySchedule yields, RFC 9180 section 5.1. Secret: the owner wipes it. */
typedef struct tw_hpke_context {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t base_nonce[TW_AEAD_NONCE];
  uint8_t exporter_secret[TW_HASH_MAX];
} tw_hpke_context;

TW_MUST_USE tw_err tw_hpke_key_schedule(const tw_env *env, const tw_suite *suite, tw_bytes shared_secret,
                                        const tw_hpke_info *info, tw_hpke_context *out);
/* Context.Export, section 5.3. `out` is zeroed on error. */
TW_MUST_USE tw_err tw_hpke_export(const tw_env *env, const tw_suite *suite, const tw_hpke_context *context,
                                  tw_bytes exporter_context, uint8_t *out, size_t len);

#endif
