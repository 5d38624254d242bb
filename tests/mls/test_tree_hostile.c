/* Trees and update paths that break one rule each. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/tree_node.h"
#include "tree_kit.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

static const tw_bytes group_id = {(const uint8_t *)"group", 5};

enum { LATE = 7 }; /* the member who came after all paths */

typedef struct fixture {
  tw_test_env test;
  const tw_suite *suite;
  kit_member member[9];
  tw_tree *tree;
  kit_tree plain;
} fixture;

static void add_member(fixture *f, uint32_t index) {
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

/* A path of `sender` over `tree`, whose private keys become `priv`'s. */
static void make_path(fixture *f, tw_tree *tree, uint32_t sender, tw_tree_private *priv, tw_bytes context,
                      tw_buf *out) {
  uint8_t identity[16];
  tw_path_secrets secrets = {0};
  const tw_leaf_node_fields fields = kit_fields(&f->member[sender], TW_LEAF_COMMIT, identity);
  out->len = 0;
  assert_int_equal(tw_path_generate(tree, priv, f->member[sender].signer, &fields, group_id, &secrets), TW_OK);
  assert_int_equal(tw_path_encrypt(tree, &secrets, sender, NULL, 0, context, out), TW_OK);
  tw_path_secrets_clear(&f->test.env, &secrets);
}

static tw_update_path read_path(tw_bytes encoded) {
  tw_reader r = tw_reader_of(encoded);
  const tw_update_path path = tw_read_update_path(&r);
  assert_int_equal(tw_reader_end(&r), TW_OK);
  return path;
}

static void commit(fixture *f, uint32_t sender, uint32_t members) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  make_path(f, f->tree, sender, &f->member[sender].priv, group_id, &encoded);
  const tw_update_path path = read_path(tw_buf_bytes(&encoded));
  kit_path(&f->plain, sender, &path);
  for (uint32_t i = 0; i < members; i++) {
    tw_secret secret = {0};
    if (i == sender) continue;
    assert_int_equal(tw_path_decrypt(f->tree, &f->member[i].priv, sender, &path, NULL, 0, group_id, &secret), TW_OK);
  }
  tw_buf_clear(&encoded);
}

/* Seven members, paths of 0 and 4, then an eighth one who is unmerged at nodes 7, the root, and 11; 5 and 13 are blank.
 */
static void fixture_init(fixture *f) {
  memset(f, 0, sizeof *f);
  tw_test_env_init(&f->test, 9);
  f->suite = tw_suite_by_id(&f->test.env, 1);
  f->plain.env = &f->test.env;
  f->plain.suite = f->suite;
  assert_int_equal(tw_tree_new(&f->test.env, f->suite, &f->tree), TW_OK);
  for (uint32_t i = 0; i < LATE; i++) add_member(f, i);
  commit(f, 0, LATE);
  commit(f, 4, LATE);
  add_member(f, LATE);
  kit_same(&f->plain, f->tree);
}

static void fixture_clear(fixture *f) {
  for (uint32_t i = 0; i <= LATE; i++) kit_member_clear(&f->test.env, &f->member[i]);
  tw_tree_free(f->tree);
  tw_test_env_clear(&f->test);
}

static tw_err judge_bytes(fixture *f, tw_bytes encoded, tw_bytes tree_hash) {
  tw_tree *tree = NULL;
  tw_err err = tw_tree_decode(&f->test.env, f->suite, encoded, &tree);
  if (err == TW_OK) err = tw_tree_validate(tree, group_id, TW_NO_BYTES, tree_hash);
  tw_tree_free(tree);
  return err;
}

static tw_err judge(fixture *f, const kit_tree *plain) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  kit_encode(plain, &encoded);
  const tw_err err = judge_bytes(f, tw_buf_bytes(&encoded), TW_NO_BYTES);
  tw_buf_clear(&encoded);
  return err;
}

/* ---- one rule broken in a tree ---- */

typedef void breaking(fixture *f, kit_tree *t);

static void nothing(fixture *f, kit_tree *t) {
  (void)f;
  (void)t;
}
static void parent_key(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].key[3] ^= 1;
}
static void parent_hash(fixture *f, kit_tree *t) {
  (void)f;
  t->node[11].parent_hash[0] ^= 1;
}
static void parent_hash_cut(fixture *f, kit_tree *t) {
  (void)f;
  t->node[11].parent_hash_len--;
}
static void parent_blanked(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].full = false;
}
static void middle_blanked(fixture *f, kit_tree *t) {
  (void)f;
  t->node[11].full = false;
}
static void leaf_blanked(fixture *f, kit_tree *t) {
  (void)f;
  t->node[2].full = false;
}
static void committer_blanked(fixture *f, kit_tree *t) {
  (void)f;
  t->node[8].full = false;
}
static void parent_made_up(fixture *f, kit_tree *t) {
  (void)f;
  t->node[13] = t->node[11];
  t->node[13].key[0] ^= 1;
}
static void parent_without_leaves(fixture *f, kit_tree *t) {
  (void)f;
  t->node[1].full = true;
  t->node[0].full = false;
  t->node[2].full = false;
}
static void unmerged_forgotten(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged_count = 0;
}
static void unmerged_forgotten_between(fixture *f, kit_tree *t) {
  (void)f;
  t->node[11].unmerged_count = 0;
}
static void unmerged_forgotten_everywhere(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged_count = 0;
  t->node[11].unmerged_count = 0;
}
static void unmerged_is_blank(fixture *f, kit_tree *t) {
  (void)f;
  t->node[2 * LATE].full = false;
}
static void unmerged_too_many(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = 5;
  t->node[7].unmerged[1] = LATE;
  t->node[7].unmerged_count = 2;
  t->node[11].unmerged[0] = 5;
  t->node[11].unmerged[1] = LATE;
  t->node[11].unmerged_count = 2;
}
static void unmerged_elsewhere(fixture *f, kit_tree *t) {
  (void)f;
  t->node[11].unmerged[0] = 1;
}
static void unmerged_outside(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = 8;
}
static void unmerged_huge(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = UINT32_MAX;
}
static void unmerged_twice(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[1] = LATE;
  t->node[7].unmerged_count = 2;
}
static void unmerged_unsorted(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = LATE;
  t->node[7].unmerged[1] = 5;
  t->node[7].unmerged_count = 2;
}
static void leaf_twice(fixture *f, kit_tree *t) {
  (void)f;
  t->node[2 * LATE] = t->node[12];
}
static void parent_key_twice(fixture *f, kit_tree *t) {
  (void)f;
  memcpy(t->node[11].key, t->node[7].key, t->node[7].key_len);
}
static void parent_key_of_leaf(fixture *f, kit_tree *t) {
  (void)f;
  memcpy(t->node[11].key, t->node[4].key, t->node[4].key_len);
}
static void parent_key_short(fixture *f, kit_tree *t) {
  (void)f;
  t->node[7].key_len--;
}
/* The late leaf is in no original sibling hash: only its signature tells. */
static void leaf_signature(fixture *f, kit_tree *t) {
  (void)f;
  t->node[2 * LATE].leaf[t->node[2 * LATE].leaf_len - 1] ^= 1;
}
static void covered_leaf_changed(fixture *f, kit_tree *t) {
  (void)f;
  t->node[10].leaf[t->node[10].leaf_len - 1] ^= 1;
}
/* A leaf of source update for the wrong place. */
static void leaf_of_another_place(fixture *f, kit_tree *t) {
  tw_buf leaf = TW_BUF_INIT(NULL);
  kit_leaf(&f->test.env, f->suite, &f->member[LATE], TW_LEAF_UPDATE, group_id, LATE + 1, &leaf);
  memcpy(t->node[2 * LATE].leaf, leaf.ptr, leaf.len);
  t->node[2 * LATE].leaf_len = leaf.len;
  tw_buf_clear(&leaf);
}
/* The committer's leaf replaced, though its path stayed. */
static void committer_replaced(fixture *f, kit_tree *t) {
  tw_buf leaf = TW_BUF_INIT(NULL);
  kit_leaf(&f->test.env, f->suite, &f->member[4], TW_LEAF_UPDATE, group_id, 4, &leaf);
  memcpy(t->node[8].leaf, leaf.ptr, leaf.len);
  t->node[8].leaf_len = leaf.len;
  tw_buf_clear(&leaf);
}

static void broken_trees(void **state) {
  (void)state;
  static const struct {
    const char *name;
    breaking *apply;
    tw_err expected;
  } rules[] = {
      {"nothing", nothing, TW_OK},
      {"parent key", parent_key, TW_ERR_TREE},
      {"parent hash", parent_hash, TW_ERR_TREE},
      {"parent hash cut", parent_hash_cut, TW_ERR_TREE},
      {"parent blanked", parent_blanked, TW_OK}, /* only the tree hash forbids it */
      {"middle blanked", middle_blanked, TW_ERR_TREE},
      {"leaf blanked", leaf_blanked, TW_ERR_TREE},
      {"committer blanked", committer_blanked, TW_ERR_TREE},
      {"parent made up", parent_made_up, TW_ERR_TREE},
      {"parent without leaves", parent_without_leaves, TW_ERR_TREE},
      {"unmerged forgotten", unmerged_forgotten, TW_ERR_TREE},
      {"unmerged forgotten between", unmerged_forgotten_between, TW_ERR_TREE},
      {"unmerged forgotten everywhere", unmerged_forgotten_everywhere, TW_ERR_TREE},
      {"unmerged is blank", unmerged_is_blank, TW_ERR_TREE},
      {"unmerged too many", unmerged_too_many, TW_ERR_TREE},
      {"unmerged elsewhere", unmerged_elsewhere, TW_ERR_TREE},
      {"unmerged outside", unmerged_outside, TW_ERR_TREE},
      {"unmerged huge", unmerged_huge, TW_ERR_TREE},
      {"unmerged twice", unmerged_twice, TW_ERR_TREE},
      {"unmerged unsorted", unmerged_unsorted, TW_ERR_TREE},
      {"leaf twice", leaf_twice, TW_ERR_KEY_REUSED},
      {"parent key twice", parent_key_twice, TW_ERR_KEY_REUSED},
      {"parent key of leaf", parent_key_of_leaf, TW_ERR_KEY_REUSED},
      {"parent key short", parent_key_short, TW_ERR_KEY},
      {"leaf signature", leaf_signature, TW_ERR_SIGNATURE},
      {"covered leaf changed", covered_leaf_changed, TW_ERR_TREE},
      {"leaf of another place", leaf_of_another_place, TW_ERR_SIGNATURE},
      {"committer replaced", committer_replaced, TW_ERR_TREE},
  };
  fixture f;
  fixture_init(&f);
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    static kit_tree t;
    t = f.plain;
    rules[i].apply(&f, &t);
    const tw_err err = judge(&f, &t);
    if (err != rules[i].expected) print_error("%s: %s\n", rules[i].name, tw_err_text(err));
    assert_int_equal(err, rules[i].expected);
  }
  fixture_clear(&f);
}

static tw_err join_by(fixture *f, const kit_tree *plain, tw_bytes own_leaf) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  tw_tree *tree = NULL;
  kit_encode(plain, &encoded);
  tw_err err = tw_tree_decode(&f->test.env, f->suite, tw_buf_bytes(&encoded), &tree);
  if (err == TW_OK) err = tw_tree_validate_joining(tree, group_id, TW_NO_BYTES, TW_NO_BYTES, own_leaf);
  tw_tree_free(tree);
  tw_buf_clear(&encoded);
  return err;
}

/* Only a leaf that is ours to the last byte is believed: with one more, one less or another one it is verified. */
static void the_joiners_own_leaf_alone_is_not_verified(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  static kit_tree t;
  t = f.plain;
  leaf_signature(&f, &t);
  unsigned accepted = 0;
  for (size_t i = 0; i <= LATE; i++) {
    const tw_bytes leaf = TW_BYTES(t.node[2 * i].leaf, t.node[2 * i].leaf_len);
    const bool damaged = memcmp(leaf.ptr, f.plain.node[2 * i].leaf, leaf.len) != 0;
    assert_int_equal(join_by(&f, &t, leaf), damaged ? TW_OK : TW_ERR_SIGNATURE);
    assert_int_equal(join_by(&f, &t, TW_BYTES(leaf.ptr, leaf.len - 1)), TW_ERR_SIGNATURE);
    const tw_bytes before = TW_BYTES(f.plain.node[2 * i].leaf, f.plain.node[2 * i].leaf_len);
    assert_int_equal(join_by(&f, &t, before), TW_ERR_SIGNATURE);
    accepted += damaged;
  }
  assert_int_equal(accepted, 1);
  fixture_clear(&f);
}

static void wrong_surroundings(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  uint8_t hash[TW_HASH_MAX];
  assert_int_equal(tw_tree_hash(f.tree, hash), TW_OK);
  const tw_bytes tree_hash = TW_BYTES(hash, f.suite->hash->size);
  assert_int_equal(tw_tree_validate(f.tree, group_id, TW_NO_BYTES, tree_hash), TW_OK);
  assert_int_equal(tw_tree_validate(f.tree, TW_LITERAL("other"), TW_NO_BYTES, tree_hash), TW_ERR_SIGNATURE);
  hash[0] ^= 1;
  assert_int_equal(tw_tree_validate(f.tree, group_id, TW_NO_BYTES, tree_hash), TW_ERR_TREE);
  hash[0] ^= 1;
  assert_int_equal(tw_tree_validate(f.tree, group_id, TW_NO_BYTES, TW_BYTES(hash, 31)), TW_ERR_TREE);
  fixture_clear(&f);
}

static void malformed_encodings(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  static const struct {
    const char *bytes;
    size_t len;
    tw_err expected;
  } cases[] = {
      {"", 0, TW_ERR_TRUNCATED},
      {"\x00", 1, TW_ERR_TREE},
      {"\x00\x00", 2, TW_ERR_TRAILING},
      {"\x01\x00", 2, TW_ERR_TREE},
      {"\x03\x00\x00\x00", 4, TW_ERR_TREE},
      {"\x01\x02", 2, TW_ERR_ENCODING},
      {"\x01\x01", 2, TW_ERR_TRUNCATED},
      {"\x02\x01\x00", 3, TW_ERR_ENCODING},
      {"\x02\x01\x03", 3, TW_ERR_ENCODING},
      {"\x02\x01\x02", 3, TW_ERR_TREE},
      {"\x03\x00\x01\x01", 4, TW_ERR_TREE},
      /* a parent at the end, where a leaf has to be */
      {"\x07\x00\x01\x02\x01\x41\x00\x00", 8, TW_ERR_TREE},
      /* unmerged_leaves of three bytes */
      {"\x0b\x00\x01\x02\x01\x41\x00\x03\x00\x00\x00\x00", 12, TW_ERR_ENCODING},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const tw_err err = judge_bytes(&f, TW_BYTES((const uint8_t *)cases[i].bytes, cases[i].len), TW_NO_BYTES);
    if (err != cases[i].expected) print_error("case %zu: %s\n", i, tw_err_text(err));
    assert_int_equal(err, cases[i].expected);
  }
  fixture_clear(&f);
}

static void every_byte_counts(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  uint8_t hash[TW_HASH_MAX];
  tw_buf encoded = TW_BUF_INIT(NULL);
  assert_int_equal(tw_tree_hash(f.tree, hash), TW_OK);
  const tw_bytes tree_hash = TW_BYTES(hash, f.suite->hash->size);
  assert_int_equal(tw_tree_encode(f.tree, &encoded), TW_OK);
  assert_int_equal(judge_bytes(&f, tw_buf_bytes(&encoded), tree_hash), TW_OK);
  for (size_t i = 0; i < encoded.len; i++) {
    assert_int_not_equal(judge_bytes(&f, TW_BYTES(encoded.ptr, i), tree_hash), TW_OK);
    for (unsigned bit = 0; bit < 8; bit++) {
      encoded.ptr[i] ^= (uint8_t)(1u << bit);
      const tw_err err = judge_bytes(&f, tw_buf_bytes(&encoded), tree_hash);
      assert_int_not_equal(err, TW_OK);
      assert_int_not_equal(err, TW_ERR_INTERNAL);
      encoded.ptr[i] ^= (uint8_t)(1u << bit);
    }
  }
  tw_buf_clear(&encoded);
  fixture_clear(&f);
}

/* ---- update paths ---- */

/* Member 0 takes a path of member 4 over the fixture's tree; whatever happens, an error changes nothing. */
static tw_err take(fixture *f, tw_bytes encoded, tw_bytes context) {
  const tw_env *env = &f->test.env;
  tw_reader r = tw_reader_of(encoded);
  const tw_update_path path = tw_read_update_path(&r);
  TW_TRY(tw_reader_end(&r));
  tw_tree *tree = NULL;
  tw_tree_private priv = {0};
  tw_secret commit_secret = {0};
  assert_int_equal(tw_tree_clone(f->tree, &tree), TW_OK);
  assert_int_equal(tw_tree_private_copy(env, &f->member[0].priv, &priv), TW_OK);
  tw_err err = tw_leaf_node_verify(env, f->suite, &path.leaf_node, group_id, 4);
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

static void path_of_4(fixture *f, tw_buf *out) {
  tw_tree *tree = NULL;
  tw_tree_private priv = {0};
  assert_int_equal(tw_tree_clone(f->tree, &tree), TW_OK);
  assert_int_equal(tw_tree_private_copy(&f->test.env, &f->member[4].priv, &priv), TW_OK);
  make_path(f, tree, 4, &priv, group_id, out);
  tw_tree_private_clear(&f->test.env, &priv);
  tw_tree_free(tree);
}

static void damaged_paths(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_buf path = TW_BUF_INIT(NULL);
  path_of_4(&f, &path);
  assert_int_equal(take(&f, tw_buf_bytes(&path), group_id), TW_OK);
  assert_int_equal(take(&f, tw_buf_bytes(&path), TW_LITERAL("elsewhere")), TW_ERR_DECRYPT);
  for (size_t i = 0; i < path.len; i++) assert_int_not_equal(take(&f, TW_BYTES(path.ptr, i), group_id), TW_OK);
  /* Ciphertexts for others are theirs to find wrong: up to them, every bit matters here. */
  const tw_update_path view = read_path(tw_buf_bytes(&path));
  size_t passed = 0;
  for (size_t i = 0; i < path.len; i++) {
    path.ptr[i] ^= 0x10;
    const tw_err err = take(&f, tw_buf_bytes(&path), group_id);
    assert_int_not_equal(err, TW_ERR_INTERNAL);
    if (err == TW_OK) {
      assert_true(path.ptr + i >= view.nodes.ptr);
      passed++;
    }
    path.ptr[i] ^= 0x10;
  }
  assert_true(passed > 0);
  tw_buf_clear(&path);
  fixture_clear(&f);
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
  const tw_update_path path = read_path(encoded);
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

static void expect(fixture *f, tw_bytes path, const rewriting *how, tw_err expected) {
  tw_buf changed = TW_BUF_INIT(NULL);
  rewrite(path, how, &changed);
  assert_int_equal(take(f, tw_buf_bytes(&changed), group_id), expected);
  tw_buf_clear(&changed);
}

static void rewritten_paths(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  tw_buf encoded = TW_BUF_INIT(NULL);
  path_of_4(&f, &encoded);
  const tw_bytes path = tw_buf_bytes(&encoded);
  const uint32_t nodes = read_path(path).node_count;
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
    how.key = read_path(path).leaf_node.encryption_key; /* that of the new leaf */
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
  fixture_clear(&f);
}

/* Ciphertexts that open to other secrets than those of the public keys. */
static void wrong_secrets(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
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
    assert_int_equal(tw_path_generate(tree[i], &priv, f.member[4].signer, &fields, group_id, &secrets[i]), TW_OK);
    tw_tree_private_clear(env, &priv);
  }
  assert_int_equal(tw_path_encrypt(tree[0], &secrets[1], 4, NULL, 0, group_id, &path), TW_OK);
  assert_int_equal(take(&f, tw_buf_bytes(&path), group_id), TW_ERR_TREE);
  /* A joiner is told likewise. */
  tw_tree_private joiner = {.leaf_index = LATE};
  const tw_secret *good = tw_path_secret_for(tree[0], &secrets[0], 4, LATE);
  const tw_secret *bad = tw_path_secret_for(tree[1], &secrets[1], 4, LATE);
  assert_int_equal(tw_path_join(tree[0], &joiner, 4, tw_secret_bytes(bad)), TW_ERR_TREE);
  assert_int_equal(joiner.count, 0);
  assert_int_equal(tw_path_join(tree[0], &joiner, 4, TW_BYTES(good->data, 31)), TW_ERR_TREE);
  assert_int_equal(tw_path_join(tree[0], &joiner, LATE, tw_secret_bytes(good)), TW_ERR_TREE);
  assert_int_equal(tw_path_join(tree[0], &joiner, 4, tw_secret_bytes(good)), TW_OK);
  assert_int_equal(joiner.count, 2);
  tw_tree_private_clear(env, &joiner);
  /* A secret of another length. */
  path.len = 0;
  for (uint32_t i = 0; i < secrets[0].count; i++) secrets[0].secrets[i].len = 16;
  assert_int_equal(tw_path_encrypt(tree[0], &secrets[0], 4, NULL, 0, group_id, &path), TW_OK);
  assert_int_equal(take(&f, tw_buf_bytes(&path), group_id), TW_ERR_TREE);
  for (int i = 0; i < 2; i++) {
    tw_path_secrets_clear(env, &secrets[i]);
    tw_path_secrets_clear(env, &secrets[i]);
    tw_tree_free(tree[i]);
  }
  tw_buf_clear(&path);
  fixture_clear(&f);
}

/* Senders that are not there, leaves that are not new, and external senders either way. */
static void senders(void **state) {
  (void)state;
  fixture f;
  fixture_init(&f);
  const tw_env *env = &f.test.env;
  tw_buf encoded = TW_BUF_INIT(NULL);
  tw_tree *tree = NULL;
  path_of_4(&f, &encoded);
  const tw_update_path path = read_path(tw_buf_bytes(&encoded));
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
  make_path(&f, joined, 8, &priv, group_id, &encoded);
  const tw_update_path join = read_path(tw_buf_bytes(&encoded));
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
  fixture_clear(&f);
}

/* A group of one has an empty path. */
static void alone(void **state) {
  (void)state;
  fixture f;
  memset(&f, 0, sizeof f);
  tw_test_env_init(&f.test, 3);
  f.suite = tw_suite_by_id(&f.test.env, 1);
  f.plain.env = &f.test.env;
  f.plain.suite = f.suite;
  assert_int_equal(tw_tree_new(&f.test.env, f.suite, &f.tree), TW_OK);
  add_member(&f, 0);
  uint8_t identity[16];
  tw_path_secrets secrets = {0};
  tw_buf encoded = TW_BUF_INIT(NULL);
  const tw_leaf_node_fields fields = kit_fields(&f.member[0], TW_LEAF_COMMIT, identity);
  assert_int_equal(tw_path_generate(f.tree, &f.member[0].priv, f.member[0].signer, &fields, group_id, &secrets), TW_OK);
  assert_int_equal(secrets.count, 0);
  assert_int_equal(secrets.commit_secret.len, f.suite->hash->size);
  assert_int_equal(tw_path_encrypt(f.tree, &secrets, 0, NULL, 0, group_id, &encoded), TW_OK);
  assert_int_equal(read_path(tw_buf_bytes(&encoded)).node_count, 0);
  assert_int_equal(tw_tree_leaf(f.tree, 0)->parent_hash.len, 0);
  assert_int_equal(tw_tree_validate(f.tree, group_id, TW_NO_BYTES, TW_NO_BYTES), TW_OK);
  assert_null(tw_path_secret_for(f.tree, &secrets, 0, 0));
  tw_path_secrets_clear(&f.test.env, &secrets);
  tw_buf_clear(&encoded);
  kit_member_clear(&f.test.env, &f.member[0]);
  tw_tree_free(f.tree);
  tw_test_env_clear(&f.test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(broken_trees),
      cmocka_unit_test(the_joiners_own_leaf_alone_is_not_verified),
      cmocka_unit_test(wrong_surroundings),
      cmocka_unit_test(malformed_encodings),
      cmocka_unit_test(every_byte_counts),
      cmocka_unit_test(damaged_paths),
      cmocka_unit_test(rewritten_paths),
      cmocka_unit_test(wrong_secrets),
      cmocka_unit_test(senders),
      cmocka_unit_test(alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
