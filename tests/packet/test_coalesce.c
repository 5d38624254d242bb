/* Which packets become super-packets, and back by tw_split. SPDX-License-Identifier: Apache-2.0 */
#include "coalesce_kit.h"
#include "packet/split.h"

static void check_round_trip(const packet_spec *super, size_t size) {
  const size_t count = (super->payload + size - 1) / size;
  begin(BOTH);
  for (size_t n = 0; n < count; n++) {
    const packet_spec segment = packet_segment(super, size, n);
    add(&segment);
  }
  assert_int_equal(batch.count, 1);
  if (count == 1) {
    check_alone(0, 0);
    return;
  }
  check_super(0, super, size);
  tw_offload offload;
  tw_ip ip;
  tw_split split;
  static uint8_t slot[SLOT];
  const size_t len = take(0, &offload); /* again: it stays the same */
  assert_int_equal(tw_ip_parse(TW_BYTES(joined, len), &ip), TW_OK);
  assert_int_equal(tw_split_begin(&split, joined, &ip, &offload), TW_OK);
  assert_int_equal(split.count, count);
  for (size_t n = 0; n < count; n++) {
    assert_int_equal(tw_split_next(&split, slot), lens[n]);
    assert_memory_equal(slot, originals[n], lens[n]);
  }
}

static void test_split_and_coalesced_and_split_again_gives_the_same_segments(void **state) {
  (void)state;
  static const size_t sizes[] = {8, 9, 100, 1399, 1400};
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned protocol = PACKET_TCP; protocol <= PACKET_UDP; protocol += PACKET_UDP - PACKET_TCP) {
      for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t last = 1; last <= sizes[i]; last += sizes[i] > 9 ? 37 : 1) {
          packet_spec super = packet_plain(version, protocol, sizes[i] * (last % 40) + last);
          super.may_fragment = last % 2 == 0;
          super.id = 0xfff8;
          super.sequence = 0xfffffff0;
          super.tcp_options = last % 3 * 12;
          super.tcp_option = 1;
          super.flow_label = 0xbeef;
          super.traffic_class = 0x2a;
          super.flags = (uint8_t[]){0x10, 0x18, 0x19, 0x11, 0xd0, 0x50}[last % 6];
          check_round_trip(&super, sizes[i]);
        }
      }
    }
  }
}

/* The payload starts where headers end, and the buffer's rest is padding. */
static void test_payloads_stay_where_they_are(void **state) {
  (void)state;
  const packet_spec super = packet_plain(6, PACKET_TCP, 3000);
  begin(BOTH);
  for (size_t n = 0; n < 3; n++) {
    const packet_spec segment = packet_segment(&super, 1000, n);
    add(&segment);
  }
  tw_offload offload;
  assert_int_equal(tw_coalesce_take(&batch, 0, &offload, pieces), 3);
  assert_ptr_equal(pieces[0].ptr, slots[0]);
  assert_int_equal(pieces[0].len, 1060);
  for (size_t n = 1; n < 3; n++) {
    assert_ptr_equal(pieces[n].ptr, slots[n] + 60);
    assert_int_equal(pieces[n].len, 1000);
    assert_memory_equal(slots[n], originals[n], lens[n]);
  }
}

/* Two segments that would be one, but for what `change` does to the second. */
typedef void (*change)(packet_spec *first, packet_spec *second);

static void change_source_port(packet_spec *a, packet_spec *b) { b->source_port = (uint16_t)(a->source_port + 1); }
static void change_destination_port(packet_spec *a, packet_spec *b) {
  b->destination_port = (uint16_t)~a->destination_port;
}
static void change_source(packet_spec *a, packet_spec *b) { b->from = (uint8_t)(a->from + 2); }
static void change_destination(packet_spec *a, packet_spec *b) { b->to = (uint8_t)(a->to + 2); }
static void change_dscp(packet_spec *a, packet_spec *b) { b->traffic_class = (uint8_t)(a->traffic_class ^ 0x20); }
static void change_ecn(packet_spec *a, packet_spec *b) { b->traffic_class = (uint8_t)(a->traffic_class ^ 3); }
static void change_hop_limit(packet_spec *a, packet_spec *b) { b->hop_limit = (uint8_t)(a->hop_limit - 1); }
static void change_flow_label(packet_spec *a, packet_spec *b) { b->flow_label = a->flow_label ^ 1; }
static void change_df(packet_spec *a, packet_spec *b) { b->may_fragment = !a->may_fragment; }
static void change_gap(packet_spec *a, packet_spec *b) {
  (void)a;
  b->sequence++;
}
static void change_overlap(packet_spec *a, packet_spec *b) {
  (void)a;
  b->sequence--;
}
static void change_repeat(packet_spec *a, packet_spec *b) { b->sequence = a->sequence; }
static void change_acknowledgment(packet_spec *a, packet_spec *b) { b->acknowledgment = a->acknowledgment + 1; }
static void change_window(packet_spec *a, packet_spec *b) { b->window = (uint16_t)(a->window + 1); }
static void change_urgent(packet_spec *a, packet_spec *b) { b->urgent = (uint16_t)(a->urgent + 1); }
static void change_option(packet_spec *a, packet_spec *b) { b->tcp_option = (uint8_t)(a->tcp_option ^ 0x80); }
static void change_options(packet_spec *a, packet_spec *b) { b->tcp_options = a->tcp_options + 4; }
static void change_ip_options(packet_spec *a, packet_spec *b) { b->ip_options = a->ip_options + 8; }
static void change_both_ip_options(packet_spec *a, packet_spec *b) { a->ip_options = b->ip_options = 8; }
static void change_size(packet_spec *a, packet_spec *b) { b->payload = a->payload + 1; }
static void change_nothing_left(packet_spec *a, packet_spec *b) {
  (void)a;
  b->payload = 0;
}
static void change_first_psh(packet_spec *a, packet_spec *b) {
  (void)b;
  a->flags |= 0x08;
}
static void change_first_fin(packet_spec *a, packet_spec *b) {
  (void)b;
  a->flags |= 0x01;
}
static void change_syn(packet_spec *a, packet_spec *b) {
  (void)a;
  b->flags |= 0x02;
}
static void change_both_syn(packet_spec *a, packet_spec *b) { a->flags |= 0x02, b->flags |= 0x02; }
static void change_rst(packet_spec *a, packet_spec *b) {
  (void)a;
  b->flags |= 0x04;
}
static void change_both_rst(packet_spec *a, packet_spec *b) { a->flags |= 0x04, b->flags |= 0x04; }
static void change_both_urg(packet_spec *a, packet_spec *b) { a->flags |= 0x20, b->flags |= 0x20; }
static void change_no_ack(packet_spec *a, packet_spec *b) { a->flags = b->flags = 0; }
static void change_ece(packet_spec *a, packet_spec *b) {
  (void)a;
  b->flags |= 0x40;
}
static void change_cwr(packet_spec *a, packet_spec *b) {
  (void)a;
  b->flags |= 0x80;
}
static void change_both_cwr(packet_spec *a, packet_spec *b) { a->flags |= 0x80, b->flags |= 0x80; }
static void change_protocol(packet_spec *a, packet_spec *b) { b->protocol = a->protocol ^ PACKET_TCP ^ PACKET_UDP; }
static void change_tiny(packet_spec *a, packet_spec *b) { a->payload = b->payload = 7, b->sequence = a->sequence + 7; }

enum { OF_4 = 1, OF_6 = 2, OF_TCP = 4, OF_UDP = 8, OF_ALL = 15 };

static void test_what_differs_is_not_coalesced(void **state) {
  (void)state;
  static const struct {
    change change;
    unsigned of;
  } changes[] = {
      {change_source_port, OF_ALL},
      {change_destination_port, OF_ALL},
      {change_source, OF_ALL},
      {change_destination, OF_ALL},
      {change_dscp, OF_ALL},
      {change_ecn, OF_ALL},
      {change_hop_limit, OF_ALL},
      {change_flow_label, OF_6 | OF_TCP | OF_UDP},
      {change_df, OF_4 | OF_TCP | OF_UDP},
      {change_gap, OF_4 | OF_6 | OF_TCP},
      {change_overlap, OF_4 | OF_6 | OF_TCP},
      {change_repeat, OF_4 | OF_6 | OF_TCP},
      {change_acknowledgment, OF_4 | OF_6 | OF_TCP},
      {change_window, OF_4 | OF_6 | OF_TCP},
      {change_urgent, OF_4 | OF_6 | OF_TCP},
      {change_option, OF_4 | OF_6 | OF_TCP},
      {change_options, OF_4 | OF_6 | OF_TCP},
      {change_ip_options, OF_ALL},
      {change_both_ip_options, OF_ALL},
      {change_size, OF_ALL},
      {change_nothing_left, OF_ALL},
      {change_first_psh, OF_4 | OF_6 | OF_TCP},
      {change_first_fin, OF_4 | OF_6 | OF_TCP},
      {change_syn, OF_4 | OF_6 | OF_TCP},
      {change_both_syn, OF_4 | OF_6 | OF_TCP},
      {change_rst, OF_4 | OF_6 | OF_TCP},
      {change_both_rst, OF_4 | OF_6 | OF_TCP},
      {change_both_urg, OF_4 | OF_6 | OF_TCP},
      {change_no_ack, OF_4 | OF_6 | OF_TCP},
      {change_ece, OF_4 | OF_6 | OF_TCP},
      {change_cwr, OF_4 | OF_6 | OF_TCP},
      {change_both_cwr, OF_4 | OF_6 | OF_TCP},
      {change_protocol, OF_ALL},
      {change_tiny, OF_4 | OF_6 | OF_TCP},
  };
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned protocol = PACKET_TCP; protocol <= PACKET_UDP; protocol += PACKET_UDP - PACKET_TCP) {
      packet_spec super = packet_plain(version, protocol, 2000);
      super.tcp_options = 12;
      for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if ((changes[i].of & (version == 4 ? OF_4 : OF_6)) == 0) continue;
        if ((changes[i].of & (protocol == PACKET_TCP ? OF_TCP : OF_UDP)) == 0) continue;
        packet_spec first = packet_segment(&super, 1000, 0);
        packet_spec second = packet_segment(&super, 1000, 1);
        changes[i].change(&first, &second);
        begin(BOTH);
        add(&first);
        add(&second);
        assert_int_equal(batch.count, 2);
        check_alone(0, 0);
        check_alone(1, 1);
      }
      check_round_trip(&super, 1000);
    }
  }
}

static void test_identifications_count_unless_df_is_set(void **state) {
  (void)state;
  for (int step = -1; step <= 2; step++) {
    for (unsigned free = 0; free < 2; free++) {
      packet_spec super = packet_plain(4, PACKET_UDP, 2000);
      super.may_fragment = free == 1;
      packet_spec first = packet_segment(&super, 1000, 0);
      packet_spec second = packet_segment(&super, 1000, 1);
      second.id = (uint16_t)(first.id + step);
      begin(BOTH);
      add(&first);
      add(&second);
      assert_int_equal(batch.count, free == 1 && step != 1 ? 2 : 1);
    }
  }
}

/* Every bit of both packets, in the headers and in the payload: damage stays visible. */
static void test_a_changed_bit_never_comes_out_with_a_checksum_that_hides_it(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned protocol = PACKET_TCP; protocol <= PACKET_UDP; protocol += PACKET_UDP - PACKET_TCP) {
      const packet_spec super = packet_plain(version, protocol, 64);
      const packet_spec part[2] = {packet_segment(&super, 32, 0), packet_segment(&super, 32, 1)};
      for (size_t bit = 0; bit < 2 * 8 * packet_len(&part[0]); bit++) {
        const size_t which = bit % 2;
        begin(BOTH);
        for (size_t n = 0; n < 2; n++) {
          (void)packet_write(&part[n], slots[used]);
          if (n == which) slots[used][bit / 16] ^= (uint8_t)(1 << bit / 2 % 8);
          tw_ip ip;
          if (tw_ip_parse(TW_BYTES(slots[used], packet_len(&part[0])), &ip) != TW_OK) continue;
          assert_int_equal(add_slot(), TW_OK);
        }
        /* Fields of IPv6 that no checksum covers are compared; a single bit is never the same in both. */
        assert_int_equal(batch.count, used);
        for (size_t n = 0; n < used; n++) check_alone(n, n);
      }
    }
  }
}

static void test_a_datagram_without_a_checksum_or_with_a_wrong_length_stays_alone(void **state) {
  (void)state;
  const packet_spec super = packet_plain(4, PACKET_UDP, 3000);
  for (unsigned damage = 0; damage < 2; damage++) {
    begin(BOTH);
    for (size_t n = 0; n < 3; n++) {
      const packet_spec segment = packet_segment(&super, 1000, n);
      (void)packet_write(&segment, slots[n]);
      if (damage == 0) {
        slots[n][26] = slots[n][27] = 0;
      } else {
        slots[n][25] -= 4;
        packet_make_checksums(&segment, slots[n]);
      }
      assert_int_equal(add_slot(), TW_OK);
    }
    assert_int_equal(batch.count, 3);
    for (size_t n = 0; n < 3; n++) check_alone(n, n);
  }
}

static void test_only_what_was_asked_for_is_coalesced(void **state) {
  (void)state;
  for (unsigned what = 0; what < 4; what++) {
    begin(what);
    for (size_t n = 0; n < 8; n++) {
      const packet_spec super = packet_plain(n / 4 == 0 ? 4 : 6, n / 2 % 2 == 0 ? PACKET_TCP : PACKET_UDP, 2000);
      const packet_spec segment = packet_segment(&super, 1000, n % 2);
      add(&segment);
    }
    assert_int_equal(batch.count, 8 - ((what & 1) != 0 ? 2 : 0) - ((what & 2) != 0 ? 2 : 0));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_split_and_coalesced_and_split_again_gives_the_same_segments),
      cmocka_unit_test(test_payloads_stay_where_they_are),
      cmocka_unit_test(test_what_differs_is_not_coalesced),
      cmocka_unit_test(test_identifications_count_unless_df_is_set),
      cmocka_unit_test(test_a_changed_bit_never_comes_out_with_a_checksum_that_hides_it),
      cmocka_unit_test(test_a_datagram_without_a_checksum_or_with_a_wrong_length_stays_alone),
      cmocka_unit_test(test_only_what_was_asked_for_is_coalesced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
