/* An invitation into a network whose Members are certified: what its CA and its rule become at who joins. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_kit.h"

static const tw_joiner_names names = {"office", "office.key", "office.ca.pem"};

typedef struct wired {
  tw_test_env test;
  tw_invitation invitation;
  tw_joiner joiner;
  tw_buf settings, text, ca;
  tw_report report;
} wired;

static void begin(wired *s) {
  memset(s, 0, sizeof *s);
  tw_test_env_init(&s->test, 3);
  s->invitation = enrol_invitation(tw_suite_by_name(ENROL_SUITE));
  s->joiner = (tw_joiner){.env = &s->test.env, .invitation = &s->invitation, .self = {{0x77}}};
}

static void end(wired *s) {
  tw_buf_clear(&s->settings);
  tw_buf_clear(&s->text);
  tw_buf_clear(&s->ca);
  tw_test_env_clear(&s->test);
}

/* What is written for settings with these CAs: both files or none. */
static tw_err write_with(wired *s, tw_bytes ca, tw_bytes admit) {
  s->settings.len = s->text.len = s->ca.len = 0;
  enrol_settings_by(ca, admit, &s->settings);
  const tw_err err = tw_joiner_config(&s->joiner, tw_buf_bytes(&s->settings), &names, &s->text, &s->ca, &s->report);
  assert_int_equal(err == TW_OK, s->text.len > 0);
  assert_int_equal(err == TW_OK, s->ca.len > 0);
  return err;
}

static void a_joiner_gets_the_cas_and_the_rule(void **state) {
  (void)state;
  wired s;
  tw_node_config config = {0};
  tw_problems problems = {0};
  tw_x509 *x509 = NULL;
  tw_x509_trust *trust = NULL;
  tw_buf again = {0};
  tw_enrolment_settings settings;
  begin(&s);
  enrol_settings_certified(&s.settings);
  if (tw_joiner_config(&s.joiner, tw_buf_bytes(&s.settings), &names, &s.text, &s.ca, &s.report) != TW_OK)
    fail_msg("%s", s.report.text);
  assert_int_equal(tw_node_config_parse(&s.test.env, "office", "/etc/treewire/office.conf", tw_buf_bytes(&s.text),
                                        &config, &problems),
                   TW_OK);
  assert_true(config.network.certified);
  assert_string_equal(config.interface.ca, "/etc/treewire/office.ca.pem");
  assert_string_equal(config.interface.identity, "/etc/treewire/office.key");
  assert_int_equal(config.interface.crl_count, 0);
  assert_int_equal(config.network.admit_count, 2);
  assert_string_equal(config.network.admit[0], "*.office.example");
  assert_string_equal(config.network.admit[1], "gate.example");
  tw_node_config_clear(&config);
  /* The file is one that a node takes its CAs from, and they are the same. */
  assert_int_equal(tw_x509_new(&x509), TW_OK);
  assert_int_equal(tw_x509_trust_new(x509, &trust), TW_OK);
  assert_int_equal(tw_x509_trust_add_anchors(trust, "office.ca.pem", tw_buf_bytes(&s.ca), &s.report), TW_OK);
  assert_int_equal(tw_x509_trust_anchors(trust), 2);
  assert_int_equal(tw_x509_trust_give_anchors(trust, &again), TW_OK);
  assert_int_equal(tw_enrolment_settings_decode(tw_buf_bytes(&s.settings), &settings), TW_OK);
  assert_int_equal(again.len, settings.ca.len); /* in whatever order */
  tw_buf_clear(&again);
  tw_x509_trust_free(trust);
  tw_x509_free(x509);
  end(&s);
}

static void what_is_no_certificate_is_refused_and_nothing_is_written(void **state) {
  (void)state;
  wired s;
  tw_buf ca = {0};
  tw_buf list = {0};
  begin(&s);
  enrol_add_ca(&ca, "one");
  const tw_bytes der = {ca.ptr + 2, ca.len - 2}; /* behind its length */
  assert_int_equal(write_with(&s, tw_buf_bytes(&ca), TW_NO_BYTES), TW_OK);
  for (size_t len = 0; len < der.len; len++) {
    list.len = 0;
    tw_writer w = tw_writer_to(&list);
    tw_write_vector(&w, TW_BYTES(der.ptr, len));
    assert_int_equal(tw_writer_end(&w), TW_OK);
    assert_int_equal(write_with(&s, tw_buf_bytes(&list), TW_NO_BYTES), len == 0 ? TW_ERR_ENCODING : TW_ERR_CERTIFICATE);
  }
  assert_non_null(strstr(s.report.text, "no certificate"));
  for (size_t bit = 8 * 2; bit < 8 * ca.len; bit++) { /* some are other certificates: they are signed by the admin */
    ca.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    const tw_err err = write_with(&s, tw_buf_bytes(&ca), TW_NO_BYTES);
    assert_true(err == TW_OK || err == TW_ERR_CERTIFICATE);
    ca.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  enrol_add_ca(&ca, "other");
  ca.ptr[ca.len - 1] ^= 1; /* its signature: nobody has to have signed an anchor */
  assert_int_equal(write_with(&s, tw_buf_bytes(&ca), TW_NO_BYTES), TW_OK);
  tw_writer w = tw_writer_to(&ca);
  tw_write_vector(&w, TW_LITERAL("-----BEGIN CERTIFICATE-----"));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(write_with(&s, tw_buf_bytes(&ca), TW_NO_BYTES), TW_ERR_CERTIFICATE);
  assert_non_null(strstr(s.report.text, "CA 3"));
  tw_buf_clear(&list);
  tw_buf_clear(&ca);
  end(&s);
}

/* ---- limits and names of settings ---- */

static tw_err decode_with(wired *s, tw_bytes ca, tw_bytes admit) {
  tw_enrolment_settings settings;
  s->settings.len = 0;
  enrol_settings_by(ca, admit, &s->settings);
  return tw_enrolment_settings_decode(tw_buf_bytes(&s->settings), &settings);
}

static void settings_have_so_many_bytes_of_cas_and_no_more(void **state) {
  (void)state;
  static uint8_t big[TW_ENROLMENT_CA_MAX + 1];
  wired s;
  tw_buf ca = {0};
  begin(&s);
  tw_writer w = tw_writer_to(&ca);
  tw_write_vector(&w, TW_BYTES(big, TW_ENROLMENT_CA_MAX - 2));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  if (ca.len != TW_ENROLMENT_CA_MAX) { /* a length of four bytes */
    ca.len = 0;
    w = tw_writer_to(&ca);
    tw_write_vector(&w, TW_BYTES(big, TW_ENROLMENT_CA_MAX - 4));
    assert_int_equal(tw_writer_end(&w), TW_OK);
  }
  assert_int_equal(ca.len, TW_ENROLMENT_CA_MAX);
  assert_int_equal(decode_with(&s, tw_buf_bytes(&ca), TW_NO_BYTES), TW_OK);
  enrol_add_name(&ca, "x");
  assert_int_equal(decode_with(&s, tw_buf_bytes(&ca), TW_NO_BYTES), TW_ERR_LIMIT);
  tw_buf_clear(&ca);
  end(&s);
}

static void names_that_no_file_could_admit_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"",    "a b",         "A.example", "10.7.0.1", "fd07::1",
                                      "a.*", "a.example\n", "a,b",       ".",        "a.example.",
                                      "[x]", "*.*.example", "a#b",       "*",        "-"};
  wired s;
  tw_buf ca = {0};
  tw_buf admit = {0};
  begin(&s);
  enrol_add_ca(&ca, "one");
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    admit.len = 0;
    enrol_add_name(&admit, wrong[i]);
    if (decode_with(&s, tw_buf_bytes(&ca), tw_buf_bytes(&admit)) == TW_OK) fail_msg("'%s' is taken", wrong[i]);
  }
  admit.len = 0;
  for (size_t i = 0; i < TW_NODE_ADMIT_MAX; i++) enrol_add_name(&admit, "a.example");
  assert_int_equal(decode_with(&s, tw_buf_bytes(&ca), tw_buf_bytes(&admit)), TW_OK);
  assert_int_equal(decode_with(&s, TW_NO_BYTES, tw_buf_bytes(&admit)), TW_ERR_ENCODING); /* a rule without a CA */
  enrol_add_name(&admit, "a.example");
  assert_int_equal(decode_with(&s, tw_buf_bytes(&ca), tw_buf_bytes(&admit)), TW_ERR_ENCODING);
  tw_buf_clear(&admit);
  tw_buf_clear(&ca);
  end(&s);
}

/* ---- the admin ---- */

static tw_x509 *x509;

/* Anna's network is one of certificates, by `count` CAs. */
static void begin_certified(size_t count) {
  char admins[TW_FINGERPRINT_TEXT + 80];
  char key[TW_FINGERPRINT_TEXT];
  tw_buf pem = {0};
  enrol_begin(1, 1u << ANNA);
  enrol_node *e = &enrols[ANNA];
  assert_int_equal(tw_x509_new(&x509), TW_OK);
  assert_int_equal(tw_x509_trust_new(x509, &e->trust), TW_OK);
  for (size_t i = 0; i < count; i++) {
    tw_test_cert ca;
    tw_test_ca_make(&ca, NULL, "a CA", NULL, NULL);
    tw_test_cert_pem(&ca, &pem);
    tw_test_cert_clear(&ca);
  }
  assert_int_equal(tw_x509_trust_add_anchors(e->trust, "ca.pem", tw_buf_bytes(&pem), NULL), TW_OK);
  tw_buf_clear(&pem);
  tw_fingerprint_format(&world.nodes[ANNA].id, key);
  (void)snprintf(admins, sizeof admins, "%s\nMembers = certified\nAdmit = *.office.example", key);
  enrol_configure(e, admins, "");
  enrol_restart(e);
}

static void end_certified(void) {
  tw_x509_trust_free(enrols[ANNA].trust);
  enrol_end();
  tw_x509_free(x509);
}

/* Somebody whom anna knows by that. */
static void know(tw_node_origin origin, uint8_t byte) {
  enrol_node *e = &enrols[ANNA];
  tw_node_peer peer = {.origin = origin, .key.given = true};
  tw_problems told = {0};
  memset(&peer.key.fingerprint, byte, sizeof peer.key.fingerprint);
  assert_int_equal(tw_node_config_append_peer(&e->config, &world.nodes[ANNA].id, &peer, &told), TW_OK);
}

static bool has_peer(tw_bytes peers, uint8_t byte) {
  tw_reader walk = tw_reader_of(peers);
  for (tw_enrolled node; tw_enrolled_next(&walk, &node);)
    if (node.key.digest[0] == byte && node.key.digest[31] == byte) return true;
  return false;
}

static void an_admin_sends_its_cas_and_not_whom_they_have_certified(void **state) {
  (void)state;
  enrol_guest g;
  tw_enrolment_settings settings;
  tw_buf ca = {0};
  char name[TW_X509_NAME];
  begin_certified(2);
  know(TW_NODE_FROM_CERTIFICATE, 0xc1);
  know(TW_NODE_FROM_ENROLMENT, 0xe1);
  enrol_carla(&g);
  assert_int_equal(tw_enrolment_settings_decode(g.content, &settings), TW_OK);
  assert_int_equal(tw_x509_trust_give_anchors(enrols[ANNA].trust, &ca), TW_OK);
  tw_test_same(settings.ca, tw_buf_bytes(&ca));
  tw_reader walk = tw_reader_of(settings.admit);
  assert_true(tw_enrolled_admit_next(&walk, name));
  assert_string_equal(name, "*.office.example");
  assert_false(tw_enrolled_admit_next(&walk, name));
  assert_false(has_peer(settings.peers, 0xc1)); /* it is learned by its certificate, and is gone with that */
  assert_true(has_peer(settings.peers, 0xe1));
  tw_buf_clear(&ca);
  enrol_guest_clear(&g);
  end_certified();
}

/* Of anna's list, in settings that she makes now. */
static uint64_t told_version(enrol_guest *g) {
  tw_enrolment_settings settings;
  tw_enrolled_admin admin;
  enrol_answered(g);
  assert_int_equal(tw_enrolment_settings_decode(g->content, &settings), TW_OK);
  tw_reader walk = tw_reader_of(settings.admins);
  assert_true(tw_enrolled_admin_next(&walk, &admin));
  return admin.version;
}

/* Who is not written down, since a certificate makes it a peer, is on the list that is taken then, unless it is
 * removed. */
static void a_list_with_somebody_certified_is_still_to_be_taken(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  tw_problems told = {0};
  begin_certified(1);
  enrol_carla(&carla);
  enrol_invited(&dora, "dora", "10.7.0.4/24", DORA);
  assert_true(told_version(&dora) == version_at(ANNA) - 1); /* carla is learned, and not in the configuration yet */
  const tw_node_peer peer = {.origin = TW_NODE_FROM_CERTIFICATE,
                             .key = {.given = true, .fingerprint = world.nodes[CARLA].id}};
  assert_int_equal(tw_node_config_append_peer(&enrols[ANNA].config, &world.nodes[ANNA].id, &peer, &told), TW_OK);
  assert_true(told_version(&dora) == version_at(ANNA) - 1);
  enrols[ANNA].are_removed = true;
  assert_true(told_version(&dora) == version_at(ANNA));
  enrol_guest_clear(&dora);
  enrol_guest_clear(&carla);
  end_certified();
}

static void an_admin_whose_cas_are_too_large_cannot_invite(void **state) {
  (void)state;
  tw_buf token = {0};
  uint8_t id[TW_INVITATION_ID];
  char why[TW_REPORT_MAX];
  begin_certified(64);
  assert_int_equal(enrol_try_invite(ANNA, "carla", "10.7.0.3/24", &token, id, why), TW_ERR_LIMIT);
  assert_non_null(strstr(why, "16384 bytes"));
  assert_int_equal(token.len, 0);
  tw_buf_clear(&token);
  end_certified();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_joiner_gets_the_cas_and_the_rule),
      cmocka_unit_test(what_is_no_certificate_is_refused_and_nothing_is_written),
      cmocka_unit_test(settings_have_so_many_bytes_of_cas_and_no_more),
      cmocka_unit_test(names_that_no_file_could_admit_are_refused),
      cmocka_unit_test(an_admin_sends_its_cas_and_not_whom_they_have_certified),
      cmocka_unit_test(a_list_with_somebody_certified_is_still_to_be_taken),
      cmocka_unit_test(an_admin_whose_cas_are_too_large_cannot_invite),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
