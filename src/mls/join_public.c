/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/app_data.h"
#include "mls/join.h"

/* What we can do, as our leaf will say it: the GroupContext's extensions must all be known to us (section 12.4.3). */
static tw_err check_context(const tw_client *client, const tw_group_context *context) {
  if (context->version != TW_MLS10) return TW_ERR_UNSUPPORTED;
  if (tw_suite_by_id(client->env, context->cipher_suite) != client->suite) return TW_ERR_UNSUPPORTED;
  return tw_group_context_extensions_check(context->extensions);
}

static tw_err check_members(const tw_group *group, uint64_t now) {
  uint32_t index = 0;
  while (tw_tree_next_leaf(group->tree, &index)) {
    TW_TRY(tw_client_accepts(group->client, TW_CREDENTIAL_IN_TREE, group->context.group_id, index,
                             tw_tree_leaf(group->tree, index), NULL, now));
    index++;
  }
  return TW_OK;
}

static tw_err load_tree(tw_group *group, const tw_group_info *info, tw_bytes outside) {
  tw_bytes encoded = outside;
  if (!tw_extension_find(info->extensions, TW_EXTENSION_RATCHET_TREE, &encoded) && encoded.len == 0)
    return TW_ERR_MISSING_TREE;
  return tw_tree_decode(group->env, group->suite, encoded, &group->tree);
}

static tw_err fill(tw_group *group, const tw_group_info *info, tw_bytes ratchet_tree, tw_bytes own_leaf, uint64_t now) {
  TW_TRY(check_context(group->client, &info->group_context));
  TW_TRY(tw_group_set_context(group, &info->group_context));
  TW_TRY(load_tree(group, info, ratchet_tree));
  const tw_leaf_node *signer = tw_tree_leaf(group->tree, info->signer);
  if (signer == NULL) return TW_ERR_SENDER;
  TW_TRY(tw_group_info_verify(group->env, group->suite, info, signer->signature_key));
  TW_TRY(tw_tree_validate_joining(group->tree, group->context.group_id, group->context.extensions,
                                  group->context.tree_hash, own_leaf));
  TW_TRY(check_members(group, now));
  TW_TRY(tw_client_accepts_external_senders(group->client, group->context.group_id, group->context.extensions, now));
  const size_t size = group->suite->hash->size;
  if (info->confirmation_tag.len != size) return TW_ERR_ENCODING;
  memcpy(group->confirmation_tag, info->confirmation_tag.ptr, size);
  group->priv.leaf_index = UINT32_MAX;
  group->signer = tw_signer_ref(group->client->signer);
  return tw_interim_transcript_hash(group->env, group->suite, group->context.confirmed_transcript_hash,
                                    info->confirmation_tag, group->interim_transcript_hash);
}

tw_err tw_group_from_info(const tw_client *client, const tw_group_info *info, tw_bytes ratchet_tree, tw_bytes own_leaf,
                          uint64_t now, tw_group **out) {
  tw_group *group;
  TW_TRY(tw_group_new(client, &group));
  const tw_err err = fill(group, info, ratchet_tree, own_leaf, now);
  if (err != TW_OK) {
    tw_group_free(group);
    return err;
  }
  *out = group;
  return TW_OK;
}
