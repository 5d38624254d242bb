/* What a pair refuses: groups that are none of ours, messages out of place, commits that do more, damage. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/pair_kit.h"

#include <string.h>

#include "codec/writer.h"
#include "crypto/crypto.h"
#include "pair/machine.h"
#include "pair/message.h"
#include "pair/pair_internal.h"

/* A ChannelBinding without parameters; with a reference to a KeyPackage that of a GroupContext. */
static void bind_extensions(tw_buf *extensions, const char *label, tw_bytes reference) {
  tw_buf data = tw_test_pair_buf(&t);
  tw_writer w = tw_writer_to(&data);
  tw_write_vector(&w, TW_BYTES((const uint8_t *)label, strlen(label)));
  tw_write_vector(&w, TW_NO_BYTES);
  if (reference.len > 0) tw_write_vector(&w, reference);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_component_set(extensions, t.test.code_points.channel_binding_component, tw_buf_bytes(&data)),
                   TW_OK);
  tw_buf_clear(&data);
}

/* ---- Welcomes that an ordinary MLS client would take ---- */

typedef struct odd_group {
  const char *context_label; /* NULL: no binding */
  const char *leaf_label;
  const char *id;
  bool third_member;
  bool other_key_package; /* the context is about another one than the Welcome is for */
} odd_group;

static tw_err join_odd(const odd_group *odd) {
  tw_buf hello = tw_test_pair_buf(&t), context = tw_test_pair_buf(&t), leaf = tw_test_pair_buf(&t),
         proposals = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t);
  tw_pair_free(t.initiator);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  uint8_t reference[TW_HASH_MAX];
  const tw_bytes ours = tw_key_package_reference(t.initiator->key_package);
  memcpy(reference, ours.ptr, ours.len);
  if (odd->other_key_package) reference[ours.len - 1] ^= 1;
  if (odd->context_label != NULL) bind_extensions(&context, odd->context_label, TW_BYTES(reference, ours.len));
  if (odd->leaf_label != NULL) bind_extensions(&leaf, odd->leaf_label, TW_NO_BYTES);
  tw_client odd_client = t.bob.client;
  odd_client.leaf_extensions = tw_buf_bytes(&leaf);
  tw_group *group = NULL;
  assert_int_equal(tw_group_create(&odd_client, TW_BYTES((const uint8_t *)odd->id, strlen(odd->id)),
                                   tw_buf_bytes(&context), TW_TEST_NOW_MS / 1000, &group),
                   TW_OK);
  tw_pair_message message;
  assert_int_equal(tw_pair_message_decode(tw_buf_bytes(&hello), &message), TW_OK);
  assert_int_equal(tw_propose_add(&proposals, message.mls), TW_OK);
  tw_test_party third;
  tw_key_package *package = NULL;
  tw_test_party_init(&third, &t.test, t.bob.client.suite, "third");
  if (odd->third_member) {
    third.client.leaf_extensions = tw_buf_bytes(&leaf);
    assert_int_equal(tw_key_package_new(&third.client, NULL, TW_TEST_NOW_MS / 1000, &package), TW_OK);
    assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(package)), TW_OK);
  }
  tw_commit_result result = {0};
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  assert_int_equal(tw_group_commit(group, &options, TW_TEST_NOW_MS / 1000, &result), TW_OK);
  const tw_pair_message welcome = {.type = TW_PAIR_SERVER_HELLO, .mls = tw_buf_bytes(&result.welcome)};
  assert_int_equal(tw_pair_message_encode(&welcome, &answer), TW_OK);
  const tw_err err = tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&answer));
  tw_commit_result_clear(&result);
  tw_key_package_free(package);
  tw_group_free(group);
  tw_test_party_clear(&third);
  tw_buf_clear(&hello);
  tw_buf_clear(&context);
  tw_buf_clear(&leaf);
  tw_buf_clear(&proposals);
  tw_buf_clear(&answer);
  return err;
}

static void groups_that_are_not_a_pair_of_ours_are_refused(void **state) {
  (void)state;
  const char *good = "test0123456789abcdef";
  const odd_group fine = {"test", "test", good, false, false};
  assert_int_equal(join_odd(&fine), TW_OK);
  const odd_group unbound = {NULL, "test", good, false, false};
  assert_int_equal(join_odd(&unbound), TW_ERR_BINDING);
  const odd_group other_context = {"tesu", "test", good, false, false};
  assert_int_equal(join_odd(&other_context), TW_ERR_BINDING);
  const odd_group other_leaf = {"test", "tesu", good, false, false};
  assert_int_equal(join_odd(&other_leaf), TW_ERR_BINDING);
  const odd_group no_leaf = {"test", NULL, good, false, false};
  assert_int_equal(join_odd(&no_leaf), TW_ERR_BINDING);
  const odd_group other_id = {"test", "test", "tesu0123456789abcdef", false, false};
  assert_int_equal(join_odd(&other_id), TW_ERR_BINDING);
  const odd_group short_id = {"test", "test", "test0123456789abcde", false, false};
  assert_int_equal(join_odd(&short_id), TW_ERR_BINDING);
  const odd_group three = {"test", "test", good, true, false};
  assert_int_equal(join_odd(&three), TW_ERR_WRONG_GROUP);
  const odd_group other_package = {"test", "test", good, false, true};
  assert_int_equal(join_odd(&other_package), TW_ERR_BINDING);
}

/* ---- messages and commits ---- */

static void every_state_refuses_what_does_not_belong_there(void **state) {
  (void)state;
  enum { REPEATED = 1u << 12, AHEAD = 1u << 13, LEVEL = 3u << 14, REQUESTS = REPEATED | AHEAD | LEVEL };
  static const struct {
    tw_pair_state state;
    unsigned accepted; /* bit i: input i */
  } rows[] = {
      {TW_PAIR_HELLO_SENT, 1u << 2},
      {TW_PAIR_UNCONFIRMED, LEVEL},
      {TW_PAIR_STEADY, 1u << 3 | REPEATED | LEVEL},
      {TW_PAIR_LEADING, 1u << 3 | 1u << 4 | REQUESTS},
      {TW_PAIR_YIELDING, 1u << 3 | 1u << 4 | REQUESTS},
      {TW_PAIR_ASKING, 1u << 6 | REQUESTS},
      {TW_PAIR_ANSWERED, REQUESTS},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    for (unsigned input = 1; input < TW_PAIR_INPUTS; input++) {
      if (input > 6 && input < 12) continue; /* our own side's */
      const tw_pair_step step = tw_pair_machine_step(rows[i].state, (tw_pair_input)input);
      const bool accepts = step.action != TW_PAIR_DO_REFUSE && step.action != TW_PAIR_DO_REFUSE_APART;
      assert_int_equal(accepts, (rows[i].accepted >> input) & 1);
      if (!accepts) assert_int_equal(step.next, rows[i].state);
    }
  }
}

static void wrong_messages_change_nothing(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t), commit = tw_test_pair_buf(&t),
         confirm = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &answer), TW_OK);
  static const uint8_t resume[4 + TW_PAIR_NONCE + 4] = {0, 1, 0, 5, [4 + TW_PAIR_NONCE] = 0, 1, 0, 2};
  assert_int_equal(respond_to(tw_buf_bytes(&answer)), TW_ERR_UNEXPECTED);
  assert_int_equal(respond_to(TW_ARRAY(resume)), TW_ERR_UNEXPECTED);
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&hello)), TW_ERR_UNEXPECTED);
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&hello)), TW_ERR_UNEXPECTED);
  assert_int_equal(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&answer)), TW_ERR_UNEXPECTED);
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, TW_ARRAY(resume)), TW_ERR_TRUNCATED);
  (void)tw_test_pair_deliver(&t, t.initiator, &answer);
  tw_pair_confirm(t.responder);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &commit), TW_OK);
  tw_buf kept = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&kept, tw_buf_bytes(&commit)), TW_OK);
  /* Our own message comes back: in LEADING it looks like a tie, in STEADY it is our own. */
  (void)tw_test_pair_deliver(&t, t.responder, &commit);
  confirm = commit;
  static const uint8_t wrong_epochs[][12] = {{0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1},
                                             {0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3}};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(tw_test_pair_refused(&t, t.initiator, TW_ARRAY(wrong_epochs[i])), TW_ERR_UNEXPECTED);
    assert_int_equal(tw_test_pair_refused(&t, t.responder, TW_ARRAY(wrong_epochs[i])), TW_ERR_UNEXPECTED);
  }
  tw_buf again = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&again, tw_buf_bytes(&confirm)), TW_OK);
  (void)tw_test_pair_deliver(&t, t.initiator, &confirm);
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&again)), TW_ERR_UNEXPECTED);
  /* A replayed commit is for an epoch that is gone. */
  assert_int_equal(tw_err_class_of(tw_test_pair_refused(&t, t.responder, tw_buf_bytes(&kept))), TW_CLASS_STALE);
  tw_test_pair_same_epoch(&t);
  tw_buf_clear(&hello);
  tw_buf_clear(&confirm);
  tw_buf_clear(&again);
  tw_buf_clear(&kept);
}

/* A commit that `pair` would not make, as a connection_update to the other side. */
static tw_err odd_commit(tw_pair *from, tw_pair *to, const tw_commit_options *options) {
  tw_commit_result result = {0};
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_group_commit(tw_pair_group(from), options, TW_TEST_NOW_MS / 1000, &result), TW_OK);
  const tw_pair_message odd = {.type = TW_PAIR_CONNECTION_UPDATE, .mls = tw_buf_bytes(&result.commit)};
  assert_int_equal(tw_pair_message_encode(&odd, &message), TW_OK);
  const tw_err err = tw_test_pair_refused(&t, to, tw_buf_bytes(&message));
  tw_commit_result_clear(&result);
  tw_buf_clear(&message);
  return err;
}

static void commits_that_do_more_than_update_are_refused(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf proposals = tw_test_pair_buf(&t);
  assert_int_equal(tw_propose_remove(&proposals, 1), TW_OK);
  const tw_commit_options remove = {.proposals = tw_buf_bytes(&proposals)};
  assert_int_equal(odd_commit(t.responder, t.initiator, &remove), TW_ERR_PROPOSAL);
  tw_key_package *package = NULL;
  tw_test_party third;
  tw_test_party_init(&third, &t.test, t.bob.client.suite, "third");
  assert_int_equal(tw_key_package_new(&third.client, NULL, TW_TEST_NOW_MS / 1000, &package), TW_OK);
  proposals.len = 0;
  assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(package)), TW_OK);
  const tw_commit_options add = {.proposals = tw_buf_bytes(&proposals)};
  assert_int_equal(odd_commit(t.initiator, t.responder, &add), TW_ERR_PROPOSAL);
  const tw_commit_options open = {.plaintext = true};
  assert_int_equal(odd_commit(t.initiator, t.responder, &open), TW_ERR_UNEXPECTED);
  /* A new leaf that is bound to something else. */
  tw_buf leaf = tw_test_pair_buf(&t);
  bind_extensions(&leaf, "test", TW_NO_BYTES);
  tw_client rebound = t.alice.client;
  rebound.leaf_extensions = tw_buf_bytes(&leaf);
  const tw_commit_options other_leaf = {.client = &rebound};
  assert_int_equal(odd_commit(t.initiator, t.responder, &other_leaf), TW_ERR_BINDING);
  tw_test_pair_update(&t, t.initiator, t.responder);
  tw_key_package_free(package);
  tw_test_party_clear(&third);
  tw_buf_clear(&proposals);
  tw_buf_clear(&leaf);
}

/* Every cut and every flipped bit of `message` (in steps) is refused by a copy of the receiver's state. */
static void damage(tw_pair *receiver, tw_bytes message, size_t step) {
  tw_buf bad = tw_test_pair_buf(&t);
  for (size_t cut = 0; cut < message.len; cut++) {
    assert_true(tw_test_pair_refused(&t, receiver, TW_BYTES(message.ptr, cut)) != TW_OK);
  }
  assert_int_equal(tw_buf_append(&bad, message), TW_OK);
  for (size_t i = 0; i < message.len; i += step) {
    const uint8_t mask = (uint8_t)(1u << (i % 8));
    bad.ptr[i] ^= mask;
    assert_true(tw_test_pair_refused(&t, receiver, tw_buf_bytes(&bad)) != TW_OK);
    bad.ptr[i] ^= mask;
  }
  static const uint8_t zero = 0;
  assert_int_equal(tw_buf_append(&bad, TW_BYTES(&zero, 1)), TW_OK);
  assert_true(tw_test_pair_refused(&t, receiver, tw_buf_bytes(&bad)) != TW_OK);
  tw_buf_clear(&bad);
}

static void damaged_messages_are_refused(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t), message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  for (size_t cut = 0; cut < hello.len; cut++) assert_true(respond_to(TW_BYTES(hello.ptr, cut)) != TW_OK);
  for (size_t i = 0; i < hello.len; i++) {
    const uint8_t mask = (uint8_t)(1u << (i % 8));
    hello.ptr[i] ^= mask;
    assert_true(respond_to(tw_buf_bytes(&hello)) != TW_OK);
    hello.ptr[i] ^= mask;
  }
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &answer), TW_OK);
  damage(t.initiator, tw_buf_bytes(&answer), 1);
  (void)tw_test_pair_deliver(&t, t.initiator, &answer);
  tw_pair_confirm(t.responder);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &message), TW_OK);
  damage(t.initiator, tw_buf_bytes(&message), 1);
  (void)tw_test_pair_deliver(&t, t.initiator, &message);
  damage(t.responder, tw_buf_bytes(&message), 1);
  (void)tw_test_pair_deliver(&t, t.responder, &message);
  tw_test_pair_same_epoch(&t);
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_buf_clear(&message);
}

static void arguments_are_checked(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t);
  static const uint8_t big[TW_PAIR_PARAMETERS_MAX + 1];
  tw_pair_config bad = t.alice_config;
  bad.client_count = 0;
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &t.initiator, &hello), TW_ERR_ARGUMENT);
  bad = t.alice_config;
  bad.label = TW_NO_BYTES;
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &t.initiator, &hello), TW_ERR_ARGUMENT);
  bad.label = TW_BYTES(big, TW_PAIR_LABEL_MAX + 1);
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &t.initiator, &hello), TW_ERR_ARGUMENT);
  bad = t.alice_config;
  bad.parameters = TW_ARRAY(big);
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &t.initiator, &hello), TW_ERR_ARGUMENT);
  tw_pair_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(groups_that_are_not_a_pair_of_ours_are_refused),
      TEST(every_state_refuses_what_does_not_belong_there),
      TEST(wrong_messages_change_nothing),
      TEST(commits_that_do_more_than_update_are_refused),
      TEST(damaged_messages_are_refused),
      TEST(arguments_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
