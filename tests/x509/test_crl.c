/* Revocation: what a CRL has to be, and what it does. SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/err.h>
#include <string.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"
#include "x509/x509.h"

enum { LEAF_SERIAL = 7001, MIDDLE_SERIAL = 7002 };

/* root > middle > leaf */
typedef struct fixture {
  tw_x509 *x509;
  tw_x509_trust *trust;
  tw_test_cert root, middle, leaf;
  tw_buf chain;
  tw_report report;
} fixture;

static fixture f;

static void trust_anchor(const tw_test_cert *anchor) {
  tw_buf pem = {0};
  tw_x509_trust_free(f.trust);
  assert_int_equal(tw_x509_trust_new(f.x509, &f.trust), TW_OK);
  tw_test_cert_pem(anchor, &pem);
  assert_int_equal(tw_x509_trust_add_anchors(f.trust, "ca.pem", tw_buf_bytes(&pem), NULL), TW_OK);
  tw_buf_clear(&pem);
}

static int set_up(void **state) {
  (void)state;
  f = (fixture){0};
  assert_int_equal(tw_x509_new(&f.x509), TW_OK);
  tw_test_ca_make(&f.root, NULL, "root", NULL, NULL);
  const tw_test_cert_spec middle = {.subject = "middle",
                                    .basic = "critical,CA:TRUE",
                                    .usage = "critical,keyCertSign,cRLSign",
                                    .serial = MIDDLE_SERIAL};
  tw_test_cert_make(&f.middle, &f.root, &middle);
  const tw_test_cert_spec leaf = {.subject = "leaf", .names = "DNS:server.example", .serial = LEAF_SERIAL};
  tw_test_cert_make(&f.leaf, &f.middle, &leaf);
  trust_anchor(&f.root);
  tw_test_chain(&f.chain, (const tw_test_cert *const[]){&f.leaf, &f.middle, NULL});
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(ERR_peek_error(), 0);
  tw_test_cert_clear(&f.root);
  tw_test_cert_clear(&f.middle);
  tw_test_cert_clear(&f.leaf);
  tw_buf_clear(&f.chain);
  tw_x509_trust_free(f.trust);
  tw_x509_free(f.x509);
  return 0;
}

static tw_err add(tw_bytes crls) {
  f.report.text[0] = '\0';
  return tw_x509_trust_add_crls(f.trust, "crl", crls, TW_TEST_X509_NOW, &f.report);
}

static tw_err add_crl(const tw_test_cert *issuer, const tw_test_cert *signer, const tw_test_crl_spec *spec) {
  tw_buf text = {0};
  tw_test_crl(issuer, signer, spec, true, &text);
  const tw_err err = add(tw_buf_bytes(&text));
  tw_buf_clear(&text);
  return err;
}

static void revoke(const tw_test_cert *issuer, long serial) {
  const tw_test_crl_spec spec = {.serial = serial};
  assert_int_equal(add_crl(issuer, issuer, &spec), TW_OK);
}

static tw_err verify_at(uint64_t now) {
  const tw_x509_question question = {.certificates = tw_buf_bytes(&f.chain), .side = TW_X509_LISTENER, .now = now};
  f.report.text[0] = '\0';
  return tw_x509_verify(f.trust, &question, NULL, &f.report);
}

static void refused(tw_err err, const char *words) {
  assert_int_equal(verify_at(TW_TEST_X509_NOW), err);
  if (strstr(f.report.text, words) == NULL) fail_msg("'%s' is not in '%s'", words, f.report.text);
}

static void who_is_on_no_crl_is_accepted(void **state) {
  (void)state;
  revoke(&f.root, 0);
  revoke(&f.middle, LEAF_SERIAL + 1);
  assert_int_equal(tw_x509_trust_crls(f.trust), 2);
  assert_int_equal(verify_at(TW_TEST_X509_NOW), TW_OK);
}

static void a_revoked_certificate_is_refused(void **state) {
  (void)state;
  revoke(&f.root, 0);
  revoke(&f.middle, LEAF_SERIAL);
  refused(TW_ERR_CERTIFICATE_REVOKED, "'CN=leaf' was revoked; its issuer is 'CN=middle'");
}

static void so_is_one_of_a_revoked_ca(void **state) {
  (void)state;
  revoke(&f.root, MIDDLE_SERIAL);
  revoke(&f.middle, 0);
  refused(TW_ERR_CERTIFICATE_REVOKED, "'CN=middle' was revoked");
}

/* Serial numbers are an issuer's own. */
static void another_cas_crl_does_not_count(void **state) {
  (void)state;
  revoke(&f.root, LEAF_SERIAL);
  revoke(&f.middle, MIDDLE_SERIAL);
  assert_int_equal(verify_at(TW_TEST_X509_NOW), TW_OK);
}

static void with_crls_every_ca_needs_one(void **state) {
  (void)state;
  revoke(&f.middle, 0);
  refused(TW_ERR_CREDENTIAL, "'CN=middle' cannot be checked: there is no CRL for it; its issuer is 'CN=root'");
  trust_anchor(&f.root);
  revoke(&f.root, 0);
  refused(TW_ERR_CREDENTIAL, "'CN=leaf' cannot be checked: there is no CRL for it");
}

/* We were told to trust it. */
static void but_for_the_anchor_itself(void **state) {
  (void)state;
  trust_anchor(&f.middle);
  revoke(&f.middle, 0);
  assert_int_equal(verify_at(TW_TEST_X509_NOW), TW_OK);
  trust_anchor(&f.middle);
  revoke(&f.middle, LEAF_SERIAL);
  refused(TW_ERR_CERTIFICATE_REVOKED, "'CN=leaf' was revoked");
}

static void crls_that_are_no_good_are_refused_when_they_are_read(void **state) {
  (void)state;
  static const struct {
    tw_test_crl_spec spec;
    tw_err err;
    const char *words;
  } cases[] = {
      {{.until = -1}, TW_ERR_LIFETIME, "crl: the CRL of 'CN=root' is out of date since 2026-06-"},
      {{.from = 60, .until = 120}, TW_ERR_LIFETIME, "crl: the CRL of 'CN=root' is not valid before 2026-06-"},
      {{.until = LONG_MIN}, TW_ERR_LIFETIME, "does not say until when"},
      {{.delta = true}, TW_ERR_UNSUPPORTED, "a delta CRL"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(add_crl(&f.root, &f.root, &cases[i].spec), cases[i].err);
    if (strstr(f.report.text, cases[i].words) == NULL) fail_msg("'%s'", f.report.text);
  }
  const tw_test_crl_spec plain = {0};
  assert_int_equal(add_crl(&f.root, &f.middle, &plain), TW_ERR_SIGNATURE);
  assert_non_null(strstr(f.report.text, "crl: the CRL of 'CN=root' is not signed by that CA"));
  assert_int_equal(tw_x509_trust_crls(f.trust), 0);
  assert_int_equal(verify_at(TW_TEST_X509_NOW), TW_OK);
}

/* Its issuer is known only when a peer sends the certificate. */
static void a_forged_crl_of_a_ca_below_is_noticed_when_it_is_needed(void **state) {
  (void)state;
  const tw_test_crl_spec plain = {0};
  revoke(&f.root, 0);
  assert_int_equal(add_crl(&f.middle, &f.root, &plain), TW_OK);
  refused(TW_ERR_CREDENTIAL, "'CN=leaf' cannot be checked");
}

static void a_crl_that_grows_old_stops_counting(void **state) {
  (void)state;
  const tw_test_crl_spec spec = {.until = 60};
  revoke(&f.root, 0);
  assert_int_equal(add_crl(&f.middle, &f.middle, &spec), TW_OK);
  assert_int_equal(verify_at(TW_TEST_X509_NOW + 59), TW_OK);
  assert_int_equal(verify_at(TW_TEST_X509_NOW + 61), TW_ERR_CREDENTIAL);
  assert_non_null(strstr(f.report.text, "'CN=leaf' cannot be checked: the CRL is out of date"));
}

static void crls_with_what_is_not_known_are_of_no_use(void **state) {
  (void)state;
  const tw_test_crl_spec spec = {.strange = true};
  revoke(&f.root, 0);
  assert_int_equal(add_crl(&f.middle, &f.middle, &spec), TW_OK);
  refused(TW_ERR_CREDENTIAL, "'CN=leaf' cannot be checked: the CRL has a critical extension");
}

static void files_hold_several_in_either_form(void **state) {
  (void)state;
  for (int pem = 0; pem <= 1; pem++) {
    tw_buf text = {0};
    const tw_test_crl_spec none = {0};
    const tw_test_crl_spec leaf = {.serial = LEAF_SERIAL};
    tw_test_crl(&f.root, &f.root, &none, pem == 1, &text);
    tw_test_crl(&f.middle, &f.middle, &leaf, pem == 1, &text);
    trust_anchor(&f.root);
    assert_int_equal(add(tw_buf_bytes(&text)), TW_OK);
    assert_int_equal(tw_x509_trust_crls(f.trust), 2);
    refused(TW_ERR_CERTIFICATE_REVOKED, "'CN=leaf' was revoked");
    tw_buf_clear(&text);
  }
}

static void files_cut_anywhere_are_refused(void **state) {
  (void)state;
  for (int pem = 0; pem <= 1; pem++) {
    tw_buf text = {0};
    const tw_test_crl_spec none = {0};
    tw_test_crl(&f.root, &f.root, &none, pem == 1, &text);
    const size_t whole = pem == 1 ? text.len - 1 : text.len; /* the last end of line may be missing */
    for (size_t cut = 0; cut < whole; cut++) {
      trust_anchor(&f.root);
      assert_int_equal(add(TW_BYTES(text.ptr, cut)), TW_ERR_ENCODING);
      assert_int_equal(tw_x509_trust_crls(f.trust), 0);
    }
    tw_buf_clear(&text);
  }
}

static void damaged_crls_are_refused(void **state) {
  (void)state;
  tw_buf text = {0};
  const tw_test_crl_spec none = {0};
  tw_test_crl(&f.root, &f.root, &none, false, &text);
  for (size_t i = 0; i < text.len; i++) {
    text.ptr[i] ^= 0x01;
    trust_anchor(&f.root);
    const tw_err err = add(tw_buf_bytes(&text));
    text.ptr[i] ^= 0x01;
    if (err != TW_OK) continue;
    /* Only one that has become another CA's can be taken in: it is of no use to anybody. */
    tw_test_chain(&f.chain, (const tw_test_cert *const[]){&f.middle, NULL});
    assert_int_not_equal(verify_at(TW_TEST_X509_NOW), TW_OK);
  }
  tw_buf_clear(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(who_is_on_no_crl_is_accepted),
      TEST(a_revoked_certificate_is_refused),
      TEST(so_is_one_of_a_revoked_ca),
      TEST(another_cas_crl_does_not_count),
      TEST(with_crls_every_ca_needs_one),
      TEST(but_for_the_anchor_itself),
      TEST(crls_that_are_no_good_are_refused_when_they_are_read),
      TEST(a_forged_crl_of_a_ca_below_is_noticed_when_it_is_needed),
      TEST(a_crl_that_grows_old_stops_counting),
      TEST(crls_with_what_is_not_known_are_of_no_use),
      TEST(files_hold_several_in_either_form),
      TEST(files_cut_anywhere_are_refused),
      TEST(damaged_crls_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
