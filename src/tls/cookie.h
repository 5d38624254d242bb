/* The cookie of a HelloRetryRequest: RFC 8446 section 4.2.2. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_COOKIE_H
#define TW_TLS_COOKIE_H

#include "tls/suite.h"

/* What is remembered of the first ClientHello; both have suite->hash->size bytes. */
typedef struct tw_tls_remembered {
  uint8_t hello_hash[TW_HASH_MAX]; /* of the message, for the transcript */
  uint8_t digest[TW_HASH_MAX];     /* tw_tls_client_hello_digest: what the second one has to have in common with it */
} tw_tls_remembered;

/* How a cookie is made and known again. Borrowed. */
typedef struct tw_tls_cookie_keeper {
  const tw_env *env;
  const tw_suite *suite; /* TLS cipher suite */
  tw_bytes key;
  tw_bytes context; /* whom it is for */
  uint64_t now_ms;
} tw_tls_cookie_keeper;

enum { TW_TLS_COOKIE_LIFE_MS = 60000 };

TW_MUST_USE tw_err tw_tls_cookie_make(const tw_tls_cookie_keeper *keeper, const tw_tls_remembered *remembered,
                                      tw_buf *out);
/* TW_ERR_FORBIDDEN: it is not one of ours, not for this context or suite, or too old. */
TW_MUST_USE tw_err tw_tls_cookie_open(const tw_tls_cookie_keeper *keeper, tw_bytes cookie, tw_tls_remembered *out);

#endif
