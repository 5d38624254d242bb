/* TwoPartyMLSMessage (D1). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_MESSAGE_H
#define TW_PAIR_MESSAGE_H

#include <treewire/pair.h>

enum { TW_PAIR_MESSAGE_HEADER = 4 };

typedef struct tw_pair_message {
  uint16_t type;    /* tw_pair_message_type */
  tw_bytes mls;     /* the MLSMessage, in all types but epoch_key_update */
  uint64_t epoch;   /* epoch_key_update */
  tw_bytes nonce;   /* resumption_request, resumption_response: TW_PAIR_NONCE bytes */
  bool early_data;  /* resumption_response: what followed the request was taken (D6) */
  tw_bytes encoded; /* of one that was received: all of it but the tag */
  tw_bytes tag;     /* and the tag; empty on a connection, and of hellos (mail_tag.h) */
} tw_pair_message;

/* A view. TW_ERR_UNSUPPORTED: another version; TW_ERR_ENCODING: a type that does not exist, or nothing inside. */
TW_MUST_USE tw_err tw_pair_message_decode(tw_bytes encoded, tw_pair_message *out);
TW_MUST_USE tw_err tw_pair_message_encode(const tw_pair_message *message, tw_buf *out);

#endif
