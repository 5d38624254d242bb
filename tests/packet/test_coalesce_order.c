/* Bounds of super-packets and batches, order within flows, hostile packets. SPDX-License-Identifier: Apache-2.0 */
#include "coalesce_kit.h"

#include <stdlib.h>

#include "packet/split.h"
#include "support/tw_test_env.h"

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
  fragment.source_port++; /* where ports would be, a later one has data */
  (void)packet_write(&fragment, slots[1]);
  slots[1][7] = 3;
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
