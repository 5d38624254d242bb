/* Nobody gets packets who has not asked for them: addresses are bound by a challenge. SPDX-License-Identifier: Apache-2.0 */
#include "forward_kit.h"

static kit *open_two(void) {
  kit *k = kit_open_with((tw_forward_options){.token_us = 5 * KIT_SECOND});
  for (uint32_t n = 1; n <= 2; n++) kit_grant(k, n);
  return k;
}

static void send_token(kit *k, uint32_t client, tw_forward_address from) {
  kit_send_token(k, k->clients[client].session, k->clients[client].token, from);
}

static tw_forward_challenge challenge_to(kit *k, tw_forward_address to) {
  tw_forward_challenge challenge;
  assert_true(tw_forward_next_challenge(k->forward, &challenge));
  assert_true(kit_same_address(&challenge.to, &to));
  static const uint8_t not_esp[4] = {0};
  assert_memory_equal(challenge.datagram, not_esp, sizeof not_esp);
  return challenge;
}

static void echo(kit *k, uint32_t client, const tw_forward_challenge *challenge, tw_forward_address from) {
  kit_send_token(k, k->clients[client].session, challenge->datagram + 4, from);
}

static bool is_bound(kit *k, uint32_t client) {
  tw_forward_bound bound;
  if (!tw_forward_next_bound(k->forward, &bound)) return false;
  assert_int_equal(bound.client, client);
  return true;
}

static void bind_by_challenge(kit *k, uint32_t client) {
  send_token(k, client, k->clients[client].address);
  const tw_forward_challenge challenge = challenge_to(k, k->clients[client].address);
  echo(k, client, &challenge, k->clients[client].address);
  assert_true(is_bound(k, client));
}

static void an_address_is_bound_once_its_owner_has_answered(void **state) {
  (void)state;
  kit *k = open_two();
  tw_forward_challenge challenge;
  bind_by_challenge(k, 1);
  send_token(k, 2, k->clients[2].address);
  kit_send(k, 1, 2, 5, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 1); /* not before it has answered */
  challenge = challenge_to(k, k->clients[2].address);
  assert_false(tw_forward_next_challenge(k->forward, &challenge)); /* one for each token */
  assert_false(is_bound(k, 2));
  echo(k, 2, &challenge, k->clients[2].address);
  assert_true(is_bound(k, 2));
  kit_send(k, 1, 2, 6, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 6));
  assert_int_equal(kit_totals(k).challenged, 2);
  assert_int_equal(kit_totals(k).bound, 2);
  kit_close(k);
}

static void a_spoofed_source_gets_one_small_datagram_and_nothing_else(void **state) {
  (void)state;
  kit *k = open_two();
  const tw_forward_address victim = kit_address(9);
  bind_by_challenge(k, 1);
  send_token(k, 2, victim);
  (void)challenge_to(k, victim); /* 20 bytes, for 28; who has sent them does not see it */
  tw_forward_challenge challenge;
  for (unsigned i = 0; i < 100; i++) send_token(k, 2, victim);
  assert_false(tw_forward_next_challenge(k->forward, &challenge));
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 100);
  kit_send(k, 1, 2, 5, 100);
  assert_int_equal(kit_dropped(k, TW_FORWARD_NO_DESTINATION), 1);
  assert_false(is_bound(k, 2));
  kit_close(k);
}

static void no_other_answer_binds(void **state) {
  (void)state;
  kit *k = open_two();
  const tw_forward_address at = k->clients[1].address;
  send_token(k, 1, at);
  const tw_forward_challenge challenge = challenge_to(k, at);
  for (unsigned bit = 0; bit < 8 * TW_FORWARD_TOKEN; bit++) {
    tw_forward_challenge bent = challenge;
    bent.datagram[4 + bit / 8] ^= (uint8_t)(1U << bit % 8);
    echo(k, 1, &bent, at);
  }
  tw_forward_address elsewhere = at;
  elsewhere.port++;
  echo(k, 1, &challenge, elsewhere);
  echo(k, 1, &challenge, kit_address(9));
  echo(k, 2, &challenge, at); /* somebody else's session */
  assert_int_equal(kit_dropped(k, TW_FORWARD_BAD_TOKEN), 8 * TW_FORWARD_TOKEN + 3);
  assert_false(is_bound(k, 1));
  echo(k, 1, &challenge, at); /* none of it has spoilt the right one */
  assert_true(is_bound(k, 1));
  echo(k, 1, &challenge, at);
  assert_false(is_bound(k, 1));
  kit_close(k);
}

static void challenges_expire_with_their_token_and_go_with_their_client(void **state) {
  (void)state;
  kit *k = open_two();
  const tw_forward_address at = k->clients[1].address;
  send_token(k, 1, at);
  tw_forward_challenge challenge = challenge_to(k, at);
  k->now_us += 5 * KIT_SECOND;
  echo(k, 1, &challenge, at);
  assert_false(is_bound(k, 1));
  kit_grant(k, 1);
  send_token(k, 1, at);
  tw_forward_unbind(k->forward, 1);
  assert_false(tw_forward_next_challenge(k->forward, &challenge));
  for (uint32_t gone = 1; gone <= 2; gone++) {
    for (uint32_t n = 1; n <= 2; n++) {
      kit_grant(k, n);
      send_token(k, n, k->clients[n].address);
    }
    tw_forward_remove(k->forward, gone);
    challenge = challenge_to(k, k->clients[3 - gone].address);
    assert_false(tw_forward_next_challenge(k->forward, &challenge));
  }
  kit_close(k);
}

static void the_old_address_stays_until_the_new_one_has_answered(void **state) {
  (void)state;
  kit *k = open_two();
  bind_by_challenge(k, 1);
  bind_by_challenge(k, 2);
  kit_grant(k, 2);
  send_token(k, 2, kit_address(9));
  const tw_forward_challenge challenge = challenge_to(k, kit_address(9));
  kit_send(k, 1, 2, 5, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 5));
  echo(k, 2, &challenge, kit_address(9));
  assert_true(is_bound(k, 2));
  k->clients[2].address = kit_address(9);
  kit_send(k, 1, 2, 6, 100);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 6));
  kit_close(k);
}

static void two_tokens_may_be_under_way(void **state) {
  (void)state;
  kit *k = open_two();
  tw_forward_challenge first;
  send_token(k, 1, kit_address(8));
  k->now_us++;
  kit_grant(k, 1);
  send_token(k, 1, kit_address(9));
  tw_forward_challenge second;
  assert_true(tw_forward_next_challenge(k->forward, &first));
  assert_true(tw_forward_next_challenge(k->forward, &second));
  echo(k, 1, &second, second.to);
  assert_true(is_bound(k, 1));
  echo(k, 1, &first, first.to);
  assert_true(is_bound(k, 1));
  assert_true(kit_stats(k, 1).address.port == first.to.port);
  kit_close(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_is_bound_once_its_owner_has_answered),
      cmocka_unit_test(a_spoofed_source_gets_one_small_datagram_and_nothing_else),
      cmocka_unit_test(no_other_answer_binds),
      cmocka_unit_test(challenges_expire_with_their_token_and_go_with_their_client),
      cmocka_unit_test(the_old_address_stays_until_the_new_one_has_answered),
      cmocka_unit_test(two_tokens_may_be_under_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
