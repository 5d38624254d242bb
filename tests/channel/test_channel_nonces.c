/* No record key seals two records under one nonce, whatever happens in whatever order. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "channel/channel_internal.h"
#include "support/tw_test_nonces.h"
#include "support/tw_test_wire.h"

/* ---- what happens ---- */

static tw_test_wire wire;
static uint8_t pattern[20000];
static uint64_t random_state;

static size_t pick(size_t below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(random_state >> 33) % below;
}

static void begin(unsigned schedule) {
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  tw_test_nonces_begin(&wire.test, NULL);
  random_state = schedule;
  wire.alice.options.rekey_after_ms = wire.bob.options.rekey_after_ms = 5000;
  wire.bob.options.padding_block = 256;
}

static void clear(void) {
  tw_test_wire_clear(&wire);
  tw_test_nonces_end();
}

static void act(tw_test_side *side, tw_test_side *other) {
  size_t taken;
  switch (pick(16)) {
  case 0:
  case 1:
  case 2: (void)!tw_channel_write(side->channel, TW_BYTES(pattern, pick(sizeof pattern)), &taken); break;
  case 3:
  case 4:
  case 5: (void)!tw_channel_rekey(side->channel, wire.now_ms); break;
  case 6: (void)!tw_channel_tick(side->channel, wire.now_ms += pick(3000)); break;
  case 7: side->stalled = !side->stalled; break;
  case 8:
    if (pick(12) == 0) (void)!tw_channel_close(side->channel);
    break;
  default: (void)tw_test_wire_move(&wire, side, other, 1 + pick(30000)); break;
  }
  side->event_count = other->event_count = 0;
  side->received.len = other->received.len = 0;
}

static void nonces_are_never_used_twice(void **state) {
  (void)state;
  const unsigned schedules = tw_test_rounds(40, 8);
  size_t epochs = 0, ties = 0;
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    begin(schedule);
    tw_test_wire_establish(&wire);
    for (unsigned step = 0; step < 200; step++) {
      const bool alices = pick(2) == 0;
      act(alices ? &wire.alice : &wire.bob, alices ? &wire.bob : &wire.alice);
    }
    tw_channel_status status;
    tw_channel_get_status(wire.alice.channel, &status);
    epochs += status.pair.epoch;
    ties += status.pair.ties;
    /* Last words count, too. */
    tw_channel_abort(wire.alice.channel, TW_ERR_INTERNAL);
    tw_channel_abort(wire.bob.channel, TW_ERR_INTERNAL);
    assert_true(tw_test_nonces_sealed() > 10);
    clear();
  }
  /* It did come to that. */
  assert_true(epochs > 2 * schedules);
  assert_true(ties > schedules / 4);
}

/* Both directions and all epochs have keys of their own; a key that was replaced is gone. */
static void keys_are_never_used_twice(void **state) {
  (void)state;
  begin(1);
  tw_test_wire_establish(&wire);
  for (unsigned i = 0; i < 20; i++) {
    tw_test_side *side = i % 2 == 0 ? &wire.alice : &wire.bob;
    assert_int_equal(tw_channel_rekey(side->channel, wire.now_ms), TW_OK);
    tw_test_wire_run(&wire, SIZE_MAX);
    side->event_count = 0;
    wire.alice.event_count = wire.bob.event_count = 0;
    assert_int_equal(tw_test_nonces_keys_held(), 4);
    assert_memory_not_equal(wire.alice.channel->send.iv, wire.alice.channel->receive.iv, TW_AEAD_NONCE);
  }
  assert_int_equal(tw_test_nonces_keys_made(), 4 * 21);
  clear();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nonces_are_never_used_twice),
      cmocka_unit_test(keys_are_never_used_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
