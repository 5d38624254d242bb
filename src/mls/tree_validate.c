/* What a joiner checks of a tree: RFC 9420 section 12.4.3.1. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/tree_node.h"

/*
 * "The entry represents a non-blank leaf that is a descendant", and "every non-blank intermediate node between" lists
 * it: enough to look at the next non-blank node below, which is checked for its own list in turn.
 */
static tw_err check_unmerged_leaf(const tw_tree_node *parent, uint32_t leaf) {
  const tw_tree_node *node = parent;
  do {
    node = node->u.child[leaf >> (node->level - 1) & 1];
  } while (node != NULL && node->level > 0 && node->parent == NULL);
  if (tw_node_resolution(node) == 0) return TW_ERR_TREE;
  return node->level == 0 || tw_leaves_have(tw_node_unmerged(node), leaf) ? TW_OK : TW_ERR_TREE;
}

static tw_err check_parent_content(const tw_tree *tree, const tw_tree_node *node, uint32_t index) {
  const tw_parent_content *parent = node->parent;
  const tw_bytes unmerged = tw_node_unmerged(node);
  for (size_t i = 0; i < unmerged.len; i += 4) TW_TRY(check_unmerged_leaf(node, tw_get_u32(unmerged.ptr + i)));
  if (tw_tree_key_used(tree, TW_KEY_ENCRYPTION, parent->key, index)) return TW_ERR_KEY_REUSED;
  if (parent->parent_hash.len != 0 && parent->parent_hash.len != tree->suite->hash->size) return TW_ERR_TREE;
  return tw_kem_check_public(tree->env, tree->suite, parent->key);
}

static tw_err check_parents(const tw_tree *tree) {
  tw_node_walk walk;
  tw_node_walk_start(&walk, tree);
  while (tw_node_walk_next(&walk)) {
    if (walk.node->parent == NULL) continue;
    TW_TRY(check_parent_content(tree, walk.node, tw_leaf_ancestor(walk.first, walk.node->level)));
  }
  return TW_OK;
}

/* Section 7.3: each credential type in use is one that every member can deal with. */
static tw_err check_credential_types(const tw_tree *tree) {
  int32_t type = -1;
  while (tw_tree_counts_next_credential(tree->counts, &type)) {
    if (tw_tree_lacking_credential(tree, (uint16_t)type) > 0) return TW_ERR_CAPABILITY;
  }
  return TW_OK;
}

static tw_err check_leaves(const tw_tree *tree, tw_bytes group_id, tw_bytes group_context_extensions,
                           tw_bytes own_leaf) {
  for (uint32_t i = 0; tw_tree_next_leaf(tree, &i); i++) {
    const tw_leaf_node *leaf = tw_tree_leaf(tree, i);
    if (tw_tree_has_encryption_key(tree, leaf->encryption_key, i)) return TW_ERR_KEY_REUSED;
    if (tw_tree_has_signature_key(tree, leaf->signature_key, i)) return TW_ERR_KEY_REUSED;
    TW_TRY(tw_leaf_node_check(tree->env, tree->suite, leaf, group_context_extensions, 0));
  }
  /* Signatures last: they cost most. */
  for (uint32_t i = 0; tw_tree_next_leaf(tree, &i); i++) {
    const tw_leaf_node *leaf = tw_tree_leaf(tree, i);
    if (own_leaf.len > 0 && tw_bytes_equal(leaf->encoded, own_leaf)) continue;
    TW_TRY(tw_leaf_node_verify(tree->env, tree->suite, leaf, group_id, i));
  }
  return TW_OK;
}

tw_err tw_tree_validate_joining(tw_tree *tree, tw_bytes group_id, tw_bytes group_context_extensions, tw_bytes tree_hash,
                                tw_bytes own_leaf) {
  uint8_t hash[TW_HASH_MAX];
  if (tw_tree_member_count(tree) == 0) return TW_ERR_TREE;
  TW_TRY(tw_tree_hash(tree, hash));
  if (tree_hash.len > 0 && !tw_bytes_equal(tree_hash, TW_BYTES(hash, tree->suite->hash->size))) return TW_ERR_TREE;
  TW_TRY(check_parents(tree));
  TW_TRY(tw_tree_check_parent_hashes(tree));
  TW_TRY(check_credential_types(tree));
  return check_leaves(tree, group_id, group_context_extensions, own_leaf);
}

tw_err tw_tree_validate(tw_tree *tree, tw_bytes group_id, tw_bytes group_context_extensions, tw_bytes tree_hash) {
  return tw_tree_validate_joining(tree, group_id, group_context_extensions, tree_hash, TW_NO_BYTES);
}
