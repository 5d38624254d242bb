/* Somebody on the wire passes what comes on one connection on to another one: D5, D6. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice; /* the founder-initiator */
static tw_test_side *const bob = &wire.bob;

static int setup(void **state) {
  (void)state;
  tw_test_wire_init(&wire, tw_suite_by_id(NULL, 1));
  tw_test_wire_durable(&wire);
  tw_test_wire_establish(&wire);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_wire_clear(&wire);
  return 0;
}

/* All that the side has to send now; the caller clears it. */
static tw_buf flight_of(tw_test_side *side) {
  tw_buf flight = TW_BUF_INIT(&wire.test.alloc);
  const tw_bytes out = tw_channel_output(side->channel);
  assert_int_equal(tw_buf_append(&flight, out), TW_OK);
  tw_channel_output_sent(side->channel, out.len);
  return flight;
}

static tw_channel *ask(tw_test_side *side) {
  tw_channel_config config = side->config;
  tw_channel *channel;
  config.resume = tw_buf_bytes(&side->disk);
  config.resume_version = side->saves;
  assert_int_equal(tw_channel_connect(&config, wire.now_ms, &channel), TW_OK);
  return channel;
}

/*
 * Alice has taken Bob's early data, and her answer is kept back. Somebody has her ask on another connection, by a
 * request of which nothing but the head is right, and gives hers to Bob as if it had crossed his: it is built on his
 * commit. Were he to answer it, he would send his early data once more.
 */
static void early_data_is_not_sent_again_over_a_request_that_is_built_on_ours(void **state) {
  (void)state;
  tw_test_wire_reopen(&wire, bob);
  tw_test_side_write(bob, TW_LITERAL("once"));
  tw_buf flight = flight_of(bob);
  assert_int_equal(tw_test_side_give(&wire, alice, tw_buf_bytes(&flight)), TW_OK);
  tw_test_same(tw_buf_bytes(&alice->received), TW_LITERAL("once"));
  tw_buf forged = TW_BUF_INIT(&wire.test.alloc);
  tw_test_forge_request(tw_channel_output(alice->channel), &forged);
  tw_channel *first = alice->channel;
  alice->in_use = true;
  assert_int_equal(tw_channel_accept(&alice->config, wire.now_ms, &alice->channel), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, alice, tw_buf_bytes(&forged)), TW_OK);
  tw_buf crossed = flight_of(alice);
  assert_true(crossed.len > 0);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&crossed)), TW_ERR_UNEXPECTED);
  tw_test_wire_run(&wire, SIZE_MAX);
  tw_test_same(tw_buf_bytes(&alice->received), TW_LITERAL("once"));
  assert_null(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED));
  /* On the next connection the session goes on. */
  tw_channel_free(first);
  alice->in_use = false;
  tw_test_wire_reopen(&wire, bob);
  tw_test_wire_run(&wire, SIZE_MAX);
  assert_non_null(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED));
  assert_non_null(tw_test_side_event(alice, TW_CHANNEL_ESTABLISHED));
  tw_buf_clear(&flight);
  tw_buf_clear(&forged);
  tw_buf_clear(&crossed);
}

/* Alice gets the first record that Bob has to send, his response, and nothing behind it. */
static void give_response(void) {
  const tw_bytes response = tw_channel_output(bob->channel);
  const size_t size = TW_RECORD_HEADER + ((size_t)response.ptr[3] << 8 | response.ptr[4]);
  assert_int_equal(tw_test_side_give(&wire, alice, TW_BYTES(response.ptr, size)), TW_OK);
}

/* What each has sent last: an empty record, which looks the same under the same key and number. */
static void assert_other_records(tw_test_side *a, tw_test_side *b) {
  enum { EMPTY_RECORD = TW_RECORD_HEADER + 1 + TW_AEAD_TAG };
  const tw_bytes of_a = tw_channel_output(a->channel), of_b = tw_channel_output(b->channel);
  assert_true(of_a.len >= EMPTY_RECORD && of_b.len >= EMPTY_RECORD);
  assert_memory_not_equal(of_a.ptr + of_a.len - EMPTY_RECORD, of_b.ptr + of_b.len - EMPTY_RECORD, EMPTY_RECORD);
}

/* Both have connected. Alice's request comes to Bob as if it crossed his, his answer to her as if it were to hers. */
static void two_that_connect_have_no_key_in_common(void **state) {
  (void)state;
  tw_channel_free(alice->channel);
  tw_channel_free(bob->channel);
  alice->channel = ask(alice);
  bob->channel = ask(bob);
  tw_test_side_save(alice);
  tw_test_side_save(bob);
  tw_buf request = flight_of(alice), other = flight_of(bob);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&request)), TW_OK);
  give_response();
  assert_other_records(alice, bob);
  tw_buf_clear(&request);
  tw_buf_clear(&other);
}

/* Both were asked: Alice, who crosses what she is asked, and Bob, who gets her request as if it had begun a connection.
 */
static void two_that_were_asked_have_no_key_in_common(void **state) {
  (void)state;
  tw_test_wire_reopen(&wire, bob);
  tw_buf of_bob = flight_of(bob);
  tw_channel_free(bob->channel);
  tw_channel *asking = ask(alice); /* so that hers is pending when she is asked */
  tw_channel *accepting = alice->channel;
  alice->channel = asking;
  tw_test_side_save(alice);
  tw_channel_free(asking);
  alice->channel = accepting;
  assert_int_equal(tw_test_side_give(&wire, alice, tw_buf_bytes(&of_bob)), TW_OK);
  tw_buf crossed = flight_of(alice);
  assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&crossed)), TW_OK);
  give_response();
  assert_other_records(alice, bob);
  tw_buf_clear(&of_bob);
  tw_buf_clear(&crossed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(early_data_is_not_sent_again_over_a_request_that_is_built_on_ours),
      TEST(two_that_connect_have_no_key_in_common),
      TEST(two_that_were_asked_have_no_key_in_common),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
