/* The rules of the packet relay: sessions, tokens, addresses, destinations. SPDX-License-Identifier: Apache-2.0 */
#include "forward_kit.h"

static void a_packet_goes_to_the_address_that_its_receiver_bound(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  kit_send(k, 1, 2, 42, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  assert_int_equal(k->deliveries[0].len, 100);
  assert_true(kit_got(k, 2, 42));
  const tw_forward_client_stats sender = kit_stats(k, 1), receiver = kit_stats(k, 2);
  assert_true(sender.in.packets == 1 && sender.in.bytes == 100 && sender.out.packets == 0);
  assert_true(sender.charged == 100 + TW_FORWARD_OVERHEAD);
  assert_true(receiver.out.packets == 1 && receiver.out.bytes == 100 && receiver.in.packets == 0);
  assert_true(receiver.charged == 0);
  kit_close(k);
}

static void nothing_goes_to_who_has_not_bound(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind(k, 1);
  kit_grant(k, 2); /* known, has a token, did not use it */
  kit_send(k, 1, 2, 1, 100);
  kit_send(k, 1, 3, 2, 100);          /* not known */
  kit_send(k, 1, 0x7fffffff, 3, 100); /* not known */
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 3);
  assert_false(kit_stats(k, 2).bound);
  /* It sends before it has bound: nothing either. */
  kit_send(k, 2, 1, 4, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 1);
  kit_close(k);
}

static void nothing_goes_back_to_its_sender(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  kit_set_group(k, 2);
  kit_send(k, 1, 1, 1, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 1);
  kit_send(k, 1, KIT_GROUP, 2, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  assert_true(kit_got(k, 2, 2));
  kit_close(k);
}

static void a_spoofed_source_is_dropped(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  const tw_forward_address real = k->clients[1].address;
  for (unsigned i = 0; i < 7; i++) {
    tw_forward_address source = real;
    if (i < 4) source.ip[i] ^= 1;
    if (i == 4) source.port++;
    if (i == 5) source.family = 6;
    if (i == 6) source = k->clients[3].address; /* another client's, even */
    kit_send_from(k, source, k->clients[1].session, 2, i, 100);
    kit_send_from(k, source, k->clients[1].session, 0, i, 0); /* nor as a keepalive */
  }
  kit_flush_all(k);
  assert_int_equal(k->delivered + k->echoed, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 14);
  assert_int_equal(kit_totals(k).keepalives, 0);
  /* Not laid to the client's charge. */
  assert_true(kit_stats(k, 1).in_dropped.packets == 0);
  kit_close(k);
}

static void scope_is_part_of_an_address_and_the_local_socket_is_not(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  k->clients[1].address = (tw_forward_address){
      .ip = {0xfe, 0x80, [15] = 1}, .scope = 3, .port = 500, .family = 6, .socket = 2};
  kit_bind_all(k, 2);
  tw_forward_address source = k->clients[1].address;
  source.scope = 4;
  kit_send_from(k, source, k->clients[1].session, 2, 1, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 1);
  source.scope = 3;
  source.socket = 0;
  kit_send_from(k, source, k->clients[1].session, 2, 2, 100);
  kit_send(k, 2, 1, 3, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 2));
  assert_true(kit_got(k, 1, 3)); /* by the socket that it bound by */
  kit_close(k);
}

static void a_wrong_session_is_dropped(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  for (unsigned bit = 0; bit < 64; bit++)
    kit_send_from(k, k->clients[1].address, k->clients[1].session ^ (UINT64_C(1) << bit), 2, bit, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_SESSION), 64);
  /* One's own session from one's own address does not speak for another. */
  kit_send_from(k, k->clients[1].address, k->clients[2].session, 2, 0, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 1);
  kit_close(k);
}

/* ---- tokens ---- */

static void no_token_but_the_one_that_was_given_binds(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_grant(k, 1);
  kit_grant(k, 2);
  for (unsigned bit = 0; bit < 8 * TW_FORWARD_TOKEN; bit++) {
    uint8_t token[TW_FORWARD_TOKEN];
    memcpy(token, k->clients[1].token, sizeof token);
    token[bit / 8] ^= (uint8_t)(1U << bit % 8);
    kit_send_token(k, k->clients[1].session, token, k->clients[1].address);
  }
  const uint8_t zeros[TW_FORWARD_TOKEN] = {0};
  kit_send_token(k, k->clients[1].session, zeros, k->clients[1].address); /* what an unused place holds */
  kit_send_token(k, k->clients[1].session, k->clients[2].token, k->clients[1].address);
  kit_send_token(k, k->clients[2].session, k->clients[1].token, k->clients[1].address);
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 8 * TW_FORWARD_TOKEN + 3);
  kit_send_token(k, k->clients[1].session ^ 1, k->clients[1].token, k->clients[1].address);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_SESSION), 1);
  tw_forward_bound bound;
  assert_false(tw_forward_next_bound(k->forward, &bound));
  assert_false(kit_stats(k, 1).bound || kit_stats(k, 2).bound);
  /* None of it has used the tokens up. */
  kit_send_token(k, k->clients[1].session, k->clients[1].token, k->clients[1].address);
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_true(kit_stats(k, 1).bound);
  kit_close(k);
}

static void a_token_works_once(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  /* Whoever saw it and sends it again from elsewhere. */
  kit_send_token(k, k->clients[1].session, k->clients[1].token, kit_address(200));
  kit_send_token(k, k->clients[1].session, k->clients[1].token, k->clients[1].address);
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 2);
  kit_send(k, 2, 1, 5, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 1, 5));
  kit_close(k);
}

static void a_token_expires(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.token_us = 5 * KIT_SECOND});
  kit_grant(k, 1);
  kit_grant(k, 2);
  k->now_us += 5 * KIT_SECOND - 1;
  kit_send_token(k, k->clients[1].session, k->clients[1].token, k->clients[1].address);
  assert_true(kit_stats(k, 1).bound);
  k->now_us++;
  kit_send_token(k, k->clients[2].session, k->clients[2].token, k->clients[2].address);
  assert_false(kit_stats(k, 2).bound);
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 1);
  kit_close(k);
}

static void the_newest_tokens_count(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  uint8_t tokens[TW_FORWARD_TOKENS + 1][TW_FORWARD_TOKEN];
  for (unsigned i = 0; i <= TW_FORWARD_TOKENS; i++) {
    k->now_us += 1000;
    kit_grant(k, 1);
    memcpy(tokens[i], k->clients[1].token, TW_FORWARD_TOKEN);
  }
  kit_send_token(k, k->clients[1].session, tokens[0], k->clients[1].address);
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 1);
  for (unsigned i = 1; i <= TW_FORWARD_TOKENS; i++)
    kit_send_token(k, k->clients[1].session, tokens[i], k->clients[1].address);
  assert_int_equal(kit_totals(k).bound, TW_FORWARD_TOKENS);
  kit_close(k);
}

static void a_token_for_one_host_works_from_there_alone(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_client *client = &k->clients[1];
  tw_forward_address host = client->address;
  host.port = 0;
  assert_int_equal(tw_forward_grant(k->forward, 1, &host, k->now_us, &client->session, client->token), TW_OK);
  kit_send_token(k, client->session, client->token, kit_address(200));
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 1);
  assert_false(kit_stats(k, 1).bound);
  kit_send_token(k, client->session, client->token, client->address);
  assert_true(kit_stats(k, 1).bound);
  kit_close(k);
}

static void what_is_no_address_is_not_bound(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_grant(k, 1);
  tw_forward_address source = k->clients[1].address;
  source.port = 0;
  kit_send_token(k, k->clients[1].session, k->clients[1].token, source);
  kit_send_token(k, k->clients[1].session, k->clients[1].token, (tw_forward_address){0});
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 2);
  assert_false(kit_stats(k, 1).bound);
  kit_close(k);
}

/* ---- addresses ---- */

static void a_client_that_roams_binds_anew(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  const tw_forward_address before = k->clients[1].address;
  const uint64_t session = k->clients[1].session;
  k->clients[1].address = kit_address(200);
  kit_send(k, 1, 2, 1, 100); /* before it has */
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 1);
  kit_send(k, 2, 1, 2, 100); /* queued on the way, and sent to the new address */
  kit_bind(k, 1);
  assert_true(k->clients[1].session == session);
  kit_send(k, 1, 2, 3, 100);
  kit_send_from(k, before, session, 2, 4, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 2);
  assert_true(kit_got(k, 1, 2) && kit_got(k, 2, 3));
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 2);
  kit_close(k);
}

static void a_silent_address_is_not_sent_to_until_it_is_heard(void **state) {
  (void)state;
  kit *k = kit_open(&(tw_forward_options){.binding_us = 60 * KIT_SECOND});
  kit_bind_all(k, 2);
  k->now_us += 60 * KIT_SECOND;
  kit_send(k, 1, 2, 1, 100);
  k->now_us++; /* while it is queued */
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), 1);
  assert_false(kit_stats(k, 2).bound);
  kit_send(k, 1, 2, 2, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 1);
  kit_send(k, 2, 0, 0, 0); /* a keepalive from there */
  kit_send(k, 1, 2, 3, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 3));
  kit_close(k);
}

static void who_is_unbound_is_sent_nothing(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  kit_grant(k, 2);
  kit_send(k, 1, 2, 1, 100);
  tw_forward_unbind(k->forward, 2);
  tw_forward_unbind(k->forward, 99); /* not known */
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), 1);
  kit_send(k, 2, 1, 2, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_WRONG_SOURCE), 1);
  /* The token of before is void. */
  kit_send_token(k, k->clients[2].session, k->clients[2].token, k->clients[2].address);
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 1);
  kit_bind(k, 2);
  kit_send(k, 1, 2, 3, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 3));
  kit_close(k);
}

static void a_removed_client_is_forgotten(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 3);
  const uint64_t session = k->clients[2].session;
  kit_send(k, 1, 2, 1, 100); /* to it */
  kit_send(k, 2, 1, 2, 100); /* from it */
  tw_forward_remove(k->forward, 2);
  tw_forward_remove(k->forward, 2);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 0);
  assert_int_equal(kit_dropped(k, TW_FORWARD_GONE), 2);
  kit_send(k, 2, 1, 3, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_SESSION), 1);
  tw_forward_client_stats stats;
  assert_false(tw_forward_client(k->forward, 2, k->now_us, &stats));
  /* It comes back with another session; another client that took its memory in between gets none of its packets. */
  kit_send(k, 1, 3, 4, 100);
  tw_forward_remove(k->forward, 3);
  kit_bind(k, 4);
  kit_bind(k, 2);
  assert_true(k->clients[2].session != session);
  kit_send(k, 1, 2, 5, 100);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  assert_true(kit_got(k, 2, 5));
  kit_close(k);
}

static void each_binding_is_told_once_in_order(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  tw_forward_bound bound;
  for (uint32_t n = 1; n <= 7; n++) {
    kit_grant(k, n);
    kit_send_token(k, k->clients[n].session, k->clients[n].token, k->clients[n].address);
  }
  tw_forward_remove(k->forward, 3);
  tw_forward_unbind(k->forward, 4);
  tw_forward_remove(k->forward, 5);
  tw_forward_remove(k->forward, 7); /* the last one */
  kit_grant(k, 8);
  kit_send_token(k, k->clients[8].session, k->clients[8].token, k->clients[8].address);
  k->clients[1].address = kit_address(201);
  kit_grant(k, 1); /* twice before it is told: the newer one */
  kit_send_token(k, k->clients[1].session, k->clients[1].token, k->clients[1].address);
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_int_equal(bound.client, 1);
  assert_true(kit_same_address(&bound.address, &k->clients[1].address));
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_int_equal(bound.client, 2);
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_int_equal(bound.client, 6);
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_int_equal(bound.client, 8);
  assert_false(tw_forward_next_bound(k->forward, &bound));
  kit_bind(k, 6);
  tw_forward_remove(k->forward, 6);
  assert_false(tw_forward_next_bound(k->forward, &bound));
  kit_close(k);
}

static void a_binding_tells_whether_the_address_is_another(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  tw_forward_bound bound;
  for (unsigned i = 0; i < 2; i++) {
    kit_grant(k, 1);
    kit_send_token(k, k->clients[1].session, k->clients[1].token, k->clients[1].address);
    assert_true(tw_forward_next_bound(k->forward, &bound));
    assert_int_equal(bound.moved, i == 0);
  }
  /* There and back again before it is told: others may have seen neither. */
  const tw_forward_address home = k->clients[1].address;
  for (unsigned i = 0; i < 2; i++) {
    kit_grant(k, 1);
    kit_send_token(k, k->clients[1].session, k->clients[1].token, i == 0 ? kit_address(201) : home);
  }
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_true(bound.moved && kit_same_address(&bound.address, &home));
  tw_forward_unbind(k->forward, 1);
  kit_grant(k, 1);
  kit_send_token(k, k->clients[1].session, k->clients[1].token, home);
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_true(bound.moved);
  kit_close(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_packet_goes_to_the_address_that_its_receiver_bound),
      cmocka_unit_test(a_binding_tells_whether_the_address_is_another),
      cmocka_unit_test(nothing_goes_to_who_has_not_bound),
      cmocka_unit_test(nothing_goes_back_to_its_sender),
      cmocka_unit_test(a_spoofed_source_is_dropped),
      cmocka_unit_test(scope_is_part_of_an_address_and_the_local_socket_is_not),
      cmocka_unit_test(a_wrong_session_is_dropped),
      cmocka_unit_test(no_token_but_the_one_that_was_given_binds),
      cmocka_unit_test(a_token_works_once),
      cmocka_unit_test(a_token_expires),
      cmocka_unit_test(the_newest_tokens_count),
      cmocka_unit_test(a_token_for_one_host_works_from_there_alone),
      cmocka_unit_test(what_is_no_address_is_not_bound),
      cmocka_unit_test(a_client_that_roams_binds_anew),
      cmocka_unit_test(a_silent_address_is_not_sent_to_until_it_is_heard),
      cmocka_unit_test(who_is_unbound_is_sent_nothing),
      cmocka_unit_test(a_removed_client_is_forgotten),
      cmocka_unit_test(each_binding_is_told_once_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
