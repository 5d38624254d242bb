/*
 * Known answers of 2PMLS, MLS-TLS and TLS+MLS: 2pmls.json, mls-tls.json and tls-mls.json in tests/vectors. The test
 * makes them anew from fixed randomness and compares; called with "--write" the program is their generator.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tw_cmocka.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/channel_internal.h"
#include "mls/group.h"
#include "mls/key_package_make.h"
#include "pair/pair_internal.h"
#include "support/tw_test_tls.h"
#include "support/tw_test_wire.h"
#include "tls/transcript.h"

static bool writing;

/* Suites whose signatures and encapsulations follow from the drawn bytes alone. */
static const char *const suites[] = {
    "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
};
enum { SUITES = sizeof suites / sizeof suites[0] };

static void put_hex(json_t *object, const char *key, tw_bytes bytes) {
  char *text = malloc(bytes.len * 2 + 1);
  assert_non_null(text);
  for (size_t i = 0; i < bytes.len; i++) (void)snprintf(text + 2 * i, 3, "%02x", bytes.ptr[i]);
  text[bytes.len * 2] = '\0';
  assert_int_equal(json_object_set_new(object, key, json_string(text)), 0);
  free(text);
}

static void put_number(json_t *object, const char *key, uint64_t value) {
  assert_int_equal(json_object_set_new(object, key, json_integer((json_int_t)value)), 0);
}

static void put_text(json_t *object, const char *key, const char *text) {
  assert_int_equal(json_object_set_new(object, key, json_string(text)), 0);
}

static json_t *put_object(json_t *object, const char *key) {
  json_t *made = json_object();
  assert_int_equal(json_object_set_new(object, key, made), 0);
  return made;
}

static json_t *put_array(json_t *object, const char *key) {
  json_t *made = json_array();
  assert_int_equal(json_object_set_new(object, key, made), 0);
  return made;
}

static json_t *append_object(json_t *array) {
  json_t *made = json_object();
  assert_int_equal(json_array_append_new(array, made), 0);
  return made;
}

static void put_party(json_t *object, const char *key, const tw_client *client, tw_bytes parameters) {
  json_t *party = put_object(object, key);
  tw_buf private_key = {0};
  assert_int_equal(tw_signer_export(client->signer, &private_key), TW_OK);
  put_hex(party, "identity", client->credential.identity);
  put_hex(party, "signature_private", tw_buf_bytes(&private_key));
  put_hex(party, "signature_public", tw_signer_public_key(client->signer));
  put_hex(party, "parameters", parameters);
  tw_buf_clear(&private_key);
}

static void put_suite(json_t *object, const tw_env *env, const tw_suite *suite) {
  put_number(object, "cipher_suite", tw_suite_id(env, suite));
  put_text(object, "cipher_suite_name", tw_suite_name(suite));
}

static void put_key_package(json_t *object, const tw_pair *initiator) {
  put_hex(object, "init_private", tw_secret_bytes(&initiator->key_package->init_key));
  put_hex(object, "leaf_private", tw_secret_bytes(&initiator->key_package->leaf_key));
}

/* What both sides have in common, and each side's leaf key. */
static void put_epoch(json_t *object, const tw_pair *initiator, const tw_pair *responder) {
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

/* ---- 2PMLS ---- */

typedef struct exchange {
  json_t *steps;
  tw_pair *initiator, *responder;
} exchange;

static json_t *put_message(const exchange *ex, const char *type, const char *from, const tw_buf *message) {
  json_t *step = append_object(ex->steps);
  put_text(step, "type", type);
  put_text(step, "from", from);
  put_hex(step, "message", tw_buf_bytes(message));
  return step;
}

static tw_pair_event give(tw_pair *pair, tw_buf *message) {
  tw_buf reply = TW_BUF_INIT(message->alloc);
  tw_pair_event event;
  assert_int_equal(tw_pair_receive(pair, tw_buf_bytes(message), TW_TEST_NOW_MS, &reply, &event), TW_OK);
  tw_buf_clear(message);
  *message = reply;
  return event;
}

static void run_update(const exchange *ex, bool by_initiator) {
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

static json_t *make_2pmls(const tw_suite *suite) {
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

/* ---- MLS-TLS ---- */

static void put_direction(json_t *epoch, const tw_test_wire *wire, const tw_group *group, tw_bytes context,
                          const char *label, const char *side) {
  const tw_suite *suite = tw_group_suite(group);
  uint8_t secret[TW_HASH_MAX], key[TW_AEAD_KEY_MAX], iv[TW_AEAD_NONCE];
  const tw_bytes secret_bytes = TW_BYTES(secret, suite->hash->size);
  assert_int_equal(
      tw_group_export(group, TW_BYTES((const uint8_t *)label, strlen(label)), context, secret, suite->hash->size),
      TW_OK);
  const tw_env *env = &wire->test.env;
  assert_int_equal(tw_hkdf_expand_label(env, suite, secret_bytes, "key", TW_NO_BYTES, key, suite->aead->key_size),
                   TW_OK);
  assert_int_equal(tw_hkdf_expand_label(env, suite, secret_bytes, "iv", TW_NO_BYTES, iv, sizeof iv), TW_OK);
  json_t *direction = put_object(epoch, side);
  put_hex(direction, "application_traffic_secret", secret_bytes);
  put_hex(direction, "write_key", TW_BYTES(key, suite->aead->key_size));
  put_hex(direction, "write_iv", TW_ARRAY(iv));
}

static void put_traffic_keys(json_t *epochs, const tw_test_wire *wire) {
  json_t *epoch = append_object(epochs);
  put_epoch(epoch, wire->alice.channel->pair, wire->bob.channel->pair);
  const tw_group *group = tw_channel_group(wire->alice.channel);
  const tw_bytes context = tw_pair_context(wire->alice.channel->pair);
  put_hex(epoch, "context", context);
  put_direction(epoch, wire, group, context, "MLS-TLS c ap traffic", "client");
  put_direction(epoch, wire, group, context, "MLS-TLS s ap traffic", "server");
}

/* The keys of data that follows a resumption_request. */
static void put_early_key(json_t *epochs, const tw_test_wire *wire) {
  const tw_pair *pair = wire->alice.channel->pair;
  const tw_group *group = tw_pair_early_group(pair);
  json_t *epoch = append_object(epochs);
  put_number(epoch, "epoch", tw_group_epoch(group));
  put_hex(epoch, "context", tw_pair_early_context(pair));
  put_direction(epoch, wire, group, tw_pair_early_context(pair), "MLS-TLS c ap traffic", "client");
}

/* All that `from` has to send, in one entry. */
static void pass(tw_test_wire *wire, json_t *flights, tw_test_side *from, tw_test_side *to, const char *what) {
  json_t *flight = append_object(flights);
  put_text(flight, "from", from == &wire->alice ? "client" : "server");
  put_text(flight, "what", what);
  put_hex(flight, "wire", tw_channel_output(from->channel));
  assert_true(tw_channel_output(from->channel).len > 0);
  to->received.len = 0;
  while (tw_test_wire_move(wire, from, to, SIZE_MAX)) {}
  put_hex(flight, "application_data", tw_buf_bytes(&to->received));
}

static json_t *make_mls_tls(const tw_suite *suite) {
  tw_test_wire wire;
  tw_test_wire_init(&wire, suite);
  tw_test_side *alice = &wire.alice;
  tw_test_side *bob = &wire.bob;
  bob->options.padding_block = 64;
  tw_test_wire_durable(&wire);
  tw_test_wire_open(&wire);
  json_t *vector = json_object();
  put_suite(vector, &wire.test.env, suite);
  put_number(vector, "now_ms", TW_TEST_NOW_MS);
  put_party(vector, "client", &alice->party.client, TW_NO_BYTES);
  put_party(vector, "server", &bob->party.client, TW_NO_BYTES);
  put_key_package(json_object_get(vector, "client"), alice->channel->pair);
  json_t *flights = put_array(vector, "flights");
  json_t *epochs = put_array(vector, "epochs");
  pass(&wire, flights, alice, bob, "client_hello");
  pass(&wire, flights, bob, alice, "server_hello");
  put_traffic_keys(epochs, &wire);
  pass(&wire, flights, alice, bob, "an empty record that confirms the epoch");
  tw_test_side_write(alice, TW_LITERAL("from the client"));
  pass(&wire, flights, alice, bob, "application data");
  tw_test_side_write(bob, TW_LITERAL("from the server"));
  pass(&wire, flights, bob, alice, "application data, padded to 64 bytes");
  assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
  tw_test_side_save(alice);
  tw_test_side_write(alice, TW_LITERAL("still epoch 1"));
  pass(&wire, flights, alice, bob, "connection_update and application data under epoch 1");
  tw_test_side_write(bob, TW_LITERAL("already epoch 2"));
  pass(&wire, flights, bob, alice, "epoch_key_update under epoch 1 and application data under epoch 2");
  put_traffic_keys(epochs, &wire);
  pass(&wire, flights, alice, bob, "an empty record that shows the switch to epoch 2");
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  tw_test_side_save(bob);
  pass(&wire, flights, bob, alice, "connection_update under epoch 2");
  pass(&wire, flights, alice, bob, "epoch_key_update under epoch 2");
  put_traffic_keys(epochs, &wire);
  pass(&wire, flights, bob, alice, "an empty record that shows the switch to epoch 3");
  tw_test_wire_reopen(&wire, alice);
  put_early_key(epochs, &wire);
  tw_test_side_write(alice, TW_LITERAL("with the first flight"));
  pass(&wire, flights, alice, bob, "on a new connection: resumption_request and early application data");
  tw_test_side_write(bob, TW_LITERAL("with the second"));
  pass(&wire, flights, bob, alice, "resumption_response and application data");
  put_traffic_keys(epochs, &wire);
  pass(&wire, flights, alice, bob, "an empty record that confirms the response");
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  pass(&wire, flights, alice, bob, "close_notify");
  assert_int_equal(tw_channel_close(bob->channel), TW_OK);
  pass(&wire, flights, bob, alice, "close_notify");
  tw_test_wire_clear(&wire);
  return vector;
}

/* ---- TLS+MLS ---- */

typedef struct recording {
  json_t *messages;
  tw_tls_transcript hellos; /* until the ServerHello */
} recording;

static void record_message(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  const recording *to = ctx;
  (void)index;
  json_t *entry = append_object(to->messages);
  put_text(entry, "from", from == &from->both->alice ? "client" : "server");
  put_hex(entry, "message", tw_buf_bytes(message));
}

static void put_secret(json_t *object, const char *key, const tw_secret *secret) {
  put_hex(object, key, tw_secret_bytes(secret));
}

/* The flight that `from` has made. */
static void pass_flight(json_t *flights, tw_test_tls_side *from, tw_test_tls_side *to) {
  tw_buf wire = from->wire;
  from->wire = (tw_buf){0};
  assert_true(wire.len > 0);
  json_t *flight = append_object(flights);
  put_text(flight, "from", from == &from->both->alice ? "client" : "server");
  put_hex(flight, "wire", tw_buf_bytes(&wire));
  tw_test_tls_give(to, tw_buf_bytes(&wire));
  tw_buf_clear(&wire);
}

static void put_tls_epoch(json_t *epochs, const tw_env *env, const tw_tls_result *client, const tw_tls_result *server) {
  json_t *entry = append_object(epochs);
  tw_secret handshake_secret = {0};
  tw_tls_epoch epoch = {0};
  const tw_group *group = tw_pair_group(client->pair);
  assert_int_equal(tw_tls_handshake_secret(client->suite, group, TW_NO_BYTES, &handshake_secret), TW_OK);
  assert_int_equal(tw_tls_epoch_of_group(env, client->suite, group, TW_NO_BYTES, client->transcript_hash, &epoch),
                   TW_OK);
  put_epoch(entry, client->pair, server->pair);
  put_secret(entry, "handshake_secret", &handshake_secret);
  put_secret(entry, "client_application_traffic_secret", &epoch.traffic.client);
  put_secret(entry, "server_application_traffic_secret", &epoch.traffic.server);
  put_secret(entry, "exporter_secret", &epoch.exporter);
}

/* The secrets of the handshake, by the messages that were recorded up to the ServerHello. */
static void put_handshake_secrets(json_t *vector, const tw_env *env, const tw_tls_result *client, tw_bytes hellos) {
  uint8_t hash[TW_HASH_MAX];
  tw_secret handshake_secret = {0};
  tw_tls_traffic traffic = {0};
  assert_int_equal(tw_hash_parts(env, client->suite, &hellos, 1, hash), TW_OK);
  assert_int_equal(tw_tls_handshake_secret(client->suite, tw_pair_group(client->pair), TW_NO_BYTES, &handshake_secret),
                   TW_OK);
  assert_int_equal(tw_tls_handshake_traffic(env, client->suite, &handshake_secret, hash, &traffic), TW_OK);
  put_number(vector, "tls_cipher_suite", client->suite->id);
  put_hex(vector, "transcript_hash_to_server_hello", TW_BYTES(hash, client->suite->hash->size));
  put_secret(vector, "client_handshake_traffic_secret", &traffic.client);
  put_secret(vector, "server_handshake_traffic_secret", &traffic.server);
  put_hex(vector, "transcript_hash_to_server_finished", TW_BYTES(client->transcript_hash, client->suite->hash->size));
}

static void update_tls(json_t *vector, tw_test_tls *both, tw_tls_result *client, tw_tls_result *server) {
  exchange ex = {.steps = put_array(vector, "updates"), .initiator = client->pair, .responder = server->pair};
  run_update(&ex, true);
  put_tls_epoch(json_object_get(vector, "epochs"), &both->test.env, client, server);
  run_update(&ex, false);
  put_tls_epoch(json_object_get(vector, "epochs"), &both->test.env, client, server);
}

static void set_up_tls(tw_test_tls *both, bool retry) {
  static const tw_bytes names[] = {TW_LITERAL("server.example")};
  static const tw_bytes protocols[] = {TW_LITERAL("h2")};
  tw_tls_config *client = &both->alice.config;
  tw_tls_config *server = &both->bob.config;
  client->server_names = names;
  client->server_name_count = 1;
  client->protocols = server->protocols = protocols;
  client->protocol_count = server->protocol_count = 1;
  client->record_size_limit = server->record_size_limit = 16385;
  server->retry = retry;
  server->cookie_key = TW_LITERAL("0123456789abcdef0123456789abcdef");
  server->cookie_context = TW_LITERAL("192.0.2.1");
}

/* ClientHello and ServerHello, or with a retry what stands for the first ClientHello, and three messages. */
static void collect_hellos(const tw_suite *tls_suite, const tw_env *env, const json_t *messages, bool retry,
                           tw_tls_transcript *out) {
  for (size_t i = 0; i < (retry ? 4u : 2u); i++) {
    tw_buf message = {0};
    tw_test_hex(json_array_get(messages, i), "message", &message);
    assert_int_equal(tw_tls_transcript_add(out, tw_buf_bytes(&message)), TW_OK);
    tw_buf_clear(&message);
    uint8_t hash[TW_HASH_MAX];
    if (!retry || i > 0) continue;
    assert_int_equal(tw_tls_transcript_hash(env, tls_suite, out, hash), TW_OK);
    assert_int_equal(tw_tls_transcript_restart(tls_suite, hash, out), TW_OK);
  }
}

static json_t *make_tls_mls(const tw_suite *suite) {
  tw_test_tls both;
  tw_tls_result client, server;
  tw_test_tls_init(&both, suite);
  const tw_env *env = &both.test.env;
  /* One of the suites shows a HelloRetryRequest. */
  const bool retry = suite == tw_suite_by_name(suites[1]);
  set_up_tls(&both, retry);
  json_t *vector = json_object();
  put_suite(vector, env, suite);
  put_number(vector, "now_ms", TW_TEST_NOW_MS);
  put_party(vector, "client", &both.alice.party.client, TW_NO_BYTES);
  put_party(vector, "server", &both.bob.party.client, TW_NO_BYTES);
  recording recorded = {.messages = put_array(vector, "messages")};
  both.tamper = record_message;
  both.tamper_ctx = &recorded;
  tw_test_tls_open(&both);
  put_key_package(json_object_get(vector, "client"), tw_tls_pair(both.alice.tls));
  assert_int_equal(tw_tls_client_start(both.alice.tls, TW_NO_BYTES), TW_OK);
  tw_test_tls_steps(&both.alice);
  json_t *flights = put_array(vector, "flights");
  for (unsigned i = 0; i < (retry ? 2u : 1u); i++) {
    pass_flight(flights, &both.alice, &both.bob);
    pass_flight(flights, &both.bob, &both.alice);
  }
  pass_flight(flights, &both.alice, &both.bob);
  assert_int_equal(tw_tls_take(both.alice.tls, &client), TW_OK);
  assert_int_equal(tw_tls_take(both.bob.tls, &server), TW_OK);
  collect_hellos(client.suite, env, recorded.messages, retry, &recorded.hellos);
  put_handshake_secrets(vector, env, &client, tw_buf_bytes(&recorded.hellos.messages));
  put_tls_epoch(put_array(vector, "epochs"), env, &client, &server);
  update_tls(vector, &both, &client, &server);
  tw_buf_clear(&recorded.hellos.messages);
  tw_pair_free(client.pair);
  tw_pair_free(server.pair);
  tw_test_tls_clear(&both);
  return vector;
}

/* ---- the files ---- */

static void check_file(const char *name, json_t *(*make)(const tw_suite *suite)) {
  char path[4096];
  const char *source = getenv("TREEWIRE_SOURCE");
  const int len = snprintf(path, sizeof path, "%s/tests/vectors/%s", source != NULL ? source : TW_SOURCE_DIR, name);
  assert_true(len > 0 && (size_t)len < sizeof path);
  json_t *made = json_array();
  for (size_t i = 0; i < SUITES; i++) {
    const tw_suite *suite = tw_suite_by_name(suites[i]);
    assert_non_null(suite);
    assert_int_equal(json_array_append_new(made, make(suite)), 0);
  }
  if (writing) {
    assert_int_equal(json_dump_file(made, path, JSON_INDENT(1)), 0);
  } else {
    json_error_t error;
    json_t *known = json_load_file(path, 0, &error);
    if (known == NULL) fail_msg("%s:%d: %s", path, error.line, error.text);
    assert_true(json_equal(known, made));
    json_decref(known);
  }
  json_decref(made);
}

static void pairs_give_the_known_answers(void **state) {
  (void)state;
  check_file("2pmls.json", make_2pmls);
}

static void channels_give_the_known_answers(void **state) {
  (void)state;
  check_file("mls-tls.json", make_mls_tls);
}

static void tls_handshakes_give_the_known_answers(void **state) {
  (void)state;
  check_file("tls-mls.json", make_tls_mls);
}

int main(int argc, char **argv) {
  writing = argc > 1 && strcmp(argv[1], "--write") == 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pairs_give_the_known_answers),
      cmocka_unit_test(channels_give_the_known_answers),
      cmocka_unit_test(tls_handshakes_give_the_known_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
