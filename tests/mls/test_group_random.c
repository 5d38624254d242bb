/* Random schedules of groups that grow, shrink and race, against a plain list of who is where. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tw_test_bent.h"

/*
 * One seed is one history, and is printed when it fails. TREEWIRE_STEPS makes it longer than the few epochs of a quick
 * run. The model: which member stands at which leaf; a Remove blanks, an Add or external joiner takes the
 * leftmost blank.
 */
#ifndef STEPS
#define STEPS 20
#endif
enum { POOL = 12, LEAVES = 2 * POOL, NOBODY = -1, LATE = 5 };

typedef struct world {
  tw_test_env test;
  tw_test_member member[POOL];
  int at[LEAVES]; /* the model */
  uint64_t rng;
  unsigned seed;
  unsigned step;
} world;

static uint32_t pick(world *w, uint32_t below) {
  w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(w->rng >> 33) % below;
}

static bool chance(world *w, uint32_t in) { return pick(w, in) == 0; }

static void must(const world *w, tw_err err, const char *what) {
  if (err != TW_OK) fail_msg("seed %u step %u: %s: %s", w->seed, w->step, what, tw_err_text(err));
}

/* ---- the model ---- */

static int leaf_of(const world *w, int who) {
  for (int i = 0; i < LEAVES; i++) {
    if (w->at[i] == who) return i;
  }
  return NOBODY;
}

static bool is_in(const world *w, int who) { return leaf_of(w, who) != NOBODY; }

static int count(const world *w) {
  int n = 0;
  for (int i = 0; i < LEAVES; i++) n += w->at[i] != NOBODY;
  return n;
}

static void model_add(world *w, int who) {
  for (int i = 0; i < LEAVES; i++) {
    if (w->at[i] != NOBODY) continue;
    w->at[i] = who;
    return;
  }
}

static void model_remove(world *w, int who) { w->at[leaf_of(w, who)] = NOBODY; }

/* A random member that is in (or not) and not marked; NOBODY if there is none. */
static int any(world *w, bool in, const bool *taken) {
  const uint32_t start = pick(w, POOL);
  for (uint32_t i = 0; i < POOL; i++) {
    const int who = (int)((start + i) % POOL);
    if (is_in(w, who) == in && !taken[who]) return who;
  }
  return NOBODY;
}

static void agree(world *w) {
  tw_test_member *now[POOL];
  size_t n = 0;
  for (int who = 0; who < POOL; who++) {
    if (is_in(w, who)) now[n++] = &w->member[who];
  }
  tw_test_agree(now, n);
  for (size_t i = 0; i < n; i++) {
    const tw_group *group = now[i]->group;
    assert_int_equal(tw_group_member_count(group), n);
    assert_int_equal(tw_group_own_leaf(group), leaf_of(w, (int)(now[i] - w->member)));
    must(w, tw_tree_private_check(group->env, group->suite, &group->priv, group->tree), "private keys");
    tw_member member;
    uint32_t leaf = 0;
    for (int k = 0; k < LEAVES; k++) {
      if (w->at[k] == NOBODY) continue;
      assert_true(tw_group_next_member(group, &leaf, &member));
      assert_int_equal(leaf, k);
      const char *name = w->member[w->at[k]].name;
      tw_test_same(member.credential.identity, TW_BYTES((const uint8_t *)name, strlen(name)));
      leaf++;
    }
    assert_false(tw_group_next_member(group, &leaf, &member));
  }
  const tw_group *one = now[pick(w, (uint32_t)n)]->group;
  must(w, tw_tree_validate(one->tree, one->context.group_id, one->context.extensions, one->context.tree_hash), "tree");
}

/* ---- steps ---- */

static void reload(world *w, int who) {
  tw_buf saved = {0};
  tw_group *group = NULL;
  must(w, tw_group_save(w->member[who].group, &saved), "save");
  must(w, tw_group_load(&w->member[who].client, tw_buf_bytes(&saved), &group), "load");
  tw_test_adopt(&w->member[who], group);
  tw_buf_clear(&saved);
}

/* What one epoch has been asked for. */
typedef struct plan {
  int by;
  bool taken[POOL];
  bool gone[POOL];
  int joiners[POOL]; /* in the order of the commit's Adds */
  tw_key_package *key_packages[POOL];
  int joiner_count;
  tw_buf list;
} plan;

static void plan_clear(plan *p) {
  for (int i = 0; i < p->joiner_count; i++) tw_key_package_free(p->key_packages[i]);
  tw_buf_clear(&p->list);
}

static void append_add(world *w, plan *p, tw_buf *list) {
  const int who = any(w, false, p->taken);
  if (who == NOBODY) return;
  p->taken[who] = true;
  tw_key_package *key_package = NULL;
  must(w, tw_key_package_new(&w->member[who].client, NULL, TW_TEST_NOW, &key_package), "key package");
  must(w, tw_propose_add(list, tw_key_package_message(key_package)), "add");
  p->joiners[p->joiner_count] = who;
  p->key_packages[p->joiner_count++] = key_package;
}

static int choose_to_go(world *w, plan *p) {
  int going = 0;
  for (int i = 0; i < POOL; i++) going += p->gone[i];
  const int who = count(w) - going > 3 ? any(w, true, p->taken) : NOBODY;
  if (who == NOBODY) return who;
  p->taken[who] = true;
  p->gone[who] = true;
  return who;
}

static void plan_values(world *w, plan *p) {
  while (chance(w, 2)) append_add(w, p, &p->list);
  if (chance(w, 4)) {
    const int who = choose_to_go(w, p);
    if (who != NOBODY) must(w, tw_propose_remove(&p->list, (uint32_t)leaf_of(w, who)), "remove");
  }
  if (chance(w, 4)) {
    const tw_psk_query psk = {.type = 1, .psk_id = TW_LITERAL("one")};
    must(w, tw_propose_psk(w->member[p->by].group, &p->list, &psk), "psk");
  }
}

static void collect(world *w, int from, const tw_buf *message) {
  for (int who = 0; who < POOL; who++) {
    tw_received received = {0};
    if (who == from || !is_in(w, who)) continue;
    must(w, tw_group_receive(w->member[who].group, tw_buf_bytes(message), TW_TEST_NOW, &received), "proposal");
    assert_int_equal(received.kind, TW_RECEIVED_PROPOSAL);
    tw_received_clear(&received);
  }
}

/* Proposals by others, in what order ever: each is for another leaf. */
static void plan_references(world *w, plan *p) {
  const tw_message_options options = {.plaintext = chance(w, 2)};
  const tw_message_options plain = {.plaintext = true};
  while (chance(w, 2)) {
    tw_buf message = {0};
    tw_buf one = {0};
    int from = any(w, true, p->taken);
    if (from == NOBODY) return;
    const uint32_t kind = pick(w, 4);
    if (kind == 0) {
      p->taken[from] = true;
      must(w, tw_group_propose_update(w->member[from].group, NULL, &options, &message), "update");
    } else if (kind == 1) {
      append_add(w, p, &one);
    } else if (kind == 2) {
      const int who = choose_to_go(w, p);
      if (who != NOBODY) must(w, tw_propose_remove(&one, (uint32_t)leaf_of(w, who)), "remove");
    } else {
      from = choose_to_go(w, p);
      if (from != NOBODY) must(w, tw_propose_self_remove(&one), "self remove");
    }
    if (one.len > 0)
      must(w,
           tw_group_propose(w->member[from].group, tw_buf_bytes(&one), kind == 3 ? &plain : &options, TW_TEST_NOW,
                            &message),
           "propose");
    if (message.len > 0) collect(w, from, &message);
    tw_buf_clear(&message);
    tw_buf_clear(&one);
  }
}

/* Everybody else processes; who goes is told so. */
static void deliver(world *w, const plan *p, tw_bytes commit) {
  for (int who = 0; who < POOL; who++) {
    tw_received received = {0};
    if (who == p->by || !is_in(w, who)) continue;
    if (chance(w, 4)) reload(w, who);
    must(w, tw_group_receive(w->member[who].group, commit, TW_TEST_NOW, &received), "commit");
    assert_int_equal(received.kind, p->gone[who] ? TW_RECEIVED_REMOVED : TW_RECEIVED_COMMIT);
    tw_group_free(w->member[who].group);
    w->member[who].group = received.next;
    received.next = NULL;
    tw_received_clear(&received);
  }
}

static void settle(world *w, plan *p, tw_commit_result *result) {
  deliver(w, p, tw_buf_bytes(&result->commit));
  tw_test_adopt(&w->member[p->by], result->next);
  result->next = NULL;
  for (int who = 0; who < POOL; who++) {
    if (p->gone[who]) model_remove(w, who);
  }
  tw_buf tree = {0};
  must(w, tw_group_ratchet_tree(w->member[p->by].group, &tree), "tree");
  const tw_join_options join = {.ratchet_tree = tw_buf_bytes(&tree)};
  for (int i = 0; i < p->joiner_count; i++) {
    tw_test_member *joiner = &w->member[p->joiners[i]];
    tw_group *group = NULL;
    must(w,
         tw_group_join(&joiner->client, p->key_packages[i], tw_buf_bytes(&result->welcome), &join, TW_TEST_NOW, &group),
         "join");
    tw_group_free(joiner->group);
    joiner->group = group;
    model_add(w, p->joiners[i]);
  }
  tw_buf_clear(&tree);
}

static void commit_step(world *w) {
  plan p = {.by = NOBODY};
  p.by = any(w, true, p.taken);
  p.taken[p.by] = true;
  plan_values(w, &p);
  plan_references(w, &p);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&p.list),
                                     .without_path = chance(w, 2),
                                     .plaintext = chance(w, 2),
                                     .tree_outside = chance(w, 2)};
  tw_commit_result loser = {0};
  const int other = any(w, true, p.taken);
  const bool race = other != NOBODY && chance(w, 3);
  if (race) must(w, tw_group_commit(w->member[other].group, NULL, TW_TEST_NOW, &loser), "commit that loses");
  tw_commit_result result = {0};
  must(w, tw_group_commit(w->member[p.by].group, &options, TW_TEST_NOW, &result), "commit");
  settle(w, &p, &result);
  if (race) {
    tw_received received = {0};
    assert_int_equal(tw_group_receive(w->member[p.by].group, tw_buf_bytes(&loser.commit), TW_TEST_NOW, &received),
                     TW_ERR_OLD_EPOCH);
  }
  tw_commit_result_clear(&loser);
  tw_commit_result_clear(&result);
  plan_clear(&p);
}

/* Somebody comes in from outside: a new one, or one that has lost its state and replaces itself. */
static void external_step(world *w) {
  plan p = {.by = NOBODY};
  const bool resync = chance(w, 2);
  p.by = any(w, resync, p.taken);
  if (p.by == NOBODY) return;
  p.taken[p.by] = true;
  const int helper = any(w, true, p.taken);
  const bool with_tree = chance(w, 2);
  tw_buf info = {0};
  tw_buf tree = {0};
  tw_commit_result result = {0};
  must(w, tw_group_info_message(w->member[helper].group, with_tree, TW_NO_BYTES, &info), "group info");
  must(w, tw_group_ratchet_tree(w->member[helper].group, &tree), "tree");
  if (resync) must(w, tw_propose_remove(&p.list, (uint32_t)leaf_of(w, p.by)), "resync");
  const tw_join_options join = {.ratchet_tree = tw_buf_bytes(&tree)};
  const tw_commit_options options = {.proposals = tw_buf_bytes(&p.list)};
  must(w, tw_group_join_external(&w->member[p.by].client, tw_buf_bytes(&info), &join, &options, TW_TEST_NOW, &result),
       "external join");
  deliver(w, &p, tw_buf_bytes(&result.commit));
  tw_group_free(w->member[p.by].group);
  w->member[p.by].group = result.next;
  result.next = NULL;
  if (resync) model_remove(w, p.by);
  model_add(w, p.by);
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&tree);
  plan_clear(&p);
}

/* A few application messages, read in any order or not at all before the epoch ends. */
static void talk(world *w, tw_buf *late) {
  const bool nobody[POOL] = {false};
  const uint32_t sent = pick(w, LATE + 1);
  int senders[LATE];
  for (uint32_t i = 0; i < sent; i++) {
    senders[i] = any(w, true, nobody);
    must(w,
         tw_group_protect(w->member[senders[i]].group, TW_BYTES((const uint8_t *)&i, sizeof i), TW_NO_BYTES, &late[i]),
         "protect");
  }
  for (int who = 0; who < POOL; who++) {
    if (!is_in(w, who) || sent == 0) continue;
    const uint32_t start = pick(w, sent);
    for (uint32_t k = 0; k < sent; k++) {
      const uint32_t i = (start + sent - k) % sent;
      tw_received received = {0};
      if (senders[i] == who || chance(w, 3)) continue;
      must(w, tw_group_receive(w->member[who].group, tw_buf_bytes(&late[i]), TW_TEST_NOW, &received), "message");
      tw_test_same(tw_buf_bytes(&received.data), TW_BYTES((const uint8_t *)&i, sizeof i));
      tw_received_clear(&received);
      if (chance(w, 4)) reload(w, who);
      assert_int_equal(tw_group_receive(w->member[who].group, tw_buf_bytes(&late[i]), TW_TEST_NOW, &received),
                       TW_ERR_DUPLICATE);
    }
  }
}

static void history(unsigned seed, unsigned steps) {
  world w = {.seed = seed, .rng = seed};
  tw_test_env_init(&w.test, seed);
  for (int i = 0; i < LEAVES; i++) w.at[i] = NOBODY;
  for (int i = 0; i < POOL; i++) {
    char name[24];
    (void)snprintf(name, sizeof name, "member %d", i);
    tw_test_member_init(&w.member[i], &w.test, tw_suite_by_id(&w.test.env, 1), name);
    w.member[i].psk = "psk";
  }
  tw_test_found(&w.member[0], TW_NO_BYTES);
  model_add(&w, 0);
  for (w.step = 0; w.step < steps; w.step++) {
    tw_buf late[LATE] = {{0}};
    talk(&w, late);
    const bool nobody[POOL] = {false};
    const uint64_t epoch = tw_group_epoch(w.member[any(&w, true, nobody)].group);
    if (count(&w) > 1 && chance(&w, 5)) {
      external_step(&w);
    } else {
      commit_step(&w);
    }
    agree(&w);
    const tw_group *now = w.member[any(&w, true, nobody)].group;
    for (int i = 0; i < LATE && tw_group_epoch(now) > epoch; i++) {
      if (late[i].len > 0) tw_test_refused(&w.member[any(&w, true, nobody)], tw_buf_bytes(&late[i]), TW_ERR_OLD_EPOCH);
    }
    for (int i = 0; i < LATE; i++) tw_buf_clear(&late[i]);
  }
  for (int i = 0; i < POOL; i++) tw_test_member_clear(&w.member[i]);
  tw_test_env_clear(&w.test);
}

static void every_history_keeps_the_members_together(void **state) {
  const char *more = getenv("TREEWIRE_STEPS");
  const unsigned steps = more != NULL ? (unsigned)strtoul(more, NULL, 10) : STEPS;
  (void)state;
  const unsigned seeds = tw_test_rounds(8, 2);
  for (unsigned seed = 1; seed <= seeds; seed++) history(seed, steps);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_history_keeps_the_members_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
