/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/key_index.h"

#include <string.h>

#include "base/alloc.h"

/*
 * A trie over the hash, four bits a level. A small index is one bucket; a bucket that is full is split one level at a
 * time, so that the depth is bounded by the hash's length whatever is put in.
 */
enum { FANOUT = 16, BITS = 4, DEPTH_MAX = 64 / BITS, BUCKET_FULL = 16, BUCKET_STEP = 4 };

struct tw_key_trie {
  uint32_t refs;
  bool branch;
  uint32_t count; /* bucket: entries in use */
  uint32_t cap;
  union {
    tw_key_trie *child[1]; /* branch: FANOUT of them */
    tw_key_entry entry[1]; /* bucket: `cap` of them */
  } u;
};

#define HEAD offsetof(tw_key_trie, u)

static unsigned nibble(uint64_t hash, unsigned depth) {
  return (unsigned)(hash >> (64 - BITS * (depth + 1))) & (FANOUT - 1);
}

static tw_key_trie **children(tw_key_trie *branch) { return &branch->u.child[0]; }
static tw_key_entry *entries(tw_key_trie *bucket) { return &bucket->u.entry[0]; }

static size_t node_size(bool branch, uint32_t cap) {
  const size_t size = HEAD + (branch ? FANOUT * sizeof(tw_key_trie *) : cap * sizeof(tw_key_entry));
  return size < sizeof(tw_key_trie) ? sizeof(tw_key_trie) : size;
}

static tw_key_trie *node_new(const tw_alloc *alloc, bool branch, uint32_t cap) {
  tw_key_trie *node = tw_alloc_zero(alloc, node_size(branch, cap));
  if (node == NULL) return NULL;
  node->refs = 1;
  node->branch = branch;
  node->cap = branch ? 0 : cap;
  return node;
}

static void node_release(const tw_alloc *alloc, tw_key_trie *root) {
  tw_key_trie *stack[DEPTH_MAX * FANOUT + 1];
  size_t top = 0;
  if (root != NULL) stack[top++] = root;
  while (top > 0) {
    tw_key_trie *node = stack[--top];
    if (--node->refs > 0) continue;
    for (unsigned i = 0; node->branch && i < FANOUT; i++) {
      if (children(node)[i] != NULL) stack[top++] = children(node)[i];
    }
    tw_alloc_free(alloc, node);
  }
}

/* Makes the node in `slot` ours alone and, for a bucket, gives it room for `cap` entries. */
static tw_err own(const tw_alloc *alloc, tw_key_trie **slot, uint32_t cap) {
  tw_key_trie *node = *slot;
  if (node->refs == 1 && (node->branch || node->cap >= cap)) return TW_OK;
  tw_key_trie *copy = node_new(alloc, node->branch, cap > node->count ? cap : node->count);
  if (copy == NULL) return TW_ERR_NO_MEMORY;
  copy->count = node->count;
  if (node->branch) {
    memcpy(children(copy), children(node), FANOUT * sizeof(tw_key_trie *));
    for (unsigned i = 0; i < FANOUT; i++) {
      if (children(copy)[i] != NULL) children(copy)[i]->refs++;
    }
  } else {
    memcpy(entries(copy), entries(node), node->count * sizeof(tw_key_entry));
  }
  node_release(alloc, node);
  *slot = copy;
  return TW_OK;
}

/* The full bucket in `slot` becomes a branch over smaller ones. */
static tw_err split(const tw_alloc *alloc, tw_key_trie **slot, unsigned depth) {
  tw_key_trie *bucket = *slot;
  tw_key_trie *branch = node_new(alloc, true, 0);
  if (branch == NULL) return TW_ERR_NO_MEMORY;
  uint32_t sizes[FANOUT] = {0};
  for (uint32_t i = 0; i < bucket->count; i++) sizes[nibble(entries(bucket)[i].hash, depth)]++;
  for (unsigned i = 0; i < FANOUT; i++) {
    if (sizes[i] == 0) continue;
    children(branch)[i] = node_new(alloc, false, sizes[i] + BUCKET_STEP);
    if (children(branch)[i] == NULL) {
      node_release(alloc, branch);
      return TW_ERR_NO_MEMORY;
    }
  }
  for (uint32_t i = 0; i < bucket->count; i++) {
    tw_key_trie *to = children(branch)[nibble(entries(bucket)[i].hash, depth)];
    entries(to)[to->count++] = entries(bucket)[i];
  }
  node_release(alloc, bucket);
  *slot = branch;
  return TW_OK;
}

tw_key_index tw_key_index_copy(const tw_key_index *index) {
  if (index->root != NULL) index->root->refs++;
  return *index;
}

void tw_key_index_clear(const tw_alloc *alloc, tw_key_index *index) {
  node_release(alloc, index->root);
  index->root = NULL;
}

tw_err tw_key_index_insert(const tw_alloc *alloc, tw_key_index *index, tw_key_entry entry) {
  tw_key_trie **slot = &index->root;
  unsigned depth = 0;
  while (*slot != NULL) {
    if (!(*slot)->branch && ((*slot)->count < BUCKET_FULL || depth >= DEPTH_MAX)) break;
    if (!(*slot)->branch) TW_TRY(split(alloc, slot, depth));
    TW_TRY(own(alloc, slot, 0));
    slot = &children(*slot)[nibble(entry.hash, depth++)];
  }
  if (*slot == NULL) {
    *slot = node_new(alloc, false, BUCKET_STEP);
    if (*slot == NULL) return TW_ERR_NO_MEMORY;
  }
  const uint32_t count = (*slot)->count;
  /* Room grows by steps, and by half in buckets of equal hashes, which only a hostile tree has. */
  if ((*slot)->refs > 1 || count == (*slot)->cap)
    TW_TRY(own(alloc, slot, count + BUCKET_STEP + (count > BUCKET_FULL ? count / 2 : 0)));
  entries(*slot)[(*slot)->count++] = entry;
  return TW_OK;
}

static const tw_key_trie *bucket_of(const tw_key_index *index, uint64_t hash) {
  tw_key_trie *node = index->root;
  for (unsigned depth = 0; node != NULL && node->branch; depth++) node = children(node)[nibble(hash, depth)];
  return node;
}

static uint32_t position_of(const tw_key_trie *bucket, tw_key_entry entry) {
  uint32_t i = 0;
  for (; bucket != NULL && i < bucket->count; i++) {
    const tw_key_entry *at = &(&bucket->u.entry[0])[i];
    if (at->hash == entry.hash && at->node == entry.node && at->kind == entry.kind) break;
  }
  return i;
}

static bool branch_is_empty(tw_key_trie *branch) {
  for (unsigned i = 0; i < FANOUT; i++) {
    if (children(branch)[i] != NULL) return false;
  }
  return true;
}

tw_err tw_key_index_remove(const tw_alloc *alloc, tw_key_index *index, tw_key_entry entry) {
  const tw_key_trie *found = bucket_of(index, entry.hash);
  if (found == NULL || position_of(found, entry) == found->count) return TW_OK;
  tw_key_trie **slots[DEPTH_MAX + 1];
  unsigned depth = 0;
  slots[0] = &index->root;
  for (;;) {
    TW_TRY(own(alloc, slots[depth], 0));
    if (!(*slots[depth])->branch) break;
    slots[depth + 1] = &children(*slots[depth])[nibble(entry.hash, depth)];
    depth++;
  }
  tw_key_trie *bucket = *slots[depth];
  entries(bucket)[position_of(bucket, entry)] = entries(bucket)[bucket->count - 1];
  bucket->count--;
  if (bucket->count > 0) return TW_OK;
  node_release(alloc, bucket);
  *slots[depth] = NULL;
  while (depth > 0 && branch_is_empty(*slots[depth - 1])) {
    depth--;
    node_release(alloc, *slots[depth]);
    *slots[depth] = NULL;
  }
  return TW_OK;
}

const tw_key_entry *tw_key_index_find(const tw_key_index *index, uint64_t hash, uint32_t kind, size_t skip) {
  const tw_key_trie *bucket = bucket_of(index, hash);
  for (uint32_t i = 0; bucket != NULL && i < bucket->count; i++) {
    const tw_key_entry *at = &(&bucket->u.entry[0])[i];
    if (at->hash == hash && at->kind == kind && skip-- == 0) return at;
  }
  return NULL;
}

/* ---- SipHash-2-4 (Aumasson, Bernstein 2012) ---- */

typedef struct sip_state {
  uint64_t v[4];
} sip_state;

static uint64_t rotate(uint64_t value, unsigned by) { return (value << by) | (value >> (64 - by)); }

static void sip_rounds(sip_state *s, unsigned rounds) {
  uint64_t *v = s->v;
  while (rounds-- > 0) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
  }
}

static void sip_word(sip_state *s, uint64_t word) {
  s->v[3] ^= word;
  sip_rounds(s, 2);
  s->v[0] ^= word;
}

uint64_t tw_key_hash(const uint64_t seed[2], uint32_t kind, tw_bytes key) {
  sip_state s = {{seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                  seed[1] ^ 0x7465646279746573u}};
  sip_word(&s, kind);
  size_t at = 0;
  for (; key.len - at >= 8; at += 8) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) word |= (uint64_t)key.ptr[at + i] << (8 * i);
    sip_word(&s, word);
  }
  uint64_t last = (uint64_t)key.len << 56;
  for (unsigned i = 0; at + i < key.len; i++) last |= (uint64_t)key.ptr[at + i] << (8 * i);
  sip_word(&s, last);
  s.v[2] ^= 0xff;
  sip_rounds(&s, 4);
  return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}
