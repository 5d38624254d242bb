/* A node as far as judging certificates needs one, and two CAs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_CERTIFIED_KIT_H
#define TW_TESTS_NODE_CERTIFIED_KIT_H

#include "node/certified.h"

#include "base/alloc.h"
#include "node/config_kit.h"
#include "node/node_internal.h"
#include "store/store_kit.h"
#include "support/tw_test_x509.h"

/* root signs everybody; other is a CA that nobody trusts. */
static struct world {
  kit k;
  uv_loop_t loop;
  tw_store *store;
  tw_learned learned;
  tw_x509 *x509;
  tw_x509_trust *trust;
  tw_test_cert root, other;
  tw_node_config config;
  tw_node node; /* as far as judging needs one */
  tw_buf chain;
  tw_report report;
  unsigned relearned;
  unsigned told;
  char last_words[TW_REPORT_MAX];
} w;

#define IN_CA "[Interface]\nAddress = 10.7.0.1/24, fd00:7::1/64\nIdentity = a.key\nCA = ca.pem\n" RELAY
#define CERTIFIED IN_CA NETWORK "Members = certified\nAdmit = *.office.example, gate.example\n"
#define BY_NAME IN_CA NETWORK "[Peer]\nCertificate = b.example\nAllowedIPs = 10.7.0.2/32\n"

static const tw_test_cert_spec good = {.subject = "b",
                                       .names = "DNS:b.office.example,IP:10.7.0.2,IP:192.0.2.1,IP:fd00:7::2",
                                       .usage = "digitalSignature",
                                       .extended = "clientAuth,serverAuth",
                                       .serial = 42};

static inline tw_fingerprint key_of(uint8_t byte) {
  tw_fingerprint key;
  memset(key.digest, byte, sizeof key.digest);
  return key;
}

static inline void trust_root_until(long revoked, long until) {
  tw_buf pem = {0};
  tw_x509_trust_free(w.trust);
  w.trust = NULL;
  assert_int_equal(tw_x509_trust_new(w.x509, &w.trust), TW_OK);
  tw_test_cert_pem(&w.root, &pem);
  assert_int_equal(tw_x509_trust_add_anchors(w.trust, "ca.pem", tw_buf_bytes(&pem), NULL), TW_OK);
  tw_buf_clear(&pem);
  if (revoked >= 0) {
    const tw_test_crl_spec spec = {.serial = revoked, .until = until};
    tw_test_crl(&w.root, &w.root, &spec, true, &pem);
    assert_int_equal(tw_x509_trust_add_crls(w.trust, "crl.pem", tw_buf_bytes(&pem), TW_TEST_X509_NOW, NULL), TW_OK);
    tw_buf_clear(&pem);
  }
  w.node.setup.certified = (tw_certified){w.x509, w.trust};
}

static inline void trust_root(long revoked) { trust_root_until(revoked, 0); }

static inline void on_relearn(void *ctx) {
  (void)ctx;
  w.relearned++;
}

static inline void on_tell(void *ctx, tw_node_level level, const char *line) {
  (void)ctx;
  (void)level;
  w.told++;
  (void)snprintf(w.last_words, sizeof w.last_words, "%s", line);
}

/* The node's configuration, with what was learned so far. */
static inline void configure(const char *text) {
  tw_problems told = {0};
  const tw_fingerprint own = key_of(0xee);
  tw_node_clear_peers(&w.node);
  takes(text, &w.config);
  assert_int_equal(tw_learned_append(&w.learned, &own, &w.config, &told), TW_OK);
  tw_node_members_clear(&w.node);
  w.node.relearning = false; /* it is another node, as it were */
  assert_int_equal(tw_node_set_peers(&w.node), TW_OK);
}

static inline int begin(void **state) {
  memset(&w, 0, sizeof w);
  set_up(state);
  kit_init(&w.k, 7);
  assert_int_equal(uv_loop_init(&w.loop), 0);
  w.store = kit_open(&w.k, NULL);
  assert_int_equal(tw_x509_new(&w.x509), TW_OK);
  tw_test_ca_make(&w.root, NULL, "root", NULL, NULL);
  tw_test_ca_make(&w.other, NULL, "other", NULL, NULL);
  tw_problems told = {0};
  assert_int_equal(tw_learned_load(&w.k.test.alloc, w.store, &w.learned, &told, NULL), TW_OK);
  w.config.alloc = &test.alloc;
  w.node.setup = (tw_node_setup){.env = &test.env,
                                 .loop = &w.loop,
                                 .config = &w.config,
                                 .self = key_of(0xee),
                                 .store = w.store,
                                 .learned = &w.learned,
                                 .tell = on_tell,
                                 .relearn = on_relearn};
  w.node.client.suite = tw_suite_default();
  w.node.wall_offset_ms = TW_TEST_X509_NOW * 1000 - uv_now(&w.loop);
  trust_root(-1);
  return 0;
}

static inline int end(void **state) {
  tw_node_members_clear(&w.node);
  tw_node_clear_peers(&w.node);
  tw_node_config_clear(&w.config);
  tw_learned_clear(&w.learned);
  tw_buf_clear(&w.chain);
  tw_test_cert_clear(&w.root);
  tw_test_cert_clear(&w.other);
  tw_x509_trust_free(w.trust);
  tw_x509_free(w.x509);
  tw_store_close(w.store);
  assert_int_equal(uv_loop_close(&w.loop), 0);
  kit_clear(&w.k);
  return tear_down(state);
}

static inline void make(const tw_test_cert *issuer, const tw_test_cert_spec *spec) {
  tw_test_cert leaf;
  tw_test_cert_make(&leaf, issuer, spec);
  tw_test_chain(&w.chain, (const tw_test_cert *const[]){&leaf, NULL});
  tw_test_cert_clear(&leaf);
}

static inline tw_err judge_at(uint8_t byte, uint64_t now, tw_learned_peer *peer) {
  const tw_fingerprint key = key_of(byte);
  const tw_certified certified = {w.x509, w.trust};
  w.report.text[0] = '\0';
  return tw_certified_judge(&certified, &w.config, &key, tw_buf_bytes(&w.chain), now, peer, &w.report);
}

static inline void refuses(tw_err expected, const char *words) {
  tw_learned_peer peer = {0};
  const tw_err err = judge_at(7, TW_TEST_X509_NOW, &peer);
  if (err != expected || strstr(w.report.text, words) == NULL)
    fail_msg("%s (%s), expected %s and '%s'", tw_err_text(err), w.report.text, tw_err_text(expected), words);
}

static inline void is_peer(const char *name, size_t prefixes) {
  tw_learned_peer peer;
  if (judge_at(7, TW_TEST_X509_NOW, &peer) != TW_OK) fail_msg("%s", w.report.text);
  assert_string_equal(peer.peer.certificate, name);
  assert_int_equal(peer.peer.origin, TW_NODE_FROM_CERTIFICATE);
  assert_int_equal(peer.peer.key.fingerprint.digest[0], 7);
  assert_int_equal(peer.peer.allowed.count, prefixes);
  assert_int_equal(peer.not_before, TW_TEST_X509_NOW - 5 * TW_TEST_DAY);
  assert_int_equal(peer.not_after, TW_TEST_X509_NOW + 5 * TW_TEST_DAY);
  tw_test_same(tw_buf_bytes(&peer.certificates), tw_buf_bytes(&w.chain));
  tw_learned_peer_clear(w.config.alloc, &peer);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, begin, end)

#endif
