/* What is told again: lists that change while they are sent, a relay that has lost its state, requests that had to wait. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_kit.h"

static bool is_in(uint32_t who) {
  bool guest;
  return relay_lets_in(&world.nodes[who].id, &guest) && !guest;
}

static bool is_marked(uint32_t who) {
  for (size_t i = 0; i < VALUES_MAX; i++) {
    const kit_value *v = &enrols[who].disk.store[i];
    if (v->used && v->id.len == 1 && v->id.ptr[0] == 'r') return true;
  }
  return false;
}

static void enrol_wholly(enrol_guest *g, const char *name, const char *address, uint32_t who) {
  enrol_invited(g, name, address, who);
  enrol_answered(g);
  enrol_ask(g, TW_ENROLMENT_DONE);
  enrol_calm();
}

/* ---- lists ---- */

/* Anna gets both letters before the relay has answered that it has the first list. */
static void two_ask_at_once(enrol_guest *carla, enrol_guest *dora) {
  enrol_invited(carla, "carla", "10.7.0.3/24", CARLA);
  enrol_invited(dora, "dora", "10.7.0.4/24", DORA);
  enrol_ask(carla, TW_ENROLMENT_JOIN);
  enrol_ask(dora, TW_ENROLMENT_JOIN);
  calm();
}

static void a_list_that_changes_while_it_is_sent_is_sent_once_more(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  enrol_begin(1, 1u << ANNA);
  two_ask_at_once(&carla, &dora);
  enrol_calm();
  assert_true(has_learned(BERTA, CARLA) && has_learned(BERTA, DORA));
  assert_int_equal(version_at(BERTA), version_at(ANNA));
  enrol_guest_clear(&carla);
  enrol_guest_clear(&dora);
  enrol_end();
}

static void who_is_removed_while_a_list_is_sent_goes_from_all(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  enrol_begin(2, 1u << ANNA);
  enrol_wholly(&carla, "carla", "10.7.0.3/24", CARLA);
  enrol_invited(&dora, "dora", "10.7.0.4/24", DORA);
  enrol_ask(&dora, TW_ENROLMENT_JOIN);
  calm();
  tw_enrol_removed(enrols[ANNA].enrol, &world.nodes[CARLA].id, world.now_ms);
  enrol_calm();
  assert_false(has_learned(BERTA, CARLA));
  assert_true(has_learned(BERTA, DORA));
  assert_int_equal(version_at(BERTA), version_at(ANNA));
  assert_false(is_in(CARLA));
  enrol_guest_clear(&carla);
  enrol_guest_clear(&dora);
  enrol_end();
}

/* Killed before the relay has answered: the queue is in the store. */
static void a_list_that_changed_while_one_was_sent_is_sent_after_a_kill(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  enrol_begin(3, 1u << ANNA);
  two_ask_at_once(&carla, &dora);
  (void)enrol_serve(&enrols[ANNA]);
  enrol_restart(&enrols[ANNA]);
  enrol_calm();
  assert_int_equal(version_at(BERTA), version_at(ANNA));
  enrol_guest_clear(&carla);
  enrol_guest_clear(&dora);
  enrol_end();
}

/* ---- a relay that has lost its state ---- */

/* Carla and dora are on anna's list, and the relay does not know it. */
static void begin_forgotten(uint64_t seed, enrol_guest *carla, enrol_guest *dora) {
  enrol_begin(seed, 1u << ANNA);
  enrol_wholly(carla, "carla", "10.7.0.3/24", CARLA);
  enrol_wholly(dora, "dora", "10.7.0.4/24", DORA);
  for (uint32_t who = CARLA; who <= DORA; who++) {
    const tw_control_request forget = {.type = TW_CONTROL_DISMISS, .number = 1, .body.dismiss = world.nodes[who].id};
    tw_control_answer answer;
    kit_serve_request(&world.nodes[ANNA], &forget, &answer);
    assert_false(is_in(who));
  }
}

static void end_forgotten(enrol_guest *carla, enrol_guest *dora) {
  enrol_guest_clear(carla);
  enrol_guest_clear(dora);
  enrol_end();
}

static void who_is_let_in_again_is_so_wherever_the_admin_is_killed(void **state) {
  (void)state;
  for (unsigned served = 0; served < 5; served++) {
    enrol_guest carla;
    enrol_guest dora;
    begin_forgotten(4, &carla, &dora);
    tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms);
    assert_true(is_marked(ANNA));
    for (unsigned i = 0; i < served; i++) (void)enrol_serve(&enrols[ANNA]);
    enrol_restart(&enrols[ANNA]); /* or made anew, since it has learned of somebody */
    enrol_calm();
    assert_true(is_in(CARLA) && is_in(DORA));
    assert_false(is_marked(ANNA));
    end_forgotten(&carla, &dora);
  }
}

/* Whatever is open then: another request, or the first one of these. */
static void who_is_let_in_again_is_so_though_the_list_changes_meanwhile(void **state) {
  (void)state;
  for (int other = 0; other < 2; other++) {
    enrol_guest carla;
    enrol_guest dora;
    enrol_guest emma;
    tw_buf token = {0};
    uint8_t id[TW_INVITATION_ID];
    begin_forgotten(5, &carla, &dora);
    enrol_invited(&emma, "emma", "10.7.0.5/24", NODES - 1);
    enrol_ask(&emma, TW_ENROLMENT_JOIN);
    if (other) assert_int_equal(enrol_try_invite(ANNA, "frida", "10.7.0.6/24", &token, id, NULL), TW_OK);
    tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms);
    assert_int_equal(enrols[ANNA].request_count, 1);
    calm();
    assert_true(is_marked(ANNA));
    enrol_calm();
    assert_true(is_in(CARLA) && is_in(DORA) && is_in(NODES - 1));
    assert_false(is_marked(ANNA));
    tw_buf_clear(&token);
    enrol_guest_clear(&emma);
    end_forgotten(&carla, &dora);
  }
}

/* Told of it again after the first of two was let in: from the begin, though an answer is on its way. */
static void a_relay_that_loses_its_state_again_is_told_of_all_again(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  begin_forgotten(6, &carla, &dora);
  tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms);
  assert_int_equal(enrols[ANNA].request_count, 1);
  (void)enrol_serve(&enrols[ANNA]);
  const uint32_t first = is_in(CARLA) ? CARLA : DORA;
  assert_true(is_in(first) && is_in(first == CARLA ? DORA : CARLA) == false);
  const tw_control_request forget = {.type = TW_CONTROL_DISMISS, .number = 1, .body.dismiss = world.nodes[first].id};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[ANNA], &forget, &answer);
  tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms); /* the second one is being told */
  enrol_calm();
  assert_true(is_in(CARLA) && is_in(DORA));
  end_forgotten(&carla, &dora);
}

static void who_has_let_nobody_in_has_nothing_to_say(void **state) {
  (void)state;
  enrol_begin(7, 1u << ANNA);
  tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms);
  tw_enrol_relay_lost(enrols[BERTA].enrol, world.now_ms);
  assert_int_equal(enrols[ANNA].request_count + enrols[BERTA].request_count, 0);
  assert_false(is_marked(ANNA) || is_marked(BERTA));
  enrol_end();
}

static void a_disk_that_fails_does_not_keep_them_out(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_guest dora;
  begin_forgotten(8, &carla, &dora);
  enrols[ANNA].disk.disk_fails = true;
  tw_enrol_relay_lost(enrols[ANNA].enrol, world.now_ms);
  enrol_calm();
  assert_true(is_in(CARLA) && is_in(DORA));
  enrols[ANNA].disk.disk_fails = false;
  end_forgotten(&carla, &dora);
}

/* ---- requests that had to wait ---- */

static void what_cannot_be_asked_now_is_asked_later_and_in_order(void **state) {
  (void)state;
  enrol_guest carla;
  enrol_begin(9, 1u << ANNA);
  enrol_invited(&carla, "carla", "10.7.0.3/24", CARLA);
  enrol_ask(&carla, TW_ENROLMENT_JOIN);
  enrols[ANNA].is_full = true;
  calm();
  assert_int_equal(enrols[ANNA].request_count, 0);
  assert_true(tw_enrol_deadline(enrols[ANNA].enrol) <= world.now_ms + 10000);
  enrol_live(9000);
  enrols[ANNA].is_full = false;
  assert_false(has_learned(BERTA, CARLA) || is_in(CARLA));
  enrol_live(2000);
  assert_true(has_learned(BERTA, CARLA) && is_in(CARLA));
  enrol_guest_clear(&carla);
  enrol_end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_that_changes_while_it_is_sent_is_sent_once_more),
      cmocka_unit_test(who_is_removed_while_a_list_is_sent_goes_from_all),
      cmocka_unit_test(a_list_that_changed_while_one_was_sent_is_sent_after_a_kill),
      cmocka_unit_test(who_is_let_in_again_is_so_wherever_the_admin_is_killed),
      cmocka_unit_test(who_is_let_in_again_is_so_though_the_list_changes_meanwhile),
      cmocka_unit_test(a_relay_that_loses_its_state_again_is_told_of_all_again),
      cmocka_unit_test(who_has_let_nobody_in_has_nothing_to_say),
      cmocka_unit_test(a_disk_that_fails_does_not_keep_them_out),
      cmocka_unit_test(what_cannot_be_asked_now_is_asked_later_and_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
