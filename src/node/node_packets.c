/* What a node asks of the plane, where that is. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "codec/writer.h"
#include "node/node_internal.h"

/* ---- what the plane tells ---- */

static void rekey_wanted(tw_node *node, uint32_t owner) {
  if (owner == TW_SAS_NETWORK)
    tw_network_rekey(node->network, tw_node_now(node));
  else
    tw_pairs_rekey(node->pairs, owner, tw_node_now(node));
}

/* struct { uint64 epoch; opaque authenticator<V>; }: of the network's group, so that forks are noticed, and who is kept
 * behind. */
static size_t write_epoch(const tw_node *node, uint8_t out[TW_PROBE_TAIL]) {
  uint64_t epoch;
  const tw_bytes authenticator = tw_network_authenticator(node->network, &epoch);
  const size_t len = authenticator.len < 32 ? authenticator.len : 32;
  if (len == 0) return 0;
  tw_put_u64(out, epoch);
  out[8] = (uint8_t)len;
  memcpy(out + 9, authenticator.ptr, len);
  return 9 + len;
}

static void told_epoch(tw_node *node, tw_bytes tail) {
  tw_reader r = tw_reader_of(tail);
  const uint64_t epoch = tw_read_u64(&r);
  const tw_bytes theirs = tw_read_vector8(&r);
  uint64_t own_epoch;
  tw_bytes ours = tw_network_authenticator(node->network, &own_epoch);
  if (tw_reader_end(&r) != TW_OK || theirs.len == 0 || ours.len < theirs.len || epoch < own_epoch) return;
  /* 32 bytes are told of a longer one. */
  if (epoch == own_epoch && memcmp(ours.ptr, theirs.ptr, theirs.len) == 0) return;
  tw_network_compare(node->network, epoch, theirs, tw_node_now(node));
}

static void moved(tw_node *node, const tw_plane_event *event) {
  char room[TW_FINGERPRINT_TEXT];
  tw_node_tell(node, TW_NODE_DETAIL, "%s: packets go %s", tw_node_name_of(node, event->owner, room),
               event->from.any.sa_family != 0 ? "straight" : "by the relay");
}

static void tell(void *ctx, const tw_plane_event *event) {
  tw_node *node = ctx;
  tw_sas_set_time(node->sas, tw_node_now(node));
  switch (event->kind) {
  case TW_PLANE_WANT: tw_pairs_want(node->pairs, event->owner, tw_node_now(node)); break;
  case TW_PLANE_OPENED:
    if (event->owner != TW_SAS_NETWORK) tw_pairs_opened(node->pairs, event->owner, event->stamp, tw_node_now(node));
    break;
  case TW_PLANE_REKEY: rekey_wanted(node, event->owner); break;
  case TW_PLANE_NUMBERS: (void)!tw_sas_used(node->sas, event->owner); break; /* what cannot be sealed is counted */
  case TW_PLANE_MOVED: moved(node, event); break;
  case TW_PLANE_TOLD: told_epoch(node, TW_BYTES(event->tail, event->len)); break;
  case TW_PLANE_STIRRED: tw_node_stir(node); break;
  case TW_PLANE_USED:
  case TW_PLANE_HEARD:
  case TW_PLANE_PROBED:
  case TW_PLANE_FAILED: break; /* stays among the threads */
  }
  tw_node_time(node);
}

static uint32_t peer_of(void *ctx, const tw_client_id *id) { return tw_node_find_peer(ctx, id); }

static void lost(void *ctx, tw_packet_loss what) {
  const tw_node *node = ctx;
  if (what == TW_PACKET_DEVICE_GONE)
    tw_node_tell(node, TW_NODE_ERROR, "the network device %s is gone: the node ends", node->setup.tun->name);
  else
    tw_node_tell(node, TW_NODE_ERROR, "the UDP socket is of no use any more: the node ends");
  if (node->setup.broke != NULL) node->setup.broke(node->setup.ctx);
}

/* A provider is one thread's. */
tw_err tw_node_make_packet_env(tw_node *node) {
  node->packet_env = *node->setup.env;
  node->packet_env.provider = NULL;
  return tw_provider_openssl_new(node->setup.env->alloc, &node->packet_env.provider);
}

tw_err tw_node_make_packets(tw_node *node) {
  const tw_node_setup *setup = &node->setup;
  const tw_alloc *alloc = tw_env_alloc(setup->env);
  node->seen = tw_alloc_array(alloc, (size_t)node->peer_count + 1, sizeof *node->seen);
  if (node->seen == NULL) return TW_ERR_NO_MEMORY;
  TW_TRY(tw_routes_of(alloc, setup->config, &node->routes));
  const tw_packet_thread_config first = {.loop = setup->loop,
                                         .wall_offset_ms = node->wall_offset_ms,
                                         .plane = {.env = &node->packet_env,
                                                   .sas = node->sas,
                                                   .routes = &node->routes,
                                                   .udp = setup->udp,
                                                   .tun = setup->tun,
                                                   .peers = node->peer_count,
                                                   .mtu = setup->config->interface.mtu,
                                                   .tell = tell,
                                                   .peer_of = peer_of,
                                                   .ctx = node},
                                         .lost = lost};
  const tw_packet_threads_config config = {.thread = first, .count = setup->threads > 0 ? setup->threads : 1};
  return tw_packet_threads_new(&config, &node->packets);
}

void tw_node_free_packets(tw_node *node) {
  tw_packet_threads_free(node->packets);
  node->packets = NULL; /* SAs are still to be freed */
  tw_routes_clear(&node->routes);
  tw_alloc_free(tw_env_alloc(node->setup.env), node->seen);
}

/* ---- what is asked of it ---- */

void tw_node_between(void *ctx, void (*act)(void *arg), void *arg) {
  const tw_node *node = ctx;
  if (node->packets == NULL)
    act(arg);
  else
    tw_packet_threads_between(node->packets, act, arg);
}

void tw_node_keys_ready(void *ctx, uint32_t owner, bool nudge) {
  const tw_node *node = ctx;
  if (node->packets != NULL) tw_packet_threads_ready(node->packets, owner, nudge);
}

static void add_drops(tw_plane_drops *to, const tw_plane_drops *more) {
  to->no_route += more->no_route;
  to->no_keys += more->no_keys;
  to->no_path += more->no_path;
  to->malformed += more->malformed;
  to->used_up += more->used_up;
  to->unsent += more->unsent;
  to->unknown += more->unknown;
  to->forged += more->forged;
  to->not_signed += more->not_signed;
  to->unchecked += more->unchecked;
  to->replayed += more->replayed;
  to->not_theirs += more->not_theirs;
  to->device += more->device;
  to->too_big += more->too_big;
  to->stray += more->stray;
}

static void add_count(tw_plane_count *to, const tw_plane_count *more) {
  to->packets += more->packets;
  to->bytes += more->bytes;
}

/* The first one knows the ways; what has gone and come each of them knows for itself. */
static void look(tw_plane *plane, uint64_t now_ms, void *arg) {
  tw_node *node = arg;
  const bool is_first = tw_plane_index(plane) == 0;
  (void)now_ms;
  if (is_first) {
    node->seen_drops = (tw_plane_drops){0};
    node->seen_echoes = tw_plane_echoes(plane);
    if (node->peer_count > 0) memcpy(node->seen, tw_plane_peer_of(plane, 0), node->peer_count * sizeof *node->seen);
  }
  add_drops(&node->seen_drops, tw_plane_get_drops(plane));
  for (uint32_t i = 0; !is_first && i < node->peer_count; i++) {
    const tw_plane_peer *peer = tw_plane_peer_of(plane, i);
    add_count(&node->seen[i].sent, &peer->sent);
    add_count(&node->seen[i].received, &peer->received);
    if (peer->heard_ms > node->seen[i].heard_ms) node->seen[i].heard_ms = peer->heard_ms;
  }
}

void tw_node_look_at_packets(tw_node *node) { tw_packet_threads_run_all(node->packets, look, node); }

static void bind_to(tw_plane *plane, uint64_t now_ms, void *arg) {
  const tw_node *node = arg;
  (void)now_ms;
  tw_plane_set_relay(plane, &node->relay_address, node->session);
}

static void greet(tw_plane *plane, uint64_t now_ms, void *arg) {
  const tw_bytes *token = arg;
  (void)now_ms;
  tw_plane_greet_relay(plane, *token);
}

void tw_node_bind_packets(tw_node *node) {
  tw_bytes token = TW_ARRAY(node->token);
  tw_packet_threads_run_all(node->packets, bind_to, node);
  tw_packet_threads_run(node->packets, greet, &token);
}

void tw_node_keep_alive(tw_node *node) {
  tw_bytes none = TW_NO_BYTES;
  tw_packet_threads_run(node->packets, greet, &none);
}

static void reset(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  (void)arg;
  tw_plane_reset_paths(plane);
}

void tw_node_reset_paths(tw_node *node) { tw_packet_threads_run_all(node->packets, reset, NULL); }

typedef struct finds {
  const tw_node_whereabouts *list;
  size_t count;
} finds;

static void note_one(tw_plane *plane, const tw_node_whereabouts *where) {
  tw_path *path = &tw_plane_peer_of(plane, where->peer)->path;
  if (where->source == TW_PATH_FROM_RELAY) {
    path->relay_number = where->relay_number;
    path->online = where->online;
  }
  if (where->address.any.sa_family != 0) (void)tw_path_offer(path, where->source, &where->address);
}

static void note(tw_plane *plane, uint64_t now_ms, void *arg) {
  const finds *f = arg;
  (void)now_ms;
  for (size_t i = 0; i < f->count; i++) note_one(plane, &f->list[i]);
}

void tw_node_note_whereabouts(tw_node *node, const tw_node_whereabouts *list, size_t count) {
  tw_packet_threads_run_all(node->packets, note, &(finds){list, count});
}

typedef struct cut {
  tw_node *node;
  uint32_t peer;
} cut;

/* peer_of looks at it. */
static void mark_removed(void *arg) {
  const cut *c = arg;
  c->node->peers[c->peer].removed = true;
}

static void change_roster(tw_plane *plane, uint64_t now_ms, void *arg) {
  (void)now_ms;
  (void)arg;
  tw_plane_roster_changed(plane);
}

void tw_node_mark_removed(tw_node *node, uint32_t peer) {
  tw_packet_threads_between(node->packets, mark_removed, &(cut){node, peer});
  tw_packet_threads_run_all(node->packets, change_roster, NULL);
}

static void forget(tw_plane *plane, uint64_t now_ms, void *arg) {
  const uint32_t *peer = arg;
  (void)now_ms;
  tw_plane_forget_peer(plane, *peer);
}

void tw_node_forget_packets_of(tw_node *node, uint32_t peer) {
  tw_packet_threads_run_all(node->packets, forget, &peer);
}

static void follow(tw_plane *plane, uint64_t now_ms, void *arg) {
  const tw_node_told *told = arg;
  tw_plane_set_group_number(plane, told->group_number);
  tw_plane_set_tail(plane, TW_BYTES(told->tail, told->tail_len));
  tw_plane_retry(plane, now_ms);
}

void tw_node_tell_plane(tw_node *node, uint32_t group_number) {
  tw_node_told told = {.group_number = group_number, .sas_added = tw_sas_added(node->sas)};
  told.tail_len = write_epoch(node, told.tail);
  const tw_node_told *before = &node->told;
  if (told.group_number == before->group_number && told.sas_added == before->sas_added &&
      told.tail_len == before->tail_len && memcmp(told.tail, before->tail, told.tail_len) == 0)
    return;
  node->told = told;
  tw_packet_threads_run_all(node->packets, follow, &node->told);
}
