/* Datagrams that came to one thread and are another's. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_STRAYS_H
#define TW_NODE_STRAYS_H

#include "net/udp.h"

/*
 * Each pair of threads has a ring of its own, one way: one of them puts in and one takes out, and neither waits for the
 * other. What finds a full ring is dropped.
 *
 * The kernel shares datagrams out as they should be, but those that it has joined go to one thread together: what comes
 * from the relay from one sender behind what comes from another.
 */
enum { TW_STRAYS_RING = 256 }; /* datagrams; a power of two */

typedef struct tw_strays tw_strays;

typedef struct tw_stray {
  tw_udp_address from;
  uint8_t tos;
  size_t len;
  uint8_t *datagram; /* may be changed in place */
} tw_stray;

/** For `threads` (up to 16), and datagrams of up to `size` bytes. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_strays_new(const tw_alloc *alloc, unsigned threads, size_t size, tw_strays **strays);
/** NULL is fine. Wipes. */
void tw_strays_free(tw_strays *strays);
/** By the thread `by`: copied, for `to`. False: there is no room, or it is too large. */
bool tw_strays_put(tw_strays *strays, unsigned by, unsigned to, tw_bytes datagram, const tw_udp_address *from,
                   uint8_t tos);
/** By the thread `to`: how many there are from one of the others, of whom each has its turn; 0: there are none. */
size_t tw_strays_waiting(tw_strays *strays, unsigned to);
/** The n-th of these, the oldest first; n is below what tw_strays_waiting gave last. */
tw_stray *tw_strays_at(tw_strays *strays, unsigned to, size_t n);
/** The first `count` of these are not used any more. */
void tw_strays_done(tw_strays *strays, unsigned to, size_t count);

#endif
