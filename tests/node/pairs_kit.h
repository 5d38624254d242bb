/* Nodes with pairs in one process, and a relay that does as little as it can. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PAIRS_KIT_H
#define TW_TESTS_PAIRS_KIT_H

#include "tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/writer.h"
#include "node/pairs.h"
#include "pair/pair_internal.h"
#include "support/tw_test_member.h"

/*
 *   node 0 ─┐                         ┌─ node 1
 *           ├─ requests, in order ─ relay ─ mailboxes, in order
 *   node 2 ─┘   packets go from each node to each other one, or not
 */
enum { NODES = 3, KEYS_MAX = 64, VALUES_MAX = 128, QUEUE_MAX = 256, STEPS = 1500 };

typedef struct value {
  bool used;
  tw_store_kind kind;
  tw_buf id;
  tw_buf bytes;
} value;

typedef struct request {
  tw_buf frame;
  uint64_t tag;
} request;

/* Keys by a secret of the exporter: what one side sends under and the other takes. */
typedef struct key {
  uint8_t secret[16];
  uint32_t peer;
  uint64_t stamp;
  bool opened;
  uint64_t until_ms; /* given up then; 0: not yet */
} key;

typedef struct letter {
  tw_client_id from;
  tw_buf message;
} letter;

typedef struct node {
  tw_test_member member;
  const tw_client *client;
  tw_client_id id;
  tw_pairs *pairs;
  uint32_t index;
  value store[VALUES_MAX];
  bool disk_fails;
  bool disk_is_unreadable;
  bool is_full; /* what goes to the relay */
  request requests[QUEUE_MAX];
  size_t request_count;
  bool online;
  key keys[KEYS_MAX];
  size_t key_count;
  uint64_t last_stamp;
  key sending[NODES]; /* stamp 1: there is one */
  letter mailbox[QUEUE_MAX];
  size_t letters;
  tw_buf pool[QUEUE_MAX];
  size_t pool_count;
  tw_buf last_resort;
} node;

static tw_test_env test;
static node nodes[NODES];
static uint64_t now_ms;
static uint64_t dice;
static uint64_t rekey_after_ms = 120000;
static tw_node_port ports[NODES];
static tw_node_keys sinks[NODES];

static inline uint32_t roll(uint32_t n) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(dice >> 33) % n;
}

/* ---- a node's surroundings ---- */

static inline value *find_value(node *n, tw_store_kind kind, tw_bytes id) {
  for (size_t i = 0; i < VALUES_MAX; i++) {
    if (n->store[i].used && n->store[i].kind == kind && tw_bytes_equal(tw_buf_bytes(&n->store[i].id), id))
      return &n->store[i];
  }
  return NULL;
}

static inline tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  node *n = ctx;
  if (n->disk_fails) return TW_ERR_LIMIT;
  for (size_t i = 0; i < count; i++) {
    value *v = find_value(n, changes[i].kind, changes[i].id);
    if (changes[i].remove) {
      if (v != NULL) v->used = false;
      continue;
    }
    for (size_t k = 0; v == NULL && k < VALUES_MAX; k++) {
      if (!n->store[k].used) v = &n->store[k];
    }
    assert_non_null(v);
    v->used = true;
    v->kind = changes[i].kind;
    assert_int_equal(tw_buf_assign(&v->id, changes[i].id), TW_OK);
    assert_int_equal(tw_buf_assign(&v->bytes, changes[i].value), TW_OK);
  }
  return TW_OK;
}

static inline tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *out, bool *found) {
  node *n = ctx;
  if (n->disk_is_unreadable) return TW_ERR_NO_MEMORY;
  const value *v = find_value(n, kind, id);
  *found = v != NULL;
  return v == NULL ? TW_OK : tw_buf_append(out, tw_buf_bytes(&v->bytes));
}

static inline tw_err ask(void *ctx, const tw_control_request *asked, uint64_t tag) {
  node *n = ctx;
  if (!n->online) return TW_ERR_STATE;
  if (n->is_full) return TW_ERR_LIMIT;
  assert_true(n->request_count < QUEUE_MAX);
  request *r = &n->requests[n->request_count++];
  *r = (request){.tag = tag};
  tw_control_request copy = *asked;
  copy.number = 1;
  assert_int_equal(tw_control_request_encode(&copy, &r->frame), TW_OK);
  return TW_OK;
}

static inline key derive(tw_group *group, tw_bytes context, uint32_t peer, uint32_t leaf) {
  key k = {.peer = peer};
  uint8_t full[64];
  assert_true(context.len + 1 <= sizeof full);
  if (context.len > 0) memcpy(full, context.ptr, context.len);
  full[context.len] = (uint8_t)leaf;
  assert_int_equal(tw_group_export(group, TW_LITERAL("test"), TW_BYTES(full, context.len + 1), k.secret, 16), TW_OK);
  return k;
}

static inline key *find_key(node *n, uint32_t peer, const uint8_t secret[16]) {
  for (size_t i = 0; i < n->key_count; i++) {
    if (n->keys[i].peer == peer && memcmp(n->keys[i].secret, secret, 16) == 0) return &n->keys[i];
  }
  return NULL;
}

static inline void drop_key(node *n, size_t i) { n->keys[i] = n->keys[--n->key_count]; }

static inline tw_err receive_under(void *ctx, uint32_t peer, tw_group *group, tw_bytes context, uint64_t *stamp) {
  node *n = ctx;
  key k = derive(group, context, peer, 1 - tw_group_own_leaf(group));
  const key *there = find_key(n, peer, k.secret);
  if (there == NULL) {
    assert_true(n->key_count < KEYS_MAX);
    k.stamp = ++n->last_stamp;
    n->keys[n->key_count++] = k;
    there = &n->keys[n->key_count - 1];
  }
  *stamp = there->stamp;
  return TW_OK;
}

static inline tw_err send_under(void *ctx, uint32_t peer, tw_group *group, tw_bytes context, tw_bytes packet_key,
                                bool nudge) {
  node *n = ctx;
  (void)nudge;
  assert_int_equal(packet_key.len, 0);
  n->sending[peer] = derive(group, context, peer, tw_group_own_leaf(group));
  n->sending[peer].stamp = 1;
  return TW_OK;
}

static inline void settle(void *ctx, uint32_t peer, uint64_t stamp) {
  node *n = ctx;
  for (size_t i = 0; i < n->key_count; i++) {
    key *k = &n->keys[i];
    if (k->peer == peer && k->stamp < stamp && k->until_ms == 0) k->until_ms = now_ms + 30000;
  }
}

static inline void withdraw(void *ctx, uint32_t peer, uint64_t stamp) {
  node *n = ctx;
  for (size_t i = 0; i < n->key_count; i++) {
    if (n->keys[i].peer == peer && n->keys[i].stamp == stamp) {
      assert_false(n->keys[i].opened);
      drop_key(n, i);
      return;
    }
  }
}

static inline void forget(void *ctx, uint32_t peer) {
  node *n = ctx;
  for (size_t i = n->key_count; i-- > 0;) {
    if (n->keys[i].peer == peer) drop_key(n, i);
  }
  n->sending[peer].stamp = 0;
}

/* ---- the relay ---- */

/* How it lies, where a test wants that: with a client_hello that somebody has asked for, and with a letter, which is
 * delivered after it unless it returns false. */
static void (*lie_with_hello)(node *asker, node *owner, tw_buf *held);
static bool (*lie_with_letter)(node *to, const letter *l);
static size_t hellos_asked; /* how often client_hellos were asked for */

static inline node *by_id(const tw_client_id *id) {
  for (size_t i = 0; i < NODES; i++) {
    if (memcmp(&nodes[i].id, id, sizeof *id) == 0) return &nodes[i];
  }
  return NULL;
}

static inline void take_from(node *owner, tw_control_answer *answer, tw_buf *held) {
  if (owner->pool_count > 0) {
    *held = owner->pool[0];
    memmove(owner->pool, owner->pool + 1, --owner->pool_count * sizeof owner->pool[0]);
  } else if (owner->last_resort.len > 0) {
    assert_int_equal(tw_buf_append(held, tw_buf_bytes(&owner->last_resort)), TW_OK);
    answer->body.take.last_resort = true;
  } else {
    answer->status = TW_CONTROL_UNKNOWN;
    answer->body.words = TW_NO_BYTES;
    return;
  }
  answer->body.take.key_package = tw_buf_bytes(held);
}

static inline void publish(node *n, const tw_control_publish *p) {
  while (p->replace && n->pool_count > 0) tw_buf_clear(&n->pool[--n->pool_count]);
  tw_reader walk = tw_reader_of(p->key_packages);
  tw_bytes one;
  while (tw_control_opaque_next(&walk, &one)) {
    n->pool[n->pool_count] = (tw_buf){0};
    assert_int_equal(tw_buf_append(&n->pool[n->pool_count++], one), TW_OK);
  }
  if (p->last_resort.len > 0) assert_int_equal(tw_buf_assign(&n->last_resort, p->last_resort), TW_OK);
}

/* Answers the oldest request of a node; `lost`: the node does not learn of it. */
static inline void serve(node *n, bool lost) {
  if (n->request_count == 0) return;
  request r = n->requests[0];
  memmove(n->requests, n->requests + 1, --n->request_count * sizeof r);
  tw_control_request asked;
  assert_int_equal(tw_control_request_decode(TW_BYTES(r.frame.ptr + 4, r.frame.len - 4), &asked), TW_OK);
  tw_control_answer answer = {.to = asked.type, .request = 1, .status = TW_CONTROL_DONE};
  tw_buf held = {0};
  node *other = NULL;
  switch (asked.type) {
  case TW_CONTROL_STOCK: answer.body.stock = (uint32_t)n->pool_count; break;
  case TW_CONTROL_PUBLISH: publish(n, &asked.body.publish); break;
  case TW_CONTROL_TAKE:
    other = by_id(&asked.body.take.owner);
    assert_non_null(other);
    take_from(other, &answer, &held);
    hellos_asked++;
    if (lie_with_hello != NULL && held.len > 0) lie_with_hello(n, other, &held);
    if (held.len > 0) answer.body.take.key_package = tw_buf_bytes(&held);
    break;
  case TW_CONTROL_SEND:
    other = by_id(&asked.body.send.to);
    assert_non_null(other);
    assert_true(other->letters < QUEUE_MAX);
    other->mailbox[other->letters] = (letter){.from = n->id};
    assert_int_equal(tw_buf_append(&other->mailbox[other->letters++].message, asked.body.send.message), TW_OK);
    break;
  default: fail();
  }
  if (!lost) tw_pairs_answer(n->pairs, r.tag, &answer, now_ms);
  tw_buf_clear(&held);
  tw_buf_clear(&r.frame);
}

/* There is one. */
static inline letter next_letter(node *n) {
  const letter l = n->mailbox[0];
  memmove(n->mailbox, n->mailbox + 1, --n->letters * sizeof l);
  return l;
}

static inline void lose_letter(node *n) {
  letter l = next_letter(n);
  tw_buf_clear(&l.message);
}

static inline void deliver(node *n) {
  if (n->letters == 0) return;
  letter l = next_letter(n);
  if (lie_with_letter == NULL || lie_with_letter(n, &l))
    tw_pairs_mail(n->pairs, &l.from, tw_buf_bytes(&l.message), now_ms);
  tw_buf_clear(&l.message);
}

static inline void serve_all(node *n) {
  while (n->request_count > 0) serve(n, false);
}

static inline void deliver_all(node *n) {
  while (n->letters > 0) deliver(n);
}

/* A packet from one node to another: true when it is understood. */
static inline bool packet(node *from, node *to) {
  if (from->sending[to->index].stamp == 0) return false;
  key *k = find_key(to, from->index, from->sending[to->index].secret);
  if (k == NULL) return false;
  const bool first = !k->opened;
  k->opened = true;
  if (first) tw_pairs_opened(to->pairs, from->index, k->stamp, now_ms);
  return true;
}

/* ---- the world ---- */

static inline void tell(void *ctx, uint32_t peer, const char *what, tw_err err) {
  const node *n = ctx;
  if (getenv("TREEWIRE_TELL") != NULL) print_message("%u: %u: %s: %s\n", n->index, peer, what, tw_err_text(err));
}

static inline void open_node(node *n) {
  const tw_pairs_config config = {.clients = &n->client,
                                  .client_count = 1,
                                  .self = n->id,
                                  .port = &ports[n->index],
                                  .keys = &sinks[n->index],
                                  .rekey_after_ms = rekey_after_ms,
                                  .repeat_ms = 10000,
                                  .tell = tell,
                                  .ctx = n};
  assert_int_equal(tw_pairs_new(&config, &n->pairs), TW_OK);
  for (uint32_t i = 0; i < NODES; i++) {
    if (i != n->index) assert_int_equal(tw_pairs_add(n->pairs, i, &nodes[i].id), TW_OK);
  }
  for (size_t i = 0; i < VALUES_MAX; i++) {
    bool ours;
    if (!n->store[i].used) continue;
    assert_int_equal(tw_pairs_load(n->pairs, n->store[i].kind, tw_buf_bytes(&n->store[i].id),
                                   tw_buf_bytes(&n->store[i].bytes), now_ms, &ours),
                     TW_OK);
    assert_true(ours);
  }
  n->online = true;
  tw_pairs_connected(n->pairs, now_ms);
}

static inline void break_link(node *n) {
  while (n->request_count > 0) {
    if (roll(2)) {
      serve(n, true);
    } else {
      tw_buf_clear(&n->requests[0].frame);
      memmove(n->requests, n->requests + 1, --n->request_count * sizeof n->requests[0]);
    }
  }
}

static inline void crash(node *n) {
  break_link(n);
  tw_pairs_free(n->pairs);
  n->key_count = 0;
  memset(n->sending, 0, sizeof n->sending);
  open_node(n);
}

static inline void lose_disk(node *n) {
  for (size_t i = 0; i < VALUES_MAX; i++) n->store[i].used = false;
  crash(n);
}

static inline void begin(uint64_t seed) {
  tw_test_env_init(&test, seed);
  dice = seed * 77 + 1;
  now_ms = UINT64_C(1800000000000);
  lie_with_hello = NULL;
  lie_with_letter = NULL;
  hellos_asked = 0;
  memset(nodes, 0, sizeof nodes);
  for (uint32_t i = 0; i < NODES; i++) {
    static const char *const names[NODES] = {"anna", "berta", "carla"};
    node *n = &nodes[i];
    n->index = i;
    tw_test_member_init(&n->member, &test, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"), names[i]);
    n->client = &n->member.client;
    assert_int_equal(tw_fingerprint_of(&test.env, n->client->suite, tw_signer_public_key(n->client->signer), &n->id),
                     TW_OK);
    ports[i] = (tw_node_port){.ctx = n, .save = save, .load = load, .request = ask};
    sinks[i] = (tw_node_keys){.ctx = n,
                              .receive = receive_under,
                              .send = send_under,
                              .settle = settle,
                              .withdraw = withdraw,
                              .forget = forget};
  }
  for (uint32_t i = 0; i < NODES; i++) open_node(&nodes[i]);
}

static inline void end(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    node *n = &nodes[i];
    tw_pairs_free(n->pairs);
    for (size_t k = 0; k < VALUES_MAX; k++) {
      tw_buf_clear(&n->store[k].id);
      tw_buf_clear(&n->store[k].bytes);
    }
    for (size_t k = 0; k < n->request_count; k++) tw_buf_clear(&n->requests[k].frame);
    for (size_t k = 0; k < n->letters; k++) tw_buf_clear(&n->mailbox[k].message);
    for (size_t k = 0; k < n->pool_count; k++) tw_buf_clear(&n->pool[k]);
    tw_buf_clear(&n->last_resort);
    tw_test_member_clear(&n->member);
  }
  tw_test_env_clear(&test);
}

static inline void pass_time(uint64_t ms) {
  now_ms += ms;
  for (size_t i = 0; i < NODES; i++) {
    for (size_t k = nodes[i].key_count; k-- > 0;) {
      if (nodes[i].keys[k].until_ms != 0 && nodes[i].keys[k].until_ms < now_ms) drop_key(&nodes[i], k);
    }
  }
}

static inline void calm(void) {
  for (int round = 0; round < 200; round++) {
    for (uint32_t i = 0; i < NODES; i++) {
      serve(&nodes[i], false);
      deliver(&nodes[i]);
    }
  }
}

/* Everybody has something for everybody: in the end all of it is understood. */
static inline void expect_understanding(const char *what) {
  bool all = false;
  for (int round = 0; round < 400 && !all; round++) {
    pass_time(1000 + 100 * (uint64_t)round);
    for (uint32_t i = 0; i < NODES; i++) tw_pairs_tick(nodes[i].pairs, now_ms);
    all = true;
    for (uint32_t i = 0; i < NODES; i++) {
      for (uint32_t k = 0; k < NODES; k++) {
        if (i == k) continue;
        if (nodes[i].sending[k].stamp == 0) tw_pairs_want(nodes[i].pairs, k, now_ms);
        all = packet(&nodes[i], &nodes[k]) && all;
      }
    }
    calm();
  }
  for (uint32_t i = 0; i < NODES && !all; i++) {
    for (uint32_t k = 0; k < NODES; k++) {
      tw_pairs_status status = {0};
      if (i == k) continue;
      (void)tw_pairs_get_status(nodes[i].pairs, k, &status);
      print_message("%u to %u: %s; there %d, role %d, state %d, epoch %u, unsent %u\n", i, k,
                    packet(&nodes[i], &nodes[k]) ? "understood" : "NOT", status.there, status.pair.role,
                    status.pair.state, (unsigned)status.pair.epoch, (unsigned)status.unsent);
    }
  }
  if (!all) fail_msg("%s: no understanding in the end", what);
  for (uint32_t i = 0; i < NODES; i++) {
    for (uint32_t k = 0; k < NODES; k++) {
      tw_pairs_status status;
      if (i == k) continue;
      assert_true(tw_pairs_get_status(nodes[i].pairs, k, &status));
      assert_true(status.there);
    }
  }
}

/* Nodes 0 and 1, by chance: after each step each understands the other. */
static inline void go_on_without_loss(void) {
  for (int step = 0; step < 12; step++) {
    if (roll(2))
      serve(&nodes[roll(2)], false);
    else
      deliver(&nodes[roll(2)]);
    assert_true(packet(&nodes[0], &nodes[1]));
    assert_true(packet(&nodes[1], &nodes[0]));
  }
}

static inline tw_pairs_status status_of(uint32_t i, uint32_t k) {
  tw_pairs_status status;
  assert_true(tw_pairs_get_status(nodes[i].pairs, k, &status));
  return status;
}

#endif
