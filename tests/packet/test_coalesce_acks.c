/* Acknowledgments of which the last one in a batch says all. SPDX-License-Identifier: Apache-2.0 */
#include "ack_kit.h"
#include "coalesce_kit.h"

static void put(const ack_spec *ack) {
  (void)ack_write(ack, slots[used]);
  assert_int_equal(add_slot_by(tw_coalesce_add_ack), TW_OK);
}

static void test_the_last_of_a_row_comes_out_alone(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned stamped = 0; stamped < 2; stamped++) {
      ack_spec first = ack_plain(version, stamped == 1);
      first.packet.acknowledgment = 0xfffe0000; /* wraps */
      begin(TW_COALESCE_TCP);
      for (uint32_t n = 0; n < 9; n++) {
        const ack_spec ack = ack_number(&first, n);
        put(&ack);
      }
      assert_int_equal(batch.count, 1);
      check_alone(0, 8);
    }
  }
}

/* More than TW_COALESCE_BATCH of them: none takes a place. */
static void test_what_gives_way_takes_no_room(void **state) {
  (void)state;
  const ack_spec first = ack_plain(4, true);
  begin(BOTH);
  for (uint32_t n = 0; n < 3 * TW_COALESCE_BATCH; n++) {
    const ack_spec ack = ack_number(&first, n);
    used = n % TW_COALESCE_BATCH;
    put(&ack);
  }
  assert_int_equal(batch.count, 1);
  check_alone(0, TW_COALESCE_BATCH - 1);
}

static void test_others_acknowledgments_all_come_out(void **state) {
  (void)state;
  const ack_spec first = ack_plain(4, true);
  for (unsigned what = 0; what < 2; what++) { /* not asked for; the device takes nothing joined */
    begin(what == 0 ? BOTH : TW_COALESCE_UDP);
    for (uint32_t n = 0; n < 4; n++) {
      const ack_spec ack = ack_number(&first, n);
      (void)ack_write(&ack, slots[used]);
      assert_int_equal(add_slot_by(what == 0 ? tw_coalesce_add : tw_coalesce_add_ack), TW_OK);
    }
    assert_int_equal(batch.count, 4);
    for (size_t n = 0; n < 4; n++) check_alone(n, n);
  }
  /* One that was added as any packet neither gives way nor takes a place. */
  for (unsigned which = 0; which < 2; which++) {
    begin(BOTH);
    for (uint32_t n = 0; n < 2; n++) {
      const ack_spec ack = ack_number(&first, n);
      (void)ack_write(&ack, slots[used]);
      assert_int_equal(add_slot_by(n == which ? tw_coalesce_add : tw_coalesce_add_ack), TW_OK);
    }
    assert_int_equal(batch.count, 2);
  }
}

typedef void (*change)(ack_spec *second);

static void change_source_port(ack_spec *b) { b->packet.source_port++; }
static void change_destination_port(ack_spec *b) { b->packet.destination_port++; }
static void change_source(ack_spec *b) { b->packet.from++; }
static void change_destination(ack_spec *b) { b->packet.to++; }
static void change_dscp(ack_spec *b) { b->packet.traffic_class ^= 0x20; }
static void change_ecn(ack_spec *b) { b->packet.traffic_class ^= 3; }
static void change_hop_limit(ack_spec *b) { b->packet.hop_limit--; }
static void change_duplicate(ack_spec *b) { b->packet.acknowledgment -= 64704; }
static void change_sequence(ack_spec *b) { b->packet.sequence++; }
static void change_echo(ack_spec *b) { b->packet.flags |= 0x40; }
static void change_psh(ack_spec *b) { b->packet.flags |= 0x08; }
static void change_fin(ack_spec *b) { b->packet.flags |= 0x01; }
static void change_rst(ack_spec *b) { b->packet.flags |= 0x04; }
static void change_stamp(ack_spec *b) { b->stamp -= 100; }
static void change_payload(ack_spec *b) { b->packet.payload = 9; }
static void change_options(ack_spec *b) { b->packet.tcp_options = 24; }

static void test_what_says_something_else_leaves_both(void **state) {
  (void)state;
  static const change changes[] = {change_source_port, change_destination_port,
                                   change_source,      change_destination,
                                   change_dscp,        change_ecn,
                                   change_hop_limit,   change_duplicate,
                                   change_sequence,    change_echo,
                                   change_psh,         change_fin,
                                   change_rst,         change_stamp,
                                   change_payload,     change_options};
  for (unsigned version = 4; version <= 6; version += 2) {
    const ack_spec first = ack_plain(version, true);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
      ack_spec second = ack_number(&first, 1);
      changes[i](&second);
      begin(BOTH);
      put(&first);
      put(&second);
      assert_int_equal(batch.count, 2);
      check_alone(0, 0);
      check_alone(1, 1);
    }
  }
}

/* A sender counts duplicates; the first of them, which says something new, may give way, and so may what comes after.
 */
static void test_what_repeats_another_does_not_give_way(void **state) {
  (void)state;
  for (unsigned stamped = 0; stamped < 2; stamped++) {
    const ack_spec first = ack_plain(4, stamped == 1);
    begin(BOTH);
    static const uint32_t numbers[] = {0, 1, 1, 1, 1, 2, 3, 3, 4, 5};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
      ack_spec ack = ack_number(&first, numbers[i]);
      ack.packet.window = (uint16_t)(7000 + i);
      put(&ack);
    }
    /* 1, three that repeat it; 3, which has taken the place of 2, and what repeats it; 5, which has taken that of 4. */
    static const size_t out[] = {1, 2, 3, 4, 6, 7, 9};
    assert_int_equal(batch.count, sizeof out / sizeof out[0]);
    for (size_t i = 0; i < batch.count; i++) check_alone(i, out[i]);
  }
}

static void test_a_wrong_checksum_takes_nobodys_place(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    const ack_spec first = ack_plain(version, true);
    const ack_spec second = ack_number(&first, 1);
    const size_t checksum = packet_checksum_at(&first.packet);
    for (unsigned bit = 0; bit < 16; bit++) {
      begin(BOTH);
      put(&first);
      (void)ack_write(&second, slots[1]);
      slots[1][checksum + bit / 8] ^= (uint8_t)(1u << bit % 8);
      assert_int_equal(add_slot_by(tw_coalesce_add_ack), TW_OK);
      assert_int_equal(batch.count, 2);
      check_alone(0, 0);
      check_alone(1, 1);
    }
  }
  /* What gives way would have been dropped for its own. */
  const ack_spec first = ack_plain(4, true);
  const ack_spec second = ack_number(&first, 1);
  begin(BOTH);
  (void)ack_write(&first, slots[0]);
  slots[0][36] ^= 1;
  assert_int_equal(add_slot_by(tw_coalesce_add_ack), TW_OK);
  put(&second);
  assert_int_equal(batch.count, 1);
  check_alone(0, 1);
}

/* Data, what ends a flow, and a fragment: what came before them stays. */
static void test_nothing_is_left_out_over_what_came_between(void **state) {
  (void)state;
  const ack_spec first = ack_plain(4, true);
  for (unsigned between = 0; between < 3; between++) {
    begin(BOTH);
    for (uint32_t n = 0; n < 4; n++) {
      ack_spec ack = ack_number(&first, n);
      if (n == 2 && between == 0) ack.packet.payload = 100;
      if (n == 2 && between == 1) ack.packet.flags |= 0x40;
      (void)ack_write(&ack, slots[used]);
      if (n == 2 && between == 2) slots[used][7] = 1;
      assert_int_equal(add_slot_by(tw_coalesce_add_ack), TW_OK);
    }
    assert_int_equal(batch.count, 3);
    check_alone(0, 1);
    check_alone(1, 2);
    check_alone(2, 3);
  }
}

static void test_each_flow_has_its_own_and_stands_where_its_first_stood(void **state) {
  (void)state;
  enum { FLOWS = TW_COALESCE_FLOWS, ROUNDS = 4 };
  begin(BOTH);
  for (uint32_t n = 0; n < ROUNDS; n++) {
    for (unsigned flow = 0; flow < FLOWS; flow++) {
      ack_spec first = ack_plain(flow % 2 == 0 ? 4 : 6, flow % 3 == 0);
      first.packet.destination_port = (uint16_t)(5000 + flow);
      const ack_spec ack = ack_number(&first, n);
      put(&ack);
    }
  }
  assert_int_equal(batch.count, FLOWS);
  for (size_t flow = 0; flow < FLOWS; flow++) check_alone(flow, (ROUNDS - 1) * FLOWS + flow);
}

/* One flow more than there are places: all come out, or some, but always the last of each, and in order. */
static void test_a_flow_that_lost_its_place_loses_nothing(void **state) {
  (void)state;
  begin(BOTH);
  for (uint32_t n = 0; n < 3; n++) {
    for (unsigned flow = 0; flow <= TW_COALESCE_FLOWS; flow++) {
      ack_spec first = ack_plain(4, true);
      first.packet.destination_port = (uint16_t)(5000 + flow);
      const ack_spec ack = ack_number(&first, n);
      put(&ack);
    }
  }
  assert_int_equal(batch.count, used);
  for (size_t n = 0; n < used; n++) check_alone(n, n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_last_of_a_row_comes_out_alone),
      cmocka_unit_test(test_what_gives_way_takes_no_room),
      cmocka_unit_test(test_others_acknowledgments_all_come_out),
      cmocka_unit_test(test_what_says_something_else_leaves_both),
      cmocka_unit_test(test_what_repeats_another_does_not_give_way),
      cmocka_unit_test(test_a_wrong_checksum_takes_nobodys_place),
      cmocka_unit_test(test_nothing_is_left_out_over_what_came_between),
      cmocka_unit_test(test_each_flow_has_its_own_and_stands_where_its_first_stood),
      cmocka_unit_test(test_a_flow_that_lost_its_place_loses_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
