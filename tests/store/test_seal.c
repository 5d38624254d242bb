/* Sealed states: keys, wrong keys, new keys, and what a thief of the files sees. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_internal.h"
#include "store/store_kit.h"

#define SECRET "a secret that stands in no file of a sealed state"

typedef struct keys {
  kit k;
  char path[3][KIT_PATH];
  tw_store_key file, other_file, phrase, other_phrase, none;
} keys;

static void keys_init(keys *at, uint64_t seed) {
  kit_init(&at->k, seed);
  at->file = kit_key_file(&at->k, at->path[0], 1);
  at->other_file = kit_key_file(&at->k, at->path[1], 2);
  at->phrase = kit_passphrase("correct horse");
  at->other_phrase = kit_passphrase("correct horsf");
  at->none = (tw_store_key){0};
}

static void each_key_opens_its_own_state_alone(void **state) {
  (void)state;
  keys at;
  keys_init(&at, 1);
  const tw_store_key *const all[] = {&at.none, &at.file, &at.other_file, &at.phrase, &at.other_phrase};
  static const char *const words[5][5] = {
      {NULL, "not sealed", "not sealed", "not sealed", "not sealed"},
      {"none was given", NULL, "not the key", "not with a passphrase", "not with a passphrase"},
      {"none was given", "not the key", NULL, "not with a passphrase", "not with a passphrase"},
      {"none was given", "not with a key file", "not with a key file", NULL, "not the key"},
      {"none was given", "not with a key file", "not with a key file", "not the key", NULL}};
  for (size_t i = 0; i < 5; i++) {
    tw_store *store = kit_open(&at.k, all[i]);
    kit_put(&at.k, store, TW_STORE_SESSION, "id", SECRET);
    assert_int_equal(kit_holds(&at.k, TW_LITERAL(SECRET)), i == 0);
    tw_store_close(store);
    for (size_t other = 0; other < 5; other++)
      if (other != i) kit_refuses(&at.k, all[other], TW_ERR_KEY, words[i][other]);
    store = kit_open(&at.k, all[i]);
    kit_expect(&at.k, store, TW_STORE_SESSION, "id", SECRET);
    tw_store_close(store);
    kit_remove(at.k.dir);
  }
  kit_clear(&at.k);
}

static void the_key_changes_for_all_values_at_once(void **state) {
  (void)state;
  keys at;
  keys_init(&at, 2);
  const tw_store_key *const turns[] = {&at.none, &at.file, &at.other_file, &at.phrase, &at.other_phrase, &at.none};
  tw_store *store = kit_open(&at.k, turns[0]);
  for (unsigned i = 0; i < 40; i++) {
    char id[32];
    (void)snprintf(id, sizeof id, "%u of some length", i);
    kit_put(&at.k, store, (tw_store_kind)(1 + i % 4), id, SECRET);
  }
  for (size_t i = 1; i < sizeof turns / sizeof turns[0]; i++) {
    if (tw_store_rekey(store, turns[i], &at.k.report) != TW_OK) fail_msg("%s", at.k.report.text);
    /* What was in clear, or under the old key, is out of the files at once. */
    assert_int_equal(kit_holds(&at.k, TW_LITERAL(SECRET)), turns[i] == &at.none);
    kit_expect(&at.k, store, TW_STORE_SESSION, "0 of some length", SECRET);
    kit_put(&at.k, store, TW_STORE_PIN, "late", SECRET);
    tw_store_close(store);
    kit_refuses(&at.k, turns[i - 1], TW_ERR_KEY, "sealed");
    store = kit_open(&at.k, turns[i]);
    kit_expect(&at.k, store, TW_STORE_PIN, "39 of some length", SECRET);
    kit_expect(&at.k, store, TW_STORE_PIN, "late", SECRET);
    assert_int_equal(kit_count(&at.k, store, TW_STORE_SESSION), 10);
  }
  tw_store_close(store);
  kit_clear(&at.k);
}

static void a_failed_change_of_key_leaves_the_old_one(void **state) {
  (void)state;
  keys at;
  keys_init(&at, 3);
  tw_store *store = kit_open(&at.k, &at.file);
  kit_put(&at.k, store, TW_STORE_SESSION, "a", SECRET);
  kit_put(&at.k, store, TW_STORE_SESSION, "b", SECRET);
  for (size_t n = 1;; n++) {
    tw_test_fail_random(&at.k.test, n);
    const tw_err err = tw_store_rekey(store, &at.other_file, &at.k.report);
    if (!at.k.test.random_failed) {
      assert_int_equal(err, TW_OK);
      assert_true(n > 2);
      tw_test_fail_random(&at.k.test, 0);
      break;
    }
    assert_int_equal(err, TW_ERR_RANDOM);
    kit_expect(&at.k, store, TW_STORE_SESSION, "b", SECRET);
    tw_store_close(store);
    store = kit_open(&at.k, &at.file);
    kit_expect(&at.k, store, TW_STORE_SESSION, "a", SECRET);
  }
  tw_store_close(store);
  tw_store_close(kit_open(&at.k, &at.other_file));
  kit_clear(&at.k);
}

static void key_files_of_others_and_of_other_lengths_are_refused(void **state) {
  (void)state;
  keys at;
  char path[KIT_PATH];
  uint8_t bytes[TW_STORE_KEY_SIZE + 1] = {0};
  keys_init(&at, 4);
  assert_int_equal(chmod(at.path[0], 0640), 0);
  kit_refuses(&at.k, &at.file, TW_ERR_FORBIDDEN, "chmod 600");
  assert_int_equal(chmod(at.path[0], 0604), 0);
  kit_refuses(&at.k, &at.file, TW_ERR_FORBIDDEN, "chmod 600");
  assert_true(snprintf(path, sizeof path, "%s/short", at.k.parent) > 0);
  const tw_store_key odd = {.file = path};
  kit_refuses(&at.k, &odd, TW_ERR_STATE, "No such file");
  for (size_t len = 0; len <= sizeof bytes; len++) {
    kit_spill(path, TW_BYTES(bytes, len));
    if (len != TW_STORE_KEY_SIZE) kit_refuses(&at.k, &odd, TW_ERR_KEY, "32 random bytes");
  }
  const tw_store_key folder = {.file = at.k.parent};
  kit_refuses(&at.k, &folder, TW_ERR_STATE, "not a file");
  tw_store_key both = at.phrase;
  both.file = at.path[1];
  kit_refuses(&at.k, &both, TW_ERR_ARGUMENT, "not with both");
  static const uint8_t endless[TW_STORE_PASSPHRASE_MAX + 1];
  const tw_store_key overlong = {.passphrase = TW_ARRAY(endless)};
  kit_refuses(&at.k, &overlong, TW_ERR_ARGUMENT, "at most");
  const tw_store_key empty = {.passphrase = TW_BYTES(endless, 0)}; /* not the same as none */
  kit_refuses(&at.k, &empty, TW_ERR_ARGUMENT, "empty");
  tw_store_close(kit_open(&at.k, &at.other_file)); /* none of it has made a state */
  kit_clear(&at.k);
}

static void values_of_the_same_content_look_different(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 5);
  tw_store_seal seal = {.protection = TW_STORE_KEY_FILE};
  tw_hmac_key_init(&test.env, tw_suite_by_name("MLS_256_DHKEMP384_AES256GCM_SHA384_P384"), TW_LITERAL("prk"),
                   &seal.prk);
  tw_buf one = {0};
  tw_buf two = {0};
  const tw_bytes id = TW_LITERAL("id");
  assert_int_equal(tw_store_value_close(&test.env, &seal, 1, id, TW_LITERAL(SECRET), &one), TW_OK);
  assert_int_equal(tw_store_value_close(&test.env, &seal, 1, id, TW_LITERAL(SECRET), &two), TW_OK);
  assert_int_equal(one.len, two.len);
  assert_int_not_equal(memcmp(one.ptr, two.ptr, 33), 0);
  assert_int_not_equal(memcmp(one.ptr + 33, two.ptr + 33, one.len - 33), 0);
  tw_buf_clear(&one);
  tw_buf_clear(&two);
  tw_test_env_clear(&test);
}

static void values_of_every_length_come_back(void **state) {
  (void)state;
  static const uint8_t ends[] = {0, 1, 2};
  tw_test_env test;
  tw_test_env_init(&test, 9);
  tw_buf stored = {0};
  tw_buf value = {0};
  uint8_t bytes[1100];
  for (size_t i = 0; i < sizeof ends; i++) {
    memset(bytes, ends[i], sizeof bytes); /* the padding's bytes among them */
    for (size_t len = 0; len <= sizeof bytes; len += len > 505 && len < 515 ? 1 : 101) {
      const tw_store_seal seal = {.protection = TW_STORE_CLEAR};
      assert_int_equal(tw_store_value_close(&test.env, &seal, 1, TW_LITERAL("id"), TW_BYTES(bytes, len), &stored),
                       TW_OK);
      assert_int_equal(stored.len, 17 + 512 * (len / 512 + 1));
      assert_int_equal(tw_store_value_open(&test.env, &seal, 1, TW_LITERAL("id"), tw_buf_bytes(&stored), &value),
                       TW_OK);
      tw_test_same(tw_buf_bytes(&value), TW_BYTES(bytes, len));
    }
  }
  tw_buf_clear(&stored);
  tw_buf_clear(&value);
  tw_test_env_clear(&test);
}

/* Sealed and in clear: another kind, id or store, each cut and each flipped bit is noticed. */
static void check_value(tw_test_env *test, const tw_store_seal *seal) {
  const tw_bytes id = TW_LITERAL("id");
  tw_buf stored = {0};
  tw_buf value = {0};
  assert_int_equal(tw_store_value_close(&test->env, seal, 1, id, TW_LITERAL(SECRET), &stored), TW_OK);
  assert_int_equal(tw_store_value_open(&test->env, seal, 1, id, tw_buf_bytes(&stored), &value), TW_OK);
  tw_test_same(tw_buf_bytes(&value), TW_LITERAL(SECRET));
  tw_store_seal other = *seal;
  other.name[3] ^= 1;
  assert_int_not_equal(tw_store_value_open(&test->env, &other, 1, id, tw_buf_bytes(&stored), &value), TW_OK);
  assert_int_not_equal(tw_store_value_open(&test->env, seal, 2, id, tw_buf_bytes(&stored), &value), TW_OK);
  assert_int_not_equal(tw_store_value_open(&test->env, seal, 1, TW_LITERAL("ie"), tw_buf_bytes(&stored), &value),
                       TW_OK);
  assert_int_not_equal(tw_store_value_open(&test->env, seal, 1, TW_LITERAL("i"), tw_buf_bytes(&stored), &value), TW_OK);
  for (size_t cut = 0; cut < stored.len; cut++)
    assert_int_not_equal(tw_store_value_open(&test->env, seal, 1, id, TW_BYTES(stored.ptr, cut), &value), TW_OK);
  for (size_t bit = 0; bit < 8 * stored.len; bit++) {
    stored.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    assert_int_not_equal(tw_store_value_open(&test->env, seal, 1, id, tw_buf_bytes(&stored), &value), TW_OK);
    stored.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
  tw_test_same(tw_buf_bytes(&value), TW_LITERAL(SECRET)); /* as it was, after all these errors */
  tw_buf_clear(&stored);
  tw_buf_clear(&value);
}

static void swapped_and_damaged_values_are_noticed(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 6);
  tw_store_seal seal = {.protection = TW_STORE_CLEAR, .name = {1, 2, 3}};
  check_value(&test, &seal);
  seal.protection = TW_STORE_KEY_FILE;
  tw_hmac_key_init(&test.env, tw_suite_by_name("MLS_256_DHKEMP384_AES256GCM_SHA384_P384"), TW_LITERAL("prk"),
                   &seal.prk);
  check_value(&test, &seal);
  tw_test_env_clear(&test);
}

static void a_damaged_seal_is_refused(void **state) {
  (void)state;
  keys at;
  keys_init(&at, 7);
  tw_store_seal seal = {.name = {9}};
  tw_store_seal got;
  tw_buf encoded = {0};
  tw_test_env *test = &at.k.test;
  assert_int_equal(tw_store_seal_make(&test->env, &at.phrase, &seal, &at.k.report), TW_OK);
  assert_int_equal(tw_store_seal_encode(&test->env, &seal, &encoded), TW_OK);
  assert_int_equal(tw_store_seal_decode(&test->env, tw_buf_bytes(&encoded), &at.phrase, &got, &at.k.report), TW_OK);
  for (size_t cut = 0; cut < encoded.len; cut++)
    assert_int_equal(tw_store_seal_decode(&test->env, TW_BYTES(encoded.ptr, cut), &at.phrase, &got, &at.k.report),
                     TW_ERR_ENCODING);
  const size_t cost_at = TW_STORE_NAME + 1 + TW_STORE_SALT;
  for (size_t i = 0; i < encoded.len; i++) {
    /* Not every cost that a flip makes is refused, and we do not want to pay for it. */
    if (i >= cost_at && i < cost_at + 12 && (i - cost_at) % 4 != 0) continue;
    encoded.ptr[i] ^= 0x80;
    assert_int_not_equal(tw_store_seal_decode(&test->env, tw_buf_bytes(&encoded), &at.phrase, &got, &at.k.report),
                         TW_OK);
    encoded.ptr[i] ^= 0x80;
  }
  tw_buf_clear(&encoded);
  kit_clear(&at.k);
}

static void a_passphrase_costs_what_is_stored(void **state) {
  (void)state;
  keys at;
  keys_init(&at, 8);
  tw_store_seal seal = {.name = {9}};
  if (tw_test_rounds(1, 0) != 0) { /* the defaults, which want 64 MiB */
    const tw_store_key plain = {.passphrase = TW_LITERAL("plain")};
    assert_int_equal(tw_store_seal_make(&at.k.test.env, &plain, &seal, &at.k.report), TW_OK);
    assert_int_equal(seal.cost.memory_kib, 65536);
    assert_int_equal(seal.cost.passes, 3);
    assert_int_equal(seal.cost.lanes, 4);
  }
  tw_store *store = kit_open(&at.k, &at.phrase);
  tw_store_close(store);
  tw_store_key dear = at.phrase; /* what is asked for now does not matter to a state that is there */
  dear.cost = (tw_store_cost){.memory_kib = 128, .passes = 2, .lanes = 2};
  store = kit_open(&at.k, &dear);
  tw_store_close(store);
  tw_store_key absurd = at.phrase;
  absurd.cost.memory_kib = UINT32_MAX;
  assert_int_equal(tw_store_seal_make(&at.k.test.env, &absurd, &seal, &at.k.report), TW_ERR_ENCODING);
  kit_clear(&at.k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_key_opens_its_own_state_alone),
      cmocka_unit_test(the_key_changes_for_all_values_at_once),
      cmocka_unit_test(a_failed_change_of_key_leaves_the_old_one),
      cmocka_unit_test(key_files_of_others_and_of_other_lengths_are_refused),
      cmocka_unit_test(values_of_the_same_content_look_different),
      cmocka_unit_test(values_of_every_length_come_back),
      cmocka_unit_test(swapped_and_damaged_values_are_noticed),
      cmocka_unit_test(a_damaged_seal_is_refused),
      cmocka_unit_test(a_passphrase_costs_what_is_stored),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
