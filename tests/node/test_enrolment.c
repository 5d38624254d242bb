/* Requests, replies, settings and lists of an enrolment: as they were written, or not at all. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrolment.h"

#include "node/enrolment_kit.h"
#include "node/joiner.h"
#include "node/mail.h"

static tw_test_env test;
static const tw_suite *suite;
static tw_signer *admin;
static tw_signer *joiner;
static tw_fingerprint admin_id;
static tw_fingerprint joiner_id;
static tw_invitation invitation;
static tw_invitation_keys keys;
static tw_enrolment_answer_key answer_key;
static tw_bytes answer_public;
static const tw_joiner_names names = {"office", "office.key", "office.ca.pem"};

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 11);
  suite = tw_suite_by_name(ENROL_SUITE);
  assert_int_equal(tw_signer_generate(&test.env, suite, &admin), TW_OK);
  assert_int_equal(tw_signer_generate(&test.env, suite, &joiner), TW_OK);
  assert_int_equal(tw_fingerprint_of(&test.env, suite, tw_signer_public_key(admin), &admin_id), TW_OK);
  assert_int_equal(tw_fingerprint_of(&test.env, suite, tw_signer_public_key(joiner), &joiner_id), TW_OK);
  invitation = enrol_invitation(suite);
  invitation.inviter = admin_id;
  assert_int_equal(tw_invitation_keys_of(&test.env, &invitation, &keys), TW_OK);
  assert_int_equal(tw_enrolment_answer_key_make(&test.env, suite, &answer_key), TW_OK);
  answer_public = tw_buf_bytes(&answer_key.public_key);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_enrolment_answer_key_clear(&answer_key);
  tw_invitation_keys_clear(&keys);
  tw_signer_free(admin);
  tw_signer_free(joiner);
  tw_test_env_clear(&test);
  return 0;
}

/* ---- each is read, and none that is cut or bent ---- */

typedef tw_err (*reader)(tw_bytes encoded);

static tw_err read_request(tw_bytes encoded) {
  tw_enrolment_request request;
  tw_fingerprint key;
  return tw_enrolment_request_read(&test.env, suite, keys.id, encoded, &request, &key);
}
static tw_err unwrap(tw_bytes encoded) {
  tw_buf plain = TW_BUF_INIT(test.env.alloc);
  const tw_err err = tw_enrolment_unwrap(&test.env, suite, &answer_key, keys.id, encoded, &plain);
  assert_int_equal(plain.len > 0, err == TW_OK);
  tw_buf_clear(&plain);
  return err;
}
static tw_err read_reply(tw_bytes encoded) {
  tw_enrolment_reply reply;
  return tw_enrolment_reply_read(&test.env, suite, &admin_id, keys.id, encoded, &reply);
}
static tw_err read_list(tw_bytes encoded) {
  tw_enrolment_list list;
  tw_fingerprint by;
  return tw_enrolment_list_read(&test.env, suite, encoded, &list, &by);
}
static tw_err read_settings(tw_bytes encoded) {
  tw_enrolment_settings settings;
  return tw_enrolment_settings_decode(encoded, &settings);
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

static void make_reply(tw_signer *by, const uint8_t id[TW_INVITATION_ID], tw_buf *out) {
  const tw_enrolment_reply reply = {TW_ENROLMENT_USED, joiner_id, enrol_text("another key has used it")};
  assert_int_equal(tw_enrolment_reply_make(&test.env, by, id, &reply, out), TW_OK);
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

/* ---- the joiner ---- */

static void a_joiner_writes_a_configuration_that_means_the_settings(void **state) {
  (void)state;
  const tw_joiner who = {&test.env, &invitation, &keys, joiner, joiner_id, answer_key};
  tw_buf settings = TW_BUF_INIT(test.env.alloc);
  tw_buf text = TW_BUF_INIT(test.env.alloc);
  tw_buf ca = TW_BUF_INIT(test.env.alloc);
  tw_report report = {""};
  tw_node_config config = {0};
  tw_problems problems = {0};
  enrol_settings(&settings);
  if (tw_joiner_config(&who, tw_buf_bytes(&settings), &names, &text, &ca, &report) != TW_OK)
    fail_msg("%s", report.text);
  assert_int_equal(
      tw_node_config_parse(&test.env, "office", "/etc/treewire/office.conf", tw_buf_bytes(&text), &config, &problems),
      TW_OK);
  assert_string_equal(config.network.group, "office");
  assert_string_equal(config.interface.identity, "/etc/treewire/office.key");
  assert_int_equal(config.interface.addresses.count, 2);
  assert_int_equal(config.network.admin_count, 2);
  assert_int_equal(config.network.lists_after_count, 1); /* of the other admin there is no list */
  assert_int_equal(config.network.lists_after[0].admin.digest[31], 0x22);
  assert_true(config.network.lists_after[0].version == ENROL_VERSION);
  assert_int_equal(config.network.rekey_packets, 0);
  assert_int_equal(config.multicast.groups.count, 1);
  assert_true(config.multicast.broadcast);
  assert_int_equal(config.peer_count, 2);
  assert_string_equal(config.peers[0].name, "anna");
  assert_string_equal(config.peers[0].endpoint.host, "anna.example");
  assert_null(config.peers[1].name);
  assert_false(config.network.certified);
  assert_int_equal(ca.len, 0);
  tw_node_config_clear(&config);
  /* Where it cannot be: the joiner's address is a peer's. */
  tw_buf_clear(&settings);
  tw_buf peers = {0};
  tw_buf addresses = {0};
  tw_buf admins = {0};
  enrol_add_node(&peers, "anna", 0x22, "10.7.0.3/32", "");
  enrol_add_admin(&admins, 0x22, 1);
  enrol_add_prefix(&addresses, "10.7.0.3/24");
  const tw_enrolment_settings bad = {.name = enrol_text("carla"),
                                     .addresses = tw_buf_bytes(&addresses),
                                     .peers = tw_buf_bytes(&peers),
                                     .admins = tw_buf_bytes(&admins),
                                     .mtu = 1400,
                                     .grace = 60};
  assert_int_equal(tw_enrolment_settings_encode(&bad, &settings), TW_OK);
  text.len = 0;
  assert_int_equal(tw_joiner_config(&who, tw_buf_bytes(&settings), &names, &text, &ca, &report), TW_ERR_ENCODING);
  assert_int_equal(text.len, 0);
  tw_buf_clear(&admins);
  tw_buf_clear(&peers);
  tw_buf_clear(&addresses);
  tw_buf_clear(&text);
  tw_buf_clear(&settings);
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

/* The first form began with the length of a name, where the version is. */
static void settings_of_another_version_are_refused_in_words(void **state) {
  (void)state;
  const tw_joiner who = {&test.env, &invitation, &keys, joiner, joiner_id, answer_key};
  tw_buf settings = {0};
  tw_buf text = {0};
  tw_buf ca = {0};
  enrol_settings(&settings);
  for (unsigned version = 0; version < 256; version++) {
    tw_report report = {""};
    settings.ptr[0] = (uint8_t)version;
    const tw_err err = tw_joiner_config(&who, tw_buf_bytes(&settings), &names, &text, &ca, &report);
    assert_int_equal(err, version == TW_ENROLMENT_VERSION ? TW_OK : TW_ERR_UNSUPPORTED);
    assert_int_equal(strstr(report.text, "another version") != NULL, err != TW_OK);
    assert_int_equal(text.len > 0, err == TW_OK);
    text.len = 0;
  }
  const tw_bytes before = {settings.ptr + 1, settings.len - 1};
  assert_true(before.ptr[0] >= 1 && before.ptr[0] <= TW_ENROLMENT_NAME_MAX);
  assert_int_equal(read_settings(before), TW_ERR_UNSUPPORTED);
  tw_buf_clear(&ca);
  tw_buf_clear(&text);
  tw_buf_clear(&settings);
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

static void a_joiner_takes_the_reply_to_its_own_key_alone(void **state) {
  (void)state;
  const tw_joiner who = {&test.env, &invitation, &keys, joiner, joiner_id, answer_key};
  const tw_joiner other = {&test.env, &invitation, &keys, admin, admin_id, answer_key};
  tw_buf plain = TW_BUF_INIT(test.env.alloc);
  tw_buf sealed = TW_BUF_INIT(test.env.alloc);
  tw_buf encoded = TW_BUF_INIT(test.env.alloc);
  tw_buf opened = TW_BUF_INIT(test.env.alloc);
  tw_enrolment_reply reply;
  make_reply(admin, keys.id, &plain);
  tw_buf wrapped = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_enrolment_wrap(&test.env, suite, answer_public, keys.id, tw_buf_bytes(&plain), &wrapped), TW_OK);
  assert_int_equal(tw_enrolment_seal(&test.env, suite, keys.reply, keys.id, tw_buf_bytes(&wrapped), &sealed), TW_OK);
  tw_buf_clear(&wrapped);
  tw_mail mail = {.kind = TW_MAIL_ENROLMENT, .body = tw_buf_bytes(&sealed)};
  memcpy(mail.ref, keys.id, sizeof mail.ref);
  assert_int_equal(tw_mail_encode(&mail, &encoded), TW_OK);
  assert_int_equal(tw_joiner_take(&who, tw_buf_bytes(&encoded), &opened, &reply), TW_OK);
  assert_int_equal(reply.status, TW_ENROLMENT_USED);
  assert_int_equal(tw_joiner_take(&other, tw_buf_bytes(&encoded), &opened, &reply), TW_ERR_UNEXPECTED);
  /* With the key of another try it is none that opens, and without one there is nothing to ask for. */
  tw_joiner again = {&test.env, &invitation, &keys, joiner, joiner_id, {.public_key = {0}}};
  tw_buf asked = TW_BUF_INIT(test.env.alloc);
  assert_int_equal(tw_joiner_mail(&again, TW_ENROLMENT_JOIN, &asked), TW_ERR_STATE);
  assert_int_equal(asked.len, 0);
  assert_int_equal(tw_joiner_begin(&again), TW_OK);
  assert_int_equal(tw_joiner_begin(&again), TW_OK);
  assert_int_equal(tw_joiner_take(&again, tw_buf_bytes(&encoded), &opened, &reply), TW_ERR_DECRYPT);
  tw_joiner_end(&again);
  /* Its own request, that the relay gives back, is no reply. */
  encoded.len = 0;
  assert_int_equal(tw_joiner_mail(&who, TW_ENROLMENT_JOIN, &encoded), TW_OK);
  assert_int_equal(tw_joiner_take(&who, tw_buf_bytes(&encoded), &opened, &reply), TW_ERR_DECRYPT);
  encoded.ptr[0] = TW_MAIL_PAIR;
  assert_int_equal(tw_joiner_take(&who, tw_buf_bytes(&encoded), &opened, &reply), TW_ERR_UNEXPECTED);
  tw_buf_clear(&opened);
  tw_buf_clear(&encoded);
  tw_buf_clear(&sealed);
  tw_buf_clear(&plain);
}

static tw_err do_all(const tw_buf *settings) {
  const tw_joiner who = {&test.env, &invitation, &keys, joiner, joiner_id, answer_key};
  tw_buf parts[5] = {TW_BUF_INIT(test.env.alloc), TW_BUF_INIT(test.env.alloc), TW_BUF_INIT(test.env.alloc),
                     TW_BUF_INIT(test.env.alloc), TW_BUF_INIT(test.env.alloc)};
  const tw_enrolment_reply reply = {TW_ENROLMENT_IN, joiner_id, tw_buf_bytes(settings)};
  const tw_enrolment_list list = {.group = enrol_text("office"), .version = 1};
  tw_err err = tw_joiner_mail(&who, TW_ENROLMENT_JOIN, &parts[0]);
  if (err == TW_OK) err = tw_enrolment_reply_make(&test.env, admin, keys.id, &reply, &parts[1]);
  if (err == TW_OK) err = read_reply(tw_buf_bytes(&parts[1]));
  tw_buf wrapped = TW_BUF_INIT(test.env.alloc);
  if (err == TW_OK)
    err = tw_enrolment_wrap(&test.env, suite, answer_public, keys.id, tw_buf_bytes(&parts[1]), &wrapped);
  if (err == TW_OK) err = unwrap(tw_buf_bytes(&wrapped));
  tw_buf_clear(&wrapped);
  tw_joiner again = {&test.env, &invitation, &keys, joiner, joiner_id, {.public_key = {0}}};
  if (err == TW_OK) err = tw_joiner_begin(&again);
  tw_joiner_end(&again);
  if (err == TW_OK) err = tw_enrolment_list_make(&test.env, admin, &list, &parts[2]);
  if (err == TW_OK) err = read_list(tw_buf_bytes(&parts[2]));
  if (err == TW_OK) err = tw_joiner_config(&who, tw_buf_bytes(settings), &names, &parts[3], &parts[4], NULL);
  assert_int_equal(err == TW_OK, parts[3].len > 0);
  for (size_t i = 0; i < 5; i++) tw_buf_clear(&parts[i]);
  return err;
}

static void memory_that_fails_is_told_and_leaves_nothing(void **state) {
  (void)state;
  tw_buf settings = {0};
  enrol_settings_certified(&settings);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = do_all(&settings);
    assert_int_equal(err, test.alloc_failed ? TW_ERR_NO_MEMORY : TW_OK);
    if (!test.alloc_failed) break;
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf_clear(&settings);
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
      cmocka_unit_test(a_joiner_writes_a_configuration_that_means_the_settings),
      cmocka_unit_test(settings_have_an_admin_and_at_most_as_many_as_a_file),
      cmocka_unit_test(settings_of_another_version_are_refused_in_words),
      cmocka_unit_test(no_version_of_a_list_can_be_bent_in_a_reply),
      cmocka_unit_test(a_joiner_takes_the_reply_to_its_own_key_alone),
      cmocka_unit_test(memory_that_fails_is_told_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
