/* Shares of addresses, rates, and what is half open. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/admission.h"

enum { SECOND = 1000000 };
static const uint64_t start_us = 5000000000;

static tw_admission *open_with(tw_admission_limits limits) {
  tw_admission *admission;
  assert_int_equal(tw_admission_new(&limits, 77, &admission), TW_OK);
  return admission;
}

static tw_source source_at(uint32_t n) { return (tw_source){.low = n}; }

static tw_admission_word enter(tw_admission *admission, tw_source source, uint64_t now_us, tw_pass **pass) {
  tw_admission_word word;
  tw_pass *made;
  assert_int_equal(tw_admission_enter(admission, source, now_us, &word, &made), TW_OK);
  assert_true((made != NULL) == (word == TW_ADMITTED));
  if (pass != NULL) *pass = made;
  return word;
}

static tw_source parse(const char *text) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  struct sockaddr_in four = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, text, &four.sin_addr) == 1) return tw_source_of((struct sockaddr *)(void *)&four);
  assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
  return tw_source_of((struct sockaddr *)(void *)&six);
}

static bool same(tw_source a, tw_source b) { return a.high == b.high && a.low == b.low; }

static void an_address_is_ipv4_or_half_of_ipv6(void **state) {
  (void)state;
  assert_true(same(parse("192.0.2.1"), parse("192.0.2.1")));
  assert_false(same(parse("192.0.2.1"), parse("192.0.2.2")));
  assert_true(same(parse("192.0.2.1"), parse("::ffff:192.0.2.1")));
  assert_true(same(parse("2001:db8:1:2::1"), parse("2001:db8:1:2:ffff:ffff:ffff:ffff")));
  assert_false(same(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1")));
  const struct sockaddr other = {.sa_family = AF_UNIX};
  assert_true(same(tw_source_of(&other), (tw_source){0}));
}

static void an_address_has_its_share(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){.half_open_per_address = 3});
  tw_pass *passes[3];
  for (unsigned i = 0; i < 3; i++) assert_int_equal(enter(admission, source_at(1), start_us, &passes[i]), TW_ADMITTED);
  assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_OVER_SHARE);
  assert_int_equal(enter(admission, source_at(2), start_us, NULL), TW_ADMITTED);
  tw_admission_leave(admission, passes[1]);
  assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_ADMITTED);
  assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_OVER_SHARE);
  assert_int_equal(tw_admission_half_open(admission), 4);
  tw_admission_free(admission);
}

static void too_many_in_all_push_out_the_oldest(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){.half_open = 3});
  tw_pass *passes[4];
  for (unsigned i = 0; i < 4; i++) {
    assert_null(tw_admission_surplus(admission));
    assert_int_equal(enter(admission, source_at(i), start_us, &passes[i]), TW_ADMITTED);
  }
  assert_ptr_equal(tw_admission_surplus(admission), passes[0]);
  tw_admission_leave(admission, passes[2]); /* established, as it were */
  assert_null(tw_admission_surplus(admission));
  assert_int_equal(enter(admission, source_at(9), start_us, &passes[2]), TW_ADMITTED);
  assert_ptr_equal(tw_admission_surplus(admission), passes[0]);
  tw_admission_leave(admission, passes[0]);
  assert_int_equal(enter(admission, source_at(9), start_us, NULL), TW_ADMITTED);
  assert_ptr_equal(tw_admission_surplus(admission), passes[1]);
  tw_admission_free(admission);
}

static void an_address_has_its_rate(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){.handshakes_per_second = 10, .handshake_burst = 5});
  tw_pass *pass;
  for (unsigned i = 0; i < 5; i++) assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_ADMITTED);
  assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_OVER_RATE);
  assert_int_equal(enter(admission, source_at(1), start_us + SECOND / 10 - 1, NULL), TW_OVER_RATE);
  assert_int_equal(enter(admission, source_at(1), start_us + SECOND / 10, &pass), TW_ADMITTED);
  assert_int_equal(enter(admission, source_at(1), start_us + SECOND / 10, NULL), TW_OVER_RATE);
  assert_int_equal(enter(admission, source_at(2), start_us, NULL), TW_ADMITTED);
  /* What was used does not come back by leaving. */
  tw_admission_leave(admission, pass);
  assert_int_equal(enter(admission, source_at(1), start_us + SECOND / 10, NULL), TW_OVER_RATE);
  /* In the long run it is the rate, and never more than the burst at once. */
  unsigned admitted = 0;
  for (uint64_t at = start_us + SECOND; at < start_us + 11 * (uint64_t)SECOND; at += 7919)
    admitted += enter(admission, source_at(3), at, NULL) == TW_ADMITTED;
  assert_in_range(admitted, 100, 106);
  admitted = 0;
  for (unsigned i = 0; i < 50; i++)
    admitted += enter(admission, source_at(3), start_us + 100 * (uint64_t)SECOND, NULL) == TW_ADMITTED;
  assert_int_equal(admitted, 5);
  tw_admission_free(admission);
}

/* Past the rate of all nobody is refused: the next ones are taken later. */
static void all_together_have_a_rate(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){.handshakes_in_all = 100, .handshakes_per_second = 1});
  uint64_t at = start_us;
  unsigned admitted = 0;
  for (uint32_t i = 0; at < start_us + 10 * (uint64_t)SECOND; i++) {
    assert_int_equal(enter(admission, source_at(i), at, NULL), TW_ADMITTED);
    admitted++;
    /* Who is refused at the door does not count. */
    assert_int_equal(enter(admission, source_at(i), at, NULL), TW_OVER_RATE);
    at += tw_admission_wait_us(admission, at);
  }
  assert_in_range(admitted, 1000, 1020);
  assert_int_equal(tw_admission_wait_us(admission, at + SECOND), 0);
  tw_admission_free(admission);
}

static void no_limits_let_everybody_in(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){0});
  for (unsigned i = 0; i < 5000; i++) assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_ADMITTED);
  assert_null(tw_admission_surplus(admission));
  tw_admission_free(admission);
}

/* Whoever has many addresses fills nothing: those that are idle are forgotten, the longest away first. */
static void many_addresses_take_bounded_memory(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){.handshakes_per_second = 1, .handshake_burst = 1});
  tw_pass *pass, *held;
  assert_int_equal(enter(admission, source_at(1), start_us, &held), TW_ADMITTED);
  for (uint32_t i = 10; i < 10 + 3 * TW_ADMISSION_ADDRESSES; i++) {
    assert_int_equal(enter(admission, (tw_source){.high = (uint64_t)i << 20}, start_us, &pass), TW_ADMITTED);
    tw_admission_leave(admission, pass);
    assert_true(tw_admission_addresses(admission) <= TW_ADMISSION_ADDRESSES);
  }
  assert_int_equal(tw_admission_addresses(admission), TW_ADMISSION_ADDRESSES);
  /* Who is half open is not forgotten, nor who came last. */
  assert_int_equal(enter(admission, source_at(1), start_us, NULL), TW_OVER_RATE);
  const tw_source last = {.high = (uint64_t)(9 + 3 * TW_ADMISSION_ADDRESSES) << 20};
  assert_int_equal(enter(admission, last, start_us, NULL), TW_OVER_RATE);
  tw_admission_leave(admission, held);
  assert_int_equal(tw_admission_half_open(admission), 0);
  tw_admission_free(admission);
}

static void lines_about_strangers_are_rationed(void **state) {
  (void)state;
  tw_admission *admission = open_with((tw_admission_limits){.stranger_lines = 6});
  tw_pass *pass;
  unsigned told = 0;
  for (unsigned i = 0; i < 20; i++) {
    assert_int_equal(enter(admission, source_at(1), start_us, &pass), TW_ADMITTED);
    const bool first = tw_admission_tells(admission, pass, start_us);
    assert_int_equal(tw_admission_tells(admission, pass, start_us), first); /* all of it, or nothing */
    told += first;
  }
  assert_int_equal(told, 6);
  assert_int_equal(enter(admission, source_at(1), start_us, &pass), TW_ADMITTED);
  assert_true(tw_admission_tells(admission, pass, start_us + 10 * (uint64_t)SECOND));
  tw_admission_free(admission);
  admission = open_with((tw_admission_limits){0});
  for (unsigned i = 0; i < 1000; i++) {
    assert_int_equal(enter(admission, source_at(1), start_us, &pass), TW_ADMITTED);
    assert_true(tw_admission_tells(admission, pass, start_us));
  }
  tw_admission_free(admission);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_is_ipv4_or_half_of_ipv6),
      cmocka_unit_test(an_address_has_its_share),
      cmocka_unit_test(too_many_in_all_push_out_the_oldest),
      cmocka_unit_test(an_address_has_its_rate),
      cmocka_unit_test(all_together_have_a_rate),
      cmocka_unit_test(no_limits_let_everybody_in),
      cmocka_unit_test(many_addresses_take_bounded_memory),
      cmocka_unit_test(lines_about_strangers_are_rationed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
