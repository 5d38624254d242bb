/*
 * When libcrypto's own allocations fail: nobody is let in who should not be, no CRL and no CA is lost without a word,
 * and nothing crashes. label: no-valgrind (it would take minutes). SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_libcrypto.h"
#include "support/tw_test_x509.h"
#include "x509/x509.h"

enum { LEAF_SERIAL = 9001, WORKED_AT_MOST = 100000 };

typedef struct setting {
  tw_x509 *x509;
  tw_x509_trust *trust;
  tw_test_cert root, leaf;
  tw_buf chain, anchors, crl;
  const char *name;
} setting;

static void begin(setting *s, const tw_test_cert_spec *leaf, long revoked) {
  *s = (setting){.name = "server.example"};
  tw_test_cert_spec spec = *leaf;
  const tw_test_crl_spec crl = {.serial = revoked};
  spec.serial = LEAF_SERIAL;
  assert_int_equal(tw_x509_new(&s->x509), TW_OK);
  tw_test_ca_make(&s->root, NULL, "root", NULL, NULL);
  tw_test_cert_make(&s->leaf, &s->root, &spec);
  tw_test_cert_pem(&s->root, &s->anchors);
  tw_test_crl(&s->root, &s->root, &crl, true, &s->crl);
  tw_test_chain(&s->chain, (const tw_test_cert *const[]){&s->leaf, NULL});
  assert_int_equal(tw_x509_trust_new(s->x509, &s->trust), TW_OK);
  assert_int_equal(tw_x509_trust_add_anchors(s->trust, "ca", tw_buf_bytes(&s->anchors), NULL), TW_OK);
  assert_int_equal(tw_x509_trust_add_crls(s->trust, "crl", tw_buf_bytes(&s->crl), TW_TEST_X509_NOW, NULL), TW_OK);
}

static void end(setting *s) {
  tw_x509_trust_free(s->trust);
  tw_test_cert_clear(&s->root);
  tw_test_cert_clear(&s->leaf);
  tw_buf_clear(&s->chain);
  tw_buf_clear(&s->anchors);
  tw_buf_clear(&s->crl);
  tw_x509_free(s->x509);
}

static tw_err verify(setting *s) {
  const tw_x509_question question = {.certificates = tw_buf_bytes(&s->chain),
                                     .side = TW_X509_LISTENER,
                                     .names = &s->name,
                                     .name_count = 1,
                                     .now = TW_TEST_X509_NOW};
  tw_x509_holder holder = {.subject = ""};
  tw_report report = {""};
  const tw_err err = tw_x509_verify(s->trust, &question, &holder, &report);
  assert_int_equal(err == TW_OK, report.text[0] == '\0');
  return err;
}

/* The same call with its first, second, … allocation failing, until none fails any more. */
static void fail_each(setting *s, tw_err wanted, tw_err (*act)(setting *s)) {
  for (size_t n = 1; n < WORKED_AT_MOST; n++) {
    tw_test_libcrypto_fail(n);
    const tw_err err = act(s);
    const bool failed = tw_test_libcrypto_has_failed();
    if (!failed) {
      assert_int_equal(err, wanted);
      return;
    }
    if (wanted != TW_OK) assert_int_not_equal(err, TW_OK);
    assert_int_equal(ERR_peek_error(), 0);
  }
  fail_msg("no end of allocations");
}

static void nobody_slips_in_for_want_of_memory(void **state) {
  (void)state;
  static const struct {
    tw_test_cert_spec leaf;
    long revoked;
    tw_err err;
  } cases[] = {
      {{.subject = "good", .names = "DNS:server.example"}, 0, TW_OK},
      {{.subject = "revoked", .names = "DNS:server.example"}, LEAF_SERIAL, TW_ERR_CERTIFICATE_REVOKED},
      {{.subject = "named", .names = "DNS:else.example"}, 0, TW_ERR_CERTIFICATE},
      {{.subject = "late", .names = "DNS:server.example", .until = -1}, 0, TW_ERR_CERTIFICATE_EXPIRED},
      {{.subject = "used", .names = "DNS:server.example", .extended = "emailProtection"}, 0, TW_ERR_CERTIFICATE_USE},
      {{.subject = "used", .names = "DNS:server.example", .usage = "keyAgreement"}, 0, TW_ERR_CERTIFICATE_USE},
      {{.subject = "ca", .names = "DNS:server.example", .basic = "CA:TRUE"}, 0, TW_ERR_CERTIFICATE_USE},
      {{.names = "DNS:server.example", .strange_oid = "1.3.6.1.4.1.32473.1"}, 0, TW_ERR_CERTIFICATE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    setting s;
    begin(&s, &cases[i].leaf, cases[i].revoked);
    fail_each(&s, cases[i].err, verify);
    end(&s);
  }
}

static void a_stranger_does_not_either(void **state) {
  (void)state;
  setting s;
  tw_test_cert other, leaf;
  const tw_test_cert_spec spec = {.subject = "leaf", .names = "DNS:server.example"};
  begin(&s, &spec, 0);
  tw_test_ca_make(&other, NULL, "root", NULL, NULL); /* of the same name */
  tw_test_cert_make(&leaf, &other, &spec);
  tw_test_chain(&s.chain, (const tw_test_cert *const[]){&leaf, &other, NULL});
  fail_each(&s, verify(&s), verify);
  assert_int_not_equal(verify(&s), TW_OK);
  tw_test_cert_clear(&other);
  tw_test_cert_clear(&leaf);
  end(&s);
}

/* All of a file or an error. */
static tw_err read_all(setting *s) {
  tw_x509_trust *trust = NULL;
  tw_err err = tw_x509_trust_new(s->x509, &trust);
  if (err == TW_OK) err = tw_x509_trust_add_anchors(trust, "ca", tw_buf_bytes(&s->anchors), NULL);
  if (err == TW_OK) err = tw_x509_trust_add_crls(trust, "crl", tw_buf_bytes(&s->crl), TW_TEST_X509_NOW, NULL);
  if (err == TW_OK) {
    assert_int_equal(tw_x509_trust_anchors(trust), 2);
    assert_int_equal(tw_x509_trust_crls(trust), 2);
  }
  tw_x509_trust_free(trust);
  return err;
}

static void no_ca_and_no_crl_is_lost_without_a_word(void **state) {
  (void)state;
  setting s;
  tw_test_cert other;
  const tw_test_cert_spec spec = {.subject = "leaf"};
  const tw_test_crl_spec crl = {.serial = 5};
  begin(&s, &spec, 0);
  tw_test_ca_make(&other, NULL, "other", NULL, NULL);
  tw_test_cert_pem(&other, &s.anchors);
  tw_test_crl(&other, &other, &crl, true, &s.crl);
  fail_each(&s, TW_OK, read_all);
  tw_test_cert_clear(&other);
  end(&s);
}

/* All anchors, and as they were, or an error. */
static tw_err give_all(setting *s) {
  tw_buf given = {0};
  tw_buf pem = {0};
  tw_err err = tw_x509_trust_give_anchors(s->trust, &given);
  if (err == TW_OK) err = tw_x509_anchors_file(s->x509, tw_buf_bytes(&given), &pem, NULL);
  assert_int_equal(tw_bytes_equal(tw_buf_bytes(&pem), tw_buf_bytes(&s->anchors)), err == TW_OK);
  assert_int_equal(pem.len > 0, err == TW_OK);
  tw_buf_clear(&pem);
  tw_buf_clear(&given);
  return err;
}

static void no_ca_is_lost_on_its_way_to_others(void **state) {
  (void)state;
  setting s;
  const tw_test_cert_spec spec = {.subject = "leaf"};
  begin(&s, &spec, 0);
  fail_each(&s, TW_OK, give_all);
  end(&s);
}

int main(void) {
  if (!tw_test_libcrypto_take()) return 77;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_slips_in_for_want_of_memory),
      cmocka_unit_test(a_stranger_does_not_either),
      cmocka_unit_test(no_ca_and_no_crl_is_lost_without_a_word),
      cmocka_unit_test(no_ca_is_lost_on_its_way_to_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
