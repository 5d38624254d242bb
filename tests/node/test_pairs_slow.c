/* Pairs where mail or packets take longer than either side waits: whatever one sends, the other takes at every moment. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/pairs_kit.h"

static bool takes(uint32_t from, uint32_t to) {
  const key *under = &nodes[from].sending[to];
  return under->stamp != 0 && find_key(&nodes[to], from, under->secret) != NULL;
}

static void expect_no_loss(void) {
  assert_true(takes(0, 1));
  assert_true(takes(1, 0));
}

static void begin_steady(uint64_t seed) {
  begin(seed);
  expect_understanding("the start");
  calm();
}

/* Requests come to the relay, and nobody gets mail. */
static void wait_without_mail(unsigned seconds) {
  for (unsigned i = 0; i < seconds; i++) {
    pass_time(1000);
    for (uint32_t k = 0; k < 2; k++) {
      tw_pairs_tick(nodes[k].pairs, now_ms);
      serve_all(&nodes[k]);
    }
    expect_no_loss();
  }
}

/* By chance, to the end. */
static void get_mail(bool packets) {
  while (nodes[0].letters + nodes[1].letters + nodes[0].request_count + nodes[1].request_count > 0) {
    node *n = &nodes[roll(2)];
    if (roll(2))
      serve(n, false);
    else
      deliver(n);
    expect_no_loss();
    if (packets && roll(2)) assert_true(packet(n, &nodes[1 - n->index]));
    expect_no_loss();
  }
}

static void expect_one_epoch(void) {
  for (unsigned i = 0; i < 7200; i++) {
    pass_time(1000);
    for (uint32_t k = 0; k < 2; k++) tw_pairs_tick(nodes[k].pairs, now_ms);
    calm();
    for (uint32_t k = 0; k < 2; k++) assert_true(packet(&nodes[k], &nodes[1 - k]));
    calm();
    if (status_of(0, 1).pair.state == TW_PAIR_STEADY && status_of(1, 0).pair.state == TW_PAIR_STEADY) break;
  }
  assert_int_equal(status_of(0, 1).pair.state, TW_PAIR_STEADY);
  assert_int_equal(status_of(1, 0).pair.state, TW_PAIR_STEADY);
  assert_int_equal(status_of(0, 1).pair.epoch, status_of(1, 0).pair.epoch);
}

/* An update and several requests are on their way when the first response comes. */
static void a_response_counts_for_the_request_that_it_answers(void **state) {
  (void)state;
  for (uint32_t asker = 0; asker < 2; asker++) {
    for (uint64_t seed = 60; seed < 70; seed++) {
      begin_steady(seed);
      tw_pairs_rekey(nodes[asker].pairs, 1 - asker, now_ms);
      wait_without_mail(100);
      assert_true(nodes[1 - asker].letters >= 3);
      get_mail(seed % 2 == 0);
      expect_one_epoch();
      end();
    }
  }
}

static void requests_of_both_sides_do_not_cross(void **state) {
  (void)state;
  for (uint64_t seed = 70; seed < 90; seed++) {
    begin_steady(seed);
    for (uint32_t i = 0; i < 2; i++) tw_pairs_rekey(nodes[i].pairs, 1 - i, now_ms);
    wait_without_mail(seed % 2 == 0 ? 15 : 100);
    get_mail(seed % 4 < 2);
    expect_one_epoch();
    end();
  }
}

/* It is heard under the keys of its answer only after it has asked itself. */
static void who_has_answered_and_asks_goes_on_as_before(void **state) {
  (void)state;
  for (uint32_t asker = 0; asker < 2; asker++) {
    const uint32_t other = 1 - asker;
    begin_steady(90);
    tw_pairs_rekey(nodes[asker].pairs, other, now_ms);
    wait_without_mail(15);
    deliver_all(&nodes[other]);
    serve_all(&nodes[other]);
    deliver_all(&nodes[asker]);
    expect_no_loss();
    assert_int_equal(status_of(other, asker).pair.state, TW_PAIR_ANSWERED);
    wait_without_mail(15);
    assert_int_equal(status_of(other, asker).pair.state, TW_PAIR_ASKING);
    assert_true(packet(&nodes[asker], &nodes[other]));
    expect_no_loss();
    get_mail(true);
    expect_one_epoch();
    end();
  }
}

/* One begins ten seconds after the other, before it has got the other's server_hello. */
static void of_two_beginnings_both_sides_take_the_same(void **state) {
  (void)state;
  for (uint32_t first = 0; first < 2; first++) {
    const uint32_t second = 1 - first;
    for (uint32_t gets_first = 0; gets_first < 2; gets_first++) {
      begin(91);
      calm();
      tw_pairs_want(nodes[first].pairs, second, now_ms);
      serve_all(&nodes[first]);
      pass_time(10000);
      tw_pairs_want(nodes[second].pairs, first, now_ms);
      serve_all(&nodes[second]);
      node *a = &nodes[gets_first == 0 ? first : second];
      node *b = &nodes[1 - a->index];
      deliver_all(a);
      for (int i = 0; i < 2; i++) { /* packets are faster than the other one's mail */
        (void)packet(a, b);
        (void)packet(b, a);
      }
      deliver_all(b);
      for (int i = 0; i < 2; i++) {
        (void)packet(a, b);
        (void)packet(b, a);
      }
      calm();
      expect_no_loss();
      assert_int_not_equal(status_of(0, 1).pair.role, status_of(1, 0).pair.role);
      end();
    }
  }
}

/*
 * The second one begins more than a minute later, and takes the first one's pair then, by mail that was late. The first
 * one gives that up for the second one's, unless it hears a packet before: the first packet under it tells.
 */
static void a_pair_that_was_given_up_and_is_heard_is_begun_anew(void **state) {
  (void)state;
  begin(92);
  const uint32_t first = memcmp(&nodes[0].id, &nodes[1].id, sizeof nodes[0].id) < 0 ? 1u : 0u; /* the larger one */
  node *a = &nodes[first];
  node *b = &nodes[1 - first];
  calm();
  tw_pairs_want(a->pairs, b->index, now_ms);
  serve_all(a);
  pass_time(61000);
  tw_pairs_want(b->pairs, a->index, now_ms);
  serve_all(b);
  deliver_all(b);
  assert_true(packet(a, b));
  deliver_all(a);
  assert_int_equal(status_of(0, 1).pair.role, status_of(1, 0).pair.role); /* of two pairs, both as who is answered */
  pass_time(1000);
  (void)packet(b, a);
  for (int second = 0; second < 40; second++) {
    calm();
    pass_time(1000);
    for (uint32_t i = 0; i < 2; i++) {
      tw_pairs_tick(nodes[i].pairs, now_ms);
      (void)packet(&nodes[i], &nodes[1 - i]);
    }
  }
  expect_no_loss();
  assert_int_not_equal(status_of(0, 1).pair.role, status_of(1, 0).pair.role);
  end();
}

/* Letters are lost, too; the pair stays, since nobody loses its state. */
static void random_step(void) {
  node *n = &nodes[roll(2)];
  switch (roll(12)) {
  case 0:
  case 1:
  case 2: serve(n, false); break;
  case 3:
  case 4: deliver(n); break;
  case 5:
  case 6:
  case 7: assert_true(packet(n, &nodes[1 - n->index])); break;
  case 8: tw_pairs_rekey(n->pairs, 1 - n->index, now_ms); break;
  case 9:
  case 10:
    pass_time(roll(12000));
    tw_pairs_tick(n->pairs, now_ms);
    break;
  default:
    if (n->letters == 0 || roll(6) != 0) break;
    lose_letter(n);
    break;
  }
}

static void whatever_is_slow_or_lost_nothing_is_sent_in_vain(void **state) {
  (void)state;
  const unsigned rounds = tw_test_rounds(60, 2);
  const char *wanted = getenv("TREEWIRE_SEED");
  for (uint64_t seed = 100; seed < 100 + rounds; seed++) {
    if (wanted != NULL && strtoull(wanted, NULL, 10) != seed) continue;
    begin_steady(seed);
    for (unsigned i = 0; i < 1000; i++) {
      random_step();
      if (!takes(0, 1) || !takes(1, 0)) fail_msg("TREEWIRE_SEED=%u, step %u", (unsigned)seed, i);
    }
    get_mail(true);
    expect_one_epoch();
    end();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_response_counts_for_the_request_that_it_answers),
      cmocka_unit_test(requests_of_both_sides_do_not_cross),
      cmocka_unit_test(who_has_answered_and_asks_goes_on_as_before),
      cmocka_unit_test(of_two_beginnings_both_sides_take_the_same),
      cmocka_unit_test(a_pair_that_was_given_up_and_is_heard_is_begun_anew),
      cmocka_unit_test(whatever_is_slow_or_lost_nothing_is_sent_in_vain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
