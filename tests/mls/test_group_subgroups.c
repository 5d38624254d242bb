/* Branches and successors, and those that are refused: RFC 9420 sections 11.2 and 11.3. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/commit_make.h"
#include "tw_test_bent.h"

/* ---- as they should be ---- */

static void subgroup(tw_test_people *p, bool reinit) {
  tw_commit_result result = {0};
  tw_key_package *key_packages[2] = {tw_test_key_package(p->all[1]), tw_test_key_package(p->all[2])};
  const tw_bytes messages[2] = {tw_key_package_message(key_packages[0]), tw_key_package_message(key_packages[1])};
  tw_group *origin = p->all[0]->group;
  const tw_err err = reinit ? tw_group_reinit(origin, &p->all[0]->client, messages, 2, TW_TEST_NOW, &result)
                            : tw_group_branch(origin, &p->all[0]->client, TW_LITERAL("a branch"), messages, 2,
                                              TW_TEST_NOW, &result);
  if (err != TW_OK) fail_msg("subgroup: %s", tw_err_text(err));
  for (size_t i = 1; i < 3; i++) {
    tw_group *joined = NULL;
    tw_join_options join = {.origin = NULL};
    assert_int_not_equal(tw_group_join(&p->all[i]->client, key_packages[i - 1], tw_buf_bytes(&result.welcome), &join,
                                       TW_TEST_NOW, &joined),
                         TW_OK);
    join.origin = p->all[i]->group;
    assert_int_equal(tw_group_join(&p->all[i]->client, key_packages[i - 1], tw_buf_bytes(&result.welcome), &join,
                                   TW_TEST_NOW, &joined),
                     TW_OK);
    tw_test_adopt(p->all[i], joined);
    tw_key_package_free(key_packages[i - 1]);
  }
  tw_test_adopt(p->all[0], result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  assert_int_equal(tw_group_epoch(p->all[0]->group), 1);
  tw_test_agree(p->all, 3);
  tw_test_talk(p->all, 3);
}

static void a_branch_has_some_of_the_members(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 4, TW_NO_BYTES);
  subgroup(&p, false);
  tw_test_people_clear(&p);
}

static void a_reinitialised_group_goes_on_in_its_successor(void **state) {
  tw_test_people p;
  tw_buf proposals = {0};
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 2);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(
      tw_propose_reinit(p.all[1]->group, &proposals, TW_LITERAL("successor"), p.all[0]->client.suite, TW_NO_BYTES),
      TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true};
  tw_test_commit(p.all[1], &options, (tw_test_member *[]){p.all[0], p.all[2]}, 2, NULL);
  tw_test_agree(p.all, 3);
  assert_true(tw_group_is_closed(p.all[0]->group));
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, NULL, TW_TEST_NOW, &result), TW_ERR_CLOSED);
  assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_ERR_CLOSED);
  subgroup(&p, true);
  tw_test_same(tw_group_id(p.all[2]->group), TW_LITERAL("successor"));
  tw_buf_clear(&proposals);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* ---- refused ---- */

/* What the founder of a subgroup does wrong. */
typedef struct founding {
  const char *group_id;
  uint8_t usage;
  bool late; /* not in the first commit */
  bool no_link;
  bool two_links;
  uint64_t link_epoch_more;
  const char *link_group;
  size_t count;                 /* bob, charlie, dora, … are in it */
  uint16_t extension_component; /* in its GroupContext's dictionary, where not 0 */
} founding;

static void append_link(tw_buf *list, const tw_group *origin, const founding *f) {
  static uint8_t nonce[32];
  nonce[0]++;
  const tw_psk_id id = {.type = TW_PSK_RESUMPTION,
                        .usage = f->usage,
                        .group_id = f->link_group != NULL
                                        ? TW_BYTES((const uint8_t *)f->link_group, strlen(f->link_group))
                                        : origin->context.group_id,
                        .epoch = origin->context.epoch + f->link_epoch_more,
                        .nonce = TW_ARRAY(nonce)};
  tw_writer w = tw_writer_to(list);
  tw_write_proposal_psk(&w, &id);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* alice founds the subgroup out of `p`; bob is asked to join it. */
static tw_err found(tw_test_people *p, const founding *f) {
  static const tw_commit_options options = {0};
  tw_test_member *alice = p->all[0];
  tw_test_member *bob = p->all[1];
  tw_group *origin = alice->group;
  tw_group *fresh = NULL;
  tw_buf list = {0};
  tw_buf extensions = {0};
  tw_commit_result result = {0};
  if (f->extension_component != 0)
    assert_int_equal(tw_component_set(&extensions, f->extension_component, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_group_create(&alice->client, TW_BYTES((const uint8_t *)f->group_id, strlen(f->group_id)),
                                   tw_buf_bytes(&extensions), TW_TEST_NOW, &fresh),
                   TW_OK);
  if (f->late) {
    assert_int_equal(tw_group_commit(fresh, NULL, TW_TEST_NOW, &result), TW_OK);
    tw_group_free(fresh);
    fresh = result.next;
    result.next = NULL;
    tw_commit_result_clear(&result);
  }
  tw_key_package *key_packages[TW_TEST_MANY] = {NULL};
  for (size_t i = 0; i < f->count; i++) {
    key_packages[i] = tw_test_key_package(p->all[i + 1]);
    assert_int_equal(tw_propose_add(&list, tw_key_package_message(key_packages[i])), TW_OK);
  }
  if (!f->no_link) append_link(&list, origin, f);
  if (f->two_links) {
    founding other = *f;
    other.usage = f->usage == TW_RESUMPTION_BRANCH ? TW_RESUMPTION_REINIT : TW_RESUMPTION_BRANCH;
    append_link(&list, origin, &other);
  }
  alice->psk = "psk";
  alice->origin = NULL;
  tw_commit_work work = {
      .from = fresh, .options = &options, .committer = {TW_SENDER_MEMBER, 0}, .now = TW_TEST_NOW, .origin = origin};
  assert_int_equal(tw_commit_work_append(&work, tw_buf_bytes(&list)), TW_OK);
  tw_err err = tw_commit_work_run(&work, &result);
  tw_commit_work_clear(&work);
  if (err == TW_OK) {
    tw_group *joined = NULL;
    const tw_join_options join = {.origin = bob->group};
    err = tw_group_join(&bob->client, key_packages[0], tw_buf_bytes(&result.welcome), &join, TW_TEST_NOW, &joined);
    tw_group_free(joined);
  }
  tw_commit_result_clear(&result);
  for (size_t i = 0; i < f->count; i++) tw_key_package_free(key_packages[i]);
  tw_group_free(fresh);
  tw_buf_clear(&list);
  tw_buf_clear(&extensions);
  return err;
}

static void branches_that_do_not_fit(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  const founding good = {.group_id = "branch", .usage = TW_RESUMPTION_BRANCH, .count = 2};
  assert_int_equal(found(&p, &good), TW_OK);
  founding bad = good;
  bad.late = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.no_link = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.two_links = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.count = 3; /* dora is not in the origin */
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.usage = TW_RESUMPTION_REINIT; /* the origin was not closed */
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.link_group = "another group";
  assert_int_equal(found(&p, &bad), TW_ERR_MISSING_PSK);
  bad = good;
  bad.link_epoch_more = 1;
  assert_int_equal(found(&p, &bad), TW_ERR_MISSING_PSK);
  /* and the library's own founder does not make them */
  tw_key_package *dora = tw_test_key_package(p.all[3]);
  const tw_bytes stranger = tw_key_package_message(dora);
  tw_commit_result result = {0};
  assert_int_equal(
      tw_group_branch(p.all[0]->group, &p.all[0]->client, TW_LITERAL("b"), &stranger, 1, TW_TEST_NOW, &result),
      TW_ERR_ARGUMENT);
  assert_int_equal(tw_group_reinit(p.all[0]->group, &p.all[0]->client, &stranger, 1, TW_TEST_NOW, &result),
                   TW_ERR_STATE);
  tw_key_package_free(dora);
  tw_test_goes_on(&p, 3);
  tw_test_people_clear(&p);
}

static void successors_that_do_not_fit(void **state) {
  tw_test_people p;
  tw_buf list = {0};
  tw_buf extensions = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_NO_BYTES), TW_OK);
  assert_int_equal(
      tw_propose_reinit(p.all[0]->group, &list, TW_LITERAL("next"), p.all[0]->client.suite, tw_buf_bytes(&extensions)),
      TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  tw_test_commit(p.all[0], &options, &p.all[1], 2, NULL);
  const founding good = {.group_id = "next", .usage = TW_RESUMPTION_REINIT, .count = 2, .extension_component = 0x9001};
  assert_int_equal(found(&p, &good), TW_OK);
  founding bad = good;
  bad.group_id = "other";
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.extension_component = 0;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.count = 1; /* charlie is left behind */
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.late = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.no_link = true;
  assert_int_equal(found(&p, &bad), TW_ERR_FORBIDDEN);
  bad = good;
  bad.count = 3; /* more than before is fine */
  assert_int_equal(found(&p, &bad), TW_OK);
  /* nothing else happens in a closed group */
  tw_commit_result result = {0};
  tw_buf message = {0};
  assert_int_equal(tw_group_propose_update(p.all[1]->group, NULL, NULL, &message), TW_ERR_CLOSED);
  assert_int_equal(tw_group_commit(p.all[1]->group, NULL, TW_TEST_NOW, &result), TW_ERR_CLOSED);
  assert_int_equal(tw_group_info_message(p.all[1]->group, true, TW_NO_BYTES, &message), TW_ERR_CLOSED);
  const tw_test_bent late = {.content_type = TW_CONTENT_COMMIT, .body = TW_LITERAL("\x00\x00")};
  tw_test_bend(p.all[0], &late, &message);
  tw_test_refused(p.all[1], tw_buf_bytes(&message), TW_ERR_CLOSED);
  tw_buf_clear(&list);
  tw_buf_clear(&extensions);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* A successor of a version that we do not know cannot be made. */
static void a_successor_of_another_version(void **state) {
  tw_test_people p;
  tw_commit_result result = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_found(p.all[0], TW_NO_BYTES);
  const tw_commit_options options = {.proposals = TW_LITERAL("\x00\x05\x04next\x00\x02\x00\x01\x00")};
  tw_test_commit(p.all[0], &options, NULL, 0, NULL);
  assert_true(tw_group_is_closed(p.all[0]->group));
  assert_int_equal(tw_group_reinit(p.all[0]->group, &p.all[0]->client, NULL, 0, TW_TEST_NOW, &result),
                   TW_ERR_UNSUPPORTED);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_branch_has_some_of_the_members),
      cmocka_unit_test(a_reinitialised_group_goes_on_in_its_successor),
      cmocka_unit_test(branches_that_do_not_fit),
      cmocka_unit_test(successors_that_do_not_fit),
      cmocka_unit_test(a_successor_of_another_version),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
