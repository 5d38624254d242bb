/* Node indices of the array representation: RFC 9420 appendix C. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_TREE_MATH_H
#define TW_MLS_TREE_MATH_H

#include <stdint.h>

/* No such node: a leaf has no children, the root no parent. Never an index, since trees have at most 2^31 leaves. */
#define TW_NO_NODE UINT32_MAX

/*
 * Leaf `i` is node 2i; a node's level is its height above the leaves. `leaves` is a power of two wherever it is asked
 * for.
 */
uint32_t tw_node_width(uint32_t leaves);
uint32_t tw_node_level(uint32_t node);
uint32_t tw_node_root(uint32_t leaves);
uint32_t tw_node_left(uint32_t node);
uint32_t tw_node_right(uint32_t node);
uint32_t tw_node_parent(uint32_t node, uint32_t leaves);
uint32_t tw_node_sibling(uint32_t node, uint32_t leaves);
/* The leftmost leaf below a node. */
uint32_t tw_node_first_leaf(uint32_t node);
/* The ancestor of a leaf (its own node at level 0) at `level`. */
uint32_t tw_leaf_ancestor(uint32_t leaf, uint32_t level);
/* The level of the lowest common ancestor of two leaves; 0 when they are the same. */
uint32_t tw_leaf_common_level(uint32_t a, uint32_t b);
/* The smallest d with 2^d > leaf: the depth of the smallest tree that holds it. */
uint32_t tw_leaf_depth(uint32_t leaf);

#endif
