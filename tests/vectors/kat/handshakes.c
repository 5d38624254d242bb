/* TLS+MLS. SPDX-License-Identifier: Apache-2.0 */
#include "vectors/kat/kat.h"

#include "support/tw_test_tls.h"
#include "tls/transcript.h"

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

json_t *make_tls_mls(const tw_suite *suite) {
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
