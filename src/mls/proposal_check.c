/* Rules that one proposal can break by itself: RFC 9420 sections 12.1.1 to 12.1.8. SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"
#include "mls/proposal_list.h"

tw_err tw_policy_err(tw_err err, tw_err refusal) {
  return err == TW_OK || tw_err_class_of(err) == TW_CLASS_RESOURCE ? err : refusal;
}

/* What a policy can say of a certificate, for the peer to be told. */
static tw_err refusal_of(tw_err err) {
  switch (err) {
  case TW_ERR_CERTIFICATE:
  case TW_ERR_CERTIFICATE_USE:
  case TW_ERR_CERTIFICATE_EXPIRED:
  case TW_ERR_CERTIFICATE_REVOKED:
  case TW_ERR_UNKNOWN_CA: return err;
  default: return TW_ERR_CREDENTIAL;
  }
}

tw_err tw_client_accepts(const tw_client *client, tw_credential_event event, tw_bytes group_id, uint32_t leaf_index,
                         const tw_leaf_node *leaf, const tw_leaf_node *old, uint64_t now) {
  if (client->policy.credential == NULL) return TW_ERR_CREDENTIAL;
  tw_credential old_credential = {0};
  tw_credential_use use = {
      .event = event,
      .group_id = group_id,
      .leaf_index = leaf_index,
      .credential = {leaf->credential.type, leaf->credential.identity},
      .signature_key = leaf->signature_key,
      .now = now,
  };
  if (old != NULL) {
    old_credential = (tw_credential){old->credential.type, old->credential.identity};
    use.old = &old_credential;
    use.old_signature_key = old->signature_key;
  }
  const tw_err err = client->policy.credential(client->policy.ctx, &use);
  return tw_policy_err(err, refusal_of(err));
}

tw_err tw_group_external_sender(tw_bytes group_context_extensions, uint32_t index, tw_external_sender *out) {
  tw_bytes data;
  tw_bytes list;
  if (!tw_extension_find(group_context_extensions, TW_EXTENSION_EXTERNAL_SENDERS, &data)) return TW_ERR_SENDER;
  TW_TRY(tw_external_senders_decode(data, &list));
  tw_reader walk = tw_reader_of(list);
  for (uint32_t i = 0; tw_external_sender_next(&walk, out); i++) {
    if (i == index) return TW_OK;
  }
  return TW_ERR_SENDER;
}

tw_err tw_client_accepts_external_senders(const tw_client *client, tw_bytes group_id, tw_bytes extensions,
                                          uint64_t now) {
  tw_bytes data;
  tw_bytes list;
  if (!tw_extension_find(extensions, TW_EXTENSION_EXTERNAL_SENDERS, &data)) return TW_OK;
  TW_TRY(tw_external_senders_decode(data, &list));
  tw_reader walk = tw_reader_of(list);
  tw_external_sender sender;
  while (tw_external_sender_next(&walk, &sender)) {
    const tw_leaf_node as_leaf = {.signature_key = sender.signature_key, .credential = sender.credential};
    TW_TRY(tw_client_accepts(client, TW_CREDENTIAL_EXTERNAL, group_id, UINT32_MAX, &as_leaf, NULL, now));
  }
  return TW_OK;
}

static tw_err check_add(const tw_group *group, const tw_key_package_view *key_package, uint64_t now) {
  if (key_package->cipher_suite != group->context.cipher_suite) return TW_ERR_PROPOSAL;
  /* The GroupContext's demands are looked at when it is committed: they may change by then (section 12.3). */
  TW_TRY(tw_key_package_check(group->env, group->suite, key_package, TW_NO_BYTES, now));
  return tw_client_accepts(group->client, TW_CREDENTIAL_ADDED, group->context.group_id, UINT32_MAX,
                           &key_package->leaf_node, NULL, now);
}

static tw_err check_update(const tw_group *group, const tw_leaf_node *leaf, tw_sender sender, uint64_t now) {
  const tw_leaf_node *old = sender.type == TW_SENDER_MEMBER ? tw_tree_leaf(group->tree, sender.index) : NULL;
  if (old == NULL) return TW_ERR_SENDER;
  if (leaf->source != TW_LEAF_UPDATE) return TW_ERR_PROPOSAL;
  if (tw_bytes_equal(leaf->encryption_key, old->encryption_key)) return TW_ERR_KEY_REUSED;
  TW_TRY(tw_leaf_node_check(group->env, group->suite, leaf, TW_NO_BYTES, now));
  TW_TRY(tw_leaf_node_verify(group->env, group->suite, leaf, group->context.group_id, sender.index));
  return tw_client_accepts(group->client, TW_CREDENTIAL_UPDATED, group->context.group_id, sender.index, leaf, old, now);
}

static tw_err check_extensions(const tw_group *group, tw_bytes extensions, uint64_t now) {
  TW_TRY(tw_group_context_extensions_check(extensions));
  return tw_client_accepts_external_senders(group->client, group->context.group_id, extensions, now);
}

static tw_err check_psk(const tw_group *group, const tw_psk_id *id) {
  if (id->nonce.len != group->suite->hash->size) return TW_ERR_PROPOSAL;
  if (id->type == TW_PSK_RESUMPTION && id->usage != TW_RESUMPTION_APPLICATION) return TW_ERR_PROPOSAL;
  return TW_OK;
}

tw_err tw_proposal_check(const tw_group *group, const tw_proposal *proposal, tw_sender sender, uint64_t now) {
  switch (proposal->type) {
  case TW_PROPOSAL_ADD: return check_add(group, &proposal->u.add, now);
  case TW_PROPOSAL_UPDATE: return check_update(group, &proposal->u.update, sender, now);
  case TW_PROPOSAL_REMOVE: return tw_tree_leaf(group->tree, proposal->u.remove) != NULL ? TW_OK : TW_ERR_PROPOSAL;
  case TW_PROPOSAL_PSK: return check_psk(group, &proposal->u.psk);
  case TW_PROPOSAL_REINIT: return proposal->u.reinit.version >= group->context.version ? TW_OK : TW_ERR_PROPOSAL;
  case TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: return check_extensions(group, proposal->u.group_context_extensions, now);
  default: return TW_OK;
  }
}

tw_err tw_proposal_check_single(const tw_group *group, const tw_proposal *proposal, tw_sender sender) {
  if (proposal->type != TW_PROPOSAL_SELF_REMOVE) return TW_OK;
  for (uint32_t i = 0; i < group->proposals.count; i++) {
    const tw_cached_proposal *cached = &group->proposals.items[i];
    tw_reader r = tw_reader_of(tw_buf_bytes(&cached->encoded));
    if (tw_read_u16(&r) == TW_PROPOSAL_SELF_REMOVE && cached->sender.index == sender.index) return TW_ERR_PROPOSAL;
  }
  return TW_OK;
}
