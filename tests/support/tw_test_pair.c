/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_pair.h"

#include "support/tw_cmocka.h"

tw_buf tw_test_pair_buf(tw_test_pair *t) { return TW_BUF_INIT(&t->test.alloc); }

void tw_test_pair_begin(tw_test_pair *t, const tw_suite *suite) {
  tw_test_env_init(&t->test, 7);
  tw_test_party_init(&t->alice, &t->test, suite, "alice");
  tw_test_party_init(&t->bob, &t->test, suite, "bob");
  t->alice_config = (tw_pair_config){.clients = t->alice.clients,
                                     .client_count = 1,
                                     .label = TW_LITERAL("test"),
                                     .parameters = TW_LITERAL("from alice")};
  t->bob_config = (tw_pair_config){
      .clients = t->bob.clients, .client_count = 1, .label = TW_LITERAL("test"), .parameters = TW_LITERAL("from bob")};
  t->initiator = NULL;
  t->responder = NULL;
}

void tw_test_pair_end(tw_test_pair *t) {
  tw_pair_free(t->initiator);
  tw_pair_free(t->responder);
  tw_test_party_clear(&t->alice);
  tw_test_party_clear(&t->bob);
  tw_test_env_clear(&t->test);
}

tw_pair_event tw_test_pair_deliver(tw_test_pair *t, tw_pair *pair, tw_buf *message) {
  tw_buf reply = tw_test_pair_buf(t);
  tw_pair_event event = {0};
  assert_int_equal(tw_pair_receive(pair, tw_buf_bytes(message), TW_TEST_NOW_MS, &reply, &event), TW_OK);
  tw_buf_clear(message);
  *message = reply;
  return event;
}

tw_err tw_test_pair_refused(tw_test_pair *t, tw_pair *pair, tw_bytes message) {
  tw_buf reply = tw_test_pair_buf(t);
  tw_pair_event event = {0};
  tw_pair_status before, after;
  tw_pair_get_status(pair, &before);
  const tw_err err = tw_pair_receive(pair, message, TW_TEST_NOW_MS, &reply, &event);
  tw_pair_get_status(pair, &after);
  if (err != TW_OK) {
    assert_int_equal(reply.len, 0);
    assert_int_equal(event.outcome, 0);
    assert_memory_equal(&before, &after, sizeof before);
  }
  tw_buf_clear(&reply);
  return err;
}

void tw_test_pair_same_epoch(const tw_test_pair *t) {
  const tw_group *a = tw_pair_group(t->initiator);
  const tw_group *b = tw_pair_group(t->responder);
  assert_int_equal(tw_group_epoch(a), tw_group_epoch(b));
  tw_test_same(tw_group_epoch_authenticator(a), tw_group_epoch_authenticator(b));
  uint8_t of_a[32], of_b[32];
  assert_int_equal(tw_group_export(a, TW_LITERAL("some label"), TW_NO_BYTES, of_a, sizeof of_a), TW_OK);
  assert_int_equal(tw_group_export(b, TW_LITERAL("some label"), TW_NO_BYTES, of_b, sizeof of_b), TW_OK);
  assert_memory_equal(of_a, of_b, sizeof of_a);
}

void tw_test_pair_state(const tw_pair *pair, tw_pair_state state, uint64_t epoch) {
  tw_pair_status status;
  tw_pair_get_status(pair, &status);
  assert_int_equal(status.state, state);
  assert_int_equal(status.epoch, epoch);
}

void tw_test_pair_shake_hands(tw_test_pair *t) {
  tw_buf message = tw_test_pair_buf(t);
  tw_buf hello = tw_test_pair_buf(t);
  assert_int_equal(tw_pair_initiate(&t->alice_config, TW_TEST_NOW_MS, &t->initiator, &message), TW_OK);
  tw_test_pair_state(t->initiator, TW_PAIR_HELLO_SENT, 0);
  assert_int_equal(tw_pair_respond(&t->bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &t->responder, &hello),
                   TW_OK);
  tw_test_pair_state(t->responder, TW_PAIR_UNCONFIRMED, 1);
  const tw_pair_event event = tw_test_pair_deliver(t, t->initiator, &hello);
  assert_int_equal(event.outcome, TW_PAIR_JOINED);
  assert_int_equal(event.epoch, 1);
  assert_int_equal(hello.len, 0);
  tw_test_pair_state(t->initiator, TW_PAIR_STEADY, 1);
  tw_pair_confirm(t->responder);
  tw_test_pair_state(t->responder, TW_PAIR_STEADY, 1);
  tw_test_pair_same_epoch(t);
  tw_buf_clear(&message);
  tw_buf_clear(&hello);
}

void tw_test_pair_update(tw_test_pair *t, tw_pair *from, tw_pair *to) {
  tw_buf message = tw_test_pair_buf(t);
  assert_int_equal(tw_pair_update(from, TW_TEST_NOW_MS + 5000, &message), TW_OK);
  assert_int_equal(tw_test_pair_deliver(t, to, &message).outcome, TW_PAIR_PEER_UPDATED);
  assert_int_equal(tw_test_pair_deliver(t, from, &message).outcome, TW_PAIR_OWN_UPDATED);
  assert_int_equal(message.len, 0);
  tw_buf_clear(&message);
  tw_test_pair_same_epoch(t);
}

void tw_test_pair_reload(tw_test_pair *t, tw_pair **pair, const tw_pair_config *config) {
  tw_buf saved = tw_test_pair_buf(t);
  tw_pair_status before, after;
  tw_pair_get_status(*pair, &before);
  assert_int_equal(tw_pair_save(*pair, &saved), TW_OK);
  tw_pair_free(*pair);
  *pair = NULL;
  assert_int_equal(tw_pair_load(config, tw_buf_bytes(&saved), pair), TW_OK);
  tw_pair_get_status(*pair, &after);
  assert_memory_equal(&before, &after, sizeof before);
  tw_buf_clear(&saved);
}
