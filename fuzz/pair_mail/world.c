/* SPDX-License-Identifier: Apache-2.0 */
#include "pair_mail/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair_mail/epochs.h"

#define BEGINNING_MS UINT64_C(1750000000000)

world the_world;

static world_disk stocked[2]; /* without a pair */
static world_disk paired[2];

world_end *world_other(const world_end *e) { return &the_world.ends[1 - e->index]; }

tw_pairs_peer *world_peer(const world_end *e) {
  tw_pairs_peer *peer = tw_pairs_find(e->pairs, 1 - e->index);
  return peer == NULL || peer->pair == NULL ? NULL : peer;
}

size_t world_count(void) { return the_world.said; }

static void check(void) {
  const tw_pair *pairs[2] = {NULL, NULL};
  for (size_t i = 0; i < 2; i++) {
    if (the_world.ends[i].pairs == NULL) continue;
    const tw_pairs_peer *peer = world_peer(&the_world.ends[i]);
    /* What could not be saved is taken back, and nothing of it has left. */
    if (peer != NULL && !peer->reverting) pairs[i] = peer->pair;
  }
  tw_fuzz_pause(true);
  epochs_check(pairs);
  tw_fuzz_pause(false);
}

/* ---- an end begins and stops ---- */

/* For whoever looks at a find: TW_FUZZ_TELL=1. */
static void tell(void *ctx, uint32_t number, const char *what, tw_err err) {
  const world_end *e = ctx;
  (void)number;
  if (getenv("TW_FUZZ_TELL") != NULL) (void)fprintf(stderr, "%u: %s: %s\n", e->index, what, tw_err_text(err));
}

static void drop_requests(world_end *e) {
  while (e->request_count > 0) tw_buf_clear(&e->requests[--e->request_count].frame);
}

static void open_end(world_end *e) {
  static const tw_client *clients[2];
  clients[e->index] = &e->party.client;
  const tw_pairs_config config = {.clients = &clients[e->index],
                                  .client_count = 1,
                                  .self = e->id,
                                  .port = &e->port,
                                  .keys = &e->sink,
                                  .rekey_after_ms = 120000,
                                  .repeat_ms = 10000,
                                  .tell = tell,
                                  .ctx = e};
  tw_fuzz_pause(true);
  tw_fuzz_must(tw_pairs_new(&config, &e->pairs));
  tw_fuzz_must(tw_pairs_add(e->pairs, 1 - e->index, &world_other(e)->id));
  for (size_t i = 0; i < WORLD_VALUES; i++) {
    const world_value *v = &e->disk.values[i];
    bool ours = false;
    if (v->id.len == 0) continue;
    tw_fuzz_must(
        tw_pairs_load(e->pairs, v->kind, tw_buf_bytes(&v->id), tw_buf_bytes(&v->bytes), the_world.now_ms, &ours));
    TW_FUZZ_ASSERT(ours);
  }
  tw_fuzz_pause(false);
  tw_pairs_connected(e->pairs, the_world.now_ms);
}

static void close_end(world_end *e) {
  drop_requests(e);
  tw_pairs_free(e->pairs);
  e->pairs = NULL;
  e->key_count = 0;
  e->sends = false;
}

void world_restart(world_end *e, bool without_disk) {
  close_end(e);
  for (size_t i = 0; i < WORLD_VALUES && without_disk; i++) world_value_clear(&e->disk.values[i]);
  open_end(e);
  check();
}

static void copy_disk(world_disk *to, const world_disk *from) {
  for (size_t i = 0; i < WORLD_VALUES; i++) {
    to->values[i].kind = from->values[i].kind;
    tw_fuzz_must(tw_buf_assign(&to->values[i].id, tw_buf_bytes(&from->values[i].id)));
    tw_fuzz_must(tw_buf_assign(&to->values[i].bytes, tw_buf_bytes(&from->values[i].bytes)));
  }
  for (size_t i = 0; i < from->pool_count; i++) tw_fuzz_must(tw_buf_assign(&to->pool[i], tw_buf_bytes(&from->pool[i])));
  to->pool_count = from->pool_count;
  tw_fuzz_must(tw_buf_assign(&to->last_resort, tw_buf_bytes(&from->last_resort)));
}

static void clear_end(world_end *e) {
  close_end(e);
  for (size_t i = 0; i < WORLD_VALUES; i++) world_value_clear(&e->disk.values[i]);
  while (e->disk.pool_count > 0) tw_buf_clear(&e->disk.pool[--e->disk.pool_count]);
  tw_buf_clear(&e->disk.last_resort);
  while (e->letter_count > 0) tw_buf_clear(&e->letters[--e->letter_count]);
  for (size_t i = 0; i < WORLD_HELLOS; i++) tw_buf_clear(&e->hellos[i]);
  e->hello_count = 0;
  e->last_stamp = 0;
  e->disk_fails = e->disk_is_unreadable = false;
}

void world_clear(void) {
  for (size_t i = 0; i < 2; i++) clear_end(&the_world.ends[i]);
  for (size_t i = 0; i < WORLD_HISTORY; i++) tw_buf_clear(&the_world.history[i].message);
  the_world.said = 0;
  tw_buf_clear(&the_world.next_hello);
  the_world.next_status = TW_CONTROL_DONE;
}

static void note_hello(world_end *e, tw_bytes hello) {
  tw_fuzz_must(tw_buf_assign(&e->hellos[e->hello_count++ % WORLD_HELLOS], hello));
}

void world_start(bool with_pair) {
  the_world.now_ms = BEGINNING_MS + 60000;
  epochs_clear();
  for (size_t i = 0; i < 2; i++) {
    world_end *e = &the_world.ends[i];
    copy_disk(&e->disk, with_pair ? &paired[i] : &stocked[i]);
    for (size_t k = 0; k < e->disk.pool_count; k++) note_hello(e, tw_buf_bytes(&e->disk.pool[k]));
    note_hello(e, tw_buf_bytes(&e->disk.last_resort));
  }
  for (size_t i = 0; i < 2; i++) open_end(&the_world.ends[i]);
  check();
}

void world_found(void) {
  static const char *const names[] = {"alice", "bob"};
  tw_fuzz_restart_apart();
  the_world.now_ms = BEGINNING_MS;
  for (uint32_t i = 0; i < 2; i++) {
    world_end *e = &the_world.ends[i];
    e->index = i;
    tw_fuzz_party_init(&e->party, names[i]);
    const tw_client *client = &e->party.client;
    tw_fuzz_must(tw_fingerprint_of(client->env, client->suite, tw_signer_public_key(client->signer), &e->id));
    world_surround(e);
  }
  for (size_t i = 0; i < 2; i++) open_end(&the_world.ends[i]);
  world_calm();
  for (size_t i = 0; i < 2; i++) copy_disk(&stocked[i], &the_world.ends[i].disk);
  world_want(&the_world.ends[0]);
  world_calm();
  TW_FUZZ_ASSERT(world_packet(&the_world.ends[0]) && world_packet(&the_world.ends[1]));
  world_calm();
  TW_FUZZ_ASSERT(world_agrees());
  for (size_t i = 0; i < 2; i++) copy_disk(&paired[i], &the_world.ends[i].disk);
  world_clear();
}

/* ---- the relay ---- */

static void take_from(world_end *owner, tw_control_answer *answer, tw_buf *held) {
  world_disk *disk = &owner->disk;
  if (disk->pool_count > 0) {
    *held = disk->pool[0];
    memmove(disk->pool, disk->pool + 1, --disk->pool_count * sizeof disk->pool[0]);
    disk->pool[disk->pool_count] = (tw_buf){0};
  } else if (disk->last_resort.len > 0) {
    tw_fuzz_must(tw_buf_assign(held, tw_buf_bytes(&disk->last_resort)));
    answer->body.take.last_resort = true;
  } else {
    answer->status = TW_CONTROL_UNKNOWN;
    answer->body.words = TW_NO_BYTES;
    return;
  }
  if (the_world.next_hello.len > 0) {
    tw_fuzz_must(tw_buf_assign(held, tw_buf_bytes(&the_world.next_hello)));
    tw_buf_clear(&the_world.next_hello);
  }
  answer->body.take.key_package = tw_buf_bytes(held);
}

static void publish(world_end *e, const tw_control_publish *p) {
  world_disk *disk = &e->disk;
  while (p->replace && disk->pool_count > 0) tw_buf_clear(&disk->pool[--disk->pool_count]);
  tw_reader walk = tw_reader_of(p->key_packages);
  tw_bytes one;
  while (tw_control_opaque_next(&walk, &one)) {
    note_hello(e, one);
    if (disk->pool_count < WORLD_POOL) tw_fuzz_must(tw_buf_assign(&disk->pool[disk->pool_count++], one));
  }
  if (p->last_resort.len == 0) return;
  note_hello(e, p->last_resort);
  tw_fuzz_must(tw_buf_assign(&disk->last_resort, p->last_resort));
}

static bool was_published(const world_end *e, tw_bytes hello) {
  if (e->hello_count > WORLD_HELLOS) return true;
  for (size_t i = 0; i < e->hello_count; i++) {
    if (tw_bytes_equal(tw_buf_bytes(&e->hellos[i]), hello)) return true;
  }
  return false;
}

static void do_request(world_end *e, const tw_control_request *asked, tw_control_answer *answer, tw_buf *held) {
  world_end *other = world_other(e);
  switch (asked->type) {
  case TW_CONTROL_STOCK: answer->body.stock = (uint32_t)e->disk.pool_count; break;
  case TW_CONTROL_PUBLISH: publish(e, &asked->body.publish); break;
  case TW_CONTROL_TAKE: take_from(other, answer, held); break;
  case TW_CONTROL_SEND:
    if (other->letter_count == WORLD_LETTERS)
      answer->status = TW_CONTROL_FULL;
    else
      tw_fuzz_must(tw_buf_assign(&other->letters[other->letter_count++], asked->body.send.message));
    break;
  default: TW_FUZZ_ASSERT(false); /* nothing else is asked for */
  }
}

void world_serve(world_end *e, bool lost) {
  if (e->request_count == 0) return;
  world_request r = e->requests[0];
  memmove(e->requests, e->requests + 1, --e->request_count * sizeof r);
  tw_control_request asked;
  tw_fuzz_must(tw_control_request_decode(TW_BYTES(r.frame.ptr + 4, r.frame.len - 4), &asked));
  tw_control_answer answer = {.to = asked.type, .request = 1, .status = the_world.next_status};
  tw_buf held = {0};
  if (answer.status == TW_CONTROL_DONE) do_request(e, &asked, &answer, &held);
  the_world.next_status = TW_CONTROL_DONE;
  const tw_pairs_peer *peer = world_peer(e);
  const tw_pair *before = peer == NULL ? NULL : peer->pair;
  const bool takes = asked.type == TW_CONTROL_TAKE && answer.status == TW_CONTROL_DONE;
  if (!lost) tw_pairs_answer(e->pairs, r.tag, &answer, the_world.now_ms);
  peer = world_peer(e);
  /* A pair begins with a client_hello that the other end has made, to the last byte. */
  if (takes && peer != NULL && peer->pair != before) TW_FUZZ_ASSERT(was_published(world_other(e), tw_buf_bytes(&held)));
  tw_buf_clear(&held);
  tw_buf_clear(&r.frame);
  check();
}

void world_relink(world_end *e) {
  drop_requests(e);
  tw_pairs_connected(e->pairs, the_world.now_ms);
  check();
}

/* ---- mail ---- */

/* The TwoPartyMLSMessage in it, with its tag: kind, ref and request are the relay's to bend. */
static bool was_said(const world_end *by, tw_bytes body) {
  if (the_world.said > WORLD_HISTORY) return true;
  for (size_t i = 0; i < the_world.said; i++) {
    tw_mail mail;
    if (the_world.history[i].from != by->index) continue;
    tw_fuzz_must(tw_mail_decode(tw_buf_bytes(&the_world.history[i].message), &mail));
    if (tw_bytes_equal(mail.body, body)) return true;
  }
  return false;
}

static void snapshot(const world_end *e, tw_buf *out) {
  const tw_pairs_peer *peer = world_peer(e);
  out->len = 0;
  tw_fuzz_pause(true);
  if (peer != NULL && !peer->reverting) tw_fuzz_must(tw_pair_record_encode(peer, out));
  tw_fuzz_pause(false);
}

/*
 * Whatever an end takes, the other has said, to the last byte. But for a server_hello, which has no tag: a Welcome may
 * have something in it for others, which its reader passes over. What comes of that is looked at by its epoch.
 */
void world_mail(world_end *to, tw_bytes message) {
  static tw_buf before;
  static tw_buf after;
  tw_mail mail;
  tw_pair_message_type type;
  snapshot(to, &before);
  tw_pairs_mail(to->pairs, &world_other(to)->id, message, the_world.now_ms);
  snapshot(to, &after);
  if (!tw_bytes_equal(tw_buf_bytes(&before), tw_buf_bytes(&after))) {
    tw_fuzz_must(tw_mail_decode(message, &mail));
    tw_fuzz_must(tw_pair_message_peek(mail.body, &type));
    TW_FUZZ_ASSERT(type == TW_PAIR_SERVER_HELLO || was_said(world_other(to), mail.body));
  }
  check();
}

void world_deliver(world_end *to) {
  if (to->letter_count == 0) return;
  tw_buf letter = to->letters[0];
  to->letters[0] = (tw_buf){0};
  world_lose_letter(to);
  world_mail(to, tw_buf_bytes(&letter));
  tw_buf_clear(&letter);
}

void world_lose_letter(world_end *to) {
  if (to->letter_count == 0) return;
  tw_buf_clear(&to->letters[0]);
  memmove(to->letters, to->letters + 1, --to->letter_count * sizeof to->letters[0]);
  to->letters[to->letter_count] = (tw_buf){0};
}

bool world_packet(world_end *from) {
  world_end *to = world_other(from);
  if (!from->sends) return false;
  world_key *k = world_find_key(to, from->sending.secret);
  if (k == NULL) return false;
  if (!k->opened) {
    k->opened = true;
    tw_pairs_opened(to->pairs, from->index, k->stamp, the_world.now_ms);
  }
  check();
  return true;
}

/* ---- what an end does by itself ---- */

void world_want(world_end *e) {
  tw_pairs_want(e->pairs, 1 - e->index, the_world.now_ms);
  check();
}

void world_rekey(world_end *e) {
  tw_pairs_rekey(e->pairs, 1 - e->index, the_world.now_ms);
  check();
}

void world_resume(world_end *e) {
  tw_pairs_resume(e->pairs, 1 - e->index, the_world.now_ms);
  check();
}

void world_tick(world_end *e) {
  tw_pairs_tick(e->pairs, the_world.now_ms);
  check();
}

void world_pass(uint64_t ms) {
  the_world.now_ms += ms;
  for (size_t i = 0; i < 2; i++) {
    world_end *e = &the_world.ends[i];
    for (size_t k = e->key_count; k-- > 0;) {
      if (e->keys[k].until_ms != 0 && e->keys[k].until_ms < the_world.now_ms) world_drop_key(e, k);
    }
  }
}

void world_calm(void) {
  bool moves = true;
  for (size_t round = 0; moves; round++) {
    TW_FUZZ_ASSERT(round < 200);
    moves = false;
    for (size_t i = 0; i < 2; i++) {
      world_end *e = &the_world.ends[i];
      moves = moves || e->request_count > 0 || e->letter_count > 0;
      world_serve(e, false);
      world_deliver(e);
    }
  }
}

/* ---- agreement ---- */

bool world_agrees(void) {
  const tw_pairs_peer *a = world_peer(&the_world.ends[0]);
  const tw_pairs_peer *b = world_peer(&the_world.ends[1]);
  if (a == NULL || b == NULL || a->reverting || b->reverting) return false;
  if (a->pair->state != TW_PAIR_STEADY || b->pair->state != TW_PAIR_STEADY) return false;
  if (!epochs_are_one(a->pair->group, b->pair->group)) return false;
  if (!tw_bytes_equal(tw_buf_bytes(&a->context), tw_buf_bytes(&b->context))) return false;
  return world_packet(&the_world.ends[0]) && world_packet(&the_world.ends[1]);
}
