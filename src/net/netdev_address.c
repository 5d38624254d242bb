/* Network devices: addresses. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netdev_internal.h"

static tw_err change(tw_netdev *netdev, uint16_t type, uint16_t flags, unsigned index,
                     const tw_netdev_prefix *address) {
  struct ifaddrmsg message = {.ifa_family = address->host.family, .ifa_prefixlen = address->length, .ifa_index = index};
  if (address->host.family == AF_INET6 && type == RTM_NEWADDR) message.ifa_flags = IFA_F_NODAD;
  tw_netlink_request request;
  tw_netlink_begin(&request, type, flags, &message, sizeof message);
  tw_netlink_put(&request, IFA_LOCAL, tw_netdev_host_bytes(&address->host));
  tw_netlink_put(&request, IFA_ADDRESS, tw_netdev_host_bytes(&address->host));
  return tw_netlink_ask(&netdev->netlink, &request, NULL, NULL);
}

tw_err tw_netdev_add_address(tw_netdev *netdev, unsigned index, const tw_netdev_prefix *address, tw_report *report) {
  TW_TRY(tw_netdev_check_prefix(address, report));
  const tw_err err = change(netdev, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
  if (err == TW_OK || netdev->netlink.refused == EEXIST) return TW_OK;
  char text[TW_NETDEV_PREFIX_TEXT];
  tw_netdev_prefix_text(address, text);
  return tw_netdev_explain(netdev, err, report, "give the address %s to device number %u", text, index);
}

tw_err tw_netdev_remove_address(tw_netdev *netdev, unsigned index, const tw_netdev_prefix *address, tw_report *report) {
  TW_TRY(tw_netdev_check_prefix(address, report));
  const tw_err err = change(netdev, RTM_DELADDR, 0, index, address);
  const int refused = netdev->netlink.refused;
  if (err == TW_OK || refused == EADDRNOTAVAIL || refused == ENODEV) return TW_OK;
  char text[TW_NETDEV_PREFIX_TEXT];
  tw_netdev_prefix_text(address, text);
  return tw_netdev_explain(netdev, err, report, "take the address %s from device number %u", text, index);
}

typedef struct listing {
  unsigned index;
  tw_netdev_prefix *out;
  size_t most;
  size_t count;
} listing;

static tw_err take_address(void *ctx, const tw_netlink_message *message) {
  listing *list = ctx;
  if (message->type != RTM_NEWADDR) return TW_OK;
  struct ifaddrmsg info;
  tw_bytes rest = message->body;
  TW_TRY(tw_netlink_take(&rest, &info, sizeof info));
  if (info.ifa_index != list->index) return TW_OK;
  tw_netdev_prefix found = {.length = info.ifa_prefixlen};
  bool has_local = false; /* on point-to-point links IFA_ADDRESS is the other end */
  while (rest.len > 0) {
    uint16_t type;
    tw_bytes value;
    TW_TRY(tw_netlink_next_attribute(&rest, &type, &value));
    if (type == IFA_LOCAL) has_local = tw_netdev_host_of(info.ifa_family, value, &found.host);
    if (type == IFA_ADDRESS && !has_local) (void)tw_netdev_host_of(info.ifa_family, value, &found.host);
  }
  if (found.host.family == 0) return TW_OK;
  if (list->count < list->most) list->out[list->count] = found;
  list->count++;
  return TW_OK;
}

tw_err tw_netdev_list_addresses(tw_netdev *netdev, unsigned index, tw_netdev_prefix *out, size_t most, size_t *count,
                                tw_report *report) {
  const struct ifaddrmsg message = {.ifa_index = index};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &message, sizeof message);
  listing list;
  tw_err err = TW_ERR_PENDING;
  for (int tries = 0; err == TW_ERR_PENDING && tries < TW_NETDEV_LISTINGS; tries++) {
    list = (listing){index, out, most, 0};
    err = tw_netlink_ask(&netdev->netlink, &request, take_address, &list);
  }
  if (err != TW_OK) return tw_netdev_explain(netdev, err, report, "list the addresses of device number %u", index);
  *count = list.count;
  return TW_OK;
}
