/* Messages and extensions of TLS, there and back. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_env.h"
#include "tls/client_hello.h"
#include "tls/cookie.h"
#include "tls/encrypted_extensions.h"
#include "tls/envelope.h"
#include "tls/machine.h"
#include "tls/server_hello.h"

static tw_test_env test;

static int setup(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static const uint8_t random_bytes[TW_TLS_RANDOM] = {1, 2, 3};
static const uint8_t session_id[TW_TLS_SESSION_ID_MAX] = {4, 5, 6};

static tw_tls_hello_parts parts_of_hello(void) {
  static const uint8_t grease[TW_TLS_GREASE_SEED] = {0x00, 0x10, 0xef, 0xf0};
  static const uint8_t key[32] = {7};
  static const tw_bytes protocols[] = {TW_LITERAL("h2"), TW_LITERAL("http/1.1")};
  return (tw_tls_hello_parts){.random = random_bytes,
                              .session_id = session_id,
                              .grease = grease,
                              .suite = tw_tls_suite_by_id(0x1303),
                              .share = {TW_TLS_X25519, TW_ARRAY(key)},
                              .server_name = TW_LITERAL("server.example"),
                              .protocols = protocols,
                              .protocol_count = 2,
                              .record_size_limit = 1234,
                              .key_package = TW_LITERAL("a KeyPackage")};
}

static tw_bytes body_of(tw_bytes message) {
  return TW_BYTES(message.ptr + TW_TLS_MESSAGE_HEADER, message.len - TW_TLS_MESSAGE_HEADER);
}

static void a_client_hello_comes_back(void **state) {
  (void)state;
  const tw_tls_hello_parts parts = parts_of_hello();
  tw_buf message = TW_BUF_INIT(&test.alloc);
  assert_int_equal(tw_tls_client_hello_make(&test.env, &parts, &message), TW_OK);
  uint8_t type;
  size_t size;
  assert_int_equal(tw_tls_message_peek(tw_buf_bytes(&message), &type, &size), TW_OK);
  assert_int_equal(type, TW_TLS_CLIENT_HELLO);
  assert_int_equal(size, message.len);
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  assert_int_equal(tw_tls_client_hello_decode(body_of(tw_buf_bytes(&message)), &hello), TW_OK);
  assert_int_equal(tw_tls_offer_decode(&test.env, &hello, &offer), TW_OK);
  assert_int_equal(hello.legacy_version, 0x0303);
  tw_test_same(hello.random, TW_ARRAY(random_bytes));
  tw_test_same(hello.legacy_session_id, TW_ARRAY(session_id));
  tw_test_same(hello.cipher_suites, TW_LITERAL("\x0a\x0a\x13\x03\x13\x02\x13\x01"));
  tw_test_same(hello.legacy_compression_methods, TW_LITERAL("\0"));
  tw_test_same(offer.versions, TW_LITERAL("\xea\xea\x03\x04"));
  tw_test_same(offer.groups, TW_LITERAL("\x1a\x1a\0\x1d\0\x17\0\x18"));
  tw_test_same(offer.server_name, parts.server_name);
  tw_test_same(offer.protocols, TW_LITERAL("\2h2\x08http/1.1"));
  assert_int_equal(offer.record_size_limit, 1234);
  tw_test_same(offer.key_package, parts.key_package);
  assert_true(offer.has_shares && tw_tls_shares_have(offer.shares, TW_TLS_X25519));
  assert_false(tw_tls_shares_have(offer.shares, TW_TLS_SECP256R1));
  assert_false(offer.has_early_data);
  assert_int_equal(offer.cookie.len, 0);
  tw_bytes data;
  assert_true(tw_tls_find_extension(hello.extensions, 0xfafa, &data));
  tw_buf_clear(&message);
}

static void what_is_not_wanted_is_left_out(void **state) {
  (void)state;
  tw_tls_hello_parts parts = parts_of_hello();
  parts.server_name = TW_NO_BYTES;
  parts.protocol_count = 0;
  parts.record_size_limit = 0;
  tw_buf message = TW_BUF_INIT(&test.alloc);
  assert_int_equal(tw_tls_client_hello_make(&test.env, &parts, &message), TW_OK);
  tw_tls_client_hello hello;
  tw_bytes data;
  assert_int_equal(tw_tls_client_hello_decode(body_of(tw_buf_bytes(&message)), &hello), TW_OK);
  static const uint16_t absent[] = {TW_TLS_EXT_SERVER_NAME, TW_TLS_EXT_ALPN, TW_TLS_EXT_RECORD_SIZE_LIMIT};
  for (size_t i = 0; i < 3; i++) assert_false(tw_tls_find_extension(hello.extensions, absent[i], &data));
  tw_buf_clear(&message);
}

static void a_second_hello_differs_where_it_may(void **state) {
  (void)state;
  const tw_tls_hello_parts parts = parts_of_hello();
  const tw_suite *suite = parts.suite;
  tw_buf first = TW_BUF_INIT(&test.alloc), second = TW_BUF_INIT(&test.alloc);
  tw_tls_client_hello before, after;
  tw_tls_offer offer;
  uint8_t a[TW_HASH_MAX], b[TW_HASH_MAX];
  const tw_tls_share share = {TW_TLS_SECP256R1, TW_LITERAL("a point")};
  assert_int_equal(tw_tls_client_hello_make(&test.env, &parts, &first), TW_OK);
  assert_int_equal(tw_tls_client_hello_decode(body_of(tw_buf_bytes(&first)), &before), TW_OK);
  assert_int_equal(tw_tls_client_hello_again(&before, &share, TW_LITERAL("a cookie"), &second), TW_OK);
  assert_int_equal(tw_tls_client_hello_decode(body_of(tw_buf_bytes(&second)), &after), TW_OK);
  assert_int_equal(tw_tls_offer_decode(&test.env, &after, &offer), TW_OK);
  tw_test_same(offer.cookie, TW_LITERAL("a cookie"));
  assert_true(tw_tls_shares_have(offer.shares, TW_TLS_SECP256R1));
  assert_false(tw_tls_shares_have(offer.shares, TW_TLS_X25519));
  assert_int_equal(tw_tls_client_hello_digest(&test.env, suite, &before, true, a), TW_OK);
  assert_int_equal(tw_tls_client_hello_digest(&test.env, suite, &after, true, b), TW_OK);
  assert_memory_equal(a, b, 32);
  assert_int_equal(tw_tls_client_hello_digest(&test.env, suite, &before, false, a), TW_OK);
  assert_int_equal(tw_tls_client_hello_digest(&test.env, suite, &after, false, b), TW_OK);
  assert_memory_not_equal(a, b, 32);
  second.len = 0;
  assert_int_equal(tw_tls_client_hello_again(&before, NULL, TW_NO_BYTES, &second), TW_OK);
  tw_test_same(tw_buf_bytes(&first), tw_buf_bytes(&second));
  tw_buf_clear(&first);
  tw_buf_clear(&second);
}

static void a_server_hello_comes_back(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(&test.alloc);
  tw_tls_server_hello hello;
  tw_bytes data;
  const tw_suite *suite = tw_tls_suite_by_id(0x1301);
  assert_int_equal(
      tw_tls_server_hello_make(&test.env, random_bytes, TW_ARRAY(session_id), suite, TW_LITERAL("a Welcome"), &message),
      TW_OK);
  assert_false(tw_tls_is_retry(body_of(tw_buf_bytes(&message))));
  assert_int_equal(tw_tls_server_hello_decode(body_of(tw_buf_bytes(&message)), &hello), TW_OK);
  assert_false(hello.is_retry);
  assert_int_equal(hello.cipher_suite, 0x1301);
  tw_test_same(hello.random, TW_ARRAY(random_bytes));
  tw_test_same(hello.legacy_session_id_echo, TW_ARRAY(session_id));
  assert_true(tw_tls_find_extension(hello.extensions, 0xff4d, &data));
  tw_test_same(data, TW_LITERAL("a Welcome"));
  message.len = 0;
  assert_int_equal(tw_tls_retry_make(TW_NO_BYTES, suite, TW_LITERAL("a cookie"), &message), TW_OK);
  assert_true(tw_tls_is_retry(body_of(tw_buf_bytes(&message))));
  assert_int_equal(tw_tls_server_hello_decode(body_of(tw_buf_bytes(&message)), &hello), TW_OK);
  assert_true(hello.is_retry);
  assert_true(tw_tls_find_extension(hello.extensions, TW_TLS_EXT_COOKIE, &data));
  tw_test_same(data, TW_LITERAL("\0\x8"
                                "a cookie"));
  tw_buf_clear(&message);
}

static void encrypted_extensions_come_back(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(&test.alloc);
  tw_tls_encrypted_extensions out;
  const tw_tls_encrypted_extensions in = {.name_taken = true, .protocol = TW_LITERAL("h2"), .record_size_limit = 64};
  assert_int_equal(tw_tls_encrypted_extensions_make(&in, &message), TW_OK);
  assert_int_equal(tw_tls_encrypted_extensions_decode(body_of(tw_buf_bytes(&message)), &out), TW_OK);
  assert_true(out.name_taken);
  tw_test_same(out.protocol, in.protocol);
  assert_int_equal(out.record_size_limit, 64);
  message.len = 0;
  assert_int_equal(tw_tls_encrypted_extensions_make(&(tw_tls_encrypted_extensions){0}, &message), TW_OK);
  tw_test_same(tw_buf_bytes(&message), TW_LITERAL("\x8\0\0\2\0\0"));
  assert_int_equal(tw_tls_encrypted_extensions_decode(body_of(tw_buf_bytes(&message)), &out), TW_OK);
  assert_false(out.name_taken);
  assert_int_equal(out.protocol.len + out.record_size_limit, 0);
  tw_buf_clear(&message);
}

/* ---- cuts ---- */

static tw_err decode_client_hello(tw_bytes body) {
  tw_tls_client_hello hello;
  return tw_tls_client_hello_decode(body, &hello);
}
static tw_err decode_server_hello(tw_bytes body) {
  tw_tls_server_hello hello;
  return tw_tls_server_hello_decode(body, &hello);
}
static tw_err decode_encrypted_extensions(tw_bytes body) {
  tw_tls_encrypted_extensions extensions;
  return tw_tls_encrypted_extensions_decode(body, &extensions);
}
static tw_err decode_message(tw_bytes encoded) {
  tw_tls_message message;
  return tw_tls_message_decode(encoded, &message);
}
static tw_err read_versions(tw_bytes data) { return tw_tls_read_versions(data, &data); }
static tw_err read_list(tw_bytes data) { return tw_tls_read_u16_list(data, &data); }
static tw_err read_number(tw_bytes data) {
  uint16_t value;
  return tw_tls_read_one_u16(data, &value);
}
static tw_err read_name(tw_bytes data) { return tw_tls_read_server_name(data, &data); }
static tw_err read_protocols(tw_bytes data) { return tw_tls_read_protocols(data, &data); }
static tw_err read_shares(tw_bytes data) { return tw_tls_read_shares(data, &data); }
static tw_err read_cookie(tw_bytes data) { return tw_tls_read_cookie(data, &data); }

/* Whole it is taken; cut anywhere, or with a byte more, it is malformed. `but`: lengths at which it is whole, too. */
static void check_cuts(tw_err (*decode)(tw_bytes), tw_bytes whole, size_t but) {
  tw_buf copy = {0};
  assert_int_equal(decode(whole), TW_OK);
  for (size_t len = 0; len < whole.len; len++) {
    /* In memory of its own, so that the sanitizers see a byte read past the end. */
    tw_buf_clear(&copy);
    assert_int_equal(tw_buf_append(&copy, TW_BYTES(whole.ptr, len)), TW_OK);
    const tw_err err = decode(tw_buf_bytes(&copy));
    assert_int_equal(tw_err_class_of(err), len == but ? TW_CLASS_OK : TW_CLASS_MALFORMED);
  }
  assert_int_equal(tw_buf_assign(&copy, whole), TW_OK);
  assert_int_equal(tw_buf_append(&copy, TW_LITERAL("\0")), TW_OK);
  assert_int_equal(decode(tw_buf_bytes(&copy)), TW_ERR_TRAILING);
  tw_buf_clear(&copy);
}

static void truncation_at_every_byte_is_refused(void **state) {
  (void)state;
  tw_buf message = TW_BUF_INIT(&test.alloc);
  const tw_tls_hello_parts parts = parts_of_hello();
  const tw_suite *suite = tw_tls_suite_by_id(0x1302);
  const size_t before = 2 + 32 + 1 + 32;
  assert_int_equal(tw_tls_client_hello_make(&test.env, &parts, &message), TW_OK);
  check_cuts(decode_message, tw_buf_bytes(&message), SIZE_MAX);
  /* Without extensions it is a ClientHello of TLS 1.2. */
  check_cuts(decode_client_hello, body_of(tw_buf_bytes(&message)), before + 2 + 8 + 2);
  message.len = 0;
  assert_int_equal(
      tw_tls_server_hello_make(&test.env, random_bytes, TW_ARRAY(session_id), suite, TW_LITERAL("a Welcome"), &message),
      TW_OK);
  check_cuts(decode_server_hello, body_of(tw_buf_bytes(&message)), before + 3);
  message.len = 0;
  const tw_tls_encrypted_extensions all = {.name_taken = true, .protocol = TW_LITERAL("h2"), .record_size_limit = 64};
  assert_int_equal(tw_tls_encrypted_extensions_make(&all, &message), TW_OK);
  check_cuts(decode_encrypted_extensions, body_of(tw_buf_bytes(&message)), SIZE_MAX);
  tw_buf_clear(&message);
  check_cuts(read_versions, TW_LITERAL("\4\3\4\3\3"), SIZE_MAX);
  check_cuts(read_list, TW_LITERAL("\0\4\0\x17\0\x1d"), SIZE_MAX);
  check_cuts(read_number, TW_LITERAL("\3\4"), SIZE_MAX);
  check_cuts(read_name, TW_LITERAL("\0\x6\0\0\3a.b"), SIZE_MAX);
  check_cuts(read_protocols, TW_LITERAL("\0\6\2h2\2h3"), SIZE_MAX);
  check_cuts(read_shares, TW_LITERAL("\0\xc\0\x1d\0\2ab\0\x17\0\2cd"), SIZE_MAX);
  check_cuts(read_cookie, TW_LITERAL("\0\2ab"), SIZE_MAX);
}

static void names_are_compared_as_hosts_are(void **state) {
  (void)state;
  assert_true(tw_tls_names_equal(TW_LITERAL("A.example"), TW_LITERAL("a.EXAMPLE")));
  assert_false(tw_tls_names_equal(TW_LITERAL("a.example"), TW_LITERAL("a.exampl")));
  assert_false(tw_tls_names_equal(TW_LITERAL("["), TW_LITERAL("{")));
  uint8_t name[256];
  memset(name, 'a', sizeof name);
  assert_true(tw_tls_name_valid(TW_BYTES(name, 255)));
  assert_false(tw_tls_name_valid(TW_BYTES(name, 256)));
  assert_false(tw_tls_name_valid(TW_NO_BYTES));
  static const uint8_t bad[] = {0, ' ', 0x7f, 0x80, 0xff};
  for (size_t i = 0; i < sizeof bad; i++) {
    name[1] = bad[i];
    assert_false(tw_tls_name_valid(TW_BYTES(name, 3)));
  }
}

static void too_much_does_not_fit(void **state) {
  (void)state;
  static uint8_t big[65536];
  tw_tls_hello_parts parts = parts_of_hello();
  tw_buf message = TW_BUF_INIT(&test.alloc);
  assert_int_equal(tw_buf_append(&message, TW_LITERAL("before")), TW_OK);
  static const size_t sizes[] = {65535, 65536};
  for (size_t i = 0; i < 2; i++) {
    /* Neither the extension nor the block with the others can be that long. */
    parts.key_package = TW_BYTES(big, sizes[i]);
    assert_int_equal(tw_tls_client_hello_make(&test.env, &parts, &message), TW_ERR_LIMIT);
    assert_int_equal(
        tw_tls_server_hello_make(&test.env, random_bytes, TW_NO_BYTES, parts.suite, parts.key_package, &message),
        TW_ERR_LIMIT);
    tw_test_same(tw_buf_bytes(&message), TW_LITERAL("before"));
  }
  tw_buf_clear(&message);
}

/* The most extensions that a block can have, and the same once more with one twice. */
static void a_full_block_is_checked_in_no_time(void **state) {
  (void)state;
  tw_buf block = {0};
  tw_writer w = tw_writer_to(&block);
  for (uint16_t type = 0; type < 16383; type++) tw_tls_write_extension(&w, type, TW_NO_BYTES);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  for (unsigned i = 0; i < 100; i++) assert_int_equal(tw_tls_extensions_check(tw_buf_bytes(&block)), TW_OK);
  block.ptr[block.len - 4] = 0;
  block.ptr[block.len - 3] = 0;
  assert_int_equal(tw_tls_extensions_check(tw_buf_bytes(&block)), TW_ERR_FORBIDDEN);
  tw_buf_clear(&block);
}

/* Section 4.2's table, the rows that matter most, and the draft's. */
static void extensions_have_their_places(void **state) {
  (void)state;
  static const struct {
    uint16_t type;
    const char *places; /* of: C, S, R, E */
  } cases[] = {{TW_TLS_EXT_SERVER_NAME, "CE"},
               {TW_TLS_EXT_SUPPORTED_GROUPS, "CE"},
               {TW_TLS_EXT_SIGNATURE_ALGORITHMS, "C"},
               {TW_TLS_EXT_ALPN, "CE"},
               {TW_TLS_EXT_RECORD_SIZE_LIMIT, "CE"},
               {TW_TLS_EXT_PRE_SHARED_KEY, "CS"},
               {TW_TLS_EXT_EARLY_DATA, "CE"},
               {TW_TLS_EXT_SUPPORTED_VERSIONS, "CSR"},
               {TW_TLS_EXT_COOKIE, "CR"},
               {TW_TLS_EXT_KEY_SHARE, "CSR"},
               {TW_TLS_EXT_OID_FILTERS, ""},
               {TW_TLS_EXT_PADDING, "C"},
               {0xff4d, "CS"}};
  static const struct {
    char name;
    tw_tls_place place;
  } places[] = {
      {'C', TW_TLS_IN_CLIENT_HELLO}, {'S', TW_TLS_IN_SERVER_HELLO}, {'R', TW_TLS_IN_RETRY}, {'E', TW_TLS_IN_ENCRYPTED}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (size_t k = 0; k < 4; k++) {
      const bool right = strchr(cases[i].places, places[k].name) != NULL;
      assert_int_equal(tw_tls_extension_place(&test.env, cases[i].type, places[k].place),
                       right ? TW_TLS_PLACE_RIGHT : TW_TLS_PLACE_WRONG);
    }
  }
  assert_int_equal(tw_tls_extension_place(&test.env, 0x1234, TW_TLS_IN_ENCRYPTED), TW_TLS_PLACE_UNKNOWN);
  /* The code point is the environment's. */
  test.code_points.tls_using_mls_handshake = 0x1234;
  assert_int_equal(tw_tls_extension_place(&test.env, 0x1234, TW_TLS_IN_ENCRYPTED), TW_TLS_PLACE_WRONG);
  assert_int_equal(tw_tls_extension_place(&test.env, 0xff4d, TW_TLS_IN_ENCRYPTED), TW_TLS_PLACE_UNKNOWN);
  test.code_points.tls_using_mls_handshake = 0xff4d;
}

static void grease_is_told_apart(void **state) {
  (void)state;
  size_t count = 0;
  for (uint32_t value = 0; value < 65536; value++) count += tw_tls_is_grease((uint16_t)value);
  assert_int_equal(count, 16);
  assert_true(tw_tls_is_grease(0x0a0a) && tw_tls_is_grease(0xfafa));
  assert_false(tw_tls_is_grease(0x0a1a));
}

/* ---- the envelope ---- */

static void headers_come_off_and_on(void **state) {
  (void)state;
  tw_buf wrapped = TW_BUF_INIT(&test.alloc);
  tw_bytes bare;
  assert_int_equal(tw_tls_wrap(TW_LITERAL("kp"), TW_PAIR_CLIENT_HELLO, &wrapped), TW_OK);
  tw_test_same(tw_buf_bytes(&wrapped), TW_LITERAL("\0\1\0\1\0\1\0\5kp"));
  assert_int_equal(tw_tls_unwrap(tw_buf_bytes(&wrapped), TW_PAIR_CLIENT_HELLO, &bare), TW_OK);
  tw_test_same(bare, TW_LITERAL("kp"));
  assert_int_equal(tw_tls_unwrap(tw_buf_bytes(&wrapped), TW_PAIR_SERVER_HELLO, &bare), TW_ERR_INTERNAL);
  wrapped.len = 0;
  assert_int_equal(tw_tls_wrap(TW_LITERAL("w"), TW_PAIR_SERVER_HELLO, &wrapped), TW_OK);
  tw_test_same(tw_buf_bytes(&wrapped), TW_LITERAL("\0\1\0\2\0\1\0\3w"));
  tw_buf_clear(&wrapped);
  uint16_t suite;
  assert_int_equal(tw_tls_key_package_suite(TW_LITERAL("\0\1\xf1\2"), &suite), TW_OK);
  assert_int_equal(suite, 0xf102);
  assert_int_equal(tw_tls_key_package_suite(TW_LITERAL("\0\1\xf1"), &suite), TW_ERR_TRUNCATED);
}

/* ---- cookies ---- */

static void cookies_are_known_again(void **state) {
  (void)state;
  tw_tls_cookie_keeper keeper = {.env = &test.env,
                                 .suite = tw_tls_suite_by_id(0x1302),
                                 .key = TW_LITERAL("a key"),
                                 .context = TW_LITERAL("address"),
                                 .now_ms = 1000000};
  tw_tls_remembered in, out;
  memset(&in, 3, sizeof in);
  tw_buf cookie = TW_BUF_INIT(&test.alloc);
  assert_int_equal(tw_tls_cookie_make(&keeper, &in, &cookie), TW_OK);
  assert_int_equal(tw_tls_cookie_open(&keeper, tw_buf_bytes(&cookie), &out), TW_OK);
  assert_memory_equal(in.hello_hash, out.hello_hash, 48);
  assert_memory_equal(in.digest, out.digest, 48);
  for (size_t i = 0; i < cookie.len; i++) {
    assert_int_equal(tw_tls_cookie_open(&keeper, TW_BYTES(cookie.ptr, i), &out), TW_ERR_FORBIDDEN);
    for (unsigned bit = 0; bit < 8; bit++) {
      cookie.ptr[i] ^= (uint8_t)(1u << bit);
      assert_int_equal(tw_tls_cookie_open(&keeper, tw_buf_bytes(&cookie), &out), TW_ERR_FORBIDDEN);
      cookie.ptr[i] ^= (uint8_t)(1u << bit);
    }
  }
  tw_tls_cookie_keeper other = keeper;
  other.key = TW_LITERAL("another key");
  assert_int_equal(tw_tls_cookie_open(&other, tw_buf_bytes(&cookie), &out), TW_ERR_FORBIDDEN);
  other = keeper;
  other.context = TW_LITERAL("addresS");
  assert_int_equal(tw_tls_cookie_open(&other, tw_buf_bytes(&cookie), &out), TW_ERR_FORBIDDEN);
  other = keeper;
  other.suite = tw_tls_suite_by_id(0x1301);
  assert_int_equal(tw_tls_cookie_open(&other, tw_buf_bytes(&cookie), &out), TW_ERR_FORBIDDEN);
  other = keeper;
  other.now_ms += TW_TLS_COOKIE_LIFE_MS;
  assert_int_equal(tw_tls_cookie_open(&other, tw_buf_bytes(&cookie), &out), TW_OK);
  other.now_ms++;
  assert_int_equal(tw_tls_cookie_open(&other, tw_buf_bytes(&cookie), &out), TW_ERR_FORBIDDEN);
  other.now_ms = keeper.now_ms - 1;
  assert_int_equal(tw_tls_cookie_open(&other, tw_buf_bytes(&cookie), &out), TW_ERR_FORBIDDEN);
  tw_buf_clear(&cookie);
}

/* ---- the table ---- */

static void what_is_not_expected_is_refused_by_the_table(void **state) {
  (void)state;
  size_t taken = 0;
  for (int s = 0; s < TW_TLS_STATES; s++) {
    for (int input = 0; input < TW_TLS_INPUTS; input++) {
      const tw_tls_transition step = tw_tls_machine_step((tw_tls_state)s, (tw_tls_input)input);
      if (step.action == TW_TLS_DO_REFUSE) continue;
      taken++;
      assert_int_not_equal(step.next, s);
      assert_int_not_equal(step.next, TW_TLS_FAILED);
      assert_true(s != TW_TLS_START && s != TW_TLS_DONE && s != TW_TLS_STANDARD && s != TW_TLS_FAILED);
      assert_int_not_equal(input, TW_TLS_IN_OTHER);
    }
  }
  assert_int_equal(taken, 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_client_hello_comes_back),
      cmocka_unit_test(what_is_not_wanted_is_left_out),
      cmocka_unit_test(a_second_hello_differs_where_it_may),
      cmocka_unit_test(a_server_hello_comes_back),
      cmocka_unit_test(encrypted_extensions_come_back),
      cmocka_unit_test(truncation_at_every_byte_is_refused),
      cmocka_unit_test(names_are_compared_as_hosts_are),
      cmocka_unit_test(too_much_does_not_fit),
      cmocka_unit_test(a_full_block_is_checked_in_no_time),
      cmocka_unit_test(extensions_have_their_places),
      cmocka_unit_test(grease_is_told_apart),
      cmocka_unit_test(headers_come_off_and_on),
      cmocka_unit_test(cookies_are_known_again),
      cmocka_unit_test(what_is_not_expected_is_refused_by_the_table),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
