/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay.h"

#include <string.h>

#include "base/alloc.h"
#include "crypto/crypto.h"
#include "net/wire.h"
#include "relay/packets.h"
#include "relay/presence.h"

enum {
  CLIENTS_MAX = 65536,
  AWAY_MS = 180000,
  AWAY_LOOKS = 32,    /* in that time */
  SWEEP_MS = 3600000, /* from round to round */
  SWEEP_STEP_MS = 50,
  SLOTS = 512,
  PORT_TRIES = 16
};

typedef tw_presence client;

struct tw_relay {
  tw_relay_config config;
  tw_relay_store *store;
  tw_delivery *delivery;
  tw_control_server *server;
  tw_relay_packets *packets;
  uv_timer_t sweeper;
  uv_timer_t away_timer;
  tw_presences clients;
  unsigned parts; /* that free themselves: server, sockets, timers */
  bool broken;
  tw_report why;
};

/* ---- where they are ---- */

static void on_locate(void *ctx, tw_control_location *locations, size_t count) {
  const tw_relay *relay = ctx;
  for (size_t i = 0; i < count; i++)
    locations[i].online = tw_presences_find_here(&relay->clients, locations[i].number) != NULL;
  tw_relay_packets_locate(relay->packets, locations, count);
}

/* It is found by its number until tw_presence_enter: also one that is away. */
static uint64_t on_spent(void *ctx, uint32_t number) {
  const tw_relay *relay = ctx;
  const client *former = tw_presences_find(&relay->clients, number);
  return former != NULL ? former->peer.spent_us : 0;
}

static void tell_moved(tw_relay *relay, const client *c) {
  tw_control_location location = {.number = c->number};
  on_locate(relay, &location, 1);
  tw_delivery_moved(relay->delivery, &c->peer.id, &location);
}

/* ---- what the delivery service says ---- */

static void refuse(tw_control_answer *answer, const char *words) {
  answer->status = TW_CONTROL_BUSY;
  answer->body.words = TW_BYTES((const uint8_t *)words, strlen(words));
}

static void on_answer(void *ctx, uint64_t tag, const tw_control_answer *answer) {
  const tw_relay *relay = ctx;
  client *c = (client *)(uintptr_t)tag; /* NOLINT(performance-no-int-to-ptr): it was one */
  tw_control_answer bound = *answer;
  if (!tw_presence_answered(c)) return;
  if (answer->to == TW_CONTROL_BIND && answer->status == TW_CONTROL_DONE) {
    tw_control_binding *binding = &bound.body.bind;
    if (tw_relay_packets_grant(relay->packets, c->number, &binding->session, binding->token) != TW_OK)
      refuse(&bound, "the relay has no room for this now");
  }
  tw_control_caller_answer(c->caller, &bound);
}

static void push(const tw_relay *relay, uint32_t number, const tw_control_push *what) {
  const client *c = tw_presences_find_here(&relay->clients, number);
  if (c != NULL) tw_control_caller_push(c->caller, what);
}

static void on_mail(void *ctx, uint32_t number) { push(ctx, number, &(tw_control_push){.type = TW_CONTROL_MAIL}); }

static void on_wants_in(void *ctx, uint32_t number, tw_bytes name, const tw_fingerprint *who) {
  const tw_control_push what = {.type = TW_CONTROL_WANTS_IN, .body.wants_in = {name, *who}};
  push(ctx, number, &what);
}

static void on_moved(void *ctx, uint32_t watcher, const tw_fingerprint *who, const tw_control_location *location) {
  const tw_control_push what = {.type = TW_CONTROL_MOVED, .body.moved = {*who, *location}};
  push(ctx, watcher, &what);
}

/* What has no room is tried again when a member binds. */
static void on_members(void *ctx, uint32_t group, const uint32_t *numbers, size_t count) {
  const tw_relay *relay = ctx;
  tw_relay_packets_set_members(relay->packets, group | TW_FORWARD_GROUP_BIT, numbers, count);
}

static void stop_packets(tw_relay *relay, client *c) {
  tw_relay_packets_remove(relay->packets, c->number);
  tell_moved(relay, c);
  tw_presence_forget(c);
}

/* Packets stop at once, too, for one that is not connected at the moment. */
static void on_dismissed(void *ctx, const tw_fingerprint *who) {
  tw_relay *relay = ctx;
  tw_control_caller *caller = relay->server == NULL ? NULL : tw_control_server_find(relay->server, who);
  if (caller != NULL) {
    client *c = *tw_control_caller_user(caller);
    c->dismissed = true;
    if (relay->config.dismissed != NULL) relay->config.dismissed(relay->config.ctx, caller);
    return;
  }
  client *c = tw_presences_find_away(&relay->clients, who);
  if (c != NULL && !c->fresh) stop_packets(relay, c);
}

static bool has_member(void *ctx, uint32_t group, uint32_t number) {
  const tw_relay *relay = ctx;
  return tw_relay_packets_lists(relay->packets, group | TW_FORWARD_GROUP_BIT, number);
}

static void on_failed(void *ctx, tw_err err, const char *words) {
  const tw_relay *relay = ctx;
  if (relay->config.failed != NULL) relay->config.failed(relay->config.ctx, err, words);
}

/* ---- batches ---- */

static void on_breaker(uv_timer_t *timer) {
  const tw_relay *relay = timer->data;
  relay->config.broke(relay->config.ctx, relay->why.text);
}

/* It is told outside of whatever is going on, so that its owner may close it there. */
static void break_down(tw_relay *relay, const char *words) {
  if (relay->broken) return;
  relay->broken = true;
  tw_report_printable(relay->why.text, sizeof relay->why.text, words, strlen(words));
  (void)uv_timer_start(&relay->away_timer, on_breaker, 0, 0); /* what it is for otherwise is over */
}

static void flush(tw_relay *relay) {
  const tw_err err = tw_delivery_flush(relay->delivery);
  client *c;
  while ((c = tw_presences_settle(&relay->clients, err == TW_OK)) != NULL) tell_moved(relay, c);
  if (err == TW_ERR_STATE || err == TW_ERR_ENCODING) break_down(relay, relay->store->why.text);
}

static tw_err on_flush(void *ctx) {
  flush(ctx);
  return TW_OK; /* where it failed, the answers say so */
}

static void on_request(void *ctx, tw_control_caller *caller, const tw_control_request *request) {
  tw_relay *relay = ctx;
  client *c = *tw_control_caller_user(caller);
  c->open++;
  tw_err err = tw_delivery_ask(relay->delivery, &c->peer, (uint64_t)(uintptr_t)c, request, tw_wall_ms());
  if (err != TW_OK)
    c->open--;
  else
    err = tw_presence_enter(c);
  if (err != TW_OK) tw_control_caller_end(caller, err);
  if (tw_delivery_is_full(relay->delivery)) flush(relay);
}

/* ---- coming and going ---- */

static tw_err on_came(void *ctx, tw_control_caller *caller) {
  tw_relay *relay = ctx;
  if (tw_control_server_count(relay->server) > relay->config.clients_max) return TW_ERR_LIMIT;
  client *c;
  TW_TRY(tw_presences_add(&relay->clients, caller, tw_control_caller_id(caller), &c));
  *tw_control_caller_user(caller) = c;
  const tw_err err = relay->config.came != NULL ? relay->config.came(relay->config.ctx, caller) : TW_OK;
  if (err != TW_OK) tw_alloc_free(NULL, c);
  return err;
}

static void on_gone(void *ctx, tw_control_caller *caller) {
  tw_relay *relay = ctx;
  client *c = *tw_control_caller_user(caller);
  if (relay->config.gone != NULL) relay->config.gone(relay->config.ctx, caller);
  const bool is_known = c->number != 0;
  if (is_known) tw_delivery_gone(relay->delivery, &c->peer);
  tw_presence_leave(c, uv_now(relay->config.loop));
  if (!is_known) return;
  if (c->dismissed)
    stop_packets(relay, c);
  else if (!c->fresh)
    tell_moved(relay, c);
}

static void on_twins(void *ctx, const tw_control_caller *caller, const tw_control_caller *former) {
  const tw_relay *relay = ctx;
  if (relay->config.twins != NULL) relay->config.twins(relay->config.ctx, caller, former);
}

static void on_ended(void *ctx, const tw_client_id *id, const tw_stream_end *end) {
  const tw_relay *relay = ctx;
  if (relay->config.ended != NULL) relay->config.ended(relay->config.ctx, id, end);
}

static void on_strangers(void *ctx, const tw_gate_tally *tally) {
  const tw_relay *relay = ctx;
  if (relay->config.strangers != NULL) relay->config.strangers(relay->config.ctx, tally);
}

static void on_short(void *ctx, int why) {
  const tw_relay *relay = ctx;
  if (relay->config.fell_short != NULL) relay->config.fell_short(relay->config.ctx, why);
}

/* Packets stop for who has been away for long. */
static void on_away_timer(uv_timer_t *timer) {
  tw_relay *relay = timer->data;
  const uint64_t now_ms = uv_now(relay->config.loop);
  client *c;
  while ((c = relay->clients.first_away) != NULL && now_ms - c->away_since_ms >= relay->config.away_ms)
    stop_packets(relay, c);
}

static void on_sweeper(uv_timer_t *timer) {
  tw_relay *relay = timer->data;
  bool more = false;
  const tw_err err = tw_delivery_sweep(relay->delivery, tw_wall_ms(), &more);
  flush(relay);
  (void)uv_timer_start(timer, on_sweeper, err == TW_OK && more ? SWEEP_STEP_MS : SWEEP_MS, 0);
}

/* ---- packets ---- */

static void on_bound(void *ctx, const tw_forward_bound *bound) {
  tw_relay *relay = ctx;
  const client *c = tw_presences_find(&relay->clients, bound->client);
  const tw_control_push what = {.type = TW_CONTROL_BOUND,
                                .body.bound = {bound->session, tw_relay_packets_address(&bound->address)}};
  push(relay, bound->client, &what);
  if (c != NULL && bound->moved) tell_moved(relay, c);
}

static void on_broke(void *ctx, int why) { break_down(ctx, strerror(why)); }

/* ---- start and end ---- */

static void free_relay(tw_relay *relay) {
  tw_presences_clear(&relay->clients);
  tw_delivery_free(relay->delivery);
  tw_relay_store_close(relay->store);
  tw_relay_packets_free(relay->packets);
  if (relay->config.freed != NULL) relay->config.freed(relay->config.ctx);
  tw_alloc_free(NULL, relay);
}

static void on_part_freed(void *ctx) {
  tw_relay *relay = ctx;
  if (--relay->parts == 0) free_relay(relay);
}

static void on_timer_closed(uv_handle_t *handle) { on_part_freed(handle->data); }

void tw_relay_close(tw_relay *relay, bool at_once) {
  if (relay == NULL || relay->server == NULL) return;
  tw_control_server *server = relay->server;
  relay->server = NULL;
  relay->broken = true; /* nobody is told any more */
  tw_control_server_close(server, at_once);
  flush(relay); /* what nobody waits for any more has to come to its end, too */
  tw_relay_packets_stop(relay->packets, on_part_freed);
  uv_close((uv_handle_t *)&relay->sweeper, on_timer_closed);
  uv_close((uv_handle_t *)&relay->away_timer, on_timer_closed);
}

static tw_err open_services(tw_relay *relay, tw_report *report) {
  const tw_relay_config *config = &relay->config;
  const tw_delivery_config delivery = {.env = config->env,
                                       .store = relay->store,
                                       .limits = config->quotas,
                                       .events = {.ctx = relay,
                                                  .answer = on_answer,
                                                  .mail = on_mail,
                                                  .wants_in = on_wants_in,
                                                  .moved = on_moved,
                                                  .spent = on_spent,
                                                  .locate = on_locate,
                                                  .members = on_members,
                                                  .has_member = has_member,
                                                  .dismissed = on_dismissed,
                                                  .failed = on_failed}};
  tw_err err = tw_delivery_new(&delivery, &relay->delivery);
  if (err == TW_OK)
    err = tw_random(config->env, (uint8_t *)relay->clients.by_number.seed, sizeof relay->clients.by_number.seed);
  return err == TW_OK ? TW_OK : tw_report_fail(report, err, "%s", tw_err_text(err));
}

static tw_err listen_at(tw_relay *relay, const tw_address *at, tw_report *report) {
  const tw_relay_config *config = &relay->config;
  const tw_relay_packets_config packets = {.loop = config->loop,
                                           .env = config->env,
                                           .forward = config->forward,
                                           .at = *at,
                                           .no_offload = config->no_offload,
                                           .bound = on_bound,
                                           .broke = on_broke,
                                           .ctx = relay};
  TW_TRY(tw_relay_packets_start(&packets, &relay->packets, report));
  tw_control_server_config server = {.loop = config->loop,
                                     .listen_at = *at,
                                     .channel = config->channel,
                                     .limits = config->limits,
                                     .came = on_came,
                                     .gone = on_gone,
                                     .request = on_request,
                                     .flush = on_flush,
                                     .twins = on_twins,
                                     .ended = on_ended,
                                     .strangers = on_strangers,
                                     .fell_short = on_short,
                                     .freed = on_part_freed,
                                     .ctx = relay};
  server.listen_at.port = tw_relay_packets_port(relay->packets);
  const tw_err err = tw_control_server_start(&server, &relay->server, report);
  if (err == TW_OK) return TW_OK;
  tw_relay_packets_stop(relay->packets, NULL);
  relay->packets = NULL;
  return err;
}

/* A port that is free for UDP may be somebody's for TCP. */
static tw_err listen_somewhere(tw_relay *relay, tw_report *report) {
  const tw_address *at = &relay->config.listen_at;
  tw_err err = listen_at(relay, at, report);
  for (int i = 1; err == TW_ERR_STATE && at->port == 0 && i < PORT_TRIES; i++) err = listen_at(relay, at, report);
  return err;
}

static void start_timer(const tw_relay *relay, uv_timer_t *timer, uv_timer_cb call, uint64_t after, uint64_t every) {
  (void)uv_timer_init(relay->config.loop, timer);
  timer->data = (void *)(uintptr_t)relay; /* NOLINT(performance-no-int-to-ptr) */
  (void)uv_timer_start(timer, call, after, every);
}

tw_err tw_relay_start(const tw_relay_config *config, tw_relay **relay, tw_report *report) {
  tw_relay *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) {
    tw_relay_store_close(config->store);
    return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  }
  made->config = *config;
  made->store = config->store;
  if (config->clients_max == 0) made->config.clients_max = CLIENTS_MAX;
  if (config->away_ms == 0) made->config.away_ms = AWAY_MS;
  if (config->forward.slots == 0) made->config.forward.slots = SLOTS;
  tw_err err = open_services(made, report);
  if (err == TW_OK) err = listen_somewhere(made, report);
  if (err != TW_OK) {
    made->config.freed = NULL; /* it has never been there */
    free_relay(made);
    return err;
  }
  made->parts = 4;
  start_timer(made, &made->sweeper, on_sweeper, 0, 0);
  start_timer(made, &made->away_timer, on_away_timer, 0, made->config.away_ms / AWAY_LOOKS + 1);
  *relay = made;
  return TW_OK;
}

uint16_t tw_relay_port(const tw_relay *relay) { return tw_relay_packets_port(relay->packets); }
bool tw_relay_address(const tw_relay *relay, int index, char *out) {
  return tw_control_server_address(relay->server, index, out);
}
void tw_relay_each(tw_relay *relay, void (*each)(void *ctx, tw_control_caller *caller), void *ctx) {
  if (relay->server != NULL) tw_control_server_each(relay->server, each, ctx);
}
void tw_relay_put_out(tw_control_caller *caller, tw_err why) {
  client *c = *tw_control_caller_user(caller);
  c->dismissed = true;
  tw_control_caller_end(caller, why);
}
/* Who is fresh has had no answer yet: it has bound nothing. */
void tw_relay_each_away(tw_relay *relay, bool (*is_served)(void *ctx, const tw_client_id *id, const void *user),
                        void *ctx) {
  client *next;
  for (client *c = relay->clients.first_away; c != NULL; c = next) {
    next = c->next;
    if (!c->fresh && !is_served(ctx, &c->peer.id, c->user)) stop_packets(relay, c);
  }
}
void **tw_relay_user(tw_control_caller *caller) {
  client *c = *tw_control_caller_user(caller);
  return &c->user;
}
void tw_relay_set_standing(tw_control_caller *caller, tw_delivery_standing standing, const tw_fingerprint *inviter) {
  client *c = *tw_control_caller_user(caller);
  c->dismissed = false;
  c->peer.standing = standing;
  if (inviter != NULL) c->peer.inviter = *inviter;
}
tw_err tw_relay_admitted(tw_relay *relay, const tw_fingerprint *id, uint32_t index, tw_relay_admission *admission,
                         bool *found) {
  return tw_delivery_admitted(relay->delivery, id, tw_wall_ms(), index, admission, found);
}
size_t tw_relay_count(const tw_relay *relay) {
  return relay->server == NULL ? 0 : tw_control_server_count(relay->server);
}
void tw_relay_totals(const tw_relay *relay, tw_forward_totals *totals) {
  tw_relay_packets_total(relay->packets, totals);
}
