/* How much work a client may ask for. SPDX-License-Identifier: Apache-2.0 */
#include "relay_kit.h"

enum { LOCATED = 1024 };

static void expect_requests(relay_kit *k, unsigned peer, unsigned count) {
  for (unsigned i = 0; i < count; i++) assert_int_equal(relay_enter(k, peer), TW_CONTROL_DONE);
}

static void use_default_rates(relay_kit *k) {
  k->limits.requests_per_second = tw_delivery_limits_default.requests_per_second;
  k->limits.requests_at_once = tw_delivery_limits_default.requests_at_once;
  relay_reopen(k);
}

static tw_control_request locate_of_many(uint8_t ids[LOCATED * TW_FINGERPRINT_SIZE]) {
  for (unsigned i = 0; i < LOCATED; i++) {
    const tw_fingerprint id = relay_id(i + 1);
    memcpy(ids + (size_t)i * sizeof id.digest, id.digest, sizeof id.digest);
  }
  return RELAY_REQUEST(TW_CONTROL_LOCATE, .locate = TW_BYTES(ids, (size_t)LOCATED * TW_FINGERPRINT_SIZE));
}

/* A node asks for all its peers when it has come, among much else, and gets them; more often is more work. */
static void whoever_locates_many_pays_for_them(void **state) {
  relay_kit *k = *state;
  static uint8_t ids[LOCATED * TW_FINGERPRINT_SIZE];
  enum { UNITS = LOCATED / TW_DELIVERY_LOCATES_UNIT };
  use_default_rates(k);
  const tw_control_request many = locate_of_many(ids);
  const unsigned all = k->limits.requests_at_once;
  expect_requests(k, 0, 100);
  relay_expects(k, 0, &many, TW_CONTROL_DONE);
  assert_int_equal(k->locates, 1); /* for all of them */
  expect_requests(k, 0, all - 100 - UNITS);
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_BUSY);
  relay_expects(k, 0, &many, TW_CONTROL_BUSY);
  expect_requests(k, 1, 1);
  assert_int_equal(k->locates, 1);
}

static void what_is_overdrawn_is_paid_for_then(void **state) {
  relay_kit *k = *state;
  static uint8_t ids[LOCATED * TW_FINGERPRINT_SIZE];
  enum { UNITS = LOCATED / TW_DELIVERY_LOCATES_UNIT };
  use_default_rates(k);
  const tw_control_request many = locate_of_many(ids);
  const unsigned each_ms = 1000 / k->limits.requests_per_second;
  expect_requests(k, 0, k->limits.requests_at_once - 1);
  relay_expects(k, 0, &many, TW_CONTROL_DONE);
  k->now_ms += (UNITS - 1) * each_ms;
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_BUSY);
  k->now_ms += each_ms;
  expect_requests(k, 0, 1);
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_BUSY);
}

/* Also where one costs more than there ever is. */
static void nothing_costs_more_than_there_is(void **state) {
  relay_kit *k = *state;
  static uint8_t ids[LOCATED * TW_FINGERPRINT_SIZE];
  k->limits.requests_per_second = 10;
  k->limits.requests_at_once = 5;
  relay_reopen(k);
  const tw_control_request many = locate_of_many(ids);
  for (unsigned i = 0; i < 3; i++) {
    relay_expects(k, 0, &many, TW_CONTROL_DONE);
    relay_expects(k, 0, &many, TW_CONTROL_BUSY);
    k->now_ms += 500;
    expect_requests(k, 0, 5);
    k->now_ms += 500;
  }
}

enum { MEMBERS = 10000 };

/* Of whom the relay knows none but the first one. */
static tw_bytes many_members(uint8_t ids[MEMBERS * TW_FINGERPRINT_SIZE]) {
  for (unsigned i = 0; i < MEMBERS; i++) {
    tw_fingerprint id = relay_id(i);
    id.digest[30] = (uint8_t)(i >> 8);
    if (i == 0) id = relay_id(0);
    memcpy(ids + (size_t)i * sizeof id.digest, id.digest, sizeof id.digest);
  }
  return TW_BYTES(ids, (size_t)MEMBERS * TW_FINGERPRINT_SIZE);
}

/* How many more are done at this moment. */
static unsigned requests_left(relay_kit *k) {
  unsigned count = 0;
  while (relay_enter(k, 0) == TW_CONTROL_DONE) count++;
  k->now_ms += 60000;
  return count;
}

static void what_goes_to_many_costs_more(void **state) {
  relay_kit *k = *state;
  static uint8_t ids[MEMBERS * TW_FINGERPRINT_SIZE];
  const tw_bytes group_id = TW_LITERAL("group id");
  const tw_bytes members = many_members(ids);
  enum { UNITS = (MEMBERS + TW_DELIVERY_RECEIVERS_UNIT - 1) / TW_DELIVERY_RECEIVERS_UNIT };
  use_default_rates(k);
  const unsigned all = k->limits.requests_at_once;
  const tw_control_request open = relay_open_of(k, "net", group_id, 7, members);
  relay_expects(k, 0, &open, TW_CONTROL_DONE);
  assert_int_equal(requests_left(k), all - UNITS);
  tw_control_request request = RELAY_REQUEST(
      TW_CONTROL_GROUP_SEND, .group_send = {group_id, relay_private(k, group_id, 7, TW_CONTENT_APPLICATION, "m")});
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_int_equal(requests_left(k), all - UNITS);
  request = RELAY_REQUEST(TW_CONTROL_WANT_IN, .want_in = TW_LITERAL("net"));
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_int_equal(requests_left(k), all - UNITS);
  /* Whoever adds many takes that many key packages before, and its commit is done all the same. */
  for (unsigned i = 0; i < 128; i++) assert_int_equal(relay_enter(k, 0), TW_CONTROL_DONE);
  request = relay_commit_of(k, group_id, 7, "c", relay_ids(k, 0, -1)); /* the others are told that they are not in it */
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_int_equal(requests_left(k), all - 128 - UNITS);
  request = relay_commit_of(k, group_id, 8, "d", members);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_int_equal(requests_left(k), all - UNITS);
}

static void members_hear_of_a_wish_once_in_a_while(void **state) {
  relay_kit *k = *state;
  for (unsigned i = 0; i < 4; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  tw_control_request open = relay_open_of(k, "net", TW_LITERAL("group id"), 7, relay_ids(k, 0, 1, -1));
  relay_expects(k, 0, &open, TW_CONTROL_DONE);
  open = relay_open_of(k, "other", TW_LITERAL("other id"), 7, relay_ids(k, 0, 1, -1));
  relay_expects(k, 0, &open, TW_CONTROL_DONE);
  tw_control_request want = RELAY_REQUEST(TW_CONTROL_WANT_IN, .want_in = TW_LITERAL("net"));
  relay_expects(k, 2, &want, TW_CONTROL_DONE);
  assert_int_equal(k->wanted_count, 2);
  relay_expects(k, 2, &want, TW_CONTROL_DONE);
  assert_int_equal(k->wanted_count, 0);
  relay_expects(k, 3, &want, TW_CONTROL_DONE); /* somebody else's */
  assert_int_equal(k->wanted_count, 2);
  want.body.want_in = TW_LITERAL("other"); /* another group */
  relay_expects(k, 2, &want, TW_CONTROL_DONE);
  assert_int_equal(k->wanted_count, 2);
  want.body.want_in = TW_LITERAL("net");
  k->now_ms += TW_DELIVERY_WISH_MS - 1;
  relay_expects(k, 2, &want, TW_CONTROL_DONE);
  assert_int_equal(k->wanted_count, 0);
  k->now_ms++;
  relay_expects(k, 2, &want, TW_CONTROL_DONE);
  assert_int_equal(k->wanted_count, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(whoever_locates_many_pays_for_them), RELAY_BOTH(what_is_overdrawn_is_paid_for_then),
      RELAY_BOTH(what_goes_to_many_costs_more),       RELAY_BOTH(members_hear_of_a_wish_once_in_a_while),
      RELAY_BOTH(nothing_costs_more_than_there_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
