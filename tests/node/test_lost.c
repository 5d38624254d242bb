/* A relay that says that it has lost our mailbox, once or all the time. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "node/lost.h"

static const uint64_t begin_ms = 1000000;

static void one_loss_holds_mail_up_for_a_second(void **state) {
  (void)state;
  tw_lost lost = {0};
  assert_true(tw_lost_may_ask(&lost, begin_ms));
  tw_lost_said(&lost, begin_ms);
  assert_false(tw_lost_may_ask(&lost, begin_ms));
  assert_false(tw_lost_may_ask(&lost, begin_ms + 999));
  assert_true(tw_lost_may_ask(&lost, begin_ms + 1000));
}

/* Whoever asks as soon as it may is lied to no more than some 60 times an hour. */
static void who_says_it_all_the_time_is_asked_less_and_less_often(void **state) {
  (void)state;
  tw_lost lost = {0};
  uint64_t wait = 1000;
  unsigned times = 0;
  for (uint64_t now = begin_ms; now < begin_ms + 3600 * 1000; now += 250) {
    if (!tw_lost_may_ask(&lost, now)) continue;
    if (times > 0) {
      assert_int_equal(now - lost.said_ms, wait);
      wait = wait < 64000 ? 2 * wait : 64000;
    }
    tw_lost_said(&lost, now);
    times++;
  }
  assert_in_range(times, 50, 65);
}

static void a_loss_long_ago_does_not_count(void **state) {
  (void)state;
  tw_lost lost = {0};
  for (unsigned i = 0; i < 9; i++) tw_lost_said(&lost, begin_ms);
  assert_false(tw_lost_may_ask(&lost, begin_ms + 63999));
  tw_lost_said(&lost, begin_ms + TW_LOST_FORGIVEN_MS);
  assert_true(tw_lost_may_ask(&lost, begin_ms + TW_LOST_FORGIVEN_MS + 1000));
}

static void a_clock_that_is_put_back_holds_nothing_up(void **state) {
  (void)state;
  tw_lost lost = {0};
  tw_lost_said(&lost, begin_ms);
  assert_true(tw_lost_may_ask(&lost, begin_ms - 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_loss_holds_mail_up_for_a_second),
      cmocka_unit_test(who_says_it_all_the_time_is_asked_less_and_less_often),
      cmocka_unit_test(a_loss_long_ago_does_not_count),
      cmocka_unit_test(a_clock_that_is_put_back_holds_nothing_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
