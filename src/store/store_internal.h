/* The parts of a store, for the files of this room. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_STORE_STORE_INTERNAL_H
#define TW_STORE_STORE_INTERNAL_H

#include "crypto/crypto.h"
#include "store/database.h"
#include "store/store.h"

/* ---- seal.c: one value on its way to the file and back ---- */

enum { TW_STORE_NAME = 16, TW_STORE_SALT = 16 };

typedef enum tw_store_protection {
  TW_STORE_CLEAR = 0,
  TW_STORE_KEY_FILE = 1,
  TW_STORE_PASSPHRASE = 2
} tw_store_protection;

/* How the values of a store are sealed. `prk` is secret: tw_wipe. */
typedef struct tw_store_seal {
  uint8_t name[TW_STORE_NAME]; /* random, of the store */
  tw_store_protection protection;
  uint8_t salt[TW_STORE_SALT]; /* of the passphrase; zero otherwise */
  tw_store_cost cost;          /* likewise */
  tw_hmac_key prk;             /* unset when in clear */
} tw_store_seal;

/* Replace the content of `out`. Kind 0 is the store's own. */
TW_MUST_USE tw_err tw_store_value_close(const tw_env *env, const tw_store_seal *seal, unsigned kind, tw_bytes id,
                                        tw_bytes value, tw_buf *out);
/* TW_ERR_ENCODING, TW_ERR_DECRYPT */
TW_MUST_USE tw_err tw_store_value_open(const tw_env *env, const tw_store_seal *seal, unsigned kind, tw_bytes id,
                                       tw_bytes stored, tw_buf *out);
/* The seal and a value to try the key on, replacing the content of `out`; and back, with the key that was given. */
TW_MUST_USE tw_err tw_store_seal_encode(const tw_env *env, const tw_store_seal *seal, tw_buf *out);
TW_MUST_USE tw_err tw_store_seal_decode(const tw_env *env, tw_bytes encoded, const tw_store_key *key,
                                        tw_store_seal *seal, tw_report *report);

/* ---- key.c: from what the caller has to a key ---- */

/* A seal for `key` with fresh salt; `name` is already set. */
TW_MUST_USE tw_err tw_store_seal_make(const tw_env *env, const tw_store_key *key, tw_store_seal *seal,
                                      tw_report *report);
/* The prk of a seal whose other members are set. */
TW_MUST_USE tw_err tw_store_seal_derive(const tw_env *env, const tw_store_key *key, tw_store_seal *seal,
                                        tw_report *report);

/* ---- schema.c: what is in the database of a node ---- */

enum { TW_STORE_APPLICATION = 0x54575354 }; /* "TWST" */

/* A new database with `seal` in it, at its place. */
TW_MUST_USE tw_err tw_store_schema_create(const tw_store_place *place, const tw_env *env, const tw_store_seal *seal,
                                          tw_report *report);
/* The database that is there, checked and up to date. */
TW_MUST_USE tw_err tw_store_schema_open(const tw_store_place *place, sqlite3 **db, tw_report *report);
/* The encoded seal, replacing the content of `out`; and another one in its place. */
TW_MUST_USE tw_err tw_store_seal_read(sqlite3 *db, const char *where, tw_buf *out, tw_report *report);
TW_MUST_USE tw_err tw_store_seal_write(sqlite3 *db, const char *where, tw_bytes encoded, tw_report *report);

/* ---- store.c ---- */

typedef enum tw_store_statement {
  TW_STORE_GET,
  TW_STORE_EACH,
  TW_STORE_NEXT, /* the first value behind a kind and an id */
  TW_STORE_COUNT,
  TW_STORE_PUT,
  TW_STORE_REMOVE,
  TW_STORE_STATEMENTS
} tw_store_statement;

struct tw_store {
  const tw_env *env;
  tw_store_place place;
  sqlite3 *db;
  sqlite3_stmt *statements[TW_STORE_STATEMENTS];
  tw_store_seal seal;
  int page_size;
  size_t log_pages; /* of the log that count, as of the last commit */
  bool untidy;
  bool unswept; /* pages that the log does not name any more may have something to sweep */
  bool visiting;
};

static inline tw_err tw_store_fail(tw_store *store, int result, tw_report *report) {
  return tw_store_sql_fail(store->db, result, store->place.path, report);
}
/* The statement with its parameters 1 and 2 set; to be reset by the caller. */
TW_MUST_USE tw_err tw_store_bind(tw_store *store, tw_store_statement statement, unsigned kind, tw_bytes id,
                                 tw_report *report);
/* The error of a value that does not open, told. */
TW_MUST_USE tw_err tw_store_value_fail(const tw_store *store, tw_err err, tw_report *report);
/* Put within a transaction: `stored` is what tw_store_value_close made. */
TW_MUST_USE tw_err tw_store_put(tw_store *store, unsigned kind, tw_bytes id, tw_bytes stored, tw_report *report);

/* ---- tidy.c, sweep.c ---- */

/* Where the log's frame `index_`, from 0, begins: https://sqlite.org/fileformat2.html#walformat */
#define TW_STORE_LOG_AT(index_, page_size_) ((sqlite3_int64)(index_) * (24 + (page_size_)) + 32)
/* SQLite's own handles of the database and its log. */
TW_MUST_USE tw_err tw_store_files(tw_store *store, sqlite3_file **db, sqlite3_file **log, tw_report *report);
/* Zero what is not content in the database's pages that the log's first `frames` are about, or in all of them. */
TW_MUST_USE tw_err tw_store_sweep(tw_store *store, size_t frames, bool all, tw_report *report);

#endif
