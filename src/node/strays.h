/* Datagrams that came to one thread and are another's. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_STRAYS_H
#define TW_NODE_STRAYS_H

#include "net/udp.h"

/*
 * Each pair of threads has a ring of its own, one way: one of them puts in and one takes out, and neither waits for the
 * other. What finds a full ring is dropped.
 *
 * The kernel shares datagrams out as they should be, but those that it has joined go to one thread together: what comes
 * from the relay for one SA behind what comes for another, and packets from both sides of a renewal of keys.
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
/** By the thread `to`: the oldest from one of the others, and the same until tw_strays_done; NULL: there is none. */
tw_stray *tw_strays_next(tw_strays *strays, unsigned to);
/** What tw_strays_next gave last is not used any more. */
void tw_strays_done(tw_strays *strays, unsigned to);

#endif
