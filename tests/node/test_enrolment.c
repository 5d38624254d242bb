/* Requests, replies, settings and lists of an enrolment: as they were written, or not at all. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrolment.h"

#include "node/joiner_kit.h"

/* ---- each is read, and none that is cut or bent ---- */

typedef tw_err (*reader)(tw_bytes encoded);

static tw_err read_request(tw_bytes encoded) {
  tw_enrolment_request request;
  tw_fingerprint key;
  return tw_enrolment_request_read(&test.env, suite, keys.id, encoded, &request, &key);
}

static tw_err open_sealed(tw_bytes encoded) {
  tw_buf plain = TW_BUF_INIT(test.env.alloc);
  const tw_err err = tw_enrolment_open(&test.env, suite, keys.request, keys.id, encoded, &plain);
  assert_int_equal(plain.len > 0, err == TW_OK);
  tw_buf_clear(&plain);
  return err;
}

static void expect_whole_only(tw_buf *message, reader read, bool authentic) {
  assert_int_equal(read(tw_buf_bytes(message)), TW_OK);
  for (size_t len = 0; len < message->len; len++) {
    tw_buf cut = TW_BUF_INIT(test.env.alloc); /* so that a reader that goes on is caught */
    assert_int_equal(tw_buf_append(&cut, TW_BYTES(message->ptr, len)), TW_OK);
    assert_int_not_equal(read(tw_buf_bytes(&cut)), TW_OK);
    tw_buf_clear(&cut);
  }
  for (size_t bit = 0; bit < 8 * message->len; bit++) {
    message->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    const tw_err err = read(tw_buf_bytes(message));
    if (authentic) assert_int_not_equal(err, TW_OK);
    assert_int_not_equal(tw_err_class_of(err), TW_CLASS_INTERNAL);
    message->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_int_equal(tw_buf_append(message, TW_LITERAL("x")), TW_OK);
  assert_int_not_equal(read(tw_buf_bytes(message)), TW_OK);
  message->len--;
}

static void make_list(uint64_t version, tw_signer *by, tw_buf *out) {
  tw_buf entries = {0};
  enrol_add_node(&entries, "carla", 0x55, "10.7.0.3/32", "");
  enrol_add_node(&entries, "dora", 0x66, "fd07::4/128", "");
  const tw_enrolment_list list = {.group = enrol_text("office"), .version = version, .entries = tw_buf_bytes(&entries)};
  assert_int_equal(tw_enrolment_list_make(&test.env, by, &list, out), TW_OK);
  tw_buf_clear(&entries);
}

static void what_is_cut_or_bent_is_refused(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_enrolment_request_make(&test.env, joiner, TW_ENROLMENT_JOIN, answer_public, keys.id, &message),
                   TW_OK);
  expect_whole_only(&message, read_request, true);
  tw_buf_clear(&message);
  make_reply(admin, keys.id, &message);
  expect_whole_only(&message, read_reply, true);
  tw_buf_clear(&message);
  make_list(7, admin, &message);
  expect_whole_only(&message, read_list, true);
  tw_buf_clear(&message);
  enrol_settings(&message);
  expect_whole_only(&message, read_settings, false);
  tw_buf_clear(&message);
  enrol_settings_certified(&message);
  expect_whole_only(&message, read_settings, false);
  tw_buf_clear(&message);
  assert_int_equal(tw_enrolment_seal(&test.env, suite, keys.request, keys.id, TW_LITERAL("hello"), &message), TW_OK);
  expect_whole_only(&message, open_sealed, true);
  tw_buf_clear(&message);
  assert_int_equal(tw_enrolment_wrap(&test.env, suite, answer_public, keys.id, TW_LITERAL("hello"), &message), TW_OK);
  expect_whole_only(&message, unwrap, true);
  tw_buf_clear(&message);
}

/* Another version of a list is no mistake that settings show: it is the inviter's signature that keeps it. */
static void no_version_of_a_list_can_be_bent_in_a_reply(void **state) {
  (void)state;
  tw_buf settings = {0};
  tw_buf message = {0};
  tw_buf admins = {0};
  enrol_settings(&settings);
  enrol_add_admin(&admins, 0x22, ENROL_VERSION);
  const tw_enrolment_reply reply = {TW_ENROLMENT_IN, joiner_id, tw_buf_bytes(&settings)};
  assert_int_equal(tw_enrolment_reply_make(&test.env, admin, keys.id, &reply, &message), TW_OK);
  assert_int_equal(read_reply(tw_buf_bytes(&message)), TW_OK);
  uint8_t *at = memmem(message.ptr, message.len, admins.ptr, admins.len);
  assert_non_null(at);
  for (size_t bit = 0; bit < 8 * admins.len; bit++) {
    at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_equal(read_reply(tw_buf_bytes(&message)), TW_ERR_SIGNATURE);
    at[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  tw_buf_clear(&admins);
  tw_buf_clear(&message);
  tw_buf_clear(&settings);
}

/* ---- what does not belong together ---- */

static void a_proof_is_of_one_key_for_one_invitation_and_one_act(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  tw_buf other = TW_BUF_INIT(test.env.alloc);
  uint8_t id[TW_INVITATION_ID];
  tw_enrolment_request request;
  tw_fingerprint key;
  assert_int_equal(tw_enrolment_request_make(&test.env, joiner, TW_ENROLMENT_JOIN, answer_public, keys.id, &message),
                   TW_OK);
  assert_int_equal(tw_enrolment_request_read(&test.env, suite, keys.id, tw_buf_bytes(&message), &request, &key), TW_OK);
  assert_memory_equal(&key, &joiner_id, sizeof key);
  assert_int_equal(request.act, TW_ENROLMENT_JOIN);
  memcpy(id, keys.id, sizeof id);
  id[0] ^= 1;
  assert_int_equal(tw_enrolment_request_read(&test.env, suite, id, tw_buf_bytes(&message), &request, &key),
                   TW_ERR_SIGNATURE);
  /* Another's key with our proof: whoever sees a public key cannot have it enrolled. */
  assert_int_equal(tw_enrolment_request_make(&test.env, admin, TW_ENROLMENT_JOIN, answer_public, keys.id, &other),
                   TW_OK);
  const size_t key_at = 2;
  memcpy(message.ptr + key_at, other.ptr + key_at, suite->signature->public_size);
  assert_int_equal(read_request(tw_buf_bytes(&message)), TW_ERR_SIGNATURE);
  tw_buf_clear(&other);
  tw_buf_clear(&message);
}

/* To join takes one, of the suite's size, and it is what the proof says; to be done takes none. */
static void an_answers_key_comes_with_a_join_alone(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  tw_enrolment_request request;
  tw_fingerprint key;
  const tw_bytes wrong[] = {TW_NO_BYTES, TW_BYTES(answer_public.ptr, answer_public.len - 1)};
  assert_int_equal(tw_enrolment_request_make(&test.env, joiner, TW_ENROLMENT_JOIN, answer_public, keys.id, &message),
                   TW_OK);
  assert_int_equal(tw_enrolment_request_read(&test.env, suite, keys.id, tw_buf_bytes(&message), &request, &key), TW_OK);
  assert_true(tw_bytes_equal(request.answer_key, answer_public));
  /* Another one under the same proof: whoever has the token and sees the request would read the reply. */
  tw_enrolment_answer_key other = {.public_key = {0}};
  assert_int_equal(tw_enrolment_answer_key_make(&test.env, suite, &other), TW_OK);
  memcpy(message.ptr + (request.answer_key.ptr - message.ptr), other.public_key.ptr, other.public_key.len);
  assert_int_equal(read_request(tw_buf_bytes(&message)), TW_ERR_SIGNATURE);
  tw_enrolment_answer_key_clear(&other);
  tw_buf_clear(&message);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(tw_enrolment_request_make(&test.env, joiner, TW_ENROLMENT_JOIN, wrong[i], keys.id, &message),
                     TW_OK);
    assert_int_equal(read_request(tw_buf_bytes(&message)), TW_ERR_ENCODING);
    tw_buf_clear(&message);
  }
  assert_int_equal(tw_enrolment_request_make(&test.env, joiner, TW_ENROLMENT_DONE, answer_public, keys.id, &message),
                   TW_OK);
  assert_int_equal(read_request(tw_buf_bytes(&message)), TW_ERR_ENCODING);
  tw_buf_clear(&message);
  assert_int_equal(tw_enrolment_request_make(&test.env, joiner, TW_ENROLMENT_DONE, TW_NO_BYTES, keys.id, &message),
                   TW_OK);
  assert_int_equal(read_request(tw_buf_bytes(&message)), TW_OK);
  tw_buf_clear(&message);
}

static void what_is_wrapped_is_for_one_key_and_one_invitation(void **state) {
  (void)state;
  tw_buf wrapped = TW_BUF_INIT(test.env.alloc);
  tw_buf plain = TW_BUF_INIT(test.env.alloc);
  tw_enrolment_answer_key other = {.public_key = {0}};
  uint8_t id[TW_INVITATION_ID];
  memcpy(id, keys.id, sizeof id);
  id[3] ^= 1;
  assert_int_equal(tw_enrolment_answer_key_make(&test.env, suite, &other), TW_OK);
  assert_false(tw_bytes_equal(tw_buf_bytes(&other.public_key), answer_public));
  assert_int_equal(tw_enrolment_wrap(&test.env, suite, answer_public, keys.id, TW_LITERAL("hello"), &wrapped), TW_OK);
  assert_int_equal(tw_enrolment_unwrap(&test.env, suite, &other, keys.id, tw_buf_bytes(&wrapped), &plain),
                   TW_ERR_DECRYPT);
  assert_int_equal(tw_enrolment_unwrap(&test.env, suite, &answer_key, id, tw_buf_bytes(&wrapped), &plain),
                   TW_ERR_DECRYPT);
  assert_int_equal(plain.len, 0);
  assert_int_equal(tw_enrolment_unwrap(&test.env, suite, &answer_key, keys.id, tw_buf_bytes(&wrapped), &plain), TW_OK);
  assert_true(tw_bytes_equal(tw_buf_bytes(&plain), TW_LITERAL("hello")));
  assert_int_equal(tw_enrolment_wrap(&test.env, suite, TW_NO_BYTES, keys.id, TW_LITERAL("hello"), &wrapped),
                   TW_ERR_KEY);
  tw_enrolment_answer_key_clear(&other);
  tw_enrolment_answer_key_clear(&other);
  tw_buf_clear(&plain);
  tw_buf_clear(&wrapped);
}

static void a_reply_is_the_inviters_to_one_key(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  uint8_t id[TW_INVITATION_ID];
  make_reply(joiner, keys.id, &message);
  assert_int_equal(read_reply(tw_buf_bytes(&message)), TW_ERR_CREDENTIAL);
  tw_buf_clear(&message);
  memcpy(id, keys.id, sizeof id);
  id[3] ^= 1;
  make_reply(admin, id, &message); /* to another invitation */
  assert_int_equal(read_reply(tw_buf_bytes(&message)), TW_ERR_SIGNATURE);
  tw_buf_clear(&message);
}

static void a_sealed_message_opens_by_its_key_and_id_alone(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  tw_buf again = TW_BUF_INIT(test.env.alloc);
  tw_buf plain = TW_BUF_INIT(test.env.alloc);
  uint8_t id[TW_INVITATION_ID];
  assert_int_equal(tw_enrolment_seal(&test.env, suite, keys.request, keys.id, TW_LITERAL("hello"), &message), TW_OK);
  assert_int_equal(tw_enrolment_seal(&test.env, suite, keys.request, keys.id, TW_LITERAL("hello"), &again), TW_OK);
  assert_false(tw_bytes_equal(tw_buf_bytes(&message), tw_buf_bytes(&again)));
  assert_int_equal(tw_enrolment_open(&test.env, suite, keys.reply, keys.id, tw_buf_bytes(&message), &plain),
                   TW_ERR_DECRYPT);
  memcpy(id, keys.id, sizeof id);
  id[15] ^= 0x80;
  assert_int_equal(tw_enrolment_open(&test.env, suite, keys.request, id, tw_buf_bytes(&message), &plain),
                   TW_ERR_DECRYPT);
  assert_int_equal(tw_enrolment_open(&test.env, suite, keys.request, keys.id, tw_buf_bytes(&message), &plain), TW_OK);
  tw_test_same(tw_buf_bytes(&plain), TW_LITERAL("hello"));
  tw_buf_clear(&plain);
  tw_buf_clear(&again);
  tw_buf_clear(&message);
}

/* ---- values ---- */

static void a_list_says_who_and_by_whom(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  tw_enrolment_list list;
  tw_fingerprint by;
  tw_enrolled node;
  tw_prefix prefix;
  make_list(UINT64_MAX, admin, &message);
  assert_int_equal(tw_enrolment_list_read(&test.env, suite, tw_buf_bytes(&message), &list, &by), TW_OK);
  assert_memory_equal(&by, &admin_id, sizeof by);
  assert_true(list.version == UINT64_MAX);
  tw_test_same(list.group, enrol_text("office"));
  tw_reader walk = tw_reader_of(list.entries);
  assert_true(tw_enrolled_next(&walk, &node));
  tw_test_same(node.name, enrol_text("carla"));
  tw_reader prefixes = tw_reader_of(node.allowed);
  assert_true(tw_enrolled_prefix_next(&prefixes, &prefix));
  assert_int_equal(prefix.length, 32);
  assert_false(tw_enrolled_prefix_next(&prefixes, &prefix));
  assert_true(tw_enrolled_next(&walk, &node));
  assert_false(tw_enrolled_next(&walk, &node));
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  tw_buf_clear(&message);
}

static tw_err read_entries(const tw_buf *entries) {
  tw_buf message = TW_BUF_INIT(test.env.alloc);
  const tw_enrolment_list list = {.group = enrol_text("office"), .version = 1, .entries = tw_buf_bytes(entries)};
  assert_int_equal(tw_enrolment_list_make(&test.env, admin, &list, &message), TW_OK);
  const tw_err err = read_list(tw_buf_bytes(&message));
  tw_buf_clear(&message);
  return err;
}

static void names_and_prefixes_that_no_file_could_have_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",       "a b", "-a",
      "a\n",    "a#b", "a;",
      "[Peer]", "a=b", "0123456789012345678901234567890123456789012345678901234567890123"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    tw_buf entries = {0};
    enrol_add_node(&entries, wrong[i], 0x55, "10.7.0.3/32", "");
    assert_int_equal(read_entries(&entries), TW_ERR_ENCODING);
    tw_buf_clear(&entries);
  }
  tw_buf entries = {0};
  enrol_add_node(&entries, "carla", 0x55, "10.7.0.3/24", ""); /* bits behind it */
  assert_int_equal(read_entries(&entries), TW_ERR_ENCODING);
  tw_buf_clear(&entries);
  enrol_add_node(&entries, "carla", 0x55, "10.7.0.3/32", "carla.example"); /* lists have none */
  assert_int_equal(read_entries(&entries), TW_ERR_ENCODING);
  tw_buf_clear(&entries);
}

static tw_err decode_with_admins(tw_bytes admins) {
  tw_buf addresses = {0};
  tw_buf encoded = {0};
  enrol_add_prefix(&addresses, "10.7.0.3/24");
  const tw_enrolment_settings settings = {
      .name = enrol_text("carla"), .addresses = tw_buf_bytes(&addresses), .admins = admins, .mtu = 1400, .grace = 60};
  assert_int_equal(tw_enrolment_settings_encode(&settings, &encoded), TW_OK);
  const tw_err err = read_settings(tw_buf_bytes(&encoded));
  tw_buf_clear(&encoded);
  tw_buf_clear(&addresses);
  return err;
}

static void settings_have_an_admin_and_at_most_as_many_as_a_file(void **state) {
  (void)state;
  tw_buf admins = {0};
  assert_int_equal(decode_with_admins(TW_NO_BYTES), TW_ERR_ENCODING);
  enrol_add_admin(&admins, 0x22, UINT64_MAX);
  const size_t one = admins.len;
  for (size_t len = 0; len < one; len++)
    assert_int_equal(decode_with_admins(TW_BYTES(admins.ptr, len)), TW_ERR_ENCODING);
  assert_int_equal(decode_with_admins(tw_buf_bytes(&admins)), TW_OK);
  while (admins.len < one * TW_NODE_ADMINS_MAX) enrol_add_admin(&admins, 0x22, 0);
  assert_int_equal(decode_with_admins(tw_buf_bytes(&admins)), TW_OK);
  enrol_add_admin(&admins, 0x22, 0);
  assert_int_equal(decode_with_admins(tw_buf_bytes(&admins)), TW_ERR_ENCODING);
  tw_buf_clear(&admins);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_cut_or_bent_is_refused),
      cmocka_unit_test(a_proof_is_of_one_key_for_one_invitation_and_one_act),
      cmocka_unit_test(an_answers_key_comes_with_a_join_alone),
      cmocka_unit_test(what_is_wrapped_is_for_one_key_and_one_invitation),
      cmocka_unit_test(a_reply_is_the_inviters_to_one_key),
      cmocka_unit_test(a_sealed_message_opens_by_its_key_and_id_alone),
      cmocka_unit_test(a_list_says_who_and_by_whom),
      cmocka_unit_test(names_and_prefixes_that_no_file_could_have_are_refused),
      cmocka_unit_test(settings_have_an_admin_and_at_most_as_many_as_a_file),
      cmocka_unit_test(no_version_of_a_list_can_be_bent_in_a_reply),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
