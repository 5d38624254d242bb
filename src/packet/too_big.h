/* What is said about a path's MTU to who sends through the tunnel. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_TOO_BIG_H
#define TW_PACKET_TOO_BIG_H

#include "packet/ip.h"

enum {
  TW_TOO_BIG_ROOM = 1280,     /* bytes that tw_too_big_make writes at most */
  TW_TOO_BIG_MTU_LEAST4 = 68, /* RFC 791 section 3.2 */
  TW_TOO_BIG_MTU_LEAST6 = 1280
};

/**
 * The ICMP error that tells the sender of `packet`, parsed as `ip`, that it is larger than `mtu` bytes: Destination
 * Unreachable, fragmentation needed and DF set (RFC 792, RFC 1191 section 4), or Packet Too Big (RFC 4443 section 3.2).
 * It goes to the packet's source; it comes from `from`, of 4 or 16 bytes, or without bytes from the packet's
 * destination, which a TUN device's host takes where it would refuse one of its own addresses. `out` has
 * TW_TOO_BIG_ROOM bytes; `*len` is what was written. The packet's checksums need not be complete. How often is the
 * caller's (RFC 4443 section 2.4 f, RFC 1812 section 4.3.2.8).
 * TW_ERR_FORBIDDEN: this packet may have no error: an ICMP error itself or something unknown in ICMP, a later fragment,
 * IPv4 to a group or without DF (it would have to be fragmented), a source that is no single host, or, without `from`,
 * a destination that is none. TW_ERR_ARGUMENT: `mtu` is below what the IP version has at least, or `from` is of the
 * other one. Drop the packet then, in silence.
 */
TW_MUST_USE tw_err tw_too_big_make(const uint8_t *packet, const tw_ip *ip, uint32_t mtu, tw_bytes from,
                                   uint8_t out[TW_TOO_BIG_ROOM], size_t *len);

/**
 * Lowers the MSS of a TCP SYN to what fits into `mtu` bytes with headers without options (RFC 9293 section 3.7.1, RFC
 * 6691), and its checksum with it, which has to be complete: after tw_split or tw_offload_finish. True: it was changed.
 * All else, a SYN without the option included, stays as it is.
 */
bool tw_mss_lower(uint8_t *packet, const tw_ip *ip, uint32_t mtu);

#endif
