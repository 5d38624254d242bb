/* Listening for TCP connections. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_ACCEPT_H
#define TW_NET_ACCEPT_H

#include "net/dial.h"

/** `fd` is a new, non-blocking connection, the callee's from now on. */
typedef void (*tw_accept_new)(void *ctx, int fd);
/** Accepting pauses for a moment for want of descriptors or memory; `why` is errno. Called once a minute at most. */
typedef void (*tw_accept_short)(void *ctx, int why);

enum { TW_ACCEPT_SOCKETS = 8 }; /* addresses that one name is bound to, at most */

/** In its owner; zero-initialised is closed. */
typedef struct tw_acceptor {
  struct tw_accept_socket {
    tw_watch watch;
    struct tw_acceptor *owner;
    int fd;
  } sockets[TW_ACCEPT_SOCKETS];
  int count;
  uv_loop_t *loop;
  uv_timer_t pause;
  bool pausing;
  uint64_t quiet_until; /* uv_now: of further pauses nobody is told before */
  bool is_open;
  bool limited; /* tw_acceptor_pause was called */
  tw_accept_new accepted;
  tw_accept_short fell_short;
  void *ctx;
} tw_acceptor;

/** Bind and listen at all addresses of a name (blocks while it is resolved). TW_ERR_STATE with a report. */
TW_MUST_USE tw_err tw_acceptor_open(tw_acceptor *acceptor, uv_loop_t *loop, const tw_address *address,
                                    tw_accept_new accepted, tw_accept_short fell_short, void *ctx, tw_report *report);
/** The address that the n-th socket is bound to, as text; false past the last. `out` has room for TW_ADDRESS_TEXT. */
bool tw_acceptor_address(const tw_acceptor *acceptor, int index, char *out);
/** Accept nothing, or again, until told otherwise. */
void tw_acceptor_pause(tw_acceptor *acceptor, bool pause);
/** Stop listening. The memory is used until the loop has run once more. */
void tw_acceptor_close(tw_acceptor *acceptor);

#endif
