/* Members and a plain second implementation of the ratchet tree, for tests. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TREE_KIT_H
#define TW_TESTS_TREE_KIT_H

#include "mls/path.h"
#include "mls/tree.h"

/* One client: its signature key and what it knows of the tree. */
typedef struct kit_member {
  tw_signer *signer;
  tw_tree_private priv;
  uint32_t number; /* part of its identity */
  bool present;
} kit_member;

void kit_member_init(const tw_env *env, const tw_suite *suite, uint32_t number, kit_member *member);
void kit_member_clear(const tw_env *env, kit_member *member);
/* The fields of a leaf with the usual capabilities; `identity` has room for 16 bytes. */
tw_leaf_node_fields kit_fields(const kit_member *member, uint8_t source, uint8_t *identity);
/* A fresh, signed leaf with a fresh key, which becomes the member's. */
void kit_leaf(const tw_env *env, const tw_suite *suite, kit_member *member, uint8_t source, tw_bytes group_id,
              uint32_t index, tw_buf *out);

/* ---- the plain tree: an array, everything computed anew each time, as RFC 9420 spells it ---- */

enum { KIT_LEAVES = 64 };

typedef struct kit_node {
  bool full;
  uint8_t leaf[400]; /* encoded LeafNode */
  size_t leaf_len;
  uint8_t key[80];
  size_t key_len;
  uint8_t parent_hash[TW_HASH_MAX];
  size_t parent_hash_len;
  uint32_t unmerged[KIT_LEAVES];
  uint32_t unmerged_count;
} kit_node;

typedef struct kit_tree {
  const tw_env *env;
  const tw_suite *suite;
  uint32_t leaves; /* a power of two, or 0 */
  kit_node node[2 * KIT_LEAVES];
} kit_tree;

uint32_t kit_add(kit_tree *tree, tw_bytes leaf);
void kit_update(kit_tree *tree, uint32_t index, tw_bytes leaf);
void kit_remove(kit_tree *tree, uint32_t index);
/* Sets keys along the filtered direct path; the leaf's parent_hash has to be what results. */
void kit_path(kit_tree *tree, uint32_t sender, const tw_update_path *path);
/* `x` is a node index, here and below. */
void kit_hash(const kit_tree *tree, uint32_t x, uint8_t *out);
/* Node indices into `out`; returns how many. */
uint32_t kit_resolution(const kit_tree *tree, uint32_t x, uint32_t *out);
void kit_encode(const kit_tree *tree, tw_buf *out);
/* Fails the test unless both are the same tree in encoding, all tree hashes and all resolutions. */
void kit_same(const kit_tree *plain, tw_tree *tree);

#endif
