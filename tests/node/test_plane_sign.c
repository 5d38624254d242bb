/* What goes to all, signed by whom it says: as it should be, and without a key or memory. SPDX-License-Identifier: Apache-2.0 */
#include "plane_sign_kit.h"

/* ---- all is as it should be ---- */

static void test_signed_packets_come_to_all_as_they_were(void **state) {
  (void)state;
  static const size_t payloads[] = {0, 1, 2, 3, 500, KIT_MTU - 48};
  for (unsigned version = 4; version <= 6; version += 2) {
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
      const packet_spec spec = to_all(SENDER, version, payloads[i]);
      put(SENDER, &spec);
      kit_got_this(RECEIVER, &spec);
      kit_got_this(FORGER, &spec);
    }
  }
  for (uint32_t i = 0; i < NODES; i++) kit_no_drops(i);
  assert_int_equal(world.nodes[RECEIVER].events.opened, 1);
  assert_int_equal(tw_plane_peer_of(world.nodes[RECEIVER].plane, SENDER)->received.packets, 12);
}

static void test_a_signature_takes_64_bytes_and_stands_in_the_place_of_padding(void **state) {
  (void)state;
  const packet_spec spec = to_all(SENDER, 4, 100);
  put(SENDER, &spec);
  /* 128 bytes, 64 of signature and 2 of ESP's, in fours; 24 around them. */
  assert_int_equal(world.relayed_len, 24 + 196);
}

static void test_each_segment_of_a_large_packet_is_signed(void **state) {
  (void)state;
  packet_spec spec = to_all(SENDER, 4, 20 * 700);
  kit_put_large(SENDER, &spec, 700);
  kit_run();
  uint64_t bytes = 0;
  kit_packet got;
  while (kit_got(RECEIVER, &got)) bytes += got.len;
  assert_int_equal(tw_plane_peer_of(world.nodes[RECEIVER].plane, SENDER)->received.packets, 20);
  assert_int_equal(bytes, 20 * 728);
  kit_no_drops(RECEIVER);
}

static void test_what_is_for_one_is_not_signed(void **state) {
  (void)state;
  kit_make_pair(SENDER, RECEIVER);
  kit_use_pair(SENDER, RECEIVER);
  const packet_spec spec = kit_packet_of(SENDER, RECEIVER, 4, PACKET_UDP, 100);
  put(SENDER, &spec);
  kit_got_this(RECEIVER, &spec);
  assert_int_equal(world.relayed_len, 24 + 132);
}

/* ---- who has no key, and who does not sign ---- */

static void test_who_has_no_key_in_its_leaf_waits_for_one(void **state) {
  (void)state;
  const packet_spec spec = to_all(SENDER, 4, 100);
  assert_null(tw_sas_out(world.nodes[SENDER].sas, TW_SAS_NETWORK));
  put(SENDER, &spec);
  assert_int_equal(world.relayed, 0);
  next_epoch(SENDER, true);
  kit_use_network();
  kit_run();
  kit_got_this(RECEIVER, &spec);
  kit_got_this(FORGER, &spec);
}

static void test_who_gets_no_key_drops_what_it_cannot_sign(void **state) {
  (void)state;
  const packet_spec spec = to_all(SENDER, 4, 100);
  put(SENDER, &spec);
  kit_tick(3000);
  assert_int_equal(kit_drops(SENDER)->no_keys, 1);
  kit_fresh_packet_key(&world.nodes[SENDER]); /* one that is in no leaf */
  next_epoch(RECEIVER, true);
  kit_use_network();
  assert_null(tw_sas_out(world.nodes[SENDER].sas, TW_SAS_NETWORK));
  put(SENDER, &spec);
  kit_tick(3000);
  assert_int_equal(kit_drops(SENDER)->no_keys, 2);
  assert_int_equal(world.relayed, 0);
}

static int begin_mixed(void **state) {
  (void)state;
  begin_with(1u << SENDER | 1u << RECEIVER, 1u << SENDER | 1u << RECEIVER);
  return 0;
}

static void test_without_Sign_signed_packets_are_understood_and_ones_own_are_not_taken_elsewhere(void **state) {
  (void)state;
  const packet_spec from_signer = to_all(SENDER, 6, 333);
  put(SENDER, &from_signer);
  kit_got_this(RECEIVER, &from_signer);
  kit_got_this(FORGER, &from_signer);
  kit_no_drops(FORGER);
  const packet_spec from_other = to_all(FORGER, 6, 333);
  put(FORGER, &from_other);
  kit_got_none(RECEIVER);
  kit_got_none(SENDER);
  assert_int_equal(kit_drops(RECEIVER)->not_signed, 1);
  assert_int_equal(kit_drops(SENDER)->not_signed, 1);
}

/* ---- memory ---- */

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  kit_node *n = &world.nodes[RECEIVER];
  kit_stop_node(n);
  for (size_t i = 1;; i++) {
    tw_test_fail_alloc(&world.test, i);
    tw_err err = kit_try_sas(n);
    if (err == TW_OK) err = kit_try_plane(n);
    if (!world.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    kit_stop_node(n);
  }
  const tw_node_keys *keys = tw_sas_keys(n->sas);
  for (size_t i = 1;; i++) {
    uint64_t stamp = 0;
    tw_test_fail_alloc(&world.test, i);
    tw_err err = keys->receive(keys->ctx, TW_SAS_NETWORK, n->network.group, TW_NO_BYTES, &stamp);
    if (err == TW_OK)
      err = keys->send(keys->ctx, TW_SAS_NETWORK, n->network.group, TW_NO_BYTES, tw_secret_bytes(&n->packet_key),
                       false);
    if (!world.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(tw_sas_out(n->sas, TW_SAS_NETWORK));
    assert_null(tw_sas_signer(n->sas, TW_SAS_NETWORK, 0));
  }
  tw_test_fail_alloc(&world.test, 0);
  kit_by_relay();
  the_sender_itself_is_heard();
  const packet_spec spec = to_all(RECEIVER, 4, 100);
  put(RECEIVER, &spec);
  kit_got_this(SENDER, &spec);
}

static void test_a_key_that_cannot_be_made_leaves_the_extensions_as_they_were(void **state) {
  (void)state;
  tw_buf extensions = TW_BUF_INIT(&world.test.alloc);
  tw_buf before = TW_BUF_INIT(&world.test.alloc);
  tw_secret key = {0};
  assert_int_equal(tw_packet_key_make(&world.test.env, &extensions, &key), TW_OK);
  assert_int_equal(tw_buf_assign(&before, tw_buf_bytes(&extensions)), TW_OK);
  for (size_t i = 1;; i++) {
    tw_test_fail_alloc(&world.test, i);
    const tw_err err = tw_packet_key_make(&world.test.env, &extensions, &key);
    if (!world.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_true(tw_bytes_equal(tw_buf_bytes(&extensions), tw_buf_bytes(&before)));
  }
  tw_test_fail_alloc(&world.test, 0);
  assert_false(tw_bytes_equal(tw_buf_bytes(&extensions), tw_buf_bytes(&before)));
  assert_int_equal(extensions.len, before.len);
  tw_bytes found;
  for (size_t size = 0; size < 40; size++) { /* a component of any other size is no key */
    static const uint8_t zeros[40];
    assert_int_equal(tw_component_set(&extensions, world.test.code_points.packet_key_component, TW_BYTES(zeros, size)),
                     TW_OK);
    assert_int_equal(tw_packet_key_find(&world.test.env, tw_buf_bytes(&extensions), &found), size == TW_PACKET_KEY);
  }
  tw_buf_clear(&extensions);
  tw_buf_clear(&before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_signed_packets_come_to_all_as_they_were, begin, end),
      cmocka_unit_test_setup_teardown(test_a_signature_takes_64_bytes_and_stands_in_the_place_of_padding, begin, end),
      cmocka_unit_test_setup_teardown(test_each_segment_of_a_large_packet_is_signed, begin, end),
      cmocka_unit_test_setup_teardown(test_what_is_for_one_is_not_signed, begin, end),
      cmocka_unit_test_setup_teardown(test_who_has_no_key_in_its_leaf_waits_for_one, begin_without_a_key, end),
      cmocka_unit_test_setup_teardown(test_who_gets_no_key_drops_what_it_cannot_sign, begin_without_a_key, end),
      cmocka_unit_test_setup_teardown(
          test_without_Sign_signed_packets_are_understood_and_ones_own_are_not_taken_elsewhere, begin_mixed, end),
      cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, begin, end),
      cmocka_unit_test_setup_teardown(test_a_key_that_cannot_be_made_leaves_the_extensions_as_they_were, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
