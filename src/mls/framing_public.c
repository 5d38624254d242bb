/* PublicMessage, RFC 9420 section 6.2. SPDX-License-Identifier: Apache-2.0 */
#include "mls/framing_parts.h"
#include "mls/protect.h"

/* membership_tag = MAC(membership_key, AuthenticatedContentTBM), that is FramedContentTBS || FramedContentAuthData */
static tw_err membership_tag(const tw_env *env, const tw_suite *suite, tw_bytes membership_key, tw_bytes framed_content,
                             tw_bytes auth, tw_bytes group_context, uint8_t *out) {
  tw_framed_content_tbs_parts tbs;
  tw_framed_content_tbs(&tbs, TW_WIRE_PUBLIC_MESSAGE, framed_content, TW_SENDER_MEMBER, group_context);
  const tw_bytes parts[TW_TBS_PARTS + 1] = {tbs.parts[0], tbs.parts[1], tbs.parts[2], auth};
  return tw_hmac_parts(env, suite, membership_key, parts, TW_TBS_PARTS + 1, out);
}

/* struct { FramedContent content; FramedContentAuthData auth; MAC membership_tag? } PublicMessage */
tw_err tw_public_message_seal(const tw_env *env, const tw_suite *suite, tw_bytes framed_content, uint8_t sender_type,
                              uint8_t content_type, const tw_content_auth *auth, tw_bytes membership_key,
                              tw_bytes group_context, tw_buf *out) {
  if (content_type != TW_CONTENT_PROPOSAL && content_type != TW_CONTENT_COMMIT) return TW_ERR_ARGUMENT;
  tw_writer w = tw_writer_to(out);
  tw_write_mls_message_header(&w, TW_WIRE_PUBLIC_MESSAGE);
  tw_write_fixed(&w, framed_content);
  const size_t auth_at = out->len;
  tw_write_content_auth(&w, auth, content_type);
  if (sender_type == TW_SENDER_MEMBER && w.err == TW_OK) {
    uint8_t tag[TW_HASH_MAX];
    const tw_bytes auth_encoded = {out->ptr + auth_at, out->len - auth_at};
    const tw_err err = membership_tag(env, suite, membership_key, framed_content, auth_encoded, group_context, tag);
    if (err != TW_OK) tw_writer_fail(&w, err);
    tw_write_vector(&w, TW_BYTES(tag, suite->hash->size));
  }
  return tw_writer_end(&w);
}

static tw_err check_membership_tag(const tw_env *env, const tw_suite *suite, const tw_public_message *message,
                                   tw_bytes membership_key, tw_bytes group_context) {
  const tw_bytes content = message->content.encoded;
  const tw_bytes auth = {message->authenticated.ptr + content.len, message->authenticated.len - content.len};
  uint8_t tag[TW_HASH_MAX];
  tw_err err = membership_tag(env, suite, membership_key, content, auth, group_context, tag);
  if (err == TW_OK && !tw_secret_equal(message->membership_tag, TW_BYTES(tag, suite->hash->size))) err = TW_ERR_MAC;
  tw_wipe(tag, sizeof tag);
  return err;
}

tw_err tw_public_message_open(const tw_env *env, const tw_suite *suite, const tw_public_message *message,
                              tw_bytes membership_key, tw_bytes group_context, tw_unverified_content *out) {
  if (message->content.content_type == TW_CONTENT_APPLICATION) return TW_ERR_FORBIDDEN;
  if (message->content.sender.type == TW_SENDER_MEMBER) {
    TW_TRY(check_membership_tag(env, suite, message, membership_key, group_context));
  }
  *out = (tw_unverified_content){TW_WIRE_PUBLIC_MESSAGE, message->content, message->auth};
  return TW_OK;
}
