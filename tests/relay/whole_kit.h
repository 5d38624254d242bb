/* A whole relay over loopback, and clients that speak to it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_RELAY_WHOLE_KIT_H
#define TW_TESTS_RELAY_WHOLE_KIT_H

#include "relay/relay_kit.h" /* messages, and a place for a state */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "codec/writer.h"
#include "net/control_client.h"
#include "relay/relay.h"
#include "support/tw_test_party.h"

enum { WHOLE_PATIENCE_MS = 60000 /* only a test that fails comes to this */, WHOLE_PACKET = 64 };

typedef struct whole {
  uv_loop_t loop;
  uv_timer_t watchdog;
  kit at; /* state and env */
  tw_test_party party;
  tw_channel_config channel;
  tw_relay_config config;
  tw_relay *relay; /* NULL: it does not run, or in another process */
  uint16_t port;   /* of the first start: the next ones take it again */
  bool anywhere;   /* listens at all addresses */
  size_t came, gone, frees, failed;
  relay_kit *messages; /* its makers alone */
} whole;

typedef struct whole_client {
  whole *owner;
  tw_test_party party;
  tw_channel_config channel;
  tw_control_client_config config;
  tw_control_client *client;
  tw_client_id id;
  size_t ups, downs, freed, answered, lost;
  size_t mails, bounds, moves, wishes;
  tw_control_bound bound;
  tw_control_moved moved;
  tw_control_status status; /* of the last answer, and of its body what is not a list or is in `list` */
  tw_control_answer answer;
  tw_buf list;
  int fd; /* UDP */
  bool six;
  uint8_t relays; /* 127.0.0.x is all this machine's: the relay is asked at this one, and its datagrams have to come
                     from there; 0: at 127.0.0.1, and they may come from anywhere */
} whole_client;

static inline void whole_watchdog(uv_timer_t *timer) {
  (void)timer;
  fail_msg("waited in vain");
}

#define whole_until(w_, condition)                                                                                     \
  do {                                                                                                                 \
    (void)uv_timer_start(&(w_)->watchdog, whole_watchdog, WHOLE_PATIENCE_MS, 0);                                       \
    while (!(condition)) (void)uv_run(&(w_)->loop, UV_RUN_ONCE);                                                       \
    (void)uv_timer_stop(&(w_)->watchdog);                                                                              \
  } while (0)

/* ---- the relay ---- */

static inline tw_err whole_came(void *ctx, tw_control_caller *caller) {
  assert_null(*tw_relay_user(caller));
  ((whole *)ctx)->came++;
  return TW_OK;
}
static inline void whole_gone(void *ctx, tw_control_caller *caller) {
  (void)caller;
  ((whole *)ctx)->gone++;
}
static inline void whole_failed(void *ctx, tw_err err, const char *words) {
  (void)err;
  (void)words;
  ((whole *)ctx)->failed++;
}
static inline void whole_broke(void *ctx, const char *words) {
  (void)ctx;
  fail_msg("%s", words);
}
static inline void whole_freed(void *ctx) { ((whole *)ctx)->frees++; }

static inline void whole_start(whole *w) {
  tw_report report = {""};
  char address[TW_ADDRESS_TEXT];
  if (tw_relay_store_open(&w->at.test.env, w->at.dir, &w->config.store, &report) != TW_OK) fail_msg("%s", report.text);
  w->config.listen_at = (tw_address){.port = w->port};
  if (!w->anywhere) (void)snprintf(w->config.listen_at.host, sizeof w->config.listen_at.host, "127.0.0.1");
  if (tw_relay_start(&w->config, &w->relay, &report) != TW_OK) fail_msg("%s", report.text);
  w->port = tw_relay_port(w->relay);
  assert_true(tw_relay_address(w->relay, 0, address));
  assert_int_equal(strtoul(strrchr(address, ':') + 1, NULL, 10), w->port);
}

static inline void whole_stop(whole *w, bool at_once) {
  const size_t frees = w->frees;
  tw_relay_close(w->relay, at_once);
  whole_until(w, w->frees > frees);
  w->relay = NULL;
}

static inline void whole_init(whole *w, uint64_t seed) {
  memset(w, 0, sizeof *w);
  (void)signal(SIGPIPE, SIG_IGN);
  assert_int_equal(uv_loop_init(&w->loop), 0);
  (void)uv_timer_init(&w->loop, &w->watchdog);
  kit_init(&w->at, seed);
  tw_test_party_init(&w->party, &w->at.test, tw_suite_at(0), "relay");
  w->channel = (tw_channel_config){.clients = w->party.clients, .client_count = 1};
  w->config = (tw_relay_config){.loop = &w->loop,
                                .env = &w->at.test.env,
                                .channel = &w->channel,
                                .came = whole_came,
                                .gone = whole_gone,
                                .failed = whole_failed,
                                .broke = whole_broke,
                                .freed = whole_freed,
                                .ctx = w};
  w->messages = calloc(1, sizeof *w->messages);
  assert_non_null(w->messages);
  w->messages->at.test.env = w->at.test.env;
}

/* The memory of messages and clients is gone then, and so is the relay's. */
static inline void whole_clear(whole *w) {
  if (w->relay != NULL) whole_stop(w, true);
  uv_close((uv_handle_t *)&w->watchdog, NULL);
  (void)uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&w->loop), 0); /* no handle is left */
  for (size_t i = 0; i < sizeof w->messages->made / sizeof w->messages->made[0]; i++)
    tw_buf_clear(&w->messages->made[i]);
  free(w->messages);
  tw_test_party_clear(&w->party);
  kit_clear(&w->at);
}

/* ---- clients ---- */

static inline void client_up(void *ctx, const tw_member *relay, bool resumed) {
  (void)relay;
  (void)resumed;
  ((whole_client *)ctx)->ups++;
}
static inline void client_down(void *ctx, const tw_control_down *down) {
  (void)down;
  ((whole_client *)ctx)->downs++;
}
static inline void client_freed(void *ctx) { ((whole_client *)ctx)->freed++; }

static inline void client_push(void *ctx, const tw_control_push *push) {
  whole_client *c = ctx;
  switch (push->type) {
  case TW_CONTROL_MAIL: c->mails++; break;
  case TW_CONTROL_BOUND:
    c->bounds++;
    c->bound = push->body.bound;
    break;
  case TW_CONTROL_MOVED:
    c->moves++;
    c->moved = push->body.moved;
    break;
  default: c->wishes++; break;
  }
}

static inline void client_init(whole_client *c, whole *w) {
  memset(c, 0, sizeof *c);
  c->owner = w;
  c->fd = -1;
  tw_test_party_init(&c->party, &w->at.test, tw_suite_at(0), "client");
  c->channel = (tw_channel_config){.clients = c->party.clients, .client_count = 1};
  const tw_client *client = &c->party.client;
  assert_int_equal(tw_fingerprint_of(client->env, client->suite, tw_signer_public_key(client->signer), &c->id), TW_OK);
}

static inline void client_start(whole_client *c) {
  c->config = (tw_control_client_config){.loop = &c->owner->loop,
                                         .relay = {.host = "127.0.0.1", .port = c->owner->port},
                                         .channel = &c->channel,
                                         .first_wait_ms = 2,
                                         .most_wait_ms = 20,
                                         .up = client_up,
                                         .down = client_down,
                                         .push = client_push,
                                         .freed = client_freed,
                                         .ctx = c};
  assert_int_equal(tw_control_client_start(&c->config, &c->client), TW_OK);
  whole_until(c->owner, c->ups > 0);
}

static inline void client_stop(whole_client *c) {
  if (c->client == NULL) return;
  const size_t freed = c->freed;
  tw_control_client_close(c->client);
  whole_until(c->owner, c->freed > freed);
  c->client = NULL;
  c->ups = 0;
}

static inline void client_clear(whole_client *c) {
  client_stop(c);
  if (c->fd >= 0) (void)close(c->fd);
  tw_buf_clear(&c->list);
  tw_test_party_clear(&c->party);
}

static inline void client_done(void *ctx, const tw_control_answer *answer) {
  whole_client *c = ctx;
  if (answer == NULL) {
    c->lost++;
    return;
  }
  c->answered++;
  c->status = answer->status;
  c->answer = *answer;
  tw_bytes list = TW_NO_BYTES;
  if (answer->status == TW_CONTROL_TAKEN) list = answer->body.taken;
  if (answer->status == TW_CONTROL_DONE && answer->to == TW_CONTROL_TAKE) list = answer->body.take.key_package;
  if (answer->status == TW_CONTROL_DONE && answer->to == TW_CONTROL_FETCH) list = answer->body.fetch.entries;
  if (answer->status == TW_CONTROL_DONE && answer->to == TW_CONTROL_LOCATE) list = answer->body.locate;
  assert_int_equal(tw_buf_assign(&c->list, list), TW_OK);
}

static inline void client_ask(whole_client *c, tw_control_request request) {
  assert_int_equal(tw_control_client_ask(c->client, &request, client_done, c), TW_OK);
}

static inline tw_control_status client_do(whole_client *c, tw_control_request request) {
  const size_t answered = c->answered;
  client_ask(c, request);
  whole_until(c->owner, c->answered > answered);
  return c->status;
}

#define CLIENT_DOES(c_, type_, ...) client_do((c_), (tw_control_request){.type = (type_), .body = {__VA_ARGS__}})

static inline tw_control_status client_send(whole_client *c, const whole_client *to, const char *text) {
  return CLIENT_DOES(c, TW_CONTROL_SEND, .send = {to->id, kit_text(text)});
}

/* "from A: text" of all that is there after `*after`, which is then the last one. */
static inline char *client_reads(whole_client *c, uint64_t *after, char *out, size_t size) {
  assert_int_equal(CLIENT_DOES(c, TW_CONTROL_FETCH, .fetch = {*after, 100}), TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(tw_buf_bytes(&c->list));
  out[0] = '\0';
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry); *after = entry.number) {
    const size_t used = strlen(out);
    (void)snprintf(out + used, size - used, "%s%d:%.*s", used == 0 ? "" : " ", entry.kind,
                   entry.kind == TW_CONTROL_KIND_SEND ? (int)entry.message.len : 0, (const char *)entry.message.ptr);
  }
  assert_false(c->answer.body.fetch.more);
  return out;
}

/* ---- packets ---- */

static inline void client_datagram(const whole_client *c, uint64_t session, uint32_t destination, tw_bytes body) {
  uint8_t datagram[WHOLE_PACKET + 12];
  struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(c->owner->port)};
  const struct sockaddr_in6 to6 = {
      .sin6_family = AF_INET6, .sin6_port = to4.sin_port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const void *to = c->six ? (const void *)&to6 : &to4;
  to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (c->relays != 0 ? c->relays : 1U));
  assert_true(body.len <= WHOLE_PACKET);
  tw_put_u64(datagram, session);
  tw_put_u32(datagram + 8, destination);
  if (body.len > 0) memcpy(datagram + 12, body.ptr, body.len);
  assert_int_equal(sendto(c->fd, datagram, 12 + body.len, 0, to, c->six ? sizeof to6 : sizeof to4), 12 + body.len);
}

/* The next datagram; the loop, which does not know of that socket, goes on meanwhile. */
static inline size_t client_receives(const whole_client *c, uint8_t out[WHOLE_PACKET]) {
  ssize_t len = -1;
  (void)uv_timer_start(&c->owner->watchdog, whole_watchdog, WHOLE_PATIENCE_MS, 0);
  while ((len = recv(c->fd, out, WHOLE_PACKET, MSG_DONTWAIT)) < 0) {
    (void)uv_run(&c->owner->loop, UV_RUN_NOWAIT);
    (void)poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, 1);
  }
  (void)uv_timer_stop(&c->owner->watchdog);
  return (size_t)len;
}

static inline void client_open_socket(whole_client *c) {
  struct sockaddr_in own4 = {.sin_family = AF_INET};
  const struct sockaddr_in6 own6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const void *own = c->six ? (const void *)&own6 : &own4;
  own4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (c->fd >= 0) (void)close(c->fd);
  c->fd = socket(c->six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(c->fd >= 0 && bind(c->fd, own, c->six ? sizeof own6 : sizeof own4) == 0);
  if (c->relays == 0) return;
  const struct sockaddr_in relay = {
      .sin_family = AF_INET, .sin_port = htons(c->owner->port), .sin_addr = {htonl(INADDR_LOOPBACK - 1U + c->relays)}};
  assert_int_equal(connect(c->fd, (const struct sockaddr *)&relay, sizeof relay), 0);
}

/* By a socket of its own: token, challenge, and its nonce back. */
static inline void client_binds(whole_client *c) {
  uint8_t challenge[WHOLE_PACKET];
  const size_t bounds = c->bounds;
  if (c->fd < 0) client_open_socket(c);
  assert_int_equal(CLIENT_DOES(c, TW_CONTROL_BIND), TW_CONTROL_DONE);
  const tw_control_binding binding = c->answer.body.bind;
  client_datagram(c, binding.session, 0, TW_ARRAY(binding.token));
  assert_int_equal(client_receives(c, challenge), 20);
  assert_int_equal(c->bounds, bounds);
  client_datagram(c, binding.session, 0, TW_BYTES(challenge + 4, 16));
  whole_until(c->owner, c->bounds > bounds);
  assert_true(c->bound.session == binding.session);
  struct sockaddr_in6 own; /* whose port is where IPv4's is */
  socklen_t len = sizeof own;
  assert_int_equal(getsockname(c->fd, (struct sockaddr *)(void *)&own, &len), 0);
  assert_int_equal(c->bound.seen.port, ntohs(own.sin6_port));
  assert_int_equal(c->bound.seen.family, c->six ? 6 : 4);
}

static inline void client_sends_packet(const whole_client *c, uint32_t destination, const char *text) {
  client_datagram(c, c->bound.session, destination, kit_text(text));
}

static inline void client_gets_packet(const whole_client *c, const char *text) {
  uint8_t packet[WHOLE_PACKET];
  assert_int_equal(client_receives(c, packet), strlen(text));
  assert_memory_equal(packet, text, strlen(text));
}

/* A keepalive, and its answer. */
static inline void client_is_heard(const whole_client *c) {
  uint8_t packet[WHOLE_PACKET];
  uint8_t wanted[12] = {0};
  tw_put_u64(wanted + 4, c->bound.session);
  client_datagram(c, c->bound.session, 0, TW_NO_BYTES);
  tw_test_same(TW_BYTES(packet, client_receives(c, packet)), TW_ARRAY(wanted));
}

/* Where `of` is, as `c` is told; it is watched from then on. */
static inline tw_control_location client_locates(whole_client *c, const whole_client *of) {
  tw_control_location location;
  assert_int_equal(CLIENT_DOES(c, TW_CONTROL_LOCATE, .locate = TW_ARRAY(of->id.digest)), TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(tw_buf_bytes(&c->list));
  assert_true(tw_control_location_next(&walk, &location));
  return location;
}

/* Two clients that are connected. */
static inline void whole_begin_two(whole *w, whole_client *a, whole_client *b) {
  whole_init(w, 1);
  whole_start(w);
  client_init(a, w);
  client_init(b, w);
  client_start(a);
  client_start(b);
}

static inline void whole_end_two(whole *w, whole_client *a, whole_client *b) {
  client_clear(a);
  client_clear(b);
  whole_clear(w);
}

#endif
