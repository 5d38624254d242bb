/* rtnetlink (rtnetlink(7)): requests and answers, bounds-checked. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_NETLINK_H
#define TW_NET_NETLINK_H

#include <stdbool.h>
#include <sys/types.h>

#include <treewire/bytes.h>

#include "net/report.h"

/*
 * Why not libmnl: what it would save are the loops over messages and attributes, fifty lines; the rest, what goes into
 * a request and what its errors mean, is left to its users. It trusts the kernel's lengths where we check them.
 */
enum {
  TW_NETLINK_REQUEST_MAX = 512,
  TW_NETLINK_ANSWER_MAX = 32768, /* bytes of one read: as much as a kernel puts together at most */
  TW_NETLINK_WORDS_MAX = 120
};

/* ---- a request ---- */

/** Fixed room, so that it cannot fail half-way: what does not fit is remembered and told by tw_netlink_ask. */
typedef struct tw_netlink_request {
  _Alignas(4) uint8_t bytes[TW_NETLINK_REQUEST_MAX];
  size_t len;
  bool too_long;
} tw_netlink_request;

/** Begin a message of `type` with its fixed structure (ifinfomsg, ifaddrmsg, rtmsg). NLM_F_REQUEST is added. */
void tw_netlink_begin(tw_netlink_request *request, uint16_t type, uint16_t flags, const void *fixed, size_t len);
/** One attribute. */
void tw_netlink_put(tw_netlink_request *request, uint16_t type, tw_bytes value);
void tw_netlink_put_u32(tw_netlink_request *request, uint16_t type, uint32_t value);
/** A nested attribute, open until it is closed with the mark that this returns. */
size_t tw_netlink_open_nest(tw_netlink_request *request, uint16_t type);
void tw_netlink_close_nest(tw_netlink_request *request, size_t mark);

/* ---- an answer ---- */

typedef struct tw_netlink_message {
  uint16_t type;
  uint16_t flags;
  uint32_t sequence;
  tw_bytes body;
} tw_netlink_message;

/** The next message of `*rest`, borrowed. TW_ERR_TRUNCATED: its length is none that fits. Ends when rest is empty. */
TW_MUST_USE tw_err tw_netlink_next_message(tw_bytes *rest, tw_netlink_message *message);
/** The next attribute likewise; flags of the type (nested, byte order) are taken off. */
TW_MUST_USE tw_err tw_netlink_next_attribute(tw_bytes *rest, uint16_t *type, tw_bytes *value);
/** A fixed structure from the front of `*rest` into `out`; TW_ERR_TRUNCATED. */
TW_MUST_USE tw_err tw_netlink_take(tw_bytes *rest, void *out, size_t len);
/** A number of 4 bytes in this machine's order; 0 when it has another size. */
uint32_t tw_netlink_u32(tw_bytes value);

/* ---- asking ---- */

/** The system calls in use; tests put a kernel of their own in their place. */
typedef struct tw_netlink_calls {
  ssize_t (*send)(int fd, const void *bytes, size_t len);
  ssize_t (*receive)(int fd, void *bytes, size_t size); /* one datagram of the kernel's; truncated: more than size */
} tw_netlink_calls;

/** In its owner; zero-initialised is closed. For one thread. */
typedef struct tw_netlink {
  int fd;
  bool is_open;
  uint32_t sequence;
  const tw_netlink_calls *calls;
  int refused;                      /* errno of the kernel's last refusal, 0: none */
  char words[TW_NETLINK_WORDS_MAX]; /* what the kernel said to it, or "" */
  _Alignas(4) uint8_t answer[TW_NETLINK_ANSWER_MAX];
} tw_netlink;

/** `calls` NULL: the system's. TW_ERR_STATE with a report. */
TW_MUST_USE tw_err tw_netlink_open(tw_netlink *netlink, const tw_netlink_calls *calls, tw_report *report);
void tw_netlink_close(tw_netlink *netlink);

/** Called for each message of an answer; an error of it ends up as that of tw_netlink_ask. */
typedef tw_err (*tw_netlink_visit)(void *ctx, const tw_netlink_message *message);
/**
 * Send a request and read the answer to its end. `visit` NULL: the answer is done or not done. Errors:
 * TW_ERR_STATE: refused, see `refused` and `words`, or the socket failed (then refused is 0).
 * TW_ERR_TRUNCATED, TW_ERR_ENCODING: an answer that does not parse. TW_ERR_LIMIT: request too long.
 * TW_ERR_PENDING: what was listed changed meanwhile; forget what was visited and ask again.
 */
TW_MUST_USE tw_err tw_netlink_ask(tw_netlink *netlink, tw_netlink_request *request, tw_netlink_visit visit, void *ctx);

#endif
