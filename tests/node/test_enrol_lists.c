/* Lists of enrolled nodes: whose are believed, which is newer, and how all come to have them. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_kit.h"

/* What anna's reply says is not needed. */
static void enrol_carla_wholly(enrol_guest *g) {
  enrol_carla(g);
  enrol_ask(g, TW_ENROLMENT_DONE);
  enrol_calm();
}

/* A list of `name`, signed by one, given to another as mail in the name of `as`. */
static void give_list(uint32_t to, uint32_t as, uint32_t by, const char *group, uint64_t version, const char *name) {
  tw_buf list = {0};
  enrol_make_list(by, group, version, name, &list);
  enrol_give(to, as, ANNA, tw_buf_bytes(&list));
  tw_buf_clear(&list);
}

static bool berta_knows(const char *name) {
  for (size_t i = 0; i < enrols[BERTA].learned.count; i++)
    if (strcmp(enrols[BERTA].learned.list[i].peer.name, name) == 0) return true;
  return false;
}

static void a_newer_list_of_an_admin_takes_the_older_ones_place(void **state) {
  (void)state;
  enrol_begin(1, 1u << ANNA);
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "emma");
  assert_true(berta_knows("emma"));
  give_list(BERTA, ANNA, ANNA, "test.example", 4, "frida");
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "frida"); /* two of the same version: the first stands */
  give_list(BERTA, ANNA, ANNA, "test.example", 0, NULL);
  assert_true(berta_knows("emma") && !berta_knows("frida"));
  give_list(BERTA, ANNA, ANNA, "test.example", 6, "frida");
  assert_true(!berta_knows("emma") && berta_knows("frida"));
  enrol_restart(&enrols[BERTA]);
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "emma"); /* nor after a restart */
  assert_true(!berta_knows("emma") && berta_knows("frida"));
  give_list(BERTA, ANNA, ANNA, "test.example", UINT64_MAX, NULL);
  assert_int_equal(enrols[BERTA].learned.count, 0);
  enrol_end();
}

static void nobody_but_an_admin_is_believed(void **state) {
  (void)state;
  enrol_begin(2, 1u << ANNA);
  give_list(BERTA, ANNA, DORA, "test.example", 5, "emma"); /* as if it were anna's */
  give_list(BERTA, DORA, DORA, "test.example", 5, "emma");
  give_list(BERTA, ANNA, BERTA, "test.example", 5, "emma"); /* one's own, given back */
  give_list(BERTA, ANNA, ANNA, "other.example", 5, "emma"); /* of another network */
  assert_false(berta_knows("emma"));
  assert_int_equal(version_at(BERTA), 0);
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "emma");
  assert_true(berta_knows("emma"));
  enrol_end();
  enrol_begin(2, 0); /* without Admins nobody is */
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "emma");
  assert_false(berta_knows("emma"));
  enrol_end();
}

static void an_admin_that_is_none_any_more_is_not_believed_after_the_change(void **state) {
  (void)state;
  char key[TW_FINGERPRINT_TEXT];
  enrol_begin(3, 1u << ANNA);
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "emma");
  assert_true(berta_knows("emma"));
  tw_fingerprint_format(&world.nodes[BERTA].id, key);
  tw_enrol_free(enrols[BERTA].enrol);
  enrol_configure(&enrols[BERTA], key, "");
  enrol_open(&enrols[BERTA]);
  assert_false(berta_knows("emma"));
  enrol_end();
}

/* What the relay has bent or made up is told of, and is nothing. */
static void a_bent_list_is_of_no_use(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(4, 1u << ANNA);
  lists_are_lost = true;
  enrol_carla_wholly(&g);
  assert_true(lost_list.len > 0);
  for (size_t i = 0; i < lost_list.len; i++) {
    lost_list.ptr[i] ^= 0x20;
    tw_enrol_mail(enrols[BERTA].enrol, &world.nodes[ANNA].id, tw_buf_bytes(&lost_list), world.now_ms);
    lost_list.ptr[i] ^= 0x20;
    tw_enrol_mail(enrols[BERTA].enrol, &world.nodes[ANNA].id, TW_BYTES(lost_list.ptr, i), world.now_ms);
  }
  assert_false(has_learned(BERTA, CARLA));
  tw_enrol_mail(enrols[BERTA].enrol, &world.nodes[DORA].id, tw_buf_bytes(&lost_list), world.now_ms);
  assert_true(has_learned(BERTA, CARLA)); /* whoever brings it: it is anna's */
  enrol_guest_clear(&g);
  enrol_end();
}

static void only_members_get_a_list_and_only_a_newer_one(void **state) {
  (void)state;
  enrol_guest g;
  uint8_t version[8] = {0};
  tw_buf encoded = {0};
  enrol_begin(5, 1u << ANNA);
  enrol_carla_wholly(&g);
  tw_mail mail = {.kind = TW_MAIL_LIST_WANTED, .body = TW_ARRAY(version)};
  memcpy(mail.ref, world.nodes[ANNA].id.digest, sizeof mail.ref);
  assert_int_equal(tw_mail_encode(&mail, &encoded), TW_OK);
  tw_enrol_mail(enrols[ANNA].enrol, &world.nodes[DORA].id, tw_buf_bytes(&encoded), world.now_ms);
  assert_int_equal(enrols[ANNA].request_count, 0);
  tw_enrol_mail(enrols[ANNA].enrol, &world.nodes[BERTA].id, tw_buf_bytes(&encoded), world.now_ms);
  assert_int_equal(enrols[ANNA].request_count, 1);
  enrol_calm();
  tw_put_u64(version, version_at(ANNA));
  encoded.len = 0;
  assert_int_equal(tw_mail_encode(&mail, &encoded), TW_OK);
  tw_enrol_mail(enrols[ANNA].enrol, &world.nodes[BERTA].id, tw_buf_bytes(&encoded), world.now_ms);
  assert_int_equal(enrols[ANNA].request_count, 0);
  tw_buf_clear(&encoded);
  enrol_guest_clear(&g);
  enrol_end();
}

/* The one that missed the list refuses the commit that adds whom it does not know. */
static void a_member_that_missed_the_list_and_is_stuck_for_it_asks_and_goes_on(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(6, 1u << ANNA);
  lists_are_lost = true;
  enrol_carla_wholly(&g);
  assert_false(has_learned(BERTA, CARLA));
  enrol_connect(CARLA);
  for (int i = 0; i < 600 && status_of(BERTA).state != TW_NETWORK_STUCK; i++) enrol_live(1000);
  assert_int_equal(status_of(BERTA).state, TW_NETWORK_STUCK);
  lists_are_lost = false;
  enrol_until(THREE, "berta does not follow");
  assert_true(has_learned(BERTA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

/* Dora is in the file of all, and carla, whom anna has enrolled, is in nobody's. */
static void begin_with_dora_added(enrol_guest *g) {
  enrol_begin(13, 1u << ANNA);
  enrol_carla_wholly(g);
  enrol_connect(CARLA);
  enrol_until(THREE, "carla is not in");
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].wanted |= 1u << DORA;
  world.nodes[DORA].wanted = TWO;
  for (uint32_t i = 0; i < 3; i++) tw_network_roster_changed(world.nodes[i].network, world.now_ms);
}

static void who_comes_in_by_the_file_after_somebody_enrolled_learns_of_him_first(void **state) {
  (void)state;
  enrol_guest g;
  begin_with_dora_added(&g);
  enrol_connect(DORA);
  for (int i = 0; i < 60 && status_of(ANNA).members < 4; i++) enrol_live(1000);
  assert_int_equal(status_of(ANNA).members, 4);
  const uint64_t epoch = status_of(ANNA).epoch;
  enrol_live(4000);
  assert_true(has_learned(DORA, CARLA));
  assert_true(agree(THREE | 1u << DORA));
  assert_int_equal(status_of(DORA).epoch, epoch); /* by the Welcome that it had, and not by putting itself back */
  enrol_guest_clear(&g);
  enrol_end();
}

static void who_gets_no_list_stays_out_and_does_not_ask_for_it_all_the_time(void **state) {
  (void)state;
  enrol_guest g;
  begin_with_dora_added(&g);
  lists_are_lost = true;
  enrol_connect(DORA);
  for (int i = 0; i < 60 && status_of(ANNA).members < 4; i++) enrol_live(1000);
  enrol_live(120000);
  assert_false(has_learned(DORA, CARLA));
  assert_int_not_equal(status_of(DORA).state, TW_NETWORK_MEMBER);
  assert_false(agree(THREE | 1u << DORA));
  lists_are_lost = false;
  enrol_until(THREE | 1u << DORA, "dora does not come in with the list");
  enrol_guest_clear(&g);
  enrol_end();
}

/* One that it cannot open is asked for once more, and then it is left to the clock. */
static void a_list_that_does_not_open_is_asked_for_once_more(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(14, 1u << ANNA);
  lists_are_lost = true;
  enrol_carla_wholly(&g);
  tw_buf bent = {0};
  assert_int_equal(tw_buf_assign(&bent, tw_buf_bytes(&lost_list)), TW_OK);
  bent.ptr[bent.len - 1] ^= 1; /* its tag */
  size_t asked = 0;
  for (int i = 0; i < 10; i++) {
    tw_enrol_mail(enrols[BERTA].enrol, &world.nodes[ANNA].id, tw_buf_bytes(&bent), world.now_ms);
    tw_enrol_tick(enrols[BERTA].enrol, world.now_ms);
    asked += enrols[BERTA].request_count;
    enrol_calm();
  }
  assert_int_equal(asked, 1);
  tw_enrol_mail(enrols[BERTA].enrol, &world.nodes[ANNA].id, tw_buf_bytes(&lost_list), world.now_ms);
  assert_true(has_learned(BERTA, CARLA));
  tw_buf_clear(&bent);
  enrol_guest_clear(&g);
  enrol_end();
}

static void who_may_have_missed_a_list_asks_when_it_starts(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(7, 1u << ANNA);
  lists_are_lost = true; /* and so is what waits for it at the relay */
  enrol_carla_wholly(&g);
  lists_are_lost = false;
  assert_false(has_learned(BERTA, CARLA));
  tw_enrol_connected(enrols[BERTA].enrol, world.now_ms); /* not with each connection */
  enrol_calm();
  assert_false(has_learned(BERTA, CARLA));
  enrol_restart(&enrols[BERTA]);
  enrol_calm();
  assert_true(has_learned(BERTA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

static void who_is_removed_goes_from_all_and_from_the_relay_and_stays_out(void **state) {
  (void)state;
  enrol_guest g;
  bool guest;
  enrol_begin(8, 1u << ANNA);
  enrol_carla_wholly(&g);
  enrol_connect(CARLA);
  enrol_until(THREE, "carla is not in");
  const uint64_t version = version_at(ANNA);
  tw_enrol_removed(enrols[ANNA].enrol, &world.nodes[BERTA].id, world.now_ms); /* in the file, not on the list */
  assert_int_equal(version_at(ANNA), version);
  tw_enrol_removed(enrols[ANNA].enrol, &world.nodes[CARLA].id, world.now_ms);
  enrol_restart(&enrols[ANNA]); /* before anybody knows */
  world.nodes[CARLA].online = false;
  enrol_until(TWO, "carla is still in");
  assert_true(version_at(ANNA) > version);
  assert_false(has_learned(ANNA, CARLA));
  assert_false(has_learned(BERTA, CARLA));
  assert_false(relay_lets_in(&world.nodes[CARLA].id, &guest));
  enrol_restart(&enrols[ANNA]);
  enrol_restart(&enrols[BERTA]);
  enrol_calm();
  assert_false(has_learned(ANNA, CARLA));
  assert_false(has_learned(BERTA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

static void the_file_has_the_last_word(void **state) {
  (void)state;
  char more[256];
  char key[TW_FINGERPRINT_TEXT];
  char admin[TW_FINGERPRINT_TEXT];
  enrol_guest g;
  enrol_begin(9, 1u << ANNA);
  tw_fingerprint_format(&world.nodes[CARLA].id, key);
  tw_fingerprint_format(&world.nodes[ANNA].id, admin);
  (void)snprintf(more, sizeof more, "[Peer]\nName = another\nPublicKey = %s\nAllowedIPs = 10.7.0.33/32\n", key);
  tw_enrol_free(enrols[BERTA].enrol);
  enrol_configure(&enrols[BERTA], admin, more);
  enrol_open(&enrols[BERTA]);
  tw_enrol_connected(enrols[BERTA].enrol, world.now_ms);
  enrol_carla_wholly(&g);
  assert_true(version_at(BERTA) != 0);
  assert_false(has_learned(BERTA, CARLA));
  assert_true(has_learned(ANNA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

static void a_relay_that_lost_its_state_is_told_again_whom_to_let_in(void **state) {
  (void)state;
  enrol_guest g;
  bool guest;
  enrol_begin(10, 1u << ANNA);
  enrol_carla_wholly(&g);
  const tw_control_request forget = {.type = TW_CONTROL_DISMISS, .number = 1, .body.dismiss = world.nodes[CARLA].id};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[ANNA], &forget, &answer);
  assert_false(relay_lets_in(&world.nodes[CARLA].id, &guest));
  tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms);
  enrol_calm();
  assert_true(relay_lets_in(&world.nodes[CARLA].id, &guest) && !guest);
  enrol_guest_clear(&g);
  enrol_end();
}

static void a_second_admin_has_a_list_of_its_own(void **state) {
  (void)state;
  enrol_guest g;
  enrol_begin(11, TWO);
  enrol_carla_wholly(&g);
  give_list(ANNA, BERTA, BERTA, "test.example", 5, "emma");
  assert_int_equal(enrols[ANNA].learned.count, 2);
  assert_true(has_learned(ANNA, CARLA) && has_learned(BERTA, CARLA));
  give_list(ANNA, BERTA, BERTA, "test.example", 6, NULL);
  assert_int_equal(enrols[ANNA].learned.count, 1);
  give_list(ANNA, ANNA, ANNA, "test.example", UINT64_MAX, NULL); /* our own comes from nobody else */
  assert_true(has_learned(ANNA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

static void memory_and_disks_that_fail_leave_the_list_of_before(void **state) {
  (void)state;
  enrol_begin(12, 1u << ANNA);
  give_list(BERTA, ANNA, ANNA, "test.example", 5, "emma");
  enrols[BERTA].disk.disk_fails = true;
  give_list(BERTA, ANNA, ANNA, "test.example", 6, "frida");
  assert_int_equal(version_at(BERTA), 5);
  assert_true(berta_knows("emma"));
  enrols[BERTA].disk.disk_fails = false;
  enrol_guest g;
  lists_are_lost = true;
  enrol_carla_wholly(&g);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&world.test, n);
    tw_enrol_mail(enrols[BERTA].enrol, &world.nodes[ANNA].id, tw_buf_bytes(&lost_list), world.now_ms);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    assert_int_equal(has_learned(BERTA, CARLA), version_at(BERTA) != 5);
    if (!failed) break;
  }
  assert_true(has_learned(BERTA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_newer_list_of_an_admin_takes_the_older_ones_place),
      cmocka_unit_test(nobody_but_an_admin_is_believed),
      cmocka_unit_test(an_admin_that_is_none_any_more_is_not_believed_after_the_change),
      cmocka_unit_test(a_bent_list_is_of_no_use),
      cmocka_unit_test(only_members_get_a_list_and_only_a_newer_one),
      cmocka_unit_test(a_member_that_missed_the_list_and_is_stuck_for_it_asks_and_goes_on),
      cmocka_unit_test(who_comes_in_by_the_file_after_somebody_enrolled_learns_of_him_first),
      cmocka_unit_test(who_gets_no_list_stays_out_and_does_not_ask_for_it_all_the_time),
      cmocka_unit_test(a_list_that_does_not_open_is_asked_for_once_more),
      cmocka_unit_test(who_may_have_missed_a_list_asks_when_it_starts),
      cmocka_unit_test(who_is_removed_goes_from_all_and_from_the_relay_and_stays_out),
      cmocka_unit_test(the_file_has_the_last_word),
      cmocka_unit_test(a_relay_that_lost_its_state_is_told_again_whom_to_let_in),
      cmocka_unit_test(a_second_admin_has_a_list_of_its_own),
      cmocka_unit_test(memory_and_disks_that_fail_leave_the_list_of_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
