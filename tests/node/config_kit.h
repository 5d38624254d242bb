/* What the tests of a node's configuration share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_CONFIG_KIT_H
#define TW_TESTS_NODE_CONFIG_KIT_H

#include "support/tw_cmocka.h"

#include <string.h>

#include "node/config.h"
#include "support/tw_test_env.h"

static tw_test_env test;

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 3);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

#define SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"
#define OTHER_SUITE "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519"
#define KEY_BYTES "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PRINT "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
#define INTERFACE "[Interface]\nAddress = 10.7.0.1/24\nIdentity = a.key\n"
#define RELAY "[Relay]\nEndpoint = relay.example\nPublicKey = " PRINT "00\n"
#define NETWORK "[Network]\nGroup = office\n"
#define PEER(digits_) "[Peer]\nPublicKey = " PRINT digits_ "\n"
#define LEAST INTERFACE RELAY NETWORK "\n" /* nine lines */

static tw_err parse(const char *text, tw_node_config *config, tw_problems *problems) {
  return tw_node_config_parse(&test.env, "office", "/etc/treewire/office.conf",
                              TW_BYTES((const uint8_t *)text, strlen(text)), config, problems);
}

static void takes(const char *text, tw_node_config *config) {
  tw_problems problems = {0};
  if (parse(text, config, &problems) != TW_OK) fail_msg("%s", problems.first.text);
  assert_int_equal(problems.count, 0);
}

#endif
