/* Who asked where whom is. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_WATCH_H
#define TW_RELAY_WATCH_H

#include <treewire/env.h>

/**
 * Pairs of numbers, who watches and whom, found by either. 32 bytes each, nothing for clients in no pair. Others choose
 * whom they watch, and know neither `seed` nor, so, which pairs share a place; one goes without looking for it, however
 * many watch the same client. Zero-initialise with `alloc` and a random `seed`.
 */
typedef struct tw_watch_pair {
  uint32_t watcher; /* 0: free */
  uint32_t watched;
  uint32_t next[2];     /* by watcher, by watched: an index + 1; free ones by the first */
  uint32_t previous[2]; /* likewise; 0: the head is before it */
} tw_watch_pair;

typedef struct tw_watches {
  const tw_alloc *alloc;
  uint64_t seed[2];
  tw_watch_pair *pairs;
  uint32_t *heads[2]; /* of chains; `capacity` each */
  uint32_t capacity;  /* a power of two */
  uint32_t count;
  uint32_t free;
} tw_watches;

/** Once is enough. `*fits` false: the watcher has `most` already. TW_ERR_NO_MEMORY: as before. */
TW_MUST_USE tw_err tw_watches_add(tw_watches *watches, uint32_t watcher, uint32_t watched, uint32_t most, bool *fits);
/** All pairs of a watcher. */
void tw_watches_drop(tw_watches *watches, uint32_t watcher);
/** The next one who watches; `*at` is 0 at first. 0: no more. Nothing may be added or dropped in between. */
uint32_t tw_watches_next(const tw_watches *watches, uint32_t watched, uint32_t *at);
void tw_watches_clear(tw_watches *watches);

#endif
