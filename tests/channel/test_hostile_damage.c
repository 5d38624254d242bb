/*
 * label: no-valgrind
 * Messages of updates and resumptions, from a peer that has all keys, with a bit flipped or a piece missing. (Hellos:
 * test_channel_hostile.c and tests/tls/test_damage.c.) SPDX-License-Identifier: Apache-2.0
 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_hostile.h"

static tw_test_hostile h;

static int setup(void **state) {
  (void)state;
  tw_test_hostile_init(&h);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_hostile_clear(&h);
  return 0;
}

static bool is_of_a_session(const tw_test_stand *stand) {
  return stand->phase == TW_TEST_UP || stand->phase == TW_TEST_UPDATING || stand->phase == TW_TEST_REQUESTED ||
         stand->phase == TW_TEST_ASKING;
}

/* The nonces of resumptions, and whether early data was taken, go into the keys and are protected by nothing else. */
enum { MESSAGE_AT = 4, NONCE_AT = MESSAGE_AT + 4, NONCE_END = NONCE_AT + 16, FLAG_END = NONCE_END + 1 };
static bool is_in_context(size_t at) {
  if (h.stand->phase == TW_TEST_REQUESTED) return at >= NONCE_AT && at < NONCE_END;
  return h.stand->phase == TW_TEST_ASKING && at >= NONCE_AT && at < FLAG_END;
}

/* What the peer has said is gone; the damaged message comes in its place. */
static tw_err give_instead(void) {
  tw_channel_output_sent(h.peer->channel, tw_channel_output(h.peer->channel).len);
  return tw_test_throw(&h, h.next_is_protected, h.next_type, tw_buf_bytes(&h.next));
}

/* Neither side has got anywhere by it. */
static void assert_fooled_nobody(tw_err err, size_t at) {
  const tw_err_class class_of_it = tw_err_class_of(err);
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_REKEYED), 0);
  assert_true(class_of_it != TW_CLASS_INTERNAL && class_of_it != TW_CLASS_CALLER && class_of_it != TW_CLASS_STATE);
  if (is_in_context(at) && err == TW_OK) {
    /* Keys that nobody else has: the next record does not open, at whichever side it comes to first. */
    tw_test_wire_run(&h.wire, SIZE_MAX);
    assert_true(h.victim->last != TW_OK || h.peer->last != TW_OK);
    assert_false(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED) > 0 &&
                 tw_test_side_count(h.peer, TW_CHANNEL_ESTABLISHED) > 0);
    return;
  }
  const bool was_up = h.stand->phase == TW_TEST_UP || h.stand->phase == TW_TEST_UPDATING;
  assert_int_equal(tw_test_side_count(h.victim, TW_CHANNEL_ESTABLISHED), was_up);
  assert_int_not_equal(err, TW_OK);
  const uint8_t alert = tw_test_side_event(h.victim, TW_CHANNEL_CLOSED)->alert;
  assert_int_not_equal(alert, TW_ALERT_INTERNAL_ERROR);
  tw_test_assert_ended(&h, err, alert);
}

static void no_flipped_bit_is_overlooked(void **state) {
  (void)state;
  for (size_t i = 0; i < tw_test_stand_count; i++) {
    if (!is_of_a_session(&tw_test_stands[i])) continue;
    bool more = true;
    for (size_t at = MESSAGE_AT; more; at += at < 40 ? 3 : 19) {
      tw_test_hostile_go(&h, &tw_test_stands[i], 5);
      more = at < h.next.len;
      if (more) {
        h.next.ptr[at] ^= (uint8_t)(1u << (at % 8));
        assert_fooled_nobody(give_instead(), at);
      }
      tw_test_hostile_done(&h);
    }
  }
}

static void no_cut_is_overlooked(void **state) {
  (void)state;
  for (size_t i = 0; i < tw_test_stand_count; i++) {
    if (!is_of_a_session(&tw_test_stands[i])) continue;
    bool more = true;
    for (size_t at = MESSAGE_AT; more; at += at < 40 ? 3 : 23) {
      tw_test_hostile_go(&h, &tw_test_stands[i], 6);
      more = at < h.next.len;
      if (more) {
        h.next.len = at;
        h.next.ptr[2] = (uint8_t)((at - MESSAGE_AT) >> 8);
        h.next.ptr[3] = (uint8_t)(at - MESSAGE_AT);
        assert_fooled_nobody(give_instead(), SIZE_MAX);
      }
      tw_test_hostile_done(&h);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(no_flipped_bit_is_overlooked, setup, teardown),
      cmocka_unit_test_setup_teardown(no_cut_is_overlooked, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
