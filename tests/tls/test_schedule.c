/* The key schedule of TLS 1.3 over MLS. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "support/tw_test_member.h"
#include "tls/schedule.h"
#include "tls/transcript.h"

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

static tw_secret secret_of(const char *hex) {
  tw_buf bytes = {0};
  tw_secret secret = {0};
  tw_test_unhex(hex, &bytes);
  assert_int_equal(tw_secret_set(&secret, tw_buf_bytes(&bytes)), TW_OK);
  tw_buf_clear(&bytes);
  return secret;
}

static void same(const tw_secret *secret, const char *hex) {
  const tw_secret expected = secret_of(hex);
  tw_test_same(tw_secret_bytes(secret), tw_secret_bytes(&expected));
}

/* RFC 8448 section 3, from its handshake secret on. */
static void the_published_trace_comes_out(void **state) {
  (void)state;
  const tw_env *env = &test.env;
  const tw_suite *suite = tw_tls_suite_by_id(0x1301);
  const tw_secret handshake_secret = secret_of("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
  const tw_secret hello_hash = secret_of("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
  const tw_secret finished_hash = secret_of("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13");
  tw_tls_traffic traffic = {0};
  assert_int_equal(tw_tls_handshake_traffic(env, suite, &handshake_secret, hello_hash.data, &traffic), TW_OK);
  same(&traffic.client, "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21");
  same(&traffic.server, "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
  tw_secret main_secret = {0};
  assert_int_equal(tw_tls_main_secret(env, suite, &handshake_secret, &main_secret), TW_OK);
  same(&main_secret, "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919");
  tw_tls_epoch epoch = {0};
  assert_int_equal(tw_tls_epoch_of_secret(env, suite, &handshake_secret, finished_hash.data, &epoch), TW_OK);
  same(&epoch.traffic.client, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  same(&epoch.traffic.server, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  same(&epoch.exporter, "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50");
  /* The client's Finished covers the same messages. */
  uint8_t verify_data[32];
  assert_int_equal(tw_tls_verify_data(env, suite, &traffic.client, finished_hash.data, verify_data), TW_OK);
  const tw_secret expected = secret_of("a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61");
  assert_memory_equal(verify_data, expected.data, sizeof verify_data);
}

/* Section 4.4.1 */
static void a_retry_restarts_the_transcript_with_a_hash(void **state) {
  (void)state;
  const tw_suite *suite = tw_tls_suite_by_id(0x1302);
  tw_tls_transcript transcript = {0}, by_hand = {0};
  uint8_t of_hello[TW_HASH_MAX], got[TW_HASH_MAX], expected[TW_HASH_MAX];
  assert_int_equal(tw_tls_transcript_add(&transcript, TW_LITERAL("the first hello")), TW_OK);
  assert_int_equal(tw_tls_transcript_hash(&test.env, suite, &transcript, of_hello), TW_OK);
  assert_int_equal(tw_tls_transcript_restart(suite, of_hello, &transcript), TW_OK);
  assert_int_equal(tw_tls_transcript_add(&transcript, TW_LITERAL("the retry")), TW_OK);
  assert_int_equal(tw_tls_transcript_hash(&test.env, suite, &transcript, got), TW_OK);
  assert_int_equal(tw_tls_transcript_add(&by_hand, TW_LITERAL("\xfe\0\0\x30")), TW_OK);
  assert_int_equal(tw_tls_transcript_add(&by_hand, TW_BYTES(of_hello, 48)), TW_OK);
  assert_int_equal(tw_tls_transcript_add(&by_hand, TW_LITERAL("the retry")), TW_OK);
  assert_int_equal(tw_tls_transcript_hash(&test.env, suite, &by_hand, expected), TW_OK);
  assert_memory_equal(got, expected, 48);
  tw_buf_clear(&transcript.messages);
  tw_buf_clear(&by_hand.messages);
}

/* Each AEAD has one TLS suite, whose hash is its own. */
static void every_mls_suite_has_a_tls_suite(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_tls_suite_of(tw_suite_at(i));
    assert_non_null(suite);
    assert_ptr_equal(suite->aead, tw_suite_at(i)->aead);
    assert_int_equal(suite->hash->size, suite->id == 0x1302 ? 48 : 32);
    assert_ptr_equal(tw_tls_suite_by_id(suite->id), suite);
  }
  assert_null(tw_tls_suite_by_id(0x1304));
  assert_null(tw_tls_suite_by_id(0x0a0a));
}

/* D11: by hand, from the exporter on. */
static void the_handshake_secret_is_the_exporters(void **state) {
  (void)state;
  static const char *const names[] = {"MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
                                      "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"};
  for (size_t i = 0; i < 2; i++) {
    tw_test_member alice;
    uint8_t exported[TW_HASH_MAX];
    uint8_t hash[TW_HASH_MAX] = {7};
    tw_secret handshake_secret = {0};
    tw_test_member_init(&alice, &test, tw_suite_by_name(names[i]), "alice");
    tw_test_found(&alice, TW_NO_BYTES);
    const tw_suite *suite = tw_tls_suite_of(alice.client.suite);
    const size_t size = suite->hash->size;
    assert_int_equal(tw_group_export(alice.group, TW_LITERAL("TLS shared secret"), TW_NO_BYTES, exported, size), TW_OK);
    assert_int_equal(tw_tls_handshake_secret(suite, alice.group, TW_NO_BYTES, &handshake_secret), TW_OK);
    tw_test_same(tw_secret_bytes(&handshake_secret), TW_BYTES(exported, size));
    tw_tls_epoch of_group = {0}, of_secret = {0};
    assert_int_equal(tw_tls_epoch_of_group(&test.env, suite, alice.group, TW_NO_BYTES, hash, &of_group), TW_OK);
    assert_int_equal(tw_tls_epoch_of_secret(&test.env, suite, &handshake_secret, hash, &of_secret), TW_OK);
    tw_test_same(tw_secret_bytes(&of_group.traffic.server), tw_secret_bytes(&of_secret.traffic.server));
    tw_test_same(tw_secret_bytes(&of_group.exporter), tw_secret_bytes(&of_secret.exporter));
    /* Another transcript, other secrets. */
    hash[1] = 1;
    assert_int_equal(tw_tls_epoch_of_group(&test.env, suite, alice.group, TW_NO_BYTES, hash, &of_group), TW_OK);
    assert_memory_not_equal(of_group.traffic.server.data, of_secret.traffic.server.data, size);
    tw_test_member_clear(&alice);
  }
}

static void exporters_differ_by_label_and_context(void **state) {
  (void)state;
  const tw_suite *suite = tw_tls_suite_by_id(0x1303);
  const tw_secret exporter = secret_of("fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50");
  uint8_t a[100], b[100], c[100];
  const tw_env *env = &test.env;
  assert_int_equal(tw_tls_export(env, suite, &exporter, "EXPORTER-a", TW_NO_BYTES, a, sizeof a), TW_OK);
  assert_int_equal(tw_tls_export(env, suite, &exporter, "EXPORTER-b", TW_NO_BYTES, b, sizeof b), TW_OK);
  assert_int_equal(tw_tls_export(env, suite, &exporter, "EXPORTER-a", TW_LITERAL("x"), c, sizeof c), TW_OK);
  assert_memory_not_equal(a, b, sizeof a);
  assert_memory_not_equal(a, c, sizeof a);
  char long_label[260];
  memset(long_label, 'x', sizeof long_label);
  long_label[250] = '\0';
  assert_int_equal(tw_tls_export(env, suite, &exporter, long_label, TW_NO_BYTES, a, sizeof a), TW_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_published_trace_comes_out),
      cmocka_unit_test(a_retry_restarts_the_transcript_with_a_hash),
      cmocka_unit_test(every_mls_suite_has_a_tls_suite),
      cmocka_unit_test(the_handshake_secret_is_the_exporters),
      cmocka_unit_test(exporters_differ_by_label_and_context),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
