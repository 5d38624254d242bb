/* MLS-TLS channels: handshake, data, ends. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "channel/channel_kit.h"

#include <string.h>

#include "crypto/provider.h"

/* ---- handshake ---- */

static void every_suite_carries_data_and_updates(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_test_wire_clear(&wire);
    begin(tw_suite_at(i));
    tw_test_wire_establish(&wire);
    send_pattern(alice, bob, 40000, SIZE_MAX);
    send_pattern(bob, alice, 40000, SIZE_MAX);
    assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
    run();
    assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
    run();
    send_pattern(alice, bob, 40000, SIZE_MAX);
    send_pattern(bob, alice, 40000, SIZE_MAX);
    tw_test_wire_same_epoch(&wire);
    assert_int_equal(status_of(alice).pair.epoch, 3);
  }
}

static void the_server_is_established_by_the_first_record_only(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  size_t taken = 9;
  assert_int_equal(tw_channel_write(alice->channel, TW_LITERAL("early"), &taken), TW_OK);
  assert_int_equal(taken, 0);
  assert_true(tw_test_wire_move(&wire, alice, bob, SIZE_MAX));
  assert_int_equal(bob->event_count, 0);
  assert_false(status_of(bob).established);
  assert_int_equal(status_of(bob).pair.state, TW_PAIR_UNCONFIRMED);
  assert_int_equal(tw_channel_write(bob->channel, TW_LITERAL("early"), &taken), TW_OK);
  assert_int_equal(taken, 0);
  assert_false(tw_channel_writable(bob->channel));
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_ERR_STATE);
  assert_true(tw_test_wire_move(&wire, bob, alice, SIZE_MAX));
  assert_int_equal(tw_test_side_count(alice, TW_CHANNEL_ESTABLISHED), 1);
  /* One record with nothing in it: header, type, tag. */
  assert_int_equal(tw_channel_output(alice->channel).len, 22);
  assert_true(tw_test_wire_move(&wire, alice, bob, SIZE_MAX));
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 1);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_ESTABLISHED)->epoch, 1);
  assert_true(tw_channel_writable(bob->channel));
  assert_int_equal(bob->received.len, 0);
}

static void a_replayed_hello_never_establishes(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  tw_buf hello = TW_BUF_INIT(&wire.test.alloc);
  assert_int_equal(tw_buf_append(&hello, tw_channel_output(alice->channel)), TW_OK);
  run();
  tw_channel_free(bob->channel);
  bob->event_count = 0;
  assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
  assert_int_equal(tw_test_side_give(&wire, bob, tw_buf_bytes(&hello)), TW_OK);
  assert_int_equal(bob->event_count, 0);
  assert_true(tw_channel_output(bob->channel).len > 0);
  wire.now_ms = tw_channel_deadline(bob->channel);
  wire.now_ms += 40000;
  assert_int_equal(tw_channel_tick(bob->channel, wire.now_ms), TW_ERR_TIMEOUT);
  tw_test_side_take(bob);
  assert_int_equal(bob->event_count, 1);
  assert_int_equal(bob->events[0].kind, TW_CHANNEL_CLOSED);
  assert_int_equal(bob->events[0].reason, TW_ERR_TIMEOUT);
  tw_buf_clear(&hello);
}

static void each_side_learns_who_the_other_is(void **state) {
  (void)state;
  alice->config.parameters = TW_LITERAL("a");
  bob->config.parameters = TW_LITERAL("bb");
  tw_test_wire_establish(&wire);
  tw_member peer;
  assert_true(tw_channel_peer(alice->channel, &peer));
  tw_test_same(peer.signature_key, tw_signer_public_key(bob->party.client.signer));
  assert_true(tw_channel_peer(bob->channel, &peer));
  tw_test_same(peer.signature_key, tw_signer_public_key(alice->party.client.signer));
  tw_test_same(tw_channel_peer_parameters(alice->channel), TW_LITERAL("bb"));
  tw_test_same(tw_channel_peer_parameters(bob->channel), TW_LITERAL("a"));
}

static void any_fragmentation_works(void **state) {
  (void)state;
  static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 16389};
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
    tw_test_wire_clear(&wire);
    begin(tw_suite_by_id(&wire.test.env, 1));
    tw_test_wire_open(&wire);
    tw_test_wire_run(&wire, pieces[i]);
    assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 1);
    send_pattern(alice, bob, 20000, pieces[i]);
    assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
    send_pattern(bob, alice, 20000, pieces[i]);
    tw_test_wire_same_epoch(&wire);
    assert_int_equal(tw_channel_close(alice->channel), TW_OK);
    assert_int_equal(tw_channel_close(bob->channel), TW_OK);
    tw_test_wire_run(&wire, pieces[i]);
    assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->reason, TW_OK);
    assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_OK);
  }
}

/* ---- data ---- */

static void data_comes_in_parts_and_waits_for_its_taker(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  bob->stalled = true;
  size_t sent = 0;
  /* Fill everything between the two applications. */
  for (;;) {
    size_t taken;
    assert_int_equal(tw_channel_write(alice->channel, TW_BYTES(pattern, 16384), &taken), TW_OK);
    sent += taken;
    const bool moved = tw_test_wire_move(&wire, alice, bob, SIZE_MAX);
    if (taken == 0 && !moved) break;
  }
  assert_true(sent > 65536 && sent < 400000);
  assert_false(tw_channel_writable(alice->channel));
  uint8_t *ptr;
  size_t room;
  assert_int_equal(tw_channel_input_buffer(bob->channel, &ptr, &room), TW_OK);
  assert_int_equal(room, 0);
  /* One byte at a time from the first record. */
  for (size_t i = 0; i < 100; i++) {
    const tw_bytes data = tw_channel_data(bob->channel);
    assert_int_equal(data.ptr[0], pattern[i]);
    assert_int_equal(tw_channel_data_done(bob->channel, 1), TW_OK);
  }
  assert_int_equal(tw_channel_data_done(bob->channel, 16385), TW_ERR_ARGUMENT);
  bob->stalled = false;
  tw_test_side_take(bob);
  run();
  assert_int_equal(bob->received.len, sent - 100);
  for (size_t i = 0; i < bob->received.len; i++) assert_int_equal(bob->received.ptr[i], pattern[(i + 100) % 16384]);
}

static void data_can_be_written_in_place(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  for (size_t n = 0; n <= 16384; n += 2048) {
    uint8_t *ptr;
    size_t room;
    assert_int_equal(tw_channel_write_buffer(alice->channel, &ptr, &room), TW_OK);
    assert_int_equal(room, 16384);
    memcpy(ptr, pattern, n);
    assert_int_equal(tw_channel_write_done(alice->channel, n), TW_OK);
    run();
    assert_int_equal(bob->received.len, n);
    if (n > 0) assert_memory_equal(bob->received.ptr, pattern, n);
    tw_buf_clear(&bob->received);
  }
  assert_int_equal(tw_channel_write_done(alice->channel, 16385), TW_ERR_ARGUMENT);
}

static void padding_hides_lengths(void **state) {
  (void)state;
  alice->options.padding_block = 1000;
  tw_test_wire_establish(&wire);
  static const struct {
    size_t content, wire;
  } cases[] = {{1, 1022}, {999, 1022}, {1000, 1022}, {1001, 2022}, {16384, 16406}, {16001, 16406}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_test_side_write(alice, TW_BYTES(pattern, cases[i].content));
    assert_int_equal(tw_channel_output(alice->channel).len, cases[i].wire);
    run();
    assert_int_equal(bob->received.len, cases[i].content);
    tw_buf_clear(&bob->received);
  }
}

static void buffers_go_when_idle(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  send_pattern(alice, bob, 200000, SIZE_MAX);
  const size_t busy = wire.test.alloc_bytes;
  for (unsigned i = 0; i < 3; i++) {
    wire.now_ms += 1000;
    assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms), TW_OK);
    assert_int_equal(tw_channel_tick(bob->channel, wire.now_ms), TW_OK);
  }
  assert_true(wire.test.alloc_bytes + 100000 < busy);
  assert_true(tw_channel_deadline(alice->channel) > wire.now_ms + 60000);
  send_pattern(alice, bob, 200000, SIZE_MAX);
}

static const tw_provider_ops *real_ops;
static unsigned rests;
static bool cannot_wake;

static void counting_rest(tw_aead_key *key) {
  rests++;
  real_ops->aead_key_rest(key);
}

static tw_err failing_wake(tw_aead_key *key) { return cannot_wake ? TW_ERR_NO_MEMORY : real_ops->aead_key_wake(key); }

/* And when there is no memory for them once more, nothing is lost but the try. */
static void keys_rest_when_idle(void **state) {
  (void)state;
  tw_provider *provider = wire.test.env.provider;
  real_ops = provider->ops;
  static tw_provider_ops ops; /* keys refer to it until the teardown */
  ops = *real_ops;
  ops.aead_key_rest = counting_rest;
  ops.aead_key_wake = failing_wake;
  provider->ops = &ops;
  tw_test_wire_establish(&wire);
  send_pattern(alice, bob, 1000, SIZE_MAX);
  assert_int_equal(rests, 0);
  for (unsigned i = 0; i < 3; i++) {
    wire.now_ms += 1000;
    assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms), TW_OK);
    assert_int_equal(tw_channel_tick(bob->channel, wire.now_ms), TW_OK);
  }
  assert_true(rests >= 4); /* of two channels, two keys each */
  cannot_wake = true;
  size_t taken;
  assert_int_equal(tw_channel_write(alice->channel, TW_BYTES(pattern, 1000), &taken), TW_ERR_NO_MEMORY);
  assert_int_equal(taken, 0);
  cannot_wake = false;
  send_pattern(alice, bob, 1000, SIZE_MAX);
  send_pattern(bob, alice, 1000, SIZE_MAX);
  assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
  run();
  tw_test_wire_same_epoch(&wire);
  provider->ops = real_ops;
}

/* ---- ends ---- */

static void closing_one_way_leaves_the_other(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  run();
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_PEER_CLOSED), 1);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_CLOSED), 0);
  size_t taken;
  assert_int_equal(tw_channel_write(alice->channel, TW_LITERAL("x"), &taken), TW_ERR_CLOSED);
  send_pattern(bob, alice, 100000, SIZE_MAX);
  /* Keys are still renewed, by either side. */
  assert_int_equal(tw_channel_rekey(alice->channel, wire.now_ms), TW_OK);
  run();
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_OK);
  run();
  tw_test_wire_same_epoch(&wire);
  assert_int_equal(status_of(bob).pair.epoch, 3);
  send_pattern(bob, alice, 100000, SIZE_MAX);
  assert_int_equal(tw_channel_close(bob->channel), TW_OK);
  tw_test_side_take(bob);
  run();
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->reason, TW_OK);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_OK);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_ERR_CLOSED);
  assert_int_equal(tw_channel_deadline(bob->channel), UINT64_MAX);
}

static void an_end_without_close_notify_is_a_truncation(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_test_side_write(alice, TW_BYTES(pattern, 10000));
  bob->stalled = true;
  run();
  /* What came before is the application's first. */
  assert_int_equal(tw_channel_input_end(bob->channel, wire.now_ms), TW_OK);
  assert_int_equal(tw_channel_input_done(bob->channel, 0, wire.now_ms), TW_ERR_ARGUMENT);
  bob->stalled = false;
  tw_test_side_take(bob);
  assert_int_equal(bob->received.len, 10000);
  assert_int_equal(bob->last, TW_ERR_TRUNCATION);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_ERR_TRUNCATION);
  /* During the handshake as well. */
  tw_test_wire_clear(&wire);
  begin(tw_suite_by_id(&wire.test.env, 1));
  tw_test_wire_open(&wire);
  assert_int_equal(tw_channel_input_end(alice->channel, wire.now_ms), TW_ERR_TRUNCATION);
}

static void an_end_after_close_notify_lets_us_go_on(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  run();
  assert_int_equal(tw_channel_input_end(bob->channel, wire.now_ms), TW_OK);
  assert_int_equal(tw_channel_rekey(bob->channel, wire.now_ms), TW_ERR_STATE);
  send_pattern(bob, alice, 50000, SIZE_MAX);
  assert_int_equal(tw_channel_close(bob->channel), TW_OK);
  run();
  tw_test_side_take(bob);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_OK);
}

static void a_stalled_handshake_times_out(void **state) {
  (void)state;
  alice->options.handshake_timeout_ms = 5000;
  tw_test_wire_open(&wire);
  assert_true(tw_channel_deadline(alice->channel) <= wire.now_ms + 5000);
  assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms + 4999), TW_OK);
  assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms + 5000), TW_ERR_TIMEOUT);
  assert_int_equal(tw_channel_tick(alice->channel, wire.now_ms + 5000), TW_ERR_CLOSED);
  tw_test_side_take(alice);
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->reason, TW_ERR_TIMEOUT);
}

static void cancelling_tells_the_peer(void **state) {
  (void)state;
  tw_test_wire_open(&wire);
  assert_int_equal(tw_channel_close(alice->channel), TW_OK);
  run();
  tw_test_side_take(alice);
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->reason, TW_OK);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_ERR_ALERT);
}

static void aborting_tells_the_peer_why(void **state) {
  (void)state;
  tw_test_wire_establish(&wire);
  tw_channel_abort(alice->channel, TW_ERR_CREDENTIAL);
  tw_channel_abort(alice->channel, TW_ERR_NO_MEMORY);
  run();
  tw_test_side_take(alice);
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->reason, TW_ERR_CREDENTIAL);
  const tw_channel_event *event = tw_test_side_event(bob, TW_CHANNEL_CLOSED);
  assert_int_equal(event->reason, TW_ERR_ALERT);
  assert_int_equal(event->alert, 49);
  assert_string_equal(tw_channel_alert_name(event->alert), "access_denied");
  assert_int_equal(bob->last, TW_ERR_ALERT);
  tw_member peer;
  assert_false(tw_channel_peer(bob->channel, &peer));
  assert_null(tw_channel_group(bob->channel));
}

static void refused_peers_are_told(void **state) {
  (void)state;
  bob->party.refuses = true;
  tw_test_wire_open(&wire);
  run();
  assert_int_equal(bob->last, TW_ERR_CREDENTIAL);
  assert_int_equal(tw_test_side_event(alice, TW_CHANNEL_CLOSED)->alert, 49);
  /* The one who refuses the server has no key to say so with. */
  tw_test_wire_clear(&wire);
  begin(tw_suite_by_id(&wire.test.env, 1));
  alice->party.refuses = true;
  tw_test_wire_open(&wire);
  run();
  assert_int_equal(alice->last, TW_ERR_CREDENTIAL);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->reason, TW_ERR_ALERT);
  assert_int_equal(tw_test_side_event(bob, TW_CHANNEL_CLOSED)->alert, 49);
  assert_int_equal(tw_test_side_count(bob, TW_CHANNEL_ESTABLISHED), 0);
}

static void configurations_are_checked(void **state) {
  (void)state;
  tw_channel *none = NULL;
  tw_channel_config config = alice->config;
  config.client_count = 0;
  assert_int_equal(tw_channel_connect(&config, 0, &none), TW_ERR_ARGUMENT);
  assert_int_equal(tw_channel_accept(&config, 0, &none), TW_ERR_ARGUMENT);
  alice->options.input_max = TW_RECORD_WIRE_MAX - 1;
  assert_int_equal(tw_channel_connect(&alice->config, 0, &none), TW_ERR_ARGUMENT);
  alice->options.input_max = TW_RECORD_WIRE_MAX;
  alice->options.output_high_water = 1;
  bob->options.input_max = TW_RECORD_WIRE_MAX;
  tw_test_wire_establish(&wire);
  send_pattern(alice, bob, 100000, SIZE_MAX);
  tw_channel_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_suite_carries_data_and_updates),
      TEST(the_server_is_established_by_the_first_record_only),
      TEST(a_replayed_hello_never_establishes),
      TEST(each_side_learns_who_the_other_is),
      TEST(any_fragmentation_works),
      TEST(data_comes_in_parts_and_waits_for_its_taker),
      TEST(data_can_be_written_in_place),
      TEST(padding_hides_lengths),
      TEST(buffers_go_when_idle),
      TEST(keys_rest_when_idle),
      TEST(closing_one_way_leaves_the_other),
      TEST(an_end_without_close_notify_is_a_truncation),
      TEST(an_end_after_close_notify_lets_us_go_on),
      TEST(a_stalled_handshake_times_out),
      TEST(cancelling_tells_the_peer),
      TEST(aborting_tells_the_peer_why),
      TEST(refused_peers_are_told),
      TEST(configurations_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
