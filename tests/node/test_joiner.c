/* A joiner: what it makes of settings, and which reply it takes. SPDX-License-Identifier: Apache-2.0 */
#include "node/joiner.h"

#include "node/joiner_kit.h"
#include "node/mail.h"

static const tw_joiner_names names = {"office", "office.key", "office.ca.pem"};

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
      cmocka_unit_test(a_joiner_writes_a_configuration_that_means_the_settings),
      cmocka_unit_test(settings_of_another_version_are_refused_in_words),
      cmocka_unit_test(a_joiner_takes_the_reply_to_its_own_key_alone),
      cmocka_unit_test(memory_that_fails_is_told_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
