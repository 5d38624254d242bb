/* Messages that only a member of bad will can make, and senders that may not send them. RFC 9420 section 6. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "message_kit.h"

/* ---- well sealed, wrong inside ---- */

typedef struct forgery {
  uint32_t leaf;
  uint32_t generation;
  uint8_t content_type;
  tw_bytes content; /* the plaintext, whatever it is */
} forgery;

static tw_buf forge(message_kit *f, const forgery *what) {
  static const uint8_t guard[4] = {1, 2, 3, 4};
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  tw_buf aad = TW_BUF_INIT(&f->test.alloc);
  uint8_t ciphertext[512];
  uint8_t sender_data[12 + TW_AEAD_TAG];
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  tw_secret_tree *tree = message_kit_new_tree(f);
  tw_message_key message_key = {0};
  if (what->leaf < MESSAGE_KIT_LEAVES && what->generation < 100) {
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
  message_kit *f = *state;
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
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_OK},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(no_padding)}, TW_OK},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(last_byte)}, TW_ERR_ENCODING},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(first_byte)}, TW_ERR_ENCODING},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(no_auth)}, TW_ERR_TRUNCATED},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(short_data)}, TW_ERR_TRUNCATED},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_ARRAY(long_varint)}, TW_ERR_ENCODING},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_APPLICATION, TW_NO_BYTES}, TW_ERR_TRUNCATED},
      {{MESSAGE_KIT_LEAVES, 0, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_ERR_SENDER},
      {{UINT32_MAX, 0, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_ERR_SENDER},
      {{MESSAGE_KIT_SENDER, UINT32_MAX, TW_CONTENT_APPLICATION, TW_ARRAY(good)}, TW_ERR_LIMIT},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_COMMIT, message_kit_body(TW_CONTENT_COMMIT)}, TW_ERR_TRUNCATED},
      {{MESSAGE_KIT_SENDER, 0, TW_CONTENT_PROPOSAL, message_kit_body(TW_CONTENT_PROPOSAL)}, TW_ERR_TRUNCATED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_buf message = forge(f, &cases[i].what);
    assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&message)), cases[i].expected);
    assert_int_equal(f->plaintext.len > 0, cases[i].expected == TW_OK);
    tw_buf_clear(&message);
  }
  /* And the sender's first message is still welcome. */
  tw_buf message = message_kit_seal_private(f, TW_CONTENT_APPLICATION, 1);
  assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&message)), TW_OK);
  tw_buf_clear(&message);
}

static void sender_data_and_ciphertext_have_their_lengths(void **state) {
  message_kit *f = *state;
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
  message_kit *f = *state;
  uint8_t sender_data[12 + TW_AEAD_TAG] = {0, 0, 0, MESSAGE_KIT_SENDER};
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
  message_kit *f = *state;
  /* Nobody but a member may send a PrivateMessage, and application data is never public. */
  for (unsigned s = TW_SENDER_EXTERNAL; s <= TW_SENDER_NEW_MEMBER_COMMIT; s++) {
    const uint8_t sender = (uint8_t)s;
    const tw_content_fields fields = message_kit_fields(sender, TW_CONTENT_PROPOSAL);
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
    tw_buf out = message_kit_seal_public(f, cases[i].sender, cases[i].content);
    assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&out)), TW_OK);
    message_kit_check(f, cases[i].sender, cases[i].content);
    assert_int_equal(message_kit_verify(f), cases[i].expected);
    if (cases[i].expected == TW_OK) {
      /* The GroupContext is signed by those who know it. */
      f->group_context = TW_LITERAL("another");
      assert_int_equal(message_kit_verify(f), cases[i].sender == TW_SENDER_EXTERNAL ? TW_OK : TW_ERR_SIGNATURE);
      f->group_context = TW_LITERAL("group context");
      f->content.wire_format = TW_WIRE_PRIVATE_MESSAGE;
      assert_int_equal(message_kit_verify(f), TW_ERR_SENDER);
    }
    tw_buf_clear(&out);
  }
}

static void application_data_in_the_clear_is_refused(void **state) {
  message_kit *f = *state;
  const tw_public_message message = {
      .content = {.sender = {TW_SENDER_MEMBER, 0}, .content_type = TW_CONTENT_APPLICATION, .encoded = TW_LITERAL("x")},
      .authenticated = TW_LITERAL("x")};
  assert_int_equal(tw_public_message_open(f->env, f->suite, &message, f->key, f->group_context, &f->content),
                   TW_ERR_FORBIDDEN);
}

static void a_signature_holds_for_its_wire_format(void **state) {
  message_kit *f = *state;
  tw_buf out = message_kit_seal_public(f, TW_SENDER_MEMBER, TW_CONTENT_PROPOSAL);
  assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&out)), TW_OK);
  assert_int_equal(message_kit_verify(f), TW_OK);
  f->content.wire_format = TW_WIRE_PRIVATE_MESSAGE;
  assert_int_equal(message_kit_verify(f), TW_ERR_SIGNATURE);
  tw_buf_clear(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      MESSAGE_TEST(forgeries_are_refused_with_the_right_error),
      MESSAGE_TEST(sender_data_and_ciphertext_have_their_lengths),
      MESSAGE_TEST(a_ciphertext_shorter_than_its_tag_is_refused),
      MESSAGE_TEST(senders_send_what_they_may),
      MESSAGE_TEST(application_data_in_the_clear_is_refused),
      MESSAGE_TEST(a_signature_holds_for_its_wire_format),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
