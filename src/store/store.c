/* Opening, closing and reading a store. SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "store/store_internal.h"

static const char *const statement_texts[TW_STORE_STATEMENTS] = {
    [TW_STORE_GET] = "SELECT value FROM item WHERE kind=?1 AND id=?2",
    [TW_STORE_EACH] = "SELECT id, value FROM item WHERE kind=?1 AND id>=?2 ORDER BY id",
    [TW_STORE_NEXT] = "SELECT kind, id, value FROM item WHERE (kind, id)>(?1, ?2) ORDER BY kind, id LIMIT 1",
    [TW_STORE_COUNT] = "SELECT count(*) FROM item WHERE kind=?1 AND id>=?2",
    [TW_STORE_PUT] = "INSERT INTO item VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET value=excluded.value",
    [TW_STORE_REMOVE] = "DELETE FROM item WHERE kind=?1 AND id=?2",
};

static tw_err prepare(tw_store *store, tw_report *report) {
  for (size_t i = 0; i < TW_STORE_STATEMENTS; i++) {
    const int result = sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                          &store->statements[i], NULL);
    if (result != SQLITE_OK) return tw_store_fail(store, result, report);
  }
  return TW_OK;
}

/* Called with the number of the log's pages after each commit. */
static int note_pages(void *ctx, sqlite3 *db, const char *name, int pages) {
  tw_store *store = ctx;
  (void)db;
  (void)name;
  store->log_pages = (size_t)pages;
  return SQLITE_OK;
}

static tw_err create(tw_store *store, const tw_store_key *key, tw_report *report) {
  const tw_err err = tw_random(store->env, store->seal.name, sizeof store->seal.name);
  if (err != TW_OK) return tw_report_fail(report, err, "%s", tw_err_text(err));
  TW_TRY(tw_store_seal_make(store->env, key, &store->seal, report));
  return tw_store_schema_create(&store->place, store->env, &store->seal, report);
}

static tw_err unseal(tw_store *store, const tw_store_key *key, tw_report *report) {
  tw_buf encoded = TW_BUF_INIT(tw_env_alloc(store->env));
  tw_report why = {"out of memory"};
  tw_err err = tw_store_seal_read(store->db, store->place.path, &encoded, report);
  if (err == TW_OK) {
    err = tw_store_seal_decode(store->env, tw_buf_bytes(&encoded), key, &store->seal, &why);
    if (err != TW_OK) err = tw_report_fail(report, err, "%.200s: %s", store->place.path, why.text);
  }
  tw_buf_clear(&encoded);
  return err;
}

static tw_err open_within(tw_store *store, const tw_store_config *config, tw_report *report) {
  bool found;
  TW_TRY(tw_store_place_take(config->dir, &store->place, report));
  TW_TRY(tw_store_place_has(&store->place, TW_STORE_DB, &found, report));
  if (!found) TW_TRY(create(store, &config->key, report));
  TW_TRY(tw_store_schema_open(&store->place, &store->db, report));
  (void)sqlite3_wal_hook(store->db, note_pages, store);
  TW_TRY(prepare(store, report));
  if (found) TW_TRY(unseal(store, &config->key, report));
  int64_t page_size = 0;
  TW_TRY(tw_store_sql_number(store->db, "PRAGMA page_size", &page_size, store->place.path, report));
  store->page_size = (int)page_size;
  store->untidy = true;
  store->unswept = true;
  return tw_store_tidy(store, report);
}

static void release(tw_store *store) {
  for (size_t i = 0; i < TW_STORE_STATEMENTS; i++) (void)sqlite3_finalize(store->statements[i]);
  (void)sqlite3_close(store->db);
  tw_store_place_leave(&store->place);
  const tw_alloc *alloc = tw_env_alloc(store->env);
  tw_wipe(store, sizeof *store);
  tw_alloc_free(alloc, store);
}

tw_err tw_store_open(const tw_store_config *config, const tw_env *env, tw_store **store, tw_report *report) {
  *store = NULL;
  tw_store *made = tw_alloc_zero(tw_env_alloc(env), sizeof *made);
  if (made == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  made->env = env;
  made->place = (tw_store_place){NULL, -1, -1};
  const tw_err err = open_within(made, config, report);
  if (err != TW_OK) {
    release(made);
    return err;
  }
  *store = made;
  return TW_OK;
}

void tw_store_close(tw_store *store) {
  if (store == NULL) return;
  tw_report ignored;
  /* The log stays for the next opening, if there is still something to sweep. */
  if (tw_store_tidy(store, &ignored) != TW_OK)
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  release(store);
}

tw_err tw_store_bind(tw_store *store, tw_store_statement statement, unsigned kind, tw_bytes id, tw_report *report) {
  sqlite3_stmt *bound = store->statements[statement];
  int result = sqlite3_bind_int64(bound, 1, kind);
  /* A pointer that is NULL would be SQL's NULL, which equals nothing. */
  if (result == SQLITE_OK)
    result = sqlite3_bind_blob(bound, 2, id.ptr == NULL ? (const uint8_t *)"" : id.ptr, (int)id.len, SQLITE_STATIC);
  return result == SQLITE_OK ? TW_OK : tw_store_fail(store, result, report);
}

tw_err tw_store_value_fail(const tw_store *store, tw_err err, tw_report *report) {
  const tw_err_class class = tw_err_class_of(err);
  if (class == TW_CLASS_MALFORMED || class == TW_CLASS_CRYPTO)
    return tw_report_fail(report, err, "%.200s: damaged, a value is not what was stored", store->place.path);
  return tw_report_fail(report, err, "%.200s: %s", store->place.path, tw_err_text(err));
}

static bool is_valid(tw_store_kind kind, tw_bytes id) {
  return kind >= TW_STORE_SESSION && kind <= TW_STORE_KIND_LAST && id.len >= 1 && id.len <= TW_STORE_ID_MAX;
}

/* Column `column` of the row at hand, opened. */
static tw_err open_column(tw_store *store, sqlite3_stmt *row, int column, unsigned kind, tw_bytes id, tw_buf *value,
                          tw_report *report) {
  const void *bytes = sqlite3_column_blob(row, column);
  const tw_bytes stored = TW_BYTES(bytes, (size_t)sqlite3_column_bytes(row, column));
  if (bytes == NULL) return tw_store_fail(store, sqlite3_errcode(store->db), report);
  const tw_err err = tw_store_value_open(store->env, &store->seal, kind, id, stored, value);
  return err == TW_OK ? TW_OK : tw_store_value_fail(store, err, report);
}

tw_err tw_store_get(tw_store *store, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found, tw_report *report) {
  *found = false;
  if (!is_valid(kind, id)) return tw_report_fail(report, TW_ERR_ARGUMENT, "not a kind and id of the state");
  TW_TRY(tw_store_bind(store, TW_STORE_GET, kind, id, report));
  sqlite3_stmt *row = store->statements[TW_STORE_GET];
  const int result = sqlite3_step(row);
  tw_err err = TW_OK;
  if (result == SQLITE_ROW) {
    err = open_column(store, row, 0, kind, id, value, report);
    *found = err == TW_OK;
  } else if (result != SQLITE_DONE) {
    err = tw_store_fail(store, result, report);
  }
  (void)sqlite3_reset(row);
  return err;
}

static tw_err visit_row(tw_store *store, tw_store_kind kind, tw_store_visit visit, void *ctx, tw_report *report) {
  sqlite3_stmt *row = store->statements[TW_STORE_EACH];
  const void *bytes = sqlite3_column_blob(row, 0);
  const tw_bytes id = TW_BYTES(bytes, (size_t)sqlite3_column_bytes(row, 0));
  if (!is_valid(kind, id)) return tw_store_fail(store, SQLITE_CORRUPT, report);
  tw_buf value = TW_BUF_INIT(tw_env_alloc(store->env));
  tw_err err = open_column(store, row, 1, kind, id, &value, report);
  if (err == TW_OK) {
    err = visit(ctx, id, tw_buf_bytes(&value));
    if (err != TW_OK) err = tw_report_fail(report, err, "%.200s: %s", store->place.path, tw_err_text(err));
  }
  tw_buf_clear(&value);
  return err;
}

tw_err tw_store_each(tw_store *store, tw_store_kind kind, tw_store_visit visit, void *ctx, tw_report *report) {
  if (store->visiting) return tw_report_fail(report, TW_ERR_STATE, "the state is being gone through already");
  TW_TRY(tw_store_bind(store, TW_STORE_EACH, kind, TW_NO_BYTES, report));
  sqlite3_stmt *row = store->statements[TW_STORE_EACH];
  int result = SQLITE_DONE;
  tw_err err = TW_OK;
  store->visiting = true;
  while (err == TW_OK && (result = sqlite3_step(row)) == SQLITE_ROW) err = visit_row(store, kind, visit, ctx, report);
  store->visiting = false;
  if (err == TW_OK && result != SQLITE_DONE) err = tw_store_fail(store, result, report);
  (void)sqlite3_reset(row);
  return err;
}

tw_err tw_store_count(tw_store *store, tw_store_kind kind, uint64_t *count, tw_report *report) {
  TW_TRY(tw_store_bind(store, TW_STORE_COUNT, kind, TW_NO_BYTES, report));
  sqlite3_stmt *row = store->statements[TW_STORE_COUNT];
  const int result = sqlite3_step(row);
  tw_err err = TW_OK;
  if (result == SQLITE_ROW)
    *count = (uint64_t)sqlite3_column_int64(row, 0);
  else
    err = tw_store_fail(store, result, report);
  (void)sqlite3_reset(row);
  return err;
}

static tw_err note_id(void *ctx, tw_bytes id, tw_bytes value) {
  tw_writer w = tw_writer_to(ctx);
  (void)value;
  tw_write_vector(&w, id);
  return tw_writer_end(&w);
}

tw_err tw_store_ids(tw_store *store, tw_store_kind kind, tw_buf *ids, tw_report *report) {
  return tw_store_each(store, kind, note_id, ids, report);
}

tw_err tw_store_delete(tw_store *store, tw_store_kind kind, tw_bytes ids, tw_report *report) {
  tw_reader r = tw_reader_of(ids);
  while (tw_reader_more(&r)) {
    const tw_store_change gone = {.kind = kind, .id = tw_read_vector(&r), .remove = true};
    TW_TRY(tw_store_apply(store, &gone, 1, report));
  }
  return TW_OK;
}
