/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/tree_counts.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/reader.h"

typedef struct count_entry {
  uint32_t key; /* kind in the upper half, value in the lower */
  uint32_t count;
} count_entry;

struct tw_tree_counts {
  uint32_t refs;
  uint32_t size;
  count_entry entry[];
};

/* What one leaf counts for: sorted keys without repetition. */
typedef struct key_list {
  uint32_t *keys;
  size_t size;
} key_list;

static uint32_t key_of(uint32_t kind, uint16_t value) { return kind << 16 | value; }

/* The first entry whose key is at least `key`. */
static uint32_t lower_bound(const tw_tree_counts *counts, uint32_t key) {
  uint32_t low = 0;
  uint32_t high = counts->size;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (counts->entry[middle].key < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint32_t tw_tree_counts_get(const tw_tree_counts *counts, uint32_t kind, uint16_t value) {
  if (counts == NULL) return 0;
  const uint32_t at = lower_bound(counts, key_of(kind, value));
  return at < counts->size && counts->entry[at].key == key_of(kind, value) ? counts->entry[at].count : 0;
}

bool tw_tree_counts_next_credential(const tw_tree_counts *counts, int32_t *type) {
  if (counts == NULL) return false;
  const uint32_t at = lower_bound(counts, key_of(TW_COUNT_CREDENTIAL_USED, 0) + (uint32_t)(*type + 1));
  if (at >= counts->size) return false;
  *type = (int32_t)(counts->entry[at].key & 0xffff);
  return true;
}

uint32_t tw_tree_counts_credentials_outside(const tw_tree_counts *counts, tw_bytes credentials) {
  if (counts == NULL) return 0;
  const uint32_t first = lower_bound(counts, key_of(TW_COUNT_CREDENTIAL_USED, 0));
  uint32_t outside = 0;
  if ((counts->size - first) * (credentials.len / 2) <= 4096) {
    for (uint32_t i = first; i < counts->size; i++) {
      if (!tw_u16_list_has(credentials, (uint16_t)counts->entry[i].key)) outside += counts->entry[i].count;
    }
    return outside;
  }
  /* Many types in use against a long list: one bit per value keeps it linear. */
  uint8_t listed[65536 / 8] = {0};
  for (size_t i = 0; i + 1 < credentials.len; i += 2) {
    const uint32_t value = tw_get_u16(credentials.ptr + i);
    listed[value / 8] |= (uint8_t)(1u << value % 8);
  }
  for (uint32_t i = first; i < counts->size; i++) {
    const uint32_t value = counts->entry[i].key & 0xffff;
    if ((listed[value / 8] >> value % 8 & 1) == 0) outside += counts->entry[i].count;
  }
  return outside;
}

tw_tree_counts *tw_tree_counts_ref(tw_tree_counts *counts) {
  if (counts != NULL) counts->refs++;
  return counts;
}

void tw_tree_counts_release(const tw_alloc *alloc, tw_tree_counts *counts) {
  if (counts != NULL && --counts->refs == 0) tw_alloc_free(alloc, counts);
}

/* ---- the keys of one leaf ---- */

static void sift_down(uint32_t *keys, size_t root, size_t size) {
  for (size_t child = 2 * root + 1; child < size; child = 2 * root + 1) {
    if (child + 1 < size && keys[child + 1] > keys[child]) child++;
    if (keys[root] >= keys[child]) return;
    const uint32_t swap = keys[root];
    keys[root] = keys[child];
    keys[child] = swap;
    root = child;
  }
}

/* Heapsort: a leaf may list 2^16 values in the worst order, and qsort may recurse or allocate. */
static void sort_keys(uint32_t *keys, size_t size) {
  for (size_t i = size / 2; i > 0; i--) sift_down(keys, i - 1, size);
  for (size_t end = size; end > 1; end--) {
    const uint32_t swap = keys[0];
    keys[0] = keys[end - 1];
    keys[end - 1] = swap;
    sift_down(keys, 0, end - 1);
  }
}

static void append_list(key_list *list, uint32_t kind, tw_bytes values) {
  for (size_t i = 0; i + 1 < values.len; i += 2) {
    list->keys[list->size++] = key_of(kind, tw_get_u16(values.ptr + i));
  }
}

static tw_err leaf_keys(const tw_alloc *alloc, const tw_leaf_node *leaf, key_list *out) {
  *out = (key_list){NULL, 0};
  if (leaf == NULL) return TW_OK;
  const tw_capabilities *c = &leaf->capabilities;
  const size_t most = (c->extensions.len + c->proposals.len + c->credentials.len) / 2 + 1;
  out->keys = tw_alloc_array(alloc, most, sizeof(uint32_t));
  if (out->keys == NULL) return TW_ERR_NO_MEMORY;
  append_list(out, TW_COUNT_EXTENSION, c->extensions);
  append_list(out, TW_COUNT_PROPOSAL, c->proposals);
  append_list(out, TW_COUNT_CREDENTIAL, c->credentials);
  out->keys[out->size++] = key_of(TW_COUNT_CREDENTIAL_USED, leaf->credential.type);
  sort_keys(out->keys, out->size);
  size_t kept = 1;
  for (size_t i = 1; i < out->size; i++) {
    if (out->keys[i] != out->keys[kept - 1]) out->keys[kept++] = out->keys[i];
  }
  out->size = kept;
  return TW_OK;
}

/* ---- changing ---- */

static bool counts_alike(const tw_leaf_node *a, const tw_leaf_node *b) {
  if (a == NULL || b == NULL) return a == b;
  return a->credential.type == b->credential.type &&
         tw_bytes_equal(a->capabilities.extensions, b->capabilities.extensions) &&
         tw_bytes_equal(a->capabilities.proposals, b->capabilities.proposals) &&
         tw_bytes_equal(a->capabilities.credentials, b->capabilities.credentials);
}

/* Merges the three sorted sequences; entries that fall to nought are left out. */
static void merge(const tw_tree_counts *counts, const key_list *minus, const key_list *plus, tw_tree_counts *out) {
  const uint32_t size = counts != NULL ? counts->size : 0;
  uint32_t i = 0;
  size_t m = 0;
  size_t p = 0;
  while (i < size || p < plus->size) {
    const bool take = i < size && (p >= plus->size || counts->entry[i].key <= plus->keys[p]);
    const uint32_t key = take ? counts->entry[i].key : plus->keys[p];
    uint32_t count = take ? counts->entry[i++].count : 0;
    while (m < minus->size && minus->keys[m] < key) m++;
    if (m < minus->size && minus->keys[m] == key && count > 0) count--;
    if (p < plus->size && plus->keys[p] == key) {
      count++;
      p++;
    }
    if (count > 0) out->entry[out->size++] = (count_entry){key, count};
  }
}

tw_err tw_tree_counts_change(const tw_alloc *alloc, tw_tree_counts *counts, const tw_leaf_node *removed,
                             const tw_leaf_node *added, tw_tree_counts **out) {
  if (counts_alike(removed, added)) {
    *out = tw_tree_counts_ref(counts);
    return TW_OK;
  }
  key_list minus = {NULL, 0};
  key_list plus = {NULL, 0};
  tw_tree_counts *next = NULL;
  tw_err err = leaf_keys(alloc, removed, &minus);
  if (err == TW_OK) err = leaf_keys(alloc, added, &plus);
  if (err == TW_OK) {
    const size_t most = (counts != NULL ? counts->size : 0) + plus.size;
    next = tw_alloc_zero(alloc, sizeof *next + most * sizeof(count_entry));
    if (next == NULL) err = TW_ERR_NO_MEMORY;
  }
  if (err == TW_OK) {
    next->refs = 1;
    merge(counts, &minus, &plus, next);
    *out = next;
  }
  tw_alloc_free(alloc, minus.keys);
  tw_alloc_free(alloc, plus.keys);
  return err;
}
