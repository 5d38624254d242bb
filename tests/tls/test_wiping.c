/* Secrets of a handshake are nowhere in its memory once they are handed out or it has failed. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "support/tw_test_tls.h"

/* ---- memory that is never used again, so that what was left in it can be found ---- */

enum { ARENA = 4 * 1024 * 1024, BLOCK_HEAD = 16 };
static uint8_t *arena;
static size_t arena_used;
static tw_alloc usual; /* of what was there before */

static void *arena_resize(void *ctx, void *ptr, size_t size) {
  const bool is_ours = ptr != NULL && (uint8_t *)ptr > arena && (uint8_t *)ptr < arena + ARENA;
  (void)ctx;
  if (ptr != NULL && !is_ours) return usual.resize(usual.ctx, ptr, size);
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

static bool is_in_arena(tw_bytes secret) {
  for (size_t i = 0; i + secret.len <= arena_used; i++) {
    if (arena[i] == secret.ptr[0] && memcmp(arena + i, secret.ptr, secret.len) == 0) return true;
  }
  return false;
}

/* ---- two sides that note the secrets they are handed ---- */

static tw_test_tls both;
enum { SECRETS_MAX = 16 };
static tw_secret secrets[SECRETS_MAX];
static size_t secret_count;
static tw_tls_level receive_level[2];

static int setup(void **state) {
  (void)state;
  arena = calloc(1, ARENA);
  assert_non_null(arena);
  arena_used = secret_count = 0;
  receive_level[0] = receive_level[1] = TW_TLS_PLAIN;
  tw_test_tls_init(&both, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  usual = both.test.alloc;
  both.test.alloc = (tw_alloc){NULL, arena_resize};
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_tls_close(&both);
  tw_test_tls_clear(&both);
  free(arena);
  return 0;
}

/* All that one side has to say, to the other; `spoil` flips the last bit of the last message. */
static bool pass(tw_test_tls_side *from, tw_test_tls_side *to, bool spoil, tw_err *err) {
  tw_buf messages[4] = {0};
  size_t count = 0;
  tw_tls_step step;
  while (tw_tls_next_step(from->tls, &step)) {
    if (step.kind == TW_TLS_STEP_RECEIVE_KEY) receive_level[from == &both.bob] = step.level;
    if (step.secret.len > 0) secrets[secret_count++] = step.secret;
    if (step.kind == TW_TLS_STEP_SEND) assert_int_equal(tw_buf_append(&messages[count++], step.message), TW_OK);
  }
  *err = TW_OK;
  for (size_t i = 0; i < count; i++) {
    if (spoil && i + 1 == count) messages[i].ptr[messages[i].len - 1] ^= 1;
    while (i > 0 && tw_tls_next_step(to->tls, &step)) {
      if (step.kind == TW_TLS_STEP_RECEIVE_KEY) receive_level[to == &both.bob] = step.level;
      if (step.secret.len > 0) secrets[secret_count++] = step.secret;
    }
    if (*err == TW_OK) {
      *err = tw_tls_receive(to->tls, receive_level[to == &both.bob], tw_buf_bytes(&messages[i]), true, both.now_ms);
    }
    tw_buf_clear(&messages[i]);
  }
  return count > 0;
}

static void start(void) {
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(both.alice.tls, TW_NO_BYTES), TW_OK);
}

static void nothing_is_left(void) {
  for (size_t i = 0; i < secret_count; i++) assert_false(is_in_arena(tw_secret_bytes(&secrets[i])));
}

static void what_was_handed_out_is_gone(void **state) {
  (void)state;
  tw_err err;
  tw_test_tls_side *alice = &both.alice;
  tw_test_tls_side *bob = &both.bob;
  start();
  while (pass(alice, bob, false, &err) || pass(bob, alice, false, &err)) assert_int_equal(err, TW_OK);
  assert_int_equal(tw_tls_state_of(alice->tls), TW_TLS_DONE);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
  assert_int_equal(secret_count, 8); /* two directions, two levels, two sides */
  nothing_is_left();
  tw_tls_result a, b;
  assert_int_equal(tw_tls_take(alice->tls, &a), TW_OK);
  assert_int_equal(tw_tls_take(bob->tls, &b), TW_OK);
  assert_false(is_in_arena(tw_secret_bytes(&a.exporter)));
  /* The search finds what is there. */
  uint8_t *copy = arena_resize(NULL, NULL, a.exporter.len);
  memcpy(copy, a.exporter.data, a.exporter.len);
  assert_true(is_in_arena(tw_secret_bytes(&b.exporter)));
  tw_pair_free(a.pair);
  tw_pair_free(b.pair);
}

/* Each message that may fail under keys, with the secrets that were there by then. */
static void what_failed_has_nothing_left(void **state) {
  (void)state;
  tw_err err;
  tw_test_tls_side *alice = &both.alice;
  tw_test_tls_side *bob = &both.bob;
  start();
  assert_true(pass(alice, bob, false, &err));
  assert_true(pass(bob, alice, true, &err)); /* the server's Finished */
  assert_int_equal(err, TW_ERR_MAC);
  assert_int_equal(secret_count, 5);
  nothing_is_left();
  tw_test_tls_close(&both);
  secret_count = 0;
  receive_level[0] = receive_level[1] = TW_TLS_PLAIN;
  start();
  assert_true(pass(alice, bob, false, &err));
  assert_true(pass(bob, alice, false, &err));
  assert_int_equal(err, TW_OK);
  assert_true(pass(alice, bob, true, &err)); /* the client's */
  assert_int_equal(err, TW_ERR_MAC);
  assert_int_equal(secret_count, 7);
  nothing_is_left();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_was_handed_out_is_gone, setup, teardown),
      cmocka_unit_test_setup_teardown(what_failed_has_nothing_left, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
