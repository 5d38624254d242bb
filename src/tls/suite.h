/* TLS cipher suites: an AEAD and a hash (RFC 8446 section B.4). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_SUITE_H
#define TW_TLS_SUITE_H

#include "crypto/crypto.h"

/*
 * A TLS cipher suite is a tw_suite without KEM and signature, so that hashing, HKDF and record keys take it as they
 * take an MLS suite. Its hash is its own: MLS_256_…_AES256GCM_SHA512_… is keyed by TLS_AES_256_GCM_SHA384. `id` is the
 * number on the wire.
 */

/* The one with the AEAD of an MLS suite. */
const tw_suite *tw_tls_suite_of(const tw_suite *mls_suite);
/* NULL: not known here. */
const tw_suite *tw_tls_suite_by_id(uint16_t id);
/* The n-th, from 0; NULL past the last. */
const tw_suite *tw_tls_suite_at(size_t index);

#endif
