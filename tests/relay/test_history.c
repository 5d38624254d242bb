/* Long random histories of many clients and groups, against a model that is a few arrays. SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_kit.h"

enum { CLIENTS = 12, GROUPS = 4, MAIL = 4000, PACKAGES = 4000, STEPS = 1500, WAITING_MAX = 40 };

typedef struct model_mail {
  uint64_t number;
  tw_control_kind kind;
  unsigned from;
  unsigned group; /* GROUPS: none */
  uint64_t epoch;
  uint32_t text;
} model_mail;

typedef struct model_client {
  bool known;
  uint64_t last;
  model_mail mail[MAIL]; /* from `first` to `count`, in order */
  size_t first, count;
  uint32_t packages[PACKAGES]; /* likewise */
  size_t first_package, package_count;
  uint32_t last_resort;           /* 0: none */
  uint64_t had;                   /* the last number that the client itself has */
  uint64_t gap_after, gap_before; /* numbers between them were never given */
} model_client;

typedef struct model_group {
  bool open;
  uint64_t epoch;
  bool members[CLIENTS];
  uint32_t commits[STEPS]; /* texts by epoch */
  unsigned makers[STEPS];
} model_group;

typedef struct world {
  relay_kit *k;
  uint64_t dice;
  uint32_t next_text;
  model_client clients[CLIENTS];
  model_group groups[GROUPS];
  bool mailed[CLIENTS]; /* in this batch */
  /* what each request of the batch has to be answered */
  struct expected {
    tw_control_status status;
    uint32_t text; /* of a key package, or the commit that took the place */
    bool last_resort;
    unsigned peer, group;
    uint64_t epoch;
    uint32_t stock;
    model_mail mail[WAITING_MAX];
    size_t mail_count;
    bool more;
  } expected[64];
  size_t batch;
  unsigned done[13], taken;
  uint64_t first_number; /* of entries since the store was opened; 0: nobody has entered yet */
} world;

static unsigned roll(world *w, unsigned sides) {
  w->dice = w->dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (unsigned)((w->dice >> 33) % sides);
}

static const char *text_of(uint32_t n, char out[16]) {
  (void)snprintf(out, 16, "%u", n);
  return out;
}

static tw_bytes group_id(unsigned g) {
  static const char *const ids[GROUPS] = {"id zero", "id one", "id two", "id three"};
  return kit_text(ids[g]);
}

static const char *group_name(unsigned g) {
  static const char *const names[GROUPS] = {"zero", "one", "two", "three"};
  return names[g];
}

static void put_mail(world *w, unsigned to, model_mail mail) {
  model_client *c = &w->clients[to];
  if (!c->known) return;
  assert_true(c->count < MAIL);
  if (c->last + 1 < w->first_number) {
    c->gap_after = c->last;
    c->gap_before = w->first_number;
  }
  c->last = c->last + 1 > w->first_number ? c->last + 1 : w->first_number;
  mail.number = c->last;
  c->mail[c->count++] = mail;
  w->mailed[to] = true;
}

static void enter(world *w, unsigned peer) {
  model_client *c = &w->clients[peer];
  if (w->first_number == 0) w->first_number = 1 + (w->k->now_ms / 1000 << 20);
  if (c->known) return;
  c->known = true;
  c->last = w->k->now_ms / 1000 << 20;
  c->gap_before = c->last + 1;
}

static struct expected *ask(world *w, unsigned peer, const tw_control_request *request, tw_control_status status) {
  struct expected *e = &w->expected[w->batch];
  memset(e, 0, sizeof *e);
  e->status = status;
  e->peer = peer;
  relay_ask(w->k, peer, w->batch++, request);
  return e;
}

static tw_bytes ids_of(world *w, const bool members[CLIENTS]) {
  tw_writer out = relay_make(w->k);
  for (unsigned i = 0; i < CLIENTS; i++)
    if (members[i]) tw_write_fixed(&out, TW_ARRAY(w->k->peers[i].id.digest));
  return relay_made(&out);
}

/* ---- one step of each kind ---- */

static void step_send(world *w, unsigned peer) {
  char text[16];
  const unsigned to = roll(w, CLIENTS);
  const uint32_t n = w->next_text++;
  const tw_control_request request = relay_send_of(to, kit_text(text_of(n, text)));
  enter(w, peer);
  const bool known = w->clients[to].known;
  (void)ask(w, peer, &request, known ? TW_CONTROL_DONE : TW_CONTROL_UNKNOWN);
  put_mail(w, to, (model_mail){.kind = TW_CONTROL_KIND_SEND, .from = peer, .group = GROUPS, .text = n});
}

static void step_fetch(world *w, unsigned peer) {
  model_client *c = &w->clients[peer];
  enter(w, peer);
  const uint32_t most = roll(w, 6);
  const uint64_t gap = c->gap_before - c->gap_after - 1;
  if (gap > 0 && roll(w, 8) == 0) { /* of another state of the relay */
    const uint64_t lost = c->gap_after + 1 + (roll(w, 2) == 0 ? 0 : gap - 1);
    const tw_control_request request = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.after = lost, .most = most});
    (void)ask(w, peer, &request, TW_CONTROL_TOO_FAR);
    return;
  }
  /* What it has, or an earlier number: its disk may be an older one, that never brings back what was deleted. */
  const uint64_t after = roll(w, 4) == 0 ? 0 : c->had;
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.after = after, .most = most});
  struct expected *e = ask(w, peer, &request, TW_CONTROL_DONE);
  while (c->first < c->count && c->mail[c->first].number <= after) c->first++;
  for (size_t i = c->first; i < c->count && e->mail_count < most; i++) e->mail[e->mail_count++] = c->mail[i];
  e->more = c->count - c->first > e->mail_count;
}

static void step_publish(world *w, unsigned peer) {
  char text[3][16];
  const char *list[3];
  model_client *c = &w->clients[peer];
  const unsigned count = roll(w, 4);
  enter(w, peer);
  for (unsigned i = 0; i < count; i++) {
    const uint32_t n = w->next_text++;
    c->packages[c->package_count++] = n;
    list[i] = text_of(n, text[i]);
  }
  tw_bytes last = TW_NO_BYTES;
  char last_text[16];
  if (roll(w, 3) == 0) last = relay_key_package(w->k, text_of(c->last_resort = w->next_text++, last_text));
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_PUBLISH,
                                                   .publish = {.pool = TW_CONTROL_POOL_NETWORK,
                                                               .key_packages = relay_packages(w->k, list, count),
                                                               .last_resort = last});
  (void)ask(w, peer, &request, TW_CONTROL_DONE);
}

static void step_take(world *w, unsigned peer) {
  const unsigned owner = roll(w, CLIENTS);
  model_client *c = &w->clients[owner];
  enter(w, peer);
  const bool once = c->first_package < c->package_count;
  const bool there = once || c->last_resort != 0;
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_TAKE,
                                                   .take = {.owner = relay_id(owner), .pool = TW_CONTROL_POOL_NETWORK});
  struct expected *e = ask(w, peer, &request, there ? TW_CONTROL_DONE : TW_CONTROL_UNKNOWN);
  e->last_resort = !once;
  e->text = once ? c->packages[c->first_package++] : c->last_resort;
}

static void step_stock(world *w, unsigned peer) {
  enter(w, peer);
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_NETWORK);
  struct expected *e = ask(w, peer, &request, TW_CONTROL_DONE);
  e->stock = (uint32_t)(w->clients[peer].package_count - w->clients[peer].first_package);
}

static void step_open(world *w, unsigned peer) {
  const unsigned g = roll(w, GROUPS);
  model_group *group = &w->groups[g];
  bool members[CLIENTS];
  enter(w, peer);
  for (unsigned i = 0; i < CLIENTS; i++) members[i] = i == peer || roll(w, 3) == 0;
  const tw_control_request request = relay_open_of(w->k, group_name(g), group_id(g), 0, ids_of(w, members));
  if (!group->open) memcpy(group->members, members, sizeof members);
  /* Here, opening twice with the same members is possible, though unlikely enough to be left out. */
  struct expected *e = ask(w, peer, &request, group->open ? TW_CONTROL_TAKEN : TW_CONTROL_DONE);
  e->group = g;
  group->open = true;
}

/* The commit may be of an earlier epoch, of the next one, or by who is no member. */
static void step_commit(world *w, unsigned peer) {
  char text[16];
  const unsigned g = roll(w, GROUPS);
  model_group *group = &w->groups[g];
  bool members[CLIENTS];
  if (!group->open) return;
  enter(w, peer);
  const uint64_t back = roll(w, 4) == 0 ? roll(w, 5) : 0;
  const uint64_t epoch = roll(w, 9) == 0 ? group->epoch + 1 : group->epoch < back ? 0 : group->epoch - back;
  const bool external = roll(w, 4) == 0;
  /* Now and then a repetition of one that was accepted. */
  const bool again = epoch < group->epoch && !external && group->makers[epoch] == peer && roll(w, 2) == 0;
  const uint32_t n = again ? group->commits[epoch] : w->next_text++;
  for (unsigned i = 0; i < CLIENTS; i++)
    members[i] = i == peer || (group->members[i] ? roll(w, 12) != 0 : !external && roll(w, 12) == 0);
  tw_control_request request = relay_commit_of(w->k, group_id(g), epoch, text_of(n, text), ids_of(w, members));
  if (external)
    request.body.group_commit.commit = relay_public(w->k, group_id(g), epoch, TW_SENDER_NEW_MEMBER_COMMIT,
                                                    text_of(n, text));
  const bool allowed = group->members[peer];
  tw_control_status status = TW_CONTROL_DONE;
  if (epoch < group->epoch)
    status = again ? TW_CONTROL_DONE : allowed ? TW_CONTROL_TAKEN : TW_CONTROL_FORBIDDEN;
  else if (!allowed)
    status = TW_CONTROL_FORBIDDEN;
  else if (epoch > group->epoch)
    status = TW_CONTROL_TOO_FAR;
  struct expected *e = ask(w, peer, &request, status);
  e->group = g;
  if (status == TW_CONTROL_TAKEN) {
    e->text = group->commits[epoch];
    e->epoch = epoch;
  }
  if (status != TW_CONTROL_DONE || epoch != group->epoch) return;
  const model_mail mail = {.kind = TW_CONTROL_KIND_COMMIT, .from = peer, .group = g, .epoch = epoch, .text = n};
  for (unsigned i = 0; i < CLIENTS; i++)
    if (group->members[i] && i != peer) put_mail(w, i, mail);
  group->commits[epoch] = n;
  group->makers[epoch] = external ? CLIENTS : peer; /* the kit's external ones are not repeated here */
  memcpy(group->members, members, sizeof members);
  group->epoch++;
}

static void step_group_send(world *w, unsigned peer) {
  char text[16];
  const unsigned g = roll(w, GROUPS);
  model_group *group = &w->groups[g];
  const uint32_t n = w->next_text++;
  enter(w, peer);
  const tw_control_request request = RELAY_REQUEST(
      TW_CONTROL_GROUP_SEND, .group_send = {.group_id = group_id(g),
                                            .message = relay_private(w->k, group_id(g), group->epoch,
                                                                     TW_CONTENT_APPLICATION, text_of(n, text))});
  const bool member = group->open && group->members[peer];
  (void)ask(w, peer, &request, !group->open ? TW_CONTROL_UNKNOWN : member ? TW_CONTROL_DONE : TW_CONTROL_FORBIDDEN);
  if (!member) return;
  for (unsigned i = 0; i < CLIENTS; i++)
    if (group->members[i] && i != peer)
      put_mail(
          w, i,
          (model_mail){.kind = TW_CONTROL_KIND_GROUP_SEND, .from = peer, .group = g, .epoch = group->epoch, .text = n});
}

static void step_find(world *w, unsigned peer) {
  const unsigned g = roll(w, GROUPS);
  const model_group *group = &w->groups[g];
  enter(w, peer);
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_GROUP_FIND,
                                                   .group_find = {kit_text(group_name(g)), true});
  struct expected *e = ask(w, peer, &request, group->open ? TW_CONTROL_DONE : TW_CONTROL_UNKNOWN);
  e->group = g;
  e->epoch = group->epoch;
  e->last_resort = group->members[peer];
}

/* ---- answers ---- */

static uint32_t number_of(world *w, tw_bytes message, tw_control_kind kind) {
  char digits[16] = {0};
  tw_bytes text = message;
  if (kind != TW_CONTROL_KIND_SEND) {
    tw_mls_message decoded;
    assert_int_equal(tw_mls_message_decode(&w->k->at.test.env, message, &decoded), TW_OK);
    text = decoded.wire_format == TW_WIRE_PRIVATE_MESSAGE ? decoded.u.private_message.ciphertext
                                                          : decoded.u.public_message.content.authenticated_data;
  }
  assert_true(text.len < sizeof digits);
  memcpy(digits, text.ptr, text.len);
  return (uint32_t)strtoul(digits, NULL, 10);
}

static void check_fetch(world *w, const struct expected *e, const tw_control_fetched *fetched) {
  tw_reader walk = tw_reader_of(fetched->entries);
  tw_control_entry entry;
  for (size_t i = 0; i < e->mail_count; i++) {
    const model_mail *mail = &e->mail[i];
    assert_true(tw_control_entry_next(&walk, &entry));
    assert_int_equal(entry.number, mail->number);
    assert_int_equal(entry.kind, mail->kind);
    assert_int_equal(entry.epoch, mail->epoch);
    assert_memory_equal(entry.from.digest, w->k->peers[mail->from].id.digest, 32);
    tw_test_same(entry.group_id, mail->group == GROUPS ? TW_NO_BYTES : group_id(mail->group));
    assert_int_equal(number_of(w, entry.message, mail->kind), mail->text);
    w->clients[e->peer].had = mail->number;
  }
  assert_int_equal(tw_reader_end(&walk), TW_OK);
  assert_int_equal(fetched->more, e->more);
}

static void check_answer(world *w, const struct expected *e, const tw_control_answer *answer) {
  if (answer->status != e->status) fail_msg("type %d: status %d, expected %d", answer->to, answer->status, e->status);
  w->done[answer->to] += answer->status == TW_CONTROL_DONE;
  if (answer->status == TW_CONTROL_TAKEN) {
    w->taken++;
    if (answer->to == TW_CONTROL_GROUP_OPEN)
      tw_test_same(answer->body.taken, group_id(e->group));
    else
      assert_int_equal(number_of(w, answer->body.taken, TW_CONTROL_KIND_COMMIT), e->text);
  }
  if (answer->status != TW_CONTROL_DONE) return;
  char text[16];
  switch (answer->to) {
  case TW_CONTROL_FETCH: check_fetch(w, e, &answer->body.fetch); break;
  case TW_CONTROL_STOCK: assert_int_equal(answer->body.stock, e->stock); break;
  case TW_CONTROL_TAKE:
    assert_int_equal(answer->body.take.last_resort, e->last_resort);
    tw_test_same(answer->body.take.key_package, relay_key_package(w->k, text_of(e->text, text)));
    break;
  case TW_CONTROL_GROUP_FIND:
    tw_test_same(answer->body.group_find.group_id, group_id(e->group));
    tw_test_same(answer->body.group_find.group_info, relay_info(w->k, group_id(e->group), e->epoch));
    tw_test_same(answer->body.group_find.tree, relay_tree(w->k, e->epoch));
    assert_int_equal(answer->body.group_find.epoch, e->epoch);
    assert_int_equal(answer->body.group_find.member, e->last_resort);
    break;
  default: break;
  }
}

static void flush(world *w) {
  relay_kit *k = w->k;
  assert_int_equal(relay_flush(k), TW_OK);
  assert_int_equal(k->answer_count, w->batch);
  for (size_t i = 0; i < w->batch; i++) {
    assert_int_equal(k->answers[i].tag, i);
    check_answer(w, &w->expected[i], &k->answers[i].answer);
  }
  size_t mailed = 0;
  for (unsigned i = 0; i < CLIENTS; i++) mailed += w->mailed[i];
  assert_int_equal(k->mailed_count, mailed);
  w->batch = 0;
  memset(w->mailed, 0, sizeof w->mailed);
}

static void step(world *w) {
  static void (*const steps[])(world *, unsigned) = {step_send,  step_send, step_fetch,  step_fetch,      step_publish,
                                                     step_take,  step_take, step_commit, step_commit,     step_commit,
                                                     step_stock, step_open, step_find,   step_group_send, step_send};
  steps[roll(w, sizeof steps / sizeof steps[0])](w, roll(w, CLIENTS));
}

/* All that waits, at the end. */
static void drain(world *w) {
  for (unsigned i = 0; i < CLIENTS; i++) {
    model_client *c = &w->clients[i];
    while (c->known && (c->first < c->count || c->had < c->last)) {
      const uint64_t had = c->had;
      const tw_control_request request = RELAY_REQUEST(TW_CONTROL_FETCH,
                                                       .fetch = {.after = c->had, .most = WAITING_MAX});
      struct expected *e = ask(w, i, &request, TW_CONTROL_DONE);
      while (c->first < c->count && c->mail[c->first].number <= c->had) c->first++;
      for (size_t n = c->first; n < c->count && e->mail_count < WAITING_MAX; n++) e->mail[e->mail_count++] = c->mail[n];
      e->more = c->count - c->first > e->mail_count;
      flush(w);
      if (c->had == had) break;
    }
  }
}

static void play(bool on_disk, uint64_t seed) {
  world *w = calloc(1, sizeof *w);
  assert_non_null(w);
  w->k = relay_new(on_disk, seed);
  w->k->limits.key_packages = 100000;
  w->k->limits.groups = 100000;
  w->k->limits.remembered_commits = STEPS;
  w->k->limits.mailbox_entries = 100000;
  w->dice = seed;
  w->next_text = 1;
  relay_reopen(w->k);
  const unsigned steps = tw_test_rounds(STEPS, 150);
  for (unsigned i = 0; i < steps; i++) {
    step(w);
    if (w->batch >= 16 || roll(w, 4) == 0) flush(w);
    w->k->now_ms += roll(w, 3000);
    if (w->batch > 0 || roll(w, 100) != 0) continue;
    relay_reopen(w->k);
    if (on_disk) w->first_number = 0;
  }
  flush(w);
  drain(w);
  if (steps == STEPS) {
    for (unsigned type = 1; type < 10; type++) assert_true(w->done[type] > 0);
    assert_true(w->taken > 0);
  }
  relay_free(w->k);
  free(w);
}

static void histories_in_memory_are_as_the_model_has_them(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= tw_test_rounds(6, 1); seed++) play(false, seed);
}

static void histories_on_disk_are_as_the_model_has_them(void **state) {
  (void)state;
  for (uint64_t seed = 11; seed <= tw_test_rounds(14, 11); seed++) play(true, seed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(histories_in_memory_are_as_the_model_has_them),
      cmocka_unit_test(histories_on_disk_are_as_the_model_has_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
