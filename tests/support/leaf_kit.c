/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "leaf_kit.h"

#include <string.h>

static void generate_key(leaf_kit *f, uint8_t *public_key) {
  tw_secret private_key = {{0}, 0};
  assert_int_equal(tw_kem_generate(&f->test.env, f->suite, &private_key, public_key), TW_OK);
  tw_secret_clear(&private_key);
}

static int set_up_suite(void **state, uint16_t suite) {
  static leaf_kit one;
  leaf_kit *f = &one;
  memset(f, 0, sizeof *f);
  tw_test_env_init(&f->test, 7);
  f->suite = tw_suite_by_id(&f->test.env, suite);
  assert_non_null(f->suite);
  assert_int_equal(tw_signer_generate(&f->test.env, f->suite, &f->signer), TW_OK);
  generate_key(f, f->init_key);
  generate_key(f, f->encryption_key);
  f->init = TW_BYTES(f->init_key, f->suite->kem->public_size);
  f->fields = (tw_leaf_node_fields){
      .encryption_key = TW_BYTES(f->encryption_key, f->suite->kem->public_size),
      .credential = TW_LITERAL("\0\1\5alice"),
      .capabilities = {.versions = TW_LITERAL("\0\1"),
                       .cipher_suites = suite == 1 ? TW_LITERAL("\x2a\x2a\0\1") : TW_LITERAL("\0\2"),
                       .extensions = TW_LITERAL("\0\6\0\7\x3a\x3a"),
                       .proposals = TW_LITERAL("\0\x8\x4a\x4a"),
                       .credentials = TW_LITERAL("\x5a\x5a\0\1\0\2")},
      .source = TW_LEAF_KEY_PACKAGE,
      .not_before = LEAF_KIT_NOT_BEFORE,
      .not_after = LEAF_KIT_NOT_AFTER,
      .extensions = TW_LITERAL("\0\1\3\2id\x3a\x3a\1x"),
  };
  f->now = LEAF_KIT_NOW;
  f->leaf = TW_BUF_INIT(&f->test.alloc);
  f->key_package = TW_BUF_INIT(&f->test.alloc);
  *state = f;
  return 0;
}

int leaf_kit_set_up(void **state) { return set_up_suite(state, 1); }
int leaf_kit_set_up_p256(void **state) { return set_up_suite(state, 2); }

int leaf_kit_tear_down(void **state) {
  leaf_kit *f = *state;
  tw_buf_clear(&f->leaf);
  tw_buf_clear(&f->key_package);
  tw_signer_free(f->signer);
  tw_test_env_clear(&f->test);
  return 0;
}

tw_leaf_node leaf_kit_make(leaf_kit *f, tw_bytes group_id, uint32_t leaf_index) {
  tw_leaf_node leaf;
  tw_buf_clear(&f->leaf);
  assert_int_equal(tw_leaf_node_make(&f->test.env, f->suite, f->signer, &f->fields, group_id, leaf_index, &f->leaf),
                   TW_OK);
  assert_int_equal(tw_leaf_node_decode(tw_buf_bytes(&f->leaf), &leaf), TW_OK);
  return leaf;
}

tw_err leaf_kit_check(leaf_kit *f) {
  const tw_leaf_node leaf = leaf_kit_make(f, TW_NO_BYTES, 0);
  return tw_leaf_node_check(&f->test.env, f->suite, &leaf, f->group_context_extensions, f->now);
}

tw_key_package_view leaf_kit_make_package(leaf_kit *f) {
  tw_key_package_view view;
  (void)leaf_kit_make(f, TW_NO_BYTES, 0);
  tw_buf_clear(&f->key_package);
  assert_int_equal(tw_key_package_make(&f->test.env, f->suite, f->signer, f->init, tw_buf_bytes(&f->leaf),
                                       f->extensions, &f->key_package),
                   TW_OK);
  assert_int_equal(tw_key_package_decode(tw_buf_bytes(&f->key_package), &view), TW_OK);
  return view;
}

tw_err leaf_kit_check_package(leaf_kit *f) {
  const tw_key_package_view view = leaf_kit_make_package(f);
  return tw_key_package_check(&f->test.env, f->suite, &view, f->group_context_extensions, f->now);
}
