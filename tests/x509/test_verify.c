/* Chains: which are good, and what is said of those that are not. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"
#include "x509/x509.h"

/* root > middle > low, each a CA, and `leaf` of low, for server.example. */
typedef struct fixture {
  tw_x509 *x509;
  tw_x509_trust *trust;
  tw_test_cert root, middle, low, leaf;
  tw_buf chain;
  tw_report report;
  tw_x509_holder holder;
} fixture;

static fixture f;
static const tw_test_cert_spec leaf_spec = {.subject = "leaf", .names = "DNS:server.example"};

static void trust(const tw_test_cert *anchor) {
  tw_buf pem = {0};
  tw_x509_trust_free(f.trust);
  f.trust = NULL;
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
  tw_test_ca_make(&f.middle, &f.root, "middle", NULL, NULL);
  tw_test_ca_make(&f.low, &f.middle, "low", NULL, NULL);
  tw_test_cert_make(&f.leaf, &f.low, &leaf_spec);
  trust(&f.root);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(ERR_peek_error(), 0);
  tw_test_cert_clear(&f.root);
  tw_test_cert_clear(&f.middle);
  tw_test_cert_clear(&f.low);
  tw_test_cert_clear(&f.leaf);
  tw_buf_clear(&f.chain);
  tw_x509_trust_free(f.trust);
  tw_x509_free(f.x509);
  return 0;
}

static tw_err ask(tw_x509_side side, const char *name, uint64_t now) {
  const tw_x509_question question = {.certificates = tw_buf_bytes(&f.chain),
                                     .side = side,
                                     .names = &name,
                                     .name_count = name == NULL ? 0 : 1,
                                     .now = now};
  f.report.text[0] = '\0';
  f.holder = (tw_x509_holder){0};
  const tw_err err = tw_x509_verify(f.trust, &question, &f.holder, &f.report);
  assert_int_equal(err == TW_OK, f.report.text[0] == '\0');
  assert_int_equal(err == TW_OK, f.holder.not_after != 0);
  return err;
}

static tw_err verify(void) { return ask(TW_X509_LISTENER, "server.example", TW_TEST_X509_NOW); }

#define CHAIN(...) tw_test_chain(&f.chain, (const tw_test_cert *const[]){__VA_ARGS__, NULL})

static void refused(tw_err err, const char *words) {
  assert_int_equal(verify(), err);
  if (strstr(f.report.text, words) == NULL) fail_msg("'%s' is not in '%s'", words, f.report.text);
}

/* A leaf right below the root. */
static void leaf_of(const tw_test_cert *issuer, const tw_test_cert_spec *spec) {
  tw_test_cert_clear(&f.leaf);
  tw_test_cert_make(&f.leaf, issuer, spec);
}

static void lone_leaf(const tw_test_cert_spec *spec) {
  leaf_of(&f.root, spec);
  CHAIN(&f.leaf);
}

/* ---- chains ---- */

static void chains_of_one_to_three_are_accepted(void **state) {
  (void)state;
  CHAIN(&f.leaf, &f.low, &f.middle);
  assert_int_equal(verify(), TW_OK);
  assert_string_equal(f.holder.subject, "CN=leaf");
  assert_string_equal(f.holder.names, "DNS:server.example");
  assert_string_equal(f.holder.name, "server.example");
  assert_int_equal(f.holder.not_after, TW_TEST_X509_NOW + 5 * TW_TEST_DAY);
  CHAIN(&f.leaf, &f.low, &f.middle, &f.root);
  assert_int_equal(verify(), TW_OK);
  leaf_of(&f.middle, &leaf_spec);
  CHAIN(&f.leaf, &f.middle);
  assert_int_equal(verify(), TW_OK);
  lone_leaf(&leaf_spec);
  assert_int_equal(verify(), TW_OK);
}

static void order_and_further_certificates_do_not_matter(void **state) {
  (void)state;
  tw_test_cert other;
  tw_test_ca_make(&other, NULL, "other", NULL, NULL);
  CHAIN(&f.leaf, &f.middle, &f.low);
  assert_int_equal(verify(), TW_OK);
  CHAIN(&f.leaf, &other, &f.middle, &f.low, &f.root, &f.low);
  assert_int_equal(verify(), TW_OK);
  CHAIN(&f.low, &f.leaf, &f.middle); /* but the first is the end entity's */
  refused(TW_ERR_CERTIFICATE_USE, "'CN=low' is a CA's certificate");
  tw_test_cert_clear(&other);
}

static void an_anchor_need_not_be_a_root(void **state) {
  (void)state;
  trust(&f.middle);
  CHAIN(&f.leaf, &f.low);
  assert_int_equal(verify(), TW_OK);
  CHAIN(&f.leaf, &f.low, &f.middle, &f.root);
  assert_int_equal(verify(), TW_OK);
  trust(&f.leaf);
  CHAIN(&f.leaf);
  assert_int_equal(verify(), TW_OK);
}

static void chains_to_nowhere_are_from_an_unknown_ca(void **state) {
  (void)state;
  CHAIN(&f.leaf);
  refused(TW_ERR_UNKNOWN_CA, "'CN=leaf' is from a CA that is not trusted here; its issuer is 'CN=low'");
  CHAIN(&f.leaf, &f.middle);
  refused(TW_ERR_UNKNOWN_CA, "its issuer is 'CN=low'");
  tw_test_cert other;
  tw_test_ca_make(&other, NULL, "other", NULL, NULL);
  trust(&other);
  CHAIN(&f.leaf, &f.low, &f.middle, &f.root);
  refused(TW_ERR_UNKNOWN_CA, "'CN=root' is a CA that is not trusted here");
  tw_test_cert_clear(&other);
  tw_test_cert self;
  tw_test_cert_make(&self, NULL, &leaf_spec);
  CHAIN(&self);
  refused(TW_ERR_UNKNOWN_CA, "'CN=leaf' is self-signed");
  tw_test_cert_clear(&self);
}

/* The same name as our CA, another key. */
static void a_ca_that_only_has_the_name_is_refused(void **state) {
  (void)state;
  tw_test_cert impostor;
  tw_test_ca_make(&impostor, NULL, "root", NULL, NULL);
  leaf_of(&impostor, &leaf_spec);
  CHAIN(&f.leaf);
  refused(TW_ERR_CERTIFICATE, "'CN=leaf' has a bad signature; its issuer is 'CN=root'");
  CHAIN(&f.leaf, &impostor);
  assert_int_not_equal(verify(), TW_OK);
  tw_test_cert_clear(&impostor);
}

static void no_trust_means_nobody(void **state) {
  (void)state;
  tw_x509_trust_free(f.trust);
  assert_int_equal(tw_x509_trust_new(f.x509, &f.trust), TW_OK);
  CHAIN(&f.leaf, &f.low, &f.middle, &f.root);
  refused(TW_ERR_UNKNOWN_CA, "");
}

static void chains_have_a_longest_length(void **state) {
  (void)state;
  CHAIN(&f.leaf, &f.low, &f.middle, &f.root, &f.root, &f.root, &f.root, &f.root);
  assert_int_equal(verify(), TW_OK);
  CHAIN(&f.leaf, &f.low, &f.middle, &f.root, &f.root, &f.root, &f.root, &f.root, &f.root);
  refused(TW_ERR_CERTIFICATE, "a chain of more than 8 certificates");
  tw_test_cert deep[TW_X509_CHAIN_MAX];
  for (size_t i = 0; i < TW_X509_CHAIN_MAX; i++)
    tw_test_ca_make(&deep[i], i == 0 ? &f.root : &deep[i - 1], i % 2 == 0 ? "even" : "odd", NULL, NULL);
  leaf_of(&deep[6], &leaf_spec);
  CHAIN(&f.leaf, &deep[6], &deep[5], &deep[4], &deep[3], &deep[2], &deep[1], &deep[0]);
  assert_int_equal(verify(), TW_OK);
  for (size_t i = 0; i < TW_X509_CHAIN_MAX; i++) tw_test_cert_clear(&deep[i]);
}

static void every_algorithm_of_our_suites_can_sign(void **state) {
  (void)state;
  static const char *const kinds[][2] = {{"ED25519", NULL},   {"ED448", NULL},     {"EC", "P-256"},
                                         {"EC", "P-384"},     {"EC", "P-521"},     {"ML-DSA-44", NULL},
                                         {"ML-DSA-65", NULL}, {"ML-DSA-87", NULL}, {"RSA", NULL}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    tw_test_cert root, middle;
    tw_test_ca_make(&root, NULL, "R", kinds[i][0], kinds[i][1]);
    tw_test_ca_make(&middle, &root, "M", kinds[i][0], kinds[i][1]);
    tw_test_cert_spec spec = leaf_spec;
    spec.type = kinds[i][0];
    spec.curve = kinds[i][1];
    leaf_of(&middle, &spec);
    trust(&root);
    CHAIN(&f.leaf, &middle);
    assert_int_equal(verify(), TW_OK);
    tw_test_cert_clear(&root);
    tw_test_cert_clear(&middle);
  }
}

static void weak_keys_and_digests_are_refused(void **state) {
  (void)state;
  tw_test_cert weak;
  tw_test_cert_spec spec = {.subject = "weak", .basic = "critical,CA:TRUE", .type = "RSA", .bits = 1024};
  tw_test_cert_make(&weak, &f.root, &spec);
  leaf_of(&weak, &leaf_spec);
  CHAIN(&f.leaf, &weak);
  refused(TW_ERR_CERTIFICATE, "'CN=weak' has a key that is too weak");
  tw_test_cert_clear(&weak);
  spec.bits = 2048;
  tw_test_cert_make(&weak, NULL, &spec);
  trust(&weak);
  leaf_of(&weak, &leaf_spec);
  CHAIN(&f.leaf);
  assert_int_equal(verify(), TW_OK);
  tw_test_cert_spec old = leaf_spec;
  old.digest = "SHA1";
  leaf_of(&weak, &old);
  CHAIN(&f.leaf);
  refused(TW_ERR_CERTIFICATE, "has a signature that is too weak");
  tw_test_cert_clear(&weak);
}

/* ---- time ---- */

/* The last second is over with its beginning: libcrypto has it so. */
static void validity_is_looked_at_to_the_second(void **state) {
  (void)state;
  tw_test_cert_spec spec = leaf_spec;
  spec.from = -100;
  spec.until = 100;
  lone_leaf(&spec);
  for (int at = -1; at <= 1; at++) {
    const tw_err early = at < 0 ? TW_ERR_CERTIFICATE_EXPIRED : TW_OK;
    const tw_err late = at >= 0 ? TW_ERR_CERTIFICATE_EXPIRED : TW_OK;
    assert_int_equal(ask(TW_X509_LISTENER, NULL, TW_TEST_X509_NOW - 100 + (uint64_t)at), early);
    if (early != TW_OK) assert_non_null(strstr(f.report.text, "'CN=leaf' is not valid before 2026-06-"));
    assert_int_equal(ask(TW_X509_LISTENER, NULL, TW_TEST_X509_NOW + 100 + (uint64_t)at), late);
    if (late != TW_OK) assert_non_null(strstr(f.report.text, "'CN=leaf' expired at 2026-06-"));
  }
}

static void a_ca_in_the_middle_may_not_be_out_of_date_either(void **state) {
  (void)state;
  tw_test_cert old;
  const tw_test_cert_spec spec = {.subject = "old", .basic = "critical,CA:TRUE", .until = -1};
  tw_test_cert_make(&old, &f.root, &spec);
  leaf_of(&old, &leaf_spec);
  CHAIN(&f.leaf, &old);
  refused(TW_ERR_CERTIFICATE_EXPIRED, "'CN=old' expired at");
  tw_test_cert_clear(&old);
  const tw_test_cert_spec ends = {.subject = "ends", .basic = "critical,CA:TRUE", .until = 60};
  tw_test_cert_make(&old, &f.root, &ends);
  leaf_of(&old, &leaf_spec);
  CHAIN(&f.leaf, &old);
  assert_int_equal(verify(), TW_OK);
  assert_int_equal(f.holder.not_after, TW_TEST_X509_NOW + 60); /* the earliest end is told */
  tw_test_cert_clear(&old);
  tw_test_cert_make(&old, NULL, &spec);
  leaf_of(&old, &leaf_spec);
  trust(&old);
  CHAIN(&f.leaf);
  refused(TW_ERR_CERTIFICATE_EXPIRED, "'CN=old' expired at");
  tw_test_cert_clear(&old);
}

/* ---- CAs ---- */

static void only_cas_issue_certificates(void **state) {
  (void)state;
  static const struct {
    const char *basic, *usage, *words;
    tw_err err;
  } cases[] = {
      {"critical,CA:TRUE", NULL, "", TW_OK},
      {"CA:TRUE", "keyCertSign", "", TW_OK},
      {NULL, NULL, "'CN=odd' has issued a certificate and is no CA that may", TW_ERR_CERTIFICATE},
      {NULL, "keyCertSign", "'CN=odd' has issued a certificate and is no CA that may", TW_ERR_CERTIFICATE},
      {"critical,CA:FALSE", "keyCertSign", "'CN=odd' has issued a certificate and is no CA that may",
       TW_ERR_CERTIFICATE},
      {"critical,CA:TRUE", "digitalSignature", "'CN=odd' has issued a certificate and is no CA that may",
       TW_ERR_CERTIFICATE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_test_cert odd;
    const tw_test_cert_spec spec = {.subject = "odd", .basic = cases[i].basic, .usage = cases[i].usage};
    tw_test_cert_make(&odd, &f.root, &spec);
    leaf_of(&odd, &leaf_spec);
    CHAIN(&f.leaf, &odd);
    if (cases[i].err == TW_OK)
      assert_int_equal(verify(), TW_OK);
    else
      refused(cases[i].err, cases[i].words);
    tw_test_cert_clear(&odd);
  }
}

static void path_lengths_are_kept(void **state) {
  (void)state;
  tw_test_cert top, below;
  const tw_test_cert_spec spec = {.subject = "top", .basic = "critical,CA:TRUE,pathlen:0"};
  tw_test_cert_make(&top, &f.root, &spec);
  leaf_of(&top, &leaf_spec);
  CHAIN(&f.leaf, &top);
  assert_int_equal(verify(), TW_OK);
  tw_test_ca_make(&below, &top, "below", NULL, NULL);
  leaf_of(&below, &leaf_spec);
  CHAIN(&f.leaf, &below, &top);
  refused(TW_ERR_CERTIFICATE, "has more CAs below it than it allows");
  tw_test_cert_clear(&below);
  tw_test_cert_clear(&top);
}

static void name_constraints_are_kept(void **state) {
  (void)state;
  static const struct {
    const char *constraints, *names;
    bool good;
  } cases[] = {
      {"critical,permitted;DNS:example", "DNS:server.example", true},
      {"critical,permitted;DNS:other.example", "DNS:server.example", false},
      {"critical,permitted;DNS:server.example", "DNS:server.example,DNS:other.example", false},
      {"critical,excluded;DNS:server.example", "DNS:server.example", false},
      {"critical,excluded;DNS:other.example", "DNS:server.example", true},
      {"critical,permitted;IP:192.0.2.0/255.255.255.0", "DNS:server.example,IP:192.0.2.7", true},
      {"critical,permitted;IP:192.0.2.0/255.255.255.0", "DNS:server.example,IP:192.0.3.7", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_test_cert narrow;
    const tw_test_cert_spec spec = {
        .subject = "narrow", .basic = "critical,CA:TRUE", .constraints = cases[i].constraints};
    tw_test_cert_make(&narrow, &f.root, &spec);
    const tw_test_cert_spec of_leaf = {.subject = "leaf", .names = cases[i].names};
    leaf_of(&narrow, &of_leaf);
    CHAIN(&f.leaf, &narrow);
    if (cases[i].good)
      assert_int_equal(verify(), TW_OK);
    else
      refused(TW_ERR_CERTIFICATE, "has a name that a CA above it may not certify");
    tw_test_cert_clear(&narrow);
  }
}

static void unknown_critical_extensions_are_refused(void **state) {
  (void)state;
  tw_test_cert_spec spec = leaf_spec;
  spec.strange_oid = "1.3.6.1.4.1.32473.1";
  lone_leaf(&spec);
  refused(TW_ERR_CERTIFICATE, "'CN=leaf' has a critical extension that is not known here");
}

/* ---- uses ---- */

static void uses_are_kept(void **state) {
  (void)state;
  static const struct {
    const char *usage, *extended;
    bool listens, connects;
  } cases[] = {
      {NULL, NULL, true, true},
      {"digitalSignature", NULL, true, true},
      {"critical,digitalSignature,keyEncipherment", "serverAuth,clientAuth", true, true},
      {NULL, "serverAuth", true, false},
      {NULL, "clientAuth", false, true},
      {NULL, "anyExtendedKeyUsage", true, true},
      {NULL, "emailProtection", false, false},
      {NULL, "emailProtection,serverAuth", true, false},
      {"keyEncipherment", NULL, false, false},
      {"critical,keyAgreement", "serverAuth,clientAuth", false, false},
      {"nonRepudiation", "anyExtendedKeyUsage", false, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_test_cert_spec spec = leaf_spec;
    spec.usage = cases[i].usage;
    spec.extended = cases[i].extended;
    lone_leaf(&spec);
    assert_int_equal(ask(TW_X509_LISTENER, NULL, TW_TEST_X509_NOW), cases[i].listens ? TW_OK : TW_ERR_CERTIFICATE_USE);
    assert_int_equal(ask(TW_X509_CONNECTOR, NULL, TW_TEST_X509_NOW),
                     cases[i].connects ? TW_OK : TW_ERR_CERTIFICATE_USE);
  }
  tw_test_cert_spec spec = leaf_spec;
  spec.extended = "clientAuth";
  lone_leaf(&spec);
  refused(TW_ERR_CERTIFICATE_USE, "'CN=leaf' is not for a server (extendedKeyUsage)");
  spec.usage = "keyAgreement";
  lone_leaf(&spec);
  refused(TW_ERR_CERTIFICATE_USE, "'CN=leaf' is not for signatures (keyUsage)");
}

static void a_ca_between_that_is_not_for_this_use_is_refused(void **state) {
  (void)state;
  tw_test_cert mail;
  const tw_test_cert_spec spec = {.subject = "mail", .basic = "critical,CA:TRUE", .extended = "emailProtection"};
  tw_test_cert_make(&mail, &f.root, &spec);
  leaf_of(&mail, &leaf_spec);
  CHAIN(&f.leaf, &mail);
  refused(TW_ERR_CERTIFICATE_USE, "'CN=mail' is not for a server");
  tw_test_cert_clear(&mail);
}

/* ---- names ---- */

static void another_name_is_refused_with_the_names_that_there_are(void **state) {
  (void)state;
  const tw_test_cert_spec spec = {.subject = "server.example", .names = "DNS:a.example,IP:192.0.2.1,IP:2001:db8::1"};
  lone_leaf(&spec);
  refused(TW_ERR_CERTIFICATE,
          "'CN=server.example' is for DNS:a.example, IP:192.0.2.1, IP:2001:db8::1, not for server.example");
  assert_int_equal(ask(TW_X509_CONNECTOR, "server.example", TW_TEST_X509_NOW), TW_ERR_CREDENTIAL);
  const tw_test_cert_spec bare = {.subject = "server.example"};
  lone_leaf(&bare);
  refused(TW_ERR_CERTIFICATE, "is for no name at all");
  assert_int_equal(ask(TW_X509_LISTENER, NULL, TW_TEST_X509_NOW), TW_OK);
  assert_string_equal(f.holder.name, "");
}

static void one_of_several_names_will_do(void **state) {
  (void)state;
  static const char *const names[] = {"x.example", "server.example", "y.example"};
  lone_leaf(&leaf_spec);
  tw_x509_question question = {.certificates = tw_buf_bytes(&f.chain),
                               .side = TW_X509_CONNECTOR,
                               .names = names,
                               .name_count = 3,
                               .now = TW_TEST_X509_NOW};
  assert_int_equal(tw_x509_verify(f.trust, &question, &f.holder, &f.report), TW_OK);
  assert_string_equal(f.holder.name, "server.example");
  question.name_count = 1;
  assert_int_equal(tw_x509_verify(f.trust, &question, NULL, &f.report), TW_ERR_CREDENTIAL);
  static const char *const none[] = {"x.example", "y.example"};
  question.names = none;
  question.name_count = 2;
  assert_int_equal(tw_x509_verify(f.trust, &question, NULL, &f.report), TW_ERR_CREDENTIAL);
  assert_non_null(strstr(f.report.text, "none of the 2 names that are accepted"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(chains_of_one_to_three_are_accepted),
      TEST(order_and_further_certificates_do_not_matter),
      TEST(an_anchor_need_not_be_a_root),
      TEST(chains_to_nowhere_are_from_an_unknown_ca),
      TEST(a_ca_that_only_has_the_name_is_refused),
      TEST(no_trust_means_nobody),
      TEST(chains_have_a_longest_length),
      TEST(every_algorithm_of_our_suites_can_sign),
      TEST(weak_keys_and_digests_are_refused),
      TEST(validity_is_looked_at_to_the_second),
      TEST(a_ca_in_the_middle_may_not_be_out_of_date_either),
      TEST(only_cas_issue_certificates),
      TEST(path_lengths_are_kept),
      TEST(name_constraints_are_kept),
      TEST(unknown_critical_extensions_are_refused),
      TEST(uses_are_kept),
      TEST(a_ca_between_that_is_not_for_this_use_is_refused),
      TEST(another_name_is_refused_with_the_names_that_there_are),
      TEST(one_of_several_names_will_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
