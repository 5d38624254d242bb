/* Content authentication, RFC 9420 section 6.1. SPDX-License-Identifier: Apache-2.0 */
#include "codec/writer.h"
#include "mls/framing_parts.h"
#include "mls/protect.h"

#define SIGN_LABEL TW_LITERAL("FramedContentTBS")

/* The head of struct FramedContent, and all of it when the body is the rest. */
void tw_write_framed_content_head(tw_writer *w, const tw_content_fields *fields) {
  tw_write_vector(w, fields->group_id);
  tw_write_u64(w, fields->epoch);
  tw_write_sender(w, fields->sender);
  tw_write_vector(w, fields->authenticated_data);
  tw_write_u8(w, fields->content_type);
}

void tw_write_framed_content(tw_writer *w, const tw_content_fields *fields) {
  tw_write_framed_content_head(w, fields);
  tw_write_fixed(w, fields->body);
}

/*
 * struct FramedContentTBS { ProtocolVersion version; WireFormat wire_format; FramedContent content; GroupContext
 * context? }
 */
void tw_framed_content_tbs(tw_framed_content_tbs_parts *out, uint16_t wire_format, tw_bytes framed_content,
                           uint8_t sender_type, tw_bytes group_context) {
  const bool in_group = sender_type == TW_SENDER_MEMBER || sender_type == TW_SENDER_NEW_MEMBER_COMMIT;
  tw_put_u16(out->head, TW_MLS10);
  tw_put_u16(out->head + 2, wire_format);
  out->parts[0] = TW_ARRAY(out->head);
  out->parts[1] = framed_content;
  out->parts[2] = in_group ? group_context : TW_NO_BYTES;
}

tw_err tw_content_sign(const tw_env *env, const tw_signer *signer, uint16_t wire_format, tw_bytes framed_content,
                       uint8_t sender_type, tw_bytes group_context, tw_buf *signature) {
  tw_framed_content_tbs_parts tbs;
  tw_framed_content_tbs(&tbs, wire_format, framed_content, sender_type, group_context);
  return tw_sign_with_label(env, signer, SIGN_LABEL, tbs.parts, TW_TBS_PARTS, signature);
}

static bool sender_may_send(const tw_unverified_content *content) {
  const tw_framed_content *framed = &content->content;
  if (content->wire_format != TW_WIRE_PUBLIC_MESSAGE && framed->sender.type != TW_SENDER_MEMBER) return false;
  switch (framed->sender.type) {
  case TW_SENDER_MEMBER: return true;
  case TW_SENDER_EXTERNAL: return framed->content_type == TW_CONTENT_PROPOSAL;
  case TW_SENDER_NEW_MEMBER_PROPOSAL:
    return framed->content_type == TW_CONTENT_PROPOSAL && framed->proposal.type == TW_PROPOSAL_ADD;
  case TW_SENDER_NEW_MEMBER_COMMIT: return framed->content_type == TW_CONTENT_COMMIT;
  default: return false;
  }
}

tw_err tw_content_verify(const tw_env *env, const tw_suite *suite, const tw_unverified_content *content,
                         tw_bytes signature_key, tw_bytes group_context, tw_verified_content *out) {
  if (!sender_may_send(content)) return TW_ERR_SENDER;
  tw_framed_content_tbs_parts tbs;
  tw_framed_content_tbs(&tbs, content->wire_format, content->content.encoded, content->content.sender.type,
                        group_context);
  TW_TRY(tw_verify_with_label(env, suite, signature_key, SIGN_LABEL, tbs.parts, TW_TBS_PARTS, content->auth.signature));
  *out = (tw_verified_content){content->wire_format, content->content, content->auth};
  return TW_OK;
}
