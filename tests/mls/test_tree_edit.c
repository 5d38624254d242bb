/* Editing one tree: versions, failing memory, indices, counts, limits. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/tree_node.h"
#include "tree_kit.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

static const tw_bytes group_id = {(const uint8_t *)"group", 5};

typedef struct fixture {
  tw_test_env test;
  const tw_suite *suite;
  kit_member member[16];
  uint32_t members;
} fixture;

static void fixture_init(fixture *f) {
  memset(f, 0, sizeof *f);
  tw_test_env_init(&f->test, 5);
  f->suite = tw_suite_by_id(&f->test.env, 1);
}

static void fixture_clear(fixture *f) {
  for (uint32_t i = 0; i < f->members; i++) kit_member_clear(&f->test.env, &f->member[i]);
  tw_test_env_clear(&f->test);
}

static kit_member *next_member(fixture *f) {
  kit_member *member = &f->member[f->members];
  kit_member_init(&f->test.env, f->suite, f->members++, member);
  return member;
}

static void leaf_of(fixture *f, kit_member *member, tw_buf *out) {
  kit_leaf(&f->test.env, f->suite, member, TW_LEAF_KEY_PACKAGE, TW_NO_BYTES, 0, out);
}

/* A tree of `count` members in which the first one has made a path. */
static tw_tree *tree_of(fixture *f, uint32_t count) {
  tw_tree *tree = NULL;
  tw_buf leaf = TW_BUF_INIT(NULL);
  assert_int_equal(tw_tree_new(&f->test.env, f->suite, &tree), TW_OK);
  for (uint32_t i = 0; i < count; i++) {
    kit_member *member = next_member(f);
    leaf_of(f, member, &leaf);
    assert_int_equal(tw_tree_add_leaf(tree, tw_buf_bytes(&leaf), &member->priv.leaf_index), TW_OK);
    assert_int_equal(member->priv.leaf_index, i);
  }
  uint8_t identity[16];
  tw_path_secrets secrets = {0};
  const tw_leaf_node_fields fields = kit_fields(&f->member[0], TW_LEAF_COMMIT, identity);
  assert_int_equal(tw_path_generate(tree, &f->member[0].priv, f->member[0].signer, &fields, group_id, &secrets), TW_OK);
  tw_path_secrets_clear(&f->test.env, &secrets);
  tw_buf_clear(&leaf);
  return tree;
}

/* Hash and encoding, in one string of bytes. */
static void image(tw_tree *tree, tw_buf *out) {
  uint8_t hash[TW_HASH_MAX] = {0};
  out->len = 0;
  if (tw_tree_leaf_count(tree) > 0) assert_int_equal(tw_tree_hash(tree, hash), TW_OK);
  assert_int_equal(tw_buf_append(out, TW_ARRAY(hash)), TW_OK);
  assert_int_equal(tw_tree_encode(tree, out), TW_OK);
}

static void empty_tree(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_tree *tree = NULL;
  uint8_t hash[TW_HASH_MAX];
  uint32_t index = 0;
  assert_int_equal(tw_tree_new(&f.test.env, f.suite, &tree), TW_OK);
  assert_int_equal(tw_tree_leaf_count(tree), 0);
  assert_int_equal(tw_tree_member_count(tree), 0);
  assert_null(tw_tree_leaf(tree, 0));
  assert_null(tw_tree_leaf(tree, UINT32_MAX));
  assert_false(tw_tree_next_leaf(tree, &index));
  assert_int_equal(tw_tree_hash(tree, hash), TW_ERR_STATE);
  assert_int_equal(tw_tree_remove_leaf(tree, 0), TW_ERR_TREE);
  assert_int_equal(tw_tree_update_leaf(tree, 0, TW_NO_BYTES), TW_ERR_TREE);
  assert_int_equal(tw_tree_validate(tree, group_id, TW_NO_BYTES, TW_NO_BYTES), TW_ERR_TREE);
  tw_tree_free(tree);
  tw_tree_free(NULL);
  fixture_clear(&f);
}

static void members_come_and_go(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_tree *tree = tree_of(&f, 5);
  tw_buf leaf = TW_BUF_INIT(NULL);
  uint32_t index;
  assert_int_equal(tw_tree_leaf_count(tree), 8);
  assert_int_equal(tw_tree_remove_leaf(tree, 1), TW_OK);
  assert_int_equal(tw_tree_remove_leaf(tree, 3), TW_OK);
  assert_int_equal(tw_tree_remove_leaf(tree, 3), TW_ERR_TREE);
  assert_int_equal(tw_tree_member_count(tree), 3);
  index = 0;
  assert_true(tw_tree_next_leaf(tree, &index));
  assert_int_equal(index, 0);
  index = 1;
  assert_true(tw_tree_next_leaf(tree, &index));
  assert_int_equal(index, 2);
  index = 3;
  assert_true(tw_tree_next_leaf(tree, &index));
  assert_int_equal(index, 4);
  index = 5;
  assert_false(tw_tree_next_leaf(tree, &index));
  /* The leftmost blank leaf is taken first. */
  leaf_of(&f, next_member(&f), &leaf);
  assert_int_equal(tw_tree_add_leaf(tree, tw_buf_bytes(&leaf), &index), TW_OK);
  assert_int_equal(index, 1);
  /* The last leaf of the right half goes: the tree is half as wide. */
  assert_int_equal(tw_tree_remove_leaf(tree, 4), TW_OK);
  assert_int_equal(tw_tree_leaf_count(tree), 4);
  assert_int_equal(tw_tree_remove_leaf(tree, 2), TW_OK);
  assert_int_equal(tw_tree_leaf_count(tree), 2);
  assert_int_equal(tw_tree_remove_leaf(tree, 1), TW_OK);
  assert_int_equal(tw_tree_leaf_count(tree), 1);
  assert_int_equal(tw_tree_remove_leaf(tree, 0), TW_OK);
  assert_int_equal(tw_tree_leaf_count(tree), 0);
  tw_buf_clear(&leaf);
  tw_tree_free(tree);
  fixture_clear(&f);
}

static void limit_of_leaves(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_tree *tree = tree_of(&f, 3);
  tw_tree *again = NULL;
  tw_buf leaf = TW_BUF_INIT(NULL);
  tw_buf encoded = TW_BUF_INIT(NULL);
  uint32_t index;
  f.test.limits.tree_leaves = 3;
  leaf_of(&f, next_member(&f), &leaf);
  assert_int_equal(tw_tree_add_leaf(tree, tw_buf_bytes(&leaf), &index), TW_ERR_LIMIT);
  assert_int_equal(tw_tree_encode(tree, &encoded), TW_OK);
  assert_int_equal(tw_tree_decode(&f.test.env, f.suite, tw_buf_bytes(&encoded), &again), TW_OK);
  tw_tree_free(again);
  f.test.limits.tree_leaves = 2;
  assert_int_equal(tw_tree_decode(&f.test.env, f.suite, tw_buf_bytes(&encoded), &again), TW_ERR_LIMIT);
  tw_buf_clear(&leaf);
  tw_buf_clear(&encoded);
  tw_tree_free(tree);
  fixture_clear(&f);
}

static void keys_are_found(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_tree *tree = tree_of(&f, 5);
  for (uint32_t i = 0; i < 5; i++) {
    const tw_leaf_node *leaf = tw_tree_leaf(tree, i);
    uint32_t index = 99;
    assert_true(tw_tree_has_encryption_key(tree, leaf->encryption_key, UINT32_MAX));
    assert_false(tw_tree_has_encryption_key(tree, leaf->encryption_key, i));
    assert_true(tw_tree_has_encryption_key(tree, leaf->encryption_key, i + 1));
    assert_true(tw_tree_has_signature_key(tree, leaf->signature_key, UINT32_MAX));
    assert_false(tw_tree_has_signature_key(tree, leaf->signature_key, i));
    assert_true(tw_tree_find_signature_key(tree, leaf->signature_key, &index));
    assert_int_equal(index, i);
    /* The two kinds are apart. */
    assert_false(tw_tree_has_signature_key(tree, leaf->encryption_key, UINT32_MAX));
  }
  const tw_parent_content *root = tw_tree_parent(tree, 3, 0);
  uint8_t key[TW_KEM_PUBLIC_MAX];
  memcpy(key, root->key.ptr, root->key.len);
  const tw_bytes root_key = TW_BYTES(key, root->key.len);
  assert_true(tw_tree_has_encryption_key(tree, root_key, UINT32_MAX));
  assert_true(tw_tree_has_encryption_key(tree, root_key, 0));
  /* Truncation and blanking take keys out. */
  assert_int_equal(tw_tree_remove_leaf(tree, 4), TW_OK);
  assert_false(tw_tree_has_encryption_key(tree, root_key, UINT32_MAX));
  tw_tree_free(tree);
  fixture_clear(&f);
}

static void capabilities_are_counted(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_tree *tree = tree_of(&f, 3);
  assert_int_equal(tw_tree_lacking_credential(tree, 1), 0);
  assert_int_equal(tw_tree_lacking_credential(tree, 7), 3);
  assert_int_equal(tw_tree_lacking_extension(tree, 0xf001), 0);
  assert_int_equal(tw_tree_lacking_proposal(tree, 0xf001), 3);
  assert_int_equal(tw_tree_lacking_proposal(tree, 8), 0);

  /* One that lists a value twice and leaves others out. */
  static const uint8_t strange[] = {0, 9, 0xf0, 2, 0, 9};
  static const uint8_t only_x509[] = {0, 2};
  kit_member *odd = next_member(&f);
  uint8_t identity[16];
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_buf leaf = TW_BUF_INIT(NULL);
  uint32_t index;
  tw_leaf_node_fields fields = kit_fields(odd, TW_LEAF_KEY_PACKAGE, identity);
  fields.capabilities.proposals = TW_ARRAY(strange);
  fields.capabilities.credentials = TW_ARRAY(only_x509);
  assert_int_equal(tw_kem_generate(&f.test.env, f.suite, &odd->priv.leaf_key, public_key), TW_OK);
  fields.encryption_key = TW_BYTES(public_key, f.suite->kem->public_size);
  assert_int_equal(tw_leaf_node_make(&f.test.env, f.suite, odd->signer, &fields, TW_NO_BYTES, 0, &leaf), TW_OK);
  assert_int_equal(tw_tree_add_leaf(tree, tw_buf_bytes(&leaf), &index), TW_OK);
  assert_int_equal(tw_tree_lacking_proposal(tree, 9), 0);
  assert_int_equal(tw_tree_lacking_proposal(tree, 8), 1);
  assert_int_equal(tw_tree_lacking_proposal(tree, 0xf002), 3);
  assert_int_equal(tw_tree_lacking_credential(tree, 1), 1);
  assert_int_equal(tw_tree_lacking_credential(tree, 2), 0);
  /* All four use basic credentials, which the odd one does not list. */
  assert_int_equal(tw_tree_credentials_outside(tree, &tw_tree_leaf(tree, 0)->capabilities), 0);
  assert_int_equal(tw_tree_credentials_outside(tree, &tw_tree_leaf(tree, index)->capabilities), 4);
  assert_int_equal(tw_tree_validate(tree, group_id, TW_NO_BYTES, TW_NO_BYTES), TW_ERR_CAPABILITY);
  assert_int_equal(tw_tree_remove_leaf(tree, index), TW_OK);
  assert_int_equal(tw_tree_lacking_proposal(tree, 0xf002), 3);
  assert_int_equal(tw_tree_lacking_proposal(tree, 8), 0);
  assert_int_equal(tw_tree_lacking_credential(tree, 1), 0);
  tw_buf_clear(&leaf);
  tw_tree_free(tree);
  fixture_clear(&f);
}

/* ---- failing memory ---- */

typedef tw_err edit(fixture *f, tw_tree *tree, tw_bytes leaf);

static tw_err do_add(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)f;
  uint32_t index;
  return tw_tree_add_leaf(tree, leaf, &index);
}

static tw_err do_update(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)f;
  return tw_tree_update_leaf(tree, 2, leaf);
}

static tw_err do_remove(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)f;
  (void)leaf;
  return tw_tree_remove_leaf(tree, 4);
}

static tw_err do_hash(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)f;
  (void)leaf;
  uint8_t hash[TW_HASH_MAX];
  return tw_tree_hash(tree, hash);
}

static tw_err do_clone(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)f;
  (void)leaf;
  tw_tree *clone = NULL;
  TW_TRY(tw_tree_clone(tree, &clone));
  tw_tree_free(clone);
  return TW_OK;
}

static tw_err do_decode(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)leaf;
  tw_buf encoded = TW_BUF_INIT(&f->test.alloc);
  tw_tree *again = NULL;
  tw_err err = tw_tree_encode(tree, &encoded);
  if (err == TW_OK) err = tw_tree_decode(&f->test.env, f->suite, tw_buf_bytes(&encoded), &again);
  if (err == TW_OK) err = tw_tree_validate(again, group_id, TW_NO_BYTES, TW_NO_BYTES);
  tw_tree_free(again);
  tw_buf_clear(&encoded);
  return err;
}

/* A commit with path, made and taken: also failing, it leaves `tree` and private keys alone. */
static tw_err do_path(fixture *f, tw_tree *tree, tw_bytes leaf) {
  (void)leaf;
  const tw_env *env = &f->test.env;
  uint8_t identity[16];
  const tw_leaf_node_fields fields = kit_fields(&f->member[1], TW_LEAF_COMMIT, identity);
  tw_path_secrets secrets = {0};
  tw_tree_private priv = {0};
  tw_tree_private other = {0};
  tw_secret commit_secret = {0};
  tw_tree *made = NULL;
  tw_tree *seen = NULL;
  tw_buf encoded = TW_BUF_INIT(&f->test.alloc);
  tw_update_path path;
  tw_err err = tw_tree_clone(tree, &made);
  if (err == TW_OK) err = tw_tree_clone(tree, &seen);
  if (err == TW_OK) err = tw_tree_private_copy(env, &f->member[1].priv, &priv);
  if (err == TW_OK) err = tw_tree_private_copy(env, &f->member[0].priv, &other);
  if (err == TW_OK) err = tw_path_generate(made, &priv, f->member[1].signer, &fields, group_id, &secrets);
  if (err == TW_OK) err = tw_path_encrypt(made, &secrets, 1, NULL, 0, group_id, &encoded);
  if (err == TW_OK) {
    tw_reader r = tw_reader_of(tw_buf_bytes(&encoded));
    path = tw_read_update_path(&r);
    err = tw_reader_end(&r);
  }
  if (err == TW_OK) err = tw_path_apply(seen, 1, &path);
  if (err == TW_OK) err = tw_path_decrypt(seen, &other, 1, &path, NULL, 0, group_id, &commit_secret);
  if (err == TW_OK) tw_test_same(tw_secret_bytes(&commit_secret), tw_secret_bytes(&secrets.commit_secret));
  tw_path_secrets_clear(env, &secrets);
  tw_tree_private_clear(env, &priv);
  tw_tree_private_clear(env, &other);
  tw_tree_free(made);
  tw_tree_free(seen);
  tw_buf_clear(&encoded);
  return err;
}

static void fails_well(edit *operation, bool changes) {
  fixture f;
  fixture_init(&f);
  tw_tree *tree = tree_of(&f, 5);
  tw_tree *sibling = NULL;
  tw_buf leaf = TW_BUF_INIT(NULL);
  tw_buf before = TW_BUF_INIT(NULL);
  tw_buf after = TW_BUF_INIT(NULL);
  leaf_of(&f, next_member(&f), &leaf);
  assert_int_equal(tw_tree_clone(tree, &sibling), TW_OK);
  /* Sharing as it comes, and no cached hashes beyond what there is. */
  tw_tree *reference = NULL;
  assert_int_equal(tw_tree_encode(tree, &after), TW_OK);
  assert_int_equal(tw_tree_decode(&f.test.env, f.suite, tw_buf_bytes(&after), &reference), TW_OK);
  image(reference, &before);
  tw_tree_free(reference);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&f.test, n);
    const tw_err err = operation(&f, tree, tw_buf_bytes(&leaf));
    const bool failed = f.test.alloc_failed;
    tw_test_fail_alloc(&f.test, 0);
    if (!failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    after.len = 0;
    assert_int_equal(tw_tree_encode(tree, &after), TW_OK);
    tw_test_same(tw_buf_bytes(&after), TW_BYTES(before.ptr + TW_HASH_MAX, before.len - TW_HASH_MAX));
    assert_true(tw_tree_find_signature_key(tree, tw_tree_leaf(tree, 4)->signature_key, &(uint32_t){0}));
    assert_int_equal(tw_tree_lacking_credential(tree, 1), 0);
  }
  image(sibling, &after);
  tw_test_same(tw_buf_bytes(&after), tw_buf_bytes(&before));
  image(tree, &after);
  assert_int_equal(!tw_bytes_equal(tw_buf_bytes(&after), tw_buf_bytes(&before)), changes);
  tw_tree_free(tree);
  tw_tree_free(sibling);
  tw_buf_clear(&leaf);
  tw_buf_clear(&before);
  tw_buf_clear(&after);
  fixture_clear(&f);
}

static void failing_memory(void **state) {
  (void)state;
  fails_well(do_add, true);
  fails_well(do_update, true);
  fails_well(do_remove, true);
  fails_well(do_hash, false);
  fails_well(do_clone, false);
  fails_well(do_decode, false);
  fails_well(do_path, false);
}

static void failing_randomness(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_tree *tree = tree_of(&f, 5);
  tw_buf before = TW_BUF_INIT(NULL);
  tw_buf after = TW_BUF_INIT(NULL);
  image(tree, &before);
  for (size_t n = 1;; n++) {
    tw_test_fail_random(&f.test, n);
    const tw_err err = do_path(&f, tree, TW_NO_BYTES);
    const bool failed = f.test.random_failed;
    tw_test_fail_random(&f.test, 0);
    if (!failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_RANDOM);
    image(tree, &after);
    tw_test_same(tw_buf_bytes(&after), tw_buf_bytes(&before));
  }
  tw_tree *none = NULL;
  tw_test_fail_random(&f.test, 1);
  assert_int_equal(tw_tree_new(&f.test.env, f.suite, &none), TW_ERR_RANDOM);
  tw_test_fail_random(&f.test, 0);
  tw_buf_clear(&before);
  tw_buf_clear(&after);
  tw_tree_free(tree);
  fixture_clear(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(empty_tree),
      cmocka_unit_test(members_come_and_go),
      cmocka_unit_test(limit_of_leaves),
      cmocka_unit_test(keys_are_found),
      cmocka_unit_test(capabilities_are_counted),
      cmocka_unit_test(failing_memory),
      cmocka_unit_test(failing_randomness),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
