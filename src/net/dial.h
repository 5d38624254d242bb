/* Resolving a host and connecting to it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_DIAL_H
#define TW_NET_DIAL_H

#include "net/address.h"
#include "net/watch.h"

/** `fd` is a connected, non-blocking TCP socket, the caller's from now on; or -1, and `report` says why. */
typedef void (*tw_dial_done)(void *ctx, int fd, const tw_report *report);
typedef void (*tw_dial_freed)(void *ctx);

typedef struct tw_dial tw_dial;

/**
 * Try the host's addresses one after the other, each for `timeout_ms`. `done` is called once, later. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_dial_start(uv_loop_t *loop, const tw_address *address, uint64_t timeout_ms, tw_dial_done done,
                                 void *ctx, tw_dial **dial);
/** `done` is not called any more. The object frees itself, after `done` as well as after this. NULL is fine. */
void tw_dial_cancel(tw_dial *dial);

/** The options that every TCP socket of ours has: no delay, keepalive, an end to unacknowledged data. Best effort. */
void tw_socket_prepare(int fd);
/** "address:port" of a socket's other (or own) side, "?" if it cannot be told. `out` has room for TW_ADDRESS_TEXT. */
void tw_socket_peer_text(int fd, char *out);
void tw_socket_local_text(int fd, char *out);

#endif
