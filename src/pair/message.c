/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/message.h"

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/protocol.h"

/*
 * struct {
 *   uint16 version = mls10;
 *   uint16 type;
 *   select (type) {
 *     case client_hello(1), server_hello(2), connection_update(3): MLSMessage;
 *     case epoch_key_update(4): uint64 epoch;
 *     case resumption_request(5): opaque nonce[16]; MLSMessage;
 *     case resumption_response(6): opaque nonce[16]; uint8 early_data; MLSMessage;
 *   };
 * } TwoPartyMLSMessage, docs/protocols.md
 */
static uint16_t read_header(tw_reader *r) {
  const uint16_t version = tw_read_u16(r);
  const uint16_t type = tw_read_u16(r);
  if (tw_reader_err(r) != TW_OK) return 0;
  if (version != TW_MLS10) {
    tw_reader_fail(r, TW_ERR_UNSUPPORTED);
  } else if (type < TW_PAIR_CLIENT_HELLO || type > TW_PAIR_RESUMPTION_RESPONSE) {
    tw_reader_fail(r, TW_ERR_ENCODING);
  }
  return type;
}

tw_err tw_pair_message_decode(tw_bytes encoded, tw_pair_message *out) {
  tw_reader r = tw_reader_of(encoded);
  tw_pair_message message = {0};
  message.type = read_header(&r);
  if (message.type == TW_PAIR_EPOCH_KEY_UPDATE) {
    message.epoch = tw_read_u64(&r);
  } else {
    if (message.type >= TW_PAIR_RESUMPTION_REQUEST) message.nonce = tw_read_fixed(&r, TW_PAIR_NONCE);
    if (message.type == TW_PAIR_RESUMPTION_RESPONSE) message.early_data = tw_read_present(&r);
    message.mls = tw_read_rest(&r);
    if (message.mls.len == 0) tw_reader_fail(&r, TW_ERR_TRUNCATED);
  }
  TW_TRY(tw_reader_end(&r));
  message.encoded = encoded;
  *out = message;
  return TW_OK;
}

tw_err tw_pair_message_encode(const tw_pair_message *message, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u16(&w, TW_MLS10);
  tw_write_u16(&w, message->type);
  if (message->type == TW_PAIR_EPOCH_KEY_UPDATE) {
    tw_write_u64(&w, message->epoch);
  } else {
    if (message->type >= TW_PAIR_RESUMPTION_REQUEST) tw_write_fixed(&w, message->nonce);
    if (message->type == TW_PAIR_RESUMPTION_RESPONSE) tw_write_u8(&w, message->early_data ? 1 : 0);
    tw_write_fixed(&w, message->mls);
  }
  return tw_writer_end(&w);
}

tw_err tw_pair_message_peek(tw_bytes message, tw_pair_message_type *type) {
  tw_reader r = tw_reader_of(message);
  const uint16_t value = read_header(&r);
  TW_TRY(tw_reader_err(&r));
  *type = (tw_pair_message_type)value;
  return TW_OK;
}
