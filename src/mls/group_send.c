/* Application messages and proposals that are sent by themselves: RFC 9420 sections 12.1 and 15. SPDX-License-Identifier: Apache-2.0 */
#include "mls/group.h"
#include "mls/leaf_make.h"
#include "mls/proposal_list.h"

/* Signs a content of ours, or of an outsider; `framed_content` and `signature` are appended to. */
static tw_err sign_content(const tw_env *env, const tw_signer *signer, uint16_t wire_format,
                           const tw_content_fields *fields, tw_bytes group_context, tw_buf *framed_content,
                           tw_buf *signature) {
  tw_writer w = tw_writer_to(framed_content);
  tw_write_framed_content(&w, fields);
  TW_TRY(tw_writer_end(&w));
  return tw_content_sign(env, signer, wire_format, tw_buf_bytes(framed_content), fields->sender.type, group_context,
                         signature);
}

static tw_err protect_private(tw_group *group, const tw_content_fields *fields, const tw_content_auth *auth,
                              tw_buf *message) {
  const tw_private_keys keys = {tw_secret_bytes(&group->secrets.sender_data_secret), group->secret_tree};
  return tw_private_message_seal(group->env, group->suite, fields, auth, &keys,
                                 tw_env_limits(group->env)->padding_block, message);
}

static tw_content_fields fields_of(const tw_group *group, uint8_t content_type, tw_bytes authenticated_data,
                                   tw_bytes body) {
  return (tw_content_fields){
      .group_id = group->context.group_id,
      .epoch = group->context.epoch,
      .sender = {TW_SENDER_MEMBER, group->priv.leaf_index},
      .authenticated_data = authenticated_data,
      .content_type = content_type,
      .body = body,
  };
}

tw_err tw_group_protect(tw_group *group, tw_bytes data, tw_bytes authenticated_data, tw_buf *message) {
  TW_TRY(tw_group_check_open(group));
  TW_TRY(tw_group_authenticated_data(group, authenticated_data, &authenticated_data));
  /* "MUST send a Commit message before sending application data" once proposals are known: section 12.4. */
  if (group->proposals.count > 0) return TW_ERR_PENDING;
  const tw_alloc *alloc = tw_env_alloc(group->env);
  tw_buf body = TW_BUF_INIT(alloc);
  tw_buf framed = TW_BUF_INIT(alloc);
  tw_buf signature = TW_BUF_INIT(alloc);
  tw_writer w = tw_writer_to(&body);
  tw_write_vector(&w, data);
  tw_err err = tw_writer_end(&w);
  const tw_content_fields fields = fields_of(group, TW_CONTENT_APPLICATION, authenticated_data, tw_buf_bytes(&body));
  if (err == TW_OK)
    err = sign_content(group->env, group->signer, TW_WIRE_PRIVATE_MESSAGE, &fields,
                       tw_buf_bytes(&group->context_encoded), &framed, &signature);
  const tw_content_auth auth = {.signature = tw_buf_bytes(&signature)};
  if (err == TW_OK) err = protect_private(group, &fields, &auth, message);
  tw_buf_clear(&body);
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return err;
}

/* Signs, keeps and protects a proposal of ours; takes `own_update` over on success. */
static tw_err send_proposal(tw_group *group, tw_bytes encoded, const tw_message_options *options,
                            tw_update_keys *own_update, tw_buf *scratch, tw_buf *message) {
  const uint16_t wire_format = options->plaintext ? TW_WIRE_PUBLIC_MESSAGE : TW_WIRE_PRIVATE_MESSAGE;
  tw_bytes authenticated_data;
  TW_TRY(tw_group_authenticated_data(group, options->authenticated_data, &authenticated_data));
  const tw_content_fields fields = fields_of(group, TW_CONTENT_PROPOSAL, authenticated_data, encoded);
  tw_buf *framed = &scratch[0];
  tw_buf *signature = &scratch[1];
  uint8_t reference[TW_HASH_MAX];
  const size_t before = message->len;
  TW_TRY(sign_content(group->env, group->signer, wire_format, &fields, tw_buf_bytes(&group->context_encoded), framed,
                      signature));
  TW_TRY(tw_proposal_reference(group->env, group->suite, wire_format, tw_buf_bytes(framed), tw_buf_bytes(signature),
                               reference));
  const tw_content_auth auth = {.signature = tw_buf_bytes(signature)};
  if (options->plaintext) {
    TW_TRY(tw_public_message_seal(group->env, group->suite, tw_buf_bytes(framed), TW_SENDER_MEMBER, TW_CONTENT_PROPOSAL,
                                  &auth, tw_secret_bytes(&group->secrets.membership_key),
                                  tw_buf_bytes(&group->context_encoded), message));
  } else {
    TW_TRY(protect_private(group, &fields, &auth, message));
  }
  const tw_err err = tw_proposal_cache_add(group->env, group->suite, &group->proposals, reference, encoded,
                                           fields.sender, own_update);
  if (err != TW_OK) message->len = before;
  return err;
}

static tw_err propose(tw_group *group, tw_bytes encoded, const tw_message_options *options, tw_update_keys *own_update,
                      tw_buf *message) {
  const tw_alloc *alloc = tw_env_alloc(group->env);
  tw_buf scratch[2] = {TW_BUF_INIT(alloc), TW_BUF_INIT(alloc)};
  const tw_err err = send_proposal(group, encoded, options, own_update, scratch, message);
  tw_buf_clear(&scratch[0]);
  tw_buf_clear(&scratch[1]);
  return err;
}

static tw_err check_sendable(const tw_group *group, const tw_proposal *proposal, const tw_message_options *options) {
  if (proposal->type == TW_PROPOSAL_EXTERNAL_INIT || proposal->type == TW_PROPOSAL_UPDATE) return TW_ERR_PROPOSAL;
  if (!tw_proposal_is_default(proposal->type) && tw_tree_lacking_proposal(group->tree, proposal->type) > 0)
    return TW_ERR_CAPABILITY;
  /* External joiners have to be able to read it (draft-ietf-mls-extensions). */
  if (proposal->type == TW_PROPOSAL_SELF_REMOVE && !options->plaintext) return TW_ERR_ARGUMENT;
  return TW_OK;
}

tw_err tw_group_propose(tw_group *group, tw_bytes proposal, const tw_message_options *options, uint64_t now,
                        tw_buf *message) {
  static const tw_message_options defaults = {0};
  tw_proposal decoded;
  if (options == NULL) options = &defaults;
  TW_TRY(tw_group_check_open(group));
  TW_TRY(tw_proposal_decode(proposal, &decoded));
  TW_TRY(check_sendable(group, &decoded, options));
  const tw_sender self = {TW_SENDER_MEMBER, group->priv.leaf_index};
  TW_TRY(tw_proposal_check_single(group, &decoded, self));
  TW_TRY(tw_proposal_check(group, &decoded, self, now));
  return propose(group, proposal, options, NULL, message);
}

/* ---- Update, section 12.1.2 ---- */

static tw_err make_update_leaf(const tw_group *group, const tw_client *client, tw_leaf_node_fields *fields,
                               tw_update_keys *keys, tw_buf *encoded) {
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  keys->signer = tw_signer_ref(client != NULL ? client->signer : group->signer);
  TW_TRY(tw_kem_generate(group->env, group->suite, &keys->leaf_key, public_key));
  fields->encryption_key = TW_BYTES(public_key, group->suite->kem->public_size);
  fields->source = TW_LEAF_UPDATE;
  tw_buf leaf = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_err err = tw_leaf_node_make(group->env, group->suite, keys->signer, fields, group->context.group_id,
                                 group->priv.leaf_index, &leaf);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(encoded);
    tw_write_proposal_update(&w, tw_buf_bytes(&leaf));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&leaf);
  return err;
}

static tw_err make_update(const tw_group *group, const tw_client *client, tw_update_keys *keys, tw_buf *encoded) {
  tw_own_leaf identity = {0};
  if (client != NULL) {
    TW_TRY(tw_own_leaf_make(client, &identity));
  } else {
    tw_leaf_fields_from(tw_group_own_leaf_node(group), &identity.fields);
  }
  const tw_err err = make_update_leaf(group, client, &identity.fields, keys, encoded);
  tw_own_leaf_clear(&identity);
  return err;
}

tw_err tw_group_propose_update(tw_group *group, const tw_client *client, const tw_message_options *options,
                               tw_buf *message) {
  static const tw_message_options defaults = {0};
  TW_TRY(tw_group_check_open(group));
  if (client != NULL) {
    TW_TRY(tw_client_check(client));
    if (client->suite != group->suite || client->env != group->env) return TW_ERR_ARGUMENT;
  }
  tw_buf encoded = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_update_keys *keys = tw_alloc_zero(tw_env_alloc(group->env), sizeof *keys);
  if (keys == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = make_update(group, client, keys, &encoded);
  if (err == TW_OK) err = propose(group, tw_buf_bytes(&encoded), options != NULL ? options : &defaults, keys, message);
  if (err != TW_OK) tw_update_keys_free(group->env, keys);
  tw_buf_clear(&encoded);
  return err;
}

/* ---- from outside, section 12.1.8 ---- */

static tw_err outside(const tw_client *client, tw_bytes group_id, uint64_t epoch, tw_sender sender, tw_bytes proposal,
                      tw_buf *message) {
  const tw_env *env = client->env;
  tw_buf framed = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf signature = TW_BUF_INIT(tw_env_alloc(env));
  const tw_content_fields fields = {
      .group_id = group_id, .epoch = epoch, .sender = sender, .content_type = TW_CONTENT_PROPOSAL, .body = proposal};
  tw_err err = sign_content(env, client->signer, TW_WIRE_PUBLIC_MESSAGE, &fields, TW_NO_BYTES, &framed, &signature);
  const tw_content_auth auth = {.signature = tw_buf_bytes(&signature)};
  if (err == TW_OK)
    err = tw_public_message_seal(env, client->suite, tw_buf_bytes(&framed), sender.type, TW_CONTENT_PROPOSAL, &auth,
                                 TW_NO_BYTES, TW_NO_BYTES, message);
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return err;
}

tw_err tw_external_propose(const tw_client *client, tw_bytes group_id, uint64_t epoch, uint32_t sender_index,
                           tw_bytes proposal, tw_buf *message) {
  tw_proposal decoded;
  TW_TRY(tw_client_check(client));
  TW_TRY(tw_proposal_decode(proposal, &decoded));
  return outside(client, group_id, epoch, (tw_sender){TW_SENDER_EXTERNAL, sender_index}, proposal, message);
}

tw_err tw_external_propose_self(const tw_key_package *key_package, const tw_client *client, tw_bytes group_id,
                                uint64_t epoch, tw_buf *message) {
  TW_TRY(tw_client_check(client));
  tw_buf proposal = TW_BUF_INIT(tw_env_alloc(client->env));
  tw_err err = tw_propose_add(&proposal, tw_key_package_message(key_package));
  if (err == TW_OK)
    err = outside(client, group_id, epoch, (tw_sender){TW_SENDER_NEW_MEMBER_PROPOSAL, 0}, tw_buf_bytes(&proposal),
                  message);
  tw_buf_clear(&proposal);
  return err;
}
