/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_tls.h"

#include <string.h>

#include "support/tw_cmocka.h"
#include "tls/client_hello.h"

static void side_init(tw_test_tls *both, tw_test_tls_side *side, const tw_suite *suite, const char *name) {
  memset(side, 0, sizeof *side);
  side->both = both;
  tw_test_party_init(&side->party, &both->test, suite, name);
  side->config = (tw_tls_config){.clients = side->party.clients, .client_count = 1};
}

static void side_close(tw_test_tls_side *side) {
  tw_tls_free(side->tls);
  side->tls = NULL;
  tw_record_key_clear(&side->send);
  tw_record_key_clear(&side->receive);
  side->receive_level = TW_TLS_PLAIN;
  tw_buf *const bufs[] = {&side->handshake, &side->pending, &side->wire, &side->first_message};
  for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) tw_buf_clear(bufs[i]);
  side->got_protected = side->hello_wanted = false;
  side->messages = side->records = side->wire_bytes = side->ccs_sent = side->ccs_dropped = 0;
  side->err = TW_OK;
  side->alert_sent = side->alert_received = 0;
}

void tw_test_tls_init(tw_test_tls *both, const tw_suite *suite) {
  memset(both, 0, sizeof *both);
  tw_test_env_init(&both->test, 21);
  both->now_ms = TW_TEST_NOW_MS;
  side_init(both, &both->alice, suite, "alice");
  side_init(both, &both->bob, suite, "bob");
}

void tw_test_tls_close(tw_test_tls *both) {
  side_close(&both->alice);
  side_close(&both->bob);
}

void tw_test_tls_clear(tw_test_tls *both) {
  tw_test_tls_close(both);
  tw_buf_clear(&both->alice.external);
  tw_test_party_clear(&both->alice.party);
  tw_test_party_clear(&both->bob.party);
  tw_test_env_clear(&both->test);
}

void tw_test_tls_open(tw_test_tls *both) {
  assert_int_equal(tw_tls_client_new(&both->alice.config, both->now_ms, &both->alice.tls), TW_OK);
  assert_int_equal(tw_tls_server_new(&both->bob.config, &both->bob.tls), TW_OK);
}

/* ---- out ---- */

static void put_record(tw_test_tls_side *side, uint8_t type, tw_bytes content) {
  uint8_t record[TW_RECORD_SIZE_MAX];
  size_t size = TW_RECORD_HEADER + content.len;
  if (content.len > 0) memcpy(record + TW_RECORD_HEADER, content.ptr, content.len);
  if (tw_record_key_is_set(&side->send) && type != TW_RECORD_CHANGE_CIPHER_SPEC) {
    assert_int_equal(tw_record_seal(&side->send, type, record, content.len, 0), TW_OK);
    size = tw_record_size(content.len, 0);
  } else {
    tw_record_put_plain_header(record, type, content.len);
  }
  assert_int_equal(tw_buf_append(&side->wire, TW_BYTES(record, size)), TW_OK);
  side->records++;
  side->wire_bytes += size;
}

/* Content of one record at most. */
static size_t limit_of(const tw_test_tls_side *side) {
  tw_tls_info info;
  tw_tls_get_info(side->tls, &info);
  const size_t most = tw_record_key_is_set(&side->send) ? info.send_limit - 1u : TW_RECORD_PLAINTEXT_MAX;
  return side->fragment > 0 && side->fragment < most ? side->fragment : most;
}

static void flush(tw_test_tls_side *side) {
  const size_t most = limit_of(side);
  for (size_t at = 0; at < side->pending.len; at += most) {
    const size_t left = side->pending.len - at;
    put_record(side, TW_RECORD_HANDSHAKE, TW_BYTES(side->pending.ptr + at, left < most ? left : most));
  }
  side->pending.len = 0;
}

static void queue_message(tw_test_tls_side *side, tw_bytes message) {
  tw_buf sent = {0};
  assert_int_equal(tw_buf_append(&sent, message), TW_OK);
  if (side->messages == 0) assert_int_equal(tw_buf_assign(&side->first_message, message), TW_OK);
  const tw_test_tls *both = side->both;
  if (both->tamper != NULL) both->tamper(both->tamper_ctx, side, side->messages, &sent);
  side->messages++;
  assert_int_equal(tw_buf_append(&side->pending, tw_buf_bytes(&sent)), TW_OK);
  tw_buf_clear(&sent);
}

static void set_key(tw_test_tls_side *side, tw_record_key *key, const tw_secret *secret) {
  tw_tls_info info;
  tw_record_key made = {0};
  tw_tls_get_info(side->tls, &info);
  const size_t failing = side->both->test.alloc_fail_in;
  side->both->test.alloc_fail_in = 0; /* failures are for the handshake */
  assert_int_equal(tw_record_key_init(&side->both->test.env, info.suite, tw_secret_bytes(secret), &made), TW_OK);
  side->both->test.alloc_fail_in = failing;
  tw_record_key_move(key, &made);
}

void tw_test_tls_steps(tw_test_tls_side *side) {
  tw_tls_step step;
  while (tw_tls_next_step(side->tls, &step)) {
    if (step.kind != TW_TLS_STEP_SEND) flush(side);
    switch (step.kind) {
    case TW_TLS_STEP_SEND:
      queue_message(side, step.message);
      if (side->separate) flush(side);
      break;
    case TW_TLS_STEP_SEND_CCS:
      put_record(side, TW_RECORD_CHANGE_CIPHER_SPEC, TW_LITERAL("\x01"));
      side->ccs_sent++;
      break;
    case TW_TLS_STEP_SEND_KEY: set_key(side, &side->send, &step.secret); break;
    case TW_TLS_STEP_RECEIVE_KEY:
      set_key(side, &side->receive, &step.secret);
      side->receive_level = step.level;
      break;
    case TW_TLS_STEP_HELLO_WANTED: side->hello_wanted = true; break;
    }
    tw_secret_clear(&step.secret);
  }
  flush(side);
}

static void fail_side(tw_test_tls_side *side, tw_err err, uint8_t alert) {
  const uint8_t content[2] = {2, alert};
  side->err = err;
  side->alert_sent = alert;
  side->pending.len = 0;
  put_record(side, TW_RECORD_ALERT, TW_ARRAY(content));
}

/* ---- in ---- */

static void take_messages(tw_test_tls_side *side) {
  size_t at = 0;
  uint8_t type;
  size_t size;
  while (side->err == TW_OK) {
    const tw_bytes rest = TW_BYTES(side->handshake.ptr + at, side->handshake.len - at);
    if (tw_tls_message_peek(rest, &type, &size) != TW_OK || size > rest.len) break;
    const tw_err err = tw_tls_receive(side->tls, side->receive_level, TW_BYTES(rest.ptr, size), size == rest.len,
                                      side->both->now_ms);
    if (err != TW_OK) {
      fail_side(side, err, tw_tls_alert_told(side->tls));
      break;
    }
    at += size;
    tw_test_tls_steps(side);
  }
  tw_buf_consume(&side->handshake, at);
}

static bool is_ccs(const uint8_t *record, size_t size) {
  return record[0] == TW_RECORD_CHANGE_CIPHER_SPEC && size == TW_RECORD_HEADER + 1 && record[TW_RECORD_HEADER] == 1;
}

static void take_record(tw_test_tls_side *side, uint8_t *record, size_t size) {
  const tw_tls_state state = tw_tls_state_of(side->tls);
  if (is_ccs(record, size) && state != TW_TLS_DONE && state != TW_TLS_WAIT_CLIENT_HELLO) {
    side->ccs_dropped++;
    return;
  }
  tw_record_content content;
  const bool plain_alert = record[0] == TW_RECORD_ALERT && !side->got_protected;
  const bool is_plain = !tw_record_key_is_set(&side->receive) || plain_alert;
  const tw_err err = is_plain ? tw_record_check_plain(record, size, &content)
                              : tw_record_open(&side->receive, record, size, record + TW_RECORD_HEADER, &content);
  if (err != TW_OK) {
    fail_side(side, err, err == TW_ERR_DECRYPT ? 20 : TW_ALERT_UNEXPECTED_MESSAGE);
    return;
  }
  if (!is_plain) side->got_protected = true;
  const tw_bytes bytes = TW_BYTES(record + TW_RECORD_HEADER, content.len);
  if (content.type == TW_RECORD_ALERT) {
    side->err = TW_ERR_ALERT;
    side->alert_received = bytes.len == 2 ? bytes.ptr[1] : 255;
  } else if (content.type == TW_RECORD_HANDSHAKE) {
    assert_int_equal(tw_buf_append(&side->handshake, bytes), TW_OK);
    take_messages(side);
  }
}

void tw_test_tls_give(tw_test_tls_side *side, tw_bytes wire) {
  tw_buf copy = {0};
  assert_int_equal(tw_buf_append(&copy, wire), TW_OK);
  size_t at = 0;
  while (at < copy.len && side->err == TW_OK && tw_tls_state_of(side->tls) != TW_TLS_STANDARD) {
    tw_record_header header;
    const tw_bytes rest = TW_BYTES(copy.ptr + at, copy.len - at);
    assert_int_equal(tw_record_peek(rest, tw_record_key_is_set(&side->receive), &header), TW_OK);
    assert_true(header.size <= rest.len);
    take_record(side, copy.ptr + at, header.size);
    at += header.size;
  }
  tw_buf_clear(&copy);
}

static bool move(tw_test_tls_side *from, tw_test_tls_side *to) {
  if (from->wire.len == 0) return false;
  tw_buf wire = from->wire;
  from->wire = (tw_buf){0};
  tw_test_tls_give(to, tw_buf_bytes(&wire));
  tw_buf_clear(&wire);
  return true;
}

void tw_test_tls_run(tw_test_tls *both) {
  tw_test_tls_side *alice = &both->alice;
  const tw_bytes external = tw_buf_bytes(&alice->external);
  if (tw_tls_state_of(alice->tls) == TW_TLS_START) {
    const tw_err err = tw_tls_client_start(alice->tls, external);
    if (err != TW_OK) {
      alice->err = err;
      return;
    }
    if (external.len > 0) queue_message(alice, external);
    tw_test_tls_steps(alice);
  }
  bool moved;
  do {
    moved = move(alice, &both->bob);
    moved = move(&both->bob, alice) || moved;
  } while (moved);
}

void tw_test_tls_establish(tw_test_tls *both) {
  tw_test_tls_open(both);
  tw_test_tls_run(both);
  assert_int_equal(both->alice.err, TW_OK);
  assert_int_equal(both->bob.err, TW_OK);
  assert_int_equal(tw_tls_state_of(both->alice.tls), TW_TLS_DONE);
  assert_int_equal(tw_tls_state_of(both->bob.tls), TW_TLS_DONE);
}

static void say(tw_test_tls_side *from, tw_test_tls_side *to) {
  put_record(from, TW_RECORD_APPLICATION_DATA, TW_LITERAL("words"));
  uint8_t *record = from->wire.ptr;
  tw_record_content content;
  assert_int_equal(tw_record_open(&to->receive, record, from->wire.len, record + TW_RECORD_HEADER, &content), TW_OK);
  tw_test_same(TW_BYTES(record + TW_RECORD_HEADER, content.len), TW_LITERAL("words"));
  from->wire.len = 0;
}

void tw_test_tls_talk(tw_test_tls *both) {
  say(&both->alice, &both->bob);
  say(&both->bob, &both->alice);
}

/* ---- editing ---- */

size_t tw_test_tls_extensions_at(tw_bytes message) {
  switch (message.ptr[0]) {
  case TW_TLS_CLIENT_HELLO: {
    tw_tls_client_hello hello;
    const tw_bytes body = TW_BYTES(message.ptr + TW_TLS_MESSAGE_HEADER, message.len - TW_TLS_MESSAGE_HEADER);
    assert_int_equal(tw_tls_client_hello_decode(body, &hello), TW_OK);
    return TW_TLS_MESSAGE_HEADER + hello.before.len;
  }
  case TW_TLS_SERVER_HELLO: return TW_TLS_MESSAGE_HEADER + 2 + TW_TLS_RANDOM + 1 + (size_t)message.ptr[38] + 3;
  default: assert_int_equal(message.ptr[0], TW_TLS_ENCRYPTED_EXTENSIONS); return TW_TLS_MESSAGE_HEADER;
  }
}

/* Writes the message again, with extensions that `block` has in place of its own. */
static void put_block(tw_buf *message, tw_bytes block) {
  const size_t at = tw_test_tls_extensions_at(tw_buf_bytes(message));
  tw_buf made = {0};
  tw_writer w = tw_writer_to(&made);
  const tw_vector_mark mark = tw_tls_open_message(&w, message->ptr[0]);
  tw_write_fixed(&w, TW_BYTES(message->ptr + TW_TLS_MESSAGE_HEADER, at - TW_TLS_MESSAGE_HEADER));
  tw_write_vector16(&w, block);
  tw_tls_close_message(&w, mark);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  assert_int_equal(tw_buf_assign(message, tw_buf_bytes(&made)), TW_OK);
  tw_buf_clear(&made);
}

static tw_bytes block_of(tw_bytes message) {
  const size_t at = tw_test_tls_extensions_at(message) + 2;
  return TW_BYTES(message.ptr + at, message.len - at);
}

static void edit(tw_buf *message, uint16_t type, bool keep_old, bool add, tw_bytes data) {
  tw_buf block = {0};
  tw_writer w = tw_writer_to(&block);
  tw_reader r = tw_reader_of(block_of(tw_buf_bytes(message)));
  tw_tls_extension extension;
  bool added = !add;
  while (tw_tls_next_extension(&r, &extension)) {
    if (extension.type != type || keep_old) {
      tw_tls_write_extension(&w, extension.type, extension.data);
    } else if (!added) {
      tw_tls_write_extension(&w, type, data);
      added = true;
    }
  }
  if (!added) tw_tls_write_extension(&w, type, data);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  put_block(message, tw_buf_bytes(&block));
  tw_buf_clear(&block);
}

void tw_test_tls_set_extension(tw_buf *message, uint16_t type, tw_bytes data) {
  edit(message, type, false, true, data);
}

void tw_test_tls_add_extension(tw_buf *message, uint16_t type, tw_bytes data) { edit(message, type, true, true, data); }

void tw_test_tls_remove_extension(tw_buf *message, uint16_t type) { edit(message, type, false, false, TW_NO_BYTES); }

tw_bytes tw_test_tls_extension(tw_bytes message, uint16_t type) {
  tw_bytes data = TW_NO_BYTES;
  assert_true(tw_tls_find_extension(block_of(message), type, &data));
  return data;
}
