/* What is a plain acknowledgment, and which one says all that another says. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "ack_kit.h"
#include "packet/ack.h"

static uint8_t packet[256];
static tw_ip ip;

static bool is_plain(size_t len) {
  assert_int_equal(tw_ip_parse(TW_BYTES(packet, len), &ip), TW_OK);
  return tw_ack_is_plain(packet, &ip);
}

static bool spec_is_plain(const ack_spec *ack) { return is_plain(ack_write(ack, packet)); }

static void test_acknowledgments_alone_are_plain(void **state) {
  (void)state;
  for (unsigned version = 4; version <= 6; version += 2) {
    for (unsigned stamped = 0; stamped < 2; stamped++) {
      ack_spec ack = ack_plain(version, stamped == 1);
      assert_true(spec_is_plain(&ack));
      ack.packet.ip_options = 8;
      assert_false(spec_is_plain(&ack));
      ack.packet.ip_options = 0;
      ack.packet.payload = 1;
      assert_false(spec_is_plain(&ack));
      ack.packet.payload = 12; /* as many bytes as a timestamp has */
      assert_false(spec_is_plain(&ack));
      ack.packet.payload = 0;
      for (uint8_t ecn = 1; ecn < 4; ecn++) {
        ack.packet.traffic_class = (uint8_t)(0x28 | ecn);
        assert_false(spec_is_plain(&ack));
      }
      ack.packet.traffic_class = 0x28;
      assert_true(spec_is_plain(&ack));
      ack.packet.protocol = PACKET_UDP;
      assert_false(spec_is_plain(&ack));
    }
  }
}

/* Of the sixteen bits of length, reserved and control bits one value is good: each other one is another message. */
static void test_any_other_flag_or_length_makes_it_another_kind(void **state) {
  (void)state;
  for (unsigned stamped = 0; stamped < 2; stamped++) {
    const ack_spec ack = ack_plain(4, stamped == 1);
    const size_t len = ack_write(&ack, packet);
    size_t plain = 0;
    for (unsigned flags = 0; flags <= 0xffff; flags++) {
      tw_put_u16(packet + 20 + 12, (uint16_t)flags);
      plain += is_plain(len);
    }
    assert_int_equal(plain, 1);
    tw_put_u16(packet + 20 + 12, stamped == 1 ? 0x8010 : 0x5010);
    assert_true(is_plain(len));
  }
}

static void test_other_options_make_it_another_kind(void **state) {
  (void)state;
  ack_spec ack = ack_plain(6, true);
  const size_t len = ack_write(&ack, packet);
  for (size_t i = 0; i < 4; i++) {
    packet[60 + i] ^= 1;
    assert_false(is_plain(len));
    packet[60 + i] ^= 1;
  }
  assert_true(is_plain(len));
  for (size_t options = 4; options <= 40; options += 4) { /* SACK blocks need 12 and more */
    if (options == 12) continue;
    ack.packet.tcp_options = options;
    ack.packet.tcp_option = 1;
    assert_false(spec_is_plain(&ack));
  }
}

static void test_fragments_and_cut_headers_are_none(void **state) {
  (void)state;
  ack_spec ack = ack_plain(4, true);
  size_t len = ack_write(&ack, packet);
  packet[6] = 0x20; /* more fragments */
  assert_false(is_plain(len));
  packet[6] = 0;
  packet[7] = 1; /* a later one */
  assert_false(is_plain(len));
  packet[7] = 0;
  assert_true(is_plain(len));
  ack = ack_plain(4, false);
  len = ack_write(&ack, packet);
  for (size_t cut = 20; cut < len; cut++) {
    packet[3] = (uint8_t)cut;
    assert_false(is_plain(cut));
  }
}

/* ---- of two ---- */

static uint8_t first[128], second[128];

static bool says_all(const ack_spec *a, const ack_spec *b) {
  (void)ack_write(a, first);
  (void)ack_write(b, second);
  return tw_ack_says_all(first + packet_transport(&a->packet), second + packet_transport(&b->packet));
}

/* Of those two, over IPv6. */
static bool repeats(void) { return tw_ack_repeats(first + 40, second + 40); }

static void test_the_one_that_acknowledges_more_says_all(void **state) {
  (void)state;
  for (unsigned stamped = 0; stamped < 2; stamped++) {
    ack_spec from = ack_plain(4, stamped == 1);
    static const uint32_t edges[] = {0, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
      from.packet.acknowledgment = edges[i];
      from.stamp = from.echoed = edges[i];
      for (uint32_t n = 1; n < 8; n++) {
        const ack_spec to = ack_number(&from, n);
        assert_true(says_all(&from, &to));
        assert_false(tw_ack_repeats(first + 20, second + 20));
        assert_false(says_all(&to, &from));
      }
    }
    from.packet.acknowledgment = 0;
    ack_spec to = from;
    to.packet.acknowledgment = 0x7fffffff;
    assert_true(says_all(&from, &to));
    to.packet.acknowledgment = 0x80000000; /* neither is ahead */
    assert_false(says_all(&from, &to));
  }
}

static void test_what_else_an_acknowledgment_may_say_stays(void **state) {
  (void)state;
  for (unsigned stamped = 0; stamped < 2; stamped++) {
    const ack_spec from = ack_plain(6, stamped == 1);
    ack_spec to = from;
    assert_false(says_all(&from, &to)); /* a duplicate: three of them are a loss */
    assert_true(repeats());
    to.packet.window++;
    assert_false(says_all(&from, &to)); /* a window update */
    assert_true(repeats());
    to = ack_number(&from, 1);
    to.packet.sequence--;
    assert_false(says_all(&from, &to)); /* a keepalive */
    to.packet.sequence += 2;
    assert_false(says_all(&from, &to));
    to = ack_number(&from, 1);
    to.packet.tcp_options = 12 - to.packet.tcp_options;
    assert_false(says_all(&from, &to));
  }
  const ack_spec from = ack_plain(4, true);
  for (uint32_t back = 1; back < 3; back++) {
    ack_spec to = ack_number(&from, 1);
    to.stamp = from.stamp - back; /* PAWS would drop it */
    assert_false(says_all(&from, &to));
    to = ack_number(&from, 1);
    to.echoed = from.echoed - back;
    assert_false(says_all(&from, &to));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_acknowledgments_alone_are_plain),
      cmocka_unit_test(test_any_other_flag_or_length_makes_it_another_kind),
      cmocka_unit_test(test_other_options_make_it_another_kind),
      cmocka_unit_test(test_fragments_and_cut_headers_are_none),
      cmocka_unit_test(test_the_one_that_acknowledges_more_says_all),
      cmocka_unit_test(test_what_else_an_acknowledgment_may_say_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
