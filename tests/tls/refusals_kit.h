/* Handshakes of which one message is changed, and the error and the alert that come of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_REFUSALS_KIT_H
#define TW_TESTS_REFUSALS_KIT_H

#include "tls/tls_kit.h"

enum { MLS = 0xff4d };

static const tw_bytes names[] = {TW_LITERAL("server.example")};
static const tw_bytes protocols[] = {TW_LITERAL("h2")};

/* ---- one change of one message ---- */

typedef struct refusal {
  const char *what;
  void (*change)(tw_buf *message); /* NULL: none, the configuration has it */
  void (*configure)(void);         /* NULL: none */
  tw_err err;
  uint8_t alert;
} refusal;

typedef struct place {
  const tw_test_tls_side *from;
  size_t index;
  void (*change)(tw_buf *message);
} place;

static inline void change_one(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  const place *at = ctx;
  if (from == at->from && index == at->index && at->change != NULL) at->change(message);
}

static inline int setup(void **state) {
  (void)state;
  tw_test_tls_init(&both, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static inline void reset_configs(void) {
  tw_test_tls_side *const sides[] = {alice, bob};
  for (size_t i = 0; i < 2; i++) {
    sides[i]->config = (tw_tls_config){.clients = sides[i]->party.clients, .client_count = 1};
    sides[i]->party.refuses = false;
  }
  both.now_ms = TW_TEST_NOW_MS;
}

/* `by` refuses message `index` of the other side, changed, and neither side is done with it. */
static inline void check(const refusal *cases, size_t count, tw_test_tls_side *by, size_t index) {
  tw_test_tls_side *from = by == alice ? bob : alice;
  for (size_t i = 0; i < count; i++) {
    reset_configs();
    if (cases[i].configure != NULL) cases[i].configure();
    place at = {from, index, cases[i].change};
    both.tamper = change_one;
    both.tamper_ctx = &at;
    tw_test_tls_open(&both);
    tw_test_tls_run(&both);
    if (by->err != cases[i].err || by->alert_sent != cases[i].alert) {
      fail_msg("%s: %s, alert %u", cases[i].what, tw_err_text(by->err), by->alert_sent);
    }
    assert_int_equal(tw_tls_state_of(by->tls), TW_TLS_FAILED);
    assert_int_not_equal(tw_tls_state_of(from->tls) == TW_TLS_DONE && from == bob, 1);
    assert_int_equal(tw_tls_receive(by->tls, TW_TLS_PLAIN, TW_NO_BYTES, true, both.now_ms), TW_ERR_CLOSED);
    tw_tls_step step;
    assert_false(tw_tls_next_step(by->tls, &step));
    if (from->err != TW_OK) assert_int_equal(from->alert_received, cases[i].alert);
    tw_test_tls_close(&both);
    both.tamper = NULL;
  }
  reset_configs();
}
#define CHECK(cases, by, index) check(cases, sizeof(cases) / sizeof((cases)[0]), by, index)

#define SET(name, type, data)                                                                                          \
  static inline void name(tw_buf *m) { tw_test_tls_set_extension(m, type, TW_LITERAL(data)); }
#define ADD(name, type, data)                                                                                          \
  static inline void name(tw_buf *m) { tw_test_tls_add_extension(m, type, TW_LITERAL(data)); }
#define REMOVE(name, type)                                                                                             \
  static inline void name(tw_buf *m) { tw_test_tls_remove_extension(m, type); }
#define FORBIDDEN TW_ERR_FORBIDDEN
#define ILLEGAL TW_ALERT_ILLEGAL_PARAMETER
#define DECODE TW_ALERT_DECODE_ERROR
#define MISSING TW_ALERT_MISSING_EXTENSION
#define UNSUPPORTED TW_ALERT_UNSUPPORTED_EXTENSION
#define VERSION TW_ALERT_PROTOCOL_VERSION
#define FAILURE TW_ALERT_HANDSHAKE_FAILURE

/* ---- changes of more than one kind of message ---- */

enum { VERSION_AT = 4, RANDOM_AT = 6, SESSION_AT = 38 };
enum { SUITE_AT = SESSION_AT + 1 + 32, COMPRESSION_AT = SUITE_AT + 2 };

static inline void old_legacy_version(tw_buf *m) { m->ptr[VERSION_AT + 1] = 2; }
static inline void new_legacy_version(tw_buf *m) { m->ptr[VERSION_AT + 1] = 4; }
static inline void long_session_id(tw_buf *m) { m->ptr[SESSION_AT] = 33; }
static inline void other_session_id(tw_buf *m) { m->ptr[SESSION_AT + 1] ^= 1; }
static inline void suite_not_offered(tw_buf *m) { m->ptr[SUITE_AT + 1] = 4; }
static inline void suite_of_another_hash(tw_buf *m) { m->ptr[SUITE_AT + 1] = 2; }
static inline void answer_compressed(tw_buf *m) { m->ptr[COMPRESSION_AT] = 1; }
static inline void short_block(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) + 1]--; }
static inline void long_block(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) + 1]++; }
static inline void flip_last(tw_buf *m) { m->ptr[m->len - 1] ^= 1; }
REMOVE(without_versions, TW_TLS_EXT_SUPPORTED_VERSIONS)
SET(chosen_12, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\3")
ADD(versions_twice, TW_TLS_EXT_SUPPORTED_VERSIONS, "\2\3\4")
ADD(unknown_twice, 0x1234, "")
static inline void unknown_two(tw_buf *m) {
  unknown_twice(m);
  unknown_twice(m);
}
ADD(mls_twice, MLS, "x")
ADD(mls_in_ee, MLS, "x")
REMOVE(without_mls, MLS)
static inline void of_tls12(tw_buf *m) {
  without_mls(m);
  without_versions(m);
}
ADD(early_data, TW_TLS_EXT_EARLY_DATA, "")
ADD(early_in_ee, TW_TLS_EXT_EARLY_DATA, "")
REMOVE(without_groups, TW_TLS_EXT_SUPPORTED_GROUPS)
SET(no_protocol, TW_TLS_EXT_ALPN, "\0\0")
SET(small_limit, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\0\x3f")
ADD(alpn_too, TW_TLS_EXT_ALPN, "\0\3\2h2")
ADD(unknown_too, 0xabcd, "")

static inline void change_key_package(tw_buf *m, size_t cut, size_t at, uint8_t bits, size_t more) {
  tw_buf data = {0};
  assert_int_equal(tw_buf_append(&data, tw_test_tls_extension(tw_buf_bytes(m), MLS)), TW_OK);
  if (bits != 0) data.ptr[at < data.len ? at : data.len - 1] ^= bits;
  data.len -= cut;
  if (more > 0) assert_int_equal(tw_buf_append(&data, TW_LITERAL("x")), TW_OK);
  tw_test_tls_set_extension(m, MLS, tw_buf_bytes(&data));
  tw_buf_clear(&data);
}
static inline void bad_signature(tw_buf *m) { change_key_package(m, 0, SIZE_MAX, 0x01, 0); }

static inline void with_names(void) {
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
}
static inline void with_protocols(void) {
  alice->config.protocols = bob->config.protocols = protocols;
  alice->config.protocol_count = bob->config.protocol_count = 1;
}

#endif
