/* GroupContext extensions and application components: what members must support, and what becomes of the dictionary.
 * RFC 9420 sections 7.3, 12.1.7 and 12.2, draft-ietf-mls-extensions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "bender.h"
#include "mls/app_data.h"

/* ---- what members must support ---- */

static void extensions_that_do_not_fit_the_members(void **state) {
  static const uint16_t lacking[][3] = {{0x7777, 0, 0}, {0, 0x7777, 0}, {0, 0, 0x7777}, {0x0a0a, 0, 0}};
  bender b;
  tw_buf extensions = {0};
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  bender_extensions(&b, &extensions);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++) {
    tw_test_required_capabilities(&extensions, lacking[i][0], lacking[i][1], lacking[i][2]);
    bender_extensions(&b, &extensions);
    bender_refused_on_both_sides(&b, TW_ERR_CAPABILITY);
    extensions.len = 0;
  }
  assert_int_equal(tw_extension_append(&extensions, 0x7777, TW_NO_BYTES), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  extensions.len = 0;
  /* components that nobody knows, Safe AAD items, wire formats: each would shut the door to joiners */
  static const uint8_t unknown_component[] = {2, 0x90, 0x01};
  assert_int_equal(tw_component_set(&extensions, TW_COMPONENT_APP_COMPONENTS, TW_ARRAY(unknown_component)), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  extensions.len = 0;
  assert_int_equal(tw_component_set(&extensions, TW_COMPONENT_SAFE_AAD, TW_ARRAY(unknown_component)), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  extensions.len = 0;
  /* and what cannot be read */
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_REQUIRED_CAPABILITIES, TW_LITERAL("x")), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_TRUNCATED);
  extensions.len = 0;
  assert_int_equal(tw_extension_append(&extensions, TW_EXTENSION_EXTERNAL_SENDERS, TW_LITERAL("\x01x")), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_TRUNCATED);
  extensions.len = 0;
  assert_int_equal(
      tw_extension_append(&extensions, TW_EXTENSION_APP_DATA_DICTIONARY, TW_LITERAL("\x06\x90\x01\x00\x90\x01\x00")),
      TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_ENCODING);
  /* an extension type twice */
  static const uint8_t twice[] = {6, 0, 3, 0, 0, 3, 0};
  tw_writer w = tw_writer_to(&b.list);
  tw_write_u16(&w, TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
  tw_write_fixed(&w, TW_ARRAY(twice));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  b.body.len = 0;
  w = tw_writer_to(&b.body);
  tw_write_u8(&w, (uint8_t)(b.list.len + 1));
  tw_write_u8(&w, TW_COMMIT_PROPOSAL);
  tw_write_fixed(&w, tw_buf_bytes(&b.list));
  tw_write_u8(&w, 1);
  tw_write_fixed(&w, tw_buf_bytes(&b.path));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_test_bend_commit(b.charlie, tw_buf_bytes(&b.body), &b.message);
  tw_test_refused(b.bob, tw_buf_bytes(&b.message), TW_ERR_ENCODING);
  b.list.len = 0;
  tw_buf_clear(&extensions);
  bender_end(&b);
}

static void new_members_meet_what_the_commit_requires(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  const bent_key_package few = {.few_proposals = true};
  tw_test_required_capabilities(&extensions, 0, TW_PROPOSAL_SELF_REMOVE, 0);
  bender_extensions(&b, &extensions);
  bender_add_bent(&b, &few);
  bender_refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  tw_buf_clear(&extensions);
  bender_end(&b);
}

static void types_that_a_member_does_not_support(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  const bent_key_package few = {.few_proposals = true};
  bender_add_bent(&b, &few);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_test_commit(b.charlie, &options, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  b.list.len = 0;
  tw_test_path(b.charlie, &b.path);
  for (size_t i = 0; i < 4; i++) b.p.all[i]->components = true;
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_group_propose(b.charlie->group, tw_buf_bytes(&b.list), NULL, TW_TEST_NOW, &b.message),
                   TW_ERR_CAPABILITY);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_NO_BYTES), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* Once that member goes, in the same commit, the type may come. */
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_NO_BYTES), TW_OK);
  bender_remove(&b, 4);
  const tw_commit_options with_removal = {.proposals = tw_buf_bytes(&b.list)};
  tw_test_commit(b.charlie, &with_removal, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  bender_end(&b);
}

/* ---- application components ---- */

static void application_components(void **state) {
  tw_test_people p;
  tw_buf proposals = {0};
  tw_bytes data;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_propose_app_data_update(&proposals, 0x8100, TW_LITERAL("one")), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&proposals, 0x8100, TW_LITERAL("two")), TW_OK);
  assert_int_equal(tw_propose_app_ephemeral(&proposals, 0x8101, TW_LITERAL("gone")), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_ERR_PROPOSAL);
  for (size_t i = 0; i < 3; i++) p.all[i]->components = true;
  tw_test_commit(p.all[0], &options, &p.all[1], 2, NULL);
  tw_test_agree(p.all, 3);
  assert_true(tw_component_lookup(tw_group_extensions(p.all[2]->group), 0x8100, &data));
  tw_test_same(data, TW_LITERAL("onetwo"));
  assert_int_equal(p.all[2]->ephemerals, 1);
  tw_buf_clear(&proposals);
  assert_int_equal(tw_propose_app_data_remove(&proposals, 0x8100), TW_OK);
  const tw_commit_options removal = {.proposals = tw_buf_bytes(&proposals)};
  tw_test_commit(p.all[1], &removal, (tw_test_member *[]){p.all[0], p.all[2]}, 2, NULL);
  assert_false(tw_component_lookup(tw_group_extensions(p.all[2]->group), 0x8100, &data));
  assert_int_equal(tw_group_commit(p.all[0]->group, &removal, TW_TEST_NOW, &result), TW_ERR_PROPOSAL);
  tw_buf_clear(&proposals);

  uint8_t secret[3][64];
  size_t len[3];
  for (size_t i = 0; i < 3; i++) assert_int_equal(tw_group_safe_export(p.all[i]->group, 6, secret[i], &len[i]), TW_OK);
  assert_int_equal(len[0], 32);
  assert_memory_equal(secret[0], secret[1], 32);
  assert_memory_equal(secret[0], secret[2], 32);
  assert_int_equal(tw_group_safe_export(p.all[0]->group, 6, secret[0], &len[0]), TW_ERR_DUPLICATE);
  tw_test_people_clear(&p);
}

/* What the application was asked, in order. */
typedef struct asked {
  tw_buf log;
} asked;

static tw_err log_update(void *ctx, uint16_t component_id, bool has_old, tw_bytes old, tw_bytes update, tw_buf *data) {
  asked *a = ctx;
  tw_writer w = tw_writer_to(&a->log);
  tw_write_u16(&w, component_id);
  tw_write_u8(&w, has_old ? '+' : '-');
  tw_write_fixed(&w, old);
  tw_write_u8(&w, '>');
  tw_write_fixed(&w, update);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  return tw_buf_append(data, update);
}

static void updates_are_asked_for_in_their_order_each_on_what_the_one_before_left(void **state) {
  tw_test_people p;
  asked a = {{0}};
  tw_buf extensions = {0};
  tw_buf list = {0};
  tw_bytes data;
  (void)state;
  tw_test_people_init(&p, 1);
  assert_int_equal(tw_component_set(&extensions, 0x4141, TW_LITERAL("before")), TW_OK);
  assert_int_equal(tw_component_set(&extensions, 0x4343, TW_LITERAL("goes")), TW_OK);
  assert_int_equal(tw_component_set(&extensions, 0x4444, TW_LITERAL("stays")), TW_OK);
  tw_test_found(p.all[0], tw_buf_bytes(&extensions));
  p.member[0].client.policy.ctx = &a;
  p.member[0].client.policy.app_data_update = log_update;
  p.member[0].client.policy.credential = NULL;
  assert_int_equal(tw_propose_app_data_update(&list, 0x4545, TW_LITERAL("1")), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&list, 0x4141, TW_LITERAL("2")), TW_OK);
  assert_int_equal(tw_propose_app_data_remove(&list, 0x4343), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&list, 0x4545, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&list, 0x4242, TW_LITERAL("4")), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&list, 0x4545, TW_LITERAL("5")), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list), .without_path = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_test_same(tw_buf_bytes(&a.log), TW_LITERAL("EE->1"
                                                "AA+before>2"
                                                "EE+1>"
                                                "BB->4"
                                                "EE+>5"));
  tw_buf expected = {0};
  assert_int_equal(tw_component_set(&expected, 0x4141, TW_LITERAL("2")), TW_OK);
  assert_int_equal(tw_component_set(&expected, 0x4242, TW_LITERAL("4")), TW_OK);
  assert_int_equal(tw_component_set(&expected, 0x4444, TW_LITERAL("stays")), TW_OK);
  assert_int_equal(tw_component_set(&expected, 0x4545, TW_LITERAL("5")), TW_OK);
  assert_true(tw_extension_lookup(tw_buf_bytes(&expected), TW_EXTENSION_APP_DATA_DICTIONARY, &data));
  tw_bytes made;
  assert_true(tw_extension_lookup(tw_group_extensions(result.next), TW_EXTENSION_APP_DATA_DICTIONARY, &made));
  tw_test_same(made, data);
  tw_commit_result_clear(&result);
  tw_buf_clear(&a.log);
  tw_buf_clear(&expected);
  tw_buf_clear(&extensions);
  tw_buf_clear(&list);
  tw_test_people_clear(&p);
}

static void component_rules(void **state) {
  bender b;
  (void)state;
  bender_begin(&b, TW_NO_BYTES);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("x")), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL); /* not known to the application */
  assert_int_equal(tw_propose_app_ephemeral(&b.list, 0x9001, TW_LITERAL("x")), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  for (size_t i = 0; i < 4; i++) b.p.all[i]->components = true;
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL); /* nothing there */
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("x")), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list), .without_path = true};
  tw_test_commit(b.charlie, &options, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  b.list.len = 0;
  tw_test_path(b.charlie, &b.path);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("y")), TW_OK);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  assert_int_equal(tw_propose_app_data_remove(&b.list, 0x9001), TW_OK);
  assert_int_equal(tw_propose_app_data_update(&b.list, 0x9001, TW_LITERAL("y")), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* required components by the back door, and a list that cannot be read */
  assert_int_equal(tw_propose_app_data_update(&b.list, TW_COMPONENT_APP_COMPONENTS, TW_LITERAL("\x02\x90\x02")), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_CAPABILITY);
  assert_int_equal(tw_propose_app_data_update(&b.list, TW_COMPONENT_SAFE_AAD, TW_LITERAL("\x02\x90")), TW_OK);
  bender_refused_on_both_sides(&b, TW_ERR_TRUNCATED);
  bender_end(&b);
}

static void the_dictionary_is_app_data_updates_where_that_is_required(void **state) {
  bender b;
  tw_buf extensions = {0};
  (void)state;
  tw_test_required_capabilities(&extensions, 0, TW_PROPOSAL_APP_DATA_UPDATE, 0);
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("x")), TW_OK);
  bender_begin(&b, tw_buf_bytes(&extensions));
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("y")), TW_OK);
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  extensions.len = 0;
  bender_extensions(&b, &extensions);
  bender_refused_on_both_sides(&b, TW_ERR_PROPOSAL);
  /* as it was, with another extension changed: fine */
  assert_int_equal(tw_component_set(&extensions, 0x9001, TW_LITERAL("x")), TW_OK);
  bender_extensions(&b, &extensions);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&b.list)};
  tw_test_commit(b.charlie, &options, (tw_test_member *[]){b.alice, b.bob, b.dora}, 3, NULL);
  tw_buf_clear(&extensions);
  bender_end(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(extensions_that_do_not_fit_the_members),
      cmocka_unit_test(new_members_meet_what_the_commit_requires),
      cmocka_unit_test(types_that_a_member_does_not_support),
      cmocka_unit_test(application_components),
      cmocka_unit_test(updates_are_asked_for_in_their_order_each_on_what_the_one_before_left),
      cmocka_unit_test(component_rules),
      cmocka_unit_test(the_dictionary_is_app_data_updates_where_that_is_required),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
