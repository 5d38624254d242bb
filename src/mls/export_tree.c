/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/export_tree.h"

#include "base/alloc.h"
#include "mls/secret_nodes.h"

enum { EXPORT_TREE_DEPTH = 16 };

struct tw_export_tree {
  tw_secret_nodes nodes;
};

tw_err tw_export_tree_new(const tw_env *env, const tw_suite *suite, tw_bytes application_export_secret,
                          tw_export_tree **out) {
  tw_export_tree *tree = tw_alloc_zero(tw_env_alloc(env), sizeof *tree);
  if (tree == NULL) return TW_ERR_NO_MEMORY;
  const tw_err err = tw_secret_nodes_init(&tree->nodes, env, suite, EXPORT_TREE_DEPTH, application_export_secret);
  if (err == TW_OK) {
    *out = tree;
  } else {
    tw_alloc_free(tw_env_alloc(env), tree);
  }
  return err;
}

void tw_export_tree_free(tw_export_tree *tree) {
  if (tree == NULL) return;
  const tw_env *env = tree->nodes.env;
  tw_secret_nodes_clear(&tree->nodes);
  tw_wipe(tree, sizeof *tree);
  tw_alloc_free(tw_env_alloc(env), tree);
}

tw_err tw_safe_export_secret(tw_export_tree *tree, uint16_t component_id, tw_secret *out) {
  tw_secret_path path = {0};
  TW_TRY(tw_secret_path_derive(&tree->nodes, component_id, &path));
  *out = path.leaf_secret;
  tw_secret_path_adopt(&path, NULL);
  return TW_OK;
}

void tw_write_export_tree(tw_writer *w, const tw_export_tree *tree) { tw_write_secret_nodes(w, &tree->nodes, NULL); }

tw_err tw_read_export_tree(const tw_env *env, const tw_suite *suite, tw_reader *r, tw_export_tree **out) {
  TW_TRY(tw_reader_err(r));
  tw_export_tree *tree = tw_alloc_zero(tw_env_alloc(env), sizeof *tree);
  if (tree == NULL) {
    tw_reader_fail(r, TW_ERR_NO_MEMORY);
    return TW_ERR_NO_MEMORY;
  }
  tree->nodes = (tw_secret_nodes){.env = env, .suite = suite, .depth = EXPORT_TREE_DEPTH};
  const tw_err err = tw_read_secret_nodes(r, &tree->nodes, NULL);
  if (err == TW_OK) {
    *out = tree;
  } else {
    tw_export_tree_free(tree);
  }
  return err;
}
