/* Where packets go, and from whom they may come: by inner addresses. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_ROUTES_H
#define TW_NODE_ROUTES_H

#include "node/config.h"

typedef enum tw_route_kind {
  TW_ROUTE_NONE = 0,  /* nowhere */
  TW_ROUTE_PEER = 1,  /* to one peer */
  TW_ROUTE_GROUP = 2, /* multicast or broadcast: once, to the network's group */
  TW_ROUTE_SELF = 3   /* one of our own addresses */
} tw_route_kind;

typedef struct tw_route {
  tw_route_kind kind;
  uint32_t peer; /* of TW_ROUTE_PEER: index in the configuration's peers */
} tw_route;

/** One prefix with where it leads. Of two with the same prefix the later one counts. */
typedef struct tw_route_entry {
  tw_prefix prefix; /* bits behind it are 0 */
  tw_route route;
} tw_route_entry;

/** An IPv6 address as two words in host byte order. */
typedef struct tw_route_key {
  uint64_t high;
  uint64_t low;
} tw_route_key;

/**
 * The prefixes flattened to ranges that do not overlap: `starts` in order, the first one 0, each with what holds from
 * there to the next one. So a lookup is one binary search in one array and allocates nothing. Zero-initialised is the
 * empty table, which leads nowhere.
 */
typedef struct tw_routes {
  const tw_alloc *alloc;
  uint32_t *starts4;
  uint32_t *routes4; /* packed */
  size_t count4;
  tw_route_key *starts6;
  uint32_t *routes6;
  size_t count6;
} tw_routes;

/**
 * The table of a configuration: AllowedIPs of all peers but ourselves; multicast by [Multicast] Groups and, with
 * `broadcast` there, 255.255.255.255 and the last addresses of our IPv4 subnets; our own addresses. Multicast that is
 * in no group leads nowhere, and not to who has 0.0.0.0/0 or ::/0. On success `*routes` is replaced. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_routes_of(const tw_alloc *alloc, const tw_node_config *config, tw_routes *routes);
/** The table of these entries. Likewise; peers' numbers are below 2^30 (TW_ERR_ARGUMENT). */
TW_MUST_USE tw_err tw_routes_make(const tw_alloc *alloc, const tw_route_entry *entries, size_t count,
                                  tw_routes *routes);
void tw_routes_clear(tw_routes *routes);

/** The longest prefix that has the address, 4 bytes in network byte order. Thread-safe, as long as the table stays. */
tw_route tw_routes_find4(const tw_routes *routes, const uint8_t *address);
/** Of 16 bytes. */
tw_route tw_routes_find6(const tw_routes *routes, const uint8_t *address);
/** By the version of IP, 4 or 6; nowhere for others. */
tw_route tw_routes_find(const tw_routes *routes, unsigned version, const uint8_t *address);
/** Whether a packet that this peer sent may have that source: family 4 or 6, 4 or 16 bytes. */
bool tw_routes_admits(const tw_routes *routes, uint32_t peer, unsigned family, const uint8_t *source);

#endif
