/* An admin, a joiner and an invitation that are there for all tests, and how each side reads the other's messages. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_JOINER_KIT_H
#define TW_TESTS_NODE_JOINER_KIT_H

#include "node/enrolment_kit.h"

static tw_test_env test;
static const tw_suite *suite;
static tw_signer *admin;
static tw_signer *joiner;
static tw_fingerprint admin_id;
static tw_fingerprint joiner_id;
static tw_invitation invitation;
static tw_invitation_keys keys;
static tw_enrolment_answer_key answer_key;
static tw_bytes answer_public;

static inline int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 11);
  suite = tw_suite_by_name(ENROL_SUITE);
  assert_int_equal(tw_signer_generate(&test.env, suite, &admin), TW_OK);
  assert_int_equal(tw_signer_generate(&test.env, suite, &joiner), TW_OK);
  assert_int_equal(tw_fingerprint_of(&test.env, suite, tw_signer_public_key(admin), &admin_id), TW_OK);
  assert_int_equal(tw_fingerprint_of(&test.env, suite, tw_signer_public_key(joiner), &joiner_id), TW_OK);
  invitation = enrol_invitation(suite);
  invitation.inviter = admin_id;
  assert_int_equal(tw_invitation_keys_of(&test.env, &invitation, &keys), TW_OK);
  assert_int_equal(tw_enrolment_answer_key_make(&test.env, suite, &answer_key), TW_OK);
  answer_public = tw_buf_bytes(&answer_key.public_key);
  return 0;
}

static inline int tear_down(void **state) {
  (void)state;
  tw_enrolment_answer_key_clear(&answer_key);
  tw_invitation_keys_clear(&keys);
  tw_signer_free(admin);
  tw_signer_free(joiner);
  tw_test_env_clear(&test);
  return 0;
}

static inline tw_err unwrap(tw_bytes encoded) {
  tw_buf plain = TW_BUF_INIT(test.env.alloc);
  const tw_err err = tw_enrolment_unwrap(&test.env, suite, &answer_key, keys.id, encoded, &plain);
  assert_int_equal(plain.len > 0, err == TW_OK);
  tw_buf_clear(&plain);
  return err;
}
static inline tw_err read_reply(tw_bytes encoded) {
  tw_enrolment_reply reply;
  return tw_enrolment_reply_read(&test.env, suite, &admin_id, keys.id, encoded, &reply);
}
static inline tw_err read_list(tw_bytes encoded) {
  tw_enrolment_list list;
  tw_fingerprint by;
  return tw_enrolment_list_read(&test.env, suite, encoded, &list, &by);
}
static inline tw_err read_settings(tw_bytes encoded) {
  tw_enrolment_settings settings;
  return tw_enrolment_settings_decode(encoded, &settings);
}

static inline void make_reply(tw_signer *by, const uint8_t id[TW_INVITATION_ID], tw_buf *out) {
  const tw_enrolment_reply reply = {TW_ENROLMENT_USED, joiner_id, enrol_text("another key has used it")};
  assert_int_equal(tw_enrolment_reply_make(&test.env, by, id, &reply, out), TW_OK);
}

#endif
