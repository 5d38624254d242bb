/* The relay's answers to keepalives, and what is none. SPDX-License-Identifier: Apache-2.0 */
#include "plane_kit.h"

enum { ECHO = 12 };

static uint8_t echo[ECHO];

static int begin(void **state) {
  (void)state;
  kit_begin(0);
  kit_by_relay();
  tw_put_u32(echo, 0);
  tw_put_u64(echo + 4, KIT_SESSION(0));
  return 0;
}

static int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

static uint64_t echoes(void) { return tw_plane_echoes(world.nodes[0].plane); }

/* A keepalive goes out; no other datagram leaves us by it, whatever comes back. */
static void ask(void) {
  tw_plane_greet_relay(world.nodes[0].plane, TW_NO_BYTES);
  kit_run();
}

static void comes(const uint8_t *bytes, size_t len) {
  const uint64_t sent = world.nodes[0].udp.counts.sent;
  kit_relay_to(0, bytes, len);
  kit_run();
  assert_int_equal(world.nodes[0].udp.counts.sent, sent);
  kit_got_none(0);
}

static void test_answers_are_counted(void **state) {
  (void)state;
  for (unsigned i = 0; i < 3; i++) {
    ask();
    assert_int_equal(echoes(), i);
    comes(echo, sizeof echo);
    assert_int_equal(echoes(), i + 1);
  }
  kit_no_drops(0);
}

static void test_what_nobody_asked_for_is_no_answer(void **state) {
  (void)state;
  comes(echo, sizeof echo);
  assert_int_equal(echoes(), 0);
  const uint8_t token[16] = {1};
  tw_plane_greet_relay(world.nodes[0].plane, TW_ARRAY(token)); /* that is answered by a challenge */
  kit_run();
  comes(echo, sizeof echo);
  assert_int_equal(echoes(), 0);
  ask();
  comes(echo, sizeof echo);
  assert_int_equal(echoes(), 1);
  comes(echo, sizeof echo); /* a copy */
  assert_int_equal(echoes(), 1);
  ask();
  ask();
  comes(echo, sizeof echo);
  comes(echo, sizeof echo); /* of both: one counts */
  assert_int_equal(echoes(), 2);
}

static void test_an_answer_with_any_bit_changed_is_none(void **state) {
  (void)state;
  ask();
  for (unsigned bit = 0; bit < 8 * ECHO; bit++) {
    echo[bit / 8] ^= (uint8_t)(1u << bit % 8);
    comes(echo, sizeof echo);
    echo[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_int_equal(echoes(), 0);
  comes(echo, sizeof echo); /* none of them has taken its place */
  assert_int_equal(echoes(), 1);
}

static void test_an_answer_of_any_other_length_is_none(void **state) {
  (void)state;
  uint8_t longer[64] = {0};
  memcpy(longer, echo, sizeof echo);
  ask();
  for (size_t len = 1; len < sizeof longer; len++)
    if (len != ECHO) comes(longer, len);
  assert_int_equal(echoes(), 0);
  comes(longer, ECHO);
  assert_int_equal(echoes(), 1);
}

static void test_an_answer_from_elsewhere_is_none(void **state) {
  (void)state;
  ask();
  kit_inject(1, 0, echo, sizeof echo);
  assert_int_equal(echoes(), 0);
  tw_plane_clear_relay(world.nodes[0].plane);
  comes(echo, sizeof echo);
  assert_int_equal(echoes(), 0);
  tw_plane_set_relay(world.nodes[0].plane, &world.relay_address, KIT_SESSION(7));
  comes(echo, sizeof echo); /* of the session before */
  assert_int_equal(echoes(), 0);
}

static void test_an_answer_is_no_challenge_and_the_other_way_round(void **state) {
  (void)state;
  const uint8_t token[16] = {1};
  uint8_t challenge[20] = {0};
  tw_put_u64(challenge + 4, KIT_SESSION(0));
  tw_plane_greet_relay(world.nodes[0].plane, TW_ARRAY(token));
  ask();
  const uint64_t sent = world.nodes[0].udp.counts.sent;
  kit_relay_to(0, challenge, sizeof challenge);
  kit_run();
  assert_int_equal(world.nodes[0].udp.counts.sent, sent + 1); /* its nonce */
  assert_int_equal(echoes(), 0);
  comes(echo, sizeof echo);
  assert_int_equal(echoes(), 1);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_answers_are_counted),
      TEST(test_what_nobody_asked_for_is_no_answer),
      TEST(test_an_answer_with_any_bit_changed_is_none),
      TEST(test_an_answer_of_any_other_length_is_none),
      TEST(test_an_answer_from_elsewhere_is_none),
      TEST(test_an_answer_is_no_challenge_and_the_other_way_round),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
