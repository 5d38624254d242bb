/* What nodes hold: leaves, parents, lists of unmerged leaves. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "mls/tree_node.h"

static const tw_alloc *allocator(const tw_tree *tree) { return tw_env_alloc(tree->env); }

tw_err tw_leaf_content_new(const tw_tree *tree, tw_bytes encoded, tw_leaf_content **out) {
  tw_leaf_content *leaf = tw_alloc_zero(allocator(tree), sizeof *leaf + encoded.len);
  if (leaf == NULL) return TW_ERR_NO_MEMORY;
  if (encoded.len > 0) memcpy(leaf->bytes, encoded.ptr, encoded.len);
  const tw_err err = tw_leaf_node_decode(TW_BYTES(leaf->bytes, encoded.len), &leaf->view);
  if (err != TW_OK) {
    tw_alloc_free(allocator(tree), leaf);
    return err;
  }
  leaf->refs = 1;
  leaf->encryption_hash = tw_key_hash(tree->seed, TW_KEY_ENCRYPTION, leaf->view.encryption_key);
  leaf->signature_hash = tw_key_hash(tree->seed, TW_KEY_SIGNATURE, leaf->view.signature_key);
  *out = leaf;
  return TW_OK;
}

void tw_leaf_content_release(const tw_tree *tree, tw_leaf_content *leaf) {
  if (leaf != NULL && --leaf->refs == 0) tw_alloc_free(allocator(tree), leaf);
}

static uint8_t *put_vector(uint8_t *at, tw_bytes value, tw_bytes *copy) {
  at += tw_put_varint(at, value.len);
  if (value.len > 0) memcpy(at, value.ptr, value.len);
  *copy = TW_BYTES(at, value.len);
  return at + value.len;
}

tw_err tw_parent_content_new(const tw_tree *tree, tw_bytes key, tw_bytes parent_hash, tw_parent_content **out) {
  const size_t size = tw_varint_size(key.len) + key.len + tw_varint_size(parent_hash.len) + parent_hash.len;
  /* tw_put_varint wants room for the longest length. */
  tw_parent_content *parent = tw_alloc_zero(allocator(tree), sizeof *parent + size + sizeof(uint32_t));
  if (parent == NULL) return TW_ERR_NO_MEMORY;
  uint8_t *end = put_vector(parent->bytes, key, &parent->key);
  end = put_vector(end, parent_hash, &parent->parent_hash);
  parent->encoded = TW_BYTES(parent->bytes, (size_t)(end - parent->bytes));
  parent->refs = 1;
  parent->key_hash = tw_key_hash(tree->seed, TW_KEY_ENCRYPTION, key);
  *out = parent;
  return TW_OK;
}

void tw_parent_content_release(const tw_tree *tree, tw_parent_content *parent) {
  if (parent != NULL && --parent->refs == 0) tw_alloc_free(allocator(tree), parent);
}

/* ---- lists of leaves ---- */

uint32_t tw_leaves_below(tw_bytes leaves, uint32_t leaf) {
  size_t low = 0;
  size_t high = leaves.len / 4;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (tw_get_u32(leaves.ptr + 4 * middle) < leaf) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return (uint32_t)low;
}

bool tw_leaves_have(tw_bytes leaves, uint32_t leaf) {
  const size_t at = tw_leaves_below(leaves, leaf);
  return at < leaves.len / 4 && tw_get_u32(leaves.ptr + 4 * at) == leaf;
}

tw_bytes tw_leaves_within(tw_bytes leaves, uint32_t first, uint32_t level) {
  if (leaves.len == 0) return TW_NO_BYTES;
  const size_t from = tw_leaves_below(leaves, first);
  const size_t to = tw_leaves_below(leaves, first + (1u << level));
  return TW_BYTES(leaves.ptr + 4 * from, 4 * (to - from));
}

static tw_leaf_list *list_new(const tw_tree *tree, uint32_t cap) {
  tw_leaf_list *list = tw_alloc_zero(allocator(tree), sizeof *list + (size_t)cap * 4);
  if (list == NULL) return NULL;
  list->refs = 1;
  list->cap = cap;
  return list;
}

void tw_leaf_list_release(const tw_tree *tree, tw_leaf_list *list) {
  if (list != NULL && --list->refs == 0) tw_alloc_free(allocator(tree), list);
}

tw_err tw_leaf_list_of(const tw_tree *tree, tw_bytes sorted, tw_leaf_list **out) {
  *out = NULL;
  if (sorted.len == 0) return TW_OK;
  tw_leaf_list *list = list_new(tree, (uint32_t)(sorted.len / 4));
  if (list == NULL) return TW_ERR_NO_MEMORY;
  memcpy(list->bytes, sorted.ptr, sorted.len);
  list->used = list->cap;
  *out = list;
  return TW_OK;
}

tw_err tw_leaf_list_with(const tw_tree *tree, tw_leaf_list *list, uint32_t count, uint32_t leaf, tw_leaf_list **out) {
  const tw_bytes old = list != NULL && count > 0 ? TW_BYTES(list->bytes, (size_t)count * 4) : TW_NO_BYTES;
  const uint32_t at = tw_leaves_below(old, leaf);
  if (list != NULL && at == count && list->used == count && count < list->cap) {
    tw_put_u32(list->bytes + (size_t)count * 4, leaf);
    list->used++;
    list->refs++;
    *out = list;
    return TW_OK;
  }
  tw_leaf_list *next = list_new(tree, count + count / 2 + 2);
  if (next == NULL) return TW_ERR_NO_MEMORY;
  const size_t before = (size_t)at * 4;
  if (before > 0) memcpy(next->bytes, old.ptr, before);
  tw_put_u32(next->bytes + before, leaf);
  if (old.len > before) memcpy(next->bytes + before + 4, old.ptr + before, old.len - before);
  next->used = count + 1;
  *out = next;
  return TW_OK;
}
