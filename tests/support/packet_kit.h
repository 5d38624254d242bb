/* IP packets to test with, written and checked field by field in the plainest way. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PACKET_KIT_H
#define TW_TESTS_PACKET_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_ROOM = 40 + 65535, PACKET_TCP = 6, PACKET_UDP = 17 };

/* A TCP segment or UDP datagram. The payload is a stretch of a stream that `stream` names: byte n is always the same.
 */
typedef struct packet_spec {
  unsigned version;  /* 4 or 6 */
  unsigned protocol; /* PACKET_TCP or PACKET_UDP */
  uint8_t from, to;  /* last bytes of the addresses */
  uint16_t source_port, destination_port;
  uint8_t traffic_class, hop_limit;
  uint16_t id; /* IPv4 */
  bool may_fragment;
  uint32_t flow_label; /* IPv6 */
  uint32_t sequence, acknowledgment;
  uint8_t flags; /* control bits of TCP */
  uint16_t window, urgent;
  size_t tcp_options; /* bytes, 4 * n */
  uint8_t tcp_option; /* what they are filled with */
  size_t ip_options;  /* bytes, 4 * n: NOPs; for IPv6 8 * n: a destination options header of padding */
  uint32_t stream;
  size_t at, payload; /* the stretch: where it begins, bytes */
} packet_spec;

/* A flow's data: ACK, no options, DF. */
packet_spec packet_plain(unsigned version, unsigned protocol, size_t payload);
/* The n-th segment of `size` payload bytes of a super-packet, as RFC 9293 has it and Linux numbers it. */
packet_spec packet_segment(const packet_spec *super, size_t size, size_t n);
/* Writes the packet with all checksums right; returns its length. */
size_t packet_write(const packet_spec *spec, uint8_t *out);
size_t packet_len(const packet_spec *spec);
size_t packet_transport(const packet_spec *spec); /* offset */
size_t packet_headers(const packet_spec *spec);   /* bytes of all of them */
/* Where the transport's checksum is. */
size_t packet_checksum_at(const packet_spec *spec);
/* The pseudo header's sum in the place of the transport's checksum, as the kernel leaves it with NEEDS_CSUM. */
void packet_leave_checksum(const packet_spec *spec, uint8_t *packet);
/* Makes both checksums anew, after a change to the packet. */
void packet_make_checksums(const packet_spec *spec, uint8_t *packet);

/* 16-bit words added up with end-around carry, beginning with `sum`; not complemented. */
uint16_t packet_plain_sum(uint16_t sum, const uint8_t *ptr, size_t len);

/* Repeatable dice. */
uint32_t packet_dice(uint64_t *state);

#endif
