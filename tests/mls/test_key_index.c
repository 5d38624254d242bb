/* The index of keys and the table of capabilities: against plain ones, in versions, under hostile input. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/key_index.h"
#include "mls/tree_counts.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

enum { ENTRIES = 600 };

static uint64_t next_random(uint64_t *dice) {
  *dice ^= *dice << 13;
  *dice ^= *dice >> 7;
  *dice ^= *dice << 17;
  return *dice;
}

static bool has(const tw_key_index *index, tw_key_entry entry) {
  const tw_key_entry *at;
  for (size_t i = 0; (at = tw_key_index_find(index, entry.hash, entry.kind, i)) != NULL; i++) {
    if (at->node == entry.node) return true;
  }
  return false;
}

/* `mask` makes hashes collide in whole or in their leading bits. */
static void random_changes(uint64_t mask) {
  tw_test_env test;
  tw_test_env_init(&test, 1);
  static tw_key_entry entry[ENTRIES];
  static bool in[ENTRIES];
  static bool in_version[ENTRIES];
  uint64_t dice = 88172645463325252u;
  tw_key_index index = {NULL};
  tw_key_index version = {NULL};
  memset(in, 0, sizeof in);
  memset(in_version, 0, sizeof in_version);
  for (uint32_t i = 0; i < ENTRIES; i++) entry[i] = (tw_key_entry){next_random(&dice) & mask, i, i % 2};
  for (uint32_t step = 0; step < 6000; step++) {
    const uint32_t i = (uint32_t)(next_random(&dice) % ENTRIES);
    if (in[i]) {
      assert_int_equal(tw_key_index_remove(&test.alloc, &index, entry[i]), TW_OK);
    } else {
      assert_int_equal(tw_key_index_insert(&test.alloc, &index, entry[i]), TW_OK);
    }
    in[i] = !in[i];
    if (step % 500 == 0) {
      for (uint32_t k = 0; k < ENTRIES; k++) {
        assert_int_equal(has(&index, entry[k]), in[k]);
        assert_int_equal(has(&version, entry[k]), in_version[k]);
      }
      tw_key_index_clear(&test.alloc, &version);
      version = tw_key_index_copy(&index);
      memcpy(in_version, in, sizeof in);
    }
  }
  for (uint32_t k = 0; k < ENTRIES; k++) assert_int_equal(tw_key_index_remove(&test.alloc, &index, entry[k]), TW_OK);
  assert_null(index.root);
  tw_key_index_clear(&test.alloc, &index);
  tw_key_index_clear(&test.alloc, &version);
  tw_test_env_clear(&test);
}

static void entries_are_found(void **state) {
  (void)state;
  random_changes(UINT64_MAX);
  random_changes(0xff);          /* equal but for the last levels */
  random_changes(0xffull << 56); /* whole hashes collide */
  random_changes(0);
}

static void failing_memory(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  tw_key_index index = {NULL};
  uint64_t dice = 4711;
  for (uint32_t i = 0; i < 100; i++) {
    const tw_key_entry entry = {next_random(&dice), i, 0};
    tw_key_index shared = tw_key_index_copy(&index);
    for (size_t n = 1;; n++) {
      tw_test_fail_alloc(&test, n);
      const tw_err err = tw_key_index_insert(&test.alloc, &index, entry);
      const bool failed = test.alloc_failed;
      tw_test_fail_alloc(&test, 0);
      if (!failed) {
        assert_int_equal(err, TW_OK);
        break;
      }
      assert_int_equal(err, TW_ERR_NO_MEMORY);
      assert_false(has(&index, entry));
    }
    assert_true(has(&index, entry));
    assert_false(has(&shared, entry));
    for (size_t n = 1; i % 3 == 0; n++) {
      tw_test_fail_alloc(&test, n);
      const tw_err err = tw_key_index_remove(&test.alloc, &shared, entry);
      const bool failed = test.alloc_failed;
      tw_test_fail_alloc(&test, 0);
      if (failed) assert_int_equal(err, TW_ERR_NO_MEMORY);
      if (!failed) break;
    }
    assert_true(has(&index, entry));
    tw_key_index_clear(&test.alloc, &shared);
  }
  tw_key_index_clear(&test.alloc, &index);
  tw_test_env_clear(&test);
}

/* Seed, kind, length and each byte count. */
static void hash_depends_on_all(void **state) {
  (void)state;
  const uint64_t seed[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  const uint64_t other[2] = {0x0706050403020101u, 0x0f0e0d0c0b0a0908u};
  uint8_t key[40] = {0};
  const uint64_t hash = tw_key_hash(seed, 0, TW_ARRAY(key));
  assert_true(hash == tw_key_hash(seed, 0, TW_ARRAY(key)));
  assert_true(hash != tw_key_hash(other, 0, TW_ARRAY(key)));
  assert_true(hash != tw_key_hash(seed, 1, TW_ARRAY(key)));
  assert_true(hash != tw_key_hash(seed, 0, TW_BYTES(key, 39)));
  for (size_t i = 0; i < sizeof key; i++) {
    key[i] = 1;
    assert_true(hash != tw_key_hash(seed, 0, TW_ARRAY(key)));
    key[i] = 0;
  }
}

/* ---- counts ---- */

static void counts_of_strange_leaves(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  static uint8_t all[2 * 65536];
  for (uint32_t i = 0; i < 65536; i++) tw_put_u16(all + 2 * i, (uint16_t)(i * 40503u)); /* in a wild order */
  const tw_leaf_node wide = {
      .credential = {.type = 5},
      .capabilities = {.extensions = TW_ARRAY(all), .proposals = TW_ARRAY(all), .credentials = TW_ARRAY(all)}};
  static const uint8_t basic[] = {0, 1, 0, 1};
  const tw_leaf_node narrow = {.credential = {.type = 1}, .capabilities = {.credentials = TW_ARRAY(basic)}};
  tw_tree_counts *one = NULL;
  tw_tree_counts *two = NULL;
  tw_tree_counts *back = NULL;
  assert_int_equal(tw_tree_counts_change(&test.alloc, NULL, NULL, &wide, &one), TW_OK);
  assert_int_equal(tw_tree_counts_change(&test.alloc, one, NULL, &narrow, &two), TW_OK);
  for (uint32_t i = 0; i < 65536; i += 97) {
    assert_int_equal(tw_tree_counts_get(one, TW_COUNT_PROPOSAL, (uint16_t)i), 1);
    assert_int_equal(tw_tree_counts_get(two, TW_COUNT_EXTENSION, (uint16_t)i), 1);
  }
  assert_int_equal(tw_tree_counts_get(two, TW_COUNT_CREDENTIAL, 1), 2);
  assert_int_equal(tw_tree_counts_get(two, TW_COUNT_CREDENTIAL_USED, 1), 1);
  assert_int_equal(tw_tree_counts_get(two, TW_COUNT_CREDENTIAL_USED, 2), 0);
  assert_int_equal(tw_tree_counts_credentials_outside(two, TW_ARRAY(all)), 0);
  assert_int_equal(tw_tree_counts_credentials_outside(two, TW_ARRAY(basic)), 1);
  assert_int_equal(tw_tree_counts_credentials_outside(two, TW_NO_BYTES), 2);
  int32_t type = -1;
  assert_true(tw_tree_counts_next_credential(two, &type));
  assert_int_equal(type, 1);
  assert_true(tw_tree_counts_next_credential(two, &type));
  assert_int_equal(type, 5);
  assert_false(tw_tree_counts_next_credential(two, &type));
  assert_int_equal(tw_tree_counts_change(&test.alloc, two, &wide, NULL, &back), TW_OK);
  assert_int_equal(tw_tree_counts_get(back, TW_COUNT_PROPOSAL, 40503), 0);
  assert_int_equal(tw_tree_counts_get(back, TW_COUNT_CREDENTIAL, 1), 1);
  tw_tree_counts_release(&test.alloc, one);
  tw_tree_counts_release(&test.alloc, two);
  tw_tree_counts_release(&test.alloc, back);
  tw_tree_counts_release(&test.alloc, NULL);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(entries_are_found),
      cmocka_unit_test(failing_memory),
      cmocka_unit_test(hash_depends_on_all),
      cmocka_unit_test(counts_of_strange_leaves),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
