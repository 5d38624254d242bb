/* Pre-shared keys in the key schedule, RFC 9420 section 8.4. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PSK_H
#define TW_MLS_PSK_H

#include "mls/label.h"
#include "mls/proposal.h"

typedef struct tw_psk {
  tw_psk_id id; /* with nonce */
  tw_bytes secret;
} tw_psk;

/* In the order of their proposals. `psks` NULL and 0 gives the all-zero secret. TW_ERR_LIMIT above 2^16 - 1. */
TW_MUST_USE tw_err tw_psk_secret(const tw_env *env, const tw_suite *suite, const tw_psk *psks, size_t count,
                                 tw_secret *out);

#endif
