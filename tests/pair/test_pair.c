/* 2PMLS: agreement, hellos that are refused, failures of the surroundings. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/pair_kit.h"

#include "pair/message.h"

/* ---- agreement ---- */

static void every_suite_agrees_and_updates(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_test_pair_end(&t);
    tw_test_pair_begin(&t, tw_suite_at(i));
    tw_test_pair_shake_hands(&t);
    tw_test_pair_update(&t, t.initiator, t.responder);
    tw_test_pair_update(&t, t.responder, t.initiator);
    tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 3);
  }
}

static void each_side_learns_who_the_other_is(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  assert_true(t.alice.asked > 0);
  assert_true(t.bob.asked > 0);
  tw_member peer;
  assert_true(tw_pair_peer(t.initiator, &peer));
  tw_test_same(peer.credential.identity, TW_LITERAL("bob"));
  tw_test_same(peer.signature_key, tw_signer_public_key(t.bob.client.signer));
  tw_test_same(tw_pair_peer_parameters(t.initiator), TW_LITERAL("from bob"));
  assert_true(tw_pair_peer(t.responder, &peer));
  tw_test_same(peer.credential.identity, TW_LITERAL("alice"));
  tw_test_same(tw_pair_peer_parameters(t.responder), TW_LITERAL("from alice"));
  const tw_bytes id = tw_group_id(tw_pair_group(t.initiator));
  assert_int_equal(id.len, 4 + 16);
  tw_test_same(TW_BYTES(id.ptr, 4), TW_LITERAL("test"));
}

static void a_replayed_hello_gives_nobody_the_keys(void **state) {
  (void)state;
  tw_buf message = tw_test_pair_buf(&t), hello = tw_test_pair_buf(&t), again = tw_test_pair_buf(&t);
  tw_pair *replayed = NULL;
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &message), TW_OK);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &t.responder, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &replayed, &again), TW_OK);
  tw_test_pair_state(replayed, TW_PAIR_UNCONFIRMED, 1);
  assert_false(tw_bytes_equal(tw_group_epoch_authenticator(tw_pair_group(t.responder)),
                              tw_group_epoch_authenticator(tw_pair_group(replayed))));
  tw_buf nothing = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(replayed, TW_TEST_NOW_MS, &nothing), TW_ERR_STATE);
  (void)tw_test_pair_deliver(&t, t.initiator, &hello);
  tw_test_pair_same_epoch(&t);
  /* The other answer comes too late. */
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&again)), TW_ERR_UNEXPECTED);
  tw_pair_free(replayed);
  tw_buf_clear(&message);
  tw_buf_clear(&hello);
  tw_buf_clear(&again);
}

/* ---- hellos that are refused ---- */

static void another_label_is_refused_by_the_responder(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t);
  t.alice_config.label = TW_LITERAL("tess");
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_BINDING);
  assert_int_equal(t.bob.asked, 0);
  tw_buf_clear(&hello);
}

static void a_key_package_without_binding_is_refused(void **state) {
  (void)state;
  tw_key_package *bare = NULL;
  assert_int_equal(tw_key_package_new(&t.alice.client, NULL, TW_TEST_NOW_MS / 1000, &bare), TW_OK);
  tw_buf hello = tw_test_pair_buf(&t);
  const tw_pair_message message = {.type = TW_PAIR_CLIENT_HELLO, .mls = tw_key_package_message(bare)};
  assert_int_equal(tw_pair_message_encode(&message, &hello), TW_OK);
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_BINDING);
  tw_key_package_free(bare);
  tw_buf_clear(&hello);
}

static void another_suite_is_refused(void **state) {
  (void)state;
  tw_test_party carol;
  tw_test_party_init(&carol, &t.test, tw_suite_by_id(&t.test.env, 3), "carol");
  t.alice_config.clients = carol.clients;
  tw_buf hello = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_UNSUPPORTED);
  /* Who has both takes the one that is offered. */
  tw_test_party both;
  tw_test_party_init(&both, &t.test, tw_suite_by_id(&t.test.env, 3), "bob");
  const tw_client *clients[] = {&t.bob.client, &both.client};
  t.bob_config.clients = clients;
  t.bob_config.client_count = 2;
  tw_buf answer = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &answer), TW_OK);
  (void)tw_test_pair_deliver(&t, t.initiator, &answer);
  tw_test_pair_same_epoch(&t);
  assert_int_equal(tw_suite_id(&t.test.env, tw_group_suite(tw_pair_group(t.initiator))), 3);
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_pair_free(t.initiator);
  tw_pair_free(t.responder);
  t.initiator = NULL;
  t.responder = NULL;
  tw_test_party_clear(&carol);
  tw_test_party_clear(&both);
}

static void refused_credentials_end_the_handshake(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  t.bob.refuses = true;
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_CREDENTIAL);
  t.bob.refuses = false;
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &answer), TW_OK);
  t.alice.refuses = true;
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&answer)), TW_ERR_CREDENTIAL);
  assert_null(tw_pair_group(t.initiator));
  t.alice.refuses = false;
  (void)tw_test_pair_deliver(&t, t.initiator, &answer);
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
}

/* A hello is looked at before its signatures are verified: none of its bits may get through that way. */
static void no_bit_of_a_hello_can_be_changed(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  unsigned unsigned_bytes = 0;
  for (size_t i = 0; i < hello.len; i++) {
    hello.ptr[i] ^= (uint8_t)(1u << i % 8);
    const tw_err err = respond_to(tw_buf_bytes(&hello));
    if (err == TW_OK) print_error("byte %zu of %zu\n", i, hello.len);
    assert_true(err != TW_OK);
    unsigned_bytes += err == TW_ERR_SIGNATURE;
    hello.ptr[i] ^= (uint8_t)(1u << i % 8);
  }
  assert_true(unsigned_bytes >= 128); /* both signatures at least */
  tw_buf_clear(&hello);
}

static tw_err policy_says_no(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_ERR_CREDENTIAL;
}

static void the_connections_policy_comes_before_the_clients(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  const tw_policy no = {.credential = policy_says_no};
  t.bob_config.policy = &no;
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_CREDENTIAL);
  const tw_policy none = {0};
  t.bob_config.policy = &none;
  assert_true(respond_to(tw_buf_bytes(&hello)) != TW_OK);
  tw_buf_clear(&hello);
}

static tw_err policy_says_what_it_is_told(void *ctx, const tw_credential_use *use) {
  (void)use;
  const tw_err *word = ctx;
  return *word;
}

/* Errors about certificates and a lack of resources come back as they are, anything else as a refusal. */
static void the_policys_word_on_certificates_comes_back(void **state) {
  (void)state;
  static const struct {
    tw_err said, comes;
  } cases[] = {
      {TW_ERR_CREDENTIAL, TW_ERR_CREDENTIAL},
      {TW_ERR_CERTIFICATE, TW_ERR_CERTIFICATE},
      {TW_ERR_CERTIFICATE_USE, TW_ERR_CERTIFICATE_USE},
      {TW_ERR_CERTIFICATE_EXPIRED, TW_ERR_CERTIFICATE_EXPIRED},
      {TW_ERR_CERTIFICATE_REVOKED, TW_ERR_CERTIFICATE_REVOKED},
      {TW_ERR_UNKNOWN_CA, TW_ERR_UNKNOWN_CA},
      {TW_ERR_NO_MEMORY, TW_ERR_NO_MEMORY},
      {TW_ERR_INTERNAL, TW_ERR_CREDENTIAL},
      {TW_ERR_SIGNATURE, TW_ERR_CREDENTIAL},
  };
  tw_buf hello = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_err said = cases[i].said;
    const tw_policy policy = {.ctx = &said, .credential = policy_says_what_it_is_told};
    t.bob_config.policy = &policy;
    assert_int_equal(respond_to(tw_buf_bytes(&hello)), cases[i].comes);
  }
  t.bob_config.policy = NULL;
  tw_buf_clear(&hello);
}

static void our_own_hello_is_refused(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t);
  t.bob_config.clients = t.alice.clients;
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  assert_true(respond_to(tw_buf_bytes(&hello)) != TW_OK);
  tw_buf_clear(&hello);
}

/* ---- failures of the surroundings ---- */

/* The whole conversation, as far as it gets. */
static tw_err converse(void) {
  tw_buf message = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t), saved = tw_test_pair_buf(&t);
  tw_pair_event event;
  tw_pair *a = NULL, *b = NULL, *loaded = NULL;
  tw_err err = tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &a, &message);
  if (err == TW_OK) err = tw_pair_respond(&t.bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &b, &answer);
  tw_buf_clear(&message);
  if (err == TW_OK) err = tw_pair_receive(a, tw_buf_bytes(&answer), TW_TEST_NOW_MS, &message, &event);
  tw_buf_clear(&answer);
  if (err == TW_OK) {
    tw_pair_confirm(b);
    err = tw_pair_update(b, TW_TEST_NOW_MS, &message);
  }
  if (err == TW_OK) err = tw_pair_save(b, &saved);
  if (err == TW_OK) err = tw_pair_load(&t.bob_config, tw_buf_bytes(&saved), &loaded);
  if (err == TW_OK) err = tw_pair_receive(a, tw_buf_bytes(&message), TW_TEST_NOW_MS, &answer, &event);
  tw_buf_clear(&message);
  if (err == TW_OK) err = tw_pair_receive(loaded, tw_buf_bytes(&answer), TW_TEST_NOW_MS, &message, &event);
  if (err == TW_OK) {
    tw_test_same(tw_group_epoch_authenticator(tw_pair_group(a)), tw_group_epoch_authenticator(tw_pair_group(loaded)));
  }
  tw_pair_free(a);
  tw_pair_free(b);
  tw_pair_free(loaded);
  tw_buf_clear(&message);
  tw_buf_clear(&answer);
  tw_buf_clear(&saved);
  return err;
}

static void a_failing_allocator_leaves_nothing_behind(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    const size_t blocks = t.test.alloc_blocks;
    tw_test_fail_alloc(&t.test, n);
    const tw_err err = converse();
    assert_int_equal(t.test.alloc_blocks, blocks);
    if (!t.test.alloc_failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
}

static void failing_randomness_is_reported(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    tw_test_fail_random(&t.test, n);
    const tw_err err = converse();
    if (!t.test.random_failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_RANDOM);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_suite_agrees_and_updates),
      TEST(each_side_learns_who_the_other_is),
      TEST(a_replayed_hello_gives_nobody_the_keys),
      TEST(another_label_is_refused_by_the_responder),
      TEST(a_key_package_without_binding_is_refused),
      TEST(another_suite_is_refused),
      TEST(refused_credentials_end_the_handshake),
      TEST(no_bit_of_a_hello_can_be_changed),
      TEST(the_connections_policy_comes_before_the_clients),
      TEST(the_policys_word_on_certificates_comes_back),
      TEST(our_own_hello_is_refused),
      TEST(a_failing_allocator_leaves_nothing_behind),
      TEST(failing_randomness_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
