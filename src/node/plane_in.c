/* From UDP to the device. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/secret.h"
#include "codec/reader.h"
#include "node/plane_internal.h"
#include "packet/ack.h"

_Static_assert((int)TW_TUN_PARTS_MAX >= (int)TW_COALESCE_PIECES, "what is joined fits into one write");

/* What has been joined so far, to the device. */
static void write_joined(tw_plane *plane) {
  for (size_t i = 0; i < plane->joined.count; i++) {
    tw_offload offload;
    size_t count = tw_coalesce_take(&plane->joined, i, &offload, plane->pieces);
    if (tw_tun_write(plane->config.tun, plane->config.index, &offload, plane->pieces, count) != TW_OK)
      plane->drops.device++;
  }
  tw_coalesce_begin(&plane->joined, plane->joins);
}

static tw_route_kind leads_to(const tw_plane *plane, const tw_ip *ip) {
  return tw_routes_find(plane->config.routes, ip->version, ip->destination.ptr).kind;
}

/* Whether who sent it may send from that address to that one. */
static bool is_theirs(const tw_plane *plane, const tw_plane_arrival *a, const tw_ip *ip) {
  const tw_routes *routes = plane->config.routes;
  if (a->peer >= plane->config.peers || !tw_routes_admits(routes, a->peer, ip->version, ip->source.ptr)) return false;
  /* The group's keys are many members': what is for us alone comes under a pair's. */
  if (a->owner != TW_SAS_NETWORK) return true;
  return leads_to(plane, ip) == TW_ROUTE_GROUP;
}

/* Acknowledgments of what this system itself has sent: it counts bytes. Of what others have sent by us none is left
 * out. */
static tw_err join(tw_plane *plane, uint8_t *packet, const tw_ip *ip) {
  if (tw_ack_is_plain(packet, ip) && leads_to(plane, ip) == TW_ROUTE_SELF)
    return tw_coalesce_add_ack(&plane->joined, packet, ip);
  return tw_coalesce_add(&plane->joined, packet, ip);
}

static void take_inner(tw_plane *plane, const tw_plane_arrival *a, uint8_t version, uint8_t *packet, size_t len) {
  tw_ip ip;
  if (tw_ip_parse(TW_BYTES(packet, len), &ip) != TW_OK || ip.version != version ||
      tw_ip_decapsulate_ecn(packet, &ip, (tw_ecn)(a->tos & 3)) != TW_OK) {
    plane->drops.malformed++;
    return;
  }
  if (!is_theirs(plane, a, &ip)) {
    plane->drops.not_theirs++;
    return;
  }
  tw_plane_peer *peer = &plane->peers[a->peer];
  peer->received.packets++;
  peer->received.bytes += ip.len;
  if (a->owner != TW_SAS_NETWORK) tw_plane_use_path(plane, a->peer);
  if (join(plane, packet, &ip) == TW_OK) return;
  write_joined(plane);
  if (join(plane, packet, &ip) != TW_OK) plane->drops.device++;
}

void tw_plane_take_probe(tw_plane *plane, const tw_plane_arrival *a, tw_bytes probe) {
  if (probe.len > TW_PROBE_SIZE) {
    tw_plane_event told = {.kind = TW_PLANE_TOLD, .owner = a->peer, .len = probe.len - TW_PROBE_SIZE};
    memcpy(told.tail, probe.ptr + TW_PROBE_SIZE, told.len);
    (void)tw_plane_say(plane, &told);
  }
  if (probe.ptr[0] == TW_PROBE) {
    uint8_t answer[TW_PROBE_SIZE] = {TW_PROBE_ANSWER};
    memcpy(answer + 8, probe.ptr + 8, 8);
    (void)tw_plane_send_own(plane, a->peer, TW_ESP_NEXT_PROBE, TW_ARRAY(answer), a->by_relay ? NULL : a->from);
  } else if (probe.ptr[0] == TW_PROBE_ANSWER && !a->by_relay &&
             tw_path_answered(&plane->peers[a->peer].path, probe.ptr + 8, a->from, plane->now_ms)) {
    tw_plane_say_of(plane, TW_PLANE_MOVED, a->peer);
  }
}

static void take_probe(tw_plane *plane, const tw_plane_arrival *a, tw_bytes probe) {
  if (a->peer >= plane->config.peers || a->owner == TW_SAS_NETWORK) return;
  if (probe.len >= TW_PROBE_SIZE && probe.len <= TW_PROBE_SIZE + TW_PROBE_TAIL) tw_plane_probed(plane, a, probe);
}

static void take_opened(tw_plane *plane, const tw_plane_arrival *a, uint8_t *packet, const tw_esp_opened *opened) {
  uint8_t *payload = packet + TW_ESP_HEADER;
  switch (opened->next_header) {
  case TW_ESP_NEXT_IPV4: take_inner(plane, a, 4, payload, opened->len); break;
  case TW_ESP_NEXT_IPV6: take_inner(plane, a, 6, payload, opened->len); break;
  case TW_ESP_NEXT_PROBE: take_probe(plane, a, TW_BYTES(payload, opened->len)); break;
  default: break;
  }
}

static uint32_t peer_of(tw_plane *plane, tw_sa_in *sa) {
  if (sa->owner != TW_SAS_NETWORK) return sa->owner;
  if (sa->peer_as_of != plane->roster) {
    sa->peer = plane->config.peer_of(plane->config.ctx, &sa->member);
    sa->peer_as_of = plane->roster;
  }
  return sa->peer;
}

/* Any member could have made it: nothing of it counts before its signature has been found to be good. */
static tw_err open_signed(tw_plane *plane, tw_sa_in *sa, uint8_t *packet, size_t len, tw_esp_opened *opened) {
  tw_err err = tw_esp_open_unmarked(&sa->esp, packet, len, opened);
  if (err == TW_OK) err = tw_plane_check(plane, sa, packet, opened);
  if (err == TW_OK) tw_esp_window_mark(&sa->esp.window, opened->number);
  return err;
}

/* The packet by one SA. An error is told and counted by the caller. */
static tw_err open_under(tw_plane *plane, tw_sa_in *sa, uint8_t *packet, size_t len, tw_esp_opened *opened) {
  if (sa->refused) {
    tw_plane_say_of(plane, TW_PLANE_REKEY, sa->owner);
    return TW_ERR_UNSUPPORTED;
  }
  const tw_err err = sa->verifier.is_needed ? open_signed(plane, sa, packet, len, opened)
                                            : tw_esp_open(&sa->esp, packet, len, opened);
  if (err != TW_OK && tw_esp_in_wants_rekey(&sa->esp)) tw_plane_say_of(plane, TW_PLANE_REKEY, sa->owner);
  return err;
}

/* Several SAs with the same SPI: each tries a copy. */
static tw_err open_under_any(tw_plane *plane, tw_sa_in **sa, uint8_t *packet, size_t len, tw_esp_opened *opened) {
  uint8_t copy[TW_PLANE_WAIT_SIZE];
  tw_err err = TW_ERR_DECRYPT;
  if (len > sizeof copy) return open_under(plane, *sa, packet, len, opened);
  memcpy(copy, packet, len);
  for (tw_sa_in *at = *sa; at != NULL; at = tw_sas_in_next(at)) {
    memcpy(packet, copy, len);
    err = open_under(plane, at, packet, len, opened);
    *sa = at;
    if (err == TW_OK) break;
  }
  tw_wipe(copy, sizeof copy);
  return err;
}

static void count_failure(tw_plane *plane, tw_err err) {
  if (err == TW_ERR_DUPLICATE || err == TW_ERR_OLD_GENERATION)
    plane->drops.replayed++;
  else if (err == TW_ERR_UNSUPPORTED)
    plane->drops.unknown++;
  else if (err == TW_ERR_UNEXPECTED)
    plane->drops.malformed++;
  else if (err == TW_ERR_SENDER)
    plane->drops.not_signed++;
  else if (err == TW_ERR_LIMIT || err == TW_ERR_NO_MEMORY)
    plane->drops.unchecked++;
  else
    plane->drops.forged++;
}

/* The relay asks whether it was us who sent the token from here. */
static bool take_challenge(tw_plane *plane, const uint8_t *packet, size_t len, const tw_udp_address *from) {
  static const uint8_t not_esp[TW_RELAY_CHALLENGE - TW_RELAY_TOKEN] = {0};
  if (len != TW_RELAY_CHALLENGE || memcmp(packet, not_esp, sizeof not_esp) != 0) return false;
  if (!plane->has_relay || !plane->expects_challenge || !tw_udp_address_equal(from, &plane->relay)) return false;
  plane->expects_challenge = false;
  tw_plane_tell_relay(plane, TW_BYTES(packet + sizeof not_esp, TW_RELAY_TOKEN));
  return true;
}

/* The relay has heard us from here: nobody else knows our session but who sees our packets. */
static bool take_echo(tw_plane *plane, const uint8_t *packet, size_t len, const tw_udp_address *from) {
  tw_reader r = tw_reader_of(TW_BYTES(packet, len));
  if (len != TW_RELAY_ECHO || tw_read_u32(&r) != 0 || tw_read_u64(&r) != plane->session) return false;
  if (!plane->has_relay || !plane->expects_echo || !tw_udp_address_equal(from, &plane->relay)) return false;
  plane->expects_echo = false;
  plane->echoes++;
  return true;
}

/* False: there is no SA for it. */
static bool take_datagram(tw_plane *plane, uint8_t *packet, size_t len, const tw_udp_address *from, uint8_t tos) {
  uint32_t spi;
  if (take_challenge(plane, packet, len, from) || take_echo(plane, packet, len, from)) return true;
  if (tw_esp_peek(TW_BYTES(packet, len), &spi) != TW_OK) return true; /* a keepalive, or not for us */
  tw_sa_in *sa = tw_sas_in(plane->config.sas, spi);
  if (sa == NULL) return false;
  tw_esp_opened opened;
  const tw_err err = tw_sas_in_next(sa) == NULL ? open_under(plane, sa, packet, len, &opened)
                                                : open_under_any(plane, &sa, packet, len, &opened);
  if (err != TW_OK) {
    count_failure(plane, err);
    return true;
  }
  if (!sa->opened) {
    const tw_plane_event event = {.kind = TW_PLANE_OPENED, .owner = sa->owner, .stamp = sa->stamp};
    sa->opened = tw_plane_say(plane, &event);
  }
  const tw_plane_arrival a = {.owner = sa->owner,
                              .peer = peer_of(plane, sa),
                              .from = from,
                              .by_relay = tw_udp_address_equal(from, &plane->relay),
                              .tos = tos};
  if (a.peer < plane->config.peers) tw_plane_heard(plane, &a);
  take_opened(plane, &a, packet, &opened);
  return true;
}

static void take_or_keep(tw_plane *plane, uint8_t *packet, size_t len, const tw_udp_address *from, uint8_t tos) {
  if (tw_plane_is_stray(plane, packet, len, from, tos) || take_datagram(plane, packet, len, from, tos)) return;
  const tw_plane_label label = {.from = *from, .tos = tos};
  if (len <= TW_PLANE_WAIT_SIZE)
    tw_plane_wait(&plane->incoming, TW_BYTES(packet, len), &label, plane->now_ms, &plane->drops.unknown);
  else
    plane->drops.unknown++;
}

static void is_now(tw_plane *plane, uint64_t now_ms) {
  if (plane->checks_ms != now_ms) plane->checks = TW_PLANE_CHECKS;
  plane->checks_ms = plane->now_ms = now_ms;
}

static void take_intake(tw_plane *plane) {
  tw_coalesce_begin(&plane->joined, plane->joins);
  for (size_t i = 0; i < plane->intake.count; i++) {
    const tw_udp_slot *slot = &plane->intake.slots[i];
    for (size_t k = 0; k < slot->datagrams; k++) {
      size_t len;
      uint8_t *datagram = tw_udp_datagram(slot, k, &len);
      take_or_keep(plane, datagram, len, &slot->peer, slot->tos);
    }
  }
  write_joined(plane);
}

tw_err tw_plane_from_udp(tw_plane *plane, uint64_t now_ms) {
  is_now(plane, now_ms);
  const tw_err err = tw_udp_receive(plane->config.udp, &plane->intake);
  if (err == TW_OK && plane->intake.count > 0) take_intake(plane);
  plane->has_more = err == TW_OK && plane->intake.count > 0;
  tw_plane_leave(plane);
  return err;
}

void tw_plane_from_strays(tw_plane *plane, uint64_t now_ms) {
  tw_strays *strays = plane->config.strays;
  const unsigned index = plane->config.index;
  size_t waiting = tw_strays_waiting(strays, index);
  if (waiting == 0) return;
  is_now(plane, now_ms);
  for (unsigned round = 0; waiting > 0 && round < plane->config.count; round++) {
    tw_coalesce_begin(&plane->joined, plane->joins);
    for (size_t i = 0; i < waiting; i++) {
      tw_stray *stray = tw_strays_at(strays, index, i);
      take_or_keep(plane, stray->datagram, stray->len, &stray->from, stray->tos);
    }
    write_joined(plane); /* its pieces are in the strays */
    tw_strays_done(strays, index, waiting);
    waiting = tw_strays_waiting(strays, index);
  }
  if (waiting > 0) plane->roused |= UINT32_C(1) << index;
  tw_plane_leave(plane);
}

void tw_plane_retry(tw_plane *plane, uint64_t now_ms) {
  tw_plane_room *room = &plane->incoming;
  if (room->count == 0) return;
  is_now(plane, now_ms);
  tw_coalesce_begin(&plane->joined, plane->joins);
  for (size_t i = 0; i < TW_PLANE_WAITING && room->count > 0; i++) {
    tw_plane_waiter *waiter = &room->list[(room->next + i) % TW_PLANE_WAITING]; /* the oldest first */
    if (waiter->len == 0) continue;
    if (take_datagram(plane, waiter->data, waiter->len, &waiter->label.from, waiter->label.tos))
      tw_plane_free_waiter(room, waiter);
  }
  write_joined(plane);
  tw_plane_leave(plane);
}
