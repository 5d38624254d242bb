/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/path_parts.h"

#include <string.h>

#include "mls/label.h"

tw_err tw_path_node_key(const tw_env *env, const tw_suite *suite, const tw_secret *path_secret, tw_secret *private_key,
                        uint8_t *public_key) {
  tw_secret node_secret = {0};
  tw_err err = tw_derive_secret(env, suite, tw_secret_bytes(path_secret), TW_LITERAL("node"), &node_secret);
  if (err == TW_OK) err = tw_kem_derive_key_pair(env, suite, tw_secret_bytes(&node_secret), private_key, public_key);
  tw_secret_clear(&node_secret);
  return err;
}

tw_err tw_path_next_secret(const tw_env *env, const tw_suite *suite, const tw_secret *path_secret, tw_secret *out) {
  return tw_derive_secret(env, suite, tw_secret_bytes(path_secret), TW_LITERAL("path"), out);
}

tw_err tw_path_open(const tw_tree *tree, uint32_t sender, tw_tree **clone, tw_path_levels *levels) {
  if (tw_tree_leaf(tree, sender) == NULL && sender != tw_tree_next_free(tree)) return TW_ERR_TREE;
  tw_tree *next = NULL;
  TW_TRY(tw_tree_clone(tree, &next));
  const tw_err err = tw_tree_extend(next, sender);
  if (err != TW_OK) {
    tw_tree_free(next);
    return err;
  }
  levels->count = tw_tree_filtered_path(next, sender, levels->level);
  *clone = next;
  return TW_OK;
}

/*
 * Section 7.9: the hash of each parent covers the one above it, so they are made from the root down. A parent that was
 * just set has no unmerged leaves: the original sibling tree hash is the sibling's present one.
 */
tw_err tw_path_contents_make(tw_tree *tree, uint32_t sender, const tw_path_levels *levels, const tw_bytes *keys,
                             tw_path_contents *contents) {
  uint8_t above[TW_HASH_MAX];
  size_t above_len = 0;
  for (uint32_t i = levels->count; i > 0; i--) {
    const uint32_t level = levels->level[i - 1];
    const tw_bytes parent_hash = TW_BYTES(above, above_len);
    const uint8_t *sibling_hash = NULL;
    uint8_t hash[TW_HASH_MAX];
    TW_TRY(tw_parent_content_new(tree, keys[i - 1], parent_hash, &contents->parent[level]));
    TW_TRY(tw_tree_hash_copath(tree, level - 1, sender, &sibling_hash));
    TW_TRY(tw_parent_hash(tree, keys[i - 1], parent_hash, sibling_hash, hash));
    above_len = tree->suite->hash->size;
    memcpy(above, hash, above_len);
  }
  memcpy(contents->leaf_parent_hash, above, above_len);
  contents->leaf_parent_hash_len = above_len;
  return TW_OK;
}

void tw_path_contents_clear(const tw_tree *tree, tw_path_contents *contents) {
  for (uint32_t level = 0; level <= TW_TREE_DEPTH_MAX; level++) {
    tw_parent_content_release(tree, contents->parent[level]);
    contents->parent[level] = NULL;
  }
}

uint32_t tw_path_excluded_below(const uint32_t *excluded, uint32_t count, uint32_t leaf) {
  uint32_t low = 0;
  uint32_t high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (excluded[middle] < leaf) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

tw_err tw_path_derive_up(const tw_tree *tree, tw_tree_private *priv, const tw_path_levels *levels, uint32_t from,
                         tw_secret *secret) {
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  for (uint32_t i = from; i < levels->count; i++) {
    const tw_parent_content *parent = tw_tree_parent(tree, levels->level[i], priv->leaf_index);
    if (parent == NULL) return TW_ERR_TREE;
    tw_path_key *key = &priv->keys[priv->count];
    TW_TRY(tw_path_node_key(tree->env, tree->suite, secret, &key->private_key, public_key));
    key->node = tw_leaf_ancestor(priv->leaf_index, levels->level[i]);
    priv->count++;
    if (!tw_bytes_equal(TW_BYTES(public_key, tree->suite->kem->public_size), parent->key)) return TW_ERR_TREE;
    tw_secret next = {0};
    const tw_err err = tw_path_next_secret(tree->env, tree->suite, secret, &next);
    if (err == TW_OK) *secret = next;
    tw_secret_clear(&next);
    TW_TRY(err);
  }
  return TW_OK;
}
