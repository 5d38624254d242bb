/* Making an update path: RFC 9420 sections 7.4 to 7.6. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "mls/label.h"
#include "mls/path_parts.h"

void tw_path_secrets_clear(const tw_env *env, tw_path_secrets *path) {
  if (path == NULL) return;
  if (path->secrets != NULL) tw_wipe(path->secrets, path->count * sizeof *path->secrets);
  tw_alloc_free(tw_env_alloc(env), path->secrets);
  tw_alloc_free(tw_env_alloc(env), path->nodes);
  tw_wipe(path, sizeof *path);
}

/* All that is made before anything of the caller's changes. */
typedef struct path_work {
  tw_tree *tree; /* a clone */
  tw_path_levels levels;
  tw_path_secrets path;
  tw_tree_private priv;
  tw_path_contents contents;
  uint8_t *public_keys; /* the leaf's, then those of the path */
  tw_buf leaf;
} path_work;

static void work_clear(const tw_env *env, path_work *work) {
  if (work->tree != NULL) tw_path_contents_clear(work->tree, &work->contents);
  tw_tree_free(work->tree);
  tw_path_secrets_clear(env, &work->path);
  tw_tree_private_clear(env, &work->priv);
  tw_alloc_free(tw_env_alloc(env), work->public_keys);
  tw_buf_clear(&work->leaf);
}

static tw_err reserve(const tw_env *env, const tw_suite *suite, path_work *work) {
  const tw_alloc *alloc = tw_env_alloc(env);
  const uint32_t count = work->levels.count;
  work->public_keys = tw_alloc_array(alloc, count + 1u, suite->kem->public_size);
  if (work->public_keys == NULL) return TW_ERR_NO_MEMORY;
  if (count == 0) return TW_OK;
  work->path.nodes = tw_alloc_array(alloc, count, sizeof *work->path.nodes);
  work->path.secrets = tw_alloc_array(alloc, count, sizeof *work->path.secrets);
  work->priv.keys = tw_alloc_array(alloc, count, sizeof *work->priv.keys);
  if (work->path.nodes == NULL || work->path.secrets == NULL || work->priv.keys == NULL) return TW_ERR_NO_MEMORY;
  work->path.count = count;
  work->priv.count = count;
  return TW_OK;
}

/*
 * path_secret[0] is random, each further one follows from the one before, and the one after the last is the commit
 * secret: in a group of one that is path_secret[0] itself.
 */
static tw_err derive_keys(const tw_env *env, const tw_suite *suite, path_work *work) {
  tw_secret secret = {.len = suite->hash->size};
  tw_err err = tw_kem_generate(env, suite, &work->priv.leaf_key, work->public_keys);
  if (err == TW_OK) err = tw_random(env, secret.data, secret.len);
  for (uint32_t i = 0; err == TW_OK && i < work->levels.count; i++) {
    tw_path_key *key = &work->priv.keys[i];
    key->node = tw_leaf_ancestor(work->priv.leaf_index, work->levels.level[i]);
    work->path.nodes[i] = key->node;
    work->path.secrets[i] = secret;
    err = tw_path_node_key(env, suite, &secret, &key->private_key,
                           work->public_keys + (i + 1u) * suite->kem->public_size);
    if (err == TW_OK) err = tw_path_next_secret(env, suite, &work->path.secrets[i], &secret);
  }
  if (err == TW_OK) work->path.commit_secret = secret;
  tw_secret_clear(&secret);
  return err;
}

static tw_err place(path_work *work, const tw_signer *signer, const tw_leaf_node_fields *fields, tw_bytes group_id) {
  tw_tree *tree = work->tree;
  const uint32_t own = work->priv.leaf_index;
  const size_t size = tree->suite->kem->public_size;
  tw_bytes keys[TW_TREE_DEPTH_MAX];
  for (uint32_t i = 0; i < work->levels.count; i++) keys[i] = TW_BYTES(work->public_keys + (i + 1u) * size, size);
  TW_TRY(tw_path_contents_make(tree, own, &work->levels, keys, &work->contents));

  tw_leaf_node_fields leaf = *fields;
  leaf.encryption_key = TW_BYTES(work->public_keys, size);
  leaf.source = TW_LEAF_COMMIT;
  leaf.parent_hash = TW_BYTES(work->contents.leaf_parent_hash, work->contents.leaf_parent_hash_len);
  TW_TRY(tw_leaf_node_make(tree->env, tree->suite, signer, &leaf, group_id, own, &work->leaf));
  tw_leaf_content *content = NULL;
  TW_TRY(tw_leaf_content_new(tree, tw_buf_bytes(&work->leaf), &content));
  const tw_err err = tw_tree_set(tree, own, content, TW_PATH_SET, work->contents.parent);
  tw_leaf_content_release(tree, content);
  return err;
}

tw_err tw_path_generate(tw_tree *tree, tw_tree_private *priv, const tw_signer *signer, const tw_leaf_node_fields *leaf,
                        tw_bytes group_id, tw_path_secrets *path) {
  const tw_env *env = tree->env;
  path_work work = {.priv = {.leaf_index = priv->leaf_index}, .leaf = TW_BUF_INIT(tw_env_alloc(env))};
  tw_err err = tw_path_open(tree, priv->leaf_index, &work.tree, &work.levels);
  if (err == TW_OK) err = reserve(env, tree->suite, &work);
  if (err == TW_OK) err = derive_keys(env, tree->suite, &work);
  if (err == TW_OK) err = place(&work, signer, leaf, group_id);
  if (err == TW_OK) {
    tw_tree_swap(tree, work.tree);
    tw_tree_private_take(env, priv, &work.priv);
    tw_path_secrets_clear(env, path);
    *path = work.path;
    tw_wipe(&work.path, sizeof work.path);
  }
  work_clear(env, &work);
  return err;
}

/* ---- encrypting ---- */

static bool is_excluded(const uint32_t *excluded, uint32_t count, uint32_t node) {
  if (tw_node_level(node) != 0) return false;
  const uint32_t at = tw_path_excluded_below(excluded, count, node / 2);
  return at < count && excluded[at] == node / 2;
}

/* struct { HPKEPublicKey encryption_key; HPKECiphertext encrypted_path_secret<V>; } UpdatePathNode, section 7.6 */
typedef struct node_writer {
  const tw_tree *tree;
  uint32_t sender;
  const uint32_t *excluded;
  uint32_t excluded_count;
  tw_bytes group_context;
  tw_buf kem_output;
  tw_buf ciphertext;
} node_writer;

static void write_node(tw_writer *w, node_writer *n, uint32_t level, const tw_secret *secret) {
  const tw_tree *tree = n->tree;
  const tw_parent_content *parent = tw_tree_parent(tree, level, n->sender);
  if (parent == NULL) {
    tw_writer_fail(w, TW_ERR_ARGUMENT);
    return;
  }
  tw_write_vector(w, parent->key);
  const tw_vector_mark list = tw_write_open(w);
  tw_resolution_walk walk;
  tw_resolved to;
  tw_resolution_start(&walk, tw_tree_copath(tree, level - 1, n->sender), level - 1, n->sender ^ (1u << (level - 1)));
  while (w->err == TW_OK && tw_resolution_next(tree, &walk, &to)) {
    if (is_excluded(n->excluded, n->excluded_count, to.node)) continue;
    n->kem_output.len = 0;
    n->ciphertext.len = 0;
    const tw_err err = tw_encrypt_with_label(tree->env, tree->suite, to.key, TW_LITERAL("UpdatePathNode"),
                                             n->group_context, tw_secret_bytes(secret), &n->kem_output, &n->ciphertext);
    if (err != TW_OK) tw_writer_fail(w, err);
    const tw_hpke_ciphertext value = {tw_buf_bytes(&n->kem_output), tw_buf_bytes(&n->ciphertext)};
    tw_write_hpke_ciphertext(w, &value);
  }
  tw_write_close(w, list);
}

/* struct { LeafNode leaf_node; UpdatePathNode nodes<V>; } UpdatePath, section 7.6 */
tw_err tw_path_encrypt(const tw_tree *tree, const tw_path_secrets *path, uint32_t sender, const uint32_t *excluded,
                       uint32_t excluded_count, tw_bytes group_context, tw_buf *update_path) {
  const tw_leaf_node *leaf = tw_tree_leaf(tree, sender);
  if (leaf == NULL) return TW_ERR_ARGUMENT;
  const tw_alloc *alloc = tw_env_alloc(tree->env);
  node_writer n = {.tree = tree,
                   .sender = sender,
                   .excluded = excluded,
                   .excluded_count = excluded_count,
                   .group_context = group_context,
                   .kem_output = TW_BUF_INIT(alloc),
                   .ciphertext = TW_BUF_INIT(alloc)};
  tw_writer w = tw_writer_to(update_path);
  tw_write_fixed(&w, leaf->encoded);
  const tw_vector_mark nodes = tw_write_open(&w);
  for (uint32_t i = 0; i < path->count && w.err == TW_OK; i++) {
    write_node(&w, &n, tw_node_level(path->nodes[i]), &path->secrets[i]);
  }
  tw_write_close(&w, nodes);
  tw_buf_clear(&n.kem_output);
  tw_buf_clear(&n.ciphertext);
  return tw_writer_end(&w);
}

const tw_secret *tw_path_secret_for(const tw_tree *tree, const tw_path_secrets *path, uint32_t sender,
                                    uint32_t leaf_index) {
  (void)tree;
  const uint32_t ancestor = tw_leaf_ancestor(sender, tw_leaf_common_level(sender, leaf_index));
  for (uint32_t i = 0; i < path->count; i++) {
    if (path->nodes[i] == ancestor) return &path->secrets[i];
  }
  return NULL;
}
