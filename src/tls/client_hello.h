/* ClientHello: RFC 8446 section 4.1.2. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_CLIENT_HELLO_H
#define TW_TLS_CLIENT_HELLO_H

#include "tls/extension.h"
#include "tls/suite.h"

/* A view into the message's body. */
typedef struct tw_tls_client_hello {
  uint16_t legacy_version;
  tw_bytes random;
  tw_bytes legacy_session_id;
  tw_bytes cipher_suites; /* list of uint16 */
  tw_bytes legacy_compression_methods;
  tw_bytes extensions; /* block, empty where the message has none: TLS 1.2 and before */
  tw_bytes before;     /* all that stands before the extensions */
} tw_tls_client_hello;

/* TW_ERR_FORBIDDEN: an extension twice. */
TW_MUST_USE tw_err tw_tls_client_hello_decode(tw_bytes body, tw_tls_client_hello *out);

/* What the extensions that are understood here say. Empty: there is none. Views, too. */
typedef struct tw_tls_offer {
  tw_bytes versions;
  tw_bytes groups;
  tw_bytes signature_algorithms;
  bool has_shares;
  tw_bytes shares; /* may be empty */
  tw_bytes server_name;
  tw_bytes protocols;
  tw_bytes cookie;
  uint16_t record_size_limit; /* 0: none */
  bool has_key_package;
  tw_bytes key_package; /* data of tls_using_mls_handshake */
  bool has_early_data;
} tw_tls_offer;

/* Malformed: the extension concerned is; TW_ERR_FORBIDDEN: it says what it must not. */
TW_MUST_USE tw_err tw_tls_offer_decode(const tw_env *env, const tw_tls_client_hello *hello, tw_tls_offer *out);

/* ---- making one ---- */

enum { TW_TLS_GREASE_SEED = 4 };

/* What is in our ClientHello. All is borrowed. */
typedef struct tw_tls_hello_parts {
  const uint8_t *random;     /* TW_TLS_RANDOM bytes */
  const uint8_t *session_id; /* TW_TLS_SESSION_ID_MAX bytes, for middleboxes (section D.4) */
  const uint8_t *grease;     /* TW_TLS_GREASE_SEED random bytes: which GREASE values (RFC 8701) */
  const tw_suite *suite;     /* TLS cipher suite that is named first */
  tw_tls_share share;
  tw_bytes server_name; /* empty: none */
  const tw_bytes *protocols;
  size_t protocol_count;
  uint16_t record_size_limit; /* 0: none */
  tw_bytes key_package;
} tw_tls_hello_parts;

/* Appends the whole handshake message. TW_ERR_LIMIT: it would be too long. */
TW_MUST_USE tw_err tw_tls_client_hello_make(const tw_env *env, const tw_tls_hello_parts *parts, tw_buf *out);
/*
 * The same ClientHello after a HelloRetryRequest (section 4.1.2): with `share` alone in its key_share where that is not
 * NULL, and with a cookie unless that is empty. Appends the whole handshake message.
 */
TW_MUST_USE tw_err tw_tls_client_hello_again(const tw_tls_client_hello *first, const tw_tls_share *share,
                                             tw_bytes cookie, tw_buf *out);
/*
 * A hash of what a second ClientHello has to have in common with the first, in this order: all but cookie, padding,
 * early_data, pre_shared_key, and the key_share where `new_share`.
 */
TW_MUST_USE tw_err tw_tls_client_hello_digest(const tw_env *env, const tw_suite *suite,
                                              const tw_tls_client_hello *hello, bool new_share, uint8_t *out);
/* A fresh key_share of one of the groups that our ClientHello offers; `out` is cleared by the caller. The private key
 * is gone: with MLS nobody needs it. TW_ERR_UNSUPPORTED: another group. */
TW_MUST_USE tw_err tw_tls_make_share(const tw_env *env, uint16_t group, tw_buf *out);

#endif
