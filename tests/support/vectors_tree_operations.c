/* tree-operations: one proposal applied to a tree. SPDX-License-Identifier: Apache-2.0 */
#include "mls/proposal.h"
#include "mls/tree.h"
#include "vectors.h"

static void check_hash(tw_vector *v, tw_tree *tree, const char *name) {
  uint8_t hash[TW_HASH_MAX];
  const tw_bytes expected = tw_vector_hex(v, v->json, name);
  if (!tw_vector_going(v) || !tw_vector_ok(v, tw_tree_hash(tree, hash), name)) return;
  (void)tw_vector_equal(v, TW_BYTES(hash, v->suite->hash->size), expected, name);
}

static tw_err apply(tw_tree *tree, const tw_proposal *proposal, uint32_t sender) {
  uint32_t index;
  switch (proposal->type) {
  case TW_PROPOSAL_ADD: return tw_tree_add_leaf(tree, proposal->u.add.leaf_node.encoded, &index);
  case TW_PROPOSAL_UPDATE: return tw_tree_update_leaf(tree, sender, proposal->u.update.encoded);
  case TW_PROPOSAL_REMOVE: return tw_tree_remove_leaf(tree, proposal->u.remove);
  default: return TW_ERR_PROPOSAL;
  }
}

static void check_tree(tw_vector *v, tw_tree *tree) {
  check_hash(v, tree, "tree_hash_before");
  const tw_bytes encoded = tw_vector_hex(v, v->json, "proposal");
  const uint32_t sender = (uint32_t)tw_vector_uint(v, v->json, "proposal_sender", UINT32_MAX);
  const tw_bytes after = tw_vector_hex(v, v->json, "tree_after");
  if (!tw_vector_going(v)) return;
  tw_reader r = tw_reader_of(encoded);
  const tw_proposal proposal = tw_read_proposal(&r);
  if (!tw_vector_ok(v, tw_reader_end(&r), "decoding the proposal")) return;
  if (!tw_vector_ok(v, apply(tree, &proposal, sender), "applying the proposal")) return;
  tw_buf out = TW_BUF_INIT(tw_env_alloc(v->env));
  if (tw_vector_ok(v, tw_tree_encode(tree, &out), "encoding the tree")) {
    (void)tw_vector_equal(v, tw_buf_bytes(&out), after, "tree_after");
  }
  tw_buf_clear(&out);
  check_hash(v, tree, "tree_hash_after");
}

tw_vector_result tw_vector_tree_operations(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  const tw_bytes before = tw_vector_hex(&v, v.json, "tree_before");
  tw_tree *tree = NULL;
  if (tw_vector_going(&v) && tw_vector_ok(&v, tw_tree_decode(env, v.suite, before, &tree), "tree_before")) {
    check_tree(&v, tree);
  }
  tw_tree_free(tree);
  return tw_vector_end(&v);
}
