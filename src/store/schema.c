/* The database of a node. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_internal.h"

/*
 * meta: 'seal' (seal.c), 'turn' (tidy.c).
 * Without rowid an item is one entry of one tree; strict, so that nothing but blobs comes back.
 */
static const tw_store_step steps[] = {
    {"CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
     "CREATE TABLE item(kind INTEGER NOT NULL, id BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(kind, id))"
     " STRICT, WITHOUT ROWID;"
     "INSERT INTO meta VALUES('turn', x'00');"},
};
static const tw_store_schema schema = {TW_STORE_APPLICATION, steps, sizeof steps / sizeof steps[0]};

typedef struct sealed {
  const tw_env *env;
  const tw_store_seal *seal;
} sealed;

static tw_err fill(void *ctx, sqlite3 *db, const char *where, tw_report *report) {
  const sealed *with = ctx;
  tw_buf encoded = TW_BUF_INIT(tw_env_alloc(with->env));
  tw_err err = tw_store_seal_encode(with->env, with->seal, &encoded);
  if (err != TW_OK)
    err = tw_report_fail(report, err, "%s", tw_err_text(err));
  else
    err = tw_store_seal_write(db, where, tw_buf_bytes(&encoded), report);
  tw_buf_clear(&encoded);
  return err;
}

tw_err tw_store_schema_create(const tw_store_place *place, const tw_env *env, const tw_store_seal *seal,
                              tw_report *report) {
  sealed with = {env, seal};
  return tw_store_database_create(place, &schema, fill, &with, report);
}

tw_err tw_store_schema_open(const tw_store_place *place, sqlite3 **db, tw_report *report) {
  return tw_store_database_open(place, &schema, db, report);
}

tw_err tw_store_seal_read(sqlite3 *db, const char *where, tw_buf *out, tw_report *report) {
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name='seal'", -1, &statement, NULL);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  tw_err err;
  if (result != SQLITE_ROW) {
    err = tw_store_sql_fail(db, result == SQLITE_DONE ? SQLITE_CORRUPT : result, where, report);
  } else {
    const void *bytes = sqlite3_column_blob(statement, 0);
    err = tw_buf_assign(out, TW_BYTES(bytes, (size_t)sqlite3_column_bytes(statement, 0)));
    if (err != TW_OK) err = tw_report_fail(report, err, "out of memory");
  }
  (void)sqlite3_finalize(statement);
  return err;
}

tw_err tw_store_seal_write(sqlite3 *db, const char *where, tw_bytes encoded, tw_report *report) {
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO meta VALUES('seal', ?1)", -1, &statement, NULL);
  if (result == SQLITE_OK) result = sqlite3_bind_blob(statement, 1, encoded.ptr, (int)encoded.len, SQLITE_STATIC);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  const tw_err err = result == SQLITE_DONE ? TW_OK : tw_store_sql_fail(db, result, where, report);
  (void)sqlite3_finalize(statement);
  return err;
}
