/* Super-packets into segments: what a network card does with TSO and USO. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_SPLIT_H
#define TW_PACKET_SPLIT_H

#include "packet/ip.h"
#include "packet/offload.h"

enum {
  TW_SPLIT_HEADER_MAX = 512,   /* bytes of IP, extension and transport headers; Linux makes less than 400 */
  TW_SPLIT_TCP_SIZE_LEAST = 8, /* gso_size of TCP: what Linux's smallest MSS, 48, leaves beside 40 bytes of options */
  TW_SPLIT_UDP_SEGMENTS_MAX = 128 /* as Linux (UDP_MAX_SEGMENTS) */
};

/**
 * Walks over the segments of one packet. Each is written straight to where the caller wants it, in one pass that copies
 * and sums: into a slot with room for outer headers in front of it and a tag behind. Borrows the packet. The fields are
 * this room's, but `count` and `largest`.
 */
typedef struct tw_split {
  uint32_t count;   /* segments, at least 1 */
  uint32_t largest; /* bytes of the largest: the room that tw_split_next wants */

  const uint8_t *packet;
  tw_offload offload;
  uint32_t len;       /* of the packet */
  uint32_t header;    /* bytes repeated in front of each segment */
  uint32_t size;      /* payload bytes of each segment but the last */
  uint32_t index;     /* of the next one */
  uint16_t transport; /* offset */
  uint8_t version;
  uint8_t protocol;
  bool checksum;         /* of the transport header is to be made: not for UDP over IPv4 without one */
  uint32_t ip_sum;       /* of what all segments have alike in their IPv4 headers */
  uint32_t protocol_sum; /* in their pseudo and transport headers */
} tw_split;

/**
 * `packet` was parsed as `ip`, and came with `offload`. A packet that is not to be split is a single segment; its
 * checksum is made if that was left to us, and of its headers nothing else is looked at.
 * Otherwise segments have, after RFC 9293 and as Linux does it: lengths of their own; IPv4 identifications that go up
 * by one; TCP sequence numbers; FIN and PSH in the last alone, CWR in the first; checksums. TW_ERR_UNSUPPORTED: another
 * gso_type, or headers over TW_SPLIT_HEADER_MAX; TW_ERR_ENCODING: the offload and the packet contradict each other, or
 * break the limits above; TW_ERR_TRUNCATED: the transport header is not all there. Drop the packet then.
 */
TW_MUST_USE tw_err tw_split_begin(tw_split *split, const uint8_t *packet, const tw_ip *ip, const tw_offload *offload);

/** Writes the next segment, at most `largest` bytes, to `out`, and returns its length; 0 after the last. */
size_t tw_split_next(tw_split *split, uint8_t *out);

#endif
