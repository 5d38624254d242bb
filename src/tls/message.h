/* The frame of handshake messages: RFC 8446 section 4. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_MESSAGE_H
#define TW_TLS_MESSAGE_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "tls/protocol.h"

enum { TW_TLS_MESSAGE_HEADER = 4 };

typedef struct tw_tls_message {
  uint8_t type; /* enum tw_tls_handshake_type */
  tw_bytes body;
} tw_tls_message;

/*
 * The size of the message, header included, that `input` begins with. TW_ERR_TRUNCATED while less than a header is
 * there; the message itself may still be incomplete when it succeeds.
 */
TW_MUST_USE tw_err tw_tls_message_peek(tw_bytes input, uint8_t *type, size_t *size);
/* A whole message. A view. */
TW_MUST_USE tw_err tw_tls_message_decode(tw_bytes encoded, tw_tls_message *out);

/* A message, or a vector with a length of 2 bytes, whose content is written between open and close. */
tw_vector_mark tw_tls_open_message(tw_writer *w, uint8_t type);
void tw_tls_close_message(tw_writer *w, tw_vector_mark mark);
tw_vector_mark tw_tls_open16(tw_writer *w);
void tw_tls_close16(tw_writer *w, tw_vector_mark mark);

/* A list with a length of 2 bytes, for readers: fails as malformed unless it has at least `min` bytes and a multiple of
 * `step`. */
tw_bytes tw_tls_read_list16(tw_reader *r, size_t min, size_t step);

#endif
