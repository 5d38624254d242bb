/* Packet keys in the leaves of the network's group: by whom, how long, and over restarts. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/network_kit.h"

#include "node/network_internal.h"

/* 0, 2 and 3 sign, as network_kit has it; kit_send looks at every key that it is given. */
#define THREE 0x07

static uint8_t kept[NODES][TW_PACKET_KEY];

static void begin_three(uint64_t seed) {
  begin_world(seed, 0, 0);
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].wanted = THREE;
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  expect_agreement(THREE, 60000, "at first");
  live(3000); /* all send under the newest epoch */
  for (uint32_t i = 0; i < NODES; i++) memcpy(kept[i], world.nodes[i].packet_key, TW_PACKET_KEY);
}

static bool can_sign(uint32_t as_seen_by, uint32_t who) {
  return tw_network_can_sign(world.nodes[as_seen_by].network, &world.nodes[who].id);
}

static bool signs(uint32_t i) {
  static const uint8_t none[TW_PACKET_KEY];
  return memcmp(world.nodes[i].packet_key, none, sizeof none) != 0;
}

static bool has_the_same_key(uint32_t i) { return memcmp(world.nodes[i].packet_key, kept[i], TW_PACKET_KEY) == 0; }

static void renew(uint32_t i) {
  tw_network_rekey(world.nodes[i].network, world.now_ms);
  expect_agreement(THREE, 60000, "renewed");
  live(3000);
}

static void who_has_Sign_has_a_key_that_all_see(void **state) {
  (void)state;
  begin_three(1);
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t k = 0; k < 3; k++) assert_int_equal(can_sign(i, k), k != 1);
    assert_false(can_sign(i, 4)); /* no member */
    assert_int_equal(signs(i), i != 1);
  }
  assert_memory_not_equal(kept[0], kept[2], TW_PACKET_KEY);
  end_world();
}

static void a_key_lives_as_long_as_its_leaf(void **state) {
  (void)state;
  begin_three(2);
  renew(1);
  assert_true(has_the_same_key(0) && has_the_same_key(2));
  renew(2);
  assert_true(has_the_same_key(0));
  assert_false(has_the_same_key(2));
  assert_true(signs(2) && !signs(1));
  end_world();
}

static void a_key_outlives_the_process(void **state) {
  (void)state;
  begin_three(3);
  for (uint32_t i = 0; i < 3; i++) {
    world.nodes[i].packet_key[0] ^= 1;
    crash(&world.nodes[i]);
    expect_agreement(THREE, 60000, "after a crash");
    live(3000);
    assert_true(has_the_same_key(i));
  }
  end_world();
}

static void a_key_that_waits_for_the_relay_outlives_the_process_too(void **state) {
  (void)state;
  begin_three(4);
  kit_node *n = &world.nodes[0];
  tw_network_rekey(n->network, world.now_ms); /* asked for, not answered */
  assert_int_not_equal(status_of(0).pending_since_ms, 0);
  crash(n);
  expect_agreement(THREE, 60000, "after a crash");
  live(3000);
  assert_true(signs(0));
  assert_false(has_the_same_key(0));
  end_world();
}

static void who_came_back_without_its_disk_has_another_key(void **state) {
  (void)state;
  begin_three(5);
  lose_disk(&world.nodes[2]);
  expect_agreement(THREE, 600000, "after the loss of a disk");
  live(3000);
  assert_true(signs(2));
  assert_false(has_the_same_key(2));
  assert_true(can_sign(0, 2));
  end_world();
}

static void who_begins_to_sign_gets_a_key_at_once_and_who_ends_loses_it_with_its_next_leaf(void **state) {
  (void)state;
  begin_three(6);
  world.nodes[1].sign = true;
  crash(&world.nodes[1]);
  live(5000); /* RekeyAfter is 600 s */
  assert_true(agree(THREE));
  assert_true(can_sign(0, 1) && signs(1));
  world.nodes[1].sign = false;
  crash(&world.nodes[1]);
  expect_agreement(THREE, 60000, "without Sign");
  live(3000);
  assert_true(signs(1)); /* it has one, whatever is made of it */
  renew(1);
  assert_false(can_sign(0, 1) || signs(1));
  end_world();
}

static void a_kept_package_is_read_as_it_was_written_or_not_at_all(void **state) {
  (void)state;
  tw_buf value = {0};
  tw_bytes package;
  tw_secret key = {0};
  static const uint8_t secret[TW_PACKET_KEY + 1] = {1, 2, 3};
  for (size_t len = 0; len <= sizeof secret; len++) {
    tw_buf_consume(&value, value.len);
    tw_writer w = tw_writer_to(&value);
    tw_write_vector(&w, TW_LITERAL("package"));
    tw_write_vector(&w, TW_BYTES(secret, len));
    assert_int_equal(tw_writer_end(&w), TW_OK);
    const bool good = len == 0 || len == TW_PACKET_KEY;
    assert_int_equal(tw_network_read_package(tw_buf_bytes(&value), &package, &key), good ? TW_OK : TW_ERR_ENCODING);
    if (!good) continue;
    assert_true(tw_bytes_equal(package, TW_LITERAL("package")));
    assert_true(tw_bytes_equal(tw_secret_bytes(&key), TW_BYTES(secret, len)));
    for (size_t cut = 0; cut < value.len; cut++)
      assert_int_not_equal(tw_network_read_package(TW_BYTES(value.ptr, cut), &package, &key), TW_OK);
  }
  tw_buf_clear(&value);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_has_Sign_has_a_key_that_all_see),
      cmocka_unit_test(a_key_lives_as_long_as_its_leaf),
      cmocka_unit_test(a_key_outlives_the_process),
      cmocka_unit_test(a_key_that_waits_for_the_relay_outlives_the_process_too),
      cmocka_unit_test(who_came_back_without_its_disk_has_another_key),
      cmocka_unit_test(who_begins_to_sign_gets_a_key_at_once_and_who_ends_loses_it_with_its_next_leaf),
      cmocka_unit_test(a_kept_package_is_read_as_it_was_written_or_not_at_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
