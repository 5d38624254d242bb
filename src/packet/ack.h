/* TCP acknowledgments that carry nothing else, and which of two says all. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_ACK_H
#define TW_PACKET_ACK_H

#include "packet/ip.h"

/**
 * Whether the packet that was parsed as `ip` is a TCP acknowledgment and nothing else: no fragment, no IP options or
 * extension headers; not ECN-capable; of all control bits, reserved ones among them, ACK alone; no data; no options but
 * one timestamp as RFC 7323 appendix A lays it out. So SACK blocks, ECN's echo (RFC 3168), AccECN's option and its
 * counter (RFC 9768), as long as that is not 0, make it another kind. Checksums are not looked at.
 */
bool tw_ack_is_plain(const uint8_t *packet, const tw_ip *ip);

/**
 * Whether the second of two plain acknowledgments of one flow leaves nothing to say for the first, which came before
 * it. `earlier` and `later` are their TCP headers. Acknowledgments are cumulative (RFC 9293 section 3.4): the later one
 * acknowledges more, neither of its timestamps goes back (so PAWS, RFC 7323 section 5, takes it where it took the
 * other), and sequence number and length are the same. False of keepalives, and of what repeats the first one.
 */
bool tw_ack_says_all(const uint8_t *earlier, const uint8_t *later);

/**
 * Whether the second of them acknowledges the same as the first: a duplicate, which is counted (RFC 5681 section 3.2),
 * or a window update.
 */
bool tw_ack_repeats(const uint8_t *earlier, const uint8_t *later);

#endif
