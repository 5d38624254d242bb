/* Which collected proposals a committer takes along and which it leaves behind: RFC 9420 sections 12.2 and 12.4. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "bender.h"

/* dora proposes the list alone; everybody collects it. */
static void proposed_by_dora(bender *b) { (void)bender_propose(b, b->dora); }

static void nobody_is_kept_from_committing(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  /* a PSK that charlie does not hold, more PSKs than fit, two changes of one thing */
  uint8_t nonce[32] = {0};
  for (uint8_t i = 0; i < 20; i++) {
    nonce[0] = i;
    const tw_psk_id id = {.type = TW_PSK_EXTERNAL, .id = TW_BYTES(&i, 1), .nonce = TW_ARRAY(nonce)};
    bender_psk(&b, &id);
    proposed_by_dora(&b);
  }
  const tw_psk_id unknown = {.type = TW_PSK_RESUMPTION,
                             .usage = TW_RESUMPTION_APPLICATION,
                             .group_id = TW_LITERAL("elsewhere"),
                             .nonce = TW_ARRAY(nonce)};
  bender_psk(&b, &unknown);
  proposed_by_dora(&b);
  for (size_t i = 0; i < 2; i++) {
    tw_writer w = tw_writer_to(&b.list);
    tw_write_proposal_group_context_extensions(&w, i == 0 ? TW_NO_BYTES : TW_LITERAL("\x00\x05\x01\x00"));
    assert_int_equal(tw_writer_end(&w), TW_OK);
    proposed_by_dora(&b);
  }
  bender_add(&b, b.emil);
  proposed_by_dora(&b);
  bender_add(&b, b.emil);
  proposed_by_dora(&b);
  bender_add(&b, b.alice);
  proposed_by_dora(&b);
  (void)bender_propose_update(&b, b.dora);
  (void)bender_propose_update(&b, b.dora);
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, NULL, TW_TEST_NOW, &result), TW_OK);
  /* emil is in, once, and all the PSKs that fit */
  assert_int_equal(tw_group_member_count(result.next), 5);
  assert_true(result.welcome.len > 0);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3);
  tw_test_adopt(b.charlie, result.next);
  result.next = NULL;
  tw_commit_result_clear(&result);
  bender_end(&b);
}

/* A cache that is full leaves room for what the committer itself wants. */
static void a_full_cache_does_not_keep_from_committing(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  b.p.test.limits.proposals = 4;
  for (size_t i = 0; i < 4; i++) (void)bender_propose_update(&b, i < 2 ? b.dora : b.alice);
  bender_remove(&b, tw_group_own_leaf(b.bob->group));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_REMOVED, &b.bob, 1);
  tw_commit_result_clear(&result);
  bender_forget(&b);
  b.p.test.limits.proposals = tw_limits_default.proposals;
  tw_test_people_clear(&b.p);
  tw_buf_clear(&b.list);
  tw_buf_clear(&b.path);
  tw_buf_clear(&b.body);
  tw_buf_clear(&b.message);
}

/* What fits as it is was tried for the commit itself: the application is not asked again. */
static void collected_proposals_are_applied_once(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  for (size_t i = 0; i < 4; i++) b.p.all[i]->components = true;
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_LITERAL("once")), TW_OK);
  proposed_by_dora(&b);
  bender_add(&b, b.emil);
  proposed_by_dora(&b);
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, NULL, TW_TEST_NOW, &result), TW_OK);
  assert_int_equal(b.charlie->ephemerals, 1);
  assert_int_equal(tw_group_member_count(result.next), 5);
  tw_commit_result_clear(&result);
  bender_forget(&b);
  bender_end(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_is_kept_from_committing),
      cmocka_unit_test(a_full_cache_does_not_keep_from_committing),
      cmocka_unit_test(collected_proposals_are_applied_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
