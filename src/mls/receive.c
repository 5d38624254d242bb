/* Messages that arrive in an epoch: RFC 9420 sections 6, 12.1.8, 12.4.2 and 15. SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"
#include "mls/commit_process.h"

void tw_received_clear(tw_received *received) {
  tw_buf_clear(&received->data);
  tw_buf_clear(&received->authenticated_data);
  tw_group_free(received->next);
  *received = (tw_received){0};
}

/* A message opened but not yet believed, and what has to be done when it is. */
typedef struct opened {
  tw_buf plaintext;
  tw_unverified_content content;
  bool is_private;
  uint32_t generation;
} opened;

static tw_err check_destination(const tw_group *group, tw_bytes group_id, uint64_t epoch) {
  if (!tw_bytes_equal(group_id, group->context.group_id)) return TW_ERR_WRONG_GROUP;
  if (epoch < group->context.epoch) return TW_ERR_OLD_EPOCH;
  return epoch == group->context.epoch ? TW_OK : TW_ERR_FUTURE_EPOCH;
}

static tw_private_keys private_keys(const tw_group *group) {
  return (tw_private_keys){tw_secret_bytes(&group->secrets.sender_data_secret), group->secret_tree};
}

static tw_err open_message(tw_group *group, tw_bytes message, opened *out) {
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(group->env, message, &decoded));
  if (decoded.wire_format == TW_WIRE_PUBLIC_MESSAGE) {
    const tw_public_message *public_message = &decoded.u.public_message;
    TW_TRY(check_destination(group, public_message->content.group_id, public_message->content.epoch));
    return tw_public_message_open(group->env, group->suite, public_message,
                                  tw_secret_bytes(&group->secrets.membership_key),
                                  tw_buf_bytes(&group->context_encoded), &out->content);
  }
  if (decoded.wire_format != TW_WIRE_PRIVATE_MESSAGE) return TW_ERR_UNEXPECTED;
  const tw_private_message *private_message = &decoded.u.private_message;
  TW_TRY(check_destination(group, private_message->group_id, private_message->epoch));
  const tw_private_keys keys = private_keys(group);
  out->is_private = true;
  return tw_private_message_open(group->env, group->suite, private_message, &keys, &out->plaintext, &out->content,
                                 &out->generation);
}

/* Section 6.2 and 12.1.8: what may come in which form from whom. */
static tw_err check_form(const tw_framed_content *content, bool is_private) {
  if (content->content_type == TW_CONTENT_APPLICATION) return is_private ? TW_OK : TW_ERR_FORBIDDEN;
  switch (content->sender.type) {
  case TW_SENDER_MEMBER: break;
  case TW_SENDER_EXTERNAL:
  case TW_SENDER_NEW_MEMBER_PROPOSAL:
    if (is_private || content->content_type != TW_CONTENT_PROPOSAL) return TW_ERR_SENDER;
    break;
  case TW_SENDER_NEW_MEMBER_COMMIT:
    if (is_private || content->content_type != TW_CONTENT_COMMIT) return TW_ERR_SENDER;
    break;
  default: return TW_ERR_SENDER;
  }
  /* A SelfRemove is public, for the use of external joiners (draft-ietf-mls-extensions). */
  const bool self_remove = content->content_type == TW_CONTENT_PROPOSAL &&
                           content->proposal.type == TW_PROPOSAL_SELF_REMOVE;
  return self_remove && is_private ? TW_ERR_FORBIDDEN : TW_OK;
}

static tw_err check_proposal_sender(const tw_framed_content *content) {
  const uint16_t type = content->proposal.type;
  switch (content->sender.type) {
  case TW_SENDER_EXTERNAL:
    return type == TW_PROPOSAL_UPDATE || type == TW_PROPOSAL_EXTERNAL_INIT || type == TW_PROPOSAL_SELF_REMOVE
               ? TW_ERR_SENDER
               : TW_OK;
  case TW_SENDER_NEW_MEMBER_PROPOSAL: return type == TW_PROPOSAL_ADD ? TW_OK : TW_ERR_SENDER;
  default: return type == TW_PROPOSAL_EXTERNAL_INIT ? TW_ERR_PROPOSAL : TW_OK;
  }
}

static tw_err receive_proposal(tw_group *group, const tw_verified_content *content, uint64_t now, tw_received *out) {
  uint8_t reference[TW_HASH_MAX];
  const tw_framed_content *framed = &content->content;
  TW_TRY(tw_group_check_open(group));
  TW_TRY(check_proposal_sender(framed));
  TW_TRY(tw_proposal_reference(group->env, group->suite, content->wire_format, framed->encoded, content->auth.signature,
                               reference));
  if (tw_proposal_cache_find(&group->proposals, group->suite, tw_group_hash_bytes(group, reference)) != NULL)
    return TW_ERR_DUPLICATE;
  TW_TRY(tw_proposal_check_single(group, &framed->proposal, framed->sender));
  TW_TRY(tw_proposal_check(group, &framed->proposal, framed->sender, now));
  TW_TRY(tw_buf_assign(&out->data, framed->proposal.encoded));
  TW_TRY(tw_proposal_cache_add(group->env, group->suite, &group->proposals, reference, framed->proposal.encoded,
                               framed->sender, NULL));
  out->kind = TW_RECEIVED_PROPOSAL;
  return TW_OK;
}

static tw_err receive_commit(const tw_group *group, const tw_verified_content *content, uint64_t now,
                             tw_received *out) {
  TW_TRY(tw_group_check_open(group));
  TW_TRY(tw_commit_process(group, content, now, &out->next));
  /* A joiner has its leaf from this commit on; it is found by the key that signed it. */
  if (out->next != NULL && content->content.sender.type == TW_SENDER_NEW_MEMBER_COMMIT &&
      !tw_tree_find_signature_key(out->next->tree, content->content.commit.path.leaf_node.signature_key, &out->sender))
    return TW_ERR_INTERNAL;
  const tw_commit *commit = &content->content.commit;
  out->kind = out->next != NULL ? TW_RECEIVED_COMMIT : TW_RECEIVED_REMOVED;
  out->update_only = commit->has_path && commit->proposal_count == 0;
  return TW_OK;
}

static tw_err act(tw_group *group, const tw_verified_content *content, uint64_t now, tw_received *out) {
  const tw_framed_content *framed = &content->content;
  out->sender_type = framed->sender.type;
  out->sender = framed->sender.index;
  TW_TRY(tw_buf_assign(&out->authenticated_data, framed->authenticated_data));
  switch (framed->content_type) {
  case TW_CONTENT_APPLICATION:
    out->kind = TW_RECEIVED_APPLICATION;
    return tw_buf_assign(&out->data, framed->application_data);
  case TW_CONTENT_PROPOSAL: return receive_proposal(group, content, now, out);
  case TW_CONTENT_COMMIT: return receive_commit(group, content, now, out);
  default: return TW_ERR_ENCODING;
  }
}

static tw_err believe(tw_group *group, const opened *message, uint64_t now, tw_received *out) {
  const tw_framed_content *content = &message->content.content;
  tw_verified_content verified;
  tw_bytes signature_key;
  TW_TRY(check_form(content, message->is_private));
  /* Who proposes from outside need not know the group's extensions. */
  if (content->sender.type == TW_SENDER_MEMBER || content->sender.type == TW_SENDER_NEW_MEMBER_COMMIT)
    TW_TRY(tw_safe_aad_check(group->context.extensions, content->authenticated_data));
  TW_TRY(tw_group_signature_key(group, content, &signature_key));
  TW_TRY(tw_content_verify(group->env, group->suite, &message->content, signature_key,
                           tw_buf_bytes(&group->context_encoded), &verified));
  const bool ours = content->sender.type == TW_SENDER_MEMBER && content->sender.index == group->priv.leaf_index;
  if (ours) return TW_ERR_OWN_MESSAGE;
  return act(group, &verified, now, out);
}

static tw_err receive(tw_group *group, tw_bytes message, uint64_t now, bool keep_key, tw_received *received) {
  const tw_alloc *alloc = tw_env_alloc(group->env);
  opened message_opened = {.plaintext = TW_BUF_INIT(alloc)};
  tw_received out = {.data = TW_BUF_INIT(alloc), .authenticated_data = TW_BUF_INIT(alloc)};
  tw_err err = open_message(group, message, &message_opened);
  if (err == TW_OK) err = believe(group, &message_opened, now, &out);
  const tw_framed_content *content = &message_opened.content.content;
  if (err == TW_OK && message_opened.is_private && !keep_key)
    tw_secret_tree_used(group->secret_tree, content->sender.index, content->content_type, message_opened.generation);
  tw_buf_clear(&message_opened.plaintext);
  if (err != TW_OK) {
    tw_received_clear(&out);
    return err;
  }
  *received = out;
  return TW_OK;
}

tw_err tw_group_receive(tw_group *group, tw_bytes message, uint64_t now, tw_received *received) {
  return receive(group, message, now, false, received);
}

tw_err tw_group_receive_to_adopt(tw_group *group, tw_bytes message, uint64_t now, tw_received *received) {
  return receive(group, message, now, true, received);
}

tw_err tw_message_peek(const tw_env *env, tw_bytes message, tw_bytes *group_id, uint64_t *epoch) {
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(env, message, &decoded));
  switch (decoded.wire_format) {
  case TW_WIRE_PUBLIC_MESSAGE:
    *group_id = decoded.u.public_message.content.group_id;
    *epoch = decoded.u.public_message.content.epoch;
    return TW_OK;
  case TW_WIRE_PRIVATE_MESSAGE:
    *group_id = decoded.u.private_message.group_id;
    *epoch = decoded.u.private_message.epoch;
    return TW_OK;
  default: return TW_ERR_UNEXPECTED;
  }
}
