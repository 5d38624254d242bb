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

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(whoever_locates_many_pays_for_them),
      RELAY_BOTH(what_is_overdrawn_is_paid_for_then),
      RELAY_BOTH(nothing_costs_more_than_there_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
