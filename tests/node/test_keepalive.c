/* When a node asks whether the relay hears it, and when it binds its address anew. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "node/keepalive.h"

enum { EVERY = 25000, TICK = 250 };

static tw_keepalive keepalive;
static uint64_t now, heard;

static int begin(void **state) {
  (void)state;
  now = 1000000;
  heard = 0;
  tw_keepalive_up(&keepalive);
  return 0;
}

/* Where it is due something is done. Where it is not, an echo is asked for only if the last one has just come. */
static tw_keepalive_act tick_of(uint64_t every) {
  const bool due = tw_keepalive_is_due(&keepalive, every, now);
  const bool waits = tw_keepalive_waits(&keepalive);
  const tw_keepalive_act act = tw_keepalive_tick(&keepalive, every, heard, now);
  if (due) assert_int_not_equal(act, TW_KEEPALIVE_REST);
  if (act == TW_KEEPALIVE_ASK) assert_true(due || waits);
  return act;
}
static tw_keepalive_act tick(void) { return tick_of(EVERY); }

/* The time that passes until something is to be done. */
static uint64_t until(tw_keepalive_act wanted) {
  const uint64_t begun = now;
  tw_keepalive_act act;
  while ((act = tick()) == TW_KEEPALIVE_REST) {
    now += TICK;
    assert_true(now - begun < 100 * EVERY);
  }
  assert_int_equal(act, wanted);
  return now - begun;
}

static void bind_at_once(void) {
  assert_int_equal(tick(), TW_KEEPALIVE_BIND);
  tw_keepalive_bound(&keepalive, now);
}

static void test_three_of_four_keepalives_are_echoes(void **state) {
  (void)state;
  bind_at_once();
  for (unsigned round = 0; round < 5; round++) {
    for (unsigned i = 0; i < TW_KEEPALIVE_ECHOES; i++) {
      assert_int_equal(until(TW_KEEPALIVE_ASK), EVERY);
      heard++;
    }
    assert_int_equal(until(TW_KEEPALIVE_BIND), EVERY);
    tw_keepalive_bound(&keepalive, now);
  }
  assert_true(keepalive.bound);
}

static void test_an_answer_that_takes_its_time_counts_from_when_it_was_asked_for(void **state) {
  (void)state;
  bind_at_once();
  (void)until(TW_KEEPALIVE_ASK);
  now += TW_KEEPALIVE_ECHO_MS - TICK;
  assert_int_equal(tick(), TW_KEEPALIVE_REST);
  heard++;
  assert_int_equal(until(TW_KEEPALIVE_ASK), EVERY - (TW_KEEPALIVE_ECHO_MS - TICK));
}

static void test_without_an_answer_the_binding_is_made_anew_two_seconds_later(void **state) {
  (void)state;
  bind_at_once();
  for (unsigned answered = 0; answered <= TW_KEEPALIVE_ECHOES - 1; answered++) {
    for (unsigned i = 0; i < answered; i++) {
      (void)until(TW_KEEPALIVE_ASK);
      heard++;
    }
    assert_int_equal(until(TW_KEEPALIVE_ASK), EVERY); /* the last answer is that of before: it is none to this one */
    assert_int_equal(until(TW_KEEPALIVE_BIND), TW_KEEPALIVE_ECHO_MS);
    assert_true(keepalive.bound); /* until it has been tried for some time */
    tw_keepalive_bound(&keepalive, now);
  }
}

static void test_a_binding_that_does_not_come_is_asked_for_again_and_then_counts_as_lost(void **state) {
  (void)state;
  bind_at_once();
  (void)until(TW_KEEPALIVE_ASK);
  (void)until(TW_KEEPALIVE_BIND);
  heard++; /* late: the binding has been asked for, and answers end nothing of that */
  uint64_t wait = 500;
  for (unsigned i = 1; i <= TW_KEEPALIVE_BIND_TRIES; i++, wait *= 2) {
    assert_true(keepalive.bound);
    now += TICK;
    assert_int_equal(until(TW_KEEPALIVE_BIND), wait - TICK);
  }
  assert_false(keepalive.bound);
  now += TICK;
  assert_int_equal(until(TW_KEEPALIVE_BIND), 32000 - TICK);
  now += TICK;
  assert_int_equal(until(TW_KEEPALIVE_BIND), 32000 - TICK); /* at most */
  tw_keepalive_bound(&keepalive, now);
  assert_true(keepalive.bound);
  assert_int_equal(until(TW_KEEPALIVE_ASK), EVERY);
}

/* Whoever makes answers up, or keeps old ones, delays what is found out by no more than this. */
static void test_whatever_is_answered_the_binding_is_made_anew_in_four_intervals(void **state) {
  (void)state;
  for (unsigned often = 1; often < 8; often++) {
    begin(NULL);
    bind_at_once();
    const uint64_t begun = now;
    for (uint64_t n = 0; tick() != TW_KEEPALIVE_BIND; n++, now += TICK) {
      if (n % often == 0) heard++;
      assert_true(now <= begun + 4 * (uint64_t)EVERY);
    }
  }
}

static void test_with_no_interval_nothing_is_sent(void **state) {
  (void)state;
  bind_at_once();
  for (unsigned days = 0; days < 1000; days++) {
    now += 86400000;
    assert_int_equal(tick_of(UINT64_MAX / 2), TW_KEEPALIVE_REST);
  }
}

static void test_short_intervals_wait_for_their_answers(void **state) {
  (void)state;
  bind_at_once();
  now += 1000;
  for (unsigned i = 0; i < TW_KEEPALIVE_ECHOES; i++) {
    assert_int_equal(tick_of(1000), TW_KEEPALIVE_ASK);
    now += 1500; /* the next one is due, and this one has not been answered */
    assert_int_equal(tick_of(1000), TW_KEEPALIVE_REST);
    heard++;
  }
  assert_int_equal(tick_of(1000), TW_KEEPALIVE_BIND);
}

static void test_peers_that_do_not_answer_make_it_bind_at_once_and_less_and_less_often(void **state) {
  (void)state;
  bind_at_once();
  (void)until(TW_KEEPALIVE_ASK);
  heard++; /* the relay may hear us, and peers not: answers do not count here */
  (void)tick();
  uint64_t pause = TW_KEEPALIVE_SILENCE_MS;
  for (unsigned i = 0; i < 7; i++) {
    const uint64_t begun = i == 0 ? now : keepalive.bound_ms;
    while (tw_keepalive_peers(&keepalive, false, now), tick() != TW_KEEPALIVE_BIND) {
      now += TICK;
      heard++;
    }
    assert_int_equal(now - begun, i == 0 ? 0 : pause);
    tw_keepalive_bound(&keepalive, now);
    if (i < 4) pause *= 2;
  }
  tw_keepalive_peers(&keepalive, true, now);
  now += TW_KEEPALIVE_SILENCE_MS;
  tw_keepalive_peers(&keepalive, false, now);
  assert_int_equal(tick(), TW_KEEPALIVE_BIND);
}

static void test_another_connection_binds_at_once(void **state) {
  (void)state;
  bind_at_once();
  (void)until(TW_KEEPALIVE_ASK);
  heard++;
  tw_keepalive_up(&keepalive);
  assert_false(keepalive.bound);
  tw_keepalive_peers(&keepalive, false, now); /* means nothing yet */
  bind_at_once();
  assert_int_equal(until(TW_KEEPALIVE_ASK), EVERY);
}

#define TEST(name_) cmocka_unit_test_setup(name_, begin)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_three_of_four_keepalives_are_echoes),
      TEST(test_an_answer_that_takes_its_time_counts_from_when_it_was_asked_for),
      TEST(test_without_an_answer_the_binding_is_made_anew_two_seconds_later),
      TEST(test_a_binding_that_does_not_come_is_asked_for_again_and_then_counts_as_lost),
      TEST(test_whatever_is_answered_the_binding_is_made_anew_in_four_intervals),
      TEST(test_with_no_interval_nothing_is_sent),
      TEST(test_short_intervals_wait_for_their_answers),
      TEST(test_peers_that_do_not_answer_make_it_bind_at_once_and_less_and_less_often),
      TEST(test_another_connection_binds_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
