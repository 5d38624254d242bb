/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_node.h"

#include "base/alloc.h"

static tw_tree_node *node_new(const tw_tree *tree, uint32_t level) {
  tw_tree_node *node = tw_alloc_zero(tw_env_alloc(tree->env), sizeof *node + tree->suite->hash->size);
  if (node == NULL) return NULL;
  node->refs = 1;
  node->level = (uint8_t)level;
  return node;
}

tw_err tw_tree_node_blank(const tw_tree *tree, uint32_t level, tw_tree_node **out) {
  tw_tree_node *node = node_new(tree, level);
  if (node == NULL) return TW_ERR_NO_MEMORY;
  *out = node;
  return TW_OK;
}

tw_err tw_tree_node_leaf(const tw_tree *tree, tw_leaf_content *leaf, tw_tree_node **out) {
  tw_tree_node *node = node_new(tree, 0);
  if (node == NULL) {
    tw_leaf_content_release(tree, leaf);
    return TW_ERR_NO_MEMORY;
  }
  node->members = 1;
  node->resolution = 1;
  node->u.leaf = leaf;
  *out = node;
  return TW_OK;
}

tw_err tw_tree_node_join(const tw_tree *tree, uint32_t level, tw_tree_node *left, tw_tree_node *right,
                         tw_parent_content *parent, tw_leaf_list *unmerged, uint32_t unmerged_count,
                         tw_tree_node **out) {
  const uint32_t below = tw_node_resolution(left) + tw_node_resolution(right);
  const bool blank = parent == NULL && below == 0;
  tw_tree_node *node = blank ? NULL : node_new(tree, level);
  *out = node;
  if (node == NULL) {
    tw_tree_node_release(tree, left);
    tw_tree_node_release(tree, right);
    tw_parent_content_release(tree, parent);
    tw_leaf_list_release(tree, unmerged);
    return blank ? TW_OK : TW_ERR_NO_MEMORY;
  }
  node->members = tw_node_members(left) + tw_node_members(right);
  node->resolution = parent != NULL ? 1 + unmerged_count : below;
  node->parent = parent;
  node->unmerged = unmerged;
  node->unmerged_count = unmerged_count;
  node->u.child[0] = left;
  node->u.child[1] = right;
  return TW_OK;
}

tw_tree_node *tw_tree_node_ref(tw_tree_node *node) {
  if (node != NULL) node->refs++;
  return node;
}

void tw_tree_node_release(const tw_tree *tree, tw_tree_node *root) {
  tw_tree_node *stack[TW_TREE_DEPTH_MAX + 2];
  uint32_t top = 0;
  if (root != NULL) stack[top++] = root;
  while (top > 0) {
    tw_tree_node *node = stack[--top];
    if (--node->refs > 0) continue;
    tw_parent_content_release(tree, node->parent);
    tw_leaf_list_release(tree, node->unmerged);
    if (node->level == 0) {
      tw_leaf_content_release(tree, node->u.leaf);
    } else {
      if (node->u.child[1] != NULL) stack[top++] = node->u.child[1];
      if (node->u.child[0] != NULL) stack[top++] = node->u.child[0];
    }
    tw_alloc_free(tw_env_alloc(tree->env), node);
  }
}

/* ---- finding ---- */

tw_tree_node *tw_tree_node_at(const tw_tree *tree, uint32_t level, uint32_t leaf) {
  if (tree->root == NULL || level > tree->depth || leaf >> tree->depth != 0) return NULL;
  tw_tree_node *node = tree->root;
  for (uint32_t at = tree->depth; at > level && node != NULL; at--) node = node->u.child[leaf >> (at - 1) & 1];
  return node;
}

tw_tree_node *tw_tree_copath(const tw_tree *tree, uint32_t level, uint32_t leaf) {
  return tw_tree_node_at(tree, level, leaf ^ (1u << level));
}

const tw_parent_content *tw_tree_parent(const tw_tree *tree, uint32_t level, uint32_t leaf) {
  const tw_tree_node *node = level > 0 ? tw_tree_node_at(tree, level, leaf) : NULL;
  return node != NULL ? node->parent : NULL;
}

uint32_t tw_tree_next_free(const tw_tree *tree) {
  const tw_tree_node *node = tree->root;
  uint32_t leaf = 0;
  if (node == NULL) return 0;
  if (node->members == 1u << tree->depth) return 1u << tree->depth;
  for (uint32_t level = tree->depth; level > 0 && tw_node_members(node) > 0; level--) {
    const bool left_is_full = tw_node_members(node->u.child[0]) == 1u << (level - 1);
    if (left_is_full) leaf += 1u << (level - 1);
    node = node->u.child[left_is_full ? 1 : 0];
  }
  return leaf;
}

static tw_bytes key_at(const tw_tree *tree, tw_key_entry entry) {
  const uint32_t level = tw_node_level(entry.node);
  const tw_tree_node *node = tw_tree_node_at(tree, level, tw_node_first_leaf(entry.node));
  if (node == NULL) return TW_NO_BYTES;
  if (level > 0) return node->parent != NULL ? node->parent->key : TW_NO_BYTES;
  if (node->u.leaf == NULL) return TW_NO_BYTES;
  return entry.kind == TW_KEY_SIGNATURE ? node->u.leaf->view.signature_key : node->u.leaf->view.encryption_key;
}

static bool find_key(const tw_tree *tree, uint32_t kind, tw_bytes key, uint32_t except, uint32_t *node) {
  const uint64_t hash = tw_key_hash(tree->seed, kind, key);
  const tw_key_entry *entry;
  for (size_t i = 0; (entry = tw_key_index_find(&tree->keys, hash, kind, i)) != NULL; i++) {
    if (entry->node == except || !tw_bytes_equal(key_at(tree, *entry), key)) continue;
    *node = entry->node;
    return true;
  }
  return false;
}

bool tw_tree_key_used(const tw_tree *tree, uint32_t kind, tw_bytes key, uint32_t except) {
  uint32_t node;
  return find_key(tree, kind, key, except, &node);
}

bool tw_tree_find_signature_key(const tw_tree *tree, tw_bytes key, uint32_t *index) {
  uint32_t node;
  if (!find_key(tree, TW_KEY_SIGNATURE, key, TW_NO_NODE, &node)) return false;
  *index = node / 2;
  return true;
}

uint32_t tw_tree_filtered_path(const tw_tree *tree, uint32_t leaf, uint32_t *levels) {
  uint32_t count = 0;
  for (uint32_t level = 1; level <= tree->depth; level++) {
    if (tw_node_resolution(tw_tree_copath(tree, level - 1, leaf)) > 0) levels[count++] = level;
  }
  return count;
}

/* ---- resolution, section 4.1.1 ---- */

static void push(tw_resolution_walk *walk, const tw_tree_node *node, uint32_t first) {
  if (tw_node_resolution(node) == 0) return;
  walk->stack[walk->top] = node;
  walk->first[walk->top++] = first;
}

void tw_resolution_start(tw_resolution_walk *walk, const tw_tree_node *node, uint32_t level, uint32_t leaf) {
  walk->top = 0;
  walk->unmerged = TW_NO_BYTES;
  push(walk, node, leaf >> level << level);
}

bool tw_resolution_next(const tw_tree *tree, tw_resolution_walk *walk, tw_resolved *out) {
  if (walk->unmerged.len > 0) {
    const uint32_t leaf = tw_get_u32(walk->unmerged.ptr);
    walk->unmerged = TW_BYTES(walk->unmerged.ptr + 4, walk->unmerged.len - 4);
    const tw_leaf_node *view = tw_tree_leaf(tree, leaf);
    *out = (tw_resolved){2 * leaf, view != NULL ? view->encryption_key : TW_NO_BYTES};
    return true;
  }
  while (walk->top > 0) {
    const tw_tree_node *node = walk->stack[--walk->top];
    const uint32_t first = walk->first[walk->top];
    if (node->level == 0) {
      *out = (tw_resolved){2 * first, node->u.leaf->view.encryption_key};
      return true;
    }
    if (node->parent != NULL) {
      walk->unmerged = tw_node_unmerged(node);
      *out = (tw_resolved){tw_leaf_ancestor(first, node->level), node->parent->key};
      return true;
    }
    push(walk, node->u.child[1], first + (1u << (node->level - 1)));
    push(walk, node->u.child[0], first);
  }
  return false;
}

/* ---- all nodes ---- */

static void walk_push(tw_node_walk *walk, tw_tree_node *node, uint32_t first) {
  if (tw_node_resolution(node) == 0) return;
  walk->stack[walk->top] = node;
  walk->firsts[walk->top++] = first;
}

void tw_node_walk_start(tw_node_walk *walk, const tw_tree *tree) {
  walk->top = 0;
  walk->node = NULL;
  walk->first = 0;
  walk_push(walk, tree->root, 0);
}

bool tw_node_walk_next(tw_node_walk *walk) {
  if (walk->top == 0) return false;
  walk->node = walk->stack[--walk->top];
  walk->first = walk->firsts[walk->top];
  if (walk->node->level > 0) {
    walk_push(walk, walk->node->u.child[1], walk->first + (1u << (walk->node->level - 1)));
    walk_push(walk, walk->node->u.child[0], walk->first);
  }
  return true;
}
