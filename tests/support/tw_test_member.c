/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "tw_test_member.h"

#include <stdio.h>
#include <string.h>

static tw_err decide(void *ctx, const tw_credential_use *use) {
  tw_test_member *member = ctx;
  member->asked++;
  const tw_bytes refused = TW_BYTES((const uint8_t *)member->refuse,
                                    member->refuse != NULL ? strlen(member->refuse) : 0);
  return member->refuse != NULL && tw_bytes_equal(refused, use->credential.identity) ? TW_ERR_CREDENTIAL : TW_OK;
}

static tw_err find_psk(void *ctx, const tw_psk_query *query, tw_buf *secret) {
  const tw_test_member *member = ctx;
  if (query->type == 2) {
    if (member->origin == NULL || !tw_bytes_equal(tw_group_id(member->origin), query->psk_group_id))
      return TW_ERR_MISSING_PSK;
    return tw_group_resumption_psk(member->origin, query->psk_epoch, secret);
  }
  if (member->psk == NULL) return TW_ERR_MISSING_PSK;
  return tw_buf_append(secret, TW_BYTES((const uint8_t *)member->psk, strlen(member->psk)));
}

static tw_err update_component(void *ctx, uint16_t component_id, bool has_old, tw_bytes old, tw_bytes update,
                               tw_buf *data) {
  const tw_test_member *member = ctx;
  (void)component_id;
  if (!member->components) return TW_ERR_PROPOSAL;
  if (has_old) TW_TRY(tw_buf_append(data, old));
  return tw_buf_append(data, update);
}

static tw_err take_ephemeral(void *ctx, uint16_t component_id, tw_bytes data) {
  tw_test_member *member = ctx;
  (void)component_id;
  (void)data;
  member->ephemerals++;
  return member->components ? TW_OK : TW_ERR_PROPOSAL;
}

void tw_test_member_init(tw_test_member *member, const tw_test_env *test, const tw_suite *suite, const char *name) {
  memset(member, 0, sizeof *member);
  (void)snprintf(member->name, sizeof member->name, "%s", name);
  member->client = (tw_client){
      .env = &test->env,
      .suite = suite,
      .credential = {1, TW_BYTES((const uint8_t *)member->name, strlen(member->name))},
      .policy = {.ctx = member,
                 .credential = decide,
                 .psk = find_psk,
                 .app_data_update = update_component,
                 .app_ephemeral = take_ephemeral},
  };
  assert_int_equal(tw_signer_generate(&test->env, suite, &member->client.signer), TW_OK);
}

void tw_test_member_clear(tw_test_member *member) {
  tw_group_free(member->group);
  tw_signer_free(member->client.signer);
  member->group = NULL;
  member->client.signer = NULL;
}

void tw_test_adopt(tw_test_member *member, tw_group *next) {
  assert_non_null(next);
  tw_group_free(member->group);
  member->group = next;
}

tw_key_package *tw_test_key_package(const tw_test_member *member) {
  tw_key_package *key_package = NULL;
  assert_int_equal(tw_key_package_new(&member->client, NULL, TW_TEST_NOW, &key_package), TW_OK);
  return key_package;
}

void tw_test_found(tw_test_member *founder, tw_bytes extensions) {
  tw_group *group = NULL;
  assert_int_equal(tw_group_create(&founder->client, TW_LITERAL("a group"), extensions, TW_TEST_NOW, &group), TW_OK);
  tw_test_adopt(founder, group);
}

void tw_test_deliver(tw_bytes message, tw_received_kind kind, tw_test_member *const *others, size_t count) {
  for (size_t i = 0; i < count; i++) {
    tw_received received = {0};
    const tw_err err = tw_group_receive(others[i]->group, message, TW_TEST_NOW, &received);
    if (err != TW_OK) fail_msg("%s: %s", others[i]->name, tw_err_text(err));
    assert_int_equal(received.kind, kind);
    if (kind == TW_RECEIVED_COMMIT) {
      tw_test_adopt(others[i], received.next);
      received.next = NULL;
    }
    tw_received_clear(&received);
  }
}

void tw_test_commit(tw_test_member *by, const tw_commit_options *options, tw_test_member *const *others, size_t count,
                    tw_buf *welcome) {
  tw_commit_result result = {0};
  const tw_err err = tw_group_commit(by->group, options, TW_TEST_NOW, &result);
  if (err != TW_OK) fail_msg("%s: %s", by->name, tw_err_text(err));
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, others, count);
  tw_test_adopt(by, result.next);
  result.next = NULL;
  if (welcome != NULL) assert_int_equal(tw_buf_assign(welcome, tw_buf_bytes(&result.welcome)), TW_OK);
  tw_commit_result_clear(&result);
}

void tw_test_add(tw_test_member *by, tw_test_member *joiner, tw_test_member *const *others, size_t count) {
  tw_buf proposals = {0};
  tw_buf welcome = {0};
  tw_group *group = NULL;
  tw_key_package *key_package = tw_test_key_package(joiner);
  assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(key_package)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  tw_test_commit(by, &options, others, count, &welcome);
  const tw_err err = tw_group_join(&joiner->client, key_package, tw_buf_bytes(&welcome), NULL, TW_TEST_NOW, &group);
  if (err != TW_OK) fail_msg("%s joins: %s", joiner->name, tw_err_text(err));
  tw_test_adopt(joiner, group);
  tw_key_package_free(key_package);
  tw_buf_clear(&proposals);
  tw_buf_clear(&welcome);
}

void tw_test_agree(tw_test_member *const *members, size_t count) {
  uint8_t first[32];
  uint8_t secret[32];
  assert_int_equal(tw_group_export(members[0]->group, TW_LITERAL("test"), TW_NO_BYTES, first, sizeof first), TW_OK);
  for (size_t i = 1; i < count; i++) {
    assert_int_equal(tw_group_epoch(members[i]->group), tw_group_epoch(members[0]->group));
    tw_test_same(tw_group_epoch_authenticator(members[i]->group), tw_group_epoch_authenticator(members[0]->group));
    tw_test_same(tw_group_tree_hash(members[i]->group), tw_group_tree_hash(members[0]->group));
    assert_int_equal(tw_group_export(members[i]->group, TW_LITERAL("test"), TW_NO_BYTES, secret, sizeof secret), TW_OK);
    assert_memory_equal(secret, first, sizeof first);
  }
}

void tw_test_talk(tw_test_member *const *members, size_t count) {
  for (size_t from = 0; from < count; from++) {
    tw_buf message = {0};
    const tw_bytes text = TW_BYTES((const uint8_t *)members[from]->name, strlen(members[from]->name));
    assert_int_equal(tw_group_protect(members[from]->group, text, TW_LITERAL("aad"), &message), TW_OK);
    for (size_t to = 0; to < count; to++) {
      tw_received received = {0};
      if (to == from) continue;
      assert_int_equal(tw_group_receive(members[to]->group, tw_buf_bytes(&message), TW_TEST_NOW, &received), TW_OK);
      assert_int_equal(received.kind, TW_RECEIVED_APPLICATION);
      assert_int_equal(received.sender, tw_group_own_leaf(members[from]->group));
      tw_test_same(tw_buf_bytes(&received.data), text);
      tw_test_same(tw_buf_bytes(&received.authenticated_data), TW_LITERAL("aad"));
      tw_received_clear(&received);
      assert_int_equal(tw_group_receive(members[to]->group, tw_buf_bytes(&message), TW_TEST_NOW, &received),
                       TW_ERR_DUPLICATE);
    }
    tw_buf_clear(&message);
  }
}
