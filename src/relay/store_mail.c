/* Mailboxes in the store over SQLite. SPDX-License-Identifier: Apache-2.0 */
#include "relay/store_parts.h"

tw_err tw_relay_message_add(tw_relay_sqlite *store, const tw_relay_mail *mail, uint64_t now_ms, uint64_t *message) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MESSAGE_ADD);
  tw_relay_query_number(&q, mail->kind);
  tw_relay_query_bytes(&q, TW_ARRAY(mail->from.digest));
  tw_relay_query_bytes(&q, mail->group_id);
  tw_relay_query_number(&q, mail->epoch);
  tw_relay_query_number(&q, now_ms);
  tw_relay_query_number(&q, mail->message.len + TW_RELAY_ENTRY_COST);
  TW_TRY(tw_relay_query_run(&q));
  *message = (uint64_t)sqlite3_last_insert_rowid(store->db);
  q = tw_relay_query_of(store, TW_RELAY_MESSAGE_BODY);
  tw_relay_query_number(&q, *message);
  tw_relay_query_bytes(&q, mail->message);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_message_refs(tw_relay_sqlite *store, uint64_t message, uint64_t refs) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MESSAGE_REFS);
  tw_relay_query_number(&q, message);
  tw_relay_query_number(&q, refs);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_message_let_go(tw_relay_sqlite *store, uint64_t message) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MESSAGE_LESS);
  tw_relay_query_number(&q, message);
  if (!tw_relay_query_row(&q) && q.result == SQLITE_DONE) q.result = SQLITE_CORRUPT; /* it had a holder */
  const bool last = q.result == SQLITE_ROW && (int64_t)tw_relay_column_number(&q, 0) <= 0;
  TW_TRY(tw_relay_query_run(&q));
  if (!last) return TW_OK;
  q = tw_relay_query_of(store, TW_RELAY_MESSAGE_DROP);
  tw_relay_query_number(&q, message);
  TW_TRY(tw_relay_query_run(&q));
  q = tw_relay_query_of(store, TW_RELAY_BODY_DROP);
  tw_relay_query_number(&q, message);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_message_put(tw_relay_sqlite *store, uint32_t number, uint64_t message, size_t len) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_CLIENT_GOT);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, len + TW_RELAY_ENTRY_COST);
  tw_relay_query_number(&q, store->first_number);
  if (!tw_relay_query_row(&q) && q.result == SQLITE_DONE) q.result = SQLITE_CORRUPT; /* nobody has this number */
  const uint64_t last = q.result == SQLITE_ROW ? tw_relay_column_number(&q, 0) : 0;
  TW_TRY(tw_relay_query_run(&q));
  q = tw_relay_query_of(store, TW_RELAY_MAIL_ADD);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, last);
  tw_relay_query_number(&q, message);
  return tw_relay_query_run(&q);
}

static tw_err put(tw_relay_sqlite *store, uint32_t number, const tw_relay_mail *mail, uint64_t now_ms) {
  uint64_t message = 0;
  TW_TRY(tw_relay_message_add(store, mail, now_ms, &message));
  TW_TRY(tw_relay_message_refs(store, message, 1));
  return tw_relay_message_put(store, number, message, mail->message.len);
}

tw_err tw_relay_sqlite_send(tw_relay_store *base, uint32_t number, const tw_relay_mail *mail, uint64_t now_ms) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, put(store, number, mail, now_ms));
}

typedef struct first {
  uint64_t number;
  uint64_t message;
  uint64_t cost;
  uint64_t at_ms;
} first;

static tw_err first_of(tw_relay_sqlite *store, uint32_t client, first *entry, bool *found) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MAIL_FIRST);
  tw_relay_query_number(&q, client);
  *found = tw_relay_query_row(&q);
  if (*found)
    *entry = (first){tw_relay_column_number(&q, 0), tw_relay_column_number(&q, 1), tw_relay_column_number(&q, 2),
                     tw_relay_column_number(&q, 3)};
  return tw_relay_query_end(&q);
}

tw_err tw_relay_mail_cut(tw_relay_sqlite *store, uint32_t number, uint64_t upto, uint64_t before_ms) {
  uint64_t bytes = 0;
  uint64_t entries = 0;
  for (;;) {
    first entry;
    bool found;
    TW_TRY(first_of(store, number, &entry, &found));
    if (!found || (entry.number > upto && entry.at_ms >= before_ms)) break;
    tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MAIL_DROP);
    tw_relay_query_number(&q, number);
    tw_relay_query_number(&q, entry.number);
    TW_TRY(tw_relay_query_run(&q));
    TW_TRY(tw_relay_message_let_go(store, entry.message));
    bytes += entry.cost;
    entries++;
  }
  if (entries == 0) return TW_OK;
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_CLIENT_LESS);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, bytes);
  tw_relay_query_number(&q, entries);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_sqlite_acknowledge(tw_relay_store *base, uint32_t number, uint64_t upto) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, tw_relay_mail_cut(store, number, upto, 0));
}

static tw_err give(tw_relay_query *q, tw_relay_visit visit, void *ctx, bool *stop) {
  tw_relay_mail mail = {.kind = (uint8_t)tw_relay_column_number(q, 1),
                        .group_id = tw_relay_column_bytes(q, 3),
                        .epoch = tw_relay_column_number(q, 4),
                        .message = tw_relay_column_bytes(q, 5)};
  tw_relay_column_fixed(q, 2, mail.from.digest, sizeof mail.from.digest);
  if (q->result != SQLITE_ROW) return TW_OK; /* the query's end tells */
  const tw_err err = visit(ctx, tw_relay_column_number(q, 0), &mail, stop);
  return err == TW_OK ? TW_OK : tw_relay_fail(q->store, err);
}

tw_err tw_relay_sqlite_read(tw_relay_store *base, uint32_t number, uint64_t after, tw_relay_visit visit, void *ctx) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MAIL_READ);
  tw_relay_query_number(&q, number);
  tw_relay_query_number(&q, after);
  tw_err err = TW_OK;
  bool stop = false;
  while (err == TW_OK && !stop && tw_relay_query_row(&q)) err = give(&q, visit, ctx, &stop);
  const tw_err ended = tw_relay_query_end(&q);
  return tw_relay_operation_end(store, ended != TW_OK ? ended : err);
}
