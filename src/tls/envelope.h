/* A bare KeyPackage or Welcome in an extension, and what a pair says. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_ENVELOPE_H
#define TW_TLS_ENVELOPE_H

#include <treewire/pair.h>

/*
 * A pair speaks TwoPartyMLSMessage(MLSMessage(KeyPackage or Welcome)), D1; tls_using_mls_handshake has the KeyPackage
 * or Welcome alone. `type` is TW_PAIR_CLIENT_HELLO or TW_PAIR_SERVER_HELLO.
 */

/* Take the headers off; a view. TW_ERR_INTERNAL: the pair made another message. */
TW_MUST_USE tw_err tw_tls_unwrap(tw_bytes pair_message, tw_pair_message_type type, tw_bytes *bare);
/* Put them on: appends the message for the pair. What is in `bare` is for the pair to check. */
TW_MUST_USE tw_err tw_tls_wrap(tw_bytes bare, tw_pair_message_type type, tw_buf *out);
/* The cipher suite that a KeyPackage names, before anything of it is checked. Malformed: it ends before that. */
TW_MUST_USE tw_err tw_tls_key_package_suite(tw_bytes key_package, uint16_t *suite);

#endif
