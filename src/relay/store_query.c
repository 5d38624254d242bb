/* Statements, and operations that are made of several. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "relay/store_parts.h"

tw_relay_query tw_relay_query_of(tw_relay_sqlite *store, tw_relay_statement statement) {
  return (tw_relay_query){store, store->statements[statement], 0, SQLITE_OK};
}

void tw_relay_query_number(tw_relay_query *q, uint64_t number) {
  q->parameter++;
  if (q->result == SQLITE_OK) q->result = sqlite3_bind_int64(q->statement, q->parameter, (sqlite3_int64)number);
}

void tw_relay_query_bytes(tw_relay_query *q, tw_bytes bytes) {
  q->parameter++;
  /* A pointer that is NULL would be SQL's NULL. */
  const uint8_t *ptr = bytes.ptr == NULL ? (const uint8_t *)"" : bytes.ptr;
  if (q->result == SQLITE_OK)
    q->result = sqlite3_bind_blob64(q->statement, q->parameter, ptr, bytes.len, SQLITE_STATIC);
}

bool tw_relay_query_row(tw_relay_query *q) {
  if (q->result == SQLITE_OK || q->result == SQLITE_ROW) q->result = sqlite3_step(q->statement);
  return q->result == SQLITE_ROW;
}

uint64_t tw_relay_column_number(const tw_relay_query *q, int column) {
  return (uint64_t)sqlite3_column_int64(q->statement, column);
}

tw_bytes tw_relay_column_bytes(tw_relay_query *q, int column) {
  const void *bytes = sqlite3_column_blob(q->statement, column);
  const size_t len = (size_t)sqlite3_column_bytes(q->statement, column);
  if (bytes == NULL && sqlite3_errcode(q->store->db) == SQLITE_NOMEM) q->result = SQLITE_NOMEM;
  return bytes == NULL ? TW_NO_BYTES : TW_BYTES(bytes, len);
}

void tw_relay_column_fixed(tw_relay_query *q, int column, uint8_t *out, size_t len) {
  const tw_bytes bytes = tw_relay_column_bytes(q, column);
  if (bytes.ptr != NULL && bytes.len == len)
    memcpy(out, bytes.ptr, len);
  else if (q->result == SQLITE_ROW)
    q->result = SQLITE_CORRUPT;
}

tw_err tw_relay_fail(tw_relay_sqlite *store, tw_err err) {
  return tw_report_fail(&store->base.why, err, "%s", tw_err_text(err));
}

tw_err tw_relay_sqlite_fail(tw_relay_sqlite *store, int result) {
  const char *where = store->place.path == NULL ? "in memory" : store->place.path;
  return tw_store_sql_fail(store->db, result, where, &store->base.why);
}

tw_err tw_relay_query_end(tw_relay_query *q) {
  tw_err err = TW_OK;
  if (q->result != SQLITE_OK && q->result != SQLITE_ROW && q->result != SQLITE_DONE)
    err = tw_relay_sqlite_fail(q->store, q->result);
  (void)sqlite3_reset(q->statement);
  (void)sqlite3_clear_bindings(q->statement);
  return err;
}

tw_err tw_relay_query_run(tw_relay_query *q) {
  while (tw_relay_query_row(q)) continue;
  return tw_relay_query_end(q);
}

static tw_err run(tw_relay_sqlite *store, tw_relay_statement statement) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_operation_begin(tw_relay_sqlite *store) {
  if (store->lost != TW_OK) return store->lost;
  if (sqlite3_get_autocommit(store->db) != 0) TW_TRY(run(store, TW_RELAY_BEGIN));
  return run(store, TW_RELAY_MARK);
}

tw_err tw_relay_operation_end(tw_relay_sqlite *store, tw_err err) {
  if (err == TW_OK) err = run(store, TW_RELAY_KEEP);
  if (err == TW_OK) return TW_OK;
  const tw_report why = store->base.why; /* what follows may fail as well, and less to the point */
  /* After some errors SQLite has taken all of the transaction back. */
  if (sqlite3_get_autocommit(store->db) != 0 || run(store, TW_RELAY_BACK) != TW_OK ||
      run(store, TW_RELAY_KEEP) != TW_OK)
    store->lost = err;
  store->base.why = why;
  return err;
}
