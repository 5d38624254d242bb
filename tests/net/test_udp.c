/* UDP: what is received, addresses and options. SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_kit.h"

#include "support/tw_test_env.h"

static bool in_netns;

/* ---- receiving ---- */

static void an_empty_socket_gives_nothing(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  assert_int_equal(tw_udp_receive(&w.to, &w.intake), TW_OK);
  assert_int_equal(w.intake.count, 0);
  close_world(&w);
}

static void errors_of_earlier_datagrams_do_not_hide_what_waits(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  tw_udp_address to = w.from_at;
  assert_int_equal(tw_udp_batch_add(&w.batch, &to, 0, TW_BYTES(w.bytes, SIZE)), TW_OK);
  assert_int_equal(tw_udp_send(&w.to, &w.batch), TW_OK);
  fake.errors[0] = ECONNREFUSED;
  fake.errors[1] = EHOSTUNREACH;
  fake.errors[2] = EINTR;
  fake.count = 3;
  assert_true(receive(&w.from, &w.intake));
  assert_int_equal(w.intake.count, 1);
  /* And a socket that says nothing else is left for the next round. */
  for (unsigned i = 0; i < 32; i++) fake.errors[i] = ECONNREFUSED;
  fake.next = 0;
  fake.count = 32;
  assert_int_equal(tw_udp_receive(&w.from, &w.intake), TW_OK);
  assert_int_equal(w.intake.count, 0);
  close_world(&w);
}

static void what_is_longer_than_a_slot_is_dropped_and_counted(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.no_receive_offload = true, .no_send_offload = true});
  tw_udp_intake_close(&w.intake);
  assert_int_equal(tw_udp_intake_open(&w.intake, NULL, 8, 100), TW_OK);
  static const size_t sizes[] = {101, 100, 1000, 0, 1, 102};
  for (size_t i = 0; i < 6; i++) add(&w, i, sizes[i]);
  send_all(&w);
  size_t got = 0;
  static const size_t kept[] = {1, 3, 4};
  while (got < 3) {
    assert_true(receive(&w.to, &w.intake));
    for (size_t s = 0; s < w.intake.count; s++, got++) {
      assert_int_equal(w.intake.slots[s].len, sizes[kept[got]]);
      assert_int_equal(w.intake.slots[s].datagrams, 1);
      assert_memory_equal(w.intake.slots[s].data, w.bytes + kept[got], sizes[kept[got]]);
      assert_true(tw_udp_address_equal(&w.intake.slots[s].peer, &w.from_at));
    }
  }
  assert_int_equal(tw_udp_receive(&w.to, &w.intake), TW_OK);
  assert_int_equal(w.to.counts.truncated, 3);
  close_world(&w);
}

static void receive_offload_wants_slots_that_hold_all_of_it(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  if (!w.to.receive_offload) skip();
  tw_udp_intake_close(&w.intake);
  assert_int_equal(tw_udp_intake_open(&w.intake, NULL, 8, TW_UDP_SLOT_SIZE - 1), TW_OK);
  assert_int_equal(tw_udp_receive(&w.to, &w.intake), TW_ERR_ARGUMENT);
  close_world(&w);
}

/* ---- options ---- */

static void tos_goes_with_each_datagram(void **state) {
  (void)state;
  for (int family = 0; family < 3; family++) {
    world w;
    tw_udp_config config = {.tos = true, .local = loopback(family == 0 ? AF_INET : AF_INET6)};
    if (family == 2) { /* IPv4 by an IPv6 socket */
      config.both_families = true;
      config.local.in6.sin6_addr = in6addr_any;
    }
    open_world(&w, config);
    tw_udp_address to = w.to_at;
    if (family == 2) {
      to = loopback(AF_INET);
      to.in4.sin_port = w.to_at.in6.sin6_port;
    }
    static const uint8_t values[] = {0, 1, 2, 3, 0xb8, 0xff};
    for (size_t i = 0; i < sizeof values; i++)
      assert_int_equal(tw_udp_batch_add(&w.batch, &to, values[i], TW_BYTES(w.bytes, 10)), TW_OK);
    send_all(&w);
    size_t seen = 0;
    while (seen < sizeof values) {
      assert_true(receive(&w.to, &w.intake));
      for (size_t s = 0; s < w.intake.count; s++)
        for (size_t k = 0; k < w.intake.slots[s].datagrams; k++)
          assert_int_equal(w.intake.slots[s].tos, values[seen++]);
      if (family == 2) assert_int_equal(w.intake.slots[0].peer.any.sa_family, AF_INET);
    }
    close_world(&w);
  }
}

static void one_socket_serves_both_families(void **state) {
  (void)state;
  world w;
  tw_udp_config config = {.both_families = true, .local = loopback(AF_INET6)};
  config.local.in6.sin6_addr = in6addr_any;
  open_world(&w, config);
  tw_udp_address four = loopback(AF_INET);
  tw_udp_address six = loopback(AF_INET6);
  four.in4.sin_port = six.in6.sin6_port = w.to_at.in6.sin6_port;
  assert_int_equal(tw_udp_batch_add(&w.batch, &four, 0, TW_BYTES(w.bytes, 4)), TW_OK);
  assert_int_equal(tw_udp_batch_add(&w.batch, &six, 0, TW_BYTES(w.bytes, 6)), TW_OK);
  send_all(&w);
  size_t seen = 0;
  while (seen < 2) {
    assert_true(receive(&w.to, &w.intake));
    for (size_t s = 0; s < w.intake.count; s++, seen++) {
      tw_udp_address expected = loopback(w.intake.slots[s].len == 4 ? AF_INET : AF_INET6);
      expected.in6.sin6_port = w.from_at.in6.sin6_port;
      assert_true(tw_udp_address_equal(&w.intake.slots[s].peer, &expected));
    }
  }
  close_world(&w);

  /* An IPv6 address of a socket that was not asked for both is IPv6 alone. */
  config.both_families = false;
  open_world(&w, config);
  assert_int_equal(tw_udp_batch_add(&w.batch, &four, 0, TW_BYTES(w.bytes, 4)), TW_OK);
  send_all(&w);
  assert_int_not_equal(w.batch.slots[0].error, 0);
  close_world(&w);
}

static void dont_fragment_is_as_asked(void **state) {
  (void)state;
  static const struct {
    tw_udp_df df;
    int value;
  } cases[] = {
      {TW_UDP_DF_NEVER, IP_PMTUDISC_DONT}, {TW_UDP_DF_PROBE, IP_PMTUDISC_PROBE}, {TW_UDP_DF_ALWAYS, IP_PMTUDISC_DO}};
  for (size_t i = 0; i < 3; i++)
    for (int six = 0; six < 2; six++) {
      tw_udp udp;
      tw_udp_address at;
      const tw_udp_config config = {.df = cases[i].df, .local = loopback(six ? AF_INET6 : AF_INET)};
      open_socket(&udp, &at, &config);
      int value = -1;
      socklen_t len = sizeof value;
      assert_int_equal(getsockopt(udp.fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
      assert_int_equal(value, cases[i].value);
      if (six) assert_int_equal(getsockopt(udp.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, &len), 0);
      assert_int_equal(value, cases[i].value);
      tw_udp_close(&udp);
      assert_int_equal(tw_udp_set_df(&udp, TW_UDP_DF_NEVER), TW_ERR_STATE);
    }
}

static void an_address_that_cannot_be_had_is_told(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  tw_udp udp;
  tw_report report = {""};
  assert_int_equal(tw_udp_open(&udp, &(tw_udp_config){.local = w.to_at}, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "127.0.0.1:"));
  assert_false(udp.is_open);
  tw_udp_address foreign = w.to_at;
  foreign.in4.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
  assert_int_equal(tw_udp_open(&udp, &(tw_udp_config){.local = foreign}, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "192.0.2.1"));
  close_world(&w);
}

static void without_memory_nothing_is_opened(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t n = 1;; n++) {
    tw_udp_batch batch;
    tw_udp_intake intake = {0};
    tw_test_fail_alloc(&test, n);
    tw_err err = tw_udp_batch_open(&batch, &test.alloc, 4);
    if (err == TW_OK) err = tw_udp_intake_open(&intake, &test.alloc, 4, 100);
    tw_udp_batch_close(&batch);
    tw_udp_intake_close(&intake);
    assert_int_equal(test.alloc_blocks, 0);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
  tw_udp_batch batch;
  tw_udp_intake intake;
  assert_int_equal(tw_udp_batch_open(&batch, &test.alloc, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_batch_open(&batch, &test.alloc, TW_UDP_SLOTS_MAX + 1), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_intake_open(&intake, &test.alloc, 0, 1), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_intake_open(&intake, &test.alloc, 1, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_intake_open(&intake, &test.alloc, 1, TW_UDP_SLOT_SIZE + 1), TW_ERR_ARGUMENT);
  tw_udp_batch_close(&batch);
  tw_udp_intake_close(&intake);
  tw_test_env_clear(&test);
}

static void where_a_datagram_would_leave_from_is_told_without_a_port(void **state) {
  (void)state;
  tw_udp_address to = {.in4 = {.sin_family = AF_INET, .sin_port = htons(9)}};
  tw_udp_address from;
  assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.in4.sin_addr), 1);
  assert_int_equal(tw_udp_source(&to, &from), TW_OK);
  to.in4.sin_port = 0;
  assert_true(tw_udp_address_equal(&from, &to));
  to = (tw_udp_address){.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
  if (tw_udp_source(&to, &from) == TW_OK) { /* a system with IPv6 */
    to.in6.sin6_port = 0;
    assert_true(tw_udp_address_equal(&from, &to));
  }
  to = (tw_udp_address){.any.sa_family = AF_UNIX};
  assert_int_equal(tw_udp_source(&to, &from), TW_ERR_STATE);
  if (!in_netns) return; /* where there is nothing but loopback */
  to = (tw_udp_address){.in4 = {.sin_family = AF_INET, .sin_port = htons(9)}};
  assert_int_equal(inet_pton(AF_INET, "203.0.113.1", &to.in4.sin_addr), 1);
  assert_int_equal(tw_udp_source(&to, &from), TW_ERR_STATE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_socket_gives_nothing),
      cmocka_unit_test(errors_of_earlier_datagrams_do_not_hide_what_waits),
      cmocka_unit_test(what_is_longer_than_a_slot_is_dropped_and_counted),
      cmocka_unit_test(receive_offload_wants_slots_that_hold_all_of_it),
      cmocka_unit_test(tos_goes_with_each_datagram),
      cmocka_unit_test(one_socket_serves_both_families),
      cmocka_unit_test(dont_fragment_is_as_asked),
      cmocka_unit_test(an_address_that_cannot_be_had_is_told),
      cmocka_unit_test(where_a_datagram_would_leave_from_is_told_without_a_port),
      cmocka_unit_test(without_memory_nothing_is_opened),
  };
  in_netns = tw_test_netns_enter(); /* the loopback device of others does as well, but for one test */
  return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
