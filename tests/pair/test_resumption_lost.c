/* Pairs find together again, whatever was lost: D5 (a) to (d). SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/resumption_kit.h"

static void a_lost_request_is_repeated(void **state) {
  (void)state;
  tw_buf lost = ask(t.initiator, NULL);
  reload_both();
  early_keys early;
  tw_buf again = ask(t.initiator, &early);
  /* The same commit, and keys of its own. */
  assert_memory_equal(lost.ptr + 4 + TW_PAIR_NONCE, again.ptr + 4 + TW_PAIR_NONCE, lost.len - 4 - TW_PAIR_NONCE);
  assert_memory_not_equal(lost.ptr + 4, again.ptr + 4, TW_PAIR_NONCE);
  const tw_pair_event event = answer(t.responder, &again, &early);
  assert_true(event.early_data && event.fresh && event.changed);
  finish(t.initiator, t.responder, &again);
  tw_buf_clear(&lost);
}

static void a_lost_response_is_repeated_and_its_early_data_not_taken_again(void **state) {
  (void)state;
  tw_buf request = ask(t.initiator, NULL);
  tw_buf held = copy_of(&request);
  assert_true(answer(t.responder, &request, NULL).early_data);
  tw_buf first = copy_of(&request);
  reload_both();
  tw_buf again = ask(t.initiator, NULL);
  const tw_pair_event event = answer(t.responder, &again, NULL);
  assert_int_equal(event.outcome, TW_PAIR_ASKED);
  assert_false(event.early_data || event.fresh || event.changed);
  /* The same commit: the initiator may have adopted the first one. The nonce is new. */
  const size_t head = 4 + TW_PAIR_NONCE + 1;
  assert_int_equal(first.len, again.len);
  assert_memory_equal(first.ptr + head, again.ptr + head, first.len - head);
  assert_memory_not_equal(first.ptr + 4, again.ptr + 4, TW_PAIR_NONCE);
  /* The first request itself was answered: its early data must not be sent after another answer. */
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&held)), TW_ERR_DUPLICATE);
  reload_both();
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&held)), TW_ERR_DUPLICATE);
  tw_buf_clear(&held);
  tw_buf_clear(&first);
  tw_buf_clear(&request);
  tw_buf third = ask(t.initiator, NULL);
  (void)answer(t.responder, &third, NULL);
  finish(t.initiator, t.responder, &third);
  tw_buf_clear(&again);
}

/* It was saved and loaded while it waited: the response still counts, but what asked for it is gone. */
static void a_pair_that_was_loaded_has_no_connection(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  (void)answer(t.responder, &message, NULL);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &message).outcome, TW_PAIR_RESUMED);
  assert_int_equal(tw_pair_context(t.initiator).len, 0);
  resume(t.initiator, t.responder);
  tw_buf_clear(&message);
}

static void after_a_response_that_was_taken_a_new_request_builds_on_it(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  (void)answer(t.responder, &message, NULL);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &message).outcome, TW_PAIR_RESUMED);
  /* Its first record is lost: the responder is not sure. */
  reload_both();
  tw_test_pair_state(t.responder, TW_PAIR_ANSWERED, 2);
  resume(t.initiator, t.responder);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 5);
  tw_buf_clear(&message);
}

static void the_side_that_answered_can_ask_next(void **state) {
  (void)state;
  tw_buf message = ask(t.initiator, NULL);
  (void)answer(t.responder, &message, NULL);
  tw_buf_clear(&message); /* the response is lost */
  reload_both();
  resume(t.responder, t.initiator);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 4);
  message = ask(t.initiator, NULL);
  (void)answer(t.responder, &message, NULL);
  (void)tw_test_pair_deliver(&t, t.initiator, &message); /* the response is taken, and nothing comes after it */
  reload_both();
  resume(t.responder, t.initiator);
  tw_buf_clear(&message);
}

static void a_lost_update_goes_on_as_a_request(void **state) {
  (void)state;
  tw_buf update = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &update), TW_OK);
  reload_both();
  resume(t.initiator, t.responder);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3);
  tw_buf_clear(&update);
}

static void an_update_whose_confirmation_was_lost_is_recognised(void **state) {
  (void)state;
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &message), TW_OK);
  (void)tw_test_pair_deliver(&t, t.responder, &message); /* epoch_key_update is lost */
  reload_both();
  tw_buf request = ask(t.initiator, NULL);
  const tw_pair_event event = answer(t.responder, &request, NULL);
  assert_false(event.early_data);
  /* Nobody else has seen that commit. */
  assert_true(event.fresh && event.changed);
  finish(t.initiator, t.responder, &request);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3);
  tw_buf_clear(&message);
}

static void a_request_on_top_of_our_update_has_us_merge_it(void **state) {
  (void)state;
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &message), TW_OK);
  (void)tw_test_pair_deliver(&t, t.initiator, &message); /* epoch_key_update is lost */
  reload_both();
  early_keys early;
  tw_buf request = ask(t.initiator, &early);
  const tw_pair_event event = answer(t.responder, &request, &early);
  assert_true(event.early_data && event.fresh && !event.own_dropped);
  finish(t.initiator, t.responder, &request);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 4);
  tw_buf_clear(&message);
}

static void a_repeated_update_meets_one_of_ours(void **state) {
  (void)state;
  tw_buf theirs = tw_test_pair_buf(&t), ours = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &theirs), TW_OK);
  (void)tw_test_pair_deliver(&t, t.responder, &theirs);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &ours), TW_OK); /* both are lost */
  reload_both();
  resume(t.initiator, t.responder);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3);
  tw_buf_clear(&theirs);
  tw_buf_clear(&ours);
}

/* Both have an update outstanding when the connection breaks. */
static void break_in_a_tie(void) {
  tw_buf lost = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &lost), TW_OK);
  lost.len = 0;
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &lost), TW_OK);
  tw_buf_clear(&lost);
  reload_both();
}

static void in_a_tie_the_initiators_request_stands(void **state) {
  (void)state;
  break_in_a_tie();
  tw_buf request = ask(t.initiator, NULL);
  const tw_pair_event event = answer(t.responder, &request, NULL);
  assert_true(event.own_dropped && event.early_data);
  finish(t.initiator, t.responder, &request);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3);
}

static void in_a_tie_the_responders_request_is_turned_around(void **state) {
  (void)state;
  break_in_a_tie();
  tw_buf request = ask(t.responder, NULL);
  assert_int_equal(answer(t.initiator, &request, NULL).outcome, TW_PAIR_CROSSED);
  tw_test_pair_state(t.initiator, TW_PAIR_ASKING, 1);
  const tw_pair_event event = answer(t.responder, &request, NULL);
  assert_int_equal(event.outcome, TW_PAIR_ASKED);
  assert_true(event.own_dropped);
  finish(t.initiator, t.responder, &request);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3);
}

static void requests_that_cross_converge(void **state) {
  (void)state;
  tw_buf of_initiator = ask(t.initiator, NULL), of_responder = ask(t.responder, NULL);
  assert_int_equal(answer(t.initiator, &of_responder, NULL).outcome, TW_PAIR_CROSSED);
  tw_buf_clear(&of_responder);
  /* On its own connection, the initiator's request is taken. */
  tw_pair_disconnect(t.responder);
  tw_buf again = ask(t.initiator, NULL);
  assert_true(answer(t.responder, &again, NULL).own_dropped);
  finish(t.initiator, t.responder, &again);
  tw_buf_clear(&of_initiator);
}

/* Each has opened a connection, and somebody passes the initiator's request and its response on between the two. */
static void connections_that_are_joined_by_another_have_no_key_in_common(void **state) {
  (void)state;
  tw_buf of_initiator = ask(t.initiator, NULL), of_responder = ask(t.responder, NULL);
  assert_int_equal(answer(t.responder, &of_initiator, NULL).outcome, TW_PAIR_ASKED);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &of_initiator).outcome, TW_PAIR_RESUMED);
  assert_other_traffic();
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
  /* On a connection of one of the two they find together. */
  reload_both();
  resume(t.initiator, t.responder);
}

static void a_responder_that_nobody_confirmed_learns_it_from_a_request(void **state) {
  (void)state;
  tw_test_pair_end(&t);
  tw_test_pair_begin(&t, tw_suite_by_id(NULL, 1));
  tw_buf hello = tw_test_pair_buf(&t), welcome = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &welcome), TW_OK);
  (void)tw_test_pair_deliver(&t, t.initiator, &welcome);
  assert_int_equal(tw_pair_resume(t.responder, TW_TEST_NOW_MS, &welcome), TW_ERR_STATE);
  reload_both();
  resume(t.initiator, t.responder);
  tw_buf_clear(&hello);
  tw_buf_clear(&welcome);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STEADY(a_lost_request_is_repeated),
      STEADY(a_lost_response_is_repeated_and_its_early_data_not_taken_again),
      STEADY(a_pair_that_was_loaded_has_no_connection),
      STEADY(after_a_response_that_was_taken_a_new_request_builds_on_it),
      STEADY(the_side_that_answered_can_ask_next),
      STEADY(a_lost_update_goes_on_as_a_request),
      STEADY(an_update_whose_confirmation_was_lost_is_recognised),
      STEADY(a_request_on_top_of_our_update_has_us_merge_it),
      STEADY(a_repeated_update_meets_one_of_ours),
      STEADY(in_a_tie_the_initiators_request_stands),
      STEADY(in_a_tie_the_responders_request_is_turned_around),
      STEADY(requests_that_cross_converge),
      STEADY(connections_that_are_joined_by_another_have_no_key_in_common),
      STEADY(a_responder_that_nobody_confirmed_learns_it_from_a_request),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
