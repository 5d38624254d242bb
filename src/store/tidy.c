/* Getting old values out of the files. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_internal.h"

/*
 * In SQLite's log mode a change goes to the log, and the database keeps the old page until a checkpoint copies the new
 * one over it. The log keeps its frames until it is written anew from its begin, and what is not reached then even
 * longer. So:
 *
 *   1. a checkpoint brings all of the log into the database and flushes it (secure_delete has zeroed freed space);
 *   2. what SQLite left behind in these pages is swept out (sweep.c);
 *   3. a write of our own, of a page without secrets, makes SQLite begin the log anew, with a new salt: from then on
 *      every older frame behind it is void to whoever recovers, whatever becomes of its bytes;
 *   4. these bytes are overwritten with zeros and flushed.
 *
 * A crash between any two leaves a database that opens, and it is tidied then. Cutting the log short in place of 3 and
 * 4 would be simpler, but leaves the bytes in the file system's free blocks, and makes the next transaction pay twice:
 * for the log's header, and for giving the file its blocks back. This way it is one write over blocks that are there,
 * and one flush.
 */

enum {
  TURN_PAGES = 2,           /* the page of meta, perhaps page 1 */
  LOG_SIZE_LEAST = 1 << 17, /* what the log has room for without growing: a dozen changes of 9 KiB */
  PIECE = 1 << 16           /* SQLite takes less than 128 KiB in one write */
};

static const char turn_sql[] =
    "UPDATE meta SET value=CASE value WHEN x'00' THEN x'01' ELSE x'00' END WHERE name='turn'";

tw_err tw_store_files(tw_store *store, sqlite3_file **db, sqlite3_file **log, tw_report *report) {
  int result = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, db);
  if (result == SQLITE_OK) result = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, log);
  if (result == SQLITE_OK && (*db)->pMethods != NULL && (*log)->pMethods != NULL) return TW_OK;
  (void)!tw_report_fail(report, TW_ERR_STATE, "%.200s: SQLite does not show its files", store->place.path);
  return TW_ERR_STATE;
}

static tw_err checkpoint(tw_store *store, int mode, size_t *frames, tw_report *report) {
  int logged = 0;
  int copied = 0;
  const int result = sqlite3_wal_checkpoint_v2(store->db, "main", mode, &logged, &copied);
  if (result != SQLITE_OK) return tw_store_fail(store, result, report);
  if (logged != copied || logged < 0) return tw_store_fail(store, SQLITE_BUSY, report);
  *frames = (size_t)logged;
  return TW_OK;
}

static tw_err overwrite(tw_store *store, sqlite3_int64 from, tw_report *report) {
  static const uint8_t zeros[PIECE];
  sqlite3_file *db = NULL;
  sqlite3_file *log = NULL;
  sqlite3_int64 size = 0;
  TW_TRY(tw_store_files(store, &db, &log, report));
  int result = log->pMethods->xFileSize(log, &size);
  if (size < LOG_SIZE_LEAST) size = LOG_SIZE_LEAST;
  while (result == SQLITE_OK && from < size) {
    const int piece = size - from < PIECE ? (int)(size - from) : PIECE;
    result = log->pMethods->xWrite(log, zeros, piece, from);
    from += piece;
  }
  if (result == SQLITE_OK) result = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  return result == SQLITE_OK ? TW_OK : tw_store_fail(store, result, report);
}

static tw_err tidy(tw_store *store, tw_report *report) {
  size_t frames = 0;
  TW_TRY(checkpoint(store, SQLITE_CHECKPOINT_RESTART, &frames, report));
  TW_TRY(tw_store_sweep(store, frames, store->unswept, report));
  TW_TRY(tw_store_sql_undo(store->db, tw_store_sql_run(store->db, turn_sql, store->place.path, report)));
  if (store->log_pages > TURN_PAGES) /* SQLite went on with the old log, whatever the reason: it is cut */
    return checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, &frames, report);
  return overwrite(store, TW_STORE_LOG_AT(store->log_pages, store->page_size), report);
}

tw_err tw_store_tidy(tw_store *store, tw_report *report) {
  if (!store->untidy) return TW_OK;
  if (store->visiting) return tw_report_fail(report, TW_ERR_STATE, "the state cannot be tidied while gone through");
  const tw_err err = tidy(store, report);
  /* After an error the log may begin anew before the pages that it named were swept. */
  store->unswept = err != TW_OK;
  store->untidy = err != TW_OK;
  return err;
}

bool tw_store_is_untidy(const tw_store *store) { return store->untidy; }
