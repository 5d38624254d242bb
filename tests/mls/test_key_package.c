/* Key packages: each rule of RFC 9420 section 10.1 broken one at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "leaf_kit.h"

static void key_packages_are_of_the_suite_and_version(void **state) {
  leaf_kit *f = *state;
  tw_key_package_view view = leaf_kit_make_package(f);
  const tw_env *env = &f->test.env;
  const tw_suite *other = tw_suite_by_id(env, f->suite->id == 1 ? 2 : 1);
  assert_int_equal(tw_key_package_check(env, other, &view, TW_NO_BYTES, LEAF_KIT_NOW), TW_ERR_UNSUPPORTED);
  view.version = 2;
  assert_int_equal(tw_key_package_check(env, f->suite, &view, TW_NO_BYTES, LEAF_KIT_NOW), TW_ERR_UNSUPPORTED);
}

static void key_packages_hold_leaves_made_for_them(void **state) {
  leaf_kit *f = *state;
  f->fields.source = TW_LEAF_UPDATE;
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_FORBIDDEN);
  f->fields.source = TW_LEAF_COMMIT;
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_FORBIDDEN);
}

static void init_keys_are_keys_of_their_own(void **state) {
  leaf_kit *f = *state;
  const tw_bytes valid = f->init;
  f->init = f->fields.encryption_key;
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_KEY_REUSED);
  f->init = TW_BYTES(valid.ptr, valid.len - 1);
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_KEY);
}

static void key_package_extensions_stand_in_capabilities(void **state) {
  leaf_kit *f = *state;
  f->extensions = TW_LITERAL("\x3a\x3a\0");
  assert_int_equal(leaf_kit_check_package(f), TW_OK);
  f->extensions = TW_LITERAL("\x1a\x1a\0");
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_CAPABILITY);
  f->extensions = TW_LITERAL("\0\6\4\3\0\4\0");
  assert_int_equal(leaf_kit_check_package(f), TW_OK);
  f->extensions = TW_LITERAL("\0\6\4\3\0\4\1");
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_TRUNCATED);
}

static void key_packages_meet_the_groups_requirements(void **state) {
  leaf_kit *f = *state;
  f->group_context_extensions = TW_LITERAL("\0\3\5\0\2\0\x9\0");
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_CAPABILITY);
}

static void both_signatures_are_verified(void **state) {
  leaf_kit *f = *state;
  tw_key_package_view view = leaf_kit_make_package(f);
  for (size_t at = 0; at < f->key_package.len; at++) {
    f->key_package.ptr[at] ^= 1;
    if (tw_key_package_decode(tw_buf_bytes(&f->key_package), &view) == TW_OK) {
      assert_int_not_equal(tw_key_package_check(&f->test.env, f->suite, &view, TW_NO_BYTES, LEAF_KIT_NOW), TW_OK);
    }
    f->key_package.ptr[at] ^= 1;
  }
  /* A good outer signature over a leaf that somebody else signed. */
  f->leaf.ptr[f->leaf.len - 1] ^= 1;
  tw_buf_clear(&f->key_package);
  assert_int_equal(tw_key_package_make(&f->test.env, f->suite, f->signer, f->init, tw_buf_bytes(&f->leaf), TW_NO_BYTES,
                                       &f->key_package),
                   TW_OK);
  assert_int_equal(tw_key_package_decode(tw_buf_bytes(&f->key_package), &view), TW_OK);
  assert_int_not_equal(tw_key_package_check(&f->test.env, f->suite, &view, TW_NO_BYTES, LEAF_KIT_NOW), TW_OK);
}

/* Key packages that other implementations made. Their lifetimes are long gone. */
static void check_vectors(const char *name) {
  tw_test_env test;
  json_t *vectors = tw_test_vectors(name);
  tw_test_env_init(&test, 1);
  size_t index = 0;
  size_t checked = 0;
  json_t *vector = NULL;
  json_array_foreach(vectors, index, vector) {
    tw_buf message = {0};
    tw_mls_message decoded;
    const tw_suite *suite = tw_suite_by_id(&test.env, (uint16_t)tw_test_number(vector, "cipher_suite"));
    if (suite == NULL) continue;
    tw_test_hex(vector, "key_package", &message);
    assert_int_equal(tw_mls_message_decode(&test.env, tw_buf_bytes(&message), &decoded), TW_OK);
    assert_int_equal(decoded.wire_format, TW_WIRE_KEY_PACKAGE);
    assert_int_equal(tw_key_package_check(&test.env, suite, &decoded.u.key_package, TW_NO_BYTES, 0), TW_OK);
    tw_buf_clear(&message);
    checked++;
  }
  assert_true(checked > 0);
  json_decref(vectors);
  tw_test_env_clear(&test);
}

static void key_packages_of_others_are_valid(void **state) {
  (void)state;
  check_vectors("mls/welcome.json");
  check_vectors("mls/passive-client-welcome.json");
  check_vectors("mls/passive-client-random.json");
  check_vectors("mls/passive-client-handling-commit.json");
}

/* ---- failing surroundings ---- */

static void making_survives_a_failing_allocator(void **state) {
  leaf_kit *f = *state;
  const tw_key_package_view view = leaf_kit_make_package(f);
  for (size_t n = 1;; n++) {
    tw_buf out = TW_BUF_INIT(&f->test.alloc);
    tw_test_fail_alloc(&f->test, n);
    tw_err err = tw_leaf_node_make(&f->test.env, f->suite, f->signer, &f->fields, TW_NO_BYTES, 0, &out);
    assert_true(err == TW_OK || out.len == 0);
    const size_t before = out.len;
    if (err == TW_OK) {
      err = tw_key_package_make(&f->test.env, f->suite, f->signer, f->init, tw_buf_bytes(&f->leaf), TW_NO_BYTES, &out);
      assert_true(err == TW_OK || out.len == before);
    }
    if (err == TW_OK) err = tw_key_package_check(&f->test.env, f->suite, &view, TW_NO_BYTES, LEAF_KIT_NOW);
    const bool failed = f->test.alloc_failed;
    tw_test_fail_alloc(&f->test, 0);
    tw_buf_clear(&out);
    assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
    if (!failed) break;
  }
}

static void key_package_references_are_of_the_whole(void **state) {
  leaf_kit *f = *state;
  const tw_key_package_view view = leaf_kit_make_package(f);
  uint8_t reference[TW_HASH_MAX];
  uint8_t expected[TW_HASH_MAX];
  const size_t size = f->suite->hash->size;
  assert_true(tw_bytes_equal(view.encoded, tw_buf_bytes(&f->key_package)));
  assert_int_equal(tw_key_package_ref(&f->test.env, f->suite, view.encoded, reference), TW_OK);
  tw_buf input = {0};
  tw_writer w = tw_writer_to(&input);
  tw_write_vector(&w, TW_LITERAL("MLS 1.0 KeyPackage Reference"));
  tw_write_vector(&w, view.encoded);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_bytes whole = tw_buf_bytes(&input);
  assert_int_equal(tw_hash_parts(&f->test.env, f->suite, &whole, 1, expected), TW_OK);
  assert_memory_equal(reference, expected, size);
  tw_buf_clear(&input);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      LEAF_TEST(key_packages_are_of_the_suite_and_version), LEAF_TEST(key_packages_hold_leaves_made_for_them),
      LEAF_TEST(init_keys_are_keys_of_their_own),           LEAF_TEST(key_package_extensions_stand_in_capabilities),
      LEAF_TEST(key_packages_meet_the_groups_requirements), LEAF_TEST(both_signatures_are_verified),
      cmocka_unit_test(key_packages_of_others_are_valid),   LEAF_TEST(making_survives_a_failing_allocator),
      LEAF_TEST(key_package_references_are_of_the_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
