/* Whom a node learns by certificates, and when it forgets them. SPDX-License-Identifier: Apache-2.0 */
#include "node/certified_kit.h"

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
  for (size_t place = 0; roster.next_wanted(roster.ctx, &place, &id);) count++;
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

/* What the network and pairs ask of leaves. */
static void leaves_are_judged_by_what_makes_them_members(void **state) {
  (void)state;
  static const uint8_t key_bytes[32] = {1, 2, 3};
  tw_fingerprint id;
  assert_int_equal(tw_fingerprint_of(&test.env, w.node.client.suite, TW_ARRAY(key_bytes), &id), TW_OK);
  configure(CERTIFIED);
  make(&w.other, &good);
  tw_credential_use use = {.event = TW_CREDENTIAL_IN_TREE,
                           .credential = {.type = 2, .identity = tw_buf_bytes(&w.chain)},
                           .signature_key = TW_ARRAY(key_bytes)};
  tw_network_roster roster = tw_node_roster(&w.node);
  assert_int_equal(tw_node_judge_member(&w.node, &use), TW_OK); /* the network then asks whether it is wanted */
  assert_false(roster.wants(roster.ctx, &id));
  assert_int_equal(tw_node_judge_peer(&w.node, &use), TW_ERR_CREDENTIAL);
  make(&w.root, &good);
  use.credential.identity = tw_buf_bytes(&w.chain);
  assert_int_equal(tw_node_judge_peer(&w.node, &use), TW_ERR_CREDENTIAL); /* nobody is met by a pair */
  assert_false(roster.wants(roster.ctx, &id));
  use.event = TW_CREDENTIAL_EXTERNAL;
  assert_int_equal(tw_node_judge_member(&w.node, &use), TW_ERR_CREDENTIAL);
  use.event = TW_CREDENTIAL_UPDATED;
  use.old_signature_key = TW_LITERAL("another");
  assert_int_equal(tw_node_judge_member(&w.node, &use), TW_ERR_CREDENTIAL);
  use.old_signature_key = use.signature_key; /* of a member who is to go, perhaps */
  assert_int_equal(tw_node_judge_member(&w.node, &use), TW_OK);
  assert_false(roster.wants(roster.ctx, &id));
  use.event = TW_CREDENTIAL_JOINS;
  assert_int_equal(tw_node_judge_member(&w.node, &use), TW_OK);
  assert_true(roster.wants(roster.ctx, &id));
  assert_int_equal(tw_node_judge_peer(&w.node, &use), TW_OK);
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

/* With the certificates of w.chain, or with none. */
static bool is_accepted(uint8_t byte, bool bare) {
  const tw_fingerprint id = key_of(byte);
  const tw_credential credential = {.type = bare ? 1 : 2, .identity = bare ? TW_LITERAL("b") : tw_buf_bytes(&w.chain)};
  const tw_network_roster roster = tw_node_roster(&w.node);
  assert_true(roster.wants(roster.ctx, &id));
  return roster.accepts(roster.ctx, &id, &credential);
}

/* Others may know it by nothing else. */
static void who_was_learned_is_added_with_a_good_certificate_alone(void **state) {
  (void)state;
  configure(CERTIFIED);
  make(&w.root, &good);
  assert_int_equal(meets(7), TW_OK);
  tw_buf known = {0};
  assert_int_equal(tw_buf_assign(&known, tw_buf_bytes(&w.chain)), TW_OK);
  for (int turn = 0; turn < 2; turn++) { /* a newcomer, then kept */
    make(&w.root, &good);
    assert_true(is_accepted(7, false));
    assert_false(is_accepted(7, true));
    make(&w.other, &good);
    assert_false(is_accepted(7, false));
    assert_non_null(strstr(w.last_words, "is not let in"));
    tw_node_learn_members(&w.node);
    assert_int_equal(w.learned.count, 1);
    configure(CERTIFIED);
  }
  make(&w.root, &good);
  trust_root(42);
  assert_false(is_accepted(7, false));
  trust_root_until(43, TW_TEST_DAY);
  assert_true(is_accepted(7, false));
  w.node.wall_offset_ms += UINT64_C(2000) * TW_TEST_DAY; /* the CRL is out of date: what is known may come in */
  assert_false(is_accepted(7, false));
  assert_int_equal(tw_buf_assign(&w.chain, tw_buf_bytes(&known)), TW_OK);
  assert_true(is_accepted(7, false));
  w.node.wall_offset_ms += UINT64_C(4000) * TW_TEST_DAY; /* so is the certificate */
  assert_false(is_accepted(7, false));
  w.node.setup.certified.trust = NULL;
  assert_null(tw_node_roster(&w.node).accepts);
  tw_buf_clear(&known);
}

static void who_is_known_otherwise_is_added_with_any_credential(void **state) {
  (void)state;
  configure(IN_CA NETWORK PEER("07") "AllowedIPs = 10.7.0.2/32\n");
  const tw_network_roster roster = tw_node_roster(&w.node);
  tw_client_id id;
  size_t place = 0;
  assert_true(roster.next_wanted(roster.ctx, &place, &id));
  const tw_credential bare = {.type = 1, .identity = TW_LITERAL("b")};
  assert_true(roster.accepts(roster.ctx, &id, &bare));
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

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(who_is_met_is_wanted_kept_and_told),
      TEST(leaves_are_judged_by_what_makes_them_members),
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
      TEST(who_was_learned_is_added_with_a_good_certificate_alone),
      TEST(who_is_known_otherwise_is_added_with_any_credential),
      TEST(who_is_not_admitted_any_more_is_forgotten),
      TEST(other_subnets_give_other_addresses),
      TEST(peers_by_enrolment_have_no_certificate_to_be_looked_at),
      TEST(the_end_of_a_certificate_makes_the_configuration_anew),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
