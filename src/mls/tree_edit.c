/* Editing: RFC 9420 sections 7.7 and 12.1.1 to 12.1.3. SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_node.h"

/*
 * An edit works on a clone of the handle, whose nodes are shared, and exchanges the two at its end: so an error leaves
 * the tree as it was, and whoever holds another version never notices.
 */

static tw_err index_put(tw_tree *tree, uint64_t hash, uint32_t node, uint32_t kind) {
  return tw_key_index_insert(tw_env_alloc(tree->env), &tree->keys, (tw_key_entry){hash, node, kind});
}

static tw_err index_drop(tw_tree *tree, uint64_t hash, uint32_t node, uint32_t kind) {
  return tw_key_index_remove(tw_env_alloc(tree->env), &tree->keys, (tw_key_entry){hash, node, kind});
}

static tw_err index_leaf(tw_tree *tree, uint32_t index, const tw_leaf_content *old, const tw_leaf_content *next) {
  if (old != NULL) TW_TRY(index_drop(tree, old->encryption_hash, 2 * index, TW_KEY_ENCRYPTION));
  if (old != NULL) TW_TRY(index_drop(tree, old->signature_hash, 2 * index, TW_KEY_SIGNATURE));
  if (next != NULL) TW_TRY(index_put(tree, next->encryption_hash, 2 * index, TW_KEY_ENCRYPTION));
  if (next != NULL) TW_TRY(index_put(tree, next->signature_hash, 2 * index, TW_KEY_SIGNATURE));
  return TW_OK;
}

static tw_err index_parent(tw_tree *tree, uint32_t node, const tw_parent_content *old, const tw_parent_content *next) {
  if (old == next) return TW_OK;
  if (old != NULL) TW_TRY(index_drop(tree, old->key_hash, node, TW_KEY_ENCRYPTION));
  if (next != NULL) TW_TRY(index_put(tree, next->key_hash, node, TW_KEY_ENCRYPTION));
  return TW_OK;
}

tw_err tw_tree_extend(tw_tree *tree, uint32_t index) {
  while (tree->root != NULL && index >> tree->depth != 0) {
    tw_tree_node *root = NULL;
    if (tree->depth >= TW_TREE_DEPTH_MAX) return TW_ERR_LIMIT;
    TW_TRY(tw_tree_node_join(tree, tree->depth + 1, tw_tree_node_ref(tree->root), NULL, NULL, NULL, 0, &root));
    tw_tree_node_release(tree, tree->root);
    tree->root = root;
    tree->depth++;
  }
  return TW_OK;
}

/* "Truncate": as long as nobody is in the right half, the left one is the tree. */
static tw_err truncate_tree(tw_tree *tree) {
  while (tree->root != NULL && tree->root->members == 0) {
    tw_tree_node_release(tree, tree->root);
    tree->root = NULL;
    tree->depth = 0;
    tw_key_index_clear(tw_env_alloc(tree->env), &tree->keys);
  }
  while (tree->root != NULL && tree->depth > 0 && tw_node_members(tree->root->u.child[1]) == 0) {
    tw_tree_node *left = tw_tree_node_ref(tree->root->u.child[0]);
    const tw_err err = index_parent(tree, tw_leaf_ancestor(0, tree->depth), tree->root->parent, NULL);
    tw_tree_node_release(tree, tree->root);
    tree->root = left;
    tree->depth--;
    TW_TRY(err);
  }
  return TW_OK;
}

/*
 * The new node at `level`, over `below` which takes the place of the old child on the direct path. Takes `below` over.
 */
static tw_err rebuild(tw_tree *tree, uint32_t level, uint32_t index, const tw_tree_node *old, tw_tree_node *below,
                      tw_path_edit edit, tw_parent_content *parent, tw_tree_node **out) {
  const uint32_t side = index >> (level - 1) & 1;
  tw_tree_node *sibling = old != NULL ? tw_tree_node_ref(old->u.child[1 - side]) : NULL;
  tw_leaf_list *unmerged = NULL;
  uint32_t count = 0;
  if (edit == TW_PATH_UNMERGE) {
    parent = old != NULL ? old->parent : NULL;
    if (parent != NULL) {
      const tw_err err = tw_leaf_list_with(tree, old->unmerged, old->unmerged_count, index, &unmerged);
      if (err != TW_OK) {
        tw_tree_node_release(tree, below);
        tw_tree_node_release(tree, sibling);
        return err;
      }
      count = old->unmerged_count + 1;
    }
  }
  if (parent != NULL) parent->refs++;
  return tw_tree_node_join(tree, level, side == 0 ? below : sibling, side == 0 ? sibling : below, parent, unmerged,
                           count, out);
}

/* `tree` is ours alone here and is thrown away on error. */
static tw_err set_path(tw_tree *tree, uint32_t index, tw_leaf_content *leaf, tw_path_edit edit,
                       tw_parent_content *const *parents) {
  const tw_tree_node *old_leaf = tw_tree_node_at(tree, 0, index);
  tw_leaf_content *old = old_leaf != NULL ? old_leaf->u.leaf : NULL;
  tw_tree_counts *counts = NULL;
  TW_TRY(tw_tree_counts_change(tw_env_alloc(tree->env), tree->counts, old != NULL ? &old->view : NULL,
                               leaf != NULL ? &leaf->view : NULL, &counts));
  tw_tree_counts_release(tw_env_alloc(tree->env), tree->counts);
  tree->counts = counts;
  TW_TRY(index_leaf(tree, index, old, leaf));

  tw_tree_node *below = NULL;
  if (leaf != NULL) {
    leaf->refs++;
    TW_TRY(tw_tree_node_leaf(tree, leaf, &below));
  }
  for (uint32_t level = 1; level <= tree->depth; level++) {
    const tw_tree_node *at = tw_tree_node_at(tree, level, index);
    tw_parent_content *parent = parents != NULL ? parents[level] : NULL;
    tw_err err = TW_OK;
    if (edit == TW_PATH_SET)
      err = index_parent(tree, tw_leaf_ancestor(index, level), at != NULL ? at->parent : NULL, parent);
    if (err != TW_OK) {
      tw_tree_node_release(tree, below);
      return err;
    }
    TW_TRY(rebuild(tree, level, index, at, below, edit, parent, &below));
  }
  tw_tree_node_release(tree, tree->root);
  tree->root = below;
  return leaf == NULL ? truncate_tree(tree) : TW_OK;
}

tw_err tw_tree_set(tw_tree *tree, uint32_t index, tw_leaf_content *leaf, tw_path_edit edit,
                   tw_parent_content *const *parents) {
  tw_tree *next = NULL;
  TW_TRY(tw_tree_clone(tree, &next));
  tw_err err = tw_tree_extend(next, index);
  if (err == TW_OK) err = set_path(next, index, leaf, edit, parents);
  if (err == TW_OK) tw_tree_swap(tree, next);
  tw_tree_free(next);
  return err;
}

static tw_err set_encoded(tw_tree *tree, uint32_t index, tw_bytes encoded, tw_path_edit edit) {
  tw_leaf_content *leaf = NULL;
  TW_TRY(tw_leaf_content_new(tree, encoded, &leaf));
  const tw_err err = tw_tree_set(tree, index, leaf, edit, NULL);
  tw_leaf_content_release(tree, leaf);
  return err;
}

tw_err tw_tree_add_leaf(tw_tree *tree, tw_bytes encoded, uint32_t *index) {
  const uint32_t free = tw_tree_next_free(tree);
  if (free >= tw_env_limits(tree->env)->tree_leaves) return TW_ERR_LIMIT;
  TW_TRY(set_encoded(tree, free, encoded, TW_PATH_UNMERGE));
  *index = free;
  return TW_OK;
}

tw_err tw_tree_update_leaf(tw_tree *tree, uint32_t index, tw_bytes encoded) {
  if (tw_tree_leaf(tree, index) == NULL) return TW_ERR_TREE;
  return set_encoded(tree, index, encoded, TW_PATH_SET);
}

tw_err tw_tree_remove_leaf(tw_tree *tree, uint32_t index) {
  if (tw_tree_leaf(tree, index) == NULL) return TW_ERR_TREE;
  return tw_tree_set(tree, index, NULL, TW_PATH_SET, NULL);
}
