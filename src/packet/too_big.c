/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/too_big.h"

#include <string.h>

#include "packet/checksum.h"
#include "packet/fields.h"

enum {
  ICMP_HEADER = 8,
  ICMP_CHECKSUM = 2,
  ICMP_ECHO_REPLY = 0,
  ICMP_UNREACHABLE = 3,
  ICMP_FRAGMENTATION_NEEDED = 4, /* code */
  ICMP_NEXT_HOP_MTU = 6,
  ICMP_ECHO = 8,
  ICMP_TIMESTAMP = 13,
  ICMP_TIMESTAMP_REPLY = 14,
  ICMP6_TOO_BIG = 2,
  ICMP6_MTU = 4,
  ICMP6_REDIRECT = 137,
  ICMP6_INFORMATIONAL = 128, /* and above: RFC 4443 section 2.1 */

  ROOM4 = 576,            /* RFC 1812 section 4.3.2.3 */
  TTL = 64,               /* RFC 1700 */
  INTERNET_CONTROL = 0xc0 /* RFC 1812 section 4.3.2.5: precedence 6 */
};

/* RFC 1122 section 3.2.2, RFC 4443 section 2.4 e: none about errors and redirects; of ICMPv4 what is known to be none.
 */
static bool is_icmp_error(const uint8_t *packet, const tw_ip *ip) {
  if (ip->protocol != TW_IP_ICMP && ip->protocol != TW_IP_ICMP6) return false;
  if (ip->len <= ip->transport) return true;
  const uint8_t type = packet[ip->transport];
  if (ip->protocol == TW_IP_ICMP6) return type < ICMP6_INFORMATIONAL || type == ICMP6_REDIRECT;
  return type != ICMP_ECHO && type != ICMP_ECHO_REPLY && type != ICMP_TIMESTAMP && type != ICMP_TIMESTAMP_REPLY;
}

static bool is_one_host(tw_bytes address) {
  static const uint8_t none[16] = {0};
  const uint8_t *a = address.ptr;
  if (address.len == 4) return a[0] != 0 && a[0] != 127 && a[0] < 224;
  return a[0] != 0xff && memcmp(a, none, 15) != 0; /* neither :: nor ::1, nor anything beside them */
}

/* Multicast is an exception for Packet Too Big alone: RFC 4443 section 2.4 e. */
static bool may_have_error(const uint8_t *packet, const tw_ip *ip) {
  if (ip->part == TW_IP_LATER_FRAGMENT || is_icmp_error(packet, ip) || !is_one_host(ip->source)) return false;
  if (ip->version == 6) return true;
  return is_one_host(ip->destination) && (tw_get_u16(packet + TW_IP4_FRAGMENT) & TW_IP4_DF) != 0;
}

static void put_ip4(uint8_t *out, size_t len, tw_bytes from, tw_bytes to) {
  memset(out, 0, TW_IP4_HEADER);
  out[0] = 0x45;
  out[TW_IP4_TOS] = INTERNET_CONTROL;
  tw_put_u16(out + TW_IP4_LENGTH, (uint16_t)len);
  tw_put_u16(out + TW_IP4_FRAGMENT, TW_IP4_DF);
  out[TW_IP4_TTL] = TTL;
  out[TW_IP4_PROTOCOL] = TW_IP_ICMP;
  memcpy(out + TW_IP4_SOURCE, from.ptr, 4);
  memcpy(out + TW_IP4_DESTINATION, to.ptr, 4);
  tw_put_u16(out + TW_IP4_CHECKSUM, tw_checksum(tw_sum(out, TW_IP4_HEADER)));
}

static void put_ip6(uint8_t *out, size_t len, tw_bytes from, tw_bytes to) {
  memset(out, 0, TW_IP6_HEADER);
  out[0] = 0x60;
  tw_put_u16(out + TW_IP6_LENGTH, (uint16_t)(len - TW_IP6_HEADER));
  out[TW_IP6_NEXT] = TW_IP_ICMP6;
  out[TW_IP6_HOPS] = TTL;
  memcpy(out + TW_IP6_SOURCE, from.ptr, 16);
  memcpy(out + TW_IP6_DESTINATION, to.ptr, 16);
}

/*
 * struct { uint8 type = 3, code = 4; uint16 checksum, unused = 0, next_hop_mtu; opaque packet[]; }, RFC 1191 section 4
 * struct { uint8 type = 2, code = 0; uint16 checksum; uint32 mtu; opaque packet[]; }, RFC 4443 section 3.2
 */
tw_err tw_too_big_make(const uint8_t *packet, const tw_ip *ip, uint32_t mtu, tw_bytes from,
                       uint8_t out[TW_TOO_BIG_ROOM], size_t *len) {
  const bool four = ip->version == 4;
  if (from.len == 0) from = ip->destination;
  if (from.len != ip->source.len) return TW_ERR_ARGUMENT;
  if (mtu < (four ? TW_TOO_BIG_MTU_LEAST4 : TW_TOO_BIG_MTU_LEAST6)) return TW_ERR_ARGUMENT;
  if (!may_have_error(packet, ip) || !is_one_host(from)) return TW_ERR_FORBIDDEN;

  const size_t header = four ? TW_IP4_HEADER : TW_IP6_HEADER;
  const size_t room = (four ? ROOM4 : TW_TOO_BIG_ROOM) - header - ICMP_HEADER;
  const size_t quoted = ip->len < room ? ip->len : room;
  const size_t size = header + ICMP_HEADER + quoted;
  uint8_t *icmp = out + header;
  memset(icmp, 0, ICMP_HEADER);
  memcpy(icmp + ICMP_HEADER, packet, quoted);
  uint64_t sum = 0;
  if (four) {
    put_ip4(out, size, from, ip->source);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_FRAGMENTATION_NEEDED;
    tw_put_u16(icmp + ICMP_NEXT_HOP_MTU, (uint16_t)(mtu < 0xffff ? mtu : 0xffff));
  } else {
    put_ip6(out, size, from, ip->source);
    icmp[0] = ICMP6_TOO_BIG;
    tw_put_u32(icmp + ICMP6_MTU, mtu);
    sum = tw_sum_pseudo(from, ip->source, TW_IP_ICMP6, (uint32_t)(size - header));
  }
  tw_put_u16(icmp + ICMP_CHECKSUM, tw_checksum(sum + tw_sum(icmp, size - header)));
  *len = size;
  return TW_OK;
}

/* ---- MSS ---- */

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MSS_SIZE = 4 };

/* The offset of the MSS's value from the TCP header's start; 0: there is none. RFC 9293 section 3.2 */
static uint32_t find_mss(const uint8_t *tcp, uint32_t header) {
  uint32_t at = TW_TCP_HEADER;
  while (at < header && tcp[at] != OPTION_END) {
    if (tcp[at] == OPTION_NOP) {
      at++;
      continue;
    }
    if (header - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > header - at) return 0;
    if (tcp[at] == OPTION_MSS) return tcp[at + 1] == OPTION_MSS_SIZE ? at + 2 : 0;
    at += tcp[at + 1];
  }
  return 0;
}

static uint16_t swapped(uint16_t value) { return (uint16_t)(value << 8 | value >> 8); }

bool tw_mss_lower(uint8_t *packet, const tw_ip *ip, uint32_t mtu) {
  if (ip->protocol != TW_IP_TCP || ip->part == TW_IP_LATER_FRAGMENT) return false;
  uint8_t *tcp = packet + ip->transport;
  const uint32_t header = tw_tcp_header_len(tcp, ip->len - ip->transport);
  if (header == 0 || (tcp[TW_TCP_FLAGS + 1] & TW_TCP_SYN) == 0) return false;
  const uint32_t at = find_mss(tcp, header);
  const uint32_t headers = (ip->version == 4 ? TW_IP4_HEADER : TW_IP6_HEADER) + (uint32_t)TW_TCP_HEADER;
  if (at == 0 || mtu <= headers) return false;
  const uint16_t before = tw_get_u16(tcp + at);
  if (before <= mtu - headers) return false;
  const uint16_t after = (uint16_t)(mtu - headers);
  tw_put_u16(tcp + at, after);
  /* At an odd offset the bytes count the other way round: RFC 1071 section 2 B. */
  const bool odd = at % 2 != 0;
  const uint16_t checksum = tw_get_u16(tcp + TW_TCP_CHECKSUM);
  tw_put_u16(tcp + TW_TCP_CHECKSUM,
             tw_checksum_update(checksum, odd ? swapped(before) : before, odd ? swapped(after) : after));
  return true;
}
