/* Standard TLS 1.3 by libssl: for peers without MLS (D12). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_STANDARD_H
#define TW_NET_STANDARD_H

#include <openssl/ssl.h>

#include "net/link.h"
#include "net/report.h"

/*
 * A channel comes first, always; where it ends with TW_CHANNEL_STANDARD, a tw_standard goes on in its place.
 *
 *   waiting:     tw_standard_new, tw_standard_begin(all bytes that came), tw_link_of_standard
 *   connecting:  tw_standard_new, its tw_standard_client_hello in the channel's tw_channel_tls; then as above: it goes
 * on with the ClientHello that the server has answered, so that TLS's own Finished tells when somebody took the
 * extension out of it or out of the answer
 *
 * TLS 1.3 alone. No tickets, no early data, no compression, no post-handshake authentication; the machine's
 * openssl.cnf has no say.
 */
typedef struct tw_standard_context tw_standard_context;
typedef struct tw_standard tw_standard;

/** Borrowed as long as the context lives, but for the certificates. */
typedef struct tw_standard_config {
  OSSL_LIB_CTX *lib;
  bool connecting;
  tw_bytes certificates; /* our chain, as in an x509 credential; may be empty when connecting */
  EVP_PKEY *key;         /* its key; NULL likewise */
  /** As in tw_channel_tls. */
  const tw_bytes *server_names;
  size_t server_name_count;
  const tw_bytes *protocols;
  size_t protocol_count;
  /**
   * What is to be said of the peer's chain, which is asked for if this is there: TW_OK or why it is refused. NULL, only
   * when waiting: anyone is let in.
   */
  tw_err (*judge)(void *ctx, tw_bytes certificates);
  void *ctx;
  uint16_t extension; /* connecting: tw_code_points.tls_using_mls_handshake */
  /** As in tw_channel_options. */
  uint32_t handshake_timeout_ms;
  uint32_t output_high_water;
} tw_standard_config;

/** TW_ERR_NO_MEMORY, TW_ERR_KEY (certificate or key that libssl does not take), with a report. */
TW_MUST_USE tw_err tw_standard_context_new(const tw_standard_config *config, tw_standard_context **context,
                                           tw_report *report);
/** NULL is fine. After what was made with it. */
void tw_standard_context_free(tw_standard_context *context);

/** One connection's. `began_ms`: when it began, for the handshake's time-out. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_standard_new(tw_standard_context *context, uint64_t began_ms, tw_standard **standard);
/** NULL is fine. */
void tw_standard_free(tw_standard *standard);

/** Connecting: for tw_channel_tls.client_hello; `ctx` is the tw_standard. */
tw_err tw_standard_client_hello(void *ctx, tw_bytes extension, tw_bytes retry, tw_buf *hello);
/**
 * Go on with all bytes that the peer has sent, from the first: tw_channel_received. `sent` bytes went to it before.
 * Errors are in the events.
 */
void tw_standard_begin(tw_standard *standard, tw_bytes received, uint64_t sent);
/** The link, which owns it from now on. */
tw_link tw_link_of_standard(tw_standard *standard);

#endif
