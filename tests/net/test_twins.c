/* Two machines with one identity: they are told, and nobody else is taken for that. SPDX-License-Identifier: Apache-2.0 */
#include "control_rude.h"

#include "net/twins.h"

/* ---- by the clock ---- */

/* Connections of one client, each of which displaces the one before. */
typedef struct turns {
  tw_twins_all all;
  tw_twins now;
  uint64_t ms;
} turns;

static void next_turn(turns *t, uint64_t after_ms, bool answered) {
  tw_twins former = t->now;
  t->ms += after_ms;
  tw_twins_came(&t->all, &t->now, &former, t->ms);
  if (answered) tw_twins_answered(&t->now, &former);
}

static turns first_turn(void) {
  turns t = {.ms = 1000};
  tw_twins_came(&t.all, &t.now, NULL, t.ms);
  return t;
}

static void whoever_is_there_when_displaced_again_and_again_is_twins(void **state) {
  (void)state;
  turns t = first_turn();
  assert_false(tw_twins_are(&t.now));
  for (size_t i = 0; i < TW_TWINS_TURNS; i++) {
    next_turn(&t, TW_TWINS_GAP_MS, true);
    assert_false(tw_twins_are(&t.now));
  }
  for (size_t i = 0; i < 5; i++) {
    next_turn(&t, TW_TWINS_GAP_MS, true);
    assert_true(tw_twins_are(&t.now));
  }
}

static void a_pause_or_one_that_was_not_there_begins_the_count_anew(void **state) {
  (void)state;
  for (unsigned bad = 0; bad < 2; bad++) {
    turns t = first_turn();
    for (size_t i = 0; i < 50; i++) {
      const bool late = bad == 0 && i % 2 == 1;
      const bool silent = bad == 1 && i % 2 == 1;
      next_turn(&t, late ? TW_TWINS_GAP_MS + 1 : 1, !silent);
      assert_false(tw_twins_are(&t.now));
    }
  }
}

/* Its word says nothing of the one that has come meanwhile. */
static void an_answer_counts_for_who_has_displaced_it_alone(void **state) {
  (void)state;
  turns t = first_turn();
  const tw_twins first = t.now;
  tw_twins displaced = first;
  tw_twins second;
  tw_twins third;
  tw_twins_came(&t.all, &second, &displaced, t.ms);
  tw_twins_came(&t.all, &third, &second, t.ms);
  tw_twins_answered(&third, &displaced);
  assert_false(third.answered);
  tw_twins_answered(&third, &first); /* nobody has displaced it */
  assert_false(third.answered);
  tw_twins_answered(&third, &second);
  assert_true(third.answered);
}

static void people_are_told_once_in_a_while(void **state) {
  (void)state;
  turns t = first_turn();
  for (size_t i = 0; i < TW_TWINS_TURNS; i++) next_turn(&t, 1, true);
  unsigned said = 0;
  for (unsigned i = 0; i < 3 * TW_TWINS_SAY_MS / 15000; i++) {
    next_turn(&t, 15000, true);
    said += tw_twins_may_say(&t.all, &t.now, t.ms);
  }
  assert_int_equal(said, 3);
  turns other = first_turn();
  for (size_t i = 0; i <= TW_TWINS_TURNS; i++) next_turn(&other, 1, true);
  assert_int_equal(tw_twins_may_say(&t.all, &other.now, t.all.said_ms + TW_TWINS_SAY_OTHERS_MS - 1), false);
  assert_int_equal(tw_twins_may_say(&t.all, &other.now, t.all.said_ms + TW_TWINS_SAY_OTHERS_MS), true);
}

/* ---- by connections ---- */

static void two_machines_with_one_key_are_told_and_come_back_later(void **state) {
  (void)state;
  kit k;
  node a;
  node b;
  setup(&k, &a);
  node_init(&b, &k);
  b.channel = a.channel;
  node_start_and_wait(&a);
  node_start(&b);
  kit_until(&k, a.displaced + b.displaced == 1 && k.came == 2 + TW_TWINS_TURNS);
  const node *told = a.displaced > 0 ? &a : &b;
  kit_until(&k, !tw_control_client_is_up(told->client));
  assert_int_equal(k.twins, 1);
  assert_int_equal(told->last_push.type, TW_CONTROL_DISPLACED);
  assert_int_equal(told->last_push.body.displaced.family, 4);
  assert_memory_equal(told->last_push.body.displaced.ip, "\x7f\0\0\1", 4);
  assert_int_not_equal(told->last_push.body.displaced.port, 0);
  assert_true(told->last_down.displaced);
  assert_true(told->last_down.was_up);
  assert_int_equal(told->last_down.err, TW_OK);
  assert_in_range(told->last_down.wait_ms, 15000, 30000);
  assert_int_equal(k.ended, 0);
  /* When it comes back the other one is told, and people are not told a second time. */
  const node *other = told == &a ? &b : &a;
  tw_control_client_retry(told->client);
  kit_until(&k, other->displaced == 1 && !tw_control_client_is_up(other->client));
  assert_in_range(other->last_down.wait_ms, 15000, 30000);
  assert_int_equal(k.twins, 1);
  node_clear(&b);
  teardown(&k, &a);
}

/* Its kernel may still answer for the old connection, as with a process that was killed. */
static void who_moves_or_is_killed_again_and_again_is_no_twin(void **state) {
  (void)state;
  for (unsigned sessions = 0; sessions < 2; sessions++) {
    kit k;
    node n;
    kit_init(&k);
    k.config.without_sessions = sessions == 0;
    kit_start_server(&k);
    node_init(&n, &k);
    node_start_and_wait(&n);
    for (size_t i = 2; i < 12; i++) {
      tw_control_client_renew(n.client);
      kit_until(&k, n.ups == i && k.came == i);
    }
    assert_int_equal(k.twins, 0);
    assert_int_equal(n.displaced, 0);
    teardown(&k, &n);
  }
}

static void who_ends_in_good_order_and_comes_back_is_no_twin(void **state) {
  (void)state;
  kit k;
  node n;
  setup(&k, &n);
  for (size_t i = 0; i < 10; i++) {
    n.ups = n.freed = 0;
    node_start_and_wait(&n);
    tw_control_client_close(n.client);
    kit_until(&k, n.freed == 1);
  }
  n.client = NULL;
  assert_int_equal(k.twins, 0);
  teardown(&k, &n);
}

/* Nothing more comes by the connections of before, and nothing says that they are over: from behind another NAT, say.
 */
static void whose_link_is_cut_again_and_again_is_no_twin(void **state) {
  (void)state;
  enum { CUTS = 6 };
  kit k;
  node n;
  kit_init(&k);
  k.config.linger_ms = 10;
  kit_start_server(&k);
  node_init(&n, &k);
  rude cut[CUTS];
  for (size_t i = 0; i < CUTS; i++) {
    rude_start(&cut[i], &k, &n.channel);
    kit_until(&k, k.came == i + 1);
    tw_stream_pause(cut[i].stream, true); /* reads no more */
    kit_until(&k, k.gone == i);
  }
  node_start_and_wait(&n);
  kit_until(&k, k.gone == CUTS);
  assert_int_equal(k.twins, 0);
  for (size_t i = 0; i < CUTS; i++) {
    assert_int_equal(cut[i].frames, 0);
    tw_stream_drop(cut[i].stream);
  }
  teardown(&k, &n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whoever_is_there_when_displaced_again_and_again_is_twins),
      cmocka_unit_test(a_pause_or_one_that_was_not_there_begins_the_count_anew),
      cmocka_unit_test(an_answer_counts_for_who_has_displaced_it_alone),
      cmocka_unit_test(people_are_told_once_in_a_while),
      cmocka_unit_test(two_machines_with_one_key_are_told_and_come_back_later),
      cmocka_unit_test(who_moves_or_is_killed_again_and_again_is_no_twin),
      cmocka_unit_test(who_ends_in_good_order_and_comes_back_is_no_twin),
      cmocka_unit_test(whose_link_is_cut_again_and_again_is_no_twin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
