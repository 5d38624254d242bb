/* The transcript of a handshake: RFC 8446 section 4.4.1. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_TRANSCRIPT_H
#define TW_TLS_TRANSCRIPT_H

#include "tls/suite.h"

/*
 * The messages themselves, since their hash is not known before the ServerHello. A handshake has a few, and each is
 * bounded by who takes it in.
 */
typedef struct tw_tls_transcript {
  tw_buf messages;
} tw_tls_transcript;

/* Whole handshake messages, headers included. */
TW_MUST_USE tw_err tw_tls_transcript_add(tw_tls_transcript *transcript, tw_bytes message);
/* Transcript-Hash of all so far: suite->hash->size bytes. */
TW_MUST_USE tw_err tw_tls_transcript_hash(const tw_env *env, const tw_suite *suite, const tw_tls_transcript *transcript,
                                          uint8_t *out);
/* Begin anew with a message_hash in place of a ClientHello1 that has this hash. */
TW_MUST_USE tw_err tw_tls_transcript_restart(const tw_suite *suite, const uint8_t *hello_hash,
                                             tw_tls_transcript *transcript);

#endif
