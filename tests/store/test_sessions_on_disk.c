/* Forward secrecy holds on the disk: what an epoch was made of is gone with it. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_kit.h"

#include "mls/group.h"
#include "pair/pair_internal.h"
#include "support/tw_test_pair.h"

enum { SECRETS_MAX = 4000 };

typedef struct noted {
  uint8_t bytes[TW_SECRET_MAX];
  size_t len;
} noted;

/* One side's session in a state of its own, and every secret that it ever had. */
typedef struct side {
  kit k;
  tw_store *store;
  noted secrets[SECRETS_MAX];
  size_t count;
} side;

static tw_test_pair t;

static void note(side *s, tw_bytes secret) {
  if (secret.len == 0) return;
  for (size_t i = 0; i < s->count; i++)
    if (tw_bytes_equal(TW_BYTES(s->secrets[i].bytes, s->secrets[i].len), secret)) return;
  assert_true(s->count < SECRETS_MAX);
  noted *n = &s->secrets[s->count++];
  memcpy(n->bytes, secret.ptr, secret.len);
  n->len = secret.len;
}

/* The secrets of one epoch; the resumption PSK is kept for three more (limits.past_epochs) and left out here. */
static void note_group(side *s, const tw_group *group) {
  if (group == NULL) return;
  const tw_epoch_secrets *e = &group->secrets;
  const tw_secret *const all[] = {
      &e->sender_data_secret, &e->exporter_secret,     &e->external_secret, &e->confirmation_key,
      &e->membership_key,     &e->epoch_authenticator, &e->init_secret,     &e->application_export_secret,
      &group->priv.leaf_key};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) note(s, tw_secret_bytes(all[i]));
  for (uint32_t i = 0; i < group->priv.count; i++) note(s, tw_secret_bytes(&group->priv.keys[i].private_key));
}

/* As the program does it: one write before anything leaves, then what it replaced is overwritten. */
static void save(side *s, const tw_pair *pair) {
  tw_buf saved = {0};
  note_group(s, pair->group);
  note_group(s, pair->pending);
  assert_int_equal(tw_pair_save(pair, &saved), TW_OK);
  const tw_store_change change = {
      .kind = TW_STORE_SESSION, .id = tw_group_id(tw_pair_group(pair)), .value = tw_buf_bytes(&saved)};
  if (tw_store_apply(s->store, &change, 1, &s->k.report) != TW_OK) fail_msg("%s", s->k.report.text);
  if (tw_store_tidy(s->store, &s->k.report) != TW_OK) fail_msg("%s", s->k.report.text);
  tw_buf_clear(&saved);
}

static bool is_in(tw_bytes all, const noted *secret) {
  return all.ptr != NULL && all.len >= secret->len && memmem(all.ptr, all.len, secret->bytes, secret->len) != NULL;
}

static void read_files(const side *s, tw_buf *all) {
  static const char *const names[] = {"state.db", "state.db-wal", "lock"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[KIT_PATH];
    if (access(kit_file(&s->k, names[i], path), F_OK) == 0) kit_slurp(path, all);
  }
}

/* In the files is what the session needs, and nothing that it needed before. */
static void assert_only_the_present(side *s, const tw_pair *pair) {
  tw_buf blob = {0}, files = {0};
  size_t live = 0;
  assert_int_equal(tw_pair_save(pair, &blob), TW_OK);
  read_files(s, &files);
  for (size_t i = 0; i < s->count; i++) {
    const bool needed = is_in(tw_buf_bytes(&blob), &s->secrets[i]);
    const bool there = is_in(tw_buf_bytes(&files), &s->secrets[i]);
    if (there && !needed) fail_msg("secret %zu of %zu is in a file still", i, s->count);
    live += there; /* one that goes over the end of a page is not seen */
  }
  assert_true(live > 5); /* it does find secrets */
  assert_true(live < 40);
  tw_buf_clear(&blob);
  tw_buf_clear(&files);
}

static side alice, bob;

static void both(void) {
  save(&alice, t.initiator);
  save(&bob, t.responder);
}

static void update(bool by_initiator) {
  tw_pair *maker = by_initiator ? t.initiator : t.responder;
  tw_pair *other = by_initiator ? t.responder : t.initiator;
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(maker, TW_TEST_NOW_MS, &message), TW_OK);
  save(by_initiator ? &alice : &bob, maker);
  (void)tw_test_pair_deliver(&t, other, &message);
  save(by_initiator ? &bob : &alice, other);
  (void)tw_test_pair_deliver(&t, maker, &message);
  save(by_initiator ? &alice : &bob, maker);
  tw_buf_clear(&message);
}

static void resume(bool by_initiator) {
  tw_pair *asker = by_initiator ? t.initiator : t.responder;
  tw_pair *other = by_initiator ? t.responder : t.initiator;
  tw_buf message = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_resume(asker, TW_TEST_NOW_MS, &message), TW_OK);
  save(by_initiator ? &alice : &bob, asker);
  (void)tw_test_pair_deliver(&t, other, &message);
  save(by_initiator ? &bob : &alice, other);
  (void)tw_test_pair_deliver(&t, asker, &message);
  save(by_initiator ? &alice : &bob, asker);
  assert_true(tw_pair_confirm(other));
  save(by_initiator ? &bob : &alice, other);
  tw_buf_clear(&message);
}

static void begin(const tw_suite *suite) {
  memset(&alice, 0, sizeof alice);
  memset(&bob, 0, sizeof bob);
  kit_init(&alice.k, 3);
  kit_init(&bob.k, 4);
  alice.store = kit_open(&alice.k, NULL);
  bob.store = kit_open(&bob.k, NULL);
  tw_test_pair_begin(&t, suite);
  tw_test_pair_shake_hands(&t);
  both();
}

static void end(void) {
  tw_store_close(alice.store);
  tw_store_close(bob.store);
  kit_clear(&alice.k);
  kit_clear(&bob.k);
  tw_test_pair_end(&t);
}

static void secrets_of_past_epochs_are_in_no_file(void **state) {
  (void)state;
  static const uint16_t suites[] = {0x0001, 0xf102};
  for (size_t i = 0; i < 2; i++) {
    begin(tw_suite_by_id(NULL, suites[i]));
    for (unsigned round = 0; round < tw_test_rounds(12, 2); round++) {
      update(round % 2 == 0);
      assert_only_the_present(&alice, t.initiator);
      assert_only_the_present(&bob, t.responder);
      resume(round % 3 != 0);
      assert_only_the_present(&alice, t.initiator);
      assert_only_the_present(&bob, t.responder);
    }
    assert_true(alice.count > 50 || tw_test_rounds(1, 0) == 0);
    end();
  }
}

static void nothing_of_a_session_that_was_dropped_stays(void **state) {
  (void)state;
  begin(tw_suite_by_id(NULL, 1));
  update(true);
  const tw_store_change gone = {
      .kind = TW_STORE_SESSION, .id = tw_group_id(tw_pair_group(t.initiator)), .remove = true};
  assert_int_equal(tw_store_apply(alice.store, &gone, 1, &alice.k.report), TW_OK);
  assert_int_equal(tw_store_tidy(alice.store, &alice.k.report), TW_OK);
  tw_buf files = {0};
  read_files(&alice, &files);
  for (size_t i = 0; i < alice.count; i++) assert_false(is_in(tw_buf_bytes(&files), &alice.secrets[i]));
  tw_buf_clear(&files);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(secrets_of_past_epochs_are_in_no_file),
      cmocka_unit_test(nothing_of_a_session_that_was_dropped_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
