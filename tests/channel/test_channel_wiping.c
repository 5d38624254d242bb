/* What a channel's keys were made of is nowhere in its memory once they are replaced. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "channel/channel_internal.h"
#include "crypto/provider.h"
#include "support/tw_test_wire.h"

/* ---- memory that is never used again, so that what was left in it can be found ---- */

enum { ARENA = 32 * 1024 * 1024, BLOCK_HEAD = 16 };
static uint8_t *arena;
static size_t arena_used;

static tw_alloc usual; /* of what was there before */

static void *arena_resize(void *ctx, void *ptr, size_t size) {
  const bool is_ours = ptr != NULL && (uint8_t *)ptr > arena && (uint8_t *)ptr < arena + ARENA;
  if (ptr != NULL && !is_ours) return usual.resize(ctx, ptr, size);
  if (size == 0) return NULL;
  const size_t whole = (size + BLOCK_HEAD + 15) / 16 * 16;
  assert_true(arena_used + whole <= ARENA);
  uint8_t *block = arena + arena_used;
  arena_used += whole;
  memcpy(block, &size, sizeof size);
  if (ptr != NULL) {
    size_t before;
    memcpy(&before, (uint8_t *)ptr - BLOCK_HEAD, sizeof before);
    memcpy(block + BLOCK_HEAD, ptr, before < size ? before : size);
  }
  return block + BLOCK_HEAD;
}

static bool is_in_arena(const uint8_t *secret, size_t len) {
  for (size_t i = 0; i + len <= arena_used; i++) {
    if (arena[i] == secret[0] && memcmp(arena + i, secret, len) == 0) return true;
  }
  return false;
}

/* ---- a provider that notes secrets ---- */

enum { SECRETS_MAX = 512, SECRET_LEN = 16 /* of each: enough to know it by */ };
static const tw_provider_ops *real;
static tw_provider_ops noting;
static uint8_t secrets[SECRETS_MAX][SECRET_LEN];
static const char *kinds[SECRETS_MAX];
static size_t secret_count;

static void note(const char *kind, const uint8_t *secret) {
  assert_true(secret_count < SECRETS_MAX);
  kinds[secret_count] = kind;
  memcpy(secrets[secret_count++], secret, SECRET_LEN);
}

static tw_err note_key(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                       tw_aead_key **out) {
  note("traffic key", key.ptr);
  return real->aead_key_new(provider, alloc, aead, key, out);
}

static tw_err note_seal(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                        tw_bytes plaintext, uint8_t *out) {
  note("key for one message", key.ptr);
  return real->aead_seal(provider, aead, key, nonce, aad, plaintext, out);
}

static tw_err note_dh(tw_provider *provider, tw_dh_group group, tw_bytes scalar, uint8_t *public_key, bool know_public,
                      tw_bytes peer, uint8_t *shared) {
  const tw_err err = real->dh(provider, group, scalar, public_key, know_public, peer, shared);
  note("scalar", scalar.ptr);
  if (err == TW_OK) note("shared secret", shared);
  return err;
}

static tw_err note_decap(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, tw_bytes output, uint8_t *shared) {
  const tw_err err = real->mlkem_decap(provider, id, seed, output, shared);
  note("seed", seed.ptr);
  if (err == TW_OK) note("shared secret", shared);
  return err;
}

/* ---- */

static tw_test_wire wire;

static void begin(const char *suite) {
  arena = calloc(1, ARENA);
  assert_non_null(arena);
  arena_used = secret_count = 0;
  tw_test_wire_init(&wire, tw_suite_by_name(suite));
  usual = wire.test.alloc;
  wire.test.alloc.resize = arena_resize;
  tw_provider *provider = wire.test.env.provider;
  real = provider->ops;
  noting = *real;
  noting.aead_key_new = note_key;
  noting.aead_seal = note_seal;
  noting.dh = note_dh;
  noting.mlkem_decap = note_decap;
  provider->ops = &noting;
}

static void end(void) {
  tw_test_wire_clear(&wire);
  free(arena);
}

static void assert_gone(size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    if (is_in_arena(secrets[i], SECRET_LEN)) fail_msg("%s %zu of %zu is still there", kinds[i], i, secret_count);
  }
}

static void renew(tw_test_side *side) {
  size_t taken;
  assert_int_equal(tw_channel_rekey(side->channel, wire.now_ms), TW_OK);
  assert_int_equal(tw_channel_write(side->channel, TW_LITERAL("data"), &taken), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  wire.alice.event_count = wire.bob.event_count = 0;
}

static void check_suite(const char *suite, bool keys_are_stored) {
  begin(suite);
  tw_test_wire_establish(&wire);
  renew(&wire.alice);
  const size_t first = secret_count;
  size_t there = 0;
  for (size_t i = 0; i < first; i++) there += is_in_arena(secrets[i], SECRET_LEN);
  /* Bob's leaf key, in force still: what is there can be found. (Hybrids store a seed, and expand it for each use.) */
  assert_true(there > 0 || !keys_are_stored);
  renew(&wire.bob);
  renew(&wire.alice);
  renew(&wire.bob);
  assert_gone(0, first);
  assert_int_equal(tw_channel_close(wire.alice.channel), TW_OK);
  assert_int_equal(tw_channel_close(wire.bob.channel), TW_OK);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_gone(0, secret_count);
  end();
}

static void replaced_secrets_are_wiped(void **state) {
  (void)state;
  check_suite("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", true);
  check_suite("MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519", false);
  check_suite("MLS_128_MLKEM768P256_AES128GCM_SHA256_P256", false);
}

/* Also those of an update that lost a tie, and of channels that end in the middle of something. */
static void dropped_secrets_are_wiped(void **state) {
  (void)state;
  for (unsigned at = 0; at < 4; at++) {
    begin("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519");
    tw_test_wire_establish(&wire);
    assert_int_equal(tw_channel_rekey(wire.alice.channel, wire.now_ms), TW_OK);
    assert_int_equal(tw_channel_rekey(wire.bob.channel, wire.now_ms), TW_OK);
    for (unsigned i = 0; i < at; i++) {
      (void)tw_test_wire_move(&wire, i % 2 == 0 ? &wire.alice : &wire.bob, i % 2 == 0 ? &wire.bob : &wire.alice,
                              SIZE_MAX);
    }
    tw_channel_abort(wire.alice.channel, TW_ERR_INTERNAL);
    tw_channel_abort(wire.bob.channel, TW_ERR_INTERNAL);
    assert_gone(0, secret_count);
    end();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(replaced_secrets_are_wiped),
      cmocka_unit_test(dropped_secrets_are_wiped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
