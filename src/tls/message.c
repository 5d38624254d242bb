/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/message.h"

#include <string.h>

/* "HelloRetryRequest", hashed with SHA-256 */
const uint8_t tw_tls_retry_random[TW_TLS_RANDOM] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                                    0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                                    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/* struct { HandshakeType msg_type; uint24 length; opaque body[length]; } Handshake, section 4 */
tw_err tw_tls_message_peek(tw_bytes input, uint8_t *type, size_t *size) {
  tw_reader r = tw_reader_of(input);
  const uint8_t msg_type = tw_read_u8(&r);
  const uint32_t length = tw_read_u24(&r);
  TW_TRY(tw_reader_err(&r));
  *type = msg_type;
  *size = TW_TLS_MESSAGE_HEADER + (size_t)length;
  return TW_OK;
}

tw_err tw_tls_message_decode(tw_bytes encoded, tw_tls_message *out) {
  tw_reader r = tw_reader_of(encoded);
  tw_tls_message message;
  message.type = tw_read_u8(&r);
  message.body = tw_read_vector24(&r);
  TW_TRY(tw_reader_end(&r));
  *out = message;
  return TW_OK;
}

static void put_length(tw_writer *w, tw_vector_mark mark, size_t length_size) {
  if (w->err != TW_OK) return;
  const size_t len = w->buf->len - mark.at - length_size;
  if (len >> (8 * length_size) != 0) {
    tw_writer_fail(w, TW_ERR_LIMIT);
    return;
  }
  for (size_t i = 0; i < length_size; i++) {
    w->buf->ptr[mark.at + i] = (uint8_t)(len >> (8 * (length_size - 1 - i)));
  }
}

tw_vector_mark tw_tls_open_message(tw_writer *w, uint8_t type) {
  tw_write_u8(w, type);
  const tw_vector_mark mark = {w->buf->len};
  tw_write_u24(w, 0);
  return mark;
}

void tw_tls_close_message(tw_writer *w, tw_vector_mark mark) { put_length(w, mark, 3); }

tw_vector_mark tw_tls_open16(tw_writer *w) {
  const tw_vector_mark mark = {w->buf->len};
  tw_write_u16(w, 0);
  return mark;
}

void tw_tls_close16(tw_writer *w, tw_vector_mark mark) { put_length(w, mark, 2); }

tw_bytes tw_tls_read_list16(tw_reader *r, size_t min, size_t step) {
  const tw_bytes list = tw_read_vector16(r);
  if (tw_reader_err(r) == TW_OK && (list.len < min || list.len % step != 0)) tw_reader_fail(r, TW_ERR_ENCODING);
  return list;
}
