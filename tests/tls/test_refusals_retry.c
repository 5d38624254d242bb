/* What is refused of a HelloRetryRequest and of what follows it. SPDX-License-Identifier: Apache-2.0 */
#include "tls/refusals_kit.h"

static void with_retry_and_protocols(void) {
  with_retry();
  with_protocols();
}
REMOVE(without_cookie, TW_TLS_EXT_COOKIE)
SET(empty_cookie_for_cookie, TW_TLS_EXT_COOKIE, "\0\0")
static void share_for_cookie(tw_buf *m, const char *group) {
  without_cookie(m);
  tw_test_tls_add_extension(m, TW_TLS_EXT_KEY_SHARE, TW_BYTES((const uint8_t *)group, 2));
}
static void share_that_was_given(tw_buf *m) { share_for_cookie(m, "\0\x1d"); }
static void group_not_offered(tw_buf *m) { share_for_cookie(m, "\0\x1e"); }
static void grease_group(tw_buf *m) {
  const tw_bytes groups = tw_test_tls_extension(tw_buf_bytes(&alice->first_message), TW_TLS_EXT_SUPPORTED_GROUPS);
  share_for_cookie(m, (const char *)groups.ptr + 2);
}

static void retries_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"nothing to change", without_cookie, with_retry, FORBIDDEN, ILLEGAL},
      {"a group whose share it had", share_that_was_given, with_retry, FORBIDDEN, ILLEGAL},
      {"a group that was not offered", group_not_offered, with_retry, FORBIDDEN, ILLEGAL},
      {"the GREASE group", grease_group, with_retry, FORBIDDEN, ILLEGAL},
      {"our extension", mls_in_ee, with_retry, FORBIDDEN, ILLEGAL},
      {"ALPN, offered, in the wrong place", alpn_too, with_retry_and_protocols, FORBIDDEN, ILLEGAL},
      {"ALPN, not offered", alpn_too, with_retry, FORBIDDEN, UNSUPPORTED},
      {"an unknown extension", unknown_too, with_retry, FORBIDDEN, UNSUPPORTED},
      {"early_data", early_in_ee, with_retry, FORBIDDEN, UNSUPPORTED},
      {"no supported_versions", without_versions, with_retry, FORBIDDEN, MISSING},
      {"version 1.2", chosen_12, with_retry, FORBIDDEN, ILLEGAL},
      {"legacy_version 0x0302", old_legacy_version, with_retry, TW_ERR_UNSUPPORTED, VERSION},
      {"another session id", other_session_id, with_retry, FORBIDDEN, ILLEGAL},
      {"a suite that was not offered", suite_not_offered, with_retry, FORBIDDEN, ILLEGAL},
      {"compression", answer_compressed, with_retry, FORBIDDEN, ILLEGAL},
      {"an empty cookie", empty_cookie_for_cookie, with_retry, TW_ERR_ENCODING, DECODE},
      /* Taken, and then the ServerHello has another suite than it had. */
      {"a suite that the ServerHello has not", suite_of_another_hash, with_retry, FORBIDDEN, ILLEGAL},
  };
  CHECK(cases, alice, 0);
}

static void second_is_a_retry_too(tw_buf *m) {
  assert_int_equal(tw_buf_assign(m, tw_buf_bytes(&bob->first_message)), TW_OK);
}

static void after_a_retry_the_client_is_stricter(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"a second HelloRetryRequest", second_is_a_retry_too, with_retry, TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE},
      {"another suite", suite_of_another_hash, with_retry, FORBIDDEN, ILLEGAL},
      {"another version", of_tls12, with_retry, FORBIDDEN, ILLEGAL},
  };
  CHECK(cases, alice, 1);
}

static void other_random(tw_buf *m) { m->ptr[RANDOM_AT] ^= 1; }
static void other_cookie(tw_buf *m) { flip_last(m); }
static void short_cookie(tw_buf *m) { tw_test_tls_set_extension(m, TW_TLS_EXT_COOKIE, TW_LITERAL("\0\1x")); }
static void later(tw_buf *m) {
  (void)m;
  both.now_ms += 60001;
}
static void earlier(tw_buf *m) {
  (void)m;
  both.now_ms -= 1;
}
static void second_hellos_are_refused_by_the_right_alert(void **state) {
  (void)state;
  static const refusal cases[] = {
      {"no cookie", without_cookie, with_retry, FORBIDDEN, MISSING},
      {"another cookie", other_cookie, with_retry, FORBIDDEN, ILLEGAL},
      {"a short cookie", short_cookie, with_retry, FORBIDDEN, ILLEGAL},
      {"an old cookie", later, with_retry, FORBIDDEN, ILLEGAL},
      {"a cookie of tomorrow", earlier, with_retry, FORBIDDEN, ILLEGAL},
      {"another random", other_random, with_retry, FORBIDDEN, ILLEGAL},
      {"another session id", other_session_id, with_retry, FORBIDDEN, ILLEGAL},
      {"another KeyPackage", bad_signature, with_retry, FORBIDDEN, ILLEGAL},
      {"without our extension", without_mls, with_retry, FORBIDDEN, ILLEGAL},
      {"one extension more", unknown_too, with_retry, FORBIDDEN, ILLEGAL},
      {"one extension less", without_groups, with_retry, FORBIDDEN, MISSING},
      {"early_data", early_data, with_retry, FORBIDDEN, ILLEGAL},
  };
  CHECK(cases, bob, 1);
}

/* A server without MLS may want another share; ours has to be one. */
static void a_retry_for_a_group_brings_its_share(void **state) {
  (void)state;
  static const struct {
    const char *group;
    size_t size;
  } cases[] = {{"\0\x17", 65}, {"\0\x18", 97}};
  for (size_t i = 0; i < 2; i++) {
    reset_configs();
    with_retry();
    tw_test_tls_open(&both);
    tw_tls_step step;
    assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
    tw_test_tls_steps(alice);
    tw_test_tls_give(bob, tw_buf_bytes(&alice->wire));
    alice->wire.len = 0;
    tw_buf retry = {0};
    assert_int_equal(tw_buf_assign(&retry, tw_buf_bytes(&bob->first_message)), TW_OK);
    share_for_cookie(&retry, cases[i].group);
    assert_int_equal(tw_tls_receive(alice->tls, TW_TLS_PLAIN, tw_buf_bytes(&retry), true, both.now_ms), TW_OK);
    assert_true(tw_tls_next_step(alice->tls, &step));
    assert_int_equal(step.kind, TW_TLS_STEP_SEND_CCS);
    assert_true(tw_tls_next_step(alice->tls, &step));
    assert_int_equal(step.kind, TW_TLS_STEP_SEND);
    const tw_bytes share = tw_test_tls_extension(step.message, TW_TLS_EXT_KEY_SHARE);
    assert_int_equal(share.len, 2 + 4 + cases[i].size);
    assert_memory_equal(share.ptr + 2, cases[i].group, 2);
    assert_int_equal(share.ptr[6], 4);
    const tw_bytes first = tw_buf_bytes(&alice->first_message);
    tw_test_same(tw_test_tls_extension(step.message, MLS), tw_test_tls_extension(first, MLS));
    assert_memory_equal(step.message.ptr + 4, first.ptr + 4, 60);
    tw_buf_clear(&retry);
    tw_test_tls_close(&both);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(retries_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(after_a_retry_the_client_is_stricter, setup, teardown),
      cmocka_unit_test_setup_teardown(second_hellos_are_refused_by_the_right_alert, setup, teardown),
      cmocka_unit_test_setup_teardown(a_retry_for_a_group_brings_its_share, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
