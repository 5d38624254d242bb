/* Super-packets into segments, against segments written one by one. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "packet/split.h"
#include "packet_kit.h"
#include "support/tw_test_env.h"

static uint8_t packet[PACKET_ROOM];
static uint8_t expected[PACKET_ROOM];

static tw_offload offload_for(const packet_spec *spec, size_t size) {
  return (tw_offload){
      .flags = TW_OFFLOAD_NEEDS_CSUM,
      .gso_type = spec->protocol == PACKET_UDP ? TW_OFFLOAD_UDP
                  : spec->version == 4         ? TW_OFFLOAD_TCP4
                                               : TW_OFFLOAD_TCP6,
      .hdr_len = (uint16_t)packet_headers(spec),
      .gso_size = (uint16_t)size,
      .csum_start = (uint16_t)packet_transport(spec),
      .csum_offset = (uint16_t)(packet_checksum_at(spec) - packet_transport(spec)),
  };
}

static tw_err begin(tw_split *split, const uint8_t *bytes, size_t len, const tw_offload *offload) {
  tw_ip ip;
  TW_TRY(tw_ip_parse(TW_BYTES(bytes, len), &ip));
  return tw_split_begin(split, bytes, &ip, offload);
}

/* Each segment goes to a block of its own size, so that writing on shows. */
static void check_segments(const packet_spec *super, size_t size, const tw_offload *offload) {
  tw_split split;
  assert_int_equal(begin(&split, packet, packet_len(super), offload), TW_OK);
  const size_t count = super->payload == 0 ? 1 : (super->payload + size - 1) / size;
  assert_int_equal(split.count, count);
  for (size_t n = 0; n < count; n++) {
    const packet_spec segment = packet_segment(super, size, n);
    const size_t len = packet_write(&segment, expected);
    assert_true(len <= split.largest);
    if (n == 0) assert_int_equal(len, split.largest);
    uint8_t *slot = malloc(len);
    assert_non_null(slot);
    assert_int_equal(tw_split_next(&split, slot), len);
    assert_memory_equal(slot, expected, len);
    free(slot);
  }
  assert_int_equal(tw_split_next(&split, NULL), 0);
  assert_int_equal(tw_split_next(&split, NULL), 0);
}

static void check_split(const packet_spec *super, size_t size) {
  const tw_offload offload = offload_for(super, size);
  (void)packet_write(super, packet);
  packet_leave_checksum(super, packet);
  check_segments(super, size, &offload);
}

static void test_segments_are_those_that_would_have_been_sent_one_by_one(void **state) {
  (void)state;
  static const size_t payloads[] = {0, 1, 7, 8, 9, 1399, 1400, 1401, 2800, 2801, 20000};
  static const size_t sizes[] = {8, 9, 536, 1400, 1401, 9000};
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned protocol = PACKET_TCP; protocol <= PACKET_UDP; protocol += PACKET_UDP - PACKET_TCP) {
      for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
          packet_spec super = packet_plain(version, protocol, payloads[i]);
          if (payloads[i] / sizes[j] > 127) continue;
          super.tcp_options = (i + j) % 4 * 4;
          super.ip_options = (i * j) % 3 * 8;
          super.tcp_option = 1;
          check_split(&super, sizes[j]);
        }
      }
    }
  }
}

static void test_largest_super_packets(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    packet_spec super = packet_plain(version, PACKET_TCP, 0);
    super.tcp_options = 40;
    super.tcp_option = 0xff;
    super.payload = 65535 - packet_headers(&super) + (version == 6 ? 40 : 0);
    check_split(&super, 1400);
    if (!tw_test_rounds(1, 0)) continue;
    check_split(&super, 8);
    super = packet_plain(version, PACKET_UDP, 65507);
    check_split(&super, 512);
  }
}

static void test_numbers_go_round(void **state) {
  (void)state;
  packet_spec super = packet_plain(4, PACKET_TCP, 5000);
  super.id = 0xfffe;
  super.sequence = 0xfffff000;
  check_split(&super, 1000);
}

static void test_fin_and_psh_go_last_and_cwr_goes_first(void **state) {
  (void)state;
  for (unsigned flags = 0; flags < 256; flags++) {
    if ((flags & 0x06) != 0) continue; /* SYN, RST */
    packet_spec super = packet_plain(flags % 2 == 0 ? 4 : 6, PACKET_TCP, 3000);
    super.flags = (uint8_t)flags;
    tw_offload offload = offload_for(&super, 1000);
    if ((flags & 0x80) != 0) offload.gso_type |= TW_OFFLOAD_ECN;
    (void)packet_write(&super, packet);
    packet_leave_checksum(&super, packet);
    check_segments(&super, 1000, &offload);
  }
}

/* Of packets that were received and forwarded the kernel knows the checksum to be right already. */
static void test_complete_checksums_are_not_needed_for_splitting(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned protocol = PACKET_TCP; protocol <= PACKET_UDP; protocol += PACKET_UDP - PACKET_TCP) {
      packet_spec super = packet_plain(version, protocol, 4321);
      tw_offload offload = offload_for(&super, 1000);
      offload.flags = TW_OFFLOAD_DATA_VALID;
      (void)packet_write(&super, packet);
      check_segments(&super, 1000, &offload);
      packet[packet_checksum_at(&super)] ^= 0x5a;
      check_segments(&super, 1000, &offload);
      super.ip_options = 8; /* may be a source route: the pseudo header is not known */
      tw_split split;
      (void)packet_write(&super, packet);
      assert_int_equal(begin(&split, packet, packet_len(&super), &offload), TW_ERR_UNSUPPORTED);
    }
  }
}

static void test_datagrams_without_a_checksum_stay_without(void **state) {
  (void)state;
  const packet_spec super = packet_plain(4, PACKET_UDP, 2000);
  tw_offload offload = offload_for(&super, 1000);
  offload.flags = 0;
  (void)packet_write(&super, packet);
  packet[26] = packet[27] = 0;
  tw_split split;
  assert_int_equal(begin(&split, packet, packet_len(&super), &offload), TW_OK);
  for (size_t n = 0; n < 2; n++) {
    const packet_spec segment = packet_segment(&super, 1000, n);
    (void)packet_write(&segment, expected);
    expected[26] = expected[27] = 0;
    uint8_t slot[1028];
    assert_int_equal(tw_split_next(&split, slot), sizeof slot);
    assert_memory_equal(slot, expected, sizeof slot);
  }
}

/* A payload that makes the sum 0xffff: the checksum of UDP has to be 0xffff then, not 0. */
static void test_checksum_of_udp_is_not_zero(void **state) {
  (void)state;
  packet_spec super = packet_plain(4, PACKET_UDP, 32);
  const tw_offload offload = offload_for(&super, 16);
  (void)packet_write(&super, packet);
  const packet_spec second = packet_segment(&super, 16, 1);
  (void)packet_write(&second, expected);
  /* What the sum lacks goes into a word of the second datagram's payload. */
  expected[28] = expected[29] = 0;
  packet_make_checksums(&second, expected);
  packet[28 + 16] = expected[26];
  packet[28 + 17] = expected[27];
  packet_leave_checksum(&super, packet);
  tw_split split;
  uint8_t slot[44];
  assert_int_equal(begin(&split, packet, packet_len(&super), &offload), TW_OK);
  assert_int_equal(tw_split_next(&split, slot), sizeof slot);
  assert_int_equal(tw_split_next(&split, slot), sizeof slot);
  assert_int_equal(slot[26], 0xff);
  assert_int_equal(slot[27], 0xff);
  packet_make_checksums(&second, slot);
  assert_int_equal(slot[26], 0xff);
}

static void test_a_packet_that_is_not_to_be_split_is_copied(void **state) {
  (void)state;
  packet_spec spec = packet_plain(6, PACKET_UDP, 100);
  const size_t len = packet_write(&spec, expected);
  memcpy(packet, expected, len);
  tw_offload offload = {0};
  tw_split split;
  uint8_t slot[200];
  assert_int_equal(begin(&split, packet, len + 50, &offload), TW_OK); /* padding does not come along */
  assert_int_equal(split.count, 1);
  assert_int_equal(split.largest, len);
  assert_int_equal(tw_split_next(&split, slot), len);
  assert_memory_equal(slot, expected, len);
  assert_int_equal(tw_split_next(&split, slot), 0);
  /* And its checksum is made. */
  offload = offload_for(&spec, 0);
  offload.gso_type = TW_OFFLOAD_NONE;
  packet_leave_checksum(&spec, packet);
  assert_int_equal(begin(&split, packet, len, &offload), TW_OK);
  assert_int_equal(tw_split_next(&split, slot), len);
  assert_memory_equal(slot, expected, len);
}

static void test_finish_makes_the_checksum_in_place(void **state) {
  (void)state;
  for (size_t payload = 0; payload < 70; payload++) {
    packet_spec spec = packet_plain(payload % 2 == 0 ? 4 : 6, payload % 3 == 0 ? PACKET_UDP : PACKET_TCP, payload);
    tw_offload offload = offload_for(&spec, 0);
    const size_t len = packet_write(&spec, expected);
    memcpy(packet, expected, len);
    packet_leave_checksum(&spec, packet);
    offload.flags = 0;
    packet[len] = 0xee;
    assert_int_equal(tw_offload_finish(packet, len, &offload), TW_OK);
    offload.flags = TW_OFFLOAD_NEEDS_CSUM;
    assert_int_equal(tw_offload_finish(packet, len, &offload), TW_OK);
    assert_memory_equal(packet, expected, len);
    assert_int_equal(packet[len], 0xee);
  }
}

static void test_finish_refuses_places_outside_of_the_packet(void **state) {
  (void)state;
  for (unsigned start = 0; start < 120; start++) {
    for (unsigned at = 0; at < 120; at++) {
      const tw_offload offload = {TW_OFFLOAD_NEEDS_CSUM, 0, 0, 0, (uint16_t)start, (uint16_t)at};
      uint8_t *block = calloc(1, 100);
      assert_non_null(block);
      assert_int_equal(tw_offload_finish(block, 100, &offload), start + at + 2 <= 100 ? TW_OK : TW_ERR_ENCODING);
      free(block);
    }
  }
  const tw_offload far = {TW_OFFLOAD_NEEDS_CSUM, 0, 0, 0, 0xffff, 0xffff};
  assert_int_equal(tw_offload_finish(packet, 100, &far), TW_ERR_ENCODING);
}

static void test_offload_is_read_as_it_was_written(void **state) {
  (void)state;
  const tw_offload offload = {1, 0x84, 54, 1400, 34, 16};
  uint8_t bytes[TW_OFFLOAD_SIZE];
  tw_offload_put(&offload, bytes);
  assert_int_equal(bytes[0], 1);
  assert_int_equal(bytes[1], 0x84);
  uint16_t size;
  memcpy(&size, bytes + 4, 2);
  assert_int_equal(size, 1400);
  const tw_offload again = tw_offload_get(bytes);
  assert_memory_equal(&again, &offload, sizeof offload);
}

static void refuse(const packet_spec *spec, const tw_offload *offload, tw_err err) {
  tw_split split = {.count = 99};
  assert_int_equal(begin(&split, packet, packet_len(spec), offload), err);
  assert_int_equal(split.count, 99);
}

static void test_offloads_that_contradict_the_packet_are_refused(void **state) {
  (void)state;
  packet_spec spec = packet_plain(4, PACKET_TCP, 3000);
  const tw_offload good = offload_for(&spec, 1000);
  (void)packet_write(&spec, packet);
  for (unsigned type = 1; type < 256; type++) {
    tw_offload offload = good;
    offload.gso_type = (uint8_t)type;
    tw_split split;
    const tw_err err = begin(&split, packet, packet_len(&spec), &offload);
    if (type == 1 || type == 0x81)
      assert_int_equal(err, TW_OK);
    else
      assert_int_equal(err, type == 4 || type == 0x84 || type == 5 ? TW_ERR_ENCODING : TW_ERR_UNSUPPORTED);
  }
  tw_offload offload = good;
  for (uint16_t size = 0; size < 8; size++) {
    offload.gso_size = size;
    refuse(&spec, &offload, TW_ERR_ENCODING);
  }
  offload = good;
  offload.csum_start++;
  refuse(&spec, &offload, TW_ERR_ENCODING);
  offload = good;
  offload.csum_offset = 6;
  refuse(&spec, &offload, TW_ERR_ENCODING);
  offload.csum_offset = 0xffff;
  refuse(&spec, &offload, TW_ERR_ENCODING);

  spec.flags = 0x12; /* SYN */
  (void)packet_write(&spec, packet);
  refuse(&spec, &good, TW_ERR_ENCODING);
  spec.flags = 0x14; /* RST */
  (void)packet_write(&spec, packet);
  refuse(&spec, &good, TW_ERR_ENCODING);
  spec.flags = 0x10;
  (void)packet_write(&spec, packet);
  packet[6] |= 0x20; /* a fragment; 3,020 bytes are not 8 * n, 3,024 are */
  spec.payload += 4;
  (void)packet_write(&spec, packet);
  packet[6] |= 0x20;
  refuse(&spec, &good, TW_ERR_ENCODING);
  for (unsigned words = 0; words < 5; words++) {
    (void)packet_write(&spec, packet);
    packet[32] = (uint8_t)(words << 4);
    refuse(&spec, &good, TW_ERR_TRUNCATED);
  }
}

/* An offload of the other version stands for no protocol, and protocol 0 is none that is split. */
static void test_protocol_0_is_not_split(void **state) {
  (void)state;
  static const uint8_t types[] = {1, 0x81, 4, 0x84, 5};
  const packet_spec spec = packet_plain(4, PACKET_TCP, 3000);
  tw_offload offload = offload_for(&spec, 1000);
  const size_t len = packet_len(&spec) - 20;
  (void)packet_write(&spec, packet);
  packet[9] = 0;
  packet[24] = (uint8_t)(len >> 8); /* as if it were UDP */
  packet[25] = (uint8_t)len;
  offload.csum_offset = 6;
  for (size_t i = 0; i < sizeof types; i++) {
    offload.gso_type = types[i];
    refuse(&spec, &offload, TW_ERR_ENCODING);
  }
}

static void test_datagrams_too_many_or_of_wrong_length_are_refused(void **state) {
  (void)state;
  packet_spec spec = packet_plain(6, PACKET_UDP, 1281);
  tw_offload offload = offload_for(&spec, 10);
  (void)packet_write(&spec, packet);
  refuse(&spec, &offload, TW_ERR_ENCODING);
  offload.gso_size = 0;
  refuse(&spec, &offload, TW_ERR_ENCODING);
  offload.gso_size = 11;
  packet_leave_checksum(&spec, packet);
  check_segments(&spec, 11, &offload);
  packet[45]--;
  refuse(&spec, &offload, TW_ERR_ENCODING);
}

static void test_headers_have_a_bound(void **state) {
  (void)state;
  packet_spec spec = packet_plain(6, PACKET_TCP, 3000);
  spec.ip_options = 448; /* 40 + 448 + 20 = 508 */
  check_split(&spec, 1000);
  spec.ip_options = 456;
  const tw_offload offload = offload_for(&spec, 1000);
  (void)packet_write(&spec, packet);
  refuse(&spec, &offload, TW_ERR_UNSUPPORTED);
}

/* Cut in the packet's own length: what is behind would be read if a check were missing. */
static void test_truncation_at_every_byte_is_refused(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    packet_spec spec = packet_plain(version, PACKET_TCP, 100);
    spec.tcp_options = 12;
    const tw_offload offload = offload_for(&spec, 40);
    for (size_t len = packet_transport(&spec); len < packet_headers(&spec); len++) {
      uint8_t *block = malloc(len);
      assert_non_null(block);
      (void)packet_write(&spec, packet);
      packet[version == 4 ? 3 : 5] = (uint8_t)(version == 4 ? len : len - 40);
      memcpy(block, packet, len);
      tw_split split;
      const tw_err err = begin(&split, block, len, &offload);
      assert_true(err == TW_ERR_TRUNCATED || err == TW_ERR_ENCODING); /* NEEDS_CSUM is outside first */
      tw_offload without = offload;
      without.flags = 0;
      assert_int_equal(begin(&split, block, len, &without), TW_ERR_TRUNCATED);
      free(block);
    }
  }
}

static void test_hostile_headers_never_lead_outside(void **state) {
  (void)state;
  uint64_t dice = 9;
  for (unsigned round = 0; round < tw_test_rounds(100000, 1500); round++) {
    packet_spec spec = packet_plain(round % 2 == 0 ? 4 : 6, round % 3 == 0 ? PACKET_UDP : PACKET_TCP,
                                    packet_dice(&dice) % 400);
    spec.tcp_options = packet_dice(&dice) % 4 * 4;
    spec.ip_options = packet_dice(&dice) % 4 == 0 ? 8 : 0;
    tw_offload offload = offload_for(&spec, 8 + packet_dice(&dice) % 100);
    const size_t len = packet_write(&spec, packet);
    for (unsigned n = packet_dice(&dice) % 3; n > 0; n--) packet[packet_dice(&dice) % 80] = (uint8_t)packet_dice(&dice);
    uint8_t bytes[TW_OFFLOAD_SIZE];
    tw_offload_put(&offload, bytes);
    if (packet_dice(&dice) % 2 == 0) bytes[packet_dice(&dice) % sizeof bytes] = (uint8_t)packet_dice(&dice);
    offload = tw_offload_get(bytes);
    uint8_t *block = malloc(len);
    assert_non_null(block);
    memcpy(block, packet, len);
    tw_split split;
    if (begin(&split, block, len, &offload) == TW_OK) {
      uint8_t *slot = malloc(split.largest);
      assert_non_null(slot);
      uint32_t count = 0;
      for (size_t size = tw_split_next(&split, slot); size > 0; size = tw_split_next(&split, slot)) {
        tw_ip ip;
        assert_true(size <= split.largest);
        assert_int_equal(tw_ip_parse(TW_BYTES(slot, size), &ip), TW_OK);
        assert_int_equal(ip.len, size);
        count++;
      }
      assert_int_equal(count, split.count);
      free(slot);
    }
    free(block);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_segments_are_those_that_would_have_been_sent_one_by_one),
      cmocka_unit_test(test_largest_super_packets),
      cmocka_unit_test(test_numbers_go_round),
      cmocka_unit_test(test_fin_and_psh_go_last_and_cwr_goes_first),
      cmocka_unit_test(test_complete_checksums_are_not_needed_for_splitting),
      cmocka_unit_test(test_datagrams_without_a_checksum_stay_without),
      cmocka_unit_test(test_checksum_of_udp_is_not_zero),
      cmocka_unit_test(test_a_packet_that_is_not_to_be_split_is_copied),
      cmocka_unit_test(test_finish_makes_the_checksum_in_place),
      cmocka_unit_test(test_finish_refuses_places_outside_of_the_packet),
      cmocka_unit_test(test_offload_is_read_as_it_was_written),
      cmocka_unit_test(test_offloads_that_contradict_the_packet_are_refused),
      cmocka_unit_test(test_protocol_0_is_not_split),
      cmocka_unit_test(test_datagrams_too_many_or_of_wrong_length_are_refused),
      cmocka_unit_test(test_headers_have_a_bound),
      cmocka_unit_test(test_truncation_at_every_byte_is_refused),
      cmocka_unit_test(test_hostile_headers_never_lead_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
