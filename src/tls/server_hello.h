/* ServerHello and HelloRetryRequest: RFC 8446 sections 4.1.3 and 4.1.4. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_SERVER_HELLO_H
#define TW_TLS_SERVER_HELLO_H

#include "tls/extension.h"
#include "tls/suite.h"

/* A view into the message's body. */
typedef struct tw_tls_server_hello {
  uint16_t legacy_version;
  tw_bytes random;
  bool is_retry; /* a HelloRetryRequest */
  tw_bytes legacy_session_id_echo;
  uint16_t cipher_suite;
  uint8_t legacy_compression_method;
  tw_bytes extensions; /* block, may be empty before TLS 1.3 */
} tw_tls_server_hello;

/* TW_ERR_FORBIDDEN: an extension twice. */
TW_MUST_USE tw_err tw_tls_server_hello_decode(tw_bytes body, tw_tls_server_hello *out);
/* Whether a message's body is a HelloRetryRequest; false for what does not parse so far. */
bool tw_tls_is_retry(tw_bytes body);

/* Appends the whole handshake message. `random`: TW_TLS_RANDOM bytes. TW_ERR_LIMIT: the Welcome is too long for it. */
TW_MUST_USE tw_err tw_tls_server_hello_make(const tw_env *env, const uint8_t *random, tw_bytes session_id,
                                            const tw_suite *suite, tw_bytes welcome, tw_buf *out);
TW_MUST_USE tw_err tw_tls_retry_make(tw_bytes session_id, const tw_suite *suite, tw_bytes cookie, tw_buf *out);

#endif
