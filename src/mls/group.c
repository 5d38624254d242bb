/* Life of a group value, and what can be asked of it. SPDX-License-Identifier: Apache-2.0 */
#include "mls/group.h"

#include "mls/app_data.h"

tw_group *tw_group_ref(tw_group *group) {
  if (group != NULL) group->refs++;
  return group;
}

void tw_group_free(tw_group *group) {
  if (group == NULL || --group->refs > 0) return;
  const tw_env *env = group->env;
  tw_signer_free(group->signer);
  tw_buf_clear(&group->context_encoded);
  tw_tree_free(group->tree);
  tw_tree_private_clear(env, &group->priv);
  tw_epoch_secrets_clear(&group->secrets);
  tw_secret_tree_free(group->secret_tree);
  tw_export_tree_free(group->export_tree);
  tw_proposal_cache_clear(env, &group->proposals);
  for (uint32_t i = 0; i < group->past_psk_count; i++) tw_secret_clear(&group->past_psks[i].secret);
  tw_alloc_free(tw_env_alloc(env), group->past_psks);
  tw_buf_clear(&group->reinit);
  tw_wipe(group->exporter_cache, sizeof *group->exporter_cache);
  tw_alloc_free(tw_env_alloc(env), group->exporter_cache);
  tw_wipe(group, sizeof *group);
  tw_alloc_free(tw_env_alloc(env), group);
}

const tw_suite *tw_group_suite(const tw_group *group) { return group->suite; }
tw_bytes tw_group_id(const tw_group *group) { return group->context.group_id; }
uint64_t tw_group_epoch(const tw_group *group) { return group->context.epoch; }
uint32_t tw_group_own_leaf(const tw_group *group) { return group->priv.leaf_index; }
uint32_t tw_group_member_count(const tw_group *group) { return tw_tree_member_count(group->tree); }
tw_bytes tw_group_extensions(const tw_group *group) { return group->context.extensions; }
tw_bytes tw_group_tree_hash(const tw_group *group) { return group->context.tree_hash; }
tw_bytes tw_group_confirmed_transcript_hash(const tw_group *group) { return group->context.confirmed_transcript_hash; }
tw_bytes tw_group_epoch_authenticator(const tw_group *group) {
  return tw_secret_bytes(&group->secrets.epoch_authenticator);
}
bool tw_group_is_closed(const tw_group *group) { return group->reinit.len > 0; }

bool tw_group_next_member(const tw_group *group, uint32_t *leaf_index, tw_member *member) {
  if (!tw_tree_next_leaf(group->tree, leaf_index)) return false;
  const tw_leaf_node *leaf = tw_tree_leaf(group->tree, *leaf_index);
  if (leaf == NULL) return false;
  *member = (tw_member){
      .leaf_index = *leaf_index,
      .credential = {leaf->credential.type, leaf->credential.identity},
      .signature_key = leaf->signature_key,
      .encryption_key = leaf->encryption_key,
      .leaf_extensions = leaf->extensions,
  };
  return true;
}

const tw_leaf_node *tw_group_own_leaf_node(const tw_group *group) {
  return tw_tree_leaf(group->tree, group->priv.leaf_index);
}

tw_err tw_group_check_open(const tw_group *group) { return tw_group_is_closed(group) ? TW_ERR_CLOSED : TW_OK; }

tw_err tw_group_authenticated_data(const tw_group *group, tw_bytes given, tw_bytes *framed) {
  static const uint8_t no_items[] = {0};
  *framed = given;
  if (!tw_safe_aad_in_use(group->context.extensions)) return TW_OK;
  if (given.len == 0) *framed = TW_ARRAY(no_items);
  return tw_safe_aad_check(group->context.extensions, *framed) == TW_OK ? TW_OK : TW_ERR_ARGUMENT;
}

tw_err tw_group_signature_key(const tw_group *group, const tw_framed_content *content, tw_bytes *key) {
  const tw_leaf_node *leaf = NULL;
  tw_external_sender external;
  switch (content->sender.type) {
  case TW_SENDER_MEMBER: leaf = tw_tree_leaf(group->tree, content->sender.index); break;
  case TW_SENDER_EXTERNAL:
    TW_TRY(tw_group_external_sender(group->context.extensions, content->sender.index, &external));
    *key = external.signature_key;
    return TW_OK;
  case TW_SENDER_NEW_MEMBER_PROPOSAL:
    if (content->content_type == TW_CONTENT_PROPOSAL && content->proposal.type == TW_PROPOSAL_ADD)
      leaf = &content->proposal.u.add.leaf_node;
    break;
  case TW_SENDER_NEW_MEMBER_COMMIT:
    if (content->content_type == TW_CONTENT_COMMIT && content->commit.has_path) leaf = &content->commit.path.leaf_node;
    break;
  default: break;
  }
  if (leaf == NULL) return TW_ERR_SENDER;
  *key = leaf->signature_key;
  return TW_OK;
}

tw_err tw_group_export(const tw_group *group, tw_bytes label, tw_bytes context, uint8_t *out, size_t len) {
  return tw_exporter_cached(group->env, group->suite, &group->exporter_key, group->exporter_cache, label, context, out,
                            len);
}

tw_err tw_group_safe_export(tw_group *group, uint16_t component_id, uint8_t *out, size_t *len) {
  tw_secret secret = {0};
  TW_TRY(tw_safe_export_secret(group->export_tree, component_id, &secret));
  for (size_t i = 0; i < secret.len; i++) out[i] = secret.data[i];
  *len = secret.len;
  tw_secret_clear(&secret);
  return TW_OK;
}

tw_err tw_group_resumption_psk(const tw_group *group, uint64_t epoch, tw_buf *secret) {
  if (epoch == group->context.epoch) return tw_buf_append(secret, tw_secret_bytes(&group->secrets.resumption_psk));
  for (uint32_t i = 0; i < group->past_psk_count; i++) {
    if (group->past_psks[i].epoch == epoch) return tw_buf_append(secret, tw_secret_bytes(&group->past_psks[i].secret));
  }
  return TW_ERR_MISSING_PSK;
}

tw_err tw_group_ratchet_tree(const tw_group *group, tw_buf *out) { return tw_tree_encode(group->tree, out); }

void tw_group_forget_proposals(tw_group *group) { tw_proposal_cache_clear(group->env, &group->proposals); }
