/* Sessions in memory: found as they were saved last, by one holder at a time, and no more than wanted. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <string.h>

#include "net/session_cache.h"
#include "net/wire.h"
#include "support/tw_test_party.h"

/* Two channels with everything between them moved at once. */
typedef struct ends {
  tw_channel *connecting;
  tw_channel *waiting;
} ends;

typedef struct world {
  tw_test_env test;
  tw_test_party node;
  tw_test_party relay;
  tw_session_cache *cache;
} world;

static void world_init(world *w, size_t most) {
  tw_test_env_init(&w->test, 1);
  tw_test_party_init(&w->node, &w->test, tw_suite_at(0), "node");
  tw_test_party_init(&w->relay, &w->test, tw_suite_at(0), "relay");
  assert_int_equal(tw_session_cache_new(most, &w->cache), TW_OK);
}

static void world_clear(world *w) {
  tw_session_cache_free(w->cache);
  tw_test_party_clear(&w->node);
  tw_test_party_clear(&w->relay);
  tw_test_env_clear(&w->test);
}

/* `from`'s output to `to`; false when there was none. */
static bool move(tw_channel *from, tw_channel *to) {
  const tw_bytes output = tw_channel_output(from);
  size_t taken = 0;
  if (output.len == 0) return false;
  assert_int_equal(tw_channel_input(to, output, TW_TEST_NOW_MS, &taken), TW_OK);
  tw_channel_output_sent(from, taken);
  return true;
}

/* Until nothing moves; the node saves in thin air, the relay in the cache for `holder`. */
static void settle(world *w, ends *e, void *holder, tw_kept_session **kept, void **former, tw_err expected) {
  bool moved = true;
  while (moved) {
    if (tw_channel_unsaved(e->connecting)) assert_int_equal(tw_channel_saved(e->connecting), TW_OK);
    if (tw_channel_unsaved(e->waiting)) {
      assert_int_equal(tw_session_cache_save(w->cache, e->waiting, holder, kept, former), expected);
      if (expected != TW_OK) return;
      assert_int_equal(tw_channel_saved(e->waiting), TW_OK);
    }
    moved = move(e->connecting, e->waiting);
    moved = move(e->waiting, e->connecting) || moved;
  }
}

static void open_ends(world *w, ends *e, tw_bytes resume, uint64_t version) {
  const tw_channel_config node = {
      .clients = w->node.clients, .client_count = 1, .durable = true, .resume = resume, .resume_version = version};
  const tw_channel_config relay = {.clients = w->relay.clients,
                                   .client_count = 1,
                                   .durable = true,
                                   .session = tw_session_cache_find,
                                   .session_ctx = w->cache};
  assert_int_equal(tw_channel_connect(&node, TW_TEST_NOW_MS, &e->connecting), TW_OK);
  assert_int_equal(tw_channel_accept(&relay, TW_TEST_NOW_MS, &e->waiting), TW_OK);
}

static void close_ends(ends *e) {
  tw_channel_free(e->connecting);
  tw_channel_free(e->waiting);
}

static void a_session_goes_on_and_its_former_holder_is_told(void **state) {
  (void)state;
  world w;
  world_init(&w, 10);
  int first = 0;
  int second = 0;
  void *former = NULL;
  tw_kept_session *kept = NULL;
  tw_kept_session *kept_next = NULL;
  ends e;
  ends next;
  open_ends(&w, &e, TW_NO_BYTES, 0);
  settle(&w, &e, &first, &kept, &former, TW_OK);
  assert_null(former);
  assert_non_null(kept);
  assert_int_equal(tw_session_cache_count(w.cache), 1);
  tw_buf saved = {0};
  assert_int_equal(tw_channel_save(e.connecting, &saved), TW_OK);

  open_ends(&w, &next, tw_buf_bytes(&saved), tw_channel_version(e.connecting));
  settle(&w, &next, &second, &kept_next, &former, TW_OK);
  assert_ptr_equal(kept_next, kept);
  tw_channel_status status;
  tw_channel_get_status(next.waiting, &status);
  assert_true(status.established);
  assert_int_equal(status.pair.resumptions, 1);
  tw_buf_clear(&saved);

  /* What the former one wants to save now is old. */
  assert_int_equal(tw_channel_rekey(e.waiting, TW_TEST_NOW_MS), TW_OK);
  assert_true(tw_channel_unsaved(e.waiting));
  assert_int_equal(tw_session_cache_save(w.cache, e.waiting, &first, &kept, &former), TW_ERR_APART);
  close_ends(&next);
  close_ends(&e);
  tw_session_cache_release(w.cache, &kept_next);
  assert_null(kept_next);
  tw_session_cache_release(w.cache, &kept_next);
  world_clear(&w);
}

static void the_oldest_that_nobody_holds_go(void **state) {
  (void)state;
  enum { SESSIONS = 100, MOST = 7 };
  world w;
  world_init(&w, MOST);
  tw_buf ids[SESSIONS] = {{0}};
  tw_kept_session *kept[SESSIONS] = {NULL};
  int holders[SESSIONS];
  void *former = NULL;
  for (size_t i = 0; i < SESSIONS; i++) {
    ends e;
    open_ends(&w, &e, TW_NO_BYTES, 0);
    settle(&w, &e, &holders[i], &kept[i], &former, TW_OK);
    assert_int_equal(tw_buf_append(&ids[i], tw_group_id(tw_channel_group(e.waiting))), TW_OK);
    close_ends(&e);
  }
  assert_int_equal(tw_session_cache_count(w.cache), SESSIONS); /* whoever is held stays */
  for (size_t i = 0; i < SESSIONS; i++) tw_session_cache_release(w.cache, &kept[i]);
  assert_int_equal(tw_session_cache_count(w.cache), MOST);
  for (size_t i = 0; i < SESSIONS; i++) {
    tw_buf saved = {0};
    tw_channel_found found = {0};
    const tw_err err = tw_session_cache_find(w.cache, tw_buf_bytes(&ids[i]), &saved, &found);
    assert_int_equal(err, i < SESSIONS - MOST ? TW_ERR_NO_SESSION : TW_OK);
    if (err == TW_OK) assert_true(found.version > 0 && !found.in_use && saved.len > 0);
    tw_buf_clear(&saved);
    tw_buf_clear(&ids[i]);
  }
  world_clear(&w);
}

static void waits_double_up_to_the_most_with_a_part_left_to_chance(void **state) {
  (void)state;
  bool differ = false;
  const uint64_t once = tw_backoff_ms(1000000, 60000000, 0);
  for (unsigned tries = 0; tries < 100; tries++) {
    const uint64_t most = tries < 6 ? UINT64_C(1000000) << tries : 60000000;
    const uint64_t wait = tw_backoff_ms(1000000, 60000000, tries);
    assert_in_range(wait, most / 2, most);
    differ = differ || tw_backoff_ms(1000000, 60000000, 0) != once;
  }
  assert_true(differ);
  assert_in_range(tw_backoff_ms(10, 5, 3), 2, 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_goes_on_and_its_former_holder_is_told),
      cmocka_unit_test(the_oldest_that_nobody_holds_go),
      cmocka_unit_test(waits_double_up_to_the_most_with_a_part_left_to_chance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
