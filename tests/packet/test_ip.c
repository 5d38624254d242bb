/* Views of IP packets, DSCP and ECN: RFC 791, RFC 8200, RFC 6040. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "packet/ip.h"
#include "packet_kit.h"
#include "support/tw_test_env.h"

static uint8_t packet[2048];

/* In a block that ends with the packet, so that reading on shows. */
static tw_err parse_exactly(const uint8_t *bytes, size_t len, tw_ip *ip) {
  uint8_t *block = malloc(len + 1);
  assert_non_null(block);
  if (len > 0) memcpy(block + 1, bytes, len);
  const tw_err err = tw_ip_parse(TW_BYTES(block + 1, len), ip);
  if (err == TW_OK) { /* the views would dangle */
    assert_ptr_equal(ip->source.ptr, block + 1 + (ip->version == 4 ? 12 : 8));
    ip->source = ip->destination = TW_NO_BYTES;
  }
  free(block);
  return err;
}

static tw_err parse(size_t len) {
  tw_ip ip;
  return tw_ip_parse(TW_BYTES(packet, len), &ip);
}

static void test_every_field_of_both_versions(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    packet_spec spec = packet_plain(version, PACKET_UDP, 33);
    spec.traffic_class = 0xb9;
    const size_t len = packet_write(&spec, packet);
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(packet, len + 100), &ip), TW_OK); /* padding follows */
    assert_int_equal(ip.len, len);
    assert_int_equal(ip.version, version);
    assert_int_equal(ip.transport, version == 4 ? 20 : 40);
    assert_int_equal(ip.protocol, TW_IP_UDP);
    assert_int_equal(ip.traffic_class, 0xb9);
    assert_int_equal(tw_ip_dscp(&ip), 46);
    assert_int_equal(tw_ip_ecn(&ip), TW_ECN_ECT1);
    assert_int_equal(ip.part, TW_IP_WHOLE);
    assert_false(ip.options);
    assert_false(ip.multicast);
    assert_false(ip.broadcast);
    assert_ptr_equal(ip.source.ptr, packet + (version == 4 ? 12 : 8));
    assert_int_equal(ip.source.len, version == 4 ? 4 : 16);
    assert_ptr_equal(ip.destination.ptr, ip.source.ptr + ip.source.len);
    assert_int_equal(ip.destination.len, ip.source.len);
    assert_true(tw_ip_header_is_intact(packet, &ip));
  }
}

static void test_truncation_at_every_byte_is_refused_and_changes_nothing(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    packet_spec spec = packet_plain(version, PACKET_TCP, 10);
    spec.ip_options = 16;
    const size_t len = packet_write(&spec, packet);
    for (size_t cut = 0; cut < len; cut++) {
      tw_ip ip = {.len = 77};
      assert_int_equal(parse_exactly(packet, cut, &ip), TW_ERR_TRUNCATED);
      assert_int_equal(ip.len, 77);
    }
    tw_ip ip;
    assert_int_equal(parse_exactly(packet, len, &ip), TW_OK);
    assert_true(ip.options);
    assert_int_equal(ip.transport, packet_transport(&spec));
  }
}

/* The length field cuts the packet, inside of the buffer. */
static void test_headers_have_to_fit_into_the_packets_own_length(void **state) {
  (void)state;
  packet_spec spec = packet_plain(4, PACKET_TCP, 10);
  spec.ip_options = 16;
  size_t len = packet_write(&spec, packet);
  for (unsigned total = 0; total < len; total++) {
    packet[2] = 0;
    packet[3] = (uint8_t)total;
    assert_int_equal(parse(len), total < 36 ? TW_ERR_ENCODING : TW_OK);
  }
  spec.version = 6;
  len = packet_write(&spec, packet);
  for (unsigned payload = 0; payload < len - 40; payload++) {
    packet[5] = (uint8_t)payload;
    assert_int_equal(parse(len), payload < 16 ? TW_ERR_TRUNCATED : TW_OK);
  }
}

static void test_other_versions_and_header_lengths_are_refused(void **state) {
  (void)state;
  const packet_spec spec = packet_plain(4, PACKET_TCP, 100);
  const size_t len = packet_write(&spec, packet);
  for (unsigned version = 0; version < 16; version++) {
    packet[0] = (uint8_t)(version << 4 | 5);
    if (version != 4 && version != 6) assert_int_equal(parse(len), TW_ERR_UNSUPPORTED);
  }
  for (unsigned words = 0; words < 16; words++) {
    packet[0] = (uint8_t)(0x40 | words);
    assert_int_equal(parse(len), words < 5 ? TW_ERR_ENCODING : TW_OK);
  }
}

static void test_groups_and_broadcasts_are_told(void **state) {
  (void)state;
  static const uint8_t network[4] = {10, 66, 3, 17};
  const packet_spec spec = packet_plain(4, PACKET_UDP, 4);
  const size_t len = packet_write(&spec, packet);
  tw_ip ip;
  static const struct {
    uint8_t address[4];
    bool multicast, broadcast, of_network;
  } cases[] = {
      {{224, 0, 0, 1}, true, false, false},        {{239, 255, 255, 255}, true, false, false},
      {{223, 255, 255, 255}, false, false, false}, {{240, 0, 0, 1}, false, false, false},
      {{255, 255, 255, 255}, false, true, false},  {{10, 66, 3, 255}, false, false, true},
      {{10, 66, 4, 255}, false, false, false},     {{10, 66, 3, 254}, false, false, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    memcpy(packet + 16, cases[i].address, 4);
    assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
    assert_int_equal(ip.multicast, cases[i].multicast);
    assert_int_equal(ip.broadcast, cases[i].broadcast);
    assert_int_equal(tw_ip_is_broadcast_of(&ip, network, 24), cases[i].of_network);
    assert_false(tw_ip_is_broadcast_of(&ip, network, 31));
    assert_false(tw_ip_is_broadcast_of(&ip, network, 32));
    assert_int_equal(tw_ip_is_broadcast_of(&ip, network, 0), cases[i].broadcast);
  }
  packet_spec six = packet_plain(6, PACKET_UDP, 4);
  const size_t len6 = packet_write(&six, packet);
  packet[24] = 0xff;
  assert_int_equal(tw_ip_parse(TW_BYTES(packet, len6), &ip), TW_OK);
  assert_true(ip.multicast);
  assert_false(tw_ip_is_broadcast_of(&ip, network, 24));
}

static void test_sources_that_no_host_has_are_refused(void **state) {
  (void)state;
  packet_spec spec = packet_plain(4, PACKET_UDP, 4);
  size_t len = packet_write(&spec, packet);
  packet[12] = 224;
  assert_int_equal(parse(len), TW_ERR_ENCODING);
  memset(packet + 12, 0xff, 4);
  assert_int_equal(parse(len), TW_ERR_ENCODING);
  spec.version = 6;
  len = packet_write(&spec, packet);
  packet[8] = 0xff;
  assert_int_equal(parse(len), TW_ERR_ENCODING);
}

static void test_fragments_of_ip4(void **state) {
  (void)state;
  const packet_spec spec = packet_plain(4, PACKET_UDP, 8); /* 16 bytes behind the header */
  const size_t len = packet_write(&spec, packet);
  static const struct {
    uint16_t field;
    tw_err err;
    tw_ip_part part;
  } cases[] = {
      {0x0000, TW_OK, TW_IP_WHOLE},          {0x4000, TW_OK, TW_IP_WHOLE},
      {0x8000, TW_OK, TW_IP_WHOLE},          {0x2000, TW_OK, TW_IP_FIRST_FRAGMENT},
      {0x2001, TW_OK, TW_IP_LATER_FRAGMENT}, {0x0001, TW_OK, TW_IP_LATER_FRAGMENT},
      {0x1ffb, TW_OK, TW_IP_LATER_FRAGMENT}, {0x1ffc, TW_ERR_ENCODING, 0}, /* would end behind 65,535 */
      {0x1fff, TW_ERR_ENCODING, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    packet[6] = (uint8_t)(cases[i].field >> 8);
    packet[7] = (uint8_t)cases[i].field;
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), cases[i].err);
    if (cases[i].err == TW_OK) assert_int_equal(ip.part, cases[i].part);
  }
  packet[6] = 0x20; /* more follow, though 15 bytes are not 8 * n */
  packet[7] = 0;
  packet[3]--;
  assert_int_equal(parse(len), TW_ERR_ENCODING);
}

/* An IPv6 packet of the given extension headers, each {type, bytes}, and UDP's 8 bytes and 8 more. */
static size_t write_chain(const uint8_t (*chain)[2], size_t count) {
  memset(packet, 0, sizeof packet);
  packet[0] = 0x60;
  packet[8] = packet[24] = 0xfd;
  size_t at = 40;
  uint8_t *next = &packet[6];
  for (size_t i = 0; i < count; i++) {
    *next = chain[i][0];
    next = &packet[at];
    if (chain[i][0] != 44) packet[at + 1] = (uint8_t)(chain[i][0] == 51 ? chain[i][1] / 4 - 2 : chain[i][1] / 8 - 1);
    at += chain[i][1];
  }
  *next = 17;
  at += 16;
  packet[4] = (uint8_t)((at - 40) >> 8);
  packet[5] = (uint8_t)(at - 40);
  return at;
}

static void test_extension_headers_lead_to_the_transport(void **state) {
  (void)state;
  static const uint8_t chain[][2] = {{0, 8}, {60, 24}, {43, 24}, {44, 8}, {51, 12 + 12}, {60, 8}, {135, 16}, {140, 8}};
  for (size_t count = 0; count <= 8; count++) {
    const size_t len = write_chain(chain, count);
    tw_ip ip;
    assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
    assert_int_equal(ip.transport, len - 16);
    assert_int_equal(ip.protocol, 17);
    assert_int_equal(ip.part, TW_IP_WHOLE);
    assert_int_equal(ip.options, count > 0);
    for (size_t cut = 0; cut < len; cut++) assert_int_equal(parse_exactly(packet, cut, &ip), TW_ERR_TRUNCATED);
    for (size_t own = 0; own + 40 < len; own++) { /* cut by its length field */
      packet[4] = (uint8_t)(own >> 8);
      packet[5] = (uint8_t)own;
      assert_int_equal(parse(len), own + 40 < len - 16 ? TW_ERR_TRUNCATED : TW_OK);
    }
  }
}

static void test_too_many_or_misplaced_extension_headers_are_refused(void **state) {
  (void)state;
  static const uint8_t many[][2] = {{60, 8}, {60, 8}, {60, 8}, {60, 8}, {60, 8}, {60, 8}, {60, 8}, {60, 8}, {60, 8}};
  assert_int_equal(parse(write_chain(many, 9)), TW_ERR_UNSUPPORTED);
  static const uint8_t late[][2] = {{60, 8}, {0, 8}};
  assert_int_equal(parse(write_chain(late, 2)), TW_ERR_ENCODING);
  static const uint8_t twice[][2] = {{44, 8}, {44, 8}};
  assert_int_equal(parse(write_chain(twice, 2)), TW_ERR_ENCODING);
  static const uint8_t one[][2] = {{60, 8}};
  const size_t len = write_chain(one, 1);
  packet[41] = 0xff; /* longer than the packet */
  assert_int_equal(parse(len), TW_ERR_TRUNCATED);
}

static void test_fragments_of_ip6(void **state) {
  (void)state;
  static const uint8_t chain[][2] = {{60, 8}, {44, 8}, {60, 8}};
  const size_t len = write_chain(chain, 3); /* 24 bytes behind the fragment header at 48 */
  tw_ip ip;
  packet[51] = 1;
  assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
  assert_int_equal(ip.part, TW_IP_FIRST_FRAGMENT);
  assert_int_equal(ip.transport, 64);
  packet[51] = 8; /* what follows is data, not a header */
  assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
  assert_int_equal(ip.part, TW_IP_LATER_FRAGMENT);
  assert_int_equal(ip.transport, 56);
  assert_int_equal(ip.protocol, 60);
  packet[50] = 0xff;
  packet[51] = 0xe0; /* 65,504 + 24 */
  assert_int_equal(parse(len), TW_OK);
  packet[51] = 0xe8; /* 65,512 + 24 is one byte too many */
  assert_int_equal(parse(len), TW_ERR_ENCODING);
  packet[50] = 0;
  packet[51] = 1; /* more follow, though it is not 8 * n */
  packet[5]--;
  assert_int_equal(parse(len), TW_ERR_ENCODING);
}

static void test_header_checksum_is_judged_apart(void **state) {
  (void)state;
  const packet_spec spec = packet_plain(4, PACKET_UDP, 8);
  const size_t len = packet_write(&spec, packet);
  tw_ip ip;
  for (size_t bit = 64; bit < 20 * 8; bit++) {
    packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    if (tw_ip_parse(TW_BYTES(packet, len), &ip) == TW_OK) assert_false(tw_ip_header_is_intact(packet, &ip));
    packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
  assert_true(tw_ip_header_is_intact(packet, &ip));
}

static void test_dscp_and_ecn_are_set_alone_and_the_checksum_follows(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    packet_spec spec = packet_plain(version, PACKET_UDP, 20);
    spec.flow_label = 0xabcde;
    for (unsigned before = 0; before < 256; before += 5) {
      for (unsigned after = 0; after < 256; after += version == 4 ? 1 : 3) {
        uint8_t expected[128];
        tw_ip ip;
        spec.traffic_class = (uint8_t)before;
        const size_t len = packet_write(&spec, packet);
        assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
        tw_ip_set_dscp(packet, &ip, (uint8_t)(after >> 2));
        assert_int_equal(ip.traffic_class, (after & 0xfc) | (before & 3));
        tw_ip_set_ecn(packet, &ip, (tw_ecn)(after & 3));
        assert_int_equal(ip.traffic_class, after);
        spec.traffic_class = (uint8_t)after;
        (void)packet_write(&spec, expected);
        assert_memory_equal(packet, expected, len);
      }
    }
  }
}

/* RFC 6040 section 4.2, figure 4: rows are the inner field, columns the outer one; -1: drop. */
static void test_ecn_at_the_tunnels_end_is_as_in_the_rfcs_figure(void **state) {
  (void)state;
  static const tw_ecn order[4] = {TW_ECN_NOT_ECT, TW_ECN_ECT0, TW_ECN_ECT1, TW_ECN_CE};
  static const int figure[4][4] = {
      {TW_ECN_NOT_ECT, TW_ECN_NOT_ECT, TW_ECN_NOT_ECT, -1},
      {TW_ECN_ECT0, TW_ECN_ECT0, TW_ECN_ECT1, TW_ECN_CE},
      {TW_ECN_ECT1, TW_ECN_ECT1, TW_ECN_ECT1, TW_ECN_CE},
      {TW_ECN_CE, TW_ECN_CE, TW_ECN_CE, TW_ECN_CE},
  };
  for (unsigned inner = 0; inner < 4; inner++) {
    for (unsigned outer = 0; outer < 4; outer++) {
      packet_spec spec = packet_plain(4, PACKET_UDP, 20);
      spec.traffic_class = (uint8_t)(0xb8 | order[inner]);
      const size_t len = packet_write(&spec, packet);
      uint8_t expected[128];
      tw_ip ip;
      assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
      const int want = figure[inner][outer];
      assert_int_equal(tw_ip_decapsulate_ecn(packet, &ip, order[outer]), want < 0 ? TW_ERR_FORBIDDEN : TW_OK);
      if (want >= 0) spec.traffic_class = (uint8_t)(0xb8 | want);
      (void)packet_write(&spec, expected);
      assert_memory_equal(packet, expected, len);
    }
  }
}

static void test_random_and_mutated_bytes_are_taken_only_within_their_bounds(void **state) {
  (void)state;
  uint64_t dice = 7;
  for (unsigned round = 0; round < tw_test_rounds(200000, 3000); round++) {
    size_t len = packet_dice(&dice) % 200;
    if (round % 2 == 0) {
      packet_spec spec = packet_plain(round % 4 == 0 ? 4 : 6, PACKET_TCP, packet_dice(&dice) % 60);
      spec.ip_options = packet_dice(&dice) % 3 * 8;
      len = packet_write(&spec, packet);
      for (unsigned n = packet_dice(&dice) % 4; n > 0; n--)
        packet[packet_dice(&dice) % 60] = (uint8_t)packet_dice(&dice);
    } else {
      for (size_t i = 0; i < len; i++) packet[i] = (uint8_t)packet_dice(&dice);
      if (len > 0) packet[0] = (uint8_t)(round % 4 == 1 ? 0x45 : 0x60);
      if (len > 6) packet[2] = packet[4] = 0;
    }
    tw_ip ip;
    if (parse_exactly(packet, len, &ip) != TW_OK) continue;
    assert_true(ip.len <= len);
    assert_true(ip.transport <= ip.len);
    assert_true(ip.version == 4 || ip.version == 6);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_field_of_both_versions),
      cmocka_unit_test(test_truncation_at_every_byte_is_refused_and_changes_nothing),
      cmocka_unit_test(test_headers_have_to_fit_into_the_packets_own_length),
      cmocka_unit_test(test_other_versions_and_header_lengths_are_refused),
      cmocka_unit_test(test_groups_and_broadcasts_are_told),
      cmocka_unit_test(test_sources_that_no_host_has_are_refused),
      cmocka_unit_test(test_fragments_of_ip4),
      cmocka_unit_test(test_extension_headers_lead_to_the_transport),
      cmocka_unit_test(test_too_many_or_misplaced_extension_headers_are_refused),
      cmocka_unit_test(test_fragments_of_ip6),
      cmocka_unit_test(test_header_checksum_is_judged_apart),
      cmocka_unit_test(test_dscp_and_ecn_are_set_alone_and_the_checksum_follows),
      cmocka_unit_test(test_ecn_at_the_tunnels_end_is_as_in_the_rfcs_figure),
      cmocka_unit_test(test_random_and_mutated_bytes_are_taken_only_within_their_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
