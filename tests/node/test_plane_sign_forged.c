/* Packets to all by another member, who has all keys but one. SPDX-License-Identifier: Apache-2.0 */
#include "plane_sign_kit.h"

static uint8_t packet[PACKET_ROOM + 128];
static uint8_t inner[PACKET_ROOM + 128];

/* ---- what a member can make who has all of the group's keys ---- */

/* The SA of another member, by the group's exporter. */
static tw_esp_out sa_of(uint32_t of) {
  tw_esp_keys keys;
  tw_esp_out out = {0};
  const tw_group *group = world.nodes[FORGER].network.group;
  const uint32_t leaf = tw_group_own_leaf(world.nodes[of].network.group);
  assert_int_equal(tw_esp_keys_derive(group, leaf, 0, TW_NO_BYTES, &keys), TW_OK);
  assert_int_equal(tw_esp_out_init(&world.test.env, &keys, TW_ESP_MARK_FRESH, &out), TW_OK);
  assert_int_equal(tw_esp_out_extend(&out, (tw_esp_mark){.next = 1 << 20}), TW_OK);
  tw_esp_keys_clear(&keys);
  return out;
}

/* `len` bytes of `inner` under the SA of `of`, with this number, to the receiver, at a time of its own. */
static void inject(uint32_t of, uint64_t number, uint8_t next_header, size_t len) {
  tw_esp_out out = sa_of(of);
  out.next = number;
  memcpy(packet + TW_ESP_HEADER, inner, len);
  assert_int_equal(tw_esp_seal(&out, next_header, packet, len, 0), TW_OK);
  world.now++;
  kit_inject(FORGER, RECEIVER, packet, tw_esp_size(len, 0));
  tw_esp_out_clear(&out);
}

static size_t write_inner(uint32_t from) {
  const packet_spec spec = to_all(from, 4, 100);
  return packet_write(&spec, inner);
}

/* Behind `len` bytes of `inner`: by the key and for the origin of node `by`'s SA. */
static void sign(uint32_t by, const tw_packet_origin *origin, uint64_t number, uint8_t next_header, size_t len) {
  tw_packet_room room = {0};
  tw_packet_signer signer = *tw_sas_signer(world.nodes[by].sas, TW_SAS_NETWORK, 0);
  const tw_packet_content content = {.number = number, .next_header = next_header, .packet = TW_BYTES(inner, len)};
  if (origin != NULL) signer.origin = *origin;
  assert_int_equal(tw_packet_room_open(&world.test.env, &room), TW_OK);
  assert_int_equal(tw_packet_sign(&world.test.env, &signer, &content, &room, inner + len), TW_OK);
  tw_packet_room_close(&world.test.env, &room);
}

static const tw_packet_origin *origin_of(uint32_t of) {
  return &tw_sas_signer(world.nodes[of].sas, TW_SAS_NETWORK, 0)->origin;
}

static const tw_sa_in *receiving_from(uint32_t of) {
  const tw_sa_in *sa = tw_sas_in(world.nodes[RECEIVER].sas, tw_sas_out(world.nodes[of].sas, TW_SAS_NETWORK)->spi);
  assert_non_null(sa);
  return sa;
}

/* The receiver has dropped so much, and nothing of it has left a trace. */
static void dropped(uint64_t not_signed, uint64_t forged) {
  const tw_plane_drops *d = kit_drops(RECEIVER);
  assert_int_equal(d->not_signed, not_signed);
  assert_int_equal(d->forged, forged);
  kit_got_none(RECEIVER);
  assert_int_equal(receiving_from(SENDER)->esp.window.highest, 0);
  assert_int_equal(tw_plane_peer_of(world.nodes[RECEIVER].plane, SENDER)->heard_ms, 0);
  assert_int_equal(world.nodes[RECEIVER].events.opened, 0);
}

/* ---- another member ---- */

static void test_another_members_packet_without_a_signature_is_dropped(void **state) {
  (void)state;
  inject(SENDER, 5000, TW_ESP_NEXT_IPV4, write_inner(SENDER));
  dropped(1, 0);
  memset(inner + write_inner(SENDER), 0, 200); /* filled up (RFC 4303 section 2.7) */
  inject(SENDER, 5001, TW_ESP_NEXT_IPV4, 128 + 200);
  dropped(2, 0);
  the_sender_itself_is_heard();
}

static void test_another_members_signature_is_dropped(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  memset(inner + len, 0, TW_PACKET_SIGNATURE);
  inject(SENDER, 5000, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  sign(FORGER, NULL, 5000, TW_ESP_NEXT_IPV4, len);
  inject(SENDER, 5000, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  sign(FORGER, origin_of(SENDER), 5000, TW_ESP_NEXT_IPV4, len);
  inject(SENDER, 5000, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  dropped(0, 3);
  the_sender_itself_is_heard();
}

/* Its own keys are good for its own name. */
static void test_a_member_cannot_send_in_anothers_name_by_its_own_signature(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  sign(FORGER, NULL, 1, TW_ESP_NEXT_IPV4, len);
  inject(FORGER, 1, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  assert_int_equal(kit_drops(RECEIVER)->not_theirs, 1);
  kit_got_none(RECEIVER);
}

static void test_nothing_is_taken_in_the_name_of_who_has_no_key(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, len);
  memset(inner + len, 0, TW_PACKET_SIGNATURE);
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  assert_int_equal(kit_drops(RECEIVER)->not_signed, 2);
  kit_got_none(RECEIVER);
}

static void test_a_signature_is_good_for_one_number_sa_and_content_alone(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  const size_t all = len + TW_PACKET_SIGNATURE;
  sign(SENDER, NULL, 7, TW_ESP_NEXT_IPV4, len);
  inject(SENDER, 8, TW_ESP_NEXT_IPV4, all);
  inject(FORGER, 7, TW_ESP_NEXT_IPV4, all); /* in its own name */
  dropped(0, 2);
  for (size_t i = 20; i < all; i++) { /* behind IPv4's header, which has a checksum of its own */
    inner[i] ^= (uint8_t)(1u << i % 8);
    inject(SENDER, 7, TW_ESP_NEXT_IPV4, all);
    inner[i] ^= (uint8_t)(1u << i % 8);
  }
  dropped(0, 2 + all - 20);
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, all);
  const packet_spec spec = to_all(SENDER, 4, 100);
  kit_got_this(RECEIVER, &spec);
}

static void test_what_is_signed_for_one_next_header_is_not_taken_as_another(void **state) {
  (void)state;
  const packet_spec six = to_all(SENDER, 6, 100);
  const size_t len = packet_write(&six, inner);
  sign(SENDER, NULL, 7, TW_ESP_NEXT_IPV4, len);
  inject(SENDER, 7, TW_ESP_NEXT_IPV6, len + TW_PACKET_SIGNATURE);
  dropped(0, 1);
}

static void test_a_signed_packet_that_was_cut_anywhere_is_dropped(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  const size_t all = len + TW_PACKET_SIGNATURE;
  sign(SENDER, NULL, 7, TW_ESP_NEXT_IPV4, len);
  for (size_t i = 0; i < all; i++) inject(SENDER, 7, TW_ESP_NEXT_IPV4, i);
  dropped(all, 0);
  inner[all] = 0;
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, all + 1);
  dropped(all + 1, 0);
}

/* Nobody sends these to all; they would move the window. */
static void test_dummies_and_probes_to_all_count_as_not_signed(void **state) {
  (void)state;
  memset(inner, 0, sizeof inner);
  inject(SENDER, 5000, TW_ESP_NEXT_DUMMY, 0);
  inject(SENDER, 5000, TW_ESP_NEXT_DUMMY, 64);
  inject(SENDER, 5000, TW_ESP_NEXT_PROBE, 80);
  dropped(3, 0);
  the_sender_itself_is_heard();
}

static void test_wrong_padding_of_another_member_does_not_move_the_window(void **state) {
  (void)state;
  tw_esp_out out = sa_of(SENDER);
  out.next = 5000;
  memset(packet, 0xee, 128);
  /* A payload whose end looks like a trailer: Pad Length 200 of 20 bytes. */
  packet[TW_ESP_HEADER + 16] = 200;
  uint8_t nonce[TW_AEAD_NONCE], aad[12];
  memcpy(nonce, out.salt, TW_ESP_SALT);
  tw_put_u64(nonce + TW_ESP_SALT, 5000);
  tw_put_u32(packet, out.spi);
  tw_put_u32(packet + 4, 5000);
  tw_put_u32(aad, out.spi);
  tw_put_u64(aad + 4, 5000);
  packet[TW_ESP_HEADER + 18] = 200;
  packet[TW_ESP_HEADER + 19] = TW_ESP_NEXT_IPV4;
  assert_int_equal(
      tw_aead_key_seal(out.aead, nonce, TW_ARRAY(aad), TW_BYTES(packet + TW_ESP_HEADER, 20), packet + TW_ESP_HEADER),
      TW_OK);
  kit_inject(FORGER, RECEIVER, packet, TW_ESP_HEADER + 20 + TW_ESP_ICV);
  tw_esp_out_clear(&out);
  assert_int_equal(kit_drops(RECEIVER)->malformed, 1);
  dropped(0, 0);
}

static void test_a_signed_packet_is_taken_once(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  sign(SENDER, NULL, 7, TW_ESP_NEXT_IPV4, len);
  for (int i = 0; i < 3; i++) inject(SENDER, 7, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  const packet_spec spec = to_all(SENDER, 4, 100);
  kit_got_this(RECEIVER, &spec);
  kit_got_none(RECEIVER);
  assert_int_equal(kit_drops(RECEIVER)->replayed, 2);
}

/* ---- epochs ---- */

static void test_a_signature_of_another_epoch_is_dropped(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  const tw_packet_origin before = *origin_of(SENDER);
  next_epoch(RECEIVER, true); /* the sender's leaf stays, and so does its packet key */
  kit_use_network();
  tw_packet_origin bent = *origin_of(SENDER);
  assert_memory_not_equal(bent.epoch, before.epoch, sizeof bent.epoch);
  assert_int_equal(bent.leaf, before.leaf);
  memcpy(bent.epoch, before.epoch, sizeof bent.epoch); /* if even the SPI were the same */
  sign(SENDER, &bent, 7, TW_ESP_NEXT_IPV4, len);
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  sign(SENDER, &before, 7, TW_ESP_NEXT_IPV4, len);
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  dropped(0, 2);
  the_sender_itself_is_heard();
}

static void test_a_renewed_leaf_signs_by_its_new_key_alone(void **state) {
  (void)state;
  const size_t len = write_inner(SENDER);
  tw_signer *old;
  assert_int_equal(
      tw_signer_import(&world.test.env, tw_suite_at(0), tw_secret_bytes(&world.nodes[SENDER].packet_key), &old), TW_OK);
  next_epoch(SENDER, true);
  kit_use_network();
  const tw_packet_signer stolen = {.key = old, .origin = *origin_of(SENDER)};
  const tw_packet_content content = {.number = 7, .next_header = TW_ESP_NEXT_IPV4, .packet = TW_BYTES(inner, len)};
  tw_packet_room room = {0};
  assert_int_equal(tw_packet_room_open(&world.test.env, &room), TW_OK);
  assert_int_equal(tw_packet_sign(&world.test.env, &stolen, &content, &room, inner + len), TW_OK);
  tw_packet_room_close(&world.test.env, &room);
  tw_signer_free(old);
  inject(SENDER, 7, TW_ESP_NEXT_IPV4, len + TW_PACKET_SIGNATURE);
  dropped(0, 1);
  the_sender_itself_is_heard();
}

/* ---- more than there is time for ---- */

static void test_of_many_at_once_some_are_not_looked_at_and_other_packets_come_through(void **state) {
  (void)state;
  enum { MANY = TW_PLANE_CHECKS + 100 };
  kit_make_pair(SENDER, RECEIVER);
  kit_use_pair(SENDER, RECEIVER);
  tw_udp *udp = &world.nodes[FORGER].udp;
  tw_udp_batch batch = {0};
  tw_esp_out out = sa_of(SENDER);
  const size_t len = write_inner(SENDER);
  const size_t size = tw_esp_size(len + TW_PACKET_SIGNATURE, 0);
  static uint8_t sealed[MANY][256];
  memset(inner + len, 7, TW_PACKET_SIGNATURE);
  assert_int_equal(tw_udp_batch_open(&batch, &world.test.alloc, MANY), TW_OK);
  for (size_t i = 0; i < MANY; i++) {
    memcpy(sealed[i] + TW_ESP_HEADER, inner, len + TW_PACKET_SIGNATURE);
    assert_int_equal(tw_esp_seal(&out, TW_ESP_NEXT_IPV4, sealed[i], len + TW_PACKET_SIGNATURE, 0), TW_OK);
    assert_int_equal(tw_udp_batch_add(&batch, &world.nodes[RECEIVER].address, 0, TW_BYTES(sealed[i], size)), TW_OK);
  }
  assert_int_equal(tw_udp_send(udp, &batch), TW_OK);
  tw_udp_batch_close(&batch);
  tw_esp_out_clear(&out);
  const packet_spec spec = kit_packet_of(SENDER, RECEIVER, 4, PACKET_UDP, 100);
  put(SENDER, &spec);
  kit_got_this(RECEIVER, &spec);
  const tw_plane_drops *d = kit_drops(RECEIVER);
  assert_int_equal(d->forged, TW_PLANE_CHECKS); /* in however many calls, all at one time */
  assert_int_equal(d->unchecked, MANY - TW_PLANE_CHECKS);
  assert_int_equal(receiving_from(SENDER)->esp.window.highest, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_another_members_packet_without_a_signature_is_dropped, begin, end),
      cmocka_unit_test_setup_teardown(test_another_members_signature_is_dropped, begin, end),
      cmocka_unit_test_setup_teardown(test_a_member_cannot_send_in_anothers_name_by_its_own_signature, begin, end),
      cmocka_unit_test_setup_teardown(test_a_signature_is_good_for_one_number_sa_and_content_alone, begin, end),
      cmocka_unit_test_setup_teardown(test_what_is_signed_for_one_next_header_is_not_taken_as_another, begin, end),
      cmocka_unit_test_setup_teardown(test_a_signed_packet_that_was_cut_anywhere_is_dropped, begin, end),
      cmocka_unit_test_setup_teardown(test_dummies_and_probes_to_all_count_as_not_signed, begin, end),
      cmocka_unit_test_setup_teardown(test_wrong_padding_of_another_member_does_not_move_the_window, begin, end),
      cmocka_unit_test_setup_teardown(test_a_signed_packet_is_taken_once, begin, end),
      cmocka_unit_test_setup_teardown(test_a_signature_of_another_epoch_is_dropped, begin, end),
      cmocka_unit_test_setup_teardown(test_a_renewed_leaf_signs_by_its_new_key_alone, begin, end),
      cmocka_unit_test_setup_teardown(test_nothing_is_taken_in_the_name_of_who_has_no_key, begin_without_a_key, end),
      cmocka_unit_test_setup_teardown(test_of_many_at_once_some_are_not_looked_at_and_other_packets_come_through, begin,
                                      end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
