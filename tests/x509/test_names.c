/* Names by RFC 9525, and what is no name. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"
#include "x509/x509_internal.h"

static bool fits(const char *names, const char *asked) {
  tw_test_cert cert;
  char name[TW_X509_NAME];
  const tw_test_cert_spec spec = {.subject = "common.example", .names = names};
  tw_test_cert_make(&cert, NULL, &spec);
  assert_int_equal(tw_x509_name_parse(asked, TW_X509_NAME_ASKED, name, NULL), TW_OK);
  const bool good = tw_x509_is_for(cert.certificate, name);
  tw_test_cert_clear(&cert);
  return good;
}

static void dns_names_are_compared_by_the_rules(void **state) {
  (void)state;
  static const struct {
    const char *names, *asked;
    bool good;
  } cases[] = {
      {"DNS:server.example", "server.example", true},
      {"DNS:Server.EXAMPLE", "sERVER.example", true},
      {"DNS:server.example", "server.example.", true},
      {"DNS:server.example", "www.server.example", false},
      {"DNS:www.server.example", "server.example", false},
      {"DNS:server.example", "xserver.example", false},
      {"DNS:a.example,DNS:b.example", "b.example", true},
      {"DNS:host", "host", true},
      {"DNS:*.example.org", "a.example.org", true},
      {"DNS:*.example.org", "example.org", false},
      {"DNS:*.example.org", "a.b.example.org", false},
      {"DNS:*.example.org", "xn--mnchen-3ya.example.org", true},
      {"DNS:a*.example.org", "ab.example.org", false},
      {"DNS:*a.example.org", "ba.example.org", false},
      {"DNS:a.*.example.org", "a.b.example.org", false},
      {"DNS:*.*.example.org", "a.b.example.org", false},
      {"DNS:*", "host", false},
      {"DNS:*.org", "example.org", false},
      {"DNS:.example.org", "a.example.org", false},
      {"email:a@server.example", "server.example", false},
      {"URI:https://server.example/", "server.example", false},
      {NULL, "common.example", false},
      {"DNS:other.example", "common.example", false},
      {"IP:192.0.2.1", "common.example", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (fits(cases[i].names, cases[i].asked) != cases[i].good)
      fail_msg("%s asked for %s", cases[i].names == NULL ? "nothing" : cases[i].names, cases[i].asked);
}

static void addresses_are_compared_with_addresses_alone(void **state) {
  (void)state;
  static const struct {
    const char *names, *asked;
    bool good;
  } cases[] = {
      {"IP:192.0.2.1", "192.0.2.1", true},
      {"IP:192.0.2.1", "192.0.2.2", false},
      {"DNS:192.0.2.1", "192.0.2.1", false},
      {"IP:2001:db8::1", "2001:db8::1", true},
      {"IP:2001:db8::1", "2001:0DB8:0:0::0001", true},
      {"IP:2001:db8::1", "[2001:db8::1]", true},
      {"IP:2001:db8::1", "2001:db8::2", false},
      {"IP:192.0.2.1", "::ffff:192.0.2.1", false},
      {"DNS:*.0.2.1", "192.0.2.1", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (fits(cases[i].names, cases[i].asked) != cases[i].good)
      fail_msg("%s asked for %s", cases[i].names, cases[i].asked);
}

/* "good.example\0.evil.example" is not "good.example". */
static void a_nul_within_a_name_cuts_nothing_off(void **state) {
  (void)state;
  static const char trick[] = "good.example\0.evil.example";
  tw_test_cert cert;
  const tw_test_cert_spec spec = {.subject = "x"};
  tw_test_cert_make(&cert, NULL, &spec);
  GENERAL_NAMES *names = GENERAL_NAMES_new();
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_IA5STRING *string = ASN1_IA5STRING_new();
  assert_int_equal(ASN1_STRING_set(string, trick, (int)sizeof trick - 1), 1);
  GENERAL_NAME_set0_value(name, GEN_DNS, string);
  assert_true(sk_GENERAL_NAME_push(names, name) > 0);
  assert_int_equal(X509_add1_ext_i2d(cert.certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT), 1);
  assert_true(X509_sign(cert.certificate, cert.key, NULL) > 0);
  assert_false(tw_x509_is_for(cert.certificate, "good.example"));
  char text[TW_X509_TEXT];
  tw_x509_alt_names_text(cert.certificate, text, sizeof text);
  assert_string_equal(text, "DNS:good.example?.evil.example");
  GENERAL_NAMES_free(names);
  tw_test_cert_clear(&cert);
  ERR_clear_error();
}

static void names_are_written_in_one_form(void **state) {
  (void)state;
  static const struct {
    const char *text, *name;
  } good[] = {
      {"server.example", "server.example"}, {"Server.Example.", "server.example"}, {"host", "host"},
      {"192.0.2.1", "192.0.2.1"},           {"[2001:db8::1]", "2001:db8::1"},      {"::1", "::1"},
      {"a_b.example", "a_b.example"},       {"1a.example", "1a.example"},          {"3com.1x", "3com.1x"},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    char name[TW_X509_NAME];
    assert_int_equal(tw_x509_name_parse(good[i].text, TW_X509_NAME_ASKED, name, NULL), TW_OK);
    assert_string_equal(name, good[i].name);
  }
  static const char *const bad[] = {"",
                                    ".",
                                    "..",
                                    ".example",
                                    "a..b",
                                    "a b",
                                    "-a.example",
                                    "a-.example",
                                    "*.example",
                                    "a/b",
                                    "a@b.example",
                                    "m\303\274nchen.example",
                                    "[192.0.2.1]",
                                    "[::1",
                                    "192.0.2",
                                    "192.0.2.256",
                                    "1",
                                    "server.example:443",
                                    "a.example..",
                                    "012345678901234567890123456789012345678901234567890123456789abcd.example"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char name[TW_X509_NAME] = "as before";
    tw_report report = {""};
    if (tw_x509_name_parse(bad[i], TW_X509_NAME_ASKED, name, &report) != TW_ERR_ARGUMENT) fail_msg("'%s'", bad[i]);
    assert_string_equal(name, "as before");
    assert_string_not_equal(report.text, "");
  }
  char name[TW_X509_NAME];
  assert_int_equal(tw_x509_name_parse("*.example", TW_X509_NAME_GIVEN, name, NULL), TW_OK);
  assert_int_equal(tw_x509_name_parse("*", TW_X509_NAME_GIVEN, name, NULL), TW_ERR_ARGUMENT);
  assert_int_equal(tw_x509_name_parse("a.*.example", TW_X509_NAME_GIVEN, name, NULL), TW_ERR_ARGUMENT);
}

static void a_name_has_a_longest_length(void **state) {
  (void)state;
  char text[300];
  char name[TW_X509_NAME];
  for (size_t i = 0; i < sizeof text; i++) text[i] = i % 2 == 0 ? 'a' : '.';
  text[253] = '\0';
  assert_int_equal(tw_x509_name_parse(text, TW_X509_NAME_ASKED, name, NULL), TW_OK);
  text[253] = '.';
  text[254] = 'a';
  text[255] = '\0';
  assert_int_equal(tw_x509_name_parse(text, TW_X509_NAME_ASKED, name, NULL), TW_ERR_ARGUMENT);
}

static void long_lists_of_names_are_cut_with_their_number(void **state) {
  (void)state;
  char names[2000] = "DNS:n0.example";
  for (int i = 1; i < 60; i++)
    (void)snprintf(names + strlen(names), sizeof names - strlen(names), ",DNS:n%d.example", i);
  tw_test_cert cert;
  const tw_test_cert_spec spec = {.names = names};
  tw_test_cert_make(&cert, NULL, &spec);
  char text[TW_X509_TEXT];
  tw_x509_alt_names_text(cert.certificate, text, sizeof text);
  assert_non_null(strstr(text, "DNS:n0.example, DNS:n1.example, "));
  assert_non_null(strstr(text, " more"));
  assert_true(strlen(text) < sizeof text);
  assert_true(tw_x509_is_for(cert.certificate, "n59.example"));
  tw_test_cert_clear(&cert);
}

static void what_a_certificate_says_is_shown_as_printable_text(void **state) {
  (void)state;
  tw_test_cert cert;
  const tw_test_cert_spec spec = {.subject = "a\nb\303\251,\033[1m\"", .names = "IP:192.0.2.1"};
  tw_test_cert_make(&cert, NULL, &spec);
  tw_x509_holder holder;
  tw_x509_fill_holder(cert.certificate, &holder);
  for (const char *at = holder.subject; *at != '\0'; at++) assert_true(*at >= ' ' && *at < 0x7f);
  assert_non_null(strstr(holder.subject, "CN=a\\0Ab"));
  assert_string_equal(holder.name, "192.0.2.1");
  tw_test_cert_clear(&cert);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dns_names_are_compared_by_the_rules),
      cmocka_unit_test(addresses_are_compared_with_addresses_alone),
      cmocka_unit_test(a_nul_within_a_name_cuts_nothing_off),
      cmocka_unit_test(names_are_written_in_one_form),
      cmocka_unit_test(a_name_has_a_longest_length),
      cmocka_unit_test(long_lists_of_names_are_cut_with_their_number),
      cmocka_unit_test(what_a_certificate_says_is_shown_as_printable_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
