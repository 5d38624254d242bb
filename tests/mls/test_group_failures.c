/* Every allocation and every draw of randomness fails once: a clean error, no leak, and then all goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "tw_test_bent.h"

/* What operations work on, and leave here when they succeed. */
typedef struct scene {
  tw_test_people p;
  tw_test_member *who;
  tw_bytes input;
  const tw_commit_options *commit;
  const tw_join_options *join;
  const tw_key_package *with;
  const tw_bytes *key_packages;
  tw_key_package *key_package;
  tw_group *group;
  tw_commit_result result;
  tw_received received;
  tw_buf out;
} scene;

typedef tw_err (*operation)(scene *s);

static void people(scene *s, size_t count, tw_bytes extensions) {
  memset(s, 0, sizeof *s);
  tw_test_people_init(&s->p, 1);
  for (size_t i = 0; i < TW_TEST_MANY; i++) {
    s->p.all[i]->psk = "psk";
    s->p.all[i]->components = true;
  }
  if (count > 0) tw_test_gather(&s->p, count, extensions);
  s->out.alloc = &s->p.test.alloc;
}

static void done(scene *s) {
  tw_key_package_free(s->key_package);
  tw_group_free(s->group);
  tw_commit_result_clear(&s->result);
  tw_received_clear(&s->received);
  tw_buf_clear(&s->out);
  tw_test_people_clear(&s->p);
}

static void nothing_left(const scene *s, size_t blocks, size_t len) {
  assert_null(s->key_package);
  assert_null(s->group);
  assert_null(s->result.next);
  assert_null(s->result.commit.ptr);
  assert_null(s->result.welcome.ptr);
  assert_null(s->received.next);
  assert_null(s->received.data.ptr);
  assert_int_equal(s->out.len, len);
  assert_int_equal(s->p.test.alloc_blocks, blocks);
}

/* Until the operation is through. `receives`: a failure must not change the group's state to the byte. */
static void each_failure(scene *s, operation run, bool receives) {
  tw_buf before = {0};
  tw_test_env *test = &s->p.test;
  if (receives) assert_int_equal(tw_group_save(s->who->group, &before), TW_OK);
  /* Room for what is appended, and first uses out of the way. */
  assert_int_equal(tw_buf_reserve(&s->out, 65536), TW_OK);
  const size_t len = s->out.len;
  for (int random = 1; random >= 0; random--) {
    for (size_t n = 1;; n += tw_test_rounds(1, 7)) {
      const size_t blocks = test->alloc_blocks;
      if (random) tw_test_fail_random(test, n);
      if (!random) tw_test_fail_alloc(test, n);
      const tw_err err = run(s);
      const bool failed = random ? test->random_failed : test->alloc_failed;
      tw_test_fail_random(test, 0);
      tw_test_fail_alloc(test, 0);
      if (!failed) {
        if (err != TW_OK) fail_msg("without a failure: %s", tw_err_text(err));
        if (!random) break;
        /* Undo, for the allocator's turn. */
        tw_key_package_free(s->key_package);
        tw_group_free(s->group);
        tw_commit_result_clear(&s->result);
        tw_received_clear(&s->received);
        s->key_package = NULL;
        s->group = NULL;
        s->out.len = len;
        break;
      }
      if (err != (random ? TW_ERR_RANDOM : TW_ERR_NO_MEMORY))
        fail_msg("%s %zu: %s", random ? "draw" : "allocation", n, tw_err_text(err));
      nothing_left(s, blocks, len);
      if (!receives) continue;
      tw_buf after = {0};
      assert_int_equal(tw_group_save(s->who->group, &after), TW_OK);
      tw_test_same(tw_buf_bytes(&after), tw_buf_bytes(&before));
      tw_buf_clear(&after);
    }
  }
  tw_buf_clear(&before);
}

/* ---- key packages and groups of one ---- */

static tw_err key_package_new(scene *s) {
  const tw_key_package_options options = {.last_resort = true};
  return tw_key_package_new(&s->p.all[0]->client, &options, TW_TEST_NOW, &s->key_package);
}
static tw_err key_package_load(scene *s) {
  return tw_key_package_load(&s->p.all[0]->client, s->input, &s->key_package);
}
static tw_err group_create(scene *s) {
  return tw_group_create(&s->p.all[0]->client, TW_LITERAL("a group"), s->input, TW_TEST_NOW, &s->group);
}

static void key_packages(void **state) {
  scene s;
  tw_buf saved = {0};
  (void)state;
  people(&s, 0, TW_NO_BYTES);
  each_failure(&s, key_package_new, false);
  assert_int_equal(tw_key_package_save(s.key_package, &saved), TW_OK);
  tw_key_package_free(s.key_package);
  s.key_package = NULL;
  s.input = tw_buf_bytes(&saved);
  each_failure(&s, key_package_load, false);
  tw_buf_clear(&saved);
  done(&s);
}

static void creation(void **state) {
  scene s;
  tw_buf extensions = {0};
  (void)state;
  people(&s, 0, TW_NO_BYTES);
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("x")), TW_OK);
  s.input = tw_buf_bytes(&extensions);
  each_failure(&s, group_create, false);
  tw_buf_clear(&extensions);
  done(&s);
}

/* ---- commits and joins ---- */

static tw_err commit(scene *s) { return tw_group_commit(s->who->group, s->commit, TW_TEST_NOW, &s->result); }
static tw_err join(scene *s) {
  return tw_group_join(&s->who->client, s->with, s->input, s->join, TW_TEST_NOW, &s->group);
}
static tw_err join_external(scene *s) {
  return tw_group_join_external(&s->who->client, s->input, NULL, s->commit, TW_TEST_NOW, &s->result);
}
static tw_err receive(scene *s) { return tw_group_receive(s->who->group, s->input, TW_TEST_NOW, &s->received); }

/* The scene's commit is received by `count` members, each after all its failures; the result is the caller's. */
static tw_commit_result received_by_all(scene *s, tw_test_member *const *members, size_t count) {
  const tw_commit_result result = s->result;
  s->result = (tw_commit_result){0};
  s->input = tw_buf_bytes(&result.commit);
  for (size_t i = 0; i < count; i++) {
    s->who = members[i];
    each_failure(s, receive, true);
    tw_test_adopt(members[i], s->received.next);
    s->received.next = NULL;
    tw_received_clear(&s->received);
  }
  return result;
}

/* An Add, PSKs and components by value, an Update and a Remove by reference; everybody comes to the same epoch. */
static void commits_in_the_clear(void **state) {
  scene s;
  tw_buf list = {0};
  tw_buf message = {0};
  (void)state;
  people(&s, 5, TW_NO_BYTES);
  tw_test_member *const *all = s.p.all;
  tw_key_package *key_package = tw_test_key_package(all[5]);
  const tw_psk_query external = {.type = 1, .psk_id = TW_LITERAL("one")};
  const tw_psk_query past = {
      .type = 2, .usage = 1, .psk_group_id = TW_LITERAL("a group"), .psk_epoch = tw_group_epoch(all[0]->group)};
  assert_int_equal(tw_propose_psk(all[0]->group, &list, &external), TW_OK);
  assert_int_equal(tw_propose_psk(all[0]->group, &list, &past), TW_OK);
  assert_int_equal(tw_propose_add(&list, tw_key_package_message(key_package)), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&list, 0x9001, TW_LITERAL("data")), TW_OK);
  assert_int_equal(tw_propose_app_ephemeral(&list, 0x9001, TW_LITERAL("data")), TW_OK);
  tw_buf extensions = {0};
  assert_int_equal(tw_component_set(&extensions, 0x9002, TW_LITERAL("x")), TW_OK);
  assert_int_equal(tw_propose_extensions(&list, tw_buf_bytes(&extensions)), TW_OK);
  assert_int_equal(tw_group_propose_update(all[1]->group, NULL, NULL, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, (tw_test_member *[]){all[0], all[2], all[3], all[4]},
                  4);
  tw_buf remove = {0};
  assert_int_equal(tw_propose_remove(&remove, 4), TW_OK);
  message.len = 0;
  assert_int_equal(tw_group_propose(all[2]->group, tw_buf_bytes(&remove), NULL, TW_TEST_NOW, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, (tw_test_member *[]){all[0], all[1], all[3], all[4]},
                  4);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list), .plaintext = true, .want_group_info = true};
  s.who = all[0];
  s.commit = &options;
  each_failure(&s, commit, false);
  tw_commit_result result = received_by_all(&s, &all[1], 3);
  s.who = all[5];
  s.with = key_package;
  s.input = tw_buf_bytes(&result.welcome);
  all[5]->origin = all[0]->group; /* where it has the resumption PSK from */
  each_failure(&s, join, false);
  all[5]->origin = NULL;
  tw_test_adopt(all[5], s.group);
  s.group = NULL;
  tw_test_adopt(all[0], result.next);
  result.next = NULL;
  tw_test_member *now[] = {all[0], all[1], all[2], all[3], all[5]};
  tw_test_agree(now, 5);
  tw_test_talk(now, 5);
  tw_commit_result_clear(&result);
  tw_key_package_free(key_package);
  tw_buf_clear(&list);
  tw_buf_clear(&message);
  tw_buf_clear(&remove);
  tw_buf_clear(&extensions);
  done(&s);
}

/*
 * Reading a PrivateMessage uses its key up, so no success may come before the last failure; receiving draws nothing.
 * The secret tree may remember what it has found: leaks are told at the end.
 */
static void each_allocation(scene *s, operation run) {
  tw_test_env *test = &s->p.test;
  tw_buf before = {0};
  assert_int_equal(tw_group_save(s->who->group, &before), TW_OK);
  for (size_t n = 1;; n += tw_test_rounds(1, 7)) {
    tw_test_fail_alloc(test, n);
    const tw_err err = run(s);
    const bool failed = test->alloc_failed;
    tw_test_fail_alloc(test, 0);
    if (!failed) {
      if (err != TW_OK) fail_msg("without a failure: %s", tw_err_text(err));
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(s->received.next);
    tw_buf after = {0};
    assert_int_equal(tw_group_save(s->who->group, &after), TW_OK);
    tw_test_same(tw_buf_bytes(&after), tw_buf_bytes(&before));
    tw_buf_clear(&after);
  }
  tw_buf_clear(&before);
}

static tw_err propose(scene *s) { return tw_group_propose(s->who->group, s->input, NULL, TW_TEST_NOW, &s->out); }
static tw_err propose_update(scene *s) { return tw_group_propose_update(s->who->group, NULL, NULL, &s->out); }
static tw_err protect(scene *s) { return tw_group_protect(s->who->group, TW_LITERAL("x"), TW_NO_BYTES, &s->out); }

/* Forgets what was proposed in vain, and nothing else. */
static void undo(scene *s, const tw_buf *before) {
  tw_group *group = NULL;
  assert_int_equal(tw_group_load(&s->who->client, tw_buf_bytes(before), &group), TW_OK);
  tw_test_adopt(s->who, group);
  s->out.len = 0;
}

/* As each_failure, for what changes the sender's own state when it succeeds. */
static void each_failure_once(scene *s, operation run) {
  tw_test_env *test = &s->p.test;
  assert_int_equal(tw_buf_reserve(&s->out, 65536), TW_OK);
  s->out.len = 0;
  tw_buf before = {0};
  assert_int_equal(tw_group_save(s->who->group, &before), TW_OK);
  for (int random = 1; random >= 0; random--) {
    for (size_t n = 1;; n += tw_test_rounds(1, 7)) {
      const size_t count = s->who->group->proposals.count;
      if (random) tw_test_fail_random(test, n);
      if (!random) tw_test_fail_alloc(test, n);
      const tw_err err = run(s);
      const bool failed = random ? test->random_failed : test->alloc_failed;
      tw_test_fail_random(test, 0);
      tw_test_fail_alloc(test, 0);
      if (!failed) {
        assert_int_equal(err, TW_OK);
        break;
      }
      assert_int_equal(err, random ? TW_ERR_RANDOM : TW_ERR_NO_MEMORY);
      assert_int_equal(s->out.len, 0);
      assert_int_equal(s->who->group->proposals.count, count);
    }
    if (random) undo(s, &before);
  }
  tw_buf_clear(&before);
}

static void messages_in_private(void **state) {
  scene s;
  tw_buf list = {0};
  (void)state;
  people(&s, 3, TW_NO_BYTES);
  tw_test_member *const *all = s.p.all;
  tw_buf message = {0};
  /* application data */
  s.who = all[0];
  each_failure_once(&s, protect);
  assert_int_equal(tw_buf_assign(&message, tw_buf_bytes(&s.out)), TW_OK);
  for (size_t i = 1; i < 3; i++) {
    s.who = all[i];
    s.input = tw_buf_bytes(&message);
    each_allocation(&s, receive);
    tw_received_clear(&s.received);
  }
  /* proposals */
  assert_int_equal(tw_propose_remove(&list, 2), TW_OK);
  const operation sending[] = {propose, propose_update};
  for (size_t k = 0; k < 2; k++) {
    s.who = all[k];
    s.input = tw_buf_bytes(&list);
    each_failure_once(&s, sending[k]);
    assert_int_equal(tw_buf_assign(&message, tw_buf_bytes(&s.out)), TW_OK);
    for (size_t i = 0; i < 3; i++) {
      if (i == k) continue;
      s.who = all[i];
      s.input = tw_buf_bytes(&message);
      each_allocation(&s, receive);
      tw_received_clear(&s.received);
    }
  }
  /* a commit of them */
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(all[0]->group, NULL, TW_TEST_NOW, &result), TW_OK);
  s.who = all[1];
  s.input = tw_buf_bytes(&result.commit);
  each_allocation(&s, receive);
  tw_test_adopt(all[1], s.received.next);
  s.received.next = NULL;
  tw_received_clear(&s.received);
  s.who = all[2];
  each_allocation(&s, receive);
  assert_int_equal(s.received.kind, TW_RECEIVED_REMOVED);
  tw_test_adopt(all[0], result.next);
  result.next = NULL;
  tw_test_agree(all, 2);
  tw_test_talk(all, 2);
  tw_commit_result_clear(&result);
  tw_buf_clear(&message);
  tw_buf_clear(&list);
  done(&s);
}

static void external_joins(void **state) {
  scene s;
  tw_buf info = {0};
  tw_buf list = {0};
  (void)state;
  people(&s, 3, TW_NO_BYTES);
  tw_test_member *const *all = s.p.all;
  assert_int_equal(tw_group_info_message(all[0]->group, true, TW_NO_BYTES, &info), TW_OK);
  const tw_psk_query external = {.type = 1, .psk_id = TW_LITERAL("one")};
  assert_int_equal(tw_propose_psk(all[0]->group, &list, &external), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  s.who = all[3];
  s.commit = &options;
  s.input = tw_buf_bytes(&info);
  each_failure(&s, join_external, false);
  tw_commit_result result = received_by_all(&s, &all[0], 3);
  tw_test_adopt(all[3], result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_test_goes_on(&s.p, 4);
  tw_buf_clear(&info);
  tw_buf_clear(&list);
  done(&s);
}

/* ---- subgroups, state, what a group gives ---- */

static tw_err branch(scene *s) {
  return tw_group_branch(s->who->group, &s->who->client, TW_LITERAL("branch"), s->key_packages, 2, TW_TEST_NOW,
                         &s->result);
}
static tw_err reinit(scene *s) {
  return tw_group_reinit(s->who->group, &s->who->client, s->key_packages, 2, TW_TEST_NOW, &s->result);
}

static void subgroups(void **state) {
  scene s;
  tw_buf list = {0};
  (void)state;
  people(&s, 3, TW_NO_BYTES);
  tw_test_member *const *all = s.p.all;
  for (int successor = 0; successor < 2; successor++) {
    if (successor) {
      assert_int_equal(tw_propose_reinit(all[0]->group, &list, TW_LITERAL("next"), all[0]->client.suite, TW_NO_BYTES),
                       TW_OK);
      const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
      tw_test_commit(all[0], &options, &all[1], 2, NULL);
    }
    tw_key_package *key_packages[2] = {tw_test_key_package(all[1]), tw_test_key_package(all[2])};
    const tw_bytes messages[2] = {tw_key_package_message(key_packages[0]), tw_key_package_message(key_packages[1])};
    s.key_packages = messages;
    s.who = all[0];
    each_failure(&s, successor ? reinit : branch, false);
    tw_commit_result result = s.result;
    s.result = (tw_commit_result){0};
    s.input = tw_buf_bytes(&result.welcome);
    for (size_t i = 0; i < 2; i++) {
      s.who = all[i + 1];
      s.with = key_packages[i];
      const tw_join_options options = {.origin = s.who->group};
      s.join = &options;
      each_failure(&s, join, false);
      tw_test_same(tw_group_epoch_authenticator(s.group), tw_group_epoch_authenticator(result.next));
      tw_group_free(s.group);
      s.group = NULL;
    }
    for (size_t i = 0; i < 2; i++) tw_key_package_free(key_packages[i]);
    tw_commit_result_clear(&result);
  }
  tw_buf_clear(&list);
  done(&s);
}

static tw_err save(scene *s) { return tw_group_save(s->who->group, &s->out); }
static tw_err load(scene *s) { return tw_group_load(&s->who->client, s->input, &s->group); }
static tw_err group_info(scene *s) { return tw_group_info_message(s->who->group, true, TW_NO_BYTES, &s->out); }
static tw_err safe_sign(scene *s) {
  return tw_group_safe_sign(s->who->group, 0x9001, TW_LITERAL("label"), TW_LITERAL("content"), &s->out);
}

static void state_and_exports(void **state) {
  scene s;
  tw_buf message = {0};
  tw_buf saved = {0};
  (void)state;
  people(&s, 3, TW_NO_BYTES);
  tw_test_member *const *all = s.p.all;
  tw_test_goes_on(&s.p, 3);
  for (size_t i = 0; i < 2; i++) {
    message.len = 0;
    assert_int_equal(tw_group_propose_update(all[i]->group, NULL, NULL, &message), TW_OK);
    tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, &all[1 - i], 1);
  }
  s.who = all[0];
  each_failure(&s, save, false);
  assert_int_equal(tw_buf_assign(&saved, tw_buf_bytes(&s.out)), TW_OK);
  s.out.len = 0;
  s.input = tw_buf_bytes(&saved);
  each_failure(&s, load, true);
  tw_test_adopt(all[0], s.group);
  s.group = NULL;
  each_failure(&s, group_info, true);
  s.out.len = 0;
  each_failure(&s, safe_sign, true);
  tw_group_forget_proposals(all[0]->group);
  tw_group_forget_proposals(all[1]->group);
  tw_test_goes_on(&s.p, 3);
  tw_buf_clear(&message);
  tw_buf_clear(&saved);
  done(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(key_packages),        cmocka_unit_test(creation),       cmocka_unit_test(commits_in_the_clear),
      cmocka_unit_test(messages_in_private), cmocka_unit_test(external_joins), cmocka_unit_test(subgroups),
      cmocka_unit_test(state_and_exports),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
