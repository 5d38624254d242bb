/* Clients, key packages, mailboxes and places: each rule, and each refusal. SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_kit.h"

#define POOL TW_CONTROL_POOL_NETWORK

static tw_control_entry entry_at(const tw_control_answer *answer, size_t index) {
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  tw_control_entry entry = {0};
  for (size_t i = 0; i <= index; i++) assert_true(tw_control_entry_next(&walk, &entry));
  return entry;
}

static size_t entry_count(const tw_control_answer *answer) {
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  tw_control_entry entry;
  size_t count = 0;
  while (tw_control_entry_next(&walk, &entry)) count++;
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  return count;
}

static tw_control_request publish_of(relay_kit *k, const char *const *texts, size_t count, tw_bytes last_resort) {
  return RELAY_REQUEST(
      TW_CONTROL_PUBLISH,
      .publish = {.pool = POOL, .key_packages = relay_packages(k, texts, count), .last_resort = last_resort});
}

static tw_control_request take_of(unsigned owner, tw_control_pool pool) {
  return RELAY_REQUEST(TW_CONTROL_TAKE, .take = {.owner = relay_id(owner), .pool = pool});
}

static uint32_t stock(relay_kit *k, unsigned peer) {
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_STOCK, .stock = POOL);
  const tw_control_answer *answer = relay_do(k, peer, &request);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  return answer->body.stock;
}

static void takes(relay_kit *k, unsigned peer, unsigned owner, const char *text, bool last_resort) {
  const tw_control_request request = take_of(owner, POOL);
  const tw_control_answer *answer = relay_do(k, peer, &request);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  assert_int_equal(answer->body.take.last_resort, last_resort);
  tw_test_same(answer->body.take.key_package, relay_key_package(k, text));
}

static void a_key_package_is_given_once_and_the_last_resort_stays(void **state) {
  relay_kit *k = *state;
  static const char *const texts[] = {"first", "second"};
  tw_control_request request = take_of(1, POOL);
  relay_expects(k, 0, &request, TW_CONTROL_UNKNOWN); /* no such client */
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  relay_expects(k, 0, &request, TW_CONTROL_UNKNOWN); /* none of its key packages */
  assert_int_equal(stock(k, 1), 0);
  request = publish_of(k, texts, 2, relay_key_package(k, "last"));
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_int_equal(stock(k, 1), 2);
  assert_int_equal(stock(k, 0), 0);
  takes(k, 0, 1, "first", false);
  takes(k, 2, 1, "second", false);
  relay_reopen(k);
  takes(k, 2, 1, "last", true);
  takes(k, 0, 1, "last", true);
  assert_int_equal(stock(k, 1), 0);
  request = publish_of(k, texts + 1, 1, TW_NO_BYTES); /* keeps the last resort */
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  takes(k, 0, 1, "second", false);
  takes(k, 0, 1, "last", true);
  request = publish_of(k, texts, 0, relay_key_package(k, "newer")); /* replaces it */
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  takes(k, 0, 1, "newer", true);
  request = take_of(1, TW_CONTROL_POOL_PAIR);
  relay_expects(k, 0, &request, TW_CONTROL_UNKNOWN); /* the pools are apart */
}

static void who_lost_the_private_keys_replaces_all_key_packages(void **state) {
  relay_kit *k = *state;
  static const char *const texts[] = {"a", "b", "c", "d"};
  k->limits.key_packages = 3;
  relay_reopen(k);
  tw_control_request request = publish_of(k, texts, 3, relay_key_package(k, "last"));
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  relay_expects(k, 2, &request, TW_CONTROL_DONE);
  request = publish_of(k, texts + 1, 3, TW_NO_BYTES);
  request.body.publish.replace = true; /* what goes leaves its room */
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_int_equal(stock(k, 1), 3);
  assert_int_equal(stock(k, 2), 3); /* somebody else's */
  relay_reopen(k);
  takes(k, 0, 1, "b", false);
  takes(k, 0, 1, "c", false);
  takes(k, 0, 1, "d", false);
  takes(k, 0, 1, "last", true); /* no other was given */
  request = publish_of(k, texts, 1, relay_key_package(k, "newer"));
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  request = publish_of(k, texts, 0, relay_key_package(k, "newest"));
  request.body.publish.replace = true;
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_int_equal(stock(k, 1), 0);
  takes(k, 0, 1, "newest", true);
  request = publish_of(k, texts, 4, TW_NO_BYTES);
  request.body.publish.replace = true;
  relay_expects(k, 2, &request, TW_CONTROL_FULL); /* and nothing has gone */
  assert_int_equal(stock(k, 2), 3);
  static const uint8_t hello[] = {0, 1, 0, 1};
  tw_writer w = relay_make(k);
  tw_write_vector(&w, TW_ARRAY(hello));
  request = RELAY_REQUEST(TW_CONTROL_PUBLISH,
                          .publish = {.pool = TW_CONTROL_POOL_PAIR, .replace = true, .key_packages = relay_made(&w)});
  relay_expects(k, 2, &request, TW_CONTROL_DONE);
  assert_int_equal(stock(k, 2), 3); /* the other pool's */
}

static void key_packages_that_are_none_or_too_many_are_refused(void **state) {
  relay_kit *k = *state;
  static const char *const texts[] = {"a", "b", "c"};
  k->limits.key_packages = 4;
  k->limits.key_package_bytes = 10;
  relay_reopen(k);
  tw_control_request request = publish_of(k, texts, 3, TW_NO_BYTES);
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  relay_expects(k, 1, &request, TW_CONTROL_FULL);
  assert_int_equal(stock(k, 1), 3);                 /* all or none */
  request.body.publish.pool = TW_CONTROL_POOL_PAIR; /* these are KeyPackages, and not client_hellos */
  relay_expects(k, 1, &request, TW_CONTROL_MALFORMED);
  request.body.publish.pool = (tw_control_pool)3;
  relay_expects(k, 1, &request, TW_CONTROL_MALFORMED);
  request = publish_of(k, texts, 1, relay_welcome(k, "no"));
  relay_expects(k, 1, &request, TW_CONTROL_MALFORMED);
  request = publish_of(k, texts, 0, relay_key_package(k, "1234567"));
  relay_expects(k, 1, &request, TW_CONTROL_MALFORMED); /* 11 bytes */
  request = take_of(1, (tw_control_pool)0);
  relay_expects(k, 1, &request, TW_CONTROL_MALFORMED);
  static const uint8_t hello[] = {0, 1, 0, 1};
  tw_writer w = relay_make(k);
  tw_write_vector(&w, TW_ARRAY(hello));
  request = RELAY_REQUEST(TW_CONTROL_PUBLISH,
                          .publish = {.pool = TW_CONTROL_POOL_PAIR, .key_packages = relay_made(&w)});
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  request.body.publish.key_packages.len--; /* a list that ends within */
  relay_expects(k, 1, &request, TW_CONTROL_MALFORMED);
}

static void mail_is_one_ordered_stream_and_goes_when_it_was_taken(void **state) {
  relay_kit *k = *state;
  assert_int_equal(relay_send(k, 0, 1, "hello?"), TW_CONTROL_UNKNOWN);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(entry_count(relay_fetch(k, 1, 0, 10)), 0);
  assert_int_equal(k->mailed_count, 0);
  assert_int_equal(relay_send(k, 0, 1, "one"), TW_CONTROL_DONE);
  assert_int_equal(k->mailed_count, 1);
  assert_int_equal(k->mailed[0], k->peers[1].number);
  assert_int_equal(relay_send(k, 2, 1, "two"), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 1, 1, "three, to myself"), TW_CONTROL_DONE);
  const tw_control_answer *answer = relay_fetch(k, 1, 0, 2);
  assert_int_equal(entry_count(answer), 2);
  assert_true(answer->body.fetch.more);
  tw_control_entry entry = entry_at(answer, 0);
  assert_int_equal(entry.number, RELAY_BASE + 1);
  assert_int_equal(entry.kind, TW_CONTROL_KIND_SEND);
  assert_memory_equal(entry.from.digest, k->peers[0].id.digest, 32);
  assert_int_equal(entry.group_id.len, 0);
  assert_int_equal(entry.epoch, 0);
  tw_test_same(entry.message, TW_LITERAL("one"));
  assert_int_equal(entry_at(answer, 1).number, RELAY_BASE + 2);
  /* Handed out is not taken: the same comes again. */
  relay_reopen(k);
  assert_int_equal(entry_count(relay_fetch(k, 1, 0, 10)), 3);
  answer = relay_fetch(k, 1, RELAY_BASE + 2, 10);
  assert_int_equal(entry_count(answer), 1);
  assert_false(answer->body.fetch.more);
  tw_test_same(entry_at(answer, 0).message, TW_LITERAL("three, to myself"));
  /* Now the first two are gone, whatever is asked. */
  answer = relay_fetch(k, 1, 0, 10);
  assert_int_equal(entry_count(answer), 1);
  answer = relay_fetch(k, 1, RELAY_BASE + 1, 0);
  assert_int_equal(entry_count(answer), 0);
  assert_true(answer->body.fetch.more);
  assert_int_equal(entry_count(relay_fetch(k, 1, RELAY_BASE + 3, 10)), 0);
  assert_int_equal(relay_send(k, 0, 1, "four"), TW_CONTROL_DONE);
  assert_int_equal(entry_at(relay_fetch(k, 1, RELAY_BASE + 3, 10), 0).number, RELAY_BASE + 4);
}

static void to_have_what_never_was_deletes_nothing(void **state) {
  relay_kit *k = *state;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 1, "one"), TW_CONTROL_DONE);
  assert_int_equal(relay_fetch(k, 1, RELAY_BASE + 2, 10)->status, TW_CONTROL_TOO_FAR);
  assert_int_equal(relay_fetch(k, 1, UINT64_MAX, 10)->status, TW_CONTROL_TOO_FAR);
  assert_int_equal(entry_count(relay_fetch(k, 1, 0, 10)), 1);
}

static void an_answer_has_no_more_than_fits_but_one_entry_always(void **state) {
  relay_kit *k = *state;
  k->limits.fetch_entries = 3;
  k->limits.fetch_bytes = 100;
  relay_reopen(k);
  char large[151];
  memset(large, 'x', 150);
  large[150] = '\0';
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 1, large), TW_CONTROL_DONE);
  for (unsigned i = 0; i < 4; i++) assert_int_equal(relay_send(k, 0, 1, "s"), TW_CONTROL_DONE);
  const tw_control_answer *answer = relay_fetch(k, 1, 0, 100);
  assert_int_equal(entry_count(answer), 1);
  assert_true(answer->body.fetch.more);
  k->limits.fetch_bytes = 1000;
  relay_reopen(k);
  answer = relay_fetch(k, 1, RELAY_BASE + 1, 100);
  assert_int_equal(entry_count(answer), 3);
  assert_true(answer->body.fetch.more);
}

static void a_full_mailbox_is_told_to_the_sender(void **state) {
  relay_kit *k = *state;
  k->limits.mailbox_entries = 6;
  k->limits.message_bytes = 600;
  k->limits.mailbox_bytes = 2000;
  relay_reopen(k);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_send(k, 0, 1, "x"), TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 1, "x"), TW_CONTROL_FULL);
  assert_int_equal(k->mailed_count, 0);
  assert_int_equal(entry_count(relay_fetch(k, 1, RELAY_BASE + 3, 9)), 0);
  static uint8_t large[601];
  tw_control_request request = relay_send_of(1, TW_BYTES(large, 600));
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  assert_int_equal(relay_send(k, 0, 1, "small"), TW_CONTROL_DONE);
  request = relay_send_of(1, TW_BYTES(large, 601));
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
  request = relay_send_of(1, TW_NO_BYTES);
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
}

static void places_are_told_in_order_and_again_when_they_change(void **state) {
  relay_kit *k = *state;
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  k->online = 1u << k->peers[2].number;
  tw_control_request request = RELAY_REQUEST(TW_CONTROL_LOCATE, .locate = relay_ids(k, 2, 9, 1, -1));
  const tw_control_answer *answer = relay_do(k, 0, &request);
  assert_int_equal(answer->status, TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(answer->body.locate);
  tw_control_location location;
  assert_true(tw_control_location_next(&walk, &location));
  assert_int_equal(location.number, k->peers[2].number);
  assert_true(location.online);
  assert_int_equal(location.address.family, 4);
  assert_int_equal(location.address.port, 9420);
  assert_true(tw_control_location_next(&walk, &location));
  assert_int_equal(location.number, 0);
  assert_true(tw_control_location_next(&walk, &location));
  assert_int_equal(location.number, k->peers[1].number);
  assert_false(location.online);
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  tw_delivery_moved(k->delivery, &k->peers[1].id, &location);
  assert_int_equal(k->moved_count, 1);
  assert_int_equal(k->moved[0].to, k->peers[0].number);
  assert_int_equal(k->moved[0].location.number, k->peers[1].number);
  tw_delivery_moved(k->delivery, &k->peers[9].id, &location); /* who was not known, and has come */
  assert_int_equal(k->moved_count, 2);
  assert_int_equal(k->moved[1].to, k->peers[0].number);
  k->moved_count = 1;
  location.number = k->peers[0].number; /* whom nobody asked for */
  tw_delivery_moved(k->delivery, &k->peers[0].id, &location);
  assert_int_equal(k->moved_count, 1);
  tw_delivery_gone(k->delivery, &k->peers[0]);
  location.number = k->peers[1].number;
  tw_delivery_moved(k->delivery, &k->peers[1].id, &location);
  assert_int_equal(k->moved_count, 1);
}

static void too_many_places_are_refused(void **state) {
  relay_kit *k = *state;
  k->limits.locates = 2;
  relay_reopen(k);
  for (unsigned i = 0; i < 4; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  tw_control_request request = RELAY_REQUEST(TW_CONTROL_LOCATE, .locate = relay_ids(k, 1, 2, 3, -1));
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  request.body.locate = relay_ids(k, 1, 2, -1);
  relay_expects(k, 0, &request, TW_CONTROL_DONE);
  relay_expects(k, 0, &request, TW_CONTROL_DONE); /* no new ones */
  request.body.locate = relay_ids(k, 3, -1);
  relay_expects(k, 0, &request, TW_CONTROL_FULL);
  request.body.locate.len--;
  relay_expects(k, 0, &request, TW_CONTROL_MALFORMED);
}

static void who_asks_too_fast_is_put_off(void **state) {
  relay_kit *k = *state;
  k->limits.requests_per_second = 10;
  k->limits.requests_at_once = 5;
  relay_reopen(k);
  for (unsigned i = 0; i < 5; i++) assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_BUSY);
  assert_int_equal(relay_enter(k, 2), TW_CONTROL_DONE); /* the others are not */
  k->now_ms += 100;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_BUSY);
  k->now_ms -= 100000; /* a clock put back does not shut anybody out for long */
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_BUSY);
  k->now_ms += 100;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  k->now_ms += 10000;
  for (unsigned i = 0; i < 5; i++) assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_BUSY);
}

static void numbers_stay_and_are_never_given_again(void **state) {
  relay_kit *k = *state;
  for (unsigned i = 0; i < 4; i++) {
    assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
    assert_int_equal(k->peers[i].number, i + 1);
  }
  assert_int_equal(relay_send(k, 0, 3, "waits"), TW_CONTROL_DONE);
  k->now_ms += k->limits.unseen_ms - 1000;
  for (unsigned i = 0; i < 3; i++) assert_int_equal(relay_enter(k, i), TW_CONTROL_DONE);
  k->now_ms += 2000;
  bool more = true;
  while (more) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  assert_int_equal(relay_flush(k), TW_OK);
  assert_int_equal(relay_send(k, 0, 3, "to nobody"), TW_CONTROL_UNKNOWN);
  relay_reopen(k);
  assert_int_equal(relay_enter(k, 9), TW_CONTROL_DONE);
  assert_int_equal(k->peers[9].number, 5);
  assert_int_equal(relay_enter(k, 3), TW_CONTROL_DONE);
  assert_int_equal(k->peers[3].number, 6);
  assert_int_equal(relay_enter(k, 0), TW_CONTROL_DONE);
  assert_int_equal(k->peers[0].number, 1);
  /* A new mailbox of the same client begins behind whatever the old one had. */
  assert_int_equal(relay_send(k, 0, 3, "again"), TW_CONTROL_DONE);
  assert_int_equal(relay_fetch(k, 3, RELAY_BASE + 1, 9)->status, TW_CONTROL_TOO_FAR);
  assert_int_equal(entry_at(relay_fetch(k, 3, 0, 9), 0).number, (k->now_ms / 1000 << 20) + 1);
}

static void old_entries_and_key_packages_go(void **state) {
  relay_kit *k = *state;
  static const char *const texts[] = {"old"};
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  tw_control_request request = publish_of(k, texts, 1, relay_key_package(k, "last"));
  relay_expects(k, 1, &request, TW_CONTROL_DONE);
  assert_int_equal(relay_send(k, 0, 1, "old"), TW_CONTROL_DONE);
  k->now_ms += k->limits.mail_ms;
  assert_int_equal(relay_send(k, 0, 1, "new"), TW_CONTROL_DONE);
  bool more = true;
  while (more) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  assert_int_equal(relay_flush(k), TW_OK);
  assert_int_equal(entry_count(relay_fetch(k, 1, 0, 9)), 2); /* not yet */
  for (more = true; more;) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms + 1, &more), TW_OK);
  assert_int_equal(relay_flush(k), TW_OK);
  const tw_control_answer *answer = relay_fetch(k, 1, 0, 9);
  assert_int_equal(entry_count(answer), 1);
  assert_int_equal(entry_at(answer, 0).number, RELAY_BASE + 2); /* which shows that one is missing */
  assert_int_equal(stock(k, 1), 1);
  k->now_ms = RELAY_NOW + k->limits.packages_ms + 1;
  for (more = true; more;) assert_int_equal(tw_delivery_sweep(k->delivery, k->now_ms, &more), TW_OK);
  assert_int_equal(relay_flush(k), TW_OK);
  assert_int_equal(stock(k, 1), 0);
  takes(k, 0, 1, "last", true);
}

static void answers_come_after_the_flush_in_the_order_of_asking(void **state) {
  relay_kit *k = *state;
  assert_int_equal(relay_enter(k, 1), TW_CONTROL_DONE);
  k->answer_count = k->mailed_count = 0;
  const tw_control_request send = relay_send_of(1, TW_LITERAL("text"));
  const tw_control_request nobody = relay_send_of(8, TW_LITERAL("text"));
  const tw_control_request fetch = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.most = 9});
  const tw_control_request bad = {.type = (tw_control_type)64, .number = 5};
  relay_ask(k, 0, 10, &send);
  relay_ask(k, 0, 11, &nobody);
  relay_ask(k, 1, 12, &fetch);
  relay_ask(k, 2, 13, &send);
  relay_ask(k, 2, 14, &bad);
  assert_int_equal(k->answer_count, 0);
  assert_int_equal(k->mailed_count, 0);
  assert_int_equal(tw_delivery_flush(k->delivery), TW_OK);
  assert_int_equal(k->answer_count, 5);
  static const tw_control_status expected[] = {TW_CONTROL_DONE, TW_CONTROL_UNKNOWN, TW_CONTROL_DONE, TW_CONTROL_DONE,
                                               TW_CONTROL_MALFORMED};
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(k->answers[i].tag, 10 + i);
    assert_int_equal(k->answers[i].answer.status, expected[i]);
  }
  assert_int_equal(entry_count(&k->answers[2].answer), 1); /* what came before it in the batch */
  assert_int_equal(k->mailed_count, 1);                    /* once, for both */
  for (unsigned i = 0; i < 1024; i++) {
    assert_false(tw_delivery_is_full(k->delivery));
    relay_ask(k, 2, 15, &bad);
  }
  assert_true(tw_delivery_is_full(k->delivery));
  assert_int_equal(relay_flush(k), TW_OK);
  assert_false(tw_delivery_is_full(k->delivery));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RELAY_BOTH(a_key_package_is_given_once_and_the_last_resort_stays),
      RELAY_BOTH(who_lost_the_private_keys_replaces_all_key_packages),
      RELAY_BOTH(key_packages_that_are_none_or_too_many_are_refused),
      RELAY_BOTH(mail_is_one_ordered_stream_and_goes_when_it_was_taken),
      RELAY_BOTH(to_have_what_never_was_deletes_nothing),
      RELAY_BOTH(an_answer_has_no_more_than_fits_but_one_entry_always),
      RELAY_BOTH(a_full_mailbox_is_told_to_the_sender),
      RELAY_BOTH(places_are_told_in_order_and_again_when_they_change),
      RELAY_BOTH(too_many_places_are_refused),
      RELAY_BOTH(who_asks_too_fast_is_put_off),
      RELAY_BOTH(numbers_stay_and_are_never_given_again),
      RELAY_BOTH(old_entries_and_key_packages_go),
      RELAY_BOTH(answers_come_after_the_flush_in_the_order_of_asking),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
