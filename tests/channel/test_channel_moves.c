/* Every transition of a channel that the models have, once, in both protocols. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include "support/tw_test_moves.h"
#include "support/tw_test_wire.h"

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice;
static tw_test_side *const bob = &wire.bob;
static tw_channel_tls of_alice, of_bob;

static void begin(tw_channel_protocol protocol) {
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  tw_test_wire_durable(&wire);
  of_alice = of_bob = (tw_channel_tls){0};
  alice->config.protocol = bob->config.protocol = protocol;
  alice->config.tls = protocol == TW_CHANNEL_TLS ? &of_alice : NULL;
  bob->config.tls = protocol == TW_CHANNEL_TLS ? &of_bob : NULL;
}

/* A damaged record ends it. */
static void end(tw_test_side *side) {
  static const uint8_t bad[] = {23, 3, 3, 0, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  assert_int_not_equal(tw_test_side_give(&wire, side, TW_ARRAY(bad)), TW_OK);
  assert_non_null(tw_test_side_event(side, TW_CHANNEL_CLOSED));
}

static void rekey(tw_test_side *by) {
  assert_int_equal(tw_channel_rekey(by->channel, wire.now_ms), TW_OK);
  tw_test_side_save(by);
}

static void move(tw_test_side *from, tw_test_side *to) { assert_true(tw_test_wire_move(&wire, from, to, SIZE_MAX)); }

/* ---- a connection that begins with hellos, up to each state ---- */

static void hellos(void) {
  tw_test_wire_open(&wire);
  move(alice, bob);
  move(bob, alice);
  tw_test_wire_run(&wire, SIZE_MAX);
  rekey(bob);
  move(bob, alice);
  tw_test_side_write(bob, TW_LITERAL("before the switch"));
  tw_test_wire_run(&wire, SIZE_MAX);
}

static void ends_before_it_is_established(void) {
  tw_test_wire_open(&wire);
  end(alice);
  end(bob);
}

static void ends_before_it_is_confirmed(void) {
  tw_test_wire_open(&wire);
  move(alice, bob);
  end(bob);
}

static void ends_in_a_switch(void) {
  tw_test_wire_establish(&wire);
  rekey(bob);
  move(bob, alice);
  end(alice);
  end(bob);
}

/* ---- one that goes on with a session ---- */

static void resumptions(void) {
  tw_test_wire_reopen(&wire, alice);
  tw_test_wire_run(&wire, SIZE_MAX);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("early"));
  tw_test_side_write(alice, TW_LITERAL(" and more"));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_int_equal(bob->received.len, 14);
  /* The response is lost: the request comes again, and its early data is not taken. */
  tw_test_wire_reopen(&wire, alice);
  move(alice, bob);
  tw_test_wire_reopen(&wire, alice);
  tw_test_wire_run(&wire, SIZE_MAX);
}

/* The responder asks on top of an update that has lost against the initiator's. */
static void requests_that_cross(void) {
  rekey(alice);
  rekey(bob);
  tw_test_wire_reopen(&wire, bob);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_non_null(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED));
}

static void ends_while_it_resumes(void) {
  tw_test_wire_reopen(&wire, alice);
  end(alice);
  tw_test_wire_reopen(&wire, alice);
  move(alice, bob);
  end(bob);
  tw_test_wire_reopen(&wire, alice);
  tw_test_wire_run(&wire, SIZE_MAX);
  tw_test_wire_reopen(&wire, alice);
  tw_test_side_write(alice, TW_LITERAL("early"));
  move(alice, bob);
  end(bob);
}

static void resumes(void) {
  hellos();
  resumptions();
  requests_that_cross();
  ends_while_it_resumes();
}

static void every_transition_of_the_model_is_taken(void **state) {
  (void)state;
  static void (*const courses[])(void) = {resumes, ends_before_it_is_established, ends_before_it_is_confirmed,
                                          ends_in_a_switch};
  for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
    for (unsigned tls = 0; tls < 2; tls++) {
      begin(tls ? TW_CHANNEL_TLS : TW_CHANNEL_MLS_TLS);
      courses[i]();
      tw_test_wire_clear(&wire);
    }
  }
  tw_test_channel_moves_are_all();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_transition_of_the_model_is_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
