/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_kit.h"

#include <string.h>

#include "mls/tree_node.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

/* ---- members ---- */

static const uint8_t versions[] = {0, 1};
static const uint8_t extensions[] = {0, 6, 0xf0, 1};
static const uint8_t proposals[] = {0, 8, 0, 9, 0, 10};
static const uint8_t credentials[] = {0, 1, 0, 2};

void kit_member_init(const tw_env *env, const tw_suite *suite, uint32_t number, kit_member *member) {
  memset(member, 0, sizeof *member);
  member->number = number;
  assert_int_equal(tw_signer_generate(env, suite, &member->signer), TW_OK);
}

void kit_member_clear(const tw_env *env, kit_member *member) {
  tw_signer_free(member->signer);
  member->signer = NULL;
  tw_tree_private_clear(env, &member->priv);
  member->present = false;
}

tw_leaf_node_fields kit_fields(const kit_member *member, uint8_t source, uint8_t *identity) {
  static const uint8_t every_suite[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0xf1, 1, 0xf1, 2, 0xf1, 3};
  identity[0] = 0;
  identity[1] = 1; /* basic */
  identity[2] = 4;
  tw_put_u32(identity + 3, member->number);
  return (tw_leaf_node_fields){.credential = TW_BYTES(identity, 7),
                               .capabilities = {.versions = TW_ARRAY(versions),
                                                .cipher_suites = TW_ARRAY(every_suite),
                                                .extensions = TW_ARRAY(extensions),
                                                .proposals = TW_ARRAY(proposals),
                                                .credentials = TW_ARRAY(credentials)},
                               .source = source,
                               .not_before = 1000,
                               .not_after = 2000};
}

void kit_leaf(const tw_env *env, const tw_suite *suite, kit_member *member, uint8_t source, tw_bytes group_id,
              uint32_t index, tw_buf *out) {
  uint8_t identity[16];
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  assert_int_equal(tw_kem_generate(env, suite, &member->priv.leaf_key, public_key), TW_OK);
  tw_leaf_node_fields fields = kit_fields(member, source, identity);
  fields.encryption_key = TW_BYTES(public_key, suite->kem->public_size);
  out->len = 0;
  assert_int_equal(tw_leaf_node_make(env, suite, member->signer, &fields, group_id, index, out), TW_OK);
}

/* ---- the plain tree ---- */

static uint32_t width(const kit_tree *tree) { return tw_node_width(tree->leaves); }

static void blank_path(kit_tree *tree, uint32_t index) {
  for (uint32_t x = tw_node_parent(2 * index, tree->leaves); x != TW_NO_NODE; x = tw_node_parent(x, tree->leaves)) {
    tree->node[x].full = false;
  }
}

static void set_leaf(kit_tree *tree, uint32_t index, tw_bytes leaf) {
  kit_node *node = &tree->node[2 * index];
  tw_leaf_node view;
  memset(node, 0, sizeof *node);
  assert_true(leaf.len <= sizeof node->leaf);
  memcpy(node->leaf, leaf.ptr, leaf.len);
  node->leaf_len = leaf.len;
  assert_int_equal(tw_leaf_node_decode(leaf, &view), TW_OK);
  memcpy(node->key, view.encryption_key.ptr, view.encryption_key.len);
  node->key_len = view.encryption_key.len;
  node->full = true;
}

uint32_t kit_add(kit_tree *tree, tw_bytes leaf) {
  uint32_t index = 0;
  while (index < tree->leaves && tree->node[2 * index].full) index++;
  if (index == tree->leaves) {
    const uint32_t next = tree->leaves == 0 ? 1 : 2 * tree->leaves;
    assert_true(next <= KIT_LEAVES);
    for (uint32_t i = width(tree); i < tw_node_width(next); i++) tree->node[i].full = false;
    tree->leaves = next;
  }
  for (uint32_t x = tw_node_parent(2 * index, tree->leaves); x != TW_NO_NODE; x = tw_node_parent(x, tree->leaves)) {
    kit_node *node = &tree->node[x];
    if (!node->full) continue;
    uint32_t at = node->unmerged_count++;
    for (; at > 0 && node->unmerged[at - 1] > index; at--) node->unmerged[at] = node->unmerged[at - 1];
    node->unmerged[at] = index;
  }
  set_leaf(tree, index, leaf);
  return index;
}

void kit_update(kit_tree *tree, uint32_t index, tw_bytes leaf) {
  set_leaf(tree, index, leaf);
  blank_path(tree, index);
}

void kit_remove(kit_tree *tree, uint32_t index) {
  tree->node[2 * index].full = false;
  blank_path(tree, index);
  uint32_t last = 0;
  bool any = false;
  for (uint32_t i = 0; i < tree->leaves; i++) {
    if (!tree->node[2 * i].full) continue;
    last = i;
    any = true;
  }
  uint32_t leaves = any ? 1 : 0;
  while (any && leaves <= last) leaves *= 2;
  tree->leaves = leaves;
}

/* As the RFC words it, for comparison: as deep as the tree, which is small. NOLINTNEXTLINE(misc-no-recursion) */
uint32_t kit_resolution(const kit_tree *tree, uint32_t x, uint32_t *out) {
  const kit_node *node = &tree->node[x];
  uint32_t count = 0;
  if (node->full) {
    out[count++] = x;
    for (uint32_t i = 0; i < node->unmerged_count; i++) out[count++] = 2 * node->unmerged[i];
    return count;
  }
  if (tw_node_level(x) == 0) return 0;
  count = kit_resolution(tree, tw_node_left(x), out);
  return count + kit_resolution(tree, tw_node_right(x), out + count);
}

/* Likewise. NOLINTNEXTLINE(misc-no-recursion) */
void kit_hash(const kit_tree *tree, uint32_t x, uint8_t *out) {
  const kit_node *node = &tree->node[x];
  const size_t size = tree->suite->hash->size;
  tw_buf input = TW_BUF_INIT(NULL);
  tw_writer w = tw_writer_to(&input);
  if (tw_node_level(x) == 0) {
    tw_write_u8(&w, 1);
    tw_write_u32(&w, x / 2);
    tw_write_u8(&w, node->full ? 1 : 0);
    if (node->full) tw_write_fixed(&w, TW_BYTES(node->leaf, node->leaf_len));
  } else {
    uint8_t left[TW_HASH_MAX];
    uint8_t right[TW_HASH_MAX];
    kit_hash(tree, tw_node_left(x), left);
    kit_hash(tree, tw_node_right(x), right);
    tw_write_u8(&w, 2);
    tw_write_u8(&w, node->full ? 1 : 0);
    if (node->full) {
      tw_write_vector(&w, TW_BYTES(node->key, node->key_len));
      tw_write_vector(&w, TW_BYTES(node->parent_hash, node->parent_hash_len));
      const tw_vector_mark mark = tw_write_open(&w);
      for (uint32_t i = 0; i < node->unmerged_count; i++) tw_write_u32(&w, node->unmerged[i]);
      tw_write_close(&w, mark);
    }
    tw_write_vector(&w, TW_BYTES(left, size));
    tw_write_vector(&w, TW_BYTES(right, size));
  }
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_bytes part = tw_buf_bytes(&input);
  assert_int_equal(tw_hash_parts(tree->env, tree->suite, &part, 1, out), TW_OK);
  tw_buf_clear(&input);
}

/* ParentHashInput of `x` with copath child `sibling`, whose hash is its present one. */
static void parent_hash(const kit_tree *tree, uint32_t x, uint32_t sibling, uint8_t *out) {
  const kit_node *node = &tree->node[x];
  uint8_t hash[TW_HASH_MAX];
  tw_buf input = TW_BUF_INIT(NULL);
  tw_writer w = tw_writer_to(&input);
  kit_hash(tree, sibling, hash);
  tw_write_vector(&w, TW_BYTES(node->key, node->key_len));
  tw_write_vector(&w, TW_BYTES(node->parent_hash, node->parent_hash_len));
  tw_write_vector(&w, TW_BYTES(hash, tree->suite->hash->size));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_bytes part = tw_buf_bytes(&input);
  assert_int_equal(tw_hash_parts(tree->env, tree->suite, &part, 1, out), TW_OK);
  tw_buf_clear(&input);
}

void kit_path(kit_tree *tree, uint32_t sender, const tw_update_path *path) {
  uint32_t nodes[8];
  uint32_t siblings[8];
  uint32_t scratch[2 * KIT_LEAVES];
  uint32_t count = 0;
  uint32_t below = 2 * sender;
  blank_path(tree, sender);
  for (uint32_t x = tw_node_parent(below, tree->leaves); x != TW_NO_NODE; x = tw_node_parent(x, tree->leaves)) {
    const uint32_t sibling = tw_node_sibling(below, tree->leaves);
    below = x;
    if (kit_resolution(tree, sibling, scratch) == 0) continue;
    nodes[count] = x;
    siblings[count++] = sibling;
  }
  tw_reader walk = tw_reader_of(path->nodes);
  tw_update_path_node node;
  for (uint32_t i = 0; i < count; i++) {
    kit_node *at = &tree->node[nodes[i]];
    assert_true(tw_update_path_node_next(&walk, &node));
    memset(at, 0, sizeof *at);
    at->full = true;
    memcpy(at->key, node.encryption_key.ptr, node.encryption_key.len);
    at->key_len = node.encryption_key.len;
  }
  assert_false(tw_update_path_node_next(&walk, &node));
  uint8_t above[TW_HASH_MAX];
  size_t above_len = 0;
  for (uint32_t i = count; i > 0; i--) {
    kit_node *at = &tree->node[nodes[i - 1]];
    memcpy(at->parent_hash, above, above_len);
    at->parent_hash_len = above_len;
    parent_hash(tree, nodes[i - 1], siblings[i - 1], above);
    above_len = tree->suite->hash->size;
  }
  tw_test_same(path->leaf_node.parent_hash, TW_BYTES(above, above_len));
  set_leaf(tree, sender, path->leaf_node.encoded);
}

void kit_encode(const kit_tree *tree, tw_buf *out) {
  uint32_t nodes = width(tree);
  while (nodes > 0 && !tree->node[nodes - 1].full) nodes--;
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark mark = tw_write_open(&w);
  for (uint32_t x = 0; x < nodes; x++) {
    const kit_node *node = &tree->node[x];
    tw_write_u8(&w, node->full ? 1 : 0);
    if (!node->full) continue;
    tw_write_u8(&w, x % 2 == 0 ? 1 : 2);
    if (x % 2 == 0) {
      tw_write_fixed(&w, TW_BYTES(node->leaf, node->leaf_len));
      continue;
    }
    tw_write_vector(&w, TW_BYTES(node->key, node->key_len));
    tw_write_vector(&w, TW_BYTES(node->parent_hash, node->parent_hash_len));
    const tw_vector_mark list = tw_write_open(&w);
    for (uint32_t i = 0; i < node->unmerged_count; i++) tw_write_u32(&w, node->unmerged[i]);
    tw_write_close(&w, list);
  }
  tw_write_close(&w, mark);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void same_resolution(const kit_tree *plain, const tw_tree *tree, uint32_t x) {
  uint32_t expected[2 * KIT_LEAVES];
  const uint32_t count = kit_resolution(plain, x, expected);
  const uint32_t first = tw_node_first_leaf(x);
  tw_resolution_walk walk;
  tw_resolved at;
  uint32_t i = 0;
  tw_tree_node *node = tw_tree_node_at(tree, tw_node_level(x), first);
  assert_int_equal(tw_node_resolution(node), count);
  tw_resolution_start(&walk, node, tw_node_level(x), first);
  for (; tw_resolution_next(tree, &walk, &at); i++) {
    assert_true(i < count);
    assert_int_equal(at.node, expected[i]);
    tw_test_same(at.key, TW_BYTES(plain->node[at.node].key, plain->node[at.node].key_len));
  }
  assert_int_equal(i, count);
}

void kit_same(const kit_tree *plain, tw_tree *tree) {
  tw_buf expected = TW_BUF_INIT(NULL);
  tw_buf got = TW_BUF_INIT(NULL);
  uint8_t plain_hash[TW_HASH_MAX];
  uint8_t hash[TW_HASH_MAX];
  assert_int_equal(tw_tree_leaf_count(tree), plain->leaves);
  kit_encode(plain, &expected);
  assert_int_equal(tw_tree_encode(tree, &got), TW_OK);
  tw_test_same(tw_buf_bytes(&got), tw_buf_bytes(&expected));
  if (plain->leaves > 0) {
    kit_hash(plain, tw_node_root(plain->leaves), plain_hash);
    assert_int_equal(tw_tree_hash(tree, hash), TW_OK);
    tw_test_same(TW_BYTES(hash, plain->suite->hash->size), TW_BYTES(plain_hash, plain->suite->hash->size));
  }
  for (uint32_t x = 0; x < width(plain); x++) same_resolution(plain, tree, x);
  tw_buf_clear(&expected);
  tw_buf_clear(&got);
}
