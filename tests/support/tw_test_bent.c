/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "tw_test_bent.h"

void tw_test_people_init(tw_test_people *p, uint16_t suite_id) {
  static const char *const names[TW_TEST_MANY] = {"alice", "bob", "charlie", "dora", "emil", "frida"};
  tw_test_env_init(&p->test, suite_id);
  const tw_suite *suite = suite_id == 0 ? tw_suite_default() : tw_suite_by_id(&p->test.env, suite_id);
  assert_non_null(suite);
  for (size_t i = 0; i < TW_TEST_MANY; i++) {
    tw_test_member_init(&p->member[i], &p->test, suite, names[i]);
    p->all[i] = &p->member[i];
  }
}

void tw_test_people_clear(tw_test_people *p) {
  for (size_t i = 0; i < TW_TEST_MANY; i++) tw_test_member_clear(&p->member[i]);
  tw_test_env_clear(&p->test);
}

void tw_test_gather(tw_test_people *p, size_t count, tw_bytes extensions) {
  tw_test_found(p->all[0], extensions);
  for (size_t i = 1; i < count; i++) tw_test_add(p->all[i - 1], p->all[i], p->all, i - 1);
  tw_test_agree(p->all, count);
}

void tw_test_goes_on(tw_test_people *p, size_t count) {
  for (size_t i = 0; i < count; i++) {
    tw_test_member *others[TW_TEST_MANY];
    size_t n = 0;
    for (size_t k = 0; k < count; k++) {
      if (k != i) others[n++] = p->all[k];
    }
    const tw_commit_options options = {.without_collected = true};
    tw_test_commit(p->all[i], &options, others, n, NULL);
  }
  tw_test_agree(p->all, count);
  tw_test_talk(p->all, count);
}

/* ---- bodies ---- */

void tw_test_commit_body(tw_bytes values, const tw_bytes *references, size_t count, tw_bytes path, tw_buf *body) {
  body->len = 0;
  tw_writer w = tw_writer_to(body);
  const tw_vector_mark list = tw_write_open(&w);
  tw_reader r = tw_reader_of(values);
  while (tw_reader_more(&r)) {
    tw_proposal proposal = tw_read_proposal(&r);
    tw_write_u8(&w, TW_COMMIT_PROPOSAL);
    if (r.err == TW_ERR_UNSUPPORTED) proposal.encoded = values; /* of an unknown type: it is the only one */
    tw_write_fixed(&w, proposal.encoded);
  }
  for (size_t i = 0; i < count; i++) {
    tw_write_u8(&w, TW_COMMIT_REFERENCE);
    tw_write_vector(&w, references[i]);
  }
  tw_write_close(&w, list);
  tw_write_u8(&w, path.len > 0);
  tw_write_fixed(&w, path);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

tw_public_message tw_test_public(const tw_test_env *test, tw_bytes message) {
  tw_mls_message decoded;
  assert_int_equal(tw_mls_message_decode(&test->env, message, &decoded), TW_OK);
  assert_int_equal(decoded.wire_format, TW_WIRE_PUBLIC_MESSAGE);
  return decoded.u.public_message;
}

void tw_test_path_of(tw_bytes leaf_node, tw_bytes nodes, tw_buf *path) {
  path->len = 0;
  tw_writer w = tw_writer_to(path);
  tw_write_fixed(&w, leaf_node);
  tw_write_vector(&w, nodes);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

void tw_test_path(const tw_test_member *by, tw_buf *path) {
  const tw_commit_options options = {.plaintext = true, .without_collected = true};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(by->group, &options, TW_TEST_NOW, &result), TW_OK);
  tw_mls_message decoded;
  assert_int_equal(tw_mls_message_decode(by->client.env, tw_buf_bytes(&result.commit), &decoded), TW_OK);
  const tw_update_path *made = &decoded.u.public_message.content.commit.path;
  tw_test_path_of(made->leaf_node.encoded, made->nodes, path);
  tw_commit_result_clear(&result);
}

/* ---- messages ---- */

void tw_test_bend(const tw_test_member *by, const tw_test_bent *bent, tw_buf *message) {
  static const uint8_t wrong_tag[TW_HASH_MAX];
  const tw_group *group = by->group;
  const tw_sender self = {TW_SENDER_MEMBER, group->priv.leaf_index};
  const tw_content_fields fields = {
      .group_id = bent->group_id.len > 0 ? bent->group_id : group->context.group_id,
      .epoch = group->context.epoch + bent->epoch_more,
      .sender = bent->sender.type != 0 ? bent->sender : self,
      .authenticated_data = bent->authenticated_data,
      .content_type = bent->content_type,
      .body = bent->body,
  };
  const uint16_t wire_format = bent->is_private ? TW_WIRE_PRIVATE_MESSAGE : TW_WIRE_PUBLIC_MESSAGE;
  const tw_bytes context = tw_buf_bytes(&group->context_encoded);
  tw_buf framed = {0};
  tw_buf signature = {0};
  tw_writer w = tw_writer_to(&framed);
  tw_write_framed_content(&w, &fields);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_content_sign(group->env, bent->signer != NULL ? bent->signer : group->signer, wire_format,
                                   tw_buf_bytes(&framed), fields.sender.type, context, &signature),
                   TW_OK);
  const tw_content_auth auth = {
      .signature = tw_buf_bytes(&signature),
      .confirmation_tag = bent->confirmation_tag.len > 0 ? bent->confirmation_tag
                                                         : TW_BYTES(wrong_tag, group->suite->hash->size),
  };
  message->len = 0;
  if (bent->is_private) {
    const tw_private_keys keys = {tw_secret_bytes(&group->secrets.sender_data_secret), group->secret_tree};
    assert_int_equal(tw_private_message_seal(group->env, group->suite, &fields, &auth, &keys, 1, message), TW_OK);
  } else if (bent->content_type == TW_CONTENT_APPLICATION) {
    /* The library does not make these. */
    tw_writer out = tw_writer_to(message);
    tw_write_mls_message_header(&out, TW_WIRE_PUBLIC_MESSAGE);
    tw_write_fixed(&out, tw_buf_bytes(&framed));
    tw_write_vector(&out, auth.signature);
    tw_write_vector(&out, auth.confirmation_tag);
    assert_int_equal(tw_writer_end(&out), TW_OK);
  } else {
    assert_int_equal(tw_public_message_seal(group->env, group->suite, tw_buf_bytes(&framed), fields.sender.type,
                                            fields.content_type, &auth, tw_secret_bytes(&group->secrets.membership_key),
                                            context, message),
                     TW_OK);
  }
  tw_buf_clear(&framed);
  tw_buf_clear(&signature);
}

void tw_test_bend_commit(const tw_test_member *by, tw_bytes body, tw_buf *message) {
  const tw_test_bent bent = {.content_type = TW_CONTENT_COMMIT, .body = body};
  tw_test_bend(by, &bent, message);
}

void tw_test_refused(const tw_test_member *at, tw_bytes message, tw_err expected) {
  tw_buf before = {0};
  tw_buf after = {0};
  tw_received received = {0};
  assert_int_equal(tw_group_save(at->group, &before), TW_OK);
  const tw_err err = tw_group_receive(at->group, message, TW_TEST_NOW, &received);
  if (err != expected) fail_msg("%s: \"%s\" in place of \"%s\"", at->name, tw_err_text(err), tw_err_text(expected));
  assert_null(received.next);
  assert_null(received.data.ptr);
  assert_int_equal(tw_group_save(at->group, &after), TW_OK);
  tw_test_same(tw_buf_bytes(&after), tw_buf_bytes(&before));
  tw_buf_clear(&before);
  tw_buf_clear(&after);
}
