/* Trees that break one rule each. RFC 9420 sections 7.8, 7.9 and 12.4.3.1. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "path_kit.h"

static tw_err judge_bytes(path_kit *f, tw_bytes encoded, tw_bytes tree_hash) {
  tw_tree *tree = NULL;
  tw_err err = tw_tree_decode(&f->test.env, f->suite, encoded, &tree);
  if (err == TW_OK) err = tw_tree_validate(tree, path_kit_group_id, TW_NO_BYTES, tree_hash);
  tw_tree_free(tree);
  return err;
}

static tw_err judge(path_kit *f, const kit_tree *plain) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  kit_encode(plain, &encoded);
  const tw_err err = judge_bytes(f, tw_buf_bytes(&encoded), TW_NO_BYTES);
  tw_buf_clear(&encoded);
  return err;
}

/* ---- one rule broken ---- */

typedef void breaking(path_kit *f, kit_tree *t);

static void nothing(path_kit *f, kit_tree *t) {
  (void)f;
  (void)t;
}
static void parent_key(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].key[3] ^= 1;
}
static void parent_hash(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[11].parent_hash[0] ^= 1;
}
static void parent_hash_cut(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[11].parent_hash_len--;
}
static void parent_blanked(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].full = false;
}
static void middle_blanked(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[11].full = false;
}
static void leaf_blanked(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[2].full = false;
}
static void committer_blanked(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[8].full = false;
}
static void parent_made_up(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[13] = t->node[11];
  t->node[13].key[0] ^= 1;
}
static void parent_without_leaves(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[1].full = true;
  t->node[0].full = false;
  t->node[2].full = false;
}
static void unmerged_forgotten(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged_count = 0;
}
static void unmerged_forgotten_between(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[11].unmerged_count = 0;
}
static void unmerged_forgotten_everywhere(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged_count = 0;
  t->node[11].unmerged_count = 0;
}
static void unmerged_is_blank(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[2 * PATH_KIT_LATE].full = false;
}
static void unmerged_too_many(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = 5;
  t->node[7].unmerged[1] = PATH_KIT_LATE;
  t->node[7].unmerged_count = 2;
  t->node[11].unmerged[0] = 5;
  t->node[11].unmerged[1] = PATH_KIT_LATE;
  t->node[11].unmerged_count = 2;
}
static void unmerged_elsewhere(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[11].unmerged[0] = 1;
}
static void unmerged_outside(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = 8;
}
static void unmerged_huge(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = UINT32_MAX;
}
static void unmerged_twice(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[1] = PATH_KIT_LATE;
  t->node[7].unmerged_count = 2;
}
static void unmerged_unsorted(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].unmerged[0] = PATH_KIT_LATE;
  t->node[7].unmerged[1] = 5;
  t->node[7].unmerged_count = 2;
}
static void leaf_twice(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[2 * PATH_KIT_LATE] = t->node[12];
}
static void parent_key_twice(path_kit *f, kit_tree *t) {
  (void)f;
  memcpy(t->node[11].key, t->node[7].key, t->node[7].key_len);
}
static void parent_key_of_leaf(path_kit *f, kit_tree *t) {
  (void)f;
  memcpy(t->node[11].key, t->node[4].key, t->node[4].key_len);
}
static void parent_key_short(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[7].key_len--;
}
/* The late leaf is in no original sibling hash: only its signature tells. */
static void leaf_signature(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[2 * PATH_KIT_LATE].leaf[t->node[2 * PATH_KIT_LATE].leaf_len - 1] ^= 1;
}
static void covered_leaf_changed(path_kit *f, kit_tree *t) {
  (void)f;
  t->node[10].leaf[t->node[10].leaf_len - 1] ^= 1;
}
/* A leaf of source update for the wrong place. */
static void leaf_of_another_place(path_kit *f, kit_tree *t) {
  tw_buf leaf = TW_BUF_INIT(NULL);
  kit_leaf(&f->test.env, f->suite, &f->member[PATH_KIT_LATE], TW_LEAF_UPDATE, path_kit_group_id, PATH_KIT_LATE + 1,
           &leaf);
  memcpy(t->node[2 * PATH_KIT_LATE].leaf, leaf.ptr, leaf.len);
  t->node[2 * PATH_KIT_LATE].leaf_len = leaf.len;
  tw_buf_clear(&leaf);
}
/* The committer's leaf replaced, though its path stayed. */
static void committer_replaced(path_kit *f, kit_tree *t) {
  tw_buf leaf = TW_BUF_INIT(NULL);
  kit_leaf(&f->test.env, f->suite, &f->member[4], TW_LEAF_UPDATE, path_kit_group_id, 4, &leaf);
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
  path_kit f;
  path_kit_init(&f);
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    static kit_tree t;
    t = f.plain;
    rules[i].apply(&f, &t);
    const tw_err err = judge(&f, &t);
    if (err != rules[i].expected) print_error("%s: %s\n", rules[i].name, tw_err_text(err));
    assert_int_equal(err, rules[i].expected);
  }
  path_kit_clear(&f);
}

static tw_err join_by(path_kit *f, const kit_tree *plain, tw_bytes own_leaf) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  tw_tree *tree = NULL;
  kit_encode(plain, &encoded);
  tw_err err = tw_tree_decode(&f->test.env, f->suite, tw_buf_bytes(&encoded), &tree);
  if (err == TW_OK) err = tw_tree_validate_joining(tree, path_kit_group_id, TW_NO_BYTES, TW_NO_BYTES, own_leaf);
  tw_tree_free(tree);
  tw_buf_clear(&encoded);
  return err;
}

/* Only a leaf that is ours to the last byte is believed: with one more, one less or another one it is verified. */
static void the_joiners_own_leaf_alone_is_not_verified(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
  static kit_tree t;
  t = f.plain;
  leaf_signature(&f, &t);
  unsigned accepted = 0;
  for (size_t i = 0; i <= PATH_KIT_LATE; i++) {
    const tw_bytes leaf = TW_BYTES(t.node[2 * i].leaf, t.node[2 * i].leaf_len);
    const bool damaged = memcmp(leaf.ptr, f.plain.node[2 * i].leaf, leaf.len) != 0;
    assert_int_equal(join_by(&f, &t, leaf), damaged ? TW_OK : TW_ERR_SIGNATURE);
    assert_int_equal(join_by(&f, &t, TW_BYTES(leaf.ptr, leaf.len - 1)), TW_ERR_SIGNATURE);
    const tw_bytes before = TW_BYTES(f.plain.node[2 * i].leaf, f.plain.node[2 * i].leaf_len);
    assert_int_equal(join_by(&f, &t, before), TW_ERR_SIGNATURE);
    accepted += damaged;
  }
  assert_int_equal(accepted, 1);
  path_kit_clear(&f);
}

static void wrong_surroundings(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
  uint8_t hash[TW_HASH_MAX];
  assert_int_equal(tw_tree_hash(f.tree, hash), TW_OK);
  const tw_bytes tree_hash = TW_BYTES(hash, f.suite->hash->size);
  assert_int_equal(tw_tree_validate(f.tree, path_kit_group_id, TW_NO_BYTES, tree_hash), TW_OK);
  assert_int_equal(tw_tree_validate(f.tree, TW_LITERAL("other"), TW_NO_BYTES, tree_hash), TW_ERR_SIGNATURE);
  hash[0] ^= 1;
  assert_int_equal(tw_tree_validate(f.tree, path_kit_group_id, TW_NO_BYTES, tree_hash), TW_ERR_TREE);
  hash[0] ^= 1;
  assert_int_equal(tw_tree_validate(f.tree, path_kit_group_id, TW_NO_BYTES, TW_BYTES(hash, 31)), TW_ERR_TREE);
  path_kit_clear(&f);
}

static void malformed_encodings(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
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
  path_kit_clear(&f);
}

static void every_byte_counts(void **state) {
  (void)state;
  path_kit f;
  path_kit_init(&f);
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
  path_kit_clear(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(broken_trees),       cmocka_unit_test(the_joiners_own_leaf_alone_is_not_verified),
      cmocka_unit_test(wrong_surroundings), cmocka_unit_test(malformed_encodings),
      cmocka_unit_test(every_byte_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
