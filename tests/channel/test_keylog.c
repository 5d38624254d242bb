/* The key log: what is in it opens every record, and there is none unasked. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "crypto/suites.h"
#include "support/tw_test_wire.h"

enum { LINES_MAX = 64, LINE_MAX = 400, ID_DIGITS = 64 };

typedef struct key_log {
  char lines[LINES_MAX][LINE_MAX];
  size_t count;
} key_log;

/* What one side has sent, and how far its records are numbered. */
typedef struct tap {
  tw_buf bytes;
  const char *side; /* "CLIENT" or "SERVER" */
  size_t next;      /* the first line of the log that is not used yet */
  tw_record_key key;
  size_t opened;
} tap;

static tw_test_wire wire;
static tw_test_side *const alice = &wire.alice;
static tw_test_side *const bob = &wire.bob;
static key_log of_alice, of_bob;
static tap from_alice, from_bob;

static void take_line(void *ctx, tw_bytes line) {
  key_log *log = ctx;
  assert_true(log->count < LINES_MAX && line.len < LINE_MAX);
  assert_null(memchr(line.ptr, '\n', line.len));
  assert_null(memchr(line.ptr, 0, line.len));
  memcpy(log->lines[log->count], line.ptr, line.len);
  log->lines[log->count++][line.len] = '\0';
}

static void begin(const tw_suite *suite, tw_channel_protocol protocol) {
  memset(&of_alice, 0, sizeof of_alice);
  memset(&of_bob, 0, sizeof of_bob);
  tw_test_wire_init(&wire, suite);
  tw_test_wire_durable(&wire);
  alice->config.protocol = bob->config.protocol = protocol;
  alice->config.keylog = bob->config.keylog = take_line;
  alice->config.keylog_ctx = &of_alice;
  bob->config.keylog_ctx = &of_bob;
  from_alice = (tap){.bytes.alloc = &wire.test.alloc};
  from_bob = (tap){.bytes.alloc = &wire.test.alloc};
}

static void clear(void) {
  tw_record_key_clear(&from_alice.key);
  tw_record_key_clear(&from_bob.key);
  tw_buf_clear(&from_alice.bytes);
  tw_buf_clear(&from_bob.bytes);
  tw_test_wire_clear(&wire);
}

static bool move(tw_test_side *from, tw_test_side *to, tap *tapped) {
  const tw_bytes out = tw_channel_output(from->channel);
  assert_int_equal(tw_buf_append(&tapped->bytes, out), TW_OK);
  const bool moved = tw_test_wire_move(&wire, from, to, SIZE_MAX);
  tapped->bytes.len -= tw_channel_output(from->channel).len; /* there was no room for that */
  return moved;
}

static void run(void) {
  for (;;) {
    const bool there = move(alice, bob, &from_alice);
    const bool back = move(bob, alice, &from_bob);
    if (!there && !back) return;
  }
}

/* A new connection is listened in on from its start. */
static void new_connection(tw_test_side *opener) {
  from_alice.bytes.len = from_bob.bytes.len = 0;
  from_alice.next = from_bob.next = 0;
  from_alice.opened = from_bob.opened = 0;
  from_alice.side = opener == alice ? "CLIENT" : "SERVER";
  from_bob.side = opener == alice ? "SERVER" : "CLIENT";
  tw_record_key_clear(&from_alice.key);
  tw_record_key_clear(&from_bob.key);
  memset(&of_alice, 0, sizeof of_alice);
  memset(&of_bob, 0, sizeof of_bob);
}

/* ---- reading along ---- */

static unsigned nibble(char digit) {
  const char *digits = "0123456789abcdef";
  const char *at = digit == '\0' ? NULL : strchr(digits, digit);
  assert_non_null(at);
  return (unsigned)(at - digits);
}

static size_t unhex(const char *text, uint8_t *out) {
  size_t len = 0;
  for (; text[0] != '\0'; text += 2) out[len++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
  return len;
}

static bool is_of(const char *line, const char *side) {
  if (strncmp(line, "MLS_TLS_", 8) == 0) line += 8;
  return strncmp(line, side, strlen(side)) == 0;
}

static void key_of(const char *line, const tw_suite *suite, tw_record_key *key) {
  uint8_t secret[TW_HASH_MAX];
  const size_t len = unhex(strrchr(line, ' ') + 1, secret);
  assert_int_equal(tw_record_key_init(&wire.test.env, suite, TW_BYTES(secret, len), key), TW_OK);
}

static bool opens(tw_record_key *key, const uint8_t *record, size_t size) {
  static uint8_t out[TW_RECORD_SIZE_MAX];
  tw_record_content content;
  return tw_record_key_is_set(key) && tw_record_open(key, record, size, out, &content) == TW_OK;
}

/* Under the key in use, or the next one in the log, numbered on or from 0. */
static void open_one(tap *tapped, const key_log *log, const tw_suite *suite, const uint8_t *record, size_t size) {
  if (opens(&tapped->key, record, size)) return;
  for (; tapped->next < log->count; tapped->next++) {
    const char *line = log->lines[tapped->next];
    if (!is_of(line, tapped->side)) continue;
    for (unsigned anew = 0; anew < 2; anew++) {
      tw_record_key key = {0};
      key_of(line, suite, &key);
      if (anew == 0) tw_record_key_continue(&key, tapped->key.sequence);
      if (opens(&key, record, size)) {
        tw_record_key_move(&tapped->key, &key);
        tapped->next++;
        return;
      }
      tw_record_key_clear(&key);
    }
  }
  fail_msg("a record that the key log does not open");
}

static void open_all(tap *tapped, const key_log *log, const tw_suite *suite) {
  for (size_t at = 0; at < tapped->bytes.len;) {
    const uint8_t *record = tapped->bytes.ptr + at;
    const size_t size = TW_RECORD_HEADER + (((size_t)record[3] << 8) | record[4]);
    assert_true(at + size <= tapped->bytes.len);
    if (record[0] == TW_RECORD_APPLICATION_DATA) {
      open_one(tapped, log, suite, record, size);
      tapped->opened++;
    }
    at += size;
  }
}

static bool has_line(const key_log *log, const char *line) {
  for (size_t i = 0; i < log->count; i++)
    if (strcmp(log->lines[i], line) == 0) return true;
  return false;
}

/* One id, the right sizes, and both sides say the same. */
static void assert_logs(const tw_suite *suite) {
  assert_true(of_alice.count > 0);
  assert_int_equal(of_alice.count, of_bob.count);
  const char *id = strchr(of_alice.lines[0], ' ');
  for (size_t i = 0; i < of_alice.count; i++) {
    const char *line = of_alice.lines[i];
    uint8_t bytes[TW_HASH_MAX];
    assert_true(has_line(&of_bob, line));
    const char *first = strchr(line, ' ');
    const char *second = strrchr(line, ' ');
    assert_int_equal(second - first, 1 + ID_DIGITS);
    assert_memory_equal(first, id, 1 + ID_DIGITS);
    assert_int_equal(unhex(second + 1, bytes), suite->hash->size);
    for (size_t k = 0; k < i; k++) assert_string_not_equal(strrchr(of_alice.lines[k], ' '), second);
  }
}

static void assert_all_open(const tw_suite *suite, size_t at_least) {
  assert_logs(suite);
  open_all(&from_alice, &of_alice, suite);
  open_all(&from_bob, &of_bob, suite);
  assert_true(from_alice.opened >= at_least && from_bob.opened >= at_least);
}

static const tw_suite *records_suite(void) {
  const tw_suite *of_tls = alice->channel->tls_suite;
  return of_tls != NULL ? of_tls : tw_group_suite(tw_channel_group(alice->channel));
}

static void renew(tw_test_side *side) {
  assert_int_equal(tw_channel_rekey(side->channel, wire.now_ms), TW_OK);
  tw_test_side_save(side);
  run();
}

static void talk(void) {
  tw_test_side_write(alice, TW_LITERAL("to bob"));
  tw_test_side_write(bob, TW_LITERAL("to alice"));
  run();
}

static void live(void) {
  run();
  talk();
  renew(alice);
  talk();
  renew(bob);
  renew(bob);
  talk();
}

/* ---- tests ---- */

static const tw_channel_protocol protocols[] = {TW_CHANNEL_MLS_TLS, TW_CHANNEL_TLS};

static void it_opens_every_record_of_every_suite(void **state) {
  (void)state;
  const size_t suites = tw_test_rounds(100, 4);
  for (size_t i = 0; i < suites && tw_suite_at(i) != NULL; i++) {
    for (size_t p = 0; p < 2; p++) {
      begin(tw_suite_at(i), protocols[p]);
      new_connection(alice);
      tw_test_wire_open(&wire);
      live();
      assert_all_open(records_suite(), 5);
      assert_int_equal(of_alice.count, protocols[p] == TW_CHANNEL_TLS ? 2 + 8 : 8);
      clear();
    }
  }
}

static void it_opens_resumed_connections_and_early_data(void **state) {
  (void)state;
  for (size_t p = 0; p < 2; p++) {
    begin(tw_suite_by_id(NULL, 1), protocols[p]);
    tw_test_wire_establish(&wire);
    for (unsigned i = 0; i < 4; i++) {
      tw_test_side *opener = i % 2 == 0 ? alice : bob;
      new_connection(opener);
      tw_test_wire_reopen(&wire, opener);
      tw_test_side_write(opener, TW_LITERAL("early"));
      live();
      assert_all_open(records_suite(), 4);
    }
    clear();
  }
}

static void labels_are_those_of_the_documents(void **state) {
  (void)state;
  begin(tw_suite_by_id(NULL, 1), TW_CHANNEL_TLS);
  new_connection(alice);
  tw_test_wire_open(&wire);
  /* The random is in the ClientHello, after record header, handshake header and version. */
  char id[ID_DIGITS + 2] = " ";
  const tw_bytes hello = tw_channel_output(alice->channel);
  for (size_t i = 0; i < ID_DIGITS / 2; i++) {
    static const char digits[] = "0123456789abcdef";
    id[1 + 2 * i] = digits[hello.ptr[11 + i] >> 4];
    id[2 + 2 * i] = digits[hello.ptr[11 + i] & 15];
  }
  run();
  renew(alice);
  static const char *const expected[] = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                         "CLIENT_TRAFFIC_SECRET_0",         "SERVER_TRAFFIC_SECRET_0",
                                         "CLIENT_TRAFFIC_SECRET_1",         "SERVER_TRAFFIC_SECRET_1"};
  const size_t count = sizeof expected / sizeof expected[0];
  assert_int_equal(of_alice.count, count);
  for (size_t i = 0; i < count; i++) {
    size_t k = 0;
    const size_t len = strlen(expected[i]);
    while (k < count && strncmp(of_alice.lines[k], expected[i], len) != 0) k++;
    assert_true(k < count);
    assert_memory_equal(of_alice.lines[k] + len, id, ID_DIGITS + 1);
  }
  clear();
}

static void connections_without_a_client_random_go_by_their_first_message(void **state) {
  (void)state;
  begin(tw_suite_by_id(NULL, 2), TW_CHANNEL_MLS_TLS);
  new_connection(alice);
  tw_test_wire_open(&wire);
  const tw_bytes out = tw_channel_output(alice->channel);
  const tw_bytes message = TW_BYTES(out.ptr + TW_RECORD_HEADER + TW_CHANNEL_HANDSHAKE_HEADER,
                                    out.len - TW_RECORD_HEADER - 4);
  uint8_t hash[TW_HASH_MAX], id[TW_HASH_MAX];
  assert_int_equal(tw_hash_parts(&wire.test.env, tw_suite_by_id(NULL, 1), &message, 1, hash), TW_OK);
  run();
  static const char client[] = "MLS_TLS_CLIENT_TRAFFIC_SECRET_1 ";
  static const char server[] = "MLS_TLS_SERVER_TRAFFIC_SECRET_1 ";
  assert_int_equal(of_alice.count, 2);
  assert_memory_equal(of_alice.lines[0], client, sizeof client - 1);
  assert_memory_equal(of_alice.lines[1], server, sizeof server - 1);
  of_alice.lines[0][sizeof client - 1 + ID_DIGITS] = '\0';
  assert_int_equal(unhex(of_alice.lines[0] + sizeof client - 1, id), 32);
  assert_memory_equal(id, hash, 32);
  clear();
}

/* The secrets are in the lines and on no wire; without the callback nothing is kept of the connection either. */
static void nothing_is_told_elsewhere(void **state) {
  (void)state;
  for (size_t p = 0; p < 2; p++) {
    begin(tw_suite_by_id(NULL, 1), protocols[p]);
    alice->config.keylog = NULL;
    new_connection(alice);
    tw_test_wire_open(&wire);
    live();
    assert_int_equal(of_alice.count, 0);
    static const uint8_t none[TW_CHANNEL_LOG_ID];
    assert_memory_equal(alice->channel->log_id, none, sizeof none);
    assert_true(of_bob.count > 0);
    for (size_t i = 0; i < of_bob.count; i++) {
      uint8_t secret[TW_HASH_MAX];
      const char *hex = strrchr(of_bob.lines[i], ' ') + 1;
      const size_t len = unhex(hex, secret);
      const tap *const taps[] = {&from_alice, &from_bob};
      for (size_t t = 0; t < 2; t++) {
        assert_null(memmem(taps[t]->bytes.ptr, taps[t]->bytes.len, secret, len));
        assert_null(memmem(taps[t]->bytes.ptr, taps[t]->bytes.len, hex, strlen(hex)));
      }
    }
    clear();
  }
}

static void a_failing_allocator_is_survived(void **state) {
  (void)state;
  begin(tw_suite_by_id(NULL, 1), TW_CHANNEL_MLS_TLS);
  tw_err err = TW_ERR_NO_MEMORY;
  for (size_t n = 1; err != TW_OK; n++) {
    assert_true(n < 1000);
    tw_test_fail_alloc(&wire.test, n);
    err = tw_channel_connect(&alice->config, wire.now_ms, &alice->channel);
    tw_test_fail_alloc(&wire.test, 0);
    if (err != TW_OK) {
      assert_int_equal(err, TW_ERR_NO_MEMORY);
      assert_int_equal(of_alice.count, 0);
    }
  }
  assert_int_equal(tw_channel_accept(&bob->config, wire.now_ms, &bob->channel), TW_OK);
  new_connection(alice);
  live();
  assert_all_open(records_suite(), 5);
  clear();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_opens_every_record_of_every_suite),
      cmocka_unit_test(it_opens_resumed_connections_and_early_data),
      cmocka_unit_test(labels_are_those_of_the_documents),
      cmocka_unit_test(connections_without_a_client_random_go_by_their_first_message),
      cmocka_unit_test(nothing_is_told_elsewhere),
      cmocka_unit_test(a_failing_allocator_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
