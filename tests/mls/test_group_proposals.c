/* Lists of proposals that a commit must not have, each refused by its receiver: RFC 9420 sections 12.1 and 12.2. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "bender.h"

/* ---- updates and removes ---- */

static void the_committers_own_update(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  const tw_bytes reference = bender_propose_update(&b, b.charlie);
  const tw_cached_proposal *own = &b.charlie->group->proposals.items[0];
  assert_int_equal(tw_buf_append(&b.list, tw_buf_bytes(&own->encoded)), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_refused_with(&b, &reference, 1, true, TW_ERR_PROPOSAL);
  bender_forget(&b);
  bender_end(&b);
}

static void removes_of_the_committer_or_of_nobody(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  bender_remove(&b, tw_group_own_leaf(b.charlie->group));
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_remove(&b, 4);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_remove(&b, UINT32_MAX);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_remove(&b, tw_group_own_leaf(b.charlie->group));
  const tw_bytes reference = bender_propose(&b, b.dora);
  bender_refused_with(&b, &reference, 1, true, TW_ERR_PROPOSAL);
  bender_forget(&b);
  bender_end(&b);
}

static void two_changes_of_one_leaf(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  uint8_t copies[2][TW_HASH_MAX];
  tw_bytes references[2];
  for (size_t i = 0; i < 2; i++) {
    const tw_bytes reference = bender_propose_update(&b, b.dora);
    memcpy(copies[i], reference.ptr, reference.len);
    references[i] = TW_BYTES(copies[i], reference.len);
  }
  bender_refused_with(&b, references, 2, true, TW_ERR_PROPOSAL);
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_refused_with(&b, references, 1, true, TW_ERR_PROPOSAL);
  references[1] = references[0];
  bender_refused_with(&b, references, 2, true, TW_ERR_PROPOSAL);
  bender_forget(&b);
  bender_end(&b);
}

static void updates_that_are_not_valid(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  const bent_leaf of_commit = {.source = TW_LEAF_COMMIT};
  bender_write_update(&b, b.dora, &of_commit);
  bender_refused_alone(&b, TW_ERR_PROPOSAL);
  const bent_leaf of_key_package = {.source = TW_LEAF_KEY_PACKAGE};
  bender_write_update(&b, b.dora, &of_key_package);
  bender_refused_alone(&b, TW_ERR_PROPOSAL);
  const bent_leaf same_key = {.source = TW_LEAF_UPDATE,
                              .encryption_key = tw_group_own_leaf_node(b.dora->group)->encryption_key};
  bender_write_update(&b, b.dora, &same_key);
  bender_refused_alone(&b, TW_ERR_KEY_REUSED);
  const bent_leaf other_place = {.source = TW_LEAF_UPDATE, .leaf_index_more = 1};
  bender_write_update(&b, b.dora, &other_place);
  bender_refused_alone(&b, TW_ERR_SIGNATURE);
  const bent_leaf bad = {.source = TW_LEAF_UPDATE, .bad_signature = true};
  bender_write_update(&b, b.dora, &bad);
  bender_refused_alone(&b, TW_ERR_SIGNATURE);
  const bent_leaf short_key = {.source = TW_LEAF_UPDATE, .encryption_key = TW_LITERAL("short")};
  bender_write_update(&b, b.dora, &short_key);
  bender_refused_alone(&b, TW_ERR_KEY);
  const uint8_t unlisted[] = {0x77, 0x77, 0};
  const bent_leaf extension = {.source = TW_LEAF_UPDATE, .extensions = TW_ARRAY(unlisted)};
  bender_write_update(&b, b.dora, &extension);
  bender_refused_alone(&b, TW_ERR_CAPABILITY);
  /* Keys of others are noticed when it is committed. */
  const bent_leaf of_alice = {.source = TW_LEAF_UPDATE,
                              .encryption_key = tw_group_own_leaf_node(b.alice->group)->encryption_key};
  bender_write_update(&b, b.dora, &of_alice);
  const tw_test_bent alone = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list)};
  tw_test_bend(b.dora, &alone, &b.message);
  b.list.len = 0;
  tw_bytes reference = bender_collect(&b, b.dora, tw_buf_bytes(&b.message));
  bender_refused_with(&b, &reference, 1, true, TW_ERR_KEY_REUSED);
  const bent_leaf signed_by_alice = {.source = TW_LEAF_UPDATE, .signer = b.alice->client.signer};
  bender_write_update(&b, b.dora, &signed_by_alice);
  tw_test_bent again = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list)};
  tw_test_bend(b.dora, &again, &b.message);
  b.list.len = 0;
  reference = bender_collect(&b, b.dora, tw_buf_bytes(&b.message));
  bender_refused_with(&b, &reference, 1, true, TW_ERR_KEY_REUSED);
  /* What nobody can commit does not keep anybody from committing. */
  tw_test_commit(b.alice, NULL, &b.p.all[1], 3, NULL);
  bender_end(&b);
}

/* ---- adds ---- */

static void adds_of_clients_that_are_there(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  bender_add(&b, b.alice);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_add(&b, b.charlie);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_add(&b, b.emil);
  bender_add(&b, b.emil);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_add(&b, b.emil);
  tw_buf twice = {0};
  assert_int_equal(tw_buf_append(&twice, tw_buf_bytes(&b.list)), TW_OK);
  assert_int_equal(tw_buf_append(&b.list, tw_buf_bytes(&twice)), TW_OK);
  tw_buf_clear(&twice);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_end(&b);
}

static void adds_of_key_packages_that_are_not_valid(void **state) {
  static const uint8_t unlisted[] = {0x77, 0x77, 0};
  const struct {
    bent_key_package bent;
    tw_err expected;
    bool alone; /* already refused as a proposal */
  } cases[] = {
      {{.cipher_suite = 3}, TW_ERR_PROPOSAL, true},
      {{.other_version = true}, TW_ERR_UNSUPPORTED, true},
      {{.same_init_key = true}, TW_ERR_KEY_REUSED, true},
      {{.bad_signature = true}, TW_ERR_SIGNATURE, true},
      {{.bad_leaf_signature = true}, TW_ERR_SIGNATURE, true},
      {{.source = TW_LEAF_UPDATE}, TW_ERR_FORBIDDEN, true},
      {{.source = TW_LEAF_COMMIT}, TW_ERR_FORBIDDEN, true},
      {{.not_before = TW_TEST_NOW + 1}, TW_ERR_LIFETIME, true},
      {{.not_after = TW_TEST_NOW - 1}, TW_ERR_LIFETIME, true},
      {{.extensions = TW_ARRAY(unlisted)}, TW_ERR_CAPABILITY, true},
      {{.no_basic = true}, TW_ERR_CAPABILITY, true},
  };
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bender_add_bent(&b, &cases[i].bent);
    bender_refused_on_both_sides(&b, cases[i].expected);
    if (!cases[i].alone) continue;
    bender_add_bent(&b, &cases[i].bent);
    bender_refused_alone(&b, cases[i].expected);
  }
  /* At the very limits it is taken. */
  const bent_key_package limits = {.not_before = TW_TEST_NOW, .not_after = TW_TEST_NOW};
  bender_add_bent(&b, &limits);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(b.charlie->group, &options, TW_TEST_NOW + 1, &result), TW_ERR_LIFETIME);
  assert_int_equal(tw_group_propose(b.charlie->group, tw_buf_bytes(&b.list), NULL, TW_TEST_NOW + 1, &b.message),
                   TW_ERR_LIFETIME);
  assert_int_equal(tw_group_commit(b.charlie->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_commit_result_clear(&result);
  bender_end(&b);
}

/* ---- PSKs ---- */

static void psks_that_are_not_valid(void **state) {
  static const uint8_t nonce[33] = {1};
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  const tw_psk_id id = {.type = TW_PSK_EXTERNAL, .id = TW_LITERAL("one"), .nonce = TW_BYTES(nonce, 32)};
  bender_psk(&b, &id);
  bender_psk(&b, &id);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* the same PSK under another nonce */
  const tw_psk_id again = {.type = TW_PSK_EXTERNAL, .id = TW_LITERAL("one"), .nonce = TW_BYTES(nonce + 1, 32)};
  bender_psk(&b, &id);
  bender_psk(&b, &again);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  for (size_t len = 0; len <= 33; len++) {
    if (len == 32) continue;
    const tw_psk_id wrong = {.type = TW_PSK_EXTERNAL, .id = TW_LITERAL("one"), .nonce = TW_BYTES(nonce, len)};
    bender_psk(&b, &wrong);
    bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
    bender_psk(&b, &wrong);
    bender_refused_alone(&b, TW_ERR_PROPOSAL);
  }
  for (unsigned usage = TW_RESUMPTION_REINIT; usage <= TW_RESUMPTION_BRANCH; usage++) {
    const tw_psk_id linking = {.type = TW_PSK_RESUMPTION,
                               .usage = (uint8_t)usage,
                               .group_id = tw_group_id(b.bob->group),
                               .epoch = tw_group_epoch(b.bob->group),
                               .nonce = TW_BYTES(nonce, 32)};
    bender_psk(&b, &linking);
    bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
    bender_psk(&b, &linking);
    bender_refused_alone(&b, TW_ERR_PROPOSAL);
  }
  for (uint32_t i = 0; i <= b.p.test.limits.psks; i++) {
    const uint8_t name = (uint8_t)i;
    const tw_psk_id many = {.type = TW_PSK_EXTERNAL, .id = TW_BYTES(&name, 1), .nonce = TW_BYTES(nonce, 32)};
    bender_psk(&b, &many);
  }
  bender_refused_on_both_sides(&b, TW_ERR_LIMIT);
  bender_end(&b);
}

/* ---- ReInit, ExternalInit, unknown types ---- */

static void reinit_beside_others_or_backwards(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  tw_writer w = tw_writer_to(&b.list);
  tw_write_proposal_reinit(&w, TW_LITERAL("next"), 1, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  w = tw_writer_to(&b.list);
  tw_write_proposal_reinit(&w, TW_LITERAL("next"), 1, TW_NO_BYTES);
  tw_write_proposal_reinit(&w, TW_LITERAL("next"), 1, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  w = tw_writer_to(&b.list);
  tw_write_u16(&w, TW_PROPOSAL_REINIT);
  tw_write_vector(&w, TW_LITERAL("next"));
  tw_write_u16(&w, 0);
  tw_write_u16(&w, 1);
  tw_write_vector(&w, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  bender_end(&b);
}

static void write_list(bender *b, void (*write)(tw_writer *w)) {
  tw_writer w = tw_writer_to(&b->list);
  write(&w);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void external_init(tw_writer *w) { tw_write_proposal_external_init(w, TW_LITERAL("kem output")); }
static void unknown_type(tw_writer *w) {
  tw_write_u16(w, 0x0a0a);
  tw_write_u8(w, 0);
}

static void types_that_do_not_belong(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  write_list(&b, external_init);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  write_list(&b, external_init);
  bender_refused_alone(&b, TW_ERR_PROPOSAL);
  write_list(&b, unknown_type);
  bender_refused_on_both_sides(&b, TW_ERR_UNSUPPORTED);
  write_list(&b, unknown_type);
  bender_refused_alone(&b, TW_ERR_UNSUPPORTED);
  bender_end(&b);
}

/* ---- paths that are missing ---- */

static void missing_paths(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  bender_refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  bender_extensions(&b, &extensions);
  bender_refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  bender_add(&b, b.emil);
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_refused_with(&b, NULL, 0, false, TW_ERR_PROPOSAL);
  const tw_bytes update = bender_propose_update(&b, b.dora);
  bender_refused_with(&b, &update, 1, false, TW_ERR_PROPOSAL);
  bender_forget(&b);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  const tw_bytes self_remove = bender_propose(&b, b.dora);
  bender_refused_with(&b, &self_remove, 1, false, TW_ERR_PROPOSAL);
  bender_forget(&b);
  bender_end(&b);
}

static void references_to_nothing(void **state) {
  static const uint8_t zeros[32];
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  const tw_bytes none = TW_ARRAY(zeros);
  bender_refused_with(&b, &none, 1, true, TW_ERR_MISSING_PROPOSAL);
  const tw_bytes shorter = TW_BYTES(zeros, 31);
  bender_refused_with(&b, &shorter, 1, true, TW_ERR_MISSING_PROPOSAL);
  const tw_bytes empty = TW_NO_BYTES;
  bender_refused_with(&b, &empty, 1, true, TW_ERR_MISSING_PROPOSAL);
  bender_end(&b);
}

/* ---- SelfRemove ---- */

static void self_removes_out_of_place(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  const tw_test_bent hidden = {.content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list), .is_private = true};
  tw_test_bend(b.dora, &hidden, &b.message);
  tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_FORBIDDEN);
  const tw_bytes reference = bender_propose(&b, b.charlie);
  bender_refused_with(&b, &reference, 1, true, TW_ERR_PROPOSAL);
  /* another one of charlie's in this epoch */
  const tw_message_options options = {.plaintext = true, .authenticated_data = TW_LITERAL("again")};
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  assert_int_equal(tw_group_propose(b.charlie->group, tw_buf_bytes(&b.list), &options, TW_TEST_NOW, &b.message),
                   TW_ERR_PROPOSAL);
  const tw_test_bent again = {
      .content_type = TW_CONTENT_PROPOSAL, .body = tw_buf_bytes(&b.list), .authenticated_data = TW_LITERAL("again")};
  tw_test_bend(b.charlie, &again, &b.message);
  tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_PROPOSAL);
  b.list.len = 0;
  /* with a Remove of the same leaf */
  bender_forget(&b);
  assert_int_equal(tw_propose_self_remove(&b.list), TW_OK);
  const tw_bytes of_dora = bender_propose(&b, b.dora);
  bender_remove(&b, tw_group_own_leaf(b.dora->group));
  bender_refused_with(&b, &of_dora, 1, true, TW_ERR_PROPOSAL);
  bender_forget(&b);
  bender_end(&b);
}

/* ---- the Authentication Service ---- */

static void credentials_that_the_policy_refuses(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  b.bob->refuse = "emil";
  bender_add(&b, b.emil);
  bender_refused(&b, TW_ERR_CREDENTIAL);
  bender_add(&b, b.emil);
  bender_refused_alone(&b, TW_ERR_CREDENTIAL);
  const tw_credential_view credential = {.type = TW_CREDENTIAL_BASIC, .identity = TW_LITERAL("emil")};
  const tw_external_sender sender = {tw_signer_public_key(b.emil->client.signer), credential};
  tw_buf data = {0};
  tw_writer w = tw_writer_to(&data);
  const tw_vector_mark mark = tw_write_open(&w);
  tw_write_external_sender(&w, &sender);
  tw_write_close(&w, mark);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_SENDERS, tw_buf_bytes(&data)), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused(&b, TW_ERR_CREDENTIAL);
  b.bob->refuse = "dora";
  const bent_leaf fine = {.source = TW_LEAF_UPDATE};
  bender_write_update(&b, b.dora, &fine);
  bender_refused_alone(&b, TW_ERR_CREDENTIAL);
  b.bob->refuse = "charlie";
  bender_refused(&b, TW_ERR_CREDENTIAL);
  b.bob->refuse = NULL;
  /* no callback at all */
  const tw_policy policy = b.bob->client.policy;
  b.bob->client.policy = (tw_policy){0};
  bender_add(&b, b.emil);
  bender_refused(&b, TW_ERR_CREDENTIAL);
  b.bob->client.policy = policy;
  tw_buf_clear(&data);
  tw_buf_clear(&extensions);
  bender_end(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_committers_own_update),
      cmocka_unit_test(removes_of_the_committer_or_of_nobody),
      cmocka_unit_test(two_changes_of_one_leaf),
      cmocka_unit_test(updates_that_are_not_valid),
      cmocka_unit_test(adds_of_clients_that_are_there),
      cmocka_unit_test(adds_of_key_packages_that_are_not_valid),
      cmocka_unit_test(psks_that_are_not_valid),
      cmocka_unit_test(reinit_beside_others_or_backwards),
      cmocka_unit_test(types_that_do_not_belong),
      cmocka_unit_test(missing_paths),
      cmocka_unit_test(references_to_nothing),
      cmocka_unit_test(self_removes_out_of_place),
      cmocka_unit_test(credentials_that_the_policy_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
