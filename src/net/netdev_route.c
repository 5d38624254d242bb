/* Network devices: routes. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netdev_internal.h"

static void put_host(tw_netlink_request *request, uint16_t type, const tw_netdev_host *host) {
  if (host->family != 0) tw_netlink_put(request, type, tw_netdev_host_bytes(host));
}

static uint32_t table_of(uint32_t table) { return table != 0 ? table : RT_TABLE_MAIN; }

static tw_err change(tw_netdev *netdev, uint16_t type, uint16_t flags, const tw_netdev_route *route) {
  const bool adds = type == RTM_NEWROUTE;
  struct rtmsg message = {.rtm_family = route->to.host.family,
                          .rtm_dst_len = route->to.length,
                          .rtm_scope = RT_SCOPE_NOWHERE}; /* removing: any */
  if (adds) {
    message.rtm_protocol = RTPROT_STATIC;
    message.rtm_type = RTN_UNICAST;
    const bool on_link = route->to.host.family == AF_INET && route->via.family == 0;
    message.rtm_scope = on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  }
  tw_netlink_request request;
  tw_netlink_begin(&request, type, flags, &message, sizeof message);
  if (route->to.length > 0) put_host(&request, RTA_DST, &route->to.host);
  tw_netlink_put_u32(&request, RTA_TABLE, table_of(route->table));
  if (route->device != 0) tw_netlink_put_u32(&request, RTA_OIF, route->device);
  if (route->metric != 0) tw_netlink_put_u32(&request, RTA_PRIORITY, route->metric);
  put_host(&request, RTA_GATEWAY, &route->via);
  if (adds) put_host(&request, RTA_PREFSRC, &route->from);
  if (adds && route->mtu != 0) {
    const size_t metrics = tw_netlink_open_nest(&request, RTA_METRICS);
    tw_netlink_put_u32(&request, RTAX_MTU, route->mtu);
    tw_netlink_close_nest(&request, metrics);
  }
  return tw_netlink_ask(&netdev->netlink, &request, NULL, NULL);
}

static tw_err check(const tw_netdev_route *route, tw_report *report) {
  TW_TRY(tw_netdev_check_prefix(&route->to, report));
  const uint8_t family = route->to.host.family;
  if ((route->via.family == 0 || route->via.family == family) &&
      (route->from.family == 0 || route->from.family == family))
    return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "a route whose gateway or source is of another family");
}

static tw_err explain(const tw_netdev *netdev, tw_err err, const tw_netdev_route *route, const char *verb,
                      tw_report *report) {
  char text[TW_NETDEV_PREFIX_TEXT];
  tw_netdev_prefix_text(&route->to, text);
  return tw_netdev_explain(netdev, err, report, "%s the route to %s by device number %u", verb, text, route->device);
}

/* ---- listing ---- */

typedef struct listing {
  unsigned index;
  uint32_t table;
  const tw_netdev_route *wanted; /* this one alone, or NULL */
  tw_netdev_route *out;
  size_t most;
  size_t count;
} listing;

static tw_err take_metrics(tw_bytes rest, uint32_t *mtu) {
  while (rest.len > 0) {
    uint16_t type;
    tw_bytes value;
    TW_TRY(tw_netlink_next_attribute(&rest, &type, &value));
    if (type == RTAX_MTU) *mtu = tw_netlink_u32(value);
  }
  return TW_OK;
}

static tw_err decode(const tw_netlink_message *message, struct rtmsg *info, tw_netdev_route *route) {
  tw_bytes rest = message->body;
  TW_TRY(tw_netlink_take(&rest, info, sizeof *info));
  *route = (tw_netdev_route){.to = {{.family = info->rtm_family}, info->rtm_dst_len}, .table = info->rtm_table};
  while (rest.len > 0) {
    uint16_t type;
    tw_bytes value;
    TW_TRY(tw_netlink_next_attribute(&rest, &type, &value));
    if (type == RTA_DST) (void)tw_netdev_host_of(info->rtm_family, value, &route->to.host);
    if (type == RTA_GATEWAY) (void)tw_netdev_host_of(info->rtm_family, value, &route->via);
    if (type == RTA_PREFSRC) (void)tw_netdev_host_of(info->rtm_family, value, &route->from);
    if (type == RTA_OIF) route->device = tw_netlink_u32(value);
    if (type == RTA_TABLE) route->table = tw_netlink_u32(value);
    if (type == RTA_PRIORITY) route->metric = tw_netlink_u32(value);
    if (type == RTA_METRICS) TW_TRY(take_metrics(value, &route->mtu));
  }
  return TW_OK;
}

static tw_err take_route(void *ctx, const tw_netlink_message *message) {
  listing *list = ctx;
  if (message->type != RTM_NEWROUTE) return TW_OK;
  struct rtmsg info;
  tw_netdev_route found;
  TW_TRY(decode(message, &info, &found));
  if (info.rtm_type != RTN_UNICAST || (info.rtm_flags & RTM_F_CLONED) != 0 || found.table != list->table) return TW_OK;
  if (list->index != 0 && found.device != list->index) return TW_OK;
  if (list->wanted != NULL && (!tw_netdev_prefix_equal(&found.to, &list->wanted->to) ||
                               (list->wanted->metric != 0 && found.metric != list->wanted->metric)))
    return TW_OK;
  if (list->count < list->most) list->out[list->count] = found;
  list->count++;
  return TW_OK;
}

static tw_err list_family(tw_netdev *netdev, uint8_t family, listing *list) {
  const struct rtmsg message = {.rtm_family = family};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_GETROUTE, NLM_F_DUMP, &message, sizeof message);
  tw_netlink_put_u32(&request, RTA_TABLE, list->table); /* a kernel that does not filter is filtered by take_route */
  if (list->index != 0) tw_netlink_put_u32(&request, RTA_OIF, list->index);
  const size_t before = list->count;
  tw_err err = TW_ERR_PENDING;
  for (int tries = 0; err == TW_ERR_PENDING && tries < TW_NETDEV_LISTINGS; tries++) {
    list->count = before;
    err = tw_netlink_ask(&netdev->netlink, &request, take_route, list);
  }
  /* No such table, no such device, no such family: nothing in it. */
  const int refused = netdev->netlink.refused;
  return refused == ENOENT || refused == ENODEV || refused == EOPNOTSUPP ? TW_OK : err;
}

tw_err tw_netdev_list_routes(tw_netdev *netdev, unsigned index, uint32_t table, tw_netdev_route *out, size_t most,
                             size_t *count, tw_report *report) {
  listing list = {.index = index, .table = table_of(table), .out = out, .most = most};
  tw_err err = list_family(netdev, AF_INET, &list);
  if (err == TW_OK) err = list_family(netdev, AF_INET6, &list);
  if (err != TW_OK) return tw_netdev_explain(netdev, err, report, "list the routes of table %u", (unsigned)list.table);
  *count = list.count;
  return TW_OK;
}

/* ---- changing ---- */

/* Whether the route that is in the way is the very one. */
static bool is_there(tw_netdev *netdev, const tw_netdev_route *route) {
  listing list = {.index = route->device, .table = table_of(route->table), .wanted = route};
  return list_family(netdev, route->to.host.family, &list) == TW_OK && list.count > 0;
}

tw_err tw_netdev_add_route(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report) {
  TW_TRY(check(route, report));
  const tw_err err = change(netdev, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
  if (err == TW_OK) return TW_OK;
  if (netdev->netlink.refused != EEXIST) return explain(netdev, err, route, "add", report);
  if (is_there(netdev, route)) return TW_OK;
  char text[TW_NETDEV_PREFIX_TEXT];
  tw_netdev_prefix_text(&route->to, text);
  return tw_report_fail(report, TW_ERR_STATE,
                        "cannot add the route to %s: there is one by another device (ip route show %s); remove it, or "
                        "give ours another metric",
                        text, text);
}

tw_err tw_netdev_replace_route(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report) {
  TW_TRY(check(route, report));
  const tw_err err = change(netdev, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  return err == TW_OK ? TW_OK : explain(netdev, err, route, "set", report);
}

tw_err tw_netdev_remove_route(tw_netdev *netdev, const tw_netdev_route *route, tw_report *report) {
  TW_TRY(check(route, report));
  const tw_err err = change(netdev, RTM_DELROUTE, 0, route);
  const int refused = netdev->netlink.refused;
  if (err == TW_OK || refused == ESRCH || refused == ENOENT || refused == ENODEV) return TW_OK;
  return explain(netdev, err, route, "remove", report);
}

/* ---- asking ---- */

static tw_err take_way(void *ctx, const tw_netlink_message *message) {
  tw_netdev_route *route = ctx;
  struct rtmsg info;
  return message->type == RTM_NEWROUTE ? decode(message, &info, route) : TW_OK;
}

tw_err tw_netdev_towards(tw_netdev *netdev, const tw_netdev_host *host, uint32_t mark, tw_netdev_way *way,
                         tw_report *report) {
  const tw_netdev_prefix to = {*host, (uint8_t)(tw_netdev_host_size(host) * 8)};
  TW_TRY(tw_netdev_check_prefix(&to, report));
  const struct rtmsg message = {.rtm_family = host->family, .rtm_dst_len = to.length};
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_GETROUTE, 0, &message, sizeof message);
  put_host(&request, RTA_DST, host);
  if (mark != 0) tw_netlink_put_u32(&request, RTA_MARK, mark);
  tw_netdev_route route = {0};
  const tw_err err = tw_netlink_ask(&netdev->netlink, &request, take_way, &route);
  if (err != TW_OK || route.device == 0) {
    char text[TW_NETDEV_PREFIX_TEXT];
    tw_netdev_prefix_text(&to, text);
    return tw_netdev_explain(netdev, err != TW_OK ? err : TW_ERR_STATE, report, "find the way to %s", text);
  }
  tw_netdev_way found = {.from = route.from, .via = route.via};
  TW_TRY(tw_netdev_look(netdev, route.device, &found.link, report));
  found.mtu = route.mtu != 0 && route.mtu < found.link.mtu ? route.mtu : found.link.mtu;
  *way = found;
  return TW_OK;
}
