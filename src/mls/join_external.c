/* Joining by an external commit: RFC 9420 sections 8.3 and 12.4.3.2. SPDX-License-Identifier: Apache-2.0 */
#include "mls/commit_make.h"
#include "mls/join.h"
#include "mls/leaf_make.h"

/* struct { HPKEPublicKey external_pub; } ExternalPub, section 12.4.3.2 */
static tw_err find_external_pub(const tw_group_info *info, tw_bytes *external_pub) {
  tw_bytes data;
  if (!tw_extension_find(info->extensions, TW_EXTENSION_EXTERNAL_PUB, &data)) return TW_ERR_FORBIDDEN;
  tw_reader r = tw_reader_of(data);
  *external_pub = tw_read_vector(&r);
  return tw_reader_end(&r);
}

/* The ExternalInit proposal comes first; its bytes live in the work. */
static tw_err append_external_init(tw_commit_work *work, tw_bytes external_pub, tw_secret *init_secret) {
  const tw_group *from = work->from;
  tw_buf kem_output = TW_BUF_INIT(tw_env_alloc(from->env));
  tw_err err = tw_external_init_send(from->env, from->suite, external_pub, &kem_output, init_secret);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(&work->external_kem_output);
    tw_write_proposal_external_init(&w, tw_buf_bytes(&kem_output));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&kem_output);
  return err == TW_OK ? tw_commit_work_append(work, tw_buf_bytes(&work->external_kem_output)) : err;
}

/* A SelfRemove of a member, all but its membership_tag checked: for that one has to be a member. */
static tw_err verify_self_remove(const tw_group *from, tw_bytes message, tw_verified_content *out) {
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(from->env, message, &decoded));
  if (decoded.wire_format != TW_WIRE_PUBLIC_MESSAGE) return TW_ERR_UNEXPECTED;
  const tw_framed_content *content = &decoded.u.public_message.content;
  if (!tw_bytes_equal(content->group_id, from->context.group_id)) return TW_ERR_WRONG_GROUP;
  if (content->epoch != from->context.epoch) {
    return content->epoch < from->context.epoch ? TW_ERR_OLD_EPOCH : TW_ERR_FUTURE_EPOCH;
  }
  const bool is_self_remove = content->sender.type == TW_SENDER_MEMBER &&
                              content->content_type == TW_CONTENT_PROPOSAL &&
                              content->proposal.type == TW_PROPOSAL_SELF_REMOVE;
  if (!is_self_remove) return TW_ERR_PROPOSAL;
  const tw_unverified_content unverified = {TW_WIRE_PUBLIC_MESSAGE, *content, decoded.u.public_message.auth};
  tw_bytes signature_key;
  TW_TRY(tw_group_signature_key(from, content, &signature_key));
  return tw_content_verify(from->env, from->suite, &unverified, signature_key, tw_buf_bytes(&from->context_encoded),
                           out);
}

/* draft-ietf-mls-extensions: a joiner takes the SelfRemoves of the epoch along, by reference. */
static tw_err append_self_removes(tw_commit_work *work, const tw_join_options *join) {
  tw_group *from = work->from;
  for (size_t i = 0; i < join->self_remove_count; i++) {
    tw_verified_content verified;
    uint8_t reference[TW_HASH_MAX];
    TW_TRY(verify_self_remove(from, join->self_removes[i], &verified));
    const tw_framed_content *content = &verified.content;
    TW_TRY(tw_proposal_reference(from->env, from->suite, verified.wire_format, content->encoded,
                                 verified.auth.signature, reference));
    TW_TRY(tw_proposal_cache_add(from->env, from->suite, &from->proposals, reference, content->proposal.encoded,
                                 content->sender, NULL));
  }
  return tw_commit_work_append_collected(work);
}

/* The Remove proposal of the leaf with our signature key, if there is one, into `proposal`. */
static tw_err remove_former_self(const tw_commit_work *work, tw_buf *proposal) {
  uint32_t index;
  if (!tw_tree_find_signature_key(work->from->tree, tw_signer_public_key(work->client->signer), &index)) return TW_OK;
  return tw_propose_remove(proposal, index);
}

static tw_err run(tw_commit_work *work, const tw_group_info *info, const tw_join_options *join, tw_buf *former_self,
                  tw_commit_result *result) {
  tw_bytes external_pub;
  TW_TRY(find_external_pub(info, &external_pub));
  TW_TRY(append_external_init(work, external_pub, &work->from->secrets.init_secret));
  TW_TRY(tw_commit_work_append(work, work->options->proposals));
  if (join->replaces_self) TW_TRY(remove_former_self(work, former_self));
  TW_TRY(tw_commit_work_append(work, tw_buf_bytes(former_self)));
  TW_TRY(append_self_removes(work, join));
  return tw_commit_work_run(work, result);
}

tw_err tw_group_join_external(const tw_client *client, tw_bytes group_info, const tw_join_options *join,
                              const tw_commit_options *options, uint64_t now, tw_commit_result *result) {
  static const tw_commit_options default_commit = {0};
  static const tw_join_options default_join = {0};
  TW_TRY(tw_client_check(client));
  if (join == NULL) join = &default_join;
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(client->env, group_info, &decoded));
  if (decoded.wire_format != TW_WIRE_GROUP_INFO) return TW_ERR_UNEXPECTED;
  const tw_group_info *info = &decoded.u.group_info;
  tw_group *from;
  TW_TRY(tw_group_from_info(client, info, join->ratchet_tree, TW_NO_BYTES, now, &from));
  tw_commit_work work = {
      .from = from,
      .client = client,
      .options = options != NULL ? options : &default_commit,
      .committer = {TW_SENDER_NEW_MEMBER_COMMIT, 0},
      .now = now,
      .external_kem_output = TW_BUF_INIT(tw_env_alloc(client->env)),
  };
  tw_buf former_self = TW_BUF_INIT(tw_env_alloc(client->env)); /* outlives the work's list */
  const tw_err err = run(&work, info, join, &former_self, result);
  tw_commit_work_clear(&work);
  tw_buf_clear(&former_self);
  tw_group_free(from);
  return err;
}
