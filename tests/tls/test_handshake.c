/* Whole handshakes of TLS+MLS over records. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_kit.h"

#include <string.h>

#include "tls/client_hello.h"

static void same_epoch(void) {
  const tw_group *a = tw_pair_group(tw_tls_pair(alice->tls));
  const tw_group *b = tw_pair_group(tw_tls_pair(bob->tls));
  tw_test_same(tw_group_epoch_authenticator(a), tw_group_epoch_authenticator(b));
}

static void every_suite_shakes_hands(void **state) {
  (void)state;
  static const struct {
    uint16_t mls, tls;
  } wanted[] = {{1, 0x1301}, {3, 0x1303}, {4, 0x1302}, {7, 0x1302}, {0xf102, 0x1302}, {0xf109, 0x1303}};
  for (size_t n = 0; tw_suite_at(n) != NULL; n++) {
    tw_test_tls_init(&both, tw_suite_at(n));
    tw_test_tls_establish(&both);
    tw_tls_info a, b;
    tw_tls_get_info(alice->tls, &a);
    tw_tls_get_info(bob->tls, &b);
    assert_ptr_equal(a.suite, b.suite);
    assert_ptr_equal(a.suite->aead, tw_suite_at(n)->aead);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
      if (wanted[i].mls == tw_suite_id(&both.test.env, tw_suite_at(n))) assert_int_equal(a.suite->id, wanted[i].tls);
    }
    assert_memory_equal(a.client_random, b.client_random, TW_TLS_RANDOM);
    same_epoch();
    tw_test_tls_talk(&both);
    assert_int_equal(alice->messages, 2); /* ClientHello, Finished */
    assert_int_equal(bob->messages, 3);   /* ServerHello, EncryptedExtensions, Finished */
    if (tw_suite_at(n + 1) != NULL) tw_test_tls_clear(&both);
  }
}

static void names_protocols_and_limits_are_agreed_on(void **state) {
  (void)state;
  start(1);
  const tw_bytes names[] = {TW_LITERAL("server.example")};
  const tw_bytes served[] = {TW_LITERAL("other.example"), TW_LITERAL("SERVER.example")};
  const tw_bytes wanted[] = {TW_LITERAL("h2"), TW_LITERAL("http/1.1")};
  const tw_bytes offered[] = {TW_LITERAL("acme"), TW_LITERAL("http/1.1"), TW_LITERAL("h2")};
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
  alice->config.protocols = wanted;
  alice->config.protocol_count = 2;
  alice->config.record_size_limit = 1000;
  bob->config.server_names = served;
  bob->config.server_name_count = 2;
  bob->config.protocols = offered;
  bob->config.protocol_count = 3;
  bob->config.record_size_limit = 16385;
  tw_test_tls_establish(&both);
  tw_tls_info a, b;
  tw_tls_get_info(alice->tls, &a);
  tw_tls_get_info(bob->tls, &b);
  tw_test_same(a.server_name, names[0]);
  tw_test_same(b.server_name, names[0]);
  tw_test_same(a.protocol, TW_LITERAL("http/1.1")); /* the server's choice */
  tw_test_same(b.protocol, TW_LITERAL("http/1.1"));
  assert_int_equal(a.receive_limit, 1000);
  assert_int_equal(b.send_limit, 1000);
  assert_int_equal(a.send_limit, 16385);
  assert_int_equal(b.receive_limit, 16385);
}

static void what_one_side_leaves_out_does_not_hold(void **state) {
  (void)state;
  start(1);
  const tw_bytes names[] = {TW_LITERAL("server.example")};
  const tw_bytes wanted[] = {TW_LITERAL("h2")};
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
  alice->config.protocols = wanted;
  alice->config.protocol_count = 1;
  alice->config.record_size_limit = 64;
  tw_test_tls_establish(&both);
  tw_tls_info a, b;
  tw_tls_get_info(alice->tls, &a);
  tw_tls_get_info(bob->tls, &b);
  tw_test_same(b.server_name, names[0]);
  assert_int_equal(a.protocol.len, 0);
  assert_int_equal(a.receive_limit, TW_TLS_RECORD_SIZE_LIMIT_MAX);
  assert_int_equal(b.send_limit, TW_TLS_RECORD_SIZE_LIMIT_MAX);
  tw_test_tls_close(&both);
  alice->config.protocol_count = 0;
  alice->config.record_size_limit = 0;
  alice->config.server_name_count = 0;
  bob->config.protocols = wanted;
  bob->config.protocol_count = 1;
  bob->config.record_size_limit = 100;
  tw_test_tls_establish(&both);
  tw_tls_get_info(alice->tls, &a);
  tw_tls_get_info(bob->tls, &b);
  assert_int_equal(b.server_name.len, 0);
  assert_int_equal(b.protocol.len, 0);
  assert_int_equal(b.receive_limit, TW_TLS_RECORD_SIZE_LIMIT_MAX);
}

static void forget_name(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from == bob && index == 1) tw_test_tls_remove_extension(message, TW_TLS_EXT_SERVER_NAME);
}

static void a_name_that_the_server_does_not_confirm_was_not_used(void **state) {
  (void)state;
  start(1);
  const tw_bytes names[] = {TW_LITERAL("server.example")};
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
  both.tamper = forget_name;
  tw_test_tls_open(&both);
  tw_test_tls_run(&both);
  assert_int_equal(alice->err, TW_ERR_MAC); /* not by this server: the transcripts differ */
  tw_tls_info info;
  tw_tls_get_info(alice->tls, &info);
  assert_int_equal(info.server_name.len, 0);
}

static void messages_come_in_any_pieces(void **state) {
  (void)state;
  static const size_t pieces[] = {1, 2, 3, 5, 7, 100, 1000, 0};
  start(1);
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
    alice->fragment = bob->fragment = pieces[i];
    tw_test_tls_establish(&both);
    tw_test_tls_talk(&both);
    if (pieces[i] == 0) assert_int_equal(bob->records, 2 + 2); /* with application data; messages share a record */
    tw_test_tls_close(&both);
  }
  tw_test_tls_establish(&both);
}

/* RFC 8449: what is unprotected may be as long as ever. */
static void a_small_record_size_limit_holds_from_the_first_protected_record(void **state) {
  (void)state;
  start(1);
  alice->config.record_size_limit = bob->config.record_size_limit = 64;
  tw_test_tls_establish(&both);
  tw_tls_info info;
  tw_tls_get_info(alice->tls, &info);
  assert_int_equal(info.send_limit, 64);
  assert_int_equal(bob->records, 2 + 1); /* ServerHello, change_cipher_spec; 12 + 36 bytes fit in one */
  tw_test_tls_close(&both);
  static const tw_bytes names[] = {TW_LITERAL("a.example")};
  const tw_bytes protocols[] = {TW_LITERAL("a protocol with a long name")};
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
  alice->config.protocols = bob->config.protocols = protocols;
  alice->config.protocol_count = bob->config.protocol_count = 1;
  tw_test_tls_establish(&both);
  assert_int_equal(bob->records, 2 + 2);
}

static void compatibility_records_are_where_they_should_be(void **state) {
  (void)state;
  start(1);
  tw_test_tls_establish(&both);
  assert_int_equal(alice->ccs_sent, 1);
  assert_int_equal(bob->ccs_sent, 1);
  assert_int_equal(alice->ccs_dropped, 1);
  assert_int_equal(bob->ccs_dropped, 1);
}

/* D13: until the client's Finished, the server knows nothing of it. */
static void the_server_waits_for_finished(void **state) {
  (void)state;
  start(1);
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  tw_test_tls_steps(alice);
  tw_test_tls_give(bob, tw_buf_bytes(&alice->wire));
  alice->wire.len = 0;
  tw_pair_status status;
  tw_pair_get_status(tw_tls_pair(bob->tls), &status);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_WAIT_CLIENT_FINISHED);
  assert_int_equal(status.state, TW_PAIR_UNCONFIRMED);
  tw_tls_result result;
  assert_int_equal(tw_tls_take(bob->tls, &result), TW_ERR_STATE);
  tw_test_tls_run(&both);
  tw_pair_get_status(tw_tls_pair(bob->tls), &status);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
  assert_int_equal(status.state, TW_PAIR_STEADY);
}

static void steps_come_before_messages(void **state) {
  (void)state;
  start(1);
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_ERR_STATE);
  assert_int_equal(tw_tls_client_start(bob->tls, TW_NO_BYTES), TW_ERR_STATE);
  assert_int_equal(tw_tls_receive(alice->tls, TW_TLS_PLAIN, TW_NO_BYTES, true, both.now_ms), TW_ERR_STATE);
  tw_test_tls_run(&both);
  tw_test_tls_steps(alice);
  tw_test_tls_run(&both);
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_DONE);
}

static void bad_configs_are_refused(void **state) {
  (void)state;
  start(1);
  const tw_bytes names[] = {TW_LITERAL("a.example"), TW_LITERAL("b.example")};
  const tw_bytes bad_names[] = {TW_LITERAL("a b")};
  const tw_bytes empty[] = {TW_NO_BYTES};
  const tw_tls_config good = alice->config;
  tw_tls_config bad[8];
  for (size_t i = 0; i < 8; i++) bad[i] = good;
  bad[0].clients = NULL;
  bad[1].client_count = 0;
  bad[2].server_names = names;
  bad[2].server_name_count = 2;
  bad[3].server_names = bad_names;
  bad[3].server_name_count = 1;
  bad[4].protocols = empty;
  bad[4].protocol_count = 1;
  bad[5].record_size_limit = 63;
  bad[6].record_size_limit = 16386;
  bad[7].retry = true;
  tw_tls *tls = NULL;
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(tw_tls_client_new(&bad[i], both.now_ms, &tls), TW_ERR_ARGUMENT);
    if (i != 2) assert_int_equal(tw_tls_server_new(&bad[i], &tls), TW_ERR_ARGUMENT);
  }
  assert_null(tls);
  tw_tls_free(NULL);
}

static void take(tw_test_tls_side *side, tw_tls_result *result) {
  memset(result, 0, sizeof *result);
  assert_int_equal(tw_tls_take(side->tls, result), TW_OK);
  assert_null(tw_tls_pair(side->tls));
  tw_tls_result again;
  assert_int_equal(tw_tls_take(side->tls, &again), TW_ERR_STATE);
}

static void same_secret(const tw_secret *a, const tw_secret *b) {
  tw_test_same(tw_secret_bytes(a), tw_secret_bytes(b));
}

/* Section 6.2 of the draft: a commit gives a fresh Handshake Secret and all that follows from it. */
static void updates_give_new_secrets_to_both(void **state) {
  (void)state;
  start(0xf109); /* its TLS suite has another hash than it has itself */
  tw_test_tls_establish(&both);
  tw_tls_result a, b;
  take(alice, &a);
  take(bob, &b);
  tw_test_same(TW_BYTES(a.transcript_hash, 32), TW_BYTES(b.transcript_hash, 32));
  same_secret(&a.exporter, &b.exporter);
  tw_buf message = {0}, reply = {0}, none = {0};
  tw_pair_event event;
  assert_int_equal(tw_pair_update(b.pair, both.now_ms, &message), TW_OK);
  assert_int_equal(tw_pair_receive(a.pair, tw_buf_bytes(&message), both.now_ms, &reply, &event), TW_OK);
  assert_int_equal(tw_pair_receive(b.pair, tw_buf_bytes(&reply), both.now_ms, &none, &event), TW_OK);
  tw_tls_epoch of_a = {0}, of_b = {0};
  const tw_env *env = &both.test.env;
  assert_int_equal(tw_tls_epoch_of_group(env, a.suite, tw_pair_group(a.pair), TW_NO_BYTES, a.transcript_hash, &of_a),
                   TW_OK);
  assert_int_equal(tw_tls_epoch_of_group(env, b.suite, tw_pair_group(b.pair), TW_NO_BYTES, b.transcript_hash, &of_b),
                   TW_OK);
  same_secret(&of_a.traffic.client, &of_b.traffic.client);
  same_secret(&of_a.traffic.server, &of_b.traffic.server);
  same_secret(&of_a.exporter, &of_b.exporter);
  assert_int_equal(of_a.exporter.len, 32);
  assert_memory_not_equal(of_a.exporter.data, a.exporter.data, 32);
  assert_memory_not_equal(of_a.traffic.client.data, of_a.traffic.server.data, 32);
  tw_tls_epoch_clear(&of_a);
  tw_tls_epoch_clear(&of_b);
  tw_secret_clear(&a.exporter);
  tw_secret_clear(&b.exporter);
  tw_pair_free(a.pair);
  tw_pair_free(b.pair);
  tw_buf_clear(&message);
  tw_buf_clear(&reply);
}

/* ---- what a TLS library would make of our ClientHello ---- */

static void our_hello_looks_ordinary(void **state) {
  (void)state;
  start(0xf10b);
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  tw_tls_step step;
  assert_true(tw_tls_next_step(alice->tls, &step));
  assert_int_equal(step.kind, TW_TLS_STEP_SEND);
  assert_int_equal(step.level, TW_TLS_PLAIN);
  tw_tls_message message;
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  assert_int_equal(tw_tls_message_decode(step.message, &message), TW_OK);
  assert_int_equal(tw_tls_client_hello_decode(message.body, &hello), TW_OK);
  assert_int_equal(tw_tls_offer_decode(&both.test.env, &hello, &offer), TW_OK);
  assert_int_equal(hello.legacy_version, 0x0303);
  assert_int_equal(hello.legacy_session_id.len, 32);
  static const uint16_t suites[] = {0x1301, 0x1302, 0x1303};
  for (size_t i = 0; i < 3; i++) assert_true(tw_tls_list_has(hello.cipher_suites, suites[i]));
  static const uint16_t groups[] = {TW_TLS_X25519, TW_TLS_SECP256R1, TW_TLS_SECP384R1};
  for (size_t i = 0; i < 3; i++) assert_true(tw_tls_list_has(offer.groups, groups[i]));
  tw_reader r = tw_reader_of(offer.shares);
  tw_tls_share share;
  assert_true(tw_tls_next_share(&r, &share));
  assert_int_equal(share.group, TW_TLS_X25519);
  assert_int_equal(share.key_exchange.len, 32);
  assert_false(tw_tls_next_share(&r, &share));
  assert_true(tw_tls_is_grease((uint16_t)(hello.cipher_suites.ptr[0] << 8 | hello.cipher_suites.ptr[1])));
  tw_test_same(offer.key_package, tw_tls_client_extension(alice->tls));
  assert_true(offer.key_package.len > 15000);
  assert_false(tw_tls_next_step(alice->tls, &step));
}

static void two_hellos_have_nothing_fresh_in_common(void **state) {
  (void)state;
  start(1);
  tw_tls_info info;
  uint8_t random[TW_TLS_RANDOM];
  tw_buf first = {0};
  tw_test_tls_establish(&both);
  tw_tls_get_info(alice->tls, &info);
  memcpy(random, info.client_random, sizeof random);
  assert_int_equal(tw_buf_assign(&first, tw_buf_bytes(&alice->first_message)), TW_OK);
  tw_test_tls_close(&both);
  tw_test_tls_establish(&both);
  tw_tls_get_info(alice->tls, &info);
  assert_memory_not_equal(random, info.client_random, sizeof random);
  static const uint16_t fresh[] = {TW_TLS_EXT_KEY_SHARE, 0xff4d};
  for (size_t i = 0; i < 2; i++) {
    assert_false(tw_bytes_equal(tw_test_tls_extension(tw_buf_bytes(&first), fresh[i]),
                                tw_test_tls_extension(tw_buf_bytes(&alice->first_message), fresh[i])));
  }
  tw_buf_clear(&first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(every_suite_shakes_hands, teardown),
      cmocka_unit_test_teardown(names_protocols_and_limits_are_agreed_on, teardown),
      cmocka_unit_test_teardown(what_one_side_leaves_out_does_not_hold, teardown),
      cmocka_unit_test_teardown(a_name_that_the_server_does_not_confirm_was_not_used, teardown),
      cmocka_unit_test_teardown(messages_come_in_any_pieces, teardown),
      cmocka_unit_test_teardown(a_small_record_size_limit_holds_from_the_first_protected_record, teardown),
      cmocka_unit_test_teardown(the_server_waits_for_finished, teardown),
      cmocka_unit_test_teardown(updates_give_new_secrets_to_both, teardown),
      cmocka_unit_test_teardown(our_hello_looks_ordinary, teardown),
      cmocka_unit_test_teardown(two_hellos_have_nothing_fresh_in_common, teardown),
      cmocka_unit_test_teardown(compatibility_records_are_where_they_should_be, teardown),
      cmocka_unit_test_teardown(steps_come_before_messages, teardown),
      cmocka_unit_test_teardown(bad_configs_are_refused, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
