/* The CA's index, its files, and certificates that it makes. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/ca_store.h"
#include "cli/file_write.h"
#include "cli/key_file.h"
#include "support/tw_cmocka.h"

static char folder[64];

static int set_up(void **state) {
  (void)state;
  (void)snprintf(folder, sizeof folder, "/tmp/treewire-test-XXXXXX");
  return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state) {
  (void)state;
  return rmdir(folder);
}

/* ---- the index ---- */

#define HEAD "# treewire-ca-index-1: serial, state, not before, not after, revoked at, names\n"
#define FROM "2026-11-28T02:48:19Z"
#define UNTIL "2027-02-26T03:48:19Z"
#define ONE "0a1b valid " FROM " " UNTIL " - a.example,192.0.2.1\n"
#define TWO "ff00 revoked " FROM " " UNTIL " 2026-12-01T00:00:00Z b.example\n"

static tw_err parse(const char *text, tw_ca_index *index, tw_report *report) {
  *index = (tw_ca_index){0};
  return tw_ca_index_parse("index", TW_BYTES((const uint8_t *)text, strlen(text)), index, report);
}

static void an_index_comes_back_as_it_was(void **state) {
  (void)state;
  tw_ca_index index;
  tw_buf text = {0};
  assert_int_equal(parse(HEAD ONE "\n# more\n" TWO, &index, NULL), TW_OK);
  assert_int_equal(index.count, 2);
  const tw_ca_entry *entry = tw_ca_index_find(&index, "FF00");
  assert_non_null(entry);
  assert_int_equal(entry->revoked, 1796083200);
  assert_string_equal(tw_ca_entry_names(&index, entry), "b.example");
  assert_int_equal(tw_ca_index_find(&index, "0a1b")->revoked, 0);
  assert_null(tw_ca_index_find(&index, "0a1c"));
  assert_int_equal(tw_ca_index_format(&index, &text), TW_OK);
  assert_int_equal(text.len, strlen(HEAD ONE TWO));
  assert_memory_equal(text.ptr, HEAD ONE TWO, text.len);
  tw_buf_clear(&text);
  tw_ca_index_clear(&index);
  tw_ca_index_clear(&index);
}

static void mistakes_are_named_by_file_and_line(void **state) {
  (void)state;
  static const struct {
    const char *text, *words;
  } bad[] = {
      {"rubbish\n", "index:1: a line has six fields"},
      {ONE "0a valid " FROM " " UNTIL " - x y\n", "index:2: a line has six fields"},
      {"0a1 valid " FROM " " UNTIL " - x\n", "index:1: '0a1' is no serial number"},
      {"zz valid " FROM " " UNTIL " - x\n", "is no serial number"},
      {"0a1b good " FROM " " UNTIL " - x\n", "'good' is neither valid nor revoked"},
      {"0a1b valid 2026 " UNTIL " - x\n", "a time that is not as in"},
      {"0a1b revoked " FROM " " UNTIL " - x\n", "a time that is not as in"},
      {"0a1b valid " FROM " " UNTIL " " FROM " x\n", "a time that is not as in"},
      {ONE "\n" ONE, "index:3: the serial number 0a1b comes twice"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tw_ca_index index;
    tw_report report = {""};
    assert_int_equal(parse(bad[i].text, &index, &report), TW_ERR_ENCODING);
    if (strstr(report.text, bad[i].words) == NULL) fail_msg("'%s'", report.text);
    tw_ca_index_clear(&index);
  }
}

static void an_index_cut_anywhere_is_read_or_refused(void **state) {
  (void)state;
  static const char text[] = HEAD ONE TWO;
  for (size_t len = 0; len < sizeof text; len++) {
    tw_ca_index index = {0};
    tw_report report = {""};
    const tw_err err = tw_ca_index_parse("index", TW_BYTES((const uint8_t *)text, len), &index, &report);
    assert_true(err == TW_OK || (err == TW_ERR_ENCODING && report.text[0] != '\0'));
    tw_ca_index_clear(&index);
  }
}

/* ---- files ---- */

static void make_path(char *out, size_t size, const char *name) { (void)snprintf(out, size, "%s/%s", folder, name); }

static void check_file(const char *path, const char *content, mode_t mode) {
  struct stat status;
  tw_buf text = {0};
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 07777, mode);
  assert_int_equal(tw_file_read(path, 1000, &text, NULL), TW_OK);
  assert_true(tw_bytes_equal(tw_buf_bytes(&text), TW_BYTES((const uint8_t *)content, strlen(content))));
  tw_buf_clear(&text);
}

static void files_are_written_whole_and_not_over_others(void **state) {
  (void)state;
  char path[128];
  tw_report report = {""};
  make_path(path, sizeof path, "file");
  const mode_t mask = umask(0);
  assert_int_equal(tw_file_write(path, TW_WRITE_NEW, 0600, TW_LITERAL("one"), &report), TW_OK);
  check_file(path, "one", 0600);
  assert_int_equal(tw_file_write(path, TW_WRITE_NEW, 0600, TW_LITERAL("two"), &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "File exists"));
  check_file(path, "one", 0600);
  assert_int_equal(tw_file_write(path, TW_WRITE_REPLACE, 0644, TW_LITERAL("three"), &report), TW_OK);
  check_file(path, "three", 0644);
  assert_int_equal(unlink(path), 0);
  make_path(path, sizeof path, "nowhere/file");
  assert_int_equal(tw_file_write(path, TW_WRITE_NEW, 0600, TW_LITERAL("one"), &report), TW_ERR_STATE);
  (void)umask(mask); /* and the folder is empty again: nothing else was left */
}

/* ---- what is issued ---- */

static void remove_ca(const char *path) {
  static const char *const names[] = {"ca.key", "ca.pem", "index", "crl.pem"};
  for (size_t i = 0; i < 4; i++) {
    char file[192];
    (void)snprintf(file, sizeof file, "%s/%s", path, names[i]);
    assert_int_equal(unlink(file), 0);
  }
  assert_int_equal(rmdir(path), 0);
}

/* What the CA makes is good in the eyes of those who verify, until it is on the CRL. */
static tw_err verify_with_crl(tw_ca_store *store, const char *path, tw_bytes pem, const char *name) {
  char crl_path[192];
  tw_buf crl = {0};
  tw_buf chain = {0};
  tw_x509_trust *trust = NULL;
  (void)snprintf(crl_path, sizeof crl_path, "%s/crl.pem", path);
  assert_int_equal(tw_file_read(crl_path, 100000, &crl, NULL), TW_OK);
  const uint64_t now = (uint64_t)time(NULL);
  assert_int_equal(tw_x509_trust_new(store->x509, &trust), TW_OK);
  assert_int_equal(tw_x509_trust_add_anchors(trust, "ca", tw_buf_bytes(&store->certificate), NULL), TW_OK);
  assert_int_equal(tw_x509_trust_add_crls(trust, "crl", tw_buf_bytes(&crl), now, NULL), TW_OK);
  assert_int_equal(tw_x509_chain_read(store->x509, "pem", pem, &chain, NULL), TW_OK);
  const tw_x509_question question = {
      .certificates = tw_buf_bytes(&chain), .side = TW_X509_LISTENER, .names = &name, .name_count = 1, .now = now};
  const tw_err err = tw_x509_verify(trust, &question, NULL, NULL);
  tw_x509_trust_free(trust);
  tw_buf_clear(&crl);
  tw_buf_clear(&chain);
  return err;
}

static void what_is_issued_is_good_until_it_is_revoked(void **state) {
  (void)state;
  static char longest[] =
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example";
  const char *const names[] = {longest, "*.example.org", "192.0.2.1", "2001:db8::1"};
  char path[128];
  tw_buf pem = {0};
  uint8_t serial[TW_X509_SERIAL_SIZE];
  tw_report report = {""};
  tw_ca_store store = {.lock = -1};
  tw_x509_key *key = NULL;
  make_path(path, sizeof path, "ca");
  assert_int_equal(tw_ca_store_create(path, "Test", "p384", 1000, 1000, &report), TW_OK);
  assert_int_equal(tw_ca_store_create(path, "Again", "p384", 1000, 1000, &report), TW_ERR_STATE);
  assert_int_equal(tw_ca_store_open(&store, path, &report), TW_OK);
  assert_string_equal(store.holder.subject, "CN=Test");
  assert_int_equal(tw_x509_key_generate(store.x509, "ED25519", &key, &report), TW_OK);
  assert_int_equal(tw_x509_make_serial(store.x509, serial), TW_OK);
  assert_true(serial[0] >= 0x40 && serial[0] < 0x80);
  const tw_x509_wish wish = {.names = names,
                             .name_count = 4,
                             .serial = TW_ARRAY(serial),
                             .not_before = store.holder.not_before,
                             .not_after = store.holder.not_after};
  const tw_x509_issuer issuer = {tw_buf_bytes(&store.certificate), store.key};
  assert_int_equal(tw_x509_certify(store.x509, &issuer, key, &wish, &pem), TW_OK);
  assert_true(tw_x509_is_issued_by(store.x509, tw_buf_bytes(&pem), &issuer));
  static const char *const good[] = {longest, "a.example.org", "192.0.2.1", "2001:db8::1"};
  for (size_t i = 0; i < 4; i++) assert_int_equal(verify_with_crl(&store, path, tw_buf_bytes(&pem), good[i]), TW_OK);
  assert_int_equal(verify_with_crl(&store, path, tw_buf_bytes(&pem), "example.org"), TW_ERR_CERTIFICATE);
  tw_ca_entry entry = {.not_before = wish.not_before, .not_after = wish.not_after, .revoked = (uint64_t)time(NULL)};
  for (size_t i = 0; i < sizeof serial; i++) (void)snprintf(entry.serial + 2 * i, 3, "%02x", serial[i]);
  assert_int_equal(tw_ca_index_add(&store.index, &entry, longest), TW_OK);
  assert_int_equal(tw_ca_store_write_crl(&store, 1000, &report), TW_OK);
  assert_int_equal(verify_with_crl(&store, path, tw_buf_bytes(&pem), "192.0.2.1"), TW_ERR_CERTIFICATE_REVOKED);
  tw_x509_key_free(key);
  tw_buf_clear(&pem);
  tw_ca_store_close(&store);
  tw_ca_store_close(&store);
  remove_ca(path);
}

static void crl_numbers_go_up(void **state) {
  (void)state;
  char path[128];
  char crl_path[192];
  tw_report report = {""};
  tw_ca_store store = {.lock = -1};
  uint64_t last = 0;
  make_path(path, sizeof path, "ca");
  (void)snprintf(crl_path, sizeof crl_path, "%s/crl.pem", path);
  assert_int_equal(tw_ca_store_create(path, "Test", "ed25519", 1000, 1000, &report), TW_OK);
  assert_int_equal(tw_ca_store_open(&store, path, &report), TW_OK);
  for (int i = 0; i < 4; i++) {
    tw_buf crl = {0};
    assert_int_equal(tw_file_read(crl_path, 100000, &crl, NULL), TW_OK);
    const uint64_t number = tw_x509_crl_number(store.x509, tw_buf_bytes(&crl));
    assert_true(number > last);
    last = number;
    tw_buf_clear(&crl);
    assert_int_equal(tw_ca_store_write_crl(&store, 1000, &report), TW_OK);
  }
  tw_ca_store_close(&store);
  remove_ca(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_index_comes_back_as_it_was),
      cmocka_unit_test(mistakes_are_named_by_file_and_line),
      cmocka_unit_test(an_index_cut_anywhere_is_read_or_refused),
      TEST(files_are_written_whole_and_not_over_others),
      TEST(what_is_issued_is_good_until_it_is_revoked),
      TEST(crl_numbers_go_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
