/* Groups whose tree has no blanks and no unmerged leaves. SPDX-License-Identifier: Apache-2.0 */
#include "filled.h"

#include <string.h>

#include "mls/epoch.h"
#include "mls/key_package_make.h"
#include "mls/leaf_make.h"
#include "mls/schedule.h"

/*
 * Ten thousand members who join and commit one by one would each need the whole group. But a path needs only its
 * maker's leaf and the tree: so all leaves are put in place first, and then every second one makes its update path in
 * the one tree, which sets every parent. No path is encrypted to anybody, since the only two views that are needed, of
 * the last to commit and of those who process, follow from the last path secrets. The tree is one that a joiner
 * accepts, which is checked.
 */

static const tw_bytes group_id = {(const uint8_t *)"bench: filled", 13};

typedef struct seat {
  bench_person person;
  tw_secret leaf_key;
} seat;

static void take_seat(tw_tree *tree, const tw_env *env, const tw_suite *suite, seat *at, uint32_t index) {
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_own_leaf leaf = {0};
  tw_buf encoded = TW_BUF_INIT(NULL);
  uint32_t got;
  bench_person_init(&at->person, env, suite, index);
  BENCH_OK(tw_own_leaf_make(&at->person.client, &leaf));
  BENCH_OK(tw_kem_generate(env, suite, &at->leaf_key, public_key));
  leaf.fields.encryption_key = TW_BYTES(public_key, suite->kem->public_size);
  leaf.fields.source = TW_LEAF_KEY_PACKAGE;
  tw_lifetime_default(BENCH_NOW, &leaf.fields.not_before, &leaf.fields.not_after);
  BENCH_OK(tw_leaf_node_make(env, suite, at->person.client.signer, &leaf.fields, group_id, index, &encoded));
  BENCH_OK(tw_tree_add_leaf(tree, tw_buf_bytes(&encoded), &got));
  BENCH_TRUE(got == index);
  tw_buf_clear(&encoded);
  tw_own_leaf_clear(&leaf);
}

static void commit_in(tw_tree *tree, const seat *at, uint32_t index, tw_tree_private *priv, tw_path_secrets *path) {
  tw_leaf_node_fields fields;
  tw_leaf_fields_from(tw_tree_leaf(tree, index), &fields);
  priv->leaf_index = index;
  BENCH_OK(tw_path_generate(tree, priv, at->person.client.signer, &fields, group_id, path));
}

static void commit_and_forget(tw_tree *tree, const tw_env *env, const seat *at, uint32_t index) {
  tw_tree_private priv = {0};
  tw_path_secrets path = {0};
  commit_in(tree, at, index, &priv, &path);
  tw_tree_private_clear(env, &priv);
  tw_path_secrets_clear(env, &path);
}

static tw_group *group_of(const bench_person *person, const tw_tree *tree, tw_tree_private *priv) {
  const tw_env *env = person->client.env;
  const tw_suite *suite = person->client.suite;
  const uint8_t nothing[TW_HASH_MAX] = {0};
  uint8_t tree_hash[TW_HASH_MAX];
  tw_group *group;
  BENCH_OK(tw_group_new(&person->client, &group));
  BENCH_OK(tw_tree_clone(tree, &group->tree));
  BENCH_OK(tw_tree_hash(group->tree, tree_hash));
  group->signer = tw_signer_ref(person->client.signer);
  group->priv = *priv;
  *priv = (tw_tree_private){0};
  const tw_group_context context = {
      .version = TW_MLS10,
      .cipher_suite = tw_suite_id(env, suite),
      .group_id = group_id,
      .epoch = 1000,
      .tree_hash = tw_group_hash_bytes(group, tree_hash),
      .confirmed_transcript_hash = tw_group_hash_bytes(group, nothing),
  };
  BENCH_OK(tw_group_set_context(group, &context));
  BENCH_OK(tw_epoch_secrets_expand(env, suite, tw_group_hash_bytes(group, nothing), &group->secrets));
  BENCH_OK(tw_group_plant_trees(group));
  BENCH_OK(tw_group_confirm(group));
  return group;
}

static void join(const tw_tree *tree, const tw_path_secrets *path, tw_tree_private *priv) {
  const tw_secret *secret = tw_path_secret_for(tree, path, 0, priv->leaf_index);
  BENCH_TRUE(secret != NULL);
  BENCH_OK(tw_path_join(tree, priv, 0, tw_secret_bytes(secret)));
}

static void fill(bench_filled *filled, tw_tree *tree, seat *seats, uint32_t members) {
  const tw_env *env = seats[0].person.client.env;
  const uint32_t last = members - 1;
  tw_tree_private priv[BENCH_FILLED_VIEWS] = {{0}};
  tw_path_secrets path = {0};
  tw_path_secrets ignored = {0};
  for (uint32_t i = 2; i < last; i += 2) commit_and_forget(tree, env, &seats[i], i);
  commit_in(tree, &seats[last], last, &priv[BENCH_FAR], &ignored);
  commit_in(tree, &seats[0], 0, &priv[BENCH_COMMITTER], &path);
  join(tree, &path, &priv[BENCH_FAR]);
  priv[BENCH_NEAR].leaf_index = 1;
  priv[BENCH_NEAR].leaf_key = seats[1].leaf_key;
  join(tree, &path, &priv[BENCH_NEAR]);
  tw_path_secrets_clear(env, &path);
  tw_path_secrets_clear(env, &ignored);
  const uint32_t index[BENCH_FILLED_VIEWS] = {0, 1, last};
  for (unsigned i = 0; i < BENCH_FILLED_VIEWS; i++) {
    BENCH_OK(tw_tree_private_check(env, filled->suite, &priv[i], tree));
    filled->person[i] = seats[index[i]].person;
    filled->person[i].client.credential.identity.ptr = (const uint8_t *)filled->person[i].name;
    seats[index[i]].person.client.signer = NULL;
    filled->group[i] = group_of(&filled->person[i], tree, &priv[i]);
  }
}

void bench_filled_init(bench_filled *filled, const tw_env *env, const tw_suite *suite, uint32_t members) {
  tw_tree *tree;
  seat *seats = calloc(members, sizeof *seats);
  BENCH_TRUE(seats != NULL && members >= 3);
  *filled = (bench_filled){.suite = suite};
  BENCH_OK(tw_tree_new(env, suite, &tree));
  for (uint32_t i = 0; i < members; i++) take_seat(tree, env, suite, &seats[i], i);
  fill(filled, tree, seats, members);
  if (members <= 100) BENCH_OK(tw_tree_validate(tree, group_id, TW_NO_BYTES, TW_NO_BYTES));
  tw_tree_free(tree);
  for (uint32_t i = 0; i < members; i++) bench_person_clear(&seats[i].person);
  free(seats);
}

void bench_filled_clear(bench_filled *filled) {
  for (unsigned i = 0; i < BENCH_FILLED_VIEWS; i++) {
    tw_group_free(filled->group[i]);
    bench_person_clear(&filled->person[i]);
  }
}
