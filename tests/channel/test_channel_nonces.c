/* No record key seals two records under one nonce, whatever happens in whatever order. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

/* A type here, and a function in mls.h: the two headers do not meet anywhere else. */
#define tw_group_id tw_provider_group_id
#include "crypto/provider.h"
#undef tw_group_id

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"

/* ---- a provider that takes notes ---- */

enum { USES_MAX = 100000, KEYS_MAX = 64 };

/* A key and nonce that sealed something. */
typedef struct nonce_use {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
} nonce_use;

static const tw_provider_ops *real;
static tw_provider_ops noting;
static nonce_use uses[USES_MAX];
static size_t use_count;
static struct {
  const tw_aead_key *handle;
  uint8_t raw[TW_AEAD_KEY_MAX];
} keys[KEYS_MAX];
static size_t keys_made;

static tw_err note_new(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                       tw_aead_key **out) {
  TW_TRY(real->aead_key_new(provider, alloc, aead, key, out));
  (*out)->ops = &noting;
  for (size_t i = 0; i < KEYS_MAX; i++) {
    if (keys[i].handle != NULL) continue;
    keys[i].handle = *out;
    memset(keys[i].raw, 0, sizeof keys[i].raw);
    memcpy(keys[i].raw, key.ptr, key.len);
    keys_made++;
    return TW_OK;
  }
  fail_msg("more keys at once than a test has");
  return TW_ERR_INTERNAL;
}

static size_t find_key(const tw_aead_key *key) {
  for (size_t i = 0; i < KEYS_MAX; i++) {
    if (keys[i].handle == key) return i;
  }
  fail_msg("a key that was not made here");
  return 0;
}

static void note_free(tw_aead_key *key) {
  keys[find_key(key)].handle = NULL;
  real->aead_key_free(key);
}

static tw_err note_seal(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  assert_true(use_count < USES_MAX);
  nonce_use *use = &uses[use_count++];
  memcpy(use->key, keys[find_key(key)].raw, sizeof use->key);
  memcpy(use->nonce, nonce, sizeof use->nonce);
  return real->aead_key_seal(key, nonce, aad, plaintext, out);
}

static int by_bytes(const void *left, const void *right) { return memcmp(left, right, sizeof(nonce_use)); }

static void assert_all_differ(void) {
  qsort(uses, use_count, sizeof uses[0], by_bytes);
  for (size_t i = 1; i < use_count; i++) assert_int_not_equal(by_bytes(&uses[i - 1], &uses[i]), 0);
}

/* ---- what happens ---- */

static tw_test_wire wire;
static uint8_t pattern[20000];
static uint64_t random_state;

static size_t pick(size_t below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(random_state >> 33) % below;
}

static void begin(unsigned schedule) {
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  tw_provider *provider = wire.test.env.provider;
  real = provider->ops;
  noting = *real;
  noting.aead_key_new = note_new;
  noting.aead_key_free = note_free;
  noting.aead_key_seal = note_seal;
  provider->ops = &noting;
  random_state = schedule;
  use_count = keys_made = 0;
  wire.alice.options.rekey_after_ms = wire.bob.options.rekey_after_ms = 5000;
  wire.bob.options.padding_block = 256;
}

static void clear(void) {
  tw_test_wire_clear(&wire);
  for (size_t i = 0; i < KEYS_MAX; i++) assert_null(keys[i].handle);
}

static void act(tw_test_side *side, tw_test_side *other) {
  size_t taken;
  switch (pick(16)) {
  case 0:
  case 1:
  case 2: (void)!tw_channel_write(side->channel, TW_BYTES(pattern, pick(sizeof pattern)), &taken); break;
  case 3:
  case 4:
  case 5: (void)!tw_channel_rekey(side->channel, wire.now_ms); break;
  case 6: (void)!tw_channel_tick(side->channel, wire.now_ms += pick(3000)); break;
  case 7: side->stalled = !side->stalled; break;
  case 8:
    if (pick(12) == 0) (void)!tw_channel_close(side->channel);
    break;
  default: (void)tw_test_wire_move(&wire, side, other, 1 + pick(30000)); break;
  }
  side->event_count = other->event_count = 0;
  side->received.len = other->received.len = 0;
}

static void nonces_are_never_used_twice(void **state) {
  (void)state;
  const unsigned schedules = tw_test_rounds(40, 8);
  size_t epochs = 0, ties = 0;
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    begin(schedule);
    tw_test_wire_establish(&wire);
    for (unsigned step = 0; step < 200; step++) {
      const bool alices = pick(2) == 0;
      act(alices ? &wire.alice : &wire.bob, alices ? &wire.bob : &wire.alice);
    }
    tw_channel_status status;
    tw_channel_get_status(wire.alice.channel, &status);
    epochs += status.pair.epoch;
    ties += status.pair.ties;
    /* Last words count, too. */
    tw_channel_abort(wire.alice.channel, TW_ERR_INTERNAL);
    tw_channel_abort(wire.bob.channel, TW_ERR_INTERNAL);
    assert_all_differ();
    clear();
  }
  /* It did come to that. */
  assert_true(epochs > 2 * schedules);
  assert_true(ties > schedules / 4);
}

/* Both directions and all epochs have keys of their own; a key that was replaced is gone. */
static void keys_are_never_used_twice(void **state) {
  (void)state;
  begin(1);
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 20; i++) {
    tw_test_side *side = i % 2 == 0 ? &wire.alice : &wire.bob;
    assert_int_equal(tw_channel_rekey(side->channel, wire.now_ms), TW_OK);
    tw_test_wire_run(&wire, SIZE_MAX);
    side->event_count = 0;
    wire.alice.event_count = wire.bob.event_count = 0;
    size_t held = 0;
    for (size_t k = 0; k < KEYS_MAX; k++) held += keys[k].handle != NULL;
    assert_int_equal(held, 4);
    assert_memory_not_equal(wire.alice.channel->send.iv, wire.alice.channel->receive.iv, TW_AEAD_NONCE);
  }
  assert_int_equal(keys_made, 4 * 21);
  clear();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nonces_are_never_used_twice),
      cmocka_unit_test(keys_are_never_used_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
