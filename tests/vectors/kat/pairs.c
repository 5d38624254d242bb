/* 2PMLS. SPDX-License-Identifier: Apache-2.0 */
#include "vectors/kat/kat.h"

#include "support/tw_test_party.h"

/* Both update: the initiator's commit wins (D3). */
static void run_tie(const exchange *ex) {
  tw_buf of_initiator = {0}, of_responder = {0};
  assert_int_equal(tw_pair_update(ex->responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  assert_int_equal(tw_pair_update(ex->initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  json_t *lost = put_message(ex, "connection_update", "responder", &of_responder);
  put_text(lost, "outcome", "ignored");
  json_t *won = put_message(ex, "connection_update", "initiator", &of_initiator);
  put_text(won, "outcome", "applied");
  assert_int_equal(give(ex->initiator, &of_responder).outcome, TW_PAIR_TIE_IGNORED);
  assert_true(give(ex->responder, &of_initiator).own_dropped);
  json_t *step = put_message(ex, "epoch_key_update", "responder", &of_initiator);
  (void)give(ex->initiator, &of_initiator);
  put_epoch(step, ex->initiator, ex->responder);
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
}

/* One side asks, the other one answers (D5). */
static void run_resumption(const exchange *ex, bool by_initiator) {
  tw_pair *asker = by_initiator ? ex->initiator : ex->responder;
  tw_pair *other = by_initiator ? ex->responder : ex->initiator;
  tw_buf message = {0};
  assert_int_equal(tw_pair_resume(asker, TW_TEST_NOW_MS, &message), TW_OK);
  json_t *step = put_message(ex, "resumption_request", by_initiator ? "initiator" : "responder", &message);
  put_hex(step, "early_context", tw_pair_early_context(asker));
  assert_true(give(other, &message).early_data);
  step = put_message(ex, "resumption_response", by_initiator ? "responder" : "initiator", &message);
  (void)give(asker, &message);
  assert_true(tw_pair_confirm(other));
  put_epoch(step, ex->initiator, ex->responder);
  put_hex(step, "context", tw_pair_context(asker));
  tw_buf_clear(&message);
}

json_t *make_2pmls(const tw_suite *suite) {
  tw_test_env test;
  tw_test_party alice, bob;
  tw_test_env_init(&test, 1);
  tw_test_party_init(&alice, &test, suite, "alice");
  tw_test_party_init(&bob, &test, suite, "bob");
  const tw_pair_config of_alice = {
      .clients = alice.clients, .client_count = 1, .label = TW_LITERAL("test"), .parameters = TW_LITERAL("a")};
  const tw_pair_config of_bob = {
      .clients = bob.clients, .client_count = 1, .label = TW_LITERAL("test"), .parameters = TW_LITERAL("b")};
  json_t *vector = json_object();
  put_suite(vector, &test.env, suite);
  put_number(vector, "now_ms", TW_TEST_NOW_MS);
  put_hex(vector, "label", of_alice.label);
  put_party(vector, "initiator", &alice.client, of_alice.parameters);
  put_party(vector, "responder", &bob.client, of_bob.parameters);
  exchange ex = {.steps = put_array(vector, "steps")};
  tw_buf message = {0}, hello = {0};
  assert_int_equal(tw_pair_initiate(&of_alice, TW_TEST_NOW_MS, &ex.initiator, &message), TW_OK);
  put_key_package(put_message(&ex, "client_hello", "initiator", &message), ex.initiator);
  assert_int_equal(tw_pair_respond(&of_bob, tw_buf_bytes(&message), TW_TEST_NOW_MS, &ex.responder, &hello), TW_OK);
  json_t *step = put_message(&ex, "server_hello", "responder", &hello);
  (void)give(ex.initiator, &hello);
  tw_pair_confirm(ex.responder);
  put_epoch(step, ex.initiator, ex.responder);
  run_update(&ex, true);
  run_update(&ex, false);
  run_tie(&ex);
  run_resumption(&ex, true);
  run_resumption(&ex, false);
  tw_pair_free(ex.initiator);
  tw_pair_free(ex.responder);
  tw_buf_clear(&message);
  tw_buf_clear(&hello);
  tw_test_party_clear(&alice);
  tw_test_party_clear(&bob);
  tw_test_env_clear(&test);
  return vector;
}
