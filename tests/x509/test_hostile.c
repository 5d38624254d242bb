/* Chains of hostile peers: cut, bent, absurd. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"
#include "support/tw_test_x509.h"
#include "x509/x509.h"

static tw_x509 *x509;
static tw_x509_trust *trust;
static tw_test_cert root, middle, leaf;
static tw_buf chain;

static int set_up(void **state) {
  (void)state;
  tw_buf pem = {0};
  assert_int_equal(tw_x509_new(&x509), TW_OK);
  assert_int_equal(tw_x509_trust_new(x509, &trust), TW_OK);
  tw_test_ca_make(&root, NULL, "root", NULL, NULL);
  tw_test_ca_make(&middle, &root, "middle", NULL, NULL);
  const tw_test_cert_spec spec = {.subject = "leaf", .names = "DNS:server.example"};
  tw_test_cert_make(&leaf, &middle, &spec);
  tw_test_cert_pem(&root, &pem);
  assert_int_equal(tw_x509_trust_add_anchors(trust, "ca", tw_buf_bytes(&pem), NULL), TW_OK);
  tw_test_chain(&chain, (const tw_test_cert *const[]){&leaf, &middle, NULL});
  tw_buf_clear(&pem);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_test_cert_clear(&root);
  tw_test_cert_clear(&middle);
  tw_test_cert_clear(&leaf);
  tw_buf_clear(&chain);
  tw_x509_trust_free(trust);
  tw_x509_free(x509);
  return 0;
}

static tw_err verify(tw_bytes certificates) {
  static const char *const name = "server.example";
  const tw_x509_question question = {
      .certificates = certificates, .side = TW_X509_LISTENER, .names = &name, .name_count = 1, .now = TW_TEST_X509_NOW};
  tw_report report = {""};
  const tw_err err = tw_x509_verify(trust, &question, NULL, &report);
  assert_int_equal(err == TW_OK, report.text[0] == '\0');
  assert_int_equal(ERR_peek_error(), 0);
  tw_x509_holder holder;
  if (tw_x509_describe(x509, certificates, &holder) != TW_OK) assert_int_equal(err, TW_ERR_CERTIFICATE);
  return err;
}

static void chains_cut_anywhere_are_refused(void **state) {
  (void)state;
  assert_int_equal(verify(tw_buf_bytes(&chain)), TW_OK);
  for (size_t cut = 0; cut < chain.len; cut += tw_test_rounds(1, 7)) {
    uint8_t *exact = malloc(cut + 1); /* so that reading past the end is noticed */
    assert_non_null(exact);
    memcpy(exact, chain.ptr, cut);
    const tw_err err = verify(TW_BYTES(exact, cut));
    assert_true(err == TW_ERR_CERTIFICATE || err == TW_ERR_UNKNOWN_CA);
    free(exact);
  }
}

/* Every byte is signed, or is a length or a signature itself. */
static void no_changed_bit_is_accepted(void **state) {
  (void)state;
  for (size_t i = 0; i < chain.len; i += tw_test_rounds(1, 17)) {
    for (unsigned bit = 0; bit < 8; bit += 3) {
      chain.ptr[i] ^= (uint8_t)(1u << bit);
      assert_int_not_equal(verify(tw_buf_bytes(&chain)), TW_OK);
      chain.ptr[i] ^= (uint8_t)(1u << bit);
    }
  }
}

static void bytes_after_a_certificate_are_refused(void **state) {
  (void)state;
  unsigned char *der = NULL;
  const int len = i2d_X509(leaf.certificate, &der);
  uint8_t longer[2048] = {0};
  assert_true(len > 256 && len < 2000);
  const size_t size = (size_t)len + 1;
  longer[0] = (uint8_t)(0x40 | size >> 8); /* a two-byte length (RFC 9420 section 2.1.2) */
  longer[1] = (uint8_t)size;
  memcpy(longer + 2, der, (size_t)len);
  assert_int_equal(verify(TW_BYTES(longer, size + 2)), TW_ERR_CERTIFICATE);
  OPENSSL_free(der);
}

static void certificates_have_a_largest_size(void **state) {
  (void)state;
  static char names[40000] = "DNS:a.example";
  static const char more[] = ",DNS:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example";
  for (size_t at = strlen(names); at < 38000; at += sizeof more - 1) memcpy(names + at, more, sizeof more);
  tw_test_cert big;
  tw_buf large = {0};
  const tw_test_cert_spec spec = {.subject = "big", .names = names};
  tw_test_cert_make(&big, &root, &spec);
  tw_test_chain(&large, (const tw_test_cert *const[]){&big, NULL});
  assert_true(large.len > TW_X509_CERTIFICATE_MAX);
  tw_report report = {""};
  const tw_x509_question question = {
      .certificates = tw_buf_bytes(&large), .side = TW_X509_LISTENER, .now = TW_TEST_X509_NOW};
  assert_int_equal(tw_x509_verify(trust, &question, NULL, &report), TW_ERR_CERTIFICATE);
  assert_non_null(strstr(report.text, "larger than"));
  tw_test_cert_clear(&big);
  tw_buf_clear(&large);
}

/* Certificates that issue each other lead nowhere, and that soon. */
static void circles_end(void **state) {
  (void)state;
  tw_test_cert a, b;
  tw_buf circle = {0};
  const tw_test_cert_spec of_a = {.subject = "a", .basic = "critical,CA:TRUE"};
  const tw_test_cert_spec of_b = {.subject = "b", .basic = "critical,CA:TRUE"};
  tw_test_cert_make(&a, NULL, &of_a);
  tw_test_cert_make(&b, &a, &of_b);
  tw_test_cert a_by_b;
  tw_test_cert_spec again = of_a;
  again.key = a.key;
  tw_test_cert_make(&a_by_b, &b, &again);
  tw_test_cert below;
  const tw_test_cert_spec spec = {.subject = "leaf", .names = "DNS:server.example"};
  tw_test_cert_make(&below, &b, &spec);
  tw_test_chain(&circle, (const tw_test_cert *const[]){&below, &b, &a_by_b, &b, &a_by_b, &b, &a_by_b, &b, NULL});
  assert_int_equal(verify(tw_buf_bytes(&circle)), TW_ERR_UNKNOWN_CA);
  tw_test_cert_clear(&a);
  tw_test_cert_clear(&b);
  tw_test_cert_clear(&a_by_b);
  tw_test_cert_clear(&below);
  tw_buf_clear(&circle);
}

static void anchors_cut_anywhere_are_refused(void **state) {
  (void)state;
  tw_buf pem = {0};
  tw_test_cert_pem(&root, &pem);
  for (size_t cut = 0; cut + 1 < pem.len; cut++) {
    tw_x509_trust *cut_trust = NULL;
    tw_report report = {""};
    assert_int_equal(tw_x509_trust_new(x509, &cut_trust), TW_OK);
    assert_int_equal(tw_x509_trust_add_anchors(cut_trust, "ca", TW_BYTES(pem.ptr, cut), &report), TW_ERR_ENCODING);
    assert_ptr_equal(strstr(report.text, "ca: "), report.text);
    assert_int_equal(tw_x509_trust_anchors(cut_trust), 0);
    tw_x509_trust_free(cut_trust);
  }
  tw_buf_clear(&pem);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(chains_cut_anywhere_are_refused),
      TEST(no_changed_bit_is_accepted),
      TEST(bytes_after_a_certificate_are_refused),
      TEST(certificates_have_a_largest_size),
      TEST(circles_end),
      TEST(anchors_cut_anywhere_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
