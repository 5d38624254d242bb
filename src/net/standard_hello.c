/* libssl's ClientHello, for a channel to send. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>

#include "net/standard_parts.h"
#include "record/record.h"

/* The handshake message in the records of the output; change_cipher_spec is the channel's own. */
static tw_err take_message(tw_standard *standard, tw_buf *hello) {
  size_t at = 0;
  tw_record_header header;
  while (at < standard->output.len) {
    const tw_bytes rest = TW_BYTES(standard->output.ptr + at, standard->output.len - at);
    TW_TRY(tw_record_peek(rest, false, &header));
    if (header.size > rest.len) return TW_ERR_TRUNCATED;
    if (header.type == TW_RECORD_HANDSHAKE)
      TW_TRY(tw_buf_append(hello, TW_BYTES(rest.ptr + TW_RECORD_HEADER, header.size - TW_RECORD_HEADER)));
    at += header.size;
  }
  tw_buf_clear(&standard->output);
  return TW_OK;
}

static tw_err give_message(tw_standard *standard, tw_bytes message) {
  while (message.len > 0) {
    const size_t now = message.len < TW_STANDARD_CONTENT_MAX ? message.len : TW_STANDARD_CONTENT_MAX;
    uint8_t header[TW_RECORD_HEADER];
    tw_record_put_plain_header(header, TW_RECORD_HANDSHAKE, now);
    TW_TRY(tw_buf_append(&standard->input, TW_ARRAY(header)));
    TW_TRY(tw_buf_append(&standard->input, TW_BYTES(message.ptr, now)));
    message = TW_BYTES(message.ptr + now, message.len - now);
  }
  return TW_OK;
}

tw_err tw_standard_client_hello(void *ctx, tw_bytes extension, tw_bytes retry, tw_buf *hello) {
  tw_standard *standard = ctx;
  TW_TRY(give_message(standard, retry));
  standard->skip = retry.len;
  standard->extension = extension;
  ERR_clear_error();
  const int done = SSL_do_handshake(standard->ssl);
  const bool waits = done != 1 && SSL_get_error(standard->ssl, done) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  standard->extension = TW_NO_BYTES;
  /* A HelloRetryRequest that libssl does not take; the channel has looked at it before. */
  if (!waits) return retry.len > 0 ? TW_ERR_FORBIDDEN : TW_ERR_NO_MEMORY;
  return take_message(standard, hello);
}

/* What is left of the bytes after a HelloRetryRequest, which ends its record. */
static size_t after_retry(const tw_standard *standard, tw_bytes received) {
  size_t at = 0;
  size_t left = standard->skip;
  tw_record_header header;
  while (left > 0 && tw_record_peek(TW_BYTES(received.ptr + at, received.len - at), false, &header) == TW_OK &&
         header.size <= received.len - at) {
    const size_t content = header.size - TW_RECORD_HEADER;
    if (header.type == TW_RECORD_HANDSHAKE) left -= content < left ? content : left;
    at += header.size;
  }
  return at;
}

tw_err tw_standard_give(tw_standard *standard, tw_bytes received) {
  const size_t at = standard->skip > 0 ? after_retry(standard, received) : 0;
  return tw_buf_append(&standard->input, TW_BYTES(received.ptr + at, received.len - at));
}
