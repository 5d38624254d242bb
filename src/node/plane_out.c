/* From the device to UDP. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "codec/writer.h"
#include "crypto/crypto.h"
#include "node/plane_internal.h"

bool tw_plane_find_way(const tw_plane *plane, uint32_t owner, tw_plane_way *way) {
  *way = (tw_plane_way){.by_relay = true, .to = plane->relay};
  if (owner == TW_SAS_NETWORK) {
    way->destination = plane->group_number | TW_RELAY_GROUP;
    return plane->has_relay && plane->group_number != 0;
  }
  const tw_path *path = &plane->peers[owner].path;
  if (path->is_direct) {
    *way = (tw_plane_way){.to = path->direct};
    return true;
  }
  way->destination = path->relay_number;
  if (plane->has_relay && path->relay_number != 0) return true;
  if (!path->candidates[TW_PATH_FROM_FILE].given) return false;
  *way = (tw_plane_way){.to = path->candidates[TW_PATH_FROM_FILE].address};
  return true;
}

/* ---- the batch ---- */

/* The system refuses to send there. */
static void has_failed(tw_plane *plane, const tw_udp_slot *slot) {
  if (slot->apart != 0 || slot->error == EMSGSIZE) tw_plane_forget_mtu(plane, &slot->peer);
  if (slot->error == 0 || slot->error == EMSGSIZE || slot->error == ENOBUFS || slot->error == ENOMEM) return;
  tw_plane_cannot_reach(plane, &slot->peer);
}

void tw_plane_push(tw_plane *plane) {
  tw_udp_batch *batch = &plane->batch;
  if (batch->count == 0) return;
  const uint64_t failed = plane->config.udp->counts.failed;
  const bool broken = tw_udp_send(plane->config.udp, batch) != TW_OK;
  plane->drops.unsent += plane->config.udp->counts.failed - failed;
  plane->blocked = !broken && batch->at < batch->count;
  if (plane->blocked) return; /* goes on when the socket is writable */
  for (size_t i = batch->at; i < batch->count; i++)
    plane->drops.unsent += batch->slots[i].datagrams - batch->slots[i].gone;
  for (size_t i = 0; i < batch->at; i++) {
    if (batch->slots[i].error != 0 || batch->slots[i].apart != 0) has_failed(plane, &batch->slots[i]);
  }
  tw_udp_batch_reset(batch);
  plane->slot_count = plane->used = 0;
}

/* A rest goes out when the socket is writable, even where it has taken something meanwhile. */
bool tw_plane_is_blocked(const tw_plane *plane) { return plane->blocked || plane->has_rest; }

bool tw_plane_has_more(const tw_plane *plane) { return plane->has_more; }

uint8_t *tw_plane_take_slot(tw_plane *plane) {
  if (plane->slot_count == TW_PLANE_SLOTS) tw_plane_push(plane);
  if (plane->slot_count == TW_PLANE_SLOTS) return NULL;
  plane->slot_count++;
  return plane->slots + plane->used;
}

/* There are as many slots as places in the batch, and each datagram has a slot. The next one begins where it ends. */
void tw_plane_queue(tw_plane *plane, const tw_udp_address *to, uint8_t tos, tw_bytes datagram) {
  if (tw_udp_batch_add(&plane->batch, to, tos, datagram) == TW_OK) {
    plane->used += datagram.len;
    return;
  }
  plane->slot_count--;
  plane->drops.unsent++;
}

/* What stands before the payload in a slot. */
static size_t room_before(const tw_plane_way *way) { return (way->by_relay ? TW_RELAY_HEADER : 0) + TW_ESP_HEADER; }

/* `packet` has the room before `*len` bytes, to which the signature comes, where there is a signer. */
static tw_err seal(tw_plane *plane, tw_esp_out *sa, const tw_packet_signer *signer, uint8_t next_header,
                   uint8_t *packet, size_t *len) {
  const size_t all = *len + (signer == NULL ? 0 : TW_PACKET_SIGNATURE);
  uint64_t number;
  TW_TRY(tw_esp_take(sa, all, 0, &number));
  if (signer != NULL) TW_TRY(tw_plane_sign(plane, signer, number, next_header, packet + TW_ESP_HEADER, *len));
  *len = all;
  return tw_esp_seal_numbered(sa, plane->config.index, number, next_header, packet, all, 0);
}

/* `slot` has the room before it, then `len` bytes. False: the SA is used up, or it could not be signed. */
static bool seal_and_queue(tw_plane *plane, tw_esp_out *sa, const tw_packet_signer *signer, const tw_plane_way *way,
                           uint8_t *slot, uint8_t next_header, size_t len, uint8_t tos) {
  uint8_t *packet = slot + room_before(way) - TW_ESP_HEADER;
  if (seal(plane, sa, signer, next_header, packet, &len) != TW_OK) {
    plane->drops.used_up++;
    plane->slot_count--;
    return false;
  }
  tw_bytes datagram = TW_BYTES(packet, tw_esp_size(len, 0));
  if (way->by_relay) {
    tw_put_u64(slot, plane->session);
    tw_put_u32(slot + 8, way->destination);
    datagram = TW_BYTES(slot, datagram.len + TW_RELAY_HEADER);
  }
  tw_plane_queue(plane, &way->to, tos, datagram);
  return true;
}

/* ---- packets ---- */

static void count_sent(tw_plane *plane, uint32_t owner, size_t len) {
  if (owner == TW_SAS_NETWORK) return;
  tw_plane_peer *peer = &plane->peers[owner];
  peer->sent.packets++;
  peer->sent.bytes += len;
}

/* False: the socket takes no more, and the rest of it has to wait. */
static bool go_on(tw_plane *plane, tw_plane_job *job) {
  tw_plane_way way;
  tw_sas *sas = plane->config.sas;
  tw_esp_out *sa = tw_sas_out(sas, job->owner);
  if (sa == NULL || !tw_plane_find_way(plane, job->owner, &way)) {
    plane->drops.no_path += job->split.count - job->split.index;
    return true;
  }
  const tw_packet_signer *signer = tw_sas_signer(sas, job->owner, plane->config.index);
  while (job->split.index < job->split.count) {
    uint8_t *slot = tw_plane_take_slot(plane);
    if (slot == NULL) return false;
    const size_t len = tw_split_next(&job->split, slot + room_before(&way));
    if (seal_and_queue(plane, sa, signer, &way, slot, job->next_header, len, job->tos))
      count_sent(plane, job->owner, len);
  }
  if (tw_sas_is_low(sas, job->owner)) tw_plane_say_of(plane, TW_PLANE_NUMBERS, job->owner);
  if (tw_sas_wants_rekey(sas, job->owner)) tw_plane_say_of(plane, TW_PLANE_REKEY, job->owner);
  return true;
}

/* False: it is dropped. */
static bool begin(tw_plane *plane, uint32_t owner, const uint8_t *packet, const tw_ip *ip, const tw_offload *offload,
                  tw_plane_job *job) {
  tw_plane_way way;
  *job = (tw_plane_job){.owner = owner,
                        .next_header = ip->version == 4 ? TW_ESP_NEXT_IPV4 : TW_ESP_NEXT_IPV6,
                        .tos = ip->traffic_class & 3};
  if (tw_split_begin(&job->split, packet, ip, offload) != TW_OK) {
    plane->drops.malformed++;
    return false;
  }
  if (!tw_plane_find_way(plane, owner, &way)) {
    plane->drops.no_path++;
    return false;
  }
  if (tw_plane_fits(plane, owner, &way, packet, ip, job->split.largest)) return true;
  plane->drops.too_big++;
  return false;
}

/* A waiter's packet, if all of it finds room; false: it has to wait on. */
static bool send_waiter(tw_plane *plane, const tw_plane_waiter *waiter) {
  tw_ip ip;
  tw_plane_job job;
  if (tw_ip_parse(TW_BYTES(waiter->data, waiter->len), &ip) != TW_OK ||
      !begin(plane, waiter->label.owner, waiter->data, &ip, &waiter->label.offload, &job))
    return true;
  if (job.split.count > TW_PLANE_SLOTS) {
    plane->drops.malformed++;
    return true;
  }
  if (job.split.count > TW_PLANE_SLOTS - plane->slot_count) tw_plane_push(plane);
  return job.split.count <= TW_PLANE_SLOTS - plane->slot_count && go_on(plane, &job);
}

size_t tw_plane_flush(tw_plane *plane, const uint32_t *owner) {
  tw_plane_room *room = &plane->outgoing;
  tw_plane_way way;
  size_t sent = 0;
  for (size_t i = 0; i < TW_PLANE_WAITING && room->count > 0; i++) {
    tw_plane_waiter *waiter = &room->list[(room->next + i) % TW_PLANE_WAITING]; /* the oldest first */
    if (waiter->len == 0 || (owner != NULL && waiter->label.owner != *owner)) continue;
    if (tw_sas_out(plane->config.sas, waiter->label.owner) == NULL ||
        !tw_plane_find_way(plane, waiter->label.owner, &way))
      continue;
    if (!send_waiter(plane, waiter)) break;
    tw_plane_free_waiter(room, waiter);
    sent++;
  }
  return sent;
}

bool tw_plane_send_own(tw_plane *plane, uint32_t owner, uint8_t next_header, tw_bytes content,
                       const tw_udp_address *to) {
  tw_plane_way way;
  tw_esp_out *sa = tw_sas_out(plane->config.sas, owner);
  if (sa == NULL) return false;
  if (to != NULL)
    way = (tw_plane_way){.to = *to};
  else if (!tw_plane_find_way(plane, owner, &way))
    return false;
  uint8_t *slot = tw_plane_take_slot(plane);
  if (slot == NULL) return false;
  if (content.len > 0) memcpy(slot + room_before(&way), content.ptr, content.len);
  (void)seal_and_queue(plane, sa, NULL, &way, slot, next_header, content.len, 0);
  return true;
}

enum { NUDGES = 4, NUDGE_MS = 500 };

void tw_plane_nudge(tw_plane *plane, uint32_t owner) {
  if (owner == TW_SAS_NETWORK) {
    (void)tw_plane_send_own(plane, owner, TW_ESP_NEXT_DUMMY, TW_NO_BYTES, NULL);
    return;
  }
  tw_plane_peer *peer = &plane->peers[owner];
  peer->nudges = NUDGES;
  peer->nudge_at_ms = plane->now_ms;
  peer->nudged_ms = plane->now_ms;
  tw_plane_nudge_on(plane, owner);
}

void tw_plane_nudge_on(tw_plane *plane, uint32_t owner) {
  tw_plane_peer *peer = &plane->peers[owner];
  if (peer->heard_ms > peer->nudged_ms) peer->nudges = 0;
  if (peer->nudges == 0 || plane->now_ms < peer->nudge_at_ms) return;
  if (!tw_plane_send_own(plane, owner, TW_ESP_NEXT_DUMMY, TW_NO_BYTES, NULL)) return;
  peer->nudge_at_ms = plane->now_ms + ((uint64_t)NUDGE_MS << (NUDGES - peer->nudges));
  peer->nudges--;
}

/* ---- probes ---- */

void tw_plane_probe(tw_plane *plane, uint32_t number) {
  tw_path *path = &plane->peers[number].path;
  if (tw_sas_out(plane->config.sas, number) == NULL) return;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    uint8_t probe[TW_PROBE_SIZE + TW_PROBE_TAIL] = {TW_PROBE};
    tw_udp_address to;
    if (!path->candidates[i].given) continue;
    if (tw_random(plane->config.env, probe + 8, 8) != TW_OK) break;
    if (!tw_path_probe(path, i, probe + 8, &to)) continue;
    memcpy(probe + TW_PROBE_SIZE, plane->tail, plane->tail_len);
    (void)tw_plane_send_own(plane, number, TW_ESP_NEXT_PROBE, TW_BYTES(probe, TW_PROBE_SIZE + plane->tail_len), &to);
  }
  tw_path_probed(path, plane->now_ms);
}

/* ---- from the device ---- */

/* Keys or a way are not there yet. */
static void let_wait(tw_plane *plane, uint32_t owner, const tw_offload *offload, tw_bytes packet) {
  const tw_plane_label label = {.owner = owner, .offload = *offload};
  if (packet.len <= TW_PLANE_WAIT_SIZE)
    tw_plane_wait(&plane->outgoing, packet, &label, plane->now_ms, &plane->drops.no_keys);
  else
    plane->drops.no_keys++;
  if (owner != TW_SAS_NETWORK && tw_sas_out(plane->config.sas, owner) == NULL)
    tw_plane_say_of(plane, TW_PLANE_WANT, owner);
}

/* What the system says to a link, such as its reports of multicast groups: no peer can have such a source in its
 * AllowedIPs, unless it is one of our Addresses (RFC 4291 sections 2.5.2, 2.5.6; RFC 1122 section 3.2.1.3). */
static bool is_for_a_link(const tw_plane *plane, const tw_ip *ip) {
  static const uint8_t unspecified[16];
  const uint8_t *source = ip->source.ptr;
  if (memcmp(source, unspecified, ip->source.len) == 0) return true;
  const bool link_local = ip->version == 6 && source[0] == 0xfe && (source[1] & 0xc0) == 0x80;
  return link_local && tw_routes_find6(plane->config.routes, source).kind != TW_ROUTE_SELF;
}

/* What lies in `large`. */
static void route_packet(tw_plane *plane, const tw_offload *offload, size_t len) {
  tw_ip ip;
  tw_plane_way way;
  if (tw_ip_parse(TW_BYTES(plane->large, len), &ip) != TW_OK) {
    plane->drops.malformed++;
    return;
  }
  const tw_route route = tw_routes_find(plane->config.routes, ip.version, ip.destination.ptr);
  if (route.kind != TW_ROUTE_GROUP && (route.kind != TW_ROUTE_PEER || route.peer >= plane->config.peers)) {
    plane->drops.no_route++;
    return;
  }
  if (route.kind == TW_ROUTE_GROUP && is_for_a_link(plane, &ip)) return;
  const uint32_t owner = route.kind == TW_ROUTE_PEER ? route.peer : TW_SAS_NETWORK;
  if (owner != TW_SAS_NETWORK) tw_plane_use_path(plane, owner);
  if (tw_sas_out(plane->config.sas, owner) == NULL || !tw_plane_find_way(plane, owner, &way)) {
    let_wait(plane, owner, offload, TW_BYTES(plane->large, len));
    return;
  }
  if (begin(plane, owner, plane->large, &ip, offload, &plane->rest)) plane->has_rest = !go_on(plane, &plane->rest);
}

enum { TUN_READS = 64 }; /* in one go, so that others have their turn */

tw_err tw_plane_from_tun(tw_plane *plane, uint64_t now_ms) {
  tw_err err = TW_OK;
  plane->now_ms = now_ms;
  plane->has_more = false;
  tw_plane_push(plane);
  if (plane->has_rest && !plane->blocked) plane->has_rest = !go_on(plane, &plane->rest);
  if (!plane->blocked) (void)tw_plane_flush(plane, NULL);
  for (int i = 0; err == TW_OK && i < TUN_READS && !plane->blocked; i++) {
    tw_offload offload;
    size_t len;
    err = tw_tun_read(plane->config.tun, plane->config.index, &offload, plane->large, &len);
    if (err != TW_OK || len == 0) break;
    plane->has_more = true;
    route_packet(plane, &offload, len);
  }
  tw_plane_leave(plane);
  return err;
}

void tw_plane_ready(tw_plane *plane, uint32_t owner, bool nudge, uint64_t now_ms) {
  plane->now_ms = now_ms;
  const size_t sent = tw_plane_flush(plane, &owner);
  if (tw_plane_is_first(plane)) {
    if (nudge && sent == 0) tw_plane_nudge(plane, owner);
    if (owner != TW_SAS_NETWORK && tw_path_is_due(&plane->peers[owner].path, now_ms)) tw_plane_probe(plane, owner);
  }
  tw_plane_leave(plane);
}
