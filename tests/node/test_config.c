/* A node's configuration: what it says, what it defaults to, what is refused. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_kit.h"

static void shows(const tw_prefix *prefix, const char *text) {
  char shown[TW_PREFIX_TEXT];
  tw_prefix_format(prefix, shown);
  assert_string_equal(shown, text);
}

static void the_least_file_has_sensible_defaults(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(LEAST, &config);
  assert_string_equal(config.name, "office");
  assert_string_equal(config.source, "/etc/treewire/office.conf");
  assert_int_equal(config.interface.addresses.count, 1);
  shows(&config.interface.addresses.list[0].prefix, "10.7.0.1/24");
  assert_string_equal(config.interface.identity, "/etc/treewire/a.key");
  assert_null(config.interface.certificate);
  assert_int_equal(config.interface.mtu, 1400);
  assert_int_equal(config.interface.listen_port, 9420);
  assert_int_equal(config.interface.packet_threads, 0);
  assert_string_equal(config.interface.state, "/var/lib/treewire/office");
  assert_int_equal(config.interface.routing, TW_NODE_ROUTES_AUTO);
  assert_int_equal(config.interface.metric, 0);
  assert_string_equal(config.relay.endpoint.host, "relay.example");
  assert_int_equal(config.relay.endpoint.port, 9420);
  assert_true(config.relay.key.given);
  assert_string_equal(config.network.group, "office");
  assert_ptr_equal(config.network.suite, tw_suite_default());
  assert_int_equal(config.network.rekey_after, 3600);
  assert_int_equal(config.network.rekey_bytes, UINT64_C(64) << 30);
  assert_int_equal(config.network.rekey_packets, 1 << 30);
  assert_int_equal(config.network.grace, 60);
  assert_int_equal(config.network.keepalive, 25);
  assert_false(config.network.sign);
  assert_int_equal(config.network.admin_count, 0);
  assert_int_equal(config.peer_count, 0);
  assert_int_equal(config.multicast.groups.count, 2);
  shows(&config.multicast.groups.list[0].prefix, "224.0.0.0/4");
  shows(&config.multicast.groups.list[1].prefix, "ff00::/8");
  assert_true(config.multicast.broadcast);
  tw_node_config_clear(&config);
  tw_node_config_clear(&config);
}

static void check_full_interface(const tw_node_interface *interface) {
  assert_int_equal(interface->addresses.count, 3);
  shows(&interface->addresses.list[1].prefix, "fd07::1/64");
  shows(&interface->addresses.list[2].prefix, "192.0.2.7/32");
  assert_null(interface->identity);
  assert_string_equal(interface->certificate, "/keys/me.pem");
  assert_string_equal(interface->certificate_key, "/etc/treewire/keys/me.key");
  assert_string_equal(interface->ca, "/etc/treewire/ca.pem");
  assert_int_equal(interface->crl_count, 2);
  assert_string_equal(interface->crls[1], "/etc/treewire/two.pem");
  assert_int_equal(interface->mtu, 65520);
  assert_int_equal(interface->listen_port, 0);
  assert_int_equal(interface->packet_threads, 16);
  assert_string_equal(interface->state, "/tmp/state");
  assert_int_equal(interface->routing, TW_NODE_ROUTES_TABLE);
  assert_int_equal(interface->table, 1000);
  assert_int_equal(interface->metric, 50);
}

static void check_full_network(const tw_node_config *config) {
  assert_string_equal(config->relay.endpoint.host, "2001:db8::1");
  assert_int_equal(config->relay.endpoint.port, 443);
  assert_string_equal(config->relay.name, "relay.example");
  assert_string_equal(config->network.group, "the office, d\303\251p\303\264t");
  assert_ptr_equal(config->network.suite, tw_suite_by_name(SUITE));
  assert_int_equal(config->network.rekey_after, 2 * 86400);
  assert_int_equal(config->network.rekey_bytes, UINT64_C(512) << 20);
  assert_int_equal(config->network.rekey_packets, 1000000);
  assert_int_equal(config->network.grace, 90);
  assert_int_equal(config->network.keepalive, 0);
  assert_true(config->network.sign);
  assert_int_equal(config->network.admin_count, 4);
  assert_int_equal(config->network.admins[0].peer, 1);
  assert_int_equal(config->network.admins[1].peer, 0); /* by its key */
  assert_int_equal(config->network.admins[2].peer, TW_NODE_NONE);
  assert_int_equal(config->network.admins[2].fingerprint.digest[31], 0x09);
  assert_int_equal(config->network.admins[3].peer, 2); /* by its certificate's name */
  assert_int_equal(config->network.lists_after_count, 3);
  assert_int_equal(config->network.lists_after[0].admin.digest[31], 0x01);
  assert_true(config->network.lists_after[0].version == 1800000000);
  assert_true(config->network.lists_after[1].version == UINT64_MAX);
  assert_memory_equal(&config->network.lists_after[1].admin, &config->peers[1].key.fingerprint, sizeof(tw_fingerprint));
  assert_true(config->network.lists_after[2].version == 0);
  assert_int_equal(config->multicast.groups.count, 2);
  assert_false(config->multicast.broadcast);
}

static void check_full_peers(const tw_node_config *config) {
  char shown[TW_FINGERPRINT_TEXT];
  assert_int_equal(config->peer_count, 3);
  assert_null(config->peers[0].name);
  assert_string_equal(tw_node_peer_label(&config->peers[0], shown), PRINT "01");
  assert_int_equal(config->peers[0].allowed.count, 3);
  shows(&config->peers[0].allowed.list[2].prefix, "fd07::/16");
  assert_string_equal(config->peers[1].name, "north.2");
  assert_ptr_equal(config->peers[1].key.suite, tw_suite_by_name(SUITE));
  assert_string_equal(config->peers[1].endpoint.host, "198.51.100.9");
  assert_int_equal(config->peers[1].endpoint.port, 9420);
  assert_int_equal(config->peers[1].allowed.count, 0);
  assert_string_equal(config->peers[2].certificate, "south.example");
  assert_string_equal(tw_node_peer_label(&config->peers[2], shown), "south.example");
  assert_int_equal(config->self, TW_NODE_NONE);
}

static void all_keys_are_taken(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes("[interface]\nAddress = 10.7.0.1/24, fd07::1/64\nAddress = 192.0.2.7\nCertificate = /keys/me.pem\n"
        "CertificateKey = keys/me.key\nCA = ca.pem\nCRL = one.pem\nCRL = two.pem\nMTU = 65520\nListenPort = 0\n"
        "PacketThreads = 16\n"
        "State = /tmp/state\nTable = 1000\nMetric = 50\n"
        "[Relay]\nEndpoint = [2001:db8::1]:443\nName = Relay.Example.\n"
        "[Network]\nGroup = the office, d\303\251p\303\264t\nSuite = dhkemx25519_aes128gcm_sha256_ed25519\n"
        "RekeyAfter = 2d\nRekeyBytes = 512M\nRekeyPackets = 1000000\nGrace = 90s\nKeepalive = off\nSign = yes\n"
        "Admins = north.2, " PRINT "01\nAdmins = " PRINT "09, south.example\n"
        "ListsAfter = " PRINT "01  1800000000\nListsAfter = " SUITE ":" KEY_BYTES
        " 18446744073709551615\nListsAfter = " PRINT "08 0\n"
        "[Peer]\nPublicKey = " PRINT "01\nAllowedIPs = 10.7.0.2, 10.7.1.0/24\nAllowedIPs = fd07::/16\n"
        "[Peer]\nName = north.2\nPublicKey = " SUITE ":" KEY_BYTES "\nAllowedIPs =\nEndpoint = 198.51.100.9\n"
        "[Peer]\nCertificate = South.example\n"
        "[Multicast]\nGroups = 239.0.0.0/8\nGroups = ff05::1:3\n",
        &config);
  check_full_interface(&config.interface);
  check_full_network(&config);
  check_full_peers(&config);
  takes(LEAST "[Multicast]\nGroups =\n", &config);
  assert_int_equal(config.multicast.groups.count, 0);
  assert_false(config.multicast.broadcast);
  tw_node_config_clear(&config);
}

typedef struct told {
  char words[4096];
  size_t count;
} told;

static void remember(void *ctx, const tw_report *problem) {
  told *all = ctx;
  const size_t used = strlen(all->words);
  (void)snprintf(all->words + used, sizeof all->words - used, "%s\n", problem->text);
  all->count++;
}

static void all_problems_are_told_and_the_rest_is_read(void **state) {
  (void)state;
  static const char text[] =
      "[Interface]\nAddress = 10.7.0.1/24\nMTU = 9\nColour = red\n[Relay]\nEndpoint = r:x\n"
      "[Network]\nGroup = office\nGrace = 0\n[Bogus]\nx = 1\n[Peer]\nName = b\n[Peer]\nName = b\n";
  tw_node_config config = {0};
  told all = {{0}, 0};
  tw_problems problems = {.tell = remember, .ctx = &all};
  assert_int_equal(tw_node_config_survey(&test.env, "n", "n.conf", TW_BYTES((const uint8_t *)text, sizeof text - 1),
                                         &config, &problems),
                   TW_OK);
  assert_string_equal(all.words, "n.conf:3: MTU: '9' is not a number from 1280 to 65520\n"
                                 "n.conf:4: unknown key Colour in [Interface]\n"
                                 "n.conf:6: Endpoint: 'r:x': the port is not a number from 0 to 65535\n"
                                 "n.conf:9: Grace: '0' is not a time from 1 s to 1h\n"
                                 "n.conf:10: unknown section [Bogus]\n"
                                 "n.conf:14: [Peer]: the same Name as the peer in line 12\n");
  assert_int_equal(problems.count, 6);
  assert_string_equal(problems.first.text, "n.conf:3: MTU: '9' is not a number from 1280 to 65520");
  assert_string_equal(config.network.group, "office");
  assert_int_equal(config.interface.mtu, 1400);
  assert_int_equal(config.peer_count, 2);
  tw_node_config_clear(&config);
}

static void past_some_problems_are_only_counted(void **state) {
  (void)state;
  char text[TW_PROBLEMS_TOLD * 4 + 1] = "";
  for (size_t i = 0; i < sizeof text - 1; i++) text[i] = i % 2 == 0 ? 'x' : '\n';
  tw_node_config config = {0};
  told all = {{0}, 0};
  tw_problems problems = {.tell = remember, .ctx = &all};
  assert_int_equal(parse(text, &config, &problems), TW_ERR_ENCODING);
  assert_int_equal(problems.count, 2 * TW_PROBLEMS_TOLD);
  assert_int_equal(all.count, TW_PROBLEMS_TOLD);
}

static void a_relay_with_a_certificate_is_named_by_its_host(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(INTERFACE "CA = ca.pem\n" NETWORK "[Relay]\nEndpoint = Relay.example:1\n", &config);
  assert_string_equal(config.relay.name, "relay.example");
  takes(INTERFACE "CA = ca.pem\n" NETWORK RELAY, &config); /* known by its key */
  assert_null(config.relay.name);
  tw_node_config_clear(&config);
}

static void this_node_may_be_among_the_peers(void **state) {
  (void)state;
  tw_node_config config = {0};
  tw_problems problems = {0};
  tw_fingerprint own;
  static const char *const names[] = {"me.example"};
  static const char print[] = PRINT "02";
  assert_int_equal(tw_fingerprint_parse(TW_BYTES((const uint8_t *)print, sizeof print - 1), &own, NULL), TW_OK);
  takes(LEAST PEER("01") "AllowedIPs = 10.7.0.2\n" PEER("02") "AllowedIPs = 10.7.0.1\n", &config);
  assert_int_equal(tw_node_config_settle(&config, &own, NULL, 0, &problems), TW_OK);
  assert_int_equal(config.self, 1);
  own.digest[31] = 0x77; /* nobody: somebody else has our address then */
  assert_int_equal(tw_node_config_settle(&config, &own, NULL, 0, &problems), TW_ERR_ENCODING);
  assert_string_equal(problems.first.text, "/etc/treewire/office.conf:15: AllowedIPs: 10.7.0.1/32 is our own Address");
  assert_int_equal(config.self, TW_NODE_NONE);

  takes(INTERFACE "CA = c\n" RELAY NETWORK PEER("01") "[Peer]\nCertificate = me.example\n", &config);
  assert_int_equal(tw_node_config_settle(&config, &own, names, 1, &problems), TW_OK);
  assert_int_equal(config.self, 1);
  own.digest[31] = 0x01;
  assert_int_equal(tw_node_config_settle(&config, &own, names, 1, &problems), TW_ERR_ENCODING);
  tw_node_config_clear(&config);
}

static void names_of_nodes_are_names_of_interfaces_and_files(void **state) {
  (void)state;
  static const char *const good[] = {"a", "office", "wg0", "net_1.x-y+z=", "123456789012345", "...", ".a"};
  static const char *const bad[] = {"", ".", "..", "1234567890123456", "a/b", "a b", "-a", "a%", "d\303\251"};
  tw_node_config config = {0};
  tw_problems problems = {0};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) assert_true(tw_node_name_is_valid(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(tw_node_name_is_valid(bad[i]));
  assert_int_equal(tw_node_config_parse(&test.env, "..", "f", TW_NO_BYTES, &config, &problems), TW_ERR_ARGUMENT);
}

static void lengths_have_limits(void **state) {
  (void)state;
  enum { ROOM = 8192 };
  static char text[ROOM];
  tw_node_config config = {0};
  tw_problems problems = {0};
  static const struct {
    const char *head;
    size_t most;
  } cases[] = {{INTERFACE RELAY "[Network]\nGroup = ", TW_NODE_GROUP_MAX},
               {LEAST "[Peer]\nPublicKey = " PRINT "01\nName = ", TW_NODE_PEER_NAME_MAX},
               {LEAST "[Peer]\nPublicKey = " PRINT "01\nEndpoint = ", 253},
               {RELAY NETWORK "[Interface]\nAddress = 10.7.0.1\nIdentity = /", TW_NODE_PATH_MAX - 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (size_t extra = 0; extra < 2; extra++) {
      const size_t head = strlen(cases[i].head);
      (void)memset(text, 0, sizeof text);
      memcpy(text, cases[i].head, head);
      (void)memset(text + head, 'a', cases[i].most + extra);
      assert_int_equal(parse(text, &config, &problems), extra == 0 ? TW_OK : TW_ERR_ENCODING);
    }
  tw_node_config_clear(&config);
}

/* A file of everything, for what follows. */
static const char full[] = INTERFACE
    "CA = ca.pem\nCRL = a\nMTU = 1500\nState = s\nTable = off\n" RELAY "Name = relay.example\n" NETWORK "Suite = " SUITE
    "\nAdmins = b, " PRINT "09\n" PEER("01") "Name = b\nAllowedIPs = 10.7.0.2, fd07::2\n"
                                             "Endpoint = b.example\n[Peer]\nCertificate = c.example\nAllowedIPs = "
                                             "10.0.0.0/8\n[Multicast]\nGroups = ff05::1\n";

static void a_file_cut_anywhere_is_read_or_refused(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(full, &config);
  for (size_t len = 0; len < sizeof full; len++) {
    uint8_t *copy = malloc(len + 1);
    tw_problems problems = {0};
    assert_non_null(copy);
    memcpy(copy, full, len);
    const tw_err err = tw_node_config_parse(&test.env, "n", "n.conf", TW_BYTES(copy, len), &config, &problems);
    assert_int_equal(err, problems.count == 0 ? TW_OK : TW_ERR_ENCODING);
    free(copy);
  }
  tw_node_config_clear(&config);
}

static void every_bit_flipped_is_read_or_refused(void **state) {
  (void)state;
  tw_node_config config = {0};
  for (size_t bit = 0; bit < 8 * (sizeof full - 1); bit += tw_test_rounds(1, 23)) {
    char copy[sizeof full];
    tw_problems problems = {0};
    memcpy(copy, full, sizeof full);
    copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
    const tw_err err = tw_node_config_parse(&test.env, "n", "n.conf", TW_BYTES((const uint8_t *)copy, sizeof copy - 1),
                                            &config, &problems);
    assert_int_equal(err, problems.count == 0 ? TW_OK : TW_ERR_ENCODING);
  }
  tw_node_config_clear(&config);
}

static void without_memory_the_old_configuration_stays(void **state) {
  (void)state;
  tw_node_config config = {0};
  takes(LEAST, &config);
  for (size_t n = 1;; n++) {
    tw_problems problems = {0};
    tw_test_fail_alloc(&test, n);
    const tw_err err = parse(full, &config, &problems);
    if (!test.alloc_failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(config.peer_count, 0);
    assert_int_equal(config.interface.mtu, 1400);
  }
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(config.peer_count, 2);
  tw_node_config_clear(&config);
}

static void the_examples_are_good(void **state) {
  (void)state;
  static const char *const names[] = {"a", "b"};
  for (size_t i = 0; i < 2; i++) {
    char path[1024];
    static char text[8192];
    tw_node_config config = {0};
    tw_problems problems = {0};
    assert_true(snprintf(path, sizeof path, TW_SOURCE_DIR "/examples/network/%s.conf", names[i]) < (int)sizeof path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t len = fread(text, 1, sizeof text, file);
    assert_int_equal(fclose(file), 0);
    if (tw_node_config_parse(&test.env, names[i], path, TW_BYTES((const uint8_t *)text, len), &config, &problems) !=
        TW_OK)
      fail_msg("%s", problems.first.text);
    assert_string_equal(config.network.group, "office");
    assert_int_equal(config.peer_count, 1);
    assert_int_equal(config.network.admin_count, 1);
    tw_node_config_clear(&config);
  }
}

static void thousands_of_peers_are_taken(void **state) {
  (void)state;
  const unsigned count = tw_test_rounds(5000, 300);
  tw_buf text = {0};
  tw_node_config config = {0};
  tw_problems problems = {0};
  assert_int_equal(tw_buf_append(&text, TW_LITERAL(LEAST)), TW_OK);
  for (unsigned i = 0; i < count; i++) {
    char peer[256];
    const int len = snprintf(peer, sizeof peer,
                             "[Peer]\nName = n%u\nPublicKey = sha256:%056x%08x\nAllowedIPs = 10.%u.%u.0/24\n", i, 0u, i,
                             i / 256, i % 256);
    assert_int_equal(tw_buf_append(&text, TW_BYTES((const uint8_t *)peer, (size_t)len)), TW_OK);
  }
  assert_int_equal(tw_node_config_parse(&test.env, "n", "n", tw_buf_bytes(&text), &config, &problems), TW_OK);
  assert_int_equal(config.peer_count, count);
  tw_buf_clear(&text);
  tw_node_config_clear(&config);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_least_file_has_sensible_defaults),
      cmocka_unit_test(all_keys_are_taken),
      cmocka_unit_test(all_problems_are_told_and_the_rest_is_read),
      cmocka_unit_test(past_some_problems_are_only_counted),
      cmocka_unit_test(a_relay_with_a_certificate_is_named_by_its_host),
      cmocka_unit_test(this_node_may_be_among_the_peers),
      cmocka_unit_test(names_of_nodes_are_names_of_interfaces_and_files),
      cmocka_unit_test(lengths_have_limits),
      cmocka_unit_test(a_file_cut_anywhere_is_read_or_refused),
      cmocka_unit_test(every_bit_flipped_is_read_or_refused),
      cmocka_unit_test(without_memory_the_old_configuration_stays),
      cmocka_unit_test(the_examples_are_good),
      cmocka_unit_test(thousands_of_peers_are_taken),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
