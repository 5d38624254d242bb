/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/proposal_cache.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/reader.h"
#include "mls/label.h"

void tw_update_keys_free(const tw_env *env, tw_update_keys *keys) {
  if (keys == NULL) return;
  tw_secret_clear(&keys->leaf_key);
  tw_signer_free(keys->signer);
  tw_alloc_free(tw_env_alloc(env), keys);
}

void tw_proposal_cache_clear(const tw_env *env, tw_proposal_cache *cache) {
  for (uint32_t i = 0; i < cache->count; i++) {
    tw_buf_clear(&cache->items[i].encoded);
    tw_update_keys_free(env, cache->items[i].own_update);
  }
  tw_alloc_free(tw_env_alloc(env), cache->items);
  tw_alloc_free(tw_env_alloc(env), cache->slots);
  *cache = (tw_proposal_cache){0};
}

tw_err tw_proposal_reference(const tw_env *env, const tw_suite *suite, uint16_t wire_format, tw_bytes framed_content,
                             tw_bytes signature, uint8_t *out) {
  tw_buf content = TW_BUF_INIT(tw_env_alloc(env));
  tw_writer w = tw_writer_to(&content);
  tw_write_u16(&w, wire_format);
  tw_write_fixed(&w, framed_content);
  tw_write_vector(&w, signature);
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK)
    err = tw_ref_hash(env, suite, TW_LITERAL("MLS 1.0 Proposal Reference"), tw_buf_bytes(&content), out);
  tw_buf_clear(&content);
  return err;
}

/* A reference is a hash already: its first bytes choose the slot where the search begins. `cap` is a power of two. */
static uint32_t first_slot(const uint8_t *reference, uint32_t cap) { return tw_get_u32(reference) & (2 * cap - 1); }

static void index_item(uint32_t *slots, uint32_t cap, const uint8_t *reference, uint32_t position) {
  uint32_t slot = first_slot(reference, cap);
  while (slots[slot] != 0) slot = (slot + 1) & (2 * cap - 1);
  slots[slot] = position + 1;
}

static tw_err make_room(const tw_env *env, tw_proposal_cache *cache) {
  const tw_alloc *alloc = tw_env_alloc(env);
  if (cache->count >= tw_env_limits(env)->proposals) return TW_ERR_LIMIT;
  if (cache->count < cache->cap) return TW_OK;
  if (cache->cap > UINT32_MAX / 4) return TW_ERR_LIMIT;
  const uint32_t cap = cache->cap == 0 ? 4 : 2 * cache->cap;
  uint32_t *slots = tw_alloc_array(alloc, 2 * (size_t)cap, sizeof *slots);
  if (slots == NULL) return TW_ERR_NO_MEMORY;
  tw_cached_proposal *items = tw_alloc_resize_array(alloc, cache->items, cap, sizeof *items);
  if (items == NULL) {
    tw_alloc_free(alloc, slots);
    return TW_ERR_NO_MEMORY;
  }
  for (uint32_t i = 0; i < cache->count; i++) index_item(slots, cap, items[i].reference, i);
  tw_alloc_free(alloc, cache->slots);
  cache->slots = slots;
  cache->items = items;
  cache->cap = cap;
  return TW_OK;
}

tw_err tw_proposal_cache_add(const tw_env *env, const tw_suite *suite, tw_proposal_cache *cache,
                             const uint8_t *reference, tw_bytes encoded, tw_sender sender, tw_update_keys *own_update) {
  if (tw_proposal_cache_find(cache, suite, TW_BYTES(reference, suite->hash->size)) != NULL) return TW_ERR_DUPLICATE;
  TW_TRY(make_room(env, cache));
  tw_cached_proposal item = {.encoded = TW_BUF_INIT(tw_env_alloc(env)), .sender = sender, .own_update = own_update};
  TW_TRY(tw_buf_assign(&item.encoded, encoded));
  memcpy(item.reference, reference, suite->hash->size);
  index_item(cache->slots, cache->cap, item.reference, cache->count);
  cache->items[cache->count++] = item;
  return TW_OK;
}

const tw_cached_proposal *tw_proposal_cache_find(const tw_proposal_cache *cache, const tw_suite *suite,
                                                 tw_bytes reference) {
  if (reference.len != suite->hash->size || cache->cap == 0) return NULL;
  for (uint32_t slot = first_slot(reference.ptr, cache->cap); cache->slots[slot] != 0;
       slot = (slot + 1) & (2 * cache->cap - 1)) {
    const tw_cached_proposal *item = &cache->items[cache->slots[slot] - 1];
    if (memcmp(item->reference, reference.ptr, reference.len) == 0) return item;
  }
  return NULL;
}
