/* The Internet checksum: RFC 1071, RFC 1624. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_CHECKSUM_H
#define TW_PACKET_CHECKSUM_H

#include <treewire/bytes.h>

/*
 * A *sum* is the one's complement sum of 16-bit big-endian words, as a number. Sums of pieces may be added with "+",
 * as many as fit into 64 bits, and so may be 16-bit fields; tw_sum_fold brings them to 16 bits, tw_checksum makes a
 * checksum of them. All pieces but the last need an even length. Zero comes as 0 or 0xffff.
 */

/** The sum of `len` bytes, 0 … 0xffff. The last byte of an odd number counts as the upper half of a word. */
uint32_t tw_sum(const uint8_t *ptr, size_t len);

/** Copies `len` bytes, which do not overlap, and sums them in the same pass. */
uint32_t tw_sum_copy(uint8_t *to, const uint8_t *from, size_t len);

/** The sum of a pseudo header: addresses of 4 (RFC 9293 section 3.1) or 16 bytes (RFC 8200 section 8.1). */
uint32_t tw_sum_pseudo(tw_bytes source, tw_bytes destination, uint8_t protocol, uint32_t length);

/** 0 … 0xffff; 0 of 0 alone. */
static inline uint16_t tw_sum_fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

/** What to add to take `field` out of a sum. */
static inline uint32_t tw_sum_minus(uint16_t field) { return (uint16_t)~field; }

/** What goes into a checksum field that was 0 in the sum. Data with a right checksum in it gives 0. */
static inline uint16_t tw_checksum(uint64_t sum) { return (uint16_t)~tw_sum_fold(sum); }

/** The same for UDP, whose 0 says that there is none (RFC 768, RFC 8200 section 8.1). */
static inline uint16_t tw_checksum_not_zero(uint64_t sum) {
  const uint16_t checksum = tw_checksum(sum);
  return checksum == 0 ? 0xffff : checksum;
}

/** `checksum` after a word that it covers has changed from `before` to `after`: RFC 1624 section 3, equation 3. */
static inline uint16_t tw_checksum_update(uint16_t checksum, uint16_t before, uint16_t after) {
  return tw_checksum((uint64_t)tw_sum_minus(checksum) + tw_sum_minus(before) + after);
}

#endif
