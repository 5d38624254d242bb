/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "message_kit.h"

#include <string.h>

static const uint8_t secret[64] = {5, 5, 5};
static const uint8_t remove_proposal[] = {0, TW_PROPOSAL_REMOVE, 0, 0, 0, 1};
static const uint8_t empty_commit[] = {0, 0}; /* no proposals, no path */
static const uint8_t application_data[] = {5, 'h', 'e', 'l', 'l', 'o'};

const uint8_t message_kit_tag[TW_HASH_MAX] = {0xaa};

tw_secret_tree *message_kit_new_tree(const message_kit *f) {
  tw_secret_tree *tree = NULL;
  assert_int_equal(tw_secret_tree_new(f->env, f->suite, f->key, MESSAGE_KIT_LEAVES, &tree), TW_OK);
  return tree;
}

int message_kit_set_up(void **state) {
  static message_kit f;
  memset(&f, 0, sizeof f);
  tw_test_env_init(&f.test, 1);
  f.env = &f.test.env;
  f.suite = tw_suite_default();
  f.group_context = TW_LITERAL("group context");
  f.key = TW_BYTES(secret, f.suite->hash->size);
  f.plaintext = TW_BUF_INIT(&f.test.alloc);
  assert_int_equal(tw_signer_generate(f.env, f.suite, &f.signer), TW_OK);
  f.sending = (tw_private_keys){f.key, message_kit_new_tree(&f)};
  f.receiving = (tw_private_keys){f.key, message_kit_new_tree(&f)};
  *state = &f;
  return 0;
}

int message_kit_tear_down(void **state) {
  message_kit *f = *state;
  tw_secret_tree_free(f->sending.secret_tree);
  tw_secret_tree_free(f->receiving.secret_tree);
  tw_buf_clear(&f->plaintext);
  tw_signer_free(f->signer);
  tw_test_env_clear(&f->test);
  return 0;
}

tw_bytes message_kit_body(uint8_t content_type) {
  switch (content_type) {
  case TW_CONTENT_PROPOSAL: return TW_ARRAY(remove_proposal);
  case TW_CONTENT_COMMIT: return TW_ARRAY(empty_commit);
  default: return TW_ARRAY(application_data);
  }
}

tw_content_fields message_kit_fields(uint8_t sender_type, uint8_t content_type) {
  return (tw_content_fields){.group_id = TW_LITERAL("group"),
                             .epoch = 0x1122334455667788u,
                             .sender = {sender_type, MESSAGE_KIT_SENDER},
                             .authenticated_data = TW_LITERAL("aad"),
                             .content_type = content_type,
                             .body = message_kit_body(content_type)};
}

/* The content framed and signed for a wire format: both are the caller's. */
static void sign(const message_kit *f, uint16_t wire_format, const tw_content_fields *fields, tw_buf *framed,
                 tw_buf *signature) {
  *framed = TW_BUF_INIT(&f->test.alloc);
  *signature = TW_BUF_INIT(&f->test.alloc);
  tw_writer w = tw_writer_to(framed);
  tw_write_framed_content(&w, fields);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_content_sign(f->env, f->signer, wire_format, tw_buf_bytes(framed), fields->sender.type,
                                   f->group_context, signature),
                   TW_OK);
}

tw_buf message_kit_seal_public(message_kit *f, uint8_t sender_type, uint8_t content_type) {
  const tw_content_fields fields = message_kit_fields(sender_type, content_type);
  tw_buf framed;
  tw_buf signature;
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  sign(f, TW_WIRE_PUBLIC_MESSAGE, &fields, &framed, &signature);
  const tw_content_auth auth = {tw_buf_bytes(&signature), TW_BYTES(message_kit_tag, f->suite->hash->size)};
  assert_int_equal(tw_public_message_seal(f->env, f->suite, tw_buf_bytes(&framed), sender_type, content_type, &auth,
                                          f->key, f->group_context, &out),
                   TW_OK);
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return out;
}

tw_buf message_kit_seal_private(message_kit *f, uint8_t content_type, uint32_t padding_block) {
  const tw_content_fields fields = message_kit_fields(TW_SENDER_MEMBER, content_type);
  tw_buf framed;
  tw_buf signature;
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  sign(f, TW_WIRE_PRIVATE_MESSAGE, &fields, &framed, &signature);
  const tw_content_auth auth = {tw_buf_bytes(&signature), TW_BYTES(message_kit_tag, f->suite->hash->size)};
  assert_int_equal(tw_private_message_seal(f->env, f->suite, &fields, &auth, &f->sending, padding_block, &out), TW_OK);
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
  return out;
}

tw_err message_kit_open_public(message_kit *f, tw_bytes encoded) {
  tw_mls_message message;
  TW_TRY(tw_mls_message_decode(f->env, encoded, &message));
  if (message.wire_format != TW_WIRE_PUBLIC_MESSAGE) return TW_ERR_UNSUPPORTED;
  return tw_public_message_open(f->env, f->suite, &message.u.public_message, f->key, f->group_context, &f->content);
}

tw_err message_kit_open_private(message_kit *f, tw_bytes encoded) {
  tw_mls_message message;
  f->plaintext.len = 0;
  TW_TRY(tw_mls_message_decode(f->env, encoded, &message));
  if (message.wire_format != TW_WIRE_PRIVATE_MESSAGE) return TW_ERR_UNSUPPORTED;
  return tw_private_message_open(f->env, f->suite, &message.u.private_message, &f->receiving, &f->plaintext,
                                 &f->content, &f->generation);
}

tw_err message_kit_verify(message_kit *f) {
  tw_verified_content verified = {0};
  return tw_content_verify(f->env, f->suite, &f->content, tw_signer_public_key(f->signer), f->group_context, &verified);
}

void message_kit_check(const message_kit *f, uint8_t sender_type, uint8_t content_type) {
  const tw_framed_content *content = &f->content.content;
  tw_test_same(content->group_id, TW_LITERAL("group"));
  assert_true(content->epoch == 0x1122334455667788u);
  assert_int_equal(content->sender.type, sender_type);
  if (sender_type <= TW_SENDER_EXTERNAL) assert_int_equal(content->sender.index, MESSAGE_KIT_SENDER);
  tw_test_same(content->authenticated_data, TW_LITERAL("aad"));
  assert_int_equal(content->content_type, content_type);
  tw_test_same(content->body, message_kit_body(content_type));
  tw_test_same(f->content.auth.confirmation_tag,
               content_type == TW_CONTENT_COMMIT ? TW_BYTES(message_kit_tag, f->suite->hash->size) : TW_NO_BYTES);
}
