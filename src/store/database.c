/* A database: how it is made, checked, and brought up to date. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/database.h"

static tw_err migrate_within(sqlite3 *db, const tw_store_step *table, size_t from, size_t to, const char *where,
                             tw_report *report) {
  char set[64];
  TW_TRY(tw_store_sql_run(db, "BEGIN IMMEDIATE", where, report));
  for (size_t i = from; i < to; i++) TW_TRY(tw_store_sql_run(db, table[i].sql, where, report));
  (void)snprintf(set, sizeof set, "PRAGMA user_version=%zu; COMMIT", to);
  return tw_store_sql_run(db, set, where, report);
}

tw_err tw_store_migrate(sqlite3 *db, const tw_store_step *table, size_t count, const char *where, tw_report *report) {
  int64_t version = 0;
  TW_TRY(tw_store_sql_number(db, "PRAGMA user_version", &version, where, report));
  if (version < 0 || (uint64_t)version > count)
    return tw_report_fail(report, TW_ERR_UNSUPPORTED,
                          "%.200s: of version %lld, this program knows versions up to %zu: use a later one", where,
                          (long long)version, count);
  if ((uint64_t)version == count) return TW_OK;
  return tw_store_sql_undo(db, migrate_within(db, table, (size_t)version, count, where, report));
}

/* The path of a file of the place, for SQLite; free it. NULL: no memory. */
static char *path_of(const tw_store_place *place, const char *name) {
  const size_t size = strlen(place->path) + strlen(name) + 2;
  char *path = malloc(size);
  if (path != NULL) (void)snprintf(path, size, "%s/%s", place->path, name);
  return path;
}

/* A connection that trusts nothing in the file and writes no other ones. On error none. */
static tw_err connect_to(const tw_store_place *place, const char *name, sqlite3 **db, tw_report *report) {
  sqlite3 *made = NULL;
  char *path = path_of(place, name);
  if (path == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path, &made, flags, NULL);
  free(path);
  tw_err err = result == SQLITE_OK ? TW_OK : tw_store_sql_fail(made, result, place->path, report);
  if (err == TW_OK) {
    (void)sqlite3_db_config(made, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(made, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(made, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(made, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    err = tw_store_sql_run(made,
                           "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0;"
                           "PRAGMA cell_size_check=ON; PRAGMA secure_delete=ON; PRAGMA synchronous=FULL;"
                           "PRAGMA max_page_count=16777215",
                           place->path, report);
  }
  if (err != TW_OK) {
    (void)sqlite3_close(made);
    return err;
  }
  *db = made;
  return TW_OK;
}

static tw_err fill_with(sqlite3 *db, const tw_store_schema *schema, tw_store_fill fill, void *ctx, const char *where,
                        tw_report *report) {
  char set[128];
  (void)snprintf(set, sizeof set, "PRAGMA auto_vacuum=NONE; PRAGMA page_size=4096; PRAGMA application_id=%d",
                 schema->application);
  TW_TRY(tw_store_sql_run(db, set, where, report));
  TW_TRY(tw_store_migrate(db, schema->steps, schema->count, where, report));
  return fill == NULL ? TW_OK : fill(ctx, db, where, report);
}

/* Made under another name and renamed when it is whole: an empty database at its place is always a damaged one. */
tw_err tw_store_database_create(const tw_store_place *place, const tw_store_schema *schema, tw_store_fill fill,
                                void *ctx, tw_report *report) {
  bool log;
  TW_TRY(tw_store_place_has(place, TW_STORE_LOG, &log, report));
  if (log)
    return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: damaged, " TW_STORE_DB " is missing beside its log",
                          place->path);
  (void)unlinkat(place->dir, TW_STORE_NEW, 0);
  (void)unlinkat(place->dir, TW_STORE_NEW "-journal", 0);
  const int fd = openat(place->dir, TW_STORE_NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        S_IRUSR | S_IWUSR);
  if (fd < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", place->path, strerror(errno));
  (void)close(fd);
  sqlite3 *db = NULL;
  tw_err err = connect_to(place, TW_STORE_NEW, &db, report);
  if (err == TW_OK) {
    err = fill_with(db, schema, fill, ctx, place->path, report);
    (void)sqlite3_close(db);
  }
  if (err == TW_OK && (renameat(place->dir, TW_STORE_NEW, place->dir, TW_STORE_DB) != 0 || fsync(place->dir) != 0))
    err = tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", place->path, strerror(errno));
  if (err != TW_OK) (void)unlinkat(place->dir, TW_STORE_NEW, 0);
  return err;
}

/* What is not ours is left alone: nothing is written before this. */
static tw_err check_application(sqlite3 *db, int expected, const char *where, tw_report *report) {
  int64_t application = 0;
  int64_t version = 0;
  TW_TRY(tw_store_sql_number(db, "PRAGMA application_id", &application, where, report));
  TW_TRY(tw_store_sql_number(db, "PRAGMA user_version", &version, where, report));
  if (application == expected && version > 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_ENCODING, "%.200s/" TW_STORE_DB ": damaged, or not a state of treewire", where);
}

static tw_err check_structure(sqlite3 *db, const char *where, tw_report *report) {
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  tw_err err = TW_OK;
  if (result != SQLITE_ROW) {
    err = tw_store_sql_fail(db, result == SQLITE_DONE ? SQLITE_CORRUPT : result, where, report);
  } else {
    const unsigned char *words = sqlite3_column_text(statement, 0);
    if (words == NULL || strcmp((const char *)words, "ok") != 0)
      err = tw_store_sql_fail(db, SQLITE_CORRUPT, where, report);
  }
  (void)sqlite3_finalize(statement);
  return err;
}

/*
 * SQLite fills up a last page that is cut with zeros. Where there is a log, that can be what a crash has left, and the
 * log has the page.
 */
static tw_err check_size(sqlite3 *db, const char *where, tw_report *report) {
  int64_t pages = 0;
  int64_t page_size = 0;
  sqlite3_file *file = NULL;
  sqlite3_int64 size = 0;
  TW_TRY(tw_store_sql_number(db, "PRAGMA page_count", &pages, where, report));
  TW_TRY(tw_store_sql_number(db, "PRAGMA page_size", &page_size, where, report));
  int result = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
  if (result == SQLITE_OK) result = file->pMethods->xFileSize(file, &size);
  if (result == SQLITE_OK && size < pages * page_size) result = SQLITE_CORRUPT;
  return result == SQLITE_OK ? TW_OK : tw_store_sql_fail(db, result, where, report);
}

static tw_err ready(sqlite3 *db, const tw_store_schema *schema, bool log, const char *where, tw_report *report) {
  TW_TRY(check_application(db, schema->application, where, report));
  if (!log) TW_TRY(check_size(db, where, report));
  TW_TRY(tw_store_sql_run(db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=8388608",
                          where, report));
  TW_TRY(tw_store_migrate(db, schema->steps, schema->count, where, report));
  return check_structure(db, where, report);
}

tw_err tw_store_database_open(const tw_store_place *place, const tw_store_schema *schema, sqlite3 **db,
                              tw_report *report) {
  sqlite3 *made = NULL;
  bool log;
  TW_TRY(tw_store_place_has(place, TW_STORE_LOG, &log, report));
  TW_TRY(connect_to(place, TW_STORE_DB, &made, report));
  const tw_err err = ready(made, schema, log, place->path, report);
  if (err != TW_OK) {
    (void)sqlite3_close(made);
    return err;
  }
  *db = made;
  return TW_OK;
}
