/* What changed between two configurations. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "node/config_diff.h"
#include "support/tw_test_env.h"

static tw_test_env test;

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 5);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

#define PRINT "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
#define INTERFACE "[Interface]\nAddress = 10.7.0.1/24, fd07::1/64\nIdentity = a.key\nCA = ca\n"
#define RELAY "[Relay]\nEndpoint = relay.example\nPublicKey = " PRINT "00\n"
#define NETWORK "[Network]\nGroup = office\n"
#define LEAST INTERFACE RELAY NETWORK
#define PEER(digits_, name_, rest_) "[Peer]\nPublicKey = " PRINT digits_ "\nName = " name_ "\n" rest_

static void read_config(const char *text, tw_node_config *config) {
  tw_problems problems = {0};
  if (tw_node_config_parse(&test.env, "n", "n.conf", TW_BYTES((const uint8_t *)text, strlen(text)), config,
                           &problems) != TW_OK)
    fail_msg("%s", problems.first.text);
}

static void compare(const char *before, const char *after, tw_config_diff *diff) {
  tw_node_config a = {0};
  tw_node_config b = {0};
  read_config(before, &a);
  read_config(after, &b);
  assert_int_equal(tw_config_diff_make(&test.alloc, &a, &b, diff), TW_OK);
  tw_node_config_clear(&a);
  tw_node_config_clear(&b);
}

static const char base[] = LEAST
    "Admins = b\n" PEER("01", "b", "AllowedIPs = 10.7.0.2, fd07::2\nEndpoint = b.example\n")
        PEER("02", "c", "AllowedIPs = 10.7.0.3\n") "[Peer]\nCertificate = d.example\n";

static void the_same_file_has_no_differences(void **state) {
  (void)state;
  tw_config_diff diff = {0};
  compare(base, base, &diff);
  assert_int_equal(diff.settings, 0);
  assert_int_equal(diff.peer_count, 0);
  tw_config_diff_clear(&diff);
  tw_config_diff_clear(&diff);
}

static void order_and_spelling_do_not_matter(void **state) {
  (void)state;
  tw_config_diff diff = {0};
  compare(base,
          "[Network]\nGroup = office\nAdmins = " PRINT
          "01\nRekeyAfter = 60m\n[Peer]\nCertificate = D.example\n" PEER("02", "c", "AllowedIPs = 10.7.0.3/32\n")
              PEER("01", "b", "Endpoint = b.example:9420\nAllowedIPs = fd07::2\nAllowedIPs = 10.7.0.2\n") RELAY
          "[Interface]\nIdentity = a.key\nAddress = fd07::1/64, 10.7.0.1/24\nCA = ca\nMTU = 1400\n"
          "[Multicast]\nGroups = broadcast, ff00::/8, 224.0.0.0/4\n",
          &diff);
  assert_int_equal(diff.settings, 0);
  assert_int_equal(diff.peer_count, 0);
  tw_config_diff_clear(&diff);
}

static void peers_come_go_and_change(void **state) {
  (void)state;
  tw_config_diff diff = {0};
  compare(base,
          LEAST "Admins = b\n" PEER("03", "new", "") PEER("01", "b", "AllowedIPs = 10.7.0.2, fd07::3\n")
              PEER("02", "cc", "AllowedIPs = 10.7.0.3\n") "[Peer]\nCertificate = e.example\n",
          &diff);
  assert_int_equal(diff.settings, 0);
  assert_int_equal(diff.peer_count, 5);
  assert_int_equal(diff.came, 2);
  assert_int_equal(diff.went, 1);
  static const tw_peer_change expected[] = {
      {0, 1, TW_PEER_CHANGED_ALLOWED | TW_PEER_CHANGED_ENDPOINT},
      {1, 2, TW_PEER_CHANGED_NAME},
      {TW_NODE_NONE, 0, 0},
      {2, TW_NODE_NONE, 0},
      {TW_NODE_NONE, 3, 0},
  };
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(diff.peers[i].before, expected[i].before);
    assert_int_equal(diff.peers[i].after, expected[i].after);
    assert_int_equal(diff.peers[i].changed, expected[i].changed);
  }
  tw_config_diff_clear(&diff);
}

static void a_peer_with_another_key_is_another_peer(void **state) {
  (void)state;
  tw_config_diff diff = {0};
  compare(LEAST PEER("01", "b", ""), LEAST PEER("09", "b", ""), &diff);
  assert_int_equal(diff.peer_count, 2);
  assert_int_equal(diff.came, 1);
  assert_int_equal(diff.went, 1);
  tw_config_diff_clear(&diff);
}

static void this_node_is_no_peer(void **state) {
  (void)state;
  tw_node_config a = {0};
  tw_node_config b = {0};
  tw_config_diff diff = {0};
  read_config(LEAST PEER("01", "b", ""), &a);
  read_config(LEAST PEER("01", "b", "") PEER("02", "me", ""), &b);
  b.self = 1;
  assert_int_equal(tw_config_diff_make(&test.alloc, &a, &b, &diff), TW_OK);
  assert_int_equal(diff.peer_count, 0);
  tw_config_diff_clear(&diff);
  tw_node_config_clear(&a);
  tw_node_config_clear(&b);
}

static void each_setting_is_told_alone(void **state) {
  (void)state;
  static const struct {
    const char *after;
    unsigned setting;
  } cases[] = {
      {"[Interface]\nAddress = 10.7.0.1/24, fd07::1/63\nIdentity = a.key\nCA = ca\n" RELAY NETWORK, TW_SETTING_ADDRESS},
      {"[Interface]\nAddress = 10.7.0.1/24\nIdentity = a.key\nCA = ca\n" RELAY NETWORK, TW_SETTING_ADDRESS},
      {"[Interface]\nAddress = 10.7.0.1/24, fd07::1/64\nIdentity = b.key\nCA = ca\n" RELAY NETWORK,
       TW_SETTING_IDENTITY},
      {"[Interface]\nAddress = 10.7.0.1/24, fd07::1/64\nCertificate = c\nCertificateKey = k\nCA = ca\n" RELAY NETWORK,
       TW_SETTING_IDENTITY},
      {"[Interface]\nAddress = 10.7.0.1/24, fd07::1/64\nIdentity = a.key\n" RELAY NETWORK, TW_SETTING_TRUST},
      {INTERFACE "CRL = x\n" RELAY NETWORK, TW_SETTING_TRUST},
      {INTERFACE "MTU = 1401\n" RELAY NETWORK, TW_SETTING_MTU},
      {INTERFACE "ListenPort = 0\n" RELAY NETWORK, TW_SETTING_LISTEN_PORT},
      {INTERFACE "PacketThreads = 2\n" RELAY NETWORK, TW_SETTING_PACKET_THREADS},
      {INTERFACE "State = /s\n" RELAY NETWORK, TW_SETTING_STATE},
      {INTERFACE "Table = off\n" RELAY NETWORK, TW_SETTING_ROUTING},
      {INTERFACE "Table = 7\n" RELAY NETWORK, TW_SETTING_ROUTING},
      {INTERFACE "Metric = 7\n" RELAY NETWORK, TW_SETTING_ROUTING},
      {INTERFACE NETWORK "[Relay]\nEndpoint = relay.example:1\nPublicKey = " PRINT "00\n", TW_SETTING_RELAY},
      {INTERFACE NETWORK "[Relay]\nEndpoint = relay.example\nPublicKey = " PRINT "01\n", TW_SETTING_RELAY},
      {INTERFACE NETWORK RELAY "Name = r\n", TW_SETTING_RELAY},
      {INTERFACE RELAY "[Network]\nGroup = other\n", TW_SETTING_GROUP},
      {LEAST "Suite = DHKEMX25519_AES128GCM_SHA256_Ed25519\n", TW_SETTING_SUITE},
      {LEAST "RekeyAfter = 1\n", TW_SETTING_REKEY},
      {LEAST "RekeyBytes = 1M\n", TW_SETTING_REKEY},
      {LEAST "RekeyPackets = off\n", TW_SETTING_REKEY},
      {LEAST "Grace = 1\n", TW_SETTING_REKEY},
      {LEAST "Keepalive = off\n", TW_SETTING_KEEPALIVE},
      {LEAST "Sign = yes\n", TW_SETTING_SIGN},
      {LEAST "Admins = " PRINT "07\n", TW_SETTING_ADMINS},
      {LEAST "ListsAfter = " PRINT "07 1\n", TW_SETTING_ADMINS},
      {LEAST "Members = certified\n", TW_SETTING_MEMBERS},
      {LEAST "[Multicast]\nGroups = ff00::/8, broadcast\n", TW_SETTING_MULTICAST},
      {LEAST "[Multicast]\nGroups = ff00::/8, 224.0.0.0/4\n", TW_SETTING_MULTICAST},
      {LEAST "[Multicast]\nGroups = ff00::/8, 224.0.0.0/5, broadcast\n", TW_SETTING_MULTICAST},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_config_diff diff = {0};
    compare(LEAST, cases[i].after, &diff);
    if (diff.settings != cases[i].setting) fail_msg("%s: %x", cases[i].after, diff.settings);
    assert_true(strcmp(tw_setting_name((tw_setting)diff.settings), "?") != 0);
    assert_int_equal(diff.peer_count, 0);
    tw_config_diff_clear(&diff);
  }
  assert_string_equal(tw_setting_name((tw_setting)(1u << TW_SETTING_COUNT)), "?");
  assert_string_equal(tw_setting_name(TW_SETTING_MULTICAST), "[Multicast]");
}

static void several_are_named_together(void **state) {
  (void)state;
  char names[40];
  tw_config_diff diff = {0};
  compare(LEAST, INTERFACE "ListenPort = 1\nMTU = 1401\nPacketThreads = 2\nMetric = 3\n" RELAY NETWORK, &diff);
  tw_setting_names(diff.settings & TW_SETTINGS_AT_START, names, sizeof names);
  assert_string_equal(names, "MTU, ListenPort, PacketThreads");
  tw_setting_names(0, names, sizeof names);
  assert_string_equal(names, "");
  tw_setting_names(diff.settings & TW_SETTINGS_AT_START, names, 9); /* cut, and no further */
  assert_string_equal(names, "MTU, Lis");
  tw_config_diff_clear(&diff);
}

static void admins_are_compared_by_who_they_are(void **state) {
  (void)state;
  tw_config_diff diff = {0};
  compare(LEAST "Admins = d.example, " PRINT "07\n[Peer]\nCertificate = d.example\n",
          LEAST "Admins = " PRINT "07, x\n[Peer]\nName = x\nCertificate = d.example\n", &diff);
  assert_int_equal(diff.settings, 0);
  compare(LEAST "Admins = d.example, " PRINT "07\n[Peer]\nCertificate = d.example\n",
          LEAST "Admins = e.example, " PRINT "07\n[Peer]\nCertificate = d.example\n[Peer]\nCertificate = e.example\n",
          &diff);
  assert_int_equal(diff.settings, TW_SETTING_ADMINS);
  tw_config_diff_clear(&diff);
}

static void without_memory_the_old_result_stays(void **state) {
  (void)state;
  tw_node_config a = {0};
  tw_node_config b = {0};
  tw_config_diff diff = {0};
  read_config(base, &a);
  read_config(LEAST PEER("01", "b", "AllowedIPs = fd07::2, 10.7.0.2\n") PEER("04", "x", ""), &b);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_config_diff_make(&test.alloc, &a, &b, &diff);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(diff.peer_count, 0);
  }
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(diff.peer_count, 4);
  tw_config_diff_clear(&diff);
  tw_node_config_clear(&a);
  tw_node_config_clear(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_file_has_no_differences),
      cmocka_unit_test(order_and_spelling_do_not_matter),
      cmocka_unit_test(peers_come_go_and_change),
      cmocka_unit_test(a_peer_with_another_key_is_another_peer),
      cmocka_unit_test(this_node_is_no_peer),
      cmocka_unit_test(each_setting_is_told_alone),
      cmocka_unit_test(several_are_named_together),
      cmocka_unit_test(admins_are_compared_by_who_they_are),
      cmocka_unit_test(without_memory_the_old_result_stays),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
