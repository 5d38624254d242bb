/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/ip.h"

#include "packet/checksum.h"
#include "packet/fields.h"

/* IPv6 next headers that something follows: RFC 7045 section 4; and AH, RFC 4302. */
enum {
  HOP_BY_HOP = 0,
  ROUTING = 43,
  FRAGMENT = 44,
  AUTHENTICATION = 51,
  DESTINATION_OPTIONS = 60,
  MOBILITY = 135,
  HIP = 139,
  SHIM6 = 140,

  EXTENSION_LEAST = 8 /* bytes */
};

/* Whether a fragment ends where one may: in front of another one after 8 * n bytes, and within what can be reassembled.
 */
static bool fragment_fits(uint32_t header, uint32_t offset, uint32_t data, bool more) {
  return (!more || data % 8 == 0) && header + offset + data <= 65535;
}

static tw_ip_part part_of(uint32_t offset, bool more) {
  if (offset != 0) return TW_IP_LATER_FRAGMENT;
  return more ? TW_IP_FIRST_FRAGMENT : TW_IP_WHOLE;
}

static bool is_limited_broadcast(const uint8_t *address) { return tw_get_u32(address) == 0xffffffff; }
static bool is_multicast4(const uint8_t *address) { return (address[0] & 0xf0) == 0xe0; }

static tw_err parse4(tw_bytes packet, tw_ip *ip) {
  if (packet.len < TW_IP4_HEADER) return TW_ERR_TRUNCATED;
  const uint8_t *p = packet.ptr;
  const uint16_t header = (uint16_t)((p[0] & 0x0f) * 4);
  const uint16_t len = tw_get_u16(p + TW_IP4_LENGTH);
  if (header < TW_IP4_HEADER || len < header) return TW_ERR_ENCODING;
  if (len > packet.len) return TW_ERR_TRUNCATED;

  const uint16_t fragment = tw_get_u16(p + TW_IP4_FRAGMENT);
  const uint32_t offset = (uint32_t)(fragment & TW_IP4_OFFSET) * 8;
  const bool more = (fragment & TW_IP4_MF) != 0;
  if (!fragment_fits(header, offset, (uint32_t)len - header, more)) return TW_ERR_ENCODING;
  /* RFC 1122 section 3.2.1.3 */
  if (is_multicast4(p + TW_IP4_SOURCE) || is_limited_broadcast(p + TW_IP4_SOURCE)) return TW_ERR_ENCODING;

  *ip = (tw_ip){
      .len = len,
      .transport = header,
      .version = 4,
      .protocol = p[TW_IP4_PROTOCOL],
      .traffic_class = p[TW_IP4_TOS],
      .options = header > TW_IP4_HEADER,
      .multicast = is_multicast4(p + TW_IP4_DESTINATION),
      .broadcast = is_limited_broadcast(p + TW_IP4_DESTINATION),
      .part = part_of(offset, more),
      .source = TW_BYTES(p + TW_IP4_SOURCE, 4),
      .destination = TW_BYTES(p + TW_IP4_DESTINATION, 4),
  };
  return TW_OK;
}

static bool is_extension(uint8_t next) {
  switch (next) {
  case HOP_BY_HOP:
  case ROUTING:
  case FRAGMENT:
  case AUTHENTICATION:
  case DESTINATION_OPTIONS:
  case MOBILITY:
  case HIP:
  case SHIM6: return true;
  default: return false;
  }
}

/* The length field counts in units of 8 octets without the first; of AH, 4 without the first two; a fragment has none.
 */
static uint32_t extension_size(uint8_t type, const uint8_t *extension) {
  if (type == FRAGMENT) return 8;
  if (type == AUTHENTICATION) return ((uint32_t)extension[1] + 2) * 4;
  return ((uint32_t)extension[1] + 1) * 8;
}

/* struct { uint8 next_header, reserved; uint16 offset_and_more; uint32 identification; }, RFC 8200 section 4.5 */
static tw_err parse_fragment6(const uint8_t *extension, uint32_t data, tw_ip_part *part) {
  const uint16_t field = tw_get_u16(extension + 2);
  const uint32_t offset = field & 0xfff8;
  const bool more = (field & 1) != 0;
  if (!fragment_fits(0, offset, data, more)) return TW_ERR_ENCODING;
  *part = part_of(offset, more);
  return TW_OK;
}

/* RFC 8200 section 4: from the fixed header to what is no extension header, or is another fragment's data. */
static tw_err walk_extensions(const uint8_t *packet, tw_ip *ip) {
  uint8_t next = packet[TW_IP6_NEXT];
  uint32_t at = TW_IP6_HEADER;
  bool fragment_seen = false;
  for (unsigned count = 0; is_extension(next) && ip->part != TW_IP_LATER_FRAGMENT; count++) {
    if (count == TW_IP_EXTENSIONS_MAX) return TW_ERR_UNSUPPORTED;
    if (next == HOP_BY_HOP && count > 0) return TW_ERR_ENCODING; /* section 4.1: in the first place alone */
    if (ip->len - at < EXTENSION_LEAST) return TW_ERR_TRUNCATED;
    const uint8_t *extension = packet + at;
    const uint32_t size = extension_size(next, extension);
    if (size > ip->len - at) return TW_ERR_TRUNCATED;
    if (next == FRAGMENT) {
      if (fragment_seen) return TW_ERR_ENCODING;
      fragment_seen = true;
      TW_TRY(parse_fragment6(extension, ip->len - at - size, &ip->part));
    }
    at += size;
    next = extension[0];
    ip->options = true;
  }
  ip->transport = (uint16_t)at; /* at most 40 + 8 * 2048 */
  ip->protocol = next;
  return TW_OK;
}

static tw_err parse6(tw_bytes packet, tw_ip *ip) {
  if (packet.len < TW_IP6_HEADER) return TW_ERR_TRUNCATED;
  const uint8_t *p = packet.ptr;
  const uint32_t len = TW_IP6_HEADER + (uint32_t)tw_get_u16(p + TW_IP6_LENGTH);
  if (len > packet.len) return TW_ERR_TRUNCATED;
  if (p[TW_IP6_SOURCE] == 0xff) return TW_ERR_ENCODING; /* RFC 4291 section 2.7 */
  tw_ip found = {
      .len = len,
      .version = 6,
      .traffic_class = (uint8_t)(tw_get_u16(p) >> 4),
      .multicast = p[TW_IP6_DESTINATION] == 0xff,
      .source = TW_BYTES(p + TW_IP6_SOURCE, 16),
      .destination = TW_BYTES(p + TW_IP6_DESTINATION, 16),
  };
  TW_TRY(walk_extensions(p, &found));
  *ip = found;
  return TW_OK;
}

tw_err tw_ip_parse(tw_bytes packet, tw_ip *ip) {
  if (packet.len == 0) return TW_ERR_TRUNCATED;
  switch (packet.ptr[0] >> 4) {
  case 4: return parse4(packet, ip);
  case 6: return parse6(packet, ip);
  default: return TW_ERR_UNSUPPORTED;
  }
}

bool tw_ip_header_is_intact(const uint8_t *packet, const tw_ip *ip) {
  return ip->version == 6 || tw_checksum(tw_sum(packet, ip->transport)) == 0;
}

bool tw_ip_is_broadcast_of(const tw_ip *ip, const uint8_t network[4], unsigned prefix) {
  if (ip->version != 4 || prefix > 30) return false; /* RFC 3021 section 2.1: 31 has none */
  const uint32_t host = 0xffffffff >> prefix;
  const uint32_t destination = tw_get_u32(ip->destination.ptr);
  return (destination | host) == (tw_get_u32(network) | host) && (destination & host) == host;
}

static void set_traffic_class(uint8_t *packet, tw_ip *ip, unsigned value) {
  const uint16_t before = tw_get_u16(packet);
  if (ip->version == 4) {
    const uint16_t after = (uint16_t)((before & 0xff00) | value);
    const uint16_t checksum = tw_get_u16(packet + TW_IP4_CHECKSUM);
    tw_put_u16(packet, after);
    tw_put_u16(packet + TW_IP4_CHECKSUM, tw_checksum_update(checksum, before, after));
  } else {
    tw_put_u16(packet, (uint16_t)((before & 0xf00f) | value << 4));
  }
  ip->traffic_class = (uint8_t)value;
}

void tw_ip_set_dscp(uint8_t *packet, tw_ip *ip, uint8_t dscp) {
  set_traffic_class(packet, ip, (dscp & 0x3fu) << 2 | (ip->traffic_class & 3u));
}

void tw_ip_set_ecn(uint8_t *packet, tw_ip *ip, tw_ecn ecn) {
  set_traffic_class(packet, ip, (ip->traffic_class & 0xfcu) | ((unsigned)ecn & 3u));
}

tw_err tw_ecn_decapsulate(tw_ecn outer, tw_ecn inner, tw_ecn *forwarded) {
  if (outer == TW_ECN_CE) {
    if (inner == TW_ECN_NOT_ECT) return TW_ERR_FORBIDDEN;
    *forwarded = TW_ECN_CE;
  } else if (outer == TW_ECN_ECT1 && inner == TW_ECN_ECT0) {
    *forwarded = TW_ECN_ECT1;
  } else {
    *forwarded = inner;
  }
  return TW_OK;
}

tw_err tw_ip_decapsulate_ecn(uint8_t *packet, tw_ip *ip, tw_ecn outer) {
  tw_ecn forwarded;
  TW_TRY(tw_ecn_decapsulate(outer, tw_ip_ecn(ip), &forwarded));
  if (forwarded != tw_ip_ecn(ip)) tw_ip_set_ecn(packet, ip, forwarded);
  return TW_OK;
}
