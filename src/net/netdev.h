/* Network devices, their addresses and routes (Linux, by rtnetlink). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_NETDEV_H
#define TW_NET_NETDEV_H

#include "net/netlink.h"

/*
 * All of it takes CAP_NET_ADMIN in the network namespace, but for what only asks. What is asked for and is so already
 * is done, and so is removing what is not there: a start after a crash finds what the last run has left.
 *
 * Errors, with a report: TW_ERR_STATE: the system refuses. TW_ERR_ARGUMENT: a family or a length that is none.
 */

enum { TW_NETDEV_NAME_MAX = 15 };

/** An IP address; family AF_INET (4 bytes are used), AF_INET6 (16), or 0: none. */
typedef struct tw_netdev_host {
  uint8_t family;
  uint8_t bytes[16];
} tw_netdev_host;

/** An address or a network with its prefix length, up to 32 or 128. */
typedef struct tw_netdev_prefix {
  tw_netdev_host host;
  uint8_t length;
} tw_netdev_prefix;

typedef struct tw_netdev_link {
  unsigned index;
  char name[TW_NETDEV_NAME_MAX + 1];
  uint32_t mtu;
  unsigned flags; /* IFF_UP, IFF_MULTICAST, IFF_ALLMULTI, … of netdevice(7) */
} tw_netdev_link;

typedef struct tw_netdev_route {
  tw_netdev_prefix to; /* length 0: the default route of that family */
  unsigned device;     /* index; listing: 0 for several next hops */
  uint32_t table;      /* 0: main */
  uint32_t metric;     /* 0: the system's choice (IPv4 0, IPv6 1024); removing: any */
  uint32_t mtu;        /* of packets that go this way; 0: the device's */
  tw_netdev_host via;  /* a gateway, or none */
  tw_netdev_host from; /* source address that it suggests to sockets without one, or none */
} tw_netdev_route;

/** How packets to an address leave. */
typedef struct tw_netdev_way {
  tw_netdev_link link;
  tw_netdev_host from; /* source address */
  tw_netdev_host via;  /* gateway, or none */
  uint32_t mtu;        /* the least of the device's and of what is known of the path */
} tw_netdev_way;

/** In its owner; zero-initialised is closed. For one thread. */
typedef struct tw_netdev {
  tw_netlink netlink;
} tw_netdev;

/** `calls` NULL: the system's. */
TW_MUST_USE tw_err tw_netdev_open(tw_netdev *netdev, const tw_netlink_calls *calls, tw_report *report);
void tw_netdev_close(tw_netdev *netdev);

/* ---- links ---- */

/** `*link` by name. TW_ERR_STATE: there is none. */
TW_MUST_USE tw_err tw_netdev_find(tw_netdev *netdev, const char *name, tw_netdev_link *link, tw_report *report);
TW_MUST_USE tw_err tw_netdev_look(tw_netdev *netdev, unsigned index, tw_netdev_link *link, tw_report *report);
TW_MUST_USE tw_err tw_netdev_set_up(tw_netdev *netdev, unsigned index, bool up, tw_report *report);
TW_MUST_USE tw_err tw_netdev_set_mtu(tw_netdev *netdev, unsigned index, uint32_t mtu, tw_report *report);
/** Whether it is used for multicast at all (IFF_MULTICAST), and whether all groups are wanted (IFF_ALLMULTI). */
TW_MUST_USE tw_err tw_netdev_set_multicast(tw_netdev *netdev, unsigned index, bool multicast, bool all_groups,
                                           tw_report *report);
/**
 * The kernel makes no IPv6 link-local address for it from now on; one that it has stays. Done also where the device has
 * no IPv6.
 */
TW_MUST_USE tw_err tw_netdev_leave_link_local(tw_netdev *netdev, unsigned index, tw_report *report);
TW_MUST_USE tw_err tw_netdev_delete(tw_netdev *netdev, unsigned index, tw_report *report);

/* ---- addresses ---- */

/**
 * IPv6: without duplicate address detection, which nobody would answer on a TUN device. Linux takes packets to a new
 * IPv6 address a moment after this returns: once tw_netdev_towards that address leads to the loopback device.
 */
TW_MUST_USE tw_err tw_netdev_add_address(tw_netdev *netdev, unsigned index, const tw_netdev_prefix *address,
                                         tw_report *report);
TW_MUST_USE tw_err tw_netdev_remove_address(tw_netdev *netdev, unsigned index, const tw_netdev_prefix *address,
                                            tw_report *report);
/** The device's addresses of both families into `out`; `*count` is how many there are, also when that is above `most`.
 */
TW_MUST_USE tw_err tw_netdev_list_addresses(tw_netdev *netdev, unsigned index, tw_netdev_prefix *out, size_t most,
                                            size_t *count, tw_report *report);

/* ---- routes ---- */

/** TW_ERR_STATE also when there is a route to this network by another device with the same metric, in that table. */
TW_MUST_USE tw_err tw_netdev_add_route(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report);
/** The same, but in the place of one with the same network, table and metric. */
TW_MUST_USE tw_err tw_netdev_replace_route(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report);
TW_MUST_USE tw_err tw_netdev_remove_route(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report);
/** Unicast routes of `table` (0: main) by the device (0: any) into `out`, as tw_netdev_list_addresses. */
TW_MUST_USE tw_err tw_netdev_list_routes(tw_netdev *netdev, unsigned index, uint32_t table, tw_netdev_route *out,
                                         size_t most, size_t *count, tw_report *report);
/** The way to `host` now, for packets with that mark (SO_MARK; 0: none). TW_ERR_STATE: there is no route. */
TW_MUST_USE tw_err tw_netdev_towards(tw_netdev *netdev, const tw_netdev_host *host, uint32_t mark, tw_netdev_way *way,
                                     tw_report *report);

#endif
