/* Messages by mail: nobody on the way bends, makes up, renames or repeats one with effect. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/message.h"
#include "pair/resumption_kit.h"

static int setup_mail(void **state) {
  (void)setup(state);
  t.alice_config.by_mail = true;
  t.bob_config.by_mail = true;
  tw_test_pair_shake_hands(&t);
  return 0;
}

static void each_bit_and_length_is_refused(tw_pair *pair, const tw_buf *message) {
  tw_buf bent = copy_of(message);
  const size_t head = 4 + TW_PAIR_NONCE + 1;
  for (size_t at = 0; at < message->len; at++) {
    const bool is_ours = at < head || at + TW_PAIR_TAG >= message->len; /* the rest is MLS's */
    for (int bit = is_ours ? 0 : (int)(at % 8); bit < (is_ours ? 8 : (int)(at % 8 + 1)); bit++) {
      bent.ptr[at] ^= (uint8_t)(1 << bit);
      assert_int_not_equal(tw_test_pair_refused(&t, pair, tw_buf_bytes(&bent)), TW_OK);
      bent.ptr[at] ^= (uint8_t)(1 << bit);
    }
  }
  for (size_t len = 0; len < message->len; len++)
    assert_int_not_equal(tw_test_pair_refused(&t, pair, TW_BYTES(message->ptr, len)), TW_OK);
  assert_int_equal(tw_buf_append(&bent, TW_LITERAL("x")), TW_OK);
  assert_int_not_equal(tw_test_pair_refused(&t, pair, tw_buf_bytes(&bent)), TW_OK);
  tw_buf_clear(&bent);
}

/* All of it is bent first, and then comes as it was sent. */
static void update(tw_pair *from, tw_pair *to) {
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(from, TW_TEST_NOW_MS + 5000, &message), TW_OK);
  each_bit_and_length_is_refused(to, &message);
  assert_int_equal(tw_test_pair_deliver(&t, to, &message).outcome, TW_PAIR_PEER_UPDATED);
  assert_int_equal(message.len, 4 + 8 + TW_PAIR_TAG);
  each_bit_and_length_is_refused(from, &message);
  assert_int_equal(tw_test_pair_deliver(&t, from, &message).outcome, TW_PAIR_OWN_UPDATED);
  tw_buf_clear(&message);
  tw_test_pair_same_epoch(&t);
}

static void bent_updates_and_their_answers_change_nothing(void **state) {
  (void)state;
  update(t.initiator, t.responder);
  update(t.responder, t.initiator);
}

static void bent_resumptions_change_nothing(void **state) {
  (void)state;
  tw_pair *const sides[] = {t.initiator, t.responder, t.initiator};
  for (int i = 0; i < 2; i++) {
    tw_buf message = ask(sides[i], NULL);
    each_bit_and_length_is_refused(sides[i + 1], &message);
    (void)answer(sides[i + 1], &message, NULL);
    each_bit_and_length_is_refused(sides[i], &message);
    finish(sides[i], sides[i + 1], &message);
  }
}

/* The epoch's number, and what anybody can write behind it. */
static tw_buf made_up_answer(uint64_t epoch, tw_bytes tag) {
  tw_buf message = tw_test_pair_buf(&t);
  const tw_pair_message made_up = {.type = TW_PAIR_EPOCH_KEY_UPDATE, .epoch = epoch};
  assert_int_equal(tw_pair_message_encode(&made_up, &message), TW_OK);
  assert_int_equal(tw_buf_append(&message, tag), TW_OK);
  return message;
}

static tw_err says_of(tw_pair *pair, tw_buf message) {
  const tw_err err = tw_test_pair_refused(&t, pair, tw_buf_bytes(&message));
  tw_buf_clear(&message);
  return err;
}

static void an_answer_that_is_made_up_ends_no_update(void **state) {
  (void)state;
  static const uint8_t zeros[TW_PAIR_TAG];
  tw_buf first = tw_test_pair_buf(&t), second = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &first), TW_OK);
  (void)tw_test_pair_deliver(&t, t.responder, &first);
  const tw_bytes old_tag = TW_BYTES(first.ptr + first.len - TW_PAIR_TAG, TW_PAIR_TAG);
  tw_buf true_one = copy_of(&first);
  (void)tw_test_pair_deliver(&t, t.initiator, &true_one);
  tw_buf_clear(&true_one);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &second), TW_OK);
  const tw_bytes own_tag = TW_BYTES(second.ptr + second.len - TW_PAIR_TAG, TW_PAIR_TAG);
  assert_int_equal(says_of(t.initiator, made_up_answer(3, TW_ARRAY(zeros))), TW_ERR_MAC);
  assert_int_equal(says_of(t.initiator, made_up_answer(3, old_tag)), TW_ERR_MAC); /* of another epoch */
  assert_int_equal(says_of(t.initiator, made_up_answer(3, own_tag)), TW_ERR_MAC);
  assert_int_equal(says_of(t.initiator, made_up_answer(3, TW_NO_BYTES)), TW_ERR_TRUNCATED);
  tw_buf_clear(&first);
  (void)tw_test_pair_deliver(&t, t.responder, &second);
  (void)tw_test_pair_deliver(&t, t.initiator, &second);
  tw_buf_clear(&second);
  tw_test_pair_same_epoch(&t);
}

/* The commit of one kind of message in another, with the tag that it had. */
static tw_buf renamed(const tw_buf *message, size_t head, uint8_t type) {
  static const uint8_t zeros[TW_PAIR_NONCE + 1];
  tw_buf forged = tw_test_pair_buf(&t);
  const size_t plain = type == TW_PAIR_CONNECTION_UPDATE ? 0 : type == TW_PAIR_RESUMPTION_REQUEST ? 16 : 17;
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(message->ptr, 4)), TW_OK);
  forged.ptr[3] = type;
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(zeros, plain)), TW_OK);
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(message->ptr + head, message->len - head)), TW_OK);
  return forged;
}

static void a_commit_is_not_taken_for_what_it_was_not_sent_as(void **state) {
  (void)state;
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(says_of(t.initiator, renamed(&message, 4, TW_PAIR_RESUMPTION_REQUEST)), TW_ERR_MAC);
  tw_buf request = ask(t.responder, NULL); /* with the same commit */
  assert_int_equal(says_of(t.initiator, renamed(&request, 4 + TW_PAIR_NONCE, TW_PAIR_CONNECTION_UPDATE)), TW_ERR_MAC);
  (void)tw_test_pair_deliver(&t, t.initiator, &message);
  assert_int_equal(says_of(t.initiator, renamed(&request, 4 + TW_PAIR_NONCE, TW_PAIR_RESUMPTION_REQUEST)), TW_ERR_MAC);
  (void)answer(t.initiator, &request, NULL);
  assert_int_equal(says_of(t.responder, renamed(&request, 4 + TW_PAIR_NONCE + 1, TW_PAIR_RESUMPTION_REQUEST)),
                   TW_ERR_MAC);
  finish(t.responder, t.initiator, &request);
  tw_buf_clear(&message);
}

/* Who wins a tie applies nothing, and draws no other nonce for somebody who has made the commit up. */
static void what_loses_a_tie_is_looked_at_all_the_same(void **state) {
  (void)state;
  tw_buf theirs = ask(t.responder, NULL), ours = ask(t.initiator, NULL);
  theirs.ptr[4] ^= 1;
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&theirs)), TW_ERR_MAC);
  theirs.ptr[4] ^= 1;
  tw_buf again = copy_of(&theirs);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &theirs).outcome, TW_PAIR_CROSSED);
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&again)), TW_ERR_DUPLICATE);
  tw_buf_clear(&again);
  (void)answer(t.responder, &theirs, NULL);
  finish(t.initiator, t.responder, &theirs);
  tw_buf_clear(&ours);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &theirs), TW_OK);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &ours), TW_OK);
  theirs.ptr[theirs.len - 1] ^= 1;
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&theirs)), TW_ERR_MAC);
  theirs.ptr[theirs.len - 1] ^= 1;
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &theirs).outcome, TW_PAIR_TIE_IGNORED);
  tw_buf_clear(&theirs);
  tw_buf_clear(&ours);
}

/* With each answer come other keys, and the asking side has those of the first that it gets. */
static void no_request_is_answered_twice(void **state) {
  (void)state;
  tw_buf requests[3];
  for (int i = 0; i < 3; i++) requests[i] = ask(t.initiator, NULL);
  for (int i = 0; i < 3; i++) {
    tw_buf message = copy_of(&requests[i]);
    (void)answer(t.responder, &message, NULL);
    for (int k = 0; k <= i; k++)
      assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&requests[k])), TW_ERR_DUPLICATE);
    if (i < 2)
      assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&message)), TW_ERR_MAC);
    else
      finish(t.initiator, t.responder, &message);
    tw_buf_clear(&message);
  }
  for (int i = 0; i < 3; i++) tw_buf_clear(&requests[i]);
}

#define MAIL(name) cmocka_unit_test_setup_teardown(name, setup_mail, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      MAIL(bent_updates_and_their_answers_change_nothing), MAIL(bent_resumptions_change_nothing),
      MAIL(an_answer_that_is_made_up_ends_no_update),      MAIL(a_commit_is_not_taken_for_what_it_was_not_sent_as),
      MAIL(what_loses_a_tie_is_looked_at_all_the_same),    MAIL(no_request_is_answered_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
