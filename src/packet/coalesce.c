/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/coalesce.h"

#include <string.h>

#include "packet/ack.h"
#include "packet/checksum.h"
#include "packet/fields.h"

/* A packet that could be appended, or have others appended. */
typedef struct candidate {
  uint8_t *packet;
  const tw_ip *ip;
  uint32_t header; /* bytes of all headers */
  uint32_t payload;
  uint32_t hash;
  bool first;     /* others may be appended */
  bool more;      /* may be appended */
  bool ack;       /* may take the place of one before it */
  bool gives_way; /* itself */
} candidate;

typedef enum kind {
  ALONE,     /* of no flow that is coalesced */
  BARRIER,   /* may belong to any flow: none goes on */
  CANDIDATE, /* of one flow */
} kind;

/* ---- flows ---- */

static uint64_t mix(uint64_t hash, const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Who finds collisions gains nothing: flows are compared, and TW_COALESCE_FLOWS are all that there are. */
static uint32_t hash_of(const uint8_t *packet, const tw_ip *ip) {
  uint64_t hash = tw_get_u32(packet + ip->transport) ^ (uint64_t)ip->protocol << 32;
  for (size_t at = 0; at < 2 * ip->source.len; at += 8) hash = mix(hash, ip->source.ptr + at);
  return (uint32_t)(hash >> 32);
}

/* Addresses and ports; source and destination lie side by side. */
static bool is_of(const tw_coalesced *to, const candidate *c) {
  if (to->version != c->ip->version || to->protocol != c->ip->protocol) return false;
  const size_t at = to->version == 4 ? TW_IP4_SOURCE : TW_IP6_SOURCE;
  return memcmp(to->packet + at, c->packet + at, 2 * c->ip->source.len) == 0 &&
         memcmp(to->packet + to->transport, c->packet + c->ip->transport, 4) == 0;
}

static bool flow_is(const tw_coalesce *batch, uint32_t flow, const candidate *c) {
  return batch->flows[flow].hash == c->hash && is_of(&batch->packets[batch->flows[flow].packet], c);
}

/* The number of the candidate's flow, or flow_count. */
static uint32_t find_flow(const tw_coalesce *batch, const candidate *c) {
  if (batch->recent < batch->flow_count && flow_is(batch, batch->recent, c)) return batch->recent;
  uint32_t flow = 0;
  while (flow < batch->flow_count && !flow_is(batch, flow, c)) flow++;
  return flow;
}

static uint32_t new_flow(tw_coalesce *batch) {
  if (batch->flow_count < TW_COALESCE_FLOWS) return batch->flow_count++;
  const uint32_t flow = batch->flow_next;
  batch->flow_next = (flow + 1) % TW_COALESCE_FLOWS;
  return flow;
}

/* ---- what a packet can be ---- */

static kind judge_tcp(candidate *c, const uint8_t *tcp, uint32_t len) {
  const uint32_t header = tw_tcp_header_len(tcp, len);
  if (header == 0) return BARRIER;
  c->header = c->ip->transport + header;
  c->payload = len - header;
  const uint8_t flags = tcp[TW_TCP_FLAGS + 1];
  const bool plain = c->payload > 0 && (flags & TW_TCP_ACK) != 0 &&
                     (flags & (TW_TCP_SYN | TW_TCP_RST | TW_TCP_URG)) == 0;
  c->first = plain && c->payload >= TW_COALESCE_TCP_PAYLOAD_LEAST && (flags & (TW_TCP_FIN | TW_TCP_PSH)) == 0;
  c->more = plain && (flags & TW_TCP_CWR) == 0; /* splitting gives CWR to the first alone */
  return CANDIDATE;
}

static kind judge_udp(candidate *c, const uint8_t *udp, uint32_t len) {
  if (len < TW_UDP_HEADER) return BARRIER;
  c->header = c->ip->transport + TW_UDP_HEADER;
  c->payload = len - TW_UDP_HEADER;
  c->first = c->payload > 0 && tw_get_u16(udp + TW_UDP_LENGTH) == len && tw_get_u16(udp + TW_UDP_CHECKSUM) != 0;
  c->more = c->first;
  return CANDIDATE;
}

static kind judge(const tw_coalesce *batch, candidate *c) {
  const tw_ip *ip = c->ip;
  /* The protocol of a later fragment may be that of an extension header. */
  if (ip->part != TW_IP_WHOLE) return BARRIER;
  if (!(ip->protocol == TW_IP_TCP && (batch->what & TW_COALESCE_TCP) != 0) &&
      !(ip->protocol == TW_IP_UDP && (batch->what & TW_COALESCE_UDP) != 0))
    return ALONE;
  if (ip->options) return BARRIER;
  const uint8_t *transport = c->packet + ip->transport;
  const uint32_t len = ip->len - ip->transport;
  const kind found = ip->protocol == TW_IP_TCP ? judge_tcp(c, transport, len) : judge_udp(c, transport, len);
  if (found == CANDIDATE) c->hash = hash_of(c->packet, ip);
  return found;
}

/* ---- whether one continues the other ---- */

/* Addresses and ports aside, which make the flow. */
static bool ip_is_alike(const tw_coalesced *to, const candidate *c) {
  const uint8_t *a = to->packet;
  const uint8_t *b = c->packet;
  if (to->version == 6) /* version, traffic class, flow label; hop limit */
    return memcmp(a, b, 4) == 0 && a[TW_IP6_HOPS] == b[TW_IP6_HOPS];
  return a[TW_IP4_TOS] == b[TW_IP4_TOS] && a[TW_IP4_TTL] == b[TW_IP4_TTL] &&
         memcmp(a + TW_IP4_FRAGMENT, b + TW_IP4_FRAGMENT, 2) == 0;
}

static bool ip_continues(const tw_coalesced *to, const candidate *c) {
  const uint8_t *a = to->packet;
  const uint8_t *b = c->packet;
  if (!ip_is_alike(to, c)) return false;
  return to->version == 6 || (tw_get_u16(a + TW_IP4_FRAGMENT) & TW_IP4_DF) != 0 ||
         tw_get_u16(b + TW_IP4_ID) == (uint16_t)(tw_get_u16(a + TW_IP4_ID) + to->count);
}

static bool tcp_continues(const tw_coalesced *to, const candidate *c) {
  const uint8_t *a = to->packet + to->transport;
  const uint8_t *b = c->packet + c->ip->transport;
  const uint32_t expected = tw_get_u32(a + TW_TCP_SEQUENCE) + (to->len - to->header);
  /* The data offset is one of the flags: options have the same length. */
  const unsigned flags = (unsigned)tw_get_u16(a + TW_TCP_FLAGS) ^ tw_get_u16(b + TW_TCP_FLAGS);
  return tw_get_u32(b + TW_TCP_SEQUENCE) == expected &&
         (flags & ~(unsigned)(TW_TCP_FIN | TW_TCP_PSH | TW_TCP_CWR)) == 0 &&
         memcmp(a + TW_TCP_ACKNOWLEDGMENT, b + TW_TCP_ACKNOWLEDGMENT, 4) == 0 &&
         memcmp(a + TW_TCP_WINDOW, b + TW_TCP_WINDOW, 2) == 0 && memcmp(a + TW_TCP_URGENT, b + TW_TCP_URGENT, 2) == 0 &&
         memcmp(a + TW_TCP_HEADER, b + TW_TCP_HEADER, (size_t)to->header - to->transport - TW_TCP_HEADER) == 0;
}

static bool is_intact(const uint8_t *packet, const tw_ip *ip) {
  const uint32_t len = ip->len - ip->transport;
  const uint32_t pseudo = tw_sum_pseudo(ip->source, ip->destination, ip->protocol, len);
  return tw_ip_header_is_intact(packet, ip) && tw_checksum((uint64_t)pseudo + tw_sum(packet + ip->transport, len)) == 0;
}

/* Only when something follows it; a packet that stays alone goes out as it is, for the kernel to judge. */
static bool first_is_intact(tw_coalesced *to) {
  tw_ip ip;
  if (!to->verified)
    to->verified = tw_ip_parse(TW_BYTES(to->packet, to->first_len), &ip) == TW_OK && is_intact(to->packet, &ip);
  return to->verified;
}

static bool continues(tw_coalesced *to, const candidate *c) {
  const unsigned most = to->protocol == TW_IP_UDP ? TW_COALESCE_UDP_PIECES : TW_COALESCE_PIECES;
  if (!to->open || !c->more || c->payload > to->first_len - to->header) return false;
  if (to->count >= most || to->len + c->payload > TW_COALESCE_LEN_MAX) return false;
  if (!ip_continues(to, c) || (to->protocol == TW_IP_TCP && !tcp_continues(to, c))) return false;
  return first_is_intact(to) && is_intact(c->packet, c->ip);
}

/* Checksums of what gives way do not matter: it would have been dropped for a wrong one. */
static bool supersedes(const tw_coalesced *to, const candidate *c) {
  return to->gives_way && c->ack && ip_is_alike(to, c) &&
         tw_ack_says_all(to->packet + to->transport, c->packet + c->ip->transport) && is_intact(c->packet, c->ip);
}

/* ---- the batch ---- */

static void append(tw_coalesce *batch, tw_coalesced *to, const candidate *c) {
  const uint16_t index = (uint16_t)batch->piece_count++;
  batch->pieces[index] = (tw_coalesce_piece){c->packet + c->header, c->payload, 0};
  if (to->count == 1)
    to->next = index;
  else
    batch->pieces[to->last].next = index;
  to->last = index;
  to->count++;
  to->len += c->payload;
  if (to->protocol == TW_IP_TCP) to->end = c->packet[c->ip->transport + TW_TCP_FLAGS + 1] & (TW_TCP_FIN | TW_TCP_PSH);
  to->open = c->payload == to->first_len - to->header && to->end == 0;
}

static void put(tw_coalesce *batch, const candidate *c) {
  batch->packets[batch->count++] = (tw_coalesced){
      .packet = c->packet,
      .first_len = c->ip->len,
      .len = c->ip->len,
      .header = (uint16_t)c->header,
      .transport = c->ip->transport,
      .count = 1,
      .version = c->ip->version,
      .protocol = c->ip->protocol,
      .open = c->first,
      .ack = c->ack,
      .gives_way = c->gives_way,
  };
}

void tw_coalesce_begin(tw_coalesce *batch, unsigned what) {
  batch->what = what;
  batch->count = batch->piece_count = 0;
  batch->flow_count = batch->flow_next = batch->recent = 0;
}

/* Of those that repeat others none gives way: how many there are says something, too. */
static bool may_give_way(const tw_coalesced *before, const candidate *c) {
  return !before->ack || !tw_ack_repeats(before->packet + before->transport, c->packet + c->ip->transport);
}

/* To what came of its flow before it, or in the place of that. */
static bool join(tw_coalesce *batch, uint32_t flow, const candidate *c) {
  tw_coalesced *to = &batch->packets[batch->flows[flow].packet];
  batch->recent = flow;
  if (supersedes(to, c)) {
    to->packet = c->packet;
    return true;
  }
  if (!continues(to, c)) return false;
  append(batch, to, c);
  return true;
}

static tw_err add(tw_coalesce *batch, candidate *c) {
  if (batch->count + batch->piece_count >= TW_COALESCE_BATCH) return TW_ERR_LIMIT;
  const kind found = judge(batch, c);
  if (found == BARRIER) batch->flow_count = 0;
  if (found != CANDIDATE) {
    put(batch, c);
    return TW_OK;
  }
  uint32_t flow = find_flow(batch, c);
  if (flow < batch->flow_count && join(batch, flow, c)) return TW_OK;
  c->gives_way = c->ack && (flow == batch->flow_count || may_give_way(&batch->packets[batch->flows[flow].packet], c));
  /* What nothing can follow needs a place only to take that of its flow. */
  if (flow < batch->flow_count || c->first || c->ack) {
    if (flow == batch->flow_count) flow = new_flow(batch);
    batch->flows[flow].hash = c->hash;
    batch->flows[flow].packet = (uint16_t)batch->count;
    batch->recent = flow;
  }
  put(batch, c);
  return TW_OK;
}

tw_err tw_coalesce_add(tw_coalesce *batch, uint8_t *packet, const tw_ip *ip) {
  candidate c = {.ip = ip};
  c.packet = packet;
  return add(batch, &c);
}

tw_err tw_coalesce_add_ack(tw_coalesce *batch, uint8_t *packet, const tw_ip *ip) {
  candidate c = {.ip = ip, .ack = tw_ack_is_plain(packet, ip)};
  c.packet = packet;
  return add(batch, &c);
}

static void rewrite_ip(const tw_coalesced *from) {
  uint8_t *packet = from->packet;
  if (from->version == 6) {
    tw_put_u16(packet + TW_IP6_LENGTH, (uint16_t)(from->len - TW_IP6_HEADER));
    return;
  }
  const uint16_t before = tw_get_u16(packet + TW_IP4_LENGTH);
  const uint16_t checksum = tw_get_u16(packet + TW_IP4_CHECKSUM);
  tw_put_u16(packet + TW_IP4_LENGTH, (uint16_t)from->len);
  tw_put_u16(packet + TW_IP4_CHECKSUM, tw_checksum_update(checksum, before, (uint16_t)from->len));
}

static void rewrite_transport(const tw_coalesced *from) {
  uint8_t *transport = from->packet + from->transport;
  const uint16_t len = (uint16_t)(from->len - from->transport);
  const size_t address = from->version == 4 ? 4 : 16;
  const uint8_t *source = from->packet + (from->version == 4 ? TW_IP4_SOURCE : TW_IP6_SOURCE);
  const uint32_t pseudo = tw_sum_pseudo(TW_BYTES(source, address), TW_BYTES(source + address, address), from->protocol,
                                        len);
  if (from->protocol == TW_IP_TCP) {
    transport[TW_TCP_FLAGS + 1] |= from->end;
    tw_put_u16(transport + TW_TCP_CHECKSUM, (uint16_t)pseudo);
  } else {
    tw_put_u16(transport + TW_UDP_LENGTH, len);
    tw_put_u16(transport + TW_UDP_CHECKSUM, (uint16_t)pseudo);
  }
}

static tw_offload offload_of(const tw_coalesced *from) {
  const bool tcp = from->protocol == TW_IP_TCP;
  uint8_t type = TW_OFFLOAD_UDP;
  if (tcp) {
    type = from->version == 4 ? TW_OFFLOAD_TCP4 : TW_OFFLOAD_TCP6;
    if ((from->packet[from->transport + TW_TCP_FLAGS + 1] & TW_TCP_CWR) != 0) type |= TW_OFFLOAD_ECN;
  }
  return (tw_offload){
      .flags = TW_OFFLOAD_NEEDS_CSUM,
      .gso_type = type,
      .hdr_len = from->header,
      .gso_size = (uint16_t)(from->first_len - from->header),
      .csum_start = from->transport,
      .csum_offset = tcp ? TW_TCP_CHECKSUM : TW_UDP_CHECKSUM,
  };
}

size_t tw_coalesce_take(tw_coalesce *batch, size_t index, tw_offload *offload, tw_bytes pieces[TW_COALESCE_PIECES]) {
  const tw_coalesced *from = &batch->packets[index];
  pieces[0] = TW_BYTES(from->packet, from->first_len);
  *offload = (tw_offload){0};
  if (from->count == 1) return 1;
  rewrite_ip(from);
  rewrite_transport(from);
  *offload = offload_of(from);
  uint16_t next = from->next;
  for (unsigned n = 1; n < from->count; n++) {
    pieces[n] = TW_BYTES(batch->pieces[next].ptr, batch->pieces[next].len);
    next = batch->pieces[next].next;
  }
  return from->count;
}
