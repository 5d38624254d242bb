/* Network devices: links. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netdev_internal.h"

tw_err tw_netdev_open(tw_netdev *netdev, const tw_netlink_calls *calls, tw_report *report) {
  return tw_netlink_open(&netdev->netlink, calls, report);
}

void tw_netdev_close(tw_netdev *netdev) { tw_netlink_close(&netdev->netlink); }

/* ---- hosts and prefixes ---- */

size_t tw_netdev_host_size(const tw_netdev_host *host) {
  if (host->family == AF_INET) return 4;
  return host->family == AF_INET6 ? 16 : 0;
}

tw_bytes tw_netdev_host_bytes(const tw_netdev_host *host) { return TW_BYTES(host->bytes, tw_netdev_host_size(host)); }

void tw_netdev_prefix_text(const tw_netdev_prefix *prefix, char *out) {
  char host[INET6_ADDRSTRLEN] = "?";
  (void)inet_ntop(prefix->host.family, prefix->host.bytes, host, sizeof host);
  (void)snprintf(out, TW_NETDEV_PREFIX_TEXT, "%s/%u", host, (unsigned)prefix->length);
}

tw_err tw_netdev_check_prefix(const tw_netdev_prefix *prefix, tw_report *report) {
  const size_t size = tw_netdev_host_size(&prefix->host);
  if (size == 0) return tw_report_fail(report, TW_ERR_ARGUMENT, "an address of no known family");
  if (prefix->length <= size * 8) return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "a prefix length of %u: at most %zu", (unsigned)prefix->length,
                        size * 8);
}

bool tw_netdev_prefix_equal(const tw_netdev_prefix *a, const tw_netdev_prefix *b) {
  return a->host.family == b->host.family && a->length == b->length &&
         tw_bytes_equal(tw_netdev_host_bytes(&a->host), tw_netdev_host_bytes(&b->host));
}

bool tw_netdev_host_of(uint8_t family, tw_bytes value, tw_netdev_host *out) {
  tw_netdev_host found = {.family = family};
  if (value.len == 0 || value.len != tw_netdev_host_size(&found)) return false;
  memcpy(found.bytes, value.ptr, value.len);
  *out = found;
  return true;
}

tw_err tw_netdev_explain(const tw_netdev *netdev, tw_err err, tw_report *report, const char *what, ...) {
  const tw_netlink *netlink = &netdev->netlink;
  if (report == NULL) return netlink->refused != 0 ? TW_ERR_STATE : err;
  char raw[TW_REPORT_MAX / 2];
  va_list args;
  va_start(args, what);
  (void)vsnprintf(raw, sizeof raw, what, args);
  va_end(args);
  if (netlink->refused == 0) return tw_report_fail(report, err, "cannot %s: netlink: %s", raw, tw_err_text(err));
  const char *help = netlink->refused == EPERM ? " (start as root, or with CAP_NET_ADMIN)" : "";
  const bool has_words = netlink->words[0] != '\0';
  return tw_report_fail(report, TW_ERR_STATE, "cannot %s: %s%s%s%s", raw, strerror(netlink->refused),
                        has_words ? ": " : "", netlink->words, help);
}

/* ---- links ---- */

static tw_err take_link(void *ctx, const tw_netlink_message *message) {
  tw_netdev_link *out = ctx;
  if (message->type != RTM_NEWLINK) return TW_OK;
  struct ifinfomsg info;
  tw_bytes rest = message->body;
  TW_TRY(tw_netlink_take(&rest, &info, sizeof info));
  tw_netdev_link link = {.index = (unsigned)info.ifi_index, .flags = info.ifi_flags};
  while (rest.len > 0) {
    uint16_t type;
    tw_bytes value;
    TW_TRY(tw_netlink_next_attribute(&rest, &type, &value));
    if (type == IFLA_MTU) link.mtu = tw_netlink_u32(value);
    if (type == IFLA_IFNAME && value.len <= sizeof link.name)
      memcpy(link.name, value.ptr, value.len > 0 ? value.len - 1 : 0); /* its end is there already */
  }
  *out = link;
  return TW_OK;
}

tw_err tw_netdev_find(tw_netdev *netdev, const char *name, tw_netdev_link *link, tw_report *report) {
  const size_t len = strlen(name);
  if (len == 0 || len > TW_NETDEV_NAME_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.40s' is no name of a device", name);
  const struct ifinfomsg info = {0};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_GETLINK, 0, &info, sizeof info);
  tw_netlink_put(&request, IFLA_IFNAME, TW_BYTES((const uint8_t *)name, len + 1));
  tw_netdev_link found = {0};
  const tw_err err = tw_netlink_ask(&netdev->netlink, &request, take_link, &found);
  if (err != TW_OK) return tw_netdev_explain(netdev, err, report, "find the device %s", name);
  *link = found;
  return TW_OK;
}

static tw_err look(tw_netdev *netdev, unsigned index, tw_netdev_link *link) {
  const struct ifinfomsg info = {.ifi_index = (int)index};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_GETLINK, 0, &info, sizeof info);
  return tw_netlink_ask(&netdev->netlink, &request, take_link, link);
}

tw_err tw_netdev_look(tw_netdev *netdev, unsigned index, tw_netdev_link *link, tw_report *report) {
  tw_netdev_link found = {0};
  const tw_err err = look(netdev, index, &found);
  if (err != TW_OK) return tw_netdev_explain(netdev, err, report, "find the device number %u", index);
  *link = found;
  return TW_OK;
}

static tw_err set_flags(tw_netdev *netdev, unsigned index, unsigned flags, unsigned change) {
  const struct ifinfomsg info = {.ifi_index = (int)index, .ifi_flags = flags, .ifi_change = change};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
  return tw_netlink_ask(&netdev->netlink, &request, NULL, NULL);
}

tw_err tw_netdev_set_up(tw_netdev *netdev, unsigned index, bool up, tw_report *report) {
  const tw_err err = set_flags(netdev, index, up ? IFF_UP : 0, IFF_UP);
  if (err == TW_OK) return TW_OK;
  return tw_netdev_explain(netdev, err, report, "set device number %u %s", index, up ? "up" : "down");
}

tw_err tw_netdev_set_multicast(tw_netdev *netdev, unsigned index, bool multicast, bool all_groups, tw_report *report) {
  const unsigned flags = (multicast ? IFF_MULTICAST : 0U) | (all_groups ? IFF_ALLMULTI : 0U);
  const tw_err err = set_flags(netdev, index, flags, IFF_MULTICAST | IFF_ALLMULTI);
  if (err == TW_OK) return TW_OK;
  return tw_netdev_explain(netdev, err, report, "set the multicast flags of device number %u", index);
}

tw_err tw_netdev_leave_link_local(tw_netdev *netdev, unsigned index, tw_report *report) {
  static const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
  const struct ifinfomsg info = {.ifi_index = (int)index};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
  const size_t families = tw_netlink_open_nest(&request, IFLA_AF_SPEC);
  const size_t family = tw_netlink_open_nest(&request, AF_INET6);
  tw_netlink_put(&request, IFLA_INET6_ADDR_GEN_MODE, TW_BYTES(&mode, sizeof mode));
  tw_netlink_close_nest(&request, family);
  tw_netlink_close_nest(&request, families);
  const tw_err err = tw_netlink_ask(&netdev->netlink, &request, NULL, NULL);
  if (err == TW_OK || netdev->netlink.refused == EAFNOSUPPORT) return TW_OK;
  return tw_netdev_explain(netdev, err, report, "keep device number %u from a link-local address", index);
}

tw_err tw_netdev_set_mtu(tw_netdev *netdev, unsigned index, uint32_t mtu, tw_report *report) {
  const struct ifinfomsg info = {.ifi_index = (int)index};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
  tw_netlink_put_u32(&request, IFLA_MTU, mtu);
  const tw_err err = tw_netlink_ask(&netdev->netlink, &request, NULL, NULL);
  if (err == TW_OK) return TW_OK;
  return tw_netdev_explain(netdev, err, report, "set the MTU of device number %u to %u", index, (unsigned)mtu);
}

tw_err tw_netdev_delete(tw_netdev *netdev, unsigned index, tw_report *report) {
  if (index == 0) return tw_report_fail(report, TW_ERR_ARGUMENT, "there is no device number 0");
  const struct ifinfomsg info = {.ifi_index = (int)index};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_DELLINK, 0, &info, sizeof info);
  const tw_err err = tw_netlink_ask(&netdev->netlink, &request, NULL, NULL);
  if (err == TW_OK || netdev->netlink.refused == ENODEV) return TW_OK;
  return tw_netdev_explain(netdev, err, report, "remove device number %u", index);
}
