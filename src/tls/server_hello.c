/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_hello.h"

#include <string.h>

#include "crypto/crypto.h"

/*
 * struct {
 *   ProtocolVersion legacy_version = 0x0303; opaque random[32]; opaque legacy_session_id_echo<0..32>;
 *   CipherSuite cipher_suite; uint8 legacy_compression_method = 0; Extension extensions<6..2^16-1>;
 * } ServerHello, section 4.1.3; of a HelloRetryRequest the random is tw_tls_retry_random, section 4.1.4.
 */
tw_err tw_tls_server_hello_decode(tw_bytes body, tw_tls_server_hello *out) {
  tw_reader r = tw_reader_of(body);
  tw_tls_server_hello hello = {0};
  hello.legacy_version = tw_read_u16(&r);
  hello.random = tw_read_fixed(&r, TW_TLS_RANDOM);
  hello.legacy_session_id_echo = tw_read_vector8(&r);
  if (hello.legacy_session_id_echo.len > TW_TLS_SESSION_ID_MAX) tw_reader_fail(&r, TW_ERR_ENCODING);
  hello.cipher_suite = tw_read_u16(&r);
  hello.legacy_compression_method = tw_read_u8(&r);
  if (tw_reader_more(&r)) hello.extensions = tw_read_vector16(&r);
  TW_TRY(tw_reader_end(&r));
  TW_TRY(tw_tls_extensions_check(hello.extensions));
  hello.is_retry = memcmp(hello.random.ptr, tw_tls_retry_random, TW_TLS_RANDOM) == 0;
  *out = hello;
  return TW_OK;
}

bool tw_tls_is_retry(tw_bytes body) {
  tw_reader r = tw_reader_of(body);
  (void)tw_read_u16(&r);
  const tw_bytes random = tw_read_fixed(&r, TW_TLS_RANDOM);
  return tw_bytes_equal(random, TW_BYTES(tw_tls_retry_random, TW_TLS_RANDOM));
}

static tw_vector_mark open_hello(tw_writer *w, const uint8_t *random, tw_bytes session_id, const tw_suite *suite,
                                 tw_vector_mark *message) {
  *message = tw_tls_open_message(w, TW_TLS_SERVER_HELLO);
  tw_write_u16(w, TW_TLS_VERSION_12);
  tw_write_fixed(w, TW_BYTES(random, TW_TLS_RANDOM));
  tw_write_vector8(w, session_id);
  tw_write_u16(w, suite->id);
  tw_write_u8(w, 0);
  const tw_vector_mark block = tw_tls_open16(w);
  tw_tls_write_one_u16(w, TW_TLS_EXT_SUPPORTED_VERSIONS, TW_TLS_VERSION_13);
  return block;
}

static tw_err close_hello(tw_writer *w, tw_vector_mark block, tw_vector_mark message) {
  tw_tls_close16(w, block);
  tw_tls_close_message(w, message);
  return tw_writer_end(w);
}

tw_err tw_tls_server_hello_make(const tw_env *env, const uint8_t *random, tw_bytes session_id, const tw_suite *suite,
                                tw_bytes welcome, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_vector_mark message;
  const tw_vector_mark block = open_hello(&w, random, session_id, suite, &message);
  tw_tls_write_extension(&w, tw_env_code_points(env)->tls_using_mls_handshake, welcome);
  return close_hello(&w, block, message);
}

tw_err tw_tls_retry_make(tw_bytes session_id, const tw_suite *suite, tw_bytes cookie, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_vector_mark message;
  const tw_vector_mark block = open_hello(&w, tw_tls_retry_random, session_id, suite, &message);
  tw_tls_write_cookie(&w, cookie);
  return close_hello(&w, block, message);
}
