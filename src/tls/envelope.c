/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/envelope.h"

#include "codec/reader.h"
#include "mls/framing.h"
#include "mls/protocol.h"
#include "pair/message.h"

static uint16_t wire_format_of(tw_pair_message_type type) {
  return type == TW_PAIR_CLIENT_HELLO ? TW_WIRE_KEY_PACKAGE : TW_WIRE_WELCOME;
}

/* struct { uint16 version = mls10; uint16 wire_format; body } MLSMessage, RFC 9420 section 6 */
tw_err tw_tls_unwrap(tw_bytes pair_message, tw_pair_message_type type, tw_bytes *bare) {
  tw_pair_message message;
  if (tw_pair_message_decode(pair_message, &message) != TW_OK || message.type != type) return TW_ERR_INTERNAL;
  tw_reader r = tw_reader_of(message.mls);
  const uint16_t version = tw_read_u16(&r);
  const uint16_t wire_format = tw_read_u16(&r);
  const tw_bytes body = tw_read_rest(&r);
  if (tw_reader_end(&r) != TW_OK || version != TW_MLS10 || wire_format != wire_format_of(type)) return TW_ERR_INTERNAL;
  *bare = body;
  return TW_OK;
}

tw_err tw_tls_wrap(tw_bytes bare, tw_pair_message_type type, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u16(&w, TW_MLS10);
  tw_write_u16(&w, (uint16_t)type);
  tw_write_mls_message_header(&w, wire_format_of(type));
  tw_write_fixed(&w, bare);
  return tw_writer_end(&w);
}

/* struct { ProtocolVersion version; CipherSuite cipher_suite; … } KeyPackageTBS, RFC 9420 section 10 */
tw_err tw_tls_key_package_suite(tw_bytes key_package, uint16_t *suite) {
  tw_reader r = tw_reader_of(key_package);
  (void)tw_read_u16(&r);
  const uint16_t read = tw_read_u16(&r);
  TW_TRY(tw_reader_err(&r));
  *suite = read;
  return TW_OK;
}
