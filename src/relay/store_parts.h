/* The parts of the store over SQLite. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_STORE_PARTS_H
#define TW_RELAY_STORE_PARTS_H

#include "relay/store.h"
#include "store/database.h"

enum { TW_RELAY_APPLICATION = 0x5457524c }; /* "TWRL" */

typedef enum tw_relay_statement {
  TW_RELAY_BEGIN,
  TW_RELAY_COMMIT,
  TW_RELAY_ROLLBACK,
  TW_RELAY_MARK,
  TW_RELAY_KEEP,
  TW_RELAY_BACK,
  TW_RELAY_CLIENT_FIND,
  TW_RELAY_CLIENT_ADD,
  TW_RELAY_CLIENT_SEEN,
  TW_RELAY_CLIENT_GOT,
  TW_RELAY_CLIENT_LESS,
  TW_RELAY_CLIENT_NEXT,
  TW_RELAY_CLIENT_DROP,
  TW_RELAY_PACKAGE_LAST,
  TW_RELAY_PACKAGE_PUT,
  TW_RELAY_PACKAGE_COUNT,
  TW_RELAY_PACKAGE_FIRST,
  TW_RELAY_PACKAGE_DROP,
  TW_RELAY_PACKAGES_CLEAR,
  TW_RELAY_PACKAGES_OLD,
  TW_RELAY_PACKAGES_DROP,
  TW_RELAY_MESSAGE_ADD,
  TW_RELAY_MESSAGE_BODY,
  TW_RELAY_MESSAGE_REFS,
  TW_RELAY_MESSAGE_LESS,
  TW_RELAY_MESSAGE_DROP,
  TW_RELAY_BODY_DROP,
  TW_RELAY_MAIL_ADD,
  TW_RELAY_MAIL_READ,
  TW_RELAY_MAIL_FIRST,
  TW_RELAY_MAIL_DROP,
  TW_RELAY_GROUP_ADD,
  TW_RELAY_GROUP_BY_NAME,
  TW_RELAY_GROUP_BY_ID,
  TW_RELAY_GROUP_READ,
  TW_RELAY_GROUP_COUNT,
  TW_RELAY_GROUP_SET,
  TW_RELAY_GROUP_FORWARD,
  TW_RELAY_GROUP_NEXT,
  TW_RELAY_GROUP_DROP,
  TW_RELAY_MEMBER_COUNT,
  TW_RELAY_MEMBER_IS,
  TW_RELAY_MEMBER_EACH,
  TW_RELAY_MEMBER_LIST,
  TW_RELAY_MEMBER_KNOWN,
  TW_RELAY_MEMBER_OF,
  TW_RELAY_MEMBER_ADD,
  TW_RELAY_MEMBER_DROP,
  TW_RELAY_MEMBERS_DROP,
  TW_RELAY_FAN_OUT,
  TW_RELAY_FAN_COUNT,
  TW_RELAY_PAST_ADD,
  TW_RELAY_PAST_FIND,
  TW_RELAY_PAST_FIRST,
  TW_RELAY_PAST_SIZES,
  TW_RELAY_PAST_STRIP,
  TW_RELAY_PAST_DROP,
  TW_RELAY_ADMISSION_PUT,
  TW_RELAY_ADMISSION_DROP,
  TW_RELAY_ADMISSION_FIND,
  TW_RELAY_ADMISSION_COUNT,
  TW_RELAY_ADMISSIONS_OLD,
  TW_RELAY_STATEMENTS
} tw_relay_statement;

typedef struct tw_relay_sqlite {
  tw_relay_store base;
  const tw_env *env;
  tw_store_place place; /* path NULL: in memory */
  sqlite3 *db;
  tw_err lost;           /* what the batch cannot go on for */
  uint64_t first_number; /* of entries that are made since it was opened, at least; 0: nobody has entered yet */
  sqlite3_stmt *statements[TW_RELAY_STATEMENTS];
} tw_relay_sqlite;

static inline tw_relay_sqlite *tw_relay_sqlite_of(tw_relay_store *store) { return (tw_relay_sqlite *)store; }

/* ---- query.c: one use of a statement. Errors stick, and tw_relay_query_end reports them. ---- */

typedef struct tw_relay_query {
  tw_relay_sqlite *store;
  sqlite3_stmt *statement;
  int parameter; /* the last one that is set */
  int result;    /* SQLite's, or SQLITE_OK, SQLITE_ROW, SQLITE_DONE */
} tw_relay_query;

tw_relay_query tw_relay_query_of(tw_relay_sqlite *store, tw_relay_statement statement);
/* Set the next parameter. Bytes are borrowed to the query's end. */
void tw_relay_query_number(tw_relay_query *q, uint64_t number);
void tw_relay_query_bytes(tw_relay_query *q, tw_bytes bytes);
/* Whether there is a (next) row. */
bool tw_relay_query_row(tw_relay_query *q);
/* Of the row at hand; bytes borrowed until the next one. `len` not that of the column: damaged. */
uint64_t tw_relay_column_number(const tw_relay_query *q, int column);
tw_bytes tw_relay_column_bytes(tw_relay_query *q, int column);
void tw_relay_column_fixed(tw_relay_query *q, int column, uint8_t *out, size_t len);
TW_MUST_USE tw_err tw_relay_query_end(tw_relay_query *q);
/* No rows are wanted. */
TW_MUST_USE tw_err tw_relay_query_run(tw_relay_query *q);
/* The error, told. */
TW_MUST_USE tw_err tw_relay_sqlite_fail(tw_relay_sqlite *store, int result);
TW_MUST_USE tw_err tw_relay_fail(tw_relay_sqlite *store, tw_err err);

/*
 * An operation begins and ends: all of it is done, or, when it gives an error, nothing. The end gives the error, that
 * of the batch if this broke it.
 */
TW_MUST_USE tw_err tw_relay_operation_begin(tw_relay_sqlite *store);
TW_MUST_USE tw_err tw_relay_operation_end(tw_relay_sqlite *store, tw_err err);

/* ---- store_clients.c, store_mail.c, store_groups.c, store_admissions.c, store_sweep.c: the operations of store.h ----
 */

tw_err tw_relay_sqlite_enter(tw_relay_store *base, const tw_fingerprint *id, uint64_t now_ms, tw_relay_client *client);
tw_err tw_relay_sqlite_find(tw_relay_store *base, const tw_fingerprint *id, tw_relay_client *client, bool *found);
tw_err tw_relay_sqlite_publish(tw_relay_store *base, uint32_t number, uint8_t pool, bool replace, tw_bytes key_packages,
                               tw_bytes last_resort, uint64_t now_ms);
tw_err tw_relay_sqlite_stock(tw_relay_store *base, uint32_t number, uint8_t pool, uint32_t *count);
tw_err tw_relay_sqlite_take(tw_relay_store *base, uint32_t number, uint8_t pool, tw_buf *out, bool *last_resort,
                            bool *found);

tw_err tw_relay_sqlite_send(tw_relay_store *base, uint32_t number, const tw_relay_mail *mail, uint64_t now_ms);
tw_err tw_relay_sqlite_acknowledge(tw_relay_store *base, uint32_t number, uint64_t upto);
tw_err tw_relay_sqlite_read(tw_relay_store *base, uint32_t number, uint64_t after, tw_relay_visit visit, void *ctx);

tw_err tw_relay_sqlite_group_open(tw_relay_store *base, const tw_relay_opening *opening, uint32_t *number, bool *taken);
tw_err tw_relay_sqlite_group_forward(tw_relay_store *base, uint32_t group, uint64_t epoch,
                                     const tw_relay_opening *opening, bool *applied);
tw_err tw_relay_sqlite_group_find(tw_relay_store *base, tw_bytes name, tw_bytes group_id, tw_relay_group *group,
                                  bool *found);
tw_err tw_relay_sqlite_group_read(tw_relay_store *base, uint32_t group, bool tree, tw_buf *out,
                                  tw_relay_lengths *lengths);
tw_err tw_relay_sqlite_member_list(tw_relay_store *base, uint32_t group, tw_buf *out);
tw_err tw_relay_sqlite_group_count(tw_relay_store *base, const tw_fingerprint *opener, uint32_t *count);
tw_err tw_relay_sqlite_member_count(tw_relay_store *base, uint32_t group, uint32_t *count);
tw_err tw_relay_sqlite_is_member(tw_relay_store *base, uint32_t group, const tw_fingerprint *id, bool *member);
tw_err tw_relay_sqlite_members(tw_relay_store *base, uint32_t group, tw_relay_reach reach, void *ctx);
tw_err tw_relay_sqlite_groups_of(tw_relay_store *base, const tw_fingerprint *id, tw_relay_reach reach, void *ctx);
tw_err tw_relay_sqlite_group_commit(tw_relay_store *base, const tw_relay_commit *commit, const tw_relay_room *room,
                                    uint64_t now_ms, tw_relay_reach reach, void *ctx, bool *applied);
tw_err tw_relay_sqlite_group_send(tw_relay_store *base, uint32_t group, const tw_relay_mail *mail,
                                  const tw_relay_room *room, uint64_t now_ms, tw_relay_reach reach, void *ctx);
tw_err tw_relay_sqlite_past(tw_relay_store *base, uint32_t group, uint64_t epoch, tw_relay_past *past, tw_buf *out,
                            bool *found);

tw_err tw_relay_sqlite_admit(tw_relay_store *base, const tw_fingerprint *id, const tw_relay_admission *admission);
tw_err tw_relay_sqlite_dismiss(tw_relay_store *base, const tw_fingerprint *id, const tw_fingerprint *inviter,
                               bool *found);
tw_err tw_relay_sqlite_admitted(tw_relay_store *base, const tw_fingerprint *id, uint64_t now, uint32_t index,
                                tw_relay_admission *admission, bool *found);
tw_err tw_relay_sqlite_admitted_count(tw_relay_store *base, const tw_fingerprint *inviter, const tw_fingerprint *except,
                                      uint64_t now, uint32_t *count);

tw_err tw_relay_sqlite_sweep_clients(tw_relay_store *base, const tw_relay_ages *ages, uint32_t most, uint32_t *after);
tw_err tw_relay_sqlite_sweep_groups(tw_relay_store *base, const tw_relay_ages *ages, uint32_t most, uint32_t *after);

/* ---- within an operation ---- */

/* A message that is in no mailbox yet: its id. */
TW_MUST_USE tw_err tw_relay_message_add(tw_relay_sqlite *store, const tw_relay_mail *mail, uint64_t now_ms,
                                        uint64_t *message);
TW_MUST_USE tw_err tw_relay_message_refs(tw_relay_sqlite *store, uint64_t message, uint64_t refs);
/* One holder less; without any it goes. */
TW_MUST_USE tw_err tw_relay_message_let_go(tw_relay_sqlite *store, uint64_t message);
/* One of `len` bytes into one mailbox, which is one of those holders that were told before. */
TW_MUST_USE tw_err tw_relay_message_put(tw_relay_sqlite *store, uint32_t number, uint64_t message, size_t len);
/* Delete from the front: entries up to the number `upto`, and those that came before `before_ms`. */
TW_MUST_USE tw_err tw_relay_mail_cut(tw_relay_sqlite *store, uint32_t number, uint64_t upto, uint64_t before_ms);

/* The commits of epochs below `before` are not remembered any more. */
TW_MUST_USE tw_err tw_relay_commits_forget(tw_relay_sqlite *store, uint32_t group, uint64_t before);

#endif
