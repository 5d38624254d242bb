/* What outlives the process: one directory, one SQLite database, one holder. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_STORE_STORE_H
#define TW_STORE_STORE_H

#include <treewire/env.h>

#include "net/report.h"

/*
 * DIR (mode 0700) holds the files `state.db`, `state.db-wal` while it is open, and `lock`, all with mode 0600. What is
 * kept are values, blobs of bytes, each under a kind and an id.
 *
 * Durable: when tw_store_apply returns TW_OK, all of its changes have been written to the disk and flushed (one
 * fdatasync of SQLite's write-ahead log; synchronous=FULL), and survive a crash of the process, of the system, and a
 * loss of power, as far as the disk keeps what it has confirmed. After any other end all or none of them are there: the
 * log is replayed up to the last whole transaction. A torn write of the log is noticed by its checksums.
 *
 * Forward secret: values that were replaced or deleted are out of all files when tw_store_tidy has returned, also when
 * the store was closed or opened again. Between tw_store_apply and tw_store_tidy they linger: in the database, which
 * gets the log's pages only then, and in the log. So whoever writes a value that takes the place of a secret calls
 * tw_store_tidy as soon as what hung on the write has been sent, at latest TW_STORE_LINGER_MS later; after
 * TW_STORE_LOG_PAGES pages of log the store does it by itself. Old bytes are overwritten in place, in the files. What
 * the file system or the disk keep besides (snapshots, copies on write, worn blocks of flash) is out of reach.
 *
 * Sealed (if a key is given): each value is encrypted under a key of its own, AES-256-GCM, which is derived from the
 * store's key; kind, id and the store's random name are authenticated with it. Kinds, ids, lengths (to 512
 * bytes) and the number of values are in clear always. Without a key values are in clear, with a checksum. Neither
 * keeps a writer of the files from putting back an older copy of them, or of one value.
 *
 * One thread at a time. Calls may take as long as the disk does. A child of fork holds the state with its parent until
 * it ends or executes another program; only one of the two may use it. The directory lies on a local file system, whose
 * locks and flushes are what they say.
 */

typedef struct tw_store tw_store;

/** What a value is. The numbers are in the files. */
typedef enum tw_store_kind {
  TW_STORE_SESSION = 1,     /* a pair (tw_pair_save), by its group's id */
  TW_STORE_GROUP = 2,       /* a group (tw_group_save), by its id */
  TW_STORE_KEY_PACKAGE = 3, /* a key package with its private keys, by its reference */
  TW_STORE_PIN = 4,         /* a peer's public key, by its fingerprint or name */
  TW_STORE_NODE = 5,        /* what a node of a network remembers beside these, by a name of its own */
  TW_STORE_KIND_LAST = TW_STORE_NODE
} tw_store_kind;

enum {
  TW_STORE_ID_MAX = 255,         /* bytes of an id; the least is 1 */
  TW_STORE_VALUE_MAX = 64 << 20, /* bytes of a value */
  TW_STORE_KEY_SIZE = 32,        /* bytes of a key file */
  TW_STORE_PASSPHRASE_MAX = 1024,
  TW_STORE_LINGER_MS = 1000, /* how long a replaced value may linger, if the caller does its part */
  TW_STORE_LOG_PAGES = 1024  /* 4 MiB of log: then it is tidied whether asked or not */
};

/** What Argon2id (RFC 9106) costs; stored in the files. Zero members mean the defaults. */
typedef struct tw_store_cost {
  uint32_t memory_kib; /* default 65536: with the next two the second recommended option of section 4 */
  uint32_t passes;     /* default 3 */
  uint32_t lanes;      /* default 4 */
} tw_store_cost;

/** The key that seals values: a file, or a passphrase, or (all empty) none. Borrowed for the call. */
typedef struct tw_store_key {
  const char *file;    /* TW_STORE_KEY_SIZE random bytes in a file with no rights for group and others; or NULL */
  tw_bytes passphrase; /* 1 … TW_STORE_PASSPHRASE_MAX bytes; or TW_NO_BYTES */
  tw_store_cost cost;  /* for a passphrase when a store is made or gets a new key; what is stored counts otherwise */
} tw_store_key;

/** Borrowed for the call. */
typedef struct tw_store_config {
  const char *dir;
  tw_store_key key;
} tw_store_config;

/**
 * Take the state in `config->dir`; the directory is made, with mode 0700, if it is not there (its parent must be), and
 * so is an empty store in it. Replays what a crash left, brings older schemas up to date, checks the database's
 * structure, and tidies. `env` is borrowed and outlives the store. Errors, each with a report of one line:
 *   TW_ERR_FORBIDDEN    directory or a file of it: not ours; these or the key file: open to group or others
 *   TW_ERR_STATE        held by another holder (also of this process); or a file or directory that cannot be used
 *   TW_ERR_UNSUPPORTED  of a later version of the program
 *   TW_ERR_ENCODING     damaged, or not a state of ours: nothing is repaired, replaced or deleted
 *   TW_ERR_KEY          sealed and no key given, the other way round, another kind of key, or a wrong one; key file of
 *                       another length
 *   TW_ERR_ARGUMENT     both a file and a passphrase, or one that is empty (but not NULL) or overlong
 *   TW_ERR_LIMIT        no space left
 *   TW_ERR_NO_MEMORY, TW_ERR_RANDOM
 */
TW_MUST_USE tw_err tw_store_open(const tw_store_config *config, const tw_env *env, tw_store **store, tw_report *report);
/** Tidies, and lets go of the directory. NULL is fine. What cannot be tidied is when the store is opened again. */
void tw_store_close(tw_store *store);

/**
 * Which file the database is: struct { uint64 inode; uint64 born; }, the second one in ns since 1970, 0 where the file
 * system does not say. A copy is another one. TW_ERR_STATE.
 */
enum { TW_STORE_ORIGIN_SIZE = 16 };
TW_MUST_USE tw_err tw_store_origin(const tw_store *store, uint8_t origin[TW_STORE_ORIGIN_SIZE], tw_report *report);

/**
 * The value into `value`, whose content is replaced; it may be a secret, the caller clears it. `*found` false, and
 * `value` as before, when there is none. TW_ERR_ENCODING or TW_ERR_DECRYPT: damaged, or not the value of this id.
 */
TW_MUST_USE tw_err tw_store_get(tw_store *store, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found,
                                tw_report *report);

/** `id` and `value` are borrowed for the call. An error ends the round and is returned by it. */
typedef tw_err (*tw_store_visit)(void *ctx, tw_bytes id, tw_bytes value);
/** Call `visit` for each value of a kind, by the order of ids. The store may not be changed meanwhile (TW_ERR_STATE).
 */
TW_MUST_USE tw_err tw_store_each(tw_store *store, tw_store_kind kind, tw_store_visit visit, void *ctx,
                                 tw_report *report);

/** The ids of a kind, appended to `ids` as opaque id<V> each: for who changes the store while it goes through them. */
TW_MUST_USE tw_err tw_store_ids(tw_store *store, tw_store_kind kind, tw_buf *ids, tw_report *report);

TW_MUST_USE tw_err tw_store_count(tw_store *store, tw_store_kind kind, uint64_t *count, tw_report *report);

/** One change: `value` under `kind` and `id`, in place of what was there; or nothing any more. */
typedef struct tw_store_change {
  tw_store_kind kind;
  tw_bytes id;
  tw_bytes value; /* ignored when `remove` */
  bool remove;    /* also of what is not there */
} tw_store_change;

/**
 * All of the changes, in this order, in one transaction: durable on TW_OK; on error none has happened and the store
 * goes on. Errors: TW_ERR_ARGUMENT (kind, length), TW_ERR_STATE (within tw_store_each; input or output failed),
 * TW_ERR_LIMIT (no space left), TW_ERR_ENCODING (damaged), TW_ERR_NO_MEMORY, TW_ERR_RANDOM. If the disk fails in the
 * flush itself, nobody knows which of the two it is: close the store and open it again.
 */
TW_MUST_USE tw_err tw_store_apply(tw_store *store, const tw_store_change *changes, size_t count, tw_report *report);

/** The values of these ids, as tw_store_ids has them, one transaction each. Errors as tw_store_apply's. */
TW_MUST_USE tw_err tw_store_delete(tw_store *store, tw_store_kind kind, tw_bytes ids, tw_report *report);

/**
 * Overwrite what was replaced or deleted since the last time: five flushes, and as many pages as were changed. Nothing
 * when there is nothing to do. On error (TW_ERR_STATE, TW_ERR_LIMIT) the values are safe, and old ones may linger.
 */
TW_MUST_USE tw_err tw_store_tidy(tw_store *store, tw_report *report);
/** Whether tw_store_tidy has something to do: for the caller's timer. */
bool tw_store_is_untidy(const tw_store *store);

/**
 * Give the store another key, its first one, or (none in `key`) take it away: all values are sealed anew in one
 * transaction, then tidied, so that the old key opens nothing in the files. On error before that all is as it was.
 * Errors as tw_store_open's for the key, and as tw_store_apply's.
 */
TW_MUST_USE tw_err tw_store_rekey(tw_store *store, const tw_store_key *key, tw_report *report);

#endif
