/* Several UDP sockets at one address. SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_kit.h"

enum { COUNT = 3, ROUNDS = 120 };

static tw_udp sockets[TW_UDP_SHARE_MAX];

static unsigned open_shared(tw_udp_config config, unsigned count, tw_udp_address *at) {
  tw_report report = {""};
  unsigned opened;
  if (config.local.any.sa_family == 0) config.local = loopback(AF_INET);
  if (tw_udp_open_shared(sockets, count, &config, &opened, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(tw_udp_local(&sockets[0], at), TW_OK);
  return opened;
}

static void close_shared(unsigned count) {
  for (unsigned i = 0; i < count; i++) tw_udp_close(&sockets[i]);
}

static void send_to(world *w, const tw_udp_address *to, tw_bytes datagram) {
  tw_udp_batch_reset(&w->batch);
  assert_int_equal(tw_udp_batch_add(&w->batch, to, 0, datagram), TW_OK);
  assert_int_equal(tw_udp_send(&w->from, &w->batch), TW_OK);
  assert_int_equal(w->batch.at, w->batch.count);
}

/* Exactly one datagram waits, at the socket `place`. */
static void waits_at(world *w, unsigned count, unsigned place, tw_bytes datagram) {
  assert_true(receive(&sockets[place], &w->intake));
  assert_int_equal(w->intake.count, 1);
  assert_int_equal(w->intake.slots[0].len, datagram.len);
  if (datagram.len > 0) assert_memory_equal(w->intake.slots[0].data, datagram.ptr, datagram.len);
  for (unsigned i = 0; i < count; i++) {
    assert_int_equal(tw_udp_receive(&sockets[i], &w->intake), TW_OK);
    assert_int_equal(w->intake.count, 0);
  }
}

static void each_gets_what_is_its_by_the_first_word(void **state) {
  (void)state;
  world w;
  tw_udp_address at;
  open_world(&w, (tw_udp_config){0});
  assert_int_equal(open_shared((tw_udp_config){0}, COUNT, &at), COUNT);
  for (uint32_t i = 0; i < ROUNDS; i++) {
    const uint32_t word = i * UINT32_C(0x9e3779b1);
    const uint8_t datagram[8] = {(uint8_t)(word >> 24), (uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};
    const tw_bytes bytes = TW_BYTES(datagram, 4 + i % 5);
    send_to(&w, &at, bytes);
    waits_at(&w, COUNT, word % 16 % COUNT, bytes);
  }
  close_shared(COUNT);
  close_world(&w);
}

static void what_is_shorter_is_the_first_ones(void **state) {
  (void)state;
  static const uint8_t ones[3] = {0xff, 0xff, 0xff};
  world w;
  tw_udp_address at;
  open_world(&w, (tw_udp_config){0});
  assert_int_equal(open_shared((tw_udp_config){0}, COUNT, &at), COUNT);
  for (size_t len = 0; len <= sizeof ones; len++) {
    send_to(&w, &at, TW_BYTES(ones, len));
    waits_at(&w, COUNT, 0, TW_BYTES(ones, len));
  }
  close_shared(COUNT);
  close_world(&w);
}

static void both_families_are_shared_out(void **state) {
  (void)state;
  world w;
  tw_udp_address at;
  const tw_udp_config both = {.local.in6 = {.sin6_family = AF_INET6}, .both_families = true};
  open_world(&w, (tw_udp_config){0});
  assert_int_equal(open_shared(both, COUNT, &at), COUNT);
  tw_udp_address to = loopback(AF_INET);
  to.in4.sin_port = at.in6.sin6_port;
  for (uint8_t i = 0; i < 12; i++) {
    const uint8_t datagram[4] = {0, 0, 0, i};
    send_to(&w, &to, TW_ARRAY(datagram));
    waits_at(&w, COUNT, i % COUNT, TW_ARRAY(datagram));
  }
  tw_udp_close(&w.from);
  tw_udp_address six_at;
  open_socket(&w.from, &six_at, &(tw_udp_config){.local = loopback(AF_INET6)});
  to = loopback(AF_INET6);
  to.in6.sin6_port = at.in6.sin6_port;
  for (uint8_t i = 0; i < 12; i++) {
    const uint8_t datagram[4] = {0, 0, 0, i};
    send_to(&w, &to, TW_ARRAY(datagram));
    waits_at(&w, COUNT, i % COUNT, TW_ARRAY(datagram));
  }
  close_shared(COUNT);
  close_world(&w);
}

/* Somebody else's socket does not become one of them, and they do not become his. */
static void a_port_that_is_taken_is_told(void **state) {
  (void)state;
  world w;
  tw_udp_address at;
  tw_udp others[COUNT];
  unsigned opened;
  tw_report report = {""};
  open_world(&w, (tw_udp_config){0});
  assert_int_equal(open_shared((tw_udp_config){0}, COUNT, &at), COUNT);
  const tw_udp_config same = {.local = at};
  assert_int_equal(tw_udp_open_shared(others, COUNT, &same, &opened, &report), TW_ERR_STATE);
  assert_int_equal(opened, 0);
  assert_non_null(strstr(report.text, "cannot be bound"));
  assert_int_equal(tw_udp_open(&others[0], &same, &report), TW_ERR_STATE);
  close_shared(COUNT);
  close_world(&w);
}

static void a_system_that_cannot_has_one_for_all(void **state) {
  (void)state;
  static const int options[] = {SO_REUSEPORT, SO_ATTACH_REUSEPORT_CBPF};
  for (size_t i = 0; i < 2; i++) {
    world w;
    tw_udp_address at;
    open_world(&w, (tw_udp_config){0});
    fake.bad_option = options[i];
    assert_int_equal(open_shared((tw_udp_config){.calls = &fakes}, COUNT, &at), 1);
    for (unsigned k = 1; k < COUNT; k++) assert_false(sockets[k].is_open);
    for (uint8_t k = 0; k < 12; k++) {
      const uint8_t datagram[4] = {0, 0, 0, k};
      send_to(&w, &at, TW_ARRAY(datagram));
      waits_at(&w, 1, 0, TW_ARRAY(datagram));
    }
    /* And it is not open to others. */
    tw_udp other;
    tw_report report = {""};
    assert_int_equal(tw_udp_open(&other, &(tw_udp_config){.local = at}, &report), TW_ERR_STATE);
    close_shared(1);
    close_world(&w);
  }
}

static void there_is_a_least_and_a_most(void **state) {
  (void)state;
  tw_udp_address at;
  unsigned opened = 9;
  tw_report report = {""};
  const tw_udp_config config = {.local = loopback(AF_INET)};
  assert_int_equal(tw_udp_open_shared(sockets, 0, &config, &opened, &report), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_open_shared(sockets, TW_UDP_SHARE_MAX + 1, &config, &opened, &report), TW_ERR_ARGUMENT);
  assert_int_equal(opened, 0);
  assert_int_equal(open_shared(config, 1, &at), 1);
  close_shared(1);
  assert_int_equal(open_shared(config, TW_UDP_SHARE_MAX, &at), TW_UDP_SHARE_MAX);
  close_shared(TW_UDP_SHARE_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_gets_what_is_its_by_the_first_word),
      cmocka_unit_test(what_is_shorter_is_the_first_ones),
      cmocka_unit_test(both_families_are_shared_out),
      cmocka_unit_test(a_port_that_is_taken_is_told),
      cmocka_unit_test(a_system_that_cannot_has_one_for_all),
      cmocka_unit_test(there_is_a_least_and_a_most),
  };
  (void)tw_test_netns_enter(); /* the loopback device of others does as well */
  return cmocka_run_group_tests_name("udp shared", tests, NULL, NULL);
}
