/* What a client refuses of ServerHello and EncryptedExtensions, and both of Finished. SPDX-License-Identifier: Apache-2.0 */
#include "tls/refusals_kit.h"

#include <string.h>

/* ---- ServerHello ---- */

static void grease_suite(tw_buf *m) {
  const uint8_t *offered = alice->first_message.ptr + SUITE_AT + 2;
  memcpy(m->ptr + SUITE_AT, offered, 2);
}
static void grease_suite_of_a_stranger(tw_buf *m) {
  grease_suite(m);
  tw_test_tls_remove_extension(m, MLS);
}
SET(chosen_draft, TW_TLS_EXT_SUPPORTED_VERSIONS, "\x7f\x1c")
SET(chosen_two, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\4\3\4")
static void downgrade_12(tw_buf *m) {
  of_tls12(m);
  memcpy(m->ptr + RANDOM_AT + 24, "DOWNGRD\1", 8);
}
static void downgrade_11(tw_buf *m) {
  of_tls12(m);
  memcpy(m->ptr + RANDOM_AT + 24, "DOWNGRD\0", 8);
}
ADD(share_too, TW_TLS_EXT_KEY_SHARE, "\0\x1d\0\1x")
ADD(psk_too, TW_TLS_EXT_PRE_SHARED_KEY, "\0\0")
ADD(cookie_too, TW_TLS_EXT_COOKIE, "\0\1x")
ADD(signatures_too, TW_TLS_EXT_SIGNATURE_ALGORITHMS, "\0\2\4\3")
SET(no_welcome, MLS, "")
static void short_welcome(tw_buf *m) { change_key_package(m, 1, 0, 0, 0); }
static void long_welcome(tw_buf *m) { change_key_package(m, 0, 0, 0, 1); }
static void welcome_of_another_suite(tw_buf *m) { change_key_package(m, 0, 1, 0x02, 0); }
static void bad_welcome(tw_buf *m) { change_key_package(m, 0, SIZE_MAX, 0x01, 0); }

static void with_refusing_client(void) { alice->party.refuses = true; }

static void server_hellos_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"legacy_version 0x0302", old_legacy_version, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"legacy_version 0x0304", new_legacy_version, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"session id of 33 bytes", long_session_id, NULL, TW_ERR_ENCODING, DECODE},
      {"another session id", other_session_id, NULL, FORBIDDEN, ILLEGAL},
      {"a suite that was not offered", suite_not_offered, NULL, FORBIDDEN, ILLEGAL},
      {"a suite that is not the KeyPackage's", suite_of_another_hash, NULL, FORBIDDEN, ILLEGAL},
      {"the GREASE suite", grease_suite, NULL, FORBIDDEN, ILLEGAL},
      {"the GREASE suite without MLS", grease_suite_of_a_stranger, NULL, FORBIDDEN, ILLEGAL},
      {"compression", answer_compressed, NULL, FORBIDDEN, ILLEGAL},
      {"version 1.2 by extension", chosen_12, NULL, FORBIDDEN, ILLEGAL},
      {"a version of a draft", chosen_draft, NULL, FORBIDDEN, ILLEGAL},
      {"two versions", chosen_two, NULL, TW_ERR_TRAILING, DECODE},
      {"MLS without supported_versions", without_versions, NULL, FORBIDDEN, MISSING},
      {"TLS 1.2", of_tls12, NULL, TW_ERR_UNSUPPORTED, VERSION},
      {"TLS 1.2 of one who knows 1.3", downgrade_12, NULL, FORBIDDEN, ILLEGAL},
      {"TLS 1.1 of one who knows 1.3", downgrade_11, NULL, FORBIDDEN, ILLEGAL},
      {"no MLS", without_mls, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a key_share too", share_too, NULL, FORBIDDEN, ILLEGAL},
      {"a pre_shared_key that was not offered", psk_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"ALPN, offered, in the wrong place", alpn_too, with_protocols, FORBIDDEN, ILLEGAL},
      {"ALPN, not offered", alpn_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"a cookie", cookie_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"an unknown extension", unknown_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"signature_algorithms", signatures_too, NULL, FORBIDDEN, ILLEGAL},
      {"an extension twice", versions_twice, NULL, FORBIDDEN, ILLEGAL},
      {"our extension twice", mls_twice, NULL, FORBIDDEN, ILLEGAL},
      {"block one byte short", short_block, NULL, TW_ERR_TRAILING, DECODE},
      {"block one byte long", long_block, NULL, TW_ERR_TRUNCATED, DECODE},
      {"no Welcome", no_welcome, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a Welcome one byte short", short_welcome, NULL, TW_ERR_TRUNCATED, DECODE},
      {"a Welcome one byte long", long_welcome, NULL, TW_ERR_TRAILING, DECODE},
      {"a Welcome of another suite", welcome_of_another_suite, NULL, TW_ERR_UNSUPPORTED, FAILURE},
      {"a Welcome with a flipped bit", bad_welcome, NULL, TW_ERR_DECRYPT, TW_ALERT_DECRYPT_ERROR},
      {"a credential that is refused", NULL, with_refusing_client, TW_ERR_CREDENTIAL, TW_ALERT_ACCESS_DENIED},
  };
  CHECK(cases, alice, 0);
}

/* ---- EncryptedExtensions ---- */

ADD(versions_in_ee, TW_TLS_EXT_SUPPORTED_VERSIONS, "\3\4")
ADD(share_in_ee, TW_TLS_EXT_KEY_SHARE, "\0\x1d\0\1x")
ADD(groups_in_ee, TW_TLS_EXT_SUPPORTED_GROUPS, "\0\2\0\x1d")
ADD(name_in_ee, TW_TLS_EXT_SERVER_NAME, "")
ADD(limit_in_ee, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\1\0")
ADD(fragments_in_ee, TW_TLS_EXT_MAX_FRAGMENT_LENGTH, "\1")
SET(full_name, TW_TLS_EXT_SERVER_NAME, "\0")
SET(protocol_not_offered, TW_TLS_EXT_ALPN, "\0\5\4acme")
SET(two_protocols, TW_TLS_EXT_ALPN, "\0\6\2h2\2h3")
SET(big_limit, TW_TLS_EXT_RECORD_SIZE_LIMIT, "\x40\2")
static void grease_in_ee(tw_buf *m) {
  /* The first of ours. */
  const uint8_t *first = alice->first_message.ptr + tw_test_tls_extensions_at(tw_buf_bytes(&alice->first_message)) + 2;
  const uint16_t type = (uint16_t)(first[0] << 8 | first[1]);
  assert_true(tw_tls_is_grease(type));
  tw_test_tls_add_extension(m, type, TW_NO_BYTES);
}

static void with_limits(void) { alice->config.record_size_limit = bob->config.record_size_limit = 500; }

static void encrypted_extensions_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"our extension", mls_in_ee, NULL, FORBIDDEN, ILLEGAL},
      {"early_data", early_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"supported_versions", versions_in_ee, NULL, FORBIDDEN, ILLEGAL},
      {"key_share", share_in_ee, NULL, FORBIDDEN, ILLEGAL},
      {"signature_algorithms", signatures_too, NULL, FORBIDDEN, ILLEGAL},
      {"an unknown extension", unknown_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"the GREASE extension", grease_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"ALPN, not offered", alpn_too, NULL, FORBIDDEN, UNSUPPORTED},
      {"server_name, not offered", name_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"record_size_limit, not offered", limit_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"max_fragment_length", fragments_in_ee, NULL, FORBIDDEN, UNSUPPORTED},
      {"max_fragment_length beside a limit", fragments_in_ee, with_limits, FORBIDDEN, UNSUPPORTED},
      {"a name in server_name", full_name, with_names, TW_ERR_TRAILING, DECODE},
      {"a protocol that was not offered", protocol_not_offered, with_protocols, FORBIDDEN, ILLEGAL},
      {"two protocols", two_protocols, with_protocols, FORBIDDEN, ILLEGAL},
      {"no protocol", no_protocol, with_protocols, TW_ERR_ENCODING, DECODE},
      {"record_size_limit 63", small_limit, with_limits, FORBIDDEN, ILLEGAL},
      {"record_size_limit 16386", big_limit, with_limits, FORBIDDEN, ILLEGAL},
      {"an extension twice", unknown_two, NULL, FORBIDDEN, ILLEGAL},
      {"block one byte short", short_block, with_names, TW_ERR_TRAILING, DECODE},
      {"block one byte long", long_block, with_names, TW_ERR_TRUNCATED, DECODE},
      /* Allowed (section 4.2.7), and then the transcripts differ. */
      {"supported_groups", groups_in_ee, NULL, TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR},
  };
  CHECK(cases, alice, 1);
}

/* ---- Finished ---- */

static void cut_finished(tw_buf *m) {
  m->ptr[3]--;
  m->len--;
}
static void lengthen_finished(tw_buf *m) {
  m->ptr[3]++;
  assert_int_equal(tw_buf_append(m, TW_LITERAL("x")), TW_OK);
}
static void empty_finished(tw_buf *m) {
  m->ptr[3] = 0;
  m->len = 4;
}

static void wrong_finished_ends_it(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"a flipped bit", flip_last, NULL, TW_ERR_MAC, TW_ALERT_DECRYPT_ERROR},
      {"one byte less", cut_finished, NULL, TW_ERR_ENCODING, DECODE},
      {"one byte more", lengthen_finished, NULL, TW_ERR_ENCODING, DECODE},
      {"nothing", empty_finished, NULL, TW_ERR_ENCODING, DECODE},
  };
  CHECK(cases, alice, 2);
  CHECK(cases, bob, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(server_hellos_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(encrypted_extensions_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(wrong_finished_ends_it, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
