/* Where the fields of IP, TCP, UDP and ICMP headers are; the packet room's own. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_FIELDS_H
#define TW_PACKET_FIELDS_H

#include <stdint.h>

#include "codec/reader.h" /* tw_get_u16, tw_get_u32 */
#include "codec/writer.h" /* tw_put_u16, tw_put_u32 */

/* RFC 791 section 3.1 */
enum {
  TW_IP4_TOS = 1,
  TW_IP4_LENGTH = 2,
  TW_IP4_ID = 4,
  TW_IP4_FRAGMENT = 6,
  TW_IP4_TTL = 8,
  TW_IP4_PROTOCOL = 9,
  TW_IP4_CHECKSUM = 10,
  TW_IP4_SOURCE = 12,
  TW_IP4_DESTINATION = 16,

  TW_IP4_DF = 0x4000,
  TW_IP4_MF = 0x2000,
  TW_IP4_OFFSET = 0x1fff /* in units of 8 octets */
};

/* RFC 8200 section 3 */
enum { TW_IP6_LENGTH = 4, TW_IP6_NEXT = 6, TW_IP6_HOPS = 7, TW_IP6_SOURCE = 8, TW_IP6_DESTINATION = 24 };

/* RFC 9293 section 3.1 */
enum {
  TW_TCP_SEQUENCE = 4,
  TW_TCP_ACKNOWLEDGMENT = 8,
  TW_TCP_FLAGS = 12, /* 16 bits: data offset, reserved, control bits */
  TW_TCP_WINDOW = 14,
  TW_TCP_CHECKSUM = 16,
  TW_TCP_URGENT = 18,
  TW_TCP_HEADER = 20,

  TW_TCP_FIN = 0x01,
  TW_TCP_SYN = 0x02,
  TW_TCP_RST = 0x04,
  TW_TCP_PSH = 0x08,
  TW_TCP_ACK = 0x10,
  TW_TCP_URG = 0x20,
  TW_TCP_CWR = 0x80
};

/* RFC 768 */
enum { TW_UDP_LENGTH = 4, TW_UDP_CHECKSUM = 6, TW_UDP_HEADER = 8 };

/* The TCP header's length with options, of `len` bytes at `tcp`; 0: it has none that fits. */
static inline uint32_t tw_tcp_header_len(const uint8_t *tcp, uint32_t len) {
  if (len < TW_TCP_HEADER) return 0;
  const uint32_t header = (uint32_t)(tcp[TW_TCP_FLAGS] >> 4) * 4;
  return header >= TW_TCP_HEADER && header <= len ? header : 0;
}

#endif
