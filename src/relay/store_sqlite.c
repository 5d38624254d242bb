/* The delivery service's store over SQLite: its database, opening and flushing. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "crypto/crypto.h"
#include "relay/store_parts.h"

/*
 * A message is stored once, whatever the number of mailboxes that it is in: `mail` says in which, and `refs` how many
 * those are (and one more while `past` remembers it, where 0 stands for one that it does not have any more). `body` is
 * for itself, since a change of `refs` writes its row anew. A key package with number 0 is the last resort. Blobs of
 * members are fingerprints, not numbers: a client whose record went stays a member.
 */
static const tw_store_step steps[] = {
    {"CREATE TABLE client(number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, seen INTEGER NOT NULL,"
     " last INTEGER NOT NULL, bytes INTEGER NOT NULL, entries INTEGER NOT NULL) STRICT;"
     "CREATE TABLE package(client INTEGER NOT NULL, pool INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT "
     "NULL,"
     " body BLOB NOT NULL, PRIMARY KEY(client, pool, number)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE message(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, sender BLOB NOT NULL, group_id BLOB NOT NULL,"
     " epoch INTEGER NOT NULL, at INTEGER NOT NULL, cost INTEGER NOT NULL, refs INTEGER NOT NULL) STRICT;"
     "CREATE TABLE body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
     "CREATE TABLE mail(client INTEGER NOT NULL, number INTEGER NOT NULL, message INTEGER NOT NULL,"
     " PRIMARY KEY(client, number)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE party(number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, name BLOB NOT NULL UNIQUE,"
     " epoch INTEGER NOT NULL, opener BLOB NOT NULL, opened BLOB NOT NULL, info BLOB NOT NULL) STRICT;"
     "CREATE INDEX party_opener ON party(opener);"
     "CREATE TABLE member(party INTEGER NOT NULL, client BLOB NOT NULL, PRIMARY KEY(party, client))"
     " STRICT, WITHOUT ROWID;"
     "CREATE INDEX member_client ON member(client);"
     "CREATE TABLE past(party INTEGER NOT NULL, epoch INTEGER NOT NULL, hash BLOB NOT NULL, sender BLOB NOT NULL,"
     " message INTEGER NOT NULL, PRIMARY KEY(party, epoch)) STRICT, WITHOUT ROWID;"},
    {"CREATE TABLE admission(client BLOB NOT NULL, inviter BLOB NOT NULL, until INTEGER NOT NULL,"
     " guest INTEGER NOT NULL, PRIMARY KEY(client, inviter)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX admission_inviter ON admission(inviter);"},
    /* Before, `info` had the tree in it; that of an older group has it until the next commit. */
    {"ALTER TABLE party ADD COLUMN tree BLOB NOT NULL DEFAULT x'';"},
    /* Of mailboxes of before it is not known where they began: they have no gap until the next start. */
    {"ALTER TABLE client ADD COLUMN gap_after INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE client ADD COLUMN gap_before INTEGER NOT NULL DEFAULT 0;"},
};
static const tw_store_schema schema = {TW_RELAY_APPLICATION, steps, sizeof steps / sizeof steps[0]};

#define HOLDS "(until=0 OR until>"
#define RECEIVERS "member.party=?1 AND member.client<>?2"
#define MESSAGE_OF_MAIL " JOIN message ON message.id=mail.message"
#define HAS_ROOM "bytes+?3<=?4 AND entries<?5"
/* The number of the next entry; what is passed over is a gap. `first` is a parameter. */
#define COUNT_ON(first)                                                                                                \
  "gap_after=iif(last+1<" first ", last, gap_after), gap_before=iif(last+1<" first ", " first ", gap_before),"         \
  " last=max(last+1, " first ")"

/* Each a structure of its own, for the linter that finds missing commas between strings. */
static const tw_store_step texts[TW_RELAY_STATEMENTS] = {
    [TW_RELAY_BEGIN] = {"BEGIN IMMEDIATE"},
    [TW_RELAY_COMMIT] = {"COMMIT"},
    [TW_RELAY_ROLLBACK] = {"ROLLBACK"},
    [TW_RELAY_MARK] = {"SAVEPOINT operation"},
    [TW_RELAY_KEEP] = {"RELEASE operation"},
    [TW_RELAY_BACK] = {"ROLLBACK TO operation"},
    [TW_RELAY_CLIENT_FIND] =
        {"SELECT number, last, bytes, entries, seen, gap_after, gap_before FROM client WHERE id=?1"},
    [TW_RELAY_CLIENT_ADD] = {"INSERT INTO client VALUES(NULL, ?1, ?2, ?3, 0, 0, 0, ?3+1)"},
    [TW_RELAY_CLIENT_SEEN] = {"UPDATE client SET seen=?2 WHERE number=?1"},
    [TW_RELAY_CLIENT_GOT] = {"UPDATE client SET " COUNT_ON(
        "?3") ", bytes=bytes+?2, entries=entries+1 WHERE number=?1 RETURNING last"},
    [TW_RELAY_CLIENT_LESS] = {"UPDATE client SET bytes=bytes-?2, entries=entries-?3 WHERE number=?1"},
    [TW_RELAY_CLIENT_NEXT] = {"SELECT number, seen FROM client WHERE number>?1 ORDER BY number LIMIT 1"},
    [TW_RELAY_CLIENT_DROP] = {"DELETE FROM client WHERE number=?1"},
    [TW_RELAY_PACKAGE_LAST] = {"SELECT coalesce(max(number), 0) FROM package WHERE client=?1 AND pool=?2"},
    [TW_RELAY_PACKAGE_PUT] = {"INSERT OR REPLACE INTO package VALUES(?1, ?2, ?3, ?4, ?5)"},
    [TW_RELAY_PACKAGE_COUNT] = {"SELECT count(*) FROM package WHERE client=?1 AND pool=?2 AND number>0"},
    /* Number 0 comes first: the last resort, which is the only one that is wanted last. */
    [TW_RELAY_PACKAGE_FIRST] =
        {"SELECT number, body FROM package WHERE client=?1 AND pool=?2 AND number>=?3 ORDER BY number LIMIT 1"},
    [TW_RELAY_PACKAGE_DROP] = {"DELETE FROM package WHERE client=?1 AND pool=?2 AND number=?3"},
    [TW_RELAY_PACKAGES_CLEAR] = {"DELETE FROM package WHERE client=?1 AND pool=?2 AND number>0"},
    [TW_RELAY_PACKAGES_OLD] = {"DELETE FROM package WHERE client=?1 AND number>0 AND at<?2"},
    [TW_RELAY_PACKAGES_DROP] = {"DELETE FROM package WHERE client=?1"},
    [TW_RELAY_MESSAGE_ADD] = {"INSERT INTO message VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, 0)"},
    [TW_RELAY_MESSAGE_BODY] = {"INSERT INTO body VALUES(?1, ?2)"},
    [TW_RELAY_MESSAGE_REFS] = {"UPDATE message SET refs=refs+?2 WHERE id=?1"},
    [TW_RELAY_MESSAGE_LESS] = {"UPDATE message SET refs=refs-1 WHERE id=?1 RETURNING refs"},
    [TW_RELAY_MESSAGE_DROP] = {"DELETE FROM message WHERE id=?1"},
    [TW_RELAY_BODY_DROP] = {"DELETE FROM body WHERE id=?1"},
    [TW_RELAY_MAIL_ADD] = {"INSERT INTO mail VALUES(?1, ?2, ?3)"},
    [TW_RELAY_MAIL_READ] = {"SELECT mail.number, kind, sender, group_id, epoch, bytes FROM mail" MESSAGE_OF_MAIL
                            " JOIN body ON body.id=mail.message WHERE mail.client=?1 AND mail.number>?2"
                            " ORDER BY mail.number"},
    [TW_RELAY_MAIL_FIRST] = {"SELECT mail.number, message, cost, at FROM mail" MESSAGE_OF_MAIL
                             " WHERE mail.client=?1 ORDER BY mail.number LIMIT 1"},
    [TW_RELAY_MAIL_DROP] = {"DELETE FROM mail WHERE client=?1 AND number=?2"},
    [TW_RELAY_GROUP_ADD] = {"INSERT INTO party VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
    [TW_RELAY_GROUP_BY_NAME] = {"SELECT number, epoch, opener, opened FROM party WHERE name=?1"},
    [TW_RELAY_GROUP_BY_ID] = {"SELECT number, epoch, opener, opened FROM party WHERE id=?1"},
    [TW_RELAY_GROUP_READ] = {"SELECT id, info, CASE WHEN ?2 THEN tree ELSE x'' END FROM party WHERE number=?1"},
    [TW_RELAY_GROUP_COUNT] = {"SELECT count(*) FROM party WHERE opener=?1"},
    [TW_RELAY_GROUP_SET] = {"UPDATE party SET epoch=?2+1, info=?3, tree=?4 WHERE number=?1 AND epoch=?2"},
    [TW_RELAY_GROUP_FORWARD] = {"UPDATE party SET epoch=?3, info=?4, tree=?5 WHERE number=?1 AND epoch=?2"},
    [TW_RELAY_GROUP_NEXT] = {"SELECT number FROM party WHERE number>?1 ORDER BY number LIMIT 1"},
    [TW_RELAY_GROUP_DROP] = {"DELETE FROM party WHERE number=?1"},
    [TW_RELAY_MEMBER_COUNT] = {"SELECT count(*) FROM member WHERE party=?1"},
    [TW_RELAY_MEMBER_IS] = {"SELECT 1 FROM member WHERE party=?1 AND client=?2"},
    [TW_RELAY_MEMBER_EACH] = {"SELECT client FROM member WHERE party=?1 AND client>?2 ORDER BY client LIMIT 1"},
    [TW_RELAY_MEMBER_LIST] = {"SELECT client FROM member WHERE party=?1 ORDER BY client"},
    [TW_RELAY_MEMBER_KNOWN] =
        {"SELECT client.number FROM member JOIN client ON client.id=member.client WHERE member.party=?1"},
    [TW_RELAY_MEMBER_OF] = {"SELECT party FROM member WHERE client=?1"},
    [TW_RELAY_MEMBER_ADD] = {"INSERT INTO member VALUES(?1, ?2)"},
    [TW_RELAY_MEMBER_DROP] = {"DELETE FROM member WHERE party=?1 AND client=?2"},
    [TW_RELAY_MEMBERS_DROP] = {"DELETE FROM member WHERE party=?1"},
    [TW_RELAY_FAN_OUT] = {"INSERT INTO mail SELECT client.number, max(client.last+1, ?7), ?6 FROM member"
                          " JOIN client ON client.id=member.client WHERE " RECEIVERS " AND " HAS_ROOM
                          " RETURNING client"},
    [TW_RELAY_FAN_COUNT] = {"UPDATE client SET " COUNT_ON(
        "?6") ", bytes=bytes+iif(" HAS_ROOM ", ?3, 0),"
              " entries=entries+iif(" HAS_ROOM ", 1, 0)"
              " WHERE id IN (SELECT member.client FROM member WHERE " RECEIVERS ")"},
    [TW_RELAY_PAST_ADD] = {"INSERT INTO past VALUES(?1, ?2, ?3, ?4, ?5)"},
    [TW_RELAY_PAST_FIND] = {"SELECT hash, sender, message, bytes FROM past LEFT JOIN body ON body.id=past.message"
                            " WHERE party=?1 AND epoch=?2"},
    [TW_RELAY_PAST_FIRST] = {"SELECT epoch, message FROM past WHERE party=?1 ORDER BY epoch LIMIT 1"},
    [TW_RELAY_PAST_SIZES] = {"SELECT past.epoch, past.message, cost FROM past JOIN message ON message.id=past.message"
                             " WHERE party=?1 ORDER BY past.epoch DESC"},
    [TW_RELAY_PAST_STRIP] = {"UPDATE past SET message=0 WHERE party=?1 AND epoch=?2"},
    [TW_RELAY_PAST_DROP] = {"DELETE FROM past WHERE party=?1 AND epoch=?2"},
    [TW_RELAY_ADMISSION_PUT] = {"INSERT OR REPLACE INTO admission VALUES(?1, ?2, ?3, ?4)"},
    [TW_RELAY_ADMISSION_DROP] = {"DELETE FROM admission WHERE client=?1 AND inviter=?2 RETURNING guest"},
    [TW_RELAY_ADMISSION_FIND] = {"SELECT inviter, until, guest FROM admission WHERE client=?1 AND " HOLDS "?2)"
                                 " ORDER BY guest, inviter LIMIT 1 OFFSET ?3"},
    [TW_RELAY_ADMISSION_COUNT] = {"SELECT count(*) FROM admission WHERE inviter=?1 AND client<>?2 AND " HOLDS "?3)"},
    [TW_RELAY_ADMISSIONS_OLD] = {"DELETE FROM admission WHERE until<>0 AND until<=?1"},
};

static tw_err sqlite_flush(tw_relay_store *base) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  tw_err err = store->lost;
  if (err == TW_OK && sqlite3_get_autocommit(store->db) == 0) {
    tw_relay_query commit = tw_relay_query_of(store, TW_RELAY_COMMIT);
    err = tw_relay_query_run(&commit);
  }
  store->lost = TW_OK;
  if (err == TW_OK) return TW_OK;
  const tw_report why = base->why;
  (void)!tw_store_sql_undo(store->db, err);
  base->why = why;
  return err;
}

static void sqlite_close(tw_relay_store *base) {
  tw_relay_sqlite *store = tw_relay_sqlite_of(base);
  for (size_t i = 0; i < TW_RELAY_STATEMENTS; i++) (void)sqlite3_finalize(store->statements[i]);
  (void)sqlite3_close(store->db);
  tw_store_place_leave(&store->place);
  tw_alloc_free(tw_env_alloc(store->env), store);
}

static const tw_relay_store_ops ops = {
    .close = sqlite_close,
    .flush = sqlite_flush,
    .enter = tw_relay_sqlite_enter,
    .find = tw_relay_sqlite_find,
    .publish = tw_relay_sqlite_publish,
    .stock = tw_relay_sqlite_stock,
    .take = tw_relay_sqlite_take,
    .send = tw_relay_sqlite_send,
    .acknowledge = tw_relay_sqlite_acknowledge,
    .read = tw_relay_sqlite_read,
    .group_open = tw_relay_sqlite_group_open,
    .group_forward = tw_relay_sqlite_group_forward,
    .group_find = tw_relay_sqlite_group_find,
    .group_read = tw_relay_sqlite_group_read,
    .member_list = tw_relay_sqlite_member_list,
    .group_count = tw_relay_sqlite_group_count,
    .member_count = tw_relay_sqlite_member_count,
    .is_member = tw_relay_sqlite_is_member,
    .members = tw_relay_sqlite_members,
    .groups_of = tw_relay_sqlite_groups_of,
    .group_commit = tw_relay_sqlite_group_commit,
    .group_send = tw_relay_sqlite_group_send,
    .past = tw_relay_sqlite_past,
    .admit = tw_relay_sqlite_admit,
    .dismiss = tw_relay_sqlite_dismiss,
    .admitted = tw_relay_sqlite_admitted,
    .admitted_count = tw_relay_sqlite_admitted_count,
    .sweep_clients = tw_relay_sqlite_sweep_clients,
    .sweep_groups = tw_relay_sqlite_sweep_groups,
};

static tw_err prepare(tw_relay_sqlite *store) {
  for (size_t i = 0; i < TW_RELAY_STATEMENTS; i++) {
    const int result = sqlite3_prepare_v3(store->db, texts[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                                          NULL);
    if (result != SQLITE_OK) return tw_relay_sqlite_fail(store, result);
  }
  return TW_OK;
}

/*
 * Mail is sealed by MLS: what is deleted need not be overwritten, as the node's secrets have to be. SQLite brings the
 * log into the database by itself, after a thousand pages.
 */
static const char settings[] = "PRAGMA secure_delete=OFF; PRAGMA wal_autocheckpoint=1000; PRAGMA cache_size=-16384";

static tw_err open_in(tw_relay_sqlite *store, const char *dir) {
  bool found;
  tw_report *report = &store->base.why;
  TW_TRY(tw_store_place_take(dir, &store->place, report));
  TW_TRY(tw_store_place_has(&store->place, TW_STORE_DB, &found, report));
  if (!found) TW_TRY(tw_store_database_create(&store->place, &schema, NULL, NULL, report));
  TW_TRY(tw_store_database_open(&store->place, &schema, &store->db, report));
  TW_TRY(tw_store_sql_run(store->db, settings, store->place.path, report));
  return prepare(store);
}

static tw_err open_in_memory(tw_relay_sqlite *store) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(":memory:", &store->db, flags, NULL);
  if (result != SQLITE_OK) return tw_relay_sqlite_fail(store, result);
  TW_TRY(tw_store_migrate(store->db, steps, schema.count, "in memory", &store->base.why));
  return prepare(store);
}

static tw_err open_store(const tw_env *env, const char *dir, tw_relay_store **store, tw_report *report) {
  *store = NULL;
  tw_relay_sqlite *made = tw_alloc_zero(tw_env_alloc(env), sizeof *made);
  if (made == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  made->base.ops = &ops;
  made->env = env;
  made->place = (tw_store_place){NULL, -1, -1};
  const tw_err err = dir == NULL ? open_in_memory(made) : open_in(made, dir);
  if (err != TW_OK) {
    if (report != NULL) *report = made->base.why;
    sqlite_close(&made->base);
    return err;
  }
  *store = &made->base;
  return TW_OK;
}

tw_err tw_relay_store_open(const tw_env *env, const char *dir, tw_relay_store **store, tw_report *report) {
  return open_store(env, dir, store, report);
}

tw_err tw_relay_store_memory(const tw_env *env, tw_relay_store **store, tw_report *report) {
  return open_store(env, NULL, store, report);
}
