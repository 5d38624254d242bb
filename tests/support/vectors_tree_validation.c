/* tree-validation: resolutions, tree hashes, parent hashes and signatures of whole trees. SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_node.h"
#include "vectors.h"

static void check_node_hashes(tw_vector *v, tw_tree *tree) {
  json_t *hashes = tw_vector_array(v, v->json, "tree_hashes");
  if (!tw_vector_going(v)) return;
  const size_t nodes = tw_node_width(tw_tree_leaf_count(tree));
  /* Writers leave out the blank nodes at the end. */
  if (!tw_vector_true(v, json_array_size(hashes) <= nodes, "number of tree_hashes")) return;
  for (size_t i = 0; i < json_array_size(hashes) && tw_vector_going(v); i++) {
    uint8_t hash[TW_HASH_MAX];
    tw_vector_where(v, "node %zu", i);
    const tw_bytes expected = tw_vector_hex_value(v, json_array_get(hashes, i), "tree_hashes");
    if (!tw_vector_ok(v, tw_tree_hash_node(tree, (uint32_t)i, hash), "tree hash")) return;
    (void)tw_vector_equal(v, TW_BYTES(hash, v->suite->hash->size), expected, "tree hash");
  }
}

static void check_resolutions(tw_vector *v, tw_tree *tree) {
  json_t *resolutions = tw_vector_array(v, v->json, "resolutions");
  const size_t nodes = tw_node_width(tw_tree_leaf_count(tree));
  for (size_t i = 0; tw_vector_going(v) && i < json_array_size(resolutions); i++) {
    json_t *expected = json_array_get(resolutions, i);
    const uint32_t level = tw_node_level((uint32_t)i);
    const uint32_t first = tw_node_first_leaf((uint32_t)i);
    tw_vector_where(v, "node %zu", i);
    if (!tw_vector_true(v, i < nodes && json_is_array(expected), "resolutions")) return;
    tw_resolution_walk walk;
    tw_resolved at;
    size_t count = 0;
    tw_tree_node *node = tw_tree_node_at(tree, level, first);
    (void)tw_vector_true(v, tw_node_resolution(node) == json_array_size(expected), "length of the resolution");
    tw_resolution_start(&walk, node, level, first);
    for (; tw_vector_going(v) && tw_resolution_next(tree, &walk, &at); count++) {
      const uint64_t index = tw_vector_uint_value(v, json_array_get(expected, count), "resolutions", UINT32_MAX);
      (void)tw_vector_true(v, index == at.node, "resolution differs");
    }
    (void)tw_vector_true(v, count == json_array_size(expected), "resolution ends early");
  }
}

static void check_encoding(tw_vector *v, const tw_tree *tree, tw_bytes expected) {
  tw_buf out = TW_BUF_INIT(tw_env_alloc(v->env));
  if (tw_vector_ok(v, tw_tree_encode(tree, &out), "encoding")) {
    (void)tw_vector_equal(v, tw_buf_bytes(&out), expected, "encoding again");
  }
  tw_buf_clear(&out);
}

tw_vector_result tw_vector_tree_validation(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  const tw_bytes encoded = tw_vector_hex(&v, v.json, "tree");
  const tw_bytes group_id = tw_vector_hex(&v, v.json, "group_id");
  tw_tree *tree = NULL;
  if (tw_vector_going(&v) && tw_vector_ok(&v, tw_tree_decode(env, v.suite, encoded, &tree), "decoding the tree")) {
    check_resolutions(&v, tree);
    check_node_hashes(&v, tree);
    tw_vector_where(&v, "%s", "");
    if (tw_vector_going(&v))
      (void)tw_vector_ok(&v, tw_tree_validate(tree, group_id, TW_NO_BYTES, TW_NO_BYTES), "validating the tree");
    if (tw_vector_going(&v)) check_encoding(&v, tree, encoded);
  }
  tw_tree_free(tree);
  return tw_vector_end(&v);
}
