/* Files that are damaged, cut, foreign or of another version. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_internal.h"
#include "store/store_kit.h"

enum { VALUES = 12 };

static void name_of(unsigned i, char id[16]) { (void)snprintf(id, 16, "id %u", i); }

static size_t value_of(unsigned i, uint8_t out[8000]) {
  const size_t len = (size_t)i * 600;
  memset(out, (int)('a' + i), len);
  return len;
}

static void fill(kit *k, tw_store *store) {
  for (unsigned i = 0; i < VALUES; i++) {
    char id[16];
    uint8_t value[8000];
    name_of(i, id);
    const tw_store_change change = {
        .kind = TW_STORE_SESSION, .id = kit_text(id), .value = TW_BYTES(value, value_of(i, value))};
    if (tw_store_apply(store, &change, 1, &k->report) != TW_OK) fail_msg("%s", k->report.text);
  }
}

/* Whatever the state says, each value is the right one or an error. How many are right. */
static unsigned right_values(kit *k, tw_store *store) {
  unsigned right = 0;
  for (unsigned i = 0; i < VALUES; i++) {
    char id[16];
    uint8_t value[8000];
    tw_buf got = {0};
    bool found;
    name_of(i, id);
    const tw_err err = tw_store_get(store, TW_STORE_SESSION, kit_text(id), &got, &found, &k->report);
    assert_int_equal(found, err == TW_OK && found);
    if (found) {
      tw_test_same(tw_buf_bytes(&got), TW_BYTES(value, value_of(i, value)));
      right++;
    }
    tw_buf_clear(&got);
  }
  return right;
}

/* What opening and reading make of a database of these bytes: an error, or right values. True: it opened. */
static bool opens(kit *k, const tw_store_key *key, tw_bytes database, unsigned *right) {
  char path[KIT_PATH];
  tw_store *store;
  kit_spill(kit_file(k, TW_STORE_DB, path), database);
  (void)unlink(kit_file(k, TW_STORE_LOG, path));
  const tw_err err = kit_try(k, key, &store);
  *right = 0;
  if (err == TW_OK) {
    *right = right_values(k, store);
    tw_store_close(store);
    return true;
  }
  const tw_err_class class = tw_err_class_of(err);
  if (class != TW_CLASS_MALFORMED && class != TW_CLASS_STATE && class != TW_CLASS_FORBIDDEN && class != TW_CLASS_CRYPTO)
    fail_msg("%s: %s", tw_err_text(err), k->report.text);
  tw_buf after = {0}; /* nothing was repaired or made anew */
  kit_slurp(kit_file(k, TW_STORE_DB, path), &after);
  tw_test_same(tw_buf_bytes(&after), database);
  tw_buf_clear(&after);
  return false;
}

static void damage_and_look(kit *k, const tw_store_key *key) {
  char path[KIT_PATH];
  tw_buf database = {0};
  unsigned right;
  tw_store *store = kit_open(k, key);
  fill(k, store);
  tw_store_close(store);
  kit_slurp(kit_file(k, TW_STORE_DB, path), &database);
  assert_true(opens(k, key, tw_buf_bytes(&database), &right));
  assert_int_equal(right, VALUES);

  unsigned refused = 0;
  unsigned tried = 0;
  for (size_t at = 0; at < database.len; at += at < 4096 ? tw_test_rounds(7, 97) : tw_test_rounds(379, 7001)) {
    database.ptr[at] ^= 0x41;
    const bool noticed = !opens(k, key, tw_buf_bytes(&database), &right) || right < VALUES;
    database.ptr[at] ^= 0x41;
    if (at < 4096) continue; /* most of the first page is unused */
    refused += noticed;
    tried++;
  }
  if (refused < tried / 2) fail_msg("only %u of %u flips were noticed", refused, tried);
  const size_t step = tw_test_rounds(2039, 8191);
  for (size_t cut = 0; cut < database.len; cut += step)
    assert_false(opens(k, key, TW_BYTES(database.ptr, cut), &right));
  assert_true(opens(k, key, tw_buf_bytes(&database), &right));
  assert_int_equal(right, VALUES);
  tw_buf_clear(&database);
}

static void a_damaged_or_cut_database_is_told_and_left_alone(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 1);
  damage_and_look(&k, NULL);
  kit_remove(k.dir);
  const tw_store_key key = kit_key_file(&k, path, 1);
  damage_and_look(&k, &key);
  kit_clear(&k);
}

static void what_is_not_a_state_is_left_alone(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  unsigned right;
  tw_buf other = {0};
  kit_init(&k, 2);
  tw_store_close(kit_open(&k, NULL));
  uint8_t text[5000];
  memset(text, 'x', sizeof text);
  assert_false(opens(&k, NULL, TW_ARRAY(text), &right));
  assert_non_null(strstr(k.report.text, "not a state of treewire"));
  assert_false(opens(&k, NULL, TW_NO_BYTES, &right));
  assert_non_null(strstr(k.report.text, "not a state of treewire"));

  sqlite3 *db; /* a database of somebody else */
  assert_int_equal(unlink(kit_file(&k, TW_STORE_DB, path)), 0);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x); PRAGMA user_version=1", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  assert_int_equal(chmod(path, 0600), 0);
  kit_slurp(path, &other);
  assert_false(opens(&k, NULL, tw_buf_bytes(&other), &right));
  assert_non_null(strstr(k.report.text, "not a state of treewire"));
  tw_buf_clear(&other);

  kit_spill(kit_file(&k, TW_STORE_LOG, path), TW_ARRAY(text)); /* a log alone: the database was lost */
  assert_int_equal(unlink(kit_file(&k, TW_STORE_DB, path)), 0);
  kit_refuses(&k, NULL, TW_ERR_ENCODING, "missing");
  assert_int_not_equal(access(path, F_OK), 0);
  kit_clear(&k);
}

static void a_state_that_was_being_made_is_made_again(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 3);
  assert_int_equal(mkdir(k.dir, 0700), 0);
  kit_spill(kit_file(&k, TW_STORE_NEW, path), TW_LITERAL("half of a database"));
  kit_spill(kit_file(&k, TW_STORE_NEW "-journal", path), TW_LITERAL("half of a journal"));
  tw_store *store = kit_open(&k, NULL);
  fill(&k, store);
  assert_int_equal(right_values(&k, store), VALUES);
  assert_int_not_equal(access(kit_file(&k, TW_STORE_NEW, path), F_OK), 0);
  tw_store_close(store);
  kit_clear(&k);
}

/* What a loss of power leaves of a log: its begin. Transactions come back whole, the first ones, without a gap. */
static void a_log_cut_anywhere_gives_an_earlier_whole_state(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 4);
  tw_store *store = kit_open(&k, NULL);
  fill(&k, store);
  tw_buf database = {0};
  tw_buf log = {0};
  kit_slurp(kit_file(&k, TW_STORE_DB, path), &database);
  kit_slurp(kit_file(&k, TW_STORE_LOG, path), &log);
  tw_store_close(store);
  unsigned last = 0;
  const size_t step = tw_test_rounds(487, 20011);
  for (size_t cut = 0; last < VALUES; cut += step) {
    if (cut > log.len) cut = log.len;
    kit_spill(kit_file(&k, TW_STORE_DB, path), tw_buf_bytes(&database));
    kit_spill(kit_file(&k, TW_STORE_LOG, path), TW_BYTES(log.ptr, cut));
    store = kit_open(&k, NULL);
    const unsigned right = right_values(&k, store);
    assert_int_equal(kit_count(&k, store, TW_STORE_SESSION), right);
    assert_true(right >= last);
    assert_true(cut < log.len || right == VALUES);
    last = right;
    tw_store_close(store);
    /* And a byte that is not what was written ends the log just as well. */
    kit_spill(kit_file(&k, TW_STORE_DB, path), tw_buf_bytes(&database));
    if (cut < log.len) log.ptr[cut] ^= 1;
    kit_spill(kit_file(&k, TW_STORE_LOG, path), tw_buf_bytes(&log));
    store = kit_open(&k, NULL);
    assert_int_equal(kit_count(&k, store, TW_STORE_SESSION), right_values(&k, store));
    tw_store_close(store);
    if (cut < log.len) log.ptr[cut] ^= 1;
  }
  tw_buf_clear(&database);
  tw_buf_clear(&log);
  kit_clear(&k);
}

static void run(const char *path, const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_later_version_is_refused(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 5);
  tw_store_close(kit_open(&k, NULL));
  kit_file(&k, TW_STORE_DB, path);
  run(path, "PRAGMA user_version=2");
  kit_refuses(&k, NULL, TW_ERR_UNSUPPORTED, "of version 2, this program knows versions up to 1");
  run(path, "PRAGMA user_version=0");
  kit_refuses(&k, NULL, TW_ERR_ENCODING, "not a state");
  run(path, "PRAGMA user_version=1; DELETE FROM meta WHERE name='seal'");
  kit_refuses(&k, NULL, TW_ERR_ENCODING, "damaged");
  kit_clear(&k);
}

static void steps_of_the_schema_are_made_all_or_none(void **state) {
  (void)state;
  static const tw_store_step steps[] = {
      {"CREATE TABLE a(x)"}, {"INSERT INTO a VALUES(1)"}, {"INSERT INTO a VALUES(2); INSERT INTO missing VALUES(3)"}};
  sqlite3 *db;
  int64_t number;
  tw_report report;
  assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
  assert_int_equal(tw_store_migrate(db, steps, 1, "here", &report), TW_OK);
  assert_int_not_equal(tw_store_migrate(db, steps, 3, "here", &report), TW_OK);
  assert_int_equal(tw_store_sql_number(db, "PRAGMA user_version", &number, "here", &report), TW_OK);
  assert_int_equal(number, 1);
  assert_int_equal(tw_store_sql_number(db, "SELECT count(*) FROM a", &number, "here", &report), TW_OK);
  assert_int_equal(number, 0);
  assert_int_equal(tw_store_migrate(db, steps, 2, "here", &report), TW_OK);
  assert_int_equal(tw_store_migrate(db, steps, 2, "here", &report), TW_OK); /* nothing to do */
  assert_int_equal(tw_store_sql_number(db, "SELECT count(*) FROM a", &number, "here", &report), TW_OK);
  assert_int_equal(number, 1);
  assert_int_equal(tw_store_sql_number(db, "PRAGMA user_version", &number, "here", &report), TW_OK);
  assert_int_equal(number, 2);
  assert_int_equal(tw_store_migrate(db, steps, 1, "here", &report), TW_ERR_UNSUPPORTED);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_damaged_or_cut_database_is_told_and_left_alone),
      cmocka_unit_test(what_is_not_a_state_is_left_alone),
      cmocka_unit_test(a_state_that_was_being_made_is_made_again),
      cmocka_unit_test(a_log_cut_anywhere_gives_an_earlier_whole_state),
      cmocka_unit_test(a_later_version_is_refused),
      cmocka_unit_test(steps_of_the_schema_are_made_all_or_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
