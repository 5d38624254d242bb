/* 2PMLS: agreement, updates, ties, durable state. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "crypto/crypto.h"
#include "pair/machine.h"
#include "pair/message.h"
#include "support/tw_test_party.h"

static tw_test_env test;
static tw_test_party alice, bob;
static tw_pair *initiator, *responder;
static tw_pair_config alice_config, bob_config;

static void begin(const tw_suite *suite) {
  tw_test_env_init(&test, 7);
  tw_test_party_init(&alice, &test, suite, "alice");
  tw_test_party_init(&bob, &test, suite, "bob");
  alice_config = (tw_pair_config){
      .clients = alice.clients, .client_count = 1, .label = TW_LITERAL("test"), .parameters = TW_LITERAL("from alice")};
  bob_config = (tw_pair_config){
      .clients = bob.clients, .client_count = 1, .label = TW_LITERAL("test"), .parameters = TW_LITERAL("from bob")};
  initiator = NULL;
  responder = NULL;
}

static void end(void) {
  tw_pair_free(initiator);
  tw_pair_free(responder);
  tw_test_party_clear(&alice);
  tw_test_party_clear(&bob);
  tw_test_env_clear(&test);
}

static int setup(void **state) {
  (void)state;
  begin(tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  end();
  return 0;
}

static tw_buf new_buf(void) { return TW_BUF_INIT(&test.alloc); }

/* Hands `message` to `pair`, expects success, empties it and puts the reply in its place. */
static tw_pair_event deliver(tw_pair *pair, tw_buf *message) {
  tw_buf reply = new_buf();
  tw_pair_event event = {0};
  assert_int_equal(tw_pair_receive(pair, tw_buf_bytes(message), TW_TEST_NOW_MS, &reply, &event), TW_OK);
  tw_buf_clear(message);
  *message = reply;
  return event;
}

static tw_err refused(tw_pair *pair, tw_bytes message) {
  tw_buf reply = new_buf();
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

static void assert_same_epoch(void) {
  const tw_group *a = tw_pair_group(initiator);
  const tw_group *b = tw_pair_group(responder);
  assert_int_equal(tw_group_epoch(a), tw_group_epoch(b));
  tw_test_same(tw_group_epoch_authenticator(a), tw_group_epoch_authenticator(b));
  uint8_t of_a[32], of_b[32];
  assert_int_equal(tw_group_export(a, TW_LITERAL("some label"), TW_NO_BYTES, of_a, sizeof of_a), TW_OK);
  assert_int_equal(tw_group_export(b, TW_LITERAL("some label"), TW_NO_BYTES, of_b, sizeof of_b), TW_OK);
  assert_memory_equal(of_a, of_b, sizeof of_a);
}

static void assert_state(const tw_pair *pair, tw_pair_state state, uint64_t epoch) {
  tw_pair_status status;
  tw_pair_get_status(pair, &status);
  assert_int_equal(status.state, state);
  assert_int_equal(status.epoch, epoch);
}

static void shake_hands(void) {
  tw_buf message = new_buf();
  tw_buf hello = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &message), TW_OK);
  assert_state(initiator, TW_PAIR_HELLO_SENT, 0);
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &responder, &hello), TW_OK);
  assert_state(responder, TW_PAIR_UNCONFIRMED, 1);
  const tw_pair_event event = deliver(initiator, &hello);
  assert_int_equal(event.outcome, TW_PAIR_JOINED);
  assert_int_equal(event.epoch, 1);
  assert_int_equal(hello.len, 0);
  assert_state(initiator, TW_PAIR_STEADY, 1);
  tw_pair_confirm(responder);
  assert_state(responder, TW_PAIR_STEADY, 1);
  assert_same_epoch();
  tw_buf_clear(&message);
  tw_buf_clear(&hello);
}

/* A whole update by `from`. */
static void update(tw_pair *from, tw_pair *to) {
  tw_buf message = new_buf();
  assert_int_equal(tw_pair_update(from, TW_TEST_NOW_MS + 5000, &message), TW_OK);
  assert_int_equal(deliver(to, &message).outcome, TW_PAIR_PEER_UPDATED);
  assert_int_equal(deliver(from, &message).outcome, TW_PAIR_OWN_UPDATED);
  assert_int_equal(message.len, 0);
  tw_buf_clear(&message);
  assert_same_epoch();
}

/* ---- agreement ---- */

static void every_suite_agrees_and_updates(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    end();
    begin(tw_suite_at(i));
    shake_hands();
    update(initiator, responder);
    update(responder, initiator);
    assert_state(initiator, TW_PAIR_STEADY, 3);
  }
}

static void each_side_learns_who_the_other_is(void **state) {
  (void)state;
  shake_hands();
  assert_true(alice.asked > 0);
  assert_true(bob.asked > 0);
  tw_member peer;
  assert_true(tw_pair_peer(initiator, &peer));
  tw_test_same(peer.credential.identity, TW_LITERAL("bob"));
  tw_test_same(peer.signature_key, tw_signer_public_key(bob.client.signer));
  tw_test_same(tw_pair_peer_parameters(initiator), TW_LITERAL("from bob"));
  assert_true(tw_pair_peer(responder, &peer));
  tw_test_same(peer.credential.identity, TW_LITERAL("alice"));
  tw_test_same(tw_pair_peer_parameters(responder), TW_LITERAL("from alice"));
  const tw_bytes id = tw_group_id(tw_pair_group(initiator));
  assert_int_equal(id.len, 4 + 16);
  tw_test_same(TW_BYTES(id.ptr, 4), TW_LITERAL("test"));
}

static void a_replayed_hello_gives_nobody_the_keys(void **state) {
  (void)state;
  tw_buf message = new_buf(), hello = new_buf(), again = new_buf();
  tw_pair *replayed = NULL;
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &message), TW_OK);
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &responder, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &replayed, &again), TW_OK);
  assert_state(replayed, TW_PAIR_UNCONFIRMED, 1);
  assert_false(tw_bytes_equal(tw_group_epoch_authenticator(tw_pair_group(responder)),
                              tw_group_epoch_authenticator(tw_pair_group(replayed))));
  tw_buf nothing = new_buf();
  assert_int_equal(tw_pair_update(replayed, TW_TEST_NOW_MS, &nothing), TW_ERR_STATE);
  (void)deliver(initiator, &hello);
  assert_same_epoch();
  /* The other answer comes too late. */
  assert_int_equal(refused(initiator, tw_buf_bytes(&again)), TW_ERR_UNEXPECTED);
  tw_pair_free(replayed);
  tw_buf_clear(&message);
  tw_buf_clear(&hello);
  tw_buf_clear(&again);
}

static tw_err respond_to(tw_bytes hello) {
  tw_buf answer = new_buf();
  tw_pair *pair = NULL;
  const tw_err err = tw_pair_respond(&bob_config, hello, TW_TEST_NOW_MS, &pair, &answer);
  if (err != TW_OK) {
    assert_null(pair);
    assert_int_equal(answer.len, 0);
  }
  tw_pair_free(pair);
  tw_buf_clear(&answer);
  return err;
}

static void another_label_is_refused_by_the_responder(void **state) {
  (void)state;
  tw_buf hello = new_buf();
  alice_config.label = TW_LITERAL("tess");
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_BINDING);
  assert_int_equal(bob.asked, 0);
  tw_buf_clear(&hello);
}

static void a_key_package_without_binding_is_refused(void **state) {
  (void)state;
  tw_key_package *bare = NULL;
  assert_int_equal(tw_key_package_new(&alice.client, NULL, TW_TEST_NOW_MS / 1000, &bare), TW_OK);
  tw_buf hello = new_buf();
  const tw_pair_message message = {.type = TW_PAIR_CLIENT_HELLO, .mls = tw_key_package_message(bare)};
  assert_int_equal(tw_pair_message_encode(&message, &hello), TW_OK);
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_BINDING);
  tw_key_package_free(bare);
  tw_buf_clear(&hello);
}

static void another_suite_is_refused(void **state) {
  (void)state;
  tw_test_party carol;
  tw_test_party_init(&carol, &test, tw_suite_by_id(&test.env, 3), "carol");
  alice_config.clients = carol.clients;
  tw_buf hello = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_UNSUPPORTED);
  /* Who has both takes the one that is offered. */
  tw_test_party both;
  tw_test_party_init(&both, &test, tw_suite_by_id(&test.env, 3), "bob");
  const tw_client *clients[] = {&bob.client, &both.client};
  bob_config.clients = clients;
  bob_config.client_count = 2;
  tw_buf answer = new_buf();
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &responder, &answer), TW_OK);
  (void)deliver(initiator, &answer);
  assert_same_epoch();
  assert_int_equal(tw_suite_id(&test.env, tw_group_suite(tw_pair_group(initiator))), 3);
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_pair_free(initiator);
  tw_pair_free(responder);
  initiator = NULL;
  responder = NULL;
  tw_test_party_clear(&carol);
  tw_test_party_clear(&both);
}

static void refused_credentials_end_the_handshake(void **state) {
  (void)state;
  tw_buf hello = new_buf(), answer = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  bob.refuses = true;
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_CREDENTIAL);
  bob.refuses = false;
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &responder, &answer), TW_OK);
  alice.refuses = true;
  assert_int_equal(refused(initiator, tw_buf_bytes(&answer)), TW_ERR_CREDENTIAL);
  assert_null(tw_pair_group(initiator));
  alice.refuses = false;
  (void)deliver(initiator, &answer);
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
}

static tw_err policy_says_no(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_ERR_CREDENTIAL;
}

static void the_connections_policy_comes_before_the_clients(void **state) {
  (void)state;
  tw_buf hello = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  const tw_policy no = {.credential = policy_says_no};
  bob_config.policy = &no;
  assert_int_equal(respond_to(tw_buf_bytes(&hello)), TW_ERR_CREDENTIAL);
  const tw_policy none = {0};
  bob_config.policy = &none;
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
  tw_buf hello = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_err said = cases[i].said;
    const tw_policy policy = {.ctx = &said, .credential = policy_says_what_it_is_told};
    bob_config.policy = &policy;
    assert_int_equal(respond_to(tw_buf_bytes(&hello)), cases[i].comes);
  }
  bob_config.policy = NULL;
  tw_buf_clear(&hello);
}

static void our_own_hello_is_refused(void **state) {
  (void)state;
  tw_buf hello = new_buf();
  bob_config.clients = alice.clients;
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  assert_true(respond_to(tw_buf_bytes(&hello)) != TW_OK);
  tw_buf_clear(&hello);
}

/* ---- Welcomes that an ordinary MLS client would take ---- */

typedef struct odd_group {
  const char *context_label; /* NULL: no binding */
  const char *leaf_label;
  const char *id;
  bool third_member;
} odd_group;

static void bind_extensions(tw_buf *extensions, const char *label) {
  uint8_t data[64];
  const size_t len = strlen(label);
  data[0] = (uint8_t)len;
  memcpy(data + 1, label, len);
  data[1 + len] = 0;
  assert_int_equal(tw_component_set(extensions, test.code_points.channel_binding_component, TW_BYTES(data, len + 2)),
                   TW_OK);
}

static tw_err join_odd(const odd_group *odd) {
  tw_buf hello = new_buf(), context = new_buf(), leaf = new_buf(), proposals = new_buf(), answer = new_buf();
  tw_pair_free(initiator);
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  if (odd->context_label != NULL) bind_extensions(&context, odd->context_label);
  if (odd->leaf_label != NULL) bind_extensions(&leaf, odd->leaf_label);
  tw_client odd_client = bob.client;
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
  tw_test_party_init(&third, &test, bob.client.suite, "third");
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
  const tw_err err = refused(initiator, tw_buf_bytes(&answer));
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
  const odd_group fine = {"test", "test", good, false};
  assert_int_equal(join_odd(&fine), TW_OK);
  const odd_group unbound = {NULL, "test", good, false};
  assert_int_equal(join_odd(&unbound), TW_ERR_BINDING);
  const odd_group other_context = {"tesu", "test", good, false};
  assert_int_equal(join_odd(&other_context), TW_ERR_BINDING);
  const odd_group other_leaf = {"test", "tesu", good, false};
  assert_int_equal(join_odd(&other_leaf), TW_ERR_BINDING);
  const odd_group no_leaf = {"test", NULL, good, false};
  assert_int_equal(join_odd(&no_leaf), TW_ERR_BINDING);
  const odd_group other_id = {"test", "test", "tesu0123456789abcdef", false};
  assert_int_equal(join_odd(&other_id), TW_ERR_BINDING);
  const odd_group short_id = {"test", "test", "test0123456789abcde", false};
  assert_int_equal(join_odd(&short_id), TW_ERR_BINDING);
  const odd_group three = {"test", "test", good, true};
  assert_int_equal(join_odd(&three), TW_ERR_WRONG_GROUP);
}

/* ---- updates ---- */

static void an_update_heals_its_maker(void **state) {
  (void)state;
  shake_hands();
  tw_pair_status before_a, before_b, after;
  tw_pair_get_status(initiator, &before_a);
  tw_pair_get_status(responder, &before_b);
  assert_int_equal(before_a.own_leaf_since_ms, TW_TEST_NOW_MS);
  tw_member old_leaf, new_leaf;
  assert_true(tw_pair_peer(responder, &old_leaf));
  uint8_t old_key[TW_KEM_PUBLIC_MAX];
  const size_t key_len = old_leaf.encryption_key.len;
  memcpy(old_key, old_leaf.encryption_key.ptr, key_len);
  tw_buf message = new_buf();
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS + 1234, &message), TW_OK);
  tw_pair_get_status(initiator, &after);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS);
  (void)deliver(responder, &message);
  (void)deliver(initiator, &message);
  tw_pair_get_status(initiator, &after);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS + 1234);
  assert_int_equal(after.peer_leaf_since_ms, before_a.peer_leaf_since_ms);
  assert_int_equal(after.own_updates, 1);
  tw_pair_get_status(responder, &after);
  assert_int_equal(after.own_leaf_since_ms, before_b.own_leaf_since_ms);
  assert_int_equal(after.peer_updates, 1);
  assert_true(tw_pair_peer(responder, &new_leaf));
  assert_false(tw_bytes_equal(new_leaf.encryption_key, TW_BYTES(old_key, key_len)));
  tw_test_same(tw_pair_peer_parameters(responder), TW_LITERAL("from alice"));
  tw_buf_clear(&message);
}

static void one_update_at_a_time(void **state) {
  (void)state;
  shake_hands();
  tw_buf message = new_buf(), second = new_buf();
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS, &second), TW_ERR_PENDING);
  assert_int_equal(second.len, 0);
  tw_pair_take_back(initiator);
  assert_state(initiator, TW_PAIR_STEADY, 1);
  tw_buf_clear(&message);
  update(responder, initiator);
  update(initiator, responder);
}

static void the_initiator_wins_a_tie(void **state) {
  (void)state;
  shake_hands();
  tw_buf of_initiator = new_buf(), of_responder = new_buf();
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  assert_int_equal(tw_pair_update(responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  tw_buf repeated = new_buf();
  assert_int_equal(tw_buf_append(&repeated, tw_buf_bytes(&of_responder)), TW_OK);
  assert_int_equal(deliver(initiator, &of_responder).outcome, TW_PAIR_TIE_IGNORED);
  assert_int_equal(of_responder.len, 0);
  assert_state(initiator, TW_PAIR_LEADING, 1);
  /* A second one could not have crossed ours. */
  assert_int_equal(refused(initiator, tw_buf_bytes(&repeated)), TW_ERR_UNEXPECTED);
  const tw_pair_event event = deliver(responder, &of_initiator);
  assert_int_equal(event.outcome, TW_PAIR_PEER_UPDATED);
  assert_true(event.own_dropped);
  assert_state(responder, TW_PAIR_STEADY, 2);
  assert_int_equal(deliver(initiator, &of_initiator).outcome, TW_PAIR_OWN_UPDATED);
  assert_same_epoch();
  tw_pair_status status;
  tw_pair_get_status(initiator, &status);
  assert_int_equal(status.ties, 1);
  tw_pair_get_status(responder, &status);
  assert_int_equal(status.ties, 1);
  update(responder, initiator);
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
  tw_buf_clear(&repeated);
}

/* ---- schedules ---- */

enum { QUEUE = 16 };
typedef struct link {
  tw_buf messages[QUEUE];
  size_t first, count;
} link;

static uint64_t schedule_state;
static unsigned pick(unsigned below) {
  schedule_state = schedule_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(schedule_state >> 33) % below;
}

static void push(link *l, tw_buf message) {
  assert_true(l->count < QUEUE);
  l->messages[(l->first + l->count++) % QUEUE] = message;
}

static bool deliver_one(link *from, link *back, tw_pair *to) {
  if (from->count == 0) return false;
  tw_buf message = from->messages[from->first];
  from->first = (from->first + 1) % QUEUE;
  from->count--;
  (void)deliver(to, &message);
  if (message.len > 0) {
    push(back, message);
  } else {
    tw_buf_clear(&message);
  }
  return true;
}

static void try_update(tw_pair *pair, link *out) {
  tw_buf message = new_buf();
  const tw_err err = tw_pair_update(pair, TW_TEST_NOW_MS, &message);
  if (err == TW_OK) {
    push(out, message);
  } else {
    assert_int_equal(err, TW_ERR_PENDING);
    tw_buf_clear(&message);
  }
}

static void every_schedule_converges(void **state) {
  (void)state;
  shake_hands();
  link to_responder = {0}, to_initiator = {0};
  uint64_t ties = 0;
  const unsigned schedules = tw_test_rounds(2000, 60);
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    schedule_state = schedule;
    const unsigned steps = 2 + pick(10);
    for (unsigned step = 0; step < steps; step++) {
      switch (pick(5)) {
      case 0: try_update(initiator, &to_responder); break;
      case 1: try_update(responder, &to_initiator); break;
      case 2: (void)deliver_one(&to_responder, &to_initiator, responder); break;
      default: (void)deliver_one(&to_initiator, &to_responder, initiator); break;
      }
    }
    while (deliver_one(&to_responder, &to_initiator, responder) ||
           deliver_one(&to_initiator, &to_responder, initiator)) {}
    assert_same_epoch();
    tw_pair_status status;
    tw_pair_get_status(initiator, &status);
    assert_int_equal(status.state, TW_PAIR_STEADY);
    ties = status.ties;
    tw_pair_get_status(responder, &status);
    assert_int_equal(status.state, TW_PAIR_STEADY);
    assert_int_equal(status.ties, ties);
  }
  assert_true(ties > schedules / 20);
}

/* ---- what is refused ---- */

static void every_state_refuses_what_does_not_belong_there(void **state) {
  (void)state;
  static const struct {
    tw_pair_state state;
    unsigned accepted; /* bit i: message type i */
  } rows[] = {
      {TW_PAIR_HELLO_SENT, 1u << 2},
      {TW_PAIR_UNCONFIRMED, 0},
      {TW_PAIR_STEADY, 1u << 3},
      {TW_PAIR_LEADING, 1u << 3 | 1u << 4},
      {TW_PAIR_YIELDING, 1u << 3 | 1u << 4},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    for (unsigned type = 1; type <= 6; type++) {
      const tw_pair_step step = tw_pair_machine_step(rows[i].state, (tw_pair_input)type);
      const bool accepts = step.action != TW_PAIR_DO_REFUSE && step.action != TW_PAIR_DO_REFUSE_LATER;
      assert_int_equal(accepts, (rows[i].accepted >> type) & 1);
      if (!accepts) assert_int_equal(step.next, rows[i].state);
      if (type >= TW_PAIR_RESUMPTION_REQUEST) assert_int_equal(step.action, TW_PAIR_DO_REFUSE_LATER);
    }
  }
}

static void wrong_messages_change_nothing(void **state) {
  (void)state;
  tw_buf hello = new_buf(), answer = new_buf(), commit = new_buf(), confirm = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &responder, &answer), TW_OK);
  static const uint8_t resume[] = {0, 1, 0, 5, 0, 1, 0, 2};
  assert_int_equal(respond_to(tw_buf_bytes(&answer)), TW_ERR_UNEXPECTED);
  assert_int_equal(respond_to(TW_ARRAY(resume)), TW_ERR_UNSUPPORTED);
  assert_int_equal(refused(initiator, tw_buf_bytes(&hello)), TW_ERR_UNEXPECTED);
  assert_int_equal(refused(responder, tw_buf_bytes(&hello)), TW_ERR_UNEXPECTED);
  assert_int_equal(refused(responder, tw_buf_bytes(&answer)), TW_ERR_UNEXPECTED);
  assert_int_equal(refused(initiator, TW_ARRAY(resume)), TW_ERR_UNSUPPORTED);
  (void)deliver(initiator, &answer);
  tw_pair_confirm(responder);
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS, &commit), TW_OK);
  tw_buf kept = new_buf();
  assert_int_equal(tw_buf_append(&kept, tw_buf_bytes(&commit)), TW_OK);
  /* Our own message comes back: in LEADING it looks like a tie, in STEADY it is our own. */
  (void)deliver(responder, &commit);
  confirm = commit;
  static const uint8_t wrong_epochs[][12] = {{0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1},
                                             {0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 3}};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(refused(initiator, TW_ARRAY(wrong_epochs[i])), TW_ERR_UNEXPECTED);
    assert_int_equal(refused(responder, TW_ARRAY(wrong_epochs[i])), TW_ERR_UNEXPECTED);
  }
  tw_buf again = new_buf();
  assert_int_equal(tw_buf_append(&again, tw_buf_bytes(&confirm)), TW_OK);
  (void)deliver(initiator, &confirm);
  assert_int_equal(refused(initiator, tw_buf_bytes(&again)), TW_ERR_UNEXPECTED);
  /* A replayed commit is for an epoch that is gone. */
  assert_int_equal(tw_err_class_of(refused(responder, tw_buf_bytes(&kept))), TW_CLASS_STALE);
  assert_same_epoch();
  tw_buf_clear(&hello);
  tw_buf_clear(&confirm);
  tw_buf_clear(&again);
  tw_buf_clear(&kept);
}

/* A commit that `pair` would not make, as a connection_update to the other side. */
static tw_err odd_commit(tw_pair *from, tw_pair *to, const tw_commit_options *options) {
  tw_commit_result result = {0};
  tw_buf message = new_buf();
  assert_int_equal(tw_group_commit(tw_pair_group(from), options, TW_TEST_NOW_MS / 1000, &result), TW_OK);
  const tw_pair_message odd = {.type = TW_PAIR_CONNECTION_UPDATE, .mls = tw_buf_bytes(&result.commit)};
  assert_int_equal(tw_pair_message_encode(&odd, &message), TW_OK);
  const tw_err err = refused(to, tw_buf_bytes(&message));
  tw_commit_result_clear(&result);
  tw_buf_clear(&message);
  return err;
}

static void commits_that_do_more_than_update_are_refused(void **state) {
  (void)state;
  shake_hands();
  tw_buf proposals = new_buf();
  assert_int_equal(tw_propose_remove(&proposals, 1), TW_OK);
  const tw_commit_options remove = {.proposals = tw_buf_bytes(&proposals), .plaintext = true};
  assert_int_equal(odd_commit(responder, initiator, &remove), TW_ERR_PROPOSAL);
  tw_key_package *package = NULL;
  tw_test_party third;
  tw_test_party_init(&third, &test, bob.client.suite, "third");
  assert_int_equal(tw_key_package_new(&third.client, NULL, TW_TEST_NOW_MS / 1000, &package), TW_OK);
  proposals.len = 0;
  assert_int_equal(tw_propose_add(&proposals, tw_key_package_message(package)), TW_OK);
  const tw_commit_options add = {.proposals = tw_buf_bytes(&proposals), .plaintext = true};
  assert_int_equal(odd_commit(initiator, responder, &add), TW_ERR_PROPOSAL);
  const tw_commit_options hidden = {.plaintext = false};
  assert_int_equal(odd_commit(initiator, responder, &hidden), TW_ERR_UNEXPECTED);
  /* A new leaf that is bound to something else. */
  tw_buf leaf = new_buf();
  bind_extensions(&leaf, "test");
  tw_client rebound = alice.client;
  rebound.leaf_extensions = tw_buf_bytes(&leaf);
  const tw_commit_options other_leaf = {.plaintext = true, .client = &rebound};
  assert_int_equal(odd_commit(initiator, responder, &other_leaf), TW_ERR_BINDING);
  update(initiator, responder);
  tw_key_package_free(package);
  tw_test_party_clear(&third);
  tw_buf_clear(&proposals);
  tw_buf_clear(&leaf);
}

/* Every cut and every flipped bit of `message` (in steps) is refused by a copy of the receiver's state. */
static void damage(tw_pair *receiver, tw_bytes message, size_t step) {
  tw_buf bad = new_buf();
  for (size_t cut = 0; cut < message.len; cut++) {
    assert_true(refused(receiver, TW_BYTES(message.ptr, cut)) != TW_OK);
  }
  assert_int_equal(tw_buf_append(&bad, message), TW_OK);
  for (size_t i = 0; i < message.len; i += step) {
    const uint8_t mask = (uint8_t)(1u << (i % 8));
    bad.ptr[i] ^= mask;
    assert_true(refused(receiver, tw_buf_bytes(&bad)) != TW_OK);
    bad.ptr[i] ^= mask;
  }
  static const uint8_t zero = 0;
  assert_int_equal(tw_buf_append(&bad, TW_BYTES(&zero, 1)), TW_OK);
  assert_true(refused(receiver, tw_buf_bytes(&bad)) != TW_OK);
  tw_buf_clear(&bad);
}

static void damaged_messages_are_refused(void **state) {
  (void)state;
  tw_buf hello = new_buf(), answer = new_buf(), message = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  for (size_t cut = 0; cut < hello.len; cut++) assert_true(respond_to(TW_BYTES(hello.ptr, cut)) != TW_OK);
  for (size_t i = 0; i < hello.len; i++) {
    const uint8_t mask = (uint8_t)(1u << (i % 8));
    hello.ptr[i] ^= mask;
    assert_true(respond_to(tw_buf_bytes(&hello)) != TW_OK);
    hello.ptr[i] ^= mask;
  }
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &responder, &answer), TW_OK);
  damage(initiator, tw_buf_bytes(&answer), 1);
  (void)deliver(initiator, &answer);
  tw_pair_confirm(responder);
  assert_int_equal(tw_pair_update(responder, TW_TEST_NOW_MS, &message), TW_OK);
  damage(initiator, tw_buf_bytes(&message), 1);
  (void)deliver(initiator, &message);
  damage(responder, tw_buf_bytes(&message), 1);
  (void)deliver(responder, &message);
  assert_same_epoch();
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_buf_clear(&message);
}

static void arguments_are_checked(void **state) {
  (void)state;
  tw_buf hello = new_buf();
  static const uint8_t big[TW_PAIR_PARAMETERS_MAX + 1];
  tw_pair_config bad = alice_config;
  bad.client_count = 0;
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &initiator, &hello), TW_ERR_ARGUMENT);
  bad = alice_config;
  bad.label = TW_NO_BYTES;
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &initiator, &hello), TW_ERR_ARGUMENT);
  bad.label = TW_BYTES(big, TW_PAIR_LABEL_MAX + 1);
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &initiator, &hello), TW_ERR_ARGUMENT);
  bad = alice_config;
  bad.parameters = TW_ARRAY(big);
  assert_int_equal(tw_pair_initiate(&bad, TW_TEST_NOW_MS, &initiator, &hello), TW_ERR_ARGUMENT);
  tw_pair_free(NULL);
}

/* ---- durable state ---- */

static void reload(tw_pair **pair, const tw_pair_config *config) {
  tw_buf saved = new_buf();
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

static void saved_pairs_go_on_from_every_state(void **state) {
  (void)state;
  tw_buf hello = new_buf(), answer = new_buf();
  assert_int_equal(tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &initiator, &hello), TW_OK);
  reload(&initiator, &alice_config);
  assert_int_equal(tw_pair_respond(&bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &responder, &answer), TW_OK);
  reload(&responder, &bob_config);
  (void)deliver(initiator, &answer);
  tw_pair_confirm(responder);
  reload(&initiator, &alice_config);
  reload(&responder, &bob_config);
  assert_same_epoch();
  tw_buf of_initiator = new_buf(), of_responder = new_buf();
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  assert_int_equal(tw_pair_update(responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  reload(&initiator, &alice_config);
  reload(&responder, &bob_config);
  (void)deliver(initiator, &of_responder);
  reload(&initiator, &alice_config);
  (void)deliver(responder, &of_initiator);
  reload(&responder, &bob_config);
  (void)deliver(initiator, &of_initiator);
  assert_same_epoch();
  update(responder, initiator);
  tw_test_same(tw_pair_peer_parameters(initiator), TW_LITERAL("from bob"));
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
}

static void damaged_saved_pairs_do_no_harm(void **state) {
  (void)state;
  shake_hands();
  tw_buf message = new_buf(), saved = new_buf();
  assert_int_equal(tw_pair_update(initiator, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(tw_pair_save(initiator, &saved), TW_OK);
  tw_pair *loaded = NULL;
  for (size_t cut = 0; cut < saved.len; cut++) {
    assert_true(tw_pair_load(&alice_config, TW_BYTES(saved.ptr, cut), &loaded) != TW_OK);
    assert_null(loaded);
  }
  for (size_t i = 0; i < saved.len; i++) {
    saved.ptr[i] ^= 1;
    if (tw_pair_load(&alice_config, tw_buf_bytes(&saved), &loaded) == TW_OK) tw_pair_free(loaded);
    loaded = NULL;
    saved.ptr[i] ^= 1;
  }
  alice_config.label = TW_LITERAL("else");
  assert_int_equal(tw_pair_load(&alice_config, tw_buf_bytes(&saved), &loaded), TW_ERR_BINDING);
  tw_buf_clear(&message);
  tw_buf_clear(&saved);
}

/* ---- failures of the surroundings ---- */

/* The whole conversation, as far as it gets. */
static tw_err converse(void) {
  tw_buf message = new_buf(), answer = new_buf(), saved = new_buf();
  tw_pair_event event;
  tw_pair *a = NULL, *b = NULL, *loaded = NULL;
  tw_err err = tw_pair_initiate(&alice_config, TW_TEST_NOW_MS, &a, &message);
  if (err == TW_OK) err = tw_pair_respond(&bob_config, tw_buf_bytes(&message), TW_TEST_NOW_MS, &b, &answer);
  tw_buf_clear(&message);
  if (err == TW_OK) err = tw_pair_receive(a, tw_buf_bytes(&answer), TW_TEST_NOW_MS, &message, &event);
  tw_buf_clear(&answer);
  if (err == TW_OK) {
    tw_pair_confirm(b);
    err = tw_pair_update(b, TW_TEST_NOW_MS, &message);
  }
  if (err == TW_OK) err = tw_pair_save(b, &saved);
  if (err == TW_OK) err = tw_pair_load(&bob_config, tw_buf_bytes(&saved), &loaded);
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
    const size_t blocks = test.alloc_blocks;
    tw_test_fail_alloc(&test, n);
    const tw_err err = converse();
    assert_int_equal(test.alloc_blocks, blocks);
    if (!test.alloc_failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
}

static void failing_randomness_is_reported(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    tw_test_fail_random(&test, n);
    const tw_err err = converse();
    if (!test.random_failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_RANDOM);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_suite_agrees_and_updates),
      TEST(each_side_learns_who_the_other_is),
      TEST(a_replayed_hello_gives_nobody_the_keys),
      TEST(another_label_is_refused_by_the_responder),
      TEST(a_key_package_without_binding_is_refused),
      TEST(another_suite_is_refused),
      TEST(refused_credentials_end_the_handshake),
      TEST(the_connections_policy_comes_before_the_clients),
      TEST(the_policys_word_on_certificates_comes_back),
      TEST(our_own_hello_is_refused),
      TEST(groups_that_are_not_a_pair_of_ours_are_refused),
      TEST(an_update_heals_its_maker),
      TEST(one_update_at_a_time),
      TEST(the_initiator_wins_a_tie),
      TEST(every_schedule_converges),
      TEST(every_state_refuses_what_does_not_belong_there),
      TEST(wrong_messages_change_nothing),
      TEST(commits_that_do_more_than_update_are_refused),
      TEST(damaged_messages_are_refused),
      TEST(arguments_are_checked),
      TEST(saved_pairs_go_on_from_every_state),
      TEST(damaged_saved_pairs_do_no_harm),
      TEST(a_failing_allocator_leaves_nothing_behind),
      TEST(failing_randomness_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
