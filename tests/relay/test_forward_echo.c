/* Keepalives are answered: to the bound address alone, and at the cost of who sends them. SPDX-License-Identifier: Apache-2.0 */
#include "forward_kit.h"

static void keepalive(kit *k, uint32_t client) { kit_send(k, client, 0, 0, 0); }

static void a_keepalive_is_answered_by_as_many_bytes_with_the_session_in_them(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  keepalive(k, 1);
  int64_t budget = INT64_MAX;
  tw_forward_message *messages;
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 1);
  uint8_t wanted[TW_FORWARD_ECHO] = {0};
  tw_put_u64(wanted + 4, k->clients[1].session);
  const struct iovec sent = tw_forward_packet(&messages[0], 0);
  assert_int_equal(TW_FORWARD_ECHO, TW_FORWARD_HEADER); /* as long as what was asked */
  assert_int_equal(messages[0].packets, 1);
  tw_test_same(TW_BYTES(sent.iov_base, sent.iov_len), TW_ARRAY(wanted));
  assert_true(kit_same_address(&messages[0].to, &k->clients[1].address));
  tw_forward_sent(k->forward, 1);
  kit_flush_all(k);
  assert_int_equal(k->delivered + k->echoed, 0); /* once */
  assert_int_equal(kit_totals(k).keepalives, 1);
  assert_int_equal(kit_totals(k).in.packets, 0);
  assert_int_equal(kit_totals(k).out.packets, 1);
  kit_close(k);
}

static void nobody_else_is_answered(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  kit_grant(k, 3); /* known, and has bound nothing */
  const tw_forward_address real = k->clients[1].address;
  for (unsigned i = 0; i < 4; i++) {
    tw_forward_address source = real;
    if (i == 0) source.ip[3] ^= 1;
    if (i == 1) source.port++;
    if (i == 2) source.scope = 1;
    if (i == 3) source = k->clients[2].address; /* another client's */
    kit_send_from(k, source, k->clients[1].session, 0, 0, 0);
  }
  keepalive(k, 3);
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 5);
  for (unsigned bit = 0; bit < 64; bit++) kit_send_from(k, real, k->clients[1].session ^ (UINT64_C(1) << bit), 0, 0, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_SESSION), 64);
  for (size_t len = 1; len < 40; len++)
    if (len != TW_FORWARD_TOKEN) kit_send(k, 1, 0, 7, len);
  assert_int_equal(kit_dropped(k, TW_FORWARD_MALFORMED), 38);
  uint8_t header[TW_FORWARD_HEADER];
  (void)kit_put(header, k->clients[1].session, 0, 0, 0);
  for (size_t len = 0; len < sizeof header; len++) kit_take(k, real, TW_BYTES(header, len), 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_MALFORMED), 38 + TW_FORWARD_HEADER);
  kit_flush_all(k);
  assert_int_equal(k->delivered + k->echoed, 0);
  assert_int_equal(kit_totals(k).keepalives, 0);
  kit_close(k);
}

static void an_answer_goes_by_the_socket_and_to_the_address_that_were_bound(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  k->clients[1].address.socket = 2;
  kit_bind_all(k, 1);
  tw_forward_address source = k->clients[1].address;
  source.socket = 0;
  kit_send_from(k, source, k->clients[1].session, 0, 0, 0);
  kit_flush_all(k);
  assert_int_equal(kit_echoes(k, 1), 1);
  /* It is bound anew while an answer waits. */
  keepalive(k, 1);
  k->clients[1].address = kit_address(9);
  kit_bind(k, 1);
  kit_flush_all(k);
  assert_int_equal(k->echoed, 1);
  assert_int_equal(kit_echoes(k, 1), 1);
  kit_close(k);
}

static void an_answer_that_waits_goes_with_its_client(void **state) {
  (void)state;
  for (unsigned how = 0; how < 2; how++) {
    kit *k = kit_open(NULL);
    kit_bind_all(k, 2);
    keepalive(k, 1);
    keepalive(k, 2);
    if (how == 0)
      tw_forward_unbind(k->forward, 1);
    else
      tw_forward_remove(k->forward, 1);
    kit_flush_all(k);
    assert_int_equal(k->echoed, 1);
    assert_int_equal(kit_echoes(k, 2), 1);
    assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), 1);
    keepalive(k, 1);
    kit_flush_all(k);
    assert_int_equal(k->echoed, 0); /* nor after a start of the relay: it knows nobody then */
    kit_close(k);
  }
}

static void answers_and_packets_of_one_datagram_go_on_in_order(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  static uint8_t datagram[200 * TW_FORWARD_HEADER];
  size_t size = 0;
  for (unsigned i = 0; i < 200; i++) size += kit_put(datagram + size, k->clients[1].session, 0, 0, 0);
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER);
  kit_flush_all(k);
  assert_int_equal(kit_echoes(k, 1), 200);
  assert_int_equal(k->messages, 4); /* joined as packets are */
  size = kit_put(datagram, k->clients[1].session, 2, 7, 30);
  size += kit_put(datagram + size, k->clients[1].session, 2, 8, 30);
  size += kit_put(datagram + size, k->clients[1].session, 0, 0, 0);
  kit_take(k, k->clients[1].address, TW_BYTES(datagram, size), TW_FORWARD_HEADER + 30);
  keepalive(k, 1);
  kit_send(k, 2, 1, 9, 12);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 3);
  assert_true(kit_got(k, 2, 7) && kit_got(k, 2, 8) && kit_got(k, 1, 9));
  assert_int_equal(kit_echoes(k, 1), 2);
  kit_close(k);
}

/* ---- what it costs ---- */

static void an_answer_counts_against_the_rate(void **state) {
  (void)state;
  enum { COST = TW_FORWARD_ECHO + TW_FORWARD_OVERHEAD };
  kit *k = kit_open(&(tw_forward_options){.rate = 100 * COST, .burst = 10 * COST});
  kit_bind_all(k, 2);
  for (unsigned i = 0; i < 25; i++) keepalive(k, 1);
  keepalive(k, 2);
  kit_flush_all(k);
  assert_int_equal(kit_echoes(k, 1), 10);
  assert_int_equal(kit_echoes(k, 2), 1);
  assert_int_equal(kit_dropped(k, TW_FORWARD_OVER_RATE), 15);
  assert_int_equal(kit_stats(k, 1).over.packets, 15);
  assert_int_equal(kit_stats(k, 1).charged, 10 * COST);
  kit_send(k, 1, 2, 5, 100); /* nothing is left for packets */
  assert_int_equal(kit_dropped(k, TW_FORWARD_OVER_RATE), 16);
  k->now_us += KIT_SECOND / 20;
  for (unsigned i = 0; i < 25; i++) keepalive(k, 1);
  kit_flush_all(k);
  assert_int_equal(kit_echoes(k, 1), 5);
  assert_true(kit_stats(k, 1).bound); /* all of them have been heard */
  kit_close(k);
}

static void who_floods_with_keepalives_pushes_nobody_out_and_takes_turns(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.quantum = 1500});
  kit_bind_all(k, 3);
  for (unsigned i = 0; i < 10 * KIT_SLOTS; i++) keepalive(k, 1);
  assert_true(kit_dropped(k, TW_FORWARD_OVER_SHARE) > 0);
  for (unsigned i = 0; i < 20; i++) kit_send(k, 2, 3, i, 100);
  for (unsigned i = 0; i < 10 * KIT_SLOTS; i++) keepalive(k, 1);
  assert_int_equal(kit_stats(k, 2).in_dropped.packets, 0);
  kit_flush(k, 2 * 20 * (100 + TW_FORWARD_OVERHEAD)); /* half of it is the other's */
  assert_true(k->delivered >= 18);
  kit_flush_all(k);
  kit_close(k);
}

static void an_answer_that_the_socket_refuses_is_dropped(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 1);
  keepalive(k, 1);
  int64_t budget = INT64_MAX;
  tw_forward_message *messages;
  assert_int_equal(tw_forward_batch(k->forward, &budget, k->now_us, &messages), 1);
  tw_forward_unsent(k->forward);
  assert_int_equal(kit_dropped(k, TW_FORWARD_UNSENT), 1);
  kit_flush_all(k);
  kit_close(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_keepalive_is_answered_by_as_many_bytes_with_the_session_in_them),
      cmocka_unit_test(nobody_else_is_answered),
      cmocka_unit_test(an_answer_goes_by_the_socket_and_to_the_address_that_were_bound),
      cmocka_unit_test(an_answer_that_waits_goes_with_its_client),
      cmocka_unit_test(answers_and_packets_of_one_datagram_go_on_in_order),
      cmocka_unit_test(an_answer_counts_against_the_rate),
      cmocka_unit_test(who_floods_with_keepalives_pushes_nobody_out_and_takes_turns),
      cmocka_unit_test(an_answer_that_the_socket_refuses_is_dropped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
