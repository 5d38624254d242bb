/* A million packets over a link that loses, delays, doubles and forges them. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/esp_kit.h"

#define TOP (UINT64_C(1) << 32)

enum { PACKETS = 1000000, SIZE = 32, UNDER_WAY = 8192 };

static tw_test_env test;
static esp_kit kit;
static uint64_t dice;

/* What the window has to do, in the plainest way: a flag for each number, and the highest. */
static bool seen[PACKETS + 1];
static uint64_t first, highest;

static uint32_t roll(uint32_t sides) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (uint32_t)(dice >> 20) % sides;
}

/* Numbers that were sent, and are received or not: a packet is kept as it is, to be sent any number of times. */
static uint8_t under_way[UNDER_WAY][SIZE];
static uint64_t numbers[UNDER_WAY];

static void send_one(size_t at) {
  numbers[at] = kit.out.next;
  memcpy(under_way[at] + TW_ESP_HEADER, &numbers[at], sizeof numbers[at]);
  assert_int_equal(tw_esp_seal(&kit.out, TW_ESP_NEXT_IPV4, under_way[at], 4 + roll(3), 0), TW_OK);
}

static tw_err expected_of(uint64_t number) {
  if (number + TW_ESP_WINDOW <= highest) return TW_ERR_OLD_GENERATION;
  return seen[number - first] ? TW_ERR_DUPLICATE : TW_OK;
}

static void receive_one(size_t at, bool is_forged) {
  uint8_t packet[SIZE];
  tw_esp_opened opened;
  const uint64_t number = numbers[at];
  memcpy(packet, under_way[at], SIZE);
  if (is_forged) packet[TW_ESP_HEADER + roll(SIZE - TW_ESP_HEADER)] ^= (uint8_t)(1 + roll(255));
  const tw_err expected = expected_of(number);
  const tw_err err = tw_esp_open(&kit.in, packet, SIZE, &opened);
  if (is_forged && expected == TW_OK) {
    assert_int_equal(err, TW_ERR_DECRYPT);
    return;
  }
  assert_int_equal(err, expected);
  if (err != TW_OK) return;
  assert_true(opened.number == number);
  assert_memory_equal(packet + TW_ESP_HEADER, &number, 4);
  seen[number - first] = true;
  if (number > highest) highest = number;
}

/* How far back the link reaches, so that some come just inside of the window, and some outside. */
static size_t any_of_the_past(uint64_t sent) {
  static const uint32_t reaches[] = {4, 64, 1000, 4095, 4096, 4200, UNDER_WAY};
  uint32_t reach = reaches[roll(7)];
  if (reach > sent) reach = (uint32_t)sent;
  return (size_t)((sent - 1 - roll(reach)) % UNDER_WAY);
}

static void a_million_packets_are_received_as_by_a_simple_window(void **state) {
  (void)state;
  const unsigned count = tw_test_rounds(PACKETS, 6000);
  dice = UINT64_C(0x243f6a8885a308d3);
  tw_test_env_init(&test, 1);
  first = TOP - count / 2;
  highest = first - 1;
  esp_kit_init(&kit, &test, 1, first);
  kit.in.limits.packets = first + count; /* as the protocol's limit would do it for numbers below 2^32 */
  for (uint64_t sent = 1; sent <= count; sent++) {
    send_one((size_t)((sent - 1) % UNDER_WAY));
    const uint32_t fate = roll(100);
    if (fate < 70) receive_one((size_t)((sent - 1) % UNDER_WAY), false);
    for (unsigned again = roll(2); again > 0; again--) receive_one(any_of_the_past(sent), fate % 16 == 0);
  }
  assert_true(highest > TOP);
  assert_true(kit.in.window.highest == highest);
  esp_kit_clear(&kit);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_million_packets_are_received_as_by_a_simple_window)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
