/* Facts about the groups of Diffie-Hellman and ECDSA. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_GROUP_H
#define TW_CRYPTO_GROUP_H

#include "crypto/provider.h"

typedef struct tw_group {
  tw_dh_group id;
  uint8_t scalar_size;
  uint8_t public_size;
  uint8_t shared_size;
  uint8_t top_mask;     /* on a candidate scalar's first byte, RFC 9180 section 7.1.3 */
  const uint8_t *order; /* big-endian, NULL for X25519 and X448, where every scalar is one */
} tw_group;

const tw_group *tw_group_of(tw_dh_group id);

/* Whether the scalar is in 1 … order - 1, in constant time. */
bool tw_group_scalar_valid(const tw_group *group, const uint8_t *scalar);
/*
 * Whether these bytes can be a public key without asking the provider: the length, the form (uncompressed), and for
 * X25519 and X448 not one of the points of low order, in any of their encodings.
 */
bool tw_group_public_plausible(const tw_group *group, tw_bytes public_key);

#endif
