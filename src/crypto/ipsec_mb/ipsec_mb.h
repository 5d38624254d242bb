/*
 * AES-GCM by libipsec-mb, which is made for packets: no more is done for each message than its cipher asks for. Where
 * the processor has what that library is best with, keys that are kept for many messages are its own; elsewhere, and
 * where it was not there when this was built, they are libcrypto's. SPDX-License-Identifier: Apache-2.0
 */
#ifndef TW_CRYPTO_IPSEC_MB_IPSEC_MB_H
#define TW_CRYPTO_IPSEC_MB_IPSEC_MB_H

#include "crypto/suites.h"

/* Its functions for this processor. */
typedef struct tw_ipsec_mb tw_ipsec_mb;
/* A key set up for many messages, by one thread at a time. */
typedef struct tw_ipsec_mb_key tw_ipsec_mb_key;

/* `*out` is the caller's, to be freed; NULL, and TW_OK: not for this processor, or not in this build. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_ipsec_mb_new(const tw_alloc *alloc, tw_ipsec_mb **out);
void tw_ipsec_mb_free(const tw_alloc *alloc, tw_ipsec_mb *mb); /* NULL is fine */

/* `raw` has 16 or 32 bytes. NULL: no memory. The caller's, to be freed by the same `alloc`; `mb` may go before it. */
tw_ipsec_mb_key *tw_ipsec_mb_key_new(const tw_ipsec_mb *mb, const tw_alloc *alloc, tw_bytes raw);
void tw_ipsec_mb_key_free(const tw_alloc *alloc, tw_ipsec_mb_key *key); /* wipes; NULL is fine */

/* NIST SP 800-38D with nonces of 12 and tags of 16 bytes; `out` may be the input. As tw_aead_key_seal and _open. */
void tw_ipsec_mb_seal(tw_ipsec_mb_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out);
/* Whether it is genuine; where it is not, `out` has bytes that nobody may see. `ciphertext` has a tag at least. */
bool tw_ipsec_mb_open(tw_ipsec_mb_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out);

#endif
