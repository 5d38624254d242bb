/* Requests and responses that are old, replayed, forged or damaged. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/resumption_kit.h"

static void old_copies_are_told_apart_on_either_side(void **state) {
  (void)state;
  tw_buf saved = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_save(t.initiator, &saved), TW_OK);
  tw_test_pair_update(&t, t.initiator, t.responder);
  tw_test_pair_update(&t, t.responder, t.initiator);
  tw_pair *old = NULL;
  assert_int_equal(tw_pair_load(&t.alice_config, tw_buf_bytes(&saved), &old), TW_OK);
  tw_buf request = ask(old, NULL);
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&request)), TW_ERR_APART);
  request.len = 0;
  assert_int_equal(tw_pair_resume(t.responder, TW_TEST_NOW_MS, &request), TW_OK);
  assert_int_equal(tw_test_pair_refused(&t, old, tw_buf_bytes(&request)), TW_ERR_APART);
  tw_pair_free(old);
  tw_buf_clear(&saved);
  tw_buf_clear(&request);
}

/* An old copy whose outstanding commit leads to an epoch with the number of the peer's. */
static void an_old_copy_beside_the_peer_s_epoch_is_refused(void **state) {
  (void)state;
  tw_buf saved = tw_test_pair_buf(&t), lost = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_save(t.responder, &saved), TW_OK);
  tw_test_pair_update(&t, t.initiator, t.responder);
  tw_pair *old = NULL;
  assert_int_equal(tw_pair_load(&t.bob_config, tw_buf_bytes(&saved), &old), TW_OK);
  assert_int_equal(tw_pair_update(old, TW_TEST_NOW_MS, &lost), TW_OK);
  tw_buf request = ask(t.initiator, NULL);
  assert_int_equal(tw_test_pair_refused(&t, old, tw_buf_bytes(&request)), TW_ERR_DECRYPT);
  tw_pair_free(old);
  tw_buf_clear(&saved);
  tw_buf_clear(&lost);
  tw_buf_clear(&request);
}

static void replayed_requests_are_refused_once_the_session_went_on(void **state) {
  (void)state;
  tw_buf request = ask(t.initiator, NULL);
  tw_buf replay = copy_of(&request);
  (void)answer(t.responder, &request, NULL);
  tw_buf response = copy_of(&request);
  finish(t.initiator, t.responder, &request);
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&replay)), TW_ERR_APART);
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&replay)), TW_ERR_APART);
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&response)), TW_ERR_UNEXPECTED);
  tw_buf_clear(&replay);
  tw_buf_clear(&response);
}

/* A response as the request that anybody can make of it. */
static tw_buf sent_back(const tw_buf *message) {
  tw_buf forged = tw_test_pair_buf(&t);
  const size_t head = 4 + TW_PAIR_NONCE;
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(message->ptr, head)), TW_OK);
  forged.ptr[3] = TW_PAIR_RESUMPTION_REQUEST;
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(message->ptr + head + 1, message->len - head - 1)), TW_OK);
  return forged;
}

/* Our commit came in sight in a response. It is told as what may be a replay. */
static void a_response_sent_back_as_a_request_is_not_fresh(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  (void)answer(t.responder, &message, NULL);
  tw_buf forged = sent_back(&message);
  finish(t.initiator, t.responder, &message);
  const tw_pair_event event = answer(t.initiator, &forged, NULL);
  assert_int_equal(event.outcome, TW_PAIR_ASKED);
  assert_true(event.changed && !event.fresh && !event.early_data);
  /* Were it saved, the two would still find together. */
  tw_buf_clear(&forged);
  reload_both();
  tw_buf request = ask(t.responder, NULL);
  assert_int_equal(answer(t.initiator, &request, NULL).outcome, TW_PAIR_CROSSED);
  assert_int_equal(answer(t.responder, &request, NULL).outcome, TW_PAIR_ASKED);
  finish(t.initiator, t.responder, &request);
}

/* The tie was on a connection that is gone: the update that stood there is repeated as a response. */
static void a_request_after_a_tie_leaves_a_state_that_loads(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  (void)answer(t.responder, &message, NULL);
  tw_buf forged = sent_back(&message);
  finish(t.initiator, t.responder, &message);
  tw_buf won = tw_test_pair_buf(&t), lost = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &won), TW_OK);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &lost), TW_OK);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &lost).outcome, TW_PAIR_TIE_IGNORED);
  assert_int_equal(answer(t.initiator, &forged, NULL).outcome, TW_PAIR_ASKED);
  reload_both();
  tw_test_pair_state(t.initiator, TW_PAIR_ANSWERED, 3);
  tw_buf_clear(&won);
  tw_buf_clear(&lost);
  tw_buf_clear(&forged);
  resume(t.initiator, t.responder);
}

static void damaged_requests_and_responses_change_nothing(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  for (unsigned round = 0; round < 2; round++) {
    tw_pair *receiver = round == 0 ? t.responder : t.initiator;
    const size_t mls = 4 + TW_PAIR_NONCE + round;
    for (size_t cut = 0; cut < message.len; cut++) {
      assert_true(tw_test_pair_refused(&t, receiver, TW_BYTES(message.ptr, cut)) != TW_OK);
    }
    for (size_t i = 0; i < message.len; i++) {
      if (i >= 4 && i < mls) continue; /* nonce and flag go into the keys, where they are missed */
      const uint8_t mask = (uint8_t)(1u << (i % 8));
      message.ptr[i] ^= mask;
      assert_true(tw_test_pair_refused(&t, receiver, tw_buf_bytes(&message)) != TW_OK);
      message.ptr[i] ^= mask;
    }
    static const uint8_t zero = 0;
    tw_buf longer = copy_of(&message);
    assert_int_equal(tw_buf_append(&longer, TW_BYTES(&zero, 1)), TW_OK);
    assert_true(tw_test_pair_refused(&t, receiver, tw_buf_bytes(&longer)) != TW_OK);
    tw_buf_clear(&longer);
    if (round == 0) (void)answer(t.responder, &message, NULL);
  }
  message.ptr[4 + TW_PAIR_NONCE] = 2; /* neither no nor yes */
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&message)), TW_ERR_ENCODING);
  message.ptr[4 + TW_PAIR_NONCE] = 1;
  finish(t.initiator, t.responder, &message);
}

static void changed_nonces_and_flags_give_other_keys(void **state) {
  (void)state;
  const size_t places[] = {4, 4 + TW_PAIR_NONCE - 1, 4 + TW_PAIR_NONCE};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    tw_buf message = ask(t.initiator, NULL);
    (void)answer(t.responder, &message, NULL);
    message.ptr[places[i]] ^= 1;
    assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &message).outcome, TW_PAIR_RESUMED);
    assert_other_traffic();
    tw_buf_clear(&message);
  }
}

static void commits_that_do_more_than_update_are_no_requests(void **state) {
  (void)state;
  tw_buf proposals = tw_test_pair_buf(&t), message = tw_test_pair_buf(&t);
  assert_int_equal(tw_propose_remove(&proposals, 1), TW_OK);
  const tw_commit_options options[] = {{.proposals = tw_buf_bytes(&proposals)}, {.plaintext = true}};
  const tw_err expected[] = {TW_ERR_PROPOSAL, TW_ERR_UNEXPECTED};
  for (size_t i = 0; i < 2; i++) {
    tw_commit_result result = {0};
    static const uint8_t head[4 + TW_PAIR_NONCE] = {0, 1, 0, TW_PAIR_RESUMPTION_REQUEST};
    assert_int_equal(tw_group_commit(tw_pair_group(t.responder), &options[i], TW_TEST_NOW_MS / 1000, &result), TW_OK);
    message.len = 0;
    assert_int_equal(tw_buf_append(&message, TW_ARRAY(head)), TW_OK);
    assert_int_equal(tw_buf_append(&message, tw_buf_bytes(&result.commit)), TW_OK);
    assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&message)), expected[i]);
    tw_commit_result_clear(&result);
  }
  tw_buf_clear(&proposals);
  tw_buf_clear(&message);
}

static void a_credential_that_is_refused_by_now_ends_it(void **state) {
  (void)state;
  tw_buf request = ask(t.initiator, NULL);
  t.bob.refuses = true;
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&request)), TW_ERR_CREDENTIAL);
  t.bob.refuses = false;
  (void)answer(t.responder, &request, NULL);
  t.alice.refuses = true;
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&request)), TW_ERR_CREDENTIAL);
  t.alice.refuses = false;
  finish(t.initiator, t.responder, &request);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STEADY(old_copies_are_told_apart_on_either_side),
      STEADY(an_old_copy_beside_the_peer_s_epoch_is_refused),
      STEADY(replayed_requests_are_refused_once_the_session_went_on),
      STEADY(a_response_sent_back_as_a_request_is_not_fresh),
      STEADY(a_request_after_a_tie_leaves_a_state_that_loads),
      STEADY(damaged_requests_and_responses_change_nothing),
      STEADY(changed_nonces_and_flags_give_other_keys),
      STEADY(commits_that_do_more_than_update_are_no_requests),
      STEADY(a_credential_that_is_refused_by_now_ends_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
