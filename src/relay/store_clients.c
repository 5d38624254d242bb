/* Clients and their key packages in the store over SQLite. SPDX-License-Identifier: Apache-2.0 */
#include "codec/reader.h"
#include "relay/store_parts.h"

/* ---- clients ---- */

static tw_err find(tw_relay_sqlite *store, const tw_fingerprint *id, tw_relay_client *client, uint64_t *seen_ms,
                   bool *found) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_CLIENT_FIND);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  *found = tw_relay_query_row(&q);
  if (*found) {
    *client = (tw_relay_client){.number = (uint32_t)tw_relay_column_number(&q, 0),
                                .last = tw_relay_column_number(&q, 1),
                                .bytes = tw_relay_column_number(&q, 2),
                                .entries = tw_relay_column_number(&q, 3),
                                .gap_after = tw_relay_column_number(&q, 5),
                                .gap_before = tw_relay_column_number(&q, 6)};
    *seen_ms = tw_relay_column_number(&q, 4);
  }
  return tw_relay_query_end(&q);
}

static tw_err add(tw_relay_sqlite *store, const tw_fingerprint *id, uint64_t now_ms, tw_relay_client *client) {
  const uint64_t before_first = now_ms / 1000 << 20;
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_CLIENT_ADD);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  tw_relay_query_number(&q, now_ms);
  tw_relay_query_number(&q, before_first);
  TW_TRY(tw_relay_query_run(&q));
  const sqlite3_int64 number = sqlite3_last_insert_rowid(store->db);
  if (number > TW_RELAY_NUMBER_MAX) return tw_relay_fail(store, TW_ERR_LIMIT);
  *client = (tw_relay_client){.number = (uint32_t)number, .last = before_first, .gap_before = before_first + 1};
  return TW_OK;
}

/*
 * A store that was put back to an older copy would give numbers again that were given before, and what has them would
 * be taken for read. So numbers go on at the time of each start, where those of a new mailbox begin, too.
 */
static void begin_numbers(tw_relay_sqlite *store, uint64_t now_ms) {
  if (store->first_number == 0) store->first_number = 1 + (now_ms / 1000 << 20);
}

static tw_err enter(tw_relay_sqlite *store, const tw_fingerprint *id, uint64_t now_ms, tw_relay_client *client) {
  bool found;
  uint64_t seen_ms = 0;
  begin_numbers(store, now_ms);
  TW_TRY(find(store, id, client, &seen_ms, &found));
  if (!found) return add(store, id, now_ms, client);
  if (now_ms < seen_ms || now_ms - seen_ms < TW_RELAY_SEEN_GRAIN_MS) return TW_OK;
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_CLIENT_SEEN);
  tw_relay_query_number(&q, client->number);
  tw_relay_query_number(&q, now_ms);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_sqlite_enter(tw_relay_store *base, const tw_fingerprint *id, uint64_t now_ms, tw_relay_client *client) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, enter(store, id, now_ms, client));
}

tw_err tw_relay_sqlite_find(tw_relay_store *base, const tw_fingerprint *id, tw_relay_client *client, bool *found) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  uint64_t seen_ms;
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, find(store, id, client, &seen_ms, found));
}

/* ---- key packages ---- */

static tw_err put_package(tw_relay_sqlite *store, uint32_t client, uint8_t pool, uint64_t number, uint64_t now_ms,
                          tw_bytes body) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGE_PUT);
  tw_relay_query_number(&q, client);
  tw_relay_query_number(&q, pool);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, now_ms);
  tw_relay_query_bytes(&q, body);
  return tw_relay_query_run(&q);
}

static tw_err clear_packages(tw_relay_sqlite *store, uint32_t client, uint8_t pool) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGES_CLEAR);
  tw_relay_query_number(&q, client);
  tw_relay_query_number(&q, pool);
  return tw_relay_query_run(&q);
}

static tw_err publish(tw_relay_sqlite *store, uint32_t client, uint8_t pool, bool replace, tw_bytes key_packages,
                      tw_bytes last_resort, uint64_t now_ms) {
  if (replace) TW_TRY(clear_packages(store, client, pool));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGE_LAST);
  tw_relay_query_number(&q, client);
  tw_relay_query_number(&q, pool);
  uint64_t number = tw_relay_query_row(&q) ? tw_relay_column_number(&q, 0) : 0;
  TW_TRY(tw_relay_query_end(&q));
  tw_reader walk = tw_reader_of(key_packages);
  while (tw_reader_more(&walk)) {
    const tw_bytes package = tw_read_vector(&walk);
    TW_TRY(tw_reader_err(&walk));
    TW_TRY(put_package(store, client, pool, ++number, now_ms, package));
  }
  return last_resort.len == 0 ? TW_OK : put_package(store, client, pool, 0, now_ms, last_resort);
}

tw_err tw_relay_sqlite_publish(tw_relay_store *base, uint32_t number, uint8_t pool, bool replace, tw_bytes key_packages,
                               tw_bytes last_resort, uint64_t now_ms) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, publish(store, number, pool, replace, key_packages, last_resort, now_ms));
}

tw_err tw_relay_sqlite_stock(tw_relay_store *base, uint32_t number, uint8_t pool, uint32_t *count) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGE_COUNT);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, pool);
  *count = tw_relay_query_row(&q) ? (uint32_t)tw_relay_column_number(&q, 0) : 0;
  return tw_relay_operation_end(store, tw_relay_query_end(&q));
}

/* The first whose number is not below `from`. */
static tw_err first_package(tw_relay_sqlite *store, uint32_t client, uint8_t pool, uint64_t from, tw_buf *out,
                            uint64_t *number, bool *found) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGE_FIRST);
  tw_relay_query_number(&q, client);
  tw_relay_query_number(&q, pool);
  tw_relay_query_number(&q, from);
  tw_err err = TW_OK;
  *found = tw_relay_query_row(&q);
  if (*found) {
    *number = tw_relay_column_number(&q, 0);
    err = tw_buf_append(out, tw_relay_column_bytes(&q, 1));
    if (err != TW_OK) err = tw_relay_fail(store, err);
  }
  const tw_err ended = tw_relay_query_end(&q);
  return ended != TW_OK ? ended : err;
}

static tw_err take(tw_relay_sqlite *store, uint32_t client, uint8_t pool, tw_buf *out, bool *last_resort, bool *found) {
  uint64_t number = 0;
  TW_TRY(first_package(store, client, pool, 1, out, &number, found));
  *last_resort = !*found;
  if (!*found) return first_package(store, client, pool, 0, out, &number, found);
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PACKAGE_DROP);
  tw_relay_query_number(&q, client);
  tw_relay_query_number(&q, pool);
  tw_relay_query_number(&q, number);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_sqlite_take(tw_relay_store *base, uint32_t number, uint8_t pool, tw_buf *out, bool *last_resort,
                            bool *found) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  const size_t before = out->len;
  TW_TRY(tw_relay_operation_begin(store));
  const tw_err err = tw_relay_operation_end(store, take(store, number, pool, out, last_resort, found));
  if (err != TW_OK) out->len = before;
  return err;
}
