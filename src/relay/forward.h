/* The packet relay: which UDP datagram goes on to whom. No sockets, no clock. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_FORWARD_H
#define TW_RELAY_FORWARD_H

#include <sys/uio.h>

#include <treewire/env.h>

/*
 * What comes from a client, big-endian:
 *
 *   struct { uint64 session; uint32 destination; opaque packet[]; }
 *
 *   destination 0, no packet          keepalive: the client's address is still in use; it is answered
 *   destination 0, 16 bytes           a bind token: this datagram's source is the client's address from now on
 *   destination 1 … 2^31 - 1          an ESP packet for the client of this number
 *   destination with the top bit set  an ESP packet for all members of the group of this number, but the sender
 *
 * What goes to a client is the ESP packet alone (RFC 3948 section 2.1), or the answer to a keepalive, as long as that:
 *
 *   struct { uint32 not_esp = 0; uint64 session; }     (RFC 3948 section 2.2: no SPI is 0)
 *
 * Nothing is sent but to an address that was bound by a token, which was given over the client's control connection,
 * works once and expires. A client could send its token with somebody else's address as the source, so as to have what
 * others send to it go there: so a challenge goes to that address, the one thing that is sent unasked (once for each
 * token, and shorter than that was), and binds it when it comes back from there:
 *
 *   relay to client    struct { uint32 not_esp = 0; opaque nonce[16]; }
 *   client to relay    as a token: destination 0, the nonce
 *
 * A datagram counts only if it comes from the address bound to its session. Who can spoof that address and knows the
 * session can use up a client's share, no more: answers to keepalives are part of it.
 *
 * Datagrams lie in receive slots of the caller's, numbered from 0. Packets stay there: a slot is in use until all that
 * was queued from it has been sent or dropped. Small ones are moved together within it, over their headers, since many
 * small pieces cost the system more than that. One round of the caller's:
 *
 *   1. tw_forward_free_slots; receive into those (recvmmsg, with UDP_GRO where the system has it); tw_forward_take each
 *   2. tw_forward_next_challenge, until there is none: send them; tw_forward_next_bound: tell the control connections
 *   3. tw_forward_batch; send (sendmmsg, UDP_SEGMENT); tw_forward_sent, tw_forward_unsent; again until the budget is
 *      spent, the socket takes no more or tw_forward_waiting is false
 *
 * Receiving goes first, and goes on when sending cannot: what is over its share is then dropped here, and not whatever
 * happens to come when the socket's buffer is full.
 *
 * What is queued goes out by deficit round robin over the bytes that each client makes the relay send, replicas
 * counted. Where there is no free slot for more, the client that holds most loses its oldest: one that floods may have
 * all slots as long as nobody else wants one, and who stays below its share loses nothing to it.
 *
 * One thread at a time. After tw_forward_new the packet path (take, batch, sent) allocates nothing.
 */
enum {
  TW_FORWARD_HEADER = 12,           /* bytes: session and destination */
  TW_FORWARD_TOKEN = 16,            /* bytes */
  TW_FORWARD_CHALLENGE = 20,        /* bytes of that datagram */
  TW_FORWARD_ECHO = 12,             /* bytes of the answer to a keepalive, which has TW_FORWARD_HEADER */
  TW_FORWARD_TOKENS = 2,            /* of one client at a time; one more takes the place of the oldest */
  TW_FORWARD_PACKET_MIN = 8,        /* bytes: SPI and sequence number (RFC 4303 section 2) */
  TW_FORWARD_DATAGRAM_MAX = 65535,  /* bytes in a slot */
  TW_FORWARD_MESSAGE_MAX = 65507,   /* bytes of one message: what fits behind IPv4's and UDP's headers */
  TW_FORWARD_SEGMENTS_MAX = 64,     /* segments of one message: UDP_MAX_SEGMENTS of older kernels */
  TW_FORWARD_MEMBERS_MAX = 1 << 20, /* of a group */
  TW_FORWARD_OVERHEAD = 48          /* bytes counted for the headers of each packet: IPv6 and UDP */
};

/** Numbers of groups have it, numbers of clients do not. */
#define TW_FORWARD_GROUP_BIT UINT32_C(0x80000000)

/** Where a client is: an address, and the local socket (the caller's number of it) and address that it is seen by. */
typedef struct tw_forward_address {
  uint8_t ip[16];    /* network byte order; IPv4: the first four, the others 0 */
  uint8_t local[16]; /* likewise, of our own addresses; all 0: not known */
  uint32_t scope;    /* IPv6 scope id (RFC 4007 section 6), else 0 */
  uint16_t port;     /* host byte order */
  uint16_t socket;
  uint8_t family; /* 0: none, 4, 6 */
} tw_forward_address;

/** Zero members that have a default stand for it. */
typedef struct tw_forward_options {
  uint32_t slots;       /* receive slots of the caller's; default 512 */
  uint32_t spare_slots; /* of them, never queued in: always free to receive into; default an eighth, at least 1 */
  uint32_t runs;        /* what may be queued: runs of segments alike from one datagram; default 8 for each slot */
  uint32_t messages;    /* most of one batch; default 64 */
  uint32_t quantum;     /* bytes of one turn, at least 1500; default 16,384 */
  uint64_t token_us;    /* how long a bind token can be used; default 30 s */
  uint64_t binding_us;  /* silence after which nothing is sent to an address until it is heard again; default 180 s */
  uint64_t rate;        /* bytes a second that a client may make the relay send, 10^3 … 10^10; default none */
  uint64_t burst;       /* bytes of it at once; default what the rate gives in 100 ms, at least one whole message */
  bool no_challenge;    /* a token binds at once: where nobody sends from somebody else's address */
} tw_forward_options;

/** Why a packet did not go on. */
typedef enum tw_forward_reason {
  TW_FORWARD_MALFORMED,      /* too short, or destination 0 with anything but a token */
  TW_FORWARD_NO_SESSION,     /* no client has this session */
  TW_FORWARD_WRONG_SOURCE,   /* not from the address that is bound to the session */
  TW_FORWARD_BAD_TOKEN,      /* never given to this client, used before, expired, or from where it may not be used */
  TW_FORWARD_NO_DESTINATION, /* no such client or group, not bound, or the sender itself */
  TW_FORWARD_NOT_MEMBER,     /* the sender is not in the group */
  TW_FORWARD_OVER_RATE,      /* the client's rate is used up */
  TW_FORWARD_OVER_SHARE,     /* no room, and no other client holds more than this one */
  TW_FORWARD_PUSHED_OUT,     /* was queued, and had to make room for a client that held less */
  TW_FORWARD_GONE,           /* sender or destination went away, or left the group, while it was queued */
  TW_FORWARD_UNSENT,         /* the socket refused it */
  TW_FORWARD_REASONS
} tw_forward_reason;

/** A word or two for logs; static storage, never NULL. */
const char *tw_forward_reason_text(tw_forward_reason reason);

/** Packets and the bytes of them, without headers: ESP, and answers to keepalives in what goes out. */
typedef struct tw_forward_count {
  uint64_t packets;
  uint64_t bytes;
} tw_forward_count;

/** Of one client, since it was made known. */
typedef struct tw_forward_client_stats {
  tw_forward_count in;         /* came from it and were queued */
  tw_forward_count in_dropped; /* came from its address and were dropped for whatever reason, at once or when queued */
  tw_forward_count over;       /* of them: over its rate or share */
  tw_forward_count out;        /* sent to it */
  uint64_t charged;            /* bytes that it made the relay send, replicas and headers counted */
  bool bound;
  tw_forward_address address; /* where it is, or was last */
} tw_forward_client_stats;

/** Of all. Each packet that came in is in one place: in, dropped[…], challenged, bound or
 * keepalives. */
typedef struct tw_forward_totals {
  tw_forward_count in;                          /* queued */
  tw_forward_count out;                         /* sent, replicas counted */
  tw_forward_count dropped[TW_FORWARD_REASONS]; /* PUSHED_OUT, GONE, UNSENT: of those in `in`, replicas and answers */
  uint64_t challenged;                          /* tokens that came, and were answered by a challenge */
  uint64_t bound;                               /* addresses that are clients' since then */
  uint64_t keepalives;                          /* whose answers were queued */
  uint32_t clients;
  uint32_t groups;
  uint32_t queued; /* runs */
  size_t memory;   /* bytes allocated */
} tw_forward_totals;

typedef struct tw_forward tw_forward;

/**
 * `env` is borrowed; allocator and randomness come from it. `options` NULL: the defaults. Errors: TW_ERR_ARGUMENT (an
 * option out of range), TW_ERR_RANDOM, TW_ERR_NO_MEMORY; `*out` is NULL then.
 */
TW_MUST_USE tw_err tw_forward_new(const tw_env *env, const tw_forward_options *options, tw_forward **out);
/** NULL is fine. */
void tw_forward_free(tw_forward *forward);

/* ---- what the control connections say; `now_us`: microseconds that do not run backwards ---- */

/**
 * A token for the client of this number (1 … 2^31 - 1), who is made known if it was not. The session stays the same as
 * long as the client is known. `only` not NULL: the token works from this host alone (family, ip and scope are looked
 * at), e.g. that of the control connection, so that no client can have its packets sent to somebody else.
 * Errors: TW_ERR_ARGUMENT, TW_ERR_RANDOM, TW_ERR_NO_MEMORY; nothing has changed then.
 */
TW_MUST_USE tw_err tw_forward_grant(tw_forward *forward, uint32_t client, const tw_forward_address *only,
                                    uint64_t now_us, uint64_t *session, uint8_t token[TW_FORWARD_TOKEN]);
/** Nothing more goes to this client until it binds again; its tokens are void. It need not be known. */
void tw_forward_unbind(tw_forward *forward, uint32_t client);
/** The client is forgotten, with its session and what is queued from it. Its number may be used for the same client
 * again; groups that list it still do. */
void tw_forward_remove(tw_forward *forward, uint32_t client);
/**
 * The members of a group (its number has the top bit), in any order; they replace those of before. Members need not be
 * known. Errors: TW_ERR_ARGUMENT (a number that is none of a client, a group that is none, more than
 * TW_FORWARD_MEMBERS_MAX), TW_ERR_NO_MEMORY; nothing has changed then.
 */
TW_MUST_USE tw_err tw_forward_group_set(tw_forward *forward, uint32_t group, const uint32_t *members, uint32_t count);
/** Whether the group is known, and this client one of its members. */
bool tw_forward_group_lists(const tw_forward *forward, uint32_t group, uint32_t client);
/** It need not be known. */
void tw_forward_group_remove(tw_forward *forward, uint32_t group);

/* ---- the packet path ---- */

/** At most `most` slots to receive into, those used last first; they stay free until something in them is taken. */
uint32_t tw_forward_free_slots(const tw_forward *forward, uint32_t *slots, uint32_t most);
/** What lies in a slot. `segment` not 0: datagrams of this size, the last one may be shorter (UDP_GRO). */
typedef struct tw_forward_datagram {
  uint8_t *data;
  size_t len;
  uint32_t segment;
  uint8_t tos; /* octet of TOS or traffic class: DSCP and ECN (RFC 2474, RFC 3168), which go on with it */
} tw_forward_datagram;
/**
 * What was received into a free slot: it stays where it is, and is the relay's to change, until the slot is free again.
 * TW_ERR_ARGUMENT: the slot is not free or not known, or the datagram longer than TW_FORWARD_DATAGRAM_MAX; what comes
 * in is no error.
 */
TW_MUST_USE tw_err tw_forward_take(tw_forward *forward, uint32_t slot, const tw_forward_datagram *datagram,
                                   const tw_forward_address *source, uint64_t now_us);

/** To be sent as one datagram; it does not matter if it is lost, as its client asks for another token then. */
typedef struct tw_forward_challenge {
  tw_forward_address to;
  uint8_t datagram[TW_FORWARD_CHALLENGE];
} tw_forward_challenge;
bool tw_forward_next_challenge(tw_forward *forward, tw_forward_challenge *challenge);

/** A client that has bound an address. */
typedef struct tw_forward_bound {
  uint32_t client;
  uint64_t session;
  tw_forward_address address;
  bool moved; /* it was bound to another one before, or to none */
} tw_forward_bound;
/** The next one, the oldest first; twice the same address if it was bound twice in between is told once. */
bool tw_forward_next_bound(tw_forward *forward, tw_forward_bound *bound);
/** Whether there may be one. */
bool tw_forward_has_bound(const tw_forward *forward);

/**
 * One message to send: with `segment` not 0 as datagrams of this size, the last one may be shorter (UDP_SEGMENT).
 * Borrowed until the next call but tw_forward_sent and tw_forward_unsent.
 */
typedef struct tw_forward_message {
  tw_forward_address to;
  struct iovec *parts; /* each the payload of one datagram, or of several that lie side by side; not to be written to */
  uint32_t part_count;
  uint32_t packets; /* datagrams */
  uint32_t segment;
  uint32_t bytes;  /* of all parts */
  uint8_t tos;     /* as all of them came */
  uint64_t serial; /* no other message has it; not 0 */
  /* ours: */
  struct tw_forward_peer *from;
  struct tw_forward_peer *client;
  uint32_t from_number;
  uint32_t client_number;
  uint32_t destination;
  uint32_t run;
  uint32_t run_count;
} tw_forward_message;

/**
 * What is to be sent next: those of the last batch that were neither sent nor given up, if there are any, else new
 * ones; returns how many. `*budget`: bytes that may be sent, headers counted; what is sent is taken off. It ends when
 * the budget is 0 or less, which the last message may pass. None although tw_forward_waiting is true: go on with the
 * next round, since the work of one call is bounded.
 */
uint32_t tw_forward_batch(tw_forward *forward, int64_t *budget, uint64_t now_us, tw_forward_message **messages);
/** The n-th datagram of a message, n < packets, where they are sent one by one. */
struct iovec tw_forward_packet(const tw_forward_message *message, uint32_t n);
/** The first `count` of those that are left have been sent. */
void tw_forward_sent(tw_forward *forward, uint32_t count);
/** The first one of those that are left cannot be sent: it is dropped. */
void tw_forward_unsent(tw_forward *forward);
/** Whether something is queued. */
bool tw_forward_waiting(const tw_forward *forward);

/* ---- what there is to see ---- */

/** False: not known. */
bool tw_forward_client(const tw_forward *forward, uint32_t client, uint64_t now_us, tw_forward_client_stats *stats);
void tw_forward_total(const tw_forward *forward, tw_forward_totals *totals);

#endif
