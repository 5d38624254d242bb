/* What making, applying and joining have in common. Private to the update path. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PATH_PARTS_H
#define TW_MLS_PATH_PARTS_H

#include "mls/path.h"
#include "mls/tree_node.h"

/* The nodes that an update path sets, from the leaf towards the root. */
typedef struct tw_path_levels {
  uint32_t level[TW_TREE_DEPTH_MAX];
  uint32_t count;
} tw_path_levels;

/* Their future contents, by level. */
typedef struct tw_path_contents {
  tw_parent_content *parent[TW_TREE_DEPTH_MAX + 1];
  uint8_t leaf_parent_hash[TW_HASH_MAX];
  size_t leaf_parent_hash_len; /* 0 when the path is empty */
} tw_path_contents;

/* node_secret and the key pair of a path secret, section 7.4. */
TW_MUST_USE tw_err tw_path_node_key(const tw_env *env, const tw_suite *suite, const tw_secret *path_secret,
                                    tw_secret *private_key, uint8_t *public_key);
/* The path secret of the next node, or after the last one the commit secret. */
TW_MUST_USE tw_err tw_path_next_secret(const tw_env *env, const tw_suite *suite, const tw_secret *path_secret,
                                       tw_secret *out);

/* A clone in which `sender`, a member or the next one, has its place. TW_ERR_TREE for any other index. */
TW_MUST_USE tw_err tw_path_open(const tw_tree *tree, uint32_t sender, tw_tree **clone, tw_path_levels *levels);
/* Parents with these keys and, from the root down, their parent hashes. Clear `contents` also on error. */
TW_MUST_USE tw_err tw_path_contents_make(tw_tree *tree, uint32_t sender, const tw_path_levels *levels,
                                         const tw_bytes *keys, tw_path_contents *contents);
void tw_path_contents_clear(const tw_tree *tree, tw_path_contents *contents);

/* How many of `count` sorted leaves are below `leaf`. */
uint32_t tw_path_excluded_below(const uint32_t *excluded, uint32_t count, uint32_t leaf);

/* Moves `from` to `to`, whose former keys are wiped. */
void tw_tree_private_take(const tw_env *env, tw_tree_private *to, tw_tree_private *from);
/* `priv` with the keys up to `level` that the tree still has, and room for `extra` more. */
TW_MUST_USE tw_err tw_tree_private_below(const tw_env *env, const tw_tree_private *priv, const tw_tree *tree,
                                         uint32_t level, uint32_t extra, tw_tree_private *out);
/*
 * Walks up from the node `levels[from]` whose path secret is `secret`: the keys derived must be `tree`'s, and are
 * appended to `priv`, which has room. `secret` becomes the commit secret.
 */
TW_MUST_USE tw_err tw_path_derive_up(const tw_tree *tree, tw_tree_private *priv, const tw_path_levels *levels,
                                     uint32_t from, tw_secret *secret);

#endif
