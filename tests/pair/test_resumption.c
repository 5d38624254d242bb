/* Resumption of pairs: D5 and D6. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/resumption_kit.h"

#include <string.h>

static void either_side_resumes_any_number_of_times(void **state) {
  (void)state;
  uint8_t before[32], after[32];
  export(tw_pair_group(t.initiator), TW_NO_BYTES, before);
  for (unsigned i = 0; i < 6; i++) {
    tw_pair *asker = i % 2 == 0 ? t.initiator : t.responder;
    resume(asker, asker == t.initiator ? t.responder : t.initiator);
    tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3 + 2 * i);
    export(tw_pair_traffic_group(t.initiator), tw_pair_context(t.initiator), after);
    assert_memory_not_equal(before, after, sizeof before);
    memcpy(before, after, sizeof before);
  }
  tw_test_pair_update(&t, t.responder, t.initiator);
}

static void every_suite_resumes(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_test_pair_end(&t);
    tw_test_pair_begin(&t, tw_suite_at(i));
    tw_test_pair_shake_hands(&t);
    resume(t.initiator, t.responder);
  }
}

static void messages_in_sight_name_nobody(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  const tw_bytes key = tw_signer_public_key(t.alice.client.signer);
  for (size_t at = 0; at + key.len <= message.len; at++) {
    assert_memory_not_equal(message.ptr + at, key.ptr, key.len);
  }
  (void)answer(t.responder, &message, NULL);
  finish(t.initiator, t.responder, &message);
}

static void a_resumption_heals_both_sides(void **state) {
  (void)state;
  tw_pair_status before, after;
  tw_pair_get_status(t.initiator, &before);
  resume(t.initiator, t.responder);
  tw_pair_get_status(t.initiator, &after);
  assert_int_equal(after.own_updates, before.own_updates + 1);
  assert_int_equal(after.peer_updates, before.peer_updates + 1);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS + 60000);
  assert_int_equal(after.resumptions, 1);
  tw_pair_get_status(t.responder, &after);
  assert_int_equal(after.resumptions, 1);
}

static void a_request_names_its_group(void **state) {
  (void)state;
  tw_buf request = ask(t.initiator, NULL);
  tw_bytes group_id;
  assert_int_equal(tw_pair_request_group(&t.test.env, tw_buf_bytes(&request), &group_id), TW_OK);
  tw_test_same(group_id, tw_group_id(tw_pair_group(t.responder)));
  (void)answer(t.responder, &request, NULL);
  assert_int_equal(tw_pair_request_group(&t.test.env, tw_buf_bytes(&request), &group_id), TW_ERR_UNEXPECTED);
  /* For another pair it is nothing. */
  tw_buf other = ask(t.initiator, NULL);
  tw_test_pair stranger;
  tw_test_pair_begin(&stranger, tw_suite_by_id(NULL, 1));
  tw_test_env_reseed(&stranger.test, 99);
  tw_test_pair_shake_hands(&stranger);
  assert_int_equal(tw_test_pair_refused(&stranger, stranger.responder, tw_buf_bytes(&other)), TW_ERR_WRONG_GROUP);
  tw_test_pair_end(&stranger);
  tw_buf_clear(&request);
  tw_buf_clear(&other);
}

/* ---- failures ---- */

static tw_err pass(tw_pair *to, tw_buf *message) {
  tw_buf reply = tw_test_pair_buf(&t);
  tw_pair_event event = {0};
  const tw_err err = tw_pair_receive(to, tw_buf_bytes(message), TW_TEST_NOW_MS, &reply, &event);
  if (err == TW_OK) {
    tw_buf_clear(message);
    *message = reply;
  } else {
    assert_int_equal(reply.len, 0);
    tw_buf_clear(&reply);
  }
  return err;
}

/* A resumption in which each step is tried until it works: one that failed has changed nothing. */
static void resume_in_spite(void (*fail_in)(tw_test_env *, size_t), const bool *failed, tw_err expected) {
  tw_buf message = tw_test_pair_buf(&t);
  for (unsigned step = 0; step < 3; step++) {
    tw_err err = expected;
    for (size_t n = 1; err != TW_OK; n++) {
      fail_in(&t.test, n);
      if (step == 0) err = tw_pair_resume(t.initiator, TW_TEST_NOW_MS, &message);
      if (step == 1) err = pass(t.responder, &message);
      if (step == 2) err = pass(t.initiator, &message);
      if (err != TW_OK) assert_int_equal(err, expected);
      if (!*failed) assert_int_equal(err, TW_OK);
    }
    fail_in(&t.test, 0);
  }
  assert_true(tw_pair_confirm(t.responder));
  assert_same_traffic();
  tw_test_pair_same_epoch(&t);
  tw_buf_clear(&message);
}

static void failing_memory_and_randomness_change_nothing(void **state) {
  (void)state;
  resume_in_spite(tw_test_fail_alloc, &t.test.alloc_failed, TW_ERR_NO_MEMORY);
  resume_in_spite(tw_test_fail_random, &t.test.random_failed, TW_ERR_RANDOM);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STEADY(either_side_resumes_any_number_of_times),
      STEADY(every_suite_resumes),
      STEADY(messages_in_sight_name_nobody),
      STEADY(a_resumption_heals_both_sides),
      STEADY(a_request_names_its_group),
      STEADY(failing_memory_and_randomness_change_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
