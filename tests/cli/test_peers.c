/* Peers files and key files. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/key_file.h"

static tw_env env;
static char folder[64];

static int set_up(void **state) {
  (void)state;
  (void)snprintf(folder, sizeof folder, "/tmp/treewire-test-XXXXXX");
  if (mkdtemp(folder) == NULL) return -1;
  return tw_provider_openssl_new(NULL, &env.provider) == TW_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  tw_provider_free(env.provider);
  return rmdir(folder);
}

#define SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"
#define KEY_A SUITE ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY_B SUITE ":AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PRINT "sha256:00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static tw_err parse(const char *text, tw_peers *peers, tw_report *report) {
  return tw_peers_parse(&env, "peers", TW_BYTES((const uint8_t *)text, strlen(text)), peers, report);
}

static const char *name_of(const tw_peers *peers, const char *key) {
  const tw_suite *suite;
  tw_fingerprint fingerprint;
  assert_int_equal(tw_peer_key_parse(&env, TW_BYTES((const uint8_t *)key, strlen(key)), &suite, &fingerprint, NULL),
                   TW_OK);
  const tw_peer *peer = tw_peers_find(peers, &fingerprint);
  return peer == NULL ? NULL : tw_peer_name(peers, peer);
}

static void peers_are_found_by_key_and_by_fingerprint(void **state) {
  (void)state;
  tw_peers peers = {0};
  tw_report report = {""};
  assert_int_equal(parse("# who may come\n\n" KEY_A "\talice of the north \r\n  " KEY_B "\n   # more\n" PRINT
                         " d\303\251p\303\264t",
                         &peers, &report),
                   TW_OK);
  assert_int_equal(peers.count, 3);
  assert_string_equal(name_of(&peers, KEY_A), "alice of the north");
  assert_string_equal(name_of(&peers, KEY_B), "");
  assert_string_equal(name_of(&peers, PRINT), "d\303\251p\303\264t");
  assert_null(name_of(&peers, "sha256:0000000000000000000000000000000000000000000000000000000000000000"));
  tw_peers_clear(&peers);
  tw_peers_clear(&peers);
  assert_null(name_of(&peers, KEY_A));
}

static void an_empty_file_lets_nobody_in(void **state) {
  (void)state;
  tw_peers peers = {0};
  assert_int_equal(parse("", &peers, NULL), TW_OK);
  assert_int_equal(parse("\n\n# nobody\n", &peers, NULL), TW_OK);
  assert_int_equal(peers.count, 0);
  assert_null(name_of(&peers, KEY_A));
}

static void mistakes_are_named_by_file_and_line(void **state) {
  (void)state;
  static const struct {
    const char *text;
    const char *place;
  } bad[] = {
      {"nonsense\n", "peers:1: "},
      {KEY_A "\n\n" KEY_B "x\n", "peers:3: "},
      {"#\n" KEY_A "\n" KEY_A " again\n", "peers:3: the same key as in line 2"},
      {KEY_A " a\001b\n", "peers:1: "},
      {KEY_A " \377\n", "peers:1: "},
      {KEY_B "\n" SUITE ":AAAA\n", "peers:2: "},
      {"NO_SUITE:AAAA\n", "peers:1: 'NO_SUITE' names no cipher suite"},
      {"treewire-key-1 " SUITE " AAAA\n", "peers:1: this is a private key"},
      {"sha256:00\n", "peers:1: a fingerprint"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tw_peers peers = {0};
    tw_report report = {""};
    assert_int_equal(parse(KEY_A " kept\n", &peers, NULL), TW_OK);
    assert_int_equal(parse(bad[i].text, &peers, &report), TW_ERR_ENCODING);
    assert_ptr_equal(strstr(report.text, bad[i].place), report.text);
    assert_string_equal(name_of(&peers, KEY_A), "kept");
    tw_peers_clear(&peers);
  }
}

static void a_name_has_a_longest_length(void **state) {
  (void)state;
  char text[sizeof KEY_A + TW_PEER_NAME_MAX + 3];
  tw_peers peers = {0};
  (void)memset(text, 'n', sizeof text);
  memcpy(text, KEY_A " ", sizeof KEY_A);
  text[sizeof KEY_A + TW_PEER_NAME_MAX] = '\0';
  assert_int_equal(parse(text, &peers, NULL), TW_OK);
  text[sizeof KEY_A + TW_PEER_NAME_MAX] = 'n';
  text[sizeof KEY_A + TW_PEER_NAME_MAX + 1] = '\0';
  assert_int_equal(parse(text, &peers, NULL), TW_ERR_ENCODING);
  tw_peers_clear(&peers);
}

static void a_file_cut_anywhere_is_read_or_refused(void **state) {
  (void)state;
  static const char text[] = "# comment\n" KEY_A " alice\n" PRINT " bob\n";
  for (size_t len = 0; len < sizeof text; len++) {
    tw_peers peers = {0};
    tw_report report = {""};
    const tw_err err = tw_peers_parse(&env, "peers", TW_BYTES((const uint8_t *)text, len), &peers, &report);
    assert_true(err == TW_OK || err == TW_ERR_ENCODING);
    tw_peers_clear(&peers);
  }
}

/* ---- files ---- */

static void make_path(char *out, size_t size, const char *name) { (void)snprintf(out, size, "%s/%s", folder, name); }

static void write_file(const char *path, const char *text, mode_t mode) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, mode), 0);
}

#define PRIVATE "treewire-key-1 " SUITE " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static void a_private_key_that_others_can_read_is_refused(void **state) {
  (void)state;
  char path[128];
  make_path(path, sizeof path, "key");
  static const mode_t wide[] = {0644, 0640, 0604, 0660, 0620, 0610, 0601, 0666, 0777};
  for (size_t i = 0; i <= sizeof wide / sizeof wide[0]; i++) {
    const bool good = i == sizeof wide / sizeof wide[0];
    const tw_suite *suite = NULL;
    tw_signer *signer = NULL;
    tw_report report = {""};
    write_file(path, PRIVATE, good ? 0600 : wide[i]);
    assert_int_equal(tw_key_file_read(&env, path, &suite, &signer, &report), good ? TW_OK : TW_ERR_FORBIDDEN);
    if (!good) assert_non_null(strstr(report.text, "chmod 600"));
    tw_signer_free(signer);
    assert_int_equal(unlink(path), 0);
  }
}

static void files_that_cannot_be_keys_are_refused(void **state) {
  (void)state;
  char path[128];
  const tw_suite *suite = NULL;
  tw_signer *signer = NULL;
  tw_report report = {""};
  make_path(path, sizeof path, "key");
  assert_int_equal(tw_key_file_read(&env, path, &suite, &signer, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "No such file"));
  assert_int_equal(tw_key_file_read(&env, folder, &suite, &signer, &report), TW_ERR_STATE);
  write_file(path, "not a key\n", 0600);
  assert_int_equal(tw_key_file_read(&env, path, &suite, &signer, &report), TW_ERR_ENCODING);
  assert_ptr_equal(strstr(report.text, path), report.text);
  static char big[TW_KEY_TEXT_MAX + 2];
  (void)memset(big, 'A', sizeof big - 1);
  write_file(path, big, 0600);
  assert_int_equal(tw_key_file_read(&env, path, &suite, &signer, &report), TW_ERR_LIMIT);
  assert_null(signer);
  assert_int_equal(unlink(path), 0);
}

static void the_peer_argument_takes_three_forms(void **state) {
  (void)state;
  char path[128];
  char argument[130];
  tw_peers peers = {0};
  tw_report report = {""};
  make_path(path, sizeof path, "peer");
  (void)snprintf(argument, sizeof argument, "@%s", path);
  assert_int_equal(tw_peer_argument(&env, KEY_A, &peers, &report), TW_OK);
  assert_non_null(name_of(&peers, KEY_A));
  assert_non_null(peers.list[0].suite);
  assert_int_equal(tw_peer_argument(&env, PRINT, &peers, &report), TW_OK);
  assert_int_equal(peers.count, 1);
  assert_null(peers.list[0].suite);
  write_file(path, KEY_B " bob\n", 0644);
  assert_int_equal(tw_peer_argument(&env, argument, &peers, &report), TW_OK);
  assert_string_equal(name_of(&peers, KEY_B), "bob");

  write_file(path, KEY_A "\n" KEY_B "\n", 0644);
  assert_int_equal(tw_peer_argument(&env, argument, &peers, &report), TW_ERR_ENCODING);
  write_file(path, "\n", 0644);
  assert_int_equal(tw_peer_argument(&env, argument, &peers, &report), TW_ERR_ENCODING);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(tw_peer_argument(&env, argument, &peers, &report), TW_ERR_STATE);
  assert_int_equal(tw_peer_argument(&env, "", &peers, &report), TW_ERR_ARGUMENT);
  assert_int_equal(tw_peer_argument(&env, "@", &peers, &report), TW_ERR_STATE);
  assert_string_equal(name_of(&peers, KEY_B), "bob");
  tw_peers_clear(&peers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(peers_are_found_by_key_and_by_fingerprint),
      cmocka_unit_test(an_empty_file_lets_nobody_in),
      cmocka_unit_test(mistakes_are_named_by_file_and_line),
      cmocka_unit_test(a_name_has_a_longest_length),
      cmocka_unit_test(a_file_cut_anywhere_is_read_or_refused),
      cmocka_unit_test(a_private_key_that_others_can_read_is_refused),
      cmocka_unit_test(files_that_cannot_be_keys_are_refused),
      cmocka_unit_test(the_peer_argument_takes_three_forms),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
