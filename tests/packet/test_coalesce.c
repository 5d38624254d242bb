/* Packets into super-packets, and back by tw_split. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "packet/coalesce.h"
#include "packet/split.h"
#include "packet_kit.h"
#include "support/tw_test_env.h"

enum { BOTH = TW_COALESCE_TCP | TW_COALESCE_UDP, SLOT = 2048 };

static tw_coalesce batch;
static tw_bytes pieces[TW_COALESCE_PIECES];
static uint8_t slots[TW_COALESCE_BATCH][SLOT]; /* where packets lie */
static size_t lens[TW_COALESCE_BATCH];         /* as they came */
static uint8_t originals[TW_COALESCE_BATCH][SLOT];
static size_t used;
static uint8_t joined[PACKET_ROOM];
static uint8_t expected[PACKET_ROOM];

static void begin(unsigned what) {
  used = 0;
  tw_coalesce_begin(&batch, what);
}

static tw_err add_slot(void) {
  tw_ip ip;
  uint8_t *slot = slots[used];
  assert_int_equal(tw_ip_parse(TW_BYTES(slot, SLOT), &ip), TW_OK);
  lens[used] = ip.len;
  memcpy(originals[used], slot, ip.len);
  used++;
  return tw_coalesce_add(&batch, slot, &ip);
}

static void add(const packet_spec *spec) {
  (void)packet_write(spec, slots[used]);
  assert_int_equal(add_slot(), TW_OK);
}

static size_t take(size_t index, tw_offload *offload) {
  const size_t count = tw_coalesce_take(&batch, index, offload, pieces);
  size_t len = 0;
  assert_in_range(count, 1, TW_COALESCE_PIECES);
  for (size_t i = 0; i < count; i++) {
    assert_true(len + pieces[i].len <= sizeof joined);
    memcpy(joined + len, pieces[i].ptr, pieces[i].len);
    len += pieces[i].len;
  }
  return len;
}

/* What came out is the packet that `super` describes, its checksum left open, in pieces of `size`. */
static void check_super(size_t index, const packet_spec *super, size_t size) {
  tw_offload offload;
  const size_t len = take(index, &offload);
  assert_int_equal(len, packet_write(super, expected));
  packet_leave_checksum(super, expected);
  assert_memory_equal(joined, expected, len);
  assert_int_equal(offload.flags, TW_OFFLOAD_NEEDS_CSUM);
  unsigned type = super->version == 4 ? TW_OFFLOAD_TCP4 : TW_OFFLOAD_TCP6;
  if ((super->flags & 0x80) != 0) type |= TW_OFFLOAD_ECN;
  assert_int_equal(offload.gso_type, super->protocol == PACKET_UDP ? TW_OFFLOAD_UDP : type);
  assert_int_equal(offload.gso_size, size);
  assert_int_equal(offload.hdr_len, packet_headers(super));
  assert_int_equal(offload.csum_start, packet_transport(super));
  assert_int_equal(offload.csum_start + offload.csum_offset, packet_checksum_at(super));
}

/* It came out alone, not a bit changed. */
static void check_alone(size_t index, size_t slot) {
  static const tw_offload none = {0};
  tw_offload offload;
  assert_int_equal(take(index, &offload), lens[slot]);
  assert_memory_equal(&offload, &none, sizeof none);
  assert_memory_equal(joined, originals[slot], lens[slot]);
}

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
static void change_gap(packet_spec *a, packet_spec *b) { b->sequence++, (void)a; }
static void change_overlap(packet_spec *a, packet_spec *b) { b->sequence--, (void)a; }
static void change_repeat(packet_spec *a, packet_spec *b) { b->sequence = a->sequence; }
static void change_acknowledgment(packet_spec *a, packet_spec *b) { b->acknowledgment = a->acknowledgment + 1; }
static void change_window(packet_spec *a, packet_spec *b) { b->window = (uint16_t)(a->window + 1); }
static void change_urgent(packet_spec *a, packet_spec *b) { b->urgent = (uint16_t)(a->urgent + 1); }
static void change_option(packet_spec *a, packet_spec *b) { b->tcp_option = (uint8_t)(a->tcp_option ^ 0x80); }
static void change_options(packet_spec *a, packet_spec *b) { b->tcp_options = a->tcp_options + 4; }
static void change_ip_options(packet_spec *a, packet_spec *b) { b->ip_options = a->ip_options + 8; }
static void change_size(packet_spec *a, packet_spec *b) { b->payload = a->payload + 1; }
static void change_nothing_left(packet_spec *a, packet_spec *b) { b->payload = 0, (void)a; }
static void change_first_psh(packet_spec *a, packet_spec *b) { a->flags |= 0x08, (void)b; }
static void change_first_fin(packet_spec *a, packet_spec *b) { a->flags |= 0x01, (void)b; }
static void change_syn(packet_spec *a, packet_spec *b) { b->flags |= 0x02, (void)a; }
static void change_both_syn(packet_spec *a, packet_spec *b) { a->flags |= 0x02, b->flags |= 0x02; }
static void change_rst(packet_spec *a, packet_spec *b) { b->flags |= 0x04, (void)a; }
static void change_both_rst(packet_spec *a, packet_spec *b) { a->flags |= 0x04, b->flags |= 0x04; }
static void change_both_urg(packet_spec *a, packet_spec *b) { a->flags |= 0x20, b->flags |= 0x20; }
static void change_no_ack(packet_spec *a, packet_spec *b) { a->flags = b->flags = 0; }
static void change_ece(packet_spec *a, packet_spec *b) { b->flags |= 0x40, (void)a; }
static void change_cwr(packet_spec *a, packet_spec *b) { b->flags |= 0x80, (void)a; }
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

static void test_super_packets_have_bounds(void **state) {
  (void)state;
  /* 46 * 1,400 and the headers are 64,440 bytes; 47 are more than 65,535. */
  packet_spec super = packet_plain(4, PACKET_TCP, 50 * 1400);
  begin(BOTH);
  for (size_t n = 0; n < 50; n++) {
    const packet_spec segment = packet_segment(&super, 1400, n);
    add(&segment);
  }
  assert_int_equal(batch.count, 2);
  packet_spec part = super;
  part.payload = 46 * 1400;
  check_super(0, &part, 1400);
  part = packet_segment(&super, (size_t)46 * 1400, 1);
  part.id = (uint16_t)(super.id + 46);
  check_super(1, &part, 1400);

  for (unsigned protocol = PACKET_TCP; protocol <= PACKET_UDP; protocol += PACKET_UDP - PACKET_TCP) {
    super = packet_plain(6, protocol, 200 * 20);
    begin(BOTH);
    for (size_t n = 0; n < 200; n++) {
      const packet_spec segment = packet_segment(&super, 20, n);
      add(&segment);
    }
    const size_t most = protocol == PACKET_TCP ? TW_COALESCE_PIECES : TW_COALESCE_UDP_PIECES;
    assert_int_equal(batch.count, (200 + most - 1) / most);
    part = super;
    part.payload = most * 20;
    check_super(0, &part, 20);
  }
}

/* 65,535 bytes in all are allowed, one more is not. */
static void test_a_super_packet_may_have_exactly_64_kib_less_one(void **state) {
  (void)state;
  for (size_t more = 0; more < 2; more++) {
    packet_spec super = packet_plain(4, PACKET_TCP, 65535 - 40 + more);
    begin(BOTH);
    for (size_t n = 0; n * 1400 < super.payload; n++) {
      const packet_spec segment = packet_segment(&super, 1400, n);
      add(&segment);
    }
    assert_int_equal(batch.count, 1 + more);
    if (more == 0) check_super(0, &super, 1400);
  }
}

static void test_a_full_batch_takes_no_more(void **state) {
  (void)state;
  const packet_spec super = packet_plain(4, PACKET_TCP, (size_t)TW_COALESCE_BATCH * 1000);
  begin(BOTH);
  for (size_t n = 0; n < TW_COALESCE_BATCH; n++) {
    const packet_spec segment = packet_segment(&super, 1000, n);
    add(&segment);
  }
  tw_ip ip;
  const uint32_t count = batch.count;
  assert_int_equal(tw_ip_parse(TW_BYTES(slots[0], SLOT), &ip), TW_OK);
  assert_int_equal(tw_coalesce_add(&batch, slots[0], &ip), TW_ERR_LIMIT);
  assert_int_equal(batch.count, count);
  begin(BOTH);
  assert_int_equal(tw_coalesce_add(&batch, slots[0], &ip), TW_OK);
}

/* Fragments have no ports: they may belong to any flow. */
static void test_a_fragment_ends_all_flows(void **state) {
  (void)state;
  const packet_spec super = packet_plain(4, PACKET_UDP, 2000);
  const packet_spec first = packet_segment(&super, 1000, 0);
  const packet_spec second = packet_segment(&super, 1000, 1);
  begin(BOTH);
  add(&first);
  packet_spec fragment = packet_plain(4, PACKET_UDP, 16);
  (void)packet_write(&fragment, slots[1]);
  slots[1][6] = 0x20;
  assert_int_equal(add_slot(), TW_OK);
  add(&second);
  assert_int_equal(batch.count, 3);
  for (size_t n = 0; n < 3; n++) check_alone(n, n);
}

/* An acknowledgment in between comes out in between. */
static void test_nothing_of_a_flow_overtakes_what_came_before(void **state) {
  (void)state;
  const packet_spec super = packet_plain(6, PACKET_TCP, 4000);
  packet_spec pure = packet_plain(6, PACKET_TCP, 0);
  pure.sequence = super.sequence + 2000;
  begin(BOTH);
  for (size_t n = 0; n < 5; n++) {
    const packet_spec segment = packet_segment(&super, 1000, n < 2 ? n : n - 1);
    add(n == 2 ? &pure : &segment);
  }
  assert_int_equal(batch.count, 3);
  packet_spec part = super;
  part.payload = 2000;
  check_super(0, &part, 1000);
  check_alone(1, 2);
  part = packet_segment(&super, 2000, 1);
  check_super(2, &part, 1000);
}

/* ---- many flows ---- */

enum { FLOWS_MOST = 48 };

static packet_spec flow_spec(unsigned flow) {
  packet_spec spec = packet_plain(flow % 2 == 0 ? 4 : 6, flow % 3 == 0 ? PACKET_UDP : PACKET_TCP, 0);
  spec.source_port = (uint16_t)(1000 + flow);
  spec.stream = flow;
  return spec;
}

static unsigned flow_of(const uint8_t *packet) {
  const size_t at = packet[0] >> 4 == 4 ? 20 : 40;
  return (unsigned)(packet[at] << 8 | packet[at + 1]) - 1000;
}

/* Takes all out, splits it, and follows each flow's packets through the slots they were added from. */
static void check_order(unsigned flows) {
  size_t next[FLOWS_MOST] = {0};
  size_t seen = 0;
  for (size_t i = 0; i < batch.count; i++) {
    tw_offload offload;
    tw_ip ip;
    tw_split split;
    static uint8_t slot[PACKET_ROOM];
    const size_t len = take(i, &offload);
    assert_int_equal(tw_ip_parse(TW_BYTES(joined, len), &ip), TW_OK);
    assert_int_equal(tw_split_begin(&split, joined, &ip, &offload), TW_OK);
    for (size_t size = tw_split_next(&split, slot); size > 0; size = tw_split_next(&split, slot)) {
      const unsigned flow = flow_of(slot);
      assert_true(flow < flows);
      size_t *at = &next[flow];
      while (*at < used && flow_of(originals[*at]) != flow) (*at)++;
      assert_true(*at < used);
      assert_int_equal(size, lens[*at]);
      assert_memory_equal(slot, originals[*at], size);
      (*at)++;
      seen++;
    }
  }
  assert_int_equal(seen, used);
}

/* With losses, repetitions, other sizes and flags, damage, and more flows than there is room for. */
static void test_random_batches_keep_every_packet_and_the_order_in_each_flow(void **state) {
  (void)state;
  uint64_t dice = 11;
  for (unsigned round = 0; round < tw_test_rounds(1500, 12); round++) {
    const unsigned flows = 1 + packet_dice(&dice) % FLOWS_MOST;
    packet_spec specs[FLOWS_MOST];
    for (unsigned flow = 0; flow < flows; flow++) specs[flow] = flow_spec(flow);
    begin(BOTH);
    const size_t total = packet_dice(&dice) % TW_COALESCE_BATCH;
    unsigned flow = 0;
    while (used < total) {
      if (packet_dice(&dice) % 4 == 0) flow = packet_dice(&dice) % flows;
      packet_spec *spec = &specs[flow];
      const uint32_t what = packet_dice(&dice) % 64;
      spec->payload = what < 4 ? packet_dice(&dice) % 300 : 200;
      spec->flags = what == 5 ? (uint8_t)packet_dice(&dice) : what == 6 ? 0x18 : 0x10;
      spec->tcp_options = what == 7 ? 12 : 0;
      if (what == 8) spec->sequence += 100;
      if (what == 9) spec->traffic_class ^= 3;
      (void)packet_write(spec, slots[used]);
      if (what == 10) slots[used][packet_len(spec) - 1] ^= 1;
      assert_int_equal(add_slot(), TW_OK);
      spec->sequence += (uint32_t)spec->payload;
      spec->at += spec->payload;
      spec->id++;
    }
    check_order(flows);
  }
}

/* As many packets of one flow, interleaved with so many others that its place is taken again and again. */
static void test_a_flow_that_lost_its_place_begins_anew(void **state) {
  (void)state;
  const unsigned flows = TW_COALESCE_FLOWS + 1;
  begin(BOTH);
  for (size_t n = 0; n < 3; n++) {
    for (unsigned flow = 0; flow < flows; flow++) {
      packet_spec spec = flow_spec(flow);
      spec.payload = 300;
      const packet_spec segment = packet_segment(&spec, 100, n);
      add(&segment);
    }
  }
  assert_int_equal(batch.count, used);
  check_order(flows);
}

/* ---- hostile ---- */

static void test_mutated_packets_never_lead_outside(void **state) {
  (void)state;
  uint64_t dice = 13;
  for (unsigned round = 0; round < tw_test_rounds(30000, 400); round++) {
    uint8_t *blocks[8];
    tw_ip ips[8];
    size_t count = 0;
    size_t bytes = 0;
    tw_coalesce_begin(&batch, BOTH);
    const packet_spec super = packet_plain(round % 2 == 0 ? 4 : 6, round % 3 == 0 ? PACKET_UDP : PACKET_TCP, 160);
    for (size_t n = 0; n < 8; n++) {
      const packet_spec segment = packet_segment(&super, 20, n);
      const size_t len = packet_write(&segment, slots[0]);
      if (packet_dice(&dice) % 3 == 0) slots[0][packet_dice(&dice) % len] = (uint8_t)packet_dice(&dice);
      const size_t cut = packet_dice(&dice) % 8 == 0 ? packet_dice(&dice) % (len + 1) : len;
      if (packet_dice(&dice) % 8 == 0) slots[0][super.version == 4 ? 3 : 5] = (uint8_t)cut;
      blocks[count] = malloc(cut + 1);
      assert_non_null(blocks[count]);
      memcpy(blocks[count] + 1, slots[0], cut);
      if (tw_ip_parse(TW_BYTES(blocks[count] + 1, cut), &ips[count]) != TW_OK) {
        free(blocks[count]);
        continue;
      }
      bytes += ips[count].len;
      assert_int_equal(tw_coalesce_add(&batch, blocks[count] + 1, &ips[count]), TW_OK);
      count++;
    }
    size_t out = 0;
    for (size_t i = 0; i < batch.count; i++) {
      tw_offload offload;
      out += take(i, &offload);
    }
    assert_true(out <= bytes);
    for (size_t i = 0; i < count; i++) free(blocks[i]);
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
      cmocka_unit_test(test_super_packets_have_bounds),
      cmocka_unit_test(test_a_super_packet_may_have_exactly_64_kib_less_one),
      cmocka_unit_test(test_a_full_batch_takes_no_more),
      cmocka_unit_test(test_a_fragment_ends_all_flows),
      cmocka_unit_test(test_nothing_of_a_flow_overtakes_what_came_before),
      cmocka_unit_test(test_random_batches_keep_every_packet_and_the_order_in_each_flow),
      cmocka_unit_test(test_a_flow_that_lost_its_place_begins_anew),
      cmocka_unit_test(test_mutated_packets_never_lead_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
