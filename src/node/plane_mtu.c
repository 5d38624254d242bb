/* Packets that do not fit, and who is told. SPDX-License-Identifier: Apache-2.0 */
#include "node/plane_internal.h"
#include "packet/too_big.h"

enum {
  ASK_AGAIN_MS = 10000, /* what the system knows of a way may have changed */
  TELL_AGAIN_MS = 50,   /* RFC 4443 section 2.4 f, RFC 1812 section 4.3.2.8 */
  IP4 = 20,
  IP6 = 40,
  UDP = 8
};

static tw_plane_mtu *mtu_of(tw_plane *plane, uint32_t owner) {
  return &plane->mtus[owner == TW_SAS_NETWORK ? plane->config.peers : owner];
}

void tw_plane_forget_mtu(tw_plane *plane, const tw_udp_address *to) {
  for (uint32_t i = 0; i <= plane->config.peers; i++) {
    if (tw_udp_address_equal(&plane->mtus[i].to, to)) plane->mtus[i].again_ms = 0;
  }
}

/* The largest packet inside of ESP, with `behind` bytes more behind it, that fits into outer packets of `mtu` bytes. */
static uint32_t room_in(uint32_t mtu, const tw_plane_way *way, uint32_t behind) {
  const uint32_t headers = (way->to.any.sa_family == AF_INET ? IP4 : IP6) + (uint32_t)UDP +
                           (way->by_relay ? TW_RELAY_HEADER : 0) + TW_ESP_HEADER + behind + TW_ESP_ICV;
  if (mtu < headers + TW_ESP_ALIGN) return 0;
  return ((mtu - headers) & ~(uint32_t)(TW_ESP_ALIGN - 1)) - TW_ESP_TRAILER;
}

/* UINT32_MAX: nobody knows. */
static uint32_t room_of(tw_plane *plane, uint32_t owner, const tw_plane_way *way) {
  tw_plane_mtu *at = mtu_of(plane, owner);
  if (plane->now_ms >= at->again_ms || !tw_udp_address_equal(&at->to, &way->to)) {
    at->to = way->to;
    at->again_ms = plane->now_ms + ASK_AGAIN_MS;
    if (tw_udp_path_mtu(&way->to, &at->mtu) != TW_OK) at->mtu = 0;
  }
  const bool is_signed = owner == TW_SAS_NETWORK && tw_sas_signs(plane->config.sas);
  return at->mtu == 0 ? UINT32_MAX : room_in(at->mtu, way, is_signed ? TW_PACKET_SIGNATURE : 0);
}

static void tell(tw_plane *plane, const uint8_t *packet, const tw_ip *ip, uint32_t room) {
  uint8_t icmp[TW_TOO_BIG_ROOM];
  size_t len;
  if (plane->told_ms != 0 && plane->now_ms < plane->told_ms + TELL_AGAIN_MS) return;
  const uint32_t least = ip->version == 4 ? TW_TOO_BIG_MTU_LEAST4 : TW_TOO_BIG_MTU_LEAST6;
  if (tw_too_big_make(packet, ip, room > least ? room : least, TW_NO_BYTES, icmp, &len) != TW_OK) return;
  plane->told_ms = plane->now_ms;
  const tw_bytes bytes = TW_BYTES(icmp, len);
  if (tw_tun_write(plane->config.tun, plane->config.index, NULL, &bytes, 1) != TW_OK) plane->drops.device++;
}

bool tw_plane_fits(tw_plane *plane, uint32_t owner, const tw_plane_way *way, const uint8_t *packet, const tw_ip *ip,
                   uint32_t largest) {
  const uint32_t mtu = plane->config.mtu;
  const uint32_t room = room_of(plane, owner, way);
  const uint32_t least = ip->version == 6 && room < TW_TOO_BIG_MTU_LEAST6 ? TW_TOO_BIG_MTU_LEAST6 : room;
  if (largest > mtu || largest > least) tell(plane, packet, ip, mtu < room ? mtu : room);
  return largest <= mtu;
}
