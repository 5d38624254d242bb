/* Application components and GREASE. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "crypto/crypto.h"
#include "mls/app_data.h"
#include "mls/grease.h"
#include "tw_test_env.h"

static void dictionaries_are_sorted_and_unique(void **state) {
  (void)state;
  tw_bytes entries;
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\0"), &entries), TW_OK);
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\x7\0\0\0\0\1\1x"), &entries), TW_OK);
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\6\0\1\0\0\1\0"), &entries), TW_ERR_ENCODING);
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\6\0\2\0\0\1\0"), &entries), TW_ERR_ENCODING);
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\6\0\0\0\0\0\0"), &entries), TW_ERR_ENCODING);
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\5\0\1\0\0\2"), &entries), TW_ERR_TRUNCATED);
  assert_int_equal(tw_component_entries_decode(TW_LITERAL("\0\0"), &entries), TW_ERR_TRAILING);
  assert_int_equal(tw_component_entries_decode(TW_NO_BYTES, &entries), TW_ERR_TRUNCATED);
}

static void set(tw_buf *dictionary, uint16_t id, tw_bytes data, tw_bytes expected) {
  tw_buf next = {0};
  assert_int_equal(tw_dictionary_set(tw_buf_bytes(dictionary), id, data, &next), TW_OK);
  tw_test_same(tw_buf_bytes(&next), expected);
  assert_int_equal(tw_buf_assign(dictionary, tw_buf_bytes(&next)), TW_OK);
  tw_buf_clear(&next);
}

static void components_are_set_and_removed_in_order(void **state) {
  (void)state;
  tw_buf dictionary = {0};
  set(&dictionary, 5, TW_LITERAL("five"), TW_LITERAL("\x7\0\5\4five"));
  set(&dictionary, 9, TW_NO_BYTES, TW_LITERAL("\xa\0\5\4five\0\x9\0"));
  set(&dictionary, 0, TW_LITERAL("0"),
      TW_LITERAL("\xe\0\0\1"
                 "0\0\5\4five\0\x9\0"));
  set(&dictionary, 7, TW_LITERAL("7"),
      TW_LITERAL("\x12\0\0\1"
                 "0\0\5\4five\0\7\1"
                 "7\0\x9\0"));
  set(&dictionary, 5, TW_LITERAL("V"),
      TW_LITERAL("\xf\0\0\1"
                 "0\0\5\1V\0\7\1"
                 "7\0\x9\0"));
  tw_buf next = {0};
  assert_int_equal(tw_dictionary_remove(tw_buf_bytes(&dictionary), 6, &next), TW_ERR_PROPOSAL);
  assert_int_equal(tw_dictionary_remove(tw_buf_bytes(&dictionary), 5, &next), TW_OK);
  tw_test_same(tw_buf_bytes(&next), TW_LITERAL("\xb\0\0\1"
                                               "0\0\7\1"
                                               "7\0\x9\0"));
  tw_buf_clear(&next);
  assert_int_equal(tw_dictionary_remove(TW_LITERAL("\3\0\1\0"), 1, &next), TW_OK);
  tw_test_same(tw_buf_bytes(&next), TW_LITERAL("\0"));
  tw_buf_clear(&next);
  assert_int_equal(tw_dictionary_remove(TW_NO_BYTES, 1, &next), TW_ERR_PROPOSAL);
  assert_int_equal(tw_dictionary_set(TW_LITERAL("\6\0\2\0\0\1\0"), 1, TW_NO_BYTES, &next), TW_ERR_ENCODING);
  assert_int_equal(next.len, 0);
  tw_buf_clear(&dictionary);
}

enum { IDS = 24 };

/* A dictionary as it should be: a byte for each component that is there. */
typedef struct plain_dictionary {
  bool has[IDS];
  uint8_t data[IDS];
} plain_dictionary;

static uint64_t draw(tw_test_env *test, uint64_t below) {
  uint64_t value;
  assert_int_equal(tw_random(&test->env, (uint8_t *)&value, sizeof value), TW_OK);
  return value % below;
}

static void encode(const plain_dictionary *plain, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark list = tw_write_open(&w);
  for (uint32_t id = 0; id < IDS; id++) {
    if (plain->has[id]) tw_write_component(&w, (uint16_t)id, TW_BYTES(&plain->data[id], 1));
  }
  tw_write_close(&w, list);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* Some components set and some of those that are there removed; the data are views into `after`. */
static size_t draw_changes(tw_test_env *test, const plain_dictionary *before, plain_dictionary *after,
                           tw_component_change *changes) {
  size_t count = 0;
  *after = *before;
  for (uint32_t id = 0; id < IDS; id++) {
    if (draw(test, 3) > 0) continue;
    const bool has = !before->has[id] || draw(test, 2) == 0;
    after->has[id] = has;
    after->data[id] = (uint8_t)draw(test, 256);
    changes[count++] = (tw_component_change){(uint16_t)id, has, has ? TW_BYTES(&after->data[id], 1) : TW_NO_BYTES};
  }
  return count;
}

static void many_changes_are_made_in_one_pass(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 6);
  for (int round = 0; round < 500; round++) {
    plain_dictionary before = {0};
    plain_dictionary after;
    tw_component_change changes[IDS];
    for (uint32_t id = 0; id < IDS; id++) {
      before.has[id] = draw(&test, 2) == 0;
      before.data[id] = (uint8_t)draw(&test, 256);
    }
    const size_t count = draw_changes(&test, &before, &after, changes);
    tw_buf dictionary = TW_BUF_INIT(&test.alloc);
    tw_buf expected = TW_BUF_INIT(&test.alloc);
    tw_buf made = TW_BUF_INIT(&test.alloc);
    encode(&before, &dictionary);
    encode(&after, &expected);
    assert_int_equal(tw_dictionary_change(tw_buf_bytes(&dictionary), changes, count, &made), TW_OK);
    tw_test_same(tw_buf_bytes(&made), tw_buf_bytes(&expected));
    for (size_t i = 0; i < count; i++) {
      /* one of them asks for what is not there to be removed */
      if (before.has[changes[i].component_id]) continue;
      const tw_component_change kept = changes[i];
      changes[i].has = false;
      made.len = 0;
      assert_int_equal(tw_dictionary_change(tw_buf_bytes(&dictionary), changes, count, &made), TW_ERR_PROPOSAL);
      assert_int_equal(made.len, 0);
      changes[i] = kept;
    }
    tw_buf_clear(&dictionary);
    tw_buf_clear(&expected);
    tw_buf_clear(&made);
  }
  tw_test_env_clear(&test);
}

static void extension_lists_get_a_dictionary_at_their_end(void **state) {
  (void)state;
  tw_buf list = {0};
  assert_int_equal(tw_extension_append(&list, TW_EXTENSION_REQUIRED_CAPABILITIES, TW_LITERAL("\0\0\0")), TW_OK);
  assert_int_equal(tw_component_set(&list, 0x8001, TW_LITERAL("a")), TW_OK);
  tw_test_same(tw_buf_bytes(&list), TW_LITERAL("\0\3\3\0\0\0\0\6\5\4\x80\1\1"
                                               "a"));
  assert_int_equal(tw_extension_append(&list, 0xf001, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_component_set(&list, 1, TW_LITERAL("\0")), TW_OK);
  tw_test_same(tw_buf_bytes(&list), TW_LITERAL("\0\3\3\0\0\0\0\6\x9\x8\0\1\1\0\x80\1\1"
                                               "a\xf0\1\0"));
  assert_int_equal(tw_extension_append(&list, 0xf001, TW_NO_BYTES), TW_ERR_ARGUMENT);
  tw_bytes data;
  assert_true(tw_component_lookup(tw_buf_bytes(&list), 0x8001, &data));
  tw_test_same(data, TW_LITERAL("a"));
  assert_false(tw_component_lookup(tw_buf_bytes(&list), 2, &data));
  assert_true(tw_extension_lookup(tw_buf_bytes(&list), 0xf001, &data));
  assert_int_equal(data.len, 0);
  tw_buf next = {0};
  assert_int_equal(tw_extensions_remove_component(NULL, tw_buf_bytes(&list), 1, &next), TW_OK);
  tw_test_same(tw_buf_bytes(&next), TW_LITERAL("\0\3\3\0\0\0\0\6\5\4\x80\1\1"
                                               "a\xf0\1\0"));
  tw_buf_clear(&next);
  assert_int_equal(tw_extensions_remove_component(NULL, tw_buf_bytes(&list), 3, &next), TW_ERR_PROPOSAL);
  assert_int_equal(tw_extensions_drop(tw_buf_bytes(&list), TW_EXTENSION_APP_DATA_DICTIONARY, &next), TW_OK);
  tw_test_same(tw_buf_bytes(&next), TW_LITERAL("\0\3\3\0\0\0\xf0\1\0"));
  tw_buf_clear(&next);
  tw_buf_clear(&list);
  assert_false(tw_component_lookup(TW_LITERAL("\0\6\1\1"), 1, &data));
  assert_int_equal(tw_extensions_put(TW_LITERAL("\0\6\2"), 1, TW_NO_BYTES, &next), TW_ERR_TRUNCATED);
  assert_int_equal(next.len, 0);
  tw_buf_clear(&next);
}

static void app_components_name_what_the_leaf_holds(void **state) {
  (void)state;
  tw_buf list = {0};
  assert_int_equal(tw_app_components_list(TW_NO_BYTES, &list), TW_OK);
  tw_test_same(tw_buf_bytes(&list), TW_LITERAL("\4\0\1\0\2"));
  tw_buf_clear(&list);
  assert_int_equal(tw_app_components_list(TW_LITERAL("\0\6\xd\xc\0\0\0\0\2\0\0\3\0\x80\1\0"), &list), TW_OK);
  tw_test_same(tw_buf_bytes(&list), TW_LITERAL("\x8\0\1\0\2\0\3\x80\1"));
  tw_buf_clear(&list);
  assert_int_equal(tw_app_components_list(TW_LITERAL("\0\6\4\3\0\1\0"), &list), TW_OK);
  tw_test_same(tw_buf_bytes(&list), TW_LITERAL("\4\0\1\0\2"));
  tw_buf_clear(&list);
}

static void group_context_extensions_are_well_formed(void **state) {
  (void)state;
  assert_int_equal(tw_group_context_extensions_check(TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\3\3\0\0\0")), TW_OK);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\3\2\0\0")), TW_ERR_TRUNCATED);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\5\7\6\1k\0\1\1s")), TW_OK);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\5\7\6\1k\0\x9\1s")), TW_ERR_UNSUPPORTED);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\6\1\1")), TW_ERR_TRUNCATED);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\6\6\5\0\1\2\1\0")), TW_ERR_ENCODING);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\0\x8\2\1\0")), TW_ERR_ENCODING);
  assert_int_equal(tw_group_context_extensions_check(TW_LITERAL("\x12\x34\1\0")), TW_OK);
}

static void last_resort_is_a_component_and_was_an_extension(void **state) {
  (void)state;
  tw_buf list = {0};
  assert_false(tw_is_last_resort(TW_NO_BYTES));
  assert_int_equal(tw_extensions_set_last_resort(NULL, TW_LITERAL("\x1a\x1a\0"), &list), TW_OK);
  tw_test_same(tw_buf_bytes(&list), TW_LITERAL("\x1a\x1a\0\0\6\4\3\0\4\0"));
  assert_true(tw_is_last_resort(tw_buf_bytes(&list)));
  assert_true(tw_is_last_resort(TW_LITERAL("\0\xa\0")));
  assert_false(tw_is_last_resort(TW_LITERAL("\0\6\4\3\0\5\0")));
  tw_buf_clear(&list);
}

static void safe_aad_is_demanded_by_the_group_context(void **state) {
  (void)state;
  static const uint8_t with[] = "\0\6\5\4\0\2\1\0";
  const tw_bytes group = TW_BYTES(with, sizeof with - 1);
  assert_true(tw_safe_aad_in_use(group));
  assert_false(tw_safe_aad_in_use(TW_LITERAL("\0\6\5\4\0\1\1\0")));
  assert_int_equal(tw_safe_aad_check(TW_NO_BYTES, TW_LITERAL("anything")), TW_OK);
  assert_int_equal(tw_safe_aad_check(group, TW_LITERAL("anything")), TW_ERR_TRUNCATED);
  assert_int_equal(tw_safe_aad_check(group, TW_NO_BYTES), TW_ERR_TRUNCATED);
  assert_int_equal(tw_safe_aad_check(group, TW_LITERAL("\6\0\2\0\0\1\0")), TW_ERR_ENCODING);
  tw_buf aad = {0};
  tw_buf more = {0};
  tw_writer w = tw_writer_to(&aad);
  tw_write_safe_aad_empty(&w);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_safe_aad_check(group, tw_buf_bytes(&aad)), TW_OK);
  assert_int_equal(tw_safe_aad_set(tw_buf_bytes(&aad), 0x8002, TW_LITERAL("item"), &more), TW_OK);
  assert_int_equal(tw_safe_aad_check(group, tw_buf_bytes(&more)), TW_OK);
  tw_bytes data;
  bool found = false;
  assert_int_equal(tw_safe_aad_find(tw_buf_bytes(&more), 0x8002, &data, &found), TW_OK);
  assert_true(found);
  tw_test_same(data, TW_LITERAL("item"));
  assert_int_equal(tw_safe_aad_find(tw_buf_bytes(&more), 0x8003, &data, &found), TW_OK);
  assert_false(found);
  tw_buf_clear(&aad);
  tw_buf_clear(&more);
}

static void component_labels_have_the_drafts_form(void **state) {
  (void)state;
  tw_buf label = {0};
  tw_writer w = tw_writer_to(&label);
  tw_write_component_operation_label(&w, 0x8001, TW_LITERAL("sign"));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_test_same(tw_buf_bytes(&label), TW_LITERAL("\xdMLS Component\x80\1\4sign"));
  tw_buf_clear(&label);
}

/* ---- GREASE ---- */

static void grease_values_are_those_of_the_registry(void **state) {
  (void)state;
  unsigned known = 0;
  for (uint32_t value = 0; value <= 0xffff; value++) {
    if (!tw_is_grease((uint16_t)value)) continue;
    assert_int_equal(value & 0x0f0f, 0x0a0a);
    assert_int_equal(value >> 8, value & 0xff);
    known++;
  }
  assert_int_equal(known, 15);
  tw_test_env test;
  tw_test_env_init(&test, 1);
  uint32_t seen = 0;
  uint32_t seen_components = 0;
  for (int i = 0; i < 2000; i++) {
    uint16_t value = 0;
    assert_int_equal(tw_grease_value(&test.env, &value), TW_OK);
    assert_true(tw_is_grease(value));
    seen |= 1u << (value >> 12);
    assert_int_equal(tw_grease_component_id(&test.env, &value), TW_OK);
    assert_true(tw_is_grease(value) && value < 0x8000);
    seen_components |= 1u << (value >> 12);
  }
  assert_int_equal(seen, 0x7fff);
  assert_int_equal(seen_components, 0xff);
  tw_test_env_clear(&test);
}

static void lists_get_one_grease_value_somewhere(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 2);
  unsigned places[4] = {0};
  for (int i = 0; i < 200; i++) {
    tw_buf list = TW_BUF_INIT(&test.alloc);
    assert_int_equal(tw_grease_values(&test.env, TW_LITERAL("\0\1\0\2\0\3"), &list), TW_OK);
    assert_int_equal(list.len, 8);
    assert_true(tw_is_grease(tw_grease_in(tw_buf_bytes(&list))));
    assert_true(tw_u16_list_covers(tw_buf_bytes(&list), TW_LITERAL("\0\1\0\2\0\3"), NULL));
    for (size_t at = 0; at < 4; at++) places[at] += list.ptr[2 * at] != 0;
    tw_buf_clear(&list);
  }
  for (size_t at = 0; at < 4; at++) assert_true(places[at] > 20);
  assert_int_equal(tw_grease_in(TW_LITERAL("\0\1\0\2")), 0);
  tw_test_env_clear(&test);
}

static void no_grease_value_is_listed_twice(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 3);
  tw_buf list = TW_BUF_INIT(&test.alloc);
  for (size_t n = 1; n <= 20; n++) {
    tw_buf next = TW_BUF_INIT(&test.alloc);
    assert_int_equal(tw_grease_values(&test.env, tw_buf_bytes(&list), &next), TW_OK);
    assert_int_equal(next.len, 2 * (n < 15 ? n : 15));
    tw_buf_clear(&list);
    list = next;
  }
  tw_buf_clear(&list);
  tw_test_env_clear(&test);
}

static void grease_extensions_and_components_are_added_once(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 4);
  tw_buf list = TW_BUF_INIT(&test.alloc);
  tw_bytes data;
  assert_int_equal(tw_grease_components(&test.env, &list), TW_OK);
  assert_int_equal(list.len, 0);
  assert_int_equal(tw_grease_extension(&test.env, 0, &list), TW_OK);
  assert_int_equal(list.len, 0);
  assert_int_equal(tw_grease_extension(&test.env, 0x3a3a, &list), TW_OK);
  assert_true(tw_extension_find(tw_buf_bytes(&list), 0x3a3a, &data) && data.len <= 7);
  const size_t len = list.len;
  assert_int_equal(tw_grease_extension(&test.env, 0x3a3a, &list), TW_OK);
  assert_int_equal(list.len, len);

  assert_int_equal(tw_component_set(&list, TW_COMPONENT_APP_COMPONENTS, TW_LITERAL("\4\0\1\0\2")), TW_OK);
  assert_int_equal(tw_component_set(&list, 0x8001, TW_LITERAL("x")), TW_OK);
  assert_int_equal(tw_grease_components(&test.env, &list), TW_OK);
  assert_int_equal(tw_extensions_check(tw_buf_bytes(&list)), TW_OK);
  assert_int_equal(tw_group_context_extensions_check(tw_buf_bytes(&list)), TW_OK);
  tw_bytes ids;
  assert_true(tw_component_lookup(tw_buf_bytes(&list), TW_COMPONENT_APP_COMPONENTS, &data));
  assert_int_equal(tw_u16_list_decode(data, &ids), TW_OK);
  const uint16_t grease = tw_grease_in(ids);
  assert_true(grease != 0 && grease < 0x8000);
  assert_true(tw_component_lookup(tw_buf_bytes(&list), grease, &data));
  assert_true(tw_component_lookup(tw_buf_bytes(&list), 0x8001, &data));
  tw_test_same(data, TW_LITERAL("x"));
  tw_buf_clear(&list);
  tw_test_env_clear(&test);
}

/* ---- failing surroundings ---- */

static tw_err all_at_once(tw_test_env *test, tw_buf *list) {
  uint16_t value = 0;
  TW_TRY(tw_component_set(list, TW_COMPONENT_APP_COMPONENTS, TW_LITERAL("\2\0\1")));
  TW_TRY(tw_component_set(list, TW_COMPONENT_SAFE_AAD, TW_LITERAL("\0")));
  TW_TRY(tw_grease_components(&test->env, list));
  TW_TRY(tw_grease_value(&test->env, &value));
  TW_TRY(tw_grease_extension(&test->env, value, list));
  tw_buf out = TW_BUF_INIT(&test->alloc);
  tw_err err = tw_grease_values(&test->env, TW_LITERAL("\0\1"), &out);
  if (err == TW_OK) err = tw_extensions_remove_component(&test->alloc, tw_buf_bytes(list), TW_COMPONENT_SAFE_AAD, &out);
  tw_buf_clear(&out);
  return err;
}

static void failing_memory_and_randomness_are_reported(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 5);
  for (size_t n = 1;; n++) {
    tw_buf list = TW_BUF_INIT(&test.alloc);
    tw_test_fail_alloc(&test, n);
    const tw_err err = all_at_once(&test, &list);
    const bool failed = test.alloc_failed;
    tw_test_fail_alloc(&test, 0);
    assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
    assert_int_equal(tw_extensions_check(tw_buf_bytes(&list)), TW_OK);
    tw_buf_clear(&list);
    if (!failed) break;
  }
  for (size_t n = 1;; n++) {
    tw_buf list = TW_BUF_INIT(&test.alloc);
    tw_test_fail_random(&test, n);
    const tw_err err = all_at_once(&test, &list);
    const bool failed = test.random_failed;
    tw_test_fail_random(&test, 0);
    assert_int_equal(err, failed ? TW_ERR_RANDOM : TW_OK);
    tw_buf_clear(&list);
    if (!failed) break;
  }
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dictionaries_are_sorted_and_unique),
      cmocka_unit_test(components_are_set_and_removed_in_order),
      cmocka_unit_test(many_changes_are_made_in_one_pass),
      cmocka_unit_test(extension_lists_get_a_dictionary_at_their_end),
      cmocka_unit_test(app_components_name_what_the_leaf_holds),
      cmocka_unit_test(group_context_extensions_are_well_formed),
      cmocka_unit_test(last_resort_is_a_component_and_was_an_extension),
      cmocka_unit_test(safe_aad_is_demanded_by_the_group_context),
      cmocka_unit_test(component_labels_have_the_drafts_form),
      cmocka_unit_test(grease_values_are_those_of_the_registry),
      cmocka_unit_test(lists_get_one_grease_value_somewhere),
      cmocka_unit_test(no_grease_value_is_listed_twice),
      cmocka_unit_test(grease_extensions_and_components_are_added_once),
      cmocka_unit_test(failing_memory_and_randomness_are_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
