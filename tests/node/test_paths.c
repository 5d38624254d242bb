/* Ways to a peer: probes, answers, lapses, and who may take whose place. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <arpa/inet.h>
#include <string.h>

#include "codec/writer.h"
#include "node/paths.h"
#include "packet_kit.h"
#include "support/tw_test_env.h"

static tw_path path;
static uint64_t now;
static uint16_t next_nonce;

/* Probes of one round. */
static struct {
  tw_udp_address to;
  uint8_t nonce[8];
} sent[TW_PATH_CANDIDATES];
static size_t sent_count;

static tw_udp_address address(unsigned host, unsigned port) {
  tw_udp_address a = {.in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
  a.in4.sin_addr.s_addr = htonl(0xcb007100u + host);
  return a;
}

static int begin(void **state) {
  (void)state;
  memset(&path, 0, sizeof path);
  now = 1000000;
  next_nonce = 0;
  sent_count = 0;
  return 0;
}

static bool offer(tw_path_source source, unsigned host) {
  const tw_udp_address a = address(host, 9420);
  return tw_path_offer(&path, source, &a);
}

static void probe(void) {
  sent_count = 0;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    uint8_t nonce[8] = {0};
    tw_put_u16(nonce, ++next_nonce);
    tw_udp_address to;
    if (!tw_path_probe(&path, i, nonce, &to)) continue;
    sent[sent_count].to = to;
    memcpy(sent[sent_count++].nonce, nonce, 8);
  }
  tw_path_probed(&path, now);
}

static bool answers(size_t which, unsigned from) {
  const tw_udp_address a = address(from, 9420);
  return tw_path_answered(&path, sent[which].nonce, &a, now);
}

static bool is_direct_by(unsigned host) {
  const tw_udp_address a = address(host, 9420);
  return path.is_direct && tw_udp_address_equal(&path.direct, &a);
}

static size_t probe_of(unsigned host) {
  const tw_udp_address a = address(host, 9420);
  for (size_t i = 0; i < sent_count; i++) {
    if (tw_udp_address_equal(&sent[i].to, &a)) return i;
  }
  return TW_PATH_CANDIDATES;
}

static void make_direct(unsigned host) {
  assert_true(offer(TW_PATH_FROM_RELAY, host));
  assert_true(tw_path_used(&path, now));
  probe();
  assert_true(answers(probe_of(host), host));
  assert_true(is_direct_by(host));
}

/* ---- */

static void test_without_packets_or_addresses_nothing_is_probed(void **state) {
  (void)state;
  assert_false(tw_path_used(&path, now)); /* nowhere to */
  begin(NULL);
  assert_true(offer(TW_PATH_FROM_RELAY, 1));
  assert_false(tw_path_is_due(&path, now)); /* nothing for it */
  assert_true(tw_path_used(&path, now));
}

static void test_a_way_is_left_alone_without_packets_and_tried_again_with_the_next(void **state) {
  (void)state;
  make_direct(1);
  now += TW_PATH_QUIET_MS + 1;
  assert_false(tw_path_is_due(&path, now));
  assert_true(tw_path_tick(&path, now));
  assert_false(path.is_direct);
  assert_true(tw_path_used(&path, now));
}

static void test_each_address_is_probed_once_a_round_and_less_and_less_often(void **state) {
  (void)state;
  assert_true(offer(TW_PATH_FROM_RELAY, 1));
  assert_true(offer(TW_PATH_FROM_FILE, 2));
  assert_false(offer(TW_PATH_FROM_PEER, 1)); /* the same as the relay's */
  uint64_t pause = 0;
  for (int round = 0; round < 20; round++) {
    assert_true(tw_path_used(&path, now));
    probe();
    assert_int_equal(sent_count, 2);
    const uint64_t next = path.probe_at_ms - now;
    assert_true(next >= pause && next <= TW_PATH_ROUNDS_MS);
    assert_true(next == pause * 2 || round == 0 || next == TW_PATH_ROUNDS_MS);
    pause = next;
    assert_false(tw_path_used(&path, now + next - 1));
    now += next;
  }
  assert_int_equal(pause, TW_PATH_ROUNDS_MS);
}

static void test_an_answer_makes_a_way_of_the_address_that_was_probed_alone(void **state) {
  (void)state;
  assert_true(offer(TW_PATH_FROM_RELAY, 1));
  assert_true(offer(TW_PATH_FROM_FILE, 2));
  (void)tw_path_used(&path, now);
  probe();
  assert_false(answers(0, 3)); /* from elsewhere: behind a NAT that gives each destination another port, for one */
  assert_false(answers(0, 2)); /* the nonce went to 1 */
  assert_false(path.is_direct);
  sent[0].nonce[7] ^= 1;
  assert_false(answers(0, 1));
  sent[0].nonce[7] ^= 1;
  assert_true(answers(0, 1));
  assert_int_equal(path.changes, 1);
  assert_false(answers(0, 1)); /* once */
  assert_true(is_direct_by(1));
}

static void test_a_nonce_that_was_never_sent_answers_nothing(void **state) {
  (void)state;
  const uint8_t zero[8] = {0};
  const tw_udp_address a = address(1, 9420);
  assert_true(offer(TW_PATH_FROM_RELAY, 1));
  assert_false(tw_path_answered(&path, zero, &a, now));
  make_direct(2);
  assert_false(tw_path_answered(&path, zero, &a, now));
}

static void test_an_answer_may_take_longer_than_to_the_next_probes(void **state) {
  (void)state;
  assert_true(offer(TW_PATH_FROM_RELAY, 1));
  (void)tw_path_used(&path, now);
  probe();
  uint8_t first[8];
  memcpy(first, sent[0].nonce, 8);
  for (int i = 0; i < 4; i++) {
    now = path.probe_at_ms;
    probe();
  }
  const tw_udp_address a = address(1, 9420);
  assert_true(tw_path_answered(&path, first, &a, now));
}

static void test_a_working_way_is_refreshed_and_the_next_nonce_is_another(void **state) {
  (void)state;
  make_direct(1);
  uint8_t first[8];
  memcpy(first, sent[0].nonce, 8);
  assert_int_equal(path.probe_at_ms, now + TW_PATH_REFRESH_MS);
  for (int i = 0; i < 100; i++) {
    now += TW_PATH_REFRESH_MS;
    assert_false(tw_path_tick(&path, now));
    assert_true(tw_path_used(&path, now));
    probe();
    assert_int_equal(sent_count, 1);
    assert_memory_not_equal(sent[0].nonce, first, 8);
    assert_false(answers(0, 1)); /* true: nothing has changed */
  }
  assert_true(is_direct_by(1));
  assert_int_equal(path.changes, 1);
}

static void test_a_way_survives_lost_probes_and_lapses_without_answers(void **state) {
  (void)state;
  make_direct(1);
  const uint64_t since = now;
  int probes = 0;
  while (!tw_path_tick(&path, now)) {
    if (tw_path_used(&path, now)) {
      probe();
      probes++;
    }
    now += 250;
  }
  assert_int_equal(now - since, TW_PATH_LAPSE_MS);
  assert_true(probes >= 4);
  assert_false(path.is_direct);
  assert_int_equal(path.changes, 2);
  assert_true(tw_path_used(&path, now)); /* tried anew at once */
  probe();
  assert_true(answers(probe_of(1), 1));
}

static void test_a_peer_that_moves_is_followed_as_soon_as_it_answers_from_there(void **state) {
  (void)state;
  make_direct(1);
  now += 3000;
  assert_true(offer(TW_PATH_FROM_PEER, 7));
  assert_true(tw_path_used(&path, now));
  assert_true(is_direct_by(1)); /* nothing has shown yet that it is there: an attacker may have sent its packet on */
  probe();
  assert_int_equal(sent_count, 2);
  const size_t old = probe_of(1);
  assert_true(answers(probe_of(7), 7));
  assert_true(is_direct_by(7));
  /* The old one answers late, and changes nothing. */
  now += 100;
  assert_false(answers(old, 1));
  assert_true(is_direct_by(7));
}

static void test_a_copied_packet_from_elsewhere_does_not_take_the_way_away(void **state) {
  (void)state;
  make_direct(1);
  for (int i = 0; i < 1000; i++) {
    (void)offer(TW_PATH_FROM_PEER, 7); /* nobody answers there */
    if (tw_path_used(&path, now)) {
      probe();
      if (probe_of(1) < sent_count) (void)answers(probe_of(1), 1);
    }
    assert_false(tw_path_tick(&path, now));
    now += 250;
  }
  assert_true(is_direct_by(1));
  assert_int_equal(path.changes, 1);
}

static void test_an_address_that_never_answers_is_tried_a_few_times_beside_the_way_in_use(void **state) {
  (void)state;
  make_direct(1);
  assert_true(offer(TW_PATH_FROM_FILE, 2));
  int tried = 0;
  for (int i = 0; i < 400; i++) {
    if (tw_path_used(&path, now)) {
      probe();
      tried += probe_of(2) < sent_count;
      if (probe_of(1) < sent_count) (void)answers(probe_of(1), 1);
    }
    now += 250;
  }
  assert_int_equal(tried, TW_PATH_TRIES);
}

static void test_another_address_takes_the_place_of_a_way_that_answers_no_more(void **state) {
  (void)state;
  make_direct(1);
  assert_true(offer(TW_PATH_FROM_FILE, 2));
  (void)tw_path_used(&path, now += 500);
  probe();
  assert_false(answers(probe_of(2), 2)); /* good, too, but no better */
  assert_true(is_direct_by(1));
  now += TW_PATH_REFRESH_MS + 2 * TW_PATH_ANSWER_MS;
  assert_false(tw_path_tick(&path, now));
  probe();
  assert_true(answers(probe_of(2), 2));
  assert_true(is_direct_by(2));
}

static void test_packets_from_many_places_do_not_make_us_probe_with_each(void **state) {
  (void)state;
  make_direct(1);
  int rounds = 0;
  for (unsigned i = 0; i < 10000; i++) { /* a second */
    (void)offer(TW_PATH_FROM_PEER, 2 + i % 200);
    if (tw_path_used(&path, now + i / 10)) {
      const uint64_t at = now;
      now += i / 10;
      probe();
      now = at;
      rounds++;
    }
  }
  assert_in_range(rounds, 1, 1000 / TW_PATH_ROUND_MS + 1);
}

static void test_an_address_that_the_system_refuses_is_left_at_once(void **state) {
  (void)state;
  make_direct(1);
  const tw_udp_address other = address(2, 9420);
  const tw_udp_address direct = address(1, 9420);
  assert_false(tw_path_failed(&path, &other));
  assert_true(tw_path_failed(&path, &direct));
  assert_false(path.is_direct);
  assert_false(tw_path_failed(&path, &direct));
  now += TW_PATH_ROUND_MS;
  assert_true(tw_path_used(&path, now));
  probe();
  assert_true(answers(probe_of(1), 1)); /* it is back */
}

/* Of a node that another one takes the place of. */
static void test_a_way_that_was_used_before_us_is_used_on_and_has_to_answer(void **state) {
  (void)state;
  const tw_udp_address a = address(1, 9420);
  tw_path_resume(&path, &a, now - TW_PATH_LAPSE_MS + 100, now);
  assert_true(path.is_direct && tw_udp_address_equal(&path.direct, &a));
  assert_true(tw_path_is_due(&path, now));
  now += 99;
  assert_false(tw_path_tick(&path, now));
  now += 1;
  assert_true(tw_path_tick(&path, now));
  assert_false(path.is_direct);
  tw_path_resume(&path, &a, now - TW_PATH_LAPSE_MS + 100, now);
  probe();
  assert_int_equal(sent_count, 1);
  assert_false(answers(0, 1)); /* it is no other way */
  now += TW_PATH_LAPSE_MS - 1;
  assert_false(tw_path_tick(&path, now));
}

static void test_a_reset_tries_all_anew(void **state) {
  (void)state;
  assert_false(tw_path_reset(&path));
  make_direct(1);
  assert_true(tw_path_reset(&path));
  assert_false(path.is_direct);
  assert_true(tw_path_used(&path, now));
  probe();
  assert_int_equal(path.changes, 2);
  assert_true(answers(probe_of(1), 1));
}

/* ---- two sides behind NATs ---- */

/* A NAT that lets in what comes from hosts that it has sent to. `maps`: another port for each destination. */
typedef struct side {
  tw_path path;
  bool maps;
  bool opened[3]; /* to the other side's port */
  unsigned host;
} side;

enum { FIRST_PORT = 100 };

static unsigned port_towards(const side *from, const side *to) { return FIRST_PORT + (from->maps ? to->host : 0); }

/* What `from` sends to `port` of `to` arrives or not; who gets through is heard there. */
static bool passes(side *from, side *to, unsigned port) {
  from->opened[to->host] = true;
  const bool right_port = port == port_towards(to, from);
  if (!right_port || !to->opened[from->host]) return false;
  const tw_udp_address seen = address(from->host, port_towards(from, to));
  (void)tw_path_offer(&to->path, TW_PATH_FROM_PEER, &seen);
  return true;
}

static void run_side(side *one, side *other) {
  if (!tw_path_used(&one->path, now)) return;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    uint8_t nonce[8] = {0};
    tw_put_u16(nonce, ++next_nonce);
    tw_udp_address to;
    if (!tw_path_probe(&one->path, i, nonce, &to)) continue;
    if (!passes(one, other, ntohs(to.in4.sin_port))) continue;
    if (!passes(other, one, port_towards(one, other))) continue;
    const tw_udp_address from = address(other->host, port_towards(other, one));
    (void)tw_path_answered(&one->path, nonce, &from, now);
  }
  tw_path_probed(&one->path, now);
}

static void meet(bool one_maps, bool two_maps, bool expected) {
  side one = {.host = 1, .maps = one_maps};
  side two = {.host = 2, .maps = two_maps};
  /* The relay is host 0: a NAT that maps shows it another port than the peer will see. */
  const side relay = {.host = 0};
  const tw_udp_address first = address(1, one_maps ? port_towards(&one, &relay) + 1000 : FIRST_PORT);
  const tw_udp_address second = address(2, two_maps ? port_towards(&two, &relay) + 1000 : FIRST_PORT);
  (void)tw_path_offer(&two.path, TW_PATH_FROM_RELAY, &first);
  (void)tw_path_offer(&one.path, TW_PATH_FROM_RELAY, &second);
  for (int i = 0; i < 40; i++) {
    run_side(&one, &two);
    run_side(&two, &one);
    now += 100;
  }
  assert_int_equal(one.path.is_direct, expected);
  assert_int_equal(two.path.is_direct, expected);
}

static void test_two_behind_nats_open_them_for_each_other(void **state) {
  (void)state;
  meet(false, false, true);
}

static void test_one_nat_that_maps_each_destination_differently_is_found_out_by_where_the_peer_was_heard(void **state) {
  (void)state;
  meet(true, false, true);
  begin(NULL);
  meet(false, true, true);
}

static void test_two_nats_that_do_stay_with_the_relay(void **state) {
  (void)state;
  meet(true, true, false);
}

/* Looks, offers, packets, answers and resets in any order: before its deadline nothing is to be done. */
static void test_nothing_is_due_before_the_deadline(void **state) {
  (void)state;
  uint64_t dice = 5;
  unsigned done = 0, rests = 0;
  for (unsigned round = 0; round < tw_test_rounds(20000, 500); round++) {
    switch (packet_dice(&dice) % 8) {
    case 0: (void)offer((tw_path_source)(packet_dice(&dice) % TW_PATH_IN_USE), 1 + packet_dice(&dice) % 3); break;
    case 1:
      if (tw_path_used(&path, now)) probe();
      break;
    case 2:
      if (sent_count > 0) (void)answers(packet_dice(&dice) % sent_count, 1 + packet_dice(&dice) % 3);
      break;
    case 3:
      if (packet_dice(&dice) % 8 == 0) (void)tw_path_reset(&path);
      break;
    default: break;
    }
    const uint64_t at = tw_path_deadline(&path, now);
    const uint64_t step = packet_dice(&dice) % 4 == 0 ? packet_dice(&dice) % 200000 : packet_dice(&dice) % 3000;
    if (at <= now + step) {
      if (at > now) now = at;
    } else {
      now += step;
      rests += at == UINT64_MAX;
    }
    const bool lapsed = tw_path_tick(&path, now);
    const bool due = tw_path_is_due(&path, now);
    if (lapsed || due) assert_true(at <= now);
    if (due) probe();
    done += lapsed || due;
  }
  assert_true(done > 0 && rests > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_nothing_is_due_before_the_deadline, begin),
      cmocka_unit_test_setup(test_without_packets_or_addresses_nothing_is_probed, begin),
      cmocka_unit_test_setup(test_a_way_is_left_alone_without_packets_and_tried_again_with_the_next, begin),
      cmocka_unit_test_setup(test_each_address_is_probed_once_a_round_and_less_and_less_often, begin),
      cmocka_unit_test_setup(test_an_answer_makes_a_way_of_the_address_that_was_probed_alone, begin),
      cmocka_unit_test_setup(test_a_nonce_that_was_never_sent_answers_nothing, begin),
      cmocka_unit_test_setup(test_an_answer_may_take_longer_than_to_the_next_probes, begin),
      cmocka_unit_test_setup(test_a_working_way_is_refreshed_and_the_next_nonce_is_another, begin),
      cmocka_unit_test_setup(test_a_way_survives_lost_probes_and_lapses_without_answers, begin),
      cmocka_unit_test_setup(test_a_peer_that_moves_is_followed_as_soon_as_it_answers_from_there, begin),
      cmocka_unit_test_setup(test_a_copied_packet_from_elsewhere_does_not_take_the_way_away, begin),
      cmocka_unit_test_setup(test_an_address_that_never_answers_is_tried_a_few_times_beside_the_way_in_use, begin),
      cmocka_unit_test_setup(test_another_address_takes_the_place_of_a_way_that_answers_no_more, begin),
      cmocka_unit_test_setup(test_packets_from_many_places_do_not_make_us_probe_with_each, begin),
      cmocka_unit_test_setup(test_an_address_that_the_system_refuses_is_left_at_once, begin),
      cmocka_unit_test_setup(test_a_way_that_was_used_before_us_is_used_on_and_has_to_answer, begin),
      cmocka_unit_test_setup(test_a_reset_tries_all_anew, begin),
      cmocka_unit_test_setup(test_two_behind_nats_open_them_for_each_other, begin),
      cmocka_unit_test_setup(
          test_one_nat_that_maps_each_destination_differently_is_found_out_by_where_the_peer_was_heard, begin),
      cmocka_unit_test_setup(test_two_nats_that_do_stay_with_the_relay, begin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
