/* 2PMLS: agreement, updates, ties, durable state. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include <string.h>

#include "codec/writer.h"
#include "crypto/crypto.h"
#include "pair/machine.h"
#include "pair/message.h"
#include "pair/pair_internal.h"
#include "support/tw_test_pair.h"

static tw_test_pair t;

static int setup(void **state) {
  (void)state;
  tw_test_pair_begin(&t, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_pair_end(&t);
  return 0;
}

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

static tw_err respond_to(tw_bytes hello) {
  tw_buf answer = tw_test_pair_buf(&t);
  tw_pair *pair = NULL;
  const tw_err err = tw_pair_respond(&t.bob_config, hello, TW_TEST_NOW_MS, &pair, &answer);
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

/* ---- Welcomes that an ordinary MLS client would take ---- */

typedef struct odd_group {
  const char *context_label; /* NULL: no binding */
  const char *leaf_label;
  const char *id;
  bool third_member;
  bool other_key_package; /* the context is about another one than the Welcome is for */
} odd_group;

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

/* ---- updates ---- */

static void an_update_heals_its_maker(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_pair_status before_a, before_b, after;
  tw_pair_get_status(t.initiator, &before_a);
  tw_pair_get_status(t.responder, &before_b);
  assert_int_equal(before_a.own_leaf_since_ms, TW_TEST_NOW_MS);
  tw_member old_leaf, new_leaf;
  assert_true(tw_pair_peer(t.responder, &old_leaf));
  uint8_t old_key[TW_KEM_PUBLIC_MAX];
  const size_t key_len = old_leaf.encryption_key.len;
  memcpy(old_key, old_leaf.encryption_key.ptr, key_len);
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS + 1234, &message), TW_OK);
  tw_pair_get_status(t.initiator, &after);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS);
  (void)tw_test_pair_deliver(&t, t.responder, &message);
  (void)tw_test_pair_deliver(&t, t.initiator, &message);
  tw_pair_get_status(t.initiator, &after);
  assert_int_equal(after.own_leaf_since_ms, TW_TEST_NOW_MS + 1234);
  assert_int_equal(after.peer_leaf_since_ms, before_a.peer_leaf_since_ms);
  assert_int_equal(after.own_updates, 1);
  tw_pair_get_status(t.responder, &after);
  assert_int_equal(after.own_leaf_since_ms, before_b.own_leaf_since_ms);
  assert_int_equal(after.peer_updates, 1);
  assert_true(tw_pair_peer(t.responder, &new_leaf));
  assert_false(tw_bytes_equal(new_leaf.encryption_key, TW_BYTES(old_key, key_len)));
  tw_test_same(tw_pair_peer_parameters(t.responder), TW_LITERAL("from alice"));
  tw_buf_clear(&message);
}

static void one_update_at_a_time(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf message = tw_test_pair_buf(&t), second = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &second), TW_ERR_PENDING);
  assert_int_equal(second.len, 0);
  tw_pair_take_back(t.initiator);
  tw_test_pair_state(t.initiator, TW_PAIR_STEADY, 1);
  tw_buf_clear(&message);
  tw_test_pair_update(&t, t.responder, t.initiator);
  tw_test_pair_update(&t, t.initiator, t.responder);
}

static void the_initiator_wins_a_tie(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf of_initiator = tw_test_pair_buf(&t), of_responder = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  tw_buf repeated = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&repeated, tw_buf_bytes(&of_responder)), TW_OK);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &of_responder).outcome, TW_PAIR_TIE_IGNORED);
  assert_int_equal(of_responder.len, 0);
  tw_test_pair_state(t.initiator, TW_PAIR_LEADING, 1);
  /* A second one could not have crossed ours. */
  assert_int_equal(tw_test_pair_refused(&t, t.initiator, tw_buf_bytes(&repeated)), TW_ERR_UNEXPECTED);
  const tw_pair_event event = tw_test_pair_deliver(&t, t.responder, &of_initiator);
  assert_int_equal(event.outcome, TW_PAIR_PEER_UPDATED);
  assert_true(event.own_dropped);
  tw_test_pair_state(t.responder, TW_PAIR_STEADY, 2);
  assert_int_equal(tw_test_pair_deliver(&t, t.initiator, &of_initiator).outcome, TW_PAIR_OWN_UPDATED);
  tw_test_pair_same_epoch(&t);
  tw_pair_status status;
  tw_pair_get_status(t.initiator, &status);
  assert_int_equal(status.ties, 1);
  tw_pair_get_status(t.responder, &status);
  assert_int_equal(status.ties, 1);
  tw_test_pair_update(&t, t.responder, t.initiator);
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
  (void)tw_test_pair_deliver(&t, to, &message);
  if (message.len > 0) {
    push(back, message);
  } else {
    tw_buf_clear(&message);
  }
  return true;
}

static void try_update(tw_pair *pair, link *out) {
  tw_buf message = tw_test_pair_buf(&t);
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
  tw_test_pair_shake_hands(&t);
  link to_responder = {0}, to_initiator = {0};
  uint64_t ties = 0;
  const unsigned schedules = tw_test_rounds(2000, 60);
  for (unsigned schedule = 0; schedule < schedules; schedule++) {
    schedule_state = schedule;
    const unsigned steps = 2 + pick(10);
    for (unsigned step = 0; step < steps; step++) {
      switch (pick(5)) {
      case 0: try_update(t.initiator, &to_responder); break;
      case 1: try_update(t.responder, &to_initiator); break;
      case 2: (void)deliver_one(&to_responder, &to_initiator, t.responder); break;
      default: (void)deliver_one(&to_initiator, &to_responder, t.initiator); break;
      }
    }
    while (deliver_one(&to_responder, &to_initiator, t.responder) ||
           deliver_one(&to_initiator, &to_responder, t.initiator)) {}
    tw_test_pair_same_epoch(&t);
    tw_pair_status status;
    tw_pair_get_status(t.initiator, &status);
    assert_int_equal(status.state, TW_PAIR_STEADY);
    ties = status.ties;
    tw_pair_get_status(t.responder, &status);
    assert_int_equal(status.state, TW_PAIR_STEADY);
    assert_int_equal(status.ties, ties);
  }
  assert_true(ties > schedules / 20);
}

/* ---- what is refused ---- */

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

/* ---- durable state ---- */

static void saved_pairs_go_on_from_every_state(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &answer), TW_OK);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  (void)tw_test_pair_deliver(&t, t.initiator, &answer);
  tw_pair_confirm(t.responder);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  tw_test_pair_same_epoch(&t);
  tw_buf of_initiator = tw_test_pair_buf(&t), of_responder = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  (void)tw_test_pair_deliver(&t, t.initiator, &of_responder);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  (void)tw_test_pair_deliver(&t, t.responder, &of_initiator);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  (void)tw_test_pair_deliver(&t, t.initiator, &of_initiator);
  tw_test_pair_same_epoch(&t);
  tw_test_pair_update(&t, t.responder, t.initiator);
  tw_test_same(tw_pair_peer_parameters(t.initiator), TW_LITERAL("from bob"));
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
}

static void damaged_saved_pairs_do_no_harm(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf message = tw_test_pair_buf(&t), saved = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(tw_pair_save(t.initiator, &saved), TW_OK);
  tw_pair *loaded = NULL;
  for (size_t cut = 0; cut < saved.len; cut++) {
    assert_true(tw_pair_load(&t.alice_config, TW_BYTES(saved.ptr, cut), &loaded) != TW_OK);
    assert_null(loaded);
  }
  for (size_t i = 0; i < saved.len; i++) {
    saved.ptr[i] ^= 1;
    if (tw_pair_load(&t.alice_config, tw_buf_bytes(&saved), &loaded) == TW_OK) tw_pair_free(loaded);
    loaded = NULL;
    saved.ptr[i] ^= 1;
  }
  t.alice_config.label = TW_LITERAL("else");
  assert_int_equal(tw_pair_load(&t.alice_config, tw_buf_bytes(&saved), &loaded), TW_ERR_BINDING);
  tw_buf_clear(&message);
  tw_buf_clear(&saved);
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
      TEST(no_bit_of_a_hello_can_be_changed),
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
