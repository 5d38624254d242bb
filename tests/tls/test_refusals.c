/* What each side of a TLS handshake refuses, and by which alert. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_tls.h"
#include "tls/client_hello.h"
#include "tls/cookie.h"
#include "tls/machine.h"

static tw_test_tls both;
static tw_test_tls_side *const alice = &both.alice;
static tw_test_tls_side *const bob = &both.bob;

enum { MLS = 0xff4d };

static const tw_bytes names[] = {TW_LITERAL("server.example")};
static const tw_bytes other_names[] = {TW_LITERAL("other.example")};
static const tw_bytes protocols[] = {TW_LITERAL("h2")};
static const tw_bytes other_protocols[] = {TW_LITERAL("acme")};

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

static void change_one(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  const place *at = ctx;
  if (from == at->from && index == at->index && at->change != NULL) at->change(message);
}

static int setup(void **state) {
  (void)state;
  tw_test_tls_init(&both, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_tls_clear(&both);
  return 0;
}

static void reset_configs(void) {
  tw_test_tls_side *const sides[] = {alice, bob};
  for (size_t i = 0; i < 2; i++) {
    sides[i]->config = (tw_tls_config){.clients = sides[i]->party.clients, .client_count = 1};
    sides[i]->party.refuses = false;
  }
  both.now_ms = TW_TEST_NOW_MS;
}

/* `by` refuses message `index` of the other side, changed, and neither side is done with it. */
static void check(const refusal *cases, size_t count, tw_test_tls_side *by, size_t index) {
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
  static void name(tw_buf *m) { tw_test_tls_set_extension(m, type, TW_LITERAL(data)); }
#define ADD(name, type, data)                                                                                          \
  static void name(tw_buf *m) { tw_test_tls_add_extension(m, type, TW_LITERAL(data)); }
#define REMOVE(name, type)                                                                                             \
  static void name(tw_buf *m) { tw_test_tls_remove_extension(m, type); }
#define FORBIDDEN TW_ERR_FORBIDDEN
#define ILLEGAL TW_ALERT_ILLEGAL_PARAMETER
#define DECODE TW_ALERT_DECODE_ERROR
#define MISSING TW_ALERT_MISSING_EXTENSION
#define UNSUPPORTED TW_ALERT_UNSUPPORTED_EXTENSION
#define VERSION TW_ALERT_PROTOCOL_VERSION
#define FAILURE TW_ALERT_HANDSHAKE_FAILURE

/* ---- ClientHello at the server ---- */

enum { VERSION_AT = 4, RANDOM_AT = 6, SESSION_AT = 38 };

static void old_legacy_version(tw_buf *m) { m->ptr[VERSION_AT + 1] = 2; }
static void new_legacy_version(tw_buf *m) { m->ptr[VERSION_AT + 1] = 4; }
static void long_session_id(tw_buf *m) { m->ptr[SESSION_AT] = 33; }
static void odd_suites(tw_buf *m) { m->ptr[SESSION_AT + 1 + 32 + 1]--; }
static void compressed(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) - 1] = 1; }
static void no_compression(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) - 2] = 0; }
static void short_block(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) + 1]--; }
static void long_block(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) + 1]++; }
static void no_common_suite(tw_buf *m) {
  uint8_t *suites = m->ptr + SESSION_AT + 1 + 32 + 2;
  assert_int_equal(suites[2] << 8 | suites[3], 0x1301);
  suites[3] = 0x04; /* TLS_AES_128_CCM_SHA256 */
}
SET(versions_of_12, TW_TLS_EXT_SUPPORTED_VERSIONS, "\2\3\3")
SET(odd_versions, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\3\4\3")
SET(no_version, TW_TLS_EXT_SUPPORTED_VERSIONS, "\0")
SET(versions_and_more, TW_TLS_EXT_SUPPORTED_VERSIONS, "\2\3\4\0")
REMOVE(without_versions, TW_TLS_EXT_SUPPORTED_VERSIONS)
ADD(versions_twice, TW_TLS_EXT_SUPPORTED_VERSIONS, "\2\3\4")
ADD(unknown_twice, 0x1234, "")
static void unknown_two(tw_buf *m) {
  unknown_twice(m);
  unknown_twice(m);
}
ADD(mls_twice, MLS, "x")
ADD(early_data, TW_TLS_EXT_EARLY_DATA, "")
ADD(unasked_cookie, TW_TLS_EXT_COOKIE, "\0\1x")
/* One that a server without a key would have made, if it made any. */
static void cookie_without_key(tw_buf *m) {
  const tw_tls_cookie_keeper keeper = {
      .env = &both.test.env, .suite = tw_tls_suite_by_id(0x1301), .now_ms = TW_TEST_NOW_MS};
  tw_tls_remembered remembered = {0};
  tw_tls_client_hello hello;
  tw_buf cookie = {0}, data = {0};
  const tw_bytes body = TW_BYTES(m->ptr + TW_TLS_MESSAGE_HEADER, m->len - TW_TLS_MESSAGE_HEADER);
  assert_int_equal(tw_tls_client_hello_decode(body, &hello), TW_OK);
  assert_int_equal(tw_tls_client_hello_digest(keeper.env, keeper.suite, &hello, false, remembered.digest), TW_OK);
  assert_int_equal(tw_tls_cookie_make(&keeper, &remembered, &cookie), TW_OK);
  tw_writer w = tw_writer_to(&data);
  tw_write_vector16(&w, tw_buf_bytes(&cookie));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_test_tls_add_extension(m, TW_TLS_EXT_COOKIE, tw_buf_bytes(&data));
  tw_buf_clear(&cookie);
  tw_buf_clear(&data);
}
ADD(empty_cookie, TW_TLS_EXT_COOKIE, "\0\0")
ADD(oid_filters, TW_TLS_EXT_OID_FILTERS, "\0\0")
ADD(psk_alone, TW_TLS_EXT_PRE_SHARED_KEY, "x")
static void psk_not_last(tw_buf *m) {
  psk_alone(m);
  tw_test_tls_add_extension(m, TW_TLS_EXT_PSK_KEY_EXCHANGE_MODES, TW_LITERAL("\1\1"));
}
REMOVE(without_signature_algorithms, TW_TLS_EXT_SIGNATURE_ALGORITHMS)
REMOVE(without_groups, TW_TLS_EXT_SUPPORTED_GROUPS)
REMOVE(without_shares, TW_TLS_EXT_KEY_SHARE)
static void without_both(tw_buf *m) {
  without_groups(m);
  without_shares(m);
}
SET(empty_groups, TW_TLS_EXT_SUPPORTED_GROUPS, "\0\0")
SET(odd_groups, TW_TLS_EXT_SUPPORTED_GROUPS, "\0\3\0\x1d\0")
SET(empty_signatures, TW_TLS_EXT_SIGNATURE_ALGORITHMS, "\0\0")
SET(empty_share, TW_TLS_EXT_KEY_SHARE, "\0\4\0\x1d\0\0")
SET(cut_share, TW_TLS_EXT_KEY_SHARE, "\0\6\0\x1d\0\2x")
SET(one_share_twice, TW_TLS_EXT_KEY_SHARE, "\0\xa\0\x1d\0\1x\0\x1d\0\1y")
SET(no_name, TW_TLS_EXT_SERVER_NAME, "\0\0")
SET(empty_name, TW_TLS_EXT_SERVER_NAME, "\0\3\0\0\0")
SET(name_of_other_type, TW_TLS_EXT_SERVER_NAME, "\0\4\1\0\1a")
SET(two_names, TW_TLS_EXT_SERVER_NAME, "\0\x8\0\0\1a\0\0\1b")
SET(name_with_nul, TW_TLS_EXT_SERVER_NAME, "\0\6\0\0\3a\0b")
SET(no_protocol, TW_TLS_EXT_ALPN, "\0\0")
SET(empty_protocol, TW_TLS_EXT_ALPN, "\0\3\1a\0")
SET(cut_protocol, TW_TLS_EXT_ALPN, "\0\3\3ab")
SET(small_limit, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\0\x3f")
SET(long_limit, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\0\x40\0")
SET(no_key_package, MLS, "")
SET(cut_key_package, MLS, "\0\1\0")
static void change_key_package(tw_buf *m, size_t cut, size_t at, uint8_t bits, size_t more) {
  tw_buf data = {0};
  assert_int_equal(tw_buf_append(&data, tw_test_tls_extension(tw_buf_bytes(m), MLS)), TW_OK);
  if (bits != 0) data.ptr[at < data.len ? at : data.len - 1] ^= bits;
  data.len -= cut;
  if (more > 0) assert_int_equal(tw_buf_append(&data, TW_LITERAL("x")), TW_OK);
  tw_test_tls_set_extension(m, MLS, tw_buf_bytes(&data));
  tw_buf_clear(&data);
}
static void short_key_package(tw_buf *m) { change_key_package(m, 1, 0, 0, 0); }
static void long_key_package(tw_buf *m) { change_key_package(m, 0, 0, 0, 1); }
static void unknown_suite(tw_buf *m) { change_key_package(m, 0, 3, 0x40, 0); }
static void other_suite(tw_buf *m) { change_key_package(m, 0, 3, 0x02, 0); } /* 3: known, and not the server's */
static void other_mls_version(tw_buf *m) { change_key_package(m, 0, 1, 0x02, 0); }
static void bad_signature(tw_buf *m) { change_key_package(m, 0, SIZE_MAX, 0x01, 0); }

static void with_names(void) {
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
}
static void with_other_names(void) {
  with_names();
  bob->config.server_names = other_names;
  bob->config.server_name_count = 1;
}
static void with_name_required(void) { bob->config.server_name_required = true; }
static void with_protocols(void) {
  alice->config.protocols = bob->config.protocols = protocols;
  alice->config.protocol_count = bob->config.protocol_count = 1;
}
static void with_other_protocols(void) {
  with_protocols();
  bob->config.protocols = other_protocols;
}
static void with_limits(void) { alice->config.record_size_limit = bob->config.record_size_limit = 500; }
static void with_refusing_server(void) { bob->party.refuses = true; }
static void with_refusing_client(void) { alice->party.refuses = true; }

static void client_hellos_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"legacy_version 0x0302", old_legacy_version, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"legacy_version 0x0304", new_legacy_version, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"no TLS 1.3", versions_of_12, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"no supported_versions", without_versions, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"odd supported_versions", odd_versions, NULL, TW_ERR_ENCODING, DECODE},
      {"empty supported_versions", no_version, NULL, TW_ERR_ENCODING, DECODE},
      {"more than supported_versions", versions_and_more, NULL, TW_ERR_TRAILING, DECODE},
      {"session id of 33 bytes", long_session_id, NULL, TW_ERR_ENCODING, DECODE},
      {"odd list of suites", odd_suites, NULL, TW_ERR_ENCODING, DECODE},
      {"compression", compressed, NULL, FORBIDDEN, ILLEGAL},
      {"no compression methods", no_compression, NULL, TW_ERR_ENCODING, DECODE},
      {"block one byte short", short_block, NULL, TW_ERR_TRAILING, DECODE},
      {"block one byte long", long_block, NULL, TW_ERR_TRUNCATED, DECODE},
      {"suite not offered", no_common_suite, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"an extension twice", versions_twice, NULL, FORBIDDEN, ILLEGAL},
      {"an unknown extension twice", unknown_two, NULL, FORBIDDEN, ILLEGAL},
      {"our extension twice", mls_twice, NULL, FORBIDDEN, ILLEGAL},
      {"early_data", early_data, NULL, FORBIDDEN, ILLEGAL},
      {"a cookie of nobody's", unasked_cookie, NULL, FORBIDDEN, ILLEGAL},
      {"a cookie made without a key", cookie_without_key, NULL, FORBIDDEN, ILLEGAL},
      {"an empty cookie", empty_cookie, NULL, TW_ERR_ENCODING, DECODE},
      {"oid_filters", oid_filters, NULL, FORBIDDEN, ILLEGAL},
      {"pre_shared_key without modes", psk_alone, NULL, FORBIDDEN, MISSING},
      {"pre_shared_key not last", psk_not_last, NULL, FORBIDDEN, ILLEGAL},
      {"no signature_algorithms", without_signature_algorithms, NULL, FORBIDDEN, MISSING},
      {"no supported_groups", without_groups, NULL, FORBIDDEN, MISSING},
      {"no key_share", without_shares, NULL, FORBIDDEN, MISSING},
      {"neither groups nor key_share", without_both, NULL, FORBIDDEN, MISSING},
      {"empty supported_groups", empty_groups, NULL, TW_ERR_ENCODING, DECODE},
      {"odd supported_groups", odd_groups, NULL, TW_ERR_ENCODING, DECODE},
      {"empty signature_algorithms", empty_signatures, NULL, TW_ERR_ENCODING, DECODE},
      {"empty key_exchange", empty_share, NULL, TW_ERR_ENCODING, DECODE},
      {"cut key_share", cut_share, NULL, TW_ERR_TRUNCATED, DECODE},
      {"two shares of one group", one_share_twice, NULL, FORBIDDEN, ILLEGAL},
      {"no name in server_name", no_name, NULL, TW_ERR_ENCODING, DECODE},
      {"an empty name", empty_name, NULL, TW_ERR_ENCODING, DECODE},
      {"a name of another type", name_of_other_type, NULL, FORBIDDEN, ILLEGAL},
      {"two names", two_names, NULL, FORBIDDEN, ILLEGAL},
      {"a name with a zero byte", name_with_nul, NULL, FORBIDDEN, ILLEGAL},
      {"no protocol in ALPN", no_protocol, NULL, TW_ERR_ENCODING, DECODE},
      {"an empty protocol", empty_protocol, NULL, TW_ERR_ENCODING, DECODE},
      {"a cut protocol", cut_protocol, NULL, TW_ERR_TRUNCATED, DECODE},
      {"record_size_limit 63", small_limit, NULL, FORBIDDEN, ILLEGAL},
      {"record_size_limit of 3 bytes", long_limit, NULL, TW_ERR_TRAILING, DECODE},
      {"no KeyPackage", no_key_package, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a cut KeyPackage", cut_key_package, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a KeyPackage one byte short", short_key_package, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a KeyPackage one byte long", long_key_package, NULL, TW_ERR_TRAILING, DECODE},
      {"a KeyPackage of an unknown suite", unknown_suite, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a KeyPackage of a suite that we lack", other_suite, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a KeyPackage of another version", other_mls_version, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a KeyPackage with a bad signature", bad_signature, NULL, TW_ERR_SIGNATURE, TW_ALERT_DECRYPT_ERROR},
      {"a credential that is refused", NULL, with_refusing_server, TW_ERR_CREDENTIAL, TW_ALERT_ACCESS_DENIED},
      {"a name that is not ours", NULL, with_other_names, TW_ERR_UNSUPPORTED, TW_ALERT_UNRECOGNIZED_NAME},
      {"no name", NULL, with_name_required, FORBIDDEN, MISSING},
      {"no common protocol", NULL, with_other_protocols, TW_ERR_UNSUPPORTED, TW_ALERT_NO_APPLICATION_PROTOCOL},
  };
  CHECK(cases, bob, 0);
}

/* ---- ServerHello at the client ---- */

enum { SUITE_AT = SESSION_AT + 1 + 32, COMPRESSION_AT = SUITE_AT + 2 };

static void other_session_id(tw_buf *m) { m->ptr[SESSION_AT + 1] ^= 1; }
static void suite_not_offered(tw_buf *m) { m->ptr[SUITE_AT + 1] = 4; }
static void suite_of_another_hash(tw_buf *m) { m->ptr[SUITE_AT + 1] = 2; }
static void grease_suite(tw_buf *m) {
  const uint8_t *offered = alice->first_message.ptr + SUITE_AT + 2;
  memcpy(m->ptr + SUITE_AT, offered, 2);
}
static void grease_suite_of_a_stranger(tw_buf *m) {
  grease_suite(m);
  tw_test_tls_remove_extension(m, MLS);
}
static void answer_compressed(tw_buf *m) { m->ptr[COMPRESSION_AT] = 1; }
SET(chosen_12, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\3")
SET(chosen_draft, TW_TLS_EXT_SUPPORTED_VERSIONS, "\x7f\x1c")
SET(chosen_two, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\4\3\4")
REMOVE(without_mls, MLS)
static void of_tls12(tw_buf *m) {
  without_mls(m);
  without_versions(m);
}
static void downgrade_12(tw_buf *m) {
  of_tls12(m);
  memcpy(m->ptr + RANDOM_AT + 24, "DOWNGRD\1", 8);
}
static void downgrade_11(tw_buf *m) {
  of_tls12(m);
  memcpy(m->ptr + RANDOM_AT + 24, "DOWNGRD\0", 8);
}
ADD(share_too, TW_TLS_EXT_KEY_SHARE, "\0\x1d\0\1x")
ADD(psk_too, TW_TLS_EXT_PRE_SHARED_KEY, "\0\0")
ADD(alpn_too, TW_TLS_EXT_ALPN, "\0\3\2h2")
ADD(cookie_too, TW_TLS_EXT_COOKIE, "\0\1x")
ADD(unknown_too, 0xabcd, "")
ADD(signatures_too, TW_TLS_EXT_SIGNATURE_ALGORITHMS, "\0\2\4\3")
SET(no_welcome, MLS, "")
static void short_welcome(tw_buf *m) { change_key_package(m, 1, 0, 0, 0); }
static void long_welcome(tw_buf *m) { change_key_package(m, 0, 0, 0, 1); }
static void welcome_of_another_suite(tw_buf *m) { change_key_package(m, 0, 1, 0x02, 0); }
static void bad_welcome(tw_buf *m) { change_key_package(m, 0, SIZE_MAX, 0x01, 0); }

static void server_hellos_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"legacy_version 0x0302", old_legacy_version, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"legacy_version 0x0304", new_legacy_version, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"session id of 33 bytes", long_session_id, NULL, TW_ERR_ENCODING, DECODE},
      {"another session id", other_session_id, NULL, FORBIDDEN, ILLEGAL},
      {"a suite that was not offered", suite_not_offered, NULL, FORBIDDEN, ILLEGAL},
      {"a suite that is not the KeyPackage's", suite_of_another_hash, NULL, FORBIDDEN, ILLEGAL},
      {"the GREASE suite", grease_suite, NULL, FORBIDDEN, ILLEGAL},
      {"the GREASE suite without MLS", grease_suite_of_a_stranger, NULL, FORBIDDEN, ILLEGAL},
      {"compression", answer_compressed, NULL, FORBIDDEN, ILLEGAL},
      {"version 1.2 by extension", chosen_12, NULL, FORBIDDEN, ILLEGAL},
      {"a version of a draft", chosen_draft, NULL, FORBIDDEN, ILLEGAL},
      {"two versions", chosen_two, NULL, TW_ERR_TRAILING, DECODE},
      {"MLS without supported_versions", without_versions, NULL, FORBIDDEN, MISSING},
      {"TLS 1.2", of_tls12, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"TLS 1.2 of one who knows 1.3", downgrade_12, NULL, FORBIDDEN, ILLEGAL},
      {"TLS 1.1 of one who knows 1.3", downgrade_11, NULL, FORBIDDEN, ILLEGAL},
      {"no MLS", without_mls, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a key_share too", share_too, NULL, FORBIDDEN, ILLEGAL},
      {"a pre_shared_key that was not offered", psk_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"ALPN, offered, in the wrong place", alpn_too, with_protocols, FORBIDDEN, ILLEGAL},
      {"ALPN, not offered", alpn_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"a cookie", cookie_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"an unknown extension", unknown_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"signature_algorithms", signatures_too, NULL, FORBIDDEN, ILLEGAL},
      {"an extension twice", versions_twice, NULL, FORBIDDEN, ILLEGAL},
      {"our extension twice", mls_twice, NULL, FORBIDDEN, ILLEGAL},
      {"block one byte short", short_block, NULL, TW_ERR_TRAILING, DECODE},
      {"block one byte long", long_block, NULL, TW_ERR_TRUNCATED, DECODE},
      {"no Welcome", no_welcome, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a Welcome one byte short", short_welcome, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a Welcome one byte long", long_welcome, NULL, TW_ERR_TRAILING, DECODE},
      {"a Welcome of another suite", welcome_of_another_suite, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a Welcome with a flipped bit", bad_welcome, NULL, TW_ERR_DECRYPT, TW_ALERT_DECRYPT_ERROR},
      {"a credential that is refused", NULL, with_refusing_client, TW_ERR_CREDENTIAL, TW_ALERT_ACCESS_DENIED},
  };
  CHECK(cases, alice, 0);
}

/* ---- EncryptedExtensions and Finished ---- */

ADD(mls_in_ee, MLS, "x")
ADD(early_in_ee, TW_TLS_EXT_EARLY_DATA, "")
ADD(versions_in_ee, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\4")
ADD(share_in_ee, TW_TLS_EXT_KEY_SHARE, "\0\x1d\0\1x")
ADD(groups_in_ee, TW_TLS_EXT_SUPPORTED_GROUPS, "\0\2\0\x1d")
ADD(name_in_ee, TW_TLS_EXT_SERVER_NAME, "")
ADD(limit_in_ee, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\1\0")
ADD(fragments_in_ee, TW_TLS_EXT_MAX_FRAGMENT_LENGTH, "\1")
SET(full_name, TW_TLS_EXT_SERVER_NAME, "\0")
SET(protocol_not_offered, TW_TLS_EXT_ALPN, "\0\5\4acme")
SET(two_protocols, TW_TLS_EXT_ALPN, "\0\6\2h2\2h3")
SET(big_limit, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\x40\2")
static void grease_in_ee(tw_buf *m) {
  /* The first of ours. */
  const uint8_t *first = alice->first_message.ptr + tw_test_tls_extensions_at(tw_buf_bytes(&alice->first_message)) + 2;
  const uint16_t type = (uint16_t)(first[0] << 8 | first[1]);
  assert_true(tw_tls_is_grease(type));
  tw_test_tls_add_extension(m, type, TW_NO_BYTES);
}

static void encrypted_extensions_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"our extension", mls_in_ee, NULL, FORBIDDEN, ILLEGAL},
      {"early_data", early_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"supported_versions", versions_in_ee, NULL, FORBIDDEN, ILLEGAL},
      {"key_share", share_in_ee, NULL, FORBIDDEN, ILLEGAL},
      {"signature_algorithms", signatures_too, NULL, FORBIDDEN, ILLEGAL},
      {"an unknown extension", unknown_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"the GREASE extension", grease_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"ALPN, not offered", alpn_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"server_name, not offered", name_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"record_size_limit, not offered", limit_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"max_fragment_length", fragments_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"max_fragment_length beside a limit", fragments_in_ee, with_limits, FORBIDDEN, UNSUPPORTED},
      {"a name in server_name", full_name, with_names, TW_ERR_TRAILING, DECODE},
      {"a protocol that was not offered", protocol_not_offered, with_protocols, FORBIDDEN, ILLEGAL},
      {"two protocols", two_protocols, with_protocols, FORBIDDEN, ILLEGAL},
      {"no protocol", no_protocol, with_protocols, TW_ERR_ENCODING, DECODE},
      {"record_size_limit 63", small_limit, with_limits, FORBIDDEN, ILLEGAL},
      {"record_size_limit 16386", big_limit, with_limits, FORBIDDEN, ILLEGAL},
      {"an extension twice", unknown_two, NULL, FORBIDDEN, ILLEGAL},
      {"block one byte short", short_block, with_names, TW_ERR_TRAILING, DECODE},
      {"block one byte long", long_block, with_names, TW_ERR_TRUNCATED, DECODE},
      /* Allowed (section 4.2.7), and then the transcripts differ. */
      {"supported_groups", groups_in_ee, NULL, TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR},
  };
  CHECK(cases, alice, 1);
}

static void flip_last(tw_buf *m) { m->ptr[m->len - 1] ^= 1; }
static void cut_finished(tw_buf *m) {
  m->ptr[3]--;
  m->len--;
}
static void lengthen_finished(tw_buf *m) {
  m->ptr[3]++;
  assert_int_equal(tw_buf_append(m, TW_LITERAL("x")), TW_OK);
}
static void empty_finished(tw_buf *m) {
  m->ptr[3] = 0;
  m->len = 4;
}

static void wrong_finished_ends_it(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"a flipped bit", flip_last, NULL, TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR},
      {"one byte less", cut_finished, NULL, TW_ERR_ENCODING, DECODE},
      {"one byte more", lengthen_finished, NULL, TW_ERR_ENCODING, DECODE},
      {"nothing", empty_finished, NULL, TW_ERR_ENCODING, DECODE},
  };
  CHECK(cases, alice, 2);
  CHECK(cases, bob, 1);
}

/* ---- HelloRetryRequest and what follows ---- */

static void with_retry(void) {
  bob->config.retry = true;
  bob->config.cookie_key = TW_LITERAL("0123456789abcdef0123456789abcdef");
  bob->config.cookie_context = TW_LITERAL("192.0.2.1");
}
static void with_retry_and_protocols(void) {
  with_retry();
  with_protocols();
}
REMOVE(without_cookie, TW_TLS_EXT_COOKIE)
SET(empty_cookie_for_cookie, TW_TLS_EXT_COOKIE, "\0\0")
static void share_for_cookie(tw_buf *m, const char *group) {
  without_cookie(m);
  tw_test_tls_add_extension(m, TW_TLS_EXT_KEY_SHARE, TW_BYTES((const uint8_t *)group, 2));
}
static void share_that_was_given(tw_buf *m) { share_for_cookie(m, "\0\x1d"); }
static void group_not_offered(tw_buf *m) { share_for_cookie(m, "\0\x1e"); }
static void grease_group(tw_buf *m) {
  const tw_bytes groups = tw_test_tls_extension(tw_buf_bytes(&alice->first_message), TW_TLS_EXT_SUPPORTED_GROUPS);
  share_for_cookie(m, (const char *)groups.ptr + 2);
}

static void retries_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"nothing to change", without_cookie, with_retry, FORBIDDEN, ILLEGAL},
      {"a group whose share it had", share_that_was_given, with_retry, FORBIDDEN, ILLEGAL},
      {"a group that was not offered", group_not_offered, with_retry, FORBIDDEN, ILLEGAL},
      {"the GREASE group", grease_group, with_retry, FORBIDDEN, ILLEGAL},
      {"our extension", mls_in_ee, with_retry, FORBIDDEN, ILLEGAL},
      {"ALPN, offered, in the wrong place", alpn_too, with_retry_and_protocols, FORBIDDEN, ILLEGAL},
      {"ALPN, not offered", alpn_too, with_retry, FORBIDDEN, UNSUPPORTED},
      {"an unknown extension", unknown_too, with_retry, FORBIDDEN, UNSUPPORTED},
      {"early_data", early_in_ee, with_retry, FORBIDDEN, UNSUPPORTED},
      {"no supported_versions", without_versions, with_retry, FORBIDDEN, MISSING},
      {"version 1.2", chosen_12, with_retry, FORBIDDEN, ILLEGAL},
      {"legacy_version 0x0302", old_legacy_version, with_retry, TW_ERR_UNSUPPORTED, VERSION},
      {"another session id", other_session_id, with_retry, FORBIDDEN, ILLEGAL},
      {"a suite that was not offered", suite_not_offered, with_retry, FORBIDDEN, ILLEGAL},
      {"compression", answer_compressed, with_retry, FORBIDDEN, ILLEGAL},
      {"an empty cookie", empty_cookie_for_cookie, with_retry, TW_ERR_ENCODING, DECODE},
      /* Taken, and then the ServerHello has another suite than it had. */
      {"a suite that the ServerHello has not", suite_of_another_hash, with_retry, FORBIDDEN, ILLEGAL},
  };
  CHECK(cases, alice, 0);
}

static void second_is_a_retry_too(tw_buf *m) {
  assert_int_equal(tw_buf_assign(m, tw_buf_bytes(&bob->first_message)), TW_OK);
}

static void after_a_retry_the_client_is_stricter(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"a second HelloRetryRequest", second_is_a_retry_too, with_retry, TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {"another suite", suite_of_another_hash, with_retry, FORBIDDEN, ILLEGAL},
      {"another version", of_tls12, with_retry, FORBIDDEN, ILLEGAL},
  };
  CHECK(cases, alice, 1);
}

static void other_random(tw_buf *m) { m->ptr[RANDOM_AT] ^= 1; }
static void other_cookie(tw_buf *m) { flip_last(m); }
static void short_cookie(tw_buf *m) { tw_test_tls_set_extension(m, TW_TLS_EXT_COOKIE, TW_LITERAL("\0\1x")); }
static void later(tw_buf *m) {
  (void)m;
  both.now_ms += 60001;
}
static void earlier(tw_buf *m) {
  (void)m;
  both.now_ms -= 1;
}
static void second_hellos_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"no cookie", without_cookie, with_retry, FORBIDDEN, MISSING},
      {"another cookie", other_cookie, with_retry, FORBIDDEN, ILLEGAL},
      {"a short cookie", short_cookie, with_retry, FORBIDDEN, ILLEGAL},
      {"an old cookie", later, with_retry, FORBIDDEN, ILLEGAL},
      {"a cookie of tomorrow", earlier, with_retry, FORBIDDEN, ILLEGAL},
      {"another random", other_random, with_retry, FORBIDDEN, ILLEGAL},
      {"another session id", other_session_id, with_retry, FORBIDDEN, ILLEGAL},
      {"another KeyPackage", bad_signature, with_retry, FORBIDDEN, ILLEGAL},
      {"without our extension", without_mls, with_retry, FORBIDDEN, ILLEGAL},
      {"one extension more", unknown_too, with_retry, FORBIDDEN, ILLEGAL},
      {"one extension less", without_groups, with_retry, FORBIDDEN, MISSING},
      {"early_data", early_data, with_retry, FORBIDDEN, ILLEGAL},
  };
  CHECK(cases, bob, 1);
}

/* A server without MLS may want another share; ours has to be one. */
static void a_retry_for_a_group_brings_its_share(void **state) {
  (void)state;
  static const struct {
    const char *group;
    size_t size;
  } cases[] = {{"\0\x17", 65}, {"\0\x18", 97}};
  for (size_t i = 0; i < 2; i++) {
    reset_configs();
    with_retry();
    tw_test_tls_open(&both);
    tw_tls_step step;
    assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
    tw_test_tls_steps(alice);
    tw_test_tls_give(bob, tw_buf_bytes(&alice->wire));
    alice->wire.len = 0;
    tw_buf retry = {0};
    assert_int_equal(tw_buf_assign(&retry, tw_buf_bytes(&bob->first_message)), TW_OK);
    share_for_cookie(&retry, cases[i].group);
    assert_int_equal(tw_tls_receive(alice->tls, TW_TLS_PLAIN, tw_buf_bytes(&retry), true, both.now_ms), TW_OK);
    assert_true(tw_tls_next_step(alice->tls, &step));
    assert_int_equal(step.kind, TW_TLS_STEP_SEND_CCS);
    assert_true(tw_tls_next_step(alice->tls, &step));
    assert_int_equal(step.kind, TW_TLS_STEP_SEND);
    const tw_bytes share = tw_test_tls_extension(step.message, TW_TLS_EXT_KEY_SHARE);
    assert_int_equal(share.len, 2 + 4 + cases[i].size);
    assert_memory_equal(share.ptr + 2, cases[i].group, 2);
    assert_int_equal(share.ptr[6], 4);
    const tw_bytes first = tw_buf_bytes(&alice->first_message);
    tw_test_same(tw_test_tls_extension(step.message, MLS), tw_test_tls_extension(first, MLS));
    assert_memory_equal(step.message.ptr + 4, first.ptr + 4, 60);
    tw_buf_clear(&retry);
    tw_test_tls_close(&both);
  }
}

/* ---- messages where they do not belong ---- */

static const uint8_t types[] = {0,
                                TW_TLS_CLIENT_HELLO,
                                TW_TLS_SERVER_HELLO,
                                TW_TLS_NEW_SESSION_TICKET,
                                TW_TLS_END_OF_EARLY_DATA,
                                TW_TLS_ENCRYPTED_EXTENSIONS,
                                TW_TLS_CERTIFICATE,
                                TW_TLS_CERTIFICATE_REQUEST,
                                TW_TLS_CERTIFICATE_VERIFY,
                                TW_TLS_FINISHED,
                                TW_TLS_KEY_UPDATE,
                                0xf4,
                                TW_TLS_MESSAGE_HASH,
                                255};

/* One record of what waits. */
static void give_record(tw_test_tls_side *from, tw_test_tls_side *to) {
  tw_record_header header;
  assert_int_equal(tw_record_peek(tw_buf_bytes(&from->wire), true, &header), TW_OK);
  tw_test_tls_give(to, TW_BYTES(from->wire.ptr, header.size));
  tw_buf_consume(&from->wire, header.size);
}

/* A side in this state. */
static tw_test_tls_side *reach(tw_tls_state state) {
  tw_test_tls_side *side = state >= TW_TLS_WAIT_CLIENT_HELLO && state <= TW_TLS_WAIT_CLIENT_FINISHED ? bob : alice;
  reset_configs();
  if (state == TW_TLS_WAIT_SERVER_HELLO_2 || state == TW_TLS_WAIT_CLIENT_HELLO_2) with_retry();
  alice->separate = bob->separate = true;
  tw_test_tls_open(&both);
  for (unsigned i = 0; tw_tls_state_of(side->tls) != state; i++) {
    assert_true(i < 20);
    if (i == 0) {
      assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
      tw_test_tls_steps(alice);
    } else if (bob->wire.len > 0) {
      give_record(bob, alice);
    } else {
      give_record(alice, bob);
    }
  }
  return side;
}

static tw_tls_level level_of(uint8_t type) {
  return type == TW_TLS_FINISHED || type == TW_TLS_ENCRYPTED_EXTENSIONS ? TW_TLS_HANDSHAKE : TW_TLS_PLAIN;
}

static bool is_expected(tw_tls_state state, uint8_t type) {
  switch (state) {
  case TW_TLS_WAIT_SERVER_HELLO:
  case TW_TLS_WAIT_SERVER_HELLO_2: return type == TW_TLS_SERVER_HELLO;
  case TW_TLS_WAIT_ENCRYPTED: return type == TW_TLS_ENCRYPTED_EXTENSIONS;
  case TW_TLS_WAIT_CLIENT_HELLO:
  case TW_TLS_WAIT_CLIENT_HELLO_2: return type == TW_TLS_CLIENT_HELLO;
  case TW_TLS_WAIT_SERVER_FINISHED:
  case TW_TLS_WAIT_CLIENT_FINISHED: return type == TW_TLS_FINISHED;
  default: return false;
  }
}

static const tw_tls_state states[] = {TW_TLS_START,
                                      TW_TLS_WAIT_SERVER_HELLO,
                                      TW_TLS_WAIT_SERVER_HELLO_2,
                                      TW_TLS_WAIT_ENCRYPTED,
                                      TW_TLS_WAIT_SERVER_FINISHED,
                                      TW_TLS_WAIT_CLIENT_HELLO,
                                      TW_TLS_WAIT_CLIENT_HELLO_2,
                                      TW_TLS_WAIT_CLIENT_FINISHED,
                                      TW_TLS_DONE};
enum { STATES = sizeof states / sizeof states[0] };

static tw_err receive(tw_test_tls_side *side, tw_tls_level level, uint8_t type, bool ends_record) {
  const uint8_t message[] = {type, 0, 0, 0};
  return tw_tls_receive(side->tls, level, TW_ARRAY(message), ends_record, both.now_ms);
}

static void each_message_is_refused_in_each_state_but_its_own(void **state) {
  (void)state;
  for (size_t i = 0; i < STATES; i++) {
    for (size_t t = 0; t < sizeof types; t++) {
      for (int level = TW_TLS_PLAIN; level <= TW_TLS_APPLICATION; level++) {
        if (is_expected(states[i], types[t]) && level == (int)level_of(types[t])) continue;
        tw_test_tls_side *side = reach(states[i]);
        assert_int_equal(receive(side, (tw_tls_level)level, types[t], true), TW_ERR_UNEXPECTED);
        assert_int_equal(tw_tls_alert_told(side->tls), TW_ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(tw_tls_state_of(side->tls), TW_TLS_FAILED);
        tw_test_tls_close(&both);
      }
    }
  }
  alice->separate = bob->separate = false;
}

/* Section 5.1: keys change behind it. */
static void a_message_before_a_change_of_keys_ends_its_record(void **state) {
  (void)state;
  for (size_t i = 1; i + 1 < STATES; i++) {
    for (size_t t = 0; t < sizeof types; t++) {
      if (!is_expected(states[i], types[t])) continue;
      tw_test_tls_side *side = reach(states[i]);
      const tw_err err = receive(side, level_of(types[t]), types[t], false);
      assert_int_equal(err, types[t] == TW_TLS_ENCRYPTED_EXTENSIONS ? TW_ERR_TRUNCATED : TW_ERR_UNEXPECTED);
      tw_test_tls_close(&both);
    }
  }
  alice->separate = bob->separate = false;
}

static void errors_have_their_alerts(void **state) {
  (void)state;
  static const struct {
    tw_err err;
    uint8_t alert;
  } cases[] = {{TW_ERR_TRUNCATED, DECODE},
               {TW_ERR_TRAILING, DECODE},
               {TW_ERR_ENCODING, DECODE},
               {TW_ERR_FORBIDDEN, ILLEGAL},
               {TW_ERR_UNSUPPORTED, FAILURE},
               {TW_ERR_CREDENTIAL, TW_ALERT_ACCESS_DENIED},
               {TW_ERR_LIFETIME, TW_ALERT_CERTIFICATE_EXPIRED},
               {TW_ERR_CERTIFICATE, TW_ALERT_BAD_CERTIFICATE},
               {TW_ERR_CERTIFICATE_USE, TW_ALERT_UNSUPPORTED_CERTIFICATE},
               {TW_ERR_CERTIFICATE_REVOKED, TW_ALERT_CERTIFICATE_REVOKED},
               {TW_ERR_CERTIFICATE_EXPIRED, TW_ALERT_CERTIFICATE_EXPIRED},
               {TW_ERR_UNKNOWN_CA, TW_ALERT_UNKNOWN_CA},
               {TW_ERR_CAPABILITY, FAILURE},
               {TW_ERR_BINDING, FAILURE},
               {TW_ERR_KEY_REUSED, ILLEGAL},
               {TW_ERR_WRONG_GROUP, ILLEGAL},
               {TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
               {TW_ERR_SIGNATURE, TW_ALERT_DECRYPT_ERROR},
               {TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR},
               {TW_ERR_DECRYPT, TW_ALERT_DECRYPT_ERROR},
               {TW_ERR_KEY, ILLEGAL},
               {TW_ERR_MISSING_TREE, ILLEGAL},
               {TW_ERR_LIMIT, ILLEGAL},
               {TW_ERR_NO_MEMORY, TW_ALERT_INTERNAL_ERROR},
               {TW_ERR_RANDOM, TW_ALERT_INTERNAL_ERROR},
               {TW_ERR_INTERNAL, TW_ALERT_INTERNAL_ERROR}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(tw_tls_alert_of(cases[i].err), cases[i].alert);
  }
}

static void a_key_package_out_of_its_time_is_refused(void **state) {
  (void)state;
  tw_test_tls_open(&both);
  both.now_ms += UINT64_C(90) * 24 * 3600 * 1000;
  tw_test_tls_run(&both);
  assert_int_equal(bob->err, TW_ERR_LIFETIME);
  assert_int_equal(bob->alert_sent, TW_ALERT_CERTIFICATE_EXPIRED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(client_hellos_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(server_hellos_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(encrypted_extensions_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(wrong_finished_ends_it, setup, teardown),
      cmocka_unit_test_setup_teardown(retries_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(after_a_retry_the_client_is_stricter, setup, teardown),
      cmocka_unit_test_setup_teardown(second_hellos_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(a_retry_for_a_group_brings_its_share, setup, teardown),
      cmocka_unit_test_setup_teardown(each_message_is_refused_in_each_state_but_its_own, setup, teardown),
      cmocka_unit_test_setup_teardown(a_message_before_a_change_of_keys_ends_its_record, setup, teardown),
      cmocka_unit_test_setup_teardown(errors_have_their_alerts, setup, teardown),
      cmocka_unit_test_setup_teardown(a_key_package_out_of_its_time_is_refused, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
