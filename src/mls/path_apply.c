/* Applying an update path: RFC 9420 sections 7.5 and 12.4.2. SPDX-License-Identifier: Apache-2.0 */
#include "mls/label.h"
#include "mls/path_parts.h"

/* "None of the public keys in the UpdatePath appear in any node of the new ratchet tree", nor twice in the path. */
static tw_err check_fresh(const tw_tree *tree, uint32_t sender, const tw_leaf_node *leaf, const tw_bytes *keys,
                          uint32_t count) {
  const tw_leaf_node *current = tw_tree_leaf(tree, sender);
  if (tw_tree_has_encryption_key(tree, leaf->encryption_key, sender)) return TW_ERR_KEY_REUSED;
  /* An external committer's leaf was put there before its path; any other leaf has to bring a new key. */
  if (current != NULL && tw_bytes_equal(current->encryption_key, leaf->encryption_key) &&
      !tw_bytes_equal(current->encoded, leaf->encoded))
    return TW_ERR_KEY_REUSED;
  for (uint32_t i = 0; i < count; i++) {
    if (keys[i].len != tree->suite->kem->public_size) return TW_ERR_KEY;
    if (tw_tree_has_encryption_key(tree, keys[i], UINT32_MAX)) return TW_ERR_KEY_REUSED;
    if (tw_bytes_equal(keys[i], leaf->encryption_key)) return TW_ERR_KEY_REUSED;
    for (uint32_t j = 0; j < i; j++) {
      if (tw_bytes_equal(keys[i], keys[j])) return TW_ERR_KEY_REUSED;
    }
  }
  return TW_OK;
}

static tw_err read_keys(const tw_update_path *update_path, const tw_path_levels *levels, tw_bytes *keys) {
  tw_reader walk = tw_reader_of(update_path->nodes);
  tw_update_path_node node;
  uint32_t count = 0;
  while (tw_update_path_node_next(&walk, &node)) {
    if (count == levels->count) return TW_ERR_TREE;
    keys[count++] = node.encryption_key;
  }
  TW_TRY(tw_reader_end(&walk));
  return count == levels->count ? TW_OK : TW_ERR_TREE;
}

static tw_err merge(tw_tree *tree, uint32_t sender, const tw_update_path *update_path, const tw_path_levels *levels,
                    tw_path_contents *contents) {
  const tw_leaf_node *leaf = &update_path->leaf_node;
  tw_bytes keys[TW_TREE_DEPTH_MAX];
  if (leaf->source != TW_LEAF_COMMIT) return TW_ERR_TREE;
  TW_TRY(read_keys(update_path, levels, keys));
  TW_TRY(check_fresh(tree, sender, leaf, keys, levels->count));
  TW_TRY(tw_path_contents_make(tree, sender, levels, keys, contents));
  if (!tw_bytes_equal(leaf->parent_hash, TW_BYTES(contents->leaf_parent_hash, contents->leaf_parent_hash_len)))
    return TW_ERR_TREE;
  tw_leaf_content *content = NULL;
  TW_TRY(tw_leaf_content_new(tree, leaf->encoded, &content));
  const tw_err err = tw_tree_set(tree, sender, content, TW_PATH_SET, contents->parent);
  tw_leaf_content_release(tree, content);
  return err;
}

tw_err tw_path_apply(tw_tree *tree, uint32_t sender, const tw_update_path *update_path) {
  tw_tree *next = NULL;
  tw_path_levels levels = {.count = 0};
  tw_path_contents contents = {.leaf_parent_hash_len = 0};
  TW_TRY(tw_path_open(tree, sender, &next, &levels));
  const tw_err err = merge(next, sender, update_path, &levels, &contents);
  tw_path_contents_clear(next, &contents);
  if (err == TW_OK) tw_tree_swap(tree, next);
  tw_tree_free(next);
  return err;
}

/* ---- decrypting ---- */

/* What a receiver looks for in a path. */
typedef struct path_target {
  uint32_t node;     /* which node of the path has a secret for us */
  uint32_t position; /* which of its ciphertexts */
  const tw_secret *private_key;
  tw_bytes public_key;
} path_target;

/* Leaves added by the commit that the path belongs to: they get their secrets in a Welcome. */
typedef struct path_excluded {
  const uint32_t *leaves;
  uint32_t count;
} path_excluded;

static uint32_t excluded_in(const path_excluded *excluded, uint32_t from, uint32_t to) {
  return tw_path_excluded_below(excluded->leaves, excluded->count, to) -
         tw_path_excluded_below(excluded->leaves, excluded->count, from);
}

static const tw_secret *key_of(const tw_tree_private *priv, uint32_t node) {
  for (uint32_t i = 0; i < priv->count; i++) {
    if (priv->keys[i].node == node) return &priv->keys[i].private_key;
  }
  return NULL;
}

/*
 * The place in the resolution of the copath node at `level` that stands for us. Every leaf below is in the resolution
 * once, by itself or as an unmerged one, or else under a parent that it has merged with, so that counting finds the
 * place without walking; a new leaf is always there by itself, so those before us are just subtracted.
 */
static tw_err find_place(const tw_tree *tree, const tw_tree_private *priv, uint32_t level,
                         const path_excluded *excluded, path_target *target) {
  const uint32_t own = priv->leaf_index;
  const uint32_t start = own >> level << level;
  const tw_tree_node *node = tw_tree_node_at(tree, level, own);
  const tw_leaf_node *leaf = tw_tree_leaf(tree, own);
  uint32_t position = 0;
  if (leaf == NULL) return TW_ERR_TREE;
  for (; node != NULL && level > 0 && node->parent == NULL; level--) {
    const uint32_t side = own >> (level - 1) & 1;
    if (side == 1) position += tw_node_resolution(node->u.child[0]);
    node = node->u.child[side];
  }
  if (node == NULL) return TW_ERR_TREE;
  target->public_key = leaf->encryption_key;
  target->private_key = &priv->leaf_key;
  uint32_t before = own >> level << level;
  if (level > 0 && tw_leaves_have(tw_node_unmerged(node), own)) {
    position += 1 + tw_leaves_below(tw_node_unmerged(node), own);
    before = own;
  } else if (level > 0) {
    target->public_key = node->parent->key;
    target->private_key = key_of(priv, tw_leaf_ancestor(own, level));
    if (target->private_key == NULL) return TW_ERR_TREE;
  }
  const uint32_t skipped = excluded_in(excluded, start, before);
  if (skipped > position) return TW_ERR_TREE;
  target->position = position - skipped;
  return TW_OK;
}

/*
 * Counts the ciphertexts of a path node and takes the one at `position`. The count must be that of the copath's
 * resolution without new leaves.
 */
static tw_err take_ciphertext(const tw_update_path_node *node, uint32_t expected, uint32_t position,
                              tw_hpke_ciphertext *out) {
  tw_reader walk = tw_reader_of(node->encrypted_path_secrets);
  uint32_t count = 0;
  for (; tw_reader_more(&walk); count++) {
    const tw_hpke_ciphertext ciphertext = tw_read_hpke_ciphertext(&walk);
    if (count == position) *out = ciphertext;
  }
  TW_TRY(tw_reader_end(&walk));
  return count == expected ? TW_OK : TW_ERR_TREE;
}

/* Looks at every node: counts, and keys that we cannot compare with derived ones. */
static tw_err check_nodes(const tw_tree *tree, uint32_t sender, const tw_path_levels *levels,
                          const tw_update_path *update_path, const path_excluded *excluded, const path_target *target,
                          tw_hpke_ciphertext *ciphertext) {
  tw_reader walk = tw_reader_of(update_path->nodes);
  tw_update_path_node node;
  for (uint32_t i = 0; i < levels->count; i++) {
    if (!tw_update_path_node_next(&walk, &node)) return TW_ERR_TREE;
    const uint32_t below = levels->level[i] - 1;
    const uint32_t first = (sender ^ (1u << below)) >> below << below;
    const uint32_t resolution = tw_node_resolution(tw_tree_copath(tree, below, sender));
    const uint32_t expected = resolution - excluded_in(excluded, first, first + (1u << below));
    const uint32_t position = i == target->node ? target->position : UINT32_MAX;
    const tw_parent_content *parent = tw_tree_parent(tree, levels->level[i], sender);
    if (parent == NULL || !tw_bytes_equal(parent->key, node.encryption_key)) return TW_ERR_TREE;
    TW_TRY(take_ciphertext(&node, expected, position, ciphertext));
    if (i < target->node) TW_TRY(tw_kem_check_public(tree->env, tree->suite, node.encryption_key));
  }
  return tw_reader_end(&walk);
}

static tw_err open_secret(const tw_tree *tree, const path_target *target, const tw_hpke_ciphertext *ciphertext,
                          tw_bytes group_context, tw_secret *secret) {
  tw_buf plaintext = TW_BUF_INIT(tw_env_alloc(tree->env));
  tw_err err = tw_decrypt_with_label(tree->env, tree->suite, tw_secret_bytes(target->private_key), target->public_key,
                                     TW_LITERAL("UpdatePathNode"), group_context, ciphertext->kem_output,
                                     ciphertext->ciphertext, &plaintext);
  if (err == TW_OK && plaintext.len != tree->suite->hash->size) err = TW_ERR_TREE;
  if (err == TW_OK) err = tw_secret_set(secret, tw_buf_bytes(&plaintext));
  tw_buf_clear(&plaintext);
  return err;
}

/* The filtered direct path as it is after the merge: the nodes that are not blank. */
static tw_path_levels set_levels(const tw_tree *tree, uint32_t sender) {
  tw_path_levels levels = {.count = 0};
  for (uint32_t level = 1; level <= tree->depth; level++) {
    if (tw_tree_parent(tree, level, sender) != NULL) levels.level[levels.count++] = level;
  }
  return levels;
}

/* Where in the path the lowest common ancestor with us stands. */
static tw_err find_common(const tw_path_levels *levels, uint32_t sender, uint32_t own, uint32_t *node) {
  const uint32_t common = tw_leaf_common_level(sender, own);
  for (uint32_t i = 0; common > 0 && i < levels->count; i++) {
    if (levels->level[i] != common) continue;
    *node = i;
    return TW_OK;
  }
  return TW_ERR_TREE;
}

/* From the secret of the common ancestor to the keys above; `priv` changes when all of it fits. */
static tw_err climb(const tw_tree *tree, tw_tree_private *priv, const tw_path_levels *levels, uint32_t from,
                    tw_secret *secret) {
  tw_tree_private next = {0};
  TW_TRY(tw_tree_private_below(tree->env, priv, tree, levels->level[from] - 1, levels->count - from, &next));
  const tw_err err = tw_path_derive_up(tree, &next, levels, from, secret);
  if (err == TW_OK) tw_tree_private_take(tree->env, priv, &next);
  tw_tree_private_clear(tree->env, &next);
  return err;
}

tw_err tw_path_decrypt(const tw_tree *tree, tw_tree_private *priv, uint32_t sender, const tw_update_path *update_path,
                       const uint32_t *excluded, uint32_t excluded_count, tw_bytes group_context,
                       tw_secret *commit_secret) {
  const tw_path_levels levels = set_levels(tree, sender);
  const path_excluded without = {excluded, excluded_count};
  path_target target = {0};
  tw_hpke_ciphertext ciphertext = {TW_NO_BYTES, TW_NO_BYTES};
  tw_secret secret = {0};
  TW_TRY(find_common(&levels, sender, priv->leaf_index, &target.node));
  TW_TRY(find_place(tree, priv, levels.level[target.node] - 1, &without, &target));
  TW_TRY(check_nodes(tree, sender, &levels, update_path, &without, &target, &ciphertext));
  tw_err err = open_secret(tree, &target, &ciphertext, group_context, &secret);
  if (err == TW_OK) err = climb(tree, priv, &levels, target.node, &secret);
  if (err == TW_OK) *commit_secret = secret;
  tw_secret_clear(&secret);
  return err;
}

tw_err tw_path_join(const tw_tree *tree, tw_tree_private *priv, uint32_t sender, tw_bytes path_secret) {
  const tw_path_levels levels = set_levels(tree, sender);
  uint32_t from = 0;
  tw_secret secret = {0};
  if (path_secret.len != tree->suite->hash->size) return TW_ERR_TREE;
  TW_TRY(find_common(&levels, sender, priv->leaf_index, &from));
  tw_err err = tw_secret_set(&secret, path_secret);
  if (err == TW_OK) err = climb(tree, priv, &levels, from, &secret);
  tw_secret_clear(&secret);
  return err;
}
