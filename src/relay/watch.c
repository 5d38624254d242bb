/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/watch.h"

#include "base/alloc.h"

enum { BY_WATCHER, BY_WATCHED, WAYS, FIRST = 64, MOST = 1 << 28 };

static uint32_t key_of(const tw_watch_pair *pair, int way) { return way == BY_WATCHER ? pair->watcher : pair->watched; }

/* By multiplication with a random odd number, whose high bits count: keys that are not the same seldom share a place
 * (Dietzfelbinger and others, 1997). */
static uint32_t *head_of(const tw_watches *w, int way, uint32_t key) {
  const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15) ^ w->seed[way] << 1;
  const uint64_t mixed = odd * ((uint64_t)key + 1);
  return &w->heads[way][(mixed >> 32) & (w->capacity - 1)];
}

static void link_pair(tw_watches *w, uint32_t index) {
  tw_watch_pair *pair = &w->pairs[index];
  for (int way = 0; way < WAYS; way++) {
    uint32_t *head = head_of(w, way, key_of(pair, way));
    pair->next[way] = *head;
    pair->previous[way] = 0;
    if (*head != 0) w->pairs[*head - 1].previous[way] = index + 1;
    *head = index + 1;
  }
}

static void unlink_pair(tw_watches *w, uint32_t index) {
  const tw_watch_pair *pair = &w->pairs[index];
  for (int way = 0; way < WAYS; way++) {
    const uint32_t next = pair->next[way];
    const uint32_t previous = pair->previous[way];
    *(previous != 0 ? &w->pairs[previous - 1].next[way] : head_of(w, way, key_of(pair, way))) = next;
    if (next != 0) w->pairs[next - 1].previous[way] = previous;
  }
}

static tw_err grow(tw_watches *w) {
  const uint32_t capacity = w->capacity == 0 ? FIRST : 2 * w->capacity;
  if (capacity > MOST) return TW_ERR_LIMIT;
  uint32_t *heads[WAYS] = {NULL, NULL};
  for (int way = 0; way < WAYS; way++) heads[way] = tw_alloc_array(w->alloc, capacity, sizeof *heads[way]);
  tw_watch_pair *pairs = NULL;
  if (heads[0] != NULL && heads[1] != NULL) pairs = tw_alloc_resize_array(w->alloc, w->pairs, capacity, sizeof *pairs);
  for (int way = 0; way < WAYS; way++) {
    tw_alloc_free(w->alloc, pairs == NULL ? heads[way] : w->heads[way]);
    if (pairs != NULL) w->heads[way] = heads[way];
  }
  if (pairs == NULL) return TW_ERR_NO_MEMORY;
  w->pairs = pairs;
  const uint32_t used = w->capacity; /* all of it */
  w->capacity = capacity;
  for (uint32_t i = 0; i < used; i++) link_pair(w, i);
  for (uint32_t i = capacity; i > used; i--) {
    w->pairs[i - 1] = (tw_watch_pair){.next = {w->free, 0}};
    w->free = i;
  }
  return TW_OK;
}

tw_err tw_watches_add(tw_watches *w, uint32_t watcher, uint32_t watched, uint32_t most, bool *fits) {
  uint32_t count = 0;
  *fits = true;
  for (uint32_t at = w->capacity == 0 ? 0 : *head_of(w, BY_WATCHER, watcher); at != 0;) {
    const tw_watch_pair *pair = &w->pairs[at - 1];
    if (pair->watcher == watcher && pair->watched == watched) return TW_OK;
    count += pair->watcher == watcher;
    at = pair->next[BY_WATCHER];
  }
  *fits = count < most;
  if (!*fits) return TW_OK;
  if (w->free == 0) TW_TRY(grow(w));
  const uint32_t index = w->free - 1;
  w->free = w->pairs[index].next[BY_WATCHER];
  w->pairs[index] = (tw_watch_pair){.watcher = watcher, .watched = watched};
  link_pair(w, index);
  w->count++;
  return TW_OK;
}

void tw_watches_drop(tw_watches *w, uint32_t watcher) {
  if (w->capacity == 0) return;
  for (uint32_t at = *head_of(w, BY_WATCHER, watcher); at != 0;) {
    const uint32_t index = at - 1;
    at = w->pairs[index].next[BY_WATCHER];
    if (w->pairs[index].watcher != watcher) continue;
    unlink_pair(w, index);
    w->pairs[index] = (tw_watch_pair){.next = {w->free, 0}};
    w->free = index + 1;
    w->count--;
  }
}

uint32_t tw_watches_next(const tw_watches *w, uint32_t watched, uint32_t *at) {
  if (w->capacity == 0) return 0;
  *at = *at == 0 ? *head_of(w, BY_WATCHED, watched) : w->pairs[*at - 1].next[BY_WATCHED];
  while (*at != 0 && w->pairs[*at - 1].watched != watched) *at = w->pairs[*at - 1].next[BY_WATCHED];
  return *at == 0 ? 0 : w->pairs[*at - 1].watcher;
}

void tw_watches_clear(tw_watches *w) {
  tw_alloc_free(w->alloc, w->pairs);
  for (int way = 0; way < WAYS; way++) tw_alloc_free(w->alloc, w->heads[way]);
  *w = (tw_watches){.alloc = w->alloc, .seed = {w->seed[0], w->seed[1]}};
}
