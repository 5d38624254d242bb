/* From the device to UDP. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/writer.h"
#include "crypto/crypto.h"
#include "node/plane_internal.h"

/* Where a sealed packet goes, and whether it has the relay's header. */
typedef struct way {
  tw_udp_address to;
  bool by_relay;
  uint32_t destination;
} way;

static bool find_way(const tw_plane *plane, uint32_t owner, way *out) {
  *out = (way){.by_relay = true, .to = plane->relay};
  if (owner == TW_SAS_NETWORK) {
    out->destination = plane->group_number | TW_RELAY_GROUP;
    return plane->has_relay && plane->group_number != 0;
  }
  const tw_path *path = &plane->peers[owner].path;
  if (path->is_direct) {
    *out = (way){.to = path->direct};
    return true;
  }
  out->destination = path->relay_number;
  if (plane->has_relay && path->relay_number != 0) return true;
  if (!path->candidates[TW_PATH_FROM_FILE].given) return false;
  *out = (way){.to = path->candidates[TW_PATH_FROM_FILE].address};
  return true;
}

void tw_plane_push(tw_plane *plane) {
  if (plane->batch.count == 0) return;
  const bool broken = tw_udp_send(plane->config.udp, &plane->batch) != TW_OK;
  if (broken)
    plane->drops.unsent += plane->batch.count - plane->batch.at;
  else if (plane->batch.at < plane->batch.count)
    return; /* goes on when the socket is writable */
  for (size_t i = 0; i < plane->batch.count; i++) plane->drops.unsent += plane->batch.slots[i].error != 0;
  tw_udp_batch_reset(&plane->batch);
  plane->slot_count = 0;
}

static bool is_blocked(const tw_plane *plane) { return plane->batch.at < plane->batch.count && plane->batch.at > 0; }

uint8_t *tw_plane_take_slot(tw_plane *plane) {
  if (plane->slot_count == TW_PLANE_SLOTS) tw_plane_push(plane);
  if (plane->slot_count == TW_PLANE_SLOTS) return NULL;
  return plane->slots + plane->slot_count++ * plane->slot_size;
}

/* There are as many slots as places in the batch, and each datagram has a slot. */
void tw_plane_queue(tw_plane *plane, const tw_udp_address *to, uint8_t tos, tw_bytes datagram) {
  if (tw_udp_batch_add(&plane->batch, to, tos, datagram) == TW_OK) return;
  plane->slot_count--;
  plane->drops.unsent++;
}

/* `slot` has TW_RELAY_HEADER + TW_ESP_HEADER bytes of room, then `len` bytes. False: the SA is used up. */
static bool seal_and_queue(tw_plane *plane, tw_esp_out *sa, const way *w, uint8_t *slot, uint8_t next_header,
                           size_t len, uint8_t tos) {
  uint8_t *packet = slot + TW_RELAY_HEADER;
  if (tw_esp_seal(sa, next_header, packet, len, 0) != TW_OK) {
    plane->drops.used_up++;
    plane->slot_count--;
    return false;
  }
  tw_bytes datagram = TW_BYTES(packet, tw_esp_size(len, 0));
  if (w->by_relay) {
    tw_put_u64(slot, plane->session);
    tw_put_u32(slot + 8, w->destination);
    datagram = TW_BYTES(slot, datagram.len + TW_RELAY_HEADER);
  }
  tw_plane_queue(plane, &w->to, tos, datagram);
  return true;
}

static void count_sent(tw_plane *plane, uint32_t owner, size_t len) {
  if (owner == TW_SAS_NETWORK) return;
  tw_plane_peer *peer = &plane->peers[owner];
  peer->sent.packets++;
  peer->sent.bytes += len;
}

void tw_plane_send(tw_plane *plane, uint32_t owner, const uint8_t *packet, const tw_ip *ip, const tw_offload *offload) {
  way w;
  tw_split split;
  tw_esp_out *sa = tw_sas_out(plane->config.sas, owner);
  if (sa == NULL || !find_way(plane, owner, &w)) {
    plane->drops.no_path++;
    return;
  }
  if (tw_split_begin(&split, packet, ip, offload) != TW_OK ||
      split.largest + TW_RELAY_HEADER + TW_ESP_OVERHEAD_MAX > plane->slot_size) {
    plane->drops.malformed++;
    return;
  }
  const uint8_t next_header = ip->version == 4 ? TW_ESP_NEXT_IPV4 : TW_ESP_NEXT_IPV6;
  for (uint32_t i = 0; i < split.count; i++) {
    uint8_t *slot = tw_plane_take_slot(plane);
    if (slot == NULL) {
      plane->drops.unsent += split.count - i;
      break;
    }
    const size_t len = tw_split_next(&split, slot + TW_RELAY_HEADER + TW_ESP_HEADER);
    if (seal_and_queue(plane, sa, &w, slot, next_header, len, ip->traffic_class & 3)) count_sent(plane, owner, len);
  }
  if (tw_sas_used(plane->config.sas, owner) != TW_OK && tw_esp_out_left(sa) == 0) plane->drops.used_up++;
  if (tw_sas_wants_rekey(plane->config.sas, owner)) plane->config.rekey(plane->config.ctx, owner);
}

void tw_plane_send_own(tw_plane *plane, uint32_t owner, uint8_t next_header, tw_bytes content,
                       const tw_udp_address *to) {
  way w;
  tw_esp_out *sa = tw_sas_out(plane->config.sas, owner);
  if (sa == NULL) return;
  if (to != NULL)
    w = (way){.to = *to};
  else if (!find_way(plane, owner, &w))
    return;
  uint8_t *slot = tw_plane_take_slot(plane);
  if (slot == NULL) return;
  if (content.len > 0) memcpy(slot + TW_RELAY_HEADER + TW_ESP_HEADER, content.ptr, content.len);
  (void)seal_and_queue(plane, sa, &w, slot, next_header, content.len, 0);
}

/* ---- probes ---- */

void tw_plane_probe(tw_plane *plane, uint32_t number) {
  tw_path *path = &plane->peers[number].path;
  if (tw_sas_out(plane->config.sas, number) == NULL) return;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    uint8_t probe[TW_PROBE_SIZE + TW_PROBE_TAIL] = {TW_PROBE};
    tw_udp_address to;
    if (tw_random(plane->config.env, probe + 8, 8) != TW_OK) break;
    if (!tw_path_probe(path, i, probe + 8, &to)) continue;
    const size_t tail = plane->config.tell(plane->config.ctx, probe + TW_PROBE_SIZE);
    tw_plane_send_own(plane, number, TW_ESP_NEXT_PROBE, TW_BYTES(probe, TW_PROBE_SIZE + tail), &to);
  }
  tw_path_probed(path, plane->now_ms);
}

/* ---- from the device ---- */

static tw_offload offload_of(const tw_tun_header *header) {
  return (tw_offload){.flags = header->flags,
                      .gso_type = header->kind,
                      .hdr_len = header->header_len,
                      .gso_size = header->segment,
                      .csum_start = header->checksum_start,
                      .csum_offset = header->checksum_offset};
}

static void route_packet(tw_plane *plane, const tw_offload *offload, const uint8_t *packet, size_t len) {
  tw_ip ip;
  if (tw_ip_parse(TW_BYTES(packet, len), &ip) != TW_OK) {
    plane->drops.malformed++;
    return;
  }
  const tw_route route = ip.version == 4 ? tw_routes_find4(plane->config.routes, ip.destination.ptr)
                                         : tw_routes_find6(plane->config.routes, ip.destination.ptr);
  if (route.kind != TW_ROUTE_PEER && route.kind != TW_ROUTE_GROUP) {
    plane->drops.no_route++;
    return;
  }
  const uint32_t owner = route.kind == TW_ROUTE_PEER ? route.peer : TW_SAS_NETWORK;
  if (owner != TW_SAS_NETWORK && tw_path_used(&plane->peers[owner].path, plane->now_ms)) tw_plane_probe(plane, owner);
  if (tw_sas_out(plane->config.sas, owner) != NULL) {
    tw_plane_send(plane, owner, packet, &ip, offload);
    return;
  }
  const tw_plane_waiter what = {.owner = owner, .offload = *offload};
  if (len <= TW_PLANE_WAIT_SIZE)
    tw_plane_wait(&plane->outgoing, TW_BYTES(packet, len), &what, plane->now_ms);
  else
    plane->drops.no_keys++;
  if (owner != TW_SAS_NETWORK) plane->config.want(plane->config.ctx, owner);
}

enum { TUN_READS = 64 }; /* in one go, so that others have their turn */

tw_err tw_plane_from_tun(tw_plane *plane, uint64_t now_ms, bool *blocked) {
  plane->now_ms = now_ms;
  if (plane->batch.count > 0) tw_plane_push(plane);
  for (int i = 0; i < TUN_READS && plane->batch.at == 0; i++) {
    tw_tun_header header;
    size_t len;
    TW_TRY(tw_tun_read(plane->config.tun, 0, &header, plane->large, &len));
    if (len == 0) break;
    const tw_offload offload = offload_of(&header);
    route_packet(plane, &offload, plane->large, len);
    if (is_blocked(plane)) break;
  }
  tw_plane_push(plane);
  *blocked = plane->batch.count > 0;
  return TW_OK;
}

void tw_plane_ready(tw_plane *plane, uint32_t owner, bool nudge, uint64_t now_ms) {
  plane->now_ms = now_ms;
  tw_plane_room *room = &plane->outgoing;
  for (size_t i = 0; i < TW_PLANE_WAITING && room->count > 0; i++) {
    tw_plane_waiter *waiter = &room->list[(room->next + i) % TW_PLANE_WAITING]; /* the oldest first */
    tw_ip ip;
    if (waiter->len == 0 || waiter->owner != owner) continue;
    if (tw_ip_parse(TW_BYTES(waiter->data, waiter->len), &ip) == TW_OK) {
      tw_plane_send(plane, owner, waiter->data, &ip, &waiter->offload);
    }
    waiter->len = 0;
    room->count--;
    nudge = false;
  }
  if (nudge) tw_plane_send_own(plane, owner, TW_ESP_NEXT_DUMMY, TW_NO_BYTES, NULL);
  if (owner != TW_SAS_NETWORK && tw_path_is_due(&plane->peers[owner].path, now_ms)) tw_plane_probe(plane, owner);
  tw_plane_push(plane);
}
