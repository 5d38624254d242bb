/* Clients that let others in: who may, how many, until when, and what a guest may do. SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_kit.h"

enum { ADMIN = 0, OTHER = 1, JOINER = 2, GUEST = 3 };
#define NOW (RELAY_NOW / 1000)

static tw_control_request admit_of(unsigned client, uint64_t until, bool guest) {
  return RELAY_REQUEST(TW_CONTROL_ADMIT, .admit = {relay_id(client), until, guest});
}

static tw_control_request dismiss_of(unsigned client) {
  return RELAY_REQUEST(TW_CONTROL_DISMISS, .dismiss = relay_id(client));
}

static tw_control_status admit(relay_kit *k, unsigned by, unsigned client, uint64_t until, bool guest) {
  const tw_control_request request = admit_of(client, until, guest);
  return relay_do(k, by, &request)->status;
}

static tw_control_status dismiss(relay_kit *k, unsigned by, unsigned client) {
  const tw_control_request request = dismiss_of(client);
  return relay_do(k, by, &request)->status;
}

static bool is_in(relay_kit *k, unsigned client, uint32_t index, tw_relay_admission *admission) {
  const tw_fingerprint id = relay_id(client);
  bool found;
  assert_int_equal(tw_delivery_admitted(k->delivery, &id, k->now_ms, index, admission, &found), TW_OK);
  return found;
}

static void allow(relay_kit *k, uint32_t admissions) {
  k->limits.admissions = admissions;
  relay_reopen(k);
}

static void nobody_lets_others_in_unless_the_operator_allows_it(void **state) {
  relay_kit *k = *state;
  tw_relay_admission admission;
  assert_int_equal(admit(k, ADMIN, JOINER, 0, false), TW_CONTROL_FORBIDDEN);
  assert_int_equal(dismiss(k, ADMIN, JOINER), TW_CONTROL_FORBIDDEN);
  assert_false(is_in(k, JOINER, 0, &admission));
  allow(k, 1);
  assert_int_equal(admit(k, ADMIN, JOINER, 0, false), TW_CONTROL_DONE);
  assert_true(is_in(k, JOINER, 0, &admission));
}

static void who_was_let_in_lets_nobody_in(void **state) {
  relay_kit *k = *state;
  tw_relay_admission admission;
  allow(k, 8);
  k->peers[JOINER].standing = TW_DELIVERY_ADMITTED;
  k->peers[GUEST].standing = TW_DELIVERY_GUEST;
  assert_int_equal(admit(k, JOINER, OTHER, 0, false), TW_CONTROL_FORBIDDEN);
  assert_int_equal(admit(k, GUEST, OTHER, 0, false), TW_CONTROL_FORBIDDEN);
  assert_int_equal(admit(k, ADMIN, OTHER, 0, false), TW_CONTROL_DONE);
  assert_int_equal(dismiss(k, JOINER, OTHER), TW_CONTROL_FORBIDDEN);
  assert_true(is_in(k, OTHER, 0, &admission));
}

static void an_admission_lasts_until_its_time_and_over_a_restart(void **state) {
  relay_kit *k = *state;
  tw_relay_admission admission;
  allow(k, 8);
  assert_int_equal(admit(k, ADMIN, JOINER, 0, false), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, GUEST, NOW + 60, true), TW_CONTROL_DONE);
  relay_reopen(k);
  assert_true(is_in(k, JOINER, 0, &admission));
  assert_false(admission.guest);
  assert_int_equal(admission.until, 0);
  assert_true(is_in(k, GUEST, 0, &admission));
  assert_true(admission.guest);
  assert_int_equal(admission.until, NOW + 60);
  const tw_fingerprint admin = relay_id(ADMIN);
  assert_memory_equal(&admission.inviter, &admin, sizeof admin);
  k->now_ms += 60000;
  assert_false(is_in(k, GUEST, 0, &admission));
  assert_true(is_in(k, JOINER, 0, &admission));
  assert_int_equal(admit(k, ADMIN, GUEST, NOW + 60, true), TW_CONTROL_MALFORMED); /* over already */
  assert_int_equal(admit(k, ADMIN, GUEST, UINT64_MAX, true), TW_CONTROL_MALFORMED);
}

static void the_same_again_replaces_and_dismissal_ends(void **state) {
  relay_kit *k = *state;
  tw_relay_admission admission;
  allow(k, 1);
  assert_int_equal(admit(k, ADMIN, JOINER, NOW + 60, true), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, JOINER, 0, false), TW_CONTROL_DONE);
  assert_true(is_in(k, JOINER, 0, &admission));
  assert_false(admission.guest);
  assert_false(is_in(k, JOINER, 1, &admission));
  assert_int_equal(dismiss(k, OTHER, JOINER), TW_CONTROL_UNKNOWN); /* not its to dismiss */
  k->dismissed_count = 0;
  assert_int_equal(dismiss(k, ADMIN, JOINER), TW_CONTROL_DONE);
  const tw_fingerprint joiner = relay_id(JOINER);
  assert_int_equal(k->dismissed_count, 1);
  assert_memory_equal(&k->dismissed[0], &joiner, sizeof joiner);
  assert_false(is_in(k, JOINER, 0, &admission));
  assert_int_equal(dismiss(k, ADMIN, JOINER), TW_CONTROL_UNKNOWN);
  assert_int_equal(k->dismissed_count, 1);
}

static void two_inviters_do_not_undo_each_other(void **state) {
  relay_kit *k = *state;
  tw_relay_admission admission;
  allow(k, 1);
  assert_int_equal(admit(k, ADMIN, JOINER, 0, true), TW_CONTROL_DONE);
  assert_int_equal(admit(k, OTHER, JOINER, 0, false), TW_CONTROL_DONE);
  assert_true(is_in(k, JOINER, 0, &admission)); /* what lets it do more comes first */
  assert_false(admission.guest);
  assert_true(is_in(k, JOINER, 1, &admission));
  assert_true(admission.guest);
  assert_false(is_in(k, JOINER, 2, &admission));
  assert_int_equal(dismiss(k, OTHER, JOINER), TW_CONTROL_DONE);
  assert_true(is_in(k, JOINER, 0, &admission));
}

static void an_inviter_has_room_for_so_many_and_what_is_over_makes_room(void **state) {
  relay_kit *k = *state;
  allow(k, 2);
  assert_int_equal(admit(k, ADMIN, 4, NOW + 60, true), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, 5, 0, false), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, 6, 0, false), TW_CONTROL_FULL);
  assert_int_equal(admit(k, ADMIN, 5, NOW + 5, false), TW_CONTROL_DONE); /* is among them */
  assert_int_equal(admit(k, OTHER, 6, 0, false), TW_CONTROL_DONE);
  k->now_ms += 5000;
  assert_int_equal(admit(k, ADMIN, 6, 0, false), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, 7, 0, false), TW_CONTROL_FULL);
  assert_int_equal(dismiss(k, ADMIN, 6), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, 7, 0, false), TW_CONTROL_DONE);
}

static void what_is_over_is_swept(void **state) {
  relay_kit *k = *state;
  bool more = true;
  tw_relay_admission admission;
  allow(k, 8);
  assert_int_equal(admit(k, ADMIN, GUEST, NOW + 60, true), TW_CONTROL_DONE);
  assert_int_equal(admit(k, ADMIN, JOINER, 0, false), TW_CONTROL_DONE);
  k->now_ms += 60000;
  while (more) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  assert_int_equal(relay_flush(k), TW_OK);
  assert_int_equal(dismiss(k, ADMIN, GUEST), TW_CONTROL_UNKNOWN); /* nothing of it is left */
  assert_true(is_in(k, JOINER, 0, &admission));
}

static void a_guest_writes_to_its_inviter_reads_its_mail_and_does_nothing_else(void **state) {
  relay_kit *k = *state;
  assert_int_equal(relay_enter(k, ADMIN), TW_CONTROL_DONE);
  assert_int_equal(relay_enter(k, OTHER), TW_CONTROL_DONE);
  k->peers[GUEST].standing = TW_DELIVERY_GUEST;
  k->peers[GUEST].inviter = relay_id(ADMIN);
  assert_int_equal(relay_send(k, GUEST, ADMIN, "let me in"), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, GUEST, OTHER, "let me in"), TW_CONTROL_FORBIDDEN);
  assert_int_equal(relay_send(k, ADMIN, GUEST, "do"), TW_CONTROL_DONE);
  assert_int_equal(relay_fetch(k, GUEST, 0, 9)->status, TW_CONTROL_DONE);
  const tw_bytes name = TW_LITERAL("net");
  const tw_control_request refused[] = {
      RELAY_REQUEST(TW_CONTROL_BIND, .stock = TW_CONTROL_POOL_PAIR),
      RELAY_REQUEST(TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_PAIR),
      RELAY_REQUEST(TW_CONTROL_TAKE, .take = {relay_id(ADMIN), TW_CONTROL_POOL_PAIR}),
      RELAY_REQUEST(TW_CONTROL_PUBLISH, .publish = {.pool = TW_CONTROL_POOL_PAIR}),
      RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {name, true}),
      RELAY_REQUEST(TW_CONTROL_LOCATE, .locate = relay_ids(k, ADMIN, -1)),
      RELAY_REQUEST(TW_CONTROL_WANT_IN, .want_in = name),
      relay_open_of(k, "net", kit_text("id"), 1, relay_ids(k, GUEST, -1)),
      relay_commit_of(k, kit_text("id"), 1, "commit", relay_ids(k, GUEST, -1)),
      RELAY_REQUEST(TW_CONTROL_GROUP_SEND, .group_send = {kit_text("id"), kit_text("message")}),
      admit_of(JOINER, 0, false),
      dismiss_of(GUEST),
  };
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
    relay_expects(k, GUEST, &refused[i], TW_CONTROL_FORBIDDEN);
  k->peers[GUEST].standing = TW_DELIVERY_LISTED;
  assert_int_equal(relay_enter(k, GUEST), TW_CONTROL_DONE);
}

static void memory_that_fails_leaves_all_or_nothing(void **state) {
  relay_kit *k = *state;
  tw_relay_admission admission;
  allow(k, 8);
  bool is = false;
  for (size_t n = 1; !is; n++) {
    tw_test_fail_alloc(&k->at.test, n);
    const tw_control_request request = admit_of(JOINER, 0, false);
    if (tw_delivery_ask(k->delivery, &k->peers[ADMIN], 1, &request, k->now_ms) == TW_OK) {
      assert_int_equal(relay_flush(k), TW_OK);
      is = k->answers[0].answer.status == TW_CONTROL_DONE;
    }
    tw_test_fail_alloc(&k->at.test, 0);
    assert_int_equal(is_in(k, JOINER, 0, &admission), is);
  }
  for (size_t n = 1; is; n++) {
    k->dismissed_count = 0;
    tw_test_fail_alloc(&k->at.test, n);
    const tw_control_request request = dismiss_of(JOINER);
    if (tw_delivery_ask(k->delivery, &k->peers[ADMIN], 1, &request, k->now_ms) == TW_OK) {
      assert_int_equal(relay_flush(k), TW_OK);
      is = k->answers[0].answer.status != TW_CONTROL_DONE;
    }
    tw_test_fail_alloc(&k->at.test, 0);
    assert_int_equal(is_in(k, JOINER, 0, &admission), is);
    assert_int_equal(k->dismissed_count, is ? 0 : 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(nobody_lets_others_in_unless_the_operator_allows_it),
      RELAY_BOTH(who_was_let_in_lets_nobody_in),
      RELAY_BOTH(an_admission_lasts_until_its_time_and_over_a_restart),
      RELAY_BOTH(the_same_again_replaces_and_dismissal_ends),
      RELAY_BOTH(two_inviters_do_not_undo_each_other),
      RELAY_BOTH(an_inviter_has_room_for_so_many_and_what_is_over_makes_room),
      RELAY_BOTH(what_is_over_is_swept),
      RELAY_BOTH(a_guest_writes_to_its_inviter_reads_its_mail_and_does_nothing_else),
      RELAY_BOTH(memory_that_fails_leaves_all_or_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
