/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "net/wire.h"
#include "node/node_internal.h"

uint64_t tw_node_now(const tw_node *node) { return node->wall_offset_ms + uv_now(node->setup.loop); }

void tw_node_tell(const tw_node *node, tw_node_level level, const char *format, ...) {
  char line[TW_REPORT_MAX];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (node->setup.tell != NULL) node->setup.tell(node->setup.ctx, level, line);
}

const char *tw_node_name_of(const tw_node *node, uint32_t peer, char *room) {
  return tw_node_peer_label(&node->setup.config->peers[peer], room);
}

/* ---- what the parts tell each other ---- */

static void pair_told(void *ctx, uint32_t peer, const char *what, tw_err err) {
  tw_node *node = ctx;
  char room[TW_FINGERPRINT_TEXT];
  if (peer >= node->peer_count) {
    tw_node_tell(node, TW_NODE_NOTE, "%s: %s", what, tw_node_port_why(&node->port, err));
    return;
  }
  char *words = node->peers[peer].last_words;
  (void)snprintf(words, TW_NODE_LAST_WORDS, "%s%s%s", what, err == TW_OK ? "" : ": ",
                 err == TW_OK ? "" : tw_node_port_why(&node->port, err));
  tw_node_tell(node, TW_NODE_DETAIL, "%s: %s", tw_node_name_of(node, peer, room), words);
}

static void network_told(void *ctx, const char *what, tw_err err) {
  const tw_node *node = ctx;
  if (err == TW_OK)
    tw_node_tell(node, TW_NODE_NOTE, "network: %s", what);
  else
    tw_node_tell(node, TW_NODE_NOTE, "network: %s: %s", what, tw_node_port_why(&node->port, err));
}

static void network_changed(void *ctx) {
  tw_node *node = ctx;
  tw_network_status status;
  tw_network_get_status(node->network, &status);
  node->network_changed = true;
  node->look_at_members = true;
  tw_node_tell(node, TW_NODE_DETAIL, "network: epoch %llu, %u members", (unsigned long long)status.epoch,
               status.members);
}

/* A member has removed it: it is cut off here, too, and stays so while the configuration lists it. */
static void member_removed(void *ctx, const tw_client_id *id) {
  tw_node *node = ctx;
  const uint32_t peer = tw_node_find_peer(node, id);
  if (peer != UINT32_MAX) node->peers[peer].to_cut_off = true;
}

/* ---- the loop ---- */

/* Between two ticks: while something goes on, and else, so that a new address of ours is noticed. */
enum { TICK_MS = 250, REST_TICK_MS = 1000, LIVELY_MS = 1000 };
enum { CLOCK_OFF_MS = 10000 };

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void on_timer(uv_timer_t *timer);

static void set_timer(tw_node *node) {
  const uint64_t now = tw_node_now(node);
  uint64_t at = now + (tw_node_is_lively(node) ? TICK_MS : REST_TICK_MS);
  at = earlier(at, earlier(tw_pairs_deadline(node->pairs), tw_network_deadline(node->network)));
  at = earlier(at, tw_enrol_deadline(node->enrol));
  (void)uv_timer_start(&node->timer, on_timer, at > now ? at - now : 1, 0);
}

bool tw_node_is_lively(const tw_node *node) {
  return tw_node_now(node) < node->lively_until_ms ||
         (node->up && (node->mail_waits || tw_keepalive_waits(&node->keepalive)));
}

void tw_node_stir(tw_node *node) { node->lively_until_ms = tw_node_now(node) + LIVELY_MS; }

/* There is no timer before all has been loaded. */
void tw_node_time(tw_node *node) {
  if (node->timer.data != NULL) set_timer(node);
}

static void finish_if_done(tw_node *node);

static void cut_off(tw_node *node, uint32_t peer) {
  tw_node_peer_state *state = &node->peers[peer];
  char room[TW_FINGERPRINT_TEXT];
  state->to_cut_off = false;
  if (state->removed) return;
  tw_node_mark_removed(node, peer);
  tw_node_tell(node, TW_NODE_NOTE, "%s is cut off", tw_node_name_of(node, peer, room));
  if (tw_node_save_removed(node, peer) != TW_OK || tw_pairs_remove(node->pairs, peer) != TW_OK)
    tw_node_tell(node, TW_NODE_ERROR, "that could not be saved: it holds until the node ends");
  tw_node_forget_packets_of(node, peer);
  tw_enrol_removed(node->enrol, &state->id, tw_node_now(node));
}

static void cut_off_removed(tw_node *node) {
  bool any = false;
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (!node->peers[i].to_cut_off) continue;
    cut_off(node, i);
    any = true;
  }
  if (any) tw_network_roster_changed(node->network, tw_node_now(node));
}

static void take_stock(tw_node *node) {
  tw_network_status status;
  tw_sas_set_time(node->sas, tw_node_now(node));
  cut_off_removed(node);
  if (node->enrolled) tw_network_roster_changed(node->network, tw_node_now(node));
  node->enrolled = false;
  tw_network_get_status(node->network, &status);
  const bool follows = status.state != TW_NETWORK_STUCK && !status.unwanted;
  if (node->network_changed || follows != node->follows) tw_enrol_network_changed(node->enrol, tw_node_now(node));
  node->network_changed = false;
  node->follows = follows;
  tw_node_learn_members(node);
  tw_network_get_status(node->network, &status);
  tw_node_tell_plane(node, status.unwanted ? 0 : status.number); /* 0: nothing goes to all */
  const bool ready = node->keepalive.bound && status.state == TW_NETWORK_MEMBER;
  if (ready != node->ready) {
    node->ready = ready;
    if (node->setup.ready != NULL) node->setup.ready(node->setup.ctx, ready);
  }
}

void tw_node_after(tw_node *node) {
  if (node->closing) {
    finish_if_done(node);
    return;
  }
  take_stock(node);
  tw_node_time(node);
}

/* Our time goes on evenly, from what the clock said at the start: where that was wrong, or the machine has slept, what
 * depends on dates is judged anew. */
static void look_at_clock(tw_node *node, uint64_t now_ms) {
  const uint64_t wall_ms = tw_wall_ms();
  const uint64_t off_ms = wall_ms > now_ms ? wall_ms - now_ms : now_ms - wall_ms;
  if (off_ms < CLOCK_OFF_MS || node->relearning) return;
  tw_node_tell(node, TW_NODE_NOTE,
               "the clock has been set %s by %llu s, or the machine has slept: all is taken up anew",
               wall_ms > now_ms ? "on" : "back", (unsigned long long)(off_ms / 1000));
  node->clock_is_off = true;
  tw_node_relearn(node);
}

static void on_timer(uv_timer_t *timer) {
  tw_node *node = timer->data;
  const uint64_t now = tw_node_now(node);
  tw_sas_tick(node->sas, now);
  if (tw_pairs_deadline(node->pairs) <= now) tw_pairs_tick(node->pairs, now);
  if (tw_network_deadline(node->network) <= now) tw_network_tick(node->network, now);
  if (tw_enrol_deadline(node->enrol) <= now) tw_enrol_tick(node->enrol, now);
  tw_node_relay_tick(node, now);
  tw_node_endpoints_tick(node, now);
  tw_node_members_tick(node, now);
  if (tw_store_is_untidy(node->setup.store)) {
    tw_report report = {""};
    if (tw_store_tidy(node->setup.store, &report) != TW_OK) tw_node_tell(node, TW_NODE_DETAIL, "%s", report.text);
  }
  look_at_clock(node, now);
  take_stock(node);
  set_timer(node);
}

/* ---- start and end ---- */

static void set_clients(tw_node *node) {
  const tw_node_setup *setup = &node->setup;
  node->client = (tw_client){.env = setup->env,
                             .suite = setup->config->network.suite,
                             .signer = setup->signer,
                             .credential = setup->credential,
                             .policy = {.ctx = node, .credential = tw_node_judge_peer}};
  node->network_client = node->client;
  node->network_client.policy.credential = tw_node_judge_member;
  node->relay_client = node->client;
  node->relay_client.policy.credential = tw_node_judge_relay;
  node->clients[0] = &node->client;
  node->relay_clients[0] = &node->relay_client;
  node->channel_options = tw_channel_options_default;
  node->channel_options.rekey_after_ms = setup->config->network.rekey_after * 1000;
  node->channel = (tw_channel_config){
      .clients = node->relay_clients, .client_count = 1, .options = &node->channel_options};
}

static tw_err make_engines(tw_node *node) {
  const tw_node_setup *setup = &node->setup;
  const tw_node_network *network = &setup->config->network;
  const tw_sas_config sas = {.env = setup->env,
                             .packet_env = &node->packet_env,
                             .threads = node->setup.threads,
                             .port = &node->port,
                             .grace_ms = (uint64_t)network->grace * 1000,
                             .rekey_packets = network->rekey_packets,
                             .rekey_bytes = network->rekey_bytes,
                             .owners = node->peer_count,
                             .sign = network->sign,
                             .ready = tw_node_keys_ready,
                             .between = tw_node_between,
                             .ctx = node};
  TW_TRY(tw_sas_new(&sas, &node->sas));
  tw_sas_set_time(node->sas, tw_node_now(node));
  const tw_pairs_config pairs = {.clients = node->clients,
                                 .client_count = 1,
                                 .self = setup->self,
                                 .port = &node->port,
                                 .keys = tw_sas_keys(node->sas),
                                 .rekey_after_ms = network->rekey_after * 1000,
                                 .tell = pair_told,
                                 .ctx = node};
  TW_TRY(tw_pairs_new(&pairs, &node->pairs));
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (node->peers[i].is_peer) TW_TRY(tw_pairs_add(node->pairs, i, &node->peers[i].id));
  }
  const tw_network_config group = {.client = &node->network_client,
                                   .name = TW_BYTES((const uint8_t *)network->group, strlen(network->group)),
                                   .self = setup->self,
                                   .port = &node->port,
                                   .keys = tw_sas_keys(node->sas),
                                   .owner = TW_SAS_NETWORK,
                                   .roster = tw_node_roster(node),
                                   .sign = network->sign,
                                   .rekey_after_ms = network->rekey_after * 1000,
                                   .tell = network_told,
                                   .changed = network_changed,
                                   .removed = member_removed,
                                   .ctx = node};
  TW_TRY(tw_network_new(&group, &node->network));
  return tw_node_make_enrol(node);
}

static void free_parts(tw_node *node) {
  tw_enrol_free(node->enrol);
  tw_network_free(node->network);
  tw_pairs_free(node->pairs);
  tw_node_free_packets(node);
  tw_sas_free(node->sas);
  tw_provider_free(node->packet_env.provider);
  tw_node_members_clear(node);
  tw_node_clear_peers(node);
  tw_alloc_free(tw_env_alloc(node->setup.env), node);
}

static tw_err begin(tw_node *node, tw_report *report) {
  (void)uv_timer_init(node->setup.loop, &node->timer); /* does not fail */
  node->timer.data = node;
  node->open_handles++;
  tw_node_stir(node);
  set_timer(node);
  return tw_packet_threads_start(node->packets, report);
}

/* What the store has. Where the last end was none in good order, keys are renewed at once. */
static tw_err take_up(tw_node *node, tw_report *report) {
  const uint64_t now = tw_node_now(node);
  tw_sas_begin_load(node->sas);
  TW_TRY(tw_node_load(node, report));
  tw_enrol_loaded(node->enrol);
  TW_TRY(tw_sas_loaded(node->sas));
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (tw_sas_is_stale(node->sas, i)) tw_pairs_resume(node->pairs, i, now);
  }
  for (uint32_t i = 0; node->setup.anew && i < node->peer_count; i++) {
    if (tw_node_has_peer(node, i)) tw_pairs_want(node->pairs, i, now);
  }
  if (tw_sas_is_stale(node->sas, TW_SAS_NETWORK)) tw_network_rekey(node->network, now);
  node->look_at_members = true;
  return TW_OK;
}

tw_err tw_node_start(const tw_node_setup *setup, tw_node **out, tw_report *report) {
  tw_node *node = tw_alloc_zero(tw_env_alloc(setup->env), sizeof *node);
  if (node == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  node->setup = *setup;
  node->wall_offset_ms = tw_wall_ms() - uv_now(setup->loop);
  tw_node_port_init(node);
  set_clients(node);
  tw_report words = {""};
  tw_err err = tw_node_set_peers(node);
  if (err == TW_OK) err = tw_node_look_at_own(node);
  if (err == TW_OK) err = tw_node_make_packet_env(node);
  if (err == TW_OK) err = make_engines(node);
  if (err == TW_OK) err = tw_node_make_packets(node);
  if (err == TW_OK) err = take_up(node, &words);
  if (err == TW_OK) tw_node_take_over(node);
  if (err != TW_OK) {
    err = tw_report_fail(report, err, "%s", words.text[0] != '\0' ? words.text : tw_node_port_why(&node->port, err));
    free_parts(node);
    return err;
  }
  words = (tw_report){"out of memory"};
  err = begin(node, &words);
  if (err == TW_OK) err = tw_node_relay_start(node, &words);
  if (err != TW_OK) {
    tw_node_close(node);
    return tw_report_fail(report, err, "%s", words.text);
  }
  node->setup.kept = NULL;
  *out = node;
  return TW_OK;
}

static void finish_if_done(tw_node *node) {
  if (node->open_handles > 0) return;
  void (*freed)(void *ctx) = node->setup.freed;
  void *ctx = node->setup.ctx;
  free_parts(node);
  if (freed != NULL) freed(ctx);
}

static void handle_closed(void *ctx) {
  tw_node *node = ctx;
  node->open_handles--;
  finish_if_done(node);
}

static void timer_closed(uv_handle_t *handle) { handle_closed(handle->data); }

void tw_node_close(tw_node *node) {
  if (node == NULL || node->closing) return;
  if (tw_packet_threads_stop(node->packets, handle_closed, node)) node->open_handles++;
  if (node->sas != NULL && tw_sas_save_windows(node->sas) != TW_OK)
    tw_node_tell(node, TW_NODE_NOTE, "keys cannot be taken up again: new ones will be made");
  node->closing = true;
  tw_control_client_close(node->control);
  if (node->is_resolving) (void)uv_cancel((uv_req_t *)&node->resolving);
  uv_close((uv_handle_t *)&node->timer, timer_closed);
}

/* ---- what people ask ---- */

void tw_node_rekey(tw_node *node, uint32_t peer) {
  const uint64_t now = tw_node_now(node);
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (peer == UINT32_MAX || peer == i) tw_pairs_rekey(node->pairs, i, now);
  }
  if (peer == UINT32_MAX) tw_network_rekey(node->network, now);
  tw_node_after(node);
}

void tw_node_remove(tw_node *node, uint32_t peer) {
  if (!tw_node_has_peer(node, peer)) return;
  cut_off(node, peer);
  tw_network_remove(node->network, &node->peers[peer].id, tw_node_now(node));
  tw_node_after(node);
}

bool tw_node_is_admin(tw_node *node) {
  const tw_network_roster roster = tw_node_roster(node);
  return roster.is_admin(roster.ctx, &node->setup.self);
}

void tw_node_get_status(tw_node *node, tw_node_status *status) {
  tw_node_look_at_packets(node);
  *status = (tw_node_status){.relay_up = node->up,
                             .relay_why = node->relay_why,
                             .twin_ms = tw_node_twin_ms(node),
                             .twin = node->twin,
                             .relay_bound = node->keepalive.bound,
                             .seen_at = node->seen_at,
                             .mail_read = node->cursor,
                             .signs = tw_sas_signs(node->sas),
                             .aes_gcm = tw_env_aes_gcm(&node->packet_env),
                             .drops = &node->seen_drops};
  tw_network_get_status(node->network, &status->network);
}

bool tw_node_get_peer_status(const tw_node *node, uint32_t peer, tw_node_peer_status *status) {
  if (peer >= node->peer_count || !node->peers[peer].is_peer) return false;
  const tw_node_peer_state *state = &node->peers[peer];
  *status = (tw_node_peer_status){.removed = state->removed,
                                  .is_member = tw_network_has_member(node->network, &state->id),
                                  .can_sign = tw_network_can_sign(node->network, &state->id),
                                  .plane = &node->seen[peer],
                                  .receiving_sas = tw_sas_count(node->sas, peer),
                                  .last_words = state->last_words};
  (void)tw_pairs_get_status(node->pairs, peer, &status->pair);
  return true;
}
