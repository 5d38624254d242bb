/* Sums and checksums against the plain algorithm: RFC 1071, RFC 1624. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "packet/checksum.h"
#include "packet_kit.h"
#include "support/tw_test_env.h"

static void fill(uint8_t *out, size_t len, uint64_t seed) {
  for (size_t i = 0; i < len; i++) out[i] = (uint8_t)packet_dice(&seed);
}

/* At all alignments, and to the last byte of a block of its own, so that reading on shows. */
static void test_sum_is_that_of_the_plain_algorithm_at_every_length_and_alignment(void **state) {
  (void)state;
  uint8_t bytes[400];
  fill(bytes, sizeof bytes, 1);
  for (size_t offset = 0; offset < 9; offset++) {
    for (size_t len = 0; len <= 300; len++)
      assert_int_equal(tw_sum(bytes + offset, len), packet_plain_sum(0, bytes + offset, len));
  }
  for (size_t len = 1; len <= 200; len++) {
    uint8_t *block = malloc(len);
    assert_non_null(block);
    memcpy(block, bytes, len);
    assert_int_equal(tw_sum(block, len), packet_plain_sum(0, bytes, len));
    free(block);
  }
  assert_int_equal(tw_sum(NULL, 0), 0);
}

static void test_sum_carries_in_every_word(void **state) {
  (void)state;
  static uint8_t bytes[65536];
  memset(bytes, 0xff, sizeof bytes);
  for (size_t len = 0; len < 130; len++) assert_int_equal(tw_sum(bytes, len), packet_plain_sum(0, bytes, len));
  assert_int_equal(tw_sum(bytes, sizeof bytes), 0xffff);
  memset(bytes, 0, sizeof bytes);
  assert_int_equal(tw_sum(bytes, sizeof bytes), 0);
  bytes[65535] = 1;
  assert_int_equal(tw_sum(bytes, sizeof bytes), 1);
  fill(bytes, sizeof bytes, 2);
  assert_int_equal(tw_sum(bytes, sizeof bytes), packet_plain_sum(0, bytes, sizeof bytes));
}

static void test_sum_copy_copies_and_sums_nothing_else(void **state) {
  (void)state;
  uint8_t from[300];
  uint8_t to[320];
  fill(from, sizeof from, 3);
  for (size_t offset = 0; offset < 8; offset++) {
    for (size_t len = 0; len <= 280; len++) {
      memset(to, 0xa5, sizeof to);
      assert_int_equal(tw_sum_copy(to + 8, from + offset, len), packet_plain_sum(0, from + offset, len));
      assert_memory_equal(to + 8, from + offset, len);
      assert_int_equal(to[7], 0xa5);
      assert_int_equal(to[8 + len], 0xa5);
    }
  }
}

static void test_sums_of_pieces_add_up(void **state) {
  (void)state;
  uint8_t bytes[333];
  fill(bytes, sizeof bytes, 4);
  for (size_t cut = 0; cut <= sizeof bytes; cut += 2) {
    const uint64_t sum = (uint64_t)tw_sum(bytes, cut) + tw_sum(bytes + cut, sizeof bytes - cut);
    assert_int_equal(tw_sum_fold(sum), packet_plain_sum(0, bytes, sizeof bytes));
  }
  assert_int_equal(tw_sum_fold(0), 0);
  assert_int_equal(tw_sum_fold(UINT64_MAX), 0xffff);
  assert_int_equal(tw_sum_fold(0x10000), 1);
}

/* The numbers of RFC 1071 section 3. */
static void test_sum_of_the_rfcs_example(void **state) {
  (void)state;
  static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  assert_int_equal(tw_sum(bytes, sizeof bytes), 0xddf2);
  assert_int_equal(tw_checksum(tw_sum(bytes, sizeof bytes)), 0x220d);
}

static void test_update_is_the_checksum_made_anew(void **state) {
  (void)state;
  uint64_t seed = 5;
  for (unsigned round = 0; round < tw_test_rounds(20000, 500); round++) {
    uint8_t bytes[20];
    fill(bytes, sizeof bytes, seed + round);
    const uint16_t before = (uint16_t)(bytes[6] << 8 | bytes[7]);
    const uint16_t checksum = tw_checksum(tw_sum(bytes, sizeof bytes));
    const uint16_t after = round % 7 == 0 ? 0 : round % 11 == 0 ? 0xffff : (uint16_t)packet_dice(&seed);
    bytes[6] = (uint8_t)(after >> 8);
    bytes[7] = (uint8_t)after;
    assert_int_equal(tw_checksum_update(checksum, before, after), tw_checksum(tw_sum(bytes, sizeof bytes)));
  }
  /* RFC 1624 section 4: equation 2 gives 0xffff here. */
  assert_int_equal(tw_checksum_update(0xdd2f, 0x5555, 0x3285), 0);
}

static void test_checksum_of_udp_is_never_none(void **state) {
  (void)state;
  assert_int_equal(tw_checksum_not_zero(0xffff), 0xffff);
  assert_int_equal(tw_checksum_not_zero(0xfffe), 1);
  assert_int_equal(tw_checksum(0xffff), 0);
}

static void test_pseudo_header_of_both_versions(void **state) {
  (void)state;
  static const uint8_t four[] = {192, 0, 2, 1, 198, 51, 100, 7, 0, 17, 0x12, 0x34};
  assert_int_equal(tw_sum_pseudo(TW_BYTES(four, 4), TW_BYTES(four + 4, 4), 17, 0x1234),
                   packet_plain_sum(0, four, sizeof four));
  uint8_t six[40];
  fill(six, 32, 6);
  static const uint8_t rest[] = {0, 1, 0x86, 0xa0, 0, 0, 0, 6};
  memcpy(six + 32, rest, sizeof rest);
  assert_int_equal(tw_sum_pseudo(TW_BYTES(six, 16), TW_BYTES(six + 16, 16), 6, 100000),
                   packet_plain_sum(0, six, sizeof six));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sum_is_that_of_the_plain_algorithm_at_every_length_and_alignment),
      cmocka_unit_test(test_sum_carries_in_every_word),
      cmocka_unit_test(test_sum_copy_copies_and_sums_nothing_else),
      cmocka_unit_test(test_sums_of_pieces_add_up),
      cmocka_unit_test(test_sum_of_the_rfcs_example),
      cmocka_unit_test(test_update_is_the_checksum_made_anew),
      cmocka_unit_test(test_checksum_of_udp_is_never_none),
      cmocka_unit_test(test_pseudo_header_of_both_versions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
