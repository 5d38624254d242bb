/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/framing.h"

#include "crypto/crypto.h"

/*
 * struct Sender {
 *   uint8 sender_type; select: member 1: uint32 leaf_index; external 2: uint32 sender_index; new_member_proposal 3,
 *   new_member_commit 4: nothing;
 * }                                                                                                     section 6
 */
tw_sender tw_read_sender(tw_reader *r) {
  tw_sender out = {0};
  out.type = tw_read_u8(r);
  switch (out.type) {
  case TW_SENDER_MEMBER:
  case TW_SENDER_EXTERNAL: out.index = tw_read_u32(r); break;
  case TW_SENDER_NEW_MEMBER_PROPOSAL:
  case TW_SENDER_NEW_MEMBER_COMMIT: break;
  default: tw_reader_fail(r, TW_ERR_ENCODING); break;
  }
  if (tw_reader_err(r) != TW_OK) return (tw_sender){0};
  return out;
}

void tw_write_sender(tw_writer *w, tw_sender sender) {
  tw_write_u8(w, sender.type);
  if (sender.type == TW_SENDER_MEMBER || sender.type == TW_SENDER_EXTERNAL) tw_write_u32(w, sender.index);
}

static void read_body(tw_reader *r, tw_framed_content *out) {
  const uint8_t *start = r->ptr;
  switch (out->content_type) {
  case TW_CONTENT_APPLICATION: out->application_data = tw_read_vector(r); break;
  case TW_CONTENT_PROPOSAL: out->proposal = tw_read_proposal(r); break;
  case TW_CONTENT_COMMIT: out->commit = tw_read_commit(r); break;
  default: tw_reader_fail(r, TW_ERR_ENCODING); break;
  }
  out->body = tw_reader_since(r, start);
}

/*
 * struct FramedContent {
 *   opaque group_id<V>; uint64 epoch; Sender sender; opaque authenticated_data<V>; uint8 content_type;
 *   select: application 1: opaque application_data<V>; proposal 2: Proposal; commit 3: Commit;
 * }                                                                                                     section 6
 */
tw_framed_content tw_read_framed_content(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_framed_content out = {0};
  out.group_id = tw_read_vector(r);
  out.epoch = tw_read_u64(r);
  out.sender = tw_read_sender(r);
  out.authenticated_data = tw_read_vector(r);
  out.content_type = tw_read_u8(r);
  read_body(r, &out);
  out.encoded = tw_reader_since(r, start);
  if (tw_reader_err(r) != TW_OK) return (tw_framed_content){0};
  return out;
}

/*
 * struct FramedContentAuthData { opaque signature<V>; select: commit: opaque confirmation_tag<V>; else nothing; },
 * section 6.1
 */
tw_content_auth tw_read_content_auth(tw_reader *r, uint8_t content_type) {
  tw_content_auth out = {0};
  out.signature = tw_read_vector(r);
  if (content_type == TW_CONTENT_COMMIT) out.confirmation_tag = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK) return (tw_content_auth){0};
  return out;
}

void tw_write_content_auth(tw_writer *w, const tw_content_auth *auth, uint8_t content_type) {
  tw_write_vector(w, auth->signature);
  if (content_type == TW_CONTENT_COMMIT) tw_write_vector(w, auth->confirmation_tag);
}

/*
 * struct PublicMessage {
 *   FramedContent content; FramedContentAuthData auth; select: sender member: opaque membership_tag<V>; else nothing;
 * }                                                                                                     section 6.2
 */
tw_public_message tw_read_public_message(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_public_message out = {0};
  out.content = tw_read_framed_content(r);
  out.auth = tw_read_content_auth(r, out.content.content_type);
  out.authenticated = tw_reader_since(r, start);
  if (out.content.sender.type == TW_SENDER_MEMBER) out.membership_tag = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK) return (tw_public_message){0};
  return out;
}

/*
 * struct PrivateMessage {
 *   opaque group_id<V>; uint64 epoch; uint8 content_type; opaque authenticated_data<V>; opaque
 * encrypted_sender_data<V>; opaque ciphertext<V>; } section 6.3
 */
tw_private_message tw_read_private_message(tw_reader *r) {
  tw_private_message out = {0};
  out.group_id = tw_read_vector(r);
  out.epoch = tw_read_u64(r);
  out.content_type = tw_read_u8(r);
  if (out.content_type < TW_CONTENT_APPLICATION || out.content_type > TW_CONTENT_COMMIT)
    tw_reader_fail(r, TW_ERR_ENCODING);
  out.authenticated_data = tw_read_vector(r);
  out.encrypted_sender_data = tw_read_vector(r);
  out.ciphertext = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK) return (tw_private_message){0};
  return out;
}

void tw_write_private_message(tw_writer *w, const tw_private_message *message) {
  tw_write_vector(w, message->group_id);
  tw_write_u64(w, message->epoch);
  tw_write_u8(w, message->content_type);
  tw_write_vector(w, message->authenticated_data);
  tw_write_vector(w, message->encrypted_sender_data);
  tw_write_vector(w, message->ciphertext);
}

static void read_message_body(tw_reader *r, tw_mls_message *out) {
  switch (out->wire_format) {
  case TW_WIRE_PUBLIC_MESSAGE: out->u.public_message = tw_read_public_message(r); break;
  case TW_WIRE_PRIVATE_MESSAGE: out->u.private_message = tw_read_private_message(r); break;
  case TW_WIRE_WELCOME: out->u.welcome = tw_read_welcome(r); break;
  case TW_WIRE_GROUP_INFO: out->u.group_info = tw_read_group_info(r); break;
  case TW_WIRE_KEY_PACKAGE:
    out->u.key_package = tw_read_key_package(r);
    /* Section 10: a KeyPackage in a message is of the message's version. */
    if (tw_reader_err(r) == TW_OK && out->u.key_package.version != out->version) tw_reader_fail(r, TW_ERR_UNSUPPORTED);
    break;
  default: tw_reader_fail(r, TW_ERR_UNSUPPORTED); break;
  }
}

/* struct MLSMessage { uint16 version = 1; uint16 wire_format; select by wire format: its message; }, section 6 */
tw_err tw_mls_message_decode(const tw_env *env, tw_bytes encoded, tw_mls_message *out) {
  if (encoded.len > tw_env_limits(env)->message_size) return TW_ERR_LIMIT;
  tw_reader r = tw_reader_of(encoded);
  tw_mls_message message = {0};
  message.version = tw_read_u16(&r);
  message.wire_format = tw_read_u16(&r);
  if (tw_reader_err(&r) == TW_OK && message.version != TW_MLS10) tw_reader_fail(&r, TW_ERR_UNSUPPORTED);
  read_message_body(&r, &message);
  TW_TRY(tw_reader_end(&r));
  *out = message;
  return TW_OK;
}

void tw_write_mls_message_header(tw_writer *w, uint16_t wire_format) {
  tw_write_u16(w, TW_MLS10);
  tw_write_u16(w, wire_format);
}
