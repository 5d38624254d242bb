/* An invitation, its keys, and messages about it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_ENROLMENT_KIT_H
#define TW_TESTS_NODE_ENROLMENT_KIT_H

#include "support/tw_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "codec/writer.h"
#include "node/enrolment.h"
#include "support/tw_test_env.h"
#include "support/tw_test_x509.h"

#define ENROL_SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"
enum { ENROL_UNTIL = 1800003600, ENROL_VERSION = 1800000000 };

static inline tw_bytes enrol_text(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

static inline tw_invitation enrol_invitation(const tw_suite *suite) {
  tw_invitation invitation = {
      .relay = {.host = "relay.example", .port = 9420}, .group = "office", .suite = suite, .until = ENROL_UNTIL};
  memset(invitation.relay_key.digest, 0x11, sizeof invitation.relay_key.digest);
  memset(invitation.inviter.digest, 0x22, sizeof invitation.inviter.digest);
  memset(invitation.secret, 0xfb, sizeof invitation.secret); /* characters that the two alphabets differ in */
  return invitation;
}

static inline void enrol_add_prefix(tw_buf *list, const char *text) {
  tw_prefix prefix;
  tw_writer w = tw_writer_to(list);
  assert_true(tw_prefix_parse(enrol_text(text), &prefix));
  tw_write_enrolled_prefix(&w, &prefix);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* Appends a node of a list, or (`host`) of settings. */
static inline void enrol_add_node(tw_buf *list, const char *name, uint8_t key, const char *prefix, const char *host) {
  tw_buf allowed = {0};
  tw_enrolled node = {.name = enrol_text(name), .host = enrol_text(host), .port = host[0] == '\0' ? 0 : 9420};
  memset(node.key.digest, key, sizeof node.key.digest);
  enrol_add_prefix(&allowed, prefix);
  node.allowed = tw_buf_bytes(&allowed);
  tw_writer w = tw_writer_to(list);
  tw_write_enrolled(&w, &node);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_buf_clear(&allowed);
}

/* A CA's certificate, appended as an x509 credential has one. */
static inline void enrol_add_ca(tw_buf *list, const char *subject) {
  tw_test_cert ca;
  tw_buf one = {0};
  tw_test_ca_make(&ca, NULL, subject, NULL, NULL);
  tw_test_chain(&one, (const tw_test_cert *const[]){&ca, NULL});
  assert_int_equal(tw_buf_append(list, tw_buf_bytes(&one)), TW_OK);
  tw_buf_clear(&one);
  tw_test_cert_clear(&ca);
}

static inline void enrol_add_name(tw_buf *list, const char *name) {
  tw_writer w = tw_writer_to(list);
  tw_write_vector(&w, enrol_text(name));
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static inline void enrol_add_admin(tw_buf *list, uint8_t key, uint64_t version) {
  tw_enrolled_admin admin = {.version = version};
  tw_writer w = tw_writer_to(list);
  memset(admin.key.digest, key, sizeof admin.key.digest);
  tw_write_enrolled_admin(&w, &admin);
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* Settings with two peers, one of them with an Endpoint and one without a name, and two admins, one of them with a
 * list. */
static inline void enrol_settings_by(tw_bytes ca, tw_bytes admit, tw_buf *out) {
  tw_buf addresses = {0};
  tw_buf peers = {0};
  tw_buf groups = {0};
  tw_buf admins = {0};
  enrol_add_admin(&admins, 0x22, ENROL_VERSION);
  enrol_add_admin(&admins, 0x33, 0);
  enrol_add_prefix(&addresses, "10.7.0.3/24");
  enrol_add_prefix(&addresses, "fd07::3/64");
  enrol_add_node(&peers, "anna", 0x22, "10.7.0.1/32", "anna.example");
  enrol_add_node(&peers, "", 0x44, "192.168.20.0/24", "");
  enrol_add_prefix(&groups, "239.1.2.3/32");
  const tw_enrolment_settings settings = {.name = enrol_text("carla"),
                                          .addresses = tw_buf_bytes(&addresses),
                                          .peers = tw_buf_bytes(&peers),
                                          .admins = tw_buf_bytes(&admins),
                                          .groups = tw_buf_bytes(&groups),
                                          .broadcast = true,
                                          .mtu = 1400,
                                          .rekey_after = 3600,
                                          .rekey_bytes = UINT64_C(64) << 30,
                                          .grace = 60,
                                          .keepalive = 25,
                                          .ca = ca,
                                          .admit = admit};
  assert_int_equal(tw_enrolment_settings_encode(&settings, out), TW_OK);
  tw_buf_clear(&addresses);
  tw_buf_clear(&peers);
  tw_buf_clear(&admins);
  tw_buf_clear(&groups);
}

static inline void enrol_settings(tw_buf *out) { enrol_settings_by(TW_NO_BYTES, TW_NO_BYTES, out); }

/* Of a network whose Members are certified, by either of two CAs. */
static inline void enrol_settings_certified(tw_buf *out) {
  tw_buf ca = {0};
  tw_buf admit = {0};
  enrol_add_ca(&ca, "one");
  enrol_add_ca(&ca, "other");
  enrol_add_name(&admit, "*.office.example");
  enrol_add_name(&admit, "gate.example");
  enrol_settings_by(tw_buf_bytes(&ca), tw_buf_bytes(&admit), out);
  tw_buf_clear(&admit);
  tw_buf_clear(&ca);
}

#endif
