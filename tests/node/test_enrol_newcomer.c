/* Who has come in by an invitation takes no list from before that. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_kit.h"

/* Anna's own list, as it is kept. */
static void copy_list(tw_buf *list) {
  for (size_t i = 0; i < VALUES_MAX; i++) {
    const kit_value *v = &enrols[ANNA].disk.store[i];
    if (v->used && v->id.ptr[0] == 'e') assert_int_equal(tw_buf_assign(list, tw_buf_bytes(&v->bytes)), TW_OK);
  }
  assert_true(list->len > 0);
}

/* As `join` writes the file, and `up` reads it. */
static void begin_by_reply(uint32_t who, const enrol_guest *g) {
  static const tw_joiner_names names = {"test", "a.key", "a.ca.pem"};
  enrol_node *e = &enrols[who];
  tw_buf text = {0};
  tw_buf ca = {0};
  tw_report report = {""};
  tw_problems problems = {0};
  if (tw_joiner_config(&g->joiner, g->content, &names, &text, &ca, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(ca.len, 0);
  tw_enrol_free(e->enrol);
  assert_int_equal(tw_node_config_parse(&world.test.env, "test", "/etc/treewire/test.conf", tw_buf_bytes(&text),
                                        &e->config, &problems),
                   TW_OK);
  assert_int_equal(tw_node_config_settle(&e->config, &world.nodes[who].id, NULL, 0, &problems), TW_OK);
  enrol_open(e);
  tw_buf_clear(&text);
}

/* With other Admins, and more in [Network] behind them. */
static void begin_with(uint32_t who, const char *network) {
  tw_enrol_free(enrols[who].enrol);
  enrol_configure(&enrols[who], network, "");
  enrol_open(&enrols[who]);
}

static void give(uint32_t to, uint32_t of, uint64_t version, const char *name) {
  tw_buf list = {0};
  enrol_make_list(of, "test.example", version, name, &list);
  enrol_give(to, of, ANNA, tw_buf_bytes(&list));
  tw_buf_clear(&list);
}

static bool knows(uint32_t who, const char *name) {
  for (size_t i = 0; i < enrols[who].learned.count; i++)
    if (strcmp(enrols[who].learned.list[i].peer.name, name) == 0) return true;
  return false;
}

/* Carla is on anna's first list, which she keeps, and is removed; dora is enrolled then, and the relay brings her none
 * of anna's. Whoever may seal to dora's leaf: here berta does it, for carla. */
static void a_list_that_a_removed_node_has_kept_is_refused_by_who_is_enrolled_later(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  tw_buf kept = {0};
  enrol_begin(1, 1u << ANNA);
  enrol_carla(&carla);
  enrol_ask(&carla, TW_ENROLMENT_DONE);
  enrol_connect(CARLA);
  enrol_until(THREE, "carla is not in");
  copy_list(&kept);
  tw_enrol_removed(enrols[ANNA].enrol, &world.nodes[CARLA].id, world.now_ms);
  world.nodes[CARLA].online = false;
  enrol_until(TWO, "carla is still in");
  enrol_invited(&dora, "dora", "10.7.0.4/24", DORA);
  enrol_answered(&dora);
  enrol_ask(&dora, TW_ENROLMENT_DONE);
  begin_by_reply(DORA, &dora);
  enrol_live(1000);
  assert_true(has_learned(BERTA, DORA));
  const uint64_t version = version_at(ANNA);
  lists_are_lost = true;
  enrol_connect(DORA);
  enrol_until(TWO | 1u << DORA, "dora is not in");
  enrol_give(DORA, ANNA, BERTA, tw_buf_bytes(&kept));
  assert_false(has_learned(DORA, CARLA));
  enrol_restart(&enrols[DORA]);
  enrol_give(DORA, ANNA, BERTA, tw_buf_bytes(&kept));
  assert_false(has_learned(DORA, CARLA));
  copy_list(&kept); /* nor anything from that of the same version, which may be behind what another admin has done */
  enrol_give(DORA, ANNA, BERTA, tw_buf_bytes(&kept));
  assert_int_equal(enrols[DORA].learned.count, 0);
  assert_true(version_at(DORA) == version);
  give(DORA, ANNA, version + 1, "emma"); /* and then as everybody else */
  assert_true(knows(DORA, "emma"));
  enrol_restart(&enrols[DORA]);
  assert_true(knows(DORA, "emma") && version_at(DORA) == version + 1);
  tw_buf_clear(&kept);
  enrol_guest_clear(&dora);
  enrol_guest_clear(&carla);
  enrol_end();
}

static void the_file_says_of_each_admin_which_lists_do_not_count(void **state) {
  (void)state;
  char keys[2][TW_FINGERPRINT_TEXT];
  char network[1024];
  enrol_begin(2, 1u << ANNA | 1u << DORA);
  tw_fingerprint_format(&world.nodes[ANNA].id, keys[0]);
  tw_fingerprint_format(&world.nodes[DORA].id, keys[1]);
  (void)snprintf(network, sizeof network, "%s, %s\nListsAfter = %s 5\nListsAfter = %s 2", keys[0], keys[1], keys[0],
                 keys[0]); /* the greater one counts */
  begin_with(BERTA, network);
  assert_true(version_at(BERTA) == 5);
  give(BERTA, ANNA, 4, "emma");
  give(BERTA, ANNA, 5, "emma");
  assert_false(knows(BERTA, "emma"));
  give(BERTA, DORA, 1, "emma"); /* of whom nothing is said */
  assert_true(knows(BERTA, "emma"));
  give(BERTA, DORA, 2, NULL);
  give(BERTA, ANNA, 8, "frida");
  assert_true(knows(BERTA, "frida") && !knows(BERTA, "emma"));
  /* What is kept is newer: nothing becomes older by the file. */
  enrol_restart(&enrols[BERTA]);
  give(BERTA, ANNA, 6, "emma");
  assert_true(knows(BERTA, "frida") && version_at(BERTA) == 8);
  /* Enrolled anew, with what is kept from before. */
  (void)snprintf(network, sizeof network, "%s, %s\nListsAfter = %s 9", keys[0], keys[1], keys[0]);
  begin_with(BERTA, network);
  assert_int_equal(enrols[BERTA].learned.count, 0);
  assert_true(version_at(BERTA) == 9);
  give(BERTA, ANNA, 9, "frida");
  assert_int_equal(enrols[BERTA].learned.count, 0);
  give(BERTA, ANNA, 10, "frida");
  assert_true(knows(BERTA, "frida"));
  enrol_end();
}

static void the_file_says_nothing_of_ones_own_list(void **state) {
  (void)state;
  enrol_guest g;
  char key[TW_FINGERPRINT_TEXT];
  char network[512];
  enrol_begin(3, 1u << ANNA);
  enrol_carla(&g);
  const uint64_t version = version_at(ANNA);
  tw_fingerprint_format(&world.nodes[ANNA].id, key);
  (void)snprintf(network, sizeof network, "%s\nListsAfter = %s 18446744073709551615", key, key);
  begin_with(ANNA, network);
  assert_true(version_at(ANNA) == version && has_learned(ANNA, CARLA));
  enrol_guest_clear(&g);
  enrol_end();
}

/* The reply to carla, made once more: the version of an admin's list that it has. */
static uint64_t told_version(enrol_guest *g, uint32_t of) {
  tw_enrolment_settings settings;
  tw_enrolled_admin admin;
  enrol_answered(g);
  assert_int_equal(tw_enrolment_settings_decode(g->content, &settings), TW_OK);
  tw_reader walk = tw_reader_of(settings.admins);
  while (tw_enrolled_admin_next(&walk, &admin))
    if (memcmp(&admin.key, &world.nodes[of].id, sizeof admin.key) == 0) return admin.version;
  fail_msg("it is no admin");
  return 0;
}

/* Dora is an admin beside anna. */
static void settings_say_which_list_of_each_admin_they_are_of(void **state) {
  (void)state;
  enrol_guest g;
  enrol_guest berta;
  char keys[2][TW_FINGERPRINT_TEXT];
  char network[512];
  tw_problems told = {0};
  tw_node_peer emma = {.origin = TW_NODE_FROM_ENROLMENT, .key.given = true};
  memset(&emma.key.fingerprint, 0x77, sizeof emma.key.fingerprint);
  enrol_begin(4, 1u << ANNA | 1u << DORA);
  enrol_carla(&g);
  assert_true(told_version(&g, ANNA) == version_at(ANNA));
  assert_true(told_version(&g, DORA) == 0);
  give(ANNA, DORA, 7, "emma");
  /* She is no peer of the settings yet, and the joiner has to learn of her by that very list. */
  assert_true(told_version(&g, DORA) == 6);
  assert_int_equal(tw_node_config_append_peer(&enrols[ANNA].config, &world.nodes[ANNA].id, &emma, &told), TW_OK);
  assert_true(told_version(&g, DORA) == 7);
  give(ANNA, DORA, 8, NULL);
  assert_true(told_version(&g, DORA) == 8);
  enrol_restart(&enrols[ANNA]);
  assert_true(told_version(&g, DORA) == 8);
  /* Of whom she herself takes newer lists alone, she has none, and tells that. */
  tw_fingerprint_format(&world.nodes[ANNA].id, keys[0]);
  tw_fingerprint_format(&world.nodes[DORA].id, keys[1]);
  (void)snprintf(network, sizeof network, "%s, %s\nListsAfter = %s 9", keys[0], keys[1], keys[1]);
  begin_with(ANNA, network);
  tw_enrol_connected(enrols[ANNA].enrol, world.now_ms);
  assert_true(told_version(&g, DORA) == 9);
  /* The same key gets what is true then. */
  const uint64_t before = told_version(&g, ANNA);
  enrol_invited(&berta, "emma", "10.7.0.5/24", DORA);
  enrol_answered(&berta);
  assert_true(version_at(ANNA) > before);
  assert_true(told_version(&g, ANNA) == version_at(ANNA) - 1);
  enrol_guest_clear(&berta);
  enrol_guest_clear(&g);
  enrol_end();
}

static void memory_that_fails_sends_no_reply_or_the_whole_one(void **state) {
  (void)state;
  enrol_guest g;
  tw_buf mail = {0};
  size_t n = 0;
  enrol_begin(5, 1u << ANNA);
  enrol_carla(&g);
  assert_int_equal(tw_joiner_mail(&g.joiner, TW_ENROLMENT_JOIN, &mail), TW_OK);
  for (bool failed = true; failed;) {
    tw_test_fail_alloc(&world.test, ++n);
    tw_enrol_mail(enrols[ANNA].enrol, &g.keys.guest, tw_buf_bytes(&mail), world.now_ms);
    failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    enrol_calm();
    if (!enrol_reply(&g)) assert_true(failed);
    assert_int_equal(g.status, TW_ENROLMENT_IN);
    if (failed) enrol_answered(&g);
  }
  assert_true(n > 10);
  begin_by_reply(CARLA, &g);
  assert_true(version_at(CARLA) == version_at(ANNA));
  tw_buf_clear(&mail);
  enrol_guest_clear(&g);
  enrol_end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_that_a_removed_node_has_kept_is_refused_by_who_is_enrolled_later),
      cmocka_unit_test(the_file_says_of_each_admin_which_lists_do_not_count),
      cmocka_unit_test(the_file_says_nothing_of_ones_own_list),
      cmocka_unit_test(settings_say_which_list_of_each_admin_they_are_of),
      cmocka_unit_test(memory_that_fails_sends_no_reply_or_the_whole_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
