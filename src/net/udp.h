/* A UDP socket that takes and gives datagrams by the batch (Linux). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_UDP_H
#define TW_NET_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <treewire/bytes.h>

#include "net/report.h"

enum {
  TW_UDP_SLOTS_MAX = 1024,
  TW_UDP_DATAGRAM_MAX = 65507,     /* bytes of payload by IPv4, of which a coalesced slot has no more either */
  TW_UDP_SLOT_SIZE = 65535,        /* bytes of room for whatever one slot can be handed with UDP_GRO */
  TW_UDP_SEGMENTS = 64,            /* datagrams in one slot: the kernel's UDP_MAX_SEGMENTS of 4.18 and later */
  TW_UDP_SHARE_MAX = 16,           /* sockets at one address */
  TW_UDP_ADDRESS_TEXT = 56,        /* octets of an address as text, with the end */
  TW_UDP_LIMIT_DATAGRAMS = 1 << 16 /* sent before a refused segment size is tried once more */
};

/** IPv4 is AF_INET here even on a socket for both families: mapped addresses (::ffff:a.b.c.d) stay below. */
typedef union tw_udp_address {
  struct sockaddr any;
  struct sockaddr_in in4;
  struct sockaddr_in6 in6;
} tw_udp_address;

/** Whether family, host, port and scope are the same. */
bool tw_udp_address_equal(const tw_udp_address *a, const tw_udp_address *b);
/** IPv4 as a socket for IPv6 has it becomes IPv4; another one stays. */
void tw_udp_address_unmap(tw_udp_address *address);
/** "host:port", "[host]:port" for IPv6. `out` has room for TW_UDP_ADDRESS_TEXT. */
void tw_udp_address_text(const tw_udp_address *address, char *out);
/** Bytes of the sockaddr of that family. */
socklen_t tw_udp_address_len(const tw_udp_address *address);

/** Don't Fragment (RFC 1191, RFC 8899), ip(7) IP_MTU_DISCOVER. */
typedef enum tw_udp_df {
  TW_UDP_DF_SYSTEM = 0, /* as the system has it */
  TW_UDP_DF_NEVER,      /* DF clear: routers may fragment */
  TW_UDP_DF_PROBE,      /* DF set, the kernel's idea of the path's MTU ignored: for path MTU discovery of our own */
  TW_UDP_DF_ALWAYS      /* DF set, too large for the kernel's idea of the path: EMSGSIZE */
} tw_udp_df;

/** The system calls in use; tests put failing ones in their place. */
typedef struct tw_udp_calls {
  int (*receive)(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
  int (*send)(int fd, struct mmsghdr *messages, unsigned count, int flags);
  int (*set_option)(int fd, int level, int name, const void *value, socklen_t len);
} tw_udp_calls;

typedef struct tw_udp_config {
  tw_udp_address local;      /* its family is the socket's; port 0: any free one */
  bool both_families;        /* of an IPv6 `any`: IPv4 by the same socket */
  bool no_receive_offload;   /* UDP_GRO is not used */
  bool no_send_offload;      /* UDP_SEGMENT is not used */
  bool tos;                  /* slots carry the TOS or traffic class octet (DSCP and ECN, RFC 2474, RFC 3168) */
  tw_udp_df df;              /* of both families */
  int buffer;                /* bytes of each socket buffer; 0: as the system has it; past its limit where allowed */
  uint32_t mark;             /* SO_MARK for policy routing, needs CAP_NET_ADMIN; 0: none */
  const tw_udp_calls *calls; /* NULL: the system's */
} tw_udp_config;

/** Since the socket was opened, in datagrams. */
typedef struct tw_udp_counts {
  uint64_t received;
  uint64_t sent;
  uint64_t truncated; /* longer than a slot has room: dropped */
  uint64_t failed;    /* not sent, see tw_udp_slot.error */
  uint64_t apart;     /* slots that UDP_SEGMENT refused and that were sent datagram by datagram */
} tw_udp_counts;

/** In its owner; zero-initialised is closed. `fd` is for poll; counts and the offloads are for reading. */
typedef struct tw_udp {
  int fd;
  int family;
  bool is_open;
  bool tos;
  bool receive_offload; /* UDP_GRO works */
  bool send_offload;    /* UDP_SEGMENT works */
  size_t segment_limit; /* largest segments that UDP_SEGMENT is used for */
  uint64_t limit_until; /* counts.sent from which on that limit is forgotten */
  int receive_buffer;   /* what the system gave, in its own bookkeeping */
  tw_udp_counts counts;
  const tw_udp_calls *calls;
} tw_udp;

/**
 * A bound, non-blocking socket with what of `config` the system can do: offloads that it does not know are off then.
 * TW_ERR_STATE with a report, the socket is closed then: the address cannot be had (in use, not of this machine, family
 * absent), or mark or Don't Fragment cannot.
 */
TW_MUST_USE tw_err tw_udp_open(tw_udp *udp, const tw_udp_config *config, tw_report *report);
/**
 * `count` (1 … TW_UDP_SHARE_MAX, else TW_ERR_ARGUMENT) sockets at one address, for a thread each: the kernel gives a
 * datagram to the one whose place is the rest of its fourth byte's last four bits, divided by `count` (as ESP's SPIs
 * want it, esp/keys.h); one of less than four bytes to the first. Datagrams that are coalesced (UDP_GRO) come to where
 * the first of them belongs. `*opened` 1: this system cannot do that, and there is one socket for all; why is in the
 * report. Errors as tw_udp_open, none is open then. All are closed together.
 */
TW_MUST_USE tw_err tw_udp_open_shared(tw_udp *sockets, unsigned count, const tw_udp_config *config, unsigned *opened,
                                      tw_report *report);
/** NULL is fine, and a closed one. */
void tw_udp_close(tw_udp *udp);
/** Change Don't Fragment for what is sent from now on. TW_ERR_STATE. */
TW_MUST_USE tw_err tw_udp_set_df(const tw_udp *udp, tw_udp_df df);
/**
 * Bytes of the largest IP packet that goes there in one piece, as far as the system knows by the route, the device and
 * ICMP errors (with Don't Fragment as the system has it, it makes fragments of larger ones). By a socket of its own,
 * for a moment. TW_ERR_STATE: the system does not know; it cannot be reached, for instance.
 */
TW_MUST_USE tw_err tw_udp_path_mtu(const tw_udp_address *to, uint32_t *mtu);
/**
 * The address, with port 0, that this machine would send from to that one, by its routes as they are now. Nothing is
 * sent; by a socket of its own, for a moment. TW_ERR_STATE: there is no way to it.
 */
TW_MUST_USE tw_err tw_udp_source(const tw_udp_address *to, tw_udp_address *from);
/** The address that it is bound to. TW_ERR_STATE. */
TW_MUST_USE tw_err tw_udp_local(const tw_udp *udp, tw_udp_address *local);

/**
 * Datagrams of one peer, sent or received in one go: all have `segment` bytes but the last, which may be shorter.
 * One datagram alone: segment == len.
 */
typedef struct tw_udp_slot {
  tw_udp_address peer;
  uint8_t tos; /* 0 unless tw_udp_config.tos */
  uint16_t segment;
  uint16_t datagrams;
  uint32_t len;
  uint16_t parts; /* to send: pieces of memory that they lie in */
  uint8_t *data;  /* received: `len` bytes of the intake's, which the owner may change in place; to send: NULL */
  uint16_t gone;  /* to send: so many were sent or given up, from the first on */
  int error;      /* to send: 0, or the errno of the last that was given up */
  int apart;      /* to send: 0, or why UDP_SEGMENT was refused */
} tw_udp_slot;

/** The n-th datagram, n < datagrams, of a received slot. */
uint8_t *tw_udp_datagram(const tw_udp_slot *slot, size_t n, size_t *len);

/* ---- receiving ---- */

/** Where datagrams arrive. Its memory is allocated once, by tw_udp_intake_open. In its owner; zero is closed. */
typedef struct tw_udp_intake {
  tw_udp_slot *slots; /* the first `count` are filled */
  size_t count;
  size_t capacity;
  size_t slot_size;
  const tw_alloc *alloc;
  struct tw_udp_intake_memory *memory;
} tw_udp_intake;

/**
 * Room for `slots` (1 … TW_UDP_SLOTS_MAX) of `slot_size` bytes each: TW_UDP_SLOT_SIZE, or less where every socket that
 * it is used with has no receive offload (longer datagrams are dropped then, and counted). `alloc` NULL:
 * tw_alloc_default. TW_ERR_NO_MEMORY, TW_ERR_ARGUMENT.
 */
TW_MUST_USE tw_err tw_udp_intake_open(tw_udp_intake *intake, const tw_alloc *alloc, size_t slots, size_t slot_size);
void tw_udp_intake_close(tw_udp_intake *intake);
/**
 * Replace the intake's content by what waits in the socket; count == 0: nothing, wait for readability.
 * TW_ERR_STATE: the socket is not usable any more. TW_ERR_ARGUMENT: receive offload wants slots of TW_UDP_SLOT_SIZE.
 */
TW_MUST_USE tw_err tw_udp_receive(tw_udp *udp, tw_udp_intake *intake);

/* ---- sending ---- */

/** Datagrams to be sent. Its memory is allocated once, by tw_udp_batch_open. In its owner; zero is closed. */
typedef struct tw_udp_batch {
  tw_udp_slot *slots;
  size_t count;
  size_t capacity;
  size_t at; /* the first slot that is not done: at == count when nothing is left to send */
  const tw_alloc *alloc;
  struct tw_udp_batch_memory *memory;
} tw_udp_batch;

/** Room for `slots` (1 … TW_UDP_SLOTS_MAX) of TW_UDP_SEGMENTS datagrams each. TW_ERR_NO_MEMORY, TW_ERR_ARGUMENT. */
TW_MUST_USE tw_err tw_udp_batch_open(tw_udp_batch *batch, const tw_alloc *alloc, size_t slots);
void tw_udp_batch_close(tw_udp_batch *batch);
/** Forget all of it, sent or not. */
void tw_udp_batch_reset(tw_udp_batch *batch);
/**
 * One more datagram, by its peer's last slot where that has room for one more of this size. The order of datagrams to
 * one peer is kept, that of different peers is not. `datagram` is borrowed until the batch is done or reset; one that
 * begins where the one before it ends costs the kernel less.
 * TW_ERR_LIMIT: full, send first. TW_ERR_ARGUMENT: more than TW_UDP_DATAGRAM_MAX bytes.
 */
TW_MUST_USE tw_err tw_udp_batch_add(tw_udp_batch *batch, const tw_udp_address *to, uint8_t tos, tw_bytes datagram);
/**
 * Send from slots[at] on, until all is done or the socket takes no more: at < count then, wait for writability and
 * call again. What cannot be sent to its peer (unreachable, refused by a filter, too large) is given up with its
 * slot's error, and the rest goes on. Slots that UDP_SEGMENT refuses are sent datagram by datagram, which the socket
 * remembers: EIO (the device has no checksum offload) for good, EINVAL and EMSGSIZE for segments of that size and for
 * TW_UDP_LIMIT_DATAGRAMS. TW_ERR_STATE: the socket is not usable any more.
 */
TW_MUST_USE tw_err tw_udp_send(tw_udp *udp, tw_udp_batch *batch);

#endif
