/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/encrypted_extensions.h"

/* In EncryptedExtensions the list has exactly one name, RFC 7301 section 3.1. */
static tw_err read_protocol(tw_bytes data, tw_bytes *protocol) {
  tw_bytes list;
  TW_TRY(tw_tls_read_protocols(data, &list));
  tw_reader r = tw_reader_of(list);
  if (!tw_tls_next_protocol(&r, protocol)) return TW_ERR_ENCODING;
  return tw_reader_more(&r) ? TW_ERR_FORBIDDEN : TW_OK;
}

static tw_err read_limit(tw_bytes data, uint16_t *limit) {
  TW_TRY(tw_tls_read_one_u16(data, limit));
  /* RFC 8449 section 4: from a client more is allowed, from a server it need not be. */
  return *limit < TW_TLS_RECORD_SIZE_LIMIT_MIN || *limit > TW_TLS_RECORD_SIZE_LIMIT_MAX ? TW_ERR_FORBIDDEN : TW_OK;
}

/* struct { Extension extensions<0..2^16-1>; } EncryptedExtensions, section 4.3.1 */
tw_err tw_tls_encrypted_extensions_decode(tw_bytes body, tw_tls_encrypted_extensions *out) {
  tw_reader r = tw_reader_of(body);
  tw_tls_encrypted_extensions decoded = {0};
  decoded.extensions = tw_read_vector16(&r);
  TW_TRY(tw_reader_end(&r));
  TW_TRY(tw_tls_extensions_check(decoded.extensions));
  tw_bytes data;
  if (tw_tls_find_extension(decoded.extensions, TW_TLS_EXT_SERVER_NAME, &data)) {
    if (data.len > 0) return TW_ERR_TRAILING; /* empty there, RFC 6066 section 3 */
    decoded.name_taken = true;
  }
  if (tw_tls_find_extension(decoded.extensions, TW_TLS_EXT_ALPN, &data)) {
    TW_TRY(read_protocol(data, &decoded.protocol));
  }
  if (tw_tls_find_extension(decoded.extensions, TW_TLS_EXT_RECORD_SIZE_LIMIT, &data)) {
    TW_TRY(read_limit(data, &decoded.record_size_limit));
  }
  *out = decoded;
  return TW_OK;
}

tw_err tw_tls_encrypted_extensions_make(const tw_tls_encrypted_extensions *parts, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark message = tw_tls_open_message(&w, TW_TLS_ENCRYPTED_EXTENSIONS);
  const tw_vector_mark block = tw_tls_open16(&w);
  if (parts->name_taken) tw_tls_write_extension(&w, TW_TLS_EXT_SERVER_NAME, TW_NO_BYTES);
  if (parts->protocol.len > 0) tw_tls_write_protocols(&w, &parts->protocol, 1);
  if (parts->record_size_limit > 0) {
    tw_tls_write_one_u16(&w, TW_TLS_EXT_RECORD_SIZE_LIMIT, parts->record_size_limit);
  }
  tw_tls_close16(&w, block);
  tw_tls_close_message(&w, message);
  return tw_writer_end(&w);
}
