/* An admin enrols a node: who may, once, by its own key; and what restarts and liars change about it. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_kit.h"

static void who_is_invited_comes_in_and_all_learn_of_it(void **state) {
  (void)state;
  enrol_guest g;
  bool guest;
  tw_buf text = {0};
  tw_buf ca = {0};
  tw_report report = {""};
  enrol_begin(1, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  assert_true(relay_lets_in(&g.keys.guest, &guest) && guest);
  assert_false(relay_lets_in(&world.nodes[CARLA].id, &guest));
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_OPEN);
  tw_enrol_open open;
  assert_true(tw_enrol_next(enrols[ANNA].enrol, 0, &open));
  assert_string_equal(open.name, "carla");
  assert_int_equal(open.state, TW_ENROL_OPEN);
  assert_false(tw_enrol_next(enrols[ANNA].enrol, 1, &open));
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_true(enrol_reply(&g));
  assert_int_equal(g.status, TW_ENROLMENT_IN);
  const tw_joiner_names names = {"test", "carla.key", "carla.ca.pem"};
  if (tw_joiner_config(&g.joiner, g.content, &names, &text, &ca, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(ca.len, 0);
  assert_true(relay_lets_in(&world.nodes[CARLA].id, &guest) && !guest);
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_ENROLLED);
  enrol_ask(&g, TW_ENROLMENT_DONE);
  enrol_calm();
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_UNKNOWN);
  assert_false(tw_enrol_next(enrols[ANNA].enrol, 0, &open));
  assert_false(relay_lets_in(&g.keys.guest, &guest));
  assert_true(has_learned(ANNA, CARLA));
  assert_true(has_learned(BERTA, CARLA));
  assert_true(version_at(BERTA) != 0 && version_at(BERTA) == version_at(ANNA));
  enrol_connect(CARLA);
  enrol_until(THREE, "carla is not in");
  tw_buf_clear(&text);
  enrol_guest_clear(&g);
  enrol_end();
}

static void only_admins_invite_and_only_what_can_be_had(void **state) {
  (void)state;
  tw_buf token = {0};
  uint8_t id[TW_INVITATION_ID];
  enrol_begin(2, 0);
  assert_int_equal(enrol_try_invite(ANNA, "carla", "10.7.0.3/24", &token, id, NULL), TW_ERR_FORBIDDEN);
  enrol_end();
  enrol_begin(2, 1u << ANNA);
  assert_int_equal(enrol_try_invite(BERTA, "carla", "10.7.0.3/24", &token, id, NULL), TW_ERR_FORBIDDEN);
  static const char *const wrong[][2] = {
      {"berta", "10.7.0.3/24"},  {"anna", "10.7.0.3/24"},    {"", "10.7.0.3/24"},      {"a b", "10.7.0.3/24"},
      {"carla", "10.7.0.1/24"},  {"carla", "10.7.0.2/8"},    {"carla", "10.7.0.0/24"}, {"carla", "10.7.0.255/24"},
      {"carla", "224.0.0.1/24"}, {"carla", "10.7.0.255/16"}, {"carla", "10.7.0.0/32"}, {"carla", "ff02::1/64"}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(enrol_try_invite(ANNA, wrong[i][0], wrong[i][1], &token, id, NULL), TW_ERR_ARGUMENT);
  assert_int_equal(token.len, 0);
  assert_int_equal(enrol_try_invite(ANNA, "carla", "10.7.0.3/24", &token, id, NULL), TW_OK);
  assert_int_equal(enrol_try_invite(ANNA, "carla", "10.7.0.4/24", &token, id, NULL), TW_ERR_ARGUMENT);
  assert_int_equal(enrol_try_invite(ANNA, "dora", "10.7.0.3/24", &token, id, NULL), TW_ERR_ARGUMENT);
  enrols[ANNA].disk.disk_fails = true;
  const size_t before = token.len;
  assert_int_equal(enrol_try_invite(ANNA, "dora", "10.7.0.4/24", &token, id, NULL), TW_ERR_LIMIT);
  assert_int_equal(token.len, before);
  enrols[ANNA].disk.disk_fails = false;
  assert_int_equal(enrol_try_invite(ANNA, "dora", "10.7.0.4/24", &token, id, NULL), TW_OK);
  tw_buf_clear(&token);
  enrol_end();
}

static void a_relay_that_refuses_ends_the_invitation_with_its_words(void **state) {
  (void)state;
  tw_buf token = {0};
  tw_report report = {""};
  uint8_t id[TW_INVITATION_ID];
  enrol_begin(3, 1u << ANNA);
  world.nodes[ANNA].peer.standing = TW_DELIVERY_ADMITTED;
  assert_int_equal(enrol_try_invite(ANNA, "carla", "10.7.0.3/24", &token, id, NULL), TW_OK);
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, id, NULL), TW_ENROL_NEW);
  enrol_calm();
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, id, &report), TW_ENROL_REFUSED);
  assert_non_null(strstr(report.text, "--invites"));
  enrol_restart(&enrols[ANNA]);
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, id, NULL), TW_ENROL_UNKNOWN);
  tw_buf_clear(&token);
  enrol_end();
}

static void an_invitation_ends_by_time_or_when_it_is_withdrawn(void **state) {
  (void)state;
  enrol_guest g;
  bool guest;
  enrol_begin(4, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  world.now_ms = g.invitation.until * 1000;
  assert_false(relay_lets_in(&g.keys.guest, &guest));
  enrol_ask(&g, TW_ENROLMENT_JOIN); /* the relay lets it all the same, and anna's timer is late */
  enrol_calm();
  assert_true(enrol_reply(&g));
  assert_int_equal(g.status, TW_ENROLMENT_OVER);
  assert_false(has_learned(ANNA, CARLA));
  enrol_live(1000);
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_UNKNOWN);
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_false(enrol_reply(&g));
  enrol_guest_clear(&g);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  assert_false(tw_enrol_withdraw(enrols[ANNA].enrol, enrol_text("dora"), world.now_ms));
  assert_true(tw_enrol_withdraw(enrols[ANNA].enrol, enrol_text("carla"), world.now_ms));
  enrol_restart(&enrols[ANNA]); /* before the relay knows */
  enrol_calm();
  assert_false(relay_lets_in(&g.keys.guest, &guest));
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_false(enrol_reply(&g));
  assert_int_equal(version_at(ANNA), 0);
  enrol_guest_clear(&g);
  enrol_end();
}

static void a_second_key_with_the_same_token_is_refused_and_told(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(5, 1u << ANNA);
  enrol_carla(&g);
  const uint64_t version = version_at(ANNA);
  enrol_guest thief = g;
  thief.plain = (tw_buf){0};
  thief.joiner.keys = &thief.keys;
  thief.joiner.signer = world.nodes[DORA].member.client.signer;
  thief.joiner.self = world.nodes[DORA].id;
  enrol_ask(&thief, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_true(enrol_reply(&thief));
  assert_int_equal(thief.status, TW_ENROLMENT_USED);
  assert_non_null(strstr(enrols[ANNA].words, "another key has used it"));
  assert_false(has_learned(ANNA, DORA));
  assert_int_equal(version_at(ANNA), version);
  enrol_ask(&thief, TW_ENROLMENT_DONE); /* nor can it end what is not its own */
  enrol_calm();
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_ENROLLED);
  tw_buf_clear(&thief.plain);
  enrol_guest_clear(&g);
  enrol_end();
}

static void a_request_that_comes_again_changes_nothing(void **state) {
  (void)state;
  enrol_guest g;
  tw_buf mail = {0};
  enrol_begin(6, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  assert_int_equal(tw_joiner_mail(&g.joiner, TW_ENROLMENT_JOIN, &mail), TW_OK);
  enrol_send_mail(&g, tw_buf_bytes(&mail));
  enrol_calm();
  assert_true(enrol_reply(&g));
  const uint64_t version = version_at(ANNA);
  pass_time(5000);
  enrol_send_mail(&g, tw_buf_bytes(&mail));
  enrol_send_mail(&g, tw_buf_bytes(&mail));
  enrol_calm();
  assert_true(enrol_reply(&g)); /* the answer may have been lost */
  assert_int_equal(g.status, TW_ENROLMENT_IN);
  assert_int_equal(version_at(ANNA), version);
  enrol_ask(&g, TW_ENROLMENT_DONE);
  enrol_calm();
  (void)enrol_reply(&g);
  enrol_send_mail(&g, tw_buf_bytes(&mail));
  enrol_calm();
  assert_false(enrol_reply(&g));
  tw_enrol_removed(enrols[ANNA].enrol, &world.nodes[CARLA].id, world.now_ms);
  enrol_send_mail(&g, tw_buf_bytes(&mail)); /* and brings nobody back */
  enrol_calm();
  assert_false(has_learned(ANNA, CARLA));
  tw_buf_clear(&mail);
  enrol_guest_clear(&g);
  enrol_end();
}

static void what_is_forged_bent_or_for_another_invitation_is_ignored(void **state) {
  (void)state;
  enrol_guest g;
  enrol_guest other;
  tw_buf mail = {0};
  tw_buf plain = {0};
  tw_buf sealed = {0};
  enrol_begin(7, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  enrol_invited(&other, "dora", "10.7.0.4/24", DORA);
  assert_int_equal(tw_joiner_mail(&g.joiner, TW_ENROLMENT_JOIN, &mail), TW_OK);
  for (size_t i = 1; i < mail.len; i += 3) {
    mail.ptr[i] ^= 0x10;
    enrol_send_mail(&g, tw_buf_bytes(&mail));
    mail.ptr[i] ^= 0x10;
  }
  for (size_t len = 1; len < mail.len; len += 7) enrol_send_mail(&g, TW_BYTES(mail.ptr, len));
  enrol_calm();
  assert_false(enrol_reply(&g));
  /* The proof is for the other one, as somebody would have it who has both tokens and dora's request. */
  assert_int_equal(tw_enrolment_request_make(&world.test.env, other.joiner.signer, TW_ENROLMENT_JOIN,
                                             tw_buf_bytes(&other.joiner.answer_key.public_key), other.keys.id, &plain),
                   TW_OK);
  assert_int_equal(
      tw_enrolment_seal(&world.test.env, g.invitation.suite, g.keys.request, g.keys.id, tw_buf_bytes(&plain), &sealed),
      TW_OK);
  tw_mail forged = {.kind = TW_MAIL_ENROLMENT, .body = tw_buf_bytes(&sealed)};
  memcpy(forged.ref, g.keys.id, sizeof forged.ref);
  mail.len = 0;
  assert_int_equal(tw_mail_encode(&forged, &mail), TW_OK);
  enrol_send_mail(&g, tw_buf_bytes(&mail));
  enrol_calm();
  assert_false(enrol_reply(&g));
  assert_int_equal(version_at(ANNA), 0);
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_OPEN);
  tw_buf_clear(&sealed);
  tw_buf_clear(&plain);
  tw_buf_clear(&mail);
  enrol_guest_clear(&other);
  enrol_guest_clear(&g);
  enrol_end();
}

static void keys_that_are_nodes_already_are_refused(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(8, 1u << ANNA);
  for (uint32_t who = ANNA; who <= BERTA; who++) {
    enrol_invited(&g, who == ANNA ? "one" : "two", who == ANNA ? "10.7.0.8/24" : "10.7.0.9/24", who);
    enrol_ask(&g, TW_ENROLMENT_JOIN);
    enrol_calm();
    assert_true(enrol_reply(&g));
    assert_int_equal(g.status, TW_ENROLMENT_REFUSED);
    assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_OPEN);
    enrol_guest_clear(&g);
  }
  assert_int_equal(version_at(ANNA), 0);
  enrol_end();
}

/* Wherever the admin ends, it goes on from what it has saved. */
static void a_restart_of_the_admin_at_any_moment_loses_nothing(void **state) {
  (void)state;
  for (size_t moment = 0; moment < 12; moment++) {
    enrol_guest g;
    bool guest;
    enrol_begin(9 + moment, 1u << ANNA);
    enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
    if (moment == 0) enrol_restart(&enrols[ANNA]);
    enrol_ask(&g, TW_ENROLMENT_JOIN);
    calm(); /* enrolled, and nothing else is done yet */
    for (size_t i = 1; i < moment; i++) (void)enrol_serve(&enrols[ANNA]);
    if (moment > 0) enrol_restart(&enrols[ANNA]);
    enrol_calm();
    assert_true(enrol_reply(&g));
    assert_int_equal(g.status, TW_ENROLMENT_IN);
    assert_true(relay_lets_in(&world.nodes[CARLA].id, &guest) && !guest);
    assert_true(has_learned(BERTA, CARLA));
    enrol_ask(&g, TW_ENROLMENT_DONE);
    calm();
    enrol_restart(&enrols[ANNA]);
    enrol_calm();
    assert_false(relay_lets_in(&g.keys.guest, &guest));
    enrol_connect(CARLA);
    enrol_until(THREE, "carla is not in");
    enrol_guest_clear(&g);
    enrol_end();
  }
}

static void begin_anew(enrol_guest *g) {
  tw_joiner_end(&g->joiner);
  assert_int_equal(tw_joiner_begin(&g->joiner), TW_OK);
}

/* Whatever has been done of the first try by then, its answer included, which nobody reads any more. */
static void a_try_that_is_begun_anew_gets_an_answer_of_its_own(void **state) {
  (void)state;
  for (size_t turn = 0; turn < 24; turn++) {
    const size_t moment = turn / 2;
    enrol_guest g;
    enrol_begin(50 + moment, 1u << ANNA);
    enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
    enrol_ask(&g, TW_ENROLMENT_JOIN);
    if (moment > 0) calm();
    for (size_t i = 1; i < moment; i++) (void)enrol_serve(&enrols[ANNA]);
    const uint64_t version = moment == 0 ? 1 : version_at(ANNA);
    begin_anew(&g);
    assert_false(enrol_reply(&g));
    enrol_ask(&g, TW_ENROLMENT_JOIN);
    calm();
    if (turn % 2 == 1) enrol_restart(&enrols[ANNA]);
    enrol_calm();
    assert_true(enrol_reply(&g));
    assert_int_equal(g.status, TW_ENROLMENT_IN);
    if (moment > 0) assert_int_equal(version_at(ANNA), version);
    /* A third one that asks nobody has nothing to read. */
    begin_anew(&g);
    g.read = 0;
    assert_false(enrol_reply(&g));
    enrol_guest_clear(&g);
    enrol_end();
  }
}

/* Refusals, too, are for the try that asked. */
static void a_refusal_is_for_one_try(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(65, 1u << ANNA);
  enrol_invited(&g, "one", "10.7.0.8/24", BERTA);
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  const tw_joiner first = g.joiner;
  g.joiner.answer_key = (tw_enrolment_answer_key){.public_key = {0}};
  assert_int_equal(tw_joiner_begin(&g.joiner), TW_OK);
  assert_false(enrol_reply(&g));
  tw_joiner_end(&g.joiner);
  g.joiner = first;
  g.read = 0;
  assert_true(enrol_reply(&g));
  assert_int_equal(g.status, TW_ENROLMENT_REFUSED);
  enrol_guest_clear(&g);
  enrol_end();
}

/* What was saved before there were such keys: who is enrolled has to ask once more. */
static void an_invitation_of_an_older_store_answers_the_next_request(void **state) {
  (void)state;
  enrol_guest g;
  bool found = false;
  enrol_begin(66, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  calm();
  for (size_t i = 0; i < VALUES_MAX; i++) {
    kit_value *v = &enrols[ANNA].disk.store[i];
    if (!v->used || v->id.ptr[0] != 'i') continue;
    const size_t key = g.joiner.answer_key.public_key.len;
    v->bytes.ptr[0] = 1;
    v->bytes.len -= key + (key < 64 ? 1 : 2);
    found = true;
  }
  assert_true(found);
  enrol_restart(&enrols[ANNA]);
  enrol_calm();
  assert_false(enrol_reply(&g));
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_ENROLLED);
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_true(enrol_reply(&g));
  assert_int_equal(g.status, TW_ENROLMENT_IN);
  enrol_guest_clear(&g);
  enrol_end();
}

static void a_disk_that_fails_enrols_nobody_and_the_next_try_does(void **state) {
  (void)state;
  enrol_guest g;
  bool guest;
  enrol_begin(30, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  enrols[ANNA].disk.disk_fails = true;
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_false(enrol_reply(&g));
  assert_false(has_learned(ANNA, CARLA));
  assert_false(relay_lets_in(&world.nodes[CARLA].id, &guest));
  assert_int_equal(tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL), TW_ENROL_OPEN);
  enrols[ANNA].disk.disk_fails = false;
  enrol_ask(&g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_true(enrol_reply(&g));
  assert_int_equal(g.status, TW_ENROLMENT_IN);
  enrol_guest_clear(&g);
  enrol_end();
}

static void memory_that_fails_enrols_whole_or_not_at_all(void **state) {
  (void)state;
  enrol_guest g;
  tw_buf mail = {0};
  enrol_begin(31, 1u << ANNA);
  enrol_invited(&g, "carla", "10.7.0.3/24", CARLA);
  assert_int_equal(tw_joiner_mail(&g.joiner, TW_ENROLMENT_JOIN, &mail), TW_OK);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&world.test, n);
    tw_enrol_mail(enrols[ANNA].enrol, &g.keys.guest, tw_buf_bytes(&mail), world.now_ms);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    const bool in = tw_enrol_look(enrols[ANNA].enrol, g.keys.id, NULL) == TW_ENROL_ENROLLED;
    assert_int_equal(version_at(ANNA) != 0, in);
    if (!failed) break;
  }
  enrol_restart(&enrols[ANNA]);
  enrol_ask(&g, TW_ENROLMENT_JOIN); /* makes its mailbox */
  enrol_calm();
  assert_true(enrol_reply(&g));
  assert_int_equal(g.status, TW_ENROLMENT_IN);
  tw_enrol *spare = enrols[ANNA].enrol;
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&world.test, n);
    const tw_err err = enrol_try_open(&enrols[ANNA]);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
    if (failed) continue;
    tw_enrol_free(enrols[ANNA].enrol);
    break;
  }
  enrols[ANNA].enrol = spare;
  tw_buf_clear(&mail);
  enrol_guest_clear(&g);
  enrol_end();
}

static void what_the_store_damaged_is_refused(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(32, 1u << ANNA);
  enrol_carla(&g);
  tw_enrol *kept = enrols[ANNA].enrol;
  for (size_t i = 0; i < VALUES_MAX; i++) {
    const kit_value *v = &enrols[ANNA].disk.store[i];
    if (!v->used) continue;
    for (size_t len = 0; len < v->bytes.len; len++) {
      bool ours;
      assert_int_equal(enrol_try_open(&enrols[ANNA]), TW_OK);
      const tw_err err = tw_enrol_load(enrols[ANNA].enrol, tw_buf_bytes(&v->id), TW_BYTES(v->bytes.ptr, len), &ours);
      assert_true(err != TW_OK || v->bytes.len == 1 || (v->id.ptr[0] == 'q' && len % TW_FINGERPRINT_SIZE == 0));
      tw_enrol_free(enrols[ANNA].enrol);
    }
  }
  enrols[ANNA].enrol = kept;
  enrol_guest_clear(&g);
  enrol_end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_is_invited_comes_in_and_all_learn_of_it),
      cmocka_unit_test(only_admins_invite_and_only_what_can_be_had),
      cmocka_unit_test(a_relay_that_refuses_ends_the_invitation_with_its_words),
      cmocka_unit_test(an_invitation_ends_by_time_or_when_it_is_withdrawn),
      cmocka_unit_test(a_second_key_with_the_same_token_is_refused_and_told),
      cmocka_unit_test(a_request_that_comes_again_changes_nothing),
      cmocka_unit_test(what_is_forged_bent_or_for_another_invitation_is_ignored),
      cmocka_unit_test(keys_that_are_nodes_already_are_refused),
      cmocka_unit_test(a_restart_of_the_admin_at_any_moment_loses_nothing),
      cmocka_unit_test(a_try_that_is_begun_anew_gets_an_answer_of_its_own),
      cmocka_unit_test(a_refusal_is_for_one_try),
      cmocka_unit_test(an_invitation_of_an_older_store_answers_the_next_request),
      cmocka_unit_test(a_disk_that_fails_enrols_nobody_and_the_next_try_does),
      cmocka_unit_test(memory_that_fails_enrols_whole_or_not_at_all),
      cmocka_unit_test(what_the_store_damaged_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
