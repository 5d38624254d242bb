/* A checked view of an IP packet, and its DSCP and ECN: RFC 791, RFC 8200, RFC 6040. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_IP_H
#define TW_PACKET_IP_H

#include <treewire/bytes.h>

enum {
  TW_IP4_HEADER = 20, /* bytes without options */
  TW_IP6_HEADER = 40,
  TW_IP_PACKET_MAX = TW_IP6_HEADER + 65535, /* bytes; jumbograms (RFC 2675) are refused */
  TW_IP_EXTENSIONS_MAX = 8,                 /* IPv6 extension headers that are gone through (RFC 8504 section 5.3) */

  TW_IP_ICMP = 1, /* protocol numbers */
  TW_IP_TCP = 6,
  TW_IP_UDP = 17,
  TW_IP_ICMP6 = 58
};

typedef enum tw_ip_part {
  TW_IP_WHOLE = 0,
  TW_IP_FIRST_FRAGMENT, /* its transport header is here */
  TW_IP_LATER_FRAGMENT  /* what lies at `transport` is data */
} tw_ip_part;

/** What tw_ip_parse found. Borrows from the packet; holds as long as the packet's headers stay as they are. */
typedef struct tw_ip {
  uint32_t len;          /* of the packet by its header, bytes; what follows in the buffer is padding (RFC 4303 2.7) */
  uint16_t transport;    /* offset of what follows the IP header, its options and extension headers */
  uint8_t version;       /* 4 or 6 */
  uint8_t protocol;      /* of what lies at `transport` */
  uint8_t traffic_class; /* DSCP and ECN */
  bool options;          /* there are IPv4 options or IPv6 extension headers */
  bool multicast;        /* the destination is a multicast address */
  bool broadcast;        /* the destination is 255.255.255.255 */
  tw_ip_part part;
  tw_bytes source, destination; /* 4 or 16 bytes each */
} tw_ip;

/**
 * The packet at the beginning of `packet`: lengths, fragment fields and extension headers agree with each other and
 * with the buffer, the source is no multicast or broadcast address. The header's checksum is not looked at (see
 * tw_ip_header_is_intact), what lies at `transport` neither. `*ip` is written on success only. TW_ERR_TRUNCATED: the
 * buffer, or the packet by its own length, ends inside of a header; TW_ERR_ENCODING: values that contradict each other;
 * TW_ERR_UNSUPPORTED: another version, or more extension headers than TW_IP_EXTENSIONS_MAX. Drop the packet then.
 */
TW_MUST_USE tw_err tw_ip_parse(tw_bytes packet, tw_ip *ip);

/** Whether the IPv4 header's checksum is right; true of IPv6, which has none. `packet` is the one that was parsed. */
bool tw_ip_header_is_intact(const uint8_t *packet, const tw_ip *ip);

/** Whether an IPv4 destination is the directed broadcast address of `network`/`prefix`; never with prefixes over 30. */
bool tw_ip_is_broadcast_of(const tw_ip *ip, const uint8_t network[4], unsigned prefix);

/* ---- DSCP (RFC 2474) and ECN (RFC 3168) ---- */

/* The ECN field's values: RFC 3168 section 5. */
typedef enum tw_ecn { TW_ECN_NOT_ECT = 0, TW_ECN_ECT1 = 1, TW_ECN_ECT0 = 2, TW_ECN_CE = 3 } tw_ecn;

static inline uint8_t tw_ip_dscp(const tw_ip *ip) { return ip->traffic_class >> 2; }
static inline tw_ecn tw_ip_ecn(const tw_ip *ip) { return (tw_ecn)(ip->traffic_class & 3); }

/** Set DSCP (0 … 63) or ECN in the packet that was parsed and in its view; an IPv4 header's checksum follows. */
void tw_ip_set_dscp(uint8_t *packet, tw_ip *ip, uint8_t dscp);
void tw_ip_set_ecn(uint8_t *packet, tw_ip *ip, tw_ecn ecn);

/**
 * What the inner packet's ECN becomes at the tunnel's end: RFC 6040 section 4.2, figure 4. TW_ERR_FORBIDDEN: congestion
 * was experienced by a packet that cannot say so; drop it. (At the tunnel's beginning the outer field is a copy of the
 * inner one, section 4.1.)
 */
TW_MUST_USE tw_err tw_ecn_decapsulate(tw_ecn outer, tw_ecn inner, tw_ecn *forwarded);
/** The same, applied to a packet that was parsed. */
TW_MUST_USE tw_err tw_ip_decapsulate_ecn(uint8_t *packet, tw_ip *ip, tw_ecn outer);

#endif
