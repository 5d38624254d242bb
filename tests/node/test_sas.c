/* SAs of pairs and of the network's group: numbers, keys, and when they are given up. SPDX-License-Identifier: Apache-2.0 */
#include "node/sas_internal.h"
#include "node/sas_kit.h"

/* ---- who understands whom ---- */

static void a_pair_has_one_sa_each_way(void **state) {
  (void)state;
  uint64_t stamp;
  uint64_t their_stamp;
  begin(2);
  assert_null(tw_sas_out(ours, 2));
  assert_int_equal(receive(ours, 2, members[0].group, "context", &stamp), TW_OK);
  assert_int_equal(receive(theirs, 2, members[1].group, "context", &their_stamp), TW_OK);
  assert_int_not_equal(stamp, 0);
  assert_int_equal(tw_sas_count(ours, 2), 1);
  assert_int_equal(tw_sas_count(ours, 1), 0);
  assert_int_equal(send_under(ours, 2, members[0].group, "context"), TW_OK);
  assert_int_equal(send_under(theirs, 2, members[1].group, "context"), TW_OK);
  assert_true(was_nudged);
  assert_int_equal(packet(ours, theirs, 2), 1);
  assert_int_equal(packet(ours, theirs, 2), 2);
  assert_int_equal(packet(theirs, ours, 2), 1);
  assert_int_equal(packet(ours, ours, 2), 0); /* what comes back to its sender is nobody's */
  end();
}

static void a_group_has_one_for_each_other_member(void **state) {
  (void)state;
  uint64_t stamp;
  begin(3);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 2);
  for (uint32_t i = 1; i < 3; i++) {
    tw_sas *sas = new_sas(&their_port);
    assert_int_equal(send_under(sas, TW_SAS_NETWORK, members[i].group, ""), TW_OK);
    assert_int_equal(tw_sas_in(ours, tw_sas_out(sas, TW_SAS_NETWORK)->spi)->leaf, i);
    assert_int_equal(packet(sas, ours, TW_SAS_NETWORK), 1);
    tw_sas_free(sas);
  }
  end();
}

static void another_context_has_other_keys(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  assert_int_equal(receive(theirs, 0, members[1].group, "one", &stamp), TW_OK);
  assert_int_equal(send_under(ours, 0, members[0].group, "other"), TW_OK);
  assert_int_equal(packet(ours, theirs, 0), 0);
  end();
}

static void an_owner_that_is_none_is_refused(void **state) {
  (void)state;
  begin(2);
  assert_int_equal(send_under(ours, OWNERS, members[0].group, ""), TW_ERR_ARGUMENT);
  assert_null(tw_sas_out(ours, OWNERS));
  assert_int_equal(tw_sas_used(ours, OWNERS), TW_ERR_STATE);
  assert_false(tw_sas_wants_rekey(ours, OWNERS));
  forget(ours, OWNERS);
  const uint8_t context[TW_ESP_CONNECTION_MAX + 1] = {0};
  const tw_node_keys *keys = tw_sas_keys(ours);
  assert_int_equal(keys->send(keys->ctx, 0, members[0].group, TW_ARRAY(context), TW_NO_BYTES, false), TW_ERR_ARGUMENT);
  end();
}

/* ---- when keys are given up ---- */

static void the_same_keys_have_the_same_stamp_and_are_there_once(void **state) {
  (void)state;
  uint64_t stamp;
  uint64_t again;
  begin(3);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &again), TW_OK);
  assert_int_equal(again, stamp);
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 2);
  next_epoch(1);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &again), TW_OK);
  assert_true(again > stamp);
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 4);
  end();
}

static void old_keys_stay_for_the_grace(void **state) {
  (void)state;
  uint64_t stamp;
  uint64_t newer;
  begin(2);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(theirs, 0, members[1].group, ""), TW_OK);
  next_epoch(0);
  assert_int_equal(receive(ours, 0, members[0].group, "", &newer), TW_OK);
  pass_time(10 * GRACE_MS);
  assert_int_equal(packet(theirs, ours, 0), 1); /* as long as nothing is known of the other side */
  settle(ours, 0, newer);
  pass_time(GRACE_MS - 1);
  assert_int_equal(packet(theirs, ours, 0), 2);
  assert_int_equal(tw_sas_deadline(ours), now_ms + 1);
  pass_time(1);
  assert_int_equal(packet(theirs, ours, 0), 0);
  assert_int_equal(tw_sas_count(ours, 0), 1);
  assert_int_equal(tw_sas_deadline(ours), UINT64_MAX);
  assert_int_equal(send_under(theirs, 0, members[1].group, ""), TW_OK);
  assert_int_equal(packet(theirs, ours, 0), 1);
  end();
}

static void old_keys_go_after_a_day_whatever_the_other_side_does(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  next_epoch(0);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  pass_time(UINT64_C(24) * 3600 * 1000);
  assert_int_equal(tw_sas_count(ours, 0), 1);
  end();
}

static void withdrawn_keys_go_at_once_and_leave_the_older_ones_for_good(void **state) {
  (void)state;
  uint64_t stamp;
  uint64_t next;
  begin(2);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(theirs, 0, members[1].group, ""), TW_OK);
  tw_commit_result made = {0};
  assert_int_equal(tw_group_commit(members[0].group, NULL, TW_TEST_NOW, &made), TW_OK);
  assert_int_equal(receive(ours, 0, made.next, "", &next), TW_OK);
  assert_int_equal(tw_sas_count(ours, 0), 2);
  withdraw(ours, 0, next);
  assert_int_equal(tw_sas_count(ours, 0), 1);
  pass_time(UINT64_C(48) * 3600 * 1000);
  assert_int_equal(packet(theirs, ours, 0), 1);
  assert_int_equal(tw_sas_deadline(ours), UINT64_MAX);
  tw_commit_result_clear(&made);
  end();
}

static void withdrawing_does_not_bring_back_what_was_settled(void **state) {
  (void)state;
  uint64_t first;
  uint64_t second;
  uint64_t third;
  begin(2);
  assert_int_equal(receive(ours, 0, members[0].group, "", &first), TW_OK);
  next_epoch(0);
  assert_int_equal(receive(ours, 0, members[0].group, "", &second), TW_OK);
  next_epoch(0);
  assert_int_equal(receive(ours, 0, members[0].group, "", &third), TW_OK);
  settle(ours, 0, second);
  withdraw(ours, 0, third);
  pass_time(GRACE_MS);
  assert_int_equal(tw_sas_count(ours, 0), 1);
  assert_int_equal(tw_sas_deadline(ours), UINT64_MAX); /* of the second */
  end();
}

static void forgotten_keys_are_gone_and_those_of_others_are_not(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  for (uint32_t owner = 0; owner < 2; owner++) {
    const char *context = owner == 0 ? "a" : "b";
    assert_int_equal(receive(ours, owner, members[0].group, context, &stamp), TW_OK);
    assert_int_equal(send_under(ours, owner, members[0].group, context), TW_OK);
  }
  forget(ours, 0);
  assert_int_equal(tw_sas_count(ours, 0), 0);
  assert_null(tw_sas_out(ours, 0));
  assert_int_equal(tw_sas_count(ours, 1), 1);
  assert_non_null(tw_sas_out(ours, 1));
  end();
}

/* ---- numbers ---- */

static void reopen(bool in_good_order) {
  if (in_good_order) assert_int_equal(tw_sas_save_windows(ours), TW_OK);
  tw_sas_free(ours);
  ours = new_sas(&our_port);
}

static void numbers_go_on_behind_the_block_after_a_restart(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  assert_int_equal(receive(theirs, 0, members[1].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_int_equal(packet(ours, theirs, 0), 1);
  for (uint64_t i = 1; i < 4; i++) {
    reopen(false);
    assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
    assert_int_equal(packet(ours, theirs, 0), 1 + i * TW_SAS_BLOCK);
    assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK); /* nothing new */
    assert_int_equal(packet(ours, theirs, 0), 2 + i * TW_SAS_BLOCK);
  }
  assert_false(tw_sas_wants_rekey(ours, 0)); /* a few restarts do not use it up */
  end();
}

static void more_is_reserved_before_all_is_used(void **state) {
  (void)state;
  begin(2);
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  tw_esp_out *out = tw_sas_out(ours, 0);
  const uint64_t reserved = out->reserved;
  assert_int_equal(tw_sas_used(ours, 0), TW_OK);
  assert_int_equal(out->reserved, reserved);
  out->next = reserved - 2; /* as if so many had been sent */
  disk_fails = true;
  assert_int_equal(tw_sas_used(ours, 0), TW_ERR_LIMIT);
  assert_int_equal(tw_esp_out_left(out), 2); /* these can be used */
  disk_fails = false;
  assert_int_equal(tw_sas_used(ours, 0), TW_OK); /* the disk is not asked again for each packet */
  assert_int_equal(out->reserved, reserved);
  pass_time(1000);
  assert_int_equal(tw_sas_used(ours, 0), TW_OK);
  assert_int_equal(out->reserved, reserved + TW_SAS_BLOCK);
  end();
}

static void nothing_is_sent_under_keys_that_are_not_on_the_disk(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  disk_fails = true;
  ready_calls = 0;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_ERR_LIMIT);
  assert_null(tw_sas_out(ours, 0));
  assert_int_equal(ready_calls, 0);
  disk_fails = false;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_int_equal(marks(), 1);
  /* The next epoch's cannot be saved: the old ones go on. */
  assert_int_equal(receive(theirs, 0, members[1].group, "", &stamp), TW_OK);
  next_epoch(0);
  disk_fails = true;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_ERR_LIMIT);
  assert_int_equal(packet(ours, theirs, 0), 1);
  disk_fails = false;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_int_equal(marks(), 1); /* in place of the old one */
  end();
}

/* That nobody knows how far they have been used is not that nobody has used them. */
static void nothing_is_sent_where_the_disk_cannot_be_read(void **state) {
  (void)state;
  begin(2);
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  const uint64_t reserved = tw_sas_out(ours, 0)->reserved;
  reopen(false);
  disk_cannot_be_read = true;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_ERR_LIMIT);
  assert_null(tw_sas_out(ours, 0));
  assert_int_equal(marks(), 1);
  disk_cannot_be_read = false;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_true(tw_sas_out(ours, 0)->next >= reserved);
  end();
}

/* The next epoch in two versions, as a relay with two faces makes them: equal in all but the keys. */
static void branches_do_not_share_numbers_or_keys(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  tw_commit_result one = {0};
  tw_commit_result other = {0};
  assert_int_equal(tw_group_commit(members[0].group, NULL, TW_TEST_NOW, &one), TW_OK);
  assert_int_equal(tw_group_commit(members[0].group, NULL, TW_TEST_NOW, &other), TW_OK);
  assert_int_equal(send_under(ours, 0, one.next, ""), TW_OK);
  const uint32_t spi = tw_sas_out(ours, 0)->spi;
  assert_int_equal(send_under(ours, 0, other.next, ""), TW_OK);
  assert_int_not_equal(tw_sas_out(ours, 0)->spi, spi);
  assert_int_equal(receive(ours, 0, one.next, "", &stamp), TW_OK);
  uint64_t second;
  assert_int_equal(receive(ours, 0, other.next, "", &second), TW_OK);
  assert_int_not_equal(second, stamp);
  tw_commit_result_clear(&one);
  tw_commit_result_clear(&other);
  end();
}

static void marks_that_no_sa_has_are_stale(void **state) {
  (void)state;
  begin(2);
  assert_int_equal(send_under(ours, 0, members[0].group, "a"), TW_OK);
  assert_int_equal(send_under(ours, 1, members[0].group, "b"), TW_OK);
  assert_int_equal(marks(), 2);
  reopen(false);
  assert_int_equal(send_under(ours, 1, members[0].group, "b"), TW_OK);
  size_t stale = 0;
  for (size_t i = 0; i < VALUES_MAX; i++)
    stale += disk[i].used && tw_sas_is_stale_mark(ours, TW_BYTES(disk[i].id, disk[i].id_len));
  assert_int_equal(stale, 1);
  assert_false(tw_sas_is_stale_mark(ours, TW_LITERAL("cursor")));
  assert_false(tw_sas_is_stale_mark(ours, TW_NO_BYTES));
  end();
}

static void a_mark_of_keys_that_could_not_be_taken_up_is_not_stale(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  assert_int_equal(receive(theirs, 0, members[1].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_int_equal(packet(ours, theirs, 0), 1);
  reopen(false);
  disk_fails = true;
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_ERR_LIMIT);
  disk_fails = false;
  for (size_t i = 0; i < VALUES_MAX; i++)
    assert_false(disk[i].used && tw_sas_is_stale_mark(ours, TW_BYTES(disk[i].id, disk[i].id_len)));
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_int_equal(marks(), 1);
  assert_int_equal(packet(ours, theirs, 0), 1 + TW_SAS_BLOCK);
  end();
}

static void a_damaged_mark_is_no_fresh_one(void **state) {
  (void)state;
  begin(2);
  assert_int_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  reopen(false);
  for (size_t i = 0; i < VALUES_MAX; i++) {
    if (disk[i].used) disk[i].len--;
  }
  assert_int_not_equal(send_under(ours, 0, members[0].group, ""), TW_OK);
  assert_null(tw_sas_out(ours, 0));
  end();
}

/* ---- what has come: after a good end, and after a crash ---- */

/* Of two with the same SPI nobody knows whose the number would be. */
static void windows_of_a_shared_spi_are_not_kept(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(theirs, 0, members[1].group, ""), TW_OK);
  tw_sa_in *first = tw_sas_in(ours, tw_sas_out(theirs, 0)->spi);
  tw_sa_in *const rest = first->next;
  tw_sa_in twin = *first;
  twin.owner = 1;
  first->next = &twin;
  assert_int_equal(tw_sas_save_windows(ours), TW_OK);
  first->next = rest;
  for (size_t i = 0; i < VALUES_MAX; i++)
    assert_false(disk[i].used && tw_sas_is_window(TW_BYTES(disk[i].id, disk[i].id_len)));
  assert_int_equal(tw_sas_save_windows(ours), TW_OK);
  size_t kept = 0;
  for (size_t i = 0; i < VALUES_MAX; i++)
    kept += disk[i].used && tw_sas_is_window(TW_BYTES(disk[i].id, disk[i].id_len));
  assert_int_equal(kept, 1);
  end();
}

static void what_has_come_does_not_come_again_after_a_restart(void **state) {
  (void)state;
  uint64_t stamp;
  begin(2);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(theirs, 0, members[1].group, ""), TW_OK);
  uint8_t replayed[64] = {0};
  const size_t size = tw_esp_size(4, 0);
  assert_int_equal(tw_esp_seal(tw_sas_out(theirs, 0), TW_ESP_NEXT_DUMMY, replayed, 4, 0), TW_OK);
  uint8_t copy[64];
  memcpy(copy, replayed, sizeof copy);
  tw_esp_opened opened;
  const uint32_t spi = tw_sas_out(theirs, 0)->spi;
  assert_int_equal(tw_esp_open(&tw_sas_in(ours, spi)->esp, copy, size, &opened), TW_OK);
  reopen(true);
  tw_sas_begin_load(ours);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(tw_sas_loaded(ours), TW_OK);
  assert_false(tw_sas_is_stale(ours, 0));
  memcpy(copy, replayed, sizeof copy);
  assert_int_not_equal(tw_esp_open(&tw_sas_in(ours, spi)->esp, copy, size, &opened), TW_OK);
  assert_int_equal(packet(theirs, ours, 0), 2);
  reopen(false); /* a crash: what was written down at the last end is not there any more */
  tw_sas_begin_load(ours);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(tw_sas_loaded(ours), TW_OK);
  assert_true(tw_sas_is_stale(ours, 0));
  assert_int_equal(packet(theirs, ours, 0), 0);
  next_epoch(0);
  assert_int_equal(receive(ours, 0, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(send_under(theirs, 0, members[1].group, ""), TW_OK);
  assert_int_equal(packet(theirs, ours, 0), 1);
  end();
}

/* ---- many, and none ---- */

static void many_sas_are_all_found(void **state) {
  (void)state;
  uint64_t stamps[200];
  uint32_t spis[200];
  begin(2);
  for (size_t i = 0; i < 200; i++) {
    assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamps[i]), TW_OK);
    assert_int_equal(send_under(theirs, TW_SAS_NETWORK, members[1].group, ""), TW_OK);
    spis[i] = tw_sas_out(theirs, TW_SAS_NETWORK)->spi;
    next_epoch(i % 2);
  }
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 200);
  for (size_t i = 0; i < 200; i++) assert_int_equal(tw_sas_in(ours, spis[i])->stamp, stamps[i]);
  tw_sas_keys(ours)->settle(tw_sas_keys(ours)->ctx, TW_SAS_NETWORK, stamps[150]);
  pass_time(GRACE_MS);
  for (size_t i = 0; i < 200; i++) assert_true((tw_sas_in(ours, spis[i]) != NULL) == (i >= 150));
  end();
}

static void an_allocation_that_fails_changes_nothing(void **state) {
  (void)state;
  begin(3);
  uint64_t stamp = 0;
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamp);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 0);
  }
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 2);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = send_under(ours, TW_SAS_NETWORK, members[0].group, "");
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(tw_sas_out(ours, TW_SAS_NETWORK));
  }
  tw_test_fail_alloc(&test, 0);
  assert_non_null(tw_sas_out(ours, TW_SAS_NETWORK));
  for (size_t n = 1;; n++) {
    const tw_sas_config config = {.env = &test.env, .port = &our_port, .owners = 1};
    tw_sas *sas = NULL;
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_sas_new(&config, &sas);
    if (!test.alloc_failed) {
      tw_sas_free(sas);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
  tw_sas_free(NULL);
  end();
}

/* Two keys of a table that has to grow, and cannot. */
static void keys_that_are_there_survive_a_growth_that_fails(void **state) {
  (void)state;
  uint64_t stamp;
  uint64_t first;
  begin(3);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &first), TW_OK);
  for (size_t i = 0; i < 31; i++) {
    next_epoch(i % 3);
    assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamp), TW_OK);
  }
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 64);
  next_epoch(0);
  tw_test_fail_alloc(&test, 1);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamp), TW_ERR_NO_MEMORY);
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 64);
  assert_int_equal(receive(ours, TW_SAS_NETWORK, members[0].group, "", &stamp), TW_OK);
  assert_int_equal(tw_sas_count(ours, TW_SAS_NETWORK), 66);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pair_has_one_sa_each_way),
      cmocka_unit_test(a_group_has_one_for_each_other_member),
      cmocka_unit_test(another_context_has_other_keys),
      cmocka_unit_test(an_owner_that_is_none_is_refused),
      cmocka_unit_test(the_same_keys_have_the_same_stamp_and_are_there_once),
      cmocka_unit_test(old_keys_stay_for_the_grace),
      cmocka_unit_test(old_keys_go_after_a_day_whatever_the_other_side_does),
      cmocka_unit_test(withdrawn_keys_go_at_once_and_leave_the_older_ones_for_good),
      cmocka_unit_test(withdrawing_does_not_bring_back_what_was_settled),
      cmocka_unit_test(forgotten_keys_are_gone_and_those_of_others_are_not),
      cmocka_unit_test(numbers_go_on_behind_the_block_after_a_restart),
      cmocka_unit_test(more_is_reserved_before_all_is_used),
      cmocka_unit_test(nothing_is_sent_under_keys_that_are_not_on_the_disk),
      cmocka_unit_test(nothing_is_sent_where_the_disk_cannot_be_read),
      cmocka_unit_test(branches_do_not_share_numbers_or_keys),
      cmocka_unit_test(marks_that_no_sa_has_are_stale),
      cmocka_unit_test(a_mark_of_keys_that_could_not_be_taken_up_is_not_stale),
      cmocka_unit_test(a_damaged_mark_is_no_fresh_one),
      cmocka_unit_test(windows_of_a_shared_spi_are_not_kept),
      cmocka_unit_test(what_has_come_does_not_come_again_after_a_restart),
      cmocka_unit_test(many_sas_are_all_found),
      cmocka_unit_test(an_allocation_that_fails_changes_nothing),
      cmocka_unit_test(keys_that_are_there_survive_a_growth_that_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
