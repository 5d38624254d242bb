/* Configurations that are refused, each for one reason, with its place. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "config_kit.h"

typedef struct mistake {
  const char *text;
  const char *words; /* with the line */
} mistake;

static void refused(const mistake *mistakes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char words[256];
    tw_node_config config = {0};
    tw_problems problems = {0};
    const tw_err err = parse(mistakes[i].text, &config, &problems);
    (void)snprintf(words, sizeof words, "/etc/treewire/office.conf%s", mistakes[i].words);
    if (err != TW_ERR_ENCODING || problems.count != 1 || strncmp(problems.first.text, words, strlen(words)) != 0)
      fail_msg("%s\n%zu problems, %d: %s\nnot %s", mistakes[i].text, problems.count, (int)err, problems.first.text,
               words);
    assert_null(config.source);
  }
}
#define REFUSED(list_) refused((list_), sizeof(list_) / sizeof((list_)[0]))

static void bad_values_are_named(void **state) {
  (void)state;
  static const mistake mistakes[] = {
      {LEAST "[Peer]\nName = -x\n" PEER("01"), ":11: Name: '-x' is not a name"},
      {LEAST "[Peer]\nName = a b\n", ":11: Name: 'a b' is not a name"},
      {LEAST "[Peer]\nName = a,b\n", ":11: Name: 'a,b' is not a name"},
      {LEAST "[Peer]\nPublicKey = rubbish\n", ":11: PublicKey: 'rubbish' is neither a public key"},
      {LEAST "[Peer]\nPublicKey = sha256:00\n", ":11: PublicKey: a fingerprint is"},
      {LEAST "[Peer]\nPublicKey = " SUITE ":AAAA\n", ":11: PublicKey: a public key of suite"},
      {LEAST "[Peer]\nPublicKey = treewire-key-1 x\n", ":11: PublicKey: this is a private key"},
      {LEAST "[Peer]\nCertificate = *.example\n", ":11: Certificate: '*.example' is neither an IP address nor"},
      {LEAST "[Peer]\nAllowedIPs = 10.0.0.1/24\n",
       ":11: AllowedIPs: '10.0.0.1/24' has bits behind its prefix; 10.0.0.0/24"},
      {LEAST "[Peer]\nAllowedIPs = 10.0.0.0/33\n", ":11: AllowedIPs: '10.0.0.0/33' is not an IP address or prefix"},
      {LEAST "[Peer]\nAllowedIPs = 10.0.0.0/24,\n", ":11: AllowedIPs: '' is not an IP address or prefix"},
      {LEAST "[Peer]\nAllowedIPs = 239.1.0.0/16\n", ":11: AllowedIPs: '239.1.0.0/16' is multicast"},
      {LEAST "[Peer]\nAllowedIPs = ff02::1\n", ":11: AllowedIPs: 'ff02::1' is multicast"},
      {LEAST "[Peer]\nEndpoint = [::1\n", ":11: Endpoint: '[::1' is not an address"},
      {LEAST "[Peer]\nEndpoint = a.example:0\n", ":11: Endpoint: 'a.example:0': nothing can be reached at port 0"},
      {LEAST "[Peer]\nPersistentKeepalive = 25\n", ":11: PersistentKeepalive is not a key of [Peer]: it is Keepalive"},
      {LEAST "[Peer]\nAllowedIps = 1.2.3.4\nMTU = 1\n", ":12: unknown key MTU in [Peer]"},
      {LEAST "[Multicast]\nGroups = 10.0.0.0/8\n", ":11: Groups: '10.0.0.0/8' is not multicast"},
      {LEAST "[Multicast]\nGroups = 0.0.0.0/0\n", ":11: Groups: '0.0.0.0/0' is not multicast"},
      {LEAST "[Multicast]\nGroups = 239.1.0.0/8\n",
       ":11: Groups: '239.1.0.0/8' has bits behind its prefix; 239.0.0.0/8"},
      {LEAST "[Multicast]\nGroups = all\n", ":11: Groups: 'all' is neither a multicast address"},
      {LEAST "RekeyAfter = soon\n", ":10: RekeyAfter: 'soon' is not a time up to 30d"},
      {LEAST "RekeyAfter = 31d\n", ":10: RekeyAfter: '31d' is not a time"},
      {LEAST "RekeyAfter = -1\n", ":10: RekeyAfter: '-1' is not a time"},
      {LEAST "RekeyAfter = h\n", ":10: RekeyAfter: 'h' is not a time"},
      {LEAST "RekeyAfter = 99999999999999999999h\n", ":10: RekeyAfter: '99999999999999999999h' is not a time"},
      {LEAST "RekeyBytes = 1\n", ":10: RekeyBytes: '1' is not a number from 64K to 1T"},
      {LEAST "RekeyBytes = 2T\n", ":10: RekeyBytes: '2T' is not a number"},
      {LEAST "RekeyPackets = 999\n", ":10: RekeyPackets: '999' is not a number from 1000 to 4G"},
      {LEAST "Grace = 0\n", ":10: Grace: '0' is not a time from 1 s to 1h"},
      {LEAST "Grace = 3601\n", ":10: Grace: '3601' is not a time"},
      {LEAST "Keepalive = 65536\n", ":10: Keepalive: '65536' is not a time up to 65535 s"},
      {LEAST "Sign = maybe\n", ":10: Sign: 'maybe' is neither yes nor no"},
      {LEAST "Suite = NOPE\n", ":10: Suite: 'NOPE' is not known; `treewire suites`"},
      {LEAST "Members = all\n", ":10: Members: 'all' is neither listed nor certified"},
      {LEAST "Members = certified\n", ":7: [Network]: Members = certified needs CA in [Interface]"},
      {LEAST "Admit = a.example\n", ":7: [Network]: Admit needs Members = certified"},
      {LEAST "Members = certified\nAdmit = a_.example, x.*.example\n", ":11: Admit: 'x.*.example' is neither"},
      {LEAST "Members = certified\nAdmit = *\n", ":11: Admit: '*' is neither"},
      {LEAST "Members = certified\nAdmit = a.example,,b.example\n", ":11: Admit: '' is neither"},
      {LEAST "Members = certified\nAdmit = 10.7.0.1\n", ":11: Admit: '10.7.0.1' is an address"},
      {LEAST "Admins = nobody\n", ":10: Admins: no [Peer] has the Name 'nobody'"},
      {LEAST "Admins = sha256:00\n", ":10: Admins: a fingerprint is"},
      {LEAST "Admins = " PRINT "01,, " PRINT "02\n", ":10: Admins: an empty item in the list"},
      {LEAST "Admins = " PRINT "01, " PRINT "01\n", ":10: Admins: 'sha256:"},
      {LEAST "Admins = b, " PRINT "01\n[Peer]\nName = b\nPublicKey = " PRINT "01\n", ":10: Admins: 'sha256:"},
      {LEAST "ListsAfter = " PRINT "01\n", ":10: ListsAfter: 'sha256:"},
      {LEAST "ListsAfter = 7\n", ":10: ListsAfter: '7' is not an admin's public key or fingerprint, a blank, and"},
      {LEAST "ListsAfter = " PRINT "01 x\n", ":10: ListsAfter: 'sha256:"},
      {LEAST "ListsAfter = " PRINT "01 -1\n", ":10: ListsAfter: 'sha256:"},
      {LEAST "ListsAfter = " PRINT "01 18446744073709551616\n", ":10: ListsAfter: 'sha256:"},
      {LEAST "ListsAfter = " PRINT "01 7, " PRINT "02 8\n", ":10: ListsAfter: "},
      {LEAST "ListsAfter = b 7\n", ":10: ListsAfter: 'b' is neither a public key"},
      {LEAST "Group = other\n", ":10: Group a second time in one [Network]; the first is in line 8"},
  };
  REFUSED(mistakes);
}

static void a_bad_interface_is_refused(void **state) {
  (void)state;
  static const mistake mistakes[] = {
      {INTERFACE "MTU = 1279\n" RELAY NETWORK, ":4: MTU: '1279' is not a number from 1280 to 65520"},
      {INTERFACE "MTU = 65521\n" RELAY NETWORK, ":4: MTU: '65521' is not a number"},
      {INTERFACE "MTU = 0x600\n" RELAY NETWORK, ":4: MTU: '0x600' is not a number"},
      {INTERFACE "PacketThreads = 0\n" RELAY NETWORK,
       ":4: PacketThreads: '0' is neither auto nor a number from 1 to 16"},
      {INTERFACE "PacketThreads = 17\n" RELAY NETWORK,
       ":4: PacketThreads: '17' is neither auto nor a number from 1 to 16"},
      {INTERFACE "PacketThreads = all\n" RELAY NETWORK,
       ":4: PacketThreads: 'all' is neither auto nor a number from 1 to 16"},
      {INTERFACE "ListenPort = 65536\n" RELAY NETWORK, ":4: ListenPort: '65536' is not a number from 0 to 65535"},
      {INTERFACE "Table = 0\n" RELAY NETWORK, ":4: Table: '0' is none of auto, off, main"},
      {INTERFACE "Table = 4294967296\n" RELAY NETWORK, ":4: Table: '4294967296' is none of"},
      {INTERFACE "Metric = -1\n" RELAY NETWORK, ":4: Metric: '-1' is not a number"},
      {INTERFACE "PrivateKey = x\n" RELAY NETWORK, ":4: PrivateKey is not a key of [Interface]: the key is in a file"},
      {INTERFACE "PostUp = true\n" RELAY NETWORK, ":4: PostUp is not a key of [Interface]: commands are not run"},
      {INTERFACE "Address = 10.0.0.1/33\n" RELAY NETWORK, ":4: Address: '10.0.0.1/33' is not an IP address"},
      {INTERFACE "Address = 224.0.0.1/4\n" RELAY NETWORK, ":4: Address: '224.0.0.1/4' is a multicast address"},
      {INTERFACE "Address = 10.0.0.0/24\n" RELAY NETWORK, ":4: Address: '10.0.0.0/24' is its subnet's own address"},
      {INTERFACE "Address = 10.0.0.255/24\n" RELAY NETWORK, ":4: Address: '10.0.0.255/24' is its subnet's broadcast"},
      {INTERFACE "Address = 127.0.0.1/8\n" RELAY NETWORK, ":4: Address: '127.0.0.1/8' is a loopback address"},
      {INTERFACE "Address = ::/64\n" RELAY NETWORK, ":4: Address: '::/64' is no host's address"},
      {INTERFACE "Address = 10.7.0.1/16\n" RELAY NETWORK,
       ":4: Address: 10.7.0.1/32 a second time; the first is in line 2"},
      {INTERFACE "Certificate = c\nCertificateKey = k\n" RELAY NETWORK,
       ":1: [Interface]: either Identity or Certificate"},
      {INTERFACE "CertificateKey = k\n" RELAY NETWORK, ":1: [Interface]: CertificateKey needs Certificate"},
      {INTERFACE "CRL = c\n" RELAY NETWORK, ":1: [Interface]: CRL needs CA"},
      {INTERFACE INTERFACE RELAY NETWORK, ":4: a second [Interface]; the first is in line 1"},
      {"[Interface]\nIdentity = a\n" RELAY NETWORK, ":1: [Interface] has no Address"},
      {"[Interface]\nAddress = 10.7.0.1\n" RELAY NETWORK, ":1: [Interface]: no Identity, and no Certificate"},
      {"[Interface]\nAddress = 10.7.0.1\nCertificate = c\n" RELAY NETWORK, ":1: [Interface]: Certificate needs"},
      {RELAY NETWORK, ": [Interface] is missing"},
  };
  REFUSED(mistakes);
}

static void what_is_missing_or_does_not_fit_is_named(void **state) {
  (void)state;
  static const mistake mistakes[] = {
      {INTERFACE NETWORK, ": [Relay] is missing"},
      {INTERFACE RELAY, ": [Network] is missing"},
      {INTERFACE RELAY "[Network]\nSign = no\n", ":7: [Network] has no Group"},
      {INTERFACE NETWORK "[Relay]\nEndpoint = r\n", ":6: [Relay] has neither PublicKey nor"},
      {INTERFACE NETWORK "[Relay]\nPublicKey = " PRINT "00\n", ":6: [Relay] has no Endpoint"},
      {INTERFACE NETWORK RELAY "Name = r.example\n", ":6: [Relay]: Name needs CA"},
      {INTERFACE NETWORK "[Relay]\nEndpoint = r\nPublicKey = " SUITE ":" KEY_BYTES "\n",
       ":6: [Relay]: PublicKey is one of suite " SUITE ", and the network's is"},
      {LEAST "[Peer]\n", ":10: [Peer] has neither PublicKey nor Certificate"},
      {LEAST "[Peer]\nCertificate = a.example\n", ":10: [Peer]: Certificate needs CA"},
      {INTERFACE "CA = c\n" RELAY NETWORK PEER("01") "Certificate = a.example\n", ":10: [Peer]: either PublicKey or"},
      {LEAST "Suite = " OTHER_SUITE "\n[Peer]\nPublicKey = " SUITE ":" KEY_BYTES "\n",
       ":11: [Peer]: PublicKey is one of"},
  };
  REFUSED(mistakes);
}

static void nobody_and_nothing_is_there_twice(void **state) {
  (void)state;
  static const mistake mistakes[] = {
      {LEAST PEER("01") PEER("02") PEER("01"), ":14: [Peer]: the same PublicKey as the peer in line 10"},
      {LEAST PEER("01") "Name = x\n" PEER("02") "Name = x\n", ":13: [Peer]: the same Name as the peer in line 10"},
      {INTERFACE "CA = c\n" RELAY NETWORK "[Peer]\nCertificate = A.example\n[Peer]\nCertificate = a.example\n",
       ":12: [Peer]: the same Certificate as the peer in line 10"},
      {INTERFACE "CA = c\n" RELAY NETWORK "[Peer]\nCertificate = a.example\n" PEER("01") "Name = a.example\n",
       ":12: [Peer]: the same Name as the peer in line 10"},
      {LEAST PEER("01") "AllowedIPs = 10.1.0.0/16\n" PEER("02") "AllowedIPs = 10.2.0.0/16, 10.1.0.0/16\n",
       ":15: AllowedIPs: 10.1.0.0/16 a second time; the first is in line 12"},
      {LEAST PEER("01") "AllowedIPs = ::/0, ::/0\n", ":12: AllowedIPs: ::/0 a second time; the first is in line 12"},
      {LEAST PEER("01") "AllowedIPs = 10.7.0.255\n", ":12: AllowedIPs: the broadcast address of Address 10.7.0.1/24"},
      {LEAST "[Multicast]\nGroups = ff05::1, ff05::1/128\n", ":11: Groups: ff05::1/128 a second time"},
  };
  tw_node_config config = {0};
  REFUSED(mistakes);
  /* Prefixes inside one another are fine, and so is what would be a broadcast address. */
  takes(LEAST PEER("01") "AllowedIPs = 10.1.0.0/16\n" PEER("02") "AllowedIPs = 10.1.0.0/24, 0.0.0.0/0\n", &config);
  takes(LEAST PEER("01") "AllowedIPs = 10.7.0.255\n[Multicast]\nGroups = ff05::1\n", &config);
  tw_node_config_clear(&config);
}

static void a_file_in_utf16_is_one_problem(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
    bool is_utf16;
  } rows[] = {
      {"\xff\xfe[\0I\0n\0\n\0x\0\n\0", 14, true},
      {"\xfe\xff\0[\0I\0n\0\n\0x\0\n", 14, true},
      {"\xff\xfe", 2, true},
      {"\xff", 1, false},
      {"\xff\xff[\n\n", 5, false},
      {"\xef\xbb\xbf\n", 4, false},
      {"", 0, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const tw_bytes text = TW_BYTES((const uint8_t *)rows[i].bytes, rows[i].len);
    tw_problems problems = {0};
    tw_node_config config = {0};
    assert_int_equal(tw_node_config_parse(&test.env, "office", "office.conf", text, &config, &problems),
                     TW_ERR_ENCODING);
    assert_int_equal(strstr(problems.first.text, "office.conf: is written in UTF-16") != NULL, rows[i].is_utf16);
    if (rows[i].is_utf16) assert_int_equal(problems.count, 1);
    tw_node_config_clear(&config);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_values_are_named),
      cmocka_unit_test(a_bad_interface_is_refused),
      cmocka_unit_test(what_is_missing_or_does_not_fit_is_named),
      cmocka_unit_test(nobody_and_nothing_is_there_twice),
      cmocka_unit_test(a_file_in_utf16_is_one_problem),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
