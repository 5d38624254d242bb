/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include "link.h"

#include <string.h>

enum { SOURCE = 12, DESTINATION = 16, ICMP = 1, TCP = 6, UDP = 17 };

static size_t header_size(const uint8_t *ip) { return (size_t)(ip[0] & 15) * 4; }

bool packet_parse(struct packet *packet, uint8_t *ip, size_t len, bool whole) {
  *packet = (struct packet){.ip = ip};
  if (len < PACKET_HEADER || ip[0] >> 4 != 4) return false;
  const size_t header = header_size(ip);
  if (header < PACKET_HEADER || header + 8 > len) return false;
  packet->body = packet->source_port = ip + header;
  packet->destination_port = packet->body + 2;
  switch (ip[9]) {
  case UDP:
    packet->kind = PACKET_UDP;
    packet->sum = packet->body + 6;
    return true;
  case TCP:
    packet->kind = PACKET_TCP;
    packet->sum = len - header >= 20 ? packet->body + 16 : NULL;
    return !whole || packet->sum != NULL;
  case ICMP:
    packet->kind = PACKET_ICMP;
    packet->sum = packet->body + 2;
    packet->source_port = packet->destination_port = packet->body + 4;
    return packet->body[0] == 8 || packet->body[0] == 0;
  default: return false;
  }
}

bool packet_is_icmp_error(const uint8_t *ip, size_t len) {
  const size_t header = len >= PACKET_HEADER ? header_size(ip) : 0;
  return header >= PACKET_HEADER && len >= header + 8 + PACKET_HEADER + 8 && ip[9] == ICMP &&
         (ip[header] == 3 || ip[header] == 11 || ip[header] == 12);
}

struct endpoint packet_source(const struct packet *packet) {
  return (struct endpoint){.address = link_get32(packet->ip + SOURCE), .port = link_get16(packet->source_port)};
}

struct endpoint packet_destination(const struct packet *packet) {
  return (struct endpoint){.address = link_get32(packet->ip + DESTINATION),
                           .port = link_get16(packet->destination_port)};
}

/* The address stands at `at`. */
static void rewrite(const struct packet *packet, size_t at, uint8_t *port, struct endpoint to) {
  uint8_t before[6];
  uint8_t after[6];
  memcpy(before, packet->ip + at, 4);
  memcpy(before + 4, port, 2);
  link_put32(after, to.address);
  link_put16(after + 4, to.port);
  memcpy(packet->ip + at, after, 4);
  memcpy(port, after + 4, 2);
  link_sum_adjust(packet->ip + 10, before, after, 4);
  if (packet->sum == NULL) return;
  if (packet->kind == PACKET_ICMP) { /* no pseudo-header */
    link_sum_adjust(packet->sum, before + 4, after + 4, 2);
  } else if (packet->kind == PACKET_TCP || link_get16(packet->sum) != 0) {
    link_sum_adjust(packet->sum, before, after, 6);
    if (packet->kind == PACKET_UDP && link_get16(packet->sum) == 0) link_put16(packet->sum, 0xffff);
  }
}

void packet_set_source(const struct packet *packet, struct endpoint to) {
  rewrite(packet, SOURCE, packet->source_port, to);
}

void packet_set_destination(const struct packet *packet, struct endpoint to) {
  rewrite(packet, DESTINATION, packet->destination_port, to);
}
