/* The inside of standard TLS. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_STANDARD_PARTS_H
#define TW_NET_STANDARD_PARTS_H

#include "net/standard.h"

enum {
  TW_STANDARD_CONTENT_MAX = 16384, /* of a record */
  TW_STANDARD_EVENTS = 3           /* established, the peer's close, the end */
};

struct tw_standard_context {
  tw_standard_config config;
  SSL_CTX *ssl;
  BIO_METHOD *bio;
  tw_buf alpn;                              /* connecting: in the form of the extension */
  uint8_t writing[TW_STANDARD_CONTENT_MAX]; /* application bytes between write_buffer and write_done */
};

struct tw_standard {
  tw_standard_context *context;
  SSL *ssl;
  tw_buf input; /* [input_at, len): libssl has not read it yet */
  size_t input_at;
  tw_buf output; /* [output_at, len): not sent yet */
  size_t output_at;
  tw_buf data; /* [data_at, len): the application's */
  size_t data_at;
  tw_buf certificates; /* the peer's, once it has shown them */
  tw_bytes extension;  /* while a ClientHello is made: our extension's data */
  size_t skip;         /* bytes of a HelloRetryRequest that libssl has had from us */

  uint64_t deadline_ms; /* of the handshake */
  bool established;
  bool closed;
  bool sent_close;
  bool got_close;
  bool ended;     /* nothing more comes */
  bool silent;    /* it ended with an error that the peer is not told */
  tw_err refused; /* what was said of the peer's certificates */
  uint8_t alert_sent;
  const char *words;
  uint64_t records; /* written since the last change of our key */
  uint64_t data_sent, data_received, wire_sent, wire_received;
  tw_channel_event events[TW_STANDARD_EVENTS];
  size_t event_first, event_count;
};

/* standard_context.c: libssl reads from `input` and writes to `output`. */
BIO_METHOD *tw_standard_bio_method(void);
/* standard_hello.c: what has come, but for what libssl has had from us. */
TW_MUST_USE tw_err tw_standard_give(tw_standard *standard, tw_bytes received);

#endif
