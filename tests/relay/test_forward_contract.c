/* What is malformed, what the caller may not do, memory that fails, and how much is used. SPDX-License-Identifier: Apache-2.0 */
#include "forward_kit.h"

/* ---- what is malformed ---- */

static void what_is_cut_or_too_long_is_dropped(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  uint8_t datagram[200];
  for (size_t len = 0; len < TW_FORWARD_HEADER + TW_FORWARD_PACKET_MIN; len++) {
    (void)kit_put(datagram, k->clients[1].session, 2, 1, 100);
    /* In memory of its own size, so that a read past its end shows. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, datagram, len);
    uint32_t slot;
    assert_int_equal(tw_forward_free_slots(k->forward, &slot, 1), 1);
    assert_int_equal(
        tw_forward_take(k->forward, slot, &(tw_forward_datagram){exact, len, 0, 0}, &k->clients[1].address, k->now_us),
        TW_OK);
    kit_flush_all(k);
    free(exact);
    assert_int_equal(kit_dropped(k, TW_FORWARD_MALFORMED), len + 1);
  }
  const uint64_t before = kit_dropped(k, TW_FORWARD_MALFORMED);
  uint64_t wrong = 0;
  for (size_t len = 1; len < 64; len++) {
    if (len == TW_FORWARD_TOKEN) continue;
    kit_send(k, 1, 0, 1, len); /* destination 0 with anything but a token */
    wrong++;
  }
  assert_int_equal(kit_dropped(k, TW_FORWARD_MALFORMED), before + wrong);
  kit_send(k, 1, 2, 9, TW_FORWARD_PACKET_MIN);
  kit_flush_all(k);
  assert_true(kit_got(k, 2, 9));
  kit_close(k);
}

static void a_slot_is_taken_once(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  kit_bind_all(k, 2);
  uint32_t slot;
  static uint8_t datagram[TW_FORWARD_DATAGRAM_MAX + 1];
  const tw_forward_datagram packet = {datagram, kit_put(datagram, k->clients[1].session, 2, 1, 100), 0, 0};
  const tw_forward_datagram too_long = {datagram, sizeof datagram, 0, 0};
  assert_int_equal(tw_forward_free_slots(k->forward, &slot, 1), 1);
  assert_int_equal(tw_forward_take(k->forward, slot, &packet, &k->clients[1].address, k->now_us), TW_OK);
  assert_int_equal(tw_forward_take(k->forward, slot, &packet, &k->clients[1].address, k->now_us), TW_ERR_ARGUMENT);
  assert_int_equal(tw_forward_take(k->forward, KIT_SLOTS, &packet, &k->clients[1].address, k->now_us), TW_ERR_ARGUMENT);
  uint32_t other;
  assert_int_equal(tw_forward_free_slots(k->forward, &other, 1), 1);
  assert_true(other != slot);
  assert_int_equal(tw_forward_take(k->forward, other, &too_long, &k->clients[1].address, k->now_us), TW_ERR_ARGUMENT);
  kit_flush_all(k);
  assert_int_equal(k->delivered, 1);
  kit_close(k);
}

/* ---- what the caller may do wrong, and what may fail ---- */

static void options_and_numbers_out_of_range_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_forward_options bad[] = {{.slots = 8, .spare_slots = 8},
                                    {.slots = 1},
                                    {.slots = (1 << 20) + 1},
                                    {.runs = (1 << 24) + 1},
                                    {.messages = 4097},
                                    {.quantum = 1499},
                                    {.rate = 999},
                                    {.rate = UINT64_C(10000000001)},
                                    {.burst = 1000},
                                    {.quantum = UINT32_MAX},
                                    {.rate = 5000, .burst = UINT64_C(10000000001)}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    tw_forward *forward = NULL;
    assert_int_equal(tw_forward_new(&test.env, &bad[i], &forward), TW_ERR_ARGUMENT);
    assert_null(forward);
  }
  tw_test_env_clear(&test);
  kit *k = kit_open(NULL);
  uint64_t session;
  uint8_t token[TW_FORWARD_TOKEN];
  const uint32_t wrong[] = {0, TW_FORWARD_GROUP_BIT, UINT32_MAX};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(tw_forward_grant(k->forward, wrong[i], NULL, k->now_us, &session, token), TW_ERR_ARGUMENT);
    assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, &wrong[i], 1), TW_ERR_ARGUMENT);
  }
  const uint32_t fine = 1;
  assert_int_equal(tw_forward_group_set(k->forward, 7, &fine, 1), TW_ERR_ARGUMENT);
  assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, &fine, TW_FORWARD_MEMBERS_MAX + 1), TW_ERR_ARGUMENT);
  assert_int_equal(kit_totals(k).groups, 0);
  assert_int_equal(kit_totals(k).clients, 0);
  kit_close(k);
}

static void every_reason_has_a_text(void **state) {
  (void)state;
  for (unsigned i = 0; i < TW_FORWARD_REASONS; i++)
    assert_true(strlen(tw_forward_reason_text((tw_forward_reason)i)) > 1);
  assert_string_equal(tw_forward_reason_text(TW_FORWARD_REASONS), "?");
  tw_forward_free(NULL);
}

static void failing_memory_and_randomness_change_nothing(void **state) {
  (void)state;
  tw_test_env test;
  tw_forward *forward;
  tw_test_env_init(&test, 3);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_forward_new(&test.env, NULL, &forward);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(forward);
  }
  tw_forward_free(forward);
  tw_test_fail_random(&test, 1);
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(tw_forward_new(&test.env, NULL, &forward), TW_ERR_RANDOM);
  assert_int_equal(tw_forward_new(&test.env, NULL, &forward), TW_OK);
  uint64_t session;
  uint8_t token[TW_FORWARD_TOKEN];
  uint32_t members[100];
  for (uint32_t client = 1; client <= 100; client++) {
    const uint32_t group = TW_FORWARD_GROUP_BIT | client;
    members[client - 1] = client;
    tw_test_fail_random(&test, 1);
    assert_int_equal(tw_forward_grant(forward, client, NULL, 0, &session, token), TW_ERR_RANDOM);
    for (size_t n = 1;; n++) {
      tw_forward_totals totals;
      tw_test_fail_alloc(&test, n);
      const tw_err err = tw_forward_grant(forward, client, NULL, 0, &session, token);
      if (!test.alloc_failed) break;
      assert_int_equal(err, TW_ERR_NO_MEMORY);
      tw_forward_total(forward, &totals);
      assert_int_equal(totals.clients, client - 1);
    }
    for (size_t n = 1;; n++) {
      tw_test_fail_alloc(&test, n);
      const tw_err err = tw_forward_group_set(forward, group, members, client);
      if (!test.alloc_failed) break;
      assert_int_equal(err, TW_ERR_NO_MEMORY);
    }
  }
  tw_test_fail_alloc(&test, 0);
  tw_forward_totals totals;
  tw_forward_total(forward, &totals);
  assert_int_equal(totals.clients, 100);
  assert_int_equal(totals.groups, 100);
  assert_int_equal(totals.memory, test.alloc_bytes); /* what it says of itself is so */
  tw_forward_group_remove(forward, TW_FORWARD_GROUP_BIT | 1);
  tw_forward_group_remove(forward, TW_FORWARD_GROUP_BIT | 1);
  tw_forward_total(forward, &totals);
  assert_int_equal(totals.memory, test.alloc_bytes);
  tw_forward_free(forward);
  tw_test_env_clear(&test);
}

static void a_client_takes_less_than_512_bytes(void **state) {
  (void)state;
  enum { CLIENTS = 20000 };
  tw_test_env test;
  tw_forward *forward;
  tw_test_env_init(&test, 3);
  assert_int_equal(tw_forward_new(&test.env, NULL, &forward), TW_OK);
  const size_t before = test.alloc_bytes;
  size_t worst = 0;
  for (uint32_t client = 1; client <= CLIENTS; client++) {
    uint64_t session;
    uint8_t token[TW_FORWARD_TOKEN];
    assert_int_equal(tw_forward_grant(forward, client, NULL, 0, &session, token), TW_OK);
    if (client >= 1000 && (test.alloc_bytes - before) / client > worst) worst = (test.alloc_bytes - before) / client;
  }
  print_message("%zu bytes for each of %u clients, at most %zu on the way\n", (test.alloc_bytes - before) / CLIENTS,
                CLIENTS, worst);
  assert_true(worst < 512);
  tw_forward_free(forward);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_cut_or_too_long_is_dropped),
      cmocka_unit_test(a_slot_is_taken_once),
      cmocka_unit_test(options_and_numbers_out_of_range_are_refused),
      cmocka_unit_test(every_reason_has_a_text),
      cmocka_unit_test(failing_memory_and_randomness_change_nothing),
      cmocka_unit_test(a_client_takes_less_than_512_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
