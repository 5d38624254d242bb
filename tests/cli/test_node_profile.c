/* When those who were learned by their certificates are looked at again. SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_profile.h"

#include <time.h>

#include "base/alloc.h"
#include "cli/key_file.h"
#include "crypto/crypto.h"
#include "store/store_kit.h"
#include "support/tw_test_x509.h"

#define SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"

static kit k;
static tw_env env;
static tw_store *store;
static tw_learned learned;
static tw_node_file file = {.name = "n"};
static tw_problems problems;

static void write_to(const char *name, const char *mode, tw_bytes content) {
  char path[KIT_PATH];
  (void)snprintf(path, sizeof path, "%s/%s", k.parent, name);
  FILE *out = fopen(path, mode);
  assert_non_null(out);
  assert_int_equal(fwrite(content.ptr, 1, content.len, out), content.len);
  assert_int_equal(fclose(out), 0);
  assert_int_equal(chmod(path, 0600), 0);
}

static void write_ca(const char *mode) {
  tw_test_cert ca;
  tw_buf pem = {0};
  tw_test_ca_make(&ca, NULL, "a CA", NULL, NULL);
  tw_test_cert_pem(&ca, &pem);
  write_to("ca.pem", mode, tw_buf_bytes(&pem));
  tw_buf_clear(&pem);
  tw_test_cert_clear(&ca);
}

static int set_up(void **state) {
  (void)state;
  tw_report report = {""};
  tw_signer *signer = NULL;
  tw_buf key = {0};
  kit_init(&k, 5);
  env = k.test.env;
  store = kit_open(&k, NULL);
  assert_int_equal(tw_learned_load(tw_env_alloc(&env), store, &learned, &problems, &report), TW_OK);
  assert_int_equal(tw_signer_generate(&env, tw_suite_by_name(SUITE), &signer), TW_OK);
  assert_int_equal(tw_private_key_format(tw_suite_by_name(SUITE), signer, &key), TW_OK);
  tw_signer_free(signer);
  write_to("n.key", "w", tw_buf_bytes(&key));
  tw_buf_clear(&key);
  write_ca("w");
  write_to("n.conf", "w",
           TW_LITERAL(
               "[Interface]\nAddress = 10.7.0.1/24\nIdentity = n.key\nCA = ca.pem\n[Relay]\nEndpoint = relay.example\n"
               "[Network]\nGroup = office\nSuite = " SUITE "\nMembers = certified\n"));
  (void)snprintf(file.path, sizeof file.path, "%s/n.conf", k.parent);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_learned_clear(&learned);
  tw_store_close(store);
  kit_clear(&k);
  return 0;
}

/* Somebody whose certificate was never a good one: who looks at it forgets him. */
static void learn_bad(uint64_t not_after) {
  tw_report report = {""};
  char name[] = "b.example";
  tw_learned_peer peer = {.peer = {.origin = TW_NODE_FROM_CERTIFICATE, .key.given = true, .certificate = name},
                          .not_after = not_after};
  assert_int_equal(tw_buf_append(&peer.certificates, TW_LITERAL("no certificate")), TW_OK);
  if (tw_learned_put(&learned, &peer, NULL, &report) != TW_OK) fail_msg("%s", report.text);
  tw_buf_clear(&peer.certificates);
}

static tw_node_profile *read_as(const tw_node_profile *as) {
  tw_node_profile *profile = NULL;
  if (tw_node_profile_read(&env, &file, as, &profile, &problems) != TW_OK) fail_msg("%s", problems.first.text);
  return profile;
}

/* How many peers there are by the files as they are now. */
static size_t peers_as(const tw_node_profile *as) {
  tw_report report = {""};
  tw_node_profile *profile = read_as(as);
  assert_int_equal(tw_node_profile_add_learned(profile, as, &learned, &problems, &report), TW_OK);
  const size_t count = profile->config.peer_count;
  assert_int_equal(count, learned.count);
  tw_node_profile_free(profile);
  return count;
}

static void who_was_good_by_the_same_cas_and_rules_is_not_looked_at(void **state) {
  (void)state;
  tw_node_profile *was = read_as(NULL);
  learn_bad((uint64_t)time(NULL) + 1000);
  assert_int_equal(peers_as(was), 1);
  assert_int_equal(peers_as(was), 1);
  assert_int_equal(peers_as(NULL), 0); /* a start, or sync */
  tw_node_profile_free(was);
}

static void all_are_looked_at_when_the_cas_are_others(void **state) {
  (void)state;
  tw_node_profile *was = read_as(NULL);
  learn_bad((uint64_t)time(NULL) + 1000);
  write_ca("a");
  assert_int_equal(peers_as(was), 0);
  tw_node_profile_free(was);
  was = read_as(NULL);
  learn_bad((uint64_t)time(NULL) + 1000);
  write_ca("w"); /* as many */
  write_ca("a");
  assert_int_equal(peers_as(was), 0);
  tw_node_profile_free(was);
}

static void all_are_looked_at_when_the_rules_are_others(void **state) {
  (void)state;
  tw_node_profile *was = read_as(NULL);
  tw_report report = {""};
  learn_bad((uint64_t)time(NULL) + 1000);
  write_to("n.conf", "a", TW_LITERAL("# another text\n"));
  tw_node_profile *profile = read_as(NULL);
  assert_int_equal(tw_node_profile_add_learned(profile, was, &learned, &problems, &report), TW_OK);
  assert_int_equal(profile->config.peer_count, 0);
  tw_node_profile_free(profile);
  tw_node_profile_free(was);
}

static void all_are_looked_at_when_a_certificate_has_ended(void **state) {
  (void)state;
  tw_node_profile *was = read_as(NULL);
  learn_bad((uint64_t)time(NULL) - 1000);
  assert_int_equal(peers_as(was), 0);
  tw_node_profile_free(was);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(who_was_good_by_the_same_cas_and_rules_is_not_looked_at),
      TEST(all_are_looked_at_when_the_cas_are_others),
      TEST(all_are_looked_at_when_the_rules_are_others),
      TEST(all_are_looked_at_when_a_certificate_has_ended),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
