/* Updates of pairs: one at a time, ties, and any order of both. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/pair_kit.h"

#include <string.h>

#include "crypto/crypto.h"

static void an_update_heals_its_maker(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_pair_status before_a, before_b, after;
  tw_pair_get_status(t.initiator, &before_a);
  tw_pair_get_status(t.responder, &before_b);
  assert_int_equal(before_a.own_leaf_since_ms, TW_TEST_NOW_MS);
  tw_member old_leaf, new_leaf;
  assert_true(tw_pair_peer(t.responder, &old_leaf));
  uint8_t old_key[TW_KEM_PUBLIC_MAX];
  const size_t key_len = old_leaf.encryption_key.len;
  memcpy(old_key, old_leaf.encryption_key.ptr, key_len);
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS + 1234, &message), TW_OK);
  tw_pair_get_status(t.initiator, &after);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS);
  (void)tw_test_pair_deliver(&t, t.responder, &message);
  (void)tw_test_pair_deliver(&t, t.initiator, &message);
  tw_pair_get_status(t.initiator, &after);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS + 1234);
  assert_int_equal(after.peer_leaf_since_ms, before_a.peer_leaf_since_ms);
  assert_int_equal(after.own_updates, 1);
  tw_pair_get_status(t.responder, &after);
  assert_int_equal(after.own_leaf_since_ms, before_b.own_leaf_since_ms);
  assert_int_equal(after.peer_updates, 1);
  assert_true(tw_pair_peer(t.responder, &new_leaf));
  assert_false(tw_bytes_equal(new_leaf.encryption_key, TW_BYTES(old_key, key_len)));
  tw_test_same(tw_pair_peer_parameters(t.responder), TW_LITERAL("from alice"));
  tw_buf_clear(&message);
}

static void one_update_at_a_time(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf message = tw_test_pair_buf(&t), second = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &second), TW_ERR_PENDING);
  assert_int_equal(second.len, 0);
  tw_pair_take_back(t.initiator);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 1);
  tw_buf_clear(&message);
  tw_test_pair_update(&t, t.responder, t.initiator);
  tw_test_pair_update(&t, t.initiator, t.responder);
}

static void the_initiator_wins_a_tie(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf of_initiator = tw_test_pair_buf(&t), of_responder = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  tw_buf repeated = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&repeated, tw_buf_bytes(&of_responder)), TW_OK);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &of_responder).outcome, TW_PAIR_TIE_IGNORED);
  assert_int_equal(of_responder.len, 0);
  tw_test_pair_state(t.initiator, TW_PAIR_LEADING, 1);
  /* A second one could not have crossed ours. */
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&repeated)), TW_ERR_UNEXPECTED);
  const tw_pair_event event = tw_test_pair_deliver(&t, t.responder, &of_initiator);
  assert_int_equal(event.outcome, TW_PAIR_PEER_UPDATED);
  assert_true(event.own_dropped);
  tw_test_pair_state(t.responder, TW_PAIR_STEADY, 2);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &of_initiator).outcome, TW_PAIR_OWN_UPDATED);
  tw_test_pair_same_epoch(&t);
  tw_pair_status status;
  tw_pair_get_status(t.initiator, &status);
  assert_int_equal(status.ties, 1);
  tw_pair_get_status(t.responder, &status);
  assert_int_equal(status.ties, 1);
  tw_test_pair_update(&t, t.responder, t.initiator);
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
  tw_buf_clear(&repeated);
}

/* ---- schedules ---- */

enum { QUEUE = 16 };
typedef struct link {
  tw_buf messages[QUEUE];
  size_t first, count;
} link;

static uint64_t schedule_state;
static unsigned pick(unsigned below) {
  schedule_state = schedule_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(schedule_state >> 33) % below;
}

static void push(link *l, tw_buf message) {
  assert_true(l->count < QUEUE);
  l->messages[(l->first + l->count++) % QUEUE] = message;
}

static bool deliver_one(link *from, link *back, tw_pair *to) {
  if (from->count == 0) return false;
  tw_buf message = from->messages[from->first];
  from->first = (from->first + 1) % QUEUE;
  from->count--;
  (void)tw_test_pair_deliver(&t, to, &message);
  if (message.len > 0) {
    push(back, message);
  } else {
    tw_buf_clear(&message);
  }
  return true;
}

static void try_update(tw_pair *pair, link *out) {
  tw_buf message = tw_test_pair_buf(&t);
  const tw_err err = tw_pair_update(pair, TW_TEST_NOW_MS, &message);
  if (err == TW_OK) {
    push(out, message);
  } else {
    assert_int_equal(err, TW_ERR_PENDING);
    tw_buf_clear(&message);
  }
}

static void every_schedule_converges(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  link to_responder = {0}, to_initiator = {0};
  uint64_t ties = 0;
  const unsigned schedules = tw_test_rounds(2000, 60);
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    schedule_state = schedule;
    const unsigned steps = 2 + pick(10);
    for (unsigned step = 0; step < steps; step++) {
      switch (pick(5)) {
      case 0: try_update(t.initiator, &to_responder); break;
      case 1: try_update(t.responder, &to_initiator); break;
      case 2: (void)deliver_one(&to_responder, &to_initiator, t.responder); break;
      default: (void)deliver_one(&to_initiator, &to_responder, t.initiator); break;
      }
    }
    while (deliver_one(&to_responder, &to_initiator, t.responder) ||
           deliver_one(&to_initiator, &to_responder, t.initiator)) {}
    tw_test_pair_same_epoch(&t);
    tw_pair_status status;
    tw_pair_get_status(t.initiator, &status);
    assert_int_equal(status.state, TW_PAIR_STEADY);
    ties = status.ties;
    tw_pair_get_status(t.responder, &status);
    assert_int_equal(status.state, TW_PAIR_STEADY);
    assert_int_equal(status.ties, ties);
  }
  assert_true(ties > schedules / 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_update_heals_its_maker),
      TEST(one_update_at_a_time),
      TEST(the_initiator_wins_a_tie),
      TEST(every_schedule_converges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
