/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "path_kit.h"

#include <string.h>

const tw_bytes path_kit_group_id = {(const uint8_t *)"group", 5};

void path_kit_add_member(path_kit *f, uint32_t index) {
  tw_buf leaf = TW_BUF_INIT(NULL);
  uint32_t at;
  kit_member_init(&f->test.env, f->suite, index, &f->member[index]);
  kit_leaf(&f->test.env, f->suite, &f->member[index], TW_LEAF_KEY_PACKAGE, TW_NO_BYTES, 0, &leaf);
  assert_int_equal(tw_tree_add_leaf(f->tree, tw_buf_bytes(&leaf), &at), TW_OK);
  assert_int_equal(at, index);
  assert_int_equal(kit_add(&f->plain, tw_buf_bytes(&leaf)), index);
  f->member[index].priv.leaf_index = index;
  tw_buf_clear(&leaf);
}

void path_kit_make(path_kit *f, tw_tree *tree, uint32_t sender, tw_tree_private *priv, tw_bytes context, tw_buf *out) {
  uint8_t identity[16];
  tw_path_secrets secrets = {0};
  const tw_leaf_node_fields fields = kit_fields(&f->member[sender], TW_LEAF_COMMIT, identity);
  out->len = 0;
  assert_int_equal(tw_path_generate(tree, priv, f->member[sender].signer, &fields, path_kit_group_id, &secrets), TW_OK);
  assert_int_equal(tw_path_encrypt(tree, &secrets, sender, NULL, 0, context, out), TW_OK);
  tw_path_secrets_clear(&f->test.env, &secrets);
}

tw_update_path path_kit_read(tw_bytes encoded) {
  tw_reader r = tw_reader_of(encoded);
  const tw_update_path path = tw_read_update_path(&r);
  assert_int_equal(tw_reader_end(&r), TW_OK);
  return path;
}

static void commit(path_kit *f, uint32_t sender, uint32_t members) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  path_kit_make(f, f->tree, sender, &f->member[sender].priv, path_kit_group_id, &encoded);
  const tw_update_path path = path_kit_read(tw_buf_bytes(&encoded));
  kit_path(&f->plain, sender, &path);
  for (uint32_t i = 0; i < members; i++) {
    tw_secret secret = {0};
    if (i == sender) continue;
    assert_int_equal(tw_path_decrypt(f->tree, &f->member[i].priv, sender, &path, NULL, 0, path_kit_group_id, &secret),
                     TW_OK);
  }
  tw_buf_clear(&encoded);
}

void path_kit_init(path_kit *f) {
  memset(f, 0, sizeof *f);
  tw_test_env_init(&f->test, 9);
  f->suite = tw_suite_by_id(&f->test.env, 1);
  f->plain.env = &f->test.env;
  f->plain.suite = f->suite;
  assert_int_equal(tw_tree_new(&f->test.env, f->suite, &f->tree), TW_OK);
  for (uint32_t i = 0; i < PATH_KIT_LATE; i++) path_kit_add_member(f, i);
  commit(f, 0, PATH_KIT_LATE);
  commit(f, 4, PATH_KIT_LATE);
  path_kit_add_member(f, PATH_KIT_LATE);
  kit_same(&f->plain, f->tree);
}

void path_kit_clear(path_kit *f) {
  for (uint32_t i = 0; i <= PATH_KIT_LATE; i++) kit_member_clear(&f->test.env, &f->member[i]);
  tw_tree_free(f->tree);
  tw_test_env_clear(&f->test);
}
