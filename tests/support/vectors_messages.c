/* messages.json: every structure decodes, and encodes again to the same bytes. SPDX-License-Identifier: Apache-2.0 */
#include "reencode.h"
#include "vectors.h"

static void compare(tw_vector *v, tw_writer *w, tw_bytes expected, const char *name) {
  if (tw_vector_ok(v, tw_writer_end(w), name)) (void)tw_vector_equal(v, tw_buf_bytes(w->buf), expected, name);
  tw_buf_clear(w->buf);
}

static void check_message(tw_vector *v, const char *name, uint16_t wire_format, uint8_t content_type) {
  const tw_bytes encoded = tw_vector_hex(v, v->json, name);
  tw_mls_message message = {0};
  if (!tw_vector_going(v) || !tw_vector_ok(v, tw_mls_message_decode(v->env, encoded, &message), name)) return;
  (void)tw_vector_true(v, message.wire_format == wire_format, name);
  if (content_type != 0) (void)tw_vector_true(v, message.u.public_message.content.content_type == content_type, name);
  tw_buf out = {0};
  tw_writer w = tw_writer_to(&out);
  tw_reencode_message(&w, &message);
  compare(v, &w, encoded, name);
}

/* The vectors hold a proposal without its type. */
static void check_proposal(tw_vector *v, const char *name, uint16_t type) {
  const tw_bytes body = tw_vector_hex(v, v->json, name);
  tw_buf typed = {0};
  tw_buf out = {0};
  tw_writer w = tw_writer_to(&typed);
  tw_write_u16(&w, type);
  tw_write_fixed(&w, body);
  tw_proposal proposal = {0};
  if (tw_vector_going(v) && tw_vector_ok(v, tw_writer_end(&w), name) &&
      tw_vector_ok(v, tw_proposal_decode(tw_buf_bytes(&typed), &proposal), name)) {
    w = tw_writer_to(&out);
    tw_reencode_proposal_body(&w, &proposal);
    compare(v, &w, body, name);
  }
  tw_buf_clear(&typed);
}

static void check_commit(tw_vector *v, const char *name) {
  const tw_bytes encoded = tw_vector_hex(v, v->json, name);
  tw_reader r = tw_reader_of(encoded);
  const tw_commit commit = tw_read_commit(&r);
  if (!tw_vector_going(v) || !tw_vector_ok(v, tw_reader_end(&r), name)) return;
  tw_buf out = {0};
  tw_writer w = tw_writer_to(&out);
  tw_reencode_commit(&w, &commit);
  compare(v, &w, encoded, name);
}

static void check_group_secrets(tw_vector *v, const char *name) {
  const tw_bytes encoded = tw_vector_hex(v, v->json, name);
  tw_group_secrets secrets = {0};
  if (!tw_vector_going(v) || !tw_vector_ok(v, tw_group_secrets_decode(encoded, &secrets), name)) return;
  tw_buf out = {0};
  tw_writer w = tw_writer_to(&out);
  tw_reencode_group_secrets(&w, &secrets);
  compare(v, &w, encoded, name);
}

static void check_ratchet_tree(tw_vector *v, const char *name) {
  const tw_bytes encoded = tw_vector_hex(v, v->json, name);
  tw_buf out = {0};
  tw_writer w = tw_writer_to(&out);
  if (tw_vector_going(v)) (void)tw_vector_ok(v, tw_reencode_ratchet_tree(&w, encoded), name);
  compare(v, &w, encoded, name);
}

tw_vector_result tw_vector_messages(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin(env, vector);
  check_message(&v, "mls_welcome", TW_WIRE_WELCOME, 0);
  check_message(&v, "mls_group_info", TW_WIRE_GROUP_INFO, 0);
  check_message(&v, "mls_key_package", TW_WIRE_KEY_PACKAGE, 0);
  check_ratchet_tree(&v, "ratchet_tree");
  check_group_secrets(&v, "group_secrets");
  check_proposal(&v, "add_proposal", TW_PROPOSAL_ADD);
  check_proposal(&v, "update_proposal", TW_PROPOSAL_UPDATE);
  check_proposal(&v, "remove_proposal", TW_PROPOSAL_REMOVE);
  check_proposal(&v, "pre_shared_key_proposal", TW_PROPOSAL_PSK);
  check_proposal(&v, "re_init_proposal", TW_PROPOSAL_REINIT);
  check_proposal(&v, "external_init_proposal", TW_PROPOSAL_EXTERNAL_INIT);
  check_proposal(&v, "group_context_extensions_proposal", TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
  check_commit(&v, "commit");
  check_message(&v, "public_message_application", TW_WIRE_PUBLIC_MESSAGE, TW_CONTENT_APPLICATION);
  check_message(&v, "public_message_proposal", TW_WIRE_PUBLIC_MESSAGE, TW_CONTENT_PROPOSAL);
  check_message(&v, "public_message_commit", TW_WIRE_PUBLIC_MESSAGE, TW_CONTENT_COMMIT);
  check_message(&v, "private_message", TW_WIRE_PRIVATE_MESSAGE, 0);
  return tw_vector_end(&v);
}
