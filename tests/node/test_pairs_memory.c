/* Pairs when memory runs out, and randomness. SPDX-License-Identifier: Apache-2.0 */
/* label: slow */
/* label: moves */
#include "node/pairs_kit.h"

/* All that pairs do in their life. */
static void live_through_everything(void) {
  calm();
  tw_pairs_want(nodes[0].pairs, 1, now_ms);
  calm();
  (void)packet(&nodes[0], &nodes[1]);
  (void)packet(&nodes[1], &nodes[0]);
  tw_pairs_want(nodes[1].pairs, 2, now_ms); /* both at once */
  tw_pairs_want(nodes[2].pairs, 1, now_ms);
  serve(&nodes[1], false);
  serve(&nodes[2], false);
  calm();
  (void)packet(&nodes[1], &nodes[2]);
  (void)packet(&nodes[2], &nodes[1]);
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  calm();
  (void)packet(&nodes[0], &nodes[1]);
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms); /* and again both */
  tw_pairs_rekey(nodes[1].pairs, 0, now_ms);
  calm();
  tw_pairs_resume(nodes[0].pairs, 1, now_ms);
  calm();
  (void)packet(&nodes[1], &nodes[0]);
  (void)packet(&nodes[0], &nodes[1]);
}

/* Each time another one fails; every one with TREEWIRE_STEPS=1. */
static size_t stride(void) {
  const char *wanted = getenv("TREEWIRE_STEPS");
  return wanted != NULL ? strtoul(wanted, NULL, 10) : tw_test_rounds(17, 997);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  for (size_t n = 1;; n += stride()) {
    char what[40];
    (void)snprintf(what, sizeof what, "allocation %u", (unsigned)n);
    begin(1);
    tw_test_fail_alloc(&test, n);
    live_through_everything();
    const bool failed = test.alloc_failed;
    tw_test_fail_alloc(&test, 0);
    pass_time(61000);
    expect_understanding(what);
    end();
    if (!failed) break;
  }
}

static void every_draw_may_fail(void **state) {
  (void)state;
  for (size_t n = 1;; n += stride() > 16 ? stride() / 16 : 1) {
    char what[40];
    (void)snprintf(what, sizeof what, "draw %u", (unsigned)n);
    begin(1);
    tw_test_fail_random(&test, n);
    live_through_everything();
    const bool failed = test.random_failed;
    tw_test_fail_random(&test, 0);
    pass_time(61000);
    expect_understanding(what);
    end();
    if (!failed) break;
  }
}

static void pairs_that_cannot_be_loaded_can_be_later(void **state) {
  (void)state;
  begin(2);
  live_through_everything();
  node *n = &nodes[1];
  for (size_t i = 0; i < VALUES_MAX; i++) {
    for (size_t count = 1; n->store[i].used && n->store[i].kind == TW_STORE_SESSION; count++) {
      bool ours;
      const tw_pairs_config config = {
          .clients = &n->client, .client_count = 1, .self = n->id, .port = &ports[1], .keys = &sinks[1]};
      tw_pairs *pairs = NULL;
      forget(n, 0);
      forget(n, 2);
      assert_int_equal(tw_pairs_new(&config, &pairs), TW_OK);
      assert_int_equal(tw_pairs_add(pairs, 0, &nodes[0].id), TW_OK);
      assert_int_equal(tw_pairs_add(pairs, 2, &nodes[2].id), TW_OK);
      tw_test_fail_alloc(&test, count);
      const tw_err err = tw_pairs_load(pairs, TW_STORE_SESSION, tw_buf_bytes(&n->store[i].id),
                                       tw_buf_bytes(&n->store[i].bytes), now_ms, &ours);
      const bool failed = test.alloc_failed;
      tw_test_fail_alloc(&test, 0);
      assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
      tw_pairs_free(pairs);
      if (!failed) break;
    }
  }
  crash(n);
  pass_time(61000);
  expect_understanding("at last");
  end();
}

static void pairs_that_cannot_be_made_leave_nothing(void **state) {
  (void)state;
  begin(3);
  const tw_pairs_config config = {
      .clients = &nodes[0].client, .client_count = 1, .self = nodes[0].id, .port = &ports[0], .keys = &sinks[0]};
  for (size_t count = 1;; count++) {
    tw_pairs *pairs = NULL;
    tw_test_fail_alloc(&test, count);
    tw_err err = tw_pairs_new(&config, &pairs);
    if (err == TW_OK) err = tw_pairs_add(pairs, 1, &nodes[1].id);
    if (err == TW_OK) err = tw_pairs_add(pairs, 2, &nodes[2].id);
    const bool failed = test.alloc_failed;
    tw_test_fail_alloc(&test, 0);
    assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
    tw_pairs_free(pairs);
    if (!failed) break;
  }
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(every_draw_may_fail),
      cmocka_unit_test(pairs_that_cannot_be_loaded_can_be_later),
      cmocka_unit_test(pairs_that_cannot_be_made_leave_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
