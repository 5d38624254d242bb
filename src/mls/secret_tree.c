/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/secret_tree.h"

#include "base/alloc.h"
#include "mls/ratchet.h"
#include "mls/secret_nodes.h"

#define LEAVES_MAX (UINT32_C(1) << 31)

/* What the last finding derived, ready to be adopted. */
typedef struct finding {
  bool ready;
  uint32_t leaf;
  unsigned which;             /* of the sender's ratchets */
  tw_sender_ratchets *sender; /* in the tree, or fresh: then `path` leads to it */
  tw_secret_path path;
  tw_ratchet_step step;
} finding;

struct tw_secret_tree {
  uint32_t leaf_count;
  tw_secret_nodes nodes;
  finding found;
};

static unsigned depth_of(uint32_t leaf_count) {
  unsigned depth = 0;
  while ((UINT32_C(1) << depth) < leaf_count) depth++;
  return depth;
}

tw_err tw_secret_tree_new(const tw_env *env, const tw_suite *suite, tw_bytes encryption_secret, uint32_t leaf_count,
                          tw_secret_tree **out) {
  if (leaf_count == 0 || leaf_count > LEAVES_MAX || encryption_secret.len != suite->hash->size) return TW_ERR_ARGUMENT;
  tw_secret_tree *tree = tw_alloc_zero(tw_env_alloc(env), sizeof *tree);
  if (tree == NULL) return TW_ERR_NO_MEMORY;
  tree->leaf_count = leaf_count;
  const tw_err err = tw_secret_nodes_init(&tree->nodes, env, suite, depth_of(leaf_count), encryption_secret);
  tree->nodes.free_value = tw_sender_ratchets_free;
  if (err == TW_OK) {
    *out = tree;
  } else {
    tw_alloc_free(tw_env_alloc(env), tree);
  }
  return err;
}

static void forget(tw_secret_tree *tree) {
  finding *found = &tree->found;
  if (!found->ready) return;
  if (found->path.leaf != NULL) tw_sender_ratchets_free(tree->nodes.env, found->sender);
  tw_secret_path_clear(&tree->nodes, &found->path);
  tw_ratchet_step_clear(tree->nodes.env, &found->step);
  *found = (finding){0};
}

void tw_secret_tree_free(tw_secret_tree *tree) {
  if (tree == NULL) return;
  forget(tree);
  const tw_env *env = tree->nodes.env;
  tw_secret_nodes_clear(&tree->nodes);
  tw_wipe(tree, sizeof *tree);
  tw_alloc_free(tw_env_alloc(env), tree);
}

static tw_err choose(const tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, unsigned *which) {
  if (leaf >= tree->leaf_count) return TW_ERR_SENDER;
  switch (content_type) {
  case TW_CONTENT_APPLICATION: *which = TW_RATCHET_APPLICATION; return TW_OK;
  case TW_CONTENT_PROPOSAL:
  case TW_CONTENT_COMMIT: *which = TW_RATCHET_HANDSHAKE; return TW_OK;
  default: return TW_ERR_ARGUMENT;
  }
}

/* The ratchets of a sender that is not in the tree yet, beside the tree. */
static tw_err fresh_sender(tw_secret_tree *tree, uint32_t leaf, finding *found) {
  TW_TRY(tw_secret_path_derive(&tree->nodes, leaf, &found->path));
  const tw_err err = tw_sender_ratchets_new(tree->nodes.env, tree->nodes.suite,
                                            tw_secret_bytes(&found->path.leaf_secret), &found->sender);
  tw_secret_clear(&found->path.leaf_secret);
  if (err != TW_OK) tw_secret_path_clear(&tree->nodes, &found->path);
  return err;
}

/* Derives the key of a generation that the sender's ratchet has not passed, and remembers all that goes with it. */
static tw_err derive(tw_secret_tree *tree, uint32_t leaf, unsigned which, uint32_t generation) {
  const tw_env *env = tree->nodes.env;
  finding next = {.ready = true, .leaf = leaf, .which = which};
  next.sender = tw_secret_nodes_value(&tree->nodes, leaf);
  if (next.sender == NULL) {
    /* Seen before the tree is derived for nothing: a fresh ratchet is at generation 0. */
    if (generation > tw_env_limits(env)->skipped_generations) return TW_ERR_LIMIT;
    TW_TRY(fresh_sender(tree, leaf, &next));
  }
  const tw_err err = tw_ratchet_step_derive(env, tree->nodes.suite, &next.sender->of[which], generation, &next.step);
  if (err != TW_OK) {
    if (next.path.leaf != NULL) {
      tw_sender_ratchets_free(env, next.sender);
      tw_secret_path_clear(&tree->nodes, &next.path);
    }
    return err;
  }
  forget(tree);
  tree->found = next;
  tw_wipe(&next, sizeof next);
  return TW_OK;
}

static void adopt(tw_secret_tree *tree) {
  finding *found = &tree->found;
  if (found->path.leaf != NULL) tw_secret_path_adopt(&found->path, found->sender);
  tw_ratchet_step_adopt(tree->nodes.env, &found->sender->of[found->which], &found->step);
  *found = (finding){0};
}

tw_err tw_secret_tree_next(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, tw_message_key *out) {
  unsigned which = 0;
  TW_TRY(choose(tree, leaf, content_type, &which));
  const tw_sender_ratchets *sender = tw_secret_nodes_value(&tree->nodes, leaf);
  const uint64_t head = sender != NULL ? sender->of[which].head : 0;
  if (head > UINT32_MAX) return TW_ERR_KEY_LIMIT;
  TW_TRY(derive(tree, leaf, which, (uint32_t)head));
  *out = tree->found.step.key;
  adopt(tree);
  return TW_OK;
}

static bool is_found(const tw_secret_tree *tree, uint32_t leaf, unsigned which, uint32_t generation) {
  const finding *found = &tree->found;
  return found->ready && found->leaf == leaf && found->which == which && found->step.key.generation == generation;
}

tw_err tw_secret_tree_find(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, uint32_t generation,
                           tw_message_key *out) {
  unsigned which = 0;
  TW_TRY(choose(tree, leaf, content_type, &which));
  const tw_sender_ratchets *sender = tw_secret_nodes_value(&tree->nodes, leaf);
  if (sender != NULL && generation < sender->of[which].head) {
    const tw_message_key *kept = tw_ratchet_kept(&sender->of[which], generation);
    if (kept == NULL) return generation < sender->of[which].floor ? TW_ERR_OLD_GENERATION : TW_ERR_DUPLICATE;
    *out = *kept;
    return TW_OK;
  }
  if (!is_found(tree, leaf, which, generation)) TW_TRY(derive(tree, leaf, which, generation));
  *out = tree->found.step.key;
  return TW_OK;
}

void tw_secret_tree_used(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, uint32_t generation) {
  unsigned which = 0;
  if (choose(tree, leaf, content_type, &which) != TW_OK) return;
  tw_sender_ratchets *sender = tw_secret_nodes_value(&tree->nodes, leaf);
  if (sender != NULL && generation < sender->of[which].head) {
    tw_ratchet_drop_kept(tree->nodes.env, &sender->of[which], generation);
    /* A finding ahead in the same ratchet has a copy of that key. */
    if (tree->found.ready && tree->found.sender == sender && tree->found.which == which) forget(tree);
    return;
  }
  /* Another finding came between: derive once more. */
  if (!is_found(tree, leaf, which, generation) && derive(tree, leaf, which, generation) != TW_OK) return;
  adopt(tree);
}

/* struct { uint32 leaf_count; nodes } */
void tw_write_secret_tree(tw_writer *w, const tw_secret_tree *tree) {
  tw_write_u32(w, tree->leaf_count);
  tw_write_secret_nodes(w, &tree->nodes, tw_write_sender_ratchets);
}

tw_err tw_read_secret_tree(const tw_env *env, const tw_suite *suite, tw_reader *r, tw_secret_tree **out) {
  const uint32_t leaf_count = tw_read_u32(r);
  TW_TRY(tw_reader_err(r));
  tw_err err = leaf_count > 0 && leaf_count <= LEAVES_MAX ? TW_OK : TW_ERR_ENCODING;
  tw_secret_tree *tree = NULL;
  if (err == TW_OK) {
    tree = tw_alloc_zero(tw_env_alloc(env), sizeof *tree);
    if (tree == NULL) err = TW_ERR_NO_MEMORY;
  }
  if (err != TW_OK) {
    tw_reader_fail(r, err);
    return err;
  }
  tree->leaf_count = leaf_count;
  tree->nodes = (tw_secret_nodes){
      .env = env, .suite = suite, .depth = depth_of(leaf_count), .free_value = tw_sender_ratchets_free};
  err = tw_read_secret_nodes(r, &tree->nodes, tw_read_sender_ratchets);
  if (err == TW_OK) {
    *out = tree;
  } else {
    tw_secret_tree_free(tree);
  }
  return err;
}
