/* What the files of netdev share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_NETDEV_INTERNAL_H
#define TW_NET_NETDEV_INTERNAL_H

#include "net/netdev.h"

enum {
  TW_NETDEV_HOST_TEXT = 46, /* INET6_ADDRSTRLEN */
  TW_NETDEV_PREFIX_TEXT = TW_NETDEV_HOST_TEXT + 4,
  TW_NETDEV_LISTINGS = 8 /* tries of a list that changes while it is read */
};

/** 4 or 16; 0: no family that there is. */
size_t tw_netdev_host_size(const tw_netdev_host *host);
tw_bytes tw_netdev_host_bytes(const tw_netdev_host *host);
/** `out` has room for TW_NETDEV_PREFIX_TEXT. */
void tw_netdev_prefix_text(const tw_netdev_prefix *prefix, char *out);
/** TW_ERR_ARGUMENT with a report unless family and length fit. */
TW_MUST_USE tw_err tw_netdev_check_prefix(const tw_netdev_prefix *prefix, tw_report *report);
bool tw_netdev_prefix_equal(const tw_netdev_prefix *a, const tw_netdev_prefix *b);
/** The host in an attribute's value; false (and `out` as it was) when its size is not the family's. */
bool tw_netdev_host_of(uint8_t family, tw_bytes value, tw_netdev_host *out);
/** The report of a request that failed, `what` after "cannot ". Returns TW_ERR_STATE, or `err` if nobody refused. */
TW_MUST_USE tw_err tw_netdev_explain(const tw_netdev *netdev, tw_err err, tw_report *report, const char *what, ...)
    __attribute__((format(printf, 4, 5)));

#endif
