/* Random histories of a group, against a plain implementation and among all its members. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/tree_node.h"
#include "tree_kit.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

enum { MEMBERS = 24 };

typedef struct world {
  tw_test_env *test;
  const tw_suite *suite;
  tw_tree *tree;
  kit_tree plain;
  kit_member member[KIT_LEAVES]; /* by leaf */
  uint32_t number;
  uint64_t dice;
} world;

/* One commit in the making. */
typedef struct round {
  tw_tree *tree; /* what the committer works on */
  tw_tree *seen; /* what the others make of it */
  uint32_t added[KIT_LEAVES];
  uint32_t added_count;
} round;

static const tw_bytes group_id = {(const uint8_t *)"group", 5};

static uint32_t roll(world *w, uint32_t sides) {
  w->dice ^= w->dice << 13;
  w->dice ^= w->dice >> 7;
  w->dice ^= w->dice << 17;
  return (uint32_t)((w->dice >> 11) % sides);
}

static uint32_t pick(world *w) {
  uint32_t leaf = roll(w, w->plain.leaves);
  while (!w->member[leaf].present) leaf = (leaf + 1) % w->plain.leaves;
  return leaf;
}

static void add_one(world *w, round *r) {
  const tw_env *env = &w->test->env;
  kit_member member;
  tw_buf leaf = TW_BUF_INIT(NULL);
  uint32_t index;
  uint32_t seen;
  kit_member_init(env, w->suite, w->number++, &member);
  kit_leaf(env, w->suite, &member, TW_LEAF_KEY_PACKAGE, TW_NO_BYTES, 0, &leaf);
  assert_int_equal(tw_tree_add_leaf(r->tree, tw_buf_bytes(&leaf), &index), TW_OK);
  assert_int_equal(tw_tree_add_leaf(r->seen, tw_buf_bytes(&leaf), &seen), TW_OK);
  assert_int_equal(index, seen);
  assert_int_equal(kit_add(&w->plain, tw_buf_bytes(&leaf)), index);
  member.priv.leaf_index = index;
  member.present = true;
  assert_false(w->member[index].present);
  w->member[index] = member;
  /* Leaves come in increasing order: each is the leftmost blank one. */
  r->added[r->added_count++] = index;
  tw_buf_clear(&leaf);
}

static void update_one(world *w, round *r, uint32_t index) {
  tw_buf leaf = TW_BUF_INIT(NULL);
  kit_leaf(&w->test->env, w->suite, &w->member[index], TW_LEAF_UPDATE, group_id, index, &leaf);
  assert_int_equal(tw_tree_update_leaf(r->tree, index, tw_buf_bytes(&leaf)), TW_OK);
  assert_int_equal(tw_tree_update_leaf(r->seen, index, tw_buf_bytes(&leaf)), TW_OK);
  kit_update(&w->plain, index, tw_buf_bytes(&leaf));
  tw_buf_clear(&leaf);
}

static void remove_one(world *w, round *r, uint32_t index) {
  assert_int_equal(tw_tree_remove_leaf(r->tree, index), TW_OK);
  assert_int_equal(tw_tree_remove_leaf(r->seen, index), TW_OK);
  kit_remove(&w->plain, index);
  kit_member_clear(&w->test->env, &w->member[index]);
}

static bool is_added(const round *r, uint32_t leaf) {
  for (uint32_t i = 0; i < r->added_count; i++) {
    if (r->added[i] == leaf) return true;
  }
  return false;
}

static void receive(world *w, round *r, uint32_t sender, const tw_update_path *path, const tw_path_secrets *secrets,
                    tw_bytes context) {
  const tw_env *env = &w->test->env;
  for (uint32_t i = 0; i < w->plain.leaves; i++) {
    kit_member *member = &w->member[i];
    if (!member->present || i == sender) continue;
    if (is_added(r, i)) {
      const tw_secret *secret = tw_path_secret_for(r->tree, secrets, sender, i);
      assert_non_null(secret);
      assert_int_equal(tw_path_join(r->seen, &member->priv, sender, tw_secret_bytes(secret)), TW_OK);
    } else {
      tw_secret commit_secret = {0};
      assert_int_equal(
          tw_path_decrypt(r->seen, &member->priv, sender, path, r->added, r->added_count, context, &commit_secret),
          TW_OK);
      tw_test_same(tw_secret_bytes(&commit_secret), tw_secret_bytes(&secrets->commit_secret));
    }
    assert_int_equal(tw_tree_private_check(env, w->suite, &member->priv, r->seen), TW_OK);
  }
}

static void commit_path(world *w, round *r, uint32_t sender) {
  const tw_env *env = &w->test->env;
  kit_member *from = &w->member[sender];
  uint8_t identity[16];
  const tw_leaf_node_fields fields = kit_fields(from, TW_LEAF_COMMIT, identity);
  tw_path_secrets secrets = {0};
  tw_buf encoded = TW_BUF_INIT(NULL);
  uint8_t hash[TW_HASH_MAX];
  assert_int_equal(tw_path_generate(r->tree, &from->priv, from->signer, &fields, group_id, &secrets), TW_OK);
  assert_int_equal(tw_tree_private_check(env, w->suite, &from->priv, r->tree), TW_OK);
  assert_int_equal(tw_tree_hash(r->tree, hash), TW_OK);
  const tw_bytes context = TW_BYTES(hash, w->suite->hash->size);
  assert_int_equal(tw_path_encrypt(r->tree, &secrets, sender, r->added, r->added_count, context, &encoded), TW_OK);

  tw_reader reader = tw_reader_of(tw_buf_bytes(&encoded));
  const tw_update_path path = tw_read_update_path(&reader);
  assert_int_equal(tw_reader_end(&reader), TW_OK);
  assert_int_equal(tw_path_apply(r->seen, sender, &path), TW_OK);
  if (sender >= w->plain.leaves || !w->plain.node[2 * sender].full) {
    assert_int_equal(kit_add(&w->plain, path.leaf_node.encoded), sender);
  }
  kit_path(&w->plain, sender, &path);
  receive(w, r, sender, &path, &secrets, context);
  tw_path_secrets_clear(env, &secrets);
  tw_buf_clear(&encoded);
}

/* What a joiner would say of the tree. */
static void validate(world *w) {
  tw_buf encoded = TW_BUF_INIT(NULL);
  tw_tree *tree = NULL;
  uint8_t hash[TW_HASH_MAX];
  assert_int_equal(tw_tree_encode(w->tree, &encoded), TW_OK);
  assert_int_equal(tw_tree_hash(w->tree, hash), TW_OK);
  assert_int_equal(tw_tree_decode(&w->test->env, w->suite, tw_buf_bytes(&encoded), &tree), TW_OK);
  assert_int_equal(tw_tree_validate(tree, group_id, TW_NO_BYTES, TW_BYTES(hash, w->suite->hash->size)), TW_OK);
  kit_same(&w->plain, tree);
  tw_tree_free(tree);
  tw_buf_clear(&encoded);
}

static void propose(world *w, round *r, uint32_t sender, uint32_t members) {
  for (uint32_t i = roll(w, 3); i > 0; i--) {
    const uint32_t index = pick(w);
    if (index != sender) update_one(w, r, index);
  }
  for (uint32_t i = roll(w, members > MEMBERS / 2 ? 6 : 3); i > 0; i--) {
    const uint32_t index = pick(w);
    if (index != sender) remove_one(w, r, index);
  }
}

static void one_commit(world *w) {
  const tw_env *env = &w->test->env;
  round r = {0};
  const uint32_t members = tw_tree_member_count(w->tree);
  const kit_tree before = w->plain;
  uint32_t sender = pick(w);
  assert_int_equal(tw_tree_clone(w->tree, &r.tree), TW_OK);
  assert_int_equal(tw_tree_clone(w->tree, &r.seen), TW_OK);
  const bool only_adds = roll(w, 4) == 0 && members < MEMBERS;
  const bool external = !only_adds && roll(w, 6) == 0 && members < MEMBERS;
  if (!only_adds) propose(w, &r, sender, members);
  for (uint32_t i = roll(w, 4); i > 0 && !external && members + i < MEMBERS; i--) add_one(w, &r);
  if (external) {
    sender = tw_tree_next_free(r.tree);
    kit_member_init(env, w->suite, w->number++, &w->member[sender]);
    w->member[sender].priv.leaf_index = sender;
    w->member[sender].present = true;
  }
  if (!only_adds || roll(w, 2) == 0) commit_path(w, &r, sender);
  for (uint32_t i = 0; i < w->plain.leaves; i++) {
    if (w->member[i].present) tw_tree_private_prune(&w->member[i].priv, r.tree);
  }
  kit_same(&w->plain, r.tree);
  kit_same(&w->plain, r.seen);
  /* The version before is as it was. */
  kit_same(&before, w->tree);
  tw_tree_free(w->tree);
  tw_tree_free(r.seen);
  w->tree = r.tree;
}

static void history(uint16_t suite, uint64_t seed, uint32_t commits) {
  static world w;
  tw_test_env test;
  round r = {0};
  tw_test_env_init(&test, seed);
  memset(&w, 0, sizeof w);
  w.test = &test;
  w.suite = tw_suite_by_id(&test.env, suite);
  w.dice = seed * 0x9e3779b97f4a7c15u + 1;
  w.plain.env = &test.env;
  w.plain.suite = w.suite;
  assert_int_equal(tw_tree_new(&test.env, w.suite, &r.tree), TW_OK);
  assert_int_equal(tw_tree_clone(r.tree, &r.seen), TW_OK);
  add_one(&w, &r);
  tw_tree_free(r.seen);
  w.tree = r.tree;
  for (uint32_t i = 0; i < commits; i++) {
    one_commit(&w);
    if (i % 8 == 0) validate(&w);
  }
  validate(&w);
  for (uint32_t i = 0; i < KIT_LEAVES; i++) kit_member_clear(&test.env, &w.member[i]);
  tw_tree_free(w.tree);
  tw_test_env_clear(&test);
}

static void random_histories(void **state) {
  (void)state;
  const unsigned seeds = tw_test_rounds(8, 2);
  for (unsigned seed = 1; seed <= seeds; seed++) history(1, seed, 50);
}

static void random_history_other_hash(void **state) {
  (void)state;
  history(2, 77, 12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_histories),
      cmocka_unit_test(random_history_other_hash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
