/*
 * Somebody on the wire who drops, doubles, swaps, reflects, replays, bends and cuts off records while keys change: what
 * an application gets
 * is a beginning of what the other one sent, and an end that looks clean comes after all of it. SPDX-License-Identifier: Apache-2.0
 */
/* label: moves */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_wire.h"

enum { STEPS = 60, CHUNK_MAX = 300, SENT_MAX = STEPS * CHUNK_MAX, RECORDS_MAX = 1024 };

static tw_test_wire wire;
static uint8_t pattern[2][SENT_MAX];
static uint64_t random_state;

static size_t pick(size_t below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(random_state >> 33) % below;
}

/* One direction: the records under way, and those that were there before. */
typedef struct direction {
  tw_test_side *from, *to;
  const uint8_t *pattern;
  size_t sent;
  bool closed; /* the sender has said all */
  tw_buf waiting[RECORDS_MAX];
  size_t first, end; /* waiting[first … end - 1]; those before were delivered */
} direction;

static direction ways[2];

static void add(direction *way, size_t at, tw_bytes record) {
  assert_true(way->end < RECORDS_MAX);
  memmove(&way->waiting[at + 1], &way->waiting[at], (way->end - at) * sizeof way->waiting[0]);
  way->waiting[at] = (tw_buf){0};
  way->end++;
  assert_int_equal(tw_buf_append(&way->waiting[at], record), TW_OK);
}

static void take_out(direction *way, size_t at) {
  tw_buf_clear(&way->waiting[at]);
  way->end--;
  memmove(&way->waiting[at], &way->waiting[at + 1], (way->end - at) * sizeof way->waiting[0]);
}

/* What the sender has to send, cut into records. */
static void collect(direction *way) {
  tw_bytes out = tw_channel_output(way->from->channel);
  while (out.len > 0) {
    const size_t size = 5 + (((size_t)out.ptr[3] << 8) | out.ptr[4]);
    assert_true(size <= out.len);
    add(way, way->end, TW_BYTES(out.ptr, size));
    out = TW_BYTES(out.ptr + size, out.len - size);
  }
  tw_channel_output_sent(way->from->channel, tw_channel_output(way->from->channel).len);
}

static void check(const direction *way) {
  const tw_bytes got = tw_buf_bytes(&way->to->received);
  assert_true(got.len <= way->sent);
  if (got.len > 0) assert_memory_equal(got.ptr, way->pattern, got.len);
  if (tw_test_side_event(way->to, TW_CHANNEL_PEER_CLOSED) == NULL) return;
  assert_true(way->closed);
  assert_int_equal(got.len, way->sent);
}

static void deliver(direction *way) {
  if (way->first == way->end) return;
  (void)tw_test_side_give(&wire, way->to, tw_buf_bytes(&way->waiting[way->first++]));
  check(way);
}

static void attack(direction *way, const direction *other) {
  const size_t count = way->end - way->first;
  if (count == 0) return;
  const size_t at = way->first + pick(count);
  tw_buf *record = &way->waiting[at];
  switch (pick(8)) {
  case 0: take_out(way, at); break;
  case 1:
    /* All from here to the end of what is under way. */
    while (way->end > at) take_out(way, way->end - 1);
    break;
  case 2: add(way, at, tw_buf_bytes(&way->waiting[pick(at + 1)])); break;
  case 3:
    if (other->end > 0) add(way, at, tw_buf_bytes(&other->waiting[pick(other->end)]));
    break;
  case 4: record->ptr[pick(record->len)] ^= (uint8_t)(1u << pick(8)); break;
  case 5: {
    const tw_buf moved = *record;
    const size_t with = way->first + pick(count);
    *record = way->waiting[with];
    way->waiting[with] = moved;
    break;
  }
  case 6: add(way, at, TW_LITERAL("\x15\x03\x03\x00\x02\x01\x00")); break; /* close_notify in the clear */
  default: add(way, at, TW_LITERAL("\x16\x03\x03\x00\x05\x18\x00\x00\x01\x00")); break;
  }
}

static void act(direction *way) {
  tw_test_side *side = way->from;
  size_t taken = 0;
  switch (pick(8)) {
  case 0:
  case 1:
  case 2:
    (void)!tw_channel_write(side->channel, TW_BYTES(way->pattern + way->sent, 1 + pick(CHUNK_MAX - 1)), &taken);
    way->sent += taken;
    break;
  case 3:
  case 4: (void)!tw_channel_rekey(side->channel, wire.now_ms); break;
  case 5:
    if (pick(20) == 0 && tw_channel_close(side->channel) == TW_OK) way->closed = true;
    break;
  default: break;
  }
  collect(way);
}

static void begin(unsigned schedule) {
  random_state = schedule;
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  tw_test_wire_establish(&wire);
  ways[0] = (direction){.from = &wire.alice, .to = &wire.bob, .pattern = pattern[0]};
  ways[1] = (direction){.from = &wire.bob, .to = &wire.alice, .pattern = pattern[1]};
}

static void end(void) {
  for (size_t w = 0; w < 2; w++) {
    for (size_t i = 0; i < ways[w].end; i++) tw_buf_clear(&ways[w].waiting[i]);
  }
  tw_test_wire_clear(&wire);
}

static void forget_epochs(tw_test_side *side) {
  size_t kept = 0;
  for (size_t i = 0; i < side->event_count; i++) {
    if (side->events[i].kind != TW_CHANNEL_REKEYED) side->events[kept++] = side->events[i];
  }
  side->event_count = kept;
}

static void what_arrives_is_a_beginning_of_what_was_sent(void **state) {
  (void)state;
  for (size_t i = 0; i < SENT_MAX; i++) {
    pattern[0][i] = (uint8_t)(i * 31 + (i >> 7));
    pattern[1][i] = (uint8_t)(i * 57 + (i >> 6) + 1);
  }
  const unsigned schedules = tw_test_rounds(160, 24);
  size_t survived = 0, ended = 0;
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    begin(schedule);
    const size_t when = pick(STEPS);
    for (unsigned step = 0; step < STEPS; step++) {
      const size_t w = pick(2);
      act(&ways[w]);
      if (step == when && schedule % 8 != 0) attack(&ways[w], &ways[1 - w]);
      for (size_t i = pick(3); i > 0; i--) deliver(&ways[pick(2)]);
      forget_epochs(&wire.alice);
      forget_epochs(&wire.bob);
    }
    for (size_t i = 0; i < 2 * RECORDS_MAX && (ways[0].first < ways[0].end || ways[1].first < ways[1].end); i++) {
      collect(&ways[i % 2]);
      deliver(&ways[i % 2]);
      collect(&ways[1 - i % 2]);
    }
    tw_channel_status alice, bob;
    tw_channel_get_status(wire.alice.channel, &alice);
    tw_channel_get_status(wire.bob.channel, &bob);
    if (schedule % 8 == 0) {
      /* Nobody did anything. */
      for (size_t w = 0; w < 2; w++) assert_int_equal(ways[w].to->received.len, ways[w].sent);
      survived++;
    }
    ended += alice.closed || bob.closed;
    end();
  }
  assert_int_equal(survived, schedules / 8);
  assert_true(ended > schedules / 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_arrives_is_a_beginning_of_what_was_sent)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
