/* Private keys of the ratchet tree, making and applying update paths: RFC 9420 sections 7.4 to 7.6 and 7.9. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PATH_H
#define TW_MLS_PATH_H

#include "mls/commit.h"
#include "mls/tree.h"

/* One private key that we hold above our leaf. */
typedef struct tw_path_key {
  uint32_t node; /* node index, appendix C */
  tw_secret private_key;
} tw_path_key;

/* The private view of one member. Zero-initialised is empty. Keys only of non-blank nodes that we know. */
typedef struct tw_tree_private {
  uint32_t leaf_index;
  tw_secret leaf_key;
  tw_path_key *keys; /* `count` of them, from the leaf towards the root; env's allocator */
  uint32_t count;
} tw_tree_private;

void tw_tree_private_clear(const tw_env *env, tw_tree_private *priv);
TW_MUST_USE tw_err tw_tree_private_copy(const tw_env *env, const tw_tree_private *from, tw_tree_private *to);
/* Drop keys of nodes that `tree` has blank, or outside it. */
void tw_tree_private_prune(tw_tree_private *priv, const tw_tree *tree);
/* TW_ERR_TREE unless each private key is of a node that `tree` has, and of the suite's length. */
TW_MUST_USE tw_err tw_tree_private_fits(const tw_suite *suite, const tw_tree_private *priv, const tw_tree *tree);
/* TW_ERR_TREE unless each private key fits the tree's public key. For joins and tests. */
TW_MUST_USE tw_err tw_tree_private_check(const tw_env *env, const tw_suite *suite, const tw_tree_private *priv,
                                         const tw_tree *tree);

/*
 * Making (section 7.5), in two steps since the path secrets are encrypted under a GroupContext that has the new tree's
 * hash. Step 1: fresh path secrets, keys set along the filtered direct path of `priv->leaf_index` in `tree` (proposals
 * already applied), the leaf replaced by a signed one with source commit and its parent hash. `priv` becomes the new
 * private view. `path` remembers what step 2 and the Welcomes need.
 */
typedef struct tw_path_secrets {
  uint32_t *nodes;    /* filtered direct path, leaf to root; env's allocator */
  tw_secret *secrets; /* path_secret of each */
  uint32_t count;
  tw_secret commit_secret;
} tw_path_secrets;

void tw_path_secrets_clear(const tw_env *env, tw_path_secrets *path);

/* `leaf`: what the new leaf shall hold; encryption_key, source and parent_hash are set here. */
TW_MUST_USE tw_err tw_path_generate(tw_tree *tree, tw_tree_private *priv, const tw_signer *signer,
                                    const tw_leaf_node_fields *leaf, tw_bytes group_id, tw_path_secrets *path);
/*
 * Step 2: appends the encoded UpdatePath. `excluded`: sorted leaf indices added by this very commit. `group_context`
 * encoded.
 */
TW_MUST_USE tw_err tw_path_encrypt(const tw_tree *tree, const tw_path_secrets *path, uint32_t sender,
                                   const uint32_t *excluded, uint32_t excluded_count, tw_bytes group_context,
                                   tw_buf *update_path);
/*
 * The path secret that a leaf added by this commit gets in its Welcome: that of the lowest common ancestor (NULL:
 * none).
 */
const tw_secret *tw_path_secret_for(const tw_tree *tree, const tw_path_secrets *path, uint32_t sender,
                                    uint32_t leaf_index);

/*
 * Applying (section 7.5 and 12.4.2), in two steps likewise. Step 1 puts the public keys and the leaf in place and
 * checks number of nodes, parent hash, and that keys are new (TW_ERR_TREE, TW_ERR_KEY, TW_ERR_KEY_REUSED). The leaf
 * itself was verified by the caller.
 */
TW_MUST_USE tw_err tw_path_apply(tw_tree *tree, uint32_t sender, const tw_update_path *update_path);
/* Step 2: decrypts our path secret, checks that the keys derived fit, updates `priv` and gives commit_secret. */
TW_MUST_USE tw_err tw_path_decrypt(const tw_tree *tree, tw_tree_private *priv, uint32_t sender,
                                   const tw_update_path *update_path, const uint32_t *excluded, uint32_t excluded_count,
                                   tw_bytes group_context, tw_secret *commit_secret);
/*
 * A joiner's path secret from its Welcome: fills `priv` from the common ancestor with `sender` upwards. TW_ERR_TREE if
 * keys do not fit.
 */
TW_MUST_USE tw_err tw_path_join(const tw_tree *tree, tw_tree_private *priv, uint32_t sender, tw_bytes path_secret);

#endif
