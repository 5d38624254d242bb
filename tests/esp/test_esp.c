/* Packets: RFC 4303 sections 2 and 3, RFC 4106, RFC 7634, RFC 8750. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "codec/writer.h"
#include "support/esp_kit.h"

#define TOP (UINT64_C(1) << 32)

enum { SMALL = 64 };

static tw_test_env test;
static esp_kit kit;
static uint8_t packet[TW_ESP_PACKET_MAX + 64];
static uint8_t copy[TW_ESP_PACKET_MAX + 64];
static tw_esp_opened opened;

static int setup(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static tw_err open_copy(const uint8_t *from, size_t size) {
  memcpy(copy, from, size);
  return tw_esp_open(&kit.in, copy, size, &opened);
}

/*
 * Made with another implementation of the AEADs: key 00 01 02 …, salt a0a1a2a3, number 0x0000000500000007, 21 bytes of
 * payload filled up to 24, next header 41.
 */
static void known_answers_come_out(void **state) {
  (void)state;
  static const struct {
    uint16_t suite;
    const char *packet;
  } cases[] = {
      {1, "4a4b4c4d00000007e428732e2239431cd513054b59052cf3caf604617f3a75149b8a990a9980c234080dcc29f2dafaac007c66ec"},
      {7, "4a4b4c4d00000007975fa0756c38482f7eddad9d72fa052f59c3a4f564539dae6fbf6f0aedd545bb8dae3c473411650f2f0a1b5a"},
      {3, "4a4b4c4d00000007f55f66654ca20dec1ec50e25d8ff97e52c69fd19bbeaa37e82ca21a84176e39a49b2bbb834a8f51f034e594b"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_buf expected = {0};
    tw_test_unhex(cases[i].packet, &expected);
    esp_kit_init(&kit, &test, cases[i].suite, 5 * TOP + 7);
    const size_t size = esp_kit_seal(&kit, packet, 21, 24);
    tw_test_same(TW_BYTES(packet, size), tw_buf_bytes(&expected));
    assert_int_equal(tw_esp_open(&kit.in, expected.ptr, expected.len, &opened), TW_OK);
    assert_int_equal(opened.next_header, TW_ESP_NEXT_IPV6);
    assert_true(opened.number == 5 * TOP + 7);
    assert_int_equal(opened.len, 24);
    esp_kit_is_pattern(expected.ptr + TW_ESP_HEADER, 21);
    tw_buf_clear(&expected);
    esp_kit_clear(&kit);
  }
}

/* By the one-shot AEAD, for every length of padding and every suite. */
static void packets_are_what_the_aead_alone_makes(void **state) {
  (void)state;
  for (size_t n = 0; tw_suite_at(n) != NULL; n++) {
    esp_kit_init(&kit, &test, tw_suite_id(&test.env, tw_suite_at(n)), TOP - 5);
    for (size_t len = 0; len < 10; len++) {
      const size_t pad_len = (4 - (len + 2) % 4) % 4;
      uint8_t inner[SMALL];
      for (size_t i = 0; i < len; i++) inner[i] = (uint8_t)(i * 7 + 1);
      for (size_t i = 0; i < pad_len; i++) inner[len + i] = (uint8_t)(i + 1);
      inner[len + pad_len] = (uint8_t)pad_len;
      inner[len + pad_len + 1] = TW_ESP_NEXT_IPV6;
      const size_t size = esp_kit_seal_raw(&kit, &test, kit.out.next, TW_BYTES(inner, len + pad_len + 2), copy);
      assert_int_equal(esp_kit_seal(&kit, packet, len, 0), size);
      tw_test_same(TW_BYTES(packet, size), TW_BYTES(copy, size));
    }
    esp_kit_clear(&kit);
  }
}

static void packets_round_trip_in_every_size(void **state) {
  (void)state;
  static const size_t sizes[] = {
      0, 1, 2, 3, 4, 15, 16, 17, 1399, 1400, 1401, 1402, 9000, TW_ESP_PAYLOAD_MAX - 1, TW_ESP_PAYLOAD_MAX};
  esp_kit_init(&kit, &test, 2, 1);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    const size_t size = esp_kit_seal(&kit, packet, sizes[i], 0);
    assert_in_range(size, sizes[i] + TW_ESP_OVERHEAD_MAX - 3, sizes[i] + TW_ESP_OVERHEAD_MAX);
    assert_in_range(size, TW_ESP_PACKET_MIN, TW_ESP_PACKET_MAX);
    assert_int_equal(size % TW_ESP_ALIGN, 0);
    uint32_t spi;
    assert_int_equal(tw_esp_peek(TW_BYTES(packet, size), &spi), TW_OK);
    assert_int_equal(spi, TW_KIT_SPI);
    assert_int_equal(tw_esp_open(&kit.in, packet, size, &opened), TW_OK);
    assert_true(opened.number == i + 1);
    assert_int_equal(opened.len, sizes[i]);
    assert_int_equal(opened.next_header, TW_ESP_NEXT_IPV6);
    esp_kit_is_pattern(packet + TW_ESP_HEADER, sizes[i]);
  }
  assert_int_equal(tw_esp_seal(&kit.out, TW_ESP_NEXT_IPV4, packet, TW_ESP_PAYLOAD_MAX + 1, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_esp_seal(&kit.out, TW_ESP_NEXT_IPV4, packet, 0, TW_ESP_PAYLOAD_MAX + 1), TW_ERR_ARGUMENT);
  assert_int_equal(tw_esp_seal(&kit.out, TW_ESP_NEXT_IPV4, packet, SIZE_MAX, SIZE_MAX), TW_ERR_ARGUMENT);
  esp_kit_clear(&kit);
}

static void nothing_behind_a_packet_is_touched(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 1, 1);
  for (size_t len = 0; len < 40; len++) {
    for (size_t least = 0; least < 48; least += 5) {
      memset(packet, 0xee, 128);
      const size_t size = esp_kit_seal(&kit, packet, len, least);
      for (size_t i = size; i < 128; i++) assert_int_equal(packet[i], 0xee);
      assert_int_equal(tw_esp_open(&kit.in, packet, size, &opened), TW_OK);
      for (size_t i = size; i < 128; i++) assert_int_equal(packet[i], 0xee);
    }
  }
  esp_kit_clear(&kit);
}

/* Section 2.7 */
static void packets_are_filled_up_to_one_size(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 1, 1);
  for (size_t len = 0; len <= 1400; len += 7) {
    assert_int_equal(esp_kit_seal(&kit, packet, len, 1400), tw_esp_size(1400, 0));
    assert_int_equal(tw_esp_open(&kit.in, packet, tw_esp_size(1400, 0), &opened), TW_OK);
    assert_int_equal(opened.len, 1400);
    esp_kit_is_pattern(packet + TW_ESP_HEADER, len);
    for (size_t i = len; i < 1400; i++) assert_int_equal(packet[TW_ESP_HEADER + i], 0);
  }
  esp_kit_clear(&kit);
}

/* Section 2.6: whatever is in them. */
static void dummies_are_told_apart(void **state) {
  (void)state;
  static const uint8_t odd[] = {9, 9, 9, 9, 9, 9, 200, TW_ESP_NEXT_DUMMY};
  esp_kit_init(&kit, &test, 1, 1);
  assert_int_equal(tw_esp_seal(&kit.out, TW_ESP_NEXT_DUMMY, packet, 0, 100), TW_OK);
  assert_int_equal(tw_esp_open(&kit.in, packet, tw_esp_size(0, 100), &opened), TW_OK);
  assert_int_equal(opened.next_header, TW_ESP_NEXT_DUMMY);
  assert_int_equal(opened.len, 0);
  const size_t size = esp_kit_seal_raw(&kit, &test, 2, TW_ARRAY(odd), packet);
  assert_int_equal(open_copy(packet, size), TW_OK);
  assert_int_equal(opened.next_header, TW_ESP_NEXT_DUMMY);
  assert_int_equal(opened.len, 0);
  assert_int_equal(open_copy(packet, size), TW_ERR_DUPLICATE);
  esp_kit_clear(&kit);
}

static void every_flipped_bit_is_refused(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 1, 3 * TOP + 9);
  const size_t size = esp_kit_seal(&kit, packet, 37, 0);
  opened.len = 99;
  for (size_t i = 0; i < size; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      packet[i] ^= (uint8_t)(1u << bit);
      const tw_err err = open_copy(packet, size);
      if (i < 4) {
        assert_int_equal(err, TW_ERR_WRONG_GROUP);
      } else if (i == 7 && (uint8_t)(packet[7]) < 9) { /* below the first number: seen already */
        assert_int_equal(err, TW_ERR_DUPLICATE);
      } else {
        assert_int_equal(err, TW_ERR_DECRYPT);
      }
      packet[i] ^= (uint8_t)(1u << bit);
    }
  }
  assert_int_equal(opened.len, 99);
  assert_int_equal(open_copy(packet, size), TW_OK);
  esp_kit_clear(&kit);
}

static void every_cut_is_refused(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 1, 1);
  const size_t size = esp_kit_seal(&kit, packet, 37, 0);
  for (size_t cut = 0; cut < size; cut++) {
    uint32_t spi = 1;
    const tw_err expected = cut < TW_ESP_PACKET_MIN ? TW_ERR_TRUNCATED : cut % 4 != 0 ? TW_ERR_ENCODING : TW_OK;
    assert_int_equal(tw_esp_peek(TW_BYTES(packet, cut), &spi), expected);
    assert_int_equal(open_copy(packet, cut), expected == TW_OK ? TW_ERR_DECRYPT : expected);
  }
  for (size_t more = 1; more < 9; more++)
    assert_int_equal(open_copy(packet, size + more), more % 4 != 0 ? TW_ERR_ENCODING : TW_ERR_DECRYPT);
  assert_int_equal(tw_esp_open(&kit.in, packet, TW_ESP_PACKET_MAX + 4, &opened), TW_ERR_ENCODING);
  assert_int_equal(tw_esp_open(&kit.in, NULL, 0, &opened), TW_ERR_TRUNCATED);
  assert_int_equal(open_copy(packet, size), TW_OK);
  esp_kit_clear(&kit);
}

/* What shares the port, RFC 3948 sections 2.2 and 2.3, and SPIs that are none. */
static void keepalives_and_reserved_spis_are_no_packets(void **state) {
  (void)state;
  static const uint8_t keepalive[] = {0xff};
  uint8_t marked[40] = {0};
  uint32_t spi;
  assert_int_equal(tw_esp_peek(TW_ARRAY(keepalive), &spi), TW_ERR_TRUNCATED);
  assert_int_equal(tw_esp_peek(TW_ARRAY(marked), &spi), TW_ERR_ENCODING);
  marked[3] = 255;
  assert_int_equal(tw_esp_peek(TW_ARRAY(marked), &spi), TW_ERR_ENCODING);
  marked[2] = 1;
  marked[3] = 0;
  assert_int_equal(tw_esp_peek(TW_ARRAY(marked), &spi), TW_OK);
  assert_int_equal(spi, 256);
}

/* Section 2.4, by somebody who has the key: the number counts as seen, nothing is handed over. */
static void wrong_padding_is_refused_though_authentic(void **state) {
  (void)state;
  static const struct {
    uint8_t inner[8];
    size_t len;
    tw_err err;
  } cases[] = {
      {{5, 5, 5, 5, 5, 5, 0, 4}, 8, TW_OK},
      {{5, 5, 5, 1, 2, 3, 3, 4}, 8, TW_OK},
      {{1, 2, 3, 4, 5, 6, 6, 4}, 8, TW_OK}, /* more than is needed, and no payload */
      {{5, 5, 5, 0, 0, 0, 3, 4}, 8, TW_ERR_UNEXPECTED},
      {{5, 5, 5, 1, 2, 4, 3, 4}, 8, TW_ERR_UNEXPECTED},
      {{5, 5, 5, 2, 2, 3, 3, 4}, 8, TW_ERR_UNEXPECTED},
      {{5, 5, 5, 3, 2, 1, 3, 4}, 8, TW_ERR_UNEXPECTED},
      {{1, 2, 3, 4, 5, 6, 7, 4}, 8, TW_ERR_UNEXPECTED}, /* more than there is */
      {{1, 2, 3, 4, 5, 6, 255, 4}, 8, TW_ERR_UNEXPECTED},
      {{1, 2, 255, 4}, 4, TW_ERR_UNEXPECTED},
  };
  esp_kit_init(&kit, &test, 1, 1);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const tw_bytes inner = TW_BYTES(cases[i].inner, cases[i].len);
    const size_t size = esp_kit_seal_raw(&kit, &test, i + 1, inner, packet);
    opened = (tw_esp_opened){.len = 99};
    assert_int_equal(open_copy(packet, size), cases[i].err);
    if (cases[i].err != TW_OK) assert_int_equal(opened.len, 99);
    assert_int_equal(open_copy(packet, size), TW_ERR_DUPLICATE);
  }
  assert_true(kit.in.forged == 0);
  esp_kit_clear(&kit);
}

static void all_255_bytes_of_padding_are_taken_and_looked_at(void **state) {
  (void)state;
  uint8_t inner[260] = {7, 7, 7};
  for (size_t i = 0; i < 255; i++) inner[3 + i] = (uint8_t)(i + 1);
  inner[258] = 255;
  inner[259] = TW_ESP_NEXT_IPV4;
  esp_kit_init(&kit, &test, 3, 1);
  size_t size = esp_kit_seal_raw(&kit, &test, 1, TW_ARRAY(inner), packet);
  assert_int_equal(tw_esp_open(&kit.in, packet, size, &opened), TW_OK);
  assert_int_equal(opened.len, 3);
  for (size_t i = 0; i < 255; i++) {
    inner[3 + i] ^= 0x80;
    size = esp_kit_seal_raw(&kit, &test, 2 + i, TW_ARRAY(inner), packet);
    assert_int_equal(tw_esp_open(&kit.in, packet, size, &opened), TW_ERR_UNEXPECTED);
    inner[3 + i] ^= 0x80;
  }
  esp_kit_clear(&kit);
}

static void each_packet_opens_once_in_any_order(void **state) {
  (void)state;
  enum { COUNT = 300, SIZE = 32 };
  static uint8_t packets[COUNT][SIZE];
  esp_kit_init(&kit, &test, 1, TOP - COUNT / 2);
  for (size_t i = 0; i < COUNT; i++) assert_int_equal(esp_kit_seal(&kit, packets[i], 6, 0), SIZE);
  for (size_t i = 0; i < COUNT; i++) {
    const size_t at = i * 7 % COUNT; /* 7 and COUNT have no common factor */
    assert_int_equal(open_copy(packets[at], SIZE), TW_OK);
    assert_true(opened.number == TOP - COUNT / 2 + at);
    assert_int_equal(open_copy(packets[at], SIZE), TW_ERR_DUPLICATE);
  }
  for (size_t i = 0; i < COUNT; i++) assert_int_equal(open_copy(packets[i], SIZE), TW_ERR_DUPLICATE);
  esp_kit_clear(&kit);
}

static void a_number_that_is_left_unmarked_can_come_again_until_it_is_marked(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 1, 1);
  const size_t size = esp_kit_seal(&kit, packet, SMALL, 0);
  for (int i = 0; i < 3; i++) {
    memcpy(copy, packet, size);
    opened = (tw_esp_opened){0};
    assert_int_equal(tw_esp_open_unmarked(&kit.in, copy, size, &opened), TW_OK);
    assert_int_equal(opened.number, 1);
    assert_int_equal(opened.len, SMALL);
    esp_kit_is_pattern(copy + TW_ESP_HEADER, SMALL);
    assert_int_equal(kit.in.window.highest, 0);
  }
  packet[size - 1] ^= 1;
  memcpy(copy, packet, size);
  assert_int_equal(tw_esp_open_unmarked(&kit.in, copy, size, &opened), TW_ERR_DECRYPT);
  assert_int_equal(kit.in.forged, 1);
  packet[size - 1] ^= 1;
  tw_esp_window_mark(&kit.in.window, opened.number);
  memcpy(copy, packet, size);
  assert_int_equal(tw_esp_open_unmarked(&kit.in, copy, size, &opened), TW_ERR_DUPLICATE);
  assert_int_equal(open_copy(packet, size), TW_ERR_DUPLICATE);
  esp_kit_clear(&kit);
}

static void what_does_not_open_leaves_the_window_as_it_was(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 1, 1);
  const size_t size = esp_kit_seal(&kit, packet, 10, 0);
  memcpy(copy, packet, size);
  tw_put_u32(copy + 4, 1000000); /* would push the window far on */
  assert_int_equal(tw_esp_open(&kit.in, copy, size, &opened), TW_ERR_DECRYPT);
  assert_true(kit.in.window.highest == 0);
  assert_true(kit.in.forged == 1);
  assert_int_equal(open_copy(packet, size), TW_OK);
  esp_kit_clear(&kit);
}

/* Numbers around `at` are sealed, opened in order but the late ones, and these at the end. */
static void cross(uint64_t at) {
  enum { SIZE = 32 };
  static uint8_t late[2][SIZE];
  esp_kit_init(&kit, &test, 3, at - 2000);
  for (uint64_t n = at - 2000; n < at + 2000; n++) {
    uint8_t *to = n == at - 1 ? late[0] : n == at ? late[1] : packet;
    assert_int_equal(esp_kit_seal(&kit, to, 5, 0), SIZE);
    if (to != packet) continue;
    assert_int_equal(tw_esp_open(&kit.in, packet, SIZE, &opened), TW_OK);
    assert_true(opened.number == n);
  }
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(open_copy(late[i], SIZE), TW_OK);
    assert_true(opened.number == at - 1 + i);
    assert_int_equal(open_copy(late[i], SIZE), TW_ERR_DUPLICATE);
  }
  esp_kit_clear(&kit);
}

static void numbers_go_over_2_32_both_ways(void **state) {
  (void)state;
  cross(TOP);
  cross(2 * TOP);
  cross(UINT64_C(0xffffffff) << 32);
}

/* Appendix A2.2 cannot tell them: a packet that is too late passes for one 2^32 further on, and does not open. */
static void packets_behind_the_window_do_not_open(void **state) {
  (void)state;
  enum { SIZE = 32 };
  esp_kit_init(&kit, &test, 3, TOP);
  assert_int_equal(esp_kit_seal(&kit, packet, 5, 0), SIZE);
  kit.out.next = TOP + TW_ESP_WINDOW;
  uint8_t next[SIZE];
  assert_int_equal(esp_kit_seal(&kit, next, 5, 0), SIZE);
  assert_int_equal(open_copy(next, SIZE), TW_OK);
  assert_int_equal(open_copy(packet, SIZE), TW_ERR_DECRYPT);
  assert_true(kit.in.forged == 1);
  kit.in.limits.packets = 2 * TOP - 1; /* where no sender goes as far, they can be told */
  assert_int_equal(open_copy(packet, SIZE), TW_ERR_OLD_GENERATION);
  assert_true(kit.in.forged == 1);
  esp_kit_clear(&kit);
}

static void another_sa_s_packet_is_refused(void **state) {
  (void)state;
  esp_kit other;
  esp_kit_init(&kit, &test, 1, 1);
  esp_kit_init(&other, &test, 1, 1);
  other.out.spi++;
  size_t size = esp_kit_seal(&other, packet, 20, 0);
  assert_int_equal(open_copy(packet, size), TW_ERR_WRONG_GROUP);
  tw_put_u32(packet, TW_KIT_SPI); /* the SPI is authenticated, too */
  assert_int_equal(open_copy(packet, size), TW_ERR_DECRYPT);
  other.out.spi = TW_KIT_SPI;
  other.out.salt[0] ^= 1;
  size = esp_kit_seal(&other, packet, 20, 0);
  assert_int_equal(open_copy(packet, size), TW_ERR_DECRYPT);
  esp_kit_clear(&kit);
  esp_kit_clear(&other);
}

static void packets_allocate_nothing(void **state) {
  (void)state;
  esp_kit_init(&kit, &test, 2, 1);
  const size_t before = test.alloc_calls;
  for (unsigned i = 0; i < 10; i++) {
    const size_t size = esp_kit_seal(&kit, packet, 1400, 0);
    assert_int_equal(tw_esp_open(&kit.in, packet, size, &opened), TW_OK);
  }
  assert_int_equal(test.alloc_calls, before);
  esp_kit_clear(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_answers_come_out),
      cmocka_unit_test(packets_are_what_the_aead_alone_makes),
      cmocka_unit_test(packets_round_trip_in_every_size),
      cmocka_unit_test(nothing_behind_a_packet_is_touched),
      cmocka_unit_test(packets_are_filled_up_to_one_size),
      cmocka_unit_test(dummies_are_told_apart),
      cmocka_unit_test(every_flipped_bit_is_refused),
      cmocka_unit_test(every_cut_is_refused),
      cmocka_unit_test(keepalives_and_reserved_spis_are_no_packets),
      cmocka_unit_test(wrong_padding_is_refused_though_authentic),
      cmocka_unit_test(all_255_bytes_of_padding_are_taken_and_looked_at),
      cmocka_unit_test(each_packet_opens_once_in_any_order),
      cmocka_unit_test(a_number_that_is_left_unmarked_can_come_again_until_it_is_marked),
      cmocka_unit_test(what_does_not_open_leaves_the_window_as_it_was),
      cmocka_unit_test(numbers_go_over_2_32_both_ways),
      cmocka_unit_test(packets_behind_the_window_do_not_open),
      cmocka_unit_test(another_sa_s_packet_is_refused),
      cmocka_unit_test(packets_allocate_nothing),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
