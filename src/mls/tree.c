/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree.h"

#include "base/alloc.h"
#include "mls/tree_node.h"

tw_err tw_tree_new(const tw_env *env, const tw_suite *suite, tw_tree **out) {
  tw_tree *tree = tw_alloc_zero(tw_env_alloc(env), sizeof *tree);
  if (tree == NULL) return TW_ERR_NO_MEMORY;
  tree->env = env;
  tree->suite = suite;
  const tw_err err = tw_random(env, (uint8_t *)tree->seed, sizeof tree->seed);
  if (err != TW_OK) {
    tw_alloc_free(tw_env_alloc(env), tree);
    return err;
  }
  *out = tree;
  return TW_OK;
}

tw_err tw_tree_clone(const tw_tree *tree, tw_tree **out) {
  tw_tree *copy = tw_alloc_zero(tw_env_alloc(tree->env), sizeof *copy);
  if (copy == NULL) return TW_ERR_NO_MEMORY;
  *copy = *tree;
  (void)tw_tree_node_ref(copy->root);
  copy->keys = tw_key_index_copy(&tree->keys);
  (void)tw_tree_counts_ref(copy->counts);
  *out = copy;
  return TW_OK;
}

void tw_tree_free(tw_tree *tree) {
  if (tree == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(tree->env);
  tw_tree_node_release(tree, tree->root);
  tw_key_index_clear(alloc, &tree->keys);
  tw_tree_counts_release(alloc, tree->counts);
  tw_alloc_free(alloc, tree);
}

void tw_tree_swap(tw_tree *to, tw_tree *from) {
  const tw_tree held = *to;
  *to = *from;
  *from = held;
}

uint32_t tw_tree_leaf_count(const tw_tree *tree) { return tree->root != NULL ? 1u << tree->depth : 0; }

uint32_t tw_tree_member_count(const tw_tree *tree) { return tw_node_members(tree->root); }

const tw_leaf_node *tw_tree_leaf(const tw_tree *tree, uint32_t index) {
  const tw_tree_node *node = tw_tree_node_at(tree, 0, index);
  return node != NULL && node->u.leaf != NULL ? &node->u.leaf->view : NULL;
}

bool tw_tree_next_leaf(const tw_tree *tree, uint32_t *index) {
  uint32_t leaf = *index;
  while (tree->root != NULL && leaf >> tree->depth == 0) {
    /* Down towards `leaf`, as far as there are members; a subtree without any is stepped over whole. */
    const tw_tree_node *node = tree->root;
    uint32_t level = tree->depth;
    while (level > 0 && tw_node_members(node) > 0) node = node->u.child[leaf >> --level & 1];
    if (tw_node_members(node) > 0) {
      *index = leaf;
      return true;
    }
    leaf = ((leaf >> level) + 1) << level;
  }
  return false;
}

/* The node of a leaf to leave out; what is no leaf leaves out none. */
static uint32_t exception(uint32_t leaf) { return leaf >> TW_TREE_DEPTH_MAX == 0 ? 2 * leaf : TW_NO_NODE; }

bool tw_tree_has_encryption_key(const tw_tree *tree, tw_bytes key, uint32_t except) {
  return tw_tree_key_used(tree, TW_KEY_ENCRYPTION, key, exception(except));
}

bool tw_tree_has_signature_key(const tw_tree *tree, tw_bytes key, uint32_t except) {
  return tw_tree_key_used(tree, TW_KEY_SIGNATURE, key, exception(except));
}

static uint32_t lacking(const tw_tree *tree, uint32_t kind, uint16_t value) {
  return tw_tree_member_count(tree) - tw_tree_counts_get(tree->counts, kind, value);
}

uint32_t tw_tree_lacking_credential(const tw_tree *tree, uint16_t credential_type) {
  return lacking(tree, TW_COUNT_CREDENTIAL, credential_type);
}

uint32_t tw_tree_lacking_proposal(const tw_tree *tree, uint16_t proposal_type) {
  return lacking(tree, TW_COUNT_PROPOSAL, proposal_type);
}

uint32_t tw_tree_lacking_extension(const tw_tree *tree, uint16_t extension_type) {
  return lacking(tree, TW_COUNT_EXTENSION, extension_type);
}

uint32_t tw_tree_credentials_outside(const tw_tree *tree, const tw_capabilities *capabilities) {
  return tw_tree_counts_credentials_outside(tree->counts, capabilities->credentials);
}
