/* What libssl and TLS's names need of certificates. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"
#include "x509/tls.h"

enum { MAX = 4 };
static tw_x509 *x509;
static char names[MAX][TW_X509_NAME];
static size_t count;

static int set_up(void **state) {
  (void)state;
  return tw_x509_new(&x509) == TW_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  tw_x509_free(x509);
  assert_int_equal(ERR_peek_error(), 0);
  return 0;
}

static tw_err names_of(const char *alt_names) {
  tw_test_cert cert;
  tw_buf chain = {0};
  tw_test_cert_make(&cert, NULL, &(tw_test_cert_spec){.subject = "subject.example", .names = alt_names});
  const tw_test_cert *const certs[] = {&cert, NULL};
  tw_test_chain(&chain, certs);
  count = 99;
  const tw_err err = tw_x509_dns_names(x509, tw_buf_bytes(&chain), names, MAX, &count);
  tw_buf_clear(&chain);
  tw_test_cert_clear(&cert);
  return err;
}

static void dns_names_are_those_of_the_alternative_names_in_lower_case(void **state) {
  (void)state;
  assert_int_equal(names_of("DNS:A.example,IP:192.0.2.1,DNS:b.EXAMPLE,email:x@c.example"), TW_OK);
  assert_int_equal(count, 2);
  assert_string_equal(names[0], "a.example");
  assert_string_equal(names[1], "b.example");
}

static void no_names_too_many_or_wildcards_stand_for_any(void **state) {
  (void)state;
  static const char *const any[] = {NULL, "IP:192.0.2.1", "DNS:a.example,DNS:*.example",
                                    "DNS:a.e,DNS:b.e,DNS:c.e,DNS:d.e,DNS:f.e"};
  for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
    assert_int_equal(names_of(any[i]), TW_OK);
    assert_int_equal(count, 0);
  }
  assert_int_equal(names_of("DNS:a.e,DNS:b.e,DNS:c.e,DNS:d.e"), TW_OK);
  assert_int_equal(count, MAX);
}

static void what_is_no_name_is_passed_over(void **state) {
  (void)state;
  assert_int_equal(names_of("DNS:good.example,DNS:bad name,DNS:192.0.2.7"), TW_OK);
  assert_int_equal(count, 1);
  assert_string_equal(names[0], "good.example");
}

static void addresses_are_those_of_the_alternative_names(void **state) {
  (void)state;
  tw_test_cert cert;
  tw_buf chain = {0};
  tw_x509_address addresses[3];
  static const uint8_t four[] = {10, 7, 0, 2};
  tw_test_cert_make(
      &cert, NULL,
      &(tw_test_cert_spec){.subject = "a", .names = "DNS:192.0.2.9,IP:10.7.0.2,IP:fd00::1,IP:10.7.0.3,IP:10.7.0.4"});
  const tw_test_cert *const certs[] = {&cert, NULL};
  tw_test_chain(&chain, certs);
  assert_int_equal(tw_x509_addresses(x509, tw_buf_bytes(&chain), addresses, 3, &count), TW_OK);
  assert_int_equal(count, 3);
  assert_int_equal(addresses[0].len, 4);
  assert_memory_equal(addresses[0].bytes, four, 4);
  assert_int_equal(addresses[1].len, 16);
  assert_int_equal(addresses[1].bytes[0], 0xfd);
  assert_int_equal(addresses[2].bytes[3], 3);
  assert_int_equal(tw_x509_addresses(x509, TW_LITERAL("\x03\x01\x02\x03"), addresses, 3, &count), TW_ERR_CERTIFICATE);
  assert_int_equal(count, 0);
  tw_buf_clear(&chain);
  tw_test_cert_clear(&cert);
}

static void damaged_certificates_are_told(void **state) {
  (void)state;
  tw_buf spki = {0};
  static const uint8_t rubbish[] = {3, 1, 2, 3};
  const tw_bytes bad[] = {TW_NO_BYTES, TW_ARRAY(rubbish), TW_BYTES(rubbish, 2)};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(tw_x509_dns_names(x509, bad[i], names, MAX, &count), TW_ERR_CERTIFICATE);
    assert_int_equal(count, 0);
    assert_int_equal(tw_x509_spki(x509, bad[i], &spki), TW_ERR_CERTIFICATE);
  }
  assert_int_equal(spki.len, 0);
}

static void the_public_key_info_is_the_keys(void **state) {
  (void)state;
  static const char *const types[] = {"ED25519", "RSA"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    tw_test_cert cert;
    tw_buf chain = {0};
    tw_buf spki = {0};
    unsigned char *expected = NULL;
    tw_test_cert_make(&cert, NULL, &(tw_test_cert_spec){.subject = "a", .type = types[i], .bits = 2048});
    const tw_test_cert *const certs[] = {&cert, NULL};
    tw_test_chain(&chain, certs);
    const int len = i2d_PUBKEY(cert.key, &expected);
    assert_true(len > 0);
    assert_int_equal(tw_x509_spki(x509, tw_buf_bytes(&chain), &spki), TW_OK);
    assert_int_equal(spki.len, len);
    assert_memory_equal(spki.ptr, expected, (size_t)len);
    OPENSSL_free(expected);
    tw_buf_clear(&spki);
    tw_buf_clear(&chain);
    tw_test_cert_clear(&cert);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(dns_names_are_those_of_the_alternative_names_in_lower_case, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_names_too_many_or_wildcards_stand_for_any, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_no_name_is_passed_over, set_up, tear_down),
      cmocka_unit_test_setup_teardown(addresses_are_those_of_the_alternative_names, set_up, tear_down),
      cmocka_unit_test_setup_teardown(damaged_certificates_are_told, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_public_key_info_is_the_keys, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("x509_tls", tests, NULL, NULL);
}
