/* SPDX-License-Identifier: Apache-2.0 */
#include "node/plane.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "node/plane_internal.h"

static unsigned joins_of(const tw_tun *tun) {
  unsigned joins = 0;
  const unsigned tcp = TW_TUN_OFFLOAD_TCP4 | TW_TUN_OFFLOAD_TCP6;
  if ((tun->offloads & tcp) == tcp) joins |= TW_COALESCE_TCP;
  if ((tun->offloads & TW_TUN_OFFLOAD_UDP) != 0) joins |= TW_COALESCE_UDP;
  return joins;
}

static tw_err open_room(const tw_alloc *alloc, tw_plane_room *room) {
  room->list = tw_alloc_array(alloc, TW_PLANE_WAITING, sizeof *room->list);
  room->bytes = tw_alloc_room(alloc, TW_PLANE_WAITING, TW_PLANE_WAIT_SIZE);
  if (room->list == NULL || room->bytes == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < TW_PLANE_WAITING; i++) room->list[i].data = room->bytes + i * TW_PLANE_WAIT_SIZE;
  return TW_OK;
}

static tw_err allocate(tw_plane *plane) {
  const tw_alloc *alloc = tw_env_alloc(plane->config.env);
  const size_t owners = (size_t)plane->config.peers + 1;
  plane->peers = tw_alloc_array(alloc, owners, sizeof *plane->peers);
  plane->mtus = tw_alloc_array(alloc, owners, sizeof *plane->mtus);
  plane->told = tw_alloc_array(alloc, owners, sizeof *plane->told);
  plane->slots = tw_alloc_room(alloc, TW_PLANE_SLOTS, plane->slot_size);
  plane->large = tw_alloc_room(alloc, 1, TW_TUN_PACKET_MAX);
  if (plane->peers == NULL || plane->mtus == NULL || plane->told == NULL || plane->slots == NULL ||
      plane->large == NULL)
    return TW_ERR_NO_MEMORY;
  TW_TRY(open_room(alloc, &plane->outgoing));
  TW_TRY(open_room(alloc, &plane->incoming));
  if (tw_sas_signs(plane->config.sas)) TW_TRY(tw_packet_room_open(plane->config.env, &plane->signed_room));
  TW_TRY(tw_udp_intake_open(&plane->intake, alloc, TW_PLANE_INTAKE, TW_UDP_SLOT_SIZE));
  return tw_udp_batch_open(&plane->batch, alloc, TW_PLANE_SLOTS);
}

tw_err tw_plane_new(const tw_plane_config *config, tw_plane **out) {
  tw_plane *plane = tw_alloc_zero(tw_env_alloc(config->env), sizeof *plane);
  if (plane == NULL) return TW_ERR_NO_MEMORY;
  plane->config = *config;
  plane->joins = joins_of(config->tun);
  plane->roster = 1;
  const size_t inner = config->mtu > TW_PROBE_SIZE + TW_PROBE_TAIL ? config->mtu : TW_PROBE_SIZE + TW_PROBE_TAIL;
  const size_t behind = tw_sas_signs(config->sas) ? TW_PACKET_SIGNATURE : 0;
  plane->slot_size = (TW_RELAY_HEADER + TW_ESP_OVERHEAD_MAX + inner + behind + 63) & ~(size_t)63;
  const tw_err err = allocate(plane);
  if (err != TW_OK) {
    tw_plane_free(plane);
    return err;
  }
  *out = plane;
  return TW_OK;
}

static void free_room(const tw_alloc *alloc, tw_plane_room *room) {
  if (room->bytes != NULL) tw_wipe(room->bytes, (size_t)TW_PLANE_WAITING * TW_PLANE_WAIT_SIZE);
  tw_alloc_free(alloc, room->bytes);
  tw_alloc_free(alloc, room->list);
}

void tw_plane_free(tw_plane *plane) {
  if (plane == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(plane->config.env);
  tw_udp_intake_close(&plane->intake);
  tw_udp_batch_close(&plane->batch);
  tw_packet_room_close(plane->config.env, &plane->signed_room);
  free_room(alloc, &plane->outgoing);
  free_room(alloc, &plane->incoming);
  if (plane->large != NULL) tw_wipe(plane->large, TW_TUN_PACKET_MAX);
  tw_alloc_free(alloc, plane->large);
  tw_alloc_free(alloc, plane->slots);
  tw_alloc_free(alloc, plane->told);
  tw_alloc_free(alloc, plane->mtus);
  tw_alloc_free(alloc, plane->peers);
  tw_alloc_free(alloc, plane);
}

/* ---- what the caller is told ---- */

static tw_plane_event *event_at(tw_plane *plane, size_t n) {
  return &plane->events[(plane->event_first + n) % TW_PLANE_EVENTS];
}

bool tw_plane_say(tw_plane *plane, const tw_plane_event *event) {
  if (plane->event_count == TW_PLANE_EVENTS) return false;
  *event_at(plane, plane->event_count++) = *event;
  return true;
}

void tw_plane_say_of(tw_plane *plane, tw_plane_event_kind kind, uint32_t owner) {
  for (size_t i = 0; i < plane->event_count; i++) {
    const tw_plane_event *said = event_at(plane, i);
    if (said->kind == kind && said->owner == owner) return;
  }
  const tw_plane_event event = {.kind = kind, .owner = owner};
  (void)tw_plane_say(plane, &event);
}

static tw_plane_event next_event(tw_plane *plane) {
  const tw_plane_event event = *event_at(plane, 0);
  plane->event_first = (plane->event_first + 1) % TW_PLANE_EVENTS;
  plane->event_count--;
  return event;
}

void tw_plane_take_news(tw_plane *plane, tw_plane_news *news) {
  news->count = 0;
  while (plane->event_count > 0) news->events[news->count++] = next_event(plane);
}

/* Who is told may call the plane again, which then only adds to what is to be told; but not for ever. */
void tw_plane_leave(tw_plane *plane) {
  const tw_plane_config *config = &plane->config;
  tw_plane_push(plane);
  for (unsigned i = 0; plane->roused != 0; i++) {
    const uint32_t bit = UINT32_C(1) << i;
    if ((plane->roused & bit) != 0) config->rouse(config->ctx, i);
    plane->roused &= ~bit;
  }
  if (config->has_news != NULL) {
    if (plane->event_count > 0) config->has_news(config->ctx);
    return;
  }
  if (plane->delivering) return;
  plane->delivering = true;
  for (size_t most = 2 * TW_PLANE_EVENTS; plane->event_count > 0 && most > 0; most--) {
    const tw_plane_event event = next_event(plane);
    config->tell(config->ctx, &event);
  }
  plane->delivering = false;
}

/* ---- waiting ---- */

void tw_plane_wait(tw_plane_room *room, tw_bytes packet, const tw_plane_label *label, uint64_t now_ms,
                   uint64_t *drops) {
  tw_plane_waiter *waiter = &room->list[room->next];
  room->next = (room->next + 1) % TW_PLANE_WAITING;
  if (waiter->len == 0)
    room->count++;
  else
    ++*drops;
  waiter->len = packet.len;
  waiter->label = *label;
  waiter->since_ms = now_ms;
  memcpy(waiter->data, packet.ptr, packet.len);
}

void tw_plane_free_waiter(tw_plane_room *room, tw_plane_waiter *waiter) {
  waiter->len = 0;
  room->count--;
}

static void give_up(tw_plane *plane, tw_plane_room *room) {
  for (size_t i = 0; i < TW_PLANE_WAITING && room->count > 0; i++) {
    tw_plane_waiter *waiter = &room->list[i];
    if (waiter->len == 0 || plane->now_ms < waiter->since_ms + TW_PLANE_WAIT_MS) continue;
    if (room == &plane->incoming)
      plane->drops.unknown++;
    else if (tw_sas_out(plane->config.sas, waiter->label.owner) == NULL)
      plane->drops.no_keys++;
    else
      plane->drops.no_path++;
    tw_plane_free_waiter(room, waiter);
  }
}

void tw_plane_tick(tw_plane *plane, uint64_t now_ms) {
  plane->now_ms = now_ms;
  (void)tw_plane_flush(plane, NULL);
  give_up(plane, &plane->outgoing);
  give_up(plane, &plane->incoming);
  for (uint32_t i = 0; tw_plane_is_first(plane) && i < plane->config.peers; i++) {
    tw_path *path = &plane->peers[i].path;
    if (plane->peers[i].nudges > 0) tw_plane_nudge_on(plane, i);
    if (tw_path_tick(path, now_ms)) tw_plane_say_of(plane, TW_PLANE_MOVED, i);
    if (tw_path_is_due(path, now_ms)) tw_plane_probe(plane, i);
  }
  tw_plane_leave(plane);
}

static uint64_t peer_deadline(const tw_plane_peer *peer, uint64_t now_ms) {
  const uint64_t path = tw_path_deadline(&peer->path, now_ms);
  return peer->nudges > 0 && peer->nudge_at_ms < path ? peer->nudge_at_ms : path;
}

uint64_t tw_plane_deadline(const tw_plane *plane, uint64_t now_ms) {
  uint64_t at = UINT64_MAX;
  if (plane->outgoing.count > 0 || plane->incoming.count > 0) return now_ms;
  for (uint32_t i = 0; tw_plane_is_first(plane) && i < plane->config.peers; i++) {
    const uint64_t one = peer_deadline(&plane->peers[i], now_ms);
    if (one < at) at = one;
  }
  return at;
}

/* ---- the relay ---- */

void tw_plane_set_relay(tw_plane *plane, const tw_udp_address *address, uint64_t session) {
  plane->has_relay = true;
  plane->relay = *address;
  plane->session = session;
}

void tw_plane_set_group_number(tw_plane *plane, uint32_t number) { plane->group_number = number; }

void tw_plane_clear_relay(tw_plane *plane) { plane->has_relay = false; }

void tw_plane_greet_relay(tw_plane *plane, tw_bytes token) {
  if (token.len > 0)
    plane->expects_challenge = true;
  else
    plane->expects_echo = true;
  tw_plane_tell_relay(plane, token);
  tw_plane_leave(plane);
}

uint64_t tw_plane_echoes(const tw_plane *plane) { return plane->echoes; }

void tw_plane_tell_relay(tw_plane *plane, tw_bytes what) {
  if (!plane->has_relay || what.len > TW_RELAY_TOKEN) return;
  uint8_t *greeting = tw_plane_take_slot(plane); /* it may have to wait for the socket */
  if (greeting == NULL) return;
  tw_put_u64(greeting, plane->session);
  tw_put_u32(greeting + 8, 0);
  if (what.len > 0) memcpy(greeting + TW_RELAY_HEADER, what.ptr, what.len);
  tw_plane_queue(plane, &plane->relay, 0, TW_BYTES(greeting, TW_RELAY_HEADER + what.len));
}

void tw_plane_set_tail(tw_plane *plane, tw_bytes tail) {
  if (tail.len > sizeof plane->tail) return;
  if (tail.len > 0) memcpy(plane->tail, tail.ptr, tail.len);
  plane->tail_len = tail.len;
}

void tw_plane_reset_paths(tw_plane *plane) {
  for (uint32_t i = 0; i < plane->config.peers; i++) {
    if (tw_path_reset(&plane->peers[i].path) && tw_plane_is_first(plane)) tw_plane_say_of(plane, TW_PLANE_MOVED, i);
  }
  tw_plane_leave(plane);
}

void tw_plane_roster_changed(tw_plane *plane) {
  if (++plane->roster == 0) plane->roster = 1;
}

void tw_plane_forget_peer(tw_plane *plane, uint32_t number) {
  tw_plane_room *room = &plane->outgoing;
  plane->peers[number].path = (tw_path){0};
  plane->peers[number].nudges = 0;
  for (size_t i = 0; i < TW_PLANE_WAITING && room->count > 0; i++) {
    if (room->list[i].len > 0 && room->list[i].label.owner == number) tw_plane_free_waiter(room, &room->list[i]);
  }
}

unsigned tw_plane_index(const tw_plane *plane) { return plane->config.index; }

tw_plane_peer *tw_plane_peer_of(tw_plane *plane, uint32_t peer) { return &plane->peers[peer]; }

const tw_plane_drops *tw_plane_get_drops(const tw_plane *plane) { return &plane->drops; }
