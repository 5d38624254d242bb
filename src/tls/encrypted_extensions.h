/* EncryptedExtensions: RFC 8446 section 4.3.1. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_ENCRYPTED_EXTENSIONS_H
#define TW_TLS_ENCRYPTED_EXTENSIONS_H

#include "tls/extension.h"

/* What is understood of it. A view. */
typedef struct tw_tls_encrypted_extensions {
  tw_bytes extensions;        /* block */
  bool name_taken;            /* server_name: the server has used the name */
  tw_bytes protocol;          /* ALPN: the one that was chosen; empty: none */
  uint16_t record_size_limit; /* 0: none */
} tw_tls_encrypted_extensions;

/* TW_ERR_FORBIDDEN: an extension twice, or one that says what it must not. */
TW_MUST_USE tw_err tw_tls_encrypted_extensions_decode(tw_bytes body, tw_tls_encrypted_extensions *out);
/* Appends the whole handshake message; `extensions` is not looked at. */
TW_MUST_USE tw_err tw_tls_encrypted_extensions_make(const tw_tls_encrypted_extensions *parts, tw_buf *out);

#endif
