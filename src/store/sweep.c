/* What SQLite leaves in pages besides their content. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "store/store_internal.h"

/*
 * secure_delete zeroes an entry that is deleted, and pages that become free. But when entries move from page to page to
 * keep the tree balanced, copies of them stay behind in the unallocated space of the pages that they have left, and no
 * later deletion knows of these. So here that space is zeroed: it lies between the array of cell pointers and the first
 * cell, and no reader ever looks at it.
 *
 * https://sqlite.org/fileformat2.html#b_tree_pages:
 *   uint8 type;                  -- 2, 5 interior; 10, 13 leaf
 *   uint16 first_freeblock, cells, content;   -- where the cells' content begins, 0 for 65536
 *   uint8 fragments;
 *   uint32 rightmost;            -- interior pages alone
 *   uint16 pointers[cells];
 * preceded in page 1 by the file's header of 100 bytes. Pages that are not of a tree begin with a page's number, whose
 * first byte is zero in files of less than 2^24 pages (max_page_count), or are all zero.
 */
enum { FILE_HEADER = 100, LEAF_HEADER = 8, INTERIOR_HEADER = 12, PAGE_MAX = 65536 };

/* The unallocated space of a page. False where it has none, or is not of a tree. */
static bool gap_of(const uint8_t *page, size_t size, bool first, size_t *from, size_t *to) {
  const size_t at = first ? FILE_HEADER : 0;
  const uint8_t type = page[at];
  if (type != 2 && type != 5 && type != 10 && type != 13) return false;
  const size_t content = tw_get_u16(page + at + 5);
  *from = at + (type >= 10 ? LEAF_HEADER : INTERIOR_HEADER) + 2 * tw_get_u16(page + at + 3);
  *to = content == 0 ? PAGE_MAX : content;
  return *from < *to && *to <= size;
}

static bool is_zero(const uint8_t *bytes, size_t len) {
  return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

static int sweep_page(sqlite3_file *db, sqlite3_int64 number, uint8_t *page, int size, bool *changed) {
  size_t from;
  size_t to;
  const sqlite3_int64 at = (number - 1) * size;
  const int result = db->pMethods->xRead(db, page, size, at);
  if (result != SQLITE_OK) return result;
  if (!gap_of(page, (size_t)size, number == 1, &from, &to) || is_zero(page + from, to - from)) return SQLITE_OK;
  memset(page + from, 0, to - from);
  *changed = true;
  return db->pMethods->xWrite(db, page, size, at);
}

static int sweep_all(sqlite3_file *db, uint8_t *page, int size, bool *changed) {
  sqlite3_int64 bytes = 0;
  int result = db->pMethods->xFileSize(db, &bytes);
  for (sqlite3_int64 number = 1; number <= bytes / size && result == SQLITE_OK; number++)
    result = sweep_page(db, number, page, size, changed);
  return result;
}

static int sweep_logged(sqlite3_file *db, sqlite3_file *log, size_t frames, uint8_t *page, int size, bool *changed) {
  sqlite3_int64 bytes = 0;
  int result = db->pMethods->xFileSize(db, &bytes);
  for (size_t i = 0; i < frames && result == SQLITE_OK; i++) {
    uint8_t head[4];
    result = log->pMethods->xRead(log, head, sizeof head, TW_STORE_LOG_AT(i, size));
    if (result != SQLITE_OK) break;
    const sqlite3_int64 number = tw_get_u32(head);
    if (number >= 1 && number <= bytes / size) result = sweep_page(db, number, page, size, changed);
  }
  return result;
}

tw_err tw_store_sweep(tw_store *store, size_t frames, bool all, tw_report *report) {
  sqlite3_file *db = NULL;
  sqlite3_file *log = NULL;
  uint8_t page[PAGE_MAX];
  bool changed = false;
  TW_TRY(tw_store_files(store, &db, &log, report));
  int result = all ? sweep_all(db, page, store->page_size, &changed)
                   : sweep_logged(db, log, frames, page, store->page_size, &changed);
  if (result == SQLITE_OK && changed) result = db->pMethods->xSync(db, SQLITE_SYNC_NORMAL);
  tw_wipe(page, sizeof page);
  if (result != SQLITE_OK) return tw_store_fail(store, result, report);
  /* Pages in memory still have what was swept, and would bring it back with their next change. */
  result = sqlite3_db_release_memory(store->db);
  return result == SQLITE_OK ? TW_OK : tw_store_fail(store, result, report);
}
