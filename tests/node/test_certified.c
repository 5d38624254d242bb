/* Who is a peer by a certificate, and what somebody with a bad one can reach: nothing. SPDX-License-Identifier: Apache-2.0 */
#include "node/certified_kit.h"

/* ---- one certificate ---- */

static void a_name_that_is_admitted_makes_a_peer_with_its_addresses_in_our_subnets(void **state) {
  (void)state;
  configure(CERTIFIED);
  make(&w.root, &good);
  is_peer("b.office.example", 2); /* 192.0.2.1 is elsewhere */
  tw_test_cert_spec spec = good;
  spec.names = "DNS:other.example,DNS:gate.example";
  make(&w.root, &spec);
  is_peer("gate.example", 0);
  configure(IN_CA NETWORK "Members = certified\n"); /* without Admit, whoever has a name */
  is_peer("other.example", 0);
}

static void a_peer_is_known_by_its_certificates_name(void **state) {
  (void)state;
  configure(BY_NAME);
  make(&w.root, &good);
  refuses(TW_ERR_FORBIDDEN, "nobody who is admitted here");
  tw_test_cert_spec spec = good;
  spec.names = "DNS:x.example,DNS:b.example";
  make(&w.root, &spec);
  is_peer("b.example", 0);
}

static void nobody_is_admitted_by_another_name(void **state) {
  (void)state;
  static const char *const names[] = {"DNS:office.example",    "DNS:a.b.office.example", "DNS:x.gate.example",
                                      "DNS:*.office.example",  "DNS:b.office.example.x", "IP:10.7.0.2",
                                      "DNS:b.xoffice.example", "email:b@office.example"};
  configure(CERTIFIED);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    tw_test_cert_spec spec = good;
    spec.names = names[i];
    make(&w.root, &spec);
    refuses(TW_ERR_FORBIDDEN, "nobody who is admitted here");
  }
  tw_test_cert_spec spec = {.subject = "b.office.example"}; /* the subject is no name */
  make(&w.root, &spec);
  refuses(TW_ERR_FORBIDDEN, "nobody who is admitted here");
}

static void a_bad_certificate_makes_nobody_a_peer(void **state) {
  (void)state;
  tw_learned_peer peer = {0};
  configure(CERTIFIED);
  make(&w.other, &good);
  refuses(TW_ERR_UNKNOWN_CA, "CA that is not trusted here");
  make(&w.root, &good);
  assert_int_equal(judge_at(7, TW_TEST_X509_NOW + 6 * TW_TEST_DAY, &peer), TW_ERR_CERTIFICATE_EXPIRED);
  assert_int_equal(judge_at(7, TW_TEST_X509_NOW - 6 * TW_TEST_DAY, &peer), TW_ERR_CERTIFICATE_EXPIRED);
  trust_root(42);
  refuses(TW_ERR_CERTIFICATE_REVOKED, "was revoked");
  trust_root(43);
  is_peer("b.office.example", 2);
  tw_test_cert_spec server = good;
  server.extended = "serverAuth";
  make(&w.root, &server);
  refuses(TW_ERR_CERTIFICATE_USE, "not for a client");
  tw_test_cert_spec keys = good;
  keys.usage = "keyEncipherment";
  make(&w.root, &keys);
  refuses(TW_ERR_CERTIFICATE_USE, "not for signatures");
  tw_buf_clear(&w.chain);
  refuses(TW_ERR_CERTIFICATE, "no chain of certificates");
  assert_int_equal(tw_buf_append(&w.chain, TW_LITERAL("\x05hello")), TW_OK);
  refuses(TW_ERR_CERTIFICATE, "is none");
}

static void a_chain_that_is_cut_or_bent_makes_nobody_a_peer(void **state) {
  (void)state;
  configure(CERTIFIED);
  make(&w.root, &good);
  const size_t whole = w.chain.len;
  for (size_t len = 0; len < whole; len++) {
    tw_learned_peer peer;
    w.chain.len = len;
    assert_int_not_equal(judge_at(7, TW_TEST_X509_NOW, &peer), TW_OK);
  }
  w.chain.len = whole;
  for (size_t at = 0; at < whole; at++) {
    tw_learned_peer peer;
    w.chain.ptr[at] ^= (uint8_t)(1 << at % 8);
    assert_int_not_equal(judge_at(7, TW_TEST_X509_NOW, &peer), TW_OK);
    w.chain.ptr[at] ^= (uint8_t)(1 << at % 8);
  }
  is_peer("b.office.example", 2);
}

static void without_memory_there_is_no_verdict(void **state) {
  (void)state;
  configure(CERTIFIED "[Peer]\nCertificate = b.example\n");
  make(&w.root, &good);
  for (size_t n = 1;; n++) {
    tw_learned_peer peer;
    tw_test_fail_alloc(&test, n);
    const tw_err err = judge_at(7, TW_TEST_X509_NOW, &peer);
    if (!test.alloc_failed) {
      assert_int_equal(err, TW_OK);
      tw_learned_peer_clear(w.config.alloc, &peer);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
}

/* ---- the relay ---- */

static void the_relay_has_what_the_configuration_says(void **state) {
  (void)state;
  const tw_certified certified = {w.x509, w.trust};
  const tw_certified nobody = {w.x509, NULL};
  const tw_fingerprint key = key_of(1), wrong = key_of(2);
  tw_test_cert_spec spec = good;
  spec.names = "DNS:relay.example";
  make(&w.root, &spec);
  const tw_credential by_certificate = {.type = 2, .identity = tw_buf_bytes(&w.chain)};
  const tw_credential bare = {.type = 1};
  const tw_node_relay by_key = {.key = {.given = true, .fingerprint = key}};
  const tw_node_relay by_name = {.name = (char *)(uintptr_t) "relay.example"};
  const tw_node_relay by_both = {.key = by_key.key, .name = by_name.name};
  const tw_node_relay by_nothing = {0};
  const tw_node_relay elsewhere = {.name = (char *)(uintptr_t) "b.example"};
  const uint64_t now = TW_TEST_X509_NOW;
  assert_int_equal(tw_certified_relay(&certified, &by_key, &key, &bare, now), TW_OK);
  assert_int_equal(tw_certified_relay(&certified, &by_name, &wrong, &by_certificate, now), TW_OK);
  assert_int_equal(tw_certified_relay(&certified, &by_both, &key, &by_certificate, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &by_key, &wrong, &by_certificate, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &by_name, &key, &bare, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &by_both, &wrong, &by_certificate, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &by_both, &key, &bare, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &by_nothing, &key, &by_certificate, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &elsewhere, &key, &by_certificate, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&nobody, &by_name, &key, &by_certificate, now), TW_OK);
  assert_int_not_equal(tw_certified_relay(&certified, &by_name, &key, &by_certificate, now + 6 * TW_TEST_DAY), TW_OK);
  make(&w.other, &spec);
  const tw_credential impostor = {.type = 2, .identity = tw_buf_bytes(&w.chain)};
  assert_int_not_equal(tw_certified_relay(&certified, &by_name, &key, &impostor, now), TW_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_name_that_is_admitted_makes_a_peer_with_its_addresses_in_our_subnets),
      TEST(a_peer_is_known_by_its_certificates_name),
      TEST(nobody_is_admitted_by_another_name),
      TEST(a_bad_certificate_makes_nobody_a_peer),
      TEST(a_chain_that_is_cut_or_bent_makes_nobody_a_peer),
      TEST(without_memory_there_is_no_verdict),
      TEST(the_relay_has_what_the_configuration_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
