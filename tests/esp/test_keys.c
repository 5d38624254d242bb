/* Keys from a group's exporter: docs/protocols.md, "ESP-MLS". SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "esp/keys.h"
#include "support/tw_test_member.h"

#define tw_group_id tw_provider_group_id /* a type there, and a function in mls.h */
#include "crypto/provider.h"
#undef tw_group_id

static tw_test_env test;
static tw_test_member alice, bob;
static tw_esp_keys keys, other;

static void meet(uint16_t suite) {
  tw_test_member_init(&alice, &test, tw_suite_by_id(&test.env, suite), "alice");
  tw_test_member_init(&bob, &test, tw_suite_by_id(&test.env, suite), "bob");
  tw_test_found(&alice, TW_NO_BYTES);
  tw_test_add(&alice, &bob, NULL, 0);
}

static void part(void) {
  tw_esp_keys_clear(&keys);
  tw_esp_keys_clear(&other);
  tw_test_member_clear(&alice);
  tw_test_member_clear(&bob);
}

static int setup(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static void derive(const tw_test_member *member, uint32_t leaf_index, uint16_t lane, tw_esp_keys *out) {
  assert_int_equal(tw_esp_keys_derive(member->group, leaf_index, lane, TW_NO_BYTES, out), TW_OK);
}

static bool same(const tw_esp_keys *a, const tw_esp_keys *b) {
  return a->spi == b->spi && memcmp(a->key, b->key, a->suite->aead->key_size) == 0 &&
         memcmp(a->salt, b->salt, TW_ESP_SALT) == 0;
}

static void spi_key_and_salt_are_the_exporter_s_in_this_order(void **state) {
  (void)state;
  static const uint16_t suites[] = {1, 3, 7};
  static const uint8_t context[] = {0, 0, 0, 1, 2, 3};
  for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
    meet(suites[i]);
    const size_t key_size = alice.client.suite->aead->key_size;
    uint8_t raw[4 + TW_AEAD_KEY_MAX + TW_ESP_SALT];
    const size_t len = 4 + key_size + TW_ESP_SALT;
    assert_int_equal(tw_group_export(alice.group, TW_LITERAL("treewire esp"), TW_ARRAY(context), raw, len), TW_OK);
    derive(&bob, 1, 0x0203, &keys);
    assert_ptr_equal(keys.suite, alice.client.suite);
    const tw_bytes id = tw_group_id(alice.group);
    const uint8_t last = (uint8_t)((raw[3] & 0xf0) | ((id.ptr[id.len - 1] + 1 + 0x0203) & 0x0f));
    const uint8_t spi[] = {(uint8_t)(keys.spi >> 24), (uint8_t)(keys.spi >> 16), (uint8_t)(keys.spi >> 8),
                           (uint8_t)keys.spi};
    assert_memory_equal(raw, spi, 3);
    assert_int_equal(spi[3], last);
    tw_test_same(TW_BYTES(keys.key, key_size), TW_BYTES(raw + 4, key_size));
    tw_test_same(TW_ARRAY(keys.salt), TW_BYTES(raw + 4 + key_size, TW_ESP_SALT));
    part();
  }
}

static void each_leaf_lane_and_epoch_has_keys_of_its_own(void **state) {
  (void)state;
  meet(1);
  derive(&alice, 0, 0, &keys);
  derive(&bob, 0, 0, &other);
  assert_true(same(&keys, &other));
  derive(&bob, 1, 0, &other);
  assert_false(same(&keys, &other) || keys.spi == other.spi);
  derive(&bob, 0, 1, &other);
  assert_false(same(&keys, &other) || keys.spi == other.spi);
  tw_test_member *const others[] = {&bob};
  const tw_commit_options options = {0};
  tw_test_commit(&alice, &options, others, 1, NULL);
  derive(&alice, 0, 0, &other);
  assert_false(same(&keys, &other) || keys.spi == other.spi);
  derive(&bob, 0, 0, &keys);
  assert_true(same(&keys, &other));
  part();
}

/* So that all that somebody sends comes to one thread of a receiver, whatever the epoch; different members', to
 * several. */
static void the_end_of_an_spi_is_the_senders_in_all_epochs(void **state) {
  (void)state;
  meet(1);
  tw_test_member *const others[] = {&bob};
  const tw_commit_options options = {0};
  uint32_t ends[2];
  for (uint32_t leaf = 0; leaf < 2; leaf++) {
    derive(&alice, leaf, 0, &keys);
    ends[leaf] = keys.spi % TW_ESP_PLACES;
  }
  assert_int_equal(ends[1], (ends[0] + 1) % TW_ESP_PLACES);
  for (unsigned epoch = 0; epoch < 20; epoch++) {
    const uint32_t before = keys.spi;
    tw_test_commit(&alice, &options, others, 1, NULL);
    for (uint32_t leaf = 0; leaf < 2; leaf++) {
      derive(epoch % 2 == 0 ? &alice : &bob, leaf, 0, &keys);
      assert_int_equal(keys.spi % TW_ESP_PLACES, ends[leaf]);
    }
    assert_int_not_equal(keys.spi, before);
  }
  part();
}

static void packets_go_from_member_to_member(void **state) {
  (void)state;
  meet(2);
  uint8_t packet[64] = {0};
  tw_esp_out out = {0};
  tw_esp_in in = {0};
  tw_esp_opened opened;
  derive(&alice, 0, 0, &keys);
  assert_int_equal(tw_esp_out_init(&test.env, &keys, TW_ESP_MARK_FRESH, &out), TW_OK);
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 9)), TW_OK);
  memcpy(packet + TW_ESP_HEADER, "hello", 5);
  assert_int_equal(tw_esp_seal(&out, TW_ESP_NEXT_PROBE, packet, 5, 0), TW_OK);
  derive(&bob, 0, 0, &other);
  assert_int_equal(tw_esp_in_init(&test.env, &other, 0, &in), TW_OK);
  assert_int_equal(tw_esp_open(&in, packet, tw_esp_size(5, 0), &opened), TW_OK);
  assert_int_equal(opened.next_header, TW_ESP_NEXT_PROBE);
  assert_int_equal(opened.len, 5);
  assert_memory_equal(packet + TW_ESP_HEADER, "hello", 5);
  tw_esp_out_clear(&out);
  tw_esp_in_clear(&in);
  part();
}

/* A provider whose first HMACs begin with three zeros, so that SPIs are below 256, and that notes what is hashed. */
static const tw_provider_ops *real;
static unsigned small_left;
static uint8_t hashed[16];
static size_t hashed_len;
static bool hash_fails;

static tw_err small_hmac(tw_provider *provider, const tw_hmac_key *key, const tw_bytes *parts, size_t count,
                         uint8_t *out) {
  TW_TRY(real->hmac(provider, key, parts, count, out));
  if (small_left > 0) {
    small_left--;
    memset(out, 0, 3);
  }
  return TW_OK;
}

static tw_err noting_hash(tw_provider *provider, const tw_hash *hash, const tw_bytes *parts, size_t count,
                          uint8_t *out) {
  if (hash_fails) return TW_ERR_INTERNAL;
  if (count == 1 && parts[0].len <= sizeof hashed) {
    hashed_len = parts[0].len;
    memcpy(hashed, parts[0].ptr, hashed_len);
  }
  return real->hash(provider, hash, parts, count, out);
}

/* 24 bytes of output are one HMAC with SHA-256. */
static void an_spi_below_256_is_derived_again(void **state) {
  (void)state;
  meet(1);
  derive(&alice, 1, 5, &keys); /* the label's key is made by an HMAC, too, once */
  tw_provider *provider = test.env.provider;
  real = provider->ops;
  tw_provider_ops ops = *real;
  ops.hmac = small_hmac;
  ops.hash = noting_hash;
  provider->ops = &ops;
  static const uint8_t once[] = {0, 0, 0, 1, 0, 5};
  static const uint8_t thrice[] = {0, 0, 0, 1, 0, 5, 3};
  derive(&alice, 1, 5, &other);
  assert_true(same(&keys, &other));
  tw_test_same(TW_BYTES(hashed, hashed_len), TW_ARRAY(once));
  small_left = 3;
  derive(&alice, 1, 5, &other);
  assert_false(same(&keys, &other));
  tw_test_same(TW_BYTES(hashed, hashed_len), TW_ARRAY(thrice));
  small_left = 255;
  derive(&alice, 1, 5, &other);
  assert_int_equal(hashed[6], 255);
  small_left = 256; /* cannot be */
  static const tw_esp_keys none;
  assert_int_equal(tw_esp_keys_derive(alice.group, 1, 5, TW_NO_BYTES, &other), TW_ERR_INTERNAL);
  assert_memory_equal(&other, &none, sizeof none);
  small_left = 0;
  hash_fails = true;
  assert_int_equal(tw_esp_keys_derive(alice.group, 1, 5, TW_NO_BYTES, &keys), TW_ERR_INTERNAL);
  assert_memory_equal(&keys, &none, sizeof none);
  provider->ops = real;
  hash_fails = false;
  part();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(spi_key_and_salt_are_the_exporter_s_in_this_order),
      cmocka_unit_test(each_leaf_lane_and_epoch_has_keys_of_its_own),
      cmocka_unit_test(packets_go_from_member_to_member),
      cmocka_unit_test(an_spi_below_256_is_derived_again),
      cmocka_unit_test(the_end_of_an_spi_is_the_senders_in_all_epochs),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
