/* IP addresses and prefixes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PREFIX_H
#define TW_NODE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <treewire/bytes.h>

enum { TW_PREFIX_TEXT = 46 + 4 }; /* INET6_ADDRSTRLEN with the end, "/128" */

/** An address with the length of its prefix. Unused bytes are 0, so that equal ones are equal bytes. */
typedef struct tw_prefix {
  uint8_t family;      /* 4 or 6 */
  uint8_t length;      /* bits: at most 32 or 128 */
  uint8_t address[16]; /* network byte order; of IPv4 the first 4 */
} tw_prefix;

/** "ADDRESS/BITS", or "ADDRESS" alone for all bits. Bits behind the prefix are kept. False: it is none. */
bool tw_prefix_parse(tw_bytes text, tw_prefix *prefix);
/** `out` has room for TW_PREFIX_TEXT. */
void tw_prefix_format(const tw_prefix *prefix, char *out);

/** Bits of an address of that family: 32 or 128. */
static inline unsigned tw_prefix_bits(const tw_prefix *prefix) { return prefix->family == 4 ? 32 : 128; }
/** With the bits behind the prefix 0: the network. */
tw_prefix tw_prefix_network(const tw_prefix *prefix);
/** With them 1, as a prefix of all bits: the last address, in IPv4 that for broadcast. */
tw_prefix tw_prefix_last(const tw_prefix *prefix);
/** The address alone, as a prefix of all bits. */
tw_prefix tw_prefix_host(const tw_prefix *prefix);
/** Whether all of `inner` is in `outer`. */
bool tw_prefix_contains(const tw_prefix *outer, const tw_prefix *inner);
/** By family, address, length: a prefix comes before those that it contains. As memcmp's result. */
int tw_prefix_compare(const tw_prefix *a, const tw_prefix *b);

#endif
