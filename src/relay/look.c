/* SPDX-License-Identifier: Apache-2.0 */
#include <treewire/pair.h>

#include "mls/framing.h"
#include "mls/protocol.h"
#include "relay/delivery_parts.h"

tw_err tw_delivery_look_at(const tw_env *env, tw_bytes message, tw_delivery_look *look) {
  tw_mls_message decoded;
  *look = (tw_delivery_look){0};
  TW_TRY(tw_mls_message_decode(env, message, &decoded));
  if (decoded.wire_format == TW_WIRE_PRIVATE_MESSAGE) {
    const tw_private_message *private_message = &decoded.u.private_message;
    look->group_id = private_message->group_id;
    look->epoch = private_message->epoch;
    look->commit = private_message->content_type == TW_CONTENT_COMMIT;
    look->member = true;
    return TW_OK;
  }
  if (decoded.wire_format != TW_WIRE_PUBLIC_MESSAGE) return TW_ERR_UNEXPECTED;
  const tw_framed_content *content = &decoded.u.public_message.content;
  look->group_id = content->group_id;
  look->epoch = content->epoch;
  look->commit = content->content_type == TW_CONTENT_COMMIT;
  look->external_join = content->sender.type == TW_SENDER_NEW_MEMBER_COMMIT;
  look->member = content->sender.type == TW_SENDER_MEMBER;
  return TW_OK;
}

bool tw_delivery_is_welcome(const tw_env *env, tw_bytes message) {
  tw_mls_message decoded;
  return tw_mls_message_decode(env, message, &decoded) == TW_OK && decoded.wire_format == TW_WIRE_WELCOME;
}

bool tw_delivery_is_group_info(const tw_env *env, tw_bytes message, tw_bytes group_id, uint64_t epoch) {
  tw_mls_message decoded;
  if (message.len == 0) return true;
  if (tw_mls_message_decode(env, message, &decoded) != TW_OK || decoded.wire_format != TW_WIRE_GROUP_INFO) return false;
  const tw_group_context *context = &decoded.u.group_info.group_context;
  return tw_bytes_equal(context->group_id, group_id) && context->epoch == epoch;
}

bool tw_delivery_is_key_package(tw_control_pool pool, tw_bytes message) {
  if (pool == TW_CONTROL_POOL_PAIR) {
    tw_pair_message_type type;
    return tw_pair_message_peek(message, &type) == TW_OK && type == TW_PAIR_CLIENT_HELLO;
  }
  tw_reader r = tw_reader_of(message);
  const uint16_t version = tw_read_u16(&r);
  const uint16_t wire_format = tw_read_u16(&r);
  return tw_reader_err(&r) == TW_OK && version == TW_MLS10 && wire_format == TW_WIRE_KEY_PACKAGE;
}
