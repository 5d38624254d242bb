/* tree-math: node indices of the array representation, RFC 9420 appendix C. SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_math.h"
#include "vectors.h"

/* An optional<uint32> of the vector: null stands for no node. */
static void check_node(tw_vector *v, const char *name, size_t index, uint32_t got) {
  json_t *value = json_array_get(tw_vector_array(v, v->json, name), index);
  tw_vector_where(v, "%s[%zu]", name, index);
  if (value == NULL || json_is_null(value)) {
    (void)tw_vector_true(v, value != NULL && got == TW_NO_NODE, "there is a node where none should be");
    return;
  }
  const uint64_t expected = tw_vector_uint_value(v, value, name, UINT32_MAX - 1);
  (void)tw_vector_true(v, expected == got, "node index differs");
}

tw_vector_result tw_vector_tree_math(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin(env, vector);
  const uint32_t leaves = (uint32_t)tw_vector_uint(&v, v.json, "n_leaves", 1u << 20);
  if (tw_vector_going(&v) && (leaves == 0 || (leaves & (leaves - 1)) != 0))
    tw_vector_skip(&v, "%s", "not a complete tree");
  const uint64_t nodes = tw_vector_uint(&v, v.json, "n_nodes", UINT32_MAX);
  if (tw_vector_going(&v)) (void)tw_vector_true(&v, nodes == tw_node_width(leaves), "n_nodes");
  const uint64_t root = tw_vector_uint(&v, v.json, "root", UINT32_MAX);
  if (tw_vector_going(&v)) (void)tw_vector_true(&v, root == tw_node_root(leaves), "root");
  for (uint32_t i = 0; i < nodes && tw_vector_going(&v); i++) {
    check_node(&v, "left", i, tw_node_left(i));
    check_node(&v, "right", i, tw_node_right(i));
    check_node(&v, "parent", i, tw_node_parent(i, leaves));
    check_node(&v, "sibling", i, tw_node_sibling(i, leaves));
  }
  return tw_vector_end(&v);
}
