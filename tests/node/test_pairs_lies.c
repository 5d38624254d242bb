/* Pairs by a relay that lies: stale, swapped and damaged client_hellos, and mail that is repeated, bent and misdelivered. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/pairs_kit.h"

/* ---- client_hellos ---- */

static void live(uint64_t ms) {
  for (const uint64_t end_ms = now_ms + ms; now_ms < end_ms;) {
    pass_time(1000);
    tw_pairs_want(nodes[0].pairs, 1, now_ms);
    for (uint32_t i = 0; i < NODES; i++) tw_pairs_tick(nodes[i].pairs, now_ms);
    calm();
  }
}

static size_t bent_at;

/* Node 0 has a packet for node 1 for an hour, and no keys to send it under; after that the relay does its duty. */
static void expect_no_pair_for_an_hour(uint64_t seed, void (*lie)(node *asker, node *owner, tw_buf *held)) {
  begin(seed);
  calm();
  bent_at = 0;
  lie_with_hello = lie;
  const size_t before = hellos_asked;
  live(UINT64_C(3600) * 1000);
  assert_int_equal(nodes[0].sending[1].stamp, 0);
  assert_false(packet(&nodes[0], &nodes[1]));
  assert_int_equal(nodes[1].key_count, 0);
  assert_int_equal(nodes[2].key_count, 0);
  assert_true(hellos_asked > before);
  assert_in_range(hellos_asked - before, 6, 20); /* ever less often, but so often */
  lie_with_hello = NULL;
  expect_understanding("by the truth");
  end();
}

static void give_another_ones(node *asker, node *owner, tw_buf *held) {
  (void)asker;
  if (owner->index == 1) assert_int_equal(tw_buf_assign(held, tw_buf_bytes(&nodes[2].pool[0])), TW_OK);
}

static void another_ones_client_hello_begins_nothing(void **state) {
  (void)state;
  expect_no_pair_for_an_hour(40, give_another_ones);
}

static void give_the_askers_own(node *asker, node *owner, tw_buf *held) {
  (void)owner;
  assert_int_equal(tw_buf_assign(held, tw_buf_bytes(&asker->pool[0])), TW_OK);
}

static void ones_own_client_hello_begins_nothing(void **state) {
  (void)state;
  expect_no_pair_for_an_hour(41, give_the_askers_own);
}

static void give_it_bent(node *asker, node *owner, tw_buf *held) {
  (void)asker;
  (void)owner;
  held->ptr[bent_at % held->len] ^= (uint8_t)(1 << bent_at % 8);
  bent_at += 7;
}

static void damaged_client_hellos_begin_nothing(void **state) {
  (void)state;
  expect_no_pair_for_an_hour(42, give_it_bent);
}

static void give_it_cut(node *asker, node *owner, tw_buf *held) {
  (void)asker;
  (void)owner;
  held->len -= 1 + bent_at++ % (held->len - 1);
}

static void cut_client_hellos_begin_nothing(void **state) {
  (void)state;
  expect_no_pair_for_an_hour(43, give_it_cut);
}

/* The first one that the relay has given out for each, again and again. */
static tw_buf used[NODES];

static void give_a_used_one(node *asker, node *owner, tw_buf *held) {
  (void)asker;
  tw_buf *first = &used[owner->index];
  tw_buf *to = first->len == 0 ? first : held;
  assert_int_equal(tw_buf_assign(to, tw_buf_bytes(to == first ? held : first)), TW_OK);
}

/*
 * Node 0 cannot tell a stale client_hello from a fresh one, and sends under what comes of it (D18). Its owner has
 * deleted the key: nobody can read that. It is heard from nobody, and begins anew until it gets another.
 */
static void a_used_client_hello_begins_nothing_that_anybody_reads(void **state) {
  (void)state;
  begin(44);
  calm();
  lie_with_hello = give_a_used_one;
  tw_pairs_want(nodes[0].pairs, 1, now_ms);
  tw_pairs_want(nodes[2].pairs, 0, now_ms);
  calm();
  assert_true(packet(&nodes[0], &nodes[1]));
  assert_true(packet(&nodes[1], &nodes[0]));
  lose_disk(&nodes[0]);
  const size_t before = hellos_asked;
  live(UINT64_C(3600) * 1000);
  assert_int_equal(nodes[0].sending[1].stamp, 1);
  assert_false(packet(&nodes[0], &nodes[1]));
  assert_false(status_of(0, 1).confirmed);
  assert_false(packet(&nodes[1], &nodes[0]));
  assert_in_range(hellos_asked - before, 1, 60);
  lie_with_hello = NULL;
  expect_understanding("by a fresh one");
  for (uint32_t i = 0; i < NODES; i++) tw_buf_clear(&used[i]);
  end();
}

/* ---- mail ---- */

enum { KEPT_MAX = 400 };
static letter kept[KEPT_MAX];
static size_t kept_count;

static void keep(const letter *l) {
  letter *copy = &kept[kept_count < KEPT_MAX ? kept_count++ : roll(KEPT_MAX)];
  copy->from = l->from;
  assert_int_equal(tw_buf_assign(&copy->message, tw_buf_bytes(&l->message)), TW_OK);
}

static void forget_kept(void) {
  for (size_t i = 0; i < kept_count; i++) tw_buf_clear(&kept[i].message);
  kept_count = 0;
}

/* Before each letter, and after it, some of all that there ever were, for whomever, in anybody's name. */
static void repeat_some(node *to) {
  for (uint32_t i = roll(4); i > 0 && kept_count > 0; i--) {
    const letter *old = &kept[roll((uint32_t)kept_count)];
    const tw_client_id from = roll(4) == 0 ? nodes[roll(NODES)].id : old->from;
    tw_pairs_mail(to->pairs, &from, tw_buf_bytes(&old->message), now_ms);
  }
}

static bool repeat_and_misdeliver(node *to, const letter *l) {
  repeat_some(to);
  keep(l);
  tw_pairs_mail(to->pairs, &l->from, tw_buf_bytes(&l->message), now_ms);
  repeat_some(to);
  return false;
}

static bool bend_and_cut(node *to, const letter *l) {
  tw_buf bent = {0};
  for (uint32_t i = 0; i < 6; i++) {
    assert_int_equal(tw_buf_assign(&bent, tw_buf_bytes(&l->message)), TW_OK);
    if (i < 4)
      bent.ptr[roll((uint32_t)bent.len)] ^= (uint8_t)(1u << roll(8));
    else
      bent.len = roll((uint32_t)bent.len);
    const tw_client_id from = i % 2 == 0 ? l->from : nodes[roll(NODES)].id;
    tw_pairs_mail(to->pairs, &from, tw_buf_bytes(&bent), now_ms);
  }
  tw_buf_clear(&bent);
  return true;
}

/* Both renew again and again, and understand each other all the time. */
static void expect_renewals_without_loss(uint64_t seed, bool (*lie)(node *to, const letter *l)) {
  begin(seed);
  lie_with_letter = lie;
  expect_understanding("the start");
  const unsigned rounds = tw_test_rounds(60, 6);
  uint64_t epoch = status_of(0, 1).pair.epoch;
  for (unsigned i = 0; i < rounds; i++) {
    node *a = &nodes[roll(2)];
    tw_pairs_rekey(a->pairs, 1 - a->index, now_ms);
    go_on_without_loss();
    calm();
    assert_true(status_of(0, 1).pair.epoch > epoch); /* none is brought back, and none is lost */
    epoch = status_of(0, 1).pair.epoch;
    assert_int_equal(status_of(1, 0).pair.epoch, epoch);
  }
  forget_kept();
  end();
}

static void mail_that_is_repeated_and_misdelivered_does_no_harm(void **state) {
  (void)state;
  expect_renewals_without_loss(50, repeat_and_misdeliver);
  expect_renewals_without_loss(51, repeat_and_misdeliver);
}

static void damaged_mail_does_no_harm(void **state) {
  (void)state;
  expect_renewals_without_loss(52, bend_and_cut);
}

static bool withhold(node *to, const letter *l) {
  (void)l;
  return to->index != 1;
}

/* One side gets no mail for an hour: what was agreed on goes on, and all of it comes right when mail does. */
static void mail_that_is_kept_back_from_one_side_ends_nothing(void **state) {
  (void)state;
  begin(53);
  expect_understanding("the start");
  lie_with_letter = withhold;
  tw_pairs_rekey(nodes[0].pairs, 1, now_ms);
  for (uint64_t i = 0; i < 3600; i++) {
    pass_time(1000);
    for (uint32_t k = 0; k < NODES; k++) tw_pairs_tick(nodes[k].pairs, now_ms);
    calm();
    assert_true(packet(&nodes[1], &nodes[0]));
    assert_true(packet(&nodes[0], &nodes[1]));
  }
  lie_with_letter = NULL;
  expect_understanding("with mail");
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(another_ones_client_hello_begins_nothing),
      cmocka_unit_test(ones_own_client_hello_begins_nothing),
      cmocka_unit_test(damaged_client_hellos_begin_nothing),
      cmocka_unit_test(cut_client_hellos_begin_nothing),
      cmocka_unit_test(a_used_client_hello_begins_nothing_that_anybody_reads),
      cmocka_unit_test(mail_that_is_repeated_and_misdelivered_does_no_harm),
      cmocka_unit_test(damaged_mail_does_no_harm),
      cmocka_unit_test(mail_that_is_kept_back_from_one_side_ends_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
