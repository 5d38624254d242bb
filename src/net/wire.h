/* Bytes from and to a socket that does not block. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_WIRE_H
#define TW_NET_WIRE_H

#include <sys/types.h>

#include "net/link.h"

enum { TW_WIRE_ROUNDS = 8 /* reads of one side before others have their turn */ };

/** Whether errno `error` only means that nothing moves for now. */
bool tw_wire_would_block(int error);
/** As read and write, but for EINTR. */
ssize_t tw_wire_read(int fd, uint8_t *ptr, size_t len);
ssize_t tw_wire_write(int fd, tw_bytes bytes);
/** The link's output, as far as the socket takes it. 0, or errno of a socket that takes nothing any more. */
int tw_wire_flush(const tw_link *link, int fd);
/** Drop what still comes; false at its end. */
bool tw_wire_drain(int fd);
/** Whoever is told nothing else is told by a reset: the close that follows is one. */
void tw_wire_reset_at_close(int fd);

/** Milliseconds since 1970 by the wall clock. */
uint64_t tw_wall_ms(void);
/**
 * How long to wait after `tries` tries that failed: double from the first to the most; each is drawn from its upper
 * half, so that those who lost the same peer do not all come back in the same moment.
 */
uint64_t tw_backoff_ms(uint64_t first_ms, uint64_t most_ms, unsigned tries);

#endif
