/* PublicMessage and PrivateMessage: they open once, unchanged and in their epoch. RFC 9420 section 6. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "message_kit.h"

static void public_messages_open(void **state) {
  message_kit *f = *state;
  static const uint8_t types[] = {TW_CONTENT_PROPOSAL, TW_CONTENT_COMMIT};
  for (size_t i = 0; i < 2; i++) {
    tw_buf out = message_kit_seal_public(f, TW_SENDER_MEMBER, types[i]);
    assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&out)), TW_OK);
    message_kit_check(f, TW_SENDER_MEMBER, types[i]);
    assert_int_equal(message_kit_verify(f), TW_OK);
    tw_buf_clear(&out);
  }
}

static void private_messages_open_and_their_keys_are_used_up(void **state) {
  message_kit *f = *state;
  for (unsigned t = TW_CONTENT_APPLICATION; t <= TW_CONTENT_COMMIT; t++) {
    const uint8_t type = (uint8_t)t;
    for (uint32_t block = 1; block <= 1024; block *= 4) {
      tw_buf out = message_kit_seal_private(f, type, block);
      for (int again = 0; again < 2; again++) {
        /* Opening alone does not use the key up. */
        assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&out)), TW_OK);
        message_kit_check(f, TW_SENDER_MEMBER, type);
        assert_int_equal(message_kit_verify(f), TW_OK);
      }
      tw_secret_tree_used(f->receiving.secret_tree, MESSAGE_KIT_SENDER, type, f->generation);
      assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&out)), TW_ERR_DUPLICATE);
      assert_int_equal(f->plaintext.len, 0);
      tw_buf_clear(&out);
    }
  }
}

static void padding_hides_the_length(void **state) {
  message_kit *f = *state;
  for (uint32_t block = 1; block <= 4096; block *= 2) {
    tw_buf out = message_kit_seal_private(f, TW_CONTENT_APPLICATION, block);
    tw_mls_message message;
    assert_int_equal(tw_mls_message_decode(f->env, tw_buf_bytes(&out), &message), TW_OK);
    assert_int_equal((message.u.private_message.ciphertext.len - TW_AEAD_TAG) % block, 0);
    tw_buf_clear(&out);
  }
  const tw_content_fields fields = message_kit_fields(TW_SENDER_MEMBER, TW_CONTENT_APPLICATION);
  const tw_content_auth auth = {TW_LITERAL("s"), TW_NO_BYTES};
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  assert_int_equal(tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, 0, &out), TW_ERR_ARGUMENT);
  assert_int_equal(out.len, 0);
}

/* No bit of a message can be changed: it does not parse, does not authenticate, or is not this epoch's message any
 * more. */
static void every_changed_bit_of_a_public_message_is_noticed(void **state) {
  message_kit *f = *state;
  static const uint8_t types[] = {TW_CONTENT_PROPOSAL, TW_CONTENT_COMMIT};
  for (size_t i = 0; i < 2; i++) {
    tw_buf out = message_kit_seal_public(f, TW_SENDER_MEMBER, types[i]);
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      if (message_kit_open_public(f, tw_buf_bytes(&out)) == TW_OK) {
        /* Only as a message that has no membership message_kit_tag, and then the signature does not fit. */
        assert_int_not_equal(f->content.content.sender.type, TW_SENDER_MEMBER);
        assert_int_not_equal(message_kit_verify(f), TW_OK);
      }
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < out.len; len++)
      assert_int_not_equal(message_kit_open_public(f, TW_BYTES(out.ptr, len)), TW_OK);
    assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&out)), TW_OK);
    tw_buf_clear(&out);
  }
}

static void every_changed_bit_of_a_private_message_is_noticed(void **state) {
  message_kit *f = *state;
  for (unsigned t = TW_CONTENT_APPLICATION; t <= TW_CONTENT_COMMIT; t++) {
    const uint8_t type = (uint8_t)t;
    tw_buf out = message_kit_seal_private(f, type, 32);
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      assert_int_not_equal(message_kit_open_private(f, tw_buf_bytes(&out)), TW_OK);
      assert_int_equal(f->plaintext.len, 0);
      out.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < out.len; len++)
      assert_int_not_equal(message_kit_open_private(f, TW_BYTES(out.ptr, len)), TW_OK);
    /* None of that used the key up. */
    assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&out)), TW_OK);
    tw_buf_clear(&out);
  }
}

static void keys_of_another_epoch_do_not_open(void **state) {
  message_kit *f = *state;
  uint8_t other[64] = {6};
  const tw_bytes other_key = {other, f->suite->hash->size};
  tw_buf public_message = message_kit_seal_public(f, TW_SENDER_MEMBER, TW_CONTENT_PROPOSAL);
  tw_buf private_message = message_kit_seal_private(f, TW_CONTENT_APPLICATION, 1);
  const tw_bytes key = f->key;
  f->key = other_key;
  assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&public_message)), TW_ERR_MAC);
  f->key = TW_NO_BYTES;
  assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&public_message)), TW_ERR_MAC);
  f->key = key;
  f->group_context = TW_LITERAL("Group context");
  assert_int_equal(message_kit_open_public(f, tw_buf_bytes(&public_message)), TW_ERR_MAC);
  f->receiving.sender_data_secret = other_key;
  assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&private_message)), TW_ERR_DECRYPT);
  f->receiving.sender_data_secret = key;
  assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&private_message)), TW_OK);
  assert_int_equal(message_kit_verify(f), TW_ERR_SIGNATURE); /* still the other GroupContext */
  tw_secret_tree_free(f->receiving.secret_tree);
  f->receiving.secret_tree = NULL;
  assert_int_equal(tw_secret_tree_new(f->env, f->suite, other_key, MESSAGE_KIT_LEAVES, &f->receiving.secret_tree),
                   TW_OK);
  assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&private_message)), TW_ERR_DECRYPT);
  tw_buf_clear(&public_message);
  tw_buf_clear(&private_message);
}

static void private_messages_come_in_any_order_within_bounds(void **state) {
  message_kit *f = *state;
  f->test.limits.skipped_generations = 8;
  f->test.limits.kept_message_keys = 4;
  tw_buf messages[20];
  for (size_t i = 0; i < 20; i++) messages[i] = message_kit_seal_private(f, TW_CONTENT_APPLICATION, 1);
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
    assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&messages[deliveries[i].message])),
                     deliveries[i].expected);
    if (deliveries[i].expected != TW_OK) continue;
    assert_int_equal(f->generation, deliveries[i].message);
    assert_int_equal(message_kit_verify(f), TW_OK);
    tw_secret_tree_used(f->receiving.secret_tree, MESSAGE_KIT_SENDER, TW_CONTENT_APPLICATION, f->generation);
  }
  for (size_t i = 0; i < 20; i++) tw_buf_clear(&messages[i]);
}

/* ---- resources ---- */

static void no_memory_and_no_randomness_change_nothing(void **state) {
  message_kit *f = *state;
  const tw_content_fields fields = message_kit_fields(TW_SENDER_MEMBER, TW_CONTENT_COMMIT);
  const tw_content_auth auth = {TW_LITERAL("signature"), TW_BYTES(message_kit_tag, f->suite->hash->size)};
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
  message_kit *f = *state;
  tw_buf a = message_kit_seal_private(f, TW_CONTENT_APPLICATION, 1);
  tw_buf b = message_kit_seal_private(f, TW_CONTENT_APPLICATION, 1);
  /* The same generation again, as after a loss of state: the reuse guard makes another nonce. */
  tw_secret_tree_free(f->sending.secret_tree);
  f->sending.secret_tree = message_kit_new_tree(f);
  tw_buf c = message_kit_seal_private(f, TW_CONTENT_APPLICATION, 1);
  assert_int_equal(a.len, c.len);
  assert_memory_not_equal(a.ptr + a.len - 64, b.ptr + b.len - 64, 64);
  assert_memory_not_equal(a.ptr + a.len - 64, c.ptr + c.len - 64, 64);
  assert_int_equal(message_kit_open_private(f, tw_buf_bytes(&c)), TW_OK);
  tw_buf_clear(&a);
  tw_buf_clear(&b);
  tw_buf_clear(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      MESSAGE_TEST(public_messages_open),
      MESSAGE_TEST(private_messages_open_and_their_keys_are_used_up),
      MESSAGE_TEST(padding_hides_the_length),
      MESSAGE_TEST(every_changed_bit_of_a_public_message_is_noticed),
      MESSAGE_TEST(every_changed_bit_of_a_private_message_is_noticed),
      MESSAGE_TEST(keys_of_another_epoch_do_not_open),
      MESSAGE_TEST(private_messages_come_in_any_order_within_bounds),
      MESSAGE_TEST(no_memory_and_no_randomness_change_nothing),
      MESSAGE_TEST(nothing_repeats_between_equal_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
