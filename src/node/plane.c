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

static tw_err allocate(tw_plane *plane) {
  const tw_alloc *alloc = tw_env_alloc(plane->config.env);
  plane->peers = tw_alloc_array(alloc, (size_t)plane->config.peers + 1, sizeof *plane->peers);
  plane->slots = tw_alloc_array(alloc, TW_PLANE_SLOTS, plane->slot_size);
  plane->large = tw_alloc_array(alloc, 1, TW_TUN_PACKET_MAX);
  plane->outgoing.list = tw_alloc_array(alloc, TW_PLANE_WAITING, sizeof *plane->outgoing.list);
  plane->incoming.list = tw_alloc_array(alloc, TW_PLANE_WAITING, sizeof *plane->incoming.list);
  if (plane->peers == NULL || plane->slots == NULL || plane->large == NULL || plane->outgoing.list == NULL ||
      plane->incoming.list == NULL)
    return TW_ERR_NO_MEMORY;
  TW_TRY(tw_udp_intake_open(&plane->intake, alloc, TW_PLANE_INTAKE, TW_UDP_SLOT_SIZE));
  return tw_udp_batch_open(&plane->batch, alloc, TW_PLANE_SLOTS);
}

tw_err tw_plane_new(const tw_plane_config *config, tw_plane **out) {
  tw_plane *plane = tw_alloc_zero(tw_env_alloc(config->env), sizeof *plane);
  if (plane == NULL) return TW_ERR_NO_MEMORY;
  plane->config = *config;
  plane->joins = joins_of(config->tun);
  const size_t inner = config->mtu > TW_PROBE_SIZE + TW_PROBE_TAIL ? config->mtu : TW_PROBE_SIZE + TW_PROBE_TAIL;
  plane->slot_size = (TW_RELAY_HEADER + TW_ESP_OVERHEAD_MAX + inner + 63) & ~(size_t)63;
  const tw_err err = allocate(plane);
  if (err != TW_OK) {
    tw_plane_free(plane);
    return err;
  }
  *out = plane;
  return TW_OK;
}

void tw_plane_free(tw_plane *plane) {
  if (plane == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(plane->config.env);
  tw_udp_intake_close(&plane->intake);
  tw_udp_batch_close(&plane->batch);
  if (plane->outgoing.list != NULL) tw_wipe(plane->outgoing.list, TW_PLANE_WAITING * sizeof *plane->outgoing.list);
  if (plane->large != NULL) tw_wipe(plane->large, TW_TUN_PACKET_MAX);
  tw_alloc_free(alloc, plane->outgoing.list);
  tw_alloc_free(alloc, plane->incoming.list);
  tw_alloc_free(alloc, plane->large);
  tw_alloc_free(alloc, plane->slots);
  tw_alloc_free(alloc, plane->peers);
  tw_alloc_free(alloc, plane);
}

/* ---- waiting ---- */

void tw_plane_wait(tw_plane_room *room, tw_bytes packet, const tw_plane_waiter *what, uint64_t now_ms) {
  tw_plane_waiter *waiter = &room->list[room->next];
  room->next = (room->next + 1) % TW_PLANE_WAITING;
  room->count += waiter->len == 0;
  waiter->len = packet.len;
  waiter->owner = what->owner;
  waiter->offload = what->offload;
  waiter->from = what->from;
  waiter->tos = what->tos;
  waiter->since_ms = now_ms;
  memcpy(waiter->data, packet.ptr, packet.len);
}

void tw_plane_give_up(tw_plane_room *room, uint64_t now_ms, uint64_t *drops) {
  for (size_t i = 0; i < TW_PLANE_WAITING && room->count > 0; i++) {
    tw_plane_waiter *waiter = &room->list[i];
    if (waiter->len == 0 || now_ms < waiter->since_ms + TW_PLANE_WAIT_MS) continue;
    waiter->len = 0;
    room->count--;
    ++*drops;
  }
}

void tw_plane_tick(tw_plane *plane, uint64_t now_ms) {
  plane->now_ms = now_ms;
  tw_plane_give_up(&plane->outgoing, now_ms, &plane->drops.no_keys);
  tw_plane_give_up(&plane->incoming, now_ms, &plane->drops.unknown);
  for (uint32_t i = 0; i < plane->config.peers; i++) {
    tw_path *path = &plane->peers[i].path;
    if (tw_path_tick(path, now_ms)) plane->config.moved(plane->config.ctx, i);
    if (tw_path_is_due(path, now_ms)) tw_plane_probe(plane, i);
  }
  tw_plane_push(plane);
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
  if (token.len > 0) plane->expects_challenge = true;
  tw_plane_tell_relay(plane, token);
}

void tw_plane_tell_relay(tw_plane *plane, tw_bytes what) {
  if (!plane->has_relay || what.len > TW_RELAY_TOKEN) return;
  uint8_t *greeting = tw_plane_take_slot(plane); /* it may have to wait for the socket */
  if (greeting == NULL) return;
  tw_put_u64(greeting, plane->session);
  tw_put_u32(greeting + 8, 0);
  if (what.len > 0) memcpy(greeting + TW_RELAY_HEADER, what.ptr, what.len);
  tw_plane_queue(plane, &plane->relay, 0, TW_BYTES(greeting, TW_RELAY_HEADER + what.len));
  tw_plane_push(plane);
}

tw_plane_peer *tw_plane_peer_of(tw_plane *plane, uint32_t peer) { return &plane->peers[peer]; }

const tw_plane_drops *tw_plane_get_drops(const tw_plane *plane) { return &plane->drops; }
