/* Who may begin a handshake: shares of addresses, and what is half open. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_ADMISSION_H
#define TW_NET_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <treewire/err.h>

/*
 * A connection is half open from its acceptance until its peer has shown who it is. It may hold one handshake: a key
 * package or a resumption request. An address is an IPv4 address, or the first 64 bits of an IPv6 address, which is
 * what one host can pick its addresses from.
 *
 * Memory is bounded: by what is half open, and TW_ADMISSION_ADDRESSES addresses that were seen of late. Time is an
 * argument, and nothing here touches a socket.
 */
enum { TW_ADMISSION_ADDRESSES = 16384 };

/** 0 stands for no limit everywhere. */
typedef struct tw_admission_limits {
  uint32_t half_open;             /* connections in all; past it the oldest one goes; default 4096 */
  uint32_t half_open_per_address; /* past it new ones are closed at once; default 1024 */
  uint32_t handshakes_per_second; /* and address, on average; past it new ones are closed at once; default 200 */
  uint32_t handshake_burst;       /* that many at once, after a pause; at least 1; default 2000 */
  uint32_t handshakes_in_all;     /* a second, from all addresses: past it new connections wait; default 1000 */
  uint32_t stranger_lines; /* a minute, of connections that came to nothing; the others are counted; default 60 */
} tw_admission_limits;
extern const tw_admission_limits tw_admission_limits_default;

/** Of what address something comes. */
typedef struct tw_source {
  uint64_t high; /* of IPv6; IPv4: 0 */
  uint32_t low;  /* IPv4; IPv6: 0 */
} tw_source;
/** IPv4 in IPv6 is IPv4; what is neither is one source. */
tw_source tw_source_of(const struct sockaddr *address);

typedef struct tw_admission tw_admission;

/** A half-open connection. */
typedef struct tw_pass {
  void *owner; /* the caller's */
  enum { TW_PASS_FRESH, TW_PASS_TOLD, TW_PASS_UNTOLD } lines;
  struct tw_address_entry *entry;
  struct tw_pass *older;
  struct tw_pass *newer;
} tw_pass;

typedef enum tw_admission_word {
  TW_ADMITTED = 1,
  TW_OVER_SHARE = 2, /* the address has its share half open */
  TW_OVER_RATE = 3   /* it comes too fast */
} tw_admission_word;

/** `seed` is random: it keeps others from choosing addresses that meet in the table. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_admission_new(const tw_admission_limits *limits, uint64_t seed, tw_admission **out);
/** NULL is fine. Passes that were not given back are freed. */
void tw_admission_free(tw_admission *admission);

/**
 * A new connection: `*word`, and with TW_ADMITTED a pass, to be given back by tw_admission_leave. `now_us`:
 * microseconds that do not run backwards. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_admission_enter(tw_admission *admission, tw_source source, uint64_t now_us,
                                      tw_admission_word *word, tw_pass **pass);
/** It is half open no more. */
void tw_admission_leave(tw_admission *admission, tw_pass *pass);
/** There are more than the limit: the oldest one, which has to go. NULL: there are not. */
tw_pass *tw_admission_surplus(const tw_admission *admission);
/** How long nobody more is to be let in: others have their turn. Microseconds, 0: not at all. */
uint64_t tw_admission_wait_us(const tw_admission *admission, uint64_t now_us);
size_t tw_admission_half_open(const tw_admission *admission);
/** How many addresses are remembered. */
size_t tw_admission_addresses(const tw_admission *admission);

/** Whether lines are to be written about this connection, which is coming to nothing. */
bool tw_admission_tells(tw_admission *admission, tw_pass *pass, uint64_t now_us);

#endif
