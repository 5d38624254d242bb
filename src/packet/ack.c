/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/ack.h"

#include <string.h>

#include "packet/fields.h"

/* RFC 7323 appendix A: two NOPs, kind 8, ten bytes; TSval, TSecr */
enum { STAMP = TW_TCP_HEADER, STAMP_VALUE = STAMP + 4, STAMP_ECHO = STAMP + 8, WITH_STAMP = STAMP + 12 };
static const uint8_t stamp_layout[] = {1, 1, 8, 10};

/* The flags' field of a header of so many bytes that has ACK alone. */
static uint16_t plain_flags(uint32_t header) { return (uint16_t)(header / 4 << 12 | TW_TCP_ACK); }

bool tw_ack_is_plain(const uint8_t *packet, const tw_ip *ip) {
  if (ip->protocol != TW_IP_TCP || ip->part != TW_IP_WHOLE || ip->options || tw_ip_ecn(ip) != TW_ECN_NOT_ECT)
    return false;
  const uint8_t *tcp = packet + ip->transport;
  const uint32_t len = ip->len - ip->transport;
  if (len != TW_TCP_HEADER && len != WITH_STAMP) return false;
  if (tw_get_u16(tcp + TW_TCP_FLAGS) != plain_flags(len)) return false;
  return len == TW_TCP_HEADER || memcmp(tcp + STAMP, stamp_layout, sizeof stamp_layout) == 0;
}

bool tw_ack_repeats(const uint8_t *earlier, const uint8_t *later) {
  return tw_get_u32(earlier + TW_TCP_ACKNOWLEDGMENT) == tw_get_u32(later + TW_TCP_ACKNOWLEDGMENT);
}

/* How far the second of two numbers is ahead, on a circle (RFC 9293 section 3.4): negative if it is behind. */
static int32_t ahead(const uint8_t *from, const uint8_t *to) { return (int32_t)(tw_get_u32(to) - tw_get_u32(from)); }

bool tw_ack_says_all(const uint8_t *earlier, const uint8_t *later) {
  /* The data offset is one of the flags. */
  const uint16_t flags = tw_get_u16(earlier + TW_TCP_FLAGS);
  if (tw_get_u16(later + TW_TCP_FLAGS) != flags) return false;
  if (tw_get_u32(later + TW_TCP_SEQUENCE) != tw_get_u32(earlier + TW_TCP_SEQUENCE)) return false;
  if (ahead(earlier + TW_TCP_ACKNOWLEDGMENT, later + TW_TCP_ACKNOWLEDGMENT) <= 0) return false;
  if (flags == plain_flags(TW_TCP_HEADER)) return true;
  return ahead(earlier + STAMP_VALUE, later + STAMP_VALUE) >= 0 && ahead(earlier + STAMP_ECHO, later + STAMP_ECHO) >= 0;
}
