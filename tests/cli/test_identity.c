/* The Authentication Service: by keys, by certificates, by both, and again later. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/identity.h"
#include "crypto/crypto.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_x509.h"

/* Ours has a key, theirs a certificate of `root`. */
typedef struct fixture {
  tw_env env;
  tw_identity us;
  tw_signer *ours;
  tw_test_cert root, leaf;
  tw_buf chain;
  tw_buf public_key;
} fixture;

static fixture f;
enum { BASIC = 1, X509_TYPE = 2, OWN_LEAF_LISTENING = 0, PEER_LEAF_LISTENING = 1 };

/* The certificate's key as a leaf has it. */
static void take_public_key(void) {
  unsigned char *der = NULL;
  const int len = i2d_X509(f.leaf.certificate, &der);
  f.public_key.len = 0;
  assert_int_equal(tw_x509_public_key(&f.env, tw_suite_default(), TW_BYTES(der, (size_t)len), &f.public_key), TW_OK);
  OPENSSL_free(der);
}

static int set_up(void **state) {
  (void)state;
  f = (fixture){0};
  assert_int_equal(tw_provider_openssl_new(NULL, &f.env.provider), TW_OK);
  assert_int_equal(tw_signer_generate(&f.env, tw_suite_default(), &f.ours), TW_OK);
  tw_test_ca_make(&f.root, NULL, "root", NULL, NULL);
  const tw_test_cert_spec spec = {.subject = "leaf", .names = "DNS:peer.example", .until = 1000, .serial = 77};
  tw_test_cert_make(&f.leaf, &f.root, &spec);
  tw_test_chain(&f.chain, (const tw_test_cert *const[]){&f.leaf, NULL});
  take_public_key();
  f.us.env = &f.env;
  assert_int_equal(tw_x509_new(&f.us.certificates.x509), TW_OK);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_identity_clear(&f.us);
  tw_signer_free(f.ours);
  tw_test_cert_clear(&f.root);
  tw_test_cert_clear(&f.leaf);
  tw_buf_clear(&f.chain);
  tw_buf_clear(&f.public_key);
  tw_provider_free(f.env.provider);
  return 0;
}

static void trust_root(long revoked) {
  tw_buf text = {0};
  tw_x509_trust *trust = NULL;
  assert_int_equal(tw_x509_trust_new(f.us.certificates.x509, &trust), TW_OK);
  tw_test_cert_pem(&f.root, &text);
  assert_int_equal(tw_x509_trust_add_anchors(trust, "ca", tw_buf_bytes(&text), NULL), TW_OK);
  text.len = 0;
  const tw_test_crl_spec crl = {.serial = revoked};
  if (revoked != 0) {
    tw_test_crl(&f.root, &f.root, &crl, true, &text);
    assert_int_equal(tw_x509_trust_add_crls(trust, "crl", tw_buf_bytes(&text), TW_TEST_X509_NOW, NULL), TW_OK);
  }
  tw_x509_trust_free(f.us.certificates.trust);
  f.us.certificates.trust = trust;
  tw_buf_clear(&text);
}

static void pin(void) {
  tw_fingerprint fingerprint;
  assert_int_equal(tw_fingerprint_of(&f.env, tw_suite_default(), tw_buf_bytes(&f.public_key), &fingerprint), TW_OK);
  assert_int_equal(tw_peers_set(&f.us.peers, &fingerprint, NULL, "pinned"), TW_OK);
}

static tw_err ask(bool with_certificate, uint64_t now, tw_acquaintance *known) {
  tw_stranger stranger = {.suite = tw_suite_default(),
                          .credential = {.type = BASIC},
                          .signature_key = tw_buf_bytes(&f.public_key),
                          .now = now};
  if (with_certificate) stranger.credential = (tw_credential){X509_TYPE, tw_buf_bytes(&f.chain)};
  f.us.refusal.given = false;
  const tw_err err = tw_identity_accepts(&f.us, &stranger, known);
  assert_int_equal(f.us.refusal.given, err != TW_OK);
  return err;
}

static void every_combination_lets_in_whom_it_should(void **state) {
  (void)state;
  for (unsigned bits = 0; bits < 32; bits++) {
    const bool connecting = (bits & 1) != 0;
    const bool pinned = (bits & 2) != 0;  /* pins are asked for */
    const bool is_pin = (bits & 4) != 0;  /* and it is that key */
    const bool trusted = (bits & 8) != 0; /* certificates are asked for */
    const bool has_one = (bits & 16) != 0;
    tw_peers_clear(&f.us.peers);
    tw_x509_trust_free(f.us.certificates.trust);
    f.us.certificates.trust = NULL;
    f.us.connecting = connecting;
    f.us.pinned = pinned && connecting;
    if (trusted) trust_root(0);
    if (pinned && is_pin) pin();
    const bool key_good = pinned && is_pin;
    const bool certificate_good = trusted && has_one;
    bool wanted = key_good || certificate_good;
    if (connecting && pinned && trusted) wanted = key_good && certificate_good;
    if (connecting && pinned && !trusted) wanted = key_good;
    if (connecting && !pinned) wanted = certificate_good;
    tw_acquaintance known;
    const tw_err err = ask(has_one, TW_TEST_X509_NOW, &known);
    assert_int_equal(err, wanted ? TW_OK : TW_ERR_CREDENTIAL);
    assert_int_equal(known.peer != NULL, key_good);
    /* A name is taken from a certificate only where that was verified. */
    if (known.certified) assert_string_equal(known.holder.name, "peer.example");
    if (err == TW_OK) assert_int_equal(known.certified, certificate_good && (connecting || !key_good));
  }
}

static void a_bad_certificate_does_not_hurt_who_is_pinned(void **state) {
  (void)state;
  tw_acquaintance known;
  trust_root(77);
  assert_int_equal(ask(true, TW_TEST_X509_NOW, &known), TW_ERR_CERTIFICATE_REVOKED);
  pin();
  assert_int_equal(ask(true, TW_TEST_X509_NOW, &known), TW_OK);
  assert_false(known.certified);
  f.us.connecting = true;
  f.us.pinned = true;
  assert_int_equal(ask(true, TW_TEST_X509_NOW, &known), TW_ERR_CERTIFICATE_REVOKED);
}

/* For telling who it is, the chain is not verified a second time; another key or credential is nobody that we know. */
static void who_was_accepted_is_recalled(void **state) {
  (void)state;
  tw_acquaintance known;
  trust_root(0);
  tw_stranger stranger = {.suite = tw_suite_default(),
                          .credential = {X509_TYPE, tw_buf_bytes(&f.chain)},
                          .signature_key = tw_buf_bytes(&f.public_key),
                          .now = TW_TEST_X509_NOW + 2000}; /* too late to be verified */
  assert_int_equal(tw_identity_recalls(&f.us, &stranger, &known), TW_ERR_CERTIFICATE_EXPIRED);
  assert_int_equal(ask(true, TW_TEST_X509_NOW, &known), TW_OK);
  assert_int_equal(tw_identity_recalls(&f.us, &stranger, &known), TW_OK);
  assert_true(known.certified);
  assert_string_equal(known.holder.serial, "4d");
  stranger.signature_key = tw_signer_public_key(f.ours);
  assert_int_equal(tw_identity_recalls(&f.us, &stranger, &known), TW_ERR_CERTIFICATE_EXPIRED);
  stranger.signature_key = tw_buf_bytes(&f.public_key);
  stranger.credential.identity.len--;
  assert_int_equal(tw_identity_recalls(&f.us, &stranger, &known), TW_ERR_CERTIFICATE);
}

/* ---- the policy of a client of ours ---- */

static tw_err policy(const tw_credential_use *use) {
  const tw_client *client = f.us.clients[0];
  return client->policy.credential(client->policy.ctx, use);
}

static void write_own_key(char *path) {
  tw_buf text = {0};
  assert_int_equal(tw_private_key_format(tw_suite_default(), f.ours, &text), TW_OK);
  const int fd = mkstemp(path); /* 0600 */
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text.ptr, text.len), (long)text.len);
  assert_int_equal(close(fd), 0);
  tw_buf_clear(&text);
}

static void certificates_are_judged_again_with_each_update(void **state) {
  (void)state;
  char path[] = "/tmp/treewire-test-XXXXXX";
  tw_report report = {""};
  write_own_key(path);
  assert_int_equal(tw_identity_add_key(&f.us, path, &report), TW_OK);
  assert_int_equal(unlink(path), 0);
  trust_root(0);
  const tw_credential credential = {X509_TYPE, tw_buf_bytes(&f.chain)};
  tw_credential_use use = {.event = TW_CREDENTIAL_ADDED,
                           .leaf_index = UINT32_MAX,
                           .credential = credential,
                           .signature_key = tw_buf_bytes(&f.public_key),
                           .now = TW_TEST_X509_NOW};
  assert_int_equal(policy(&use), TW_OK);
  use.event = TW_CREDENTIAL_UPDATED;
  use.leaf_index = PEER_LEAF_LISTENING;
  use.old = &credential;
  use.old_signature_key = use.signature_key;
  assert_int_equal(policy(&use), TW_OK);
  use.now = TW_TEST_X509_NOW + 1001;
  assert_int_equal(policy(&use), TW_ERR_CERTIFICATE_EXPIRED);
  use.now = TW_TEST_X509_NOW;
  trust_root(77);
  assert_int_equal(policy(&use), TW_ERR_CERTIFICATE_REVOKED);
  trust_root(0);
  use.old_signature_key = tw_signer_public_key(f.ours); /* another key is another peer, whatever its certificate */
  assert_int_equal(policy(&use), TW_ERR_CREDENTIAL);
  use.old_signature_key = use.signature_key;
  use.event = TW_CREDENTIAL_JOINS;
  assert_int_equal(policy(&use), TW_ERR_CREDENTIAL);
  use.event = TW_CREDENTIAL_EXTERNAL;
  assert_int_equal(policy(&use), TW_ERR_CREDENTIAL);
  /* Our own leaf is ours, and only at its place. */
  use = (tw_credential_use){.event = TW_CREDENTIAL_IN_TREE,
                            .leaf_index = OWN_LEAF_LISTENING,
                            .credential = {.type = BASIC},
                            .signature_key = tw_signer_public_key(f.ours),
                            .now = TW_TEST_X509_NOW};
  assert_int_equal(policy(&use), TW_OK);
  use.leaf_index = PEER_LEAF_LISTENING;
  assert_int_equal(policy(&use), TW_ERR_CREDENTIAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_combination_lets_in_whom_it_should),
      TEST(a_bad_certificate_does_not_hurt_who_is_pinned),
      TEST(who_was_accepted_is_recalled),
      TEST(certificates_are_judged_again_with_each_update),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
