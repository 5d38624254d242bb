/* A wire between sides with a disk, and what is to hold once a session goes on. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_CHANNEL_RESUME_KIT_H
#define TW_TESTS_CHANNEL_RESUME_KIT_H

#include "channel/channel_kit.h"

static inline int setup_durable(void **state) {
  (void)setup(state);
  tw_test_wire_durable(&wire);
  return 0;
}

static inline void assert_received(tw_test_side *side, tw_bytes expected) {
  tw_test_same(tw_buf_bytes(&side->received), expected);
  side->received.len = 0;
}

static inline void assert_resumed(const tw_test_side *side) {
  const tw_channel_event *event = tw_test_side_event(side, TW_CHANNEL_ESTABLISHED);
  assert_non_null(event);
  assert_true(event->resumed);
}

/* Data goes both ways and keys can be renewed. */
static inline void assert_alive(void) {
  tw_test_side_write(alice, TW_LITERAL("to bob"));
  tw_test_side_write(bob, TW_LITERAL("to alice"));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_received(bob, TW_LITERAL("to bob"));
  assert_received(alice, TW_LITERAL("to alice"));
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  tw_test_side_save(bob);
  tw_test_wire_run(&wire, SIZE_MAX);
  tw_test_wire_same_epoch(&wire);
  tw_test_side_write(alice, TW_LITERAL("again"));
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_received(bob, TW_LITERAL("again"));
}

static inline void run_resumption(void) {
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_resumed(alice);
  assert_resumed(bob);
  tw_test_wire_same_epoch(&wire);
}

#define DURABLE(name) cmocka_unit_test_setup_teardown(name, setup_durable, teardown)

#endif
