/* Host and port as people write them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_ADDRESS_H
#define TW_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/report.h"

enum {
  TW_HOST_MAX = 253, /* octets of a host name (RFC 1035 section 2.3.4, without the root's dot) */
  TW_PORT_DEFAULT = 9420,
  TW_ADDRESS_TEXT = TW_HOST_MAX + 9 /* "[", host, "]:", five digits, the end */
};

/** A host (name, IPv4 or IPv6 address without brackets; empty: any) and a TCP port. */
typedef struct tw_address {
  char host[TW_HOST_MAX + 1];
  uint16_t port;
} tw_address;

typedef enum tw_address_rule {
  TW_ADDRESS_REMOTE = 1, /* to connect to: needs a host, and a port that is not 0 */
  TW_ADDRESS_LOCAL = 2   /* to bind to: an empty host or "*" means any address, port 0 any free port */
} tw_address_rule;

/**
 * "HOST:PORT", "[IPV6]:PORT", and where there is a `default_port` (not 0) also "HOST", "[IPV6]" and a bare IPv6
 * address. TW_ERR_ARGUMENT with a report that quotes the text; `*address` is then as before.
 */
TW_MUST_USE tw_err tw_address_parse(const char *text, tw_address_rule rule, uint16_t default_port, tw_address *address,
                                    tw_report *report);

struct addrinfo;

/**
 * The socket addresses of a host that is given in figures, with this port, for sockets of this type (SOCK_...): no
 * name is looked up, and no file read. The caller's, to be freed by freeaddrinfo; NULL for a name, and where there is
 * no memory.
 */
struct addrinfo *tw_address_in_figures(const char *host, uint16_t port, int type);

/** "host:port", with brackets around an IPv6 address, "*:port" for any. `out` has room for TW_ADDRESS_TEXT. */
void tw_address_format(const tw_address *address, char *out);

/** A decimal number of at most `max`: digits only. False when it is not one. */
bool tw_number_parse(const char *text, uint64_t max, uint64_t *number);

#endif
