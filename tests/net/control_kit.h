/* A relay's end and nodes' ends of control connections, in one loop over loopback. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NET_CONTROL_KIT_H
#define TW_TESTS_NET_CONTROL_KIT_H

#include "support/tw_cmocka.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/control_client.h"
#include "net/control_server.h"
#include "support/tw_test_party.h"

enum { KIT_PATIENCE_MS = 60000 /* only a test that fails comes to this */, KIT_LATE = 4096 };

typedef struct kit {
  uv_loop_t loop;
  uv_timer_t watchdog;
  tw_test_env test;
  tw_test_party relay_party;
  tw_channel_config relay_channel;
  tw_control_server_config config;
  tw_control_server *server;
  uint16_t port; /* of the first start: the next ones take it again */
  /* what the relay saw */
  size_t came, gone, requests, flushes, ended, frees, twins;
  size_t flushed;     /* requests that were */
  size_t answer_size; /* of a key package that `take` gets */
  tw_err came_err, flush_err, last_ended;
  bool ended_known;
  char ended_at[80]; /* where it came from */
  tw_client_id last_client;
  tw_control_caller *last_caller;
  bool any_relay; /* nodes do not know the relay's key */
  bool answers_late, forgets;
  struct {
    tw_control_caller *caller;
    tw_control_answer answer;
  } late[KIT_LATE];
  size_t late_count;
} kit;

/* A node. */
typedef struct node {
  kit *owner;
  tw_test_party party;
  tw_channel_config channel;
  tw_control_client_config config;
  tw_control_client *client;
  size_t ups, downs, pushes, answered, lost, freed;
  size_t displaced; /* of the pushes */
  bool resumed;
  tw_control_down last_down;
  tw_control_push last_push;
  tw_control_status last_status;
  uint32_t expected; /* of `stock`: what the next answer says */
  bool repeats;      /* what was lost is asked again */
  size_t to_repeat;
  size_t received; /* bytes of key packages */
} node;

static inline void kit_watchdog(uv_timer_t *timer) {
  (void)timer;
  fail_msg("waited in vain");
}

/* Until `condition`; the loop runs one turn at a time. */
#define kit_until(kit_, condition)                                                                                     \
  do {                                                                                                                 \
    (void)uv_timer_start(&(kit_)->watchdog, kit_watchdog, KIT_PATIENCE_MS, 0);                                         \
    while (!(condition)) (void)uv_run(&(kit_)->loop, UV_RUN_ONCE);                                                     \
    (void)uv_timer_stop(&(kit_)->watchdog);                                                                            \
  } while (0)

static inline void kit_turns(kit *k, unsigned count) {
  for (unsigned i = 0; i < count; i++) (void)uv_run(&k->loop, UV_RUN_NOWAIT);
}

/* ---- the relay ---- */

static inline tw_err kit_came(void *ctx, tw_control_caller *caller) {
  kit *k = ctx;
  k->came++;
  k->last_client = *tw_control_caller_id(caller);
  k->last_caller = caller;
  assert_null(*tw_control_caller_user(caller));
  return k->came_err;
}

static inline void kit_gone(void *ctx, tw_control_caller *caller) {
  kit *k = ctx;
  k->gone++;
  if (k->last_caller == caller) k->last_caller = NULL;
}

/* Answers that wait for the flush; their connections live as long in these tests. */
static inline void kit_answer_late(kit *k) {
  for (size_t i = 0; i < k->late_count; i++) tw_control_caller_answer(k->late[i].caller, &k->late[i].answer);
  k->late_count = 0;
}

/* `stock` answers the number of requests of its connection, `take` a key package of some size, `bind` pushes. */
static inline void kit_request(void *ctx, tw_control_caller *caller, const tw_control_request *request) {
  static const uint8_t package[TW_CONTROL_MESSAGE_MAX];
  kit *k = ctx;
  tw_control_answer made = {.to = request->type, .request = request->number};
  tw_control_answer *answer = &made;
  uintptr_t *count = (uintptr_t *)tw_control_caller_user(caller);
  (*count)++;
  k->requests++;
  answer->status = TW_CONTROL_DONE;
  switch (request->type) {
  case TW_CONTROL_STOCK: answer->body.stock = (uint32_t)*count; break;
  case TW_CONTROL_TAKE: answer->body.take = (tw_control_taken){false, TW_BYTES(package, k->answer_size)}; break;
  case TW_CONTROL_SEND: {
    tw_control_caller *to = tw_control_server_find(k->server, &request->body.send.to);
    if (to == NULL) answer->status = TW_CONTROL_UNKNOWN;
    if (to != NULL) tw_control_caller_push(to, &(tw_control_push){.type = TW_CONTROL_MAIL});
    break;
  }
  case TW_CONTROL_WANT_IN: break;
  default:
    answer->status = TW_CONTROL_FORBIDDEN;
    answer->body.words = TW_LITERAL("not here");
    break;
  }
  if (k->forgets) return;
  if (!k->answers_late) {
    tw_control_caller_answer(caller, answer);
    return;
  }
  assert_true(k->late_count < KIT_LATE);
  k->late[k->late_count].caller = caller;
  k->late[k->late_count++].answer = made;
  if (k->late_count * k->answer_size > TW_CONTROL_FRAME_MAX) kit_answer_late(k); /* as much as a batch has */
}

static inline tw_err kit_flush(void *ctx) {
  kit *k = ctx;
  k->flushes++;
  k->flushed = k->requests;
  kit_answer_late(k);
  return k->flush_err;
}

static inline void kit_twins(void *ctx, const tw_control_caller *caller, const tw_control_caller *former) {
  kit *k = ctx;
  char remote[TW_ADDRESS_TEXT];
  char other[TW_ADDRESS_TEXT];
  k->twins++;
  assert_memory_equal(tw_control_caller_id(caller), tw_control_caller_id(former), sizeof(tw_client_id));
  tw_control_caller_remote(caller, remote);
  tw_control_caller_remote(former, other);
  assert_memory_equal(remote, "127.0.0.1:", 10);
  assert_memory_equal(other, "127.0.0.1:", 10);
  assert_string_not_equal(remote, other);
}

static inline void kit_ended(void *ctx, const tw_client_id *client, const tw_stream_end *end) {
  kit *k = ctx;
  k->ended++;
  k->ended_known = client != NULL;
  k->last_ended = end->reason;
  assert_non_null(end->text);
  assert_non_null(end->remote);
  (void)snprintf(k->ended_at, sizeof k->ended_at, "%s", end->remote);
}

static inline void kit_freed(void *ctx) {
  kit *k = ctx;
  k->frees++;
}

static inline void kit_start_server(kit *k) {
  tw_report report = {""};
  char address[TW_ADDRESS_TEXT];
  k->config.listen_at = (tw_address){.host = "127.0.0.1", .port = k->port};
  if (tw_control_server_start(&k->config, &k->server, &report) != TW_OK) fail_msg("%s", report.text);
  assert_true(tw_control_server_address(k->server, 0, address));
  assert_false(tw_control_server_address(k->server, 1, address));
  k->port = (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

static inline void kit_stop_server(kit *k, bool at_once) {
  const size_t frees = k->frees;
  tw_control_server_close(k->server, at_once);
  kit_until(k, k->frees > frees);
  k->server = NULL;
}

static inline void kit_init(kit *k) {
  memset(k, 0, sizeof *k);
  (void)signal(SIGPIPE, SIG_IGN);
  assert_int_equal(uv_loop_init(&k->loop), 0);
  (void)uv_timer_init(&k->loop, &k->watchdog);
  tw_test_env_init(&k->test, 1);
  tw_test_party_init(&k->relay_party, &k->test, tw_suite_at(0), "relay");
  k->relay_channel = (tw_channel_config){.clients = k->relay_party.clients, .client_count = 1};
  k->config = (tw_control_server_config){.loop = &k->loop,
                                         .channel = &k->relay_channel,
                                         .came = kit_came,
                                         .gone = kit_gone,
                                         .request = kit_request,
                                         .flush = kit_flush,
                                         .twins = kit_twins,
                                         .ended = kit_ended,
                                         .freed = kit_freed,
                                         .ctx = k};
}

static inline void kit_clear(kit *k) {
  if (k->server != NULL) kit_stop_server(k, true);
  uv_close((uv_handle_t *)&k->watchdog, NULL);
  (void)uv_run(&k->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&k->loop), 0); /* no handle is left */
  tw_test_party_clear(&k->relay_party);
  tw_test_env_clear(&k->test); /* no memory either */
}

/* ---- nodes ---- */

static inline void node_up(void *ctx, const tw_member *relay, bool resumed) {
  node *n = ctx;
  const tw_bytes key = tw_signer_public_key(n->owner->relay_party.client.signer);
  assert_true(n->owner->any_relay || tw_bytes_equal(relay->signature_key, key));
  n->ups++;
  n->resumed = resumed;
}

static inline void node_down(void *ctx, const tw_control_down *down) {
  node *n = ctx;
  n->downs++;
  n->last_down = *down;
  assert_non_null(down->text);
  assert_false(tw_control_client_is_up(n->client));
  assert_int_equal(tw_control_client_open(n->client), 0);
}

static inline void node_push(void *ctx, const tw_control_push *push) {
  node *n = ctx;
  n->pushes++;
  if (push->type == TW_CONTROL_DISPLACED) n->displaced++;
  n->last_push = *push;
}

static inline void node_freed(void *ctx) {
  node *n = ctx;
  n->freed++;
}

static inline void node_init(node *n, kit *owner) {
  memset(n, 0, sizeof *n);
  n->owner = owner;
  tw_test_party_init(&n->party, &owner->test, tw_suite_at(0), "node");
  n->channel = (tw_channel_config){.clients = n->party.clients, .client_count = 1};
}

static inline void node_start(node *n) {
  n->config.loop = &n->owner->loop;
  n->config.relay = (tw_address){.host = "127.0.0.1", .port = n->owner->port};
  n->config.channel = &n->channel;
  if (n->config.first_wait_ms == 0) n->config.first_wait_ms = 2;
  if (n->config.most_wait_ms == 0) n->config.most_wait_ms = 20;
  n->config.up = node_up;
  n->config.down = node_down;
  n->config.push = node_push;
  n->config.freed = node_freed;
  n->config.ctx = n;
  assert_int_equal(tw_control_client_start(&n->config, &n->client), TW_OK);
}

static inline void node_start_and_wait(node *n) {
  const size_t came = n->owner->came;
  node_start(n);
  kit_until(n->owner, n->ups > 0 && (n->owner->server == NULL || n->owner->came > came));
}

static inline void node_clear(node *n) {
  if (n->client != NULL) {
    tw_control_client_close(n->client);
    kit_until(n->owner, n->freed > 0);
  }
  tw_test_party_clear(&n->party);
}

static inline void node_done(void *ctx, const tw_control_answer *answer) {
  node *n = ctx;
  if (answer == NULL) {
    n->lost++;
    n->to_repeat++;
    return;
  }
  n->answered++;
  assert_true(n->answered <= n->owner->flushed);
  n->last_status = answer->status;
  if (answer->status != TW_CONTROL_DONE) return;
  if (answer->to == TW_CONTROL_STOCK && n->expected != 0) assert_int_equal(answer->body.stock, n->expected++);
  if (answer->to == TW_CONTROL_TAKE) n->received += answer->body.take.key_package.len;
}

static inline tw_err node_ask(node *n, tw_control_type type) {
  tw_control_request request = {.type = type};
  if (type == TW_CONTROL_STOCK) request.body.stock = TW_CONTROL_POOL_PAIR;
  if (type == TW_CONTROL_TAKE) request.body.take.pool = TW_CONTROL_POOL_PAIR;
  if (type == TW_CONTROL_WANT_IN) request.body.want_in = TW_LITERAL("name");
  if (type == TW_CONTROL_GROUP_FIND) request.body.group_find.name = TW_LITERAL("name");
  return tw_control_client_ask(n->client, &request, node_done, n);
}

static inline tw_client_id node_id(const node *n) {
  tw_client_id id;
  const tw_client *client = &n->party.client;
  assert_int_equal(tw_fingerprint_of(client->env, client->suite, tw_signer_public_key(client->signer), &id), TW_OK);
  return id;
}

#endif
