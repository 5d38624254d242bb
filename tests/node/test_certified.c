/* Who is a peer by a certificate, and what somebody with a bad one can reach: nothing. SPDX-License-Identifier: Apache-2.0 */
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

static tw_fingerprint key_of(uint8_t byte) {
  tw_fingerprint key;
  memset(key.digest, byte, sizeof key.digest);
  return key;
}

static void trust_root_until(long revoked, long until) {
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

static void trust_root(long revoked) { trust_root_until(revoked, 0); }

static void on_relearn(void *ctx) {
  (void)ctx;
  w.relearned++;
}

static void on_tell(void *ctx, tw_node_level level, const char *line) {
  (void)ctx;
  (void)level;
  w.told++;
  (void)snprintf(w.last_words, sizeof w.last_words, "%s", line);
}

/* The node's configuration, with what was learned so far. */
static void configure(const char *text) {
  tw_problems told = {0};
  const tw_fingerprint own = key_of(0xee);
  tw_alloc_free(&test.alloc, w.node.peers);
  takes(text, &w.config);
  assert_int_equal(tw_learned_append(&w.learned, &own, &w.config, &told), TW_OK);
  tw_node_members_clear(&w.node);
  w.node.relearning = false; /* it is another node, as it were */
  w.node.peer_count = (uint32_t)w.config.peer_count;
  w.node.peers = tw_alloc_array(&test.alloc, w.config.peer_count + 1, sizeof *w.node.peers);
  assert_non_null(w.node.peers);
  for (uint32_t i = 0; i < w.node.peer_count; i++) {
    w.node.peers[i].is_peer = w.config.peers[i].key.given;
    w.node.peers[i].id = w.config.peers[i].key.fingerprint;
  }
}

static int begin(void **state) {
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

static int end(void **state) {
  tw_node_members_clear(&w.node);
  tw_alloc_free(&test.alloc, w.node.peers);
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

static void make(const tw_test_cert *issuer, const tw_test_cert_spec *spec) {
  tw_test_cert leaf;
  tw_test_cert_make(&leaf, issuer, spec);
  tw_test_chain(&w.chain, (const tw_test_cert *const[]){&leaf, NULL});
  tw_test_cert_clear(&leaf);
}

static tw_err judge_at(uint8_t byte, uint64_t now, tw_learned_peer *peer) {
  const tw_fingerprint key = key_of(byte);
  const tw_certified certified = {w.x509, w.trust};
  w.report.text[0] = '\0';
  return tw_certified_judge(&certified, &w.config, &key, tw_buf_bytes(&w.chain), now, peer, &w.report);
}

static void refuses(tw_err expected, const char *words) {
  tw_learned_peer peer = {0};
  const tw_err err = judge_at(7, TW_TEST_X509_NOW, &peer);
  if (err != expected || strstr(w.report.text, words) == NULL)
    fail_msg("%s (%s), expected %s and '%s'", tw_err_text(err), w.report.text, tw_err_text(expected), words);
}

static void is_peer(const char *name, size_t prefixes) {
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

/* ---- the node: who is met is learned ---- */

static tw_err meets(uint8_t byte) {
  const tw_fingerprint id = key_of(byte);
  const tw_credential credential = {.type = 2, .identity = tw_buf_bytes(&w.chain)};
  tw_network_roster roster = tw_node_roster(&w.node);
  const bool in = roster.admits(roster.ctx, &id, &credential);
  assert_int_equal(in, roster.wants(roster.ctx, &id));
  return in ? TW_OK : TW_ERR_CREDENTIAL;
}

static size_t roster_size(void) {
  tw_network_roster roster = tw_node_roster(&w.node);
  tw_client_id id;
  size_t count = 0;
  while (roster.next_wanted(roster.ctx, count, &id)) count++;
  return count;
}

static void who_is_met_is_wanted_kept_and_told(void **state) {
  (void)state;
  const tw_fingerprint key = key_of(7);
  configure(CERTIFIED);
  make(&w.root, &good);
  assert_int_equal(roster_size(), 0);
  assert_int_equal(meets(7), TW_OK);
  assert_int_equal(meets(7), TW_OK);
  assert_int_equal(roster_size(), 1);
  assert_true(tw_node_is_newcomer(&w.node, &key));
  assert_int_equal(w.learned.count, 0); /* not before the event is over */
  tw_node_learn_members(&w.node);
  assert_int_equal(w.learned.count, 1);
  assert_int_equal(w.relearned, 1);
  tw_node_learn_members(&w.node);
  assert_int_equal(w.relearned, 1);
  configure(CERTIFIED);
  assert_int_equal(w.config.peer_count, 1);
  assert_int_equal(roster_size(), 1);
  assert_false(tw_node_is_newcomer(&w.node, &key));
}

static void who_is_refused_is_not_wanted(void **state) {
  (void)state;
  configure(CERTIFIED);
  make(&w.other, &good);
  assert_int_equal(meets(7), TW_ERR_CREDENTIAL);
  assert_non_null(strstr(w.last_words, "is not let in"));
  tw_node_learn_members(&w.node);
  assert_int_equal(w.learned.count, 0);
  assert_int_equal(w.relearned, 0);
  assert_int_equal(roster_size(), 0);
  /* A bare key, and a certificate where nobody's counts. */
  const tw_fingerprint id = key_of(7);
  const tw_credential bare = {.type = 1};
  tw_network_roster roster = tw_node_roster(&w.node);
  assert_false(roster.admits(roster.ctx, &id, &bare));
  w.node.setup.certified.trust = NULL;
  roster = tw_node_roster(&w.node);
  assert_null(roster.admits);
}

/* Somebody who got a second certificate for b's name. */
static void of_two_keys_for_a_name_the_later_certificate_counts(void **state) {
  (void)state;
  const tw_fingerprint seven = key_of(7), nine = key_of(9);
  tw_test_cert_spec early = good, late = good;
  early.from = -4 * TW_TEST_DAY;
  late.from = -3 * TW_TEST_DAY;
  configure(CERTIFIED);
  make(&w.root, &early);
  assert_int_equal(meets(7), TW_OK);
  tw_node_learn_members(&w.node);
  configure(CERTIFIED);
  make(&w.root, &good); /* earlier */
  assert_int_equal(meets(8), TW_ERR_CREDENTIAL);
  assert_non_null(strstr(w.last_words, "a later certificate for that name"));
  assert_int_equal(roster_size(), 1);
  const uint64_t since = w.learned.list[0].learned_at;
  w.node.wall_offset_ms += 5000;
  make(&w.root, &late);
  assert_int_equal(meets(9), TW_OK);
  tw_network_roster roster = tw_node_roster(&w.node);
  assert_false(roster.wants(roster.ctx, &seven)); /* at once: one goes as the other comes */
  assert_int_equal(roster_size(), 1);
  tw_node_learn_members(&w.node);
  assert_non_null(strstr(w.last_words, "is its key no more"));
  assert_int_equal(w.learned.count, 1);
  assert_null(tw_learned_find(&w.learned, &seven));
  assert_non_null(tw_learned_find(&w.learned, &nine));
  assert_int_equal(w.learned.list[0].learned_at, since); /* it keeps its place, and so its addresses */
  configure(CERTIFIED);
  assert_int_equal(roster_size(), 1);
  make(&w.root, &early); /* the first one again */
  assert_int_equal(meets(7), TW_ERR_CREDENTIAL);
}

static void of_two_who_come_at_once_the_later_counts_whoever_is_first(void **state) {
  (void)state;
  tw_test_cert_spec late = good;
  late.from = -3 * TW_TEST_DAY;
  for (int late_first = 0; late_first < 2; late_first++) {
    configure(CERTIFIED);
    make(&w.root, late_first ? &late : &good);
    assert_int_equal(meets(late_first ? 9 : 7), TW_OK);
    make(&w.root, late_first ? &good : &late);
    assert_int_equal(meets(late_first ? 7 : 9), late_first ? TW_ERR_CREDENTIAL : TW_OK);
    assert_int_equal(roster_size(), 1);
    tw_node_learn_members(&w.node);
    assert_int_equal(w.learned.count, 1);
    assert_int_equal(w.learned.list[0].peer.key.fingerprint.digest[0], 9);
    assert_int_equal(tw_learned_remove(&w.learned, &w.learned.list[0].peer.key.fingerprint, NULL), TW_OK);
  }
}

static void our_own_name_is_nobody_elses(void **state) {
  (void)state;
  tw_test_cert_spec late = good;
  tw_buf own = {0};
  late.from = -3 * TW_TEST_DAY;
  for (int listed = 0; listed < 2; listed++) {
    configure(listed ? IN_CA NETWORK "[Peer]\nCertificate = b.office.example\n" : CERTIFIED);
    make(&w.root, &good);
    assert_int_equal(tw_buf_assign(&own, tw_buf_bytes(&w.chain)), TW_OK);
    w.node.setup.credential = (tw_credential){.type = 2, .identity = tw_buf_bytes(&own)};
    assert_int_equal(tw_node_look_at_own(&w.node), TW_OK);
    make(&w.root, &late);
    assert_int_equal(meets(7), TW_ERR_CREDENTIAL);
    assert_non_null(strstr(w.last_words, "our own name"));
    w.node.wall_offset_ms += 60000;
  }
  tw_buf_clear(&own);
}

/* Nobody has to make anything anew for that. */
static void a_renewed_certificate_of_the_same_key_is_kept(void **state) {
  (void)state;
  tw_test_cert_spec late = good;
  late.from = -3 * TW_TEST_DAY;
  late.until = 8 * TW_TEST_DAY;
  configure(CERTIFIED);
  make(&w.root, &good);
  assert_int_equal(meets(7), TW_OK);
  tw_node_learn_members(&w.node);
  const uint64_t until = w.learned.list[0].not_after;
  configure(CERTIFIED);
  w.node.peers[0].is_peer = false; /* as it is met once more */
  make(&w.root, &late);
  assert_int_equal(meets(7), TW_OK);
  w.relearned = 0;
  tw_node_learn_members(&w.node);
  assert_int_equal(w.learned.count, 1);
  assert_int_equal(w.learned.list[0].not_after, until); /* the CA's own end */
  tw_test_same(tw_buf_bytes(&w.learned.list[0].certificates), tw_buf_bytes(&w.chain));
  assert_int_equal(w.relearned, 0);
}

static void who_has_no_address_of_ours_is_told(void **state) {
  (void)state;
  tw_test_cert_spec spec = good;
  spec.names = "DNS:b.office.example,IP:192.0.2.1";
  configure(CERTIFIED);
  make(&w.root, &spec);
  assert_int_equal(meets(7), TW_OK);
  tw_node_learn_members(&w.node);
  assert_non_null(strstr(w.last_words, "there for multicast alone"));
}

static void an_address_is_only_once_there(void **state) {
  (void)state;
  tw_test_cert_spec thief = good;
  thief.names = "DNS:thief.office.example,IP:10.7.0.2,IP:10.7.0.9,IP:10.7.0.1,IP:10.7.0.255";
  configure(CERTIFIED "[Peer]\nName = nine\nPublicKey = " PRINT "09\nAllowedIPs = 10.7.0.9/32\n");
  make(&w.root, &good);
  assert_int_equal(meets(7), TW_OK);
  tw_node_learn_members(&w.node);
  w.node.wall_offset_ms += 5000;
  make(&w.root, &thief);
  assert_int_equal(meets(6), TW_OK);
  tw_node_learn_members(&w.node);
  configure(CERTIFIED "[Peer]\nName = nine\nPublicKey = " PRINT "09\nAllowedIPs = 10.7.0.9/32\n");
  assert_int_equal(w.config.peer_count, 3);
  assert_int_equal(w.config.peers[0].allowed.count, 1);
  assert_string_equal(w.config.peers[1].certificate, "b.office.example");
  assert_int_equal(w.config.peers[1].allowed.count, 2);
  assert_string_equal(w.config.peers[2].certificate, "thief.office.example");
  assert_int_equal(w.config.peers[2].allowed.count, 0); /* b's, nine's, ours, broadcast */
}

static void who_was_cut_off_does_not_come_back_by_another_key(void **state) {
  (void)state;
  tw_test_cert_spec late = good;
  late.from = -3 * TW_TEST_DAY;
  configure(CERTIFIED);
  make(&w.root, &good);
  assert_int_equal(meets(7), TW_OK);
  tw_node_learn_members(&w.node);
  configure(CERTIFIED);
  w.node.peers[0].removed = true;
  assert_int_equal(meets(7), TW_ERR_CREDENTIAL);
  make(&w.root, &late);
  assert_int_equal(meets(9), TW_ERR_CREDENTIAL);
  assert_int_equal(roster_size(), 0);
}

static void an_admin_is_one_as_soon_as_its_certificate_was_seen(void **state) {
  (void)state;
  const tw_fingerprint seven = key_of(7), eight = key_of(8);
  configure(IN_CA NETWORK "Members = certified\nAdmins = b.example\n[Peer]\nCertificate = b.example\n");
  tw_network_roster roster = tw_node_roster(&w.node);
  const tw_fingerprint none = {{0}};
  assert_false(roster.is_admin(roster.ctx, &seven));
  assert_false(roster.is_admin(roster.ctx, &none));
  make(&w.root, &good);
  assert_int_equal(meets(8), TW_OK); /* another name */
  tw_test_cert_spec admin = good;
  admin.names = "DNS:b.example";
  make(&w.root, &admin);
  assert_int_equal(meets(7), TW_OK);
  for (int i = 0; i < 2; i++) {
    assert_true(roster.is_admin(roster.ctx, &seven));
    assert_false(roster.is_admin(roster.ctx, &eight));
    tw_node_learn_members(&w.node);
    configure(IN_CA NETWORK "Members = certified\nAdmins = b.example\n[Peer]\nCertificate = b.example\n");
  }
}

static void what_cannot_be_kept_is_tried_again(void **state) {
  (void)state;
  configure(CERTIFIED);
  make(&w.root, &good);
  assert_int_equal(meets(7), TW_OK);
  tw_test_fail_alloc(&w.k.test, 1);
  tw_node_learn_members(&w.node);
  tw_test_fail_alloc(&w.k.test, 0);
  assert_int_equal(w.learned.count, 0);
  tw_node_learn_members(&w.node);
  assert_int_equal(w.learned.count, 0);
  w.node.wall_offset_ms += 11000;
  tw_node_learn_members(&w.node);
  assert_int_equal(w.learned.count, 1);
}

/* ---- looking again ---- */

static void learn_one(void) {
  configure(CERTIFIED);
  make(&w.root, &good);
  assert_int_equal(meets(7), TW_OK);
  tw_node_learn_members(&w.node);
  assert_int_equal(w.learned.count, 1);
}

static void review(uint64_t now, size_t left, size_t told_of) {
  const tw_certified certified = {w.x509, w.trust};
  tw_problems told = {0};
  assert_int_equal(tw_certified_review(&certified, &w.config, &w.learned, now, &told, NULL), TW_OK);
  assert_int_equal(w.learned.count, left);
  assert_int_equal(told.count, told_of);
}

static void who_has_expired_or_was_revoked_is_forgotten(void **state) {
  (void)state;
  learn_one();
  review(TW_TEST_X509_NOW, 1, 0);
  review(TW_TEST_X509_NOW + 6 * TW_TEST_DAY, 0, 1);
  learn_one();
  trust_root(42);
  review(TW_TEST_X509_NOW, 0, 1);
  assert_int_equal(kit_count(&w.k, w.store, TW_STORE_NODE), 0);
}

static void a_crl_that_is_out_of_date_ends_nobody(void **state) {
  (void)state;
  learn_one();
  trust_root_until(43, TW_TEST_DAY);
  review(TW_TEST_X509_NOW, 1, 0);
  review(TW_TEST_X509_NOW + 2 * TW_TEST_DAY, 1, 1);
  review(TW_TEST_X509_NOW + 6 * TW_TEST_DAY, 0, 1); /* but an end is an end */
  /* Nobody comes in by it. */
  tw_test_cert_spec other = good;
  other.names = "DNS:c.office.example";
  make(&w.root, &other);
  w.node.wall_offset_ms += UINT64_C(2000) * TW_TEST_DAY;
  assert_int_equal(meets(8), TW_ERR_CREDENTIAL);
}

static void who_is_not_admitted_any_more_is_forgotten(void **state) {
  (void)state;
  learn_one();
  configure(IN_CA NETWORK "Members = certified\nAdmit = c.office.example\n");
  review(TW_TEST_X509_NOW, 0, 1);
}

static void other_subnets_give_other_addresses(void **state) {
  (void)state;
  learn_one();
  assert_int_equal(w.learned.list[0].peer.allowed.count, 2);
  takes("[Interface]\nAddress = 192.0.2.7/24\nIdentity = a.key\nCA = ca.pem\n" RELAY NETWORK "Members = certified\n",
        &w.config);
  review(TW_TEST_X509_NOW, 1, 0);
  assert_int_equal(w.learned.list[0].peer.allowed.count, 1);
}

static void peers_by_enrolment_have_no_certificate_to_be_looked_at(void **state) {
  (void)state;
  tw_learned_peer peer = {.peer = {.origin = TW_NODE_FROM_ENROLMENT, .key = {.given = true, .fingerprint = key_of(3)}}};
  configure(CERTIFIED);
  assert_int_equal(tw_node_learn(&w.node, &peer, NULL), TW_OK);
  review(TW_TEST_X509_NOW + 1000 * TW_TEST_DAY, 1, 0);
  configure(CERTIFIED);
  w.relearned = 0;
  tw_node_members_tick(&w.node, (TW_TEST_X509_NOW + 1000 * TW_TEST_DAY) * 1000);
  assert_int_equal(w.relearned, 0);
}

static void the_end_of_a_certificate_makes_the_configuration_anew(void **state) {
  (void)state;
  learn_one();
  configure(CERTIFIED);
  w.relearned = 0;
  tw_node_members_tick(&w.node, TW_TEST_X509_NOW * 1000);
  assert_int_equal(w.relearned, 0);
  tw_node_members_tick(&w.node, (TW_TEST_X509_NOW + 6 * TW_TEST_DAY) * 1000);
  assert_int_equal(w.relearned, 1);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_name_that_is_admitted_makes_a_peer_with_its_addresses_in_our_subnets),
      TEST(a_peer_is_known_by_its_certificates_name),
      TEST(nobody_is_admitted_by_another_name),
      TEST(a_bad_certificate_makes_nobody_a_peer),
      TEST(a_chain_that_is_cut_or_bent_makes_nobody_a_peer),
      TEST(without_memory_there_is_no_verdict),
      TEST(the_relay_has_what_the_configuration_says),
      TEST(who_is_met_is_wanted_kept_and_told),
      TEST(who_is_refused_is_not_wanted),
      TEST(of_two_keys_for_a_name_the_later_certificate_counts),
      TEST(of_two_who_come_at_once_the_later_counts_whoever_is_first),
      TEST(our_own_name_is_nobody_elses),
      TEST(a_renewed_certificate_of_the_same_key_is_kept),
      TEST(who_has_no_address_of_ours_is_told),
      TEST(an_address_is_only_once_there),
      TEST(who_was_cut_off_does_not_come_back_by_another_key),
      TEST(an_admin_is_one_as_soon_as_its_certificate_was_seen),
      TEST(what_cannot_be_kept_is_tried_again),
      TEST(who_has_expired_or_was_revoked_is_forgotten),
      TEST(a_crl_that_is_out_of_date_ends_nobody),
      TEST(who_is_not_admitted_any_more_is_forgotten),
      TEST(other_subnets_give_other_addresses),
      TEST(peers_by_enrolment_have_no_certificate_to_be_looked_at),
      TEST(the_end_of_a_certificate_makes_the_configuration_anew),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
