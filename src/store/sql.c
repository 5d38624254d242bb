/* SQLite's results as errors and words. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "store/database.h"

static tw_err is_full(const char *where, tw_report *report) {
  return tw_report_fail(report, TW_ERR_LIMIT, "%.200s: no space left: the disk is full", where);
}

tw_err tw_store_sql_fail(sqlite3 *db, int result, const char *where, tw_report *report) {
  const int cause = db == NULL ? 0 : sqlite3_system_errno(db);
  switch (result & 0xff) {
  case SQLITE_NOMEM: return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  case SQLITE_CORRUPT: return tw_report_fail(report, TW_ERR_ENCODING, "%.200s/" TW_STORE_DB ": damaged", where);
  case SQLITE_NOTADB:
    return tw_report_fail(report, TW_ERR_ENCODING, "%.200s/" TW_STORE_DB ": damaged, or not a state of treewire",
                          where);
  case SQLITE_FULL: return is_full(where, report);
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return tw_report_fail(report, TW_ERR_STATE, "%.200s: held by another program", where);
  default: break;
  }
  if (cause == ENOSPC || cause == EDQUOT) return is_full(where, report); /* of a flush, for instance */
  if (cause != 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", where, strerror(cause));
  return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", where, sqlite3_errstr(result));
}

tw_err tw_store_sql_run(sqlite3 *db, const char *sql, const char *where, tw_report *report) {
  const int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
  return result == SQLITE_OK ? TW_OK : tw_store_sql_fail(db, result, where, report);
}

tw_err tw_store_sql_number(sqlite3 *db, const char *sql, int64_t *number, const char *where, tw_report *report) {
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (result == SQLITE_OK) result = sqlite3_step(statement);
  tw_err err = TW_OK;
  if (result == SQLITE_ROW)
    *number = sqlite3_column_int64(statement, 0);
  else
    err = tw_store_sql_fail(db, result == SQLITE_DONE ? SQLITE_CORRUPT : result, where, report);
  (void)sqlite3_finalize(statement);
  return err;
}

tw_err tw_store_sql_undo(sqlite3 *db, tw_err err) {
  if (sqlite3_get_autocommit(db) == 0) (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  return err;
}
