/* Groups in the store over SQLite. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "relay/store_parts.h"

enum { ID = TW_FINGERPRINT_SIZE };

/* ---- members ---- */

static tw_err change_member(tw_relay_sqlite *store, tw_relay_statement statement, uint32_t group, tw_bytes id) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  tw_relay_query_number(&q, group);
  tw_relay_query_bytes(&q, id);
  return tw_relay_query_run(&q);
}

/* The first member behind `after` (empty: of all). */
static tw_err next_member(tw_relay_sqlite *store, uint32_t group, tw_bytes after, uint8_t id[ID], bool *found) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MEMBER_EACH);
  tw_relay_query_number(&q, group);
  tw_relay_query_bytes(&q, after);
  uint8_t next[ID] = {0};
  *found = tw_relay_query_row(&q);
  if (*found) tw_relay_column_fixed(&q, 0, next, ID);
  const tw_err err = tw_relay_query_end(&q);
  memcpy(id, next, ID);
  return err;
}

/* Both lists are in order: only what differs is written, which is little of a large group. */
static tw_err set_members(tw_relay_sqlite *store, uint32_t group, tw_bytes members) {
  uint8_t old[ID];
  bool found;
  size_t at = 0;
  TW_TRY(next_member(store, group, TW_NO_BYTES, old, &found));
  while (found || at < members.len) {
    const int order = !found ? 1 : at == members.len ? -1 : memcmp(old, members.ptr + at, ID);
    if (order < 0) TW_TRY(change_member(store, TW_RELAY_MEMBER_DROP, group, TW_ARRAY(old)));
    if (order > 0) TW_TRY(change_member(store, TW_RELAY_MEMBER_ADD, group, TW_BYTES(members.ptr + at, ID)));
    if (order >= 0) at += ID;
    if (order <= 0) {
      uint8_t after[ID];
      memcpy(after, old, ID);
      TW_TRY(next_member(store, group, TW_ARRAY(after), old, &found));
    }
  }
  return TW_OK;
}

tw_err tw_relay_sqlite_is_member(tw_relay_store *base, uint32_t group, const tw_fingerprint *id, bool *member) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MEMBER_IS);
  tw_relay_query_number(&q, group);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  *member = tw_relay_query_row(&q);
  return tw_relay_operation_end(store, tw_relay_query_end(&q));
}

tw_err tw_relay_sqlite_member_count(tw_relay_store *base, uint32_t group, uint32_t *count) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MEMBER_COUNT);
  tw_relay_query_number(&q, group);
  *count = tw_relay_query_row(&q) ? (uint32_t)tw_relay_column_number(&q, 0) : 0;
  return tw_relay_operation_end(store, tw_relay_query_end(&q));
}

tw_err tw_relay_sqlite_member_list(tw_relay_store *base, uint32_t group, tw_buf *out) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  const size_t before = out->len;
  tw_err err = TW_OK;
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MEMBER_LIST);
  tw_relay_query_number(&q, group);
  while (err == TW_OK && tw_relay_query_row(&q)) {
    uint8_t id[ID] = {0};
    tw_relay_column_fixed(&q, 0, id, ID);
    err = tw_buf_append(out, TW_ARRAY(id));
  }
  if (err != TW_OK) err = tw_relay_fail(store, err);
  const tw_err ended = tw_relay_query_end(&q);
  err = tw_relay_operation_end(store, ended != TW_OK ? ended : err);
  if (err != TW_OK) out->len = before;
  return err;
}

/* For each row of `q`, whose first column is a client's number, or a group's. Ends the query. */
static tw_err reach_all(tw_relay_query *q, tw_relay_reach reach, void *ctx, uint64_t *count) {
  tw_err err = TW_OK;
  for (*count = 0; err == TW_OK && tw_relay_query_row(q); ++*count) {
    err = reach(ctx, (uint32_t)tw_relay_column_number(q, 0));
    if (err != TW_OK) err = tw_relay_fail(q->store, err);
  }
  const tw_err ended = tw_relay_query_end(q);
  return ended != TW_OK ? ended : err;
}

tw_err tw_relay_sqlite_members(tw_relay_store *base, uint32_t group, tw_relay_reach reach, void *ctx) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  uint64_t count;
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MEMBER_KNOWN);
  tw_relay_query_number(&q, group);
  return tw_relay_operation_end(store, reach_all(&q, reach, ctx, &count));
}

tw_err tw_relay_sqlite_groups_of(tw_relay_store *base, const tw_fingerprint *id, tw_relay_reach reach, void *ctx) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  uint64_t count;
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_MEMBER_OF);
  tw_relay_query_bytes(&q, TW_ARRAY(id->digest));
  return tw_relay_operation_end(store, reach_all(&q, reach, ctx, &count));
}

/* ---- opening and finding ---- */

static tw_err find(tw_relay_sqlite *store, tw_relay_statement statement, tw_bytes key, tw_relay_group *group,
                   bool *found) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  tw_relay_query_bytes(&q, key);
  *found = tw_relay_query_row(&q);
  if (*found) {
    group->number = (uint32_t)tw_relay_column_number(&q, 0);
    group->epoch = tw_relay_column_number(&q, 1);
    tw_relay_column_fixed(&q, 2, group->opener.digest, sizeof group->opener.digest);
    tw_relay_column_fixed(&q, 3, group->opened, sizeof group->opened);
  }
  return tw_relay_query_end(&q);
}

tw_err tw_relay_sqlite_group_find(tw_relay_store *base, tw_bytes name, tw_bytes group_id, tw_relay_group *group,
                                  bool *found) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  const tw_err err = name.len > 0 ? find(store, TW_RELAY_GROUP_BY_NAME, name, group, found)
                                  : find(store, TW_RELAY_GROUP_BY_ID, group_id, group, found);
  return tw_relay_operation_end(store, err);
}

static tw_err open_group(tw_relay_sqlite *store, const tw_relay_opening *opening, uint32_t *number, bool *taken) {
  tw_relay_group group;
  TW_TRY(find(store, TW_RELAY_GROUP_BY_NAME, opening->name, &group, taken));
  if (!*taken) TW_TRY(find(store, TW_RELAY_GROUP_BY_ID, opening->group_id, &group, taken));
  if (*taken) return TW_OK;
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_GROUP_ADD);
  tw_relay_query_bytes(&q, opening->group_id);
  tw_relay_query_bytes(&q, opening->name);
  tw_relay_query_number(&q, opening->epoch);
  tw_relay_query_bytes(&q, TW_ARRAY(opening->opener.digest));
  tw_relay_query_bytes(&q, TW_BYTES(opening->opened, TW_RELAY_HASH));
  tw_relay_query_bytes(&q, opening->group_info);
  tw_relay_query_bytes(&q, opening->tree);
  TW_TRY(tw_relay_query_run(&q));
  const sqlite3_int64 made = sqlite3_last_insert_rowid(store->db);
  if (made > TW_RELAY_NUMBER_MAX) return tw_relay_fail(store, TW_ERR_LIMIT);
  *number = (uint32_t)made;
  return set_members(store, *number, opening->members);
}

tw_err tw_relay_sqlite_group_open(tw_relay_store *base, const tw_relay_opening *opening, uint32_t *number,
                                  bool *taken) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, open_group(store, opening, number, taken));
}

static tw_err forward_group(tw_relay_sqlite *store, uint32_t group, uint64_t epoch, const tw_relay_opening *opening,
                            bool *applied) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_GROUP_FORWARD);
  tw_relay_query_number(&q, group);
  tw_relay_query_number(&q, epoch);
  tw_relay_query_number(&q, opening->epoch);
  tw_relay_query_bytes(&q, opening->group_info);
  tw_relay_query_bytes(&q, opening->tree);
  TW_TRY(tw_relay_query_run(&q));
  *applied = sqlite3_changes(store->db) == 1;
  return *applied ? set_members(store, group, opening->members) : TW_OK;
}

tw_err tw_relay_sqlite_group_forward(tw_relay_store *base, uint32_t group, uint64_t epoch,
                                     const tw_relay_opening *opening, bool *applied) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, forward_group(store, group, epoch, opening, applied));
}

static tw_err read_group(tw_relay_query *q, tw_buf *out, tw_relay_lengths *lengths) {
  const tw_bytes id = tw_relay_column_bytes(q, 0);
  const tw_bytes info = tw_relay_column_bytes(q, 1);
  const tw_bytes tree = tw_relay_column_bytes(q, 2);
  *lengths = (tw_relay_lengths){.group_id = id.len, .group_info = info.len, .tree = tree.len};
  TW_TRY(tw_buf_append(out, id));
  TW_TRY(tw_buf_append(out, info));
  return tw_buf_append(out, tree);
}

tw_err tw_relay_sqlite_group_read(tw_relay_store *base, uint32_t group, bool tree, tw_buf *out,
                                  tw_relay_lengths *lengths) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  const size_t before = out->len;
  tw_err err = TW_OK;
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_GROUP_READ);
  tw_relay_query_number(&q, group);
  tw_relay_query_number(&q, tree ? 1 : 0);
  if (tw_relay_query_row(&q)) {
    err = read_group(&q, out, lengths);
    if (err != TW_OK) err = tw_relay_fail(store, err);
  } else if (q.result == SQLITE_DONE) {
    q.result = SQLITE_CORRUPT; /* it was just found */
  }
  const tw_err ended = tw_relay_query_end(&q);
  err = tw_relay_operation_end(store, ended != TW_OK ? ended : err);
  if (err != TW_OK) out->len = before;
  return err;
}

tw_err tw_relay_sqlite_group_count(tw_relay_store *base, const tw_fingerprint *opener, uint32_t *count) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_GROUP_COUNT);
  tw_relay_query_bytes(&q, TW_ARRAY(opener->digest));
  *count = tw_relay_query_row(&q) ? (uint32_t)tw_relay_column_number(&q, 0) : 0;
  return tw_relay_operation_end(store, tw_relay_query_end(&q));
}

/* ---- to all members ---- */

/* Parameters 1 to 5 of what is sent to whom. */
static tw_relay_query fan(tw_relay_sqlite *store, tw_relay_statement statement, uint32_t group,
                          const tw_relay_mail *mail, const tw_relay_room *room) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  tw_relay_query_number(&q, group);
  tw_relay_query_bytes(&q, TW_ARRAY(mail->from.digest));
  tw_relay_query_number(&q, mail->message.len + TW_RELAY_ENTRY_COST);
  tw_relay_query_number(&q, room->bytes);
  tw_relay_query_number(&q, room->entries);
  return q;
}

/* `keep`: one holder more, beside the mailboxes. Without any the message is not kept. */
static tw_err fan_out(tw_relay_sqlite *store, uint32_t group, const tw_relay_mail *mail, const tw_relay_room *room,
                      uint64_t now_ms, bool keep, tw_relay_reach reach, void *ctx, uint64_t *message) {
  uint64_t count;
  TW_TRY(tw_relay_message_add(store, mail, now_ms, message));
  tw_relay_query q = fan(store, TW_RELAY_FAN_OUT, group, mail, room);
  tw_relay_query_number(&q, *message);
  tw_relay_query_number(&q, store->first_number);
  TW_TRY(reach_all(&q, reach, ctx, &count));
  q = fan(store, TW_RELAY_FAN_COUNT, group, mail, room);
  tw_relay_query_number(&q, store->first_number);
  TW_TRY(tw_relay_query_run(&q));
  count += keep ? 1 : 0;
  if (count > 0) return tw_relay_message_refs(store, *message, count);
  return tw_relay_message_let_go(store, *message);
}

tw_err tw_relay_sqlite_group_send(tw_relay_store *base, uint32_t group, const tw_relay_mail *mail,
                                  const tw_relay_room *room, uint64_t now_ms, tw_relay_reach reach, void *ctx) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  uint64_t message;
  TW_TRY(tw_relay_operation_begin(store));
  return tw_relay_operation_end(store, fan_out(store, group, mail, room, now_ms, false, reach, ctx, &message));
}

static tw_err change_past(tw_relay_sqlite *store, tw_relay_statement statement, uint32_t group, uint64_t epoch) {
  tw_relay_query q = tw_relay_query_of(store, statement);
  tw_relay_query_number(&q, group);
  tw_relay_query_number(&q, epoch);
  return tw_relay_query_run(&q);
}

tw_err tw_relay_commits_forget(tw_relay_sqlite *store, uint32_t group, uint64_t before) {
  for (;;) {
    tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PAST_FIRST);
    tw_relay_query_number(&q, group);
    const bool found = tw_relay_query_row(&q);
    const uint64_t epoch = found ? tw_relay_column_number(&q, 0) : 0;
    const uint64_t message = found ? tw_relay_column_number(&q, 1) : 0;
    TW_TRY(tw_relay_query_end(&q));
    if (!found || epoch >= before) return TW_OK;
    TW_TRY(change_past(store, TW_RELAY_PAST_DROP, group, epoch));
    if (message != 0) TW_TRY(tw_relay_message_let_go(store, message));
  }
}

/* The oldest commit that has its message, where all those but the newest of all are more than `most`; else `*found` is
 * false. */
static tw_err find_too_much(tw_relay_sqlite *store, uint32_t group, uint64_t most, uint64_t *epoch, uint64_t *message,
                            bool *found) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PAST_SIZES);
  tw_relay_query_number(&q, group);
  uint64_t all = 0;
  for (bool newest = true; tw_relay_query_row(&q); newest = false) {
    *epoch = tw_relay_column_number(&q, 0);
    *message = tw_relay_column_number(&q, 1);
    if (!newest) all += tw_relay_column_number(&q, 2);
  }
  *found = all > most;
  return tw_relay_query_end(&q);
}

/* Messages go, and what they hash to stays: so a commit whose answer was lost is known again. */
static tw_err strip_commits(tw_relay_sqlite *store, uint32_t group, uint64_t most) {
  for (;;) {
    uint64_t epoch = 0;
    uint64_t message = 0;
    bool found;
    TW_TRY(find_too_much(store, group, most, &epoch, &message, &found));
    if (!found) return TW_OK;
    TW_TRY(change_past(store, TW_RELAY_PAST_STRIP, group, epoch));
    TW_TRY(tw_relay_message_let_go(store, message));
  }
}

static tw_err commit_within(tw_relay_sqlite *store, const tw_relay_commit *commit, const tw_relay_room *room,
                            uint64_t now_ms, tw_relay_reach reach, void *ctx, bool *applied) {
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_GROUP_SET);
  tw_relay_query_number(&q, commit->group);
  tw_relay_query_number(&q, commit->commit.epoch);
  tw_relay_query_bytes(&q, commit->group_info);
  tw_relay_query_bytes(&q, commit->tree);
  TW_TRY(tw_relay_query_run(&q));
  *applied = sqlite3_changes(store->db) == 1;
  if (!*applied) return TW_OK;
  uint64_t message;
  TW_TRY(fan_out(store, commit->group, &commit->commit, room, now_ms, true, reach, ctx, &message));
  q = tw_relay_query_of(store, TW_RELAY_PAST_ADD);
  tw_relay_query_number(&q, commit->group);
  tw_relay_query_number(&q, commit->commit.epoch);
  tw_relay_query_bytes(&q, TW_BYTES(commit->hash, TW_RELAY_HASH));
  tw_relay_query_bytes(&q, TW_ARRAY(commit->commit.from.digest));
  tw_relay_query_number(&q, message);
  TW_TRY(tw_relay_query_run(&q));
  const uint64_t next = commit->commit.epoch + 1;
  TW_TRY(tw_relay_commits_forget(store, commit->group, next > commit->remembered ? next - commit->remembered : 0));
  TW_TRY(strip_commits(store, commit->group, commit->remembered_bytes));
  return set_members(store, commit->group, commit->members);
}

/* The messages of kind `welcome`, each to its receivers alone. */
static tw_err welcome_all(tw_relay_sqlite *store, const tw_relay_commit *commit, uint8_t kind, uint64_t now_ms,
                          tw_relay_reach reach, void *ctx) {
  uint64_t message = 0;
  for (size_t i = 0, last = 0; i < commit->welcome_count; i++) {
    const tw_relay_welcome *welcome = &commit->welcomes[i];
    tw_relay_mail mail = commit->commit;
    mail.kind = kind;
    mail.epoch++;
    mail.message = welcome->message;
    if (i == last) {
      while (last < commit->welcome_count && commit->welcomes[last].message.ptr == welcome->message.ptr) last++;
      TW_TRY(tw_relay_message_add(store, &mail, now_ms, &message));
      TW_TRY(tw_relay_message_refs(store, message, last - i));
    }
    TW_TRY(tw_relay_message_put(store, welcome->to, message, mail.message.len));
    const tw_err err = reach(ctx, welcome->to);
    if (err != TW_OK) return tw_relay_fail(store, err);
  }
  return TW_OK;
}

tw_err tw_relay_sqlite_group_commit(tw_relay_store *base, const tw_relay_commit *commit, const tw_relay_room *room,
                                    uint64_t now_ms, tw_relay_reach reach, void *ctx, bool *applied) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  TW_TRY(tw_relay_operation_begin(store));
  tw_err err = commit_within(store, commit, room, now_ms, reach, ctx, applied);
  if (err == TW_OK && *applied) err = welcome_all(store, commit, commit->welcome_kind, now_ms, reach, ctx);
  return tw_relay_operation_end(store, err);
}

tw_err tw_relay_sqlite_past(tw_relay_store *base, uint32_t group, uint64_t epoch, tw_relay_past *past, tw_buf *out,
                            bool *found) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  tw_err err = TW_OK;
  TW_TRY(tw_relay_operation_begin(store));
  tw_relay_query q = tw_relay_query_of(store, TW_RELAY_PAST_FIND);
  tw_relay_query_number(&q, group);
  tw_relay_query_number(&q, epoch);
  *found = tw_relay_query_row(&q);
  if (*found) {
    tw_relay_column_fixed(&q, 0, past->hash, sizeof past->hash);
    tw_relay_column_fixed(&q, 1, past->from.digest, sizeof past->from.digest);
    past->has_message = tw_relay_column_number(&q, 2) != 0;
    if (past->has_message && out != NULL) err = tw_buf_append(out, tw_relay_column_bytes(&q, 3));
    if (err != TW_OK) err = tw_relay_fail(store, err);
  }
  const tw_err ended = tw_relay_query_end(&q);
  return tw_relay_operation_end(store, ended != TW_OK ? ended : err);
}
