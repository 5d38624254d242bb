/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/split.h"

#include <string.h>

#include "packet/checksum.h"
#include "packet/fields.h"

static uint16_t checksum_at(uint8_t protocol) { return protocol == TW_IP_TCP ? TW_TCP_CHECKSUM : TW_UDP_CHECKSUM; }

/* Which protocol a gso_type stands for, of which IP version; 0: none that is known. */
static uint8_t protocol_of(uint8_t gso_type, uint8_t version) {
  switch (gso_type) {
  case TW_OFFLOAD_TCP4:
  case TW_OFFLOAD_TCP4 | TW_OFFLOAD_ECN: return version == 4 ? TW_IP_TCP : 0;
  case TW_OFFLOAD_TCP6:
  case TW_OFFLOAD_TCP6 | TW_OFFLOAD_ECN: return version == 6 ? TW_IP_TCP : 0;
  case TW_OFFLOAD_UDP: return TW_IP_UDP;
  default: return 0;
  }
}

static bool is_known(uint8_t gso_type) {
  const uint8_t kind = gso_type & (uint8_t)~TW_OFFLOAD_ECN;
  return kind == TW_OFFLOAD_TCP4 || kind == TW_OFFLOAD_TCP6 || gso_type == TW_OFFLOAD_UDP;
}

/* The transport header's length; and what of it forbids splitting. */
static tw_err check_tcp(const tw_split *split, const uint8_t *tcp, uint32_t len, uint32_t *header) {
  *header = tw_tcp_header_len(tcp, len);
  if (*header == 0) return TW_ERR_TRUNCATED;
  if (split->size < TW_SPLIT_TCP_SIZE_LEAST) return TW_ERR_ENCODING;
  /* SYN takes a sequence number, and neither of them is sent in pieces. */
  if (len - *header > split->size && (tcp[TW_TCP_FLAGS + 1] & (TW_TCP_SYN | TW_TCP_RST)) != 0) return TW_ERR_ENCODING;
  return TW_OK;
}

static tw_err check_udp(const tw_split *split, const uint8_t *udp, uint32_t len, uint32_t *header) {
  *header = TW_UDP_HEADER;
  if (len < TW_UDP_HEADER) return TW_ERR_TRUNCATED;
  if (tw_get_u16(udp + TW_UDP_LENGTH) != len) return TW_ERR_ENCODING;
  if (split->size == 0 || (len - TW_UDP_HEADER + split->size - 1) / split->size > TW_SPLIT_UDP_SEGMENTS_MAX)
    return TW_ERR_ENCODING;
  return TW_OK;
}

static tw_err check(tw_split *split, const tw_ip *ip) {
  if (!is_known(split->offload.gso_type)) return TW_ERR_UNSUPPORTED;
  const uint8_t protocol = protocol_of(split->offload.gso_type, ip->version);
  if (ip->part != TW_IP_WHOLE || protocol == 0 || protocol != ip->protocol) return TW_ERR_ENCODING;
  const uint8_t *transport = split->packet + ip->transport;
  const uint32_t len = ip->len - ip->transport;
  uint32_t header;
  TW_TRY(ip->protocol == TW_IP_TCP ? check_tcp(split, transport, len, &header)
                                   : check_udp(split, transport, len, &header));
  split->header = ip->transport + header;
  if (split->header > TW_SPLIT_HEADER_MAX) return TW_ERR_UNSUPPORTED;
  if ((split->offload.flags & TW_OFFLOAD_NEEDS_CSUM) != 0) {
    if (split->offload.csum_start != ip->transport || split->offload.csum_offset != checksum_at(ip->protocol))
      return TW_ERR_ENCODING;
  } else if (ip->options) {
    return TW_ERR_UNSUPPORTED; /* the pseudo header may have the destination at the end of a source route */
  }
  return TW_OK;
}

/*
 * What all segments have alike: the sum over headers without the fields that set_* below write. With NEEDS_CSUM the
 * checksum's field holds the pseudo header's sum, with the packet's length in it; so routing headers are no matter.
 */
static void sum_headers(tw_split *split, const tw_ip *ip) {
  const uint8_t *packet = split->packet;
  const uint8_t *transport = packet + ip->transport;
  const uint16_t len = (uint16_t)(ip->len - ip->transport);
  const uint16_t checksum = tw_get_u16(transport + checksum_at(ip->protocol));
  if (ip->version == 4) {
    const uint64_t sum = (uint64_t)tw_sum(packet, ip->transport) + tw_sum_minus(tw_get_u16(packet + TW_IP4_LENGTH)) +
                         tw_sum_minus(tw_get_u16(packet + TW_IP4_ID)) +
                         tw_sum_minus(tw_get_u16(packet + TW_IP4_CHECKSUM));
    split->ip_sum = tw_sum_fold(sum);
  }
  uint64_t sum = tw_sum(transport, split->header - ip->transport);
  if ((split->offload.flags & TW_OFFLOAD_NEEDS_CSUM) != 0)
    sum += tw_sum_minus(len);
  else
    sum += (uint64_t)tw_sum_minus(checksum) + tw_sum_pseudo(ip->source, ip->destination, ip->protocol, 0);
  if (ip->protocol == TW_IP_TCP) {
    sum += (uint64_t)tw_sum_minus(tw_get_u16(transport + TW_TCP_SEQUENCE)) +
           tw_sum_minus(tw_get_u16(transport + TW_TCP_SEQUENCE + 2)) +
           tw_sum_minus(tw_get_u16(transport + TW_TCP_FLAGS));
  } else {
    sum += tw_sum_minus(len);
    split->checksum = checksum != 0 || (split->offload.flags & TW_OFFLOAD_NEEDS_CSUM) != 0 || ip->version == 6;
  }
  split->protocol_sum = tw_sum_fold(sum);
}

tw_err tw_split_begin(tw_split *split, const uint8_t *packet, const tw_ip *ip, const tw_offload *offload) {
  TW_TRY(tw_offload_check(offload, ip->len));
  tw_split next = {
      .count = 1,
      .largest = ip->len,
      .packet = packet,
      .offload = *offload,
      .len = ip->len,
      .size = offload->gso_size,
      .transport = ip->transport,
      .version = ip->version,
      .protocol = ip->protocol,
      .checksum = true,
  };
  if (offload->gso_type != TW_OFFLOAD_NONE) {
    TW_TRY(check(&next, ip));
    const uint32_t payload = ip->len - next.header;
    if (payload > next.size) {
      next.count = (payload + next.size - 1) / next.size;
      next.largest = next.header + next.size;
    }
    sum_headers(&next, ip);
  }
  *split = next;
  return TW_OK;
}

static void set_ip(const tw_split *split, uint8_t *out, uint32_t len) {
  if (split->version == 6) {
    tw_put_u16(out + TW_IP6_LENGTH, (uint16_t)(len - TW_IP6_HEADER));
    return;
  }
  const uint16_t id = (uint16_t)(tw_get_u16(split->packet + TW_IP4_ID) + split->index);
  tw_put_u16(out + TW_IP4_LENGTH, (uint16_t)len);
  tw_put_u16(out + TW_IP4_ID, id);
  tw_put_u16(out + TW_IP4_CHECKSUM, tw_checksum((uint64_t)split->ip_sum + len + id));
}

/* `sum` is of the payload. */
static void set_tcp(const tw_split *split, uint8_t *tcp, uint32_t len, uint64_t sum) {
  const uint32_t sequence = tw_get_u32(tcp + TW_TCP_SEQUENCE) + split->index * split->size;
  uint16_t flags = tw_get_u16(tcp + TW_TCP_FLAGS);
  if (split->index > 0) flags &= (uint16_t)~TW_TCP_CWR;
  if (split->index + 1 < split->count) flags &= (uint16_t) ~(TW_TCP_FIN | TW_TCP_PSH);
  sum += (uint64_t)split->protocol_sum + len + (sequence >> 16) + (sequence & 0xffff) + flags;
  tw_put_u32(tcp + TW_TCP_SEQUENCE, sequence);
  tw_put_u16(tcp + TW_TCP_FLAGS, flags);
  tw_put_u16(tcp + TW_TCP_CHECKSUM, tw_checksum(sum));
}

static void set_udp(const tw_split *split, uint8_t *udp, uint32_t len, uint64_t sum) {
  sum += (uint64_t)split->protocol_sum + len + len; /* in the pseudo header and in the header */
  tw_put_u16(udp + TW_UDP_LENGTH, (uint16_t)len);
  tw_put_u16(udp + TW_UDP_CHECKSUM, split->checksum ? tw_checksum_not_zero(sum) : 0);
}

size_t tw_split_next(tw_split *split, uint8_t *out) {
  if (split->index == split->count) return 0;
  if (split->offload.gso_type == TW_OFFLOAD_NONE) {
    memcpy(out, split->packet, split->len);
    (void)!tw_offload_finish(out, split->len, &split->offload); /* was checked at the beginning */
    split->index++;
    return split->len;
  }
  const uint32_t at = split->header + split->index * split->size;
  const uint32_t left = split->len - at;
  const uint32_t payload = left < split->size ? left : split->size;
  const uint32_t len = split->header + payload;
  memcpy(out, split->packet, split->header);
  const uint32_t sum = tw_sum_copy(out + split->header, split->packet + at, payload);
  set_ip(split, out, len);
  if (split->protocol == TW_IP_TCP)
    set_tcp(split, out + split->transport, len - split->transport, sum);
  else
    set_udp(split, out + split->transport, len - split->transport, sum);
  split->index++;
  return len;
}
