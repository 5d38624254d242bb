/* The key schedule of TLS 1.3 over MLS: RFC 8446 section 7.1, docs/protocols.md (D11). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_SCHEDULE_H
#define TW_TLS_SCHEDULE_H

#include <treewire/mls.h>

#include "tls/suite.h"

/*
 * All secrets have suite->hash->size bytes, `suite` being a TLS cipher suite. Transcript hashes have that size too.
 * Outputs are cleared by the caller, and empty or as before on error.
 */

/* Derive-Secret(secret, label, Messages), by the hash of the messages; label NUL-terminated. */
TW_MUST_USE tw_err tw_tls_derive_secret(const tw_env *env, const tw_suite *suite, const tw_secret *secret,
                                        const char *label, const uint8_t *transcript_hash, tw_secret *out);

/* The epoch's MLS-Exporter("TLS shared secret", context, Hash.length), which is the Handshake Secret. */
TW_MUST_USE tw_err tw_tls_handshake_secret(const tw_suite *suite, const tw_group *group, tw_bytes context,
                                           tw_secret *out);
/* HKDF-Extract(Derive-Secret(Handshake Secret, "derived", ""), 0): the Main Secret. */
TW_MUST_USE tw_err tw_tls_main_secret(const tw_env *env, const tw_suite *suite, const tw_secret *handshake_secret,
                                      tw_secret *out);

typedef struct tw_tls_traffic {
  tw_secret client;
  tw_secret server;
} tw_tls_traffic;
void tw_tls_traffic_clear(tw_tls_traffic *traffic);
/* "c hs traffic" and "s hs traffic"; the transcript is ClientHello … ServerHello. */
TW_MUST_USE tw_err tw_tls_handshake_traffic(const tw_env *env, const tw_suite *suite, const tw_secret *handshake_secret,
                                            const uint8_t *transcript_hash, tw_tls_traffic *out);

/* What an epoch of MLS keys: "c ap traffic", "s ap traffic" and "exp master". */
typedef struct tw_tls_epoch {
  tw_tls_traffic traffic;
  tw_secret exporter; /* exporter_secret; RFC 8446: exporter_master_secret */
} tw_tls_epoch;
void tw_tls_epoch_clear(tw_tls_epoch *epoch);
/* From an epoch's Handshake Secret; the transcript is ClientHello … server Finished. */
TW_MUST_USE tw_err tw_tls_epoch_of_secret(const tw_env *env, const tw_suite *suite, const tw_secret *handshake_secret,
                                          const uint8_t *transcript_hash, tw_tls_epoch *out);
/*
 * The same for the epoch of a group: first after the handshake, then after each of the pair's updates, and in a resumed
 * connection. `context` is tw_pair_context of the connection (D5), which takes the place of the exporter's empty one.
 */
TW_MUST_USE tw_err tw_tls_epoch_of_group(const tw_env *env, const tw_suite *suite, const tw_group *group,
                                         tw_bytes context, const uint8_t *transcript_hash, tw_tls_epoch *out);

/*
 * TLS-Exporter(label, context, len), section 7.5, from an epoch's exporter_secret; label NUL-terminated, at most 249
 * bytes, `len` <= 255 * Hash.length, else TW_ERR_ARGUMENT.
 */
TW_MUST_USE tw_err tw_tls_export(const tw_env *env, const tw_suite *suite, const tw_secret *exporter_secret,
                                 const char *label, tw_bytes context, uint8_t *out, size_t len);

/* verify_data: HMAC(finished_key of a handshake traffic secret, transcript), section 4.4.4; Hash.length bytes. */
TW_MUST_USE tw_err tw_tls_verify_data(const tw_env *env, const tw_suite *suite, const tw_secret *traffic_secret,
                                      const uint8_t *transcript_hash, uint8_t *out);

#endif
