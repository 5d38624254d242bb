/* Which error include/treewire/mls.h names for what. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tw_cmocka.h"
#include "tw_test_member.h"

typedef struct two {
  tw_test_env test;
  tw_test_member alice, bob;
} two;

static const tw_suite *suite(void) { return tw_suite_at(0); }

static void two_init(two *t) {
  tw_test_env_init(&t->test, 7);
  tw_test_member_init(&t->alice, &t->test, suite(), "alice");
  tw_test_member_init(&t->bob, &t->test, suite(), "bob");
  tw_test_found(&t->alice, TW_NO_BYTES);
}

static void two_meet(two *t) {
  two_init(t);
  tw_test_add(&t->alice, &t->bob, NULL, 0);
}

static void two_clear(two *t) {
  tw_test_member_clear(&t->alice);
  tw_test_member_clear(&t->bob);
  tw_test_env_clear(&t->test);
}

static void joining(void **state) {
  (void)state;
  two t;
  two_init(&t);
  tw_key_package *key_package = tw_test_key_package(&t.bob);
  tw_buf proposals = {0};
  tw_commit_result made = {0};
  tw_group *group = NULL;
  assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(key_package)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  const uint64_t too_late = TW_TEST_NOW + UINT64_C(86400) * 200;
  assert_int_equal(tw_group_commit(t.alice.group, &options, too_late, &made), TW_ERR_LIFETIME);
  assert_int_equal(tw_group_commit(t.alice.group, &options, 0, &made), TW_OK);
  const tw_bytes welcome = tw_buf_bytes(&made.welcome);
  const tw_join_options of_another = {.origin = t.alice.group};
  assert_int_equal(tw_group_join(&t.bob.client, key_package, tw_buf_bytes(&made.commit), NULL, TW_TEST_NOW, &group),
                   TW_ERR_UNEXPECTED);
  assert_int_equal(tw_group_join(&t.bob.client, key_package, welcome, &of_another, TW_TEST_NOW, &group),
                   TW_ERR_FORBIDDEN);
  tw_key_package *other = tw_test_key_package(&t.bob);
  assert_int_equal(tw_group_join(&t.bob.client, other, welcome, NULL, TW_TEST_NOW, &group), TW_ERR_WRONG_GROUP);
  tw_key_package_free(other);
  t.bob.refuse = "bob"; /* our own leaf is asked about, too */
  assert_int_equal(tw_group_join(&t.bob.client, key_package, welcome, NULL, TW_TEST_NOW, &group), TW_ERR_CREDENTIAL);
  assert_null(group);
  tw_key_package_free(key_package);
  tw_buf_clear(&proposals);
  tw_commit_result_clear(&made);
  tw_commit_result_clear(&made);
  two_clear(&t);
}

static void own_and_old_messages(void **state) {
  (void)state;
  two t;
  two_meet(&t);
  tw_received received = {0};
  tw_commit_result private_one = {0};
  tw_commit_result public_one = {0};
  const tw_commit_options plain = {.plaintext = true};
  assert_int_equal(tw_group_commit(t.alice.group, NULL, TW_TEST_NOW, &private_one), TW_OK);
  assert_int_equal(tw_group_commit(t.alice.group, &plain, TW_TEST_NOW, &public_one), TW_OK);
  const tw_bytes in_private = tw_buf_bytes(&private_one.commit);
  assert_int_equal(tw_group_receive(t.alice.group, in_private, TW_TEST_NOW, &received), TW_ERR_DUPLICATE);
  assert_int_equal(tw_group_receive(t.alice.group, tw_buf_bytes(&public_one.commit), TW_TEST_NOW, &received),
                   TW_ERR_OWN_MESSAGE);
  tw_test_adopt(&t.alice, private_one.next);
  private_one.next = NULL;
  assert_int_equal(tw_group_receive(t.alice.group, in_private, TW_TEST_NOW, &received), TW_ERR_OLD_EPOCH);
  tw_buf message = {0};
  assert_int_equal(tw_group_protect(t.alice.group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
  assert_int_equal(tw_group_receive(t.bob.group, tw_buf_bytes(&message), TW_TEST_NOW, &received), TW_ERR_FUTURE_EPOCH);
  tw_buf_clear(&message);
  tw_commit_result_clear(&private_one);
  tw_commit_result_clear(&public_one);
  two_clear(&t);
}

static void sending(void **state) {
  (void)state;
  two t;
  two_meet(&t);
  tw_buf out = {0};
  tw_buf self_remove = {0};
  tw_buf remove = {0};
  const tw_message_options plain = {.plaintext = true};
  assert_int_equal(tw_propose_self_remove(&self_remove), TW_OK);
  assert_int_equal(tw_propose_remove(&remove, 0), TW_OK);
  const tw_bytes leave = tw_buf_bytes(&self_remove);
  t.test.limits.padding_block = 0;
  assert_int_equal(tw_group_protect(t.bob.group, leave, TW_NO_BYTES, &out), TW_ERR_ARGUMENT);
  t.test.limits.padding_block = 1;
  assert_int_equal(tw_group_propose(t.bob.group, leave, NULL, TW_TEST_NOW, &out), TW_ERR_ARGUMENT);
  assert_int_equal(tw_group_propose(t.bob.group, leave, &plain, TW_TEST_NOW, &out), TW_OK);
  assert_int_equal(tw_group_propose(t.bob.group, leave, &plain, TW_TEST_NOW, &out), TW_ERR_PROPOSAL);
  assert_int_equal(tw_group_protect(t.bob.group, leave, TW_NO_BYTES, &out), TW_ERR_PENDING);
  t.test.limits.proposals = 1;
  assert_int_equal(tw_group_propose(t.bob.group, tw_buf_bytes(&remove), NULL, TW_TEST_NOW, &out), TW_ERR_LIMIT);
  assert_int_equal(tw_group_reinit(t.bob.group, &t.bob.client, NULL, 0, TW_TEST_NOW, &(tw_commit_result){0}),
                   TW_ERR_STATE);
  tw_buf_clear(&out);
  tw_buf_clear(&self_remove);
  tw_buf_clear(&remove);
  two_clear(&t);
}

static void what_a_group_gives(void **state) {
  (void)state;
  two t;
  two_meet(&t);
  static uint8_t bytes[255 * 32 + 1];
  uint8_t secret[64];
  size_t len = 0;
  tw_buf psk = {0};
  const tw_bytes label = TW_LITERAL("label");
  assert_int_equal(tw_group_export(t.bob.group, label, TW_NO_BYTES, bytes, sizeof bytes), TW_ERR_ARGUMENT);
  assert_int_equal(tw_group_export(t.bob.group, label, TW_NO_BYTES, bytes, sizeof bytes - 1), TW_OK);
  assert_int_equal(tw_group_safe_export(t.bob.group, 7, secret, &len), TW_OK);
  assert_int_equal(len, 32);
  assert_int_equal(tw_group_safe_export(t.bob.group, 7, secret, &len), TW_ERR_DUPLICATE);
  assert_int_equal(tw_group_resumption_psk(t.alice.group, 0, &psk), TW_OK);
  assert_int_equal(tw_group_resumption_psk(t.alice.group, 9, &psk), TW_ERR_MISSING_PSK);
  tw_buf_clear(&psk);
  two_clear(&t);
}

static void external_joins(void **state) {
  (void)state;
  two t;
  two_meet(&t);
  tw_buf info = {0};
  tw_buf tree = {0};
  tw_key_package_info told;
  tw_commit_result made = {0};
  assert_int_equal(tw_group_info_message(t.alice.group, false, TW_NO_BYTES, &info), TW_OK);
  assert_int_equal(tw_group_ratchet_tree(t.alice.group, &tree), TW_OK);
  const tw_bytes message = tw_buf_bytes(&info);
  const tw_join_options with_tree = {.ratchet_tree = tw_buf_bytes(&tree)};
  assert_int_equal(tw_group_join_external(&t.bob.client, message, NULL, NULL, TW_TEST_NOW, &made), TW_ERR_MISSING_TREE);
  assert_int_equal(tw_group_join_external(&t.bob.client, message, &with_tree, NULL, TW_TEST_NOW, &made),
                   TW_ERR_KEY_REUSED);
  assert_int_equal(tw_key_package_inspect(&t.test.env, message, TW_TEST_NOW, &told), TW_ERR_UNEXPECTED);
  tw_buf_clear(&info);
  tw_buf_clear(&tree);
  two_clear(&t);
}

static void storage(void **state) {
  (void)state;
  two t;
  two_meet(&t);
  tw_buf saved = {0};
  tw_group *group = NULL;
  assert_int_equal(tw_group_save(t.alice.group, &saved), TW_OK);
  assert_int_equal(tw_group_load(&t.bob.client, tw_buf_bytes(&saved), &group), TW_ERR_ARGUMENT);
  saved.ptr[saved.len / 2] ^= 1;
  assert_int_equal(tw_group_load(&t.alice.client, tw_buf_bytes(&saved), &group), TW_ERR_ENCODING);
  saved.ptr[1] ^= 0x80;
  assert_int_equal(tw_group_load(&t.alice.client, tw_buf_bytes(&saved), &group), TW_ERR_UNSUPPORTED);
  assert_null(group);
  tw_buf_clear(&saved);
  two_clear(&t);
}

static void lists_and_nothing(void **state) {
  (void)state;
  tw_buf list = {0};
  assert_int_equal(tw_extension_append(&list, 1, TW_LITERAL("a")), TW_OK);
  assert_int_equal(tw_extension_append(&list, 1, TW_LITERAL("a")), TW_ERR_ARGUMENT);
  tw_buf_clear(&list);
  tw_buf_clear(NULL);
  tw_group_free(NULL);
  tw_key_package_free(NULL);
  tw_signer_free(NULL);
  tw_provider_free(NULL);
  assert_null(tw_group_ref(NULL));
  assert_null(tw_signer_ref(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(joining),           cmocka_unit_test(own_and_old_messages), cmocka_unit_test(sending),
      cmocka_unit_test(external_joins),    cmocka_unit_test(what_a_group_gives),   cmocka_unit_test(storage),
      cmocka_unit_test(lists_and_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
