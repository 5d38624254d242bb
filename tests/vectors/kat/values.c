/* Values and messages of a vector. SPDX-License-Identifier: Apache-2.0 */
#include "vectors/kat/kat.h"

#include <stdio.h>
#include <stdlib.h>

#include "mls/group.h"
#include "mls/key_package_make.h"
#include "pair/pair_internal.h"
#include "support/tw_test_party.h"

void put_hex(json_t *object, const char *key, tw_bytes bytes) {
  char *text = malloc(bytes.len * 2 + 1);
  assert_non_null(text);
  for (size_t i = 0; i < bytes.len; i++) (void)snprintf(text + 2 * i, 3, "%02x", bytes.ptr[i]);
  text[bytes.len * 2] = '\0';
  assert_int_equal(json_object_set_new(object, key, json_string(text)), 0);
  free(text);
}

void put_number(json_t *object, const char *key, uint64_t value) {
  assert_int_equal(json_object_set_new(object, key, json_integer((json_int_t)value)), 0);
}

void put_text(json_t *object, const char *key, const char *text) {
  assert_int_equal(json_object_set_new(object, key, json_string(text)), 0);
}

json_t *put_object(json_t *object, const char *key) {
  json_t *made = json_object();
  assert_int_equal(json_object_set_new(object, key, made), 0);
  return made;
}

json_t *put_array(json_t *object, const char *key) {
  json_t *made = json_array();
  assert_int_equal(json_object_set_new(object, key, made), 0);
  return made;
}

json_t *append_object(json_t *array) {
  json_t *made = json_object();
  assert_int_equal(json_array_append_new(array, made), 0);
  return made;
}

void put_party(json_t *object, const char *key, const tw_client *client, tw_bytes parameters) {
  json_t *party = put_object(object, key);
  tw_buf private_key = {0};
  assert_int_equal(tw_signer_export(client->signer, &private_key), TW_OK);
  put_hex(party, "identity", client->credential.identity);
  put_hex(party, "signature_private", tw_buf_bytes(&private_key));
  put_hex(party, "signature_public", tw_signer_public_key(client->signer));
  put_hex(party, "parameters", parameters);
  tw_buf_clear(&private_key);
}

void put_suite(json_t *object, const tw_env *env, const tw_suite *suite) {
  put_number(object, "cipher_suite", tw_suite_id(env, suite));
  put_text(object, "cipher_suite_name", tw_suite_name(suite));
}

void put_key_package(json_t *object, const tw_pair *initiator) {
  put_hex(object, "init_private", tw_secret_bytes(&initiator->key_package->init_key));
  put_hex(object, "leaf_private", tw_secret_bytes(&initiator->key_package->leaf_key));
}

void put_epoch(json_t *object, const tw_pair *initiator, const tw_pair *responder) {
  const tw_group *group = tw_pair_group(initiator);
  uint8_t exported[32];
  assert_int_equal(tw_group_export(group, TW_LITERAL("test"), TW_LITERAL("context"), exported, sizeof exported), TW_OK);
  put_number(object, "epoch", tw_group_epoch(group));
  put_hex(object, "group_id", tw_group_id(group));
  put_hex(object, "epoch_authenticator", tw_group_epoch_authenticator(group));
  put_hex(object, "exporter_test_context", TW_ARRAY(exported));
  put_hex(object, "initiator_leaf_private", tw_secret_bytes(&initiator->group->priv.leaf_key));
  put_hex(object, "responder_leaf_private", tw_secret_bytes(&responder->group->priv.leaf_key));
}

/* ---- messages of pairs ---- */

json_t *put_message(const exchange *ex, const char *type, const char *from, const tw_buf *message) {
  json_t *step = append_object(ex->steps);
  put_text(step, "type", type);
  put_text(step, "from", from);
  put_hex(step, "message", tw_buf_bytes(message));
  return step;
}

tw_pair_event give(tw_pair *pair, tw_buf *message) {
  tw_buf reply = TW_BUF_INIT(message->alloc);
  tw_pair_event event;
  assert_int_equal(tw_pair_receive(pair, tw_buf_bytes(message), TW_TEST_NOW_MS, &reply, &event), TW_OK);
  tw_buf_clear(message);
  *message = reply;
  return event;
}

void run_update(const exchange *ex, bool by_initiator) {
  tw_pair *maker = by_initiator ? ex->initiator : ex->responder;
  tw_pair *other = by_initiator ? ex->responder : ex->initiator;
  tw_buf message = {0};
  assert_int_equal(tw_pair_update(maker, TW_TEST_NOW_MS, &message), TW_OK);
  (void)put_message(ex, "connection_update", by_initiator ? "initiator" : "responder", &message);
  (void)give(other, &message);
  json_t *step = put_message(ex, "epoch_key_update", by_initiator ? "responder" : "initiator", &message);
  (void)give(maker, &message);
  put_epoch(step, ex->initiator, ex->responder);
  tw_buf_clear(&message);
}
