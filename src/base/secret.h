/* Secrets: fixed capacity, wiped, compared in constant time. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BASE_SECRET_H
#define TW_BASE_SECRET_H

#include <treewire/bytes.h>

/* The largest secret that is kept: a P-521 private key of 66 bytes (ML-KEM, hybrid and ML-DSA keys are kept as seeds).
 */
#define TW_SECRET_MAX 66

/** An owned secret of at most TW_SECRET_MAX bytes. Zero-initialised is empty. */
typedef struct tw_secret {
  uint8_t data[TW_SECRET_MAX];
  uint8_t len;
} tw_secret;

static inline tw_bytes tw_secret_bytes(const tw_secret *secret) { return TW_BYTES(secret->data, secret->len); }

/** Copy `bytes` in; TW_ERR_ARGUMENT if longer than TW_SECRET_MAX. */
TW_MUST_USE tw_err tw_secret_set(tw_secret *secret, tw_bytes bytes);
/** Wipe; the secret is empty then. */
void tw_secret_clear(tw_secret *secret);
/** Overwrite `len` bytes so that the compiler cannot leave it out. */
void tw_wipe(void *ptr, size_t len);
/** Whether `a` and `b` are equal, in time that depends on the lengths alone. */
bool tw_secret_equal(tw_bytes a, tw_bytes b);

#endif
