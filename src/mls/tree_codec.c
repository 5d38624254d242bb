/* The ratchet_tree extension: RFC 9420 section 12.4.3.3. SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_node.h"

/*
 * struct { NodeType node_type; select: LeafNode leaf_node; ParentNode parent_node; } Node
 * struct { HPKEPublicKey encryption_key; opaque parent_hash<V>; uint32 unmerged_leaves<V>; } ParentNode, section 7.1
 * optional<Node> ratchet_tree<V>, in order, without blank nodes at the end
 */

/*
 * A tree being read in order. `left[k]` is the finished left half under a parent at level k that waits for its right
 * half, and `parent[k]` with its list is what that parent holds.
 */
typedef struct tree_builder {
  tw_tree *tree;
  tw_tree_node *done; /* the subtree that ends with the last leaf read */
  uint32_t done_level;
  uint32_t leaf; /* the leaf that comes next */
  tw_tree_node *left[TW_TREE_DEPTH_MAX + 1];
  tw_parent_content *parent[TW_TREE_DEPTH_MAX + 1];
  tw_leaf_list *unmerged[TW_TREE_DEPTH_MAX + 1];
  uint32_t unmerged_count[TW_TREE_DEPTH_MAX + 1];
} tree_builder;

static void builder_clear(tree_builder *b) {
  tw_tree_node_release(b->tree, b->done);
  for (uint32_t k = 0; k <= TW_TREE_DEPTH_MAX; k++) {
    tw_tree_node_release(b->tree, b->left[k]);
    tw_parent_content_release(b->tree, b->parent[k]);
    tw_leaf_list_release(b->tree, b->unmerged[k]);
  }
}

/* Whether the done subtree is the right half of a parent that was read. */
static bool is_right(const tree_builder *b) { return ((b->leaf - 1) >> b->done_level & 1) != 0; }

/* Closes the parent above the done subtree. */
static tw_err builder_join(tree_builder *b) {
  const bool right = is_right(b);
  const uint32_t level = b->done_level + 1;
  tw_tree_node *left = right ? b->left[level] : b->done;
  tw_tree_node *other = right ? b->done : NULL;
  tw_parent_content *parent = right ? b->parent[level] : NULL;
  tw_leaf_list *unmerged = right ? b->unmerged[level] : NULL;
  const uint32_t count = right ? b->unmerged_count[level] : 0;
  if (right) {
    b->left[level] = NULL;
    b->parent[level] = NULL;
    b->unmerged[level] = NULL;
    b->unmerged_count[level] = 0;
  }
  b->done = NULL;
  b->done_level = level;
  return tw_tree_node_join(b->tree, level, left, other, parent, unmerged, count, &b->done);
}

/* No two nodes may have the same key: refused here, before a tree full of one key makes the index slow. */
static tw_err index_fresh(tw_tree *tree, uint64_t hash, uint32_t node, uint32_t kind) {
  /* Equal hashes under a secret seed are equal keys but for a chance of 2^-64 or so per pair. */
  if (tw_key_index_find(&tree->keys, hash, kind, 0) != NULL) return TW_ERR_KEY_REUSED;
  return tw_key_index_insert(tw_env_alloc(tree->env), &tree->keys, (tw_key_entry){hash, node, kind});
}

static tw_err add_content(tw_tree *tree, uint32_t index, tw_leaf_content *leaf) {
  TW_TRY(index_fresh(tree, leaf->encryption_hash, 2 * index, TW_KEY_ENCRYPTION));
  TW_TRY(index_fresh(tree, leaf->signature_hash, 2 * index, TW_KEY_SIGNATURE));
  tw_tree_counts *counts = NULL;
  TW_TRY(tw_tree_counts_change(tw_env_alloc(tree->env), tree->counts, NULL, &leaf->view, &counts));
  tw_tree_counts_release(tw_env_alloc(tree->env), tree->counts);
  tree->counts = counts;
  return TW_OK;
}

static tw_err read_leaf(tree_builder *b, tw_reader *r) {
  const tw_leaf_node view = tw_read_leaf_node(r);
  TW_TRY(tw_reader_err(r));
  tw_leaf_content *leaf = NULL;
  TW_TRY(tw_leaf_content_new(b->tree, view.encoded, &leaf));
  const tw_err err = add_content(b->tree, b->leaf, leaf);
  if (err != TW_OK) {
    tw_leaf_content_release(b->tree, leaf);
    return err;
  }
  return tw_tree_node_leaf(b->tree, leaf, &b->done);
}

/* Strictly increasing, and below the parent. */
static tw_err check_unmerged(tw_bytes list, uint32_t first, uint32_t level) {
  if (list.len % 4 != 0) return TW_ERR_ENCODING;
  for (size_t i = 0; i < list.len; i += 4) {
    const uint32_t leaf = tw_get_u32(list.ptr + i);
    if (leaf < first || leaf - first >= 1u << level) return TW_ERR_TREE;
    if (i > 0 && leaf <= tw_get_u32(list.ptr + i - 4)) return TW_ERR_TREE;
  }
  return TW_OK;
}

static tw_err read_parent(tree_builder *b, tw_reader *r, uint32_t level) {
  const uint32_t last = b->leaf - 1; /* the last leaf of the left half */
  const tw_bytes key = tw_read_vector(r);
  const tw_bytes parent_hash = tw_read_vector(r);
  const tw_bytes list = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  TW_TRY(check_unmerged(list, last >> level << level, level));
  TW_TRY(tw_leaf_list_of(b->tree, list, &b->unmerged[level]));
  b->unmerged_count[level] = (uint32_t)(list.len / 4);
  TW_TRY(tw_parent_content_new(b->tree, key, parent_hash, &b->parent[level]));
  return index_fresh(b->tree, b->parent[level]->key_hash, tw_leaf_ancestor(last, level), TW_KEY_ENCRYPTION);
}

/* One optional<Node> at array position `position`. */
static tw_err read_node(tree_builder *b, tw_reader *r, uint32_t position) {
  const uint32_t level = tw_node_level(position);
  const bool present = tw_read_present(r);
  const uint8_t type = present ? tw_read_u8(r) : 0;
  TW_TRY(tw_reader_err(r));
  if (present && type != TW_NODE_LEAF && type != TW_NODE_PARENT) return TW_ERR_ENCODING;
  if (present && (type == TW_NODE_LEAF) != (level == 0)) return TW_ERR_TREE;
  if (!present && r->left == 0) return TW_ERR_TREE;
  if (level > 0) {
    b->left[level] = b->done;
    b->done = NULL;
    return present ? read_parent(b, r, level) : TW_OK;
  }
  if (present) TW_TRY(read_leaf(b, r));
  b->leaf++;
  b->done_level = 0;
  while (is_right(b)) TW_TRY(builder_join(b));
  return TW_OK;
}

static tw_err build(tree_builder *b, tw_bytes nodes) {
  const uint32_t leaves_max = tw_env_limits(b->tree->env)->tree_leaves;
  tw_reader r = tw_reader_of(nodes);
  uint32_t position = 0;
  for (; tw_reader_more(&r); position++) {
    if (b->leaf >= leaves_max || b->leaf >= 1u << TW_TREE_DEPTH_MAX) return TW_ERR_LIMIT;
    TW_TRY(read_node(b, &r, position));
  }
  /* At least one node, and the last one, which is not blank, a leaf: parents have members in both halves. */
  if (position % 2 == 0) return TW_ERR_TREE;
  const uint32_t depth = tw_leaf_depth(b->leaf - 1);
  while (b->done_level < depth) TW_TRY(builder_join(b));
  b->tree->root = b->done;
  b->tree->depth = depth;
  b->done = NULL;
  return TW_OK;
}

tw_err tw_tree_decode(const tw_env *env, const tw_suite *suite, tw_bytes encoded, tw_tree **out) {
  tw_reader r = tw_reader_of(encoded);
  const tw_bytes nodes = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  tw_tree *tree = NULL;
  TW_TRY(tw_tree_new(env, suite, &tree));
  tree_builder b = {.tree = tree};
  const tw_err err = build(&b, nodes);
  builder_clear(&b);
  if (err != TW_OK) {
    tw_tree_free(tree);
    return err;
  }
  *out = tree;
  return TW_OK;
}

/* ---- encoding ---- */

/* The node at an array position, going through them in order: the path to the current leaf is kept. */
typedef struct order_cursor {
  const tw_tree_node *path[TW_TREE_DEPTH_MAX + 1];
} order_cursor;

static const tw_tree_node *cursor_at(order_cursor *c, const tw_tree *tree, uint32_t position) {
  const uint32_t leaf = position / 2;
  if (position % 2 == 1) return c->path[tw_node_level(position)];
  uint32_t level = tree->depth;
  c->path[level] = tree->root;
  if (leaf > 0) level = tw_leaf_common_level(leaf - 1, leaf);
  for (; level > 0; level--) {
    c->path[level - 1] = c->path[level] != NULL ? c->path[level]->u.child[leaf >> (level - 1) & 1] : NULL;
  }
  return c->path[0];
}

static void write_node(tw_writer *w, const tw_tree_node *node) {
  const bool leaf = node != NULL && node->level == 0 && node->u.leaf != NULL;
  const bool parent = node != NULL && node->level > 0 && node->parent != NULL;
  tw_write_u8(w, leaf || parent ? 1 : 0);
  if (leaf) {
    tw_write_u8(w, TW_NODE_LEAF);
    tw_write_fixed(w, node->u.leaf->view.encoded);
  } else if (parent) {
    tw_write_u8(w, TW_NODE_PARENT);
    tw_write_fixed(w, node->parent->encoded);
    tw_write_vector(w, tw_node_unmerged(node));
  }
}

/* An upper bound, so that a large tree is written into one allocation. */
static size_t encoded_bound(const tw_tree *tree, uint32_t positions) {
  size_t bound = positions + 4u;
  tw_node_walk walk;
  tw_node_walk_start(&walk, tree);
  while (tw_node_walk_next(&walk)) {
    if (walk.node->level == 0) bound += 1 + walk.node->u.leaf->view.encoded.len;
    if (walk.node->parent != NULL) bound += 5 + walk.node->parent->encoded.len + (size_t)walk.node->unmerged_count * 4;
  }
  return bound;
}

static uint32_t last_member(const tw_tree *tree) {
  const tw_tree_node *node = tree->root;
  uint32_t leaf = 0;
  for (uint32_t level = tree->depth; level > 0 && node != NULL; level--) {
    const uint32_t side = tw_node_members(node->u.child[1]) > 0 ? 1 : 0;
    leaf |= side << (level - 1);
    node = node->u.child[side];
  }
  return leaf;
}

tw_err tw_tree_encode(const tw_tree *tree, tw_buf *out) {
  const uint32_t positions = tree->root != NULL ? 2 * last_member(tree) + 1 : 0;
  if (out->alloc == NULL) out->alloc = tw_env_alloc(tree->env);
  TW_TRY(tw_buf_reserve(out, encoded_bound(tree, positions)));
  order_cursor cursor = {{NULL}};
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark mark = tw_write_open(&w);
  for (uint32_t i = 0; i < positions; i++) write_node(&w, cursor_at(&cursor, tree, i));
  tw_write_close(&w, mark);
  return tw_writer_end(&w);
}
