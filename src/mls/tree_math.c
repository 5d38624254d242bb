/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_math.h"

static uint32_t bit_length(uint32_t value) {
  uint32_t length = 0;
  for (; value != 0; value >>= 1) length++;
  return length;
}

uint32_t tw_node_width(uint32_t leaves) { return leaves == 0 ? 0 : 2 * (leaves - 1) + 1; }

/* The number of one bits at the low end. */
uint32_t tw_node_level(uint32_t node) { return bit_length(node ^ (node + 1)) - 1; }

uint32_t tw_node_root(uint32_t leaves) { return leaves == 0 ? TW_NO_NODE : leaves - 1; }

uint32_t tw_node_left(uint32_t node) {
  const uint32_t level = tw_node_level(node);
  return level == 0 ? TW_NO_NODE : node - (1u << (level - 1));
}

uint32_t tw_node_right(uint32_t node) {
  const uint32_t level = tw_node_level(node);
  return level == 0 ? TW_NO_NODE : node + (1u << (level - 1));
}

uint32_t tw_node_parent(uint32_t node, uint32_t leaves) {
  if (leaves == 0 || node == tw_node_root(leaves) || node >= tw_node_width(leaves)) return TW_NO_NODE;
  return tw_leaf_ancestor(tw_node_first_leaf(node), tw_node_level(node) + 1);
}

uint32_t tw_node_sibling(uint32_t node, uint32_t leaves) {
  const uint32_t parent = tw_node_parent(node, leaves);
  if (parent == TW_NO_NODE) return TW_NO_NODE;
  return node < parent ? tw_node_right(parent) : tw_node_left(parent);
}

uint32_t tw_node_first_leaf(uint32_t node) { return (node - ((1u << tw_node_level(node)) - 1)) / 2; }

uint32_t tw_leaf_ancestor(uint32_t leaf, uint32_t level) {
  return ((leaf >> level) << (level + 1)) + ((1u << level) - 1);
}

uint32_t tw_leaf_common_level(uint32_t a, uint32_t b) { return bit_length(a ^ b); }

uint32_t tw_leaf_depth(uint32_t leaf) { return bit_length(leaf); }
