/* The private keys that a member holds. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "mls/path_parts.h"

void tw_tree_private_clear(const tw_env *env, tw_tree_private *priv) {
  if (priv == NULL) return;
  if (priv->keys != NULL) tw_wipe(priv->keys, priv->count * sizeof *priv->keys);
  tw_alloc_free(tw_env_alloc(env), priv->keys);
  tw_wipe(priv, sizeof *priv);
}

tw_err tw_tree_private_copy(const tw_env *env, const tw_tree_private *from, tw_tree_private *to) {
  tw_path_key *keys = NULL;
  if (from->count > 0) {
    keys = tw_alloc_array(tw_env_alloc(env), from->count, sizeof *keys);
    if (keys == NULL) return TW_ERR_NO_MEMORY;
  }
  for (uint32_t i = 0; i < from->count; i++) keys[i] = from->keys[i];
  *to = *from;
  to->keys = keys;
  return TW_OK;
}

void tw_tree_private_take(const tw_env *env, tw_tree_private *to, tw_tree_private *from) {
  tw_tree_private_clear(env, to);
  *to = *from;
  tw_wipe(from, sizeof *from);
}

/* The parent that a key is for, NULL if there is none or it is not above our leaf. */
static const tw_parent_content *parent_of(const tw_tree_private *priv, const tw_tree *tree, const tw_path_key *key) {
  const uint32_t level = tw_node_level(key->node);
  if (level == 0 || level > TW_TREE_DEPTH_MAX || tw_leaf_ancestor(priv->leaf_index, level) != key->node) return NULL;
  return tw_tree_parent(tree, level, priv->leaf_index);
}

void tw_tree_private_prune(tw_tree_private *priv, const tw_tree *tree) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < priv->count; i++) {
    if (parent_of(priv, tree, &priv->keys[i]) == NULL) continue;
    if (kept != i) priv->keys[kept] = priv->keys[i];
    kept++;
  }
  if (priv->count > kept) tw_wipe(priv->keys + kept, (priv->count - kept) * sizeof *priv->keys);
  priv->count = kept;
}

static tw_err check_pair(const tw_env *env, const tw_suite *suite, const tw_secret *private_key, tw_bytes public_key) {
  uint8_t derived[TW_KEM_PUBLIC_MAX];
  TW_TRY(tw_kem_public_key(env, suite, tw_secret_bytes(private_key), derived));
  return tw_bytes_equal(TW_BYTES(derived, suite->kem->public_size), public_key) ? TW_OK : TW_ERR_TREE;
}

tw_err tw_tree_private_fits(const tw_suite *suite, const tw_tree_private *priv, const tw_tree *tree) {
  const size_t size = suite->kem->private_size;
  if (tw_tree_leaf(tree, priv->leaf_index) == NULL || priv->leaf_key.len != size) return TW_ERR_TREE;
  for (uint32_t i = 0; i < priv->count; i++) {
    if (parent_of(priv, tree, &priv->keys[i]) == NULL || priv->keys[i].private_key.len != size) return TW_ERR_TREE;
  }
  return TW_OK;
}

tw_err tw_tree_private_check(const tw_env *env, const tw_suite *suite, const tw_tree_private *priv,
                             const tw_tree *tree) {
  TW_TRY(tw_tree_private_fits(suite, priv, tree));
  TW_TRY(check_pair(env, suite, &priv->leaf_key, tw_tree_leaf(tree, priv->leaf_index)->encryption_key));
  for (uint32_t i = 0; i < priv->count; i++) {
    TW_TRY(check_pair(env, suite, &priv->keys[i].private_key, parent_of(priv, tree, &priv->keys[i])->key));
  }
  return TW_OK;
}

tw_err tw_tree_private_below(const tw_env *env, const tw_tree_private *priv, const tw_tree *tree, uint32_t level,
                             uint32_t extra, tw_tree_private *out) {
  const size_t room = (size_t)priv->count + extra;
  *out = (tw_tree_private){.leaf_index = priv->leaf_index};
  if (tw_secret_set(&out->leaf_key, tw_secret_bytes(&priv->leaf_key)) != TW_OK) return TW_ERR_ARGUMENT;
  if (room == 0) return TW_OK;
  tw_path_key *keys = tw_alloc_array(tw_env_alloc(env), room, sizeof *keys);
  if (keys == NULL) {
    tw_secret_clear(&out->leaf_key);
    return TW_ERR_NO_MEMORY;
  }
  uint32_t count = 0;
  for (uint32_t i = 0; i < priv->count; i++) {
    if (tw_node_level(priv->keys[i].node) > level || parent_of(priv, tree, &priv->keys[i]) == NULL) continue;
    keys[count++] = priv->keys[i];
  }
  out->keys = keys;
  out->count = count;
  return TW_OK;
}
