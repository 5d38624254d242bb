/* What a server refuses of a ClientHello, and by which alert. SPDX-License-Identifier: Apache-2.0 */
#include "tls/refusals_kit.h"

#include "tls/client_hello.h"
#include "tls/cookie.h"

static const tw_bytes other_names[] = {TW_LITERAL("other.example")};
static const tw_bytes other_protocols[] = {TW_LITERAL("acme")};

static void odd_suites(tw_buf *m) { m->ptr[SESSION_AT + 1 + 32 + 1]--; }
static void compressed(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) - 1] = 1; }
static void no_compression(tw_buf *m) { m->ptr[tw_test_tls_extensions_at(tw_buf_bytes(m)) - 2] = 0; }
static void no_common_suite(tw_buf *m) {
  uint8_t *suites = m->ptr + SESSION_AT + 1 + 32 + 2;
  assert_int_equal(suites[2] << 8 | suites[3], 0x1301);
  suites[3] = 0x04; /* TLS_AES_128_CCM_SHA256 */
}
SET(versions_of_12, TW_TLS_EXT_SUPPORTED_VERSIONS, "\2\3\3")
SET(odd_versions, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\3\4\3")
SET(no_version, TW_TLS_EXT_SUPPORTED_VERSIONS, "\0")
SET(versions_and_more, TW_TLS_EXT_SUPPORTED_VERSIONS, "\2\3\4\0")
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
SET(empty_protocol, TW_TLS_EXT_ALPN, "\0\3\1a\0")
SET(cut_protocol, TW_TLS_EXT_ALPN, "\0\3\3ab")
SET(long_limit, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\0\x40\0")
SET(no_key_package, MLS, "")
SET(cut_key_package, MLS, "\0\1\0")
static void short_key_package(tw_buf *m) { change_key_package(m, 1, 0, 0, 0); }
static void long_key_package(tw_buf *m) { change_key_package(m, 0, 0, 0, 1); }
static void unknown_suite(tw_buf *m) { change_key_package(m, 0, 3, 0x40, 0); }
static void other_suite(tw_buf *m) { change_key_package(m, 0, 3, 0x02, 0); } /* 3: known, and not the server's */
static void other_mls_version(tw_buf *m) { change_key_package(m, 0, 1, 0x02, 0); }

static void with_other_names(void) {
  with_names();
  bob->config.server_names = other_names;
  bob->config.server_name_count = 1;
}
static void with_name_required(void) { bob->config.server_name_required = true; }
static void with_other_protocols(void) {
  with_protocols();
  bob->config.protocols = other_protocols;
}
static void with_refusing_server(void) { bob->party.refuses = true; }

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
      cmocka_unit_test_setup_teardown(a_key_package_out_of_its_time_is_refused, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
