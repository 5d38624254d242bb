/* Pairs by a relay that lies: stale, swapped and damaged client_hellos, and mail that is repeated, bent and misdelivered. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "node/mail.h"
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

/* ---- mail that says something else ---- */

/* What the relay can read, and write anew. */
typedef struct opened {
  tw_mail mail;
  tw_pair_message_type type;
  uint8_t *body; /* in `bytes` */
  tw_buf bytes;
} opened;

static opened open_letter(const letter *l) {
  opened o = {0};
  assert_int_equal(tw_buf_append(&o.bytes, tw_buf_bytes(&l->message)), TW_OK);
  assert_int_equal(tw_mail_decode(tw_buf_bytes(&o.bytes), &o.mail), TW_OK);
  assert_int_equal(tw_pair_message_peek(o.mail.body, &o.type), TW_OK);
  o.body = o.bytes.ptr + (o.mail.body.ptr - o.bytes.ptr);
  return o;
}

static void give(node *to, const tw_client_id *from, const tw_mail *mail) {
  tw_buf encoded = {0};
  assert_int_equal(tw_mail_encode(mail, &encoded), TW_OK);
  tw_pairs_mail(to->pairs, from, tw_buf_bytes(&encoded), now_ms);
  tw_buf_clear(&encoded);
}

static size_t forged;
static uint8_t last_tag[TW_PAIR_TAG]; /* of an answer to an earlier update */

static void answer_for(node *maker, const node *peer, const tw_mail *update, uint64_t epoch, tw_bytes tag) {
  uint8_t body[12 + TW_PAIR_TAG] = {0, 1, 0, TW_PAIR_EPOCH_KEY_UPDATE};
  tw_mail made_up = *update;
  tw_put_u64(body + 4, epoch);
  if (tag.len > 0) memcpy(body + 12, tag.ptr, tag.len);
  made_up.body = TW_BYTES(body, 12 + tag.len);
  give(maker, &peer->id, &made_up);
}

/* Updates go nowhere, and their makers are told that they are there. */
static bool answer_updates(node *to, const letter *l) {
  static const uint8_t zeros[TW_PAIR_TAG];
  opened o = open_letter(l);
  const bool is_update = o.type == TW_PAIR_CONNECTION_UPDATE;
  const uint8_t *tag = o.body + o.mail.body.len - TW_PAIR_TAG;
  if (o.type == TW_PAIR_EPOCH_KEY_UPDATE) memcpy(last_tag, tag, sizeof last_tag);
  if (is_update) {
    node *maker = by_id(&l->from);
    const uint64_t next = status_of(maker->index, to->index).pair.epoch + 1;
    answer_for(maker, to, &o.mail, next, TW_NO_BYTES);
    answer_for(maker, to, &o.mail, next, TW_ARRAY(zeros));
    answer_for(maker, to, &o.mail, next, TW_ARRAY(last_tag));
    answer_for(maker, to, &o.mail, next, TW_BYTES(tag, TW_PAIR_TAG));
    forged++;
  }
  tw_buf_clear(&o.bytes);
  return !is_update;
}

/* Bends what comes, and keeps back what it was. */
static bool give_bent(node *to, const letter *l, tw_pair_message_type type, size_t at, uint8_t by) {
  opened o = open_letter(l);
  const bool bends = o.type == type;
  if (bends) {
    o.body[at < o.mail.body.len ? at : o.mail.body.len - 1] ^= by;
    give(to, &l->from, &o.mail);
    forged++;
  }
  tw_buf_clear(&o.bytes);
  return !bends;
}

static bool bend_nonces_of_responses(node *to, const letter *l) {
  return give_bent(to, l, TW_PAIR_RESUMPTION_RESPONSE, 4 + forged % TW_PAIR_NONCE, 1);
}

static bool bend_early_data(node *to, const letter *l) {
  return give_bent(to, l, TW_PAIR_RESUMPTION_RESPONSE, 4 + TW_PAIR_NONCE, 1);
}

static bool bend_tags_of_responses(node *to, const letter *l) {
  return give_bent(to, l, TW_PAIR_RESUMPTION_RESPONSE, SIZE_MAX, 0x80);
}

static bool bend_tags_of_updates(node *to, const letter *l) {
  return give_bent(to, l, TW_PAIR_CONNECTION_UPDATE, SIZE_MAX, 0x80);
}

static bool bend_tags_of_answers(node *to, const letter *l) {
  return give_bent(to, l, TW_PAIR_EPOCH_KEY_UPDATE, SIZE_MAX, 0x80);
}

/* With another nonce than it has asked with, and the answer as if it were to what it has asked. */
static bool bend_nonces_of_requests(node *to, const letter *l) {
  opened o = open_letter(l);
  const bool bends = o.type == TW_PAIR_RESUMPTION_REQUEST || o.type == TW_PAIR_RESUMPTION_RESPONSE;
  if (o.type == TW_PAIR_RESUMPTION_REQUEST) o.body[4] ^= 1;
  if (o.type == TW_PAIR_RESUMPTION_RESPONSE) o.mail.request[0] ^= 1;
  if (bends) give(to, &l->from, &o.mail);
  forged += bends;
  tw_buf_clear(&o.bytes);
  return !bends;
}

/* The commit of a request as an update, whose receiver would send under the new keys at once. */
static bool call_requests_updates(node *to, const letter *l) {
  opened o = open_letter(l);
  const bool renames = o.type == TW_PAIR_RESUMPTION_REQUEST;
  if (renames) {
    o.body[3] = TW_PAIR_CONNECTION_UPDATE;
    memmove(o.body + 4, o.body + 4 + TW_PAIR_NONCE, o.mail.body.len - 4 - TW_PAIR_NONCE);
    o.mail.body.len -= TW_PAIR_NONCE;
    give(to, &l->from, &o.mail);
    forged++;
  }
  tw_buf_clear(&o.bytes);
  return !renames;
}

static void expect_no_loss_for(unsigned seconds) {
  for (unsigned i = 0; i < seconds; i++) {
    pass_time(1000);
    for (uint32_t k = 0; k < 2; k++) tw_pairs_tick(nodes[k].pairs, now_ms);
    calm();
    assert_true(packet(&nodes[0], &nodes[1]));
    assert_true(packet(&nodes[1], &nodes[0]));
    calm();
  }
}

/*
 * For two minutes the relay puts this in the place of mail between nodes 0 and 1, of which one renews its keys, or
 * asks. Not a packet is lost, then or later. Once the relay is honest, both are in one epoch, which is a later one.
 */
static void expect_no_harm_by(bool (*lie)(node *to, const letter *l), bool asks) {
  for (uint32_t maker = 0; maker < 2; maker++) {
    begin(80 + maker);
    expect_understanding("the start");
    expect_no_loss_for(300); /* with renewals that are answered */
    const uint64_t epoch = status_of(0, 1).pair.epoch;
    forged = 0;
    lie_with_letter = lie;
    if (asks)
      tw_pairs_resume(nodes[maker].pairs, 1 - maker, now_ms);
    else
      tw_pairs_rekey(nodes[maker].pairs, 1 - maker, now_ms);
    expect_no_loss_for(120);
    assert_true(forged > 0);
    lie_with_letter = NULL;
    expect_no_loss_for(300);
    for (unsigned i = 0; i < 60 && status_of(0, 1).pair.epoch != status_of(1, 0).pair.epoch; i++) expect_no_loss_for(1);
    assert_int_equal(status_of(0, 1).pair.epoch, status_of(1, 0).pair.epoch);
    assert_true(status_of(0, 1).pair.epoch > epoch + 1);
    end();
  }
}

static bool repeat_requests(node *to, const letter *l) {
  opened o = open_letter(l);
  if (o.type == TW_PAIR_RESUMPTION_REQUEST) keep(l);
  tw_buf_clear(&o.bytes);
  tw_pairs_mail(to->pairs, &l->from, tw_buf_bytes(&l->message), now_ms);
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < kept_count; i++)
      tw_pairs_mail(to->pairs, &kept[i].from, tw_buf_bytes(&kept[i].message), now_ms);
  }
  forged++;
  return false;
}

/* Each answer has keys of its own (of which nodes here can hold 64), and whoever asks takes one. */
static void repeated_requests_bring_no_more_keys(void **state) {
  (void)state;
  begin(92);
  expect_understanding("the start");
  lie_with_letter = repeat_requests;
  for (uint32_t i = 0; i < 6; i++) {
    for (uint32_t k = 0; k < 3; k++) { /* none of which was answered when the next is made */
      tw_pairs_resume(nodes[i % 2].pairs, 1 - i % 2, now_ms);
      while (nodes[i % 2].request_count > 0) serve(&nodes[i % 2], false);
    }
    tw_pairs_resume(nodes[1 - i % 2].pairs, i % 2, now_ms);
    expect_no_loss_for(60);
    assert_true(nodes[0].key_count < 20);
    assert_true(nodes[1].key_count < 20);
  }
  lie_with_letter = NULL;
  expect_understanding("without repetitions");
  forget_kept();
  end();
}

static void answers_that_are_made_up_end_no_traffic(void **state) {
  (void)state;
  expect_no_harm_by(answer_updates, false);
}

static void bent_answers_end_no_traffic(void **state) {
  (void)state;
  expect_no_harm_by(bend_tags_of_answers, false);
  expect_no_harm_by(bend_tags_of_updates, false);
}

static void bent_nonces_end_no_traffic(void **state) {
  (void)state;
  expect_no_harm_by(bend_nonces_of_responses, true);
  expect_no_harm_by(bend_nonces_of_requests, true);
  expect_no_harm_by(bend_early_data, true);
  expect_no_harm_by(bend_tags_of_responses, true);
}

static void requests_that_are_called_updates_end_no_traffic(void **state) {
  (void)state;
  expect_no_harm_by(call_requests_updates, true);
}

static void give_node_0_a_used_one(node *asker, node *owner, tw_buf *held) {
  if (asker->index == 0 && owner->index == 1) give_a_used_one(asker, owner, held);
}

/*
 * 30 bytes that speak of another pair, every second, and one client_hello for each time that somebody is asked for: it
 * is begun anew ever less often, and traffic goes on under the keys of before.
 */
static void strange_mail_has_pairs_begun_anew_ever_less_often(void **state) {
  (void)state;
  uint8_t body[12 + TW_PAIR_TAG] = {0, 1, 0, TW_PAIR_EPOCH_KEY_UPDATE};
  const tw_mail strange = {.kind = TW_MAIL_PAIR, .ref = "another pair's", .body = TW_ARRAY(body)};
  const uint64_t usual_ms = rekey_after_ms;
  rekey_after_ms = 0;
  begin(90);
  rekey_after_ms = usual_ms;
  lie_with_hello = give_node_0_a_used_one;
  expect_understanding("the start");
  lie_with_letter = withhold;
  const size_t before = hellos_asked;
  const size_t keys = nodes[0].key_count;
  for (uint64_t i = 0; i < 4 * 3600; i++) {
    pass_time(1000);
    for (uint32_t k = 0; k < 2; k++) tw_pairs_tick(nodes[k].pairs, now_ms);
    give(&nodes[0], &nodes[1].id, &strange);
    calm();
    assert_true(packet(&nodes[0], &nodes[1]));
    assert_true(packet(&nodes[1], &nodes[0]));
  }
  assert_in_range(hellos_asked - before, 2, 10); /* after 1, 2, 4, … minutes: 8 in four hours, and a few by itself */
  assert_true(nodes[0].key_count - keys <= 10);
  lie_with_hello = NULL;
  lie_with_letter = NULL;
  expect_understanding("by the truth");
  for (uint32_t i = 0; i < NODES; i++) tw_buf_clear(&used[i]);
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
      cmocka_unit_test(strange_mail_has_pairs_begun_anew_ever_less_often),
      cmocka_unit_test(answers_that_are_made_up_end_no_traffic),
      cmocka_unit_test(bent_answers_end_no_traffic),
      cmocka_unit_test(repeated_requests_bring_no_more_keys),
      cmocka_unit_test(bent_nonces_end_no_traffic),
      cmocka_unit_test(requests_that_are_called_updates_end_no_traffic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
