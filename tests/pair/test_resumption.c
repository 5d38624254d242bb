/* Resumption of pairs: D5 and D6. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include <string.h>

#include "pair/pair_internal.h"
#include "support/tw_test_pair.h"

static tw_test_pair t;

static int setup(void **state) {
  (void)state;
  tw_test_pair_begin(&t, tw_suite_by_id(NULL, 1));
  tw_test_pair_shake_hands(&t);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_pair_end(&t);
  return 0;
}

/* ---- what both sides derive ---- */

static void export(const tw_group *group, tw_bytes context, uint8_t out[32]) {
  assert_non_null(group);
  assert_int_equal(tw_group_export(group, TW_LITERAL("traffic"), context, out, 32), TW_OK);
}

static void assert_same_traffic(void) {
  uint8_t of_a[32], of_b[32];
  export(tw_pair_traffic_group(t.initiator), tw_pair_context(t.initiator), of_a);
  export(tw_pair_traffic_group(t.responder), tw_pair_context(t.responder), of_b);
  assert_memory_equal(of_a, of_b, sizeof of_a);
  assert_int_equal(tw_pair_context(t.initiator).len, TW_PAIR_CONTEXT_MAX);
}

/* The keys of early data: the asking side's when it asked, and the answering side's. */
typedef struct early_keys {
  uint8_t of_asker[32];
  bool taken;
} early_keys;

/* ---- steps ---- */

static tw_buf ask(tw_pair *pair, early_keys *early) {
  tw_buf request = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_resume(pair, TW_TEST_NOW_MS + 60000, &request), TW_OK);
  if (early != NULL) export(tw_pair_early_group(pair), tw_pair_early_context(pair), early->of_asker);
  return request;
}

static tw_pair_event answer(tw_pair *pair, tw_buf *request, const early_keys *early) {
  const tw_pair_event event = tw_test_pair_deliver(&t, pair, request);
  if (event.outcome == TW_PAIR_ASKED && event.early_data && early != NULL) {
    uint8_t key[32];
    export(tw_pair_early_group(pair), tw_pair_early_context(pair), key);
    assert_memory_equal(key, early->of_asker, sizeof key);
  }
  return event;
}

static void finish(tw_pair *asker, tw_pair *answerer, tw_buf *response) {
  const tw_pair_event event = tw_test_pair_deliver(&t, asker, response);
  assert_int_equal(event.outcome, TW_PAIR_RESUMED);
  assert_int_equal(response->len, 0);
  assert_same_traffic();
  assert_true(tw_pair_confirm(answerer));
  assert_false(tw_pair_confirm(answerer));
  tw_test_pair_same_epoch(&t);
  tw_buf_clear(response);
}

static void resume(tw_pair *asker, tw_pair *answerer) {
  early_keys early;
  tw_buf message = ask(asker, &early);
  (void)answer(answerer, &message, &early);
  finish(asker, answerer, &message);
}

static tw_buf copy_of(const tw_buf *message) {
  tw_buf copy = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&copy, tw_buf_bytes(message)), TW_OK);
  return copy;
}

static void reload_both(void) {
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
}

/* ---- agreement ---- */

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

/* ---- whatever was lost: D5 (a) to (d) ---- */

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
  uint8_t of_a[32], of_b[32];
  export(tw_pair_traffic_group(t.initiator), tw_pair_context(t.initiator), of_a);
  export(tw_pair_traffic_group(t.responder), tw_pair_context(t.responder), of_b);
  assert_memory_not_equal(of_a, of_b, sizeof of_a);
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

/* ---- what is refused ---- */

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
    uint8_t of_a[32], of_b[32];
    export(tw_pair_traffic_group(t.initiator), tw_pair_context(t.initiator), of_a);
    export(tw_pair_traffic_group(t.responder), tw_pair_context(t.responder), of_b);
    assert_memory_not_equal(of_a, of_b, sizeof of_a);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(either_side_resumes_any_number_of_times),
      TEST(every_suite_resumes),
      TEST(messages_in_sight_name_nobody),
      TEST(a_resumption_heals_both_sides),
      TEST(a_lost_request_is_repeated),
      TEST(a_lost_response_is_repeated_and_its_early_data_not_taken_again),
      TEST(a_pair_that_was_loaded_has_no_connection),
      TEST(after_a_response_that_was_taken_a_new_request_builds_on_it),
      TEST(the_side_that_answered_can_ask_next),
      TEST(a_lost_update_goes_on_as_a_request),
      TEST(an_update_whose_confirmation_was_lost_is_recognised),
      TEST(a_request_on_top_of_our_update_has_us_merge_it),
      TEST(a_repeated_update_meets_one_of_ours),
      TEST(in_a_tie_the_initiators_request_stands),
      TEST(in_a_tie_the_responders_request_is_turned_around),
      TEST(requests_that_cross_converge),
      TEST(connections_that_are_joined_by_another_have_no_key_in_common),
      TEST(a_responder_that_nobody_confirmed_learns_it_from_a_request),
      TEST(old_copies_are_told_apart_on_either_side),
      TEST(an_old_copy_beside_the_peer_s_epoch_is_refused),
      TEST(replayed_requests_are_refused_once_the_session_went_on),
      TEST(a_response_sent_back_as_a_request_is_not_fresh),
      TEST(a_request_after_a_tie_leaves_a_state_that_loads),
      TEST(damaged_requests_and_responses_change_nothing),
      TEST(changed_nonces_and_flags_give_other_keys),
      TEST(commits_that_do_more_than_update_are_no_requests),
      TEST(a_credential_that_is_refused_by_now_ends_it),
      TEST(a_request_names_its_group),
      TEST(failing_memory_and_randomness_change_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
