/* Reading a ClientHello. SPDX-License-Identifier: Apache-2.0 */
#include "tls/client_hello.h"

#include "crypto/crypto.h"

/*
 * struct {
 *   ProtocolVersion legacy_version = 0x0303; opaque random[32]; opaque legacy_session_id<0..32>;
 *   CipherSuite cipher_suites<2..2^16-2>; opaque legacy_compression_methods<1..2^8-1>;
 *   Extension extensions<7..2^16-1>;      // absent before TLS 1.3: what follows the compression methods is this or
 * nothing } ClientHello, section 4.1.2
 */
tw_err tw_tls_client_hello_decode(tw_bytes body, tw_tls_client_hello *out) {
  tw_reader r = tw_reader_of(body);
  tw_tls_client_hello hello = {0};
  hello.legacy_version = tw_read_u16(&r);
  hello.random = tw_read_fixed(&r, TW_TLS_RANDOM);
  hello.legacy_session_id = tw_read_vector8(&r);
  if (hello.legacy_session_id.len > TW_TLS_SESSION_ID_MAX) tw_reader_fail(&r, TW_ERR_ENCODING);
  hello.cipher_suites = tw_tls_read_list16(&r, 2, 2);
  hello.legacy_compression_methods = tw_read_vector8(&r);
  if (tw_reader_err(&r) == TW_OK && hello.legacy_compression_methods.len == 0) tw_reader_fail(&r, TW_ERR_ENCODING);
  hello.before = tw_reader_since(&r, body.ptr);
  if (tw_reader_more(&r)) hello.extensions = tw_read_vector16(&r);
  TW_TRY(tw_reader_end(&r));
  TW_TRY(tw_tls_extensions_check(hello.extensions));
  *out = hello;
  return TW_OK;
}

static tw_err read_offered(const tw_env *env, const tw_tls_extension *extension, tw_tls_offer *offer) {
  if (extension->type == tw_env_code_points(env)->tls_using_mls_handshake) {
    offer->has_key_package = true;
    offer->key_package = extension->data;
    return TW_OK;
  }
  switch (extension->type) {
  case TW_TLS_EXT_SUPPORTED_VERSIONS: return tw_tls_read_versions(extension->data, &offer->versions);
  case TW_TLS_EXT_SUPPORTED_GROUPS: return tw_tls_read_u16_list(extension->data, &offer->groups);
  case TW_TLS_EXT_SIGNATURE_ALGORITHMS: return tw_tls_read_u16_list(extension->data, &offer->signature_algorithms);
  case TW_TLS_EXT_KEY_SHARE: offer->has_shares = true; return tw_tls_read_shares(extension->data, &offer->shares);
  case TW_TLS_EXT_SERVER_NAME: return tw_tls_read_server_name(extension->data, &offer->server_name);
  case TW_TLS_EXT_ALPN: return tw_tls_read_protocols(extension->data, &offer->protocols);
  case TW_TLS_EXT_COOKIE: return tw_tls_read_cookie(extension->data, &offer->cookie);
  case TW_TLS_EXT_EARLY_DATA: offer->has_early_data = true; return TW_OK;
  case TW_TLS_EXT_RECORD_SIZE_LIMIT:
    TW_TRY(tw_tls_read_one_u16(extension->data, &offer->record_size_limit));
    return offer->record_size_limit < TW_TLS_RECORD_SIZE_LIMIT_MIN ? TW_ERR_FORBIDDEN : TW_OK; /* RFC 8449 section 4 */
  default: return TW_OK;
  }
}

tw_err tw_tls_offer_decode(const tw_env *env, const tw_tls_client_hello *hello, tw_tls_offer *out) {
  tw_tls_offer offer = {0};
  tw_reader r = tw_reader_of(hello->extensions);
  tw_tls_extension extension;
  while (tw_tls_next_extension(&r, &extension)) TW_TRY(read_offered(env, &extension, &offer));
  *out = offer;
  return TW_OK;
}

/* ---- a second one ---- */

static bool may_change(uint16_t type, bool new_share) {
  switch (type) {
  case TW_TLS_EXT_COOKIE:
  case TW_TLS_EXT_PADDING:
  case TW_TLS_EXT_EARLY_DATA:
  case TW_TLS_EXT_PRE_SHARED_KEY: return true;
  case TW_TLS_EXT_KEY_SHARE: return new_share;
  default: return false;
  }
}

tw_err tw_tls_client_hello_digest(const tw_env *env, const tw_suite *suite, const tw_tls_client_hello *hello,
                                  bool new_share, uint8_t *out) {
  tw_buf kept = TW_BUF_INIT(tw_env_alloc(env));
  tw_writer w = tw_writer_to(&kept);
  tw_write_fixed(&w, hello->before);
  tw_reader r = tw_reader_of(hello->extensions);
  tw_tls_extension extension;
  while (tw_tls_next_extension(&r, &extension)) {
    if (!may_change(extension.type, new_share)) tw_tls_write_extension(&w, extension.type, extension.data);
  }
  tw_err err = tw_writer_end(&w);
  const tw_bytes all = tw_buf_bytes(&kept);
  if (err == TW_OK) err = tw_hash_parts(env, suite, &all, 1, out);
  tw_buf_clear(&kept);
  return err;
}

tw_err tw_tls_client_hello_again(const tw_tls_client_hello *first, const tw_tls_share *share, tw_bytes cookie,
                                 tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark message = tw_tls_open_message(&w, TW_TLS_CLIENT_HELLO);
  tw_write_fixed(&w, first->before);
  const tw_vector_mark block = tw_tls_open16(&w);
  tw_reader r = tw_reader_of(first->extensions);
  tw_tls_extension extension;
  while (tw_tls_next_extension(&r, &extension)) {
    if (extension.type == TW_TLS_EXT_KEY_SHARE && share != NULL) {
      tw_tls_write_shares(&w, share, 1);
    } else {
      tw_tls_write_extension(&w, extension.type, extension.data);
    }
  }
  if (cookie.len > 0) tw_tls_write_cookie(&w, cookie);
  tw_tls_close16(&w, block);
  tw_tls_close_message(&w, message);
  return tw_writer_end(&w);
}
