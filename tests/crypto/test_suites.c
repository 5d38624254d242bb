/* The table of suites and the environment's defaults. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/kem.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

static void numbers_and_names_find_their_suite(void **state) {
  (void)state;
  const tw_env env = {0};
  size_t count = 0;
  for (; tw_suite_at(count) != NULL; count++) {
    const tw_suite *suite = tw_suite_at(count);
    assert_ptr_equal(tw_suite_by_id(&env, tw_suite_id(&env, suite)), suite);
    assert_ptr_equal(tw_suite_by_name(tw_suite_name(suite)), suite);
    assert_ptr_equal(tw_suite_by_name(tw_suite_name(suite) + strlen("MLS_128_")), suite);
    tw_kem_parts parts;
    assert_int_equal(tw_kem_parts_of(suite->kem, &parts), TW_OK);
    assert_true(suite->kem->public_size <= TW_KEM_PUBLIC_MAX && suite->kem->output_size <= TW_KEM_OUTPUT_MAX);
    assert_true(suite->kem->private_size <= TW_SECRET_MAX && suite->kem->encap_seed_size <= TW_KEM_RANDOM_MAX);
    assert_true(suite->signature->public_size <= TW_SIGN_PUBLIC_MAX &&
                suite->signature->signature_max <= TW_SIGNATURE_MAX);
    assert_true(suite->signature->private_size <= TW_SECRET_MAX);
  }
  assert_int_equal(count, 18);
  assert_null(tw_suite_by_id(&env, 0));
  assert_null(tw_suite_by_id(&env, 8));
  assert_null(tw_suite_by_id(&env, 0x0a0a));
  assert_null(tw_suite_by_name("MLS_128"));
  assert_null(tw_suite_by_name(""));
  assert_null(tw_suite_by_name(NULL));
}

static void the_registry_is_that_of_rfc_9420(void **state) {
  (void)state;
  static const char *const names[] = {"MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
                                      "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
                                      "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
                                      "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
                                      "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
                                      "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
                                      "MLS_256_DHKEMP384_AES256GCM_SHA384_P384"};
  for (uint16_t id = 1; id <= 7; id++) assert_string_equal(tw_suite_name(tw_suite_by_id(NULL, id)), names[id - 1]);
  assert_string_equal(tw_suite_name(tw_suite_default()), "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519");
  assert_int_equal(tw_suite_id(NULL, tw_suite_default()), 0xF102);
  assert_string_equal(tw_suite_name(tw_suite_by_id(NULL, 0xF10B)), "MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87");
  assert_ptr_equal(tw_suite_by_name("mlkem768x25519_aes256gcm_sha384_ed25519"), tw_suite_default());
}

static void code_points_can_be_overridden(void **state) {
  (void)state;
  tw_code_points points = tw_code_points_default;
  const tw_env env = {.code_points = &points};
  points.pq_suites[1] = 0x0008;
  points.pq_suites[2] = 0; /* switched off */
  assert_ptr_equal(tw_suite_by_id(&env, 0x0008), tw_suite_default());
  assert_null(tw_suite_by_id(&env, 0xF102));
  assert_null(tw_suite_by_id(&env, 0));
  assert_int_equal(tw_suite_id(&env, tw_suite_default()), 8);
}

static void defaults_stand_in_for_null(void **state) {
  (void)state;
  tw_limits limits = tw_limits_default;
  tw_env env = {0};
  assert_ptr_equal(tw_env_limits(&env), &tw_limits_default);
  assert_ptr_equal(tw_env_code_points(&env), &tw_code_points_default);
  assert_ptr_equal(tw_env_alloc(&env), &tw_alloc_default);
  env.limits = &limits;
  assert_ptr_equal(tw_env_limits(&env), &limits);
}

static tw_err careless_random(void *ctx, uint8_t *out, size_t len) {
  (void)ctx;
  memset(out, 0xaa, len);
  return TW_ERR_STATE;
}

static void randomness_comes_from_env_or_provider(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 5);
  uint8_t a[32] = {0};
  uint8_t b[32] = {0};
  const uint8_t zero[32] = {0};
  assert_int_equal(tw_random(&test.env, a, sizeof(a)), TW_OK);
  tw_test_env_reseed(&test, 5);
  assert_int_equal(tw_random(&test.env, b, sizeof(b)), TW_OK);
  assert_memory_equal(a, b, sizeof(a));
  tw_test_fail_random(&test, 1);
  assert_int_equal(tw_random(&test.env, a, sizeof(a)), TW_ERR_RANDOM);
  assert_memory_equal(a, zero, sizeof(a));
  tw_env env = test.env;
  env.random = NULL;
  assert_int_equal(tw_random(&env, a, sizeof(a)), TW_OK);
  assert_int_equal(tw_random(&env, b, sizeof(b)), TW_OK);
  assert_memory_not_equal(a, b, sizeof(a));
  env.random = careless_random; /* another error is that error, and nothing of it is used */
  assert_int_equal(tw_random(&env, a, sizeof(a)), TW_ERR_RANDOM);
  assert_memory_equal(a, zero, sizeof(a));
  tw_test_env_clear(&test);
}

static void a_provider_needs_its_memory(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 5);
  tw_provider *provider = NULL;
  tw_test_fail_alloc(&test, 1);
  assert_int_equal(tw_provider_openssl_new(&test.alloc, &provider), TW_ERR_NO_MEMORY);
  assert_null(provider);
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(tw_provider_openssl_new(&test.alloc, &provider), TW_OK);
  tw_provider_free(provider);
  tw_provider_free(NULL);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_and_names_find_their_suite),    cmocka_unit_test(the_registry_is_that_of_rfc_9420),
      cmocka_unit_test(code_points_can_be_overridden),         cmocka_unit_test(defaults_stand_in_for_null),
      cmocka_unit_test(randomness_comes_from_env_or_provider), cmocka_unit_test(a_provider_needs_its_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
