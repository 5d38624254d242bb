/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_wire.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_cmocka.h"

static void side_init(tw_test_wire *wire, tw_test_side *side, const tw_suite *suite, const char *name) {
  memset(side, 0, sizeof *side);
  tw_test_party_init(&side->party, &wire->test, suite, name);
  side->options = tw_channel_options_default;
  side->config = (tw_channel_config){.clients = side->party.clients, .client_count = 1, .options = &side->options};
  side->received.alloc = &wire->test.alloc;
  side->disk.alloc = &wire->test.alloc;
}

static void side_clear(tw_test_side *side) {
  tw_channel_free(side->channel);
  tw_buf_clear(&side->received);
  tw_buf_clear(&side->disk);
  tw_test_party_clear(&side->party);
  side->channel = NULL;
}

void tw_test_wire_init(tw_test_wire *wire, const tw_suite *suite) {
  tw_test_env_init(&wire->test, 11);
  wire->now_ms = TW_TEST_NOW_MS;
  side_init(wire, &wire->alice, suite, "alice");
  side_init(wire, &wire->bob, suite, "bob");
}

void tw_test_wire_clear(tw_test_wire *wire) {
  side_clear(&wire->alice);
  side_clear(&wire->bob);
  tw_test_env_clear(&wire->test);
}

void tw_test_wire_open(tw_test_wire *wire) {
  wire->alice.saves = wire->bob.saves = 0; /* of the session that begins */
  assert_int_equal(tw_channel_connect(&wire->alice.config, wire->now_ms, &wire->alice.channel), TW_OK);
  assert_int_equal(tw_channel_accept(&wire->bob.config, wire->now_ms, &wire->bob.channel), TW_OK);
}

void tw_test_wire_establish(tw_test_wire *wire) {
  tw_test_wire_open(wire);
  tw_test_wire_run(wire, SIZE_MAX);
  assert_int_equal(tw_test_side_count(&wire->alice, TW_CHANNEL_ESTABLISHED), 1);
  assert_int_equal(tw_test_side_count(&wire->bob, TW_CHANNEL_ESTABLISHED), 1);
}

/* ---- sessions ---- */

static tw_err find_session(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  (void)group_id;
  const tw_test_side *side = ctx;
  if (side->disk.len == 0) return TW_ERR_NO_SESSION;
  *found = (tw_channel_found){.version = side->saves, .in_use = side->in_use};
  return tw_buf_append(saved, tw_buf_bytes(&side->disk));
}

static void make_durable(tw_test_side *side) {
  side->config.durable = true;
  side->config.session = find_session;
  side->config.session_ctx = side;
}

void tw_test_wire_durable(tw_test_wire *wire) {
  make_durable(&wire->alice);
  make_durable(&wire->bob);
}

static void drop(tw_test_side *side) {
  tw_channel_free(side->channel);
  side->channel = NULL;
  side->event_count = 0;
  side->last = TW_OK;
}

void tw_test_wire_reopen(tw_test_wire *wire, tw_test_side *opener) {
  tw_test_side *other = opener == &wire->alice ? &wire->bob : &wire->alice;
  drop(opener);
  drop(other);
  tw_channel_config config = opener->config;
  config.resume = tw_buf_bytes(&opener->disk);
  config.resume_version = opener->saves;
  assert_int_equal(tw_channel_connect(&config, wire->now_ms, &opener->channel), TW_OK);
  assert_int_equal(tw_channel_accept(&other->config, wire->now_ms, &other->channel), TW_OK);
  tw_test_side_save(opener);
}

static void put_length(uint8_t *two_bytes, size_t length) {
  two_bytes[0] = (uint8_t)(length >> 8);
  two_bytes[1] = (uint8_t)length;
}

void tw_test_forge_request(tw_bytes output, tw_buf *forged) {
  enum { MESSAGE = TW_RECORD_HEADER + TW_CHANNEL_HANDSHAKE_HEADER, HEAD = MESSAGE + 4 + TW_PAIR_NONCE };
  const size_t size = TW_RECORD_HEADER + ((size_t)output.ptr[3] << 8 | output.ptr[4]);
  assert_int_equal(tw_buf_append(forged, TW_BYTES(output.ptr, HEAD)), TW_OK);
  assert_int_equal(tw_buf_append(forged, TW_BYTES(output.ptr + HEAD + 1, size - HEAD - 1)), TW_OK);
  forged->ptr[MESSAGE + 3] = TW_PAIR_RESUMPTION_REQUEST;
  put_length(forged->ptr + 3, forged->len - TW_RECORD_HEADER);
  put_length(forged->ptr + TW_RECORD_HEADER + 2, forged->len - MESSAGE);
}

static void note(tw_test_side *side, tw_err err) {
  if (err != TW_OK && err != TW_ERR_CLOSED) side->last = err;
}

void tw_test_side_save(tw_test_side *side) {
  while (tw_channel_unsaved(side->channel) && !side->disk_full) {
    tw_buf saved = TW_BUF_INIT(side->disk.alloc);
    assert_int_equal(tw_channel_version(side->channel), side->saves);
    assert_int_equal(tw_channel_save(side->channel, &saved), TW_OK);
    tw_buf_clear(&side->disk);
    side->disk = saved;
    side->saves++;
    note(side, tw_channel_saved(side->channel));
  }
}

void tw_test_side_take(tw_test_side *side) {
  tw_test_side_save(side);
  while (!side->stalled) {
    const tw_bytes data = tw_channel_data(side->channel);
    if (data.len == 0) break;
    /* The failing allocator is for the library. */
    assert_int_equal(tw_buf_append(&side->received, data), TW_OK);
    note(side, tw_channel_data_done(side->channel, data.len));
    tw_test_side_save(side);
  }
  tw_channel_event event;
  while (tw_channel_next_event(side->channel, &event)) {
    assert_true(side->event_count < TW_TEST_EVENTS);
    side->events[side->event_count++] = event;
  }
}

bool tw_test_wire_move(tw_test_wire *wire, tw_test_side *from, tw_test_side *to, size_t most) {
  const tw_bytes out = tw_channel_output(from->channel);
  uint8_t *ptr;
  size_t room;
  const tw_err err = tw_channel_input_buffer(to->channel, &ptr, &room);
  note(to, err);
  size_t n = out.len < most ? out.len : most;
  tw_channel_status status;
  tw_channel_get_status(to->channel, &status);
  if (!status.closed && n > room) n = room;
  if (err != TW_OK || n == 0) return false;
  if (!status.closed) {
    memcpy(ptr, out.ptr, n);
    note(to, tw_channel_input_done(to->channel, n, wire->now_ms));
  }
  tw_channel_output_sent(from->channel, n);
  tw_test_side_take(to);
  tw_test_side_take(from);
  return true;
}

void tw_test_wire_run(tw_test_wire *wire, size_t piece) {
  bool moved;
  do {
    moved = tw_test_wire_move(wire, &wire->alice, &wire->bob, piece);
    moved = tw_test_wire_move(wire, &wire->bob, &wire->alice, piece) || moved;
  } while (moved);
}

tw_err tw_test_side_give(tw_test_wire *wire, tw_test_side *side, tw_bytes bytes) {
  size_t taken;
  const tw_err err = tw_channel_input(side->channel, bytes, wire->now_ms, &taken);
  note(side, err);
  tw_test_side_take(side);
  return err;
}

const tw_channel_event *tw_test_side_event(const tw_test_side *side, tw_channel_event_kind kind) {
  for (size_t i = side->event_count; i-- > 0;) {
    if (side->events[i].kind == kind) return &side->events[i];
  }
  return NULL;
}

size_t tw_test_side_count(const tw_test_side *side, tw_channel_event_kind kind) {
  size_t count = 0;
  for (size_t i = 0; i < side->event_count; i++) count += side->events[i].kind == kind;
  return count;
}

void tw_test_side_write(tw_test_side *side, tw_bytes data) {
  size_t taken;
  assert_int_equal(tw_channel_write(side->channel, data, &taken), TW_OK);
  assert_int_equal(taken, data.len);
}

void tw_test_wire_same_epoch(const tw_test_wire *wire) {
  const tw_group *a = tw_channel_group(wire->alice.channel);
  const tw_group *b = tw_channel_group(wire->bob.channel);
  assert_non_null(a);
  assert_non_null(b);
  assert_int_equal(tw_group_epoch(a), tw_group_epoch(b));
  tw_test_same(tw_group_epoch_authenticator(a), tw_group_epoch_authenticator(b));
}
