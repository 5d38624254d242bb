/* SPDX-License-Identifier: Apache-2.0 */
#include "net/session_cache.h"

#include "base/alloc.h"

enum { BUCKETS_FIRST = 64 };

struct tw_kept_session {
  tw_kept_session *same_bucket;
  tw_kept_session *newer; /* of those that nobody holds */
  tw_kept_session *older;
  void *holder;
  uint64_t version;
  tw_buf id;
  tw_buf saved;
};

struct tw_session_cache {
  tw_kept_session **buckets;
  size_t bucket_count; /* a power of two */
  size_t count;
  size_t idle_count;
  size_t most;
  tw_kept_session *newest; /* of those that nobody holds */
  tw_kept_session *oldest;
};

/* Group ids are drawn by this side, so that nobody can choose ones that meet in a bucket. */
static tw_kept_session **bucket_of(const tw_session_cache *cache, tw_bytes id) {
  size_t hash = id.len;
  for (size_t i = 0; i < id.len; i++) hash = hash * 31 + id.ptr[i];
  return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static tw_kept_session *find(const tw_session_cache *cache, tw_bytes id) {
  tw_kept_session *kept = *bucket_of(cache, id);
  while (kept != NULL && !tw_bytes_equal(tw_buf_bytes(&kept->id), id)) kept = kept->same_bucket;
  return kept;
}

static void put_in_bucket(tw_session_cache *cache, tw_kept_session *kept) {
  tw_kept_session **bucket = bucket_of(cache, tw_buf_bytes(&kept->id));
  kept->same_bucket = *bucket;
  *bucket = kept;
}

/* More buckets; with no memory for them the old ones do. */
static void grow(tw_session_cache *cache) {
  if (cache->count < cache->bucket_count) return;
  tw_kept_session **former = cache->buckets;
  const size_t former_count = cache->bucket_count;
  tw_kept_session **buckets = tw_alloc_array(NULL, 2 * former_count, sizeof(tw_kept_session *));
  if (buckets == NULL) return;
  cache->buckets = buckets;
  cache->bucket_count = 2 * former_count;
  for (size_t i = 0; i < former_count; i++) {
    tw_kept_session *next;
    for (tw_kept_session *kept = former[i]; kept != NULL; kept = next) {
      next = kept->same_bucket;
      put_in_bucket(cache, kept);
    }
  }
  tw_alloc_free(NULL, (void *)former);
}

static void link_idle(tw_session_cache *cache, tw_kept_session *kept) {
  kept->holder = NULL;
  kept->newer = NULL;
  kept->older = cache->newest;
  *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = kept;
  cache->newest = kept;
  cache->idle_count++;
}

static void unlink_idle(tw_session_cache *cache, tw_kept_session *kept) {
  *(kept->newer != NULL ? &kept->newer->older : &cache->newest) = kept->older;
  *(kept->older != NULL ? &kept->older->newer : &cache->oldest) = kept->newer;
  cache->idle_count--;
}

static void wipe(tw_kept_session *kept) {
  tw_buf_clear(&kept->id);
  tw_buf_clear(&kept->saved);
  tw_alloc_free(NULL, kept);
}

static void forget_oldest(tw_session_cache *cache) {
  tw_kept_session *kept = cache->oldest;
  tw_kept_session **at = bucket_of(cache, tw_buf_bytes(&kept->id));
  while (*at != kept) at = &(*at)->same_bucket;
  *at = kept->same_bucket;
  unlink_idle(cache, kept);
  cache->count--;
  wipe(kept);
}

tw_err tw_session_cache_new(size_t most, tw_session_cache **out) {
  tw_session_cache *cache = tw_alloc_zero(NULL, sizeof *cache);
  if (cache == NULL) return TW_ERR_NO_MEMORY;
  cache->most = most;
  cache->bucket_count = BUCKETS_FIRST;
  cache->buckets = tw_alloc_array(NULL, BUCKETS_FIRST, sizeof(tw_kept_session *));
  if (cache->buckets == NULL) {
    tw_alloc_free(NULL, cache);
    return TW_ERR_NO_MEMORY;
  }
  *out = cache;
  return TW_OK;
}

void tw_session_cache_free(tw_session_cache *cache) {
  if (cache == NULL) return;
  for (size_t i = 0; i < cache->bucket_count; i++) {
    tw_kept_session *next;
    for (tw_kept_session *kept = cache->buckets[i]; kept != NULL; kept = next) {
      next = kept->same_bucket;
      wipe(kept);
    }
  }
  tw_alloc_free(NULL, (void *)cache->buckets);
  tw_alloc_free(NULL, cache);
}

size_t tw_session_cache_count(const tw_session_cache *cache) { return cache->count; }

tw_err tw_session_cache_find(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  const tw_session_cache *cache = ctx;
  const tw_kept_session *kept = find(cache, group_id);
  if (kept == NULL) return TW_ERR_NO_SESSION;
  TW_TRY(tw_buf_append(saved, tw_buf_bytes(&kept->saved)));
  *found = (tw_channel_found){.version = kept->version, .in_use = kept->holder != NULL};
  return TW_OK;
}

static tw_err add(tw_session_cache *cache, tw_bytes id, tw_kept_session **out) {
  tw_kept_session *kept = tw_alloc_zero(NULL, sizeof *kept);
  if (kept == NULL) return TW_ERR_NO_MEMORY;
  if (tw_buf_append(&kept->id, id) != TW_OK) {
    wipe(kept);
    return TW_ERR_NO_MEMORY;
  }
  grow(cache);
  put_in_bucket(cache, kept);
  link_idle(cache, kept);
  cache->count++;
  *out = kept;
  return TW_OK;
}

/* In as much memory as it takes: a buffer that has grown takes up to half as much again, as long as the session lives.
 */
static tw_err save_exactly(const tw_channel *channel, tw_buf *out) {
  tw_buf saved = {0};
  tw_err err = tw_channel_save(channel, &saved);
  if (err == TW_OK) err = tw_buf_append(out, tw_buf_bytes(&saved));
  tw_buf_clear(&saved);
  return err;
}

tw_err tw_session_cache_save(tw_session_cache *cache, const tw_channel *channel, void *holder, tw_kept_session **kept,
                             void **former) {
  const tw_bytes id = tw_group_id(tw_channel_group(channel));
  const uint64_t version = tw_channel_version(channel);
  tw_buf saved = {0};
  *former = NULL;
  tw_kept_session *found = find(cache, id);
  if (found != NULL ? found->version != version : version != 0) return TW_ERR_APART;
  tw_err err = save_exactly(channel, &saved);
  if (err == TW_OK && found == NULL) err = add(cache, id, &found);
  if (err != TW_OK || found == NULL) {
    tw_buf_clear(&saved);
    return err;
  }
  tw_buf_clear(&found->saved);
  found->saved = saved;
  found->version++;
  if (found->holder == NULL) unlink_idle(cache, found);
  if (found->holder != holder) *former = found->holder;
  found->holder = holder;
  *kept = found;
  return TW_OK;
}

void tw_session_cache_release(tw_session_cache *cache, tw_kept_session **kept) {
  if (*kept == NULL) return;
  link_idle(cache, *kept);
  *kept = NULL;
  while (cache->idle_count > cache->most && cache->oldest != NULL) forget_oldest(cache);
}
