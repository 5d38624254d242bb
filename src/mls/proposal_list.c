/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/proposal_list.h"

#include <string.h>

#include "mls/app_data.h"

void tw_proposal_list_clear(const tw_env *env, tw_proposal_list *list) {
  tw_alloc_free(tw_env_alloc(env), list->items);
  *list = (tw_proposal_list){0};
}

tw_err tw_proposal_list_append(const tw_env *env, tw_proposal_list *list, const tw_proposal *proposal, tw_sender sender,
                               const tw_cached_proposal *cached) {
  if (list->count >= tw_env_limits(env)->proposals) return TW_ERR_LIMIT;
  if (list->count == list->cap) {
    const uint32_t cap = list->cap == 0 ? 4 : 2 * list->cap;
    tw_listed_proposal *items = tw_alloc_resize_array(tw_env_alloc(env), list->items, cap, sizeof *items);
    if (items == NULL) return TW_ERR_NO_MEMORY;
    list->items = items;
    list->cap = cap;
  }
  list->items[list->count++] = (tw_listed_proposal){.proposal = *proposal, .sender = sender, .cached = cached};
  return TW_OK;
}

bool tw_proposal_list_needs_path(const tw_proposal_list *list) {
  for (uint32_t i = 0; i < list->count; i++) {
    if (tw_proposal_needs_path(list->items[i].proposal.type)) return true;
  }
  return list->count == 0;
}

const tw_listed_proposal *tw_proposal_list_first(const tw_proposal_list *list, uint16_t type) {
  for (uint32_t i = 0; i < list->count; i++) {
    if (list->items[i].proposal.type == type) return &list->items[i];
  }
  return NULL;
}

static uint32_t count_of(const tw_proposal_list *list, uint16_t type) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < list->count; i++) count += list->items[i].proposal.type == type;
  return count;
}

/* ---- the rules of section 12.2 that look at the list alone ---- */

/* Section 12.1.8 and the "Ext" column of section 17.4: what may come from outside. */
static bool external_sender_may(uint16_t type) {
  switch (type) {
  case TW_PROPOSAL_ADD:
  case TW_PROPOSAL_REMOVE:
  case TW_PROPOSAL_PSK:
  case TW_PROPOSAL_REINIT:
  case TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS:
  case TW_PROPOSAL_APP_DATA_UPDATE:
  case TW_PROPOSAL_APP_EPHEMERAL: return true;
  default: return false;
  }
}

static tw_err check_sender(uint16_t type, tw_sender sender) {
  switch (sender.type) {
  case TW_SENDER_MEMBER: return type == TW_PROPOSAL_EXTERNAL_INIT ? TW_ERR_PROPOSAL : TW_OK;
  case TW_SENDER_EXTERNAL: return external_sender_may(type) ? TW_OK : TW_ERR_SENDER;
  case TW_SENDER_NEW_MEMBER_PROPOSAL: return type == TW_PROPOSAL_ADD ? TW_OK : TW_ERR_SENDER;
  default: return TW_ERR_SENDER;
  }
}

static tw_err check_external_commit(const tw_proposal_list *list) {
  if (count_of(list, TW_PROPOSAL_EXTERNAL_INIT) != 1) return TW_ERR_PROPOSAL;
  if (count_of(list, TW_PROPOSAL_REMOVE) > 1) return TW_ERR_PROPOSAL;
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_listed_proposal *item = &list->items[i];
    switch (item->proposal.type) {
    case TW_PROPOSAL_EXTERNAL_INIT:
    case TW_PROPOSAL_REMOVE:
    case TW_PROPOSAL_PSK:
    case TW_PROPOSAL_APP_DATA_UPDATE:
    case TW_PROPOSAL_APP_EPHEMERAL:
      /* A joiner cannot judge what was proposed inside the group. */
      if (item->cached != NULL) return TW_ERR_PROPOSAL;
      break;
    case TW_PROPOSAL_SELF_REMOVE:
      if (item->cached == NULL) return TW_ERR_PROPOSAL;
      break;
    default: return TW_ERR_PROPOSAL;
    }
  }
  return TW_OK;
}

static tw_err check_regular_commit(const tw_proposal_list *list, tw_sender committer) {
  if (count_of(list, TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS) > 1) return TW_ERR_PROPOSAL;
  if (count_of(list, TW_PROPOSAL_REINIT) > 0 && list->count > 1) return TW_ERR_PROPOSAL;
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_listed_proposal *item = &list->items[i];
    TW_TRY(check_sender(item->proposal.type, item->sender));
    const bool by_committer = item->sender.type == TW_SENDER_MEMBER && item->sender.index == committer.index;
    if (item->proposal.type == TW_PROPOSAL_UPDATE && by_committer) return TW_ERR_PROPOSAL;
    if (item->proposal.type == TW_PROPOSAL_REMOVE && item->proposal.u.remove == committer.index) return TW_ERR_PROPOSAL;
    if (item->proposal.type == TW_PROPOSAL_SELF_REMOVE && (by_committer || item->cached == NULL))
      return TW_ERR_PROPOSAL;
  }
  return TW_OK;
}

/*
 * "multiple PreSharedKey proposals that reference the same PreSharedKeyID"; few by limits.psks, so each pair is looked
 * at.
 */
static tw_err check_psks(const tw_draft *draft, const tw_proposal_list *list) {
  const tw_env *env = draft->from->env;
  const tw_suite *suite = draft->from->suite;
  if (count_of(list, TW_PROPOSAL_PSK) > tw_env_limits(env)->psks) return TW_ERR_LIMIT;
  for (uint32_t i = 0; i < list->count; i++) {
    if (list->items[i].proposal.type != TW_PROPOSAL_PSK) continue;
    const tw_psk_id *id = &list->items[i].proposal.u.psk;
    if (id->nonce.len != suite->hash->size) return TW_ERR_PROPOSAL;
    if (!draft->founding && id->type == TW_PSK_RESUMPTION && id->usage != TW_RESUMPTION_APPLICATION)
      return TW_ERR_PROPOSAL;
    for (uint32_t k = i + 1; k < list->count; k++) {
      if (list->items[k].proposal.type == TW_PROPOSAL_PSK && tw_psk_id_same(id, &list->items[k].proposal.u.psk))
        return TW_ERR_PROPOSAL;
    }
  }
  return TW_OK;
}

/*
 * By value, a proposal is looked at here for the first time. An Add's check is part of applying it, an Update is never
 * given by value in a valid list, and check_psks knows where linking PSKs belong.
 */
static tw_err check_values(const tw_draft *draft, const tw_proposal_list *list, uint64_t now) {
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_listed_proposal *item = &list->items[i];
    if (item->cached != NULL || item->proposal.type == TW_PROPOSAL_ADD || item->proposal.type == TW_PROPOSAL_UPDATE ||
        item->proposal.type == TW_PROPOSAL_PSK)
      continue;
    TW_TRY(tw_proposal_check(draft->from, &item->proposal, item->sender, now));
  }
  return TW_OK;
}

/* ---- applying, section 12.3 ---- */

tw_err tw_draft_begin(const tw_group *from, tw_draft *draft) {
  const tw_env *env = from->env;
  tw_draft next = {.from = from, .extensions = TW_BUF_INIT(tw_env_alloc(env))};
  tw_err err = tw_tree_clone(from->tree, &next.tree);
  if (err == TW_OK) err = tw_tree_private_copy(env, &from->priv, &next.priv);
  if (err == TW_OK) err = tw_buf_assign(&next.extensions, from->context.extensions);
  if (err != TW_OK) {
    tw_draft_clear(env, &next);
    return err;
  }
  next.signer = tw_signer_ref(from->signer);
  *draft = next;
  return TW_OK;
}

void tw_draft_clear(const tw_env *env, tw_draft *draft) {
  tw_tree_free(draft->tree);
  tw_tree_private_clear(env, &draft->priv);
  tw_signer_free(draft->signer);
  tw_buf_clear(&draft->extensions);
  tw_alloc_free(tw_env_alloc(env), draft->added);
  tw_secret_clear(&draft->external_init);
  *draft = (tw_draft){0};
}

/*
 * Which leaves an Update or Remove has touched: "multiple Update and/or Remove proposals that apply to the same leaf".
 */
typedef struct leaf_set {
  uint8_t *bits;
  uint32_t leaves;
} leaf_set;

static bool leaf_set_insert(leaf_set *set, uint32_t leaf) {
  if (leaf >= set->leaves) return false;
  const uint8_t bit = (uint8_t)(1u << (leaf % 8));
  if (set->bits[leaf / 8] & bit) return false;
  set->bits[leaf / 8] |= bit;
  return true;
}

static tw_err apply_update(tw_listed_proposal *item, uint64_t now, tw_draft *draft) {
  const uint32_t leaf_index = item->sender.index;
  const tw_leaf_node *leaf = &item->proposal.u.update;
  const tw_leaf_node *old = tw_tree_leaf(draft->from->tree, leaf_index);
  if (item->sender.type != TW_SENDER_MEMBER || old == NULL) return TW_ERR_PROPOSAL;
  TW_TRY(tw_leaf_node_check(draft->from->env, draft->from->suite, leaf, tw_buf_bytes(&draft->extensions), now));
  if (tw_tree_has_encryption_key(draft->tree, leaf->encryption_key, UINT32_MAX)) return TW_ERR_KEY_REUSED;
  if (tw_tree_has_signature_key(draft->tree, leaf->signature_key, leaf_index)) return TW_ERR_KEY_REUSED;
  TW_TRY(tw_tree_update_leaf(draft->tree, leaf_index, leaf->encoded));
  if (leaf_index != draft->priv.leaf_index) return TW_OK;
  /* Our own Update, committed by somebody else: from now on its keys are ours. */
  if (item->cached == NULL || item->cached->own_update == NULL) return TW_ERR_PROPOSAL;
  draft->priv.leaf_key = item->cached->own_update->leaf_key;
  tw_signer_free(draft->signer);
  draft->signer = tw_signer_ref(item->cached->own_update->signer);
  return TW_OK;
}

static tw_err apply_remove(uint32_t leaf_index, tw_draft *draft) {
  if (tw_tree_leaf(draft->tree, leaf_index) == NULL) return TW_ERR_PROPOSAL;
  TW_TRY(tw_tree_remove_leaf(draft->tree, leaf_index));
  draft->self_removed |= leaf_index == draft->priv.leaf_index;
  return TW_OK;
}

static tw_err apply_updates_and_removes(tw_proposal_list *list, uint64_t now, tw_draft *draft, leaf_set *touched) {
  static const uint16_t order[] = {TW_PROPOSAL_UPDATE, TW_PROPOSAL_SELF_REMOVE, TW_PROPOSAL_REMOVE};
  for (size_t pass = 0; pass < sizeof order / sizeof order[0]; pass++) {
    for (uint32_t i = 0; i < list->count; i++) {
      tw_listed_proposal *item = &list->items[i];
      if (item->proposal.type != order[pass]) continue;
      const bool is_remove = order[pass] == TW_PROPOSAL_REMOVE;
      if (order[pass] == TW_PROPOSAL_SELF_REMOVE && item->sender.type != TW_SENDER_MEMBER) return TW_ERR_SENDER;
      const uint32_t leaf = is_remove ? item->proposal.u.remove : item->sender.index;
      if (!leaf_set_insert(touched, leaf)) return TW_ERR_PROPOSAL;
      if (order[pass] == TW_PROPOSAL_UPDATE) {
        TW_TRY(apply_update(item, now, draft));
      } else {
        TW_TRY(apply_remove(leaf, draft));
      }
    }
  }
  return TW_OK;
}

static tw_err touch_leaves(tw_proposal_list *list, uint64_t now, tw_draft *draft) {
  const tw_alloc *alloc = tw_env_alloc(draft->from->env);
  const uint32_t leaves = tw_tree_leaf_count(draft->from->tree);
  leaf_set touched = {.bits = tw_alloc_zero(alloc, leaves / 8 + 1), .leaves = leaves};
  if (touched.bits == NULL) return TW_ERR_NO_MEMORY;
  const tw_err err = apply_updates_and_removes(list, now, draft, &touched);
  tw_alloc_free(alloc, touched.bits);
  return err;
}

static tw_err apply_add(tw_listed_proposal *item, uint64_t now, tw_draft *draft) {
  const tw_group *from = draft->from;
  const tw_key_package_view *key_package = &item->proposal.u.add;
  if (key_package->cipher_suite != from->context.cipher_suite) return TW_ERR_PROPOSAL;
  /* By reference it was checked when it came (tw_proposal_check); against new extensions only the leaf is looked at
   * again. */
  if (item->cached == NULL) {
    TW_TRY(tw_proposal_check(from, &item->proposal, item->sender, now));
  }
  TW_TRY(tw_leaf_node_check(from->env, from->suite, &key_package->leaf_node, tw_buf_bytes(&draft->extensions), now));
  if (tw_tree_has_signature_key(draft->tree, key_package->leaf_node.signature_key, UINT32_MAX)) return TW_ERR_PROPOSAL;
  if (tw_tree_has_encryption_key(draft->tree, key_package->leaf_node.encryption_key, UINT32_MAX))
    return TW_ERR_KEY_REUSED;
  TW_TRY(tw_tree_add_leaf(draft->tree, key_package->leaf_node.encoded, &item->added_leaf));
  draft->added[draft->added_count++] = item->added_leaf;
  return TW_OK;
}

static tw_err apply_adds(tw_proposal_list *list, uint64_t now, tw_draft *draft) {
  const uint32_t adds = count_of(list, TW_PROPOSAL_ADD);
  if (adds == 0) return TW_OK;
  draft->added = tw_alloc_array(tw_env_alloc(draft->from->env), adds, sizeof *draft->added);
  if (draft->added == NULL) return TW_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < list->count; i++) {
    if (list->items[i].proposal.type == TW_PROPOSAL_ADD) TW_TRY(apply_add(&list->items[i], now, draft));
  }
  return TW_OK;
}

/* Section 12.1.7 with the extensions draft's rule that the dictionary is AppDataUpdate's where that is required. */
static tw_err apply_extensions(const tw_listed_proposal *item, tw_draft *draft) {
  const tw_bytes next = item->proposal.u.group_context_extensions;
  tw_bytes required = TW_NO_BYTES;
  tw_required_capabilities needs = {0};
  if (tw_extension_find(draft->from->context.extensions, TW_EXTENSION_REQUIRED_CAPABILITIES, &required)) {
    TW_TRY(tw_required_capabilities_decode(required, &needs));
  }
  if (tw_u16_list_has(needs.proposals, TW_PROPOSAL_APP_DATA_UPDATE)) {
    tw_bytes before = TW_NO_BYTES;
    tw_bytes after = TW_NO_BYTES;
    const bool had = tw_extension_find(draft->from->context.extensions, TW_EXTENSION_APP_DATA_DICTIONARY, &before);
    const bool has = tw_extension_find(next, TW_EXTENSION_APP_DATA_DICTIONARY, &after);
    if (had != has || !tw_bytes_equal(before, after)) return TW_ERR_PROPOSAL;
  }
  return tw_buf_assign(&draft->extensions, next);
}

/* ---- what all members must support, section 7.3 and 12.2 ---- */

static tw_err check_types_supported(const tw_proposal_list *list, const tw_draft *draft) {
  for (uint32_t i = 0; i < list->count; i++) {
    const uint16_t type = list->items[i].proposal.type;
    if (tw_proposal_is_default(type)) continue;
    if (tw_tree_lacking_proposal(draft->tree, type) > 0) return TW_ERR_PROPOSAL;
  }
  return TW_OK;
}

static tw_err check_lists_supported(const tw_draft *draft, const tw_required_capabilities *needs) {
  tw_reader types = tw_reader_of(needs->extensions);
  while (tw_reader_more(&types)) {
    const uint16_t type = tw_read_u16(&types);
    if (!tw_extension_is_default(type) && tw_tree_lacking_extension(draft->tree, type) > 0) return TW_ERR_CAPABILITY;
  }
  types = tw_reader_of(needs->proposals);
  while (tw_reader_more(&types)) {
    const uint16_t type = tw_read_u16(&types);
    if (!tw_proposal_is_default(type) && tw_tree_lacking_proposal(draft->tree, type) > 0) return TW_ERR_CAPABILITY;
  }
  types = tw_reader_of(needs->credentials);
  while (tw_reader_more(&types)) {
    if (tw_tree_lacking_credential(draft->tree, tw_read_u16(&types)) > 0) return TW_ERR_CAPABILITY;
  }
  return TW_OK;
}

static tw_err check_extensions_supported(const tw_draft *draft) {
  tw_reader walk = tw_reader_of(tw_buf_bytes(&draft->extensions));
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) {
    if (!tw_extension_is_default(extension.type) && tw_tree_lacking_extension(draft->tree, extension.type) > 0)
      return TW_ERR_CAPABILITY;
  }
  tw_bytes required;
  if (!tw_extension_find(tw_buf_bytes(&draft->extensions), TW_EXTENSION_REQUIRED_CAPABILITIES, &required)) return TW_OK;
  tw_required_capabilities needs;
  TW_TRY(tw_required_capabilities_decode(required, &needs));
  return check_lists_supported(draft, &needs);
}

tw_err tw_draft_check_leaf(const tw_draft *draft, uint32_t leaf_index) {
  const tw_leaf_node *leaf = tw_tree_leaf(draft->tree, leaf_index);
  if (leaf == NULL) return TW_ERR_INTERNAL;
  if (tw_tree_lacking_credential(draft->tree, leaf->credential.type) > 0) return TW_ERR_CAPABILITY;
  return tw_tree_credentials_outside(draft->tree, &leaf->capabilities) == 0 ? TW_OK : TW_ERR_CAPABILITY;
}

static tw_err check_new_leaves(const tw_proposal_list *list, const tw_draft *draft) {
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_listed_proposal *item = &list->items[i];
    if (item->proposal.type == TW_PROPOSAL_ADD) TW_TRY(tw_draft_check_leaf(draft, item->added_leaf));
    if (item->proposal.type == TW_PROPOSAL_UPDATE) TW_TRY(tw_draft_check_leaf(draft, item->sender.index));
  }
  return TW_OK;
}

/*
 * What the extensions' components and wire formats ask of members: they may have come by GroupContextExtensions or by
 * AppDataUpdate, and a joiner will look at all leaves. Linear in members, so only where these lists have changed.
 */
static tw_err check_components_supported(const tw_draft *draft) {
  const tw_bytes extensions = tw_buf_bytes(&draft->extensions);
  if (!tw_app_data_needs_differ(draft->from->context.extensions, extensions)) return TW_OK;
  for (uint32_t i = 0; tw_tree_next_leaf(draft->tree, &i); i++) {
    TW_TRY(tw_app_data_leaf_check(tw_tree_leaf(draft->tree, i)->extensions, extensions));
  }
  return TW_OK;
}

static tw_err check_new_extensions(const tw_draft *draft) {
  const tw_bytes extensions = tw_buf_bytes(&draft->extensions);
  if (tw_bytes_equal(extensions, draft->from->context.extensions)) return TW_OK;
  TW_TRY(tw_group_context_extensions_check(extensions));
  TW_TRY(check_extensions_supported(draft));
  return check_components_supported(draft);
}

tw_err tw_proposal_list_apply(tw_proposal_list *list, tw_sender committer, uint64_t now, tw_draft *draft) {
  if (committer.type == TW_SENDER_NEW_MEMBER_COMMIT) {
    TW_TRY(check_external_commit(list));
  } else {
    TW_TRY(check_regular_commit(list, committer));
  }
  TW_TRY(check_psks(draft, list));
  TW_TRY(check_values(draft, list, now));
  const tw_listed_proposal *extensions = tw_proposal_list_first(list, TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
  if (extensions != NULL) TW_TRY(apply_extensions(extensions, draft));
  TW_TRY(touch_leaves(list, now, draft));
  /* Who was removed need not know the types, and who is added has not been asked yet. */
  TW_TRY(check_types_supported(list, draft));
  TW_TRY(apply_adds(list, now, draft));
  TW_TRY(check_new_leaves(list, draft));
  tw_tree_private_prune(&draft->priv, draft->tree);
  TW_TRY(tw_app_data_apply(list, draft));
  return check_new_extensions(draft);
}
