/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_kit.h"

#include <string.h>

enum { FIN = 0x01, PSH = 0x08, ACK = 0x10, CWR = 0x80, DESTINATION_OPTIONS = 60 };

packet_spec packet_plain(unsigned version, unsigned protocol, size_t payload) {
  return (packet_spec){
      .version = version,
      .protocol = protocol,
      .from = 1,
      .to = 2,
      .source_port = 40000,
      .destination_port = 443,
      .hop_limit = 64,
      .id = 0x1234,
      .sequence = 0x11223344,
      .acknowledgment = 0x55667788,
      .flags = ACK,
      .window = 501,
      .stream = 1,
      .payload = payload,
  };
}

packet_spec packet_segment(const packet_spec *super, size_t size, size_t n) {
  packet_spec segment = *super;
  const size_t at = n * size;
  const bool last = super->payload <= at + size;
  segment.at += at;
  segment.payload = last ? super->payload - at : size;
  segment.id = (uint16_t)(super->id + n);
  segment.sequence = (uint32_t)(super->sequence + at);
  if (!last) segment.flags &= (uint8_t) ~(FIN | PSH);
  if (n > 0) segment.flags &= (uint8_t)~CWR;
  return segment;
}

size_t packet_transport(const packet_spec *spec) { return (spec->version == 4 ? 20 : 40) + spec->ip_options; }

size_t packet_headers(const packet_spec *spec) {
  return packet_transport(spec) + (spec->protocol == PACKET_TCP ? 20 + spec->tcp_options : 8);
}

size_t packet_len(const packet_spec *spec) { return packet_headers(spec) + spec->payload; }

size_t packet_checksum_at(const packet_spec *spec) {
  return packet_transport(spec) + (spec->protocol == PACKET_TCP ? 16 : 6);
}

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
  return at + bytes;
}

static uint8_t *put_address(uint8_t *at, unsigned version, uint8_t last) {
  static const uint8_t four[4] = {10, 66, 0, 0};
  static const uint8_t six[16] = {0xfd, 0x42, 0x33, 0x01};
  const size_t len = version == 4 ? sizeof four : sizeof six;
  memcpy(at, version == 4 ? four : six, len);
  at[len - 1] = last;
  return at + len;
}

static uint8_t *put_ip4(const packet_spec *spec, uint8_t *at) {
  at = put(at, 0x40 | (5 + spec->ip_options / 4), 1);
  at = put(at, spec->traffic_class, 1);
  at = put(at, packet_len(spec), 2);
  at = put(at, spec->id, 2);
  at = put(at, spec->may_fragment ? 0 : 0x4000, 2);
  at = put(at, spec->hop_limit, 1);
  at = put(at, spec->protocol, 1);
  at = put(at, 0, 2);
  at = put_address(at, 4, spec->from);
  at = put_address(at, 4, spec->to);
  memset(at, 1, spec->ip_options);
  return at + spec->ip_options;
}

static uint8_t *put_ip6(const packet_spec *spec, uint8_t *at) {
  at = put(at, 6u << 28 | (uint32_t)spec->traffic_class << 20 | spec->flow_label, 4);
  at = put(at, packet_len(spec) - 40, 2);
  at = put(at, spec->ip_options > 0 ? DESTINATION_OPTIONS : spec->protocol, 1);
  at = put(at, spec->hop_limit, 1);
  at = put_address(at, 6, spec->from);
  at = put_address(at, 6, spec->to);
  if (spec->ip_options > 0) {
    memset(at, 0, spec->ip_options);
    at[0] = (uint8_t)spec->protocol;
    at[1] = (uint8_t)(spec->ip_options / 8 - 1);
  }
  return at + spec->ip_options;
}

static uint8_t *put_transport(const packet_spec *spec, uint8_t *at) {
  at = put(at, spec->source_port, 2);
  at = put(at, spec->destination_port, 2);
  if (spec->protocol == PACKET_UDP) {
    at = put(at, 8 + spec->payload, 2);
    return put(at, 0, 2);
  }
  at = put(at, spec->sequence, 4);
  at = put(at, spec->acknowledgment, 4);
  at = put(at, (5 + spec->tcp_options / 4) << 4, 1);
  at = put(at, spec->flags, 1);
  at = put(at, spec->window, 2);
  at = put(at, 0, 2);
  at = put(at, spec->urgent, 2);
  memset(at, spec->tcp_option, spec->tcp_options);
  return at + spec->tcp_options;
}

size_t packet_write(const packet_spec *spec, uint8_t *out) {
  uint8_t *at = spec->version == 4 ? put_ip4(spec, out) : put_ip6(spec, out);
  at = put_transport(spec, at);
  for (size_t i = 0; i < spec->payload; i++) {
    const uint32_t n = (uint32_t)(spec->at + i);
    at[i] = (uint8_t)((n * 0x9e3779b1u + spec->stream * 0x85ebca6bu) >> 13);
  }
  packet_make_checksums(spec, out);
  return packet_len(spec);
}

uint16_t packet_plain_sum(uint16_t sum, const uint8_t *ptr, size_t len) {
  uint32_t wide = sum;
  for (size_t i = 0; i < len; i += 2) {
    wide += (uint32_t)ptr[i] << 8 | (i + 1 < len ? ptr[i + 1] : 0u);
    if (wide > 0xffff) wide -= 0xffff;
  }
  return (uint16_t)wide;
}

static uint16_t pseudo_sum(const packet_spec *spec, const uint8_t *packet) {
  const size_t len = packet_len(spec) - packet_transport(spec);
  uint8_t pseudo[40];
  uint8_t *at = pseudo;
  const size_t addresses = spec->version == 4 ? 8 : 32;
  memcpy(at, packet + (spec->version == 4 ? 12 : 8), addresses);
  at = put(at + addresses, spec->version == 4 ? spec->protocol : len, spec->version == 4 ? 2 : 4);
  at = put(at, spec->version == 4 ? len : spec->protocol, spec->version == 4 ? 2 : 4);
  return packet_plain_sum(0, pseudo, (size_t)(at - pseudo));
}

void packet_leave_checksum(const packet_spec *spec, uint8_t *packet) {
  put(packet + packet_checksum_at(spec), pseudo_sum(spec, packet), 2);
}

void packet_make_checksums(const packet_spec *spec, uint8_t *packet) {
  const size_t transport = packet_transport(spec);
  put(packet + packet_checksum_at(spec), 0, 2);
  uint16_t sum = packet_plain_sum(pseudo_sum(spec, packet), packet + transport, packet_len(spec) - transport);
  sum = (uint16_t)~sum;
  put(packet + packet_checksum_at(spec), sum == 0 && spec->protocol == PACKET_UDP ? 0xffff : sum, 2);
  if (spec->version == 4) {
    put(packet + 10, 0, 2);
    put(packet + 10, (uint16_t)~packet_plain_sum(0, packet, transport), 2);
  }
}

uint32_t packet_dice(uint64_t *state) { /* splitmix64 */
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)(z >> 32);
}
