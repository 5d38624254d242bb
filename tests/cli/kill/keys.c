/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "tw_cmocka.h"

/* Open addressing; grown at half. Name: a key, or a key with a nonce. */
typedef struct slot {
  uint64_t name;
  uint64_t value;
} slot;

struct kill_keys {
  slot *slots;
  size_t room;
  size_t used;
  uint64_t seals;
  uint64_t keys;
};

/* Out of the children's memory: they are made often. */
static slot *make_slots(size_t room) {
  slot *slots = mmap(NULL, room * sizeof(slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(slots != MAP_FAILED);
  assert_int_equal(madvise(slots, room * sizeof(slot), MADV_DONTFORK), 0);
  return slots;
}

static slot *find(slot *slots, size_t room, uint64_t name) {
  size_t at = (size_t)(name ^ name >> 32) & (room - 1);
  while (slots[at].name != 0 && slots[at].name != name) at = (at + 1) & (room - 1);
  return &slots[at];
}

static void grow(kill_keys *keys) {
  const size_t room = 2 * keys->room;
  slot *grown = make_slots(room);
  for (size_t i = 0; i < keys->room; i++)
    if (keys->slots[i].name != 0) *find(grown, room, keys->slots[i].name) = keys->slots[i];
  assert_int_equal(munmap(keys->slots, keys->room * sizeof(slot)), 0);
  keys->slots = grown;
  keys->room = room;
}

kill_keys *kill_keys_new(void) {
  kill_keys *keys = calloc(1, sizeof *keys);
  assert_non_null(keys);
  keys->room = 1 << 16;
  keys->slots = make_slots(keys->room);
  return keys;
}

void kill_keys_free(kill_keys *keys) {
  (void)munmap(keys->slots, keys->room * sizeof(slot));
  free(keys);
}

/* True when the name is new; else its value has to be this one. */
static bool put(kill_keys *keys, uint64_t name, uint64_t value, const char *what) {
  if (2 * keys->used >= keys->room) grow(keys);
  slot *at = find(keys->slots, keys->room, name);
  if (at->name == name) {
    if (at->value != value) fail_msg("%s", what);
    return false;
  }
  *at = (slot){name, value};
  keys->used++;
  return true;
}

void kill_keys_take(kill_keys *keys, kill_shared *shared, bool dead) {
  const uint32_t begun = atomic_load(&shared->seals);
  while (shared->done != begun) {
    kill_seal *seal = &shared->seal[shared->done % SEALS];
    const bool ready = atomic_load(&seal->ready);
    if (!ready && !dead) return;
    shared->done++;
    if (!ready) continue;
    keys->seals++;
    if (seal->record && put(keys, seal->key, seal->stream, "a key was used for two streams")) keys->keys++;
    (void)put(keys, seal->key * 31 + seal->nonce, seal->plaintext, "a nonce was used for two plaintexts");
    atomic_store(&seal->ready, false);
  }
}

uint64_t kill_keys_seals(const kill_keys *keys) { return keys->seals; }
uint64_t kill_keys_count(const kill_keys *keys) { return keys->keys; }
