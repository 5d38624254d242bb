/* MLS-TLS. SPDX-License-Identifier: Apache-2.0 */
#include "vectors/kat/kat.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"

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

json_t *make_mls_tls(const tw_suite *suite) {
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
