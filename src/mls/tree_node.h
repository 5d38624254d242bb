/* The nodes that tree versions share. Private to the tree. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_TREE_NODE_H
#define TW_MLS_TREE_NODE_H

#include "codec/reader.h" /* tw_get_u32 */
#include "mls/key_index.h"
#include "mls/tree.h"
#include "mls/tree_counts.h"
#include "mls/tree_math.h"

/*
 * A tree is a binary tree of reference-counted nodes in the shape of the ratchet tree itself. A node is never changed
 * once another may see it, save for its cached hash and for blank subtrees being spelled out to hold theirs. An edit
 * makes new nodes from the leaf up to the root and shares all others with the version before. References are not
 * atomic: whatever shares an env belongs to one thread.
 */

enum { TW_TREE_DEPTH_MAX = 30 };

/* A LeafNode's bytes and the view into them. */
typedef struct tw_tree_leaf_content {
  uint32_t refs;
  uint64_t encryption_hash; /* of the keys, for the index */
  uint64_t signature_hash;
  tw_leaf_node view;
  uint8_t bytes[];
} tw_leaf_content;

/*
 * A ParentNode without its unmerged_leaves, which change while the key stays. `bytes` is the encoding of both fields.
 */
typedef struct tw_tree_parent_content {
  uint32_t refs;
  uint64_t key_hash;
  tw_bytes key;
  tw_bytes parent_hash;
  tw_bytes encoded;
  uint8_t bytes[];
} tw_parent_content;

/*
 * unmerged_leaves as on the wire, four bytes a leaf. Versions share a list as long as leaves only come at its end: each
 * node knows how much of it is its own, and who appends first gets the room behind.
 */
typedef struct tw_leaf_list {
  uint32_t refs;
  uint32_t used;
  uint32_t cap;
  uint8_t bytes[];
} tw_leaf_list;

typedef struct tw_tree_node tw_tree_node;
struct tw_tree_node {
  uint32_t refs;
  uint32_t members;        /* non-blank leaves below */
  uint32_t resolution;     /* length of the resolution; 0 says that the whole subtree is blank */
  uint32_t unmerged_count; /* of `unmerged` */
  uint8_t level;
  bool hashed;
  tw_parent_content *parent; /* NULL: blank */
  tw_leaf_list *unmerged;
  union {
    tw_tree_node *child[2]; /* level > 0; NULL: all blank */
    tw_leaf_content *leaf;  /* level 0; NULL: blank */
  } u;
  uint8_t hash[]; /* Nh bytes, valid if `hashed` */
};

struct tw_tree {
  const tw_env *env;
  const tw_suite *suite;
  uint64_t seed[2];   /* of the key index */
  tw_tree_node *root; /* NULL: empty */
  uint32_t depth;
  tw_key_index keys;
  tw_tree_counts *counts;
};

static inline uint32_t tw_node_resolution(const tw_tree_node *node) { return node != NULL ? node->resolution : 0; }
static inline uint32_t tw_node_members(const tw_tree_node *node) { return node != NULL ? node->members : 0; }
static inline tw_bytes tw_node_unmerged(const tw_tree_node *node) {
  return node->unmerged_count > 0 ? TW_BYTES(node->unmerged->bytes, (size_t)node->unmerged_count * 4) : TW_NO_BYTES;
}

/* ---- contents: copied from what is given, one reference for the caller ---- */
TW_MUST_USE tw_err tw_leaf_content_new(const tw_tree *tree, tw_bytes encoded, tw_leaf_content **out);
void tw_leaf_content_release(const tw_tree *tree, tw_leaf_content *leaf);
TW_MUST_USE tw_err tw_parent_content_new(const tw_tree *tree, tw_bytes key, tw_bytes parent_hash,
                                         tw_parent_content **out);
void tw_parent_content_release(const tw_tree *tree, tw_parent_content *parent);
void tw_leaf_list_release(const tw_tree *tree, tw_leaf_list *list);
TW_MUST_USE tw_err tw_leaf_list_of(const tw_tree *tree, tw_bytes sorted, tw_leaf_list **out);
/* `list` (its first `count` leaves) with `leaf` inserted in order. */
TW_MUST_USE tw_err tw_leaf_list_with(const tw_tree *tree, tw_leaf_list *list, uint32_t count, uint32_t leaf,
                                     tw_leaf_list **out);

/* ---- sorted lists of leaf indices in wire form ---- */
/* How many of them are below `leaf`. */
uint32_t tw_leaves_below(tw_bytes leaves, uint32_t leaf);
bool tw_leaves_have(tw_bytes leaves, uint32_t leaf);
/* Those in [first, first + 2^level). */
tw_bytes tw_leaves_within(tw_bytes leaves, uint32_t first, uint32_t level);

/* ---- nodes: these take over the references given, also when they fail ---- */
TW_MUST_USE tw_err tw_tree_node_leaf(const tw_tree *tree, tw_leaf_content *leaf, tw_tree_node **out);
/* NULL when all of it is blank. */
TW_MUST_USE tw_err tw_tree_node_join(const tw_tree *tree, uint32_t level, tw_tree_node *left, tw_tree_node *right,
                                     tw_parent_content *parent, tw_leaf_list *unmerged, uint32_t unmerged_count,
                                     tw_tree_node **out);
/* A blank node that only holds a hash. */
TW_MUST_USE tw_err tw_tree_node_blank(const tw_tree *tree, uint32_t level, tw_tree_node **out);
tw_tree_node *tw_tree_node_ref(tw_tree_node *node);
void tw_tree_node_release(const tw_tree *tree, tw_tree_node *root);

/* ---- finding ---- */
/* NULL: blank, with all below it, or outside. */
tw_tree_node *tw_tree_node_at(const tw_tree *tree, uint32_t level, uint32_t leaf);
/* The child at `level` of the copath of `leaf`. */
tw_tree_node *tw_tree_copath(const tw_tree *tree, uint32_t level, uint32_t leaf);
/* The parent content of a node on the direct path, NULL if blank. */
const tw_parent_content *tw_tree_parent(const tw_tree *tree, uint32_t level, uint32_t leaf);
/* The leaf that the next Add gets: the leftmost blank one, or the first beyond the tree. */
uint32_t tw_tree_next_free(const tw_tree *tree);
/* Whether a node other than node index `except` has the key. */
bool tw_tree_key_used(const tw_tree *tree, uint32_t kind, tw_bytes key, uint32_t except);

/* Levels of the filtered direct path of `leaf`, upwards; `levels` has room for TW_TREE_DEPTH_MAX. Returns how many. */
uint32_t tw_tree_filtered_path(const tw_tree *tree, uint32_t leaf, uint32_t *levels);

/* Walks a subtree's resolution in order. */
typedef struct tw_resolution_walk {
  const tw_tree_node *stack[TW_TREE_DEPTH_MAX + 2];
  uint32_t first[TW_TREE_DEPTH_MAX + 2];
  uint32_t top;
  tw_bytes unmerged; /* of the parent that was given last */
} tw_resolution_walk;

typedef struct tw_resolved {
  uint32_t node; /* node index */
  tw_bytes key;
} tw_resolved;

/* `node` is at `level` above or at `leaf`. */
void tw_resolution_start(tw_resolution_walk *walk, const tw_tree_node *node, uint32_t level, uint32_t leaf);
bool tw_resolution_next(const tw_tree *tree, tw_resolution_walk *walk, tw_resolved *out);

/* Walks all nodes with something below them, parents before children. */
typedef struct tw_node_walk {
  tw_tree_node *stack[TW_TREE_DEPTH_MAX + 2];
  uint32_t firsts[TW_TREE_DEPTH_MAX + 2];
  uint32_t top;
  tw_tree_node *node; /* the current one */
  uint32_t first;     /* its leftmost leaf */
} tw_node_walk;

void tw_node_walk_start(tw_node_walk *walk, const tw_tree *tree);
bool tw_node_walk_next(tw_node_walk *walk);

/* ---- editing (tree_edit.c) ---- */
typedef enum tw_path_edit {
  TW_PATH_SET,    /* parents[level] replaces the node there, NULL blanks it; nobody is unmerged */
  TW_PATH_UNMERGE /* the leaf becomes unmerged at what is not blank */
} tw_path_edit;

/*
 * The one edit: puts `leaf` (NULL: blank) at `index`, does as `edit` says to its direct path, keeps indices and counts,
 * and truncates after a removal. `index` is within the tree or at most what tw_tree_next_free says. `parents`, by
 * level, may be NULL. Borrows.
 */
TW_MUST_USE tw_err tw_tree_set(tw_tree *tree, uint32_t index, tw_leaf_content *leaf, tw_path_edit edit,
                               tw_parent_content *const *parents);
/* Adds blank subtrees until `index` is inside. Only for a tree that is then filled. */
TW_MUST_USE tw_err tw_tree_extend(tw_tree *tree, uint32_t index);
/* `from`'s content becomes `to`'s, whose own goes to `from`. */
void tw_tree_swap(tw_tree *to, tw_tree *from);

/* ---- hashing (tree_hash.c, parent_hash.c) ---- */
/* The tree hash of the node in `slot`, at `level` above `first_leaf`; fills caches below. */
TW_MUST_USE tw_err tw_tree_hash_slot(const tw_tree *tree, tw_tree_node **slot, uint32_t level, uint32_t first_leaf,
                                     const uint8_t **hash);
/* The tree hash of any node of the tree by index. */
TW_MUST_USE tw_err tw_tree_hash_node(tw_tree *tree, uint32_t node, uint8_t *out);
/* The tree hash of the copath child of `leaf` at `level`. */
TW_MUST_USE tw_err tw_tree_hash_copath(tw_tree *tree, uint32_t level, uint32_t leaf, const uint8_t **hash);
TW_MUST_USE tw_err tw_hash_leaf_input(const tw_tree *tree, uint32_t index, const tw_leaf_content *leaf, uint8_t *out);
TW_MUST_USE tw_err tw_hash_parent_input(const tw_tree *tree, const tw_parent_content *parent, tw_bytes unmerged,
                                        const uint8_t *left, const uint8_t *right, uint8_t *out);
/* struct ParentHashInput, section 7.9 */
TW_MUST_USE tw_err tw_parent_hash(const tw_tree *tree, tw_bytes key, tw_bytes parent_hash, const uint8_t *sibling_hash,
                                  uint8_t *out);
/* Section 7.9.2 for every parent of a tree whose hashes are cached and whose unmerged leaves are consistent. */
TW_MUST_USE tw_err tw_tree_check_parent_hashes(const tw_tree *tree);

#endif
