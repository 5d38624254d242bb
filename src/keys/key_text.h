/* Keys as text. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_KEYS_KEY_TEXT_H
#define TW_KEYS_KEY_TEXT_H

#include <treewire/env.h>

#include "net/report.h"

/*
 * public key    SUITE:BASE64                 one token; SUITE is the registry name, the bytes LeafNode.signature_key
 * fingerprint   sha256:HEX                   SHA-256 of the public key's token, so that sha256sum can check it
 * private key   treewire-key-1 SUITE BASE64  one line; the bytes are as tw_signer_export gives them
 */
#define TW_PRIVATE_KEY_MARK "treewire-key-1"

enum {
  TW_FINGERPRINT_SIZE = 32,
  TW_FINGERPRINT_TEXT = 7 + 2 * TW_FINGERPRINT_SIZE + 1, /* "sha256:", hex digits, the end */
  TW_KEY_TEXT_MAX = 8192                                 /* characters of any of these that are looked at */
};

typedef struct tw_fingerprint {
  uint8_t digest[TW_FINGERPRINT_SIZE];
} tw_fingerprint;

/** Appends the token of a public key. */
TW_MUST_USE tw_err tw_public_key_format(const tw_suite *suite, tw_bytes key, tw_buf *text);
/** TW_ERR_ENCODING with a report: not such a token, or its key has not the suite's length. `key` is replaced. */
TW_MUST_USE tw_err tw_public_key_parse(tw_bytes text, const tw_suite **suite, tw_buf *key, tw_report *report);

TW_MUST_USE tw_err tw_fingerprint_of(const tw_env *env, const tw_suite *suite, tw_bytes key,
                                     tw_fingerprint *fingerprint);
/** TW_ERR_ENCODING with a report. */
TW_MUST_USE tw_err tw_fingerprint_parse(tw_bytes text, tw_fingerprint *fingerprint, tw_report *report);
/** `out` has room for TW_FINGERPRINT_TEXT. */
void tw_fingerprint_format(const tw_fingerprint *fingerprint, char *out);

/** A fingerprint or a public key, whichever `text` is; `*suite` is NULL for a fingerprint. TW_ERR_ENCODING with a
 * report. */
TW_MUST_USE tw_err tw_peer_key_parse(const tw_env *env, tw_bytes text, const tw_suite **suite,
                                     tw_fingerprint *fingerprint, tw_report *report);

/** Appends the line of a private key with its line's end. `text` is the caller's to clear. */
TW_MUST_USE tw_err tw_private_key_format(const tw_suite *suite, const tw_signer *signer, tw_buf *text);
/** TW_ERR_ENCODING or the signer's error, with a report that shows nothing of the key. */
TW_MUST_USE tw_err tw_private_key_parse(const tw_env *env, tw_bytes text, const tw_suite **suite, tw_signer **signer,
                                        tw_report *report);

#endif
