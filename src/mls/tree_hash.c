/* Tree hashes: RFC 9420 section 7.8. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/tree_node.h"

/* Blank subtrees up to this level (16 leaves) keep one hash at their top only. */
enum { BLANK_BLOCK = 4 };

/* struct LeafNodeHashInput { uint32 leaf_index; optional<LeafNode> leaf_node; }, after uint8 node_type = 1 */
tw_err tw_hash_leaf_input(const tw_tree *tree, uint32_t index, const tw_leaf_content *leaf, uint8_t *out) {
  uint8_t head[6] = {TW_NODE_LEAF};
  tw_put_u32(head + 1, index);
  head[5] = leaf != NULL ? 1 : 0;
  const tw_bytes parts[2] = {TW_ARRAY(head), leaf != NULL ? leaf->view.encoded : TW_NO_BYTES};
  return tw_hash_parts(tree->env, tree->suite, parts, leaf != NULL ? 2 : 1, out);
}

/*
 * struct ParentNodeHashInput { optional<ParentNode> parent_node; opaque left_hash<V>; opaque right_hash<V>; }, after
 * uint8 node_type = 2
 */
tw_err tw_hash_parent_input(const tw_tree *tree, const tw_parent_content *parent, tw_bytes unmerged,
                            const uint8_t *left, const uint8_t *right, uint8_t *out) {
  const size_t size = tree->suite->hash->size;
  const uint8_t head[2] = {TW_NODE_PARENT, parent != NULL ? 1 : 0};
  uint8_t unmerged_size[4];
  uint8_t hash_size[4];
  const tw_bytes hash_length = TW_BYTES(hash_size, tw_put_varint(hash_size, size));
  tw_bytes parts[8];
  size_t count = 0;
  parts[count++] = TW_ARRAY(head);
  if (parent != NULL) {
    parts[count++] = parent->encoded;
    parts[count++] = TW_BYTES(unmerged_size, tw_put_varint(unmerged_size, unmerged.len));
    parts[count++] = unmerged;
  }
  parts[count++] = hash_length;
  parts[count++] = TW_BYTES(left, size);
  parts[count++] = hash_length;
  parts[count++] = TW_BYTES(right, size);
  return tw_hash_parts(tree->env, tree->suite, parts, count, out);
}

/* The hash of a blank subtree, leaf after leaf: `left` holds the hashes of finished left halves by level. */
static tw_err blank_hash(const tw_tree *tree, uint32_t level, uint32_t first, uint8_t *out) {
  const size_t size = tree->suite->hash->size;
  uint8_t left[BLANK_BLOCK + 1][TW_HASH_MAX];
  uint8_t hash[TW_HASH_MAX];
  for (uint32_t i = 0; i < 1u << level; i++) {
    TW_TRY(tw_hash_leaf_input(tree, first + i, NULL, hash));
    uint32_t at = 0;
    for (; at < level && (i >> at & 1) != 0; at++) {
      TW_TRY(tw_hash_parent_input(tree, NULL, TW_NO_BYTES, left[at], hash, hash));
    }
    memcpy(left[at], hash, size);
  }
  memcpy(out, left[level], size);
  return TW_OK;
}

static tw_err hash_one(const tw_tree *tree, tw_tree_node *node, uint32_t first) {
  if (node->level == 0) {
    TW_TRY(tw_hash_leaf_input(tree, first, node->u.leaf, node->hash));
  } else if (node->resolution == 0 && node->level <= BLANK_BLOCK) {
    TW_TRY(blank_hash(tree, node->level, first, node->hash));
  } else {
    TW_TRY(tw_hash_parent_input(tree, node->parent, tw_node_unmerged(node), node->u.child[0]->hash,
                                node->u.child[1]->hash, node->hash));
  }
  node->hashed = true;
  return TW_OK;
}

/* A place whose hash is wanted. */
typedef struct hash_frame {
  tw_tree_node **slot;
  uint32_t level;
  uint32_t first;
} hash_frame;

tw_err tw_tree_hash_slot(const tw_tree *tree, tw_tree_node **slot, uint32_t level, uint32_t first_leaf,
                         const uint8_t **hash) {
  hash_frame stack[2 * TW_TREE_DEPTH_MAX + 2];
  uint32_t top = 0;
  stack[top++] = (hash_frame){slot, level, first_leaf};
  while (top > 0) {
    const hash_frame at = stack[top - 1];
    if (*at.slot == NULL) TW_TRY(tw_tree_node_blank(tree, at.level, at.slot));
    tw_tree_node *node = *at.slot;
    const bool whole = node->level == 0 || (node->resolution == 0 && node->level <= BLANK_BLOCK);
    const uint32_t before = top;
    for (uint32_t side = 0; side < 2 && !node->hashed && !whole; side++) {
      tw_tree_node **child = &node->u.child[side];
      if (*child != NULL && (*child)->hashed) continue;
      stack[top++] = (hash_frame){child, at.level - 1, at.first + (side << (at.level - 1))};
    }
    if (top > before) continue;
    if (!node->hashed) TW_TRY(hash_one(tree, node, at.first));
    top--;
  }
  *hash = (*slot)->hash;
  return TW_OK;
}

tw_err tw_tree_hash(tw_tree *tree, uint8_t *out) {
  const uint8_t *hash = NULL;
  if (tree->root == NULL) return TW_ERR_STATE;
  TW_TRY(tw_tree_hash_slot(tree, &tree->root, tree->depth, 0, &hash));
  memcpy(out, hash, tree->suite->hash->size);
  return TW_OK;
}

tw_err tw_tree_hash_node(tw_tree *tree, uint32_t node, uint8_t *out) {
  const uint32_t level = tw_node_level(node);
  const uint32_t first = tw_node_first_leaf(node);
  if (tree->root == NULL || level > tree->depth || first >> tree->depth != 0) return TW_ERR_ARGUMENT;
  tw_tree_node **slot = &tree->root;
  for (uint32_t at = tree->depth; at > level; at--) {
    if (*slot == NULL) TW_TRY(tw_tree_node_blank(tree, at, slot));
    slot = &(*slot)->u.child[first >> (at - 1) & 1];
  }
  const uint8_t *hash = NULL;
  TW_TRY(tw_tree_hash_slot(tree, slot, level, first, &hash));
  memcpy(out, hash, tree->suite->hash->size);
  return TW_OK;
}

tw_err tw_tree_hash_copath(tw_tree *tree, uint32_t level, uint32_t leaf, const uint8_t **hash) {
  const uint32_t sibling = leaf ^ (1u << level);
  tw_tree_node *parent = tw_tree_node_at(tree, level + 1, leaf);
  if (parent == NULL) return TW_ERR_ARGUMENT;
  return tw_tree_hash_slot(tree, &parent->u.child[sibling >> level & 1], level, sibling >> level << level, hash);
}
