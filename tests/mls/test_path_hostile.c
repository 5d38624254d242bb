/* Update paths that break one rule each. RFC 9420 sections 7.5, 7.6 and 7.9. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "path_kit.h"

/* Member 0 takes a path of member 4 over the path_kit's tree; whatever happens, an error changes nothing. */
static tw_err take(path_kit *f, tw_bytes encoded, tw_bytes context) {
  const tw_env *env = &f->test.env;
  tw_reader r = tw_reader_of(encoded);
  const tw_update_path path = tw_read_update_path(&r);
  TW_TRY(tw_reader_end(&r));
  tw_tree *tree = NULL;
  tw_tree_private priv = {0};
  tw_secret commit_secret = {0};
  assert_int_equal(tw_tree_clone(f->tree, &tree), TW_OK);
  assert_int_equal(tw_tree_private_copy(env, &f->member[0].priv, &priv), TW_OK);
  tw_err err = tw_leaf_node_verify(env, f->suite, &path.leaf_node, path_kit_group_id, 4);
  if (err == TW_OK) {
    err = tw_path_apply(tree, 4, &path);
    if (err != TW_OK) kit_same(&f->plain, tree);
  }
  if (err == TW_OK) {
    err = tw_path_decrypt(tree, &priv, 4, &path, NULL, 0, context, &commit_secret);
    if (err != TW_OK) {
      assert_int_equal(priv.count, f->member[0].priv.count);
      assert_memory_equal(priv.keys, f->member[0].priv.keys, priv.count * sizeof *priv.keys);
      assert_memory_equal(&priv.leaf_key, &f->member[0].priv.leaf_key, sizeof priv.leaf_key);
      assert_int_equal(commit_secret.len, 0);
    }
  }
  tw_tree_private_clear(env, &priv);
  tw_tree_free(tree);
  return err;
}

static void path_of_4(path_kit *f, tw_buf *out) {
  tw_tree *tree = NULL;
  tw_tree_private priv = {0};
  assert_int_equal(tw_tree_clone(f->tree, &tree), TW_OK);
  assert_int_equal(tw_tree_private_copy(&f->test.env, &f->member[4].priv, &priv), TW_OK);
  path_kit_make(f, tree, 4, &priv, path_kit_group_id, out);
  tw_tree_private_clear(&f->test.env, &priv);
  tw_tree_free(tree);
}

static void damaged_paths(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
  tw_buf path = TW_BUF_INIT(NULL);
  path_of_4(&f, &path);
  assert_int_equal(take(&f, tw_buf_bytes(&path), path_kit_group_id), TW_OK);
  assert_int_equal(take(&f, tw_buf_bytes(&path), TW_LITERAL("elsewhere")), TW_ERR_DECRYPT);
  for (size_t i = 0; i < path.len; i++) assert_int_not_equal(take(&f, TW_BYTES(path.ptr, i), path_kit_group_id), TW_OK);
  /* Ciphertexts for others are theirs to find wrong: up to them, every bit matters here. */
  const tw_update_path view = path_kit_read(tw_buf_bytes(&path));
  size_t passed = 0;
  for (size_t i = 0; i < path.len; i++) {
    path.ptr[i] ^= 0x10;
    const tw_err err = take(&f, tw_buf_bytes(&path), path_kit_group_id);
    assert_int_not_equal(err, TW_ERR_INTERNAL);
    if (err == TW_OK) {
      assert_true(path.ptr + i >= view.nodes.ptr);
      passed++;
    }
    path.ptr[i] ^= 0x10;
  }
  assert_true(passed > 0);
  tw_buf_clear(&path);
  path_kit_clear(&f);
}

/* What is done to the nodes of a path when it is written again. */
typedef struct rewriting {
  uint32_t drop_node; /* from this one on, by position; UINT32_MAX: none */
  bool extra_node;
  uint32_t drop_ciphertext; /* the last one of this node */
  uint32_t extra_ciphertext;
  uint32_t key_of; /* node whose key is replaced */
  tw_bytes key;
} rewriting;

static const rewriting as_it_is = {UINT32_MAX, false, UINT32_MAX, UINT32_MAX, UINT32_MAX, {NULL, 0}};

static void rewrite(tw_bytes encoded, const rewriting *how, tw_buf *out) {
  const tw_update_path path = path_kit_read(encoded);
  tw_reader walk = tw_reader_of(path.nodes);
  tw_update_path_node node;
  out->len = 0;
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, path.leaf_node.encoded);
  const tw_vector_mark nodes = tw_write_open(&w);
  for (uint32_t i = 0; tw_update_path_node_next(&walk, &node) && i < how->drop_node; i++) {
    tw_write_vector(&w, i == how->key_of ? how->key : node.encryption_key);
    const tw_vector_mark list = tw_write_open(&w);
    tw_reader ciphertexts = tw_reader_of(node.encrypted_path_secrets);
    while (tw_reader_more(&ciphertexts)) {
      const tw_hpke_ciphertext ciphertext = tw_read_hpke_ciphertext(&ciphertexts);
      const bool last = !tw_reader_more(&ciphertexts);
      if (!(last && i == how->drop_ciphertext)) tw_write_hpke_ciphertext(&w, &ciphertext);
      if (last && i == how->extra_ciphertext) tw_write_hpke_ciphertext(&w, &ciphertext);
    }
    tw_write_close(&w, list);
  }
  if (how->extra_node) {
    tw_write_vector(&w, TW_LITERAL("another key of thirty-two bytes."));
    tw_write_vector(&w, TW_NO_BYTES);
  }
  tw_write_close(&w, nodes);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void expect(path_kit *f, tw_bytes path, const rewriting *how, tw_err expected) {
  tw_buf changed = TW_BUF_INIT(NULL);
  rewrite(path, how, &changed);
  assert_int_equal(take(f, tw_buf_bytes(&changed), path_kit_group_id), expected);
  tw_buf_clear(&changed);
}

static void rewritten_paths(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
  tw_buf encoded = TW_BUF_INIT(NULL);
  path_of_4(&f, &encoded);
  const tw_bytes path = tw_buf_bytes(&encoded);
  const uint32_t nodes = path_kit_read(path).node_count;
  assert_int_equal(nodes, 3);
  rewriting how = as_it_is;
  expect(&f, path, &how, TW_OK);
  for (uint32_t i = 0; i < nodes; i++) {
    how = as_it_is;
    how.drop_node = i;
    expect(&f, path, &how, TW_ERR_TREE);
    how = as_it_is;
    how.drop_ciphertext = i;
    expect(&f, path, &how, TW_ERR_TREE);
    how = as_it_is;
    how.extra_ciphertext = i;
    expect(&f, path, &how, TW_ERR_TREE);
    how = as_it_is;
    how.key_of = i;
    how.key = tw_tree_leaf(f.tree, 2)->encryption_key; /* another member's */
    expect(&f, path, &how, TW_ERR_KEY_REUSED);
    how.key = tw_tree_parent(f.tree, 3, 4)->key; /* the root's present one */
    expect(&f, path, &how, TW_ERR_KEY_REUSED);
    how.key = tw_tree_leaf(f.tree, 4)->encryption_key; /* the sender's present one */
    expect(&f, path, &how, TW_ERR_KEY_REUSED);
    how.key = path_kit_read(path).leaf_node.encryption_key; /* that of the new leaf */
    expect(&f, path, &how, TW_ERR_KEY_REUSED);
    how.key = TW_LITERAL("too short");
    expect(&f, path, &how, TW_ERR_KEY);
    how.key = TW_LITERAL("another key of thirty-two bytes.");
    expect(&f, path, &how, TW_ERR_TREE); /* not the parent hash that was signed */
  }
  how = as_it_is;
  how.extra_node = true;
  expect(&f, path, &how, TW_ERR_TREE);
  tw_buf_clear(&encoded);
  path_kit_clear(&f);
}

/* Ciphertexts that open to other secrets than those of the public keys. */
static void wrong_secrets(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
  const tw_env *env = &f.test.env;
  uint8_t identity[16];
  const tw_leaf_node_fields fields = kit_fields(&f.member[4], TW_LEAF_COMMIT, identity);
  tw_buf path = TW_BUF_INIT(NULL);
  tw_tree *tree[2] = {NULL, NULL};
  tw_path_secrets secrets[2] = {{0}, {0}};
  for (int i = 0; i < 2; i++) {
    tw_tree_private priv = {0};
    assert_int_equal(tw_tree_clone(f.tree, &tree[i]), TW_OK);
    assert_int_equal(tw_tree_private_copy(env, &f.member[4].priv, &priv), TW_OK);
    assert_int_equal(tw_path_generate(tree[i], &priv, f.member[4].signer, &fields, path_kit_group_id, &secrets[i]),
                     TW_OK);
    tw_tree_private_clear(env, &priv);
  }
  assert_int_equal(tw_path_encrypt(tree[0], &secrets[1], 4, NULL, 0, path_kit_group_id, &path), TW_OK);
  assert_int_equal(take(&f, tw_buf_bytes(&path), path_kit_group_id), TW_ERR_TREE);
  /* A joiner is told likewise. */
  tw_tree_private joiner = {.leaf_index = PATH_KIT_LATE};
  const tw_secret *good = tw_path_secret_for(tree[0], &secrets[0], 4, PATH_KIT_LATE);
  const tw_secret *bad = tw_path_secret_for(tree[1], &secrets[1], 4, PATH_KIT_LATE);
  assert_int_equal(tw_path_join(tree[0], &joiner, 4, tw_secret_bytes(bad)), TW_ERR_TREE);
  assert_int_equal(joiner.count, 0);
  assert_int_equal(tw_path_join(tree[0], &joiner, 4, TW_BYTES(good->data, 31)), TW_ERR_TREE);
  assert_int_equal(tw_path_join(tree[0], &joiner, PATH_KIT_LATE, tw_secret_bytes(good)), TW_ERR_TREE);
  assert_int_equal(tw_path_join(tree[0], &joiner, 4, tw_secret_bytes(good)), TW_OK);
  assert_int_equal(joiner.count, 2);
  tw_tree_private_clear(env, &joiner);
  /* A secret of another length. */
  path.len = 0;
  for (uint32_t i = 0; i < secrets[0].count; i++) secrets[0].secrets[i].len = 16;
  assert_int_equal(tw_path_encrypt(tree[0], &secrets[0], 4, NULL, 0, path_kit_group_id, &path), TW_OK);
  assert_int_equal(take(&f, tw_buf_bytes(&path), path_kit_group_id), TW_ERR_TREE);
  for (int i = 0; i < 2; i++) {
    tw_path_secrets_clear(env, &secrets[i]);
    tw_path_secrets_clear(env, &secrets[i]);
    tw_tree_free(tree[i]);
  }
  tw_buf_clear(&path);
  path_kit_clear(&f);
}

/* Senders that are not there, leaves that are not new, and external senders either way. */
static void senders(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
  const tw_env *env = &f.test.env;
  tw_buf encoded = TW_BUF_INIT(NULL);
  tw_tree *tree = NULL;
  path_of_4(&f, &encoded);
  const tw_update_path path = path_kit_read(tw_buf_bytes(&encoded));
  assert_int_equal(tw_tree_clone(f.tree, &tree), TW_OK);
  assert_int_equal(tw_path_apply(tree, 8, &path), TW_ERR_TREE);
  assert_int_equal(tw_path_apply(tree, 9, &path), TW_ERR_TREE);
  assert_int_equal(tw_path_apply(tree, UINT32_MAX, &path), TW_ERR_TREE);
  assert_int_equal(tw_path_apply(tree, 0, &path), TW_ERR_TREE); /* not its parent hash */

  /* An external committer's leaf stands at the next free place, or is put there first. */
  kit_member newcomer;
  tw_tree_private priv = {.leaf_index = 8};
  kit_member_init(env, f.suite, 8, &newcomer);
  f.member[8] = newcomer;
  tw_tree *joined = NULL;
  assert_int_equal(tw_tree_clone(f.tree, &joined), TW_OK);
  path_kit_make(&f, joined, 8, &priv, path_kit_group_id, &encoded);
  const tw_update_path join = path_kit_read(tw_buf_bytes(&encoded));
  uint8_t hash[3][TW_HASH_MAX];
  uint32_t index;
  assert_int_equal(tw_path_apply(tree, 8, &join), TW_OK);
  assert_int_equal(tw_tree_hash(tree, hash[0]), TW_OK);
  tw_tree_free(tree);
  assert_int_equal(tw_tree_clone(f.tree, &tree), TW_OK);
  assert_int_equal(tw_tree_add_leaf(tree, join.leaf_node.encoded, &index), TW_OK);
  assert_int_equal(index, 8);
  assert_int_equal(tw_path_apply(tree, 8, &join), TW_OK);
  assert_int_equal(tw_tree_hash(tree, hash[1]), TW_OK);
  assert_int_equal(tw_tree_hash(joined, hash[2]), TW_OK);
  assert_memory_equal(hash[0], hash[1], f.suite->hash->size);
  assert_memory_equal(hash[0], hash[2], f.suite->hash->size);
  kit_member_clear(env, &f.member[8]);
  tw_tree_private_clear(env, &priv);
  tw_tree_free(joined);
  tw_tree_free(tree);
  tw_buf_clear(&encoded);
  path_kit_clear(&f);
}

/* A group of one has an empty path. */
static void alone(void **state) {
  (void)state;
  path_kit f;
  memset(&f, 0, sizeof f);
  tw_test_env_init(&f.test, 3);
  f.suite = tw_suite_by_id(&f.test.env, 1);
  f.plain.env = &f.test.env;
  f.plain.suite = f.suite;
  assert_int_equal(tw_tree_new(&f.test.env, f.suite, &f.tree), TW_OK);
  path_kit_add_member(&f, 0);
  uint8_t identity[16];
  tw_path_secrets secrets = {0};
  tw_buf encoded = TW_BUF_INIT(NULL);
  const tw_leaf_node_fields fields = kit_fields(&f.member[0], TW_LEAF_COMMIT, identity);
  assert_int_equal(
      tw_path_generate(f.tree, &f.member[0].priv, f.member[0].signer, &fields, path_kit_group_id, &secrets), TW_OK);
  assert_int_equal(secrets.count, 0);
  assert_int_equal(secrets.commit_secret.len, f.suite->hash->size);
  assert_int_equal(tw_path_encrypt(f.tree, &secrets, 0, NULL, 0, path_kit_group_id, &encoded), TW_OK);
  assert_int_equal(path_kit_read(tw_buf_bytes(&encoded)).node_count, 0);
  assert_int_equal(tw_tree_leaf(f.tree, 0)->parent_hash.len, 0);
  assert_int_equal(tw_tree_validate(f.tree, path_kit_group_id, TW_NO_BYTES, TW_NO_BYTES), TW_OK);
  assert_null(tw_path_secret_for(f.tree, &secrets, 0, 0));
  tw_path_secrets_clear(&f.test.env, &secrets);
  tw_buf_clear(&encoded);
  kit_member_clear(&f.test.env, &f.member[0]);
  tw_tree_free(f.tree);
  tw_test_env_clear(&f.test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(damaged_paths), cmocka_unit_test(rewritten_paths), cmocka_unit_test(wrong_secrets),
      cmocka_unit_test(senders),       cmocka_unit_test(alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
