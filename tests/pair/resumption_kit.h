/* Two steady pairs that ask each other to go on, step by step. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_RESUMPTION_KIT_H
#define TW_TESTS_RESUMPTION_KIT_H

#include "pair/pair_kit.h"

static inline int setup_steady(void **state) {
  (void)setup(state);
  tw_test_pair_shake_hands(&t);
  return 0;
}

/* ---- what both sides derive ---- */

static inline void export(const tw_group *group, tw_bytes context, uint8_t out[32]) {
  assert_non_null(group);
  assert_int_equal(tw_group_export(group, TW_LITERAL("traffic"), context, out, 32), TW_OK);
}

static inline void export_traffic(uint8_t of_initiator[32], uint8_t of_responder[32]) {
  export(tw_pair_traffic_group(t.initiator), tw_pair_context(t.initiator), of_initiator);
  export(tw_pair_traffic_group(t.responder), tw_pair_context(t.responder), of_responder);
}

static inline void assert_other_traffic(void) {
  uint8_t of_a[32], of_b[32];
  export_traffic(of_a, of_b);
  assert_memory_not_equal(of_a, of_b, sizeof of_a);
}

static inline void assert_same_traffic(void) {
  uint8_t of_a[32], of_b[32];
  export_traffic(of_a, of_b);
  assert_memory_equal(of_a, of_b, sizeof of_a);
  assert_int_equal(tw_pair_context(t.initiator).len, TW_PAIR_CONTEXT_MAX);
}

/* The keys of early data: the asking side's when it asked, and the answering side's. */
typedef struct early_keys {
  uint8_t of_asker[32];
} early_keys;

/* ---- steps ---- */

static inline tw_buf ask(tw_pair *pair, early_keys *early) {
  tw_buf request = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_resume(pair, TW_TEST_NOW_MS + 60000, &request), TW_OK);
  if (early != NULL) export(tw_pair_early_group(pair), tw_pair_early_context(pair), early->of_asker);
  return request;
}

static inline tw_pair_event answer(tw_pair *pair, tw_buf *request, const early_keys *early) {
  const tw_pair_event event = tw_test_pair_deliver(&t, pair, request);
  if (event.outcome == TW_PAIR_ASKED && event.early_data && early != NULL) {
    uint8_t key[32];
    export(tw_pair_early_group(pair), tw_pair_early_context(pair), key);
    assert_memory_equal(key, early->of_asker, sizeof key);
  }
  return event;
}

static inline void finish(tw_pair *asker, tw_pair *answerer, tw_buf *response) {
  const tw_pair_event event = tw_test_pair_deliver(&t, asker, response);
  assert_int_equal(event.outcome, TW_PAIR_RESUMED);
  assert_int_equal(response->len, 0);
  assert_same_traffic();
  assert_true(tw_pair_confirm(answerer));
  assert_false(tw_pair_confirm(answerer));
  tw_test_pair_same_epoch(&t);
  tw_buf_clear(response);
}

static inline void resume(tw_pair *asker, tw_pair *answerer) {
  early_keys early;
  tw_buf message = ask(asker, &early);
  (void)answer(answerer, &message, &early);
  finish(asker, answerer, &message);
}

static inline tw_buf copy_of(const tw_buf *message) {
  tw_buf copy = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&copy, tw_buf_bytes(message)), TW_OK);
  return copy;
}

static inline void reload_both(void) {
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
}

#define STEADY(name) cmocka_unit_test_setup_teardown(name, setup_steady, teardown)

#endif
