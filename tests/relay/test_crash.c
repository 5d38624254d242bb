/* Power lost at any write, full disks and failing ones: nothing that was answered is lost. label: no-valgrind SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_disk.h"
#include "relay/relay_kit.h"

/*
 * Client 0 sends numbered messages to client 1, in batches, with commits of a group of both in between; client 1
 * fetches and takes key packages of client 0. After the loss: whatever was acknowledged is there, in order; what was
 * not is there or not; what was handed out once is not handed out again, if that was told.
 */
#define GROUP TW_LITERAL("group")
enum { PACKAGES = 40, BATCHES = 12, IN_BATCH = 3 };

typedef struct history {
  relay_kit *k;
  uint32_t sent, told;   /* messages asked for, and acknowledged: their texts are numbers from 1 */
  uint32_t next_fetched; /* the least text that has to be there */
  uint64_t after;        /* the last entry that was fetched and is said to be taken from now on */
  uint64_t epoch;        /* acknowledged */
  uint64_t asked_epoch;
  uint32_t packages_told; /* the number of the newest key package that was given */
  uint32_t number;
} history;

static void begin(history *h) {
  relay_kit *k = h->k;
  char texts[PACKAGES][8];
  const char *list[PACKAGES];
  for (unsigned i = 0; i < PACKAGES; i++) {
    (void)snprintf(texts[i], sizeof texts[i], "%u", i + 1);
    list[i] = texts[i];
  }
  for (unsigned i = 0; i < 2; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  tw_control_request request = RELAY_REQUEST(
      TW_CONTROL_PUBLISH,
      .publish = {.pool = TW_CONTROL_POOL_NETWORK, .key_packages = relay_packages(k, list, PACKAGES)});
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  request = relay_open_of(k, "net", GROUP, 0, relay_ids(k, 0, 1, -1));
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  h->next_fetched = 1;
}

static uint32_t number_in(tw_bytes text) {
  char digits[16] = {0};
  assert_true(text.len < sizeof digits);
  memcpy(digits, text.ptr, text.len);
  return (uint32_t)strtoul(digits, NULL, 10);
}

/* What client 1 gets is what has to be there, in order. */
static void check_entries(history *h, tw_bytes entries, bool all) {
  tw_reader walk = tw_reader_of(entries);
  uint32_t expected = h->next_fetched;
  uint64_t last = h->after;
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry);) {
    assert_true(entry.number > last);
    last = entry.number;
    if (entry.kind != TW_CONTROL_KIND_SEND) continue;
    assert_int_equal(number_in(entry.message), expected);
    expected++;
  }
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  assert_true(expected - 1 <= h->sent && (!all || expected - 1 >= h->told));
  h->next_fetched = expected;
  h->after = last;
}

static void hear(history *h, const relay_answer *heard) {
  const tw_control_answer *answer = &heard->answer;
  if (answer->status != TW_CONTROL_DONE) {
    assert_int_equal(answer->status, TW_CONTROL_BUSY);
    return;
  }
  switch (answer->to) {
  case TW_CONTROL_SEND: h->told = (uint32_t)heard->tag; break;
  case TW_CONTROL_GROUP_COMMIT: h->epoch = heard->tag + 1; break;
  case TW_CONTROL_FETCH: check_entries(h, answer->body.fetch.entries, false); break;
  case TW_CONTROL_TAKE: {
    const uint32_t number = number_in(
        TW_BYTES(answer->body.take.key_package.ptr + 4, answer->body.take.key_package.len - 4));
    assert_true(number > h->packages_told);
    h->packages_told = number;
    break;
  }
  default: fail();
  }
}

static bool batch(history *h) {
  relay_kit *k = h->k;
  char text[16];
  for (unsigned i = 0; i < IN_BATCH; i++) {
    (void)snprintf(text, sizeof text, "%u", ++h->sent);
    const tw_control_request send = relay_send_of(1, kit_text(text));
    relay_ask(k, 0, h->sent, &send);
  }
  const tw_control_request commit = relay_commit_of(k, GROUP, h->asked_epoch, "c", relay_ids(k, 0, 1, -1));
  relay_ask(k, 0, h->asked_epoch, &commit);
  h->asked_epoch++;
  const tw_control_request fetch = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.after = h->after, .most = 4});
  relay_ask(k, 1, 0, &fetch);
  const tw_control_request take = RELAY_REQUEST(TW_CONTROL_TAKE,
                                                .take = {.owner = relay_id(0), .pool = TW_CONTROL_POOL_NETWORK});
  relay_ask(k, 1, 0, &take);
  const tw_err err = relay_flush(k);
  for (size_t i = 0; i < k->answer_count; i++) {
    if (err != TW_OK) assert_int_equal(k->answers[i].answer.status, TW_CONTROL_BUSY);
    hear(h, &k->answers[i]);
  }
  if (err != TW_OK) assert_int_equal(k->mailed_count, 0);
  return err == TW_OK;
}

/* After the loss. */
static void check(history *h) {
  relay_kit *k = h->k;
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
    assert_int_equal(k->peers[i].number, i + 1);
  }
  const tw_control_request find = RELAY_REQUEST(TW_CONTROL_GROUP_FIND, .group_find = {TW_LITERAL("net"), true});
  const uint64_t epoch = relay_do(k, 0, &find)->body.group_find.epoch;
  assert_true(epoch == h->epoch || epoch == h->asked_epoch);
  for (uint64_t e = 0; e < epoch; e++) { /* each commit again: accepted, or was so already */
    const tw_control_request commit = relay_commit_of(k, GROUP, e, "c", relay_ids(k, 0, 1, -1));
    relay_expects(k, 0, &commit, TW_CONTROL_DONE);
  }
  const tw_control_answer *answer = relay_fetch(k, 1, h->after, 256);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  check_entries(h, answer->body.fetch.entries, true);
  const tw_control_request take = RELAY_REQUEST(TW_CONTROL_TAKE,
                                                .take = {.owner = relay_id(0), .pool = TW_CONTROL_POOL_NETWORK});
  answer = relay_do(k, 1, &take);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  hear(h, &(relay_answer){.answer = *answer});
}

/* A whole life with the n-th call of the disk failing; false: it did not come to that. */
static bool live(size_t n, int error, bool once, uint64_t seed) {
  relay_disk_use();
  relay_kit *k = relay_new(true, 1);
  history h = {.k = k};
  begin(&h);
  relay_disk_fail_in(n, error, once);
  bool lost = false;
  for (unsigned i = 0; i < BATCHES; i++) {
    if (i == BATCHES / 2) { /* closing brings the log into the database */
      relay_close(k);
      if (relay_try_store(k) != TW_OK || relay_try_delivery(k) != TW_OK) {
        lost = true;
        break;
      }
    }
    if (batch(&h)) continue;
    lost = true;
    if (!once) break;
    h.sent = h.told; /* made again: all of the failed batch is not there, since it was taken back */
    h.asked_epoch = h.epoch;
  }
  const bool failed = relay_disk_has_failed();
  assert_true(failed || !lost);
  relay_close(k);
  relay_disk_lose_power(seed);
  relay_disk_fail_in(0, 0, false);
  relay_open(k);
  check(&h);
  relay_free(k);
  relay_disk_leave();
  return failed;
}

static void lost_power_loses_nothing_that_was_answered(void **state) {
  (void)state;
  size_t n = 1;
  for (; live(n, SQLITE_IOERR_WRITE, false, n); n += tw_test_rounds(2, 29)) continue;
  assert_true(n > 100);
}

static void nor_does_a_killed_process(void **state) {
  (void)state;
  for (size_t n = 1; live(n, SQLITE_IOERR_WRITE, false, 0); n += 7) continue;
}

static void a_full_disk_is_survived(void **state) {
  (void)state;
  for (size_t n = 1; live(n, SQLITE_FULL, true, 0); n += 5) continue;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lost_power_loses_nothing_that_was_answered),
      cmocka_unit_test(nor_does_a_killed_process),
      cmocka_unit_test(a_full_disk_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
