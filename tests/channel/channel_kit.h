/* A wire that is new for each test, and a pattern to send over it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_CHANNEL_KIT_H
#define TW_TESTS_CHANNEL_KIT_H

#include "tw_cmocka.h"

#include "support/tw_test_wire.h"

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice;
static tw_test_side *const bob = &wire.bob;
static uint8_t pattern[300000];

static inline void begin(const tw_suite *suite) {
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (uint8_t)(i * 31 + (i >> 8));
  tw_test_wire_init(&wire, suite);
}

static inline int setup(void **state) {
  (void)state;
  begin(tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static inline int teardown(void **state) {
  (void)state;
  tw_test_wire_clear(&wire);
  return 0;
}

static inline void run(void) { tw_test_wire_run(&wire, SIZE_MAX); }

/* Sends the first `len` bytes of the pattern, in as many turns as it takes. */
static inline void send_pattern(tw_test_side *from, tw_test_side *to, size_t len, size_t piece) {
  const size_t before = to->received.len;
  size_t done = 0;
  while (done < len) {
    size_t taken;
    assert_int_equal(tw_channel_write(from->channel, TW_BYTES(pattern + done, len - done), &taken), TW_OK);
    done += taken;
    tw_test_wire_run(&wire, piece);
  }
  assert_int_equal(to->received.len - before, len);
  assert_memory_equal(to->received.ptr + before, pattern, len);
  tw_buf_clear(&to->received);
}

static inline tw_channel_status status_of(const tw_test_side *side) {
  tw_channel_status status;
  tw_channel_get_status(side->channel, &status);
  return status;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
