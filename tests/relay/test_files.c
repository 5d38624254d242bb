/* The store's directory: permissions, one holder, damage, versions. SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_kit.h"
#include "relay/store_parts.h"

static void refuses(relay_kit *k, tw_err expected, const char *words) {
  k->at.report.text[0] = '\0';
  const tw_err err = relay_try_store(k);
  if (err == TW_OK) tw_relay_store_close(k->store);
  k->store = NULL;
  if (err != expected || strstr(k->at.report.text, words) == NULL)
    fail_msg("%s (%s), expected %s and '%s'", tw_err_text(err), k->at.report.text, tw_err_text(expected), words);
}

static void the_directory_is_ours_alone_and_has_one_holder(void **state) {
  (void)state;
  relay_kit *k = relay_new(true, 1);
  struct stat status;
  char path[KIT_PATH];
  tw_relay_store *second;
  assert_int_equal(stat(k->at.dir, &status), 0);
  assert_int_equal(status.st_mode & 07777, 0700);
  assert_int_equal(stat(kit_file(&k->at, TW_STORE_DB, path), &status), 0);
  assert_int_equal(status.st_mode & 07777, 0600);
  assert_int_equal(tw_relay_store_open(&k->at.test.env, k->at.dir, &second, NULL), TW_ERR_STATE);
  assert_null(second);
  relay_close(k);
  assert_int_equal(chmod(k->at.dir, 0750), 0);
  refuses(k, TW_ERR_FORBIDDEN, "chmod 700");
  assert_int_equal(chmod(k->at.dir, 0700), 0);
  assert_int_equal(chmod(path, 0640), 0);
  refuses(k, TW_ERR_FORBIDDEN, "chmod 600");
  assert_int_equal(chmod(path, 0600), 0);
  relay_open(k);
  relay_free(k);
}

static void run(const char *path, const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void other_versions_and_other_states_are_left_alone(void **state) {
  (void)state;
  relay_kit *k = relay_new(true, 2);
  char path[KIT_PATH];
  relay_close(k);
  kit_file(&k->at, TW_STORE_DB, path);
  run(path, "PRAGMA user_version=5");
  refuses(k, TW_ERR_UNSUPPORTED, "of version 5, this program knows versions up to 4");
  run(path, "PRAGMA user_version=4");
  kit_refuses(&k->at, NULL, TW_ERR_ENCODING, "not a state"); /* a node's store does not take a relay's */
  relay_open(k);
  relay_close(k);
  kit_remove(k->at.dir);
  tw_store_close(kit_open(&k->at, NULL));
  refuses(k, TW_ERR_ENCODING, "not a state"); /* nor the other way round */
  kit_remove(k->at.dir);
  relay_open(k);
  relay_close(k);
  assert_int_equal(unlink(path), 0);
  kit_spill(kit_file(&k->at, TW_STORE_LOG, path), TW_LITERAL("a log alone"));
  refuses(k, TW_ERR_ENCODING, "missing");
  kit_remove(k->at.dir);
  relay_open(k);
  relay_free(k);
}

/* Version 1 had no admissions, no trees of their own, and did not know where a mailbox began. */
static void a_state_of_an_earlier_version_is_brought_up_to_date(void **state) {
  (void)state;
  relay_kit *k = relay_new(true, 2);
  char path[KIT_PATH];
  k->limits.admissions = 1;
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 0, "kept"), TW_CONTROL_DONE);
  relay_close(k);
  run(kit_file(&k->at, TW_STORE_DB, path),
      "DROP TABLE admission; ALTER TABLE party DROP COLUMN tree;"
      "ALTER TABLE client DROP COLUMN gap_after; ALTER TABLE client DROP COLUMN gap_before; PRAGMA user_version=1");
  relay_open(k);
  assert_true(relay_fetch(k, 0, 0, 9)->body.fetch.entries.len > 0);
  assert_int_equal(relay_fetch(k, 0, RELAY_BASE + 1, 9)->status, TW_CONTROL_DONE);
  assert_int_equal(relay_fetch(k, 0, RELAY_BASE + 2, 9)->status, TW_CONTROL_TOO_FAR);
  assert_int_equal(relay_enter(k, 2), TW_CONTROL_DONE);
  assert_int_equal(relay_fetch(k, 2, RELAY_BASE - 1, 9)->status, TW_CONTROL_TOO_FAR); /* of a new one it is known */
  const tw_control_request admit = RELAY_REQUEST(TW_CONTROL_ADMIT, .admit = {relay_id(1), 0, false});
  relay_expects(k, 0, &admit, TW_CONTROL_DONE);
  relay_free(k);
}

enum { MESSAGES = 40 };

static void fill(relay_kit *k) {
  static char text[2000];
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_DONE);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  for (unsigned i = 0; i < MESSAGES; i++) {
    memset(text, 'a' + (int)(i % 26), 1000 + i);
    text[1000 + i] = '\0';
    assert_int_equal(relay_send(k, 0, 1, text), TW_CONTROL_DONE);
  }
}

/* Whatever the damage: it is told, or the answers are some that could be, and nothing falls over. */
static bool works(relay_kit *k) {
  const tw_control_request fetch = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.after = RELAY_BASE + 3, .most = 256});
  const tw_control_request send = relay_send_of(1, TW_LITERAL("more"));
  k->failed = TW_OK;
  relay_ask(k, 0, 0, &send);
  relay_ask(k, 1, 1, &fetch);
  const tw_err err = relay_flush(k);
  assert_int_equal(k->answer_count, 2);
  const bool done = k->answers[0].answer.status == TW_CONTROL_DONE && k->answers[1].answer.status == TW_CONTROL_DONE;
  assert_true(done || err != TW_OK || k->failed != TW_OK || k->answers[0].answer.status == TW_CONTROL_UNKNOWN ||
              k->answers[0].answer.status == TW_CONTROL_FULL || k->answers[1].answer.status == TW_CONTROL_TOO_FAR);
  return done;
}

static void a_damaged_or_cut_database_is_told(void **state) {
  (void)state;
  relay_kit *k = relay_new(true, 3);
  char path[KIT_PATH];
  tw_buf database = {0};
  fill(k);
  relay_close(k);
  kit_slurp(kit_file(&k->at, TW_STORE_DB, path), &database);
  unsigned refused = 0;
  unsigned failed = 0;
  for (size_t at = 0; at < database.len; at += tw_test_rounds(211, 9001)) {
    database.ptr[at] ^= 0x41;
    kit_spill(path, tw_buf_bytes(&database));
    database.ptr[at] ^= 0x41;
    const tw_err err = relay_try_store(k);
    if (err == TW_OK) {
      assert_int_equal(relay_try_delivery(k), TW_OK);
      failed += !works(k);
      relay_close(k);
    } else {
      refused++;
      assert_true(k->at.report.text[0] != '\0');
      k->store = NULL;
    }
    (void)unlink(kit_file(&k->at, TW_STORE_LOG, path));
    kit_file(&k->at, TW_STORE_DB, path);
  }
  assert_true(refused > 0);
  (void)failed; /* most flips hit bodies, which are sealed by MLS, or free space */
  for (size_t cut = 0; cut < database.len; cut += tw_test_rounds(4001, 20011)) {
    kit_spill(path, TW_BYTES(database.ptr, cut));
    refuses(k, TW_ERR_ENCODING, "damaged");
  }
  kit_spill(path, tw_buf_bytes(&database));
  relay_open(k);
  assert_true(works(k));
  relay_free(k);
  tw_buf_clear(&database);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_directory_is_ours_alone_and_has_one_holder),
      cmocka_unit_test(other_versions_and_other_states_are_left_alone),
      cmocka_unit_test(a_state_of_an_earlier_version_is_brought_up_to_date),
      cmocka_unit_test(a_damaged_or_cut_database_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
