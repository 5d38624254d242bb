/* Parent hashes: RFC 9420 section 7.9. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/tree_node.h"

/*
 * struct ParentHashInput { HPKEPublicKey encryption_key; opaque parent_hash<V>; opaque original_sibling_tree_hash<V>;
 * }
 */
tw_err tw_parent_hash(const tw_tree *tree, tw_bytes key, tw_bytes parent_hash, const uint8_t *sibling_hash,
                      uint8_t *out) {
  const size_t size = tree->suite->hash->size;
  uint8_t lengths[3][4];
  const tw_bytes parts[6] = {TW_BYTES(lengths[0], tw_put_varint(lengths[0], key.len)),
                             key,
                             TW_BYTES(lengths[1], tw_put_varint(lengths[1], parent_hash.len)),
                             parent_hash,
                             TW_BYTES(lengths[2], tw_put_varint(lengths[2], size)),
                             TW_BYTES(sibling_hash, size)};
  return tw_hash_parts(tree->env, tree->suite, parts, 6, out);
}

/* ---- original_sibling_tree_hash: the hash of a subtree without some of its leaves ---- */

typedef struct original_frame {
  const tw_tree_node *node;
  tw_bytes without; /* the leaves to leave out, those below this node */
  uint32_t first;
  uint32_t done; /* children whose hash is known */
  uint8_t hash[2][TW_HASH_MAX];
} original_frame;

/* The unmerged leaves of `node` but for `without`; both sorted. */
static tw_err remaining(const tw_tree_node *node, tw_bytes without, tw_buf *out) {
  const tw_bytes all = tw_node_unmerged(node);
  size_t skip = 0;
  out->len = 0;
  TW_TRY(tw_buf_reserve(out, all.len));
  for (size_t i = 0; i < all.len; i += 4) {
    const uint32_t leaf = tw_get_u32(all.ptr + i);
    while (skip < without.len && tw_get_u32(without.ptr + skip) < leaf) skip += 4;
    if (skip < without.len && tw_get_u32(without.ptr + skip) == leaf) continue;
    TW_TRY(tw_buf_append(out, TW_BYTES(all.ptr + i, 4)));
  }
  return TW_OK;
}

static tw_err original_one(const tw_tree *tree, const original_frame *at, tw_buf *list, uint8_t *out) {
  if (at->node->level == 0) return tw_hash_leaf_input(tree, at->first, NULL, out);
  list->len = 0;
  if (at->node->parent != NULL) TW_TRY(remaining(at->node, at->without, list));
  return tw_hash_parent_input(tree, at->node->parent, tw_buf_bytes(list), at->hash[0], at->hash[1], out);
}

/*
 * Only nodes above a leaf that is left out are hashed anew, all others have their hash. A node is visited once for each
 * of its ancestors at most, which bounds a whole tree's validation to O(n log n) hashes whatever its lists say.
 */
static tw_err original_hash(const tw_tree *tree, const tw_tree_node *node, uint32_t first, tw_bytes without,
                            tw_buf *list, uint8_t *out) {
  original_frame stack[TW_TREE_DEPTH_MAX + 1];
  uint32_t top = 0;
  stack[0] = (original_frame){.node = node, .without = without, .first = first};
  for (;;) {
    original_frame *at = &stack[top];
    const size_t size = tree->suite->hash->size;
    if (at->node->level > 0 && at->done < 2) {
      const uint32_t below = at->node->level - 1u;
      const uint32_t child_first = at->first + (at->done << below);
      const tw_tree_node *child = at->node->u.child[at->done];
      const tw_bytes leaves = tw_leaves_within(at->without, child_first, below);
      if (leaves.len == 0) {
        memcpy(at->hash[at->done++], child->hash, size);
      } else {
        stack[++top] = (original_frame){.node = child, .without = leaves, .first = child_first};
      }
      continue;
    }
    uint8_t hash[TW_HASH_MAX];
    TW_TRY(original_one(tree, at, list, hash));
    if (top == 0) {
      memcpy(out, hash, size);
      return TW_OK;
    }
    original_frame *above = &stack[--top];
    memcpy(above->hash[above->done++], hash, size);
  }
}

/* ---- verifying, section 7.9.2 ---- */

/*
 * The node D of a parent's child C (at `level` above `first`) that may have been set together with the parent: the one
 * member of C's resolution that is not among the parent's unmerged leaves, if there is just one. The latter are known
 * to be in the resolution, so counting finds it.
 */
static const tw_tree_node *linked_node(const tw_tree_node *child, uint32_t first, tw_bytes unmerged) {
  if (tw_node_resolution(child) != unmerged.len / 4 + 1) return NULL;
  while (child->level > 0 && child->parent == NULL) {
    const uint32_t below = child->level - 1u;
    const tw_bytes left = tw_leaves_within(unmerged, first, below);
    if (tw_node_resolution(child->u.child[0]) == left.len / 4 + 1) {
      unmerged = left;
      child = child->u.child[0];
    } else {
      first += 1u << below;
      unmerged = tw_leaves_within(unmerged, first, below);
      child = child->u.child[1];
    }
    if (tw_node_resolution(child) != unmerged.len / 4 + 1) return NULL;
  }
  if (child->level == 0) return unmerged.len == 0 ? child : NULL;
  return tw_bytes_equal(tw_node_unmerged(child), unmerged) ? child : NULL;
}

static tw_bytes parent_hash_field(const tw_tree_node *node) {
  if (node->level > 0) return node->parent->parent_hash;
  return node->u.leaf->view.source == TW_LEAF_COMMIT ? node->u.leaf->view.parent_hash : TW_NO_BYTES;
}

/* Whether the parent is valid with respect to some node below its child on `side`. */
static tw_err check_side(const tw_tree *tree, const tw_tree_node *parent, uint32_t first, uint32_t side, tw_buf *list,
                         bool *valid) {
  const uint32_t below = parent->level - 1u;
  const uint32_t child_first = first + (side << below);
  const uint32_t sibling_first = first + ((1 - side) << below);
  const tw_bytes unmerged = tw_node_unmerged(parent);
  *valid = false;
  const tw_tree_node *node = linked_node(parent->u.child[side], child_first,
                                         tw_leaves_within(unmerged, child_first, below));
  if (node == NULL || parent_hash_field(node).len != tree->suite->hash->size) return TW_OK;

  const tw_tree_node *sibling = parent->u.child[1 - side];
  if (sibling == NULL) return TW_ERR_INTERNAL; /* the tree hash was taken before, which spells blank subtrees out */
  const tw_bytes without = tw_leaves_within(unmerged, sibling_first, below);
  uint8_t sibling_hash[TW_HASH_MAX];
  uint8_t hash[TW_HASH_MAX];
  if (without.len == 0) {
    memcpy(sibling_hash, sibling->hash, tree->suite->hash->size);
  } else {
    TW_TRY(original_hash(tree, sibling, sibling_first, without, list, sibling_hash));
  }
  TW_TRY(tw_parent_hash(tree, parent->parent->key, parent->parent->parent_hash, sibling_hash, hash));
  *valid = tw_bytes_equal(TW_BYTES(hash, tree->suite->hash->size), parent_hash_field(node));
  return TW_OK;
}

static tw_err check_parent(const tw_tree *tree, const tw_tree_node *parent, uint32_t first, tw_buf *list) {
  bool valid[2] = {false, false};
  TW_TRY(check_side(tree, parent, first, 0, list, &valid[0]));
  TW_TRY(check_side(tree, parent, first, 1, list, &valid[1]));
  return valid[0] != valid[1] ? TW_OK : TW_ERR_TREE;
}

tw_err tw_tree_check_parent_hashes(const tw_tree *tree) {
  tw_buf list = TW_BUF_INIT(tw_env_alloc(tree->env));
  tw_node_walk walk;
  tw_err err = TW_OK;
  tw_node_walk_start(&walk, tree);
  while (err == TW_OK && tw_node_walk_next(&walk)) {
    if (walk.node->parent != NULL) err = check_parent(tree, walk.node, walk.first, &list);
  }
  tw_buf_clear(&list);
  return err;
}
