/* Packets of clients that are not served any more. SPDX-License-Identifier: Apache-2.0 */
#include "whole_kit.h"

static void put_out(void *ctx, tw_control_caller *caller) {
  if (memcmp(tw_control_caller_id(caller), ctx, sizeof(tw_client_id)) == 0) tw_relay_put_out(caller, TW_ERR_CREDENTIAL);
}

static bool is_not(void *ctx, const tw_client_id *id, const void *user) {
  assert_null(user);
  return memcmp(id, ctx, sizeof *id) != 0;
}

/* By `a`, which has asked where `b` is: neither packets of b's, nor any to it. */
static void expect_no_packets(whole *w, whole_client *a, const whole_client *b, uint32_t number_a) {
  tw_forward_totals totals;
  uint64_t forwarded;
  whole_until(w, a->moves > 0 && a->moved.location.address.family == 0);
  assert_false(a->moved.location.online);
  tw_relay_totals(w->relay, &totals);
  forwarded = totals.out.packets;
  client_sends_packet(b, number_a, "of nobody");
  client_is_heard(a); /* so what came before it has been looked at */
  tw_relay_totals(w->relay, &totals);
  assert_int_equal(totals.out.packets, forwarded + 1); /* that answer alone */
  assert_int_equal(totals.clients, 1);
}

static void packets_stop_for_who_is_put_out(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_begin_two(&w, &a, &b);
  client_binds(&a);
  client_binds(&b);
  (void)client_locates(&a, &b);
  const uint32_t number_a = client_locates(&b, &a).number;
  client_sends_packet(&b, number_a, "of a client");
  client_gets_packet(&a, "of a client");
  tw_relay_each(w.relay, put_out, &b.id);
  whole_until(&w, w.gone == 1);
  client_stop(&b);
  expect_no_packets(&w, &a, &b, number_a);
  whole_end_two(&w, &a, &b);
}

static void packets_stop_for_who_is_put_out_while_away(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_begin_two(&w, &a, &b);
  client_binds(&a);
  client_binds(&b);
  (void)client_locates(&a, &b);
  const uint32_t number_a = client_locates(&b, &a).number;
  client_stop(&b);
  whole_until(&w, w.gone == 1);
  tw_relay_each_away(w.relay, is_not, &a.id); /* who is here is not asked for */
  client_sends_packet(&b, number_a, "over the loss");
  client_gets_packet(&a, "over the loss");
  whole_until(&w, a.moves > 0);
  assert_int_not_equal(a.moved.location.address.family, 0);
  tw_relay_each_away(w.relay, is_not, &b.id);
  expect_no_packets(&w, &a, &b, number_a);
  whole_end_two(&w, &a, &b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packets_stop_for_who_is_put_out),
      cmocka_unit_test(packets_stop_for_who_is_put_out_while_away),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
