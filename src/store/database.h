/* A directory with one SQLite database and one holder: what the node's store and the relay's have in common. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_STORE_DATABASE_H
#define TW_STORE_DATABASE_H

#include <sqlite3.h>

#include <treewire/env.h>

#include "net/report.h"

/* ---- place.c: the directory and who holds it ---- */

#define TW_STORE_DB "state.db"
#define TW_STORE_LOG "state.db-wal"
#define TW_STORE_NEW "state.new" /* a database that is being made: renamed once it is whole */

typedef struct tw_store_place {
  char *path; /* absolute, without links; malloc's */
  int dir;
  int lock;
} tw_store_place;

TW_MUST_USE tw_err tw_store_place_take(const char *dir, tw_store_place *place, tw_report *report);
void tw_store_place_leave(tw_store_place *place);
/* Whether the file is there; TW_ERR_FORBIDDEN and TW_ERR_STATE as tw_store_open. */
TW_MUST_USE tw_err tw_store_place_has(const tw_store_place *place, const char *name, bool *found, tw_report *report);

/* ---- database.c: how it is made, checked, and brought up to date ---- */

/* One step leads from the version before it to its own: the first of a table from 0 to 1, and so on. */
typedef struct tw_store_step {
  const char *sql;
} tw_store_step;

/* What makes a database of one kind. A released step is never changed: what differs goes into a new one. */
typedef struct tw_store_schema {
  int application; /* SQLite's application_id */
  const tw_store_step *steps;
  size_t count;
} tw_store_schema;

/* All steps that are missing, in one transaction. TW_ERR_UNSUPPORTED for a database that is past the last step. */
TW_MUST_USE tw_err tw_store_migrate(sqlite3 *db, const tw_store_step *steps, size_t count, const char *where,
                                    tw_report *report);

/* What a new database has besides its schema. */
typedef tw_err (*tw_store_fill)(void *ctx, sqlite3 *db, const char *where, tw_report *report);
/*
 * A new database, at its place when it is whole. `fill` may be NULL. TW_ERR_ENCODING where there is a log already,
 * whose database is missing then.
 */
TW_MUST_USE tw_err tw_store_database_create(const tw_store_place *place, const tw_store_schema *schema,
                                            tw_store_fill fill, void *ctx, tw_report *report);
/* The database that is there, checked and up to date; nobody but the caller makes checkpoints of its log. */
TW_MUST_USE tw_err tw_store_database_open(const tw_store_place *place, const tw_store_schema *schema, sqlite3 **db,
                                          tw_report *report);

/* ---- sql.c ---- */

/* The error of a result of SQLite's, told in `report`. */
TW_MUST_USE tw_err tw_store_sql_fail(sqlite3 *db, int result, const char *where, tw_report *report);
/* Statements without results. */
TW_MUST_USE tw_err tw_store_sql_run(sqlite3 *db, const char *sql, const char *where, tw_report *report);
/* The one number that `sql` yields. */
TW_MUST_USE tw_err tw_store_sql_number(sqlite3 *db, const char *sql, int64_t *number, const char *where,
                                       tw_report *report);
/* Back to before `begin`, whatever happened; gives `err`. */
TW_MUST_USE tw_err tw_store_sql_undo(sqlite3 *db, tw_err err);

#endif
