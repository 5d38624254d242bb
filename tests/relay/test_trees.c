/* A group's tree and members at the relay: kept apart from its GroupInfo, and changed by patches. SPDX-License-Identifier: Apache-2.0 */
#include "relay/groups_kit.h"
#include "relay/store_parts.h"

static const tw_control_group *find(relay_kit *k) {
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  const tw_control_answer *answer = relay_do(k, 0, &request);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  return &answer->body.group_find;
}

static void expects_epoch(relay_kit *k, uint64_t epoch) {
  const tw_control_group *there = find(k);
  assert_int_equal(there->epoch, epoch);
  tw_test_same(there->group_info, relay_info(k, GROUP, epoch));
  tw_test_same(there->tree, relay_tree(k, epoch));
}

/* By what the relay itself has of the members: in the order of their ClientIds. */
static tw_bytes ordered(relay_kit *k, unsigned a, unsigned b, unsigned c) {
  const unsigned all[] = {a, b, c};
  unsigned order[3] = {0, 1, 2};
  tw_writer w = relay_make(k);
  for (unsigned i = 0; i < 3; i++)
    for (unsigned n = i + 1; n < 3; n++)
      if (relay_id(all[order[n]]).digest[0] < relay_id(all[order[i]]).digest[0]) {
        const unsigned kept = order[i];
        order[i] = order[n];
        order[n] = kept;
      }
  for (unsigned i = 0; i < 3; i++) tw_write_fixed(&w, TW_ARRAY(relay_id(all[order[i]]).digest));
  return relay_made(&w);
}

static void each_commit_goes_on_from_the_tree_and_the_members_that_there_are(void **state) {
  relay_kit *k = *state;
  open_three(k);
  expects_epoch(k, 7);
  for (uint64_t epoch = 7; epoch < 30; epoch++) {
    tw_control_request request = relay_commit_of(k, GROUP, epoch, "c", TW_NO_BYTES);
    const tw_bytes before = epoch == 7 ? ordered(k, 0, 1, 2) : ordered(k, 0, 1, 3 + (unsigned)(epoch - 1) % 2);
    request.body.group_commit.members = relay_patch(k, before, ordered(k, 0, 1, 3 + (unsigned)epoch % 2));
    assert_true(request.body.group_commit.tree.len < relay_tree(k, epoch).len / 2);
    relay_expects(k, 0, &request, TW_CONTROL_DONE);
    if (epoch % 5 == 0) relay_reopen(k);
    expects_epoch(k, epoch + 1);
  }
  commits(k, 3, 30, "out", relay_ids(k, 0, 1, 3, -1), TW_CONTROL_FORBIDDEN); /* the last one has brought in 4 */
  commits(k, 4, 30, "in", relay_ids(k, 0, 1, 4, -1), TW_CONTROL_DONE);
}

/* And the same commit is taken when all comes with it. */
static void expects_no_effect(relay_kit *k, tw_control_request *request, tw_bytes tree, tw_bytes members) {
  char text[512];
  relay_expects(k, 0, request, TW_CONTROL_UNFIT);
  expects_epoch(k, 7);
  assert_string_equal(mail_of(k, 1, text), "");
  request->body.group_commit.tree = relay_whole(k, tree);
  request->body.group_commit.members = relay_whole(k, members);
  relay_expects(k, 0, request, TW_CONTROL_DONE);
  expects_epoch(k, 8);
  assert_string_equal(mail_of(k, 1, text), "2:7:c");
  commits(k, 1, 8, "d", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE); /* whose patch fits again */
}

static void a_patch_of_another_tree_has_no_effect(void **state) {
  relay_kit *k = *state;
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "c", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.tree = relay_patch(k, relay_tree(k, 6), relay_tree(k, 8));
  expects_no_effect(k, &request, relay_tree(k, 8), relay_ids(k, 0, 1, 2, -1));
}

static void a_patch_of_other_members_has_no_effect(void **state) {
  relay_kit *k = *state;
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "c", TW_NO_BYTES);
  request.body.group_commit.members = relay_patch(k, ordered(k, 0, 2, 3), ordered(k, 0, 1, 2));
  expects_no_effect(k, &request, relay_tree(k, 8), relay_ids(k, 0, 1, 2, -1));
}

static void whether_it_fits_is_said_to_who_may_commit_and_comes_first(void **state) {
  relay_kit *k = *state;
  open_three(k);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "x", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.tree = relay_patch(k, relay_tree(k, 6), relay_tree(k, 8));
  relay_expects(k, 4, &request, TW_CONTROL_FORBIDDEN);
  relay_expects(k, 1, &request, TW_CONTROL_UNFIT);
  commits(k, 0, 7, "c", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  relay_expects(k, 1, &request, TW_CONTROL_TAKEN);
  request = relay_commit_of(k, GROUP, 7, "c", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.tree = relay_patch(k, relay_tree(k, 6), relay_tree(k, 8));
  relay_expects(k, 0, &request, TW_CONTROL_DONE); /* it was accepted, and is not looked at again */
  expects_epoch(k, 8);
}

static void what_is_no_patch_is_malformed(void **state) {
  relay_kit *k = *state;
  open_three(k);
  const tw_control_request good = relay_commit_of(k, GROUP, 7, "c", relay_ids(k, 0, 1, 2, -1));
  for (size_t len = 0; len < good.body.group_commit.tree.len; len++) {
    tw_control_request request = good;
    request.body.group_commit.tree.len = len;
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  }
  for (size_t len = 0; len < good.body.group_commit.members.len; len++) {
    tw_control_request request = good;
    request.body.group_commit.members.len = len;
    relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  }
  expects_epoch(k, 7);
  relay_expects(k, 0, &good, TW_CONTROL_DONE);
}

/* Copies of one kilobyte a thousand times: a patch that is small, and says much. */
static tw_bytes large_patch(relay_kit *k, uint32_t copy, unsigned times) {
  static const uint8_t hash[TW_CONTROL_PATCH_HASH];
  tw_writer w = relay_make(k);
  tw_write_fixed(&w, TW_ARRAY(hash));
  const tw_vector_mark parts = tw_write_open(&w);
  for (unsigned i = 0; i < times; i++) {
    tw_write_u32(&w, 0);
    tw_write_u32(&w, copy);
    tw_write_vector(&w, TW_NO_BYTES);
  }
  tw_write_close(&w, parts);
  return relay_made(&w);
}

static void group_info_and_tree_have_one_limit_however_small_the_patch(void **state) {
  relay_kit *k = *state;
  const uint32_t both = (uint32_t)(relay_info(k, GROUP, 7).len + relay_tree(k, 7).len);
  k->limits.members = 4;
  k->limits.message_bytes = both - 1;
  relay_reopen(k);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  tw_control_request request = relay_open_of(k, "net", GROUP, 7, relay_ids(k, 0, 1, 2, -1));
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  k->limits.message_bytes = both;
  relay_reopen(k);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  request = relay_commit_of(k, GROUP, 7, "c", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.tree = large_patch(k, 100, (both + 99) / 100);
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request.body.group_commit.tree = large_patch(k, UINT32_MAX, 100);
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request.body.group_commit.tree = large_patch(k, 100, 2); /* small enough, and of nothing */
  relay_expects(k, 0, &request, TW_CONTROL_UNFIT);
  request.body.group_commit.tree = relay_patch(k, relay_tree(k, 7), relay_tree(k, 8));
  request.body.group_commit.members = large_patch(k, 32, 5);
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  commits(k, 0, 7, "c", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  expects_epoch(k, 8);
}

static void the_tree_is_given_to_who_asks_for_it(void **state) {
  relay_kit *k = *state;
  open_three(k);
  expects_epoch(k, 7);
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find.name = TW_LITERAL("net"));
  const tw_control_answer *answer = relay_do(k, 4, &request);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  tw_test_same(answer->body.group_find.group_id, GROUP);
  tw_test_same(answer->body.group_find.group_info, relay_info(k, GROUP, 7));
  assert_int_equal(answer->body.group_find.tree.len, 0);
}

static void who_lies_spoils_the_copy_until_all_of_it_comes(void **state) {
  relay_kit *k = *state;
  open_three(k);
  tw_control_request lie = relay_commit_of(k, GROUP, 7, "a", relay_ids(k, 0, 1, 2, -1));
  lie.body.group_commit.tree = relay_patch(k, relay_tree(k, 7), TW_LITERAL("junk"));
  relay_expects(k, 2, &lie, TW_CONTROL_DONE);
  tw_test_same(find(k)->tree, TW_LITERAL("junk"));
  tw_control_request honest = relay_commit_of(k, GROUP, 8, "b", relay_ids(k, 0, 1, 2, -1));
  relay_expects(k, 0, &honest, TW_CONTROL_UNFIT);
  honest.body.group_commit.tree = relay_whole(k, relay_tree(k, 9));
  relay_expects(k, 0, &honest, TW_CONTROL_DONE);
  expects_epoch(k, 9);
  commits(k, 1, 9, "c", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
}

static void a_tree_may_be_empty(void **state) {
  relay_kit *k = *state;
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  tw_control_request request = relay_open_of(k, "net", GROUP, 7, relay_ids(k, 0, 1, 2, -1));
  request.body.group_open.tree = TW_NO_BYTES;
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_int_equal(find(k)->tree.len, 0);
  commits(k, 0, 7, "c", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_UNFIT);
  request = relay_commit_of(k, GROUP, 7, "c", relay_ids(k, 0, 1, 2, -1));
  request.body.group_commit.tree = relay_whole(k, TW_NO_BYTES);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  assert_int_equal(find(k)->tree.len, 0);
  assert_int_equal(find(k)->epoch, 8);
}

/* ---- a state of before ---- */

static const char version_2[] =
    "PRAGMA auto_vacuum=NONE; PRAGMA page_size=4096; PRAGMA application_id=1415008844;"
    "CREATE TABLE client(number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, seen INTEGER NOT NULL,"
    " last INTEGER NOT NULL, bytes INTEGER NOT NULL, entries INTEGER NOT NULL) STRICT;"
    "CREATE TABLE package(client INTEGER NOT NULL, pool INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,"
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
    " message INTEGER NOT NULL, PRIMARY KEY(party, epoch)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE admission(client BLOB NOT NULL, inviter BLOB NOT NULL, until INTEGER NOT NULL,"
    " guest INTEGER NOT NULL, PRIMARY KEY(client, inviter)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX admission_inviter ON admission(inviter);"
    "PRAGMA user_version=2";

static void insert(sqlite3 *db, const char *sql, tw_bytes blob) {
  sqlite3_stmt *statement;
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_bind_blob(statement, 1, blob.ptr, (int)blob.len, SQLITE_STATIC), SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
  assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

/* The group of open_three, in epoch 7, as the relay kept it then: with one message for its tree and all. */
static void make_version_2(relay_kit *k, const char *path) {
  sqlite3 *db;
  assert_int_equal(unlink(path), 0);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, version_2, NULL, NULL, NULL), SQLITE_OK);
  insert(db,
         "INSERT INTO party VALUES(NULL, CAST('group id' AS BLOB), CAST('net' AS BLOB), 7, zeroblob(32), zeroblob(32),"
         " ?1)",
         relay_info(k, GROUP, 7));
  for (unsigned i = 0; i < 3; i++) {
    insert(db, "INSERT INTO member VALUES(1, ?1)", TW_ARRAY(relay_id(i).digest));
    insert(db, "INSERT INTO client VALUES(NULL, ?1, 1800000000000, 0, 0, 0)", TW_ARRAY(relay_id(i).digest));
  }
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  assert_int_equal(chmod(path, 0600), 0);
}

static void a_group_of_before_goes_on_with_its_first_whole_tree(void **state) {
  (void)state;
  relay_kit *k = relay_new(true, 3);
  char path[KIT_PATH];
  relay_close(k);
  make_version_2(k, kit_file(&k->at, TW_STORE_DB, path));
  relay_open(k);
  const tw_control_group *there = find(k);
  tw_test_same(there->group_id, GROUP);
  tw_test_same(there->group_info, relay_info(k, GROUP, 7)); /* with its tree in it */
  assert_int_equal(there->tree.len, 0);
  assert_true(there->member);
  tw_control_request request = relay_commit_of(k, GROUP, 7, "c", TW_NO_BYTES);
  request.body.group_commit.members = relay_patch(k, ordered(k, 0, 1, 2), ordered(k, 0, 1, 2));
  relay_expects(k, 0, &request, TW_CONTROL_UNFIT);
  relay_reopen(k);
  request.body.group_commit.tree = relay_whole(k, relay_tree(k, 8));
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  relay_reopen(k);
  expects_epoch(k, 8);
  commits(k, 1, 8, "d", relay_ids(k, 0, 1, 2, -1), TW_CONTROL_DONE);
  relay_free(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(each_commit_goes_on_from_the_tree_and_the_members_that_there_are),
      RELAY_BOTH(a_patch_of_another_tree_has_no_effect),
      RELAY_BOTH(a_patch_of_other_members_has_no_effect),
      RELAY_BOTH(whether_it_fits_is_said_to_who_may_commit_and_comes_first),
      RELAY_BOTH(what_is_no_patch_is_malformed),
      RELAY_BOTH(group_info_and_tree_have_one_limit_however_small_the_patch),
      RELAY_BOTH(the_tree_is_given_to_who_asks_for_it),
      RELAY_BOTH(who_lies_spoils_the_copy_until_all_of_it_comes),
      RELAY_BOTH(a_tree_may_be_empty),
      cmocka_unit_test(a_group_of_before_goes_on_with_its_first_whole_tree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
