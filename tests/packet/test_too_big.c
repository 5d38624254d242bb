/* ICMP errors for packets that are too big, and the MSS of SYNs. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "packet/too_big.h"
#include "packet_kit.h"
#include "support/tw_test_env.h"

static uint8_t packet[4096];
static uint8_t out[TW_TOO_BIG_ROOM + 8];

static tw_ip parsed(size_t len) {
  tw_ip ip;
  assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
  return ip;
}

static size_t make(size_t len, uint32_t mtu, tw_bytes from) {
  const tw_ip ip = parsed(len);
  size_t size = 0;
  memset(out, 0xee, sizeof out);
  assert_int_equal(tw_too_big_make(packet, &ip, mtu, from, out, &size), TW_OK);
  assert_int_equal(out[size], 0xee);
  return size;
}

static void test_fragmentation_needed(void **state) {
  (void)state;
  static const size_t payloads[] = {0, 1, 507, 508, 509, 3000};
  for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
    const packet_spec spec = packet_plain(4, PACKET_TCP, payloads[i]);
    const size_t len = packet_write(&spec, packet);
    const size_t size = make(len, 1280, TW_NO_BYTES);
    const size_t quoted = len < 548 ? len : 548;
    assert_int_equal(size, 28 + quoted); /* 576 at most */
    static const uint8_t head[] = {0x45, 0xc0};
    assert_memory_equal(out, head, 2);
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(out, size), &ip), TW_OK);
    assert_int_equal(ip.len, size);
    assert_int_equal(ip.protocol, TW_IP_ICMP);
    assert_true(tw_ip_header_is_intact(out, &ip));
    assert_memory_equal(ip.source.ptr, packet + 16, 4); /* as if from the destination */
    assert_memory_equal(ip.destination.ptr, packet + 12, 4);
    static const uint8_t icmp[] = {3, 4};
    static const uint8_t mtu[] = {0, 0, 0x05, 0x00};
    assert_memory_equal(out + 20, icmp, 2);
    assert_memory_equal(out + 24, mtu, 4);
    assert_int_equal(packet_plain_sum(0, out + 20, size - 20), 0xffff);
    assert_memory_equal(out + 28, packet, quoted);
  }
}

static void test_packet_too_big(void **state) {
  (void)state;
  static const size_t payloads[] = {0, 1, 1171, 1172, 1173, 3000};
  static const uint8_t router[16] = {0xfd, 1, 2, 3};
  for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
    const packet_spec spec = packet_plain(6, PACKET_TCP, payloads[i]);
    const size_t len = packet_write(&spec, packet);
    const size_t size = make(len, 0x12345, TW_ARRAY(router));
    const size_t quoted = len < 1232 ? len : 1232;
    assert_int_equal(size, 48 + quoted); /* 1,280 at most */
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(out, size), &ip), TW_OK);
    assert_int_equal(ip.len, size);
    assert_int_equal(ip.protocol, TW_IP_ICMP6);
    assert_memory_equal(ip.source.ptr, router, 16);
    assert_memory_equal(ip.destination.ptr, packet + 8, 16);
    static const uint8_t icmp[] = {2, 0};
    static const uint8_t mtu[] = {0, 1, 0x23, 0x45};
    assert_memory_equal(out + 40, icmp, 2);
    assert_memory_equal(out + 44, mtu, 4);
    const uint8_t pseudo[] = {0, 0, (uint8_t)((size - 40) >> 8), (uint8_t)(size - 40), 0, 0, 0, 58};
    const uint16_t sum = packet_plain_sum(packet_plain_sum(0, out + 8, 32), pseudo, sizeof pseudo);
    assert_int_equal(packet_plain_sum(sum, out + 40, size - 40), 0xffff);
    assert_memory_equal(out + 48, packet, quoted);
  }
}

static void refuse_as(size_t len, uint32_t mtu, tw_bytes from, tw_err err) {
  const tw_ip ip = parsed(len);
  size_t size = 77;
  assert_int_equal(tw_too_big_make(packet, &ip, mtu, from, out, &size), err);
  assert_int_equal(size, 77);
}

static void test_mtus_and_sources_of_the_wrong_kind_are_the_callers_mistake(void **state) {
  (void)state;
  static const uint8_t address[16] = {10, 1};
  packet_spec spec = packet_plain(4, PACKET_UDP, 1000);
  size_t len = packet_write(&spec, packet);
  refuse_as(len, 67, TW_NO_BYTES, TW_ERR_ARGUMENT);
  refuse_as(len, 0, TW_NO_BYTES, TW_ERR_ARGUMENT);
  refuse_as(len, 1280, TW_ARRAY(address), TW_ERR_ARGUMENT);
  assert_int_equal(make(len, 68, TW_BYTES(address, 4)), 576);
  (void)make(len, 100000, TW_NO_BYTES);
  assert_int_equal(out[26] << 8 | out[27], 0xffff);
  spec.version = 6;
  len = packet_write(&spec, packet);
  refuse_as(len, 1279, TW_NO_BYTES, TW_ERR_ARGUMENT);
  refuse_as(len, 1280, TW_BYTES(address, 4), TW_ERR_ARGUMENT);
}

static void refuse(size_t len) { refuse_as(len, 1280, TW_NO_BYTES, TW_ERR_FORBIDDEN); }

static void test_no_errors_about_icmp_errors(void **state) {
  (void)state;
  for (unsigned type = 0; type < 256; type++) {
    packet_spec spec = packet_plain(4, PACKET_UDP, 1000);
    size_t len = packet_write(&spec, packet);
    packet[9] = 1;
    packet[20] = (uint8_t)type;
    if (type == 0 || type == 8 || type == 13 || type == 14)
      (void)make(len, 1280, TW_NO_BYTES);
    else
      refuse(len);
    spec.version = 6;
    len = packet_write(&spec, packet);
    packet[6] = 58;
    packet[40] = (uint8_t)type;
    if (type >= 128 && type != 137)
      (void)make(len, 1280, TW_NO_BYTES);
    else
      refuse(len);
  }
  packet[4] = packet[5] = 0; /* ICMP without a byte */
  refuse(40);
}

static void test_no_errors_to_or_about_groups_fragments_and_nobody(void **state) {
  (void)state;
  packet_spec spec = packet_plain(4, PACKET_UDP, 1000);
  static const struct {
    size_t at;
    uint8_t value[4];
  } four[] = {{16, {224, 0, 0, 1}}, {16, {255, 255, 255, 255}}, {12, {0, 0, 0, 0}},
              {12, {127, 0, 0, 1}}, {12, {240, 0, 0, 1}},       {6, {0x40, 0x10, 64, 17}}};
  for (size_t i = 0; i < sizeof four / sizeof four[0]; i++) {
    const size_t len = packet_write(&spec, packet);
    memcpy(packet + four[i].at, four[i].value, 4);
    refuse(len);
  }
  spec.may_fragment = true;
  refuse(packet_write(&spec, packet));

  spec.version = 6;
  size_t len = packet_write(&spec, packet);
  memset(packet + 8, 0, 16);
  refuse(len);
  packet[23] = 1;
  refuse(len);
  len = packet_write(&spec, packet);
  packet[24] = 0xff; /* RFC 4443 section 2.4 e 3: a group may be told of, but cannot speak */
  refuse(len);
  static const uint8_t router[16] = {0xfd, 1};
  assert_int_equal(make(len, 1280, TW_ARRAY(router)), 48 + len);
  static const uint8_t group[16] = {0xff, 2};
  refuse_as(len, 1280, TW_ARRAY(group), TW_ERR_FORBIDDEN);
  spec.ip_options = 8;
  len = packet_write(&spec, packet);
  packet[6] = 44; /* a later fragment */
  packet[42] = 1;
  refuse(len);
}

/* ---- MSS ---- */

/* A SYN with the options given; the bytes up to 4 * n are zeros. */
static size_t write_syn(unsigned version, uint8_t flags, const uint8_t *options, size_t len) {
  packet_spec spec = packet_plain(version, PACKET_TCP, 3);
  spec.flags = flags;
  spec.tcp_options = (len + 3) / 4 * 4;
  const size_t size = packet_write(&spec, packet);
  memcpy(packet + packet_transport(&spec) + 20, options, len);
  packet_make_checksums(&spec, packet);
  return size;
}

static void check_lowered(unsigned version, const uint8_t *options, size_t len, size_t at, uint16_t after,
                          uint32_t mtu) {
  uint8_t want[256];
  uint8_t lowered[40];
  memcpy(lowered, options, len);
  lowered[at] = (uint8_t)(after >> 8);
  lowered[at + 1] = (uint8_t)after;
  size_t size = write_syn(version, 0x12, lowered, len);
  memcpy(want, packet, size);
  size = write_syn(version, 0x12, options, len);
  const tw_ip ip = parsed(size);
  assert_true(tw_mss_lower(packet, &ip, mtu));
  assert_memory_equal(packet, want, size);
  assert_false(tw_mss_lower(packet, &ip, mtu));
  assert_memory_equal(packet, want, size);
}

static void check_unchanged(unsigned version, uint8_t flags, const uint8_t *options, size_t len, uint32_t mtu) {
  uint8_t before[256];
  const size_t size = write_syn(version, flags, options, len);
  memcpy(before, packet, size);
  const tw_ip ip = parsed(size);
  assert_false(tw_mss_lower(packet, &ip, mtu));
  assert_memory_equal(packet, before, size);
}

static void test_mss_is_lowered_to_what_fits_and_the_checksum_follows(void **state) {
  (void)state;
  static const uint8_t plain[] = {2, 4, 0x05, 0xb4}; /* 1,460 */
  check_lowered(4, plain, sizeof plain, 2, 1240, 1280);
  check_lowered(6, plain, sizeof plain, 2, 1220, 1280);
  check_lowered(4, plain, sizeof plain, 2, 1459, 1499);
  static const uint8_t behind[] = {4, 2, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 3, 3, 7, 2, 4, 0xff, 0xff, 0};
  check_lowered(4, behind, sizeof behind, 19, 1240, 1280); /* odd */
  static const uint8_t odd[] = {1, 2, 4, 0x05, 0xb4};
  for (uint32_t mtu = 41; mtu < 1500; mtu++) {
    check_lowered(4, odd, sizeof odd, 3, (uint16_t)(mtu - 40), mtu);
    if (mtu > 60) check_lowered(6, plain, sizeof plain, 2, (uint16_t)(mtu - 60), mtu);
  }
}

static void test_what_fits_or_is_no_syn_stays_as_it_is(void **state) {
  (void)state;
  static const uint8_t plain[] = {2, 4, 0x05, 0xb4};
  check_unchanged(4, 0x02, plain, sizeof plain, 1500);
  check_unchanged(6, 0x02, plain, sizeof plain, 1520);
  check_unchanged(4, 0x02, plain, sizeof plain, 100000);
  check_unchanged(4, 0x10, plain, sizeof plain, 1280);
  check_unchanged(4, 0x02, plain, sizeof plain, 40); /* nothing would fit */
  check_unchanged(4, 0x02, plain, sizeof plain, 0);
  check_unchanged(4, 0x02, plain, 0, 1280);
  packet_spec spec = packet_plain(4, PACKET_UDP, 60);
  tw_ip ip = parsed(packet_write(&spec, packet));
  assert_false(tw_mss_lower(packet, &ip, 1280));
  /* Data that looks like one: of a later fragment. */
  const size_t len = write_syn(4, 0x02, plain, sizeof plain);
  packet[7] = 8;
  ip = parsed(len);
  assert_false(tw_mss_lower(packet, &ip, 1280));
}

static void test_malformed_options_are_left_alone(void **state) {
  (void)state;
  static const uint8_t cases[][8] = {
      {2, 3, 0xff, 0xff, 0, 0, 0, 0},
      {2, 5, 0xff, 0xff, 0xff, 0, 0, 0},
      {2, 0, 0xff, 0xff},
      {2, 1, 0xff, 0xff},
      {0, 2, 4, 0xff, 0xff},
      {1, 1, 1, 1, 1, 1, 1, 2},
      {1, 1, 1, 1, 1, 2, 4, 0xff},
      {3, 0, 2, 4, 0xff, 0xff},
      {3, 9, 2, 4, 0xff, 0xff},
      {3, 1, 2, 4, 0xff, 0xff},
      {8, 8, 2, 4, 0xff, 0xff, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_unchanged(4, 0x02, cases[i], sizeof cases[i], 1280);
}

/* Cut in the packet's own length, in blocks that end there. */
static void test_truncation_at_every_byte_changes_nothing(void **state) {
  (void)state;
  static const uint8_t plain[] = {1, 1, 1, 1, 2, 4, 0x05, 0xb4};
  const size_t size = write_syn(4, 0x02, plain, sizeof plain);
  for (size_t len = 20; len < size; len++) {
    uint8_t *block = malloc(len);
    assert_non_null(block);
    packet[3] = (uint8_t)len;
    memcpy(block, packet, len);
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(block, len), &ip), TW_OK);
    assert_int_equal(tw_mss_lower(block, &ip, 1280), len >= 48);
    if (len < 48) assert_memory_equal(block, packet, len);
    size_t made;
    assert_int_equal(tw_too_big_make(block, &ip, 1280, TW_NO_BYTES, out, &made), TW_OK);
    free(block);
  }
}

static void test_random_options_never_lead_outside(void **state) {
  (void)state;
  uint64_t dice = 17;
  for (unsigned round = 0; round < tw_test_rounds(50000, 500); round++) {
    uint8_t options[40];
    for (size_t i = 0; i < sizeof options; i++) options[i] = (uint8_t)(packet_dice(&dice) % (i % 2 == 0 ? 5 : 12));
    const size_t len = packet_dice(&dice) % 11 * 4;
    packet_spec spec = packet_plain(4, PACKET_TCP, 0);
    spec.tcp_options = len;
    spec.flags = 0x02;
    (void)write_syn(4, 0x02, options, len);
    packet[3] = (uint8_t)packet_len(&spec); /* ends with the options */
    packet_make_checksums(&spec, packet);
    uint8_t *block = malloc(packet_len(&spec));
    assert_non_null(block);
    memcpy(block, packet, packet_len(&spec));
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(block, packet_len(&spec)), &ip), TW_OK);
    if (tw_mss_lower(block, &ip, 41)) {
      memcpy(packet, block, packet_len(&spec));
      packet_make_checksums(&spec, packet);
    }
    assert_memory_equal(packet, block, packet_len(&spec));
    free(block);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fragmentation_needed),
      cmocka_unit_test(test_packet_too_big),
      cmocka_unit_test(test_mtus_and_sources_of_the_wrong_kind_are_the_callers_mistake),
      cmocka_unit_test(test_no_errors_about_icmp_errors),
      cmocka_unit_test(test_no_errors_to_or_about_groups_fragments_and_nobody),
      cmocka_unit_test(test_mss_is_lowered_to_what_fits_and_the_checksum_follows),
      cmocka_unit_test(test_what_fits_or_is_no_syn_stays_as_it_is),
      cmocka_unit_test(test_malformed_options_are_left_alone),
      cmocka_unit_test(test_truncation_at_every_byte_changes_nothing),
      cmocka_unit_test(test_random_options_never_lead_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
