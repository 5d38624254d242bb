/* The control connection of a node: mail, where peers are, the way of packets by the relay. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "node/node_internal.h"

/* Who is not known to the relay yet is asked for again: soon where there are packets for it. */
enum { LOCATE_MAX = 1024, LOCATE_AGAIN_MS = 1000, LOCATE_LATER_MS = 30000, LOCATE_WANTED_MS = 10000 };
enum {
  LOOK_MS = 1000,    /* between looks at our own address */
  ANSWER_MS = 10000, /* that the relay has for an answer */
  WAIT_MS = 15000,   /* between tries to reach it, at most */
  TWIN_MS = 600000   /* that another machine is spoken of after the relay has */
};

static bool ask(tw_node *node, const tw_control_request *request, tw_node_ask what) {
  return node->port.request(node->port.ctx, request, TW_NODE_TAG | (uint64_t)what) == TW_OK;
}

/* ---- mail ---- */

void tw_node_fetch(tw_node *node) {
  if (node->fetching || !node->up) return;
  node->mail_waits = true;
  if (!tw_lost_may_ask(&node->lost, tw_node_now(node))) return;
  const tw_control_request request = {.type = TW_CONTROL_FETCH, .body.fetch = {node->cursor, TW_NODE_FETCH}};
  node->fetching = ask(node, &request, TW_NODE_ASK_FETCH);
  node->mail_waits = !node->fetching;
}

/* False: it has to wait, and so do those behind it. */
static bool take_entry(tw_node *node, const tw_control_entry *entry) {
  const uint64_t now = tw_node_now(node);
  if (entry->number <= node->cursor) return true; /* taken already */
  if (entry->kind == TW_CONTROL_KIND_SEND && tw_node_is_newcomer(node, &entry->from)) return false;
  node->reading = entry->number;
  if (entry->kind == TW_CONTROL_KIND_SEND && tw_enrol_is_mail(entry->message))
    tw_enrol_mail(node->enrol, &entry->from, entry->message, now);
  else if (entry->kind == TW_CONTROL_KIND_SEND)
    tw_pairs_mail(node->pairs, &entry->from, entry->message, now);
  else
    tw_network_mail(node->network, entry, now);
  node->reading = 0;
  node->cursor = entry->number;
  return true;
}

/* With the new cursor it is saved that the relay has to be told again whom we let in. Who has none has been told. */
static void mailbox_lost(tw_node *node) {
  const uint64_t now = tw_node_now(node);
  tw_lost_said(&node->lost, now);
  node->mail_waits = true; /* from its beginning, with one of the next ticks */
  if (node->cursor == 0) return;
  tw_node_tell(node, TW_NODE_ERROR, "the relay has lost our mailbox: reading it from its beginning");
  node->cursor = 0;
  tw_enrol_relay_lost(node->enrol, now);
}

static void fetched(tw_node *node, const tw_control_answer *answer) {
  node->fetching = false;
  if (answer == NULL) return;
  if (answer->status == TW_CONTROL_TOO_FAR) {
    mailbox_lost(node);
    return;
  }
  if (answer->status != TW_CONTROL_DONE) {
    node->mail_waits = true;
    return;
  }
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  tw_control_entry entry;
  const uint64_t before = node->cursor;
  bool all = true;
  while (all && tw_control_entry_next(&walk, &entry)) all = take_entry(node, &entry);
  const bool some = node->cursor > before;
  if (tw_node_save_cursor(node) != TW_OK) {
    node->cursor = node->saved_cursor; /* they come again */
    node->mail_waits = true;
  } else if (!all) {
    node->mail_waits = true; /* it is asked for again with the next tick */
  } else if (some || answer->body.fetch.more || node->mail_waits) {
    tw_node_fetch(node); /* and with it goes that these have been taken */
  }
  tw_node_after(node);
}

/* ---- where peers are ---- */

static void locate_all(tw_node *node) {
  node->located_ms = tw_node_now(node);
  tw_buf list = {0};
  tw_writer w = tw_writer_to(&list);
  uint32_t count = 0;
  for (uint32_t i = 0; i < node->peer_count && count < LOCATE_MAX; i++) {
    if (!node->peers[i].is_peer) continue; /* removed ones, too: the answer goes by the order */
    tw_control_write_client(&w, &node->peers[i].id);
    count++;
  }
  const tw_control_request request = {.type = TW_CONTROL_LOCATE, .body.locate = tw_buf_bytes(&list)};
  if (tw_writer_end(&w) == TW_OK && count > 0) (void)ask(node, &request, TW_NODE_ASK_LOCATE);
  tw_buf_clear(&list);
}

static bool udp_address_of(const tw_control_address *from, tw_udp_address *to) {
  memset(to, 0, sizeof *to);
  if (from->family == 4) {
    to->in4.sin_family = AF_INET;
    to->in4.sin_port = htons(from->port);
    memcpy(&to->in4.sin_addr, from->ip, 4);
    return true;
  }
  if (from->family != 6) return false;
  to->in6.sin6_family = AF_INET6;
  to->in6.sin6_port = htons(from->port);
  memcpy(&to->in6.sin6_addr, from->ip, 16);
  return true;
}

static tw_node_whereabouts whereabouts(uint32_t peer, const tw_control_location *location) {
  tw_node_whereabouts where = {
      .peer = peer, .source = TW_PATH_FROM_RELAY, .relay_number = location->number, .online = location->online};
  if (!udp_address_of(&location->address, &where.address)) where.address.any.sa_family = 0;
  return where;
}

static void located(tw_node *node, const tw_control_answer *answer) {
  enum { AT_ONCE = 64 };
  tw_node_whereabouts list[AT_ONCE];
  size_t count = 0;
  if (answer == NULL || answer->status != TW_CONTROL_DONE) return;
  tw_reader walk = tw_reader_of(answer->body.locate);
  tw_control_location location;
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (!node->peers[i].is_peer) continue;
    if (!tw_control_location_next(&walk, &location)) break;
    if (node->peers[i].removed) continue;
    list[count++] = whereabouts(i, &location);
    if (count < AT_ONCE) continue;
    tw_node_note_whereabouts(node, list, count);
    count = 0;
  }
  if (count > 0) tw_node_note_whereabouts(node, list, count);
}

/* ---- packets by the relay ---- */

static uint64_t keepalive_ms(const tw_node *node) {
  const uint64_t every = (uint64_t)node->setup.config->network.keepalive * 1000;
  return every != 0 ? every : UINT64_MAX / 2;
}

/* The token goes from the socket that packets go by: the relay learns our address from it. */
static void got_binding(tw_node *node, const tw_control_answer *answer) {
  if (answer == NULL || answer->status != TW_CONTROL_DONE || node->relay_address.any.sa_family == 0) return;
  node->session = answer->body.bind.session;
  memcpy(node->token, answer->body.bind.token, sizeof node->token);
  node->has_binding = true;
  tw_node_bind_packets(node);
}

static void bound(tw_node *node, const tw_control_bound *push) {
  if (!node->has_binding || push->session != node->session) return;
  tw_udp_address seen;
  tw_keepalive_bound(&node->keepalive, tw_node_now(node));
  if (!udp_address_of(&push->seen, &seen)) return;
  const bool moved = node->seen_at.any.sa_family != 0 && !tw_udp_address_equal(&seen, &node->seen_at);
  node->seen_at = seen;
  if (moved && !node->looked) tw_node_reset_paths(node);
  node->looked = false;
  tw_node_after(node);
}

/* A peer that is there and does not answer what goes by the relay: it, or we, may not be where the relay thinks. */
static bool is_answered(const tw_node *node, uint64_t now_ms) {
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (!tw_node_has_peer(node, i)) continue;
    const tw_plane_peer *peer = &node->seen[i];
    const tw_path *path = &peer->path;
    if (path->is_direct || path->relay_number == 0 || !path->online) continue;
    if (path->used_ms > peer->heard_ms + TW_KEEPALIVE_SILENCE_MS && now_ms < path->used_ms + TW_KEEPALIVE_SILENCE_MS)
      return false;
  }
  return true;
}

static void look_after_binding(tw_node *node, uint64_t now_ms) {
  const tw_control_request request = {.type = TW_CONTROL_BIND};
  tw_keepalive *keepalive = &node->keepalive;
  tw_keepalive_peers(keepalive, is_answered(node, now_ms), now_ms);
  switch (tw_keepalive_tick(keepalive, keepalive_ms(node), node->seen_echoes, now_ms)) {
  case TW_KEEPALIVE_REST: break;
  case TW_KEEPALIVE_ASK: tw_node_keep_alive(node); break;
  case TW_KEEPALIVE_BIND: (void)ask(node, &request, TW_NODE_ASK_BIND); break;
  }
}

/* ---- our own address ---- */

static void has_moved(tw_node *node) {
  tw_node_tell(node, TW_NODE_NOTE, "our address has changed: looking for ways anew");
  tw_node_reset_paths(node);
  node->looked = true;
  tw_node_endpoints_renew(node);
  tw_control_client_renew(node->control);
}

/* Whether what we send to the relay leaves from another address now, or leaves at all again. */
static void look_at_source(tw_node *node, uint64_t now_ms) {
  tw_udp_address source;
  if (node->relay_address.any.sa_family == 0 || now_ms < node->look_ms) return;
  node->look_ms = now_ms + LOOK_MS;
  if (tw_udp_source(&node->relay_address, &source) != TW_OK) {
    memset(&node->source, 0, sizeof node->source);
    return;
  }
  if (tw_udp_address_equal(&source, &node->source)) return;
  node->source = source;
  has_moved(node);
}

static void look_for_unknown(tw_node *node, uint64_t now_ms) {
  bool unknown = false;
  bool wanted = false;
  for (uint32_t i = 0; i < node->peer_count; i++) {
    const tw_path *path = &node->seen[i].path;
    if (!tw_node_has_peer(node, i) || path->relay_number != 0) continue;
    unknown = true;
    wanted = wanted || (path->used_ms != 0 && now_ms < path->used_ms + LOCATE_WANTED_MS);
  }
  if (!unknown || now_ms < node->located_ms + (wanted ? LOCATE_AGAIN_MS : LOCATE_LATER_MS)) return;
  locate_all(node);
}

/* Packets pass to a peer, or from it. */
static bool is_in_use(const tw_node *node, uint64_t now_ms) {
  for (uint32_t i = 0; i < node->peer_count; i++) {
    const tw_path *path = &node->seen[i].path;
    if (path->used_ms != 0 && now_ms < path->used_ms + LOCATE_WANTED_MS) return true;
  }
  return false;
}

/* Packet threads that rest are left alone, but for what is to be known before the relay is asked for an echo. */
static void look_at_packets(tw_node *node, uint64_t now_ms) {
  if (!tw_node_is_lively(node) && !tw_keepalive_is_due(&node->keepalive, keepalive_ms(node), now_ms)) return;
  tw_node_look_at_packets(node);
  if (is_in_use(node, now_ms)) tw_node_stir(node);
}

void tw_node_relay_tick(tw_node *node, uint64_t now_ms) {
  look_at_packets(node, now_ms);
  look_at_source(node, now_ms);
  if (!node->up) {
    if (node->has_binding && node->greet_at_ms <= now_ms) {
      tw_node_keep_alive(node);
      node->greet_at_ms = now_ms + keepalive_ms(node);
    }
    return;
  }
  look_for_unknown(node, now_ms);
  look_after_binding(node, now_ms);
  if (node->mail_waits) tw_node_fetch(node);
}

/* ---- answers and pushes ---- */

void tw_node_answered(tw_node *node, uint64_t tag, const tw_control_answer *answer) {
  const uint64_t now = tw_node_now(node);
  if (tw_pairs_is_tag(tag)) {
    tw_pairs_answer(node->pairs, tag, answer, now);
  } else if (tw_network_is_tag(tag)) {
    tw_network_answer(node->network, tag, answer, now);
  } else if (tw_enrol_is_tag(tag)) {
    tw_enrol_answer(node->enrol, tag, answer, now);
  } else {
    switch ((tw_node_ask)(tag & 0xff)) {
    case TW_NODE_ASK_FETCH: fetched(node, answer); break;
    case TW_NODE_ASK_LOCATE: located(node, answer); break;
    case TW_NODE_ASK_BIND: got_binding(node, answer); break;
    default: break;
    }
  }
  tw_node_after(node);
}

static void on_push(void *ctx, const tw_control_push *push) {
  tw_node *node = ctx;
  if (node->closing) return;
  uint32_t peer;
  tw_node_whereabouts where;
  switch (push->type) {
  case TW_CONTROL_MAIL:
    node->mail_waits = true;
    tw_node_fetch(node);
    break;
  case TW_CONTROL_BOUND: bound(node, &push->body.bound); break;
  case TW_CONTROL_MOVED:
    peer = tw_node_find_peer(node, &push->body.moved.client);
    if (peer == UINT32_MAX) break;
    where = whereabouts(peer, &push->body.moved.location);
    tw_node_note_whereabouts(node, &where, 1);
    break;
  case TW_CONTROL_WANTS_IN:
    tw_network_wants_in(node->network, push->body.wants_in.name, &push->body.wants_in.client, tw_node_now(node));
    break;
  case TW_CONTROL_DISPLACED:
    if (!udp_address_of(&push->body.displaced, &node->twin)) node->twin.any.sa_family = 0;
    node->twin_ms = tw_node_now(node);
    break;
  default: break;
  }
  tw_node_after(node);
}

uint64_t tw_node_twin_ms(const tw_node *node) {
  return node->twin_ms != 0 && tw_node_now(node) - node->twin_ms < TWIN_MS ? node->twin_ms : 0;
}

/* ---- the connection ---- */

static void on_up(void *ctx, const tw_member *relay, bool resumed) {
  tw_node *node = ctx;
  (void)relay;
  const uint64_t now = tw_node_now(node);
  node->generation++;
  node->up = true;
  node->relay_why[0] = '\0';
  node->fetching = false;
  tw_keepalive_up(&node->keepalive);
  node->has_binding = false;
  tw_node_tell(node, TW_NODE_NOTE, "the relay is there%s", resumed ? ", resumed" : "");
  /* Packets go to where the connection goes: the relay's name may have other addresses, of no use from here. */
  if (tw_control_client_remote(node->control, &node->relay_address) != TW_OK ||
      tw_udp_source(&node->relay_address, &node->source) != TW_OK)
    memset(&node->source, 0, sizeof node->source);
  tw_node_fetch(node);
  locate_all(node);
  tw_pairs_connected(node->pairs, now);
  tw_network_connected(node->network, now);
  tw_enrol_connected(node->enrol, now);
  /* Of a mailbox of which nothing was read nobody tells us that it was lost. */
  if (node->cursor == 0) tw_enrol_relay_lost(node->enrol, now);
  tw_node_after(node);
}

/* What it most likely comes from, where its name does not say it. */
static const char *likely_cause(const tw_control_down *down) {
  const uint8_t alert = down->err == TW_ERR_ALERT ? down->alert : 0;
  if (down->err == TW_ERR_CREDENTIAL) return " (its key or name is not what [Relay] says)";
  if (alert == tw_channel_alert_of(TW_ERR_CREDENTIAL)) return " (our key or name is not in its list)";
  if (down->err == TW_ERR_LIFETIME || down->err == TW_ERR_CERTIFICATE_EXPIRED ||
      alert == tw_channel_alert_of(TW_ERR_LIFETIME))
    return " (do both clocks agree?)";
  return "";
}

static void explain(const tw_node *node, const tw_control_down *down, char why[TW_NODE_WHY]) {
  char at[TW_UDP_ADDRESS_TEXT] = "an unknown address";
  if (!down->displaced) {
    (void)snprintf(why, TW_NODE_WHY, "%s%s", down->text, likely_cause(down));
    return;
  }
  if (node->twin.any.sa_family != 0) tw_udp_address_text(&node->twin, at);
  (void)snprintf(why, TW_NODE_WHY, "another machine uses this identity (at %s)", at);
}

/* People hear of a loss, and of each reason that is another one than that of the try before. */
static tw_node_level level_of(tw_node *node, const tw_control_down *down) {
  char why[TW_NODE_WHY];
  explain(node, down, why);
  const bool is_new = strcmp(why, node->relay_why) != 0;
  memcpy(node->relay_why, why, strlen(why) + 1);
  return down->was_up || is_new ? TW_NODE_NOTE : TW_NODE_DETAIL;
}

static void on_down(void *ctx, const tw_control_down *down) {
  tw_node *node = ctx;
  if (node->closing) return;
  node->up = false;
  node->keepalive.bound = false;
  node->greet_at_ms = tw_node_now(node);
  const tw_node_level level = level_of(node, down);
  tw_node_tell(node, level, "no relay: %s; again in %.1f s", node->relay_why, (double)down->wait_ms / 1000);
  tw_node_after(node);
}

static void on_freed(void *ctx) {
  tw_node *node = ctx;
  node->control = NULL;
  node->open_handles--;
  tw_node_after(node);
}

tw_err tw_node_relay_start(tw_node *node, tw_report *report) {
  tw_control_client_config config = {.loop = node->setup.loop,
                                     .channel = &node->channel,
                                     .answer_timeout_ms = ANSWER_MS,
                                     .most_wait_ms = WAIT_MS,
                                     .up = on_up,
                                     .down = on_down,
                                     .push = on_push,
                                     .freed = on_freed,
                                     .ctx = node};
  const tw_node_endpoint *endpoint = &node->setup.config->relay.endpoint;
  (void)snprintf(config.relay.host, sizeof config.relay.host, "%s", endpoint->host);
  config.relay.port = endpoint->port;
  const tw_err err = tw_control_client_start(&config, &node->control);
  if (err != TW_OK) return tw_report_fail(report, err, "the relay's connection: %s", tw_err_text(err));
  node->open_handles++;
  return TW_OK;
}
