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
    tw_node_tell(node, TW_NODE_NOTE, "%s: %s", what, tw_err_text(err));
    return;
  }
  char *words = node->peers[peer].last_words;
  (void)snprintf(words, TW_NODE_LAST_WORDS, "%s%s%s", what, err == TW_OK ? "" : ": ",
                 err == TW_OK ? "" : tw_err_text(err));
  tw_node_tell(node, TW_NODE_DETAIL, "%s: %s", tw_node_name_of(node, peer, room), words);
}

static void network_told(void *ctx, const char *what, tw_err err) {
  const tw_node *node = ctx;
  if (err == TW_OK)
    tw_node_tell(node, TW_NODE_NOTE, "network: %s", what);
  else
    tw_node_tell(node, TW_NODE_NOTE, "network: %s: %s", what, tw_err_text(err));
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

static void keys_ready(void *ctx, uint32_t owner, bool nudge) {
  tw_node *node = ctx;
  if (node->plane != NULL) tw_plane_ready(node->plane, owner, nudge, tw_node_now(node));
}

static void want_pair(void *ctx, uint32_t peer) {
  tw_node *node = ctx;
  tw_pairs_want(node->pairs, peer, tw_node_now(node));
}

static void opened(void *ctx, uint32_t owner, uint64_t stamp) {
  tw_node *node = ctx;
  if (owner != TW_SAS_NETWORK) tw_pairs_opened(node->pairs, owner, stamp, tw_node_now(node));
}

static void rekey_wanted(void *ctx, uint32_t owner) {
  tw_node *node = ctx;
  if (owner == TW_SAS_NETWORK)
    tw_network_rekey(node->network, tw_node_now(node));
  else
    tw_pairs_rekey(node->pairs, owner, tw_node_now(node));
}

static uint32_t peer_of(void *ctx, const tw_client_id *id) { return tw_node_find_peer(ctx, id); }

/* struct { uint64 epoch; opaque authenticator<V>; }: of the network's group, so that forks are noticed. */
static size_t tell_epoch(void *ctx, uint8_t out[TW_PROBE_TAIL]) {
  const tw_node *node = ctx;
  uint64_t epoch;
  const tw_bytes authenticator = tw_network_authenticator(node->network, &epoch);
  const size_t len = authenticator.len < 32 ? authenticator.len : 32;
  if (len == 0) return 0;
  tw_put_u64(out, epoch);
  out[8] = (uint8_t)len;
  memcpy(out + 9, authenticator.ptr, len);
  return 9 + len;
}

static void told_epoch(void *ctx, uint32_t peer, tw_bytes tail) {
  tw_node *node = ctx;
  (void)peer;
  tw_reader r = tw_reader_of(tail);
  const uint64_t epoch = tw_read_u64(&r);
  const tw_bytes theirs = tw_read_vector8(&r);
  uint64_t own_epoch;
  tw_bytes ours = tw_network_authenticator(node->network, &own_epoch);
  if (tw_reader_end(&r) != TW_OK || theirs.len == 0 || ours.len < theirs.len || epoch != own_epoch) return;
  /* 32 bytes are told of a longer one. */
  if (memcmp(ours.ptr, theirs.ptr, theirs.len) == 0) return;
  tw_network_compare(node->network, epoch, theirs, tw_node_now(node));
}

void tw_node_moved(tw_node *node, uint32_t peer) {
  char room[TW_FINGERPRINT_TEXT];
  const tw_path *path = &tw_plane_peer_of(node->plane, peer)->path;
  tw_node_tell(node, TW_NODE_DETAIL, "%s: packets go %s", tw_node_name_of(node, peer, room),
               path->is_direct ? "straight" : "by the relay");
}

static void moved(void *ctx, uint32_t peer) { tw_node_moved(ctx, peer); }

/* ---- the loop ---- */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void on_timer(uv_timer_t *timer);

static void set_timer(tw_node *node) {
  const uint64_t now = tw_node_now(node);
  uint64_t at = now + TW_NODE_TICK_MS;
  at = earlier(at, earlier(tw_pairs_deadline(node->pairs), tw_network_deadline(node->network)));
  at = earlier(at, tw_enrol_deadline(node->enrol));
  (void)uv_timer_start(&node->timer, on_timer, at > now ? at - now : 1, 0);
}

static void finish_if_done(tw_node *node);

static void cut_off(tw_node *node, uint32_t peer) {
  tw_node_peer_state *state = &node->peers[peer];
  char room[TW_FINGERPRINT_TEXT];
  state->to_cut_off = false;
  if (state->removed) return;
  state->removed = true;
  tw_node_tell(node, TW_NODE_NOTE, "%s is cut off", tw_node_name_of(node, peer, room));
  if (tw_node_save_removed(node, peer) != TW_OK || tw_pairs_remove(node->pairs, peer) != TW_OK)
    tw_node_tell(node, TW_NODE_ERROR, "that could not be saved: it holds until the node ends");
  tw_plane_forget_peer(node->plane, peer);
  tw_plane_roster_changed(node->plane);
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

void tw_node_after(tw_node *node) {
  if (node->closing) {
    finish_if_done(node);
    return;
  }
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
  tw_plane_retry(node->plane, tw_node_now(node));
  tw_network_get_status(node->network, &status);
  tw_plane_set_group_number(node->plane, status.unwanted ? 0 : status.number); /* 0: nothing goes to all */
  const bool ready = node->keepalive.bound && status.state == TW_NETWORK_MEMBER;
  if (ready != node->ready) {
    node->ready = ready;
    if (node->setup.ready != NULL) node->setup.ready(node->setup.ctx, ready);
  }
}

/* What was sent, or could not be: by anything that the plane was asked to do. */
static void watch_plane(tw_node *node) {
  const bool blocked = tw_plane_is_blocked(node->plane);
  tw_watch_want(&node->tun_watch, !blocked && !node->tun_is_gone, false);
  tw_watch_want(&node->udp_watch, true, blocked);
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
  tw_plane_tick(node->plane, now);
  watch_plane(node);
  if (tw_store_is_untidy(node->setup.store)) {
    tw_report report = {""};
    if (tw_store_tidy(node->setup.store, &report) != TW_OK) tw_node_tell(node, TW_NODE_DETAIL, "%s", report.text);
  }
  tw_node_after(node);
  set_timer(node);
}

static void pump_tun(tw_node *node) {
  tw_sas_set_time(node->sas, tw_node_now(node));
  if (tw_plane_from_tun(node->plane, tw_node_now(node)) != TW_OK && !node->tun_is_gone) {
    node->tun_is_gone = true;
    tw_node_tell(node, TW_NODE_ERROR, "the network device is gone");
  }
  watch_plane(node);
}

static void on_tun(void *ctx, bool readable, bool writable) {
  (void)readable;
  (void)writable;
  pump_tun(ctx);
}

static void on_udp(void *ctx, bool readable, bool writable) {
  tw_node *node = ctx;
  tw_sas_set_time(node->sas, tw_node_now(node));
  if (readable && tw_plane_from_udp(node->plane, tw_node_now(node)) != TW_OK)
    tw_node_tell(node, TW_NODE_ERROR, "the UDP socket is of no use any more");
  if (writable)
    pump_tun(node);
  else
    watch_plane(node);
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
                             .port = &node->port,
                             .grace_ms = (uint64_t)network->grace * 1000,
                             .rekey_packets = network->rekey_packets,
                             .rekey_bytes = network->rekey_bytes,
                             .owners = node->peer_count,
                             .sign = network->sign,
                             .ready = keys_ready,
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

static tw_err make_plane(tw_node *node) {
  const tw_node_setup *setup = &node->setup;
  TW_TRY(tw_routes_of(tw_env_alloc(setup->env), setup->config, &node->routes));
  const tw_plane_config plane = {.env = setup->env,
                                 .sas = node->sas,
                                 .routes = &node->routes,
                                 .udp = setup->udp,
                                 .tun = setup->tun,
                                 .peers = node->peer_count,
                                 .mtu = setup->config->interface.mtu,
                                 .want = want_pair,
                                 .opened = opened,
                                 .rekey = rekey_wanted,
                                 .peer_of = peer_of,
                                 .tell = tell_epoch,
                                 .told = told_epoch,
                                 .moved = moved,
                                 .ctx = node};
  return tw_plane_new(&plane, &node->plane);
}

static void free_parts(tw_node *node) {
  tw_enrol_free(node->enrol);
  tw_network_free(node->network);
  tw_pairs_free(node->pairs);
  tw_plane_free(node->plane);
  tw_sas_free(node->sas);
  tw_routes_clear(&node->routes);
  tw_node_members_clear(node);
  tw_node_clear_peers(node);
  tw_alloc_free(tw_env_alloc(node->setup.env), node);
}

static tw_err watch(tw_node *node, tw_report *report) {
  uv_loop_t *loop = node->setup.loop;
  int failed = uv_timer_init(loop, &node->timer);
  node->timer.data = node;
  if (failed == 0) failed = tw_watch_open(&node->udp_watch, loop, node->setup.udp->fd, on_udp, node);
  if (failed == 0) failed = tw_watch_open(&node->tun_watch, loop, node->setup.tun->queues[0], on_tun, node);
  if (failed != 0) return tw_report_fail(report, TW_ERR_STATE, "%s", uv_strerror(failed));
  node->open_handles += 3;
  tw_watch_want(&node->udp_watch, true, false);
  tw_watch_want(&node->tun_watch, true, false);
  set_timer(node);
  return TW_OK;
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
  tw_report words = {"out of memory"};
  tw_err err = tw_node_set_peers(node);
  if (err == TW_OK) err = tw_node_look_at_own(node);
  if (err == TW_OK) err = make_engines(node);
  if (err == TW_OK) err = make_plane(node);
  if (err == TW_OK) err = take_up(node, &words);
  if (err != TW_OK) {
    free_parts(node);
    return tw_report_fail(report, err, "%s", words.text);
  }
  err = watch(node, &words);
  if (err == TW_OK) err = tw_node_relay_start(node, &words);
  if (err != TW_OK) {
    tw_node_close(node);
    return tw_report_fail(report, err, "%s", words.text);
  }
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
  if (node->sas != NULL && tw_sas_save_windows(node->sas) != TW_OK)
    tw_node_tell(node, TW_NODE_NOTE, "keys cannot be taken up again: new ones will be made");
  node->closing = true;
  tw_control_client_close(node->control);
  if (node->is_resolving) (void)uv_cancel((uv_req_t *)&node->resolving);
  if (node->udp_watch.is_open) tw_watch_close(&node->udp_watch, handle_closed);
  if (node->tun_watch.is_open) tw_watch_close(&node->tun_watch, handle_closed);
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

void tw_node_get_status(const tw_node *node, tw_node_status *status) {
  *status = (tw_node_status){.relay_up = node->up,
                             .relay_bound = node->keepalive.bound,
                             .seen_at = node->seen_at,
                             .mail_read = node->cursor,
                             .signs = tw_sas_signs(node->sas),
                             .drops = tw_plane_get_drops(node->plane)};
  tw_network_get_status(node->network, &status->network);
}

bool tw_node_get_peer_status(const tw_node *node, uint32_t peer, tw_node_peer_status *status) {
  if (peer >= node->peer_count || !node->peers[peer].is_peer) return false;
  const tw_node_peer_state *state = &node->peers[peer];
  *status = (tw_node_peer_status){.removed = state->removed,
                                  .is_member = tw_network_has_member(node->network, &state->id),
                                  .can_sign = tw_network_can_sign(node->network, &state->id),
                                  .plane = tw_plane_peer_of(node->plane, peer),
                                  .receiving_sas = tw_sas_count(node->sas, peer),
                                  .last_words = state->last_words};
  (void)tw_pairs_get_status(node->pairs, peer, &status->pair);
  return true;
}
