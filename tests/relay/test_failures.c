/* Memory that runs out, and who is watched by whom. SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_kit.h"
#include "relay/watch.h"

#define GROUP TW_LITERAL("group id")

static void opening_fails_cleanly_without_memory(void **state) {
  (void)state;
  relay_kit *k = relay_new(true, 1);
  relay_close(k);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&k->at.test, n);
    tw_err err = relay_try_store(k);
    if (err == TW_OK) err = relay_try_delivery(k);
    if (!k->at.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    relay_close(k);
  }
  tw_test_fail_alloc(&k->at.test, 0);
  relay_free(k);
}

/* Every allocation of a request fails once: it is answered by `busy`, or not asked; asked again it is done. */
static void fails_then_works(relay_kit *k, unsigned peer, const tw_control_request *request) {
  for (size_t n = 1;; n++) {
    relay_reopen(k); /* without any buffers */
    tw_test_fail_alloc(&k->at.test, n);
    k->failed = TW_OK;
    const tw_err err = tw_delivery_ask(k->delivery, &k->peers[peer], 1, request, k->now_ms);
    const bool failed = k->at.test.alloc_failed;
    tw_test_fail_alloc(&k->at.test, 0);
    assert_int_equal(relay_flush(k), TW_OK);
    if (err == TW_OK) {
      assert_int_equal(k->answer_count, 1);
      assert_int_equal(k->answers[0].answer.status, failed ? TW_CONTROL_BUSY : TW_CONTROL_DONE);
      assert_int_equal(k->failed, failed ? TW_ERR_NO_MEMORY : TW_OK);
    } else {
      assert_int_equal(err, TW_ERR_NO_MEMORY);
      assert_int_equal(k->answer_count, 0);
    }
    if (!failed) return;
  }
}

static void requests_without_memory_do_nothing(void **state) {
  relay_kit *k = *state;
  static const char *const texts[] = {"a", "b"};
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  tw_control_request request = RELAY_REQUEST(
      TW_CONTROL_PUBLISH, .publish = {.pool = TW_CONTROL_POOL_NETWORK, .key_packages = relay_packages(k, texts, 2)});
  fails_then_works(k, 0, &request);
  request = RELAY_REQUEST(TW_CONTROL_TAKE, .take = {.owner = relay_id(0), .pool = TW_CONTROL_POOL_NETWORK});
  fails_then_works(k, 1, &request);
  request = RELAY_REQUEST(TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_NETWORK);
  assert_int_equal(relay_do(k, 0, &request)->body.stock, 1); /* the failed ones took none */
  request = relay_send_of(1, TW_LITERAL("text"));
  fails_then_works(k, 0, &request);
  request = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.most = 9});
  fails_then_works(k, 1, &request);
  tw_reader walk = tw_reader_of(k->answers[0].answer.body.fetch.entries);
  tw_control_entry entry;
  assert_true(tw_control_entry_next(&walk, &entry));
  assert_int_equal(entry.number, RELAY_BASE + 1);
  assert_int_equal(tw_reader_end(&walk), TW_OK); /* sent once */
  request = relay_open_of(k, "net", GROUP, 0, relay_ids(k, 0, 1, -1));
  fails_then_works(k, 0, &request);
  request = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  fails_then_works(k, 2, &request);
  request = relay_commit_of(k, GROUP, 0, "c", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.welcomes = relay_welcome_to(k, 2, "w");
  fails_then_works(k, 0, &request);
  request = relay_commit_of(k, GROUP, 0, "late", relay_ids(k, 0, 1, -1));
  for (size_t n = 1;; n++) { /* TAKEN takes memory too */
    relay_reopen(k);
    tw_test_fail_alloc(&k->at.test, n);
    const tw_err err = tw_delivery_ask(k->delivery, &k->peers[1], 1, &request, k->now_ms);
    const bool failed = k->at.test.alloc_failed;
    tw_test_fail_alloc(&k->at.test, 0);
    assert_int_equal(relay_flush(k), TW_OK);
    if (err == TW_OK) assert_int_equal(k->answers[0].answer.status, failed ? TW_CONTROL_BUSY : TW_CONTROL_TAKEN);
    if (!failed) break;
  }
  request = RELAY_REQUEST(
      TW_CONTROL_GROUP_SEND,
      .group_send = {.group_id = GROUP, .message = relay_private(k, GROUP, 1, TW_CONTENT_APPLICATION, "m")});
  fails_then_works(k, 0, &request);
  request = RELAY_REQUEST(TW_CONTROL_LOCATE, .locate = relay_ids(k, 0, 1, 9, -1));
  fails_then_works(k, 2, &request);
}

static unsigned watchers_of(const tw_watches *w, uint32_t watched) {
  uint32_t at = 0;
  unsigned count = 0;
  while (tw_watches_next(w, watched, &at) != 0) count++;
  return count;
}

static void watches_come_and_go_in_any_order(void **state) {
  (void)state;
  enum { PEERS = 30 };
  tw_test_env test;
  tw_test_env_init(&test, 5);
  tw_watches w = {.alloc = &test.alloc};
  static bool model[PEERS][PEERS];
  uint64_t dice = 3;
  memset(model, 0, sizeof model);
  tw_watches_drop(&w, 5);
  for (unsigned i = 0; i < 5000; i++) {
    dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    const uint32_t a = (uint32_t)(dice >> 33) % PEERS;
    const uint32_t b = (uint32_t)(dice >> 43) % PEERS;
    bool fits;
    if ((dice >> 60) == 0) {
      tw_watches_drop(&w, a + 1);
      memset(model[a], 0, sizeof model[a]);
      continue;
    }
    unsigned has = 0;
    for (unsigned n = 0; n < PEERS; n++) has += model[a][n];
    assert_int_equal(tw_watches_add(&w, a + 1, b + 1, 20, &fits), TW_OK);
    assert_int_equal(fits, model[a][b] || has < 20);
    model[a][b] = model[a][b] || fits;
    unsigned watchers = 0;
    for (unsigned n = 0; n < PEERS; n++) watchers += model[n][b];
    assert_int_equal(watchers_of(&w, b + 1), watchers);
  }
  for (uint32_t a = 1; a <= PEERS; a++) tw_watches_drop(&w, a);
  assert_int_equal(w.count, 0);
  tw_watches_clear(&w);
  for (size_t n = 1; n <= 3; n++) {
    bool fits;
    tw_test_fail_alloc(&test, n);
    assert_int_equal(tw_watches_add(&w, 1, 2, 9, &fits), TW_ERR_NO_MEMORY);
    assert_int_equal(watchers_of(&w, 2), 0);
  }
  tw_test_fail_alloc(&test, 0);
  tw_watches_clear(&w);
  tw_test_env_clear(&test);
}

/* Who watches chooses whom, and a client its id, as far as it cares to look for one. */
static void chosen_ids_do_not_share_a_place(void **state) {
  (void)state;
  enum { WATCHERS = 16, EACH = 1024, SHARED = 40 };
  tw_test_env test;
  tw_test_env_init(&test, 5);
  tw_watches w = {.alloc = &test.alloc, .seed = {UINT64_C(0x123456789abcdef0), UINT64_C(0xfedcba987654321)}};
  bool fits;
  for (uint32_t watcher = 1; watcher <= WATCHERS; watcher++)
    for (uint32_t i = 0; i < EACH; i++)
      assert_int_equal(tw_watches_add(&w, watcher, (watcher * EACH + i) << 14, EACH, &fits), TW_OK);
  for (uint32_t place = 0; place < w.capacity; place++) {
    unsigned length = 0;
    for (uint32_t at = w.heads[1][place]; at != 0; at = w.pairs[at - 1].next[1]) length++;
    assert_in_range(length, 0, SHARED);
  }
  for (uint32_t watcher = 1; watcher <= WATCHERS; watcher++) tw_watches_drop(&w, watcher);
  assert_int_equal(w.count, 0);
  tw_watches_clear(&w);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opening_fails_cleanly_without_memory),
      RELAY_BOTH(requests_without_memory_do_nothing),
      cmocka_unit_test(chosen_ids_do_not_share_a_place),
      cmocka_unit_test(watches_come_and_go_in_any_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
