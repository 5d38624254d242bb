/* SPDX-License-Identifier: Apache-2.0 */
#include "node/strays.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"

/* Both count on, and what is between them is in the ring. Each is written by one thread alone. */
typedef struct ring {
  _Alignas(64) uint64_t put;   /* by who puts in */
  _Alignas(64) uint64_t taken; /* by who takes out */
  _Alignas(64) tw_stray strays[TW_STRAYS_RING];
} ring;

struct tw_strays {
  const tw_alloc *alloc;
  unsigned threads;
  size_t size;
  unsigned *turn; /* for each who takes out: whose ring is looked at */
  void *memory;   /* of the rings */
  ring *rings;    /* from i to k: i * threads + k */
  uint8_t *datagrams;
};

static uint64_t load(const uint64_t *count) { return __atomic_load_n(count, __ATOMIC_ACQUIRE); }
static void store(uint64_t *count, uint64_t value) { /* NOLINT(readability-non-const-parameter): it is written */
  __atomic_store_n(count, value, __ATOMIC_RELEASE);
}

static ring *ring_of(const tw_strays *strays, unsigned by, unsigned to) {
  return &strays->rings[by * strays->threads + to];
}

static size_t all_datagrams(const tw_strays *strays) {
  return (size_t)strays->threads * strays->threads * TW_STRAYS_RING;
}

static void place(tw_strays *strays) {
  uint8_t *at = strays->datagrams;
  strays->rings = (ring *)(((uintptr_t)strays->memory + 63) & ~(uintptr_t)63);
  for (unsigned i = 0; i < strays->threads * strays->threads; i++) {
    for (unsigned k = 0; k < TW_STRAYS_RING; k++, at += strays->size) strays->rings[i].strays[k].datagram = at;
  }
}

tw_err tw_strays_new(const tw_alloc *alloc, unsigned threads, size_t size, tw_strays **out) {
  tw_strays *strays = tw_alloc_zero(alloc, sizeof *strays);
  if (strays == NULL) return TW_ERR_NO_MEMORY;
  *strays = (tw_strays){.alloc = alloc, .threads = threads, .size = size};
  strays->turn = tw_alloc_array(alloc, threads, sizeof *strays->turn);
  strays->memory = tw_alloc_zero(alloc, (size_t)threads * threads * sizeof(ring) + 63);
  strays->datagrams = tw_alloc_room(alloc, all_datagrams(strays), size);
  if (strays->turn == NULL || strays->memory == NULL || strays->datagrams == NULL) {
    tw_strays_free(strays);
    return TW_ERR_NO_MEMORY;
  }
  place(strays);
  *out = strays;
  return TW_OK;
}

void tw_strays_free(tw_strays *strays) {
  if (strays == NULL) return;
  if (strays->datagrams != NULL) tw_wipe(strays->datagrams, all_datagrams(strays) * strays->size);
  tw_alloc_free(strays->alloc, strays->datagrams);
  tw_alloc_free(strays->alloc, strays->memory);
  tw_alloc_free(strays->alloc, strays->turn);
  tw_alloc_free(strays->alloc, strays);
}

bool tw_strays_put(tw_strays *strays, unsigned by, unsigned to, tw_bytes datagram, const tw_udp_address *from,
                   uint8_t tos) {
  ring *r = ring_of(strays, by, to);
  if (datagram.len > strays->size || r->put - load(&r->taken) == TW_STRAYS_RING) return false;
  tw_stray *stray = &r->strays[r->put % TW_STRAYS_RING];
  stray->from = *from;
  stray->tos = tos;
  stray->len = datagram.len;
  if (datagram.len > 0) memcpy(stray->datagram, datagram.ptr, datagram.len);
  store(&r->put, r->put + 1);
  return true;
}

size_t tw_strays_waiting(tw_strays *strays, unsigned to) {
  for (unsigned i = 0; i < strays->threads; i++) {
    strays->turn[to] = (strays->turn[to] + 1) % strays->threads;
    const ring *r = ring_of(strays, strays->turn[to], to);
    const uint64_t waiting = load(&r->put) - r->taken;
    if (waiting > 0) return (size_t)waiting;
  }
  return 0;
}

tw_stray *tw_strays_at(tw_strays *strays, unsigned to, size_t n) {
  ring *r = ring_of(strays, strays->turn[to], to);
  return &r->strays[(r->taken + n) % TW_STRAYS_RING];
}

void tw_strays_done(tw_strays *strays, unsigned to, size_t count) {
  ring *r = ring_of(strays, strays->turn[to], to);
  store(&r->taken, r->taken + count);
}
