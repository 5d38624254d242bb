/* Changes, all or none; and another key for all values. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_internal.h"

tw_err tw_store_put(tw_store *store, unsigned kind, tw_bytes id, tw_bytes stored, tw_report *report) {
  TW_TRY(tw_store_bind(store, TW_STORE_PUT, kind, id, report));
  sqlite3_stmt *put = store->statements[TW_STORE_PUT];
  int result = sqlite3_bind_blob(put, 3, stored.ptr, (int)stored.len, SQLITE_STATIC);
  if (result == SQLITE_OK) result = sqlite3_step(put);
  const tw_err err = result == SQLITE_DONE ? TW_OK : tw_store_fail(store, result, report);
  (void)sqlite3_reset(put);
  (void)sqlite3_clear_bindings(put);
  return err;
}

static tw_err remove_one(tw_store *store, const tw_store_change *change, tw_report *report) {
  TW_TRY(tw_store_bind(store, TW_STORE_REMOVE, change->kind, change->id, report));
  sqlite3_stmt *remove = store->statements[TW_STORE_REMOVE];
  const int result = sqlite3_step(remove);
  const tw_err err = result == SQLITE_DONE ? TW_OK : tw_store_fail(store, result, report);
  (void)sqlite3_reset(remove);
  return err;
}

static tw_err put_one(tw_store *store, const tw_store_change *change, tw_buf *scratch, tw_report *report) {
  const tw_err err = tw_store_value_close(store->env, &store->seal, change->kind, change->id, change->value, scratch);
  if (err != TW_OK) return tw_store_value_fail(store, err, report);
  return tw_store_put(store, change->kind, change->id, tw_buf_bytes(scratch), report);
}

static tw_err apply_within(tw_store *store, const tw_store_change *changes, size_t count, tw_buf *scratch,
                           tw_report *report) {
  const char *where = store->place.path;
  TW_TRY(tw_store_sql_run(store->db, "BEGIN IMMEDIATE", where, report));
  for (size_t i = 0; i < count; i++)
    TW_TRY(changes[i].remove ? remove_one(store, &changes[i], report) : put_one(store, &changes[i], scratch, report));
  return tw_store_sql_run(store->db, "COMMIT", where, report);
}

static bool is_valid(const tw_store_change *change) {
  return change->kind >= TW_STORE_SESSION && change->kind <= TW_STORE_KIND_LAST && change->id.len >= 1 &&
         change->id.len <= TW_STORE_ID_MAX && (change->remove || change->value.len <= TW_STORE_VALUE_MAX);
}

static tw_err check_idle(const tw_store *store, tw_report *report) {
  if (!store->visiting) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "the state cannot be changed while it is gone through");
}

tw_err tw_store_apply(tw_store *store, const tw_store_change *changes, size_t count, tw_report *report) {
  TW_TRY(check_idle(store, report));
  for (size_t i = 0; i < count; i++)
    if (!is_valid(&changes[i])) return tw_report_fail(report, TW_ERR_ARGUMENT, "not a change that a state can take");
  if (count == 0) return TW_OK;
  tw_buf scratch = TW_BUF_INIT(tw_env_alloc(store->env));
  const tw_err err = tw_store_sql_undo(store->db, apply_within(store, changes, count, &scratch, report));
  tw_buf_clear(&scratch);
  store->untidy = true; /* on error too: pages may have gone to the log before it */
  if (err == TW_OK && store->log_pages >= TW_STORE_LOG_PAGES) {
    tw_report ignored; /* the changes stand; it is tried again */
    (void)!tw_store_tidy(store, &ignored);
  }
  return err;
}

/* ---- another key ---- */

/* A row copied out, so that the table may change under the statement that found it. */
typedef struct row {
  unsigned kind;
  tw_buf id;
  tw_buf stored;
} row;

static tw_err next_row(tw_store *store, row *at, bool *found, tw_report *report) {
  TW_TRY(tw_store_bind(store, TW_STORE_NEXT, at->kind, tw_buf_bytes(&at->id), report));
  sqlite3_stmt *next = store->statements[TW_STORE_NEXT];
  const int result = sqlite3_step(next);
  tw_err err = TW_OK;
  *found = result == SQLITE_ROW;
  if (*found) {
    at->kind = (unsigned)sqlite3_column_int(next, 0);
    const void *id = sqlite3_column_blob(next, 1);
    const size_t id_len = (size_t)sqlite3_column_bytes(next, 1);
    const void *stored = sqlite3_column_blob(next, 2);
    (void)sqlite3_clear_bindings(next); /* what at->id points to is replaced */
    err = tw_buf_assign(&at->id, TW_BYTES(id, id_len));
    if (err == TW_OK) err = tw_buf_assign(&at->stored, TW_BYTES(stored, (size_t)sqlite3_column_bytes(next, 2)));
    if (err != TW_OK) err = tw_store_value_fail(store, err, report);
  } else if (result != SQLITE_DONE) {
    err = tw_store_fail(store, result, report);
  }
  (void)sqlite3_reset(next);
  return err;
}

static tw_err reseal_all(tw_store *store, const tw_store_seal *seal, row *at, tw_buf *value, tw_report *report) {
  bool found;
  for (;;) {
    TW_TRY(next_row(store, at, &found, report));
    if (!found) return TW_OK;
    const tw_bytes id = tw_buf_bytes(&at->id);
    tw_err err = tw_store_value_open(store->env, &store->seal, at->kind, id, tw_buf_bytes(&at->stored), value);
    if (err == TW_OK) err = tw_store_value_close(store->env, seal, at->kind, id, tw_buf_bytes(value), &at->stored);
    if (err != TW_OK) return tw_store_value_fail(store, err, report);
    TW_TRY(tw_store_put(store, at->kind, id, tw_buf_bytes(&at->stored), report));
  }
}

static tw_err rekey_within(tw_store *store, const tw_store_seal *seal, row *at, tw_buf *value, tw_report *report) {
  const char *where = store->place.path;
  TW_TRY(tw_store_sql_run(store->db, "BEGIN IMMEDIATE", where, report));
  TW_TRY(reseal_all(store, seal, at, value, report));
  const tw_err err = tw_store_seal_encode(store->env, seal, value);
  if (err != TW_OK) return tw_store_value_fail(store, err, report);
  TW_TRY(tw_store_seal_write(store->db, where, tw_buf_bytes(value), report));
  return tw_store_sql_run(store->db, "COMMIT", where, report);
}

tw_err tw_store_rekey(tw_store *store, const tw_store_key *key, tw_report *report) {
  TW_TRY(check_idle(store, report));
  const tw_alloc *alloc = tw_env_alloc(store->env);
  tw_store_seal seal = store->seal;
  tw_buf value = TW_BUF_INIT(alloc);
  row at = {0, TW_BUF_INIT(alloc), TW_BUF_INIT(alloc)};
  tw_err err = tw_store_seal_make(store->env, key, &seal, report);
  if (err == TW_OK) {
    err = tw_store_sql_undo(store->db, rekey_within(store, &seal, &at, &value, report));
    store->untidy = true;
  }
  if (err == TW_OK) store->seal = seal;
  tw_wipe(&seal, sizeof seal);
  tw_buf_clear(&value);
  tw_buf_clear(&at.id);
  tw_buf_clear(&at.stored);
  if (err != TW_OK) return err;
  tw_report why;
  err = tw_store_tidy(store, &why);
  if (err == TW_OK) return TW_OK;
  return tw_report_fail(report, err, "the key is changed, but what the old one opens is still there: %.300s", why.text);
}
