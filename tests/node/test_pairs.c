/* Pairs over mailboxes: what is lost, crosses, or comes after a crash. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
/* label: no-valgrind: minutes of it, all in cryptography */
#include "node/pairs_kit.h"

/* ---- the tests ---- */

static void a_pair_begins_with_the_first_packet_though_the_other_is_away(void **state) {
  (void)state;
  begin(1);
  calm();
  tw_pairs_want(nodes[0].pairs, 1, now_ms);
  serve(&nodes[0], false); /* take */
  assert_int_equal(nodes[0].sending[1].stamp, 1);
  assert_false(status_of(0, 1).confirmed);
  serve(&nodes[0], false); /* send */
  assert_false(packet(&nodes[0], &nodes[1]));
  deliver(&nodes[1]);
  assert_true(packet(&nodes[0], &nodes[1]));
  assert_true(packet(&nodes[1], &nodes[0]));
  assert_true(status_of(0, 1).confirmed);
  assert_int_equal(status_of(1, 0).pair.epoch, 1);
  end();
}

static void two_that_begin_at_once_come_to_one_pair(void **state) {
  (void)state;
  begin(2);
  calm();
  tw_pairs_want(nodes[0].pairs, 1, now_ms);
  tw_pairs_want(nodes[1].pairs, 0, now_ms);
  for (int i = 0; i < 4; i++) {
    serve(&nodes[0], false);
    serve(&nodes[1], false);
  }
  calm();
  assert_true(packet(&nodes[0], &nodes[1]));
  assert_true(packet(&nodes[1], &nodes[0]));
  assert_int_not_equal(status_of(0, 1).pair.role, status_of(1, 0).pair.role);
  end();
}

static void a_rekey_loses_nothing(void **state) {
  (void)state;
  begin(3);
  expect_understanding("the start");
  for (int i = 0; i < 40; i++) {
    node *a = &nodes[roll(2)];
    tw_pairs_rekey(a->pairs, 1 - a->index, now_ms);
    if (roll(3) == 0) tw_pairs_rekey(nodes[1 - a->index].pairs, a->index, now_ms);
    go_on_without_loss();
    calm();
  }
  assert_true(status_of(0, 1).pair.epoch > 40);
  assert_int_equal(status_of(0, 1).pair.epoch, status_of(1, 0).pair.epoch);
  end();
}

/* The one that has asked renews its leaf as soon as it has the answer, and its packets are slower than its mail. */
static void an_update_before_the_first_packet_is_not_lost(void **state) {
  (void)state;
  begin(6);
  calm();
  tw_pairs_want(nodes[0].pairs, 1, now_ms);
  calm();
  assert_true(packet(&nodes[0], &nodes[1]));
  assert_true(packet(&nodes[1], &nodes[0]));
  tw_pairs_resume(nodes[0].pairs, 1, now_ms);
  calm();
  const uint64_t epoch = status_of(0, 1).pair.epoch;
  assert_int_equal(status_of(0, 1).pair.state, TW_PAIR_STEADY);
  assert_int_equal(status_of(1, 0).pair.state, TW_PAIR_ANSWERED);
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  calm();
  assert_int_equal(status_of(1, 0).pair.state, TW_PAIR_ANSWERED);
  assert_true(packet(&nodes[0], &nodes[1]));
  calm();
  for (uint32_t i = 0; i < 2; i++) {
    assert_int_equal(status_of(i, 1 - i).pair.state, TW_PAIR_STEADY);
    assert_int_equal(status_of(i, 1 - i).pair.epoch, epoch + 1);
    assert_true(packet(&nodes[i], &nodes[1 - i]));
  }
  end();
}

static size_t keys_of(const node *n, uint32_t peer) {
  size_t count = 0;
  for (size_t i = 0; i < n->key_count; i++) count += n->keys[i].peer == peer;
  return count;
}

/* What comes under the keys of before says nothing about those of an update that waits for its answer. */
static void an_update_that_waits_keeps_its_keys_over_a_restart(void **state) {
  (void)state;
  begin(4);
  expect_understanding("the start");
  pass_time(31000);
  calm();
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  assert_int_equal(keys_of(&nodes[0], 1), 2);
  crash(&nodes[0]);
  assert_int_equal(keys_of(&nodes[0], 1), 2);
  assert_true(packet(&nodes[1], &nodes[0]));
  pass_time(31000);
  serve_all(&nodes[0]);
  deliver_all(&nodes[1]); /* it sends under the new keys, and its answer is on its way */
  assert_int_equal(status_of(0, 1).pair.epoch + 1, status_of(1, 0).pair.epoch);
  assert_true(packet(&nodes[1], &nodes[0]));
  calm();
  assert_int_equal(status_of(0, 1).pair.epoch, status_of(1, 0).pair.epoch);
  pass_time(31000);
  assert_int_equal(keys_of(&nodes[0], 1), 1);
  assert_true(packet(&nodes[1], &nodes[0]));
  assert_true(packet(&nodes[0], &nodes[1]));
  end();
}

/* Its first words tell the other one, however young their pair is, and whoever began it. */
static void who_has_lost_its_state_gets_a_new_pair_at_once(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 8; i++) {
    const uint32_t first = i & 1;
    const uint32_t loser = i >> 1 & 1;
    begin(20 + i / 4);
    calm(); /* client_hellos are at the relay */
    tw_pairs_want(nodes[first].pairs, 1 - first, now_ms);
    calm();
    assert_true(packet(&nodes[first], &nodes[1 - first]));
    assert_true(packet(&nodes[1 - first], &nodes[first]));
    pass_time(10000);
    lose_disk(&nodes[loser]);
    calm();
    tw_pairs_rekey(nodes[1 - loser].pairs, loser, now_ms);
    for (int second = 0; second < 6; second++) {
      calm();
      (void)packet(&nodes[loser], &nodes[1 - loser]);
      pass_time(1000);
      for (uint32_t k = 0; k < NODES; k++) tw_pairs_tick(nodes[k].pairs, now_ms);
    }
    assert_true(packet(&nodes[0], &nodes[1]));
    assert_true(packet(&nodes[1], &nodes[0]));
    end();
  }
}

/* ---- mail that takes long ---- */

static struct {
  uint64_t at_ms[QUEUE_MAX];
  size_t count;
} due[2];

static void deliver_what_is_due(uint32_t i, uint64_t latency_ms) {
  node *n = &nodes[i];
  while (due[i].count < n->letters) due[i].at_ms[due[i].count++] = now_ms + latency_ms;
  while (n->letters > 0 && due[i].at_ms[0] <= now_ms) {
    deliver(n);
    memmove(due[i].at_ms, due[i].at_ms + 1, --due[i].count * sizeof due[i].at_ms[0]);
  }
}

/* For five minutes; `eager` looks at its clock at once, the other one every quarter of a second. */
static void renew_for_a_while(uint64_t latency_ms, uint32_t eager, uint64_t made[2]) {
  begin(30);
  expect_understanding("the start");
  calm();
  memset(due, 0, sizeof due);
  for (uint32_t i = 0; i < 2; i++) made[i] = status_of(i, 1 - i).pair.own_updates;
  for (const uint64_t end_ms = now_ms + 300000; now_ms < end_ms;) {
    pass_time(50);
    for (uint32_t i = 0; i < 2; i++) {
      serve_all(&nodes[i]);
      deliver_what_is_due(i, latency_ms + 20 * (uint64_t)roll(5));
      if (i == eager || now_ms / 50 % 5 == 0) tw_pairs_tick(nodes[i].pairs, now_ms);
      (void)packet(&nodes[i], &nodes[1 - i]);
    }
  }
  for (uint32_t i = 0; i < 2; i++) made[i] = status_of(i, 1 - i).pair.own_updates - made[i];
  end();
}

/* With RekeyAfter of 2 s: whoever wins ties (D3) does not so each time. */
static void both_sides_renew_however_long_mail_takes(void **state) {
  (void)state;
  rekey_after_ms = 2000;
  for (uint64_t latency_ms = 1000; latency_ms <= 2000; latency_ms += 1000) {
    const uint64_t round_ms = 2 * latency_ms > rekey_after_ms ? 2 * latency_ms : rekey_after_ms;
    for (uint32_t eager = 0; eager < 2; eager++) {
      uint64_t made[2];
      renew_for_a_while(latency_ms, eager, made);
      for (uint32_t i = 0; i < 2; i++) assert_true(made[i] >= 300000 / round_ms * 3 / 4);
    }
  }
  rekey_after_ms = 120000;
}

static void random_step(void) {
  node *n = &nodes[roll(NODES)];
  const uint32_t other = (n->index + 1 + roll(NODES - 1)) % NODES;
  switch (roll(12)) {
  case 0:
  case 1:
  case 2: serve(n, false); break;
  case 3:
  case 4:
  case 5: deliver(n); break;
  case 6:
  case 7: (void)packet(n, &nodes[other]); break;
  case 8: tw_pairs_want(n->pairs, other, now_ms); break;
  case 9: tw_pairs_rekey(n->pairs, other, now_ms); break;
  case 10:
    pass_time(roll(8000));
    tw_pairs_tick(n->pairs, now_ms);
    break;
  default: break;
  }
}

static void rarely(void) {
  node *n = &nodes[roll(NODES)];
  switch (roll(6)) {
  case 0:
    if (getenv("TREEWIRE_TELL")) print_message("crash %u\n", n->index);
    crash(n);
    break;
  case 1:
    break_link(n);
    tw_pairs_connected(n->pairs, now_ms);
    break;
  case 2: n->online = !n->online; break;
  case 3:
    n->disk_fails = !n->disk_fails;
    if (getenv("TREEWIRE_TELL")) print_message("disk %u %d\n", n->index, n->disk_fails);
    break;
  case 4: /* the relay loses a letter, or repeats one */
    if (n->letters > 0 && roll(2)) {
      lose_letter(n);
    } else if (n->letters > 0) {
      tw_pairs_mail(n->pairs, &n->mailbox[0].from, tw_buf_bytes(&n->mailbox[0].message), now_ms);
    }
    break;
  default:
    if (roll(4) == 0) lose_disk(n);
    break;
  }
}

static void whatever_happened_all_understand_each_other_in_the_end(void **state) {
  (void)state;
  const unsigned rounds = tw_test_rounds(30, 1);
  const char *wanted = getenv("TREEWIRE_SEED");
  for (uint64_t seed = 10; seed < 10 + rounds; seed++) {
    if (wanted != NULL && strtoull(wanted, NULL, 10) != seed) continue;
    char what[40];
    (void)snprintf(what, sizeof what, "TREEWIRE_SEED=%u", (unsigned)seed);
    begin(seed);
    for (int i = 0; i < STEPS; i++) {
      random_step();
      if (roll(20) == 0) rarely();
    }
    for (uint32_t i = 0; i < NODES; i++) {
      nodes[i].disk_fails = false;
      nodes[i].online = true;
      break_link(&nodes[i]);
      tw_pairs_connected(nodes[i].pairs, now_ms);
    }
    pass_time(61000);
    expect_understanding(what);
    end();
  }
}

static void a_number_and_an_id_are_one_peers_until_it_is_removed(void **state) {
  (void)state;
  tw_pairs_status status;
  begin(9);
  const tw_pairs_config config = {
      .clients = &nodes[0].client, .client_count = 1, .self = nodes[0].id, .port = &ports[0], .keys = &sinks[0]};
  tw_pairs *pairs = NULL;
  assert_int_equal(tw_pairs_new(&config, &pairs), TW_OK);
  assert_int_equal(tw_pairs_add(pairs, 1, &nodes[1].id), TW_OK);
  assert_int_equal(tw_pairs_add(pairs, 1, &nodes[2].id), TW_ERR_ARGUMENT);
  assert_int_equal(tw_pairs_add(pairs, 2, &nodes[1].id), TW_ERR_ARGUMENT);
  assert_int_equal(tw_pairs_add(pairs, 2, &nodes[0].id), TW_ERR_ARGUMENT);
  assert_int_equal(tw_pairs_add(pairs, TW_PAIRS_NUMBER_MAX, &nodes[2].id), TW_ERR_ARGUMENT);
  assert_int_equal(tw_pairs_remove(pairs, 1), TW_OK);
  assert_false(tw_pairs_get_status(pairs, 1, &status));
  assert_int_equal(tw_pairs_add(pairs, 1, &nodes[2].id), TW_OK);
  assert_int_equal(tw_pairs_add(pairs, TW_PAIRS_NUMBER_MAX - 1, &nodes[1].id), TW_OK);
  assert_int_equal(tw_pairs_add(pairs, 7, &nodes[2].id), TW_ERR_ARGUMENT);
  assert_true(tw_pairs_get_status(pairs, TW_PAIRS_NUMBER_MAX - 1, &status));
  assert_false(tw_pairs_get_status(pairs, 0, &status));
  assert_false(tw_pairs_get_status(pairs, UINT32_MAX, &status));
  tw_pairs_free(pairs);
  end();
}

/*
 * Node 0 could neither save its pair nor load it, and node 1, which has lost its own, begins another: that one does not
 * wait for the disk.
 */
static void what_could_not_be_saved_does_not_hold_up_the_next_pair(void **state) {
  (void)state;
  begin(10);
  expect_understanding("the start");
  pass_time(6000); /* the pair is no beginning any more that might have crossed another */
  nodes[0].disk_fails = nodes[0].disk_is_unreadable = true;
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  nodes[0].disk_fails = nodes[0].disk_is_unreadable = false;
  lose_disk(&nodes[1]);
  tw_pairs_want(nodes[1].pairs, 0, now_ms);
  calm();
  assert_true(packet(&nodes[1], &nodes[0]));
  assert_true(packet(&nodes[0], &nodes[1]));
  const uint64_t epoch = status_of(0, 1).pair.epoch;
  tw_pairs_rekey(nodes[1].pairs, 0, now_ms);
  calm();
  assert_int_equal(status_of(0, 1).pair.epoch, epoch + 1);
  assert_int_equal(status_of(1, 0).pair.epoch, epoch + 1);
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  calm();
  assert_int_equal(status_of(1, 0).pair.epoch, epoch + 2);
  end();
}

/* Node 0 has an update, which it could not save, nor load what was before: it is not released by a new link, or later.
 */
static void what_could_not_be_saved_is_not_sent(void **state) {
  (void)state;
  begin(14);
  expect_understanding("the start");
  const uint64_t epoch = status_of(1, 0).pair.epoch;
  nodes[0].disk_fails = nodes[0].disk_is_unreadable = true;
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  tw_pairs_connected(nodes[0].pairs, now_ms);
  serve_all(&nodes[0]);
  pass_time(5000);
  tw_pairs_tick(nodes[0].pairs, now_ms);
  serve_all(&nodes[0]);
  assert_int_equal(nodes[1].letters, 0);
  nodes[0].disk_fails = nodes[0].disk_is_unreadable = false;
  pass_time(5000);
  tw_pairs_tick(nodes[0].pairs, now_ms); /* it goes back */
  serve_all(&nodes[0]);
  assert_int_equal(nodes[1].letters, 0);
  assert_int_equal(status_of(0, 1).pair.state, TW_PAIR_STEADY);
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  calm();
  assert_int_equal(status_of(0, 1).pair.epoch, epoch + 1);
  assert_int_equal(status_of(1, 0).pair.epoch, epoch + 1);
  end();
}

/* Node 0 could not save what node 1's update has made of its pair, nor load what was before. */
static void a_new_link_does_not_end_the_wait_for_the_disk(void **state) {
  (void)state;
  begin(15);
  expect_understanding("the start");
  const uint64_t epoch = status_of(0, 1).pair.epoch;
  nodes[0].disk_fails = nodes[0].disk_is_unreadable = true;
  tw_pairs_rekey(nodes[1].pairs, 0, now_ms);
  serve_all(&nodes[1]);
  deliver(&nodes[0]);
  tw_pairs_connected(nodes[0].pairs, now_ms);
  serve_all(&nodes[0]);
  assert_int_equal(nodes[1].letters, 0);
  nodes[0].disk_fails = nodes[0].disk_is_unreadable = false;
  pass_time(5000);
  tw_pairs_tick(nodes[0].pairs, now_ms);
  assert_int_equal(status_of(0, 1).pair.epoch, epoch);
  expect_understanding("by node 1's next request");
  assert_int_equal(status_of(0, 1).pair.epoch, status_of(1, 0).pair.epoch);
  end();
}

/* A request's answer is on its way, and the letter that it was for has made room for another one. */
static void the_relays_answer_is_to_the_letter_that_it_was_asked_for(void **state) {
  (void)state;
  begin(12);
  expect_understanding("the start");
  tw_pairs_resume(nodes[1].pairs, 0, now_ms);
  serve(&nodes[1], false);
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  deliver(&nodes[0]); /* its update is dropped for the response */
  assert_int_equal(nodes[0].request_count, 2);
  assert_int_equal(status_of(0, 1).unsent, 1);
  serve(&nodes[0], false); /* the update's */
  assert_int_equal(status_of(0, 1).unsent, 1);
  serve(&nodes[0], false);
  assert_int_equal(status_of(0, 1).unsent, 0);
  calm();
  end();
}

/* There is a connection, and no room for a request: it is made 5 s later. */
static void a_letter_that_does_not_get_to_the_relay_is_sent_later(void **state) {
  (void)state;
  begin(13);
  expect_understanding("the start");
  nodes[0].is_full = true;
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  const uint64_t epoch = status_of(1, 0).pair.epoch;
  assert_int_equal(nodes[0].request_count, 0);
  nodes[0].is_full = false;
  assert_true(tw_pairs_deadline(nodes[0].pairs) <= now_ms + 5000);
  pass_time(5000);
  tw_pairs_tick(nodes[0].pairs, now_ms);
  calm();
  assert_int_equal(status_of(1, 0).pair.epoch, epoch + 1);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_number_and_an_id_are_one_peers_until_it_is_removed),
      cmocka_unit_test(a_pair_begins_with_the_first_packet_though_the_other_is_away),
      cmocka_unit_test(two_that_begin_at_once_come_to_one_pair),
      cmocka_unit_test(a_rekey_loses_nothing),
      cmocka_unit_test(an_update_before_the_first_packet_is_not_lost),
      cmocka_unit_test(an_update_that_waits_keeps_its_keys_over_a_restart),
      cmocka_unit_test(both_sides_renew_however_long_mail_takes),
      cmocka_unit_test(who_has_lost_its_state_gets_a_new_pair_at_once),
      cmocka_unit_test(what_could_not_be_saved_does_not_hold_up_the_next_pair),
      cmocka_unit_test(what_could_not_be_saved_is_not_sent),
      cmocka_unit_test(a_new_link_does_not_end_the_wait_for_the_disk),
      cmocka_unit_test(the_relays_answer_is_to_the_letter_that_it_was_asked_for),
      cmocka_unit_test(a_letter_that_does_not_get_to_the_relay_is_sent_later),
      cmocka_unit_test(whatever_happened_all_understand_each_other_in_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
