/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/protect.h"
#include "tw_test_env.h"

enum { LEAVES = 4, SENDER = 2 };

static const uint8_t secret[64] = {5, 5, 5};
static const uint8_t remove_proposal[] = {0, TW_PROPOSAL_REMOVE, 0, 0, 0, 1};
static const uint8_t empty_commit[] = {0, 0}; /* no proposals, no path */
static const uint8_t application_data[] = {5, 'h', 'e', 'l', 'l', 'o'};
static const uint8_t tag[TW_HASH_MAX] = {0xaa};

/* One sender and one receiver of the same epoch. */
typedef struct fixture {
  tw_test_env test;
  const tw_env *env;
  const tw_suite *suite;
  tw_signer *signer;
  tw_bytes group_context;
  tw_bytes key; /* stands for membership_key and sender_data_secret */
  tw_private_keys sending;
  tw_private_keys receiving;
  tw_buf plaintext;
  tw_unverified_content content;
  uint32_t generation;
} fixture;

static tw_secret_tree *new_tree(const fixture *f) {
  tw_secret_tree *tree = NULL;
  assert_int_equal(tw_secret_tree_new(f->env, f->suite, f->key, LEAVES, &tree), TW_OK);
  return tree;
}

static int set_up(void **state) {
  static fixture f;
  memset(&f, 0, sizeof f);
  tw_test_env_init(&f.test, 1);
  f.env = &f.test.env;
  f.suite = tw_suite_default();
  f.group_context = TW_LITERAL("group context");
  f.key = TW_BYTES(secret, f.suite->hash->size);
  f.plaintext = TW_BUF_INIT(&f.test.alloc);
  assert_int_equal(tw_signer_generate(f.env, f.suite, &f.signer), TW_OK);
  f.sending = (tw_private_keys){f.key, new_tree(&f)};
  f.receiving = (tw_private_keys){f.key, new_tree(&f)};
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  tw_secret_tree_free(f->sending.secret_tree);
  tw_secret_tree_free(f->receiving.secret_tree);
  tw_buf_clear(&f->plaintext);
  tw_signer_free(f->signer);
  tw_test_env_clear(&f->test);
  return 0;
}

static tw_bytes body_of(uint8_t content_type) {
  switch (content_type) {
  case TW_CONTENT_PROPOSAL: return TW_ARRAY(remove_proposal);
  case TW_CONTENT_COMMIT: return TW_ARRAY(empty_commit);
  default: return TW_ARRAY(application_data);
  }
}

static tw_content_fields fields_of(uint8_t sender_type, uint8_t content_type) {
  return (tw_content_fields){.group_id = TW_LITERAL("group"),
                             .epoch = 0x1122334455667788u,
                             .sender = {sender_type, SENDER},
                             .authenticated_data = TW_LITERAL("aad"),
                             .content_type = content_type,
                             .body = body_of(content_type)};
}

/* Signs and seals a message. */
static tw_buf sealed_public(fixture *f, uint8_t sender_type, uint8_t content_type) {
  const tw_content_fields fields = fields_of(sender_type, content_type);
  tw_buf framed = TW_BUF_INIT(&f->test.alloc);
  tw_buf signature = TW_BUF_INIT(&f->test.alloc);
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  tw_writer w = tw_writer_to(&framed);
  tw_write_framed_content(&w, &fields);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_content_sign(f->env, f->signer, TW_WIRE_PUBLIC_MESSAGE, tw_buf_bytes(&framed), sender_type,
                                   f->group_context, &signature),
                   TW_OK);
  const tw_content_auth auth = {tw_buf_bytes(&signature), TW_BYTES(tag, f->suite->hash->size)};
  assert_int_equal(tw_public_message_seal(f->env, f->suite, tw_buf_bytes(&framed), sender_type, content_type, &auth,
                                          f->key, f->group_context, &out),
                   TW_OK);
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return out;
}

static tw_buf sealed_private(fixture *f, uint8_t content_type, uint32_t padding_block) {
  const tw_content_fields fields = fields_of(TW_SENDER_MEMBER, content_type);
  tw_buf framed = TW_BUF_INIT(&f->test.alloc);
  tw_buf signature = TW_BUF_INIT(&f->test.alloc);
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  tw_writer w = tw_writer_to(&framed);
  tw_write_framed_content(&w, &fields);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_content_sign(f->env, f->signer, TW_WIRE_PRIVATE_MESSAGE, tw_buf_bytes(&framed), TW_SENDER_MEMBER,
                                   f->group_context, &signature),
                   TW_OK);
  const tw_content_auth auth = {tw_buf_bytes(&signature), TW_BYTES(tag, f->suite->hash->size)};
  assert_int_equal(tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, padding_block, &out), TW_OK);
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return out;
}

static tw_err verify(fixture *f) {
  tw_verified_content verified = {0};
  return tw_content_verify(f->env, f->suite, &f->content, tw_signer_public_key(f->signer), f->group_context, &verified);
}

static tw_err decode_and_open_public(fixture *f, tw_bytes encoded) {
  tw_mls_message message;
  TW_TRY(tw_mls_message_decode(f->env, encoded, &message));
  if (message.wire_format != TW_WIRE_PUBLIC_MESSAGE) return TW_ERR_UNSUPPORTED;
  return tw_public_message_open(f->env, f->suite, &message.u.public_message, f->key, f->group_context, &f->content);
}

static tw_err decode_and_open_private(fixture *f, tw_bytes encoded) {
  tw_mls_message message;
  f->plaintext.len = 0;
  TW_TRY(tw_mls_message_decode(f->env, encoded, &message));
  if (message.wire_format != TW_WIRE_PRIVATE_MESSAGE) return TW_ERR_UNSUPPORTED;
  return tw_private_message_open(f->env, f->suite, &message.u.private_message, &f->receiving, &f->plaintext,
                                 &f->content, &f->generation);
}

static void assert_content(const fixture *f, uint8_t sender_type, uint8_t content_type) {
  const tw_framed_content *content = &f->content.content;
  tw_test_same(content->group_id, TW_LITERAL("group"));
  assert_true(content->epoch == 0x1122334455667788u);
  assert_int_equal(content->sender.type, sender_type);
  if (sender_type <= TW_SENDER_EXTERNAL) assert_int_equal(content->sender.index, SENDER);
  tw_test_same(content->authenticated_data, TW_LITERAL("aad"));
  assert_int_equal(content->content_type, content_type);
  tw_test_same(content->body, body_of(content_type));
  tw_test_same(f->content.auth.confirmation_tag,
               content_type == TW_CONTENT_COMMIT ? TW_BYTES(tag, f->suite->hash->size) : TW_NO_BYTES);
}

static void public_messages_open(void **state) {
  fixture *f = *state;
  static const uint8_t types[] = {TW_CONTENT_PROPOSAL, TW_CONTENT_COMMIT};
  for (size_t i = 0; i < 2; i++) {
    tw_buf out = sealed_public(f, TW_SENDER_MEMBER, types[i]);
    assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&out)), TW_OK);
    assert_content(f, TW_SENDER_MEMBER, types[i]);
    assert_int_equal(verify(f), TW_OK);
    tw_buf_clear(&out);
  }
}

static void private_messages_open_and_their_keys_are_used_up(void **state) {
  fixture *f = *state;
  for (unsigned t = TW_CONTENT_APPLICATION; t <= TW_CONTENT_COMMIT; t++) {
    const uint8_t type = (uint8_t)t;
    for (uint32_t block = 1; block <= 1024; block *= 4) {
      tw_buf out = sealed_private(f, type, block);
      for (int again = 0; again < 2; again++) {
        /* Opening alone does not use the key up. */
        assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&out)), TW_OK);
        assert_content(f, TW_SENDER_MEMBER, type);
        assert_int_equal(verify(f), TW_OK);
      }
      tw_secret_tree_used(f->receiving.secret_tree, SENDER, type, f->generation);
      assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&out)), TW_ERR_DUPLICATE);
      assert_int_equal(f->plaintext.len, 0);
      tw_buf_clear(&out);
    }
  }
}

static void padding_hides_the_length(void **state) {
  fixture *f = *state;
  for (uint32_t block = 1; block <= 4096; block *= 2) {
    tw_buf out = sealed_private(f, TW_CONTENT_APPLICATION, block);
    tw_mls_message message;
    assert_int_equal(tw_mls_message_decode(f->env, tw_buf_bytes(&out), &message), TW_OK);
    assert_int_equal((message.u.private_message.ciphertext.len - TW_AEAD_TAG) % block, 0);
    tw_buf_clear(&out);
  }
  const tw_content_fields fields = fields_of(TW_SENDER_MEMBER, TW_CONTENT_APPLICATION);
  const tw_content_auth auth = {TW_LITERAL("s"), TW_NO_BYTES};
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  assert_int_equal(tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, 0, &out), TW_ERR_ARGUMENT);
  assert_int_equal(out.len, 0);
}

/* No bit of a message can be changed: it does not parse, does not authenticate, or is not this epoch's message any
 * more. */
static void every_changed_bit_of_a_public_message_is_noticed(void **state) {
  fixture *f = *state;
  static const uint8_t types[] = {TW_CONTENT_PROPOSAL, TW_CONTENT_COMMIT};
  for (size_t i = 0; i < 2; i++) {
    tw_buf out = sealed_public(f, TW_SENDER_MEMBER, types[i]);
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      if (decode_and_open_public(f, tw_buf_bytes(&out)) == TW_OK) {
        /* Only as a message that has no membership tag, and then the signature does not fit. */
        assert_int_not_equal(f->content.content.sender.type, TW_SENDER_MEMBER);
        assert_int_not_equal(verify(f), TW_OK);
      }
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < out.len; len++)
      assert_int_not_equal(decode_and_open_public(f, TW_BYTES(out.ptr, len)), TW_OK);
    assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&out)), TW_OK);
    tw_buf_clear(&out);
  }
}

static void every_changed_bit_of_a_private_message_is_noticed(void **state) {
  fixture *f = *state;
  for (unsigned t = TW_CONTENT_APPLICATION; t <= TW_CONTENT_COMMIT; t++) {
    const uint8_t type = (uint8_t)t;
    tw_buf out = sealed_private(f, type, 32);
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      assert_int_not_equal(decode_and_open_private(f, tw_buf_bytes(&out)), TW_OK);
      assert_int_equal(f->plaintext.len, 0);
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < out.len; len++)
      assert_int_not_equal(decode_and_open_private(f, TW_BYTES(out.ptr, len)), TW_OK);
    /* None of that used the key up. */
    assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&out)), TW_OK);
    tw_buf_clear(&out);
  }
}

static void keys_of_another_epoch_do_not_open(void **state) {
  fixture *f = *state;
  uint8_t other[64] = {6};
  const tw_bytes other_key = {other, f->suite->hash->size};
  tw_buf public_message = sealed_public(f, TW_SENDER_MEMBER, TW_CONTENT_PROPOSAL);
  tw_buf private_message = sealed_private(f, TW_CONTENT_APPLICATION, 1);
  const tw_bytes key = f->key;
  f->key = other_key;
  assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&public_message)), TW_ERR_MAC);
  f->key = TW_NO_BYTES;
  assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&public_message)), TW_ERR_MAC);
  f->key = key;
  f->group_context = TW_LITERAL("Group context");
  assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&public_message)), TW_ERR_MAC);
  f->receiving.sender_data_secret = other_key;
  assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&private_message)), TW_ERR_DECRYPT);
  f->receiving.sender_data_secret = key;
  assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&private_message)), TW_OK);
  assert_int_equal(verify(f), TW_ERR_SIGNATURE); /* still the other GroupContext */
  tw_secret_tree_free(f->receiving.secret_tree);
  f->receiving.secret_tree = NULL;
  assert_int_equal(tw_secret_tree_new(f->env, f->suite, other_key, LEAVES, &f->receiving.secret_tree), TW_OK);
  assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&private_message)), TW_ERR_DECRYPT);
  tw_buf_clear(&public_message);
  tw_buf_clear(&private_message);
}

static void private_messages_come_in_any_order_within_bounds(void **state) {
  fixture *f = *state;
  f->test.limits.skipped_generations = 8;
  f->test.limits.kept_message_keys = 4;
  tw_buf messages[20];
  for (size_t i = 0; i < 20; i++) messages[i] = sealed_private(f, TW_CONTENT_APPLICATION, 1);
  static const struct {
    size_t message;
    tw_err expected;
  } deliveries[] = {{9, TW_ERR_LIMIT},
                    {2, TW_OK},
                    {2, TW_ERR_DUPLICATE},
                    {0, TW_OK},
                    {0, TW_ERR_DUPLICATE},
                    {12, TW_ERR_LIMIT},
                    {11, TW_OK},
                    {1, TW_ERR_OLD_GENERATION},
                    {6, TW_ERR_OLD_GENERATION},
                    {7, TW_OK},
                    {10, TW_OK},
                    {12, TW_OK},
                    {8, TW_OK},
                    {9, TW_OK},
                    {19, TW_OK}};
  for (size_t i = 0; i < sizeof deliveries / sizeof deliveries[0]; i++) {
    assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&messages[deliveries[i].message])),
                     deliveries[i].expected);
    if (deliveries[i].expected != TW_OK) continue;
    assert_int_equal(f->generation, deliveries[i].message);
    assert_int_equal(verify(f), TW_OK);
    tw_secret_tree_used(f->receiving.secret_tree, SENDER, TW_CONTENT_APPLICATION, f->generation);
  }
  for (size_t i = 0; i < 20; i++) tw_buf_clear(&messages[i]);
}

/* ---- messages that only a member of bad will can make: well sealed, wrong inside ---- */

typedef struct forgery {
  uint32_t leaf;
  uint32_t generation;
  uint8_t content_type;
  tw_bytes content; /* the plaintext, whatever it is */
} forgery;

static tw_buf forge(fixture *f, const forgery *what) {
  static const uint8_t guard[4] = {1, 2, 3, 4};
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  tw_buf aad = TW_BUF_INIT(&f->test.alloc);
  uint8_t ciphertext[512];
  uint8_t sender_data[12 + TW_AEAD_TAG];
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  tw_secret_tree *tree = new_tree(f);
  tw_message_key message_key = {0};
  if (what->leaf < LEAVES && what->generation < 100) {
    assert_int_equal(tw_secret_tree_find(tree, what->leaf, what->content_type, what->generation, &message_key), TW_OK);
  }
  tw_writer w = tw_writer_to(&aad);
  tw_write_vector(&w, TW_LITERAL("group"));
  tw_write_u64(&w, 1);
  tw_write_u8(&w, what->content_type);
  const size_t sender_aad = aad.len;
  tw_write_vector(&w, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  for (size_t i = 0; i < 4; i++) message_key.nonce[i] ^= guard[i];
  const tw_bytes sealed = {ciphertext, what->content.len + TW_AEAD_TAG};
  assert_int_equal(tw_aead_seal(f->env, f->suite, TW_BYTES(message_key.key, f->suite->aead->key_size),
                                message_key.nonce, tw_buf_bytes(&aad), what->content, ciphertext),
                   TW_OK);
  tw_put_u32(sender_data, what->leaf);
  tw_put_u32(sender_data + 4, what->generation);
  memcpy(sender_data + 8, guard, 4);
  assert_int_equal(tw_sender_data_key(f->env, f->suite, f->key, sealed, key, nonce), TW_OK);
  assert_int_equal(tw_aead_seal(f->env, f->suite, TW_BYTES(key, f->suite->aead->key_size), nonce,
                                TW_BYTES(aad.ptr, sender_aad), TW_BYTES(sender_data, 12), sender_data),
                   TW_OK);
  const tw_private_message message = {TW_LITERAL("group"),   1,     what->content_type, TW_NO_BYTES,
                                      TW_ARRAY(sender_data), sealed};
  w = tw_writer_to(&out);
  tw_write_mls_message_header(&w, TW_WIRE_PRIVATE_MESSAGE);
  tw_write_private_message(&w, &message);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_secret_tree_free(tree);
  tw_buf_clear(&aad);
  return out;
}

static void forgeries_are_refused_with_the_right_error(void **state) {
  fixture *f = *state;
  static const uint8_t good[] = {1, 'x', 1, 's', 0, 0, 0};
  static const uint8_t no_padding[] = {1, 'x', 1, 's'};
  static const uint8_t last_byte[] = {1, 'x', 1, 's', 0, 0, 1};
  static const uint8_t first_byte[] = {1, 'x', 1, 's', 0x80, 0, 0};
  static const uint8_t no_auth[] = {1, 'x'};
  static const uint8_t short_data[] = {9, 'x', 1, 's'};
  static const uint8_t long_varint[] = {0x40, 1, 'x', 1, 's'};
  const struct {
    forgery what;
    tw_err expected;
  } cases[] = {
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_OK},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(no_padding)}, TW_OK},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(last_byte)}, TW_ERR_ENCODING},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(first_byte)}, TW_ERR_ENCODING},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(no_auth)}, TW_ERR_TRUNCATED},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(short_data)}, TW_ERR_TRUNCATED},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(long_varint)}, TW_ERR_ENCODING},
      {{SENDER, 0, TW_CONTENT_APPLICATION, TW_NO_BYTES}, TW_ERR_TRUNCATED},
      {{LEAVES, 0, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_ERR_SENDER},
      {{UINT32_MAX, 0, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_ERR_SENDER},
      {{SENDER, UINT32_MAX, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_ERR_LIMIT},
      {{SENDER, 0, TW_CONTENT_COMMIT, TW_ARRAY(empty_commit)}, TW_ERR_TRUNCATED},
      {{SENDER, 0, TW_CONTENT_PROPOSAL, TW_ARRAY(remove_proposal)}, TW_ERR_TRUNCATED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_buf message = forge(f, &cases[i].what);
    assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&message)), cases[i].expected);
    assert_int_equal(f->plaintext.len > 0, cases[i].expected == TW_OK);
    tw_buf_clear(&message);
  }
  /* And the sender's first message is still welcome. */
  tw_buf message = sealed_private(f, TW_CONTENT_APPLICATION, 1);
  assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&message)), TW_OK);
  tw_buf_clear(&message);
}

static void sender_data_and_ciphertext_have_their_lengths(void **state) {
  fixture *f = *state;
  static const uint8_t bytes[64];
  tw_private_message message = {TW_LITERAL("group"), 1, TW_CONTENT_APPLICATION, TW_NO_BYTES, TW_BYTES(bytes, 28),
                                TW_ARRAY(bytes)};
  for (size_t len = 0; len < 64; len++) {
    message.encrypted_sender_data.len = len;
    assert_int_equal(
        tw_private_message_open(f->env, f->suite, &message, &f->receiving, &f->plaintext, &f->content, &f->generation),
        len == 28 ? TW_ERR_DECRYPT : TW_ERR_ENCODING);
  }
  message.encrypted_sender_data.len = 28;
  for (size_t len = 0; len < 20; len++) {
    message.ciphertext.len = len;
    assert_int_equal(
        tw_private_message_open(f->env, f->suite, &message, &f->receiving, &f->plaintext, &f->content, &f->generation),
        TW_ERR_DECRYPT);
  }
  message.content_type = 4;
  assert_int_equal(
      tw_private_message_open(f->env, f->suite, &message, &f->receiving, &f->plaintext, &f->content, &f->generation),
      TW_ERR_ENCODING);
  message.content_type = 0;
  assert_int_equal(
      tw_private_message_open(f->env, f->suite, &message, &f->receiving, &f->plaintext, &f->content, &f->generation),
      TW_ERR_ENCODING);
}

/* A ciphertext shorter than the sample: with good sender data, the content still has to be refused. */
static void a_ciphertext_shorter_than_its_tag_is_refused(void **state) {
  fixture *f = *state;
  uint8_t sender_data[12 + TW_AEAD_TAG] = {0, 0, 0, SENDER};
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  const tw_bytes ciphertext = TW_LITERAL("short");
  tw_buf aad = TW_BUF_INIT(&f->test.alloc);
  tw_writer w = tw_writer_to(&aad);
  tw_write_vector(&w, TW_LITERAL("group"));
  tw_write_u64(&w, 1);
  tw_write_u8(&w, TW_CONTENT_APPLICATION);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_sender_data_key(f->env, f->suite, f->key, ciphertext, key, nonce), TW_OK);
  assert_int_equal(tw_aead_seal(f->env, f->suite, TW_BYTES(key, f->suite->aead->key_size), nonce, tw_buf_bytes(&aad),
                                TW_BYTES(sender_data, 12), sender_data),
                   TW_OK);
  const tw_private_message message = {TW_LITERAL("group"),   1,         TW_CONTENT_APPLICATION, TW_NO_BYTES,
                                      TW_ARRAY(sender_data), ciphertext};
  assert_int_equal(
      tw_private_message_open(f->env, f->suite, &message, &f->receiving, &f->plaintext, &f->content, &f->generation),
      TW_ERR_DECRYPT);
  assert_int_equal(f->plaintext.len, 0);
  tw_buf_clear(&aad);
}

/* ---- who may send what ---- */

static void senders_send_what_they_may(void **state) {
  fixture *f = *state;
  /* Nobody but a member may send a PrivateMessage, and application data is never public. */
  for (unsigned s = TW_SENDER_EXTERNAL; s <= TW_SENDER_NEW_MEMBER_COMMIT; s++) {
    const uint8_t sender = (uint8_t)s;
    const tw_content_fields fields = fields_of(sender, TW_CONTENT_PROPOSAL);
    const tw_content_auth auth = {TW_LITERAL("s"), TW_NO_BYTES};
    tw_buf out = TW_BUF_INIT(&f->test.alloc);
    assert_int_equal(tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, 1, &out), TW_ERR_ARGUMENT);
    assert_int_equal(tw_public_message_seal(f->env, f->suite, TW_LITERAL("content"), sender, TW_CONTENT_APPLICATION,
                                            &auth, f->key, f->group_context, &out),
                     TW_ERR_ARGUMENT);
    assert_int_equal(out.len, 0);
  }
  static const struct {
    uint8_t sender;
    uint8_t content;
    tw_err expected;
  } cases[] = {
      {TW_SENDER_EXTERNAL, TW_CONTENT_PROPOSAL, TW_OK},
      {TW_SENDER_EXTERNAL, TW_CONTENT_COMMIT, TW_ERR_SENDER},
      {TW_SENDER_NEW_MEMBER_PROPOSAL, TW_CONTENT_PROPOSAL, TW_ERR_SENDER}, /* a Remove, where only Add may be */
      {TW_SENDER_NEW_MEMBER_PROPOSAL, TW_CONTENT_COMMIT, TW_ERR_SENDER},
      {TW_SENDER_NEW_MEMBER_COMMIT, TW_CONTENT_PROPOSAL, TW_ERR_SENDER},
      {TW_SENDER_NEW_MEMBER_COMMIT, TW_CONTENT_COMMIT, TW_OK},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_buf out = sealed_public(f, cases[i].sender, cases[i].content);
    assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&out)), TW_OK);
    assert_content(f, cases[i].sender, cases[i].content);
    assert_int_equal(verify(f), cases[i].expected);
    if (cases[i].expected == TW_OK) {
      /* The GroupContext is signed by those who know it. */
      f->group_context = TW_LITERAL("another");
      assert_int_equal(verify(f), cases[i].sender == TW_SENDER_EXTERNAL ? TW_OK : TW_ERR_SIGNATURE);
      f->group_context = TW_LITERAL("group context");
      f->content.wire_format = TW_WIRE_PRIVATE_MESSAGE;
      assert_int_equal(verify(f), TW_ERR_SENDER);
    }
    tw_buf_clear(&out);
  }
}

static void application_data_in_the_clear_is_refused(void **state) {
  fixture *f = *state;
  const tw_public_message message = {
      .content = {.sender = {TW_SENDER_MEMBER, 0}, .content_type = TW_CONTENT_APPLICATION, .encoded = TW_LITERAL("x")},
      .authenticated = TW_LITERAL("x")};
  assert_int_equal(tw_public_message_open(f->env, f->suite, &message, f->key, f->group_context, &f->content),
                   TW_ERR_FORBIDDEN);
}

static void a_signature_holds_for_its_wire_format(void **state) {
  fixture *f = *state;
  tw_buf out = sealed_public(f, TW_SENDER_MEMBER, TW_CONTENT_PROPOSAL);
  assert_int_equal(decode_and_open_public(f, tw_buf_bytes(&out)), TW_OK);
  assert_int_equal(verify(f), TW_OK);
  f->content.wire_format = TW_WIRE_PRIVATE_MESSAGE;
  assert_int_equal(verify(f), TW_ERR_SIGNATURE);
  tw_buf_clear(&out);
}

/* ---- resources ---- */

static void no_memory_and_no_randomness_change_nothing(void **state) {
  fixture *f = *state;
  const tw_content_fields fields = fields_of(TW_SENDER_MEMBER, TW_CONTENT_COMMIT);
  const tw_content_auth auth = {TW_LITERAL("signature"), TW_BYTES(tag, f->suite->hash->size)};
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  assert_int_equal(tw_buf_append(&out, TW_LITERAL("before")), TW_OK);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&f->test, n);
    const tw_err err = tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, 256, &out);
    if (!f->test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    tw_test_same(tw_buf_bytes(&out), TW_LITERAL("before"));
  }
  tw_test_fail_alloc(&f->test, 0);
  const size_t sealed_len = out.len;
  tw_test_fail_random(&f->test, 1);
  assert_int_equal(tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, 256, &out), TW_ERR_RANDOM);
  assert_true(f->test.random_failed);
  assert_int_equal(out.len, sealed_len);
  tw_test_fail_random(&f->test, 0);
  /* The failures used no generation: this message is the first. */
  tw_mls_message message;
  assert_int_equal(tw_mls_message_decode(f->env, TW_BYTES(out.ptr + 6, out.len - 6), &message), TW_OK);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&f->test, n);
    tw_buf_clear(&f->plaintext);
    const tw_err err = tw_private_message_open(f->env, f->suite, &message.u.private_message, &f->receiving,
                                               &f->plaintext, &f->content, &f->generation);
    if (!f->test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(f->plaintext.len, 0);
  }
  tw_test_fail_alloc(&f->test, 0);
  assert_int_equal(f->generation, 0);
  tw_buf_clear(&out);
  for (size_t n = 1;; n++) {
    tw_buf_clear(&out);
    tw_test_fail_alloc(&f->test, n);
    const tw_err err = tw_public_message_seal(f->env, f->suite, TW_LITERAL("content"), TW_SENDER_MEMBER,
                                              TW_CONTENT_COMMIT, &auth, f->key, f->group_context, &out);
    if (!f->test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(out.len, 0);
  }
  tw_test_fail_alloc(&f->test, 0);
  tw_buf_clear(&out);
}

static void nothing_repeats_between_equal_messages(void **state) {
  fixture *f = *state;
  tw_buf a = sealed_private(f, TW_CONTENT_APPLICATION, 1);
  tw_buf b = sealed_private(f, TW_CONTENT_APPLICATION, 1);
  /* The same generation again, as after a loss of state: the reuse guard makes another nonce. */
  tw_secret_tree_free(f->sending.secret_tree);
  f->sending.secret_tree = new_tree(f);
  tw_buf c = sealed_private(f, TW_CONTENT_APPLICATION, 1);
  assert_int_equal(a.len, c.len);
  assert_memory_not_equal(a.ptr + a.len - 64, b.ptr + b.len - 64, 64);
  assert_memory_not_equal(a.ptr + a.len - 64, c.ptr + c.len - 64, 64);
  assert_int_equal(decode_and_open_private(f, tw_buf_bytes(&c)), TW_OK);
  tw_buf_clear(&a);
  tw_buf_clear(&b);
  tw_buf_clear(&c);
}

#define TEST(function_) cmocka_unit_test_setup_teardown(function_, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(public_messages_open),
      TEST(private_messages_open_and_their_keys_are_used_up),
      TEST(padding_hides_the_length),
      TEST(every_changed_bit_of_a_public_message_is_noticed),
      TEST(every_changed_bit_of_a_private_message_is_noticed),
      TEST(keys_of_another_epoch_do_not_open),
      TEST(private_messages_come_in_any_order_within_bounds),
      TEST(forgeries_are_refused_with_the_right_error),
      TEST(sender_data_and_ciphertext_have_their_lengths),
      TEST(a_ciphertext_shorter_than_its_tag_is_refused),
      TEST(senders_send_what_they_may),
      TEST(application_data_in_the_clear_is_refused),
      TEST(a_signature_holds_for_its_wire_format),
      TEST(no_memory_and_no_randomness_change_nothing),
      TEST(nothing_repeats_between_equal_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
