/* Several planes of one node: what one of them tells the first, and passes on. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/plane_internal.h"

/* Each peer is told of so often at most; ways have more patience than that. */
enum { TELL_MS = 100 };

/* ---- what is told, or done where it is to be told ---- */

void tw_plane_use_path(tw_plane *plane, uint32_t peer) {
  if (tw_plane_is_first(plane)) {
    tw_path *path = &plane->peers[peer].path;
    if (path->used_ms == 0 || plane->now_ms > path->used_ms + TW_PLANE_PAUSE_MS)
      tw_plane_say_of(plane, TW_PLANE_STIRRED, peer);
    if (tw_path_used(path, plane->now_ms)) tw_plane_probe(plane, peer);
  } else if (plane->now_ms >= plane->told[peer].used_ms + TELL_MS) {
    const tw_plane_event event = {.kind = TW_PLANE_USED, .owner = peer};
    if (tw_plane_say(plane, &event)) plane->told[peer].used_ms = plane->now_ms;
  }
}

static tw_plane_event event_of(tw_plane_event_kind kind, const tw_plane_arrival *a) {
  return (tw_plane_event){.kind = kind, .owner = a->owner, .peer = a->peer, .from = *a->from, .by_relay = a->by_relay};
}

void tw_plane_heard(tw_plane *plane, const tw_plane_arrival *a) {
  tw_plane_peer *peer = &plane->peers[a->peer];
  peer->heard_ms = plane->now_ms;
  if (tw_plane_is_first(plane)) {
    if (a->owner != TW_SAS_NETWORK && !a->by_relay) (void)tw_path_offer(&peer->path, TW_PATH_FROM_PEER, a->from);
  } else if (plane->now_ms >= plane->told[a->peer].heard_ms + TELL_MS) {
    const tw_plane_event event = event_of(TW_PLANE_HEARD, a);
    if (tw_plane_say(plane, &event)) plane->told[a->peer].heard_ms = plane->now_ms;
  }
}

void tw_plane_probed(tw_plane *plane, const tw_plane_arrival *a, tw_bytes probe) {
  if (tw_plane_is_first(plane)) {
    tw_plane_take_probe(plane, a, probe);
    return;
  }
  tw_plane_event event = event_of(TW_PLANE_PROBED, a);
  event.len = probe.len;
  memcpy(event.tail, probe.ptr, probe.len);
  (void)tw_plane_say(plane, &event); /* else it is lost, as any packet may be */
}

/* The others leave the address at once, and the first one says where packets go now. */
void tw_plane_cannot_reach(tw_plane *plane, const tw_udp_address *to) {
  bool any = false;
  for (uint32_t i = 0; i < plane->config.peers; i++) {
    if (!tw_path_failed(&plane->peers[i].path, to)) continue;
    any = true;
    if (tw_plane_is_first(plane)) tw_plane_say_of(plane, TW_PLANE_MOVED, i);
  }
  const tw_plane_event event = {.kind = TW_PLANE_FAILED, .from = *to};
  if (any && !tw_plane_is_first(plane)) (void)tw_plane_say(plane, &event);
}

/* ---- at the first one ---- */

void tw_plane_take_over(tw_plane *plane, const tw_plane_event *event, uint64_t now_ms) {
  const tw_plane_arrival a = {
      .owner = event->owner, .peer = event->peer, .from = &event->from, .by_relay = event->by_relay};
  plane->now_ms = now_ms;
  switch (event->kind) {
  case TW_PLANE_USED: tw_plane_use_path(plane, event->owner); break;
  case TW_PLANE_HEARD: tw_plane_heard(plane, &a); break;
  case TW_PLANE_PROBED: tw_plane_take_probe(plane, &a, TW_BYTES(event->tail, event->len)); break;
  case TW_PLANE_FAILED: tw_plane_cannot_reach(plane, &event->from); break;
  case TW_PLANE_WANT:
  case TW_PLANE_OPENED:
  case TW_PLANE_REKEY:
  case TW_PLANE_NUMBERS:
  case TW_PLANE_MOVED:
  case TW_PLANE_TOLD:
  case TW_PLANE_STIRRED: break;
  }
  tw_plane_leave(plane);
}

/* ---- at the others ---- */

void tw_plane_set_way(tw_plane *plane, uint32_t peer, const tw_udp_address *direct) {
  tw_path *path = &plane->peers[peer].path;
  path->is_direct = direct != NULL;
  if (direct != NULL) path->direct = *direct;
}

/* ---- datagrams ---- */

void tw_plane_join(tw_plane *plane, bool joined) { plane->joined_others = joined; }

/* As the sockets have it (tw_udp_open_shared). */
static unsigned index_of(const tw_plane *plane, const uint8_t *packet, size_t len) {
  return len < 4 ? 0 : packet[3] % TW_ESP_PLACES % plane->config.count;
}

bool tw_plane_is_stray(tw_plane *plane, const uint8_t *packet, size_t len, const tw_udp_address *from, uint8_t tos) {
  const tw_plane_config *config = &plane->config;
  if (config->count <= 1) return false;
  const unsigned index = index_of(plane, packet, len);
  if (index == config->index) return false;
  if (plane->joined_others && tw_strays_put(config->strays, config->index, index, TW_BYTES(packet, len), from, tos))
    plane->roused |= UINT32_C(1) << index;
  else
    plane->drops.stray++;
  return true;
}
