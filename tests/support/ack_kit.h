/* TCP acknowledgments with a timestamp. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_ACK_KIT_H
#define TW_TESTS_ACK_KIT_H

#include "codec/writer.h"
#include "packet_kit.h"

typedef struct ack_spec {
  packet_spec packet;     /* without payload; tcp_options: 0, or 12 for a timestamp */
  uint32_t stamp, echoed; /* TSval, TSecr: RFC 7323 section 3.2 */
} ack_spec;

static inline ack_spec ack_plain(unsigned version, bool stamped) {
  ack_spec ack = {.packet = packet_plain(version, PACKET_TCP, 0), .stamp = 1000, .echoed = 2000};
  ack.packet.tcp_options = stamped ? 12 : 0;
  return ack;
}

/* The n-th of acknowledgments that each say more, and wrap around: 0 is the first. */
static inline ack_spec ack_number(const ack_spec *first, uint32_t n) {
  ack_spec ack = *first;
  ack.packet.acknowledgment += n * 64704;
  ack.packet.window = (uint16_t)(ack.packet.window + n);
  ack.packet.id = (uint16_t)(ack.packet.id + 7 * n);
  ack.stamp += n / 2;
  ack.echoed += n;
  return ack;
}

/* Writes the packet with all checksums right; returns its length. */
static inline size_t ack_write(const ack_spec *ack, uint8_t *out) {
  const size_t len = packet_write(&ack->packet, out);
  if (ack->packet.tcp_options != 12) return len;
  uint8_t *options = out + packet_transport(&ack->packet) + 20;
  static const uint8_t layout[] = {1, 1, 8, 10};
  for (size_t i = 0; i < sizeof layout; i++) options[i] = layout[i];
  tw_put_u32(options + 4, ack->stamp);
  tw_put_u32(options + 8, ack->echoed);
  packet_make_checksums(&ack->packet, out);
  return len;
}

#endif
